/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing of a stream's keys is left in the memory of the process once the session is freed: heap
 * and stack are searched for the master key and for the session key derived from it. The search
 * is shown to work by finding the session key while the session lives.
 */
#include "agw/srtp/srtp.h"
#include "tests/lib/req.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define KEY   16
#define CHUNK ((size_t)1 << 20)
#define HUGE_ ((unsigned long)1 << 30) /* a sanitizer's shadow: never ours */
#define MASK  0x5a

static unsigned char *window; /* own mapping, left out of the search */

static size_t count_in(const unsigned char *p, size_t n, const unsigned char *masked)
{
	size_t hits = 0;

	for (size_t i = 0; i + KEY <= n; i++) {
		size_t k = 0;

		while (k < KEY && (p[i + k] ^ MASK) == masked[k])
			k++;
		hits += k == KEY;
	}
	return hits;
}

static size_t count_mapping(FILE *mem, unsigned long from, unsigned long to,
			    const unsigned char *masked)
{
	size_t hits = 0;

	for (unsigned long at = from; at < to; at += CHUNK - KEY) {
		size_t want = to - at < CHUNK ? to - at : CHUNK, got;

		if (fseek(mem, (long)at, SEEK_SET) != 0)
			break;
		got = fread(window, 1, want, mem);
		if (got == 0)
			break;
		hits += count_in(window, got, masked);
		if (want < CHUNK)
			break;
	}
	explicit_bzero(window, CHUNK);
	return hits;
}

/* How often the key stands anywhere in our writable memory. */
static size_t count_everywhere(const unsigned char *masked)
{
	static char io[4096]; /* no heap, and no whole key fits across two of its fills unseen */
	FILE *maps = fopen("/proc/self/maps", "re"), *mem = fopen("/proc/self/mem", "re");
	unsigned long from, to, range[512][2];
	char rights[8], line[512];
	size_t hits = 0, n = 0;

	assert_non_null(maps);
	assert_non_null(mem);
	assert_int_equal(setvbuf(mem, io, _IONBF, 0), 0);
	while (n < 512 && fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[1] == 'w' &&
		    to - from < HUGE_ && from != (unsigned long)window) {
			range[n][0] = from;
			range[n++][1] = to;
		}
	fclose(maps);
	for (size_t i = 0; i < n; i++)
		hits += count_mapping(mem, range[i][0], range[i][1], masked);
	fclose(mem);
	return hits;
}

static void mask(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= MASK;
}

/* RFC 3711 s4.3: the SRTP encryption key of a counter-mode or GCM master, masked. */
static void derive(unsigned char *out, const uint8_t *master, size_t salt)
{
	unsigned char iv[16] = {0}, zero[KEY] = {0};
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	memcpy(iv, master + KEY, salt); /* label 0, index 0 */
	assert_int_equal(EVP_EncryptInit_ex2(c, EVP_aes_128_ctr(), master, iv, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(c, out, &n, zero, KEY), 1);
	EVP_CIPHER_CTX_free(c);
	mask(out, KEY);
}

static void use(struct agw_srtp_sess *s)
{
	_Alignas(8)
	    uint8_t pkt[64 + AGW_SRTP_TRAILER_MAX] = {0x80, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4};
	_Alignas(8) uint8_t sr[64 + AGW_SRTP_TRAILER_MAX] = {0x80, 200, 0, 6, 1, 2, 3, 4};
	size_t n = 64, m = 28;

	assert_int_equal(agw_srtp_protect(s, pkt, &n), GW_OK);
	assert_int_equal(agw_srtp_protect_rtcp(s, sr, &m), GW_OK);
	n = 64;
	assert_int_not_equal(agw_srtp_unprotect(s, pkt, &n), GW_OK); /* not the peer's key */
}

static void search_after(uint16_t profile)
{
	size_t salt = agw_srtp_salt_len(profile);
	struct agw_srtp_keys keys = {.profile = profile};
	unsigned char master[KEY], session[KEY];
	struct agw_srtp_sess *s = NULL;

	assert_int_equal(RAND_bytes(keys.send, sizeof(keys.send)), 1);
	assert_int_equal(RAND_bytes(keys.recv, sizeof(keys.recv)), 1);
	memcpy(master, keys.send, KEY);
	mask(master, KEY);
	derive(session, keys.send, salt);
	assert_int_equal(agw_srtp_sess_new(&s, &keys, 1024), GW_OK);
	explicit_bzero(&keys, sizeof(keys));
	use(s);
	assert_true(count_everywhere(session) > 0);
	agw_srtp_sess_free(s);
	assert_int_equal(count_everywhere(session), 0);
	assert_int_equal(count_everywhere(master), 0);
}

static void test_no_key_is_left_in_memory_after_release(void **state)
{
	REQ("SRTP-12");
	(void)state;
	search_after(AGW_SRTP_AES128_CM_SHA1_80);
	search_after(AGW_SRTP_AEAD_AES_128_GCM);
}

static int set_up(void **state)
{
	(void)state;
	window = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return window != MAP_FAILED && agw_srtp_init() == GW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	agw_srtp_shutdown();
	return munmap(window, CHUNK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_key_is_left_in_memory_after_release),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
