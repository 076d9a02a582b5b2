/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of cscf/iq share: the pool object, a link, a context, a transaction.
 *
 *   procedures.c ─> txn.c ─> client.c (link) ══TCP/TLS══> AGW
 *         ^           ^          │ on_up, on_down, on_message
 *         └ agw_pool.c┴─ notify.c, audit.c <┘
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_IQ_INT_H
#define CSCF_IQ_INT_H

#include "common/histogram.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/outbox.h"
#include "common/sockaddr.h"
#include "cscf/iq/procedures.h"
#include "proto/frame.h"
#include "proto/iq_codec.h"

#include <event2/event.h>
#include <event2/util.h>
#include <uthash.h>
#include <utlist.h>

#define IQ_MAX_LINKS         64
#define IQ_SUSPECT_TIMEOUTS  5U
#define IQ_RESERVE_DEADLINE  3000U /* ms, all AGWs together (IQ-23) */
#define IQ_RESERVE_AGWS      3U
#define IQ_BACKOFF_MIN       200U
#define IQ_BACKOFF_MAX       5000U
#define IQ_BACKOFF_DISPLACED 30000U /* another process uses our id: each Hello ends its calls */
#define IQ_CONNECT_TIMEOUT   3000U
#define IQ_LOOK_AGAIN_MS     50U
#define IQ_HEARTBEAT_MAX_MS  60000U
#define IQ_LINK_QUEUE_MAX    (4U * 1024U * 1024U)
#define IQ_AUDIT_GRACE_S     10U
#define IQ_DEFAULT_PORT      7070
#define IQ_CTX_ID_LEN        32

enum iq_metric {
	IQ_M_LINKS_UP,
	IQ_M_CONTEXTS,
	IQ_M_TXNS,
	IQ_M_RESERVE,
	IQ_M_CONFIGURE,
	IQ_M_RELEASE,
	IQ_M_AUDIT,
	IQ_M_REJECTED,
	IQ_M_TIMEOUT,
	IQ_M_RESENT,
	IQ_M_FAILOVER,
	IQ_M_NO_AGW,
	IQ_M_LATE,
	IQ_M_EVENTS,
	IQ_M_EVENTS_DUP,
	IQ_M_EVENTS_UNKNOWN,
	IQ_M_LINK_LOST,
	IQ_M_DISPLACED,
	IQ_M_BAD_MESSAGE,
	IQ_M_CTX_LOST,
	IQ_M_AUDIT_RELEASED,
	IQ_M_AUDIT_DIFFERS,
	IQ_M_COUNT
};
extern struct gw_metric cscf_iq_metrics[IQ_M_COUNT];
extern struct gw_histogram cscf_iq_reserve_time;

enum iq_link_state {
	IQ_LINK_BACKOFF,
	IQ_LINK_CONNECTING,
	IQ_LINK_HELLO,
	IQ_LINK_UP,
	IQ_LINK_STATE_COUNT
};

struct iq_source;

/* One connection to one AGW address. */
struct cscf_iq_link {
	struct cscf_iq *iq;
	struct cscf_iq_link *prev, *next; /* utlist */
	struct iq_source *source;         /* borrowed: lives as long as the pool */
	struct gw_addr addr;
	char addr_text[GW_ADDR_STRLEN];
	enum iq_link_state state;
	struct bufferevent *bev;        /* owned; NULL while in BACKOFF */
	struct gw_outbox *out;          /* owned; NULL where bev is, and with TLS */
	struct iq_frame_reader *reader; /* owned */
	struct event *timer;            /* owned: connect, hello, back-off, heartbeat */
	struct event *dead_timer;       /* owned: T_agwdead */
	uint64_t leave_end_ms;          /* when its drain is over */
	struct event *leave_timer; /* owned: it drains, its calls are asked to leave; or NULL */
	uint32_t backoff_ms;
	uint64_t last_rx_ms;  /* moved on by what we did not run */
	uint64_t beat_due_ms; /* when the timer is to fire, while UP */
	uint64_t heartbeat_seq;
	bool wanted;      /* still configured or still in the DNS */
	bool suspect;     /* does not answer requests */
	bool duplicate;   /* another link reaches the same AGW */
	bool displaced;   /* by another process under our controller id */
	bool dead;        /* given up: its contexts were told */
	bool closed;      /* the AGW's end of the connection ended without a Goodbye */
	bool ended;       /* the AGW's end said so, by FIN, RST or Goodbye: not mere silence */
	uint32_t beat_ms; /* between heartbeats, the slower of both ends */
	unsigned timeouts_in_a_row;
	/* what the AGW said */
	char agw_id[IQ_MAX_ID + 1];
	uint64_t boot_id; /* 0 = never up */
	uint64_t last_event_seq;
	int agw_state; /* IqAgwState state */
	uint32_t cpu_permille, contexts, max_contexts, overload_level;
	bool realm_down[2]; /* access, core: it has no addresses there */
	size_t n_ctx_told;  /* n_ctx at its last load report */
	/* audit under way */
	struct event *audit_timer; /* owned */
	uint32_t audit_gen;
	size_t n_ctx;        /* contexts of ours on it */
	struct iq_ctx *ctxs; /* those, so that losing them costs nothing of the others'; utlist */
	struct iq_txn *txns; /* requests under way there; utlist */
};

