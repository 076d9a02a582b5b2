/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REGISTERs with a web token: what the core gets octet for octet, that nothing of the token goes
 * there, what each verdict and each answer of the core comes to, and what a token is bound to.
 * The token library is the test's (fake_authz.h).
 */
#include "reg_fixture.h"

#include "tests/lib/req.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

#define HOME    "sip:ims.example.net"
#define ALICE   "sip:alice@ims.example.net"
#define BOB     "sip:bob@ims.example.net"
#define IMPI    "alice.wic@ims.example.net"
#define TOKEN   "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0-._~+/=="
#define BEARER  "Bearer " TOKEN
#define TNA(entity)                                                                                \
	"Authorization: Digest username=\"" IMPI "\",realm=\"ims.example.net\",uri=\"" HOME        \
	"\",nonce=\"\",response=\"\",integrity-protected=\"auth-done\"" entity "\r\n"

static int setup(void **state)
{
	fx_setup(state);
	fx.parts.authz = FA_AUTHZ;
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_INDEPENDENT;
	fx_start();
	return 0;
}

static void assert_no_token_on_mw(void)
{
	assert_null(strcasestr(fk.mw, "bearer"));
	assert_null(strstr(fk.mw, TOKEN));
	assert_null(strstr(fk.mw, "c2VjcmV0"));
}

static void registered(uint64_t conn)
{
	fx_register(conn, BEARER);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void test_the_core_gets_exactly_this_authorization(void **state)
{
	REQ("TOK-01", "TOK-15", "TOK-16", "TOK-17", "REG-07");
	static const char want[] =
	    "Max-Forwards: 69\r\nFrom: <" ALICE ">;tag=a1\r\nTo: <" ALICE ">\r\nCall-ID: c1\r\n"
	    "CSeq: 1 REGISTER\r\nSupported: path, outbound, gruu\r\nContact: " CONTACT "\r\n"
	    "Content-Length: 0\r\n" TNA("") "Require: path\r\n"
					    "P-Visited-Network-ID: \"ims.example.net\"\r\n";

	(void)state;
	fa_grant(IMPI, ALICE);
	fx_register(1, BEARER);
	assert_string_equal(fa.credentials, BEARER);
	assert_string_equal(fa.origin, "https://portal.example.net");
	assert_true(fa.secure);
	assert_false(fa.allow_expired);
	assert_int_equal(fk.n_requests, 1);
	if (strstr(fk.mw, want) == NULL)
		fail_msg("%s", fk.mw);
	assert_no_token_on_mw();
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void test_nothing_of_the_wics_credentials_goes_to_the_core(void **state)
{
	REQ("TOK-02", "TOK-13", "TOK-16", "SEC-07", "SEC-08");
	static const struct {
		const char *authorization, *more;
	} cases[] = {
	    {BEARER, ""},
	    {"bEARER \t " TOKEN, ""},
	    {"Bearer access_token=\"" TOKEN "\"", ""},
	    {"Bearer\r\n " TOKEN, ""},
	    {BEARER, "Proxy-Authorization: " BEARER "\r\nproxy-authorization: " BEARER "\r\n"},
	    {BEARER, "AUTHORIZATION: " DIGEST(",integrity-protected=\"tls-yes\"") "\r\n"},
	    {BEARER, "Authorization: Digest username=\"eve@ims.example.net\",realm=\"x\"\r\n"},
	    {BEARER, "Proxy-Authorization: " DIGEST(",integrity-protected=auth-done") "\r\n"},
	    {BEARER, "Authorization: Basic " TOKEN "\r\n"},
	};

	(void)state;
	fx.cfg.default_bearer = true; /* Digest and Bearer together: the token counts */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *at, *next;

		fa_reset();
		fa_grant(IMPI, ALICE);
		fx_send(1, HOME, ALICE, ALICE, CONTACT, cases[i].authorization, cases[i].more);
		assert_int_equal(fk.n_requests, i + 1);
		assert_no_token_on_mw();
		at = strcasestr(fk.mw, "authorization:");
		next = at != NULL ? strcasestr(at + 1, "authorization:") : NULL;
		if (strstr(fk.mw, TNA("")) == NULL || next != NULL)
			fail_msg("case %zu: %s", i, fk.mw);
		fk_answer("500 Server Internal Error", "");
		assert_int_equal(fk.status, 500);
	}
	fa_assert_nothing_held();
}

static void test_a_third_partys_entity_is_named_as_the_operator_wants(void **state)
{
	REQ("TOK-17");
	(void)state;
	fa_grant(IMPI, ALICE)->entity = "waf.partner.example,wwsf-p";
	fx_register(1, BEARER);
	assert_non_null(strstr(fk.mw, TNA(",authorization-entity=\"waf.partner.example,wwsf-p\"")));
	fk_answer("500 Server Internal Error", "");

	fx.cfg.tna_entity_carriage = "none";
	fx_start();
	fx_register(1, BEARER);
	assert_non_null(strstr(fk.mw, TNA("")));
	assert_null(strstr(fk.mw, "partner"));
	fk_answer("500 Server Internal Error", "");

	fx.cfg.tna_entity_carriage = "header:P-Entity";
	fx_start();
	fx_send(1, HOME, ALICE, ALICE, CONTACT, BEARER, "p-entity: spoofed\r\n");
	assert_non_null(strstr(fk.mw, TNA("")));
	assert_non_null(strstr(fk.mw, "\r\nP-Entity: waf.partner.example,wwsf-p\r\n"));
	assert_null(strstr(fk.mw, "spoofed"));
	fk_answer("500 Server Internal Error", "");

	fa_grant(IMPI, ALICE); /* our own WAF: nobody is named, and the WIC names nobody either */
	fx_send(1, HOME, ALICE, ALICE, CONTACT, BEARER, "P-Entity: spoofed\r\n");
	assert_null(strcasestr(fk.mw, "entity"));
	fk_answer("500 Server Internal Error", "");
}

static void test_an_identity_that_cannot_be_quoted_is_not_sent(void **state)
{
	REQ("SEC-23");
	(void)state;
	fa_grant("alice\"@ims.example.net", ALICE);
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 403);
	fa_grant(IMPI, ALICE)->entity = "a\",integrity-protected=\"yes";
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 500);
	fa_grant("alice@evil.example", ALICE);
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 0);
}

