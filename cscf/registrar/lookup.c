/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of the session layer: who is behind this connection, which connection is behind this
 * Path token. Identity comes from the association alone: From, Contact, Via and address of a
 * request prove nothing (ID-02).
 * Spec: RFC 3325, RFC 5626 s5.3; ID-01..05, ID-13, DEREG-42, REG-26, REG-81. Thread: cscf loop.
 */
#include "cscf/registrar/contact.h"
#include "cscf/registrar/moved.h"
#include "cscf/registrar/reg_int.h"

#include <stdio.h>
#include <utlist.h>

static bool is_tel(const struct reg_impu *u)
{
	return strncasecmp(u->uri, "tel:", 4) == 0;
}

/* Two P-Preferred-Identity values only as one SIP and one tel (ID-05); then the first counts. */
static const struct reg_impu *preferred_impu(const struct reg_assoc *a,
					     const struct gw_slice *preferred, size_t n,
					     const struct reg_binding **where,
					     const struct reg_impu **alias)
{
	const struct reg_impu *found = NULL, *second;
	const struct reg_binding *b;
	struct cscf_sip_name_addr na;

	*alias = NULL;
	if (n == 0 || n > 2 || cscf_sip_name_addr_parse(&na, preferred[0]) != GW_OK)
		return NULL;
	found = reg_impu_find(a, na.uri, where);
	if (found == NULL || n == 1)
		return found;
	if (cscf_sip_name_addr_parse(&na, preferred[1]) != GW_OK)
		return NULL;
	second = reg_impu_find(a, na.uri, &b);
	if (second == NULL || is_tel(second) == is_tel(found))
		return NULL;
	if (!reg_impu_is_wildcard(second))
		*alias = second;
	return found;
}

static const struct reg_impu *default_impu(const struct reg_assoc *a,
					   const struct reg_binding **where)
{
	const struct reg_binding *b;

	DL_FOREACH (a->bindings, b) {
		for (size_t i = 0; i < b->grant.n_impus; i++) {
			if (reg_impu_is_wildcard(&b->grant.impus[i]))
				continue;
			*where = b;
			return &b->grant.impus[i];
		}
	}
	return NULL;
}

/* The alias of the other scheme from the same implicit set (ID-04). */
static const struct reg_impu *alias_of(const struct reg_binding *b, const struct reg_impu *u)
{
	for (size_t i = 0; i < b->grant.n_impus; i++)
		if (is_tel(&b->grant.impus[i]) != is_tel(u) &&
		    !reg_impu_is_wildcard(&b->grant.impus[i]))
			return &b->grant.impus[i];
	return NULL;
}

/* A wildcard is no identity: what is asserted is the one that it allowed, without parameters. */
static const char *asserted(struct cscf_registrar *r, const struct reg_impu *u,
			    const struct gw_slice *preferred)
{
	struct cscf_sip_name_addr na;
	char *aor;

	if (!reg_impu_is_wildcard(u) || preferred == NULL)
		return u->pai;
	r->pai[0] = 0;
	aor =
	    cscf_sip_name_addr_parse(&na, preferred[0]) == GW_OK ? cscf_sip_uri_aor(na.uri) : NULL;
	if (aor != NULL && strlen(aor) + 3 <= sizeof(r->pai))
		snprintf(r->pai, sizeof(r->pai), "<%s>", aor);
	free(aor);
	return r->pai[0] != 0 ? r->pai : NULL;
}

static void fill(struct cscf_registrar *r, const struct reg_assoc *a,
		 const struct gw_slice *preferred, size_t n, struct cscf_registrar_identity *out)
{
	const struct reg_binding *b = a->bindings;
	const struct reg_impu *alias, *u = preferred_impu(a, preferred, n, &b, &alias);

	if (u == NULL)
		u = default_impu(a, &b);
	*out = (struct cscf_registrar_identity){
	    .assoc = a->handle,
	    .conn = reg_assoc_is_live(a) ? a->conn->id : 0,
	    .impi = a->impi->impi,
	    .impus = a->impus,
	    .n_impus = a->n_impus,
	    .term_ioi = b != NULL ? b->grant.term_ioi : "",
	    .cfa = b != NULL ? b->grant.cfa : "",
	    .path_uri = r->path_uri,
	    .grant = a->grant,
	    .token_over = reg_token_is_over(a),
	};
	if (b != NULL) {
		out->service_route = b->grant.service_route;
		out->n_service_route = b->grant.n_service_route;
	}
	if (u == NULL)
		return;
	out->pai[0] = asserted(r, u, preferred);
	if (out->pai[0] == NULL)
		return;
	out->n_pai = 1;
	if (alias == NULL)
		alias = alias_of(b, u);
	if (alias != NULL)
		out->pai[out->n_pai++] = alias->pai;
}

bool cscf_registrar_identify(struct cscf_registrar *r, uint64_t conn,
			     const struct gw_slice *preferred, size_t n,
			     struct cscf_registrar_identity *out)
{
	const struct reg_conn *c = reg_conn_find(r, conn);
	const struct reg_assoc *a, *first;
	const struct reg_impu *alias;
	const struct reg_binding *b;

	if (c == NULL || !c->alive || c->assocs == NULL)
		return false;
	first = c->assocs;
	/* several IMPIs on one connection: the one that has the preferred identity */
	DL_FOREACH (c->assocs, a) {
		if (preferred_impu(a, preferred, n, &b, &alias) == NULL)
			continue;
		first = a;
		break;
	}
	fill(r, first, preferred, n, out);
	return true;
}

