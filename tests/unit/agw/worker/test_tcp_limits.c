/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE-TCP where the system has no more to give, and where one host has very many addresses. The
 * system's call is ours here: it fails when it is told to, and comes from where it is told to.
 */
#include "agw/relay/tcp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/tcp_bridge.h"
#include "tests/unit/agw/lib/worker_bench.h"

#include <errno.h>
#include <sys/syscall.h>

static atomic_int fails;      /* errno of accept4; 0 = it works */
static atomic_uint asked;     /* failures it gave */
static atomic_uint many_from; /* n: the next n connections come from as many addresses of a /64 */

/* Ours instead of the C library's. */
int accept4(int fd, __SOCKADDR_ARG to, socklen_t *len, int flags)
{
	struct sockaddr *addr = to.__sockaddr__;
	int conn;

	if (atomic_load(&fails) != 0) {
		(void)atomic_fetch_add(&asked, 1);
		errno = atomic_load(&fails);
		return -1;
	}
	conn = (int)syscall(SYS_accept4, fd, addr, len, flags);
	if (conn >= 0 && atomic_load(&many_from) > 0) {
		unsigned n = atomic_fetch_sub(&many_from, 1);
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)addr;

		memset(in6, 0, sizeof(*in6));
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)(1024 + n));
		memcpy(&in6->sin6_addr, (const uint8_t[4]){0x20, 0x01, 0x0d, 0xb8}, 4);
		memcpy((uint8_t *)&in6->sin6_addr + 12, &n, sizeof(n));
		*len = sizeof(*in6);
	}
	return conn;
}

static int start(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1, .max_batch_wait_us = 500});
}

static const struct gw_addr *tcp_addr(const struct agw_stream_local *l)
{
	for (unsigned i = 0; i < l->n_cands; i++)
		if (l->cands[i].tcp)
			return &l->cands[i].addr;
	fail_msg("no TCP candidate");
	return NULL;
}

static void test_without_descriptors_it_rests_and_wakes_again(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
	struct bench *b = *state;

	REQ("ICE-26", "ICE-29");
	reserve(b);
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		uint64_t until = wic_now_ms() + WIC_LIMIT_MS;
		struct bridge br;

		atomic_store(&asked, 0);
		atomic_store(&fails, errors[i]);
		bridge_open(&br, &b->wic, tcp_addr(&b->local), 4096);
		while (atomic_load(&asked) == 0 && wic_now_ms() < until)
			(void)poll(NULL, 0, 2);
		(void)poll(NULL, 0, 300);
		/* it waits a second before it asks again; another listener may be its neighbour */
		assert_in_range(atomic_load(&asked), 1, 2);
		atomic_store(&fails, 0);
		/* the same connection, which waited in the kernel, is taken then */
		assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
		bridge_close(&br);
	}
	wic_close(&b->wic);
}

/* 64 may be unknown at once; a flood of one network drives out none of another. */
static void test_one_network_of_ipv6_is_one_source(void **state)
{
	struct bench *b = *state;
	int honest, fds[AGW_TCP_UNKNOWN + 1];
	unsigned closed = 0;

	REQ("ICE-26", "ICE-29");
	reserve(b);
	honest = tcp_to(tcp_addr(&b->local));
	assert_false(tcp_is_closed(honest, 100)); /* accepted as it is */
	atomic_store(&many_from, AGW_TCP_UNKNOWN + 1);
	for (int i = 0; i <= AGW_TCP_UNKNOWN; i++)
		fds[i] = tcp_to(tcp_addr(&b->local));
	for (int i = 0; i <= AGW_TCP_UNKNOWN; i++)
		if (i >= AGW_TCP_PER_SOURCE)
			closed += tcp_is_closed(fds[i], 1000);
	assert_int_equal(closed, AGW_TCP_UNKNOWN + 1 - AGW_TCP_PER_SOURCE);
	assert_false(tcp_is_closed(honest, 100));
	for (int i = 0; i < AGW_TCP_PER_SOURCE; i++)
		assert_false(tcp_is_closed(fds[i], 10));
	for (int i = 0; i <= AGW_TCP_UNKNOWN; i++)
		(void)close(fds[i]);
	(void)close(honest);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_without_descriptors_it_rests_and_wakes_again),
	    T(test_one_network_of_ipv6_is_one_source),
	};

	ice_tcp = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
