/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of cscf/sdp only: the stream table of one round, the readers of each leg's
 * m-section, the writers of each leg's text. Public view: alg.h.
 */
#ifndef CSCF_SDP_SDP_INT_H
#define CSCF_SDP_SDP_INT_H

#include "cscf/sdp/alg.h"
#include "cscf/sdp/model.h"

/* One format as read: typed for the AGW, raw for the text that we write. */
struct sdp_fmts {
	struct cscf_sdp_fmt *v; /* owned; NULL when n is 0 */
	size_t n;
};

/* What an m-line of a leg says when it is refused or stopped; remembered over rounds. */
struct sdp_words {
	char media[SDP_MEDIA_LEN];
	char proto[SDP_PROTO_LEN];
	char fmt[40];
};

/* A recycled m-line is a new stream to the AGW; id modulo this stays its place in the table. */
#define SDP_STREAM_ID_STEP 64U
#define SDP_FORK_ID_STEP   4096U /* ids are 16 bits on the control channel */

struct sdp_out;

/* One m-line pair. `pub` is what the session layer sees. */
struct sdp_stream {
	struct cscf_sdp_stream pub;
	struct sdp_fmts fmts;    /* agreed or offered; pub.fmts points at it */
	struct sdp_fmts offered; /* as our offer had it: each answer is measured against it */
	bool offered_live;
	unsigned generation;         /* of a recycled m-line (SDP-13) */
	bool wic_stopped;            /* port 0 by the WIC itself in this round */
	bool core_stopped;           /* port 0 by the core itself */
	enum cscf_sdp_dir dir;       /* offered direction, hold folded in */
	struct sdp_words wic_words;  /* as last said on that leg, by either end */
	struct sdp_words core_words; /* media "" until the line is there */
	char tls_id[33];             /* of our end of the association; "" before it is asked for */
	char acfg[24]; /* configuration chosen from the core's offer (SDP-34), or "" */
	enum cscf_sdp_rtcp offered_access_rtcp, offered_core_rtcp;
};

struct sdp_state {
	struct sdp_stream **v; /* owned, each owned; only ever appended to */
	size_t n;
	size_t n_wic, n_core;             /* m-lines used so far on each leg */
	uint32_t first_id;                /* of streams added here: forks do not share any */
	char wic_addr[CSCF_SDP_ADDR_LEN]; /* last own address written there; "" before */
	char core_addr[CSCF_SDP_ADDR_LEN];
};

/* o= of one leg: ours out, theirs in (SDP-10, SDP-11). */
struct sdp_leg {
	uint64_t sess_id;
	uint64_t version;
	uint64_t agreed; /* the version that the last committed round ended with */
	char *last;      /* owned: last text written, NULL before the first */
	size_t last_n;
	bool written;      /* a text in the open round */
	char *agreed_text; /* owned: last as of the last commit; NULL before the first */
	uint64_t seen;     /* hash of their "id version" in the committed state; 0 before */
	uint64_t seen_now; /* the same of the open round */
	uint64_t hash;     /* of the whole of their text in the committed state */
	uint64_t hash_now;
};

struct cscf_sdp_session {
	const struct cscf_sdp_policy *policy; /* borrowed: outlives us */
	struct sdp_state cur;                 /* committed */
	struct sdp_state work;                /* the open round */
	bool open, from_wic, answered, repeat, max_bundle;
	bool same_offer; /* word for word the offer of the committed state: dead lines stay dead */
	bool ours; /* the open round was begun by cscf_sdp_reoffer: there is no offer text of a peer
		    */
	struct sdp *offer, *answer; /* owned; of the open round */
	struct sdp_leg wic, core;
	char *core_said; /* owned; the core's last description that was committed, or NULL */
};

/* ---- codec.c: formats and feedback ------------------------------------------------------- */

/* The first rtpmap and fmtp of each payload type in a section: one walk instead of one a format. */
struct sdp_pt_index {
	const struct sdp_attr *rtpmap[128];
	const struct sdp_attr *fmtp[128];
};
void sdp_pt_index(struct sdp_pt_index *out, const struct sdp *sdp, const struct sdp_sect *sect);

