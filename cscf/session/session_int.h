/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of cscf/session share: the session object, its counters, and what each file does
 * for the others. A call and its parts: call.h.
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_SESSION_INT_H
#define CSCF_SESSION_INT_H

#include "common/fsm.h"
#include "common/histogram.h"
#include "common/log.h"
#include "common/metric.h"
#include "cscf/session/call.h"
#include "cscf/session/media_int.h"
#include "cscf/session/session.h"

#include <uthash.h>
#include <utlist.h>

struct proxied;
struct late;

#define SESSION_LOOKS 16 /* live stories being read at once */

/* An operator who waits for what an AGW has counted. */
struct look {
	uint32_t tag;
	cscf_session_looked_fn *done; /* NULL: free */
	void *arg;
	uint64_t ticket;
};

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
	uint64_t cps_at_ms, cps_tokens; /* limits.cps: tokens in thousandths of a call */
	struct call *repairs[2];        /* in line to be repaired: emergencies, others */
	struct event *repair_timer;
	uint64_t repair_at_ms;  /* when tokens were counted last */
	uint64_t repair_tokens; /* in thousandths of a call */
	uint64_t no_agw_ms;   /* since then nobody could move; 0 = there is an AGW, or nobody to */
	uint64_t no_leave_ms; /* until then none leaves an AGW that serves it: others are full */
	struct call *dead;    /* freed at the end of the loop turn */
	struct event *reaper;
	struct look looks[SESSION_LOOKS];
	uint32_t look_tag;
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
	X(EXTENSION, "extension")  /* Require of what ends here */                                 \
	X(INTERVAL, "session-interval")                                                            \
	X(BODY, "body-type")                                                                       \
	X(PACKAGE, "info-package") /* candidates that trickle */                                   \
	X(LIMIT, "limit")                                                                          \
	X(RATE, "rate")                                                                            \
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
	SM_LOCAL_ANSWER,
	SM_PROXIED,
	SM_RR_REPAIRED,
	SM_FROM_MISMATCH,
	SM_TNA_REFUSED,
	SM_RESTORATION,
	SM_OWN_DONE,
	SM_OWN_FAILED,
	SM_PRACKED,
	SM_TRICKLE,
	SM_REPAIR_STAYED,
	SM_PICTURE_REFUSED,
	SM_PICTURE_TO_CORE,
	SM_PICTURE_TO_WIC,
	SM_REPAIR_PENDING,
	SM_REPAIR_MOVED,
	SM_REPAIR_FAILED,
	SM_REPAIR_RELEASED,
	SM_REPAIR_MS,
	SM_REPAIR_LOOKS,
	SM_CAUSE_FIRST,
	SM_REFUSED_FIRST = SM_CAUSE_FIRST + CAUSE_COUNT,
	SM_COUNT = SM_REFUSED_FIRST + REFUSAL_COUNT
};
extern struct gw_metric session_metrics[SM_COUNT];
extern struct gw_histogram session_setup_time;

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

/** Whom session_note_refused tells besides; NULL = nobody. */
void session_refuse_tell(struct cscf_story *story);

/* ---- story_feed.c */
/** The streams as they are now into the story of the call. */
void story_feed_streams(struct call *c);
/** No peer answered a request: why the stack did in its place. */
void story_feed_local(const struct xact *x, enum cscf_sip_cause cause);
void story_feed_release(struct call *c, const struct release_order *order);
void story_feed_iq(void *arg, gw_handle call, const struct cscf_iq_trace *t);

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

/* ---- cseq.c: numbers of a party and numbers on the wire (CALL-05) */
/** The number this request of a party goes out with; RAck likewise. Each request once, in order.
 * @return GW_OK; GW_ERR_PARSE a PRACK without a RAck; GW_ERR_NOMEM */
