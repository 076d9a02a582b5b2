/* SPDX-License-Identifier: Apache-2.0 */
/* Table 4.1, both directions: what never crosses the boundary, and that the rest does. */
#include "tests/lib/req.h"

#include "cscf/registrar/trust.h"
#include "cscf/sip/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REQUEST                                                                                    \
	"MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"                                              \
	"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"                                \
	"From: <sip:alice@ims.example.net>;tag=a1\r\nTo: <sip:bob@ims.example.net>\r\n"            \
	"Call-ID: c1\r\nCSeq: 1 MESSAGE\r\n"
#define RESPONSE                                                                                   \
	"SIP/2.0 200 OK\r\n"                                                                       \
	"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"                                \
	"From: <sip:alice@ims.example.net>;tag=a1\r\nTo: <sip:bob@ims.example.net>;tag=b\r\n"      \
	"Call-ID: c1\r\nCSeq: 1 MESSAGE\r\n"
#define REGISTER_OK                                                                                \
	"SIP/2.0 200 OK\r\n"                                                                       \
	"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"                                \
	"From: <sip:alice@ims.example.net>;tag=a1\r\nTo: <sip:alice@ims.example.net>;tag=b\r\n"    \
	"Call-ID: c1\r\nCSeq: 1 REGISTER\r\n"

static char *strip(const char *head, const char *field, bool from_wic)
{
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_sip_msg *m = NULL;
	char text[4096], *out;

	snprintf(text, sizeof(text), "%s%s\r\nContent-Length: 0\r\n\r\n", head, field);
	assert_int_equal(cscf_sip_msg_parse(&m, text, strlen(text), &limits, false, NULL), GW_OK);
	assert_int_equal(from_wic ? cscf_trust_strip_from_wic(m) : cscf_trust_strip_to_wic(m),
			 GW_OK);
	out = cscf_sip_msg_print(m, NULL);
	cscf_sip_msg_free(m);
	assert_non_null(out);
	return out;
}

/* field, does it reach the core from a WIC, does it reach a WIC from the core */
static const struct {
	const char *field;
	bool up, down;
} cases[] = {
    {"P-Asserted-Identity: <sip:mallory@ims.example.net>", false, true},
    {"P-Preferred-Identity: <sip:alice@ims.example.net>", false, false},
    {"P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel", false, false},
    {"P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel", true, false},
    {"P-Charging-Vector: icid-value=\"x\"", false, false},
    {"P-Charging-Function-Addresses: ccf=192.0.2.60", false, false},
    {"P-Visited-Network-ID: \"evil\"", false, false},
    {"Path: <sip:evil.example;lr>", false, true},
    {"Service-Route: <sip:orig@scscf1.ims.example.net;lr>", false, false},
    {"P-Associated-URI: <sip:alice@ims.example.net>", false, false},
    {"Cellular-Network-Info: 3GPP-E-UTRAN-FDD;cell-info-age=1", false, false},
    {"P-Served-User: <sip:alice@ims.example.net>", false, false},
    {"P-Profile-Key: <sip:x@ims.example.net>", false, false},
    {"P-User-Database: <aaa://hss.ims.example.net>", false, false},
    {"P-Private-Network-Indication: x", false, false},
    {"History-Info: <sip:bob@ims.example.net>;index=1", false, true},
    {"Resource-Priority: wps.0", false, true},
    {"P-Early-Media: sendrecv", false, false},
    {"Feature-Caps: *;+g.3gpp.atcf", false, true},
    {"Restoration-Info: noresponse", false, false},
    {"Relayed-Charge: x", false, false},
    {"Service-Interact-Info: x", false, false},
    {"Response-Source: x", false, false},
    {"Attestation-Info: A", false, false},
    {"Origination-Id: x", false, false},
    {"Additional-Identity: <sip:x@y>", false, false},
    {"Security-Client: tls", false, false},
    {"Security-Verify: tls", false, false},
    {"Priority: psap-callback", false, true},
    {"Priority: urgent", true, true},
    {"Authorization: Bearer abc.def", false, true},
    {"Proxy-Authorization: Bearer abc.def", false, true},
    {"PROXY-AUTHORIZATION: bEaReR\tabc.def", false, true},
    {"Authorization: Bearer access_token=\"abc.def\"", false, true},
    {"Authorization: Basic YTpi, Bearer abc.def", false, true},
    {"Authorization: Digest username=\"a\", Bearer abc.def", false, true},
    {"Authorization: Basic YTpi", false, true},
    {"Authorization: Foo x=y, Digest username=\"bob@h\"", false, true},
    {"Authorization: Foo Bearer,eyJ.eyJ.c2ln", false, true},
    {"Authorization: Foo token=eyJ.eyJ.c2ln", false, true},
    {"Proxy-Authorization: Foo eyJ.eyJ.c2ln", false, true},
    {"Authorization: Digest username=\"a\",response=\"\",username=\"bob\"", false, true},
    {"Proxy-Authorization: Digest nonce=\"n\",Nonce=\"m\"", false, true},
    {"Proxy-Authorization: Digest username=\"a\",nonce=\"n\",response=\"r\"", true, true},
    {"P-Access-Network-Info: 3GPP-E-UTRAN-FDD;network-provided", false, false},
    {"P-Access-Network-Info: IEEE-802.11", false, false},
    {"Identity: eyJ0;info=<https://a.example/c>;alg=ES256", false, true},
    {"X-Unknown-To-Us: \"kept, as it is\" ;a=b", true, true},
    {"Session-ID: ab30317f1a784dc48ff824d0d3715d86", true, true},
    {"Reason: SIP;cause=200", true, true},
};

