/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialogs of a call, one per To tag of the callee (several while forks are early). Each keeps
 * what a request of our own would need on either leg: remote target, route set, CSeq, To
 * (CALL-10, REL-03). Call-ID and tags are the same on both legs.
 * Thread: the cscf loop. Spec: RFC 3261 §12, CALL-10, CALL-14, CALL-23.
 */
#include "cscf/session/session_int.h"

struct dialog *dialog_find(const struct call *c, struct gw_slice callee_tag)
{
	struct dialog *d;

	DL_FOREACH (c->dialogs, d)
		if (gw_slice_eq_str(callee_tag, d->callee_tag))
			return d;
	return NULL;
}

void target_fini(struct target *t)
{
	free(t->uri);
	cscf_sip_texts_free(t->routes, t->n_routes);
	*t = (struct target){0};
}

enum gw_err target_copy(struct target *to, const struct target *from)
{
	struct target t = {.cseq = from->cseq};

	t.uri = from->uri != NULL ? strdup(from->uri) : NULL;
	t.routes = from->n_routes > 0 ? calloc(from->n_routes, sizeof(*t.routes)) : NULL;
	if (t.uri == NULL || (from->n_routes > 0 && t.routes == NULL))
		goto fail;
	for (; t.n_routes < from->n_routes; t.n_routes++) {
		t.routes[t.n_routes] = strdup(from->routes[t.n_routes]);
		if (t.routes[t.n_routes] == NULL)
			goto fail;
	}
	*to = t;
	return GW_OK;
fail:
	target_fini(&t);
	return GW_ERR_NOMEM;
}

void target_refresh(struct target *t, const struct cscf_sip_msg *msg)
{
	struct cscf_sip_name_addr contact;
	char *uri;

	if (!cscf_sip_msg_contact(msg, &contact) || contact.star)
		return;
	uri = gw_slice_dup(contact.uri);
	if (uri == NULL)
		return;
	free(t->uri);
	t->uri = uri;
}

static void dialog_free(struct dialog *d)
{
	media_fork_free(d);
	free(d->callee_tag);
	free(d->to);
	free(d->early_sdp);
	target_fini(&d->target[SIDE_WIC]);
	target_fini(&d->target[SIDE_CORE]);
	free(d);
}

void dialog_free_all(struct call *c)
{
	struct dialog *d, *tmp;

	DL_FOREACH_SAFE (c->dialogs, d, tmp) {
		DL_DELETE(c->dialogs, d);
		dialog_free(d);
	}
	c->n_dialogs = 0;
}

static bool is_own(const struct call *c, const char *value)
{
	struct cscf_sip_name_addr addr;

	return cscf_sip_name_addr_parse(&addr, gw_slice_str(value)) == GW_OK &&
	       route_is_own_uri(c->s, addr.uri, SIDE_CORE);
}

/*
 * Route set towards a callee in the core: what was recorded above our own entries, nearest
 * first. Ours are the lowest: we were the first proxy. (Entries further up may be ours as well,
 * when the callee is a WIC here.)
 */
static void learn_routes(struct call *c, struct target *t, const struct cscf_sip_msg *rsp)
{
	char **all = NULL;
	size_t n = 0, keep;
	unsigned own = 0;

	if (cscf_sip_msg_values_dup(rsp, "Record-Route", false, &all, &n) != GW_OK || n == 0)
		return;
	for (keep = n; keep > 0 && own < 2 && is_own(c, all[keep - 1]); keep--)
		own++;
	if (keep > CALL_MAX_ROUTES)
		keep = 0;
	cscf_sip_texts_free(t->routes, t->n_routes);
	t->routes = keep > 0 ? calloc(keep, sizeof(*t->routes)) : NULL;
	t->n_routes = 0;
	for (size_t i = keep; t->routes != NULL && i-- > 0;) {
		t->routes[t->n_routes++] = all[i];
		all[i] = NULL;
	}
	cscf_sip_texts_free(all, n);
}

static struct dialog *dialog_new(struct call *c, struct gw_slice tag,
				 const struct cscf_sip_msg *rsp)
{
	struct dialog *d = calloc(1, sizeof(*d));
	enum side caller = c->from_wic ? SIDE_WIC : SIDE_CORE;
	struct gw_slice to;

	if (d == NULL)
		return NULL;
	d->callee_tag = gw_slice_dup(tag);
	d->to = cscf_sip_msg_hdr(rsp, "To", &to) ? gw_slice_dup(to) : NULL;
	d->target[other_side(caller)].cseq = cscf_sip_msg_cseq(rsp);
	d->target[other_side(caller)].party = cscf_sip_msg_cseq(rsp);
	d->target[other_side(caller)].party_spoke = true;
	if (d->callee_tag == NULL || d->to == NULL ||
	    target_copy(&d->target[caller], &c->caller) != GW_OK) {
		dialog_free(d);
		return NULL;
	}
	DL_APPEND(c->dialogs, d);
	c->n_dialogs++;
	return d;
}

struct dialog *dialog_learn(struct call *c, const struct cscf_sip_msg *rsp)
{
	struct gw_slice tag = cscf_sip_msg_to_tag(rsp);
	struct dialog *d = tag.n > 0 ? dialog_find(c, tag) : NULL;
	struct target *callee;

	if (tag.n == 0 || (d == NULL && c->n_dialogs >= CALL_MAX_DIALOGS))
		return NULL;
	if (d == NULL)
		d = dialog_new(c, tag, rsp);
	if (d == NULL)
		return NULL;
	callee = &d->target[c->from_wic ? SIDE_CORE : SIDE_WIC];
	target_refresh(callee, rsp);
	if (c->from_wic && !d->confirmed)
		learn_routes(c, callee, rsp);
	return d;
}
