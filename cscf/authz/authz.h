/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web tokens (TS 24.371 §6.4.2): is this Bearer credential good here, and whom does it name?
 *
 *   credentials ─> token ─┬─ JWT (or JWE with a JWT in it): key from the issuer's JWKS (RFC 9068)
 *                         └─ opaque: introspection at the issuer (RFC 7662)
 *                 └─> grant: IMPI, IMPUs, WWSF, entity, expiry ─> policy of this request ─> verdict
 *
 * One call, cscf_authz_verify, gives one verdict by callback: at once when everything needed is
 * cached, later from the loop when the WAF has to be asked first. The verdict carries what the
 * SIP answer needs (status class, phrase, Retry-After, error of the challenge) and the grant.
 *
 * It is the caller who compares the grant with the request (To-IMPU, IMPI of the association,
 * pool use), sends the SIP answer and builds the Mw Authorization. It never sees a SIP message,
 * never sends a token anywhere but to the introspection endpoint of the configuration, and never
 * writes a token to a log.
 *
 * Thread: the cscf loop. Rows TOK-*, SEC-09, SEC-22..24 of the registration list.
 */
#ifndef CSCF_AUTHZ_AUTHZ_H
#define CSCF_AUTHZ_AUTHZ_H

#include "common/conf.h"
#include "common/err.h"
#include "common/handle.h"
#include "common/slice.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cscf_authz;
struct event_base;
struct gw_addr;

/* ---- configuration: the knobs token.*; filled by the table, times in ms ------------------- */

enum cscf_authz_domain {
	CSCF_AUTHZ_OWN,         /* "own": no authorization entity is sent */
	CSCF_AUTHZ_THIRD_PARTY, /* "third-party": entity_name and impu_allow are required */
};

/* tna.entity_value and entity_value of an issuer */
enum cscf_authz_entity {
	CSCF_AUTHZ_ENTITY_WAF,
	CSCF_AUTHZ_ENTITY_WWSF,
	CSCF_AUTHZ_ENTITY_BOTH, /* "<waf>,<wwsf>" */
	CSCF_AUTHZ_ENTITY_SAME, /* of an issuer: as tna.entity_value */
};

struct cscf_authz_issuer {
	char *issuer;            /* must equal `iss` octet for octet */
	char *jwks_url;          /* https (http only towards a loopback address) */
	char *introspection_url; /* the same; one of the two is required, both are allowed */
	char *client_id,
	    *client_secret;             /* of this resource server, at the introspection endpoint */
	char *secret;                   /* shared key: the only way HS* is ever accepted */
	char *audience;                 /* must be (in) `aud` */
	char *entity_name;              /* its authorization-entity name; "" = issuer's host */
	struct gw_conf_list impu_allow; /* "sip:*@partner.example", "tel:+1555*"; empty = any */
	/* "https://portal.example" (every WWSF of this issuer) or "wwsf-id=https://…" (that one
	 * only); empty = any Origin that the listener let in (TOK-14). */
	struct gw_conf_list origins;
	int domain;       /* enum cscf_authz_domain */
	int entity_value; /* enum cscf_authz_entity */
};

struct cscf_authz_config {
	struct gw_conf_maps issuers; /* token.issuers[]: struct cscf_authz_issuer */
	struct gw_conf_list algs, barred_entities;
	bool require_typ, accept_access_token_param;
	char *required_scope, *claim_impi, *claim_impus, *claim_wwsf, *claim_pool;
	char *challenge_authz_server, *jwe_key, *tls_ca;
	int64_t clock_skew, cache_ttl, jwks_ttl, jwks_max_stale, jwks_min_refetch, http_timeout;
	int64_t negative_ttl, max_size, cache_max, max_waiting;
	int entity_value; /* tna.entity_value */
	char *realm;      /* of challenges; not a knob: borrowed, the first home domain */
};

/** One entry of token.issuers, for the table of the process. */
extern const struct gw_conf_map cscf_authz_issuer_map;

/* Real clocks when NULL; tests turn their own. */
struct cscf_authz_clock {
	int64_t (*wall_s)(void *arg);  /* seconds since 1970: exp, nbf, iat */
	int64_t (*mono_ms)(void *arg); /* caches and rate limits */
	void *arg;
};

/**
 * @param cfg  borrowed: outlives the object, constant
 * @param why  on failure one line naming the key
 * @return GW_OK (also without any issuer: then every token is refused); GW_ERR_INVAL;
 *         GW_ERR_UNSUPPORTED an algorithm that the crypto library does not have; GW_ERR_NOMEM
 */
enum gw_err cscf_authz_new(struct cscf_authz **out, struct event_base *base,
			   const struct cscf_authz_config *cfg,
			   const struct cscf_authz_clock *clock, char *why, size_t n) GW_MUST_CHECK;
