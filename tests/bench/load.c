/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on stdin, one at a time, each answered by one JSON line on stdout when it is done:
 *
 *   connect N MOST          open clients 0..N-1 and register each; who fails comes again
 *   more N MOST             the same for those up to N-1 that are not open yet
 *   refresh S MOST HOW      REGISTER on open connections, so many at a time (closed loop);
 *                               HOW: digest (challenge, answer) or plain (credentials at once)
 *   pace S RATE HOW             the same at a rate (open loop)
 *   storm S MOST            new connections: TCP, TLS, Upgrade, two REGISTERs, close
 *   probe S MS                  a keep-alive on client 0 every MS
 *   crash PERCENT SPREAD_MS     reset so many at once; each comes again after a random part of
 *                               SPREAD_MS, then with back-off; done when all are registered
 *   hold S                      keep what is open
 *   calls S RATE MOST HOLD_MS RING_MS   calls both ways at a rate, or (0) so many at a time
 *   raise N MOST                until N calls are up, at most so many in their set-up
 *   clear                       hang all up
 *   quit
 *
 * Back-off: Retry-After and a random second, else 1 s doubling to 16 s, each times 0.5 to 1.5.
 */
#include "tests/bench/load.h"

#include "tests/bench/load_call.h"
#include "tests/bench/load_series.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS   16000
#define TICK_MS          5
#define CONNECTING_MAX   300 /* we are one process: more would time out waiting for us alone */

enum mode { IDLE, CONNECT, REFRESH, PACE, STORM, PROBE, CRASH, HOLD };

struct load_options load_opt = {
    .path = "/sip",
    .origin = "https://portal.ims.test",
    .domain = "ims.test",
    .prefix = "load",
    .source = 0x7f010001, /* 127.1.0.1 */
    .per_source = 40,
    .expires = 3600,
};
struct event_base *load_base;
unsigned long load_resumed, load_full;
unsigned load_connecting;

static struct {
	enum mode mode;
	const char *name;
	unsigned most, rate;
	bool plain;
	int64_t begin_us, end_us;
	unsigned busy, next;
	unsigned long done, refused, lost, started;
	struct load_series took;
} ph;

static struct load_conn *conns;
static unsigned n_conns, n_all; /* of the fleet; with the clients of storms */
static unsigned registered;
static struct event *kick;

int64_t load_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* --- results --- */

static void report(void)
{
	double s = (double)(load_now_us() - ph.begin_us) / 1e6;

	load_series_sort(&ph.took);
	printf("{\"event\":\"%s\",\"done\":%lu,\"refused\":%lu,\"lost\":%lu,\"seconds\":%.3f,"
	       "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,\"registered\":%u,\"resumed\":%lu,"
	       "\"full\":%lu}\n",
	       ph.name, ph.done, ph.refused, ph.lost, s, load_series_at(&ph.took, 0.5),
	       load_series_at(&ph.took, 0.99), load_series_at(&ph.took, 1), registered,
	       load_resumed, load_full);
	fflush(stdout);
	ph.mode = IDLE;
}

/* --- what is done when --- */

static unsigned fleet_registered(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_conns; i++)
		n += conns[i].registered;
	return n;
}

void load_retry(evutil_socket_t fd, short what, void *arg)
{
	struct timeval soon = {.tv_usec = 10000 + rand() % 10000};
	struct load_conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == LOAD_CLOSED && load_connecting >= CONNECTING_MAX)
		event_add(&c->retry, &soon);
	else if (c->state == LOAD_CLOSED)
		load_conn_open(c);
	else if (!c->busy)
		load_conn_register(c, false);
}

static void come_again(struct load_conn *c)
{
	double ms = c->retry_after > 0 ? 1000.0 * c->retry_after + rand() % 1000
				       : BACKOFF_FIRST_MS * (0.5 + rand() / (double)RAND_MAX);
	struct timeval tv;

	if (c->retry_after == 0)
		for (unsigned i = 0; i < c->failures && ms < BACKOFF_MAX_MS; i++)
			ms *= 2;
	c->failures++;
	tv = (struct timeval){.tv_sec = (long)ms / 1000, .tv_usec = (long)ms % 1000 * 1000};
	event_add(&c->retry, &tv);
}

void load_done(struct load_conn *c, enum load_result how)
{
	bool ours = ph.mode != IDLE && ph.mode != HOLD;

	load_kick();
	if (ph.busy > 0)
		ph.busy--;
	if (how == LOAD_OK) {
		c->failures = 0;
		if (ours) {
			ph.done++;
			load_series_add(&ph.took, load_now_us() - c->started_us);
		}
		if (ph.mode == STORM)
			c->closing = true;
		return;
	}
	if (how == LOAD_REFUSED)
		ph.refused++;
	else
		ph.lost++;
	if (ph.mode != STORM && c->id < n_conns)
		come_again(c);
}

