/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of cscf/authz. How one token is judged (authz.c draws the whole way):
 *
 *   credentials.c  header value ─> token68 and its hash
 *   cache.c        hash ─> grant that is still fresh
 *   jwe.c          encrypted token ─> the signed one inside
 *   jwt.c          header and payload as JSON; algorithm, typ, crit; signature by libjose
 *   jwks.c         the keys of an issuer: fetch, rotation, staleness, who waits for them
 *   introspect.c   opaque tokens: ask the issuer
 *   claims.c       JSON claims ─> grant, with every check that does not depend on the request
 *   policy.c       grant and request: Origin, expiry, barring, revocation
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_AUTHZ_AUTHZ_INT_H
#define CSCF_AUTHZ_AUTHZ_INT_H

#include "cscf/authz/authz.h"
#include "cscf/http/http.h"

#include <event2/event_struct.h>
#include <jose/cfg.h>
#include <uthash.h>

#define MAX_JWKS_KEYS   64U
#define MAX_IMPUS       32U
#define MAX_CLAIM       256U  /* octets of one text that goes to a header or a table */
#define MAX_SCOPE       1024U /* octets of the scope claim */
#define MAX_HTTP_BODY   (256U * 1024U)
#define MAX_INSPECTIONS 64U /* introspections under way */
#define MAX_REVOKED     10000U

/* ---- what a token is made of ------------------------------------------------------------- */

/* Three parts of a compact JWS, decoded; borrowed text of the token. */
struct jwt {
	struct gw_slice part[3];
	json_t *header, *payload; /* objects */
	const char *alg;          /* in header */
	const char *kid;          /* in header; NULL when absent */
	const char *iss;          /* in payload; "" when absent */
};

/** @return false: not a JWS with a JSON object as header and payload (then nothing is held) */
bool jwt_parse(struct jwt *j, struct gw_slice token);
void jwt_clear(struct jwt *j);

/* Families of algorithms: what key they need. */
enum key_kind { KEY_EC, KEY_RSA, KEY_OKP, KEY_OCT };

struct alg {
	const char *name;
	enum key_kind kind;
	const char *crv; /* KEY_EC, KEY_OKP */
};
/** A signature algorithm that the library verifies; NULL for any other, `none` among them. */
const struct alg *alg_find(const char *name);

struct key {
	char *kid;      /* owned; NULL when absent */
	char *alg_name; /* owned; NULL when the JWK names none */
	enum key_kind kind;
	char crv[8]; /* KEY_EC, KEY_OKP */
	json_t *jwk; /* owned: public members only */
};

struct key_set {
	struct key *key;
	size_t n;
};

/** The usable signature keys of a JWKS; others are left out. @return false: not a JWKS */
bool key_set_parse(struct key_set *out, const json_t *jwks);
void key_set_clear(struct key_set *set);

enum key_pick { PICK_FOUND, PICK_UNKNOWN, PICK_UNFIT };
/** By kid, else the only one that fits the algorithm. */
enum key_pick key_set_pick(const struct key_set *set, const struct jwt *j, const struct alg *alg,
			   const struct key **out);

/** Header rules that need no key (TOK-05, TOK-07). @return R_OK, ALG, CRIT or TYP */
enum cscf_authz_reason jwt_check_header(const struct cscf_authz_config *cfg, const struct jwt *j,
					bool has_secret);
/** libjose's judgement. */
bool jwt_verify(jose_cfg_t *jose, const struct jwt *j, const json_t *jwk);
/** The same for EdDSA (Ed25519). */
bool eddsa_verify(const struct jwt *j, const json_t *jwk);

/* Decryption keys of token.jwe_key. */
struct jwe_keys {
	json_t *list; /* array of JWK, NULL = no JWE */
};
enum gw_err jwe_keys_load(struct jwe_keys *k, const char *path, char *why, size_t n) GW_MUST_CHECK;
void jwe_keys_clear(struct jwe_keys *k);
/** The token inside; heap, caller frees with jwe_free. NULL: not for us, or not as agreed. */
char *jwe_decrypt(const struct jwe_keys *k, jose_cfg_t *jose, struct gw_slice token, size_t *n);
void jwe_free(char *inner, size_t n);

