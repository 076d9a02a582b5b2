/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFYs: whose they are, what they may look like, and what facts come of a document. */
#include "fake_core.h"
#include "tests/lib/req.h"

#define CONTACT(s, e) "<contact state='" s "' event='" e "'><uri>sip:c@x.invalid</uri></contact>"
#define OTHER(s, e)   "<contact state='" s "' event='" e "'><uri>sip:o@y.invalid</uri></contact>"
#define REG(s, in)    "<registration aor='" FC_ALICE "' state='" s "'>" in "</registration>"

static int subscribed(void **state)
{
	(void)fc_setup(state);
	fc_user("alice", FC_ALICE, 3600);
	fc_accept("4200");
	return 0;
}

static const char *state_of(const char *impi)
{
	return cscf_regevent_show(fc.re, impi).state;
}

static void test_whose_it_is(void **state)
{
	static const struct {
		struct fc_notify n;
		bool taken;
		int status;
	} rows[] = {
	    {{.call_id = "unknown"}, true, 481},
	    {{.to_tag = "other"}, true, 481},
	    {{.from_tag = "other"}, true, 481},
	    {{.call_id = "unknown", .uri = "sip:GW.ims.test;transport=tcp"}, true, 481},
	    /* for a WIC: the session layer's */
	    {{.call_id = "unknown", .uri = "sip:x1@df7jal23ls0d.invalid"}, false, 0},
	    {{.call_id = "unknown", .uri = "sip:alice@gw.ims.test"}, false, 0},
	    {{.call_id = "unknown", .uri = "sip:other.ims.test"}, false, 0},
	    {{.to_tag = "other", .uri = "sip:x1@df7jal23ls0d.invalid"}, false, 0},
	    /* from a WIC */
	    {{.from_wic = true}, true, 403},
	    {{.from_wic = true, .from_tag = "other"}, true, 403},
	    {{.from_wic = true, .call_id = "unknown"}, false, 0},
	    {{.from_wic = true, .to_tag = "other"}, false, 0},
	    /* ours, wherever it is addressed to */
	    {{.uri = "sip:elsewhere.test"}, true, 200},
	};

	REQ("REG-64", "REG-68");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fc_notify n = rows[i].n;

		n.body = NULL;
		assert_int_equal(fc_notify_as(n), rows[i].taken);
		assert_int_equal(fc.status, rows[i].status);
	}
	assert_int_equal(fc.n_applied, 0);
	assert_string_equal(state_of("alice"), "active");
}

static void test_what_it_must_be(void **state)
{
	static const struct {
		struct fc_notify n;
		int status;
		const char *header, *value;
	} rows[] = {
	    {{.event = "presence"}, 489, "Allow-Events", "reg"},
	    {{.event = "regx"}, 489, "Allow-Events", "reg"},
	    {{.event = "REG;id=7"}, 200, "", NULL},
	    {{.state = "perhaps"}, 400, "", NULL},
	    {{.state = ";expires=1"}, 400, "", NULL},
	    {{.state = "pending"}, 200, "", NULL},
	    {{.body = "x", .type = "text/plain"}, 415, "Accept", "application/reginfo+xml"},
	    {{.body = "x"}, 400, "", NULL},
	    {{.body = "<!DOCTYPE a><a/>"}, 400, "", NULL},
	    {{.cseq = 1}, 500, "", NULL},
	};

	REQ("REG-64", "REG-69");
	(void)state;
	fc.cseq = 10;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(fc_notify_as(rows[i].n));
		if (fc.status != rows[i].status)
			fail_msg("row %zu: %d", i, fc.status);
		assert_string_equal(fc.header, rows[i].header);
		if (rows[i].value != NULL)
			assert_string_equal(fc.value, rows[i].value);
	}
	assert_int_equal(fc.n_applied, 0);
}

static void test_too_big_is_413(void **state)
{
	char *body = malloc(CSCF_REGINFO_MAX_OCTETS + 2);

	REQ("REG-69");
	(void)state;
	assert_non_null(body);
	memset(body, ' ', CSCF_REGINFO_MAX_OCTETS + 1);
	body[CSCF_REGINFO_MAX_OCTETS + 1] = '\0';
	assert_true(fc_notify_as((struct fc_notify){.body = body}));
	assert_int_equal(fc.status, 413);
	free(body);
}

