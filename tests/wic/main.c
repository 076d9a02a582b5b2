/* SPDX-License-Identifier: Apache-2.0 */
/* wicgate-wic: a native WebRTC IMS client for tests and measurements. See README.md and app.h. */
#include "tests/wic/app.h"
#include "tests/wic/call.h"
#include "tests/wic/dtls.h"
#include "tests/wic/link.h"
#include "tests/wic/self_test.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define GUARD_S 40 /* leaving may take so long */

static void arm(struct event *ev, double seconds)
{
	struct timeval tv = {.tv_sec = (time_t)seconds,
			     .tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};

	(void)event_add(ev, &tv);
}

/* --- the end -------------------------------------------------------------------------------- */

static void finish(struct wic_app *a)
{
	if (a->finishing)
		return;
	a->finishing = true;
	(void)event_del(a->start_timer);
	(void)event_del(a->call_timer);
	(void)event_del(a->hold_timer);
	arm(a->guard, GUARD_S);
	for (int i = 0; i < a->n_started; i++)
		wic_client_leave(a->clients[i]);
	if (a->n_gone == a->n_started)
		(void)event_base_loopbreak(a->base);
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
	struct wic_app *a = arg;

	(void)fd;
	(void)what;
	wic_report_problem(&a->report, "did not come to an end");
	a->report.by_error++;
	(void)event_base_loopbreak(a->base);
}

void wic_app_client_gone(struct wic_app *a, struct wic_client *c)
{
	(void)c;
	a->n_gone++;
	/* all lost, or all left */
	if (a->n_gone == a->n_started && (a->finishing || a->n_started == a->o.count))
		(void)event_base_loopbreak(a->base);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct wic_app *a = arg;

	(void)fd;
	(void)what;
	if (a->finishing)
		(void)event_base_loopbreak(a->base);
	a->report.interrupted = true;
	finish(a);
}

static void on_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg);
}

/* --- calls ---------------------------------------------------------------------------------- */

static void maybe_over(struct wic_app *a)
{
	const struct wic_options *o = &a->o;

	if (o->call != NULL && a->report.placed >= (unsigned)o->total && a->live_calls == 0)
		finish(a);
	if (o->call == NULL && o->calls > 0 && a->ended_calls >= (unsigned)o->calls &&
	    a->live_calls == 0)
		finish(a);
}

void wic_app_call_ended(struct wic_app *a)
{
	a->live_calls--;
	a->ended_calls++;
	maybe_over(a);
}

static struct wic_client *next_caller(struct wic_app *a)
{
	for (int i = 0; i < a->n_started; i++) {
		struct wic_client *c = a->clients[a->next_caller++ % (unsigned)a->n_started];

		if (c->registered && !c->leaving)
			return c;
	}
	return NULL;
}

static void on_call_due(evutil_socket_t fd, short what, void *arg)
{
	struct wic_app *a = arg;
	const struct wic_options *o = &a->o;
	struct wic_client *c;
	char uri[512];

	(void)fd;
	(void)what;
	if (a->finishing || a->report.placed >= (unsigned)o->total)
		return;
	arm(a->call_timer, 1 / o->rate);
	if (a->live_calls >= (unsigned)o->calls)
		return;
	c = next_caller(a);
	if (c == NULL) {
		wic_report_problem(&a->report, "nobody is registered");
		finish(a);
		return;
	}
	wic_options_number(uri, sizeof(uri), o->call, c->number);
	if (wic_call_place(c, uri) != GW_OK) {
		wic_report_problem(&a->report, "cannot place a call");
		a->report.call_failed++;
		finish(a);
	}
}

/* --- clients -------------------------------------------------------------------------------- */

static void all_settled(struct wic_app *a)
{
	const struct wic_options *o = &a->o;

	wic_event("all-registered", "count=%u failed=%u", a->report.registered,
		  a->report.register_failed);
	if (a->report.registered == 0)
		finish(a);
	else if (o->call != NULL)
		on_call_due(-1, 0, a);
	else if (o->hold_ms > 0 || (!o->answer && o->reject == 0))
		arm(a->hold_timer, (double)o->hold_ms / 1000);
}

void wic_app_registered(struct wic_app *a, struct wic_client *c, bool ok)
{
	(void)c;
	(void)ok;
	if (++a->n_settled == a->o.count)
		all_settled(a);
}

static void on_start_due(evutil_socket_t fd, short what, void *arg)
{
	struct wic_app *a = arg;
	struct wic_client *c = NULL;

	(void)fd;
	(void)what;
	if (a->finishing || a->n_started == a->o.count)
		return;
	if (wic_client_new(&c, a, a->o.first + a->n_started) != GW_OK) {
		wic_report_problem(&a->report, "cannot start client %d", a->n_started);
		a->report.register_failed++;
		finish(a);
		return;
	}
	a->clients[a->n_started++] = c;
	arm(a->start_timer, 1 / a->o.reg_rate);
}

/* --- the process ---------------------------------------------------------------------------- */

static void raise_descriptor_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int run(struct wic_app *a)
{
	struct event *term = evsignal_new(a->base, SIGTERM, on_signal, a);
	struct event *intr = evsignal_new(a->base, SIGINT, on_signal, a);

	a->start_timer = event_new(a->base, -1, 0, on_start_due, a);
	a->call_timer = event_new(a->base, -1, 0, on_call_due, a);
	a->hold_timer = event_new(a->base, -1, 0, on_hold_over, a);
	a->guard = event_new(a->base, -1, 0, on_guard, a);
	a->clients = calloc((size_t)a->o.count, sizeof(struct wic_client *));
	if (term == NULL || intr == NULL || a->start_timer == NULL || a->call_timer == NULL ||
	    a->hold_timer == NULL || a->guard == NULL || a->clients == NULL)
		return 1;
	(void)event_add(term, NULL);
	(void)event_add(intr, NULL);
	on_start_due(-1, 0, a);
	(void)event_base_dispatch(a->base);
	for (int i = 0; i < a->n_started; i++)
		wic_client_free(a->clients[i]);
	free(a->clients);
	event_free(term);
	event_free(intr);
	event_free(a->start_timer);
	event_free(a->call_timer);
	event_free(a->hold_timer);
	event_free(a->guard);
	return wic_report_ok(&a->report, &a->o) ? 0 : 1;
}

static int start(struct wic_app *a)
{
	int status = 1;

	if (wic_dtls_setup(a->o.dtls_profile) != GW_OK)
		(void)fprintf(stderr, "wicgate-wic: DTLS cannot be set up (--dtls-profile?)\n");
	else if (wic_link_setup(&a->o) != GW_OK)
		(void)fprintf(stderr, "wicgate-wic: %s: no such host, or bad --ca\n", a->o.host);
	else
		status = run(a);
	return status;
}

int main(int argc, char **argv)
{
	static struct wic_app a;
	int status = wic_options_parse(&a.o, argc, argv);

	if (status >= 0)
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	if (a.o.self_test)
		return wic_self_test(&a.o);
	raise_descriptor_limit();
	a.base = event_base_new();
	if (a.base == NULL)
		return 1;
	status = start(&a);
	if (a.report.first_problem != NULL)
		wic_event("problem", "what=\"%s\"", a.report.first_problem);
	if (a.o.json)
		wic_report_print_json(&a.report, &a.o);
	wic_report_fini(&a.report);
	wic_link_teardown();
	wic_dtls_teardown();
	event_base_free(a.base);
	return status;
}
