/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker end to end on loopback: a WIC (ICE, DTLS, SRTP) on one side, a plain RTP peer on the
 * other, a real worker thread between them.
 */
#include "agw/worker/worker.h"
#include "common/rand.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/fake_wic.h"

#include <stdlib.h>

#define OWNER 4711U

struct peer { /* the core's RTP endpoint */
	int rtp;
	int rtcp;
	struct gw_addr addr; /* of rtp */
};

struct bench {
	struct agw_pool *pool;
	struct agw_media *media;
	struct agw_stream_params params;
	struct agw_stream_local local;
	struct wic wic;
	struct peer peer;
	unsigned seen[AGW_EV_COUNT];
	struct agw_stream_event last[AGW_EV_COUNT];
	uint32_t applied;
	unsigned released;
	struct agw_stream_stats final;
};

static void on_event(void *arg, uint64_t owner, const struct agw_stream_event *ev)
{
	struct bench *b = arg;

	assert_int_equal(owner, OWNER);
	b->seen[ev->kind]++;
	b->last[ev->kind] = *ev;
}

static void on_applied(void *arg, uint64_t owner, uint32_t seq)
{
	struct bench *b = arg;

	assert_int_equal(owner, OWNER);
	assert_int_equal(seq, b->applied + 1);
	b->applied = seq;
}

static void on_released(void *arg, uint64_t owner, uint32_t id, const struct agw_stream_stats *st)
{
	struct bench *b = arg;

	assert_int_equal(owner, OWNER);
	assert_int_equal(id, 1);
	b->released++;
	b->final = *st;
}

static void on_events_lost(void *arg, uint64_t n)
{
	(void)arg;
	fail_msg("%llu events lost", (unsigned long long)n);
}

/* Dispatch until *counter reaches n. */
static bool await(struct bench *b, const unsigned *counter, unsigned n)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;

	while (*counter < n && wic_now_ms() < until) {
		struct pollfd p = {.fd = agw_pool_fd(b->pool), .events = POLLIN};

		if (poll(&p, 1, 100) == 1)
			agw_pool_dispatch(b->pool);
	}
	return *counter >= n;
}

/* An even port and the next one on loopback, from the system's choice. */
static void open_peer(struct peer *p)
{
	for (int tries = 0; tries < 200; tries++) {
		struct gw_addr a;
		uint16_t port;

		assert_int_equal(gw_addr_parse_ip(&a, "127.0.0.1", 0), GW_OK);
		assert_int_equal(agw_udp_open(&p->rtp, &a), GW_OK);
		assert_int_equal(agw_udp_local(p->rtp, &p->addr), GW_OK);
		port = gw_addr_port(&p->addr);
		a = p->addr;
		gw_addr_set_port(&a, (uint16_t)(port + 1));
		if ((port & 1) == 0 && port < 65000 && agw_udp_open(&p->rtcp, &a) == GW_OK)
			return;
		(void)close(p->rtp);
	}
	fail_msg("no port pair on loopback");
}

static void realm(struct agw_realm_cfg *r, const char *name, uint16_t from, uint16_t to)
{
	memset(r, 0, sizeof(*r));
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	assert_int_equal(gw_addr_parse_ip(&r->bind[AGW_FAMILY_V4], "127.0.0.1", 0), GW_OK);
	r->port_min = from;
	r->port_max = to;
}

static int setup(void **state)
{
	static const struct agw_pool_cbs cbs = {on_event, on_applied, on_released, on_events_lost};
	struct bench *b = calloc(1, sizeof(*b));
	struct agw_realm_cfg realms[2];
	struct agw_pool_cfg cfg = {
	    .realms = realms, .n_realms = 2, .n_workers = 2, .max_batch_wait_us = 500};

	assert_non_null(b);
	realm(&realms[0], "access", 43000, 43099);
	realm(&realms[1], "core", 43100, 43199);
	assert_int_equal(agw_pool_new(&b->pool, &cfg, &cbs, b), GW_OK);
	assert_int_equal(agw_media_new(&b->media, b->pool, OWNER, "ctx=test"), GW_OK);
	open_peer(&b->peer);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	agw_pool_free(b->pool);
	(void)close(b->peer.rtp);
	(void)close(b->peer.rtcp);
	free(b);
	return 0;
}

static void reserve(struct bench *b)
{
	const char *field = NULL;
	uint32_t seq = 0;

	agw_stream_params_init(&b->params, 1);
	(void)snprintf(b->params.access.realm, AGW_REALM_NAME_MAX, "access");
	(void)snprintf(b->params.core.realm, AGW_REALM_NAME_MAX, "core");
	agw_pt_set_add(&b->params.access.pts, 8);
	agw_pt_set_add(&b->params.core.pts, 8);
	b->params.clock_hz = 8000;
	assert_int_equal(agw_media_add(b->media, &b->params, 1, &b->local, &seq, &field), GW_OK);
	assert_int_equal(seq, 1);
	assert_int_equal(gw_addr_port(&b->local.core_rtp) & 1, 0);
	assert_int_equal(gw_addr_port(&b->local.core_rtcp), gw_addr_port(&b->local.core_rtp) + 1);
	assert_int_equal(b->local.n_cands, 1);
}

static void apply(struct bench *b)
{
	struct agw_stream_change ch = {.params = b->params};
	const char *field = NULL;
	uint32_t seq = 0;
	unsigned before = b->applied;

	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, &seq, &field), GW_OK);
	assert_true(await(b, &b->applied, before + 1));
}

