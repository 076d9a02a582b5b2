/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile octets on the Iq channel: fed whole and in pieces of three, the same frames and the
 * same end must come out, and no frame may be empty or over the limit.
 */
#include "proto/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct sum {
	uint64_t hash;
	uint64_t frames;
	enum gw_err end;
};

static void take(struct iq_frame_reader *r, struct sum *s)
{
	const uint8_t *p = NULL;
	size_t n = 0;

	while (iq_frame_next(r, &p, &n) == GW_OK) {
		if (n == 0 || n > IQ_FRAME_MAX)
			abort();
		s->frames++;
		for (size_t i = 0; i < n; i++)
			s->hash = s->hash * 31 + p[i];
	}
}

static struct sum run(const uint8_t *bytes, size_t len, size_t step)
{
	struct iq_frame_reader *r = NULL;
	struct sum s = {0, 0, GW_OK};

	if (iq_frame_reader_new(&r) != GW_OK)
		abort();
	for (size_t i = 0; i < len && s.end == GW_OK; i += step) {
		s.end = iq_frame_feed(r, bytes + i, len - i < step ? len - i : step);
		if (s.end == GW_OK)
			take(r, &s);
	}
	iq_frame_reader_free(r);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct sum whole = run(bytes, len, len > 0 ? len : 1);
	struct sum pieces = run(bytes, len, 3);

	/* frames before a broken one in the same feed are not given out: only then they differ */
	if (whole.end != pieces.end)
		abort();
	if (whole.end == GW_OK && (whole.hash != pieces.hash || whole.frames != pieces.frames))
		abort();
	return 0;
}
