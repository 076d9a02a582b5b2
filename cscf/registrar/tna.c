/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trusted Node Authentication: the REGISTER of a WIC whose token was good goes to the core with
 * an Authorization of our making, and nothing of the WIC's credentials.
 *
 *   Digest username="<IMPI>",realm="<home domain>",uri="<Request-URI>",nonce="",response="",
 *          integrity-protected="auth-done"[,authorization-entity="<WAF>"]
 *
 * The entity is named for a WAF of a third party only (TS 33.203 X.4.2.3).
 * Spec: TS 24.371 §6.4.2, TS 33.203 U.1; TOK-15..17, OP-6, OP-14. Thread: the cscf loop.
 */
#include "cscf/registrar/tna.h"

#include <stdio.h>

#define HEADER "header:"

const char *reg_tna_header(const struct cscf_registrar_config *cfg)
{
	const char *how = cfg->tna_entity_carriage;

	return how != NULL && strncmp(how, HEADER, strlen(HEADER)) == 0 ? how + strlen(HEADER)
									: NULL;
}

static bool as_param(const struct cscf_registrar_config *cfg)
{
	return cfg->tna_entity_carriage == NULL ||
	       strcmp(cfg->tna_entity_carriage, "authz-param") == 0;
}

enum gw_err reg_tna_check_config(const struct cscf_registrar_config *cfg, char *why, size_t n)
{
	const char *header = reg_tna_header(cfg);

	if (as_param(cfg) || strcmp(cfg->tna_entity_carriage, "none") == 0 ||
	    (header != NULL && cscf_sip_is_token(gw_slice_str(header))))
		return GW_OK;
	snprintf(why, n, "tna.entity_carriage: authz-param, none or header:<name>");
	return GW_ERR_INVAL;
}

bool reg_is_quotable(struct gw_slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			return false;
	}
	return text.n > 0;
}

enum gw_err reg_tna_put(struct cscf_sip_msg *m, const struct cscf_registrar *r,
			const struct reg_request *q)
{
	const char *header = reg_tna_header(r->cfg), *entity = q->grant->entity;
	bool param = entity != NULL && as_param(r->cfg);
	struct gw_slice uri = cscf_sip_msg_uri(m);
	enum gw_err err;
	char *text;

	(void)cscf_sip_msg_hdr_del(m, "Authorization");
	(void)cscf_sip_msg_hdr_del(m, "Proxy-Authorization");
	if (!reg_is_quotable(uri) || !reg_is_quotable(gw_slice_str(q->impi)) ||
	    (entity != NULL && !reg_is_quotable(gw_slice_str(entity))))
		return GW_ERR_INVAL;
	if (asprintf(&text,
		     "Digest username=\"%s\",realm=\"%s\",uri=\"%.*s\",nonce=\"\",response=\"\","
		     "integrity-protected=\"%s\"%s%s%s",
		     q->impi, q->domain, GW_SLICE_FMT(uri),
		     reg_integrity(REG_SCHEME_BEARER, true, false, false, NULL),
		     param ? ",authorization-entity=\"" : "", param ? entity : "",
		     param ? "\"" : "") < 0)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_append(m, "Authorization", text);
	free(text);
	if (err == GW_OK && header != NULL && entity != NULL)
		err = cscf_sip_msg_hdr_append(m, header, entity);
	return err;
}
