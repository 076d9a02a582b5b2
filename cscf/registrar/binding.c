/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings of an association: added and refreshed by a core's 200, removed by deregistration or
 * when they run out; with the last one the association ends.
 * Spec: RFC 3261 s10.2.4, RFC 5626 s4.2; REG-21..28, REG-43..47, DEREG-02..06. Thread: cscf loop.
 */
#include "cscf/registrar/contact.h"
#include "cscf/registrar/pool.h"

#include "common/log.h"
#include "cscf/sip/mask.h"

#include <event2/event.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

struct reg_binding *reg_binding_find(const struct reg_assoc *a, const char *to_aor)
{
	struct reg_binding *b;

	DL_FOREACH (a->bindings, b)
		if (strcmp(b->to_aor, to_aor) == 0)
			return b;
	return NULL;
}

void reg_binding_lost_to_another(struct reg_binding *b, const char *by)
{
	if (b->elsewhere)
		return;
	b->elsewhere = true;
	reg_metric_inc(REG_M_ELSEWHERE);
	GW_LOG(GW_LOG_INFO, "reg.elsewhere", "impi=\"%s\" to=\"%s\" conn=%llu by=%s",
	       cscf_sip_mask(b->assoc->impi->impi), cscf_sip_mask(b->to_aor),
	       (unsigned long long)b->assoc->conn->id, by);
}

/* The union of the bindings' identities, default first; strings stay with the bindings. */
void reg_assoc_rebuild_impus(struct reg_assoc *a)
{
	struct cscf_registrar_impu *v;
	struct reg_binding *b;
	size_t n = 0;

	free(a->impus);
	a->impus = NULL;
	a->n_impus = 0;
	DL_FOREACH (a->bindings, b)
		n += b->grant.n_impus;
	v = calloc(n + 1, sizeof(*v));
	if (v == NULL)
		return; /* nobody can be asserted until the next refresh: safe */
	DL_FOREACH (a->bindings, b) {
		for (size_t i = 0; i < b->grant.n_impus; i++) {
			const struct reg_impu *u = &b->grant.impus[i];
			bool known = false;

			for (size_t k = 0; k < a->n_impus && !known; k++)
				known = strcmp(v[k].uri, u->uri) == 0;
			if (!known)
				v[a->n_impus++] = (struct cscf_registrar_impu){u->uri, u->display};
		}
	}
	a->impus = v;
}

void reg_binding_free(struct reg_binding *b)
{
	if (b == NULL)
		return;
	reg_pool_unbound(b->assoc->r, b);
	if (b->expiry != NULL)
		event_free(b->expiry);
	reg_contact_forget(b);
	reg_grant_fini(&b->grant);
	free(b->to_aor);
	free(b->to_uri);
	free(b->contact);
	free(b);
}

void reg_assoc_drop_binding(struct reg_assoc *a, struct reg_binding *b)
{
	DL_DELETE(a->bindings, b);
	reg_binding_free(b);
	reg_assoc_rebuild_impus(a);
}

/* At expiry + grace: nothing keeps the record, the connection stays (REG-47). */
static void on_expiry(evutil_socket_t fd, short what, void *arg)
{
	struct reg_binding *b = arg;
	struct reg_assoc *a = b->assoc;

	(void)fd;
	(void)what;
	reg_metric_inc(REG_M_EXPIRED);
	GW_LOG(GW_LOG_INFO, "reg.expired", "impi=\"%s\" to=\"%s\" conn=%llu",
	       cscf_sip_mask(a->impi->impi), cscf_sip_mask(b->to_aor),
	       (unsigned long long)a->conn->id);
	reg_assoc_drop_binding(a, b);
	if (a->bindings == NULL)
		reg_assoc_end(a, "expired", -1);
}

enum gw_err reg_binding_arm(struct reg_binding *b, uint32_t expires_s)
{
	int64_t ms = (int64_t)expires_s * 1000;
	struct timeval tv;

