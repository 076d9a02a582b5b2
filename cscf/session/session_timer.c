/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session timers (RFC 4028) as a proxy that keeps dialog state: an interval is put where neither
 * side asked for one, each 2xx to INVITE or UPDATE settles who refreshes, and a call whose refresh
 * does not come is ended on both legs a little before the interval is over.
 *
 *   the answerer takes part            as it says                      refresher = a party
 *   only the asker knows of timers     refresher=uac is put for it     refresher = the asker
 *   neither does                       nothing is said                 refresher = the gateway
 *
 * A WIC cannot refresh towards a core that takes no UPDATE: browser stacks know no other way.
 * Then the gateway does, too, and answers the WIC's UPDATEs itself. It refreshes towards the core
 * alone, by UPDATE or else by a re-INVITE with what is agreed: that the WIC is there is known
 * from its connection and from consent, so its page never hears of it.
 * Thread: the cscf loop. Spec: CALL-33, CALL-34; RFC 4028 s8, s10.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD    "session"
#define MARGIN_S      32U    /* most that we end before the interval does */
#define EXPIRES_MAX   604800 /* a week: longer is as good as none */
#define REFRESH_MAX_S 7200U  /* for our own refreshes, whatever a party asked for */
#define RAISED_MAX    2U     /* 422s that are obeyed at once, between two refreshes */

static void on_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	const struct call *c = arg;

	cscf_story_timer(c->story, "session timer: no refresh came");
	call_release_cause(arg, CAUSE_SESSION_EXPIRED);
}

/* ---- the interval in messages
 * -------------------------------------------------------------------- */

/* A number with parameters after it. */
static uint32_t seconds(const struct cscf_sip_msg *msg, const char *name, struct gw_slice *params)
{
	struct gw_slice value, number;
	uint32_t s;

	if (!cscf_sip_msg_hdr(msg, name, &value))
		return 0;
	number = value;
	for (size_t i = 0; i < number.n; i++)
		if (number.p[i] == ';')
			number.n = i;
	if (params != NULL)
		*params = number.n < value.n
			      ? (struct gw_slice){value.p + number.n + 1, value.n - number.n - 1}
			      : GW_SLICE_NONE;
	return cscf_sip_uint(cscf_sip_trim(number), EXPIRES_MAX, &s) ? s : 0;
}

static enum gw_err put_seconds(struct cscf_sip_msg *msg, const char *name, uint32_t s,
			       const char *params)
{
	char text[48];

	snprintf(text, sizeof(text), "%u%s", s, params);
	return cscf_sip_msg_hdr_set(msg, name, text);
}

static bool refreshes(enum cscf_sip_method m)
{
	return m == CSCF_SIP_INVITE || m == CSCF_SIP_UPDATE;
}

static void learn_allow(struct call *c, enum side side, const struct cscf_sip_msg *msg)
{
	if (cscf_sip_msg_hdr(msg, "Allow", NULL))
		c->session.update[side] = cscf_sip_msg_has_token(msg, "Allow", "UPDATE");
}

bool session_timer_too_small(const struct cscf_session *s, const struct cscf_sip_msg *req,
			     uint32_t *min)
{
	uint32_t expires = seconds(req, "Session-Expires", NULL);

	*min = (uint32_t)s->cfg->min_se_s;
	return refreshes(cscf_sip_msg_method(req)) && expires != 0 && expires < *min &&
	       cscf_sip_msg_has_token(req, "Supported", "timer");
}

uint32_t session_timer_request(struct call *c, enum side from, struct cscf_sip_msg *msg)
{
	uint32_t expires = seconds(msg, "Session-Expires", NULL);
	uint32_t min = (uint32_t)c->s->cfg->min_se_s, theirs = seconds(msg, "Min-SE", NULL);
	enum cscf_sip_method m = cscf_sip_msg_method(msg);
	enum gw_err err = GW_OK;

	if (!refreshes(m))
		return 0;
	learn_allow(c, from, msg);
	if (expires != 0 && expires < min && c->emergency == NULL &&
	    !cscf_sip_msg_has_token(msg, "Supported", "timer")) {
		/* Put there by somebody on the way; a 422 would mean nothing to who asks. */
		expires = min;
		err = put_seconds(msg, "Session-Expires", expires, "");
		if (err == GW_OK && theirs < min)
			err = put_seconds(msg, "Min-SE", min, "");
	} else if (expires == 0 && c->s->cfg->session_expires_s > 0 &&
		   (m == CSCF_SIP_INVITE || c->answered_ms != 0)) {
		expires = (uint32_t)c->s->cfg->session_expires_s;
		if (expires < theirs)
			expires = theirs;
		err = put_seconds(msg, "Session-Expires", expires, "");
	}
	return err == GW_OK ? expires : 0;
}

