/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where the SDP layer's typed parameters become Iq messages (and back:
 * media_result.c). Nothing is decided here but the gates: what the directions allow, less what the
 * call's state forbids. Everything built lives in one object; strings are borrowed from the SDP
 * session. Thread: the cscf loop. Spec: calls-and-media 5.3 Reserve, Modify; IQ-03..06, DTLS-05.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#include <stdio.h>
#include <stdlib.h>

#define FP_TEXT     (64 * 3)
#define MAX_FB      4

#define MAX_REMOTES 8 /* one early dialog heard, one just added, the rest forgotten */

struct media_params {
	const struct call *c;
	const struct cscf_sdp_session *sdp; /* borrowed: of the dialog that is heard */
	const struct dialog *heard;         /* borrowed; NULL: there is but one */
	enum media_ask ask;
	unsigned verbs;
	size_t n;
	IqStreamRequest *list[IQ_MAX_STREAMS];
	struct params {
		IqStreamRequest req;
		IqGate gate;
		IqPolicing policing;
		IqAccessTermination access;
		IqCoreTermination core;
		IqRemoteIce ice;
		IqIceCredentials cred;
		IqRemoteDtls dtls;
		IqCandidate cand[CSCF_SDP_MAX_CAND], *cand_list[CSCF_SDP_MAX_CAND];
		IqAddress cand_addr[CSCF_SDP_MAX_CAND];
		IqFingerprint fp[CSCF_SDP_MAX_FP], *fp_list[CSCF_SDP_MAX_FP];
		char fp_text[CSCF_SDP_MAX_FP][FP_TEXT];
		IqPayloadType pt[IQ_MAX_PAYLOAD_TYPES], *pt_list[IQ_MAX_PAYLOAD_TYPES];
		struct remote {
			IqCoreRemote msg;
			IqAddress rtp, rtcp;
			char rtp_ip[CSCF_SDP_ADDR_LEN], rtcp_ip[CSCF_SDP_ADDR_LEN];
			char branch[BRANCH_TEXT];
		} remote[MAX_REMOTES];
		IqCoreRemote *remote_list[MAX_REMOTES];
		Wicgate__Iq__V1__Feedback fb[MAX_FB], core_fb[MAX_FB];
		struct exts {
			IqHeaderExtension ext[CSCF_SDP_MAX_EXT], *list[CSCF_SDP_MAX_EXT];
			char uri[CSCF_SDP_MAX_EXT][CSCF_SDP_EXT_URI];
			size_t n;
		} exts[2]; /* access, core */
		char label[24];
		/* protobuf-c wants writable strings */
		char ufrag[CSCF_SDP_ICE_LEN], pwd[CSCF_SDP_ICE_LEN], tls_id[256];
		char access_realm[IQ_MAX_ID + 1], core_realm[IQ_MAX_ID + 1];
		struct cscf_sdp_cand cand_copy[CSCF_SDP_MAX_CAND];
		struct cscf_sdp_fp fp_copy[CSCF_SDP_MAX_FP];
		struct cscf_sdp_fmt fmt_copy[IQ_MAX_PAYLOAD_TYPES];
	} p[];
};

static void fp_print(char *out, const struct cscf_sdp_fp *fp)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = fp->len < 64 ? fp->len : 64;

	for (size_t i = 0; i < n; i++) {
		out[3 * i] = hex[fp->value[i] >> 4];
		out[3 * i + 1] = hex[fp->value[i] & 15];
		out[3 * i + 2] = i + 1 < n ? ':' : '\0';
	}
}

static Wicgate__Iq__V1__Candidate__Type cand_type(const char *type)
{
	if (strcmp(type, "srflx") == 0)
		return IQ_V(CANDIDATE__TYPE__SRFLX);
	if (strcmp(type, "prflx") == 0)
		return IQ_V(CANDIDATE__TYPE__PRFLX);
	return strcmp(type, "relay") == 0 ? IQ_V(CANDIDATE__TYPE__RELAY)
					  : IQ_V(CANDIDATE__TYPE__HOST);
}