static void test_bad_documents_ask_again_but_not_without_end(void **state)
{
	REQ("REG-64");
	(void)state;
	assert_true(fc_notify_as((struct fc_notify){.body = "<x"}));
	assert_int_equal(fc.n_sent, 2);
	assert_non_null(strstr(fc.sent, "CSeq: 2 SUBSCRIBE")); /* in the dialog */
	for (unsigned i = 0; i < 50; i++) {
		if (strcmp(state_of("alice"), "refreshing") == 0)
			fc_accept("4200");
		assert_true(fc_notify_as((struct fc_notify){.body = "<x"}));
		assert_int_equal(fc.status, 400);
	}
	assert_int_equal(fc.n_sent, 2); /* the next waits for its back-off */
	assert_true(fc_timer_ms(fc_sub("alice")) > 10000);
	/* a good one, and the next hole is asked about at once */
	assert_int_equal(fc_document(1, "full", "", NULL), 200);
	assert_true(fc_notify_as((struct fc_notify){.body = "<x"}));
	assert_int_equal(fc.n_sent, 3);
}

static void test_versions(void **state)
{
	static const struct {
		unsigned version;
		const char *kind;
		bool applied, resync;
	} rows[] = {
	    {5, "full", true, false},           {3, "full", false, false},
	    {5, "full", false, false},          {6, "partial", true, false},
	    {9, "full", true, false},           {10, "partial", true, false},
	    {12, "partial", true, true},        {11, "full", false, false},
	    {13, "partial", true, false},       {0, "full", false, false},
	    {4294967295U, "full", true, false},
	};

	REQ("REG-65");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned applied = fc.n_applied, sent = fc.n_sent;

		assert_int_equal(fc_document(rows[i].version, rows[i].kind, "", NULL), 200);
		assert_int_equal(fc.n_applied - applied, rows[i].applied);
		if (rows[i].applied)
			assert_int_equal(fc.full, strcmp(rows[i].kind, "full") == 0);
		assert_int_equal(fc.n_sent - sent, rows[i].resync);
		if (rows[i].resync)
			fc_accept("4200");
	}
	assert_int_equal(cscf_regevent_show(fc.re, "alice").version, 4294967295);
	/* a new dialog counts from its own beginning */
	fc_fire(fc_sub("alice"));
	fc_answer(481, "", CSCF_SIP_CAUSE_NONE);
	fc_fire(fc_sub("alice"));
	fc_accept("4200");
	assert_int_equal(cscf_regevent_show(fc.re, "alice").version, -1);
	assert_int_equal(fc_document(0, "full", "", NULL), 200);
	assert_int_equal(cscf_regevent_show(fc.re, "alice").version, 0);
}

static void test_a_partial_first_document_asks_for_the_rest(void **state)
{
	REQ("REG-65");
	(void)state;
	assert_int_equal(fc_document(0, "partial", "", NULL), 200);
	assert_int_equal(fc.n_applied, 1);
	assert_int_equal(fc.n_sent, 2);
}

static void test_facts_of_a_document(void **state)
{
	static const struct {
		const char *in;
		enum cscf_registrar_fact_kind kind; /* of our contact */
		bool reopen;
	} rows[] = {
	    {REG("active", CONTACT("active", "registered")), CSCF_REGISTRAR_FACT_ACTIVE, false},
	    {REG("active", CONTACT("active", "refreshed")), CSCF_REGISTRAR_FACT_ACTIVE, false},
	    {REG("active", CONTACT("active", "created")), CSCF_REGISTRAR_FACT_CREATED, false},
	    {REG("active", CONTACT("active", "shortened' expires='60")),
	     CSCF_REGISTRAR_FACT_SHORTENED, false},
	    /* shortened to what? */
	    {REG("active", CONTACT("active", "shortened")), CSCF_REGISTRAR_FACT_ACTIVE, false},
	    {REG("active", CONTACT("terminated", "rejected")), CSCF_REGISTRAR_FACT_ENDED, false},
	    {REG("active", CONTACT("terminated", "expired")), CSCF_REGISTRAR_FACT_ENDED, false},
	    {REG("active", CONTACT("terminated", "unregistered")), CSCF_REGISTRAR_FACT_ENDED,
	     false},
	    {REG("active", CONTACT("terminated", "deactivated")), CSCF_REGISTRAR_FACT_ENDED, true},
	    {REG("active", CONTACT("terminated", "probation")), CSCF_REGISTRAR_FACT_ENDED, true},
	    {REG("active", CONTACT("terminated", "unheard-of")), CSCF_REGISTRAR_FACT_ENDED, false},
	    /* a registration that ended counts for its contacts, whatever they say */
	    {REG("terminated", CONTACT("active", "registered")), CSCF_REGISTRAR_FACT_ENDED, false},
	};

	REQ("REG-49", "REG-67", "DEREG-20", "DEREG-21");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fc_document((unsigned)i, "full", rows[i].in, NULL), 200);
		assert_string_equal(fc.impi, "alice");
		assert_string_equal(fc.facts[0].aor, FC_ALICE);
		assert_string_equal(fc.facts[0].contact, "sip:c@x.invalid");
		assert_int_equal(fc.facts[0].kind, rows[i].kind);
		assert_int_equal(fc.facts[0].reopen, rows[i].reopen);
		if (rows[i].kind == CSCF_REGISTRAR_FACT_SHORTENED)
			assert_int_equal(fc.facts[0].expires_s, 60);
	}
	/* the end of a registration is a fact of its own, without a contact */
	assert_int_equal(fc.n_facts, 2);
	assert_false(fc.facts[1].has_contact);
	assert_int_equal(fc.facts[1].kind, CSCF_REGISTRAR_FACT_ENDED);
	assert_int_equal(fc_document(50, "full", REG("terminated", ""), NULL), 200);
	assert_int_equal(fc.n_facts, 1);
	assert_int_equal(fc_document(51, "full", REG("init", ""), NULL), 200);
	assert_int_equal(fc.n_facts, 0);
}

