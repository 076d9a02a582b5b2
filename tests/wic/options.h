/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line of wicgate-wic says. Constant after start. */
#ifndef TESTS_WIC_OPTIONS_H
#define TESTS_WIC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum wic_payload {
	WIC_PAYLOAD_CHECK, /* sequence and hash: verified octet by octet where it arrives */
	WIC_PAYLOAD_TONE,
	WIC_PAYLOAD_ECHO, /* send back what comes, nothing else */
	WIC_PAYLOAD_NONE,
};

enum wic_misbehave {
	WIC_BEHAVE,
	WIC_WRONG_FINGERPRINT, /* announce a fingerprint that is not ours */
	WIC_DROP_WEBSOCKET,    /* reset the TCP connection in the middle of the call */
	WIC_RECONNECT,  /* the same, then a new one with the same instance; the call goes on */
	WIC_SILENT,     /* stop reading the WebSocket once in a call, or registered: no Pong */
	WIC_NO_CONSENT, /* no STUN checks once media runs */
	WIC_PLAIN_RTP,  /* RTP without SRTP on the access side */
	WIC_NO_BYE,     /* leave without BYE, deregistration or close */
};

struct wic_options {
	bool tls;
	char host[256];
	uint16_t port;
	char path[128];
	const char *user;     /* may hold %d */
	const char *username; /* IMPI; NULL = user */
	const char *password; /* may hold %d */
	const char *domain;
	const char *origin; /* NULL = none */
	const char *ca;     /* NULL = the certificate is not verified */
	int first, count;
	int expires_s;
	double reg_rate; /* REGISTERs started per second */

	const char *call; /* URI; may hold %d: the number of the calling client */
	bool answer;
	int reject; /* answer calls with this status */
	int answer_delay_ms;
	int calls; /* concurrent ones, as caller; ended ones to wait for, as callee; 0 = any */
	int total; /* calls to place altogether; 0 = calls */
	double rate;
	int64_t duration_ms; /* of media in a call; as callee 0 = until the other end hangs up */
	int64_t hold_ms;     /* without a call: how long to stay registered */
	int64_t cancel_ms;   /* CANCEL that long after INVITE; 0 = never */

	enum wic_payload payload;
	double tone_hz, expect_hz;
	int pt; /* -1 = offer 0 and 8 */
	int ptime_ms;
	const char *dtls_profile;
	const char *setup; /* in answers: active or passive; in offers actpass unless set */
	double max_loss;   /* per cent */
	bool media_expected;

	enum wic_misbehave misbehave;
	bool json, self_test, verbose;
};

/** @return -1 to go on, else the exit status to end with at once */
int wic_options_parse(struct wic_options *o, int argc, char **argv);

/** Fill a pattern's %d with n. */
void wic_options_number(char *to, unsigned long size, const char *pattern, int n);

#endif
