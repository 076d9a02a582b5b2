/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control thread can say about a stream and hear of it: plain structs, no protobuf, no
 * library type, no pointer (so they travel between threads by value).
 *
 *   agw_stream_params   the complete wanted state of one stream; a Modify is the old params with
 *                       some fields changed, applied as a whole. Setting equal values is a no-op.
 *   agw_stream_local    what the gateway chose: addresses, candidates, credentials
 *   agw_stream_event    what happened on the wire
 *   agw_stream_stats    counters
 *
 * "up" is access to core (what the WIC sends), "down" is core to access.
 * Clauses: calls-and-media spec 5.3, 5.4; TS 23.334 §5, §6.2.
 * Thread: any (values).
 */
#ifndef AGW_RELAY_STREAM_PARAMS_H
#define AGW_RELAY_STREAM_PARAMS_H

#include "agw/dtls/dtls.h"
#include "agw/ice/ice.h"
#include "agw/net/realm.h"
#include "agw/relay/police.h"
#include "agw/relay/rtp.h"
#include "agw/srtp/profile.h"

#include <stdbool.h>

#define AGW_BRANCH_MAX 8 /* early dialogs at once (RTP-07) */
#define AGW_CAND_MAX   8 /* per family and component: one host candidate (ICE-03), and a relay */

enum agw_media_type { AGW_MEDIA_AUDIO, AGW_MEDIA_VIDEO, AGW_MEDIA_OTHER };

/* Set of payload types; empty set = nothing negotiated yet = all pass. */
struct agw_pt_set {
	uint64_t bits[2];
};
static inline void agw_pt_set_add(struct agw_pt_set *s, uint8_t pt)
{
	s->bits[(pt >> 6) & 1] |= UINT64_C(1) << (pt & 63);
}
static inline bool agw_pt_set_has(const struct agw_pt_set *s, uint8_t pt)
{
	return ((s->bits[(pt >> 6) & 1] >> (pt & 63)) & 1) != 0;
}
static inline bool agw_pt_set_empty(const struct agw_pt_set *s)
{
	return (s->bits[0] | s->bits[1]) == 0;
}

/* RTCP beyond SR/RR/SDES/BYE that may leave on a leg (table 4.8 of the spec); bit set. */
enum agw_rtcp_allow {
	AGW_RTCP_NACK = 1U << 0,
	AGW_RTCP_PLI = 1U << 1,
	AGW_RTCP_FIR = 1U << 2,
	AGW_RTCP_TMMBR = 1U << 3,
	AGW_RTCP_APP = 1U << 4,
	AGW_RTCP_XR = 1U << 5,
	AGW_RTCP_RSIZE = 1U << 6 /* reduced-size packets (RFC 5506) */
};

enum agw_core_rtcp {
	AGW_CORE_RTCP_SEPARATE, /* own port, RTP + 1 */
	AGW_CORE_RTCP_MUX,      /* on the RTP port */
	AGW_CORE_RTCP_OFF       /* b=RS:0 and b=RR:0: none sent, none expected (RTCP-11) */
};

enum agw_source_filter {
	AGW_FILTER_ADDR,      /* signalled address, any port */
	AGW_FILTER_ADDR_PORT, /* signalled address and port */
	AGW_FILTER_ANY
};

enum agw_latch {
	AGW_LATCH_OFF,
	AGW_LATCH_ONCE /* first valid RTP within 10 s of the gate's opening may move the port */
};

struct agw_access_params {
	char realm[AGW_REALM_NAME_MAX];
	unsigned families; /* AGW_FAMILY_BIT set; those the realm lacks are refused */
	/* Remote ICE; empty ufrag = not known yet. A changed ufrag or pwd is an ICE restart of
	 * the peer: the caller then also asks for a local restart (agw_stream_change). */
	char remote_ufrag[AGW_ICE_UFRAG_MAX];
	char remote_pwd[AGW_ICE_PWD_MAX];
	/* RTCP has a port and an association of its own here (DTLS-26). Set at the start, or never;
	 * taken back when the WIC muxes after all. */
	bool rtcp_separate;
	bool ice_full;            /* an agent of its own, instead of ICE-lite; cannot change */
	struct agw_ice_peer peer; /* with remote_ufrag; for a full agent */
	bool answered;            /* offer and answer are exchanged: ice.timeout runs from now on */
	enum agw_dtls_role dtls_role;
	struct agw_fingerprint fps[AGW_FP_MAX]; /* none = not known yet */
	unsigned n_fps;
	uint16_t profiles[AGW_SRTP_PROFILE_MAX]; /* enum agw_srtp_profile; 0 ends; none = all */
	struct agw_pt_set pts;
	struct agw_ext_map exts; /* header extensions that may be sent to the WIC */
	unsigned rtcp_allow;     /* enum agw_rtcp_allow: may be sent to the WIC */
	int dscp;                /* 0..63; -1 = leave alone */
	uint32_t inactivity_ms;  /* 0 = not watched */
};

