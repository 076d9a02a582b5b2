/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies that come later, and requests that wait for one: while a Reserve waits for a TURN server
 * (agw_context_gather), what its controller asks of the same context next is kept here and served
 * in the order it came (IQ-19); other contexts go on. The Release of a whole context waits for
 * nothing: the Reserve is refused, and so is what waits behind it.
 *
 * Bounded: IQ_PARKED_MAX requests in all; beyond that OVERLOADED.
 */
#include "agw/iq/server_int.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Who waits: found again by handle, it may be gone by then. */
struct iq_waiter {
	struct iq_waiter *prev, *next; /* server->waiters */
	struct agw_iq_server *server;  /* NULL once it is gone */
	gw_handle controller;
	uint64_t epoch;
	uint64_t txn;
};

struct iq_parked {
	struct iq_parked *prev, *next; /* server->parked, in the order of arrival */
	gw_handle controller;
	uint64_t epoch;
	IqEnvelope *env; /* owned */
};

static struct agw_iq_controller *alive(const struct agw_iq_server *s, gw_handle h, uint64_t epoch)
{
	struct agw_iq_controller *ctl = gw_handle_find(s->handles, h);

	return ctl != NULL && ctl->epoch == epoch ? ctl : NULL;
}

/* ---- who waits for a reply ------------------------------------------------------------------- */

struct iq_waiter *agw_iq_waiter_new(struct agw_iq_controller *ctl, uint64_t txn)
{
	struct iq_waiter *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct iq_waiter){
	    .server = ctl->server, .controller = ctl->handle, .epoch = ctl->epoch, .txn = txn};
	DL_APPEND(ctl->server->waiters, w);
	return w;
}

struct agw_iq_controller *agw_iq_waiter_end(struct iq_waiter *w, uint64_t *txn)
{
	struct agw_iq_controller *ctl = NULL;

	*txn = w->txn;
	if (w->server != NULL) {
		ctl = alive(w->server, w->controller, w->epoch);
		DL_DELETE(w->server->waiters, w);
	}
	free(w);
	return ctl;
}

void agw_iq_waiters_forget(struct agw_iq_server *s)
{
	while (s->waiters != NULL) {
		struct iq_waiter *w = s->waiters;

		DL_DELETE(s->waiters, w);
		w->server = NULL;
	}
}

/* ---- who waits to be served ------------------------------------------------------------------ */

static bool is_of(const struct iq_parked *p, const struct agw_iq_controller *ctl,
		  const char *ctx_id)
{
	return p->controller == ctl->handle && p->epoch == ctl->epoch &&
	       strcmp(iq_msg_ctx(p->env), ctx_id) == 0;
}

static struct iq_parked *first_of(const struct agw_iq_controller *ctl, const char *ctx_id)
{
	struct iq_parked *p;

	DL_FOREACH (ctl->server->parked, p) {
		if (is_of(p, ctl, ctx_id))
			return p;
	}
	return NULL;
}

static bool is_gathering(const struct agw_iq_controller *ctl, const char *ctx_id)
{
	const struct agw_ctx_name name = {
	    .controller = ctl->id, .epoch = ctl->epoch, .ctx_id = ctx_id};

	return agw_context_is_gathering(ctl->server->table, &name);
}

static bool can_wait(const IqEnvelope *env)
{
	switch ((int)env->body_case) {
	case IQ_BODY(RESERVE):
	case IQ_BODY(CONFIGURE):
		return true;
	case IQ_BODY(RELEASE):
		return env->release->n_stream_ids > 0;
	default:
		return false;
	}
}

bool agw_iq_must_wait(const struct agw_iq_controller *ctl, const IqEnvelope *env)
{
	const char *ctx_id = iq_msg_ctx(env);

	return can_wait(env) && (is_gathering(ctl, ctx_id) || first_of(ctl, ctx_id) != NULL);
}

static IqEnvelope *copy_of(const IqEnvelope *env)
{
	const ProtobufCMessageDescriptor *d = env->base.descriptor;
	size_t n = protobuf_c_message_get_packed_size(&env->base);
	uint8_t *octets = malloc(n);
	ProtobufCMessage *copy = NULL;

	if (octets == NULL)
		return NULL;
	if (protobuf_c_message_pack(&env->base, octets) == n)
		copy = protobuf_c_message_unpack(d, NULL, n, octets);
	free(octets);
	return (IqEnvelope *)copy;
}

enum gw_err agw_iq_park(struct agw_iq_controller *ctl, const IqEnvelope *env)
{
	struct agw_iq_server *s = ctl->server;
	struct iq_parked *p;

	if (s->n_parked >= IQ_PARKED_MAX)
		return GW_ERR_LIMIT;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return GW_ERR_NOMEM;
	p->controller = ctl->handle;
	p->epoch = ctl->epoch;
	p->env = copy_of(env);
	if (p->env == NULL) {
		free(p);
		return GW_ERR_NOMEM;
	}
	DL_APPEND(s->parked, p);
	s->n_parked++;
	return GW_OK;
}

static void unlink_parked(struct agw_iq_server *s, struct iq_parked *p)
{
	DL_DELETE(s->parked, p);
	s->n_parked--;
}

static void parked_free(struct iq_parked *p)
{
	iq_envelope_free(p->env);
	free(p);
}

void agw_iq_parked_refuse(struct agw_iq_controller *ctl, const char *ctx_id)
{
	struct agw_iq_server *s = ctl->server;
	struct iq_parked *p;
	struct iq_parked *tmp;

	DL_FOREACH_SAFE (s->parked, p, tmp) {
		struct iq_fault fault;

		if (!is_of(p, ctl, ctx_id != NULL ? ctx_id : iq_msg_ctx(p->env)))
			continue;
		unlink_parked(s, p);
		iq_fault_set(&fault, IQ_V(ERROR_CODE__UNKNOWN_CONTEXT), "ctx_id",
			     "released while the request waited");
		agw_iq_reply_error(ctl, p->env, &fault);
		parked_free(p);
	}
}

/* At the end of a turn: the context that told us is not in the middle of something any more. */
static void on_unpark(evutil_socket_t fd, short what, void *arg)
{
	struct agw_iq_server *s = arg;
	struct iq_parked *p;
	struct iq_parked *tmp;

	(void)fd;
	(void)what;
	DL_FOREACH_SAFE (s->parked, p, tmp) {
		struct agw_iq_controller *ctl = alive(s, p->controller, p->epoch);

		if (ctl != NULL && is_gathering(ctl, iq_msg_ctx(p->env)))
			continue;
		unlink_parked(s, p);
		if (ctl != NULL)
			agw_iq_serve_parked(ctl, p->env);
		parked_free(p);
	}
}

enum gw_err agw_iq_later_start(struct agw_iq_server *s)
{
	s->unpark = event_new(s->base, -1, 0, on_unpark, s);
	return s->unpark != NULL ? GW_OK : GW_ERR_NOMEM;
}

void agw_iq_unpark(struct agw_iq_server *s)
{
	if (s->parked != NULL)
		event_active(s->unpark, EV_TIMEOUT, 1);
}

void agw_iq_later_free(struct agw_iq_server *s)
{
	agw_iq_waiters_forget(s);
	while (s->parked != NULL) {
		struct iq_parked *p = s->parked;

		unlink_parked(s, p);
		parked_free(p);
	}
	if (s->unpark != NULL)
		event_free(s->unpark);
}
