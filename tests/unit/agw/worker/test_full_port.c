/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full agent's port taken by another process between our giving it up and libnice's bind: the
 * gateway tries another, once. libnice's function is stood before, and takes the port itself.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#include <dlfcn.h>
#include <nice/agent.h>

static unsigned to_take; /* how often yet */
static unsigned asked;
static int taken[4];
static unsigned n_taken;

/* What it will bind to was told by these two. */
static guint port_told;
typedef void range_fn(NiceAgent *, guint, guint, guint, guint);
typedef gboolean gather_fn(NiceAgent *, guint);

static void find_real(void *fn, const char *name)
{
	void *sym = dlsym(RTLD_NEXT, name);

	assert_non_null(sym);
	memcpy(fn, &sym, sizeof(sym)); /* no cast from an object to a function */
}

void nice_agent_set_port_range(NiceAgent *agent, guint stream, guint component, guint min,
			       guint max)
{
	range_fn *real;

	find_real(&real, "nice_agent_set_port_range");
	port_told = min;
	real(agent, stream, component, min, max);
}

gboolean nice_agent_gather_candidates(NiceAgent *agent, guint stream)
{
	struct gw_addr at;
	gather_fn *real;

	find_real(&real, "nice_agent_gather_candidates");
	asked++;
	if (to_take > 0) {
		to_take--;
		assert_int_equal(gw_addr_parse_ip(&at, "127.0.0.1", (uint16_t)port_told), GW_OK);
		assert_int_equal(agw_udp_open(&taken[n_taken++], &at), GW_OK);
	}
	return real(agent, stream);
}

static enum gw_err add_one(struct bench *b, struct agw_stream_local *local, const char **field)
{
	struct agw_stream_params p;

	agw_stream_params_init(&p, 1);
	p.access.ice_full = true;
	(void)snprintf(p.access.realm, AGW_REALM_NAME_MAX, "access");
	(void)snprintf(p.core.realm, AGW_REALM_NAME_MAX, "core");
	return agw_media_add(b->media, &p, 1, local, NULL, field);
}

static uint32_t used(struct bench *b)
{
	struct agw_ports_load access, core;

	assert_true(agw_pool_ports(b->pool, "access", &access));
	assert_true(agw_pool_ports(b->pool, "core", &core));
	return access.used + core.used;
}

static void give_back(void)
{
	while (n_taken > 0)
		(void)close(taken[--n_taken]);
	asked = 0;
}

static void test_a_port_that_is_taken_costs_one_more_try(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	const char *field = NULL;
	guint first;

	REQ("ICE-28", "RTP-03");
	to_take = 1;
	assert_int_equal(add_one(b, &local, &field), GW_OK);
	assert_int_equal(asked, 2);
	assert_int_equal(agw_udp_local(taken[0], &local.core_rtcp), GW_OK);
	first = gw_addr_port(&local.core_rtcp);
	assert_int_not_equal(gw_addr_port(&local.cands[0].addr), first);
	assert_int_equal(used(b), 3);
	release(b);
	give_back();
}

static void test_and_no_more_than_one(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	const char *field = NULL;

	REQ("ICE-28", "IQ-09");
	to_take = 2;
	assert_int_equal(add_one(b, &local, &field), GW_ERR_LIMIT);
	assert_string_equal(field, "access.ports");
	assert_int_equal(asked, 2);
	assert_int_equal(used(b), 0);
	give_back();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_port_that_is_taken_costs_one_more_try),
	    T(test_and_no_more_than_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
