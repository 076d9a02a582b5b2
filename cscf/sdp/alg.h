/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IMS-ALG: SDP of one call, rewritten between the WIC (W2) and the core (Mw). Text in, typed
 * parameters for the eIMS-AGW in between, text out. No I/O, no SIP, no Iq; never blocks.
 *
 * One struct cscf_sdp_session per call (per pair of dialogs). It keeps what must survive from
 * one offer/answer round to the next: the m-line index map WIC<->core, mids, o= versions, DTLS
 * roles, addresses. A round works on a copy; commit keeps it, rollback forgets it (SDP-35).
 *
 *   WIC calls (2.1)                          core calls (2.2)
 *   cscf_sdp_offer_from_wic(s, O1)           cscf_sdp_offer_from_core(s, O1)
 *     reserve per stream on an AGW             reserve per stream on an AGW
 *   cscf_sdp_set_local(s, i, &acc, &core)    cscf_sdp_set_local(s, i, &acc, &core)
 *   cscf_sdp_offer_to_core(s, &text)         cscf_sdp_offer_to_wic(s, &text)
 *     INVITE out, 18x/200 in                   INVITE out, 18x/200 in
 *   cscf_sdp_answer_from_core(s, A1)         cscf_sdp_answer_from_wic(s, A1)
 *     configure the AGW                        configure the AGW
 *   cscf_sdp_answer_to_wic(s, &text)         cscf_sdp_answer_to_core(s, &text)
 *   cscf_sdp_commit(s)   (2xx; or rollback on a refusal)
 *
 * Before commit, answer_from_* may be called again (forks, SDP repeated in the 200): access
 * parameters never change by it (2.7), the core's remote address becomes that of the last one.
 * Early dialogs that go on by themselves (PRACK, UPDATE) each have a fork of the session that made
 * the offer; the winner's is the call's from then on.
 * A late offer (INVITE without SDP) is the other column, with the offer in the 200.
 *
 * Which stream needs what, after offer_from_*: every stream with .live needs resources; the
 * AGW has them already when .has_local. After answer_from_*: streams no longer .live, but with
 * .has_local, are to be released (then cscf_sdp_clear_local).
 *
 * Thread: the cscf loop. Spec: TS 24.371 §7.4, calls-and-media sections 3, 4.2, 4.3; RFC 3264.
 */
#ifndef CSCF_SDP_ALG_H
#define CSCF_SDP_ALG_H

#include "common/conf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits: a hostile SDP costs a bounded amount of work and memory (SDP-38). */
#define CSCF_SDP_MAX_TEXT   65536
#define CSCF_SDP_MAX_LINE   4096
#define CSCF_SDP_MAX_MEDIA  64
#define CSCF_SDP_MAX_FMT    256
#define CSCF_SDP_MAX_ATTR   200 /* per m-section, and at session level; a=ssrc lines not counted */
#define CSCF_SDP_MAX_CAND   16  /* usable UDP candidates kept per stream; the rest are ignored */
#define CSCF_SDP_MAX_FP     8
#define CSCF_SDP_MAX_EXT    8  /* header extensions kept end to end, per stream */
#define CSCF_SDP_EXT_ID_MAX 14 /* RFC 8285: both forms can say these */
#define CSCF_SDP_EXT_URI    96
#define CSCF_SDP_ADDR_LEN   46 /* INET6_ADDRSTRLEN */
#define CSCF_SDP_ICE_LEN    257

/* ---- refusals: what the gateway answers when it refuses a description itself (4.12) ------- */

