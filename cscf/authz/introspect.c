/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opaque tokens: ask the issuer (RFC 7662; TOK-26). A token goes to the configured endpoint of
 * one issuer and nowhere else; one request serves everybody who asks about the same token, and
 * what it said is remembered, "not active" for a short while only (TOK-25).
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"
#include "cscf/ws/tally.h"

#define GW_LOG_MOD "authz"
#define FORM       "application/x-www-form-urlencoded"
#define HTTP_OK    200

/* ---- the answer ---------------------------------------------------------------------------- */

static enum cscf_authz_reason judge(const struct inspection *n, const struct cscf_http_reply *reply,
				    const struct cscf_authz_grant **grant, const char **why)
{
	enum cscf_authz_reason r = CSCF_AUTHZ_R_WAF_DOWN;
	json_t *claims;

	*why = reply->err != GW_OK ? reply->why : "unexpected status";
	if (reply->err != GW_OK || reply->status != HTTP_OK)
		return r;
	*why = "not an introspection response";
	claims = reply->body.n > 0 ? json_loadb(reply->body.p, reply->body.n, 0, NULL) : NULL;
	if (json_is_boolean(json_object_get(claims, "active"))) {
		*why = NULL;
		r = CSCF_AUTHZ_R_INACTIVE;
		if (json_is_true(json_object_get(claims, "active")))
			r = claims_grant(n->issuer, claims, n->hash, false, grant);
	}
	json_decref(claims);
	return r;
}

static void on_reply(void *arg, const struct cscf_http_reply *reply)
{
	struct inspection *n = arg;
	struct issuer *i = n->issuer;
	struct cscf_authz *a = i->a;
	const struct cscf_authz_grant *grant = NULL;
	const char *why;
	enum cscf_authz_reason r = judge(n, reply, &grant, &why);

	HASH_DEL(a->inspections, n);
	(void)snprintf(i->ask_error, sizeof(i->ask_error), "%s", why != NULL ? why : "");
	if (why != NULL) {
		i->failures++;
		GW_LOG_LIMITED(GW_LOG_WARN, "authz.introspection_failed",
			       "issuer=\"%s\" why=\"%s\" status=%d", i->cfg->issuer, why,
			       reply->status);
	}
	metric_inspected(why == NULL, r != CSCF_AUTHZ_R_INACTIVE);
	if (why == NULL && r != CSCF_AUTHZ_R_NO_MEMORY)
		cache_put(a, n->hash, r, grant);
	authz_inspection_done(a, &n->waiting, r, grant);
	cscf_authz_grant_unref(grant);
	free(n);
}

/* ---- the question -------------------------------------------------------------------------- */

/* token68 in a form: only + / = need an escape; '~' does not (RFC 3986 unreserved). */
static char *form_of(struct gw_slice token, size_t *n)
{
	static const char head[] = "token_type_hint=access_token&token=";
	char *form = malloc(sizeof(head) + 3 * token.n);
	char *at = form;

	if (form == NULL)
		return NULL;
	memcpy(at, head, sizeof(head) - 1);
	at += sizeof(head) - 1;
	for (size_t i = 0; i < token.n; i++) {
		char c = token.p[i];

		if (c == '+' || c == '/' || c == '=')
			at += snprintf(at, 4, "%%%02X", (unsigned)c);
		else
			*at++ = c;
	}
	*at = '\0';
	*n = (size_t)(at - form);
	return form;
}

/* RFC 6749 s2.3.1: id and secret are form-encoded before they become Basic credentials. */
static bool form_encode(char *to, size_t size, const char *from)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;

		if (n + 4 > size)
			return false;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._", c) != NULL) {
			to[n++] = (char)c;
		} else if (c == ' ') {
			to[n++] = '+';
		} else {
			to[n++] = '%';
			to[n++] = hex[c >> 4];
			to[n++] = hex[c & 15];
		}
	}
	to[n] = '\0';
	return true;
}

