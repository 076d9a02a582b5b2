/* SPDX-License-Identifier: Apache-2.0 */
/* Handles of dead objects must never find a living one. */
#include "common/handle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_stale_handle_does_not_find_the_new_object_in_its_slot(void **state)
{
	struct gw_handle_table *t;
	int a = 1;
	int b = 2;
	gw_handle ha;
	gw_handle hb;

	(void)state;
	assert_int_equal(gw_handle_table_new(&t, 4), GW_OK);
	assert_int_equal(gw_handle_add(t, &a, &ha), GW_OK);
	gw_handle_del(t, ha);
	assert_int_equal(gw_handle_add(t, &b, &hb), GW_OK);
	assert_null(gw_handle_find(t, ha));
	assert_ptr_equal(gw_handle_find(t, hb), &b);
	gw_handle_del(t, ha); /* a stale delete must not hit b */
	assert_ptr_equal(gw_handle_find(t, hb), &b);
	assert_null(gw_handle_find(t, GW_HANDLE_NONE));
	gw_handle_table_free(t);
}

static void test_table_refuses_one_more_than_its_limit(void **state)
{
	struct gw_handle_table *t;
	int objects[201];
	gw_handle h[201];
	uint32_t cursor = 0;
	unsigned seen = 0;

	(void)state;
	assert_int_equal(gw_handle_table_new(&t, 200), GW_OK);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(gw_handle_add(t, &objects[i], &h[i]), GW_OK);
	assert_int_equal(gw_handle_add(t, &objects[200], &h[200]), GW_ERR_LIMIT);
	while (gw_handle_next(t, &cursor) != NULL)
		seen++;
	assert_int_equal(seen, 200);
	for (unsigned i = 0; i < 200; i++)
		gw_handle_del(t, h[i]);
	assert_int_equal(gw_handle_count(t), 0);
	gw_handle_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stale_handle_does_not_find_the_new_object_in_its_slot),
	    cmocka_unit_test(test_table_refuses_one_more_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
