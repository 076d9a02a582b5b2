/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a Request-URI an emergency? Whatever way it is written comes down to one key, a number or a
 * URN, which is looked up whole: no prefixes (EMG-06). See plan.h.
 *
 *   urn:service:sos[.*]                             always
 *   tel:112  tel:1-1-2;phone-context=…  tel:+1911   the number; the context changes nothing
 *   sip(s):112@home  …;user=phone  …;user=dialstring at a home domain only
 *
 * Without user= the user part must be digits alone ("+" may lead); with user=phone visual
 * separators go, and parameters inside the user part are cut off.
 * Spec: EMG-05, EMG-06; RFC 3966 s5.1, RFC 4967, RFC 5031 s4.
 */
#include "cscf/emergency/plan_int.h"

#include "cscf/sip/uri.h"

#include <ctype.h>
#include <stdio.h>

static int hex(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Octets that escapes stand for; what does not fit was no number and no service of ours. */
static bool unescape(struct gw_slice in, char *out, size_t size, struct gw_slice *text)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (n + 1 >= size)
			return false;
		if (c == '%' && i + 2 < in.n && hex(in.p[i + 1]) >= 0 && hex(in.p[i + 2]) >= 0) {
			c = (char)(hex(in.p[i + 1]) * 16 + hex(in.p[i + 2]));
			i += 2;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	*text = (struct gw_slice){out, n};
	return true;
}

bool emergency_number(struct gw_slice text, char key[KEY_MAX])
{
	size_t n = 0, digits = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c != '\0' && strchr("-.()", c) != NULL)
			continue;
		if (isdigit((unsigned char)c))
			digits++;
		else if (c != '*' && c != '#' && !(c == '+' && n == 0))
			return false;
		if (n >= NUMBER_MAX)
			return false;
		key[n++] = c;
	}
	key[n] = '\0';
	return digits > 0;
}

bool emergency_service_urn(struct gw_slice text, char key[KEY_MAX])
{
	static const char prefix[] = "urn:service:";
	size_t n = sizeof(prefix) - 1;

	if (text.n <= n || text.n >= KEY_MAX || strncasecmp(text.p, prefix, n) != 0)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = (char)tolower((unsigned char)text.p[i]);

		if (i >= n && !isalnum((unsigned char)c) && c != '-' && c != '.')
			return false;
		key[i] = c;
	}
	key[text.n] = '\0';
	return true;
}

bool emergency_is_sos(const char *urn)
{
	size_t n = sizeof(SOS) - 1;

	return strncmp(urn, SOS, n) == 0 && (urn[n] == '\0' || urn[n] == '.');
}

static bool is_home(const struct cscf_emergency_plan *plan, struct gw_slice host)
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	for (size_t i = 0; i < plan->domains.n; i++)
		if (gw_slice_ieq_str(host, plan->domains.item[i]))
			return true;
	return false;
}

