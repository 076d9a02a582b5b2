/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgate-bench-media: options, the phases of one run, its result as one JSON line.
 *
 *   set-up (control, ICE, DTLS) ─> warm-up ─> window (counted) ─> tear-down ─> JSON
 */
#include "common/log.h"
#include "tests/bench/media/bench.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct bench_target *const targets[] = {&bench_target_agw, &bench_target_ng,
						     &bench_target_relay};

static void usage(FILE *to)
{
	fputs("Usage: wicgate-bench-media --target wicgate|rtpengine|relay --where ADDRESS:PORT "
	      "[OPTION…]\n"
	      "  --calls N       calls, one packet each way per interval (100)\n"
	      "  --payload N     octets of RTP payload (160), 32 to 1400\n"
	      "  --interval MS   between packets of one call and direction (20)\n"
	      "  --warm S --window S   media before, and while counting (2, 8); 0: set-up only\n"
	      "  --profile NAME  aes128-gcm or aes128-cm-sha1-80 (aes128-gcm)\n"
	      "  --local IP      our address towards the core (127.0.0.1)\n"
	      "  --pid N         the relay's process: CPU and memory are read\n",
	      to);
}

static bool number(unsigned *out, const char *text, unsigned lo, unsigned hi)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end != '\0' || v < lo || v > hi)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool pick_target(struct bench_options *o, const char *name)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (strcmp(targets[i]->name, name) == 0)
			o->target = targets[i];
	return o->target != NULL;
}

static bool options(struct bench_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"target", 1, NULL, 't'},  {"where", 1, NULL, 'w'},    {"calls", 1, NULL, 'c'},
	    {"payload", 1, NULL, 'p'}, {"warm", 1, NULL, 'a'},     {"window", 1, NULL, 'd'},
	    {"profile", 1, NULL, 'f'}, {"local", 1, NULL, 'l'},    {"pid", 1, NULL, 'i'},
	    {"help", 0, NULL, 'h'},    {"interval", 1, NULL, 'v'}, {0}};
	unsigned pid = 0;
	bool ok = true;
	int k;

	*o = (struct bench_options){.calls = 100,
				    .payload = 160,
				    .interval_ms = 20,
				    .warm_s = 2,
				    .window_s = 8,
				    .profile = "aes128-gcm",
				    .local_ip = "127.0.0.1"};
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
	while (ok && (k = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (k) {
		case 't':
			ok = pick_target(o, optarg);
			break;
		case 'w':
			o->where = optarg;
			break;
		case 'c':
			ok = number(&o->calls, optarg, 1, BENCH_CALLS_MAX);
			break;
		case 'p':
			ok = number(&o->payload, optarg, 32, 1400);
			break;
		case 'v':
			ok = number(&o->interval_ms, optarg, 1, 1000);
			break;
		case 'a':
			ok = number(&o->warm_s, optarg, 0, 600);
			break;
		case 'd':
			ok = number(&o->window_s, optarg, 0, 3600);
			break;
		case 'f':
			o->profile = optarg;
			break;
		case 'l':
			o->local_ip = optarg;
			break;
		case 'i':
			ok = number(&pid, optarg, 1, INT32_MAX);
			break;
		default:
			ok = false;
		}
	}
	o->pid = (int)pid;
	return ok && o->target != NULL && o->where != NULL;
}

struct result {
	unsigned up;
	double setup_s;
	struct bench_usage setup[2], media[2], own[2];
};

static bool set_up(struct bench *b, void *t, struct result *r)
{
	char why[512] = "";
	int64_t begin = bench_now_ms();

	(void)bench_usage_read(b->o.pid, true, &r->setup[0]);
	for (unsigned i = 0; i < b->o.calls; i++) {
		struct bench_call *c = &b->calls[i];

		if (!bench_call_init(c, b, i) || !b->o.target->add(t, b, c, why, sizeof(why))) {
			fprintf(stderr, "call %u: %s\n", i, why);
			return false;
		}
		b->by_port[gw_addr_port(&c->relay[BENCH_CORE])] = c;
	}
	r->up = bench_calls_connect(b);
	r->setup_s = (double)(bench_now_ms() - begin) / 1000.0;
	(void)bench_usage_read(b->o.pid, true, &r->setup[1]);
	return true;
}

