/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations on their way back to a TURN server that the test plays: what it is told, in which
 * order, how often, and when it is given up. With Debian's coturn: worker/test_full_relay.
 */
#include "agw/ice/leave.h"
#include "agw/net/udp.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <string.h>
#include <stun/stunagent.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 5000
#define GIVEN_UP 0 /* no answer at all */
#define OK       1 /* success */
#define STRAY    2 /* a success of another transaction, and one from another address */

struct bench {
	struct agw_ice_leave *leave;
	int server, other, client;
	struct gw_addr server_at, client_at;
	uint8_t got[1500];
	size_t n;
};

static uint64_t real_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int open_any(struct gw_addr *at)
{
	int fd = -1;

	assert_int_equal(gw_addr_parse_ip(at, "127.0.0.1", 0), GW_OK);
	assert_int_equal(agw_udp_open(&fd, at), GW_OK);
	assert_int_equal(agw_udp_local(fd, at), GW_OK);
	return fd;
}

static int setup(void **state)
{
	struct agw_ice_turn turn = {.username = "wicgate", .password = "secret"};
	struct bench *b = calloc(1, sizeof(*b));
	struct gw_addr any;

	assert_non_null(b);
	b->server = open_any(&b->server_at);
	b->other = open_any(&any);
	b->client = open_any(&b->client_at);
	turn.server = b->server_at;
	assert_int_equal(agw_ice_leave_new(&b->leave, &turn), GW_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	agw_ice_leave_free(b->leave);
	(void)close(b->server);
	(void)close(b->other);
	if (b->client >= 0)
		(void)close(b->client);
	free(b);
	return 0;
}

static struct agw_ice_leave_load load_of(const struct bench *b)
{
	struct agw_ice_leave_load l;

	agw_ice_leave_load(b->leave, &l);
	return l;
}

/* Give it all it wants of the thread. @return true: the server has got something */
static bool serve(struct bench *b, uint64_t until)
{
	struct pollfd p[2] = {{.fd = agw_ice_leave_fd(b->leave), .events = POLLIN},
			      {.fd = b->server, .events = POLLIN}};
	uint64_t now;

	while ((now = real_ms()) < until) {
		(void)poll(p, 2, (int)(until - now));
		if (p[1].revents != 0) {
			b->n = (size_t)recv(b->server, b->got, sizeof(b->got), 0);
			return true;
		}
		if (p[0].revents != 0)
			agw_ice_leave_step(b->leave);
		if (load_of(b).returned + load_of(b).kept > 0)
			return false;
	}
	return false;
}

static const uint8_t *attribute(const struct bench *b, uint16_t type, size_t *n)
{
	for (size_t i = 20; i + 4 <= b->n;) {
		size_t len = (size_t)b->got[i + 2] << 8 | b->got[i + 3];

		if ((b->got[i] << 8 | b->got[i + 1]) == type) {
			*n = len;
			return b->got + i + 4;
		}
		i += 4 + ((len + 3) & ~(size_t)3);
	}
	return NULL;
}

static bool is(const struct bench *b, uint16_t type, const char *want)
{
	size_t n = 0;
	const uint8_t *at = attribute(b, type, &n);

	return at != NULL && n == strlen(want) && memcmp(at, want, n) == 0;
}

/* A Refresh with lifetime 0; signed with that nonce, or not at all. */
static void check_ask(const struct bench *b, const char *nonce)
{
	static const uint8_t zero[4] = {0};
	size_t n = 0;
	const uint8_t *lifetime = attribute(b, STUN_ATTRIBUTE_LIFETIME, &n);

	assert_int_equal(b->got[0] << 8 | b->got[1], STUN_REFRESH);
	assert_non_null(lifetime);
	assert_int_equal(n, 4);
	assert_memory_equal(lifetime, zero, 4);
	if (nonce == NULL) {
		assert_null(attribute(b, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, &n));
		return;
	}
	assert_true(is(b, STUN_ATTRIBUTE_NONCE, nonce));
	assert_true(is(b, STUN_ATTRIBUTE_REALM, "test"));
	assert_true(is(b, STUN_ATTRIBUTE_USERNAME, "wicgate"));
	assert_non_null(attribute(b, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, &n));
}

static size_t put(uint8_t *p, uint16_t type, const void *data, size_t n)
{
	memset(p, 0, 4 + ((n + 3) & ~(size_t)3));
	p[0] = (uint8_t)(type >> 8);
	p[1] = (uint8_t)type;
	p[3] = (uint8_t)n;
	memcpy(p + 4, data, n);
	return 4 + ((n + 3) & ~(size_t)3);
}

static void answer(const struct bench *b, int from, int code, const char *nonce, uint8_t flip)
{
	uint8_t out[300] = {0}, error[4] = {0};
	size_t n = 20;

	memcpy(out, b->got, 20);
	out[0] = 0x01;
	out[1] = code >= 300 ? 0x14 : 0x04;
	out[12] ^= flip;
	if (code >= 300) {
		error[2] = (uint8_t)(code / 100);
		error[3] = (uint8_t)(code % 100);
		n += put(out + n, STUN_ATTRIBUTE_ERROR_CODE, error, sizeof(error));
		n += put(out + n, STUN_ATTRIBUTE_REALM, "test", 4);
		n += put(out + n, STUN_ATTRIBUTE_NONCE, nonce, strlen(nonce));
	} else {
		n += put(out + n, STUN_ATTRIBUTE_LIFETIME, "\0\0\0", 4);
	}
	out[3] = (uint8_t)(n - 20);
	assert_true(agw_udp_send(from, &b->client_at, out, n));
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL) /* NOLINT(concurrency-mt-unsafe): a stream of its own */
		n++;
	(void)closedir(d);
	return n;
}

