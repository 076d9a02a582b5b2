/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow tokens: cscf/sip/flow_token.c.
 */
#include "cscf/sip/flow_token.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_token_leads_back_to_its_connection(void **state)
{
	static const uint64_t conns[] = {1, 0x1234567890abcdef, UINT64_MAX};
	struct cscf_sip_flow_token_ctx ctx;
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1];
	enum cscf_sip_direction dir;
	uint64_t conn;

	(void)state;
	REQ("ID-13", "CALL-50");
	assert_int_equal(cscf_sip_flow_token_init(&ctx, NULL), GW_OK);
	for (size_t i = 0; i < 3; i++) {
		cscf_sip_flow_token_make(&ctx, conns[i], CSCF_SIP_DIR_TO_CORE, token);
		assert_int_equal(strlen(token), CSCF_SIP_FLOW_TOKEN_LEN);
		assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxy"
					       "z0123456789-_"),
				 CSCF_SIP_FLOW_TOKEN_LEN);
		assert_int_equal(cscf_sip_flow_token_verify(&ctx, gw_slice_str(token), &conn, &dir),
				 GW_OK);
		assert_true(conn == conns[i]);
		assert_int_equal(dir, CSCF_SIP_DIR_TO_CORE);
	}
}

static void test_each_changed_bit_is_noticed(void **state)
{
	struct cscf_sip_flow_token_ctx ctx;
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1];
	enum cscf_sip_direction dir;
	uint64_t conn = 0;
	int forged = 0;

	(void)state;
	REQ("SEC-24", "REG-81");
	assert_int_equal(cscf_sip_flow_token_init(&ctx, "secret"), GW_OK);
	for (size_t i = 0; i < CSCF_SIP_FLOW_TOKEN_LEN; i++) {
		enum gw_err err;

		cscf_sip_flow_token_make(&ctx, 77, CSCF_SIP_DIR_TO_WIC, token);
		token[i] = token[i] == 'A' ? 'B' : 'A';
		err = cscf_sip_flow_token_verify(&ctx, gw_slice_str(token), &conn, &dir);
		assert_int_not_equal(err, GW_OK);
		/* boot id: another boot; connection and MAC: forged; characters 10, 21 and 22
		 * hold bits of two fields each */
		if (i < 10)
			assert_int_equal(err, GW_ERR_GONE);
		else if ((i > 10 && i < 21) || i > 22)
			assert_int_equal(err, GW_ERR_AUTH);
		forged += err == GW_ERR_AUTH;
	}
	assert_true(forged > 25);
	assert_int_equal(conn, 0);
}

static void test_token_of_another_boot_is_gone_whatever_its_key(void **state)
{
	struct cscf_sip_flow_token_ctx a, b, c;
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1];
	enum cscf_sip_direction dir;
	uint64_t conn;

	(void)state;
	REQ("REG-81");
	assert_int_equal(cscf_sip_flow_token_init(&a, "cluster"), GW_OK);
	assert_int_equal(cscf_sip_flow_token_init(&b, "cluster"), GW_OK);
	assert_int_equal(cscf_sip_flow_token_init(&c, NULL), GW_OK);
	cscf_sip_flow_token_make(&a, 1, CSCF_SIP_DIR_TO_WIC, token);
	assert_int_equal(cscf_sip_flow_token_verify(&b, gw_slice_str(token), &conn, &dir),
			 GW_ERR_GONE);
	assert_int_equal(cscf_sip_flow_token_verify(&c, gw_slice_str(token), &conn, &dir),
			 GW_ERR_GONE);
}

static void test_what_is_no_token_is_a_parse_error(void **state)
{
	static const char *const bad[] = {
	    "",
	    "A",
	    "t.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!A",
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* 43 */
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 45 */
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* direction 0 */
	};
	struct cscf_sip_flow_token_ctx ctx;
	enum cscf_sip_direction dir;
	uint64_t conn;

	(void)state;
	REQ("ID-13");
	assert_int_equal(cscf_sip_flow_token_init(&ctx, "s"), GW_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    cscf_sip_flow_token_verify(&ctx, gw_slice_str(bad[i]), &conn, &dir),
		    GW_ERR_PARSE);
}

static void test_seals_fit_their_text_and_key_alone(void **state)
{
	static const char text[] = "dialog|7|call-1|icid|as@core.example:5060,";
	struct cscf_sip_flow_token_ctx ctx, other;
	char seal[CSCF_SIP_FLOW_SEAL_LEN + 1];

	(void)state;
	REQ("SEC-24", "ID-07");
	assert_int_equal(cscf_sip_flow_token_init(&ctx, NULL), GW_OK);
	assert_int_equal(cscf_sip_flow_token_init(&other, NULL), GW_OK);
	cscf_sip_flow_token_seal(&ctx, gw_slice_str(text), seal);
	assert_int_equal(strlen(seal), CSCF_SIP_FLOW_SEAL_LEN);
	assert_true(cscf_sip_flow_token_sealed(&ctx, gw_slice_str(text), gw_slice_str(seal)));
	assert_false(cscf_sip_flow_token_sealed(&other, gw_slice_str(text), gw_slice_str(seal)));
	assert_false(cscf_sip_flow_token_sealed(&ctx, gw_slice_str(text + 1), gw_slice_str(seal)));
	assert_false(cscf_sip_flow_token_sealed(&ctx, gw_slice_str(text), gw_slice_str(seal + 1)));
	seal[5] = seal[5] == 'a' ? 'b' : 'a';
	assert_false(cscf_sip_flow_token_sealed(&ctx, gw_slice_str(text), gw_slice_str(seal)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_token_leads_back_to_its_connection),
	    cmocka_unit_test(test_each_changed_bit_is_noticed),
	    cmocka_unit_test(test_token_of_another_boot_is_gone_whatever_its_key),
	    cmocka_unit_test(test_what_is_no_token_is_a_parse_error),
	    cmocka_unit_test(test_seals_fit_their_text_and_key_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