/* Only an offerer restarts ICE; new credentials in an answer are just the peer's. */
static void fill_ice(struct params *p, struct media_params *all, const struct cscf_sdp_stream *st)
{
	const struct cscf_sdp_access_remote *r = &st->access_remote;

	wicgate__iq__v1__remote_ice__init(&p->ice);
	wicgate__iq__v1__ice_credentials__init(&p->cred);
	snprintf(p->ufrag, sizeof(p->ufrag), "%s", r->ufrag);
	snprintf(p->pwd, sizeof(p->pwd), "%s", r->pwd);
	p->cred.ufrag = p->ufrag;
	p->cred.pwd = p->pwd;
	p->ice.credentials = &p->cred;
	p->ice.lite = r->ice_lite;
	/* once per round: whatever repeats the parameters repeats neither of the two verbs */
	p->ice.restart = st->ice_restart && st->has_local &&
			 (all->c->media.verbs_done & MEDIA_VERB_RESTART) == 0 &&
			 cscf_sdp_round_from_wic(all->sdp);
	if (p->ice.restart)
		all->verbs |= MEDIA_VERB_RESTART;
	p->ice.candidates = p->cand_list;
	for (size_t i = 0; i < r->n_cands && i < CSCF_SDP_MAX_CAND; i++) {
		IqCandidate *cand = &p->cand[i];

		p->cand_copy[i] = r->cands[i];
		wicgate__iq__v1__candidate__init(cand);
		wicgate__iq__v1__address__init(&p->cand_addr[i]);
		cand->foundation = p->cand_copy[i].foundation;
		cand->component = r->cands[i].component;
		cand->priority = r->cands[i].priority;
		cand->type = cand_type(r->cands[i].type);
		cand->address = &p->cand_addr[i];
		p->cand_addr[i].ip = p->cand_copy[i].addr;
		p->cand_addr[i].port = r->cands[i].port;
		p->cand_list[p->ice.n_candidates++] = cand;
	}
}

static void fill_dtls(struct params *p, struct media_params *all, const struct cscf_sdp_stream *st)
{
	const struct cscf_sdp_access_remote *r = &st->access_remote;

	wicgate__iq__v1__remote_dtls__init(&p->dtls);
	switch (st->dtls) {
	case CSCF_SDP_DTLS_UNDECIDED:
		p->dtls.role = IQ_V(DTLS_ROLE__DTLS_ROLE_UNSPECIFIED);
		break;
	case CSCF_SDP_DTLS_CLIENT:
		p->dtls.role = IQ_V(DTLS_ROLE__DTLS_CLIENT);
		break;
	case CSCF_SDP_DTLS_SERVER:
		p->dtls.role = IQ_V(DTLS_ROLE__DTLS_SERVER);
		break;
	}
	p->dtls.new_association =
	    st->new_dtls && st->has_local && (all->c->media.verbs_done & MEDIA_VERB_NEW_DTLS) == 0;
	if (p->dtls.new_association)
		all->verbs |= MEDIA_VERB_NEW_DTLS;
	snprintf(p->tls_id, sizeof(p->tls_id), "%s", r->tls_id);
	p->dtls.tls_id = p->tls_id;
	p->dtls.fingerprints = p->fp_list;
	for (size_t i = 0; i < r->n_fps && i < CSCF_SDP_MAX_FP; i++) {
		IqFingerprint *f = &p->fp[i];

		p->fp_copy[i] = r->fps[i];
		wicgate__iq__v1__fingerprint__init(f);
		fp_print(p->fp_text[i], &r->fps[i]);
		f->hash = p->fp_copy[i].hash;
		f->value = p->fp_text[i];
		p->fp_list[p->dtls.n_fingerprints++] = f;
	}
}

static size_t fill_feedback(Wicgate__Iq__V1__Feedback fb[MAX_FB], const struct cscf_sdp_stream *st,
			    bool access)
{
	unsigned set = 0;
	size_t n = 0;

	for (size_t i = 0; i < st->n_fmts; i++)
		set |= access ? cscf_sdp_wic_fb(st, i) : st->fmts[i].fb;
	if ((set & CSCF_SDP_FB_NACK) != 0)
		fb[n++] = IQ_V(FEEDBACK__NACK);
	if ((set & CSCF_SDP_FB_PLI) != 0)
		fb[n++] = IQ_V(FEEDBACK__PLI);
	if ((set & CSCF_SDP_FB_FIR) != 0)
		fb[n++] = IQ_V(FEEDBACK__FIR);
	if ((set & CSCF_SDP_FB_TMMBR) != 0)
		fb[n++] = IQ_V(FEEDBACK__TMMBR);
	return n;
}

