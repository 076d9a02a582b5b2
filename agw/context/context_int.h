/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of agw/context only. */
#ifndef AGW_CONTEXT_CONTEXT_INT_H
#define AGW_CONTEXT_CONTEXT_INT_H

#include "agw/context/context.h"
#include "common/fsm.h"
#include "common/histogram.h"
#include "common/log.h"
#include "common/metric.h"

#include <event2/event.h>
#include <uthash.h>

#define AGW_CTX_KEY_MAX      (2 * AGW_CTX_NAME_MAX) /* "controller\nctx_id" */
#define AGW_CTX_RELEASE_WAIT 5000U                  /* ms the workers get to give streams back */

enum ctx_state { CTX_S_RESERVED, CTX_S_ACTIVE, CTX_S_PREPARED, CTX_S_RELEASING, CTX_S_COUNT };

enum ctx_event {
	CTX_E_ADD,       /* struct ctx_call: Reserve with further streams */
	CTX_E_CONFIGURE, /* struct ctx_call */
	CTX_E_PREPARE,   /* struct ctx_call */
	CTX_E_COMMIT,    /* struct ctx_call */
	CTX_E_ROLLBACK,  /* struct ctx_call */
	CTX_E_RELEASE,   /* no data: streams were asked back */
	CTX_E_EMPTY,     /* no data: the last stream is back */
	CTX_E_TIMER,     /* no data: reserve_ttl, prepare_ttl or AGW_CTX_RELEASE_WAIT */
	CTX_E_COUNT
};

/* One request on its way through the machine. */
struct ctx_call {
	const struct agw_ctx_patch *streams;
	size_t n;
	struct agw_ctx_result *result;
	struct agw_ctx_fault *fault;
	enum gw_err err;
};

/* Names of the early dialogs in params.core.branches, same index; "" = slot unused or unnamed. */
struct ctx_branches {
	char name[AGW_BRANCH_MAX][AGW_CTX_BRANCH_NAME];
	uint32_t last_id;
};

struct ctx_stream {
	uint32_t id;
	char label[AGW_CTX_NAME_MAX];
	uint64_t request_hash;
	const char *ice_state; /* static words */
	const char *dtls_state;
	struct ctx_branches branches;
};

/* A release under way: which streams it waits for, whom it tells. */
struct ctx_release {
	struct ctx_release *next;
	struct agw_ctx_stats stats;
	size_t left;
	bool back[AGW_CTX_STREAMS_MAX];
	agw_ctx_done_fn *done; /* may be NULL: nobody waits */
	void *arg;
};

struct agw_context {
	UT_hash_handle hh;    /* table->by_name, by `key` */
	UT_hash_handle hh_id; /* table->by_id, by `ctx_id`; another controller may use it too */
	bool named;           /* in the hashes; false once releasing */
	char key[AGW_CTX_KEY_MAX];
	char controller[AGW_CTX_NAME_MAX];
	char ctx_id[AGW_CTX_NAME_MAX];
	char call_id[AGW_CTX_TEXT_MAX];
	char icid[AGW_CTX_TEXT_MAX];
	uint64_t epoch;
	uint64_t serial;
	uint64_t rev;
	bool priority;
	bool trace;
	uint64_t born_ms;
	uint64_t next_heartbeat_ms;
	unsigned heartbeats_unacked;
	struct agw_context_table *table; /* borrowed */
	gw_handle handle;
	struct gw_fsm fsm;
	unsigned before_prepare;                         /* state PREPARED goes back to */
	struct agw_media *media;                         /* owned */
	struct ctx_stream *streams[AGW_CTX_STREAMS_MAX]; /* owned */
	unsigned n_streams;
	unsigned on_worker;             /* streams the workers still have */
	struct agw_ctx_patch *prepared; /* owned; patches of PREPARE */
	size_t n_prepared;
	struct ctx_release *releases;  /* owned list */
	struct ctx_gather *gathers;    /* owned list: Reserves that wait (gather.c) */
	struct agw_context *next_dead; /* table->dead */
};

enum ctx_metric {
	CTX_M_CONTEXTS,
	CTX_M_CREATED,
	CTX_M_REFUSED,
	CTX_M_LATE_EVENTS,
	CTX_M_NO_RELAY,
	CTX_M_RELEASED, /* + enum agw_ctx_why */
	CTX_M_COUNT = CTX_M_RELEASED + AGW_WHY_COUNT
};
extern struct gw_metric agw_ctx_metrics[CTX_M_COUNT];

