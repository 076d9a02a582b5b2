/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a subscription: what is sent, when, and what each answer does to it. */
#include "fake_core.h"
#include "tests/lib/req.h"

#define SLACK_MS 400

/* Milliseconds, on a machine that has other things to do as well; -1 = no timer. */
static void assert_between(int64_t v, int64_t low, int64_t high)
{
	if (low < 0 ? v != low : v < low - SLACK_MS || v > high + SLACK_MS)
		fail_msg("%lld is not in %lld..%lld", (long long)v, (long long)low,
			 (long long)high);
}

static const char *state_of(const char *impi)
{
	return cscf_regevent_show(fc.re, impi).state;
}

static void test_subscribe_octet_for_octet(void **state)
{
	char want[1024];

	REQ("REG-60");
	(void)state;
	fc_user("alice", FC_ALICE, 3600);
	snprintf(want, sizeof(want),
		 "SUBSCRIBE " FC_ALICE " SIP/2.0\r\n"
		 "Max-Forwards: 70\r\n"
		 "From: <sip:gw.ims.test>;tag=%s\r\n"
		 "To: <" FC_ALICE ">\r\n"
		 "Call-ID: %s\r\n"
		 "CSeq: 1 SUBSCRIBE\r\n"
		 "Contact: <sip:gw.ims.test:5060>\r\n"
		 "Event: reg\r\n"
		 "Accept: application/reginfo+xml\r\n"
		 "Expires: 4200\r\n"
		 "P-Asserted-Identity: <sip:gw.ims.test>\r\n"
		 "P-Charging-Vector: icid-value=\"i\"\r\n"
		 "Content-Length: 0\r\n\r\n",
		 fc.from_tag, fc.call_id);
	assert_string_equal(fc.sent, want);
	assert_string_equal(fc.dest, "sip:icscf.ims.test");
	assert_string_equal(state_of("alice"), "subscribing");
}

static void test_our_name_in_each_form(void **state)
{
	static const struct {
		const char *hostport;
		bool tcp_only;
		const char *from, *contact;
	} rows[] = {
	    {"192.0.2.1:5060", false, "From: <sip:192.0.2.1>;",
	     "Contact: <sip:192.0.2.1:5060>\r\n"},
	    {"[2001:db8::1]:5080", true, "From: <sip:[2001:db8::1]>;",
	     "Contact: <sip:[2001:db8::1]:5080;transport=tcp>\r\n"},
	};

	REQ("REG-60");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fc.hostport = rows[i].hostport;
		fc.tcp_only = rows[i].tcp_only;
		fc_start();
		fc_user("alice", FC_ALICE, 3600);
		assert_non_null(strstr(fc.sent, rows[i].from));
		assert_non_null(strstr(fc.sent, rows[i].contact));
	}
}

static void test_once_per_impi_and_bounded(void **state)
{
	REQ("REG-61");
	(void)state;
	fc.cfg.max_subscriptions = 4;
	fc_user("a", "sip:a@ims.test", 60);
	fc_user("a", "sip:a@ims.test", 600);
	assert_int_equal(fc.n_sent, 1);
	fc_user("b", "sip:b@ims.test", 60);
	fc_user("c", "sip:c@ims.test", 60);
	fc_user("d", "sip:d@ims.test", 60);
	fc_user("e", "sip:e@ims.test", 60); /* over the limit: none, and nothing breaks */
	assert_int_equal(fc.n_sent, 4);
	assert_int_equal(cscf_regevent_count(fc.re), 4);
	assert_string_equal(state_of("e"), "none");
	cscf_regevent_on_user_gone(fc.re, "e");
}

static void test_switched_off(void **state)
{
	REQ("REG-60");
	(void)state;
	fc.cfg.enable = false;
	fc_user("alice", FC_ALICE, 3600);
	assert_int_equal(fc.n_sent, 0);
	assert_false(fc_notify_as((struct fc_notify){.call_id = "x", .to_tag = "y"}));
}

