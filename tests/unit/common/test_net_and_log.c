/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, the ring between two threads, log lines that cannot be forged, the machine engine. */
#include "common/fsm.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/ring.h"
#include "common/sockaddr.h"

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GW_LOG_MOD "test"

static void test_addresses_parse_and_print(void **state)
{
	static const struct {
		const char *in;
		const char *out; /* NULL: refused */
	} t[] = {
	    {"127.0.0.1:5060", "127.0.0.1:5060"},
	    {"[::1]:5060", "[::1]:5060"},
	    {"::1", "[::1]:7"},
	    {":5060", "0.0.0.0:5060"},
	    {"10.0.0.1", "10.0.0.1:7"},
	    {"10.0.0.1:65536", NULL},
	    {"10.0.0.1:", NULL},
	    {"10.0.0:1", NULL},
	    {"[::1", NULL},
	    {"[::1]x", NULL},
	    {"host:1", NULL},
	};
	struct gw_addr a;
	char buf[GW_ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		enum gw_err err = gw_addr_parse(&a, t[i].in, 7);

		if (t[i].out == NULL) {
			assert_int_not_equal(err, GW_OK);
			continue;
		}
		assert_int_equal(err, GW_OK);
		assert_string_equal(gw_addr_str(&a, buf, sizeof(buf)), t[i].out);
	}
	assert_int_equal(gw_addr_parse(&a, "10.1.130.3:1", 0), GW_OK);
	assert_true(gw_addr_in_range(&a, "10.1.128.0/17"));
	assert_false(gw_addr_in_range(&a, "10.1.0.0/17"));
	assert_true(gw_addr_in_range(&a, "10.1.130.3"));
	assert_false(gw_addr_in_range(&a, "::/0"));
	assert_false(gw_addr_in_range(&a, "10.0.0.0/33"));
}

#define RING_MESSAGES 200000U

static void *producer(void *arg)
{
	for (unsigned i = 0; i < RING_MESSAGES;) {
		if (gw_ring_push(arg, &i) == GW_OK)
			i++;
	}
	return NULL;
}

static void test_ring_keeps_order_between_two_threads(void **state)
{
	struct gw_ring *r;
	pthread_t t;
	unsigned got;
	unsigned want = 0;

	(void)state;
	assert_int_equal(gw_ring_new(&r, sizeof(unsigned), 100), GW_ERR_INVAL);
	assert_int_equal(gw_ring_new(&r, sizeof(unsigned), 64), GW_OK);
	assert_int_equal(pthread_create(&t, NULL, producer, r), 0);
	while (want < RING_MESSAGES) {
		if (gw_ring_pop(r, &got)) {
			assert_int_equal(got, want);
			want++;
		}
	}
	(void)pthread_join(t, NULL);
	gw_ring_free(r);
}

static void test_full_ring_refuses_and_loses_nothing(void **state)
{
	struct gw_ring *r;
	unsigned v;

	(void)state;
	assert_int_equal(gw_ring_new(&r, sizeof(unsigned), 4), GW_OK);
	for (v = 0; v < 4; v++)
		assert_int_equal(gw_ring_push(r, &v), GW_OK);
	assert_int_equal(gw_ring_push(r, &v), GW_ERR_LIMIT);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(gw_ring_pop(r, &v));
		assert_int_equal(v, i);
	}
	assert_false(gw_ring_pop(r, &v));
	gw_ring_free(r);
}

