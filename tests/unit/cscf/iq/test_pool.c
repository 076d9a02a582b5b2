/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which AGW serves: contexts from reserve to release, choice, fail-over, resend, unknown outcomes,
 * revisions, the list of AGWs. Losses of a link are in test_link.c.
 */
#include "tests/unit/cscf/iq/pool_fixture.h"

static void test_a_context_from_reserve_to_release(void **state)
{
	REQ("IQ-02", "IQ-03", "REL-01");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 1);
	assert_true(cscf_iq_available(f->iq));
	ctx = reserve(f, 42, 7);
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_OK);
	assert_int_equal(f->tag, 7);
	assert_int_equal(f->call, 42);
	assert_int_equal(f->n_streams, 1);
	assert_string_equal(cscf_iq_ctx_id(f->iq, ctx), f->agw[0].last_ctx);
	assert_string_equal(cscf_iq_ctx_agw(f->iq, ctx), "agw-a");
	f->done = 0;
	release(f, ctx);
	assert_int_equal(f->n_stats, 1);
	assert_string_equal(f->agw[0].last_release, f->agw[0].last_ctx);
	assert_int_equal(cscf_iq_txn_count(f->iq), 0);
	/* a second release is nothing */
	assert_false(cscf_iq_release(f->iq, ctx, 9, "test", on_done));
}

static void test_no_agw_is_an_error_at_once(void **state)
{
	REQ("IQ-22", "CALL-37");
	struct fixture *f = *state;
	struct cscf_iq_ident ident = {.call_id = "c", .icid = "i"};
	gw_handle ctx;

	fake_agw_stop(&f->agw[0]);
	start(f, 1);
	assert_false(cscf_iq_available(f->iq));
	assert_int_equal(cscf_iq_reserve(f->iq, &ctx, 1, 1, &ident, NULL, 0, on_done),
			 GW_ERR_LIMIT);
	assert_int_equal(cscf_iq_context_count(f->iq), 0);
}

static void test_a_refused_hello_is_no_service(void **state)
{
	REQ("IQ-22");
	struct fixture *f = *state;

	f->agw[0].hello_error = IQ_V(ERROR_CODE__VERSION_MISMATCH);
	start(f, 1);
	UNTIL(f, f->agw[0].hellos >= 2); /* it tries again after its back-off */
	assert_false(cscf_iq_available(f->iq));
}

static void test_lost_request_is_resent_with_the_same_txn_id(void **state)
{
	REQ("IQ-08");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 1);
	f->agw[0].drop_requests = 1;
	ctx = reserve(f, 1, 1);
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_OK);
	assert_int_equal(f->agw[0].n_txn, 2);
	assert_int_equal(f->agw[0].txn_seen[0], f->agw[0].txn_seen[1]);
	f->done = 0;
	release(f, ctx);
}

static void test_unknown_outcome_is_followed_by_a_release(void **state)
{
	REQ("IQ-08", "REL-01");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 1);
	f->agw[0].drop_requests = 2;
	ctx = reserve(f, 1, 1);
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_ERR_TIMEOUT);
	UNTIL(f, f->agw[0].releases == 1);
	assert_string_equal(f->agw[0].last_release, f->agw[0].last_ctx);
	f->done = 0;
	release(f, ctx);
}

static void test_refused_reserve_goes_to_another_agw(void **state)
{
	REQ("IQ-23", "IQ-22");
	struct fixture *f = *state;
	gw_handle ctx;

	f->agw[1].load_contexts = 500; /* the first choice is agw-a, which refuses */
	f->agw[0].reserve_error = IQ_V(ERROR_CODE__DRAINING);
	start_up(f, 2);
	ctx = reserved(f, 5);
	assert_int_equal(f->agw[0].reserves, 1);
	assert_int_equal(f->agw[1].reserves, 1);
	assert_string_equal(f->agw[0].last_ctx, f->agw[1].last_ctx);
	assert_string_equal(cscf_iq_ctx_agw(f->iq, ctx), "agw-b");
	release(f, ctx);
	assert_int_equal(f->agw[0].releases, 0);
	assert_int_equal(f->agw[1].releases, 1);
}

static void test_silent_agw_is_left_for_another(void **state)
{
	REQ("IQ-23");
	struct fixture *f = *state;
	gw_handle ctx;

	f->agw[1].load_contexts = 500;
	start_up(f, 2);
	f->agw[0].drop_requests = 1;
	ctx = reserved(f, 5);
	assert_string_equal(cscf_iq_ctx_agw(f->iq, ctx), "agw-b");
	UNTIL(f, f->agw[0].releases == 1); /* unknown outcome there */
	release(f, ctx);
}