/* Whose words are read, and what the core's leg may say of feedback. */
struct sdp_fb_legs {
	bool core_avpf, from_wic;
};

/**
 * Read the formats of an m-section: valid PTs with a known encoding, our filters applied
 * (SDP-21, SDP-22, SDP-27), and their feedback, for each leg.
 * @param fallback  section whose rtpmap fills one missing here (our offer's source); may be NULL
 */
bool sdp_fmts_read(struct sdp_fmts *out, const struct sdp *sdp, const struct sdp_sect *sect,
		   const struct sdp_fmts *fallback, const struct sdp_fb_legs *legs,
		   const struct cscf_sdp_policy *policy) GW_MUST_CHECK;
bool sdp_fmts_dup(struct sdp_fmts *out, const struct sdp_fmts *in) GW_MUST_CHECK;
void sdp_fmts_free(struct sdp_fmts *f);
const struct cscf_sdp_fmt *sdp_fmts_find(const struct sdp_fmts *f, unsigned pt);
/** Keep what the offer had too: same PT and encoding; feedback in both (SDP-25, SDP-41). */
void sdp_fmts_intersect(struct sdp_fmts *f, const struct sdp_fmts *offered);
/** Is there a codec, not only telephone-event and comfort noise? For text: is there anything? */
bool sdp_fmts_usable(const struct sdp_fmts *f, enum cscf_sdp_media media);
/** b=AS in kbit/s for these formats, IP headers included (SDP-30, TS 26.114 6.2.5). */
uint32_t sdp_fmts_b_as(const struct sdp_fmts *f, enum cscf_sdp_media media, bool v6);
/** PT at the front of an rtpmap or fmtp value; -1 when there is none. */
int sdp_attr_pt(const struct sdp_attr *a);

/* ---- filter.c: what the operator lets pass ------------------------------------------------- */

/** The operator's and our own rules for one format (SDP-21, SDP-24). */
bool sdp_filter_format(const struct cscf_sdp_fmt *f, enum cscf_sdp_media media,
		       const struct cscf_sdp_policy *policy);
/** Formats that hang on another one (red, its parity) go when that one went. */
void sdp_filter_orphans(struct sdp_fmts *f, const struct sdp *sdp, const struct sdp_sect *sect);
/** Is there a codec that browsers have (codec.early_488)? */
bool sdp_filter_browser_can(const struct sdp_fmts *f, enum cscf_sdp_media media);
/** Kind and bandwidth of a line; OK, NO_MEDIA or BANDWIDTH. */
enum cscf_sdp_verdict sdp_filter_line(const struct sdp *sdp, const struct sdp_sect *sect,
				      const struct cscf_sdp_policy *policy) GW_MUST_CHECK;
/** The streams after the max_streams-th that are new get refused. */
void sdp_filter_count(struct sdp_state *w, const struct cscf_sdp_policy *policy);
/** May an attribute that nobody here knows go to the other leg? */
bool sdp_filter_unknown(const struct sdp_attr *a, const struct cscf_sdp_policy *policy);
bool sdp_filter_listed(const struct gw_conf_list *list, const char *word);

/* ---- access.c, core.c: one m-section to typed parameters ----------------------------------- */

enum cscf_sdp_verdict sdp_access_read(struct cscf_sdp_access_remote *out, const struct sdp *sdp,
				      const struct sdp_sect *sect,
				      const struct cscf_sdp_policy *policy) GW_MUST_CHECK;
/** a=setup of the section; CSCF_SDP_NO_DTLS for holdconn or an unknown word. */
enum sdp_setup { SDP_SETUP_ABSENT, SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE };
enum cscf_sdp_verdict sdp_setup_read(enum sdp_setup *out, const struct sdp *sdp,
				     const struct sdp_sect *sect) GW_MUST_CHECK;
