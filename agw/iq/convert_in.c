/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StreamRequest to patch (convert.h). The message passed iq_check: lengths, counts, known enum
 * values and numeric addresses are given; what is judged here is meaning.
 */
#include "agw/iq/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum gw_err unsupported(struct iq_fault *f, const char *field, const char *why)
{
	iq_fault_set(f, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), field, "%s", why);
	return GW_ERR_UNSUPPORTED;
}

static enum gw_err invalid(struct iq_fault *f, const char *field, const char *why)
{
	iq_fault_set(f, IQ_V(ERROR_CODE__INVALID_ARGUMENT), field, "%s", why);
	return GW_ERR_INVAL;
}

/* Put "streams[i]." before the path of a fault. */
static void fault_at(struct iq_fault *f, size_t i)
{
	char rest[sizeof(f->field)];

	memcpy(rest, f->field, sizeof(rest));
	snprintf(f->field, sizeof(f->field), "streams[%zu]%s%.90s", i, rest[0] != '\0' ? "." : "",
		 rest);
}

/* ---- shared by both sides -------------------------------------------------------------------- */

static struct agw_pt_set pts_from(IqPayloadType *const *in, size_t n)
{
	struct agw_pt_set set = {{0, 0}};

	for (size_t i = 0; i < n; i++)
		agw_pt_set_add(&set, (uint8_t)in[i]->pt);
	return set;
}

static unsigned feedback_from(const Wicgate__Iq__V1__Feedback *in, size_t n)
{
	unsigned allow = 0;

	for (size_t i = 0; i < n; i++) {
		switch ((int)in[i]) {
		case IQ_V(FEEDBACK__NACK):
			allow |= AGW_RTCP_NACK;
			break;
		case IQ_V(FEEDBACK__PLI):
			allow |= AGW_RTCP_PLI;
			break;
		case IQ_V(FEEDBACK__FIR):
			allow |= AGW_RTCP_FIR;
			break;
		case IQ_V(FEEDBACK__TMMBR):
			allow |= AGW_RTCP_TMMBR;
			break;
		default:
			break;
		}
	}
	return allow;
}

static struct agw_ext_map exts_from(IqHeaderExtension *const *in, size_t n)
{
	struct agw_ext_map map = {{0}};

	for (size_t i = 0; i < n; i++)
		agw_ext_map_add(&map, in[i]->peer_id, in[i]->id);
	return map;
}

static int dscp_from(int dscp, enum agw_media_type media, const struct agw_iq_defaults *def)
{
	if (dscp != 0)
		return dscp;
	return media == AGW_MEDIA_VIDEO ? def->dscp_video : def->dscp_audio;
}

static enum gw_err address_from(struct gw_addr *out, const IqAddress *in, const char *field,
				struct iq_fault *f)
{
	if (in == NULL)
		return GW_OK;
	if (gw_addr_parse_ip(out, in->ip, (uint16_t)in->port) != GW_OK || in->port == 0)
		return invalid(f, field, "not an address with a port");
	return GW_OK;
}

static enum gw_err realm_from(char out[AGW_REALM_NAME_MAX], const char *name, const char *field,
			      const struct agw_iq_defaults *def, const struct agw_realm_cfg **realm,
			      struct iq_fault *f)
{
	*realm = agw_realm_find(def->realms, def->n_realms, name);
	if (*realm == NULL) {
		iq_fault_set(f, IQ_V(ERROR_CODE__UNKNOWN_REALM), field, "no realm \"%.40s\" here",
			     name);
		return GW_ERR_NOT_FOUND;
	}
	snprintf(out, AGW_REALM_NAME_MAX, "%s", (*realm)->name);
	return GW_OK;
}

static unsigned realm_families(const struct agw_realm_cfg *realm)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < AGW_FAMILY_COUNT; i++)
		if (agw_realm_has(realm, (enum agw_family)i))
			bits |= AGW_FAMILY_BIT(i);
	return bits;
}

