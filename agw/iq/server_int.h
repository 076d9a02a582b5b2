/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of agw/iq only. */
#ifndef AGW_IQ_SERVER_INT_H
#define AGW_IQ_SERVER_INT_H

#include "agw/iq/server.h"
#include "common/handle.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/outbox.h"
#include "proto/frame.h"
#include "proto/iq_codec.h"

#include <event2/event.h>
#include <uthash.h>

#define IQ_TICK_MS        1000U  /* at most; half a heartbeat when that is less */
#define IQ_NOTIFY_MAX     10000U /* kept per controller (IQ-20) */
#define IQ_REPLIES_MAX    4096U  /* kept per controller */
#define IQ_REPLIES_OCTETS (8U * 1024U * 1024U)
#define IQ_OUTPUT_HIGH    (1024U * 1024U) /* then no more is read or notified */
#define IQ_PARKED_MAX     1024U /* requests behind a Reserve that waits for a TURN server */
#define IQ_PEER_MAX       80

struct bufferevent;
struct evconnlistener;
struct agw_iq_controller;
struct iq_waiter;
struct iq_parked;

enum iq_metric {
	IQ_M_CONNECTIONS,
	IQ_M_CONTROLLERS,
	IQ_M_REJECTED,
	IQ_M_GARBAGE,
	IQ_M_DEAD_PEER,
	IQ_M_SLOW_PEER,
	IQ_M_RX,
	IQ_M_TX,
	IQ_M_REQUESTS,
	IQ_M_ERRORS,
	IQ_M_DUPLICATES,
	IQ_M_STALE,
	IQ_M_NOTIFICATIONS,
	IQ_M_NOTIFY_LOST,
	IQ_M_COUNT
};
extern struct gw_metric agw_iq_metrics[IQ_M_COUNT];

struct iq_conn {
	struct iq_conn *prev, *next;
	struct agw_iq_server *server;         /* borrowed */
	struct agw_iq_controller *controller; /* borrowed; NULL before Hello */
	struct bufferevent *bev;              /* owned */
	struct gw_outbox *out;                /* owned; NULL with TLS, and once dead */
	struct iq_frame_reader *reader;       /* owned */
	char peer[IQ_PEER_MAX];
	uint64_t born_ms;
	uint64_t last_rx_ms;
	uint64_t next_heartbeat_ms;
	uint64_t heartbeat_seq;
	uint64_t bye_ms; /* when the Goodbye was queued */
	bool closing;    /* nothing more is read; freed when the output is gone or at once */
	bool dead;       /* on the list of the buried */
};

/* A reply kept for duplicates; frame NULL while the request is under way. */
struct iq_saved {
	UT_hash_handle hh;
	uint64_t txn;
	IqBodyCase body; /* of the request */
	uint64_t at_ms;
	uint8_t *frame; /* owned */
	size_t n;
};

struct iq_note {
	struct iq_note *prev, *next;
	uint64_t seq;
	gw_handle ctx;
	bool heartbeat;  /* TERMINATION_HEARTBEAT: its ack tells the context */
	bool critical;   /* not dropped before the others */
	IqEnvelope *env; /* owned */
};

struct agw_iq_controller {
	UT_hash_handle hh;
	char id[IQ_MAX_ID + 1];
	char software[IQ_MAX_ID + 1];
	uint64_t epoch;
	struct agw_iq_server *server; /* borrowed */
	struct iq_conn *conn;         /* borrowed; NULL while away */
	gw_handle handle;
	uint64_t since_ms; /* connected or away since */
	uint64_t requests;
	struct event *orphan;   /* owned */
	struct iq_saved *saved; /* owned hash, in the order of arrival */
	size_t saved_octets;
	uint64_t stale_below;   /* replies up to this txn are forgotten */
	struct iq_note *notes;  /* owned list, oldest first */
	struct iq_note *unsent; /* first of them not sent on the present connection */
	unsigned n_notes;
	bool lost; /* a notification was dropped since the last one queued */
};