static void test_no_failover_for_an_error_of_ours(void **state)
{
	REQ("IQ-10");
	struct fixture *f = *state;
	gw_handle ctx;

	f->agw[1].load_contexts = 500;
	f->agw[0].reserve_error = IQ_V(ERROR_CODE__INVALID_ARGUMENT);
	start_up(f, 2);
	ctx = reserve(f, 1, 1);
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_ERR_REJECTED);
	assert_int_equal(f->code, IQ_V(ERROR_CODE__INVALID_ARGUMENT));
	assert_int_equal(f->agw[1].reserves, 0);
	f->done = 0;
	release(f, ctx);
}

static void test_the_less_loaded_of_two_is_chosen(void **state)
{
	REQ("IQ-22", "IQ-16");
	struct fixture *f = *state;

	f->agw[0].load_contexts = 400;
	start_up(f, 2);
	for (unsigned i = 0; i < 10; i++) {
		gw_handle ctx = reserved(f, i + 1);

		assert_string_equal(cscf_iq_ctx_agw(f->iq, ctx), "agw-b");
		release(f, ctx);
		f->done = 0;
	}
	assert_int_equal(f->agw[0].reserves, 0);
}

/* What is sent stands on the revision that the last reply told, if nothing was asked since. */
static void test_requests_stand_on_the_revision_that_is_known(void **state)
{
	REQ("IQ-08", "IQ-19");
	struct fixture *f = *state;
	struct fake_agw *a = &f->agw[0];
	IqStreamRequest s, *list[] = {&s};
	uint32_t id = 0;
	gw_handle ctx;

	wicgate__iq__v1__stream_request__init(&s);
	a->rev = 7;
	start_up(f, 1);
	ctx = reserved(f, 3);
	f->done = 0;
	assert_int_equal(cscf_iq_configure(f->iq, ctx, 1, IQ_V(CONFIGURE_REQUEST__PHASE__PREPARE),
					   list, 1, on_done),
			 GW_OK);
	UNTIL(f, f->done == 1);
	assert_int_equal(a->base_rev, 7);
	assert_int_equal(cscf_iq_configure(f->iq, ctx, 1, IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT),
					   list, 1, on_done),
			 GW_OK);
	UNTIL(f, f->done == 2);
	assert_int_equal(a->base_rev, 8);
	assert_int_equal(a->phase, IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT));
	/* a release of streams moves it, and nobody waited for that */
	cscf_iq_release_streams(f->iq, ctx, &id, 1, "gone");
	assert_int_equal(cscf_iq_configure(f->iq, ctx, 1,
					   IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW), list, 1,
					   on_done),
			 GW_OK);
	UNTIL(f, f->done == 3);
	assert_int_equal(a->base_rev, 0);
	cscf_iq_rollback(f->iq, ctx);
	UNTIL(f, a->phase == (int)IQ_V(CONFIGURE_REQUEST__PHASE__ROLLBACK));
	assert_int_equal(a->base_rev, 0);
	UNTIL(f, cscf_iq_txn_count(f->iq) == 0);
	f->done = 0;
	release(f, ctx);
}

static void test_a_name_is_resolved_and_dialled(void **state)
{
	REQ("IQ-01", "IQ-22");
	struct fixture *f = *state;

	snprintf(f->item_text[0], sizeof(f->item_text[0]), "localhost:%u", f->agw[0].port);
	start_up(f, 1);
	assert_true(cscf_iq_available(f->iq));
}

static void test_bad_list_entry_is_named(void **state)
{
	struct fixture *f = *state;
	char why[128] = "";

	f->items[0] = f->item_text[0];
	snprintf(f->item_text[0], sizeof(f->item_text[0]), "agw:notaport");
	assert_int_equal(cscf_iq_new(&f->iq, f->base, &f->cfg, why, sizeof(why)), GW_ERR_INVAL);
	assert_non_null(strstr(why, "agw:notaport"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_context_from_reserve_to_release),
	    T(test_no_agw_is_an_error_at_once),
	    T(test_a_refused_hello_is_no_service),
	    T(test_lost_request_is_resent_with_the_same_txn_id),
	    T(test_unknown_outcome_is_followed_by_a_release),
	    T(test_refused_reserve_goes_to_another_agw),
	    T(test_silent_agw_is_left_for_another),
	    T(test_no_failover_for_an_error_of_ours),
	    T(test_the_less_loaded_of_two_is_chosen),
	    T(test_requests_stand_on_the_revision_that_is_known),
	    T(test_a_name_is_resolved_and_dialled),
	    T(test_bad_list_entry_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
