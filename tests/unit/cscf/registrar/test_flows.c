/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections and associations: which connection a terminating request reaches, what a lost one
 * means, how an association moves to another, and that devices and users stay apart.
 */
#include "reg_fixture.h"

#include "tests/lib/req.h"

#define HOME  "sip:ims.example.net"
#define ALICE "sip:alice@ims.example.net"

static void test_lost_flow_answers_430_or_480_until_expiry(void **state)
{
	REQ("DEREG-40", "DEREG-42", "REG-28");
	struct cscf_registrar_identity id;
	struct cscf_registrar_target t;

	(void)state;
	fx_registered(1);
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_LIVE);
	assert_int_equal(t.conn, 1);
	fx_close(1);
	assert_int_equal(fx.events[0].event, CSCF_REGISTRAR_EV_FLOW_LOST);
	assert_int_equal(fx.events[0].assoc, t.assoc);
	assert_int_equal(fx.events[0].old_conn, 1);
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_LOST_OUTBOUND);
	assert_int_equal(cscf_registrar_reach_status(CSCF_REGISTRAR_LOST_OUTBOUND), 430);
	assert_int_equal(t.conn, 0);
	assert_false(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_true(cscf_registrar_identify_assoc(fx.r, t.assoc, &id));
	assert_int_equal(id.conn, 0);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 1);
	FX_WAIT(fx.n_events > 1);
	assert_int_equal(fx.events[1].event, CSCF_REGISTRAR_EV_GRACE_OVER);
	assert_int_equal(fk.n_requests, 2); /* no deregistration in the user's name */
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_LOST_OUTBOUND);
	/* without outbound */
	fx_register(2, ANSWERED);
	fk_answer("200 OK", GRANTED);
	fx_close(2);
	assert_int_equal(fx_reach(2, &t), CSCF_REGISTRAR_LOST);
	assert_int_equal(cscf_registrar_reach_status(CSCF_REGISTRAR_LOST), 480);
}

