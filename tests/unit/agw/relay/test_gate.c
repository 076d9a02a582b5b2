/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core socket's peer: connected once packets come from exactly the signalled address, free
 * again when the peer falls silent, moves, or there are several.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/stream_bench.h"

/* Is the core RTP socket connected, as the kernel sees it? */
static bool is_connected(struct bench *b)
{
	struct gw_addr peer = {.len = sizeof(peer.u)};
	bool yes = getpeername(b->fds[1], &peer.u.sa, &peer.len) == 0;

	assert_int_equal(agw_stream_sock(b->s, AGW_SOCK_CORE_RTP)->connected, yes);
	return yes;
}

static void test_connected_after_exact_packets_and_free_after_silence(void **state)
{
	struct bench *b = *state;
	struct gw_addr before;
	struct gw_addr after;

	REQ("RTP-03", "RTP-07");
	assert_int_equal(agw_udp_local(b->fds[1], &before), GW_OK);
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
	/* From the right host and another port: no reason to shut the door. */
	agw_core_heard(b->s, &b->other);
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	/* Silence: perhaps it moved within the allowed filter, and the kernel keeps it out. */
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
	assert_int_equal(agw_udp_local(b->fds[1], &after), GW_OK);
	assert_int_equal(gw_addr_port(&before), gw_addr_port(&after));
}

/* Does a stranger's packet come as far as to us? */
static bool comes_in(struct bench *b)
{
	struct gw_addr to;
	uint8_t buf[8];
	int fd;

	assert_int_equal(gw_addr_parse_ip(&to, "127.0.0.9", 0), GW_OK);
	assert_int_equal(agw_udp_open(&fd, &to), GW_OK);
	assert_int_equal(agw_udp_local(b->fds[1], &to), GW_OK);
	assert_true(agw_udp_send(fd, &to, "x", 1));
	(void)close(fd);
	return recv(b->fds[1], buf, sizeof(buf), MSG_DONTWAIT) == 1;
}

static void test_strangers_can_be_seen_for_a_second_in_a_minute(void **state)
{
	struct bench *b = *state;
	unsigned open = 0;

	REQ("RTP-07");
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	assert_false(comes_in(b));
	for (int i = 0; i < 610; i++) { /* the right one speaks all the time */
		agw_core_heard(b->s, &b->signalled);
		agw_core_sweep(b->s);
		if (is_connected(b))
			continue;
		open++;
		assert_true(comes_in(b));
	}
	assert_int_equal(open, 10);
}

static void test_where_any_source_is_good_all_are_heard(void **state)
{
	struct bench *b = *state;

	REQ("RTP-07");
	b->patch.params.core.filter = AGW_FILTER_ANY;
	agw_stream_apply(b->s, &b->patch);
	for (int i = 0; i < 3; i++) {
		agw_core_heard(b->s, &b->signalled);
		agw_core_sweep(b->s);
		assert_true(comes_in(b));
	}
	assert_false(is_connected(b));
}

static void test_a_new_remote_sets_the_socket_free(void **state)
{
	struct bench *b = *state;

	REQ("RTP-06");
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	/* Equal values change nothing. */
	agw_stream_apply(b->s, &b->patch);
	assert_true(is_connected(b));
	b->patch.params.core.branches[0].rtp = b->other;
	agw_stream_apply(b->s, &b->patch);
	assert_false(is_connected(b));
	assert_true(gw_addr_eq(&b->s->core_rtp_to, &b->other));
	assert_int_equal(gw_addr_port(&b->s->core_rtcp_to), 23904);
}

static void test_with_several_branches_the_socket_stays_free(void **state)
{
	struct bench *b = *state;

	REQ("RTP-07");
	b->patch.params.core.branches[3].id = 3;
	b->patch.params.core.branches[3].rtp = b->other;
	agw_stream_apply(b->s, &b->patch);
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
}

static void test_latching_ends_ten_seconds_after_the_gate_opened(void **state)
{
	struct bench *b = *state;

	REQ("RTP-08");
	b->patch.params.core.latch = AGW_LATCH_ONCE;
	b->patch.params.gate_down = false;
	agw_stream_apply(b->s, &b->patch);
	b->patch.params.gate_down = true;
	agw_stream_apply(b->s, &b->patch);
	b->env.now_ms += 10000;
	agw_core_heard(b->s, &b->other);
	assert_int_equal(b->seen[AGW_EV_CORE_LATCHED], 0);
	/* Re-armed by a change, and then only once. */
	b->patch.params.core.branches[0].rtp = at(23905);
	agw_stream_apply(b->s, &b->patch);
	b->env.now_ms += 9999;
	agw_core_heard(b->s, &b->other);
	assert_int_equal(b->seen[AGW_EV_CORE_LATCHED], 1);
	agw_core_heard(b->s, &b->signalled);
	assert_int_equal(b->seen[AGW_EV_CORE_LATCHED], 1);
	assert_true(gw_addr_eq(&b->s->core_rtp_to, &b->other));
}

static void test_the_signalled_address_heard_first_ends_latching(void **state)
{
	struct bench *b = *state;

	REQ("RTP-08");
	b->patch.params.core.latch = AGW_LATCH_ONCE;
	b->patch.params.gate_down = false;
	agw_stream_apply(b->s, &b->patch);
	b->patch.params.gate_down = true;
	agw_stream_apply(b->s, &b->patch);
	agw_core_heard(b->s, &b->signalled);
	agw_core_heard(b->s, &b->other);
	assert_int_equal(b->seen[AGW_EV_CORE_LATCHED], 0);
	assert_true(gw_addr_eq(&b->s->core_rtp_to, &b->signalled));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_connected_after_exact_packets_and_free_after_silence),
	    T(test_strangers_can_be_seen_for_a_second_in_a_minute),
	    T(test_where_any_source_is_good_all_are_heard),
	    T(test_a_new_remote_sets_the_socket_free),
	    T(test_with_several_branches_the_socket_stays_free),
	    T(test_latching_ends_ten_seconds_after_the_gate_opened),
	    T(test_the_signalled_address_heard_first_ends_latching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
