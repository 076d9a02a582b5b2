/* SPDX-License-Identifier: Apache-2.0 */
/* What the network decides by itself: facts of a document against bindings of several devices. */
#include "cscf/registrar/network.h"
#include "cscf/registrar/reg_int.h"
#include "reg_fixture.h"
#include "tests/lib/req.h"

#include <utlist.h>

#define ALICE "sip:alice@ims.example.net"
#define TEL   "tel:+15550100"
#define IMPI  "alice.wic@ims.example.net"

#define F(k, a, c)                                                                                 \
	{                                                                                          \
		.kind = CSCF_REGISTRAR_FACT_##k, .aor = (a), .contact = (c), .why = "test"         \
	}
#define APPLY(full, ...)                                                                           \
	apply((struct cscf_registrar_fact[]){__VA_ARGS__},                                         \
	      sizeof((struct cscf_registrar_fact[]){__VA_ARGS__}) /                                \
		  sizeof(struct cscf_registrar_fact),                                              \
	      full)

static struct {
	unsigned n_bound, n_gone;
	char impi[64], impu[64], gone[64];
	uint32_t expires_s;
	int status_then; /* of the answer to the WIC when the callback came */
} told;

static void on_user(void *arg, const struct cscf_registrar_user *user)
{
	(void)arg;
	told.n_bound++;
	snprintf(told.impi, sizeof(told.impi), "%s", user->impi);
	snprintf(told.impu, sizeof(told.impu), "%s", user->impu);
	told.expires_s = user->expires_s;
	told.status_then = fk.status;
}

static void on_user_gone(void *arg, const char *impi)
{
	(void)arg;
	told.n_gone++;
	snprintf(told.gone, sizeof(told.gone), "%s", impi);
}

static int setup(void **state)
{
	static const struct cscf_registrar_cbs cbs = {
	    .on_event = fx_on_event, .on_user = on_user, .on_user_gone = on_user_gone};

	(void)fx_setup(state);
	memset(&told, 0, sizeof(told));
	cscf_registrar_free(fx.r);
	assert_int_equal(cscf_registrar_new(&fx.r, &fx.cfg, &fx.parts, &cbs, NULL), GW_OK);
	fx_registered(1);
	return 0;
}

static struct cscf_registrar_changes apply(const struct cscf_registrar_fact *facts, size_t n,
					   bool full)
{
	return cscf_registrar_apply(fx.r, IMPI, facts, n, full);
}

/* Another device of alice with a contact of its own. */
static void second_device(uint64_t conn)
{
	static const char contact[] = "<sip:y@other.invalid;transport=ws>;expires=600";

	fx_send(conn, "sip:ims.example.net", ALICE, ALICE, contact, ANSWERED, "");
	fk_answer("200 OK",
		  "Contact: <sip:y@other.invalid;transport=ws>;expires=600\r\n" IDENTITIES);
	assert_int_equal(fk.status, 200);
}

static size_t n_bindings(void)
{
	return cscf_registrar_counts(fx.r).bindings;
}

static size_t impus(struct cscf_registrar_identity *id)
{
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, id));
	return id->n_impus;
}

static void test_users_are_told_after_the_answer(void **state)
{
	REQ("REG-60", "REG-61");
	(void)state;
	assert_int_equal(told.n_bound, 1);
	assert_int_equal(told.status_then, 200);
	assert_string_equal(told.impi, IMPI);
	assert_string_equal(told.impu, ALICE);
	assert_int_equal(told.expires_s, 3600);
	second_device(2);
	assert_int_equal(told.n_bound, 2);
	assert_int_equal(told.expires_s, 3600); /* the longest */
	fx_send(1, "sip:ims.example.net", ALICE, ALICE, "*", ANSWERED, "Expires: 0\r\n");
	fk_answer("200 OK", "");
	assert_int_equal(told.n_gone, 0);
	APPLY(false, F(ENDED, ALICE, NULL));
	assert_int_equal(told.n_gone, 1);
	assert_string_equal(told.gone, IMPI);
}

static void test_tel_first_is_not_subscribed_to(void **state)
{
	REQ("REG-61");
	(void)state;
	fx_register(1, ANSWERED);
	fk_answer("200 OK",
		  GRANTED "P-Associated-URI: <tel:+15550100>, "
			  "<sip:team-!.*!@ims.example.net>, <sip:a.first@ims.example.net>\r\n");
	assert_string_equal(told.impu, "sip:a.first@ims.example.net");
}