/* The answer is known: both ends, open gates. */
static void configure(struct bench *b, enum agw_dtls_role role)
{
	struct agw_stream_params *p = &b->params;

	(void)snprintf(p->access.remote_ufrag, sizeof(p->access.remote_ufrag), "%s", WIC_UFRAG);
	(void)snprintf(p->access.remote_pwd, sizeof(p->access.remote_pwd), "%s", WIC_PWD);
	p->access.answered = true;
	p->access.dtls_role = role;
	p->access.fps[0] = b->wic.fp;
	p->access.n_fps = 1;
	p->core.branches[0].rtp = b->peer.addr;
	p->core.active = 0;
	p->gate_up = p->gate_down = true;
	assert_true(await(b, &b->applied, 1));
	apply(b);
}

static void exchange_rtp(struct bench *b, unsigned packets)
{
	_Alignas(8) uint8_t buf[2048];
	uint8_t pkt[300];
	uint8_t payload[160];
	bool rtcp;

	for (unsigned i = 0; i < packets; i++) {
		size_t n;
		int len;

		gw_rand_bytes(payload, sizeof(payload));
		n = wic_make_rtp(pkt, 8, (uint16_t)(65530 + i), 0x11111111, payload,
				 sizeof(payload));
		wic_send_rtp(&b->wic, pkt, n);
		len = (int)wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS);
		assert_int_equal(len, n);
		assert_memory_equal(buf, pkt, n);

		gw_rand_bytes(payload, sizeof(payload));
		n = wic_make_rtp(pkt, 8, (uint16_t)(1000 + i), 0x22222222, payload,
				 sizeof(payload));
		assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
		len = wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS);
		assert_false(rtcp);
		assert_int_equal(len, n);
		assert_memory_equal(buf, pkt, n);
	}
}

static size_t make_sr(uint8_t *p, uint32_t ssrc)
{
	static const uint8_t sdes[] = {0x81, 202, 0, 2, 0, 0, 0, 0, 1, 1, 'x', 0};

	memset(p, 0, 28);
	p[0] = 0x80;
	p[1] = 200;
	p[3] = 6;
	memcpy(p + 28, sdes, sizeof(sdes));
	for (int i = 0; i < 4; i++)
		p[4 + i] = p[32 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	return 28 + sizeof(sdes);
}

static void exchange_rtcp(struct bench *b)
{
	_Alignas(8) uint8_t buf[2048];
	uint8_t sr[64];
	size_t n = make_sr(sr, 0x11111111);
	bool rtcp = false;
	int len;

	wic_send_rtcp(&b->wic, sr, n);
	len = (int)wic_recv_raw(b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS);
	assert_int_equal(len, n);
	assert_memory_equal(buf, sr, n);
	n = make_sr(sr, 0x22222222);
	assert_true(agw_udp_send(b->peer.rtcp, &b->local.core_rtcp, sr, n));
	len = wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS);
	assert_true(rtcp);
	assert_int_equal(len, n);
	assert_memory_equal(buf, sr, n);
}

static void release(struct bench *b)
{
	const uint32_t id = 1;
	struct agw_ports_load load;

	agw_media_del(b->media, &id, 1);
	assert_true(await(b, &b->released, 1));
	assert_int_equal(agw_media_count(b->media), 0);
	assert_true(agw_pool_ports(b->pool, "access", &load));
	assert_int_equal(load.used, 0);
	assert_int_equal(load.resting, 1);
	assert_true(agw_pool_ports(b->pool, "core", &load));
	assert_int_equal(load.used, 0);
	assert_int_equal(load.resting, 2);
	agw_media_free(b->media);
}

static void run_call(struct bench *b, bool wic_active, const char *profiles, uint32_t profile)
{
	wic_open(&b->wic, "127.0.0.1", wic_active, profiles);
	reserve(b);
	configure(b, wic_active ? AGW_DTLS_ROLE_SERVER : AGW_DTLS_ROLE_CLIENT);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	if (!wic_active)
		wic_ssl(&b->wic);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 1));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_ESTABLISHED].value, profile);
	exchange_rtp(b, 20);
	exchange_rtcp(b);
	release(b);
	assert_int_equal(b->final.up.rtp_packets, 20);
	assert_int_equal(b->final.up.rtp_octets, 20 * 160);
	assert_int_equal(b->final.down.rtp_packets, 20);
	assert_int_equal(b->final.up.rtcp_packets, 1);
	assert_int_equal(b->final.down.rtcp_packets, 1);
	assert_int_equal(b->final.up.lost, 0);
	assert_int_equal(b->final.srtp_profile, profile);
	for (int i = 0; i < AGW_DROP_COUNT; i++) {
		assert_int_equal(b->final.up.drops[i], 0);
		assert_int_equal(b->final.down.drops[i], 0);
	}
	wic_close(&b->wic);
}

static void test_call_with_wic_as_dtls_client(void **state)
{
	REQ("RTP-02", "RTP-03", "RTCP-01", "SRTP-02", "SRTP-03", "SRTP-08", "DTLS-01", "RTP-26");
	run_call(*state, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
}

static void test_call_with_wic_as_dtls_server(void **state)
{
	REQ("DTLS-03", "DTLS-05", "SRTP-01");
	run_call(*state, false, "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM",
		 AGW_SRTP_AES128_CM_SHA1_80);
}

static void test_call_with_gcm_256(void **state)
{
	REQ("SRTP-01", "SRTP-03");
	run_call(*state, true, "SRTP_AEAD_AES_256_GCM", AGW_SRTP_AEAD_AES_256_GCM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_call_with_wic_as_dtls_client, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_call_with_wic_as_dtls_server, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_call_with_gcm_256, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
