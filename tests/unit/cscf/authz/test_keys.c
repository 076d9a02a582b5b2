/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of an issuer: fetch, rotation, floods, a WAF that is slow, wrong or away. */
#include "tests/unit/cscf/authz/authz_fixture.h"

/* A new signing key; the old ones leave the JWKS unless kept. */
static void rotate(const char *kid, bool keep)
{
	if (!keep)
		json_array_clear(fx->keys);
	json_array_insert_new(fx->keys, 0, fx_key("ES256", kid));
}

static void test_keys_are_fetched_at_start_and_then_kept(void **state)
{
	REQ("TOK-25", "TOK-28");
	(void)state;
	fx_start(fx);
	fx_until(fx, &fx->n_jwks, 1);
	for (int i = 0; i < 20; i++)
		assert_reason(fx_ask(fx, fx_token(fx, "jti", i % 2 ? "\"a\"" : "\"b\"")), OK);
	assert_int_equal(fx->n_jwks, 1);
}

static void test_everybody_waits_for_one_fetch(void **state)
{
	struct cscf_authz_query q;
	char *token, *value;

	REQ("TOK-28");
	(void)state;
	fx_start(fx);
	for (int i = 0; i < 10; i++) {
		gw_handle job;

		token = fx_token(fx, "jti", NULL);
		assert_true(asprintf(&value, "Bearer %s", token) > 0);
		q = fx_query(value);
		cscf_authz_verify(fx->a, &q, fx_on_done, fx, &job);
		assert_true(job != GW_HANDLE_NONE);
		free(value);
		free(token);
	}
	fx_until(fx, &fx->n_done, 10);
	assert_int_equal(fx->n_jwks, 1);
	assert_reason(fx->res.reason, OK);
}

static void test_a_known_key_answers_before_the_call_returns(void **state)
{
	struct cscf_authz_query q;
	gw_handle job = 7;
	char *token, *value;

	REQ("TOK-28");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	token = fx_token(fx, "jti", "\"other\"");
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	cscf_authz_verify(fx->a, &q, fx_on_done, fx, &job);
	assert_int_equal(fx->n_done, 2);
	assert_int_equal(job, GW_HANDLE_NONE);
	free(value);
	free(token);
}

static void test_rotation_is_followed_after_the_interval(void **state)
{
	REQ("TOK-06");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	rotate("k2", false);
	/* The fetch at start was just now: not again so soon, and the token is not good. */
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), KEY);
	assert_int_equal(fx->n_jwks, 1);
	fx->mono_ms += 30000;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	assert_int_equal(fx->n_jwks, 2);
}

static void test_flood_of_unknown_kids_makes_one_fetch_per_interval(void **state)
{
	char head[128];

	REQ("TOK-06");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	for (int round = 0; round < 3; round++) {
		fx->mono_ms += 30000;
		for (int i = 0; i < 40; i++) {
			snprintf(head, sizeof(head),
				 "{\"alg\":\"ES256\",\"kid\":\"x%d\",\"typ\":\"at+jwt\"}", i);
			assert_reason(fx_ask(fx, fx_token_of(fx, 0, head, fx_claims())), KEY);
			assert_int_equal(fx->res.verdict, CSCF_AUTHZ_INVALID);
		}
	}
	assert_int_equal(fx->n_jwks, 4);
}

static void test_kid_may_be_absent_when_one_key_fits(void **state)
{
	static const char bare[] = "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}";

	REQ("TOK-06");
	(void)state;
	json_array_append_new(fx->keys, fx_key("RS256", "r1"));
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token_of(fx, 0, bare, fx_claims())), OK);
	rotate("k2", true);
	fx->mono_ms += 30000;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK); /* both are known now */
	assert_reason(fx_ask(fx, fx_token_of(fx, 0, bare, fx_claims())), KEY);
}

static void test_unusable_keys_of_a_jwks_are_left_out(void **state)
{
	char *good = fx_jwks(fx->keys);
	const char *first = strchr(good, '[') + 1;
	char *raw = NULL;

	REQ("TOK-05", "TOK-06");
	(void)state;
	/* An oct key, a signing key marked for encryption, a weak one, rubbish; then the good one.
	 */
	assert_true(
	    asprintf(&raw,
		     "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"h\",\"k\":\"YWJj\"},"
		     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"YQ\",\"y\":\"YQ\",\"use\":\"enc\","
		     "\"kid\":\"enc\"},"
		     "{\"kty\":\"RSA\",\"n\":\"YWJj\",\"e\":\"AQAB\",\"kid\":\"weak\"},"
		     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"YQ\",\"y\":\"YQ\","
		     "\"key_ops\":[\"sign\"],\"kid\":\"ops\"},"
		     "7,{},{\"kty\":\"EC\"},%s",
		     first) > 0);
	fx->raw = raw;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	{
		json_t *facts = cscf_authz_json(fx->a);
		const json_t *i = json_array_get(json_object_get(facts, "issuers"), 0);

		assert_int_equal(json_array_size(json_object_get(i, "keys")), 1);
		json_decref(facts);
	}
	free(good);
	free(raw);
}