/* name, SIP status, Warning code (0 = none), word for logs and metrics */
#define CSCF_SDP_VERDICT_LIST(X)                                                                   \
	X(OK, 0, 0, "ok")                                                                          \
	X(SYNTAX, 400, 0, "sdp-syntax")                                                            \
	X(LIMIT, 488, 399, "sdp-limit")                                                            \
	X(VERSION, 488, 300, "sdp-network-type") /* v=, IN, IP4/IP6 */                             \
	X(ADDR_FAMILY, 488, 301, "address-family")                                                 \
	X(PROTO, 488, 302, "transport-protocol") /* no line with a proto we take */                \
	X(NO_DTLS, 488, 302, "no-dtls")          /* no usable fingerprint, holdconn */             \
	X(NO_ICE, 488, 302, "no-ice")                                                              \
	X(NO_MUX, 488, 302, "rtcp-mux-missing")                                                    \
	X(NO_MEDIA, 488, 304, "no-media")                                                          \
	X(NO_FORMAT, 488, 305, "no-format")                                                        \
	X(BANDWIDTH, 488, 370, "bandwidth")                                                        \
	X(TOO_MANY, 488, 399, "too-many-lines")                                                    \
	X(LINES_LOST, 488, 399, "m-lines-lost") /* a re-offer with fewer m-lines */                \
	X(BAD_ANSWER, 488, 399, "bad-answer")   /* m-line count, formats not offered */            \
	X(REFLECTED, 488, 399, "own-description")                                                  \
	X(STATE, 500, 0, "wrong-state") /* our own misuse; never caused by a peer's text */        \
	X(NOMEM, 500, 0, "no-memory")

enum cscf_sdp_verdict {
#define X(name, status, warning, word) CSCF_SDP_##name,
	CSCF_SDP_VERDICT_LIST(X)
#undef X
	    CSCF_SDP_VERDICT_COUNT
};

/** Word of a verdict, never NULL. */
const char *cscf_sdp_verdict_name(enum cscf_sdp_verdict v);
/** SIP status for a refused offer: 400, 488 or 500; 0 for OK. A bad answer: see SDP-25. */
int cscf_sdp_verdict_status(enum cscf_sdp_verdict v);
/** Warning code (RFC 3261 s20.43) and text for that refusal; 0 and "" when none is due. */
int cscf_sdp_verdict_warning(enum cscf_sdp_verdict v, const char **text);

/* ---- policy: the operator's knobs; one for the process, outlives every session ----------- */

enum cscf_sdp_mux_knob {
	CSCF_SDP_MUX_REQUIRE, /* rtcp-mux + rtcp-mux-only in our offers (BUN-17) */
	CSCF_SDP_MUX_OFFER,   /* rtcp-mux, component 2 as well */
	CSCF_SDP_MUX_OFF
};

struct cscf_sdp_policy {
	enum cscf_sdp_mux_knob access_rtcp_mux; /* access.rtcp_mux */
	bool core_rtcp_mux_accept;              /* core.rtcp_mux=accept */
	bool core_audio_avpf;                   /* core.rtp_profile.audio=AVPF */
	bool core_video_avpf;                   /* core.rtp_profile.video=AVPF (default true) */
	bool answer_passive;                    /* dtls.answer_role=passive */
	bool accept_old_savpf;                  /* SDP-04: RTP/SAVPF with a fingerprint */
	bool accept_sha1;                       /* dtls.fp_hashes has sha-1 */
	/* Codec names, any case. NULL or empty lists: every codec, and the usual repair formats
	 * denied. What a list says is about both legs: no codec is known to one of them alone. */
	const struct gw_conf_list *codec_allow; /* codec.allow; events and comfort noise go along */
	const struct gw_conf_list
	    *codec_deny; /* codec.deny; audio red passes when it is not there */
	bool early_488;  /* codec.early_488: refuse what no browser decodes */
	const struct gw_conf_list *media_types; /* media.types; NULL or empty: audio, video, text */
	int64_t max_streams;                    /* media.max_streams per call; 0 = no limit */
	int64_t max_audio_kbps;                 /* media.max_kbps.audio; 0 = no limit */
	int64_t max_video_kbps;                 /* media.max_kbps.video; 0 = no limit */
	/* media.extmap_allow: URIs of header extensions that stay end to end; NULL or empty: none
	 */
	const struct gw_conf_list *extmap_allow;
	bool pass_unknown;     /* sdp.unknown_attributes=pass */
	bool tls_id_in_offers; /* dtls.tls_id_in_offers: unasked (DTLS-22) */
	bool e2ae_in_answer;   /* sdp.3ge2ae_in_answer */
};

/** The defaults of the specification. */
void cscf_sdp_policy_default(struct cscf_sdp_policy *policy);

