/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgate-bench-media: an open load generator for media relays. It plays both ends of N calls (the
 * WIC: ICE, DTLS-SRTP; the IMS peer: plain RTP), sends at a fixed pace whatever the relay does, and
 * checks every octet that comes out. The same code drives each target, so that only the target
 * differs.
 *
 *   main ─ target_*.c (how a relay is told about calls) ─ call.c, stun.c (ICE, DTLS, SRTP of a WIC)
 *        └ traffic.c (pace, check, latency) ─ wire.c (sockets, batches)   gauge.c (CPU, memory)
 *
 * SRTP and DTLS are those of agw/: a faster generator than the relay is what is wanted here; that
 * they are right is proven against other implementations elsewhere. One thread.
 */
#ifndef TESTS_BENCH_MEDIA_BENCH_H
#define TESTS_BENCH_MEDIA_BENCH_H

#include "agw/dtls/dtls.h"
#include "agw/srtp/srtp.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CALLS_MAX 4000
#define BENCH_SOCKETS   2 /* per side: calls share them */
#define BENCH_PACKET    1500
#define BENCH_TEXT      64

enum bench_side { BENCH_WIC, BENCH_CORE, BENCH_SIDES };

struct bench_call;
struct bench;

/* How a relay learns of a call. All block; the set-up of a call is not media. */
struct bench_target {
	const char *name;
	bool secure; /* ICE and DTLS-SRTP on the WIC's side */
	void *(*open)(const char *where, char *why, size_t n);
	/** Fill relay[], peer ICE and fingerprint of the call from the relay's answer. */
	bool (*add)(void *t, struct bench *b, struct bench_call *c, char *why, size_t n);
	void (*remove)(void *t, struct bench_call *c);
	void (*close)(void *t);
};
extern const struct bench_target bench_target_agw, bench_target_ng, bench_target_relay;

struct bench_seen { /* one direction of one call */
	uint32_t next_seq, last_seen;
	uint32_t high;   /* one more than the greatest number seen */
	uint64_t recent; /* which of the 64 below it were seen */
	uint64_t sent, received, reordered, corrupt, duplicate;
	/* Numbers that were passed over, the last time: where a loss was. */
	uint32_t gap_from, gap_to;
};

struct bench_call {
	struct bench *b;
	unsigned id;  /* its place; its WIC's address follows from it */
	uint32_t tag; /* in each packet: no two calls of a run have the same */
	bool quiet;   /* sends no media, though it could */
	struct gw_addr relay[BENCH_SIDES];
	/* WIC */
	char ufrag[9], pwd[25];
	char peer_ufrag[260], peer_pwd[260], username[280];
	struct agw_fingerprint peer_fp;
	struct bench_stun *stun;    /* owned */
	struct agw_dtls_sess *dtls; /* owned */
	struct agw_srtp_sess *srtp; /* owned */
	bool ice_done, keyed, failed;
	int64_t checked_ms;
	uint32_t ssrc[BENCH_SIDES];
	struct bench_seen flow[BENCH_SIDES]; /* by the side that sends */
};

struct bench_options {
	const struct bench_target *target;
	const char *where; /* control address of the target */
	const char *profile;
	const char *local_ip; /* ours, towards the core */
	unsigned calls, rounds, payload, interval_ms, ice_full;
	unsigned warm_s, window_s;
	int pid; /* of the relay; 0 = not measured */
	uint8_t pt;
};

/* ---- gauge.c: what the operating system says of the relay, and latencies */
#define BENCH_THREADS 64
struct bench_thread {
	int tid;
	uint64_t cpu_ns;
};
struct bench_usage {
	uint64_t cpu_ns;
	uint64_t pss_octets;
	unsigned n_threads;
	struct bench_thread threads[BENCH_THREADS];
};
bool bench_usage_read(int pid, bool memory, struct bench_usage *out);
struct bench_hist;
struct bench_hist *bench_hist_new(void);
void bench_hist_free(struct bench_hist *h);
void bench_hist_add(struct bench_hist *h, int64_t ns);
/** @param p 0..1 @return microseconds */
double bench_hist_us(const struct bench_hist *h, double p);
int64_t bench_now_ns(void); /* of the clock that stamps received packets */
int64_t bench_now_ms(void); /* monotonic */

