/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between the control thread and a worker. A full ring never makes anybody wait:
 * a command is refused (BUSY) or, if it releases, kept; an event is lost and counted; a slot or
 * command on its way back is kept and tried again.
 */
#include "agw/worker/worker_int.h"

#include <stdlib.h>
#include <string.h>

struct agw_cmd *agw_cmd_new(enum agw_cmd_kind kind, struct agw_media *m, size_t n)
{
	struct agw_cmd *c = calloc(1, sizeof(*c) + n * sizeof(c->items[0]));

	if (c == NULL)
		return NULL;
	c->kind = kind;
	c->media = m;
	c->n = n;
	return c;
}

void agw_cmd_free(struct agw_cmd *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++) {
		struct agw_stream_patch *p = c->items[i].patch;

		if (p == NULL)
			continue;
		for (int k = 0; k < AGW_LEG_COUNT; k++)
			agw_dtls_sess_free(p->dtls[k]);
		explicit_bzero(p, sizeof(*p));
		free(p);
	}
	free(c);
}

enum gw_err agw_cmd_send(struct agw_worker *w, struct agw_cmd *c)
{
	if (gw_ring_push(w->cmds, &c) != GW_OK)
		return GW_ERR_BUSY;
	c->media->n_cmds++;
	return GW_OK;
}

void agw_cmd_send_sure(struct agw_worker *w, struct agw_cmd *c)
{
	struct agw_cmd **at = &w->waiting;

	if (w->waiting == NULL && agw_cmd_send(w, c) == GW_OK)
		return;
	while (*at != NULL)
		at = &(*at)->next;
	*at = c;
}

void agw_cmd_retry(struct agw_worker *w)
{
	while (w->waiting != NULL) {
		struct agw_cmd *c = w->waiting;
		struct agw_cmd *next = c->next;

		/* As soon as it is sent it is the worker's: look at nothing in it afterwards. */
		c->next = NULL;
		if (agw_cmd_send(w, c) != GW_OK) {
			c->next = next;
			return;
		}
		w->waiting = next;
	}
}

void agw_report_event(struct agw_worker *w, struct agw_slot *slot,
		      const struct agw_stream_event *ev)
{
	struct agw_report r = {.kind = AGW_REPORT_EVENT, .ptr = slot, .ev = *ev};

	if (gw_ring_push(w->reports, &r) != GW_OK)
		atomic_fetch_add_explicit(&w->events_lost, 1, memory_order_relaxed);
}

void agw_report_bad(struct agw_worker *w, struct agw_slot *slot, enum agw_side from,
		    enum agw_drop why, uint32_t n)
{
	struct agw_report r = {
	    .kind = AGW_REPORT_BAD, .ptr = slot, .ev = {.side = from, .value = n}, .why = why};
	enum gw_err lost = gw_ring_push(w->reports, &r);

	(void)lost; /* the counters have it */
}

void agw_report_paced(struct agw_worker *w, uint32_t n, const struct gw_addr *from)
{
	struct agw_report r = {.kind = AGW_REPORT_PACED, .ev = {.value = n, .addr = *from}};
	enum gw_err lost = gw_ring_push(w->reports, &r);

	(void)lost; /* the counters have it */
}

void agw_report_back(struct agw_worker *w, struct agw_slot *slot)
{
	struct agw_report r = {.kind = AGW_REPORT_BACK, .ptr = slot};

	if (gw_ring_push(w->reports, &r) == GW_OK)
		return;
	slot->back_next = w->back;
	w->back = slot;
}

void agw_report_done(struct agw_worker *w, struct agw_cmd *c)
{
	struct agw_report r = {.kind = AGW_REPORT_DONE, .ptr = c};

	/* In order: a later acknowledgement must not overtake one that waits. */
	if (w->done == NULL && gw_ring_push(w->reports, &r) == GW_OK)
		return;
	struct agw_cmd **at = &w->done;

	while (*at != NULL)
		at = &(*at)->next;
	c->next = NULL;
	*at = c;
}

void agw_report_retry(struct agw_worker *w)
{
	while (w->back != NULL) {
		struct agw_slot *slot = w->back;
		struct agw_slot *next = slot->back_next;
		struct agw_report r = {.kind = AGW_REPORT_BACK, .ptr = slot};

		if (gw_ring_push(w->reports, &r) != GW_OK)
			return;
		w->back = next;
	}
	while (w->done != NULL) {
		struct agw_cmd *c = w->done;
		struct agw_cmd *next = c->next;
		struct agw_report r = {.kind = AGW_REPORT_DONE, .ptr = c};

		if (gw_ring_push(w->reports, &r) != GW_OK)
			return;
		w->done = next;
	}
}
