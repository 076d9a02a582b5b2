/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registration is after the core's 200, who it makes the WIC, and every way it
 * ends: deregistration, expiry, failure. After each
 * end nothing may be left.
 */
#include "reg_fixture.h"

#include "tests/lib/req.h"

#include <time.h>

#define HOME  "sip:ims.example.net"
#define ALICE "sip:alice@ims.example.net"

static void deregister(uint64_t conn, const char *contact, const char *more)
{
	fx_send(conn, HOME, ALICE, ALICE, contact, ANSWERED, more);
}

static void test_200_makes_an_association(void **state)
{
	REQ("REG-21", "REG-24", "REG-25", "REG-27", "REG-29");
	struct cscf_registrar_identity id;
	struct cscf_registrar_row row;
	uint64_t cursor = 0;

	(void)state;
	assert_false(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	fx_registered(1);
	assert_non_null(strstr(fk.w2, GRANTED));
	assert_non_null(strstr(fk.w2, "Service-Route: <sip:orig@scscf1.ims.example.net;lr>"));
	assert_non_null(strstr(fk.w2, "Flow-Timer: 120\r\n"));
	assert_null(strstr(fk.w2, "P-Charging"));
	assert_true(fk.authenticated[1]);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_int_equal(id.conn, 1);
	assert_string_equal(id.impi, "alice.wic@ims.example.net");
	assert_int_equal(id.n_impus, 2);
	assert_string_equal(id.impus[0].uri, ALICE);
	assert_string_equal(id.impus[0].display, "\"Alice A.\"");
	assert_string_equal(id.impus[1].uri, "tel:+15550100");
	assert_int_equal(id.n_service_route, 2);
	assert_string_equal(id.service_route[0], "<sip:orig@scscf1.ims.example.net;lr>");
	assert_string_equal(id.term_ioi, "Type 1ims.example.net");
	assert_string_equal(id.path_uri, "sip:epcscf1.ims.example.net;lr");
	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	assert_string_equal(row.contact, CONTACT_URI);
	assert_string_equal(row.state, "registered");
	assert_string_equal(row.peer, "203.0.113.7:50123");
	assert_true(row.outbound && row.reg_id == 1);
	assert_true(row.expires_in_s > 3590 && row.expires_in_s <= 3600);
	assert_false(cscf_registrar_next(fx.r, &cursor, &row));
	assert_int_equal(fx.n_events, 0);
}

static void test_each_200_says_anew_where_the_user_is_charged(void **state)
{
	REQ("REG-27", "REG-21");
	static const char *const places[] = {"ccf=192.0.2.60", "ccf=192.0.2.60;ecf=192.0.2.61",
					     "ccf=192.0.2.70", ""};
	struct cscf_registrar_identity id;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char answer[1024];

		fx_register(1, ANSWERED);
		snprintf(answer, sizeof(answer), OK_200 "%s%s%s",
			 places[i][0] != '\0' ? "P-Charging-Function-Addresses: " : "", places[i],
			 places[i][0] != '\0' ? "\r\n" : "");
		fk_answer("200 OK", answer); /* the same but for this */
		assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
		assert_string_equal(id.cfa, places[i]);
	}
}