static bool all_digits(struct gw_slice s)
{
	size_t i = s.n > 1 && s.p[0] == '+' ? 1 : 0;

	for (; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static struct gw_slice until(struct gw_slice s, char stop)
{
	const char *end = s.n > 0 ? memchr(s.p, stop, s.n) : NULL;

	return end != NULL ? (struct gw_slice){s.p, (size_t)(end - s.p)} : s;
}

static enum cscf_emergency_class sip_key(const struct cscf_emergency_plan *plan,
					 const struct cscf_sip_uri *uri, char key[KEY_MAX])
{
	enum cscf_emergency_class how = CSCF_EMERGENCY_SIP;
	char text[4 * KEY_MAX] = ""; /* number and its phone-context */
	struct gw_slice user, type = GW_SLICE_NONE;

	if (!is_home(plan, uri->host) || !unescape(uri->user, text, sizeof(text), &user))
		return CSCF_EMERGENCY_NONE;
	user = until(user, ';');
	(void)cscf_sip_uri_param(uri, "user", &type);
	if (gw_slice_ieq_str(type, "dialstring"))
		how = CSCF_EMERGENCY_DIALSTRING;
	else if (!gw_slice_ieq_str(type, "phone") && !all_digits(user))
		return CSCF_EMERGENCY_NONE;
	return emergency_number(user, key) ? how : CSCF_EMERGENCY_NONE;
}

/* A sub-service too long or too odd for a name is an emergency all the same: then plain sos. */
static enum cscf_emergency_class urn_key(struct gw_slice text, char key[KEY_MAX])
{
	char buf[4 * KEY_MAX] = "";
	struct gw_slice s;

	/* r-, q- and f-components are not part of the name (RFC 8141 s3) */
	text = until(until(until(text, ';'), '?'), '#');
	if (text.n >= sizeof(buf))
		text.n = sizeof(buf) - 1;
	if (!unescape(text, buf, sizeof(buf), &s))
		return CSCF_EMERGENCY_NONE;
	if (emergency_service_urn(s, key))
		return CSCF_EMERGENCY_URN;
	if (s.n < sizeof(SOS) || strncasecmp(s.p, SOS ".", sizeof(SOS)) != 0)
		return CSCF_EMERGENCY_NONE;
	snprintf(key, KEY_MAX, "%s", SOS);
	return CSCF_EMERGENCY_URN;
}

/* Down to the key, or NONE. */
static enum cscf_emergency_class canonical(const struct cscf_emergency_plan *plan,
					   struct gw_slice text, char key[KEY_MAX])
{
	char buf[2 * KEY_MAX] = "";
	struct cscf_sip_uri uri;
	struct gw_slice s;

	if (cscf_sip_uri_parse(&uri, text) != GW_OK)
		return CSCF_EMERGENCY_NONE;
	switch (uri.scheme) {
	case CSCF_SIP_SCHEME_SIP:
	case CSCF_SIP_SCHEME_SIPS:
		return sip_key(plan, &uri, key);
	case CSCF_SIP_SCHEME_TEL:
		if (!unescape(uri.user, buf, sizeof(buf), &s))
			return CSCF_EMERGENCY_NONE;
		return emergency_number(s, key) ? CSCF_EMERGENCY_TEL : CSCF_EMERGENCY_NONE;
	case CSCF_SIP_SCHEME_URN:
		return urn_key(uri.text, key);
	case CSCF_SIP_SCHEME_OTHER:
		break;
	}
	return CSCF_EMERGENCY_NONE;
}

/* The entry of that key that holds in the country; our own first. */
static const struct entry *find(const struct cscf_emergency_plan *plan, const char *key,
				struct cscf_emergency_country country)
{
	const struct entry *best = NULL;
	struct entry *e = NULL;

	HASH_FIND_STR(plan->entries, key, e);
	for (; e != NULL; e = e->next) {
		if (e->country == 0)
			return e;
		if (country.origin == CSCF_EMERGENCY_UNKNOWN ||
		    (country.origin == CSCF_EMERGENCY_OTHER &&
		     strcmp(plan->countries[e->country], country.code) == 0))
			best = best != NULL ? best : e;
	}
	return best;
}

bool cscf_emergency_classify(const struct cscf_emergency_plan *plan, struct gw_slice request_uri,
			     struct cscf_emergency_country country,
			     struct cscf_emergency_match *out)
{
	struct cscf_emergency_match m = {.how = CSCF_EMERGENCY_NONE};
	char key[KEY_MAX] = "";
	const struct entry *e;

	m.how = canonical(plan, request_uri, key);
	if (m.how == CSCF_EMERGENCY_URN && emergency_is_sos(key)) {
		snprintf(m.urn, sizeof(m.urn), "%s", key);
	} else if (m.how != CSCF_EMERGENCY_NONE) {
		e = find(plan, key, country);
		if (e == NULL)
			m.how = CSCF_EMERGENCY_NONE;
		else
			snprintf(m.urn, sizeof(m.urn), "%s", e->urn);
	}
	if (out != NULL)
		*out = m;
	return m.how != CSCF_EMERGENCY_NONE;
}
