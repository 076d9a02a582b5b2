/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network decides about registrations by itself (network.h). Every end goes through
 * reg_assoc_end: new requests are refused at once, calls are released by the ENDED event, and the
 * connection stays for dereg.close_delay, so that the WIC's own NOTIFY reaches it before.
 * Spec: TS 24.229 5.2.5.2, RFC 3680 s5; REG-49, 66, 67, DEREG-20..23. Thread: the cscf loop.
 */
#include "cscf/registrar/network.h"

#include "cscf/sip/mask.h"

#include "common/log.h"
#include "cscf/registrar/reg_int.h"

#include <utlist.h>

#define GW_LOG_MOD "registrar"

/* Facts with canonical identities, for one document. */
struct facts {
	const struct cscf_registrar_fact *v;
	char **aor; /* owned texts; NULL where there is no identity in it */
	size_t n;
	bool full;
};

enum verdict { SILENT, ACTIVE, ENDED };

/* ---- what a document says about one identity of one binding ---------------------------------- */

static bool is_about(const struct facts *f, size_t i, const char *aor, const char *contact)
{
	return f->aor[i] != NULL && strcmp(f->aor[i], aor) == 0 &&
	       (f->v[i].contact == NULL ||
		cscf_sip_uri_text_eq(gw_slice_str(f->v[i].contact), gw_slice_str(contact)));
}

/* A contact's own state counts before that of the whole registration. */
static enum verdict verdict_of(const struct facts *f, const char *aor, const char *contact,
			       const struct cscf_registrar_fact **which)
{
	enum verdict v = SILENT;

	for (size_t i = 0; i < f->n; i++) {
		if (!is_about(f, i, aor, contact))
			continue;
		if (f->v[i].kind != CSCF_REGISTRAR_FACT_ENDED) {
			*which = &f->v[i];
			return ACTIVE;
		}
		if (v == SILENT || f->v[i].contact != NULL)
			*which = &f->v[i];
		v = ENDED;
	}
	return v;
}

static enum verdict judge(const struct facts *f, const struct reg_binding *b,
			  const struct reg_impu *u, const struct cscf_registrar_fact **which)
{
	static const struct cscf_registrar_fact absent = {.kind = CSCF_REGISTRAR_FACT_ENDED,
							  .why = "absent"};
	enum verdict v;

	/* a wildcard stands in the document of an identity that it allows, not as itself */
	if (u->aor[0] == '\0' || reg_impu_is_wildcard(u))
		return SILENT;
	v = verdict_of(f, u->aor, b->contact, which);
	if (v == SILENT && f->full && u->in_document) {
		*which = &absent;
		return ENDED;
	}
	return v;
}

/* ---- one binding ----------------------------------------------------------------------------- */

struct outcome {
	bool ends, reopen;
	const char *why;
	unsigned n_active, n_ended;
};

static struct outcome outcome_of(const struct facts *f, struct reg_binding *b)
{
	const struct cscf_registrar_fact *which = NULL;
	bool to_ended = verdict_of(f, b->to_aor, b->contact, &which) == ENDED;
	struct outcome o = {.reopen = to_ended && which->reopen,
			    .why = to_ended ? which->why : NULL};
	unsigned n_silent = 0;

	for (size_t i = 0; i < b->grant.n_impus; i++) {
		which = NULL;
		switch (judge(f, b, &b->grant.impus[i], &which)) {
		case SILENT:
			n_silent++;
			break;
		case ACTIVE:
			o.n_active++;
			b->grant.impus[i].in_document = true;
			break;
		case ENDED:
			o.n_ended++;
			o.reopen = o.reopen || which->reopen;
			if (o.why == NULL || strcmp(o.why, "absent") == 0)
				o.why = which->why;
			to_ended = to_ended || strcmp(b->grant.impus[i].aor, b->to_aor) == 0;
			break;
		}
	}
	if (o.n_active == 0)
		o.ends = to_ended || (o.n_ended > 0 && n_silent == 0);
	return o;
}

static unsigned remove_ended(const struct facts *f, struct reg_binding *b)
{
	unsigned n = 0;

	for (size_t i = b->grant.n_impus; i-- > 0;) {
		const struct cscf_registrar_fact *which;

		if (judge(f, b, &b->grant.impus[i], &which) != ENDED)
			continue;
		reg_grant_drop_impu(&b->grant, i);
		n++;
	}
	return n;
}

static bool shorten(const struct facts *f, struct reg_binding *b)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].kind != CSCF_REGISTRAR_FACT_SHORTENED ||
		    !is_about(f, i, b->to_aor, b->contact) ||
		    b->expires_at_ms <= reg_now_ms() + (int64_t)f->v[i].expires_s * 1000)
			continue;
		return reg_binding_arm(b, f->v[i].expires_s) == GW_OK;
	}
	return false;
}

