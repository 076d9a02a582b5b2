/* SPDX-License-Identifier: Apache-2.0 */
/* What may not stand in the configuration, and what may: secrets, encrypted tokens. */
#include "tests/unit/cscf/authz/authz_fixture.h"

#include "common/conf_keys.h"

#include <jose/jwe.h>
#include <jose/openssl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static enum gw_err try_new(char *why, size_t n)
{
	enum gw_err err = cscf_authz_new(&fx->a, fx->base, &fx->cfg, NULL, why, n);

	cscf_authz_free(fx->a);
	fx->a = NULL;
	return err;
}

static void assert_refused(enum gw_err want, const char *says)
{
	char why[256] = "";

	assert_int_equal(try_new(why, sizeof(why)), want);
	if (strstr(why, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, says);
}

static void test_algorithms_are_known_or_the_start_fails(void **state)
{
	static char ed448[] = "Ed448", none[] = "none", hs[] = "HS256", es384[] = "ES384";

	REQ("TOK-05");
	(void)state;
	fx->algs[2] = ed448;
	assert_refused(GW_ERR_INVAL, "token.algs: Ed448");
	fx->algs[2] = none;
	assert_refused(GW_ERR_INVAL, "token.algs: none");
	fx->algs[2] = hs;
	assert_refused(GW_ERR_INVAL, "token.algs: HS256");
	fx->algs[2] = es384;
	fx_start(fx);
}

static void test_urls_are_https_or_loopback(void **state)
{
	static const struct {
		const char *url, *says;
	} bad[] = {
	    {"http://waf.example/jwks", "must be https"},
	    {"http://10.0.0.1/jwks", "must be https"},
	    {"http://127.0.0.1.evil.example/jwks", "must be https"},
	    {"file://localhost/etc/passwd", "token.issuers.0.jwks_url"},
	    {"ftp://waf.example/", "must be https"},
	    {"https://user:pw@waf.example/jwks", "no user"},
	    {"https://waf.example/jwks#x", "no fragment"},
	    {"jwks", "not a URL"},
	    {"https://", "not a URL"},
	};

	REQ("SEC-22", "TOK-28");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char copy[64];

		free(fx->issuer[0].jwks_url);
		snprintf(copy, sizeof(copy), "%s", bad[i].url);
		fx->issuer[0].jwks_url = strdup(copy);
		assert_refused(GW_ERR_INVAL, "token.issuers.0.jwks_url");
		assert_refused(GW_ERR_INVAL, bad[i].says);
	}
	free(fx->issuer[0].jwks_url);
	fx->issuer[0].jwks_url = strdup("https://waf.example/jwks");
	fx_start(fx);
}

static void test_trust_is_written_down(void **state)
{
	static char quote[] = "wa\"f", name[] = "waf.partner", crlf[] = "ims\r\nx",
		    weak[] = "short";
	static char none[] = "", nofile[] = "/nonexistent/ca.pem";
	struct cscf_authz_issuer *i = &fx->issuer[0];

	REQ("TOK-32", "SEC-23");
	(void)state;
	i->domain = CSCF_AUTHZ_THIRD_PARTY;
	assert_refused(GW_ERR_INVAL, "token.issuers.0.entity_name");
	i->entity_name = quote;
	assert_refused(GW_ERR_INVAL, "token.issuers.0.entity_name");
	i->entity_name = name;
	assert_refused(GW_ERR_INVAL, "token.issuers.0.impu_allow");
	i->domain = CSCF_AUTHZ_OWN;
	i->secret = weak;
	assert_refused(GW_ERR_INVAL, "token.issuers.0.secret");
	i->secret = none;
	i->audience = none;
	assert_refused(GW_ERR_INVAL, "token.issuers.0.audience");
	i->audience = name;
	fx->cfg.required_scope = crlf;
	assert_refused(GW_ERR_INVAL, "token.required_scope");
	fx->cfg.required_scope = name;
	fx->cfg.tls_ca = nofile;
	assert_refused(GW_ERR_INVAL, "token.tls_ca");
	fx->cfg.tls_ca = none;
	fx->cfg.jwe_key = nofile;
	assert_refused(GW_ERR_INVAL, "token.jwe_key");
	fx->cfg.jwe_key = none;
	fx_issuer(fx, 1, FX_ISSUER, fx->jwks_url, "");
	assert_refused(GW_ERR_INVAL, "token.issuers.1.issuer is there twice");
	free(fx->issuer[1].introspection_url);
	free(fx->issuer[1].issuer);
	fx->issuer[1].issuer = strdup("https://b");
	fx->issuer[1].introspection_url = strdup("https://b/introspect");
	fx->issuer[1].client_id = none;
	assert_refused(GW_ERR_INVAL, "token.issuers.1.client_id");
	free(fx->issuer[1].jwks_url);
	free(fx->issuer[1].introspection_url);
	fx->issuer[1].jwks_url = strdup("");
	fx->issuer[1].introspection_url = strdup("");
	assert_refused(GW_ERR_INVAL, "token.issuers.1.jwks_url or introspection_url");
}

