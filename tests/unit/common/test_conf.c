/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: sources, precedence, limits, and error texts that name line and key. */
#include "common/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct waf {
	char *issuer;
	int64_t ttl;
	struct gw_conf_list origins;
};

struct cfg {
	struct gw_conf_maps wafs;
	char *listen;
	int64_t max;
	int64_t timeout;
	bool origin;
	int mode;
	struct gw_conf_list peers;
	struct gw_conf_range ports;
};

static const char *const modes[] = {"lite", "full", NULL};
/* clang-format off */
static const struct gw_conf_key waf_keys[] = {
	{.name = "issuer", .type = GW_CONF_STR, .offset = offsetof(struct waf, issuer), .required = true, .help = "h"},
	{.name = "jwks.ttl", .type = GW_CONF_DURATION, .offset = offsetof(struct waf, ttl), .def = "60s", .help = "h"},
	{.name = "origins", .type = GW_CONF_STR_LIST, .offset = offsetof(struct waf, origins), .help = "h"},
};
static const struct gw_conf_map waf_map = {waf_keys, 3, sizeof(struct waf)};
static const struct gw_conf_key keys[] = {
	{.name = "ws.listen", .type = GW_CONF_STR, .offset = offsetof(struct cfg, listen), .def = ":8443", .help = "h"},
	{.name = "ws.max", .type = GW_CONF_INT, .offset = offsetof(struct cfg, max), .def = "5", .min = 1, .max = 9, .help = "h"},
	{.name = "ws.tls.timeout", .type = GW_CONF_DURATION, .offset = offsetof(struct cfg, timeout), .def = "10s", .help = "h"},
	{.name = "ws.origin", .type = GW_CONF_BOOL, .offset = offsetof(struct cfg, origin), .def = "true", .help = "h"},
	{.name = "ice.mode", .type = GW_CONF_ENUM, .offset = offsetof(struct cfg, mode), .def = "lite", .choices = modes, .help = "h"},
	{.name = "mw.peers", .type = GW_CONF_STR_LIST, .offset = offsetof(struct cfg, peers), .required = true, .help = "h"},
	{.name = "core.ports", .type = GW_CONF_RANGE, .offset = offsetof(struct cfg, ports), .def = "20000-29999", .min = 1, .max = 65535, .help = "h"},
	{.name = "token.wafs", .type = GW_CONF_MAPS, .offset = offsetof(struct cfg, wafs), .help = "h", .map = &waf_map},
};
/* clang-format on */
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static char path[64];
static char error[256];

static enum gw_err load(struct cfg *c, const char *yaml, const char *set)
{
	struct gw_conf_source src = {.file = path, .set = &set, .n_set = set != NULL ? 1 : 0};
	int fd;