/* ---- parts of the object ------------------------------------------------------------------ */

struct issuer;

/* One question that cannot be answered yet. */
struct job {
	struct job *prev, *next; /* of the list it waits in */
	struct job **list;       /* that list's head */
	gw_handle id;
	cscf_authz_done *done;
	void *arg;
	char *token; /* owned, cleared at the end */
	size_t n_token;
	char *origin; /* owned */
	unsigned char hash[CSCF_AUTHZ_HASH];
	bool allow_expired;
	uint64_t round; /* of the issuer's fetch it waits for */
};

struct issuer {
	struct cscf_authz *a;
	const struct cscf_authz_issuer *cfg;
	char waf[MAX_CLAIM]; /* entity name */
	json_t *secret;      /* oct JWK, or NULL */
	struct key_set keys;
	bool has_keys; /* some fetch succeeded */
	bool has_tried, last_failed;
	int64_t fetched_ms, tried_ms; /* of the last success, of the last attempt */
	int64_t retry_ms;             /* back-off after a failure */
	gw_handle fetch;              /* under way, or NONE */
	uint64_t round;               /* counts fetches */
	struct event refresh;
	struct job *waiting;
	uint64_t fetches, failures;
	char last_error[96]; /* of the keys; "" when the last fetch was good */
	char ask_error[96];  /* of introspection, the same */
	uint64_t asked;
};

struct cached {
	unsigned char hash[CSCF_AUTHZ_HASH];
	enum cscf_authz_reason reason;
	const struct cscf_authz_grant *grant; /* R_OK: a reference; else NULL */
	int64_t until_ms;
	UT_hash_handle hh; /* in order of age */
};

struct inspection {
	unsigned char hash[CSCF_AUTHZ_HASH];
	struct issuer *issuer;
	gw_handle request;
	struct job *waiting;
	uint8_t source[8]; /* network that asked first */
	size_t n_source;   /* 0 = none */
	UT_hash_handle hh;
};

struct revoked {
	char *id; /* owned: jti or hash in hex */
	int64_t until_s;
	UT_hash_handle hh;
};

struct cscf_authz {
	struct event_base *base;
	const struct cscf_authz_config *cfg;
	struct cscf_authz_clock clock;
	struct cscf_http *http;
	jose_cfg_t *jose;
	struct issuer *issuer;
	size_t n_issuers;
	struct jwe_keys jwe;
	struct gw_handle_table *jobs;
	struct cached *cache;   /* good tokens */
	struct cached *refused; /* the others: no stranger makes us forget a good one */
	struct inspection *inspections;
	struct revoked *revoked;
	cscf_authz_on_revoked *on_revoked;
	void *on_revoked_arg;
};

static inline int64_t authz_wall_s(const struct cscf_authz *a)
{
	return a->clock.wall_s(a->clock.arg);
}
static inline int64_t authz_mono_ms(const struct cscf_authz *a)
{
	return a->clock.mono_ms(a->clock.arg);
}

/* ---- credentials.c ------------------------------------------------------------------------ */

/** @return R_OK; NOT_BEARER; TOO_BIG. token points into value. */
enum cscf_authz_reason credentials_token(const struct cscf_authz_config *cfg, struct gw_slice value,
					 struct gw_slice *token);
void token_hash(struct gw_slice token, unsigned char out[CSCF_AUTHZ_HASH]);
/** n hex digits and a terminator need 2 * CSCF_AUTHZ_HASH + 1 octets. */
void token_hash_hex(const unsigned char hash[CSCF_AUTHZ_HASH], char *hex);

/* ---- claims.c, grant.c -------------------------------------------------------------------- */

/**
 * Claims of a token whose origin is proven. On R_OK *out is a new reference; EXPIRED gives none
 * unless allow_expired, then R_OK.
 */
enum cscf_authz_reason claims_grant(const struct issuer *i, const json_t *claims,
				    const unsigned char hash[CSCF_AUTHZ_HASH], bool allow_expired,
				    const struct cscf_authz_grant **out);

