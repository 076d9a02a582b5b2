/* SPDX-License-Identifier: Apache-2.0 */
/* What a proven token may do: identities, Origins, third parties, barring, revocation, hours. */
#include "tests/unit/cscf/authz/authz_fixture.h"

#define THIRD "https://login.partner.example:8443/realm"

static struct gw_conf_list list(size_t issuer, char *const *texts)
{
	struct gw_conf_list l = {fx->item[issuer], 0};

	for (; texts[l.n] != NULL; l.n++)
		l.item[l.n] = texts[l.n];
	return l;
}

static bool has(const char *uri)
{
	return cscf_authz_grant_has_impu(fx->grant, gw_slice_str(uri));
}

/* ---- identities ---------------------------------------------------------------------------- */

static void test_impus_are_compared_as_uris(void **state)
{
	REQ("TOK-13");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	assert_true(has("sip:alice@ims.example.net"));
	assert_true(has("SIP:alice@IMS.example.NET"));
	assert_true(has("sip:%61lice@ims.example.net"));
	assert_true(has("tel:+15550100"));
	assert_true(has("tel:+1.555.0100"));
	assert_false(has("sip:Alice@ims.example.net"));
	assert_false(has("sip:bob@ims.example.net"));
	assert_false(has("sips:alice@ims.example.net"));
	assert_false(has("sip:alice@ims.example.net:5061"));
	assert_false(has("sip:alice@ims.example.net.evil.example"));
	assert_false(has("tel:+15550101"));
	assert_false(has("sip:ims.example.net"));
	assert_false(has(""));
	assert_false(has("nonsense"));
}

static void test_a_range_only_when_the_token_writes_one(void **state)
{
	REQ("TOK-13");
	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, "ims_impus",
					  "[\"sip:guest-!.*!@ims.example.net\","
					  "\"sip:star*@ims.example.net\"]")),
		      OK);
	assert_true(has("sip:guest-0042@ims.example.net"));
	assert_true(has("sip:guest-0042@IMS.example.net"));
	assert_false(has("sip:guest-@ims.example.net"));
	assert_false(has("sip:guest-1@evil.example"));
	assert_false(has("sip:xguest-1@ims.example.net"));
	assert_false(has("sip:guest-1@evil.example@ims.example.net"));
	assert_false(has("sip:starfish@ims.example.net")); /* '*' is a character there */
	assert_true(has("sip:star*@ims.example.net"));
}

static void test_odd_ranges_are_refused(void **state)
{
	static const char *const bad[] = {
	    "[\"sip:!.*!\"]",
	    "[\"sip:a@!.*!.example\"]",
	    "[\"sip:a![0-9]+!@b.c\"]",
	    "[\"sip:a!.*!b!.*!@b.c\"]",
	    "[\"sip:a!.*@b.c\"]",
	    "[\"tel:+1!.*!\"]",
	    "[\"sip:a:pw@b.c\"]",
	    "[\"sip:a@b.c?Route=x\"]",
	    "[\"sip:a!(a|aa)+$!@ims.example\"]",
	};

	REQ("TOK-13", "SEC-23");
	(void)state;
	fx_start(fx);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fx_ask(fx, fx_token(fx, "ims_impus", bad[i]));
		if (fx->res.reason != CSCF_AUTHZ_R_CLAIM_TEXT)
			fail_msg("%s: %s", bad[i], fx->res.word);
	}
}

/* ---- issuers ------------------------------------------------------------------------------- */

static char *third_token(const char *impus, size_t key)
{
	json_t *claims = fx_claims();

	json_object_set_new(claims, "iss", json_string(THIRD));
	json_object_set_new(claims, "ims_impus", json_loads(impus, 0, NULL));
	return fx_token_of(fx, key, NULL, claims);
}

static void third_party(char *const *impus)
{
	static char name[] = "waf.partner.example";

	fx_issuer(fx, 1, THIRD, fx->jwks_url, "");
	fx->issuer[1].domain = CSCF_AUTHZ_THIRD_PARTY;
	fx->issuer[1].entity_name = name;
	fx->issuer[1].impu_allow = list(1, impus);
}

static char *token_for(const char *iss, const json_t *key)
{
	json_t *claims = fx_claims();
	char *payload, *token;

	json_object_set_new(claims, "iss", json_string(iss));
	payload = json_dumps(claims, 0);
	token = fx_sign_raw("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", payload, key);
	free(payload);
	json_decref(claims);
	return token;
}

