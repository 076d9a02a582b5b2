/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One media stream: ICE and DTLS-SRTP towards the WIC, plain RTP/RTCP towards the core, and what
 * is relayed between them.
 *
 *          access sockets (v4, v6)                         core sockets
 *   WIC <==> demux --STUN--> agw/ice     (answers)
 *                  --DTLS--> agw/dtls    (keys)
 *                  --SRTP--> unprotect -> checks -> gate ------> RTP, RTCP ==> core
 *        <== protect <- SSRC guard <- gate <- checks <- source filter <====  core
 *
 * Without rtcp-mux on the access side RTCP has a leg of its own there: another port, another
 * pair, another association (DTLS-26); its SRTP keys serve RTCP alone.
 *
 * Built on the control thread (agw_stream_new), handed to a worker (attach … detach), given back
 * and freed on the control thread. What happens on the wire goes up through agw_relay_env.
 *
 * Thread: new, free, fds, dtls_new: control thread, while no worker has the stream. read_stats:
 * any. All others: the owning worker.
 */
#ifndef AGW_RELAY_STREAM_H
#define AGW_RELAY_STREAM_H

#include "agw/net/udp.h"
#include "agw/relay/report.h"
#include "agw/relay/stream_params.h"

#include <stdatomic.h>

#define AGW_SHARE_PORTS 16 /* shared access ports of one worker, at most */

struct agw_stream;
struct agw_share;        /* share.h */
struct agw_names;        /* names.h */
struct agw_tcp;          /* tcp.h */
struct agw_resend_store; /* resend.h */

/* Components of the access side (RFC 8445): RTP, with RTCP muxed; RTCP alone. */
enum agw_leg_index { AGW_LEG_RTP, AGW_LEG_RTCP, AGW_LEG_COUNT };

enum agw_sock_kind {
	AGW_SOCK_ACCESS_V4, /* = AGW_FAMILY_V4, and ICE's index of the local socket */
	AGW_SOCK_ACCESS_V6,
	AGW_SOCK_ACCESS_RTCP_V4, /* component 2, where RTCP is not muxed */
	AGW_SOCK_ACCESS_RTCP_V6,
	AGW_SOCK_CORE_RTP,
	AGW_SOCK_CORE_RTCP,
	AGW_SOCK_COUNT,
	AGW_SOCK_ICE = AGW_SOCK_COUNT /* a full agent's own; port = leg and family */
};

/* ICE's index of the local socket, where a pair's is a TCP connection (tcp.h). */
#define AGW_LOCAL_TCP ((unsigned)AGW_FAMILY_COUNT)

enum agw_sock_tcp { AGW_TCP_NOT, AGW_TCP_LISTENER, AGW_TCP_CONN };

/* What a worker's poll gives back. */
struct agw_sock {
	struct agw_stream *stream; /* NULL: a shared port's */
	int fd;                    /* borrowed from the port lease; -1 = none */
	enum agw_sock_kind kind;
	bool connected;
	bool settled;  /* … and nothing that came before is left to read */
	bool shared;   /* polled once for all, not by this stream */
	uint8_t burst; /* datagrams to ask for */
	unsigned port; /* which shared one */
	enum agw_sock_tcp tcp;
};

/* Times and switches, the same for all streams; const while workers run. */
struct agw_relay_cfg {
	uint32_t ice_timeout_ms;
	uint32_t consent_timeout_ms;
	bool consent_active;
	bool ice_first_valid_pair;
	struct agw_ice_turn turn; /* strings outlive the workers */
	uint32_t dtls_timeout_ms;
	uint32_t dtls_fp_wait_ms;
	uint32_t srtp_replay_window;
	uint64_t srtp_key_packets; /* packets a key may carry; 0 = as many as RFC 3711 allows */
	bool relay_padding_only;
	bool rtcp_generate;              /* reports towards a WIC whose core sends none (RTCP-10) */
	uint32_t keepalive_ms;           /* sign of life to the core; 0 = off (RTP-18) */
	struct agw_resend_store *resend; /* borrowed; NULL: NACKs all go to the core */
};

/* A datagram that was read of a stream's own socket, and waits in `in` for its turn. */
struct agw_unread {
	struct agw_sock *sock;
	size_t at;
};

/* What a handshake waits for (DTLS-25). */
enum agw_delay {
	AGW_DELAY_RUNNING, /* others to finish: limits.handshakes */
	AGW_DELAY_SOURCE,  /* the next turn of its source: limits.handshakes_per_source */
	AGW_DELAY_COUNT
};