struct iq_ctx {
	UT_hash_handle hh; /* by id */
	gw_handle self;
	gw_handle call;
	char id[IQ_CTX_ID_LEN + 1];
	struct cscf_iq_link *link; /* borrowed: a link with contexts is not freed */
	bool reserving;            /* its first Reserve is not answered yet */
	uint64_t since_ms;
	uint32_t audit_gen;         /* last audit of its AGW that listed it */
	uint64_t rev;               /* as the last reply told; 0 = not known */
	uint64_t last_txn;          /* the last request about it */
	size_t n_txns;              /* its transactions that end with it */
	struct iq_ctx *prev, *next; /* of link->ctxs */
};

enum iq_op {
	IQ_OP_RESERVE,
	IQ_OP_RESERVE_MORE,
	IQ_OP_CONFIGURE,
	IQ_OP_RELEASE,
	IQ_OP_AUDIT,
	IQ_OP_LOOK /* audit of one context, for its statistics */
};

struct iq_txn {
	UT_hash_handle hh; /* by id */
	uint64_t id;
	struct cscf_iq *iq;
	enum iq_op op;
	gw_handle call;
	gw_handle ctx; /* handle; may be dead */
	char ctx_id[IQ_CTX_ID_LEN + 1];
	uint32_t tag;
	cscf_iq_done_fn *done; /* NULL: nobody waits */
	struct cscf_iq_link *link;
	struct iq_txn *prev, *next; /* of link->txns */
	uint8_t *frame;             /* owned: as sent, for the resend */
	size_t frame_n;
	struct event *timer; /* owned */
	unsigned sent;
	uint64_t since_ms;
	/* Reserve only */
	bool priority;
	uint64_t deadline_ms;
	struct cscf_iq_link *tried[IQ_RESERVE_AGWS];
	unsigned n_tried;
};

struct cscf_iq {
	struct event_base *base;
	struct cscf_iq_config cfg;
	struct cscf_iq_cbs cbs;
	void *arg;
	bool attached;
	uint64_t epoch;
	uint64_t last_txn;
	struct cscf_iq_link *links; /* owned */
	size_t n_links;
	struct iq_source *sources; /* owned array */
	size_t n_sources;
	struct iq_dns *dns; /* owned; NULL when no names are configured */
	struct iq_tls *tls; /* owned; NULL = plain TCP */
	bool insecure_told;
	struct event *resolve_timer;
	struct gw_handle_table *ctx_table;
	struct iq_ctx *ctx_by_id;
	struct iq_txn *txns;
};

uint64_t iq_now_ms(void);

/* client.c: one link */
enum gw_err iq_link_new(struct cscf_iq_link **out, struct cscf_iq *iq, struct iq_source *source,
			const struct gw_addr *addr) GW_MUST_CHECK;
void iq_link_free(struct cscf_iq_link *link);
/** Dial now. */
void iq_link_start(struct cscf_iq_link *link);
/** Drop the connection (if any) and dial again after the back-off. */
void iq_link_fail(struct cscf_iq_link *link, const char *why);
/* send.c */
/** Who we are; awaits HelloAck. */
enum gw_err iq_link_send_hello(struct cscf_iq_link *link) GW_MUST_CHECK;
/** One more sign of life; one that does not leave is logged. */
void iq_link_send_heartbeat(struct cscf_iq_link *link);
/** @return GW_ERR_GONE when the link is not up; GW_ERR_LIMIT queue full (the link is dropped) */
enum gw_err iq_link_send_frame(struct cscf_iq_link *link, const uint8_t *frame,
			       size_t n) GW_MUST_CHECK;
/** Pack, trace and send; the envelope stays the caller's. */
enum gw_err iq_link_send(struct cscf_iq_link *link, const IqEnvelope *env) GW_MUST_CHECK;

/* realms.c */
/** Realms that it has, or whose addresses come or go. @param all  it has no others */
void iq_link_take_realms(struct cscf_iq_link *link, IqRealm *const *realms, size_t n, bool all);
/* leaving.c */
/** It drains, or does no more. */
void iq_leaving_note(struct cscf_iq_link *link, const IqAgwState *state);
void iq_leaving_stop(struct cscf_iq_link *link);

/* link.c */
const char *iq_link_state_name(enum iq_link_state state);
/** May it take new contexts? */
bool iq_link_in_service(const struct cscf_iq_link *link);
/** … and of calls that overload control exempts (IQ-16)? */
bool iq_link_takes_priority(const struct cscf_iq_link *link);

/* agw_pool.c */
enum gw_err iq_pool_open(struct cscf_iq *iq, char *errbuf, size_t errlen) GW_MUST_CHECK;
void iq_pool_close(struct cscf_iq *iq);
/** Lowest load of two random in-service AGWs, none of `not_these` (IQ-22); NULL when none. */
struct cscf_iq_link *iq_pool_choose(struct cscf_iq *iq, struct cscf_iq_link *const *not_these,
				    size_t n, bool priority);