/* Two issuers, the same kid in both JWKS; the second's is served at the other path. */
static void test_keys_of_one_issuer_never_serve_another(void **state)
{
	static const char second[] = "https://second.example";
	static char url[64];
	json_t *other = fx_key("ES256", "k1");
	json_t *set = json_pack("[O]", other);
	char *jwks = fx_jwks(set);

	REQ("TOK-08");
	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/introspect", fx->port);
	fx_issuer(fx, 1, second, url, "");
	json_decref(fx->claims);
	fx->claims = json_loads(jwks, 0, NULL);
	fx_start(fx);
	assert_reason(fx_ask(fx, token_for(second, json_array_get(fx->keys, 0))), SIGNATURE);
	assert_reason(fx_ask(fx, token_for(FX_ISSUER, other)), SIGNATURE);
	assert_reason(fx_ask(fx, token_for(second, other)), OK);
	assert_string_equal(fx->grant->issuer, second);
	assert_reason(fx_ask(fx, token_for(FX_ISSUER, json_array_get(fx->keys, 0))), OK);
	assert_string_equal(fx->grant->issuer, FX_ISSUER);
	free(jwks);
	json_decref(set);
	json_decref(other);
}

static void test_third_party_speaks_for_its_range_alone(void **state)
{
	static char range[] = "sip:*@partner.example", tel[] = "tel:+1555*", any[] = "sip:any*";
	char *allow[] = {range, tel, any, NULL};
	static const struct {
		const char *impus;
		enum cscf_authz_reason want;
	} cases[] = {
	    {"[\"sip:bob@partner.example\"]", CSCF_AUTHZ_R_OK},
	    {"[\"sip:bob@PARTNER.example\",\"tel:+1-555-99\"]", CSCF_AUTHZ_R_OK},
	    {"[\"sip:guest-!.*!@partner.example\"]", CSCF_AUTHZ_R_OK},
	    {"[\"sip:alice@ims.example.net\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"sip:bob@partner.example\",\"sip:alice@ims.example.net\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"sip:bob@x.partner.example\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"sip:bob@partner.example.evil\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"sips:bob@partner.example\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"sip:bob@partner.example:5070\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"tel:+1666\"]", CSCF_AUTHZ_R_RANGE},
	    {"[\"sip:any@body.example\"]", CSCF_AUTHZ_R_RANGE}, /* '*' does not cross an '@' */
	};

	REQ("TOK-32");
	(void)state;
	third_party(allow);
	fx_start(fx);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_ask(fx, third_token(cases[i].impus, 0));
		if (fx->res.reason != cases[i].want)
			fail_msg("%s: %s", cases[i].impus, fx->res.word);
	}
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_DENIED);
}

static void test_the_entity_is_that_of_the_third_party(void **state)
{
	static char range[] = "sip:*@partner.example";
	char *allow[] = {range, NULL};
	static const struct {
		int tna, own;
		const char *want;
	} values[] = {
	    {CSCF_AUTHZ_ENTITY_WAF, CSCF_AUTHZ_ENTITY_SAME, "waf.partner.example"},
	    {CSCF_AUTHZ_ENTITY_WWSF, CSCF_AUTHZ_ENTITY_SAME, "wwsf-portal"},
	    {CSCF_AUTHZ_ENTITY_BOTH, CSCF_AUTHZ_ENTITY_SAME, "waf.partner.example,wwsf-portal"},
	    {CSCF_AUTHZ_ENTITY_BOTH, CSCF_AUTHZ_ENTITY_WAF, "waf.partner.example"},
	};

	REQ("TOK-17");
	(void)state;
	third_party(allow);
	fx->cfg.cache_ttl = 0;
	fx_start(fx);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		fx->cfg.entity_value = values[i].tna;
		fx->issuer[1].entity_value = values[i].own;
		assert_reason(fx_ask(fx, third_token("[\"sip:bob@partner.example\"]", 0)), OK);
		assert_string_equal(fx->grant->entity, values[i].want);
		/* our own WAF is not named */
		assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
		assert_null(fx->grant->entity);
		assert_string_equal(fx->grant->waf, "waf.example.net");
	}
}

