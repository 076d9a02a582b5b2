/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view of bytes or text that somebody else owns: pointer and length, no terminator.
 * A slice into a packet or message does not outlive it; gw_slice_dup what must.
 * Thread: any.
 */
#ifndef COMMON_SLICE_H
#define COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct gw_slice {
	const char *p; /* borrowed; may be NULL when n is 0 */
	size_t n;
};

#define GW_SLICE_NONE   ((struct gw_slice){NULL, 0})
#define GW_SLICE_LIT(s) ((struct gw_slice){"" s, sizeof(s) - 1})
/* For printf: "%.*s", GW_SLICE_FMT(s) */
#define GW_SLICE_FMT(s) (int)(s).n, (s).p != NULL ? (s).p : ""

static inline struct gw_slice gw_slice_str(const char *s)
{
	return (struct gw_slice){s, s != NULL ? strlen(s) : 0};
}

static inline bool gw_slice_eq(struct gw_slice a, struct gw_slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool gw_slice_ieq(struct gw_slice a, struct gw_slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool gw_slice_eq_str(struct gw_slice a, const char *s)
{
	return gw_slice_eq(a, gw_slice_str(s));
}

static inline bool gw_slice_ieq_str(struct gw_slice a, const char *s)
{
	return gw_slice_ieq(a, gw_slice_str(s));
}

static inline bool gw_slice_starts(struct gw_slice a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && memcmp(a.p, prefix, n) == 0;
}

/** Copy as a terminated string; NULL when out of memory. Caller frees with free(). */
static inline char *gw_slice_dup(struct gw_slice s)
{
	char *c = malloc(s.n + 1);

	if (c == NULL)
		return NULL;
	if (s.n > 0)
		memcpy(c, s.p, s.n);
	c[s.n] = '\0';
	return c;
}

#endif
