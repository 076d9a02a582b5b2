/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams whose ICE is a full agent (ice.mode: full): a whole call over the by-pass, IPv4 and IPv6,
 * with and without rtcp-mux; a restart in the middle of it; nothing left behind.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/turn_server.h"
#include "tests/unit/agw/lib/worker_bench.h"

#include <dirent.h>

#define MANY    15U /* three rounds of them fit into the core's 50 port pairs */
#define NEW_PWD "newpasswordnewpasswordnew"

struct call {
	struct bench *b;
	struct wic *wic;
	const char *pwd; /* the WIC's: what checks of the gateway's are made with */
	unsigned asked;
};

static bool password(StunAgent *agent, StunMessage *msg, uint8_t *name, uint16_t len, uint8_t **out,
		     size_t *out_len, void *arg)
{
	struct call *c = arg;
	char *p;

	(void)agent;
	(void)msg;
	(void)name;
	(void)len;
	memcpy(&p, &c->pwd, sizeof(p)); /* libnice has no const; it only reads it */
	*out = (uint8_t *)p;
	*out_len = strlen(c->pwd);
	return true;
}

/* A full peer answers what it is asked. */
static void answer(struct call *c, uint8_t *buf, size_t n)
{
	StunMessage req = {0}, rsp;
	struct sockaddr_storage src;
	uint8_t out[1024];
	size_t len = sizeof(out);
	bool controlling = true;

	if (n < 20 || buf[0] != 0 || buf[1] != 1)
		return;
	assert_int_equal(stun_agent_validate(&c->wic->agent, &req, buf, n, password, c),
			 STUN_VALIDATION_SUCCESS);
	c->asked++;
	memset(&src, 0, sizeof(src));
	memcpy(&src, &c->wic->gw.u, c->wic->gw.len);
	assert_int_equal(stun_usage_ice_conncheck_create_reply(
			     &c->wic->agent, &req, &rsp, out, &len, &src, c->wic->gw.len,
			     &controlling, 42, STUN_USAGE_ICE_COMPATIBILITY_RFC5245),
			 STUN_USAGE_ICE_RETURN_SUCCESS);
	assert_true(agw_udp_send(c->wic->fd, NULL, out, len));
}

/* Answer checks until the event came that often. */
static void serve_until(struct call *c, enum agw_event kind, unsigned n)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;

	while (c->b->seen[kind] < n && wic_now_ms() < until) {
		struct pollfd p[2] = {{.fd = agw_pool_fd(c->b->pool), .events = POLLIN},
				      {.fd = c->wic->fd, .events = POLLIN}};
		uint8_t buf[1500];

		(void)poll(p, 2, 50);
		if (p[0].revents != 0)
			agw_pool_dispatch(c->b->pool);
		if (p[1].revents != 0)
			answer(c, buf, (size_t)recv(c->wic->fd, buf, sizeof(buf), 0));
	}
	assert_int_equal(c->b->seen[kind], n);
}

static void name_candidate(struct bench *b, const struct wic *w, uint8_t component)
{
	struct agw_ice_peer *p = &b->params.access.peer;
	struct agw_ice_cand *c = &p->cands[p->n_cands++];

	assert_int_equal(agw_udp_local(w->fd, &c->addr), GW_OK);
	c->priority = 2130706431;
	c->component = component;
	c->type = AGW_CAND_HOST;
}

