/* SPDX-License-Identifier: Apache-2.0 */
/* What is never kept, and what is not shown. cscf/story/secret.c, mask_text.c. */
#include "cscf/sip/mask.h"
#include "cscf/story/story_int.h"
#include "tests/unit/cscf/story/tell.h"

static void test_credentials_and_signed_identities_are_taken_out_of_fields(void **state)
{
	static const struct {
		const char *name, *value, *kept;
	} cases[] = {
	    {"Authorization", "Digest username=\"a\", response=\"00\"", "Digest (removed)"},
	    {"authorization", "bearer eyJhbGciOi.e30.sig", "Bearer (removed)"},
	    {"Proxy-Authorization", "Basic YTpi", "(removed)"},
	    {"WWW-Authenticate", "Digest nonce=\"x\", ik=\"00\", ck=\"11\"", "Digest (removed)"},
	    {"Proxy-Authenticate", "Digest nonce=\"x\"", "Digest (removed)"},
	    {"Authentication-Info", "rspauth=\"00\"", "(removed)"},
	    {"Identity", "eyJhbGciOi.e30.sig;info=<https://x>", "(removed)"},
	    {"y", "eyJhbGciOi.e30.sig", "(removed)"},
	    {"Contact", "<sip:a@b;access_token=abcdef>", "<sip:a@b;(removed)"},
	    {"Contact", "a;access_token=x", "a;(removed)"},
	    {"Contact", "<sip:a@b;ACCESS%5fToken=x>", "<sip:a@b;(removed)"},
	    {"Contact", "<sip:a@b;%61ccess%5Ftoken=x>", "<sip:a@b;(removed)"},
	    {"X-Authorization", "Bearer eyJhbGciOi.e30.sig", "(removed)"},
	    {"X-Any", "so BEARER\tsecret", "so (removed)"},
	    {"X-Any", "digest username=\"a\"", "(removed)"},
	    {"Refer-To", "<sip:x@y?Authorization=Bearer%20eyJhbGc>", "<sip:x@y?(removed)"},
	    {"Refer-To", "<sip:x@y?X-A=Bearer+eyJhbGc>", "<sip:x@y?X-A=(removed)"},
	    {"Refer-To", "<sip:x@y?X-A=%42earer%20e>", "<sip:x@y?X-A=(removed)"},
	    {"Refer-To", "<sip:x@y?body=a%3Dx%20inline:k", "<sip:x@y?body=a%3Dx%20(removed)"},
	    {"Reason", "SIP;text=\"loss of bearer coverage\"",
	     "SIP;text=\"loss of bearer coverage\""},
	    {"Reason", "SIP;text=\"Bearer eyJhbGciOi.e30.sig\"", "SIP;text=\"(removed)"},
	    {"X-Any", "beare", "beare"},
	    {"X-Any", "100%", "100%"},
	    {"X-Any", "%b", "%b"},
	    {"X-Any", "digest", "digest"},
	    {"Contact", "<sip:a@b;x_y=abcdefghijk>", "<sip:a@b;x_y=abcdefghijk>"},
	    {"P-Asserted-Identity", "<sip:a@b>", "<sip:a@b>"},
	    {"Via", "SIP/2.0/UDP a;branch=z", "SIP/2.0/UDP a;branch=z"},
	};

	(void)state;
	REQ("SEC-10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_slice kept = story_safe_value(
		    cscf_sip_field_key(gw_slice_str(cases[i].name)), gw_slice_str(cases[i].value));

		if (!gw_slice_eq_str(kept, cases[i].kept))
			fail_msg("%s: %s kept as %.*s", cases[i].name, cases[i].value,
				 GW_SLICE_FMT(kept));
	}
}

static void test_keys_and_ice_passwords_are_taken_out_of_sdp(void **state)
{
	static const struct {
		const char *line, *kept;
	} cases[] = {
	    {"a=ice-pwd:abc", "a=ice-pwd:(removed)"},
	    {"a=ICE-PWD:abc", "a=ICE-PWD:(removed)"},
	    {"a=crypto:1 AES inline:xyz", "a=crypto:(removed)"},
	    {"a=key-mgmt:mikey xyz", "a=key-mgmt:(removed)"},
	    {"a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xyz", "a=acap:(removed)"},
	    {"a=acap:2 key-mgmt:mikey xyz", "a=acap:(removed)"},
	    {"a=x-crypto:1 AES inline:xyz", "a=x-crypto:1 AES (removed)"},
	    {"a=x:access_token=abc", "a=x:(removed)"},
	    {"u=http://x/?Access_Token=abc", "u=http://x/?(removed)"},
	    {"i=Bearer eyJh", "i=(removed)"},
	    {"k=base64:xyz", "k=(removed)"},
	    {"a=ice-ufrag:abc", "a=ice-ufrag:abc"},
	    {"a=fingerprint:sha-256 AB", "a=fingerprint:sha-256 AB"},
	    {"a=inactive", "a=inactive"},
	    {"k", "k"},
	    {"", ""},
	};

	(void)state;
	REQ("SEC-10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_slice kept = story_safe_sdp(gw_slice_str(cases[i].line));

		if (!gw_slice_eq_str(kept, cases[i].kept))
			fail_msg("%s kept as %.*s", cases[i].line, GW_SLICE_FMT(kept));
	}
}

