/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP checks, filter and SSRC mapping. See rtcp.h.
 */
#include "agw/relay/rtcp.h"

#include "agw/relay/rewrite.h"
#include "agw/relay/rtcp_int.h"
#include "agw/relay/stream_params.h"

#include <string.h>

#define REFRESH_EVERY_MS 500

static size_t sub_len(const uint8_t *p)
{
	return 4U * ((size_t)agw_be16(p + 2) + 1U);
}

/* Chunks of an SDES: SSRC, items up to a zero octet, padded to 32 bit. */
static bool sdes_ok(const uint8_t *p, size_t n)
{
	size_t at = 4;

	for (unsigned i = 0; i < rtcp_count(p); i++) {
		if (n - at < 4)
			return false;
		at += 4;
		while (at < n && p[at] != 0) {
			if (n - at < 2 || (size_t)p[at + 1] + 2U > n - at)
				return false;
			at += 2U + p[at + 1];
		}
		if (at >= n)
			return false;
		at = (at + 4U) & ~(size_t)3U; /* at least one zero octet */
		if (at > n)
			return false;
	}
	return true;
}

/* Does the body hold what the header promises? */
static bool sub_ok(const uint8_t *p, size_t n)
{
	switch (p[1]) {
	case PT_SR:
		return n >= 8U + SENDER_INFO + REPORT_BLOCK * rtcp_count(p);
	case PT_RR:
		return n >= 8U + REPORT_BLOCK * rtcp_count(p);
	case PT_SDES:
		return sdes_ok(p, n);
	case PT_BYE:
		return n >= 4U + 4U * rtcp_count(p);
	case PT_APP:
	case PT_RTPFB:
	case PT_PSFB:
		return n >= FB_HEADER;
	default:
		return true; /* not ours to read; the filter removes what it does not know */
	}
}

enum gw_err agw_rtcp_check(const uint8_t *p, size_t n, bool rsize)
{
	size_t at = 0;

	if (n < 8 || (n & 3) != 0)
		return GW_ERR_PROTO;
	if (!rsize && p[1] != PT_SR && p[1] != PT_RR)
		return GW_ERR_PROTO;
	while (at < n) {
		const uint8_t *q = p + at;
		size_t len;
		size_t pad = 0;

		if (n - at < 4 || (q[0] >> 6) != 2)
			return GW_ERR_PROTO;
		len = sub_len(q);
		if (len > n - at)
			return GW_ERR_PROTO;
		if ((q[0] & P_BIT) != 0) {
			if (at + len != n) /* only the last one may be padded */
				return GW_ERR_PROTO;
			pad = q[len - 1];
			if (pad == 0 || (pad & 3) != 0 || pad > len - 4)
				return GW_ERR_PROTO;
		}
		if (!sub_ok(q, len - pad))
			return GW_ERR_PROTO;
		at += len;
	}
	return GW_OK;
}

static void map_at(const struct agw_rtcp_filter *f, uint8_t *p)
{
	if (f->way == AGW_RTCP_DOWN)
		agw_put32(p, agw_ssrc_forth(f->ssrcs, agw_be32(p)));
}

static void back_at(const struct agw_rtcp_filter *f, uint8_t *p)
{
	if (f->way == AGW_RTCP_UP)
		agw_put32(p, agw_ssrc_back(f->ssrcs, agw_be32(p)));
}

static void map_sdes(const struct agw_rtcp_filter *f, uint8_t *p, size_t n)
{
	size_t at = 4;

	for (unsigned i = 0; i < rtcp_count(p) && at + 4 <= n; i++) {
		map_at(f, p + at);
		at += 4;
		while (at < n && p[at] != 0)
			at += 2U + p[at + 1];
		at = (at + 4U) & ~(size_t)3U;
	}
}

/* SSRCs of one sub-packet, in place. Lengths were checked by sub_ok. */
static void map_sub(const struct agw_rtcp_filter *f, uint8_t *p, size_t n)
{
	size_t at;

	if (!f->ssrcs->mapped)
		return;
	switch (p[1]) {
	case PT_SR:
	case PT_RR:
		map_at(f, p + 4);
		at = p[1] == PT_SR ? 8U + SENDER_INFO : 8U;
		for (unsigned i = 0; i < rtcp_count(p); i++, at += REPORT_BLOCK)
			back_at(f, p + at);
		break;
	case PT_SDES:
		map_sdes(f, p, n);
		break;
	case PT_BYE:
		for (unsigned i = 0; i < rtcp_count(p); i++)
			map_at(f, p + 4 + 4U * i);
		break;
	case PT_RTPFB:
	case PT_PSFB:
		map_at(f, p + 4);
		back_at(f, p + 8);
		if ((p[1] == PT_PSFB && rtcp_count(p) == FMT_FIR) ||
		    (p[1] == PT_RTPFB && rtcp_count(p) >= FMT_TMMBR &&
		     rtcp_count(p) <= FMT_TMMBN)) {
			for (at = FB_HEADER; at + FCI_ENTRY <= n; at += FCI_ENTRY)
				back_at(f, p + at);
		}
		break;
	case PT_APP:
	case PT_XR:
		map_at(f, p + 4);
		break;
	default:
		break;
	}
}

enum fate { FATE_PASS, FATE_DROP, FATE_PLI_TO_FIR, FATE_FIR_TO_PLI };

static enum fate refresh_fate(struct agw_rtcp_filter *f, unsigned same, unsigned other,
			      enum fate converted)
{
	enum fate fate = (f->allow & same) != 0    ? FATE_PASS
			 : (f->allow & other) != 0 ? converted
						   : FATE_DROP;

