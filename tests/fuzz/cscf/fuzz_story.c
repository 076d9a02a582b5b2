/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile messages in a call's story: the input is a row of messages, each ended by an octet 0xff
 * and led by one that says side and way. They are kept, read as text and JSON in every view, and
 * evicted. Asserted: no line of the ladder over 120 columns, no ICE password shown, and nothing
 * counted as kept once all is given back.
 */
#include "cscf/story/story.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cscf_sip_limits limits = {1 << 16, 1000, 1 << 15};

static uint64_t no_time(void)
{
	return 1000;
}

static void take(struct cscf_story *st, const uint8_t *data, size_t n, bool begin)
{
	struct cscf_sip_flow flow = {.side = (data[0] & 1) != 0 ? CSCF_SIP_W2 : CSCF_SIP_MW,
				     .conn = 3};
	struct cscf_sip_wire w = {.in = (data[0] & 2) != 0, .flow = &flow};
	struct cscf_sip_msg *msg = NULL;

	if (cscf_sip_msg_parse(&msg, (const char *)data + 1, n - 1, &limits, false, NULL) !=
	    GW_OK) {
		cscf_sip_msg_free(msg);
		return;
	}
	w.msg = msg;
	cscf_story_wire(st, &w);
	if (begin)
		cscf_story_identify(cscf_story_begin(st, msg, flow.side == CSCF_SIP_W2, 5),
				    "sip:alice@ims.example", "icid");
	else if ((data[0] & 4) != 0)
		cscf_story_refused(st, msg, 403, "word");
	cscf_sip_msg_free(msg);
}

static void check(const char *text, bool full)
{
	static const char pwd[] = "\n          : a=ice-pwd:";
	const char *line = text;

	if (text == NULL)
		return;
	for (const char *p = text; !full && *p != '\0'; p++) {
		if (*p != '\n')
			continue;
		if (p - line > 120)
			abort();
		line = p + 1;
	}
	/* a line of a kept description; what a peer writes into a field is its own affair */
	for (const char *p = text; (p = strstr(p, pwd)) != NULL; p += sizeof(pwd) - 1)
		if (strncmp(p + sizeof(pwd) - 1, "(removed)", 9) != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cscf_story_config cfg = {
	    .ended_calls = 3, .memory = 65536, .messages_per_call = 9, .now_ms = no_time};
	struct cscf_story_ask ask = {.last = true};
	struct cscf_story_call *c = NULL;
	struct cscf_story *st = NULL;
	size_t at = 0;

	if (cscf_story_new(&st, &cfg) != GW_OK)
		return 0;
	while (at < size) {
		const uint8_t *end = memchr(data + at, 0xff, size - at);
		size_t n = end != NULL ? (size_t)(end - data) - at : size - at;

		if (n > 1)
			take(st, data + at, n, (data[at] & 8) != 0);
		at += n + 1;
	}
	for (unsigned v = 0; v < 4 && cscf_story_find(st, &ask, &c) == CSCF_STORY_ONE; v++) {
		struct cscf_story_view view = {.full = (v & 1) != 0, .mask = (v & 2) != 0};
		char *text = cscf_story_text(c, &view);

		check(text, view.full);
		free(text);
		json_decref(cscf_story_json(c, &view));
	}
	json_decref(cscf_story_list(st, &ask, false, true, 10));
	cscf_story_free(st);
	return 0;
}
