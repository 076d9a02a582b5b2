/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted WAF on 127.0.0.1 in the test's own loop (JWKS at /jwks, introspection at
 * /introspect), keys made at run time, tokens of any shape, and a clock the test turns.
 */
#ifndef TESTS_UNIT_CSCF_AUTHZ_FIXTURE_H
#define TESTS_UNIT_CSCF_AUTHZ_FIXTURE_H

#include "common/log.h"
#include "cscf/authz/authz.h"
#include "tests/lib/req.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <jose/b64.h>
#include <jose/jwk.h>
#include <jose/jws.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FX_NOW    INT64_C(1800000000)
#define FX_ISSUER "https://waf.example.net"
#define FX_WAIT_S 20

struct fx {
	struct event_base *base;
	struct evhttp *http;
	unsigned port;
	char jwks_url[64], ask_url[64];

	struct cscf_authz_issuer issuer[3];
	char *item[3][8]; /* storage of the issuers' lists */
	char *algs[8];
	struct cscf_authz_config cfg;
	struct cscf_authz *a;
	int64_t now_s, mono_ms;

	/* the WAF */
	json_t *keys; /* array of private JWKs; their public parts are served */
	unsigned n_jwks, n_ask;
	int status;           /* instead of 200 */
	const char *raw;      /* instead of the JSON */
	const char *location; /* 302 to that */
	size_t huge;          /* octets instead */
	bool hang;            /* never answers */
	struct evhttp_request *hanging;
	json_t *claims; /* introspection: what it says */
	char asked[16384], authorization[512];
	unsigned n_elsewhere; /* requests to any other path */

	int log_fd; /* everything that is logged, all levels */
	char tails[256][32];
	size_t n_tails; /* ends of the credentials asked about: never in the log (SEC-10) */

	/* the last verdict */
	unsigned n_done;
	struct cscf_authz_result res;
	const struct cscf_authz_grant *grant;
};

static inline int64_t fx_wall(void *arg)
{
	return ((struct fx *)arg)->now_s;
}

static inline int64_t fx_mono(void *arg)
{
	return ((struct fx *)arg)->mono_ms;
}

/* ---- keys and tokens ----------------------------------------------------------------------- */

static inline json_t *fx_key(const char *alg, const char *kid)
{
	json_t *jwk = json_pack("{s:s}", "alg", alg);

	assert_true(jose_jwk_gen(NULL, jwk));
	if (kid != NULL)
		json_object_set_new(jwk, "kid", json_string(kid));
	return jwk;
}

static inline char *fx_jwks(const json_t *keys)
{
	json_t *set = json_array();
	json_t *doc;
	const json_t *key;
	size_t i;
	char *text;

	json_array_foreach(keys, i, key)
	{
		json_t *pub = json_deep_copy(key);

		/* jose's `alg` would make key_ops; say `use` as a WAF does */
		if (strcmp(json_string_value(json_object_get(pub, "kty")), "OKP") != 0)
			assert_true(jose_jwk_pub(NULL, pub)); /* jose does not know the other */
		json_object_del(pub, "key_ops");
		json_object_set_new(pub, "use", json_string("sig"));
		json_array_append_new(set, pub);
	}
	doc = json_pack("{s:o}", "keys", set);
	text = json_dumps(doc, 0);
	json_decref(doc);
	return text;
}

static inline char *fx_b64(const char *text, size_t n)
{
	json_t *b = jose_b64_enc(text, n);
	char *out = strdup(json_string_value(b));

	json_decref(b);
	return out;
}

/* A compact JWS over raw texts; the header's alg is what signs. */
static inline char *fx_sign_raw(const char *header, const char *payload, const json_t *jwk)
{
	char *payload64 = fx_b64(payload, strlen(payload));
	json_t *jws = json_pack("{s:s}", "payload", payload64);
	json_t *head = json_loads(header, 0, NULL);
	json_t *sig = json_pack("{s:o}", "protected", head);
	json_t *key = json_deep_copy(jwk);
	char *token = NULL;

	json_object_del(key, "alg"); /* the header decides */
	json_object_del(key, "key_ops");
	assert_true(jose_jws_sig(NULL, jws, sig, key));
	assert_true(asprintf(&token, "%s.%s.%s",
			     json_string_value(json_object_get(jws, "protected")), payload64,
			     json_string_value(json_object_get(jws, "signature"))) > 0);
	free(payload64);
	json_decref(jws);
	json_decref(sig);
	json_decref(key);
	return token;
}

