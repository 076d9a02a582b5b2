/* SPDX-License-Identifier: Apache-2.0 */
/* One call either way: dialog, media, end; see call.h. */
#include "tests/wic/call_int.h"

#include "common/rand.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_MS 200 /* last packet to BYE: what is under way may come back */

void call_arm(struct wic_call *k, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)event_add(k->timer, &tv);
}

void call_say(const struct wic_call *k, const char *event, const char *fmt, ...)
{
	char more[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	wic_event(event, "client=%d call=%u %s", k->c->number, k->number, more);
}

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
	call_say(k, "ended", "by=%s sent=%llu received=%llu returned=%llu lost=%llu corrupt=%llu",
		 by, (unsigned long long)st.sent, (unsigned long long)st.received,
		 (unsigned long long)st.returned, (unsigned long long)st.lost,
		 (unsigned long long)st.corrupt);
}

/* by: local, remote or error. The memory goes in the next turn. */
void call_end(struct wic_call *k, const char *by)
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

void call_fail(struct wic_call *k, unsigned status, const char *why)
{
	struct wic_report *r = &k->c->app->report;

	if (k->state == OVER)
		return;
	r->last_status = (int)status;
	if (k->cancelled) {
		r->cancelled++;
		call_say(k, "cancelled", "status=%u", status);
	} else {
		r->call_failed++;
		wic_report_problem(r, "call: %s (%u)", why, status);
		call_say(k, "call-failed", "status=%u why=\"%s\"", status, why);
	}
	call_end(k, "remote");
}

struct wic_request call_in_dialog(const struct wic_call *k, const char *method)
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
	call_end(k, m != NULL && m->status == 200 ? "local" : "error");
}

static void send_bye(struct wic_call *k)
{
	struct wic_request r = call_in_dialog(k, "BYE");

	k->state = ENDING;
	r.cseq = ++k->cseq;
	wic_client_request(k->c, &r, on_bye_answer, k, NULL);
}

void call_hang_up(struct wic_call *k)
{
	switch (k->state) {
	case TRYING:
	case EARLY:
		call_send_cancel(k);
		break;
	case RINGING:
		wic_client_respond(k->c, k->invite, 480, "Temporarily Unavailable", k->tag, NULL,
				   NULL);
		call_fail(k, 480, "leaving");
		break;
	case UP:
		k->state = DRAINING;
		if (k->media != NULL)
			wic_media_quiet(k->media);
		call_arm(k, DRAIN_MS);
		break;
	case DRAINING:
	case ENDING:
	case OVER:
		break;
	}
}

static void media_ice(void *arg, const struct gw_addr *peer)
{
	char text[GW_ADDR_STRLEN];

	call_say(arg, "ice", "peer=%s", gw_addr_str(peer, text, sizeof(text)));
}

static void media_dtls(void *arg, const char *profile)
{
	call_say(arg, "dtls", "profile=%s", profile);
}

static void media_first(void *arg)
{
	const struct wic_call *k = arg;

	call_say(k, "media", "ms=%.1f", (double)(wic_now_us() - k->started_us) / 1000);
}

static void media_failed(void *arg, const char *why)
{
	struct wic_call *k = arg;

	call_say(k, "media-failed", "why=\"%s\"", why);
	wic_report_problem(&k->c->app->report, "media: %s", why);
	if (k->state == UP)
		call_hang_up(k);
}

static bool make_media(struct wic_call *k)
{
	static const struct wic_media_cbs cbs = {media_ice, media_dtls, media_first, media_failed};
	struct gw_addr ip;

	return wic_link_local(k->c->link, &ip) &&
	       wic_media_new(&k->media, k->c->app->base, &k->c->app->o, &ip, &cbs, k) == GW_OK;
}

/* The peer's description: RFC 5763 s5 decides who is DTLS client. */
const char *call_start_media(struct wic_call *k, struct wic_sdp *sdp)
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

void send_invite(struct wic_call *k, const char *credentials);

/* Route set: the caller's is Record-Route reversed, the callee's as it stands (RFC 3261 s12.1). */
void call_keep_dialog(struct wic_call *k, const struct wic_sip *m)
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

void call_came_up(struct wic_call *k)
{
	k->state = UP;
	k->was_up = true;
	k->c->app->report.answered++;
	if (k->c->app->o.misbehave == WIC_SILENT)
		wic_link_silence(k->c->link);
}

static bool cuts_connection(const struct wic_call *k)
{
	enum wic_misbehave how = k->c->app->o.misbehave;

	return k->caller && (how == WIC_DROP_WEBSOCKET || how == WIC_RECONNECT);
}

static void drop_websocket(struct wic_call *k)
{
	k->half_done = true;
	call_say(k, "dropping", "what=websocket");
	wic_client_cut(k->c, k->c->app->o.misbehave == WIC_RECONNECT);
	call_arm(k, k->c->app->o.duration_ms / 2);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wic_call *k = arg;

	(void)fd;
	(void)what;
	switch (k->state) {
	case TRYING:
	case EARLY:
		call_hang_up(k); /* --cancel */
		break;
	case RINGING:
		call_answer(k);
		break;
	case UP:
		if (cuts_connection(k) && !k->half_done)
			drop_websocket(k);
		else
			call_hang_up(k);
		break;
	case DRAINING:
		if (k->c->dropped)
			call_end(k, "error");
		else if (k->c->app->o.misbehave == WIC_NO_BYE ||
			 k->c->app->o.misbehave == WIC_SILENT)
			call_end(k, "local");
		else
			send_bye(k);
		break;
	case ENDING:
	case OVER:
		break;
	}
}

struct wic_call *call_new(struct wic_client *c, bool caller)
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

struct wic_call *call_find(struct wic_client *c, const struct wic_sip *m)
{
	struct gw_slice id = wic_sip_get(m, "Call-ID");

	for (struct wic_call *k = c->calls; k != NULL; k = k->next)
		if (gw_slice_eq_str(id, k->call_id))
			return k;
	return NULL;
}

bool wic_call_request(struct wic_client *c, const struct wic_sip *m)
{
	struct wic_call *k = call_find(c, m);
	bool invite = gw_slice_eq_str(m->method, "INVITE");

	if (k == NULL || k->state == OVER) {
		if (!invite || wic_sip_param(wic_sip_get(m, "To"), "tag").n > 0)
			return false;
		call_incoming(c, m);
		return true;
	}
	if (gw_slice_eq_str(m->method, "ACK"))
		return true;
	if (gw_slice_eq_str(m->method, "CANCEL")) {
		call_on_cancel(k, m);
	} else if (invite) {
		call_on_reinvite(k, m);
	} else {
		wic_client_respond(c, m, 200, "OK", k->tag, NULL, NULL);
		if (gw_slice_eq_str(m->method, "BYE"))
			call_end(k, "remote");
	}
	return true;
}

void wic_call_hang_up_all(struct wic_client *c)
{
	for (struct wic_call *k = c->calls, *next; k != NULL; k = next) {
		next = k->next;
		call_hang_up(k);
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
