/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of OpenSSL's allocator. See heap.h.
 */
#include "agw/dtls/heap.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096U /* a larger real one makes madvise refuse, and nothing is gained */

static _Thread_local struct agw_dtls_scratch *noted;

/* Whole pages inside; memory around them is the allocator's. Locked pages refuse, and stay. */
static void give_pages(void *block, size_t octets)
{
	uintptr_t from = ((uintptr_t)block + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t to = ((uintptr_t)block + octets) & ~(uintptr_t)(PAGE - 1);

	if (to > from)
		(void)madvise((char *)block + (from - (uintptr_t)block), to - from, MADV_DONTNEED);
}

static void *take(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return n != 0 ? malloc(n) : NULL;
}

static void give(void *block, const char *file, int line)
{
	size_t octets = malloc_usable_size(block);

	(void)file;
	(void)line;
	if (noted != NULL && noted->block == block)
		noted->block = NULL;
	if (octets >= AGW_DTLS_LARGE)
		give_pages(block, octets);
	free(block);
}

/* BUF_MEM, which the handshake buffer is, grows from NULL. On a page of its own all can go back. */
static void *grow(size_t n)
{
	void *p =
	    n >= AGW_DTLS_LARGE ? aligned_alloc(PAGE, (n + PAGE - 1) / PAGE * PAGE) : malloc(n);

	if (p != NULL && noted != NULL && n >= AGW_DTLS_LARGE)
		*noted = (struct agw_dtls_scratch){.block = p, .octets = n};
	return p;
}

static void *retake(void *block, size_t n, const char *file, int line)
{
	if (block == NULL)
		return n != 0 ? grow(n) : NULL;
	if (n == 0) {
		give(block, file, line);
		return NULL;
	}
	if (noted != NULL && noted->block == block)
		noted->block = NULL;
	return realloc(block, n);
}

bool agw_dtls_heap_start(void)
{
	return CRYPTO_set_mem_functions(take, retake, give) == 1;
}

struct agw_dtls_scratch *agw_dtls_heap_note(struct agw_dtls_scratch *s)
{
	struct agw_dtls_scratch *before = noted;

	noted = s;
	return before;
}

void agw_dtls_heap_rest(const struct agw_dtls_scratch *s)
{
	if (s->block != NULL)
		give_pages(s->block, s->octets);
}