static void test_identity_is_chosen_from_the_association(void **state)
{
	REQ("ID-02", "ID-03", "ID-04", "ID-05");
	static const struct {
		const char *preferred[3];
		size_t n;
		const char *first, *second;
	} cases[] = {
	    {{NULL}, 0, "\"Alice A.\" <" ALICE ">", "<tel:+15550100>"},
	    {{"<tel:+15550100>"}, 1, "<tel:+15550100>", "\"Alice A.\" <" ALICE ">"},
	    {{"<tel:+1-555-0100>"}, 1, "<tel:+15550100>", "\"Alice A.\" <" ALICE ">"},
	    {{"<sip:alice@IMS.example.net>"}, 1, "\"Alice A.\" <" ALICE ">", "<tel:+15550100>"},
	    {{"<sip:mallory@ims.example.net>"}, 1, "\"Alice A.\" <" ALICE ">", "<tel:+15550100>"},
	    {{"garbage <"}, 1, "\"Alice A.\" <" ALICE ">", "<tel:+15550100>"},
	    {{"<tel:+15550100>", "<" ALICE ">"}, 2, "<tel:+15550100>", "\"Alice A.\" <" ALICE ">"},
	    {{"<tel:+15550100>", "<tel:+15550100>"},
	     2,
	     "\"Alice A.\" <" ALICE ">",
	     "<tel:+15550100>"},
	    {{"<tel:+15550100>", "<" ALICE ">", "<" ALICE ">"},
	     3,
	     "\"Alice A.\" <" ALICE ">",
	     "<tel:+15550100>"},
	};

	(void)state;
	fx_registered(1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_registrar_identity id;
		struct gw_slice preferred[3];

		for (size_t k = 0; k < cases[i].n; k++)
			preferred[k] = gw_slice_str(cases[i].preferred[k]);
		assert_true(cscf_registrar_identify(fx.r, 1, preferred, cases[i].n, &id));
		assert_int_equal(id.n_pai, 2);
		assert_string_equal(id.pai[0], cases[i].first);
		assert_string_equal(id.pai[1], cases[i].second);
	}
}

static void test_barred_identity_is_never_asserted(void **state)
{
	REQ("REG-25", "REG-26");
	struct cscf_registrar_identity id;
	struct gw_slice to = GW_SLICE_LIT("<" ALICE ">");

	(void)state;
	fx_register(1, ANSWERED);
	fk_answer("200 OK", GRANTED "P-Associated-URI: <sip:a2@ims.example.net>\r\n");
	assert_true(cscf_registrar_identify(fx.r, 1, &to, 1, &id));
	assert_int_equal(id.n_pai, 1);
	assert_string_equal(id.pai[0], "<sip:a2@ims.example.net>");
	assert_false(cscf_registrar_has_impu(fx.r, id.assoc, gw_slice_str(ALICE)));
	/* without the header the registered IMPU is the one */
	fx_register(1, ANSWERED);
	fk_answer("200 OK", GRANTED);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_string_equal(id.pai[0], "<" ALICE ">");
	assert_true(cscf_registrar_has_impu(fx.r, id.assoc, gw_slice_str(ALICE)));
	assert_int_equal(id.n_service_route, 0); /* the old list is gone (REG-24) */
}

static void test_only_our_contact_counts_in_the_200(void **state)
{
	REQ("REG-23");
	struct cscf_registrar_row row;
	uint64_t cursor = 0;

	(void)state;
	fx_register(1, ANSWERED);
	fk_answer("200 OK", "Contact: <sip:other@a.invalid;transport=ws>;expires=7\r\n"
			    "Contact: <" CONTACT_URI ">;expires=100, <sip:z@z>;expires=9\r\n");
	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	assert_true(row.expires_in_s > 90 && row.expires_in_s <= 100);
	/* gone from the core's list: deregistered */
	fx_register(1, ANSWERED);
	fk_answer("200 OK", "Contact: <sip:other@a.invalid;transport=ws>;expires=7\r\n");
	assert_int_equal(fk.status, 200);
	fx_assert_nothing_left();
}

static void test_wrong_password_leaves_nothing_and_closes(void **state)
{
	REQ("SEC-12", "REG-30");

	(void)state;
	fx_register(1, INITIAL);
	fk_answer("401 Unauthorized", CHALLENGE);
	fx_register(1, ANSWERED);
	fk_answer("403 Forbidden", "");
	assert_int_equal(fk.status, 403);
	fx_assert_nothing_left();
	assert_false(fk.authenticated[1] || fk.closed[1]);
	FX_WAIT(fk.closed[1]);
	fx_close(1);
	fx_assert_nothing_left();
}