/** A link lost its last context, or its use: free it when it is not wanted. */
void iq_pool_reap(struct cscf_iq *iq);

/* addresses.c: several links to one AGW */
/** Another link that is up and reaches the same process; NULL when none. */
struct cscf_iq_link *iq_link_find_twin(const struct cscf_iq_link *link);
/** The AGW took a newer connection of this controller id: was that one ours, too? */
bool iq_link_is_pushed_out_by_us(const struct cscf_iq_link *link);
/**
 * A link has come up: take what links that are down hold of the same process; tell the contexts
 * of its predecessor, when this is the first word of a new one, that they are gone.
 */
void iq_link_gather(struct cscf_iq_link *link, bool first_of_this_boot);

/* events of a link, told by client.c */
enum iq_boot {
	IQ_BOOT_KNOWN, /* the process that this link reached before */
	IQ_BOOT_FIRST, /* the first that this link ever reached */
	IQ_BOOT_NEW    /* another than before: its contexts are gone */
};
void iq_on_link_up(struct cscf_iq_link *link, enum iq_boot boot);
void iq_on_link_down(struct cscf_iq_link *link);
void iq_on_link_dead(struct cscf_iq_link *link);
void iq_on_message(struct cscf_iq_link *link, const IqEnvelope *env);

/* txn.c */
struct iq_txn_params {
	enum iq_op op;
	struct iq_ctx *ctx; /* NULL for audit and stray releases */
	const char *ctx_id; /* used when ctx is NULL; may be NULL */
	uint32_t tag;
	cscf_iq_done_fn *done;
};
/** Take env's frame, send it (or hold it until the link is back), await the reply. */
enum gw_err iq_txn_start(struct cscf_iq *iq, struct cscf_iq_link *link, IqEnvelope *env,
			 const struct iq_txn_params *p) GW_MUST_CHECK;
void iq_txn_on_reply(struct cscf_iq_link *link, const IqEnvelope *env);
/** Everything that waits for the link is sent once more. */
void iq_txn_on_link_up(struct cscf_iq_link *link);
/** Its answer is to come by that link, to the same process. */
void iq_txn_move(struct iq_txn *t, struct cscf_iq_link *link);
void iq_txn_on_link_down(struct cscf_iq_link *link);
/** Nobody waits for the context's answers any more. */
void iq_txn_forget_ctx(struct cscf_iq *iq, gw_handle ctx);
/** End every transaction of a link that will not come back. */
void iq_txn_end_link(struct cscf_iq_link *link, const char *why);
void iq_txn_free_all(struct cscf_iq *iq);

/* procedures.c */
/** A reply about a context: its revision, if nothing was asked since. */
void iq_ctx_note_rev(struct iq_ctx *ctx, uint64_t txn, uint64_t rev);
struct iq_ctx *iq_ctx_find_id(const struct cscf_iq *iq, const char *ctx_id);
void iq_ctx_move(struct iq_ctx *ctx, struct cscf_iq_link *link);
void iq_ctx_lost(struct iq_ctx *ctx, const char *why);
/** Every context of that link is gone. */
void iq_ctx_lose_link(struct cscf_iq_link *link, const char *why);
/** Release a context that is on the AGW and not ours to keep. */
void iq_release_stray(struct cscf_iq_link *link, const char *ctx_id, const char *reason);

/* notify.c, audit.c */
void iq_on_notification(struct cscf_iq_link *link, const IqNotification *n);
void iq_audit_start(struct cscf_iq_link *link);
void iq_audit_on_reply(struct cscf_iq_link *link, const IqAuditReply *reply);
void iq_audit_stop(struct cscf_iq_link *link);

/* dns.c: A and AAAA of a name, by c-ares on the loop */
typedef void iq_dns_fn(void *arg, const struct gw_addr *addrs, size_t n);
/** @param servers  address[:port] each; NULL or empty = the system's */
enum gw_err iq_dns_new(struct iq_dns **out, struct event_base *base,
		       const struct gw_conf_list *servers) GW_MUST_CHECK;
void iq_dns_free(struct iq_dns *dns);
/** @param fn called once, n = 0 on failure; possibly from within this call */
void iq_dns_query(struct iq_dns *dns, const char *host, uint16_t port, iq_dns_fn *fn, void *arg);

/* tls.c: mutual TLS of the links */
enum gw_err iq_tls_new(struct iq_tls **out, const struct cscf_iq_config *cfg, char *errbuf,
		       size_t errlen) GW_MUST_CHECK;
void iq_tls_free(struct iq_tls *tls);
/** A bufferevent that will connect by TLS; NULL on failure. */
struct bufferevent *iq_tls_bufferevent(struct iq_tls *tls, struct event_base *base);
/** Why the handshake failed, for the log. */
const char *iq_tls_error(struct bufferevent *bev, char *buf, size_t n);

#endif
