/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of a controller that said Hello: which handler, after which checks. Requests are served
 * in the order they arrive, so those of one context are in order by themselves (IQ-19). A Release
 * answers later, when the counters are back, and so may a Reserve: what follows it in its context
 * waits (later.c).
 */
#include "agw/iq/server_int.h"

#include <inttypes.h>

#define GW_LOG_MOD "iq"

/* Fields the protocol has and this gateway does not act upon: refused when critical (IQ-10). */
static const char *const unserved[] = {
    "reserve.streams.access.dtls.tls_id",
    "configure.streams.access.dtls.tls_id",
    "reserve.streams.access.ice.candidates",
    "configure.streams.access.ice.candidates",
    "reserve.trace",
    NULL,
};

static const struct {
	IqBodyCase body;
	iq_handler_fn *serve;
	bool keep; /* the reply is kept for duplicates: the request changes something */
} handlers[] = {
    {IQ_BODY(RESERVE), agw_iq_on_reserve, true},
    {IQ_BODY(CONFIGURE), agw_iq_on_configure, true},
    {IQ_BODY(RELEASE), agw_iq_on_release, true},
    {IQ_BODY(AUDIT), agw_iq_on_audit, false},
    {IQ_BODY(DRAIN), agw_iq_on_drain, true},
    {IQ_BODY(RELEASE_ALL), agw_iq_on_release_all, true},
};

void agw_iq_reply_error(struct agw_iq_controller *ctl, const IqEnvelope *env,
			const struct iq_fault *fault)
{
	IqEnvelope *reply = iq_reply_new(env, fault);

	gw_metric_inc(&agw_iq_metrics[IQ_M_ERRORS]);
	GW_LOG(GW_LOG_INFO, "iq.refused",
	       "controller=%s msg=%s txn=%" PRIu64
	       " ctx=\"%s\" call_id=\"%s\" code=%s field=\"%s\" detail=\"%s\"",
	       ctl->id, iq_msg_name(env), env->txn_id, iq_msg_ctx(env), iq_msg_call_id(env),
	       iq_code_name(fault->code), fault->field, fault->detail);
	if (reply != NULL)
		agw_iq_reply(ctl, reply);
}

/* @return true when the request has been seen before and is dealt with */
static bool duplicate(struct agw_iq_controller *ctl, const IqEnvelope *env)
{
	const struct iq_saved *saved = NULL;
	struct iq_fault fault;

	switch (agw_iq_seen(ctl, env, &saved)) {
	case IQ_SEEN_NEW:
		return false;
	case IQ_SEEN_UNDER_WAY:
		gw_metric_inc(&agw_iq_metrics[IQ_M_DUPLICATES]);
		return true; /* its reply is coming */
	case IQ_SEEN_ANSWERED:
		gw_metric_inc(&agw_iq_metrics[IQ_M_DUPLICATES]);
		GW_LOG(GW_LOG_DEBUG, "iq.duplicate", "controller=%s txn=%" PRIu64, ctl->id,
		       env->txn_id);
		(void)agw_iq_conn_send_frame(ctl->conn, saved->frame, saved->n);
		return true;
	case IQ_SEEN_STALE:
		break;
	}
	gw_metric_inc(&agw_iq_metrics[IQ_M_STALE]);
	iq_fault_set(&fault, IQ_V(ERROR_CODE__STALE_TXN), "txn_id",
		     "used before, or older than the replies kept here");
	agw_iq_reply_error(ctl, env, &fault);
	return true;
}

static void run(struct agw_iq_controller *ctl, const IqEnvelope *env, iq_handler_fn *handler)
{
	struct iq_fault fault = {.code = IQ_V(ERROR_CODE__OK)};
	bool later = false;
	IqEnvelope *reply = handler(ctl, env, &fault, &later);

	if (later)
		return;
	if (reply != NULL) {
		agw_iq_reply(ctl, reply);
		return;
	}
	if (fault.code == IQ_V(ERROR_CODE__OK))
		iq_fault_set(&fault, IQ_V(ERROR_CODE__OVERLOADED), NULL, "out of memory");
	agw_iq_reply_error(ctl, env, &fault);
}

void agw_iq_serve_parked(struct agw_iq_controller *ctl, const IqEnvelope *env)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].body == env->body_case)
			run(ctl, env, handlers[i].serve);
}

static void serve(struct agw_iq_controller *ctl, const IqEnvelope *env, size_t h)
{
	struct iq_fault fault;

	ctl->requests++;
	gw_metric_inc(&agw_iq_metrics[IQ_M_REQUESTS]);
	if (handlers[h].keep && agw_iq_reply_begin(ctl, env) != GW_OK) {
		iq_fault_set(&fault, IQ_V(ERROR_CODE__OVERLOADED), NULL, "too many requests");
		agw_iq_reply_error(ctl, env, &fault);
		return;
	}
	if (!agw_iq_must_wait(ctl, env)) {
		run(ctl, env, handlers[h].serve);
		return;
	}
	if (agw_iq_park(ctl, env) == GW_OK)
		return;
	iq_fault_set(&fault, IQ_V(ERROR_CODE__OVERLOADED), NULL, "too many requests wait");
	agw_iq_reply_error(ctl, env, &fault);
}

static void request(struct agw_iq_controller *ctl, const IqEnvelope *env)
{
	struct iq_fault fault;

	if (env->txn_id == 0) {
		iq_fault_set(&fault, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "txn_id",
			     "a request needs one");
		agw_iq_reply_error(ctl, env, &fault);
		return;
	}
	if (iq_check(env, &fault) != GW_OK || iq_check_unserved(env, unserved, &fault) != GW_OK) {
		agw_iq_reply_error(ctl, env, &fault);
		return;
	}
	if (duplicate(ctl, env))
		return;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].body == env->body_case) {
			serve(ctl, env, i);
			return;
		}
	}
	iq_fault_set(&fault, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "body",
		     "request not served here");
	agw_iq_reply_error(ctl, env, &fault);
}

void agw_iq_dispatch(struct iq_conn *c, const IqEnvelope *env)
{
	struct iq_fault fault;

	/* a body of a later version of the protocol is answered, not punished */
	if (iq_is_request(env) || env->body_case == IQ_BODY(_NOT_SET)) {
		request(c->controller, env);
		return;
	}
	if (iq_check(env, &fault) != GW_OK) {
		gw_metric_inc(&agw_iq_metrics[IQ_M_GARBAGE]);
		agw_iq_conn_bye(c, &fault);
		return;
	}
	switch ((int)env->body_case) {
	case IQ_BODY(HEARTBEAT):
		return; /* being there is all it says */
	case IQ_BODY(NOTIFICATION_ACK):
		agw_iq_notify_ack(c->controller, env->notification_ack->event_seq);
		return;
	case IQ_BODY(GOODBYE):
		agw_iq_conn_drop(c, "peer said goodbye");
		return;
	default:
		gw_metric_inc(&agw_iq_metrics[IQ_M_GARBAGE]);
		iq_fault_set(&fault, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "body",
			     "%s is not for a gateway", iq_msg_name(env));
		agw_iq_conn_bye(c, &fault);
		return;
	}
}
