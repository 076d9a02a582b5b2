/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What never gets into a story: credentials (passwords' digests, bearer tokens, ik and ck, nonces),
 * signed identities, ICE passwords, keys in SDP. Taken out before a line is kept.
 */
#include "cscf/story/story_int.h"

#include <string.h>

/* true: the scheme stays ("Digest", "Bearer"), all behind it goes; false: all of it */
static struct {
	const char *name;
	bool scheme;
	uint32_t key;
} names[] = {
    {"Authorization", true, 0},
    {"Proxy-Authorization", true, 0},
    {"WWW-Authenticate", true, 0},
    {"Proxy-Authenticate", true, 0},
    {"Authentication-Info", false, 0},
    {"Proxy-Authentication-Info", false, 0},
    {"Identity", false, 0},
    {"P-Access-Token", false, 0},
    {"Cookie", false, 0},
    {"Set-Cookie", false, 0},
};
static uint64_t bits; /* one per key modulo 64: most fields are let through by one look */

static const char *const sdp_values[] = {"a=ice-pwd:", "a=crypto:", "a=key-mgmt:", "k="};

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

static void learn_keys(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		names[i].key = cscf_sip_field_key(gw_slice_str(names[i].name));
		bits |= UINT64_C(1) << (names[i].key % 64U);
	}
}

static struct gw_slice without_token(struct gw_slice value)
{
	static const char word[] = "access_token";
	const char *at = memmem(value.p, value.n, word, sizeof(word) - 1);

	if (at != NULL) /* in a URI or parameter: what is before it may stay */
		value.n = (size_t)(at - value.p);
	return value;
}

struct gw_slice story_safe_value(uint32_t key, struct gw_slice value)
{
	if (bits == 0)
		learn_keys();
	if ((bits >> (key % 64U) & 1U) != 0)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (key == names[i].key)
				return names[i].scheme ? scheme_word(value)
						       : GW_SLICE_LIT("(removed)");
	if (value.n > 20 && memchr(value.p, '_', value.n) != NULL)
		return without_token(value);
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
