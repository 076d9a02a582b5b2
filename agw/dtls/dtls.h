/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS-SRTP (RFC 5763, 5764, 8122, 8842) of one access stream on OpenSSL: identity, handshake in
 * both roles, fingerprint check, SRTP keys by exporter. No I/O: datagrams come in and go out
 * through the caller; OpenSSL reads and writes memory only.
 *
 *   agw_dtls_ctx   certificate and settings, shared by all sessions; safe across threads
 *   agw_dtls_sess  one association
 *
 * The keys are given out only after the peer's certificate matched a signalled fingerprint
 * (DTLS-06); the handshake itself may run before the fingerprint is known.
 *
 * Thread: ctx functions and sess_new on the control thread; the rest of a session on its worker.
 */
#ifndef AGW_DTLS_DTLS_H
#define AGW_DTLS_DTLS_H

#include "agw/srtp/profile.h"
#include "common/err.h"

#include <stdbool.h>

#define AGW_FP_MAX         8  /* fingerprints per stream */
#define AGW_FP_OCTETS_MAX  64 /* sha-512 */
#define AGW_DTLS_DGRAM_MAX 1500

enum agw_dtls_role {
	AGW_DTLS_ROLE_UNDECIDED, /* we offered actpass; the peer's ClientHello or its answer decides
				  */
	AGW_DTLS_ROLE_CLIENT,    /* we are active */
	AGW_DTLS_ROLE_SERVER     /* we are passive */
};

enum agw_hash {
	AGW_HASH_SHA1, /* only where dtls.fp_hashes allows it */
	AGW_HASH_SHA224,
	AGW_HASH_SHA256,
	AGW_HASH_SHA384,
	AGW_HASH_SHA512,
	AGW_HASH_COUNT
};

struct agw_fingerprint {
	enum agw_hash hash;
	uint8_t len;
	uint8_t octets[AGW_FP_OCTETS_MAX];
};

enum agw_cause {
	AGW_CAUSE_NONE,
	AGW_CAUSE_TIMEOUT,
	AGW_CAUSE_FINGERPRINT, /* certificate matched no signalled fingerprint */
	AGW_CAUSE_FP_WAIT,     /* handshake done, no fingerprint signalled within dtls.fp_wait */
	AGW_CAUSE_NO_SRTP,     /* no use_srtp or no common profile */
	AGW_CAUSE_NO_CERT,
	AGW_CAUSE_ALERT,        /* peer's fatal alert */
	AGW_CAUSE_CLOSE_NOTIFY, /* peer closed */
	AGW_CAUSE_PROTOCOL,     /* handshake error found by us */
	AGW_CAUSE_INTERNAL,
	AGW_CAUSE_COUNT
};
const char *agw_cause_name(enum agw_cause c); /* "fingerprint" */

struct agw_dtls_ctx;
struct agw_dtls_sess;

struct agw_dtls_cfg {
	uint32_t timer_initial_ms; /* first retransmission; doubles, at most 3 s (DTLS-16) */
	uint16_t mtu;              /* of the link, with IP and UDP headers */
	uint32_t cert_lifetime_s;
	unsigned fp_hashes; /* bits 1 << enum agw_hash that count */
};

/** @return GW_OK; GW_ERR_NOMEM; GW_ERR_CRYPTO */
enum gw_err agw_dtls_ctx_new(struct agw_dtls_ctx **out,
			     const struct agw_dtls_cfg *cfg) GW_MUST_CHECK;
/** Sessions made from it live on. */
void agw_dtls_ctx_free(struct agw_dtls_ctx *ctx);
/** sha-256 of our certificate (DTLS-10). */
void agw_dtls_ctx_fingerprint(const struct agw_dtls_ctx *ctx, struct agw_fingerprint *out);
/** Seconds since the certificate was made. */
uint64_t agw_dtls_ctx_age_s(const struct agw_dtls_ctx *ctx);

/* Called from start, input, tick, set_fingerprints and close; the session may not be freed in
 * them. Exactly one of on_keyed and on_failed per session; on_closed only after on_keyed. */
struct agw_dtls_cbs {
	void (*send)(void *arg, const uint8_t *data, size_t len); /* one datagram */
	/** Peer verified; keys are wiped when this returns. */
	void (*on_keyed)(void *arg, const struct agw_srtp_keys *keys);
	void (*on_failed)(void *arg, enum agw_cause cause);
	void (*on_closed)(void *arg, enum agw_cause cause);
};

enum agw_dtls_state {
	AGW_DTLS_IDLE,
	AGW_DTLS_HANDSHAKE,
	AGW_DTLS_UNVERIFIED, /* handshake done, waiting for the fingerprint */
	AGW_DTLS_KEYED,
	AGW_DTLS_CLOSED,
	AGW_DTLS_FAILED
};

/**
 * @param profiles SRTP profiles in preference order, ended by 0 or AGW_SRTP_PROFILE_MAX
 * @return GW_OK; GW_ERR_INVAL no usable profile; GW_ERR_NOMEM; GW_ERR_CRYPTO
 */
enum gw_err agw_dtls_sess_new(struct agw_dtls_sess **out, struct agw_dtls_ctx *ctx,
			      const uint16_t *profiles, const struct agw_dtls_cbs *cbs,
			      void *arg) GW_MUST_CHECK;
void agw_dtls_sess_free(struct agw_dtls_sess *s);

/** Begin in a role (CLIENT sends its ClientHello now). Only from IDLE; else no effect. */
void agw_dtls_start(struct agw_dtls_sess *s, enum agw_dtls_role role);
/** One datagram from the peer. @return false when it was of no use (bad record; DTLS-24) */
bool agw_dtls_input(struct agw_dtls_sess *s, const uint8_t *data, size_t len);
/** Retransmit what is due; call every 20 ms or so while in HANDSHAKE. */
void agw_dtls_tick(struct agw_dtls_sess *s);
/** What was signalled; may come before, during or after the handshake. */
void agw_dtls_set_fingerprints(struct agw_dtls_sess *s, const struct agw_fingerprint *fps,
			       unsigned n);
/** Give up (timeouts are the caller's): on_failed(cause). No effect once keyed or failed. */
void agw_dtls_give_up(struct agw_dtls_sess *s, enum agw_cause cause);
/** Say close_notify, best effort (DTLS-23). */
void agw_dtls_close(struct agw_dtls_sess *s);

/** Where it stands; no effect, no cost. */
enum agw_dtls_state agw_dtls_state(const struct agw_dtls_sess *s);
/** 0xfefd = DTLS 1.2; 0 before the handshake is done. */
uint16_t agw_dtls_version(const struct agw_dtls_sess *s);

#endif
