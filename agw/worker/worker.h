/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media workers, as the control thread sees them: N threads, each with its own epoll loop;
 * a stream lives on one worker from reservation to release, all streams of one context on the
 * same one.
 *
 *   agw_pool        the workers, realms, port pool, DTLS identity
 *   agw_media       the streams of one context (a handle object of the control thread)
 *
 * A walk through one call:
 *   agw_media_new       -> names the context (owner), chooses the worker with the fewest streams
 *   agw_media_add       -> allocates ports, sockets, credentials, DTLS and SRTP objects HERE; then
 *                          one message hands the streams over. Any failure changes nothing.
 *   agw_media_apply     -> checks and allocates here; one message; the worker switches all the
 *                          streams between two packets. on_applied tells when.
 *   on_event            <- ICE, DTLS, consent, inactivity …
 *   agw_media_stats     -> counters, read while the stream lives
 *   agw_media_del       -> one message; the worker says close_notify, wipes keys, and sends the
 *                          stream back; on_released brings the final counters; ports rest.
 *   agw_media_free      -> releases what is left; on_released still comes for those streams
 *
 * What a request changes is ordered per context: what was asked first is applied first.
 *
 * Thread: all functions and all callbacks here run on the control thread. The workers are reached
 * by two single-producer rings each (common/ring.h); the streams they own are touched by nobody
 * else, except counters (relaxed atomics).
 */
#ifndef AGW_WORKER_WORKER_H
#define AGW_WORKER_WORKER_H

#include "agw/relay/stream_params.h"
#include "agw/srtp/srtp.h"

struct agw_pool;
struct agw_media;

/* Zero in a field = the default in brackets. */
struct agw_pool_cfg {
	const struct agw_realm_cfg *realms; /* copied */
	size_t n_realms;
	unsigned n_workers;             /* media.workers [online CPUs, at most 64] */
	uint32_t max_streams;           /* all workers [20000] */
	uint32_t max_batch_wait_us;     /* media.max_batch_wait_us; 0 = off */
	uint32_t ring_slots;            /* per worker and way; power of two [4096] */
	uint32_t port_quarantine_ms;    /* port.quarantine [30000] */
	uint32_t ice_timeout_ms;        /* [20000] */
	uint32_t consent_timeout_ms;    /* [30000] */
	bool consent_active;            /* consent.mode: active (ICE-22) */
	struct agw_ice_turn ice_turn;   /* of full agents; strings outlive the pool */
	bool ice_first_valid_pair;      /* send before nomination (ICE-15 option) */
	uint32_t dtls_timer_initial_ms; /* [100] */
	uint32_t dtls_timeout_ms;       /* [20000] */
	uint32_t dtls_fp_wait_ms;       /* [32000] */
	uint16_t dtls_mtu;              /* [1200] */
	uint32_t dtls_max_handshakes;   /* limits.handshakes, all workers [256] */
	uint32_t dtls_source_rate; /* limits.handshakes_per_source, of each worker; 0 = no limit */
	unsigned fp_hashes;        /* bits 1<<enum agw_hash accepted [sha-256|384|512] */
	uint32_t cert_lifetime_s;  /* dtls.cert_lifetime [30 days] */
	uint16_t srtp_profiles[AGW_SRTP_PROFILE_MAX]; /* [GCM128, GCM256, CM_SHA1_80] */
	uint32_t srtp_replay_window;                  /* [1024] */
	uint64_t srtp_key_packets;                    /* 0 = as many as RFC 3711 allows */
	enum agw_srtp_lib srtp_lib; /* srtp.primitives; the first pool of a process chooses */
	bool relay_padding_only;    /* pass padding-only probes to the core (RTP-11) */
	bool rtcp_generate;         /* rtcp.generate: reports of ours to the WIC (RTCP-10) */
	uint32_t keepalive_ms;      /* media.keepalive; 0 = off (RTP-18) */
	uint32_t resend_packets;    /* media.resend_packets; power of two; 0 = off */
	uint64_t resend_memory;     /* media.resend_memory, of all streams */
};

/* All mandatory; called from agw_pool_dispatch only. `owner` is what agw_media_new was given. */
struct agw_pool_cbs {
	void (*on_event)(void *arg, uint64_t owner, const struct agw_stream_event *ev);
	/** Request `seq` of agw_media_add/apply is in force on the worker. */
	void (*on_applied)(void *arg, uint64_t owner, uint32_t seq);
	/** The stream is gone; its ports rest. Exactly once per stream added. */
	void (*on_released)(void *arg, uint64_t owner, uint32_t stream_id,
			    const struct agw_stream_stats *last);
	/** Events were lost on a full ring (n since the last call): audit your contexts. */
	void (*on_events_lost)(void *arg, uint64_t n);
};

/**
 * Start the workers.
 * @return GW_OK; GW_ERR_INVAL bad realm or limits; GW_ERR_NOMEM; GW_ERR_IO threads, eventfds;
 *         GW_ERR_CRYPTO certificate or SRTP self-test
 */
