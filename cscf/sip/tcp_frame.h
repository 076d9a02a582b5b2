/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a TCP stream into SIP messages by Content-Length (RFC 3261 s18.3), without I/O. Octets may
 * come one at a time; what was looked at once is not looked at again.
 * Thread: any, one at a time.
 */
#ifndef CSCF_SIP_TCP_FRAME_H
#define CSCF_SIP_TCP_FRAME_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>

struct cscf_sip_tcp_frame {
	char *buf;
	size_t cap;
	size_t n;      /* octets held */
	size_t start;  /* first not yet given out */
	size_t seen;   /* the end of a head was looked for up to here */
	size_t head_n; /* 0 = head not complete */
	size_t body_n;
	bool bad_length; /* Content-Length is no number */
	size_t max_message;
};

enum cscf_sip_tcp_piece {
	CSCF_SIP_TCP_MORE,       /* nothing whole yet */
	CSCF_SIP_TCP_MESSAGE,    /* one message */
	CSCF_SIP_TCP_PING,       /* CRLFCRLF: answer CRLF (RFC 5626 s4.4.1) */
	CSCF_SIP_TCP_BAD_LENGTH, /* head without a usable length: answer it (400), then close */
	CSCF_SIP_TCP_TOO_BIG,    /* head of a message over the limit: answer 513, then close */
	CSCF_SIP_TCP_BAD,        /* no end of the head in sight: close */
};

void cscf_sip_tcp_frame_init(struct cscf_sip_tcp_frame *f, size_t max_message);
void cscf_sip_tcp_frame_fini(struct cscf_sip_tcp_frame *f);

/** Take octets in; at most 64 KiB at a time, and call _next until MORE in between. */
enum gw_err cscf_sip_tcp_frame_feed(struct cscf_sip_tcp_frame *f, const char *data,
				    size_t n) GW_MUST_CHECK;
/** @param out a view into the frame's buffer, until the next call of feed or next */
enum cscf_sip_tcp_piece cscf_sip_tcp_frame_next(struct cscf_sip_tcp_frame *f, struct gw_slice *out);

#endif
