/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media of a call goes on at another eIMS-AGW: an offer of the gateway itself to either leg,
 * of what is agreed already, at the new addresses. The text is the one that stands on the leg,
 * line for line, but for what names the old gateway: ports, c=, a=rtcp, and towards the WIC ICE
 * credentials, candidates, fingerprints, tls-id, with a=setup:actpass again (ICE-18, DTLS-20). The
 * direction is what the other end said last, perhaps just now.
 * Formats, feedback and extensions that the other end did not agree to are left out: nobody can
 * pick one now that its counterpart does not have. A stream that is no more, as the end asked first
 * has just refused it, is offered with port 0: the port in the text is one of the old gateway.
 *
 * Not here: the answers (answer.c), which are read like those of any offer of ours.
 * Thread: the cscf loop. Spec: calls-and-media 2.10; RFC 3264 s8, RFC 8839 s4.4, RFC 8842 s5.
 */
#include "cscf/sdp/sdp_int.h"

/* The way through the text. */
struct walk {
	struct cscf_sdp_session *s;
	struct sdp_out *o;
	bool to_core;
	int line;              /* of m-lines; -1 = session level */
	struct sdp_stream *st; /* of that m-line when it is live, else NULL */
	bool dead;             /* that line is refused: see stays_when_dead */
	bool c_due;            /* its c= has not been written yet */
	bool fb_done;          /* its a=rtcp-fb have */
};

static bool begins(struct gw_slice line, const char *with)
{
	size_t n = strlen(with);

	return line.n >= n && memcmp(line.p, with, n) == 0;
}

static void put_c(struct sdp_out *o, const char *addr)
{
	sdp_out_put(o, "c=IN %s %s\r\n", strchr(addr, ':') != NULL ? "IP6" : "IP4", addr);
}

/* Towards the WIC each line has its own (RFC 8839), towards the core one that differs. */
static void put_c_of_line(struct walk *w)
{
	const struct cscf_sdp_stream *pub = &w->st->pub;

	w->c_due = false;
	if (!w->to_core)
		put_c(w->o, pub->access_local.addr);
	else if (strcmp(pub->core_local.addr, w->s->work.core_addr) != 0)
		put_c(w->o, pub->core_local.addr);
}

static void flush(struct walk *w)
{
	if (w->c_due)
		put_c_of_line(w);
}

/* "m=audio 30000 UDP/TLS/RTP/SAVPF 0 8": the kind stays; an answer may have had an older profile.
 */
static void put_m(struct walk *w, struct gw_slice line)
{
	struct gw_slice word[4];
	size_t cursor = 2, n = 0;

	flush(w);
	w->fb_done = false;
	w->line++;
	w->st = w->to_core ? sdp_state_by_core(&w->s->work, (size_t)w->line)
			   : sdp_state_by_wic(&w->s->work, (size_t)w->line);
	w->dead = w->st == NULL || !w->st->pub.live;
	while (n < 4 && sdp_token_next(line, &cursor, &word[n]))
		n++;
	if (n < 4) { /* we wrote it: cannot be */
		w->o->failed = true;
		return;
	}
	if (w->dead) { /* as sdp_out_dead */
		w->st = NULL;
		sdp_out_put(w->o, "m=%.*s 0 %.*s %.*s\r\n", GW_SLICE_FMT(word[0]),
			    GW_SLICE_FMT(word[2]), GW_SLICE_FMT(word[3]));
		return;
	}
	sdp_out_put(w->o, "m=%.*s %u %s", GW_SLICE_FMT(word[0]),
		    w->to_core ? w->st->pub.core_local.port : w->st->pub.access_local.port,
		    !w->to_core            ? "UDP/TLS/RTP/SAVPF"
		    : w->st->pub.core_avpf ? "RTP/AVPF"
					   : "RTP/AVP");
	sdp_out_pts(w->o, w->st);
	sdp_out_put(w->o, "\r\n");
	w->c_due = true;
}

/* The number behind the colon; 0 when there is none. @param end  behind it */
static unsigned number_at(struct gw_slice line, size_t n, size_t *end)
{
	unsigned v = 0;

	for (; n < line.n && line.p[n] >= '0' && line.p[n] <= '9' && v < 1000; n++)
		v = v * 10 + (unsigned)(line.p[n] - '0');
	*end = n;
	return v;
}

