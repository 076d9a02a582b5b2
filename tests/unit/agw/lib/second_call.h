/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two calls on one worker: with a shared access port, both on that.
 */
#ifndef TESTS_UNIT_AGW_LIB_SECOND_CALL_H
#define TESTS_UNIT_AGW_LIB_SECOND_CALL_H

#include "tests/unit/agw/lib/call.h"

#define GCM "SRTP_AEAD_AES_128_GCM"

static struct agw_media *second;

static inline int one_worker(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1});
}

static inline void connect_first(struct bench *b)
{
	connect_with(b, GCM);
}

/* A stream like the bench's, for that WIC. */
static inline void add_stream(struct bench *b, struct agw_media *m, uint32_t id,
			      const struct wic *w, struct agw_stream_local *local)
{
	struct agw_stream_params p = b->params;

	p.id = id;
	p.access.fps[0] = w->fp;
	assert_int_equal(agw_media_add(m, &p, 1, local, NULL, NULL), GW_OK);
}

static inline void add_second(struct bench *b, struct wic *w, struct agw_stream_local *local)
{
	wic_open(w, "127.0.0.1", true, GCM);
	assert_int_equal(agw_media_new(&second, b->pool, OTHER_OWNER, "ctx=second"), GW_OK);
	add_stream(b, second, 2, w, local);
	wic_aim(w, &local->access[AGW_FAMILY_V4]);
}

#endif