static void test_without_issuers_every_token_is_refused(void **state)
{
	REQ("TOK-08");
	(void)state;
	fx->cfg.issuers.n = 0;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), ISSUER);
	assert_reason(fx_ask_value(fx, "Bearer opaque"), NOT_A_TOKEN);
	fx->cfg.issuers.n = 1;
}

static void test_a_shared_secret_allows_hmac_for_that_issuer(void **state)
{
	static char secret[] = "0123456789abcdef0123456789abcdef";
	static const char guess[] = "0123456789abcdef0123456789abcdeF";
	static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}";
	json_t *key = json_pack("{s:s, s:o}", "kty", "oct", "k", jose_b64_enc(secret, 32));
	json_t *wrong = json_pack("{s:s, s:o}", "kty", "oct", "k", jose_b64_enc(guess, 32));
	json_t *claims = fx_claims();
	char *payload = json_dumps(claims, 0);

	REQ("TOK-05");
	(void)state;
	fx->issuer[0].secret = secret;
	fx_start(fx);
	assert_reason(fx_ask(fx, fx_sign_raw(head, payload, key)), OK);
	assert_reason(fx_ask(fx, fx_sign_raw(head, payload, wrong)), SIGNATURE);
	assert_reason(fx_ask(fx, fx_token(fx, NULL, NULL)), OK); /* its JWKS as well */
	free(payload);
	json_decref(claims);
	json_decref(key);
	json_decref(wrong);
}

/* ---- encrypted tokens ---------------------------------------------------------------------- */

