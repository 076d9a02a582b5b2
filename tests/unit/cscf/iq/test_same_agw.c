/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AGW by two addresses, one name in two processes (same_agw.c), and who is served by an AGW
 * that has too much to do (link.c).
 */
#include "tests/unit/cscf/iq/pool_fixture.h"

static void pass_ms(struct fixture *f, unsigned ms)
{
	struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};

	event_base_loopexit(f->base, &tv);
	event_base_dispatch(f->base);
}

static struct cscf_iq_link *link_of(struct fixture *f, const struct fake_agw *a)
{
	struct cscf_iq_link *link;

	DL_FOREACH (f->iq->links, link)
		if (strcmp(link->addr_text, f->item_text[a - f->agw]) == 0)
			return link;
	fail_msg("no such link");
	return NULL;
}

/* The address in use falls silent, the other is taken: the contexts live, and so do their requests.
 */
static void test_another_address_takes_over(void **state)
{
	REQ("IQ-08", "IQ-15", "IQ-17");
	struct fixture *f = *state;
	struct fake_agw *up, *other;
	char ctx_id[64];
	gw_handle ctx;

	f->agw[1].id = f->agw[0].id;
	f->agw[1].boot = f->agw[0].boot;
	f->cfg.agw_dead = 20000;
	start(f, 2);
	UNTIL(f, f->agw[0].audits + f->agw[1].audits > 0);
	pass_ms(f, 300); /* the second finds that it is one */
	up = link_of(f, &f->agw[0])->state == IQ_LINK_UP ? &f->agw[0] : &f->agw[1];
	other = up == &f->agw[0] ? &f->agw[1] : &f->agw[0];
	ctx = reserved(f, 3);
	snprintf(ctx_id, sizeof(ctx_id), "%s", up->last_ctx);
	fake_notify(up, 7, ctx_id, IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED));
	UNTIL(f, f->events == 1);
	other->audit_ctx = ctx_id; /* the same AGW: it has the context */
	other->audits = 0;
	up->stub = true;
	UNTIL(f, !cscf_iq_available(f->iq));
	event_active(link_of(f, other)->timer, EV_TIMEOUT, 0); /* it is looked at now */
	UNTIL(f, cscf_iq_available(f->iq) && other->audits > 0);
	fake_notify(other, 7, ctx_id, IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED)); /* again */
	fake_notify(other, 8, ctx_id, IQ_V(NOTIFICATION__EVENT__TERMINATION_HEARTBEAT));
	UNTIL(f, other->last_ack == 8 && cscf_iq_txn_count(f->iq) == 0);
	assert_int_equal(other->releases, 0);
	assert_int_equal(f->lost, 0);
	assert_int_equal(f->events, 2); /* the first was handled already */
	assert_string_equal(cscf_iq_ctx_id(f->iq, ctx), ctx_id);
	release(f, ctx);
	assert_int_equal(other->releases, 1);
}

/* The AGW runs anew elsewhere, under its name: the old one is dead, and nobody waits for it. */
static void test_the_same_name_with_another_boot(void **state)
{
	REQ("IQ-12", "IQ-17", "REL-12");
	struct fixture *f = *state;

	f->agw[1].id = f->agw[0].id;
	f->agw[1].boot = f->agw[0].boot + 1;
	f->agw[1].stub = true;
	f->cfg.agw_dead = 20000;
	start(f, 2);
	UNTIL(f, f->agw[0].audits > 0);
	(void)reserved(f, 3);
	f->agw[0].stub = true;
	UNTIL(f, !cscf_iq_available(f->iq));
	assert_int_equal(f->lost, 0);
	f->agw[1].stub = false;
	event_active(link_of(f, &f->agw[1])->timer, EV_TIMEOUT,
		     0); /* no HelloAck: it tries again */
	UNTIL(f, f->agw[1].audits > 0);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->call, 3);
	assert_int_equal(cscf_iq_context_count(f->iq), 0);
}