/* Identities that the network added to the implicit set of this contact (REG-67). */
static unsigned add_created(const struct facts *f, struct reg_assoc *a, struct reg_binding *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct reg_binding *where;
		struct gw_slice uri = gw_slice_str(f->v[i].aor);

		if (f->v[i].kind != CSCF_REGISTRAR_FACT_CREATED || f->v[i].contact == NULL ||
		    f->aor[i] == NULL || !is_about(f, i, f->aor[i], b->contact) ||
		    reg_impu_find(a, uri, &where) != NULL)
			continue;
		if (reg_grant_add_impu(&b->grant, uri) == GW_OK)
			n++;
	}
	return n;
}

/* ---- renewed through another eP-CSCF --------------------------------------------------------- */

/* 64*T1: a NOTIFY may be that long on its way, by UDP with losses, and its seconds count from when
 * it was written. A renewal moves the end by more, but right after the one before. */
#define NOTIFY_AGE_S 32

static bool is_same_flow(const struct reg_assoc *a, const struct cscf_registrar_fact *v)
{
	return a->outbound && v->reg_id > 0 && v->reg_id == a->reg_id && v->instance != NULL &&
	       a->instance[0] != '\0' && strcmp(v->instance, a->instance) == 0;
}

/*
 * Was this contact bound by a REGISTER that never came by here? Known by its Call-ID and CSeq: not
 * those of the one that the core took last, nor of one whose answer is still to come. From a core
 * that does not tell them, by having it longer than what we know of could last.
 */
static bool is_renewed(const struct reg_assoc *a, const struct reg_binding *b,
		       const struct cscf_registrar_fact *v)
{
	if (v->call_id != NULL && v->call_id[0] != '\0' && b->call_id[0] != '\0')
		return (strcmp(v->call_id, b->call_id) != 0 || v->cseq > b->cseq) &&
		       !reg_txn_is_coming(a->r, a->conn->id, b->to_aor, v->call_id, v->cseq);
	return v->expires_s > 0 &&
	       reg_now_ms() + (int64_t)v->expires_s * 1000 > b->expires_at_ms + NOTIFY_AGE_S * 1000;
}

/* What the WIC has renewed elsewhere is no more ours to end at the core, or to call free. */
static void look_elsewhere(const struct facts *f, const struct reg_assoc *a, struct reg_binding *b)
{
	for (size_t i = 0; i < f->n && !b->elsewhere; i++) {
		const struct cscf_registrar_fact *v = &f->v[i];

		if (v->kind == CSCF_REGISTRAR_FACT_ENDED || v->contact == NULL ||
		    f->aor[i] == NULL || strcmp(f->aor[i], b->to_aor) != 0 ||
		    (!is_same_flow(a, v) &&
		     !cscf_sip_uri_text_eq(gw_slice_str(v->contact), gw_slice_str(b->contact))) ||
		    !is_renewed(a, b, v))
			continue;
		reg_binding_lost_to_another(b, "reg-event");
	}
}

/* ---- one association ------------------------------------------------------------------------- */

static void log_change(const struct reg_assoc *a, const struct reg_binding *b, const char *what,
		       const char *why)
{
	GW_LOG(GW_LOG_INFO, "reg.network", "impi=\"%s\" to=\"%s\" conn=%llu change=%s why=%s",
	       cscf_sip_mask(a->impi->impi), cscf_sip_mask(b->to_aor),
	       (unsigned long long)a->conn->id, what, why);
}

/* @return true when the association has gone */
static bool apply_to(struct reg_assoc *a, const struct facts *f, struct cscf_registrar_changes *c)
{
	struct reg_binding *b, *next;
	bool reopen = false, changed = false;
	unsigned n;

	DL_FOREACH_SAFE (a->bindings, b, next) {
		struct outcome o = outcome_of(f, b);

		look_elsewhere(f, a, b);
		if (o.ends) {
			log_change(a, b, "ended", o.why);
			reg_metric_inc(REG_M_NETWORK_ENDED);
			c->ended++;
			reopen = reopen || o.reopen;
			reg_assoc_drop_binding(a, b);
			continue;
		}
		n = o.n_ended > 0 ? remove_ended(f, b) : 0;
		c->removed += n;
		if (n > 0)
			log_change(a, b, "identity-removed", o.why);
		changed = changed || n > 0;
		if (shorten(f, b)) {
			log_change(a, b, "shortened", "shortened");
			reg_metric_inc(REG_M_NETWORK_SHORTENED);
			c->shortened++;
		}
		n = add_created(f, a, b);
		c->added += n;
		if (n > 0)
			log_change(a, b, "identity-added", "created");
		changed = changed || n > 0;
	}
	if (a->bindings == NULL) {
		reg_assoc_end(a, "network", reopen ? -1 : a->r->cfg->dereg_close_delay);
		return true;
	}
	if (changed)
		reg_assoc_rebuild_impus(a);
	return false;
}

