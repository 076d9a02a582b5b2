/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages into stories: whose it is, whether it came or went before, and its lines.
 *
 * Whose: our two legs share Call-ID and tags. Who sent a message (the caller, by its tag), whether
 * it is a request, the side and the way tell whether the WIC of that call is its caller; between
 * several of those (a forked INVITE, one sent again after a refusal) the connection, the
 * branch of the INVITE or the callee's tag decide, else it is the newest.
 */
#include "cscf/story/story_int.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_BACK 24U /* entries among which a repeat is looked for */

static struct gw_slice branch_of(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_via via;

	return cscf_sip_msg_top_via(msg, &via) ? via.branch : GW_SLICE_NONE;
}

/* ---- whose ------------------------------------------------------------------------------------
 */

struct clues {
	struct gw_slice call_id, from_tag, to_tag;
	uint64_t branch;
	bool outwards; /* W2 in or Mw out: seen from a call of a WIC, towards the callee */
	bool request;
	uint64_t conn; /* W2; 0 on Mw */
};

static bool has_tag(const struct cscf_story_call *c, struct gw_slice tag)
{
	for (size_t i = 0; i < STORY_TAGS && tag.n > 0; i++)
		if (c->tag[i] != NULL && gw_slice_eq(story_line_slice(c->tag[i]), tag))
			return true;
	return false;
}

/* 0 = not that call; more = more of what tells calls apart speaks for it. */
static unsigned fits(const struct cscf_story_call *c, const struct clues *k)
{
	bool by_caller = gw_slice_eq(story_line_slice(c->caller_tag), k->from_tag);
	struct gw_slice callee = by_caller ? k->to_tag : k->from_tag;

	if (!gw_slice_eq(story_line_slice(c->call_id), k->call_id))
		return 0;
	if (!by_caller && !gw_slice_eq(story_line_slice(c->caller_tag), k->to_tag))
		return 0;
	if (c->from_wic != (k->outwards == (k->request == by_caller)))
		return 0;
	return 1U + (k->branch == c->branch ? 4U : 0U) + (has_tag(c, callee) ? 2U : 0U) +
	       (k->conn != 0 && k->conn == c->conn ? 2U : 0U);
}

static struct cscf_story_call *owner_of(const struct cscf_story *st, const struct clues *k)
{
	struct cscf_story_call *best = NULL;
	unsigned most = 0;

	for (struct cscf_story_call *c = story_by_call_id(st, k->call_id); c != NULL; c = c->same) {
		unsigned n = fits(c, k);

		if (n > most) {
			most = n;
			best = c;
		}
	}
	return best;
}

static void learn_tag(struct cscf_story_call *c, const struct clues *k)
{
	if (k->to_tag.n == 0 || has_tag(c, k->to_tag))
		return;
	for (size_t i = 0; i < STORY_TAGS; i++)
		if (c->tag[i] == NULL) {
			c->tag[i] = story_line_get(&c->st->lines, k->to_tag, GW_SLICE_NONE);
			return;
		}
}

/* ---- lines ------------------------------------------------------------------------------------
 */

static struct story_line *first_line(struct story_lines *t, const struct cscf_sip_msg *msg)
{
	char text[512];
	int status = cscf_sip_msg_status(msg);
	struct gw_slice safe;

	if (status != 0)
		snprintf(text, sizeof(text), "SIP/2.0 %d %.*s", status,
			 GW_SLICE_FMT(cscf_sip_msg_reason(msg)));
	else
		snprintf(text, sizeof(text), "%.*s %.*s SIP/2.0",
			 GW_SLICE_FMT(cscf_sip_msg_method_text(msg)),
			 GW_SLICE_FMT(cscf_sip_msg_uri(msg)));
	safe = story_safe_value(GW_SLICE_NONE, gw_slice_str(text));
	return story_line_get(t, safe, GW_SLICE_NONE);
}

/* The SDP of the message, if it has one; all other bodies are only counted. */
static struct gw_slice sdp_of(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_part part;

	if (cscf_sip_msg_body(msg).n == 0 ||
	    cscf_sip_msg_find_part(msg, "application/sdp", &part) != GW_OK)
		return GW_SLICE_NONE;
	return part.body;
}

