/* SPDX-License-Identifier: Apache-2.0 */
/* What never reaches the core: wrong passwords again and again, and too many at once. */
#include "cscf/registrar/reg_int.h"
#include "reg_fixture.h"

#include "tests/lib/req.h"

static void start(int64_t max_failures, int64_t rate)
{
	fx.cfg.max_failures = max_failures;
	fx.cfg.block_time = 60000;
	fx.cfg.max_initial_rate = rate;
	fx.cfg.retry_after_s = 10;
	fx.cfg.retry_after_max_s = 60;
	fx.cfg.fail_close_delay = 60000;
	fx_start();
}

/* One wrong password on a connection; the core says so with this answer. */
static void guess(uint64_t conn, const char *answer, const char *fields)
{
	fx_register(conn, ANSWERED);
	if (fk.status == 0)
		fk_answer(answer, fields);
}

static void test_after_five_wrong_passwords_the_core_is_not_asked(void **state)
{
	REQ("SEC-14");
	(void)state;
	start(5, 0);
	for (int i = 0; i < 5; i++)
		guess(3, "403 Forbidden", "");
	assert_int_equal(fk.n_requests, 5);
	guess(3, "403 Forbidden", "");
	assert_int_equal(fk.status, 403);
	guess(4, "200 OK", OK_200); /* another connection, same address, right or wrong */
	assert_int_equal(fk.status, 403);
	fx_register(4, INITIAL); /* the question is not passed on either */
	assert_int_equal(fk.status, 403);
	fx_register(4, NULL); /* nor with the IMPI left out */
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 5);
	fx.peer = "203.0.113.8:5000";
	guess(5, "200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void test_a_challenge_instead_of_a_refusal_is_a_failure_too(void **state)
{
	REQ("SEC-14");
	(void)state;
	start(5, 0);
	for (int i = 0; i < 5; i++)
		guess(3, "401 Unauthorized", CHALLENGE);
	guess(3, "401 Unauthorized", CHALLENGE);
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 5);
}

static void test_what_is_no_failure(void **state)
{
	REQ("SEC-13", "SEC-14");
	static const char auts[] =
	    DIGEST(",uri=\"sip:ims.example.net\",nonce=\"N1\",response=\"66\","
		   "algorithm=AKAv2-SHA-256,auts=\"CjkyMzRiOiB5CjE=\"");
	(void)state;
	start(1, 0);
	guess(3, "401 Unauthorized",
	      "WWW-Authenticate: Digest realm=\"ims.example.net\",nonce=\"N2\",stale=TRUE\r\n");
	guess(3, "500 Server Internal Error", "");
	guess(3, "423 Interval Too Brief", "Min-Expires: 60\r\n");
	fx_register(3, auts);
	fk_answer("401 Unauthorized", CHALLENGE);
	fx_register(3, INITIAL);
	fk_answer("403 Forbidden", ""); /* there was no password in it */
	fx_register(3, ANSWERED);
	fk_answer_as("503 Service Unavailable", "", CSCF_SIP_CAUSE_TRANSPORT);
	guess(3, "200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void test_who_is_registered_is_not_throttled(void **state)
{
	REQ("SEC-12", "SEC-14");
	unsigned asked;

	(void)state;
	start(1, 0);
	fx_registered(2);
	/* an outsider at the same address, by another device */
	fx_send(3, "sip:ims.example.net", "sip:alice@ims.example.net", "sip:alice@ims.example.net",
		"<sip:evil@d.invalid;transport=ws>;expires=600", ANSWERED, "");
	fk_answer("403 Forbidden", "");
	asked = fk.n_requests;
	fx_send(3, "sip:ims.example.net", "sip:alice@ims.example.net", "sip:alice@ims.example.net",
		"<sip:evil@d.invalid;transport=ws>;expires=600", ANSWERED, "");
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, asked);
	/* alice refreshes, fails on a bad day, and is still let through */
	for (int i = 0; i < 3; i++) {
		fx_register(2, ANSWERED);
		fk_answer("403 Forbidden", "");
	}
	fx_register(2, ANSWERED);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
	/* and so is her device on a new connection */
	fx_register(4, ANSWERED);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void test_initial_registrations_over_the_rate_are_503(void **state)
{
	REQ("REG-85");
	const char *after;

	(void)state;
	start(0, 1);
	fx_register(2, INITIAL);
	fk_answer("401 Unauthorized", CHALLENGE);
	fx_register(3, INITIAL);
	assert_int_equal(fk.status, 503);
	after = strstr(fk.w2, "Retry-After: ");
	assert_non_null(after);
	assert_in_range(atoi(after + strlen("Retry-After: ")), 10, 60);
	assert_int_equal(fk.n_requests, 1);
	fx_register(3, ANSWERED); /* an answer that nobody asked for is no way round */
	assert_int_equal(fk.status, 503);
	fx_register(2, ANSWERED); /* that of who was let in passes */
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
	fx_register(2, ANSWERED); /* and so do refreshes, as many as there are */
	fk_answer("200 OK", OK_200);
	fx_register(2, ANSWERED);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
	assert_int_equal(fk.n_requests, 4);
}

static void test_one_challenge_lets_one_answer_in(void **state)
{
	REQ("REG-85");
	(void)state;
	start(0, 1);
	fx_register(2, INITIAL);
	fk_answer("401 Unauthorized", CHALLENGE);
	fx_register(2, ANSWERED);
	fk_answer("403 Forbidden", "");
	fx_register(2, ANSWERED);
	assert_int_equal(fk.status, 503);
	assert_int_equal(fk.n_requests, 2);
}

static void test_forged_tokens_are_failures_those_of_honest_pages_are_not(void **state)
{
	REQ("SEC-14");
	static const enum cscf_authz_reason honest[] = {CSCF_AUTHZ_R_EXPIRED, CSCF_AUTHZ_R_INACTIVE,
							CSCF_AUTHZ_R_KEY, CSCF_AUTHZ_R_NOT_YET,
							CSCF_AUTHZ_R_AUDIENCE};
	static const enum cscf_authz_reason forged[] = {CSCF_AUTHZ_R_SIGNATURE, CSCF_AUTHZ_R_ALG,
							CSCF_AUTHZ_R_ISSUER,
							CSCF_AUTHZ_R_NOT_A_TOKEN};

	(void)state;
	fx.parts.authz = FA_AUTHZ;
	start(4, 0);
	fa_bad(CSCF_AUTHZ_INVALID, "word", "Phrase");
	for (size_t i = 0; i < 30; i++) {
		fa.result.reason = honest[i % 5];
		fx_register(3, "Bearer abc.def.ghi");
		assert_int_equal(fk.status, 401);
	}
	for (size_t i = 0; i < 4; i++) {
		fa.result.reason = forged[i];
		fx_register(3, "Bearer abc.def.ghi");
		assert_int_equal(fk.status, 401);
	}
	fx_register(3, "Bearer abc.def.ghi"); /* the WAF is not asked any more either */
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 0);
}

static void query(uint64_t conn, const char *authorization)
{
	fx_send(conn, "sip:ims.example.net", "sip:alice@ims.example.net",
		"sip:alice@ims.example.net", NULL, authorization, "");
}

static void test_a_guess_without_contact_is_a_guess(void **state)
{
	REQ("SEC-14", "REG-12");
	(void)state;
	start(5, 0);
	for (int i = 0; i < 9; i++) { /* but a question is none */
		query(3, INITIAL);
		fk_answer("401 Unauthorized", CHALLENGE);
	}
	for (int i = 0; i < 5; i++) {
		query(3, ANSWERED);
		fk_answer("401 Unauthorized", CHALLENGE);
	}
	query(3, ANSWERED);
	assert_int_equal(fk.status, 403);
	fx_register(4, ANSWERED);
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 14);
}

