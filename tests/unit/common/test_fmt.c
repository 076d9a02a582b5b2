/* SPDX-License-Identifier: Apache-2.0 */
/* gw_fmt against snprintf: the same text, the same length, at every size of the buffer. */
#include "common/fmt.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAME(...)                                                                                  \
	do {                                                                                       \
		for (size_t size = 0; size < 80; size++) {                                         \
			char want[80], got[80];                                                    \
                                                                                                   \
			memset(want, '#', sizeof(want));                                           \
			memset(got, '#', sizeof(got));                                             \
			int n = snprintf(want, size, __VA_ARGS__);                                 \
			assert_int_equal(gw_fmt(got, size, __VA_ARGS__), n);                       \
			assert_memory_equal(got, want, sizeof(got));                               \
		}                                                                                  \
	} while (0)

static void test_plain_conversions_are_those_of_snprintf(void **state)
{
	const char *word = "candidate", *empty = "";
	unsigned zero = 0, big = UINT_MAX;
	int least = INT_MIN, minus = -7;
	const char *volatile nothing = NULL; /* what a careless log line passes */
	long long deep = LLONG_MIN;
	unsigned long long high = ULLONG_MAX;

	(void)state;
	SAME("a=%s:%s\r\n", word, empty);
	SAME("%.*s|%.*s|%.*s", 4, word, 0, word, 40, word);
	SAME("%u %u %d %d", zero, big, least, minus);
	SAME("%lld %llu", deep, high);
	SAME("%ld %lu %zu", LONG_MIN, ULONG_MAX, SIZE_MAX);
	SAME("%02X:%02x:%02X", 0xabU, 0x0fU, 0U);
	SAME("%c%c 100%%", 'x', 'y');
	SAME("%s", word);
	SAME("plain text");
	SAME("%s %.*s", (const char *)nothing, 0, (const char *)nothing);
}

static void test_a_length_without_a_terminator_reads_no_further(void **state)
{
	static const char six[6] = {'a', 'b', 'c', 'd', 'e', 'f'};
	char got[16];

	(void)state;
	assert_int_equal(gw_fmt(got, sizeof(got), "<%.*s>", 6, six), 8);
	assert_string_equal(got, "<abcdef>");
}

static void test_other_formats_are_left_to_snprintf(void **state)
{
	const char *word = "mid";
	unsigned v = 171;
	long l = -3;
	size_t z = 12;

	(void)state;
	SAME("%s %02X %s", word, v * 16, word);
	SAME("%u %03ld %zx", v, l, z);
	SAME("%s %02u %02d", word, v, -1);
	SAME("%5u|%-6s|%.3s", v, word, word);
	SAME("%s %.*s %x", word, -1, word, v);
}

static void test_a_text_of_any_length_is_allocated(void **state)
{
	char long_word[2000], *got = NULL;

	(void)state;
	memset(long_word, 'w', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	assert_int_equal(gw_asfmt(&got, "<%s;%u>", long_word, 7U), sizeof(long_word) + 3);
	assert_int_equal(strlen(got), sizeof(long_word) + 3);
	assert_memory_equal(got + 1, long_word, sizeof(long_word) - 1);
	assert_string_equal(got + sizeof(long_word), ";7>");
	free(got);
	for (size_t n = 505; n < 516; n++) {
		assert_int_equal(gw_asfmt(&got, "%.*s", (int)n, long_word), n);
		assert_int_equal(strlen(got), n);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain_conversions_are_those_of_snprintf),
	    cmocka_unit_test(test_a_length_without_a_terminator_reads_no_further),
	    cmocka_unit_test(test_a_text_of_any_length_is_allocated),
	    cmocka_unit_test(test_other_formats_are_left_to_snprintf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
