/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential as text: a token68 after "Bearer" (RFC 6750 s2.1), or the spelling of the
 * example of TS 24.371 A.3.2, `Bearer access_token="…"`. It is no list of parameters (SEC-09).
 */
#include "cscf/authz/authz_int.h"

#include "cscf/sip/auth.h"
#include "cscf/sip/value.h"

#include <ctype.h>
#include <openssl/evp.h>

/* access_token = "…" and nothing more; *inside is what the quotes hold. */
static bool is_param(struct gw_slice s, struct gw_slice *inside)
{
	static const char name[] = "access_token";
	size_t i = sizeof(name) - 1;

	if (s.n < i || strncasecmp(s.p, name, i) != 0)
		return false;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i >= s.n || s.p[i++] != '=')
		return false;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i + 1 >= s.n || s.p[i] != '"' || s.p[s.n - 1] != '"')
		return false;
	*inside = (struct gw_slice){s.p + i + 1, s.n - i - 2};
	return true;
}

enum cscf_authz_reason credentials_token(const struct cscf_authz_config *cfg, struct gw_slice value,
					 struct gw_slice *token)
{
	struct gw_slice inside;
	size_t i = 0;

	value = cscf_sip_trim(value);
	while (i < value.n && value.p[i] != ' ' && value.p[i] != '\t')
		i++;
	if (!gw_slice_ieq_str((struct gw_slice){value.p, i}, "Bearer"))
		return CSCF_AUTHZ_R_NOT_BEARER;
	*token = cscf_sip_trim((struct gw_slice){value.p + i, value.n - i});
	if (cfg->accept_access_token_param && is_param(*token, &inside))
		*token = inside;
	if (token->n > (size_t)cfg->max_size)
		return CSCF_AUTHZ_R_TOO_BIG;
	return cscf_sip_is_token68(*token) ? CSCF_AUTHZ_R_OK : CSCF_AUTHZ_R_NOT_BEARER;
}

void token_hash(struct gw_slice token, unsigned char out[CSCF_AUTHZ_HASH])
{
	unsigned n = CSCF_AUTHZ_HASH;

	/* Fails only when the library has no SHA-256 at all. */
	GW_ASSERT(EVP_Digest(token.p, token.n, out, &n, EVP_sha256(), NULL) == 1);
}

void token_hash_hex(const unsigned char hash[CSCF_AUTHZ_HASH], char *hex)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < CSCF_AUTHZ_HASH; i++) {
		*hex++ = digit[hash[i] >> 4];
		*hex++ = digit[hash[i] & 15];
	}
	*hex = '\0';
}

bool cscf_authz_token_hash(const struct cscf_authz *a, struct gw_slice credentials,
			   unsigned char out[CSCF_AUTHZ_HASH])
{
	struct gw_slice token;

	if (credentials_token(a->cfg, credentials, &token) != CSCF_AUTHZ_R_OK)
		return false;
	token_hash(token, out);
	return true;
}
