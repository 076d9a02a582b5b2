/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP compounds: whatever the check accepts, the filter must digest, and what it lets through
 * must pass the check again. First octet: way, negotiated feedback, whether SSRCs are mapped.
 */
#include "agw/relay/rtcp.h"
#include "agw/relay/stream_params.h"

#include <stdlib.h>
#include <string.h>

#define GROWTH 3 /* a PLI of 12 octets may become a FIR of 20; each sub-packet wants 8 spare */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct agw_ssrc_table ssrcs;
	struct agw_rtcp_filter f;
	uint8_t fir_seq = 0;
	uint32_t out_ssrc;
	uint8_t *out;
	size_t cap;
	size_t made;

	if (n < 1)
		return 0;
	memset(&ssrcs, 0, sizeof(ssrcs));
	if ((data[0] & 2) != 0) { /* an SSRC of 0x01010101 that was renewed */
		(void)agw_ssrc_rtp(&ssrcs, 0x01010101, 5000, 1, &out_ssrc);
		agw_ssrc_new_source(&ssrcs);
		(void)agw_ssrc_rtp(&ssrcs, 0x01010101, 1, 2, &out_ssrc);
	}
	f = (struct agw_rtcp_filter){.way = (data[0] & 1) != 0 ? AGW_RTCP_UP : AGW_RTCP_DOWN,
				     .allow = data[0] >> 2,
				     .ssrcs = &ssrcs,
				     .now_ms = 10000,
				     .fir_seq = &fir_seq};
	n--;
	data++;
	if (agw_rtcp_check(data, n, true) != GW_OK)
		return 0;
	cap = n * GROWTH + 8;
	out = malloc(cap);
	if (out == NULL)
		return 0;
	made = agw_rtcp_relay(&f, data, n, out, cap);
	if (made > cap || (made > 0 && agw_rtcp_check(out, made, true) != GW_OK))
		abort();
	free(out);
	return 0;
}
