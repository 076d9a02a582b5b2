/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections and controllers: Hello, versions, epochs, silence, garbage, limits.
 */
#include "tests/unit/agw/iq/iq_fixture.h"

#include "common/rand.h"

static int64_t metric(enum iq_metric m)
{
	return gw_metric_get(&agw_iq_metrics[m]);
}

/* ---- Hello ----------------------------------------------------------------------------------- */

static void test_hello_tells_who_we_are(void **state)
{
	struct gate *g = *state;
	IqEnvelope *ack = NULL;
	struct client *c;
	const IqHelloAck *a;

	REQ("IQ-11", "IQ-12", "RTP-28");
	gate_open(g);
	c = client_hello(g, "e1", 1, &ack);
	a = ack->hello_ack;
	assert_string_equal(a->agw_id, "test-agw");
	assert_true(a->boot_id != 0);
	assert_int_equal(a->version, 1);
	assert_int_equal(a->heartbeat_interval_ms, 2000);
	assert_int_equal(a->n_realms, 2);
	assert_string_equal(a->realms[0]->name, "access");
	assert_int_equal(a->realms[0]->side, IQ_V(REALM_SIDE__REALM_ACCESS));
	assert_int_equal(a->realms[1]->side, IQ_V(REALM_SIDE__REALM_CORE));
	assert_int_equal(a->realms[1]->ports_total, 100);
	assert_int_equal(a->capabilities->n_srtp_profiles, 3);
	assert_int_equal(a->capabilities->n_transcoding, 0); /* none is provided, and said so */
	assert_int_equal(a->state->state, IQ_V(AGW_STATE__STATE__IN_SERVICE));
	assert_int_equal(a->contexts_this_epoch, 0);
	iq_envelope_free(ack);
	client_close(c);
}

static void test_bad_hellos_are_refused_with_a_goodbye(void **state)
{
	static const struct {
		const char *json;
		IqErrorCode code;
		bool acked;
	} cases[] = {
	    {"{'hello':{'controller_id':'e1','epoch':1,'version_min':2,'version_max':9}}",
	     IQ_V(ERROR_CODE__VERSION_MISMATCH), true},
	    {"{'hello':{'controller_id':'','epoch':1,'version_min':1,'version_max':1}}",
	     IQ_V(ERROR_CODE__INVALID_ARGUMENT), true},
	    {"{'hello':{'controller_id':'e1','version_min':1,'version_max':1}}",
	     IQ_V(ERROR_CODE__INVALID_ARGUMENT), true},
	    {"{'audit':{}}", IQ_V(ERROR_CODE__INVALID_ARGUMENT), false},
	    {"{'heartbeat':{}}", IQ_V(ERROR_CODE__INVALID_ARGUMENT), false},
	};
	struct gate *g = *state;

	gate_open(g);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client *c = client_open(g);

		client_tell(c, cases[i].json);
		if (cases[i].acked)
			assert_int_equal(client_code(c, IQ_BODY(HELLO_ACK)), cases[i].code);
		assert_int_equal(client_code(c, IQ_BODY(GOODBYE)), cases[i].code);
		AWAIT(g, c->closed);
		client_close(c);
	}
	assert_null(g->server->controllers);
}

static void test_token_must_match(void **state)
{
	struct gate *g = *state;
	struct client *c;

	g->cfg.iq.token = "secret";
	gate_open(g);
	c = client_open(g);
	client_tell(c, "{'hello':{'controller_id':'e1','epoch':1,'version_min':1,'version_max':1,"
		       "'token':'secreT'}}");
	assert_int_equal(client_code(c, IQ_BODY(HELLO_ACK)), IQ_V(ERROR_CODE__NOT_OWNER));
	client_close(c);
	c = client_open(g);
	client_tell(c, "{'hello':{'controller_id':'e1','epoch':1,'version_min':1,'version_max':1,"
		       "'token':'secret'}}");
	assert_int_equal(client_code(c, IQ_BODY(HELLO_ACK)), IQ_V(ERROR_CODE__OK));
	client_close(c);
}

static void test_connection_without_hello_is_closed(void **state)
{
	struct gate *g = *state;
	struct client *c;

	g->cfg.iq.hello_timeout_ms = 50;
	gate_open(g);
	c = client_open(g);
	AWAIT(g, c->closed);
	client_close(c);
}