static void test_a_value_from_a_peer_cannot_start_a_log_line(void **state)
{
	char buf[1024];
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	gw_log_set_fd(fds[1]);
	GW_LOG(GW_LOG_INFO, "x", "v=\"%s\"", "a\r\nlevel=error forged\x7f");
	gw_log_set_fd(2);
	n = read(fds[0], buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_ptr_equal(strchr(buf, '\n'), buf + n - 1);
	assert_non_null(strstr(buf, "a\\x0d\\x0alevel=error forged\\x7f"));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

#define LINES_LOST 30000 /* more than pipe and backlog hold */

/* All there is to read till this event, *n octets. */
static char *read_till(int fd, const char *event, size_t *n)
{
	size_t room = 8U << 20;
	char *buf = malloc(room);

	assert_non_null(buf);
	*n = 0;
	buf[0] = '\0';
	do {
		ssize_t got = read(fd, buf + *n, room - *n - 1);

		assert_true(got > 0);
		buf[*n + (size_t)got] = '\0';
		*n += (size_t)got;
	} while (strstr(buf + (*n > 65536 + 200 ? *n - 65536 - 200 : 0), event) == NULL);
	return buf;
}

static void test_a_burst_is_written_as_the_reader_reads(void **state)
{
	unsigned expected = 0;
	char *buf, *at;
	size_t n;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 8192), 8192);
	gw_log_set_fd(fds[1]);
	for (unsigned i = 0; i < 5000; i++) /* half a megabyte, and nobody reads yet */
		GW_LOG(GW_LOG_INFO, "burst", "i=%u", i);
	GW_LOG(GW_LOG_INFO, "over", "i=%u", 0U);
	buf = read_till(fds[0], "event=over", &n);
	for (at = buf; (at = strstr(at, "event=burst i=")) != NULL; at++)
		assert_int_equal(strtoul(at + strlen("event=burst i="), NULL, 10), expected++);
	assert_int_equal(expected, 5000);
	gw_log_set_fd(2);
	free(buf);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_a_full_pipe_holds_nobody_up_and_is_told_afterwards(void **state)
{
	char buf[65536];
	char *at = NULL;
	size_t lost = 0;
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	gw_log_set_fd(fds[1]);
	for (unsigned i = 0; i < LINES_LOST; i++) /* nobody reads: would wait for ever */
		GW_LOG(GW_LOG_INFO, "full", "i=%u", i);
	while (at == NULL) { /* a reader comes: with room there is again a line, and it tells */
		n = read(fds[0], buf, sizeof(buf) - 1);
		assert_true(n > 0);
		buf[n] = '\0';
		at = strstr(buf, "event=log.dropped lines=");
		GW_LOG(GW_LOG_INFO, "again", "i=%u", 0U);
	}
	assert_int_equal(sscanf(at, "event=log.dropped lines=%zu", &lost), 1);
	assert_in_range(lost, 1, LINES_LOST - 1);
	gw_log_set_fd(2);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_a_stuck_journal_and_a_closed_one_hold_nobody_up(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	gw_log_set_fd(fds[1]);
	for (unsigned i = 0; i < 10000; i++)
		GW_LOG(GW_LOG_INFO, "full", "i=%u", i);
	(void)close(fds[0]);
	GW_LOG(GW_LOG_INFO, "full", "i=%u", 0U); /* no SIGPIPE */
	gw_log_set_fd(2);
	(void)close(fds[1]);
}

static void test_metrics_text_groups_families(void **state)
{
	static struct gw_metric m[] = {
	    {.name = "b_total", .labels = "k=\"2\"", .help = "B"},
	    {.name = "a_now", .type = GW_METRIC_GAUGE, .help = "A"},
	    {.name = "b_total", .labels = "k=\"1\"", .help = "B"},
	};
	char *text;

	(void)state;
	gw_metric_register(m, 3);
	gw_metric_inc(&m[0]);
	gw_metric_set(&m[1], -4);
	text = gw_metric_text();
	assert_string_equal(text, "# HELP a_now A\n# TYPE a_now gauge\na_now -4\n"
				  "# HELP b_total B\n# TYPE b_total counter\n"
				  "b_total{k=\"1\"} 0\nb_total{k=\"2\"} 1\n");
	free(text);
	gw_metric_unregister(m);
}

enum { S_A, S_B, S_C, S_COUNT };
enum { E_GO, E_TIMER, E_COUNT };

static void a_event(struct gw_fsm *fsm, unsigned event, void *data)
{
	(void)event;
	(void)data;
	gw_fsm_go(fsm, S_C); /* not listed: must be refused */
	assert_int_equal(fsm->state, S_A);
	gw_fsm_go(fsm, S_B);
}

static void b_event(struct gw_fsm *fsm, unsigned event, void *data)
{
	(void)data;
	assert_int_equal(event, E_TIMER);
	gw_fsm_go(fsm, S_C);
	(void)event_base_loopbreak(fsm->owner);
}

static void test_machine_refuses_unlisted_events_and_jumps(void **state)
{
	static const struct gw_fsm_state states[S_COUNT] = {
	    [S_A] = {"A", GW_BIT(E_GO), GW_BIT(S_B), 0, a_event, NULL},
	    [S_B] = {"B", GW_BIT(E_TIMER), GW_BIT(S_C), 10, b_event, NULL},
	    [S_C] = {"C", 0, 0, 0, NULL, NULL},
	};
	static const char *const events[] = {"go", "timer"};
	static const struct gw_fsm_desc desc = {"t",     states,  S_COUNT, events,
						E_COUNT, E_TIMER, NULL};
	struct event_base *base = event_base_new();
	struct gw_fsm f;

	(void)state;
	assert_int_equal(gw_fsm_init(&f, &desc, S_A, base, base), GW_OK);
	assert_int_equal(gw_fsm_dispatch(&f, E_TIMER, NULL), GW_ERR_STATE);
	assert_int_equal(gw_fsm_dispatch(&f, E_GO, NULL), GW_OK);
	(void)event_base_dispatch(base);
	assert_string_equal(gw_fsm_state_name(&f), "C");
	gw_fsm_fini(&f);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses_parse_and_print),
	    cmocka_unit_test(test_ring_keeps_order_between_two_threads),
	    cmocka_unit_test(test_full_ring_refuses_and_loses_nothing),
	    cmocka_unit_test(test_a_value_from_a_peer_cannot_start_a_log_line),
	    cmocka_unit_test(test_a_burst_is_written_as_the_reader_reads),
	    cmocka_unit_test(test_a_full_pipe_holds_nobody_up_and_is_told_afterwards),
	    cmocka_unit_test(test_a_stuck_journal_and_a_closed_one_hold_nobody_up),
	    cmocka_unit_test(test_metrics_text_groups_families),
	    cmocka_unit_test(test_machine_refuses_unlisted_events_and_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