static void test_ends(void **state)
{
	static const struct {
		struct cscf_registrar_fact facts[3];
		unsigned n, ended, removed;
	} rows[] = {
	    {{F(ENDED, ALICE, CONTACT_URI), F(ENDED, TEL, CONTACT_URI)}, 2, 1, 0},
	    {{F(ENDED, ALICE, NULL), F(ENDED, TEL, NULL)}, 2, 1, 0},
	    /* the registered IMPU takes its implicit set along */
	    {{F(ENDED, ALICE, CONTACT_URI)}, 1, 1, 0},
	    {{F(ENDED, "sip:ALICE@ims.example.net;x=y", CONTACT_URI)}, 1, 0, 0},
	    {{F(ENDED, "sip:alice@IMS.example.net", CONTACT_URI)}, 1, 1, 0},
	    /* but for those that the document shows active with this contact */
	    {{F(ENDED, ALICE, CONTACT_URI), F(ACTIVE, TEL, CONTACT_URI)}, 2, 0, 1},
	    {{F(ENDED, ALICE, CONTACT_URI), F(ACTIVE, TEL, "sip:phone@h")}, 2, 1, 0},
	    /* an identity of the set alone */
	    {{F(ENDED, TEL, CONTACT_URI)}, 1, 0, 1},
	    {{F(ENDED, "tel:+1-555-0100", CONTACT_URI), F(ACTIVE, ALICE, CONTACT_URI)}, 2, 0, 1},
	    /* the contact counts before the registration */
	    {{F(ENDED, ALICE, NULL), F(ACTIVE, ALICE, CONTACT_URI), F(ACTIVE, TEL, CONTACT_URI)},
	     3,
	     0,
	     0},
	    /* others */
	    {{F(ENDED, ALICE, "sip:phone@192.0.2.7")}, 1, 0, 0},
	    {{F(ENDED, "sip:bob@ims.example.net", NULL)}, 1, 0, 0},
	    {{F(ENDED, "nonsense", NULL), F(ENDED, "", NULL)}, 2, 0, 0},
	    {{F(ENDED, ALICE, "nonsense")}, 1, 0, 0},
	};

	REQ("DEREG-20", "DEREG-22");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cscf_registrar_changes c;

		if (n_bindings() == 0)
			fx_registered(1);
		else
			fx_register(1, ANSWERED), fk_answer("200 OK", OK_200);
		c = apply(rows[i].facts, rows[i].n, false);
		if (c.ended != rows[i].ended || c.removed != rows[i].removed)
			fail_msg("row %zu: ended %u removed %u", i, c.ended, c.removed);
		assert_int_equal(n_bindings(), 1 - rows[i].ended);
	}
}

static void test_identity_of_the_set_goes_and_is_asserted_no_more(void **state)
{
	struct cscf_registrar_identity id;
	struct gw_slice tel = gw_slice_str("<" TEL ">");

	REQ("DEREG-20");
	(void)state;
	APPLY(false, F(ENDED, TEL, CONTACT_URI));
	assert_int_equal(impus(&id), 1);
	assert_int_equal(id.n_pai, 1);
	assert_true(cscf_registrar_identify(fx.r, 1, &tel, 1, &id));
	assert_string_equal(id.pai[0], "\"Alice A.\" <" ALICE ">");
	/* the registered one goes, the other stays: it is the default now */
	fx_register(1, ANSWERED);
	fk_answer("200 OK", OK_200);
	APPLY(false, F(ENDED, ALICE, CONTACT_URI), F(ACTIVE, TEL, CONTACT_URI));
	assert_int_equal(impus(&id), 1);
	assert_string_equal(id.impus[0].uri, TEL);
}

