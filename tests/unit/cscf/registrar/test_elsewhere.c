/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binding that the WIC has renewed through another eP-CSCF, known by the core's reg-event: it is
 * neither deregistered here after a lost flow nor called free to the WAF.
 */
#include "cscf/registrar/network.h"
#include "cscf/registrar/pool.h"
#include "reg_fixture.h"
#include "token_wic.h"

#include "cscf/registrar/tna.h"
#include "tests/lib/req.h"

#include <event2/event.h>

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

static int setup(void **state)
{
	fx_setup(state);
	fx.parts.authz = FA_AUTHZ;
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_INDEPENDENT;
	fx_start();
	fa_grant(IMPI, ALICE);
	return 0;
}

static void registered(uint64_t conn)
{
	fx_register(conn, BEARER);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void turn_loop(long ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	assert_int_equal(event_base_loopexit(fx.base, &tv), 0);
	assert_int_equal(event_base_dispatch(fx.base), 0);
}

/* As if nothing had been before: connections open, CSeqs from 1. */
static void afresh(void)
{
	fx_start();
	memset(fk.dead, 0, sizeof(fk.dead));
	fx.cseq = 0;
	fx.n_events = 0;
}

/* What the core's reg-event tells of alice's contact. */
static struct cscf_registrar_fact active(const char *contact, const char *call_id, uint32_t cseq)
{
	return (struct cscf_registrar_fact){.kind = CSCF_REGISTRAR_FACT_ACTIVE,
					    .aor = ALICE,
					    .contact = contact,
					    .instance =
						"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>",
					    .reg_id = 1,
					    .call_id = call_id,
					    .cseq = cseq,
					    .why = "test"};
}

static void test_what_was_renewed_elsewhere_is_left_alone(void **state)
{
	REQ("DEREG-41");
	static const char other[] = "<urn:uuid:0>";
	struct {
		struct cscf_registrar_fact fact;
		bool elsewhere;
	} cases[] = {
	    {active(CONTACT_URI, "c1", 1), false}, /* ours, the NOTIFY came late */
	    {active(CONTACT_URI, "c1", 2), true},  /* the same page by another way */
	    {active(CONTACT_URI, "new", 1), true}, /* loaded again */
	    {active("sip:new@c.invalid;transport=ws", "new", 1), true},
	    {active("sip:new@c.invalid;transport=ws", "new", 1), false}, /* another device: below */
	    {active(CONTACT_URI, "", 0), false},
	    {active(CONTACT_URI, NULL, 0), false},
	    {active(CONTACT_URI, "", 0), false},    /* for 3600 s, as ours was: below */
	    {active(CONTACT_URI, "", 0), false},    /* the same, half a minute on its way: below */
	    {active(CONTACT_URI, "", 0), true},     /* for longer: below */
	    {active(CONTACT_URI, "new", 1), false}, /* ended: below */
	};

	(void)state;
	cases[4].fact.instance = other;
	cases[7].fact.expires_s = 3600;
	cases[8].fact.expires_s = 3630;
	cases[9].fact.expires_s = 3700;
	cases[10].fact.kind = CSCF_REGISTRAR_FACT_SHORTENED;
	cases[10].fact.aor = "sip:bob@ims.example.net";
	fx.cfg.lost_dereg = 10;
	fx.cfg.flow_grace = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int early = 0; early < 2; early++) { /* heard before, after the flow is lost */
			unsigned before;

			afresh();
			registered(1);
			before = fk.n_requests;
			if (early)
				(void)cscf_registrar_apply(fx.r, IMPI, &cases[i].fact, 1, false);
			fx_close(1);
			if (!early)
				(void)cscf_registrar_apply(fx.r, IMPI, &cases[i].fact, 1, false);
			turn_loop(25);
			if (fk.n_requests - before != (cases[i].elsewhere ? 0U : 1U))
				fail_msg("case %zu early %d: %u sent", i, early,
					 fk.n_requests - before);
			assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 1);
			if (!cases[i].elsewhere)
				fk_answer("481 Call/Transaction Does Not Exist", "");
		}
	}
	/* back through us, it is ours again */
	afresh();
	fx.cfg.flow_grace = 200;
	registered(1);
	fx_close(1);
	(void)cscf_registrar_apply(fx.r, IMPI, &cases[2].fact, 1, false);
	registered(2);
	fx_close(2);
	FX_WAIT(strstr(fk.mw, GONE) != NULL);
	assert_non_null(strstr(fk.mw, "Call-ID: c2\r\n"));
	fk_answer("200 OK", "");
	fx_assert_nothing_left();
}

/* The association that there is, and its binding. */
static const struct reg_assoc *the_assoc(void)
{
	uint32_t cursor = 0;
	const struct reg_assoc *a = gw_handle_next(fx.r->handles, &cursor);

	assert_non_null(a);
	assert_non_null(a->bindings);
	assert_null(a->bindings->next);
	return a;
}

static bool is_elsewhere(const char *call_id, uint32_t cseq)
{
	struct cscf_registrar_fact fact = active(CONTACT_URI, call_id, cseq);

	(void)cscf_registrar_apply(fx.r, IMPI, &fact, 1, false);
	return the_assoc()->bindings->elsewhere;
}

