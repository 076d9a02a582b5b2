/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full ICE with a TURN server: a Reserve is answered later, and nothing else waits for it. The
 * server is a socket that never answers, or Debian's coturn (skipped where there is none).
 */
#include "agw/context/context_int.h"
#include "tests/unit/agw/iq/iq_fixture.h"
#include "tests/unit/agw/lib/turn_server.h"

#define TURN_PORT 56000
#define FOR_EVER  60000 /* ms: longer than a test is let run */

static int silent = -1;

static void open_with(void **state, const struct gw_addr *server, uint32_t gather_ms)
{
	struct gate *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	gate_defaults(g);
	g->cfg.iq.defaults.ice_full = true;
	g->cfg.pool.ice_turn =
	    (struct agw_ice_turn){.server = *server, .username = "wicgate", .password = "secret"};
	g->cfg.contexts.gather_ms = gather_ms;
	gate_open(g);
	*state = g;
}

static struct gate *open_silent(void **state, uint32_t gather_ms)
{
	struct gw_addr at;

	assert_int_equal(gw_addr_parse_ip(&at, "127.0.0.1", 0), GW_OK);
	assert_int_equal(agw_udp_open(&silent, &at), GW_OK);
	assert_int_equal(agw_udp_local(silent, &at), GW_OK);
	open_with(state, &at, gather_ms);
	return *state;
}

static int teardown(void **state)
{
	if (silent >= 0)
		(void)close(silent);
	silent = -1;
	if (*state == NULL)
		return 0;
	gate_close(*state);
	free(*state);
	return 0;
}

static bool waits(const struct gate *g, const char *ctx_id)
{
	const struct agw_ctx_name name = {.controller = "e1", .epoch = 1, .ctx_id = ctx_id};

	return agw_context_is_gathering(g->table, &name);
}

static uint64_t say(struct client *c, const char *json)
{
	IqEnvelope *env = client_say(c, "%s", json);
	uint64_t txn = env->txn_id;

	iq_envelope_free(env);
	return txn;
}

/* The next one of that kind answers that request; its error code. */
static IqErrorCode code_of(struct client *c, IqBodyCase body, uint64_t txn)
{
	IqEnvelope *env = client_await(c, body);
	const IqError *e = iq_msg_error(env);
	IqErrorCode code = e != NULL ? e->code : IQ_V(ERROR_CODE__OK);

	assert_int_equal(env->txn_id, txn);
	iq_envelope_free(env);
	return code;
}

#define OK      IQ_V(ERROR_CODE__OK)
#define UNKNOWN IQ_V(ERROR_CODE__UNKNOWN_CONTEXT)

static const char lite[] = "{'reserve':{'ctx_id':'lite','streams':[{'stream_id':1,'kind':'AUDIO',"
			   "'access':{'realm':'access','ice_mode':'ICE_LITE'},'core':{'realm':"
			   "'core'}}]}}";
static const char more[] = "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':9,'kind':'AUDIO',"
			   "'access':{'realm':'access','ice_mode':'ICE_LITE'},'core':{'realm':"
			   "'core'}}]}}";
static const char configure[] = "{'configure':{'ctx_id':'c1','streams':[{'stream_id':1,'kind':"
				"'AUDIO','gate':{'uplink':true,'downlink':true}}]}}";