/**
 * What this gateway would accept from a WIC, as a description without ports: the body of a 488
 * (RFC 3261 s21.4.26, RFC 3264 s9; SDP-23, SDP-24).
 * @return NULL when out of memory; caller frees with free()
 */
char *cscf_sdp_allowed(const struct cscf_sdp_policy *policy);
/** Does that body help whoever was refused for this? */
bool cscf_sdp_verdict_wants_allowed(enum cscf_sdp_verdict v);

/* ---- typed parameters of one stream -------------------------------------------------------- */

enum cscf_sdp_media {
	CSCF_SDP_AUDIO,
	CSCF_SDP_VIDEO,
	CSCF_SDP_TEXT, /* T.140 over RTP */
	CSCF_SDP_OTHER /* never live: data channel, image, message, … */
};

/* Bits; "send" is always from the writer of the SDP. */
enum cscf_sdp_dir {
	CSCF_SDP_INACTIVE = 0,
	CSCF_SDP_SENDONLY = 1,
	CSCF_SDP_RECVONLY = 2,
	CSCF_SDP_SENDRECV = 3
};

enum cscf_sdp_rtcp {
	CSCF_SDP_RTCP_SEPARATE,
	CSCF_SDP_RTCP_MUX,
	CSCF_SDP_RTCP_OFF /* b=RS:0 and b=RR:0 agreed (RTCP-11) */
};

/* What the eIMS-AGW plays; the a=setup we write is derived from this and nothing else. */
enum cscf_sdp_dtls_role {
	CSCF_SDP_DTLS_UNDECIDED, /* we offered actpass, no answer yet */
	CSCF_SDP_DTLS_CLIENT,    /* a=setup:active on our side */
	CSCF_SDP_DTLS_SERVER     /* a=setup:passive on our side */
};

/* Feedback types that may be negotiated (RTCP-20); bit set. */
enum cscf_sdp_fb {
	CSCF_SDP_FB_NACK = 1,
	CSCF_SDP_FB_PLI = 2,
	CSCF_SDP_FB_FIR = 4,
	CSCF_SDP_FB_TMMBR = 8
};

struct cscf_sdp_fmt {
	uint8_t pt;       /* 0..127, as on the wire on both legs */
	uint8_t channels; /* 1 unless written */
	uint8_t fb;       /* enum cscf_sdp_fb set negotiated for this PT, end to end */
	uint8_t own_fb;   /* negotiable with the WIC alone, where the gateway serves it */
	char name[25];    /* "opus", "H264", "telephone-event"; spelled as received */
	uint32_t clock_hz;
};

struct cscf_sdp_cand {
	char foundation[33];
	char type[8]; /* host, srflx, prflx, relay */
	char addr[CSCF_SDP_ADDR_LEN];
	uint16_t port;
	uint16_t component; /* 1 RTP, 2 RTCP */
	uint32_t priority;
	bool tcp; /* ours: passive (RFC 6544); a peer's are left out */
};

struct cscf_sdp_fp {
	char hash[12]; /* "sha-256", lower case */
	uint8_t value[64];
	size_t len;
};

/* A header extension and its id on each leg. */
struct cscf_sdp_ext {
	bool on;      /* agreed, or offered and not answered: the AGW keeps it */
	bool offered; /* in the round's offer */
	uint8_t wic_id, core_id;
	char uri[CSCF_SDP_EXT_URI];
};

/* What the WIC said. Borrowed by the caller until the next call on the session. */
struct cscf_sdp_access_remote {
	bool known; /* false until the WIC's SDP of this round was read */
	bool ice_lite;
	bool rtcp_mux;
	enum cscf_sdp_dir dir;
	uint32_t b_as_kbps; /* 0 = not given */
	char ufrag[CSCF_SDP_ICE_LEN];
	char pwd[CSCF_SDP_ICE_LEN]; /* never logged (SDP-43) */
	char tls_id[256];           /* "" when not given */
	size_t n_cands;             /* 0 is normal: the peer is learned by its checks (ICE-07) */
	struct cscf_sdp_cand cands[CSCF_SDP_MAX_CAND]; /* UDP with a literal address only */
	size_t n_fps;                                  /* strongest hash function only, DTLS-09 */
	struct cscf_sdp_fp fps[CSCF_SDP_MAX_FP];
};

