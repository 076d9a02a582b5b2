/* SPDX-License-Identifier: Apache-2.0 */
/* SIP as text; see sip_text.h. Thread: one. */
#include "tests/bench/sip_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ENTRIES_MAX 16

void bench_put(struct bench_text *t, const char *p, size_t n)
{
	if (t->n + n > BENCH_MESSAGE_MAX)
		abort();
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

void bench_puts(struct bench_text *t, const char *s)
{
	bench_put(t, s, strlen(s));
}

void bench_printf(struct bench_text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->p + t->n, BENCH_MESSAGE_MAX - t->n, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= BENCH_MESSAGE_MAX - t->n)
		abort();
	t->n += (size_t)n;
}

static bool is_name(const char *line, size_t n, const char *name)
{
	size_t k = strlen(name);

	return n > k && line[k] == ':' && strncasecmp(line, name, k) == 0;
}

/* The next field of that name after *at (NULL: the first); *at moves behind it. The start line is
 * passed over, and the body never reached. */
static const char *next_field(const char *msg, size_t n, const char *name, const char **at,
			      size_t *len)
{
	const char *end = msg + n;
	const char *line = *at != NULL ? *at : memchr(msg, '\n', n);

	if (line != NULL && *at == NULL)
		line++;
	while (line != NULL && line < end && *line != '\r' && *line != '\n') {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		size_t k = next != NULL ? (size_t)(next - line) : (size_t)(end - line);

		if (k > 0 && line[k - 1] == '\r')
			k--;
		*at = next != NULL ? next + 1 : end;
		if (is_name(line, k, name)) {
			*len = k;
			return line;
		}
		line = *at;
	}
	return NULL;
}

void bench_copy(struct bench_text *t, const char *msg, size_t n, const char *name,
		const char *suffix)
{
	const char *at = NULL, *line;
	size_t len = 0;

	while ((line = next_field(msg, n, name, &at, &len)) != NULL) {
		bench_put(t, line, len);
		bench_puts(t, suffix);
		bench_puts(t, "\r\n");
	}
}

void bench_response(struct bench_text *t, const char *msg, size_t n, const char *status,
		    const char *tag)
{
	char suffix[64] = "";

	if (tag != NULL)
		snprintf(suffix, sizeof(suffix), ";tag=%s", tag);
	bench_printf(t, "SIP/2.0 %s\r\n", status);
	bench_copy(t, msg, n, "Via", "");
	bench_copy(t, msg, n, "Record-Route", "");
	bench_copy(t, msg, n, "From", "");
	bench_copy(t, msg, n, "To", suffix);
	bench_copy(t, msg, n, "Call-ID", "");
	bench_copy(t, msg, n, "CSeq", "");
}

void bench_end(struct bench_text *t, const char *body, size_t n)
{
	if (body != NULL)
		bench_puts(t, "Content-Type: application/sdp\r\n");
	bench_printf(t, "Content-Length: %zu\r\n\r\n", body != NULL ? n : 0);
	if (body != NULL)
		bench_put(t, body, n);
}

size_t bench_field(const char *msg, size_t n, const char *name, char *out, size_t size)
{
	const char *at = NULL, *line;
	size_t len = 0, skip = strlen(name) + 1;

	out[0] = '\0';
	line = next_field(msg, n, name, &at, &len);
	if (line == NULL)
		return 0;
	while (skip < len && line[skip] == ' ')
		skip++;
	len -= skip;
	if (len >= size)
		return 0;
	memcpy(out, line + skip, len);
	out[len] = '\0';
	return len;
}

size_t bench_uri(const char *msg, size_t n, const char *name, char *out, size_t size)
{
	const char *at = NULL, *line, *open, *close;
	size_t len = 0;

	out[0] = '\0';
	line = next_field(msg, n, name, &at, &len);
	if (line == NULL || (open = memchr(line, '<', len)) == NULL)
		return 0;
	close = memchr(open, '>', len - (size_t)(open - line));
	if (close == NULL || (size_t)(close - open) > size)
		return 0;
	len = (size_t)(close - open - 1);
	memcpy(out, open + 1, len);
	out[len] = '\0';
	return len;
}

void bench_routes(const char *msg, size_t n, const char *name, bool reverse, char *out, size_t size)
{
	const char *entry[ENTRIES_MAX], *at = NULL, *line;
	size_t len[ENTRIES_MAX], k = 0, used = 0, line_n = 0;

	out[0] = '\0';
	while ((line = next_field(msg, n, name, &at, &line_n)) != NULL) {
		const char *end = line + line_n, *p = line;

		/* each entry is <…> with parameters up to a comma */
		while (k < ENTRIES_MAX && (p = memchr(p, '<', (size_t)(end - p))) != NULL) {
			const char *gt = memchr(p, '>', (size_t)(end - p));
			const char *comma = gt != NULL ? memchr(gt, ',', (size_t)(end - gt)) : NULL;

			entry[k] = p;
			p = comma != NULL ? comma : end;
			len[k] = (size_t)(p - entry[k]);
			k++;
		}
	}
	for (size_t i = 0; i < k; i++) {
		size_t j = reverse ? k - 1 - i : i;

		if (used + len[j] + 10 >= size)
			abort();
		used += (size_t)snprintf(out + used, size - used, "Route: %.*s\r\n", (int)len[j],
					 entry[j]);
	}
}

const char *bench_body(const char *msg, size_t n, size_t *len)
{
	const char *end = memmem(msg, n, "\r\n\r\n", 4);

	*len = end != NULL ? (size_t)(msg + n - end - 4) : 0;
	return end != NULL ? end + 4 : NULL;
}

int64_t bench_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