/* A header extension that an answer has switched off since. */
static bool is_off(const struct walk *w, struct gw_slice line)
{
	const struct cscf_sdp_stream *pub = &w->st->pub;
	size_t end;
	unsigned id;

	if (!begins(line, "a=extmap:"))
		return false;
	id = number_at(line, strlen("a=extmap:"), &end);
	for (size_t i = 0; i < pub->n_exts; i++)
		if (pub->exts[i].on &&
		    (w->to_core ? pub->exts[i].core_id : pub->exts[i].wic_id) == id)
			return false;
	return true;
}

/* A line about one payload type that is not agreed. */
static bool is_of_other_format(const struct walk *w, struct gw_slice line)
{
	static const char *const names[] = {"a=rtpmap:", "a=fmtp:"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]), end;
		unsigned pt;

		if (!begins(line, names[i]))
			continue;
		pt = number_at(line, n, &end);
		return end > n && sdp_fmts_find(&w->st->fmts, pt) == NULL;
	}
	return false;
}

/* What the other end does with the stream, as it said last: perhaps in its answer just now. */
static bool put_direction(const struct walk *w, struct gw_slice line)
{
	static const enum cscf_sdp_dir dirs[] = {CSCF_SDP_SENDRECV, CSCF_SDP_SENDONLY,
						 CSCF_SDP_RECVONLY, CSCF_SDP_INACTIVE};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (begins(line, "a=") && gw_slice_eq_str((struct gw_slice){line.p + 2, line.n - 2},
							  sdp_direction_name(dirs[i]))) {
			if (w->to_core) /* as sdp_emit_core has it, behind all other lines */
				sdp_put_core_rtcp(w->o, &w->st->pub);
			sdp_out_put(w->o, "a=%s\r\n", sdp_direction_name(w->st->dir));
			return true;
		}
	return false;
}

/* Of RTCP, where it is not multiplexed, or off. */
static bool put_rtcp(const struct walk *w, struct gw_slice line)
{
	const struct cscf_sdp_stream *pub = &w->st->pub;
	const struct cscf_sdp_access_local *l = &pub->access_local;

	if (gw_slice_eq_str(line, "b=RS:0") || gw_slice_eq_str(line, "b=RR:0"))
		return w->to_core && pub->core_rtcp != CSCF_SDP_RTCP_OFF;
	if (w->to_core)
		return begins(line, "a=rtcp:") || gw_slice_eq_str(line, "a=rtcp-mux");
	if (!begins(line, "a=rtcp:"))
		return false;
	if (pub->access_rtcp != CSCF_SDP_RTCP_MUX) /* else there is no second component any more */
		sdp_out_put(w->o, "a=rtcp:%u\r\n", l->rtcp_port != 0 ? l->rtcp_port : l->port + 1U);
	return true;
}

/* Written at once where the first of them stood. */
static const char *const of_transport[] = {"a=ice-pwd:", "a=candidate:",   "a=end-of-candidates",
					   "a=setup:",   "a=tls-id:",      "a=acfg:",
					   "a=3ge2ae:",  "a=rtcp-mux-only"};

/* A line of a live m-section. @return false: copy it */
static bool put_of_stream(struct walk *w, struct gw_slice line, bool *fp_done)
{
	if (begins(line, "c="))
		return true;
	if (!begins(line, "i="))
		flush(w);
	if (is_of_other_format(w, line) || is_off(w, line) || put_direction(w, line))
		return true;
	if (begins(line, "a=rtcp-fb:")) { /* what is agreed of it, once */
		if (!w->fb_done)
			sdp_out_fb(w->o, w->st, w->to_core);
		w->fb_done = true;
		return true;
	}
	if (put_rtcp(w, line))
		return true;
	for (size_t i = 0; i < sizeof(of_transport) / sizeof(of_transport[0]); i++)
		if (begins(line, of_transport[i]))
			return true;
	if (!w->to_core && gw_slice_eq_str(line, "a=rtcp-mux")) {
		if (w->st->pub.access_rtcp == CSCF_SDP_RTCP_MUX) /* else it was offered in vain */
			sdp_out_put(w->o, "a=rtcp-mux\r\n%s",
				    w->s->policy->access_rtcp_mux == CSCF_SDP_MUX_REQUIRE
					? "a=rtcp-mux-only\r\n"
					: "");
		return true;
	}
	if (begins(line, "a=ice-ufrag:")) {
		sdp_out_put(w->o, "a=3ge2ae:applied\r\n"); /* in offers, always (SDP-07) */
		sdp_put_wic_ice(w->o, &w->st->pub);
		return true;
	}
	if (!begins(line, "a=fingerprint:"))
		return false;
	if (!*fp_done)
		sdp_put_wic_dtls(w->s, w->o, w->st, true);
	*fp_done = true;
	return true;
}

