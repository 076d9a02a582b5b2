/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways on from an offer that is out: another early dialog that answers it for itself (2.7),
 * and an offer that would tell the core nothing new, answered as the core answered before (2.5 b).
 * Spec: RFC 3261 s13.2.2.4, RFC 3264 s8; calls-and-media 2.5, 2.7. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

static bool leg_dup(struct sdp_leg *leg)
{
	if (leg->last == NULL)
		return true;
	leg->last = gw_slice_dup((struct gw_slice){leg->last, leg->last_n});
	return leg->last != NULL;
}

enum gw_err cscf_sdp_session_fork(struct cscf_sdp_session **out, const struct cscf_sdp_session *s,
				  unsigned number)
{
	struct cscf_sdp_session *f = NULL;
	enum gw_err err;

	if (s->answered || s->core_said != NULL)
		return GW_ERR_STATE;
	err = cscf_sdp_session_new(&f, s->policy);
	if (err != GW_OK)
		return err;
	f->open = s->open;
	f->from_wic = s->from_wic;
	f->wic = s->wic;
	f->core = s->core;
	f->wic.last = f->core.last = NULL;
	f->wic.agreed_text = f->core.agreed_text = NULL;
	err = GW_ERR_NOMEM;
	if (!sdp_state_dup(&f->cur, &s->cur) || (s->open && !sdp_state_dup(&f->work, &s->work)))
		goto fail;
	f->cur.first_id = f->work.first_id = number * SDP_FORK_ID_STEP;
	if (s->offer != NULL &&
	    sdp_parse(&f->offer, s->offer->text, strlen(s->offer->text)) != CSCF_SDP_OK)
		goto fail;
	f->wic.last = s->wic.last;
	if (!leg_dup(&f->wic))
		goto fail;
	f->core.last = s->core.last;
	if (!leg_dup(&f->core))
		goto fail;
	*out = f;
	return GW_OK;
fail:
	cscf_sdp_session_free(f);
	return err;
}

void sdp_keep_core_said(struct cscf_sdp_session *s)
{
	const struct sdp *core = s->from_wic ? s->answer : s->offer;
	char *text = core != NULL ? strdup(core->text) : NULL;

	free(s->core_said); /* out of memory: nothing is answered here then */
	s->core_said = text;
}

static bool as_committed(const struct cscf_sdp_session *s)
{
	if (s->work.n != s->cur.n)
		return false;
	for (size_t i = 0; i < s->work.n; i++) {
		const struct cscf_sdp_stream *now = &s->work.v[i]->pub, *was = &s->cur.v[i]->pub;

		if (now->live != was->live || now->stream_id != was->stream_id ||
		    (now->live && !now->has_local))
			return false;
	}
	return true;
}

enum cscf_sdp_verdict cscf_sdp_answer_as_before(struct cscf_sdp_session *s)
{
	if (!s->open || !s->from_wic || s->answered || s->core_said == NULL ||
	    s->core.version != s->core.agreed || !as_committed(s))
		return CSCF_SDP_STATE;
	return cscf_sdp_answer_from_core(s, s->core_said, strlen(s->core_said));
}
