/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The torture messages of RFC 4475, as a WIC would send them (tests/golden/torture): what the
 * parser makes of each. expect.txt says it; what the process answers over WSS is asked by
 * tests/integration/torture.test.js with the same table.
 */
#include "cscf/sip/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/req.h"

#define DIR      "tests/golden/torture/"
#define FILE_MAX 16384

static const struct cscf_sip_limits limits = {32768, 200, 8192};

static size_t read_file(const char *name, char *buf)
{
	char path[300];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), DIR "%s.sip", name);
	f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s: not there (run from the top of the tree)", path);
	n = fread(buf, 1, FILE_MAX, f);
	fclose(f);
	assert_true(n > 0 && n < FILE_MAX);
	return n;
}

/* "ok", the status of the refusal, or "drop" */
static void verdict_of(const char *text, size_t n, char out[16], const char **reason)
{
	struct cscf_sip_fault fault = {0};
	struct cscf_sip_msg *msg = NULL;
	enum gw_err err = cscf_sip_msg_parse(&msg, text, n, &limits, true, &fault);

	*reason = fault.reason != NULL ? fault.reason : "";
	if (err == GW_OK)
		snprintf(out, 16, "ok");
	else if (msg != NULL && fault.answerable)
		snprintf(out, 16, "%d", fault.status);
	else
		snprintf(out, 16, "drop");
	if (err == GW_OK) { /* what is taken can be sent on and read again */
		struct cscf_sip_msg *again = NULL;
		size_t printed_n;
		char *printed = cscf_sip_msg_print(msg, &printed_n);

		assert_non_null(printed);
		assert_int_equal(
		    cscf_sip_msg_parse(&again, printed, printed_n, &limits, true, &fault), GW_OK);
		cscf_sip_msg_free(again);
		free(printed);
	}
	cscf_sip_msg_free(msg);
}

static void test_each_message_of_rfc_4475(void **state)
{
	REQ("WS-27", "WS-28", "WS-08", "WS-10");
	char line[300], text[FILE_MAX], got[16];
	FILE *table = fopen(DIR "expect.txt", "r");
	unsigned n = 0, bad = 0;

	(void)state;
	assert_non_null(table);
	while (fgets(line, sizeof(line), table) != NULL) {
		char name[40], parse[16], wire[16];
		const char *reason;
		size_t size;

		if (line[0] == '#' || sscanf(line, "%39s %15s %15s", name, parse, wire) != 3)
			continue;
		size = read_file(name, text);
		verdict_of(text, size, got, &reason);
		if (strcmp(got, parse) != 0) {
			print_error("%s: %s (%s), expected %s\n", name, got, reason, parse);
			bad++;
		}
		n++;
		for (size_t cut = 0; cut < size; cut += 7) { /* no crash on any part of it */
			struct cscf_sip_fault fault;
			struct cscf_sip_msg *msg = NULL;

			(void)!cscf_sip_msg_parse(&msg, text, cut, &limits, true, &fault);
			cscf_sip_msg_free(msg);
		}
	}
	fclose(table);
	assert_int_equal(n, 50); /* 49 and intmeth without control characters */
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_message_of_rfc_4475),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
