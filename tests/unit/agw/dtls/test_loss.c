/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes over a link that loses every fifth datagram. The clock is the test's own: OpenSSL
 * asks gettimeofday, which is found here first. The dice are seeded, so each run is the same.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/dtls_bench.h"

#include <sys/time.h>

#define STEP_MS  10
#define LIMIT_MS 20000 /* dtls.timeout */
#define SEEDS    60U
#define EARLY_MS 15 /* OpenSSL takes what is due that soon as due */

static uint64_t clock_ms = 1000000;
static uint64_t asked; /* how often somebody wanted to know the time */

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	(void)zone;
	asked++;
	tv->tv_sec = (time_t)(clock_ms / 1000);
	tv->tv_usec = (suseconds_t)(clock_ms % 1000 * 1000);
	return 0;
}

struct link {
	uint64_t dice;
	unsigned percent;
	unsigned sent;
	unsigned lost;
};

/* xorshift64* */
static bool loses(struct link *l)
{
	l->dice ^= l->dice >> 12;
	l->dice ^= l->dice << 25;
	l->dice ^= l->dice >> 27;
	l->sent++;
	if ((l->dice * 0x2545f4914f6cdd1dULL >> 33) % 100 >= l->percent)
		return false;
	l->lost++;
	return true;
}

static unsigned their_timer(SSL *ssl, unsigned us)
{
	(void)ssl;
	return us == 0 ? 50000 : us >= 1500000 ? 3000000 : us * 2; /* as browsers have it */
}

/* What was under way arrives, or does not. */
static void one_trip(struct bench *b, struct link *l, struct queue *q)
{
	*q = b->to_us;
	b->to_us.n = 0;
	for (size_t i = 0; i < q->n; i++)
		if (!loses(l))
			(void)agw_dtls_input(b->s, q->data[i], q->len[i]);
	*q = b->to_peer;
	b->to_peer.n = 0;
	for (size_t i = 0; i < q->n; i++)
		if (!loses(l))
			peer_step(b, q->data[i], q->len[i]);
}

/* @return milliseconds until both ends are through */
static unsigned through(struct bench *b, bool peer_client, struct link *l)
{
	struct queue *q = malloc(sizeof(*q));
	unsigned ms = 0;

	assert_non_null(q);
	agw_dtls_start(b->s, peer_client ? AGW_DTLS_ROLE_SERVER : AGW_DTLS_ROLE_CLIENT);
	if (peer_client)
		peer_step(b, NULL, 0);
	while ((b->keyed == 0 || !b->peer_done) && ms < LIMIT_MS) {
		one_trip(b, l, q);
		ms += STEP_MS;
		clock_ms += STEP_MS;
		agw_dtls_tick(b->s);
		(void)DTLSv1_handle_timeout(b->peer);
		ERR_clear_error();
	}
	free(q);
	return ms;
}

static void lossy(void **state, bool peer_client)
{
	unsigned sent = 0;
	unsigned lost = 0;
	unsigned slow = 0;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct bench *b = *state;
		struct link l = {.dice = seed * 0x9e3779b97f4a7c15ULL, .percent = 20};
		unsigned ms;

		make_peer(b, peer_client, "SRTP_AEAD_AES_128_GCM", 1200);
		DTLS_set_timer_cb(b->peer, their_timer);
		agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
		ms = through(b, peer_client, &l);
		if (ms >= LIMIT_MS || b->failed > 0 || b->peer_failed)
			fail_msg("seed %u: %u ms, failed %u, %u of %u lost", seed, ms, b->failed,
				 l.lost, l.sent);
		assert_int_equal(b->keyed, 1);
		check_keys(b, peer_client);
		sent += l.sent;
		lost += l.lost;
		slow += ms > 3000;
		teardown(state);
		setup(state);
	}
	/* The link did what it should, and hardly anybody waited long. */
	assert_in_range(lost * 100 / sent, 14, 26);
	assert_true(slow <= SEEDS / 10);
	assert_true(asked > 0);
}

static void test_a_fifth_is_lost_and_we_serve(void **state)
{
	REQ("DTLS-16");
	lossy(state, true);
}

static void test_a_fifth_is_lost_and_we_start(void **state)
{
	REQ("DTLS-16");
	lossy(state, false);
}

/* Nothing arrives: 20 ms here, doubled each time, at most 3 s. */
static void test_the_timer_doubles_up_to_three_seconds(void **state)
{
	struct bench *b = *state;
	uint64_t last = clock_ms;
	uint64_t due = 20;

	REQ("DTLS-16");
	agw_dtls_start(b->s, AGW_DTLS_ROLE_CLIENT);
	for (unsigned i = 0; i < 11; i++) {
		b->to_peer.n = 0;
		while (b->to_peer.n == 0 && clock_ms - last <= 4000) {
			clock_ms++;
			agw_dtls_tick(b->s);
		}
		assert_in_range(clock_ms - last, due - EARLY_MS, due + 1);
		last = clock_ms;
		due = due * 2 > 3000 ? 3000 : due * 2;
	}
	assert_int_equal(b->failed, 0);
}

/* Every repeat of the peer's last flight is answered by ours, also long after the keys are out. */
static void test_the_last_flight_is_repeated_each_time(void **state)
{
	struct bench *b = *state;
	struct queue last;

	REQ("DTLS-16");
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	DTLS_set_timer_cb(b->peer, their_timer);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
	peer_step(b, NULL, 0);
	while (b->keyed == 0) {
		last = b->to_us;
		b->to_us.n = 0;
		assert_true(last.n > 0);
		for (size_t i = 0; i < last.n; i++)
			(void)agw_dtls_input(b->s, last.data[i], last.len[i]);
		if (b->keyed == 0) {
			last = b->to_peer;
			b->to_peer.n = 0;
			for (size_t i = 0; i < last.n; i++)
				peer_step(b, last.data[i], last.len[i]);
		}
	}
	for (unsigned i = 0; i < 5; i++) { /* ours is lost, five times */
		assert_true(b->to_peer.n > 0);
		b->to_peer.n = 0;
		clock_ms += 4000;
		assert_int_equal(DTLSv1_handle_timeout(b->peer), 1);
		assert_true(b->to_us.n > 0);
		last = b->to_us;
		b->to_us.n = 0;
		for (size_t k = 0; k < last.n; k++)
			(void)agw_dtls_input(b->s, last.data[k], last.len[k]);
	}
	assert_false(b->peer_done);
	deliver(b);
	assert_true(b->peer_done);
	assert_int_equal(b->keyed, 1);
	assert_int_equal(b->closed + b->failed, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_fifth_is_lost_and_we_serve),
	    T(test_a_fifth_is_lost_and_we_start),
	    T(test_the_timer_doubles_up_to_three_seconds),
	    T(test_the_last_flight_is_repeated_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
