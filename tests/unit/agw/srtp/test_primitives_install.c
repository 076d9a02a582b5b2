/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting primitives in place: all of OpenSSL's are accepted, or none is asked for, or one is
 * broken: then libsrtp2's own goes on serving, which the log and the metrics tell.
 */
#include "agw/srtp/primitives_int.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/rand.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static const uint16_t profiles[] = {AGW_SRTP_AES128_CM_SHA1_80, AGW_SRTP_AEAD_AES_128_GCM,
				    AGW_SRTP_AEAD_AES_256_GCM};

/* A packet each way in every profile. */
static void sessions_work(void)
{
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		struct agw_srtp_keys keys[2] = {{.profile = profiles[i]}, {.profile = profiles[i]}};
		struct agw_srtp_sess *s[2] = {NULL, NULL};
		_Alignas(8) uint8_t buf[400] = {0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7};
		uint8_t plain[172];

		gw_rand_bytes(keys[0].send, AGW_SRTP_MASTER_MAX);
		gw_rand_bytes(keys[0].recv, AGW_SRTP_MASTER_MAX);
		memcpy(keys[1].send, keys[0].recv, AGW_SRTP_MASTER_MAX);
		memcpy(keys[1].recv, keys[0].send, AGW_SRTP_MASTER_MAX);
		gw_rand_bytes(buf + 12, 160);
		memcpy(plain, buf, sizeof(plain));
		for (int k = 0; k < 2; k++)
			assert_int_equal(agw_srtp_sess_new(&s[k], &keys[k], 128), GW_OK);
		for (int k = 0; k < 2; k++) {
			size_t len = sizeof(plain);

			assert_int_equal(agw_srtp_protect(s[k], buf, &len), GW_OK);
			assert_memory_not_equal(buf + 12, plain + 12, 160);
			assert_int_equal(agw_srtp_unprotect(s[1 - k], buf, &len), GW_OK);
			assert_int_equal(len, sizeof(plain));
			assert_memory_equal(buf, plain, sizeof(plain));
		}
		for (int k = 0; k < 2; k++)
			agw_srtp_sess_free(s[k]);
	}
}

/* ---- the log, kept in a file ----------------------------------------------------------------- */

static int log_fd = -1;

