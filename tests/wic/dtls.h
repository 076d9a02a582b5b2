/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One DTLS-SRTP association (RFC 5764): handshake on datagrams given by the owner, fingerprint
 * check, SRTP sessions keyed from it. One identity for the whole process.
 */
#ifndef TESTS_WIC_DTLS_H
#define TESTS_WIC_DTLS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct wic_dtls;

#define WIC_FINGERPRINT_LEN 96 /* "AA:BB:…", 32 octets, terminated */

/** Make the identity, the context and libsrtp ready. @param profiles OpenSSL's list */
enum gw_err wic_dtls_setup(const char *profiles) GW_MUST_CHECK;
void wic_dtls_teardown(void);
const char *wic_dtls_fingerprint(void);

struct wic_dtls_cbs {
	void (*send)(void *arg, const uint8_t *bytes, size_t len);
	void (*on_keyed)(void *arg, const char *profile);
	void (*on_failed)(void *arg, const char *why); /* static text; not freed inside */
};

/** @param fingerprint  what the peer's certificate must have (sha-256), "AA:BB:…" */
enum gw_err wic_dtls_new(struct wic_dtls **out, struct event_base *base, bool client,
			 const char *fingerprint, const struct wic_dtls_cbs *cbs,
			 void *arg) GW_MUST_CHECK;
void wic_dtls_free(struct wic_dtls *d);
/** The way is open: a client sends its first flight. */
void wic_dtls_start(struct wic_dtls *d);
void wic_dtls_feed(struct wic_dtls *d, const uint8_t *bytes, size_t len);
bool wic_dtls_keyed(const struct wic_dtls *d);

/** In place; `*len` in and out; room for 64 octets more when protecting. */
enum gw_err wic_dtls_protect(struct wic_dtls *d, bool rtcp, uint8_t *pkt,
			     size_t *len) GW_MUST_CHECK;
enum gw_err wic_dtls_unprotect(struct wic_dtls *d, bool rtcp, uint8_t *pkt,
			       size_t *len) GW_MUST_CHECK;

#endif
