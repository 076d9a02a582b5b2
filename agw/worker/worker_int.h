/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside agw/worker: the pool, one worker, a context's streams, and the messages between.
 *
 *   pool.c     start, stop, dispatch, load          control thread
 *   media.c    streams of one context               control thread
 *   slot.c     one stream of them                control thread
 *   shared.c   access ports for all streams      control thread
 *   report.c   what comes back                   control thread
 *   tcp_port.c where a worker listens for TCP    control thread
 *   metrics.c  counters for /metrics               control thread
 *   mailbox.c  commands down, reports up            both, each its own end
 *   worker.c   the thread and its loop              worker thread
 *
 *            cmds (agw_cmd *)                 reports (agw_report by value)
 *   control ------------------> worker      worker -----------------------> control
 *
 * A command's memory goes down with it and comes back as its acknowledgement, so the worker
 * frees nothing. A stream's slot does the same with its last command.
 */
#ifndef AGW_WORKER_WORKER_INT_H
#define AGW_WORKER_WORKER_INT_H

#include "agw/net/port_pool.h"
#include "agw/relay/resend.h"
#include "agw/relay/stream.h"
#include "agw/worker/worker.h"
#include "common/ring.h"

#include <pthread.h>
#include <stdatomic.h>

#define SWEEP_PHASES 10 /* the once-a-second sweep goes in slices of 100 ms */

struct agw_worker;

/* One stream, from reservation to its way back. */
struct agw_slot {
	/* control thread */
	struct agw_media *media;      /* borrowed */
	struct agw_stream *stream;    /* owned; the worker works with it between ADD and BACK */
	struct agw_slot *prev, *next; /* in media->slots */
	struct agw_stream_params params;
	struct agw_stream_local local;
	struct agw_port_lease access_lease;
	struct agw_port_lease rtcp_lease; /* of the access side, where RTCP is not muxed */
	bool rtcp_leased;
	bool shared; /* access_lease is a copy of the worker's */
	unsigned shared_port;
	struct agw_port_lease core_lease;
	struct gw_addr remote; /* as the events told */
	struct gw_addr core_latched;
	uint16_t srtp_profile;
	unsigned gathering;  /* sockets for which a TURN server has not answered yet */
	struct agw_cmd *del; /* owned; made beforehand, so that a release cannot fail */
	bool going;          /* release asked for: del is the worker's */

	/* worker thread */
	struct agw_slot *w_prev, *w_next; /* in worker->all[phase] */
	struct agw_slot *s_prev, *s_next; /* in worker->setup */
	struct agw_slot *back_next;       /* waiting for room in the report ring */
	unsigned phase;
	bool in_setup;
};

struct agw_media {
	struct agw_pool *pool;
	struct agw_media *prev, *next; /* in pool->medias */
	struct agw_worker *worker;     /* NULL until the first stream */
	uint64_t owner;
	uint32_t seq;
	size_t n_live;         /* not going */
	size_t n_slots;        /* all */
	size_t n_cmds;         /* not acknowledged yet */
	uint32_t shared_taken; /* bits of the worker's shared ports its streams have */
	bool freed;
	struct agw_slot *slots; /* owned */
	char log_id[AGW_LOG_ID_MAX];
	char cname[AGW_CNAME_LEN + 1]; /* of RTCP of ours, the same in all streams (RFC 7022) */
};

enum agw_cmd_kind { AGW_CMD_ADD, AGW_CMD_APPLY, AGW_CMD_DEL };

struct agw_cmd_item {
	struct agw_slot *slot;
	struct agw_stream_patch *patch; /* owned; APPLY only */
};

struct agw_cmd {
	enum agw_cmd_kind kind;
	uint32_t seq;
	struct agw_media *media;
	struct agw_cmd *next; /* waiting for room in a ring */
	size_t n;
	struct agw_cmd_item items[];
};

