/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registration and its token's life: the three policies, deregistration with an expired token,
 * and deregistration by the trusted node after a lost flow.
 */
#include "reg_fixture.h"
#include "token_wic.h"

#include "cscf/registrar/tna.h"
#include "tests/lib/req.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

static int setup(void **state)
{
	fx_setup(state);
	fx.parts.authz = FA_AUTHZ;
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_CAP;
	fx.cfg.token_clock_skew = 30000;
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

static void test_cap_lowers_what_is_asked_and_nothing_else(void **state)
{
	REQ("TOK-22", "REG-15", "REG-19");
	static const struct {
		const char *contact, *more, *want_contact, *want_expires;
	} cases[] = {
	    {"<sip:a@a.invalid;transport=ws>;expires=600000;audio", "",
	     "Contact: <sip:a@a.invalid;transport=ws>;expires=120;audio\r\n", NULL},
	    {"<sip:a@a.invalid;transport=ws>;expires=119", "",
	     "Contact: <sip:a@a.invalid;transport=ws>;expires=119\r\n", NULL},
	    {"<sip:a@a.invalid;transport=ws>", "Expires: 3600\r\n",
	     "Contact: <sip:a@a.invalid;transport=ws>\r\n", "Expires: 120\r\n"},
	    {"<sip:a@a.invalid;transport=ws>", "Expires: 60\r\n",
	     "Contact: <sip:a@a.invalid;transport=ws>\r\n", "Expires: 60\r\n"},
	    {"<sip:a@a.invalid;transport=ws>", "", "Contact: <sip:a@a.invalid;transport=ws>\r\n",
	     "Expires: 120\r\n"},
	    {"<sip:a@a.invalid;transport=ws>", "Expires: abc\r\n",
	     "Contact: <sip:a@a.invalid;transport=ws>\r\n", "Expires: 120\r\n"},
	    {"<sip:a@a.invalid;transport=ws> ; expires = abc ;x=\"expires=9999\"", "",
	     "Contact: <sip:a@a.invalid;transport=ws> ; expires = 120 ;x=\"expires=9999\"\r\n",
	     NULL},
	    {"<sip:a@a.invalid;transport=ws>;expires=500;" INSTANCE
	     " , \"B, expires=7\" <sip:b@a.invalid;transport=ws>;" INSTANCE ";expires=900",
	     "",
	     "Contact: <sip:a@a.invalid;transport=ws>;expires=120;" INSTANCE
	     " , \"B, expires=7\" <sip:b@a.invalid;transport=ws>;" INSTANCE ";expires=120\r\n",
	     NULL},
	};

	(void)state;
	fa.left = 120;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_send(1, HOME, ALICE, ALICE, cases[i].contact, BEARER, cases[i].more);
		if (strstr(fk.mw, cases[i].want_contact) == NULL ||
		    (cases[i].want_expires != NULL ? strstr(fk.mw, cases[i].want_expires) == NULL
						   : strstr(fk.mw, "\r\nExpires:") != NULL))
			fail_msg("case %zu: %s", i, fk.mw);
		fk_answer("500 Server Internal Error", "");
	}
}

