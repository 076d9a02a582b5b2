/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EdDSA tokens (RFC 8037): the known answer of the RFC, a token of a WAF with an Ed25519 key, and
 * what must not pass for one.
 */
#include "cscf/authz/authz_int.h"
#include "tests/unit/cscf/authz/authz_fixture.h"

#include <openssl/evp.h>

#define X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" /* RFC 8037 A.2 */

static bool check(const char *jws, const char *x)
{
	json_t *jwk = json_pack("{s:s, s:s, s:s}", "kty", "OKP", "crv", "Ed25519", "x", x);
	const char *dot = strchr(jws, '.'), *last = strrchr(jws, '.');
	struct jwt j = {.part = {{jws, (size_t)(dot - jws)},
				 {dot + 1, (size_t)(last - dot - 1)},
				 {last + 1, strlen(last + 1)}}};
	bool good = eddsa_verify(&j, jwk);

	json_decref(jwk);
	return good;
}

static void test_the_known_answer_of_rfc_8037(void **state)
{
	static const char jws[] =
	    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
	    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
	    "MuM0KAg";
	char bad[sizeof(jws)];

	REQ("TOK-05");
	(void)state;
	assert_true(check(jws, X));
	for (size_t i = 0; i < sizeof(jws) - 1; i += 7) {
		if (jws[i] == '.')
			continue;
		memcpy(bad, jws, sizeof(jws));
		bad[i] = jws[i] == 'A' ? 'B' : 'A';
		assert_false(check(bad, X));
	}
	memcpy(bad, jws, sizeof(jws));
	bad[sizeof(jws) - 3] = '\0'; /* short */
	assert_false(check(bad, X));
	assert_false(check(jws, ""));
	assert_false(check(jws, "AAAA"));
	assert_false(check(jws, X "AA"));
}

/* Signed by an Ed25519 key made now; its public part goes among the WAF's keys. */
static char *token_of_new_key(const char *alg)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned char pub[32], sig[64];
	size_t n = sizeof(pub), sig_n = sizeof(sig);
	char head[128], *payload, *token = NULL, *x;
	char *head64, *payload64, *sig64, *text = NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	json_t *claims = fx_claims();

	payload = json_dumps(claims, JSON_COMPACT);
	json_decref(claims);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, pub, &n), 1);
	x = fx_b64((const char *)pub, n);
	json_array_append_new(fx->keys, json_pack("{s:s, s:s, s:s, s:s}", "kty", "OKP", "crv",
						  "Ed25519", "x", x, "kid", "ed"));
	snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"kid\":\"ed\",\"typ\":\"at+jwt\"}", alg);
	head64 = fx_b64(head, strlen(head));
	payload64 = fx_b64(payload, strlen(payload));
	assert_true(asprintf(&text, "%s.%s", head64, payload64) > 0);
	assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(md, sig, &sig_n, (const unsigned char *)text, strlen(text)),
			 1);
	sig64 = fx_b64((const char *)sig, sig_n);
	assert_true(asprintf(&token, "%s.%s", text, sig64) > 0);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	free(x);
	free(head64);
	free(payload64);
	free(payload);
	free(sig64);
	free(text);
	return token;
}

static void test_a_token_signed_with_ed25519_is_good_where_it_is_listed(void **state)
{
	static char eddsa[] = "EdDSA";
	char *token;

	REQ("TOK-05");
	(void)state;
	token = token_of_new_key("EdDSA");
	fx->algs[3] = eddsa;
	fx->cfg.algs.n = 4;
	fx_start(fx);
	assert_reason(fx_ask(fx, strdup(token)), OK);
	fx->cfg.algs.n = 3; /* not listed any more: what is not cached is refused */
	free(token);
	token = token_of_new_key("EdDSA");
	assert_reason(fx_ask(fx, token), ALG);
	assert_reason(fx_ask(fx, token_of_new_key("ES256")), ALG); /* that key is none of ES256 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_known_answer_of_rfc_8037),
	    cmocka_unit_test_setup_teardown(
		test_a_token_signed_with_ed25519_is_good_where_it_is_listed, fx_set_up,
		fx_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