struct agw_core_branch {
	uint32_t id;         /* the controller's name of the early dialog; unique in the stream */
	struct gw_addr rtp;  /* len 0 = slot unused */
	struct gw_addr rtcp; /* len 0 = RTP port + 1, or the RTP port with mux */
};

struct agw_core_params {
	char realm[AGW_REALM_NAME_MAX];
	enum agw_family family;
	enum agw_core_rtcp rtcp;
	enum agw_source_filter filter;
	enum agw_latch latch;
	struct agw_core_branch branches[AGW_BRANCH_MAX];
	int active; /* index into branches media is sent to; -1 = nobody yet */
	struct agw_pt_set pts;
	struct agw_ext_map exts;
	unsigned rtcp_allow; /* 0 for an RTP/AVP core */
	int dscp;
	uint32_t inactivity_ms;
};

struct agw_stream_params {
	uint32_t id; /* unique in the context */
	enum agw_media_type media;
	/* Gates (RTP-04): initial closed. RTCP has its own (runs with media gates closed). */
	bool gate_up;
	bool gate_down;
	bool rtcp_gate_up;
	bool rtcp_gate_down;
	/* RTP clock of the negotiated codec, for jitter figures; 0 = jitter not measured. */
	uint32_t clock_hz;
	bool ssrc_rewrite; /* one SSRC towards the WIC, whoever speaks (RTP-09); fixed at the start
			    */
	struct agw_rate rate_up;   /* the WIC may send that much (RTP-23) */
	struct agw_rate rate_down; /* and the core */
	struct agw_access_params access;
	struct agw_core_params core;
};

/** Media gates closed, RTCP gates open, nothing known, branch -1, DSCP -1; then fill in. */
void agw_stream_params_init(struct agw_stream_params *p, uint32_t id);
/** Is there something no stream can have? @return a name of the field at fault, or NULL */
const char *agw_stream_params_bad(const struct agw_stream_params *p);

/** Does media to the core go to and come from the same places under both? */
bool agw_core_same_remotes(const struct agw_core_params *a, const struct agw_core_params *b);

/** One stream's part of a Modify: the new complete params, and verbs. */
struct agw_stream_change {
	struct agw_stream_params params; /* realms and families cannot change: GW_ERR_UNSUPPORTED */
	bool ice_restart;                /* new local ufrag/pwd, same ports (ICE-17) */
	bool new_dtls;    /* new association with params' role and fingerprints (DTLS-20) */
	bool ask_picture; /* the WIC for one, by a PLI of our own (RTCP-24) */
	struct agw_fingerprint cert; /* … by this certificate of ours; len 0 = the newest */
};

struct agw_candidate {
	char foundation[16];
	uint8_t component; /* 1, 2 */
	uint32_t priority;
	struct gw_addr addr; /* public */
	bool tcp;            /* passive (RFC 6544) */
	bool relay;
};

struct agw_stream_local {
	uint32_t id;
	unsigned worker;
	/* access */
	struct gw_addr access[AGW_FAMILY_COUNT]; /* public address and port; len 0 = none */
	struct agw_candidate cands[AGW_CAND_MAX];
	unsigned n_cands;
	bool ice_full;
	bool answers_nack; /* of the WIC, from packets we keep, whatever the core takes; as things
			    * stood when the stream was made */
	char ufrag[AGW_ICE_LOCAL_UFRAG + 1];
	char pwd[AGW_ICE_LOCAL_PWD + 1];
	uint32_t ice_generation;   /* 0, then +1 per restart */
	struct agw_fingerprint fp; /* of our certificate, sha-256 */
	/* core */
	struct gw_addr core_rtp;
	struct gw_addr core_rtcp; /* == core_rtp with mux; len 0 with RTCP off */
};

/* --- events ------------------------------------------------------------------------------- */

enum agw_event {
	AGW_EV_ICE_CONNECTED, /* first nomination of a generation: addr = remote, value = generation
			       */
	AGW_EV_ICE_FAILED,    /* ice.timeout without nomination */
	AGW_EV_PAIR_CHANGED,  /* nomination moved: addr = new remote */
	AGW_EV_NEW_PRFLX,     /* full ICE: addr = a candidate no SDP told, value = its priority */
	AGW_EV_DTLS_ESTABLISHED, /* keyed and fingerprint verified: value = SRTP profile */
	AGW_EV_DTLS_FAILED,      /* cause */
	AGW_EV_DTLS_CLOSED,      /* cause: close_notify or fatal alert after set-up */
	AGW_EV_CONSENT_LOST,
	AGW_EV_CONSENT_RESTORED,
	AGW_EV_MEDIA_INACTIVE, /* side */
	AGW_EV_MEDIA_ACTIVE,   /* side; after an INACTIVE */
	AGW_EV_CORE_LATCHED,   /* addr = new, addr2 = old */
	AGW_EV_SSRC_CHANGED,   /* side, value = new SSRC from there */
	AGW_EV_PT_UNKNOWN,     /* side, value = payload type; once per stream and side */
	AGW_EV_POLICED,        /* side that sends too much, value = its rate in bit/s */
	AGW_EV_KEY_LIMIT,      /* the SRTP keys are nearly used up: a new association is due */
	AGW_EV_PICTURE_ASKED,  /* by the WIC, and the core takes no such feedback; twice a second */
	/* A TURN server was asked, for one socket: addr = the relayed address, len 0 = none, value
	   = leg * AGW_FAMILY_COUNT + family. Told to no controller: the Reserve's reply has it. */
	AGW_EV_GATHERED,
	AGW_EV_COUNT
};

