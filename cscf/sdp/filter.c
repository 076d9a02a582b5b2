/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator lets pass: codecs by name, kinds and number of lines, bandwidth, attributes
 * that nobody here knows. One rule for both legs, so that the two never hear different things.
 * Spec: TS 24.229 6.2, 5.2.7; SDP-17, 21, 23, 24. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

/* What belongs to one leg alone and must never cross, whatever sdp.unknown_attributes says. */
static const char *const one_leg[] = {
    /* ICE, DTLS, keys, BUNDLE: the WIC's leg, or nobody's */
    "candidate", "remote-candidates", "end-of-candidates", "ice-ufrag", "ice-pwd", "ice-options",
    "ice-lite", "ice-mismatch", "ice-pacing", "fingerprint", "setup", "connection", "tls-id",
    "dtls-id", "crypto", "key-mgmt", "3ge2ae", "group", "mid", "bundle-only", "identity",
    "zrtp-hash",
    /* streams inside a line, and header extensions, which the AGW takes off */
    "ssrc", "ssrc-group", "msid", "msid-semantic", "rid", "simulcast", "extmap",
    "extmap-allow-mixed",
    /* written by us, per leg */
    "rtcp", "rtcp-mux", "rtcp-mux-only", "rtcp-rsize", "rtcp-fb", "rtpmap", "fmtp", "sendrecv",
    "sendonly", "recvonly", "inactive", "rtcp-xr", "ecn-capable-rtp", "source-filter",
    /* preconditions and capability negotiation name transports of one leg */
    "curr", "des", "conf", "tcap", "acap", "pcfg", "acfg", "csup", "creq", "ccap", "altc",
    /* between networks, or between a UE and its access (SDP-18) */
    "visited-realm", "secondary-realm", "anbr", "bw-info", "3gpp_mtsi_app_adapt",
    /* data channels and message sessions */
    "sctp-port", "sctpmap", "max-message-size", "dcmap", "dcsa", "path", "msrp-cema"};

/* Lossless repair of one leg's own losses: the gateway ends it (RTCP-20). */
static bool is_repair(const char *name)
{
	return strcasecmp(name, "rtx") == 0 || strcasecmp(name, "ulpfec") == 0 ||
	       strncasecmp(name, "flexfec", strlen("flexfec")) == 0;
}

bool sdp_filter_listed(const struct gw_conf_list *list, const char *word)
{
	for (size_t i = 0; list != NULL && i < list->n; i++)
		if (strcasecmp(list->item[i], word) == 0)
			return true;
	return false;
}

static bool is_set(const struct gw_conf_list *list)
{
	return list != NULL && list->n > 0;
}

/* Not codecs, but what goes along with one. */
static bool goes_along(const char *name)
{
	return strcasecmp(name, "telephone-event") == 0 || strcasecmp(name, "CN") == 0;
}

bool sdp_filter_format(const struct cscf_sdp_fmt *f, enum cscf_sdp_media media,
		       const struct cscf_sdp_policy *policy)
{
	bool red = strcasecmp(f->name, "red") == 0;

	if (is_repair(f->name))
		return false;
	/* the gateway repairs no video; audio red is denied unless the operator's list lacks it */
	if (red && (media != CSCF_SDP_AUDIO || !is_set(policy->codec_deny)))
		return false;
	if (sdp_filter_listed(policy->codec_deny, f->name))
		return false;
	return !is_set(policy->codec_allow) || goes_along(f->name) ||
	       sdp_filter_listed(policy->codec_allow, f->name);
}

/* "red/48000/2" with fmtp "111/111": of no use without 111. */
static bool base_is_there(const struct sdp_fmts *f, unsigned pt, const struct sdp *sdp,
			  const struct sdp_sect *sect)
{
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];
		struct gw_slice token;
		size_t cursor = 0, end = 0;
		uint64_t base;

		if (!gw_slice_eq_str(a->name, "fmtp") || sdp_attr_pt(a) != (int)pt ||
		    !sdp_token_next(a->value, &cursor, &token) ||
		    !sdp_token_next(a->value, &cursor, &token))
			continue;
		while (end < token.n && token.p[end] != '/')
			end++;
		return sdp_number((struct gw_slice){token.p, end}, 127, &base) &&
		       sdp_fmts_find(f, (unsigned)base) != NULL;
	}
	return true; /* nothing said: the receiver judges it */
}

