/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer may put into a story, and what it costs to read it. cscf/story/mask_text.c,
 * describe.c, store.c. */
#include "cscf/story/story_int.h"
#include "tests/unit/cscf/story/tell.h"

#include <time.h>

#define MANY 400U

/* Processor time of the thread: what else runs here does not count. */
static double spent(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static char *times(const char *start, const char *piece, size_t n)
{
	size_t a = strlen(start), b = strlen(piece);
	char *text = malloc(a + b * n + 1);

	assert_non_null(text);
	memcpy(text, start, a);
	for (size_t i = 0; i < n; i++)
		memcpy(text + a + i * b, piece, b);
	text[a + b * n] = '\0';
	return text;
}

/* With a step for each pair of words these take minutes. */
static void test_masking_takes_time_as_the_line_is_long(void **state)
{
	static const char *const lines[][2] = {
	    {"Refer-To: ", "a "},
	    {"P-Asserted-Identity: ", "sip:;"},
	    {"From: ", "\" "},
	    {"X: ", "sip:a@b;"},
	};

	(void)state;
	REQ("SEC-10");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *line = times(lines[i][0], lines[i][1], 200000), *out = malloc(4000000);
		double began = spent();

		assert_non_null(out);
		story_mask_line(line, out, 4000000);
		if (spent() - began > 1.5)
			fail_msg("%s%s...: %.1f s", lines[i][0], lines[i][1], spent() - began);
		free(out);
		free(line);
	}
}

static void begin_call(void)
{
	static const char invite[] =
	    "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/WSS a;branch=z9hG4bK1\r\n"
	    "From: <sip:a@x>;tag=a1\r\nTo: <sip:b@x>\r\nCall-ID: h1\r\nCSeq: 1 INVITE\r\n\r\n";
	struct cscf_sip_msg *msg = t_msg(invite);

	t_wire(CSCF_SIP_W2, true, invite);
	assert_non_null(cscf_story_begin(t_story, msg, true, 9));
	cscf_sip_msg_free(msg);
}

/* A request in the call, with fields of the attacker's choice. */
static void info(unsigned n, const char *fields)
{
	size_t room = strlen(fields) + 400;
	char *text = malloc(room);

	assert_non_null(text);
	snprintf(text, room,
		 "INFO sip:b@x SIP/2.0\r\nVia: SIP/2.0/WSS a;branch=z9hG4bKi%u\r\n"
		 "From: <sip:a@x>;tag=a1\r\nTo: <sip:b@x>;tag=b1\r\nCall-ID: h1\r\n"
		 "CSeq: %u INFO\r\n%s\r\n",
		 n, n + 2, fields);
	t_wire(CSCF_SIP_W2, true, text);
	free(text);
}

/* Whole and in short, masked and not: what one explain costs. */
static double explain_all(void)
{
	double began = spent();

	for (unsigned v = 0; v < 4; v++) {
		struct cscf_story_view view = {.full = (v & 1) != 0, .mask = (v & 2) != 0};
		char *text = cscf_story_text(t_find("h1"), &view);

		assert_non_null(text);
		free(text);
		json_decref(cscf_story_json(t_find("h1"), &view));
	}
	return spent() - began;
}

static void test_one_explain_is_bounded_whatever_a_peer_sent(void **state)
{
	char *words = times("Refer-To: 1", " a", 4000);
	char *fields = malloc(40000);

	(void)state;
	REQ("SEC-10");
	assert_non_null(fields);
	snprintf(fields, 40000, "%s z\r\n%s y\r\n%s x\r\n%s w\r\n", words, words, words, words);
	t_open(10, 64 << 20, MANY);
	begin_call();
	for (unsigned i = 0; i < MANY; i++)
		info(i, fields);
	assert_in_range((uintmax_t)(explain_all() * 1000), 0, 4000);
	t_close();
	free(fields);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_masking_takes_time_as_the_line_is_long),
	    cmocka_unit_test(test_one_explain_is_bounded_whatever_a_peer_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
