/* SPDX-License-Identifier: Apache-2.0 */
/* cscf/ws/upgrade.c: which handshakes are taken, and the exact answer to each other one. */
#include "cscf/ws/upgrade.h"

#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define CORE                                                                                       \
	"Host: w2.example.net\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"        \
	"Sec-WebSocket-Version: 13\r\n"
#define ORIGIN "Origin: https://portal.example.net\r\n"
#define SIP    "Sec-WebSocket-Protocol: sip\r\n"
#define WSKEY  "Sec-WebSocket-Key: " KEY "\r\n"
#define GET    "GET /sip HTTP/1.1\r\n"
#define GOOD   GET CORE WSKEY SIP ORIGIN "\r\n"

static char portal[] = "https://portal.example.net";
static char other[] = "http://127.0.0.1:8080";
static char *origins[] = {portal, other};
static const struct gw_conf_list allowed = {origins, 2};
static const struct cscf_ws_upgrade_rules strict = {"/sip", &allowed, true};
static const struct cscf_ws_upgrade_rules lax = {"/sip", &allowed, false};

struct outcome {
	enum gw_err err;
	enum cscf_ws_reject reject;
	size_t used;
	char origin[CSCF_WS_ORIGIN_MAX];
	char accept[CSCF_WS_ACCEPT_MAX];
};

static struct outcome feed(const struct cscf_ws_upgrade_rules *rules, const char *text, size_t len,
			   size_t step)
{
	struct outcome o = {.err = GW_ERR_AGAIN};
	struct cscf_ws_upgrade *u = NULL;

	assert_int_equal(cscf_ws_upgrade_new(&u, rules), GW_OK);
	for (size_t i = 0; i < len && o.err == GW_ERR_AGAIN; i += step) {
		size_t n = len - i < step ? len - i : step;
		size_t used = 0;

		o.err = cscf_ws_upgrade_feed(u, text + i, n, &used, &o.reject);
		assert_true(used <= n);
		o.used += used;
	}
	(void)snprintf(o.origin, sizeof(o.origin), "%s", cscf_ws_upgrade_origin(u));
	if (o.err == GW_OK)
		assert_true(cscf_ws_upgrade_accept(u, o.accept, sizeof(o.accept)) > 0);
	cscf_ws_upgrade_free(u);
	return o;
}

static void test_the_handshake_of_rfc_6455_is_taken_in_any_pieces(void **state)
{
	REQ("WS-01", "WS-03", "WS-05");
	static const char text[] = GOOD "\x81\x80";

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		struct outcome o = feed(&strict, text, sizeof(text) - 1, step);

		assert_int_equal(o.err, GW_OK);
		assert_int_equal(o.used, sizeof(GOOD) - 1); /* the frame behind it is left alone */
		assert_string_equal(o.origin, portal);
		assert_string_equal(o.accept,
				    "HTTP/1.1 101 Switching Protocols\r\n"
				    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
				    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
				    "Sec-WebSocket-Protocol: sip\r\n\r\n");
	}
}

struct row {
	const char *text;
	enum cscf_ws_reject reject;
};

