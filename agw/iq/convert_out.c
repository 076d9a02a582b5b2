/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts, streams, counters and events as Iq messages (convert.h). A constructor that runs out
 * of memory half-way frees what it built and returns NULL.
 */
#include "agw/iq/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEW(name)  iq_message_new(&wicgate__iq__v1__##name##__descriptor)
#define NEVER_SEEN UINT32_MAX

static void drop(void *msg)
{
	if (msg != NULL)
		protobuf_c_message_free_unpacked(msg, NULL);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static const struct {
	enum agw_ctx_code code;
	IqErrorCode iq;
	const char *resource;
} codes[] = {
    {AGW_CTX_INVALID, IQ_V(ERROR_CODE__INVALID_ARGUMENT), NULL},
    {AGW_CTX_UNSUPPORTED, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), NULL},
    {AGW_CTX_UNKNOWN, IQ_V(ERROR_CODE__UNKNOWN_CONTEXT), NULL},
    {AGW_CTX_UNKNOWN_STREAM, IQ_V(ERROR_CODE__UNKNOWN_STREAM), NULL},
    {AGW_CTX_DIFFERENT, IQ_V(ERROR_CODE__ALREADY_EXISTS_DIFFERENT), NULL},
    {AGW_CTX_REV, IQ_V(ERROR_CODE__REV_CONFLICT), NULL},
    {AGW_CTX_NOT_OWNER, IQ_V(ERROR_CODE__NOT_OWNER), NULL},
    {AGW_CTX_NO_CONTEXTS, IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED), "contexts"},
    {AGW_CTX_NO_STREAMS, IQ_V(ERROR_CODE__INVALID_ARGUMENT), NULL},
    {AGW_CTX_NO_PORTS, IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED), "ports"},
    {AGW_CTX_UNKNOWN_REALM, IQ_V(ERROR_CODE__UNKNOWN_REALM), NULL},
    {AGW_CTX_FAMILY, IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE), NULL},
    {AGW_CTX_BUSY, IQ_V(ERROR_CODE__OVERLOADED), NULL},
    {AGW_CTX_STATE, IQ_V(ERROR_CODE__INVALID_ARGUMENT), NULL},
    {AGW_CTX_INTERNAL, IQ_V(ERROR_CODE__INTERNAL), NULL},
};

void agw_iq_fault_from(struct iq_fault *out, const struct agw_ctx_fault *in)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].code != in->code)
			continue;
		iq_fault_set(out, codes[i].iq, in->field, "%s", in->detail);
		out->resource = codes[i].resource;
		return;
	}
	iq_fault_set(out, IQ_V(ERROR_CODE__INTERNAL), in->field, "no reason given");
}

/* ---- small parts ----------------------------------------------------------------------------- */

