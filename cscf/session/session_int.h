/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of cscf/session share.
 *
 *   call   one INVITE and all that follows: two legs, one AGW context, one SDP session
 *   dialog one callee tag of it (several while forks are early), with a target per leg
 *   xact   one request on its way through: server transaction on one leg, client on the other
 *   job    one message waiting its turn: messages of a call are handled strictly in order,
 *          and the one at the head may wait for the AGW
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_SESSION_INT_H
#define CSCF_SESSION_INT_H

#include "common/fsm.h"
#include "common/log.h"
#include "common/metric.h"
#include "cscf/session/session.h"

#include <uthash.h>
#include <utlist.h>

#define CALL_MAX_DIALOGS  12 /* forks of one INVITE */
#define CALL_MORE_FOR_BYE 8U
#define CALL_MAX_XACTS    200 /* requests of one call, those that linger for repeats included */
#define CALL_MAX_JOBS     64  /* messages waiting in one call */
#define CALL_MAX_ROUTES   16  /* Record-Route entries kept */
#define CALL_ID_MAX       255 /* octets of Call-ID kept for logs and Iq */

enum side {
	SIDE_WIC,  /* W2, the access leg */
	SIDE_CORE, /* Mw, the core leg */
	SIDE_COUNT
};

static inline enum side other_side(enum side side)
{
	return side == SIDE_WIC ? SIDE_CORE : SIDE_WIC;
}

/* Why a call ends; the rows are in release.c (4.12). */
enum cause {
	CAUSE_BYE,       /* one of the parties hung up */
	CAUSE_CANCELLED, /* the caller gave up */
	CAUSE_REJECTED,  /* the callee's final answer */
	CAUSE_SDP,       /* a description we cannot serve; status by verdict */
	CAUSE_NO_MEDIA,  /* no AGW or no ports */
	CAUSE_IQ_FAILED,
	CAUSE_AGW_LOST,
	CAUSE_WIC_GONE,
	CAUSE_WIC_SILENT,
	CAUSE_CORE_SILENT,
	CAUSE_CORE_GONE,
	CAUSE_MEDIA_LOST,
	CAUSE_FINGERPRINT,
	CAUSE_INACTIVITY,
	CAUSE_NO_ACK,
	CAUSE_DIALOG_GONE,
	CAUSE_DEREGISTERED,
	CAUSE_MAX_DURATION,
	CAUSE_SESSION_EXPIRED, /* no refresh (RFC 4028) */
	CAUSE_SHUTDOWN,
	CAUSE_INTERNAL,
	CAUSE_COUNT
};

enum call_state {
	CALL_S_IDLE,
	CALL_S_OFFERING,
	CALL_S_PROCEEDING,
	CALL_S_ANSWERED,
	CALL_S_CONFIRMED,
	CALL_S_RELEASING,
	CALL_S_ENDED,
	CALL_S_COUNT
};

enum call_event {
	CALL_E_START,    /* the INVITE is in the queue */
	CALL_E_SENT,     /* it went on to the callee's leg */
	CALL_E_ANSWERED, /* a 2xx went back to the caller's leg */
	CALL_E_ACKED,
	CALL_E_RELEASE, /* data: const struct release_order * */
	CALL_E_QUIET,   /* nothing is under way any more */
	CALL_E_TIMER,
	CALL_E_COUNT
};

struct release_order {
	enum cause cause;
	enum cscf_sdp_verdict verdict; /* CAUSE_SDP */
	bool outbound;                 /* CAUSE_WIC_GONE: 430 instead of 480 */
	bool unreachable;              /* the S-CSCF of the Service-Route: 504 asks to register */
	int status;                    /* CAUSE_REJECTED: for the record; 0 = by the table */
	enum side by;                  /* CAUSE_BYE: who sent it */
	bool relayed;                  /* CAUSE_BYE: it is on its way to the other */
};

/* Where requests of ours go on one leg of one dialog (REL-03, CALL-10). */
struct target {
	char *uri;     /* owned: Contact of the peer */
	char **routes; /* owned */
	size_t n_routes;
	uint32_t cseq; /* highest sent towards it */
};

struct dialog {
	struct dialog *prev, *next;
	char *callee_tag; /* owned */
	char *to;         /* owned: the callee's To value, tag included */
	struct target target[SIDE_COUNT];
	bool confirmed;
	bool ended; /* our BYE went to the callee: a lost fork */
};

