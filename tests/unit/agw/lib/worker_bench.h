/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bench for the media workers: pool, one context with one stream, a WIC and a core peer on
 * loopback, and the events that came.
 */
#ifndef TESTS_UNIT_AGW_LIB_WORKER_BENCH_H
#define TESTS_UNIT_AGW_LIB_WORKER_BENCH_H

#include "agw/worker/worker.h"
#include "common/rand.h"
#include "tests/unit/agw/lib/fake_wic.h"

#include <stdlib.h>

#define OWNER       4711U
#define OTHER_OWNER 4712U /* of a second call, where a test has one */

/* Shared access ports of each worker (access.shared_ports); most tests run with none and one. */
static uint16_t shared_ports;
/* Enough for several such programs at a time: the pool passes over ports that are taken. */
static uint16_t core_ports = 600;
static bool ice_tcp; /* ice.tcp: passive */
static bool v4_only; /* the access realm, also where there is IPv6 */

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
	uint16_t up_seq;
	uint16_t down_seq;
	uint32_t applied;
	uint32_t applied_other;
	unsigned released;
	struct agw_stream_stats final;
};

static inline void on_event(void *arg, uint64_t owner, const struct agw_stream_event *ev)
{
	struct bench *b = arg;

	assert_true(owner == OWNER || owner == OTHER_OWNER);
	b->seen[ev->kind]++;
	b->last[ev->kind] = *ev;
}

static inline void on_applied(void *arg, uint64_t owner, uint32_t seq)
{
	struct bench *b = arg;

	if (owner == OTHER_OWNER) {
		b->applied_other = seq;
		return;
	}
	assert_int_equal(owner, OWNER);
	assert_int_equal(seq, b->applied + 1);
	b->applied = seq;
}

static inline void on_released(void *arg, uint64_t owner, uint32_t id,
			       const struct agw_stream_stats *st)
{
	struct bench *b = arg;

	assert_true(owner == OWNER || owner == OTHER_OWNER);
	(void)id;
	b->released++;
	b->final = *st;
}

static inline void on_events_lost(void *arg, uint64_t n)
{
	(void)arg;
	fail_msg("%llu events lost", (unsigned long long)n);
}

/* Dispatch until *counter reaches n. */
static inline bool await(struct bench *b, const unsigned *counter, unsigned n)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;

	while (*counter < n && wic_now_ms() < until) {
		struct pollfd p = {.fd = agw_pool_fd(b->pool), .events = POLLIN};

		if (poll(&p, 1, 100) == 1)
			agw_pool_dispatch(b->pool);
	}
	return *counter >= n;
}

/* Wait until the counter reaches n. Counters tell nobody, so they are looked at. */
#define AWAIT_STAT(b, field, want)                                                                 \
	do {                                                                                       \
		uint64_t until_ = wic_now_ms() + WIC_LIMIT_MS;                                     \
		struct agw_stream_stats st_ = {0};                                                 \
		while (st_.field < (want) && wic_now_ms() < until_) {                              \
			assert_true(agw_media_stats((b)->media, 1, &st_));                         \
			(void)poll(NULL, 0, 2);                                                    \
		}                                                                                  \
		assert_int_equal(st_.field, (want));                                               \
	} while (0)

/* An even port and the next one on loopback, from the system's choice. */
static inline void open_peer(struct peer *p)
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

static inline void realm(struct agw_realm_cfg *r, const char *name, uint16_t from, uint16_t to)
{
	memset(r, 0, sizeof(*r));
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	assert_int_equal(gw_addr_parse_ip(&r->bind[AGW_FAMILY_V4], "127.0.0.1", 0), GW_OK);
	r->port_min = from;
	r->port_max = to;
}

/* Is there an IPv6 loopback here? Containers sometimes have none. */
static inline bool has_v6(void)
{
	struct gw_addr a;
	int fd;

	assert_int_equal(gw_addr_parse_ip(&a, "::1", 0), GW_OK);
	if (agw_udp_open(&fd, &a) != GW_OK)
		return false;
	(void)close(fd);
	return true;
}

static inline int bench_start(void **state, struct agw_pool_cfg cfg)
{
	static const struct agw_pool_cbs cbs = {on_event, on_applied, on_released, on_events_lost};
	struct bench *b = calloc(1, sizeof(*b));
	struct agw_realm_cfg realms[2];

	assert_non_null(b);
	cfg.realms = realms;
	cfg.n_realms = 2;
	realm(&realms[0], "access", 23000, 23099);
	realms[0].shared_ports = shared_ports;
	realms[0].ice_tcp = ice_tcp;
	realm(&realms[1], "core", 23400, (uint16_t)(23400 + core_ports - 1));
	if (!v4_only && has_v6())
		assert_int_equal(gw_addr_parse_ip(&realms[0].bind[AGW_FAMILY_V6], "::1", 0), GW_OK);
	assert_int_equal(agw_pool_new(&b->pool, &cfg, &cbs, b), GW_OK);
	assert_int_equal(agw_media_new(&b->media, b->pool, OWNER, "ctx=test"), GW_OK);
	open_peer(&b->peer);
	b->up_seq = 65530; /* rolls over soon */
	b->down_seq = 1000;
	*state = b;
	return 0;
}

