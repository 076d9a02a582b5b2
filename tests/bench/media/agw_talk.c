/* SPDX-License-Identifier: Apache-2.0 */
/* See agw_talk.h. */
#include "tests/bench/media/agw_talk.h"

#include "deploy/wicgatectl/iq_link.h"
#include "proto/iq_json.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN_MS 5000
#define BEAT_MS 1000
#define ASKED   65536 /* questions without an answer, at most */

struct agw_talk {
	struct iq_link *link;
	agw_talk_fn on_reply;
	void *arg;
	uint64_t txn;
	unsigned what[ASKED]; /* by transaction */
};

bool agw_talk_ask(struct agw_talk *t, json_t *json, unsigned what)
{
	IqEnvelope *env = NULL;
	char bad[200];
	bool ok;

	t->what[++t->txn % ASKED] = what;
	json_object_set_new(json, "proto_version", json_integer(IQ_VERSION));
	json_object_set_new(json, "txn_id", json_integer((json_int_t)t->txn));
	ok = iq_envelope_from_json(&env, json, bad, sizeof(bad)) == GW_OK;
	if (!ok)
		fprintf(stderr, "our own message: %s\n", bad);
	ok = ok && iq_link_send(t->link, env) == GW_OK;
	json_decref(json);
	iq_envelope_free(env);
	return ok;
}

static bool acknowledge(struct agw_talk *t, const IqEnvelope *env)
{
	IqEnvelope *ack = iq_envelope_new(IQ_BODY(NOTIFICATION_ACK), 0);
	bool ok = ack != NULL;

	if (ok) {
		ack->notification_ack->event_seq = env->notification->event_seq;
		ok = iq_link_send(t->link, ack) == GW_OK;
	}
	iq_envelope_free(ack);
	return ok;
}

bool agw_talk_poll(struct agw_talk *t)
{
	IqEnvelope *env = NULL;
	enum gw_err err;
	bool ok = true;

	while (ok && (err = iq_link_recv(t->link, &env, 0)) == GW_OK) {
		if (env->body_case == IQ_BODY(NOTIFICATION))
			ok = acknowledge(t, env);
		else if (iq_is_reply(env))
			t->on_reply(t->arg, t->what[env->txn_id % ASKED], env);
		iq_envelope_free(env);
		env = NULL;
	}
	return ok && err == GW_ERR_TIMEOUT;
}

struct agw_talk *agw_talk_new(const char *where, agw_talk_fn on_reply, void *arg, char *why,
			      size_t n)
{
	struct iq_link_cfg cfg = {.connect = where, .timeout_ms = OPEN_MS};
	struct agw_talk *t = calloc(1, sizeof(*t));
	IqEnvelope *env = NULL;

	if (t == NULL)
		return NULL;
	t->on_reply = on_reply;
	t->arg = arg;
	if (iq_link_open(&t->link, &cfg, why, n) != GW_OK) {
		free(t);
		return NULL;
	}
	snprintf(why, n, "no HelloAck");
	if (!agw_talk_ask(t, bench_agw_hello(), 0) ||
	    iq_link_recv(t->link, &env, OPEN_MS) != GW_OK || env->body_case != IQ_BODY(HELLO_ACK)) {
		iq_envelope_free(env);
		agw_talk_free(t);
		return NULL;
	}
	iq_envelope_free(env);
	iq_link_keep_alive(t->link, BEAT_MS);
	return t;
}

void agw_talk_free(struct agw_talk *t)
{
	if (t == NULL)
		return;
	iq_link_close(t->link);
	free(t);
}
