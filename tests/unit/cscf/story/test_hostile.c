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

#define INVITE                                                                                     \
	"INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/WSS a;branch=z9hG4bK1\r\n"                         \
	"From: <sip:a@x>;tag=a1\r\nTo: <sip:b@x>\r\nCall-ID: h%u.\r\nCSeq: 1 INVITE\r\n\r\n"

static struct cscf_story_call *begin_call(unsigned id)
{
	char text[300];
	struct cscf_sip_msg *msg;
	struct cscf_story_call *c;

	snprintf(text, sizeof(text), INVITE, id);
	msg = t_msg(text);
	t_wire(CSCF_SIP_W2, true, text);
	c = cscf_story_begin(t_story, msg, true, 100 + id);
	cscf_sip_msg_free(msg);
	return c;
}

/* A request in that call, with fields of the attacker's choice. */
static void info(unsigned id, unsigned n, const char *fields)
{
	size_t room = strlen(fields) + 400;
	char *text = malloc(room);

	assert_non_null(text);
	snprintf(text, room,
		 "INFO sip:b@x SIP/2.0\r\nVia: SIP/2.0/WSS a;branch=z9hG4bKi%u\r\n"
		 "From: <sip:a@x>;tag=a1\r\nTo: <sip:b@x>;tag=b1\r\nCall-ID: h%u.\r\n"
		 "CSeq: %u INFO\r\n%s\r\n",
		 n, id, n + 2, fields);
	t_wire(CSCF_SIP_W2, true, text);
	free(text);
}

/* Whole and in short, masked and not: what one explain costs. */
static double explain_all(size_t *longest)
{
	double began = spent();

	*longest = 0;
	for (unsigned v = 0; v < 4; v++) {
		struct cscf_story_view view = {.full = (v & 1) != 0, .mask = (v & 2) != 0};
		char *text = cscf_story_text(t_find("h1."), &view);

		assert_non_null(text);
		if (strlen(text) > *longest)
			*longest = strlen(text);
		free(text);
		json_decref(cscf_story_json(t_find("h1."), &view));
	}
	return spent() - began;
}

static void test_one_explain_is_bounded_whatever_a_peer_sent(void **state)
{
	char *words = times("Refer-To: 1", " a", 4000), *uris = times("P-X: ", "sip:;", 200);
	char *fields = malloc(40000), *many = malloc(40000);
	size_t longest;

	(void)state;
	REQ("SEC-10");
	assert_non_null(fields);
	assert_non_null(many);
	snprintf(fields, 40000, "%s z\r\n%s y\r\n%s x\r\n%s w\r\n", words, words, words, words);
	t_open(10, 64 << 20, MANY);
	assert_non_null(begin_call(1));
	for (unsigned i = 0; i < MANY; i++)
		info(1, i, fields);
	assert_in_range((uintmax_t)(explain_all(&longest) * 1000), 0, 4000);
	t_close();
	/* the same lines in each message: kept once, but shown each time */
	for (size_t i = 0, at = 0; i < 30; i++)
		at += (size_t)snprintf(many + at, 40000 - at, "%s\r\n", uris);
	t_open(10, 64 << 20, MANY);
	assert_non_null(begin_call(1));
	for (unsigned i = 0; i < MANY; i++)
		info(1, i, many);
	assert_in_range((uintmax_t)(explain_all(&longest) * 1000), 0, 8000);
	assert_in_range(longest, 1 << 18, 2 << 20);
	t_close();
	free(many);
	free(fields);
	free(uris);
	free(words);
}

/* Fields that no other message has, as many as a message may bring. */
static const char *fresh(unsigned n)
{
	static char text[30000];
	size_t at = 0;

	for (unsigned i = 0; i < 28; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "X-%u: %u.%u%0990u\r\n", i, n,
				       i, n);
	return text;
}