static json_t *direction(const struct bench *b, enum bench_side from)
{
	struct bench_seen sum = {0};

	for (unsigned i = 0; i < b->o.calls; i++) {
		const struct bench_seen *f = &b->calls[i].flow[from];

		sum.sent += f->sent;
		sum.received += f->received;
		sum.corrupt += f->corrupt;
		sum.reordered += f->reordered;
		sum.duplicate += f->duplicate;
	}
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "sent", (json_int_t)sum.sent,
			 "received", (json_int_t)sum.received, "lost",
			 (json_int_t)sum.sent - (json_int_t)sum.received - (json_int_t)sum.corrupt,
			 "corrupt", (json_int_t)sum.corrupt, "reordered", (json_int_t)sum.reordered,
			 "duplicate", (json_int_t)sum.duplicate, "p50_us",
			 bench_hist_us(b->latency[from], 0.5), "p99_us",
			 bench_hist_us(b->latency[from], 0.99), "max_us",
			 bench_hist_us(b->latency[from], 0.99999));
}

static double seconds(const struct bench_usage v[2])
{
	return (double)(v[1].cpu_ns - v[0].cpu_ns) / 1e9;
}

/* CPU seconds of each thread that did something, in no order. */
static json_t *threads(const struct bench_usage v[2])
{
	json_t *out = json_array();

	for (unsigned i = 0; i < v[1].n_threads; i++) {
		uint64_t ns = v[1].threads[i].cpu_ns;

		for (unsigned k = 0; k < v[0].n_threads; k++)
			if (v[0].threads[k].tid == v[1].threads[i].tid)
				ns -= v[0].threads[k].cpu_ns;
		if (ns > 0)
			json_array_append_new(out, json_real((double)ns / 1e9));
	}
	return out;
}

static double octets_per_call(const struct bench *b, const struct bench_usage *from,
			      const struct bench_usage *to)
{
	return (double)(int64_t)(to->pss_octets - from->pss_octets) / b->o.calls;
}

static void print(const struct bench *b, const struct result *r)
{
	json_t *up = direction(b, BENCH_WIC), *down = direction(b, BENCH_CORE);
	double n = (double)(json_integer_value(json_object_get(up, "received")) +
			    json_integer_value(json_object_get(down, "received")));
	double cpu = seconds(r->media);
	json_t *j = json_pack(
	    "{s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:o,s:o,s:o,s:I,s:I,s:I,s:f}",
	    "target", b->o.target->name, "calls", (json_int_t)b->o.calls, "up", (json_int_t)r->up,
	    "payload", (json_int_t)b->o.payload, "interval_ms", (json_int_t)b->o.interval_ms,
	    "window_s", (json_int_t)b->o.window_s, "setup_s", r->setup_s, "setup_cpu_ms_per_call",
	    seconds(r->setup) * 1000 / b->o.calls, "octets_per_call",
	    octets_per_call(b, &r->setup[0], &r->setup[1]), "octets_per_call_settled",
	    octets_per_call(b, &r->setup[0], &r->media[1]), "media_cpu_s", cpu, "packets_per_cpu_s",
	    cpu > 0 ? n / cpu : 0.0, "threads_cpu_s", threads(r->media), "uplink", up, "downlink",
	    down, "refused", (json_int_t)bench_wire_refused(b->wire), "own_overrun",
	    (json_int_t)bench_wire_overrun(b->wire), "own_late_ticks", (json_int_t)b->late_ticks,
	    "own_cpu_s", seconds(r->own));

	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(j);
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct result r = {0};
	char why[512] = "";
	void *t = NULL;
	int status = EXIT_FAILURE;

	gw_log_init("bench", GW_LOG_WARN);
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	if (b == NULL || !options(&b->o, argc, argv)) {
		usage(stderr);
		free(b);
		return EXIT_FAILURE;
	}
	if (!bench_prepare(b)) {
		fprintf(stderr, "wicgate-bench-media: cannot prepare\n");
		return EXIT_FAILURE;
	}
	t = b->o.target->open(b->o.where, why, sizeof(why));
	if (t == NULL) {
		fprintf(stderr, "wicgate-bench-media: %s\n", why);
		bench_finish(b);
		return EXIT_FAILURE;
	}
	if (set_up(b, t, &r)) {
		if (b->o.window_s > 0) {
			bench_run_media(b, b->o.warm_s, false);
			(void)bench_usage_read(b->o.pid, false, &r.media[0]);
			(void)bench_usage_read(getpid(), false, &r.own[0]);
			bench_run_media(b, b->o.window_s, true);
			(void)bench_usage_read(getpid(), false, &r.own[1]);
			(void)bench_usage_read(b->o.pid, true, &r.media[1]);
		}
		print(b, &r);
		status = r.up == b->o.calls ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	for (unsigned i = 0; i < b->o.calls; i++)
		if (b->calls[i].b != NULL)
			b->o.target->remove(t, &b->calls[i]);
	b->o.target->close(t);
	bench_finish(b);
	return status;
}