/* The whole way of a message: what the store holds and what is shown of it, whole. */
static void test_no_secret_of_a_message_is_kept_or_shown(void **state)
{
	static const char invite[] =
	    "INVITE sip:bob@x;access_token=SECRETa SIP/2.0\r\n"
	    "Via: SIP/2.0/WSS a;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=a1\r\n"
	    "To: <sip:b@x>\r\nCall-ID: s1\r\nCSeq: 1 INVITE\r\n"
	    "Authorization: Digest response=\"SECRETb\"\r\nX-Authorization: Bearer SECRETc\r\n"
	    "Refer-To: <sip:x@y?Authorization=Bearer%20SECRETd>\r\n"
	    "X-Short: access%5Ftoken=SECRETe\r\nContent-Type: application/sdp\r\n\r\n"
	    "v=0\r\na=ice-pwd:SECRETf\r\na=acap:1 crypto:1 AES inline:SECRETg\r\n"
	    "a=acap:2 key-mgmt:mikey SECRETh\r\nu=http://x/?access_token=SECRETi\r\n"
	    "a=crypto:1 AES inline:SECRETj\r\n";
	struct cscf_story_view view = {.full = true};
	char *text, *json;
	json_t *o;

	(void)state;
	REQ("SEC-10");
	t_open(10, 1 << 20, 100);
	for (int i = 0; i < 2; i++)
		t_wire(CSCF_SIP_W2, true, invite);
	text = cscf_story_text(t_find("s1"), &view);
	o = cscf_story_json(t_find("s1"), &view);
	json = json_dumps(o, JSON_COMPACT);
	assert_non_null(strstr(text, "X-Authorization: (removed)"));
	assert_non_null(strstr(text, "(2 times)")); /* and a repeat is still known as one */
	assert_null(strstr(text, "SECRET"));
	assert_null(strstr(json, "SECRET"));
	free(json);
	json_decref(o);
	free(text);
	t_close();
}

/* In the expected lines <A> stands for alice's pseudonym, <N> for a number's. */
static void expand(const char *with, char *out, size_t n)
{
	size_t at = 0;

	for (; *with != '\0' && at + 1 < n; with++) {
		const char *put = NULL;

		if (strncmp(with, "<A>", 3) == 0)
			put = cscf_sip_mask_always(gw_slice_str("sip:alice@ims.example"));
		else if (strncmp(with, "<N>", 3) == 0)
			put = cscf_sip_mask_always(gw_slice_str("tel:+15550101"));
		if (put == NULL) {
			out[at++] = *with;
			continue;
		}
		at += (size_t)snprintf(out + at, n - at, "%s", put);
		with += 2;
	}
	out[at] = '\0';
}

static void test_users_become_pseudonyms_wherever_they_stand(void **state)
{
	static const char *const cases[][2] = {
	    {"INVITE sip:alice@ims.example SIP/2.0", "INVITE <A> SIP/2.0"},
	    {"INVITE sip:alice@ims.example;user=phone SIP/2.0", "INVITE <A>;user=phone SIP/2.0"},
	    {"From: \"Alice, <A.>\" <sip:alice@ims.example>;tag=1", "From: <<A>>;tag=1"},
	    {"From: Alice A <sip:alice@ims.example>;tag=1", "From: <<A>>;tag=1"},
	    {"f: sip:alice@ims.example;tag=1", "f: <A>;tag=1"},
	    {"From:\"Alice\"<sip:alice@ims.example>", "From: <<A>>"},
	    {"P-Asserted-Identity: \"Al\" <sip:alice@ims.example>, <tel:+15550101>",
	     "P-Asserted-Identity: <<A>>, <<N>>"},
	    {"Route: <sip:10.0.0.1;lr>", "Route: <sip:10.0.0.1;lr>"},
	    {"Warning: 399 gw \"call sip:alice@ims.example now\"",
	     "Warning: 399 gw \"call <A> now\""},
	    {"X-Strange: gossip:alice@ims.example", "X-Strange: gossip:alice@ims.example"},
	    {"v=0", "v=0"},
	    {"Diversion", "Diversion"}, /* a line of a body */
	    {"Diversion:", "Diversion: "},
	    {"o=alice", "o=(masked)"},
	    {"o=alice 1 1 IN IP4 192.0.2.1", "o=(masked) 1 1 IN IP4 192.0.2.1"},
	    {"o=- 1 1 IN IP4 192.0.2.1", "o=- 1 1 IN IP4 192.0.2.1"},
	    {"s=-", "s=-"},
	    {"s=Alice's call", "s=(masked)"},
	    {"e=alice@example.org", "e=(masked)"},
	    {"", ""},
	};
	char out[400], expected[400];

	(void)state;
	REQ("SEC-10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		story_mask_line(cases[i][0], out, sizeof(out));
		expand(cases[i][1], expected, sizeof(expected));
		assert_string_equal(out, expected);
	}
}

static void test_a_masked_line_never_leaves_its_buffer(void **state)
{
	char line[2000], out[40];

	(void)state;
	for (size_t n = 0; n < sizeof(line) - 40; n += 7) {
		memset(line, '<', n);
		snprintf(line + n, sizeof(line) - n, "From: <sip:alice@ims.example>");
		for (size_t room = 1; room <= sizeof(out); room++) {
			memset(out, 'x', sizeof(out));
			story_mask_line(line, out, room);
			assert_true(strlen(out) < room);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_credentials_and_signed_identities_are_taken_out_of_fields),
	    cmocka_unit_test(test_keys_and_ice_passwords_are_taken_out_of_sdp),
	    cmocka_unit_test(test_no_secret_of_a_message_is_kept_or_shown),
	    cmocka_unit_test(test_users_become_pseudonyms_wherever_they_stand),
	    cmocka_unit_test(test_a_masked_line_never_leaves_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
