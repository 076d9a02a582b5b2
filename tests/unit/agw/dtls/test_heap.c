/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's large buffers: noted, given back, forgotten; and an association lives on without them.
 */
#include "agw/dtls/heap.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/dtls_bench.h"

#include <openssl/crypto.h>

#define LARGE (AGW_DTLS_LARGE + 5000)

static bool started;

static bool all(const uint8_t *p, size_t from, size_t to, uint8_t v)
{
	for (size_t i = from; i < to; i++)
		if (p[i] != v)
			return false;
	return true;
}

static void test_what_rests_is_zeros_and_still_ours(void **state)
{
	struct agw_dtls_scratch s = {.block = NULL};
	uint8_t *p;

	(void)state;
	assert_true(started);
	assert_null(agw_dtls_heap_note(&s));
	p = OPENSSL_realloc(NULL, LARGE);
	assert_ptr_equal(agw_dtls_heap_note(NULL), &s);
	assert_ptr_equal(s.block, p);
	memset(p, 0x5a, LARGE);
	agw_dtls_heap_rest(&s);
	assert_true(all(p, 0, LARGE / 4096 * 4096, 0));
	assert_true(all(p, LARGE / 4096 * 4096, LARGE, 0x5a)); /* no whole page */
	memset(p, 0x33, LARGE);
	assert_true(all(p, 0, LARGE, 0x33));
	OPENSSL_free(p);
}

static void test_a_block_that_goes_or_moves_is_forgotten(void **state)
{
	struct agw_dtls_scratch s = {.block = NULL};
	uint8_t *p, *q;

	(void)state;
	(void)agw_dtls_heap_note(&s);
	p = OPENSSL_realloc(NULL, LARGE);
	OPENSSL_free(p);
	assert_null(s.block);
	p = OPENSSL_realloc(NULL, LARGE);
	assert_ptr_equal(s.block, p);
	q = OPENSSL_realloc(p, (size_t)LARGE * 4);
	assert_null(s.block);
	agw_dtls_heap_rest(&s);
	OPENSSL_free(q);
	p = OPENSSL_realloc(NULL, 100);
	assert_null(s.block);
	OPENSSL_free(p);
	(void)agw_dtls_heap_note(NULL);
	p = OPENSSL_realloc(NULL, LARGE);
	assert_null(s.block);
	OPENSSL_free(p);
	assert_null(OPENSSL_malloc(0));
	assert_null(OPENSSL_realloc(OPENSSL_malloc(1), 0));
}

/* Nothing large is held with its pages once the peer is known; what comes later still works. */
static void test_an_association_rests_and_wakes(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-23");
	good(b, true, "SRTP_AEAD_AES_128_GCM", AGW_SRTP_AEAD_AES_128_GCM);
	assert_true(SSL_write(b->peer, "x", 1) > 0);
	deliver(b);
	assert_int_equal(agw_dtls_state(b->s), AGW_DTLS_KEYED);
	(void)SSL_shutdown(b->peer);
	deliver(b);
	assert_int_equal(b->closed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_CLOSE_NOTIFY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_rests_is_zeros_and_still_ours),
	    cmocka_unit_test(test_a_block_that_goes_or_moves_is_forgotten),
	    cmocka_unit_test_setup_teardown(test_an_association_rests_and_wakes, setup, teardown),
	};

	started = agw_dtls_heap_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