/* ---- access ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum agw_hash hash;
	uint8_t octets;
} hashes[] = {
    {"sha-1", AGW_HASH_SHA1, 20},     {"sha-224", AGW_HASH_SHA224, 28},
    {"sha-256", AGW_HASH_SHA256, 32}, {"sha-384", AGW_HASH_SHA384, 48},
    {"sha-512", AGW_HASH_SHA512, 64},
};

static uint8_t hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	return (uint8_t)((c | 0x20) - 'a' + 10);
}

/* @return false when the hash is not one we know (skipped: RFC 8122 §5 allows several) */
static bool fingerprint_from(struct agw_fingerprint *out, const IqFingerprint *in, bool *bad)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		if (strcasecmp(in->hash, hashes[i].name) != 0)
			continue;
		*bad = strlen(in->value) != (size_t)hashes[i].octets * 3 - 1;
		if (*bad)
			return false;
		memset(out, 0, sizeof(*out));
		out->hash = hashes[i].hash;
		out->len = hashes[i].octets;
		for (size_t k = 0; k < out->len; k++)
			out->octets[k] = (uint8_t)(hex_digit(in->value[3 * k]) << 4 |
						   hex_digit(in->value[3 * k + 1]));
		return true;
	}
	return false;
}

static enum gw_err dtls_from(struct agw_ctx_patch *out, const IqRemoteDtls *in, struct iq_fault *f)
{
	struct agw_access_params *a = &out->p.access;
	bool bad = false;

	if (in == NULL)
		return GW_OK;
	out->set |= AGW_SET_DTLS;
	out->new_dtls = in->new_association;
	a->dtls_role = in->role == IQ_V(DTLS_ROLE__DTLS_CLIENT)   ? AGW_DTLS_ROLE_CLIENT
		       : in->role == IQ_V(DTLS_ROLE__DTLS_SERVER) ? AGW_DTLS_ROLE_SERVER
								  : AGW_DTLS_ROLE_UNDECIDED;
	for (size_t i = 0; i < in->n_fingerprints && a->n_fps < AGW_FP_MAX && !bad; i++)
		if (fingerprint_from(&a->fps[a->n_fps], in->fingerprints[i], &bad))
			a->n_fps++;
	if (bad)
		return invalid(f, "access.dtls.fingerprints", "wrong length for its hash");
	if (in->n_fingerprints > 0 && a->n_fps == 0)
		return unsupported(f, "access.dtls.fingerprints", "no hash function known here");
	return GW_OK;
}

static void profiles_from(struct agw_ctx_patch *out, const IqAccessTermination *in)
{
	unsigned n = 0;

	memset(out->p.access.profiles, 0, sizeof(out->p.access.profiles));
	for (size_t i = 0; i < in->n_srtp_profiles && n < AGW_SRTP_PROFILE_MAX; i++)
		if (in->srtp_profiles[i] != 0)
			out->p.access.profiles[n++] = (uint16_t)in->srtp_profiles[i];
	if (n > 0)
		out->set |= AGW_SET_PROFILES;
}

static enum gw_err access_modes(const IqAccessTermination *in, const struct agw_iq_defaults *def,
				struct iq_fault *f)
{
	if (in->transport == IQ_V(ACCESS_TRANSPORT__UDP_DTLS_SCTP))
		return unsupported(f, "access.transport", "data channels are not served");
	if (in->rtcp == IQ_V(RTCP_MODE__RTCP_OFF))
		return unsupported(f, "access.rtcp", "browsers always have RTCP");
	if (in->ice_mode == IQ_V(ICE_MODE__ICE_FULL) && !def->ice_full)
		return unsupported(f, "access.ice_mode", "this gateway is ICE-lite");
	return GW_OK;
}

static enum gw_err access_realm(struct agw_ctx_patch *out, const IqAccessTermination *in,
				const struct agw_iq_defaults *def, struct iq_fault *f)
{
	const struct agw_realm_cfg *realm = NULL;
	unsigned bits = 0;
	enum gw_err err =
	    realm_from(out->p.access.realm, in->realm, "access.realm", def, &realm, f);

	if (err != GW_OK)
		return err;
	for (size_t i = 0; i < in->n_families; i++)
		bits |=
		    in->families[i] == IQ_V(ADDRESS_FAMILY__IPV6)   ? AGW_FAMILY_BIT(AGW_FAMILY_V6)
		    : in->families[i] == IQ_V(ADDRESS_FAMILY__IPV4) ? AGW_FAMILY_BIT(AGW_FAMILY_V4)
								    : 0;
	if (bits == 0)
		bits = realm_families(realm);
	if ((bits & ~realm_families(realm)) != 0) {
		iq_fault_set(f, IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE), "access.families",
			     "realm \"%s\" lacks that family", realm->name);
		return GW_ERR_UNSUPPORTED;
	}
	out->p.access.families = bits;
	return GW_OK;
}

