/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One m-section of the core to typed parameters: profile, addresses, RTCP, hold, bandwidth.
 * ICE offered by the core is not answered (SDP-44), SDES not taken (SDP-46).
 * Spec: RFC 3264 s8.4, RFC 3605, RFC 3556, RFC 5761. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

static bool is_any(const char *addr)
{
	return strcmp(addr, "0.0.0.0") == 0 || strcmp(addr, "::") == 0;
}

/* "53020" or "53020 IN IP4 126.16.64.4" (RFC 3605); a malformed one is as if absent. */
static void read_rtcp_attr(struct cscf_sdp_core_remote *out, const struct sdp *sdp,
			   const struct sdp_sect *sect)
{
	const struct sdp_attr *a = sdp_attr(sdp, sect, "rtcp");
	struct gw_slice port, net, type, addr;
	size_t cursor = 0;
	uint64_t n;
	bool v6;

	if (a == NULL || !sdp_token_next(a->value, &cursor, &port) ||
	    !sdp_number(port, 65535, &n) || n == 0)
		return;
	out->rtcp_port = (uint16_t)n;
	if (sdp_token_next(a->value, &cursor, &net) && sdp_token_next(a->value, &cursor, &type) &&
	    sdp_token_next(a->value, &cursor, &addr)) {
		char text[CSCF_SDP_ADDR_LEN];

		if (sdp_literal(addr, text, &v6) && !is_any(text))
			memcpy(out->rtcp_addr, text, sizeof(text));
	}
}

static enum cscf_sdp_verdict read_addr(struct cscf_sdp_core_remote *out, const struct sdp *sdp,
				       const struct sdp_sect *sect)
{
	const struct sdp_sect *from = sect->has_conn ? sect : &sdp->session;
	bool v6;

	if (!from->has_conn)
		return CSCF_SDP_SYNTAX;
	if (!sdp_literal(from->addr, out->addr, &v6))
		return CSCF_SDP_ADDR_FAMILY; /* a host name: nothing to send media to */
	if (is_any(out->addr)) {
		out->on_hold_addr = true;
		out->addr[0] = '\0';
	}
	memcpy(out->rtcp_addr, out->addr, sizeof(out->addr));
	return CSCF_SDP_OK;
}

static int32_t bandwidth(int64_t media, int64_t session)
{
	return (int32_t)(media >= 0 ? media : session);
}

enum cscf_sdp_verdict sdp_core_read(struct cscf_sdp_core_remote *out, const struct sdp *sdp,
				    const struct sdp_sect *sect, bool may_mux)
{
	enum cscf_sdp_verdict v;
	int32_t b_as;

	memset(out, 0, sizeof(*out));
	if (sdp_media_kind(sect) == CSCF_SDP_OTHER)
		return CSCF_SDP_NO_MEDIA;
	if (gw_slice_eq_str(sect->proto, "RTP/AVPF"))
		out->avpf = true;
	else if (!gw_slice_eq_str(sect->proto, "RTP/AVP"))
		return CSCF_SDP_PROTO;
	if (sect->many_ports)
		return CSCF_SDP_PROTO;
	v = read_addr(out, sdp, sect);
	if (v != CSCF_SDP_OK)
		return v;
	out->port = sect->port;
	out->rtcp_port = sect->port < 65535 ? (uint16_t)(sect->port + 1) : 0;
	read_rtcp_attr(out, sdp, sect);
	b_as = bandwidth(sect->b_as_kbps, sdp->session.b_as_kbps);
	out->b_as_kbps = b_as > 0 ? (uint32_t)b_as : 0;
	out->b_rs_bps = bandwidth(sect->b_rs_bps, sdp->session.b_rs_bps);
	out->b_rr_bps = bandwidth(sect->b_rr_bps, sdp->session.b_rr_bps);
	out->dir = sdp_direction(sdp, sect);
	if (out->on_hold_addr) /* "do not send to me" (RFC 3264 s8.4) */
		out->dir = (enum cscf_sdp_dir)((unsigned)out->dir & CSCF_SDP_SENDONLY);
	out->rtcp_mode = CSCF_SDP_RTCP_SEPARATE;
	if (out->b_rs_bps == 0 && out->b_rr_bps == 0)
		out->rtcp_mode = CSCF_SDP_RTCP_OFF;
	else if (may_mux && sdp_attr(sdp, sect, "rtcp-mux") != NULL)
		out->rtcp_mode = CSCF_SDP_RTCP_MUX;
	if (out->rtcp_mode == CSCF_SDP_RTCP_MUX) {
		out->rtcp_port = out->port;
		memcpy(out->rtcp_addr, out->addr, sizeof(out->addr));
	}
	out->known = true;
	return CSCF_SDP_OK;
}