enum gw_err agw_pool_new(struct agw_pool **out, const struct agw_pool_cfg *cfg,
			 const struct agw_pool_cbs *cbs, void *arg) GW_MUST_CHECK;
/** Stop the threads and free everything, live streams and every agw_media too; no callbacks. */
void agw_pool_free(struct agw_pool *pool);

/** One descriptor, readable when agw_pool_dispatch has work. Stays the pool's. */
int agw_pool_fd(const struct agw_pool *pool);
/** Deliver waiting messages through the callbacks; never blocks. */
void agw_pool_dispatch(struct agw_pool *pool);

/** Fingerprint of the certificate used for new streams (sha-256). */
void agw_pool_fingerprint(const struct agw_pool *pool, struct agw_fingerprint *out);

struct agw_pool_load {
	unsigned workers;
	uint32_t streams; /* living, with those on their way back */
	uint32_t max_streams;
	uint32_t handshakes;  /* DTLS handshakes running */
	uint64_t rtp_packets; /* relayed since start, both ways */
	uint64_t rtp_drops;   /* not relayed since start, all reasons */
	uint64_t events_lost;
	uint64_t through_ice; /* datagrams that came by a full agent's relay */
};
void agw_pool_load(const struct agw_pool *pool, struct agw_pool_load *out);

struct agw_ports_load {
	uint32_t total; /* ports of the realm's range and families, without the shared ones */
	uint32_t used;
	uint32_t shared;  /* held by the workers for all streams */
	uint32_t resting; /* in quarantine */
};
/** @return false for an unknown realm */
bool agw_pool_ports(const struct agw_pool *pool, const char *realm, struct agw_ports_load *out);

/* "ctx=… call_id="…" icid="…"" at their longest (context.h), with terminator */
#define AGW_LOG_ID_MAX 640

/* --- the streams of one context ------------------------------------------------------------ */

/**
 * @param owner  the context's handle, returned in each callback
 * @param log_id identity for log lines ("ctx=… call_id=… icid=…"); copied, cut at AGW_LOG_ID_MAX
 * @return GW_OK; GW_ERR_NOMEM
 */
enum gw_err agw_media_new(struct agw_media **out, struct agw_pool *pool, uint64_t owner,
			  const char *log_id) GW_MUST_CHECK;
/** Release what is left; the handle is dead at once, on_released follows per stream. */
void agw_media_free(struct agw_media *m);

/**
 * Add n streams, all or none.
 *
 * @param locals out: n results
 * @param seq    out: number on_applied will report; may be NULL
 * @param field  out: on error a name of what was wrong ("access.realm"); static text; may be NULL
 * @return GW_OK; GW_ERR_EXISTS stream id in use; GW_ERR_NOT_FOUND no such realm;
 *         GW_ERR_UNSUPPORTED the realm lacks the family, or a mode we do not do; GW_ERR_LIMIT
 *         streams, ports; GW_ERR_BUSY the worker's ring is full; GW_ERR_NOMEM; GW_ERR_IO socket;
 *         GW_ERR_INVAL
 */
enum gw_err agw_media_add(struct agw_media *m, const struct agw_stream_params *params, size_t n,
			  struct agw_stream_local *locals, uint32_t *seq,
			  const char **field) GW_MUST_CHECK;

/** Fingerprint that a new association will have, if its change says so (agw_stream_change.cert). */
void agw_media_next_cert(struct agw_media *m, struct agw_fingerprint *out);

/**
 * Change n streams at once; all switch together, or on error none.
 *
 * @param locals out: n results (new ufrag/pwd after ice_restart); may be NULL
 * @return as agw_media_add; GW_ERR_NOT_FOUND also for an unknown stream id (field "stream_id")
 */
enum gw_err agw_media_apply(struct agw_media *m, const struct agw_stream_change *changes, size_t n,
			    struct agw_stream_local *locals, uint32_t *seq,
			    const char **field) GW_MUST_CHECK;

/** Release n streams; ids not known are ignored. Gates shut as soon as the worker reads it. */
void agw_media_del(struct agw_media *m, const uint32_t *ids, size_t n);

/** Streams not yet asked to be released. */
size_t agw_media_count(const struct agw_media *m);
/** Current params and local values; NULL when there is no such stream. Borrowed until it goes. */
const struct agw_stream_params *agw_media_params(const struct agw_media *m, uint32_t id);
const struct agw_stream_local *agw_media_local(const struct agw_media *m, uint32_t id);
/** Is a TURN server still to answer for it? AGW_EV_GATHERED comes, and agw_media_local has it. */
bool agw_media_is_gathering(const struct agw_media *m, uint32_t id);
/** Counters now. @return false when there is no such stream */
bool agw_media_stats(const struct agw_media *m, uint32_t id, struct agw_stream_stats *out);

#endif