static bool stays_when_dead(struct gw_slice line)
{
	return begins(line, "a=mid:") || gw_slice_eq_str(line, "a=inactive");
}

static void put_line(struct walk *w, struct gw_slice line, bool *fp_done)
{
	const char *addr = w->to_core ? w->s->work.core_addr : w->s->work.wic_addr;

	if (begins(line, "m=")) {
		*fp_done = false;
		put_m(w, line);
	} else if ((w->dead && !stays_when_dead(line)) ||
		   (w->st != NULL && put_of_stream(w, line, fp_done)) ||
		   gw_slice_eq_str(line, "a=ice-lite")) {
		return; /* not the old gateway's mode: that of the new one is behind t= */
	} else if (begins(line, "c=")) {
		put_c(w->o, addr);
	} else if (!w->to_core && w->line < 0 && begins(line, "t=")) {
		sdp_out_put(w->o, "%.*s\r\n%s", GW_SLICE_FMT(line),
			    sdp_has_full_agent(&w->s->work) ? "" : "a=ice-lite\r\n");
	} else {
		sdp_out_put(w->o, "%.*s\r\n", GW_SLICE_FMT(line));
	}
}

static void put_body(struct walk *w, const char *body)
{
	bool fp_done = false;

	while (*body != '\0') {
		const char *nl = strchr(body, '\n');
		size_t n = nl != NULL ? (size_t)(nl - body) : strlen(body);
		struct gw_slice line = {body, n > 0 && body[n - 1] == '\r' ? n - 1 : n};

		put_line(w, line, &fp_done);
		body += nl != NULL ? n + 1 : n;
	}
	flush(w);
}

enum gw_err cscf_sdp_move_local(struct cscf_sdp_session *s, size_t i,
				const struct cscf_sdp_access_local *access,
				const struct cscf_sdp_core_local *core)
{
	struct cscf_sdp_stream *pub;

	if (s->open)
		return GW_ERR_STATE;
	if (i >= s->cur.n)
		return GW_ERR_NOT_FOUND;
	pub = &s->cur.v[i]->pub;
	pub->access_local = *access;
	pub->core_local = *core;
	pub->has_local = true;
	s->cur.v[i]->tls_id[0] = '\0'; /* a new association has a new one (RFC 8842 s4) */
	return GW_OK;
}

enum cscf_sdp_verdict cscf_sdp_reoffer_moved(struct cscf_sdp_session *s, bool to_core,
					     struct cscf_sdp_text *out)
{
	struct sdp_leg *leg = to_core ? &s->core : &s->wic;
	const char *body = sdp_reoffer_body(leg);
	struct sdp_out o = {0};
	struct walk w = {.s = s, .o = &o, .to_core = to_core, .line = -1};
	enum cscf_sdp_verdict v;

	if (s->open || body == NULL)
		return CSCF_SDP_STATE;
	v = sdp_reoffer_open(s, to_core);
	if (v == CSCF_SDP_OK && !sdp_choose_addresses(&s->work))
		v = CSCF_SDP_STATE;
	if (v == CSCF_SDP_OK) {
		for (size_t i = 0; i < s->work.n; i++)
			sdp_dtls_tls_id(s->work.v[i]);
		put_body(&w, body);
		v = sdp_out_finish(&o, leg, to_core ? s->work.core_addr : s->work.wic_addr, out);
	}
	if (v != CSCF_SDP_OK)
		cscf_sdp_rollback(s);
	return v;
}
