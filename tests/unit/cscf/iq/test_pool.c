/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's side of Iq against AGWs of our own on loopback: links, choice, fail-over,
 * resend, unknown outcomes, events, audits, restarts.
 */
#include "tests/unit/cscf/iq/fake_agw.h"

#include "cscf/iq/iq_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define N_AGW   2
#define WAIT_MS 5000

struct fixture {
	struct event_base *base;
	struct fake_agw agw[N_AGW];
	struct cscf_iq_config cfg;
	struct gw_conf_list list;
	char *items[N_AGW];
	char item_text[N_AGW][64];
	struct cscf_iq *iq;
	/* what came back */
	unsigned done, events, lost;
	enum gw_err err;
	IqErrorCode code;
	uint32_t tag;
	gw_handle call;
	size_t n_streams, n_stats;
	IqEvent event;
};

static void on_done(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct fixture *f = arg;

	f->done++;
	f->err = o->err;
	f->code = o->code;
	f->tag = tag;
	f->call = call;
	f->n_streams = o->n_streams;
	f->n_stats = o->n_stats;
}

static void on_event(void *arg, gw_handle call, const IqNotification *n)
{
	struct fixture *f = arg;

	f->events++;
	f->event = n->event;
	f->call = call;
}

static void on_lost(void *arg, gw_handle call, const char *why)
{
	struct fixture *f = arg;

	assert_non_null(why);
	f->lost++;
	f->call = call;
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Turn the loop until the condition holds; false when it does not within WAIT_MS. */
#define UNTIL(f, cond)                                                                             \
	do {                                                                                       \
		struct timeval tv_ = {WAIT_MS / 1000, 0};                                          \
		bool late_ = false;                                                                \
		struct event *guard_ = evtimer_new((f)->base, on_guard, &late_);                   \
		event_add(guard_, &tv_);                                                           \
		while (!(cond) && !late_)                                                          \
			event_base_loop((f)->base, EVLOOP_ONCE);                                   \
		event_free(guard_);                                                                \
		assert_true(cond);                                                                 \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static const char *const ids[N_AGW] = {"agw-a", "agw-b"};

	f->base = event_base_new();
	for (size_t i = 0; i < N_AGW; i++) {
		fake_agw_start(&f->agw[i], f->base, ids[i]);
		snprintf(f->item_text[i], sizeof(f->item_text[i]), "127.0.0.1:%u", f->agw[i].port);
		f->items[i] = f->item_text[i];
	}
	f->list = (struct gw_conf_list){.item = f->items, .n = 1};
	f->cfg = (struct cscf_iq_config){.agw_list = &f->list,
					 .resolve_interval = 50,
					 .request_timeout = 100,
					 .heartbeat = 100,
					 .agw_dead = 400,
					 .max_contexts = 100,
					 .controller_id = "cscf-test",
					 .token = ""};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cscf_iq_free(f->iq);
	for (size_t i = 0; i < N_AGW; i++)
		fake_agw_stop(&f->agw[i]);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void start(struct fixture *f, size_t n_agws)
{
	static const struct cscf_iq_cbs cbs = {.on_event = on_event, .on_context_lost = on_lost};
	char why[128];

	f->list.n = n_agws;
	assert_int_equal(cscf_iq_new(&f->iq, f->base, &f->cfg, why, sizeof(why)), GW_OK);
	cscf_iq_attach(f->iq, &cbs, f);
}

static void start_up(struct fixture *f, size_t n_agws)
{
	start(f, n_agws);
	for (size_t i = 0; i < n_agws; i++)
		UNTIL(f, f->agw[i].audits > 0); /* the first request on a link that is up */
}

static gw_handle reserve(struct fixture *f, gw_handle call, uint32_t tag)
{
	struct cscf_iq_ident ident = {.call_id = "c1", .icid = "i1"};
	IqStreamRequest req, *list[] = {&req};
	IqAccessTermination access;
	IqCoreTermination core;
	char realm_a[] = "access", realm_c[] = "core";
	gw_handle ctx = GW_HANDLE_NONE;

	wicgate__iq__v1__stream_request__init(&req);
	wicgate__iq__v1__access_termination__init(&access);
	wicgate__iq__v1__core_termination__init(&core);
	req.kind = IQ_V(MEDIA_KIND__AUDIO);
	access.realm = realm_a;
	core.realm = realm_c;
	req.access = &access;
	req.core = &core;
	assert_int_equal(cscf_iq_reserve(f->iq, &ctx, call, tag, &ident, list, 1, on_done), GW_OK);
	assert_int_equal(f->done, 0); /* never from inside the call */
	return ctx;
}

static gw_handle reserved(struct fixture *f, gw_handle call)
{
	gw_handle ctx = reserve(f, call, 1);

	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_OK);
	f->done = 0;
	return ctx;
}

static void release(struct fixture *f, gw_handle ctx)
{
	assert_true(cscf_iq_release(f->iq, ctx, 9, "test", on_done));
	assert_int_equal(cscf_iq_context_count(f->iq), 0);
	UNTIL(f, f->done == 1);
}

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
	    T(test_context_survives_a_short_loss_of_the_link),
	    T(test_restarted_agw_has_lost_its_contexts),
	    T(test_agw_that_stays_away_is_dead),
	    T(test_missing_heartbeats_end_the_link),
	    T(test_an_event_is_delivered_once_and_acknowledged),
	    T(test_unknown_context_is_released_when_asked_for),
	    T(test_audit_releases_what_we_do_not_know),
	    T(test_overtaken_audit_is_not_believed),
	    T(test_requests_stand_on_the_revision_that_is_known),
	    T(test_agw_that_answers_nothing_is_suspect),
	    T(test_garbage_ends_the_connection),
	    T(test_a_name_is_resolved_and_dialled),
	    T(test_bad_list_entry_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
