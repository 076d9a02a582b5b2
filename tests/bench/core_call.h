/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the benchmarks' core: it answers INVITEs (TCP only) as a UE would, and places calls to
 * registered users when told to by a datagram
 *
 *   MT USER HOLD_MS    HOLD_MS < 0: the user hangs up. A call that fails is told the sender:
 *                      "FAIL USER STATUS"
 *
 * What the core saw of a call it says in X-Bench, for the load client to count: in a 200 and an
 * ACK "MICROSECONDS ADDRESS WORD" (time it rang, or from INVITE to 200 less what the user rang;
 * address in the description it got; what was wrong with that, or "-"), in an INVITE when it left.
 *
 * Thread: one.
 */
#ifndef TESTS_BENCH_CORE_CALL_H
#define TESTS_BENCH_CORE_CALL_H

#include "tests/bench/sip_text.h"

#include <event2/bufferevent.h>
#include <netinet/in.h>

struct core_options {
	struct event_base *base;
	const char *own;  /* host:port */
	char ip[64];      /* of its media */
	unsigned ring_ms; /* from 180 to 200 */
	/* to be set on a connection the calls open */
	bufferevent_data_cb on_stream;
	bufferevent_event_cb on_end;
};

void core_call_start(const struct core_options *o);
/** Where a user is reached, of its REGISTER. */
void core_call_register(const char *msg, size_t n);
/** A datagram "MT …". */
void core_call_place(int fd, const char *text, const struct sockaddr_in *from);
/** INVITE: 100 and 180 now, 200 when it has rung. */
void core_call_invite(struct bufferevent *b, const char *msg, size_t n);
void core_call_response(const char *msg, size_t n);
/** A BYE, answered elsewhere. */
void core_call_bye(const char *msg, size_t n);
/** A connection is about to be freed. */
void core_call_lost(struct bufferevent *b);

#endif