	f->picture_asked = f->picture_asked || fate == FATE_DROP;
	if (fate == FATE_DROP || f->last_refresh_ms == NULL)
		return fate;
	if (*f->last_refresh_ms != 0 && f->now_ms - *f->last_refresh_ms < REFRESH_EVERY_MS)
		return FATE_DROP;
	*f->last_refresh_ms = f->now_ms;
	return fate;
}

/* The feedback passage table. */
static enum fate fate_of(struct agw_rtcp_filter *f, const uint8_t *p, size_t n)
{
	unsigned fmt = rtcp_count(p);
	unsigned need = 0;

	switch (p[1]) {
	case PT_SR:
	case PT_RR:
	case PT_SDES:
	case PT_BYE:
		return FATE_PASS;
	case PT_APP: /* these two go to the core only */
		need = f->way == AGW_RTCP_UP ? AGW_RTCP_APP : 0;
		break;
	case PT_XR:
		need = f->way == AGW_RTCP_UP && n >= 8 ? AGW_RTCP_XR : 0;
		break;
	case PT_RTPFB:
		need = fmt == FMT_NACK                        ? AGW_RTCP_NACK
		       : fmt == FMT_TMMBR || fmt == FMT_TMMBN ? AGW_RTCP_TMMBR
							      : 0;
		break;
	case PT_PSFB:
		if (fmt == FMT_PLI)
			return refresh_fate(f, AGW_RTCP_PLI, AGW_RTCP_FIR, FATE_PLI_TO_FIR);
		if (fmt == FMT_FIR && n >= FB_HEADER + FCI_ENTRY)
			return refresh_fate(f, AGW_RTCP_FIR, AGW_RTCP_PLI, FATE_FIR_TO_PLI);
		break;
	default:
		break;
	}
	return (f->allow & need) != 0 ? FATE_PASS : FATE_DROP;
}

/* header, sender SSRC, 0, then one entry: target, sequence number (RFC 5104 s4.3.1). */
static size_t make_fir(struct agw_rtcp_filter *f, const uint8_t *pli, uint8_t *out)
{
	memcpy(out, pli, 8);
	out[0] = 0x80 | FMT_FIR;
	out[2] = 0;
	out[3] = (FB_HEADER + FCI_ENTRY) / 4 - 1;
	agw_put32(out + 8, 0);
	memcpy(out + FB_HEADER, pli + 8, 4);
	agw_put32(out + FB_HEADER + 4, (uint32_t)++ * f->fir_seq << 24);
	return FB_HEADER + FCI_ENTRY;
}

static size_t make_pli(const uint8_t *fir, uint8_t *out)
{
	memcpy(out, fir, 8);
	out[0] = 0x80 | FMT_PLI;
	out[2] = 0;
	out[3] = FB_HEADER / 4 - 1;
	memcpy(out + 8, fir + FB_HEADER, 4);
	return FB_HEADER;
}

/* SSRCs of what was copied. @return octets left; 0 = none of it may pass */
static size_t name_sub(const struct agw_rtcp_filter *f, uint8_t *p, size_t n)
{
	if (f->rewrite == NULL) {
		map_sub(f, p, n);
		return n;
	}
	return f->way == AGW_RTCP_DOWN ? agw_rewrite_down(f->rewrite, &f->view, p, n)
				       : agw_rewrite_up(f->rewrite, p, n);
}

/* SRTCP keeps state per sender: those are counted in the same table as RTP's. */
static bool sender_ok(struct agw_rtcp_filter *f, uint32_t sender)
{
	uint32_t mapped;

	if (f->way != AGW_RTCP_DOWN)
		return true;
	return f->rewrite != NULL ? agw_rewrite_accepts(f->rewrite, sender)
				  : agw_ssrc_rtcp(f->ssrcs, sender, f->now_ms, &mapped);
}

/* Copy without padding, which is legal on the last sub-packet only. */
static size_t copy(const uint8_t *p, size_t n, uint8_t *out)
{
	size_t pad = (p[0] & P_BIT) != 0 ? p[n - 1] : 0;

	n -= pad;
	memcpy(out, p, n);
	out[0] &= (uint8_t)~P_BIT;
	rtcp_put_len(out, n);
	return n;
}

size_t agw_rtcp_relay(struct agw_rtcp_filter *f, const uint8_t *in, size_t n, uint8_t *out,
		      size_t cap)
{
	size_t at = 0;
	size_t done = 0;

	f->removed = 0;
	f->picture_asked = false;
	if (n < 8 || !sender_ok(f, agw_be32(in + 4)))
		return 0;
	while (at < n) {
		const uint8_t *p = in + at;
		size_t len = sub_len(p);
		size_t pad = (p[0] & P_BIT) != 0 ? p[len - 1] : 0;
		size_t made = 0;

		at += len;
		if (cap - done < len + FCI_ENTRY)
			return 0;
		switch (fate_of(f, p, len - pad)) {
		case FATE_PASS:
			made = copy(p, len, out + done);
			break;
		case FATE_PLI_TO_FIR:
			made = make_fir(f, p, out + done);
			break;
		case FATE_FIR_TO_PLI:
			made = make_pli(p, out + done);
			break;
		case FATE_DROP:
			f->removed++;
			continue;
		}
		made = name_sub(f, out + done, made);
		f->removed += made == 0;
		done += made;
	}
	/* A compound must lead with a report; only a reduced-size peer takes others (RTCP-08). */
	if (done > 0 && out[1] != PT_SR && out[1] != PT_RR && (f->allow & AGW_RTCP_RSIZE) == 0)
		return 0;
	return done;
}
