/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of sent packets and the NACKs it answers: what comes again, how often, what is left of
 * the NACK.
 */
#include "agw/relay/resend.h"
#include "agw/relay/rtcp.h"
#include "agw/relay/rtcp_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKETS 64U
#define SSRC    0x22222222U
#define WIC     0x11111111U
#define OCTETS  100U
#define SENT    4096

struct bench {
	struct agw_resend_store store;
	struct agw_resend *r;
	struct agw_resend_out out;
	unsigned n;
	uint16_t seqs[SENT];
	size_t len;
	uint8_t rtcp[600];
};

/* The octets of a packet follow from its number. */
static void make(uint8_t *p, uint32_t ssrc, uint16_t seq, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seq * 31U + i * 7U + ssrc);
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	agw_put32(p + 8, ssrc);
}

static bool on_send(void *arg, const uint8_t *pkt, size_t n)
{
	struct bench *b = arg;
	uint8_t want[OCTETS];

	make(want, agw_be32(pkt + 8), agw_be16(pkt + 2), OCTETS);
	assert_int_equal(n, OCTETS);
	assert_memory_equal(pkt, want, OCTETS);
	assert_true(b->n < SENT);
	b->seqs[b->n++] = agw_be16(pkt + 2);
	return true;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->store.packets = PACKETS;
	b->store.most = 1U << 20;
	b->out = (struct agw_resend_out){.send = on_send, .arg = b};
	assert_int_equal(agw_resend_new(&b->r, &b->store, true), GW_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	agw_resend_free(b->r);
	assert_int_equal(b->store.used, 0);
	free(b);
	return 0;
}

static void forward(struct bench *b, uint32_t ssrc, uint16_t from, unsigned n)
{
	uint8_t p[OCTETS];

	for (unsigned i = 0; i < n; i++) {
		make(p, ssrc, (uint16_t)(from + i), OCTETS);
		agw_resend_keep(b->r, p, OCTETS);
	}
}

static void rr(struct bench *b)
{
	static const uint8_t empty[] = {0x80, 201, 0, 1, 0x11, 0x11, 0x11, 0x11};

	memcpy(b->rtcp, empty, sizeof(empty));
	b->len = sizeof(empty);
}

static void nack(struct bench *b, uint32_t ssrc, unsigned n, const uint32_t *entries)
{
	uint8_t *p = b->rtcp + b->len;

	p[0] = 0x80 | FMT_NACK;
	p[1] = PT_RTPFB;
	p[2] = 0;
	p[3] = (uint8_t)(2 + n);
	agw_put32(p + 4, WIC);
	agw_put32(p + 8, ssrc);
	for (unsigned i = 0; i < n; i++)
		agw_put32(p + FB_HEADER + NACK_ENTRY * i, entries[i]);
	b->len += FB_HEADER + NACK_ENTRY * n;
}

/* A report, and a NACK: answered. @return octets left */
#define ASK(b, ssrc, ...)                                                                          \
	do {                                                                                       \
		const uint32_t e_[] = {__VA_ARGS__};                                               \
		rr(b);                                                                             \
		nack(b, ssrc, sizeof(e_) / sizeof(e_[0]), e_);                                     \
		answer(b);                                                                         \
	} while (0)

static void answer(struct bench *b)
{
	assert_true(agw_resend_asked(b->rtcp, b->len));
	b->len = agw_resend_answer(b->r, b->rtcp, b->len, &b->out);
	if (b->len > 0)
		assert_int_equal(agw_rtcp_check(b->rtcp, b->len, true), GW_OK);
}

static void assert_sent(struct bench *b, unsigned n, const uint16_t *seqs)
{
	assert_int_equal(b->n, n);
	assert_int_equal(b->out.resent, n);
	assert_memory_equal(b->seqs, seqs, n * sizeof(*seqs));
	b->n = b->out.resent = 0;
}
#define ASSERT_SENT(b, ...)                                                                        \
	do {                                                                                       \
		const uint16_t s_[] = {__VA_ARGS__};                                               \
		assert_sent(b, sizeof(s_) / sizeof(s_[0]), s_);                                    \
	} while (0)

static void test_what_is_known_comes_again_and_goes_from_the_nack(void **state)
{
	struct bench *b = *state;

	REQ("RTCP-20", "RTCP-21");
	forward(b, SSRC, 65530, 20); /* …, 65535, 0, …, 13 */
	ASK(b, SSRC, 65533U << 16 | 0x8005U);
	ASSERT_SENT(b, 65533, 65534, 0, 13);
	assert_int_equal(b->out.asked, 4);
	assert_int_equal(b->len, 8); /* the report */
}

static void test_what_is_not_known_stays_in_the_nack(void **state)
{
	struct bench *b = *state;

	REQ("RTCP-20", "RTCP-21");
	forward(b, SSRC, 100, 3);
	forward(b, SSRC, 105, 5);
	/* 101, 103, 104, 106; 300; 107; another sender's 108 */
	ASK(b, SSRC, 101U << 16 | 0x16U, 300U << 16 | 0x8000U, 107U << 16);
	ASSERT_SENT(b, 101, 106, 107);
	assert_int_equal(b->len, 8 + FB_HEADER + 2 * NACK_ENTRY);
	assert_int_equal(agw_be32(b->rtcp + 8 + FB_HEADER), 103U << 16 | 1U);
	assert_int_equal(agw_be32(b->rtcp + 8 + FB_HEADER + NACK_ENTRY), 300U << 16 | 0x8000U);
	ASK(b, SSRC + 1, 108U << 16);
	assert_int_equal(b->n, 0);
	assert_int_equal(b->len, 8 + FB_HEADER + NACK_ENTRY);
	/* Alone, and padded: nothing is left, or what is left is not padded. */
	b->len = 0;
	nack(b, SSRC, 2, (const uint32_t[]){108U << 16, 4U});
	b->rtcp[0] |= P_BIT;
	answer(b);
	ASSERT_SENT(b, 108);
	assert_int_equal(b->len, 0);
	b->len = 0;
	nack(b, SSRC, 3, (const uint32_t[]){109U << 16, 300U << 16, 4U});
	b->rtcp[0] |= P_BIT;
	answer(b);
	ASSERT_SENT(b, 109);
	assert_int_equal(b->len, FB_HEADER + NACK_ENTRY);
	assert_int_equal(agw_be32(b->rtcp + FB_HEADER), 300U << 16);
}

static void test_other_words_of_the_compound_stay_as_they_are(void **state)
{
	struct bench *b = *state;
	static const uint8_t pli[] = {0x81, PT_PSFB, 0, 2, 0x11, 0x11, 0x11, 0x11, 0, 0, 0, 8};
	uint8_t want[600];
	size_t n;

	REQ("RTCP-20");
	forward(b, SSRC, 1, 5);
	rr(b);
	memcpy(b->rtcp + b->len, pli, sizeof(pli));
	b->len += sizeof(pli);
	assert_false(agw_resend_asked(b->rtcp, b->len));
	memcpy(want, b->rtcp, b->len);
	n = b->len;
	rr(b);
	nack(b, SSRC, 1, (const uint32_t[]){3U << 16});
	memcpy(b->rtcp + b->len, pli, sizeof(pli));
	b->len += sizeof(pli);
	answer(b);
	ASSERT_SENT(b, 3);
	assert_int_equal(b->len, n);
	assert_memory_equal(b->rtcp, want, n);
}

static void test_the_ring_wraps_and_older_ones_are_the_cores(void **state)
{
	struct bench *b = *state;
	uint8_t large[AGW_RESEND_OCTETS + 1];

	REQ("RTCP-21");
	forward(b, SSRC, 1000, 3 * PACKETS);
	ASK(b, SSRC, (1000U + 2 * PACKETS - 1) << 16 | 1U);
	ASSERT_SENT(b, 1000 + 2 * PACKETS);
	assert_int_equal(agw_be32(b->rtcp + 8 + FB_HEADER), (1000U + 2 * PACKETS - 1) << 16);
	/* One too large takes the place of another all the same. */
	make(large, SSRC, 1000 + 3 * PACKETS, sizeof(large));
	agw_resend_keep(b->r, large, sizeof(large));
	ASK(b, SSRC, (1000U + 3 * PACKETS) << 16, (1000U + 2 * PACKETS) << 16);
	assert_int_equal(b->n, 0);
	assert_int_equal(b->len, 8 + FB_HEADER + 2 * NACK_ENTRY);
}

static void test_a_flood_of_nacks_is_no_amplifier(void **state)
{
	struct bench *b = *state;

	REQ("RTCP-20");
	forward(b, SSRC, 0, 1000);
	for (unsigned i = 0; i < 10; i++) {
		ASK(b, SSRC, 980U << 16);
		assert_int_equal(b->len, 8); /* it is not the core's business */
	}
	ASSERT_SENT(b, 980, 980, 980);
	/* All that is kept, and three times: half of what the ring holds, and no more. */
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++)
			ASK(b, SSRC, (940U + 17 * k) << 16 | 0xffffU);
	assert_int_equal(b->n, PACKETS / 2 - 3);
	b->n = 0;
	/* What is forwarded from then on earns half as much. */
	for (uint16_t seq = 1000; seq < 2000; seq++) {
		forward(b, SSRC, seq, 1);
		for (unsigned i = 0; i < 5; i++)
			ASK(b, SSRC, (uint32_t)seq << 16);
	}
	assert_int_equal(b->n, 500);
}

