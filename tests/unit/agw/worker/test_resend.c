/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the WIC loses on its way from the gateway, on a real worker: NACKs are answered from what
 * was sent, in the octets it was sent in, and the core hears of what it lost itself.
 */
#include "agw/relay/rtp.h"
#include "common/metric.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define CORE_SSRC 0x22222222U
#define OCTETS    400

struct packet {
	int n; /* as the WIC reads it from its socket */
	_Alignas(8) uint8_t srtp[600];
	_Alignas(8) uint8_t rtp[600]; /* and in clear */
};

/* b->params.media is set. */
static void connect_as(struct bench *b)
{
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AES128_CM_SHA1_80");
	b->params.core.rtcp_allow = AGW_RTCP_NACK;
	reserve_with(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	bring_up(b);
}

static void connect_call(struct bench *b, bool rewrite)
{
	agw_stream_params_init(&b->params, 1);
	b->params.media = AGW_MEDIA_VIDEO;
	b->params.ssrc_rewrite = rewrite;
	connect_as(b);
}

/* A WIC that said it will send NACKs. */
static void connect_nack(struct bench *b, enum agw_media_type media)
{
	agw_stream_params_init(&b->params, 1);
	b->params.media = media;
	b->params.access.rtcp_allow = AGW_RTCP_NACK | AGW_RTCP_PLI;
	connect_as(b);
}

/* Octets of all rings, as the metrics tell it. */
static long kept_octets(void)
{
	char *text = gw_metric_text();
	const char *at = text != NULL ? strstr(text, "\nagw_media_resend_octets ") : NULL;
	long octets = at != NULL ? strtol(at + sizeof("\nagw_media_resend_octets"), NULL, 10) : -1;

	free(text);
	return octets;
}

static void from_core(struct bench *b, uint16_t seq)
{
	uint8_t payload[OCTETS] = {(uint8_t)(seq >> 8), (uint8_t)seq};
	uint8_t pkt[OCTETS + 12];
	size_t n = wic_make_rtp(pkt, 8, seq, CORE_SSRC, payload, sizeof(payload));

	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
}

/* The next media datagram, as it came. */
static void at_wic(struct bench *b, struct packet *p)
{
	do {
		p->n = (int)wic_recv_raw(b->wic.fd, p->srtp, sizeof(p->srtp), WIC_LIMIT_MS);
		assert_true(p->n > 0);
	} while (p->srtp[0] < 128 || (p->srtp[1] >= 192 && p->srtp[1] <= 223));
}

static srtp_err_status_t open_packet(struct bench *b, struct packet *p)
{
	int n = p->n;

	memcpy(p->rtp, p->srtp, (size_t)n);
	return srtp_unprotect(b->wic.recv, p->rtp, &n);
}

static void pass(struct bench *b, uint16_t seq, struct packet *p)
{
	from_core(b, seq);
	at_wic(b, p);
	assert_int_equal(open_packet(b, p), srtp_err_status_ok);
	assert_int_equal(agw_be16(p->rtp + 12), seq);
}

static void ask(struct bench *b, const struct packet *first, uint16_t also)
{
	uint8_t pkt[24] = {0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 205, 0, 3, 0, 0, 0, 7};

	memcpy(pkt + 16, first->srtp + 8, 4);
	memcpy(pkt + 20, first->srtp + 2, 2);
	pkt[22] = (uint8_t)(also >> 8);
	pkt[23] = (uint8_t)also;
	wic_send_rtcp(&b->wic, pkt, sizeof(pkt));
}

/* The core is asked for that, in its own numbers; or for nothing. */
static void at_core(struct bench *b, bool asked, uint16_t seq, uint16_t also)
{
	uint8_t buf[300];

	assert_int_equal(wic_recv_raw(b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS),
			 asked ? 24 : 8);
	assert_int_equal(buf[1], 201);
	if (!asked)
		return;
	assert_int_equal(buf[9], 205);
	assert_int_equal(agw_be32(buf + 16), CORE_SSRC);
	assert_int_equal(agw_be16(buf + 20), seq);
	assert_int_equal(agw_be16(buf + 22), also);
}

static void lose_and_ask(struct bench *b, bool rewrite)
{
	struct packet a, c, again;
	struct agw_stream_stats st = {0};

	REQ("RTCP-20", "RTCP-21", "SRTP-09");
	connect_call(b, rewrite);
	pass(b, 5000, &a);
	assert_int_equal(agw_be32(a.srtp + 8) != CORE_SSRC, rewrite);
	/* Nothing is kept of a WIC that did not say it would ask, before it does. */
	ask(b, &a, 0);
	at_core(b, true, 5000, 0);
	/* 5001 is lost on its way to the WIC, 5002 before the gateway. */
	from_core(b, 5001);
	at_wic(b, &a);
	pass(b, 5003, &c);
	ask(b, &a, 1);
	at_core(b, true, 5002, 0);
	at_wic(b, &again);
	assert_int_equal(again.n, a.n);
	assert_memory_equal(again.srtp, a.srtp, (size_t)a.n);
	assert_int_equal(open_packet(b, &again), srtp_err_status_ok);
	assert_int_equal(agw_be16(again.rtp + 12), 5001);
	AWAIT_STAT(b, down.nacked, 2);
	AWAIT_STAT(b, down.resent, 1);
	/* The core sends 5002, late: never protected before, so it passes, and is kept. */
	pass(b, 5002, &c);
	ask(b, &c, 0);
	at_core(b, false, 0, 0);
	at_wic(b, &again);
	assert_memory_equal(again.srtp, c.srtp, (size_t)c.n);
	/* Its repeat of what was forwarded does not, and changes nothing. */
	from_core(b, 5001);
	AWAIT_STAT(b, down.drops[AGW_DROP_REPLAY], 1);
	pass(b, 5004, &again);
	assert_memory_equal(again.srtp + 8, c.srtp + 8, 4);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.discontinuities, 0);
	/* On hold nothing is sent. */
	b->params.gate_down = false;
	apply(b);
	ask(b, &c, 0);
	at_core(b, true, 5002, 0);
	AWAIT_STAT(b, down.resent, 2);
	wic_close(&b->wic);
}