static void test_others_are_answered_while_a_reserve_waits(void **state)
{
	struct gate *g = open_silent(state, 400);
	struct client *c = client_hello(g, "e1", 1, NULL);
	int64_t late = gw_metric_get(&agw_ctx_metrics[CTX_M_NO_RELAY]);
	uint64_t full[2], other;
	IqEnvelope *env;

	REQ("ICE-28", "IQ-03");
	full[0] = client_reserve(c, "c1", 2);
	full[1] = client_reserve(c, "c2", 1);
	other = say(c, lite);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), other), OK);
	assert_true(waits(g, "c1") && waits(g, "c2"));
	client_tell(c, "{'audit':{}}");
	env = client_await(c, IQ_BODY(AUDIT_REPLY));
	assert_int_equal(env->audit_reply->n_contexts, 3);
	iq_envelope_free(env);
	/* and then without a relay candidate, both at the end of one time */
	for (int i = 0; i < 2; i++) {
		env = client_await(c, IQ_BODY(RESERVE_REPLY));
		assert_int_equal(env->txn_id, full[i]);
		assert_null(iq_msg_error(env));
		assert_int_equal(env->reserve_reply->streams[0]->access->n_candidates, 1);
		iq_envelope_free(env);
	}
	assert_false(waits(g, "c1") || waits(g, "c2"));
	assert_int_equal(gw_metric_get(&agw_ctx_metrics[CTX_M_NO_RELAY]), late + 2);
	client_close(c);
}

static void test_requests_of_the_same_context_wait_in_order(void **state)
{
	struct gate *g = open_silent(state, 300);
	struct client *c = client_hello(g, "e1", 1, NULL);
	uint64_t txn[5];

	REQ("IQ-19", "ICE-28");
	txn[0] = client_reserve(c, "c1", 1);
	txn[1] = say(c, configure);
	txn[2] = say(c, more);
	txn[3] = say(c, "{'release':{'ctx_id':'c1','stream_ids':[1]}}");
	txn[4] = say(c, lite);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), txn[4]), OK);
	assert_true(waits(g, "c1"));
	assert_int_equal(g->server->n_parked, 3);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), txn[0]), OK);
	assert_int_equal(code_of(c, IQ_BODY(CONFIGURE_REPLY), txn[1]), OK);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), txn[2]), OK);
	assert_int_equal(code_of(c, IQ_BODY(RELEASE_REPLY), txn[3]), OK);
	assert_int_equal(agw_context_streams(g->table), 2);
	assert_int_equal(g->server->n_parked, 0);
	client_close(c);
}

static void test_a_repeated_reserve_is_answered_once(void **state)
{
	struct gate *g = open_silent(state, 300);
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *req;
	uint64_t audit;

	REQ("IQ-08", "ICE-28");
	req = client_say(c, "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':1,'kind':'AUDIO',"
			    "'access':{'realm':'access'},'core':{'realm':'core'}}]}}");
	client_send(c, req);
	client_send(c, req);
	audit = say(c, "{'audit':{}}");
	assert_int_equal(code_of(c, IQ_BODY(AUDIT_REPLY), audit), OK);
	assert_true(waits(g, "c1"));
	assert_int_equal(g->server->n_parked, 0);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), req->txn_id), OK);
	/* whatever was sent before this one's answer is there now */
	audit = say(c, "{'audit':{}}");
	assert_int_equal(code_of(c, IQ_BODY(AUDIT_REPLY), audit), OK);
	assert_null(client_take(c, IQ_BODY(RESERVE_REPLY)));
	iq_envelope_free(req);
	client_close(c);
}

static void test_release_ends_the_wait(void **state)
{
	struct gate *g = open_silent(state, FOR_EVER);
	struct client *c = client_hello(g, "e1", 1, NULL);
	uint64_t txn[3];

	REQ("IQ-19", "REL-17", "ICE-28");
	txn[0] = client_reserve(c, "c1", 2);
	txn[1] = say(c, more); /* served after the Release, it would make the context anew */
	txn[2] = say(c, "{'release':{'ctx_id':'c1'}}");
	assert_int_equal(code_of(c, IQ_BODY(RELEASE_REPLY), txn[2]), OK);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), txn[1]), UNKNOWN);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), txn[0]), UNKNOWN);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	assert_int_equal(g->server->n_parked, 0);
	/* all at once, as after a restart of the controller's */
	txn[0] = client_reserve(c, "c2", 1);
	txn[1] = say(c, "{'release_all':{}}");
	assert_int_equal(code_of(c, IQ_BODY(RELEASE_ALL_REPLY), txn[1]), OK);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), txn[0]), UNKNOWN);
	client_close(c);
}