static void test_tokens_and_contacts_are_checked(void **state)
{
	REQ("ID-13", "REG-81");
	struct cscf_sip_flow_token_ctx other;
	char text[CSCF_SIP_FLOW_TOKEN_LEN + 1];
	struct cscf_registrar_target t;
	struct gw_slice contact = GW_SLICE_LIT(CONTACT_URI);

	(void)state;
	fx_registered(1);
	assert_int_equal(cscf_registrar_reach_status(CSCF_REGISTRAR_UNKNOWN), 404);
	assert_int_equal(cscf_registrar_reach_status(CSCF_REGISTRAR_FORGED), 403);
	assert_int_equal(cscf_registrar_reach(fx.r, fx_token(1), GW_SLICE_NONE, &t),
			 CSCF_REGISTRAR_LIVE);
	assert_int_equal(
	    cscf_registrar_reach(fx.r, fx_token(1), gw_slice_str("sip:victim@198.51.100.1"), &t),
	    CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(cscf_registrar_reach(fx.r, fx_token(7), contact, &t),
			 CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(cscf_registrar_reach(fx.r, gw_slice_str("nonsense"), contact, &t),
			 CSCF_REGISTRAR_UNKNOWN);
	cscf_sip_flow_token_make(&fx.tokens, 1, CSCF_SIP_DIR_TO_CORE, text);
	assert_int_equal(cscf_registrar_reach(fx.r, gw_slice_str(text), contact, &t),
			 CSCF_REGISTRAR_FORGED);
	cscf_sip_flow_token_make(&fx.tokens, 1, CSCF_SIP_DIR_TO_WIC, text);
	text[30] = text[30] == 'A' ? 'B' : 'A';
	assert_int_equal(cscf_registrar_reach(fx.r, gw_slice_str(text), contact, &t),
			 CSCF_REGISTRAR_FORGED);
	assert_int_equal(cscf_sip_flow_token_init(&other, "k"), GW_OK);
	cscf_sip_flow_token_make(&other, 1, CSCF_SIP_DIR_TO_WIC, text);
	assert_int_equal(cscf_registrar_reach(fx.r, gw_slice_str(text), contact, &t),
			 CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(cscf_registrar_reach(fx.r, GW_SLICE_NONE, contact, &t),
			 CSCF_REGISTRAR_LIVE);
	assert_int_equal(t.conn, 1);
}

static enum cscf_registrar_reach by_contact(const char *uri, struct cscf_registrar_target *t)
{
	return cscf_registrar_reach(fx.r, GW_SLICE_NONE, gw_slice_str(uri), t);
}

/* Three users with one contact, and what becomes of it when they leave in any order. */
static void test_a_contact_leads_to_who_is_still_there(void **state)
{
	REQ("REG-28");
	static const unsigned orders[][3] = {{1, 2, 3}, {3, 2, 1}, {2, 1, 3}, {2, 3, 1}};
	static const char *const same = "<sip:s@S.invalid;transport=ws>";
	struct cscf_registrar_target t;

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		char user[64], digest[128];

		for (unsigned k = 1; k <= 6; k++) { /* the second three deregister */
			unsigned n = k <= 3 ? k : orders[i][k - 4];

			snprintf(user, sizeof(user), "sip:u%u@ims.example.net", n);
			snprintf(digest, sizeof(digest),
				 "Digest username=\"u%u@ims.example.net\",response=\"1\"", n);
			fx_send(n, HOME, user, user, k <= 3 ? same : "*", digest,
				k <= 3 ? "" : "Expires: 0\r\n");
			fk_answer("200 OK", k <= 3 ? "Contact: <sip:s@S.invalid;transport=ws>;"
						     "expires=60\r\n"
						   : "");
			assert_int_equal(fk.status, 200);
			assert_int_equal(by_contact("sip:s@s.invalid;transport=ws", &t),
					 k < 6 ? CSCF_REGISTRAR_LIVE : CSCF_REGISTRAR_UNKNOWN);
			if (k == 5)
				assert_int_equal(t.conn, orders[i][2]);
		}
	}
	fx_assert_nothing_left();
}

static void test_a_contact_is_known_by_its_newest_uri(void **state)
{
	REQ("REG-28", "DEREG-40");
	struct cscf_registrar_target t;

	(void)state;
	fx_send(1, HOME, ALICE, ALICE, "<sip:one@a.invalid;transport=ws>", ANSWERED, "");
	fk_answer("200 OK", "Contact: <sip:one@a.invalid;transport=ws>;expires=60\r\n");
	assert_int_equal(by_contact("sip:one@A.invalid;transport=ws", &t), CSCF_REGISTRAR_LIVE);
	assert_int_equal(by_contact("sip:one@a.invalid;transport=tcp", &t), CSCF_REGISTRAR_UNKNOWN);
	fx_send(1, HOME, ALICE, ALICE, "<sip:two@a.invalid;transport=ws>", ANSWERED, "");
	fk_answer("200 OK", "Contact: <sip:two@a.invalid;transport=ws>;expires=60\r\n");
	assert_int_equal(by_contact("sip:one@a.invalid;transport=ws", &t), CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(by_contact("sip:two@a.invalid;transport=ws", &t), CSCF_REGISTRAR_LIVE);
	fx_close(1);
	assert_int_equal(by_contact("sip:two@a.invalid;transport=ws", &t), CSCF_REGISTRAR_LOST);
}

static void test_reconnect_takes_the_association_over(void **state)
{
	REQ("REG-42", "REG-41");
	struct cscf_registrar_identity id;
	struct cscf_registrar_target t;
	gw_handle assoc;

	(void)state;
	fx_registered(1);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assoc = id.assoc;
	fx_close(1);
	fx_register(2, ANSWERED);
	assert_non_null(strstr(fk.mw, "integrity-protected=\"tls-pending\"")); /* not tls-yes */
	assert_int_equal(fx.n_events, 1);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fx.n_events, 2);
	assert_int_equal(fx.events[1].event, CSCF_REGISTRAR_EV_REATTACHED);
	assert_int_equal(fx.events[1].assoc, assoc);
	assert_int_equal(fx.events[1].old_conn, 1);
	assert_int_equal(fx.events[1].conn, 2);
	assert_true(cscf_registrar_identify(fx.r, 2, NULL, 0, &id));
	assert_int_equal(id.assoc, assoc);
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(fx_reach(2, &t), CSCF_REGISTRAR_LIVE);
	assert_int_equal(cscf_registrar_counts(fx.r).bindings, 1);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 0);
}

static void test_replaced_connection_is_closed(void **state)
{
	REQ("REG-42");

	(void)state;
	fx_registered(1);
	fx_registered(2); /* same instance and reg-id, the old socket still open */
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
	assert_false(fk.authenticated[1]);
	assert_true(fk.authenticated[2]);
	FX_WAIT(fk.closed[1]);
	assert_false(fk.closed[2]);
	fx_close(1);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
}

static void test_a_connection_that_was_left_is_nobody_elses(void **state)
{
	REQ("DEREG-43", "REG-18");
	static const char *const bob = "Digest username=\"bob.wic@ims.example.net\",response=\"1\"";
	struct cscf_registrar_identity id;
	struct cscf_registrar_target t;
	unsigned requests;

	(void)state;
	for (int multi = 0; multi < 2; multi++) {
		uint64_t old = multi == 0 ? 1 : 3;

		fx.cfg.multi_impi = multi == 1;
		fx_registered(old);
		fx_registered(old + 1); /* the old socket is still open */
		requests = fk.n_requests;
		fx_send(old, HOME, "sip:bob@ims.example.net", "sip:bob@ims.example.net",
			"<sip:b@b.invalid;transport=ws>", bob, "");
		assert_int_equal(fk.status, 403);
		assert_int_equal(fk.n_requests, requests);
		assert_false(cscf_registrar_identify(fx.r, old, NULL, 0, &id));
		/* alice's dialogs of that time go where she is now */
		assert_int_equal(cscf_registrar_reach(fx.r, fx_token(old), GW_SLICE_NONE, &t),
				 CSCF_REGISTRAR_LIVE);
		assert_int_equal(t.conn, old + 1);
		/* and she may come back herself, without a name in her first request */
		fx_register(old, NULL);
		fk_answer("401 Unauthorized", CHALLENGE);
		assert_int_equal(fk.status, 401);
		fx_registered(old);
		assert_true(cscf_registrar_identify(fx.r, old, NULL, 0, &id));
	}
}

static void test_devices_of_one_user_live_side_by_side_up_to_the_limit(void **state)
{
	REQ("REG-42", "REG-45");
	static const char *const contacts[] = {
	    "<sip:a@a.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"",
	    "<sip:b@b.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:2>\"",
	    "<sip:c@c.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:3>\"",
	};
	unsigned requests;

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		char answer[512];

		fx_send(i + 1, HOME, ALICE, ALICE, contacts[i], ANSWERED, "");
		snprintf(answer, sizeof(answer), "Contact: %s;expires=60\r\n" IDENTITIES,
			 contacts[i]);
		fk_answer("200 OK", answer);
		assert_int_equal(fk.status, 200);
	}
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 2);
	requests = fk.n_requests;
	fx_send(3, HOME, ALICE, ALICE, contacts[2], ANSWERED, "");
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, requests);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 2);
	/* one of them may always come back on a new socket */
	fx_send(4, HOME, ALICE, ALICE, contacts[1], ANSWERED, "");
	assert_int_equal(fk.n_requests, requests + 1);
	fk_answer("401 Unauthorized", CHALLENGE);
}

