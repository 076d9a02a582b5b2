/* SPDX-License-Identifier: Apache-2.0 */
/* One call; see call.h. */
#include "tests/wic/call.h"

#include "common/rand.h"
#include "tests/wic/sdp.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_MS 200 /* last packet to BYE: what is under way may come back */

enum state {
	TRYING,  /* INVITE sent */
	EARLY,   /* a provisional answer came */
	RINGING, /* callee, not answered yet */
	UP,
	DRAINING, /* no more RTP from us; BYE follows */
	ENDING,   /* BYE or CANCEL sent */
	OVER,
};

struct wic_call {
	struct wic_call *next;
	struct wic_client *c;
	unsigned number;
	enum state state;
	bool caller, was_up, cancelled, half_done;
	char call_id[200], local[500], remote[500], tag[24];
	char target[500], routes[2000];
	char invite_uri[500], invite_branch[WIC_BRANCH_LEN];
	unsigned cseq, invite_cseq, auth_tries;
	struct wic_sip *invite;     /* owned; callee: to be answered */
	struct wic_sdp offer;       /* callee: what the gateway offered */
	struct wic_media *media;    /* owned */
	struct event *timer, *reap; /* owned */
	int64_t started_us;
};

static void arm(struct wic_call *k, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)event_add(k->timer, &tv);
}

