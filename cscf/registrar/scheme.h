/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy of credentials (scheme.c), for check.c, token.c and registrar.c. Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_SCHEME_H
#define CSCF_REGISTRAR_SCHEME_H

#include "cscf/registrar/reg_int.h"

/* What a Digest credential of the WIC says it is. */
enum reg_offered {
	REG_OFFERED_NONE,
	REG_OFFERED_DIGEST,
	REG_OFFERED_AKA_V1,
	REG_OFFERED_AKA_V2 /* algorithm=AKAv2-SHA-256 */
};

/**
 * auth.schemes as one mask per home domain: plain words are for every domain, "domain=aka+bearer"
 * stands alone for that one; nothing said = everything allowed.
 * @param masks  room for homes->n
 * @return GW_OK; GW_ERR_INVAL with one line in why
 */
enum gw_err reg_schemes_parse(const struct gw_conf_list *list, const struct gw_conf_list *homes,
			      unsigned *masks, char *why, size_t n) GW_MUST_CHECK;

/**
 * Decide by which of the offered credentials this REGISTER goes on. q: identities are read.
 * @return false with *why set: 403, or 401 Bearer when a token is what is missing
 */
bool reg_scheme_choose(struct cscf_registrar *r, const struct cscf_sip_flow *flow,
		       const struct reg_request *q, enum reg_offered digest, bool bearer,
		       enum reg_scheme *out, struct reg_refusal *why);

/** *why becomes a 401 with our Bearer challenge. @return false, for the caller to return */
bool reg_bearer_challenge(struct cscf_registrar *r, const char *error, const char *word,
			  struct reg_refusal *why);

#endif
