/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media of one call: a UDP socket with everything on it (rtcp-mux, RFC 7983 demultiplexing),
 * ICE, DTLS-SRTP, an RTP source and the checks on what comes back.
 *
 *   new ──> (local description is known) ──> start(peer's description) ──> ICE ──> DTLS ──> RTP
 */
#ifndef TESTS_WIC_MEDIA_H
#define TESTS_WIC_MEDIA_H

#include "tests/wic/dtls.h"
#include "tests/wic/ice.h"
#include "tests/wic/options.h"
#include "tests/wic/report.h"

struct wic_media;

struct wic_media_cbs {
	void (*on_ice)(void *arg, const struct gw_addr *peer);
	void (*on_dtls)(void *arg, const char *profile);
	void (*on_first_rtp)(void *arg);
	/* ICE or DTLS failed, or consent was lost: static text */
	void (*on_failed)(void *arg, const char *why);
};

/* The peer's description, as far as media needs it. */
struct wic_media_peer {
	char ufrag[260], pwd[260];
	char fingerprint[WIC_FINGERPRINT_LEN];
	struct gw_addr candidates[WIC_CANDIDATES_MAX];
	size_t n_candidates;
	int pt;
	bool lite, dtls_client; /* dtls_client: we are the client */
};

/** @param ip local address to bind; the port is the kernel's choice */
enum gw_err wic_media_new(struct wic_media **out, struct event_base *base,
			  const struct wic_options *o, const struct gw_addr *ip,
			  const struct wic_media_cbs *cbs, void *arg) GW_MUST_CHECK;
/** Not from inside a callback. */
void wic_media_free(struct wic_media *m);

const struct gw_addr *wic_media_addr(const struct wic_media *m);
const char *wic_media_ufrag(const struct wic_media *m);
const char *wic_media_pwd(const struct wic_media *m);
uint32_t wic_media_ssrc(const struct wic_media *m);

enum gw_err wic_media_start(struct wic_media *m, bool offerer,
			    const struct wic_media_peer *peer) GW_MUST_CHECK;
/**
 * The peer is another one from now on: new ICE credentials of ours, new checks, a new association;
 * SSRC and numbers go on. Not from inside a callback.
 */
enum gw_err wic_media_move(struct wic_media *m, bool controlling,
			   const struct wic_media_peer *peer) GW_MUST_CHECK;
/** Counts the moves: part of the o= line. */
unsigned wic_media_version(const struct wic_media *m);
/** Is that the peer it has? */
bool wic_media_has_peer(const struct wic_media *m, const struct wic_media_peer *peer);
bool wic_media_started(const struct wic_media *m);
/** Send no more RTP; what is under way may still arrive. */
void wic_media_quiet(struct wic_media *m);
void wic_media_stats(const struct wic_media *m, struct wic_media_stats *out);

#endif
