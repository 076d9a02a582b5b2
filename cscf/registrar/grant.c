/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core's 200 to a REGISTER gave: expiry of our contact and of no other, implicit
 * identities with display names, Service-Route, term-ioi. Read before the boundary strips it.
 * Spec: TS 24.229 5.2.2.1, RFC 3608, RFC 7315; REG-23..28. Thread: the cscf loop.
 */
#include "cscf/registrar/reg_int.h"

#include <stdio.h>

/* The same flow of the same instance, whatever its URI (RFC 5626 s4.2). */
static bool is_our_flow(const struct cscf_sip_name_addr *na, const struct reg_request *q)
{
	char instance[128];
	struct gw_slice p;
	uint32_t id;

	if (q->reg_id == 0 || q->instance[0] == 0 ||
	    !cscf_sip_param_get(na->params, "+sip.instance", &p))
		return false;
	(void)cscf_sip_unquote(p, instance, sizeof(instance));
	return strcmp(instance, q->instance) == 0 && cscf_sip_param_get(na->params, "reg-id", &p) &&
	       cscf_sip_uint(p, UINT32_MAX, &id) && id == q->reg_id;
}

/* The expires parameter, else the header, else what was asked for. */
static uint32_t expires_of(const struct cscf_sip_msg *rsp, const struct cscf_sip_name_addr *na,
			   const struct reg_request *q)
{
	struct gw_slice p;
	uint32_t s;

	if (!cscf_sip_param_get(na->params, "expires", &p) && !cscf_sip_msg_hdr(rsp, "Expires", &p))
		return q->expires_s;
	return cscf_sip_uint(cscf_sip_trim(p), UINT32_MAX, &s) ? s : REG_EXPIRES_DEFAULT_S;
}

/* Contacts of other devices in the same 200 are none of our business (REG-23); of our own flow
 * an old one may still be listed beside ours, and a new one after the old is deregistered. */
static uint32_t granted(const struct cscf_sip_msg *rsp, const struct reg_request *q)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	uint32_t of_flow = 0;

	while (cscf_sip_msg_value_next(rsp, "Contact", &cursor, &value)) {
		struct cscf_sip_name_addr na;

		if (cscf_sip_name_addr_parse(&na, value) != GW_OK || na.star)
			continue;
		if (cscf_sip_uri_text_eq(na.uri, gw_slice_str(q->contact)))
			return expires_of(rsp, &na, q);
		if (of_flow == 0 && !q->dereg && is_our_flow(&na, q))
			of_flow = expires_of(rsp, &na, q);
	}
	return of_flow;
}

static void impu_fini(struct reg_impu *u)
{
	free(u->uri);
	free(u->display);
	free(u->pai);
	free(u->aor);
}

static bool impu_init(struct reg_impu *u, struct gw_slice display, struct gw_slice uri)
{
	size_t n = display.n + uri.n + 4;

	u->uri = gw_slice_dup(uri);
	u->display = gw_slice_dup(display);
	u->pai = malloc(n);
	if (u->pai != NULL)
		snprintf(u->pai, n, "%.*s%s<%.*s>", GW_SLICE_FMT(display), display.n > 0 ? " " : "",
			 GW_SLICE_FMT(uri));
	u->aor = cscf_sip_uri_aor(uri);
	if (u->aor == NULL)
		u->aor = strdup("");
	return u->uri != NULL && u->display != NULL && u->pai != NULL && u->aor != NULL;
}

static enum gw_err read_impus(struct reg_grant *out, const struct cscf_sip_msg *rsp,
			      const struct reg_request *q)
{
	struct cscf_sip_values_cursor cursor = {0};
	size_t n = cscf_sip_msg_value_count(rsp, "P-Associated-URI");
	struct gw_slice value;

	if (n > REG_MAX_IMPUS)
		n = REG_MAX_IMPUS;
	out->impus = calloc(n + 1, sizeof(*out->impus));
	if (out->impus == NULL)
		return GW_ERR_NOMEM;
	while (out->n_impus < n &&
	       cscf_sip_msg_value_next(rsp, "P-Associated-URI", &cursor, &value)) {
		struct cscf_sip_name_addr na;

		if (cscf_sip_name_addr_parse(&na, value) != GW_OK || na.star)
			continue;
		if (!impu_init(&out->impus[out->n_impus++], na.display, na.uri))
			return GW_ERR_NOMEM;
	}
	/* no P-Associated-URI: the registered IMPU alone (REG-25) */
	if (!cscf_sip_msg_hdr(rsp, "P-Associated-URI", NULL) &&
	    !impu_init(&out->impus[out->n_impus++], GW_SLICE_NONE, gw_slice_str(q->to_uri)))
		return GW_ERR_NOMEM;
	return GW_OK;
}

