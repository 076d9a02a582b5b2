/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of agw/worker/worker.h that agw/context calls, without threads or sockets: what
 * was asked is remembered, failures are ordered by the test, streams come back when the test says
 * fake_give_back(). Defined here, so the linker takes nothing of the real ones.
 */
#ifndef TESTS_FAKE_WORKER_H
#define TESTS_FAKE_WORKER_H

#include "agw/context/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FAKE_STREAMS 64

struct agw_media {
	uint64_t owner;
	size_t n;
	struct agw_stream_params params[AGW_CTX_STREAMS_MAX];
	struct agw_stream_local local[AGW_CTX_STREAMS_MAX];
};

static struct {
	enum gw_err fail_add;
	enum gw_err fail_apply;
	const char *field;
	unsigned medias;
	const struct agw_media *last; /* that got streams */
	char log_id[AGW_LOG_ID_MAX];  /* of the last one */
	unsigned adds;
	unsigned applies;
	unsigned restarts;
	uint8_t cert; /* the newest: first octet of its fingerprint */
	size_t living;
	uint16_t next_port;
	const struct agw_pool_cbs *cbs;
	void *arg;
	struct {
		uint64_t owner;
		uint32_t id;
	} back[FAKE_STREAMS];
	size_t n_back;
} fake;

static inline void fake_reset(const struct agw_pool_cbs *cbs, void *arg)
{
	memset(&fake, 0, sizeof(fake));
	fake.next_port = 10000;
	fake.cbs = cbs;
	fake.arg = arg;
}

/* The workers return every stream asked for, with some counters. */
static inline void fake_give_back(void)
{
	while (fake.n_back > 0) {
		struct agw_stream_stats st;
		uint64_t owner = fake.back[0].owner;
		uint32_t id = fake.back[0].id;

		memset(&st, 0, sizeof(st));
		st.up.rtp_packets = 100 + id;
		fake.n_back--;
		memmove(fake.back, fake.back + 1, fake.n_back * sizeof(fake.back[0]));
		fake.cbs->on_released(fake.arg, owner, id, &st);
	}
}

static long fake_index(const struct agw_media *m, uint32_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->params[i].id == id)
			return (long)i;
	return -1;
}

enum gw_err agw_media_new(struct agw_media **out, struct agw_pool *pool, uint64_t owner,
			  const char *log_id)
{
	(void)pool;
	snprintf(fake.log_id, sizeof(fake.log_id), "%s", log_id);
	*out = calloc(1, sizeof(**out));
	(*out)->owner = owner;
	fake.medias++;
	return GW_OK;
}

void agw_media_free(struct agw_media *m)
{
	if (m == NULL)
		return;
	fake.living -= m->n;
	fake.medias--;
	free(m);
}

enum gw_err agw_media_add(struct agw_media *m, const struct agw_stream_params *params, size_t n,
			  struct agw_stream_local *locals, uint32_t *seq, const char **field)
{
	(void)seq;
	fake.adds++;
	*field = fake.field;
	if (fake.fail_add != GW_OK)
		return fake.fail_add;
	for (size_t i = 0; i < n; i++) {
		memset(&locals[i], 0, sizeof(locals[i]));
		locals[i].id = params[i].id;
		if (gw_addr_parse_ip(&locals[i].core_rtp, "192.0.2.9", fake.next_port++) != GW_OK)
			return GW_ERR_INVAL;
		m->params[m->n] = params[i];
		fake.last = m;
		m->local[m->n++] = locals[i];
		fake.living++;
	}
	return GW_OK;
}

bool agw_media_is_gathering(const struct agw_media *m, uint32_t id)
{
	(void)m;
	(void)id;
	return false; /* tests/unit/agw/iq/test_gather.c has real ones */
}

enum gw_err agw_media_apply(struct agw_media *m, const struct agw_stream_change *changes, size_t n,
			    struct agw_stream_local *locals, uint32_t *seq, const char **field)
{
	(void)seq;
	fake.applies++;
	*field = fake.field;
	if (fake.fail_apply != GW_OK)
		return fake.fail_apply;
	for (size_t i = 0; i < n; i++) {
		long k = fake_index(m, changes[i].params.id);

		if (k < 0)
			return GW_ERR_NOT_FOUND;
		m->params[k] = changes[i].params;
		if (changes[i].ice_restart) {
			fake.restarts++;
			m->local[k].ice_generation++;
		}
		if (changes[i].new_dtls) {
			m->local[k].fp.len = 1;
			m->local[k].fp.octets[0] =
			    changes[i].cert.len != 0 ? changes[i].cert.octets[0] : fake.cert;
		}
		if (locals != NULL)
			locals[i] = m->local[k];
	}
	return GW_OK;
}

void agw_media_next_cert(struct agw_media *m, struct agw_fingerprint *out)
{
	(void)m;
	*out = (struct agw_fingerprint){.hash = AGW_HASH_SHA256, .len = 1, .octets = {fake.cert}};
}

void agw_media_del(struct agw_media *m, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		long k = fake_index(m, ids[i]);

		if (k < 0)
			continue;
		fake.back[fake.n_back].owner = m->owner;
		fake.back[fake.n_back++].id = ids[i];
		m->n--;
		fake.living--;
		memmove(&m->params[k], &m->params[k + 1],
			(m->n - (size_t)k) * sizeof(m->params[0]));
		memmove(&m->local[k], &m->local[k + 1], (m->n - (size_t)k) * sizeof(m->local[0]));
	}
}

size_t agw_media_count(const struct agw_media *m)
{
	return m->n;
}

const struct agw_stream_params *agw_media_params(const struct agw_media *m, uint32_t id)
{
	long k = fake_index(m, id);

	return k >= 0 ? &m->params[k] : NULL;
}

const struct agw_stream_local *agw_media_local(const struct agw_media *m, uint32_t id)
{
	long k = fake_index(m, id);

	return k >= 0 ? &m->local[k] : NULL;
}

bool agw_media_stats(const struct agw_media *m, uint32_t id, struct agw_stream_stats *out)
{
	memset(out, 0, sizeof(*out));
	return fake_index(m, id) >= 0;
}

int agw_pool_fd(const struct agw_pool *pool)
{
	(void)pool;
	return -1;
}

void agw_pool_dispatch(struct agw_pool *pool)
{
	(void)pool;
}

#endif