/* The WIC offers: it is controlling, and its first check comes before its answer does. */
static void set_up(struct call *c, const char *ip, bool with_candidate)
{
	struct bench *b = c->b;
	bool v6 = strchr(ip, ':') != NULL;

	c->wic = &b->wic;
	c->pwd = WIC_PWD;
	wic_open(&b->wic, ip, true, "SRTP_AEAD_AES_128_GCM");
	agw_stream_params_init(&b->params, 1);
	b->params.access.families = AGW_FAMILY_BIT(v6 ? AGW_FAMILY_V6 : AGW_FAMILY_V4);
	b->params.access.ice_full = true;
	/* known from the offer: so we are the controlled one */
	(void)snprintf(b->params.access.remote_ufrag, AGW_ICE_UFRAG_MAX, "%s", WIC_UFRAG);
	(void)snprintf(b->params.access.remote_pwd, AGW_ICE_PWD_MAX, "%s", WIC_PWD);
	if (with_candidate)
		name_candidate(b, &b->wic, 1);
	reserve_with(b);
	assert_true(b->local.ice_full);
	assert_int_equal(b->local.n_cands, 1);
	wic_aim(&b->wic, &b->local.access[v6 ? AGW_FAMILY_V6 : AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, false), 0);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	serve_until(c, AGW_EV_ICE_CONNECTED, 1);
	assert_true(c->asked > 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
}

/* Not a packet of media went through libnice, nor anything else that is none of its business. */
static void check_by_pass(struct bench *b)
{
	struct agw_stream_stats st;
	struct agw_pool_load load;

	assert_true(agw_media_stats(b->media, 1, &st));
	agw_pool_load(b->pool, &load);
	assert_int_equal(load.through_ice, 0);
	assert_int_equal(st.up.drops[AGW_DROP_STUN_BAD], 0);
	assert_int_equal(st.up.drops[AGW_DROP_SOURCE], 0);
	assert_true(st.stun_requests >= 1);
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void whole_call(struct bench *b, const char *ip, bool with_candidate)
{
	struct call c = {.b = b};

	set_up(&c, ip, with_candidate);
	exchange_rtp(b, 200);
	exchange_rtcp(b);
	check_by_pass(b);
	assert_int_equal(b->seen[AGW_EV_NEW_PRFLX], with_candidate ? 0 : 1);
	release(b);
	wic_close(&b->wic);
}

static void test_a_call_with_a_full_agent_by_passes_it(void **state)
{
	REQ("ICE-28", "ICE-10", "RTP-20");
	whole_call(*state, "127.0.0.1", true);
}

static void test_a_peer_that_tells_no_candidate_is_found_and_reported(void **state)
{
	REQ("ICE-28", "ICE-07", "IQ-07");
	whole_call(*state, "127.0.0.1", false);
}

static void test_the_same_over_ipv6(void **state)
{
	REQ("ICE-28");
	if (!has_v6())
		skip();
	whole_call(*state, "::1", true);
}

static void test_media_goes_on_through_a_restart(void **state)
{
	struct bench *b = *state;
	struct call c = {.b = b};
	struct agw_stream_change ch;
	struct agw_stream_local local;
	const char *field = NULL;
	uint32_t seq = 0;

	REQ("ICE-28", "ICE-17", "DTLS-21");
	set_up(&c, "127.0.0.1", true);
	exchange_rtp(b, 20);
	(void)snprintf(b->params.access.remote_pwd, AGW_ICE_PWD_MAX, "%s", NEW_PWD);
	ch = (struct agw_stream_change){.params = b->params, .ice_restart = true};
	assert_int_equal(agw_media_apply(b->media, &ch, 1, &local, &seq, &field), GW_OK);
	assert_true(await(b, &b->applied, seq));
	assert_true(gw_addr_eq(&local.access[AGW_FAMILY_V4], &b->local.access[AGW_FAMILY_V4]));
	exchange_rtp(b, 20); /* by the old pair */
	c.pwd = NEW_PWD;
	assert_int_equal(wic_check(&b->wic, local.ufrag, local.pwd, true), 0);
	serve_until(&c, AGW_EV_ICE_CONNECTED, 2);
	exchange_rtp(b, 20);
	assert_int_equal(b->seen[AGW_EV_DTLS_ESTABLISHED], 1);
	check_by_pass(b);
	release(b);
	wic_close(&b->wic);
}

/* The WIC muxes after all: the second component's agent goes on the worker, its port rests. */
static void test_a_second_port_comes_and_goes(void **state)
{
	struct bench *b = *state;
	struct call c = {.b = b, .wic = &b->wic, .pwd = WIC_PWD};
	struct agw_ports_load load;

	REQ("ICE-28", "DTLS-26");
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	agw_stream_params_init(&b->params, 1);
	b->params.access.ice_full = b->params.access.rtcp_separate = true;
	(void)snprintf(b->params.access.remote_ufrag, AGW_ICE_UFRAG_MAX, "%s", WIC_UFRAG);
	(void)snprintf(b->params.access.remote_pwd, AGW_ICE_PWD_MAX, "%s", WIC_PWD);
	reserve_with(b);
	assert_int_equal(b->local.n_cands, 2);
	assert_int_equal(b->local.cands[1].component, 2);
	assert_true(agw_pool_ports(b->pool, "access", &load));
	assert_int_equal(load.used, 2);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	b->params.access.rtcp_separate = false;
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	serve_until(&c, AGW_EV_ICE_CONNECTED, 1);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	exchange_rtp(b, 20);
	check_by_pass(b);
	wic_close(&b->wic);
}

/* A WIC that reaches the gateway by its relay alone: its socket takes nothing from elsewhere. */
static void test_a_call_through_the_relay(void **state)
{
	struct agw_pool_cfg cfg = {.n_workers = 2, .max_batch_wait_us = 500};
	struct bench *b;
	struct call c = {.pwd = WIC_PWD};
	struct agw_pool_load load;
	int answered = -1;
	pid_t pid;

	REQ("ICE-28");
	if (!turn_is_here())
		skip();
	pid = turn_start(21860, &cfg.ice_turn.server);
	cfg.ice_turn.username = "wicgate";
	cfg.ice_turn.password = "secret";
	assert_int_equal(bench_start(state, cfg), 0);
	c.b = b = *state;
	c.wic = &b->wic;
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	agw_stream_params_init(&b->params, 1);
	b->params.access.ice_full = true;
	(void)snprintf(b->params.access.remote_ufrag, AGW_ICE_UFRAG_MAX, "%s", WIC_UFRAG);
	(void)snprintf(b->params.access.remote_pwd, AGW_ICE_PWD_MAX, "%s", WIC_PWD);
	name_candidate(b, &b->wic, 1);
	reserve_with(b);
	assert_int_equal(b->local.n_cands, 1);
	assert_true(agw_media_is_gathering(b->media, 1));
	assert_true(await(b, &b->seen[AGW_EV_GATHERED], 1));
	assert_false(agw_media_is_gathering(b->media, 1));
	b->local = *agw_media_local(b->media, 1);
	assert_int_equal(b->local.n_cands, 2);
	assert_true(b->local.cands[1].relay);
	assert_true(b->local.cands[1].priority < b->local.cands[0].priority);
	wic_aim(&b->wic, &b->local.cands[1].addr);
	configure(b, AGW_DTLS_ROLE_SERVER);
	for (int i = 0; i < 25 && answered != 0; i++) { /* the relay lets in who has a permission */
		uint8_t buf[1500];
		size_t n =
		    wic_make_check(&b->wic, buf, sizeof(buf), b->local.ufrag, b->local.pwd, true);

		assert_true(agw_udp_send(b->wic.fd, NULL, buf, n));
		answered = wic_await_answer(&b->wic, 200);
	}
	assert_int_equal(answered, 0);
	serve_until(&c, AGW_EV_ICE_CONNECTED, 1);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	exchange_rtp(b, 100);
	exchange_rtcp(b);
	agw_pool_load(b->pool, &load);
	assert_true(load.through_ice >= 101);
	release(b);
	wic_close(&b->wic);
	turn_stop(pid);
}

static void test_nothing_is_left_of_many_streams(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params params[MANY];
	struct agw_stream_local locals[MANY];
	uint32_t ids[MANY];
	unsigned before = 0, gone = 0; /* before: after the first round, which opens what stays */

	REQ("ICE-28", "RTP-20");
	for (int round = 0; round < 3; round++) {
		const char *field = NULL;
		struct agw_ports_load load;

		for (uint32_t i = 0; i < MANY; i++) {
			agw_stream_params_init(&params[i], i + 1);
			params[i].access.ice_full = true;
			(void)snprintf(params[i].access.realm, AGW_REALM_NAME_MAX, "access");
			(void)snprintf(params[i].core.realm, AGW_REALM_NAME_MAX, "core");
			ids[i] = i + 1;
		}
		assert_int_equal(agw_media_add(b->media, params, MANY, locals, NULL, &field),
				 GW_OK);
		agw_media_del(b->media, ids, MANY);
		gone += MANY;
		assert_true(await(b, &b->released, gone));
		assert_true(agw_pool_ports(b->pool, "access", &load));
		assert_int_equal(load.used, 0);
		/* what is open now: the muted sockets of the ports that rest, MANY a round */
		if (round == 0)
			before = count_fds();
		else
			assert_int_equal(count_fds(), before + MANY * (unsigned)round);
	}
}

static int teardown_any(void **state)
{
	return *state != NULL ? teardown(state) : 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_call_with_a_full_agent_by_passes_it),
	    T(test_a_peer_that_tells_no_candidate_is_found_and_reported),
	    T(test_the_same_over_ipv6),
	    T(test_media_goes_on_through_a_restart),
	    T(test_a_second_port_comes_and_goes),
	    T(test_nothing_is_left_of_many_streams),
	    cmocka_unit_test_teardown(test_a_call_through_the_relay, teardown_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