#define AUTS(algorithm)                                                                            \
	DIGEST(",uri=\"sip:ims.example.net\",nonce=\"N1\",response=\"66\",algorithm=" algorithm    \
	       ",auts=\"CjkyMzRiOiB5CjE=\"")

static void test_auts_is_no_way_round(void **state)
{
	REQ("SEC-14");
	(void)state;
	start(5, 0);
	for (int i = 0; i < 5; i++) { /* not of AKA: a password like any other */
		fx_register(3, AUTS("MD5"));
		fk_answer("401 Unauthorized", CHALLENGE);
	}
	fx_register(3, AUTS("MD5"));
	assert_int_equal(fk.status, 403);
	start(5, 0);
	for (int i = 0; i < 6; i++) { /* of AKA: the first is a card out of step */
		fx_register((uint64_t)(4 + i), AUTS("AKAv2-SHA-256"));
		fk_answer("401 Unauthorized", CHALLENGE);
		assert_int_equal(fk.status, 401);
	}
	fx_register(10, AUTS("AKAv2-SHA-256"));
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 11);
}

static void test_being_registered_is_no_licence_to_guess_at_others(void **state)
{
	REQ("SEC-14");
	static const char bob[] =
	    "Digest username=\"bob@ims.example.net\",realm=\"ims.example.net\","
	    "uri=\"sip:ims.example.net\",nonce=\"N1\",response=\"6629\"";
	static const char to[] = "sip:bob@ims.example.net";
	unsigned asked;

	(void)state;
	fx.cfg.multi_impi = true;
	start(5, 0);
	fx_registered(2);
	for (int i = 0; i < 5; i++) {
		fx_send(2, "sip:ims.example.net", to, to, CONTACT, bob, "");
		fk_answer("403 Forbidden", "");
	}
	asked = fk.n_requests;
	fx_send(2, "sip:ims.example.net", to, to, CONTACT, bob, "");
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, asked);
	fx_register(2, ANSWERED); /* her own registration is not touched */
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

/* So many first REGISTERs; how many reach the core? */
static unsigned crowd(uint64_t conn, unsigned n)
{
	unsigned before = fk.n_requests;

	while (n-- > 0) {
		fx_register(conn, INITIAL);
		if (fk.status == 0)
			fk_answer("401 Unauthorized", CHALLENGE);
	}
	return fk.n_requests - before;
}

