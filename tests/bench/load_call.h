/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the load's WICs, both ways; nothing of their media but one ICE check that does not
 * nominate, so that a set-up ends when the gateway can take media and no DTLS begins.
 *
 *   load_call.c   one call of one WIC: INVITE to BYE, what is right in it
 *   load_calls.c  phases of calls, times, counts; the socket of the ICE checks
 *
 * Thread: one.
 */
#ifndef TESTS_BENCH_LOAD_CALL_H
#define TESTS_BENCH_LOAD_CALL_H

#include "tests/bench/load.h"
#include "tests/bench/sdp_text.h"

enum load_call_end {
	LOAD_CALL_OK,
	LOAD_CALL_REFUSED, /* a final answer of 300 or more */
	LOAD_CALL_LOST,    /* no answer in time, or the connection is gone */
	LOAD_CALL_WRONG,   /* the word says what */
};

struct load_call {
	struct load_conn *c; /* NULL: free for use */
	bool mt, up, ending;
	unsigned serial; /* of the run */
	int hold_ms;     /* < 0: until load_call_hang_up */
	unsigned cseq;
	char id[80], near_end[256], far_end[256], contact[400], routes[1600];
	char invite[3000]; /* Via, From, To, Call-ID, CSeq of an INVITE that came */
	struct event timer, rung;
	int64_t invite_us, ring_us, rang_us;
	int64_t setup_us, media_us; /* 0: not yet */
	char media_ip[64];          /* ours of the core side, as the core saw it */
	const char *fault;
	char word[32];
	/* the check */
	struct bench_gate gate;
	struct event check;
	unsigned checks;
};

struct load_call_options {
	const char *media;  /* the gateway's media address; NULL: any */
	unsigned ring_ms;   /* of WICs that are called */
	const char *core;   /* HOST:PORT that takes "MT" */
	const char *own_ip; /* of the WICs' media */
};

extern struct load_call_options load_call_opt;

/** The phases' commands (see load.c). @return false: not one of them */
bool load_calls_command(const char *line);
bool load_calls_start(void);
/** Something may have to be started now. */
void load_calls_go_on(void);
/* --- load_call.c: one call */

void load_call_init(struct load_call *k);
/** INVITE. */
void load_call_place(struct load_call *k);
/** A message on its connection. @return false: not of a call */
bool load_call_take(struct load_conn *c, const char *text, size_t n);
void load_call_hang_up(struct load_call *k);
/** The other end, told by the core, failed with that status. */
void load_call_failed(struct load_call *k, int status);

/* --- load_calls.c: what a call tells */

void load_call_up(struct load_call *k);
void load_call_over(struct load_call *k, enum load_call_end how);
void load_call_check(struct load_call *k);
unsigned load_call_port(void);

#endif
