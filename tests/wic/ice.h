/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of ICE (RFC 8445) on one socket with one host candidate: connectivity checks
 * with USE-CANDIDATE when controlling, answers to the peer's checks, consent (RFC 7675). STUN
 * messages by libnice's public API. Full against lite and full against full; no TURN, no
 * server-reflexive candidates, one component.
 */
#ifndef TESTS_WIC_ICE_H
#define TESTS_WIC_ICE_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct wic_ice;

#define WIC_UFRAG_LEN      8
#define WIC_PWD_LEN        24
#define WIC_CANDIDATES_MAX 8

struct wic_ice_cbs {
	void (*send)(void *arg, const struct gw_addr *to, const uint8_t *bytes, size_t len);
	void (*on_selected)(void *arg, const struct gw_addr *peer); /* once */
	void (*on_lost)(void *arg);                                 /* consent expired */
};

enum gw_err wic_ice_new(struct wic_ice **out, struct event_base *base,
			const struct wic_ice_cbs *cbs, void *arg) GW_MUST_CHECK;
void wic_ice_free(struct wic_ice *i);
const char *wic_ice_ufrag(const struct wic_ice *i);
const char *wic_ice_pwd(const struct wic_ice *i);

/** The peer's description is here: begin checks. Texts are copied. */
void wic_ice_start(struct wic_ice *i, bool controlling, const char *ufrag, const char *pwd,
		   const struct gw_addr *candidates, size_t n);
void wic_ice_feed(struct wic_ice *i, const struct gw_addr *from, const uint8_t *bytes, size_t len);
/** Stop sending checks, consent included (to see what the gateway does). */
void wic_ice_mute(struct wic_ice *i);

#endif
