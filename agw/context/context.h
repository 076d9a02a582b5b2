/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: one call on this gateway, named by the controller (eP-CSCF) that reserved it. A
 * context owns the streams of its call (agw_media), a revision counter and a state machine:
 *
 *   reserve --> RESERVED --configure--> ACTIVE <--commit/rollback-- PREPARED
 *                  |   reserve_ttl        |  ^--------prepare---------^ |
 *                  +----------+-----------+-----------------------------+
 *                             v release, orphan, newer epoch
 *                         RELEASING --last stream back--> gone
 *
 * A walk through one call: agw_context_reserve allocates all streams or none and answers with
 * addresses and rev 1 (agw_context_gather: once a TURN server has been heard);
 * agw_context_configure merges patches into the streams' parameters, all switch together, rev + 1;
 * PREPARE keeps patches for an offer in flight, COMMIT merges them and then its own, ROLLBACK
 * forgets them; agw_context_release takes the context out of the table at once (its name is free
 * again) and calls back with the final counters once the workers gave the streams back.
 *
 * What it does not do: the control protocol (agw/iq), media (agw/worker).
 * Clauses: calls-and-media spec 5.1–5.3; TS 23.334 §6.2.
 * Thread: control thread only.
 */
#ifndef AGW_CONTEXT_CONTEXT_H
#define AGW_CONTEXT_CONTEXT_H

#include "agw/worker/worker.h"
#include "common/handle.h"

struct event_base;
struct agw_context;
struct agw_context_table;

#define AGW_CTX_STREAMS_MAX 16
#define AGW_CTX_NAME_MAX    65  /* ctx_id, controller id, label; with terminator */
#define AGW_CTX_TEXT_MAX    257 /* call id, ICID; with terminator */
#define AGW_CTX_BRANCH_NAME 129

/* Why something was refused; agw/iq turns it into an error of the protocol. */
enum agw_ctx_code {
	AGW_CTX_OK,
	AGW_CTX_INVALID,
	AGW_CTX_UNSUPPORTED,
	AGW_CTX_UNKNOWN, /* no such context */
	AGW_CTX_UNKNOWN_STREAM,
	AGW_CTX_DIFFERENT, /* exists with other content */
	AGW_CTX_REV,       /* base_rev is not the current one */
	AGW_CTX_NOT_OWNER,
	AGW_CTX_NO_CONTEXTS, /* limit of contexts, here or of this controller */
	AGW_CTX_NO_STREAMS,  /* streams per context */
	AGW_CTX_NO_PORTS,
	AGW_CTX_UNKNOWN_REALM,
	AGW_CTX_FAMILY,
	AGW_CTX_BUSY,
	AGW_CTX_STATE, /* not now: nothing prepared, being released */
	AGW_CTX_INTERNAL,
};

struct agw_ctx_fault {
	enum agw_ctx_code code;
	char field[96];     /* "streams[1].core.realm", or "" */
	const char *detail; /* static text */
};

/* Groups of parameters a patch sets; the others stay as they are. */
enum agw_ctx_set {
	AGW_SET_GATE = 1U << 0,
	AGW_SET_ICE = 1U << 1,
	AGW_SET_DTLS = 1U << 2,
	AGW_SET_PROFILES = 1U << 3,
	AGW_SET_ACCESS_PTS = 1U << 4,
	AGW_SET_ACCESS_FB = 1U << 5,
	AGW_SET_ACCESS_DSCP = 1U << 6,
	AGW_SET_CORE_RTCP = 1U << 7,
	AGW_SET_FILTER = 1U << 8,
	AGW_SET_LATCH = 1U << 9,
	AGW_SET_CORE_PTS = 1U << 10,
	AGW_SET_CORE_FB = 1U << 11,
	AGW_SET_CORE_DSCP = 1U << 12,
	AGW_SET_INACTIVITY = 1U << 13,
	AGW_SET_ACCESS_RTCP = 1U << 14,
	AGW_SET_RATES = 1U << 15,
	AGW_SET_SSRC_MODE = 1U << 16,
};

/* One early dialog's remote end (RTP-06). */
struct agw_ctx_remote {
	char branch[AGW_CTX_BRANCH_NAME];
	struct gw_addr rtp;
	struct gw_addr rtcp; /* len 0 = RTP + 1, or RTP with mux */
	bool active;
	bool drop;
};

