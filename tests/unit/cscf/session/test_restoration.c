/* SPDX-License-Identifier: Apache-2.0 */
/* When an unanswered request costs the user his Service-Route, and when it does not. */
#include "tests/unit/cscf/session/play.h"

/* The stack gives up on the request that went out last. */
static void give_up(int status, enum cscf_sip_cause cause, bool provisional)
{
	struct w_client *c = &w.clients[w.n_clients - 1];
	struct cscf_sip_response_info info = {
	    .local = true, .cause = cause, .provisional = provisional};
	struct cscf_sip_msg *rsp = NULL;

	assert_int_equal(cscf_sip_msg_new_response(&rsp, c->msg, status, NULL), GW_OK);
	c->cbs->on_response(c->arg, w.n_clients, rsp, &info);
	cscf_sip_msg_free(rsp);
}

static void test_only_an_unreachable_core_costs_the_route(void **state)
{
	REQ("REG-82");
	static const struct {
		int status;
		enum cscf_sip_cause cause;
		bool provisional;
		unsigned cleared;
	} rows[] = {
	    {408, CSCF_SIP_CAUSE_TIMEOUT, false, 1},
	    {408, CSCF_SIP_CAUSE_TIMEOUT, true, 0}, /* the callee is silent, not the core */
	    {503, CSCF_SIP_CAUSE_TRANSPORT, false, 1},
	    {503, CSCF_SIP_CAUSE_TRANSPORT, true, 1},
	    {503, CSCF_SIP_CAUSE_NO_TARGET, false, 1},
	    {503, CSCF_SIP_CAUSE_LIMIT, false, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		gw_handle h = w_request(&w_wic, "MESSAGE", "sip:bob@ims.test", W_ALICE, W_BOB,
					i + 1, "", NULL);

		w.routes_cleared = 0;
		give_up(rows[i].status, rows[i].cause, rows[i].provisional);
		if (w.routes_cleared != rows[i].cleared)
			fail_msg("row %u: %u cleared", i, w.routes_cleared);
		if (rows[i].cleared > 0)
			assert_true(w_has(w_answer_msg(h), "initial-registration"));
		else
			assert_int_equal(w_status(h), rows[i].status == 408 ? 504 : 500);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_only_an_unreachable_core_costs_the_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
