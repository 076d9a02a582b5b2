/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP Upgrade of RFC 6455 s4.2 with the rules of RFC 7118 s4.1, without I/O: octets in, a
 * verdict and the text of the answer out. http_parser reads the request; what it must say is
 * decided here. Sizes are bounded: HEADER_MAX octets, FIELDS_MAX fields (upgrade.c).
 *
 * Thread: the owner's. Spec: WS-01..05, 13, 36; RFC 6455 s4.2, RFC 7118 s4.1.
 */
#ifndef CSCF_WS_UPGRADE_H
#define CSCF_WS_UPGRADE_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSCF_WS_HEADER_MAX 8192
#define CSCF_WS_FIELDS_MAX 64
#define CSCF_WS_ORIGIN_MAX 256

/* Why a connection was refused before 101: word, HTTP status, short text (reject.c). */
enum cscf_ws_reject {
	CSCF_WS_REJECT_NONE,
	CSCF_WS_REJECT_MALFORMED,     /* 400 */
	CSCF_WS_REJECT_HEADER_SIZE,   /* 400 */
	CSCF_WS_REJECT_METHOD,        /* 405 */
	CSCF_WS_REJECT_PATH,          /* 404 */
	CSCF_WS_REJECT_HTTP_VERSION,  /* 400 */
	CSCF_WS_REJECT_NO_UPGRADE,    /* 400 */
	CSCF_WS_REJECT_VERSION,       /* 426 */
	CSCF_WS_REJECT_KEY,           /* 400 */
	CSCF_WS_REJECT_SUBPROTOCOL,   /* 400 */
	CSCF_WS_REJECT_ORIGIN,        /* 403 */
	CSCF_WS_REJECT_ORIGIN_ABSENT, /* 403 */
	CSCF_WS_REJECT_DRAINING,      /* 503 */
	CSCF_WS_REJECT_MAX_TOTAL,     /* 503 */
	CSCF_WS_REJECT_MAX_SOURCE,    /* 503 */
	CSCF_WS_REJECT_MAX_ORIGIN,    /* 503 */
	/* no HTTP answer possible */
	CSCF_WS_REJECT_TIMEOUT,
	CSCF_WS_REJECT_TLS,
	CSCF_WS_REJECT_PROXY_HEADER,
	CSCF_WS_REJECT_LOST,
	CSCF_WS_REJECT_OVERLOAD,
	CSCF_WS_REJECT_NOMEM,
	CSCF_WS_REJECT_COUNT
};

/** Word for logs and metrics; never NULL. */
const char *cscf_ws_reject_name(enum cscf_ws_reject r);
/** The whole HTTP answer to a refusal, static text; NULL for those without one. */
const char *cscf_ws_reject_answer(enum cscf_ws_reject r);

struct cscf_ws_upgrade_rules {
	const char *path;
	const struct gw_conf_list *allowed_origins; /* NULL = none */
	bool require_origin;
};

struct cscf_ws_upgrade;

/** @param rules borrowed: outlives the parser */
enum gw_err cscf_ws_upgrade_new(struct cscf_ws_upgrade **out,
				const struct cscf_ws_upgrade_rules *rules) GW_MUST_CHECK;
void cscf_ws_upgrade_free(struct cscf_ws_upgrade *u);

/**
 * Parse octets as they come, in pieces of any size.
 *
 * @param used    octets that belong to the request; what follows it is not touched
 * @param reject  NONE with GW_OK, else why
 * @return GW_OK a complete request that may be upgraded; GW_ERR_AGAIN more octets needed;
 *         GW_ERR_REJECTED see *reject
 */
enum gw_err cscf_ws_upgrade_feed(struct cscf_ws_upgrade *u, const char *bytes, size_t len,
				 size_t *used, enum cscf_ws_reject *reject) GW_MUST_CHECK;

/** Origin as received ("" when absent), terminated, at most CSCF_WS_ORIGIN_MAX - 1 octets. */
const char *cscf_ws_upgrade_origin(const struct cscf_ws_upgrade *u);

#define CSCF_WS_ACCEPT_MAX 256
/** Write the 101 answer into buf (CSCF_WS_ACCEPT_MAX); valid after GW_OK. @return its length */
size_t cscf_ws_upgrade_accept(const struct cscf_ws_upgrade *u, char *buf, size_t size);

#endif
