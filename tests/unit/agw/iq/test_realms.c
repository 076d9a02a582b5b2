/* SPDX-License-Identifier: Apache-2.0 */
/* A realm's address goes and comes back, in a network namespace of our own (root only). */
#include "tests/unit/agw/iq/iq_fixture.h"

#include <sched.h>

#define CORE_IP "192.0.2.10"

static bool alone; /* in a namespace of our own */

static void ip(const char *command)
{
	char line[128];

	snprintf(line, sizeof(line), "ip %s", command);
	assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c): constant text, a test */
}

static void test_lost_realm_is_told_refused_and_comes_back(void **state)
{
	struct gate g;
	struct client *c;
	IqEnvelope *env;

	(void)state;
	REQ("IQ-11", "IQ-12", "IQ-07");
	if (!alone)
		skip();
	ip("addr add " CORE_IP "/32 dev lo");
	gate_defaults(&g);
	assert_int_equal(gw_addr_parse_ip(&g.cfg.realms[1].bind[AGW_FAMILY_V4], CORE_IP, 0), GW_OK);
	gate_open(&g);
	c = client_hello(&g, "e1", 1, NULL);
	(void)client_reserve(c, "c1", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	assert_null(agw_iq_realm_down(g.server));

	ip("addr del " CORE_IP "/32 dev lo");
	env = client_await(c, IQ_BODY(AGW_STATE));
	assert_int_equal(env->agw_state->n_realms, 1);
	assert_string_equal(env->agw_state->realms[0]->name, "core");
	assert_false(env->agw_state->realms[0]->available);
	iq_envelope_free(env);
	env = client_await(c, IQ_BODY(NOTIFICATION));
	assert_int_equal(env->notification->event, IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED));
	assert_int_equal(env->notification->side, IQ_V(REALM_SIDE__REALM_CORE));
	assert_int_equal(env->notification->stream_id, 1);
	iq_envelope_free(env);
	assert_string_equal(agw_iq_realm_down(g.server), "core");
	(void)client_reserve(c, "c2", 1);
	env = client_await(c, IQ_BODY(RESERVE_REPLY));
	assert_int_equal(iq_msg_error(env)->code, IQ_V(ERROR_CODE__REALM_UNAVAILABLE));
	assert_string_equal(iq_msg_error(env)->field, "streams[0].core.realm");
	iq_envelope_free(env);

	ip("addr add " CORE_IP "/32 dev lo");
	env = client_await(c, IQ_BODY(AGW_STATE));
	assert_true(env->agw_state->realms[0]->available);
	iq_envelope_free(env);
	(void)client_reserve(c, "c2", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(c);
	gate_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lost_realm_is_told_refused_and_comes_back),
	};

	alone = unshare(CLONE_NEWNET) == 0;
	if (alone)
		ip("link set lo up");
	gw_log_set_level(GW_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
