/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of the store and whose a message is. cscf/story/store.c, entries.c, lines.c, sip.c. */
#include "cscf/story/story_int.h"
#include "tests/unit/cscf/story/tell.h"

static struct cscf_story_counts counts(void)
{
	struct cscf_story_counts out;

	cscf_story_counts(t_story, &out);
	return out;
}

static char *invite_text(int n, const char *branch)
{
	static char text[600];

	snprintf(
	    text, sizeof(text),
	    "INVITE sip:bob@ims.example SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK%s\r\n"
	    "From: <sip:alice@ims.example>;tag=f%d\r\nTo: <sip:bob@ims.example>\r\nCall-ID: "
	    "id%d\r\n"
	    "CSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\r\n",
	    branch, n, n);
	return text;
}

/* An INVITE of a WIC and its answer; refused unless it becomes a call. */
static struct cscf_story_call *call(int n, bool taken)
{
	struct cscf_sip_msg *msg = t_msg(invite_text(n, "x"));
	struct cscf_story_call *c = NULL;

	t_wire(CSCF_SIP_W2, true, invite_text(n, "x"));
	if (taken)
		c = cscf_story_begin(t_story, msg, true, (gw_handle)(1000 + n));
	else
		cscf_story_refused(t_story, msg, 403, "unregistered");
	cscf_sip_msg_free(msg);
	return c;
}

static void test_the_beginning_and_the_end_stay_what_was_between_is_counted(void **state)
{
	struct cscf_story_call *c;
	static const char *const words[] = {"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"};

	(void)state;
	t_open(10, 1 << 20, 5);
	c = call(1, true);
	for (size_t i = 0; i < 9; i++)
		cscf_story_timer(c, words[i]);
	assert_int_equal(story_held(c), 5);
	assert_int_equal(story_head(c), 3);
	assert_int_equal(story_left_out(c), 5);
	assert_int_equal(story_at(c, 0)->kind, STORY_SIP);
	assert_string_equal(story_at(c, 1)->is.word, "w0");
	assert_string_equal(story_at(c, 2)->is.word, "w1");
	assert_string_equal(story_at(c, 3)->is.word, "w7");
	assert_string_equal(story_at(c, 4)->is.word, "w8");
	assert_null(story_at(c, 5));
	t_close();
}

static void test_one_entry_and_exactly_as_many_as_fit(void **state)
{
	struct cscf_story_call *c;

	(void)state;
	t_open(10, 1 << 20, 1);
	c = call(1, true);
	cscf_story_timer(c, "one");
	assert_int_equal(story_held(c), 1);
	assert_int_equal(story_left_out(c), 1);
	t_close();
	t_open(10, 1 << 20, 2);
	c = call(1, true);
	cscf_story_timer(c, "one");
	assert_int_equal(story_left_out(c), 0);
	assert_string_equal(story_at(c, 1)->is.word, "one");
	t_close();
}

static void test_only_so_many_ended_calls_and_nothing_is_left_of_the_others(void **state)
{
	size_t one = 0;

	(void)state;
	t_open(3, 1 << 20, 10);
	for (int i = 0; i < 20; i++) {
		cscf_story_end(call(i, true), 200);
		if (i == 2)
			one = counts().octets;
	}
	assert_int_equal(counts().ended, 3);
	assert_int_equal(counts().live, 0);
	assert_null(t_find("id16"));
	assert_non_null(t_find("id17"));
	assert_in_range(counts().octets, one, one + 16); /* the ids are a digit longer */
	t_close();
}

static void test_a_flood_of_refused_calls_leaves_the_ended_ones(void **state)
{
	(void)state;
	t_open(8, 1 << 20, 10);
	for (int i = 0; i < 8; i++)
		cscf_story_end(call(i, true), 200);
	for (int i = 100; i < 400; i++)
		(void)call(i, false);
	assert_int_equal(counts().ended, 8);
	assert_in_range(counts().refused, 2, 4);
	assert_non_null(t_find("id0"));
	assert_non_null(t_find("id399"));
	t_close();
}