static void test_one_users_calls_leave_room_for_the_others(void **state)
{
	struct cscf_story_counts counts;
	struct cscf_story_call *other, *attacker;
	uint64_t before;

	(void)state;
	REQ("SEC-10");
	t_open(1000, 8 << 20, 100);
	for (unsigned i = 100; i < 400; i++)
		cscf_story_end(begin_call(i), 200);
	other = begin_call(50);
	for (unsigned c = 0; c < 6; c++) {
		assert_non_null(begin_call(c));
		for (unsigned i = 0; i < 300; i++)
			info(c, i, fresh(c * 1000 + i));
	}
	cscf_story_counts(t_story, &counts);
	assert_int_equal(counts.ended, 300);
	assert_in_range(counts.octets, 1 << 20, 6 << 20);
	before = story_held(other);
	cscf_story_timer(other, "t");
	assert_int_equal(story_held(other), before + 1);
	assert_non_null(begin_call(51));
	/* that it happened is kept of the attacker's as well, and its end */
	attacker = t_find("h1.");
	assert_int_equal(story_held(attacker), 100);
	assert_int_equal(story_at(attacker, 99)->msg->cseq, 301);
	assert_true(story_at(attacker, 99)->msg->cut);
	assert_false(story_at(attacker, 1)->msg->cut);
	/* all of it is given back */
	for (unsigned c = 0; c < 6; c++) {
		char id[8];

		snprintf(id, sizeof(id), "h%u.", c);
		cscf_story_end(t_find(id), 200);
	}
	t_close();
}

/* C1, a turn of direction, no UTF-8: our parser takes them; and ESC, DEL, which a body may have. */
#define ODD                                                                                        \
	"\xc2\x9b"                                                                                 \
	"2J"                                                                                       \
	"\xe2\x80\xae"                                                                             \
	"\xff"
#define WORSE                                                                                      \
	ODD "\x1b"                                                                                 \
	    "]0"                                                                                   \
	    "\x7f"

static void test_no_text_of_a_peer_drives_a_terminal(void **state)
{
	static const char invite[] =
	    "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
	    "From: <sip:a@x>;tag=a1\r\nTo: <sip:b@x>\r\nCall-ID: odd" ODD "\r\nCSeq: 1 INVITE\r\n"
	    "Reason: SIP;text=\"" ODD "\"\r\nX-"
	    "Any: " ODD "\r\nContent-Type: application/sdp\r\n\r\n"
	    "v=0\r\nm=audio" WORSE " 4000 RTP/AVP" WORSE " 96\r\nc=IN IP4 " WORSE "\r\n"
	    "a=rtpmap:96 " WORSE "/8000\r\n";
	static const char *const odd[] = {"\xc2\x9b", "\x1b", "\x7f", "\xe2\x80\xae", "\xff"};
	struct cscf_story_ask ask = {0};
	struct cscf_sip_flow flow = {.side = CSCF_SIP_MW};
	struct cscf_story_call *c;
	struct cscf_sip_msg *msg = NULL;
	static const struct cscf_sip_limits limits = {65536, 1000, 20000};
	json_t *list;

	(void)state;
	REQ("SEC-10");
	t_open(10, 1 << 20, 100);
	/* as far as our parser takes it */
	assert_int_equal(cscf_sip_msg_parse(&msg, invite, strlen(invite), &limits, false, NULL),
			 GW_OK);
	cscf_story_wire(t_story, &(struct cscf_sip_wire){.in = true, .flow = &flow, .msg = msg});
	cscf_sip_msg_free(msg);
	assert_int_equal(cscf_story_find(t_story, &ask, &c), CSCF_STORY_ONE);
	cscf_story_identify(c, "sip:" WORSE "@x", WORSE);
	cscf_story_stream(c, &(struct cscf_story_stream){.kind = "audio", .codecs = WORSE});
	list = cscf_story_list(t_story, &ask, false, false, 9);
	assert_int_equal(json_array_size(list), 1);
	assert_true(json_is_object(json_array_get(list, 0)));
	for (unsigned v = 0; v < 4; v++) {
		struct cscf_story_view view = {.full = (v & 1) != 0, .mask = (v & 2) != 0};
		json_t *o = cscf_story_json(c, &view);
		char *said[] = {cscf_story_text(c, &view), json_dumps(o, JSON_INDENT(1)),
				json_dumps(list, JSON_INDENT(1))};

		for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
			assert_non_null(said[i]);
			assert_non_null(strstr(said[i], "odd?2J??"));
			for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++)
				assert_null(strstr(said[i], odd[k]));
			assert_null(strstr(said[i], "\\u00"));
			free(said[i]);
		}
		json_decref(o);
	}
	json_decref(list);
	t_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_masking_takes_time_as_the_line_is_long),
	    cmocka_unit_test(test_one_explain_is_bounded_whatever_a_peer_sent),
	    cmocka_unit_test(test_one_users_calls_leave_room_for_the_others),
	    cmocka_unit_test(test_no_text_of_a_peer_drives_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
