/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wicgatectl does over a link: say Hello, ask one thing, or stay and listen.
 * Thread: one.
 */
#ifndef WICGATECTL_IQ_SESSION_H
#define WICGATECTL_IQ_SESSION_H

#include "deploy/wicgatectl/iq_link.h"

#include <jansson.h>

struct iq_session {
	struct iq_link *link; /* borrowed */
	const char *id;
	uint64_t epoch;
	const char *token;
	uint64_t txn; /* last one used */
	int timeout_ms;
	bool compact; /* JSON on one line */
	bool no_ack;  /* leave notifications unacknowledged */
};

/** Hello; *out (may be NULL) is the caller's. @return an exit code; a refusal has been printed */
int iq_session_hello(struct iq_session *s, IqEnvelope **out);
/** Send one request (its txn is set when 0), print the reply's body. @return an exit code */
int iq_session_ask(struct iq_session *s, IqEnvelope *req);
/** Print what comes for so many seconds (0 = until closed), acknowledging notifications. */
int iq_session_listen(struct iq_session *s, unsigned seconds);
/**
 * Read one JSON message per line from stdin, send each, print all that comes as one JSON line
 * each; ends when stdin has ended and every request has its reply.
 */
int iq_session_pipe(struct iq_session *s);

void iq_session_print(const struct iq_session *s, const IqEnvelope *env, bool whole);

#endif
