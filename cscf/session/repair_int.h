/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that move a call share: repair.c (the way itself), repair_queue.c (whose turn it
 * is), repair_twin.c (calls between two WICs of ours). Thread: the cscf loop.
 */
#ifndef CSCF_SESSION_REPAIR_INT_H
#define CSCF_SESSION_REPAIR_INT_H

#include "cscf/session/session_int.h"

#define REPAIR_YIELD_MS 1500U

/* ---- repair.c */
/** It cannot go on: BYE both ways. */
void repair_fail(struct call *c, const char *why);
/** Its turn has come: to another AGW. */
void repair_start(struct call *c);
/** Its AGW serves it still and will end: to another AGW, if one takes it. */
void repair_leave(struct call *c, const char *why);
/** It waits for its other end (REPAIR_YIELD): has that come? */
void repair_yield(struct call *c, uint64_t now);

/* ---- repair_queue.c */
/** The state is another one now: into the line, out of it. */
void repair_go(struct call *c, enum repair_state state);
/** What a call needs to wait; kept until it is freed. @return false: no memory */
bool repair_wait_init(struct call *c);

/* ---- repair_twin.c */
/** Is the other end a WIC of ours whose offer comes first? */
bool repair_must_yield(const struct call *c);
/** May that one be asked now? */
bool repair_may_ask(const struct call *c, uint64_t now);
/** Its twin may have waited for what this call did. */
void repair_kick_twin(const struct call *c);

#endif
