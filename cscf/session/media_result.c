/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the AGW gave, an Iq StreamResult each, into the SDP session: addresses, candidates, ICE
 * credentials, fingerprints. The way there is media_params.c.
 * Thread: the cscf loop. Spec: calls-and-media 5.3; IQ-03.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static bool fp_parse(struct cscf_sdp_fp *out, const IqFingerprint *f)
{
	const char *s = f->value;

	snprintf(out->hash, sizeof(out->hash), "%s", f->hash);
	for (out->len = 0; out->len < sizeof(out->value); s += 3) {
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
			return false;
		out->value[out->len++] = (uint8_t)strtoul((const char[]){s[0], s[1], 0}, NULL, 16);
		if (s[2] != ':')
			return s[2] == '\0';
	}
	return false;
}

static const char *cand_word(Wicgate__Iq__V1__Candidate__Type type)
{
	switch ((int)type) { /* a wire value: has a default */
	case IQ_V(CANDIDATE__TYPE__SRFLX):
		return "srflx";
	case IQ_V(CANDIDATE__TYPE__PRFLX):
		return "prflx";
	case IQ_V(CANDIDATE__TYPE__RELAY):
		return "relay";
	default:
		return "host";
	}
}

static bool take_access(struct cscf_sdp_access_local *out, const IqAccessLocal *a, bool info)
{
	*out = (struct cscf_sdp_access_local){0};
	if (a->n_candidates == 0 || a->credentials == NULL || a->n_fingerprints == 0)
		return false;
	out->ice_full = !a->lite;
	for (size_t i = 0; i < a->n_serves; i++)
		if (a->serves[i] == IQ_V(FEEDBACK__NACK))
			out->serves_fb |= CSCF_SDP_FB_NACK;
	if (info) /* by picture.c */
		out->serves_fb |= CSCF_SDP_FB_PLI;
	snprintf(out->ufrag, sizeof(out->ufrag), "%s", a->credentials->ufrag);
	snprintf(out->pwd, sizeof(out->pwd), "%s", a->credentials->pwd);
	snprintf(out->tls_id, sizeof(out->tls_id), "%s", a->tls_id);
	for (size_t i = 0; i < a->n_candidates && out->n_cands < CSCF_SDP_MAX_CAND; i++) {
		const IqCandidate *c = a->candidates[i];
		struct cscf_sdp_cand *o = &out->cands[out->n_cands];

		if (c->address == NULL || (c->tcp && out->n_cands == 0))
			continue; /* the first is the default one: UDP (ICE-26) */
		snprintf(o->foundation, sizeof(o->foundation), "%s", c->foundation);
		snprintf(o->type, sizeof(o->type), "%s", cand_word(c->type));
		snprintf(o->addr, sizeof(o->addr), "%s", c->address->ip);
		o->port = (uint16_t)c->address->port;
		o->component = (uint16_t)c->component;
		o->priority = c->priority;
		o->tcp = c->tcp;
		out->n_cands++;
		if (o->component == 2 && !o->tcp)
			out->rtcp_port = o->port;
	}
	if (out->n_cands == 0)
		return false;
	snprintf(out->addr, sizeof(out->addr), "%s", out->cands[0].addr);
	out->port = out->cands[0].port;
	for (size_t i = 0; i < a->n_fingerprints && out->n_fps < CSCF_SDP_MAX_FP; i++)
		if (!fp_parse(&out->fps[out->n_fps++], a->fingerprints[i]))
			return false;
	return true;
}

static bool take_core(struct cscf_sdp_core_local *out, const IqCoreLocal *l)
{
	*out = (struct cscf_sdp_core_local){0};
	if (l->rtp == NULL)
		return false;
	snprintf(out->addr, sizeof(out->addr), "%s", l->rtp->ip);
	out->port = (uint16_t)l->rtp->port;
	out->rtcp_port = l->rtcp != NULL ? (uint16_t)l->rtcp->port : 0;
	return true;
}

static enum gw_err take_stream(struct call *c, size_t i, const IqStreamResult *r)
{
	struct cscf_sdp_access_local access;
	struct cscf_sdp_core_local core;
	const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);
	enum gw_err err;

	if (!st->has_local && (r->access == NULL || r->core == NULL))
		return GW_ERR_PROTO;
	if ((r->access != NULL && !take_access(&access, r->access, c->s->cfg->avp_pli_info)) ||
	    (r->core != NULL && !take_core(&core, r->core)))
		return GW_ERR_PROTO;
	if (r->access == NULL && r->core == NULL)
		return GW_OK;
	if (!cscf_sdp_round_open(c->media.sdp) && r->access != NULL && r->core != NULL)
		err = cscf_sdp_move_local(c->media.sdp, i, &access, &core);
	else
		err = cscf_sdp_set_local(c->media.sdp, i, r->access != NULL ? &access : NULL,
					 r->core != NULL ? &core : NULL);
	explicit_bzero(access.pwd, sizeof(access.pwd));
	return err;
}

enum gw_err media_params_take(struct call *c, IqStreamResult *const *results, size_t n)
{
	enum gw_err err = GW_OK;

	for (size_t k = 0; k < n && err == GW_OK; k++) {
		size_t total = cscf_sdp_stream_count(c->media.sdp), i = 0;

		while (i < total &&
		       cscf_sdp_stream(c->media.sdp, i)->stream_id != results[k]->stream_id)
			i++;
		err = i < total ? take_stream(c, i, results[k]) : GW_ERR_PROTO;
	}
	return err;
}
