/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which URLs may stand in the configuration. Thread: start-up.
 */
#include "cscf/http/http_int.h"

#include <arpa/inet.h>

static bool is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	char bare[64];
	size_t n = strlen(host);

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (n < 2 || n >= sizeof(bare) || host[0] != '[' || host[n - 1] != ']')
		return false;
	memcpy(bare, host + 1, n - 2);
	bare[n - 2] = '\0';
	return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static const char *judge(CURLU *u, const char *url)
{
	char *scheme = NULL;
	char *host = NULL;
	const char *why = NULL;

	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		why = "not a URL";
	else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		why = "no user or password in the URL";
	else if (has_part(u, CURLUPART_FRAGMENT))
		why = "no fragment in the URL";
	else if (strcmp(scheme, "http") == 0 && !is_loopback(host))
		why = "must be https (http only towards a loopback address)";
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		why = "must be https";
	curl_free(scheme);
	curl_free(host);
	return why;
}

bool cscf_http_check_url(const char *url, const char **why)
{
	CURLU *u = curl_url();

	*why = u != NULL ? judge(u, url) : "out of memory";
	curl_url_cleanup(u);
	return *why == NULL;
}
