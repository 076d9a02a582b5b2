/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much SIP text as a test client needs: split a message, find headers and parameters, answer
 * a Digest challenge. Written apart from the gateway's SIP code on purpose.
 */
#ifndef TESTS_WIC_SIP_H
#define TESTS_WIC_SIP_H

#include "common/err.h"
#include "common/slice.h"

#define WIC_HEADERS_MAX 128
#define WIC_VALUE_MAX   1024

struct wic_sip_header {
	struct gw_slice name, value;
};

struct wic_sip {
	char *text; /* owned; all slices point into it */
	size_t len;
	unsigned status;        /* 0 in a request */
	struct gw_slice method; /* of the request, or of the CSeq in a response */
	struct gw_slice uri, reason;
	struct wic_sip_header header[WIC_HEADERS_MAX];
	size_t n;
	struct gw_slice body;
};

/** @return GW_OK; GW_ERR_PARSE; GW_ERR_NOMEM. On error nothing is to be freed. */
enum gw_err wic_sip_parse(struct wic_sip **out, const char *text, size_t len) GW_MUST_CHECK;
void wic_sip_free(struct wic_sip *m);

/** The first header of that name, empty when absent. */
struct gw_slice wic_sip_get(const struct wic_sip *m, const char *name);
/** Header number i of that name, counted from 0; false at the end. */
bool wic_sip_nth(const struct wic_sip *m, const char *name, size_t i, struct gw_slice *value);
/** Value of ;name=… in a header; empty when absent. Quotes are removed. */
struct gw_slice wic_sip_param(struct gw_slice value, const char *name);
/** The URI in a name-addr or addr-spec. */
struct gw_slice wic_sip_uri(struct gw_slice value);
/** The next element of a comma-separated list (not inside <> or quotes); false at the end. */
bool wic_sip_element(struct gw_slice *list, struct gw_slice *element);

struct wic_digest {
	const char *username, *password, *method, *uri;
	unsigned nc;
};
/**
 * Write the credentials that answer a challenge.
 * @return GW_OK; GW_ERR_UNSUPPORTED not Digest, or an algorithm other than MD5 and SHA-256
 */
enum gw_err wic_sip_digest(char *to, size_t size, struct gw_slice challenge,
			   const struct wic_digest *d) GW_MUST_CHECK;

#endif