IqAddress *agw_iq_address_new(const struct gw_addr *a)
{
	IqAddress *out = NEW(address);
	char ip[GW_ADDR_STRLEN];

	if (out == NULL)
		return NULL;
	out->port = gw_addr_port(a);
	if (iq_str_set(&out->ip, gw_addr_ip_str(a, ip, sizeof(ip))) != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

/* *field = the address when there is one. */
static enum gw_err address_set(IqAddress **field, const struct gw_addr *a)
{
	if (a->len == 0)
		return GW_OK;
	*field = agw_iq_address_new(a);
	return *field != NULL ? GW_OK : GW_ERR_NOMEM;
}

static const char *hash_name(enum agw_hash h)
{
	static const char *const names[AGW_HASH_COUNT] = {
	    [AGW_HASH_SHA1] = "sha-1",     [AGW_HASH_SHA224] = "sha-224",
	    [AGW_HASH_SHA256] = "sha-256", [AGW_HASH_SHA384] = "sha-384",
	    [AGW_HASH_SHA512] = "sha-512",
	};

	return (unsigned)h < AGW_HASH_COUNT ? names[h] : "";
}

static IqFingerprint *fingerprint_new(const struct agw_fingerprint *fp)
{
	IqFingerprint *out = NEW(fingerprint);
	char text[AGW_FP_OCTETS_MAX * 3 + 1] = "";

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < fp->len; i++)
		snprintf(text + 3 * i, 4, i + 1 < fp->len ? "%02X:" : "%02X", fp->octets[i]);
	if (iq_str_set(&out->hash, hash_name(fp->hash)) != GW_OK ||
	    iq_str_set(&out->value, text) != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

static IqCandidate *candidate_new(const struct agw_candidate *c)
{
	IqCandidate *out = NEW(candidate);

	if (out == NULL)
		return NULL;
	out->component = c->component;
	out->priority = c->priority;
	out->tcp = c->tcp;
	out->type = c->relay ? IQ_V(CANDIDATE__TYPE__RELAY) : IQ_V(CANDIDATE__TYPE__HOST);
	if (iq_str_set(&out->foundation, c->foundation) != GW_OK ||
	    address_set(&out->address, &c->addr) != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

/* ---- results --------------------------------------------------------------------------------- */

static IqAccessLocal *access_new(const struct agw_stream_local *l)
{
	IqAccessLocal *out = NEW(access_local);
	enum gw_err err = GW_OK;

	if (out == NULL)
		return NULL;
	out->lite = !l->ice_full;
	if (l->answers_nack) {
		out->serves = malloc(sizeof(*out->serves));
		if (out->serves != NULL)
			out->serves[out->n_serves++] = IQ_V(FEEDBACK__NACK);
	}
	out->credentials = NEW(ice_credentials);
	if (out->credentials == NULL || iq_str_set(&out->credentials->ufrag, l->ufrag) != GW_OK ||
	    iq_str_set(&out->credentials->pwd, l->pwd) != GW_OK ||
	    iq_str_set(&out->interface_id, "access") != GW_OK)
		err = GW_ERR_NOMEM;
	for (unsigned i = 0; i < l->n_cands && err == GW_OK; i++)
		err = iq_list_add(&out->n_candidates, (void *)&out->candidates,
				  candidate_new(&l->cands[i]));
	if (err == GW_OK)
		err = iq_list_add(&out->n_fingerprints, (void *)&out->fingerprints,
				  fingerprint_new(&l->fp));
	if (err != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

static IqCoreLocal *core_new(const struct agw_stream_local *l)
{
	IqCoreLocal *out = NEW(core_local);

	if (out == NULL)
		return NULL;
	if (address_set(&out->rtp, &l->core_rtp) != GW_OK ||
	    address_set(&out->rtcp, &l->core_rtcp) != GW_OK ||
	    iq_str_set(&out->interface_id, "core") != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

IqStreamResult *agw_iq_result_new(const struct agw_stream_local *local)
{
	IqStreamResult *out = NEW(stream_result);

	if (out == NULL)
		return NULL;
	out->stream_id = local->id;
	out->worker = local->worker;
	out->access = access_new(local);
	out->core = core_new(local);
	if (out->access == NULL || out->core == NULL) {
		drop(out);
		return NULL;
	}
	return out;
}

/* ---- counters -------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint32_t seen_before(uint64_t at_ms)
{
	uint64_t now = now_ms();

	if (at_ms == 0)
		return NEVER_SEEN;
	if (at_ms >= now)
		return 0;
	return now - at_ms < NEVER_SEEN ? (uint32_t)(now - at_ms) : NEVER_SEEN - 1;
}

/* Age plus 1, so that 0 stays "never" for a peer that does not know the field. */
static uint32_t age_of(uint64_t at_ms)
{
	uint32_t age = seen_before(at_ms);

	return age == NEVER_SEEN ? 0 : age + 1;
}

static IqDirectionStats *direction_new(const struct agw_dir_stats *d)
{
	IqDirectionStats *out = NEW(direction_stats);

	if (out == NULL)
		return NULL;
	out->rtp_packets = d->rtp_packets;
	out->rtp_octets = d->rtp_octets;
	out->rtcp_packets = d->rtcp_packets;
	out->drops_gate = d->drops[AGW_DROP_GATE];
	out->drops_source = d->drops[AGW_DROP_SOURCE];
	out->drops_payload_type = d->drops[AGW_DROP_PT];
	out->drops_malformed = d->drops[AGW_DROP_MALFORMED];
	out->drops_srtp_auth = d->drops[AGW_DROP_AUTH];
	out->drops_srtp_replay = d->drops[AGW_DROP_REPLAY];
	out->drops_not_keyed = d->drops[AGW_DROP_NOT_READY];
	out->send_errors = d->drops[AGW_DROP_SEND];
	out->drops_policed = d->drops[AGW_DROP_POLICED];
	for (unsigned i = 0; i < AGW_DROP_COUNT; i++)
		out->drops_other += d->drops[i];
	out->drops_other -= out->drops_gate + out->drops_source + out->drops_payload_type +
			    out->drops_malformed + out->drops_srtp_auth + out->drops_srtp_replay +
			    out->drops_not_keyed + out->send_errors + out->drops_policed;
	out->lost = d->lost;
	out->jitter_rtp_units = d->jitter;
	out->far_rtt_us = d->rtt_us;
	out->far_lost = d->far_lost;
	out->far_jitter_rtp_units = d->far_jitter;
	out->mos_x100 = d->mos_x100;
	out->made_rtcp = d->made_rtcp;
	out->nacked = d->nacked;
	out->resent = d->resent;
	out->oversize = d->oversize;
	out->last_seen_ms = seen_before(d->last_seen_ms);
	out->first_in_ms = age_of(d->first_in_ms);
	out->first_out_ms = age_of(d->first_out_ms);
	return out;
}

static enum gw_err stats_addresses(IqStreamStats *out, const struct agw_stream_stats *st,
				   const struct agw_stream_local *local,
				   const struct gw_addr *core_remote)
{
	enum gw_err err = address_set(&out->selected_remote, &st->remote);

	if (err == GW_OK && local != NULL && st->remote.len != 0)
		err = address_set(
		    &out->selected_local,
		    &local->access[gw_addr_is_v6(&st->remote) ? AGW_FAMILY_V6 : AGW_FAMILY_V4]);
	if (err == GW_OK && core_remote != NULL)
		err = address_set(&out->core_remote, core_remote);
	return err;
}

IqStreamStats *agw_iq_stats_new(uint32_t id, const struct agw_stream_stats *st,
				const struct agw_stream_local *local,
				const struct gw_addr *core_remote)
{
	IqStreamStats *out = NEW(stream_stats);

	if (out == NULL)
		return NULL;
	out->stream_id = id;
	out->uplink = direction_new(&st->up);
	out->downlink = direction_new(&st->down);
	out->rtt_us = st->up.rtt_us + st->down.rtt_us;
	out->stun_requests = st->stun_requests;
	out->stun_rejects = st->up.drops[AGW_DROP_STUN_BAD]; /* the refused are among them */
	out->dtls_drops = st->up.drops[AGW_DROP_DTLS_BAD];
	out->ice_first_check_ms = age_of(st->ice_first_check_ms);
	out->ice_connected_ms = age_of(st->ice_connected_ms);
	out->dtls_started_ms = age_of(st->dtls_started_ms);
	out->dtls_established_ms = age_of(st->dtls_established_ms);
	if (out->uplink == NULL || out->downlink == NULL ||
	    (st->srtp_profile != 0 &&
	     (iq_str_set(&out->srtp_profile, agw_srtp_profile_name(st->srtp_profile)) != GW_OK ||
	      iq_str_set(&out->dtls_version, "DTLS 1.2") != GW_OK)) ||
	    stats_addresses(out, st, local, core_remote) != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

/* ---- audit ----------------------------------------------------------------------------------- */

static const struct gw_addr *active_remote(const struct agw_stream_params *p)
{
	return p != NULL && p->core.active >= 0 ? &p->core.branches[p->core.active].rtp : NULL;
}

static enum gw_err stream_fill(IqStreamInfo *out, const struct agw_ctx_stream_view *v)
{
	out->stream_id = v->id;
	if (iq_str_set(&out->ice_state, v->ice_state) != GW_OK ||
	    iq_str_set(&out->dtls_state, v->dtls_state) != GW_OK)
		return GW_ERR_NOMEM;
	out->gate = NEW(gate);
	if (out->gate == NULL)
		return GW_ERR_NOMEM;
	if (v->params != NULL) {
		out->kind = v->params->media == AGW_MEDIA_AUDIO   ? IQ_V(MEDIA_KIND__AUDIO)
			    : v->params->media == AGW_MEDIA_VIDEO ? IQ_V(MEDIA_KIND__VIDEO)
								  : IQ_V(MEDIA_KIND__TEXT);
		out->gate->uplink = v->params->gate_up;
		out->gate->downlink = v->params->gate_down;
	}
	if (v->local != NULL)
		out->local = agw_iq_result_new(v->local);
	out->stats = agw_iq_stats_new(v->id, &v->stats, v->local, active_remote(v->params));
	return out->stats != NULL && (v->local == NULL || out->local != NULL) ? GW_OK
									      : GW_ERR_NOMEM;
}

IqContextInfo *agw_iq_context_new(const struct agw_context *ctx, bool detail)
{
	IqContextInfo *out = NEW(context_info);
	struct agw_ctx_stream_view sv;
	struct agw_ctx_view v;
	enum gw_err err = GW_OK;

	if (out == NULL)
		return NULL;
	agw_context_view(ctx, &v);
	out->rev = v.rev;
	out->age_s = v.age_s;
	out->epoch = v.epoch;
	if (iq_str_set(&out->ctx_id, v.ctx_id) != GW_OK ||
	    iq_str_set(&out->call_id, v.call_id) != GW_OK ||
	    iq_str_set(&out->icid, v.icid) != GW_OK)
		err = GW_ERR_NOMEM;
	for (unsigned i = 0; detail && err == GW_OK && agw_context_stream_view(ctx, i, &sv); i++) {
		IqStreamInfo *s = NEW(stream_info);

		err = iq_list_add(&out->n_streams, (void *)&out->streams, s);
		if (err == GW_OK)
			err = stream_fill(s, &sv);
	}
	if (err != GW_OK) {
		drop(out);
		return NULL;
	}
	return out;
}

/* ---- events ---------------------------------------------------------------------------------- */

static const IqEvent events[AGW_EV_COUNT] = {
    [AGW_EV_ICE_CONNECTED] = IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED),
    [AGW_EV_ICE_FAILED] = IQ_V(NOTIFICATION__EVENT__ICE_FAILED),
    [AGW_EV_PAIR_CHANGED] = IQ_V(NOTIFICATION__EVENT__ICE_PAIR_CHANGED),
    [AGW_EV_DTLS_ESTABLISHED] = IQ_V(NOTIFICATION__EVENT__DTLS_ESTABLISHED),
    [AGW_EV_DTLS_FAILED] = IQ_V(NOTIFICATION__EVENT__DTLS_FAILED),
    [AGW_EV_DTLS_CLOSED] = IQ_V(NOTIFICATION__EVENT__DTLS_CLOSED),
    [AGW_EV_CONSENT_LOST] = IQ_V(NOTIFICATION__EVENT__CONSENT_LOST),
    [AGW_EV_CONSENT_RESTORED] = IQ_V(NOTIFICATION__EVENT__CONSENT_RESTORED),
    [AGW_EV_MEDIA_INACTIVE] = IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE),
    [AGW_EV_MEDIA_ACTIVE] = IQ_V(NOTIFICATION__EVENT__MEDIA_ACTIVE),
    [AGW_EV_CORE_LATCHED] = IQ_V(NOTIFICATION__EVENT__CORE_LATCHED),
    [AGW_EV_SSRC_CHANGED] = IQ_V(NOTIFICATION__EVENT__SSRC_CHANGED),
    [AGW_EV_NEW_PRFLX] = IQ_V(NOTIFICATION__EVENT__NEW_PRFLX),
    [AGW_EV_PT_UNKNOWN] = IQ_V(NOTIFICATION__EVENT__PT_UNKNOWN),
    [AGW_EV_POLICED] = IQ_V(NOTIFICATION__EVENT__POLICED),
    [AGW_EV_KEY_LIMIT] = IQ_V(NOTIFICATION__EVENT__SRTP_KEY_LIMIT),
    [AGW_EV_PICTURE_ASKED] = IQ_V(NOTIFICATION__EVENT__PICTURE_ASKED),
};

static const IqCause causes[AGW_CAUSE_COUNT] = {
    [AGW_CAUSE_NONE] = IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED),
    [AGW_CAUSE_TIMEOUT] = IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT),
    [AGW_CAUSE_FINGERPRINT] = IQ_V(NOTIFICATION__CAUSE__CAUSE_FINGERPRINT),
    [AGW_CAUSE_FP_WAIT] = IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT),
    [AGW_CAUSE_NO_SRTP] = IQ_V(NOTIFICATION__CAUSE__CAUSE_NO_SRTP),
    [AGW_CAUSE_NO_CERT] = IQ_V(NOTIFICATION__CAUSE__CAUSE_NO_CERTIFICATE),
    [AGW_CAUSE_ALERT] = IQ_V(NOTIFICATION__CAUSE__CAUSE_ALERT),
    [AGW_CAUSE_CLOSE_NOTIFY] = IQ_V(NOTIFICATION__CAUSE__CAUSE_PEER_CLOSED),
    [AGW_CAUSE_PROTOCOL] = IQ_V(NOTIFICATION__CAUSE__CAUSE_ALERT),
    [AGW_CAUSE_INTERNAL] = IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED),
};

static void event_detail(char *out, size_t n, const struct agw_stream_event *ev)
{
	char from[GW_ADDR_STRLEN];

	switch ((int)ev->kind) {
	case AGW_EV_DTLS_ESTABLISHED:
		snprintf(out, n, "DTLS 1.2 %s", agw_srtp_profile_name((uint16_t)ev->value));
		break;
	case AGW_EV_CORE_LATCHED:
		snprintf(out, n, "from %s",
			 ev->addr2.len != 0 ? gw_addr_str(&ev->addr2, from, sizeof(from)) : "-");
		break;
	case AGW_EV_SSRC_CHANGED:
		snprintf(out, n, "ssrc %08x", ev->value);
		break;
	case AGW_EV_NEW_PRFLX:
		snprintf(out, n, "priority %u", ev->value);
		break;
	case AGW_EV_PT_UNKNOWN:
		snprintf(out, n, "pt %u", ev->value);
		break;
	case AGW_EV_POLICED:
		snprintf(out, n, "over %u bit/s", ev->value);
		break;
	default:
		snprintf(out, n, "%s",
			 ev->cause != AGW_CAUSE_NONE ? agw_cause_name(ev->cause) : "");
		break;
	}
}

enum gw_err agw_iq_event_fill(IqNotification *out, const struct agw_stream_event *ev)
{
	char detail[128] = "";
	bool sided = ev->kind == AGW_EV_MEDIA_INACTIVE || ev->kind == AGW_EV_MEDIA_ACTIVE ||
		     ev->kind == AGW_EV_SSRC_CHANGED || ev->kind == AGW_EV_PT_UNKNOWN ||
		     ev->kind == AGW_EV_POLICED;

	if ((unsigned)ev->kind >= AGW_EV_COUNT || (unsigned)ev->cause >= AGW_CAUSE_COUNT)
		return GW_ERR_INVAL;
	out->event = events[ev->kind];
	out->cause = causes[ev->cause];
	if (sided)
		out->side = ev->side == AGW_SIDE_CORE ? IQ_V(REALM_SIDE__REALM_CORE)
						      : IQ_V(REALM_SIDE__REALM_ACCESS);
	if (ev->kind == AGW_EV_ICE_CONNECTED)
		out->ice_generation = ev->value;
	event_detail(detail, sizeof(detail), ev);
	if (address_set(&out->remote, &ev->addr) != GW_OK ||
	    iq_str_set(&out->detail, detail) != GW_OK)
		return GW_ERR_NOMEM;
	return GW_OK;
}
