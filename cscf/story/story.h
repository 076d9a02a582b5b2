/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The story of each call, for `wicgatectl call explain`: what came and went on both sides, what
 * the AGW was asked and said, what fired, why it ended. Live calls and the last ones that ended,
 * refused ones too.
 *
 *   stack (each message) ─┐                                ┌─> text (a ladder)
 *   iq (each request)  ───┼─> typed entries of one call ───┤
 *   session (the rest) ───┘   in a bounded store           └─> JSON
 *
 * Recording formats nothing: a message becomes a list of its lines, each line is kept once for
 * all calls (lines.c); all else is a few words of static text and numbers. What is secret is
 * taken out before it is kept (secret.c), so the store never holds it. Bodies other than SDP are
 * not kept.
 *
 * Bounds: explain.messages_per_call entries of one call (the first half stays, the second is a
 * ring), explain.ended_calls, explain.memory for all. Over that the oldest go: refused ones (they
 * never get more than a quarter of the room, so a flood does not wash out the calls), then ended
 * ones; of live calls new entries are counted only.
 *
 * A message's call is found by Call-ID, tags, side and way: browser to browser through the core
 * is two calls of one Call-ID.
 *
 * Thread: the cscf loop. Every recording function takes NULL (nothing is recorded).
 */
#ifndef CSCF_STORY_STORY_H
#define CSCF_STORY_STORY_H

#include "common/err.h"
#include "common/handle.h"
#include "cscf/iq/procedures.h"
#include "cscf/sip/stack.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct cscf_story;      /* the store */
struct cscf_story_call; /* one call's */

/* Named as the knobs. */
struct cscf_story_config {
	int64_t ended_calls;       /* explain.ended_calls; 0 = none is kept after its end */
	int64_t memory;            /* explain.memory, octets */
	int64_t messages_per_call; /* explain.messages_per_call; 0 = off */
	uint64_t (*now_ms)(void);  /* NULL = the clock; tests have their own */
};

/** @return GW_OK (*out is NULL when it is off); GW_ERR_NOMEM */
enum gw_err cscf_story_new(struct cscf_story **out,
			   const struct cscf_story_config *cfg) GW_MUST_CHECK;
/** NULL is legal. */
void cscf_story_free(struct cscf_story *st);

/* ---- recording: texts called word are static, they are kept as pointers --------------------- */

enum cscf_story_who {
	CSCF_STORY_WIC,
	CSCF_STORY_CORE,
	CSCF_STORY_GATEWAY,
	CSCF_STORY_AGW,
};

/** One message at the edge of the SIP stack; an initial INVITE begins a story. */
void cscf_story_wire(struct cscf_story *st, const struct cscf_sip_wire *w);

/**
 * The call behind an INVITE exists now.
 * @param id    by which operators name it
 * @param conn  W2 connection
 * @return good until cscf_story_end; NULL: nothing is kept of it
 */
struct cscf_story_call *cscf_story_begin(struct cscf_story *st, const struct cscf_sip_msg *invite,
					 bool from_wic, gw_handle id);
/** Whose it is. Copied. */
void cscf_story_identify(struct cscf_story_call *c, const char *impu, const char *icid);
/** The WIC is on this connection now; 0 = on none. */
void cscf_story_flow(struct cscf_story_call *c, uint64_t conn);
/** An INVITE that the gateway refuses: the reason. */
void cscf_story_refused(struct cscf_story *st, const struct cscf_sip_msg *req, int status,
			const char *word);
void cscf_story_state(struct cscf_story_call *c, const char *word);
void cscf_story_timer(struct cscf_story_call *c, const char *word);
/** Anything else worth a line. @param detail copied; may be NULL */
void cscf_story_note(struct cscf_story_call *c, enum cscf_story_who who, const char *word,
		     const char *detail);
void cscf_story_iq(struct cscf_story_call *c, const struct cscf_iq_trace *t);
void cscf_story_event(struct cscf_story_call *c, const IqNotification *n);
/** Streams as they are configured: a gate that differs from before is told. */
void cscf_story_gates(struct cscf_story_call *c, IqStreamRequest *const *streams, size_t n);

struct cscf_story_stream {
	uint32_t id;
	const char *kind; /* static: "audio" */
	const char *dtls; /* static: the AGW's role */
	bool live;
	const char *codecs; /* copied */
};
/** A stream as it is now; called at the end, or before a live story is read. */
void cscf_story_stream(struct cscf_story_call *c, const struct cscf_story_stream *s);
/** What the AGW counted: `final` with the Release, else asked for while it lives. */
void cscf_story_stats(struct cscf_story_call *c, IqStreamStats *const *stats, size_t n, bool final);

struct cscf_story_release {
	const char *cause;   /* static */
	const char *verdict; /* static; NULL = no description was to blame */
	const char *reason;  /* static: Reason that the peers are told; NULL = none */
	enum cscf_story_who by;
};
void cscf_story_release(struct cscf_story_call *c, const struct cscf_story_release *r);
/** Nothing of the call is left; the pointer is dead. `status`: the INVITE's final answer. */
void cscf_story_end(struct cscf_story_call *c, int status);

/* ---- reading ----------------------------------------------------------------------------------
 */

struct cscf_story_ask {
	const char *what; /* id, Call-ID or its beginning, IMPU or its pseudonym; NULL = any */
	bool failed;      /* only what failed */
	bool last;        /* the newest of several */
};

enum cscf_story_found { CSCF_STORY_NONE, CSCF_STORY_ONE, CSCF_STORY_SEVERAL };

/** @param out  on ONE the call; valid until anything is recorded */
enum cscf_story_found cscf_story_find(const struct cscf_story *st, const struct cscf_story_ask *ask,
				      struct cscf_story_call **out);
/** The handle given to begin while the call lives; GW_HANDLE_NONE once it ended. */
gw_handle cscf_story_live_id(const struct cscf_story_call *c);
/** One row per match, newest first, at most `max`; `ended`: only those; `mask`:
 * pseudonyms. New reference. */
json_t *cscf_story_list(const struct cscf_story *st, const struct cscf_story_ask *ask, bool ended,
			bool mask, size_t max);

struct cscf_story_view {
	bool full; /* messages whole, without secrets */
	bool mask; /* pseudonyms instead of users */
};
/** The story as text, 120 columns at most (full: lines of messages are as long as they are).
 * Heap; NULL when out of memory */
char *cscf_story_text(const struct cscf_story_call *c, const struct cscf_story_view *v);
/** The same as JSON; new reference. */
json_t *cscf_story_json(const struct cscf_story_call *c, const struct cscf_story_view *v);

struct cscf_story_counts {
	size_t live, ended, refused, octets, lines;
	uint64_t left_out; /* entries not kept for want of room, since the start */
};
void cscf_story_counts(const struct cscf_story *st, struct cscf_story_counts *out);

#endif