static void test_a_number_that_nobody_can_read_is_no_way_round_the_cap(void **state)
{
	REQ("TOK-22", "REG-15");
	static const struct {
		int64_t left;
		const char *asked, *want;
	} cases[] = {
	    {7200, "99999999999", ";expires=3600\r\n"},
	    {7200, "4294967296", ";expires=3600\r\n"},
	    {7200, "4294967295", ";expires=7200\r\n"},
	    {120, "99999999999", ";expires=120\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char contact[128], header[64];

		fa.left = cases[i].left;
		snprintf(contact, sizeof(contact), "<sip:a@a.invalid;transport=ws>;expires=%s",
			 cases[i].asked);
		fx_send(1, HOME, ALICE, ALICE, contact, BEARER, "");
		assert_non_null(strstr(fk.mw, cases[i].want));
		fk_answer("500 Server Internal Error", "");
		snprintf(header, sizeof(header), "Expires: %s\r\n", cases[i].asked);
		fx_send(1, HOME, ALICE, ALICE, "<sip:a@a.invalid;transport=ws>", BEARER, header);
		snprintf(header, sizeof(header), "\r\nExpires: %s", cases[i].want + 9);
		assert_non_null(strstr(fk.mw, header));
		fk_answer("500 Server Internal Error", "");
	}
}

static void test_a_deregistration_never_binds(void **state)
{
	REQ("TOK-22", "TOK-23", "REG-21");
	struct cscf_registrar_row row;
	uint64_t cursor = 0;

	(void)state;
	fx_send(2, HOME, ALICE, ALICE, GONE, BEARER, "");
	fk_answer("200 OK", "Contact: <" CONTACT_URI ">;expires=600000\r\n" IDENTITIES);
	assert_int_equal(fk.status, 500);
	fx_assert_nothing_left();
	assert_false(fk.authenticated[2]);

	registered(1); /* and prolongs nothing */
	fx_send(1, HOME, ALICE, ALICE, GONE, BEARER, "");
	fk_answer("200 OK", "Contact: <" CONTACT_URI ">;expires=600000\r\n" IDENTITIES);
	assert_int_equal(fk.status, 500);
	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	assert_true(row.expires_in_s <= 3600);
	/* another contact of the same flow in the 200 is not the one that had to go */
	fx_send(1, HOME, ALICE, ALICE, GONE, BEARER, "");
	fk_answer("200 OK", "Contact: <sip:new@n.invalid;transport=ws>;reg-id=1;" INSTANCE
			    ";expires=3600\r\n");
	assert_int_equal(fk.status, 200);
	fx_assert_nothing_left();
}

static void test_a_token_with_nothing_left_is_401(void **state)
{
	REQ("TOK-22");
	(void)state;
	fa.left = 0; /* within the clock skew the library still calls it good */
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 401);
	assert_non_null(strstr(fk.w2, "error=\"invalid_token\""));
	assert_int_equal(fk.n_requests, 0);
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_INDEPENDENT;
	fx_register(1, BEARER);
	assert_non_null(strstr(fk.mw, CONTACT));
	fk_answer("500 Server Internal Error", "");
}

static void test_423_under_cap_wants_a_longer_token(void **state)
{
	REQ("TOK-22", "REG-30");
	(void)state;
	fa.left = 40;
	fx_register(1, BEARER);
	fk_answer("423 Interval Too Brief", "Min-Expires: 60\r\n");
	assert_int_equal(fk.status, 401);
	assert_non_null(strstr(fk.w2, "error=\"invalid_token\""));
	fa.left = 4000; /* the WIC's own wish was too short: its affair */
	fx_send(1, HOME, ALICE, ALICE, "<" CONTACT_URI ">;expires=30", BEARER, "");
	fk_answer("423 Interval Too Brief", "Min-Expires: 60\r\n");
	assert_int_equal(fk.status, 423);
	assert_non_null(strstr(fk.w2, "Min-Expires: 60\r\n"));
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_INDEPENDENT;
	fa.left = 40;
	fx_register(1, BEARER);
	fk_answer("423 Interval Too Brief", "Min-Expires: 60\r\n");
	assert_int_equal(fk.status, 423);
}

static void test_terminate_blocks_after_the_token_and_its_skew(void **state)
{
	REQ("TOK-22");
	static const struct {
		int policy;
		int64_t left;
		bool over;
	} cases[] = {
	    {CSCF_REGISTRAR_LIFETIME_TERMINATE, 1, false},
	    {CSCF_REGISTRAR_LIFETIME_TERMINATE, -29, false},
	    {CSCF_REGISTRAR_LIFETIME_TERMINATE, -30, true},
	    {CSCF_REGISTRAR_LIFETIME_TERMINATE, -9999, true},
	    {CSCF_REGISTRAR_LIFETIME_INDEPENDENT, -9999, false},
	    {CSCF_REGISTRAR_LIFETIME_CAP, -9999, false},
	};
	struct cscf_registrar_identity id;

	(void)state;
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_TERMINATE;
	registered(1);
	assert_non_null(strstr(fk.mw, CONTACT)); /* not capped */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx.cfg.lifetime_policy = cases[i].policy;
		fa.left = cases[i].left;
		assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
		if (id.token_over != cases[i].over)
			fail_msg("case %zu", i);
	}
}

