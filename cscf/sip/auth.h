/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials and challenges as text: Authorization, Proxy-Authorization, WWW-Authenticate,
 * Proxy-Authenticate. Values are never re-formatted: parameters are found in, cut out of and
 * appended to the text as it was received, so a Digest computed over quirks stays valid.
 * A Bearer credential is a token68 and is not looked into (RFC 6750 s2.1, SEC-09).
 * Thread: any.
 */
#ifndef CSCF_SIP_AUTH_H
#define CSCF_SIP_AUTH_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>

enum cscf_sip_auth_scheme {
	CSCF_SIP_AUTH_DIGEST,
	CSCF_SIP_AUTH_BEARER,
	CSCF_SIP_AUTH_OTHER,
};

struct cscf_sip_auth {
	enum cscf_sip_auth_scheme scheme;
	struct gw_slice scheme_text;
	struct gw_slice rest; /* Bearer: the token68; Digest: the parameter list */
};

/** @return GW_OK; GW_ERR_PARSE no scheme, nothing after it, a Bearer that is no token68, or a
 * Digest with a parameter or quote that does not end (answer 400) */
enum gw_err cscf_sip_auth_parse(struct cscf_sip_auth *out, struct gw_slice value) GW_MUST_CHECK;

/**
 * Is it one Digest with each parameter once, in any case, and with 32 at most? Of two the core
 * might believe the other one: credentials where this is false are refused, or deleted (SEC-07).
 */
bool cscf_sip_auth_is_single(const struct cscf_sip_auth *auth);

/** Is it a token68 (RFC 7235 s2.1), at least one character before the padding? */
bool cscf_sip_is_token68(struct gw_slice s);

/** Is it a quoted string that ends, or text without quotes, brackets and blanks (SEC-07)? */
bool cscf_sip_is_plain_value(struct gw_slice v);

/** A parameter by name without case; raw keeps its quotes. False for Bearer. */
bool cscf_sip_auth_param(const struct cscf_sip_auth *auth, const char *name, struct gw_slice *raw);
/** The same, unquoted into buf. False also when it does not fit (nothing is cut short). */
bool cscf_sip_auth_param_str(const struct cscf_sip_auth *auth, const char *name, char *buf,
			     size_t n);

/**
 * The value without some parameters (each occurrence, any case, quoted or not); all else stays
 * octet for octet (SEC-07).
 * @param names  NULL-terminated list
 * @return heap text, caller frees; NULL when out of memory or not parseable
 */
char *cscf_sip_auth_without(struct gw_slice value, const char *const *names);

/** The value with `,name="v"` appended. @return heap text; NULL when out of memory or v unsafe */
char *cscf_sip_auth_with(struct gw_slice value, const char *name, const char *v);

#endif