/** Same certificate set and tls-id: the DTLS association goes on (DTLS-19, DTLS-20). */
bool sdp_same_dtls_peer(const struct cscf_sdp_access_remote *a,
			const struct cscf_sdp_access_remote *b);
/** Does the WIC show us our own certificate or our own address (SDP-48)? */
bool sdp_reflects(const struct cscf_sdp_access_remote *r, const struct cscf_sdp_access_local *l);

/** @param may_mux  a=rtcp-mux counts: we would accept it, or have offered it */
enum cscf_sdp_verdict sdp_core_read(struct cscf_sdp_core_remote *out, const struct sdp *sdp,
				    const struct sdp_sect *sect, bool may_mux) GW_MUST_CHECK;

/* ---- extmap.c: header extensions that may stay -------------------------------------------- */

/** Which of an offer's extensions go on, and under which ids. @param wic  the WIC's offer */
void sdp_ext_offer(struct cscf_sdp_stream *pub, const struct sdp *sdp, const struct sdp_sect *sect,
		   bool wic, const struct cscf_sdp_policy *policy);
/** Those of the offer that the answer has, under our ids, stay on. */
void sdp_ext_answer(struct cscf_sdp_stream *pub, const struct sdp *sdp, const struct sdp_sect *sect,
		    bool wic);
/** a=extmap of the section that are on, with the ids of the leg written to. */
void sdp_ext_put(struct sdp_out *o, struct cscf_sdp_stream *pub, const struct sdp *sdp,
		 const struct sdp_sect *sect, bool to_wic);

/* ---- capneg.c ------------------------------------------------------------------------------- */

/** Does the offer say RTP/AVPF would do too? acfg: what the answer then says, else "". */
bool sdp_capneg_avpf(const struct sdp *sdp, const struct sdp_sect *sect, char *acfg,
		     size_t size) GW_MUST_CHECK;

/* ---- dtls.c: the one place that decides the DTLS role (DTLS-02..04, 19, 20) ---------------- */

/** Role for an offer of the WIC; `prev` is the committed stream, NULL for a new one. */
void sdp_dtls_decide_offer(struct cscf_sdp_stream *st, enum sdp_setup setup,
			   const struct cscf_sdp_stream *prev,
			   const struct cscf_sdp_policy *policy);
/** Role for the WIC's answer to our actpass. */
void sdp_dtls_decide_answer(struct cscf_sdp_stream *st, enum sdp_setup setup,
			    const struct cscf_sdp_stream *prev);
/** Our own tls-id: a new one for a new association, the same as long as it lasts (DTLS-22). */
void sdp_dtls_tls_id(struct sdp_stream *st);
/** The a=setup word we write: actpass in offers, the role in answers. */
const char *sdp_dtls_setup_word(const struct cscf_sdp_stream *st, bool we_offer);

/* ---- state.c: the stream table --------------------------------------------------------------- */

bool sdp_state_dup(struct sdp_state *out, const struct sdp_state *in) GW_MUST_CHECK;
void sdp_state_free(struct sdp_state *st);
/** Append an empty stream; NULL when out of memory. */
struct sdp_stream *sdp_state_add(struct sdp_state *st);
struct sdp_stream *sdp_state_by_wic(const struct sdp_state *st, size_t index);
struct sdp_stream *sdp_state_by_core(const struct sdp_state *st, size_t index);
/** Take ownership of formats and publish them. */
void sdp_stream_set_fmts(struct sdp_stream *s, struct sdp_fmts fmts);
void sdp_stream_refuse(struct sdp_stream *s, enum cscf_sdp_verdict why);
/** Copy a slice to a fixed text; false when it does not fit (out is "" then). */
bool sdp_copy(char *out, size_t n, struct gw_slice s);
/** Note what a line says. */
void sdp_words_set(struct sdp_words *w, const struct sdp_sect *m);
/** "m=… 0 …" of a line without use, with a format of `offered` when that is not NULL. */
void sdp_out_dead(struct sdp_out *o, const struct sdp_words *w, const struct sdp_sect *offered);

/* ---- fork.c */

