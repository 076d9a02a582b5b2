/* SPDX-License-Identifier: Apache-2.0 */
/* One token at a time: the spellings, every rule of its header, every claim. */
#include "tests/unit/cscf/authz/authz_fixture.h"

static int set_up(void **state)
{
	(void)fx_set_up(state);
	json_array_append_new(fx->keys, fx_key("RS256", "r1"));
	json_array_append_new(fx->keys, fx_key("PS256", "p1"));
	fx_start(fx);
	return 0;
}

static void test_good_token_names_the_user(void **state)
{
	REQ("TOK-01");
	(void)state;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_OK);
	assert_string_equal(fx->grant->impi, "alice.wic@ims.example.net");
	assert_int_equal(fx->grant->n_impus, 2);
	assert_string_equal(fx->grant->impus[0], "sip:alice@ims.example.net");
	assert_string_equal(fx->grant->issuer, FX_ISSUER);
	assert_string_equal(fx->grant->client_id, "wwsf-portal");
	assert_string_equal(fx->grant->scope, "openid ims.register");
	assert_string_equal(fx->grant->jti, "j-1");
	assert_string_equal(fx->grant->subject, "u-1");
	assert_int_equal(fx->grant->expires_at, FX_NOW + 600);
	assert_int_equal(cscf_authz_grant_left(fx->a, fx->grant), 600);
	assert_false(fx->grant->pool);
	assert_false(fx->res.expired);
}

static void test_both_spellings_give_the_same_grant(void **state)
{
	static const char *const spellings[] = {
	    "Bearer %s",
	    "bearer   %s  ",
	    "Bearer access_token=\"%s\"",
	    "BEARER Access_Token = \"%s\"",
	    "\tBearer\taccess_token=\"%s\"",
	};
	char *token = fx_token(fx, NULL, NULL);
	unsigned char hash[CSCF_AUTHZ_HASH];

	REQ("TOK-02", "SEC-09");
	(void)state;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		char value[2048];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(value, sizeof(value), spellings[i], token);
#pragma GCC diagnostic pop
		assert_reason(fx_ask_value(fx, value), OK);
		assert_string_equal(fx->grant->jti, "j-1");
		assert_true(cscf_authz_token_hash(fx->a, gw_slice_str(value), hash));
		assert_memory_equal(hash, fx->grant->token_hash, sizeof(hash));
	}
	free(token);
}

static void test_the_other_spelling_can_be_switched_off(void **state)
{
	REQ("TOK-02");
	(void)state;
	fx->cfg.accept_access_token_param = false;
	assert_reason(fx_ask_value(fx, "Bearer access_token=\"abc\""), NOT_BEARER);
}

static void test_broken_credentials_are_malformed(void **state)
{
	static const char *const bad[] = {
	    "Bearer",
	    "Bearer ",
	    "",
	    "Bearer =",
	    "Bearer a b",
	    "Bearer a,b",
	    "Bearer a\"b\"",
	    "Bearer a;b",
	    "Bearer ab=c",
	    "Bearer access_token=\"\"",
	    "Bearer access_token=\"a",
	    "Bearer access_token=\"",
	    "Bearer access_token=\"a\",x=\"y\"",
	    "Bearer access_token=a",
	    "Bearer access_token=\"a\r\nX: y\"",
	    "Bearer a\x01",
	    "Bearer \xc3\xa4",
	    "Digest username=\"a\"",
	    "Bearertoken",
	};

	REQ("TOK-04", "SEC-09");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_reason(fx_ask_value(fx, bad[i]), NOT_BEARER);
		assert_int_equal(fx->res.verdict, CSCF_AUTHZ_MALFORMED);
		assert_null(fx->res.error);
	}
}

