/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a token that was verified.
 */
#include "tests/unit/cscf/authz/authz_fixture.h"

/* ---- the cache ----------------------------------------------------------------------------- */

static int64_t count(const char *name)
{
	json_t *facts = cscf_authz_json(fx->a);
	int64_t n = json_integer_value(json_object_get(facts, name));

	json_decref(facts);
	return n;
}

static void test_a_verified_token_is_not_checked_again_for_a_while(void **state)
{
	char *token;
	int64_t hits;

	REQ("TOK-25");
	(void)state;
	fx_start(fx);
	token = fx_token(fx, "exp", "1800000070");
	assert_reason(fx_ask(fx, strdup(token)), OK);
	hits = count("cache_hits");
	assert_reason(fx_ask(fx, strdup(token)), OK);
	assert_int_equal(count("cache_hits"), hits + 1);
	fx->mono_ms += 60000; /* cache_ttl */
	assert_reason(fx_ask(fx, strdup(token)), OK);
	assert_int_equal(count("cache_hits"), hits + 1);
	fx->now_s = 1800000070 + 30; /* cached, but its time is over */
	assert_reason(fx_ask(fx, token), EXPIRED);
	assert_int_equal(count("cache_hits"), hits + 2);
}

static void test_the_cache_is_bounded(void **state)
{
	REQ("TOK-25");
	(void)state;
	fx->cfg.cache_max = 3;
	fx_start(fx);
	for (int i = 0; i < 10; i++) {
		char jti[16];

		snprintf(jti, sizeof(jti), "\"n%d\"", i);
		assert_reason(fx_ask(fx, fx_token(fx, "jti", jti)), OK);
		assert_true(count("cached_tokens") <= 3);
	}
	assert_int_equal(count("cached_tokens"), 3);
}

static void test_facts_hold_no_token_and_no_secret(void **state)
{
	json_t *facts;
	char *text, *token;

	REQ("SEC-10");
	(void)state;
	fx_start(fx);
	token = fx_token(fx, NULL, NULL);
	assert_reason(fx_ask(fx, strdup(token)), OK);
	facts = cscf_authz_json(fx->a);
	text = json_dumps(facts, 0);
	assert_non_null(strstr(text, "\"kid\": \"k1\""));
	assert_non_null(strstr(text, "\"last_error\": \"\""));
	assert_null(strstr(text, token));
	assert_null(strstr(text, strrchr(token, '.') + 1));
	assert_null(strstr(text, fx->cfg.realm)); /* nothing that is not a fact */
	assert_null(strstr(text, fx->issuer[0].client_secret));
	free(text);
	free(token);
	json_decref(facts);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_set_up, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_a_verified_token_is_not_checked_again_for_a_while),
	    T(test_the_cache_is_bounded),
	    T(test_facts_hold_no_token_and_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}