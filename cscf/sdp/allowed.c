/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway would take from a WIC, as a description without ports (RFC 3264 s9): the body
 * of its own 488, so that a page can say more than "not acceptable".
 * The operator's codec.allow names the codecs; without it those that every browser has stand for
 * "all", since the gateway itself knows no list.
 * Spec: RFC 3261 s21.4.26, TS 24.229 6.2; SDP-23, SDP-24. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

struct known {
	enum cscf_sdp_media media;
	unsigned pt;
	const char *name, *rtpmap;
	bool usual; /* in every browser */
};

static const struct known knowns[] = {
    {CSCF_SDP_AUDIO, 111, "opus", "opus/48000/2", true},
    {CSCF_SDP_AUDIO, 9, "G722", "G722/8000", true},
    {CSCF_SDP_AUDIO, 0, "PCMU", "PCMU/8000", true},
    {CSCF_SDP_AUDIO, 8, "PCMA", "PCMA/8000", true},
    {CSCF_SDP_AUDIO, 104, "AMR-WB", "AMR-WB/16000", false},
    {CSCF_SDP_AUDIO, 105, "AMR", "AMR/8000", false},
    {CSCF_SDP_AUDIO, 106, "EVS", "EVS/16000", false},
    {CSCF_SDP_AUDIO, 18, "G729", "G729/8000", false},
    {CSCF_SDP_AUDIO, 101, "telephone-event", "telephone-event/8000", true},
    {CSCF_SDP_VIDEO, 96, "VP8", "VP8/90000", true},
    {CSCF_SDP_VIDEO, 97, "H264", "H264/90000", true},
    {CSCF_SDP_VIDEO, 98, "VP9", "VP9/90000", false},
    {CSCF_SDP_VIDEO, 99, "H265", "H265/90000", false},
    {CSCF_SDP_TEXT, 100, "t140", "t140/1000", true},
};
#define N_KNOWN (sizeof(knowns) / sizeof(knowns[0]))

static bool allowed(const struct known *k, const struct cscf_sdp_policy *policy)
{
	struct cscf_sdp_fmt f = {0};
	bool listed = policy->codec_allow != NULL && policy->codec_allow->n > 0;

	(void)sdp_copy(f.name, sizeof(f.name), gw_slice_str(k->name));
	return (listed || k->usual) && sdp_filter_format(&f, k->media, policy);
}

static void put_line(struct sdp_out *o, enum cscf_sdp_media media, const char *word,
		     const struct cscf_sdp_policy *policy)
{
	bool any = false;

	if (policy->media_types != NULL && policy->media_types->n > 0 &&
	    !sdp_filter_listed(policy->media_types, word))
		return;
	for (size_t i = 0; i < N_KNOWN; i++) {
		if (knowns[i].media != media || !allowed(&knowns[i], policy))
			continue;
		if (!any)
			sdp_out_put(o, "m=%s 0 UDP/TLS/RTP/SAVPF", word);
		any = true;
		sdp_out_put(o, " %u", knowns[i].pt);
	}
	if (!any)
		return;
	sdp_out_put(o, "\r\n");
	if (media == CSCF_SDP_AUDIO && policy->max_audio_kbps > 0)
		sdp_out_put(o, "b=AS:%lld\r\n", (long long)policy->max_audio_kbps);
	if (media == CSCF_SDP_VIDEO && policy->max_video_kbps > 0)
		sdp_out_put(o, "b=AS:%lld\r\n", (long long)policy->max_video_kbps);
	for (size_t i = 0; i < N_KNOWN; i++)
		if (knowns[i].media == media && allowed(&knowns[i], policy))
			sdp_out_put(o, "a=rtpmap:%u %s\r\n", knowns[i].pt, knowns[i].rtpmap);
}

char *cscf_sdp_allowed(const struct cscf_sdp_policy *policy)
{
	struct sdp_out o = {0};

	sdp_out_put(&o, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n");
	put_line(&o, CSCF_SDP_AUDIO, "audio", policy);
	put_line(&o, CSCF_SDP_VIDEO, "video", policy);
	put_line(&o, CSCF_SDP_TEXT, "text", policy);
	if (o.failed) {
		free(o.p);
		return NULL;
	}
	return o.p;
}