/* What one StreamRequest asks for. In a Reserve, realms, families and kind are in `p` too. */
struct agw_ctx_patch {
	unsigned set; /* enum agw_ctx_set */
	struct agw_stream_params p;
	struct agw_ctx_remote remotes[AGW_BRANCH_MAX];
	unsigned n_remotes;
	bool ice_restart;
	bool new_dtls;
	bool ask_picture;
	struct agw_fingerprint cert; /* of a new association, told by PREPARE; len 0 = the newest */
	char label[AGW_CTX_NAME_MAX];
	uint64_t request_hash; /* of the whole StreamRequest: tells a retry from another request */
};

/* Whose context it is. */
struct agw_ctx_name {
	const char *controller;
	uint64_t epoch;
	const char *ctx_id;
};

struct agw_ctx_reserve {
	struct agw_ctx_name name;
	const char *call_id;
	const char *icid;
	bool priority;
	bool trace;
	const struct agw_ctx_patch *streams;
	size_t n;
};

enum agw_ctx_phase { AGW_CTX_COMMIT_NOW, AGW_CTX_PREPARE, AGW_CTX_COMMIT, AGW_CTX_ROLLBACK };

struct agw_ctx_configure {
	struct agw_ctx_name name;
	uint64_t base_rev; /* 0 = any */
	enum agw_ctx_phase phase;
	const struct agw_ctx_patch *streams;
	size_t n;
};

struct agw_ctx_result {
	uint64_t rev;
	size_t n;
	struct agw_stream_local locals[AGW_CTX_STREAMS_MAX];
};

/* Final counters of released streams. */
struct agw_ctx_stats {
	size_t n;
	uint32_t id[AGW_CTX_STREAMS_MAX];
	bool known[AGW_CTX_STREAMS_MAX]; /* false: no such stream, or it never came back */
	struct agw_stream_stats stats[AGW_CTX_STREAMS_MAX];
	struct agw_stream_local local[AGW_CTX_STREAMS_MAX];
	struct gw_addr
	    core_remote[AGW_CTX_STREAMS_MAX]; /* where media went last; len 0 = nowhere */
};

enum agw_ctx_why {
	AGW_WHY_REQUEST,
	AGW_WHY_EPOCH,     /* the controller started anew */
	AGW_WHY_ORPHAN,    /* its controller is gone for T_orphan */
	AGW_WHY_TTL,       /* reserved and never configured */
	AGW_WHY_HEARTBEAT, /* three termination heartbeats unanswered */
	AGW_WHY_DRAIN,
	AGW_WHY_SHUTDOWN,
	AGW_WHY_COUNT
};
const char *agw_ctx_why_name(enum agw_ctx_why why);

struct agw_context_cfg {
	uint32_t max_contexts;
	uint32_t max_per_controller; /* 0 = max_contexts */
	uint32_t reserve_ttl_ms;
	uint32_t prepare_ttl_ms;
	uint32_t heartbeat_ms; /* termination heartbeat; 0 = off */
	uint32_t gather_ms;    /* ice.turn.timeout: a Reserve waits for a TURN server; 0 = not */
	bool rtcp_gates;       /* RTCP passes while the media gates are closed */
};

/* Upward calls; all mandatory. The context is valid during the call only. */
struct agw_context_cbs {
	void (*on_event)(void *arg, struct agw_context *ctx, const struct agw_stream_event *ev);
	void (*on_heartbeat)(void *arg, struct agw_context *ctx);
	/* It is going for a reason its controller did not ask for. */
	void (*on_expired)(void *arg, struct agw_context *ctx, enum agw_ctx_why why);
	void (*on_events_lost)(void *arg, uint64_t n);
};

enum gw_err agw_context_table_new(struct agw_context_table **out, struct event_base *base,
				  const struct agw_context_cfg *cfg) GW_MUST_CHECK;
/** Frees every context at once, without callbacks other than aborted `done`s. NULL is legal. */
void agw_context_table_free(struct agw_context_table *t);
void agw_context_table_set_cbs(struct agw_context_table *t, const struct agw_context_cbs *cbs,
			       void *arg);
/** Callbacks to give agw_pool_new, with the table as arg. */
const struct agw_pool_cbs *agw_context_pool_cbs(void);
/** Serve this pool; NULL lets go of it (before agw_pool_free). @return GW_OK; GW_ERR_NOMEM */
enum gw_err agw_context_table_attach(struct agw_context_table *t,
				     struct agw_pool *pool) GW_MUST_CHECK;