static void test_what_the_core_refused_is_not_what_it_has(void **state)
{
	REQ("DEREG-41");
	(void)state;
	fx.cfg.lost_dereg = 10;
	afresh();
	registered(1);
	fx.call_id = "other";
	fx_register(1, BEARER); /* CSeq 2 */
	fk_answer("403 Forbidden", "");
	assert_int_equal(fk.status, 403);
	assert_false(is_elsewhere("c1", 1));
	/* one of ours that waits for its answer: the core may tell of it before */
	fx.call_id = NULL;
	fx_register(1, BEARER); /* CSeq 3 */
	assert_false(is_elsewhere("c1", 3));
	fk_answer("403 Forbidden", "");
	fx_close(1);
	FX_WAIT(strstr(fk.mw, GONE) != NULL);
	assert_non_null(strstr(fk.mw, "Call-ID: c1\r\n"));
	assert_non_null(strstr(fk.mw, "CSeq: 4 REGISTER\r\n"));
	/* that one was refused, and is under way no more */
	assert_true(is_elsewhere("c1", 3));
}

static void test_another_call_id_after_it_is_not_gone_on_with(void **state)
{
	REQ("DEREG-41");
	(void)state;
	fx.cfg.lost_dereg = 10;
	afresh();
	registered(1);
	fx.call_id = "other";
	fx_register(1, BEARER);
	fk_answer("403 Forbidden", "");
	fx_close(1);
	FX_WAIT(strstr(fk.mw, GONE) != NULL);
	assert_non_null(strstr(fk.mw, "Call-ID: c1\r\n"));
	assert_non_null(strstr(fk.mw, "CSeq: 2 REGISTER\r\n"));
	fk_answer("200 OK", "");
	fx_assert_nothing_left();
}

static void test_a_core_that_had_that_cseq_is_not_asked_again(void **state)
{
	REQ("DEREG-41");
	static char too_long[200];
	static const struct {
		const char *status, *fields;
		bool own_call_id; /* the WIC's is too long to go on with */
		bool elsewhere, again;
	} cases[] = {
	    {"500 Server Internal Error", "", false, true, false},
	    {"400 Out Of Order", "", false, true, false},
	    {"500 Server Internal Error", "Retry-After: 5\r\n", false, false, true},
	    {"503 Service Unavailable", "", false, false, true},
	    {"504 Server Time-out", "", false, false, true},
	    {"500 Server Internal Error", "", true, false, true},
	    {"400 Bad Request", "", true, false, false},
	    {"403 Forbidden", "", false, false, false},
	};

	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	fx.cfg.lost_dereg = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct reg_assoc *a;
		unsigned before;

		afresh();
		fx.call_id = cases[i].own_call_id ? too_long : NULL;
		registered(1);
		before = fk.n_requests;
		fx_close(1);
		FX_WAIT(fk.n_requests > before);
		assert_int_equal(strstr(fk.mw, "Call-ID: c1\r\n") == NULL, cases[i].own_call_id);
		fk_answer(cases[i].status, cases[i].fields);
		a = the_assoc();
		if (a->bindings->elsewhere != cases[i].elsewhere ||
		    evtimer_pending(a->lost_timer, NULL) != cases[i].again)
			fail_msg("case %zu: elsewhere %d again %d", i, a->bindings->elsewhere,
				 evtimer_pending(a->lost_timer, NULL));
	}
}

static void test_a_pool_identity_that_lives_on_elsewhere_is_not_called_free(void **state)
{
	REQ("TOK-31", "DEREG-31");
	static const char aor[] = ALICE;
	struct cscf_registrar_fact fact = active(CONTACT_URI, "new", 1);
	struct cscf_registrar_fact end = fact;

	(void)state;
	end.kind = CSCF_REGISTRAR_FACT_ENDED;
	for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
		struct cscf_authz_grant *g = fa_grant(IMPI, ALICE);

		g->pool = true;
		g->subject = "v1";
		fx.cfg.pool_release_url = "http://127.0.0.1:1/";
		fx.cfg.pool_exclusive = true;
		afresh();
		registered(1);
		fx_close(1);
		if (elsewhere)
			(void)cscf_registrar_apply(fx.r, IMPI, &fact, 1, false);
		(void)cscf_registrar_apply(fx.r, IMPI, &end, 1, false);
		turn_loop(600);
		assert_false(reg_pool_lasts(fx.r->pool, aor));
		/* who gave it back may not come again; who only went elsewhere may */
		fx_register(2, BEARER);
		assert_int_equal(fk.status, elsewhere ? 0 : 403);
		if (elsewhere)
			fk_answer("500 Server Internal Error", "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_what_was_renewed_elsewhere_is_left_alone),
	    T(test_what_the_core_refused_is_not_what_it_has),
	    T(test_another_call_id_after_it_is_not_gone_on_with),
	    T(test_a_core_that_had_that_cseq_is_not_asked_again),
	    T(test_a_pool_identity_that_lives_on_elsewhere_is_not_called_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