static inline json_t *fx_claims(void)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:[s,s]}", "iss", FX_ISSUER,
			 "sub", "u-1", "aud", "wicgate", "exp", (json_int_t)(FX_NOW + 600), "iat",
			 (json_int_t)FX_NOW, "jti", "j-1", "client_id", "wwsf-portal", "scope",
			 "openid ims.register", "ims_impi", "alice.wic@ims.example.net",
			 "ims_impus", "sip:alice@ims.example.net", "tel:+1-555-0100");
}

/* A good token signed by key k of the WAF, with changes: name and JSON text, or name and NULL. */
static inline char *fx_token_of(struct fx *fx, size_t k, const char *header, json_t *claims)
{
	const json_t *key = json_array_get(fx->keys, k);
	char *payload = json_dumps(claims, JSON_COMPACT);
	char head[256];
	char *token;

	snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
		 json_string_value(json_object_get(key, "alg")),
		 json_string_value(json_object_get(key, "kid")));
	token = fx_sign_raw(header != NULL ? header : head, payload, key);
	free(payload);
	json_decref(claims);
	return token;
}

/* With one claim changed to a JSON value, or dropped (NULL). */
static inline char *fx_token(struct fx *fx, const char *claim, const char *json)
{
	json_t *claims = fx_claims();

	if (claim != NULL && json == NULL)
		json_object_del(claims, claim);
	else if (claim != NULL)
		json_object_set_new(claims, claim, json_loads(json, JSON_DECODE_ANY, NULL));
	return fx_token_of(fx, 0, NULL, claims);
}

/* ---- the WAF ------------------------------------------------------------------------------- */

static inline void fx_reply(struct fx *fx, struct evhttp_request *req, char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (fx->hang) {
		fx->hanging = req;
		free(text);
		evbuffer_free(body);
		return;
	}
	if (fx->location != NULL)
		evhttp_add_header(evhttp_request_get_output_headers(req), "Location", fx->location);
	if (fx->huge > 0) {
		char *x = malloc(fx->huge);

		memset(x, 'x', fx->huge);
		evbuffer_add(body, x, fx->huge);
		free(x);
	} else {
		evbuffer_add_printf(body, "%s", fx->raw != NULL ? fx->raw : text);
	}
	evhttp_send_reply(req, fx->status != 0 ? fx->status : 200, "Because", body);
	evbuffer_free(body);
	free(text);
}

static inline void fx_on_jwks(struct evhttp_request *req, void *arg)
{
	struct fx *fx = arg;

	fx->n_jwks++;
	fx_reply(fx, req, fx_jwks(fx->keys));
}

static inline void fx_on_ask(struct evhttp_request *req, void *arg)
{
	struct fx *fx = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	const char *auth =
	    evhttp_find_header(evhttp_request_get_input_headers(req), "Authorization");
	ev_ssize_t n = evbuffer_copyout(in, fx->asked, sizeof(fx->asked) - 1);

	fx->asked[n > 0 ? n : 0] = '\0';
	snprintf(fx->authorization, sizeof(fx->authorization), "%s %s",
		 evhttp_request_get_command(req) == EVHTTP_REQ_POST ? "POST" : "other",
		 auth != NULL ? auth : "");
	fx->n_ask++;
	fx_reply(fx, req, json_dumps(fx->claims, 0));
}

static inline void fx_on_other(struct evhttp_request *req, void *arg)
{
	((struct fx *)arg)->n_elsewhere++;
	evhttp_send_error(req, 404, "no");
}