/* A worker's services for its streams; one per worker. */
struct agw_relay_env {
	const struct agw_relay_cfg *cfg;
	struct agw_ice_env *ice;
	struct agw_udp_in *in;
	struct agw_udp_out *out;
	struct agw_share *share; /* NULL: no shared ports */
	struct agw_names *names; /* NULL: no ports of several streams */
	struct agw_tcp *tcp;     /* NULL: no ICE-TCP */
	struct agw_unread unread[AGW_UDP_BATCH];
	size_t n_unread;
	bool reading;     /* they are gone through: buffers stay */
	uint8_t *scratch; /* AGW_UDP_BUF octets, 8-aligned */
	uint64_t now_us;  /* monotonic, taken once per turn */
	uint64_t now_ms;
	unsigned max_handshakes;
	struct agw_pace *pace;                     /* NULL: no limit of one source */
	_Atomic uint32_t handshakes;               /* running; written by the worker alone */
	_Atomic uint64_t delayed[AGW_DELAY_COUNT]; /* handshakes that had to wait, and for what */
	uint32_t paced;            /* of these, for their source; the worker tells and clears */
	struct gw_addr paced_from; /* the last one */
	_Atomic uint64_t rtp_packets;
	_Atomic uint64_t nacked;                /* packets WICs asked for again */
	_Atomic uint64_t resent;                /* and got from us */
	_Atomic uint64_t oversize[2];           /* RTP over 1500 octets of IP, by enum agw_side */
	_Atomic uint64_t through_ice;           /* datagrams a full agent handed on: relayed ones */
	_Atomic uint64_t drops[AGW_DROP_COUNT]; /* all protocols, both ways */
	uint32_t strangers; /* datagrams at shared ports that are nobody's; the worker tells and
			       clears */
	void (*on_event)(void *arg, struct agw_stream *s, const struct agw_stream_event *ev);
	/** `n` datagrams from that side were bad in a way worth a log line; from agw_stream_sweep,
	 * at most once in 10 s and stream for each reason. */
	void (*on_bad_input)(void *arg, struct agw_stream *s, enum agw_side from, enum agw_drop why,
			     uint32_t n);
	/** The stream wants agw_stream_tick every 20 ms for a while. */
	void (*on_setup)(void *arg, struct agw_stream *s);
	/** A socket of agw_stream_ice_sock's goes before its stream does: poll it no more. Its
	 * being closed is not enough, for it may have a twin (agw/ice/leave). */
	void (*on_unpoll)(void *arg, int fd);
	void *arg;
};

struct agw_stream_args {
	const struct agw_stream_params *params; /* checked by agw_stream_params_bad; copied */
	/* borrowed: outlive the stream; -1 = none */
	int access_fds[AGW_LEG_COUNT][AGW_FAMILY_COUNT];
	/* with ice_full: where; the sockets are opened and stay the caller's, see agw_stream_sock
	 */
	struct gw_addr access_addrs[AGW_LEG_COUNT][AGW_FAMILY_COUNT];
	int core_fds[2]; /* RTP, RTCP */
	bool shared;     /* access_fds of RTP are those of the worker's port `shared_port` */
	unsigned shared_port;
	bool tcp; /* the WIC is told a TCP candidate of the worker's */
	struct agw_ice_creds creds;
	char cname[AGW_CNAME_LEN];       /* of reports of ours: one for all streams of a call */
	struct agw_dtls_ctx *dtls;       /* used while building only */
	const uint16_t *profiles;        /* when params name none */
	const struct agw_relay_cfg *cfg; /* borrowed */
	void *user;                      /* agw_stream_user */
};

/** @return GW_OK; GW_ERR_NOMEM; GW_ERR_INVAL; GW_ERR_CRYPTO */
enum gw_err agw_stream_new(struct agw_stream **out,
			   const struct agw_stream_args *args) GW_MUST_CHECK;
void agw_stream_free(struct agw_stream *s);
void *agw_stream_user(const struct agw_stream *s);

/** Another association for a leg, to go into a patch. Touches nothing of the stream. */
enum gw_err agw_stream_dtls_new(struct agw_dtls_sess **out, struct agw_stream *s,
				enum agw_leg_index leg, struct agw_dtls_ctx *dtls,
				const uint16_t *profiles) GW_MUST_CHECK;

/* A change, ready to be applied without failing. */
struct agw_stream_patch {
	struct agw_stream_params params;
	bool ice_restart;
	bool ask_picture;
	struct agw_ice_creds creds;                /* with ice_restart */
	struct agw_dtls_sess *dtls[AGW_LEG_COUNT]; /* new ones, owned, taken over; or NULL */
};

/** Take the stream into a worker: from now on `env` is used. */
void agw_stream_attach(struct agw_stream *s, struct agw_relay_env *env);
/** Between attach and detach? */
bool agw_stream_is_attached(const struct agw_stream *s);
/** Its sockets, to poll. */
struct agw_sock *agw_stream_sock(struct agw_stream *s, enum agw_sock_kind kind);
/** Sockets of full agents, to poll too; i from 0. @return NULL: not this one */
struct agw_sock *agw_stream_ice_sock(struct agw_stream *s, unsigned i);
#define AGW_ICE_SOCKS (AGW_LEG_COUNT * AGW_FAMILY_COUNT)
/** Put a patch in force, between two packets; cannot fail. What it owned and was used is taken out
 * of it; the rest stays the caller's. On the worker. */
void agw_stream_apply(struct agw_stream *s, struct agw_stream_patch *patch);
/** Say close_notify, wipe keys, send nothing any more. */
void agw_stream_detach(struct agw_stream *s);

/** A socket is readable: take what there is, within bounds. @return true when there is more */
bool agw_relay_readable(struct agw_relay_env *env, struct agw_sock *sock);
/** Go through what was read, and send what follows; after the last socket of a turn, before
 * anything else. */
void agw_relay_flush(struct agw_relay_env *env);
/** Is something kept that the mailbox may explain: checks for streams not known yet? */
bool agw_relay_awaits_mail(const struct agw_relay_env *env);
/** The mailbox was read: whose are they? Whatever comes of them is sent at once. */
void agw_relay_after_mail(struct agw_relay_env *env);
/** For agw_udp_out_new, with the env as its argument. */
void agw_relay_failed(void *arg, void *tag);
/** Set-up timers. @return false when the stream needs no more ticks until on_setup */
bool agw_stream_tick(struct agw_stream *s);
/** Consent, inactivity, connecting of sockets; once a second. */
void agw_stream_sweep(struct agw_stream *s);

/** A copy of its counters as they are; of those still counting each is whole, all together are of
 * no one moment. Any thread that knows the stream to be there. */
void agw_stream_read_stats(const struct agw_stream *s, struct agw_stream_stats *out);

#endif
