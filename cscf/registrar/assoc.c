/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Associations: created by a core's 200, moved to another connection when the same instance
 * registers there, ended by deregistration, expiry or replacement. Whatever the way, the end
 * passes through reg_assoc_end, so nothing can be left behind. What they have bound: binding.c.
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
		reg_binding_free(b);
	}
	reg_moved_forget(a);
	take_off(a, close_ms);
	reg_conn_release(c);
	DL_DELETE2(a->impi->assocs, a, impi_prev, impi_next);
	impi_release(r, a->impi);
	assoc_free(a);
	set_gauge(r);
}
