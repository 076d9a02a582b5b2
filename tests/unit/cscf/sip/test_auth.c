/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials as raw text: cscf/sip/auth.c.
 */
#include "cscf/sip/auth.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const trust[] = {"integrity-protected", "authorization-entity", "ik", "ck",
				    NULL};

static void test_parameters_are_cut_and_the_rest_stays_octet_for_octet(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
	    {"Digest username=\"a\",realm=\"r\",nonce=\"\",response=\"\"",
	     "Digest username=\"a\",realm=\"r\",nonce=\"\",response=\"\""},
	    {"Digest username=\"a\", integrity-protected=\"auth-done\", realm=\"r\"",
	     "Digest username=\"a\", realm=\"r\""},
	    {"Digest integrity-protected=yes,username=\"a\"", "Digest username=\"a\""},
	    {"Digest Integrity-Protected = \"TLS-YES\" , username=\"a\"", "Digest username=\"a\""},
	    {"Digest username=\"a\",INTEGRITY-PROTECTED=tls-yes", "Digest username=\"a\""},
	    {"Digest ik=\"1\",username=\"a\",ck=2,integrity-protected=x,integrity-protected=y,"
	     "  uri=\"sip:a,b\"",
	     "Digest username=\"a\",  uri=\"sip:a,b\""},
	    {"digest  username=\"x\\\",integrity-protected=\\\"y\",realm=r",
	     "digest  username=\"x\\\",integrity-protected=\\\"y\",realm=r"},
	    {"Digest  Qop=auth ,\tnc=00000001,ik=\"\", cnonce=\"C=\"",
	     "Digest  Qop=auth ,\tnc=00000001, cnonce=\"C=\""},
	};

	(void)state;
	REQ("SEC-07", "REG-19");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = cscf_sip_auth_without(gw_slice_str(cases[i].in), trust);

		assert_non_null(out);
		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

static void test_a_value_to_be_added_cannot_break_out(void **state)
{
	char *out = cscf_sip_auth_with(GW_SLICE_LIT("Digest username=\"a\""), "integrity-protected",
				       "tls-pending");

	(void)state;
	REQ("SEC-23");
	assert_string_equal(out, "Digest username=\"a\",integrity-protected=\"tls-pending\"");
	free(out);
	assert_null(cscf_sip_auth_with(GW_SLICE_LIT("Digest a=b"), "x", "y\",z=\""));
	assert_null(cscf_sip_auth_with(GW_SLICE_LIT("Digest a=b"), "x", "y\r\nX: z"));
}

static void test_bearer_is_a_token68(void **state)
{
	static const char *const good[] = {
	    "Bearer abc", "bearer a-._~+/=", "BEARER  eyJ.eyJ.sig_-==", "Bearer a"};
	static const char *const bad[] = {"Bearer",       "Bearer ",        "Bearer a b",
					  "Bearer a,b=c", "Bearer \"abc\"", "Bearer a=b",
					  "Bearer =",     "Bearer a\tb",    ""};
	struct cscf_sip_auth auth;

	(void)state;
	REQ("SEC-09");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *out;

		assert_int_equal(cscf_sip_auth_parse(&auth, gw_slice_str(good[i])), GW_OK);
		assert_int_equal(auth.scheme, CSCF_SIP_AUTH_BEARER);
		assert_false(cscf_sip_auth_param(&auth, "a", NULL));
		out = cscf_sip_auth_without(gw_slice_str(good[i]), trust);
		assert_string_equal(out, good[i]);
		free(out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cscf_sip_auth_parse(&auth, gw_slice_str(bad[i])), GW_ERR_PARSE);
}

static void test_digest_that_does_not_end_is_refused(void **state)
{
	static const char *const bad[] = {
	    "Digest",
	    "Digest username=\"a, integrity-protected=\"auth-done\"",
	    "Digest username=\"a",
	    "Digest username=\"a\"integrity-protected=yes",
	    "Digest user name=a",
	    "Digest =a",
	    "Digest username",
	    "Digest username=a b",
	    "Digest realm=<x,integrity-protected=yes>",
	};
	struct cscf_sip_auth auth;

	(void)state;
	REQ("SEC-07");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cscf_sip_auth_parse(&auth, gw_slice_str(bad[i])), GW_ERR_PARSE);
		assert_null(cscf_sip_auth_without(gw_slice_str(bad[i]), trust));
	}
}

