/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of cscf/http. Thread: the cscf loop.
 */
#ifndef CSCF_HTTP_HTTP_INT_H
#define CSCF_HTTP_HTTP_INT_H

#include "cscf/http/http.h"

#include <curl/curl.h>

/* One request; lives from cscf_http_start to its callback. */
struct transfer {
	CURL *easy;
	struct curl_slist *lines;
	cscf_http_done *done;
	void *arg;
	gw_handle id;
	char *post; /* owned: the body that goes out */
	size_t n_post;
	char *body; /* owned: what came in so far */
	size_t n_body, cap, max_body;
	bool too_big;
};

/** An easy handle with every limit set; not yet started. */
enum gw_err transfer_new(struct transfer **out, const struct cscf_http_config *cfg,
			 const struct cscf_http_request *req) GW_MUST_CHECK;
void transfer_free(struct transfer *t);

/** Turn libcurl's result into ours. */
void transfer_reply(const struct transfer *t, CURLcode code, struct cscf_http_reply *reply);

#endif
