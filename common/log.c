/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event, built on the stack and written by one write(2). See log.h.
 */
#include "common/log.h"

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
static _Atomic int sink_fd = STDERR_FILENO;

void gw_log_init(const char *proc, enum gw_log_level level)
{
	(void)snprintf(proc_name, sizeof(proc_name), "%s", proc);
	gw_log_set_level(level);
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
	atomic_store_explicit(&sink_fd, fd, memory_order_relaxed);
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

static size_t clamp_printed(int printed, size_t room)
{
	if (printed < 0)
		return 0;
	return (size_t)printed < room ? (size_t)printed : room - 1;
}

void gw_log_write(enum gw_log_level level, const char *mod, const char *event, const char *fmt, ...)
{
	char raw[LINE_MAX_OCTETS];
	char line[LINE_MAX_OCTETS + 256];
	struct timespec now;
	struct tm tm;
	va_list ap;
	size_t n;
	size_t raw_n;
	ssize_t written;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += clamp_printed(
	    snprintf(line + n, sizeof(line) - n, ".%03ldZ level=%s proc=%s mod=%s event=%s ",
		     now.tv_nsec / 1000000L, level_names[level], proc_name, mod, event),
	    sizeof(line) - n);
	va_start(ap, fmt);
	raw_n = clamp_printed(vsnprintf(raw, sizeof(raw), fmt, ap), sizeof(raw));
	va_end(ap);
	n += escape(line + n, sizeof(line) - n - 1, raw, raw_n);
	line[n++] = '\n';
	/* A log that cannot be written must not stop the process; there is nobody to tell. */
	written = write(atomic_load_explicit(&sink_fd, memory_order_relaxed), line, n);
	(void)written;
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
