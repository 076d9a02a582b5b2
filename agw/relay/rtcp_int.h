/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of RTCP packets, for the files of agw/relay that read and change them. */
#ifndef AGW_RELAY_RTCP_INT_H
#define AGW_RELAY_RTCP_INT_H

#include "agw/relay/rtp.h"

enum {
	PT_SR = 200,
	PT_RR = 201,
	PT_SDES = 202,
	PT_BYE = 203,
	PT_APP = 204,
	PT_RTPFB = 205,
	PT_PSFB = 206,
	PT_XR = 207
};
enum { FMT_NACK = 1, FMT_TMMBR = 3, FMT_TMMBN = 4, FMT_PLI = 1, FMT_FIR = 4 };

#define P_BIT        0x20
#define SENDER_INFO  20U
#define REPORT_BLOCK 24U
#define FB_HEADER    12U
#define FCI_ENTRY    8U /* of FIR, TMMBR and TMMBN */
#define NACK_ENTRY   4U

static inline unsigned rtcp_count(const uint8_t *p)
{
	return p[0] & 0x1f;
}

static inline void rtcp_put_len(uint8_t *p, size_t n)
{
	p[2] = (uint8_t)((n / 4 - 1) >> 8);
	p[3] = (uint8_t)(n / 4 - 1);
}

#endif
