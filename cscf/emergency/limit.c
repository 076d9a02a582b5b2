/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets by connection and by source; see limit.h. */
#include "cscf/emergency/limit.h"

#include "cscf/ws/bucket.h"
#include "cscf/ws/tally.h"

#include "common/slice.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define KEY_MAX 9

struct entry {
	uint8_t key[KEY_MAX];
	struct cscf_ws_bucket requests, lines[CSCF_EMERGENCY_CLASS_COUNT];
	unsigned suppressed[CSCF_EMERGENCY_CLASS_COUNT];
	UT_hash_handle hh; /* insertion order = last touched last */
};

struct emergency_limit {
	struct entry *conns, *sources; /* owned */
	struct cscf_ws_bucket all;
};

enum gw_err emergency_limit_new(struct emergency_limit **out, int64_t now_ms)
{
	struct emergency_limit *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return GW_ERR_NOMEM;
	cscf_ws_bucket_init(&l->all, EMERGENCY_ALL_RATE, EMERGENCY_ALL_BURST, now_ms);
	*out = l;
	return GW_OK;
}

static void drop(struct entry **table, struct entry *e)
{
	GW_ASSERT(*table != NULL); /* e is in it */
	HASH_DELETE(hh, *table, e);
	free(e);
}

static void clear(struct entry **table)
{
	struct entry *e, *next;

	HASH_ITER (hh, *table, e, next)
		drop(table, e);
}

void emergency_limit_free(struct emergency_limit *l)
{
	if (l == NULL)
		return;
	clear(&l->conns);
	clear(&l->sources);
	free(l);
}

static struct entry *entry_new(const uint8_t key[KEY_MAX], int64_t rate, int64_t burst,
			       int64_t now_ms)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	memcpy(e->key, key, KEY_MAX);
	cscf_ws_bucket_init(&e->requests, rate, burst, now_ms);
	for (size_t i = 0; i < CSCF_EMERGENCY_CLASS_COUNT; i++)
		cscf_ws_bucket_init(&e->lines[i], EMERGENCY_LINES_RATE, EMERGENCY_LINES_BURST,
				    now_ms);
	return e;
}

/* The entry, made when it is not there, as the last touched; NULL when out of memory. */
static struct entry *touch(struct entry **table, const uint8_t key[KEY_MAX], int64_t rate,
			   int64_t burst, int64_t now_ms)
{
	struct entry *e = NULL;

	HASH_FIND(hh, *table, key, KEY_MAX, e);
	if (e != NULL)
		HASH_DELETE(hh, *table, e);
	else if ((e = entry_new(key, rate, burst, now_ms)) == NULL)
		return NULL;
	if (HASH_COUNT(*table) >= EMERGENCY_LIMIT_MAX_ENTRIES)
		drop(table, *table); /* the first is the one touched longest ago */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one that went is another */
	HASH_ADD(hh, *table, key, KEY_MAX, e);
	if (e->hh.tbl == NULL) {
		free(e);
		return NULL;
	}
	return e;
}

/* A connection that registers has a bucket of its own from then on. */
static struct entry *conn_of(struct emergency_limit *l, const struct emergency_sender *who,
			     int64_t now_ms)
{
	uint8_t key[KEY_MAX] = {0};

	memcpy(key, &who->conn, sizeof(who->conn));
	key[KEY_MAX - 1] = who->registered;
	return touch(&l->conns, key,
		     who->registered ? EMERGENCY_REGISTERED_RATE : EMERGENCY_CONN_RATE,
		     who->registered ? EMERGENCY_REGISTERED_BURST : EMERGENCY_CONN_BURST, now_ms);
}

static struct entry *source_of(struct emergency_limit *l, const struct emergency_sender *who,
			       int64_t now_ms)
{
	uint8_t key[KEY_MAX] = {0};

	key[KEY_MAX - 1] = (uint8_t)cscf_ws_source_key(who->source, key);
	return touch(&l->sources, key, EMERGENCY_SOURCE_RATE, EMERGENCY_SOURCE_BURST, now_ms);
}

static bool take(struct entry *e, int64_t now_ms)
{
	return e == NULL || cscf_ws_bucket_take(&e->requests, now_ms);
}

enum emergency_verdict emergency_limit_take(struct emergency_limit *l,
					    const struct emergency_sender *who, int64_t now_ms)
{
	if (!take(conn_of(l, who, now_ms), now_ms))
		return who->registered ? EMERGENCY_OVER_REGISTERED : EMERGENCY_OVER_CONN;
	if (who->registered)
		return EMERGENCY_GO_ON;
	if (!take(source_of(l, who, now_ms), now_ms))
		return EMERGENCY_OVER_SOURCE;
	return cscf_ws_bucket_take(&l->all, now_ms) ? EMERGENCY_GO_ON : EMERGENCY_OVER_ALL;
}

bool emergency_limit_line(struct emergency_limit *l, const struct emergency_sender *who,
			  enum cscf_emergency_class how, int64_t now_ms, unsigned *suppressed)
{
	struct entry *e = who->registered ? conn_of(l, who, now_ms) : source_of(l, who, now_ms);

	*suppressed = 0;
	if (e == NULL)
		return true;
	if (!cscf_ws_bucket_take(&e->lines[how], now_ms)) {
		e->suppressed[how]++;
		return false;
	}
	*suppressed = e->suppressed[how];
	e->suppressed[how] = 0;
	return true;
}

size_t emergency_limit_entries(const struct emergency_limit *l)
{
	return HASH_COUNT(l->conns) + HASH_COUNT(l->sources);
}
