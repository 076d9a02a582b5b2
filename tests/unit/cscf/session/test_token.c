/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web tokens in requests other than REGISTER, and identity.from_check: which are asked for one,
 * what each verdict comes to, and what may happen while one is awaited. The token library is the
 * registrar tests' fake.
 */
#include "tests/unit/cscf/registrar/fake_authz.h"
#include "tests/unit/cscf/session/play.h"

#define T(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define GOOD      "Authorization: Bearer abc.def\r\n"
#define PROXY     "Proxy-Authorization: Bearer abc.def\r\n"
#define BOB_URI   "sip:bob@ims.test"
#define IMPI_OF_W "alice"

static const struct cscf_sip_flow wss = {
    .side = CSCF_SIP_W2, .transport = CSCF_SIP_WSS, .conn = W_CONN};

static int setup(void **state)
{
	fa_reset();
	w_setup(state);
	cscf_session_free(w.s);
	w.parts.authz = FA_AUTHZ;
	w.cfg.token_on_requests = CSCF_SESSION_TOKEN_IF_PRESENT;
	assert_int_equal(cscf_session_new(&w.s, &w.cfg, &w.parts), GW_OK);
	w.grant = fa_grant(IMPI_OF_W, "sip:alice@ims.test");
	return 0;
}

static int teardown(void **state)
{
	w_teardown(state);
	fa_assert_nothing_held();
	return 0;
}

/* One MESSAGE. @return its status; 0: it went to the core or waits */
static int say(const char *extra)
{
	static unsigned cseq = 1;
	gw_handle h = w_request(&wss, "MESSAGE", BOB_URI, W_ALICE, W_BOB, cseq++, extra, NULL);

	return w_status(h);
}

static void test_who_is_asked(void **state)
{
	REQ("TOK-24", "SEC-08");
	(void)state;
	assert_int_equal(say(""), 0);
	assert_int_equal(w.n_clients, 1);
	assert_int_equal(fa.n_verified, 0);
	assert_int_equal(say(GOOD), 0);
	assert_int_equal(say(PROXY), 0);
	assert_int_equal(w.n_clients, 3);
	assert_int_equal(fa.n_verified, 2);
	assert_string_equal(fa.credentials, "Bearer abc.def");
	assert_true(fa.secure);
	assert_false(fa.allow_expired);
	assert_int_equal(say(GOOD GOOD), 400);
	w.cfg.token_on_requests = CSCF_SESSION_TOKEN_REQUIRE;
	assert_int_equal(say(""), 401);
	assert_string_equal(w.answers[w.n_answers - 1].value, "Bearer realm=\"ims.example.net\"");
	assert_int_equal(say("Authorization: Digest username=\"a\"\r\n"), 401);
	assert_int_equal(say(GOOD), 0);
	w.cfg.token_on_requests = CSCF_SESSION_TOKEN_IGNORE;
	fa.n_verified = 0;
	assert_int_equal(say(GOOD GOOD), 0);
	assert_int_equal(fa.n_verified, 0);
	w.grant = NULL; /* a user of Digest */
	w.cfg.token_on_requests = CSCF_SESSION_TOKEN_REQUIRE;
	assert_int_equal(say(""), 0);
	assert_int_equal(say(GOOD), 0);
	assert_int_equal(fa.n_verified, 0);
	for (size_t i = 0; i < w.n_clients; i++)
		assert_false(cscf_sip_msg_hdr(w.clients[i].msg, "Authorization", NULL) &&
			     !w_has(w.clients[i].msg, "Digest"));
}

