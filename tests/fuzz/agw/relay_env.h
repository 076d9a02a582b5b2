/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream needs of a worker, for one that nobody listens to. */
#ifndef TESTS_FUZZ_AGW_RELAY_ENV_H
#define TESTS_FUZZ_AGW_RELAY_ENV_H

#include "agw/relay/forward.h"

#include <stdlib.h>

static inline void nobody_on_event(void *arg, struct agw_stream *s,
				   const struct agw_stream_event *ev)
{
	(void)arg;
	(void)s;
	(void)ev;
}

static inline void nobody_on_bad_input(void *arg, struct agw_stream *s, enum agw_side from,
				       enum agw_drop why, uint32_t n)
{
	(void)arg;
	(void)s;
	(void)from;
	(void)why;
	(void)n;
}

static inline void nobody_on_setup(void *arg, struct agw_stream *s)
{
	(void)arg;
	(void)s;
}

#define RELAY_CFG                                                                                  \
	{                                                                                          \
		.ice_timeout_ms = 20000, .consent_timeout_ms = 30000, .dtls_timeout_ms = 20000,    \
		.dtls_fp_wait_ms = 32000, .srtp_replay_window = 128                                \
	}

/* Aborts where there is no memory. */
static inline void relay_env_start(struct agw_relay_env *env, const struct agw_relay_cfg *cfg,
				   struct agw_dtls_ctx **dtls)
{
	const struct agw_dtls_cfg dcfg = {.timer_initial_ms = 100,
					  .mtu = 1200,
					  .cert_lifetime_s = 3600,
					  .fp_hashes = 1U << AGW_HASH_SHA256};

	env->cfg = cfg;
	env->max_handshakes = 1;
	env->on_event = nobody_on_event;
	env->on_bad_input = nobody_on_bad_input;
	env->on_setup = nobody_on_setup;
	env->scratch = aligned_alloc(8, AGW_UDP_BUF);
	if (env->scratch == NULL || agw_ice_env_new(&env->ice) != GW_OK ||
	    agw_udp_in_new(&env->in) != GW_OK ||
	    agw_udp_out_new(&env->out, agw_relay_failed, env) != GW_OK ||
	    agw_srtp_init() != GW_OK || agw_dtls_ctx_new(dtls, &dcfg) != GW_OK)
		abort();
}

#endif