static void test_coming_and_going_does_not_fill_the_table(void **state)
{
	REQ("REG-45");
	struct cscf_registrar_target t;

	(void)state;
	for (unsigned i = 1; i <= 6; i++) {
		char contact[160], answer[512];

		snprintf(contact, sizeof(contact),
			 "<sip:a@a.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:%u>\"",
			 i);
		/* the very same contact would be replaced: let it differ */
		contact[5] = (char)('a' + (char)i);
		fx_send(i + 6, HOME, ALICE, ALICE, contact, ANSWERED, "");
		snprintf(answer, sizeof(answer), "Contact: %s;expires=60\r\nRequire: outbound\r\n",
			 contact);
		fk_answer("200 OK", answer);
		fx_close(i + 6);
	}
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, fx.cfg.max_per_impi);
	assert_int_equal(cscf_registrar_reach(fx.r, fx_token(7), GW_SLICE_NONE, &t),
			 CSCF_REGISTRAR_UNKNOWN);
	assert_int_equal(cscf_registrar_reach(fx.r, fx_token(12), GW_SLICE_NONE, &t),
			 CSCF_REGISTRAR_LOST_OUTBOUND);
}

static void test_200_for_a_connection_that_has_gone(void **state)
{
	REQ("REG-32");
	struct cscf_registrar_target t;

	(void)state;
	fx_register(1, ANSWERED);
	fx_close(1);
	fk_answer("200 OK", OK_200);
	assert_int_equal(cscf_registrar_counts(fx.r).flows_lost, 1);
	assert_int_equal(fx_reach(1, &t), CSCF_REGISTRAR_LOST_OUTBOUND);
	assert_int_equal(fx.events[0].event, CSCF_REGISTRAR_EV_FLOW_LOST);
}