/* Where this user is charged (REG-27, ID-09). */
static enum gw_err read_cfa(struct reg_grant *out, const struct cscf_sip_msg *rsp)
{
	struct gw_slice value = GW_SLICE_NONE;

	(void)cscf_sip_msg_hdr(rsp, "P-Charging-Function-Addresses", &value);
	out->cfa = gw_slice_dup(value);
	return out->cfa != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err read_term_ioi(struct reg_grant *out, const struct cscf_sip_msg *rsp)
{
	char text[256] = "";
	struct gw_slice value, p;

	if (cscf_sip_msg_hdr(rsp, "P-Charging-Vector", &value) &&
	    cscf_sip_param_get(value, "term-ioi", &p))
		(void)cscf_sip_unquote(p, text, sizeof(text));
	out->term_ioi = strdup(text);
	return out->term_ioi != NULL ? GW_OK : GW_ERR_NOMEM;
}

enum gw_err reg_grant_read(struct reg_grant *out, const struct cscf_sip_msg *rsp,
			   const struct reg_request *q)
{
	enum gw_err err;

	memset(out, 0, sizeof(*out));
	out->expires_s = q->query || q->star ? 0 : granted(rsp, q);
	out->outbound = cscf_sip_msg_has_token(rsp, "Require", "outbound");
	err = read_impus(out, rsp, q);
	if (err == GW_OK)
		err = read_term_ioi(out, rsp);
	if (err == GW_OK)
		err = read_cfa(out, rsp);
	if (err == GW_OK)
		err = cscf_sip_msg_values_dup(rsp, "Service-Route", false, &out->service_route,
					      &out->n_service_route);
	if (err != GW_OK)
		reg_grant_fini(out);
	return err;
}

enum gw_err reg_grant_add_impu(struct reg_grant *g, struct gw_slice uri)
{
	struct reg_impu *v;

	if (g->n_impus >= REG_MAX_IMPUS)
		return GW_ERR_LIMIT;
	v = realloc(g->impus, (g->n_impus + 1) * sizeof(*v));
	if (v == NULL)
		return GW_ERR_NOMEM;
	g->impus = v;
	memset(&v[g->n_impus], 0, sizeof(*v));
	if (!impu_init(&v[g->n_impus], GW_SLICE_NONE, uri)) {
		impu_fini(&v[g->n_impus]);
		return GW_ERR_NOMEM;
	}
	g->n_impus++;
	return GW_OK;
}

void reg_grant_inherit(struct reg_grant *g, const struct reg_grant *before)
{
	for (size_t i = 0; i < g->n_impus; i++)
		for (size_t k = 0; k < before->n_impus; k++)
			if (before->impus[k].in_document &&
			    strcmp(before->impus[k].aor, g->impus[i].aor) == 0)
				g->impus[i].in_document = true;
}

void reg_grant_drop_impu(struct reg_grant *g, size_t i)
{
	impu_fini(&g->impus[i]);
	g->n_impus--;
	memmove(&g->impus[i], &g->impus[i + 1], (g->n_impus - i) * sizeof(g->impus[0]));
}

bool reg_grant_same(const struct reg_grant *a, const struct reg_grant *b)
{
	if (a->term_ioi == NULL || b->term_ioi == NULL || a->cfa == NULL || b->cfa == NULL)
		return false;
	if (a->outbound != b->outbound || a->n_impus != b->n_impus ||
	    a->n_service_route != b->n_service_route || strcmp(a->term_ioi, b->term_ioi) != 0 ||
	    strcmp(a->cfa, b->cfa) != 0)
		return false;
	for (size_t i = 0; i < a->n_impus; i++)
		if (strcmp(a->impus[i].uri, b->impus[i].uri) != 0 ||
		    strcmp(a->impus[i].display, b->impus[i].display) != 0)
			return false;
	for (size_t i = 0; i < a->n_service_route; i++)
		if (strcmp(a->service_route[i], b->service_route[i]) != 0)
			return false;
	return true;
}

void reg_grant_fini(struct reg_grant *g)
{
	for (size_t i = 0; i < g->n_impus; i++)
		impu_fini(&g->impus[i]);
	free(g->impus);
	cscf_sip_texts_free(g->service_route, g->n_service_route);
	free(g->term_ioi);
	free(g->cfa);
	memset(g, 0, sizeof(*g));
}
