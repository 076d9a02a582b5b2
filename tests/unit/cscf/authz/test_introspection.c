/* SPDX-License-Identifier: Apache-2.0 */
/* Opaque tokens: what goes to the WAF, what counts of its answer, what is remembered. */
#include "tests/unit/cscf/authz/authz_fixture.h"

#include "common/sockaddr.h"

#define OPAQUE "Bearer abc/DEF+~-._=="

static int set_up(void **state)
{
	(void)fx_set_up(state);
	free(fx->issuer[0].issuer);
	free(fx->issuer[0].jwks_url);
	free(fx->issuer[0].introspection_url);
	fx_issuer(fx, 0, FX_ISSUER, "", fx->ask_url);
	fx_start(fx);
	return 0;
}

/* The WAF's next answers differ in one member (NULL: without it). */
static void says(const char *member, const char *json)
{
	json_decref(fx->claims);
	fx->claims = fx_claims();
	json_object_set_new(fx->claims, "active", json_true());
	if (member != NULL && json == NULL)
		json_object_del(fx->claims, member);
	else if (member != NULL)
		json_object_set_new(fx->claims, member, json_loads(json, JSON_DECODE_ANY, NULL));
}

static void test_the_request_is_an_authenticated_post_of_the_token(void **state)
{
	char *user;

	REQ("TOK-26", "SEC-09");
	(void)state;
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	assert_string_equal(fx->asked, "token_type_hint=access_token&token=abc%2FDEF%2B~-._%3D%3D");
	assert_int_equal(strncmp(fx->authorization, "POST Basic ", 11), 0);
	user = malloc(64);
	{
		json_t *b = json_string(fx->authorization + 11);
		char plain[64] = "";
		size_t n = 0;
		/* standard alphabet: jose knows base64url only, so map the two that differ */
		char *text = strdup(json_string_value(b));

		for (char *c = text; *c != '\0'; c++)
			*c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
		n = jose_b64_dec_buf(text, strlen(text), plain, sizeof(plain) - 1);
		assert_true(n != SIZE_MAX);
		(void)strcpy(user, plain);
		free(text);
		json_decref(b);
	}
	assert_string_equal(user, "us:s+p%2F%2B%3A"); /* RFC 6749 s2.3.1 */
	free(user);
	assert_string_equal(fx->grant->impi, "alice.wic@ims.example.net");
	assert_int_equal(fx->n_jwks, 0);
}

static void test_only_active_with_the_same_claims_counts(void **state)
{
	static const struct {
		const char *member, *json;
		enum cscf_authz_reason want;
	} cases[] = {
	    {"active", "false", CSCF_AUTHZ_R_INACTIVE},
	    {"active", "\"true\"", CSCF_AUTHZ_R_WAF_DOWN},
	    {"active", "1", CSCF_AUTHZ_R_WAF_DOWN},
	    {"active", NULL, CSCF_AUTHZ_R_WAF_DOWN},
	    {"aud", "\"other\"", CSCF_AUTHZ_R_AUDIENCE},
	    {"aud", NULL, CSCF_AUTHZ_R_AUDIENCE},
	    {"iss", "\"https://other.example\"", CSCF_AUTHZ_R_ISSUER},
	    {"exp", "1", CSCF_AUTHZ_R_EXPIRED},
	    {"exp", NULL, CSCF_AUTHZ_R_CLAIM_TEXT},
	    {"nbf", "1900000000", CSCF_AUTHZ_R_NOT_YET},
	    {"scope", "\"openid\"", CSCF_AUTHZ_R_SCOPE},
	    {"ims_impi", NULL, CSCF_AUTHZ_R_CLAIMS},
	    {"ims_impi", "\"a@b\\r\\n\"", CSCF_AUTHZ_R_CLAIM_TEXT},
	    {NULL, NULL, CSCF_AUTHZ_R_OK},
	};

	REQ("TOK-26", "SEC-23");
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char value[32];

		snprintf(value, sizeof(value), "Bearer opaque%zu", i);
		says(cases[i].member, cases[i].json);
		fx_ask_value(fx, value);
		if (fx->res.reason != cases[i].want)
			fail_msg("%s %s: %s", cases[i].member, cases[i].json ? cases[i].json : "-",
				 fx->res.word);
	}
}

static void test_answers_are_remembered_the_bad_ones_briefly(void **state)
{
	REQ("TOK-25", "TOK-29");
	(void)state;
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	assert_int_equal(fx->n_ask, 1);
	says("active", "false"); /* taken back: known when the cache ends */
	fx->mono_ms += 59999;
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	fx->mono_ms += 1;
	assert_reason(fx_ask_value(fx, OPAQUE), INACTIVE);
	assert_string_equal(fx->res.error, "invalid_token");
	assert_reason(fx_ask_value(fx, OPAQUE), INACTIVE);
	assert_int_equal(fx->n_ask, 2);
	fx->mono_ms += 4999;
	assert_reason(fx_ask_value(fx, OPAQUE), INACTIVE);
	assert_int_equal(fx->n_ask, 2);
	says(NULL, NULL);
	fx->mono_ms += 1;
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	assert_int_equal(fx->n_ask, 3);
}

