/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies kept per controller and txn for IQ_REPLY_KEEP_MS, so that a request sent twice is
 * served once (IQ-08). Bounded in number and octets: what is forgotten early raises
 * `stale_below`, and a duplicate from below it gets STALE_TXN rather than a second execution.
 */
#include "agw/iq/server_int.h"

#include <stdlib.h>

/* The analyzer cannot follow the arithmetic by which uthash unlinks. */
/* NOLINTBEGIN(clang-analyzer-unix.Malloc) */
static void forget(struct agw_iq_controller *ctl, struct iq_saved *r)
{
	if (r->txn > ctl->stale_below)
		ctl->stale_below = r->txn;
	HASH_DEL(ctl->saved, r);
	ctl->saved_octets -= r->n;
	free(r->frame);
	free(r);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

enum iq_seen agw_iq_seen(struct agw_iq_controller *ctl, const IqEnvelope *req,
			 const struct iq_saved **out)
{
	struct iq_saved *r = NULL;

	HASH_FIND(hh, ctl->saved, &req->txn_id, sizeof(req->txn_id), r);
	if (r != NULL && r->body != req->body_case)
		return IQ_SEEN_STALE; /* the number was another request's */
	if (r != NULL) {
		*out = r;
		return r->frame != NULL ? IQ_SEEN_ANSWERED : IQ_SEEN_UNDER_WAY;
	}
	return req->txn_id <= ctl->stale_below ? IQ_SEEN_STALE : IQ_SEEN_NEW;
}

/* Oldest first, but never a request still under way: its reply must find its place. */
static void make_room(struct agw_iq_controller *ctl)
{
	struct iq_saved *r;
	struct iq_saved *next;

	HASH_ITER (hh, ctl->saved, r, next) {
		if (HASH_COUNT(ctl->saved) < IQ_REPLIES_MAX &&
		    ctl->saved_octets <= IQ_REPLIES_OCTETS)
			return;
		if (r->frame != NULL)
			forget(ctl, r);
	}
}

enum gw_err agw_iq_reply_begin(struct agw_iq_controller *ctl, const IqEnvelope *req)
{
	struct iq_saved *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return GW_ERR_NOMEM;
	make_room(ctl);
	if (HASH_COUNT(ctl->saved) >= IQ_REPLIES_MAX) {
		free(r);
		return GW_ERR_LIMIT;
	}
	r->txn = req->txn_id;
	r->body = req->body_case;
	r->at_ms = agw_iq_now_ms();
	HASH_ADD(hh, ctl->saved, txn, sizeof(r->txn), r);
	return GW_OK;
}

void agw_iq_reply(struct agw_iq_controller *ctl, IqEnvelope *reply)
{
	struct iq_saved *r = NULL;
	uint8_t *frame = NULL;
	size_t n = 0;

	if (iq_pack_frame(reply, &frame, &n) != GW_OK) {
		if (ctl->conn != NULL)
			agw_iq_conn_drop(ctl->conn, "reply cannot be packed");
		iq_envelope_free(reply);
		return;
	}
	iq_trace(IQ_TX, ctl->conn != NULL ? ctl->conn->peer : "away", reply, n);
	if (ctl->conn != NULL)
		(void)agw_iq_conn_send_frame(ctl->conn, frame, n);
	HASH_FIND(hh, ctl->saved, &reply->txn_id, sizeof(reply->txn_id), r);
	if (r != NULL && r->frame == NULL) {
		r->frame = frame;
		r->n = n;
		ctl->saved_octets += n;
		frame = NULL;
	}
	free(frame);
	iq_envelope_free(reply);
}

void agw_iq_replies_expire(struct agw_iq_controller *ctl, uint64_t now)
{
	struct iq_saved *r;
	struct iq_saved *next;

	HASH_ITER (hh, ctl->saved, r, next) {
		if (now - r->at_ms < IQ_REPLY_KEEP_MS)
			return; /* in the order of arrival: all others are younger */
		if (r->frame != NULL)
			forget(ctl, r);
	}
}

void agw_iq_replies_free(struct agw_iq_controller *ctl)
{
	struct iq_saved *r;
	struct iq_saved *next;

	HASH_ITER (hh, ctl->saved, r, next)
		forget(ctl, r);
}
