/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What never gets into a story: credentials (passwords' digests, bearer tokens, ik and ck, nonces),
 * signed identities, ICE passwords, keys in SDP. Taken out before a line is kept.
 */
#include "cscf/story/story_int.h"

#include <string.h>

/* Their scheme stays ("Digest", "Bearer"), all behind it goes. */
static const char *const schemes[] = {"Authorization", "Proxy-Authorization", "WWW-Authenticate",
				      "Proxy-Authenticate"};
/* Nothing stays. */
static const char *const whole[] = {
    "Authentication-Info", "Proxy-Authentication-Info", "Identity", "y", "P-Access-Token", "Cookie",
    "Set-Cookie"};

static const char *const sdp_values[] = {"a=ice-pwd:", "a=crypto:", "a=key-mgmt:", "k="};

static bool is_one_of(struct gw_slice name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (gw_slice_ieq_str(name, list[i]))
			return true;
	return false;
}

static struct gw_slice scheme_word(struct gw_slice value)
{
	static const struct {
		const char *word, *said;
	} known[] = {{"Digest", "Digest (removed)"}, {"Bearer", "Bearer (removed)"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].word);

		if (value.n >= n && strncasecmp(value.p, known[i].word, n) == 0)
			return gw_slice_str(known[i].said);
	}
	return GW_SLICE_LIT("(removed)");
}

static bool may_be_secret(char first)
{
	/* letters of the names above, so that most fields cost one look */
	return strchr("AaPpWwIiYyCcSs", first) != NULL;
}

struct gw_slice story_safe_value(struct gw_slice name, struct gw_slice value)
{
	static const char word[] = "access_token";
	const char *at;

	if (name.n > 0 && may_be_secret(name.p[0])) {
		if (is_one_of(name, schemes, sizeof(schemes) / sizeof(schemes[0])))
			return scheme_word(value);
		if (is_one_of(name, whole, sizeof(whole) / sizeof(whole[0])))
			return GW_SLICE_LIT("(removed)");
	}
	if (value.n <= sizeof(word) || memchr(value.p, '_', value.n) == NULL)
		return value;
	at = memmem(value.p, value.n, word, sizeof(word) - 1);
	if (at != NULL) /* in a URI or parameter: what is before it may stay */
		value.n = (size_t)(at - value.p);
	return value;
}

struct gw_slice story_safe_sdp(struct gw_slice line, bool *cut)
{
	*cut = false;
	if (line.n < 2 || (line.p[0] != 'a' && line.p[0] != 'k') || line.p[1] != '=')
		return line;
	if (line.p[0] == 'a' && (line.n < 3 || strchr("ickICK", line.p[2]) == NULL))
		return line;
	for (size_t i = 0; i < sizeof(sdp_values) / sizeof(sdp_values[0]); i++) {
		size_t n = strlen(sdp_values[i]);

		if (line.n >= n && strncasecmp(line.p, sdp_values[i], n) == 0) {
			*cut = true;
			line.n = n;
			return line;
		}
	}
	return line;
}