/* Offered and not answered yet: both ports are there, and the answer says which way (BUN-17). */
static void access_rtcp(struct agw_ctx_patch *out, const IqAccessTermination *in, bool reserve)
{
	bool offered = in->rtcp == IQ_V(RTCP_MODE__RTCP_MUX_OFFERED);

	if (in->rtcp == IQ_V(RTCP_MODE__RTCP_UNSPECIFIED) || (offered && !reserve))
		return;
	out->set |= AGW_SET_ACCESS_RTCP;
	out->p.access.rtcp_separate = offered || in->rtcp == IQ_V(RTCP_MODE__RTCP_SEPARATE);
}

static enum gw_err access_from(struct agw_ctx_patch *out, const IqAccessTermination *in,
			       const struct agw_iq_defaults *def, bool reserve, struct iq_fault *f)
{
	struct agw_access_params *a = &out->p.access;
	enum gw_err err;

	if (in == NULL)
		return GW_OK;
	out->p.access.ice_full = def->ice_full && in->ice_mode != IQ_V(ICE_MODE__ICE_LITE);
	err = access_modes(in, def, f);
	if (err == GW_OK && reserve)
		err = access_realm(out, in, def, f);
	if (err == GW_OK)
		err = dtls_from(out, in->dtls, f);
	if (err != GW_OK)
		return err;
	agw_iq_ice_from(out, in->ice);
	profiles_from(out, in);
	access_rtcp(out, in, reserve);
	if (in->n_payload_types > 0) {
		out->set |= AGW_SET_ACCESS_PTS | AGW_SET_ACCESS_FB;
		a->pts = pts_from(in->payload_types, in->n_payload_types);
		out->p.clock_hz = in->payload_types[0]->clock_rate;
		a->rtcp_allow = feedback_from(in->feedback, in->n_feedback);
		a->exts = exts_from(in->header_extensions, in->n_header_extensions);
	}
	if (in->dscp != 0 || reserve) {
		out->set |= AGW_SET_ACCESS_DSCP;
		a->dscp = dscp_from(in->dscp, out->p.media, def);
	}
	return GW_OK;
}

/* ---- core ------------------------------------------------------------------------------------ */

static enum gw_err core_realm(struct agw_ctx_patch *out, const IqCoreTermination *in,
			      const struct agw_iq_defaults *def, struct iq_fault *f)
{
	const struct agw_realm_cfg *realm = NULL;
	enum gw_err err = realm_from(out->p.core.realm, in->realm, "core.realm", def, &realm, f);

	if (err != GW_OK)
		return err;
	if (in->family == IQ_V(ADDRESS_FAMILY__FAMILY_UNSPECIFIED))
		out->p.core.family =
		    agw_realm_has(realm, AGW_FAMILY_V4) ? AGW_FAMILY_V4 : AGW_FAMILY_V6;
	else
		out->p.core.family =
		    in->family == IQ_V(ADDRESS_FAMILY__IPV6) ? AGW_FAMILY_V6 : AGW_FAMILY_V4;
	if (!agw_realm_has(realm, out->p.core.family)) {
		iq_fault_set(f, IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE), "core.family",
			     "realm \"%s\" lacks that family", realm->name);
		return GW_ERR_UNSUPPORTED;
	}
	return GW_OK;
}

