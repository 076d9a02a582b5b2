/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyed hash of the tables against the vectors of its authors: cscf/sip/table.c.
 */
#include "cscf/sip/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_vectors_of_the_paper(void **state)
{
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	unsigned char in[16];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	assert_true(cscf_sip_siphash(key, in, 15) == 0xa129ca6149be45e5); /* appendix A */
	assert_true(cscf_sip_siphash(key, in, 0) == 0x726fdb47dd0e0e31);
	assert_true(cscf_sip_siphash(key, in, 8) == 0x93f5f5799a932462);
}

static void test_same_key_same_hash(void **state)
{
	(void)state;
	assert_int_equal(cscf_sip_table_hash("abc", 3), cscf_sip_table_hash("abcd", 3));
	assert_int_not_equal(cscf_sip_table_hash("abc", 3), cscf_sip_table_hash("abc", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors_of_the_paper),
	    cmocka_unit_test(test_same_key_same_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