/* Keys that name no algorithm are good for those of their kind and curve, and for no other. */
static void test_keys_without_alg_serve_their_own_kind(void **state)
{
	static const struct {
		const char *header;
		size_t key;
		enum cscf_authz_reason want;
	} cases[] = {
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", 0, CSCF_AUTHZ_R_OK},
	    {"{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", 1, CSCF_AUTHZ_R_OK},
	    {"{\"alg\":\"PS256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", 1, CSCF_AUTHZ_R_OK},
	    {"{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", 1, CSCF_AUTHZ_R_ALG},
	    {"{\"alg\":\"ES256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", 0, CSCF_AUTHZ_R_ALG},
	    {"{\"alg\":\"ES256\",\"kid\":\"e384\",\"typ\":\"at+jwt\"}", 0, CSCF_AUTHZ_R_ALG},
	};
	json_t *key;
	size_t k;

	REQ("TOK-05");
	(void)state;
	json_array_append_new(fx->keys, fx_key("RS256", "r1"));
	json_array_append_new(fx->keys, fx_key("ES384", "e384"));
	json_array_foreach(fx->keys, k, key)
	{
		json_object_del(key, "alg");
		json_object_del(key, "key_ops");
	}
	fx_start(fx);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_ask(fx, fx_token_of(fx, cases[i].key, cases[i].header, fx_claims()));
		if (fx->res.reason != cases[i].want)
			fail_msg("%s: %s", cases[i].header, fx->res.word);
	}
}

static void test_broken_point_of_a_key_is_a_wrong_signature(void **state)
{
	REQ("TOK-05");
	(void)state;
	fx->raw = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"YQ\",\"y\":\"YQ\",\"kid\":"
		  "\"k1\"}]}";
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), SIGNATURE);
}

/* ---- the WAF is not well ------------------------------------------------------------------- */

static void assert_unavailable(void)
{
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_UNAVAILABLE);
	assert_reason(fx->res.reason, WAF_DOWN);
	assert_true(fx->res.retry_after_s >= 1 && fx->res.retry_after_s <= 60);
	assert_null(fx->res.error); /* never a challenge: the token is not to blame */
}

static void test_without_any_key_it_is_our_fault_not_the_tokens(void **state)
{
	static const struct {
		int status;
		size_t huge;
		const char *raw, *location;
	} ill[] = {
	    {500, 0, NULL, NULL},         {404, 0, NULL, NULL},
	    {0, 300 * 1024, NULL, NULL},  {0, 0, "{\"keys\":", NULL},
	    {0, 0, "[]", NULL},           {0, 0, "", NULL},
	    {0, 0, "{\"keys\":7}", NULL}, {0, 0, "{\"keys\":[]}", NULL},
	    {302, 0, NULL, "/moved"},
	};

	REQ("TOK-27", "TOK-28");
	(void)state;
	fx_start(fx);
	for (size_t i = 0; i < sizeof(ill) / sizeof(ill[0]); i++) {
		fx->status = ill[i].status;
		fx->huge = ill[i].huge;
		fx->raw = ill[i].raw;
		fx->location = ill[i].location;
		fx->mono_ms += 60000;
		fx_ask(fx, fx_token(fx, NULL, NULL));
		assert_unavailable();
	}
	assert_int_equal(fx->n_elsewhere, 0); /* the redirect was not followed */
	fx->status = 0;
	fx->huge = 0;
	fx->raw = fx->location = NULL;
	fx->mono_ms += 60000;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
}

static void test_cold_and_down_is_unavailable_then_recovers(void **state)
{
	REQ("TOK-27");
	(void)state;
	fx_down(fx);
	fx_start(fx);
	fx_ask(fx, fx_token(fx, NULL, NULL));
	assert_unavailable();
	fx_listen(fx);
	fx->mono_ms += 60000;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
}

/* A WAF that starts after us: who comes in between waits for the next attempt. */
static void test_a_short_outage_is_waited_for(void **state)
{
	struct cscf_authz_query q;
	char *token, *value;
	unsigned before;

	REQ("TOK-27");
	(void)state;
	fx->status = 500;
	fx_start(fx);
	fx_until(fx, &fx->n_jwks, 1);
	fx_ask(fx, fx_token(fx, NULL, NULL)); /* of that fetch, or of the first retry */
	assert_unavailable();
	before = fx->n_jwks;
	token = fx_token(fx, NULL, NULL);
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	fx->status = 0;
	cscf_authz_verify(fx->a, &q, fx_on_done, fx, NULL);
	assert_int_equal(fx->n_done, 1);
	fx_until(fx, &fx->n_done, 2);
	assert_reason(fx->res.reason, OK);
	assert_int_equal(fx->n_jwks, before + 1);
	free(value);
	free(token);
}