enum gw_err cseq_shift(struct target *t, struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** The same for a number of the party's past. */
uint32_t cseq_map(const struct target *t, uint32_t party);
/** The number of the next request of our own. */
uint32_t cseq_next_own(const struct call *c, struct target *t);
/** A response of the other leg to x: with the number that its sender knows. */
enum gw_err cseq_shift_back(const struct xact *x, struct cscf_sip_msg *rsp) GW_MUST_CHECK;

/* ---- session_timer.c */
enum gw_err session_timer_init(struct call *c) GW_MUST_CHECK;
void session_timer_fini(struct call *c);
void session_timer_stop(struct call *c);
/** A request on its way: what its sender takes, and an interval where there is none (CALL-33).
 * @param msg  as it will go out. @return the interval in it, 0 when it has none */
uint32_t session_timer_request(struct call *c, enum side from, struct cscf_sip_msg *msg);
/** Is its interval below ours, and may a proxy say so? `min`: the Min-SE of the 422. */
bool session_timer_too_small(const struct cscf_session *s, const struct cscf_sip_msg *req,
			     uint32_t *min);
/** A response goes back to x's sender: a 2xx settles who refreshes, and the watch begins. */
enum gw_err session_timer_response(struct xact *x, struct cscf_sip_msg *rsp) GW_MUST_CHECK;
/** A WIC's refresh towards a core that cannot take it: answered here. @return true then */
bool session_timer_answered(struct call *c, gw_handle server, const struct cscf_sip_msg *msg,
			    enum side from);

/* ---- screen.c */
/** What ends at the gateway and cannot be had. @return true when the request was answered */
bool screen_refused(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    enum side from);
/** An INFO of a call with candidates that come late: 200, and they go no further (ICE-08). @return
 * true then */
bool screen_ignored(struct call *c, gw_handle server, const struct cscf_sip_msg *msg);

/* ---- picture.c: rtcp.avp_pli=info */
/** The WIC asks for a picture that its core cannot be asked for in RTCP. */
void picture_asked(struct call *c);
/** The core asks the WIC for one by INFO. @return true when the request was answered */
bool picture_answered(struct call *c, gw_handle server, const struct cscf_sip_msg *msg,
		      enum side from);

/* ---- precondition.c: interwork.precondition=local */
/** An offer of that side is on its way. */
void precondition_note(struct call *c, enum side from, struct gw_slice sdp);
/** Our status lines into an answer that goes to the core. */
enum gw_err precondition_answer(const struct call *c, struct cscf_sip_msg *rsp) GW_MUST_CHECK;
/** An UPDATE of the core about preconditions alone. @return true when it was answered */
bool precondition_answered(struct call *c, struct dialog *d, gw_handle server,
			   const struct cscf_sip_msg *msg, enum side from);

/* ---- rel100.c: reliable provisional responses */
/** RAck of a PRACK for an INVITE. @return false when there is none, or not that */
bool rel100_rack(const struct cscf_sip_msg *msg, uint32_t *rseq, uint32_t *cseq);
/** Does this PRACK name a response that its sender got? */
bool rel100_known(const struct dialog *d, enum side from, const struct cscf_sip_msg *prack);
/** The initial INVITE of a WIC, as it goes out. */
enum gw_err rel100_invite(struct call *c, struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** A provisional response of the core. @return false: a repeat, or out of order: drop it */
bool rel100_provisional(struct xact *x, struct dialog *d, const struct cscf_sip_msg *rsp);
/** A response on its way to the other leg: note it, or make it a plain one; fill a 2xx. */
enum gw_err rel100_response(struct xact *x, struct cscf_sip_msg *rsp) GW_MUST_CHECK;

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
/** No description crosses as it is (SDP-01, CALL-40): cscf_sip_msg_drop_sdp, and with `all` a
 * body that cannot be looked through goes altogether. */
enum gw_err leg_hide_sdp(struct cscf_sip_msg *msg, bool all) GW_MUST_CHECK;
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

/* ---- release.c */
const char *cause_name(enum cause cause);
/** "SIP;cause=503;text=\"…\"", or NULL when none is due. */
const char *cause_reason(enum cause cause);
int cause_status(const struct call *c, const struct release_order *order);
void release_run(struct call *c, const struct release_order *order);
/** ACK and BYE a 2xx that lost or came too late (CALL-46). */
void release_fork(struct call *c, const struct cscf_sip_msg *rsp);
/** The WIC could not be told BYE: it will be when its connection is back (2.9), or is now. */
void release_owe_bye(struct call *c, bool is_back);
/** BYE to the WIC of a call that was released without one. */
void release_bye_wic(struct call *c);
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

/* ---- flow.c: the WIC's connection is lost, is there again, will not come */
void flow_lost(struct call *c, uint64_t old_conn);
void flow_back(struct call *c, uint64_t conn);
void flow_given_up(struct call *c);
/** A request of the core was with the WIC when the connection went: it waits for the next one.
 * @return false: it cannot; answer it */
bool flow_ask_again(struct xact *x);

/* ---- client.c: callbacks of client transactions */
extern const struct cscf_sip_client_cbs xact_client_cbs;

/* ---- late.c: 2xx of other forks after the call */
/** Take over an INVITE's client transaction. @return false: detach it */
bool late_take(struct xact *x);
void late_free_all(struct cscf_session *s);

/* ---- in_dialog.c, proxy.c, record.c, session_json.c */
void in_dialog_request(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		       const struct cscf_sip_flow *flow);
/** Header work for the other leg; the body comes later. */
enum gw_err in_dialog_prepare(struct call *c, struct dialog *d, enum side to,
			      struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** @param order  an emergency that may proceed; NULL = anything else */
void proxy_from_wic(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow, const struct cscf_emergency_order *order);
void proxy_from_core(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		     bool in_dialog);
void proxy_free_all(struct cscf_session *s);
/** What the context has counted, so far or at its end; said again, it is written over. */
void record_stats(struct call *c, const struct cscf_iq_outcome *o);
/** That context is over: what is known of it stays. */
void record_keep_stats(struct call *c);
/** Some of it is missing. @param why  a literal */
void record_incomplete(struct call *c, const char *why);
void record_write(const struct call *c);
/** What came in and what goes out for it (media.text), masked. Ask for the level before. */
void record_rewrite(const struct call *c, enum side from, struct gw_slice in);

#endif
