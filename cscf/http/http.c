/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on libevent: its sockets and its one timer become events, and what
 * is finished is reported after it has returned to us, never from inside it.
 */
#include "common/log.h"
#include "common/metric.h"
#include "cscf/http/http_int.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <unistd.h>

#define GW_LOG_MOD      "http"
#define IDLE_CONNS_KEPT 8L

struct cscf_http {
	struct event_base *base; /* borrowed */
	struct cscf_http_config cfg;
	char *ca_file; /* owned */
	CURLM *multi;
	struct gw_handle_table *transfers;
	struct event timer;
};

/* A socket that libcurl wants watched. */
struct watch {
	struct event ev;
	struct cscf_http *h;
};

enum { M_OK, M_HTTP_ERROR, M_TIMEOUT, M_FAILED, M_TLS, M_TOO_BIG, M_BUSY };
#define DONE(r)                                                                                    \
	{                                                                                          \
		"cscf_http_requests_total", "result=\"" r "\"", GW_METRIC_COUNTER,                 \
		    "HTTP requests that ended", NULL, NULL, 0                                      \
	}
static struct gw_metric metrics[] = {
    [M_OK] = DONE("ok"),         [M_HTTP_ERROR] = DONE("status"), [M_TIMEOUT] = DONE("timeout"),
    [M_FAILED] = DONE("failed"), [M_TLS] = DONE("tls"),           [M_TOO_BIG] = DONE("too-big"),
    [M_BUSY] = DONE("busy"),
};

static void count(const struct cscf_http_reply *reply)
{
	int m = M_FAILED;

	if (reply->err == GW_OK)
		m = reply->status / 100 == 2 ? M_OK : M_HTTP_ERROR;
	else if (reply->err == GW_ERR_TIMEOUT)
		m = M_TIMEOUT;
	else if (reply->err == GW_ERR_CRYPTO)
		m = M_TLS;
	else if (reply->err == GW_ERR_TOO_BIG)
		m = M_TOO_BIG;
	gw_metric_inc(&metrics[m]);
}

/* ---- what libcurl is finished with -------------------------------------------------------- */

static void finish(struct cscf_http *h, struct transfer *t, CURLcode code)
{
	struct cscf_http_reply reply;

	(void)curl_multi_remove_handle(h->multi, t->easy);
	gw_handle_del(h->transfers, t->id);
	transfer_reply(t, code, &reply);
	count(&reply);
	t->done(t->arg, &reply);
	transfer_free(t);
}

static void report(struct cscf_http *h)
{
	const CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
		CURLcode code = msg->data.result;
		char *t = NULL; /* void *, in libcurl's words */

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		if (t != NULL)
			finish(h, (struct transfer *)(void *)t, code);
	}
}

/* ---- events -------------------------------------------------------------------------------- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_http *h = ((const struct watch *)arg)->h;
	int mask = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		   ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	(void)curl_multi_socket_action(h->multi, fd, mask, &running);
	report(h);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_http *h = arg;
	int running;

	(void)fd;
	(void)what;
	(void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	report(h);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct cscf_http *h = arg;
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	(void)multi;
	if (ms < 0)
		(void)event_del(&h->timer);
	else if (event_add(&h->timer, &tv) != 0)
		return -1;
	return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct cscf_http *h = arg;
	struct watch *w = of_socket;
	short ev = EV_PERSIST;

	(void)easy;
	if (w != NULL)
		(void)event_del(&w->ev);
	if (what == CURL_POLL_REMOVE) {
		free(w);
		return 0;
	}
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return -1;
		w->h = h;
		if (curl_multi_assign(h->multi, fd, w) != CURLM_OK) {
			free(w);
			return -1;
		}
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		ev |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		ev |= EV_WRITE;
	if (event_assign(&w->ev, h->base, fd, ev, on_event, w) != 0 || event_add(&w->ev, NULL) != 0)
		return -1;
	return 0;
}

/* ---- the object ---------------------------------------------------------------------------- */

static bool set_up(struct cscf_http *h)
{
	return event_assign(&h->timer, h->base, -1, 0, on_timer, h) == 0 &&
	       curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, set_socket) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNS_KEPT) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK;
}

enum gw_err cscf_http_new(struct cscf_http **out, struct event_base *base,
			  const struct cscf_http_config *cfg)
{
	struct cscf_http *h = calloc(1, sizeof(*h));
	enum gw_err err = GW_ERR_NOMEM;

	if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return GW_ERR_NOMEM;
	}
	h->base = base;
	h->cfg = *cfg;
	h->ca_file = strdup(cfg->ca_file != NULL ? cfg->ca_file : "");
	h->cfg.ca_file = h->ca_file;
	h->multi = curl_multi_init();
	if (h->ca_file != NULL && h->multi != NULL && set_up(h))
		err = gw_handle_table_new(&h->transfers, cfg->max_active);
	if (err == GW_OK && *h->ca_file != '\0' && access(h->ca_file, R_OK) != 0)
		err = GW_ERR_INVAL;
	if (err != GW_OK) {
		cscf_http_free(h);
		return err;
	}
	gw_metric_register(metrics, sizeof(metrics) / sizeof(metrics[0]));
	*out = h;
	return GW_OK;
}

void cscf_http_free(struct cscf_http *h)
{
	uint32_t cursor = 0;
	struct transfer *t;

	if (h == NULL)
		return;
	while (h->transfers != NULL && (t = gw_handle_next(h->transfers, &cursor)) != NULL)
		cscf_http_cancel(h, t->id);
	if (h->multi != NULL)
		(void)curl_multi_cleanup(
		    h->multi); /* closes the kept connections, so set_socket runs */
	if (event_initialized(&h->timer))
		(void)event_del(&h->timer);
	gw_handle_table_free(h->transfers);
	free(h->ca_file);
	free(h);
	curl_global_cleanup();
}

enum gw_err cscf_http_start(struct cscf_http *h, const struct cscf_http_request *req,
			    cscf_http_done *done, void *arg, gw_handle *out)
{
	struct transfer *t = NULL;
	enum gw_err err = transfer_new(&t, &h->cfg, req);

	if (err != GW_OK)
		return err;
	t->done = done;
	t->arg = arg;
	err = gw_handle_add(h->transfers, t, &t->id);
	if (err == GW_ERR_LIMIT) {
		gw_metric_inc(&metrics[M_BUSY]);
		GW_LOG_LIMITED(GW_LOG_WARN, "http.busy", "active=%zu",
			       gw_handle_count(h->transfers));
		err = GW_ERR_BUSY;
	} else if (err == GW_OK && curl_multi_add_handle(h->multi, t->easy) != CURLM_OK) {
		gw_handle_del(h->transfers, t->id);
		err = GW_ERR_NOMEM;
	}
	if (err != GW_OK) {
		transfer_free(t);
		return err;
	}
	if (out != NULL)
		*out = t->id;
	return GW_OK;
}

void cscf_http_cancel(struct cscf_http *h, gw_handle request)
{
	struct transfer *t = gw_handle_find(h->transfers, request);

	if (t == NULL)
		return;
	(void)curl_multi_remove_handle(h->multi, t->easy);
	gw_handle_del(h->transfers, t->id);
	transfer_free(t);
}

size_t cscf_http_active(const struct cscf_http *h)
{
	return gw_handle_count(h->transfers);
}