static void test_new_keys_empty_the_ring(void **state)
{
	struct bench *b = *state;

	REQ("SRTP-09");
	forward(b, SSRC, 10, 20);
	agw_resend_clear(b->r);
	ASK(b, SSRC, 15U << 16 | 0xffffU);
	assert_int_equal(b->n, 0);
	assert_int_equal(b->len, 8 + FB_HEADER + NACK_ENTRY);
	forward(b, SSRC, 15, 1);
	ASK(b, SSRC, 15U << 16);
	ASSERT_SENT(b, 15);
}

static void test_rings_take_no_more_memory_than_they_may(void **state)
{
	struct bench *b = *state;
	struct agw_resend *more = NULL;
	uint64_t one = b->store.used;

	assert_true(one >= PACKETS * AGW_RESEND_OCTETS);
	b->store.most = 2 * one - 1;
	assert_int_equal(agw_resend_new(&more, &b->store, true), GW_ERR_LIMIT);
	assert_null(more);
	assert_int_equal(b->store.used, one);
	assert_int_equal(b->store.refused, 1);
	b->store.most = 2 * one;
	assert_int_equal(agw_resend_new(&more, &b->store, true), GW_OK);
	assert_int_equal(b->store.used, 2 * one);
	agw_resend_free(more);
	assert_int_equal(b->store.used, one);
}

