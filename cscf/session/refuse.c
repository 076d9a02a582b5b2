/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests answered with a refusal by the gateway itself, before or beside a call: one place that
 * counts, logs and replies. Not here: how a call ends (release.c), what a peer refused (client.c).
 * Each reason has a log limit of its own, so that a flood of one does not hide another.
 * Thread: the cscf loop. Spec: CALL-12, 21, 37, 38; ID-01, 13, 16.
 */
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"

/* The words of the metric's label and of the log. */
static const char *const words[REFUSAL_COUNT] = {
#define X(name, word) [REFUSAL_##name] = word,
    SESSION_REFUSALS(X)
#undef X
};

static struct cscf_story *story; /* one per process, like the counters */

void session_refuse_tell(struct cscf_story *st)
{
	story = st;
}

enum refusal refusal_of(int status, enum gw_err err)
{
	if (status == 400)
		return err == GW_ERR_DENIED ? REFUSAL_ROUTE : REFUSAL_BAD_REQUEST;
	if (status == 481)
		return REFUSAL_NO_DIALOG;
	if (status == 480)
		return REFUSAL_UNREACHABLE;
	return err == GW_ERR_LIMIT ? REFUSAL_LIMIT : REFUSAL_INTERNAL;
}

void session_note_refused(const struct cscf_sip_msg *req, int status, enum refusal why)
{
	static _Thread_local struct gw_log_limit limits[REFUSAL_COUNT];
	unsigned suppressed = 0;

	gw_metric_inc(&session_metrics[SM_REFUSED_FIRST + why]);
	cscf_story_refused(story, req, status, words[why]);
	if (!gw_log_enabled(GW_LOG_WARN) || !gw_log_limit_pass(&limits[why], &suppressed))
		return;
	gw_log_write(GW_LOG_WARN, GW_LOG_MOD, "session.refused",
		     "call_id=\"%.*s\" method=%.*s status=%d why=%s suppressed=%u",
		     GW_SLICE_FMT(cscf_sip_msg_call_id(req)),
		     GW_SLICE_FMT(cscf_sip_msg_method_text(req)), status, words[why], suppressed);
}

void session_refuse(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *req,
		    int status, enum refusal why, const char *retry_after)
{
	const char *reason = why == REFUSAL_UNREGISTERED ? "Not registered"
			     : why == REFUSAL_FROM       ? "From Not Registered Here"
							 : NULL;

	session_note_refused(req, status, why);
	if (why == REFUSAL_ROUTE)
		cscf_sip_reply(s->p.stack, server, status, reason, "Warning",
			       "399 wicgate \"Route is not the one given\"", (char *)NULL);
	else if (retry_after != NULL)
		cscf_sip_reply(s->p.stack, server, status, reason, "Retry-After", retry_after,
			       (char *)NULL);
	else
		cscf_sip_reply(s->p.stack, server, status, reason, (char *)NULL);
}