static void test_each_verdict_has_its_answer_and_the_core_sees_nothing(void **state)
{
	REQ("TOK-03", "TOK-04", "TOK-27", "SEC-10");
	static const struct {
		enum cscf_authz_verdict verdict;
		const char *want;
	} cases[] = {
	    {CSCF_AUTHZ_MALFORMED, "SIP/2.0 400 Phrase\r\n"},
	    {CSCF_AUTHZ_INVALID, "WWW-Authenticate: Bearer realm=\"ims.example.net\","
				 "error=\"invalid_token\"\r\n"},
	    {CSCF_AUTHZ_INVALID, "SIP/2.0 401 Phrase\r\n"},
	    {CSCF_AUTHZ_DENIED, "SIP/2.0 403 Phrase\r\n"},
	    {CSCF_AUTHZ_UNAVAILABLE, "SIP/2.0 503 Phrase\r\n"},
	    {CSCF_AUTHZ_UNAVAILABLE, "Retry-After: 7\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fa_bad(cases[i].verdict, "word", "Phrase");
		fx_register(1, BEARER);
		if (strstr(fk.w2, cases[i].want) == NULL)
			fail_msg("case %zu: %s", i, fk.w2);
		assert_null(strstr(fk.w2, TOKEN));
		fx_assert_nothing_left();
	}
	assert_int_equal(fk.n_requests, 0);
}

static void test_a_slow_verdict_holds_this_register_and_no_other(void **state)
{
	REQ("TOK-28", "REG-14");
	(void)state;
	fa_grant(IMPI, ALICE);
	fa.later = true;
	fx_register(1, BEARER);
	assert_int_equal(fk.n_requests, 0);
	assert_int_equal(fk.status, 0);
	assert_int_equal(cscf_registrar_counts(fx.r).pending, 1);
	fx_register(1, BEARER); /* REG-14: counted from its arrival */
	assert_int_equal(fk.status, 500);
	assert_non_null(strstr(fk.w2, "Retry-After: 2\r\n"));
	assert_int_equal(fa.n_verified, 1);
	fx_send(2, HOME, BOB, BOB, "<sip:b@b.invalid;transport=ws>", NULL, "");
	assert_int_equal(fk.n_requests, 1);
	fk_answer("401 Unauthorized", CHALLENGE);
	fa_answer();
	assert_int_equal(fk.n_requests, 2);
	assert_non_null(strstr(fk.mw, TNA("")));
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
}

static void test_a_wic_that_left_during_the_check_registers_nothing(void **state)
{
	REQ("TOK-28");
	(void)state;
	fa_grant(IMPI, ALICE);
	fa.later = true;
	fx_register(1, BEARER);
	fx_close(1);
	fa_answer();
	assert_int_equal(fk.n_requests, 0);
	fx_assert_nothing_left();
	fx_register(2, BEARER); /* and the end of the process during one leaves nothing behind */
	cscf_registrar_free(fx.r);
	fx.r = NULL;
	assert_int_equal(fa.n_cancelled, 1);
}

static void test_only_what_the_token_grants(void **state)
{
	REQ("TOK-13", "TOK-20");
	(void)state;
	fa_grant(IMPI, BOB);
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 403);
	fa_grant(IMPI, ALICE);
	fx_send(1, HOME, BOB, ALICE, CONTACT, BEARER, "");
	assert_int_equal(fk.status, 403); /* From is not To: never asked */
	assert_int_equal(fa.n_verified, 1);
	assert_int_equal(fk.n_requests, 0);
	fx_assert_nothing_left();
}

