/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What never gets into a story: credentials (passwords' digests, bearer tokens, ik and ck, nonces),
 * signed identities, ICE passwords, keys in SDP. Taken out before a line is kept: fields and lines
 * made for it whole, from any other all from a word on that begins a secret, however it is
 * written (case, escapes of a URI). Only a line that is not kept yet is looked at (lines.c).
 */
#include "cscf/story/story_int.h"

#include <ctype.h>
#include <string.h>

#define REMOVED "(removed)"

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

static const char *const sdp_values[] = {"a=ice-pwd:", "a=crypto:", "a=key-mgmt:", "a=acap:", "k="};

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
	return GW_SLICE_LIT(REMOVED);
}

static void learn_keys(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		names[i].key = cscf_sip_field_key(gw_slice_str(names[i].name));
		bits |= UINT64_C(1) << (names[i].key % 64U);
	}
}

/* ---- anywhere in a text ------------------------------------------------------------------------
 */

/* A blank in these is any white space or '+'. */
static const char *const words[] = {"access_token",   "bearer ", "digest ",
				    "authorization=", "inline:", "ice-pwd"};

/* The octet at `at`, small, its escape undone. @param n  of how many octets it is made */
static char octet(struct gw_slice s, size_t at, size_t *n)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;

	*n = 1;
	if (s.p[at] == '%' && at + 2 < s.n && isxdigit((unsigned char)s.p[at + 1]) &&
	    isxdigit((unsigned char)s.p[at + 2])) {
		high = strchr(digits, tolower((unsigned char)s.p[at + 1]));
		low = strchr(digits, tolower((unsigned char)s.p[at + 2]));
		*n = 3;
		return (char)tolower((int)(16 * (high - digits) + (low - digits)));
	}
	return (char)tolower((unsigned char)s.p[at]);
}

/* @return behind the word, 0 = it is another */
static size_t behind_word(struct gw_slice s, size_t at, const char *word)
{
	size_t n;

	for (; *word != '\0'; word++, at += n) {
		char c = at < s.n ? octet(s, at, &n) : '\0';

		if (at >= s.n)
			return 0;
		if (*word == ' ' ? !isspace((unsigned char)c) && c != '+' : c != *word)
			return 0;
	}
	return at;
}

/* "release of bearer resources", in a field that tells people why: no token is that plain. */
static bool is_prose(struct gw_slice s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && islower((unsigned char)s.p[at + n]))
		n++;
	return n > 0 && n < 16 && (at + n == s.n || strchr(" \".,;)", s.p[at + n]) != NULL);
}

/* Where a secret begins; s.n = there is none. */
static size_t find_secret(struct gw_slice s, bool for_people)
{
	size_t step;

	for (size_t at = 0; at < s.n; at += step) {
		char c = octet(s, at, &step);

		if (c != 'a' && c != 'b' && c != 'd' && c != 'i')
			continue;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			size_t behind = c == words[i][0] ? behind_word(s, at, words[i]) : 0;

			if (behind > 0 && !(for_people && is_prose(s, behind)))
				return at;
		}
	}
	return s.n;
}

/* What is before the secret may stay. */
static struct gw_slice up_to(struct gw_slice s, size_t n)
{
	static char kept[STORY_LINE_MAX + sizeof(REMOVED)];

	if (n > STORY_LINE_MAX)
		n = STORY_LINE_MAX;
	memcpy(kept, s.p, n);
	memcpy(kept + n, REMOVED, sizeof(REMOVED));
	return (struct gw_slice){kept, n + sizeof(REMOVED) - 1};
}

struct gw_slice story_safe_text(struct gw_slice text)
{
	size_t n = find_secret(text, false);

	return n < text.n ? up_to(text, n) : text;
}

struct gw_slice story_safe_value(uint32_t key, struct gw_slice value)
{
	static uint32_t reason, warning;
	size_t n;

	if (bits == 0) {
		learn_keys();
		reason = cscf_sip_field_key(GW_SLICE_LIT("Reason"));
		warning = cscf_sip_field_key(GW_SLICE_LIT("Warning"));
	}
	if ((bits >> (key % 64U) & 1U) != 0)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (key == names[i].key)
				return names[i].scheme ? scheme_word(value) : GW_SLICE_LIT(REMOVED);
	n = find_secret(value, key == reason || key == warning);
	return n < value.n ? up_to(value, n) : value;
}

struct gw_slice story_safe_sdp(struct gw_slice line)
{
	for (size_t i = 0; i < sizeof(sdp_values) / sizeof(sdp_values[0]); i++) {
		size_t n = strlen(sdp_values[i]);

		if (line.n >= n && strncasecmp(line.p, sdp_values[i], n) == 0)
			return up_to(line, n);
	}
	return story_safe_text(line);
}