static void test_expires_knob_never_below_the_registration(void **state)
{
	static const struct {
		int64_t knob;
		uint32_t granted;
		const char *want;
	} rows[] = {{0, 3600, "Expires: 4200\r\n"},
		    {7200, 3600, "Expires: 7200\r\n"},
		    {60, 3600, "Expires: 4200\r\n"},
		    {3600, 3600, "Expires: 4200\r\n"},
		    {0, UINT32_MAX, "Expires: 2592600\r\n"}};

	REQ("REG-60");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fc.cfg.expires_s = rows[i].knob;
		fc_user("alice", FC_ALICE, rows[i].granted);
		assert_non_null(strstr(fc.sent, rows[i].want));
		cscf_regevent_on_user_gone(fc.re, "alice");
	}
}

static void test_refresh_times_are_early_enough_and_spread(void **state)
{
	static const struct {
		const char *expires;
		int64_t latest;
	} rows[] = {{"4200", 3600000}, {"1201", 601000}, {"1200", 600000},
		    {"600", 300000},   {"4", 2000},      {"1", 500}};
	int64_t first = -1;
	bool differs = false;

	REQ("REG-62");
	(void)state;
	fc_user("alice", FC_ALICE, 3600);
	fc_accept("4200");
	assert_true(fc_notify_as((struct fc_notify){.state = "active"}));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sub *s = fc_sub("alice");

		fc_fire(s);
		assert_string_equal(state_of("alice"), "refreshing");
		fc_accept(rows[i].expires);
		assert_string_equal(state_of("alice"), "active");
		assert_between(fc_timer_ms(s), rows[i].latest - rows[i].latest / 16,
			       rows[i].latest);
	}
	for (unsigned i = 0; i < 20; i++) {
		fc_fire(fc_sub("alice"));
		fc_accept("4200");
		differs =
		    differs || (first >= 0 && llabs(fc_timer_ms(fc_sub("alice")) - first) > 1000);
		first = fc_timer_ms(fc_sub("alice"));
	}
	assert_true(differs);
}

static void test_accepted_but_never_notified_is_no_subscription(void **state)
{
	REQ("REG-62");
	(void)state;
	fc_user("alice", FC_ALICE, 3600);
	for (unsigned i = 1; i <= 3; i++) {
		fc_accept("4200");
		assert_between(fc_timer_ms(fc_sub("alice")), 31900, 32000);
		fc_sub("alice")->began_at_ms -= 32000;
		fc_fire(fc_sub("alice"));
		assert_string_equal(state_of("alice"), "waiting");
		assert_between(fc_timer_ms(fc_sub("alice")), 7500 << (i - 1), 10000 << (i - 1));
		fc_fire(fc_sub("alice"));
		assert_int_equal(fc.n_sent, i + 1); /* each a dialog of its own */
		assert_non_null(strstr(fc.sent, "CSeq: 1 SUBSCRIBE"));
	}
	/* a NOTIFY, also one that does not say how long, and the times are the usual */
	fc_accept("4200");
	assert_true(fc_notify_as((struct fc_notify){.state = "active"}));
	assert_between(fc_timer_ms(fc_sub("alice")), 3370000, 3600000);
}

static void test_refresh_goes_along_the_dialog(void **state)
{
	REQ("REG-62");
	(void)state;
	fc_user("alice", FC_ALICE, 3600);
	fc_answer(200,
		  FC_CONTACT "Expires: 4200\r\nRecord-Route: <sip:b.test;lr>, <sip:a.test;lr>\r\n",
		  CSCF_SIP_CAUSE_NONE);
	fc_user("alice", FC_ALICE, 7200); /* granted more meanwhile */
	fc_fire(fc_sub("alice"));
	assert_non_null(strstr(fc.sent, "SUBSCRIBE sip:scscf.ims.test:5060 SIP/2.0\r\n"));
	assert_non_null(strstr(fc.sent, "Route: <sip:a.test;lr>\r\nRoute: <sip:b.test;lr>\r\n"));
	assert_non_null(strstr(fc.sent, "To: <" FC_ALICE ">;tag=core\r\n"));
	assert_non_null(strstr(fc.sent, "CSeq: 2 SUBSCRIBE\r\n"));
	assert_non_null(strstr(fc.sent, "Expires: 7800\r\n"));
	assert_string_equal(fc.dest, "sip:a.test;lr");
}