static void test_the_grant_is_bound_to_the_association(void **state)
{
	REQ("TOK-20", "REG-21");
	struct cscf_registrar_identity id;
	struct cscf_registrar_row row;
	const struct cscf_authz_grant *first, *second;
	uint64_t cursor = 0;

	(void)state;
	first = fa_grant(IMPI, ALICE);
	registered(1);
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_ptr_equal(id.grant, first);
	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	assert_string_equal(row.scenario, "2");
	assert_string_equal(row.issuer, "https://waf.example.net");
	assert_string_equal(row.wwsf, "wwsf-portal");
	second = fa_grant(IMPI, ALICE);
	registered(1); /* a new token takes the old one's place */
	assert_true(cscf_registrar_identify(fx.r, 1, NULL, 0, &id));
	assert_ptr_equal(id.grant, second);
	assert_int_equal(fa.held[0], 0);
	cursor = 0;
	fa_grant(IMPI, ALICE)->pool = true;
	registered(1);
	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	assert_string_equal(row.scenario, "3");
	fx_send(2, HOME, ALICE, ALICE, "<sip:y@y.invalid;transport=ws>",
		DIGEST(",uri=\"" HOME "\",nonce=\"N1\",response=\"6\",algorithm=AKAv2-SHA-256"),
		"");
	fk_answer("200 OK", "Contact: <sip:y@y.invalid;transport=ws>;expires=60\r\n" IDENTITIES);
	assert_true(cscf_registrar_next(fx.r, &cursor, &row));
	assert_string_equal(row.scenario, "1b");
	fa_bad(CSCF_AUTHZ_INVALID, "expired", "Token Expired");
	fx_register(1, BEARER); /* each REGISTER needs a good one; the association stays */
	assert_int_equal(fk.status, 401);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 2);
}

static void test_another_user_on_the_connection_is_403_and_the_first_stays(void **state)
{
	REQ("TOK-21");
	(void)state;
	fa_grant(IMPI, ALICE);
	registered(1);
	fa_grant("bob.wic@ims.example.net", ALICE);
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 403);
	fa_grant(IMPI, ALICE)->issuer = "https://other.example.net";
	fx_register(1, BEARER);
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 1);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
	assert_int_equal(fa.held[0], 1);
}

