/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP compounds: whatever the check accepts, the filter must digest, and what it lets through
 * must pass the check again. First octet: way, whether SSRCs are mapped, negotiated feedback, and
 * whether the stream is in rewrite mode, where 0x01010101 was followed by 0x02020202.
 */
#include "agw/relay/resend.h"
#include "agw/relay/rtcp.h"
#include "agw/relay/stream_params.h"

#include <stdlib.h>
#include <string.h>

#define CLOCK  8000
#define WIC    0x01010102U
#define GROWTH 3 /* a PLI of 12 octets may become a FIR of 20; each sub-packet wants 8 spare */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void two_senders(struct agw_rewrite *w)
{
	struct agw_rtp_view v = {.ssrc = 0x01010101, .seq = 65000, .ts = 5};
	struct agw_rewritten r;

	(void)agw_rewrite_rtp(w, &v, CLOCK, WIC, 1000000, &r);
	agw_rewrite_new_source(w);
	v = (struct agw_rtp_view){.ssrc = 0x02020202, .seq = 257, .ts = 9};
	(void)agw_rewrite_rtp(w, &v, CLOCK, WIC, 1020000, &r);
}

/* Down, every sender is the one SSRC; up, nothing speaks of another than the core's sender. */
static void check_rewritten(const struct agw_rtcp_filter *f, const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n; at += 4U * ((size_t)agw_be16(p + at + 2) + 1U)) {
		const uint8_t *q = p + at;
		size_t block = q[1] == 200 ? 28 : 8;

		if (f->way == AGW_RTCP_DOWN) {
			if (q[1] != 202 && agw_be32(q + 4) != f->rewrite->out)
				abort();
			continue;
		}
		if (q[1] != 200 && q[1] != 201)
			continue;
		for (unsigned i = 0; i < (q[0] & 0x1fU); i++, block += 24)
			if (agw_be32(q + block) != f->rewrite->in)
				abort();
	}
}

static bool sent_again(void *arg, const uint8_t *pkt, size_t n)
{
	(void)arg;
	return n == 64 && agw_be32(pkt + 8) == WIC;
}

/* NACKs of packets that are kept; the fuzzer knows their sender and some of their numbers. */
static void answer_nacks(uint8_t *p, size_t n)
{
	static struct agw_resend_store store = {.packets = 16, .most = 1U << 20};
	struct agw_resend_out answered = {.send = sent_again};
	struct agw_resend *ring;
	uint8_t pkt[64] = {0x80};

	if (agw_resend_new(&ring, &store, true) != GW_OK)
		abort();
	agw_put32(pkt + 8, WIC);
	for (pkt[3] = 0; pkt[3] < 40; pkt[3]++)
		agw_resend_keep(ring, pkt, sizeof(pkt));
	n = agw_resend_answer(ring, p, n, &answered);
	if (answered.resent > answered.asked || answered.resent > 16 * AGW_RESEND_TIMES ||
	    (n > 0 && agw_rtcp_check(p, n, true) != GW_OK))
		abort();
	agw_resend_free(ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct agw_ssrc_table ssrcs;
	struct agw_rtcp_filter f;
	uint8_t fir_seq = 0;
	struct agw_rewrite rewrite = {.out = 0x01010102U + 0x00ffff00U};
	uint32_t out_ssrc;
	uint8_t *out;
	size_t cap;
	size_t made;

	if (n < 1)
		return 0;
	memset(&ssrcs, 0, sizeof(ssrcs));
	if ((data[0] & 2) != 0) { /* an SSRC of 0x01010101 that was renewed */
		(void)agw_ssrc_rtp(&ssrcs, 0x01010101, 5000, 0, 1, &out_ssrc);
		agw_ssrc_new_source(&ssrcs);
		(void)agw_ssrc_rtp(&ssrcs, 0x01010101, 1, 0, 2, &out_ssrc);
	}
	f = (struct agw_rtcp_filter){.way = (data[0] & 1) != 0 ? AGW_RTCP_UP : AGW_RTCP_DOWN,
				     .allow = data[0] >> 2,
				     .rewrite = (data[0] & 0x80) != 0 ? &rewrite : NULL,
				     .view = {.wic_ssrc = WIC, .has_wic = (data[0] & 4) != 0},
				     .ssrcs = &ssrcs,
				     .now_ms = 10000,
				     .fir_seq = &fir_seq};
	two_senders(&rewrite);
	n--;
	data++;
	if (agw_rtcp_check(data, n, true) != GW_OK)
		return 0;
	cap = n * GROWTH + 8;
	out = malloc(cap);
	if (out == NULL)
		return 0;
	memcpy(out, data, n);
	answer_nacks(out, n);
	made = agw_rtcp_relay(&f, data, n, out, cap);
	if (made > cap || (made > 0 && agw_rtcp_check(out, made, true) != GW_OK))
		abort();
	if (f.rewrite != NULL && made > 0)
		check_rewritten(&f, out, made);
	free(out);
	return 0;
}
