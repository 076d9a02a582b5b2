/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPSC ring. `head` is written by the producer only, `tail` by the consumer only; each on its
 * own cache line. See ring.h.
 */
#include "common/ring.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CACHE_LINE 64

struct gw_ring {
	alignas(CACHE_LINE) _Atomic size_t head; /* next slot to write */
	alignas(CACHE_LINE) _Atomic size_t tail; /* next slot to read */
	alignas(CACHE_LINE) size_t msg_size;
	size_t mask;
	int fd;
	unsigned char *slots; /* owned */
};

enum gw_err gw_ring_new(struct gw_ring **out, size_t msg_size, size_t slots)
{
	struct gw_ring *r;

	if (msg_size == 0 || slots < 2 || (slots & (slots - 1)) != 0)
		return GW_ERR_INVAL;
	r = aligned_alloc(CACHE_LINE, sizeof(*r));
	if (r == NULL)
		return GW_ERR_NOMEM;
	memset(r, 0, sizeof(*r));
	r->msg_size = msg_size;
	r->mask = slots - 1;
	r->slots = calloc(slots, msg_size);
	r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->slots == NULL || r->fd < 0) {
		enum gw_err err = r->slots == NULL ? GW_ERR_NOMEM : GW_ERR_IO;

		gw_ring_free(r);
		return err;
	}
	*out = r;
	return GW_OK;
}

void gw_ring_free(struct gw_ring *r)
{
	if (r == NULL)
		return;
	if (r->fd >= 0)
		(void)close(r->fd);
	free(r->slots);
	free(r);
}

enum gw_err gw_ring_push(struct gw_ring *r, const void *msg)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint64_t one = 1;
	ssize_t n;

	if (head - tail > r->mask)
		return GW_ERR_LIMIT;
	memcpy(r->slots + (head & r->mask) * r->msg_size, msg, r->msg_size);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	/* Fails only when the counter is full, and then the consumer is awake anyway. */
	n = write(r->fd, &one, sizeof(one));
	(void)n;
	return GW_OK;
}

bool gw_ring_pop(struct gw_ring *r, void *msg)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	if (head == tail)
		return false;
	memcpy(msg, r->slots + (tail & r->mask) * r->msg_size, r->msg_size);
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

int gw_ring_fd(const struct gw_ring *r)
{
	return r->fd;
}

void gw_ring_clear(struct gw_ring *r)
{
	uint64_t count;
	ssize_t n = read(r->fd, &count, sizeof(count));

	(void)n;
}