static void test_a_contact_that_its_device_replaced_has_not_ended(void **state)
{
	static const char in[] =
	    REG("active",
		"<contact state='terminated' event='unregistered'><uri>sip:old@x.invalid</uri>"
		"<unknown-param name='+sip.instance'>\"&lt;urn:uuid:1&gt;\"</unknown-param>"
		"<unknown-param name='reg-id'>1</unknown-param></contact>"
		"<contact state='active' event='registered'><uri>sip:new@x.invalid</uri>"
		"<unknown-param name='+sip.instance'>\"&lt;urn:uuid:1&gt;\"</unknown-param>"
		"<unknown-param name='reg-id'>1</unknown-param></contact>" OTHER("terminated",
										 "expired"));

	REQ("DEREG-22");
	(void)state;
	assert_int_equal(fc_document(1, "full", in, NULL), 200);
	assert_int_equal(fc.facts[0].kind, CSCF_REGISTRAR_FACT_ACTIVE);
	assert_int_equal(fc.facts[1].kind, CSCF_REGISTRAR_FACT_ACTIVE);
	assert_int_equal(fc.facts[2].kind, CSCF_REGISTRAR_FACT_ENDED);
}

static void test_all_terminated_with_the_subscription_closes_the_user_down(void **state)
{
	static const char two[] = REG("terminated", CONTACT("terminated", "rejected"))
	    REG("terminated", OTHER("terminated", "deactivated"));

	REQ("DEREG-23");
	(void)state;
	/* one still active, or the subscription goes on: not all of it */
	assert_int_equal(fc_document(1, "full", two, NULL), 200);
	assert_int_equal(fc.n_ended, 0);
	assert_int_equal(fc_document(2, "full", two, "terminated;reason=noresource"), 200);
	assert_int_equal(fc.n_ended, 1);
	assert_true(fc.reopen);
	/* the end was heard: nothing lingers */
	fc_turn();
	assert_null(fc.re->by_call_id);
	/* the order: the answer first */
	assert_int_equal(fc.status, 200);
}

static void test_an_empty_document_closes_nobody_down(void **state)
{
	REQ("DEREG-23");
	(void)state;
	assert_int_equal(fc_document(1, "full", "", "terminated;reason=timeout"), 200);
	assert_int_equal(fc.n_ended, 0);
	assert_int_equal(fc_document(1, "full", "", NULL), 481); /* of a dialog that is over */
}

static void test_reasons_of_the_end(void **state)
{
	static const struct {
		const char *state;
		int64_t low, high; /* until the next attempt; -1 = none */
	} rows[] = {
	    {"terminated;reason=timeout", 0, 500},
	    {"terminated;reason=deactivated", 0, 500},
	    {"terminated;reason=DEACTIVATED", 0, 500},
	    {"terminated;reason=deactivated;retry-after=60", 59900, 63900},
	    {"terminated;reason=probation", 7400, 10000},
	    {"terminated;reason=probation;retry-after=300", 299900, 319300},
	    {"terminated;reason=giveup", 7400, 10000},
	    {"terminated;reason=noresource", 7400, 10000},
	    {"terminated;reason=invariant", 7400, 10000},
	    {"terminated", 7400, 10000},
	    {"terminated;reason=rejected", -1, -1},
	};

	REQ("DEREG-24");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char impi[16];

		snprintf(impi, sizeof(impi), "u%zu", i);
		fc_user(impi, FC_ALICE, 3600);
		fc_accept("4200");
		assert_true(fc_notify_as((struct fc_notify){.state = rows[i].state}));
		assert_int_equal(fc.status, 200);
		if (fc_timer_ms(fc_sub(impi)) < rows[i].low ||
		    fc_timer_ms(fc_sub(impi)) > rows[i].high)
			fail_msg("%s: %lld ms", rows[i].state,
				 (long long)fc_timer_ms(fc_sub(impi)));
		assert_string_equal(state_of(impi), rows[i].low < 0 ? "gave-up" : "waiting");
	}
	assert_int_equal(fc.n_ended, 0);
	assert_int_equal(fc.n_applied, 0);
}