static struct gw_slice next_line(struct gw_slice *rest)
{
	const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
	struct gw_slice line = *rest;

	if (end != NULL)
		line.n = (size_t)(end - rest->p);
	rest->p += line.n + (end != NULL ? 1U : 0U);
	rest->n -= line.n + (end != NULL ? 1U : 0U);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static size_t add_head(struct story_lines *t, const struct cscf_sip_msg *msg,
		       struct story_line **to, size_t room)
{
	struct gw_slice name, value;
	size_t n = 0;

	to[n++] = first_line(t, msg);
	for (size_t i = 0; n < room && cscf_sip_msg_field(msg, i, &name, &value); i++)
		to[n++] = story_line_get(t, name, story_safe_value(name, value));
	return n;
}

static size_t add_sdp(struct story_lines *t, struct gw_slice sdp, struct story_line **to,
		      size_t room)
{
	size_t n = 0;

	while (sdp.n > 0 && n < room) {
		struct gw_slice line = next_line(&sdp);
		char said[64];
		bool cut;

		if (line.n == 0)
			continue;
		line = story_safe_sdp(line, &cut);
		if (cut) {
			snprintf(said, sizeof(said), "%.*s(removed)", GW_SLICE_FMT(line));
			line = gw_slice_str(said);
		}
		to[n++] = story_line_get(t, line, GW_SLICE_NONE);
	}
	return n;
}

static uint64_t print_of(struct story_line *const *lines, size_t n)
{
	uint64_t print = n;

	for (size_t i = 0; i < n; i++)
		print =
		    print * UINT64_C(0x9e3779b97f4a7c15) ^ (lines[i] != NULL ? lines[i]->hash : 0);
	return print;
}

/* @return NULL: no memory */
static struct story_msg *msg_new(struct cscf_story *st, const struct cscf_sip_msg *msg)
{
	static struct story_line *lines[STORY_LINES_MAX];
	struct gw_slice sdp = sdp_of(msg);
	size_t head = add_head(&st->lines, msg, lines, STORY_LINES_MAX);
	size_t body = add_sdp(&st->lines, sdp, lines + head, STORY_LINES_MAX - head);
	struct story_msg *m = malloc(sizeof(*m) + (head + body) * sizeof(m->line[0]));

	if (m == NULL) {
		for (size_t i = 0; i < head + body; i++)
			story_line_put(&st->lines, lines[i]);
		return NULL;
	}
	*m = (struct story_msg){.cseq = cscf_sip_msg_cseq(msg),
				.status = (uint16_t)cscf_sip_msg_status(msg),
				.n_head = (uint16_t)head,
				.n_body = (uint16_t)body,
				.cut = head + body == STORY_LINES_MAX};
	if (body == 0)
		m->body_n = (uint32_t)cscf_sip_msg_body(msg).n;
	memcpy(m->line, lines, (head + body) * sizeof(lines[0]));
	m->method = story_line_get(&st->lines, cscf_sip_msg_method_text(msg), GW_SLICE_NONE);
	m->print = print_of(lines, head + body);
	st->octets += sizeof(*m) + (head + body) * sizeof(m->line[0]) + 16;
	return m;
}

static void msg_drop(struct cscf_story *st, struct story_msg *m)
{
	size_t n = (size_t)m->n_head + m->n_body;

	for (size_t i = 0; i < n; i++)
		story_line_put(&st->lines, m->line[i]);
	story_line_put(&st->lines, m->method);
	st->octets -= sizeof(*m) + n * sizeof(m->line[0]) + 16;
	free(m);
}

/* ---- entries ----------------------------------------------------------------------------------
 */

static struct story_msg *find_same(const struct cscf_story_call *c, const struct cscf_sip_wire *w,
				   const struct story_msg *m)
{
	size_t n = story_held(c);

	for (size_t i = 0; i < n && i < LOOK_BACK; i++) {
		const struct story_entry *e = story_at(c, n - 1 - i);

		if (e->kind == STORY_SIP && e->msg != NULL && e->in == w->in &&
		    e->side == w->flow->side && e->msg->print == m->print)
			return e->msg;
	}
	return NULL;
}

/* An answer of ours goes out once more: only its request and status are known. */
static void again(struct cscf_story_call *c, const struct cscf_sip_wire *w)
{
	struct gw_slice method = cscf_sip_msg_method_text(w->msg);
	size_t n = story_held(c);

	for (size_t i = 0; i < n && i < LOOK_BACK; i++) {
		const struct story_entry *e = story_at(c, n - 1 - i);

		if (e->kind == STORY_SIP && e->msg != NULL && !e->in && e->side == w->flow->side &&
		    e->msg->status == w->again_status &&
		    e->msg->cseq == cscf_sip_msg_cseq(w->msg) &&
		    gw_slice_eq(story_line_slice(e->msg->method), method)) {
			e->msg->repeats++;
			return;
		}
	}
}

static void note_final(struct cscf_story_call *c, const struct cscf_sip_wire *w)
{
	int status = cscf_sip_msg_status(w->msg);
	bool to_caller = !w->in && (w->flow->side == CSCF_SIP_W2) == c->from_wic;

	if (!to_caller || status < 200 || cscf_sip_msg_method(w->msg) != CSCF_SIP_INVITE ||
	    c->status >= 200)
		return;
	c->status = status;
	if (status < 300)
		c->answered_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms) + 1;
	else if (c->place == STORY_TURNED_AWAY)
		c->ended_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms) + 1;
}

