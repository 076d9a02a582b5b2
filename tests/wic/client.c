/* SPDX-License-Identifier: Apache-2.0 */
/* One WIC; see client.h. */
#include "tests/wic/client.h"

#include "common/rand.h"
#include "tests/wic/call.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_S 32 /* timer B and F */

static void trace(const struct wic_client *c, const char *way, const char *text, size_t len)
{
	if (c->app->o.verbose)
		(void)fprintf(stderr, "--- client %d %s\n%.*s\n", c->number, way, (int)len, text);
}

static void transmit(struct wic_client *c, struct evbuffer *out)
{
	size_t len = evbuffer_get_length(out);
	const char *text = (const char *)evbuffer_pullup(out, -1);

	if (text != NULL && c->link != NULL) {
		trace(c, "sends", text, len);
		wic_link_send(c->link, text, len);
	}
	evbuffer_free(out);
}

static void add_body(struct evbuffer *out, const char *body)
{
	if (body != NULL)
		(void)evbuffer_add_printf(out, "Content-Type: application/sdp\r\n");
	(void)evbuffer_add_printf(out, "Content-Length: %zu\r\n\r\n%s",
				  body != NULL ? strlen(body) : 0, body != NULL ? body : "");
}

/* --- transactions --------------------------------------------------------------------------- */

static void txn_free(struct wic_txn *t)
{
	struct wic_txn **at = &t->c->txns;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	event_free(t->timer);
	free(t);
}

static void on_txn_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct wic_txn *t = arg;
	wic_response_fn *fn = t->fn;
	void *user = t->arg;

	(void)fd;
	(void)what;
	wic_report_problem(&t->c->app->report, "no answer to %s", t->method);
	txn_free(t);
	fn(user, NULL);
}

static void txn_add(struct wic_client *c, const char *branch, const char *method,
		    wic_response_fn *fn, void *arg)
{
	struct wic_txn *t = calloc(1, sizeof(*t));
	struct timeval tv = {.tv_sec = ANSWER_S};

	if (t == NULL)
		return;
	t->timer = event_new(c->app->base, -1, 0, on_txn_timeout, t);
	if (t->timer == NULL) {
		free(t);
		return;
	}
	t->c = c;
	t->fn = fn;
	t->arg = arg;
	(void)snprintf(t->branch, sizeof(t->branch), "%s", branch);
	(void)snprintf(t->method, sizeof(t->method), "%s", method);
	t->next = c->txns;
	c->txns = t;
	(void)event_add(t->timer, &tv);
}

void wic_client_forget(struct wic_client *c, const void *arg)
{
	for (struct wic_txn *t = c->txns, *next; t != NULL; t = next) {
		next = t->next;
		if (t->arg == arg)
			txn_free(t);
	}
}

void wic_client_request(struct wic_client *c, const struct wic_request *r, wic_response_fn *fn,
			void *arg, char branch_out[WIC_BRANCH_LEN])
{
	struct evbuffer *out = evbuffer_new();
	char branch[WIC_BRANCH_LEN] = "z9hG4bK";

	if (out == NULL)
		return;
	if (r->branch != NULL)
		(void)snprintf(branch, sizeof(branch), "%s", r->branch);
	else
		gw_rand_hex(branch + 7, 8);
	(void)evbuffer_add_printf(
	    out,
	    "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s;rport\r\nMax-Forwards: 70\r\n"
	    "%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n%s"
	    "User-Agent: wicgate-wic\r\n",
	    r->method, r->uri, c->app->o.tls ? "WSS" : "WS", c->host, branch,
	    r->routes != NULL ? r->routes : "", r->from, r->to, r->call_id, r->cseq, r->method,
	    r->extra != NULL ? r->extra : "");
	add_body(out, r->body);
	if (fn != NULL)
		txn_add(c, branch, r->method, fn, arg);
	if (branch_out != NULL)
		memcpy(branch_out, branch, sizeof(branch));
	transmit(c, out);
}

