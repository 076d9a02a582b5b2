/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WIC without rtcp-mux: RTCP on a port of its own, with its own pair, its own association and its
 * own keys; media does not wait for it, and its end takes nothing else along.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

struct two {
	struct bench *b;
	struct wic rtcp; /* the WIC's second component; b->wic is the first */
};

static struct gw_addr rtcp_addr(const struct agw_stream_local *l)
{
	for (unsigned i = 0; i < l->n_cands; i++)
		if (l->cands[i].component == 2 && !gw_addr_is_v6(&l->cands[i].addr))
			return l->cands[i].addr;
	fail_msg("no candidate for component 2");
	return (struct gw_addr){.len = 0};
}

static void begin(struct two *t, bool same_certificate)
{
	struct bench *b = t->b;

	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	wic_open(&t->rtcp, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	if (same_certificate) { /* browsers have one for a connection */
		SSL_CTX_free(t->rtcp.ctx);
		t->rtcp.ctx = b->wic.ctx;
		assert_int_equal(SSL_CTX_up_ref(b->wic.ctx), 1);
	}
	agw_stream_params_init(&b->params, 1);
	b->params.access.rtcp_separate = true;
	reserve_with(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	t->rtcp.gw = rtcp_addr(&b->local);
	wic_aim(&t->rtcp, &t->rtcp.gw);
}

static void end(struct two *t)
{
	wic_close(&t->rtcp);
	wic_close(&t->b->wic);
}

static void connect_leg(struct bench *b, struct wic *w)
{
	assert_int_equal(wic_check(w, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(w, WIC_LIMIT_MS));
}

/* SR and SDES each way over the second component, byte for byte. */
static void exchange_rtcp_apart(struct two *t)
{
	_Alignas(8) uint8_t buf[2048];
	uint8_t sr[64];
	size_t n = make_sr(sr, 0x11111111);
	bool rtcp = false;
	int len;

	wic_send_rtcp(&t->rtcp, sr, n);
	len = (int)wic_recv_raw(t->b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS);
	assert_int_equal(len, n);
	assert_memory_equal(buf, sr, n);
	n = make_sr(sr, 0x22222222);
	assert_true(agw_udp_send(t->b->peer.rtcp, &t->b->local.core_rtcp, sr, n));
	len = wic_recv(&t->rtcp, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS);
	assert_true(rtcp);
	assert_int_equal(len, n);
	assert_memory_equal(buf, sr, n);
}

static void test_each_component_has_a_port_a_pair_and_an_association(void **state)
{
	struct two t = {.b = *state};
	struct bench *b = t.b;
	struct agw_ports_load load;

	REQ("DTLS-26", "ICE-03");
	begin(&t, true);
	assert_int_equal(b->local.n_cands, 2);
	assert_int_equal(b->local.cands[0].component, 1);
	assert_true(b->local.cands[0].priority > b->local.cands[1].priority);
	assert_false(gw_addr_eq(&b->wic.gw, &t.rtcp.gw));
	configure(b, AGW_DTLS_ROLE_SERVER);
	connect_leg(b, &b->wic);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 3); /* media does not wait for RTCP's association */
	connect_leg(b, &t.rtcp);
	exchange_rtcp_apart(&t);
	exchange_rtp(b, 3);
	/* one call, told once */
	assert_int_equal(b->seen[AGW_EV_ICE_CONNECTED], 1);
	assert_int_equal(b->seen[AGW_EV_DTLS_ESTABLISHED], 1);
	end(&t);
	agw_media_del(b->media, &(const uint32_t){1}, 1);
	assert_true(await(b, &b->released, 1));
	assert_true(agw_pool_ports(b->pool, "access", &load));
	assert_int_equal(load.used, 0);
	assert_int_equal(load.resting, shared_ports > 0 ? 1 : 2); /* RTCP's is its own */
	agw_media_free(b->media);
}

static void test_keys_of_one_component_open_nothing_on_the_other(void **state)
{
	struct two t = {.b = *state};
	struct bench *b = t.b;
	uint8_t sr[64], pkt[64];
	size_t n = make_sr(sr, 0x11111111);
	srtp_t own;
	int fd;

	REQ("DTLS-26");
	begin(&t, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	connect_leg(b, &b->wic);
	connect_leg(b, &t.rtcp);
	exchange_rtcp_apart(&t);
	own = t.rtcp.send; /* RTP's keys on RTCP's port */
	t.rtcp.send = b->wic.send;
	wic_send_rtcp(&t.rtcp, sr, n); /* an index that was seen: not even looked at */
	wic_send_rtcp(&t.rtcp, sr, n);
	t.rtcp.send = own;
	AWAIT_STAT(b, up.drops[AGW_DROP_AUTH], 1);
	fd = t.rtcp.fd; /* and RTP itself is nothing for that port */
	n = wic_make_rtp(pkt, 8, 1, 7, "x", 1);
	assert_true(agw_udp_send(fd, NULL, pkt, n));
	AWAIT_STAT(b, up.drops[AGW_DROP_DEMUX], 1);
	end(&t);
	agw_media_free(b->media);
}

static void test_somebody_else_on_the_second_port_is_told_and_gets_nothing(void **state)
{
	struct two t = {.b = *state};
	struct bench *b = t.b;

	REQ("DTLS-07", "DTLS-26");
	begin(&t, false);
	configure(b, AGW_DTLS_ROLE_SERVER);
	connect_leg(b, &b->wic);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	assert_int_equal(wic_check(&t.rtcp, b->local.ufrag, b->local.pwd, true), 0);
	assert_false(wic_handshake(&t.rtcp, 300));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_FAILED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_FAILED].cause, AGW_CAUSE_FINGERPRINT);
	exchange_rtp(b, 3); /* the controller decides about the call */
	end(&t);
	agw_media_free(b->media);
}

static void test_mux_that_was_offered_and_taken_leaves_the_second_port_deaf(void **state)
{
	struct two t = {.b = *state};
	struct bench *b = t.b;
	uint8_t check[1500];
	size_t n;
	const char *field = NULL;
	struct agw_stream_change back;

	REQ("BUN-17", "DTLS-26");
	begin(&t, true);
	b->params.access.rtcp_separate = false; /* the answer has a=rtcp-mux */
	configure(b, AGW_DTLS_ROLE_SERVER);
	connect_leg(b, &b->wic);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 2);
	exchange_rtcp(b);
	n = wic_make_check(&t.rtcp, check, sizeof(check), b->local.ufrag, b->local.pwd, true);
	assert_true(agw_udp_send(t.rtcp.fd, NULL, check, n));
	AWAIT_STAT(b, up.drops[AGW_DROP_SOURCE], 1);
	back.params = b->params;
	back.ice_restart = back.new_dtls = false;
	back.params.access.rtcp_separate = true;
	assert_int_equal(agw_media_apply(b->media, &back, 1, NULL, NULL, &field),
			 GW_ERR_UNSUPPORTED);
	assert_string_equal(field, "access.rtcp");
	end(&t);
	agw_media_free(b->media);
}

