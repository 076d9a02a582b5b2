/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the stories: what one is made of, and what the files do for each other.
 *
 *   lines.c    text kept once          entries.c  the bounded list of one call
 *   store.c    all calls, their bounds sip.c, secret.c, record.c, media.c  recording
 *   find.c     by id, Call-ID, user    rows.c     entries in the order of time, as rows
 *   describe.c, sdp_brief.c  what a row says      mask_text.c  users to pseudonyms
 *   text.c, json.c           the two forms
 */
#ifndef CSCF_STORY_STORY_INT_H
#define CSCF_STORY_STORY_INT_H

#include "common/slice.h"
#include "cscf/story/story.h"

#include <time.h>

#define STORY_TAGS       4    /* callees of one call told apart by tag */
#define STORY_STREAMS    16   /* media streams of one call */
#define STORY_REFUSED_PC 4    /* refused calls get one part in so many */
#define STORY_LINE_MAX   1024 /* octets of one line; the rest of a longer one is not kept */
#define STORY_NAME_MAX   64   /* of a field's name */
#define STORY_SHARES     64U  /* of explain.memory one call gets one part in so many */
#define STORY_SHARE_MIN  ((size_t)256 * 1024)
#define STORY_SHARE_MAX  ((size_t)1024 * 1024) /* this bounds what one explain costs, too */
#define STORY_LINES_MAX  600                   /* of one message */

/* ---- lines.c: every text once, counted */

struct story_line {
	struct story_line *next;
	uint64_t hash;
	uint32_t refs;
	uint32_t n;
	char text[]; /* n octets and a NUL */
};

struct story_lines {
	struct story_line **buckets; /* owned */
	size_t n_buckets;            /* power of two */
	size_t count;
	size_t octets; /* of all lines with their heads */
	uint64_t key[2];
};

enum gw_err story_lines_init(struct story_lines *t, size_t n_buckets) GW_MUST_CHECK;
void story_lines_fini(struct story_lines *t);
/** One reference for the caller; NULL: no memory. */
struct story_line *story_line_get(struct story_lines *t, struct gw_slice text);
/** "name: value", without secrets. @param key  of the name (cscf_sip_field_key) */
struct story_line *story_line_field(struct story_lines *t, struct gw_slice name, uint32_t key,
				    struct gw_slice value);
struct story_line *story_line_str(struct story_lines *t, const char *text);
/** As story_line_get, without secrets. @param sdp  a line of SDP */
struct story_line *story_line_safe(struct story_lines *t, struct gw_slice text, bool sdp);
/** Give a reference back. NULL is legal. */
void story_line_put(struct story_lines *t, struct story_line *l);
uint64_t story_hash(const struct story_lines *t, struct gw_slice s);
/** What a line of n octets takes. */
size_t story_line_cost(size_t n);

static inline const char *story_line_text(const struct story_line *l)
{
	return l != NULL ? l->text : "";
}

static inline struct gw_slice story_line_slice(const struct story_line *l)
{
	return l != NULL ? (struct gw_slice){l->text, l->n} : GW_SLICE_NONE;
}

/* ---- what one call's story is made of */

enum story_kind {
	STORY_SIP,
	STORY_REFUSED,
	STORY_STATE,
	STORY_TIMER,
	STORY_NOTE,
	STORY_IQ,
	STORY_EVENT,
	STORY_GATE,
	STORY_RELEASE,
};

struct story_msg {
	uint64_t print; /* of all its lines: a repeat has the same */
	uint32_t cseq;
	uint32_t body_n; /* octets of a body that is not kept */
	uint32_t share;  /* of the call's room: its lines as if no other message had them */
	uint16_t status; /* 0 = request */
	uint16_t repeats;
	uint16_t n_head; /* first line and fields */
	uint16_t n_body; /* lines of SDP */
	bool cut;        /* more lines than are kept */
	struct story_line *method;
	struct story_line *line[]; /* counted */
};

struct story_entry {
	uint32_t at_ms; /* since the story began */
	uint8_t kind;   /* enum story_kind */
	bool in;        /* SIP: received. IQ: an answer */
	uint8_t side;   /* SIP: enum cscf_sip_side. Otherwise: enum cscf_story_who */
	bool flag;      /* IQ: repeated or moved. GATE: uplink */
	uint32_t number;
	union {
		struct story_msg *msg; /* owned */
		struct {
			const char *word;         /* static */
			struct story_line *more;  /* counted */
			struct story_line *third; /* counted */
		} is;
	};
};

struct story_dir {
	uint64_t packets, octets, lost, dropped;
	uint32_t jitter;
	uint32_t rtt_us, mos_x100;          /* of its receiver; 0 = not known */
	uint32_t first_in_ms, first_out_ms; /* since the story began, plus 1; 0 = never */
};

struct story_stream {
	uint32_t id;
	const char *kind, *dtls; /* static; NULL = not known */
	struct story_line *codecs;
	bool live, gates_known, gate_up, gate_down;
	bool has_stats, final;
	struct story_dir up, down;
	uint32_t stats_ms; /* when they were told */
	/* as first_in_ms */
	uint32_t ice_check_ms, ice_up_ms, dtls_start_ms, dtls_up_ms;
	struct story_line *profile, *version, *local, *remote, *core; /* counted */
};

enum story_place { STORY_LIVE, STORY_ENDED, STORY_TURNED_AWAY, STORY_PLACES };