/* What the core said. */
struct cscf_sdp_core_remote {
	bool known;
	bool avpf;
	bool on_hold_addr;            /* c= was 0.0.0.0 or ::; addr is "" then (SDP-28) */
	enum cscf_sdp_rtcp rtcp_mode; /* agreed on this leg */
	enum cscf_sdp_dir dir;        /* hold by 0.0.0.0 already folded in */
	char addr[CSCF_SDP_ADDR_LEN];
	char rtcp_addr[CSCF_SDP_ADDR_LEN]; /* a=rtcp, else addr */
	uint16_t port;
	uint16_t rtcp_port; /* a=rtcp, else port+1; port when muxed */
	uint32_t b_as_kbps; /* 0 = not given */
	int32_t b_rs_bps;   /* -1 = not given */
	int32_t b_rr_bps;   /* -1 = not given */
};

/* What the eIMS-AGW gave for the access side; advertised addresses. */
struct cscf_sdp_access_local {
	char addr[CSCF_SDP_ADDR_LEN];
	uint16_t port;
	uint16_t rtcp_port; /* component 2; 0 when muxed */
	char ufrag[CSCF_SDP_ICE_LEN];
	char pwd[CSCF_SDP_ICE_LEN];
	bool ice_full;     /* else an ICE-lite agent, and our SDP says so */
	uint8_t serves_fb; /* enum cscf_sdp_fb set that the gateway serves whatever the core does */
	char tls_id[256];  /* "" = the session makes one when it is asked for (DTLS-22) */
	size_t n_cands;    /* 0: one host candidate is written from addr and port */
	struct cscf_sdp_cand cands[CSCF_SDP_MAX_CAND];
	size_t n_fps;
	struct cscf_sdp_fp fps[CSCF_SDP_MAX_FP];
};

struct cscf_sdp_core_local {
	char addr[CSCF_SDP_ADDR_LEN];
	uint16_t port;
	uint16_t rtcp_port; /* 0: port + 1 */
};

struct cscf_sdp_stream {
	uint32_t stream_id; /* for Iq: place in the table + 64 x generation; never reused */
	int wic_index;      /* m-line on the WIC leg, -1 = left out there */
	int core_index;     /* m-line on the core leg, -1 = left out there */
	enum cscf_sdp_media media;
	bool live;        /* wanted by this round: reserve it, or keep it */
	bool has_local;   /* set_local was called and clear_local was not */
	bool is_new;      /* not in the committed state */
	bool ice_restart; /* the WIC sent new credentials for an existing stream (ICE-17) */
	bool new_dtls;    /* new association: fingerprints, tls-id or roles changed (DTLS-20) */
	/* Why it is not live, CSCF_SDP_OK when it is or when the peer itself put port 0. */
	enum cscf_sdp_verdict refused;
	char mid[64];                    /* WIC leg */
	enum cscf_sdp_dtls_role dtls;    /* the AGW's role */
	enum cscf_sdp_rtcp access_rtcp;  /* MUX or SEPARATE on the access side */
	enum cscf_sdp_rtcp core_rtcp;    /* on the core side */
	bool core_avpf;                  /* RTP/AVPF on the core side, else RTP/AVP */
	bool gate_uplink, gate_downlink; /* what the directions allow; SIP state may allow less */
	const struct cscf_sdp_fmt *fmts; /* agreed (or offered, before the answer); owned by us */
	size_t n_fmts;
	struct cscf_sdp_ext exts[CSCF_SDP_MAX_EXT]; /* only those that are .on count */
	size_t n_exts;
	struct cscf_sdp_access_remote access_remote;
	struct cscf_sdp_core_remote core_remote;
	struct cscf_sdp_access_local access_local;
	struct cscf_sdp_core_local core_local;
};

/** Feedback of a format on the WIC's leg: what the core takes, and what the gateway serves itself.
 */
static inline unsigned cscf_sdp_wic_fb(const struct cscf_sdp_stream *s, size_t fmt)
{
	return s->fmts[fmt].fb | (unsigned)(s->fmts[fmt].own_fb & s->access_local.serves_fb);
}

