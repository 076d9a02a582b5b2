/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP where SSRC, sequence numbers and time stamps are the gateway's (RTCP-06, -07, -23;
 * RFC 3550 s7.2). Down, the core's words become those of the one SSRC the WIC hears; up, what the
 * WIC says of that SSRC becomes what the sender of now would hear of its own packets:
 *
 *   report block   highest sequence number and loss of this sender alone; LSR and DLSR when they
 *                  speak of one of its sender reports, else 0 (nothing is known)
 *   NACK           its packets, under its numbers
 *   PLI, FIR, TMMBR, TMMBN   its SSRC
 *
 * What speaks of anything else is taken out.
 */
#include "agw/relay/rewrite.h"
#include "agw/relay/rtcp_int.h"

#include <string.h>

static uint32_t sender_of(const uint8_t *p)
{
	return agw_be32(p + 4);
}

bool agw_rewrite_accepts(const struct agw_rewrite *w, uint32_t sender)
{
	for (unsigned i = 0; i < AGW_REWRITE_PAST; i++)
		if (w->past[i] == sender && w->past[i] != 0)
			return false;
	return true;
}

/* ---- down ------------------------------------------------------------------------------------ */

/* Report blocks are about what the WIC sends, which passes as it is. */
static size_t keep_blocks(const struct agw_rewrite_view *v, uint8_t *p, size_t at)
{
	unsigned kept = 0;
	size_t to = at;

	for (unsigned i = 0; i < rtcp_count(p); i++, at += REPORT_BLOCK) {
		if (!v->has_wic || agw_be32(p + at) != v->wic_ssrc)
			continue;
		memmove(p + to, p + at, REPORT_BLOCK);
		to += REPORT_BLOCK;
		kept++;
	}
	p[0] = (uint8_t)(0x80 | kept);
	rtcp_put_len(p, to);
	return to;
}

static size_t down_sr(struct agw_rewrite *w, const struct agw_rewrite_view *v, uint8_t *p, size_t n)
{
	if (w->heard && sender_of(p) == w->in) {
		w->sr[w->n_sr++ % AGW_REWRITE_SRS] = agw_be32(p + 10);
		agw_put32(p + 16, agw_be32(p + 16) + w->ts_off);
		agw_put32(p + 20, v->packets);
		agw_put32(p + 24, v->octets);
		agw_put32(p + 4, w->out);
		return keep_blocks(v, p, 8 + SENDER_INFO);
	}
	/* Not the one that is heard: what it received may interest, what it sends does not. */
	memmove(p + 8, p + 8 + SENDER_INFO, n - 8 - SENDER_INFO);
	p[1] = PT_RR;
	agw_put32(p + 4, w->out);
	return keep_blocks(v, p, 8);
}

/* Is it, for the WIC, the one SSRC? Before anybody is heard anybody is. */
static bool is_ours(const struct agw_rewrite *w, uint32_t ssrc)
{
	return w->heard ? ssrc == w->in : agw_rewrite_accepts(w, ssrc);
}

/* Chunks of contributing sources pass; the sender's gets the one SSRC, once. */
static size_t down_sdes(struct agw_rewrite *w, uint8_t *p, size_t n)
{
	size_t at = 4, to = 4;
	unsigned kept = 0;
	bool said = false;

	for (unsigned i = 0; i < rtcp_count(p); i++) {
		uint32_t ssrc = agw_be32(p + at);
		bool ours = is_ours(w, ssrc);
		size_t end = at + 4;

		while (end < n && p[end] != 0)
			end += 2U + p[end + 1];
		end = (end + 4U) & ~(size_t)3U;
		if ((ours && !said) || (!ours && ssrc != w->out && agw_rewrite_accepts(w, ssrc))) {
			if (ours)
				agw_put32(p + at, w->out);
			said = said || ours;
			memmove(p + to, p + at, end - at);
			to += end - at;
			kept++;
		}
		at = end;
	}
	p[0] = (uint8_t)(0x80 | kept);
	rtcp_put_len(p, to);
	return kept > 0 ? to : 0;
}

static size_t down_bye(struct agw_rewrite *w, uint8_t *p, size_t n)
{
	size_t list = 4U + 4U * rtcp_count(p);
	bool said = false;

	for (size_t at = 4; at < list; at += 4)
		said = said || is_ours(w, agw_be32(p + at));
	if (!said)
		return 0;
	w->ended = w->heard;
	agw_put32(p + 4, w->out);
	memmove(p + 8, p + list, n - list); /* the reason */
	n -= list - 8;
	p[0] = 0x81;
	rtcp_put_len(p, n);
	return n;
}

size_t agw_rewrite_down(struct agw_rewrite *w, const struct agw_rewrite_view *v, uint8_t *p,
			size_t n)
{
	(void)agw_rewrite_ssrc(w, v->has_wic ? v->wic_ssrc : 0);
	switch (p[1]) {
	case PT_SR:
		return down_sr(w, v, p, n);
	case PT_RR:
		agw_put32(p + 4, w->out);
		return keep_blocks(v, p, 8);
	case PT_SDES:
		return down_sdes(w, p, n);
	case PT_BYE:
		return rtcp_count(p) > 0 ? down_bye(w, p, n) : 0;
	default: /* feedback, APP, XR: of the sender, about what the WIC sends */
		agw_put32(p + 4, w->out);
		return n;
	}
}

