/* SPDX-License-Identifier: Apache-2.0 */
/* common/plain.c */
#include "common/plain.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_nothing_that_drives_a_terminal_is_left(void **state)
{
	static const struct {
		const char *text, *line, *lines;
	} cases[] = {
	    {"plain text", "plain text", "plain text"},
	    {"a\nb\tc\rd", "a?b?c?d", "a\nb\tc?d"},
	    {"\x1b[2J\x7f", "?[2J?", "?[2J?"},
	    {"\xc2\x9b"
	     "2J\xc2\x9d"
	     "52;c;x\xc2\x9c",
	     "?2J?52;c;x?", "?2J?52;c;x?"},
	    {"\xc2\x80 \xc2\x9f \xc2\xa0 \xc3\xa4", "? ? \xc2\xa0 \xc3\xa4",
	     "? ? \xc2\xa0 \xc3\xa4"},
	    {"\xe2\x80\xae"
	     "abc\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c\xe2\x80\xa8",
	     "?abc????", "?abc????"},
	    {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80",
	     "\xe2\x82\xac \xf0\x9f\x98\x80"},
	    /* no UTF-8: alone, cut, too long, a surrogate, past the end */
	    {"\x9b x \xff", "? x ?", "? x ?"},
	    {"\xe2\x82", "??", "??"},
	    {"\xf0\x9f\x98", "???", "???"},
	    {"\xc0\xaf \xe0\x80\x9b \xf0\x80\x80\x9b", "?? ??? ????", "?? ??? ????"},
	    {"\xed\xa0\x80", "???", "???"},
	    {"\xf4\x90\x80\x80 \xf5\x80", "???? ??", "???? ??"},
	    {"", "", ""},
	};

	(void)state;
	REQ("SEC-10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s", cases[i].text);
		gw_plain_text(text, false);
		assert_string_equal(text, cases[i].line);
		snprintf(text, sizeof(text), "%s", cases[i].text);
		gw_plain_text(text, true);
		assert_string_equal(text, cases[i].lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_that_drives_a_terminal_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
