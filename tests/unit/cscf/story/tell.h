/* SPDX-License-Identifier: Apache-2.0 */
/* A store with a clock of its own, and messages for it from text. */
#ifndef TESTS_STORY_TELL_H
#define TESTS_STORY_TELL_H

#include "cscf/story/story.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t t_now = 1000000;
static struct cscf_story *t_story;

static uint64_t t_clock(void)
{
	return t_now;
}

static void t_open(int64_t ended, int64_t memory, int64_t messages)
{
	struct cscf_story_config cfg = {.ended_calls = ended,
					.memory = memory,
					.messages_per_call = messages,
					.now_ms = t_clock};

	t_now = 1000000;
	assert_int_equal(cscf_story_new(&t_story, &cfg), GW_OK);
}

static void t_close(void)
{
	cscf_story_free(t_story);
	t_story = NULL;
}

static struct cscf_sip_msg *t_msg(const char *text)
{
	static const struct cscf_sip_limits limits = {65536, 1000, 20000};
	struct cscf_sip_msg *msg = NULL;

	assert_int_equal(cscf_sip_msg_parse(&msg, text, strlen(text), &limits, false, NULL), GW_OK);
	return msg;
}

static void t_wire(enum cscf_sip_side side, bool in, const char *text)
{
	struct cscf_sip_flow flow = {.side = side, .conn = side == CSCF_SIP_W2 ? 7 : 0};
	struct cscf_sip_msg *msg = t_msg(text);

	cscf_story_wire(t_story, &(struct cscf_sip_wire){.in = in, .flow = &flow, .msg = msg});
	cscf_sip_msg_free(msg);
}

static struct cscf_story_call *t_find(const char *what)
{
	struct cscf_story_call *c = NULL;
	struct cscf_story_ask ask = {.what = what};

	return cscf_story_find(t_story, &ask, &c) == CSCF_STORY_ONE ? c : NULL;
}

#endif
