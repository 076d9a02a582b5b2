/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile frames: the octets are fed whole and in pieces of three; both ways must end alike, and
 * no message may be over its limit or, when text, be anything but UTF-8.
 */
#include "cscf/ws/conn.h"
#include "cscf/ws/frame.h"

#include <stdlib.h>

#define MAX_MESSAGE 4096

struct sum {
	uint64_t hash;
	unsigned events;
};

static void mix(struct sum *s, const uint8_t *bytes, size_t len, uint64_t kind)
{
	s->events++;
	s->hash = s->hash * 31 + kind;
	for (size_t i = 0; i < len; i++)
		s->hash = s->hash * 31 + bytes[i];
}

static bool on_frame(void *arg)
{
	mix(arg, NULL, 0, 1);
	return true;
}

static bool on_message(void *arg, const uint8_t *bytes, size_t len, bool binary)
{
	if (len > MAX_MESSAGE || (!binary && !cscf_ws_utf8_valid(bytes, len)))
		abort();
	mix(arg, bytes, len, binary ? 3 : 2);
	return true;
}

static bool on_control(void *arg, enum cscf_ws_opcode op, const uint8_t *bytes, size_t len)
{
	if (len > 125)
		abort();
	mix(arg, bytes, len, op);
	return true;
}

static const struct cscf_ws_frame_cbs cbs = {on_frame, on_message, on_control};

static uint16_t run(struct sum *sum, const uint8_t *bytes, size_t len, size_t step)
{
	struct cscf_ws_frames *f = NULL;
	uint16_t code = 0;

	if (cscf_ws_frames_new(&f, MAX_MESSAGE, &cbs, sum) != GW_OK)
		abort();
	for (size_t i = 0; i < len; i += step)
		if (cscf_ws_frames_feed(f, bytes + i, len - i < step ? len - i : step, &code) !=
		    GW_OK)
			break;
	cscf_ws_frames_free(f);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct sum whole = {0}, pieces = {0};
	uint16_t a = run(&whole, bytes, len, len > 0 ? len : 1);
	uint16_t b = run(&pieces, bytes, len, 3);

	if (a != b || whole.events != pieces.events || whole.hash != pieces.hash)
		abort();
	return 0;
}
