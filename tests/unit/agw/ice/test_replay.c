/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of transactions: old ones are known, and fresh ones are not taken for them. */
#include "agw/ice/replay.h"
#include "common/rand.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define CALL  4000U /* checks of nearly three hours of a browser */
#define FRESH 20000U

static uint8_t ids[CALL][12];

static void fill(struct agw_ice_replay *r, bool counts)
{
	memset(r, 0, sizeof(*r));
	for (uint32_t i = 0; i < CALL; i++) {
		if (counts)
			memcpy(ids[i], &(uint32_t[3]){7, i, 9}, sizeof(ids[i]));
		else
			gw_rand_bytes(ids[i], sizeof(ids[i]));
		agw_ice_replay_add(r, ids[i]);
	}
}

static void test_the_last_checks_are_known(void **state)
{
	struct agw_ice_replay r;

	(void)state;
	REQ("ICE-16");
	for (int counts = 0; counts < 2; counts++) {
		fill(&r, counts != 0);
		for (unsigned i = CALL - AGW_REPLAY_KEPT; i < CALL; i++)
			assert_true(agw_ice_replay_seen(&r, ids[i]));
		/* one that is added again puts none of them out */
		agw_ice_replay_add(&r, ids[CALL - 1]);
		assert_true(agw_ice_replay_seen(&r, ids[CALL - AGW_REPLAY_KEPT]));
	}
}

static void test_a_fresh_check_is_not_taken_for_an_old_one(void **state)
{
	struct agw_ice_replay r;
	unsigned wrong = 0;

	(void)state;
	REQ("ICE-15", "ICE-17");
	for (int counts = 0; counts < 2; counts++) {
		fill(&r, counts != 0);
		for (uint32_t i = 0; i < FRESH; i++) {
			uint8_t id[12];

			gw_rand_bytes(id, sizeof(id));
			if (counts)
				memcpy(id, &(uint32_t[3]){7, CALL + i, 9}, sizeof(id));
			wrong += agw_ice_replay_seen(&r, id);
		}
	}
	assert_in_range(wrong, 0, 1); /* 0.004 are to be expected */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_last_checks_are_known),
	    cmocka_unit_test(test_a_fresh_check_is_not_taken_for_an_old_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