struct agw_iq_server {
	struct event_base *base; /* borrowed */
	struct agw_iq_cfg cfg;   /* strings owned, see server.c */
	struct agw_context_table *table;
	struct agw_pool *pool;
	struct evconnlistener *listener; /* owned */
	struct iq_tls *tls;              /* owned; NULL = plain */
	struct event *tick;              /* owned */
	uint64_t tick_due_ms;
	struct event *bury;     /* owned */
	struct event *deadline; /* owned; of a drain */
	struct iq_conn *conns;
	struct iq_conn *dead;
	unsigned n_conns;
	struct agw_iq_controller *controllers;
	struct gw_handle_table *handles; /* of controllers */
	struct iq_waiter *waiters;       /* borrowed; requests whose replies come later */
	struct iq_parked *parked;        /* owned; requests behind one of them */
	unsigned n_parked;
	struct event *unpark; /* owned */
	uint64_t boot_id;
	bool realm_down[AGW_REALM_MAX];    /* same index as cfg.defaults.realms */
	bool realm_changed[AGW_REALM_MAX]; /* since the last push */
	uint64_t last_seq;                 /* of notifications */
	enum agw_iq_state state;
	char reason[IQ_MAX_TEXT + 1]; /* whole: half a UTF-8 character is no text */
	uint64_t deadline_ms;
	/* load */
	uint64_t cpu_us;
	uint64_t cpu_at_ms;
	unsigned cpu_permille;
	bool ending; /* the process is: no undrain */
	unsigned overload;
	unsigned told_overload;
	unsigned told_cpu;
};

uint64_t agw_iq_now_ms(void);

/* conn.c */
void agw_iq_conn_new(struct agw_iq_server *s, int fd, const struct gw_addr *peer);
void agw_iq_conn_free(struct iq_conn *c);
/** Send a message (freed here). False when it could not be queued; then the connection closes. */
bool agw_iq_conn_send(struct iq_conn *c, IqEnvelope *env);
bool agw_iq_conn_send_frame(struct iq_conn *c, const uint8_t *frame, size_t n);
/** Room for more notifications? */
bool agw_iq_conn_has_room(const struct iq_conn *c);
/** Goodbye with that fault, then close. */
void agw_iq_conn_bye(struct iq_conn *c, const struct iq_fault *fault);
/** Close at once; freed at the end of the turn. */
void agw_iq_conn_drop(struct iq_conn *c, const char *why);
/** @param late_ms of the tick: for so long this process was not let run, and that is no silence */
void agw_iq_conn_tick(struct iq_conn *c, uint64_t now_ms, uint64_t late_ms);

/* tls.c */
enum gw_err agw_iq_tls_new(struct iq_tls **out, const char *cert, const char *key,
			   const char *ca) GW_MUST_CHECK;
void agw_iq_tls_free(struct iq_tls *t);
struct bufferevent *agw_iq_tls_accept(struct iq_tls *t, struct event_base *base, int fd);
/** Does the peer's certificate carry that name: a DNS subjectAltName, or the common name? */
bool agw_iq_tls_names(struct bufferevent *bev, const char *name);
/** Drain OpenSSL's queue into one log line. */
void agw_iq_tls_log_errors(const char *peer);

/* controller.c */
/** Serve a Hello: version, token, epoch; answers and binds the connection, or refuses. */
void agw_iq_hello(struct iq_conn *c, const IqEnvelope *env);
void agw_iq_controller_free(struct agw_iq_controller *ctl);
/** Its connection is gone: T_orphan begins. */
void agw_iq_controller_away(struct agw_iq_controller *ctl);

/* replies.c */
enum iq_seen { IQ_SEEN_NEW, IQ_SEEN_UNDER_WAY, IQ_SEEN_ANSWERED, IQ_SEEN_STALE };
enum iq_seen agw_iq_seen(struct agw_iq_controller *ctl, const IqEnvelope *req,
			 const struct iq_saved **out);
enum gw_err agw_iq_reply_begin(struct agw_iq_controller *ctl, const IqEnvelope *req) GW_MUST_CHECK;
/** Keep and send a reply (freed here); the request may have come on an earlier connection. */
void agw_iq_reply(struct agw_iq_controller *ctl, IqEnvelope *reply);
void agw_iq_replies_expire(struct agw_iq_controller *ctl, uint64_t now_ms);
void agw_iq_replies_free(struct agw_iq_controller *ctl);