static void test_the_reply_is_kept_for_a_controller_that_comes_back(void **state)
{
	struct gate *g = open_silent(state, 300);
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *req;

	REQ("IQ-08", "ICE-28");
	req = client_say(c, "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':1,'kind':'AUDIO',"
			    "'access':{'realm':'access'},'core':{'realm':'core'}}]}}");
	iq_envelope_free(client_say(c, "%s", configure));
	AWAIT(g, waits(g, "c1") && g->server->n_parked == 1);
	client_close(c);
	AWAIT(g, g->server->controllers->conn == NULL);
	AWAIT(g, !waits(g, "c1") && g->server->n_parked == 0);
	c = client_hello(g, "e1", 1, NULL);
	client_send(c, req);
	assert_int_equal(code_of(c, IQ_BODY(RESERVE_REPLY), req->txn_id), OK);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 1);
	iq_envelope_free(req);
	client_close(c);
}

static void test_a_new_epoch_forgets_what_waits(void **state)
{
	struct gate *g = open_silent(state, FOR_EVER);
	struct client *c = client_hello(g, "e1", 1, NULL);
	uint64_t audit;

	REQ("IQ-19", "ICE-28");
	(void)client_reserve(c, "c1", 1);
	(void)say(c, more);
	AWAIT(g, g->server->n_parked == 1);
	client_close(c);
	c = client_hello(g, "e1", 2, NULL);
	AWAIT(g, g->server->n_parked == 0);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	audit = say(c, "{'audit':{}}");
	assert_int_equal(code_of(c, IQ_BODY(AUDIT_REPLY), audit), OK);
	assert_null(client_take(c, IQ_BODY(RESERVE_REPLY)));
	client_close(c);
}

/* The gateway stops while one waits, and another stands behind it: nothing leaks. */
static void test_the_gateway_may_stop_meanwhile(void **state)
{
	struct gate *g = open_silent(state, FOR_EVER);
	struct client *c = client_hello(g, "e1", 1, NULL);

	REQ("ICE-28");
	(void)client_reserve(c, "c1", 1);
	(void)say(c, configure);
	AWAIT(g, waits(g, "c1") && g->server->n_parked == 1);
	client_close(c);
}

static void test_the_reply_has_the_relay_candidate(void **state)
{
	struct gw_addr server;
	struct client *c;
	struct gate *g;
	IqEnvelope *env;
	pid_t pid;

	REQ("ICE-28", "IQ-03");
	if (!turn_is_here())
		skip();
	pid = turn_start(TURN_PORT, &server);
	open_with(state, &server, LIMIT_MS);
	g = *state;
	c = client_hello(g, "e1", 1, NULL);
	(void)client_reserve(c, "c1", 2);
	env = client_await(c, IQ_BODY(RESERVE_REPLY));
	assert_null(iq_msg_error(env));
	for (int i = 0; i < 2; i++) {
		const Wicgate__Iq__V1__AccessLocal *a = env->reserve_reply->streams[i]->access;

		assert_int_equal(a->n_candidates, 2);
		assert_int_equal(a->candidates[1]->type, IQ_V(CANDIDATE__TYPE__RELAY));
		assert_in_range(a->candidates[1]->address->port, TURN_PORT + 1, TURN_PORT + 50);
	}
	assert_null(client_take(c, IQ_BODY(NOTIFICATION))); /* the reply says it all */
	iq_envelope_free(env);
	client_close(c);
	turn_stop(pid);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_others_are_answered_while_a_reserve_waits),
	    T(test_requests_of_the_same_context_wait_in_order),
	    T(test_a_repeated_reserve_is_answered_once),
	    T(test_release_ends_the_wait),
	    T(test_the_reply_is_kept_for_a_controller_that_comes_back),
	    T(test_a_new_epoch_forgets_what_waits),
	    T(test_the_gateway_may_stop_meanwhile),
	    T(test_the_reply_has_the_relay_candidate),
	};

	gw_log_set_level(GW_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
