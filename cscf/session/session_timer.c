/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session timers (RFC 4028) as a proxy that keeps dialog state sees them: the interval of each
 * 2xx to INVITE or UPDATE is watched, and a call whose refresh does not come is ended on both
 * legs a little before the interval is over. Negotiation is the peers'; only where a WIC knows
 * nothing of session timers and the core asked for one, the core is told to refresh. (Not the
 * other way round: browser stacks refresh by UPDATE whether or not the peer takes it.) Nothing is
 * refreshed here.
 * Thread: the cscf loop. Spec: CALL-33, CALL-34, RFC 4028 §8, §10.
 */
#include "cscf/session/session_int.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD  "session"
#define MARGIN_S    32U    /* most that we end before the interval does */
#define EXPIRES_MAX 604800 /* a week: longer is as good as none */

static void on_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	call_release_cause(arg, CAUSE_SESSION_EXPIRED);
}

enum gw_err session_timer_init(struct call *c)
{
	c->timer_session = evtimer_new(c->s->p.base, on_expired, c);
	return c->timer_session != NULL ? GW_OK : GW_ERR_NOMEM;
}

static bool agrees(const struct cscf_sip_msg *rsp)
{
	enum cscf_sip_method m = cscf_sip_msg_method(rsp);

	return (m == CSCF_SIP_INVITE || m == CSCF_SIP_UPDATE) &&
	       cscf_sip_msg_status(rsp) / 100 == 2;
}

/* The value without parameters. */
static struct gw_slice delta(struct gw_slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == ';')
			value.n = i;
	return cscf_sip_trim(value);
}

enum gw_err session_timer_fill(const struct cscf_sip_msg *req, struct cscf_sip_msg *rsp)
{
	struct gw_slice value;
	char text[48];
	uint32_t expires;
	enum gw_err err;

	if (req == NULL || !agrees(rsp) || cscf_sip_msg_hdr(rsp, "Session-Expires", NULL) ||
	    !cscf_sip_msg_has_token(req, "Supported", "timer") ||
	    !cscf_sip_msg_hdr(req, "Session-Expires", &value) ||
	    !cscf_sip_uint(delta(value), EXPIRES_MAX, &expires))
		return GW_OK;
	snprintf(text, sizeof(text), "%u;refresher=uac", expires);
	err = cscf_sip_msg_hdr_set(rsp, "Session-Expires", text);
	if (err == GW_OK && !cscf_sip_msg_has_token(rsp, "Require", "timer"))
		err = cscf_sip_msg_hdr_append(rsp, "Require", "timer");
	return err;
}

void session_timer_follow(struct call *c, const struct cscf_sip_msg *rsp)
{
	struct timeval tv = {0};
	struct gw_slice value;
	uint32_t expires;

	if (!agrees(rsp))
		return;
	event_del(c->timer_session); /* a 2xx without the header ends the watch */
	if (!cscf_sip_msg_hdr(rsp, "Session-Expires", &value))
		return;
	if (!cscf_sip_uint(delta(value), EXPIRES_MAX, &expires) || expires == 0)
		return;
	tv.tv_sec = (time_t)(expires - (expires / 3U < MARGIN_S ? expires / 3U : MARGIN_S));
	event_add(c->timer_session, &tv);
}