struct call;

struct xact {
	struct xact *prev, *next;
	UT_hash_handle hh;     /* in session->servers, by server */
	struct call *call;     /* its owner */
	struct dialog *dialog; /* borrowed: lives as long as the call; NULL for the initial one */
	gw_handle server;      /* GW_HANDLE_NONE: a request of our own */
	gw_handle client;
	enum cscf_sip_method method;
	enum side from; /* leg the request came from; our own: the leg it does not go to */
	uint32_t cseq;
	bool initial;
	bool has_offer;    /* the request carried the offer of the open round */
	bool server_final; /* a final response was sent */
	bool client_live;  /* callbacks may still come */
	bool client_final;
	bool cancelled;
	uint32_t timeout_ms; /* of the client transaction; 0 = 64*T1 */
	unsigned n_jobs;
	struct cscf_sip_msg *answer; /* owned: 2xx as relayed, for repeats */
	struct cscf_sip_msg *ack;    /* owned: ACK as relayed, for repeated 2xx */
};

enum job_kind { JOB_REQUEST, JOB_RESPONSE, JOB_ACK };

struct job {
	struct job *prev, *next;
	enum job_kind kind;
	struct xact *x;           /* NULL for an ACK of a transaction that has gone */
	struct cscf_sip_msg *msg; /* owned */
	enum side from;
	bool sdp_done;
};

/* What an offer/answer step came to. */
enum media_rc {
	MEDIA_READY,  /* call->media.text is to replace the body */
	MEDIA_WAIT,   /* job_resume will be called */
	MEDIA_REFUSED /* call->media.refusal says why */
};

struct media {
	struct cscf_sdp_session *sdp; /* owned */
	gw_handle ctx;                /* handle of the Iq context */
	uint32_t tag;                 /* of the request awaited; late answers have another */
	enum { MEDIA_IDLE, MEDIA_RESERVING, MEDIA_CONFIGURING, MEDIA_GATING } doing;
	bool from_wic; /* of the step under way */
	bool answered; /* a final answer: gates by direction only */
	bool gates_final;
	bool early_down, early_up; /* gates before the answer */
	struct cscf_sdp_text text;
	struct release_order refusal;
	/* per stream trouble, bit = stream_id % 64 */
	uint64_t lost, idle_access, idle_core;
};

struct call {
	struct cscf_session *s; /* borrowed: outlives us */
	struct gw_fsm fsm;
	gw_handle self;
	UT_hash_handle hh; /* in session->by_call_id; calls of one Call-ID are chained */
	struct call *same_id;
	bool from_wic;                        /* the WIC is the caller */
	gw_handle assoc;                      /* by call_set_assoc */
	UT_hash_handle by_assoc;              /* in session->by_assoc, of the first call of each */
	struct call *assoc_prev, *assoc_next; /* calls of that association */
	uint64_t conn;                        /* W2 connection; 0 while the flow is lost */
	char *call_id;                        /* owned */
	char *caller_tag;
	char *from;        /* From value of the INVITE */
	char *request_uri; /* of the INVITE */
	char *called;      /* MT: P-Called-Party-ID */
	char *impu;        /* for logs */
	char *icid;
	char *pcv;                   /* P-Charging-Vector to send to the core */
	struct emergency *emergency; /* owned: it goes to an E-CSCF; NULL = an ordinary call */
	char **record_route;         /* MT: list of the INVITE we sent (CALL-11) */
	size_t n_record_route;
	struct target caller; /* template of each dialog's caller target */
	struct dialog *dialogs;
	unsigned n_dialogs;
	uint32_t invite_cseq;
	char *winner; /* callee tag of the first 2xx */
	struct xact *xacts;
	unsigned n_xacts;
	struct xact *invite; /* the initial one while it lives */
	struct job *jobs;
	struct job *current; /* owned: the one being worked on, or waiting */
	unsigned n_jobs;
	bool waiting; /* the job at the head waits for the AGW or the flow */
	bool running; /* the queue is being worked on */
	bool acked, released, stats_pending;
	struct event *timer_hold;    /* owned: a request waits for the flow */
	struct event *timer_consent; /* owned */
	struct event *timer_max;     /* owned: maximum duration */
	struct event *timer_session; /* owned: no refresh came */
	struct media media;
	/* record (REL-18) */
	enum cause cause;
	int status;
	uint64_t started_ms, answered_ms, ended_ms;
	time_t started_at;
	char ident[768]; /* identity keys of every log line */
	char stats[512]; /* media statistics of the Release reply */
	struct call *next_dead;
};

