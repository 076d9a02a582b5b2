/* SPDX-License-Identifier: Apache-2.0 */
/* Phases of calls; see load_call.h. Every second call comes from the core. */
#include "tests/bench/load_call.h"

#include "tests/bench/load_check.h"
#include "tests/bench/load_series.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_MS   20
#define CHECKS_MAX 50

enum phase { NONE, CALLS, RAISE, CLEAR };

struct load_call_options load_call_opt = {.own_ip = "127.1.0.1"};

static struct {
	enum phase what;
	unsigned rate, most, up_wanted;
	int hold_ms;
	int64_t begin_us, end_us;
	unsigned long started, done, refused, lost, wrong;
	char why[48];
	struct load_series mo, mt, media;
} ph;

static unsigned busy; /* calls that are not over */
static unsigned in_setup;
static unsigned serial;
static int sock = -1;
static struct event sock_ev;
static struct sockaddr_in core;
static unsigned own_port;

unsigned load_call_port(void)
{
	return own_port;
}

static void on_datagram(evutil_socket_t fd, short what, void *arg);

/* --- one call's end and its marks --- */

static void on_call_timer(evutil_socket_t fd, short what, void *arg)
{
	struct load_call *k = arg;

	(void)fd;
	(void)what;
	if (k->up && !k->mt && !k->ending)
		load_call_hang_up(k);
	else
		load_call_over(k, LOAD_CALL_LOST);
}

static void on_check_timer(evutil_socket_t fd, short what, void *arg)
{
	struct load_call *k = arg;

	(void)fd;
	(void)what;
	if (k->checks < CHECKS_MAX)
		load_call_check(k);
	else if (k->fault == NULL)
		k->fault = "no-ice";
}

static bool start(bool mt)
{
	struct load_conn *c = load_idle();
	struct load_call *k;

	if (c == NULL)
		return false;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		abort();
	k->c = c;
	c->call = k;
	k->serial = ++serial;
	k->mt = mt;
	k->hold_ms = ph.hold_ms;
	evtimer_assign(&k->timer, load_base, on_call_timer, k);
	evtimer_assign(&k->check, load_base, on_check_timer, k);
	load_call_init(k);
	busy++;
	in_setup++;
	ph.started++;
	if (!mt) {
		load_call_place(k);
	} else {
		struct timeval patience = {.tv_sec = 10};
		char text[80];
		int n =
		    snprintf(text, sizeof(text), "MT %s%u %d", load_opt.prefix, c->id, k->hold_ms);

		event_add(&k->timer, &patience);
		(void)sendto(sock, text, (size_t)n, 0, (struct sockaddr *)&core, sizeof(core));
	}
	return true;
}

void load_call_up(struct load_call *k)
{
	in_setup--;
	load_series_add(k->mt ? &ph.mt : &ph.mo, k->setup_us);
	load_kick();
}

void load_call_over(struct load_call *k, enum load_call_end how)
{
	if (k->media_us == 0) /* its answer may be here, not yet read */
		on_datagram(sock, 0, NULL);
	if (how == LOAD_CALL_OK && k->fault == NULL && k->media_us == 0)
		k->fault = "no-ice";
	if (how == LOAD_CALL_OK && k->fault != NULL)
		how = LOAD_CALL_WRONG;
	if (how != LOAD_CALL_OK)
		snprintf(ph.why, sizeof(ph.why), "%s %s", k->mt ? "mt" : "mo",
			 k->fault != NULL ? k->fault : "silence");
	ph.done += how == LOAD_CALL_OK;
	ph.refused += how == LOAD_CALL_REFUSED;
	ph.lost += how == LOAD_CALL_LOST;
	ph.wrong += how == LOAD_CALL_WRONG;
	if (!k->up)
		in_setup--;
	busy--;
	event_del(&k->timer);
	event_del(&k->check);
	event_del(&k->rung);
	k->c->call = NULL;
	free(k);
	load_kick();
}

/* --- the ICE check --- */

void load_call_check(struct load_call *k)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k->gate.port)};
	struct timeval again = {.tv_usec = CHECK_MS * 1000};
	char ufrag[16];
	uint8_t buf[256];
	size_t n;

	if (inet_pton(AF_INET, k->gate.ip, &to.sin_addr) != 1) {
		k->fault = "candidate-address";
		return;
	}
	snprintf(ufrag, sizeof(ufrag), "b%07x", k->serial & 0xfffffff);
	n = load_check_write(buf, &k->gate, ufrag, (uint64_t)k->serial << 32 | k->c->id);
	k->checks++;
	(void)sendto(sock, buf, n, 0, (struct sockaddr *)&to, sizeof(to));
	event_add(&k->check, &again);
}

static void take_check(uint64_t id)
{
	struct load_conn *c = load_client((unsigned)(id & 0xffffffff));
	struct load_call *k = c != NULL ? c->call : NULL;

	if (k == NULL || k->serial != (unsigned)(id >> 32) || k->media_us != 0)
		return;
	k->media_us = load_now_us() - k->invite_us - k->ring_us;
	load_series_add(&ph.media, k->media_us);
	event_del(&k->check);
}