static void test_token_size_is_bounded_at_the_limit(void **state)
{
	const size_t sizes[] = {8192, 8193, 65536};
	char *value = malloc(65536 + 8);

	REQ("TOK-04");
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		memcpy(value, "Bearer ", 7);
		memset(value + 7, 'a', sizes[i]);
		value[7 + sizes[i]] = '\0';
		fx_ask_value(fx, value);
		assert_int_equal(fx->res.reason,
				 i == 0 ? CSCF_AUTHZ_R_NOT_A_TOKEN : CSCF_AUTHZ_R_TOO_BIG);
		assert_int_equal(fx->res.verdict,
				 i == 0 ? CSCF_AUTHZ_INVALID : CSCF_AUTHZ_MALFORMED);
	}
	free(value);
}

static void test_every_character_of_a_token68_is_taken_as_it_is(void **state)
{
	unsigned char a[CSCF_AUTHZ_HASH], b[CSCF_AUTHZ_HASH];

	REQ("SEC-09");
	(void)state;
	/* No Digest parser, no list: '=', '/', '+', '~' belong to the token. */
	assert_reason(fx_ask_value(fx, "Bearer a=="), NOT_A_TOKEN);
	assert_reason(fx_ask_value(fx, "Bearer ab/+~-._z="), NOT_A_TOKEN);
	assert_true(cscf_authz_token_hash(fx->a, GW_SLICE_LIT("Bearer ab/+~-._z="), a));
	assert_true(
	    cscf_authz_token_hash(fx->a, GW_SLICE_LIT("Bearer access_token=\"ab/+~-._z=\""), b));
	assert_memory_equal(a, b, sizeof(a));
	assert_true(cscf_authz_token_hash(fx->a, GW_SLICE_LIT("Bearer ab/+~-._z=="), b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static void test_listed_algorithms_pass_with_their_own_keys(void **state)
{
	REQ("TOK-05");
	(void)state;
	for (size_t k = 0; k < 3; k++)
		assert_reason(fx_ask(fx, fx_token_of(fx, k, NULL, fx_claims())), OK);
}

static void test_typ_may_be_spelled_long_or_relaxed_by_knob(void **state)
{
	static const char jwt[] = "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\"}";

	REQ("TOK-07");
	(void)state;
	assert_reason(
	    fx_ask(fx,
		   fx_token_of(fx, 0,
			       "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"application/AT+jwt\"}",
			       fx_claims())),
	    OK);
	assert_reason(fx_ask(fx, fx_token_of(fx, 0, jwt, fx_claims())), TYP);
	fx->cfg.require_typ = false;
	assert_reason(fx_ask(fx, fx_token_of(fx, 0, jwt, fx_claims())), OK);
}

/* claim, its new JSON value (NULL = dropped), what must come of it */
static void test_every_claim_is_checked(void **state)
{
	static const struct {
		const char *claim, *json;
		enum cscf_authz_reason want;
	} cases[] = {
	    {"iss", "\"https://other.example\"", CSCF_AUTHZ_R_ISSUER},
	    {"iss", "\"https://waf.example.net/\"", CSCF_AUTHZ_R_ISSUER},
	    {"iss", NULL, CSCF_AUTHZ_R_ISSUER},
	    {"iss", "7", CSCF_AUTHZ_R_ISSUER},
	    {"aud", "\"other\"", CSCF_AUTHZ_R_AUDIENCE},
	    {"aud", NULL, CSCF_AUTHZ_R_AUDIENCE},
	    {"aud", "[]", CSCF_AUTHZ_R_AUDIENCE},
	    {"aud", "[\"a\",7,\"b\"]", CSCF_AUTHZ_R_AUDIENCE},
	    {"aud", "[\"a\",\"wicgate\"]", CSCF_AUTHZ_R_OK},
	    {"aud", "{\"wicgate\":1}", CSCF_AUTHZ_R_AUDIENCE},
	    /* 30 s of skew */
	    {"exp", NULL, CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"exp", "\"1900000000\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"exp", "-1", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"exp", "1e300", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"exp", "1800000001", CSCF_AUTHZ_R_OK},
	    {"exp", "1799999971", CSCF_AUTHZ_R_OK},
	    {"exp", "1799999970", CSCF_AUTHZ_R_EXPIRED},
	    {"exp", "0", CSCF_AUTHZ_R_EXPIRED},
	    {"exp", "1800000600.5", CSCF_AUTHZ_R_OK},
	    {"nbf", "1800000030", CSCF_AUTHZ_R_OK},
	    {"nbf", "1800000031", CSCF_AUTHZ_R_NOT_YET},
	    {"nbf", "null", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"iat", "1800000030", CSCF_AUTHZ_R_OK},
	    {"iat", "1800000031", CSCF_AUTHZ_R_NOT_YET},
	    {"iat", NULL, CSCF_AUTHZ_R_OK},
	    {"scope", "\"openid\"", CSCF_AUTHZ_R_SCOPE},
	    {"scope", "\"ims.registered\"", CSCF_AUTHZ_R_SCOPE},
	    {"scope", "\"xims.register\"", CSCF_AUTHZ_R_SCOPE},
	    {"scope", NULL, CSCF_AUTHZ_R_SCOPE},
	    {"scope", "\"ims.register\"", CSCF_AUTHZ_R_OK},
	    {"scope", "7", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impi", NULL, CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impi", "\"\"", CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impi", "7", CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impi", "\"alice\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impus", NULL, CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impus", "[]", CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impus", "7", CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impus", "[7]", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impus", "\"sip:a@b.c\"", CSCF_AUTHZ_R_OK},
	    {"ims_impus", "[\"mailto:a@b.c\"]", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impus", "[\"sip:b.c\"]", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"client_id", NULL, CSCF_AUTHZ_R_CLAIMS},
	    {"client_id", "\"\"", CSCF_AUTHZ_R_CLAIMS},
	    {"sub", NULL, CSCF_AUTHZ_R_OK},
	    {"jti", NULL, CSCF_AUTHZ_R_OK},
	    {"jti", "7", CSCF_AUTHZ_R_CLAIM_TEXT},
	};

	REQ("TOK-08", "TOK-09", "TOK-10", "TOK-11", "TOK-12");
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_ask(fx, fx_token(fx, cases[i].claim, cases[i].json));
		if (fx->res.reason != cases[i].want)
			fail_msg("%s %s: %s", cases[i].claim, cases[i].json ? cases[i].json : "-",
				 fx->res.word);
	}
}

static void test_what_no_new_token_repairs_is_denied_the_rest_is_invalid(void **state)
{
	REQ("TOK-10", "TOK-11", "TOK-12");
	(void)state;
	fx_ask(fx, fx_token(fx, "scope", NULL));
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_DENIED);
	assert_null(fx->res.error);
	fx_ask(fx, fx_token(fx, "ims_impi", NULL));
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_DENIED);
	fx_ask(fx, fx_token(fx, "exp", "1"));
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_INVALID);
	assert_string_equal(fx->res.error, "invalid_token");
}

static void test_wwsf_may_be_in_azp_and_claims_are_named_by_config(void **state)
{
	static char other[] = "private_id";
	json_t *claims = fx_claims();

	REQ("TOK-12");
	(void)state;
	json_object_del(claims, "client_id");
	json_object_set_new(claims, "azp", json_string("portal-b"));
	json_object_set_new(claims, "private_id", json_string("bob@ims.example.net"));
	json_object_set_new(claims, "ims_pool", json_true());
	fx->cfg.claim_impi = other;
	assert_reason(fx_ask(fx, fx_token_of(fx, 0, NULL, claims)), OK);
	assert_string_equal(fx->grant->client_id, "portal-b");
	assert_string_equal(fx->grant->impi, "bob@ims.example.net");
	assert_true(fx->grant->pool);
}

static void test_control_characters_never_leave_a_token(void **state)
{
	static const struct {
		const char *claim, *json;
		enum cscf_authz_reason want;
	} bad[] = {
	    {"ims_impus", "[\"sip:a@b.c\\r\\nX: y\"]", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impus", "[\"sip:alice@ims.example.net\",\"sip:a\\n@b.c\"]",
	     CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impus", "[\"sip:a@b.c>;x=<y\"]", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impus", "[\"sip:a b@b.c\"]", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impi", "\"a@b\\r\\nX: y\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impi", "\"a@b\\\",integrity-protected=\\\"auth-done\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impi", "\"a\\\\@b\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"ims_impi", "\"a@b@c\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"client_id", "\"w\\r\\n\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"client_id", "\"w\\\"\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"sub", "\"a\\u0007\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"jti", "\"a\\r\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"scope", "\"ims.register\\r\\nx\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	};
	char *nul;

	REQ("SEC-23");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fx_ask(fx, fx_token(fx, bad[i].claim, bad[i].json));
		if (fx->res.reason != bad[i].want)
			fail_msg("%s %s: %s", bad[i].claim, bad[i].json, fx->res.word);
		assert_null(fx->res.grant);
	}
	nul = fx_sign_raw("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}",
			  "{\"iss\":\"" FX_ISSUER "\",\"ims_impi\":\"a\\u0000b@c\"}",
			  json_array_get(fx->keys, 0));
	assert_reason(fx_ask(fx, nul), NOT_A_TOKEN);
}

static void test_claims_are_bounded(void **state)
{
	char json[16384] = "[";
	char *at = json + 1;

	REQ("SEC-23");
	(void)state;
	for (int i = 0; i < 32; i++)
		at += sprintf(at, "%s\"sip:u%d@b.c\"", i > 0 ? "," : "", i);
	(void)strcpy(at, "]");
	assert_reason(fx_ask(fx, fx_token(fx, "ims_impus", json)), OK);
	assert_int_equal(fx->grant->n_impus, 32);
	(void)strcpy(at, ",\"sip:one.more@b.c\"]");
	assert_reason(fx_ask(fx, fx_token(fx, "ims_impus", json)), CLAIM_TEXT);
	snprintf(json, sizeof(json), "\"%0252d@b.c\"", 1); /* 256 octets */
	assert_reason(fx_ask(fx, fx_token(fx, "ims_impi", json)), OK);
	snprintf(json, sizeof(json), "\"%0253d@b.c\"", 1);
	assert_reason(fx_ask(fx, fx_token(fx, "ims_impi", json)), CLAIM_TEXT);
}

/* The fixture greps the log for every credential; here: that there is a log at all. */
static void test_refusals_are_logged_without_the_token(void **state)
{
	char *log;

	REQ("SEC-10");
	(void)state;
	assert_reason(fx_ask(fx, fx_token(fx, "aud", "\"other\"")), AUDIENCE);
	assert_reason(fx_ask(fx, fx_token(fx, "ims_impi", NULL)), CLAIMS);
	log = fx_log(fx);
	assert_non_null(
	    strstr(log, "event=authz.refused reason=audience issuer=\"" FX_ISSUER "\""));
	assert_non_null(strstr(log, "event=authz.claim_missing"));
	assert_null(strstr(log, "alice"));
	assert_int_equal(fx->n_tails, 2);
	free(log);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_refusals_are_logged_without_the_token), /* first: lines are rate-limited */
	    T(test_good_token_names_the_user),
	    T(test_both_spellings_give_the_same_grant),
	    T(test_the_other_spelling_can_be_switched_off),
	    T(test_broken_credentials_are_malformed),
	    T(test_token_size_is_bounded_at_the_limit),
	    T(test_every_character_of_a_token68_is_taken_as_it_is),
	    T(test_listed_algorithms_pass_with_their_own_keys),
	    T(test_typ_may_be_spelled_long_or_relaxed_by_knob),
	    T(test_every_claim_is_checked),
	    T(test_what_no_new_token_repairs_is_denied_the_rest_is_invalid),
	    T(test_wwsf_may_be_in_azp_and_claims_are_named_by_config),
	    T(test_control_characters_never_leave_a_token),
	    T(test_claims_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}