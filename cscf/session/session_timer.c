/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session timers (RFC 4028) as a proxy that keeps dialog state sees them: the interval of each
 * 2xx to INVITE or UPDATE is watched, and a call whose refresh does not come is ended on both
 * legs a little before the interval is over. Negotiation is the peers'; nothing is refreshed here.
 * Thread: the cscf loop. Spec: CALL-34, RFC 4028 §8, §10.
 */
#include "cscf/session/session_int.h"

#include <event2/event.h>

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

void session_timer_follow(struct call *c, const struct cscf_sip_msg *rsp)
{
	enum cscf_sip_method m = cscf_sip_msg_method(rsp);
	struct timeval tv = {0};
	struct gw_slice value;
	uint32_t expires;

	if ((m != CSCF_SIP_INVITE && m != CSCF_SIP_UPDATE) || cscf_sip_msg_status(rsp) / 100 != 2)
		return;
	event_del(c->timer_session); /* a 2xx without the header ends the watch */
	if (!cscf_sip_msg_hdr(rsp, "Session-Expires", &value))
		return;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == ';')
			value.n = i;
	if (!cscf_sip_uint(cscf_sip_trim(value), EXPIRES_MAX, &expires) || expires == 0)
		return;
	tv.tv_sec = (time_t)(expires - (expires / 3U < MARGIN_S ? expires / 3U : MARGIN_S));
	event_add(c->timer_session, &tv);
}