static void test_what_a_server_may_say(void **state)
{
	static const struct {
		int says[6]; /* 0: from then on nothing more is asked */
		unsigned asked, returned;
	} rows[] = {
	    {{401, OK}, 2, 1},
	    {{401, 437}, 2, 1}, /* libnice's own word was heard already */
	    {{401, 438, OK}, 3, 1},
	    {{OK}, 1, 1},
	    {{STRAY, 401, OK}, 3, 1}, /* asked again, for want of an answer */
	    {{401, 441}, 2, 0},
	    {{401, 403}, 2, 0},
	    {{401, 401, 401, 401}, 4, 0}, /* it only wants to keep us busy */
	};
	struct bench *b = *state;
	unsigned fds = count_fds();

	REQ("ICE-28");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char *const nonces[] = {"one", "two", "three", "four"};
		unsigned asked = 0, told = 0;
		uint64_t until = real_ms() + LIMIT_MS;

		agw_ice_leave_add(b->leave, b->client);
		while (serve(b, until)) {
			int says = rows[i].says[asked++];

			check_ask(b, told > 0 ? nonces[told - 1] : NULL);
			if (says == STRAY) {
				answer(b, b->server, OK, NULL, 1);
				answer(b, b->other, OK, NULL, 0);
			} else {
				answer(b, b->server, says, nonces[told], 0);
				told += says == 401 || says == 438;
			}
		}
		assert_int_equal(asked, rows[i].asked);
		assert_int_equal(load_of(b).returned, rows[i].returned);
		assert_int_equal(load_of(b).kept, 1 - rows[i].returned);
		assert_int_equal(load_of(b).waiting, 0);
		assert_int_equal(count_fds(), fds);
		teardown(state);
		setup(state);
		b = *state;
	}
}

/* 0, 250, 750, 1750 ms, then it is given up, at two seconds; the socket of the agent is long
 * closed. */
static void test_a_server_that_is_not_there_is_given_up(void **state)
{
	struct bench *b = *state;
	uint64_t began = real_ms();
	unsigned asked = 0;

	REQ("ICE-28");
	agw_ice_leave_add(b->leave, b->client);
	(void)close(b->client);
	b->client = -1;
	while (serve(b, began + LIMIT_MS))
		asked++;
	assert_in_range(asked, 2, 4); /* a busy machine may oversleep one */
	assert_true(real_ms() - began >= 1900);
	assert_int_equal(load_of(b).kept, 1);
	assert_int_equal(load_of(b).waiting, 0);
}

/* As many as there are: more are not waited for, and nobody is held up. */
static void test_there_is_room_for_so_many(void **state)
{
	struct bench *b = *state;
	unsigned fds = count_fds();

	REQ("ICE-28");
	for (unsigned i = 0; i < AGW_ICE_LEAVE_MAX + 3; i++)
		agw_ice_leave_add(b->leave, b->client);
	/* Nor has a thread that has not come to them yet any more to hold. */
	assert_int_equal(count_fds(), fds + AGW_ICE_LEAVE_MAX);
	assert_int_equal(load_of(b).kept, 3);
	agw_ice_leave_step(b->leave);
	assert_int_equal(load_of(b).waiting, AGW_ICE_LEAVE_MAX);
	assert_int_equal(load_of(b).kept, 3);
	teardown(state); /* with all of them still waiting */
	assert_int_equal(count_fds(), fds - 7);
	setup(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_what_a_server_may_say),
	    T(test_a_server_that_is_not_there_is_given_up),
	    T(test_there_is_room_for_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
