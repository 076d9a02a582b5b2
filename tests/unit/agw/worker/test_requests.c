/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control thread asks of the workers: all or nothing, limits, full rings, the end.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/call.h"

static void test_a_reservation_that_fails_leaves_nothing(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params p[3];
	struct agw_stream_local locals[3];
	struct agw_ports_load ports;
	struct agw_pool_load load;
	const char *field = NULL;

	REQ("RTP-21");
	reserve(b);
	for (unsigned i = 0; i < 3; i++) {
		p[i] = b->params;
		p[i].id = 10 + i;
	}
	(void)snprintf(p[2].core.realm, AGW_REALM_NAME_MAX, "moon");
	assert_int_equal(agw_media_add(b->media, p, 3, locals, NULL, &field), GW_ERR_NOT_FOUND);
	assert_string_equal(field, "core.realm");
	p[2] = p[0];
	assert_int_equal(agw_media_add(b->media, p, 3, locals, NULL, &field), GW_ERR_EXISTS);
	p[2].id = 1;
	assert_int_equal(agw_media_add(b->media, p, 3, locals, NULL, &field), GW_ERR_EXISTS);
	assert_string_equal(field, "stream_id");
	p[2].id = 12;
	p[2].core.family = AGW_FAMILY_V6;
	assert_int_equal(agw_media_add(b->media, p, 3, locals, NULL, &field), GW_ERR_UNSUPPORTED);
	assert_string_equal(field, "core.family");
	assert_true(agw_pool_ports(b->pool, "access", &ports));
	assert_int_equal(ports.used + ports.resting, shared_ports > 0 ? 0 : 1);
	assert_true(agw_pool_ports(b->pool, "core", &ports));
	assert_int_equal(ports.used + ports.resting, 2);
	agw_pool_load(b->pool, &load);
	assert_int_equal(load.streams, 1);
	assert_int_equal(agw_media_count(b->media), 1);
}

static void test_ports_run_out_with_a_named_error_and_come_back(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	const char *field = NULL;
	unsigned count;
	enum gw_err err;
	uint32_t n = 1;

	REQ("RTP-21");
	reserve(b);
	do {
		b->params.id = ++n;
		err = agw_media_add(b->media, &b->params, 1, &local, NULL, &field);
	} while (err == GW_OK);
	assert_int_equal(err, GW_ERR_LIMIT);
	assert_string_equal(field, "core.ports");
	/* A hundred ports in pairs, less those other programs of the machine hold just now. */
	count = (unsigned)agw_media_count(b->media);
	assert_in_range(count, 40, 50);
	agw_media_free(b->media);
	assert_true(await(b, &b->released, count));
}

static void test_a_change_of_several_streams_is_all_or_nothing(void **state)
{
	struct bench *b = *state;
	struct agw_stream_change ch[2];
	const char *field = NULL;

	REQ("RTP-06");
	reserve(b);
	memset(ch, 0, sizeof(ch));
	ch[0].params = ch[1].params = b->params;
	ch[0].params.gate_up = true;
	ch[1].params.id = 99;
	assert_int_equal(agw_media_apply(b->media, ch, 2, NULL, NULL, &field), GW_ERR_NOT_FOUND);
	assert_string_equal(field, "stream_id");
	assert_false(agw_media_params(b->media, 1)->gate_up);
	ch[1].params.id = 1;
	ch[1].params.core.family = AGW_FAMILY_V6;
	assert_int_equal(agw_media_apply(b->media, ch, 2, NULL, NULL, &field), GW_ERR_UNSUPPORTED);
	assert_string_equal(field, "core.family");
	ch[1].params = b->params;
	ch[1].params.core.active = 3; /* no such branch */
	assert_int_equal(agw_media_apply(b->media, ch, 2, NULL, NULL, &field), GW_ERR_INVAL);
	assert_false(agw_media_params(b->media, 1)->gate_up);
	assert_int_equal(agw_media_apply(b->media, ch, 1, NULL, NULL, &field), GW_OK);
	assert_true(agw_media_params(b->media, 1)->gate_up);
}

static void test_a_contexts_streams_share_a_worker_contexts_spread(void **state)
{
	struct bench *b = *state; /* two workers */
	struct agw_media *second;
	struct agw_stream_params p;
	struct agw_stream_local mine;
	struct agw_stream_local other;

	REQ("RTP-25");
	reserve(b);
	p = b->params;
	p.id = 2;
	assert_int_equal(agw_media_add(b->media, &p, 1, &mine, NULL, NULL), GW_OK);
	assert_int_equal(mine.worker, b->local.worker);
	assert_int_equal(agw_media_new(&second, b->pool, OWNER, "ctx=other"), GW_OK);
	assert_int_equal(agw_media_add(second, &p, 1, &other, NULL, NULL), GW_OK);
	assert_int_not_equal(other.worker, b->local.worker);
}

static int setup_tiny_rings(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1, .ring_slots = 2});
}

static void test_full_rings_refuse_requests_and_lose_no_acknowledgement(void **state)
{
	struct bench *b = *state;
	struct agw_stream_change ch = {.ice_restart = false};
	unsigned accepted = 1;
	unsigned refused = 0;

	REQ("RTP-25");
	reserve(b);
	ch.params = b->params;
	/* Nobody reads the reports meanwhile, so that ring is full too. */
	for (int i = 0; i < 20000 || refused == 0; i++) {
		enum gw_err err = agw_media_apply(b->media, &ch, 1, NULL, NULL, NULL);

		ch.params.gate_up = !ch.params.gate_up;
		assert_true(err == GW_OK || err == GW_ERR_BUSY);
		accepted += err == GW_OK;
		refused += err == GW_ERR_BUSY;
	}
	/* A release is never refused. on_applied checks that no number is left out. */
	agw_media_free(b->media);
	assert_true(await(b, &b->released, 1));
	assert_true(accepted > 1 && b->applied <= accepted);
}

static void test_the_pool_ends_with_calls_in_every_state(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params p;
	struct agw_stream_local local;

	REQ("DTLS-23");
	connect_call(b);
	exchange_rtp(b, 1);
	p = b->params;
	p.id = 2;
	assert_int_equal(agw_media_add(b->media, &p, 1, &local, NULL, NULL), GW_OK);
	p.id = 3;
	assert_int_equal(agw_media_add(b->media, &p, 1, &local, NULL, NULL), GW_OK);
	agw_media_del(b->media, &p.id, 1);
	wic_close(&b->wic);
	/* The teardown ends the pool; sanitizers tell what was forgotten. */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_reservation_that_fails_leaves_nothing),
	    T(test_ports_run_out_with_a_named_error_and_come_back),
	    T(test_a_contexts_streams_share_a_worker_contexts_spread),
	    T(test_a_change_of_several_streams_is_all_or_nothing),
	    cmocka_unit_test_setup_teardown(
		test_full_rings_refuse_requests_and_lose_no_acknowledgement, setup_tiny_rings,
		teardown),
	    T(test_the_pool_ends_with_calls_in_every_state),
	};

	core_ports = 100; /* so that they are the first to run out */
	return RUN_BOTH_WAYS(tests);
}
