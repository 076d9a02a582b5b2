/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eP-CSCF's side of the Iq control channel (TS 23.334): a pool of eIMS-AGWs, contexts on
 * them, and one function per procedure. Every answer comes as a callback that names the call by
 * handle; nothing here points at a call, and nothing blocks (IQ-24).
 *
 *   reserve ──> done(OK, local addresses) ──> configure … ──> release ──> done(statistics)
 *      └ another AGW is tried when one refuses (IQ-23)          └ always ends the context here
 *
 * A callback is never made from inside the call that asked for it.
 * Not here: what a stream's parameters mean (session/media_params.c), SIP, SDP.
 * Thread: the cscf loop. Spec: calls-and-media sections 4.9 and 5.
 */
#ifndef CSCF_IQ_PROCEDURES_H
#define CSCF_IQ_PROCEDURES_H

#include "common/conf.h"
#include "common/err.h"
#include "common/handle.h"
#include "proto/iq_types.h"

#include <jansson.h>
#include <stdbool.h>

struct cscf_iq;
struct event_base;

/* Times in ms. Strings and lists are borrowed: outlive the pool. */
struct cscf_iq_config {
	const struct gw_conf_list *agw_list; /* "host:port"; a host is an address or a DNS name */
	const struct gw_conf_list *dns_servers; /* NULL or empty = the system's */
	int64_t resolve_interval;               /* DNS names are asked again */
	int64_t request_timeout;
	int64_t heartbeat;
	int64_t agw_dead;       /* T_agwdead */
	int64_t move_before;    /* calls leave an AGW that long before its drain is over; 0 = no */
	int64_t audit_interval; /* 0 = only after a reconnect */
	int64_t max_contexts;   /* of this controller, over all AGWs */
	const char *access_realm, *core_realm; /* that calls need; NULL = any will do */
	const char *controller_id;
	const char *token;  /* where TLS is not used; "" = none */
	const char *tls_ca; /* "" = plain TCP */
	const char *tls_cert;
	const char *tls_key;
	const char *tls_name; /* name the AGWs' certificates must carry; "" = any of the CA */
};

/* Who the context is for; borrowed during the call only. */
struct cscf_iq_ident {
	const char *call_id;
	const char *icid;
	bool priority; /* exempt from overload control (IQ-16) */
};

/* How a procedure ended. Valid during the callback. */
struct cscf_iq_outcome {
	enum gw_err err;    /* OK; REJECTED by the AGW; TIMEOUT; GONE context or AGW lost;
			     * LIMIT no AGW in service */
	IqErrorCode code;   /* REJECTED: the AGW's reason */
	const char *detail; /* one phrase for the log, never NULL */
	size_t n_streams;   /* reserve, configure */
	IqStreamResult **streams;
	size_t n_stats; /* release */
	IqStreamStats **stats;
};

/** @param tag what the caller gave with the request */
typedef void cscf_iq_done_fn(void *arg, gw_handle call, uint32_t tag,
			     const struct cscf_iq_outcome *outcome);

/* A request to an AGW on its way, and what became of it. Texts are borrowed for the call. */
struct cscf_iq_trace {
	enum {
		CSCF_IQ_TRACE_SENT,
		CSCF_IQ_TRACE_AGAIN, /* the same once more: no answer yet */
		CSCF_IQ_TRACE_MOVED, /* to another AGW */
		CSCF_IQ_TRACE_DONE
	} what;
	const char *proc; /* static: "reserve" */
	const char *agw;
	/* DONE */
	enum gw_err err;
	const char *code; /* the AGW's reason, "" when it gave none */
	const char *detail;
	uint32_t took_ms;
};

struct cscf_iq_cbs {
	/* An event of a live context (5.4); delivered once. */
	void (*on_event)(void *arg, gw_handle call, const IqNotification *event);
	/* The context is gone with its AGW (2.10); its handle is dead already. */
	void (*on_context_lost)(void *arg, gw_handle call, const char *why);
	/* An audit shows another revision than ours: nobody knows what holds there (5.3). Tell the
	 * AGW everything again; may be NULL. */
	void (*on_differs)(void *arg, gw_handle call);
	/* Its AGW ends soon: go to another one, if that can be now. @return false: ask no others
	 * just now. May be NULL. */
	bool (*on_leaving)(void *arg, gw_handle call, const char *why);
	/* Requests of contexts, for a record; may be NULL. */
	void (*on_trace)(void *arg, gw_handle call, const struct cscf_iq_trace *t);
};

