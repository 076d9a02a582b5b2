/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The REGISTER as the core gets it: stripped at the boundary, then with our Path and flow token,
 * Require: path, visited network, charging vector, integrity-protected. Contact, feature tags and
 * all the rest stay octet for octet (REG-08, REG-19). The stack adds our Via.
 * Spec: TS 24.371 §6.4.1, TS 24.229 5.2.2.1, 4.5; RFC 3327, RFC 5626 s5.1. Thread: the cscf loop.
 */
#include "common/fmt.h"
#include "cscf/registrar/reg_int.h"
#include "cscf/registrar/tna.h"

#include "common/rand.h"
#include "cscf/registrar/trust.h"
#include "cscf/sip/auth.h"

#include <stdio.h>

const char *reg_home(const struct cscf_registrar *r, struct gw_slice host)
{
	for (size_t i = 0; i < r->cfg->home_domains->n; i++)
		if (gw_slice_ieq_str(host, r->cfg->home_domains->item[i]))
			return r->cfg->home_domains->item[i];
	return NULL;
}

bool reg_is_home(const struct cscf_registrar *r, struct gw_slice host)
{
	return reg_home(r, host) != NULL;
}

static const char *first_home(const struct cscf_registrar *r)
{
	return r->cfg->home_domains->item[0];
}

static const char *or_home(const struct cscf_registrar *r, const char *text)
{
	return text != NULL && text[0] != '\0' ? text : first_home(r);
}

static enum gw_err set_integrity(struct cscf_sip_msg *m, const char *value)
{
	for (size_t i = 0; value != NULL && i < cscf_sip_msg_hdr_count(m); i++) {
		struct gw_slice name, text;
		struct cscf_sip_auth auth;
		enum gw_err err;
		char *changed;

		cscf_sip_msg_hdr_at(m, i, &name, &text);
		if (!gw_slice_ieq_str(name, "Authorization") ||
		    cscf_sip_auth_parse(&auth, text) != GW_OK ||
		    auth.scheme != CSCF_SIP_AUTH_DIGEST)
			continue;
		changed = cscf_sip_auth_with(text, "integrity-protected", value);
		if (changed == NULL)
			return GW_ERR_NOMEM;
		err = cscf_sip_msg_hdr_set_at(m, i, changed);
		free(changed);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

static enum gw_err add_path(struct cscf_sip_msg *m, const struct cscf_registrar *r, uint64_t conn,
			    bool ob)
{
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1], text[400];

	cscf_sip_flow_token_make(r->parts.tokens, conn, CSCF_SIP_DIR_TO_WIC, token);
	gw_fmt(text, sizeof(text), "<sip:%s@%s;lr%s>", token,
	       cscf_sip_stack_mw_hostport(r->parts.stack), ob ? ";ob" : "");
	return cscf_sip_msg_hdr_append(m, "Path", text);
}

/* One icid per REGISTER, never a term-ioi (REG-06). */
enum gw_err reg_mw_charge(struct cscf_sip_msg *m, const struct cscf_registrar *r)
{
	char icid[33], text[600];

	gw_rand_hex(icid, 16);
	gw_fmt(text, sizeof(text), "icid-value=\"%s\";icid-generated-at=%s;orig-ioi=\"%s%s\"", icid,
	       r->cfg->mw_name, r->cfg->ioi_prefix != NULL ? r->cfg->ioi_prefix : "",
	       or_home(r, r->cfg->orig_ioi));
	return cscf_sip_msg_hdr_append(m, "P-Charging-Vector", text);
}

enum gw_err reg_mw_add_ours(struct cscf_sip_msg *m, const struct cscf_registrar *r, uint64_t conn,
			    bool ob)
{
	char visited[300];
	enum gw_err err = add_path(m, r, conn, ob);

	if (err == GW_OK && !cscf_sip_msg_has_token(m, "Require", "path"))
		err = cscf_sip_msg_hdr_append(m, "Require", "path");
	gw_fmt(visited, sizeof(visited), "\"%s\"", or_home(r, r->cfg->visited_network_id));
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(m, "P-Visited-Network-ID", visited);
	return err == GW_OK ? reg_mw_charge(m, r) : err;
}

enum gw_err reg_mw_build(struct cscf_sip_msg **out, struct cscf_registrar *r,
			 const struct cscf_sip_msg *msg, const struct reg_request *q,
			 const struct cscf_sip_flow *flow, bool associated)
{
	const char *value = reg_integrity(q->scheme, flow->transport == CSCF_SIP_WSS, associated,
					  q->has_response, r->cfg->tls_protected_value);
	struct cscf_sip_msg *m = NULL;
	enum gw_err err = cscf_sip_msg_clone_forward(&m, msg);

	if (err != GW_OK)
		return err;
	err = cscf_trust_strip_from_wic(m);
	(void)cscf_sip_msg_hdr_del(m, "Route"); /* REG-09 */
	if (reg_tna_header(r->cfg) != NULL)     /* ours alone to say */
		(void)cscf_sip_msg_hdr_del(m, reg_tna_header(r->cfg));
	if (err == GW_OK)
		err = q->grant != NULL ? reg_tna_put(m, r, q) : set_integrity(m, value);
	if (err == GW_OK && q->cap_s > 0)
		err = reg_cap_expires(m, q->cap_s);
	if (err == GW_OK)
		err = reg_mw_add_ours(m, r, flow->conn, q->ob);
	if (err != GW_OK) {
		cscf_sip_msg_free(m);
		return err;
	}
	*out = m;
	return GW_OK;
}

void reg_mw_dest(const struct cscf_registrar *r, const struct cscf_sip_msg *fwd,
		 struct cscf_sip_dest *out, const char **uri_slot, char *uri_buf, size_t n)
{
	const struct gw_conf_list *points = r->cfg->entry_points;

	*out = (struct cscf_sip_dest){0};
	if (points != NULL && points->n > 0) {
		out->uris = (const char *const *)points->item;
		out->n_uris = points->n;
		return;
	}
	gw_fmt(uri_buf, n, "%.*s", GW_SLICE_FMT(cscf_sip_msg_uri(fwd)));
	*uri_slot = uri_buf;
	out->uris = uri_slot;
	out->n_uris = 1;
}
