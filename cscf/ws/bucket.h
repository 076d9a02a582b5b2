/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token bucket: `rate` tokens a second, at most `burst` saved. No clock of its own.
 * Thread: the owner's.
 */
#ifndef CSCF_WS_BUCKET_H
#define CSCF_WS_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct cscf_ws_bucket {
	int64_t rate;    /* tokens per second; 0 = no limit */
	int64_t burst;   /* tokens */
	int64_t milli;   /* thousandths of a token left */
	int64_t last_ms; /* monotonic */
};

void cscf_ws_bucket_init(struct cscf_ws_bucket *b, int64_t rate, int64_t burst, int64_t now_ms);
/** Take one token if so many are left then; false when not. */
bool cscf_ws_bucket_take_above(struct cscf_ws_bucket *b, int64_t keep, int64_t now_ms);
/** Take one token; false when there is none. */
bool cscf_ws_bucket_take(struct cscf_ws_bucket *b, int64_t now_ms);

#endif