/* ---- our own refresh
 * ------------------------------------------------------------------------------ */

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000U), (suseconds_t)(ms % 1000U * 1000U)};

	event_add(ev, &tv);
}

static void watch(struct call *c)
{
	uint32_t s = c->session.interval_s;

	session_timer_stop(c);
	c->session.raised = 0;
	if (s == 0)
		return;
	arm(c->session.expiry, (uint64_t)(s - (s / 3U < MARGIN_S ? s / 3U : MARGIN_S)) * 1000U);
	if (c->session.by_us) /* a week's interval is no reason to look for a dead end next week */
		arm(c->session.refresh, (uint64_t)(s < REFRESH_MAX_S ? s : REFRESH_MAX_S) * 500U);
}

/* An answer may name any interval, but nobody makes us refresh or look more often than this. */
static uint32_t no_less(const struct call *c, uint32_t s)
{
	uint32_t min = (uint32_t)c->s->cfg->min_se_s;

	return s != 0 && s < min ? min : s;
}

static enum gw_err compose(struct call *c, const struct own *o, struct cscf_sip_msg *msg)
{
	struct cscf_sdp_text sdp;
	enum gw_err err =
	    put_seconds(msg, "Session-Expires", c->session.interval_s, ";refresher=uac");

	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(msg, "Supported", "timer");
	if (err != GW_OK || cscf_sip_msg_method(msg) != CSCF_SIP_INVITE)
		return err;
	if (cscf_sdp_reoffer(c->media.sdp, own_to(o) == SIDE_CORE, &sdp) != CSCF_SDP_OK)
		return GW_ERR_STATE;
	return cscf_sip_msg_set_body(msg, "application/sdp", sdp.p, sdp.n);
}

static void refreshed(struct call *c, const struct own *o, enum own_outcome outcome,
		      const struct cscf_sip_msg *rsp);

static const struct own_kind by_update = {.name = "refresh",
					  .method = CSCF_SIP_UPDATE,
					  .waits = true,
					  .compose = compose,
					  .done = refreshed};
static const struct own_kind by_invite = {.name = "refresh",
					  .method = CSCF_SIP_INVITE,
					  .waits = true,
					  .compose = compose,
					  .done = refreshed};

static void refresh(struct call *c)
{
	struct own_order order = {.kind = c->session.update[SIDE_CORE] ? &by_update : &by_invite,
				  .dialog = dialog_find(c, gw_slice_str(c->winner)),
				  .to = SIDE_CORE};

	if (order.dialog == NULL || own_has(c, &by_update) || own_has(c, &by_invite))
		return;
	if (own_request(c, &order) != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.refresh_failed", c, "mw", "interval_s=%u",
			 c->session.interval_s);
}

/* Only a 2xx makes the session longer (RFC 4028 s10), or the user agent itself that will not have
 * the request: it lives. Whatever else is refused may come from the way there, the far end gone. */
static bool lives(int status)
{
	return status / 100 == 2 || status == 405 || status == 488 || status == 501;
}

static void refreshed(struct call *c, const struct own *o, enum own_outcome outcome,
		      const struct cscf_sip_msg *rsp)
{
	int status = rsp != NULL ? cscf_sip_msg_status(rsp) : 0;
	uint32_t s;

	(void)o;
	if (outcome == OWN_DROPPED || !c->session.by_us)
		return;
	s = rsp != NULL ? seconds(rsp, status == 422 ? "Min-SE" : "Session-Expires", NULL) : 0;
	if (outcome == OWN_GIVEN_UP ||
	    (status == 422 ? s <= c->session.interval_s || c->session.raised >= RAISED_MAX
			   : !lives(status))) {
		/* once more, while there is time (408 and 481 end the call at once) */
		arm(c->session.refresh, (uint64_t)c->session.interval_s * 125U);
		return;
	}
	if (s > 0 && (status == 422 || status / 100 == 2))
		c->session.interval_s = no_less(c, s);
	c->session.raised += status == 422;
	if (status == 422 || ((status == 405 || status == 501) && c->session.update[SIDE_CORE])) {
		c->session.update[SIDE_CORE] = c->session.update[SIDE_CORE] && status == 422;
		arm(c->session.refresh, 0);
		return;
	}
	watch(c);
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	refresh(arg);
}

