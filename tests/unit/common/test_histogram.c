/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms: every bucket, its edges, and the exposition to the letter. */
#include "common/histogram.h"
#include "common/metric.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t bounds[] = {500, 1000, 2500000, UINT32_MAX};

static char *text_of(void)
{
	char *text = gw_metric_text();

	assert_non_null(text);
	return text;
}

static void test_exposition(void **state)
{
	static struct gw_histogram h = GW_HISTOGRAM("x_seconds", "How long x took", bounds);
	static struct gw_metric m[] = {{.name = "a_total", .help = "As"}};
	static const int64_t us[] = {-1,      0,       500,        501,
				     1000,    1001,    2500000,    2500001,
				     1000000, 1000000, UINT32_MAX, (int64_t)UINT32_MAX + 1};
	char *text;

	(void)state;
	gw_metric_register(m, 1);
	gw_histogram_register(&h);
	gw_histogram_register(&h); /* once is enough */
	text = text_of();
	assert_string_equal(text, "# HELP a_total As\n# TYPE a_total counter\na_total 0\n"
				  "# HELP x_seconds How long x took\n# TYPE x_seconds histogram\n"
				  "x_seconds_bucket{le=\"0.0005\"} 0\n"
				  "x_seconds_bucket{le=\"0.001\"} 0\n"
				  "x_seconds_bucket{le=\"2.5\"} 0\n"
				  "x_seconds_bucket{le=\"4294.967295\"} 0\n"
				  "x_seconds_bucket{le=\"+Inf\"} 0\n"
				  "x_seconds_sum 0\nx_seconds_count 0\n");
	free(text);
	for (size_t i = 0; i < sizeof(us) / sizeof(us[0]); i++)
		gw_histogram_observe_us(&h, us[i]);
	text = text_of();
	assert_non_null(strstr(text, "x_seconds_bucket{le=\"0.0005\"} 3\n"
				     "x_seconds_bucket{le=\"0.001\"} 5\n"
				     "x_seconds_bucket{le=\"2.5\"} 9\n"
				     "x_seconds_bucket{le=\"4294.967295\"} 11\n"
				     "x_seconds_bucket{le=\"+Inf\"} 12\n"
				     "x_seconds_sum 8596.937594\nx_seconds_count 12\n"));
	free(text);
	gw_histogram_unregister(&h);
	gw_metric_unregister(m);
	text = text_of();
	assert_string_equal(text, "");
	free(text);
}

static void test_registered_and_taken_out_in_any_order(void **state)
{
	static struct gw_histogram h[3] = {GW_HISTOGRAM("a_seconds", "A", bounds),
					   GW_HISTOGRAM("b_seconds", "B", bounds),
					   GW_HISTOGRAM("c_seconds", "C", bounds)};
	char *text;

	(void)state;
	for (int i = 0; i < 3; i++)
		gw_histogram_register(&h[i]);
	gw_histogram_unregister(&h[1]);
	gw_histogram_unregister(&h[1]); /* it is out */
	text = text_of();
	assert_non_null(strstr(text, "a_seconds_count"));
	assert_null(strstr(text, "b_seconds"));
	assert_non_null(strstr(text, "c_seconds_count"));
	free(text);
	gw_histogram_unregister(&h[0]);
	gw_histogram_unregister(&h[2]);
	text = text_of();
	assert_string_equal(text, "");
	free(text);
}

#define THREADS 4
#define EACH    20000
static struct gw_histogram shared = GW_HISTOGRAM("s_seconds", "S", bounds);

static void *observe_many(void *arg)
{
	for (int i = 0; i < EACH; i++)
		gw_histogram_observe_us(&shared, 1 + (i & 1) * 700);
	return arg;
}

static void test_no_observation_is_lost_among_threads(void **state)
{
	pthread_t thread[THREADS];
	char *text;

	(void)state;
	gw_histogram_register(&shared);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, observe_many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	text = text_of();
	assert_non_null(strstr(text, "s_seconds_bucket{le=\"0.0005\"} 40000\n"
				     "s_seconds_bucket{le=\"0.001\"} 80000\n"));
	assert_non_null(strstr(text, "s_seconds_sum 28.08\ns_seconds_count 80000\n"));
	free(text);
	gw_histogram_unregister(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exposition),
	    cmocka_unit_test(test_registered_and_taken_out_in_any_order),
	    cmocka_unit_test(test_no_observation_is_lost_among_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
