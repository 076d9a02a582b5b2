/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP as text, as little of it as the two ends of a benchmark need: fields by name, routes out of
 * Record-Route, the body. Not a parser: full names only, no folding.
 */
#ifndef TESTS_BENCH_SIP_TEXT_H
#define TESTS_BENCH_SIP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MESSAGE_MAX 16384

/** A message being written; size is BENCH_MESSAGE_MAX. */
struct bench_text {
	char *p;
	size_t n;
};

void bench_put(struct bench_text *t, const char *p, size_t n);
void bench_puts(struct bench_text *t, const char *s);
void bench_printf(struct bench_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Copy the fields of that name as they are, each with a suffix. */
void bench_copy(struct bench_text *t, const char *msg, size_t n, const char *name,
		const char *suffix);

/** Head of a response, up to CSeq and Record-Route; tag: of To, NULL when it has one. */
void bench_response(struct bench_text *t, const char *msg, size_t n, const char *status,
		    const char *tag);

/** Content-Type, Content-Length and body; body NULL = none. */
void bench_end(struct bench_text *t, const char *body, size_t n);

/** Value of the first field of that name. @return its length; 0 = none or too long */
size_t bench_field(const char *msg, size_t n, const char *name, char *out, size_t size);

/** The URI between < and > of the first field of that name. @return its length; 0 = none */
size_t bench_uri(const char *msg, size_t n, const char *name, char *out, size_t size);

/** The entries of all fields of that name as Route fields. */
void bench_routes(const char *msg, size_t n, const char *name, bool reverse, char *out,
		  size_t size);

/** @return the body; *len = its length */
const char *bench_body(const char *msg, size_t n, size_t *len);

/** CLOCK_MONOTONIC: the same for all processes. */
int64_t bench_now_us(void);

#endif