/* Half of the memory is left to those who lose packets; then it is over for them, too. */
static void test_rings_that_nobody_asked_for_leave_half_of_it(void **state)
{
	struct bench *b = *state;
	struct agw_resend *more[3] = {NULL};
	uint64_t one = b->store.used;

	b->store.most = 4 * one;
	assert_int_equal(agw_resend_new(&more[0], &b->store, false), GW_OK);
	assert_int_equal(agw_resend_new(&more[1], &b->store, false), GW_ERR_LIMIT);
	assert_int_equal(b->store.used, 2 * one);
	assert_int_equal(b->store.refused, 1);
	assert_true(agw_resend_has_room(&b->store));
	assert_int_equal(agw_resend_new(&more[1], &b->store, true), GW_OK);
	assert_true(agw_resend_has_room(&b->store));
	assert_int_equal(agw_resend_new(&more[2], &b->store, true), GW_OK);
	assert_false(agw_resend_has_room(&b->store));
	for (unsigned i = 0; i < 3; i++)
		agw_resend_free(more[i]);
	assert_true(agw_resend_has_room(&b->store));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(test_what_is_known_comes_again_and_goes_from_the_nack),
	    T(test_what_is_not_known_stays_in_the_nack),
	    T(test_other_words_of_the_compound_stay_as_they_are),
	    T(test_the_ring_wraps_and_older_ones_are_the_cores),
	    T(test_a_flood_of_nacks_is_no_amplifier),
	    T(test_new_keys_empty_the_ring),
	    T(test_rings_take_no_more_memory_than_they_may),
	    T(test_rings_that_nobody_asked_for_leave_half_of_it),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