static enum gw_err ask(struct inspection *n, struct gw_slice token)
{
	const struct issuer *i = n->issuer;
	char id[3 * MAX_CLAIM], secret[3 * MAX_CLAIM];
	size_t len = 0;
	char *form = form_of(token, &len);
	struct cscf_http_request req = {
	    .url = i->cfg->introspection_url,
	    .user = id,
	    .password = secret,
	    .accept = "application/json",
	    .content_type = FORM,
	    .body = {form, len},
	    .timeout_ms = i->a->cfg->http_timeout,
	};
	enum gw_err err = GW_ERR_NOMEM;

	if (form == NULL)
		return err;
	if (!form_encode(id, sizeof(id), i->cfg->client_id) ||
	    !form_encode(secret, sizeof(secret), i->cfg->client_secret))
		err = GW_ERR_INVAL;
	else
		err = cscf_http_start(i->a->http, &req, on_reply, n, &n->request);
	explicit_bzero(form, len);
	explicit_bzero(secret, sizeof(secret));
	free(form);
	return err;
}

/* Nobody has more than half of what he leaves to others, so that there is room for the next. */
static bool has_share(const struct cscf_authz *a, const uint8_t *key, size_t n_key)
{
	unsigned left = MAX_INSPECTIONS - HASH_COUNT(a->inspections), own = 0;
	const struct inspection *n;

	if (n_key == 0)
		return true;
	for (n = a->inspections; n != NULL; n = n->hh.next)
		own += n->n_source == n_key && memcmp(n->source, key, n_key) == 0;
	return own == 0 || 2 * own <= left;
}

struct inspection *introspect(struct issuer *i, struct gw_slice token,
			      const unsigned char hash[CSCF_AUTHZ_HASH],
			      const struct gw_addr *source, enum cscf_authz_reason *reason)
{
	struct cscf_authz *a = i->a;
	uint8_t key[8] = {0};
	size_t n_key = source != NULL ? cscf_ws_source_key(source, key) : 0;
	struct inspection *n;
	enum gw_err err;

	HASH_FIND(hh, a->inspections, hash, CSCF_AUTHZ_HASH, n);
	if (n != NULL)
		return n;
	*reason = CSCF_AUTHZ_R_BUSY;
	if (HASH_COUNT(a->inspections) >= MAX_INSPECTIONS || !has_share(a, key, n_key))
		return NULL;
	*reason = CSCF_AUTHZ_R_NO_MEMORY;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	memcpy(n->hash, hash, CSCF_AUTHZ_HASH);
	memcpy(n->source, key, sizeof(key));
	n->n_source = n_key;
	n->issuer = i;
	err = ask(n, token);
	if (err != GW_OK) {
		*reason = err == GW_ERR_BUSY ? CSCF_AUTHZ_R_BUSY : CSCF_AUTHZ_R_WAF_DOWN;
		free(n);
		return NULL;
	}
	i->asked++;
	HASH_ADD(hh, a->inspections, hash, CSCF_AUTHZ_HASH, n);
	return n;
}

struct issuer *introspect_issuer(struct cscf_authz *a, const char *origin)
{
	struct issuer *only = NULL;
	struct issuer *mapped = NULL;
	size_t n = 0, n_mapped = 0;

	for (size_t k = 0; k < a->n_issuers; k++) {
		struct issuer *i = &a->issuer[k];

		if (*i->cfg->introspection_url == '\0')
			continue;
		n++;
		only = i;
		if (i->cfg->origins.n == 0 || !policy_origin_fits(i->cfg, NULL, origin))
			continue;
		n_mapped++;
		mapped = i;
	}
	if (n == 1)
		return only;
	/* A token must not be shown to a WAF it is not from: several, and no way to tell. */
	return n_mapped == 1 ? mapped : NULL;
}

void introspect_clear(struct cscf_authz *a)
{
	struct inspection *n, *next;

	HASH_ITER (hh, a->inspections, n, next) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
		HASH_DEL(a->inspections, n);
		free(n);
	}
}
