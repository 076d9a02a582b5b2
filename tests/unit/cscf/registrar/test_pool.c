/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities of a pool: who holds one, and when nothing of its use is left. What the WAF is told
 * then is asserted in the integration tests.
 */
#include "reg_fixture.h"

#include "cscf/registrar/pool.h"
#include "tests/lib/req.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

#define HOME    "sip:ims.example.net"
#define ALICE   "sip:alice@ims.example.net"
#define IMPI    "alice.wic@ims.example.net"
#define BEARER  "Bearer abc.def"
#define GONE    "<" CONTACT_URI ">;reg-id=1;" INSTANCE ";expires=0"

static bool call_lasts;

static bool has_dialogs(void *arg, gw_handle assoc)
{
	(void)arg;
	(void)assoc;
	return call_lasts;
}

static int setup(void **state)
{
	static const struct cscf_registrar_cbs cbs = {.on_event = fx_on_event,
						      .has_dialogs = has_dialogs};

	fx_setup(state);
	call_lasts = false;
	fx.parts.authz = FA_AUTHZ;
	fx.cfg.pool_exclusive = true;
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_INDEPENDENT;
	cscf_registrar_free(fx.r);
	assert_int_equal(cscf_registrar_new(&fx.r, &fx.cfg, &fx.parts, &cbs, NULL), GW_OK);
	return 0;
}

/* The next token is of this visitor. */
static void visitor(const char *subject)
{
	struct cscf_authz_grant *g = fa_grant(IMPI, ALICE);

	g->subject = subject;
	g->pool = true;
}

/* One REGISTER on its own contact. @return was the core asked? */
static bool ask(uint64_t conn, const char *expires)
{
	unsigned before = fk.n_requests;
	char contact[128];

	snprintf(contact, sizeof(contact), "<sip:x%u@c.invalid;transport=ws>;expires=%s",
		 (unsigned)conn, expires);
	fx_send(conn, HOME, ALICE, ALICE, contact, BEARER, "");
	return fk.n_requests > before;
}

static void grant_it(uint64_t conn)
{
	char fields[512];

	snprintf(fields, sizeof(fields),
		 "Contact: <sip:x%u@c.invalid;transport=ws>;expires=600\r\n" IDENTITIES,
		 (unsigned)conn);
	fk_answer("200 OK", fields);
	assert_int_equal(fk.status, 200);
}

static void lent(uint64_t conn)
{
	assert_true(ask(conn, "600"));
	grant_it(conn);
}

static void turn_loop(long ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	assert_int_equal(event_base_loopexit(fx.base, &tv), 0);
	assert_int_equal(event_base_dispatch(fx.base), 0);
}

static void test_one_subject_at_a_time(void **state)
{
	REQ("TOK-31");
	(void)state;
	visitor("v1");
	lent(1);
	visitor("v2");
	assert_false(ask(2, "600"));
	assert_int_equal(fk.status, 403);
	assert_false(ask(2, "0")); /* nor may he end what is not his */
	assert_int_equal(fk.status, 403);
	visitor("v1"); /* another token, the same visitor */
	lent(2);
	assert_true(ask(1, "0"));
	fk_answer("200 OK", "");
	visitor("v2");
	assert_false(ask(3, "600")); /* one binding of v1 is left */
	visitor("v1");
	assert_true(ask(2, "0"));
	fk_answer("200 OK", "");
	visitor("v2");
	lent(3);
}

static void test_a_claim_lasts_until_the_core_has_answered(void **state)
{
	REQ("TOK-31");
	struct cscf_sip_client_cbs const *cbs;
	void *arg;
	gw_handle client;

	(void)state;
	visitor("v1");
	assert_true(ask(1, "600"));
	cbs = fk.cbs;
	arg = fk.arg;
	client = fk.client;
	visitor("v2");
	assert_false(ask(2, "600"));
	fk.cbs = cbs;
	fk.arg = arg;
	fk.client = client;
	fk_answer("403 Forbidden", "");
	assert_true(ask(2, "600"));
	grant_it(2);
}

static void test_everybody_may_have_it_where_pools_are_not_exclusive(void **state)
{
	REQ("TOK-31");
	(void)state;
	fx.cfg.pool_exclusive = false;
	visitor("v1");
	lent(1);
	visitor("v2");
	lent(2);
}

static void test_an_identity_that_is_no_pools_is_not_watched(void **state)
{
	REQ("TOK-31");
	(void)state;
	fa_grant(IMPI, ALICE)->subject = "v1";
	lent(1);
	fa_grant(IMPI, ALICE)->subject = "v2";
	lent(2);
}

static void test_a_lost_flow_still_holds_it(void **state)
{
	REQ("TOK-31", "DEREG-31");
	(void)state;
	visitor("v1");
	lent(1);
	fx_close(1);
	turn_loop(20); /* flow.grace is over */
	visitor("v2");
	assert_false(ask(2, "600"));
	assert_int_equal(fk.status, 403);
}

static void test_calls_connection_and_binding_keep_the_record(void **state)
{
	REQ("DEREG-31");
	struct reg_request q = {.to_aor = NULL};
	struct cscf_authz_grant *g;
	struct reg_refusal why;

	(void)state;
	visitor("v1");
	lent(1);
	call_lasts = true;
	assert_true(ask(1, "0"));
	fk_answer("200 OK", "");
	turn_loop(600);
	assert_true(reg_pool_lasts(fx.r->pool, "sip:alice@ims.example.net"));
	call_lasts = false; /* the call is over, its WebSocket is still there */
	turn_loop(600);
	assert_true(reg_pool_lasts(fx.r->pool, "sip:alice@ims.example.net"));
	fx_close(1);
	turn_loop(600);
	assert_false(reg_pool_lasts(fx.r->pool, "sip:alice@ims.example.net"));
	/* claimed, refused by the core, never used: gone at once */
	g = fa_grant(IMPI, ALICE);
	g->pool = true;
	q = (struct reg_request){.to_aor = (char[]){"sip:alice@ims.example.net"},
				 .to_uri = (char[]){ALICE},
				 .impi = (char[]){IMPI},
				 .grant = g};
	assert_true(reg_pool_claim(fx.r, &q, &why));
	assert_true(reg_pool_lasts(fx.r->pool, q.to_aor));
	reg_pool_unclaim(fx.r, &q);
	reg_pool_unclaim(fx.r, &q);
	assert_false(reg_pool_lasts(fx.r->pool, q.to_aor));
}

static void test_what_ended_here_alone_lasts_until_the_core_forgets_it(void **state)
{
	REQ("DEREG-31");
	(void)state;
	fx.cfg.max_per_impi = 1;
	visitor("v1");
	lent(1);
	fx_close(1);
	lent(2); /* a second device; one lost association of a user is kept */
	fx_close(2);
	lent(3); /* the oldest is evicted: its binding at the S-CSCF has 600 s to go */
	assert_true(ask(3, "0"));
	fk_answer("200 OK", "");
	fx_close(3);
	turn_loop(600);
	assert_true(reg_pool_lasts(fx.r->pool, "sip:alice@ims.example.net"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_one_subject_at_a_time),
	    T(test_a_claim_lasts_until_the_core_has_answered),
	    T(test_everybody_may_have_it_where_pools_are_not_exclusive),
	    T(test_an_identity_that_is_no_pools_is_not_watched),
	    T(test_a_lost_flow_still_holds_it),
	    T(test_calls_connection_and_binding_keep_the_record),
	    T(test_what_ended_here_alone_lasts_until_the_core_forgets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
