/* SPDX-License-Identifier: Apache-2.0 */
/* Token bucket in thousandths of a token, so that slow rates lose nothing to rounding. */
#include "cscf/ws/bucket.h"

#define MILLI 1000

void cscf_ws_bucket_init(struct cscf_ws_bucket *b, int64_t rate, int64_t burst, int64_t now_ms)
{
	b->rate = rate;
	b->burst = burst > 0 ? burst : 1;
	b->milli = b->burst * MILLI;
	b->last_ms = now_ms;
}

bool cscf_ws_bucket_take(struct cscf_ws_bucket *b, int64_t now_ms)
{
	return cscf_ws_bucket_take_above(b, 0, now_ms);
}

bool cscf_ws_bucket_take_above(struct cscf_ws_bucket *b, int64_t keep, int64_t now_ms)
{
	int64_t full = b->burst * MILLI;
	int64_t elapsed = now_ms - b->last_ms;

	if (b->rate <= 0)
		return true;
	if (elapsed > 0) {
		/* rate tokens a second are rate thousandths a millisecond */
		if (elapsed > full / b->rate)
			b->milli = full;
		else
			b->milli += elapsed * b->rate;
		if (b->milli > full)
			b->milli = full;
		b->last_ms = now_ms;
	}
	if (b->milli < (keep + 1) * MILLI)
		return false;
	b->milli -= MILLI;
	return true;
}
