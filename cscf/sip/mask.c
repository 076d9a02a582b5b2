/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See mask.h. Works on any text a peer may have chosen: no parser of ours has to accept it
 * first, and what is no URI is masked whole.
 */
#include "cscf/sip/mask.h"

#include "common/rand.h"
#include "cscf/sip/table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BUFFERS    8
#define TEXT_MAX   256
#define HASHED_MAX 512 /* of an identity; the rest of a longer one does not tell it apart */

static bool is_on = true;

void cscf_sip_mask_set(bool on)
{
	is_on = on;
}

bool cscf_sip_mask_is_on(void)
{
	return is_on;
}

static char *next_buffer(void)
{
	static char buffers[BUFFERS][TEXT_MAX];
	static unsigned turn;

	return buffers[turn++ % BUFFERS];
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* user@host, or the digits of a number, in one spelling. */
static unsigned pseudonym(struct gw_slice user, struct gw_slice host, bool number)
{
	static uint64_t key[2];
	static bool drawn;
	char plain[HASHED_MAX];
	size_t n = 0;
	uint64_t h;

	if (!drawn)
		gw_rand_bytes(key, sizeof(key));
	drawn = true;
	for (size_t i = 0; i < user.n && n < sizeof(plain); i++)
		if (!number || strchr("-.() ", user.p[i]) == NULL)
			plain[n++] = lower(user.p[i]);
	for (size_t i = 0; i < host.n && n < sizeof(plain); i++) {
		if (i == 0)
			plain[n++] = '@';
		if (n < sizeof(plain))
			plain[n++] = lower(host.p[i]);
	}
	h = cscf_sip_siphash(key, plain, n);
	return (unsigned)(h ^ h >> 32);
}

static size_t span_until(struct gw_slice s, const char *stop)
{
	size_t n = 0;

	while (n < s.n && strchr(stop, s.p[n]) == NULL) /* a NUL stops as well */
		n++;
	return n;
}

static struct gw_slice drop(struct gw_slice s, size_t n)
{
	return (struct gw_slice){s.p + n, s.n - n};
}

/* "sip:", "sips:", "tel:" or "urn:" at the start; its length, 0 when none. */
static size_t scheme_len(struct gw_slice s)
{
	static const char *const schemes[] = {"sip:", "sips:", "tel:", "urn:"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (s.n >= n && strncasecmp(s.p, schemes[i], n) == 0)
			return n;
	}
	return 0;
}

static const char *mask_number(struct gw_slice scheme, struct gw_slice rest)
{
	struct gw_slice number = {rest.p, span_until(rest, ";>\t\r\n")};
	char *out = next_buffer();

	snprintf(out, TEXT_MAX, "%.*s~%08x", GW_SLICE_FMT(scheme),
		 pseudonym(number, GW_SLICE_NONE, true));
	return out;
}

/* user[:password]@host, or host alone when a scheme says that it is one. */
static const char *mask_user(struct gw_slice scheme, struct gw_slice rest)
{
	struct gw_slice whole = {rest.p, span_until(rest, "> \t\r\n")};
	const char *at = whole.n > 0 ? memrchr(whole.p, '@', whole.n) : NULL;
	struct gw_slice user = whole, host = GW_SLICE_NONE;
	char *out = next_buffer();

	if (at != NULL) {
		user.n = (size_t)(at - whole.p);
		host = drop(whole, user.n + 1);
	} else if (scheme.n > 0) {
		user.n = 0;
		host = whole;
	}
	host.n = span_until(host, ";?,");
	if (host.n > TEXT_MAX - 32)
		host.n = TEXT_MAX - 32;
	if (user.n == 0)
		snprintf(out, TEXT_MAX, "%.*s%.*s", GW_SLICE_FMT(scheme), GW_SLICE_FMT(host));
	else
		snprintf(out, TEXT_MAX, "%.*s~%08x%s%.*s", GW_SLICE_FMT(scheme),
			 pseudonym((struct gw_slice){user.p, span_until(user, ":")}, host, false),
			 at != NULL ? "@" : "", GW_SLICE_FMT(host));
	return out;
}

static const char *copy(struct gw_slice text)
{
	char *out = next_buffer();

	snprintf(out, TEXT_MAX, "%.*s", (int)(text.n < TEXT_MAX ? text.n : TEXT_MAX - 1), text.p);
	return out;
}

const char *cscf_sip_mask_always(struct gw_slice text)
{
	const char *open = text.n > 0 ? memchr(text.p, '<', text.n) : NULL;
	struct gw_slice uri = text, scheme;

	if (text.n == 0)
		return "";
	if (open != NULL) /* a name-addr: the display name is the user's as well */
		uri = drop(text, (size_t)(open - text.p) + 1);
	scheme = (struct gw_slice){uri.p, scheme_len(uri)};
	if (scheme.n > 0 && lower(scheme.p[0]) == 'u') /* names a service, not a person */
		return copy((struct gw_slice){uri.p, span_until(uri, ">")});
	if (scheme.n > 0 && lower(scheme.p[0]) == 't')
		return mask_number(scheme, drop(uri, scheme.n));
	return mask_user(scheme, drop(uri, scheme.n));
}

const char *cscf_sip_mask_slice(struct gw_slice text)
{
	return is_on ? cscf_sip_mask_always(text) : copy(text);
}

const char *cscf_sip_mask(const char *text)
{
	if (text == NULL)
		return "";
	return is_on ? cscf_sip_mask_always(gw_slice_str(text)) : text;
}