	memset(c, 0, sizeof(*c));
	(void)strcpy(path, "/tmp/wicgate-conf-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
	(void)close(fd);
	error[0] = '\0';
	src.use_env = true;
	enum gw_err err = gw_conf_load(keys, N_KEYS, c, &src, error, sizeof(error));
	(void)unlink(path);
	return err;
}

static void test_file_environment_and_set_override_in_that_order(void **state)
{
	struct cfg c;

	(void)state;
	(void)setenv("WICGATE_WS_MAX", "7", 1);
	assert_int_equal(load(&c,
			      "ws:\n  listen: 127.0.0.1:1\n  max: 6\n  tls:\n    timeout: 500ms\n"
			      "ice:\n  mode: full\nmw:\n  peers: [10.0.0.0/8, \"::1\"]\n",
			      "ws.origin=no"),
			 GW_OK);
	(void)unsetenv("WICGATE_WS_MAX");
	assert_string_equal(c.listen, "127.0.0.1:1");
	assert_int_equal(c.max, 7);
	assert_int_equal(c.timeout, 500);
	assert_int_equal(c.mode, 1);
	assert_false(c.origin);
	assert_int_equal(c.peers.n, 2);
	assert_string_equal(c.peers.item[1], "::1");
	assert_int_equal(c.ports.last, 29999);
	gw_conf_free(keys, N_KEYS, &c);
}

static void test_every_mistake_is_refused_with_line_and_key(void **state)
{
	static const struct {
		const char *yaml;
		enum gw_err err;
		const char *says;
	} bad[] = {
	    {"ws:\n  listen: x\n  nope: 1\n", GW_ERR_NOT_FOUND, ":3: unknown key \"ws.nope\""},
	    {"ws:\n  max: 10\nmw: {peers: a}\n", GW_ERR_LIMIT, ":2: ws.max: out of range"},
	    {"ws:\n  max: abc\n", GW_ERR_PARSE, ":2: ws.max: not a number"},
	    {"ws:\n  origin: maybe\n", GW_ERR_PARSE, "true or false"},
	    {"ws:\n  listen: [a]\n", GW_ERR_PARSE, "a list is not allowed"},
	    {"ws:\n  listen: {a: b}\n", GW_ERR_PARSE, "a value is expected"},
	    {"ice:\n  mode: half\n", GW_ERR_PARSE, "not one of"},
	    {"core:\n  ports: 9-8\n", GW_ERR_PARSE, "FIRST-LAST"},
	    {"core:\n  ports: 1-70000\n", GW_ERR_LIMIT, "out of range"},
	    {"ws: [\n", GW_ERR_PARSE, ":"},
	    {"- a\n", GW_ERR_PARSE, "keys and values"},
	    {"ws:\n  max: 6\n", GW_ERR_INVAL, "mw.peers is required"},
	    {"mw: {peers: a}\ntoken:\n  wafs:\n    - issuer: a\n      nope: 1\n", GW_ERR_NOT_FOUND,
	     ":5: unknown key \"token.wafs.0.nope\""},
	    {"mw: {peers: a}\ntoken:\n  wafs:\n    - issuer: a\n    - issuer: b\n"
	     "      jwks: {ttl: x}\n",
	     GW_ERR_PARSE, ":6: token.wafs.1.jwks.ttl: not a number"},
	    {"mw: {peers: a}\ntoken:\n  wafs: [x]\n", GW_ERR_PARSE,
	     ":3: token.wafs: items must be keys and values"},
	    {"mw: {peers: a}\ntoken:\n  wafs: x\n", GW_ERR_PARSE,
	     ":3: token.wafs: name the number"},
	    {"mw: {peers: a}\ntoken:\n  wafs:\n    - jwks: {ttl: 1}\n", GW_ERR_INVAL,
	     "token.wafs.0.issuer is required"},
	    {"mw: {peers: a}\ntoken: {wafs: [{issuer: [a]}]}\n", GW_ERR_PARSE,
	     ":2: token.wafs.0.issuer: a list is not allowed"},
	};
	struct cfg c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(load(&c, bad[i].yaml, NULL), bad[i].err);
		if (strstr(error, bad[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", error, bad[i].says);
		gw_conf_free(keys, N_KEYS, &c);
	}
	assert_int_equal(load(&c, "mw: {peers: a}\n", "no.key=1"), GW_ERR_NOT_FOUND);
	gw_conf_free(keys, N_KEYS, &c);
	assert_int_equal(load(&c, "mw: {peers: a}\n", "token.wafs.1.issuer=a"), GW_ERR_NOT_FOUND);
	assert_non_null(strstr(error, "there is no item 0"));
	gw_conf_free(keys, N_KEYS, &c);
	assert_int_equal(load(&c, "mw: {peers: a}\n", "token.wafs.0.nope=a"), GW_ERR_NOT_FOUND);
	assert_non_null(strstr(error, "unknown key \"token.wafs.0.nope\""));
	gw_conf_free(keys, N_KEYS, &c);
	assert_int_equal(load(&c, "mw: {peers: a}\n", "token.wafs.0.jwks.ttl=x"), GW_ERR_PARSE);
	gw_conf_free(keys, N_KEYS, &c);
}

static void test_a_list_of_maps_comes_from_file_environment_and_set(void **state)
{
	const struct waf *w;
	struct cfg c;

	(void)state;
	(void)setenv("WICGATE_TOKEN_WAFS_1_ORIGINS", "o1, o2", 1);
	assert_int_equal(load(&c,
			      "mw: {peers: a}\ntoken:\n  wafs:\n"
			      "    - issuer: https://a\n      jwks: {ttl: 5s}\n"
			      "    - {issuer: https://b, origins: [x]}\n",
			      "token.wafs.2.issuer=https://c"),
			 GW_OK);
	(void)unsetenv("WICGATE_TOKEN_WAFS_1_ORIGINS");
	assert_int_equal(c.wafs.n, 3);
	w = c.wafs.item;
	assert_string_equal(w[0].issuer, "https://a");
	assert_int_equal(w[0].ttl, 5000);
	assert_string_equal(w[1].issuer, "https://b");
	assert_int_equal(w[1].ttl, 60000);
	assert_int_equal(w[1].origins.n, 2);
	assert_string_equal(w[1].origins.item[1], "o2");
	assert_string_equal(w[2].issuer, "https://c");
	assert_int_equal(w[2].origins.n, 0);
	gw_conf_free(keys, N_KEYS, &c);
	assert_null(c.wafs.item);
}

static void test_a_list_of_maps_is_bounded(void **state)
{
	char yaml[4096] = "mw: {peers: a}\ntoken:\n  wafs:\n";
	struct cfg c;

	(void)state;
	for (unsigned i = 0; i < GW_CONF_MAX_MAPS; i++)
		(void)strcat(yaml, "    - {issuer: a}\n");
	assert_int_equal(load(&c, yaml, NULL), GW_OK);
	assert_int_equal(c.wafs.n, GW_CONF_MAX_MAPS);
	gw_conf_free(keys, N_KEYS, &c);
	(void)strcat(yaml, "    - {issuer: a}\n");
	assert_int_equal(load(&c, yaml, NULL), GW_ERR_LIMIT);
	assert_non_null(strstr(error, "too many items"));
	gw_conf_free(keys, N_KEYS, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_file_environment_and_set_override_in_that_order),
	    cmocka_unit_test(test_every_mistake_is_refused_with_line_and_key),
	    cmocka_unit_test(test_a_list_of_maps_comes_from_file_environment_and_set),
	    cmocka_unit_test(test_a_list_of_maps_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
