/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications (IQ-07, IQ-20): made from what contexts report, kept per controller until
 * acknowledged, sent again on a new connection of the same epoch. Bounded: beyond IQ_NOTIFY_MAX the
 * oldest that is not critical goes and the next one says lost_events, so the controller audits.
 * A controller that does not read stops nobody: what is unsent just waits here (IQ-21).
 */
#include "agw/iq/server_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#define GW_LOG_MOD "iq"

static void note_free(struct agw_iq_controller *ctl, struct iq_note *n)
{
	if (ctl->unsent == n)
		ctl->unsent = n->next;
	DL_DELETE(ctl->notes, n);
	ctl->n_notes--;
	iq_envelope_free(n->env);
	free(n);
}

void agw_iq_notify_free(struct agw_iq_controller *ctl)
{
	while (ctl->notes != NULL)
		note_free(ctl, ctl->notes);
	ctl->lost = false;
}

static void drop_one(struct agw_iq_controller *ctl)
{
	struct iq_note *n;
	struct iq_note *victim = ctl->notes;

	DL_FOREACH (ctl->notes, n) {
		if (!n->critical) {
			victim = n;
			break;
		}
	}
	gw_metric_inc(&agw_iq_metrics[IQ_M_NOTIFY_LOST]);
	GW_LOG_LIMITED(GW_LOG_WARN, "iq.notify_lost", "controller=%s seq=%" PRIu64, ctl->id,
		       victim->seq);
	note_free(ctl, victim);
	ctl->lost = true;
}

/* Events a controller must act upon (REL-06 … REL-09): dropped last. */
static bool is_critical(IqEvent e)
{
	return e == IQ_V(NOTIFICATION__EVENT__ICE_FAILED) ||
	       e == IQ_V(NOTIFICATION__EVENT__DTLS_FAILED) ||
	       e == IQ_V(NOTIFICATION__EVENT__DTLS_CLOSED) ||
	       e == IQ_V(NOTIFICATION__EVENT__CONSENT_LOST) ||
	       e == IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE) ||
	       e == IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED) ||
	       e == IQ_V(NOTIFICATION__EVENT__SRTP_KEY_LIMIT) ||
	       e == IQ_V(NOTIFICATION__EVENT__CONTEXT_EXPIRED);
}

static void note_send(struct iq_conn *c, const struct iq_note *n)
{
	uint8_t *frame = NULL;
	size_t len = 0;

	if (iq_pack_frame(n->env, &frame, &len) != GW_OK)
		return;
	iq_trace(IQ_TX, c->peer, n->env, len);
	(void)agw_iq_conn_send_frame(c, frame, len);
	free(frame);
}

void agw_iq_notify_send(struct agw_iq_controller *ctl)
{
	while (ctl->unsent != NULL && ctl->conn != NULL && agw_iq_conn_has_room(ctl->conn)) {
		struct iq_note *n = ctl->unsent;

		ctl->unsent = n->next;
		note_send(ctl->conn, n);
	}
}

void agw_iq_notify_resend(struct agw_iq_controller *ctl)
{
	ctl->unsent = ctl->notes;
	agw_iq_notify_send(ctl);
}

void agw_iq_notify_ack(struct agw_iq_controller *ctl, uint64_t seq)
{
	while (ctl->notes != NULL && ctl->notes->seq <= seq) {
		if (ctl->notes->heartbeat)
			agw_context_heartbeat_acked(ctl->server->table, ctl->notes->ctx);
		note_free(ctl, ctl->notes);
	}
}

/* ---- making them ----------------------------------------------------------------------------- */

static uint64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct agw_iq_controller *owner_of(struct agw_iq_server *s, const struct agw_ctx_view *v)
{
	struct agw_iq_controller *ctl = NULL;

	HASH_FIND(hh, s->controllers, v->controller, (unsigned)strlen(v->controller), ctl);
	return ctl != NULL && ctl->epoch == v->epoch ? ctl : NULL;
}

/* A notification of a context, numbered; NULL: nobody to tell, or no memory. */
static struct iq_note *note_new(struct agw_iq_server *s, const struct agw_context *ctx,
				struct agw_iq_controller **to)
{
	struct iq_note *n = calloc(1, sizeof(*n));
	struct agw_ctx_view v;

