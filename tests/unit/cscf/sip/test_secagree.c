/* SPDX-License-Identifier: Apache-2.0 */
/* sec-agree on W2 in each mode: cscf/sip/secagree.c. */
#include "fixture.h"

#include "tests/lib/req.h"

static void ask(struct fx *f, int n, const char *fields)
{
	char text[900];

	snprintf(text, sizeof(text),
		 "REGISTER sip:ims.example.net SIP/2.0\r\n"
		 "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:a@ims.example.net>\r\n"
		 "Call-ID: c\r\nCSeq: %d REGISTER\r\n%s\r\n",
		 n, n + 1, fields);
	fx_wic_send(f, 7, text);
}

#define OFFER "Security-Client: ipsec-3gpp;alg=x, tls;q=0.1\r\n"

static void test_required_is_420_by_default(void **state)
{
	REQ("SEC-15");
	static const char *const requires[] = {
	    "Require: sec-agree\r\n" OFFER,
	    "Proxy-Require: sec-agree\r\n",
	    "Require: path, sec-agree\r\nProxy-Require: sec-agree\r\nSecurity-Verify: tls\r\n",
	};
	struct fx *f = *state;

	fx_wic_open(f, 7);
	for (int i = 0; i < 3; i++) {
		ask(f, i, requires[i]);
		assert_int_equal(f->n_req, 0);
		assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 420 "));
		assert_non_null(strstr(fx_wic_last(f), "Unsupported: sec-agree\r\n"));
		assert_null(strstr(fx_wic_last(f), "Security-Server"));
	}
	ask(f, 9, "Supported: sec-agree\r\n" OFFER); /* not required: nothing to refuse */
	assert_int_equal(f->n_req, 1);
}

static void test_ignored_when_told_so(void **state)
{
	REQ("SEC-15");
	struct fx *f = *state;

	f->cfg.secagree = CSCF_SIP_SECAGREE_IGNORE;
	fx_wic_open(f, 7);
	ask(f, 0, "Require: sec-agree\r\nProxy-Require: sec-agree\r\n");
	assert_int_equal(f->n_req, 1);
	assert_null(strstr(f->req[0].text, "sec-agree"));
	ask(f, 1, "Proxy-Require: sec-agree, foo\r\n"); /* the rest is as unsupported as ever */
	assert_int_equal(f->n_req, 1);
	assert_non_null(strstr(fx_wic_last(f), "Unsupported: foo\r\n"));
	(void)cscf_sip_reply(f->stack, f->req[0].handle, 401, NULL, (char *)NULL);
	assert_null(strstr(fx_wic_last(f), "Security-Server"));
}

static void test_tls_is_confirmed_to_who_offers_it(void **state)
{
	REQ("SEC-15");
	struct fx *f = *state;

	f->cfg.secagree = CSCF_SIP_SECAGREE_TLS;
	fx_wic_open(f, 7);
	ask(f, 0, "Require: sec-agree\r\nProxy-Require: sec-agree\r\n" OFFER);
	assert_int_equal(f->n_req, 1);
	(void)cscf_sip_reply(f->stack, f->req[0].handle, 401, NULL, (char *)NULL);
	assert_non_null(strstr(fx_wic_last(f), "Security-Server: tls\r\n"));
	ask(f, 1, "Require: sec-agree\r\nSecurity-Client: ipsec-3gpp\r\n");
	assert_int_equal(f->n_req, 1);
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 420 ")); /* never 494 */
	ask(f, 2, "");
	(void)cscf_sip_reply(f->stack, f->req[1].handle, 401, NULL, (char *)NULL);
	assert_null(strstr(fx_wic_last(f), "Security-Server"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_required_is_420_by_default),
	    T(test_ignored_when_told_so),
	    T(test_tls_is_confirmed_to_who_offers_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
