/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text kept once: a header field or SDP line that a thousand messages share is one object with
 * a count. The table is keyed, since peers choose the texts, and of one size for life: it never
 * stops the loop to grow.
 */
#include "cscf/story/story_int.h"

#include "common/rand.h"

#include <stdlib.h>
#include <string.h>

#define K1 UINT64_C(0x9e3779b97f4a7c15)
#define K2 UINT64_C(0xd6e8feb86659fd93)

__extension__ typedef unsigned __int128 u128;

static uint64_t fold(uint64_t a, uint64_t b)
{
	u128 r = (u128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t load(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t mix(uint64_t h, uint64_t key, struct gw_slice s)
{
	uint64_t rest = 0;

	h ^= s.n * K2;
	while (s.n >= 16) {
		h = fold(load(s.p) ^ h, load(s.p + 8) ^ key);
		s.p += 16;
		s.n -= 16;
	}
	if (s.n >= 8) {
		h = fold(load(s.p) ^ h, key ^ K1);
		s.p += 8;
		s.n -= 8;
	}
	if (s.n > 0)
		memcpy(&rest, s.p, s.n);
	return fold(rest ^ h, key ^ K2);
}

uint64_t story_hash(const struct story_lines *t, struct gw_slice s)
{
	return mix(t->key[0], t->key[1], s);
}

enum gw_err story_lines_init(struct story_lines *t, size_t n_buckets)
{
	*t = (struct story_lines){.n_buckets = n_buckets};
	gw_rand_bytes(t->key, sizeof(t->key));
	t->buckets = calloc(n_buckets, sizeof(struct story_line *));
	return t->buckets != NULL ? GW_OK : GW_ERR_NOMEM;
}

void story_lines_fini(struct story_lines *t)
{
	for (size_t i = 0; t->buckets != NULL && i < t->n_buckets; i++)
		while (t->buckets[i] != NULL) {
			struct story_line *l = t->buckets[i];

			t->buckets[i] = l->next;
			free(l);
		}
	free(t->buckets);
	t->buckets = NULL;
}

size_t story_line_cost(size_t n)
{
	return sizeof(struct story_line) + n + 1 + 16; /* and what malloc adds */
}

static bool is_same(const struct story_line *l, struct gw_slice a, struct gw_slice b)
{
	if (b.p == NULL)
		return l->n == a.n && memcmp(l->text, a.p, a.n) == 0;
	return l->n == a.n + 2 + b.n && memcmp(l->text, a.p, a.n) == 0 && l->text[a.n] == ':' &&
	       memcmp(l->text + a.n + 2, b.p, b.n) == 0;
}

static struct story_line *line_new(struct gw_slice a, struct gw_slice b)
{
	size_t n = a.n + (b.p != NULL ? b.n + 2 : 0);
	struct story_line *l = malloc(sizeof(*l) + n + 1);

	if (l == NULL)
		return NULL;
	memcpy(l->text, a.p, a.n);
	if (b.p != NULL) {
		memcpy(l->text + a.n, ": ", 2);
		memcpy(l->text + a.n + 2, b.p, b.n);
	}
	l->text[n] = '\0';
	l->n = (uint32_t)n;
	return l;
}

/* One more reference to a line that is kept. */
static struct story_line *find(const struct story_lines *t, struct gw_slice a, struct gw_slice b,
			       uint64_t h)
{
	for (struct story_line *l = t->buckets[h & (t->n_buckets - 1)]; l != NULL; l = l->next)
		if (l->hash == h && is_same(l, a, b)) {
			l->refs++;
			return l;
		}
	return NULL;
}

static struct story_line *get(struct story_lines *t, struct gw_slice a, struct gw_slice b,
			      uint64_t h)
{
	struct story_line *l = find(t, a, b, h), **bucket;

	if (l != NULL)
		return l;
	bucket = &t->buckets[h & (t->n_buckets - 1)];
	l = line_new(a, b);
	if (l == NULL)
		return NULL;
	l->hash = h;
	l->refs = 1;
	l->next = *bucket;
	*bucket = l;
	t->count++;
	t->octets += story_line_cost(l->n);
	return l;
}

static struct gw_slice clip(struct gw_slice s, size_t max)
{
	if (s.p == NULL)
		return (struct gw_slice){"", 0};
	return (struct gw_slice){s.p, s.n < max ? s.n : max};
}

struct story_line *story_line_get(struct story_lines *t, struct gw_slice text)
{
	text = clip(text, STORY_LINE_MAX);
	return get(t, text, GW_SLICE_NONE, mix(t->key[0], t->key[1], text));
}

struct story_line *story_line_field(struct story_lines *t, struct gw_slice name, uint32_t key,
				    struct gw_slice value)
{
	struct story_line *known;
	struct gw_slice safe;
	uint64_t h;

	name = clip(name, STORY_NAME_MAX);
	value =
	    clip(value, STORY_LINE_MAX - 2 - name.n); /* a cut one is as long as a line may be */
	h = mix(t->key[0] ^ key, t->key[1], value);
	known = find(t, name, value, h);
	if (known != NULL) /* no secret is kept, so this is none */
		return known;
	safe = story_safe_value(key, value);
	if (safe.p != value.p)
		h = mix(t->key[0] ^ key, t->key[1], safe);
	return get(t, name, safe, h);
}

struct story_line *story_line_safe(struct story_lines *t, struct gw_slice text, bool sdp)
{
	struct story_line *known;

	text = clip(text, STORY_LINE_MAX);
	known = find(t, text, GW_SLICE_NONE, mix(t->key[0], t->key[1], text));
	if (known != NULL)
		return known;
	return story_line_get(t, sdp ? story_safe_sdp(text) : story_safe_text(text));
}

struct story_line *story_line_str(struct story_lines *t, const char *text)
{
	return text != NULL && text[0] != '\0' ? story_line_get(t, gw_slice_str(text)) : NULL;
}

void story_line_put(struct story_lines *t, struct story_line *l)
{
	struct story_line **at;

	if (l == NULL || --l->refs > 0)
		return;
	at = &t->buckets[l->hash & (t->n_buckets - 1)];
	while (*at != NULL && *at != l)
		at = &(*at)->next;
	GW_ASSERT(*at == l);
	*at = l->next;
	t->count--;
	t->octets -= story_line_cost(l->n);
	free(l);
}