/* notify.c */
const struct agw_context_cbs *agw_iq_context_cbs(void);
void agw_iq_notify_send(struct agw_iq_controller *ctl);
void agw_iq_notify_resend(struct agw_iq_controller *ctl);
void agw_iq_notify_ack(struct agw_iq_controller *ctl, uint64_t seq);
void agw_iq_notify_free(struct agw_iq_controller *ctl);
/** BEARER_RELEASED for every stream on that realm. */
void agw_iq_notify_realm_lost(struct agw_iq_server *s, const char *realm);

/* dispatch.c */
void agw_iq_dispatch(struct iq_conn *c, const IqEnvelope *env);
/** Refuse a request, with a counter and a log line. */
void agw_iq_reply_error(struct agw_iq_controller *ctl, const IqEnvelope *env,
			const struct iq_fault *fault);
/** Serve a request that had to wait. */
void agw_iq_serve_parked(struct agw_iq_controller *ctl, const IqEnvelope *env);

/* handlers.c: a reply, or NULL with *later set when it comes later, or NULL: out of memory */
typedef IqEnvelope *iq_handler_fn(struct agw_iq_controller *ctl, const IqEnvelope *env,
				  struct iq_fault *fault, bool *later);
iq_handler_fn agw_iq_on_reserve, agw_iq_on_configure, agw_iq_on_release, agw_iq_on_audit,
    agw_iq_on_drain, agw_iq_on_release_all;

/* later.c */
enum gw_err agw_iq_later_start(struct agw_iq_server *s) GW_MUST_CHECK;
/** The server goes: what comes later finds nobody to answer. */
void agw_iq_waiters_forget(struct agw_iq_server *s);
void agw_iq_later_free(struct agw_iq_server *s);
/** Remember who asked. NULL: out of memory. */
struct iq_waiter *agw_iq_waiter_new(struct agw_iq_controller *ctl, uint64_t txn);
/** It is answered: frees it. @return whom to answer, or NULL: gone, or of another epoch */
struct agw_iq_controller *agw_iq_waiter_end(struct iq_waiter *w, uint64_t *txn);
/** Is it about a context one of whose Reserves waits, or behind a request that does? */
bool agw_iq_must_wait(const struct agw_iq_controller *ctl, const IqEnvelope *env);
/** Keep a copy for later. @return GW_OK; GW_ERR_LIMIT; GW_ERR_NOMEM */
enum gw_err agw_iq_park(struct agw_iq_controller *ctl, const IqEnvelope *env) GW_MUST_CHECK;
/** The context (NULL: all of this controller) goes: what waits is refused. */
void agw_iq_parked_refuse(struct agw_iq_controller *ctl, const char *ctx_id);
/** A Reserve has been answered: serve what waited for it, soon. */
void agw_iq_unpark(struct agw_iq_server *s);

/* realms.c */
/** Look at the addresses; true when a realm went up or down. */
bool agw_iq_realms_check(struct agw_iq_server *s);
/** Are the realms of all these streams up? */
bool agw_iq_realms_ok(const struct agw_iq_server *s, const struct agw_ctx_patch *patches, size_t n,
		      struct iq_fault *fault);

/* state.c */
void agw_iq_state_tick(struct agw_iq_server *s, uint64_t now_ms);
/** The present state as a message of the given kind's parts; NULL when out of memory. */
IqAgwState *agw_iq_state_new(const struct agw_iq_server *s);
IqLoad *agw_iq_load_new(const struct agw_iq_server *s);
enum gw_err agw_iq_realms_fill(const struct agw_iq_server *s, size_t *n, void *list) GW_MUST_CHECK;
/** May this Reserve come in? @return false with the fault (DRAINING, OVERLOADED) */
bool agw_iq_admit(const struct agw_iq_server *s, const IqReserveRequest *req,
		  struct iq_fault *fault);

#endif
