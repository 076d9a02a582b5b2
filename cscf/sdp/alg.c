/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public face of cscf/sdp: sessions, rounds, verdicts. A round works on a copy of the
 * committed stream table; commit swaps it in, rollback drops it (SDP-35).
 * Thread: the cscf loop. Spec: RFC 3264; calls-and-media section 3.
 */
#include "cscf/sdp/alg.h"

#include "cscf/sdp/sdp_int.h"

static const struct {
	const char *word;
	int status, warning;
} verdicts[CSCF_SDP_VERDICT_COUNT] = {
#define X(name, status, warning, word) [CSCF_SDP_##name] = {word, status, warning},
    CSCF_SDP_VERDICT_LIST(X)
#undef X
};

/* RFC 3261 s20.43 */
static const struct {
	int code;
	const char *text;
} warnings[] = {
    {300, "Incompatible network protocol"},      {301, "Incompatible network address formats"},
    {302, "Incompatible transport protocol"},    {304, "Media type not available"},
    {305, "Incompatible media format"},          {370, "Insufficient bandwidth"},
    {399, "Session description not acceptable"},
};

const char *cscf_sdp_verdict_name(enum cscf_sdp_verdict v)
{
	return (unsigned)v < CSCF_SDP_VERDICT_COUNT ? verdicts[v].word : "unknown";
}

int cscf_sdp_verdict_status(enum cscf_sdp_verdict v)
{
	return (unsigned)v < CSCF_SDP_VERDICT_COUNT ? verdicts[v].status : 500;
}

int cscf_sdp_verdict_warning(enum cscf_sdp_verdict v, const char **text)
{
	int code = (unsigned)v < CSCF_SDP_VERDICT_COUNT ? verdicts[v].warning : 0;

	*text = "";
	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++)
		if (warnings[i].code == code)
			*text = warnings[i].text;
	return code;
}

bool cscf_sdp_verdict_wants_allowed(enum cscf_sdp_verdict v)
{
	return v == CSCF_SDP_NO_FORMAT || v == CSCF_SDP_NO_MEDIA || v == CSCF_SDP_BANDWIDTH ||
	       v == CSCF_SDP_TOO_MANY || v == CSCF_SDP_PROTO;
}

void cscf_sdp_policy_default(struct cscf_sdp_policy *policy)
{
	*policy = (struct cscf_sdp_policy){
	    .access_rtcp_mux = CSCF_SDP_MUX_REQUIRE,
	    .core_video_avpf = true,
	    .accept_old_savpf = true,
	};
}

enum gw_err cscf_sdp_session_new(struct cscf_sdp_session **out,
				 const struct cscf_sdp_policy *policy)
{
	struct cscf_sdp_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return GW_ERR_NOMEM;
	s->policy = policy;
	*out = s;
	return GW_OK;
}

static void forget_round(struct cscf_sdp_session *s)
{
	sdp_state_free(&s->work);
	sdp_free(s->offer);
	sdp_free(s->answer);
	s->offer = s->answer = NULL;
	s->wic.seen_now = s->core.seen_now = 0;
	s->wic.written = s->core.written = false;
	s->open = s->answered = s->ours = false;
}