static enum gw_err remotes_from(struct agw_ctx_patch *out, const IqCoreTermination *in,
				struct iq_fault *f)
{
	if (in->n_remotes > AGW_BRANCH_MAX)
		return invalid(f, "core.remotes", "too many early dialogs");
	for (size_t i = 0; i < in->n_remotes; i++) {
		struct agw_ctx_remote *r = &out->remotes[i];
		const IqCoreRemote *from = in->remotes[i];
		enum gw_err err;

		if (strlen(from->branch) >= sizeof(r->branch))
			return invalid(f, "core.remotes", "branch name too long");
		snprintf(r->branch, sizeof(r->branch), "%s", from->branch);
		r->active = from->active;
		r->drop = from->drop;
		err = address_from(&r->rtp, from->rtp, "core.remotes.rtp", f);
		if (err == GW_OK)
			err = address_from(&r->rtcp, from->rtcp, "core.remotes.rtcp", f);
		if (err != GW_OK)
			return err;
	}
	out->n_remotes = (unsigned)in->n_remotes;
	return GW_OK;
}

/* RTCP: the mode, and none at all when b=RS and b=RR are both 0 (RTCP-11). */
static void core_rtcp(struct agw_ctx_patch *out, const IqCoreTermination *in)
{
	bool off = in->has_rs_rr && in->rs_bps == 0 && in->rr_bps == 0;

	if (in->rtcp == IQ_V(RTCP_MODE__RTCP_UNSPECIFIED) && !off)
		return;
	out->set |= AGW_SET_CORE_RTCP;
	out->p.core.rtcp = off || in->rtcp == IQ_V(RTCP_MODE__RTCP_OFF) ? AGW_CORE_RTCP_OFF
			   : in->rtcp == IQ_V(RTCP_MODE__RTCP_MUX)      ? AGW_CORE_RTCP_MUX
									: AGW_CORE_RTCP_SEPARATE;
}

static void core_rules(struct agw_ctx_patch *out, const IqCoreTermination *in)
{
	struct agw_core_params *c = &out->p.core;

	if (in->filter != IQ_V(SOURCE_FILTER__FILTER_UNSPECIFIED)) {
		out->set |= AGW_SET_FILTER;
		c->filter = in->filter == IQ_V(SOURCE_FILTER__FILTER_ANY) ? AGW_FILTER_ANY
			    : in->filter == IQ_V(SOURCE_FILTER__FILTER_ADDR_PORT)
				? AGW_FILTER_ADDR_PORT
				: AGW_FILTER_ADDR;
	}
	if (in->latch != IQ_V(LATCH_MODE__LATCH_UNSPECIFIED)) {
		out->set |= AGW_SET_LATCH;
		c->latch =
		    in->latch == IQ_V(LATCH_MODE__LATCH_ONCE) ? AGW_LATCH_ONCE : AGW_LATCH_OFF;
	}
	if (in->n_payload_types > 0) {
		out->set |= AGW_SET_CORE_PTS;
		c->pts = pts_from(in->payload_types, in->n_payload_types);
		c->exts = exts_from(in->header_extensions, in->n_header_extensions);
	}
	if (in->transport != IQ_V(CORE_TRANSPORT__CORE_TRANSPORT_UNSPECIFIED)) {
		out->set |= AGW_SET_CORE_FB; /* an RTP/AVP core gets no feedback (RTCP-20) */
		c->rtcp_allow = in->transport == IQ_V(CORE_TRANSPORT__RTP_AVPF)
				    ? feedback_from(in->feedback, in->n_feedback)
				    : 0;
	}
}

static enum gw_err core_from(struct agw_ctx_patch *out, const IqCoreTermination *in,
			     const struct agw_iq_defaults *def, bool reserve, struct iq_fault *f)
{
	enum gw_err err = GW_OK;

	if (in == NULL)
		return GW_OK;
	if (in->rtcp == IQ_V(RTCP_MODE__RTCP_MUX_OFFERED))
		return unsupported(f, "core.rtcp", "offered mux is not served on core");
	if (reserve)
		err = core_realm(out, in, def, f);
	if (err == GW_OK)
		err = remotes_from(out, in, f);
	if (err != GW_OK)
		return err;
	core_rtcp(out, in);
	core_rules(out, in);
	if (in->dscp != 0 || reserve) {
		out->set |= AGW_SET_CORE_DSCP;
		out->p.core.dscp = dscp_from(in->dscp, out->p.media, def);
	}
	return GW_OK;
}

/* ---- the stream ------------------------------------------------------------------------------ */

