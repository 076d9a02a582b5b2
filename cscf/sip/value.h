/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small grammar inside header values: name-addr, parameters, comma lists, quoted strings,
 * tokens (RFC 3261 s20, s25). Slices into the caller's text; no allocation.
 * Thread: any.
 */
#ifndef CSCF_SIP_VALUE_H
#define CSCF_SIP_VALUE_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- name-addr: From, To, Contact, Route, P-Asserted-Identity, … --- */

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

/* --- parameters and lists --- */

/**
 * Walk "a=b;c;d="x;y"" (quotes respected). Start with *cursor = 0.
 * @return false at the end; name and value are trimmed, the value keeps its quotes
 */
bool cscf_sip_param_next(struct gw_slice params, size_t *cursor, struct gw_slice *name,
			 struct gw_slice *value);
/** Find a parameter by name without case; value (may be NULL) keeps its quotes. */
bool cscf_sip_param_get(struct gw_slice params, const char *name, struct gw_slice *value);

/**
 * Walk the members of a comma separated header value: quotes and <…> respected,
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
