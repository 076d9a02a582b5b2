/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call record: one line at the end of every call, failed ones included (REL-18), with the
 * media statistics that came back with the Release. At debug: both sides of each rewrite (SDP-43).
 * Thread: the cscf loop.
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

void record_stats(struct call *c, const struct cscf_iq_outcome *o)
{
	size_t at = 0;

	if (o->err != GW_OK) {
		snprintf(c->stats, sizeof(c->stats), "media_stats=%s", gw_err_name(o->err));
		return;
	}
	for (size_t i = 0; i < o->n_stats && at < sizeof(c->stats); i++) {
		const IqStreamStats *s = o->stats[i];
		int n;

		if (s->uplink == NULL || s->downlink == NULL)
			continue;
		n = snprintf(c->stats + at, sizeof(c->stats) - at,
			     "%sstream=%u up_packets=%" PRIu64 " up_lost=%" PRIu64
			     " up_dropped=%" PRIu64 " down_packets=%" PRIu64 " down_lost=%" PRIu64
			     " down_dropped=%" PRIu64 " srtp=%s",
			     at > 0 ? " " : "", s->stream_id, s->uplink->rtp_packets,
			     s->uplink->lost, dropped(s->uplink), s->downlink->rtp_packets,
			     s->downlink->lost, dropped(s->downlink), s->srtp_profile);
		if (n < 0)
			break;
		at += (size_t)n;
	}
}

void record_write(const struct call *c)
{
	uint64_t now = session_now_ms();
	uint64_t end = c->ended_ms != 0 ? c->ended_ms : now;

	CALL_LOG(GW_LOG_INFO, "call.record", c, "-",
		 "from_wic=%d start=%lld setup_ms=%lld duration_ms=%lld status=%d cause=%s "
		 "uri=\"%.200s\" caller=\"%.200s\" %s",
		 (int)c->from_wic, (long long)c->started_at,
		 c->answered_ms != 0 ? (long long)(c->answered_ms - c->started_ms) : -1LL,
		 c->answered_ms != 0 ? (long long)(end - c->answered_ms) : 0LL, c->status,
		 cause_name(c->cause), cscf_sip_mask(c->request_uri), cscf_sip_mask(c->from),
		 c->stats);
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
