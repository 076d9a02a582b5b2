/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches over several sockets: each datagram goes by its own, in its order; a refused one is told
 * and harms no other; what is too long is known to be.
 */
#include "agw/net/udp.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct ends {
	int fd[3];
	struct gw_addr at[3];
	struct agw_udp_in *in;
	struct agw_udp_out *out;
	unsigned failed;
	void *tag;
};

static void on_failed(void *arg, void *tag)
{
	struct ends *e = arg;

	e->failed++;
	e->tag = tag;
}

static int setup(void **state)
{
	static struct ends e;
	struct gw_addr any;

	memset(&e, 0, sizeof(e));
	assert_int_equal(gw_addr_parse(&any, "127.0.0.1", 0), GW_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(agw_udp_open(&e.fd[i], &any), GW_OK);
		assert_int_equal(agw_udp_local(e.fd[i], &e.at[i]), GW_OK);
	}
	assert_int_equal(agw_udp_in_new(&e.in), GW_OK);
	assert_int_equal(agw_udp_out_new(&e.out, on_failed, &e), GW_OK);
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	struct ends *e = *state;

	for (int i = 0; i < 3; i++)
		(void)close(e->fd[i]);
	agw_udp_in_free(e->in);
	agw_udp_out_free(e->out);
	return 0;
}

static void queue(struct ends *e, int from, const struct gw_addr *to, int dscp, const char *text)
{
	agw_udp_out_add(e->out, &(struct agw_udp_dgram){e->fd[from], to, dscp, text, strlen(text)},
			(void *)(uintptr_t)text);
}

static void expect(struct ends *e, int from, const char *text)
{
	struct agw_udp_pkt pkt;
	size_t first;

	agw_udp_in_reset(e->in);
	assert_int_equal(agw_udp_recv(e->in, e->fd[2], 1, &first), 1);
	agw_udp_in_pkt(e->in, first, &pkt);
	assert_int_equal(pkt.len, strlen(text));
	assert_memory_equal(pkt.data, text, pkt.len);
	assert_true(gw_addr_eq(pkt.from, &e->at[from]));
}

static void test_a_batch_of_several_sockets(void **state)
{
	struct ends *e = *state;
	size_t first;

	REQ("RTP-15");
	assert_int_equal(agw_udp_connect(e->fd[0], &e->at[2]), GW_OK);
	queue(e, 0, NULL, -1, "one, connected");
	queue(e, 1, &e->at[2], -1, "two");
	queue(e, 1, &e->at[2], 46, "three, marked");
	queue(e, 0, NULL, 10, "four, marked");
	assert_int_equal(agw_udp_recv(e->in, e->fd[2], 1, &first), 0);
	agw_udp_out_flush(e->out);
	expect(e, 0, "one, connected");
	expect(e, 1, "two");
	expect(e, 1, "three, marked");
	expect(e, 0, "four, marked");
	assert_int_equal(agw_udp_recv(e->in, e->fd[2], 1, &first), 0);
	assert_int_equal(e->failed, 0);
}

static void test_one_refused_harms_no_other(void **state)
{
	static const char bad[] = "to nowhere: not connected, no address";
	struct ends *e = *state;

	queue(e, 0, &e->at[2], -1, "before");
	queue(e, 1, NULL, -1, bad);
	queue(e, 1, &e->at[2], -1, "after");
	agw_udp_out_flush(e->out);
	assert_int_equal(e->failed, 1);
	assert_ptr_equal(e->tag, bad);
	expect(e, 0, "before");
	expect(e, 1, "after");
}

static void test_a_full_batch_makes_room_for_itself(void **state)
{
	struct ends *e = *state;

	for (unsigned i = 0; i <= AGW_UDP_BATCH; i++)
		queue(e, (int)(i % 2), &e->at[2], -1, "x");
	agw_udp_out_flush(e->out);
	for (unsigned i = 0; i <= AGW_UDP_BATCH; i++)
		expect(e, (int)(i % 2), "x");
}

static void test_from_a_connected_peer(void **state)
{
	static uint8_t large[AGW_UDP_MTU + 1];
	struct ends *e = *state;
	struct agw_udp_pkt pkt;
	size_t first;

	REQ("RTP-22");
	assert_int_equal(agw_udp_connect(e->fd[2], &e->at[0]), GW_OK);
	assert_int_equal(agw_udp_recv_peer(e->in, e->fd[2], &e->at[0], &first), 0);
	assert_true(agw_udp_send(e->fd[0], &e->at[2], "y", 1));
	assert_true(agw_udp_send(e->fd[1], &e->at[2], "a stranger's", 12));
	assert_true(agw_udp_send(e->fd[0], &e->at[2], large, AGW_UDP_MTU));
	assert_true(agw_udp_send(e->fd[0], &e->at[2], large, sizeof(large)));
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(agw_udp_recv_peer(e->in, e->fd[2], &e->at[0], &first), 1);
		assert_int_equal(first, i);
		agw_udp_in_pkt(e->in, first, &pkt);
		assert_true(gw_addr_eq(pkt.from, &e->at[0]));
		assert_int_equal(pkt.len, i == 0 ? 1 : AGW_UDP_MTU);
		assert_int_equal(pkt.truncated, i == 2);
	}
	assert_int_equal(agw_udp_recv_peer(e->in, e->fd[2], &e->at[0], &first), 0);
	assert_int_equal(agw_udp_in_room(e->in), AGW_UDP_BATCH - 3);
}

/* What is longer than a path takes is fragmented, in both families; what is longer than a buffer is
 * known to be. */
static void test_the_network_may_fragment(void **state)
{
	static const struct {
		const char *ip;
		int level, option, off;
	} t[] = {{"127.0.0.1", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT},
		 {"::1", IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT}};

	(void)state;
	REQ("RTP-22");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct gw_addr any;
		int fd, is = -1;
		socklen_t len = sizeof(is);

		assert_int_equal(gw_addr_parse_ip(&any, t[i].ip, 0), GW_OK);
		if (agw_udp_open(&fd, &any) != GW_OK) {
			assert_int_equal(i, 1); /* a machine without IPv6 */
			continue;
		}
		assert_int_equal(getsockopt(fd, t[i].level, t[i].option, &is, &len), 0);
		assert_int_equal(is, t[i].off);
		(void)close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_network_may_fragment),
	    cmocka_unit_test_setup_teardown(test_a_batch_of_several_sockets, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_refused_harms_no_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_full_batch_makes_room_for_itself, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_from_a_connected_peer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
