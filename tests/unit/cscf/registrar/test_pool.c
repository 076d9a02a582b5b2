/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities of a pool: who holds one, and when nothing of its use is left. What the WAF is told
 * then is asserted in the integration tests.
 */
#include "reg_fixture.h"
#include "token_wic.h"

#include "cscf/registrar/pool.h"
#include "tests/lib/req.h"

#include <event2/buffer.h>
#include <event2/http.h>

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static bool call_lasts;

/* The WAF that is told. */
static struct {
	struct evhttp *http;
	int status;
	unsigned n;
	char url[64];
} waf;

static void on_notice(struct evhttp_request *req, void *arg)
{
	(void)arg;
	waf.n++;
	evhttp_send_reply(req, waf.status, "x", NULL);
}

/* From now on there is one. */
static void start_waf(int status)
{
	static const struct cscf_registrar_cbs cbs = {.on_event = fx_on_event};
	struct evhttp_bound_socket *at;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	memset(&waf, 0, sizeof(waf));
	waf.status = status;
	waf.http = evhttp_new(fx.base);
	assert_non_null(waf.http);
	evhttp_set_gencb(waf.http, on_notice, NULL);
	at = evhttp_bind_socket_with_handle(waf.http, "127.0.0.1", 0);
	assert_non_null(at);
	assert_int_equal(getsockname(evhttp_bound_socket_get_fd(at), (struct sockaddr *)&sin, &len),
			 0);
	snprintf(waf.url, sizeof(waf.url), "http://127.0.0.1:%u/", ntohs(sin.sin_port));
	fx.cfg.pool_release_url = waf.url;
	cscf_registrar_free(fx.r);
	assert_int_equal(cscf_registrar_new(&fx.r, &fx.cfg, &fx.parts, &cbs, NULL), GW_OK);
}

static int teardown(void **state)
{
	cscf_registrar_free(fx.r);
	fx.r = NULL;
	if (waf.http != NULL)
		evhttp_free(waf.http);
	waf.http = NULL;
	return fx_teardown(state);
}

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

static void test_a_token_without_a_subject_is_no_holder(void **state)
{
	REQ("TOK-31");
	(void)state;
	visitor("");
	assert_false(ask(1, "600"));
	assert_int_equal(fk.status, 403);
	visitor("v1");
	lent(1);
	visitor("");
	assert_false(ask(2, "600"));
	assert_int_equal(fk.status, 403);
	assert_false(ask(2, "0"));
}

static void test_one_contact_only(void **state)
{
	static const char both[] = "<sip:x1@c.invalid;transport=ws>;" INSTANCE ";expires=600, "
				   "<sip:x2@c.invalid;transport=ws>;" INSTANCE ";expires=600";

	REQ("DEREG-31");
	(void)state;
	visitor("v1");
	fx_send(1, HOME, ALICE, ALICE, both, BEARER, "");
	assert_int_equal(fk.n_requests, 0);
	assert_int_equal(fk.status, 403);
}

/* Registered, deregistered, gone. */
static void use_and_leave(uint64_t conn)
{
	lent(conn);
	assert_true(ask(conn, "0"));
	fk_answer("200 OK", "");
	fx_close(conn);
}

static void test_who_gave_it_back_cannot_take_it_again(void **state)
{
	REQ("TOK-31", "DEREG-30");
	(void)state;
	start_waf(200);
	visitor("v1");
	fa.left = 1;
	use_and_leave(1);
	FX_WAIT(waf.n == 1);
	assert_false(reg_pool_lasts(fx.r->pool, ALICE));
	assert_false(ask(2, "600")); /* the WAF may have lent it again */
	assert_int_equal(fk.status, 403);
	assert_false(ask(2, "0"));
	assert_int_equal(fk.status, 403);
	visitor("v2");
	lent(3);
	turn_loop(1100); /* that token is over: only a new one can come, of a new lease */
	assert_true(ask(3, "0"));
	fk_answer("200 OK", "");
	visitor("v1");
	lent(4);
}