static void test_a_token_wic_goes_on_by_tokens(void **state)
{
	REQ("SEC-08", "TOK-19");
	(void)state;
	fa_grant(IMPI, ALICE);
	registered(1);
	fx_register(1, ANSWERED);
	assert_int_equal(fk.status, 403);
	fx_register(1, NULL);
	assert_int_equal(fk.status, 401);
	assert_non_null(strstr(fk.w2, "WWW-Authenticate: Bearer"));
	assert_int_equal(fk.n_requests, 1);
}

static void test_a_challenge_of_the_core_never_reaches_a_token_wic(void **state)
{
	REQ("TOK-19");
	static const char *const challenges[] = {"401 Unauthorized",
						 "407 Proxy Authentication Required"};

	(void)state;
	fa_grant(IMPI, ALICE);
	for (size_t i = 0; i < 2; i++) {
		fx_register(1, BEARER);
		fk_answer(challenges[i], CHALLENGE "Proxy-Authenticate: Digest realm=\"r\"\r\n");
		assert_int_equal(fk.status, 403);
		assert_non_null(strstr(fk.w2, "Warning: 399 epcscf1.ims.example.net "
					      "\"core requires authentication\"\r\n"));
		assert_null(strstr(fk.w2, "Digest"));
	}
	fx_register(1, BEARER);
	fk_answer("403 Forbidden", CHALLENGE "Warning: 399 s \"barred\"\r\n");
	assert_int_equal(fk.status, 403);
	assert_non_null(strstr(fk.w2, "Warning: 399 s \"barred\"\r\n")); /* TOK-18: relayed */
	assert_null(strstr(fk.w2, "Digest"));
	fx_assert_nothing_left();
}

static void test_one_connection_per_token_where_the_operator_wants_it(void **state)
{
	REQ("TOK-33");
	(void)state;
	fx.cfg.token_single_connection = true;
	fa_grant(IMPI, ALICE);
	registered(1);
	fx_send(2, HOME, ALICE, ALICE, "<sip:y@other.invalid;transport=ws>", BEARER, "");
	assert_int_equal(fk.status, 403);
	fx_register(2, BEARER); /* the same instance moves */
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
	fa_grant(IMPI, ALICE);
	fx_send(3, HOME, ALICE, ALICE, "<sip:y@other.invalid;transport=ws>", BEARER, "");
	assert_int_equal(fk.n_requests, 3); /* another token, another connection */
	fk_answer("500 Server Internal Error", "");
}

static void test_plain_ws_is_told_to_the_token_library(void **state)
{
	REQ("WS-04");
	(void)state;
	fx.plain_ws = true;
	fa_bad(CSCF_AUTHZ_DENIED, "insecure", "Token Over Insecure Connection");
	fx_register(1, BEARER);
	assert_false(fa.secure);
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_the_core_gets_exactly_this_authorization),
	    T(test_nothing_of_the_wics_credentials_goes_to_the_core),
	    T(test_a_third_partys_entity_is_named_as_the_operator_wants),
	    T(test_an_identity_that_cannot_be_quoted_is_not_sent),
	    T(test_each_verdict_has_its_answer_and_the_core_sees_nothing),
	    T(test_a_slow_verdict_holds_this_register_and_no_other),
	    T(test_a_wic_that_left_during_the_check_registers_nothing),
	    T(test_only_what_the_token_grants),
	    T(test_the_grant_is_bound_to_the_association),
	    T(test_another_user_on_the_connection_is_403_and_the_first_stays),
	    T(test_a_token_wic_goes_on_by_tokens),
	    T(test_a_challenge_of_the_core_never_reaches_a_token_wic),
	    T(test_one_connection_per_token_where_the_operator_wants_it),
	    T(test_plain_ws_is_told_to_the_token_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
