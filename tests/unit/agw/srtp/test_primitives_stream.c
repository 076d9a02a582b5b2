/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream on a real worker with each setting of srtp.primitives, from the configuration's word
 * to packets both ways.
 */
#include "agw/config.h"
#include "agw/srtp/primitives_int.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

/* What a configuration with this line makes of the pool; NULL = nothing set. */
static enum agw_srtp_lib configured(const char *line)
{
	const char *const set[] = {line};
	const struct gw_conf_source src = {.set = set, .n_set = line != NULL ? 1 : 0};
	struct agw_config cfg = {0};
	struct agw_parts_cfg *parts = calloc(1, sizeof(*parts));
	enum agw_srtp_lib lib;
	char why[256] = "";

	assert_non_null(parts);
	if (gw_conf_load(agw_config_keys, agw_config_n_keys, &cfg, &src, why, sizeof(why)) !=
		GW_OK ||
	    agw_config_parts(parts, &cfg, why, sizeof(why)) != GW_OK)
		fail_msg("%s", why);
	lib = parts->pool.srtp_lib;
	gw_conf_free(agw_config_keys, agw_config_n_keys, &cfg);
	free(parts);
	return lib;
}

static void test_the_word_is_openssl_or_stock(void **state)
{
	static const char *const bad[] = {"srtp.primitives=nss"};
	const struct gw_conf_source src = {.set = bad, .n_set = 1};
	struct agw_config cfg = {0};
	char why[256] = "";

	(void)state;
	assert_int_equal(configured(NULL), AGW_SRTP_LIB_OPENSSL);
	assert_int_equal(configured("srtp.primitives=openssl"), AGW_SRTP_LIB_OPENSSL);
	assert_int_equal(configured("srtp.primitives=stock"), AGW_SRTP_LIB_STOCK);
	assert_int_not_equal(
	    gw_conf_load(agw_config_keys, agw_config_n_keys, &cfg, &src, why, sizeof(why)), GW_OK);
	assert_non_null(strstr(why, "srtp.primitives"));
	gw_conf_free(agw_config_keys, agw_config_n_keys, &cfg);
}

static int setup_with(void **state, const char *line)
{
	return bench_start(state,
			   (struct agw_pool_cfg){.n_workers = 1, .srtp_lib = configured(line)});
}

static int setup_default(void **state)
{
	return setup_with(state, NULL);
}

static int setup_stock(void **state)
{
	return setup_with(state, "srtp.primitives=stock");
}

static void call(struct bench *b, const char *profile)
{
	wic_open(&b->wic, "127.0.0.1", true, profile);
	reserve(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 20); /* over the roll-over of the sequence number */
	exchange_rtcp(b);
	release(b);
	wic_close(&b->wic);
}

static void all_are(bool openssl)
{
	for (int id = 0; id < AGW_SRTP_P_COUNT; id++)
		assert_int_equal(agw_srtp_primitive_replaced((enum agw_srtp_primitive_id)id),
				 openssl);
}

static void test_a_stream_on_openssl_by_counter_mode(void **state)
{
	REQ("SRTP-02", "SRTP-08");
	all_are(true);
	call(*state, "SRTP_AES128_CM_SHA1_80");
}

static void test_a_stream_on_openssl_by_gcm(void **state)
{
	REQ("SRTP-01", "SRTP-08");
	all_are(true);
	call(*state, "SRTP_AEAD_AES_128_GCM");
}

static void test_a_stream_on_openssl_by_gcm_256(void **state)
{
	REQ("SRTP-01", "SRTP-08");
	all_are(true);
	call(*state, "SRTP_AEAD_AES_256_GCM");
}

static void test_a_stream_on_stock_by_counter_mode(void **state)
{
	REQ("SRTP-02", "SRTP-08");
	all_are(false);
	call(*state, "SRTP_AES128_CM_SHA1_80");
}

static void test_a_stream_on_stock_by_gcm(void **state)
{
	REQ("SRTP-01", "SRTP-08");
	all_are(false);
	call(*state, "SRTP_AEAD_AES_128_GCM");
}

#define OPENSSL(f) cmocka_unit_test_setup_teardown(f, setup_default, teardown)
#define STOCK(f)   cmocka_unit_test_setup_teardown(f, setup_stock, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_word_is_openssl_or_stock),
	    OPENSSL(test_a_stream_on_openssl_by_counter_mode),
	    OPENSSL(test_a_stream_on_openssl_by_gcm),
	    OPENSSL(test_a_stream_on_openssl_by_gcm_256),
	    STOCK(test_a_stream_on_stock_by_counter_mode),
	    STOCK(test_a_stream_on_stock_by_gcm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
