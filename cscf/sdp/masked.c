/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A description as a debug log may show it: ICE passwords, ufrags and keys become stars, all else
 * stays. Not for what a peer must read.
 * Thread: any. Spec: SDP-43, SEC-10.
 */
#include "cscf/sdp/alg.h"

#include "common/slice.h"

#include <string.h>

/* From `at` on until a line ends, or before that until `stop`. */
static void mask(char *text, size_t n, size_t at, char stop)
{
	for (; at < n && text[at] != '\r' && text[at] != '\n' && text[at] != stop; at++)
		text[at] = '*';
}

/* Where a text stands in a line that begins at `at`, behind it; 0 when it does not. */
static size_t behind(const char *text, size_t n, size_t at, const char *what)
{
	size_t len = strlen(what);

	for (; at + len <= n && text[at] != '\r' && text[at] != '\n'; at++)
		if (strncasecmp(text + at, what, len) == 0)
			return at + len;
	return 0;
}

char *cscf_sdp_masked(const char *text, size_t n)
{
	static const char *const secret[] = {
	    "a=ice-pwd:", "a=ice-ufrag:", "a=crypto:", "a=key-mgmt:", "a=acap:", "k="};
	char *copy = gw_slice_dup((struct gw_slice){text, n});
	size_t word;

	for (size_t i = 0; copy != NULL && i < n; i++) {
		if (i > 0 && copy[i - 1] != '\n')
			continue;
		for (size_t k = 0; k < sizeof(secret) / sizeof(secret[0]); k++) {
			size_t len = strlen(secret[k]);

			if (n - i >= len && strncasecmp(copy + i, secret[k], len) == 0)
				mask(copy, n, i + len, '\n');
		}
		word = behind(copy, n, i, " ufrag "); /* of a candidate */
		if (word > 0)
			mask(copy, n, word, ' ');
	}
	return copy;
}
