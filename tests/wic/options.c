/* SPDX-License-Identifier: Apache-2.0 */
/* Command line of wicgate-wic: one table of options says name, kind, field and meaning. */
#include "tests/wic/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	K_FLAG,
	K_TEXT,
	K_INT,
	K_NUMBER,
	K_SECONDS, /* seconds to int64_t ms */
	K_URL,
	K_PAYLOAD,
	K_MISBEHAVE,
	K_ONCE,
	K_NO_MEDIA,
	K_HELP,
};

struct option_row {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *help;
};

#define AT(field) offsetof(struct wic_options, field)

/* clang-format off */
static const struct option_row rows[] = {
	{"url", K_URL, 0, "wss://host:port/sip or ws://…"},
	{"user", K_TEXT, AT(user), "user part of the IMPU; %d is the client's number (alice)"},
	{"username", K_TEXT, AT(username), "Digest user name; may hold %d (as --user)"},
	{"password", K_TEXT, AT(password), "may hold %d (as --user)"},
	{"domain", K_TEXT, AT(domain), "home domain (ims.test)"},
	{"origin", K_TEXT, AT(origin), "Origin of the handshake (none)"},
	{"ca", K_TEXT, AT(ca), "PEM to verify the server with (not verified)"},
	{"count", K_INT, AT(count), "clients, each with its own WebSocket (1)"},
	{"first", K_INT, AT(first), "number of the first client (0)"},
	{"expires", K_INT, AT(expires_s), "seconds asked for in REGISTER (600)"},
	{"reg-rate", K_NUMBER, AT(reg_rate), "clients started per second (50)"},
	{"hold", K_SECONDS, AT(hold_ms), "stay registered so long when there is nothing to call (0)"},
	{"call", K_TEXT, AT(call), "caller: URI to call; %d is the calling client's number"},
	{"answer", K_FLAG, AT(answer), "callee: answer calls"},
	{"reject", K_INT, AT(reject), "callee: answer calls with this status instead"},
	{"answer-delay", K_SECONDS, AT(answer_delay_ms), "callee: ring so long (0); at most 60"},
	{"calls", K_INT, AT(calls), "caller: calls at a time (1); callee: end after so many (0 = never)"},
	{"total", K_INT, AT(total), "caller: calls altogether (as --calls)"},
	{"rate", K_NUMBER, AT(rate), "calls started per second (10)"},
	{"duration", K_SECONDS, AT(duration_ms), "media time of a call (5; callee: until the caller hangs up)"},
	{"cancel", K_SECONDS, AT(cancel_ms), "caller: CANCEL so long after INVITE"},
	{"once", K_ONCE, 0, "one client, one call"},
	{"payload", K_PAYLOAD, 0, "check, tone:HZ, echo or none (check)"},
	{"expect-tone", K_NUMBER, AT(expect_hz), "success needs this tone in what arrives"},
	{"pt", K_INT, AT(pt), "offer only payload type 0 (PCMU) or 8 (PCMA)"},
	{"dtls-profile", K_TEXT, AT(dtls_profile), "OpenSSL's SRTP profile list"},
	{"setup", K_TEXT, AT(setup), "a=setup to say: actpass, active or passive"},
	{"max-loss", K_NUMBER, AT(max_loss), "per cent of packets that may be missing (1)"},
	{"no-media", K_NO_MEDIA, 0, "success does not need media"},
	{"misbehave", K_MISBEHAVE, 0, "wrong-fingerprint, drop-websocket, reconnect, silent, no-consent, plain-rtp, no-bye"},
	{"json", K_FLAG, AT(json), "print one result object as the last line"},
	{"self-test", K_FLAG, AT(self_test), "media against itself: ICE, DTLS, SRTP, every profile; no server"},
	{"verbose", K_FLAG, AT(verbose), "print every SIP message to stderr"},
	{"help", K_HELP, 0, "this text"},
};
static const char *const misbehaviours[] = {
	[WIC_BEHAVE] = "none", [WIC_WRONG_FINGERPRINT] = "wrong-fingerprint",
	[WIC_DROP_WEBSOCKET] = "drop-websocket", [WIC_RECONNECT] = "reconnect", [WIC_SILENT] = "silent",
	[WIC_NO_CONSENT] = "no-consent", [WIC_PLAIN_RTP] = "plain-rtp", [WIC_NO_BYE] = "no-bye",
};
/* clang-format on */

static const size_t n_rows = sizeof(rows) / sizeof(rows[0]);

static void usage(FILE *to)
{
	(void)fputs("usage: wicgate-wic --url URL [options]\n", to);
	for (size_t i = 0; i < n_rows; i++)
		(void)fprintf(to, "  --%-14s %s\n", rows[i].name, rows[i].help);
}

static bool parse_number(const char *text, double *out)
{
	char *end = NULL;

	*out = strtod(text, &end);
	return end != text && *end == '\0';
}

static bool parse_url(struct wic_options *o, const char *url)
{
	const char *rest;
	const char *slash, *colon;
	size_t n;

	if (strncmp(url, "wss://", 6) == 0)
		o->tls = true;
	else if (strncmp(url, "ws://", 5) != 0)
		return false;
	rest = url + (o->tls ? 6 : 5);
	slash = strchr(rest, '/');
	(void)snprintf(o->path, sizeof(o->path), "%s", slash != NULL ? slash : "/");
	n = slash != NULL ? (size_t)(slash - rest) : strlen(rest);
	if (n == 0 || n >= sizeof(o->host))
		return false;
	memcpy(o->host, rest, n);
	o->host[n] = '\0';
	o->port = o->tls ? 443 : 80;
	colon = strrchr(o->host, ':');
	if (colon == NULL || strchr(colon, ']') != NULL)
		return true;
	o->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	o->host[colon - o->host] = '\0';
	return o->port != 0;
}