/* Back-off: doubled, up to half an hour, at most a quarter less. */
static void test_backoff_doubles_up_to_its_bound(void **state)
{
	int64_t ms = 10000;

	REQ("REG-63");
	(void)state;
	fc_user("alice", FC_ALICE, 3600);
	for (unsigned i = 0; i < 12; i++) {
		char call_id[200];

		fc_answer(i % 2 == 0 ? 500 : 503, "", CSCF_SIP_CAUSE_NONE);
		assert_string_equal(state_of("alice"), "waiting");
		assert_int_equal(cscf_regevent_show(fc.re, "alice").failures, i + 1);
		assert_between(fc_timer_ms(fc_sub("alice")), ms - ms / 4, ms);
		ms = ms * 2 < 1800000 ? ms * 2 : 1800000;
		snprintf(call_id, sizeof(call_id), "%s", fc.call_id);
		fc_fire(fc_sub("alice"));
		assert_string_not_equal(call_id, fc.call_id);
	}
	fc_accept("4200");
	assert_int_equal(cscf_regevent_show(fc.re, "alice").failures, 0);
}

static void test_each_answer_to_a_refresh(void **state)
{
	static const struct {
		int status;
		enum cscf_sip_cause cause;
		const char *fields, *state;
		int64_t low, high; /* of the timer */
		bool same_dialog;
	} rows[] = {
	    {481, CSCF_SIP_CAUSE_NONE, "", "waiting", 7400, 10000, false},
	    {408, CSCF_SIP_CAUSE_NONE, "", "waiting", 7400, 10000, false},
	    {408, CSCF_SIP_CAUSE_TIMEOUT, "", "waiting", 7400, 10000, false},
	    {503, CSCF_SIP_CAUSE_TRANSPORT, "", "waiting", 7400, 10000, false},
	    {500, CSCF_SIP_CAUSE_NONE, "", "active", 7400, 10000, true},
	    {503, CSCF_SIP_CAUSE_NONE, "Retry-After: 60 (busy);duration=9\r\n", "active", 59900,
	     63900, true},
	    {503, CSCF_SIP_CAUSE_NONE, "Retry-After: 999999999\r\n", "active", 3599900, 3830500,
	     true},
	    {489, CSCF_SIP_CAUSE_NONE, "", "gave-up", -1, -1, false},
	    {403, CSCF_SIP_CAUSE_NONE, "", "gave-up", -1, -1, false},
	    {403, CSCF_SIP_CAUSE_LIMIT, "", "waiting", 7400, 10000, false},
	};

	REQ("REG-62", "REG-63");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char call_id[200];

		fc_user("alice", FC_ALICE, 3600);
		fc_accept("4200");
		snprintf(call_id, sizeof(call_id), "%s", fc.call_id);
		fc_fire(fc_sub("alice"));
		fc_answer(rows[i].status, rows[i].fields, rows[i].cause);
		assert_string_equal(state_of("alice"), rows[i].state);
		assert_between(fc_timer_ms(fc_sub("alice")), rows[i].low, rows[i].high);
		if (rows[i].low >= 0) {
			fc_fire(fc_sub("alice"));
			assert_int_equal(strcmp(call_id, fc.call_id) == 0, rows[i].same_dialog);
		}
		cscf_regevent_on_user_gone(fc.re, "alice");
		fc_turn();
	}
}

static void test_gave_up_until_the_user_comes_from_nothing(void **state)
{
	REQ("REG-63");
	(void)state;
	fc_user("alice", FC_ALICE, 3600);
	fc_answer(489, "", CSCF_SIP_CAUSE_NONE);
	fc_user("alice", FC_ALICE, 3600);
	assert_int_equal(fc.n_sent, 1);
	cscf_regevent_on_user_gone(fc.re, "alice");
	fc_turn();
	assert_null(fc.re->by_call_id); /* no dialog lingers where there was none */
	fc_user("alice", FC_ALICE, 3600);
	assert_int_equal(fc.n_sent, 2);
}

