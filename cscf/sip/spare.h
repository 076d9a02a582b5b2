/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of one size that come and go with every message: a few are kept for the next one
 * instead of going through the allocator's bins of large blocks each time. Under the address
 * sanitizer none is kept, so that use after free shows. Thread: the loop thread.
 */
#ifndef CSCF_SIP_SPARE_H
#define CSCF_SIP_SPARE_H

#include <stddef.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#define CSCF_SIP_SPARE_MAX 0
#else
#define CSCF_SIP_SPARE_MAX 64
#endif

struct cscf_sip_spare {
	void *first; /* each begins with a pointer to the next */
	unsigned n;
};

/** @return size octets, not cleared; NULL: out of memory. The same size in every call. */
static inline void *cscf_sip_spare_take(struct cscf_sip_spare *s, size_t size)
{
	void *p = s->first;

	if (p == NULL)
		return malloc(size);
	s->first = *(void **)p;
	s->n--;
	return p;
}

static inline void cscf_sip_spare_give(struct cscf_sip_spare *s, void *p)
{
	if (p == NULL)
		return;
	if (s->n + 1 > CSCF_SIP_SPARE_MAX) {
		free(p);
		return;
	}
	*(void **)p = s->first;
	s->first = p;
	s->n++;
}

#endif
