/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs as slices into text that somebody else owns: SIP, SIPS, tel and URN (RFC 3261 s19.1,
 * RFC 3966). Nothing is allocated by the parsers, nothing is unescaped in
 * place: what is relayed stays as it came. Building functions return heap text.
 * Not here: resolving a URI to an address (resolve.h), name-addr values (value.h).
 * Thread: any.
 */
#ifndef CSCF_SIP_URI_H
#define CSCF_SIP_URI_H

#include "common/err.h"
#include "common/slice.h"
#include "cscf/sip/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cscf_sip_scheme {
	CSCF_SIP_SCHEME_SIP,
	CSCF_SIP_SCHEME_SIPS,
	CSCF_SIP_SCHEME_TEL,
	CSCF_SIP_SCHEME_URN,
	CSCF_SIP_SCHEME_OTHER, /* any other absolute URI: scheme ":" something */
};

/* All slices point into the parsed text. */
struct cscf_sip_uri {
	enum cscf_sip_scheme scheme;
	struct gw_slice text;     /* the whole URI */
	struct gw_slice user;     /* sip(s): userinfo before ':'; tel: the number; else the rest */
	struct gw_slice password; /* sip(s) only */
	struct gw_slice host;     /* sip(s) only; IPv6 without brackets */
	bool host_is_v6;
	uint16_t port;           /* 0 = not written */
	struct gw_slice params;  /* "lr;ob" without the first ';' */
	struct gw_slice headers; /* after '?' */
};

/**
 * Parse one URI without angle brackets.
 * @return GW_OK; GW_ERR_PARSE. A scheme we do not know is GW_OK with SCHEME_OTHER.
 */
enum gw_err cscf_sip_uri_parse(struct cscf_sip_uri *out, struct gw_slice text) GW_MUST_CHECK;

/** Look a URI parameter up (name without case). @param value may be NULL; set to n = 0 for a flag
 */
bool cscf_sip_uri_param(const struct cscf_sip_uri *uri, const char *name, struct gw_slice *value);

/** Equality by RFC 3261 s19.1.4 (sip/sips), RFC 3966 s4 (tel), text without case of the scheme. */
bool cscf_sip_uri_eq(const struct cscf_sip_uri *a, const struct cscf_sip_uri *b);
/** The same on text; an unparseable text equals nothing. */
bool cscf_sip_uri_text_eq(struct gw_slice a, struct gw_slice b);

/**
 * The canonical identity (IMPU) of a URI, fit as a table key: scheme and host in lower case,
 * user unescaped where harmless, visual separators of tel numbers removed, no port 5060, no
 * parameters, no headers, no password.
 * @return heap text, caller frees; NULL when not parseable or out of memory
 */
char *cscf_sip_uri_aor(struct gw_slice text);

/** Never to be looked up: a `.invalid` host or transport=ws/wss (RFC 7118 s5, WS-15). */
bool cscf_sip_uri_is_websocket(const struct cscf_sip_uri *uri);

#endif
