/* SPDX-License-Identifier: Apache-2.0 */
/* A WIC that is ICE-lite as we are: a whole call without a check (ICE-19), own and shared ports. */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

/* Its address is known from its SDP, with the answer. */
static void answer_of(struct bench *b, const struct wic *at)
{
	struct agw_ice_peer *p = &b->params.access.peer;

	p->lite = true;
	p->n_cands = 1;
	p->cands[0] = (struct agw_ice_cand){.component = 1, .priority = 1};
	assert_int_equal(agw_udp_local(at->fd, &p->cands[0].addr), GW_OK);
}

static void begin(struct bench *b, bool wic_active)
{
	wic_open(&b->wic, "127.0.0.1", wic_active, "SRTP_AEAD_AES_128_GCM");
	reserve(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	answer_of(b, &b->wic);
}

static void talk(struct bench *b)
{
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 5);
	exchange_rtcp(b);
}

static void test_a_call_of_two_lite_ends_has_media_both_ways(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];
	const uint8_t payload[] = "from elsewhere";
	size_t n = wic_make_rtp(pkt, 8, 500, 7, payload, sizeof(payload));
	struct wic stranger;

	REQ("ICE-19", "ICE-16");
	begin(b, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 1));
	talk(b);
	/* from its address alone */
	wic_open(&stranger, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	wic_aim(&stranger, &b->local.access[AGW_FAMILY_V4]);
	assert_true(agw_udp_send(stranger.fd, NULL, pkt, n));
	await_stranger(b);
	exchange_rtp(b, 2);
	wic_close(&stranger);
	wic_close(&b->wic);
}

static void test_the_gateway_begins_the_handshake_where_it_is_active(void **state)
{
	struct bench *b = *state;

	REQ("ICE-19", "DTLS-02");
	begin(b, false);
	configure(b, AGW_DTLS_ROLE_CLIENT);
	talk(b);
	wic_close(&b->wic);
}

static void test_no_media_goes_to_an_address_that_shook_no_hand(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100], buf[2000];
	const uint8_t payload[] = "not for you";
	size_t n = wic_make_rtp(pkt, 8, 500, 7, payload, sizeof(payload));

	REQ("ICE-19", "ICE-29");
	begin(b, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 1));
	for (int i = 0; i < 10; i++)
		assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_NOT_READY], 10);
	/* Checks of ours may come, media not (RFC 7983). */
	while (recv(b->wic.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		assert_in_range(buf[0], 0, 3);
	wic_close(&b->wic);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_call_of_two_lite_ends_has_media_both_ways),
	    T(test_the_gateway_begins_the_handshake_where_it_is_active),
	    T(test_no_media_goes_to_an_address_that_shook_no_hand),
	};

	return RUN_BOTH_WAYS(tests);
}
