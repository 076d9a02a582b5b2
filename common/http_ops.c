/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See http_ops.h; on libevent's evhttp.
 */
#include "common/http_ops.h"

#include "common/log.h"
#include "common/metric.h"
#include "common/sockaddr.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>

#define GW_LOG_MOD         "http_ops"

#define MAX_HEADERS_OCTETS 8192
#define MAX_BODY_OCTETS    1024
#define TIMEOUT_S          10

struct gw_http_ops {
	struct evhttp *http; /* owned */
	struct gw_http_ops_cbs cbs;
	void *arg;
};

static void answer(struct evhttp_request *req, int code, const char *type, const char *body)
{
	struct evbuffer *buf = evbuffer_new();

	(void)evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
	if (buf != NULL)
		(void)evbuffer_add_printf(buf, "%s", body);
	evhttp_send_reply(req, code, NULL, buf);
	if (buf != NULL)
		evbuffer_free(buf);
}

static void on_metrics(struct evhttp_request *req, void *arg)
{
	char *text = gw_metric_text();

	(void)arg;
	if (text == NULL)
		answer(req, HTTP_INTERNAL, "text/plain", "out of memory\n");
	else
		answer(req, HTTP_OK, "text/plain; version=0.0.4", text);
	free(text);
}

static void on_livez(struct evhttp_request *req, void *arg)
{
	(void)arg;
	answer(req, HTTP_OK, "text/plain", "ok\n");
}

static void on_readyz(struct evhttp_request *req, void *arg)
{
	struct gw_http_ops *h = arg;
	const char *reason = "not ready";

	if (h->cbs.ready(h->arg, &reason))
		answer(req, HTTP_OK, "text/plain", "ok\n");
	else
		answer(req, HTTP_SERVUNAVAIL, "text/plain", reason);
}

static void on_status(struct evhttp_request *req, void *arg)
{
	struct gw_http_ops *h = arg;
	json_t *status = h->cbs.status(h->arg);
	char *text = status != NULL ? json_dumps(status, JSON_INDENT(2)) : NULL;

	if (text == NULL)
		answer(req, HTTP_INTERNAL, "text/plain", "out of memory\n");
	else
		answer(req, HTTP_OK, "application/json", text);
	free(text);
	json_decref(status);
}

enum gw_err gw_http_ops_new(struct gw_http_ops **out, struct event_base *base, const char *listen,
			    const struct gw_http_ops_cbs *cbs, void *arg)
{
	struct gw_http_ops *h;
	struct gw_addr addr;
	char ip[GW_ADDR_STRLEN];
	enum gw_err err = GW_ERR_NOMEM;

	*out = NULL;
	if (listen == NULL || listen[0] == '\0')
		return GW_OK;
	if (gw_addr_parse(&addr, listen, 0) != GW_OK)
		return GW_ERR_INVAL;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return GW_ERR_NOMEM;
	h->cbs = *cbs;
	h->arg = arg;
	h->http = evhttp_new(base);
	if (h->http == NULL)
		goto fail;
	evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(h->http, MAX_HEADERS_OCTETS);
	evhttp_set_max_body_size(h->http, MAX_BODY_OCTETS);
	evhttp_set_timeout(h->http, TIMEOUT_S);
	if (evhttp_set_cb(h->http, "/metrics", on_metrics, h) != 0 ||
	    evhttp_set_cb(h->http, "/livez", on_livez, h) != 0 ||
	    evhttp_set_cb(h->http, "/readyz", on_readyz, h) != 0 ||
	    evhttp_set_cb(h->http, "/status", on_status, h) != 0)
		goto fail;
	if (evhttp_bind_socket(h->http, gw_addr_ip_str(&addr, ip, sizeof(ip)),
			       gw_addr_port(&addr)) != 0) {
		GW_LOG(GW_LOG_ERROR, "ops.bind_failed", "listen=%s", listen);
		err = GW_ERR_IO;
		goto fail;
	}
	*out = h;
	return GW_OK;
fail:
	gw_http_ops_free(h);
	return err;
}

void gw_http_ops_free(struct gw_http_ops *h)
{
	if (h == NULL)
		return;
	if (h->http != NULL)
		evhttp_free(h->http);
	free(h);
}