static void test_while_the_waf_will_not_hear_it_is_still_his(void **state)
{
	REQ("TOK-31", "DEREG-30");
	(void)state;
	start_waf(503);
	visitor("v1");
	use_and_leave(1);
	FX_WAIT(waf.n == 1);
	turn_loop(100); /* the answer has come */
	visitor("v1");
	use_and_leave(2);
	FX_WAIT(waf.n == 2);
	visitor("v2"); /* his lease ran out meanwhile, whatever was said */
	use_and_leave(3);
	FX_WAIT(waf.n == 3);
	turn_loop(100);
	visitor("v1"); /* what waits is the other's notice */
	assert_false(ask(4, "600"));
	assert_int_equal(fk.status, 403);
}

static void test_no_clear_answer_may_mean_yes(void **state)
{
	REQ("TOK-31", "DEREG-30");
	(void)state;
	start_waf(504);
	visitor("v1");
	use_and_leave(1);
	FX_WAIT(waf.n == 1);
	turn_loop(100);
	assert_false(ask(2, "600"));
	assert_int_equal(fk.status, 403);
}

static void test_a_burst_of_notices_is_told_without_pauses(void **state)
{
	struct reg_release *rel = NULL;
	int64_t began = reg_now_ms();
	char aor[32];

	REQ("DEREG-30");
	(void)state;
	start_waf(200);
	assert_int_equal(reg_release_new(&rel, fx.base, &fx.cfg), GW_OK);
	for (int k = 0; k < 1500; k++) {
		snprintf(aor, sizeof(aor), "sip:g%d@h", k);
		assert_non_null(reg_release_send(rel, aor, aor, aor, "deregistered"));
	}
	FX_WAIT(waf.n == 1500);
	assert_true(reg_now_ms() - began < 30000);
	reg_release_free(rel);
}

static void test_a_replaced_contact_lasts_until_the_core_forgets_it(void **state)
{
	REQ("DEREG-31");
	(void)state;
	visitor("v1");
	lent(1);
	fx_send(1, HOME, ALICE, ALICE, "<sip:new@c.invalid;transport=ws>;expires=600", BEARER, "");
	fk_answer("200 OK", "Contact: <sip:x1@c.invalid;transport=ws>;expires=599, "
			    "<sip:new@c.invalid;transport=ws>;expires=600\r\n" IDENTITIES);
	assert_int_equal(fk.status, 200);
	fx_send(1, HOME, ALICE, ALICE, "<sip:new@c.invalid;transport=ws>;expires=0", BEARER, "");
	fk_answer("200 OK", "Contact: <sip:x1@c.invalid;transport=ws>;expires=598\r\n");
	fx_close(1);
	turn_loop(600);
	assert_true(reg_pool_lasts(fx.r->pool, ALICE));
}

static void test_a_contact_replaced_by_reg_id_is_gone(void **state)
{
	static const char second[] = "<sip:new@c.invalid;transport=ws>;reg-id=1;" INSTANCE;
	char contact[256];

	REQ("DEREG-31");
	(void)state;
	visitor("v1");
	fx_send(1, HOME, ALICE, ALICE, CONTACT, BEARER, "");
	fk_answer("200 OK", OK_200);
	snprintf(contact, sizeof(contact), "%s;expires=600", second);
	fx_send(1, HOME, ALICE, ALICE, contact, BEARER, "");
	snprintf(contact, sizeof(contact), "Contact: %s;expires=600\r\nRequire: outbound\r\n",
		 second);
	fk_answer("200 OK", contact);
	snprintf(contact, sizeof(contact), "%s;expires=0", second);
	fx_send(1, HOME, ALICE, ALICE, contact, BEARER, "");
	fk_answer("200 OK", "");
	fx_close(1);
	FX_WAIT(!reg_pool_lasts(fx.r->pool, ALICE));
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
	    T(test_a_token_without_a_subject_is_no_holder),
	    T(test_one_contact_only),
	    T(test_who_gave_it_back_cannot_take_it_again),
	    T(test_while_the_waf_will_not_hear_it_is_still_his),
	    T(test_no_clear_answer_may_mean_yes),
	    T(test_a_burst_of_notices_is_told_without_pauses),
	    T(test_a_replaced_contact_lasts_until_the_core_forgets_it),
	    T(test_a_contact_replaced_by_reg_id_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