enum agw_side { AGW_SIDE_ACCESS, AGW_SIDE_CORE };

struct agw_stream_event {
	uint32_t stream_id;
	enum agw_event kind;
	enum agw_side side;
	enum agw_cause cause;
	uint32_t value;
	struct gw_addr addr;
	struct gw_addr addr2;
};

const char *agw_event_name(enum agw_event ev); /* "ice-connected" */

/* --- statistics ---------------------------------------------------------------------------- */

/* Why a packet was not relayed (RTP-26). name, word */
#define AGW_DROP_LIST(X)                                                                           \
	X(DEMUX, "demux")         /* first octet of no protocol of ours */                         \
	X(TOO_BIG, "too-big")     /* datagram over 2048 octets */                                  \
	X(SOURCE, "source")       /* access: no validated pair; core: source filter */             \
	X(NOT_READY, "not-ready") /* no SRTP keys, or fingerprint not verified yet */              \
	X(AUTH, "srtp-auth")                                                                       \
	X(REPLAY, "srtp-replay")                                                                   \
	X(SRTP, "srtp-other")                                                                      \
	X(MALFORMED, "malformed") /* RTP or RTCP header checks */                                  \
	X(PT, "pt")               /* payload type not negotiated */                                \
	X(GATE, "gate")                                                                            \
	X(NO_DEST, "no-destination") /* no pair nominated, consent lost, no core remote */         \
	X(PADDING, "padding-only")                                                                 \
	X(RTCP_FILTER, "rtcp-filter") /* nothing left after the feedback filter */                 \
	X(SSRC_LIMIT, "ssrc-limit")                                                                \
	X(KEY_LIMIT, "srtp-key-limit") /* as many packets were sent as a key is good for */        \
	X(POLICED, "policed")          /* over the rate that was agreed */                         \
	X(SEND, "send")                /* the kernel refused it */                                 \
	X(STUN_BAD, "stun-bad")        /* malformed, or answered with an error */                  \
	X(DTLS_BAD, "dtls-bad")                                                                    \
	X(ADDR_TAKEN, "address-taken") /* a good check, from where another stream's WIC is */

enum agw_drop {
#define X(name, word) AGW_DROP_##name,
	AGW_DROP_LIST(X)
#undef X
	    AGW_DROP_COUNT
};
const char *agw_drop_name(enum agw_drop d);

/* One direction: what came in on its source side and went out on the other. */
struct agw_dir_stats {
	uint64_t rtp_packets; /* relayed */
	uint64_t rtp_octets;  /* RTP payload octets relayed, without headers */
	uint64_t rtcp_packets;
	uint64_t drops[AGW_DROP_COUNT];
	uint64_t lost;         /* as received, RFC 3550 A.3: the sum over the SSRCs of its life */
	uint32_t jitter;       /* RTP timestamp units, RFC 3550 A.8 */
	uint32_t ssrc;         /* current, as received */
	uint64_t last_seen_ms; /* monotonic time of the last accepted packet; 0 = never */
	uint64_t first_in_ms;  /* monotonic time of the first RTP taken in; 0 = none */
	uint64_t first_out_ms; /* and of the first relayed */
	uint64_t discontinuities; /* SSRC reused with another sequence: new SSRC given (SRTP-09) */
	/* As the side it goes to reports it; 0 = it did not. */
	uint32_t rtt_us;     /* between us and that side */
	uint32_t far_lost;   /* packets, what we lost included */
	uint32_t far_jitter; /* RTP timestamp units */
	uint32_t mos_x100;   /* audio: 100 … 450; 0 = not known */
	uint32_t made_rtcp;  /* datagrams of our own towards that side (RTP-18, RTCP-10) */
	uint64_t nacked;     /* to the WIC: packets it asked for again */
	uint64_t resent;     /* and got from us (resend.h) */
	uint64_t oversize;   /* RTP sent in IP packets of more than 1500 octets (RTP-22) */
};

struct agw_stream_stats {
	struct agw_dir_stats up;
	struct agw_dir_stats down;
	uint64_t stun_requests;
	uint64_t stun_errors_sent;
	uint64_t rtcp_removed; /* sub-packets taken out of compounds by the filter */
	uint64_t dtls_packets;
	/* monotonic times; 0 = not yet */
	uint64_t ice_first_check_ms, ice_connected_ms, dtls_started_ms, dtls_established_ms;
	uint16_t srtp_profile;      /* 0 until keyed */
	uint16_t dtls_version;      /* 0xfefd = DTLS 1.2; 0 until keyed */
	struct gw_addr remote;      /* selected access pair, theirs; len 0 = none */
	struct gw_addr core_remote; /* where RTP to the core goes; len 0 = nowhere */
};

#endif