static void keep(struct cscf_story_call *c, const struct cscf_sip_wire *w)
{
	struct story_msg *m = msg_new(c->st, w->msg), *same;
	struct story_entry *e;

	if (m == NULL) {
		c->lost++;
		return;
	}
	same = find_same(c, w, m);
	if (same != NULL) {
		same->repeats++;
		msg_drop(c->st, m);
		return;
	}
	e = story_push(c, STORY_SIP);
	if (e == NULL) {
		msg_drop(c->st, m);
		return;
	}
	e->in = w->in;
	e->side = (uint8_t)w->flow->side;
	e->msg = m;
}

static bool begins_call(const struct cscf_sip_wire *w, const struct clues *k)
{
	return w->in && k->request && cscf_sip_msg_method(w->msg) == CSCF_SIP_INVITE &&
	       k->to_tag.n == 0;
}

void cscf_story_wire(struct cscf_story *st, const struct cscf_sip_wire *w)
{
	struct cscf_story_call *c;
	struct clues k;

	if (st == NULL || cscf_sip_msg_method(w->msg) == CSCF_SIP_REGISTER)
		return;
	k = (struct clues){
	    .call_id = cscf_sip_msg_call_id(w->msg),
	    .from_tag = cscf_sip_msg_from_tag(w->msg),
	    .to_tag = cscf_sip_msg_to_tag(w->msg),
	    .branch = story_hash(&st->lines, branch_of(w->msg)),
	    .outwards = (w->flow->side == CSCF_SIP_W2) == w->in,
	    .request = cscf_sip_msg_status(w->msg) == 0 && (w->again_status == 0 || w->why != NULL),
	    .conn = w->flow->side == CSCF_SIP_W2 ? w->flow->conn : 0,
	};
	c = owner_of(st, &k);
	if (begins_call(w, &k) && (c == NULL || c->branch != k.branch)) {
		c = story_call_new(st, w->msg, w->flow->side == CSCF_SIP_W2);
		if (c == NULL)
			return;
		c->branch = k.branch;
		c->conn = k.conn;
		c->had_flow = k.conn != 0;
	}
	if (c == NULL)
		return;
	if (w->why != NULL) {
		cscf_story_refused(st, w->msg, w->again_status, w->why);
		return;
	}
	if (w->again_status != 0) {
		again(c, w);
		return;
	}
	if (!k.request)
		learn_tag(c, &k);
	keep(c, w);
	note_final(c, w);
}