static void test_requests_cross_the_boundary_without_these_fields(void **state)
{
	REQ("SEC-06", "CALL-20", "ID-12", "ID-17", "SEC-15");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned down = 0; down < 2; down++) {
			char *out = strip(REQUEST, cases[i].field, down == 0);
			bool want = down == 0 ? cases[i].up : cases[i].down;

			if ((strstr(out, cases[i].field) != NULL) != want)
				fail_msg("%s %s: %s", down == 0 ? "up" : "down", cases[i].field,
					 out);
			free(out);
		}
	}
}

static void test_responses_of_a_wic_are_filtered_like_requests(void **state)
{
	REQ("ID-15", "SEC-06");
	char *out = strip(RESPONSE,
			  "P-Charging-Vector: icid-value=\"x\"\r\nReason: SIP;cause=404\r\n"
			  "P-Asserted-Identity: <sip:x@ims.example.net>\r\nAllow: INVITE",
			  true);

	(void)state;
	assert_null(strstr(out, "P-Charging-Vector"));
	assert_null(strstr(out, "Reason:"));
	assert_null(strstr(out, "P-Asserted-Identity"));
	assert_non_null(strstr(out, "Allow: INVITE"));
	free(out);
}

static void test_integrity_protected_never_survives(void **state)
{
	REQ("SEC-07", "REG-07");
	static const char *const forged[] = {
	    "integrity-protected=\"auth-done\"", "integrity-protected=auth-done",
	    "INTEGRITY-PROTECTED=\"TLS-YES\"",   "integrity-protected = yes",
	    "authorization-entity=\"waf\"",      "ik=\"00\",ck=\"11\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		char field[512], *out;

		snprintf(field, sizeof(field),
			 "Authorization: Digest username=\"alice\",%s,realm=\"r\",\r\n "
			 "response=\"6629\",uri=\"sip:a,b\"",
			 forged[i]);
		out = strip(REQUEST, field, true);
		assert_null(strcasestr(out, "integrity-protected"));
		assert_null(strcasestr(out, "authorization-entity"));
		assert_null(strstr(out, "ik="));
		assert_null(strstr(out, "ck="));
		assert_non_null(strstr(out, "username=\"alice\""));
		assert_non_null(strstr(out, "uri=\"sip:a,b\""));
		free(out);
	}
}

static void test_challenge_loses_the_core_keys_only(void **state)
{
	REQ("REG-20", "REG-33");
	char *out = strip(REGISTER_OK,
			  "WWW-Authenticate: Digest realm=\"r\",nonce=\"N1\",ik=\"0a\","
			  "algorithm=AKAv2-SHA-256,ck=\"0b\",qop=\"auth\"\r\n"
			  "WWW-Authenticate: Digest realm=\"r\",nonce=\"N2\",algorithm=MD5",
			  false);

	(void)state;
	assert_null(strstr(out, "ik="));
	assert_null(strstr(out, "ck="));
	assert_non_null(strstr(out, "WWW-Authenticate: Digest realm=\"r\",nonce=\"N1\","
				    "algorithm=AKAv2-SHA-256,qop=\"auth\"\r\n"
				    "WWW-Authenticate: Digest realm=\"r\",nonce=\"N2\","
				    "algorithm=MD5\r\n"));
	free(out);
}

static void test_register_200_keeps_route_and_identities(void **state)
{
	REQ("REG-27", "REG-29");
	char *out = strip(REGISTER_OK,
			  "Service-Route: <sip:orig@scscf1.ims.example.net;lr>\r\n"
			  "P-Associated-URI: <sip:alice@ims.example.net>\r\n"
			  "Authentication-Info: nextnonce=\"N2\"\r\n"
			  "P-Charging-Vector: icid-value=\"x\";term-ioi=\"y\"\r\n"
			  "P-Charging-Function-Addresses: ccf=192.0.2.60",
			  false);

	(void)state;
	assert_non_null(strstr(out, "Service-Route: <sip:orig@scscf1.ims.example.net;lr>\r\n"));
	assert_non_null(strstr(out, "P-Associated-URI: <sip:alice@ims.example.net>\r\n"));
	assert_non_null(strstr(out, "Authentication-Info: nextnonce=\"N2\"\r\n"));
	assert_null(strstr(out, "P-Charging"));
	free(out);
}