static size_t fill_formats(struct params *p, const struct cscf_sdp_stream *st)
{
	size_t n = 0;

	for (size_t i = 0; i < st->n_fmts && n < IQ_MAX_PAYLOAD_TYPES; i++, n++) {
		p->fmt_copy[n] = st->fmts[i];
		wicgate__iq__v1__payload_type__init(&p->pt[n]);
		p->pt[n].pt = st->fmts[i].pt;
		p->pt[n].encoding = p->fmt_copy[n].name;
		p->pt[n].clock_rate = st->fmts[i].clock_hz;
		p->pt_list[n] = &p->pt[n];
	}
	return n;
}

static void fill_exts(struct exts *e, const struct cscf_sdp_stream *st, bool access)
{
	for (size_t i = 0; i < st->n_exts; i++) {
		const struct cscf_sdp_ext *x = &st->exts[i];
		IqHeaderExtension *to = &e->ext[e->n];

		if (!x->on)
			continue;
		wicgate__iq__v1__header_extension__init(to);
		to->id = access ? x->wic_id : x->core_id;
		to->peer_id = access ? x->core_id : x->wic_id;
		snprintf(e->uri[e->n], sizeof(e->uri[0]), "%s", x->uri);
		to->uri = e->uri[e->n];
		e->list[e->n++] = to;
	}
}

/* Offered to the WIC and not answered yet: both ways stay open (BUN-17). */
static Wicgate__Iq__V1__RtcpMode access_rtcp(const struct call *c, const struct cscf_sdp_stream *st)
{
	if (st->access_rtcp != CSCF_SDP_RTCP_MUX)
		return IQ_V(RTCP_MODE__RTCP_SEPARATE);
	if (!st->access_remote.known && c->s->p.sdp_policy->access_rtcp_mux == CSCF_SDP_MUX_OFFER)
		return IQ_V(RTCP_MODE__RTCP_MUX_OFFERED);
	return IQ_V(RTCP_MODE__RTCP_MUX);
}

static void fill_access(struct params *p, struct media_params *all,
			const struct cscf_sdp_stream *st)
{
	const struct call *c = all->c;
	const struct cscf_session_config *cfg = c->s->cfg;
	IqAccessTermination *a = &p->access;

	wicgate__iq__v1__access_termination__init(a);
	snprintf(p->access_realm, sizeof(p->access_realm), "%s", cfg->access_realm);
	a->realm = p->access_realm;
	a->transport = IQ_V(ACCESS_TRANSPORT__UDP_TLS_RTP_SAVPF);
	a->rtcp = access_rtcp(c, st);
	a->payload_types = p->pt_list;
	a->n_payload_types = fill_formats(p, st);
	a->feedback = p->fb;
	a->n_feedback = fill_feedback(p->fb, st, true);
	fill_exts(&p->exts[0], st, true);
	a->header_extensions = p->exts[0].list;
	a->n_header_extensions = p->exts[0].n;
	a->dscp = media_rules_dscp(cfg, st, false);
	if (!st->access_remote.known || all->ask == MEDIA_ASK_MOVE) /* the WIC is yet to answer */
		return;
	fill_ice(p, all, st);
	fill_dtls(p, all, st);
	a->ice = &p->ice;
	a->dtls = &p->dtls;
}

static Wicgate__Iq__V1__AddressFamily core_family(const struct call *c,
						  const struct cscf_sdp_stream *st)
{
	if (st->core_remote.known && st->core_remote.addr[0] != '\0')
		return strchr(st->core_remote.addr, ':') != NULL ? IQ_V(ADDRESS_FAMILY__IPV6)
								 : IQ_V(ADDRESS_FAMILY__IPV4);
	return c->s->cfg->core_family == 6 ? IQ_V(ADDRESS_FAMILY__IPV6)
					   : IQ_V(ADDRESS_FAMILY__IPV4);
}

static struct remote *remote_add(struct params *p, const struct dialog *d)
{
	size_t n = p->core.n_remotes;
	struct remote *r;

	if (n == MAX_REMOTES)
		return NULL;
	r = &p->remote[n];
	wicgate__iq__v1__core_remote__init(&r->msg);
	snprintf(r->branch, sizeof(r->branch), "%s", d != NULL ? d->branch : "");
	r->msg.branch = r->branch;
	p->remote_list[n] = &r->msg;
	p->core.remotes = p->remote_list;
	p->core.n_remotes = n + 1;
	return r;
}

