/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside agw/relay: the stream object, what its files do for each other.
 *
 *   stream.c   construction, patches, timers        access.c  STUN, DTLS, keys
 *   forward.c  the hot path                         gate.c    the core's source and destination
 *   report.c   what we send of our own              quality.c how the far end fares
 *   input.c    who gets what was read               share.c   shared ports: whose is a datagram?
 *   names.c    whom does a check name?              tcp.c     connections of WICs without UDP
 *   full.c     legs with an agent of their own      resend.c  what the WIC lost, again
 */
#ifndef AGW_RELAY_STREAM_INT_H
#define AGW_RELAY_STREAM_INT_H

#include "agw/relay/names.h"
#include "agw/relay/police.h"
#include "agw/relay/quality.h"
#include "agw/relay/report.h"
#include "agw/relay/resend.h"
#include "agw/relay/rewrite.h"
#include "agw/relay/rtp.h"
#include "agw/relay/ssrc.h"
#include "agw/relay/stats.h"
#include "agw/relay/stream.h"
#include "agw/srtp/srtp.h"

struct agw_tcp_conn; /* tcp.c */

#define AGW_EARLY_MAX 4 /* datagrams of an early ClientHello kept (DTLS-05) */

struct agw_early {
	unsigned n;
	uint16_t len[AGW_EARLY_MAX];
	uint8_t data[AGW_EARLY_MAX][AGW_DTLS_DGRAM_MAX];
};

struct agw_watch {         /* inactivity of one side (RTP-17) */
	uint64_t since_ms; /* watched from then on; 0 = not */
	bool inactive;
};

/* One component of the access side: its own pair and its own association. */
struct agw_leg {
	struct agw_stream *stream;
	struct agw_share_nodes *share;  /* owned; NULL: its port is its own */
	struct agw_ice *ice;            /* owned; NULL: there is no such leg */
	struct agw_srtp_sess *srtp;     /* owned; NULL until keyed and verified */
	struct agw_srtp_sess *srtp_old; /* owned; received with for a moment after a rekey */
	enum agw_leg_index index;

	/* set-up */
	struct agw_dtls_sess *dtls; /* owned */
	struct agw_early *early;    /* owned; NULL when the time of early packets is over */
	uint64_t dtls_deadline_ms;  /* 0 = none */
	uint64_t fp_deadline_ms;
	uint64_t srtp_old_until_ms;
	bool has_slot;   /* counted in env->handshakes */
	bool wants_slot; /* the handshake waits, see enum agw_delay (DTLS-25) */
	bool ice_connected;
	bool tcp;                              /* checks by TCP are welcome */
	struct agw_tcp_conn *conns;            /* owned; its TCP connections */
	struct agw_name names[AGW_ICE_UFRAGS]; /* where ports are of several streams */
};

struct agw_stream {
	/* what each packet needs */
	struct agw_sock socks[AGW_SOCK_COUNT];
	struct agw_sock *ice_socks; /* owned; NULL: no full agent */
	struct agw_relay_env *env;  /* of the worker; NULL while nobody has the stream */
	struct agw_leg legs[AGW_LEG_COUNT];
	struct gw_addr core_rtp_to; /* len 0 = nobody */
	struct gw_addr core_rtcp_to;
	bool core_exact;             /* since the last sweep RTP came from core_rtp_to itself */
	bool core_heard;             /* … or any RTP at all */
	bool several;                /* early dialogs: more than one core remote is known */
	bool policed;                /* one direction, or both */
	struct agw_rewrite *rewrite; /* owned; NULL: SSRCs pass, guarded by `ssrcs` */
	bool keeps;                  /* what the WIC is sent, for it may ask for it again */
	bool asks;                   /* it has, by NACK */
	struct agw_resend *resend;   /* owned; NULL: nothing was kept yet */
	struct agw_counters counters;
	struct agw_reception rx_up;
	struct agw_reception rx_down;
	struct agw_ssrc_table ssrcs;
	struct agw_stream_params p;

	/* set-up and timers */
	uint64_t latch_until_ms; /* 0 = not armed */
	uint8_t looked;          /* sweeps since strangers could be seen */
	bool ssrc_told[2];       /* by side: the event was sent once */
	bool pt_told[2];
	uint64_t resend_wait_ms;     /* there was no memory for a ring: none is made before then */
	uint64_t last_refresh_ms[2]; /* PLI/FIR, by enum agw_rtcp_way */
	uint64_t picture_quiet_ms;   /* AGW_EV_PICTURE_ASKED is not told before then */
	uint8_t fir_seq[2];
	struct agw_police police[2]; /* by enum agw_rtcp_way */
	struct agw_key_base {        /* counters when the keys came */
		uint64_t up_rtp, up_rtcp, down_rtp, down_rtcp;
	} key_base;
	bool key_told; /* that they are nearly used up */
	struct agw_quality quality;
	struct agw_reports reports;
	char cname[AGW_CNAME_LEN];
	struct agw_watch watch[2];
	uint64_t bad_told[2][AGW_DROP_COUNT]; /* drops when last told, by side */
	uint64_t bad_quiet_ms;                /* nothing is told before then */
	void *user;                           /* borrowed */
};

