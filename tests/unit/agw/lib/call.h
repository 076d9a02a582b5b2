/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call on a worker's bench: how it comes up, and plain RTP of the core's side.
 */
#ifndef TESTS_UNIT_AGW_LIB_CALL_H
#define TESTS_UNIT_AGW_LIB_CALL_H

#include "tests/unit/agw/lib/worker_bench.h"

/* Reserved, and the WIC knows where. */
static inline void begin_with(struct bench *b, bool wic_active, const char *profile)
{
	wic_open(&b->wic, "127.0.0.1", wic_active, profile);
	reserve(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
}

static inline void begin(struct bench *b, bool wic_active)
{
	begin_with(b, wic_active, "SRTP_AES128_CM_SHA1_80");
}

/* Both ends know each other, and have keys. */
static inline void connect_with(struct bench *b, const char *profile)
{
	begin_with(b, true, profile);
	bring_up(b);
}

static inline void connect_call(struct bench *b)
{
	connect_with(b, "SRTP_AES128_CM_SHA1_80");
}

static inline size_t rtp(uint8_t *buf, uint8_t pt, uint16_t seq, uint32_t ssrc)
{
	static const uint8_t payload[] = "payload of a test packet";

	return wic_make_rtp(buf, pt, seq, ssrc, payload, sizeof(payload));
}

/* From that socket of the core's. */
static inline void core_sends(struct bench *b, int fd, const uint8_t *pkt, size_t n)
{
	assert_true(agw_udp_send(fd, &b->local.core_rtp, pkt, n));
}

static inline int other_socket(const char *ip, struct gw_addr *addr)
{
	int fd;

	assert_int_equal(gw_addr_parse_ip(addr, ip, 0), GW_OK);
	assert_int_equal(agw_udp_open(&fd, addr), GW_OK);
	assert_int_equal(agw_udp_local(fd, addr), GW_OK);
	return fd;
}

#endif