bool cscf_registrar_identify_assoc(struct cscf_registrar *r, gw_handle assoc,
				   struct cscf_registrar_identity *out)
{
	const struct reg_assoc *a = gw_handle_find(r->handles, assoc);

	if (a == NULL)
		return false;
	fill(r, a, NULL, 0, out);
	return true;
}

bool cscf_registrar_has_impu(struct cscf_registrar *r, gw_handle assoc, struct gw_slice uri)
{
	const struct reg_assoc *a = gw_handle_find(r->handles, assoc);
	const struct reg_binding *b;

	return a != NULL && reg_impu_find(a, uri, &b) != NULL;
}

void cscf_registrar_clear_route(struct cscf_registrar *r, gw_handle assoc)
{
	struct reg_assoc *a = gw_handle_find(r->handles, assoc);

	if (a != NULL)
		reg_assoc_clear_route(a);
}

int cscf_registrar_reach_status(enum cscf_registrar_reach reach)
{
	switch (reach) {
	case CSCF_REGISTRAR_LIVE:
		return 0;
	case CSCF_REGISTRAR_LOST_OUTBOUND:
		return 430;
	case CSCF_REGISTRAR_LOST:
		return 480;
	case CSCF_REGISTRAR_UNKNOWN:
		return 404;
	case CSCF_REGISTRAR_FORGED:
		return 403;
	}
	return 500;
}

static bool has_contact(const struct reg_assoc *a, struct gw_slice uri)
{
	const struct reg_binding *b;

	DL_FOREACH (a->bindings, b)
		if (cscf_sip_uri_text_eq(uri, gw_slice_str(b->contact)))
			return true;
	return false;
}

static enum cscf_registrar_reach answer(const struct reg_assoc *a,
					struct cscf_registrar_target *out)
{
	out->assoc = a->handle;
	if (reg_assoc_is_live(a)) {
		out->conn = a->conn->id;
		return CSCF_REGISTRAR_LIVE;
	}
	return a->outbound ? CSCF_REGISTRAR_LOST_OUTBOUND : CSCF_REGISTRAR_LOST;
}

/* Without a token: RFC 3261 routing to the bound contact (REG-28). */
static enum cscf_registrar_reach by_contact(struct cscf_registrar *r, struct gw_slice uri,
					    struct cscf_registrar_target *out)
{
	const struct reg_binding *b = reg_contact_find(r, uri);
	const struct reg_assoc *lost = NULL;

	for (; b != NULL; b = b->same_next) {
		if (!cscf_sip_uri_text_eq(uri, gw_slice_str(b->contact)))
			continue;
		if (reg_assoc_is_live(b->assoc))
			return answer(b->assoc, out);
		lost = b->assoc;
	}
	return lost != NULL ? answer(lost, out) : CSCF_REGISTRAR_UNKNOWN;
}

enum cscf_registrar_reach cscf_registrar_reach(struct cscf_registrar *r, struct gw_slice token,
					       struct gw_slice request_uri,
					       struct cscf_registrar_target *out)
{
	enum cscf_sip_direction dir;
	const struct reg_conn *c;
	const struct reg_assoc *a;
	uint64_t conn;
	enum gw_err err;

	*out = (struct cscf_registrar_target){GW_HANDLE_NONE, 0};
	if (token.n == 0)
		return by_contact(r, request_uri, out);
	err = cscf_sip_flow_token_verify(r->parts.tokens, token, &conn, &dir);
	if (err == GW_ERR_AUTH || (err == GW_OK && dir != CSCF_SIP_DIR_TO_WIC))
		return CSCF_REGISTRAR_FORGED;
	if (err != GW_OK) /* of another boot, or no token of ours (REG-81) */
		return CSCF_REGISTRAR_UNKNOWN;
	c = reg_conn_find(r, conn);
	if (c != NULL)
		DL_FOREACH (c->assocs, a)
			if (request_uri.n == 0 || has_contact(a, request_uri))
				return answer(a, out);
	/* a dialog goes on where its association is now, a Path ends with its flow (DEREG-43) */
	a = request_uri.n == 0 ? reg_moved_find(r, conn) : NULL;
	return a != NULL ? answer(a, out) : CSCF_REGISTRAR_UNKNOWN;
}

/* The first contact's +sip.instance, "" when there is none. */
static void instance_of(const struct cscf_sip_msg *msg, char *out, size_t n)
{
	struct cscf_sip_name_addr na;
	struct gw_slice value;

	out[0] = '\0';
	if (cscf_sip_msg_value_top(msg, "Contact", &value) &&
	    cscf_sip_name_addr_parse(&na, value) == GW_OK && !na.star &&
	    cscf_sip_param_get(na.params, "+sip.instance", &value))
		(void)cscf_sip_unquote(value, out, n);
}

bool cscf_registrar_comes_back(const struct cscf_registrar *r, const struct cscf_sip_msg *msg)
{
	char instance[128];
	struct reg_assoc *a;
	uint32_t cursor = 0;

	if (r->cbs == NULL || r->cbs->has_dialogs == NULL)
		return false;
	instance_of(msg, instance, sizeof(instance));
	while (instance[0] != '\0' && (a = gw_handle_next(r->handles, &cursor)) != NULL)
		if (!reg_assoc_is_live(a) && strcmp(a->instance, instance) == 0 &&
		    r->cbs->has_dialogs(r->cbs_arg, a->handle))
			return true;
	return false;
}
