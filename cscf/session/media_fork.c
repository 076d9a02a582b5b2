/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Early dialogs of a WIC's call: one offer, several callees answering it (2.7). Each that says
 * something gets a fork of the SDP session and a branch at the AGW, so that PRACK and UPDATE
 * within it go on from its own state; the transport towards the WIC is the same in all. One of
 * them is heard: the latest, but P-Early-Media that lets media pass outranks silence about it, and
 * both outrank one that forbids it. With the 2xx the winner's session becomes the call's.
 *
 *   INVITE ─> root (offer out) ─┬─ 18x t1: fork 1, branch t1 ──┐
 *                               ├─ 18x t2: fork 2, branch t2 ──┼─ 2xx t1 ─> root = fork 1, t2
 * dropped └─ 2xx t3: root itself         ┘
 *
 * Not here: dialogs as SIP knows them (dialog.c), the losers' BYE (release.c). A WIC that is called
 * does not fork.
 * Thread: the cscf loop. Spec: calls-and-media 2.7; CALL-23, 43, 46; RTP-05..07; RFC 5009.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#include <stdio.h>

#define GW_LOG_MOD    "session"
#define BRANCHES_KEPT 5U /* besides the one that speaks */

const struct cscf_sdp_session *media_sdp_of(const struct call *c, const struct dialog *d)
{
	return d != NULL && d->sdp != NULL ? d->sdp : c->media.root;
}

void media_at(struct call *c, struct dialog *d)
{
	struct media *m = &c->media;

	if (m->settled || !c->from_wic)
		return;
	m->dialog = d;
	m->sdp = d != NULL && d->sdp != NULL ? d->sdp : m->root;
}

bool media_is_over(const struct call *c, const struct dialog *d)
{
	return c->media.settled && d != NULL && d != c->media.dialog;
}

bool media_is_forked(const struct call *c)
{
	return c->media.n_forks > 1 && !c->media.settled;
}

const struct cscf_sdp_stream *media_stream_by_id(const struct cscf_sdp_session *s, uint32_t id)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++)
		if (cscf_sdp_stream(s, i)->stream_id == id)
			return cscf_sdp_stream(s, i);
	return NULL;
}

/* A tag is a fine name, unless it is one of those that fill a line. */
static void name_branch(struct dialog *d, unsigned number)
{
	if (strlen(d->callee_tag) < sizeof(d->branch) - 1)
		snprintf(d->branch, sizeof(d->branch), "%s", d->callee_tag);
	else
		snprintf(d->branch, sizeof(d->branch), "%.40s#%u", d->callee_tag, number);
}

enum gw_err media_fork(struct call *c)
{
	struct media *m = &c->media;
	struct dialog *d = m->dialog;
	enum gw_err err;

	if (m->settled || !c->from_wic || d == NULL)
		return GW_OK;
	d->spoke = ++m->n_spoke;
	if (d->branch[0] == '\0')
		name_branch(d, m->n_spoke);
	if (d->sdp != NULL)
		return GW_OK;
	err = cscf_sdp_session_fork(&d->sdp, m->root, m->n_forks + 1);
	if (err != GW_OK)
		return err;
	m->n_forks++;
	m->sdp = d->sdp;
	if (m->n_forks > 1)
		CALL_LOG(GW_LOG_INFO, "call.forked", c, "mw", "to_tag=\"%s\" dialogs=%u",
			 d->callee_tag, m->n_forks);
	return GW_OK;
}

/* What the loser has at the AGW and the winner does not know of. */
static void give_back(struct call *c, const struct cscf_sdp_session *loser)
{
	uint32_t ids[IQ_MAX_STREAMS];
	size_t n = 0;

	for (size_t i = 0; i < cscf_sdp_stream_count(loser) && n < IQ_MAX_STREAMS; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(loser, i);

		if (st->has_local && media_stream_by_id(c->media.root, st->stream_id) == NULL)
			ids[n++] = st->stream_id;
	}
	cscf_iq_release_streams(c->s->p.iq, c->media.ctx, ids, n, "another fork won");
}