static void free_text(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void leg_fini(struct sdp_leg *leg)
{
	if (leg->last != NULL)
		explicit_bzero(leg->last, leg->last_n);
	free(leg->last);
	free_text(leg->agreed_text);
}

void cscf_sdp_session_free(struct cscf_sdp_session *s)
{
	if (s == NULL)
		return;
	forget_round(s);
	sdp_state_free(&s->cur);
	leg_fini(&s->wic);
	leg_fini(&s->core);
	free(s->core_said);
	free(s);
}

/* Nothing hangs on it but convenience: FNV-1a, eight octets at a time. */
static uint64_t hash_of(const char *text, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ n, word;

	for (; n > 0; text += sizeof(word), n -= sizeof(word)) {
		size_t k = n < sizeof(word) ? n : sizeof(word);

		word = 0;
		memcpy(&word, text, k);
		h = (h ^ word) * UINT64_C(0x100000001b3);
		h ^= h >> 29;
		if (k < sizeof(word))
			break;
	}
	return h;
}

static uint64_t origin_of(const struct sdp *sdp)
{
	return hash_of(sdp->origin.p, sdp->origin.n) | 1U; /* 0: none yet */
}

static bool same_origin(const struct sdp_leg *leg, const struct sdp *sdp)
{
	return origin_of(sdp) == (leg->seen_now != 0 ? leg->seen_now : leg->seen);
}

/* @return true when this o= is the last one seen on the leg (SDP-11); kept at commit only, so that
 * an offer that comes again after a refused round is not taken for a repeat */
static bool note_origin(struct sdp_leg *leg, const struct sdp *sdp, uint64_t hash)
{
	bool repeat = same_origin(leg, sdp);

	leg->seen_now = origin_of(sdp);
	leg->hash_now = hash;
	return repeat;
}

static void keep_origin(struct sdp_leg *leg)
{
	if (leg->seen_now == 0)
		return;
	leg->seen = leg->seen_now;
	leg->hash = leg->hash_now;
}

static enum cscf_sdp_verdict offer_from(struct cscf_sdp_session *s, const char *text, size_t n,
					bool from_wic)
{
	struct sdp_leg *leg = from_wic ? &s->wic : &s->core;
	struct sdp *offer;
	enum cscf_sdp_verdict v;
	uint64_t hash;

	if (s->open)
		return CSCF_SDP_STATE;
	v = sdp_parse(&offer, text, n);
	if (v != CSCF_SDP_OK)
		return v;
	if (!sdp_state_dup(&s->work, &s->cur)) {
		sdp_free(offer);
		return CSCF_SDP_NOMEM;
	}
	s->offer = offer;
	s->max_bundle = false;
	hash = hash_of(text, n);
	s->same_offer = same_origin(leg, offer) && leg->hash == hash;
	for (size_t i = 0; i < s->work.n; i++)
		s->work.v[i]->pub.is_new = false;
	v = from_wic ? sdp_round_offer_wic(s, &s->work) : sdp_round_offer_core(s, &s->work);
	if (v != CSCF_SDP_OK) {
		forget_round(s);
		return v;
	}
	s->open = true;
	s->from_wic = from_wic;
	s->repeat = note_origin(leg, offer, hash);
	return CSCF_SDP_OK;
}

enum cscf_sdp_verdict cscf_sdp_offer_from_wic(struct cscf_sdp_session *s, const char *text,
					      size_t n)
{
	return offer_from(s, text, n, true);
}

enum cscf_sdp_verdict cscf_sdp_offer_from_core(struct cscf_sdp_session *s, const char *text,
					       size_t n)
{
	return offer_from(s, text, n, false);
}

static enum cscf_sdp_verdict answer_from(struct cscf_sdp_session *s, const char *text, size_t n,
					 bool from_wic)
{
	struct sdp_state w;
	struct sdp *answer;
	enum cscf_sdp_verdict v;

	if (!s->open || s->from_wic == from_wic)
		return CSCF_SDP_STATE;
	v = sdp_parse(&answer, text, n);
	if (v != CSCF_SDP_OK)
		return v;
	if (!sdp_state_dup(&w, &s->work)) {
		sdp_free(answer);
		return CSCF_SDP_NOMEM;
	}
	v = from_wic ? sdp_round_answer_wic(s, &w, answer) : sdp_round_answer_core(s, &w, answer);
	if (v != CSCF_SDP_OK) {
		sdp_state_free(&w);
		sdp_free(answer);
		return v;
	}
	sdp_state_free(&s->work);
	sdp_free(s->answer);
	s->work = w;
	s->answer = answer;
	s->answered = true;
	s->repeat = note_origin(from_wic ? &s->wic : &s->core, answer, hash_of(text, n));
	return CSCF_SDP_OK;
}

enum cscf_sdp_verdict cscf_sdp_answer_from_core(struct cscf_sdp_session *s, const char *text,
						size_t n)
{
	return answer_from(s, text, n, false);
}

enum cscf_sdp_verdict cscf_sdp_answer_from_wic(struct cscf_sdp_session *s, const char *text,
					       size_t n)
{
	return answer_from(s, text, n, true);
}

enum gw_err cscf_sdp_set_local(struct cscf_sdp_session *s, size_t i,
			       const struct cscf_sdp_access_local *access,
			       const struct cscf_sdp_core_local *core)
{
	struct cscf_sdp_stream *pub;

	if (!s->open)
		return GW_ERR_STATE;
	if (i >= s->work.n)
		return GW_ERR_NOT_FOUND;
	pub = &s->work.v[i]->pub;
	if (access != NULL)
		pub->access_local = *access;
	if (core != NULL)
		pub->core_local = *core;
	pub->has_local = true;
	return GW_OK;
}

static void clear_local(struct sdp_state *st, size_t i)
{
	struct cscf_sdp_stream *pub;

	if (i >= st->n)
		return;
	pub = &st->v[i]->pub;
	explicit_bzero(&pub->access_local, sizeof(pub->access_local));
	memset(&pub->core_local, 0, sizeof(pub->core_local));
	pub->has_local = false;
}

void cscf_sdp_clear_local(struct cscf_sdp_session *s, size_t i)
{
	clear_local(&s->cur, i);
	if (s->open)
		clear_local(&s->work, i);
}

void cscf_sdp_stream_refuse(struct cscf_sdp_session *s, size_t i, enum cscf_sdp_verdict why)
{
	if (s->open && !s->answered && i < s->work.n)
		sdp_stream_refuse(s->work.v[i], why);
}

/* The address for session level: that of the first live stream, else the one used before. */
bool sdp_choose_addresses(struct sdp_state *w)
{
	bool wic = false, core = false;

	for (size_t i = 0; i < w->n; i++) {
		const struct cscf_sdp_stream *pub = &w->v[i]->pub;

		if (!pub->live)
			continue;
		if (!pub->has_local)
			return false;
		if (!wic)
			memcpy(w->wic_addr, pub->access_local.addr, sizeof(w->wic_addr));
		if (!core)
			memcpy(w->core_addr, pub->core_local.addr, sizeof(w->core_addr));
		wic = core = true;
	}
	return w->wic_addr[0] != '\0' && w->core_addr[0] != '\0';
}

enum cscf_sdp_verdict sdp_keep_offered(struct sdp_state *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct sdp_stream *st = w->v[i];
		struct sdp_fmts fmts;

		if (!sdp_fmts_dup(&fmts, &st->fmts))
			return CSCF_SDP_NOMEM;
		sdp_fmts_free(&st->offered);
		st->offered = fmts;
		st->offered_live = st->pub.live;
		st->offered_access_rtcp = st->pub.access_rtcp;
		st->offered_core_rtcp = st->pub.core_rtcp;
		for (size_t k = 0; k < st->pub.n_exts; k++)
			st->pub.exts[k].offered = st->pub.exts[k].on;
	}
	return CSCF_SDP_OK;
}