static void test_one_request_serves_all_who_ask_about_a_token(void **state)
{
	struct cscf_authz_query q = fx_query(OPAQUE);
	gw_handle job[5];

	REQ("TOK-28");
	(void)state;
	for (int i = 0; i < 5; i++)
		cscf_authz_verify(fx->a, &q, fx_on_done, fx, &job[i]);
	cscf_authz_cancel(fx->a, job[2]);
	fx_until(fx, &fx->n_done, 4);
	assert_int_equal(fx->n_ask, 1);
	assert_reason(fx->res.reason, OK);
}

static void test_a_waf_that_fails_is_not_a_bad_token(void **state)
{
	static const int statuses[] = {500, 401, 302, 204};

	REQ("TOK-27", "TOK-28");
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		fx->status = statuses[i];
		assert_reason(fx_ask_value(fx, OPAQUE), WAF_DOWN);
		assert_int_equal(fx->res.verdict, CSCF_AUTHZ_UNAVAILABLE);
		assert_true(fx->res.retry_after_s >= 1);
		assert_null(fx->res.error);
	}
	fx->status = 0;
	fx->raw = "{\"active\":tr";
	assert_reason(fx_ask_value(fx, OPAQUE), WAF_DOWN);
	fx->raw = NULL;
	fx->huge = 300 * 1024;
	assert_reason(fx_ask_value(fx, OPAQUE), WAF_DOWN);
	fx->huge = 0;
	assert_reason(fx_ask_value(fx, OPAQUE), OK); /* no failure was remembered */
	fx_down(fx);
	assert_reason(fx_ask_value(fx, "Bearer another"), WAF_DOWN);
	assert_reason(fx_ask_value(fx, OPAQUE), OK); /* still cached */
}

static void test_a_slow_waf_ends_at_the_timeout(void **state)
{
	REQ("TOK-27");
	(void)state;
	fx->cfg.http_timeout = 300;
	fx->hang = true;
	assert_reason(fx_ask_value(fx, OPAQUE), WAF_DOWN);
}

static void test_requests_under_way_are_bounded(void **state)
{
	char value[32];
	struct cscf_authz_query q;

	REQ("TOK-28");
	(void)state;
	cscf_authz_free(fx->a);
	fx->cfg.max_waiting = 1000;
	fx_start(fx);
	for (int i = 0; i < 65; i++) {
		snprintf(value, sizeof(value), "Bearer t%d", i);
		q = fx_query(value);
		cscf_authz_verify(fx->a, &q, fx_on_done, fx, NULL);
	}
	assert_int_equal(fx->n_done, 1); /* the 65th */
	assert_reason(fx->res.reason, BUSY);
	fx_until(fx, &fx->n_done, 65);
	assert_int_equal(fx->n_ask, 64);
	assert_reason(fx->res.reason, OK);
}

static void ask_from(const char *source, const char *prefix, int n)
{
	struct gw_addr addr;

	assert_int_equal(gw_addr_parse(&addr, source, 0), GW_OK);
	for (int i = 0; i < n; i++) {
		char value[48];
		struct cscf_authz_query q;

		snprintf(value, sizeof(value), "Bearer %s%d", prefix, i);
		q = fx_query(value);
		q.source = &addr;
		cscf_authz_verify(fx->a, &q, fx_on_done, fx, NULL);
	}
}

static void test_a_stranger_leaves_room_for_others(void **state)
{
	unsigned refused;

	REQ("TOK-28");
	(void)state;
	cscf_authz_free(fx->a);
	fx->cfg.max_waiting = 1000;
	fx_start(fx);
	ask_from("203.0.113.7:1000", "a", 65);
	assert_reason(fx->res.reason, BUSY);
	refused = fx->n_done;
	assert_true(refused > 32); /* he has his share, not everything */
	ask_from("[2001:db8::1]:1000", "b", 30);
	ask_from("[2001:db8::2]:1000", "c", 30); /* the same /64 */
	refused = fx->n_done;
	ask_from("203.0.113.8:1000", "d", 4);
	assert_int_equal(fx->n_done, refused);
	fx_until(fx, &fx->n_done, 129);
	assert_reason(fx->res.reason, OK);
}

static void test_invented_tokens_make_no_good_one_forgotten(void **state)
{
	char value[32];

	REQ("TOK-25");
	(void)state;
	fx->cfg.cache_max = 3;
	cscf_authz_free(fx->a);
	fx_start(fx);
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	says("active", "false");
	for (int i = 0; i < 5; i++) {
		snprintf(value, sizeof(value), "Bearer invented%d", i);
		assert_reason(fx_ask_value(fx, value), INACTIVE);
	}
	assert_int_equal(fx->n_ask, 6);
	assert_reason(fx_ask_value(fx, OPAQUE), OK);
	assert_reason(fx_ask_value(fx, "Bearer invented4"), INACTIVE);
	assert_int_equal(fx->n_ask, 6);
	assert_reason(fx_ask_value(fx, "Bearer invented0"), INACTIVE); /* bounded as well */
	assert_int_equal(fx->n_ask, 7);
}

