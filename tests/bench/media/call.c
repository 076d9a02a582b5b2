/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call's ends, and bringing many of them up: ICE checks until answered, then DTLS as the
 * client (the relay is the server in every target, so that all do the same work), then SRTP.
 */
#include "tests/bench/media/bench.h"

#include "common/rand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_MS   100 /* an unanswered check is repeated */
#define CONSENT_MS 4000
#define CONNECT_MS 30000

static void dtls_send(void *arg, const uint8_t *data, size_t len)
{
	struct bench_call *c = arg;

	bench_wire_send(c->b->wire, BENCH_WIC, c->id, &c->relay[BENCH_WIC], data, len);
}

static void dtls_keyed(void *arg, const struct agw_srtp_keys *keys)
{
	struct bench_call *c = arg;

	c->keyed = agw_srtp_sess_new(&c->srtp, keys, 1024) == GW_OK;
	c->failed = !c->keyed;
}

static void dtls_failed(void *arg, enum agw_cause cause)
{
	struct bench_call *c = arg;

	if (!c->failed)
		fprintf(stderr, "call %u: DTLS failed: %s\n", c->id, agw_cause_name(cause));
	c->failed = true;
}

static void dtls_closed(void *arg, enum agw_cause cause)
{
	(void)arg;
	(void)cause;
}

static const struct agw_dtls_cbs dtls_cbs = {dtls_send, dtls_keyed, dtls_failed, dtls_closed};

bool bench_call_init(struct bench_call *c, struct bench *b, unsigned id)
{
	memset(c, 0, sizeof(*c));
	c->b = b;
	c->id = c->tag = id;
	gw_rand_token(c->ufrag, sizeof(c->ufrag) - 1);
	gw_rand_token(c->pwd, sizeof(c->pwd) - 1);
	c->ssrc[BENCH_WIC] = (id + 1) << 8 | 1;
	c->ssrc[BENCH_CORE] = (id + 1) << 8 | 2;
	if (!b->o.target->secure) {
		c->ice_done = c->keyed = true;
		return true;
	}
	c->stun = bench_stun_new(c);
	return c->stun != NULL &&
	       agw_dtls_sess_new(&c->dtls, b->dtls, b->profiles, &dtls_cbs, c) == GW_OK;
}

void bench_call_fini(struct bench_call *c)
{
	agw_srtp_sess_free(c->srtp);
	agw_dtls_sess_free(c->dtls);
	bench_stun_free(c->stun);
	c->srtp = NULL;
	c->dtls = NULL;
	c->stun = NULL;
}

void bench_call_step(struct bench_call *c, int64_t now)
{
	if (c->keyed || c->failed)
		return;
	if (!c->ice_done) {
		if (now - c->checked_ms < CHECK_MS)
			return;
		c->checked_ms = now;
		bench_stun_check(c->stun);
		return;
	}
	if (agw_dtls_state(c->dtls) == AGW_DTLS_IDLE) {
		agw_dtls_set_fingerprints(c->dtls, &c->peer_fp, 1);
		agw_dtls_start(c->dtls, AGW_DTLS_ROLE_CLIENT);
	} else {
		agw_dtls_tick(c->dtls);
	}
}

unsigned bench_calls_connect(struct bench *b)
{
	int64_t end = bench_now_ms() + CONNECT_MS, now;
	unsigned up = 0, settled = 0;

	while (settled < b->o.calls && (now = bench_now_ms()) < end) {
		up = settled = 0;
		for (unsigned i = 0; i < b->o.calls; i++) {
			bench_call_step(&b->calls[i], now);
			up += b->calls[i].keyed;
			settled += b->calls[i].keyed || b->calls[i].failed;
		}
		bench_wire_flush(b->wire);
		bench_wire_poll(b->wire, INT64_C(2000000));
	}
	return up;
}

void bench_call_keep(struct bench_call *c, int64_t now_ms)
{
	if (c->stun == NULL || now_ms - c->checked_ms < CONSENT_MS)
		return;
	c->checked_ms = now_ms - (int64_t)(c->id % 500); /* not all at once next time */
	bench_stun_check(c->stun);
}