static void test_without_outbound_only_the_same_contact_is_replaced(void **state)
{
	REQ("REG-42");
	static const struct {
		const char *contact;
		size_t associations;
	} cases[] = {
	    {"<sip:y@y.invalid;transport=ws>", 2},
	    {"<" CONTACT_URI ">", 1},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char answer[256];

		fx_send(1, HOME, ALICE, ALICE, "<" CONTACT_URI ">", ANSWERED, "");
		fk_answer("200 OK", "Contact: <" CONTACT_URI ">;expires=60\r\n");
		fx_send(2, HOME, ALICE, ALICE, cases[i].contact, ANSWERED, "");
		snprintf(answer, sizeof(answer), "Contact: %s;expires=60\r\n", cases[i].contact);
		fk_answer("200 OK", answer);
		assert_int_equal(cscf_registrar_counts(fx.r).associations, cases[i].associations);
		fx_send(2, HOME, ALICE, ALICE, "*", ANSWERED, "Expires: 0\r\n");
		fk_answer("200 OK", "");
	}
}

static void test_devices_and_users_do_not_mix(void **state)
{
	REQ("DEREG-08", "REG-46");
	struct cscf_registrar_identity id;

	(void)state;
	fx_registered(1);
	/* another IMPI registers the same IMPU: its own record, its own route */
	fx_send(2, HOME, ALICE, ALICE, "<sip:z@z.invalid;transport=ws>",
		"Digest username=\"other@ims.example.net\",response=\"1\"", "");
	fk_answer("200 OK", "Contact: <sip:z@z.invalid;transport=ws>;expires=60\r\n"
			    "Service-Route: <sip:other.example;lr>\r\n");
	assert_true(cscf_registrar_identify(fx.r, 2, NULL, 0, &id));
	assert_string_equal(id.service_route[0], "<sip:other.example;lr>");
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_string_equal(id.service_route[0], "<sip:orig@scscf1.ims.example.net;lr>");
	fx_send(2, HOME, ALICE, ALICE, "*",
		"Digest username=\"other@ims.example.net\",response=\"1\"", "Expires: 0\r\n");
	fk_answer("200 OK", "");
	assert_false(cscf_registrar_identify(fx.r, 2, NULL, 0, &id));
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_true(fk.authenticated[1] && !fk.authenticated[2]);
}

static void test_deregistration_from_a_new_connection_ends_the_old_record(void **state)
{
	REQ("DEREG-02", "DEREG-08");

	(void)state;
	fx_registered(1);
	fx_close(1);
	fx_send(2, HOME, ALICE, ALICE, "<" CONTACT_URI ">;reg-id=1;" INSTANCE ";expires=0",
		ANSWERED, "");
	fk_answer("200 OK", "");
	fx_assert_nothing_left();
	assert_int_equal(fx.events[fx.n_events - 1].event, CSCF_REGISTRAR_EV_ENDED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_lost_flow_answers_430_or_480_until_expiry),
	    T(test_tokens_and_contacts_are_checked),
	    T(test_a_contact_leads_to_who_is_still_there),
	    T(test_a_contact_is_known_by_its_newest_uri),
	    T(test_reconnect_takes_the_association_over),
	    T(test_replaced_connection_is_closed),
	    T(test_a_connection_that_was_left_is_nobody_elses),
	    T(test_devices_of_one_user_live_side_by_side_up_to_the_limit),
	    T(test_coming_and_going_does_not_fill_the_table),
	    T(test_200_for_a_connection_that_has_gone),
	    T(test_without_outbound_only_the_same_contact_is_replaced),
	    T(test_devices_and_users_do_not_mix),
	    T(test_deregistration_from_a_new_connection_ends_the_old_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
