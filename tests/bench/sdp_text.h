/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptions of both ends of a benchmarked call, and what each must find in the one it gets:
 * a WIC one m-line with ICE, a fingerprint and a candidate; the core one plain RTP m-line.
 */
#ifndef TESTS_BENCH_SDP_TEXT_H
#define TESTS_BENCH_SDP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** What the WIC's media goes to. */
struct bench_gate {
	char ip[64];
	unsigned port;
	char ufrag[64], pwd[128];
};

#define BENCH_WIC_PWD "W2kP9eIpy4nhkyL9bkkfCsec"

/** Chromium's audio offer, or its answer. id: makes ufrag and origin its own. @return length */
size_t bench_sdp_wic(char *to, size_t size, bool offer, unsigned id, const char *ip, unsigned port);
/** An IMS UE's offer or answer. */
size_t bench_sdp_core(char *to, size_t size, bool offer, const char *ip);

/** @return "-", or the word for what is wrong */
const char *bench_sdp_check_wic(const char *sdp, size_t n, struct bench_gate *gate);
const char *bench_sdp_check_core(const char *sdp, size_t n, char *ip, size_t size);

#endif
