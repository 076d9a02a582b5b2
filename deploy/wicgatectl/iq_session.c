/* SPDX-License-Identifier: Apache-2.0 */
/* See iq_session.h. */
#include "deploy/wicgatectl/iq_session.h"

#include "common/options.h"
#include "deploy/wicgatectl/wicgatectl.h"
#include "proto/iq_json.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_OCTETS (1024 * 1024)

/* ---- printing -------------------------------------------------------------------------------- */

/* The body alone for one question, the whole envelope where several kinds come. */
void iq_session_print(const struct iq_session *s, const IqEnvelope *env, bool whole)
{
	json_t *j = iq_envelope_to_json(env, IQ_JSON_PLAIN);
	const json_t *what = whole ? j : json_object_get(j, iq_msg_name(env));

	json_dumpf(what != NULL ? what : j, stdout,
		   s->compact ? JSON_COMPACT : (size_t)JSON_INDENT(2));
	putchar('\n');
	(void)fflush(stdout);
	json_decref(j);
}

static int explain(enum gw_err err)
{
	switch ((int)err) {
	case GW_ERR_TIMEOUT:
		ctl_complain("no answer in time");
		return EXIT_NO_PEER;
	case GW_ERR_GONE:
	case GW_ERR_IO:
		ctl_complain(
		    "the gateway closed the connection (does it expect certificates: --tls-cert?)");
		return EXIT_NO_PEER;
	default:
		ctl_complain("the gateway sent something that is not the protocol (%s)",
			     gw_err_name(err));
		return EXIT_PROTOCOL;
	}
}

static int refused(const IqEnvelope *env)
{
	const IqError *e = iq_msg_error(env);

	if (e == NULL)
		return EXIT_DONE;
	ctl_complain("%s%s%s%s%s", iq_code_name(e->code), e->field[0] != '\0' ? " at " : "",
		     e->field, e->detail[0] != '\0' ? ": " : "", e->detail);
	return EXIT_REFUSED;
}

/* ---- talking --------------------------------------------------------------------------------- */

static void ack(struct iq_session *s, const IqEnvelope *note)
{
	IqEnvelope *env;
	enum gw_err err;

	if (s->no_ack)
		return;
	env = iq_envelope_new(IQ_BODY(NOTIFICATION_ACK), 0);
	if (env == NULL)
		return;
	env->notification_ack->event_seq = note->notification->event_seq;
	err = iq_link_send(s->link, env);
	(void)err; /* a closed link shows at the next read */
	iq_envelope_free(env);
}

int iq_session_hello(struct iq_session *s, IqEnvelope **out)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(HELLO), 1);
	IqEnvelope *answer = NULL;
	enum gw_err err = GW_ERR_NOMEM;
	int status;

	if (env != NULL) {
		env->hello->epoch = s->epoch;
		env->hello->version_min = IQ_VERSION;
		env->hello->version_max = IQ_VERSION;
		env->hello->resume = true;
		err = iq_str_set(&env->hello->controller_id, s->id);
	}
	if (err == GW_OK)
		err = iq_str_set(&env->hello->software, "wicgatectl " GW_VERSION);
	if (err == GW_OK)
		err = iq_str_set(&env->hello->token, s->token);
	if (err == GW_OK)
		err = iq_link_send(s->link, env);
	iq_envelope_free(env);
	if (err == GW_OK)
		err = iq_link_recv(s->link, &answer, s->timeout_ms);
	if (err != GW_OK)
		return explain(err);
	status = refused(answer);
	if (status == EXIT_DONE && answer->body_case != IQ_BODY(HELLO_ACK)) {
		ctl_complain("expected hello_ack, got %s", iq_msg_name(answer));
		status = EXIT_PROTOCOL;
	}
	if (status == EXIT_DONE)
		iq_link_keep_alive(s->link, answer->hello_ack->heartbeat_interval_ms);
	if (status == EXIT_DONE && out != NULL)
		*out = answer;
	else
		iq_envelope_free(answer);
	return status;
}

