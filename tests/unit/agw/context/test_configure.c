/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts over a fake worker: changing streams at once, prepared changes, early dialogs. */
#include "tests/unit/agw/context/context_fixture.h"

/* ---- configure ------------------------------------------------------------------------------- */

static void test_configure_changes_what_it_names_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("IQ-02", "IQ-06");
	reserve(f, "c1", 1);
	p.set = AGW_SET_ICE | AGW_SET_DTLS;
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "uuuu");
	snprintf(p.p.access.remote_pwd, sizeof(p.p.access.remote_pwd), "pppppppppppppppppppppp");
	p.p.access.dtls_role = AGW_DTLS_ROLE_CLIENT;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 1, &p, 1), GW_OK);
	assert_int_equal(f->result.rev, 2);
	assert_int_equal(f->result.n, 0);
	assert_string_equal(state_of(f), "ACTIVE");
	assert_false(params(f, 1)->access.answered);

	p = patch(1);
	p.set = AGW_SET_GATE;
	p.p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 2, &p, 1), GW_OK);
	assert_true(params(f, 1)->gate_up);
	assert_false(params(f, 1)->gate_down);
	assert_string_equal(params(f, 1)->access.remote_ufrag, "uuuu");
	assert_int_equal(params(f, 1)->access.dtls_role, AGW_DTLS_ROLE_CLIENT);
}

static void test_ice_timer_starts_when_both_ends_are_known(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("ICE-25");
	p.set = AGW_SET_ICE;
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "uuuu");
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_OK);
	assert_false(params(f, 1)->access.answered);
	p = patch(1);
	p.n_remotes = 1;
	p.remotes[0].rtp = address("192.0.2.1", 4000);
	p.remotes[0].active = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_true(params(f, 1)->access.answered);
}

static void test_stale_revision_is_refused(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 9, &p, 1), GW_ERR_STATE);
	assert_int_equal(f->fault.code, AGW_CTX_REV);
	assert_int_equal(f->result.rev, 1);
	assert_int_equal(fake.applies, 0);
}

static void test_one_bad_stream_changes_none(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p[2] = {patch(1), patch(5)};

	REQ("IQ-09");
	reserve(f, "c1", 2);
	p[0].set = AGW_SET_GATE;
	p[0].p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, p, 2), GW_ERR_NOT_FOUND);
	assert_int_equal(f->fault.code, AGW_CTX_UNKNOWN_STREAM);
	assert_string_equal(f->fault.field, "streams[1].stream_id");
	assert_false(params(f, 1)->gate_up);
	assert_int_equal(fake.applies, 0);

	p[1] = patch(2);
	fake.fail_apply = GW_ERR_BUSY;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, p, 2), GW_ERR_BUSY);
	assert_false(params(f, 1)->gate_up);
	assert_string_equal(state_of(f), "RESERVED");
}

static void test_ice_restarts_when_the_controller_asks_and_only_then(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("ICE-17");
	p.set = AGW_SET_ICE;
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "uuuu");
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(fake.restarts, 0);
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "vvvv");
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(fake.restarts, 0); /* an answer: the peer changed, we did not */
	p.ice_restart = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(fake.restarts, 1);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(f->result.locals[0].ice_generation, 1);
}

static void test_branches_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("RTP-06", "DTLS-27");
	reserve(f, "c1", 1);
	p.n_remotes = 2;
	snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "one");
	p.remotes[0].rtp = address("192.0.2.1", 4000);
	p.remotes[0].active = true;
	snprintf(p.remotes[1].branch, sizeof(p.remotes[1].branch), "two");
	p.remotes[1].rtp = address("192.0.2.2", 5000);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(params(f, 1)->core.active, 0);

	p = patch(1);
	p.n_remotes = 2;
	snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "one");
	p.remotes[0].drop = true;
	snprintf(p.remotes[1].branch, sizeof(p.remotes[1].branch), "two");
	p.remotes[1].rtp = address("192.0.2.2", 5002);
	p.remotes[1].active = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(params(f, 1)->core.active, 1);
	assert_int_equal(gw_addr_port(&params(f, 1)->core.branches[1].rtp), 5002);
	assert_int_equal(params(f, 1)->core.branches[0].rtp.len, 0);
}

static void test_too_many_branches(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	for (int i = 0; i < AGW_BRANCH_MAX; i++) {
		p.n_remotes = 1;
		snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "b%d", i);
		p.remotes[0].rtp = address("192.0.2.1", (uint16_t)(4000 + 2 * i));
		assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	}
	snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "more");
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_ERR_LIMIT);
	assert_string_equal(f->fault.field, "streams[0].core.remotes");
}

static void test_rtcp_starts_with_media_and_goes_on_in_a_hold(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("RTP-04");
	reserve(f, "c1", 1);
	p.set = AGW_SET_GATE;
	p.p.gate_down = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_true(params(f, 1)->rtcp_gate_up && params(f, 1)->rtcp_gate_down);
	p.p.gate_down = false;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_false(params(f, 1)->gate_down);
	assert_true(params(f, 1)->rtcp_gate_up && params(f, 1)->rtcp_gate_down);
}

static void test_a_new_association_comes_with_our_values(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("DTLS-20");
	reserve(f, "c1", 2);
	p.new_dtls = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(f->result.locals[0].id, 1);
}

