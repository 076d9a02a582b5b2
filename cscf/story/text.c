/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A story as text: what became of it, the ladder, then each stream in figures.
 *
 *      ms WIC           eP-CSCF       AGW          core
 *       0  |----INVITE---->|           |             |  CSeq 1  sip:…
 */
#include "cscf/story/story_int.h"

#include "common/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH     120
#define LADDER    55 /* columns of time and lanes; the rest says what it was */
#define LANES     4
#define TIME_WIDE 8

static const size_t lane_at[LANES] = {
    [STORY_L_WIC] = 10, [STORY_L_CSCF] = 26, [STORY_L_AGW] = 39, [STORY_L_CORE] = 53};

static void lanes(char line[LADDER + 1])
{
	memset(line, ' ', LADDER);
	line[LADDER] = '\0';
	for (size_t i = 0; i < LANES; i++)
		line[lane_at[i]] = '|';
}

static void arrow(char line[LADDER + 1], const struct story_row *row)
{
	size_t a = lane_at[row->from], b = lane_at[row->to];
	size_t left = (a < b ? a : b) + 1, right = (a < b ? b : a) - 1;
	size_t n = strlen(row->label), room;

	if (row->from == row->to) {
		line[a] = '*';
		return;
	}
	memset(line + left, row->media ? '=' : '-', right - left + 1);
	if (a < b)
		line[right] = '>';
	else
		line[left] = '<';
	room = right - left - 2;
	if (n > room)
		n = room;
	memcpy(line + left + 1 + (room - n) / 2, row->label, n);
}

