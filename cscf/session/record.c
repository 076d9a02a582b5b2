/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call record: one line at the end of every call, failed ones included (REL-18), with the
 * media statistics that came back with the Release: packets, loss, jitter (RTP units), the round
 * trip to the receiver of each direction and its score (RTP-26). At debug: both sides of each
 * rewrite (SDP-43). A call that moved has the statistics of each AGW, one after the other; what
 * went with a lost one is said (media_incomplete). Thread: the cscf loop.
 */
#include "cscf/session/session_int.h"

#include "cscf/sip/mask.h"

#include <inttypes.h>
#include <stdio.h>

#define GW_LOG_MOD "session"
#define SDP_LOGGED 3000 /* octets of a description in a log line */

static uint64_t dropped(const IqDirectionStats *d)
{
	return d->drops_gate + d->drops_source + d->drops_payload_type + d->drops_malformed +
	       d->drops_srtp_auth + d->drops_srtp_replay + d->drops_not_keyed + d->drops_policed +
	       d->drops_other;
}

/* As far as it is known: "up_rtt_ms=21.4 up_mos=4.38". What is not has a dash. */
static void say_quality(char *out, size_t n, const char *way, const IqDirectionStats *d)
{
	char rtt[24] = "-";
	char mos[24] = "-";

	if (d->far_rtt_us != 0)
		snprintf(rtt, sizeof(rtt), "%u.%u", d->far_rtt_us / 1000, d->far_rtt_us / 100 % 10);
	if (d->mos_x100 != 0)
		snprintf(mos, sizeof(mos), "%u.%02u", d->mos_x100 / 100, d->mos_x100 % 100);
	snprintf(out, n, "%s_jitter=%u %s_rtt_ms=%s %s_mos=%s", way, d->jitter_rtp_units, way, rtt,
		 way, mos);
}

/* One stream as words. @return octets, as snprintf has it */
static int say_stream(char *out, size_t n, const IqStreamStats *s)
{
	const IqDirectionStats *up = s->uplink;
	const IqDirectionStats *down = s->downlink;
	char up_is[96], down_is[96];

	say_quality(up_is, sizeof(up_is), "up", up);
	say_quality(down_is, sizeof(down_is), "down", down);
	return snprintf(out, n,
			"stream=%u up_packets=%" PRIu64 " up_lost=%" PRIu64 " up_dropped=%" PRIu64
			" %s down_packets=%" PRIu64 " down_lost=%" PRIu64 " down_dropped=%" PRIu64
			" %s srtp=%.32s",
			s->stream_id, up->rtp_packets, up->lost, dropped(up), up_is,
			down->rtp_packets, down->lost, dropped(down), down_is, s->srtp_profile);
}

void record_incomplete(struct call *c, const char *why)
{
	if (c->incomplete == NULL)
		c->incomplete = why;
}

void record_keep_stats(struct call *c)
{
	c->stats_kept = strlen(c->stats);
}

void record_stats(struct call *c, const struct cscf_iq_outcome *o)
{
	size_t at = c->stats_kept;

	if (o->err != GW_OK) { /* what was known before stays */
		record_incomplete(c, "agw-silent");
		snprintf(c->stats + at, sizeof(c->stats) - at, "%smedia_stats=%s",
			 at > 0 ? " " : "", gw_err_name(o->err));
		return;
	}
	c->stats[at] = 0;
	for (size_t i = 0; i < o->n_stats; i++) {
		const IqStreamStats *s = o->stats[i];
		char text[512];
		int n;

		if (s->uplink == NULL || s->downlink == NULL)
			continue;
		n = say_stream(text, sizeof(text), s);
		if (n < 0 || (size_t)n >= sizeof(text) || at + (size_t)n + 2 > sizeof(c->stats))
			break; /* a whole stream or none of it */
		at += (size_t)snprintf(c->stats + at, sizeof(c->stats) - at, "%s%s",
				       at > 0 ? " " : "", text);
	}
}

void record_write(const struct call *c)
{
	uint64_t now = session_now_ms();
	uint64_t end = c->ended_ms != 0 ? c->ended_ms : now;

	CALL_LOG(GW_LOG_INFO, "call.record", c, "-",
		 "from_wic=%d start=%lld setup_ms=%lld duration_ms=%lld status=%d cause=%s "
		 "uri=\"%.200s\" caller=\"%.200s\" moves=%u%s%s %s",
		 (int)c->from_wic, (long long)c->started_at,
		 c->answered_ms != 0 ? (long long)(c->answered_ms - c->started_ms) : -1LL,
		 c->answered_ms != 0 ? (long long)(end - c->answered_ms) : 0LL, c->status,
		 cause_name(c->cause), cscf_sip_mask(c->request_uri), cscf_sip_mask(c->from),
		 c->moves, c->incomplete != NULL ? " media_incomplete=" : "",
		 c->incomplete != NULL ? c->incomplete : "", c->stats);
}

static void write_sdp(const struct call *c, enum side side, const char *way, const char *text,
		      size_t n)
{
	char *masked = cscf_sdp_masked(text, n);

	if (masked != NULL)
		CALL_LOG(GW_LOG_DEBUG, "call.sdp", c, side_name(side),
			 "side=%s way=%s octets=%zu text=\"%.*s\"", side_name(side), way, n,
			 SDP_LOGGED, masked);
	free(masked);
}

void record_rewrite(const struct call *c, enum side from, struct gw_slice in)
{
	write_sdp(c, from, "in", in.p, in.n);
	write_sdp(c, other_side(from), "out", c->media.text.p, c->media.text.n);
}