static void test_stream_named_twice_in_a_release_comes_back_once(void **state)
{
	struct fixture *f = *state;

	REQ("REL-20");
	reserve(f, "c1", 2);
	assert_int_equal(release_as(f, "e1", "c1", (const uint32_t[]){2, 2}, 2), GW_OK);
	fake_give_back();
	assert_int_equal(f->done, 1);
	assert_int_equal(f->stats.n, 1);
}

/* ---- prepare --------------------------------------------------------------------------------- */

static void test_prepared_changes_wait_for_commit(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	p.set = AGW_SET_GATE;
	p.p.gate_down = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_string_equal(state_of(f), "PREPARED");
	assert_false(params(f, 1)->gate_down);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "ACTIVE");
	assert_true(params(f, 1)->gate_down);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_ERR_STATE);
	assert_int_equal(f->fault.code, AGW_CTX_STATE);
}

static void test_rollback_forgets_and_goes_back(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	p.set = AGW_SET_GATE;
	p.p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_ROLLBACK, 0, NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "RESERVED");
	assert_false(params(f, 1)->gate_up);
	assert_int_equal(configure(f, AGW_CTX_ROLLBACK, 0, NULL, 0), GW_OK);
}

static void test_rollback_leaves_a_call_configured_meanwhile_alone(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_string_equal(state_of(f), "PREPARED");
	assert_int_equal(configure(f, AGW_CTX_ROLLBACK, 0, NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "ACTIVE");
}

static void test_prepare_gives_new_ice_credentials_at_once(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("ICE-17");
	reserve(f, "c1", 1);
	p.ice_restart = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(fake.restarts, 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_OK);
	assert_int_equal(fake.restarts, 1);
}

static void test_commit_brings_the_answer_along(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("SDP-35", "IQ-09");
	reserve(f, "c1", 2);
	p.set = AGW_SET_GATE;
	p.p.gate_down = true;
	p.n_remotes = 1;
	p.remotes[0].rtp = address("192.0.2.1", 4000);
	p.remotes[0].active = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	/* a stream that was prepared and is gone is no obstacle, one the answer names is */
	p = patch(7);
	p.set = AGW_SET_GATE;
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, &p, 1), GW_ERR_NOT_FOUND);
	assert_string_equal(f->fault.field, "streams[0].stream_id");
	assert_string_equal(state_of(f), "PREPARED");
	assert_int_equal(fake.applies, 0);
	p = patch(1);
	p.set = AGW_SET_GATE;
	p.p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, &p, 1), GW_OK);
	assert_int_equal(fake.applies, 1);
	assert_true(params(f, 1)->gate_up);
	assert_false(params(f, 1)->gate_down);
	assert_int_equal(params(f, 1)->core.active, 0);
	assert_string_equal(state_of(f), "ACTIVE");
}

static void test_prepare_tells_the_certificate_that_commit_uses(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("DTLS-10", "DTLS-20");
	reserve(f, "c1", 2);
	p.new_dtls = true;
	fake.cert = 7;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(f->result.locals[0].fp.octets[0], 7);
	assert_int_equal(fake.applies, 0);
	fake.cert = 8; /* renewed before the answer came */
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_OK);
	assert_int_equal(f->result.locals[0].fp.octets[0], 7);
	/* an answer that asks for it: our offer showed the certificate in use */
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, NULL, 0), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, &p, 1), GW_OK);
	assert_int_equal(f->result.locals[0].fp.octets[0], 7);
	/* at once: the reply tells */
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(f->result.locals[0].fp.octets[0], 8);
}

static int setup_impatient(void **state)
{
	struct agw_context_cfg cfg = plain;

	cfg.prepare_ttl_ms = 20;
	*state = start(&cfg);
	return 0;
}

static void test_prepare_expires(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);
	uint64_t rev;

	REQ("SDP-35");
	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	p.set = AGW_SET_GATE;
	p.p.gate_down = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	rev = f->result.rev;
	while (strcmp(state_of(f), "PREPARED") == 0)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_string_equal(state_of(f), "ACTIVE");
	assert_int_equal(configure(f, AGW_CTX_COMMIT, rev, &p, 1), GW_ERR_STATE);
	assert_int_equal(f->fault.code, AGW_CTX_REV);
	assert_false(params(f, 1)->gate_down);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, f->result.rev, &p, 1), GW_OK);
	assert_true(params(f, 1)->gate_down);
}

static void test_bad_prepare_keeps_the_old_state(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(8);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_ERR_NOT_FOUND);
	assert_string_equal(state_of(f), "RESERVED");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_configure_changes_what_it_names_and_no_more),
	    T(test_ice_timer_starts_when_both_ends_are_known),
	    T(test_stale_revision_is_refused),
	    T(test_one_bad_stream_changes_none),
	    T(test_ice_restarts_when_the_controller_asks_and_only_then),
	    T(test_rtcp_starts_with_media_and_goes_on_in_a_hold),
	    T(test_a_new_association_comes_with_our_values),
	    T(test_stream_named_twice_in_a_release_comes_back_once),
	    T(test_rollback_leaves_a_call_configured_meanwhile_alone),
	    T(test_branches_come_and_go),
	    T(test_too_many_branches),
	    T(test_prepared_changes_wait_for_commit),
	    T(test_rollback_forgets_and_goes_back),
	    T(test_prepare_gives_new_ice_credentials_at_once),
	    T(test_commit_brings_the_answer_along),
	    T(test_prepare_tells_the_certificate_that_commit_uses),
	    cmocka_unit_test_setup_teardown(test_prepare_expires, setup_impatient, teardown),
	    T(test_bad_prepare_keeps_the_old_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
