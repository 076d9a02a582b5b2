/* SPDX-License-Identifier: Apache-2.0 */
/* An AGW that drains until a time it has told: its calls are asked to leave before that. */
#include "tests/unit/cscf/iq/pool_fixture.h"

static void pass_ms(struct fixture *f, unsigned ms)
{
	struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};

	event_base_loopexit(f->base, &tv);
	event_base_dispatch(f->base);
}

static gw_handle drain_ctx[3];
static unsigned drain_asked[3];
static struct fixture *drain_fixture;

/* The first leaves, the second cannot at first, the third never can. */
static bool on_leaving(void *arg, gw_handle call, const char *why)
{
	struct fixture *f = drain_fixture;

	(void)arg;
	assert_string_equal(why, "AGW drains");
	assert_in_range(call, 1, 3);
	drain_asked[call - 1]++;
	if (call == 1 || (call == 2 && drain_asked[1] == 2))
		(void)cscf_iq_release(f->iq, drain_ctx[call - 1], 0, "moves", NULL);
	return true;
}

static void say_state(struct fake_agw *a, int state, uint32_t deadline_s)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(AGW_STATE), 0);

	env->agw_state->state = (Wicgate__Iq__V1__AgwState__State)state;
	env->agw_state->deadline_s = deadline_s;
	fake_send(a, env);
}

static void test_calls_leave_before_a_drain_is_over(void **state)
{
	REQ("IQ-14", "REL-12");
	static const struct cscf_iq_cbs cbs = {
	    .on_event = on_event, .on_context_lost = on_lost, .on_leaving = on_leaving};
	struct fixture *f = *state;
	uint64_t since;

	drain_fixture = f;
	memset(drain_asked, 0, sizeof(drain_asked));
	f->cfg.move_before = 60000; /* at most a quarter of the drain */
	start_up(f, 1);
	cscf_iq_attach(f->iq, &cbs, f);
	for (unsigned i = 0; i < 3; i++)
		drain_ctx[i] = reserved(f, i + 1);
	say_state(&f->agw[0], IQ_V(AGW_STATE__STATE__DRAINING), 0); /* without an end: nobody */
	pass_ms(f, 200);
	assert_int_equal(drain_asked[0], 0);
	since = iq_now_ms();
	say_state(&f->agw[0], IQ_V(AGW_STATE__STATE__DRAINING), 1);
	UNTIL(f, drain_asked[0] == 1);
	assert_true(iq_now_ms() - since >= 740);
	UNTIL(f, f->agw[0].releases == 2 && drain_asked[2] >= 3);
	assert_int_equal(drain_asked[0], 1);
	assert_int_equal(drain_asked[1], 2);
	assert_int_equal(f->lost, 0);
	say_state(&f->agw[0], IQ_V(AGW_STATE__STATE__IN_SERVICE), 0); /* undrained */
	UNTIL(f, cscf_iq_available(f->iq));
	drain_asked[2] = 0;
	pass_ms(f, 200);
	assert_int_equal(drain_asked[2], 0);
}

static unsigned asked_at_all;

static bool on_leaving_no_one(void *arg, gw_handle call, const char *why)
{
	(void)arg;
	(void)call;
	(void)why;
	asked_at_all++;
	return false;
}

/* SIGTERM in the middle of a long drain: the new end is what counts; the old one told again is not.
 */
static void test_another_deadline_begins_anew(void **state)
{
	REQ("IQ-14");
	static const struct cscf_iq_cbs cbs = {.on_context_lost = on_lost,
					       .on_leaving = on_leaving_no_one};
	struct fixture *f = *state;
	struct event *first;

	asked_at_all = 0;
	f->cfg.move_before = 10000;
	start_up(f, 1);
	cscf_iq_attach(f->iq, &cbs, f);
	(void)reserved(f, 1);
	say_state(&f->agw[0], IQ_V(AGW_STATE__STATE__DRAINING), 60);
	UNTIL(f, f->iq->links->leave_timer != NULL);
	first = f->iq->links->leave_timer;
	say_state(&f->agw[0], IQ_V(AGW_STATE__STATE__DRAINING), 60);
	pass_ms(f, 50);
	assert_ptr_equal(f->iq->links->leave_timer, first);
	assert_int_equal(asked_at_all, 0);
	say_state(&f->agw[0], IQ_V(AGW_STATE__STATE__DRAINING), 1);
	UNTIL(f, asked_at_all > 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_calls_leave_before_a_drain_is_over),
	    T(test_another_deadline_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