static void test_an_expired_token_is_good_for_deregistration_where_it_registered(void **state)
{
	REQ("TOK-23");
	(void)state;
	fx.cfg.allow_expired_dereg = true;
	registered(1);
	fa.result.expired = true;
	fx_send(1, HOME, ALICE, ALICE, GONE, BEARER, "");
	assert_true(fa.allow_expired);
	assert_non_null(strstr(fk.mw, "integrity-protected=\"auth-done\""));
	assert_non_null(strstr(fk.mw, "expires=0"));
	fk_answer("200 OK", "");
	assert_int_equal(fk.status, 200);
	fx_assert_nothing_left();
	fx_send(2, HOME, ALICE, ALICE, GONE, BEARER, ""); /* nobody is registered here */
	assert_false(fa.allow_expired);
	assert_int_equal(fk.status, 401);
	fa.result.expired = false;
	registered(3);
	fa.result.expired = true;
	fx_register(3, BEARER);
	assert_false(fa.allow_expired);
	assert_int_equal(fk.status, 401); /* and for nothing else */
	fx.cfg.allow_expired_dereg = false;
	fx_send(3, HOME, ALICE, ALICE, GONE, BEARER, "");
	assert_false(fa.allow_expired);
}

static const char *after(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	if (at == NULL)
		fail_msg("no \"%s\" in %s", what, text);
	return at + strlen(what);
}

static void test_a_lost_flow_is_deregistered_by_the_trusted_node(void **state)
{
	REQ("DEREG-41", "TOK-15");
	const char *at;

	(void)state;
	fx.cfg.lost_dereg = 5;
	registered(1);
	fx_close(1);
	FX_WAIT(fk.n_requests == 2);
	at = after(fk.mw, "REGISTER sip:ims.example.net SIP/2.0\r\n");
	at = after(at, "From: <" ALICE ">;tag=");
	at = after(at, "To: <" ALICE ">\r\n");
	/* where the WIC's own left off: one that it sent elsewhere meanwhile has this CSeq too */
	(void)after(fk.mw, "Call-ID: c1\r\n");
	at = after(at, "CSeq: 2 REGISTER\r\n");
	at = after(at, "Authorization: Digest username=\"" IMPI
		       "\",realm=\"ims.example.net\",uri=\"sip:ims.example.net\",nonce=\"\","
		       "response=\"\",integrity-protected=\"auth-done\"\r\n");
	(void)after(at, "Contact: " GONE "\r\n");
	(void)after(fk.mw, ";lr;ob>\r\n");
	(void)after(fk.mw, "P-Visited-Network-ID: \"ims.example.net\"\r\n");
	(void)after(fk.mw, "Require: path\r\n");
	fk_answer("200 OK", "");
	fx_assert_nothing_left();
}

static void test_who_comes_back_in_time_is_not_deregistered(void **state)
{
	REQ("DEREG-41");
	struct cscf_registrar_target t;

	(void)state;
	fx.cfg.lost_dereg = 40;
	fx.cfg.flow_grace = 200;
	registered(1);
	fx_close(1);
	registered(2);
	/* past the 40 ms at which it would have been deregistered */
	assert_int_equal(event_base_loopexit(fx.base, &(struct timeval){.tv_usec = 60000}), 0);
	assert_int_equal(event_base_dispatch(fx.base), 0);
	assert_int_equal(fk.n_requests, 2);
	assert_int_equal(fx_reach(2, &t), CSCF_REGISTRAR_LIVE);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 0);
}

static void test_nobody_is_deregistered_while_he_registers(void **state)
{
	REQ("DEREG-41");
	struct cscf_registrar_target t;

	(void)state;
	fx.cfg.lost_dereg = 20;
	fx.cfg.flow_grace = 200;
	registered(1);
	fx_close(1);
	fx_register(2, BEARER); /* the core takes its time */
	assert_int_equal(event_base_loopexit(fx.base, &(struct timeval){.tv_usec = 50000}), 0);
	assert_int_equal(event_base_dispatch(fx.base), 0);
	assert_int_equal(fk.n_requests, 2);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fx_reach(2, &t), CSCF_REGISTRAR_LIVE);
}

