/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offers, answers and the AGW: what the media files of cscf/session do for each other and for the
 * queue. Part of session_int.h.
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_SESSION_MEDIA_INT_H
#define CSCF_SESSION_MEDIA_INT_H

#include "cscf/session/call.h"
#include "cscf/session/session.h"

/* ---- media.c: offers and answers; media_step.c: what the AGW is asked, one step at a time */
enum gw_err media_init(struct call *c) GW_MUST_CHECK;
void media_fini(struct call *c);
/** An SDP of that leg: offer or answer is known from the round. */
enum media_rc media_take(struct call *c, enum side from, const char *text, size_t n,
			 bool in_request, enum media_weight weight);
/** The answer is final without a new description: open the gates. */
enum media_rc media_confirm(struct call *c);
/** Nothing new was said, but who is heard early may have changed. */
enum media_rc media_regate(struct call *c);
void media_commit(struct call *c);
/** The request with the offer was refused (SDP-35). */
void media_rollback(struct call *c);
/** Release the context now (REL-02). */
void media_release(struct call *c, const char *reason);
enum media_rc media_refuse(struct call *c, enum cause cause, enum cscf_sdp_verdict verdict);
/** Resources for what is new, then the offer prepared, then the text for the other leg. */
enum media_rc media_step_offer(struct call *c);
/** What is agreed to the AGW, then the text for the offerer. */
enum media_rc media_step_answer(struct call *c);
/** The parameters once more, no text. */
enum media_rc media_step_gates(struct call *c);
enum media_rc media_step_text(struct call *c, bool offer);
/** The context is gone with a step under way: an offer waits, an answer goes on (repair.c). */
void media_step_adrift(struct call *c);
/** Does the AGW keep the offer of this round? */
bool media_step_is_prepared(const struct call *c);
/** Nothing of the offer of this round remains at the AGW. */
void media_step_undo(struct call *c);
/** Streams that ended; `only_new`: those of the open round that the state before had not. */
void media_step_give_back(struct call *c, bool only_new);

/* ---- media_fork.c: early dialogs of an outgoing call (2.7) */
/** The next message is of that dialog (NULL: of none yet). Not while a step is under way. */
void media_at(struct call *c, struct dialog *d);
/** Its description is about to be read, and it may not be the only dialog. */
enum gw_err media_fork(struct call *c) GW_MUST_CHECK;
/** A 2xx: this is the dialog of the call, what others have is given back. */
void media_settle(struct call *c, struct dialog *winner);
/** Is it a dialog that lost? Nothing of its descriptions counts any more. */
bool media_is_over(const struct call *c, const struct dialog *d);
bool media_is_forked(const struct call *c);
/** Its SDP session, also outside of its messages. */
const struct cscf_sdp_session *media_sdp_of(const struct call *c, const struct dialog *d);
const struct cscf_sdp_stream *media_stream_by_id(const struct cscf_sdp_session *s, uint32_t id);
/** Whose media the caller hears: the latest dialog, or that which P-Early-Media lets. */
const struct dialog *media_heard(const struct call *c);
/** How far the gates may open in the call's state. */
void media_early_gates(const struct call *c, const struct dialog *d, bool *up, bool *down);
/** P-Early-Media of a message of the core. @return true when somebody else is heard now, or nobody
 */
bool media_note_early(struct call *c, const struct cscf_sip_msg *msg);
/** A Configure goes out: which branches are to be forgotten … */
void media_branches_begin(struct call *c);
/** … and has been sent: the AGW knows. */
void media_branches_sent(struct call *c);
void media_fork_free(struct dialog *d);
/** The offer of a request that ends outside of its turn is undone. */
void media_rollback_of(struct call *c, struct dialog *d);

/* ---- local_answer.c: an ICE restart answered here (2.5 b) */
/** Is the request at the head of the queue one that need not reach the core? */
bool local_answer_may(const struct call *c);
/** Answer it; its ACK ends here. */
void local_answer_send(struct call *c, struct xact *x);
/** A 2xx passed: the interval both parties count from now on. */
void local_answer_note(struct call *c, const struct cscf_sip_msg *rsp);

/* ---- repair.c: a call whose AGW is gone goes on at another (2.10) */
/** Its context is gone. @return false: the call cannot be repaired, it ends */
bool repair_begin(struct call *c, const char *why);
bool repair_is_on(const struct call *c);
/** May that party not offer anything, since the gateway is about to? */
bool repair_refuses(const struct call *c, enum side from);
/** A round is about to be committed. */
void repair_note_commit(struct call *c);
/** … and there is no AGW behind the call now. */
bool repair_is_adrift(const struct call *c);
/** Its AGW ends soon: move it now, if nothing is in the way and its turn would have come.
 * @return false: nobody's turn comes now */
bool repair_on_leaving(void *arg, gw_handle call, const char *why);
/** Something of the call ended that its move may have waited for. */
void repair_kick(struct call *c);
/** The call ends; is freed. */
void repair_stop(struct call *c);
void repair_wait_fini(struct call *c);
enum gw_err repair_init(struct cscf_session *s) GW_MUST_CHECK;
void repair_fini(struct cscf_session *s);

/* ---- media_event.c */
void media_on_event(void *arg, gw_handle call, const IqNotification *n);
/** Is it lost while the call goes on? Its gates are shut then. */
bool media_is_shut(const struct call *c, const struct cscf_sdp_stream *st);
void media_on_context_lost(void *arg, gw_handle call, const char *why);
/** The AGW holds another state than we told it last: all of ours once more. */
void media_on_differs(void *arg, gw_handle call);
void media_on_released(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o);

/* ---- media_same.c */
/** Is this what the AGW was told last? Kept until media_same_done. */
bool media_same(struct call *c, IqStreamRequest *const *streams, size_t n);
/** The Configure succeeded, or not. */
void media_same_done(struct call *c, bool ok);

/* ---- media_rules.c */
/** What the operator wants of its packets. @param policing where the request may point to */
void media_rules_fill(IqStreamRequest *req, IqPolicing *policing,
		      const struct cscf_session_config *cfg, const struct cscf_sdp_stream *st,
		      uint32_t told_core_kbps);
/** Their marking on that side, as Iq says it. */
int32_t media_rules_dscp(const struct cscf_session_config *cfg, const struct cscf_sdp_stream *st,
			 bool core);

/* ---- media_params.c, media_result.c */
struct media_params;
enum media_ask {
	MEDIA_ASK_RESERVE, /* live streams without resources */
	MEDIA_ASK_PREPARE, /* those of before, as the offer wants them */
	MEDIA_ASK_MOVE,    /* all that are live, at another AGW */
	MEDIA_ASK_CONFIGURE
};
/** Iq parameters of the streams that are asked for. */
enum gw_err media_params_new(struct media_params **out, const struct call *c,
			     enum media_ask ask) GW_MUST_CHECK;
void media_params_free(struct media_params *p);
IqStreamRequest **media_params_streams(struct media_params *p, size_t *n);
/** What every request about a stream says. */
void media_params_stream(IqStreamRequest *req, const struct call *c,
			 const struct cscf_sdp_stream *st);
/** Which of enum media_verb it asks for. */
unsigned media_params_verbs(const struct media_params *p);
/** Local addresses of a result into the SDP session. @return GW_ERR_PROTO when unusable */
enum gw_err media_params_take(struct call *c, IqStreamResult *const *results,
			      size_t n) GW_MUST_CHECK;

#endif