static void test_warm_and_down_serves_until_max_stale(void **state)
{
	REQ("TOK-27");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	fx_down(fx);
	fx->mono_ms += 3600000 + 1; /* the keys are old, and cannot be had anew */
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	fx->mono_ms += 60000;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	/* An unknown kid cannot be looked up: not the token's fault. */
	rotate("k2", false);
	fx_ask(fx, fx_token(fx, NULL, NULL));
	assert_unavailable();
	rotate("k1", false);
	fx->mono_ms += 86400000;
	fx_ask(fx, fx_token(fx, NULL, NULL));
	assert_unavailable();
}

static void test_old_keys_serve_while_new_ones_are_on_the_way(void **state)
{
	REQ("TOK-27", "TOK-28");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	fx->hang = true;
	fx->mono_ms += 3600000 + 1;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK); /* not held up by the fetch */
	fx_until(fx, &fx->n_jwks, 2);
}

/* The second issuer hangs; users of the first are served meanwhile. */
static void test_slow_waf_holds_up_nobody_else(void **state)
{
	static char slow_url[64];
	struct cscf_authz_query q;
	json_t *claims = fx_claims();
	char *token, *value;
	gw_handle job;

	REQ("TOK-28");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	cscf_authz_free(fx->a);
	snprintf(slow_url, sizeof(slow_url), "http://127.0.0.1:%u/introspect", fx->port);
	fx_issuer(fx, 1, "https://slow.example.net", slow_url, "");
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK); /* keys of the first are here */
	fx->hang = true;
	fx->cfg.http_timeout = 400;
	fx->mono_ms += 60000;
	json_object_set_new(claims, "iss", json_string("https://slow.example.net"));
	token = fx_token_of(fx, 0, NULL, claims);
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	cscf_authz_verify(fx->a, &q, fx_on_done, fx, &job);
	assert_true(job != GW_HANDLE_NONE);
	for (int i = 0; i < 50; i++) {
		char jti[16];

		snprintf(jti, sizeof(jti), "\"n%d\"", i);
		assert_reason(fx_ask(fx, fx_token(fx, "jti", jti)), OK);
	}
	fx_until(fx, &fx->n_done, 53);
	assert_unavailable();
	free(value);
	free(token);
}

static void test_cancelled_jobs_are_not_called_and_waiting_is_bounded(void **state)
{
	struct cscf_authz_query q;
	gw_handle job[5];
	char *token, *value;

	REQ("TOK-28");
	(void)state;
	fx->cfg.max_waiting = 4;
	fx_start(fx);
	for (int i = 0; i < 5; i++) {
		token = fx_token(fx, "jti", i % 2 ? "\"a\"" : "\"b\"");
		assert_true(asprintf(&value, "Bearer %s", token) > 0);
		q = fx_query(value);
		cscf_authz_verify(fx->a, &q, fx_on_done, fx, &job[i]);
		free(value);
		free(token);
	}
	assert_int_equal(fx->n_done, 1); /* the fifth */
	assert_reason(fx->res.reason, BUSY);
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_UNAVAILABLE);
	cscf_authz_cancel(fx->a, job[1]);
	cscf_authz_cancel(fx->a, job[1]);
	cscf_authz_cancel(fx->a, GW_HANDLE_NONE);
	fx_until(fx, &fx->n_done, 4);
	assert_reason(fx->res.reason, OK);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	assert_int_equal(fx->n_done, 5);
}

static void test_freed_with_jobs_and_fetches_under_way(void **state)
{
	struct cscf_authz_query q;
	char *token, *value;

	REQ("TOK-28");
	(void)state;
	fx->hang = true;
	fx_start(fx);
	token = fx_token(fx, NULL, NULL);
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	cscf_authz_verify(fx->a, &q, fx_on_done, fx, NULL);
	fx_until(fx, &fx->n_jwks, 1);
	cscf_authz_free(fx->a); /* the sanitizers look on */
	fx->a = NULL;
	assert_int_equal(fx->n_done, 0);
	free(value);
	free(token);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_set_up, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_keys_are_fetched_at_start_and_then_kept),
	    T(test_everybody_waits_for_one_fetch),
	    T(test_a_known_key_answers_before_the_call_returns),
	    T(test_rotation_is_followed_after_the_interval),
	    T(test_flood_of_unknown_kids_makes_one_fetch_per_interval),
	    T(test_kid_may_be_absent_when_one_key_fits),
	    T(test_unusable_keys_of_a_jwks_are_left_out),
	    T(test_keys_without_alg_serve_their_own_kind),
	    T(test_broken_point_of_a_key_is_a_wrong_signature),
	    T(test_without_any_key_it_is_our_fault_not_the_tokens),
	    T(test_cold_and_down_is_unavailable_then_recovers),
	    T(test_a_short_outage_is_waited_for),
	    T(test_warm_and_down_serves_until_max_stale),
	    T(test_old_keys_serve_while_new_ones_are_on_the_way),
	    T(test_slow_waf_holds_up_nobody_else),
	    T(test_cancelled_jobs_are_not_called_and_waiting_is_bounded),
	    T(test_freed_with_jobs_and_fetches_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}