/** Jobs still waiting are forgotten without a call; grants that others hold stay good. */
void cscf_authz_free(struct cscf_authz *a);

/** What cscf_authz_new would refuse, without asking anybody (--check-config). */
enum gw_err cscf_authz_check_config(const struct cscf_authz_config *cfg, char *why,
				    size_t n) GW_MUST_CHECK;

/* ---- the grant ----------------------------------------------------------------------------- */

#define CSCF_AUTHZ_HASH 32 /* octets of SHA-256 */

/*
 * What a good token says. Constant after it is made; shared by the cache and whoever bound it to
 * an association: each holder has its own reference.
 */
struct cscf_authz_grant {
	const char *impi;
	const char *const *impus; /* at least one; "sip:guest-!.*!@host" stands for a range */
	size_t n_impus;
	const char *issuer;    /* `iss` */
	const char *client_id; /* WWSF identity */
	const char *subject;   /* `sub`; "" when absent */
	const char *scope;     /* space separated */
	const char *jti;       /* "" when absent */
	const char *entity;    /* authorization entity to send on Mw; NULL = none (own WAF) */
	const char *waf;       /* entity name of the issuer, own or not */
	int64_t expires_at;    /* unix seconds, `exp` without the skew */
	bool pool;             /* the identities are lent out of a pool (scenario 3) */
	unsigned char token_hash[CSCF_AUTHZ_HASH];
};

/** One more holder. @return grant itself */
const struct cscf_authz_grant *cscf_authz_grant_ref(const struct cscf_authz_grant *grant);
/** One holder less; the last one frees. NULL is legal. */
void cscf_authz_grant_unref(const struct cscf_authz_grant *grant);
/** May this token use that IMPU (TOK-13)? RFC 3261 s19.1.4, tel equivalence, range if written. */
bool cscf_authz_grant_has_impu(const struct cscf_authz_grant *grant, struct gw_slice uri);
/** Are both the same token? Constant time. */
bool cscf_authz_grant_same_token(const struct cscf_authz_grant *a,
				 const struct cscf_authz_grant *b);
/** Seconds until expires_at by the object's clock; negative when it has passed. */
int64_t cscf_authz_grant_left(const struct cscf_authz *a, const struct cscf_authz_grant *grant);
/** Has it been revoked since (cscf_authz_revoke)? Then block the association: 403. */
bool cscf_authz_grant_is_revoked(const struct cscf_authz *a, const struct cscf_authz_grant *grant);

/* ---- verify -------------------------------------------------------------------------------- */

enum cscf_authz_verdict {
	CSCF_AUTHZ_OK,
	CSCF_AUTHZ_MALFORMED,   /* 400 */
	CSCF_AUTHZ_INVALID,     /* 401 (407) with a challenge, error="invalid_token" */
	CSCF_AUTHZ_DENIED,      /* 403: another token of that kind will not help */
	CSCF_AUTHZ_UNAVAILABLE, /* 503 with Retry-After: our side, not the token's fault */
	CSCF_AUTHZ_VERDICT_COUNT
};

/* reason, verdict, word for logs and metrics, phrase fit for a reason phrase or a Warning text */
#define CSCF_AUTHZ_REASON_LIST(X)                                                                  \
	X(OK, OK, "ok", "OK")                                                                      \
	X(NOT_BEARER, MALFORMED, "malformed", "Malformed Bearer Credentials")                      \
	X(TOO_BIG, MALFORMED, "too-big", "Token Too Large")                                        \
	X(NOT_A_TOKEN, INVALID, "not-a-token", "Token Not Understood")                             \
	X(ALG, INVALID, "alg", "Token Algorithm Not Accepted")                                     \
	X(CRIT, INVALID, "crit", "Token Extension Not Understood")                                 \
	X(TYP, INVALID, "typ", "Not An Access Token")                                              \
	X(DECRYPT, INVALID, "decrypt", "Token Cannot Be Decrypted")                                \
	X(ISSUER, INVALID, "issuer", "Token Issuer Not Trusted")                                   \
	X(KEY, INVALID, "key", "Token Key Not Known")                                              \
	X(SIGNATURE, INVALID, "signature", "Token Signature Wrong")                                \
	X(AUDIENCE, INVALID, "audience", "Token Not For This Service")                             \
	X(EXPIRED, INVALID, "expired", "Token Expired")                                            \
	X(NOT_YET, INVALID, "not-yet-valid", "Token Not Yet Valid")                                \
	X(INACTIVE, INVALID, "inactive", "Token Not Active")                                       \
	X(CLAIM_TEXT, INVALID, "claim-text", "Token Claim Malformed")                              \
	X(INSECURE, DENIED, "insecure", "Token Over Insecure Connection")                          \
	X(SCOPE, DENIED, "scope", "Token Without The Required Scope")                              \
	X(CLAIMS, DENIED, "claims", "Token Without IMS Identity")                                  \
	X(ORIGIN, DENIED, "origin", "Token Not Allowed For This Origin")                           \
	X(RANGE, DENIED, "range", "Identity Outside The Issuer's Range")                           \
	X(BARRED, DENIED, "barred", "Authorization Entity Barred")                                 \
	X(REVOKED, DENIED, "revoked", "Token Revoked")                                             \
	X(WAF_DOWN, UNAVAILABLE, "waf-unavailable", "Authorization Service Unavailable")           \
	X(BUSY, UNAVAILABLE, "busy", "Authorization Service Busy")                                 \
	X(NO_MEMORY, UNAVAILABLE, "no-memory", "Authorization Service Busy")