	if (n == NULL)
		return NULL;
	agw_context_view(ctx, &v);
	*to = owner_of(s, &v);
	n->env = iq_envelope_new(IQ_BODY(NOTIFICATION), 0);
	if (*to == NULL || n->env == NULL ||
	    iq_str_set(&n->env->notification->ctx_id, v.ctx_id) != GW_OK ||
	    iq_str_set(&n->env->notification->call_id, v.call_id) != GW_OK) {
		iq_envelope_free(n->env);
		free(n);
		return NULL;
	}
	n->ctx = v.handle;
	n->env->notification->time_ms = wall_ms();
	n->env->notification->age_s = v.age_s;
	return n;
}

static void note_queue(struct agw_iq_controller *ctl, struct iq_note *n)
{
	IqNotification *body = n->env->notification;

	if (ctl->n_notes >= IQ_NOTIFY_MAX)
		drop_one(ctl);
	n->seq = ++ctl->server->last_seq;
	body->event_seq = n->seq;
	body->lost_events = ctl->lost;
	ctl->lost = false;
	n->critical = is_critical(body->event);
	gw_metric_inc(&agw_iq_metrics[IQ_M_NOTIFICATIONS]);
	DL_APPEND(ctl->notes, n);
	if (ctl->unsent == NULL)
		ctl->unsent = n;
	ctl->n_notes++;
	agw_iq_notify_send(ctl);
}

static void on_event(void *arg, struct agw_context *ctx, const struct agw_stream_event *ev)
{
	struct agw_iq_controller *ctl = NULL;
	struct iq_note *n = note_new(arg, ctx, &ctl);

	if (n == NULL)
		return;
	n->env->notification->stream_id = ev->stream_id;
	if (agw_iq_event_fill(n->env->notification, ev) != GW_OK) {
		iq_envelope_free(n->env);
		free(n);
		ctl->lost = true; /* the next one tells the controller to audit */
		return;
	}
	note_queue(ctl, n);
}

static void on_heartbeat(void *arg, struct agw_context *ctx)
{
	struct agw_iq_controller *ctl = NULL;
	struct iq_note *n = note_new(arg, ctx, &ctl);

	if (n == NULL)
		return;
	n->heartbeat = true;
	n->env->notification->event = IQ_V(NOTIFICATION__EVENT__TERMINATION_HEARTBEAT);
	note_queue(ctl, n);
}

static void on_expired(void *arg, struct agw_context *ctx, enum agw_ctx_why why)
{
	struct agw_iq_controller *ctl = NULL;
	struct iq_note *n = note_new(arg, ctx, &ctl);

	if (n == NULL)
		return;
	n->env->notification->event = IQ_V(NOTIFICATION__EVENT__CONTEXT_EXPIRED);
	if (iq_str_set(&n->env->notification->detail, agw_ctx_why_name(why)) != GW_OK)
		ctl->lost = true;
	note_queue(ctl, n);
}

static void stream_lost(struct agw_iq_server *s, struct agw_context *ctx,
			const struct agw_ctx_stream_view *v, const char *realm)
{
	struct agw_iq_controller *ctl = NULL;
	struct iq_note *n = note_new(s, ctx, &ctl);

	if (n == NULL)
		return;
	n->env->notification->event = IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED);
	n->env->notification->stream_id = v->id;
	n->env->notification->side = strcmp(v->params->access.realm, realm) == 0
					 ? IQ_V(REALM_SIDE__REALM_ACCESS)
					 : IQ_V(REALM_SIDE__REALM_CORE);
	if (iq_str_set(&n->env->notification->detail, realm) != GW_OK)
		ctl->lost = true;
	note_queue(ctl, n);
}

void agw_iq_notify_realm_lost(struct agw_iq_server *s, const char *realm)
{
	struct agw_context *ctx = agw_context_seek(s->table, NULL, 0);

	for (; ctx != NULL; ctx = agw_context_next(ctx, NULL)) {
		struct agw_ctx_stream_view v;

		for (unsigned i = 0; agw_context_stream_view(ctx, i, &v); i++)
			if (v.params != NULL && (strcmp(v.params->access.realm, realm) == 0 ||
						 strcmp(v.params->core.realm, realm) == 0))
				stream_lost(s, ctx, &v, realm);
	}
}

static void on_events_lost(void *arg, uint64_t count)
{
	struct agw_iq_server *s = arg;
	struct agw_iq_controller *ctl;
	struct agw_iq_controller *next;

	(void)count;
	HASH_ITER (hh, s->controllers, ctl, next)
		ctl->lost = true;
}

const struct agw_context_cbs *agw_iq_context_cbs(void)
{
	static const struct agw_context_cbs cbs = {
	    .on_event = on_event,
	    .on_heartbeat = on_heartbeat,
	    .on_expired = on_expired,
	    .on_events_lost = on_events_lost,
	};

	return &cbs;
}
