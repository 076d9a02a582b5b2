/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our certificate is renewed on schedule while calls go on: what lives keeps the old one, what is
 * new gets the new one. Time is not waited for: the certificate is made older.
 */
#include "agw/dtls/dtls_int.h"
#include "agw/worker/worker_int.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define LIFETIME_S (30U * 24U * 3600U)

static int setup_lifetime(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1,
							.max_batch_wait_us = 500,
							.cert_lifetime_s = LIFETIME_S});
}

static void age(struct bench *b, uint64_t s)
{
	b->pool->dtls->made_s -= s;
}

static bool same(const struct agw_fingerprint *a, const struct agw_fingerprint *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

/* Did the handshake show the certificate that was signalled? */
static bool shown(const struct wic *w, const struct agw_fingerprint *fp)
{
	return agw_dtls_cert_matches(SSL_get0_peer_certificate(w->ssl), fp, 1,
				     1U << AGW_HASH_SHA256);
}

static void add(struct bench *b, uint32_t id, struct wic *w, struct agw_stream_local *local)
{
	struct agw_stream_params p = b->params;

	wic_open(w, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	p.id = id;
	p.access.fps[0] = w->fp;
	p.access.dtls_role = AGW_DTLS_ROLE_SERVER;
	assert_int_equal(agw_media_add(b->media, &p, 1, local, NULL, NULL), GW_OK);
	wic_aim(w, &local->access[AGW_FAMILY_V4]);
}

static void test_a_renewal_leaves_what_lives_and_serves_what_is_new(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local two, three, after;
	struct agw_stream_change ch = {.ice_restart = true};
	struct agw_fingerprint first;
	struct wic other, third;

	REQ("DTLS-10", "DTLS-20");
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AES128_CM_SHA1_80");
	reserve(b);
	first = b->local.fp;
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	assert_true(shown(&b->wic, &first));
	exchange_rtp(b, 2);

	/* not before half of its life is over … */
	age(b, LIFETIME_S / 2 - 60);
	add(b, 2, &other, &two);
	assert_true(same(&two.fp, &first));
	/* … and then; what was told before is what is shown, however late it begins */
	age(b, 60);
	add(b, 3, &third, &three);
	assert_false(same(&three.fp, &first));
	assert_int_equal(wic_check(&third, three.ufrag, three.pwd, true), 0);
	assert_true(wic_handshake(&third, WIC_LIMIT_MS));
	assert_true(shown(&third, &three.fp));
	assert_int_equal(wic_check(&other, two.ufrag, two.pwd, true), 0);
	assert_true(wic_handshake(&other, WIC_LIMIT_MS));
	assert_true(shown(&other, &first));

	/* the live one goes on, with a restart of ICE as well, and is still who it was */
	exchange_rtp(b, 2);
	ch.params = b->params;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, &after, NULL, NULL), GW_OK);
	assert_true(same(&after.fp, &first));
	exchange_rtp(b, 2);
	/* a new association of it has the new one */
	ch.ice_restart = false;
	ch.new_dtls = true;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, &after, NULL, NULL), GW_OK);
	assert_true(same(&after.fp, &three.fp));
	wic_close(&third);
	wic_close(&other);
	wic_close(&b->wic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_renewal_leaves_what_lives_and_serves_what_is_new,
					    setup_lifetime, teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