static void test_a_core_that_ends_each_dialog_at_once_is_not_asked_in_a_loop(void **state)
{
	int64_t last = 0;

	REQ("DEREG-24");
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_true(fc_notify_as((struct fc_notify){.state = "terminated;reason=timeout"}));
		if (i > 1)
			assert_true(fc_timer_ms(fc_sub("alice")) > last);
		last = fc_timer_ms(fc_sub("alice"));
		fc_fire(fc_sub("alice"));
		fc_accept("4200");
	}
	assert_true(last > 100000);
}

static void test_the_notifier_says_how_long_it_lives(void **state)
{
	REQ("REG-62");
	(void)state;
	assert_true(fc_notify_as((struct fc_notify){.state = "active;expires=600"}));
	assert_true(fc_timer_ms(fc_sub("alice")) <= 300000);
	assert_true(fc_timer_ms(fc_sub("alice")) > 270000);
}

static void test_a_notifier_that_leaves_no_time_is_not_asked_in_a_loop(void **state)
{
	int64_t last = 0;

	REQ("REG-62", "DEREG-24");
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_true(fc_notify_as((struct fc_notify){.state = "active;expires=0"}));
		assert_int_equal(fc.status, 200);
		assert_string_equal(state_of("alice"), "waiting");
		assert_true(fc_timer_ms(fc_sub("alice")) > 7000);
		assert_true(fc_timer_ms(fc_sub("alice")) > last);
		last = fc_timer_ms(fc_sub("alice"));
		fc_fire(fc_sub("alice"));
		fc_accept("4200");
	}
	assert_true(last > 200000);
}

static void test_the_first_notify_makes_the_dialog(void **state)
{
	REQ("REG-64");
	(void)state;
	fc_user("bob", "sip:bob@ims.test", 3600);
	assert_int_equal(fc_document(7, "full", "", NULL), 200);
	assert_string_equal(fc.impi, "bob");
	assert_true(fc_notify_as((struct fc_notify){.from_tag = "fork"}));
	assert_int_equal(fc.status, 481);
	fc_accept("4200");
	assert_string_equal(state_of("bob"), "active");
	assert_int_equal(cscf_regevent_show(fc.re, "bob").version, 7);
}

static void test_after_the_last_notify_it_is_forgotten_at_once(void **state)
{
	REQ("DEREG-25");
	(void)state;
	cscf_regevent_on_user_gone(fc.re, "alice");
	assert_true(fc_notify_as((struct fc_notify){.state = "terminated;reason=noresource"}));
	assert_int_equal(fc.status, 200);
	assert_true(fc_notify_as((struct fc_notify){.state = "active"})); /* in the same turn */
	assert_int_equal(fc.status, 481);
}

static void test_the_last_notify_of_a_user_who_has_gone(void **state)
{
	REQ("DEREG-23", "DEREG-25");
	(void)state;
	cscf_regevent_on_user_gone(fc.re, "alice");
	assert_int_equal(fc_document(1, "full", REG("active", ""), NULL), 200);
	assert_int_equal(fc.n_applied, 0); /* it is about nobody here */
	fc_user("alice", FC_ALICE, 3600);  /* and he may come back meanwhile */
	assert_int_equal(fc.n_sent, 2);
	assert_int_equal(HASH_COUNT(fc.re->by_call_id), 2);
}

static void test_a_document_that_ends_its_own_user(void **state)
{
	REQ("DEREG-23");
	(void)state;
	fc.user_goes = true;
	assert_int_equal(fc_document(1, "full", REG("terminated", ""), NULL), 200);
	assert_string_equal(state_of("alice"), "none");
	assert_int_equal(
	    fc_document(2, "full", REG("terminated", ""), "terminated;reason=noresource"), 200);
	fc_turn();
	assert_null(fc.re->by_call_id);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, subscribed, fc_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_whose_it_is),
	    T(test_what_it_must_be),
	    T(test_too_big_is_413),
	    T(test_bad_documents_ask_again_but_not_without_end),
	    T(test_versions),
	    T(test_a_partial_first_document_asks_for_the_rest),
	    T(test_facts_of_a_document),
	    T(test_a_contact_that_its_device_replaced_has_not_ended),
	    T(test_all_terminated_with_the_subscription_closes_the_user_down),
	    T(test_an_empty_document_closes_nobody_down),
	    T(test_reasons_of_the_end),
	    T(test_a_core_that_ends_each_dialog_at_once_is_not_asked_in_a_loop),
	    T(test_the_notifier_says_how_long_it_lives),
	    T(test_a_notifier_that_leaves_no_time_is_not_asked_in_a_loop),
	    T(test_the_first_notify_makes_the_dialog),
	    T(test_the_last_notify_of_a_user_who_has_gone),
	    T(test_after_the_last_notify_it_is_forgotten_at_once),
	    T(test_a_document_that_ends_its_own_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