/** @return GW_OK; GW_ERR_INVAL bad address in agw.list; GW_ERR_CRYPTO; GW_ERR_NOMEM */
enum gw_err cscf_iq_new(struct cscf_iq **out, struct event_base *base,
			const struct cscf_iq_config *cfg, char *errbuf,
			size_t errlen) GW_MUST_CHECK;
/** Close every link; no callback is made any more. NULL is legal. */
void cscf_iq_free(struct cscf_iq *iq);
/** Who gets events and answers; NULL takes it away (answers are dropped then). cbs is copied. */
void cscf_iq_attach(struct cscf_iq *iq, const struct cscf_iq_cbs *cbs, void *arg);

/**
 * Reserve (and configure) a new context on an AGW of our choice. TS 23.334 "Reserve and Configure
 * AGW Connection Point". `streams` is packed before this returns.
 * @param out   names the context from now on; it must be released, also when this fails later
 * @return GW_OK, done follows; GW_ERR_LIMIT no AGW in service or too many contexts, nothing
 *         follows; GW_ERR_NOMEM
 */
enum gw_err cscf_iq_reserve(struct cscf_iq *iq, gw_handle *out, gw_handle call, uint32_t tag,
			    const struct cscf_iq_ident *ident, IqStreamRequest **streams, size_t n,
			    cscf_iq_done_fn *done) GW_MUST_CHECK;
/** Add streams to a context, on its AGW. @return GW_OK; GW_ERR_GONE; GW_ERR_NOMEM */
enum gw_err cscf_iq_reserve_more(struct cscf_iq *iq, gw_handle h, uint32_t tag,
				 IqStreamRequest **streams, size_t n,
				 cscf_iq_done_fn *done) GW_MUST_CHECK;
/**
 * "Configure AGW Connection Point", against the revision known here. Where the AGW has another one
 * the outcome is REJECTED with REV_CONFLICT, and the next request is against that.
 * @return GW_OK; GW_ERR_GONE; GW_ERR_NOMEM
 */
enum gw_err cscf_iq_configure(struct cscf_iq *iq, gw_handle h, uint32_t tag,
			      Wicgate__Iq__V1__ConfigureRequest__Phase phase,
			      IqStreamRequest **streams, size_t n,
			      cscf_iq_done_fn *done) GW_MUST_CHECK;
/** Forget a prepared offer; fire and forget. */
void cscf_iq_rollback(struct cscf_iq *iq, gw_handle h);
/** Release some streams; fire and forget. */
void cscf_iq_release_streams(struct cscf_iq *iq, gw_handle h, uint32_t *stream_ids, size_t n,
			     const char *reason);
/**
 * "Release AGW Termination": the whole context, at once; the handle is dead when this returns.
 * Requests of the context still awaiting replies are forgotten. done may be NULL.
 * @return true when done will be called; false when the context was gone already
 */
bool cscf_iq_release(struct cscf_iq *iq, gw_handle h, uint32_t tag, const char *reason,
		     cscf_iq_done_fn *done);

/**
 * What the AGW has counted of a live context; done gets statistics. Sent once, done always comes.
 * @return GW_OK, done follows; GW_ERR_GONE; GW_ERR_NOMEM
 */
enum gw_err cscf_iq_look(struct cscf_iq *iq, gw_handle h, uint32_t tag,
			 cscf_iq_done_fn *done) GW_MUST_CHECK;

/** For logs and operators; "" when gone. */
const char *cscf_iq_ctx_id(const struct cscf_iq *iq, gw_handle h);
const char *cscf_iq_ctx_agw(const struct cscf_iq *iq, gw_handle h);

/** Is at least one AGW in service for new calls? */
bool cscf_iq_available(const struct cscf_iq *iq);
/** … or for those that overload control exempts? */
bool cscf_iq_takes_priority(const struct cscf_iq *iq);
/** Contexts we hold, and requests awaiting replies. */
size_t cscf_iq_context_count(const struct cscf_iq *iq);
size_t cscf_iq_txn_count(const struct cscf_iq *iq);
/** The links, for operators; new reference. */
json_t *cscf_iq_agw_list(const struct cscf_iq *iq);

#endif
