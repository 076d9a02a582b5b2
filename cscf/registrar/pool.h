/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities lent out of a pool (scenario 3): who holds one (pool.c), and the notice to the WAF
 * that one is free (release.c). Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_POOL_H
#define CSCF_REGISTRAR_POOL_H

#include "cscf/registrar/reg_int.h"

/* ---- pool.c ---- */

enum gw_err reg_pool_new(struct reg_pool **out, struct cscf_registrar *r) GW_MUST_CHECK;
/** Nobody is told anything any more. NULL is legal. */
void reg_pool_free(struct reg_pool *p);
/**
 * May this REGISTER use its To-IMPU? q has a grant. On true a REGISTER that registers has claimed
 * the identity until reg_pool_unclaim: a second one that comes meanwhile finds it taken.
 * With pool.exclusive 403: no subject, another's, or given back already. With false *why may be
 * left as it was: out of memory.
 */
bool reg_pool_claim(struct cscf_registrar *r, struct reg_request *q, struct reg_refusal *why);
/** The REGISTER is over, whatever came of it. No claim: no effect. */
void reg_pool_unclaim(struct cscf_registrar *r, struct reg_request *q);
/** The binding was registered by this claim. */
void reg_pool_bound(struct cscf_registrar *r, struct reg_binding *b, const struct reg_request *q);
/** Before the binding gets another contact or expiry: the S-CSCF may keep the old one till then. */
void reg_pool_contact_replaced(struct cscf_registrar *r, const struct reg_binding *b);
/** The binding ends; called before it is freed. Without a pool's identity: no effect. */
void reg_pool_unbound(struct cscf_registrar *r, const struct reg_binding *b);

/** Is anything of the use of this identity still there, or a claim to it? */
bool reg_pool_lasts(const struct reg_pool *p, const char *aor);

/* ---- release.c ---- */

struct reg_release;

#define REG_NOTICE_ID 33 /* octets of its id, with the terminator */

/** @return GW_OK, *out NULL when pool.release_url is empty; GW_ERR_INVAL; GW_ERR_NOMEM */
enum gw_err reg_release_new(struct reg_release **out, struct event_base *base,
			    const struct cscf_registrar_config *cfg) GW_MUST_CHECK;
void reg_release_free(struct reg_release *rel);
/**
 * Tell the WAF, as often as it takes. Bounded: with too many waiting the notice is dropped.
 * @return its id, borrowed until the next call; NULL: it will not be told, or rel is NULL
 */
const char *reg_release_send(struct reg_release *rel, const char *aor, const char *impu,
			     const char *impi, const char *reason);
/** Does this notice wait, every attempt so far having been refused by the WAF in so many words? */
bool reg_release_is_unsaid(const struct reg_release *rel, const char *aor, const char *id);
/** The identity is used again: what has not been said is not said. @return was one waiting? */
bool reg_release_take_back(struct reg_release *rel, const char *aor);

#endif
