/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaults, checks and names of what the control thread says about streams.
 */
#include "agw/relay/stream_params.h"

#include <string.h>

static const char *const event_names[AGW_EV_COUNT] = {
    [AGW_EV_ICE_CONNECTED] = "ice-connected",   [AGW_EV_ICE_FAILED] = "ice-failed",
    [AGW_EV_PAIR_CHANGED] = "ice-pair-changed", [AGW_EV_DTLS_ESTABLISHED] = "dtls-established",
    [AGW_EV_DTLS_FAILED] = "dtls-failed",       [AGW_EV_DTLS_CLOSED] = "dtls-closed",
    [AGW_EV_CONSENT_LOST] = "consent-lost",     [AGW_EV_CONSENT_RESTORED] = "consent-restored",
    [AGW_EV_MEDIA_INACTIVE] = "media-inactive", [AGW_EV_MEDIA_ACTIVE] = "media-active",
    [AGW_EV_CORE_LATCHED] = "core-latched",     [AGW_EV_SSRC_CHANGED] = "ssrc-changed",
    [AGW_EV_PT_UNKNOWN] = "pt-unknown",         [AGW_EV_POLICED] = "policed",
    [AGW_EV_NEW_PRFLX] = "ice-new-prflx",       [AGW_EV_KEY_LIMIT] = "srtp-key-limit",
    [AGW_EV_PICTURE_ASKED] = "picture-asked",   [AGW_EV_GATHERED] = "ice-gathered",
};

static const char *const drop_names[AGW_DROP_COUNT] = {
#define X(name, word) [AGW_DROP_##name] = (word),
    AGW_DROP_LIST(X)
#undef X
};

const char *agw_event_name(enum agw_event ev)
{
	return (unsigned)ev < AGW_EV_COUNT ? event_names[ev] : "unknown";
}

const char *agw_drop_name(enum agw_drop d)
{
	return (unsigned)d < AGW_DROP_COUNT ? drop_names[d] : "unknown";
}

void agw_stream_params_init(struct agw_stream_params *p, uint32_t id)
{
	memset(p, 0, sizeof(*p));
	p->id = id;
	p->rtcp_gate_up = true;
	p->rtcp_gate_down = true;
	p->access.families = AGW_FAMILY_BIT(AGW_FAMILY_V4);
	p->access.dscp = -1;
	p->core.dscp = -1;
	p->core.active = -1;
}

static bool terminated(const char *s, size_t n)
{
	return memchr(s, '\0', n) != NULL;
}

static bool dscp_ok(int dscp)
{
	return dscp >= -1 && dscp <= 63;
}

static const char *bad_access(const struct agw_access_params *a)
{
	if (!terminated(a->realm, sizeof(a->realm)))
		return "access.realm";
	if (!terminated(a->remote_ufrag, sizeof(a->remote_ufrag)) ||
	    !terminated(a->remote_pwd, sizeof(a->remote_pwd)))
		return "access.ice.credentials";
	/* RFC 8839 s5.4: at least 4 and 22 characters. */
	if (a->remote_ufrag[0] != '\0' && strlen(a->remote_ufrag) < 4)
		return "access.ice.credentials.ufrag";
	if (a->remote_pwd[0] != '\0' && strlen(a->remote_pwd) < 22)
		return "access.ice.credentials.pwd";
	if (a->peer.n_cands > AGW_ICE_REMOTE_MAX)
		return "access.ice.candidates";
	if (a->n_fps > AGW_FP_MAX)
		return "access.dtls.fingerprints";
	for (unsigned i = 0; i < a->n_fps; i++) {
		if (a->fps[i].hash >= AGW_HASH_COUNT || a->fps[i].len == 0 ||
		    a->fps[i].len > AGW_FP_OCTETS_MAX)
			return "access.dtls.fingerprints";
	}
	for (unsigned i = 0; i < AGW_SRTP_PROFILE_MAX && a->profiles[i] != AGW_SRTP_NONE; i++) {
		if (agw_srtp_key_len(a->profiles[i]) == 0)
			return "access.srtp_profiles";
	}
	return dscp_ok(a->dscp) ? NULL : "access.dscp";
}

static const char *bad_core(const struct agw_core_params *c)
{
	bool v6 = c->family == AGW_FAMILY_V6;

	if (!terminated(c->realm, sizeof(c->realm)))
		return "core.realm";
	if (c->active < -1 || c->active >= AGW_BRANCH_MAX ||
	    (c->active >= 0 && c->branches[c->active].rtp.len == 0))
		return "core.remotes";
	for (unsigned i = 0; i < AGW_BRANCH_MAX; i++) {
		const struct agw_core_branch *b = &c->branches[i];

		if (b->rtp.len == 0)
			continue;
		if (gw_addr_is_v6(&b->rtp) != v6 || gw_addr_port(&b->rtp) == 0)
			return "core.remotes.rtp";
		if (b->rtcp.len != 0 &&
		    (gw_addr_is_v6(&b->rtcp) != v6 || gw_addr_port(&b->rtcp) == 0))
			return "core.remotes.rtcp";
	}
	return dscp_ok(c->dscp) ? NULL : "core.dscp";
}

const char *agw_stream_params_bad(const struct agw_stream_params *p)
{
	const char *bad = bad_access(&p->access);

	return bad != NULL ? bad : bad_core(&p->core);
}

static bool same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	return a->len == 0 || b->len == 0 ? a->len == b->len : gw_addr_eq(a, b);
}

bool agw_core_same_remotes(const struct agw_core_params *a, const struct agw_core_params *b)
{
	if (a->active != b->active || a->filter != b->filter || a->rtcp != b->rtcp)
		return false;
	for (unsigned i = 0; i < AGW_BRANCH_MAX; i++) {
		if (!same_addr(&a->branches[i].rtp, &b->branches[i].rtp) ||
		    !same_addr(&a->branches[i].rtcp, &b->branches[i].rtcp))
			return false;
	}
	return true;
}
