/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of words; see words.h.
 */
#include "cscf/sip/words.h"

#include "cscf/sip/flow.h"
#include "cscf/sip/msg.h"

static const char *const methods[CSCF_SIP_METHOD_COUNT] = {
    [CSCF_SIP_INVITE] = "INVITE",
    [CSCF_SIP_ACK] = "ACK",
    [CSCF_SIP_BYE] = "BYE",
    [CSCF_SIP_CANCEL] = "CANCEL",
    [CSCF_SIP_REGISTER] = "REGISTER",
    [CSCF_SIP_OPTIONS] = "OPTIONS",
    [CSCF_SIP_PRACK] = "PRACK",
    [CSCF_SIP_UPDATE] = "UPDATE",
    [CSCF_SIP_INFO] = "INFO",
    [CSCF_SIP_MESSAGE] = "MESSAGE",
    [CSCF_SIP_REFER] = "REFER",
    [CSCF_SIP_SUBSCRIBE] = "SUBSCRIBE",
    [CSCF_SIP_NOTIFY] = "NOTIFY",
    [CSCF_SIP_PUBLISH] = "PUBLISH",
    [CSCF_SIP_METHOD_OTHER] = "other",
};

enum cscf_sip_method cscf_sip_method_parse(struct gw_slice text)
{
	for (int i = 0; i < CSCF_SIP_METHOD_OTHER; i++)
		if (gw_slice_eq_str(text, methods[i])) /* methods are case-sensitive */
			return (enum cscf_sip_method)i;
	return CSCF_SIP_METHOD_OTHER;
}

const char *cscf_sip_method_name(enum cscf_sip_method method)
{
	return method < CSCF_SIP_METHOD_COUNT ? methods[method] : "other";
}

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {199, "Early Dialog Terminated"},
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Notification"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {305, "Use Proxy"},
    {380, "Alternative Service"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {412, "Conditional Request Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {422, "Session Interval Too Small"},
    {423, "Interval Too Brief"},
    {424, "Bad Location Information"},
    {430, "Flow Failed"},
    {433, "Anonymity Disallowed"},
    {436, "Bad Identity-Info"},
    {439, "First Hop Lacks Outbound Support"},
    {440, "Max-Breadth Exceeded"},
    {469, "Bad Info Package"},
    {470, "Consent Needed"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {485, "Ambiguous"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {489, "Bad Event"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {494, "Security Agreement Required"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {580, "Precondition Failure"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
};

const char *cscf_sip_reason_phrase(int status)
{
	static const char *const classes[] = {"Unknown",       "Progress",        "Success",
					      "Redirection",   "Request Failure", "Server Failure",
					      "Global Failure"};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return status >= 100 && status <= 699 ? classes[status / 100] : classes[0];
}

/* IANA: SIP parameters, compact forms. */
static const char *const compact[26] = {
    ['a' - 'a'] = "Accept-Contact",
    ['b' - 'a'] = "Referred-By",
    ['c' - 'a'] = "Content-Type",
    ['d' - 'a'] = "Request-Disposition",
    ['e' - 'a'] = "Content-Encoding",
    ['f' - 'a'] = "From",
    ['i' - 'a'] = "Call-ID",
    ['j' - 'a'] = "Reject-Contact",
    ['k' - 'a'] = "Supported",
    ['l' - 'a'] = "Content-Length",
    ['m' - 'a'] = "Contact",
    ['n' - 'a'] = "Identity-Info",
    ['o' - 'a'] = "Event",
    ['r' - 'a'] = "Refer-To",
    ['s' - 'a'] = "Subject",
    ['t' - 'a'] = "To",
    ['u' - 'a'] = "Allow-Events",
    ['v' - 'a'] = "Via",
    ['x' - 'a'] = "Session-Expires",
    ['y' - 'a'] = "Identity",
};

struct gw_slice cscf_sip_hdr_long_name(struct gw_slice name)
{
	if (name.n == 1) {
		char c = (char)(name.p[0] | 0x20);

		if (c >= 'a' && c <= 'z' && compact[c - 'a'] != NULL)
			return gw_slice_str(compact[c - 'a']);
	}
	return name;
}

const char *cscf_sip_transport_name(enum cscf_sip_transport transport)
{
	switch (transport) {
	case CSCF_SIP_WS:
		return "WS";
	case CSCF_SIP_WSS:
		return "WSS";
	case CSCF_SIP_UDP:
		return "UDP";
	case CSCF_SIP_TCP:
		return "TCP";
	}
	return "?";
}

bool cscf_sip_flow_eq(const struct cscf_sip_flow *a, const struct cscf_sip_flow *b)
{
	return a->side == b->side && a->transport == b->transport && a->conn == b->conn &&
	       (a->conn != 0 ||
		(gw_addr_eq(&a->remote, &b->remote) && gw_addr_eq(&a->local, &b->local)));
}
