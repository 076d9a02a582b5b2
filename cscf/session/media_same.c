/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the AGW was told last, so that an answer that changes nothing (a session refresh) does not
 * become a Modify (SDP-11). Compared as packed messages: whatever the parameters come to hold
 * counts. Forgotten when a Configure fails: then nobody knows what holds.
 * Thread: the cscf loop. Spec: SDP-11, RFC 3264 s8; IQ-06.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

static void told_set(struct told *t, struct told now)
{
	if (t->p != NULL)
		explicit_bzero(t->p, t->n); /* ICE passwords */
	free(t->p);
	*t = now;
}

bool media_same(struct call *c, IqStreamRequest *const *streams, size_t n)
{
	const struct told *last = &c->media.told;
	size_t total = 0, at = 0;
	uint8_t *p;

	for (size_t i = 0; i < n; i++)
		total += wicgate__iq__v1__stream_request__get_packed_size(streams[i]);
	p = malloc(total > 0 ? total : 1);
	for (size_t i = 0; p != NULL && i < n; i++)
		at += wicgate__iq__v1__stream_request__pack(streams[i], p + at);
	told_set(&c->media.telling, (struct told){p, at});
	return p != NULL && last->p != NULL && last->n == at && memcmp(last->p, p, at) == 0;
}

void media_same_done(struct call *c, bool ok)
{
	struct told now = c->media.telling;

	c->media.telling = (struct told){NULL, 0};
	told_set(&c->media.told, (struct told){NULL, 0});
	if (ok)
		c->media.told = now;
	else
		told_set(&now, (struct told){NULL, 0});
}