static void test_one_source_does_not_take_the_rate_of_all(void **state)
{
	REQ("REG-85");
	unsigned n;
	int64_t began;
	int64_t meanwhile; /* tokens */

	(void)state;
	start(0, 100);
	began = reg_now_ms();
	n = crowd(3, 500);
	meanwhile = (reg_now_ms() - began) * 100 / 1000 + 1;
	/* its share of 5, half of the rest, what both buckets got meanwhile */
	assert_in_range(n, 50, 56 + 2 * meanwhile);
	fx.peer = "203.0.113.8:5000";
	assert_in_range(crowd(4, 5), 5, 5);
	fx.peer = "203.0.113.9:5000";
	assert_in_range(crowd(5, 5), 5, 5);
}

/* A REGISTER of that device, left with the core; *way is how to answer it later. */
struct way {
	const struct cscf_sip_client_cbs *cbs;
	void *arg;
	gw_handle client;
	const struct cscf_sip_msg *request;
};

static struct way under_way(uint64_t conn, const char *to, const char *authorization)
{
	char contact[100];

	snprintf(contact, sizeof(contact), "<sip:x%u@d.invalid;transport=ws>;expires=600",
		 (unsigned)conn);
	fx_send(conn, "sip:ims.example.net", to, to, contact, authorization, "");
	return (struct way){fk.cbs, fk.arg, fk.client, fk.request};
}

static int answer_ok(const struct way *way, uint64_t conn)
{
	char fields[600];

	fk.cbs = way->cbs;
	fk.arg = way->arg;
	fk.client = way->client;
	fk.status = 0;
	snprintf(fields, sizeof(fields),
		 "Contact: <sip:x%u@d.invalid;transport=ws>;expires=600\r\n" IDENTITIES,
		 (unsigned)conn);
	fk_answer("200 OK", fields);
	return fk.status;
}

static void test_outsiders_under_way_take_nobodys_place(void **state)
{
	REQ("SEC-14", "REG-45");
	static const char *const to[] = {"sip:alice@ims.example.net", "sip:a@ims.example.net",
					 "sip:b@ims.example.net", "sip:c@ims.example.net"};
	(void)state;
	start(5, 0);
	for (size_t i = 0; i < 4; i++) /* garbage in her name from one foreign socket */
		(void)under_way(3, to[i], ANSWERED);
	for (uint64_t conn = 4; conn < 8; conn++) /* and from several */
		(void)under_way(conn, to[0], ANSWERED);
	assert_int_equal(fk.n_requests, 8);
	fx_register(2, ANSWERED);
	assert_int_equal(fk.status, 0); /* not refused here */
	assert_int_equal(fk.n_requests, 9);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static void test_the_limit_holds_when_several_are_let_in_at_once(void **state)
{
	REQ("REG-45");
	struct way ways[3];

	(void)state;
	start(5, 0); /* assoc.max_per_impi is 2 */
	for (uint64_t i = 0; i < 3; i++)
		ways[i] = under_way(2 + i, "sip:alice@ims.example.net", ANSWERED);
	assert_int_equal(answer_ok(&ways[0], 2), 200);
	assert_int_equal(answer_ok(&ways[1], 3), 200);
	fk.request = ways[2].request;
	assert_int_equal(answer_ok(&ways[2], 4), 403);
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 2);
}

static void test_good_tokens_under_way_count(void **state)
{
	REQ("REG-45", "TOK-13");
	(void)state;
	fx.parts.authz = FA_AUTHZ;
	start(5, 0);
	fa_grant("alice.wic@ims.example.net", "sip:alice@ims.example.net");
	(void)under_way(3, "sip:alice@ims.example.net", "Bearer abc.def.ghi");
	(void)under_way(4, "sip:alice@ims.example.net", "Bearer abc.def.ghi");
	assert_int_equal(fk.n_requests, 2);
	(void)under_way(5, "sip:alice@ims.example.net", "Bearer abc.def.ghi");
	assert_int_equal(fk.status, 403);
	assert_int_equal(fk.n_requests, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_after_five_wrong_passwords_the_core_is_not_asked),
	    T(test_a_challenge_instead_of_a_refusal_is_a_failure_too),
	    T(test_what_is_no_failure),
	    T(test_who_is_registered_is_not_throttled),
	    T(test_initial_registrations_over_the_rate_are_503),
	    T(test_one_challenge_lets_one_answer_in),
	    T(test_forged_tokens_are_failures_those_of_honest_pages_are_not),
	    T(test_a_guess_without_contact_is_a_guess),
	    T(test_auts_is_no_way_round),
	    T(test_being_registered_is_no_licence_to_guess_at_others),
	    T(test_one_source_does_not_take_the_rate_of_all),
	    T(test_outsiders_under_way_take_nobodys_place),
	    T(test_the_limit_holds_when_several_are_let_in_at_once),
	    T(test_good_tokens_under_way_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
