/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs and the small grammar of header values: cscf/sip/uri.c, value.c.
 */
#include "cscf/sip/uri.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_slice(struct gw_slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	if (s.n > 0)
		assert_memory_equal(s.p, text, s.n);
}

static void test_parts_of_good_uris(void **state)
{
	static const struct {
		const char *text;
		enum cscf_sip_scheme scheme;
		const char *user, *password, *host, *params, *headers;
		unsigned port;
	} cases[] = {
	    {"sip:alice@ims.example.net", CSCF_SIP_SCHEME_SIP, "alice", "", "ims.example.net", "",
	     "", 0},
	    {"SIPS:a:pw@h:5061;transport=tcp;lr?x=y&z", CSCF_SIP_SCHEME_SIPS, "a", "pw", "h",
	     "transport=tcp;lr", "x=y&z", 5061},
	    {"sip:[2001:db8::1]:5060;lr", CSCF_SIP_SCHEME_SIP, "", "", "2001:db8::1", "lr", "",
	     5060},
	    {"sip:user;par=u%40example.net@example.com", CSCF_SIP_SCHEME_SIP,
	     "user;par=u%40example.net", "", "example.com", "", "", 0},
	    {"sip:x1@df7jal23ls0d.invalid;transport=ws", CSCF_SIP_SCHEME_SIP, "x1", "",
	     "df7jal23ls0d.invalid", "transport=ws", "", 0},
	    {"tel:+1-555-0100;phone-context=example.net", CSCF_SIP_SCHEME_TEL, "+1-555-0100", "",
	     "", "phone-context=example.net", "", 0},
	    {"urn:service:sos", CSCF_SIP_SCHEME_URN, "service:sos", "", "", "", "", 0},
	    {"http://a/b", CSCF_SIP_SCHEME_OTHER, "//a/b", "", "", "", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sip_uri u;

		assert_int_equal(cscf_sip_uri_parse(&u, gw_slice_str(cases[i].text)), GW_OK);
		assert_int_equal(u.scheme, cases[i].scheme);
		assert_slice(u.user, cases[i].user);
		assert_slice(u.password, cases[i].password);
		assert_slice(u.host, cases[i].host);
		assert_slice(u.params, cases[i].params);
		assert_slice(u.headers, cases[i].headers);
		assert_int_equal(u.port, cases[i].port);
	}
}

static void test_bad_uris_are_refused(void **state)
{
	static const char *const bad[] = {
	    "",          "sip:",         "sip",          "sip:@h",         "sip:a@",
	    "sip:a@h:",  "sip:a@h:0",    "sip:a@h:x",    "sip:a@h:70000",  "sip:a@b@c",
	    "sip:a b@h", "sip:[::1",     "sip:[]",       "sip:a@h\r\n",    "<sip:a@h>",
	    "1sip:a@h",  "sip:a@h_\x7f", "sip:a@[zz]",   "sip:a@h:5060:1", ":a@h",
	    "tel:",      "tel:;x",       "sip:a@h/../x",
	};
	struct cscf_sip_uri u;

	(void)state;
	REQ("WS-28");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cscf_sip_uri_parse(&u, gw_slice_str(bad[i])), GW_ERR_PARSE);
	assert_int_equal(cscf_sip_uri_parse(&u, (struct gw_slice){"sip:a\0b@h", 9}), GW_ERR_PARSE);
}