enum cscf_authz_reason {
#define X(name, verdict, word, phrase) CSCF_AUTHZ_R_##name,
	CSCF_AUTHZ_REASON_LIST(X)
#undef X
	    CSCF_AUTHZ_REASON_COUNT
};

/* Borrowed during the call. */
struct cscf_authz_query {
	struct gw_slice credentials; /* whole header value: `Bearer x`, `Bearer access_token="x"` */
	const char *origin;          /* of the connection; NULL or "" when it has none */
	const struct gw_addr *source; /* who asks has a share of what can be asked; NULL = all */
	bool secure;                  /* false: plain ws, every token is refused (WS-04) */
	bool allow_expired;           /* deregistration on an associated connection (TOK-23) */
};

struct cscf_authz_result {
	enum cscf_authz_verdict verdict;
	enum cscf_authz_reason reason;
	const char *word;       /* static */
	const char *phrase;     /* static */
	const char *error;      /* for cscf_authz_challenge: "invalid_token"; NULL when none */
	unsigned retry_after_s; /* UNAVAILABLE only */
	bool expired;           /* OK with allow_expired: `exp` has passed */
	/* OK only; borrowed during the call: cscf_authz_grant_ref to keep it. */
	const struct cscf_authz_grant *grant;
};

typedef void cscf_authz_done(void *arg, const struct cscf_authz_result *result);

/**
 * Verify one credential. `done` is called exactly once, unless cancelled or freed before: before
 * this function returns (then *job is GW_HANDLE_NONE, also during the call) or later, from the
 * loop. In `done` everything is allowed but cscf_authz_free.
 *
 * @param query  borrowed during this call only
 * @param job    may be NULL when the caller never cancels
 * Cost: cached, one SHA-256; else one signature check.
 */
void cscf_authz_verify(struct cscf_authz *a, const struct cscf_authz_query *query,
		       cscf_authz_done *done, void *arg, gw_handle *job);
/** `done` of this job will not be called. A job that is over, or NONE: no effect. */
void cscf_authz_cancel(struct cscf_authz *a, gw_handle job);

/**
 * SHA-256 of the token in a credential, without looking into it: to know again the token that is
 * bound to an association. @return false when it is no Bearer credential
 */
bool cscf_authz_token_hash(const struct cscf_authz *a, struct gw_slice credentials,
			   unsigned char out[CSCF_AUTHZ_HASH]);

/**
 * Value of WWW-Authenticate / Proxy-Authenticate (RFC 8898 s4): Bearer realm="…",
 * authz_server="…", scope="…"[, error="…"].
 * @param error  result.error, or NULL when no credential was sent (TOK-03)
 * @return GW_OK; GW_ERR_LIMIT buf too small (512 octets always do)
 */
enum gw_err cscf_authz_challenge(const struct cscf_authz *a, const char *error, char *buf,
				 size_t n) GW_MUST_CHECK;
#define CSCF_AUTHZ_CHALLENGE_MAX 512

/* ---- revocation (TOK-29) and facts --------------------------------------------------------- */

/** Told once per revocation, so that associations with such a grant can be blocked. */
typedef void cscf_authz_on_revoked(void *arg);
void cscf_authz_set_on_revoked(struct cscf_authz *a, cscf_authz_on_revoked *fn, void *arg);

/**
 * Refuse a token from now on (403), for a day: access tokens live shorter.
 * @param id  its jti, or its SHA-256 in lower-case hex
 * @return GW_OK; GW_ERR_INVAL empty or too long; GW_ERR_LIMIT list full; GW_ERR_NOMEM
 */
enum gw_err cscf_authz_revoke(struct cscf_authz *a, const char *id) GW_MUST_CHECK;

/** Issuers, keys, ages, last errors, caches, jobs, for the operator; no token, no secret. New
 * reference, NULL when out of memory. */
json_t *cscf_authz_json(const struct cscf_authz *a);

#endif
