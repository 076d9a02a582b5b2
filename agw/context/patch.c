/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging what a Configure says into the parameters a stream has. Works on copies: the caller
 * keeps the result only when every stream of the request merged (IQ-09).
 * RTP-06: early dialogs are named branches, at most one is sent to.
 */
#include "agw/context/context_int.h"

#include <string.h>

static int branch_find(const struct ctx_branches *b, const struct agw_core_params *core,
		       const char *name)
{
	for (int i = 0; i < AGW_BRANCH_MAX; i++)
		if (core->branches[i].rtp.len != 0 && strcmp(b->name[i], name) == 0)
			return i;
	return -1;
}

static int branch_free_slot(const struct agw_core_params *core)
{
	for (int i = 0; i < AGW_BRANCH_MAX; i++)
		if (core->branches[i].rtp.len == 0)
			return i;
	return -1;
}

static void branch_drop(struct ctx_branches *b, struct agw_core_params *core, int i)
{
	memset(&core->branches[i], 0, sizeof(core->branches[i]));
	b->name[i][0] = '\0';
	if (core->active == i)
		core->active = -1;
}

static enum gw_err merge_remote(struct ctx_branches *b, const struct agw_ctx_remote *r,
				struct agw_core_params *core, struct agw_ctx_fault *fault)
{
	int i = branch_find(b, core, r->branch);

	if (r->drop) {
		if (i >= 0)
			branch_drop(b, core, i);
		return GW_OK; /* forgetting twice is fine */
	}
	if (i < 0) {
		i = branch_free_slot(core);
		if (i < 0)
			return agw_ctx_fail(fault, GW_ERR_LIMIT, AGW_CTX_INVALID, "core.remotes",
					    "too many early dialogs");
		core->branches[i].id = ++b->last_id;
		memcpy(b->name[i], r->branch, sizeof(b->name[i]));
	}
	core->branches[i].rtp = r->rtp;
	core->branches[i].rtcp = r->rtcp;
	if (r->active)
		core->active = i;
	else if (core->active == i)
		core->active = -1;
	return GW_OK;
}

static void merge_access(const struct agw_ctx_patch *patch, struct agw_access_params *a)
{
	const struct agw_access_params *from = &patch->p.access;

	if ((patch->set & AGW_SET_ICE) != 0) {
		memcpy(a->remote_ufrag, from->remote_ufrag, sizeof(a->remote_ufrag));
		memcpy(a->remote_pwd, from->remote_pwd, sizeof(a->remote_pwd));
		a->peer = from->peer;
	}
	if ((patch->set & AGW_SET_DTLS) != 0) {
		if (from->dtls_role != AGW_DTLS_ROLE_UNDECIDED)
			a->dtls_role = from->dtls_role;
		if (from->n_fps > 0) {
			memcpy(a->fps, from->fps, sizeof(a->fps));
			a->n_fps = from->n_fps;
		}
	}
	if ((patch->set & AGW_SET_ACCESS_RTCP) != 0)
		a->rtcp_separate = from->rtcp_separate;
	if ((patch->set & AGW_SET_PROFILES) != 0)
		memcpy(a->profiles, from->profiles, sizeof(a->profiles));
	if ((patch->set & AGW_SET_ACCESS_PTS) != 0) {
		a->pts = from->pts;
		a->exts = from->exts;
	}
	if ((patch->set & AGW_SET_ACCESS_FB) != 0)
		a->rtcp_allow = from->rtcp_allow;
	if ((patch->set & AGW_SET_ACCESS_DSCP) != 0)
		a->dscp = from->dscp;
	if ((patch->set & AGW_SET_INACTIVITY) != 0)
		a->inactivity_ms = from->inactivity_ms;
}

static void merge_core(const struct agw_ctx_patch *patch, struct agw_core_params *c)
{
	const struct agw_core_params *from = &patch->p.core;

	if ((patch->set & AGW_SET_CORE_RTCP) != 0)
		c->rtcp = from->rtcp;
	if ((patch->set & AGW_SET_FILTER) != 0)
		c->filter = from->filter;
	if ((patch->set & AGW_SET_LATCH) != 0)
		c->latch = from->latch;
	if ((patch->set & AGW_SET_CORE_PTS) != 0) {
		c->pts = from->pts;
		c->exts = from->exts;
	}
	if ((patch->set & AGW_SET_CORE_FB) != 0)
		c->rtcp_allow = from->rtcp_allow;
	if ((patch->set & AGW_SET_CORE_DSCP) != 0)
		c->dscp = from->dscp;
	if ((patch->set & AGW_SET_INACTIVITY) != 0)
		c->inactivity_ms = from->inactivity_ms;
}

enum gw_err agw_ctx_merge(struct ctx_branches *branches, const struct agw_ctx_patch *patch,
			  struct agw_stream_params *p, bool configure, struct agw_ctx_fault *fault)
{
	merge_access(patch, &p->access);
	if ((patch->set & AGW_SET_ACCESS_PTS) != 0)
		p->clock_hz = patch->p.clock_hz;
	merge_core(patch, &p->core);
	if ((patch->set & AGW_SET_SSRC_MODE) != 0)
		p->ssrc_rewrite = patch->p.ssrc_rewrite;
	if ((patch->set & AGW_SET_RATES) != 0) {
		p->rate_up = patch->p.rate_up;
		p->rate_down = patch->p.rate_down;
	}
	for (unsigned i = 0; i < patch->n_remotes; i++) {
		enum gw_err err = merge_remote(branches, &patch->remotes[i], &p->core, fault);

		if (err != GW_OK)
			return err;
	}
	if ((patch->set & AGW_SET_GATE) != 0) {
		p->gate_up = patch->p.gate_up;
		p->gate_down = patch->p.gate_down;
		/* Without rtcp.early RTCP starts with media; a hold does not end it (RTP-04). */
		if (p->gate_up || p->gate_down)
			p->rtcp_gate_up = p->rtcp_gate_down = true;
	}
	/*
	 * ice.timeout runs from the moment offer and answer are exchanged (ICE-25, REL-07). The
	 * protocol does not say it; it is so when a Configure leaves both ends known.
	 */
	if (configure && p->access.remote_ufrag[0] != '\0' && p->core.active >= 0)
		p->access.answered = true;
	return GW_OK;
}
