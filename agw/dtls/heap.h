/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's large buffers, and how their pages go back to the system.
 *
 * A DTLS association of OpenSSL holds 22 kB of handshake buffer for its life (a late repetition
 * of the peer's last flight is answered through it), and record buffers of 17 kB while it talks.
 * All of that is scratch between two datagrams. With OpenSSL's allocator hooked
 * (CRYPTO_set_mem_functions), what is large and freed gives its pages back at once, and what is
 * large and still held when a handshake is over reads as zeros until it is written again.
 *
 * Thread: start before anything else uses OpenSSL; the rest wherever the session is.
 */
#ifndef AGW_DTLS_HEAP_H
#define AGW_DTLS_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#define AGW_DTLS_LARGE 16384 /* octets; smaller blocks are none of our business */

/* The large block that one session's OpenSSL grew, while it lives. */
struct agw_dtls_scratch {
	void *block; /* OpenSSL's; NULL = none */
	size_t octets;
};

/** @return false: OpenSSL has allocated already, and keeps its own way; nothing else changes */
bool agw_dtls_heap_start(void);
/**
 * What OpenSSL grows in this thread from now on is noted there, and forgotten when it goes.
 * @param s NULL = nowhere
 * @return where it was noted before, to put back
 */
struct agw_dtls_scratch *agw_dtls_heap_note(struct agw_dtls_scratch *s);
/** The pages of the block back to the system: it is zeros, and still OpenSSL's. */
void agw_dtls_heap_rest(const struct agw_dtls_scratch *s);

#endif
