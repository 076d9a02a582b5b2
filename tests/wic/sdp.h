/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptions a browser-like client sends and reads: one audio line of SAVPF with ICE and
 * DTLS; other lines of an offer are refused in the answer.
 */
#ifndef TESTS_WIC_SDP_H
#define TESTS_WIC_SDP_H

#include "common/slice.h"
#include "tests/wic/media.h"

#define WIC_SDP_MAX    4096
#define WIC_MLINES_MAX 8

struct wic_sdp {
	struct wic_media_peer peer; /* of the audio line */
	struct {
		char line[256]; /* "video 9 UDP/TLS/RTP/SAVPF 96" */
		char mid[32];
	} m[WIC_MLINES_MAX];
	size_t n_m;
	int audio; /* index, or -1 */
	char setup[16];
	bool has_mux;
};

/** @param want_pt 0, 8 or -1 = the first of them. @return NULL, or what is missing */
const char *wic_sdp_parse(struct wic_sdp *out, struct gw_slice text, int want_pt);

/** Write an offer (`to_offer` NULL) or the answer to it. */
void wic_sdp_print(char *to, size_t size, const struct wic_options *o, const struct wic_media *m,
		   const struct wic_sdp *to_offer);

#endif