static inline void fx_listen(struct fx *fx)
{
	struct evhttp_bound_socket *sock;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	fx->http = evhttp_new(fx->base);
	evhttp_set_cb(fx->http, "/jwks", fx_on_jwks, fx);
	evhttp_set_cb(fx->http, "/introspect", fx_on_ask, fx);
	evhttp_set_gencb(fx->http, fx_on_other, fx);
	sock = evhttp_bind_socket_with_handle(fx->http, "127.0.0.1", (ev_uint16_t)fx->port);
	assert_non_null(sock);
	assert_int_equal(
	    getsockname(evhttp_bound_socket_get_fd(sock), (struct sockaddr *)&sin, &len), 0);
	fx->port = ntohs(sin.sin_port);
}

/** Stop listening; connections are refused from now on. */
static inline void fx_down(struct fx *fx)
{
	evhttp_free(fx->http);
	fx->http = NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static inline void fx_issuer(struct fx *fx, size_t k, const char *iss, const char *jwks,
			     const char *ask)
{
	static char none[] = "", us[] = "us", secret[] = "s p/+:", aud[] = "wicgate";
	struct cscf_authz_issuer *i = &fx->issuer[k];

	*i = (struct cscf_authz_issuer){
	    .issuer = strdup(iss),
	    .jwks_url = strdup(jwks),
	    .introspection_url = strdup(ask),
	    .client_id = us,
	    .client_secret = secret,
	    .secret = none,
	    .audience = aud,
	    .entity_name = none,
	    .entity_value = CSCF_AUTHZ_ENTITY_SAME,
	};
	if (fx->cfg.issuers.n <= k)
		fx->cfg.issuers.n = k + 1;
}

/* Everything but the object itself, so that a test may still change the configuration. */
static inline void fx_init(struct fx *fx)
{
	static char none[] = "", scope[] = "ims.register", impi[] = "ims_impi",
		    impus[] = "ims_impus", wwsf[] = "client_id", pool[] = "ims_pool",
		    realm[] = "ims.example.net", es[] = "ES256", rs[] = "RS256", ps[] = "PS256";

	memset(fx, 0, sizeof(*fx));
	fx->log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(fx->log_fd >= 0);
	gw_log_init("test", GW_LOG_TRACE);
	gw_log_set_fd(fx->log_fd);
	fx->base = event_base_new();
	fx->now_s = FX_NOW;
	fx->mono_ms = 1000000;
	fx->keys = json_array();
	json_array_append_new(fx->keys, fx_key("ES256", "k1"));
	fx->claims = fx_claims();
	json_object_set_new(fx->claims, "active", json_true());
	fx_listen(fx);
	snprintf(fx->jwks_url, sizeof(fx->jwks_url), "http://127.0.0.1:%u/jwks", fx->port);
	snprintf(fx->ask_url, sizeof(fx->ask_url), "http://127.0.0.1:%u/introspect", fx->port);
	fx->algs[0] = es;
	fx->algs[1] = rs;
	fx->algs[2] = ps;
	fx->cfg = (struct cscf_authz_config){
	    .issuers = {fx->issuer, 0},
	    .algs = {fx->algs, 3},
	    .require_typ = true,
	    .accept_access_token_param = true,
	    .required_scope = scope,
	    .claim_impi = impi,
	    .claim_impus = impus,
	    .claim_wwsf = wwsf,
	    .claim_pool = pool,
	    .challenge_authz_server = none,
	    .jwe_key = none,
	    .tls_ca = none,
	    .clock_skew = 30000,
	    .cache_ttl = 60000,
	    .negative_ttl = 5000,
	    .jwks_ttl = 3600000,
	    .jwks_max_stale = 86400000,
	    .jwks_min_refetch = 30000,
	    .http_timeout = 3000,
	    .max_size = 8192,
	    .cache_max = 100,
	    .max_waiting = 50,
	    .realm = realm,
	};
	fx_issuer(fx, 0, FX_ISSUER, fx->jwks_url, "");
}

static inline void fx_start(struct fx *fx)
{
	struct cscf_authz_clock clock = {fx_wall, fx_mono, fx};
	char why[256] = "";

	if (cscf_authz_new(&fx->a, fx->base, &fx->cfg, &clock, why, sizeof(why)) != GW_OK)
		fail_msg("%s", why);
}

/** Everything logged so far; caller frees. */
static inline char *fx_log(const struct fx *fx)
{
	off_t n = lseek(fx->log_fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)n + 1);

	assert_int_equal(pread(fx->log_fd, text, (size_t)n, 0), n);
	return text;
}

