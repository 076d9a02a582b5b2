/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ctl_server.h. A client gets its answer and may ask again on the same connection; the
 * number of clients and the length of a line are bounded.
 */
#include "common/ctl_server.h"

#include "common/log.h"
#include "common/metric.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#define GW_LOG_MOD      "ctl"

#define LINE_MAX_OCTETS 65536U
#define CLIENTS_MAX     16U
#define IDLE_S          60

struct client {
	struct gw_ctl_server *server; /* borrowed: outlives us */
	struct bufferevent *bev;      /* owned */
	struct client *prev, *next;
	uint64_t ticket; /* of the answer it waits for; 0 = none */
};

struct gw_ctl_server {
	struct event_base *base;
	struct evconnlistener *listener; /* owned */
	const struct gw_ctl_command *commands;
	size_t n_commands;
	void *arg;
	struct client *clients; /* owned */
	struct client *asking;  /* whose command runs right now */
	bool later;             /* it said so */
	uint64_t last_ticket;
	unsigned n_clients;
	struct sockaddr_un un;
};

static void client_free(struct client *c)
{
	DL_DELETE(c->server->clients, c);
	c->server->n_clients--;
	bufferevent_free(c->bev);
	free(c);
}

static json_t *help(const struct gw_ctl_server *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_commands; i++)
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:s}", "name", s->commands[i].name,
						      "help", s->commands[i].help));
	return list;
}

static json_t *run(struct gw_ctl_server *s, const json_t *req)
{
	const char *cmd = json_string_value(json_object_get(req, "cmd"));
	const json_t *args = json_object_get(req, "args");
	const char *error = "failed";
	json_t *result = NULL;
	json_t *none = NULL;

	if (cmd == NULL)
		return json_pack("{s:b, s:s}", "ok", 0, "error", "no \"cmd\" in the request");
	if (strcmp(cmd, "help") == 0)
		return json_pack("{s:b, s:o}", "ok", 1, "result", help(s));
	if (!json_is_array(args))
		args = none = json_array();
	for (size_t i = 0; i < s->n_commands; i++) {
		if (strcmp(s->commands[i].name, cmd) != 0)
			continue;
		result = s->commands[i].fn(s->arg, args, &error);
		json_decref(none);
		if (result == NULL)
			return json_pack("{s:b, s:s}", "ok", 0, "error", error);
		return json_pack("{s:b, s:o}", "ok", 1, "result", result);
	}
	json_decref(none);
	return json_pack("{s:b, s:s}", "ok", 0, "error", "unknown command; try \"help\"");
}

static void write_answer(struct client *c, const json_t *answer)
{
	char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (text != NULL) {
		(void)bufferevent_write(c->bev, text, strlen(text));
		(void)bufferevent_write(c->bev, "\n", 1);
	}
	free(text);
}

static void answer_line(struct client *c, const char *line, size_t n)
{
	json_t *req = json_loadb(line, n, 0, NULL);
	json_t *answer;

	c->server->asking = c;
	c->server->later = false;
	answer = json_is_object(req)
		     ? run(c->server, req)
		     : json_pack("{s:b, s:s}", "ok", 0, "error", "not a JSON object");
	c->server->asking = NULL;
	if (!c->server->later)
		write_answer(c, answer);
	json_decref(answer);
	json_decref(req);
}

uint64_t gw_ctl_later(struct gw_ctl_server *s)
{
	GW_ASSERT(s->asking != NULL);
	s->later = true;
	s->asking->ticket = ++s->last_ticket;
	return s->last_ticket;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n;
	char *line;

	while (c->ticket == 0 && (line = evbuffer_readln(in, &n, EVBUFFER_EOL_LF)) != NULL) {
		answer_line(c, line, n);
		free(line);
	}
	if (evbuffer_get_length(in) >= LINE_MAX_OCTETS) {
		GW_LOG_LIMITED(GW_LOG_WARN, "ctl.line_too_long", "max=%u", LINE_MAX_OCTETS);
		client_free(c);
	}
}

void gw_ctl_answer(struct gw_ctl_server *s, uint64_t ticket, json_t *result, const char *error)
{
	json_t *answer = result != NULL ? json_pack("{s:b, s:o}", "ok", 1, "result", result)
					: json_pack("{s:b, s:s}", "ok", 0, "error", error);
	struct client *c;

	DL_FOREACH (s->clients, c)
		if (c->ticket == ticket)
			break;
	if (c != NULL) {
		write_answer(c, answer);
		c->ticket = 0;
		if (s->asking == NULL) /* what it asked meanwhile; may free it */
			on_read(c->bev, c);
	}
	json_decref(answer);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what; /* end of file, error or idle: all end the client */
	client_free(arg);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *arg)
{
	static const struct timeval idle = {.tv_sec = IDLE_S};
	struct gw_ctl_server *s = arg;
	struct client *c;

	(void)l;
	(void)sa;
	(void)len;
	if (s->n_clients >= CLIENTS_MAX) {
		(void)close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->server = s;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL) {
		(void)close(fd);
		free(c);
		return;
	}
	DL_APPEND(s->clients, c);
	s->n_clients++;
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, LINE_MAX_OCTETS);
	(void)bufferevent_set_timeouts(c->bev, &idle, &idle);
	(void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static enum gw_err bind_socket(struct gw_ctl_server *s, int *out)
{
	mode_t old;
	int rc;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return gw_err_from_errno(errno);
	(void)unlink(s->un.sun_path);
	old = umask(0177);
	rc = bind(fd, (const struct sockaddr *)&s->un, sizeof(s->un));
	(void)umask(old);
	if (rc != 0) {
		GW_LOG(GW_LOG_ERROR, "ctl.bind_failed", "path=\"%s\" errno=%d", s->un.sun_path,
		       errno);
		(void)close(fd);
		return GW_ERR_IO;
	}
	*out = fd;
	return GW_OK;
}

enum gw_err gw_ctl_server_new(struct gw_ctl_server **out, struct event_base *base, const char *path,
			      const struct gw_ctl_command *commands, size_t n_commands, void *arg)
{
	struct gw_ctl_server *s;
	enum gw_err err;
	int fd = -1;

	if (strlen(path) >= sizeof(s->un.sun_path))
		return GW_ERR_INVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return GW_ERR_NOMEM;
	s->base = base;
	s->commands = commands;
	s->n_commands = n_commands;
	s->arg = arg;
	s->un.sun_family = AF_UNIX;
	memcpy(s->un.sun_path, path, strlen(path) + 1);
	err = bind_socket(s, &fd);
	if (err != GW_OK)
		goto fail;
	s->listener = evconnlistener_new(base, on_accept, s,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, fd);
	if (s->listener == NULL) {
		(void)close(fd);
		err = GW_ERR_NOMEM;
		goto fail;
	}
	*out = s;
	return GW_OK;
fail:
	free(s);
	return err;
}

void gw_ctl_server_free(struct gw_ctl_server *s)
{
	struct client *c = NULL;
	struct client *tmp = NULL;

	if (s == NULL)
		return;
	DL_FOREACH_SAFE (s->clients, c, tmp) {
		client_free(c);
	}
	evconnlistener_free(s->listener);
	(void)unlink(s->un.sun_path);
	free(s);
}

json_t *gw_ctl_metrics(void *arg, const json_t *args, const char **error)
{
	char *text = gw_metric_text();
	json_t *out;

	(void)arg;
	(void)args;
	if (text == NULL) {
		*error = "out of memory";
		return NULL;
	}
	out = json_string(text);
	free(text);
	return out;
}