static void take_failure(const char *text)
{
	size_t skip = strlen(load_opt.prefix);
	unsigned id = 0;
	int status = 0;
	struct load_conn *c;

	if (strncmp(text, "FAIL ", 5) == 0 && strncmp(text + 5, load_opt.prefix, skip) == 0 &&
	    sscanf(text + 5 + skip, "%u %d", &id, &status) == 2 && (c = load_client(id)) != NULL &&
	    c->call != NULL && c->call->mt)
		load_call_failed(c->call, status);
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
	uint8_t buf[2048];
	uint64_t id;
	ssize_t n;

	(void)what;
	(void)arg;
	while ((n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)) > 0) {
		if (load_check_read(buf, (size_t)n, &id)) {
			take_check(id);
		} else if (buf[0] == 'F') {
			buf[n] = '\0';
			take_failure((const char *)buf);
		}
	}
}

bool load_calls_start(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	char host[64];
	unsigned port;
	int size = 4 << 20;

	if (load_call_opt.core == NULL)
		return true;
	core.sin_family = AF_INET;
	if (sscanf(load_call_opt.core, "%63[^:]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &core.sin_addr) != 1)
		return false;
	core.sin_port = htons((uint16_t)port);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (sock < 0 || inet_pton(AF_INET, load_call_opt.own_ip, &at.sin_addr) != 1 ||
	    bind(sock, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(sock, (struct sockaddr *)&at, &len) != 0)
		return false;
	own_port = ntohs(at.sin_port);
	event_assign(&sock_ev, load_base, sock, EV_READ | EV_PERSIST, on_datagram, NULL);
	return event_add(&sock_ev, NULL) == 0;
}

/* --- phases --- */

static void report(const char *name)
{
	double s = (double)(load_now_us() - ph.begin_us) / 1e6;

	load_series_sort(&ph.mo);
	load_series_sort(&ph.mt);
	load_series_sort(&ph.media);
	printf("{\"event\":\"%s\",\"done\":%lu,\"refused\":%lu,\"lost\":%lu,\"wrong\":%lu,"
	       "\"why\":\"%s\",\"seconds\":%.3f,\"up\":%u,\"mo_p50_ms\":%.2f,\"mo_p99_ms\":%.2f,"
	       "\"mt_p50_ms\":%.2f,\"mt_p99_ms\":%.2f,\"media_p50_ms\":%.2f,"
	       "\"media_p99_ms\":%.2f}\n",
	       name, ph.done, ph.refused, ph.lost, ph.wrong, ph.why, s, busy,
	       load_series_at(&ph.mo, 0.5), load_series_at(&ph.mo, 0.99),
	       load_series_at(&ph.mt, 0.5), load_series_at(&ph.mt, 0.99),
	       load_series_at(&ph.media, 0.5), load_series_at(&ph.media, 0.99));
	fflush(stdout);
	ph.what = NONE;
}

static bool next_is_mt(void)
{
	return ph.started % 2 == 1;
}

void load_calls_go_on(void)
{
	int64_t now = load_now_us();

	switch (ph.what) {
	case NONE:
		return;
	case CALLS:
		if (ph.rate > 0)
			while (now < ph.end_us &&
			       ph.started < (double)(now - ph.begin_us) * ph.rate / 1e6)
				if (!start(next_is_mt()))
					break;
		while (ph.rate == 0 && now < ph.end_us && busy < ph.most)
			if (!start(next_is_mt()))
				break;
		if (now >= ph.end_us && busy == 0)
			report("calls");
		return;
	case RAISE:
		while (busy < ph.up_wanted && in_setup < ph.most)
			if (!start(next_is_mt()))
				break;
		if (busy >= ph.up_wanted && in_setup == 0)
			report("raise");
		return;
	case CLEAR:
		if (busy == 0)
			report("clear");
		return;
	}
}

static void begin(enum phase what, double seconds)
{
	struct load_series mo = ph.mo, mt = ph.mt, media = ph.media;

	memset(&ph, 0, sizeof(ph));
	ph.mo = mo;
	ph.mt = mt;
	ph.media = media;
	ph.mo.n = ph.mt.n = ph.media.n = 0;
	ph.what = what;
	ph.begin_us = load_now_us();
	ph.end_us = ph.begin_us + (int64_t)(seconds * 1e6);
}

static void clear_all(void)
{
	struct load_conn *c;

	for (unsigned i = 0; (c = load_client(i)) != NULL; i++)
		if (c->call != NULL)
			load_call_hang_up(c->call);
}

bool load_calls_command(const char *line)
{
	unsigned n = 0, m = 0, ring = 0;
	double s = 0;
	int hold = 0;

	if (sscanf(line, "calls %lf %u %u %d %u", &s, &n, &m, &hold, &ring) == 5) {
		begin(CALLS, s);
		ph.rate = n;
		ph.most = m;
		ph.hold_ms = hold;
		load_call_opt.ring_ms = ring;
	} else if (sscanf(line, "raise %u %u", &n, &m) == 2) {
		begin(RAISE, 0);
		ph.up_wanted = n;
		ph.most = m;
		ph.hold_ms = -1;
		load_call_opt.ring_ms = 0;
	} else if (strcmp(line, "clear") == 0) {
		begin(CLEAR, 0);
		clear_all();
	} else {
		return false;
	}
	load_calls_go_on();
	return true;
}
