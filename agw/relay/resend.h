/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets the WIC lost on its way from us, sent again by us (RFC 4585 s6.2.1). The far end cannot
 * help: rtx is not negotiated, so its repeat comes with a sequence number that was protected and
 * sent already, which SRTP refuses.
 *
 *   a ring of the last packets of a stream, as they were sent; made with the first packet of video
 *   whose WIC negotiated nack, else at the first one after the WIC asked. Rings of those who have
 *   not asked yet are made while half of the memory is free: who does lose packets finds some
 *   NACK ── known here ──> the same octets again, and out of the NACK
 *        ── not known ───> the core, which has lost them itself
 *
 * The same octets: nothing is encrypted a second time, so no index and no key stream is used
 * twice (RFC 3711 s9.1), and the WIC's replay check takes only what it has not got.
 *
 * No amplifier: a packet is sent again AGW_RESEND_TIMES at most, and of all that is forwarded no
 * more than half as much again; a request over that is dropped, not passed on.
 *
 * Thread: the stream's worker; free: control thread, when no worker has the stream.
 */
#ifndef AGW_RELAY_RESEND_H
#define AGW_RELAY_RESEND_H

#include "common/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGW_RESEND_TIMES  3
#define AGW_RESEND_OCTETS 1472 /* larger packets are not kept: what fits an Ethernet frame */

/* What all rings of a process share. */
struct agw_resend_store {
	uint32_t packets; /* media.resend_packets, of one stream; power of two; 0 = off */
	uint64_t most;    /* media.resend_memory: octets of all rings */
	_Atomic uint64_t used;
	_Atomic uint64_t refused; /* rings not made for want of memory */
};

struct agw_resend;

/**
 * @param store borrowed, outlives the ring
 * @param asked the WIC has lost packets; else half of the memory is not for it
 * @return GW_OK; GW_ERR_LIMIT media.resend_memory is used up: counted; GW_ERR_NOMEM: counted
 */
enum gw_err agw_resend_new(struct agw_resend **out, struct agw_resend_store *store,
			   bool asked) GW_MUST_CHECK;
/** Could one more be made, for a WIC that asks? Others may be quicker. Any thread. */
bool agw_resend_has_room(const struct agw_resend_store *store);
void agw_resend_free(struct agw_resend *r);
/** New keys: what was sent under the old ones helps nobody. */
void agw_resend_clear(struct agw_resend *r);

/** A protected RTP packet that goes to the WIC. */
void agw_resend_keep(struct agw_resend *r, const uint8_t *pkt, size_t n);

struct agw_resend_out {
	bool (*send)(void *arg, const uint8_t *pkt, size_t n);
	void *arg;
	unsigned asked;  /* out: packets that were asked for */
	unsigned resent; /* out: and sent again */
};

/** Does it ask for a packet? @param rtcp what agw_rtcp_check accepted */
bool agw_resend_asked(const uint8_t *rtcp, size_t n);
/**
 * Answer the NACKs of an RTCP packet of the WIC, in place, in the WIC's SSRCs and numbers.
 * @param rtcp what agw_rtcp_check accepted
 * @return octets left; 0 = nothing
 */
size_t agw_resend_answer(struct agw_resend *r, uint8_t *rtcp, size_t n, struct agw_resend_out *out);

#endif