static void test_explain_memory_is_kept_the_oldest_ended_go_live_ones_stay(void **state)
{
	struct cscf_story_call *live;

	(void)state;
	t_open(100000, 65536, 1000);
	live = call(0, true);
	for (int i = 1; i < 2000; i++) {
		cscf_story_end(call(i, true), 200);
		assert_in_range(counts().octets, 0, 65536 + 4096);
	}
	assert_true(counts().ended > 20 && counts().ended < 1000);
	assert_null(t_find("id1"));
	assert_non_null(t_find("id1999"));
	assert_ptr_equal(t_find("id0"), live);
	/* live ones alone: what does not fit is counted */
	for (int i = 2000; i < 4000; i++)
		(void)call(i, true);
	assert_int_equal(counts().ended, 0);
	assert_true(counts().left_out > 0);
	assert_in_range(counts().octets, 0, 65536 + 4096);
	t_close();
}

static void test_nothing_is_kept_when_it_is_off(void **state)
{
	struct cscf_sip_msg *msg = t_msg(invite_text(1, "x"));
	struct cscf_story_config cfg = {.memory = 65536, .ended_calls = 10};
	struct cscf_sip_flow flow = {.side = CSCF_SIP_W2};

	(void)state;
	assert_int_equal(cscf_story_new(&t_story, &cfg), GW_OK);
	assert_null(t_story);
	cscf_story_wire(t_story, &(struct cscf_sip_wire){.in = true, .flow = &flow, .msg = msg});
	assert_null(cscf_story_begin(t_story, msg, true, 1));
	cscf_story_refused(t_story, msg, 403, "x");
	cscf_story_state(NULL, "x");
	cscf_story_stats(NULL, NULL, 0, true);
	cscf_story_gates(NULL, NULL, 0);
	cscf_story_end(NULL, 200);
	t_close();
	cscf_sip_msg_free(msg);
}

/* From one WIC to another through the core: the INVITE leaves and comes back. */
static void test_two_calls_of_one_call_id_are_told_apart(void **state)
{
	struct cscf_sip_msg *a = t_msg(invite_text(1, "x")), *b = t_msg(invite_text(1, "y"));
	struct cscf_story_call *out, *in;
	static const char ringing[] =
	    "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK%s\r\n"
	    "From: <sip:alice@ims.example>;tag=f1\r\n"
	    "To: <sip:bob@ims.example>;tag=b\r\nCall-ID: id1\r\n"
	    "CSeq: 1 INVITE\r\n\r\n";
	static const char bye[] = "BYE sip:alice@ims.example SIP/2.0\r\n"
				  "Via: SIP/2.0/WSS b.invalid;branch=z9hG4bKz\r\n"
				  "From: <sip:bob@ims.example>;tag=b\r\n"
				  "To: <sip:alice@ims.example>;tag=f1\r\nCall-ID: id1\r\n"
				  "CSeq: 7 BYE\r\n\r\n";
	char text[400];

	(void)state;
	t_open(10, 1 << 20, 100);
	t_wire(CSCF_SIP_W2, true, invite_text(1, "x"));
	out = cscf_story_begin(t_story, a, true, 1);
	t_wire(CSCF_SIP_MW, false, invite_text(1, "c"));
	t_wire(CSCF_SIP_MW, true, invite_text(1, "y"));
	in = cscf_story_begin(t_story, b, false, 2);
	assert_non_null(out);
	assert_non_null(in);
	assert_ptr_not_equal(out, in);
	t_wire(CSCF_SIP_W2, false, invite_text(1, "w"));
	assert_int_equal(story_held(out), 2);
	assert_int_equal(story_held(in), 2);
	/* the answer comes back through both */
	snprintf(text, sizeof(text), ringing, "w");
	t_wire(CSCF_SIP_W2, true, text);
	assert_int_equal(story_held(in), 3);
	snprintf(text, sizeof(text), ringing, "y");
	t_wire(CSCF_SIP_MW, false, text);
	assert_int_equal(story_held(in), 4);
	snprintf(text, sizeof(text), ringing, "c");
	t_wire(CSCF_SIP_MW, true, text);
	assert_int_equal(story_held(out), 3);
	snprintf(text, sizeof(text), ringing, "x");
	t_wire(CSCF_SIP_W2, false, text);
	assert_int_equal(story_held(out), 4);
	/* and the callee hangs up */
	t_wire(CSCF_SIP_W2, true, bye);
	t_wire(CSCF_SIP_MW, false, bye);
	assert_int_equal(story_held(in), 6);
	t_wire(CSCF_SIP_MW, true, bye);
	t_wire(CSCF_SIP_W2, false, bye);
	assert_int_equal(story_held(in), 6);
	assert_int_equal(story_held(out), 6);
	cscf_sip_msg_free(a);
	cscf_sip_msg_free(b);
	t_close();
}