/* How much of the text goes on this line: whole words, unless one is longer than half of it. */
static size_t take(const char *text, size_t room)
{
	size_t n = strlen(text);

	if (n <= room)
		return n;
	for (n = room; n > room / 2 && text[n] != ' '; n--)
		;
	if (text[n] == ' ')
		return n;
	for (n = room; n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
		; /* not within a character */
	return n;
}

/* A text beside the ladder, on as many lines as it needs. */
static void put_line(FILE *to, const char *ladder, const char *text)
{
	static const char more[] = "      ";
	size_t room = WIDTH - LADDER - 1, n = take(text, room);
	char empty[LADDER + 1];

	fprintf(to, "%s %.*s\n", ladder, (int)n, text);
	lanes(empty);
	for (text += n; *text != '\0'; text += n) {
		text += strspn(text, " ");
		n = take(text, room - (sizeof(more) - 1));
		if (n > 0)
			fprintf(to, "%s %s%.*s\n", empty, more, (int)n, text);
	}
}

static void put_full(FILE *to, const struct story_row *row, const struct cscf_story_view *v)
{
	static char text[2 * STORY_LINE_MAX];
	const struct story_msg *m;

	if (!v->full || row->e == NULL || row->e->kind != STORY_SIP)
		return;
	m = row->e->msg;
	for (size_t i = 0; i < (size_t)m->n_head + m->n_body; i++) {
		if (i == m->n_head)
			fprintf(to, "%*s:\n", TIME_WIDE + 2, "");
		story_say(v, story_line_text(m->line[i]), text, sizeof(text));
		fprintf(to, "%*s: %s%s\n", TIME_WIDE + 2, "", text,
			m->line[i] != NULL && m->line[i]->n >= STORY_LINE_MAX ? "..." : "");
	}
	if (m->cut)
		fprintf(to, "%*s: (more lines, not kept)\n", TIME_WIDE + 2, "");
}

static void put_row(FILE *to, const struct story_row *row, const struct cscf_story_view *v)
{
	char line[LADDER + 1], time[16];
	char said[sizeof(row->more[0]) + 2];

	lanes(line);
	snprintf(time, sizeof(time), "%*u", TIME_WIDE, row->at_ms);
	memcpy(line, time, TIME_WIDE);
	arrow(line, row);
	put_line(to, line, row->detail);
	lanes(line);
	for (size_t i = 0; i < row->n_more; i++) {
		snprintf(said, sizeof(said), "  %s", row->more[i]);
		put_line(to, line, said);
	}
	put_full(to, row, v);
}

/* ---- head and tail -----------------------------------------------------------------------------
 */

static void put_field(FILE *to, const char *name, const char *value)
{
	if (value[0] != '\0')
		fprintf(to, "%-10s %.*s\n", name, WIDTH - 11, value);
}

static void put_head(FILE *to, const struct cscf_story_call *c, const struct cscf_story_view *v)
{
	time_t t = (time_t)(c->began_wall_ms / 1000);
	char text[300], began[40];
	struct tm tm;

	if (c->id != GW_HANDLE_NONE)
		snprintf(text, sizeof(text), "%llu, %s", (unsigned long long)c->id,
			 c->from_wic ? "from the WIC" : "to the WIC");
	else
		snprintf(text, sizeof(text), "r%llu, %s", (unsigned long long)c->serial,
			 c->from_wic ? "from the WIC" : "to the WIC");
	put_field(to, "call", text);
	put_field(to, "Call-ID", story_line_text(c->call_id));
	put_field(to, "icid", story_line_text(c->icid));
	story_say(v, story_line_text(c->impu), text, sizeof(text));
	put_field(to, "user", text);
	(void)gmtime_r(&t, &tm);
	(void)strftime(began, sizeof(began), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ", began, (int)(c->began_wall_ms % 1000));
	put_field(to, "began", text);
	if (c->answered_ms != 0) {
		snprintf(text, sizeof(text), "after %u ms", c->answered_ms - 1);
		put_field(to, "answered", text);
	}
	if (c->ended_ms != 0) {
		snprintf(text, sizeof(text), "after %u ms, final answer to the caller %d",
			 c->ended_ms - 1, c->status);
		put_field(to, "ended", text);
	}
	story_outcome(c, text, sizeof(text));
	put_field(to, "outcome", text);
	fputc('\n', to);
}

static void say_ms(char *out, size_t n, uint32_t at_plus)
{
	if (at_plus == 0)
		snprintf(out, n, "never");
	else
		snprintf(out, n, "at %u ms", at_plus - 1);
}

/* As far as the receiver of that direction said. */
static void put_quality(FILE *to, const struct story_dir *d)
{
	if (d->rtt_us == 0 && d->mos_x100 == 0)
		return;
	fputs("            as received:", to);
	if (d->rtt_us != 0)
		fprintf(to, " round trip %u.%u ms", d->rtt_us / 1000, d->rtt_us / 100 % 10);
	if (d->mos_x100 != 0)
		fprintf(to, "%s MOS %u.%02u", d->rtt_us != 0 ? "," : "", d->mos_x100 / 100,
			d->mos_x100 % 100);
	fputc('\n', to);
}

static void put_direction(FILE *to, const char *name, const struct story_dir *d)
{
	char in[24], out[24], text[256];

	say_ms(in, sizeof(in), d->first_in_ms);
	say_ms(out, sizeof(out), d->first_out_ms);
	snprintf(
	    text, sizeof(text),
	    "  %-9s first in %s, first out %s; %llu packets, %llu octets, lost %llu, dropped %llu, "
	    "jitter %u",
	    name, in, out, (unsigned long long)d->packets, (unsigned long long)d->octets,
	    (unsigned long long)d->lost, (unsigned long long)d->dropped, d->jitter);
	fprintf(to, "%.*s\n", WIDTH, text);
	put_quality(to, d);
}

static void put_stream(FILE *to, const struct story_stream *s)
{
	char a[24], b[24];

	fprintf(to, "\nstream %u %s%s%.80s\n", s->id, s->kind != NULL ? s->kind : "",
		s->codecs != NULL ? ", codecs " : "", story_line_text(s->codecs));
	if (s->gates_known)
		fprintf(to, "  gates     to the core %s, to the WIC %s\n",
			s->gate_up ? "open" : "closed", s->gate_down ? "open" : "closed");
	if (!s->has_stats) {
		fputs("  (the AGW told no figures)\n", to);
		return;
	}
	say_ms(a, sizeof(a), s->ice_check_ms);
	say_ms(b, sizeof(b), s->ice_up_ms);
	fprintf(to, "  ICE       first check %s, nominated %s%s%s%s%s\n", a, b,
		s->remote != NULL ? ", " : "", story_line_text(s->local),
		s->remote != NULL && s->local != NULL ? " <-> " : "", story_line_text(s->remote));
	say_ms(a, sizeof(a), s->dtls_start_ms);
	fprintf(to, "  DTLS      as %s, started %s", s->dtls != NULL ? s->dtls : "?", a);
	if (s->dtls_up_ms != 0)
		fprintf(to, ", up after %u ms, %s, %s", s->dtls_up_ms - s->dtls_start_ms,
			story_line_text(s->version), story_line_text(s->profile));
	fputc('\n', to);
	put_direction(to, "to core", &s->up);
	put_direction(to, "to WIC", &s->down);
	if (s->core != NULL)
		fprintf(to, "  core      media goes to %s\n", story_line_text(s->core));
	if (!s->final)
		fprintf(to, "  (figures of %u ms)\n", s->stats_ms);
}

static void put_ladder_head(FILE *to)
{
	static const char *const names[LANES] = {"WIC", "eP-CSCF", "AGW", "core"};
	char line[LADDER + 8];

	memset(line, ' ', sizeof(line));
	line[TIME_WIDE - 2] = 'm';
	line[TIME_WIDE - 1] = 's';
	for (size_t i = 0; i < LANES; i++)
		for (size_t k = 0; names[i][k] != '\0'; k++)
			line[lane_at[i] - strlen(names[i]) / 2 + k] = names[i][k];
	fprintf(to, "%.*s\n", (int)(lane_at[STORY_L_CORE] + 2), line);
}

char *cscf_story_text(const struct cscf_story_call *c, const struct cscf_story_view *v)
{
	struct story_rows *rows;
	char *text = NULL;
	size_t n = 0;
	FILE *to;

	if (story_rows_new(&rows, c, v) != GW_OK)
		return NULL;
	to = open_memstream(&text, &n);
	if (to == NULL) {
		story_rows_free(rows);
		return NULL;
	}
	put_head(to, c, v);
	put_ladder_head(to);
	for (size_t i = 0; i < story_rows_count(rows); i++)
		put_row(to, story_row(rows, i), v);
	for (size_t i = 0; i < c->n_streams; i++)
		put_stream(to, &c->streams[i]);
	story_rows_free(rows);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	gw_plain_text(text, true); /* Call-ID, codecs: whatever is said of a peer's */
	return text;
}
