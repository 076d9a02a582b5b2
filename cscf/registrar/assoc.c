/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Associations and their bindings: created by a core's 200, moved to another connection when the
 * same instance registers there, ended by deregistration, expiry or replacement. Whatever the
 * way, the end passes through reg_assoc_end, so nothing can be left behind.
 * Spec: TS 24.371 §6.4.1, RFC 5626 s4.2; REG-21..28, REG-41..47, DEREG-02..06.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/lost_dereg.h"
#include "cscf/registrar/moved.h"
#include "cscf/registrar/pool.h"

#include "cscf/sip/mask.h"

#include "common/log.h"

#include <event2/event.h>
#include <time.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

int64_t reg_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- IMPI index --------------------------------------------------------------------------- */

struct reg_impi *reg_impi_find(const struct cscf_registrar *r, const char *text)
{
	struct reg_impi *i = NULL;

	HASH_FIND_STR(r->impis, text, i);
	return i;
}

static struct reg_impi *impi_get(struct cscf_registrar *r, const char *text)
{
	struct reg_impi *i = reg_impi_find(r, text);

	if (i != NULL)
		return i;
	i = calloc(1, sizeof(*i));
	if (i == NULL)
		return NULL;
	i->impi = strdup(text);
	if (i->impi == NULL) {
		free(i);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, r->impis, i->impi, strlen(i->impi), i);
	return i;
}

static void impi_release(struct cscf_registrar *r, struct reg_impi *i)
{
	if (i->assocs != NULL)
		return;
	HASH_DELETE(hh, r->impis, i);
	reg_user_gone(r, i->impi);
	free(i->impi);
	free(i);
}

/* ---- lookups ------------------------------------------------------------------------------ */

struct reg_assoc *reg_assoc_on(const struct reg_conn *c, const char *impi)
{
	struct reg_assoc *a;

	DL_FOREACH (c->assocs, a)
		if (strcmp(a->impi->impi, impi) == 0)
			return a;
	return NULL;
}

bool reg_assoc_is_live(const struct reg_assoc *a)
{
	return a->fsm.state == ASSOC_S_LIVE;
}

size_t reg_assoc_count_live(const struct cscf_registrar *r, const char *impi)
{
	struct reg_impi *i = reg_impi_find(r, impi);
	struct reg_assoc *a;
	size_t n = 0;

	if (i == NULL)
		return 0;
	DL_FOREACH2(i->assocs, a, impi_next)
	n += reg_assoc_is_live(a);
	return n;
}

struct reg_binding *reg_binding_find(const struct reg_assoc *a, const char *to_aor)
{
	struct reg_binding *b;

	DL_FOREACH (a->bindings, b)
		if (strcmp(b->to_aor, to_aor) == 0)
			return b;
	return NULL;
}

/* Same instance and reg-id: the flow of that device (RFC 5626 s4.2); without outbound only the
 * very same contact. */
static bool replaces(const struct reg_request *q, const struct reg_assoc *a)
{
	const struct reg_binding *b;

	if (q->instance[0] != '\0' && strcmp(q->instance, a->instance) == 0 &&
	    q->reg_id == a->reg_id && (q->reg_id > 0 || !reg_assoc_is_live(a)))
		return true;
	DL_FOREACH (a->bindings, b)
		if (strcmp(b->to_aor, q->to_aor) == 0 && reg_same_contact(q, b->contact))
			return true;
	return false;
}

struct reg_assoc *reg_assoc_replaced(const struct cscf_registrar *r, const struct reg_request *q,
				     uint64_t conn)
{
	struct reg_impi *i = reg_impi_find(r, q->impi);
	struct reg_assoc *a;

	if (i == NULL)
		return NULL;
	DL_FOREACH2(i->assocs, a, impi_next)
	if (a->conn->id != conn && replaces(q, a))
		return a;
	return NULL;
}

/* ---- bindings ----------------------------------------------------------------------------- */

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

static void binding_free(struct reg_binding *b)
{
	if (b == NULL)
		return;
	reg_pool_unbound(b->assoc->r, b);
	if (b->expiry != NULL)
		event_free(b->expiry);
	reg_grant_fini(&b->grant);
	free(b->to_aor);
	free(b->to_uri);
	free(b->contact);
	free(b);
}

void reg_assoc_drop_binding(struct reg_assoc *a, struct reg_binding *b)
{
	DL_DELETE(a->bindings, b);
	binding_free(b);
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
			binding_free(b);
			return GW_ERR_NOMEM;
		}
		DL_APPEND(a->bindings, b);
	}
	if (b->contact != NULL && strcmp(b->contact, contact) == 0)
		reg_grant_inherit(g, &b->grant);
	free(b->contact);
	b->contact = contact;
	reg_grant_fini(&b->grant);
	b->grant = *g;
	*g = (struct reg_grant){0};
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

/* ---- life ----------------------------------------------------------------------------------- */

static void set_gauge(const struct cscf_registrar *r)
{
	reg_metric_set(REG_M_ASSOCS, (int64_t)gw_handle_count(r->handles));
}

