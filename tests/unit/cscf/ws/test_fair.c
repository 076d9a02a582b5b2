/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes while an open connection never stops sending: on a base with the priorities of the
 * process, new connections and handshakes under way get through all the same, and timers come.
 * The flood and the newcomer are threads, the listener has the test's.
 */
#include "tests/lib/req.h"
#include "tests/unit/cscf/ws/rig.h"

#include <pthread.h>
#include <stdatomic.h>

#define BURN_MS     1 /* of each message of the flood: slower than it is sent */
#define PAYLOAD     60000
#define FLOODS      3
#define DEADLINE_MS 5000

static struct rig rig;
static struct client flood[FLOODS], late;
static pthread_t flooder[FLOODS], newcomer;
static atomic_bool saturated, stop;
static int64_t deadline;
static bool late_first; /* it is connected before the flood begins */
static bool timer_came;

static bool send_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static void *run_flood(void *arg)
{
	static const uint8_t payload[PAYLOAD];
	const struct client *c = arg;
	uint8_t frame[PAYLOAD + MASK_HEAD_MAX];
	size_t n = mask_frame(frame, 0x82, payload, sizeof(payload));

	if (send_all(c->fd, (const uint8_t *)RIG_HANDSHAKE, sizeof(RIG_HANDSHAKE) - 1))
		while (!atomic_load(&stop) && send_all(c->fd, frame, n)) {
		}
	return NULL;
}

/* Once the listener has no pause any more: the request. */
static void *run_late(void *arg)
{
	(void)arg;
	while (!atomic_load(&saturated) && !atomic_load(&stop))
		(void)poll(NULL, 0, 1);
	if (!late_first)
		client_connect(&late, &rig);
	(void)send_all(late.fd, (const uint8_t *)RIG_HANDSHAKE, sizeof(RIG_HANDSHAKE) - 1);
	return NULL;
}

static void hook(struct rig *r)
{
	int64_t now = rig_now_ms();

	if (r->messages == 200) {
		deadline = now + DEADLINE_MS;
		atomic_store(&saturated, true);
	}
	while (rig_now_ms() < now + BURN_MS) {
	}
	if ((r->opened == FLOODS + 1 && timer_came) || now > deadline)
		(void)event_base_loopbreak(r->base);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	timer_came = timer_came || atomic_load(&saturated);
}

static void run(void)
{
	struct timeval often = {.tv_usec = 50000};
	struct event *timer;

	rig_init(&rig);
	rig.cfg.rate = 0;
	rig.priorities = true;
	rig.hook = hook;
	rig_start(&rig);
	timer = event_new(rig.base, -1, EV_PERSIST, on_timer, NULL);
	assert_non_null(timer);
	assert_int_equal(event_add(timer, &often), 0);
	deadline = rig_now_ms() + RIG_PATIENCE_MS;
	timer_came = false;
	late.fd = -1;
	atomic_store(&saturated, false);
	atomic_store(&stop, false);
	if (late_first) {
		client_connect(&late, &rig);
		RIG_AWAIT(&rig, &late, cscf_ws_listener_counts(rig.l).handshaking == 1);
	}
	for (int i = 0; i < FLOODS; i++) {
		client_connect(&flood[i], &rig);
		assert_int_equal(pthread_create(&flooder[i], NULL, run_flood, &flood[i]), 0);
	}
	assert_int_equal(pthread_create(&newcomer, NULL, run_late, NULL), 0);
	assert_int_equal(event_base_dispatch(rig.base), 0);
	atomic_store(&stop, true);
	for (int i = 0; i < FLOODS; i++) {
		(void)shutdown(flood[i].fd, SHUT_RDWR);
		(void)pthread_join(flooder[i], NULL);
		client_close(&flood[i]);
	}
	(void)pthread_join(newcomer, NULL);
	event_free(timer);
	client_close(&late);
}

static void test_a_new_connection_gets_in(void **state)
{
	REQ("WS-24");
	(void)state;
	late_first = false;
	run();
	assert_int_equal(rig.opened, FLOODS + 1);
	assert_true(timer_came);
	rig_stop(&rig);
}

static void test_a_handshake_under_way_is_finished(void **state)
{
	REQ("WS-24");
	(void)state;
	late_first = true;
	run();
	assert_int_equal(rig.opened, FLOODS + 1);
	assert_true(timer_came);
	rig_stop(&rig);
}

struct spinner {
	struct event_base *base;
	struct event *ev;
};

static void on_spin(evutil_socket_t fd, short what, void *arg)
{
	const struct spinner *s = arg;

	(void)fd;
	(void)what;
	if (timer_came || rig_now_ms() > deadline)
		(void)event_base_loopbreak(s->base);
	else
		event_active(s->ev, EV_READ, 0); /* as a connection with more to read */
}

static void test_timers_come_though_a_turn_never_ends(void **state)
{
	REQ("WS-24", "SEC-19");
	struct spinner s = {.base = cscf_ws_base_new()};
	struct timeval soon = {.tv_usec = 20000};
	struct event *timer;

	(void)state;
	assert_non_null(s.base);
	s.ev = event_new(s.base, -1, EV_PERSIST, on_spin, &s);
	timer = event_new(s.base, -1, 0, on_timer, NULL);
	assert_non_null(s.ev);
	assert_non_null(timer);
	atomic_store(&saturated, true);
	timer_came = false;
	deadline = rig_now_ms() + DEADLINE_MS;
	assert_int_equal(event_add(timer, &soon), 0);
	event_active(s.ev, EV_READ, 0);
	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_true(timer_came);
	event_free(timer);
	event_free(s.ev);
	event_base_free(s.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_new_connection_gets_in),
	    cmocka_unit_test(test_a_handshake_under_way_is_finished),
	    cmocka_unit_test(test_timers_come_though_a_turn_never_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
