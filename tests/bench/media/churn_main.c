/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgate-bench-churn: options, the clock, one JSON line a second and one at the end. Exit 0 only
 * when no call failed and not a packet of them was lost, changed, doubled or led astray.
 */
#include "tests/bench/media/churn.h"
#include "tests/bench/media/flood.h"

#include "common/log.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define AT_ONCE   4     /* calls begun in one millisecond */
#define SETTLE_MS 30000 /* for the last calls to end */
#define PLACES_S  6 /* a call is gone this long after its talk at the latest, when all is well */

static void usage(void)
{
	fputs(
	    "Usage: wicgate-bench-churn --where ADDRESS:PORT [OPTION…]\n"
	    "  --stay N      calls that stay until the end (0)\n"
	    "  --rate N      calls per second that come and go (0)\n"
	    "  --hold MS     they talk so long, from half to one and a half of it (1000)\n"
	    "  --give-up P   percent of them are released before their keys are there (10)\n"
	    "  --seconds S   (10)\n"
	    "  --flood N     hostile datagrams per second at the ports of the calls that stay (0)\n"
	    "  --ice-full 1  ask for a full ICE agent (0)\n"
	    "  --profile NAME --payload N --interval MS --local IP   as of wicgate-bench-media\n",
	    stderr);
}

struct number {
	const char *name;
	unsigned *at;
	unsigned lo, hi;
};

static bool options(struct bench *b, struct churn_options *o, int argc, char **argv)
{
	const struct number numbers[] = {
	    {"stay", &o->stay, 0, BENCH_CALLS_MAX}, {"rate", &o->rate, 0, 1000},
	    {"hold", &o->hold_ms, 1, 600000},       {"give-up", &o->give_up_percent, 0, 100},
	    {"seconds", &o->seconds, 1, 86400},     {"flood", &o->flood, 0, 1000000},
	    {"payload", &b->o.payload, 32, 1400},   {"interval", &b->o.interval_ms, 1, 1000},
	    {"ice-full", &b->o.ice_full, 0, 1},
	};

	*o = (struct churn_options){.hold_ms = 1000, .seconds = 10, .give_up_percent = 10};
	b->o = (struct bench_options){.target = &bench_target_agw,
				      .payload = 160,
				      .interval_ms = 20,
				      .profile = "aes128-gcm",
				      .local_ip = "127.0.0.1"};
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];
		bool known = false;

		if (strcmp(name, "--where") == 0)
			b->o.where = value;
		else if (strcmp(name, "--profile") == 0)
			b->o.profile = value;
		else if (strcmp(name, "--local") == 0)
			b->o.local_ip = value;
		else {
			for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
				const struct number *d = &numbers[k];
				char *end;
				unsigned long v = strtoul(value, &end, 10);

				if (strncmp(name, "--", 2) != 0 || strcmp(name + 2, d->name) != 0 ||
				    *end != '\0' || v < d->lo || v > d->hi)
					continue;
				*d->at = (unsigned)v;
				known = true;
			}
			if (!known)
				return false;
		}
	}
	b->o.calls = o->stay + o->rate * (o->hold_ms * 3 / 2 / 1000 + 1 + PLACES_S);
	return argc % 2 == 1 && b->o.where != NULL && b->o.calls > 0 &&
	       b->o.calls <= 2 * BENCH_CALLS_MAX;
}

static json_t *faults(const struct churn *ch)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < CHURN_FAULT_COUNT; i++)
		if (ch->faults[i] > 0)
			json_object_set_new(out, churn_fault_words[i],
					    json_integer((json_int_t)ch->faults[i]));
	return out;
}

static void put(json_t *j, const char *name, uint64_t v)
{
	json_object_set_new(j, name, json_integer((json_int_t)v));
}

static double setup_ms(const struct churn *ch, double p)
{
	return bench_hist_us(ch->setup, p) * 1000 / CHURN_SETUP_NS;
}

static void print(const struct churn *ch, double t, bool last)
{
	json_t *j = json_object();

	json_object_set_new(j, last ? "end_s" : "t_s", json_real(t));
	put(j, "started", ch->started);
	put(j, "done", ch->done);
	put(j, "given_up", ch->given_up);
	put(j, "failed", ch->failed);
	json_object_set_new(j, "faults", faults(ch));
	put(j, "living", churn_living(ch, CHURN_PHASES));
	put(j, "talking", churn_living(ch, CHURN_TALK));
	put(j, "late_starts", ch->late_starts);
	put(j, "sent", ch->sent);
	put(j, "received", ch->received);
	put(j, "lost", ch->lost);
	put(j, "corrupt", ch->corrupt);
	put(j, "duplicate", ch->duplicate);
	put(j, "reordered", ch->reordered);
	put(j, "stray", ch->b->stray);
	put(j, "own_late_ticks", ch->b->late_ticks);
	put(j, "own_left_out_ms", ch->left_out_ms);
	put(j, "own_overrun", bench_wire_overrun(ch->b->wire));
	put(j, "own_refused", bench_wire_refused(ch->b->wire));
	json_object_set_new(j, "setup_p50_ms", json_real(setup_ms(ch, 0.5)));
	json_object_set_new(j, "setup_p99_ms", json_real(setup_ms(ch, 0.99)));
	if (last && ch->flood != NULL)
		json_object_set_new(j, "flood", bench_flood_figures(ch->flood));
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	(void)fflush(stdout);
	json_decref(j);
}

