/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured logs: one line per event, `key=value`, in a fixed order:
 *
 *   2026-11-22T10:00:00.123Z level=info proc=cscf mod=registrar event=reg.accepted impu=… …
 *
 * A file defines GW_LOG_MOD before it logs. Values from a peer go in quotes ("reason=\"%s\"");
 * control characters of the whole line are escaped at the sink, so a peer cannot forge a line.
 * Never logged: tokens, keys, ICE passwords, digest responses.
 * Identity is added by object: a domain object has one function that prints its identity keys
 * (call_id icid impu agw ctx leg), and macros of its module call it.
 * Thread: any; a line is written by one write(2). Not on the media path: counters are for that.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum gw_log_level {
	GW_LOG_ERROR, /* an operator must act */
	GW_LOG_WARN,  /* unexpected, handled, counted */
	GW_LOG_INFO,  /* a registration, call, context or AGW began, changed, ended */
	GW_LOG_DEBUG, /* one line per SIP or Iq message */
	GW_LOG_TRACE, /* headers and SDP, secrets masked */
	GW_LOG_LEVEL_COUNT
};

/** Set process name ("cscf") and level; before any thread starts. Default: "-", info, stderr. */
void gw_log_init(const char *proc, enum gw_log_level level);
/** Change the level at run time. */
void gw_log_set_level(enum gw_log_level level);
enum gw_log_level gw_log_level(void);
/** Parse "error" … "trace". @return false when unknown */
bool gw_log_level_parse(const char *word, enum gw_log_level *out);
/** Where lines go: a file descriptor that stays ours to close (default 2). */
void gw_log_set_fd(int fd);

bool gw_log_enabled(enum gw_log_level level);
void gw_log_write(enum gw_log_level level, const char *mod, const char *event, const char *fmt, ...)
    GW_PRINTF(4, 5);

/* GW_LOG(GW_LOG_INFO, "reg.accepted", "impu=%s expires_s=%u", …); GW_LOG_MOD names the module */
#define GW_LOG(level, event, ...)                                                                  \
	do {                                                                                       \
		if (gw_log_enabled(level))                                                         \
			gw_log_write((level), GW_LOG_MOD, (event), __VA_ARGS__);                   \
	} while (0)

/* Per call site: at most 10 lines in 10 s, then silence and "suppressed=N" on the next one. */
struct gw_log_limit {
	time_t window_start;
	unsigned seen;
	unsigned suppressed;
};
bool gw_log_limit_pass(struct gw_log_limit *limit, unsigned *suppressed);

/* For what a hostile peer can trigger at will. Loop threads only: the state is not atomic. */
#define GW_LOG_LIMITED(level, event, fmt, ...)                                                     \
	do {                                                                                       \
		static _Thread_local struct gw_log_limit limit_;                                   \
		unsigned suppressed_ = 0;                                                          \
		if (gw_log_enabled(level) && gw_log_limit_pass(&limit_, &suppressed_))             \
			gw_log_write((level), GW_LOG_MOD, (event), fmt " suppressed=%u",           \
				     ##__VA_ARGS__, suppressed_);                                  \
	} while (0)

#endif
