/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link to an AGW: lost and back, restarts, heartbeats, silence, garbage; events and audits on it.
 */
#include "tests/unit/cscf/iq/pool_fixture.h"

static void test_context_survives_a_short_loss_of_the_link(void **state)
{
	REQ("IQ-15", "REL-12");
	struct fixture *f = *state;
	gw_handle ctx;
	unsigned audits;

	start_up(f, 1);
	ctx = reserved(f, 3);
	f->agw[0].audit_ctx = f->agw[0].last_ctx;
	audits = f->agw[0].audits;
	fake_hang_up(&f->agw[0]);
	UNTIL(f, f->agw[0].audits > audits);
	assert_true(f->agw[0].last_resume);
	assert_int_equal(f->lost, 0);
	assert_string_not_equal(cscf_iq_ctx_id(f->iq, ctx), "");
	release(f, ctx);
}

static void test_restarted_agw_has_lost_its_contexts(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 1);
	ctx = reserved(f, 3);
	f->agw[0].boot = 78;
	fake_hang_up(&f->agw[0]);
	UNTIL(f, f->lost == 1);
	assert_int_equal(f->call, 3);
	assert_int_equal(cscf_iq_context_count(f->iq), 0);
	assert_false(cscf_iq_release(f->iq, ctx, 1, "late", on_done));
}

static void test_agw_that_stays_away_is_dead(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;

	start_up(f, 1);
	(void)reserved(f, 3);
	fake_agw_stop(&f->agw[0]);
	UNTIL(f, f->lost == 1);
	assert_false(cscf_iq_available(f->iq));
}

static bool link_is_down(const struct fixture *f)
{
	return f->iq->links->state != IQ_LINK_UP;
}

/* How long from now until the context is told lost. */
static uint64_t lost_after_ms(struct fixture *f)
{
	uint64_t since = iq_now_ms();

	UNTIL(f, f->lost == 1);
	return iq_now_ms() - since;
}

static void test_a_refused_connection_is_death_at_once(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;

	f->cfg.agw_dead = 60000;
	f->cfg.heartbeat = 10000; /* nothing of either has anything to do with it */
	start_up(f, 1);
	(void)reserved(f, 3);
	fake_agw_stop(&f->agw[0]);
	assert_in_range(lost_after_ms(f), 0, 2000);
}

static void test_an_end_without_a_goodbye_is_death_after_three_heartbeats(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;

	f->cfg.agw_dead = 60000;
	start_up(f, 1);
	(void)reserved(f, 3);
	f->agw[0].stub = true; /* something accepts there, and says nothing */
	fake_hang_up(&f->agw[0]);
	assert_in_range(lost_after_ms(f), 250, 3000);
}

static void test_silence_is_no_death_before_its_time(void **state)
{
	REQ("REL-12", "IQ-21");
	struct fixture *f = *state;
	uint64_t since, down;

	f->cfg.agw_dead = 600;
	start_up(f, 1);
	(void)reserved(f, 3);
	since = iq_now_ms();
	f->agw[0].stub = true;
	UNTIL(f, link_is_down(f));
	down = iq_now_ms();
	assert_in_range(down - since, 200, 1500);
	assert_int_equal(f->lost, 0);
	UNTIL(f, f->lost == 1);
	assert_in_range(iq_now_ms() - down, 550, 5000);
}

/* A firewall that begins to reject: silence first, then refusals of what is dialled anew. */
static void test_refusals_after_silence_are_no_death_before_its_time(void **state)
{
	REQ("REL-12", "IQ-21");
	struct fixture *f = *state;
	uint64_t down;

	f->cfg.agw_dead = 1200;
	start_up(f, 1);
	(void)reserved(f, 3);
	f->agw[0].stub = true;
	evconnlistener_free(f->agw[0].listener); /* refused; the connection that is stays */
	f->agw[0].listener = NULL;
	UNTIL(f, link_is_down(f));
	down = iq_now_ms();
	assert_int_equal(f->lost, 0);
	UNTIL(f, f->lost == 1);
	assert_in_range(iq_now_ms() - down, 1100, 5000);
}

#define MANY 2000U