static const struct row good[] = {
    {GET CORE WSKEY "Sec-WebSocket-Protocol: chat, sip\r\n" ORIGIN "\r\n", 0},
    {GET CORE WSKEY "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: sip\r\n" ORIGIN "\r\n",
     0},
    {GET CORE WSKEY SIP "oRiGiN: http://127.0.0.1:8080\r\n\r\n", 0},
    {"GET /sip?x=1 HTTP/1.1\r\n" CORE WSKEY SIP ORIGIN "\r\n", 0},
    {GET CORE WSKEY SIP ORIGIN "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 0},
    {GET "Host: x\r\nUpgrade: WebSocket\r\nConnection: UPGRADE\r\n"
	 "Sec-WebSocket-Version: 13\r\n" WSKEY SIP ORIGIN "\r\n",
     0},
};

static const struct row bad[] = {
    {"POST /sip HTTP/1.1\r\n" CORE WSKEY SIP ORIGIN "\r\n", CSCF_WS_REJECT_METHOD},
    {"OPTIONS /sip HTTP/1.1\r\n" CORE WSKEY SIP ORIGIN "\r\n", CSCF_WS_REJECT_METHOD},
    {"GET /sip HTTP/1.0\r\n" CORE WSKEY SIP ORIGIN "\r\n", CSCF_WS_REJECT_HTTP_VERSION},
    {"GET /sips HTTP/1.1\r\n" CORE WSKEY SIP ORIGIN "\r\n", CSCF_WS_REJECT_PATH},
    {"GET / HTTP/1.1\r\n" CORE WSKEY SIP ORIGIN "\r\n", CSCF_WS_REJECT_PATH},
    {GET
     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" WSKEY SIP ORIGIN
     "\r\n",
     CSCF_WS_REJECT_MALFORMED},
    {GET "Host: x\r\n\r\n", CSCF_WS_REJECT_NO_UPGRADE},
    {GET "Host: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" WSKEY SIP ORIGIN "\r\n",
     CSCF_WS_REJECT_NO_UPGRADE},
    {GET "Host: x\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n" WSKEY SIP ORIGIN "\r\n",
     CSCF_WS_REJECT_NO_UPGRADE},
    {GET "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	 "Sec-WebSocket-Version: 8\r\n" WSKEY SIP ORIGIN "\r\n",
     CSCF_WS_REJECT_VERSION},
    {GET "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" WSKEY SIP ORIGIN "\r\n",
     CSCF_WS_REJECT_VERSION},
    {GET CORE SIP ORIGIN "\r\n", CSCF_WS_REJECT_KEY},
    {GET CORE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ\r\n" SIP ORIGIN "\r\n", CSCF_WS_REJECT_KEY},
    {GET CORE "Sec-WebSocket-Key: !!!lIHNhbXBsZSBub25jZQ==\r\n" SIP ORIGIN "\r\n",
     CSCF_WS_REJECT_KEY},
    {GET CORE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n" SIP ORIGIN "\r\n",
     CSCF_WS_REJECT_KEY},
    {GET CORE WSKEY WSKEY SIP ORIGIN "\r\n", CSCF_WS_REJECT_MALFORMED},
    {GET CORE WSKEY ORIGIN "\r\n", CSCF_WS_REJECT_SUBPROTOCOL},
    {GET CORE WSKEY "Sec-WebSocket-Protocol: xmpp\r\n" ORIGIN "\r\n", CSCF_WS_REJECT_SUBPROTOCOL},
    {GET CORE WSKEY "Sec-WebSocket-Protocol: sips, SIP, sip2\r\n" ORIGIN "\r\n",
     CSCF_WS_REJECT_SUBPROTOCOL},
    {GET CORE WSKEY SIP ORIGIN "Content-Length: 4\r\n\r\nbody", CSCF_WS_REJECT_MALFORMED},
    {GET CORE WSKEY SIP ORIGIN "Transfer-Encoding: chunked\r\n\r\n", CSCF_WS_REJECT_MALFORMED},
    {"\x16\x03\x01\x02\x00\x01", CSCF_WS_REJECT_MALFORMED},
    {"GET /sip\r\n\r\n", CSCF_WS_REJECT_HTTP_VERSION},
};

static void run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(rows[i].text);

		for (size_t step = 1; step <= len; step += step < 8 ? 1 : len) {
			struct outcome o = feed(&strict, rows[i].text, len, step);

			if (o.reject != rows[i].reject)
				fail_msg("row %zu in steps of %zu: %s, not %s", i, step,
					 cscf_ws_reject_name(o.reject),
					 cscf_ws_reject_name(rows[i].reject));
			assert_int_equal(o.err, rows[i].reject == 0 ? GW_OK : GW_ERR_REJECTED);
		}
	}
}