static void fill_remote(struct params *p, const struct dialog *d, const struct cscf_sdp_stream *st,
			bool active)
{
	const struct cscf_sdp_core_remote *r = &st->core_remote;
	struct remote *to;

	if (!r->known || r->addr[0] == '\0' || r->port == 0)
		return;
	to = remote_add(p, d);
	if (to == NULL)
		return;
	wicgate__iq__v1__address__init(&to->rtp);
	wicgate__iq__v1__address__init(&to->rtcp);
	snprintf(to->rtp_ip, sizeof(to->rtp_ip), "%s", r->addr);
	snprintf(to->rtcp_ip, sizeof(to->rtcp_ip), "%s",
		 r->rtcp_addr[0] != '\0' ? r->rtcp_addr : r->addr);
	to->rtp.ip = to->rtp_ip;
	to->rtp.port = r->port;
	to->rtcp.ip = to->rtcp_ip;
	to->rtcp.port = r->rtcp_port != 0 ? r->rtcp_port : r->port + 1U;
	to->msg.rtp = &to->rtp;
	to->msg.rtcp = to->rtcp.port <= 65535 ? &to->rtcp : NULL;
	to->msg.active = active;
}

/* The dialogs that are over, the one at work (when another is heard), the one that is heard. */
static void fill_remotes(struct params *p, const struct media_params *all,
			 const struct cscf_sdp_stream *st)
{
	const struct dialog *now = all->c->media.dialog, *d;
	const struct cscf_sdp_stream *other;

	DL_FOREACH (all->c->dialogs, d)
		if (d->branch_over && p->core.n_remotes < MAX_REMOTES - 2) {
			struct remote *r = remote_add(p, d);

			r->msg.drop = true;
		}
	if (now != all->heard && now != NULL && all->ask == MEDIA_ASK_CONFIGURE) {
		other = media_stream_by_id(all->c->media.sdp, st->stream_id);
		if (other != NULL && other->live)
			fill_remote(p, now, other, false);
	}
	fill_remote(p, all->heard, st, true);
}

static void fill_core(struct params *p, const struct media_params *all,
		      const struct cscf_sdp_stream *st)
{
	const struct call *c = all->c;
	const struct cscf_session_config *cfg = c->s->cfg;
	const struct cscf_sdp_core_remote *r = &st->core_remote;
	IqCoreTermination *t = &p->core;

	wicgate__iq__v1__core_termination__init(t);
	snprintf(p->core_realm, sizeof(p->core_realm), "%s", cfg->core_realm);
	t->realm = p->core_realm;
	t->family = core_family(c, st);
	t->transport =
	    st->core_avpf ? IQ_V(CORE_TRANSPORT__RTP_AVPF) : IQ_V(CORE_TRANSPORT__RTP_AVP);
	t->rtcp = st->core_rtcp == CSCF_SDP_RTCP_MUX   ? IQ_V(RTCP_MODE__RTCP_MUX)
		  : st->core_rtcp == CSCF_SDP_RTCP_OFF ? IQ_V(RTCP_MODE__RTCP_OFF)
						       : IQ_V(RTCP_MODE__RTCP_SEPARATE);
	t->filter = (Wicgate__Iq__V1__SourceFilter)cfg->source_filter;
	t->latch = cfg->latch_once ? IQ_V(LATCH_MODE__LATCH_ONCE) : IQ_V(LATCH_MODE__LATCH_OFF);
	t->dscp = media_rules_dscp(cfg, st, true);
	t->payload_types = p->pt_list;
	t->n_payload_types = p->access.n_payload_types;
	t->feedback = p->core_fb;
	t->n_feedback = st->core_avpf ? fill_feedback(p->core_fb, st, false) : 0;
	fill_exts(&p->exts[1], st, false);
	t->header_extensions = p->exts[1].list;
	t->n_header_extensions = p->exts[1].n;
	if (r->known && r->b_rs_bps >= 0 && r->b_rr_bps >= 0) {
		t->rs_bps = (uint32_t)r->b_rs_bps;
		t->rr_bps = (uint32_t)r->b_rr_bps;
		t->has_rs_rr = true;
	}
	fill_remotes(p, all, st);
}