static void test_each_verdict_has_its_answer(void **state)
{
	REQ("TOK-24", "TOK-27");
	static const struct {
		enum cscf_authz_verdict verdict;
		const char *extra;
		int status;
		const char *hdr, *value;
	} rows[] = {
	    {CSCF_AUTHZ_MALFORMED, GOOD, 400, "", ""},
	    {CSCF_AUTHZ_INVALID, GOOD, 401, "WWW-Authenticate",
	     "Bearer realm=\"ims.example.net\",error=\"invalid_token\""},
	    {CSCF_AUTHZ_INVALID, PROXY, 407, "Proxy-Authenticate",
	     "Bearer realm=\"ims.example.net\",error=\"invalid_token\""},
	    {CSCF_AUTHZ_DENIED, GOOD, 403, "", ""},
	    {CSCF_AUTHZ_UNAVAILABLE, GOOD, 503, "Retry-After", "7"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fa_bad(rows[i].verdict, "word", "Phrase");
		assert_int_equal(say(rows[i].extra), rows[i].status);
		assert_string_equal(w.answers[w.n_answers - 1].hdr, rows[i].hdr);
		assert_string_equal(w.answers[w.n_answers - 1].value, rows[i].value);
	}
	assert_int_equal(w.n_clients, 0);
}

static void test_a_good_token_of_somebody_else_is_403(void **state)
{
	REQ("TOK-24", "TOK-21");
	(void)state;
	(void)fa_grant("bob", "sip:bob@ims.test");
	assert_int_equal(say(GOOD), 403);
	fa_grant(IMPI_OF_W, "sip:alice@ims.test")->issuer = "https://other.test";
	assert_int_equal(say(GOOD), 403);
	(void)fa_grant(IMPI_OF_W, "sip:alice@ims.test"); /* a newer one of the same user */
	assert_int_equal(say(GOOD), 0);
	assert_int_equal(w.n_clients, 1);
}

static void test_an_association_without_a_token_any_more_is_blocked(void **state)
{
	REQ("TOK-22", "TOK-29");
	(void)state;
	w.cfg.token_on_requests = CSCF_SESSION_TOKEN_IGNORE;
	w.token_over = true;
	assert_int_equal(say(""), 401);
	assert_non_null(strstr(w.answers[w.n_answers - 1].value, "error=\"invalid_token\""));
	fa.revoked = true;
	assert_int_equal(say(""), 403);
	w.token_over = fa.revoked = false;
	assert_int_equal(say(""), 0);
}

#define CAROL_SAYS "P-Preferred-Identity: <sip:carol@ims.test>\r\n"

/* assoc.multi_impi: the policy is that of the user for whom the request goes out. */
static void test_each_user_of_a_connection_has_his_own_token(void **state)
{
	REQ("TOK-22", "TOK-24", "TOK-29");
	const struct cscf_authz_grant *alice = w.grant;

	(void)state;
	w.other = "carol";
	w.other_grant = fa_grant("carol", "sip:carol@ims.test");
	w.other_token_over = true;
	assert_int_equal(say(""), 0);
	assert_int_equal(say(CAROL_SAYS), 401);
	w.other_token_over = false;
	w.token_over = true;
	assert_int_equal(say(CAROL_SAYS), 0);
	assert_int_equal(say(""), 401);
	w.token_over = false;
	/* carol's token is hers, at once and later */
	assert_int_equal(say(CAROL_SAYS GOOD), 0);
	assert_int_equal(say(GOOD), 403);
	fa.later = true;
	assert_int_equal(say(CAROL_SAYS GOOD), 0);
	w.n_answers = 0;
	fa_answer();
	assert_int_equal(w.n_answers, 0);
	assert_int_equal(w.n_clients, 4);
	fa.later = false;
	/* alice without a token of the web does not lend that to carol */
	w.grant = NULL;
	w.cfg.token_on_requests = CSCF_SESSION_TOKEN_REQUIRE;
	assert_int_equal(say(""), 0);
	assert_int_equal(say(CAROL_SAYS), 401);
	w.grant = alice;
}

static void test_the_core_may_not_challenge_the_one_with_the_token(void **state)
{
	REQ("TOK-19");
	gw_handle h;

	(void)state;
	w.grant = NULL;
	w.other = "carol";
	w.other_grant = fa_grant("carol", "sip:carol@ims.test");
	h = w_request(&wss, "MESSAGE", BOB_URI, W_ALICE, W_BOB, 1, CAROL_SAYS, NULL);
	w_response_with(w.n_clients - 1, 407, W_CORE_TAG, NULL, "Proxy-Authenticate", "Digest a=b");
	assert_int_equal(w_status(h), 403);
	h = w_request(&wss, "MESSAGE", BOB_URI, W_ALICE, W_BOB, 2, "", NULL);
	w_response_with(w.n_clients - 1, 407, W_CORE_TAG, NULL, "Proxy-Authenticate", "Digest a=b");
	assert_int_equal(w_status(h), 407);
}

static void test_plain_ws_takes_no_token(void **state)
{
	REQ("WS-04");
	static const struct cscf_sip_flow ws = {
	    .side = CSCF_SIP_W2, .transport = CSCF_SIP_WS, .conn = W_CONN};
	gw_handle h;

	(void)state;
	w.grant = NULL;
	h = w_request(&ws, "MESSAGE", BOB_URI, W_ALICE, W_BOB, 900, PROXY, NULL);
	assert_int_equal(w_status(h), 403);
	h = w_request(&ws, "MESSAGE", BOB_URI, W_ALICE, W_BOB, 901, "", NULL);
	assert_int_equal(w_status(h), 0);
	assert_int_equal(fa.n_verified, 0);
}

static void test_a_request_waits_and_goes_on(void **state)
{
	REQ("TOK-24", "TOK-28");
	(void)state;
	fa.later = true;
	assert_int_equal(say(GOOD), 0);
	assert_int_equal(w.n_clients, 0);
	assert_int_equal(say(""), 0); /* others pass meanwhile */
	assert_int_equal(w.n_clients, 1);
	fa_answer();
	assert_int_equal(w.n_clients, 2);
}

static void test_a_cancel_ends_the_wait(void **state)
{
	REQ("TOK-24");
	gw_handle h;

	(void)state;
	fa.later = true;
	h = w_request(&wss, "INVITE", BOB_URI, W_ALICE, W_BOB, 1, GOOD, w_wic_sdp(false));
	cscf_session_on_cancel(w.s, h, w.servers[h - 1000]);
	assert_int_equal(w_status(h), 487);
	assert_int_equal(fa.n_cancelled, 1);
	assert_int_equal(w.n_clients, 0);
}

static void test_the_end_of_the_transaction_or_of_us_ends_the_wait(void **state)
{
	REQ("TOK-28");
	gw_handle h;

	(void)state;
	fa.later = true;
	h = w_request(&wss, "MESSAGE", BOB_URI, W_ALICE, W_BOB, 1, GOOD, NULL);
	cscf_session_on_server_done(w.s, h, false);
	assert_int_equal(fa.n_cancelled, 1);
	assert_int_equal(w_status(h), 0);
	(void)w_request(&wss, "MESSAGE", BOB_URI, W_ALICE, W_BOB, 2, GOOD, NULL);
	cscf_session_free(w.s);
	assert_int_equal(fa.n_cancelled, 2);
	assert_int_equal(cscf_session_new(&w.s, &w.cfg, &w.parts), GW_OK);
}

static void test_a_strange_from_by_policy(void **state)
{
	REQ("ID-18");
	static const struct {
		int policy;
		const char *from;
		int status;
	} rows[] = {
	    {CSCF_SESSION_FROM_OFF, "<sip:eve@ims.test>;tag=e", 0},
	    {CSCF_SESSION_FROM_LOG, "<sip:eve@ims.test>;tag=e", 0},
	    {CSCF_SESSION_FROM_REJECT, "<sip:eve@ims.test>;tag=e", 403},
	    {CSCF_SESSION_FROM_REJECT, "<sip:alice@ims.test>;tag=e", 0},
	    {CSCF_SESSION_FROM_REJECT, "\"A\" <sip:anonymous@Anonymous.Invalid>;tag=e", 0},
	    {CSCF_SESSION_FROM_REJECT, "<sip:anonymous.invalid@ims.test>;tag=e", 403},
	};

	(void)state;
	w.grant = NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		gw_handle h;

		w.cfg.from_check = rows[i].policy;
		h = w_request(&wss, "MESSAGE", BOB_URI, rows[i].from, W_BOB, (unsigned)i + 1, "",
			      NULL);
		if (w_status(h) != rows[i].status)
			fail_msg("row %zu: %d", i, w_status(h));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_who_is_asked),
	    T(test_each_verdict_has_its_answer),
	    T(test_a_good_token_of_somebody_else_is_403),
	    T(test_an_association_without_a_token_any_more_is_blocked),
	    T(test_each_user_of_a_connection_has_his_own_token),
	    T(test_the_core_may_not_challenge_the_one_with_the_token),
	    T(test_plain_ws_takes_no_token),
	    T(test_a_request_waits_and_goes_on),
	    T(test_a_cancel_ends_the_wait),
	    T(test_the_end_of_the_transaction_or_of_us_ends_the_wait),
	    T(test_a_strange_from_by_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
