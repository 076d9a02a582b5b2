/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only REGISTERs with a web token need: the Authorization of the trusted node (tna.c), the
 * verdict of a token (token.c), the lowered expiry (cap.c). Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_TNA_H
#define CSCF_REGISTRAR_TNA_H

#include "cscf/registrar/reg_int.h"

/* ---- tna.c ---- */

/** The header field that carries the entity (tna.entity_carriage=header:X); NULL = none. No WIC
 * may send it. */
const char *reg_tna_header(const struct cscf_registrar_config *cfg);
enum gw_err reg_tna_check_config(const struct cscf_registrar_config *cfg, char *why,
				 size_t n) GW_MUST_CHECK;
/** Fit to stand between quotes as it is. False when empty. */
bool reg_is_quotable(struct gw_slice text);
/**
 * Our Authorization in the place of all the WIC's; q has a grant.
 * @return GW_OK; GW_ERR_INVAL an identity that cannot be written safely; GW_ERR_NOMEM
 */
enum gw_err reg_tna_put(struct cscf_sip_msg *m, const struct cscf_registrar *r,
			const struct reg_request *q) GW_MUST_CHECK;

/* ---- cap.c ---- */

/** No contact of the request asks for more than this many seconds (TOK-22). */
enum gw_err reg_cap_expires(struct cscf_sip_msg *m, uint32_t seconds) GW_MUST_CHECK;

/* ---- token.c ---- */

struct reg_txn;

/** Have the credentials checked; `done` is called now or later, once, unless t->job is cancelled.
 */
void reg_token_verify(struct reg_txn *t, cscf_authz_done *done);
/**
 * The verdict is there: does it fit this request and what is registered already? On true the
 * request has its IMPI and grant; on false *why is the answer.
 */
bool reg_token_take(struct reg_txn *t, const struct cscf_authz_result *res,
		    struct reg_refusal *why);
/** Bind the request's grant to the association, or none (scenario 1). */
void reg_token_bind(struct reg_assoc *a, const struct reg_request *q);
/** The core challenged the trusted node, or wants a longer life than the token has: answered here
 * and never relayed. @return false: nothing of the kind, relay it */
bool reg_tna_answer(struct reg_txn *t, const struct cscf_sip_msg *rsp);

#endif