/* ---- public ------------------------------------------------------------------------------------
 */

static void facts_fini(struct facts *f)
{
	for (size_t i = 0; f->aor != NULL && i < f->n; i++)
		free(f->aor[i]);
	free(f->aor);
}

struct cscf_registrar_changes cscf_registrar_apply(struct cscf_registrar *r, const char *impi,
						   const struct cscf_registrar_fact *facts,
						   size_t n, bool full)
{
	struct facts f = {.v = facts, .n = n, .full = full};
	struct cscf_registrar_changes changes = {0};
	struct reg_impi *user = reg_impi_find(r, impi);
	struct reg_assoc *a, *next;

	f.aor = calloc(n + 1, sizeof(*f.aor));
	if (f.aor == NULL || user == NULL) { /* nothing learned is safer than half of it */
		free(f.aor);
		return changes;
	}
	for (size_t i = 0; i < n; i++)
		f.aor[i] = cscf_sip_uri_aor(gw_slice_str(facts[i].aor));
	/* the user's record goes with his last association: nothing of it is touched after */
	for (a = user->assocs; a != NULL; a = next) {
		next = a->impi_next;
		(void)apply_to(a, &f, &changes);
	}
	facts_fini(&f);
	return changes;
}

void cscf_registrar_end_user(struct cscf_registrar *r, const char *impi, const char *why,
			     bool reopen)
{
	struct reg_impi *user = reg_impi_find(r, impi);
	struct reg_assoc *a, *next;

	for (a = user != NULL ? user->assocs : NULL; a != NULL; a = next) {
		next = a->impi_next;
		reg_metric_inc(REG_M_NETWORK_ENDED);
		reg_assoc_end(a, why, reopen ? -1 : r->cfg->dereg_close_delay);
	}
}

bool cscf_registrar_open_conn(const struct cscf_registrar *r, struct gw_slice token, uint64_t *conn)
{
	enum cscf_sip_direction dir;

	return cscf_sip_flow_token_verify(r->parts.tokens, token, conn, &dir) == GW_OK &&
	       dir == CSCF_SIP_DIR_TO_WIC && cscf_sip_conn_alive(r->parts.stack, *conn, NULL);
}

enum gw_err cscf_registrar_charge(const struct cscf_registrar *r, struct cscf_sip_msg *msg)
{
	return reg_mw_charge(msg, r);
}

void cscf_registrar_home_dest(const struct cscf_registrar *r, const char *const *uri,
			      struct cscf_sip_dest *out)
{
	const struct gw_conf_list *points = r->cfg->entry_points;

	*out = (struct cscf_sip_dest){0};
	if (points != NULL && points->n > 0) {
		out->uris = (const char *const *)points->item;
		out->n_uris = points->n;
		return;
	}
	out->uris = uri;
	out->n_uris = 1;
}

/* ---- what a 2xx tells upwards ------------------------------------------------------------------
 */

/* REG-61: the first identity that is a SIP URI; without any the registered one. */
static const char *subscribed_impu(const struct reg_binding *b)
{
	for (size_t i = 0; i < b->grant.n_impus; i++)
		if (!reg_impu_is_wildcard(&b->grant.impus[i]) &&
		    strncasecmp(b->grant.impus[i].uri, "sip:", 4) == 0)
			return b->grant.impus[i].uri;
	return strncasecmp(b->to_uri, "sip:", 4) == 0 ? b->to_uri : NULL;
}

void reg_user_bound(const struct cscf_registrar *r, const char *impi, const char *to_aor)
{
	const struct reg_impi *user = reg_impi_find(r, impi);
	struct cscf_registrar_user told = {.impi = impi};
	const struct reg_assoc *a;
	const struct reg_binding *b;

	if (user == NULL || r->cbs == NULL || r->cbs->on_user == NULL)
		return;
	DL_FOREACH2(user->assocs, a, impi_next)
	{
		DL_FOREACH (a->bindings, b) {
			if (told.impu == NULL || strcmp(b->to_aor, to_aor) == 0)
				told.impu = subscribed_impu(b);
			if (b->grant.expires_s > told.expires_s)
				told.expires_s = b->grant.expires_s;
		}
	}
	if (told.impu != NULL)
		r->cbs->on_user(r->cbs_arg, &told);
}

void reg_user_gone(const struct cscf_registrar *r, const char *impi)
{
	if (r->cbs != NULL && r->cbs->on_user_gone != NULL)
		r->cbs->on_user_gone(r->cbs_arg, impi);
}