static void test_what_the_core_says_to_it(void **state)
{
	REQ("DEREG-41", "TOK-19");
	static const struct {
		const char *status;
		size_t left;
	} cases[] = {{"481 Call/Transaction Does Not Exist", 0},
		     {"404 Not Found", 0},
		     {"401 Unauthorized", 1},
		     {"500 Server Internal Error", 1}};

	(void)state;
	fx.cfg.lost_dereg = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned before;

		fx_start();
		registered(i + 1);
		before = fk.n_requests;
		fx_close(i + 1);
		FX_WAIT(fk.n_requests > before);
		fk_answer(cases[i].status, "");
		assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, cases[i].left);
	}
}

static void test_a_core_that_cannot_now_is_asked_again(void **state)
{
	REQ("DEREG-41");
	(void)state;
	fx.cfg.lost_dereg = 1;
	registered(1);
	fx_close(1);
	FX_WAIT(fk.n_requests == 2);
	fk_answer("503 Service Unavailable", "");
	FX_WAIT(fk.n_requests == 3);
	fk.refuse = true; /* and no transaction is left for it */
	fk_answer_as("408 Request Timeout", "", CSCF_SIP_CAUSE_TIMEOUT);
	FX_WAIT(fk.n_requests == 4);
	fk.refuse = false;
	FX_WAIT(fk.n_requests == 5);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 1);
	fk_answer("200 OK", "");
	fx_assert_nothing_left();
}

static void test_many_lost_at_once_go_one_by_one(void **state)
{
	int64_t began;

	REQ("DEREG-41", "REG-85");
	(void)state;
	fx.cfg.lost_dereg = 1;
	fx.cfg.max_initial_rate = 10; /* half of it: turns are 200 ms apart */
	fx.cfg.max_per_impi = 4;
	fx_start();
	for (uint64_t conn = 1; conn <= 3; conn++) {
		char contact[128], field[512];

		snprintf(contact, sizeof(contact), "<sip:x%u@c.invalid;transport=ws>;expires=600",
			 (unsigned)conn);
		fx_send(conn, HOME, ALICE, ALICE, contact, BEARER, "");
		snprintf(field, sizeof(field), "Contact: %s\r\n" IDENTITIES, contact);
		fk_answer("200 OK", field);
		assert_int_equal(fk.status, 200);
	}
	began = reg_now_ms();
	for (uint64_t conn = 1; conn <= 3; conn++)
		fx_close(conn);
	FX_WAIT(fk.n_requests == 6);
	assert_true(reg_now_ms() - began >= 390);
}

static void test_scenario_1_and_time_0_are_left_to_expire(void **state)
{
	REQ("DEREG-40", "DEREG-41");
	(void)state;
	fx.cfg.lost_dereg = 0;
	fx.cfg.lost_dereg_pool = 1;
	registered(1);
	fx_close(1);
	/* flow.grace (1 ms) is over, and nobody was deregistered by then */
	FX_WAIT(fx.n_events == 2);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 1);
	assert_int_equal(fk.n_requests, 1);
	fx_start();
	fx.n_events = 0;
	fx.cfg.lost_dereg = 1;
	fx.cfg.flow_grace = 20;
	fx_registered(2);
	fx_close(2);
	FX_WAIT(fx.n_events == 2);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 1);
	assert_int_equal(fk.n_requests, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_cap_lowers_what_is_asked_and_nothing_else),
	    T(test_a_number_that_nobody_can_read_is_no_way_round_the_cap),
	    T(test_a_deregistration_never_binds),
	    T(test_a_token_with_nothing_left_is_401),
	    T(test_423_under_cap_wants_a_longer_token),
	    T(test_terminate_blocks_after_the_token_and_its_skew),
	    T(test_an_expired_token_is_good_for_deregistration_where_it_registered),
	    T(test_a_lost_flow_is_deregistered_by_the_trusted_node),
	    T(test_a_core_that_cannot_now_is_asked_again),
	    T(test_many_lost_at_once_go_one_by_one),
	    T(test_who_comes_back_in_time_is_not_deregistered),
	    T(test_nobody_is_deregistered_while_he_registers),
	    T(test_what_the_core_says_to_it),
	    T(test_scenario_1_and_time_0_are_left_to_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
