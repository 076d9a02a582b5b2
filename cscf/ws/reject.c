/* SPDX-License-Identifier: Apache-2.0 */
/* Every way to refuse a connection before 101: its word and its HTTP answer. Thread: any. */
#include "cscf/ws/upgrade.h"

#define ANSWER(status, extra, text)                                                                \
	"HTTP/1.1 " status "\r\n" extra "Content-Type: text/plain\r\nConnection: close\r\n"        \
	"Cache-Control: no-store\r\n\r\n" text "\n"
#define RETRY "Retry-After: 30\r\n"

static const struct {
	const char *name;
	const char *answer;
} table[CSCF_WS_REJECT_COUNT] = {
    [CSCF_WS_REJECT_NONE] = {"none", NULL},
    [CSCF_WS_REJECT_MALFORMED] = {"malformed", ANSWER("400 Bad Request", "", "not HTTP/1.1")},
    [CSCF_WS_REJECT_HEADER_SIZE] = {"header-size",
				    ANSWER("400 Bad Request", "", "request too large")},
    [CSCF_WS_REJECT_METHOD] = {"method",
			       ANSWER("405 Method Not Allowed", "Allow: GET\r\n", "GET only")},
    [CSCF_WS_REJECT_PATH] = {"path", ANSWER("404 Not Found", "", "no such path")},
    [CSCF_WS_REJECT_HTTP_VERSION] = {"http-version",
				     ANSWER("400 Bad Request", "", "HTTP/1.1 is needed")},
    [CSCF_WS_REJECT_NO_UPGRADE] = {"no-upgrade", ANSWER("400 Bad Request", "",
							"a WebSocket handshake is needed")},
    [CSCF_WS_REJECT_VERSION] = {"version",
				ANSWER("426 Upgrade Required",
				       "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
				       "WebSocket version 13 is needed")},
    [CSCF_WS_REJECT_KEY] = {"key", ANSWER("400 Bad Request", "", "bad Sec-WebSocket-Key")},
    [CSCF_WS_REJECT_SUBPROTOCOL] = {"subprotocol",
				    ANSWER("400 Bad Request", "", "subprotocol sip is needed")},
    [CSCF_WS_REJECT_ORIGIN] = {"origin", ANSWER("403 Forbidden", "", "Origin not allowed")},
    [CSCF_WS_REJECT_ORIGIN_ABSENT] = {"origin-absent",
				      ANSWER("403 Forbidden", "", "Origin is needed")},
    [CSCF_WS_REJECT_DRAINING] = {"draining",
				 ANSWER("503 Service Unavailable", RETRY, "going down")},
    [CSCF_WS_REJECT_MAX_TOTAL] = {"max-connections",
				  ANSWER("503 Service Unavailable", RETRY, "full")},
    [CSCF_WS_REJECT_MAX_SOURCE] = {"max-per-source",
				   ANSWER("503 Service Unavailable", RETRY,
					  "too many connections from this address")},
    [CSCF_WS_REJECT_MAX_ORIGIN] = {"max-per-origin",
				   ANSWER("503 Service Unavailable", RETRY,
					  "too many connections from this Origin")},
    [CSCF_WS_REJECT_TIMEOUT] = {"timeout", NULL},
    [CSCF_WS_REJECT_TLS] = {"tls", NULL},
    [CSCF_WS_REJECT_PROXY_HEADER] = {"proxy-header", NULL},
    [CSCF_WS_REJECT_LOST] = {"lost", NULL},
    [CSCF_WS_REJECT_OVERLOAD] = {"overload", NULL},
    [CSCF_WS_REJECT_NOMEM] = {"no-memory", NULL},
};

const char *cscf_ws_reject_name(enum cscf_ws_reject r)
{
	return (unsigned)r < CSCF_WS_REJECT_COUNT ? table[r].name : "unknown";
}

const char *cscf_ws_reject_answer(enum cscf_ws_reject r)
{
	return (unsigned)r < CSCF_WS_REJECT_COUNT ? table[r].answer : NULL;
}