static void test_403_without_challenge_response_closes_nothing(void **state)
{
	REQ("SEC-12");

	(void)state;
	fx_register(1, INITIAL);
	fk_answer("403 Forbidden", "");
	assert_int_equal(event_base_loop(fx.base, EVLOOP_NONBLOCK), 1); /* nothing is pending */
	assert_false(fk.closed[1]);
}

static void test_failed_refresh_keeps_a_valid_association(void **state)
{
	REQ("SEC-12", "REG-31");
	struct cscf_registrar_identity id;

	(void)state;
	fx_registered(1);
	fx_register(1, ANSWERED);
	fk_answer("403 Maximum Flows", "");
	assert_int_equal(fk.status, 403);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_true(fk.authenticated[1]);
}

static void test_deregistration_removes_everything_and_closes(void **state)
{
	REQ("DEREG-01", "DEREG-02", "DEREG-03", "DEREG-05", "DEREG-06");
	static const struct {
		const char *contact, *more;
	} cases[] = {
	    {"<" CONTACT_URI ">;reg-id=1;" INSTANCE ";expires=0", ""},
	    {"<" CONTACT_URI ">;reg-id=1;" INSTANCE, "Expires: 0\r\n"},
	    {"*", "Expires: 0\r\n"},
	};

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		struct cscf_registrar_identity id;
		struct cscf_registrar_target t;

		fx_registered(i + 1);
		fx.n_events = 0;
		deregister(i + 1, cases[i].contact, cases[i].more);
		assert_non_null(strstr(fk.mw, "integrity-protected=\"tls-yes\""));
		fk_answer("200 OK", "");
		assert_int_equal(fk.status, 200);
		assert_false(cscf_registrar_identify(fx.r, i + 1, NULL, 0, &id));
		assert_int_equal(fx_reach(i + 1, &t), CSCF_REGISTRAR_UNKNOWN);
		assert_int_equal(fx.n_events, 1);
		assert_int_equal(fx.events[0].event, CSCF_REGISTRAR_EV_ENDED);
		fx_assert_nothing_left();
		assert_false(fk.authenticated[i + 1]);
		FX_WAIT(fk.closed[i + 1]);
	}
}