static int setup(void **state)
{
	(void)state;
	log_fd = memfd_create("log", 0);
	assert_true(log_fd >= 0);
	gw_log_set_fd(log_fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_log_set_fd(STDERR_FILENO);
	(void)close(log_fd);
	return 0;
}

/* Was there a line with these words? */
static bool logged(const char *level, const char *event, const char *fact)
{
	char *text = calloc(1, 65536);
	char *save = NULL;
	bool found = false;

	assert_non_null(text);
	assert_true(pread(log_fd, text, 65535, 0) >= 0);
	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
		if (strstr(l, level) != NULL && strstr(l, event) != NULL && strstr(l, fact) != NULL)
			found = true;
	free(text);
	return found;
}

static bool exposed(const char *line)
{
	char *text = gw_metric_text();
	bool found;

	assert_non_null(text);
	found = strstr(text, line) != NULL;
	free(text);
	return found;
}

/* ---- all and none ---------------------------------------------------------------------------- */

static void test_openssl_serves_by_default(void **state)
{
	REQ("SRTP-02");
	(void)state;
	assert_int_equal(agw_srtp_init(), GW_OK);
	for (int id = 0; id < AGW_SRTP_P_COUNT; id++) {
		assert_true(agw_srtp_primitive_replaced((enum agw_srtp_primitive_id)id));
		assert_int_equal(agw_srtp_primitive_refusals((enum agw_srtp_primitive_id)id), 0);
	}
	assert_true(logged("level=info", "event=srtp.primitives",
			   "aes-icm-128=openssl aes-icm-192=openssl aes-icm-256=openssl "
			   "aes-gcm-128=openssl aes-gcm-256=openssl hmac-sha1=openssl"));
	assert_true(exposed("agw_srtp_primitive_openssl{primitive=\"aes-gcm-128\"} 1"));
	assert_true(exposed("agw_srtp_primitive_refused_total{primitive=\"hmac-sha1\"} 0"));
	sessions_work();
	agw_srtp_shutdown();
	assert_false(exposed("agw_srtp_primitive"));
}

static void test_stock_leaves_libsrtps_own(void **state)
{
	(void)state;
	assert_int_equal(agw_srtp_init_with(AGW_SRTP_LIB_STOCK), GW_OK);
	for (int id = 0; id < AGW_SRTP_P_COUNT; id++)
		assert_false(agw_srtp_primitive_replaced((enum agw_srtp_primitive_id)id));
	assert_true(logged("level=info", "event=srtp.primitives",
			   "aes-icm-128=stock aes-icm-192=stock aes-icm-256=stock "
			   "aes-gcm-128=stock aes-gcm-256=stock hmac-sha1=stock"));
	assert_true(exposed("agw_srtp_primitive_openssl{primitive=\"aes-gcm-128\"} 0"));
	sessions_work();
	agw_srtp_shutdown();
}

static void test_the_first_to_start_chooses_and_the_last_to_end_lets_go(void **state)
{
	(void)state;
	assert_int_equal(agw_srtp_init_with(AGW_SRTP_LIB_STOCK), GW_OK);
	assert_int_equal(agw_srtp_init_with(AGW_SRTP_LIB_OPENSSL), GW_OK);
	assert_false(agw_srtp_primitive_replaced(AGW_SRTP_P_HMAC_SHA1));
	agw_srtp_shutdown();
	sessions_work();
	agw_srtp_shutdown();
	assert_int_equal(agw_srtp_init_with(AGW_SRTP_LIB_OPENSSL), GW_OK);
	assert_true(agw_srtp_primitive_replaced(AGW_SRTP_P_HMAC_SHA1));
	sessions_work();
	agw_srtp_shutdown();
}

/* ---- broken ones ----------------------------------------------------------------------------- */

/* Start with one primitive exchanged for a broken one. */
static void start_with(enum agw_srtp_primitive_id id, const struct agw_srtp_primitive *broken)
{
	static struct agw_srtp_primitive list[AGW_SRTP_P_COUNT];

	memcpy(list, agw_srtp_openssl, sizeof(list));
	list[id].cipher = broken->cipher;
	list[id].auth = broken->auth;
	assert_int_equal(srtp_init(), srtp_err_status_ok);
	agw_srtp_primitives_start(list);
}

static void is_refused(enum agw_srtp_primitive_id id, const struct agw_srtp_primitive *broken)
{
	const uint64_t before = agw_srtp_primitive_refusals(id);
	char fact[64];
	char line[96];

	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
	start_with(id, broken);
	for (int i = 0; i < AGW_SRTP_P_COUNT; i++)
		assert_int_equal(agw_srtp_primitive_replaced((enum agw_srtp_primitive_id)i),
				 i != (int)id);
	assert_int_equal(agw_srtp_primitive_refusals(id), before + 1);
	(void)snprintf(fact, sizeof(fact), "primitive=%s ", agw_srtp_openssl[id].name);
	assert_true(logged("level=error", "event=srtp.primitive-refused", fact));
	(void)snprintf(fact, sizeof(fact), "%s=stock", agw_srtp_openssl[id].name);
	assert_true(logged("level=info", "event=srtp.primitives", fact));
	(void)snprintf(line, sizeof(line), "agw_srtp_primitive_openssl{primitive=\"%s\"} 0",
		       agw_srtp_openssl[id].name);
	assert_true(exposed(line));
	sessions_work();
	assert_int_equal(srtp_shutdown(), srtp_err_status_ok);
	agw_srtp_primitives_stop();
}

static void test_a_wrong_answer_is_refused_and_stock_serves(void **state)
{
	static srtp_cipher_test_case_t cipher_case;
	static srtp_cipher_type_t cipher;
	static srtp_auth_test_case_t auth_case;
	static srtp_auth_type_t auth;
	uint8_t wrong[64];

	(void)state;
	for (int i = 0; i < AGW_SRTP_P_COUNT; i++) {
		const enum agw_srtp_primitive_id id = (enum agw_srtp_primitive_id)i;
		struct agw_srtp_primitive broken = agw_srtp_openssl[id];

		if (broken.cipher != NULL) {
			cipher_case = *broken.cipher->test_data;
			memcpy(wrong, cipher_case.ciphertext, cipher_case.ciphertext_length_octets);
			wrong[cipher_case.ciphertext_length_octets - 1] ^= 1;
			cipher_case.ciphertext = wrong;
			cipher = *broken.cipher;
			cipher.test_data = &cipher_case;
			broken.cipher = &cipher;
		} else {
			auth_case = *broken.auth->test_data;
			memcpy(wrong, auth_case.tag, (size_t)auth_case.tag_length_octets);
			wrong[auth_case.tag_length_octets - 1] ^= 1;
			auth_case.tag = wrong;
			auth = *broken.auth;
			auth.test_data = &auth_case;
			broken.auth = &auth;
		}
		is_refused(id, &broken);
	}
}

static void test_one_without_known_answers_is_refused(void **state)
{
	static srtp_cipher_type_t cipher;
	struct agw_srtp_primitive broken = {.cipher = &cipher};

	(void)state;
	cipher = agw_srtp_aes_gcm_128;
	cipher.test_data = NULL;
	is_refused(AGW_SRTP_P_AES_GCM_128, &broken);
}

static srtp_err_status_t no_memory(srtp_cipher_t **out, int key_len, int tag_len)
{
	(void)out;
	(void)key_len;
	(void)tag_len;
	return srtp_err_status_alloc_fail;
}

static void test_one_that_cannot_be_made_is_refused(void **state)
{
	static srtp_cipher_type_t cipher;
	struct agw_srtp_primitive broken = {.cipher = &cipher};

	(void)state;
	cipher = agw_srtp_aes_icm_128; /* the key derivation of all profiles runs on it */
	cipher.alloc = no_memory;
	is_refused(AGW_SRTP_P_AES_ICM_128, &broken);
}

/* Right on its own known answer, wrong beyond: the known answers of the stock type find it. */
static srtp_err_status_t forgetful_compute(void *state, const uint8_t *data, int n, int tag_len,
					   uint8_t *tag)
{
	return agw_srtp_hmac_sha1.compute(state, data, n > 20 ? 0 : n, tag_len, tag);
}

static srtp_auth_type_t forgetful;

static srtp_err_status_t forgetful_alloc(srtp_auth_t **out, int key_len, int tag_len)
{
	srtp_err_status_t st = agw_srtp_hmac_sha1.alloc(out, key_len, tag_len);

	if (st == srtp_err_status_ok)
		(*out)->type = &forgetful;
	return st;
}

static void test_one_that_fails_a_later_known_answer_is_refused(void **state)
{
	struct agw_srtp_primitive broken = {.auth = &forgetful};

	(void)state;
	forgetful = agw_srtp_hmac_sha1;
	forgetful.alloc = forgetful_alloc;
	forgetful.compute = forgetful_compute;
	is_refused(AGW_SRTP_P_HMAC_SHA1, &broken);
}

/* OpenSSL may be configured without a cipher: none is looked up, so none can be made. */
static void test_ciphers_that_openssl_lacks_are_not_made(void **state)
{
	srtp_cipher_t *c = NULL;

	(void)state;
	agw_srtp_aes_icm_drop();
	agw_srtp_aes_gcm_drop();
	assert_int_equal(agw_srtp_aes_icm_128.alloc(&c, 30, 0), srtp_err_status_init_fail);
	assert_int_equal(agw_srtp_aes_gcm_128.alloc(&c, 28, 16), srtp_err_status_init_fail);
	assert_null(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_openssl_serves_by_default),
	    T(test_stock_leaves_libsrtps_own),
	    T(test_the_first_to_start_chooses_and_the_last_to_end_lets_go),
	    T(test_a_wrong_answer_is_refused_and_stock_serves),
	    T(test_one_without_known_answers_is_refused),
	    T(test_one_that_cannot_be_made_is_refused),
	    T(test_one_that_fails_a_later_known_answer_is_refused),
	    T(test_ciphers_that_openssl_lacks_are_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
