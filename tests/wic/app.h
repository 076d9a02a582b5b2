/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run: which client starts when, who calls whom, when it is over. One process, one loop.
 *
 *   clients start one by one ──> all registered ──> calls (or waiting) ──> everybody hangs up,
 *   deregisters and closes ──> result
 */
#ifndef TESTS_WIC_APP_H
#define TESTS_WIC_APP_H

#include "tests/wic/options.h"
#include "tests/wic/report.h"

struct event;
struct event_base;
struct wic_call;
struct wic_client;

struct wic_app {
	struct wic_options o;
	struct event_base *base;
	struct wic_report report;
	struct wic_client **clients;      /* owned */
	int n_started, n_settled, n_gone; /* started; registered or failed; finished */
	unsigned live_calls, ended_calls, next_caller;
	bool finishing;
	struct event *start_timer, *call_timer, *hold_timer, *guard; /* owned */
};

/* What clients and calls tell the run. */
void wic_app_registered(struct wic_app *a, struct wic_client *c, bool ok);
void wic_app_client_gone(struct wic_app *a, struct wic_client *c);
void wic_app_call_ended(struct wic_app *a);

#endif