struct agw_context_table {
	struct event_base *base; /* borrowed */
	struct agw_context_cfg cfg;
	struct agw_context_cbs cbs;
	void *cbs_arg;
	struct agw_pool *pool;    /* borrowed */
	struct event *pool_event; /* owned */
	struct event *sweep;      /* owned; heartbeats */
	struct event *bury;       /* owned; frees `dead` at the end of the turn */
	struct gw_handle_table *handles;
	struct agw_context *by_name;
	struct agw_context *by_id;
	struct agw_context *dead;
	uint64_t last_serial;
	uint32_t releasing;
};

#define CTX_LOG(ctx, level, event, fmt, ...)                                                       \
	GW_LOG(level, event, "ctx=%s controller=%s call_id=\"%s\" icid=\"%s\" " fmt,               \
	       (ctx)->ctx_id, (ctx)->controller, (ctx)->call_id, (ctx)->icid, ##__VA_ARGS__)

uint64_t agw_ctx_now_ms(void);
enum gw_err agw_ctx_fail(struct agw_ctx_fault *fault, enum gw_err err, enum agw_ctx_code code,
			 const char *field, const char *detail) GW_MUST_CHECK;
/** Translate what the worker said about request stream `i` of a call. */
enum gw_err agw_ctx_fail_media(struct agw_ctx_fault *fault, enum gw_err err, const char *field,
			       bool adding) GW_MUST_CHECK;

struct ctx_stream *agw_ctx_stream_find(const struct agw_context *ctx, uint32_t id);
/** Take a stream out of the context's list and free it. */
void agw_ctx_stream_drop(struct agw_context *ctx, uint32_t id);
void agw_ctx_stream_free(struct ctx_stream *s);

/* context.c */
void agw_ctx_unname(struct agw_context *ctx);
void agw_ctx_bury(struct agw_context *ctx);

/* context_fsm.c */
enum gw_err agw_ctx_fsm_init(struct agw_context *ctx) GW_MUST_CHECK;
enum gw_err agw_ctx_fsm_call(struct agw_context *ctx, enum ctx_event event,
			     struct ctx_call *call) GW_MUST_CHECK;
/** Add the streams of a Reserve; all or none. */
enum gw_err agw_ctx_add_streams(struct agw_context *ctx, struct ctx_call *call) GW_MUST_CHECK;

/** Change streams by patches, all or none; those before `first` are not the request's own. */
enum gw_err agw_ctx_apply(struct agw_context *ctx, const struct agw_ctx_patch *patches, size_t n,
			  size_t first, struct ctx_call *call) GW_MUST_CHECK;
/** Would they fit? Nothing is changed. */
enum gw_err agw_ctx_try(const struct agw_context *ctx, const struct ctx_call *call) GW_MUST_CHECK;

/* prepare.c */
enum gw_err agw_ctx_prepare(struct agw_context *ctx, struct ctx_call *call) GW_MUST_CHECK;
enum gw_err agw_ctx_commit(struct agw_context *ctx, struct ctx_call *call) GW_MUST_CHECK;
void agw_ctx_prepared_forget(struct agw_context *ctx);

/* patch.c */
/** Merge a patch into params; the caller keeps both copies only on GW_OK. */
enum gw_err agw_ctx_merge(struct ctx_branches *branches, const struct agw_ctx_patch *patch,
			  struct agw_stream_params *p, bool configure,
			  struct agw_ctx_fault *fault) GW_MUST_CHECK;

/* gather.c */
/** Some answer came, or streams went: who waits for nothing more is told. */
void agw_ctx_gathers_check(struct agw_context *ctx);
/** The streams go: who waits is told. */
void agw_ctx_gathers_end(struct agw_context *ctx);

/* release.c */
/** Release everything, for a reason of ours or the controller's. */
void agw_ctx_go(struct agw_context *ctx, enum agw_ctx_why why);
void agw_ctx_releases_end(struct agw_context *ctx, bool aborted);
void agw_ctx_on_released(void *arg, uint64_t owner, uint32_t stream_id,
			 const struct agw_stream_stats *last);

#endif