/*
 * One millisecond of calls, four ticks of media. Where the machine did not let us run, the time is
 * left out: a thousand WICs do not stall together and then send all they missed.
 */
static bool turn(struct churn *ch, unsigned *tick, int64_t *next, unsigned due)
{
	int64_t behind = bench_now_ns() - *next;

	if (behind > BENCH_STALLED_NS) {
		*next += behind;
		ch->left_out_ms += (uint64_t)(behind / 1000000);
	}
	for (unsigned i = 0; i < BENCH_TICKS_MS; i++, *next += BENCH_TICK_NS) {
		ch->b->late_ticks += !bench_sleep_until(*next);
		bench_media_tick(ch->b, (*tick)++);
		if (ch->flood != NULL && !ch->ending)
			bench_flood_tick(ch->flood);
		bench_wire_poll(ch->b->wire, 0);
	}
	return churn_step(ch, due);
}

/* All who stay talk before anybody comes or harms. */
static bool stay(struct churn *ch, unsigned *tick, int64_t *next)
{
	int64_t end = bench_now_ms() + SETTLE_MS;

	for (unsigned i = 0; i < ch->o.stay; i++) {
		if (!churn_start(ch, true) || !turn(ch, tick, next, 0))
			return false;
	}
	while (churn_living(ch, CHURN_TALK) < ch->o.stay)
		if (bench_now_ms() > end || !turn(ch, tick, next, 0))
			return false;
	return true;
}

static bool run(struct churn *ch)
{
	int64_t next = bench_now_ns(), begin, end;
	unsigned tick = 0, seconds = 0;
	uint64_t due = 0;
	bool ok = stay(ch, &tick, &next);

	begin = bench_now_ms();
	while (ok && bench_now_ms() - begin < (int64_t)ch->o.seconds * 1000) {
		uint64_t ms = (uint64_t)(bench_now_ms() - begin), want = ms * ch->o.rate / 1000;

		if (want - due > AT_ONCE)
			due = want - AT_ONCE;
		ok = turn(ch, &tick, &next, (unsigned)(want - due));
		due = want;
		if (ms / 1000 > seconds) {
			seconds = (unsigned)(ms / 1000);
			print(ch, (double)ms / 1000, false);
		}
	}
	ch->ending = true;
	for (end = bench_now_ms() + SETTLE_MS; ok && churn_living(ch, CHURN_PHASES) > 0;)
		ok = bench_now_ms() < end && turn(ch, &tick, &next, 0);
	print(ch, (double)(bench_now_ms() - begin) / 1000, true);
	if (!ok)
		fprintf(stderr, "wicgate-bench-churn: the gateway is gone, or calls did not end\n");
	return ok && ch->failed == 0 && ch->b->stray == 0 && ch->late_starts == 0;
}

static bool prepare(struct churn *ch)
{
	char why[256] = "out of memory";

	if (!bench_prepare(ch->b))
		return false;
	ch->b->counting = true;
	ch->b->window_to = INT64_MAX;
	ch->calls = calloc(ch->b->o.calls, sizeof(*ch->calls));
	ch->setup = bench_hist_new();
	if (ch->calls == NULL || ch->setup == NULL)
		return false;
	ch->talk = agw_talk_new(ch->b->o.where, churn_on_reply, ch, why, sizeof(why));
	if (ch->talk == NULL) {
		fprintf(stderr, "wicgate-bench-churn: %s\n", why);
		return false;
	}
	if (ch->o.flood > 0) {
		ch->flood = bench_flood_new(ch->b, ch->o.stay, ch->o.flood);
		return ch->flood != NULL;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct churn ch;
	bool ok;

	gw_log_init("churn", GW_LOG_WARN);
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	ch.b = calloc(1, sizeof(*ch.b));
	if (ch.b == NULL || !options(ch.b, &ch.o, argc, argv)) {
		usage();
		free(ch.b);
		return EXIT_FAILURE;
	}
	ok = prepare(&ch) && run(&ch);
	bench_flood_free(ch.flood);
	agw_talk_free(ch.talk);
	bench_hist_free(ch.setup);
	free(ch.calls);
	bench_finish(ch.b);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