/* The leg that RTCP takes on the access side. */
static inline struct agw_leg *agw_rtcp_leg(struct agw_stream *s)
{
	return &s->legs[s->p.access.rtcp_separate ? AGW_LEG_RTCP : AGW_LEG_RTP];
}

static inline int agw_leg_fd(const struct agw_leg *l, unsigned family)
{
	return l->stream->socks[(unsigned)l->index * AGW_FAMILY_COUNT + family].fd;
}

/** Send to the WIC now. */
bool agw_leg_send(struct agw_leg *l, unsigned local, const struct gw_addr *to, const void *data,
		  size_t len);

/* What the WIC knows the core's current sender by. */
static inline uint32_t agw_ssrc_at_wic(const struct agw_stream *s)
{
	return s->rewrite != NULL ? s->rewrite->out : agw_ssrc_forth(&s->ssrcs, s->rx_down.ssrc);
}

/* A packet not relayed: counted for the stream and for its worker. */
static inline void agw_drop(struct agw_stream *s, struct agw_dir_counters *d, enum agw_drop why)
{
	agw_count(&d->drops[why], 1);
	agw_count(&s->env->drops[why], 1);
}

/* A datagram or connection that is no stream's. */
static inline void agw_drop_stranger(struct agw_relay_env *env, enum agw_drop why)
{
	agw_count(&env->drops[why], 1);
	if (env->strangers < UINT32_MAX)
		env->strangers++;
}

/* input.c */
/** A packet that the leg's WIC sent, or says so. */
void agw_relay_access(struct agw_leg *l, unsigned local, struct agw_udp_pkt *pkt);

/* stream.c */
/** The association has new keys. */
void agw_stream_keyed(struct agw_stream *s);
void agw_stream_emit(struct agw_stream *s, struct agw_stream_event *ev);

/* access.c */
extern const struct agw_ice_cbs agw_stream_ice_cbs;
extern const struct agw_dtls_cbs agw_stream_dtls_cbs;
void agw_leg_stun(struct agw_leg *l, unsigned local, const struct agw_udp_pkt *pkt);
void agw_leg_dtls(struct agw_leg *l, unsigned local, const struct agw_udp_pkt *pkt);
/** Start what can start: the handshake, once there is a pair and a role. */
void agw_leg_kick(struct agw_leg *l);
/** Time limits of the handshake; and retransmission. */
void agw_leg_tick(struct agw_leg *l);
bool agw_leg_busy(const struct agw_leg *l);
void agw_leg_slot_free(struct agw_leg *l);
/** Its SRTP keys are gone. */
void agw_leg_wipe(struct agw_leg *l);
/** All of it is gone. */
void agw_leg_free(struct agw_leg *l);

/** What ICE made of a datagram: counted; a good check may start what waited for it. */
void agw_leg_heard(struct agw_leg *l, unsigned local, const struct gw_addr *from,
		   enum agw_ice_verdict what);

/* full.c */
enum gw_err agw_leg_full_new(struct agw_leg *l, const struct agw_stream_args *a,
			     const struct agw_ice_cfg *ice) GW_MUST_CHECK;
/** The stream could not be built: close what was opened for it. */
void agw_stream_close_beside(struct agw_stream *s);
/** The leg's agent is gone, and its sockets with it. */
void agw_stream_forget_ice_socks(struct agw_stream *s, enum agw_leg_index leg);
void agw_leg_ice_readable(struct agw_sock *sock);

/* gate.c */
/** Work out destinations anew; called when branches, mode or gate changed. */
void agw_core_update(struct agw_stream *s, const struct agw_core_params *old, bool gate_opened);
bool agw_core_accepts(const struct agw_stream *s, const struct gw_addr *from);
/** Is it, RTP or RTCP, from an early dialog other than the active one, which is not heard (2.7)? */
bool agw_core_shut_out(const struct agw_stream *s, const struct gw_addr *from);
/** A valid RTP packet came from there: latching, and knowing whom to connect to. */
void agw_core_heard(struct agw_stream *s, const struct gw_addr *from);
void agw_core_sweep(struct agw_stream *s);

#endif
