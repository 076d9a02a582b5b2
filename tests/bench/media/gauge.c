/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of a process in nanoseconds (the scheduler's own count of each thread), its memory, and
 * a histogram of latencies in steps of 2 µs up to 200 ms.
 */
#include "tests/bench/media/bench.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_NS 2000
#define STEPS   100000

struct bench_hist {
	uint64_t n;
	uint32_t count[STEPS + 1]; /* the last: everything beyond */
};

static uint64_t thread_ns(int pid, const char *tid)
{
	char path[96];
	uint64_t ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, tid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &ns) != 1) /* NOLINT(cert-err34-c): the kernel's own text */
		ns = 0;
	fclose(f);
	return ns;
}

static uint64_t pss(int pid)
{
	char path[64], line[256];
	uint64_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %" SCNu64, &kib) == 1) /* NOLINT(cert-err34-c) */
			break;
	fclose(f);
	return kib * 1024;
}

bool bench_usage_read(int pid, bool memory, struct bench_usage *out)
{
	char path[64];
	DIR *d;

	memset(out, 0, sizeof(*out));
	if (pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (d == NULL)
		return false;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		uint64_t ns = e->d_name[0] != '.' ? thread_ns(pid, e->d_name) : 0;

		out->cpu_ns += ns;
		if (ns > 0 && out->n_threads < BENCH_THREADS)
			out->threads[out->n_threads++] = (struct bench_thread){
			    .tid = (int)strtol(e->d_name, NULL, 10), .cpu_ns = ns};
	}
	closedir(d);
	if (memory)
		out->pss_octets = pss(pid);
	return true;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t bench_now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

struct bench_hist *bench_hist_new(void)
{
	return calloc(1, sizeof(struct bench_hist));
}

void bench_hist_free(struct bench_hist *h)
{
	free(h);
}

void bench_hist_add(struct bench_hist *h, int64_t ns)
{
	int64_t at = ns < 0 ? 0 : ns / STEP_NS;

	h->count[at < STEPS ? at : STEPS]++;
	h->n++;
}

double bench_hist_us(const struct bench_hist *h, double p)
{
	uint64_t want = (uint64_t)((double)h->n * p), seen = 0;

	for (size_t i = 0; i <= STEPS; i++) {
		seen += h->count[i];
		if (seen > want)
			return (double)i * STEP_NS / 1000.0;
	}
	return 0;
}