static void test_a_jwt_of_such_an_issuer_is_introspected_too(void **state)
{
	REQ("TOK-26");
	(void)state;
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	assert_int_equal(fx->n_ask, 1);
	assert_reason(fx_ask(fx, fx_token(fx, "iss", "\"https://other.example\"")), ISSUER);
	assert_int_equal(fx->n_ask, 1); /* a stranger's token is shown to nobody */
}

static void test_an_opaque_token_is_shown_to_one_waf_only(void **state)
{
	static char a[] = "https://a.example", b[] = "wwsf-b=https://b.example";
	char *lists[2][1] = {{a}, {b}};
	struct cscf_authz_query q = fx_query(OPAQUE);

	REQ("TOK-26", "TOK-32");
	(void)state;
	cscf_authz_free(fx->a);
	fx_issuer(fx, 1, "https://second.example", "", fx->ask_url);
	fx_start(fx);
	/* Two WAFs and nothing that says whose it is. */
	assert_reason(fx_ask_query(fx, &q), NOT_A_TOKEN);
	assert_int_equal(fx->n_ask, 0);
	/* The page it is used on says it. */
	fx->issuer[0].origins = (struct gw_conf_list){lists[0], 1};
	fx->issuer[1].origins = (struct gw_conf_list){lists[1], 1};
	q.origin = "https://b.example";
	says("iss", "\"https://second.example\"");
	json_object_set_new(fx->claims, "client_id", json_string("wwsf-b"));
	assert_reason(fx_ask_query(fx, &q), OK);
	assert_string_equal(fx->grant->issuer, "https://second.example");
	q.origin = "https://c.example";
	q.credentials = GW_SLICE_LIT("Bearer yet-another");
	assert_reason(fx_ask_query(fx, &q), NOT_A_TOKEN);
	assert_int_equal(fx->n_ask, 1);
}

/* One issuer with both: its JWTs do not suffer when introspection fails. */
static void test_failed_introspection_leaves_the_keys_alone(void **state)
{
	json_t *facts;
	const json_t *i;

	REQ("TOK-27");
	(void)state;
	cscf_authz_free(fx->a);
	free(fx->issuer[0].jwks_url);
	fx->issuer[0].jwks_url = strdup(fx->jwks_url);
	fx_start(fx);
	fx_until(fx, &fx->n_jwks, 1);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	fx->status = 500;
	assert_reason(fx_ask_value(fx, OPAQUE), WAF_DOWN);
	facts = cscf_authz_json(fx->a);
	i = json_array_get(json_object_get(facts, "issuers"), 0);
	assert_string_equal(json_string_value(json_object_get(i, "last_error")), "");
	assert_string_equal(json_string_value(json_object_get(i, "introspection_error")),
			    "unexpected status");
	json_decref(facts);
	assert_reason(fx_ask(fx, fx_token(fx, "jti", "\"n\"")), OK);
	/* and a kid nobody has is still the token's fault */
	assert_reason(
	    fx_ask(fx, fx_token_of(fx, 0, "{\"alg\":\"ES256\",\"kid\":\"x\",\"typ\":\"at+jwt\"}",
				   fx_claims())),
	    KEY);
	assert_int_equal(fx->n_jwks, 1);
}

static void test_freed_while_asking(void **state)
{
	struct cscf_authz_query q = fx_query(OPAQUE);

	REQ("TOK-28");
	(void)state;
	fx->hang = true;
	cscf_authz_verify(fx->a, &q, fx_on_done, fx, NULL);
	fx_until(fx, &fx->n_ask, 1);
	cscf_authz_free(fx->a);
	fx->a = NULL;
	assert_int_equal(fx->n_done, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_the_request_is_an_authenticated_post_of_the_token),
	    T(test_only_active_with_the_same_claims_counts),
	    T(test_answers_are_remembered_the_bad_ones_briefly),
	    T(test_one_request_serves_all_who_ask_about_a_token),
	    T(test_a_waf_that_fails_is_not_a_bad_token),
	    T(test_a_slow_waf_ends_at_the_timeout),
	    T(test_requests_under_way_are_bounded),
	    T(test_a_stranger_leaves_room_for_others),
	    T(test_invented_tokens_make_no_good_one_forgotten),
	    T(test_a_jwt_of_such_an_issuer_is_introspected_too),
	    T(test_an_opaque_token_is_shown_to_one_waf_only),
	    T(test_failed_introspection_leaves_the_keys_alone),
	    T(test_freed_while_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