int iq_session_ask(struct iq_session *s, IqEnvelope *req)
{
	enum gw_err err;

	if (req->txn_id == 0)
		req->txn_id = ++s->txn;
	err = iq_link_send(s->link, req);
	while (err == GW_OK) {
		IqEnvelope *env = NULL;
		int status = EXIT_DONE;

		err = iq_link_recv(s->link, &env, s->timeout_ms);
		if (err != GW_OK)
			break;
		if (iq_is_reply(env) && env->txn_id == req->txn_id) {
			iq_session_print(s, env, false);
			status = refused(env);
			iq_envelope_free(env);
			return status;
		}
		if (env->body_case == IQ_BODY(GOODBYE))
			status = refused(env);
		iq_envelope_free(env); /* notifications stay unacknowledged: `listen` gets them */
		if (status != EXIT_DONE)
			return status;
	}
	return explain(err);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int iq_session_listen(struct iq_session *s, unsigned seconds)
{
	uint64_t end = now_ms() + (uint64_t)seconds * 1000;

	s->compact = true;
	for (;;) {
		uint64_t now = now_ms();
		IqEnvelope *env = NULL;
		enum gw_err err;

		if (seconds != 0 && now >= end)
			return EXIT_DONE;
		err = iq_link_recv(s->link, &env,
				   seconds != 0 && end - now < 1000 ? (int)(end - now) : 1000);
		if (err == GW_ERR_TIMEOUT)
			continue;
		if (err != GW_OK)
			return explain(err);
		iq_session_print(s, env, true);
		if (env->body_case == IQ_BODY(NOTIFICATION))
			ack(s, env);
		iq_envelope_free(env);
	}
}

/* ---- pipe ------------------------------------------------------------------------------------ */

struct lines {
	char *buf; /* owned */
	size_t n;
	bool ended;
};

/* Send the message of one line. @return an exit code */
static int send_line(struct iq_session *s, const char *line, unsigned *waiting)
{
	char why[256];
	json_error_t at;
	json_t *j = json_loads(line, 0, &at);
	IqEnvelope *env = NULL;
	enum gw_err err;

	if (j == NULL) {
		ctl_complain("stdin: %s", at.text);
		return EXIT_USAGE;
	}
	err = iq_envelope_from_json(&env, j, why, sizeof(why));
	json_decref(j);
	if (err != GW_OK) {
		ctl_complain("stdin: %s", why);
		return EXIT_USAGE;
	}
	if (env->proto_version == 0)
		env->proto_version = IQ_VERSION;
	if (env->txn_id == 0 && iq_is_request(env))
		env->txn_id = ++s->txn;
	*waiting += iq_is_request(env) ? 1 : 0;
	err = iq_link_send(s->link, env);
	iq_envelope_free(env);
	return err == GW_OK ? EXIT_DONE : explain(err);
}

static int read_lines(struct iq_session *s, struct lines *in, unsigned *waiting)
{
	ssize_t got = read(STDIN_FILENO, in->buf + in->n, LINE_MAX_OCTETS - in->n);
	char *end;

	if (got < 0)
		return errno == EINTR ? EXIT_DONE : EXIT_USAGE;
	in->ended = got == 0;
	in->n += (size_t)got;
	while ((end = memchr(in->buf, '\n', in->n)) != NULL) {
		size_t len = (size_t)(end - in->buf);
		int status = EXIT_DONE;

		*end = '\0';
		if (len > 0)
			status = send_line(s, in->buf, waiting);
		if (status != EXIT_DONE)
			return status;
		in->n -= len + 1;
		memmove(in->buf, end + 1, in->n);
	}
	if (in->n < LINE_MAX_OCTETS)
		return EXIT_DONE;
	ctl_complain("stdin: line too long");
	return EXIT_USAGE;
}

static int take_messages(struct iq_session *s, unsigned *waiting)
{
	for (;;) {
		IqEnvelope *env = NULL;
		enum gw_err err = iq_link_recv(s->link, &env, 0);

		if (err == GW_ERR_TIMEOUT)
			return EXIT_DONE;
		if (err != GW_OK)
			return explain(err);
		iq_session_print(s, env, true);
		if (env->body_case == IQ_BODY(NOTIFICATION))
			ack(s, env);
		if (iq_is_reply(env) && *waiting > 0)
			(*waiting)--;
		iq_envelope_free(env);
	}
}

int iq_session_pipe(struct iq_session *s)
{
	struct lines in = {.buf = malloc(LINE_MAX_OCTETS)};
	unsigned waiting = 0;
	int status = in.buf != NULL ? EXIT_DONE : EXIT_NO_PEER;

	s->compact = true;
	while (status == EXIT_DONE && !(in.ended && waiting == 0)) {
		struct pollfd p[2] = {{.fd = iq_link_fd(s->link), .events = POLLIN},
				      {.fd = in.ended ? -1 : STDIN_FILENO, .events = POLLIN}};

		(void)poll(p, 2, 200); /* wakes for heartbeats, which iq_link_recv sends */
		status = take_messages(s, &waiting);
		if (status == EXIT_DONE && !in.ended && (p[1].revents & (POLLIN | POLLHUP)) != 0)
			status = read_lines(s, &in, &waiting);
	}
	free(in.buf);
	return status;
}
