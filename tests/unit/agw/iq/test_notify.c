/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway keeps for a controller: notifications until acknowledged, replies for a time. */
#include "tests/unit/agw/iq/iq_fixture.h"

/* ---- notifications --------------------------------------------------------------------------- */

/* A media event of context c1, as the workers would report it. */
static void happen(struct gate *g, enum agw_event kind)
{
	const struct agw_stream_event ev = {
	    .stream_id = 1, .kind = kind, .cause = AGW_CAUSE_FINGERPRINT};
	const struct agw_ctx_name name = {"e1", 1, "c1"};
	struct agw_context *ctx = agw_context_find(g->table, &name);

	assert_non_null(ctx);
	agw_iq_context_cbs()->on_event(g->server, ctx, &ev);
}

static struct client *with_context(struct gate *g)
{
	struct client *c = client_hello(g, "e1", 1, NULL);

	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	return c;
}

static void test_events_become_notifications(void **state)
{
	struct gate *g = *state;
	struct client *c;
	IqEnvelope *env;

	REQ("IQ-07", "IQ-20");
	gate_open(g);
	c = with_context(g);
	happen(g, AGW_EV_DTLS_FAILED);
	env = client_await(c, IQ_BODY(NOTIFICATION));
	assert_string_equal(env->notification->ctx_id, "c1");
	assert_string_equal(env->notification->call_id, "call-c1");
	assert_int_equal(env->notification->stream_id, 1);
	assert_int_equal(env->notification->event, IQ_V(NOTIFICATION__EVENT__DTLS_FAILED));
	assert_int_equal(env->notification->cause, IQ_V(NOTIFICATION__CAUSE__CAUSE_FINGERPRINT));
	assert_true(env->notification->event_seq > 0);
	iq_envelope_free(env);
	client_close(c);
}

static void test_unacknowledged_notifications_come_again(void **state)
{
	struct gate *g = *state;
	struct client *c;
	IqEnvelope *env;
	uint64_t seq;

	REQ("IQ-20");
	gate_open(g);
	c = with_context(g);
	happen(g, AGW_EV_ICE_CONNECTED);
	happen(g, AGW_EV_CONSENT_LOST);
	env = client_await(c, IQ_BODY(NOTIFICATION));
	seq = env->notification->event_seq;
	iq_envelope_free(env);
	iq_envelope_free(client_await(c, IQ_BODY(NOTIFICATION)));
	client_close(c);
	AWAIT(g, g->server->controllers->conn == NULL);
	happen(g, AGW_EV_CONSENT_RESTORED); /* while it is away */

	c = client_hello(g, "e1", 1, NULL);
	for (unsigned i = 0; i < 3; i++) {
		env = client_await(c, IQ_BODY(NOTIFICATION));
		assert_true(env->notification->event_seq == seq + i);
		iq_envelope_free(env);
	}
	iq_envelope_free(client_say(c, "{'notification_ack':{'event_seq':%llu}}",
				    (unsigned long long)(seq + 1)));
	AWAIT(g, g->server->controllers->n_notes == 1);
	client_close(c);
	c = client_hello(g, "e1", 1, NULL);
	env = client_await(c, IQ_BODY(NOTIFICATION));
	assert_true(env->notification->event_seq == seq + 2);
	iq_envelope_free(env);
	assert_int_equal(c->n, 0);
	client_close(c);
}

static void test_new_epoch_gets_no_old_notifications(void **state)
{
	struct gate *g = *state;
	struct client *c;

	gate_open(g);
	c = with_context(g);
	happen(g, AGW_EV_ICE_FAILED);
	iq_envelope_free(client_await(c, IQ_BODY(NOTIFICATION)));
	client_close(c);
	c = client_hello(g, "e1", 2, NULL);
	assert_int_equal(g->server->controllers->n_notes, 0);
	client_tell(c, "{'audit':{}}");
	iq_envelope_free(client_await(c, IQ_BODY(AUDIT_REPLY)));
	assert_null(client_take(c, IQ_BODY(NOTIFICATION)));
	client_close(c);
}

static void test_kept_notifications_are_bounded_and_the_loss_is_told(void **state)
{
	struct gate *g = *state;
	const struct iq_note *last;
	struct client *c;

	REQ("IQ-20", "IQ-21");
	gate_open(g);
	c = with_context(g);
	assert_int_equal(event_del(c->ev), 0); /* neither reads nor acknowledges */
	happen(g, AGW_EV_DTLS_FAILED);
	for (unsigned i = 0; i < IQ_NOTIFY_MAX + 10; i++)
		happen(g, AGW_EV_PAIR_CHANGED);
	assert_int_equal(g->server->controllers->n_notes, IQ_NOTIFY_MAX);
	last = g->server->controllers->notes->prev;
	assert_true(last->env->notification->lost_events);
	/* what needs an answer outlives what does not */
	assert_int_equal(g->server->controllers->notes->env->notification->event,
			 IQ_V(NOTIFICATION__EVENT__DTLS_FAILED));
	client_close(c);
}