void media_settle(struct call *c, struct dialog *winner)
{
	struct media *m = &c->media;
	struct dialog *d;

	if (m->settled || !c->from_wic || winner == NULL)
		return;
	if (m->prepared && m->prepared_by != winner) {
		cscf_iq_rollback(c->s->p.iq, m->ctx);
		m->prepared = false;
	}
	m->settled = true;
	m->dialog = winner;
	if (winner->branch[0] == '\0')
		name_branch(winner, ++m->n_spoke);
	if (winner->sdp != NULL) {
		cscf_sdp_session_free(m->root);
		m->root = winner->sdp;
		winner->sdp = NULL;
	}
	m->sdp = m->root;
	DL_FOREACH (c->dialogs, d) {
		if (d == winner)
			continue;
		d->branch_over = d->on_agw;
		if (d->sdp != NULL)
			give_back(c, d->sdp);
		media_fork_free(d);
	}
}

void media_fork_free(struct dialog *d)
{
	cscf_sdp_session_free(d->sdp);
	d->sdp = NULL;
}

static int rank(const struct dialog *d)
{
	switch (d->early) {
	case EARLY_OPEN:
		return 2;
	case EARLY_UNSAID:
		return 1;
	case EARLY_CLOSED:
		break;
	}
	return 0;
}

const struct dialog *media_heard(const struct call *c)
{
	const struct dialog *best = NULL, *d;

	if (c->media.settled || !c->from_wic)
		return c->media.dialog;
	DL_FOREACH (c->dialogs, d)
		if (d->sdp != NULL && (best == NULL || rank(d) > rank(best) ||
				       (rank(d) == rank(best) && d->spoke > best->spoke)))
			best = d;
	return best != NULL ? best : c->media.dialog;
}

/* RFC 5009: only a caller's direction opens before the answer. */
void media_early_gates(const struct call *c, const struct dialog *d, bool *up, bool *down)
{
	const struct cscf_session_config *cfg = c->s->cfg;
	bool open = cfg->early != CSCF_SESSION_EARLY_NEVER;

	if (c->from_wic && d != NULL && cfg->early == CSCF_SESSION_EARLY_PEM)
		open = d->early != EARLY_CLOSED;
	*up = c->media.answered || (c->from_wic ? cfg->early_uplink : open);
	*down = c->media.answered || (c->from_wic ? open : cfg->early_uplink);
}

bool media_note_early(struct call *c, const struct cscf_sip_msg *msg)
{
	struct dialog *d = c->media.dialog;
	const struct dialog *before = media_heard(c);
	enum early was;
	struct gw_slice pem;

	if (!c->from_wic || d == NULL || c->media.settled ||
	    c->s->cfg->early != CSCF_SESSION_EARLY_PEM ||
	    !cscf_sip_msg_hdr(msg, "P-Early-Media", &pem))
		return false;
	was = d->early;
	d->early = cscf_sip_list_has(pem, "sendrecv") || cscf_sip_list_has(pem, "sendonly")
		       ? EARLY_OPEN
		       : EARLY_CLOSED;
	if (d->early == was)
		return false;
	CALL_LOG(GW_LOG_DEBUG, "call.early_media", c, "mw", "to_tag=\"%s\" open=%d", d->callee_tag,
		 (int)(d->early == EARLY_OPEN));
	return d->sdp != NULL &&
	       (media_heard(c) != before ||
		(before == d && (was == EARLY_CLOSED) != (d->early == EARLY_CLOSED)));
}

/* The AGW keeps some early dialogs: whoever has been silent longest makes room. */
void media_branches_begin(struct call *c)
{
	const struct dialog *heard = media_heard(c);
	struct dialog *d, *oldest;
	unsigned n;

	do {
		n = 0;
		oldest = NULL;
		DL_FOREACH (c->dialogs, d) {
			if (!d->on_agw || d->branch_over || d == heard || d == c->media.dialog)
				continue;
			n++;
			if (oldest == NULL || d->spoke < oldest->spoke)
				oldest = d;
		}
		if (n > BRANCHES_KEPT && oldest != NULL)
			oldest->branch_over = true;
	} while (n > BRANCHES_KEPT);
}

void media_branches_sent(struct call *c)
{
	const struct dialog *heard = media_heard(c);
	struct dialog *d;

	DL_FOREACH (c->dialogs, d) {
		if (d->branch_over)
			d->on_agw = d->branch_over = false;
		else if (c->from_wic && (d == heard || d == c->media.dialog))
			d->on_agw = d->branch[0] != '\0';
	}
}

void media_rollback_of(struct call *c, struct dialog *d)
{
	struct media *m = &c->media;
	struct cscf_sdp_session *sdp = m->sdp;
	struct dialog *dialog = m->dialog;

	if (media_is_over(c, d))
		return;
	media_at(c, d);
	media_rollback(c);
	m->sdp = sdp;
	m->dialog = dialog;
}
