/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SDP in a line per m-line, from its kept lines: kind, direction, where media shall go, first
 * codecs.
 */
#include "cscf/story/story_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODECS_SAID 4U

static const char *line_at(const struct story_msg *m, size_t i)
{
	return i < m->n_body ? story_line_text(m->line[m->n_head + i]) : NULL;
}

static bool is_m(const char *line)
{
	return strncmp(line, "m=", 2) == 0;
}

static size_t name_len(const char *map)
{
	size_t n = strcspn(map, "/");

	return strcmp(map + n, "/8000") == 0 ? n : strlen(map);
}

/* The codec of a payload type within one m-section: its rtpmap, or a static one's name. */
static void codec_name(const struct story_msg *m, size_t from, size_t to, long pt, char *out,
		       size_t n)
{
	static const struct {
		long pt;
		const char *name;
	} fixed[] = {{0, "PCMU"}, {3, "GSM"}, {8, "PCMA"}, {9, "G722"}};

	snprintf(out, n, "%ld", pt);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].pt == pt)
			snprintf(out, n, "%s", fixed[i].name);
	for (size_t i = from; i < to; i++) {
		const char *l = line_at(m, i);
		char *end;

		if (strncmp(l, "a=rtpmap:", 9) != 0 || strtol(l + 9, &end, 10) != pt)
			continue;
		while (*end == ' ')
			end++;
		/* 8000 Hz goes without saying */
		snprintf(out, n, "%.*s", (int)name_len(end), end);
		return;
	}
}

struct said {
	char *p;
	size_t n, at;
};

static void say(struct said *s, const char *text)
{
	int n;

	if (s->at >= s->n)
		return;
	n = snprintf(s->p + s->at, s->n - s->at, "%s%s", s->at > 0 ? " " : "", text);
	s->at += n > 0 ? (size_t)n : 0;
}

static void say_codecs(struct said *s, const struct story_msg *m, size_t from, size_t to,
		       const char *fmts)
{
	char text[64];
	size_t n = 0, more = 0;

	while (*fmts != '\0') {
		char *end;
		long pt = strtol(fmts, &end, 10);

		if (end == fmts)
			break;
		fmts = end + strspn(end, " ");
		if (n++ >= CODECS_SAID) {
			more++;
			continue;
		}
		codec_name(m, from, to, pt, text, sizeof(text));
		say(s, text);
	}
	if (more > 0) {
		snprintf(text, sizeof(text), "+%zu", more);
		say(s, text);
	}
}

/* The value of the last such line of the section, else of the session part. */
static const char *value(const struct story_msg *m, size_t from, size_t to, const char *start)
{
	const char *found = NULL;

	for (size_t i = 0; i < to; i++) {
		const char *l = line_at(m, i);

		if (i < from && is_m(l))
			i = from - 1; /* other sections are not asked */
		else if (strncmp(l, start, strlen(start)) == 0)
			found = l + strlen(start);
	}
	return found;
}

static const char *direction(const struct story_msg *m, size_t from, size_t to)
{
	static const char *const words[] = {"sendrecv", "sendonly", "recvonly", "inactive"};

	for (size_t k = 0; k < 4; k++) {
		char line[16];

		snprintf(line, sizeof(line), "a=%s", words[k]);
		for (size_t i = from; i < to; i++)
			if (strcmp(line_at(m, i), line) == 0)
				return words[k];
	}
	return "sendrecv";
}

/* @return what is behind it */
static const char *next_word(const char *at, char *out, size_t n)
{
	size_t len = strcspn(at, " ");

	snprintf(out, n, "%.*s", (int)len, at);
	at += len;
	return at + strspn(at, " ");
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through s */
size_t story_sdp_brief(const struct story_msg *m, size_t from, char *out, size_t n)
{
	struct said s = {out, n, 0};
	char kind[24], port_text[16], proto[32], text[120];
	const char *fmts, *c;
	unsigned long port;
	size_t to;

	while (from < m->n_body && !is_m(line_at(m, from)))
		from++;
	if (from >= m->n_body)
		return 0;
	for (to = from + 1; to < m->n_body && !is_m(line_at(m, to)); to++)
		;
	fmts = line_at(m, from) + 2;
	fmts = next_word(fmts, kind, sizeof(kind));
	fmts = next_word(fmts, port_text, sizeof(port_text));
	fmts = next_word(fmts, proto, sizeof(proto));
	port = strtoul(port_text, NULL, 10);
	say(&s, kind);
	if (port == 0) {
		say(&s, "rejected");
		return to;
	}
	say(&s, direction(m, from, to));
	c = value(m, from, to, "c=IN IP");
	snprintf(text, sizeof(text), "%.46s:%lu %.31s", c != NULL && strlen(c) > 2 ? c + 2 : "-",
		 port, proto);
	say(&s, text);
	say_codecs(&s, m, from, to, fmts + strspn(fmts, " "));
	return to;
}
