/* SPDX-License-Identifier: Apache-2.0 */
#include "common/plain.h"

#include <stddef.h>
#include <stdint.h>

/* One character; @return its octets, 0 = no UTF-8. A NUL ends it wherever it stands. */
static size_t decode(const unsigned char *s, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (n == 0 || s[0] > 0xf4)
		return 0;
	*c = n == 1 ? s[0] : s[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3fU);
	}
	return *c >= least[n] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff) ? n : 0;
}

static bool is_plain(uint32_t c, bool lines)
{
	if (c == '\n' || c == '\t')
		return lines;
	return c >= 0x20 && (c < 0x7f || c > 0x9f) && c != 0x061c && c != 0x200e && c != 0x200f &&
	       (c < 0x2028 || c > 0x202e) && (c < 0x2066 || c > 0x2069);
}

void gw_plain_text(char *s, bool lines)
{
	unsigned char *to = (unsigned char *)s;
	const unsigned char *from = to;
	uint32_t c = 0;

	while (*from != '\0') {
		size_t n = decode(from, &c);

		if (n > 0 && is_plain(c, lines))
			for (size_t i = 0; i < n; i++)
				*to++ = *from++;
		else {
			*to++ = '?';
			from += n > 0 ? n : 1;
		}
	}
	*to = '\0';
}
