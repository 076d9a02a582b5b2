/* SPDX-License-Identifier: Apache-2.0 */
/* Event lines, sums, verdict, result object; see report.h. */
#include "tests/wic/report.h"

#include "tests/wic/options.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t wic_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void wic_event(const char *name, const char *fmt, ...)
{
	va_list ap;

	(void)printf("event=%s ", name);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

void wic_times_add(struct wic_times *t, double ms)
{
	if (t->n == t->size) {
		size_t size = t->size != 0 ? 2 * t->size : 64;
		double *grown = realloc(t->ms, size * sizeof(*grown));

		if (grown == NULL)
			return;
		t->ms = grown;
		t->size = size;
	}
	t->ms[t->n++] = ms;
}

void wic_report_problem(struct wic_report *r, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (r->first_problem != NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		r->first_problem = text;
	va_end(ap);
}

/* NULL = nothing to complain of. */
static const char *judge(const struct wic_options *o, const struct wic_media_stats *m)
{
	if (m->failed)
		return m->why;
	if (!o->media_expected)
		return NULL;
	if (!m->ice)
		return "no ICE pair";
	if (!m->dtls)
		return "no DTLS";
	if (m->corrupt > 0)
		return "corrupt payload";
	if (o->payload == WIC_PAYLOAD_NONE)
		return NULL;
	if (m->received == 0)
		return "no RTP received";
	if (o->payload == WIC_PAYLOAD_CHECK && o->expect_hz <= 0 &&
	    (double)m->lost * 100 > o->max_loss * (double)(m->sent > 0 ? m->sent : m->received))
		return "packets lost";
	return o->expect_hz > 0 && !m->tone ? "tone not heard" : NULL;
}

void wic_report_media(struct wic_report *r, const struct wic_options *o,
		      const struct wic_media_stats *m)
{
	struct wic_media_stats *sum = &r->media;
	const char *why = judge(o, m);

	sum->sent += m->sent;
	sum->received += m->received;
	sum->returned += m->returned;
	sum->lost += m->lost;
	sum->corrupt += m->corrupt;
	sum->reordered += m->reordered;
	sum->duplicate += m->duplicate;
	sum->clipped += m->clipped;
	sum->srtp_failed += m->srtp_failed;
	sum->foreign += m->foreign;
	sum->rtcp_in += m->rtcp_in;
	sum->rtcp_out += m->rtcp_out;
	if (r->media_ok + r->media_bad == 0 || m->tone_share < sum->tone_share)
		sum->tone_share = m->tone_share; /* the worst call's */
	if (m->profile != NULL)
		sum->profile = m->profile;
	if (m->ice)
		wic_times_add(&r->ice_ms, m->ice_ms);
	if (m->dtls)
		wic_times_add(&r->dtls_ms, m->dtls_ms);
	if (m->received > 0)
		wic_times_add(&r->first_rx_ms, m->first_rx_ms);
	if (m->received > 1)
		wic_times_add(&r->gap_ms, m->gap_ms);
	if (why == NULL) {
		r->media_ok++;
	} else {
		r->media_bad++;
		wic_report_problem(r, "media: %s", why);
	}
}

bool wic_report_ok(const struct wic_report *r, const struct wic_options *o)
{
	if (r->registered < (unsigned)o->count || r->register_failed > 0)
		return false;
	if (r->connection_lost > 0 || r->by_error > 0 || r->media_bad > 0)
		return false;
	if (o->call != NULL && o->cancel_ms > 0)
		return r->cancelled == (unsigned)o->total;
	if (o->call != NULL && !r->interrupted)
		return r->answered == (unsigned)o->total && r->call_failed == 0;
	if (o->reject != 0)
		return o->calls == 0 || r->rejected >= (unsigned)o->calls;
	if (o->answer && o->calls > 0)
		return r->answered >= (unsigned)o->calls;
	return r->call_failed == 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static json_t *times_json(const struct wic_times *t)
{
	double p50 = 0, p99 = 0, max = 0;

	if (t->n > 0) {
		qsort(t->ms, t->n, sizeof(*t->ms), compare);
		p50 = t->ms[(t->n - 1) / 2];
		p99 = t->ms[(t->n - 1) * 99 / 100];
		max = t->ms[t->n - 1];
	}
	return json_pack("{s:I,s:f,s:f,s:f}", "n", (json_int_t)t->n, "p50", p50, "p99", p99, "max",
			 max);
}

static json_t *media_json(const struct wic_report *r, const struct wic_options *o)
{
	const struct wic_media_stats *m = &r->media;
	json_t *j =
	    json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "sent",
		      (json_int_t)m->sent, "received", (json_int_t)m->received, "returned",
		      (json_int_t)m->returned, "lost", (json_int_t)m->lost, "corrupt",
		      (json_int_t)m->corrupt, "reordered", (json_int_t)m->reordered, "duplicate",
		      (json_int_t)m->duplicate, "clipped", (json_int_t)m->clipped, "srtp_failed",
		      (json_int_t)m->srtp_failed, "foreign", (json_int_t)m->foreign, "rtcp_in",
		      (json_int_t)m->rtcp_in, "rtcp_out", (json_int_t)m->rtcp_out);

	(void)json_object_set_new(j, "profile",
				  m->profile != NULL ? json_string(m->profile) : json_null());
	if (o->expect_hz > 0)
		(void)json_object_set_new(j, "tone_share", json_real(m->tone_share));
	(void)json_object_set_new(j, "ok", json_integer(r->media_ok));
	(void)json_object_set_new(j, "bad", json_integer(r->media_bad));
	return j;
}

void wic_report_print_json(const struct wic_report *r, const struct wic_options *o)
{
	json_t *j = json_pack(
	    "{s:b,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "ok", wic_report_ok(r, o),
	    "registered", (int)r->registered, "register_failed", (int)r->register_failed,
	    "deregistered", (int)r->deregistered, "connection_lost", (int)r->connection_lost,
	    "placed", (int)r->placed, "incoming", (int)r->incoming, "answered", (int)r->answered,
	    "failed", (int)r->call_failed, "cancelled", (int)r->cancelled, "rejected",
	    (int)r->rejected, "last_status", r->last_status, "interrupted", (int)r->interrupted);
	char *text;

	(void)json_object_set_new(j, "released",
				  json_pack("{s:i,s:i,s:i}", "local", (int)r->by_local, "remote",
					    (int)r->by_remote, "error", (int)r->by_error));
	(void)json_object_set_new(j, "media", media_json(r, o));
	(void)json_object_set_new(j, "register_ms", times_json(&r->register_ms));
	(void)json_object_set_new(j, "setup_ms", times_json(&r->setup_ms));
	(void)json_object_set_new(j, "ice_ms", times_json(&r->ice_ms));
	(void)json_object_set_new(j, "dtls_ms", times_json(&r->dtls_ms));
	(void)json_object_set_new(j, "first_rx_ms", times_json(&r->first_rx_ms));
	(void)json_object_set_new(j, "gap_ms", times_json(&r->gap_ms));
	(void)json_object_set_new(
	    j, "problem", r->first_problem != NULL ? json_string(r->first_problem) : json_null());
	text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(5));
	if (text != NULL)
		(void)puts(text);
	(void)fflush(stdout);
	free(text);
	json_decref(j);
}

void wic_report_fini(struct wic_report *r)
{
	free(r->register_ms.ms);
	free(r->setup_ms.ms);
	free(r->ice_ms.ms);
	free(r->dtls_ms.ms);
	free(r->first_rx_ms.ms);
	free(r->gap_ms.ms);
	free(r->first_problem);
	memset(r, 0, sizeof(*r));
}