static void say(const struct wic_call *k, const char *event, const char *fmt, ...) GW_PRINTF(3, 4);
static void say(const struct wic_call *k, const char *event, const char *fmt, ...)
{
	char more[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	wic_event(event, "client=%d call=%u %s", k->c->number, k->number, more);
}

/* --- the end -------------------------------------------------------------------------------- */

static void call_free(struct wic_call *k)
{
	struct wic_call **at = &k->c->calls;

	while (*at != NULL && *at != k)
		at = &(*at)->next;
	if (*at == k)
		*at = k->next;
	wic_client_forget(k->c, k);
	wic_media_free(k->media);
	wic_sip_free(k->invite);
	if (k->timer != NULL)
		event_free(k->timer);
	if (k->reap != NULL)
		event_free(k->reap);
	free(k);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct wic_call *k = arg;
	struct wic_client *c = k->c;

	(void)fd;
	(void)what;
	call_free(k);
	wic_client_call_ended(c);
	wic_app_call_ended(c->app);
}

static void report_end(struct wic_call *k, const char *by)
{
	struct wic_report *r = &k->c->app->report;
	struct wic_media_stats st = {0};

	if (k->was_up && k->media != NULL) {
		wic_media_stats(k->media, &st);
		wic_report_media(r, &k->c->app->o, &st);
	}
	if (k->was_up) {
		r->by_local += strcmp(by, "local") == 0;
		r->by_remote += strcmp(by, "remote") == 0;
		r->by_error += strcmp(by, "error") == 0;
	}
	say(k, "ended", "by=%s sent=%llu received=%llu returned=%llu lost=%llu corrupt=%llu", by,
	    (unsigned long long)st.sent, (unsigned long long)st.received,
	    (unsigned long long)st.returned, (unsigned long long)st.lost,
	    (unsigned long long)st.corrupt);
}

/* by: local, remote or error. The memory goes in the next turn. */
static void end(struct wic_call *k, const char *by)
{
	if (k->state == OVER)
		return;
	k->state = OVER;
	(void)event_del(k->timer);
	if (k->media != NULL)
		wic_media_quiet(k->media);
	report_end(k, by);
	event_active(k->reap, EV_TIMEOUT, 0);
}

static void fail(struct wic_call *k, unsigned status, const char *why)
{
	struct wic_report *r = &k->c->app->report;

	if (k->state == OVER)
		return;
	r->last_status = (int)status;
	if (k->cancelled) {
		r->cancelled++;
		say(k, "cancelled", "status=%u", status);
	} else {
		r->call_failed++;
		wic_report_problem(r, "call: %s (%u)", why, status);
		say(k, "call-failed", "status=%u why=\"%s\"", status, why);
	}
	end(k, "remote");
}

/* --- requests in the dialog ------------------------------------------------------------------- */

static struct wic_request in_dialog(const struct wic_call *k, const char *method)
{
	return (struct wic_request){.method = method,
				    .uri = k->target,
				    .from = k->local,
				    .to = k->remote,
				    .call_id = k->call_id,
				    .routes = k->routes};
}

static void on_bye_answer(void *arg, const struct wic_sip *m)
{
	struct wic_call *k = arg;

	if (m != NULL && m->status < 200)
		return;
	if (m == NULL || m->status != 200)
		wic_report_problem(&k->c->app->report, "BYE answered %u",
				   m != NULL ? m->status : 408);
	end(k, m != NULL && m->status == 200 ? "local" : "error");
}

static void send_bye(struct wic_call *k)
{
	struct wic_request r = in_dialog(k, "BYE");

	k->state = ENDING;
	r.cseq = ++k->cseq;
	wic_client_request(k->c, &r, on_bye_answer, k, NULL);
}

static void on_cancel_answer(void *arg, const struct wic_sip *m)
{
	(void)arg;
	(void)m; /* the INVITE's 487 ends the call */
}

static void send_cancel(struct wic_call *k)
{
	char to[520];
	struct wic_request r = {.method = "CANCEL",
				.uri = k->invite_uri,
				.from = k->local,
				.to = to,
				.call_id = k->call_id,
				.cseq = k->invite_cseq,
				.routes = k->c->service_route,
				.branch = k->invite_branch};

	(void)snprintf(to, sizeof(to), "<%s>", k->invite_uri);
	k->cancelled = true;
	k->state = ENDING;
	wic_client_request(k->c, &r, on_cancel_answer, k, NULL);
}

static void hang_up(struct wic_call *k)
{
	switch (k->state) {
	case TRYING:
	case EARLY:
		send_cancel(k);
		break;
	case RINGING:
		wic_client_respond(k->c, k->invite, 480, "Temporarily Unavailable", k->tag, NULL,
				   NULL);
		fail(k, 480, "leaving");
		break;
	case UP:
		k->state = DRAINING;
		if (k->media != NULL)
			wic_media_quiet(k->media);
		arm(k, DRAIN_MS);
		break;
	case DRAINING:
	case ENDING:
	case OVER:
		break;
	}
}

/* --- media ---------------------------------------------------------------------------------- */

static void media_ice(void *arg, const struct gw_addr *peer)
{
	char text[GW_ADDR_STRLEN];

	say(arg, "ice", "peer=%s", gw_addr_str(peer, text, sizeof(text)));
}

static void media_dtls(void *arg, const char *profile)
{
	say(arg, "dtls", "profile=%s", profile);
}

static void media_first(void *arg)
{
	const struct wic_call *k = arg;

	say(k, "media", "ms=%.1f", (double)(wic_now_us() - k->started_us) / 1000);
}

static void media_failed(void *arg, const char *why)
{
	struct wic_call *k = arg;

	say(k, "media-failed", "why=\"%s\"", why);
	wic_report_problem(&k->c->app->report, "media: %s", why);
	if (k->state == UP)
		hang_up(k);
}

static bool make_media(struct wic_call *k)
{
	static const struct wic_media_cbs cbs = {media_ice, media_dtls, media_first, media_failed};
	struct gw_addr ip;

	return wic_link_local(k->c->link, &ip) &&
	       wic_media_new(&k->media, k->c->app->base, &k->c->app->o, &ip, &cbs, k) == GW_OK;
}

/* The peer's description: RFC 5763 s5 decides who is DTLS client. */
static const char *start_media(struct wic_call *k, struct wic_sdp *sdp)
{
	const struct wic_options *o = &k->c->app->o;
	bool we_are_active;

	if (wic_media_started(k->media))
		return NULL;
	if (k->caller)
		we_are_active = strcmp(sdp->setup, "passive") == 0;
	else
		we_are_active = o->setup == NULL || strcmp(o->setup, "passive") != 0;
	sdp->peer.dtls_client = we_are_active;
	return wic_media_start(k->media, k->caller, &sdp->peer) == GW_OK ? NULL
									 : "media cannot start";
}

static const char *take_answer(struct wic_call *k, const struct wic_sip *m)
{
	struct wic_sdp sdp;
	const char *why = wic_sdp_parse(&sdp, m->body, k->c->app->o.pt);

	return why != NULL ? why : start_media(k, &sdp);
}

/* --- caller --------------------------------------------------------------------------------- */

static void send_invite(struct wic_call *k, const char *credentials);

/* Route set: the caller's is Record-Route reversed, the callee's as it stands (RFC 3261 s12.1). */
static void keep_dialog(struct wic_call *k, const struct wic_sip *m)
{
	struct gw_slice list, e, found[32];
	size_t n = 0, len = 0;

	for (size_t i = 0; wic_sip_nth(m, "Record-Route", i, &list); i++)
		while (n < 32 && wic_sip_element(&list, &e))
			found[n++] = e;
	k->routes[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		e = found[k->caller ? n - 1 - i : i];
		int w = snprintf(k->routes + len, sizeof(k->routes) - len, "Route: %.*s\r\n",
				 GW_SLICE_FMT(e));

		if (w > 0 && (size_t)w < sizeof(k->routes) - len)
			len += (size_t)w;
	}
	(void)snprintf(k->target, sizeof(k->target), "%.*s",
		       GW_SLICE_FMT(wic_sip_uri(wic_sip_get(m, "Contact"))));
	(void)snprintf(k->remote, sizeof(k->remote), "%.*s",
		       GW_SLICE_FMT(wic_sip_get(m, k->caller ? "To" : "From")));
}

static void send_ack(struct wic_call *k, const struct wic_sip *m)
{
	struct wic_request r = in_dialog(k, "ACK");
	char to[500];

	r.cseq = k->invite_cseq;
	if (m->status >= 300) { /* part of the INVITE's transaction (RFC 3261 s17.1.1.3) */
		(void)snprintf(to, sizeof(to), "%.*s", GW_SLICE_FMT(wic_sip_get(m, "To")));
		r.uri = k->invite_uri;
		r.to = to;
		r.routes = k->c->service_route;
		r.branch = k->invite_branch;
	}
	wic_client_request(k->c, &r, NULL, NULL, NULL);
}

static void came_up(struct wic_call *k)
{
	k->state = UP;
	k->was_up = true;
	k->c->app->report.answered++;
}

static void on_answered(struct wic_call *k, const struct wic_sip *m)
{
	const struct wic_options *o = &k->c->app->o;
	double ms = (double)(wic_now_us() - k->started_us) / 1000;
	const char *why = NULL;
	bool too_late = k->state == ENDING; /* crossed our CANCEL */

	keep_dialog(k, m);
	send_ack(k, m);
	if (!wic_media_started(k->media))
		why = take_answer(k, m);
	came_up(k);
	wic_times_add(&k->c->app->report.setup_ms, ms);
	say(k, "answered", "setup_ms=%.1f", ms);
	if (why != NULL) {
		wic_report_problem(&k->c->app->report, "answer: %s", why);
		say(k, "bad-answer", "why=\"%s\"", why);
	}
	if (why != NULL || too_late)
		hang_up(k);
	else
		arm(k, o->misbehave == WIC_DROP_WEBSOCKET ? o->duration_ms / 2 : o->duration_ms);
}

static void on_invite_answer(void *arg, const struct wic_sip *m)
{
	struct wic_call *k = arg;
	char credentials[2 * WIC_VALUE_MAX];

	if (m == NULL) {
		fail(k, 408, "no answer to INVITE");
		return;
	}
	if (m->status < 200) {
		if (k->state == TRYING && m->status > 100)
			k->state = EARLY;
		if (m->status > 100)
			say(k, "progress", "status=%u", m->status);
		if (m->body.n > 0 && !wic_media_started(k->media))
			(void)take_answer(k, m);
		return;
	}
	if (m->status < 300) {
		on_answered(k, m);
		return;
	}
	send_ack(k, m);
	if ((m->status == 401 || m->status == 407) && k->auth_tries++ == 0 &&
	    wic_client_authorize(k->c, m, "INVITE", k->invite_uri, credentials,
				 sizeof(credentials))) {
		send_invite(k, credentials);
		return;
	}
	fail(k, m->status, "refused");
}

static void send_invite(struct wic_call *k, const char *credentials)
{
	struct wic_client *c = k->c;
	char to[520], extra[3 * WIC_VALUE_MAX], sdp[WIC_SDP_MAX];
	struct wic_request r = {.method = "INVITE",
				.uri = k->invite_uri,
				.from = k->local,
				.to = to,
				.call_id = k->call_id,
				.extra = extra,
				.body = sdp,
				.routes = c->service_route};

	(void)snprintf(to, sizeof(to), "<%s>", k->invite_uri);
	(void)snprintf(
	    extra, sizeof(extra),
	    "Contact: <%s;ob>\r\nSupported: outbound\r\nAllow: INVITE, ACK, BYE, CANCEL, "
	    "OPTIONS, UPDATE, INFO\r\n%s",
	    c->contact, credentials != NULL ? credentials : "");
	wic_sdp_print(sdp, sizeof(sdp), &c->app->o, k->media, NULL);
	r.cseq = k->invite_cseq = ++k->cseq;
	wic_client_request(c, &r, on_invite_answer, k, k->invite_branch);
}

/* --- callee --------------------------------------------------------------------------------- */

static void respond(struct wic_call *k, unsigned status, const char *reason, bool with_sdp)
{
	char extra[500], sdp[WIC_SDP_MAX];

	(void)snprintf(extra, sizeof(extra), "Contact: <%s;ob>\r\n", k->c->contact);
	if (with_sdp)
		wic_sdp_print(sdp, sizeof(sdp), &k->c->app->o, k->media, &k->offer);
	wic_client_respond(k->c, k->invite, status, reason, k->tag, extra, with_sdp ? sdp : NULL);
}

static void answer(struct wic_call *k)
{
	const char *why = start_media(k, &k->offer);

	if (why != NULL) {
		respond(k, 500, "Server Internal Error", false);
		fail(k, 500, why);
		return;
	}
	respond(k, 200, "OK", true);
	came_up(k);
	say(k, "answered", "setup_ms=%.1f", (double)(wic_now_us() - k->started_us) / 1000);
	if (k->c->app->o.duration_ms > 0)
		arm(k, k->c->app->o.duration_ms);
}

/* --- the timer ------------------------------------------------------------------------------ */

static void drop_websocket(struct wic_call *k)
{
	k->half_done = true;
	say(k, "dropping", "what=websocket");
	k->c->dropped = true;
	wic_link_reset(k->c->link);
	arm(k, k->c->app->o.duration_ms / 2);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wic_call *k = arg;

	(void)fd;
	(void)what;
	switch (k->state) {
	case TRYING:
	case EARLY:
		hang_up(k); /* --cancel */
		break;
	case RINGING:
		answer(k);
		break;
	case UP:
		if (k->c->app->o.misbehave == WIC_DROP_WEBSOCKET && k->caller && !k->half_done)
			drop_websocket(k);
		else
			hang_up(k);
		break;
	case DRAINING:
		if (k->c->dropped)
			end(k, "error");
		else
			send_bye(k);
		break;
	case ENDING:
	case OVER:
		break;
	}
}

/* --- birth ---------------------------------------------------------------------------------- */

static struct wic_call *call_new(struct wic_client *c, bool caller)
{
	static unsigned numbers;
	struct wic_call *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->c = c;
	k->caller = caller;
	k->number = numbers++;
	k->started_us = wic_now_us();
	k->timer = event_new(c->app->base, -1, 0, on_timer, k);
	k->reap = event_new(c->app->base, -1, 0, on_reap, k);
	gw_rand_hex(k->tag, 8);
	if (k->timer == NULL || k->reap == NULL || !make_media(k)) {
		call_free(k);
		return NULL;
	}
	k->next = c->calls;
	c->calls = k;
	c->app->live_calls++;
	return k;
}

enum gw_err wic_call_place(struct wic_client *c, const char *uri)
{
	struct wic_call *k = call_new(c, true);
	bool whole = strncmp(uri, "sip:", 4) == 0 || strncmp(uri, "tel:", 4) == 0 ||
		     strncmp(uri, "urn:", 4) == 0;
	bool has_host = strchr(uri, '@') != NULL;

	if (k == NULL)
		return GW_ERR_NOMEM;
	(void)snprintf(k->invite_uri, sizeof(k->invite_uri), "%s%s%s%s", whole ? "" : "sip:", uri,
		       whole || has_host ? "" : "@", whole || has_host ? "" : c->app->o.domain);
	(void)snprintf(k->local, sizeof(k->local), "<%s>;tag=%s", c->aor, k->tag);
	gw_rand_hex(k->call_id, 16);
	c->app->report.placed++;
	say(k, "calling", "to=%s call_id=%s", k->invite_uri, k->call_id);
	send_invite(k, NULL);
	if (c->app->o.cancel_ms > 0)
		arm(k, c->app->o.cancel_ms);
	return GW_OK;
}

static void refuse(struct wic_client *c, const struct wic_sip *m, unsigned status,
		   const char *reason)
{
	c->app->report.rejected++;
	wic_event("rejected", "client=%d status=%u", c->number, status);
	wic_client_respond(c, m, status, reason, "refused", NULL, NULL);
	wic_app_call_ended(c->app);
}

/* A fresh INVITE. */
static void incoming(struct wic_client *c, const struct wic_sip *m)
{
	const struct wic_options *o = &c->app->o;
	struct wic_call *k;
	const char *why;

	c->app->report.incoming++;
	if (!o->answer || c->leaving || o->reject != 0) {
		c->app->live_calls++; /* wic_app_call_ended takes it off again */
		refuse(c, m, o->reject != 0 ? (unsigned)o->reject : 480, "Not Now");
		return;
	}
	k = call_new(c, false);
	if (k == NULL)
		return;
	k->state = RINGING;
	if (wic_sip_parse(&k->invite, m->text, m->len) != GW_OK) {
		fail(k, 500, "no memory");
		return;
	}
	(void)snprintf(k->call_id, sizeof(k->call_id), "%.*s",
		       GW_SLICE_FMT(wic_sip_get(m, "Call-ID")));
	(void)snprintf(k->local, sizeof(k->local), "%.*s;tag=%s",
		       GW_SLICE_FMT(wic_sip_get(m, "To")), k->tag);
	keep_dialog(k, m);
	say(k, "incoming", "from=\"%s\" call_id=%s", k->remote, k->call_id);
	why = wic_sdp_parse(&k->offer, m->body, o->pt);
	if (why != NULL) {
		respond(k, 488, "Not Acceptable Here", false);
		fail(k, 488, why);
		return;
	}
	respond(k, 180, "Ringing", false);
	arm(k, o->answer_delay_ms);
}

/* --- what arrives in a call ----------------------------------------------------------------- */

static struct wic_call *find(struct wic_client *c, const struct wic_sip *m)
{
	struct gw_slice id = wic_sip_get(m, "Call-ID");

	for (struct wic_call *k = c->calls; k != NULL; k = k->next)
		if (gw_slice_eq_str(id, k->call_id))
			return k;
	return NULL;
}

static void on_cancel(struct wic_call *k, const struct wic_sip *m)
{
	wic_client_respond(k->c, m, 200, "OK", k->tag, NULL, NULL);
	if (k->state != RINGING)
		return;
	respond(k, 487, "Request Terminated", false);
	k->cancelled = true;
	fail(k, 487, "cancelled by the caller");
}

/* The same media again, whatever is offered: enough for refreshes and hold. */
static void on_reinvite(struct wic_call *k, const struct wic_sip *m)
{
	struct wic_sdp offer;
	char extra[500], sdp[WIC_SDP_MAX];

	if (wic_sdp_parse(&offer, m->body, k->c->app->o.pt) != NULL) {
		wic_client_respond(k->c, m, 488, "Not Acceptable Here", k->tag, NULL, NULL);
		return;
	}
	say(k, "reinvited", "state=%d", (int)k->state);
	(void)snprintf(extra, sizeof(extra), "Contact: <%s;ob>\r\n", k->c->contact);
	wic_sdp_print(sdp, sizeof(sdp), &k->c->app->o, k->media, &offer);
	wic_client_respond(k->c, m, 200, "OK", k->tag, extra, sdp);
}

bool wic_call_request(struct wic_client *c, const struct wic_sip *m)
{
	struct wic_call *k = find(c, m);
	bool invite = gw_slice_eq_str(m->method, "INVITE");

	if (k == NULL || k->state == OVER) {
		if (!invite || wic_sip_param(wic_sip_get(m, "To"), "tag").n > 0)
			return false;
		incoming(c, m);
		return true;
	}
	if (gw_slice_eq_str(m->method, "ACK"))
		return true;
	if (gw_slice_eq_str(m->method, "CANCEL")) {
		on_cancel(k, m);
	} else if (invite) {
		on_reinvite(k, m);
	} else {
		wic_client_respond(c, m, 200, "OK", k->tag, NULL, NULL);
		if (gw_slice_eq_str(m->method, "BYE"))
			end(k, "remote");
	}
	return true;
}

void wic_call_stray_response(struct wic_client *c, const struct wic_sip *m)
{
	struct wic_call *k = find(c, m);

	if (k != NULL && k->caller && k->was_up && m->status / 100 == 2 &&
	    gw_slice_eq_str(m->method, "INVITE"))
		send_ack(k, m);
}

void wic_call_hang_up_all(struct wic_client *c)
{
	for (struct wic_call *k = c->calls, *next; k != NULL; k = next) {
		next = k->next;
		hang_up(k);
	}
}

void wic_call_drop_all(struct wic_client *c)
{
	for (struct wic_call *k = c->calls, *next; k != NULL; k = next) {
		next = k->next;
		if (k->state != OVER)
			report_end(k, "error");
		k->state = OVER;
		call_free(k);
		wic_app_call_ended(c->app);
	}
}
