/* SPDX-License-Identifier: Apache-2.0 */
/* The seal of a dialog that nothing is kept of: it fits its own dialog and no other. */
#include "tests/unit/cscf/session/play.h"

#include "cscf/session/seal.h"

#define PCV "icid-value=\"real1\";orig-ioi=x"

static struct cscf_sip_msg *message(const char *first, const char *call_id, const char *headers)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "%s\r\nVia: SIP/2.0/WSS peer.invalid;branch=z9hG4bK1\r\n"
		 "Max-Forwards: 70\r\nFrom: " W_ALICE "\r\nTo: " W_BOB_TAG "\r\nCall-ID: %s\r\n"
		 "CSeq: 1 SUBSCRIBE\r\n%sContent-Length: 0\r\n\r\n",
		 first, call_id, headers);
	return w_parse(text);
}

static const char *own(char *buf, size_t n)
{
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1];

	cscf_sip_flow_token_make(&w.tokens, W_CONN, CSCF_SIP_DIR_TO_CORE, token);
	snprintf(buf, n, "sip:%s@w2.test:8443", token);
	return buf;
}

/* A 2xx with these entries of the core behind ours; its seal, "ICID.MAC", goes to `seal`. */
static void sealed(const char *call_id, const char *behind, char *seal, size_t n)
{
	char uri[256], headers[2048];
	struct cscf_sip_msg *rsp;
	char *text, *at, *end;

	snprintf(headers, sizeof(headers),
		 "Record-Route: %s%s<%s;lr>\r\nContact: <sip:b1@" W_CORE_IP ":5070>\r\n", behind,
		 behind[0] != '\0' ? ", " : "", own(uri, sizeof(uri)));
	rsp = message("SIP/2.0 200 OK", call_id, headers);
	assert_int_equal(seal_dialog(w.s, rsp, W_CONN, PCV), GW_OK);
	text = cscf_sip_msg_print(rsp, NULL);
	at = strstr(text, ";d=");
	assert_non_null(at);
	end = strchr(at, '>');
	assert_non_null(end);
	snprintf(seal, n, "%.*s", (int)(end - at - 3), at + 3);
	free(text);
	cscf_sip_msg_free(rsp);
}

static enum gw_err checked(const char *call_id, const char *seal, const char *behind,
			   const char *target, char *icid)
{
	char uri[256], headers[2048], first[256];
	struct cscf_sip_msg *req;
	enum gw_err err;

	snprintf(first, sizeof(first), "SUBSCRIBE %s SIP/2.0", target);
	snprintf(headers, sizeof(headers), "Route: <%s;lr;d=%s>%s%s\r\n", own(uri, sizeof(uri)),
		 seal, behind[0] != '\0' ? ", " : "", behind);
	req = message(first, call_id, headers);
	err = seal_check(w.s, req, W_CONN, icid);
	cscf_sip_msg_free(req);
	return err;
}

#define TARGET "sip:b1@" W_CORE_IP ":5070"

static void test_a_seal_fits_its_own_dialog(void **state)
{
	REQ("ID-07", "ID-08");
	char seal[256], icid[SEAL_ICID_MAX + 1];
	static const char *const one = "<sip:r@scscf.test:6060;lr>";

	(void)state;
	/* the last in Record-Route is the first in Route */
	sealed("c9", "<sip:a.test;lr>, <sip:r@scscf.test:6060;lr>", seal, sizeof(seal));
	assert_int_equal(
	    checked("c9", seal, "<sip:r@scscf.test:6060;lr>, <sip:a.test;lr>", TARGET, icid),
	    GW_OK);
	assert_string_equal(icid, "real1");
	assert_int_equal(checked("c9", seal, one, TARGET, icid), GW_ERR_DENIED);
	assert_int_equal(
	    checked("c8", seal, "<sip:r@scscf.test:6060;lr>, <sip:a.test;lr>", TARGET, icid),
	    GW_ERR_DENIED);
	/* without any, the remote target is what is bound */
	sealed("c9", "", seal, sizeof(seal));
	assert_int_equal(checked("c9", seal, "", TARGET, icid), GW_OK);
	assert_int_equal(checked("c9", seal, "", "sip:b1@" W_CORE_IP ":22", icid), GW_ERR_DENIED);
	assert_int_equal(checked("c9", seal, "<sip:" W_CORE_IP ":5070;lr>", TARGET, icid),
			 GW_ERR_DENIED);
}

/* A Call-ID that reads like a Call-ID, an icid and a hop. */
static void test_no_field_speaks_for_the_next(void **state)
{
	REQ("ID-07");
	char seal[256], forged[256], icid[SEAL_ICID_MAX + 1];
	const char *mac;

	(void)state;
	sealed("A|B|evil@10.0.0.9:22,", "<sip:real@scscf.test:6060;lr>", seal, sizeof(seal));
	mac = strchr(seal, '.');
	assert_non_null(mac);
	snprintf(forged, sizeof(forged), "B%s", mac);
	assert_int_equal(checked("A", forged,
				 "<sip:evil@10.0.0.9:22;lr>, "
				 "<sip:|real1|real@scscf.test:6060;lr>",
				 TARGET, icid),
			 GW_ERR_DENIED);
	/* the same by hops: user, host and port of one are not those of another */
	sealed("c9", "<sip:x@a.test;lr>", seal, sizeof(seal));
	assert_int_equal(checked("c9", seal, "<sip:xa.test;lr>", TARGET, icid), GW_ERR_DENIED);
	assert_int_equal(checked("c9", seal, "<sip:x@a.test:5060;lr>", TARGET, icid),
			 GW_ERR_DENIED);
}

/* An association moved, another user of the connection (assoc.multi_impi) stayed. */
static void test_who_stays_and_who_moves_keep_their_dialogs(void **state)
{
	REQ("DEREG-43", "ID-07", "ID-16");
	const char *const behind = "<sip:r@scscf.test;lr>";
	char seal[256], icid[SEAL_ICID_MAX + 1], uri[256], headers[512];
	struct cscf_sip_msg *req;

	(void)state;
	sealed("c9", behind, seal, sizeof(seal));
	snprintf(headers, sizeof(headers), "Route: <%s;lr>, %s\r\n", own(uri, sizeof(uri)), behind);
	req = message("SUBSCRIBE " TARGET " SIP/2.0", "c9", headers);
	w.moved_to = W_OTHER;
	assert_int_equal(checked("c9", seal, behind, TARGET, icid), GW_OK);
	assert_false(route_token_foreign(w.s, req, W_CONN));
	assert_false(route_token_foreign(w.s, req, W_OTHER));
	w.moved_to = 0;
	assert_true(route_token_foreign(w.s, req, W_OTHER));
	cscf_sip_msg_free(req);
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_seal_fits_its_own_dialog),
	    T(test_no_field_speaks_for_the_next),
	    T(test_who_stays_and_who_moves_keep_their_dialogs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