static void test_variants_that_are_still_good(void **state)
{
	REQ("WS-01", "WS-03", "WS-13");
	(void)state;
	run_rows(good, sizeof(good) / sizeof(good[0]));
}

static void test_each_bad_handshake_has_its_reason(void **state)
{
	REQ("WS-01", "WS-02", "WS-03", "WS-36");
	(void)state;
	run_rows(bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_origin_must_match_exactly(void **state)
{
	REQ("WS-05");
	static const char *const wrong[] = {
	    "https://portal.example.net.evil.tld",
	    "https://evil.tld/https://portal.example.net",
	    "http://portal.example.net",
	    "https://portal.example.net:8443",
	    "https://portal.example.net/",
	    "HTTPS://portal.example.net",
	    "https://portal.example.ne",
	    "null",
	    "*",
	    "",
	};
	char text[1024];
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int n =
		    snprintf(text, sizeof(text), GET CORE WSKEY SIP "Origin: %s\r\n\r\n", wrong[i]);

		o = feed(&strict, text, (size_t)n, (size_t)n);
		if (o.reject != CSCF_WS_REJECT_ORIGIN)
			fail_msg("Origin \"%s\": %s", wrong[i], cscf_ws_reject_name(o.reject));
		assert_int_equal(feed(&lax, text, (size_t)n, 1).reject, CSCF_WS_REJECT_ORIGIN);
	}
	o = feed(&strict, GET CORE WSKEY SIP ORIGIN ORIGIN "\r\n",
		 sizeof(GET CORE WSKEY SIP ORIGIN ORIGIN), 64);
	assert_int_equal(o.reject, CSCF_WS_REJECT_ORIGIN);
	/* blanks behind a value are not part of it, neither when compared nor when told */
	o = feed(&strict, GET CORE WSKEY SIP "Origin: https://portal.example.net \t\r\n\r\n",
		 sizeof(GET CORE WSKEY SIP "Origin: https://portal.example.net \t\r\n\r\n") - 1, 5);
	assert_int_equal(o.err, GW_OK);
	assert_string_equal(o.origin, portal);
}

static void test_an_absent_origin_is_the_knobs_choice(void **state)
{
	REQ("WS-05");
	static const char text[] = GET CORE WSKEY SIP "\r\n";

	(void)state;
	assert_int_equal(feed(&strict, text, sizeof(text) - 1, 1).reject,
			 CSCF_WS_REJECT_ORIGIN_ABSENT);
	assert_int_equal(feed(&lax, text, sizeof(text) - 1, 1).err, GW_OK);
}

static void test_no_allow_list_refuses_every_origin(void **state)
{
	REQ("WS-05");
	static const struct cscf_ws_upgrade_rules none = {"/sip", NULL, true};

	(void)state;
	assert_int_equal(feed(&none, GOOD, sizeof(GOOD) - 1, 1).reject, CSCF_WS_REJECT_ORIGIN);
}

/* A request whose filler field makes it exactly `total` octets long. */
static size_t padded(char *to, size_t total, const char *field)
{
	static const char head[] = GET CORE WSKEY SIP ORIGIN;
	size_t n = sizeof(head) - 1;

	memcpy(to, head, n);
	while (n + 4 < total) {
		size_t room = total - 4 - n;
		size_t name = strlen(field);
		size_t value = room > 400 ? 200 : room - name - 2;

		memcpy(to + n, field, name);
		memset(to + n + name, 'v', value);
		memcpy(to + n + name + value, "\r\n", 2);
		n += name + value + 2;
	}
	memcpy(to + n, "\r\n\r\n", 4);
	to[n + 2] = '\r';
	return n + 2;
}

static void test_request_size_is_limited_at_the_limit(void **state)
{
	REQ("WS-01");
	static char text[CSCF_WS_HEADER_MAX + 64];
	size_t n = padded(text, CSCF_WS_HEADER_MAX + 2, "X-Filler: ");

	(void)state;
	assert_int_equal(n, CSCF_WS_HEADER_MAX);
	assert_int_equal(feed(&strict, text, n, 100).err, GW_OK);
	n = padded(text, CSCF_WS_HEADER_MAX + 3, "X-Filler: ");
	assert_int_equal(n, CSCF_WS_HEADER_MAX + 1);
	assert_int_equal(feed(&strict, text, n, 100).reject, CSCF_WS_REJECT_HEADER_SIZE);
}

static void test_number_of_fields_is_limited_at_the_limit(void **state)
{
	REQ("WS-01");
	static char text[CSCF_WS_HEADER_MAX];
	unsigned base = 7; /* of GET CORE WSKEY SIP ORIGIN */

	(void)state;
	for (unsigned extra = CSCF_WS_FIELDS_MAX - base; extra <= CSCF_WS_FIELDS_MAX - base + 1;
	     extra++) {
		int n = snprintf(text, sizeof(text), "%s", GET CORE WSKEY SIP ORIGIN);

		for (unsigned i = 0; i < extra; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "X: y\r\n");
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
		assert_int_equal(feed(&strict, text, (size_t)n, 64).reject,
				 base + extra <= CSCF_WS_FIELDS_MAX ? CSCF_WS_REJECT_NONE
								    : CSCF_WS_REJECT_HEADER_SIZE);
	}
}

static void test_answers_say_what_the_rules_say(void **state)
{
	REQ("WS-01", "WS-02", "WS-03", "WS-05");
	static const struct {
		enum cscf_ws_reject why;
		const char *line, *field;
	} rows[] = {
	    {CSCF_WS_REJECT_MALFORMED, "HTTP/1.1 400 ", "Connection: close\r\n"},
	    {CSCF_WS_REJECT_KEY, "HTTP/1.1 400 ", "Connection: close\r\n"},
	    {CSCF_WS_REJECT_SUBPROTOCOL, "HTTP/1.1 400 ", "Connection: close\r\n"},
	    {CSCF_WS_REJECT_METHOD, "HTTP/1.1 405 ", "Allow: GET\r\n"},
	    {CSCF_WS_REJECT_PATH, "HTTP/1.1 404 ", "Connection: close\r\n"},
	    {CSCF_WS_REJECT_VERSION, "HTTP/1.1 426 ", "Sec-WebSocket-Version: 13\r\n"},
	    {CSCF_WS_REJECT_ORIGIN, "HTTP/1.1 403 ", "Connection: close\r\n"},
	    {CSCF_WS_REJECT_ORIGIN_ABSENT, "HTTP/1.1 403 ", "Connection: close\r\n"},
	    {CSCF_WS_REJECT_DRAINING, "HTTP/1.1 503 ", "Retry-After: "},
	    {CSCF_WS_REJECT_MAX_SOURCE, "HTTP/1.1 503 ", "Retry-After: "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *answer = cscf_ws_reject_answer(rows[i].why);

		assert_non_null(answer);
		assert_memory_equal(answer, rows[i].line, strlen(rows[i].line));
		assert_non_null(strstr(answer, rows[i].field));
		assert_non_null(strstr(answer, "\r\n\r\n"));
	}
	assert_null(cscf_ws_reject_answer(CSCF_WS_REJECT_TIMEOUT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_handshake_of_rfc_6455_is_taken_in_any_pieces),
	    cmocka_unit_test(test_variants_that_are_still_good),
	    cmocka_unit_test(test_each_bad_handshake_has_its_reason),
	    cmocka_unit_test(test_origin_must_match_exactly),
	    cmocka_unit_test(test_an_absent_origin_is_the_knobs_choice),
	    cmocka_unit_test(test_no_allow_list_refuses_every_origin),
	    cmocka_unit_test(test_request_size_is_limited_at_the_limit),
	    cmocka_unit_test(test_number_of_fields_is_limited_at_the_limit),
	    cmocka_unit_test(test_answers_say_what_the_rules_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
