/* SPDX-License-Identifier: Apache-2.0 */
/* AGWs that lose and regain the addresses of a realm (realms.c). */
#include "tests/unit/cscf/iq/pool_fixture.h"

static struct cscf_iq_link *link_to(struct fixture *f, size_t i)
{
	struct cscf_iq_link *link;

	DL_FOREACH (f->iq->links, link)
		if (strcmp(link->addr_text, f->item_text[i]) == 0)
			return link;
	fail_msg("no such link");
	return NULL;
}

static void say(struct fake_agw *a, const char *name, bool available)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(AGW_STATE), 0);
	IqRealm *realm = iq_message_new(&wicgate__iq__v1__realm__descriptor);

	env->agw_state->state = IQ_V(AGW_STATE__STATE__IN_SERVICE);
	realm->available = available;
	realm->side = strcmp(name, "core") == 0 ? IQ_V(REALM_SIDE__REALM_CORE)
						: IQ_V(REALM_SIDE__REALM_ACCESS);
	assert_int_equal(iq_str_set(&realm->name, name), GW_OK);
	assert_int_equal(iq_list_add(&env->agw_state->n_realms, &env->agw_state->realms, realm),
			 GW_OK);
	fake_send(a, env);
}

/* Without its core address it has no calls, so it would be the first choice for all new ones. */
static void test_an_agw_without_its_realm_gets_no_calls(void **state)
{
	REQ("IQ-11", "IQ-22");
	struct fixture *f = *state;

	f->cfg.access_realm = "access";
	f->cfg.core_realm = "core";
	start_up(f, 2);
	say(&f->agw[0], "other", false); /* of others' calls */
	say(&f->agw[0], "core", false);
	UNTIL(f, !iq_link_in_service(link_to(f, 0)));
	for (unsigned i = 0; i < 10; i++) {
		f->done = 0;
		(void)reserved(f, 3);
	}
	assert_int_equal(f->agw[0].reserves, 0);
	assert_int_equal(f->agw[1].reserves, 10);
	say(&f->agw[0], "core", true);
	UNTIL(f, iq_link_in_service(link_to(f, 0)));
	say(&f->agw[1], "access", false);
	UNTIL(f, !iq_link_in_service(link_to(f, 1)));
	(void)reserved(f, 3);
	assert_int_equal(f->agw[0].reserves, 1);
	/* of what it says when it is back: nothing is left from before */
	fake_hang_up(&f->agw[1]);
	UNTIL(f, iq_link_in_service(link_to(f, 1)));
}

/* Its Hello does not name one of ours: it has other networks. */
static void test_a_realm_that_it_does_not_have(void **state)
{
	REQ("IQ-22");
	struct fixture *f = *state;
	IqRealm realm, *list[] = {&realm};
	char access[] = "access", core[] = "core";

	f->cfg.access_realm = "access";
	f->cfg.core_realm = "core";
	start_up(f, 1);
	wicgate__iq__v1__realm__init(&realm);
	realm.name = access;
	realm.available = true;
	iq_link_take_realms(link_to(f, 0), list, 1, true);
	assert_false(cscf_iq_available(f->iq));
	realm.name = core;
	iq_link_take_realms(link_to(f, 0), list, 1, false); /* added, and the other stays */
	assert_true(cscf_iq_available(f->iq));
	f->iq->cfg.core_realm = "elsewhere";
	iq_link_take_realms(link_to(f, 0), list, 1, true);
	assert_false(cscf_iq_takes_priority(f->iq));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_an_agw_without_its_realm_gets_no_calls),
	    T(test_a_realm_that_it_does_not_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
