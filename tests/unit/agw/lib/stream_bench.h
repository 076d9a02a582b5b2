/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream without a worker: its environment and clock are the test's.
 */
#ifndef TESTS_UNIT_AGW_LIB_STREAM_BENCH_H
#define TESTS_UNIT_AGW_LIB_STREAM_BENCH_H

#include "agw/relay/stream_int.h"

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
	unsigned seen[AGW_EV_COUNT];
	struct agw_stream_event last;
	unsigned bad_lines;
	unsigned bad[2][AGW_DROP_COUNT];
};

static inline void on_event(void *arg, struct agw_stream *s, const struct agw_stream_event *ev)
{
	struct bench *b = arg;

	(void)s;
	b->seen[ev->kind]++;
	b->last = *ev;
}

static inline void on_bad_input(void *arg, struct agw_stream *s, enum agw_side from,
				enum agw_drop why, uint32_t n)
{
	struct bench *b = arg;

	(void)s;
	b->bad_lines++;
	b->bad[from][why] += n;
}

static inline void on_setup(void *arg, struct agw_stream *s)
{
	(void)arg;
	(void)s;
}

static inline struct gw_addr at(uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, "127.0.0.1", port), GW_OK);
	return a;
}

/* Bound by number, as the port pool does: only such a port survives disconnecting. */
static inline int open_explicit(void)
{
	struct gw_addr a = at(0);
	int fd;

	assert_int_equal(agw_udp_open(&fd, &a), GW_OK);
	assert_int_equal(agw_udp_local(fd, &a), GW_OK);
	(void)close(fd);
	assert_int_equal(agw_udp_open(&fd, &a), GW_OK);
	return fd;
}

static inline int setup(void **state)
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
	b->signalled = at(23901);
	b->other = at(23903);
	agw_stream_params_init(&b->patch.params, 1);
	b->patch.params.core.branches[0].rtp = b->signalled;
	b->patch.params.core.active = 0;
	b->patch.params.gate_down = true;
	args.params = &b->patch.params;
	args.access_fds[AGW_LEG_RTP][0] = b->fds[0];
	args.access_fds[AGW_LEG_RTP][1] = -1;
	args.access_fds[AGW_LEG_RTCP][0] = args.access_fds[AGW_LEG_RTCP][1] = -1;
	args.core_fds[0] = b->fds[1];
	args.core_fds[1] = b->fds[2];
	args.dtls = b->dtls;
	args.cfg = &b->cfg;
	b->env.cfg = &b->cfg;
	b->env.on_event = on_event;
	b->env.on_bad_input = on_bad_input;
	b->env.on_setup = on_setup;
	b->env.arg = b;
	b->env.now_ms = 1000;
	b->env.scratch = aligned_alloc(8, AGW_UDP_BUF);
	assert_non_null(b->env.scratch);
	agw_ice_creds_new(&args.creds);
	assert_int_equal(agw_stream_new(&b->s, &args), GW_OK);
	agw_stream_attach(b->s, &b->env);
	*state = b;
	return 0;
}

static inline int teardown(void **state)
{
	struct bench *b = *state;

	agw_stream_detach(b->s);
	agw_stream_free(b->s);
	agw_dtls_ctx_free(b->dtls);
	free(b->env.scratch);
	for (int i = 0; i < 3; i++)
		(void)close(b->fds[i]);
	free(b);
	return 0;
}

#endif