static void test_privacy_id_hides_the_caller(void **state)
{
	REQ("ID-11");
	const char *pai = "P-Asserted-Identity: <sip:bob@ims.example.net>";
	char field[256], *out;

	(void)state;
	snprintf(field, sizeof(field), "Privacy: header;id\r\n%s", pai);
	out = strip(REQUEST, field, false);
	assert_null(strstr(out, "P-Asserted-Identity"));
	assert_non_null(strstr(out, "Privacy: header;id"));
	free(out);
	snprintf(field, sizeof(field), "Privacy: user\r\nPrivacy: id\r\n%s", pai);
	out = strip(REQUEST, field, false);
	assert_null(strstr(out, "P-Asserted-Identity"));
	free(out);
	snprintf(field, sizeof(field), "Privacy: none\r\n%s", pai);
	out = strip(REQUEST, field, false);
	assert_non_null(strstr(out, pai));
	free(out);
}

static void test_calling_party_category_is_cut_out_of_uris(void **state)
{
	REQ("SEC-06");
	char *out = strip(REQUEST,
			  "Route: <sip:p.example;cpc=operator;lr;oli=2>,<sip:q.example;lr;iotl>\r\n"
			  "Contact: <sip:x@y.invalid;cpc=kept;transport=ws>",
			  true);

	(void)state;
	assert_non_null(strstr(out, "Route: <sip:p.example;lr>,<sip:q.example;lr>\r\n"));
	assert_non_null(strstr(out, "Contact: <sip:x@y.invalid;cpc=kept;transport=ws>\r\n"));
	free(out);
	out = strip("MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
		    "v: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"
		    "f: <sip:alice@ims.example.net;cpc=operator>;tag=a1\r\n"
		    "t: <sip:bob@ims.example.net>\r\ni: c1\r\nCSeq: 1 MESSAGE\r\n",
		    "Priority: normal\r\nPriority: psap-callback", true);
	assert_null(strstr(out, "cpc"));
	assert_null(strstr(out, "psap-callback"));
	free(out);
}

static void test_sec_agree_tag_is_taken_out_of_supported(void **state)
{
	REQ("SEC-15");
	char *out = strip(REQUEST, "Supported: path, sec-agree, outbound", true);

	(void)state;
	assert_null(strstr(out, "sec-agree"));
	assert_non_null(strstr(out, "path"));
	assert_non_null(strstr(out, "outbound"));
	free(out);
	out = strip(REQUEST, "Supported: path, sec-agree;q=1, outbound\r\nk: sec-agree;", true);
	assert_null(strstr(out, "sec-agree"));
	assert_non_null(strstr(out, "Supported: path, outbound"));
	free(out);
	out = strip(REQUEST, "Supported: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,sec-agree,x",
		    true);
	assert_non_null(strstr(out, ", v, w, x\r\n")); /* blanks come in: longer than it was */
	free(out);
}

static void set(const struct cscf_trust_options *options)
{
	char why[128] = "";

	assert_int_equal(cscf_trust_set(options, why, sizeof(why)), GW_OK);
	assert_string_equal(why, "");
}

static int defaults(void **state)
{
	(void)state;
	set(&(struct cscf_trust_options){.pai_to_wic = true});
	return 0;
}

static void test_each_knob_lets_its_own_field_pass(void **state)
{
	REQ("SEC-06", "ID-11", "ID-12", "ID-17", "CALL-20");
	static const struct {
		struct cscf_trust_options options;
		const char *field;
		bool up, down;
	} rows[] = {
	    {{.pani_from_wic = true}, "P-Access-Network-Info: IEEE-802.11", true, false},
	    {{.pani_from_wic = true},
	     "P-Access-Network-Info: IEEE-802.11;network-provided",
	     false,
	     false},
	    {{.pani_from_wic = true},
	     "P-Access-Network-Info: IEEE-802.11, 3GPP-NR-FDD;Network-Provided",
	     false,
	     false},
	    {{.identity_from_wic = true}, "Identity: eyJ0;alg=ES256", true, true},
	    {{.resource_priority = true}, "Resource-Priority: wps.0", true, true},
	    {{.early_media = true}, "P-Early-Media: sendrecv", true, false},
	    {{.pai_to_wic = true}, "P-Asserted-Identity: <sip:b@ims.example.net>", false, true},
	    {{.pai_to_wic = false}, "P-Asserted-Identity: <sip:b@ims.example.net>", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned down = 0; down < 2; down++) {
			char *out;

			set(&rows[i].options);
			out = strip(REQUEST, rows[i].field, down == 0);
			assert_int_equal(strstr(out, rows[i].field) != NULL,
					 down == 0 ? rows[i].up : rows[i].down);
			free(out);
		}
		/* and no other knob does */
		set(&(struct cscf_trust_options){
		    .pani_from_wic = !rows[i].options.pani_from_wic,
		    .identity_from_wic = !rows[i].options.identity_from_wic,
		    .resource_priority = !rows[i].options.resource_priority,
		    .early_media = !rows[i].options.early_media,
		});
		if (rows[i].up) {
			char *out = strip(REQUEST, rows[i].field, true);

			assert_null(strstr(out, rows[i].field));
			free(out);
		}
	}
}

