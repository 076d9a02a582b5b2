/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request as a libcurl easy handle: its limits, its body, its result.
 */
#include "cscf/http/http_int.h"

#include <string.h>

#define FIRST_BODY 4096U
#define USER_AGENT "wicgate-cscf"

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)one; /* always 1 */
	if (n > t->max_body - t->n_body) {
		t->too_big = true;
		return 0;
	}
	if (n > t->cap - t->n_body) {
		size_t cap = t->cap != 0 ? t->cap : FIRST_BODY;
		char *body;

		while (cap < t->n_body + n)
			cap *= 2;
		body = realloc(t->body, cap);
		if (body == NULL)
			return 0;
		t->body = body;
		t->cap = cap;
	}
	memcpy(t->body + t->n_body, data, n);
	t->n_body += n;
	return n;
}

static bool add_line(struct transfer *t, const char *line)
{
	struct curl_slist *lines;

	if (strpbrk(line, "\r\n") != NULL)
		return false;
	lines = curl_slist_append(t->lines, line);
	if (lines == NULL)
		return false;
	t->lines = lines;
	return true;
}

static bool add_header(struct transfer *t, const char *name, const char *value)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s: %s", name, value);

	return n > 0 && (size_t)n < sizeof(line) && add_line(t, line);
}

static bool set_lines(struct transfer *t, const struct cscf_http_request *req)
{
	if (req->accept != NULL && !add_header(t, "Accept", req->accept))
		return false;
	if (req->content_type != NULL &&
	    (!add_header(t, "Content-Type", req->content_type) || !add_line(t, "Expect:")))
		return false;
	for (const char *const *l = req->headers; l != NULL && *l != NULL; l++)
		if (!add_line(t, *l))
			return false;
	return t->lines == NULL ||
	       curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines) == CURLE_OK;
}

static bool set_post(struct transfer *t, const struct cscf_http_request *req)
{
	if (req->content_type == NULL)
		return true;
	t->post = gw_slice_dup(req->body);
	t->n_post = req->body.n;
	return t->post != NULL && curl_easy_setopt(t->easy, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->n_post) ==
		   CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->post) == CURLE_OK;
}

static bool set_user(struct transfer *t, const struct cscf_http_request *req)
{
	if (req->user == NULL || *req->user == '\0')
		return true;
	return curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_USERNAME, req->user) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_PASSWORD,
				req->password != NULL ? req->password : "") == CURLE_OK;
}

/* What nothing may loosen: verified TLS, no redirect, no environment, bounded time and size. */
static bool set_limits(struct transfer *t, const struct cscf_http_config *cfg, int64_t timeout_ms)
{
	CURL *e = t->easy;
	long ms = (long)timeout_ms;

	if (cfg->ca_file != NULL && *cfg->ca_file != '\0' &&
	    (curl_easy_setopt(e, CURLOPT_CAINFO, cfg->ca_file) != CURLE_OK ||
	     curl_easy_setopt(e, CURLOPT_CAPATH, NULL) != CURLE_OK))
		return false;
	return curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK && /* resolver thread */
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->max_body) ==
		   CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, USER_AGENT) == CURLE_OK;
}

enum gw_err transfer_new(struct transfer **out, const struct cscf_http_config *cfg,
			 const struct cscf_http_request *req)
{
	struct transfer *t = calloc(1, sizeof(*t));
	const char *why;

	if (t == NULL)
		return GW_ERR_NOMEM;
	t->max_body = cfg->max_body;
	t->easy = curl_easy_init();
	if (!cscf_http_check_url(req->url, &why) || t->easy == NULL ||
	    curl_easy_setopt(t->easy, CURLOPT_URL, req->url) != CURLE_OK ||
	    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) != CURLE_OK ||
	    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
	    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t) != CURLE_OK ||
	    !set_limits(t, cfg, req->timeout_ms) || !set_user(t, req) || !set_post(t, req) ||
	    !set_lines(t, req)) {
		transfer_free(t);
		return GW_ERR_INVAL;
	}
	*out = t;
	return GW_OK;
}

void transfer_free(struct transfer *t)
{
	if (t == NULL)
		return;
	if (t->easy != NULL)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->lines);
	if (t->post != NULL)
		explicit_bzero(t->post, t->n_post); /* a token, as a rule */
	if (t->body != NULL)
		explicit_bzero(t->body, t->n_body);
	free(t->post);
	free(t->body);
	free(t);
}

/* What is not here: GW_ERR_PROTO. */
static const struct {
	CURLcode code;
	enum gw_err err;
} errors[] = {
    {CURLE_OK, GW_OK},
    {CURLE_OPERATION_TIMEDOUT, GW_ERR_TIMEOUT},
    {CURLE_FILESIZE_EXCEEDED, GW_ERR_TOO_BIG},
    {CURLE_WRITE_ERROR, GW_ERR_NOMEM}, /* on_body refused; too_big is looked at before */
    {CURLE_OUT_OF_MEMORY, GW_ERR_NOMEM},
    {CURLE_SSL_CONNECT_ERROR, GW_ERR_CRYPTO},
    {CURLE_SSL_CERTPROBLEM, GW_ERR_CRYPTO},
    {CURLE_SSL_CIPHER, GW_ERR_CRYPTO},
    {CURLE_PEER_FAILED_VERIFICATION, GW_ERR_CRYPTO},
    {CURLE_SSL_CACERT_BADFILE, GW_ERR_CRYPTO},
    {CURLE_SSL_ISSUER_ERROR, GW_ERR_CRYPTO},
    {CURLE_COULDNT_RESOLVE_HOST, GW_ERR_IO},
    {CURLE_COULDNT_CONNECT, GW_ERR_IO},
    {CURLE_SEND_ERROR, GW_ERR_IO},
    {CURLE_RECV_ERROR, GW_ERR_IO},
    {CURLE_GOT_NOTHING, GW_ERR_IO},
};

static enum gw_err err_of(const struct transfer *t, CURLcode code)
{
	if (t->too_big)
		return GW_ERR_TOO_BIG;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == code)
			return errors[i].err;
	return GW_ERR_PROTO;
}

void transfer_reply(const struct transfer *t, CURLcode code, struct cscf_http_reply *reply)
{
	const char *type = NULL;
	long status = 0;

	*reply = (struct cscf_http_reply){.err = err_of(t, code), .content_type = "", .why = ""};
	if (reply->err != GW_OK) {
		reply->why = t->too_big ? "reply too large" : curl_easy_strerror(code);
		return;
	}
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	reply->status = (int)status;
	if (type != NULL)
		reply->content_type = type;
	reply->body = (struct gw_slice){t->body, t->n_body};
}