static void test_termination_heartbeat_and_its_answer(void **state)
{
	const struct agw_ctx_name name = {"e1", 1, "c1"};
	struct gate *g = *state;
	struct client *c;
	IqEnvelope *env;

	REQ("IQ-13");
	g->cfg.contexts.heartbeat_ms = 1;
	gate_open(g);
	c = with_context(g);
	env = client_await(c, IQ_BODY(NOTIFICATION));
	assert_int_equal(env->notification->event,
			 IQ_V(NOTIFICATION__EVENT__TERMINATION_HEARTBEAT));
	iq_envelope_free(client_say(c, "{'notification_ack':{'event_seq':%llu}}",
				    (unsigned long long)env->notification->event_seq));
	iq_envelope_free(env);
	AWAIT(g, g->server->controllers->n_notes == 0);
	assert_non_null(agw_context_find(g->table, &name));
	/* no further answer: asked three times more, then freed */
	do {
		env = client_await(c, IQ_BODY(NOTIFICATION));
		if (env->notification->event == IQ_V(NOTIFICATION__EVENT__CONTEXT_EXPIRED))
			break;
		iq_envelope_free(env);
	} while (true);
	assert_string_equal(env->notification->detail, "heartbeat");
	iq_envelope_free(env);
	assert_null(agw_context_find(g->table, &name));
	client_close(c);
}

/* ---- replies kept ---------------------------------------------------------------------------- */

static void test_forgotten_transaction_is_stale(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-08");
	gate_open(g);
	c = client_hello(g, "e1", 1, NULL);
	client_tell(c, "{'txn_id':5,'release_all':{}}");
	iq_envelope_free(client_await(c, IQ_BODY(RELEASE_ALL_REPLY)));
	agw_iq_replies_expire(g->server->controllers, agw_iq_now_ms() + IQ_REPLY_KEEP_MS + 1);
	client_tell(c, "{'txn_id':5,'release_all':{}}");
	assert_int_equal(client_code(c, IQ_BODY(RELEASE_ALL_REPLY)), IQ_V(ERROR_CODE__STALE_TXN));
	client_tell(c, "{'txn_id':6,'release_all':{}}");
	assert_int_equal(client_code(c, IQ_BODY(RELEASE_ALL_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(c);
}

static void test_a_number_used_for_another_request_is_stale(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-08");
	gate_open(g);
	c = client_hello(g, "e1", 1, NULL);
	client_tell(c, "{'txn_id':5,'release_all':{}}");
	assert_int_equal(client_code(c, IQ_BODY(RELEASE_ALL_REPLY)), IQ_V(ERROR_CODE__OK));
	client_tell(c, "{'txn_id':5,'release':{'ctx_id':'c1'}}");
	assert_int_equal(client_code(c, IQ_BODY(RELEASE_REPLY)), IQ_V(ERROR_CODE__STALE_TXN));
	client_close(c);
}

static void test_kept_replies_are_bounded(void **state)
{
	struct gate *g = *state;
	struct client *c;
	uint64_t first = last_txn;

	REQ("IQ-08");
	gate_open(g);
	c = client_hello(g, "e1", 1, NULL);
	for (unsigned i = 0; i < IQ_REPLIES_MAX + 50; i++) {
		client_tell(c, "{'release':{'ctx_id':'nobody'}}");
		iq_envelope_free(client_await(c, IQ_BODY(RELEASE_REPLY)));
	}
	assert_in_range(HASH_COUNT(g->server->controllers->saved), IQ_REPLIES_MAX - 1,
			IQ_REPLIES_MAX);
	assert_true(g->server->controllers->stale_below >= first + 50);
	client_close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_events_become_notifications),
	    T(test_unacknowledged_notifications_come_again),
	    T(test_new_epoch_gets_no_old_notifications),
	    T(test_kept_notifications_are_bounded_and_the_loss_is_told),
	    T(test_termination_heartbeat_and_its_answer),
	    T(test_forgotten_transaction_is_stale),
	    T(test_a_number_used_for_another_request_is_stale),
	    T(test_kept_replies_are_bounded),
	};

	gw_log_set_fd(open("/dev/null", O_WRONLY)); /* losses are what these tests are about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