static void put_on(struct reg_assoc *a, struct reg_conn *c)
{
	a->conn = c;
	DL_APPEND(c->assocs, a);
	reg_conn_cancel_close(c);
	if (c->alive)
		cscf_sip_conn_set_authenticated(a->r->parts.stack, c->id, true);
}

static void take_off(struct reg_assoc *a, int64_t close_ms)
{
	struct reg_conn *c = a->conn;

	DL_DELETE(c->assocs, a);
	if (c->assocs == NULL && c->alive) {
		cscf_sip_conn_set_authenticated(a->r->parts.stack, c->id, false);
		if (close_ms >= 0)
			reg_conn_close_after(c, close_ms);
	}
}

static void assoc_free(struct reg_assoc *a)
{
	gw_handle_del(a->r->handles, a->handle);
	gw_fsm_fini(&a->fsm);
	free(a->instance);
	free(a->impus);
	cscf_authz_grant_unref(a->grant);
	reg_lost_disarm(a);
	free(a);
}

enum gw_err reg_assoc_new(struct reg_assoc **out, struct cscf_registrar *r, struct reg_conn *c,
			  const struct reg_request *q)
{
	struct reg_assoc *a = calloc(1, sizeof(*a));
	enum gw_err err = GW_ERR_NOMEM;

	if (a == NULL)
		return err;
	a->r = r;
	a->reg_id = q->reg_id;
	a->instance = strdup(q->instance);
	a->impi = impi_get(r, q->impi);
	if (a->instance == NULL || a->impi == NULL)
		goto fail;
	err = gw_handle_add(r->handles, a, &a->handle);
	if (err == GW_OK)
		err = gw_fsm_init(&a->fsm, &reg_assoc_fsm, ASSOC_S_LIVE, a, r->parts.base);
	if (err != GW_OK)
		goto fail;
	DL_APPEND2(a->impi->assocs, a, impi_prev, impi_next);
	put_on(a, c);
	set_gauge(r);
	*out = a;
	return GW_OK;
fail:
	if (a->impi != NULL)
		impi_release(r, a->impi);
	assoc_free(a);
	return err;
}

void reg_assoc_evict_lost(struct cscf_registrar *r, const char *impi)
{
	const struct reg_impi *i = reg_impi_find(r, impi);
	struct reg_assoc *a, *oldest = NULL;
	struct reg_binding *b;
	int64_t n = 0;

	if (i == NULL)
		return;
	DL_FOREACH2(i->assocs, a, impi_next)
	{
		if (reg_assoc_is_live(a))
			continue;
		if (oldest == NULL)
			oldest = a;
		n++;
	}
	if (n < r->cfg->max_per_impi || oldest == NULL)
		return;
	DL_FOREACH (oldest->bindings, b)
		b->evicted = true;
	reg_assoc_end(oldest, "evicted", -1);
}

void reg_assoc_clear_route(struct reg_assoc *a)
{
	struct reg_binding *b;

	DL_FOREACH (a->bindings, b) {
		cscf_sip_texts_free(b->grant.service_route, b->grant.n_service_route);
		b->grant.service_route = NULL;
		b->grant.n_service_route = 0;
	}
}

void reg_assoc_move(struct reg_assoc *a, struct reg_conn *to)
{
	struct reg_conn *from = a->conn;
	uint64_t old = from->id;
	enum gw_err err;

	take_off(a, a->r->cfg->replace_delay);
	put_on(a, to);
	reg_metric_inc(REG_M_REPLACED);
	GW_LOG(GW_LOG_INFO, "reg.moved", "impi=\"%s\" from_conn=%llu conn=%llu",
	       cscf_sip_mask(a->impi->impi), (unsigned long long)old, (unsigned long long)to->id);
	reg_moved_add(a, old);
	reg_conn_release(from);
	err = gw_fsm_dispatch(&a->fsm, ASSOC_E_MOVED, &old);
	(void)err; /* every living state takes it */
}

void reg_assoc_end(struct reg_assoc *a, const char *why, int64_t close_ms)
{
	struct cscf_registrar *r = a->r;
	struct reg_conn *c = a->conn;
	struct reg_binding *b, *next;
	enum gw_err err = gw_fsm_dispatch(&a->fsm, ASSOC_E_END, NULL);

	(void)err; /* every living state takes it */
	GW_LOG(GW_LOG_INFO, "reg.ended", "impi=\"%s\" conn=%llu why=%s",
	       cscf_sip_mask(a->impi->impi), (unsigned long long)c->id, why);
	DL_FOREACH_SAFE (a->bindings, b, next) {
		DL_DELETE(a->bindings, b);
		binding_free(b);
	}
	reg_moved_forget(a);
	take_off(a, close_ms);
	reg_conn_release(c);
	DL_DELETE2(a->impi->assocs, a, impi_prev, impi_next);
	impi_release(r, a->impi);
	assoc_free(a);
	set_gauge(r);
}