/* FNV-1a over the packed request: tells a resent Reserve from another one with the same ids. */
static enum gw_err request_hash(uint64_t *out, const IqStreamRequest *in)
{
	size_t n = wicgate__iq__v1__stream_request__get_packed_size(in);
	uint8_t *buf = malloc(n + 1);
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	if (buf == NULL)
		return GW_ERR_NOMEM;
	wicgate__iq__v1__stream_request__pack(in, buf);
	for (size_t i = 0; i < n; i++)
		h = (h ^ buf[i]) * UINT64_C(0x100000001b3);
	explicit_bzero(buf, n);
	free(buf);
	*out = h;
	return GW_OK;
}

static enum gw_err kind_from(struct agw_ctx_patch *out, const IqStreamRequest *in,
			     struct iq_fault *f)
{
	if (in->kind == IQ_V(MEDIA_KIND__APPLICATION))
		return unsupported(f, "kind", "data channels are not served");
	out->p.media = in->kind == IQ_V(MEDIA_KIND__AUDIO)   ? AGW_MEDIA_AUDIO
		       : in->kind == IQ_V(MEDIA_KIND__VIDEO) ? AGW_MEDIA_VIDEO
							     : AGW_MEDIA_OTHER;
	return GW_OK;
}

static void rules_from(struct agw_ctx_patch *out, const IqStreamRequest *in)
{
	const IqPolicing *p = in->policing;

	out->p.ssrc_rewrite = in->ssrc_mode == IQ_V(SSRC_MODE__SSRC_REWRITE);
	out->set |=
	    (in->ssrc_mode != 0 ? AGW_SET_SSRC_MODE : 0U) | (p != NULL ? AGW_SET_RATES : 0U);
	if (p == NULL)
		return;
	out->p.rate_up = (struct agw_rate){p->bits_per_second, p->burst_octets};
	out->p.rate_down = (struct agw_rate){p->downlink_bits_per_second, p->downlink_burst_octets};
}

enum gw_err agw_iq_patch_from(struct agw_ctx_patch *out, const IqStreamRequest *in,
			      const struct agw_iq_defaults *def, bool reserve, struct iq_fault *f)
{
	uint32_t inactivity = in->inactivity_ms != 0 ? in->inactivity_ms : def->inactivity_ms;
	enum gw_err err;

	memset(out, 0, sizeof(*out));
	agw_stream_params_init(&out->p, in->stream_id);
	err = kind_from(out, in, f);
	if (err == GW_OK)
		err = access_from(out, in->access, def, reserve, f);
	if (err == GW_OK)
		err = core_from(out, in->core, def, reserve, f);
	if (err != GW_OK)
		return err;
	if (in->gate != NULL) {
		out->set |= AGW_SET_GATE;
		out->p.gate_up = in->gate->uplink;
		out->p.gate_down = in->gate->downlink;
	}
	rules_from(out, in);
	out->ask_picture = in->ask_picture;
	out->set |= AGW_SET_INACTIVITY;
	out->p.access.inactivity_ms = in->inactivity_off ? 0 : inactivity;
	out->p.core.inactivity_ms = out->p.access.inactivity_ms;
	snprintf(out->label, sizeof(out->label), "%s", in->label);
	err = request_hash(&out->request_hash, in);
	if (err != GW_OK)
		iq_fault_set(f, IQ_V(ERROR_CODE__OVERLOADED), NULL, "out of memory");
	return err;
}

enum gw_err agw_iq_patches_from(struct agw_ctx_patch **out, IqStreamRequest *const *in, size_t n,
				const struct agw_iq_defaults *def, bool reserve, struct iq_fault *f)
{
	struct agw_ctx_patch *patches;

	*out = NULL;
	if (n == 0)
		return GW_OK;
	patches = calloc(n, sizeof(*patches));
	if (patches == NULL) {
		iq_fault_set(f, IQ_V(ERROR_CODE__OVERLOADED), NULL, "out of memory");
		return GW_ERR_NOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		enum gw_err err = agw_iq_patch_from(&patches[i], in[i], def, reserve, f);

		if (err != GW_OK) {
			fault_at(f, i);
			free(patches);
			return err;
		}
	}
	*out = patches;
	return GW_OK;
}
