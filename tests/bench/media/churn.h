/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgate-bench-churn: calls that come and go on a wicgate-agw at a fixed rate, beside calls that
 * stay, and beside a flood of hostile datagrams. Each call is Reserve, Configure, ICE, DTLS, media
 * both ways (every octet compared), Release (the gateway's count compared with ours); one in some
 * is given up half way.
 *
 *   FREE ─Reserve─> RESERVE ─Configure─> CONFIGURE ─checks, DTLS─> CONNECT ─keys─> TALK ─time─>
 * DRAIN ^                └──────────────────┴──── given up ──┴──────────────────┐              │
 *     └────────────────────────────────────────────── reply ── RELEASE <──────┴──────────────┘
 *
 * One thread: media in ticks of 0.25 ms, calls once a millisecond.
 */
#ifndef TESTS_BENCH_MEDIA_CHURN_H
#define TESTS_BENCH_MEDIA_CHURN_H

#include "tests/bench/media/agw_talk.h"
#include "tests/bench/media/bench.h"

enum churn_phase {
	CHURN_FREE,
	CHURN_RESERVE,
	CHURN_CONFIGURE,
	CHURN_CONNECT,
	CHURN_TALK,
	CHURN_DRAIN,
	CHURN_RELEASE,
	CHURN_PHASES
};

/* Why a call failed. */
#define CHURN_FAULTS(X)                                                                            \
	X(REFUSED, "refused")     /* a request was answered with an error */                       \
	X(NO_ANSWER, "no-answer") /* a request was not answered */                                 \
	X(NO_ICE, "no-ice")                                                                        \
	X(NO_DTLS, "no-dtls")                                                                      \
	X(LOST, "lost") /* packets */                                                              \
	X(CORRUPT, "corrupt")                                                                      \
	X(DUPLICATE, "duplicate")                                                                  \
	X(MISCOUNTED, "miscounted") /* the gateway's statistics say another number */
enum churn_fault {
#define X(id, word) CHURN_##id,
	CHURN_FAULTS(X)
#undef X
	    CHURN_FAULT_COUNT
};

#define CHURN_SETUP_NS 10000 /* a millisecond of set-up in the histogram: it reaches 20 s so */

struct churn_call { /* beside bench->calls[] */
	enum churn_phase phase;
	enum churn_phase give_up; /* in this phase; CHURN_FREE = not */
	bool stays;               /* to the end of the run */
	bool talked;
	int64_t began_ms; /* the call */
	int64_t since_ms; /* the phase */
	int64_t until_ms; /* of talk */
};

struct churn_options {
	unsigned stay, rate, hold_ms, seconds, give_up_percent, flood;
};

struct churn {
	struct bench *b;
	struct churn_options o;
	struct agw_talk *talk;
	struct churn_call *calls;
	struct bench_flood *flood; /* NULL = none */
	struct bench_hist *setup;
	uint32_t next_tag;
	unsigned free_at; /* where to look for a free place next: the one that rested longest */
	bool ending;
	uint64_t started, done, given_up, failed, late_starts;
	uint64_t left_out_ms; /* time in which we could not run */
	uint64_t faults[CHURN_FAULT_COUNT];
	uint64_t sent, received, lost, corrupt, duplicate, reordered; /* of calls that are over */
};

extern const char *const churn_fault_words[CHURN_FAULT_COUNT];
/** Once a millisecond: replies, steps, new calls. @return false: the gateway is gone */
bool churn_step(struct churn *ch, unsigned due);
/** Begin a call. @return false: no place is free */
bool churn_start(struct churn *ch, bool stays);
unsigned churn_living(const struct churn *ch, enum churn_phase phase);
void churn_on_reply(void *arg, unsigned what, const IqEnvelope *rsp);

#endif
