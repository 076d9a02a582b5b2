/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core socket's peer: connected once packets come from exactly the signalled address, free
 * again when the peer falls silent, moves, or there are several.
 */
#include "agw/relay/stream_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	struct agw_relay_env env;
	struct agw_relay_cfg cfg;
	struct agw_dtls_ctx *dtls;
	struct agw_stream *s;
	struct agw_stream_patch patch;
	int fds[3];
	struct gw_addr signalled;
	struct gw_addr other;
	unsigned latched;
};

static void on_event(void *arg, struct agw_stream *s, const struct agw_stream_event *ev)
{
	(void)s;
	((struct bench *)arg)->latched += ev->kind == AGW_EV_CORE_LATCHED;
}

static void on_setup(void *arg, struct agw_stream *s)
{
	(void)arg;
	(void)s;
}

static struct gw_addr at(uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, "127.0.0.1", port), GW_OK);
	return a;
}

/* Bound by number, as the port pool does: only such a port survives disconnecting. */
static int open_explicit(void)
{
	struct gw_addr a = at(0);
	int fd;

	assert_int_equal(agw_udp_open(&fd, &a), GW_OK);
	assert_int_equal(agw_udp_local(fd, &a), GW_OK);
	(void)close(fd);
	assert_int_equal(agw_udp_open(&fd, &a), GW_OK);
	return fd;
}

static int setup(void **state)
{
	static const uint16_t profiles[AGW_SRTP_PROFILE_MAX] = {AGW_SRTP_AEAD_AES_128_GCM};
	const struct agw_dtls_cfg dcfg = {.timer_initial_ms = 100,
					  .mtu = 1200,
					  .cert_lifetime_s = 3600,
					  .fp_hashes = 1U << AGW_HASH_SHA256};
	struct bench *b = calloc(1, sizeof(*b));
	struct agw_stream_args args = {.profiles = profiles};

	assert_non_null(b);
	for (int i = 0; i < 3; i++)
		b->fds[i] = open_explicit();
	assert_int_equal(agw_dtls_ctx_new(&b->dtls, &dcfg), GW_OK);
	b->signalled = at(43901);
	b->other = at(43903);
	agw_stream_params_init(&b->patch.params, 1);
	b->patch.params.core.branches[0].rtp = b->signalled;
	b->patch.params.core.active = 0;
	b->patch.params.gate_down = true;
	args.params = &b->patch.params;
	args.access_fds[0] = b->fds[0];
	args.access_fds[1] = -1;
	args.core_fds[0] = b->fds[1];
	args.core_fds[1] = b->fds[2];
	args.dtls = b->dtls;
	args.cfg = &b->cfg;
	b->env.cfg = &b->cfg;
	b->env.on_event = on_event;
	b->env.on_setup = on_setup;
	b->env.arg = b;
	b->env.now_ms = 1000;
	agw_ice_creds_new(&args.creds);
	assert_int_equal(agw_stream_new(&b->s, &args), GW_OK);
	agw_stream_attach(b->s, &b->env);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	agw_stream_detach(b->s);
	agw_stream_free(b->s);
	agw_dtls_ctx_free(b->dtls);
	for (int i = 0; i < 3; i++)
		(void)close(b->fds[i]);
	free(b);
	return 0;
}

/* Is the core RTP socket connected, as the kernel sees it? */
static bool is_connected(struct bench *b)
{
	struct gw_addr peer = {.len = sizeof(peer.u)};
	bool yes = getpeername(b->fds[1], &peer.u.sa, &peer.len) == 0;

	assert_int_equal(agw_stream_sock(b->s, AGW_SOCK_CORE_RTP)->connected, yes);
	return yes;
}

static void test_connected_after_exact_packets_and_free_after_silence(void **state)
{
	struct bench *b = *state;
	struct gw_addr before;
	struct gw_addr after;

	REQ("RTP-03", "RTP-07");
	assert_int_equal(agw_udp_local(b->fds[1], &before), GW_OK);
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
	/* From the right host and another port: no reason to shut the door. */
	agw_core_heard(b->s, &b->other);
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	/* Silence: perhaps it moved within the allowed filter, and the kernel keeps it out. */
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
	assert_int_equal(agw_udp_local(b->fds[1], &after), GW_OK);
	assert_int_equal(gw_addr_port(&before), gw_addr_port(&after));
}

static void test_a_new_remote_sets_the_socket_free(void **state)
{
	struct bench *b = *state;

	REQ("RTP-06");
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_true(is_connected(b));
	/* Equal values change nothing. */
	agw_stream_apply(b->s, &b->patch);
	assert_true(is_connected(b));
	b->patch.params.core.branches[0].rtp = b->other;
	agw_stream_apply(b->s, &b->patch);
	assert_false(is_connected(b));
	assert_true(gw_addr_eq(&b->s->core_rtp_to, &b->other));
	assert_int_equal(gw_addr_port(&b->s->core_rtcp_to), 43904);
}

static void test_with_several_branches_the_socket_stays_free(void **state)
{
	struct bench *b = *state;

	REQ("RTP-07");
	b->patch.params.core.branches[3].id = 3;
	b->patch.params.core.branches[3].rtp = b->other;
	agw_stream_apply(b->s, &b->patch);
	agw_core_heard(b->s, &b->signalled);
	agw_core_sweep(b->s);
	assert_false(is_connected(b));
}

static void test_latching_ends_ten_seconds_after_the_gate_opened(void **state)
{
	struct bench *b = *state;

	REQ("RTP-08");
	b->patch.params.core.latch = AGW_LATCH_ONCE;
	b->patch.params.gate_down = false;
	agw_stream_apply(b->s, &b->patch);
	b->patch.params.gate_down = true;
	agw_stream_apply(b->s, &b->patch);
	b->env.now_ms += 10000;
	agw_core_heard(b->s, &b->other);
	assert_int_equal(b->latched, 0);
	/* Re-armed by a change, and then only once. */
	b->patch.params.core.branches[0].rtp = at(43905);
	agw_stream_apply(b->s, &b->patch);
	b->env.now_ms += 9999;
	agw_core_heard(b->s, &b->other);
	assert_int_equal(b->latched, 1);
	agw_core_heard(b->s, &b->signalled);
	assert_int_equal(b->latched, 1);
	assert_true(gw_addr_eq(&b->s->core_rtp_to, &b->other));
}

static void test_the_signalled_address_heard_first_ends_latching(void **state)
{
	struct bench *b = *state;

	REQ("RTP-08");
	b->patch.params.core.latch = AGW_LATCH_ONCE;
	b->patch.params.gate_down = false;
	agw_stream_apply(b->s, &b->patch);
	b->patch.params.gate_down = true;
	agw_stream_apply(b->s, &b->patch);
	agw_core_heard(b->s, &b->signalled);
	agw_core_heard(b->s, &b->other);
	assert_int_equal(b->latched, 0);
	assert_true(gw_addr_eq(&b->s->core_rtp_to, &b->signalled));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_connected_after_exact_packets_and_free_after_silence),
	    T(test_a_new_remote_sets_the_socket_free),
	    T(test_with_several_branches_the_socket_stays_free),
	    T(test_latching_ends_ten_seconds_after_the_gate_opened),
	    T(test_the_signalled_address_heard_first_ends_latching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
