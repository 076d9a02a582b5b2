/* SPDX-License-Identifier: Apache-2.0 */
/* What call.c (both ways), call_out.c (caller) and call_in.c (callee) share. */
#ifndef TESTS_WIC_CALL_INT_H
#define TESTS_WIC_CALL_INT_H

#include "tests/wic/call.h"
#include "tests/wic/sdp.h"

enum wic_call_state {
	TRYING,  /* INVITE sent */
	EARLY,   /* a provisional answer came */
	RINGING, /* callee, not answered yet */
	UP,
	DRAINING, /* no more RTP from us; BYE follows */
	ENDING,   /* BYE or CANCEL sent */
	OVER,
};

struct wic_call {
	struct wic_call *next;
	struct wic_client *c;
	unsigned number;
	enum wic_call_state state;
	bool caller, was_up, cancelled, half_done;
	char call_id[200], local[500], remote[500], tag[24];
	char target[500], routes[2000];
	char invite_uri[500], invite_branch[WIC_BRANCH_LEN];
	unsigned cseq, invite_cseq, auth_tries;
	struct wic_sip *invite;     /* owned; callee: to be answered */
	struct wic_sdp offer;       /* callee: what the gateway offered */
	struct wic_media *media;    /* owned */
	struct event *timer, *reap; /* owned */
	int64_t started_us;
};

/* --- call.c --- */
struct wic_call *call_find(struct wic_client *c, const struct wic_sip *m);
struct wic_call *call_new(struct wic_client *c, bool caller);
void call_arm(struct wic_call *k, int64_t ms);
void call_say(const struct wic_call *k, const char *event, const char *fmt, ...) GW_PRINTF(3, 4);
/** by: local, remote or error. The memory goes in the next turn. */
void call_end(struct wic_call *k, const char *by);
/** It never came up. */
void call_fail(struct wic_call *k, unsigned status, const char *why);
void call_came_up(struct wic_call *k);
void call_hang_up(struct wic_call *k);
struct wic_request call_in_dialog(const struct wic_call *k, const char *method);
void call_keep_dialog(struct wic_call *k, const struct wic_sip *m);
/** @return NULL, or why not */
const char *call_start_media(struct wic_call *k, struct wic_sdp *sdp);

/* --- call_out.c --- */
void call_send_cancel(struct wic_call *k);
void call_send_ack(struct wic_call *k, const struct wic_sip *m);

/* --- call_in.c --- */
void call_answer(struct wic_call *k);
void call_incoming(struct wic_client *c, const struct wic_sip *m);
void call_on_cancel(struct wic_call *k, const struct wic_sip *m);
void call_on_reinvite(struct wic_call *k, const struct wic_sip *m);

#endif