/* ---- wire.c: sockets and batches */
struct bench_wire;
/* `call`: whose address it came to, on the WIC's side */
typedef void (*bench_on_packet)(void *arg, enum bench_side side, uint32_t call, uint16_t relay_port,
				uint8_t *p, size_t n, int64_t at_ns);
struct bench_wire *bench_wire_new(const char *ip, bench_on_packet cb, void *arg);
void bench_wire_free(struct bench_wire *w);
uint16_t bench_wire_port(const struct bench_wire *w, enum bench_side side, unsigned call);
/** The source address of a WIC. */
void bench_wire_wic_ip(unsigned call, char *buf, size_t n);
/** Queue one datagram; sent with its batch. The octets are copied. */
void bench_wire_send(struct bench_wire *w, enum bench_side side, unsigned call,
		     const struct gw_addr *to, const uint8_t *p, size_t n);
void bench_wire_flush(struct bench_wire *w);
/** Take in what has come, waiting at most so long for the first. */
void bench_wire_poll(struct bench_wire *w, int64_t wait_ns);
/** See all that is sent from now on; NULL = stop. */
typedef void (*bench_on_sent)(void *arg, enum bench_side side, unsigned call,
			      const struct gw_addr *to, const uint8_t *p, size_t n);
void bench_wire_tap(struct bench_wire *w, bench_on_sent cb, void *arg);
uint64_t bench_wire_refused(const struct bench_wire *w); /* sends the kernel refused */
uint64_t bench_wire_overrun(const struct bench_wire *w); /* dropped for our own full buffers */

/* ---- stun.c, call.c */
struct bench_stun *bench_stun_new(struct bench_call *c);
void bench_stun_free(struct bench_stun *s);
void bench_stun_check(struct bench_stun *s);
void bench_stun_feed(struct bench_stun *s, const uint8_t *p, size_t n, const struct gw_addr *from);
bool bench_call_init(struct bench_call *c, struct bench *b, unsigned id);
void bench_call_fini(struct bench_call *c);
/** Its next check, ClientHello or retransmission, when it is time. */
void bench_call_step(struct bench_call *c, int64_t now_ms);
/** Bring ICE and DTLS of all calls up. @return how many did */
unsigned bench_calls_connect(struct bench *b);
void bench_call_keep(struct bench_call *c, int64_t now_ms); /* consent */

/* ---- traffic.c */
struct bench {
	struct bench_options o;
	struct bench_wire *wire;
	struct agw_dtls_ctx *dtls;
	struct agw_fingerprint fp;
	struct bench_call *calls;
	struct bench_call *by_port[65536]; /* the relay's port towards the core */
	struct bench_hist *latency[BENCH_SIDES];
	bool counting;
	int64_t window_from, window_to; /* ns */
	uint64_t late_ticks;            /* of our own pace */
	uint64_t stray;                 /* media for a call that is over, or sent to a stranger */
	uint16_t profiles[2];
};
bool bench_prepare(struct bench *b);
void bench_finish(struct bench *b); /* NULL is fine */
void bench_on_wire(void *arg, enum bench_side side, uint32_t call, uint16_t relay_port, uint8_t *p,
		   size_t n, int64_t at_ns);
/** What is due in this tick: of each call its packets, once in an interval. */
void bench_media_tick(struct bench *b, unsigned tick);
#define BENCH_TICK_NS    INT64_C(250000)
#define BENCH_TICKS_MS   4
#define BENCH_LATE_NS    INT64_C(5000000)
#define BENCH_STALLED_NS INT64_C(50000000)
/** Sleep until then. @return false when that was too long ago for the figures to be worth much */
bool bench_sleep_until(int64_t ns);
/** Send for so long; packets are counted while `count`. */
void bench_run_media(struct bench *b, unsigned seconds, bool count);

#endif