static void test_plain_tcp_beyond_loopback_needs_consent(void **state)
{
	struct agw_iq_server *s = NULL;
	struct gate *g = *state;
	struct agw_iq_cfg cfg;

	REQ("IQ-17");
	gate_open(g);
	cfg = g->cfg.iq;
	assert_int_equal(gw_addr_parse(&cfg.listen, "0.0.0.0:0", 0), GW_OK);
	assert_int_equal(agw_iq_server_new(&s, g->base, &cfg, g->table, g->pool), GW_ERR_DENIED);
	assert_null(s);
	cfg.tls_cert = "/nowhere.pem";
	assert_int_equal(agw_iq_server_new(&s, g->base, &cfg, g->table, g->pool), GW_ERR_CRYPTO);
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void test_same_epoch_finds_its_contexts(void **state)
{
	struct gate *g = *state;
	IqEnvelope *ack = NULL;
	struct client *c;

	REQ("IQ-15");
	gate_open(g);
	c = client_hello(g, "e1", 7, NULL);
	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_close(c);
	AWAIT(g, g->server->controllers->conn == NULL);
	c = client_hello(g, "e1", 7, &ack);
	assert_int_equal(ack->hello_ack->contexts_this_epoch, 1);
	assert_int_equal(ack->hello_ack->contexts_other_epochs, 0);
	iq_envelope_free(ack);
	client_tell(c, "{'release':{'ctx_id':'c1'}}");
	assert_int_equal(client_code(c, IQ_BODY(RELEASE_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(c);
}

static void test_new_epoch_releases_what_the_old_one_left(void **state)
{
	struct gate *g = *state;
	IqEnvelope *ack = NULL;
	struct client *c;
	struct client *other;

	REQ("REL-13");
	gate_open(g);
	c = client_hello(g, "e1", 7, NULL);
	other = client_hello(g, "e2", 7, NULL);
	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	(void)client_reserve(other, "c2", 1);
	iq_envelope_free(client_await(other, IQ_BODY(RESERVE_REPLY)));
	client_close(c);
	c = client_hello(g, "e1", 8, &ack);
	assert_int_equal(ack->hello_ack->contexts_this_epoch, 0);
	assert_int_equal(ack->hello_ack->contexts_other_epochs, 1);
	iq_envelope_free(ack);
	AWAIT(g, agw_context_count(g->table, "e1", 0) == 0);
	assert_int_equal(agw_context_count(g->table, "e2", 0), 1);
	/* transaction numbers begin anew with the epoch */
	last_txn = 0;
	(void)client_reserve(c, "c1", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(c);
	client_close(other);
}

static void test_newer_connection_of_the_same_controller_wins(void **state)
{
	struct gate *g = *state;
	struct client *old;
	struct client *c;

	gate_open(g);
	old = client_hello(g, "e1", 7, NULL);
	(void)client_reserve(old, "c1", 1);
	iq_envelope_free(client_await(old, IQ_BODY(RESERVE_REPLY)));
	c = client_hello(g, "e1", 7, NULL);
	assert_int_equal(client_code(old, IQ_BODY(GOODBYE)), IQ_V(ERROR_CODE__STALE_TXN));
	AWAIT(g, old->closed);
	assert_ptr_equal(g->server->controllers->conn->controller, g->server->controllers);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 1);
	client_tell(c, "{'audit':{}}");
	assert_int_equal(client_code(c, IQ_BODY(AUDIT_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(old);
	client_close(c);
}

static void test_contexts_of_a_lost_controller_are_orphans(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-13", "REL-13");
	g->cfg.iq.orphan_ms = 100;
	gate_open(g);
	c = client_hello(g, "e1", 7, NULL);
	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_close(c);
	AWAIT(g, g->server->controllers == NULL);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	AWAIT(g, agw_context_releasing(g->table) == 0);
}

/* ---- garbage, silence, limits ---------------------------------------------------------------- */

static void test_garbage_ends_the_connection_only(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
	} cases[] = {
	    {"\0\0\0\0", 4},                /* empty frame */
	    {"\xff\xff\xff\xff", 4},        /* huge frame */
	    {"GET / HTTP/1.1\r\n\r\n", 18}, /* another protocol: huge again */
	    {"\0\0\0\3\xff\xff\xff", 7},    /* not protobuf */
	    {"\0\0\0\2\x08\1", 6},          /* a version, no body: not Hello */
	};
	struct gate *g = *state;
	struct client *good;

	REQ("IQ-17");
	gate_open(g);
	good = client_hello(g, "good", 1, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client *c = client_open(g);

		client_write(c, cases[i].octets, cases[i].n);
		assert_int_not_equal(client_code(c, IQ_BODY(GOODBYE)), IQ_V(ERROR_CODE__OK));
		AWAIT(g, c->closed);
		client_close(c);
	}
	client_tell(good, "{'audit':{}}");
	assert_int_equal(client_code(good, IQ_BODY(AUDIT_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(good);
}

static void test_garbage_after_hello_keeps_the_contexts(void **state)
{
	struct gate *g = *state;
	int64_t before;
	struct client *c;

	REQ("IQ-17");
	gate_open(g);
	before = metric(IQ_M_GARBAGE);
	c = client_hello(g, "e1", 1, NULL);
	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_write(c, "\0\0\0\3\xff\xff\xff", 7);
	iq_envelope_free(client_await(c, IQ_BODY(GOODBYE)));
	AWAIT(g, c->closed);
	assert_true(metric(IQ_M_GARBAGE) > before);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 1);
	client_close(c);
}

static void test_messages_not_for_a_gateway_end_the_connection(void **state)
{
	static const char *const cases[] = {
	    "{'hello':{'controller_id':'e1','epoch':1,'version_min':1,'version_max':1}}",
	    "{'reserve_reply':{}}",
	    "{'notification':{'event_seq':1,'event':'ICE_FAILED'}}",
	};
	struct gate *g = *state;

	gate_open(g);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client *c = client_hello(g, "e1", 1, NULL);

		client_tell(c, cases[i]);
		iq_envelope_free(client_await(c, IQ_BODY(GOODBYE)));
		AWAIT(g, c->closed);
		client_close(c);
	}
}

static void test_requests_without_txn_or_body_are_answered(void **state)
{
	/* version 1, txn 9, and field 49 (a request of a later version) with nothing in it */
	static const char later[] = "\0\0\0\7\x08\1\x10\x09\x8a\x03\0";
	struct gate *g = *state;
	struct client *c;
	IqEnvelope *env;

	REQ("IQ-10");
	gate_open(g);
	c = client_hello(g, "e1", 1, NULL);
	env = iq_envelope_new(IQ_BODY(AUDIT), 0);
	client_send(c, env);
	iq_envelope_free(env);
	assert_int_equal(client_code(c, IQ_BODY(AUDIT_REPLY)), IQ_V(ERROR_CODE__INVALID_ARGUMENT));
	client_write(c, later, sizeof(later) - 1);
	env = client_await(c, IQ_BODY(ERROR_REPLY));
	assert_int_equal(iq_msg_error(env)->code, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER));
	assert_true(env->txn_id == 9);
	iq_envelope_free(env);
	client_close(c);
}

static void test_random_octets_never_hurt(void **state)
{
	struct gate *g = *state;

	REQ("IQ-17");
	gate_open(g);
	for (unsigned round = 0; round < 50; round++) {
		struct client *c = client_hello(g, "e1", 1, NULL);
		uint8_t junk[260];

		gw_rand_bytes(junk, sizeof(junk));
		junk[0] = junk[1] = junk[2] = 0;
		junk[3] = (uint8_t)(sizeof(junk) - 4 > 255 ? 255 : sizeof(junk) - 4);
		junk[4] = 0x08; /* looks like a message at first */
		junk[5] = 1;
		client_write(c, junk, sizeof(junk));
		AWAIT(g, c->closed || c->n > 0);
		client_close(c);
	}
}

/* A controller on a gateway that gives it up after 600 ms of silence. */
static struct client *impatient(struct gate *g)
{
	g->cfg.iq.heartbeat_ms = 200;
	gate_open(g);
	return client_hello(g, "e1", 1, NULL);
}

static void test_silent_controller_is_dropped(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-21");
	c = impatient(g);
	iq_envelope_free(client_await(c, IQ_BODY(HEARTBEAT)));
	AWAIT(g, c->closed);
	assert_null(g->server->controllers->conn);
	client_close(c);
}

/* The client does not speak while all of us stands still, and does afterwards. */
static void test_what_we_did_not_run_is_no_silence(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-21");
	c = impatient(g);
	for (int i = 0; i < 3; i++) {
		const struct timespec stop = {.tv_nsec = 900 * 1000000L};

		(void)nanosleep(&stop, NULL);
		iq_envelope_free(client_await(c, IQ_BODY(HEARTBEAT)));
		assert_false(c->closed);
		client_tell(c, "{'heartbeat':{'sequence':1}}");
	}
	AWAIT(g, c->closed); /* and then no more */
	client_close(c);
}

static void test_heartbeats_carry_the_load(void **state)
{
	struct gate *g = *state;
	IqEnvelope *env;
	struct client *c;

	REQ("IQ-16");
	g->cfg.iq.heartbeat_ms = 500;
	gate_open(g);
	c = client_hello(g, "e1", 1, NULL);
	(void)client_reserve(c, "c1", 2);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	env = client_await(c, IQ_BODY(HEARTBEAT));
	assert_int_equal(env->heartbeat->load->contexts, 1);
	assert_int_equal(env->heartbeat->load->streams, 2);
	assert_int_equal(env->heartbeat->load->ports_used, 6);
	assert_int_equal(env->heartbeat->load->ports_total, 200);
	iq_envelope_free(env);
	client_close(c);
}

static void test_limit_of_controllers_and_connections(void **state)
{
	struct gate *g = *state;
	struct client *c[8];
	struct client *more;

	gate_open(g);
	for (unsigned i = 0; i < 4; i++) {
		char id[8];

		snprintf(id, sizeof(id), "e%u", i);
		c[i] = client_hello(g, id, 1, NULL);
	}
	c[4] = client_open(g);
	client_tell(c[4], "{'hello':{'controller_id':'e5','epoch':1,'version_min':1,"
			  "'version_max':1}}");
	assert_int_equal(client_code(c[4], IQ_BODY(HELLO_ACK)),
			 IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED));
	AWAIT(g, c[4]->closed);
	client_close(c[4]);
	AWAIT(g, g->server->n_conns == 4);
	for (unsigned i = 4; i < 8; i++)
		c[i] = client_open(g);
	AWAIT(g, g->server->n_conns == 8);
	more = client_open(g);
	AWAIT(g, more->closed);
	client_close(more);
	for (unsigned i = 0; i < 8; i++)
		client_close(c[i]);
}

static void test_away_and_idle_controllers_make_room(void **state)
{
	struct gate *g = *state;
	struct client *keeper;
	struct client *c;

	gate_open(g);
	keeper = client_hello(g, "keeper", 1, NULL);
	(void)client_reserve(keeper, "c1", 1);
	iq_envelope_free(client_await(keeper, IQ_BODY(RESERVE_REPLY)));
	client_close(keeper);
	for (unsigned i = 0; i < 10; i++) {
		char id[8];

		snprintf(id, sizeof(id), "e%u", i);
		c = client_hello(g, id, 1, NULL);
		client_close(c);
		AWAIT(g, g->server->n_conns == 0);
	}
	assert_int_equal(HASH_COUNT(g->server->controllers), 4);
	assert_int_equal(agw_context_count(g->table, "keeper", 1), 1);
}

static void test_controller_that_does_not_read_is_given_up(void **state)
{
	struct gate *g = *state;
	struct client *c;
	int small = 2048;
	int64_t before;

	REQ("IQ-21");
	g->cfg.iq.max_output = 256U << 10;
	gate_open(g);
	before = metric(IQ_M_SLOW_PEER);
	c = client_hello(g, "e1", 1, NULL);
	(void)client_reserve(c, "c1", 16);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	assert_int_equal(event_del(c->ev), 0); /* reads no more */
	assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (unsigned i = 0; i < 2000 && g->server->n_conns > 0; i++) {
		client_tell(c, "{'audit':{'detail':true}}");
		assert_true(event_base_loop(g->base, EVLOOP_NONBLOCK) >= 0);
	}
	AWAIT(g, g->server->n_conns == 0);
	assert_true(metric(IQ_M_SLOW_PEER) > before);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 1);
	client_close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, gate_setup, gate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_hello_tells_who_we_are),
	    T(test_bad_hellos_are_refused_with_a_goodbye),
	    T(test_token_must_match),
	    T(test_connection_without_hello_is_closed),
	    T(test_plain_tcp_beyond_loopback_needs_consent),
	    T(test_same_epoch_finds_its_contexts),
	    T(test_new_epoch_releases_what_the_old_one_left),
	    T(test_newer_connection_of_the_same_controller_wins),
	    T(test_contexts_of_a_lost_controller_are_orphans),
	    T(test_garbage_ends_the_connection_only),
	    T(test_garbage_after_hello_keeps_the_contexts),
	    T(test_messages_not_for_a_gateway_end_the_connection),
	    T(test_requests_without_txn_or_body_are_answered),
	    T(test_random_octets_never_hurt),
	    T(test_silent_controller_is_dropped),
	    T(test_what_we_did_not_run_is_no_silence),
	    T(test_heartbeats_carry_the_load),
	    T(test_limit_of_controllers_and_connections),
	    T(test_away_and_idle_controllers_make_room),
	    T(test_controller_that_does_not_read_is_given_up),
	};

	gw_log_set_fd(open("/dev/null", O_WRONLY)); /* refusals are what these tests are about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