static void test_barred_entities_are_denied_without_the_core(void **state)
{
	static char waf[] = "WAF.example.net", wwsf[] = "wwsf-portal", iss[] = FX_ISSUER,
		    other[] = "portal-b";
	char *const names[] = {waf, wwsf, iss, other};

	REQ("TOK-18");
	(void)state;
	fx->cfg.cache_ttl = 0;
	fx_start(fx);
	for (size_t i = 0; i < 4; i++) {
		char *one[1] = {names[i]};

		fx->cfg.barred_entities = (struct gw_conf_list){one, 1};
		fx_ask(fx, fx_token(fx, NULL, NULL));
		assert_int_equal(fx->res.reason, i < 3 ? CSCF_AUTHZ_R_BARRED : CSCF_AUTHZ_R_OK);
		assert_int_equal(fx->res.verdict, i < 3 ? CSCF_AUTHZ_DENIED : CSCF_AUTHZ_OK);
	}
	fx->cfg.barred_entities.n = 0;
}

/* ---- the connection ------------------------------------------------------------------------ */

static enum cscf_authz_reason ask_from(const char *origin)
{
	char *token = fx_token(fx, NULL, NULL), *value = NULL;
	struct cscf_authz_query q;

	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	q.origin = origin;
	fx_ask_query(fx, &q);
	free(value);
	free(token);
	return fx->res.reason;
}

static void test_a_portals_token_works_on_its_own_pages(void **state)
{
	static char a[] = "https://any.example", b[] = "wwsf-portal=https://portal.example",
		    c[] = "portal-b=https://b.example";
	char *origins[] = {a, b, c, NULL};

	REQ("TOK-14");
	(void)state;
	fx_start(fx);
	assert_reason(ask_from(NULL), OK); /* no mapping: what the listener let in */
	fx->issuer[0].origins = list(0, origins);
	assert_reason(ask_from("https://portal.example"), OK);
	assert_reason(ask_from("https://any.example"), OK);
	assert_reason(ask_from("https://b.example"), ORIGIN); /* portal B's */
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_DENIED);
	assert_reason(ask_from("https://portal.example.evil"), ORIGIN);
	assert_reason(ask_from("http://portal.example"), ORIGIN);
	assert_reason(ask_from(""), ORIGIN);
	assert_reason(ask_from(NULL), ORIGIN);
}

static void test_no_token_over_plain_ws(void **state)
{
	struct cscf_authz_query q = fx_query("Bearer whatever");

	(void)state;
	fx_start(fx);
	q.secure = false;
	assert_reason(fx_ask_query(fx, &q), INSECURE);
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_DENIED);
}

/* ---- time and revocation ------------------------------------------------------------------- */

static void test_an_expired_token_may_still_deregister(void **state)
{
	char *token = fx_token(fx, "exp", "1799990000"), *value = NULL;
	struct cscf_authz_query q;

	REQ("TOK-23");
	(void)state;
	fx_start(fx);
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	assert_reason(fx_ask_query(fx, &q), EXPIRED);
	q.allow_expired = true;
	assert_reason(fx_ask_query(fx, &q), OK);
	assert_true(fx->res.expired);
	assert_int_equal(cscf_authz_grant_left(fx->a, fx->grant), 1799990000 - FX_NOW);
	q.allow_expired = false; /* what is cached now does not help it */
	assert_reason(fx_ask_query(fx, &q), EXPIRED);
	free(value);
	/* otherwise good is still asked of it */
	value = NULL;
	token[strlen(token) - 10] = token[strlen(token) - 10] == 'A' ? 'B' : 'A';
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	q = fx_query(value);
	q.allow_expired = true;
	fx_ask_query(fx, &q);
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_INVALID);
	free(value);
	free(token);
}

static void on_revoked(void *arg)
{
	(*(unsigned *)arg)++;
}

static void test_a_revoked_token_is_denied_at_once(void **state)
{
	char hex[2 * CSCF_AUTHZ_HASH + 1], long_id[300];
	unsigned told = 0;

	REQ("TOK-29");
	(void)state;
	fx_start(fx);
	cscf_authz_set_on_revoked(fx->a, on_revoked, &told);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	assert_false(cscf_authz_grant_is_revoked(fx->a, fx->grant));
	assert_int_equal(cscf_authz_revoke(fx->a, "j-1"), GW_OK);
	assert_int_equal(cscf_authz_revoke(fx->a, "j-1"), GW_OK);
	assert_int_equal(told, 1);
	assert_true(cscf_authz_grant_is_revoked(fx->a, fx->grant));
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), REVOKED); /* cached and all */
	assert_int_equal(fx->res.verdict, CSCF_AUTHZ_DENIED);
	assert_reason(fx_ask(fx, fx_token(fx, "jti", "\"j-2\"")), OK);
	for (size_t i = 0; i < CSCF_AUTHZ_HASH; i++)
		sprintf(hex + 2 * i, "%02x", fx->grant->token_hash[i]);
	assert_int_equal(cscf_authz_revoke(fx->a, hex), GW_OK);
	assert_true(cscf_authz_grant_is_revoked(fx->a, fx->grant));
	memset(long_id, 'a', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	assert_int_equal(cscf_authz_revoke(fx->a, long_id), GW_ERR_INVAL);
	assert_int_equal(cscf_authz_revoke(fx->a, ""), GW_ERR_INVAL);
}