/* ---- up -------------------------------------------------------------------------------------- */

/* A 16-bit sequence number the WIC speaks of, as the sender counts: the one nearest to now. */
static uint32_t in_ext(const struct agw_rewrite *w, uint16_t out_seq)
{
	return agw_seq_near(w->in_max + w->off, out_seq) - w->off;
}

static bool knows_sr(const struct agw_rewrite *w, uint32_t mid)
{
	for (unsigned i = 0; i < AGW_REWRITE_SRS && i < w->n_sr; i++)
		if (w->sr[i] == mid)
			return true;
	return false;
}

/* @return false: it does not speak of the sender of now */
static bool up_block(struct agw_rewrite *w, uint8_t *b)
{
	uint32_t ext = in_ext(w, agw_be16(b + 10));
	uint32_t lost = agw_be32(b + 4) & 0xffffff;

	if (!w->heard || agw_be32(b) != w->out)
		return false;
	if (!agw_rewrite_is_of(w, ext)) {
		w->wic_lost = lost;
		return false;
	}
	if (!w->lost_known) {
		w->lost_base = w->wic_lost;
		w->lost_known = true;
	}
	w->wic_lost = lost;
	lost = (lost - w->lost_base) & 0xffffff;
	agw_put32(b, w->in);
	agw_put32(b + 4, (uint32_t)b[4] << 24 | lost);
	agw_put32(b + 8, ext);
	if (!knows_sr(w, agw_be32(b + 16)))
		memset(b + 16, 0, 8);
	return true;
}

static size_t up_blocks(struct agw_rewrite *w, uint8_t *p, size_t n, size_t at)
{
	size_t blocks = REPORT_BLOCK * rtcp_count(p);
	size_t end = at + blocks, to = at;
	unsigned kept = 0;

	for (; at < end; at += REPORT_BLOCK) {
		if (!up_block(w, p + at))
			continue;
		memmove(p + to, p + at, REPORT_BLOCK);
		to += REPORT_BLOCK;
		kept++;
	}
	memmove(p + to, p + end, n - end); /* a profile's own words */
	n -= end - to;
	p[0] = (uint8_t)(0x80 | kept);
	rtcp_put_len(p, n);
	return n;
}

/* One entry names a packet and marks of the 16 after it; those of an older sender go. */
static bool up_nack(const struct agw_rewrite *w, uint8_t *e)
{
	uint32_t first = in_ext(w, agw_be16(e));
	uint32_t lost = 1U | (uint32_t)agw_be16(e + 2) << 1; /* bit i: first + i */

	while (lost != 0 && ((lost & 1) == 0 || !agw_rewrite_is_of(w, first))) {
		lost >>= 1;
		first++;
	}
	e[0] = (uint8_t)(first >> 8);
	e[1] = (uint8_t)first;
	e[2] = (uint8_t)(lost >> 9);
	e[3] = (uint8_t)(lost >> 1);
	return lost != 0;
}

static bool up_target(const struct agw_rewrite *w, uint8_t *e)
{
	if (agw_be32(e) != w->out)
		return false;
	agw_put32(e, w->in);
	return true;
}

/* Entries that say nothing to this sender go; with none left so does the packet. */
static size_t up_entries(const struct agw_rewrite *w, uint8_t *p, size_t n, size_t size,
			 bool (*keep)(const struct agw_rewrite *w, uint8_t *e))
{
	size_t to = FB_HEADER;

	for (size_t at = FB_HEADER; at + size <= n; at += size) {
		if (!keep(w, p + at))
			continue;
		memmove(p + to, p + at, size);
		to += size;
	}
	rtcp_put_len(p, to);
	return to > FB_HEADER || n == FB_HEADER ? to : 0;
}

static size_t up_feedback(const struct agw_rewrite *w, uint8_t *p, size_t n)
{
	unsigned fmt = rtcp_count(p);
	bool nack = p[1] == PT_RTPFB && fmt == FMT_NACK;
	bool listed = p[1] == PT_RTPFB ? fmt == FMT_TMMBR || fmt == FMT_TMMBN : fmt == FMT_FIR;

	if (!w->heard)
		return 0;
	if (agw_be32(p + 8) == w->out)
		agw_put32(p + 8, w->in);
	else if (!listed || agw_be32(p + 8) != 0)
		return 0;
	if (nack)
		return up_entries(w, p, n, NACK_ENTRY, up_nack);
	return listed ? up_entries(w, p, n, FCI_ENTRY, up_target) : n;
}

size_t agw_rewrite_up(struct agw_rewrite *w, uint8_t *p, size_t n)
{
	switch (p[1]) {
	case PT_SR:
		return up_blocks(w, p, n, 8 + SENDER_INFO);
	case PT_RR:
		return up_blocks(w, p, n, 8);
	case PT_RTPFB:
	case PT_PSFB:
		return up_feedback(w, p, n);
	case PT_XR: /* its blocks speak of the SSRC the WIC hears */
		return 0;
	default: /* SDES, BYE, APP: the WIC's own */
		return n;
	}
}