/* A new stream's own parameters are known only now: the WIC's offer is held against them (SDP-48).
 */
static bool reflects_us(const struct sdp_state *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i]->pub.live &&
		    sdp_reflects(&w->v[i]->pub.access_remote, &w->v[i]->pub.access_local))
			return true;
	return false;
}

static enum cscf_sdp_verdict emit(struct cscf_sdp_session *s, bool to_wic, bool offer,
				  struct cscf_sdp_text *out)
{
	struct sdp_out o = {0};
	enum cscf_sdp_verdict v;

	if (!s->open || s->from_wic == (offer ? to_wic : !to_wic) || s->answered == offer)
		return CSCF_SDP_STATE;
	if (offer) {
		v = sdp_round_verdict(&s->work, &s->cur);
		if (v != CSCF_SDP_OK)
			return v;
	}
	if (!sdp_choose_addresses(&s->work))
		return CSCF_SDP_STATE;
	if (offer && !to_wic && reflects_us(&s->work))
		return CSCF_SDP_REFLECTED;
	if (offer) {
		v = sdp_keep_offered(&s->work);
		if (v != CSCF_SDP_OK)
			return v;
	}
	if (to_wic)
		sdp_emit_wic(s, &o, offer);
	else
		sdp_emit_core(s, &o, offer);
	return sdp_out_finish(&o, to_wic ? &s->wic : &s->core,
			      to_wic ? s->work.wic_addr : s->work.core_addr, out);
}