/**
 * Create a context, or add streams to one; the same request again answers the same.
 * @return GW_OK; else *fault says why and nothing has changed (IQ-09)
 */
enum gw_err agw_context_reserve(struct agw_context_table *t, const struct agw_ctx_reserve *req,
				struct agw_ctx_result *result,
				struct agw_ctx_fault *fault) GW_MUST_CHECK;

/** The streams of a Reserve and their relay candidates; NULL: they were released before. */
typedef void agw_ctx_gathered_fn(void *arg, const struct agw_ctx_result *result);

/**
 * After a Reserve that succeeded: are its streams waiting for a TURN server?
 * @return true: `done` is called once, within gather_ms, and later than now; false: answer now
 */
bool agw_context_gather(struct agw_context_table *t, const struct agw_ctx_reserve *req,
			agw_ctx_gathered_fn *done, void *arg) GW_MUST_CHECK;
/** Does a Reserve of that context wait? */
bool agw_context_is_gathering(const struct agw_context_table *t, const struct agw_ctx_name *name);

/** Change streams, all together or none. result->locals: only what changed (ICE restart). */
enum gw_err agw_context_configure(struct agw_context_table *t, const struct agw_ctx_configure *req,
				  struct agw_ctx_result *result,
				  struct agw_ctx_fault *fault) GW_MUST_CHECK;

/**
 * Final counters; called exactly once per release that returned GW_OK, possibly before that
 * returns. When the gateway is torn down first: n = 0.
 */
typedef void agw_ctx_done_fn(void *arg, const struct agw_ctx_stats *stats);

/**
 * Release a context (n = 0) or some of its streams.
 * @return GW_OK; GW_ERR_NOT_FOUND no such context (done is not called); GW_ERR_DENIED not owner;
 *         GW_ERR_NOMEM
 */
enum gw_err agw_context_release(struct agw_context_table *t, const struct agw_ctx_name *name,
				const uint32_t *ids, size_t n, agw_ctx_done_fn *done,
				void *arg) GW_MUST_CHECK;

/**
 * Release the contexts of a controller.
 * @param controller NULL = everybody's
 * @param keep_epoch contexts of this epoch stay; 0 = none stay
 * @return how many
 */
uint32_t agw_context_release_all(struct agw_context_table *t, const char *controller,
				 uint64_t keep_epoch, enum agw_ctx_why why);

/** The controller knows this context: its termination heartbeat was acknowledged (IQ-13). */
void agw_context_heartbeat_acked(struct agw_context_table *t, gw_handle h);

/* ---- looking ---- */
/** Living contexts; of one controller and epoch when `controller` is not NULL (epoch 0 = any). */
uint32_t agw_context_count(const struct agw_context_table *t, const char *controller,
			   uint64_t epoch);
/** Contexts on their way out (streams not yet back). */
uint32_t agw_context_releasing(const struct agw_context_table *t);
uint32_t agw_context_streams(const struct agw_context_table *t);

/**
 * First context after serial `after` (0 = from the beginning), of a controller or (NULL) of all;
 * serials rise with creation, so a serial is a cursor that survives changes. NULL at the end.
 */
struct agw_context *agw_context_seek(const struct agw_context_table *t, const char *controller,
				     uint64_t after);
/** The one after that, by the same order. */
struct agw_context *agw_context_next(const struct agw_context *ctx, const char *controller);
/** By name; any controller when name->controller is NULL. */
struct agw_context *agw_context_find(const struct agw_context_table *t,
				     const struct agw_ctx_name *name);

struct agw_ctx_view {
	gw_handle handle;
	uint64_t serial;
	const char *controller;
	uint64_t epoch;
	const char *ctx_id;
	const char *call_id;
	const char *icid;
	const char *state;
	uint64_t rev;
	uint32_t age_s;
	bool priority;
	unsigned n_streams;
};
void agw_context_view(const struct agw_context *ctx, struct agw_ctx_view *out);

struct agw_ctx_stream_view {
	uint32_t id;
	const char *label;
	const char *ice_state;                  /* "new", "connected", "failed", "lost" */
	const char *dtls_state;                 /* "idle", "established", "failed", "closed" */
	const struct agw_stream_params *params; /* borrowed */
	const struct agw_stream_local *local;   /* borrowed */
	struct agw_stream_stats stats;
};
/** Stream number i (0 …) of a context. @return false at the end */
bool agw_context_stream_view(const struct agw_context *ctx, unsigned i,
			     struct agw_ctx_stream_view *out);

#endif
