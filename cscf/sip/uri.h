/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs and name-addr values as slices into text that somebody else owns: SIP, SIPS, tel and URN
 * (RFC 3261 s19.1, s20; RFC 3966). Nothing is allocated by the parsers, nothing is unescaped in
 * place: what is relayed stays as it came. Building functions return heap text.
 * Not here: resolving a URI to an address (resolve.h), headers of a message (msg.h).
 * Thread: any.
 */
#ifndef CSCF_SIP_URI_H
#define CSCF_SIP_URI_H

#include "common/err.h"
#include "common/slice.h"

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

/* --- name-addr: From, To, Contact, Route, P-Asserted-Identity, … ------------------------- */

struct cscf_sip_name_addr {
	struct gw_slice text;    /* the whole value */
	struct gw_slice display; /* as written, quotes included; n = 0 when absent */
	struct gw_slice uri;     /* between < and >, or the addr-spec */
	struct gw_slice params;  /* header parameters, "tag=a;x=y" without the first ';' */
	bool star;               /* Contact: * */
	bool bracketed;
};

/** Parse one value (no list). @return GW_OK; GW_ERR_PARSE */
enum gw_err cscf_sip_name_addr_parse(struct cscf_sip_name_addr *out,
				     struct gw_slice value) GW_MUST_CHECK;

/* --- parameters and lists ------------------------------------------------------------------ */

/**
 * Walk "a=b;c;d="x;y"" (quotes respected). Start with *cursor = 0.
 * @return false at the end; name and value are trimmed, the value keeps its quotes
 */
bool cscf_sip_param_next(struct gw_slice params, size_t *cursor, struct gw_slice *name,
			 struct gw_slice *value);
/** Find a parameter by name without case; value (may be NULL) keeps its quotes. */
bool cscf_sip_param_get(struct gw_slice params, const char *name, struct gw_slice *value);

/**
 * Walk the members of a comma separated header value: quotes, <…> and (comments) respected,
 * empty members skipped. Start with *cursor = 0.
 */
bool cscf_sip_list_next(struct gw_slice value, size_t *cursor, struct gw_slice *member);
/** Is a token a member (without case)? For Supported, Require, Allow, Privacy (';' too). */
bool cscf_sip_list_has(struct gw_slice value, const char *token);

/**
 * Remove quotes and backslashes; an unquoted slice is copied as it is.
 * @return length of the result; buf is always terminated and holds at most n-1 characters
 */
size_t cscf_sip_unquote(struct gw_slice value, char *buf, size_t n);

/** Trim blanks and folds at both ends. */
struct gw_slice cscf_sip_trim(struct gw_slice s);
/** Decimal number of 1..10 digits, nothing else. @return false when not, or above max */
bool cscf_sip_uint(struct gw_slice s, uint32_t max, uint32_t *out);
/** Is the text one RFC 3261 token? */
bool cscf_sip_is_token(struct gw_slice s);

#endif