	b->expires_at_ms = reg_now_ms() + ms;
	ms += b->assoc->r->cfg->expiry_grace;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (suseconds_t)(ms % 1000) * 1000;
	if (b->expiry == NULL)
		b->expiry = evtimer_new(b->assoc->r->parts.base, on_expiry, b);
	return b->expiry != NULL && evtimer_add(b->expiry, &tv) == 0 ? GW_OK : GW_ERR_NOMEM;
}

/* By instance and reg-id the core itself put the new contact in the place of the old one. */
static bool is_same_flow(const struct reg_assoc *a, const struct reg_binding *b,
			 const struct reg_request *q, const struct reg_grant *g)
{
	return b->grant.outbound && g->outbound && q->reg_id > 0 && q->reg_id == a->reg_id &&
	       q->instance[0] != '\0' && strcmp(q->instance, a->instance) == 0;
}

/* The last REGISTER that the core took for it was this one. */
static void bound_by(struct reg_binding *b, const struct reg_request *q)
{
	b->elsewhere = false;
	memcpy(b->call_id, q->call_id, sizeof(b->call_id));
	b->cseq = q->cseq;
}

enum gw_err reg_assoc_bind(struct reg_assoc *a, const struct reg_request *q, struct reg_grant *g)
{
	struct reg_binding *b = reg_binding_find(a, q->to_aor);
	uint32_t expires_s = g->expires_s;
	char *contact;
	unsigned n = 0;

	/* a refresh seldom changes anything: then what is there stays where it is */
	if (b != NULL && a->outbound == g->outbound && a->impus != NULL &&
	    strcmp(b->contact, q->contact) == 0 && reg_grant_same(&b->grant, g)) {
		reg_grant_fini(g);
		b->grant.expires_s = expires_s;
		bound_by(b, q);
		return reg_binding_arm(b, expires_s);
	}
	contact = strdup(q->contact);
	if (contact == NULL)
		return GW_ERR_NOMEM;
	if (b == NULL) {
		struct reg_binding *each;

		DL_FOREACH (a->bindings, each)
			n++;
		b = n < REG_MAX_BINDINGS ? calloc(1, sizeof(*b)) : NULL;
		if (b == NULL) {
			free(contact);
			return n < REG_MAX_BINDINGS ? GW_ERR_NOMEM : GW_ERR_LIMIT;
		}
		b->assoc = a;
		b->to_aor = strdup(q->to_aor);
		b->to_uri = strdup(q->to_uri);
		if (b->to_aor == NULL || b->to_uri == NULL) {
			free(contact);
			reg_binding_free(b);
			return GW_ERR_NOMEM;
		}
		DL_APPEND(a->bindings, b);
	}
	if (b->contact != NULL && strcmp(b->contact, contact) == 0)
		reg_grant_inherit(g, &b->grant);
	else if (b->contact != NULL && !is_same_flow(a, b, q, g))
		reg_pool_contact_replaced(a->r, b);
	free(b->contact);
	b->contact = contact;
	reg_contact_add(b);
	reg_grant_fini(&b->grant);
	b->grant = *g;
	*g = (struct reg_grant){0};
	bound_by(b, q);
	a->outbound = b->grant.outbound;
	reg_assoc_rebuild_impus(a);
	return reg_binding_arm(b, b->grant.expires_s);
}

/* Does the request speak of this association's contact, not of a stale one of the same user? */
static bool is_about(const struct reg_assoc *a, const struct reg_binding *b,
		     const struct reg_request *q)
{
	return q->star || reg_same_contact(q, b->contact) ||
	       (q->reg_id > 0 && q->reg_id == a->reg_id && q->instance[0] != '\0' &&
		strcmp(q->instance, a->instance) == 0);
}

void reg_assoc_unbind(struct reg_assoc *a, const struct reg_request *q)
{
	struct reg_binding *b = reg_binding_find(a, q->to_aor);

	if (b != NULL && is_about(a, b, q))
		reg_assoc_drop_binding(a, b);
	if (a->bindings == NULL)
		reg_assoc_end(a, "deregistered", a->r->cfg->dereg_close_delay);
}