static void test_full_documents_count_by_silence_for_what_an_earlier_one_had(void **state)
{
	struct cscf_registrar_identity id;
	struct cscf_registrar_changes c;

	REQ("REG-66");
	(void)state;
	/* written before our REGISTER, or by a core that spells this contact in another way */
	c = APPLY(true, F(ACTIVE, ALICE, "sip:phone@192.0.2.7"));
	c = cscf_registrar_apply(fx.r, IMPI, NULL, 0, true);
	assert_int_equal(c.removed + c.ended, 0);
	c = APPLY(false, F(ACTIVE, ALICE, CONTACT_URI), F(ACTIVE, TEL, CONTACT_URI));
	/* a partial one says nothing by silence */
	c = APPLY(false, F(ACTIVE, ALICE, CONTACT_URI));
	assert_int_equal(c.removed + c.ended, 0);
	/* what was known stays so with a refresh of the same contact */
	fx_register(1, ANSWERED);
	fk_answer("200 OK", OK_200);
	c = APPLY(true, F(ACTIVE, ALICE, CONTACT_URI));
	assert_int_equal(c.removed, 1);
	assert_int_equal(impus(&id), 1);
	c = cscf_registrar_apply(fx.r, IMPI, NULL, 0, true);
	assert_int_equal(c.ended, 1);
	assert_int_equal(n_bindings(), 0);
	assert_false(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
}

static void test_a_new_device_is_not_ended_by_a_document_older_than_it(void **state)
{
	struct cscf_registrar_changes c;

	REQ("REG-66", "DEREG-22");
	(void)state;
	c = APPLY(true, F(ACTIVE, ALICE, CONTACT_URI));
	second_device(2);
	c = APPLY(true, F(ACTIVE, ALICE, CONTACT_URI));
	assert_int_equal(c.ended, 0);
	assert_int_equal(n_bindings(), 2);
	c = APPLY(true, F(ACTIVE, ALICE, "sip:y@other.invalid;transport=ws"));
	assert_int_equal(c.ended, 1);
}

static void test_a_wildcard_goes_with_its_binding_only(void **state)
{
	struct cscf_registrar_changes c;

	REQ("REG-66");
	(void)state;
	fx_register(1, ANSWERED);
	fk_answer("200 OK",
		  GRANTED "P-Associated-URI: <" ALICE ">, <sip:team-!.*!@ims.example.net>\r\n");
	c = APPLY(true, F(ACTIVE, ALICE, CONTACT_URI));
	assert_int_equal(c.removed + c.ended, 0);
	c = APPLY(true, F(ACTIVE, ALICE, "sip:phone@192.0.2.7"));
	assert_int_equal(c.ended, 1);
}

static void test_one_of_two_devices(void **state)
{
	struct cscf_registrar_changes c;
	struct cscf_registrar_identity id;

	REQ("DEREG-08", "DEREG-20");
	(void)state;
	second_device(2);
	c = APPLY(false, F(ENDED, ALICE, CONTACT_URI));
	assert_int_equal(c.ended, 1);
	assert_false(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_true(cscf_registrar_identify(fx.r, 2, NULL, 0, &id));
	FX_WAIT(fk.closed[1]);
	assert_false(fk.closed[2]);
	assert_int_equal(told.n_gone, 0);
	/* and of both, with one fact */
	fx_registered(3);
	c = APPLY(false, F(ENDED, ALICE, NULL));
	assert_int_equal(c.ended, 2);
	assert_int_equal(told.n_gone, 1);
	fx_assert_nothing_left();
}

static void test_closing_or_leaving_the_connection(void **state)
{
	struct cscf_registrar_fact end = F(ENDED, ALICE, CONTACT_URI);

	REQ("DEREG-06", "DEREG-21", "DEREG-23");
	(void)state;
	end.reopen = true;
	assert_int_equal(apply(&end, 1, false).ended, 1);
	assert_false(fk.authenticated[1]);
	fx_registered(2);
	end.reopen = false;
	assert_int_equal(apply(&end, 1, false).ended, 1);
	FX_WAIT(fk.closed[2]); /* begun later: the other would be closed by now */
	assert_false(fk.closed[1]);
	fx_registered(1);
	cscf_registrar_end_user(fx.r, IMPI, "network", true);
	fx_registered(3);
	cscf_registrar_end_user(fx.r, IMPI, "network", false);
	FX_WAIT(fk.closed[3]);
	assert_false(fk.closed[1]);
	cscf_registrar_end_user(fx.r, "nobody", "network", false);
	fx_assert_nothing_left();
}

static void test_calls_hear_of_the_end(void **state)
{
	struct cscf_registrar_identity id;
	unsigned n = fx.n_events;

	REQ("DEREG-09");
	(void)state;
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	APPLY(false, F(ENDED, ALICE, NULL));
	assert_int_equal(fx.n_events, n + 1);
	assert_int_equal(fx.events[n].event, CSCF_REGISTRAR_EV_ENDED);
	assert_int_equal(fx.events[n].assoc, id.assoc);
}

static void test_a_lost_flow_ends_as_well(void **state)
{
	REQ("DEREG-20");
	(void)state;
	fx_close(1);
	assert_int_equal(APPLY(false, F(ENDED, ALICE, CONTACT_URI)).ended, 1);
	assert_int_equal(told.n_gone, 1);
	fx_assert_nothing_left();
}

static int64_t expires_in_s(void)
{
	struct cscf_registrar_row row;
	uint64_t cursor = 0;

	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	return row.expires_in_s;
}

static void test_shortened(void **state)
{
	struct cscf_registrar_fact s = F(SHORTENED, ALICE, CONTACT_URI);

	REQ("REG-49");
	(void)state;
	s.expires_s = 60;
	assert_int_equal(apply(&s, 1, false).shortened, 1);
	assert_in_range(expires_in_s(), 58, 60);
	s.expires_s = 600; /* later than it would end anyway */
	assert_int_equal(apply(&s, 1, false).shortened, 0);
	s.expires_s = 30;
	s.contact = "sip:phone@192.0.2.7";
	assert_int_equal(apply(&s, 1, false).shortened, 0);
	assert_in_range(expires_in_s(), 58, 60);
	s.contact = CONTACT_URI;
	s.expires_s = 0; /* and the grace is 0 here */
	assert_int_equal(apply(&s, 1, false).shortened, 1);
	FX_WAIT(n_bindings() == 0);
	assert_int_equal(told.n_gone, 1);
}

static void test_created_identities_join_up_to_the_limit(void **state)
{
	struct cscf_registrar_identity id;
	struct cscf_registrar_fact f[80];
	static char aor[80][40];
	struct gw_slice preferred = gw_slice_str("<sip:new0@ims.example.net>");

	REQ("REG-67");
	(void)state;
	for (size_t i = 0; i < 80; i++) {
		snprintf(aor[i], sizeof(aor[i]), "sip:new%zu@ims.example.net", i);
		f[i] = (struct cscf_registrar_fact)F(CREATED, aor[i], CONTACT_URI);
	}
	/* active is not created; another's contact is not ours; what is there is not new */
	assert_int_equal(APPLY(false, F(ACTIVE, "sip:x@ims.example.net", CONTACT_URI),
			       F(CREATED, "sip:x@ims.example.net", "sip:phone@192.0.2.7"),
			       F(CREATED, "sip:x@ims.example.net", NULL),
			       F(CREATED, TEL, CONTACT_URI), F(CREATED, "nonsense", CONTACT_URI))
			     .added,
			 0);
	assert_int_equal(apply(f, 1, false).added, 1);
	assert_int_equal(impus(&id), 3);
	assert_true(cscf_registrar_identify(fx.r, 1, &preferred, 1, &id));
	assert_string_equal(id.pai[0], "<sip:new0@ims.example.net>");
	assert_int_equal(apply(f, 80, false).added, REG_MAX_IMPUS - 3);
	assert_int_equal(impus(&id), REG_MAX_IMPUS);
}

static void test_last_notify_finds_an_open_connection(void **state)
{
	uint64_t conn = 0;
	struct cscf_registrar_target target;

	REQ("DEREG-23", "DEREG-25");
	(void)state;
	APPLY(false, F(ENDED, ALICE, NULL));
	assert_int_equal(fx_reach(1, &target), CSCF_REGISTRAR_UNKNOWN);
	assert_true(cscf_registrar_open_conn(fx.r, fx_token(1), &conn));
	assert_int_equal(conn, 1);
	assert_false(cscf_registrar_open_conn(fx.r, gw_slice_str("forged"), &conn));
	fx_close(1);
	assert_false(cscf_registrar_open_conn(fx.r, fx_token(1), &conn));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, fx_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_users_are_told_after_the_answer),
	    T(test_tel_first_is_not_subscribed_to),
	    T(test_ends),
	    T(test_identity_of_the_set_goes_and_is_asserted_no_more),
	    T(test_full_documents_count_by_silence_for_what_an_earlier_one_had),
	    T(test_a_new_device_is_not_ended_by_a_document_older_than_it),
	    T(test_a_wildcard_goes_with_its_binding_only),
	    T(test_one_of_two_devices),
	    T(test_closing_or_leaving_the_connection),
	    T(test_calls_hear_of_the_end),
	    T(test_a_lost_flow_ends_as_well),
	    T(test_shortened),
	    T(test_created_identities_join_up_to_the_limit),
	    T(test_last_notify_finds_an_open_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
