/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wicgatectl iq`: options, verbs, and the JSON that becomes a request. A request's JSON is the
 * body as iq.proto names it; `session` takes whole messages, one a line.
 */
#include "deploy/wicgatectl/iq_session.h"
#include "deploy/wicgatectl/wicgatectl.h"
#include "proto/iq_json.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STDIN_MAX (1024 * 1024)

struct verb {
	const char *name;
	IqBodyCase body;
	const char *short_field; /* a plain argument sets this string field */
	bool needs_json;         /* nothing sensible without a body */
	const char *help;
};

static const struct verb verbs[] = {
    {"reserve", IQ_BODY(RESERVE), NULL, true,
     "reserve JSON        create a context or add streams"},
    {"configure", IQ_BODY(CONFIGURE), NULL, true, "configure JSON      change streams"},
    {"release", IQ_BODY(RELEASE), "ctx_id", true,
     "release CTX|JSON    release a context or streams"},
    {"audit", IQ_BODY(AUDIT), NULL, false, "audit [JSON]        contexts of this controller"},
    {"drain", IQ_BODY(DRAIN), "reason", false, "drain [REASON|JSON] take no new contexts"},
    {"undrain", IQ_BODY(DRAIN), NULL, false, "undrain             take new contexts again"},
    {"release_all", IQ_BODY(RELEASE_ALL), NULL, false,
     "release_all [JSON]  all of this controller"},
};

static void usage(FILE *to)
{
	fputs("Usage: wicgatectl iq --connect HOST:PORT [OPTION…] VERB [JSON | -]\n"
	      "\n"
	      "  --connect HOST:PORT  the gateway's control address\n"
	      "  --tls-cert FILE --tls-key FILE --tls-ca FILE   mutual TLS\n"
	      "  --token TEXT         secret of iq.token\n"
	      "  --id NAME            controller id (default wicgatectl)\n"
	      "  --epoch N            life of this controller (default 1: contexts are kept from\n"
	      "                       one call of this command to the next, for T_orphan)\n"
	      "  --txn N              transaction id (default: from the clock)\n"
	      "  --timeout MS         for each answer (default 5000)\n"
	      "  --compact            JSON on one line\n"
	      "  --no-ack             leave notifications unacknowledged\n"
	      "\n"
	      "Verbs; JSON is the body as in iq.proto, \"-\" reads it from stdin:\n"
	      "  hello               say Hello, print the answer\n",
	      to);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(to, "  %s\n", verbs[i].help);
	fputs("  listen [SECONDS]    print what comes, one message a line\n"
	      "  session             messages from stdin, one a line; answers and notifications\n"
	      "                      to stdout, one a line\n",
	      to);
}

/* ---- requests -------------------------------------------------------------------------------- */

static char *read_stdin(void)
{
	char *buf = malloc(STDIN_MAX + 1);
	size_t n = 0;
	ssize_t got = 1;

	while (buf != NULL && n < STDIN_MAX && got > 0) {
		got = read(STDIN_FILENO, buf + n, STDIN_MAX - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (buf != NULL)
		buf[n] = '\0';
	return buf;
}

static json_t *parse(const char *text)
{
	json_error_t at;
	json_t *j = json_loads(text, 0, &at);

	if (j == NULL)
		ctl_complain("JSON, line %d column %d: %s", at.line, at.column, at.text);
	return j;
}

/* The body's JSON from the argument, stdin, or the verb's short form; NULL: complained. */
static json_t *body_json(const struct verb *v, const char *arg)
{
	json_t *j = NULL;

	if (strcmp(v->name, "undrain") == 0)
		return json_pack("{s:b}", "undo", 1);
	if (arg == NULL && !v->needs_json)
		return json_object();
	if (arg != NULL && v->short_field != NULL && arg[0] != '{' && strcmp(arg, "-") != 0)
		return json_pack("{s:s}", v->short_field, arg);
	if (arg == NULL || strcmp(arg, "-") == 0) {
		char *text = read_stdin();

		if (text != NULL)
			j = parse(text);
		free(text);
		return j;
	}
	return parse(arg);
}

static int request(struct iq_session *s, const struct verb *v, const char *arg)
{
	json_t *body = body_json(v, arg);
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
	    &wicgate__iq__v1__envelope__descriptor, (unsigned)v->body);
	IqEnvelope *env = NULL;
	json_t *whole;
	char why[256] = "";
	enum gw_err err;
	int status;

	if (body == NULL)
		return EXIT_USAGE;
	whole = json_pack("{s:i, s:o}", "proto_version", (int)IQ_VERSION, f->name, body);
	err = iq_envelope_from_json(&env, whole, why, sizeof(why));
	json_decref(whole);
	if (err != GW_OK) {
		ctl_complain("%s", why);
		return EXIT_USAGE;
	}
	status = iq_session_hello(s, NULL);
	if (status == EXIT_DONE)
		status = iq_session_ask(s, env);
	iq_envelope_free(env);
	return status;
}

static int hello(struct iq_session *s)
{
	IqEnvelope *ack = NULL;
	int status = iq_session_hello(s, &ack);

	if (status == EXIT_DONE)
		iq_session_print(s, ack, false);
	iq_envelope_free(ack);
	return status;
}

static int stay(struct iq_session *s, const char *verb, const char *arg)
{
	int status = iq_session_hello(s, NULL);

	if (status != EXIT_DONE)
		return status;
	if (strcmp(verb, "session") == 0)
		return iq_session_pipe(s);
	return iq_session_listen(s, arg != NULL ? (unsigned)strtoul(arg, NULL, 10) : 0);
}

static int run(struct iq_session *s, const char *verb, const char *arg)
{
	if (strcmp(verb, "hello") == 0)
		return hello(s);
	if (strcmp(verb, "listen") == 0 || strcmp(verb, "session") == 0)
		return stay(s, verb, arg);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			return request(s, &verbs[i], arg);
	ctl_complain("iq: \"%s\" is not a verb; try wicgatectl iq --help", verb);
	return EXIT_USAGE;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool number(const char *text, uint64_t *out)
{
	char *end = NULL;

	*out = strtoull(text, &end, 0);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

/* Transaction ids must rise from call to call of this command: microseconds do. */
static uint64_t clock_txn(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

enum {
	O_CONNECT = 1,
	O_CERT,
	O_KEY,
	O_CA,
	O_TOKEN,
	O_ID,
	O_EPOCH,
	O_TXN,
	O_TIMEOUT,
	O_COMPACT,
	O_NO_ACK,
	O_HELP
};

static const struct option options[] = {
    {"connect", required_argument, NULL, O_CONNECT},
    {"tls-cert", required_argument, NULL, O_CERT},
    {"tls-key", required_argument, NULL, O_KEY},
    {"tls-ca", required_argument, NULL, O_CA},
    {"token", required_argument, NULL, O_TOKEN},
    {"id", required_argument, NULL, O_ID},
    {"epoch", required_argument, NULL, O_EPOCH},
    {"txn", required_argument, NULL, O_TXN},
    {"timeout", required_argument, NULL, O_TIMEOUT},
    {"compact", no_argument, NULL, O_COMPACT},
    {"no-ack", no_argument, NULL, O_NO_ACK},
    {"help", no_argument, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

/* @return an exit code to end with, or -1 */
static int option(int c, struct iq_session *s, struct iq_link_cfg *link)
{
	uint64_t v = 0;

	switch (c) {
	case O_CONNECT:
		link->connect = optarg;
		return -1;
	case O_CERT:
		link->cert = optarg;
		return -1;
	case O_KEY:
		link->key = optarg;
		return -1;
	case O_CA:
		link->ca = optarg;
		return -1;
	case O_TOKEN:
		s->token = optarg;
		return -1;
	case O_ID:
		s->id = optarg;
		return -1;
	case O_COMPACT:
		s->compact = true;
		return -1;
	case O_NO_ACK:
		s->no_ack = true;
		return -1;
	case O_HELP:
		usage(stdout);
		return EXIT_DONE;
	case O_EPOCH:
	case O_TXN:
	case O_TIMEOUT:
		break;
	default:
		return EXIT_USAGE;
	}
	if (!number(optarg, &v) || v == 0 || (c == O_TIMEOUT && v > 3600000)) {
		ctl_complain("iq: \"%s\" is not a number that fits here", optarg);
		return EXIT_USAGE;
	}
	if (c == O_EPOCH)
		s->epoch = v;
	else if (c == O_TXN)
		s->txn = v - 1;
	else
		s->timeout_ms = (int)v;
	return -1;
}

int ctl_iq_main(int argc, char **argv)
{
	struct iq_session s = {.id = "wicgatectl", .epoch = 1, .token = "", .timeout_ms = 5000};
	struct iq_link_cfg cfg = {.connect = NULL};
	char why[256] = "";
	int status;
	int c;

	s.txn = clock_txn();
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = option(c, &s, &cfg);
		if (status >= 0)
			return status;
	}
	if (cfg.connect == NULL || optind >= argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	cfg.timeout_ms = s.timeout_ms;
	if (iq_link_open(&s.link, &cfg, why, sizeof(why)) != GW_OK) {
		ctl_complain("%s", why);
		return EXIT_NO_PEER;
	}
	status = run(&s, argv[optind], optind + 1 < argc ? argv[optind + 1] : NULL);
	iq_link_close(s.link);
	return status;
}