static inline void fx_check_log(struct fx *fx)
{
	char *log = fx_log(fx);

	for (size_t i = 0; i < fx->n_tails; i++)
		assert_null(strstr(log, fx->tails[i]));
	free(log);
	gw_log_set_fd(2);
	(void)close(fx->log_fd);
}

static inline void fx_fini(struct fx *fx)
{
	fx_check_log(fx);
	cscf_authz_free(fx->a);
	cscf_authz_grant_unref(fx->grant);
	if (fx->http != NULL)
		evhttp_free(fx->http);
	event_base_free(fx->base);
	json_decref(fx->keys);
	json_decref(fx->claims);
	for (size_t k = 0; k < fx->cfg.issuers.n; k++) {
		free(fx->issuer[k].issuer);
		free(fx->issuer[k].jwks_url);
		free(fx->issuer[k].introspection_url);
	}
}

/* ---- asking -------------------------------------------------------------------------------- */

static inline void fx_on_done(void *arg, const struct cscf_authz_result *res)
{
	struct fx *fx = arg;

	fx->n_done++;
	fx->res = *res;
	cscf_authz_grant_unref(fx->grant);
	fx->grant = res->grant != NULL ? cscf_authz_grant_ref(res->grant) : NULL;
}

static inline void fx_too_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/** Turn the loop until *counter is `want`; fails after FX_WAIT_S. */
static inline void fx_until(struct fx *fx, const unsigned *counter, unsigned want)
{
	struct timeval tv = {FX_WAIT_S, 0};
	bool late = false;
	struct event *guard = evtimer_new(fx->base, fx_too_late, &late);

	evtimer_add(guard, &tv);
	while (*counter < want && !late)
		event_base_loop(fx->base, EVLOOP_ONCE);
	event_free(guard);
	assert_false(late);
	assert_int_equal(*counter, want);
}

static inline struct cscf_authz_query fx_query(const char *credentials)
{
	return (struct cscf_authz_query){.credentials = gw_slice_str(credentials),
					 .origin = "https://portal.example.net",
					 .secure = true};
}

/** Ask about a header value and wait for the verdict. */
static inline enum cscf_authz_reason fx_ask_query(struct fx *fx, const struct cscf_authz_query *q)
{
	unsigned before = fx->n_done;

	if (q->credentials.n > 40 && fx->n_tails < 256)
		snprintf(fx->tails[fx->n_tails++], 32, "%.24s",
			 q->credentials.p + q->credentials.n - 26);
	cscf_authz_verify(fx->a, q, fx_on_done, fx, NULL);
	fx_until(fx, &fx->n_done, before + 1);
	return fx->res.reason;
}

static inline enum cscf_authz_reason fx_ask_value(struct fx *fx, const char *value)
{
	struct cscf_authz_query q = fx_query(value);

	return fx_ask_query(fx, &q);
}

/** Ask about a token, which is freed. */
static inline enum cscf_authz_reason fx_ask(struct fx *fx, char *token)
{
	char *value = NULL;
	enum cscf_authz_reason r;

	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	r = fx_ask_value(fx, value);
	free(value);
	free(token);
	return r;
}

#define assert_reason(have, want)                                                                  \
	do {                                                                                       \
		enum cscf_authz_reason have_ = (have);                                             \
		if (have_ != CSCF_AUTHZ_R_##want)                                                  \
			fail_msg("%s:%d: \"%s\" instead of " #want, __FILE__, __LINE__,            \
				 fx->res.word);                                                    \
	} while (0)

/* ---- one fixture per test ------------------------------------------------------------------ */

static struct fx *fx;

static inline int fx_set_up(void **state)
{
	static struct fx one;

	(void)state;
	fx = &one;
	fx_init(fx);
	return 0;
}

static inline int fx_tear_down(void **state)
{
	(void)state;
	fx_fini(fx);
	return 0;
}

#endif