static void goodbye(struct fake_agw *a)
{
	IqEnvelope *bye = iq_envelope_new(IQ_BODY(GOODBYE), 0);
	struct iq_fault fault;

	iq_fault_set(&fault, IQ_V(ERROR_CODE__STALE_TXN), "controller_id",
		     "a newer connection took over");
	bye->goodbye->error = iq_error_new(&fault);
	fake_send(a, bye);
}

/* Each Hello of ours would end the calls of the other process, and each of its ours. */
static void test_another_process_has_our_name(void **state)
{
	REQ("IQ-08", "IQ-24");
	struct fixture *f = *state;
	unsigned hellos;

	start_up(f, 1);
	(void)reserved(f, 3);
	goodbye(&f->agw[0]); /* once: that may be ourselves */
	UNTIL(f, !cscf_iq_available(f->iq));
	UNTIL(f, cscf_iq_available(f->iq));
	assert_int_equal(f->lost, 0);
	hellos = f->agw[0].hellos;
	goodbye(&f->agw[0]);
	UNTIL(f, !cscf_iq_available(f->iq));
	UNTIL(f, f->lost == 1); /* the other's epoch released it */
	pass_ms(f, 1000);
	assert_int_equal(f->agw[0].hellos, hellos);
}

/* ---- a drain that ends (leaving.c)
 * ---------------------------------------------------------------
 */

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

/* ---- overload (IQ-16) ---------------------------------------------------------------------------
 */

static enum gw_err try_reserve(struct fixture *f, bool priority, gw_handle *ctx)
{
	struct cscf_iq_ident ident = {.call_id = "c1", .icid = "i1", .priority = priority};

	*ctx = GW_HANDLE_NONE;
	return cscf_iq_reserve(f->iq, ctx, 5, 1, &ident, NULL, 0, on_done);
}

static void levels(struct fixture *f, uint32_t a, uint32_t b)
{
	f->agw[0].load_level = a;
	f->agw[1].load_level = b;
	UNTIL(f, link_of(f, &f->agw[0])->overload_level == a &&
		     link_of(f, &f->agw[1])->overload_level == b);
}

static void test_an_agw_with_too_much_to_do(void **state)
{
	REQ("IQ-16", "IQ-22");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 2);
	levels(f, 2, 0);
	for (unsigned i = 0; i < 10; i++)
		(void)reserve(f, 3, 1), f->done = 0;
	UNTIL(f, cscf_iq_txn_count(f->iq) == 0);
	assert_int_equal(f->agw[0].reserves, 0);
	assert_int_equal(f->agw[1].reserves, 10);
	levels(f, 2, 2);
	assert_int_equal(try_reserve(f, false, &ctx), GW_ERR_LIMIT);
	assert_int_equal(try_reserve(f, true, &ctx), GW_OK); /* emergencies, and calls that move */
	levels(f, 3, 3);
	assert_int_equal(try_reserve(f, true, &ctx), GW_ERR_LIMIT);
	levels(f, 1, 3);
	assert_int_equal(try_reserve(f, false, &ctx), GW_OK);
	UNTIL(f, cscf_iq_txn_count(f->iq) == 0);
}

/* What is exempt is so at the next AGW, too. */
static void test_priority_fails_over(void **state)
{
	REQ("IQ-16", "IQ-23");
	struct fixture *f = *state;
	gw_handle ctx;

	start_up(f, 2);
	f->agw[0].reserve_error = IQ_V(ERROR_CODE__OVERLOADED);
	levels(f, 0, 2); /* the first choice refuses, the second takes priority alone */
	assert_int_equal(try_reserve(f, true, &ctx), GW_OK);
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_OK);
	assert_int_equal(f->agw[1].reserves, 1);
	f->done = 0;
	assert_int_equal(try_reserve(f, false, &ctx), GW_OK);
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_ERR_REJECTED);
	assert_int_equal(f->agw[1].reserves, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_another_address_takes_over),   T(test_the_same_name_with_another_boot),
	    T(test_another_process_has_our_name), T(test_an_agw_with_too_much_to_do),
	    T(test_priority_fails_over),          T(test_calls_leave_before_a_drain_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