struct proxied;
struct late;

struct cscf_session {
	const struct cscf_session_config *cfg;
	struct cscf_session_parts p;
	struct gw_handle_table *calls;
	struct call *by_call_id;
	struct call *by_assoc;
	struct xact *servers;
	struct proxied *proxied;
	size_t n_proxied;
	struct late *late;              /* INVITEs of calls that are over */
	struct token_wait *token_waits; /* utlist DL; owned */
	size_t n_token_waits;
	struct call *dead; /* freed at the end of the loop turn */
	struct event *reaper;
	bool rr_tcp; /* Mw speaks TCP only: say so in our Record-Route */
};

/* Why the gateway itself refuses a request; the words label cscf_session_refused_total. */
#define SESSION_REFUSALS(X)                                                                        \
	X(UNREGISTERED, "unregistered")                                                            \
	X(FOREIGN_FLOW, "foreign-flow") /* a flow token or dialog of another connection */         \
	X(UNREACHABLE, "unreachable")                                                              \
	X(NO_DIALOG, "no-dialog")                                                                  \
	X(WRONG_STATE, "wrong-state") /* the call is over, or too early for this */                \
	X(GLARE, "glare")                                                                          \
	X(BAD_REQUEST, "bad-request")                                                              \
	X(NOT_FROM_CORE, "not-from-core") /* REGISTER on Mw */                                     \
	X(TOKEN, "token")                                                                          \
	X(FROM, "from")                                                                            \
	X(ROUTE, "route-mismatch") /* no stored or sealed route set */                             \
	X(LIMIT, "limit")                                                                          \
	X(INTERNAL, "internal")

enum refusal {
#define X(name, word) REFUSAL_##name,
	SESSION_REFUSALS(X)
#undef X
	    REFUSAL_COUNT
};

enum session_metric {
	SM_CALLS,
	SM_MO,
	SM_MT,
	SM_ANSWERED,
	SM_UNREGISTERED,
	SM_UNREACHABLE,
	SM_NOT_YOURS,
	SM_NO_DIALOG,
	SM_ROUTE_REPLACED,
	SM_LIMIT,
	SM_LATE,
	SM_FORK_DROPPED,
	SM_PROXIED,
	SM_RR_REPAIRED,
	SM_FROM_MISMATCH,
	SM_TNA_REFUSED,
	SM_RESTORATION,
	SM_CAUSE_FIRST,
	SM_REFUSED_FIRST = SM_CAUSE_FIRST + CAUSE_COUNT,
	SM_COUNT = SM_REFUSED_FIRST + REFUSAL_COUNT
};
extern struct gw_metric session_metrics[SM_COUNT];

const char *side_name(enum side side);

