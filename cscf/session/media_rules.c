/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's rules for a stream's packets at the AGW: one SSRC towards the WIC or the core's
 * (rtp.ssrc_mode), policing by what was agreed (media.policing), marking (media.dscp.*).
 * Thread: the cscf loop. Spec: RTP-09, RTP-15, RTP-23; IQ-04.
 */
#include "cscf/session/session_int.h"

/* b=AS is an average with its headers: a third more passes, and a second of it at once. */
#define BPS_OF_KBPS 1300U

static void set_rate(uint64_t *bps, uint32_t *burst, uint32_t kbps)
{
	*bps = (uint64_t)kbps * BPS_OF_KBPS;
	*burst = (uint32_t)(*bps / 8 < UINT32_MAX ? *bps / 8 : UINT32_MAX);
}

void media_rules_fill(IqStreamRequest *req, IqPolicing *policing,
		      const struct cscf_session_config *cfg, const struct cscf_sdp_stream *st,
		      uint32_t told_core_kbps)
{
	bool access = st->media != CSCF_SDP_VIDEO || cfg->police_access_video;

	req->ssrc_mode =
	    cfg->ssrc_rewrite ? IQ_V(SSRC_MODE__SSRC_REWRITE) : IQ_V(SSRC_MODE__SSRC_PASSTHROUGH);
	if (!cfg->police)
		return;
	wicgate__iq__v1__policing__init(policing);
	req->policing = policing;
	/* each may send what the other said it wants to receive */
	if (access)
		set_rate(&policing->bits_per_second, &policing->burst_octets,
			 st->core_remote.b_as_kbps);
	set_rate(&policing->downlink_bits_per_second, &policing->downlink_burst_octets,
		 told_core_kbps);
}

int32_t media_rules_dscp(const struct cscf_session_config *cfg, const struct cscf_sdp_stream *st,
			 bool core)
{
	bool video = st->media == CSCF_SDP_VIDEO;
	int64_t dscp = video ? cfg->dscp_video : cfg->dscp_audio;

	if (core && (video ? cfg->dscp_core_video : cfg->dscp_core_audio) >= -1)
		dscp = video ? cfg->dscp_core_video : cfg->dscp_core_audio;
	return dscp == 0 ? -1 : (int32_t)dscp; /* 0 is no word for 0 there, and -1 leaves it at 0 */
}