void wic_client_respond(struct wic_client *c, const struct wic_sip *req, unsigned status,
			const char *reason, const char *tag, const char *extra, const char *body)
{
	static const char *const copied[] = {"Via", "Record-Route", "From",
					     "To",  "Call-ID",      "CSeq"};
	struct evbuffer *out = evbuffer_new();

	if (out == NULL)
		return;
	(void)evbuffer_add_printf(out, "SIP/2.0 %u %s\r\n", status, reason);
	for (size_t k = 0; k < sizeof(copied) / sizeof(copied[0]); k++) {
		struct gw_slice v;

		for (size_t i = 0; wic_sip_nth(req, copied[k], i, &v); i++) {
			bool add_tag = strcmp(copied[k], "To") == 0 && tag != NULL &&
				       wic_sip_param(v, "tag").n == 0;

			(void)evbuffer_add_printf(out, "%s: %.*s%s%s\r\n", copied[k],
						  GW_SLICE_FMT(v), add_tag ? ";tag=" : "",
						  add_tag ? tag : "");
		}
	}
	(void)evbuffer_add_printf(out, "%s", extra != NULL ? extra : "");
	add_body(out, body);
	transmit(c, out);
}

bool wic_client_authorize(struct wic_client *c, const struct wic_sip *answer, const char *method,
			  const char *uri, char *to, size_t size)
{
	bool proxy = answer->status == 407;
	struct gw_slice ch = wic_sip_get(answer, proxy ? "Proxy-Authenticate" : "WWW-Authenticate");
	struct wic_digest d = {c->username, c->password, method, uri, 1};
	int n = snprintf(to, size, "%s: ", proxy ? "Proxy-Authorization" : "Authorization");

	if (ch.n == 0 || wic_sip_digest(to + n, size - (size_t)n - 2, ch, &d) != GW_OK)
		return false;
	memcpy(to + strlen(to), "\r\n", 3);
	return true;
}

/* --- what arrives, and when ---------------------------------------------------------------- */

void wic_client_settle(struct wic_client *c, bool ok)
{
	if (c->settled)
		return;
	c->settled = true;
	wic_app_registered(c->app, c, ok);
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct wic_client *c = arg;

	(void)fd;
	(void)what;
	if (!c->leaving)
		wic_client_register(c, c->app->o.expires_s);
}

static void on_response(struct wic_client *c, const struct wic_sip *m)
{
	struct gw_slice branch = wic_sip_param(wic_sip_get(m, "Via"), "branch");

	for (struct wic_txn *t = c->txns; t != NULL; t = t->next) {
		wic_response_fn *fn = t->fn;
		void *arg = t->arg;

		if (!gw_slice_eq_str(branch, t->branch) || !gw_slice_eq_str(m->method, t->method))
			continue;
		if (m->status >= 200)
			txn_free(t);
		else if (gw_slice_eq_str(m->method, "INVITE"))
			(void)event_del(t->timer); /* it may ring as long as it likes */
		fn(arg, m);
		return;
	}
	/* a 2xx of INVITE sent again, or an answer nobody waits for any more */
	wic_call_stray_response(c, m);
}

static void on_request(struct wic_client *c, const struct wic_sip *m)
{
	if (wic_call_request(c, m))
		return;
	if (gw_slice_eq_str(m->method, "ACK"))
		return;
	if (gw_slice_eq_str(m->method, "BYE") || gw_slice_eq_str(m->method, "CANCEL"))
		wic_client_respond(c, m, 481, "Call/Transaction Does Not Exist", "x", NULL, NULL);
	else
		wic_client_respond(c, m, 200, "OK", "x", NULL, NULL);
}

static void link_message(void *arg, const char *text, size_t len)
{
	struct wic_client *c = arg;
	struct wic_sip *m = NULL;

	trace(c, "receives", text, len);
	if (len <= 4) /* RFC 5626 keep-alive */
		return;
	if (wic_sip_parse(&m, text, len) != GW_OK) {
		wic_report_problem(&c->app->report, "unreadable SIP from the gateway");
		c->app->report.by_error++;
		return;
	}
	if (m->status != 0)
		on_response(c, m);
	else
		on_request(c, m);
	wic_sip_free(m);
}

static void link_open(void *arg)
{
	struct wic_client *c = arg;

	wic_event("connected", "client=%d", c->number);
	wic_client_register(c, c->app->o.expires_s);
}

