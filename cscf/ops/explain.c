/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `call explain` and `call list --ended`: which call is meant, and its story (cscf/story) as text
 * and JSON. A live call's AGW is asked for its figures first; the answer waits for that.
 */
#include "cscf/ops/ops_int.h"

#include "cscf/sip/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 1000 /* rows of one answer */
#define ENDED_MAX  20   /* of --ended without a number */

static json_t *story_of(const struct cscf_story_call *c, const struct cscf_story_view *v)
{
	json_t *out = cscf_story_json(c, v);
	char *text = cscf_story_text(c, v);
	json_t *j;

	if (out == NULL || text == NULL) {
		json_decref(out);
		free(text);
		return NULL;
	}
	j = json_string(text);
	if (j == NULL) { /* a peer's octets that are no UTF-8 */
		for (char *p = text; *p != '\0'; p++)
			if ((unsigned char)*p >= 0x80)
				*p = '?';
		j = json_string(text);
	}
	(void)json_object_set_new(out, "text", j);
	free(text);
	return out;
}

static void on_looked(void *arg, uint64_t ticket)
{
	struct cscf_ops *o = arg;

	for (size_t i = 0; i < OPS_EXPLAINS; i++) {
		struct ops_explain *e = &o->explains[i];
		struct cscf_story_call *c = NULL;
		struct cscf_story_ask ask = {0};
		char id[24];

		if (e->ticket != ticket)
			continue;
		e->ticket = 0;
		snprintf(id, sizeof(id), "%llu", (unsigned long long)e->call);
		ask.what = id;
		if (cscf_story_find(o->p.story, &ask, &c) == CSCF_STORY_ONE)
			gw_ctl_answer(o->ctl, ticket, story_of(c, &e->view), "out of memory");
		else
			gw_ctl_answer(o->ctl, ticket, NULL, "the call ended and is not kept");
		return;
	}
}

/* @return true: the answer comes later */
static bool look_first(struct cscf_ops *o, const struct cscf_story_call *c,
		       const struct cscf_story_view *v)
{
	gw_handle call = cscf_story_live_id(c);

	for (size_t i = 0; call != GW_HANDLE_NONE && i < OPS_EXPLAINS; i++) {
		struct ops_explain *e = &o->explains[i];
		uint64_t ticket;

		if (e->ticket != 0)
			continue;
		ticket = gw_ctl_later(o->ctl);
		*e = (struct ops_explain){.ticket = ticket, .call = call, .view = *v};
		if (cscf_session_look(o->p.session, call, on_looked, o, ticket))
			return true;
		on_looked(o, ticket); /* nothing to wait for */
		return true;
	}
	return false;
}

static bool take_args(const json_t *args, struct cscf_story_ask *ask, struct cscf_story_view *v)
{
	for (size_t i = 0; i < json_array_size(args); i++) {
		const char *word = json_string_value(json_array_get(args, i));

		if (word == NULL)
			return false;
		if (strcmp(word, "--full") == 0)
			v->full = true;
		else if (strcmp(word, "--identities") == 0)
			v->mask = false;
		else if (strcmp(word, "--last") == 0)
			ask->last = true;
		else if (strcmp(word, "--failed") == 0)
			ask->failed = true;
		else if (word[0] != '-' && ask->what == NULL)
			ask->what = word;
		else
			return false;
	}
	return ask->what != NULL || ask->last || ask->failed;
}

json_t *ops_call_explain(void *arg, const json_t *args, const char **error)
{
	struct cscf_ops *o = arg;
	struct cscf_story_ask ask = {0};
	struct cscf_story_view view = {.mask = cscf_sip_mask_is_on()};
	struct cscf_story_call *c = NULL;
	json_t *out;

	if (o->p.story == NULL) {
		*error = "nothing is kept: explain.messages_per_call is 0";
		return NULL;
	}
	if (!take_args(args, &ask, &view)) {
		*error = "call explain needs an id, a Call-ID or its beginning, an IMPU, --last or "
			 "--failed; then perhaps --full, --identities";
		return NULL;
	}
	switch (cscf_story_find(o->p.story, &ask, &c)) {
	case CSCF_STORY_NONE:
		*error = ask.failed ? "no call has failed so far" : "no such call";
		return NULL;
	case CSCF_STORY_SEVERAL:
		return cscf_story_list(o->p.story, &ask, false, view.mask, LISTED_MAX);
	case CSCF_STORY_ONE:
		break;
	}
	if (look_first(o, c, &view))
		return NULL;
	out = story_of(c, &view);
	if (out == NULL)
		*error = "out of memory";
	return out;
}

json_t *ops_call_ended(struct cscf_ops *o, const json_t *args, const char **error)
{
	const char *word = json_string_value(json_array_get(args, 0));
	const char *number = json_string_value(json_array_get(args, 1));
	struct cscf_story_ask any = {0};
	unsigned long n = ENDED_MAX;
	char *end = NULL;

	if (number != NULL)
		n = strtoul(number, &end, 10);
	if (word == NULL || strcmp(word, "--ended") != 0 || n == 0 || n > LISTED_MAX ||
	    (number != NULL && (end == number || *end != '\0'))) {
		*error = "call list takes --ended and perhaps how many, up to 1000";
		return NULL;
	}
	return cscf_story_list(o->p.story, &any, true, cscf_sip_mask_is_on(), n);
}