static inline int setup(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 2, .max_batch_wait_us = 500});
}

static inline int teardown(void **state)
{
	struct bench *b = *state;

	agw_pool_free(b->pool);
	(void)close(b->peer.rtp);
	(void)close(b->peer.rtcp);
	free(b);
	return 0;
}

/* One datagram of a stranger, or more, was dropped; at a shared port it is no stream's. */
static inline void await_stranger(struct bench *b)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;
	struct agw_pool_load load = {0};
	struct agw_stream_stats st = {0};

	if (shared_ports == 0)
		AWAIT_STAT(b, up.drops[AGW_DROP_SOURCE], 1);
	while (load.rtp_drops == 0 && wic_now_ms() < until) {
		agw_pool_load(b->pool, &load);
		(void)poll(NULL, 0, 2);
	}
	assert_int_equal(load.rtp_drops, 1);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.up.drops[AGW_DROP_SOURCE], shared_ports == 0 ? 1 : 0);
}

/* b->params is there already. */
static inline void reserve_with(struct bench *b)
{
	const char *field = NULL;
	uint32_t seq = 0;

	(void)snprintf(b->params.access.realm, AGW_REALM_NAME_MAX, "access");
	(void)snprintf(b->params.core.realm, AGW_REALM_NAME_MAX, "core");
	agw_pt_set_add(&b->params.access.pts, 8);
	agw_pt_set_add(&b->params.core.pts, 8);
	b->params.clock_hz = 8000;
	assert_int_equal(agw_media_add(b->media, &b->params, 1, &b->local, &seq, &field), GW_OK);
	assert_int_equal(seq, 1);
	assert_int_equal(gw_addr_port(&b->local.core_rtp) & 1, 0);
	assert_int_equal(gw_addr_port(&b->local.core_rtcp), gw_addr_port(&b->local.core_rtp) + 1);
}

static inline void reserve(struct bench *b)
{
	agw_stream_params_init(&b->params, 1);
	reserve_with(b);
	assert_int_equal(b->local.n_cands, ice_tcp ? 2 : 1);
}

static inline void apply(struct bench *b)
{
	struct agw_stream_change ch = {.params = b->params};
	const char *field = NULL;
	uint32_t seq = 0;
	unsigned before = b->applied;

	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, &seq, &field), GW_OK);
	assert_true(await(b, &b->applied, before + 1));
}

/* The answer is known: both ends, open gates. */
static inline void configure(struct bench *b, enum agw_dtls_role role)
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

/* What is reserved and aimed at gets keys; the WIC is the DTLS client. */
static inline void bring_up(struct bench *b)
{
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
}

static inline void exchange_rtp(struct bench *b, unsigned packets)
{
	_Alignas(8) uint8_t buf[2048];
	uint8_t pkt[300];
	uint8_t payload[160];
	bool rtcp;

	for (unsigned i = 0; i < packets; i++) {
		size_t n;
		int len;

		gw_rand_bytes(payload, sizeof(payload));
		n = wic_make_rtp(pkt, 8, b->up_seq++, 0x11111111, payload, sizeof(payload));
		wic_send_rtp(&b->wic, pkt, n);
		len = (int)wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS);
		assert_int_equal(len, n);
		assert_memory_equal(buf, pkt, n);

		gw_rand_bytes(payload, sizeof(payload));
		n = wic_make_rtp(pkt, 8, b->down_seq++, 0x22222222, payload, sizeof(payload));
		assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
		len = wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS);
		assert_false(rtcp);
		assert_int_equal(len, n);
		assert_memory_equal(buf, pkt, n);
	}
}

static inline size_t make_sr(uint8_t *p, uint32_t ssrc)
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

static inline void exchange_rtcp(struct bench *b)
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

static inline void release(struct bench *b)
{
	const uint32_t id = 1;
	struct agw_ports_load load;
	struct agw_pool_load all;

	agw_media_del(b->media, &id, 1);
	assert_true(await(b, &b->released, 1));
	assert_int_equal(agw_media_count(b->media), 0);
	assert_true(agw_pool_ports(b->pool, "access", &load));
	assert_int_equal(load.used, 0);
	agw_pool_load(b->pool, &all);
	assert_int_equal(load.shared, all.workers * shared_ports);
	assert_int_equal(load.total + load.shared, 100);
	assert_int_equal(load.resting, shared_ports > 0 ? 0 : 1);
	assert_true(agw_pool_ports(b->pool, "core", &load));
	assert_int_equal(load.used, 0);
	assert_int_equal(load.resting, 2);
	agw_media_free(b->media);
}

/* All of it with a port for each stream, and again with one for all streams of a worker. */
static inline int run_both_ways(const struct CMUnitTest *tests, size_t n)
{
	int failed = _cmocka_run_group_tests("own ports", tests, n, NULL, NULL);

	shared_ports = 1;
	return failed + _cmocka_run_group_tests("shared port", tests, n, NULL, NULL);
}
#define RUN_BOTH_WAYS(tests) run_both_ways(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
