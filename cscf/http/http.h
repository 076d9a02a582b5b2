/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP client on the event loop (libcurl multi on libevent): one request, one reply by
 * callback. TLS is always verified, no redirect is followed, no proxy, cookie or .netrc of the
 * environment is looked at, the body and the time are bounded. URLs come from the configuration,
 * never from a peer (SEC-22): callers check them at start with cscf_http_check_url.
 * Not here: retries, caches, and any meaning of what was fetched.
 * Thread: the cscf loop. Names are resolved in libcurl's helper thread, so nothing blocks.
 */
#ifndef CSCF_HTTP_HTTP_H
#define CSCF_HTTP_HTTP_H

#include "common/err.h"
#include "common/handle.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cscf_http;
struct event_base;

struct cscf_http_config {
	const char *ca_file; /* PEM; "" or NULL = the system's */
	size_t max_body;     /* octets of a reply; larger: GW_ERR_TOO_BIG */
	uint32_t max_active; /* requests at once; more: GW_ERR_BUSY */
};

/* Everything is borrowed during cscf_http_start only. */
struct cscf_http_request {
	const char *url;
	const char *user, *password; /* Basic authentication; NULL = none */
	const char *accept;          /* media type; NULL = any */
	const char *content_type;    /* not NULL: POST with `body`, else GET */
	struct gw_slice body;
	const char *const *headers; /* more lines "Name: value", NULL-terminated; may be NULL */
	int64_t timeout_ms;         /* for all of it, name resolution included */
};

struct cscf_http_reply {
	/* GW_OK: a whole reply of any status. Else GW_ERR_TIMEOUT, GW_ERR_TOO_BIG, GW_ERR_CRYPTO
	 * (TLS, the certificate above all), GW_ERR_IO (name, connection), GW_ERR_PROTO. */
	enum gw_err err;
	int status;               /* 0 unless GW_OK */
	struct gw_slice body;     /* borrowed during the call */
	const char *content_type; /* "" when absent; borrowed */
	const char *why;          /* static text when not GW_OK */
};

typedef void cscf_http_done(void *arg, const struct cscf_http_reply *reply);

/** @return GW_OK; GW_ERR_INVAL a CA file that cannot be read; GW_ERR_NOMEM */
enum gw_err cscf_http_new(struct cscf_http **out, struct event_base *base,
			  const struct cscf_http_config *cfg) GW_MUST_CHECK;
/** Requests under way are dropped without a call. */
void cscf_http_free(struct cscf_http *h);

/**
 * Start a request; `done` comes later from the loop, exactly once, unless cancelled or freed.
 * In `done` everything is allowed but cscf_http_free.
 * @param out  may be NULL when the caller never cancels
 * @return GW_OK; GW_ERR_BUSY max_active reached; GW_ERR_INVAL URL or a header line; GW_ERR_NOMEM
 */
enum gw_err cscf_http_start(struct cscf_http *h, const struct cscf_http_request *req,
			    cscf_http_done *done, void *arg, gw_handle *out) GW_MUST_CHECK;
/** `done` will not be called. A request that is over, or NONE: no effect. */
void cscf_http_cancel(struct cscf_http *h, gw_handle request);
size_t cscf_http_active(const struct cscf_http *h);

/**
 * May a URL of the configuration be used? https, or http towards a loopback address; no user
 * part, no fragment.
 * @param why  on failure a static sentence
 */
bool cscf_http_check_url(const char *url, const char **why);

#endif
