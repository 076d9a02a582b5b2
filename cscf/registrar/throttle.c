/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See throttle.h. Keys are keyed hashes of source and identity: of fixed size whatever a peer
 * sends, and nobody can choose them to collide. Spec: SEC-14.
 */
#include "cscf/registrar/throttle.h"

#include "cscf/sip/table.h"
#include "cscf/ws/tally.h"

#include "common/rand.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512 /* of an identity; longer ones share their entry with their like */

struct entry {
	uint64_t key;
	int64_t since_ms; /* first failure of the window */
	int64_t blocked_until_ms;
	int64_t failures;
	bool resynced;     /* a pair: in this window */
	UT_hash_handle hh; /* insertion order = last touched last */
};

struct reg_throttle {
	int64_t max_failures, block_ms;
	uint64_t secret[2];
	struct entry *pairs, *identities, *sources, *devices; /* owned */
};

/* Who is meant, hashed. An identity is the IMPI and, since that may be left out or made up, the
 * IMPU as well; both name the same user@host more often than not. */
struct keys {
	uint64_t source;
	bool known; /* the device has registered the IMPU before */
	uint64_t pair[2], identity[2];
	size_t n;
};

static uint64_t hash(const struct reg_throttle *t, const uint8_t *source, size_t source_n,
		     const char *text, const char *instance)
{
	uint8_t plain[8 + TEXT_MAX + TEXT_MAX + 2];
	size_t n = source_n, len;

	if (source_n > 0)
		memcpy(plain, source, source_n);
	plain[n++] = (uint8_t)source_n;
	len = strnlen(text, TEXT_MAX);
	memcpy(plain + n, text, len);
	n += len;
	plain[n++] = '\0';
	len = strnlen(instance, TEXT_MAX);
	memcpy(plain + n, instance, len);
	return cscf_sip_siphash(t->secret, plain, n + len);
}

static struct entry *find(struct entry *table, uint64_t key)
{
	struct entry *e = NULL;

	HASH_FIND(hh, table, &key, sizeof(key), e);
	return e;
}

static const char *bare(const char *aor)
{
	const char *colon = strchr(aor, ':');

	return colon != NULL ? colon + 1 : aor;
}

static void add_identity(const struct reg_throttle *t, struct keys *k, const uint8_t *source,
			 size_t source_n, const char *text, const char *instance)
{
	k->pair[k->n] = hash(t, source, source_n, text, instance);
	k->identity[k->n++] = hash(t, source, 0, text, "");
}

static uint64_t device_key(const struct reg_throttle *t, const struct reg_throttle_who *who)
{
	return hash(t, NULL, 0, bare(who->to_aor), who->instance);
}

static struct keys keys_of(const struct reg_throttle *t, const struct reg_throttle_who *who)
{
	const char *instance = who->instance != NULL ? who->instance : "";
	uint8_t source[8];
	size_t n = cscf_ws_source_key(who->source, source);
	struct keys k = {.known = who->to_aor != NULL && instance[0] != '\0' &&
				  find(t->devices, device_key(t, who)) != NULL};

	if (!k.known)
		instance = "";

	k.source = hash(t, source, n, "", "");
	if (who->impi != NULL)
		add_identity(t, &k, source, n, who->impi, instance);
	if (who->to_aor != NULL && (who->impi == NULL || strcmp(bare(who->to_aor), who->impi) != 0))
		add_identity(t, &k, source, n, bare(who->to_aor), instance);
	return k;
}

static bool is_blocked(struct entry *table, uint64_t key, int64_t now_ms)
{
	const struct entry *e = find(table, key);

	return e != NULL && now_ms < e->blocked_until_ms;
}

static void drop(struct entry **table, struct entry *e)
{
	GW_ASSERT(*table != NULL); /* e is in it */
	HASH_DELETE(hh, *table, e);
	free(e);
}

/* The entry as the last touched; NULL when out of memory: then this failure is not counted. */
static struct entry *touch(struct entry **table, uint64_t key, unsigned max, int64_t now_ms)
{
	struct entry *e = find(*table, key);

	if (e != NULL) {
		HASH_DELETE(hh, *table, e);
	} else {
		if (HASH_COUNT(*table) >= max)
			drop(table, *table); /* the first is the one touched longest ago */
		e = calloc(1, sizeof(*e));
		if (e == NULL)
			return NULL;
		e->key = key;
		e->since_ms = now_ms;
	}
	HASH_ADD(hh, *table, key, sizeof(e->key), e);
	if (e->hh.tbl == NULL) {
		free(e);
		return NULL;
	}
	return e;
}