static void test_deregistering_a_stale_contact_leaves_the_live_one(void **state)
{
	REQ("DEREG-02", "DEREG-08");
	struct cscf_registrar_identity id;

	(void)state;
	fx_registered(1);
	deregister(1, "<sip:old@gone.invalid;transport=ws>;expires=0", "");
	fk_answer("200 OK", "");
	assert_int_equal(fk.status, 200);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_false(fk.closed[1]);
	deregister(1, "*", "Expires: 0\r\n");
	fk_answer("200 OK", "");
	assert_false(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
}

static void test_register_before_the_close_is_served(void **state)
{
	REQ("DEREG-06");

	(void)state;
	fx_registered(1);
	deregister(1, "*", "Expires: 0\r\n");
	fk_answer("200 OK", "");
	fx_registered(1);
	assert_int_equal(event_base_loop(fx.base, EVLOOP_NONBLOCK), 0);
	assert_false(fk.closed[1]);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
}

static void test_refused_deregistration(void **state)
{
	REQ("DEREG-07");

	(void)state;
	fx_registered(1);
	deregister(1, "*", "Expires: 0\r\n");
	fk_answer("500 Oops", "");
	assert_int_equal(fk.status, 500);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
	deregister(1, "*", "Expires: 0\r\n");
	fk_answer("481 No Such Binding", "");
	assert_int_equal(fk.status, 481);
	fx_assert_nothing_left();
}

static void test_one_of_two_identities_deregistered(void **state)
{
	REQ("DEREG-04", "REG-44");
	struct cscf_registrar_identity id;

	(void)state;
	fx_registered(1);
	fx_send(1, HOME, "sip:a2@ims.example.net", "sip:a2@ims.example.net", CONTACT, ANSWERED, "");
	fk_answer("200 OK", GRANTED "P-Associated-URI: <sip:a2@ims.example.net>\r\n");
	deregister(1, "*", "Expires: 0\r\n");
	fk_answer("200 OK", "");
	assert_int_equal(fx.n_events, 0);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_int_equal(id.n_impus, 1);
	assert_string_equal(id.impus[0].uri, "sip:a2@ims.example.net");
	assert_true(fk.authenticated[1]);
}

static void test_registration_lapses_and_the_connection_stays(void **state)
{
	REQ("REG-47", "REG-48");
	struct cscf_registrar_identity id;
	struct timespec before, after;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	fx_register(1, ANSWERED);
	fk_answer("200 OK", "Contact: <" CONTACT_URI ">;expires=1\r\n");
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	FX_WAIT(fx.n_events > 0);
	assert_int_equal(fx.events[0].event, CSCF_REGISTRAR_EV_ENDED);
	clock_gettime(CLOCK_MONOTONIC, &after); /* never before the granted expiry */
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
			(after.tv_nsec - before.tv_nsec) / 1000000 >=
		    999);
	assert_false(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	fx_assert_nothing_left();
	assert_false(fk.authenticated[1] || fk.closed[1]);
}

static void test_wildcarded_identity_allows_what_it_matches(void **state)
{
	REQ("ID-03", "REG-25");
	static const struct {
		const char *preferred, *want;
	} cases[] = {
	    {"<sip:team-red@ims.example.net;cpc=operator>", "<sip:team-red@ims.example.net>"},
	    {"<sip:team-red@imsXexample.net>", "<" ALICE ">"},
	    {"<sip:team-red@ims.example.net.evil.tld>", "<" ALICE ">"},
	    {"<sip:steam-red@ims.example.net>", "<" ALICE ">"},
	    {"<" ALICE ">", "<" ALICE ">"},
	};

	(void)state;
	fx_register(1, ANSWERED);
	fk_answer("200 OK", GRANTED "P-Associated-URI: <sip:team-!(red|blue)!@ims.example.net>, "
				    "<" ALICE ">, <sip:a!b@ims.example.net>\r\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_slice preferred = gw_slice_str(cases[i].preferred);
		struct cscf_registrar_identity id;

		assert_true(cscf_registrar_identify(fx.r, 1, &preferred, 1, &id));
		assert_int_equal(id.n_pai, 1);
		assert_string_equal(id.pai[0], cases[i].want);
	}
}

/* Browser stacks send each REGISTER without credentials and wait for the challenge. */
static void test_bare_register_belongs_to_the_connection(void **state)
{
	REQ("REG-40", "REG-44");

	(void)state;
	fx_registered(1);
	fx_register(1, NULL);
	assert_null(strstr(fk.mw, "uthorization"));
	fk_answer("401 Unauthorized", CHALLENGE);
	assert_int_equal(fk.status, 401);
	fx_send(1, HOME, "sip:a2@ims.example.net", "sip:a2@ims.example.net", CONTACT, NULL, "");
	fk_answer("401 Unauthorized", CHALLENGE);
	assert_int_equal(fk.status, 401);
	fx_send(1, HOME, ALICE, ALICE, "*", NULL, "Expires: 0\r\n");
	fk_answer("200 OK", "");
	fx_assert_nothing_left();
}

static void test_contact_change_on_the_connection(void **state)
{
	REQ("REG-43");
	struct cscf_registrar_target t;
	const char *other = "sip:new@df7jal23ls0d.invalid;transport=ws";
	const char *field = "<sip:new@df7jal23ls0d.invalid;transport=ws>;reg-id=1;" INSTANCE;
	char answer[512];

	(void)state;
	fx_registered(1);
	fx_send(1, HOME, ALICE, ALICE, field, ANSWERED, "");
	fk_answer("403 No", "");
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_LIVE);
	fx_send(1, HOME, ALICE, ALICE, field, ANSWERED, "");
	snprintf(answer, sizeof(answer), "Contact: %s;expires=60\r\n", field);
	fk_answer("200 OK", answer);
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(cscf_registrar_reach(fx.r, fx_token(1), gw_slice_str(other), &t),
			 CSCF_REGISTRAR_LIVE);
	assert_int_equal(cscf_registrar_counts(fx.r).bindings, 1);
}