enum agw_report_kind {
	AGW_REPORT_EVENT, /* ptr = slot */
	AGW_REPORT_BAD,   /* ptr = slot, NULL = no stream's; for the log alone: may be lost */
	AGW_REPORT_PACED, /* handshakes wait for their source; ev.value, ev.addr; for the log alone
			   */
	AGW_REPORT_DONE,  /* ptr = command, owned again by control */
	AGW_REPORT_BACK   /* ptr = slot, owned again by control */
};

struct agw_report {
	enum agw_report_kind kind;
	void *ptr;
	struct agw_stream_event ev;
	enum agw_drop why; /* BAD: ev.side and ev.value (how many) say the rest */
};

/* An access port of all streams of a worker. */
struct agw_shared_port {
	struct agw_port_lease lease; /* owned, for the worker's life */
	size_t realm;
};

/* Where a worker listens for ICE-TCP. */
struct agw_tcp_port {
	bool on;
	int fds[AGW_FAMILY_COUNT]; /* owned; -1 = none */
	uint16_t port;             /* in both families */
	size_t realm;
};

struct agw_worker {
	struct agw_pool *pool; /* const parts only */
	unsigned index;
	pthread_t thread;
	bool started;
	struct gw_ring *cmds;
	struct gw_ring *reports;

	/* control thread */
	size_t n_streams;
	struct agw_shared_port shared[AGW_SHARE_PORTS];
	unsigned n_shared;
	unsigned next_shared; /* streams take them in turn */
	struct agw_tcp_port tcp;
	struct agw_cmd *waiting; /* DEL commands the ring had no room for */
	uint64_t lost_told;

	/* worker thread */
	int epfd;
	struct agw_relay_env env;
	struct agw_slot *all[SWEEP_PHASES];
	unsigned next_phase;
	unsigned sweep_phase;
	struct agw_slot *setup;
	struct agw_slot *back; /* did not fit into the report ring */
	struct agw_cmd *done;  /* neither */
	uint64_t next_tick_ms;
	uint64_t next_sweep_ms;
	uint64_t strangers_quiet_ms;
	uint64_t paced_quiet_ms;
	uint64_t rate_packets; /* at the last sweep slice */
	uint32_t nap_us;
	size_t n_slots;
	_Atomic uint64_t events_lost;
	_Atomic bool stop;
};

#define AGW_CERTS_BEFORE 2 /* certificates of ours that peers may still have been told */

struct agw_pool {
	struct agw_pool_cfg cfg; /* defaults filled in; realms point to `realms` */
	struct agw_relay_cfg relay;
	struct agw_resend_store resend;
	struct agw_realm_cfg realms[AGW_REALM_MAX];
	size_t n_realms;
	struct agw_port_pool *ports[AGW_REALM_MAX];
	struct agw_dtls_ctx *dtls; /* for what is new */
	struct agw_dtls_ctx *dtls_before[AGW_CERTS_BEFORE];
	struct agw_pool_cbs cbs;
	void *arg;
	int epfd;                    /* over all report rings, and `leave` */
	struct agw_ice_leave *leave; /* TURN allocations on their way back; NULL: no TURN server */
	bool srtp_up;
	unsigned n_workers;
	struct agw_worker *workers;
	struct agw_media *medias;
	uint32_t n_streams; /* living and on their way back */
};

/* worker.c */
enum gw_err agw_worker_start(struct agw_worker *w, struct agw_pool *pool,
			     unsigned index) GW_MUST_CHECK;
/** Joins the thread; what is in the rings stays there. */
void agw_worker_stop(struct agw_worker *w);
void agw_worker_fini(struct agw_worker *w);
uint64_t agw_now_us(void);

/* mailbox.c, control's end */
struct agw_cmd *agw_cmd_new(enum agw_cmd_kind kind, struct agw_media *m, size_t n);
void agw_cmd_free(struct agw_cmd *c);
/** @return GW_OK: the command is the worker's; GW_ERR_BUSY: still the caller's */
enum gw_err agw_cmd_send(struct agw_worker *w, struct agw_cmd *c) GW_MUST_CHECK;
/** Send, or keep for later: for what must not fail. */
void agw_cmd_send_sure(struct agw_worker *w, struct agw_cmd *c);
void agw_cmd_retry(struct agw_worker *w);