static void gone(struct wic_client *c)
{
	if (c->gone)
		return;
	c->gone = true;
	(void)event_del(c->refresh);
	wic_app_client_gone(c->app, c);
}

static void link_closed(void *arg, unsigned code, const char *why)
{
	struct wic_client *c = arg;
	bool wanted = c->leaving;

	wic_event("closed", "client=%d code=%u why=\"%s\"", c->number, code, why);
	if (!wanted) {
		c->app->report.connection_lost++;
		wic_report_problem(&c->app->report, "connection of client %d: %s (%u)", c->number,
				   why, code);
	}
	c->leaving = true;
	c->registered = false;
	while (c->txns != NULL)
		txn_free(c->txns);
	wic_call_drop_all(c);
	if (!wanted)
		wic_client_settle(c, false);
	gone(c);
}

static const struct wic_link_cbs link_cbs = {link_open, link_message, link_closed};

/* --- public --------------------------------------------------------------------------------- */

static void name_client(struct wic_client *c)
{
	const struct wic_options *o = &c->app->o;
	char token[20];

	wic_options_number(c->user, sizeof(c->user), o->user, c->number);
	wic_options_number(c->username, sizeof(c->username),
			   o->username != NULL ? o->username : o->user, c->number);
	wic_options_number(c->password, sizeof(c->password), o->password, c->number);
	gw_rand_hex(token, 6);
	(void)snprintf(c->aor, sizeof(c->aor), "sip:%s@%s", c->user, o->domain);
	(void)snprintf(c->host, sizeof(c->host), "%s.invalid", token);
	(void)snprintf(c->contact, sizeof(c->contact), "sip:%s@%s;transport=ws", c->user, c->host);
	gw_rand_hex(c->reg_call_id, 16);
	gw_rand_hex(c->reg_tag, 8);
	gw_rand_hex(c->instance, 16);
	/* 8-4-4-4-12 */
	memmove(c->instance + 24, c->instance + 20, 13);
	memmove(c->instance + 19, c->instance + 16, 4);
	memmove(c->instance + 14, c->instance + 12, 4);
	memmove(c->instance + 9, c->instance + 8, 4);
	c->instance[8] = c->instance[13] = c->instance[18] = c->instance[23] = '-';
}

enum gw_err wic_client_new(struct wic_client **out, struct wic_app *app, int number)
{
	struct wic_client *c = calloc(1, sizeof(*c));
	enum gw_err err = GW_ERR_NOMEM;

	if (c == NULL)
		return err;
	c->app = app;
	c->number = number;
	c->started_us = wic_now_us();
	name_client(c);
	c->refresh = event_new(app->base, -1, 0, on_refresh, c);
	if (c->refresh != NULL)
		err = wic_link_new(&c->link, app->base, &app->o, &link_cbs, c);
	if (err != GW_OK) {
		wic_client_free(c);
		return err;
	}
	*out = c;
	return GW_OK;
}

void wic_client_free(struct wic_client *c)
{
	if (c == NULL)
		return;
	wic_call_drop_all(c);
	while (c->txns != NULL)
		txn_free(c->txns);
	wic_link_free(c->link);
	if (c->refresh != NULL)
		event_free(c->refresh);
	free(c);
}

void wic_client_cut(struct wic_client *c, bool again)
{
	wic_link_reset(c->link);
	c->dropped = !again;
	if (!again)
		return;
	wic_link_free(c->link);
	c->link = NULL;
	if (wic_link_new(&c->link, c->app->base, &c->app->o, &link_cbs, c) != GW_OK)
		c->dropped = true;
}

void wic_client_call_ended(struct wic_client *c)
{
	if (!c->leaving || c->gone || c->calls != NULL)
		return;
	if (!c->registered) {
		wic_link_close(c->link);
		return;
	}
	wic_client_register(c, 0);
}

void wic_client_leave(struct wic_client *c)
{
	if (c->leaving || c->gone)
		return;
	c->leaving = true;
	(void)event_del(c->refresh);
	if (c->app->o.misbehave == WIC_NO_BYE || c->app->o.misbehave == WIC_SILENT || c->dropped) {
		wic_call_drop_all(c);
		wic_link_reset(c->link);
		gone(c);
		return;
	}
	wic_call_hang_up_all(c);
	wic_client_call_ended(c);
}