/* ---- who refreshes
 * -------------------------------------------------------------------------------- */

/* A party of this side, if it is to refresh, can do so towards the other. */
static bool can_reach(const struct call *c, enum side side)
{
	return side == SIDE_CORE || c->session.update[SIDE_CORE];
}

static enum gw_err settle(struct xact *x, const struct cscf_sip_msg *req, struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	bool asker_knows = cscf_sip_msg_has_token(req, "Supported", "timer");
	struct gw_slice params = GW_SLICE_NONE, refresher;
	uint32_t expires = seconds(rsp, "Session-Expires", &params);
	enum gw_err err;

	c->session.by_us = false;
	c->session.interval_s = no_less(c, expires);
	if (expires != 0) {
		if (cscf_sip_param_get(params, "refresher", &refresher) &&
		    gw_slice_ieq_str(refresher, "uac"))
			c->session.by_us = !asker_knows || !can_reach(c, x->from);
		else
			c->session.by_us = !can_reach(c, other_side(x->from));
		return GW_OK;
	}
	if (x->session_s == 0)
		return GW_OK;
	if (asker_knows && can_reach(c, x->from)) { /* RFC 4028 s8.2 */
		c->session.interval_s = no_less(c, x->session_s);
		err = put_seconds(rsp, "Session-Expires", x->session_s, ";refresher=uac");
		if (err == GW_OK && !cscf_sip_msg_has_token(rsp, "Require", "timer"))
			err = cscf_sip_msg_hdr_append(rsp, "Require", "timer");
		return err;
	}
	if (c->s->cfg->session_expires_s > 0) {
		c->session.interval_s = no_less(c, x->session_s);
		c->session.by_us = true;
	}
	return GW_OK;
}

enum gw_err session_timer_response(struct xact *x, struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	const struct cscf_sip_msg *req = cscf_sip_server_request(c->s->p.stack, x->server);
	enum gw_err err;

	if (!refreshes(x->method))
		return GW_OK;
	learn_allow(c, other_side(x->from), rsp);
	if (req == NULL || cscf_sip_msg_status(rsp) / 100 != 2 ||
	    (c->answered_ms == 0 && !x->initial)) /* early UPDATEs settle nothing */
		return GW_OK;
	err = settle(x, req, rsp);
	watch(c);
	return err;
}

bool session_timer_answered(struct call *c, gw_handle server, const struct cscf_sip_msg *msg,
			    enum side from)
{
	char text[48];

	if (from != SIDE_WIC || !c->session.by_us || c->session.update[SIDE_CORE] ||
	    cscf_sip_msg_method(msg) != CSCF_SIP_UPDATE || cscf_sip_msg_body(msg).n > 0)
		return false;
	snprintf(text, sizeof(text), "%u;refresher=uac", c->session.interval_s);
	cscf_sip_reply(c->s->p.stack, server, 200, NULL, "Session-Expires", text, "Require",
		       "timer", (char *)NULL);
	return true;
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

enum gw_err session_timer_init(struct call *c)
{
	c->session.expiry = evtimer_new(c->s->p.base, on_expired, c);
	c->session.refresh = evtimer_new(c->s->p.base, on_refresh, c);
	return c->session.expiry != NULL && c->session.refresh != NULL ? GW_OK : GW_ERR_NOMEM;
}

void session_timer_stop(struct call *c)
{
	event_del(c->session.expiry);
	event_del(c->session.refresh);
}

void session_timer_fini(struct call *c)
{
	if (c->session.expiry != NULL)
		event_free(c->session.expiry);
	if (c->session.refresh != NULL)
		event_free(c->session.refresh);
}
