/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an entry says to people: from where to where, a label for the arrow, a line beside it, and
 * for messages the fields that decide something and the SDP, a line per m-line.
 */
#include "cscf/story/story_int.h"

#include "common/plain.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *story_who_name(enum cscf_story_who who)
{
	static const char *const names[] = {
	    [CSCF_STORY_WIC] = "the WIC",
	    [CSCF_STORY_CORE] = "the core",
	    [CSCF_STORY_GATEWAY] = "the gateway",
	    [CSCF_STORY_AGW] = "the AGW",
	};

	return names[who];
}

static enum story_lane lane_of(uint8_t who)
{
	static const enum story_lane lanes[] = {
	    [CSCF_STORY_WIC] = STORY_L_WIC,
	    [CSCF_STORY_CORE] = STORY_L_CORE,
	    [CSCF_STORY_GATEWAY] = STORY_L_CSCF,
	    [CSCF_STORY_AGW] = STORY_L_AGW,
	};

	return lanes[who];
}

void story_say(const struct cscf_story_view *v, const char *text, char *out, size_t n)
{
	if (v->mask)
		story_mask_line(text, out, n);
	else
		snprintf(out, n, "%s", text);
	gw_plain_text(out, false);
}

bool story_has_failed(const struct cscf_story_call *c)
{
	if (c->cause != NULL)
		return strcmp(c->cause, "bye") != 0 && strcmp(c->cause, "cancelled") != 0;
	return c->place == STORY_TURNED_AWAY && (c->why != NULL || c->status >= 300);
}

/* " (ICE FAILED, TIMEOUT)": what made the gateway give up on the media; "" for other ends */
static void say_trouble(const struct cscf_story_call *c, char *out, size_t n)
{
	static const char *const causes[] = {"media-lost", "fingerprint", "media-timeout"};

	out[0] = '\0';
	for (size_t i = 0; c->trouble != NULL && i < sizeof(causes) / sizeof(causes[0]); i++)
		if (strcmp(c->cause, causes[i]) == 0)
			snprintf(out, n, " (%s%s%s)", c->trouble,
				 c->trouble_why != NULL ? ", " : "",
				 c->trouble_why != NULL ? c->trouble_why : "");
	for (; *out != '\0'; out++)
		if (*out == '_')
			*out = ' ';
}

