/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which credentials count: auth.schemes per domain, auth.default_scheme, digest.excluded_ranges,
 * aka.allow_v1, and Digest and Bearer together.
 */
#include "reg_fixture.h"

#include "cscf/registrar/scheme.h"
#include "tests/lib/req.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

#define HOME    "sip:ims.example.net"
#define ALICE   "sip:alice@ims.example.net"
#define OTHER   "sip:example.org"
#define CAROL   "sip:carol@example.org"
#define BEARER  "Bearer abc.def"
#define AKA_V1  DIGEST(",uri=\"sip:ims.example.net\",nonce=\"\",response=\"\",algorithm=AKAv1-MD5")
#define AKA_V2                                                                                     \
	DIGEST(",uri=\"sip:ims.example.net\",nonce=\"\",response=\"\",algorithm=AKAv2-SHA-256")

static char *texts[8];
static struct gw_conf_list schemes = {texts, 0}, ranges;

static int setup(void **state)
{
	fx_setup(state);
	fx.parts.authz = FA_AUTHZ;
	fx.cfg.lifetime_policy = CSCF_REGISTRAR_LIFETIME_INDEPENDENT;
	fx.cfg.auth_schemes = &schemes;
	schemes.n = 0;
	fx_start();
	return 0;
}

static void allow(const char *one, const char *two)
{
	static char a[64], b[64];

	snprintf(a, sizeof(a), "%s", one);
	snprintf(b, sizeof(b), "%s", two != NULL ? two : "");
	texts[0] = a;
	texts[1] = b;
	schemes.n = two != NULL ? 2 : 1;
	fx_start();
}

/* What came of one REGISTER: the status here, or 0 when the core was asked. */
static int outcome(const char *uri, const char *who, const char *authorization)
{
	unsigned before = fk.n_requests;
	int status;

	fa_grant("alice.wic@ims.example.net", who);
	fx_send(1, uri, who, who, CONTACT, authorization, "");
	status = fk.n_requests > before ? 0 : fk.status;
	if (fk.n_requests > before)
		fk_answer("500 Server Internal Error", "");
	fa.n_grants = 0;
	return status;
}