/** At commit: what the core agreed to, for cscf_sdp_answer_as_before. */
void sdp_keep_core_said(struct cscf_sdp_session *s);

/* ---- offer_wic.c, offer_core.c, answer.c: RFC 3264 ------------------------------------------ */

enum cscf_sdp_verdict sdp_round_offer_wic(struct cscf_sdp_session *s,
					  struct sdp_state *w) GW_MUST_CHECK;
enum cscf_sdp_verdict sdp_round_offer_core(struct cscf_sdp_session *s,
					   struct sdp_state *w) GW_MUST_CHECK;
enum cscf_sdp_verdict sdp_round_answer_wic(struct cscf_sdp_session *s, struct sdp_state *w,
					   const struct sdp *answer) GW_MUST_CHECK;
enum cscf_sdp_verdict sdp_round_answer_core(struct cscf_sdp_session *s, struct sdp_state *w,
					    const struct sdp *answer) GW_MUST_CHECK;
/** OK when something is live, or was and was only stopped; else the first refusal. */
enum cscf_sdp_verdict sdp_round_verdict(const struct sdp_state *w, const struct sdp_state *before);

/* ---- alg.c, reoffer.c: for offers of our own ------------------------------------------------ */

/** Session level addresses of the round. @return false when a live stream has none */
bool sdp_choose_addresses(struct sdp_state *w) GW_MUST_CHECK;
/** What stands on the leg, behind its o= and s=; NULL when nothing does. */
const char *sdp_reoffer_body(const struct sdp_leg *leg);
/** A round without a peer's offer; cscf_sdp_rollback after an error. */
enum cscf_sdp_verdict sdp_reoffer_open(struct cscf_sdp_session *s, bool to_core) GW_MUST_CHECK;
/** What our offer had, for its answers. */
enum cscf_sdp_verdict sdp_keep_offered(struct sdp_state *w) GW_MUST_CHECK;

/* ---- emit.c, emit_wic.c, emit_core.c: text out -------------------------------------------- */

struct sdp_out {
	char *p;
	size_t n, cap;
	bool failed; /* out of memory; checked once at the end */
};

void sdp_out_put(struct sdp_out *o, const char *fmt, ...) GW_PRINTF(2, 3);
void sdp_out_raw(struct sdp_out *o, const char *p, size_t n);
/** rtpmap and fmtp of the stream's formats and the attributes that may pass, in their order. */
void sdp_out_formats(struct sdp_out *o, const struct sdp_stream *s, const struct sdp *sdp,
		     const struct sdp_sect *sect, const struct sdp *offer,
		     const struct sdp_sect *offer_sect, const struct cscf_sdp_policy *policy);
void sdp_out_fb(struct sdp_out *o, const struct sdp_stream *s, bool to_core);
void sdp_out_pts(struct sdp_out *o, const struct sdp_stream *s);
/** Put v=, o=, s= in front, count the version, keep the text as the leg's last. */
enum cscf_sdp_verdict sdp_out_finish(struct sdp_out *o, struct sdp_leg *leg, const char *addr,
				     struct cscf_sdp_text *out) GW_MUST_CHECK;

/** Is the AGW's agent a full one, so that our SDP says nothing of ICE-lite? */
bool sdp_has_full_agent(const struct sdp_state *w);
/** Our ICE and DTLS parameters of one line. */
void sdp_put_wic_ice(struct sdp_out *o, const struct cscf_sdp_stream *pub);
void sdp_put_wic_dtls(const struct cscf_sdp_session *s, struct sdp_out *o,
		      const struct sdp_stream *st, bool offer);
void sdp_emit_wic(struct cscf_sdp_session *s, struct sdp_out *o, bool offer);
/** Where the core sends RTCP, if it is to. */
void sdp_put_core_rtcp(struct sdp_out *o, const struct cscf_sdp_stream *pub);
/** b=AS of a line towards the core. */
uint32_t sdp_core_b_as(const struct sdp_stream *st, bool offer);
void sdp_emit_core(struct cscf_sdp_session *s, struct sdp_out *o, bool offer);

#endif