enum cscf_sdp_verdict cscf_sdp_offer_to_core(struct cscf_sdp_session *s, struct cscf_sdp_text *out)
{
	return emit(s, false, true, out);
}

enum cscf_sdp_verdict cscf_sdp_offer_to_wic(struct cscf_sdp_session *s, struct cscf_sdp_text *out)
{
	return emit(s, true, true, out);
}

enum cscf_sdp_verdict cscf_sdp_answer_to_wic(struct cscf_sdp_session *s, struct cscf_sdp_text *out)
{
	return emit(s, true, false, out);
}

enum cscf_sdp_verdict cscf_sdp_answer_to_core(struct cscf_sdp_session *s, struct cscf_sdp_text *out)
{
	return emit(s, false, false, out);
}

/* Where a round of our own said nothing, what stood there stands. */
static void keep_text(struct sdp_leg *leg)
{
	if (!leg->written && leg->agreed_text != NULL)
		return;
	leg->agreed = leg->version;
	free_text(leg->agreed_text);
	leg->agreed_text = leg->last != NULL ? strdup(leg->last) : NULL;
}

void cscf_sdp_commit(struct cscf_sdp_session *s)
{
	if (!s->open || !s->answered)
		return;
	keep_origin(&s->wic);
	keep_origin(&s->core);
	sdp_keep_core_said(s);
	keep_text(&s->wic);
	keep_text(&s->core);
	sdp_state_free(&s->cur);
	s->cur = s->work;
	s->work = (struct sdp_state){0};
	forget_round(s);
}

void cscf_sdp_rollback(struct cscf_sdp_session *s)
{
	if (s->open)
		forget_round(s);
}

bool cscf_sdp_round_open(const struct cscf_sdp_session *s)
{
	return s->open;
}

bool cscf_sdp_round_from_wic(const struct cscf_sdp_session *s)
{
	return s->from_wic;
}

bool cscf_sdp_round_answered(const struct cscf_sdp_session *s)
{
	return s->answered;
}

bool cscf_sdp_is_repeat(const struct cscf_sdp_session *s)
{
	return s->repeat;
}

bool cscf_sdp_looks_max_bundle(const struct cscf_sdp_session *s)
{
	return s->max_bundle;
}

static const struct sdp_state *view(const struct cscf_sdp_session *s)
{
	return s->open ? &s->work : &s->cur;
}

size_t cscf_sdp_stream_count(const struct cscf_sdp_session *s)
{
	return view(s)->n;
}

const struct cscf_sdp_stream *cscf_sdp_stream(const struct cscf_sdp_session *s, size_t i)
{
	return i < view(s)->n ? &view(s)->v[i]->pub : NULL;
}

uint32_t cscf_sdp_told_core_kbps(const struct cscf_sdp_session *s, size_t i)
{
	return i < view(s)->n ? sdp_core_b_as(view(s)->v[i], s->from_wic) : 0;
}