/* A copy of everything in one block, held once. NULL when out of memory. */
const struct cscf_authz_grant *grant_new(const struct cscf_authz_grant *from);
/** Does an IMPU of a token lie in an operator's pattern ("sip:*@partner.example")? */
bool impu_in_pattern(const char *impu, const char *pattern);
/** Well-formed: sip, sips, tel; a range only in the user part and only "!.*!" */
bool impu_is_sound(const char *impu);

/* ---- cache.c ------------------------------------------------------------------------------ */

/** @return true when something fresh is known: *reason, and on R_OK *grant (borrowed) */
bool cache_find(struct cscf_authz *a, const unsigned char hash[CSCF_AUTHZ_HASH],
		enum cscf_authz_reason *reason, const struct cscf_authz_grant **grant);
/** A refusal (grant NULL) is kept for a short while, apart. Out of memory: not remembered. */
void cache_put(struct cscf_authz *a, const unsigned char hash[CSCF_AUTHZ_HASH],
	       enum cscf_authz_reason reason, const struct cscf_authz_grant *grant);
void cache_clear(struct cscf_authz *a);

/* ---- revoke.c ----------------------------------------------------------------------------- */

void revoked_clear(struct cscf_authz *a);

/* ---- jwks.c ------------------------------------------------------------------------------- */

enum keys_state { KEYS_READY, KEYS_WAIT, KEYS_MISSING };
/** May `keys` be used now? Starts a fetch when due; WAIT: one is under way, or soon. */
enum keys_state jwks_ready(struct issuer *i);
/** A kid is not among them: one fetch per token.jwks_min_refetch. READY: they are up to date. */
enum keys_state jwks_for_unknown_kid(struct issuer *i);
/** Seconds until the next fetch may be tried; at least 1. */
unsigned jwks_retry_after_s(const struct issuer *i);
enum gw_err jwks_init(struct issuer *i) GW_MUST_CHECK;
void jwks_fini(struct issuer *i);

/* ---- introspect.c ------------------------------------------------------------------------- */

/** The one under way for that token, or a new one. NULL: *reason is BUSY, WAF_DOWN, NO_MEMORY. */
struct inspection *introspect(struct issuer *i, struct gw_slice token,
			      const unsigned char hash[CSCF_AUTHZ_HASH],
			      const struct gw_addr *source, enum cscf_authz_reason *reason);
/** Which issuer to ask about a token that names none; NULL when that is not certain. */
struct issuer *introspect_issuer(struct cscf_authz *a, const char *origin);
void introspect_clear(struct cscf_authz *a);

/* ---- policy.c ----------------------------------------------------------------------------- */

/** What depends on the request and the hour: R_OK, REVOKED, EXPIRED, ORIGIN. */
enum cscf_authz_reason policy_check(struct cscf_authz *a, const struct cscf_authz_grant *grant,
				    const char *origin, bool allow_expired, bool *expired);
bool policy_origin_fits(const struct cscf_authz_issuer *cfg, const char *client_id,
			const char *origin);
bool policy_is_barred(const struct cscf_authz_config *cfg, const char *waf, const char *client_id,
		      const char *issuer);

/* ---- config.c ------------------------------------------------------------------------------ */

/** The host in an issuer's URL; the whole text when there is none. */
void config_issuer_host(const char *issuer, char *buf, size_t n);

/* ---- authz.c ------------------------------------------------------------------------------ */

struct issuer *authz_issuer(struct cscf_authz *a, const char *iss);
/** Keys have come, or failed: look at every job of that round again. */
void authz_keys_done(struct issuer *i, uint64_t round);
/** An introspection is over: grant (borrowed) when R_OK. */
void authz_inspection_done(struct cscf_authz *a, struct job **waiting,
			   enum cscf_authz_reason reason, const struct cscf_authz_grant *grant);

/* ---- metrics.c ---------------------------------------------------------------------------- */

void metric_reason(enum cscf_authz_reason reason);
void metric_fetch(bool ok);
void metric_inspected(bool ok, bool active);
void metric_cache(bool hit);
void metric_waiting(size_t n);
void metric_init(void);
void metric_counts(json_t *to);

#endif
