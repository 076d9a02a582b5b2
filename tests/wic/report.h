/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened: event lines on stdout (`event=registered client=3 ms=12`) that a test can await,
 * and the sums behind the result object and the exit status.
 */
#ifndef TESTS_WIC_REPORT_H
#define TESTS_WIC_REPORT_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wic_options;

struct wic_times {
	double *ms; /* owned */
	size_t n, size;
};

/* What one media session saw; see media.h. */
struct wic_media_stats {
	uint64_t sent, received, returned; /* returned: our own packets, come back */
	uint64_t lost, corrupt, reordered, duplicate;
	uint64_t clipped; /* sent before the first one came back */
	uint64_t srtp_failed, foreign, rtcp_in, rtcp_out;
	double ice_ms, dtls_ms, first_rx_ms; /* since the session started; 0 = never */
	double gap_ms;                       /* longest time between two packets received */
	double tone_share; /* of the energy received, in the expected tone; best second */
	const char *profile;
	bool ice, dtls, tone, failed;
	const char *why; /* when failed */
};

struct wic_report {
	unsigned clients, registered, register_failed, deregistered, connection_lost;
	unsigned placed, incoming, answered, call_failed, cancelled, rejected;
	unsigned by_local, by_remote, by_error;
	unsigned media_ok, media_bad;
	int last_status;
	char *first_problem;          /* owned */
	struct wic_media_stats media; /* sums */
	struct wic_times register_ms, setup_ms, ice_ms, dtls_ms, first_rx_ms, gap_ms;
	bool interrupted;
};

int64_t wic_now_us(void);

/** One line on stdout, flushed: "event=NAME …". */
void wic_event(const char *name, const char *fmt, ...) GW_PRINTF(2, 3);

void wic_times_add(struct wic_times *t, double ms);
/** Add a call's media to the sums, and judge it by the options. */
void wic_report_media(struct wic_report *r, const struct wic_options *o,
		      const struct wic_media_stats *m);
/** Remember the first thing that went wrong. */
void wic_report_problem(struct wic_report *r, const char *fmt, ...) GW_PRINTF(2, 3);

/** Did everything that was asked for succeed? */
bool wic_report_ok(const struct wic_report *r, const struct wic_options *o);
void wic_report_print_json(const struct wic_report *r, const struct wic_options *o);
void wic_report_fini(struct wic_report *r);

#endif
