/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capability negotiation in the core's offers, as far as VoLTE terminals use it: RTP/AVP in the
 * m-line, RTP/AVPF as a potential configuration. It is taken when the operator wants AVPF for that
 * media; any other configuration is passed over, and so is all of it when the offer requires an
 * extension.
 * Spec: RFC 5939 s3; TS 26.114 §6.2.3; SDP-34. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

#include <stdio.h>

/* "1 RTP/AVPF RTP/SAVP": number of RTP/AVPF, 0 when it is not there */
static unsigned avpf_in(struct gw_slice value)
{
	struct gw_slice token;
	size_t cursor = 0;
	uint64_t n;

	if (!sdp_token_next(value, &cursor, &token) || !sdp_number(token, 1U << 20, &n) || n == 0)
		return 0;
	for (; sdp_token_next(value, &cursor, &token); n++)
		if (gw_slice_eq_str(token, "RTP/AVPF"))
			return (unsigned)n;
	return 0;
}

static unsigned transport_number(const struct sdp *sdp, const struct sdp_sect *sect)
{
	unsigned n = 0;

	for (size_t i = 0; i < sect->n_attrs && n == 0; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];

		if (gw_slice_eq_str(a->name, "tcap"))
			n = avpf_in(a->value);
	}
	return n;
}

/* "t=1|2" */
static bool names_transport(struct gw_slice token, unsigned want)
{
	size_t from = 2;
	uint64_t n;

	if (!gw_slice_starts(token, "t="))
		return false;
	for (size_t i = from; i <= token.n; i++) {
		if (i < token.n && token.p[i] != '|')
			continue;
		if (sdp_number((struct gw_slice){token.p + from, i - from}, 1U << 20, &n) &&
		    n == want)
			return true;
		from = i + 1;
	}
	return false;
}

/* "1 t=1", with nothing else that would have to be done. @return its number, 0 when not of use */
static unsigned usable(struct gw_slice value, unsigned transport)
{
	struct gw_slice token;
	size_t cursor = 0;
	uint64_t n;

	if (!sdp_token_next(value, &cursor, &token) || !sdp_number(token, 1U << 20, &n))
		return 0;
	if (!sdp_token_next(value, &cursor, &token) || !names_transport(token, transport))
		return 0;
	return sdp_token_next(value, &cursor, &token) ? 0 : (unsigned)n;
}

bool sdp_capneg_avpf(const struct sdp *sdp, const struct sdp_sect *sect, char *acfg, size_t size)
{
	unsigned transport = transport_number(sdp, sect), best = 0;

	acfg[0] = '\0';
	if (transport == 0)
		transport = transport_number(sdp, &sdp->session);
	if (transport == 0 || sdp_attr_inherit(sdp, sect, "creq") != NULL)
		return false;
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];
		unsigned n = gw_slice_eq_str(a->name, "pcfg") ? usable(a->value, transport) : 0;

		if (n != 0 && (best == 0 || n < best)) /* the lowest is liked best */
			best = n;
	}
	if (best != 0)
		snprintf(acfg, size, "%u t=%u", best, transport);
	return best != 0;
}
