/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storm of handshakes from one address (limits.handshakes_per_source): what exceeds its rate
 * waits and is served in the end, and a WIC of another address does not wait with it.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#include "tests/unit/agw/lib/metric_value.h"

#define RATE 4U
/* Two seconds of it wait: the first hellos may take a while on a busy machine. */
#define STORM 12U
#define ALL   (STORM + 1) /* and one that has nothing to do with it */

struct storm {
	struct wic wics[ALL];
	bool done[ALL];
	struct agw_stream_local locals[ALL];
};

static int setup_paced(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1, .dtls_source_rate = RATE});
}

/* Every WIC has its pair; nobody has said hello yet. */
static void gather(struct bench *b, struct storm *s)
{
	struct agw_stream_params params[ALL];

	for (unsigned i = 0; i < ALL; i++) {
		struct agw_access_params *a = &params[i].access;

		wic_open(&s->wics[i], i < STORM ? "127.0.0.1" : "127.0.0.9", true,
			 "SRTP_AES128_CM_SHA1_80");
		agw_stream_params_init(&params[i], i + 1);
		(void)snprintf(a->realm, AGW_REALM_NAME_MAX, "access");
		(void)snprintf(params[i].core.realm, AGW_REALM_NAME_MAX, "core");
		(void)snprintf(a->remote_ufrag, sizeof(a->remote_ufrag), "%s", WIC_UFRAG);
		(void)snprintf(a->remote_pwd, sizeof(a->remote_pwd), "%s", WIC_PWD);
		a->answered = true;
		a->dtls_role = AGW_DTLS_ROLE_SERVER;
		a->fps[0] = s->wics[i].fp;
		a->n_fps = 1;
	}
	assert_int_equal(agw_media_add(b->media, params, ALL, s->locals, NULL, NULL), GW_OK);
	for (unsigned i = 0; i < ALL; i++) {
		const struct agw_stream_local *l = &s->locals[i];

		wic_aim(&s->wics[i], &l->access[AGW_FAMILY_V4]);
		assert_int_equal(wic_check(&s->wics[i], l->ufrag, l->pwd, true), 0);
		wic_ssl(&s->wics[i]);
	}
}

/* Turn all of them until `n` of the storm are through. @return how many are, the lone one aside */
static unsigned turn(struct bench *b, struct storm *s, unsigned n)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;
	unsigned through = 0;

	while (through < n && wic_now_ms() < until) {
		struct pollfd p[ALL + 1] = {{.fd = agw_pool_fd(b->pool), .events = POLLIN}};

		through = 0;
		for (unsigned i = 0; i < ALL; i++) {
			s->done[i] = s->done[i] || wic_step(&s->wics[i]);
			through += i < STORM && s->done[i];
			p[i + 1] = (struct pollfd){.fd = s->wics[i].fd, .events = POLLIN};
		}
		if (through < n && poll(p, ALL + 1, 50) > 0 && p[0].revents != 0)
			agw_pool_dispatch(b->pool);
	}
	return through;
}

static void test_a_storm_of_one_address_waits_and_nobody_else_does(void **state)
{
	struct bench *b = *state;
	struct storm *s = calloc(1, sizeof(*s));
	struct agw_pool_load load;
	uint64_t began;

	REQ("DTLS-25");
	assert_non_null(s);
	gather(b, s);
	began = wic_now_ms();
	assert_true(turn(b, s, RATE + 2) >= RATE + 2);
	assert_true(s->done[STORM] || wic_handshake(&s->wics[STORM], WIC_LIMIT_MS));
	assert_int_equal(turn(b, s, STORM), STORM);
	/* four at once, one every 250 ms after: not a moment earlier */
	assert_true(wic_now_ms() - began >= (STORM - RATE) * 1000 / RATE - 20);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], ALL));
	assert_int_equal(b->seen[AGW_EV_DTLS_FAILED], 0);
	/* the lone one, last of all, was not among those that waited */
	assert_in_range(metric_value("agw_dtls_delayed_total{for=\"source\"}"), 1, STORM - RATE);
	assert_int_equal(metric_value("agw_dtls_delayed_total{for=\"running\"}"), 0);
	/* who waited and said hello again has done nothing bad */
	assert_int_equal(metric_value("agw_media_drop_total{reason=\"dtls-bad\"}"), 0);
	agw_pool_load(b->pool, &load);
	assert_int_equal(load.handshakes, 0);
	for (unsigned i = 0; i < ALL; i++)
		wic_close(&s->wics[i]);
	free(s);
}

/* No limit, as many at once as there are. */
static void test_without_a_limit_nobody_waits(void **state)
{
	struct bench *b = *state;
	struct storm *s = calloc(1, sizeof(*s));

	REQ("DTLS-25");
	assert_non_null(s);
	gather(b, s);
	assert_int_equal(turn(b, s, STORM), STORM);
	assert_int_equal(metric_value("agw_dtls_delayed_total{for=\"source\"}"), 0);
	for (unsigned i = 0; i < ALL; i++)
		wic_close(&s->wics[i]);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_storm_of_one_address_waits_and_nobody_else_does,
					    setup_paced, teardown),
	    cmocka_unit_test_setup_teardown(test_without_a_limit_nobody_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
