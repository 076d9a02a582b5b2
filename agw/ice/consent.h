/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent asked for by us (consent.mode: active; RFC 7675 s5.1, s5.2): the requests of one pair and
 * what their answers are worth. Knows no pair, no credentials and no timeout: lite.c has them.
 * Thread: the owning worker.
 */
#ifndef AGW_ICE_CONSENT_H
#define AGW_ICE_CONSENT_H

#include "agw/ice/ice_int.h"

#define AGW_CONSENT_OPEN 8 /* requests an answer is taken to: those of 30 s */

struct agw_consent {
	bool active;
	uint64_t next_ms; /* when to ask again */
	uint64_t tie_breaker;
	StunTransactionId open[AGW_CONSENT_OPEN];
	bool is_open[AGW_CONSENT_OPEN];
	bool said[AGW_CONSENT_OPEN]; /* as controlling agent */
	bool other_role;             /* after AGW_CONSENT_ROLE: controlling is what we should be */
	unsigned at;                 /* the next one's place: it takes the oldest's */
};

/* Of the generation that the pair was selected under. */
struct agw_consent_creds {
	const char *local_ufrag;
	const char *remote_ufrag;
	char *remote_pwd;
	bool controlling;
};

/** A pair is new, or its credentials: forget what was asked, ask after one interval. */
void agw_consent_begin(struct agw_consent *c, uint64_t now_ms);
/**
 * Write a request with a new transaction; there is no retransmission of it.
 * @return its octets; 0 when it does not fit
 */
size_t agw_consent_ask(struct agw_consent *c, struct agw_ice_env *env,
		       const struct agw_consent_creds *creds, uint8_t *buf, size_t n,
		       uint64_t now_ms);

enum agw_consent_word {
	AGW_CONSENT_GIVEN,
	AGW_CONSENT_REVOKED, /* 403, with good integrity */
	AGW_CONSENT_ROLE,    /* 487: we have the role that the peer has */
	AGW_CONSENT_NOTHING, /* another error: says neither yes nor no */
	AGW_CONSENT_BAD      /* to no request of ours, integrity or FINGERPRINT bad */
};

/** What does a well-formed STUN response say? An answer counts once. */
enum agw_consent_word agw_consent_hear(struct agw_consent *c, struct agw_ice_env *env,
				       const struct agw_consent_creds *creds, uint8_t *data,
				       size_t len);

#endif
