/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event, built on the stack and written at once or not at all (log_sink.h). See log.h.
 */
#include "common/log.h"

#include "common/fmt.h"
#include "common/log_sink.h"
#include "common/metric.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LINE_MAX_OCTETS 4096U
#define LIMIT_WINDOW_S  10
#define LIMIT_LINES     10U

static const char *const level_names[GW_LOG_LEVEL_COUNT] = {
    [GW_LOG_ERROR] = "error", [GW_LOG_WARN] = "warn",   [GW_LOG_INFO] = "info",
    [GW_LOG_DEBUG] = "debug", [GW_LOG_TRACE] = "trace",
};

static char proc_name[16] = "-";
static _Atomic int current_level = GW_LOG_INFO;

static _Atomic uint64_t missing; /* lines, since the last one that was written */
static _Atomic int64_t dropped;  /* lines, since the start */

static int64_t read_dropped(void *arg)
{
	(void)arg;
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static struct gw_metric log_metrics[] = {{.name = "log_lines_dropped_total",
					  .help = "Log lines that could not be written at once",
					  .type = GW_METRIC_COUNTER,
					  .read = read_dropped}};

void gw_log_init(const char *proc, enum gw_log_level level)
{
	(void)snprintf(proc_name, sizeof(proc_name), "%s", proc);
	gw_log_set_level(level);
	gw_log_sink_set(STDERR_FILENO);
	gw_metric_register(log_metrics, 1);
}

void gw_log_set_level(enum gw_log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum gw_log_level gw_log_level(void)
{
	return (enum gw_log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool gw_log_level_parse(const char *word, enum gw_log_level *out)
{
	for (unsigned i = 0; i < GW_LOG_LEVEL_COUNT; i++) {
		if (strcasecmp(word, level_names[i]) == 0) {
			*out = (enum gw_log_level)i;
			return true;
		}
	}
	return false;
}

void gw_log_set_fd(int fd)
{
	gw_log_sink_set(fd);
}

bool gw_log_enabled(enum gw_log_level level)
{
	return level <= gw_log_level();
}

/* Escape control characters so that no value can begin a line of its own. */
static size_t escape(char *out, size_t room, const char *in, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c >= 0x20 && c != 0x7f) {
			if (o + 1 > room)
				break;
			out[o++] = in[i];
		} else {
			if (o + 4 > room)
				break;
			out[o++] = '\\';
			out[o++] = 'x';
			out[o++] = hex[c >> 4];
			out[o++] = hex[c & 15];
		}
	}
	return o;
}

static size_t clamp_printed(size_t printed, size_t room)
{
	return printed < room ? printed : room - 1;
}

/* "2026-11-22T10:00:00.123Z"; the calendar is asked once a second. @return octets written */
static size_t put_time(char *out, size_t room)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char text[24];
	struct timespec now;
	struct tm tm;
	unsigned ms;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second) {
		(void)gmtime_r(&now.tv_sec, &tm);
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		second = now.tv_sec;
	}
	ms = (unsigned)(now.tv_nsec / 1000000L);
	return clamp_printed(gw_fmt(out, room, "%s.%c%c%cZ", text, '0' + (int)(ms / 100),
				    '0' + (int)(ms / 10 % 10), '0' + (int)(ms % 10)),
			     room);
}

/* Lines are missing: say so first. @return false: there is still no room */
static bool tell_missing(void)
{
	uint64_t lines = atomic_load_explicit(&missing, memory_order_relaxed);
	char text[192];
	size_t n;

	if (lines == 0)
		return true;
	n = put_time(text, sizeof(text));
	n += clamp_printed(gw_fmt(text + n, sizeof(text) - n,
				  " level=warn proc=%s mod=log event=log.dropped lines=%llu\n",
				  proc_name, (unsigned long long)lines),
			   sizeof(text) - n);
	if (!gw_log_sink_write(text, n))
		return false;
	atomic_fetch_sub_explicit(&missing, lines, memory_order_relaxed);
	return true;
}

void gw_log_write(enum gw_log_level level, const char *mod, const char *event, const char *fmt, ...)
{
	GW_UNINIT char raw[LINE_MAX_OCTETS];
	GW_UNINIT char line[LINE_MAX_OCTETS + 256];
	va_list ap;
	size_t n;
	size_t raw_n;

	n = put_time(line, sizeof(line));
	n += clamp_printed(gw_fmt(line + n, sizeof(line) - n, " level=%s proc=%s mod=%s event=%s ",
				  level_names[level], proc_name, mod, event),
			   sizeof(line) - n);
	va_start(ap, fmt);
	raw_n = clamp_printed(gw_vfmt(raw, sizeof(raw), fmt, ap), sizeof(raw));
	va_end(ap);
	n += escape(line + n, sizeof(line) - n - 1, raw, raw_n);
	line[n++] = '\n';
	if (!tell_missing() || !gw_log_sink_write(line, n)) {
		atomic_fetch_add_explicit(&missing, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
	}
}

bool gw_log_limit_pass(struct gw_log_limit *limit, unsigned *suppressed)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec - limit->window_start >= LIMIT_WINDOW_S) {
		limit->window_start = now.tv_sec;
		limit->seen = 0;
	}
	if (++limit->seen > LIMIT_LINES) {
		limit->suppressed++;
		return false;
	}
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