static void test_restoration_forgets_the_route(void **state)
{
	REQ("REG-24", "REG-83");
	struct cscf_registrar_identity id;

	(void)state;
	fx_registered(1);
	fx_register(1, ANSWERED);
	/* another body of that type, and one that is none, change nothing */
	fk.body = "<ims-3gpp version='1'><alternative-service><type>emergency</type><reason/>"
		  "</alternative-service></ims-3gpp>";
	fk_answer("504 Other", "Content-Type: application/3gpp-ims+xml\r\n");
	fx_register(1, ANSWERED);
	fk_answer("504 None", "Content-Type: application/3gpp-ims+xml\r\n");
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_int_equal(id.n_service_route, 2);
	fx_register(1, ANSWERED);
	fk.body = "<ims-3gpp version='1'><alternative-service><type>restoration</type><reason/>"
		  "<action>initial-registration</action></alternative-service></ims-3gpp>";
	fk_answer("504 Restore", "Content-Type: application/3gpp-ims+xml\r\n");
	assert_int_equal(fk.status, 504);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_int_equal(id.n_service_route, 0);
	assert_int_equal(id.n_impus, 2);
	fx_register(1, ANSWERED);
	fk_answer("200 OK", OK_200);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_int_equal(id.n_service_route, 2);
	cscf_registrar_clear_route(fx.r, id.assoc);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_int_equal(id.n_service_route, 0);
	cscf_registrar_clear_route(fx.r, id.assoc + 1); /* gone: no effect */
}

static void test_table_full_is_503(void **state)
{
	char user[64], answer[600], contact[128], credentials[160];

	(void)state;
	for (unsigned i = 1; i <= 9; i++) {
		snprintf(user, sizeof(user), "sip:u%u@ims.example.net", i);
		snprintf(contact, sizeof(contact), "<sip:u%u@x.invalid;transport=ws>", i);
		snprintf(credentials, sizeof(credentials),
			 "Digest username=\"u%u@ims.example.net\",response=\"1\"", i);
		snprintf(answer, sizeof(answer), "Contact: %s;expires=60\r\n", contact);
		fx_send(i, HOME, user, user, contact, credentials, "");
		fk_answer("200 OK", answer);
		assert_int_equal(fk.status, i <= 8 ? 200 : 503);
	}
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 8);
}

static void test_shutdown_with_everything_under_way(void **state)
{

	(void)state;
	fx_registered(1);
	fx_close(1);
	fx_registered(2);
	fx_register(3, INITIAL);
	assert_int_equal(cscf_registrar_counts(fx.r).pending, 1);
	/* the teardown frees the registrar; LeakSanitizer is the assertion */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_200_makes_an_association),
	    T(test_each_200_says_anew_where_the_user_is_charged),
	    T(test_identity_is_chosen_from_the_association),
	    T(test_barred_identity_is_never_asserted),
	    T(test_only_our_contact_counts_in_the_200),
	    T(test_wrong_password_leaves_nothing_and_closes),
	    T(test_403_without_challenge_response_closes_nothing),
	    T(test_failed_refresh_keeps_a_valid_association),
	    T(test_deregistration_removes_everything_and_closes),
	    T(test_deregistering_a_stale_contact_leaves_the_live_one),
	    T(test_register_before_the_close_is_served),
	    T(test_refused_deregistration),
	    T(test_one_of_two_identities_deregistered),
	    T(test_registration_lapses_and_the_connection_stays),
	    T(test_wildcarded_identity_allows_what_it_matches),
	    T(test_bare_register_belongs_to_the_connection),
	    T(test_contact_change_on_the_connection),
	    T(test_restoration_forgets_the_route),
	    T(test_table_full_is_503),
	    T(test_shutdown_with_everything_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