static void test_a_lost_packet_is_sent_again(void **state)
{
	lose_and_ask(*state, false);
}

static void test_a_lost_packet_is_sent_again_in_the_wics_numbers(void **state)
{
	lose_and_ask(*state, true);
}

/* It said that it would ask: what it loses first it has at the first NACK, not with the next
 * picture.
 */
static void test_the_first_loss_is_repaired(void **state)
{
	struct bench *b = *state;
	struct packet a, again;
	long octets;

	REQ("RTCP-20", "RTCP-21");
	connect_nack(b, AGW_MEDIA_VIDEO);
	assert_int_equal(kept_octets(), 0);
	from_core(b, 7000); /* lost on its way */
	at_wic(b, &a);
	octets = kept_octets();
	assert_true(octets > 64 * 1472);
	ask(b, &a, 0);
	at_core(b, false, 0, 0);
	at_wic(b, &again);
	assert_int_equal(again.n, a.n);
	assert_memory_equal(again.srtp, a.srtp, (size_t)a.n);
	assert_int_equal(open_packet(b, &again), srtp_err_status_ok);
	assert_int_equal(agw_be16(again.rtp + 12), 7000);
	AWAIT_STAT(b, down.resent, 1);
	/* One ring in the life of the stream. */
	for (uint16_t seq = 7001; seq < 7100; seq++)
		pass(b, seq, &a);
	assert_int_equal(kept_octets(), octets);
	wic_close(&b->wic);
}

/* A gap in audio is concealed, and over before a repeat comes: nothing is kept unasked. */
static void test_audio_is_kept_when_asked_for(void **state)
{
	struct bench *b = *state;
	struct packet a, again;

	REQ("RTCP-20", "RTCP-21");
	connect_nack(b, AGW_MEDIA_AUDIO);
	pass(b, 300, &a);
	assert_int_equal(kept_octets(), 0);
	ask(b, &a, 0);
	at_core(b, true, 300, 0);
	pass(b, 301, &a);
	ask(b, &a, 0);
	at_core(b, false, 0, 0);
	at_wic(b, &again);
	assert_memory_equal(again.srtp, a.srtp, (size_t)a.n);
	wic_close(&b->wic);
}

/* No memory for it, or switched off: NACKs are the core's, as they are. */
static void all_for_the_core(struct bench *b)
{
	struct packet a;
	struct agw_stream_stats st = {0};

	REQ("RTCP-20");
	connect_nack(b, AGW_MEDIA_VIDEO);
	pass(b, 100, &a);
	ask(b, &a, 0);
	at_core(b, true, 100, 0);
	pass(b, 101, &a);
	ask(b, &a, 3);
	at_core(b, true, 101, 3);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.resent, 0);
	wic_close(&b->wic);
}

static void test_without_memory_all_goes_to_the_core(void **state)
{
	all_for_the_core(*state);
}

/* Room for one ring, and none for who might ask only: it is there as soon as the WIC does, and from
 * then on nobody is promised another. */
static void test_memory_is_left_for_who_asks(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params p;
	struct agw_stream_local l = {0};
	struct packet a, again;

	REQ("RTCP-20", "RTCP-21");
	connect_nack(b, AGW_MEDIA_VIDEO);
	assert_true(b->local.answers_nack);
	pass(b, 100, &a);
	assert_int_equal(kept_octets(), 0);
	ask(b, &a, 0);
	at_core(b, true, 100, 0);
	pass(b, 101, &a);
	assert_true(kept_octets() > 0);
	ask(b, &a, 0);
	at_core(b, false, 0, 0);
	at_wic(b, &again);
	assert_memory_equal(again.srtp, a.srtp, (size_t)a.n);
	p = b->params;
	p.id = 2;
	assert_int_equal(agw_media_add(b->media, &p, 1, &l, NULL, NULL), GW_OK);
	assert_false(l.answers_nack);
	wic_close(&b->wic);
}

static void test_switched_off_all_goes_to_the_core(void **state)
{
	all_for_the_core(*state);
}

static int keeping(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1,
							.resend_packets = 64,
							.resend_memory = UINT64_C(1) << 20});
}

static int without_memory(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){
				      .n_workers = 1, .resend_packets = 64, .resend_memory = 1000});
}

static int with_memory_for_one(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1,
							.resend_packets = 64,
							.resend_memory = 64 * 1500 + 4096});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_lost_packet_is_sent_again, keeping, teardown),
	    cmocka_unit_test_setup_teardown(test_a_lost_packet_is_sent_again_in_the_wics_numbers,
					    keeping, teardown),
	    cmocka_unit_test_setup_teardown(test_the_first_loss_is_repaired, keeping, teardown),
	    cmocka_unit_test_setup_teardown(test_audio_is_kept_when_asked_for, keeping, teardown),
	    cmocka_unit_test_setup_teardown(test_without_memory_all_goes_to_the_core,
					    without_memory, teardown),
	    cmocka_unit_test_setup_teardown(test_memory_is_left_for_who_asks, with_memory_for_one,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_switched_off_all_goes_to_the_core, setup,
					    teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