static void test_the_list_of_revoked_tokens_is_bounded_and_forgets(void **state)
{
	char id[16];

	REQ("TOK-29");
	(void)state;
	fx_start(fx);
	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		assert_int_equal(cscf_authz_revoke(fx->a, id), GW_OK);
	}
	assert_int_equal(cscf_authz_revoke(fx->a, "one-more"), GW_ERR_LIMIT);
	fx->now_s += 24 * 3600;
	assert_int_equal(cscf_authz_revoke(fx->a, "one-more"), GW_OK);
}

/* ---- grants and challenges ----------------------------------------------------------------- */

static void test_a_grant_outlives_cache_and_object(void **state)
{
	const struct cscf_authz_grant *kept;

	(void)state;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK);
	kept = cscf_authz_grant_ref(fx->grant);
	assert_reason(fx_ask(fx, fx_token(fx, "jti", "\"x\"")), OK);
	assert_true(cscf_authz_grant_same_token(kept, kept));
	assert_false(cscf_authz_grant_same_token(kept, fx->grant));
	cscf_authz_free(fx->a);
	fx->a = NULL;
	assert_string_equal(kept->impi, "alice.wic@ims.example.net");
	cscf_authz_grant_unref(kept);
	cscf_authz_grant_unref(NULL);
}

static void test_challenge_names_realm_server_scope_and_error(void **state)
{
	static char server[] = "https://login.example";
	char buf[CSCF_AUTHZ_CHALLENGE_MAX];

	(void)state;
	fx_start(fx);
	assert_int_equal(cscf_authz_challenge(fx->a, NULL, buf, sizeof(buf)), GW_OK);
	assert_string_equal(buf, "Bearer realm=\"ims.example.net\",authz_server=\"" FX_ISSUER
				 "\",scope=\"ims.register\"");
	fx->cfg.challenge_authz_server = server;
	assert_int_equal(cscf_authz_challenge(fx->a, "invalid_token", buf, sizeof(buf)), GW_OK);
	assert_string_equal(buf, "Bearer realm=\"ims.example.net\",authz_server=\"https://"
				 "login.example\",scope=\"ims.register\",error=\"invalid_token\"");
	for (size_t n = 1; n <= strlen(buf); n++) {
		char small[CSCF_AUTHZ_CHALLENGE_MAX];

		assert_int_equal(cscf_authz_challenge(fx->a, "invalid_token", small, n),
				 GW_ERR_LIMIT);
	}
}

static void test_every_refusal_has_words_fit_for_a_header(void **state)
{
	static const char *const phrases[] = {
#define X(name, verdict, word, phrase) phrase,
	    CSCF_AUTHZ_REASON_LIST(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		for (const char *c = phrases[i]; *c != '\0'; c++)
			assert_true(*c >= ' ' && *c < 0x7f && *c != '"' && *c != '\\');
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_set_up, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_impus_are_compared_as_uris),
	    T(test_a_range_only_when_the_token_writes_one),
	    T(test_odd_ranges_are_refused),
	    T(test_keys_of_one_issuer_never_serve_another),
	    T(test_third_party_speaks_for_its_range_alone),
	    T(test_the_entity_is_that_of_the_third_party),
	    T(test_barred_entities_are_denied_without_the_core),
	    T(test_a_portals_token_works_on_its_own_pages),
	    T(test_no_token_over_plain_ws),
	    T(test_an_expired_token_may_still_deregister),
	    T(test_a_revoked_token_is_denied_at_once),
	    T(test_the_list_of_revoked_tokens_is_bounded_and_forgets),
	    T(test_a_grant_outlives_cache_and_object),
	    T(test_challenge_names_realm_server_scope_and_error),
	    T(test_every_refusal_has_words_fit_for_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