static void test_min_expires_is_asked_for(void **state)
{
	REQ("REG-63");
	(void)state;
	fc_user("alice", FC_ALICE, 600);
	fc_answer(423, "Min-Expires: 9000\r\n", CSCF_SIP_CAUSE_NONE);
	fc_fire(fc_sub("alice"));
	assert_non_null(strstr(fc.sent, "Expires: 9000\r\n"));
}

static void test_answers_that_make_no_dialog(void **state)
{
	static const char *const bad[] = {
	    "Expires: 600\r\n",          "Contact: *\r\n",
	    "Contact: <tel:+1>\r\n",     "Contact: <sips:a@b>\r\n",
	    FC_CONTACT "Expires: 0\r\n", FC_CONTACT "Expires: soon\r\n"};

	REQ("REG-63");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fc_user("alice", FC_ALICE, 600);
		fc_answer(200, bad[i], CSCF_SIP_CAUSE_NONE);
		assert_string_equal(state_of("alice"), "waiting");
		assert_true(cscf_regevent_show(fc.re, "alice").failures > 0);
		cscf_regevent_on_user_gone(fc.re, "alice");
	}
}

static void test_a_stack_that_is_full_is_a_failure_like_others(void **state)
{
	REQ("REG-63");
	(void)state;
	fc.refuse_as = GW_ERR_LIMIT;
	fc_user("alice", FC_ALICE, 600);
	assert_string_equal(state_of("alice"), "waiting");
	assert_between(fc_timer_ms(fc_sub("alice")), 7400, 10000);
	fc.refuse_as = GW_OK;
	fc_fire(fc_sub("alice"));
	assert_string_equal(state_of("alice"), "subscribing");
}

static void test_user_gone_in_each_state_leaves_nothing(void **state)
{
	REQ("REG-61");
	(void)state;
	fc_user("subscribing", FC_ALICE, 600);
	cscf_regevent_on_user_gone(fc.re, "subscribing");
	assert_null(fc.cbs); /* nobody waits for the answer */
	fc_user("active", FC_ALICE, 600);
	fc_accept("600");
	cscf_regevent_on_user_gone(fc.re, "active");
	fc_user("refreshing", FC_ALICE, 600);
	fc_accept("600");
	fc_fire(fc_sub("refreshing"));
	cscf_regevent_on_user_gone(fc.re, "refreshing");
	assert_int_equal(cscf_regevent_count(fc.re), 0);
	assert_int_equal(HASH_COUNT(fc.re->by_call_id), 3); /* they answer the last NOTIFY */
	fc_user("waiting", FC_ALICE, 600);
	fc_answer(500, "", CSCF_SIP_CAUSE_NONE);
	cscf_regevent_on_user_gone(fc.re, "waiting");
	fc_turn();
	assert_int_equal(HASH_COUNT(fc.re->by_call_id), 3);
	for (struct sub *s = fc.re->by_call_id, *next; s != NULL; s = next) {
		next = s->hh.next;
		assert_between(fc_timer_ms(s), 31000, 32000);
		fc_fire(s);
	}
	fc_turn();
	assert_null(fc.re->by_call_id);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fc_setup, fc_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_subscribe_octet_for_octet),
	    T(test_our_name_in_each_form),
	    T(test_once_per_impi_and_bounded),
	    T(test_switched_off),
	    T(test_expires_knob_never_below_the_registration),
	    T(test_refresh_times_are_early_enough_and_spread),
	    T(test_accepted_but_never_notified_is_no_subscription),
	    T(test_refresh_goes_along_the_dialog),
	    T(test_backoff_doubles_up_to_its_bound),
	    T(test_each_answer_to_a_refresh),
	    T(test_gave_up_until_the_user_comes_from_nothing),
	    T(test_min_expires_is_asked_for),
	    T(test_answers_that_make_no_dialog),
	    T(test_a_stack_that_is_full_is_a_failure_like_others),
	    T(test_user_gone_in_each_state_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
