/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reginfo document changes: its version against ours, then every registration and contact
 * as a fact for the registrar, which knows what of it concerns associations here.
 * Spec: RFC 3680 s5; REG-49, 65, 66, 67, DEREG-20..23. Thread: the cscf loop.
 */
#include "cscf/regevent/regevent_int.h"

#include "common/log.h"
#include "cscf/registrar/network.h"
#include "cscf/sip/mask.h"

#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "regevent"

struct list {
	struct cscf_registrar_fact *v;
	size_t n;
};

/* "Register again": the WIC keeps its connection for that (DEREG-21). */
static bool may_reopen(enum cscf_reginfo_event e)
{
	return e == CSCF_REGINFO_DEACTIVATED || e == CSCF_REGINFO_PROBATION;
}

/* Its device has another contact in the place of this one: a change that it made itself. */
static bool is_replaced(const struct cscf_reginfo_registration *r,
			const struct cscf_reginfo_contact *c)
{
	for (size_t i = 0; c->instance[0] != '\0' && i < r->n_contacts; i++) {
		const struct cscf_reginfo_contact *o = &r->contacts[i];

		if (o != c && o->state == CSCF_REGINFO_ACTIVE && o->reg_id == c->reg_id &&
		    strcmp(o->instance, c->instance) == 0)
			return true;
	}
	return false;
}

static enum cscf_registrar_fact_kind kind_of(const struct cscf_reginfo_registration *r,
					     const struct cscf_reginfo_contact *c)
{
	if (r->state == CSCF_REGINFO_TERMINATED)
		return CSCF_REGISTRAR_FACT_ENDED;
	if (c->state == CSCF_REGINFO_TERMINATED && !is_replaced(r, c))
		return CSCF_REGISTRAR_FACT_ENDED;
	if (c->event == CSCF_REGINFO_SHORTENED && c->has_expires)
		return CSCF_REGISTRAR_FACT_SHORTENED;
	return c->event == CSCF_REGINFO_CREATED ? CSCF_REGISTRAR_FACT_CREATED
						: CSCF_REGISTRAR_FACT_ACTIVE;
}

static void add_registration(struct list *l, const struct cscf_reginfo_registration *r)
{
	bool reopen = r->n_contacts > 0;

	for (size_t i = 0; i < r->n_contacts; i++) {
		const struct cscf_reginfo_contact *c = &r->contacts[i];

		l->v[l->n++] = (struct cscf_registrar_fact){
		    .kind = kind_of(r, c),
		    .aor = r->aor,
		    .contact = c->uri,
		    .expires_s = c->has_expires ? c->expires_s : 0,
		    .instance = c->instance,
		    .reg_id = c->reg_id,
		    .call_id = c->call_id,
		    .cseq = c->has_cseq ? c->cseq : 0,
		    .reopen = may_reopen(c->event),
		    .why = cscf_reginfo_event_name(c->event),
		};
		reopen = reopen && may_reopen(c->event);
	}
	if (r->state == CSCF_REGINFO_TERMINATED)
		l->v[l->n++] = (struct cscf_registrar_fact){
		    .kind = CSCF_REGISTRAR_FACT_ENDED,
		    .aor = r->aor,
		    .reopen = reopen,
		    .why = "terminated",
		};
}

static bool all_terminated(const struct cscf_reginfo *info, bool *reopen)
{
	*reopen = false;
	for (size_t i = 0; i < info->n_registrations; i++) {
		const struct cscf_reginfo_registration *r = &info->registrations[i];

		if (r->state != CSCF_REGINFO_TERMINATED)
			return false;
		for (size_t k = 0; k < r->n_contacts; k++)
			*reopen = *reopen || may_reopen(r->contacts[k].event);
	}
	return info->n_registrations > 0;
}

static void apply(struct sub *s, const struct cscf_reginfo *info, bool closing)
{
	struct cscf_registrar *r = s->re->p.registrar;
	struct cscf_registrar_changes c;
	struct list l = {0};
	size_t n = 0;
	bool reopen;

	for (size_t i = 0; i < info->n_registrations; i++)
		n += info->registrations[i].n_contacts + 1;
	l.v = calloc(n + 1, sizeof(*l.v));
	if (l.v == NULL)
		return; /* expiry will tell */
	for (size_t i = 0; i < info->n_registrations; i++)
		add_registration(&l, &info->registrations[i]);
	c = cscf_registrar_apply(r, s->impi, l.v, l.n, info->full);
	free(l.v);
	GW_LOG(c.ended + c.removed + c.shortened + c.added > 0 ? GW_LOG_INFO : GW_LOG_DEBUG,
	       "regevent.document",
	       "impi=\"%s\" version=%u state=%s ended=%u removed=%u shortened=%u added=%u",
	       cscf_sip_mask(s->impi), (unsigned)info->version, info->full ? "full" : "partial",
	       c.ended, c.removed, c.shortened, c.added);
	if (closing && all_terminated(info, &reopen))
		cscf_registrar_end_user(r, s->impi, "network", reopen);
}

enum document_result document_apply(struct sub *s, const struct cscf_reginfo *info, bool closing)
{
	bool had = s->have_version;
	bool gap = !had || info->version - 1 > s->version;

	if (had && info->version <= s->version)
		return DOCUMENT_STALE;
	s->version = info->version;
	s->have_version = true;
	if (info->full)
		s->resyncs = 0;
	apply(s, info, closing);
	return gap && !info->full ? DOCUMENT_GAP : DOCUMENT_APPLIED;
}
