/* SPDX-License-Identifier: Apache-2.0 */
/* REGISTER of one WIC: Digest, refresh, Service-Route, deregistration; see client.h. */
#include "tests/wic/client.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUTH_TRIES_MAX 2

static void send_register(struct wic_client *c, int expires, const char *credentials);

/* Service-Route in its order becomes the Route of what we send (RFC 3608 s6.1). */
static void keep_service_route(struct wic_client *c, const struct wic_sip *m)
{
	struct gw_slice list, e;
	size_t n = 0;

	c->service_route[0] = '\0';
	for (size_t i = 0; wic_sip_nth(m, "Service-Route", i, &list); i++) {
		while (wic_sip_element(&list, &e)) {
			int k = snprintf(c->service_route + n, sizeof(c->service_route) - n,
					 "Route: %.*s\r\n", GW_SLICE_FMT(e));

			if (k > 0 && (size_t)k < sizeof(c->service_route) - n)
				n += (size_t)k;
		}
	}
}

/* Of our own contact: the answer lists all bindings of the user. */
static unsigned granted_expiry(const struct wic_client *c, const struct wic_sip *m)
{
	struct gw_slice list, e, expires = wic_sip_get(m, "Expires");

	for (size_t i = 0; wic_sip_nth(m, "Contact", i, &list); i++)
		while (wic_sip_element(&list, &e))
			if (memmem(e.p, e.n, c->host, strlen(c->host)) != NULL &&
			    wic_sip_param(e, "expires").n > 0)
				expires = wic_sip_param(e, "expires");
	return expires.n > 0 ? (unsigned)strtoul(expires.p, NULL, 10)
			     : (unsigned)c->app->o.expires_s;
}

static void on_registered(struct wic_client *c, const struct wic_sip *m)
{
	unsigned expires_s = granted_expiry(c, m);
	struct timeval tv = {.tv_sec = expires_s > 1 ? expires_s / 2 : 1};
	double ms = (double)(wic_now_us() - c->started_us) / 1000;

	keep_service_route(c, m);
	(void)event_add(c->refresh, &tv);
	if (c->registered) {
		wic_event("reregistered", "client=%d", c->number);
		return;
	}
	c->registered = true;
	c->app->report.registered++;
	wic_times_add(&c->app->report.register_ms, ms);
	wic_event("registered", "client=%d user=%s expires=%u ms=%.1f", c->number, c->user,
		  expires_s, ms);
	if (c->app->o.misbehave == WIC_SILENT && c->app->o.call == NULL && !c->app->o.answer)
		wic_link_silence(c->link);
	wic_client_settle(c, true);
}

static void on_register_failed(struct wic_client *c, unsigned status)
{
	c->app->report.register_failed++;
	c->app->report.last_status = (int)status;
	wic_report_problem(&c->app->report, "REGISTER answered %u", status);
	wic_event("register-failed", "client=%d user=%s status=%u", c->number, c->user, status);
	wic_client_settle(c, false);
}

static void on_deregistered(struct wic_client *c, unsigned status)
{
	if (status == 200) {
		c->app->report.deregistered++;
		wic_event("deregistered", "client=%d", c->number);
	} else {
		wic_report_problem(&c->app->report, "deregistration answered %u", status);
	}
	c->registered = false;
	wic_link_close(c->link);
}

static void on_register_answer(void *arg, const struct wic_sip *m)
{
	struct wic_client *c = arg;
	unsigned status = m != NULL ? m->status : 408;
	char credentials[2 * WIC_VALUE_MAX], uri[300];

	if (status < 200)
		return;
	if (status == 401 && c->auth_tries++ < AUTH_TRIES_MAX) {
		(void)snprintf(uri, sizeof(uri), "sip:%s", c->app->o.domain);
		if (wic_client_authorize(c, m, "REGISTER", uri, credentials, sizeof(credentials))) {
			send_register(c, c->leaving ? 0 : c->app->o.expires_s, credentials);
			return;
		}
	}
	if (c->leaving)
		on_deregistered(c, status);
	else if (status == 200)
		on_registered(c, m);
	else
		on_register_failed(c, status);
}

static void send_register(struct wic_client *c, int expires, const char *credentials)
{
	char uri[300], from[400], to[400], extra[4 * WIC_VALUE_MAX], empty[700];
	struct wic_request r = {.method = "REGISTER",
				.uri = uri,
				.from = from,
				.to = to,
				.call_id = c->reg_call_id,
				.extra = extra};

	(void)snprintf(uri, sizeof(uri), "sip:%s", c->app->o.domain);
	(void)snprintf(from, sizeof(from), "<%s>;tag=%s", c->aor, c->reg_tag);
	(void)snprintf(to, sizeof(to), "<%s>", c->aor);
	/* TS 24.229 5.1.1.2.2: the first one names the IMPI with empty nonce and response */
	(void)snprintf(empty, sizeof(empty),
		       "Authorization: Digest username=\"%s\",realm=\"%s\",uri=\"%s\",nonce=\"\","
		       "response=\"\"\r\n",
		       c->username, c->app->o.domain, uri);
	(void)snprintf(
	    extra, sizeof(extra),
	    "Contact: <%s>;reg-id=1;+sip.instance=\"<urn:uuid:%s>\";expires=%d\r\n"
	    "Supported: path, outbound, gruu\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, "
	    "UPDATE, INFO, MESSAGE, NOTIFY\r\n%s",
	    c->contact, c->instance, expires, credentials != NULL ? credentials : empty);
	r.cseq = ++c->reg_cseq;
	wic_client_request(c, &r, on_register_answer, c, NULL);
}

void wic_client_register(struct wic_client *c, int expires)
{
	c->auth_tries = 0;
	send_register(c, expires, NULL);
}
