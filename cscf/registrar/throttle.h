/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failed authentications per source address and per identity (SEC-14), with a clock of the
 * caller's. It answers one question: is this REGISTER refused here, without asking the core?
 *
 *   what is counted                 limit in 60 s       blocked for auth.block_time
 *   pair: identity from one source  auth.max_failures   that identity from that source
 *   identity, from anywhere         auth.max_failures   nothing; but then one failure of a pair
 *                                                       is enough to block the pair
 *   source: whatever identity       4 times that        all from there but known devices
 *
 * Nobody is locked out by another's failures: an identity as such is never blocked, only guesses
 * at it from an address that has guessed wrong before; who gives the right password first passes
 * from any other address even while the identity is under attack from a thousand. Behind the
 * attacker's own address (a shared NAT) a device that has registered that IMPU before is told by
 * its +sip.instance, which others do not know, and is counted apart. Only failures that the core
 * or the check of a token reported count; being refused here neither counts nor prolongs the block.
 *
 * Each table is bounded; when full, what was touched longest ago goes. To push an entry of his
 * out an attacker needs so many failures from so many addresses that each is blocked itself.
 * Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_THROTTLE_H
#define CSCF_REGISTRAR_THROTTLE_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REG_THROTTLE_WINDOW_MS     60000
#define REG_THROTTLE_SOURCE_FACTOR 4
#define REG_THROTTLE_MAX_ENTRIES   8192 /* of each table */
#define REG_THROTTLE_MAX_DEVICES   65536

struct reg_throttle;

enum reg_throttle_verdict {
	REG_THROTTLE_PASS,
	REG_THROTTLE_PAIR,   /* this identity from this source */
	REG_THROTTLE_SOURCE, /* everything new from this source */
};

struct reg_throttle_who {
	const struct gw_addr *source; /* an IPv6 source is its /64 */
	const char *impi;             /* NULL = not known yet */
	const char *to_aor;           /* IMPU that is registered; NULL = none */
	const char *instance;         /* +sip.instance; NULL or "" = none */
};

/** @param max_failures  0 = off */
enum gw_err reg_throttle_new(struct reg_throttle **out, int64_t max_failures,
			     int64_t block_ms) GW_MUST_CHECK;
/** NULL is legal. */
void reg_throttle_free(struct reg_throttle *t);
enum reg_throttle_verdict reg_throttle_check(const struct reg_throttle *t,
					     const struct reg_throttle_who *who, int64_t now_ms);
void reg_throttle_failed(struct reg_throttle *t, const struct reg_throttle_who *who,
			 int64_t now_ms);
/** The core took the registration: the pair's failures are forgotten, those of the source are not,
 * and the device is known from now on. */
void reg_throttle_succeeded(struct reg_throttle *t, const struct reg_throttle_who *who);
/**
 * A card asked for another challenge (auts) instead of answering: no failure, but a card in need of
 * it asks once.
 * @return false: it has asked already in this window: to be counted as a failure
 */
bool reg_throttle_resync(struct reg_throttle *t, const struct reg_throttle_who *who,
			 int64_t now_ms);
/** Entries of the tables of failures, for tests. */
size_t reg_throttle_entries(const struct reg_throttle *t);

#endif