/* mailbox.c, worker's end */
void agw_report_event(struct agw_worker *w, struct agw_slot *slot,
		      const struct agw_stream_event *ev);
void agw_report_bad(struct agw_worker *w, struct agw_slot *slot, enum agw_side from,
		    enum agw_drop why, uint32_t n);
void agw_report_paced(struct agw_worker *w, uint32_t n, const struct gw_addr *from);
void agw_report_back(struct agw_worker *w, struct agw_slot *slot);
void agw_report_done(struct agw_worker *w, struct agw_cmd *c);
void agw_report_retry(struct agw_worker *w);

/* shared.c */
/** Lease the shared ports of a worker, before it starts. @return as agw_port_pool_single */
enum gw_err agw_shared_lease(struct agw_pool *p, struct agw_worker *w) GW_MUST_CHECK;
void agw_shared_release(struct agw_pool *p, struct agw_worker *w);
unsigned agw_shared_count(const struct agw_worker *w, size_t realm);
/**
 * A shared port of that realm.
 * @param taken  bits of those not wanted: the call has them for other m-lines, and without BUNDLE
 *               no two of them may name one address (RFC 9143 s1)
 * @return NULL when there is none
 */
const struct agw_shared_port *agw_shared_pick(struct agw_worker *w, size_t realm, uint32_t taken);

/* tcp_port.c */
/** Listen for ICE-TCP, before the worker starts, where the realm says so. */
enum gw_err agw_tcp_port_open(struct agw_pool *p, struct agw_worker *w) GW_MUST_CHECK;
void agw_tcp_port_close(struct agw_worker *w);

/* slot.c */
void agw_set_field(const char **field, const char *name);
enum gw_err agw_slot_new(struct agw_slot **out, struct agw_media *m,
			 const struct agw_stream_params *params, const char **field) GW_MUST_CHECK;
/** @param rest its ports were told to somebody: quarantine */
void agw_slot_free(struct agw_pool *p, struct agw_slot *s, bool rest);
void agw_slot_core_local(const struct agw_pool *p, struct agw_slot *s);
void agw_slot_stats(const struct agw_slot *s, struct agw_stream_stats *out);
/** What a TURN server gave for socket `i` (leg * AGW_FAMILY_COUNT + family); len 0: nothing. */
void agw_slot_gathered(struct agw_slot *s, unsigned i, const struct gw_addr *relay);

/* pool.c */
uint64_t agw_pool_drops(const struct agw_pool *p, unsigned worker, enum agw_drop why);

/* identity.c */
enum gw_err agw_identity_new(struct agw_pool *p, struct agw_dtls_ctx **out) GW_MUST_CHECK;
void agw_identity_free(struct agw_pool *p);
/** A fresh certificate, when it is time for one (DTLS-10). */
void agw_identity_renew(struct agw_pool *p);
/** The one with that fingerprint; the newest when it is unknown or has len 0. */
struct agw_dtls_ctx *agw_identity_find(const struct agw_pool *p, const struct agw_fingerprint *fp);

/* metrics.c */
/** Tell /metrics of this pool (of the first one, when a process had several). */
void agw_metrics_start(const struct agw_pool *p);
void agw_metrics_stop(const struct agw_pool *p);
void agw_metrics_event(const struct agw_stream_event *ev);

/* report.c */
void agw_media_on_event(struct agw_slot *slot, const struct agw_stream_event *ev);
void agw_media_on_bad(const struct agw_slot *slot, const struct agw_report *r);
void agw_media_on_paced(const struct agw_report *r);
void agw_media_on_done(struct agw_cmd *c);
void agw_media_on_back(struct agw_slot *slot);
/** Free the handle when nobody holds it and nothing of it is under way. */
void agw_media_maybe_gone(struct agw_media *m);
/** Free without a worker and without callbacks (pool is ending). */
void agw_media_destroy(struct agw_media *m);

#endif