static void write_key(char *path, const json_t *jwk)
{
	int fd;

	(void)strcpy(path, "/tmp/wicgate-jwe-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(json_dumpfd(jwk, fd, 0), 0);
	(void)close(fd);
}

/* Compact JWE of a text for the public part of a key. */
static char *encrypt(const char *text, const json_t *jwk, const char *header)
{
	json_t *pub = json_deep_copy(jwk), *jwe = json_object(), *cek = json_object();
	const char *part[5];
	static const char *const names[] = {"protected", "encrypted_key", "iv", "ciphertext",
					    "tag"};
	char *token = NULL;

	assert_true(jose_jwk_pub(NULL, pub));
	json_object_del(pub, "alg");
	json_object_del(pub, "key_ops");
	json_object_set_new(jwe, "protected", json_loads(header, 0, NULL));
	/* epk must be in the protected header of a compact JWE: seal it there first. */
	{
		json_t *rcp = json_object();

		assert_true(jose_jwe_enc_jwk(NULL, jwe, rcp, pub, cek));
		json_object_update(json_object_get(jwe, "protected"),
				   json_object_get(rcp, "header"));
		if (json_object_get(rcp, "encrypted_key") != NULL)
			json_object_set(jwe, "encrypted_key",
					json_object_get(rcp, "encrypted_key"));
		json_decref(rcp);
	}
	assert_true(jose_jwe_enc_cek(NULL, jwe, cek, text, strlen(text)));
	for (size_t i = 0; i < 5; i++) {
		part[i] = json_string_value(json_object_get(jwe, names[i]));
		if (part[i] == NULL)
			part[i] = "";
	}
	assert_true(
	    asprintf(&token, "%s.%s.%s.%s.%s", part[0], part[1], part[2], part[3], part[4]) > 0);
	json_decref(pub);
	json_decref(jwe);
	json_decref(cek);
	return token;
}

static void test_encrypted_tokens_are_opened_with_our_key_alone(void **state)
{
	static const char head[] = "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"cty\":\"JWT\"}";
	json_t *ours = fx_key("ECDH-ES", "e1"), *theirs = fx_key("ECDH-ES", "e2");
	char *inner = fx_token(fx, NULL, NULL), *bad = fx_token(fx, "aud", "\"x\"");
	char path[32], *token;

	REQ("TOK-30");
	(void)state;
	fx_start(fx);
	token = encrypt(inner, ours, head);
	assert_reason(fx_ask(fx, strdup(token)), DECRYPT); /* no key configured */
	cscf_authz_free(fx->a);
	write_key(path, ours);
	fx->cfg.jwe_key = path;
	fx_start(fx);
	assert_reason(fx_ask(fx, strdup(token)), OK);
	assert_string_equal(fx->grant->impi, "alice.wic@ims.example.net");
	assert_reason(fx_ask(fx, encrypt(bad, ours, head)), AUDIENCE); /* all rules hold inside */
	assert_reason(fx_ask(fx, encrypt(inner, theirs, head)), DECRYPT);
	assert_reason(fx_ask(fx, encrypt("no token", ours, head)), NOT_A_TOKEN);
	assert_reason(fx_ask(fx, encrypt(inner, ours, "{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\"}")),
		      DECRYPT);
	assert_reason(
	    fx_ask(fx, encrypt(inner, ours, "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\"}")),
	    DECRYPT);
	assert_reason(
	    fx_ask(fx, encrypt(inner, ours,
			       "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}")),
	    DECRYPT);
	token[strlen(token) - 3] = token[strlen(token) - 3] == 'A' ? 'B' : 'A';
	assert_reason(fx_ask(fx, token), DECRYPT);
	/* Of an issuer that only introspects, nothing that was sealed is shown to anybody. */
	cscf_authz_free(fx->a);
	free(fx->issuer[0].jwks_url);
	free(fx->issuer[0].introspection_url);
	fx->issuer[0].jwks_url = strdup("");
	fx->issuer[0].introspection_url = strdup(fx->ask_url);
	fx_start(fx);
	assert_reason(fx_ask(fx, encrypt(inner, ours, head)), NOT_A_TOKEN);
	assert_int_equal(fx->n_ask, 0);
	(void)unlink(path);
	free(inner);
	free(bad);
	json_decref(ours);
	json_decref(theirs);
}

/* RSA-OAEP-256 by OpenSSL, the rest by libjose: as another implementation would write it. */
static char *encrypt_rsa(const char *text, EVP_PKEY *key)
{
	json_t *cek = json_pack("{s:s}", "alg", "A256GCM");
	json_t *jwe =
	    json_pack("{s:{s:s, s:s}}", "protected", "alg", "RSA-OAEP-256", "enc", "A256GCM");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	unsigned char raw[64], wrapped[512];
	size_t n, n_wrapped = sizeof(wrapped);
	char *token = NULL, *ek;

	assert_true(jose_jwk_gen(NULL, cek));
	n = jose_b64_dec(json_object_get(cek, "k"), raw, sizeof(raw));
	assert_int_equal(n, 32);
	assert_true(EVP_PKEY_encrypt_init(ctx) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
		    EVP_PKEY_encrypt(ctx, wrapped, &n_wrapped, raw, n) == 1);
	assert_true(jose_jwe_enc_cek(NULL, jwe, cek, text, strlen(text)));
	ek = fx_b64((const char *)wrapped, n_wrapped);
	assert_true(asprintf(&token, "%s.%s.%s.%s.%s",
			     json_string_value(json_object_get(jwe, "protected")), ek,
			     json_string_value(json_object_get(jwe, "iv")),
			     json_string_value(json_object_get(jwe, "ciphertext")),
			     json_string_value(json_object_get(jwe, "tag"))) > 0);
	free(ek);
	EVP_PKEY_CTX_free(ctx);
	json_decref(cek);
	json_decref(jwe);
	return token;
}

static void test_tokens_for_an_rsa_key_in_pem(void **state)
{
	EVP_PKEY *ours = EVP_RSA_gen(2048), *theirs = EVP_RSA_gen(2048);
	char *inner = fx_token(fx, NULL, NULL);
	char path[] = "/tmp/wicgate-jwe-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");

	REQ("TOK-30");
	(void)state;
	assert_int_equal(PEM_write_PrivateKey(f, ours, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(f);
	fx->cfg.jwe_key = path;
	fx_start(fx);
	(void)unlink(path);
	assert_reason(fx_ask(fx, encrypt_rsa(inner, ours)), OK);
	assert_reason(fx_ask(fx, encrypt_rsa(inner, theirs)), DECRYPT);
	EVP_PKEY_free(ours);
	EVP_PKEY_free(theirs);
	free(inner);
}

/* ---- the table of keys --------------------------------------------------------------------- */

#undef F
#define F(field) offsetof(struct cscf_authz_config, field)
static const struct gw_conf_key table[] = {
    K_MAPS("token.issuers", issuers, &cscf_authz_issuer_map, "h"),
};

static void test_issuers_are_read_from_a_file(void **state)
{
	struct cscf_authz_config cfg;
	const struct cscf_authz_issuer *i;
	char path[] = "/tmp/wicgate-issuers-XXXXXX", why[256];
	struct gw_conf_source src = {.file = path};
	int fd = mkstemp(path);

	REQ("TOK-32");
	(void)state;
	memset(&cfg, 0, sizeof(cfg));
	assert_true(dprintf(fd, "token:\n  issuers:\n"
				"    - issuer: https://waf.example\n      audience: wicgate\n"
				"      jwks_url: https://waf.example/jwks\n"
				"    - issuer: https://p\n      audience: wicgate\n"
				"      introspection_url: https://p/i\n      domain: third-party\n"
				"      entity_name: p.example\n      entity_value: both\n"
				"      impu_allow: [\"sip:*@p.example\", \"tel:+1555*\"]\n"
				"      origins: [\"a=https://a\"]\n") > 0);
	assert_int_equal(gw_conf_load(table, 1, &cfg, &src, why, sizeof(why)), GW_OK);
	assert_int_equal(cfg.issuers.n, 2);
	i = cfg.issuers.item;
	assert_string_equal(i[0].jwks_url, "https://waf.example/jwks");
	assert_int_equal(i[0].domain, CSCF_AUTHZ_OWN);
	assert_int_equal(i[0].entity_value, CSCF_AUTHZ_ENTITY_SAME);
	assert_int_equal(i[1].domain, CSCF_AUTHZ_THIRD_PARTY);
	assert_int_equal(i[1].entity_value, CSCF_AUTHZ_ENTITY_BOTH);
	assert_int_equal(i[1].impu_allow.n, 2);
	assert_string_equal(i[1].origins.item[0], "a=https://a");
	gw_conf_free(table, 1, &cfg);
	(void)close(fd);
	(void)unlink(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_set_up, fx_tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_algorithms_are_known_or_the_start_fails),
	    T(test_urls_are_https_or_loopback),
	    T(test_trust_is_written_down),
	    T(test_without_issuers_every_token_is_refused),
	    T(test_a_shared_secret_allows_hmac_for_that_issuer),
	    T(test_encrypted_tokens_are_opened_with_our_key_alone),
	    T(test_tokens_for_an_rsa_key_in_pem),
	    T(test_issuers_are_read_from_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