/* Next idle client of the fleet; NULL: none. */
struct load_conn *load_idle(void)
{
	for (unsigned i = 0; i < n_conns; i++) {
		struct load_conn *c = &conns[ph.next];

		ph.next = (ph.next + 1) % n_conns;
		if (c->state == LOAD_OPEN && !c->busy && c->registered && c->call == NULL)
			return c;
	}
	return NULL;
}

struct load_conn *load_client(unsigned id)
{
	return id < n_all ? &conns[id] : NULL;
}

void load_kick(void)
{
	event_active(kick, 0, 0);
}

static void start_refresh(unsigned most)
{
	while (ph.busy < most) {
		struct load_conn *c = load_idle();

		if (c == NULL)
			return;
		ph.busy++;
		ph.started++;
		load_conn_register(c, ph.plain);
	}
}

static void start_storm(void)
{
	for (unsigned i = n_conns; i < n_conns + ph.most; i++) {
		struct load_conn *c = &conns[i];

		if (c->closing)
			load_conn_close(c, true);
		c->closing = false;
		if (c->state != LOAD_CLOSED && !c->busy) /* refused */
			load_conn_close(c, false);
		if (c->state == LOAD_CLOSED && load_now_us() < ph.end_us) {
			ph.busy++;
			load_conn_open(c);
		}
	}
}

static void go_on(void)
{
	int64_t now = load_now_us();
	bool over = now >= ph.end_us;

	switch (ph.mode) {
	case IDLE:
		return;
	case CONNECT:
		while (ph.busy < ph.most && ph.next < n_conns) {
			ph.busy++;
			load_conn_open(&conns[ph.next++]);
		}
		registered = fleet_registered();
		over = registered == n_conns;
		break;
	case CRASH:
		registered = fleet_registered();
		over = registered == n_conns;
		break;
	case REFRESH:
		if (!over)
			start_refresh(ph.most);
		over = over && ph.busy == 0;
		break;
	case PACE:
		if (!over) {
			unsigned long due =
			    (unsigned long)((double)(now - ph.begin_us) * ph.rate / 1e6);

			if (due > ph.started)
				start_refresh(ph.busy + (unsigned)(due - ph.started));
		}
		over = over && ph.busy == 0;
		break;
	case STORM:
		start_storm();
		over = over && ph.busy == 0;
		break;
	case PROBE:
		if (!over && !conns[0].busy && now >= ph.begin_us + (int64_t)ph.started * ph.rate) {
			ph.started++;
			ph.busy++;
			load_conn_probe(&conns[0]);
		}
		over = over && ph.busy == 0;
		break;
	case HOLD:
		break;
	}
	if (over) {
		registered = fleet_registered();
		report();
	}
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	load_calls_go_on();
	if (ph.mode != CONNECT && ph.mode != CRASH)
		go_on();
	else if (ph.mode == CONNECT && ph.next < n_conns)
		go_on();
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	load_calls_go_on();
	go_on();
}

/* --- commands --- */

static void begin(enum mode mode, const char *name, double seconds)
{
	struct load_series took = ph.took;

	memset(&ph, 0, sizeof(ph));
	took.n = 0;
	ph.took = took;
	ph.mode = mode;
	ph.name = name;
	ph.begin_us = load_now_us();
	ph.end_us = ph.begin_us + (int64_t)(seconds * 1e6);
	load_resumed = load_full = 0;
}

static void crash(unsigned percent, unsigned spread_ms)
{
	for (unsigned i = 0; i < n_conns; i++) {
		unsigned ms = spread_ms > 0 ? (unsigned)rand() % spread_ms : 0;
		struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

		if (i % 100 >= percent)
			continue;
		load_conn_close(&conns[i], false);
		event_add(&conns[i].retry, &tv);
	}
}