static void test_the_network_says_its_own_access(void **state)
{
	REQ("ID-12", "CALL-44");
	static const char *const want =
	    "P-Access-Network-Info: IEEE-802.11;np-zone=\"a,b\";network-provided\r\n";
	static const char *const given[] = {"IEEE-802.11;np-zone=\"a,b\"",
					    " IEEE-802.11;np-zone=\"a,b\";network-provided "};
	struct cscf_trust_options o = {.pani_from_wic = true};
	const char *at;
	char *out;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		o.network_provided = given[i];
		set(&o);
		out = strip(REQUEST, "P-Access-Network-Info: 3GPP-NR-FDD;network-provided", true);
		at = strstr(out, "P-Access-Network-Info:");
		assert_non_null(at);
		assert_int_equal(strncmp(at, want, strlen(want)), 0);
		assert_null(strstr(at + 1, "P-Access-Network-Info:"));
		free(out);
	}
	out = strip(RESPONSE, "P-Access-Network-Info: 3GPP-NR-FDD", true); /* beside the WIC's */
	assert_non_null(strstr(out, want));
	assert_non_null(strstr(out, "P-Access-Network-Info: 3GPP-NR-FDD\r\n"));
	free(out);
	out = strip(REQUEST, "X: y", false);
	assert_null(strstr(out, "P-Access-Network-Info"));
	free(out);
	out = strip("ACK sip:bob@ims.example.net SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"
		    "From: <sip:alice@ims.example.net>;tag=a1\r\n"
		    "To: <sip:bob@ims.example.net>;tag=b\r\nCall-ID: c1\r\nCSeq: 1 ACK\r\n",
		    "X: y", true);
	assert_null(strstr(out, "P-Access-Network-Info"));
	free(out);
}

static void test_an_access_network_that_breaks_the_header_is_refused(void **state)
{
	REQ("ID-12", "SEC-23");
	static const char *const bad[] = {
	    "IEEE-802.11\r\nX: y", "IEEE-802.11, 3GPP-NR-FDD", "a b", "x=y", "IEEE-802.11;a=\"b",
	    "IEEE-802.11;a=<b>",   "IEEE-802.11;\x01=a",       ";",   ",",
	};
	char why[128] = "", lengthy[300], *out;

	(void)state;
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		struct cscf_trust_options o = {
		    .network_provided = i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : lengthy};

		why[0] = '\0';
		if (cscf_trust_set(&o, why, sizeof(why)) != GW_ERR_INVAL)
			fail_msg("taken: %s", o.network_provided);
		assert_int_equal(strncmp(why, "pani.network_provided: ", 23), 0);
	}
	out = strip(REQUEST, "P-Asserted-Identity: <sip:b@ims.example.net>", false);
	assert_non_null(strstr(out, "P-Asserted-Identity")); /* nothing has changed */
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_requests_cross_the_boundary_without_these_fields),
	    cmocka_unit_test(test_responses_of_a_wic_are_filtered_like_requests),
	    cmocka_unit_test(test_integrity_protected_never_survives),
	    cmocka_unit_test(test_challenge_loses_the_core_keys_only),
	    cmocka_unit_test(test_register_200_keeps_route_and_identities),
	    cmocka_unit_test(test_privacy_id_hides_the_caller),
	    cmocka_unit_test(test_calling_party_category_is_cut_out_of_uris),
	    cmocka_unit_test(test_sec_agree_tag_is_taken_out_of_supported),
	    cmocka_unit_test_setup_teardown(test_each_knob_lets_its_own_field_pass, NULL, defaults),
	    cmocka_unit_test_setup_teardown(test_the_network_says_its_own_access, NULL, defaults),
	    cmocka_unit_test_setup_teardown(
		test_an_access_network_that_breaks_the_header_is_refused, NULL, defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