/* ---- the session ---------------------------------------------------------------------------- */

struct cscf_sdp_session;

/* A description to send. `p` stays ours and valid until the next *_to_* call of that leg. */
struct cscf_sdp_text {
	const char *p; /* NUL-terminated as well */
	size_t n;
	/* Same text, o= version included, as last sent on that leg (SDP-10), and the other end did
	 * not refuse it then: there is no need to send it again. */
	bool unchanged;
};

/**
 * @param policy  borrowed: outlives the session
 * @return GW_OK; GW_ERR_NOMEM
 */
enum gw_err cscf_sdp_session_new(struct cscf_sdp_session **out,
				 const struct cscf_sdp_policy *policy) GW_MUST_CHECK;
/** NULL is legal. Clears ICE passwords. */
void cscf_sdp_session_free(struct cscf_sdp_session *s);

/**
 * Begin a round with an offer of the WIC or of the core. On a refusal the session is as before.
 * @return CSCF_SDP_OK when at least one stream is live (or, in a re-offer, lines were only
 *         stopped); else why not, to be answered with cscf_sdp_verdict_status
 */
enum cscf_sdp_verdict cscf_sdp_offer_from_wic(struct cscf_sdp_session *s, const char *text,
					      size_t n) GW_MUST_CHECK;
enum cscf_sdp_verdict cscf_sdp_offer_from_core(struct cscf_sdp_session *s, const char *text,
					       size_t n) GW_MUST_CHECK;

/**
 * Give the AGW's addresses of a stream; again after an ICE restart. Either may be NULL when
 * that side did not change. Copied.
 * @return GW_OK; GW_ERR_NOT_FOUND no such stream; GW_ERR_STATE no round open
 */
enum gw_err cscf_sdp_set_local(struct cscf_sdp_session *s, size_t i,
			       const struct cscf_sdp_access_local *access,
			       const struct cscf_sdp_core_local *core) GW_MUST_CHECK;
/** The AGW released the stream's resources. Any time. */
void cscf_sdp_clear_local(struct cscf_sdp_session *s, size_t i);
/** No resources for this stream: port 0 on both legs. Only between offer_from and *_to_*. */
void cscf_sdp_stream_refuse(struct cscf_sdp_session *s, size_t i, enum cscf_sdp_verdict why);

/**
 * The offer for the other leg. Every live stream must have its local parameters.
 * @return CSCF_SDP_OK; CSCF_SDP_STATE; CSCF_SDP_NO_MEDIA nothing left to offer; CSCF_SDP_NOMEM
 */
enum cscf_sdp_verdict cscf_sdp_offer_to_core(struct cscf_sdp_session *s,
					     struct cscf_sdp_text *out) GW_MUST_CHECK;
enum cscf_sdp_verdict cscf_sdp_offer_to_wic(struct cscf_sdp_session *s,
					    struct cscf_sdp_text *out) GW_MUST_CHECK;

/**
 * The answer of the leg that got our offer. May be repeated before commit. On a refusal the
 * round stays as it was before the call; the caller ends the leg (SDP-25, SDP-09, BUN-18).
 */
enum cscf_sdp_verdict cscf_sdp_answer_from_core(struct cscf_sdp_session *s, const char *text,
						size_t n) GW_MUST_CHECK;
enum cscf_sdp_verdict cscf_sdp_answer_from_wic(struct cscf_sdp_session *s, const char *text,
					       size_t n) GW_MUST_CHECK;

/** The answer for the offerer's leg. Same number and order of m-lines as its offer. */
enum cscf_sdp_verdict cscf_sdp_answer_to_wic(struct cscf_sdp_session *s,
					     struct cscf_sdp_text *out) GW_MUST_CHECK;
enum cscf_sdp_verdict cscf_sdp_answer_to_core(struct cscf_sdp_session *s,
					      struct cscf_sdp_text *out) GW_MUST_CHECK;

