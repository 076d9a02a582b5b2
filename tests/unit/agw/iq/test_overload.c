/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an AGW says of its load as it fills: the levels, pushed and not only asked for, by contexts
 * and by the ports of the fuller realm, and what each level refuses.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/iq/iq_fixture.h"

#define MOST 10

static struct client *filled(struct gate *g, unsigned n)
{
	struct client *c = client_hello(g, "e1", 1, NULL);

	for (unsigned i = 0; i < n; i++) {
		char id[16];

		snprintf(id, sizeof(id), "c%u", i);
		(void)client_reserve(c, id, 1);
		assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	}
	return c;
}

static void await_level(struct client *c, unsigned level)
{
	for (;;) {
		IqEnvelope *env = client_await(c, IQ_BODY(AGW_STATE));
		unsigned told = env->agw_state->load->overload_level;

		iq_envelope_free(env);
		if (told == level)
			return;
	}
}

static IqErrorCode ask(struct client *c, const char *id, bool priority)
{
	iq_envelope_free(
	    client_say(c,
		       "{'reserve':{'ctx_id':'%s','priority':%s,'streams':[{'stream_id':1,"
		       "'kind':'AUDIO','access':{'realm':'access','rtcp':'RTCP_MUX'},"
		       "'core':{'realm':'core','transport':'RTP_AVP','rtcp':'RTCP_SEPARATE'}}]}}",
		       id, priority ? "true" : "false"));
	return client_code(c, IQ_BODY(RESERVE_REPLY));
}

static void release(struct client *c, unsigned i)
{
	iq_envelope_free(client_say(c, "{'release':{'ctx_id':'c%u'}}", i));
	assert_int_equal(client_code(c, IQ_BODY(RELEASE_REPLY)), IQ_V(ERROR_CODE__OK));
}

static void quick(struct gate *g)
{
	g->cfg.iq.heartbeat_ms =
	    1600; /* its load is looked at twice in that time; three are death */
	g->cfg.iq.max_contexts = MOST;
	g->cfg.contexts.max_contexts = MOST;
}

static void test_contexts_fill_and_empty_again(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-16");
	quick(g);
	gate_open(g);
	c = filled(g, 8);
	await_level(c, 1); /* 80 %: others are to be preferred, nothing is refused */
	assert_int_equal(ask(c, "c8", false), IQ_V(ERROR_CODE__OK));
	assert_int_equal(ask(c, "c9", false), IQ_V(ERROR_CODE__OK));
	await_level(c, 2);
	assert_int_equal(ask(c, "more", false), IQ_V(ERROR_CODE__OVERLOADED));
	/* a priority call is not kept out by the level, but by there being nothing left */
	assert_int_equal(ask(c, "more", true), IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED));
	for (unsigned i = 0; i < 3; i++)
		release(c, i);
	await_level(c, 0);
	assert_int_equal(ask(c, "more", false), IQ_V(ERROR_CODE__OK));
	client_close(c);
}

static void test_the_fuller_realm_counts_and_what_rests_in_it(void **state)
{
	struct gate *g = *state;
	struct client *c;
	IqEnvelope *env;

	REQ("IQ-16", "RTP-20");
	quick(g);
	g->cfg.iq.max_contexts = g->cfg.contexts.max_contexts = 2 * MOST;
	/* pairs for ten calls beside a hundred access ports */
	g->cfg.realms[1].port_max = (uint16_t)(g->cfg.realms[1].port_min + 2 * MOST - 1);
	g->cfg.pool.port_quarantine_ms = 600000;
	gate_open(g);
	c = filled(g, 8);
	await_level(c, 1);
	assert_int_equal(ask(c, "c8", false), IQ_V(ERROR_CODE__OK));
	assert_int_equal(ask(c, "c9", false), IQ_V(ERROR_CODE__OK));
	await_level(c, 2);
	for (unsigned i = 0; i < MOST; i++)
		release(c, i);
	/* nobody uses them, and nobody can */
	env = client_await(c, IQ_BODY(HEARTBEAT));
	while (env->heartbeat->load->contexts != 0) {
		iq_envelope_free(env);
		env = client_await(c, IQ_BODY(HEARTBEAT));
	}
	assert_int_equal(env->heartbeat->load->overload_level, 2);
	iq_envelope_free(env);
	assert_int_equal(ask(c, "more", false), IQ_V(ERROR_CODE__OVERLOADED));
	client_close(c);
}

static void test_level_3_refuses_everybody(void **state)
{
	struct gate *g = *state;
	struct client *c;

	REQ("IQ-16");
	gate_open(g);
	c = filled(g, 0);
	g->server->overload = 3;
	assert_int_equal(ask(c, "c1", false), IQ_V(ERROR_CODE__OVERLOADED));
	g->server->overload = 3;
	assert_int_equal(ask(c, "c1", true), IQ_V(ERROR_CODE__OVERLOADED));
	client_close(c);
}

static int setup(void **state)
{
	static struct gate g;

	gate_defaults(&g);
	*state = &g;
	return 0;
}

static int teardown(void **state)
{
	gate_close(*state);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_contexts_fill_and_empty_again),
	    T(test_the_fuller_realm_counts_and_what_rests_in_it),
	    T(test_level_3_refuses_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
