/* SPDX-License-Identifier: Apache-2.0 */
/* Output at the end of the loop's turn; see outbox.h. */
#include "common/outbox.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

struct gw_outbox {
	struct bufferevent *bev;
	struct evbuffer *waiting; /* owned */
	struct event *flush;      /* owned; active while there is something to write */
	bool connected;
	void (*drained)(void *arg);
	void *arg;
};

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct gw_outbox *o = arg;

	(void)fd;
	(void)what;
	if (!o->connected)
		return;
	if (evbuffer_get_length(bufferevent_get_output(o->bev)) == 0)
		(void)evbuffer_write(o->waiting, bufferevent_getfd(o->bev));
	if (evbuffer_get_length(o->waiting) > 0) {
		/* full, or broken: the bufferevent waits, or finds out and says so */
		(void)bufferevent_write_buffer(o->bev, o->waiting);
		return;
	}
	if (o->drained != NULL)
		o->drained(o->arg);
}

enum gw_err gw_outbox_new(struct gw_outbox **out, struct bufferevent *bev,
			  void (*drained)(void *arg), void *arg)
{
	struct gw_outbox *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return GW_ERR_NOMEM;
	o->bev = bev;
	o->drained = drained;
	o->arg = arg;
	o->waiting = evbuffer_new();
	o->flush = event_new(bufferevent_get_base(bev), -1, 0, on_flush, o);
	if (o->waiting == NULL || o->flush == NULL) {
		gw_outbox_free(o);
		return GW_ERR_NOMEM;
	}
	*out = o;
	return GW_OK;
}

void gw_outbox_free(struct gw_outbox *o)
{
	if (o == NULL)
		return;
	if (o->flush != NULL)
		event_free(o->flush);
	if (o->waiting != NULL)
		evbuffer_free(o->waiting);
	free(o);
}

void gw_outbox_connected(struct gw_outbox *o)
{
	o->connected = true;
	if (evbuffer_get_length(o->waiting) > 0)
		event_active(o->flush, 0, 0);
}

enum gw_err gw_outbox_write(struct gw_outbox *o, const void *p, size_t n)
{
	if (evbuffer_add(o->waiting, p, n) != 0)
		return GW_ERR_NOMEM;
	event_active(o->flush, 0, 0);
	return GW_OK;
}

size_t gw_outbox_length(const struct gw_outbox *o)
{
	return evbuffer_get_length(o->waiting) +
	       evbuffer_get_length(bufferevent_get_output(o->bev));
}