/**
 * The session of one early dialog: as `s`, whose first offer is out and not answered (or is yet to
 * come), but its answers and later rounds are its own. Same addresses towards the WIC (2.7);
 * streams it adds later have ids of their own.
 * @param number  1, 2, … another one for each fork of a call
 * @return GW_OK; GW_ERR_STATE answered already; GW_ERR_NOMEM
 */
enum gw_err cscf_sdp_session_fork(struct cscf_sdp_session **out, const struct cscf_sdp_session *s,
				  unsigned number) GW_MUST_CHECK;

/**
 * After offer_to_core gave a text with `unchanged`: take the core's last description as its answer
 * (2.5 b; an ICE restart, or nothing at all, is the WIC's own affair).
 * @return CSCF_SDP_OK: answered, as by cscf_sdp_answer_from_core; CSCF_SDP_STATE: the core has to
 *         be asked (it refused that text, or streams changed); else as answer_from_core
 */
enum cscf_sdp_verdict cscf_sdp_answer_as_before(struct cscf_sdp_session *s) GW_MUST_CHECK;

/** The round succeeded; it is the state now. Nothing when no answer was read. */
void cscf_sdp_commit(struct cscf_sdp_session *s);
/** The round failed; the state is as before the offer (SDP-35). Nothing when no round is open. */
void cscf_sdp_rollback(struct cscf_sdp_session *s);

/**
 * Begin a round with an offer of our own: what is agreed, unchanged. Its answer is read by
 * answer_from_core (or _wic); no text for the other leg follows from it.
 * @return CSCF_SDP_OK; CSCF_SDP_STATE a round is open, or nothing was agreed yet; CSCF_SDP_NOMEM
 */
enum cscf_sdp_verdict cscf_sdp_reoffer(struct cscf_sdp_session *s, bool to_core,
				       struct cscf_sdp_text *out) GW_MUST_CHECK;
/**
 * The same at another eIMS-AGW: after cscf_sdp_move_local gave the addresses there of every live
 * stream. Only the formats that are agreed are offered.
 */
enum cscf_sdp_verdict cscf_sdp_reoffer_moved(struct cscf_sdp_session *s, bool to_core,
					     struct cscf_sdp_text *out) GW_MUST_CHECK;
/**
 * Addresses of a stream on another eIMS-AGW. Copied.
 * @return GW_OK; GW_ERR_NOT_FOUND no such stream; GW_ERR_STATE a round is open
 */
enum gw_err cscf_sdp_move_local(struct cscf_sdp_session *s, size_t i,
				const struct cscf_sdp_access_local *access,
				const struct cscf_sdp_core_local *core) GW_MUST_CHECK;
/** Our description that stands on the core leg; NULL when none does, or an offer is open. */
const char *cscf_sdp_said_to_core(const struct cscf_sdp_session *s);
bool cscf_sdp_round_is_ours(const struct cscf_sdp_session *s);

/** Is an offer/answer round open, and did the WIC begin it? */
bool cscf_sdp_round_open(const struct cscf_sdp_session *s);
bool cscf_sdp_round_from_wic(const struct cscf_sdp_session *s);
/** b=AS of the line as the core is told: what it may send; 0 = not limited. */
uint32_t cscf_sdp_told_core_kbps(const struct cscf_sdp_session *s, size_t i);
bool cscf_sdp_round_answered(const struct cscf_sdp_session *s);
/** The last description read had the o= line of the one before: a repeat, nothing to MOD (SDP-11).
 */
bool cscf_sdp_is_repeat(const struct cscf_sdp_session *s);
/** The WIC's offer looks like Chromium with max-bundle: worth one log line (BUN-09). */
bool cscf_sdp_looks_max_bundle(const struct cscf_sdp_session *s);

/** Streams of the open round, or of the committed state when none is open. */
size_t cscf_sdp_stream_count(const struct cscf_sdp_session *s);
/** @return NULL when i is out of range; valid until the next call that changes the session */
const struct cscf_sdp_stream *cscf_sdp_stream(const struct cscf_sdp_session *s, size_t i);

/**
 * Copy of an SDP with ICE passwords, ufrags and keys masked, for a debug log (SDP-43).
 * @return NULL when out of memory; caller frees with free()
 */
char *cscf_sdp_masked(const char *text, size_t n);

#endif