/* The link's own list is walked, not the contexts of all. */
static void test_losing_a_link_loses_its_own_contexts_only(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;
	struct cscf_iq_link *first, *second, *link;

	f->cfg.max_contexts = 2L * MANY;
	f->cfg.request_timeout = 60000;
	start_up(f, 2);
	first = f->iq->links;
	second = first->next;
	f->agw[0].stub = f->agw[1].stub = true;
	gw_log_set_level(GW_LOG_ERROR);
	for (unsigned i = 0; i < 2 * MANY; i++) {
		link = i < MANY ? second : first; /* the other is busy */
		link->suspect = true;
		(void)reserve(f, i + 1, 1);
		link->suspect = false;
	}
	assert_int_equal(first->n_ctx, MANY);
	assert_int_equal(second->n_ctx, MANY);
	first->suspect = true; /* nowhere to go */
	iq_ctx_lose_link(second, "test");
	gw_log_set_level(GW_LOG_INFO);
	assert_int_equal(f->lost, MANY);
	assert_int_equal(second->n_ctx, 0);
	assert_null(second->ctxs);
	assert_null(second->txns);
	assert_int_equal(first->n_ctx, MANY);
}

static void test_a_goodbye_is_no_death_before_its_time(void **state)
{
	REQ("REL-12", "IQ-14");
	struct fixture *f = *state;
	IqEnvelope *bye = iq_envelope_new(IQ_BODY(GOODBYE), 0);

	f->cfg.agw_dead = 700;
	start_up(f, 1);
	(void)reserved(f, 3);
	f->agw[0].stub = true;
	fake_send(&f->agw[0], bye);
	UNTIL(f, link_is_down(f));
	assert_in_range(lost_after_ms(f), 600, 5000);
}

static void test_an_agw_out_of_service_has_no_contexts(void **state)
{
	REQ("IQ-14");
	struct fixture *f = *state;
	IqEnvelope *env = iq_envelope_new(IQ_BODY(AGW_STATE), 0);

	start_up(f, 1);
	(void)reserved(f, 3);
	env->agw_state->state = IQ_V(AGW_STATE__STATE__OUT_OF_SERVICE);
	fake_send(&f->agw[0], env);
	UNTIL(f, f->lost == 1);
	assert_false(cscf_iq_available(f->iq));
}

static void test_missing_heartbeats_end_the_link(void **state)
{
	REQ("IQ-14");
	struct fixture *f = *state;
	unsigned hellos;

	start_up(f, 1);
	hellos = f->agw[0].hellos;
	f->agw[0].stub = true;
	UNTIL(f, !cscf_iq_available(f->iq));
	f->agw[0].stub = false;
	UNTIL(f, f->agw[0].hellos > hellos && cscf_iq_available(f->iq));
}

/* The whole test stands still, the AGW in it too: a machine that was stopped. */
static void test_what_we_did_not_run_is_no_silence(void **state)
{
	REQ("IQ-14", "IQ-21");
	struct fixture *f = *state;
	unsigned hellos, beats;

	start_up(f, 1);
	hellos = f->agw[0].hellos;
	for (int i = 0; i < 3; i++) {
		const struct timespec stop = {.tv_nsec = 600 * 1000000L};

		beats = f->agw[0].heartbeats;
		(void)nanosleep(&stop, NULL);
		UNTIL(f, f->agw[0].heartbeats > beats + 1);
		assert_true(cscf_iq_available(f->iq));
	}
	assert_int_equal(f->agw[0].hellos, hellos);
	f->agw[0].stub = true;
	UNTIL(f, !cscf_iq_available(f->iq));
}

static void test_an_event_is_delivered_once_and_acknowledged(void **state)
{
	REQ("IQ-20", "IQ-07", "REL-17");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 1);
	ctx = reserved(f, 11);
	for (int i = 0; i < 2; i++)
		fake_notify(&f->agw[0], 5, f->agw[0].last_ctx,
			    IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED));
	UNTIL(f, f->agw[0].acks == 2);
	assert_int_equal(f->events, 1);
	assert_int_equal(f->call, 11);
	assert_int_equal(f->event, IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED));
	assert_int_equal(f->agw[0].last_ack, 5);
	release(f, ctx);
	/* late, for a context that has gone: counted, not delivered */
	fake_notify(&f->agw[0], 6, f->agw[0].last_ctx, IQ_V(NOTIFICATION__EVENT__CONSENT_LOST));
	UNTIL(f, f->agw[0].last_ack == 6);
	assert_int_equal(f->events, 1);
}

