/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts outlive their controller's connection by T_orphan, and then only if it stays away. */
#include "tests/lib/req.h"
#include "tests/unit/agw/iq/iq_fixture.h"

#define ORPHAN_MS 150

static void test_who_is_back_in_time_keeps_his_contexts(void **state)
{
	struct gate *g = *state;
	struct client *c;
	uint64_t until;

	REQ("IQ-13", "IQ-15", "REL-13");
	g->cfg.iq.orphan_ms = ORPHAN_MS;
	g->cfg.iq.heartbeat_ms = 5000;
	gate_open(g);
	c = client_hello(g, "e1", 7, NULL);
	(void)client_reserve(c, "c1", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	for (int again = 0; again < 3; again++) {
		client_close(c);
		AWAIT(g, g->server->n_conns == 0);
		c = client_hello(g, "e1", 7, NULL); /* the same incarnation */
		until = agw_iq_now_ms() + 2 * ORPHAN_MS;
		while (agw_iq_now_ms() < until) { /* its time would be over */
			client_tell(c, "{'audit':{}}");
			assert_int_equal(client_code(c, IQ_BODY(AUDIT_REPLY)),
					 IQ_V(ERROR_CODE__OK));
		}
		assert_int_equal(agw_context_count(g->table, "e1", 7), 1);
	}
	/* and is an orphan's father all the same when he goes for good */
	client_close(c);
	AWAIT(g, g->server->controllers == NULL);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	AWAIT(g, agw_context_releasing(g->table) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_who_is_back_in_time_keeps_his_contexts, gate_setup,
					    gate_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
