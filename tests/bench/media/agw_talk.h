/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speaking to a wicgate-agw of a call as an eP-CSCF does: the messages (target_agw.c), and a link
 * on which many calls ask at a time without waiting for each other (agw_talk.c). One thread.
 */
#ifndef TESTS_BENCH_MEDIA_AGW_TALK_H
#define TESTS_BENCH_MEDIA_AGW_TALK_H

#include "proto/iq_codec.h"
#include "tests/bench/media/bench.h"

#include <jansson.h>

/* Each a new reference; one message without its transaction. */
json_t *bench_agw_hello(void);
json_t *bench_agw_reserve(const struct bench *b, const struct bench_call *c);
json_t *bench_agw_configure(const struct bench *b, const struct bench_call *c);
json_t *bench_agw_release(const struct bench_call *c);
/** The gateway's side of a call, from the reply to its Reserve. @return false when it lacks
 * something */
bool bench_agw_take(struct bench_call *c, const IqStreamResult *r);

struct agw_talk;
/** @param what as given with the question; @param rsp a reply of any kind */
typedef void (*agw_talk_fn)(void *arg, unsigned what, const IqEnvelope *rsp);
/** @return NULL with *why */
struct agw_talk *agw_talk_new(const char *where, agw_talk_fn on_reply, void *arg, char *why,
			      size_t n);
void agw_talk_free(struct agw_talk *t);
/** Ask; the JSON is taken. `what` comes back with the reply. @return false: the link is gone */
bool agw_talk_ask(struct agw_talk *t, json_t *json, unsigned what);
/** Take in what has come; acknowledges notifications, keeps the link alive. @return false: it is
 * gone */
bool agw_talk_poll(struct agw_talk *t);

#endif