static void test_unknown_context_is_released_when_asked_for(void **state)
{
	REQ("IQ-13");
	struct fixture *f = *state;

	start_up(f, 1);
	fake_notify(&f->agw[0], 1, "00ff", IQ_V(NOTIFICATION__EVENT__TERMINATION_HEARTBEAT));
	UNTIL(f, f->agw[0].releases == 1);
	assert_string_equal(f->agw[0].last_release, "00ff");
}

static void test_audit_releases_what_we_do_not_know(void **state)
{
	REQ("IQ-15");
	struct fixture *f = *state;

	f->agw[0].audit_ctx = "0badc0de";
	start(f, 1);
	UNTIL(f, f->agw[0].releases == 1);
	assert_string_equal(f->agw[0].last_release, "0badc0de");
}

static unsigned differs;

static void on_differs(void *arg, gw_handle call)
{
	(void)arg;
	assert_int_equal(call, 3);
	differs++;
}

static void test_audit_finds_another_revision(void **state)
{
	REQ("IQ-15");
	static const struct cscf_iq_cbs cbs = {.on_context_lost = on_lost,
					       .on_differs = on_differs};
	struct fixture *f = *state;
	struct fake_agw *a = &f->agw[0];
	unsigned audits;
	gw_handle ctx;

	differs = 0;
	a->rev = 5;
	start_up(f, 1);
	cscf_iq_attach(f->iq, &cbs, f);
	ctx = reserved(f, 3);
	a->audit_ctx = a->last_ctx;
	a->audit_rev = 5; /* as it told */
	audits = a->audits;
	iq_audit_start(f->iq->links);
	UNTIL(f, a->audits > audits && cscf_iq_txn_count(f->iq) == 0);
	assert_int_equal(differs, 0);
	a->audit_rev = 6;
	iq_audit_start(f->iq->links);
	UNTIL(f, differs == 1);
	/* what follows is not held against a revision that nobody knows */
	assert_int_equal(cscf_iq_configure(f->iq, ctx, 2, 0, NULL, 0, on_done), GW_OK);
	UNTIL(f, f->done == 1);
	f->done = 0;
	assert_int_equal(a->base_rev, 0);
	release(f, ctx);
}

static void audit_again(struct fixture *f, unsigned pages)
{
	unsigned audits = f->agw[0].audits;

	iq_audit_start(f->iq->links);
	UNTIL(f, f->agw[0].audits == audits + pages && cscf_iq_txn_count(f->iq) == 0);
}

/* Nothing is judged before the last page: more contexts than fit into one are the rule. */
static void test_an_audit_of_several_pages_is_read_to_its_end(void **state)
{
	REQ("IQ-15");
	struct fixture *f = *state;
	struct fake_agw *a = &f->agw[0];
	gw_handle first, second;
	char ids[2][64];

	start_up(f, 1);
	first = reserved(f, 3);
	(void)snprintf(ids[0], sizeof(ids[0]), "%s", a->last_ctx);
	second = reserved(f, 4);
	(void)snprintf(ids[1], sizeof(ids[1]), "%s", a->last_ctx);
	for (int i = 0; i < 2; i++)
		iq_ctx_find_id(f->iq, ids[i])->since_ms = 0; /* long ago: no grace */
	a->audit_ctx = ids[0];
	a->audit_more = ids[1];
	audit_again(f, 2);
	assert_int_equal(f->lost, 0);
	a->audit_more = "";
	audit_again(f, 2);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->call, 4);
	assert_string_equal(cscf_iq_ctx_id(f->iq, second), "");
	release(f, first);
}