/* The same, with a new window when the old one is over. */
static struct entry *touch_window(struct entry **table, uint64_t key, int64_t now_ms)
{
	struct entry *e = touch(table, key, REG_THROTTLE_MAX_ENTRIES, now_ms);

	if (e != NULL && now_ms - e->since_ms >= REG_THROTTLE_WINDOW_MS) {
		e->since_ms = now_ms;
		e->failures = 0;
		e->resynced = false;
	}
	return e;
}

static void count(const struct reg_throttle *t, struct entry **table, uint64_t key, int64_t limit,
		  int64_t now_ms)
{
	struct entry *e = touch_window(table, key, now_ms);

	if (e == NULL)
		return;
	if (++e->failures < limit)
		return;
	e->blocked_until_ms = now_ms + t->block_ms;
	e->since_ms = now_ms;
	e->failures = 0;
}

enum gw_err reg_throttle_new(struct reg_throttle **out, int64_t max_failures, int64_t block_ms)
{
	struct reg_throttle *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return GW_ERR_NOMEM;
	t->max_failures = max_failures;
	t->block_ms = block_ms;
	gw_rand_bytes(t->secret, sizeof(t->secret));
	*out = t;
	return GW_OK;
}

static void clear(struct entry **table)
{
	struct entry *e, *next;

	HASH_ITER (hh, *table, e, next)
		drop(table, e);
}

void reg_throttle_free(struct reg_throttle *t)
{
	if (t == NULL)
		return;
	clear(&t->pairs);
	clear(&t->identities);
	clear(&t->sources);
	clear(&t->devices);
	free(t);
}

enum reg_throttle_verdict reg_throttle_check(const struct reg_throttle *t,
					     const struct reg_throttle_who *who, int64_t now_ms)
{
	struct keys k;

	if (t->max_failures == 0 ||
	    (t->pairs == NULL && t->sources == NULL)) /* the usual case costs nothing */
		return REG_THROTTLE_PASS;
	k = keys_of(t, who);
	for (size_t i = 0; i < k.n; i++)
		if (is_blocked(t->pairs, k.pair[i], now_ms))
			return REG_THROTTLE_PAIR;
	if (!k.known && is_blocked(t->sources, k.source, now_ms))
		return REG_THROTTLE_SOURCE;
	return REG_THROTTLE_PASS;
}

void reg_throttle_failed(struct reg_throttle *t, const struct reg_throttle_who *who, int64_t now_ms)
{
	struct keys k;

	if (t->max_failures == 0)
		return;
	k = keys_of(t, who);
	for (size_t i = 0; i < k.n; i++) {
		bool attacked = !k.known && is_blocked(t->identities, k.identity[i], now_ms);

		count(t, &t->pairs, k.pair[i], attacked ? 1 : t->max_failures, now_ms);
		count(t, &t->identities, k.identity[i], t->max_failures, now_ms);
	}
	count(t, &t->sources, k.source, t->max_failures * REG_THROTTLE_SOURCE_FACTOR, now_ms);
}

bool reg_throttle_resync(struct reg_throttle *t, const struct reg_throttle_who *who, int64_t now_ms)
{
	bool first = true;
	struct keys k;

	if (t->max_failures == 0)
		return true;
	k = keys_of(t, who);
	for (size_t i = 0; i < k.n; i++) {
		struct entry *e = touch_window(&t->pairs, k.pair[i], now_ms);

		first = first && e != NULL && !e->resynced;
		if (e != NULL)
			e->resynced = true;
	}
	return first;
}

void reg_throttle_succeeded(struct reg_throttle *t, const struct reg_throttle_who *who)
{
	struct keys k;

	if (t->max_failures == 0)
		return;
	k = keys_of(t, who);
	for (size_t i = 0; i < k.n; i++) {
		struct entry *e = find(t->pairs, k.pair[i]);

		if (e != NULL)
			drop(&t->pairs, e);
	}
	if (who->to_aor != NULL && who->instance != NULL && who->instance[0] != '\0')
		(void)touch(&t->devices, device_key(t, who), REG_THROTTLE_MAX_DEVICES, 0);
}

size_t reg_throttle_entries(const struct reg_throttle *t)
{
	return HASH_COUNT(t->pairs) + HASH_COUNT(t->identities) + HASH_COUNT(t->sources);
}
