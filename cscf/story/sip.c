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
	const struct cscf_story *st;
	const struct cscf_sip_msg *msg;
	struct gw_slice method, call_id, from, to; /* from, to: whole values */
	bool outwards; /* W2 in or Mw out: seen from a call of a WIC, towards the callee */
	bool request;
	uint64_t conn; /* W2; 0 on Mw */
};

/* Does that From or To have that tag? Nearly always it stands at the end, without a question. */
static bool tag_is(struct gw_slice value, struct gw_slice tag, const struct clues *k, bool from)
{
	if (tag.n == 0 || value.n < tag.n + 5)
		return false;
	if (memcmp(value.p + value.n - tag.n, tag.p, tag.n) == 0 &&
	    memcmp(value.p + value.n - tag.n - 5, ";tag=", 5) == 0)
		return true;
	return memmem(value.p, value.n, tag.p, tag.n) != NULL &&
	       gw_slice_eq(from ? cscf_sip_msg_from_tag(k->msg) : cscf_sip_msg_to_tag(k->msg), tag);
}

static bool has_tag(const struct cscf_story_call *c, struct gw_slice value, const struct clues *k,
		    bool from)
{
	for (size_t i = 0; i < STORY_TAGS && c->tag[i] != NULL; i++)
		if (tag_is(value, story_line_slice(c->tag[i]), k, from))
			return true;
	return false;
}

static uint64_t branch_hash(const struct clues *k)
{
	return story_hash(&k->st->lines, branch_of(k->msg));
}

/* Is it a message of that call, by what all its messages have? */
static bool may_be(const struct cscf_story_call *c, const struct clues *k, bool *by_caller)
{
	struct gw_slice tag = story_line_slice(c->caller_tag);

	if (!gw_slice_eq(story_line_slice(c->call_id), k->call_id))
		return false;
	*by_caller = tag_is(k->from, tag, k, true);
	if (!*by_caller && !tag_is(k->to, tag, k, false))
		return false;
	return c->from_wic == (k->outwards == (k->request == *by_caller));
}

/* More = more of what tells calls of one Call-ID apart speaks for it. */
static unsigned fits(const struct cscf_story_call *c, const struct clues *k, bool by_caller)
{
	return 1U + (branch_hash(k) == c->branch ? 4U : 0U) +
	       (has_tag(c, by_caller ? k->to : k->from, k, !by_caller) ? 2U : 0U) +
	       (k->conn != 0 && k->conn == c->conn ? 2U : 0U);
}

static struct cscf_story_call *owner_of(const struct clues *k)
{
	struct cscf_story_call *first = story_by_call_id(k->st, k->call_id), *best = NULL;
	unsigned most = 0;
	bool by_caller;

	for (struct cscf_story_call *c = first; c != NULL; c = c->same) {
		unsigned n;

		if (!may_be(c, k, &by_caller))
			continue;
		if (c == first && c->same == NULL)
			return c; /* the usual case: there is no other */
		n = fits(c, k, by_caller);
		if (n > most) {
			most = n;
			best = c;
		}
	}
	return best;
}

static void learn_tag(struct cscf_story_call *c, const struct clues *k)
{
	struct gw_slice tag;

	if (has_tag(c, k->to, k, false))
		return;
	tag = cscf_sip_msg_to_tag(k->msg);
	for (size_t i = 0; i < STORY_TAGS && tag.n > 0; i++)
		if (c->tag[i] == NULL) {
			c->tag[i] = story_line_get(&c->st->lines, tag);
			return;
		}
}

/* ---- lines ------------------------------------------------------------------------------------
 */

struct text {
	char p[512];
	size_t n;
};