static void test_an_audit_follows_each_interval_and_lost_events(void **state)
{
	REQ("IQ-15", "IQ-20");
	struct fixture *f = *state;
	struct fake_agw *a = &f->agw[0];
	IqEnvelope *env = iq_envelope_new(IQ_BODY(NOTIFICATION), 0);
	unsigned audits;

	start_up(f, 1);
	UNTIL(f, cscf_iq_txn_count(f->iq) == 0);
	audits = a->audits;
	env->notification->event_seq = 1;
	env->notification->lost_events = true;
	assert_int_equal(iq_str_set(&env->notification->ctx_id, "00ff"), GW_OK);
	env->notification->event = IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED);
	fake_send(a, env);
	UNTIL(f, a->audits == audits + 1);
	f->iq->cfg.audit_interval = 1000;
	iq_audit_start(f->iq->links);
	UNTIL(f, a->audits == audits + 4); /* that one, and two without a reason */
}

/* An audit that a newer one overtook says nothing about what was there later. */
static void test_overtaken_audit_is_not_believed(void **state)
{
	REQ("IQ-15");
	struct fixture *f = *state;
	struct fake_agw *a = &f->agw[0];
	gw_handle ctx;

	start_up(f, 1);
	a->hold_audits = true;
	iq_audit_start(f->iq->links);
	UNTIL(f, a->n_held == 1);
	ctx = reserved(f, 3);
	iq_ctx_find_id(f->iq, a->last_ctx)->since_ms = 0; /* long ago: no grace */
	iq_audit_start(f->iq->links);
	UNTIL(f, a->n_held == 2);
	fake_audit_reply(a, 0, NULL); /* empty: of before the context was there */
	fake_audit_reply(a, 1, a->last_ctx);
	UNTIL(f, cscf_iq_txn_count(f->iq) == 0);
	assert_int_equal(f->lost, 0);
	assert_string_not_equal(cscf_iq_ctx_id(f->iq, ctx), "");
	/* one that nothing overtook is believed */
	iq_audit_start(f->iq->links);
	UNTIL(f, a->n_held == 3);
	fake_audit_reply(a, 2, NULL);
	UNTIL(f, f->lost == 1);
	assert_string_equal(cscf_iq_ctx_id(f->iq, ctx), "");
}

static void test_agw_that_answers_nothing_is_suspect(void **state)
{
	REQ("IQ-22", "IQ-24");
	struct fixture *f = *state;
	unsigned hellos;

	start_up(f, 1);
	hellos = f->agw[0].hellos;
	f->agw[0].drop_requests = 1000;
	for (unsigned i = 0; i < 5; i++)
		(void)reserve(f, i + 1, 1);
	UNTIL(f, f->done >= 5 && f->agw[0].hellos > hellos); /* heartbeats went on all the time */
	assert_int_equal(f->err, GW_ERR_TIMEOUT);
}

static void test_garbage_ends_the_connection(void **state)
{
	REQ("IQ-17");
	struct fixture *f = *state;
	unsigned hellos;

	start_up(f, 1);
	hellos = f->agw[0].hellos;
	bufferevent_write(f->agw[0].bev, "GET / HTTP/1.1\r\n\r\n", 18);
	UNTIL(f, f->agw[0].hellos > hellos && cscf_iq_available(f->iq));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_context_survives_a_short_loss_of_the_link),
	    T(test_restarted_agw_has_lost_its_contexts),
	    T(test_agw_that_stays_away_is_dead),
	    T(test_a_refused_connection_is_death_at_once),
	    T(test_an_end_without_a_goodbye_is_death_after_three_heartbeats),
	    T(test_silence_is_no_death_before_its_time),
	    T(test_refusals_after_silence_are_no_death_before_its_time),
	    T(test_losing_a_link_loses_its_own_contexts_only),
	    T(test_a_goodbye_is_no_death_before_its_time),
	    T(test_an_agw_out_of_service_has_no_contexts),
	    T(test_audit_finds_another_revision),
	    T(test_missing_heartbeats_end_the_link),
	    T(test_what_we_did_not_run_is_no_silence),
	    T(test_an_event_is_delivered_once_and_acknowledged),
	    T(test_unknown_context_is_released_when_asked_for),
	    T(test_audit_releases_what_we_do_not_know),
	    T(test_an_audit_of_several_pages_is_read_to_its_end),
	    T(test_an_audit_follows_each_interval_and_lost_events),
	    T(test_overtaken_audit_is_not_believed),
	    T(test_agw_that_answers_nothing_is_suspect),
	    T(test_garbage_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
