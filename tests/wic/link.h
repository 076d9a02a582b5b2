/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket to the gateway (client side of RFC 6455 and RFC 7118), plain or TLS, on libevent's
 * bufferevents and wslay. Whole text messages in and out.
 */
#ifndef TESTS_WIC_LINK_H
#define TESTS_WIC_LINK_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct wic_link;
struct wic_options;

struct wic_link_cbs {
	void (*on_open)(void *arg);
	void (*on_message)(void *arg, const char *text, size_t len);
	/* code: close code received, or 0; why: static text, or the HTTP status line */
	void (*on_closed)(void *arg, unsigned code, const char *why);
};

/** Once per process: TLS context, address of the server. */
enum gw_err wic_link_setup(const struct wic_options *o) GW_MUST_CHECK;
void wic_link_teardown(void);

enum gw_err wic_link_new(struct wic_link **out, struct event_base *base,
			 const struct wic_options *o, const struct wic_link_cbs *cbs,
			 void *arg) GW_MUST_CHECK;
/** Not from inside a callback. NULL is legal. */
void wic_link_free(struct wic_link *l);

void wic_link_send(struct wic_link *l, const char *text, size_t len);
/** Closing handshake with 1000; on_closed follows. */
void wic_link_close(struct wic_link *l);
/** Cut the TCP connection with a reset, at once; on_closed is not called. */
void wic_link_reset(struct wic_link *l);
/** Read nothing any more. */
void wic_link_silence(struct wic_link *l);
/** Our address on it. @return false when not connected */
bool wic_link_local(const struct wic_link *l, struct gw_addr *out);

#endif