/* Every line about a call goes through this. */
#define CALL_LOG(level, event, call, leg, fmt, ...)                                                \
	GW_LOG(level, event, "%s leg=%s " fmt, (call)->ident, leg, ##__VA_ARGS__)

/* ---- session.c */
/** Was that lost flow registered with outbound? The core then knows others (RFC 5626 s5.3). */
bool session_flow_outbound(const struct cscf_session *s, uint64_t conn);

/**
 * Who sends this request of a WIC: in a call its party, else whom the connection and the preferred
 * identities name. The same for all that is decided about a request.
 */
bool session_identify(struct cscf_session *s, const struct cscf_sip_msg *msg, uint64_t conn,
		      struct cscf_registrar_identity *out);

/** A request that passed all screening. */
void session_take_request(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			  const struct cscf_sip_flow *flow);

/* ---- restoration.c */
/** Did the request not get to the S-CSCF at all? */
bool restoration_is_due(const struct cscf_sip_response_info *info);
/** 504 that asks for an initial registration; the association's Service-Route is forgotten.
 * @return false when it was not sent: answer otherwise */
bool restoration_reply(struct cscf_session *s, gw_handle server, gw_handle assoc);
/** The same asked for by the core, in an answer that is relayed (REG-83). */
void restoration_heed(struct cscf_session *s, const struct cscf_sip_msg *rsp, gw_handle assoc);

/* ---- token.c, from_check.c */
/** @return true when the request was answered, or waits for its token to be checked */
bool token_gate(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		const struct cscf_sip_flow *flow);
/** @return true when that INVITE waited here: it is answered 487 */
bool token_cancelled(struct cscf_session *s, gw_handle server);
/** A core's 401 or 407 to a WIC with a web token becomes 403 without the challenge (TOK-19). */
enum gw_err token_hide_challenge(struct cscf_session *s, gw_handle assoc,
				 struct cscf_sip_msg *rsp) GW_MUST_CHECK;
void token_server_done(struct cscf_session *s, gw_handle server);
void token_free_all(struct cscf_session *s);
/** @return true when it was answered 403 (identity.from_check) */
bool from_check_refused(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			const struct cscf_sip_flow *flow);

/* ---- refuse.c */
/** The reason behind a status, where an error led to it. */
enum refusal refusal_of(int status, enum gw_err err);
/** Count and log; whoever answers calls it before, while the request is there. */
void session_note_refused(const struct cscf_sip_msg *req, int status, enum refusal why);
/** Count, log and answer. @param retry_after  Retry-After to send, or NULL */
void session_refuse(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *req,
		    int status, enum refusal why, const char *retry_after);

/* ---- call.c */
enum gw_err call_new(struct call **out, struct cscf_session *s, const struct cscf_sip_msg *invite,
		     bool from_wic) GW_MUST_CHECK;
/** Once everything it had under way is over; frees it at the end of the loop turn. */
void call_bury(struct call *c);
void call_free(struct call *c);
void call_ident_update(struct call *c);
uint64_t session_now_ms(void);
/** The call a request belongs to, with its dialog; NULL when there is none. */
struct call *call_find_dialog(struct cscf_session *s, const struct cscf_sip_msg *msg,
			      enum side from, struct dialog **dialog);
struct call *call_find_id(const struct cscf_session *s, struct gw_slice call_id);
/** Whose call it is: from then on call_of_assoc finds it. Once per call. */
void call_set_assoc(struct call *c, gw_handle assoc);
/** The first call of an association, the others by assoc_next; NULL when it has none. */
struct call *call_of_assoc(const struct cscf_session *s, gw_handle assoc);
/** @param order  an emergency call that may proceed; NULL = any other */
void call_start_from_wic(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			 const struct cscf_sip_flow *flow,
			 const struct cscf_emergency_order *order);
void call_start_from_core(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg);

/* ---- call_fsm.c */
extern const struct gw_fsm_desc call_fsm_desc;
void call_release(struct call *c, const struct release_order *order);
void call_release_cause(struct call *c, enum cause cause);
bool call_is_ending(const struct call *c);

/* ---- dialog.c */
struct dialog *dialog_find(const struct call *c, struct gw_slice callee_tag);
/** Create or refresh from a response with a To tag (CALL-10). */
struct dialog *dialog_learn(struct call *c, const struct cscf_sip_msg *rsp);
void dialog_free_all(struct call *c);
enum gw_err target_copy(struct target *to, const struct target *from) GW_MUST_CHECK;
void target_fini(struct target *t);
/** Target refresh: a new Contact (CALL-14). */
void target_refresh(struct target *t, const struct cscf_sip_msg *msg);

/* ---- xact.c */
struct xact *xact_new(struct call *c, gw_handle server, const struct cscf_sip_msg *msg,
		      enum side from);
void xact_free(struct xact *x);
/** Free it when nothing can come of it any more. */
void xact_check(struct xact *x);
struct xact *xact_find_server(struct cscf_session *s, gw_handle server);
struct xact *xact_find_invite(const struct call *c, enum side from, uint32_t cseq);
/** Answer its server transaction ourselves, if that is still open. */
/** Answer a refused description: Warning, and for a WIC what would be taken (SDP-23, SDP-24). */
void xact_refuse_sdp(struct xact *x, int status, enum cscf_sdp_verdict verdict);
void xact_reply(struct xact *x, int status, const char *reason, const char *hdr, const char *value);
void call_cancel_timers(struct call *c);

/* ---- session_timer.c */
enum gw_err session_timer_init(struct call *c) GW_MUST_CHECK;
/** A WIC's answer without a session timer to a core that asked for one: the core refreshes. */
enum gw_err session_timer_fill(const struct cscf_sip_msg *req,
			       struct cscf_sip_msg *rsp) GW_MUST_CHECK;
/** A 2xx goes back: watch the interval it agrees. */
void session_timer_follow(struct call *c, const struct cscf_sip_msg *rsp);

/* ---- job.c */
/** Put a message, ready to go but for its SDP, into the queue. Consumes msg, also on error. */
enum gw_err job_add(struct call *c, enum job_kind kind, struct xact *x, struct cscf_sip_msg *msg,
		    enum side from) GW_MUST_CHECK;
/** The head's wait is over. */
void job_resume(struct call *c, enum media_rc rc);
void job_kick(struct call *c);
void job_flush(struct call *c);

/* ---- leg.c, leg_w2.c, leg_mw.c: what is done to a message before it goes out on a leg */
/** Max-Forwards, tags of features we break (CALL-16, CALL-18). */
enum gw_err leg_prepare_request(struct cscf_sip_msg *msg, enum side to) GW_MUST_CHECK;
enum gw_err leg_filter_features(struct cscf_sip_msg *msg, enum side to) GW_MUST_CHECK;
/** Send a request on a leg as a client transaction of x. Consumes msg. */
enum gw_err leg_send(struct call *c, enum side to, struct cscf_sip_msg *msg,
		     struct xact *x) GW_MUST_CHECK;
enum gw_err leg_send_ack(struct call *c, enum side to, struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** A request of our own in a dialog, towards one of its targets. */
enum gw_err leg_own_request(struct call *c, struct dialog *d, enum side to, const char *method,
			    uint32_t cseq, const char *reason,
			    struct cscf_sip_msg **out) GW_MUST_CHECK;
enum gw_err leg_w2_invite(struct call *c, struct cscf_sip_msg *msg) GW_MUST_CHECK;
enum gw_err leg_w2_response(struct call *c, struct cscf_sip_msg *rsp) GW_MUST_CHECK;
enum gw_err leg_mw_invite(struct call *c, struct cscf_sip_msg *msg,
			  const struct cscf_registrar_identity *id) GW_MUST_CHECK;
enum gw_err leg_mw_response(struct call *c, struct cscf_sip_msg *rsp) GW_MUST_CHECK;
enum gw_err leg_add_pcv(const struct call *c, struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** Where the user is charged, in requests to an S-CSCF of our network (ID-09). */
enum gw_err leg_add_cfa(const struct cscf_session *s, struct cscf_sip_msg *msg,
			const struct cscf_registrar_identity *id) GW_MUST_CHECK;
char *leg_new_pcv(const struct cscf_session *s, char **icid);
/** The vector of a dialog whose icid is known; "" or NULL: of a new one. */
char *leg_pcv(const struct cscf_session *s, const char *icid);
/** Boundary and identity of a WIC's answer: its own claim, else the called IMPU (ID-14). */
enum gw_err leg_strip_answer(struct cscf_session *s, uint64_t conn, gw_handle assoc,
			     const char *called, struct cscf_sip_msg *rsp) GW_MUST_CHECK;

/* ---- route.c */
/** Take our own entries off the top of Route. @return how many */
unsigned route_pop_own(struct cscf_session *s, struct cscf_sip_msg *msg, enum side from);
/** User part of our top Route entry; n = 0 when it is not ours or has none. */
struct gw_slice route_own_token(const struct cscf_sip_msg *msg);
/** Put both Record-Route entries for a connection on top (CALL-09, ID-10). */
enum gw_err route_record(struct cscf_session *s, struct cscf_sip_msg *msg, uint64_t conn,
			 bool to_core) GW_MUST_CHECK;
/** Replace Route by this list. @return GW_ERR_DENIED where the knob says 400 */
enum gw_err route_enforce(struct cscf_session *s, struct cscf_sip_msg *msg, char *const *routes,
			  size_t n) GW_MUST_CHECK;
bool route_is_own_uri(const struct cscf_session *s, struct gw_slice uri, enum side from);
/** Does the top Route carry a flow token of another connection? (ID-16) */
bool route_token_foreign(const struct cscf_session *s, const struct cscf_sip_msg *msg,
			 uint64_t conn);

/* ---- media.c, media_params.c, media_event.c */
enum gw_err media_init(struct call *c) GW_MUST_CHECK;
void media_fini(struct call *c);
/** An SDP of that leg: offer or answer is known from the round. */
enum media_rc media_take(struct call *c, enum side from, const char *text, size_t n,
			 bool in_request, bool final);
/** The answer is final without a new description: open the gates. */
enum media_rc media_confirm(struct call *c);
void media_commit(struct call *c);
/** The request with the offer was refused (SDP-35). */
void media_rollback(struct call *c);
/** Release the context now (REL-02). */
void media_release(struct call *c, const char *reason);
void media_early_gates(struct call *c, const struct cscf_sip_msg *rsp);
void media_on_event(void *arg, gw_handle call, const IqNotification *n);
void media_on_context_lost(void *arg, gw_handle call, const char *why);
void media_on_released(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o);

struct media_params;
/** Iq parameters of every stream that is live (`only_new`: without resources yet). */
enum gw_err media_params_new(struct media_params **out, const struct call *c, bool only_new,
			     bool configure) GW_MUST_CHECK;
void media_params_free(struct media_params *p);
IqStreamRequest **media_params_streams(struct media_params *p, size_t *n);
/** Local addresses of a result into the SDP session. @return GW_ERR_PROTO when unusable */
enum gw_err media_params_take(struct call *c, IqStreamResult *const *results,
			      size_t n) GW_MUST_CHECK;

/* ---- release.c */
const char *cause_name(enum cause cause);
/** "SIP;cause=503;text=\"…\"", or NULL when none is due. */
const char *cause_reason(enum cause cause);
int cause_status(const struct call *c, const struct release_order *order);
void release_run(struct call *c, const struct release_order *order);
/** ACK and BYE a 2xx that lost or came too late (CALL-46). */
void release_fork(struct call *c, const struct cscf_sip_msg *rsp);
bool release_is_quiet(const struct call *c);

/* ---- emergency_call.c */
/* An emergency request on its way to one of the E-CSCFs (EMG-14, EMG-15). */
struct emergency {
	struct cscf_emergency_match match;
	char **ecscf; /* owned: Route values */
	size_t n, at;
	struct cscf_sip_msg *sent; /* owned: as it went to the first, for the next */
};
/** Screen a request of a WIC. @return true when it was taken: answered, or on to an E-CSCF */
bool emergency_take(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow);
enum gw_err emergency_new(struct emergency **out,
			  const struct cscf_emergency_order *order) GW_MUST_CHECK;
void emergency_free(struct emergency *e);
/** The service as Request-URI, the first E-CSCF as the only Route. */
enum gw_err emergency_address(const struct emergency *e, struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** It goes out now: keep what the next E-CSCF would get. */
enum gw_err emergency_keep(struct emergency *e, const struct cscf_sip_msg *msg) GW_MUST_CHECK;
/**
 * Does this answer mean that the E-CSCF is not to be had, and is there another?
 * @param next  the request for that one, to be sent; NULL when there is none left
 * @return true: the answer is not the caller's
 */
bool emergency_next(struct emergency *e, const struct cscf_sip_msg *rsp,
		    const struct cscf_sip_response_info *info, struct cscf_sip_msg **next);
/** An E-CSCF that says nothing at all is given up after this. */
uint32_t emergency_patience_ms(const struct cscf_session *s);
/** The initial INVITE failed. @return true: another E-CSCF has it now, or the caller got 380 */
bool emergency_call_failed(struct xact *x, const struct cscf_sip_msg *rsp,
			   const struct cscf_sip_response_info *info);
/** The call cannot be: tell the caller so, with 380. */
void emergency_call_give_up(struct xact *x);

/* ---- client.c: callbacks of client transactions */
extern const struct cscf_sip_client_cbs xact_client_cbs;

/* ---- late.c: 2xx of other forks after the call */
/** Take over an INVITE's client transaction. @return false: detach it */
bool late_take(struct xact *x);
void late_free_all(struct cscf_session *s);

/* ---- in_dialog.c, proxy.c, record.c, session_json.c */
void in_dialog_request(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		       const struct cscf_sip_flow *flow);
/** @param order  an emergency that may proceed; NULL = anything else */
void proxy_from_wic(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow, const struct cscf_emergency_order *order);
void proxy_from_core(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		     bool in_dialog);
void proxy_free_all(struct cscf_session *s);
void record_stats(struct call *c, const struct cscf_iq_outcome *o);
void record_write(const struct call *c);

#endif
