/* SPDX-License-Identifier: Apache-2.0 */
/* See bencode.h. */
#include "tests/bench/media/bencode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

static void put(struct ben *b, const char *fmt, ...) GW_PRINTF(2, 3);

static void put(struct ben *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(b->text + b->n, sizeof(b->text) - b->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(b->text) - b->n)
		b->full = true;
	else
		b->n += (size_t)n;
}

static void put_string(struct ben *b, const char *s)
{
	put(b, "%zu:%s", strlen(s), s);
}

void ben_begin(struct ben *b, const char *cookie)
{
	b->n = 0;
	b->full = false;
	put(b, "%s d", cookie);
}

void ben_string(struct ben *b, const char *key, const char *value)
{
	put_string(b, key);
	put_string(b, value);
}

void ben_list(struct ben *b, const char *key, const char *const *words)
{
	put_string(b, key);
	put(b, "l");
	for (; *words != NULL; words++)
		put_string(b, *words);
	put(b, "e");
}

void ben_end(struct ben *b)
{
	put(b, "e");
}

/* One value from `at`; strings are told by *str. @return where the next begins, 0 = malformed */
static size_t skip(const char *p, size_t n, size_t at, const char **str, size_t *len)
{
	char *end;
	size_t k;

	*str = NULL;
	if (at >= n)
		return 0;
	if (p[at] == 'i') {
		const char *e = memchr(p + at, 'e', n - at);

		return e != NULL ? (size_t)(e - p) + 1 : 0;
	}
	if (p[at] == 'l' || p[at] == 'd') {
		const char *s;
		size_t l;

		for (at++; at < n && p[at] != 'e';) {
			at = skip(p, n, at, &s, &l);
			if (at == 0)
				return 0;
		}
		return at < n ? at + 1 : 0;
	}
	k = strtoul(p + at, &end, 10);
	if (*end != ':' || k > n - (size_t)(end + 1 - p))
		return 0;
	*str = end + 1;
	*len = k;
	return (size_t)(end + 1 - p) + k;
}

const char *ben_find(const char *p, size_t n, const char *key, size_t *len)
{
	const char *name, *value;
	size_t at = 1, name_n;

	if (n < 2 || p[0] != 'd')
		return NULL;
	while (at < n && p[at] != 'e') {
		at = skip(p, n, at, &name, &name_n);
		if (at == 0 || name == NULL)
			return NULL;
		at = skip(p, n, at, &value, len);
		if (at == 0)
			return NULL;
		if (value != NULL && name_n == strlen(key) && memcmp(name, key, name_n) == 0)
			return value;
	}
	return NULL;
}
