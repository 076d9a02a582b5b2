/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything but messages and media into stories: what the call, the AGW and the timers did.
 * One short entry each; the words are pointers to static text.
 */
#include "cscf/story/story_int.h"

#include "proto/iq_codec.h"

#include <stdio.h>

static struct story_entry *push_word(struct cscf_story_call *c, enum story_kind kind,
				     enum cscf_story_who who, const char *word)
{
	struct story_entry *e = c != NULL ? story_push(c, kind) : NULL;

	if (e == NULL)
		return NULL;
	e->side = (uint8_t)who;
	e->is.word = word;
	return e;
}

static void set_line(struct cscf_story_call *c, struct story_line **to, const char *text)
{
	struct story_line *l = story_line_str(&c->st->lines, text);

	story_line_put(&c->st->lines, *to);
	*to = l;
}

void cscf_story_identify(struct cscf_story_call *c, const char *impu, const char *icid)
{
	if (c == NULL)
		return;
	set_line(c, &c->impu, impu);
	set_line(c, &c->icid, icid);
}

void cscf_story_flow(struct cscf_story_call *c, uint64_t conn)
{
	if (c == NULL)
		return;
	if (c->conn == conn) {
		c->had_flow = true;
		return;
	}
	if (c->had_flow) /* the first one is no news */
		(void)push_word(c, STORY_NOTE, CSCF_STORY_WIC,
				conn == 0 ? "connection lost" : "connection is back");
	c->conn = conn;
	c->had_flow = true;
}

void cscf_story_refused(struct cscf_story *st, const struct cscf_sip_msg *req, int status,
			const char *word)
{
	struct cscf_sip_via via;
	struct cscf_story_call *c;
	struct story_entry *e;
	uint64_t branch;

	if (st == NULL || cscf_sip_msg_method(req) != CSCF_SIP_INVITE ||
	    !cscf_sip_msg_top_via(req, &via))
		return;
	branch = story_hash(&st->lines, via.branch);
	c = story_by_call_id(st, cscf_sip_msg_call_id(req));
	while (c != NULL && (c->branch != branch ||
			     !gw_slice_eq(story_line_slice(c->call_id), cscf_sip_msg_call_id(req))))
		c = c->same;
	e = c != NULL ? push_word(c, STORY_REFUSED, CSCF_STORY_GATEWAY, word) : NULL;
	if (e != NULL)
		e->number = (uint32_t)status;
	if (c == NULL || c->why != NULL)
		return;
	c->why = word;
	if (c->place != STORY_TURNED_AWAY)
		return;
	c->status = status;
	c->ended_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms) + 1;
}

void cscf_story_state(struct cscf_story_call *c, const char *word)
{
	if (c == NULL)
		return;
	c->state = word;
	(void)push_word(c, STORY_STATE, CSCF_STORY_GATEWAY, word);
}

void cscf_story_timer(struct cscf_story_call *c, const char *word)
{
	(void)push_word(c, STORY_TIMER, CSCF_STORY_GATEWAY, word);
}

void cscf_story_note(struct cscf_story_call *c, enum cscf_story_who who, const char *word,
		     const char *detail)
{
	struct story_entry *e = push_word(c, STORY_NOTE, who, word);

	if (e != NULL)
		e->is.more = story_line_str(&c->st->lines, detail);
}

void cscf_story_iq(struct cscf_story_call *c, const struct cscf_iq_trace *t)
{
	struct story_entry *e = push_word(c, STORY_IQ, CSCF_STORY_AGW, t->proc);

	if (e == NULL)
		return;
	e->in = t->what == CSCF_IQ_TRACE_DONE;
	e->flag = t->what != CSCF_IQ_TRACE_SENT;
	e->number = e->in ? t->took_ms : (uint32_t)t->what;
	e->is.more = story_line_str(&c->st->lines, t->agw);
	if (e->in && t->err != GW_OK) {
		char text[200];

		snprintf(text, sizeof(text), "%s%s%s%s%s", gw_err_name(t->err),
			 t->code[0] != '\0' ? " " : "", t->code, t->detail[0] != '\0' ? ": " : "",
			 t->detail);
		e->is.third = story_line_str(&c->st->lines, text);
	}
}

static void address_text(char *out, size_t n, const IqAddress *a)
{
	const char *open = a != NULL && strchr(a->ip, ':') != NULL ? "[" : "";

	out[0] = '\0';
	if (a != NULL && a->ip[0] != '\0')
		snprintf(out, n, "%s%s%s:%u", open, a->ip, open[0] != '\0' ? "]" : "", a->port);
}

/* What a call may end of: told with its outcome. */
static void note_trouble(struct cscf_story_call *c, const IqNotification *n)
{
	switch ((int)n->event) { /* a wire value: has a default */
	case IQ_V(NOTIFICATION__EVENT__ICE_FAILED):
	case IQ_V(NOTIFICATION__EVENT__DTLS_FAILED):
	case IQ_V(NOTIFICATION__EVENT__DTLS_CLOSED):
	case IQ_V(NOTIFICATION__EVENT__CONSENT_LOST):
	case IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE):
	case IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED):
		break;
	default:
		return;
	}
	if (c->cause != NULL)
		return; /* it ended of something else */
	c->trouble = iq_event_name(n->event);
	c->trouble_why = n->cause != IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED)
			     ? iq_cause_name(n->cause) + sizeof("CAUSE_") - 1
			     : NULL;
}

void cscf_story_event(struct cscf_story_call *c, const IqNotification *n)
{
	struct story_entry *e = push_word(c, STORY_EVENT, CSCF_STORY_AGW, iq_event_name(n->event));
	char remote[80], text[320];
	bool again = n->ice_generation > 0;

	if (e == NULL)
		return;
	address_text(remote, sizeof(remote), n->remote);
	note_trouble(c, n);
	e->number = n->stream_id;
	e->in = n->side == IQ_V(REALM_SIDE__REALM_CORE);
	snprintf(text, sizeof(text), "%s%s%s%s%.200s", remote,
		 again && remote[0] != '\0' ? " " : "", again ? "after restart" : "",
		 n->detail[0] != '\0' && (again || remote[0] != '\0') ? " " : "", n->detail);
	e->is.more = story_line_str(&c->st->lines, text);
	if (n->cause != IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED))
		e->is.third = story_line_str(&c->st->lines, iq_cause_name(n->cause));
}

void cscf_story_release(struct cscf_story_call *c, const struct cscf_story_release *r)
{
	struct story_entry *e;

	if (c == NULL || c->cause != NULL)
		return;
	c->cause = r->cause;
	c->verdict = r->verdict;
	c->reason = r->reason;
	c->by = r->by;
	e = push_word(c, STORY_RELEASE, r->by, r->cause);
	if (e != NULL)
		e->is.more = story_line_str(&c->st->lines, r->verdict);
}
