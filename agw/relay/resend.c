/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of sent packets, and NACKs answered from it. See resend.h.
 */
#include "agw/relay/resend.h"

#include "agw/relay/rtcp_int.h"

#include <stdlib.h>
#include <string.h>

#define ASKED_BY_ENTRY 17U /* PID, and BLP's sixteen */

struct slot {
	uint32_t ssrc;
	uint16_t seq;
	uint16_t len; /* 0 = empty */
	uint8_t times;
	uint8_t data[AGW_RESEND_OCTETS];
};

struct agw_resend {
	struct agw_resend_store *store; /* borrowed */
	uint32_t mask;
	uint32_t credit; /* one for each packet forwarded; two for each sent again */
	struct slot slots[];
};

static size_t octets_of(uint32_t packets)
{
	return sizeof(struct agw_resend) + packets * sizeof(struct slot);
}

static enum gw_err refuse(struct agw_resend_store *store, size_t octets, enum gw_err err)
{
	atomic_fetch_sub_explicit(&store->used, octets, memory_order_relaxed);
	atomic_fetch_add_explicit(&store->refused, 1, memory_order_relaxed);
	return err;
}

bool agw_resend_has_room(const struct agw_resend_store *store)
{
	uint64_t used = atomic_load_explicit(&store->used, memory_order_relaxed);

	return used + octets_of(store->packets) <= store->most;
}

enum gw_err agw_resend_new(struct agw_resend **out, struct agw_resend_store *store, bool asked)
{
	size_t octets = octets_of(store->packets);
	uint64_t used = atomic_fetch_add_explicit(&store->used, octets, memory_order_relaxed);
	struct agw_resend *r;

	if (used + octets > (asked ? store->most : store->most / 2))
		return refuse(store, octets, GW_ERR_LIMIT);
	r = calloc(1, octets); /* pages are the system's until something is kept */
	if (r == NULL)
		return refuse(store, octets, GW_ERR_NOMEM);
	r->store = store;
	r->mask = store->packets - 1;
	r->credit = store->packets / 4; /* the first losses are why it was made */
	*out = r;
	return GW_OK;
}

void agw_resend_free(struct agw_resend *r)
{
	if (r == NULL)
		return;
	atomic_fetch_sub_explicit(&r->store->used, octets_of(r->mask + 1), memory_order_relaxed);
	free(r);
}

void agw_resend_clear(struct agw_resend *r)
{
	for (uint32_t i = 0; r != NULL && i <= r->mask; i++)
		r->slots[i].len = 0;
}

void agw_resend_keep(struct agw_resend *r, const uint8_t *pkt, size_t n)
{
	uint16_t seq = agw_be16(pkt + 2);
	struct slot *k = &r->slots[seq & r->mask];

	if (r->credit <= r->mask)
		r->credit++;
	k->len = 0;
	if (n > sizeof(k->data))
		return;
	k->ssrc = agw_be32(pkt + 8);
	k->seq = seq;
	k->len = (uint16_t)n;
	k->times = 0;
	memcpy(k->data, pkt, n);
}

/* @return false: not one of ours, or of too long ago */
static bool send_again(struct agw_resend *r, uint32_t ssrc, uint16_t seq,
		       struct agw_resend_out *out)
{
	struct slot *k = &r->slots[seq & r->mask];

	if (k->len == 0 || k->seq != seq || k->ssrc != ssrc)
		return false;
	if (k->times < AGW_RESEND_TIMES && r->credit >= 2) {
		k->times++;
		r->credit -= 2;
		out->resent += out->send(out->arg, k->data, k->len);
	}
	return true;
}

/* One entry names a packet and marks of the 16 after it. @return false: all of it is answered */
static bool answer_entry(struct agw_resend *r, uint32_t ssrc, uint8_t *e,
			 struct agw_resend_out *out)
{
	uint16_t first = agw_be16(e);
	uint32_t lost = 1U | (uint32_t)agw_be16(e + 2) << 1; /* bit i: first + i */

	for (unsigned i = 0; i < ASKED_BY_ENTRY; i++) {
		if ((lost >> i & 1) == 0)
			continue;
		out->asked++;
		if (send_again(r, ssrc, (uint16_t)(first + i), out))
			lost &= ~(1U << i);
	}
	if (lost == 0)
		return false;
	while ((lost & 1) == 0) {
		lost >>= 1;
		first++;
	}
	e[0] = (uint8_t)(first >> 8);
	e[1] = (uint8_t)first;
	e[2] = (uint8_t)(lost >> 9);
	e[3] = (uint8_t)(lost >> 1);
	return true;
}

/* @return octets of the sub-packet that are left */
static size_t answer_nack(struct agw_resend *r, uint8_t *p, size_t n, struct agw_resend_out *out)
{
	size_t body = n - ((p[0] & P_BIT) != 0 ? p[n - 1] : 0U);
	size_t to = FB_HEADER;

	for (size_t at = FB_HEADER; at + NACK_ENTRY <= body; at += NACK_ENTRY) {
		if (!answer_entry(r, agw_be32(p + 8), p + at, out))
			continue;
		memmove(p + to, p + at, NACK_ENTRY);
		to += NACK_ENTRY;
	}
	if (to == body)
		return n;
	if (to == FB_HEADER)
		return 0;
	p[0] &= (uint8_t)~P_BIT; /* it may not be the last one any more */
	rtcp_put_len(p, to);
	return to;
}

static size_t sub_len(const uint8_t *p)
{
	return 4U * ((size_t)agw_be16(p + 2) + 1U);
}

static bool is_nack(const uint8_t *p)
{
	return p[1] == PT_RTPFB && rtcp_count(p) == FMT_NACK;
}

bool agw_resend_asked(const uint8_t *rtcp, size_t n)
{
	for (size_t at = 0; at < n; at += sub_len(rtcp + at))
		if (is_nack(rtcp + at))
			return true;
	return false;
}

size_t agw_resend_answer(struct agw_resend *r, uint8_t *rtcp, size_t n, struct agw_resend_out *out)
{
	size_t done = 0;

	for (size_t at = 0, len; at < n; at += len) {
		size_t left;

		len = sub_len(rtcp + at);
		left = is_nack(rtcp + at) ? answer_nack(r, rtcp + at, len, out) : len;
		if (done != at)
			memmove(rtcp + done, rtcp + at, left);
		done += left;
	}
	return done;
}