static void test_each_scheme_is_allowed_or_refused_by_the_domain(void **state)
{
	REQ("SEC-18", "REG-16");
	static const struct {
		const char *one, *two;
		int none, md5, v1, v2, bearer;
	} cases[] = {
	    {"digest+aka+bearer", NULL, 0, 0, 403, 0, 0},
	    {"digest", "aka", 0, 0, 403, 0, 403},
	    {"aka", NULL, 0, 403, 403, 0, 403},
	    {"digest", NULL, 0, 0, 403, 403, 403},
	    {"bearer", NULL, 401, 403, 403, 403, 0},
	    {"bearer", "example.org=digest", 401, 403, 403, 403, 0},
	    {"digest", "ims.example.net=bearer", 401, 403, 403, 403, 0},
	    {"digest", "IMS.example.NET=aka+bearer", 0, 403, 403, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int got[] = {
		    (allow(cases[i].one, cases[i].two), outcome(HOME, ALICE, NULL)),
		    outcome(HOME, ALICE, INITIAL),
		    outcome(HOME, ALICE, AKA_V1),
		    outcome(HOME, ALICE, AKA_V2),
		    outcome(HOME, ALICE, BEARER),
		};
		const int want[] = {cases[i].none, cases[i].md5, cases[i].v1, cases[i].v2,
				    cases[i].bearer};

		for (size_t k = 0; k < 5; k++)
			if (got[k] != want[k])
				fail_msg("case %zu, credential %zu: %d", i, k, got[k]);
	}
}

static void test_the_laxer_domain_is_no_way_into_the_stricter(void **state)
{
	REQ("SEC-18");
	(void)state;
	allow("aka", "example.org=digest");
	assert_int_equal(outcome(OTHER, CAROL, INITIAL), 0);
	assert_int_equal(outcome(HOME, ALICE, INITIAL), 403);
	assert_int_equal(outcome(OTHER, ALICE, INITIAL), 403);
	assert_int_equal(outcome(HOME, CAROL, INITIAL), 403);
}

static void test_akav1_only_where_the_operator_wants_it(void **state)
{
	REQ("SEC-18");
	(void)state;
	fx.cfg.aka_allow_v1 = true;
	allow("aka", NULL);
	assert_int_equal(outcome(HOME, ALICE, AKA_V1), 0);
	assert_null(strstr(fk.mw, "tls-connected"));
	assert_int_equal(outcome(HOME, ALICE, INITIAL), 403);
	allow("digest", NULL);
	assert_int_equal(outcome(HOME, ALICE, AKA_V1), 403);
}

static void test_no_credentials_is_the_default_scheme(void **state)
{
	REQ("REG-16", "TOK-03");
	(void)state;
	assert_int_equal(outcome(HOME, ALICE, NULL), 0);
	assert_null(strstr(fk.mw, "Authorization"));
	fx.cfg.default_bearer = true;
	assert_int_equal(outcome(HOME, ALICE, NULL), 401);
	assert_non_null(strstr(fk.w2, "WWW-Authenticate: Bearer realm=\"ims.example.net\"\r\n"));
	assert_int_equal(outcome(HOME, ALICE, "Basic YTpi"), 401); /* none that we know */
	assert_int_equal(outcome(HOME, ALICE, INITIAL), 0);
	allow("digest", NULL); /* a default that is not allowed is none */
	assert_int_equal(outcome(HOME, ALICE, NULL), 0);
}

static void test_digest_from_an_excluded_range_is_refused(void **state)
{
	REQ("SEC-16");
	static char range4[] = "198.51.100.0/24", range6[] = "2001:db8::/32";
	static char *both[] = {range4, range6};

	(void)state;
	ranges = (struct gw_conf_list){both, 2};
	fx.cfg.digest_excluded_ranges = &ranges;
	assert_int_equal(outcome(HOME, ALICE, INITIAL), 0);
	fx.peer = "198.51.100.7:1";
	assert_int_equal(outcome(HOME, ALICE, INITIAL), 403);
	assert_int_equal(outcome(HOME, ALICE, AKA_V2), 0);
	assert_int_equal(outcome(HOME, ALICE, BEARER), 0);
	fx.peer = "[2001:db8::1]:1";
	assert_int_equal(outcome(HOME, ALICE, ANSWERED), 403);
	fx.peer = "198.51.101.7:1";
	assert_int_equal(outcome(HOME, ALICE, INITIAL), 0);
}

static void both_schemes(const char *kept, const char *dropped)
{
	fa_grant("alice.wic@ims.example.net", ALICE);
	fx_send(1, HOME, ALICE, ALICE, CONTACT, ANSWERED, "Authorization: " BEARER "\r\n");
	assert_non_null(strstr(fk.mw, kept));
	assert_null(strstr(fk.mw, dropped));
	assert_null(strstr(fk.mw, "abc.def"));
	fk_answer("500 Server Internal Error", "");
	fa.n_grants = 0;
}

static void test_of_two_schemes_the_policys_counts(void **state)
{
	REQ("SEC-08");
	(void)state;
	both_schemes(ANSWERED, "auth-done");
	fx.cfg.default_bearer = true;
	both_schemes("auth-done", "6629");
	allow("digest", NULL);
	both_schemes(ANSWERED, "auth-done");
	allow("bearer", NULL);
	fx.cfg.default_bearer = false;
	both_schemes("auth-done", "6629");
	fx_send(1, HOME, ALICE, ALICE, CONTACT, BEARER, "Authorization: " BEARER "\r\n");
	assert_int_equal(fk.status, 400);
	fx_send(1, HOME, ALICE, ALICE, CONTACT, INITIAL, "AUTHORIZATION: " INITIAL "\r\n");
	assert_int_equal(fk.status, 400);
}

static void test_a_digest_user_goes_on_by_digest(void **state)
{
	REQ("SEC-08");
	(void)state;
	fx.cfg.default_bearer = true;
	fx_registered(1);
	fa_grant("alice.wic@ims.example.net", ALICE);
	fx_send(1, HOME, ALICE, ALICE, CONTACT, ANSWERED, "Authorization: " BEARER "\r\n");
	assert_non_null(strstr(fk.mw, "integrity-protected=\"tls-yes\""));
	assert_null(strstr(fk.mw, "abc.def"));
	fk_answer("200 OK", OK_200);
}

static void test_a_policy_that_makes_no_sense_is_named(void **state)
{
	REQ("SEC-18");
	static const char *const bad[] = {
	    "basic", "digest+basic", "evil.example=aka", "ims.example.net=", "+", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char entry[64], *list[] = {entry}, why[256] = "";
		struct gw_conf_list one = {list, 1};

		snprintf(entry, sizeof(entry), "%s", bad[i]);
		fx.cfg.auth_schemes = &one;
		assert_int_equal(cscf_registrar_check_config(&fx.cfg, why, sizeof(why)),
				 GW_ERR_INVAL);
		assert_non_null(strstr(why, "auth.schemes"));
	}
	fx.cfg.auth_schemes = NULL;
	fx.cfg.tna_entity_carriage = "header:Bad Name";
	assert_int_equal(cscf_registrar_check_config(&fx.cfg, (char[256]){0}, 256), GW_ERR_INVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_each_scheme_is_allowed_or_refused_by_the_domain),
	    T(test_the_laxer_domain_is_no_way_into_the_stricter),
	    T(test_akav1_only_where_the_operator_wants_it),
	    T(test_no_credentials_is_the_default_scheme),
	    T(test_digest_from_an_excluded_range_is_refused),
	    T(test_of_two_schemes_the_policys_counts),
	    T(test_a_digest_user_goes_on_by_digest),
	    T(test_a_policy_that_makes_no_sense_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