void sdp_filter_orphans(struct sdp_fmts *f, const struct sdp *sdp, const struct sdp_sect *sect)
{
	for (size_t i = 0; i < f->n;) {
		if (strcasecmp(f->v[i].name, "red") != 0 ||
		    base_is_there(f, f->v[i].pt, sdp, sect)) {
			i++;
			continue;
		}
		memmove(&f->v[i], &f->v[i + 1], (f->n - i - 1) * sizeof(*f->v));
		f->n--;
	}
}

bool sdp_filter_browser_can(const struct sdp_fmts *f, enum cscf_sdp_media media)
{
	/* RFC 7874 s3 and what all of them add; RFC 7742 s5 and the same */
	static const char *const audio[] = {"opus", "PCMU", "PCMA", "G722", NULL};
	static const char *const video[] = {"VP8", "H264", "VP9", "AV1", "H265", NULL};
	const char *const *known = media == CSCF_SDP_VIDEO ? video : audio;

	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; known[k] != NULL; k++)
			if (strcasecmp(f->v[i].name, known[k]) == 0)
				return true;
	return false;
}

enum cscf_sdp_verdict sdp_filter_line(const struct sdp *sdp, const struct sdp_sect *sect,
				      const struct cscf_sdp_policy *policy)
{
	char media[16];
	int64_t kbps = sect->b_as_kbps >= 0 ? sect->b_as_kbps : sdp->session.b_as_kbps;
	int64_t most = 0;

	if (!sdp_copy(media, sizeof(media), sect->media) ||
	    (is_set(policy->media_types) && !sdp_filter_listed(policy->media_types, media)))
		return CSCF_SDP_NO_MEDIA;
	if (sdp_media_kind(sect) == CSCF_SDP_AUDIO)
		most = policy->max_audio_kbps;
	else if (sdp_media_kind(sect) == CSCF_SDP_VIDEO)
		most = policy->max_video_kbps;
	return most > 0 && kbps > most ? CSCF_SDP_BANDWIDTH : CSCF_SDP_OK;
}

/* Lines that run already are counted first: a re-offer never costs one of them its place. */
void sdp_filter_count(struct sdp_state *w, const struct cscf_sdp_policy *policy)
{
	int64_t n = 0;

	if (policy->max_streams <= 0)
		return;
	for (size_t i = 0; i < w->n; i++)
		n += w->v[i]->pub.live && !w->v[i]->pub.is_new;
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i]->pub.live && w->v[i]->pub.is_new && ++n > policy->max_streams)
			sdp_stream_refuse(w->v[i], CSCF_SDP_TOO_MANY);
}

/* An address of one leg has no business on the other, whoever wrote it there (SDP-01, SDP-02). */
static bool names_an_address(struct gw_slice value)
{
	char text[CSCF_SDP_ADDR_LEN];
	size_t from = 0;
	bool v6;

	for (size_t i = 0; i <= value.n; i++) {
		if (i < value.n && strchr(" \t=;,/[]\"@", value.p[i]) == NULL)
			continue;
		if (i - from >= 2 &&
		    sdp_literal((struct gw_slice){value.p + from, i - from}, text, &v6))
			return true;
		from = i + 1;
	}
	return false;
}

bool sdp_filter_unknown(const struct sdp_attr *a, const struct cscf_sdp_policy *policy)
{
	struct gw_slice name = a->name;

	if (!policy->pass_unknown ||
	    (name.n >= 4 && (strncasecmp(name.p, "tra-", 4) == 0 || /* SDP-45 */
			     strncasecmp(name.p, "omr-", 4) == 0)))
		return false;
	for (size_t i = 0; i < sizeof(one_leg) / sizeof(one_leg[0]); i++)
		if (gw_slice_ieq_str(name, one_leg[i]))
			return false;
	return !names_an_address(a->value);
}