static void fill_gate(struct params *p, const struct media_params *all,
		      const struct cscf_sdp_stream *st)
{
	bool up, down;

	wicgate__iq__v1__gate__init(&p->gate);
	if (all->ask == MEDIA_ASK_CONFIGURE && st->live && !media_is_shut(all->c, st)) {
		media_early_gates(all->c, all->heard, &up, &down);
		p->gate.uplink = st->gate_uplink && up;
		p->gate.downlink = st->gate_downlink && down;
	}
	if (all->ask != MEDIA_ASK_PREPARE) /* an offer in flight opens and shuts nothing */
		p->req.gate = &p->gate;
}

void media_params_stream(IqStreamRequest *req, const struct call *c,
			 const struct cscf_sdp_stream *st)
{
	int64_t inactivity = c->s->cfg->inactivity;

	req->stream_id = st->stream_id;
	req->kind = st->media == CSCF_SDP_VIDEO  ? IQ_V(MEDIA_KIND__VIDEO)
		    : st->media == CSCF_SDP_TEXT ? IQ_V(MEDIA_KIND__TEXT)
						 : IQ_V(MEDIA_KIND__AUDIO);
	req->inactivity_ms = (uint32_t)inactivity;
	req->inactivity_off = inactivity == 0 || (!st->gate_uplink && !st->gate_downlink);
}

static void fill(struct params *p, struct media_params *all, size_t i)
{
	const struct cscf_sdp_stream *st = cscf_sdp_stream(all->sdp, i);
	const char *word = st->media == CSCF_SDP_VIDEO ? "video" : "audio";

	wicgate__iq__v1__stream_request__init(&p->req);
	media_params_stream(&p->req, all->c, st);
	snprintf(p->label, sizeof(p->label), "%s-%u", word, st->stream_id);
	p->req.label = p->label;
	fill_gate(p, all, st);
	if (!st->live) /* refused by the dialog that is heard: another may still want it */
		return;
	fill_access(p, all, st);
	fill_core(p, all, st);
	media_rules_fill(&p->req, &p->policing, all->c->s->cfg, st,
			 cscf_sdp_told_core_kbps(all->sdp, i));
	p->req.access = &p->access;
	p->req.core = &p->core;
}

static bool is_asked_for(const struct media_params *all, const struct cscf_sdp_stream *st)
{
	switch (all->ask) {
	case MEDIA_ASK_RESERVE:
		return st->live && !st->has_local;
	case MEDIA_ASK_PREPARE:
		return st->live && st->has_local && !st->is_new;
	case MEDIA_ASK_MOVE:
		return st->live;
	case MEDIA_ASK_CONFIGURE:
		break;
	}
	return st->has_local && (st->live || media_is_forked(all->c));
}

enum gw_err media_params_new(struct media_params **out, const struct call *c, enum media_ask ask)
{
	struct media_params key = {
	    .c = c, .sdp = c->media.sdp, .heard = c->media.dialog, .ask = ask};
	size_t total, n = 0;
	struct media_params *p;

	if (ask == MEDIA_ASK_CONFIGURE || ask == MEDIA_ASK_MOVE) {
		key.heard = media_heard(c);
		key.sdp = media_sdp_of(c, key.heard);
	}
	total = cscf_sdp_stream_count(key.sdp);
	for (size_t i = 0; i < total; i++)
		n += is_asked_for(&key, cscf_sdp_stream(key.sdp, i)) ? 1 : 0;
	if (n > IQ_MAX_STREAMS)
		return GW_ERR_LIMIT;
	p = calloc(1, sizeof(*p) + n * sizeof(p->p[0]));
	if (p == NULL)
		return GW_ERR_NOMEM;
	*p = key;
	for (size_t i = 0; i < total && p->n < n; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(key.sdp, i);

		if (!is_asked_for(&key, st))
			continue;
		fill(&p->p[p->n], p, i);
		p->list[p->n] = &p->p[p->n].req;
		p->n++;
	}
	*out = p;
	return GW_OK;
}

unsigned media_params_verbs(const struct media_params *p)
{
	return p->verbs;
}

void media_params_free(struct media_params *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		explicit_bzero(p->p[i].pwd, sizeof(p->p[i].pwd));
	free(p);
}

IqStreamRequest **media_params_streams(struct media_params *p, size_t *n)
{
	*n = p->n;
	return p->list;
}