static void test_digest_that_says_a_thing_twice_is_not_single(void **state)
{
	static const char *const bad[] = {
	    "Digest username=\"alice@h\",response=\"\",username=\"bob@h\"",
	    "Digest username=\"a\",USERNAME=\"a\"",
	    "Digest username=a, username = b",
	    "Digest username=\"a\",username*=UTF-8''b",
	    "Digest username*=UTF-8''b,realm=\"r\",username=\"a\"",
	    "Digest username=\"a\",algorithm=AKAv2-SHA-256,Algorithm=MD5",
	    "Digest username=\"a\",response=\"\",response=\"6629\"",
	    "Digest integrity-protected=yes,integrity-protected=no,username=\"a\"",
	};
	struct cscf_sip_auth auth;
	char many[512] = "Digest p0=0";

	(void)state;
	REQ("SEC-07");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cscf_sip_auth_parse(&auth, gw_slice_str(bad[i])), GW_OK);
		assert_false(cscf_sip_auth_is_single(&auth));
	}
	for (unsigned i = 1; i <= 32; i++) {
		assert_int_equal(cscf_sip_auth_parse(&auth, gw_slice_str(many)), GW_OK);
		assert_true(cscf_sip_auth_is_single(&auth));
		snprintf(many + strlen(many), sizeof(many) - strlen(many), ",p%u=0", i);
	}
	assert_int_equal(cscf_sip_auth_parse(&auth, gw_slice_str(many)), GW_OK);
	assert_false(cscf_sip_auth_is_single(&auth));
	assert_int_equal(cscf_sip_auth_parse(&auth, GW_SLICE_LIT("Bearer abc")), GW_OK);
	assert_false(cscf_sip_auth_is_single(&auth));
	assert_int_equal(cscf_sip_auth_parse(&auth, GW_SLICE_LIT("Foo x=y")), GW_OK);
	assert_false(cscf_sip_auth_is_single(&auth));
}

static void test_parameters_are_found_without_case_and_unquoted(void **state)
{
	struct cscf_sip_auth auth;
	struct gw_slice raw;
	char buf[8];

	(void)state;
	REQ("SEC-09");
	assert_int_equal(
	    cscf_sip_auth_parse(&auth, GW_SLICE_LIT("Digest UserName=\"a\\\"b\", nc=01,"
						    "response=\"\",long=\"123456\"")),
	    GW_OK);
	assert_int_equal(auth.scheme, CSCF_SIP_AUTH_DIGEST);
	assert_true(cscf_sip_auth_param_str(&auth, "username", buf, sizeof(buf)));
	assert_string_equal(buf, "a\"b");
	assert_true(cscf_sip_auth_param_str(&auth, "nc", buf, sizeof(buf)));
	assert_string_equal(buf, "01");
	assert_true(cscf_sip_auth_param(&auth, "response", &raw));
	assert_int_equal(raw.n, 2);
	assert_true(cscf_sip_auth_param_str(&auth, "response", buf, sizeof(buf)));
	assert_string_equal(buf, "");
	assert_false(cscf_sip_auth_param_str(&auth, "long", buf, sizeof(buf)));
	assert_false(cscf_sip_auth_param(&auth, "nonce", NULL));
	assert_int_equal(cscf_sip_auth_parse(&auth, GW_SLICE_LIT("Basic Zm9v")), GW_OK);
	assert_int_equal(auth.scheme, CSCF_SIP_AUTH_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parameters_are_cut_and_the_rest_stays_octet_for_octet),
	    cmocka_unit_test(test_a_value_to_be_added_cannot_break_out),
	    cmocka_unit_test(test_bearer_is_a_token68),
	    cmocka_unit_test(test_digest_that_does_not_end_is_refused),
	    cmocka_unit_test(test_digest_that_says_a_thing_twice_is_not_single),
	    cmocka_unit_test(test_parameters_are_found_without_case_and_unquoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
