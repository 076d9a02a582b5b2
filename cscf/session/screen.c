/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends at the gateway and so cannot be demanded through it: extensions that we break
 * (Require, CALL-17), session intervals below ours (RFC 4028 s8.1), and bodies with the meaning of
 * offer and answer that we do not rewrite (CALL-19). Looked at in every request of either side but
 * ACK, CANCEL and emergency calls, which nothing of the kind may stop.
 *
 * Candidates that trickle (ICE-08) come in an INFO, which is no reason to refuse anything but the
 * package:
 *
 *   Info-Package: trickle-ice   469, with a Recv-Info that names none (RFC 6086 s4.2.2)
 *   no package, that body       200 within a call: the INFO was well-formed, its body is nobody's
 *                               (in_dialog.c)
 *
 * Neither is ever relayed: the candidates are addresses of the other side's network.
 *
 * Thread: the cscf loop.
 *
 * Spec: CALL-17, CALL-19, CALL-32, CALL-33, ICE-08; RFC 3261 s8.2.2.3, s21.4.13; RFC 8840.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

/* The extension demanded that there is not on this way, or NULL. */
static const char *broken_extension(const struct cscf_session *s, const struct cscf_sip_msg *msg,
				    enum side from)
{
	static const char *const never[] = {"trickle-ice", "ice"};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (cscf_sip_msg_has_token(msg, "Require", never[i]))
			return never[i];
	if ((from == SIDE_WIC || !s->cfg->local_precondition) &&
	    cscf_sip_msg_has_token(msg, "Require", "precondition"))
		return "precondition";
	return NULL;
}

static bool is_fragment(const struct cscf_sip_msg *msg)
{
	return gw_slice_ieq_str(cscf_sip_msg_content_type(msg), "application/trickle-ice-sdpfrag");
}

/* Candidates in an INFO: of a package that nobody here takes, or of no call. */
static bool trickle_refused(struct cscf_session *s, gw_handle server,
			    const struct cscf_sip_msg *msg, enum side from)
{
	struct gw_slice package;
	struct dialog *d = NULL;

	if (cscf_sip_msg_has_token(msg, "Info-Package", "trickle-ice") ||
	    (is_fragment(msg) && cscf_sip_msg_hdr(msg, "Info-Package", &package))) {
		session_note_refused(msg, 469, REFUSAL_PACKAGE);
		cscf_sip_reply(s->p.stack, server, 469, NULL, "Recv-Info", "", (char *)NULL);
		return true;
	}
	if (!is_fragment(msg) || call_find_dialog(s, msg, from, &d) != NULL)
		return false;
	session_refuse(s, server, msg, 481, REFUSAL_NO_DIALOG, NULL);
	return true;
}

bool screen_ignored(struct call *c, gw_handle server, const struct cscf_sip_msg *msg)
{
	if (cscf_sip_msg_method(msg) != CSCF_SIP_INFO || !is_fragment(msg))
		return false;
	gw_metric_inc(&session_metrics[SM_TRICKLE]);
	cscf_sip_reply(c->s->p.stack, server, 200, NULL, (char *)NULL);
	return true;
}

bool screen_refused(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    enum side from)
{
	const char *tag = broken_extension(s, msg, from);
	char text[16];
	uint32_t min;

	if (tag != NULL) {
		session_note_refused(msg, 420, REFUSAL_EXTENSION);
		cscf_sip_reply(s->p.stack, server, 420, NULL, "Unsupported", tag, (char *)NULL);
		return true;
	}
	if (cscf_sip_msg_method(msg) == CSCF_SIP_INFO) {
		if (trickle_refused(s, server, msg, from))
			return true;
	} else if (is_fragment(msg)) {
		session_note_refused(msg, 415, REFUSAL_BODY);
		cscf_sip_reply(s->p.stack, server, 415, NULL, "Accept", "application/sdp",
			       (char *)NULL);
		return true;
	}
	if (session_timer_too_small(s, msg, &min)) {
		session_note_refused(msg, 422, REFUSAL_INTERVAL);
		snprintf(text, sizeof(text), "%u", min);
		cscf_sip_reply(s->p.stack, server, 422, NULL, "Min-SE", text, (char *)NULL);
		return true;
	}
	return false;
}