static bool parse_payload(struct wic_options *o, const char *text)
{
	if (strcmp(text, "check") == 0)
		o->payload = WIC_PAYLOAD_CHECK;
	else if (strcmp(text, "echo") == 0)
		o->payload = WIC_PAYLOAD_ECHO;
	else if (strcmp(text, "none") == 0)
		o->payload = WIC_PAYLOAD_NONE;
	else if (strncmp(text, "tone:", 5) == 0 && parse_number(text + 5, &o->tone_hz))
		o->payload = WIC_PAYLOAD_TONE;
	else
		return false;
	return true;
}

static bool parse_misbehave(struct wic_options *o, const char *text)
{
	for (size_t i = 0; i < sizeof(misbehaviours) / sizeof(misbehaviours[0]); i++) {
		if (strcmp(text, misbehaviours[i]) == 0) {
			o->misbehave = (enum wic_misbehave)i;
			return true;
		}
	}
	return false;
}

static bool take_value(struct wic_options *o, const struct option_row *row, const char *text)
{
	char *field = (char *)o + row->offset;
	double number;
	int64_t ms;

	switch (row->kind) {
	case K_TEXT:
		memcpy(field, &text, sizeof(text));
		return true;
	case K_URL:
		return parse_url(o, text);
	case K_PAYLOAD:
		return parse_payload(o, text);
	case K_MISBEHAVE:
		return parse_misbehave(o, text);
	case K_INT:
	case K_NUMBER:
	case K_SECONDS:
		if (!parse_number(text, &number) || number < 0)
			return false;
		ms = (int64_t)(number * 1000);
		if (row->kind == K_INT)
			memcpy(field, &(int){(int)number}, sizeof(int));
		else if (row->kind == K_NUMBER)
			memcpy(field, &number, sizeof(number));
		else if (row->offset == AT(answer_delay_ms))
			o->answer_delay_ms = ms > 60000 ? 60000 : (int)ms;
		else
			memcpy(field, &ms, sizeof(ms));
		return true;
	case K_FLAG:
	case K_ONCE:
	case K_NO_MEDIA:
	case K_HELP:
		break;
	}
	return false;
}

static const struct option_row *find_row(const char *name, size_t len)
{
	for (size_t i = 0; i < n_rows; i++)
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
			return &rows[i];
	return NULL;
}

static bool take_flag(struct wic_options *o, const struct option_row *row)
{
	if (row->kind == K_FLAG)
		*((char *)o + row->offset) = true;
	else if (row->kind == K_NO_MEDIA)
		o->media_expected = false;
	else if (row->kind == K_ONCE)
		o->count = o->calls = 1;
	else
		return false;
	return true;
}

static int mistake(const char *what, const char *arg)
{
	(void)fprintf(stderr, "wicgate-wic: %s: %s (--help lists the options)\n", what, arg);
	return 2;
}

static int finish(struct wic_options *o)
{
	if (o->password == NULL)
		o->password = o->user;
	if (o->total == 0)
		o->total = o->calls > 0 ? o->calls : 1;
	if (o->call != NULL && o->calls == 0)
		o->calls = 1;
	if (o->call != NULL && o->duration_ms == 0)
		o->duration_ms = 5000;
	if (o->self_test)
		return -1;
	if (o->host[0] == '\0')
		return mistake("missing", "--url");
	if (o->pt > 0 && o->pt != 8)
		return mistake("--pt", "0 or 8");
	if (o->count < 1 || o->rate <= 0 || o->reg_rate <= 0)
		return mistake("--count, --rate and --reg-rate", "must be positive");
	return -1;
}

int wic_options_parse(struct wic_options *o, int argc, char **argv)
{
	*o = (struct wic_options){
	    .user = "alice",
	    .domain = "ims.test",
	    .count = 1,
	    .expires_s = 600,
	    .reg_rate = 50,
	    .rate = 10,
	    .pt = -1,
	    .ptime_ms = 20,
	    .dtls_profile = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80",
	    .max_loss = 1,
	    .media_expected = true,
	};
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i] + 2;
		size_t len = strcspn(name, "=");
		const struct option_row *row;

		if (strncmp(argv[i], "--", 2) != 0)
			return mistake("not an option", argv[i]);
		row = find_row(name, len);
		if (row == NULL)
			return mistake("unknown option", argv[i]);
		if (row->kind == K_HELP) {
			usage(stdout);
			return 0;
		}
		if (take_flag(o, row))
			continue;
		if (name[len] != '=' && i + 1 >= argc)
			return mistake("needs a value", argv[i]);
		if (!take_value(o, row, name[len] == '=' ? name + len + 1 : argv[++i]))
			return mistake("bad value", argv[i]);
	}
	return finish(o);
}

void wic_options_number(char *to, unsigned long size, const char *pattern, int n)
{
	const char *at = strstr(pattern, "%d");

	if (at == NULL)
		(void)snprintf(to, size, "%s", pattern);
	else
		(void)snprintf(to, size, "%.*s%d%s", (int)(at - pattern), pattern, n, at + 2);
}
