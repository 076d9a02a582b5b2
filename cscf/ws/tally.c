/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by key, on uthash. */
#include "cscf/ws/tally.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct cscf_ws_tally_key {
	UT_hash_handle hh;
	int64_t n;
	size_t len;
	uint8_t key[];
};

static struct cscf_ws_tally_key *find(const struct cscf_ws_tally *t, const void *key, size_t len)
{
	struct cscf_ws_tally_key *k = NULL;

	HASH_FIND(hh, t->keys, key, len, k);
	return k;
}

enum gw_err cscf_ws_tally_add(struct cscf_ws_tally *t, const void *key, size_t len, int64_t max)
{
	struct cscf_ws_tally_key *k = find(t, key, len);

	if (k != NULL) {
		if (max > 0 && k->n >= max)
			return GW_ERR_LIMIT;
		k->n++;
		return GW_OK;
	}
	k = calloc(1, sizeof(*k) + len);
	if (k == NULL)
		return GW_ERR_NOMEM;
	k->n = 1;
	k->len = len;
	memcpy(k->key, key, len);
	HASH_ADD_KEYPTR(hh, t->keys, k->key, k->len, k);
	if (k->hh.tbl == NULL) {
		free(k);
		return GW_ERR_NOMEM;
	}
	return GW_OK;
}

void cscf_ws_tally_del(struct cscf_ws_tally *t, const void *key, size_t len)
{
	struct cscf_ws_tally_key *k = find(t, key, len);

	if (k == NULL || --k->n > 0)
		return;
	HASH_DELETE(hh, t->keys, k);
	free(k);
}

void cscf_ws_tally_fini(struct cscf_ws_tally *t)
{
	struct cscf_ws_tally_key *k = t->keys;

	HASH_CLEAR(hh, t->keys); /* the table only; the keys are still chained */
	while (k != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
		struct cscf_ws_tally_key *next = k->hh.next;

		free(k);
		k = next;
	}
}

size_t cscf_ws_source_key(const struct gw_addr *a, uint8_t key[8])
{
	if (a->u.sa.sa_family == AF_INET6) {
		const uint8_t *v6 = a->u.v6.sin6_addr.s6_addr;

		if (!IN6_IS_ADDR_V4MAPPED(&a->u.v6.sin6_addr)) {
			memcpy(key, v6, 8);
			return 8;
		}
		memcpy(key, v6 + 12, 4);
		return 4;
	}
	memcpy(key, &a->u.v4.sin_addr, 4);
	return 4;
}