static void test_a_message_of_another_call_id_and_a_register_leave_nothing(void **state)
{
	(void)state;
	t_open(10, 1 << 20, 100);
	t_wire(CSCF_SIP_W2, true,
	       "REGISTER sip:ims.example SIP/2.0\r\nVia: SIP/2.0/WSS a;branch=z9hG4bK1\r\n"
	       "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\r\n");
	t_wire(CSCF_SIP_W2, true,
	       "BYE sip:x@y SIP/2.0\r\nVia: SIP/2.0/WSS a;branch=z9hG4bK1\r\n"
	       "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: r\r\nCSeq: 1 BYE\r\n\r\n");
	assert_int_equal(counts().octets, 0);
	assert_int_equal(counts().lines, 0);
	t_close();
}

static void test_a_line_is_kept_once_and_goes_with_its_last_user(void **state)
{
	struct story_lines t;
	struct story_line *a, *b, *c;

	(void)state;
	assert_int_equal(story_lines_init(&t, 4), GW_OK);
	a = story_line_field(&t, GW_SLICE_LIT("Max-Forwards"), 1, GW_SLICE_LIT("70"));
	b = story_line_field(&t, GW_SLICE_LIT("Max-Forwards"), 1, GW_SLICE_LIT("70"));
	c = story_line_field(&t, GW_SLICE_LIT("Max-Forwards"), 1, GW_SLICE_LIT("69"));
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_string_equal(a->text, "Max-Forwards: 70");
	assert_int_equal(t.count, 2);
	story_line_put(&t, a);
	assert_int_equal(t.count, 2);
	story_line_put(&t, b);
	story_line_put(&t, c);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.octets, 0);
	/* every length around the eights */
	for (size_t n = 0; n < 40; n++) {
		static const char text[] = "0123456789012345678901234567890123456789";

		a = story_line_get(&t, (struct gw_slice){text, n});
		b = story_line_get(&t, (struct gw_slice){text, n});
		assert_ptr_equal(a, b);
		assert_int_equal(a->n, n);
	}
	story_lines_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_beginning_and_the_end_stay_what_was_between_is_counted),
	    cmocka_unit_test(test_one_entry_and_exactly_as_many_as_fit),
	    cmocka_unit_test(test_only_so_many_ended_calls_and_nothing_is_left_of_the_others),
	    cmocka_unit_test(test_a_flood_of_refused_calls_leaves_the_ended_ones),
	    cmocka_unit_test(test_explain_memory_is_kept_the_oldest_ended_go_live_ones_stay),
	    cmocka_unit_test(test_nothing_is_kept_when_it_is_off),
	    cmocka_unit_test(test_two_calls_of_one_call_id_are_told_apart),
	    cmocka_unit_test(test_a_message_of_another_call_id_and_a_register_leave_nothing),
	    cmocka_unit_test(test_a_line_is_kept_once_and_goes_with_its_last_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
