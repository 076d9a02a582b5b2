/* SPDX-License-Identifier: Apache-2.0 */
/* A call we place: INVITE, its answers, ACK, CANCEL; see call.h. */
#include "tests/wic/call_int.h"

#include "common/rand.h"

#include <stdio.h>
#include <string.h>

static void send_invite(struct wic_call *k, const char *credentials);

static void on_cancel_answer(void *arg, const struct wic_sip *m)
{
	(void)arg;
	(void)m; /* the INVITE's 487 ends the call */
}

void call_send_cancel(struct wic_call *k)
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

static const char *take_answer(struct wic_call *k, const struct wic_sip *m)
{
	struct wic_sdp sdp;
	const char *why = wic_sdp_parse(&sdp, m->body, k->c->app->o.pt);

	return why != NULL ? why : call_start_media(k, &sdp);
}

void call_send_ack(struct wic_call *k, const struct wic_sip *m)
{
	struct wic_request r = call_in_dialog(k, "ACK");
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

static void on_answered(struct wic_call *k, const struct wic_sip *m)
{
	const struct wic_options *o = &k->c->app->o;
	double ms = (double)(wic_now_us() - k->started_us) / 1000;
	const char *why = NULL;
	bool too_late = k->state == ENDING; /* crossed our CANCEL */

	call_keep_dialog(k, m);
	call_send_ack(k, m);
	if (!wic_media_started(k->media))
		why = take_answer(k, m);
	call_came_up(k);
	wic_times_add(&k->c->app->report.setup_ms, ms);
	call_say(k, "answered", "setup_ms=%.1f", ms);
	if (why != NULL) {
		wic_report_problem(&k->c->app->report, "answer: %s", why);
		call_say(k, "bad-answer", "why=\"%s\"", why);
	}
	if (why != NULL || too_late)
		call_hang_up(k);
	else
		call_arm(k,
			 o->misbehave == WIC_DROP_WEBSOCKET ? o->duration_ms / 2 : o->duration_ms);
}

static void on_invite_answer(void *arg, const struct wic_sip *m)
{
	struct wic_call *k = arg;
	char credentials[2 * WIC_VALUE_MAX];

	if (m == NULL) {
		call_fail(k, 408, "no answer to INVITE");
		return;
	}
	if (m->status < 200) {
		if (k->state == TRYING && m->status > 100)
			k->state = EARLY;
		if (m->status > 100)
			call_say(k, "progress", "status=%u", m->status);
		if (m->body.n > 0 && !wic_media_started(k->media))
			(void)take_answer(k, m);
		return;
	}
	if (m->status < 300) {
		on_answered(k, m);
		return;
	}
	call_send_ack(k, m);
	if ((m->status == 401 || m->status == 407) && k->auth_tries++ == 0 &&
	    wic_client_authorize(k->c, m, "INVITE", k->invite_uri, credentials,
				 sizeof(credentials))) {
		send_invite(k, credentials);
		return;
	}
	call_fail(k, m->status, "refused");
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
	call_say(k, "calling", "to=%s call_id=%s", k->invite_uri, k->call_id);
	send_invite(k, NULL);
	if (c->app->o.cancel_ms > 0)
		call_arm(k, c->app->o.cancel_ms);
	return GW_OK;
}

void wic_call_stray_response(struct wic_client *c, const struct wic_sip *m)
{
	struct wic_call *k = call_find(c, m);

	if (k != NULL && k->caller && k->was_up && m->status / 100 == 2 &&
	    gw_slice_eq_str(m->method, "INVITE"))
		call_send_ack(k, m);
}