struct cscf_story_call {
	struct cscf_story_call *prev, *next; /* in its place, oldest first */
	struct cscf_story_call *same;        /* in the index by Call-ID, newest first */
	struct cscf_story *st;
	enum story_place place;
	bool from_wic;
	gw_handle id; /* of the call; GW_HANDLE_NONE: refused before it was one */
	uint64_t serial;
	bool had_flow;
	uint64_t conn;     /* W2 */
	uint64_t branch;   /* hash of the INVITE's */
	uint64_t began_ms; /* monotonic */
	int64_t began_wall_ms;
	uint32_t answered_ms, ended_ms; /* since it began, plus 1; 0 = not yet */
	uint64_t id_hash;
	struct story_line *call_id, *caller_tag, *tag[STORY_TAGS], *impu, *icid;
	const char *cause, *verdict, *reason, *why, *state; /* static */
	const char *trouble, *trouble_why; /* static: the last bad news of the AGW */
	enum cscf_story_who by;
	int status;                  /* the INVITE's final answer to the caller */
	struct story_entry *entries; /* owned */
	size_t cap;
	size_t share;                 /* of its messages */
	uint64_t n;                   /* ever pushed */
	uint64_t lost;                /* not kept for want of memory */
	struct story_stream *streams; /* owned */
	size_t n_streams;
};

struct cscf_story {
	struct cscf_story_config cfg;
	struct story_lines lines;
	struct cscf_story_call **index; /* owned, by Call-ID */
	size_t n_index;
	struct cscf_story_call *first[STORY_PLACES], *last[STORY_PLACES];
	size_t count[STORY_PLACES];
	size_t octets; /* of all but the lines */
	uint64_t serial, left_out;
};

/* ---- store.c */
uint64_t story_now_ms(const struct cscf_story *st);
/** A new call, where it can be evicted until it is begun. NULL: no room. */
struct cscf_story_call *story_call_new(struct cscf_story *st, const struct cscf_sip_msg *invite,
				       bool from_wic);
void story_call_free(struct cscf_story_call *c);
void story_call_move(struct cscf_story_call *c, enum story_place to);
/** Make room: evict what may go. @return false: still over explain.memory */
bool story_make_room(struct cscf_story *st);
/** Over explain.memory? */
bool story_is_full(const struct cscf_story *st);
/** What one call's messages may take, lines shared with others included. */
size_t story_share(const struct cscf_story *st);
/** The newest call of that Call-ID, the others by `same`. */
struct cscf_story_call *story_by_call_id(const struct cscf_story *st, struct gw_slice call_id);

/* ---- entries.c */
/** The next entry, its time set; NULL: no room (counted). */
struct story_entry *story_push(struct cscf_story_call *c, enum story_kind kind);
void story_entries_free(struct cscf_story_call *c);
/** How many are held, and the i-th of them, oldest first. */
size_t story_held(const struct cscf_story_call *c);
struct story_entry *story_at(const struct cscf_story_call *c, size_t i);
/** Entries left out between the first half and the ring. */
uint64_t story_left_out(const struct cscf_story_call *c);
/** As many are held before the gap. */
size_t story_head(const struct cscf_story_call *c);

/* ---- secret.c */
/** What of a header field may be kept: its value, or the words that stand for it. Good until the
 * next call of one of these. */
struct gw_slice story_safe_value(uint32_t key, struct gw_slice value);
/** The same for a line of SDP, and for any text. */
struct gw_slice story_safe_sdp(struct gw_slice line);
struct gw_slice story_safe_text(struct gw_slice text);

/* ---- media.c */
struct story_stream *story_stream_of(struct cscf_story_call *c, uint32_t id);
void story_streams_free(struct cscf_story_call *c);

/* ---- mask_text.c */
/** A line with its users as pseudonyms, without display names; takes time as the line is long.
 * @param to of n octets */
void story_mask_line(const char *line, char *to, size_t n);

/* ---- sdp_brief.c */
/** One m-line of a kept SDP: "audio opus/48000/2 PCMU/8000 sendrecv". @return next line to look
 * at, 0 = there was none */
size_t story_sdp_brief(const struct story_msg *m, size_t from, char *out, size_t n);

/* ---- rows.c: one thing that happened, in the order of time */

enum story_lane { STORY_L_WIC, STORY_L_CSCF, STORY_L_AGW, STORY_L_CORE };

struct story_row {
	uint32_t at_ms;
	enum story_lane from, to;    /* the same: it happened there */
	bool media;                  /* a packet, not a message */
	const struct story_entry *e; /* NULL: a milestone of a stream, or the gap */
	char label[40];
	char detail[256];
	char more[8][256];
	size_t n_more;
};

struct story_rows;
/** @param out to be freed with story_rows_free */
enum gw_err story_rows_new(struct story_rows **out, const struct cscf_story_call *c,
			   const struct cscf_story_view *v) GW_MUST_CHECK;
void story_rows_free(struct story_rows *r);
size_t story_rows_count(const struct story_rows *r);
const struct story_row *story_row(const struct story_rows *r, size_t i);

/* ---- json.c */
/** A peer's text as JSON: UTF-8, without what drives a terminal. NULL: no memory. */
json_t *story_json_text(const char *text);

/* ---- describe.c */
/** Label, detail, lanes of an entry. */
void story_describe(struct story_row *row, const struct cscf_story_call *c,
		    const struct story_entry *e, const struct cscf_story_view *v);
const char *story_who_name(enum cscf_story_who who);
/** "ended by the core: bye", "refused: unregistered", "live, CONFIRMED" */
void story_outcome(const struct cscf_story_call *c, char *out, size_t n);
bool story_has_failed(const struct cscf_story_call *c);
/** A line for people, masked when that is wanted. */
void story_say(const struct cscf_story_view *v, const char *text, char *out, size_t n);

#endif