static void command(const char *line)
{
	char word[16] = "", how[16] = "";
	double s = 0;
	unsigned n = 0, m = 0;

	if (load_calls_command(line))
		return;
	if (sscanf(line, "connect %u %u", &n, &m) == 2 && n <= n_all) {
		begin(CONNECT, "connect", 0);
		n_conns = n;
		ph.most = m;
	} else if (sscanf(line, "more %u %u", &n, &m) == 2 && n <= n_all && n >= n_conns) {
		begin(CONNECT, "more", 0);
		ph.next = n_conns;
		n_conns = n;
		ph.most = m;
	} else if (sscanf(line, "refresh %lf %u %15s", &s, &n, how) == 3) {
		begin(REFRESH, "refresh", s);
		ph.most = n;
		ph.plain = strcmp(how, "plain") == 0;
	} else if (sscanf(line, "pace %lf %u %15s", &s, &n, how) == 3) {
		begin(PACE, "pace", s);
		ph.rate = n;
		ph.plain = strcmp(how, "plain") == 0;
	} else if (sscanf(line, "storm %lf %u", &s, &n) == 2 && n_conns + n <= n_all) {
		begin(STORM, "storm", s);
		ph.most = n;
	} else if (sscanf(line, "probe %lf %u", &s, &n) == 2 && n_conns > 0) {
		begin(PROBE, "probe", s);
		ph.rate = n * 1000;
	} else if (sscanf(line, "crash %u %u", &n, &m) == 2) {
		begin(CRASH, "crash", 0);
		crash(n, m);
	} else if (sscanf(line, "hold %lf", &s) == 1) {
		begin(HOLD, "hold", s);
	} else if (sscanf(line, "%15s", word) == 1 && strcmp(word, "quit") == 0) {
		event_base_loopbreak(load_base);
		return;
	} else {
		printf("{\"event\":\"error\",\"line\":\"%s\"}\n", line);
		fflush(stdout);
		return;
	}
	go_on();
}

static void on_stdin(struct bufferevent *in, void *arg)
{
	char *line;

	(void)arg;
	while ((line = evbuffer_readln(bufferevent_get_input(in), NULL, EVBUFFER_EOL_LF)) != NULL) {
		command(line);
		free(line);
	}
}

static void on_stdin_end(struct bufferevent *in, short what, void *arg)
{
	(void)in;
	(void)what;
	(void)arg;
	event_base_loopbreak(load_base);
}

/* --- start --- */

static void read_options(int argc, char **argv)
{
	/* clang-format off */
	static const struct option names[] = {
		{"server", 1, NULL, 's'}, {"clients", 1, NULL, 'c'}, {"prefix", 1, NULL, 'p'},
		{"source", 1, NULL, 'a'}, {"per-source", 1, NULL, 'n'}, {"expires", 1, NULL, 'e'},
		{"resume", 0, NULL, 'r'}, {"tls-only", 0, NULL, 't'},
		{"core", 1, NULL, 'C'}, {"media", 1, NULL, 'M'}, {NULL, 0, NULL, 0},
	};
	/* clang-format on */
	char host[64];
	unsigned port = 0;
	int o;

	n_all = 1000;
	while ((o = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (o) {
		case 's':
			load_opt.server.sin_family = AF_INET;
			if (sscanf(optarg, "%63[^:]:%u", host, &port) != 2 ||
			    inet_pton(AF_INET, host, &load_opt.server.sin_addr) != 1)
				exit(2);
			load_opt.server.sin_port = htons((uint16_t)port);
			break;
		case 'c':
			n_all = (unsigned)atoi(optarg);
			break;
		case 'p':
			load_opt.prefix = optarg;
			break;
		case 'a':
			load_opt.source = ntohl(inet_addr(optarg));
			break;
		case 'n':
			load_opt.per_source = (unsigned)atoi(optarg);
			break;
		case 'e':
			load_opt.expires = (unsigned)atoi(optarg);
			break;
		case 'r':
			load_opt.resume = true;
			break;
		case 't':
			load_opt.tls_only = true;
			break;
		case 'C':
			load_call_opt.core = optarg;
			break;
		case 'M':
			load_call_opt.media = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (port == 0 || load_opt.per_source == 0)
		exit(2);
}

int main(int argc, char **argv)
{
	struct rlimit fds;
	struct timeval tick = {.tv_usec = TICK_MS * 1000};
	struct bufferevent *in;
	struct event *ticker;

	read_options(argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0) {
		fds.rlim_cur = fds.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &fds);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	load_base = event_base_new();
	conns = calloc(n_all, sizeof(*conns));
	if (load_base == NULL || conns == NULL || !load_tls_setup())
		return 1;
	for (unsigned i = 0; i < n_all; i++)
		load_conn_init(&conns[i], i);
	kick = event_new(load_base, -1, 0, on_kick, NULL);
	ticker = event_new(load_base, -1, EV_PERSIST, on_tick, NULL);
	in = bufferevent_socket_new(load_base, 0, 0);
	if (kick == NULL || ticker == NULL || in == NULL || !load_calls_start())
		return 1;
	bufferevent_setcb(in, on_stdin, NULL, on_stdin_end, NULL);
	bufferevent_enable(in, EV_READ);
	event_add(ticker, &tick);
	printf("{\"event\":\"ready\"}\n");
	fflush(stdout);
	event_base_dispatch(load_base);
	return 0;
}
