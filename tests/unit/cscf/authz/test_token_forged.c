/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens with forged heads, signatures and shapes.
 */
#include "tests/unit/cscf/authz/authz_fixture.h"

/* header: what the attacker writes; key: what he signs with (0 ES, 1 RS, 2 PS, 3 a secret). */
static int started(void **state)
{
	(void)fx_set_up(state);
	json_array_append_new(fx->keys, fx_key("RS256", "r1"));
	json_array_append_new(fx->keys, fx_key("PS256", "p1"));
	fx_start(fx);
	return 0;
}

static void test_forged_headers_are_invalid(void **state)
{
	static const struct {
		const char *header;
		size_t key;
		enum cscf_authz_reason want;
	} bad[] = {
	    /* an algorithm the key is not for */
	    {"{\"alg\":\"ES256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", 0, CSCF_AUTHZ_R_ALG},
	    {"{\"alg\":\"RS256\",\"kid\":\"p1\",\"typ\":\"at+jwt\"}", 2, CSCF_AUTHZ_R_ALG},
	    {"{\"alg\":\"PS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", 1, CSCF_AUTHZ_R_ALG},
	    /* known to the library, not listed here */
	    {"{\"alg\":\"RS512\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", 1, CSCF_AUTHZ_R_ALG},
	    /* another key than the kid says */
	    {"{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", 2, CSCF_AUTHZ_R_SIGNATURE},
	    /* extensions, known ones as well */
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"crit\":[\"x\"],\"x\":1}", 0,
	     CSCF_AUTHZ_R_CRIT},
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"crit\":[]}", 0,
	     CSCF_AUTHZ_R_CRIT},
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"crit\":[\"b64\"],\"b64\":"
	     "true}",
	     0, CSCF_AUTHZ_R_CRIT},
	    /* an ID token, a token of no type */
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", 0, CSCF_AUTHZ_R_TYP},
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\"}", 0, CSCF_AUTHZ_R_TYP},
	    {"{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":7}", 0, CSCF_AUTHZ_R_TYP},
	    /* kid that is no text */
	    {"{\"alg\":\"ES256\",\"kid\":1,\"typ\":\"at+jwt\"}", 0, CSCF_AUTHZ_R_NOT_A_TOKEN},
	};

	REQ("TOK-05", "TOK-07");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fx_ask(fx, fx_token_of(fx, bad[i].key, bad[i].header, fx_claims()));
		if (fx->res.reason != bad[i].want)
			fail_msg("%s: %s", bad[i].header, fx->res.word);
		assert_int_equal(fx->res.verdict, CSCF_AUTHZ_INVALID);
		assert_string_equal(fx->res.error, "invalid_token");
	}
}

static char *unsigned_token(const char *header, const char *signature)
{
	json_t *claims = fx_claims();
	char *payload = json_dumps(claims, JSON_COMPACT);
	char *h = fx_b64(header, strlen(header)), *p = fx_b64(payload, strlen(payload));
	char *token = NULL;

	assert_true(asprintf(&token, "%s.%s.%s", h, p, signature) > 0);
	free(h);
	free(p);
	free(payload);
	json_decref(claims);
	return token;
}

