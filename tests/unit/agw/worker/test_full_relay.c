/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TURN server (Debian's coturn) gave is given back, however a stream goes: released, its
 * second port not wanted after all, before the server had answered, or never taken to work. Seen at
 * the server: its relayed ports can be bound again. Skipped where there is no turnserver.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/turn_server.h"
#include "tests/unit/agw/lib/worker_bench.h"

#include "tests/unit/agw/lib/metric_value.h"

#define TURN_PORT 28600 /* below what the system gives to others by itself */

static pid_t server;
static uint16_t server_port;

static int start(void **state)
{
	struct agw_pool_cfg cfg = {.n_workers = 1, .max_batch_wait_us = 500};

	*state = NULL;
	if (!turn_is_here())
		return 0;
	server = turn_start(TURN_PORT, &cfg.ice_turn.server);
	server_port = gw_addr_port(&cfg.ice_turn.server);
	cfg.ice_turn.username = "wicgate";
	cfg.ice_turn.password = "secret";
	return bench_start(state, cfg);
}

static int stop(void **state)
{
	if (*state == NULL)
		return 0;
	turn_stop(server);
	return teardown(state);
}

static unsigned count_taken(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i <= TURN_RELAYS; i++)
		n += !turn_port_is_free((uint16_t)(server_port + i));
	return n;
}

/* Turn the control thread's part until as many are given back, and no more than `taken` are not. */
static void await_returned(struct bench *b, unsigned n, unsigned taken)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;
	const char *name = "agw_turn_allocations_total{end=\"returned\"}";

	while ((metric_value(name) < n || count_taken() > taken) && wic_now_ms() < until) {
		struct pollfd p = {.fd = agw_pool_fd(b->pool), .events = POLLIN};

		if (poll(&p, 1, 20) == 1)
			agw_pool_dispatch(b->pool);
	}
	assert_int_equal(metric_value(name), n);
	assert_int_equal(count_taken(), taken);
	assert_int_equal(metric_value("agw_turn_allocations_total{end=\"kept\"}"), 0);
}

static void prepare(struct agw_stream_params *p, uint32_t id, bool rtcp_separate)
{
	agw_stream_params_init(p, id);
	p->access.ice_full = true;
	p->access.rtcp_separate = rtcp_separate;
	(void)snprintf(p->access.remote_ufrag, AGW_ICE_UFRAG_MAX, "%s", WIC_UFRAG);
	(void)snprintf(p->access.remote_pwd, AGW_ICE_PWD_MAX, "%s", WIC_PWD);
	(void)snprintf(p->access.realm, AGW_REALM_NAME_MAX, "access");
	(void)snprintf(p->core.realm, AGW_REALM_NAME_MAX, "core");
}

static void test_a_stream_that_is_released(void **state)
{
	struct bench *b = *state;
	const uint32_t id = 1;

	REQ("ICE-28");
	if (b == NULL)
		skip();
	prepare(&b->params, 1, true);
	reserve_with(b);
	assert_true(await(b, &b->seen[AGW_EV_GATHERED], b->local.n_cands));
	assert_int_equal(count_taken(), 2); /* RTP's and RTCP's */
	agw_media_del(b->media, &id, 1);
	assert_true(await(b, &b->released, 1));
	await_returned(b, 2, 0);
}

/* A WIC that muxes after all: the second component's goes, the first one's stays. */
static void test_a_second_port_that_is_not_wanted(void **state)
{
	struct bench *b = *state;

	REQ("ICE-28", "DTLS-26");
	if (b == NULL)
		skip();
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	prepare(&b->params, 1, true);
	reserve_with(b);
	assert_true(await(b, &b->seen[AGW_EV_GATHERED], b->local.n_cands));
	assert_int_equal(count_taken(), 2);
	b->params.access.rtcp_separate = false;
	configure(b, AGW_DTLS_ROLE_SERVER);
	await_returned(b, 1, 1);
	wic_close(&b->wic);
}

/* The Allocate is still under way: what comes of it is given back as well. */
static void test_streams_that_go_before_the_server_has_answered(void **state)
{
	struct bench *b = *state;

	REQ("ICE-28");
	if (b == NULL)
		skip();
	for (uint32_t id = 1; id <= 8; id++) {
		struct agw_stream_params p;
		struct agw_stream_local local;

		prepare(&p, id, false);
		assert_int_equal(agw_media_add(b->media, &p, 1, &local, NULL, NULL), GW_OK);
		(void)poll(NULL, 0, (int)id / 2); /* at another moment of the exchange each time */
		agw_media_del(b->media, &id, 1);
	}
	assert_true(await(b, &b->released, 8));
	await_returned(b, 8, 0);
}

/* The second stream of a Reserve is refused: the first one's agent never got to work. */
static void test_a_reserve_that_fails(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params p[2];
	struct agw_stream_local locals[2];
	struct agw_ports_load load;

	REQ("ICE-28", "RTP-20");
	if (b == NULL)
		skip();
	prepare(&p[0], 1, false);
	prepare(&p[1], 2, false);
	(void)snprintf(p[1].core.realm, AGW_REALM_NAME_MAX, "nowhere");
	assert_int_equal(agw_media_add(b->media, p, 2, locals, NULL, NULL), GW_ERR_NOT_FOUND);
	await_returned(b, 1, 0);
	assert_true(agw_pool_ports(b->pool, "access", &load));
	assert_int_equal(load.used, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_stream_that_is_released),
	    T(test_a_second_port_that_is_not_wanted),
	    T(test_streams_that_go_before_the_server_has_answered),
	    T(test_a_reserve_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