/* The pairs of RFC 3261 s19.1.4. */
static void test_equality_of_rfc_3261(void **state)
{
	static const char *const same[][2] = {
	    {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"},
	    {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
	    {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"},
	    {"tel:+1-555-0100", "tel:+15550100"},
	    {"URN:service:SOS", "urn:service:sos"},
	};
	static const char *const different[][2] = {
	    {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
	    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
	    {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
	    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
	    {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
	    {"sip:a@h", "sips:a@h"},
	    {"sip:a@h", "sip:h"},
	    {"sip:a@h;user=phone", "sip:a@h"},
	    {"nonsense", "nonsense"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_true(
		    cscf_sip_uri_text_eq(gw_slice_str(same[i][0]), gw_slice_str(same[i][1])));
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
		assert_false(cscf_sip_uri_text_eq(gw_slice_str(different[i][0]),
						  gw_slice_str(different[i][1])));
}

static void test_canonical_identity(void **state)
{
	static const char *const cases[][2] = {
	    {"SIP:Alice%2D1@IMS.Example.NET;user=phone?x=y", "sip:Alice-1@ims.example.net"},
	    {"sip:alice:pw@h:5060", "sip:alice@h"},
	    {"sip:alice@h:5070", "sip:alice@h:5070"},
	    {"sip:a%40b@h", "sip:a%40b@h"},
	    {"sip:a%c3%a4@h", "sip:a%C3%A4@h"},
	    {"tel:+1-(555).0100;x=y", "tel:+15550100"},
	    {"sips:[2001:DB8::1]", "sips:[2001:db8::1]"},
	    {"urn:Service:SOS", "urn:service:sos"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *aor = cscf_sip_uri_aor(gw_slice_str(cases[i][0]));

		assert_non_null(aor);
		assert_string_equal(aor, cases[i][1]);
		free(aor);
	}
	assert_null(cscf_sip_uri_aor(GW_SLICE_LIT("sip:a b")));
}

static void test_websocket_targets_are_known(void **state)
{
	static const char *const yes[] = {"sip:x@a.invalid", "sip:x@A.INVALID.", "sip:invalid",
					  "sip:x@h;transport=ws", "sip:x@192.0.2.1;Transport=WSS"};
	static const char *const no[] = {"sip:x@a.invalid.com", "sip:x@notinvalid",
					 "sip:x@h;transport=tcp"};
	struct cscf_sip_uri u;

	(void)state;
	REQ("WS-15");
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		assert_int_equal(cscf_sip_uri_parse(&u, gw_slice_str(yes[i])), GW_OK);
		assert_true(cscf_sip_uri_is_websocket(&u));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_int_equal(cscf_sip_uri_parse(&u, gw_slice_str(no[i])), GW_OK);
		assert_false(cscf_sip_uri_is_websocket(&u));
	}
}

static void test_name_addr(void **state)
{
	struct cscf_sip_name_addr na;
	struct gw_slice v;

	(void)state;
	assert_int_equal(
	    cscf_sip_name_addr_parse(
		&na, GW_SLICE_LIT(" \"A <b>, \\\"c\\\"\" <sip:a@h;lr>;tag=1 ; q=\"x;y\"")),
	    GW_OK);
	assert_slice(na.display, "\"A <b>, \\\"c\\\"\"");
	assert_slice(na.uri, "sip:a@h;lr");
	assert_true(cscf_sip_param_get(na.params, "TAG", &v));
	assert_slice(v, "1");
	assert_true(cscf_sip_param_get(na.params, "q", &v));
	assert_slice(v, "\"x;y\"");
	assert_int_equal(cscf_sip_name_addr_parse(&na, GW_SLICE_LIT("sip:a@h;tag=2")), GW_OK);
	assert_slice(na.uri, "sip:a@h"); /* the parameter is the header's */
	assert_slice(na.params, "tag=2");
	assert_int_equal(cscf_sip_name_addr_parse(&na, GW_SLICE_LIT("*")), GW_OK);
	assert_true(na.star);
	for (size_t i = 0; i < 7; i++) {
		static const char *const bad[] = {
		    "", "<>", "<sip:a@h", "<sip:a@h>x", "a <b<c>", "\"x\" sip:a", "sip:a b"};

		assert_int_equal(cscf_sip_name_addr_parse(&na, gw_slice_str(bad[i])), GW_ERR_PARSE);
	}
}

static void test_lists_respect_quotes_and_brackets(void **state)
{
	struct gw_slice list =
	    GW_SLICE_LIT(" <sip:a,b@h>, \"x, y\" <sip:c@h> ,, <sip:d@h>;p=\",\" ,");
	struct gw_slice m;
	size_t cursor = 0;

	(void)state;
	assert_true(cscf_sip_list_next(list, &cursor, &m));
	assert_slice(m, "<sip:a,b@h>");
	assert_true(cscf_sip_list_next(list, &cursor, &m));
	assert_slice(m, "\"x, y\" <sip:c@h>");
	assert_true(cscf_sip_list_next(list, &cursor, &m));
	assert_slice(m, "<sip:d@h>;p=\",\"");
	assert_false(cscf_sip_list_next(list, &cursor, &m));
	assert_true(cscf_sip_list_has(GW_SLICE_LIT("Path, OUTBOUND ,gruu"), "outbound"));
	assert_true(cscf_sip_list_has(GW_SLICE_LIT("id;critical"), "id"));
	assert_false(cscf_sip_list_has(GW_SLICE_LIT("outbound2"), "outbound"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parts_of_good_uris),
	    cmocka_unit_test(test_bad_uris_are_refused),
	    cmocka_unit_test(test_equality_of_rfc_3261),
	    cmocka_unit_test(test_canonical_identity),
	    cmocka_unit_test(test_websocket_targets_are_known),
	    cmocka_unit_test(test_name_addr),
	    cmocka_unit_test(test_lists_respect_quotes_and_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