void story_outcome(const struct cscf_story_call *c, char *out, size_t n)
{
	const char *verdict = c->verdict != NULL ? c->verdict : "";
	char trouble[60] = "";

	if (c->cause != NULL)
		say_trouble(c, trouble, sizeof(trouble));
	if (c->cause != NULL && c->answered_ms != 0)
		snprintf(out, n, "ended by %s: %s%s%s%s", story_who_name(c->by), c->cause, trouble,
			 verdict[0] != '\0' ? " " : "", verdict);
	else if (c->cause != NULL)
		snprintf(out, n, "never answered: %d, %s%s by %s%s%s", c->status, c->cause, trouble,
			 story_who_name(c->by), verdict[0] != '\0' ? ", " : "", verdict);
	else if (c->place == STORY_LIVE)
		snprintf(out, n, "live, %s", c->state != NULL ? c->state : "new");
	else if (c->place == STORY_ENDED && c->why == NULL)
		snprintf(out, n, "forgotten: the gateway stopped");
	else if (c->status >= 200)
		snprintf(out, n, "refused by the gateway: %d%s%s", c->status,
			 c->why != NULL ? " " : "", c->why != NULL ? c->why : "");
	else
		snprintf(out, n, "not answered yet");
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static bool has_room(const struct story_row *row)
{
	return row->n_more < sizeof(row->more) / sizeof(row->more[0]);
}

static void add_more(struct story_row *row, const char *text)
{
	if (has_room(row))
		snprintf(row->more[row->n_more++], sizeof(row->more[0]), "%s", text);
}

/* Fields that say why, or what is expected next. */
static bool is_key_field(const char *line)
{
	static const char *const names[] = {"Reason:",
					    "Warning:",
					    "Retry-After:",
					    "Require:",
					    "Unsupported:",
					    "RSeq:",
					    "P-Early-Media:",
					    "RAck:",
					    "Refer-To:",
					    "Session-Expires:",
					    "Min-SE:",
					    "Replaces:",
					    "Proxy-Require:",
					    "r:",
					    "x:",
					    "Event:",
					    "Proxy-Authorization:",
					    "Authorization:",
					    "Privacy:"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void describe_sdp(struct story_row *row, const struct story_msg *m)
{
	char text[200], line[240];
	size_t at = 0;

	while (has_room(row) && (at = story_sdp_brief(m, at, text, sizeof(text))) != 0) {
		snprintf(line, sizeof(line), "SDP %s", text);
		add_more(row, line);
	}
}

static void describe_sip(struct story_row *row, const struct story_entry *e,
			 const struct cscf_story_view *v)
{
	const struct story_msg *m = e->msg;
	enum story_lane peer = e->side == CSCF_SIP_W2 ? STORY_L_WIC : STORY_L_CORE;
	const char *first = m->n_head > 0 ? story_line_text(m->line[0]) : "", *rest;
	char text[256];

	row->from = e->in ? peer : STORY_L_CSCF;
	row->to = e->in ? STORY_L_CSCF : peer;
	if (m->status != 0)
		snprintf(row->label, sizeof(row->label), "%u %.20s", m->status,
			 story_line_text(m->method));
	else
		snprintf(row->label, sizeof(row->label), "%.20s", story_line_text(m->method));
	/* a request says its target, an answer its reason */
	rest = strchr(first, ' ');
	rest = rest != NULL ? rest + 1 : "";
	if (m->status != 0)
		rest += strcspn(rest, " ");
	rest += strspn(rest, " ");
	snprintf(text, sizeof(text), "%.*s",
		 m->status != 0 ? (int)strlen(rest) : (int)strcspn(rest, " "), rest);
	story_say(v, text, row->detail, sizeof(row->detail));
	snprintf(text, sizeof(text), "CSeq %u  %.160s", m->cseq, row->detail);
	if (m->repeats > 0)
		snprintf(row->detail, sizeof(row->detail), "%.200s (%u times)", text,
			 m->repeats + 1U);
	else
		snprintf(row->detail, sizeof(row->detail), "%s", text);
	for (size_t i = 1; i < m->n_head && has_room(row); i++)
		if (is_key_field(story_line_text(m->line[i]))) {
			story_say(v, story_line_text(m->line[i]), text, sizeof(text));
			add_more(row, text);
		}
	describe_sdp(row, m);
	if (m->cut)
		add_more(row, "(more lines, not kept)");
	if (m->body_n > 0) {
		snprintf(text, sizeof(text), "a body of %u octets, not kept", m->body_n);
		add_more(row, text);
	}
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

static void describe_iq(struct story_row *row, const struct story_entry *e)
{
	const char *agw = story_line_text(e->is.more);

	row->from = e->in ? STORY_L_AGW : STORY_L_CSCF;
	row->to = e->in ? STORY_L_CSCF : STORY_L_AGW;
	if (e->in && e->is.third != NULL) {
		snprintf(row->label, sizeof(row->label), "failed");
		snprintf(row->detail, sizeof(row->detail), "%s FAILED after %u ms: %.180s",
			 e->is.word, e->number, story_line_text(e->is.third));
		return;
	}
	snprintf(row->label, sizeof(row->label), "%s", e->in ? "done" : e->is.word);
	if (e->in)
		snprintf(row->detail, sizeof(row->detail), "%s done in %u ms", e->is.word,
			 e->number);
	else
		snprintf(row->detail, sizeof(row->detail), "%s%s to %.100s", e->is.word,
			 e->number == CSCF_IQ_TRACE_AGAIN   ? ", sent again, no answer yet,"
			 : e->number == CSCF_IQ_TRACE_MOVED ? " moved"
							    : "",
			 agw);
}

static void describe_event(struct story_row *row, const struct story_entry *e)
{
	char name[40];
	size_t n = 0;

	for (const char *p = e->is.word; *p != '\0' && n + 1 < sizeof(name); p++)
		name[n++] = *p == '_' ? ' ' : *p;
	name[n] = '\0';
	row->from = STORY_L_AGW;
	row->to = STORY_L_CSCF;
	snprintf(row->label, sizeof(row->label), "event");
	snprintf(row->detail, sizeof(row->detail), "%s stream %u%s%s%.140s%s%.40s", name, e->number,
		 e->in ? " core" : "", e->is.more != NULL ? " " : "", story_line_text(e->is.more),
		 e->is.third != NULL ? " cause " : "", story_line_text(e->is.third));
}

static void describe_release(struct story_row *row, const struct cscf_story_call *c,
			     const struct story_entry *e)
{
	snprintf(row->detail, sizeof(row->detail), "RELEASE: %s%s%s, by %s%s%s", e->is.word,
		 e->is.more != NULL ? " " : "", story_line_text(e->is.more),
		 story_who_name((enum cscf_story_who)e->side),
		 c->reason != NULL ? "; peers are told " : "", c->reason != NULL ? c->reason : "");
}

static const char *open_word(bool open)
{
	return open ? "open" : "closed";
}

static void describe(struct story_row *row, const struct cscf_story_call *c,
		     const struct story_entry *e, const struct cscf_story_view *v)
{
	row->at_ms = e->at_ms;
	row->e = e;
	row->from = row->to = e->kind == STORY_SIP ? STORY_L_CSCF : lane_of(e->side);
	switch ((enum story_kind)e->kind) {
	case STORY_SIP:
		describe_sip(row, e, v);
		break;
	case STORY_REFUSED:
		snprintf(row->detail, sizeof(row->detail), "REFUSED with %u: %s", e->number,
			 e->is.word);
		break;
	case STORY_STATE:
		snprintf(row->detail, sizeof(row->detail), "%s", e->is.word);
		break;
	case STORY_TIMER:
		snprintf(row->detail, sizeof(row->detail), "TIMER: %s", e->is.word);
		break;
	case STORY_NOTE:
		snprintf(row->detail, sizeof(row->detail), "%s%s%.180s", e->is.word,
			 e->is.more != NULL ? ": " : "", story_line_text(e->is.more));
		break;
	case STORY_IQ:
		describe_iq(row, e);
		break;
	case STORY_EVENT:
		describe_event(row, e);
		break;
	case STORY_GATE:
		snprintf(row->detail, sizeof(row->detail),
			 "stream %u gates: to the core %s, to the WIC %s", e->number,
			 open_word(e->flag), open_word(e->in));
		break;
	case STORY_RELEASE:
		describe_release(row, c, e);
		break;
	}
}

void story_describe(struct story_row *row, const struct cscf_story_call *c,
		    const struct story_entry *e, const struct cscf_story_view *v)
{
	describe(row, c, e, v);
	gw_plain_text(row->label, false);
	gw_plain_text(row->detail, false);
	for (size_t i = 0; i < row->n_more; i++)
		gw_plain_text(row->more[i], false);
}
