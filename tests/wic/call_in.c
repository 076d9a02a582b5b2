/* SPDX-License-Identifier: Apache-2.0 */
/* A call that comes to us: ring, answer, refuse; see call.h. */
#include "tests/wic/call_int.h"

#include <stdio.h>
#include <string.h>

static void respond(struct wic_call *k, unsigned status, const char *reason, bool with_sdp)
{
	char extra[500], sdp[WIC_SDP_MAX];

	(void)snprintf(extra, sizeof(extra), "Contact: <%s;ob>\r\n", k->c->contact);
	if (with_sdp)
		wic_sdp_print(sdp, sizeof(sdp), &k->c->app->o, k->media, &k->offer);
	wic_client_respond(k->c, k->invite, status, reason, k->tag, extra, with_sdp ? sdp : NULL);
}

void call_answer(struct wic_call *k)
{
	const char *why = call_start_media(k, &k->offer);

	if (why != NULL) {
		respond(k, 500, "Server Internal Error", false);
		call_fail(k, 500, why);
		return;
	}
	respond(k, 200, "OK", true);
	call_came_up(k);
	call_say(k, "answered", "setup_ms=%.1f", (double)(wic_now_us() - k->started_us) / 1000);
	if (k->c->app->o.duration_ms > 0)
		call_arm(k, k->c->app->o.duration_ms);
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
void call_incoming(struct wic_client *c, const struct wic_sip *m)
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
		call_fail(k, 500, "no memory");
		return;
	}
	(void)snprintf(k->call_id, sizeof(k->call_id), "%.*s",
		       GW_SLICE_FMT(wic_sip_get(m, "Call-ID")));
	(void)snprintf(k->local, sizeof(k->local), "%.*s;tag=%s",
		       GW_SLICE_FMT(wic_sip_get(m, "To")), k->tag);
	call_keep_dialog(k, m);
	call_say(k, "incoming", "from=\"%s\" call_id=%s", k->remote, k->call_id);
	why = wic_sdp_parse(&k->offer, m->body, o->pt);
	if (why != NULL) {
		respond(k, 488, "Not Acceptable Here", false);
		call_fail(k, 488, why);
		return;
	}
	respond(k, 180, "Ringing", false);
	call_arm(k, o->answer_delay_ms);
}

void call_on_cancel(struct wic_call *k, const struct wic_sip *m)
{
	wic_client_respond(k->c, m, 200, "OK", k->tag, NULL, NULL);
	if (k->state != RINGING)
		return;
	respond(k, 487, "Request Terminated", false);
	k->cancelled = true;
	call_fail(k, 487, "cancelled by the caller");
}

/* Other ICE credentials are another gateway: the media goes there (RFC 8839 s4.4.1.1.1). */
static bool follow(struct wic_call *k, struct wic_sdp *offer)
{
	const struct wic_options *o = &k->c->app->o;

	if (!wic_media_started(k->media) || wic_media_has_peer(k->media, &offer->peer))
		return true;
	offer->peer.dtls_client = o->setup == NULL || strcmp(o->setup, "passive") != 0;
	call_say(k, "moving", "moves=%u", wic_media_version(k->media));
	return wic_media_move(k->media, offer->peer.lite, &offer->peer) == GW_OK;
}

/* The same media again, whatever else is offered: enough for refreshes and hold. */
void call_on_reinvite(struct wic_call *k, const struct wic_sip *m)
{
	struct wic_sdp offer;
	char extra[500], sdp[WIC_SDP_MAX];

	if (wic_sdp_parse(&offer, m->body, k->c->app->o.pt) != NULL) {
		wic_client_respond(k->c, m, 488, "Not Acceptable Here", k->tag, NULL, NULL);
		return;
	}
	call_say(k, "reinvited", "state=%d", (int)k->state);
	if (!follow(k, &offer)) {
		wic_client_respond(k->c, m, 500, "Server Internal Error", k->tag, NULL, NULL);
		return;
	}
	(void)snprintf(extra, sizeof(extra), "Contact: <%s;ob>\r\n", k->c->contact);
	wic_sdp_print(sdp, sizeof(sdp), &k->c->app->o, k->media, &offer);
	wic_client_respond(k->c, m, 200, "OK", k->tag, extra, sdp);
}