static void put(struct text *t, struct gw_slice s)
{
	if (s.n > sizeof(t->p) - t->n)
		s.n = sizeof(t->p) - t->n;
	if (s.n > 0)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

static struct story_line *first_line(struct story_lines *t, const struct cscf_sip_msg *msg,
				     struct gw_slice method)
{
	unsigned status = (unsigned)cscf_sip_msg_status(msg) % 1000;
	char code[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
			(char)('0' + status % 10), ' '};
	struct text text;

	text.n = 0;
	if (status != 0) {
		put(&text, GW_SLICE_LIT("SIP/2.0 "));
		put(&text, (struct gw_slice){code, sizeof(code)});
		put(&text, cscf_sip_msg_reason(msg));
	} else {
		put(&text, method);
		put(&text, GW_SLICE_LIT(" "));
		put(&text, cscf_sip_msg_uri(msg));
		put(&text, GW_SLICE_LIT(" SIP/2.0"));
	}
	return story_line_safe(t, (struct gw_slice){text.p, text.n}, false);
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
		       struct gw_slice method, struct story_line **to, size_t room)
{
	struct gw_slice name, value;
	uint32_t key;
	size_t n = 0;

	to[n++] = first_line(t, msg, method);
	for (size_t i = 0; n < room && cscf_sip_msg_field(msg, i, &name, &value, &key); i++)
		to[n++] = story_line_field(t, name, key, value);
	return n;
}

static size_t add_sdp(struct story_lines *t, struct gw_slice sdp, struct story_line **to,
		      size_t room)
{
	size_t n = 0;

	while (sdp.n > 0 && n < room) {
		struct gw_slice line = next_line(&sdp);

		if (line.n > 0)
			to[n++] = story_line_safe(t, line, true);
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

static uint32_t share_of(const struct story_msg *m)
{
	size_t n = sizeof(*m);

	for (size_t i = 0; i < (size_t)m->n_head + m->n_body; i++)
		n += sizeof(m->line[0]) + story_line_cost(story_line_slice(m->line[i]).n);
	return (uint32_t)n;
}

/* @return NULL: no memory */
static struct story_msg *msg_new(struct cscf_story *st, const struct cscf_sip_msg *msg,
				 struct gw_slice method)
{
	static struct story_line *lines[STORY_LINES_MAX];
	struct gw_slice sdp = sdp_of(msg);
	size_t head = add_head(&st->lines, msg, method, lines, STORY_LINES_MAX);
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
	m->method = story_line_get(&st->lines, method);
	m->print = print_of(lines, head + body);
	m->share = share_of(m);
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

/* Its first line alone: of a call that has had its share. */
static struct story_msg *msg_cut(struct cscf_story *st, struct story_msg *m)
{
	size_t n = (size_t)m->n_head + m->n_body;
	struct story_msg *smaller;

	for (size_t i = 1; i < n; i++)
		story_line_put(&st->lines, m->line[i]);
	st->octets -= (n - 1) * sizeof(m->line[0]);
	m->n_head = 1;
	m->n_body = 0;
	m->cut = true;
	m->share = share_of(m);
	st->left_out++;
	smaller = realloc(m, sizeof(*m) + sizeof(m->line[0]));
	return smaller != NULL ? smaller : m;
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
static void again(struct cscf_story_call *c, const struct cscf_sip_wire *w, const struct clues *k)
{
	size_t n = story_held(c);

	for (size_t i = 0; i < n && i < LOOK_BACK; i++) {
		const struct story_entry *e = story_at(c, n - 1 - i);

		if (e->kind == STORY_SIP && e->msg != NULL && !e->in && e->side == w->flow->side &&
		    e->msg->status == w->again_status &&
		    e->msg->cseq == cscf_sip_msg_cseq(w->msg) &&
		    gw_slice_eq(story_line_slice(e->msg->method), k->method)) {
			e->msg->repeats++;
			return;
		}
	}
}

static void note_final(struct cscf_story_call *c, const struct cscf_sip_wire *w,
		       const struct clues *k)
{
	int status = cscf_sip_msg_status(w->msg);
	bool to_caller = !w->in && (w->flow->side == CSCF_SIP_W2) == c->from_wic;

	if (!to_caller || status < 200 || !gw_slice_eq_str(k->method, "INVITE") || c->status >= 200)
		return;
	c->status = status;
	if (status < 300)
		c->answered_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms) + 1;
	else if (c->place == STORY_TURNED_AWAY)
		c->ended_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms) + 1;
}

static void keep(struct cscf_story_call *c, const struct cscf_sip_wire *w, const struct clues *k)
{
	struct story_msg *m = msg_new(c->st, w->msg, k->method), *same;
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
	if (c->share + m->share > story_share(c->st))
		m = msg_cut(c->st, m);
	e = story_push(c, STORY_SIP);
	if (e == NULL) {
		msg_drop(c->st, m);
		return;
	}
	c->share += m->share;
	e->in = w->in;
	e->side = (uint8_t)w->flow->side;
	e->msg = m;
}

static bool begins_call(const struct cscf_sip_wire *w, const struct clues *k)
{
	return w->in && k->request && gw_slice_eq_str(k->method, "INVITE") &&
	       cscf_sip_msg_to_tag(w->msg).n == 0;
}

static struct cscf_story_call *begin(struct cscf_story *st, const struct clues *k,
				     struct cscf_story_call *known)
{
	uint64_t branch = branch_hash(k);
	struct cscf_story_call *c;

	if (known != NULL && known->branch == branch)
		return known; /* once more */
	c = story_call_new(st, k->msg, k->outwards);
	if (c == NULL)
		return NULL;
	c->branch = branch;
	c->conn = k->conn;
	c->had_flow = k->conn != 0;
	return c;
}

void cscf_story_wire(struct cscf_story *st, const struct cscf_sip_wire *w)
{
	struct clues k = {.st = st, .msg = w->msg};
	struct cscf_story_call *c;

	if (st == NULL)
		return;
	k.method = cscf_sip_msg_method_text(w->msg);
	if (gw_slice_eq_str(k.method, "REGISTER") || !cscf_sip_msg_hdr(w->msg, "From", &k.from) ||
	    !cscf_sip_msg_hdr(w->msg, "To", &k.to))
		return;
	k.call_id = cscf_sip_msg_call_id(w->msg);
	k.outwards = (w->flow->side == CSCF_SIP_W2) == w->in;
	k.request = cscf_sip_msg_status(w->msg) == 0 && (w->again_status == 0 || w->why != NULL);
	k.conn = w->flow->side == CSCF_SIP_W2 ? w->flow->conn : 0;
	c = owner_of(&k);
	if (begins_call(w, &k))
		c = begin(st, &k, c);
	if (c == NULL)
		return;
	if (w->why != NULL) {
		cscf_story_refused(st, w->msg, w->again_status, w->why);
		return;
	}
	if (w->again_status != 0) {
		again(c, w, &k);
		return;
	}
	if (!k.request)
		learn_tag(c, &k);
	keep(c, w, &k);
	note_final(c, w, &k);
}
