/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the AGW was told last, so that an answer that changes nothing (a session refresh) does not
 * become a Modify (SDP-11). Compared as packed messages: whatever the parameters come to hold
 * counts. Forgotten when a Configure fails: then nobody knows what holds.
 * Thread: the cscf loop. Spec: SDP-11, RFC 3264 s8; IQ-06.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#define GW_LOG_MOD "session"

static void told_set(struct told *t, struct told now)
{
	if (t->p != NULL)
		explicit_bzero(t->p, t->n); /* ICE passwords */
	free(t->p);
	*t = now;
}

bool media_same(struct call *c, IqStreamRequest *const *streams, size_t n)
{
	const struct told *last = &c->media.told;
	size_t total = 0, at = 0;
	uint8_t *p;

	for (size_t i = 0; i < n; i++)
		total += wicgate__iq__v1__stream_request__get_packed_size(streams[i]);
	p = malloc(total > 0 ? total : 1);
	for (size_t i = 0; p != NULL && i < n; i++)
		at += wicgate__iq__v1__stream_request__pack(streams[i], p + at);
	told_set(&c->media.telling, (struct told){p, at});
	return p != NULL && last->p != NULL && last->n == at && memcmp(last->p, p, at) == 0;
}

void media_on_differs(void *arg, gw_handle call)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);
	struct media_params *params = NULL;
	IqStreamRequest **streams;
	enum gw_err err;
	size_t n;

	/* an offer under way says everything anyhow, and hears of the conflict (media_step.c) */
	if (c == NULL || c->released || c->media.doing != MEDIA_IDLE || repair_is_on(c) ||
	    cscf_sdp_round_open(c->media.sdp))
		return;
	media_same_done(c, false);
	c->media.verbs_done = MEDIA_VERB_RESTART | MEDIA_VERB_NEW_DTLS; /* as it is, not anew */
	err = media_params_new(&params, c, MEDIA_ASK_CONFIGURE);
	if (err == GW_OK) {
		streams = media_params_streams(params, &n);
		if (n > 0)
			err = cscf_iq_configure(s->p.iq, c->media.ctx, 0,
						IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW), streams,
						n, NULL);
		media_params_free(params);
	}
	CALL_LOG(GW_LOG_WARN, "call.media_told_again", c, "w3", "err=%s", gw_err_name(err));
	cscf_story_note(c->story, CSCF_STORY_AGW, "TOLD AGAIN", "an audit found another revision");
}

void media_same_done(struct call *c, bool ok)
{
	struct told now = c->media.telling;

	c->media.telling = (struct told){NULL, 0};
	told_set(&c->media.told, (struct told){NULL, 0});
	if (ok)
		c->media.told = now;
	else
		told_set(&now, (struct told){NULL, 0});
}
