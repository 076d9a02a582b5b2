/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile datagrams at the ports of calls that go on: octets at random in the shape of each
 * protocol, what the calls themselves sent with something changed, or again as it was; from
 * strangers' addresses and from the addresses of the calls' own ends. One thread.
 */
#ifndef TESTS_BENCH_MEDIA_FLOOD_H
#define TESTS_BENCH_MEDIA_FLOOD_H

#include "tests/bench/media/bench.h"

#include <jansson.h>

struct bench_flood;
/** At the first so many calls, so many datagrams a second. It taps the wire for what to abuse. */
struct bench_flood *bench_flood_new(struct bench *b, unsigned calls, unsigned rate);
void bench_flood_free(struct bench_flood *f); /* NULL is fine */
/** What is due in this tick. */
void bench_flood_tick(struct bench_flood *f);
/**
 * Sent by kind; "must_drop": those that the gateway has to count as not relayed. The others it may
 * answer (a check that is played again) or pass over (DTLS records under no key of ours).
 */
json_t *bench_flood_figures(const struct bench_flood *f);

#endif