static void test_a_new_association_renews_both(void **state)
{
	struct two t = {.b = *state};
	struct bench *b = t.b;
	struct agw_stream_change ch;
	const char *field = NULL;
	unsigned before;
	struct two again = {.b = b};

	REQ("DTLS-20", "DTLS-26");
	begin(&t, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	connect_leg(b, &b->wic);
	connect_leg(b, &t.rtcp);
	exchange_rtcp_apart(&t);
	SSL_free(b->wic.ssl);
	SSL_free(t.rtcp.ssl);
	b->wic.ssl = t.rtcp.ssl = NULL;
	(void)srtp_dealloc(b->wic.send);
	(void)srtp_dealloc(b->wic.recv);
	(void)srtp_dealloc(t.rtcp.send);
	(void)srtp_dealloc(t.rtcp.recv);
	ch = (struct agw_stream_change){.params = b->params, .new_dtls = true};
	before = b->applied;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, NULL, &field), GW_OK);
	assert_true(await(b, &b->applied, before + 1));
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(wic_handshake(&t.rtcp, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 2));
	exchange_rtp(b, 2);
	again.rtcp = t.rtcp;
	exchange_rtcp_apart(&again);
	end(&t);
	agw_media_free(b->media);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_each_component_has_a_port_a_pair_and_an_association, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_keys_of_one_component_open_nothing_on_the_other,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_somebody_else_on_the_second_port_is_told_and_gets_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_mux_that_was_offered_and_taken_leaves_the_second_port_deaf, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_new_association_renews_both, setup, teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
