/* SPDX-License-Identifier: Apache-2.0 */
/* Identities in log lines: what stays, what goes, what is told apart. */
#include "cscf/sip/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/req.h"

static const char *const identities[] = {
    "sip:alice@ims.example.net",
    "SIP:Alice@IMS.example.net;user=phone",
    "sip:alice:secret@ims.example.net?Subject=alice",
    "\"Alice A.\" <sip:alice@ims.example.net>;tag=alice",
    "<sips:alice@ims.example.net;transport=ws>",
    "alice@ims.example.net",
};

static void test_every_spelling_of_a_user_has_one_pseudonym(void **state)
{
	REQ("SEC-10");
	char first[64] = "";

	(void)state;
	cscf_sip_mask_set(true);
	for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]); i++) {
		const char *masked = cscf_sip_mask(identities[i]), *name = strchr(masked, '~');
		char name9[10] = "";

		assert_null(strcasestr(masked, "alice"));
		assert_null(strstr(masked, "secret"));
		assert_non_null(strcasestr(masked, "@ims.example.net"));
		assert_non_null(name);
		snprintf(name9, sizeof(name9), "%s", name);
		if (i == 0)
			snprintf(first, sizeof(first), "%s", name9);
		assert_string_equal(name9, first);
	}
}

static void test_others_have_another(void **state)
{
	char alice[256];

	(void)state;
	snprintf(alice, sizeof(alice), "%s", cscf_sip_mask("sip:alice@ims.example.net"));
	assert_string_not_equal(cscf_sip_mask("sip:bob@ims.example.net"), alice);
	assert_string_not_equal(cscf_sip_mask("sip:alice@example.org"), alice);
}

static void test_numbers(void **state)
{
	char a[64];

	(void)state;
	snprintf(a, sizeof(a), "%s", cscf_sip_mask("tel:+1-555-0100;phone-context=x"));
	assert_string_equal(cscf_sip_mask("<tel:+15550100>"), a);
	assert_int_equal(strlen(a), 13); /* tel:~ and eight digits */
	assert_string_not_equal(cscf_sip_mask("tel:+15550101"), a);
}

static void test_what_names_nobody_stays(void **state)
{
	(void)state;
	assert_string_equal(cscf_sip_mask("sip:icscf.ims.example.net:5060;lr"),
			    "sip:icscf.ims.example.net:5060");
	assert_string_equal(cscf_sip_mask("urn:service:sos.fire"), "urn:service:sos.fire");
	assert_string_equal(cscf_sip_mask(""), "");
	assert_string_equal(cscf_sip_mask(NULL), "");
}

static void test_what_is_no_uri_is_masked_whole(void **state)
{
	char longer[2000];

	(void)state;
	assert_null(strstr(cscf_sip_mask("alice"), "alice"));
	assert_null(strstr(cscf_sip_mask("http:alice"), "alice"));
	assert_null(strstr(cscf_sip_mask("sip:alice@"), "alice"));
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(strlen(cscf_sip_mask(longer)), 9);
	memcpy(longer, "sip:x@", 6);
	assert_true(strlen(cscf_sip_mask(longer)) < 256);
}

static void test_several_in_one_line(void **state)
{
	char line[1024];

	(void)state;
	snprintf(line, sizeof(line), "%s %s %s", cscf_sip_mask("sip:a@x"), cscf_sip_mask("sip:b@y"),
		 cscf_sip_mask_slice(gw_slice_str("sip:c@z")));
	assert_non_null(strstr(line, "@x"));
	assert_non_null(strstr(line, "@y"));
	assert_non_null(strstr(line, "@z"));
}

static void test_off(void **state)
{
	(void)state;
	cscf_sip_mask_set(false);
	assert_string_equal(cscf_sip_mask("sip:alice@x"), "sip:alice@x");
	assert_string_equal(cscf_sip_mask_slice(gw_slice_str("sip:alice@x")), "sip:alice@x");
	assert_null(strstr(cscf_sip_mask_always(gw_slice_str("sip:alice@x")), "alice"));
	cscf_sip_mask_set(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_spelling_of_a_user_has_one_pseudonym),
	    cmocka_unit_test(test_others_have_another),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_what_names_nobody_stays),
	    cmocka_unit_test(test_what_is_no_uri_is_masked_whole),
	    cmocka_unit_test(test_several_in_one_line),
	    cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
