/* SPDX-License-Identifier: Apache-2.0 */
/* The little of bencode that rtpengine's ng protocol needs: build a dictionary, find a string. */
#ifndef TESTS_BENCH_MEDIA_BENCODE_H
#define TESTS_BENCH_MEDIA_BENCODE_H

#include <stdbool.h>
#include <stddef.h>

struct ben {
	char text[16384];
	size_t n;
	bool full;
};

void ben_begin(struct ben *b, const char *cookie); /* "cookie d" */
void ben_string(struct ben *b, const char *key, const char *value);
/** A list of words, ended by NULL. */
void ben_list(struct ben *b, const char *key, const char *const *words);
void ben_end(struct ben *b);
/** String value of a key of the outer dictionary. @return NULL when absent or malformed */
const char *ben_find(const char *p, size_t n, const char *key, size_t *len);

#endif
