/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An offer of the gateway itself, of what is agreed already: to refresh a session where nothing
 * but an INVITE will do it. The text is the one that stands, so the peer sees no change; its
 * answer is taken like any other, the leg that was not asked hears nothing.
 * Thread: the cscf loop. Spec: RFC 3264 s8, RFC 4028 s7.4; CALL-33.
 */
#include "cscf/sdp/sdp_int.h"

/* Session and o= are written anew: the version counts when something else was said meanwhile. */
const char *sdp_reoffer_body(const struct sdp_leg *leg)
{
	static const char head[] = "s=-\r\n";
	const char *p = leg->agreed_text != NULL ? strstr(leg->agreed_text, head) : NULL;

	return p != NULL ? p + sizeof(head) - 1 : NULL;
}

/* What stands may be an answer, with the role it took: an offer to a WIC leaves it open
 * (DTLS-04). The WIC keeps the role it has, as its association goes on (RFC 8842 s5.5). */
static void put_body(struct sdp_out *o, const char *body, bool to_core)
{
	static const char setup[] = "a=setup:";

	while (*body != '\0') {
		const char *nl = strchr(body, '\n');
		size_t n = nl != NULL ? (size_t)(nl + 1 - body) : strlen(body);

		if (!to_core && strncmp(body, setup, sizeof(setup) - 1) == 0)
			sdp_out_put(o, "%sactpass\r\n", setup);
		else
			sdp_out_raw(o, body, n);
		body += n;
	}
}

enum cscf_sdp_verdict sdp_reoffer_open(struct cscf_sdp_session *s, bool to_core)
{
	if (!sdp_state_dup(&s->work, &s->cur))
		return CSCF_SDP_NOMEM;
	for (size_t i = 0; i < s->work.n; i++) {
		struct sdp_stream *st = s->work.v[i];

		st->pub.is_new = st->pub.ice_restart = st->pub.new_dtls = false;
		st->dir = to_core ? st->pub.access_remote.dir : st->pub.core_remote.dir;
	}
	s->open = s->ours = true;
	s->from_wic = to_core;
	s->answered = s->repeat = s->max_bundle = s->same_offer = false;
	return sdp_keep_offered(&s->work);
}

enum cscf_sdp_verdict cscf_sdp_reoffer(struct cscf_sdp_session *s, bool to_core,
				       struct cscf_sdp_text *out)
{
	struct sdp_leg *leg = to_core ? &s->core : &s->wic;
	const char *body = sdp_reoffer_body(leg);
	struct sdp_out o = {0};
	enum cscf_sdp_verdict v;

	if (s->open || body == NULL)
		return CSCF_SDP_STATE;
	v = sdp_reoffer_open(s, to_core);
	if (v == CSCF_SDP_OK) {
		put_body(&o, body, to_core);
		v = sdp_out_finish(&o, leg, to_core ? s->work.core_addr : s->work.wic_addr, out);
	}
	if (v != CSCF_SDP_OK)
		cscf_sdp_rollback(s);
	return v;
}

bool cscf_sdp_round_is_ours(const struct cscf_sdp_session *s)
{
	return s->open && s->ours;
}

const char *cscf_sdp_said_to_core(const struct cscf_sdp_session *s)
{
	if (s->open)
		return s->answered ? s->core.last : NULL;
	return s->core.agreed_text;
}