static void test_no_signature_is_no_signature(void **state)
{
	REQ("TOK-05");
	(void)state;
	assert_reason(fx_ask(fx, unsigned_token("{\"alg\":\"none\",\"typ\":\"at+jwt\"}", "")), ALG);
	assert_reason(fx_ask(fx, unsigned_token("{\"alg\":\"None\",\"typ\":\"at+jwt\"}", "YQ")),
		      ALG);
	assert_reason(fx_ask(fx, unsigned_token("{\"alg\":\"\",\"typ\":\"at+jwt\"}", "YQ")), ALG);
	assert_reason(
	    fx_ask(fx,
		   unsigned_token("{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "YQ")),
	    ALG);
	assert_reason(
	    fx_ask(fx, unsigned_token("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "")),
	    SIGNATURE);
	assert_reason(
	    fx_ask(fx,
		   unsigned_token("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "YQ")),
	    SIGNATURE);
}

/* The classic: the public RSA key, as served, used as an HMAC secret. */
static void test_public_key_as_hmac_secret_is_refused(void **state)
{
	const char *n = json_string_value(json_object_get(json_array_get(fx->keys, 1), "n"));
	json_t *secret = json_pack("{s:s, s:s}", "kty", "oct", "k", n);
	char *payload;
	json_t *claims = fx_claims();

	REQ("TOK-05");
	(void)state;
	payload = json_dumps(claims, 0);
	assert_reason(
	    fx_ask(fx, fx_sign_raw("{\"alg\":\"HS256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", payload,
				   secret)),
	    ALG);
	json_decref(claims);
	json_decref(secret);
	free(payload);
}

static void test_keys_in_the_header_are_not_looked_at(void **state)
{
	json_t *own = fx_key("ES256", "evil");
	json_t *pub = json_deep_copy(own);
	json_t *claims = fx_claims();
	char *payload = json_dumps(claims, 0);
	char *head = NULL, *key;

	REQ("SEC-22");
	(void)state;
	assert_true(jose_jwk_pub(NULL, pub));
	key = json_dumps(pub, 0);
	assert_true(asprintf(&head,
			     "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"jwk\":%s,"
			     "\"jku\":\"http://127.0.0.1:%u/evil\","
			     "\"x5u\":\"http://127.0.0.1:%u/evil\"}",
			     key, fx->port, fx->port) > 0);
	assert_reason(fx_ask(fx, fx_sign_raw(head, payload, own)), SIGNATURE);
	assert_int_equal(fx->n_elsewhere, 0);
	free(head);
	free(key);
	free(payload);
	json_decref(claims);
	json_decref(pub);
	json_decref(own);
}

static void test_what_is_no_jwt_is_refused(void **state)
{
	static const char *const bad[] = {
	    "abc",
	    "a.b",
	    "a.b.c",
	    "..",
	    "...",
	    "a.b.c.d",
	    "....",
	    "a.b.c.d.e",
	    "e30.e30.",
	    "W10.e30.",
	    "eyJhbGciOiJFUzI1NiJ9.!.x",
	    "eyJhbGciOiJFUzI1NiJ9.e30.a==",
	    "eyJhbGciOjd9.e30.YQ",
	};

	REQ("TOK-05");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char value[128];

		snprintf(value, sizeof(value), "Bearer %s", bad[i]);
		fx_ask_value(fx, value);
		assert_true(fx->res.verdict == CSCF_AUTHZ_INVALID ||
			    fx->res.verdict == CSCF_AUTHZ_MALFORMED);
	}
}

static void test_a_member_that_is_there_twice_is_refused(void **state)
{
	REQ("TOK-05");
	(void)state;
	/* {"alg":"ES256","alg":"none"}.{}, then {"alg":"ES256"}.{"iss":"a","iss":"b"} */
	assert_reason(fx_ask_value(fx, "Bearer eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ.e30.YQ"),
		      NOT_A_TOKEN);
	assert_reason(
	    fx_ask_value(fx, "Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIiwiaXNzIjoiYiJ9.YQ"),
	    NOT_A_TOKEN);
}

static void test_bit_flips_anywhere_are_noticed(void **state)
{
	char *token = fx_token(fx, NULL, NULL);
	size_t n = strlen(token);

	REQ("TOK-05");
	(void)state;
	for (size_t i = 0; i + 1 < n; i += 7) { /* the last character has unused bits */
		char *copy = strdup(token);

		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		fx_ask(fx, copy);
		assert_int_equal(fx->res.verdict, CSCF_AUTHZ_INVALID);
	}
	free(token);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, started, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_forged_headers_are_invalid),
	    T(test_no_signature_is_no_signature),
	    T(test_public_key_as_hmac_secret_is_refused),
	    T(test_keys_in_the_header_are_not_looked_at),
	    T(test_what_is_no_jwt_is_refused),
	    T(test_a_member_that_is_there_twice_is_refused),
	    T(test_bit_flips_anywhere_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}