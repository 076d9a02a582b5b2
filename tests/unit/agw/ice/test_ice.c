/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all ICE providers share: credentials and priorities.
 */
#include "agw/ice/ice.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_credentials_are_long_ice_chars_and_differ(void **state)
{
	struct agw_ice_creds a;
	struct agw_ice_creds b;
	const char *chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	REQ("ICE-05");
	(void)state;
	agw_ice_creds_new(&a);
	agw_ice_creds_new(&b);
	assert_true(strlen(a.ufrag) >= 4 && strlen(a.pwd) >= 22);
	assert_int_equal(strspn(a.ufrag, chars), strlen(a.ufrag));
	assert_int_equal(strspn(a.pwd, chars), strlen(a.pwd));
	assert_string_not_equal(a.ufrag, b.ufrag);
	assert_string_not_equal(a.pwd, b.pwd);
}

static void test_priority_of_host_candidates(void **state)
{
	REQ("ICE-03");
	(void)state;
	assert_int_equal(agw_ice_host_priority(0, 1), 126U * 16777216U + 65535U * 256U + 255U);
	assert_int_equal(agw_ice_host_priority(1, 1), 126U * 16777216U + 65534U * 256U + 255U);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_credentials_are_long_ice_chars_and_differ),
	    cmocka_unit_test(test_priority_of_host_candidates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
