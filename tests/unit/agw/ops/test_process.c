/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole gateway in a child process: operator's socket, health, and how it ends. The child's
 * exit code also carries what a sanitizer found in it.
 */
#include "agw/agw.h"
#include "common/ctl_client.h"
#include "common/log.h"
#include "proto/frame.h"
#include "tests/lib/req.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 20000

struct child {
	pid_t pid;
	char dir[64];
	char socket[96];
	char ip[32]; /* a loopback address of this test alone */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the child ------------------------------------------------------------------------------- */

static _Noreturn void child_main(const struct child *c, const char *grace)
{
	char set[10][160];
	const char *list[10];
	struct agw_config cfg;
	struct agw *agw = NULL;
	char why[256];
	int status;
	const struct gw_conf_source src = {.set = list, .n_set = 10};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
	snprintf(set[0], sizeof(set[0]), "iq.listen=%s:7070", c->ip);
	snprintf(set[1], sizeof(set[1]), "ops.listen=%s:9181", c->ip);
	snprintf(set[2], sizeof(set[2]), "ops.ctl_socket=%s", c->socket);
	snprintf(set[3], sizeof(set[3]), "access.listen_ip=%s", c->ip);
	snprintf(set[4], sizeof(set[4]), "core.listen_ip=%s", c->ip);
	snprintf(set[5], sizeof(set[5]), "access.ports=30000-30099");
	snprintf(set[6], sizeof(set[6]), "core.ports=20000-20099");
	snprintf(set[7], sizeof(set[7]), "shutdown.grace=%s", grace);
	snprintf(set[8], sizeof(set[8]), "media.workers=1");
	snprintf(set[9], sizeof(set[9]), "media.max_streams=50");
	for (unsigned i = 0; i < 10; i++)
		list[i] = set[i];
	gw_log_set_fd(open("/dev/null", O_WRONLY));
	memset(&cfg, 0, sizeof(cfg));
	if (gw_conf_load(agw_config_keys, agw_config_n_keys, &cfg, &src, why, sizeof(why)) !=
		GW_OK ||
	    agw_new(&agw, &cfg) != GW_OK)
		_exit(77);
	status = agw_run(agw);
	agw_free(agw);
	gw_conf_free(agw_config_keys, agw_config_n_keys, &cfg);
	exit(status); /* not _exit: the sanitizer looks for leaks at exit */
}

/* Until it answers; then nothing is left to wait for. */
static void await_ready(const struct child *c)
{
	uint64_t until = now_ms() + LIMIT_MS;
	json_t *answer = NULL;

	while (gw_ctl_ask(c->socket, "status", NULL, 1000, &answer) != GW_OK) {
		if (now_ms() > until)
			fail_msg("the gateway does not answer on its socket");
		(void)poll(NULL, 0, 20);
	}
	json_decref(answer);
}

static struct child start(const char *grace)
{
	static unsigned count;
	struct child c;

	snprintf(c.dir, sizeof(c.dir), "/tmp/wicgate-agw-XXXXXX");
	assert_non_null(mkdtemp(c.dir));
	snprintf(c.socket, sizeof(c.socket), "%s/ctl", c.dir);
	snprintf(c.ip, sizeof(c.ip), "127.78.%u.%u", ((unsigned)getpid() >> 4) & 0xff,
		 (((unsigned)getpid() & 0xf) << 4) + ++count);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0)
		child_main(&c, grace);
	await_ready(&c);
	return c;
}

static int await_end(struct child *c)
{
	uint64_t until = now_ms() + LIMIT_MS;
	int status = 0;

	while (waitpid(c->pid, &status, WNOHANG) == 0) {
		if (now_ms() > until) {
			(void)kill(c->pid, SIGKILL);
			fail_msg("the gateway does not end");
		}
		(void)poll(NULL, 0, 20);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(access(c->socket, F_OK), -1);
	(void)rmdir(c->dir);
	return WEXITSTATUS(status);
}

/* ---- talking to it --------------------------------------------------------------------------- */

static json_t *ask(const struct child *c, const char *cmd, const char *arg)
{
	json_t *args = arg != NULL ? json_pack("[s]", arg) : json_array();
	json_t *answer = NULL;

	assert_int_equal(gw_ctl_ask(c->socket, cmd, args, 5000, &answer), GW_OK);
	json_decref(args);
	return answer;
}

static json_int_t figure(const struct child *c, const char *name)
{
	json_t *answer = ask(c, "status", NULL);
	const json_t *v = json_object_get(json_object_get(answer, "result"), name);
	json_int_t n;

	if (!json_is_integer(v))
		fail_msg("status has no number %s", name);
	n = json_integer_value(v);
	json_decref(answer);
	return n;
}

static int dial(const struct child *c, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct timeval limit = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, c->ip, &sin.sin_addr), 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void http(const struct child *c, const char *path, char *out, size_t n)
{
	int fd = dial(c, 9181);
	char req[128];
	size_t len = 0;
	ssize_t got;

	snprintf(req, sizeof(req), "GET %s HTTP/1.0\r\n\r\n", path);
	assert_int_equal(send(fd, req, strlen(req), 0), (ssize_t)strlen(req));
	while (len + 1 < n && (got = recv(fd, out + len, n - 1 - len, 0)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	(void)close(fd);
}

static void say(int fd, const IqEnvelope *env)
{
	uint8_t *frame = NULL;
	size_t n = 0;

	assert_int_equal(iq_pack_frame(env, &frame, &n), GW_OK);
	assert_int_equal(send(fd, frame, n, MSG_NOSIGNAL), (ssize_t)n);
	free(frame);
}

/* A controller that holds one context. */
static int hold_context(const struct child *c)
{
	int fd = dial(c, 7070);
	IqEnvelope *hello = iq_envelope_new(IQ_BODY(HELLO), 1);
	IqEnvelope *reserve = iq_envelope_new(IQ_BODY(RESERVE), 2);
	IqStreamRequest *s = iq_message_new(&wicgate__iq__v1__stream_request__descriptor);
	uint64_t until = now_ms() + LIMIT_MS;

	hello->hello->epoch = 1;
	hello->hello->version_min = 1;
	hello->hello->version_max = 1;
	assert_int_equal(iq_str_set(&hello->hello->controller_id, "e1"), GW_OK);
	s->stream_id = 1;
	s->kind = IQ_V(MEDIA_KIND__AUDIO);
	s->access = iq_message_new(&wicgate__iq__v1__access_termination__descriptor);
	s->core = iq_message_new(&wicgate__iq__v1__core_termination__descriptor);
	assert_int_equal(iq_str_set(&s->access->realm, "access"), GW_OK);
	assert_int_equal(iq_str_set(&s->core->realm, "core"), GW_OK);
	assert_int_equal(iq_str_set(&reserve->reserve->ctx_id, "c1"), GW_OK);
	assert_int_equal(iq_str_set(&reserve->reserve->call_id, "call-1"), GW_OK);
	assert_int_equal(
	    iq_list_add(&reserve->reserve->n_streams, (void *)&reserve->reserve->streams, s),
	    GW_OK);
	say(fd, hello);
	say(fd, reserve);
	iq_envelope_free(hello);
	iq_envelope_free(reserve);
	while (figure(c, "contexts") == 0)
		assert_true(now_ms() < until);
	return fd;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_status_and_commands(void **state)
{
	struct child c = start("0s");
	int fd = hold_context(&c);
	json_t *answer;
	const json_t *row;

	(void)state;
	assert_int_equal(figure(&c, "connections"), 1);
	assert_int_equal(figure(&c, "controllers"), 1);
	assert_int_equal(figure(&c, "streams"), 1);
	assert_int_equal(figure(&c, "ports_in_use"), 3);
	assert_int_equal(figure(&c, "workers"), 1);
	assert_true(figure(&c, "memory_octets") > 0);
	assert_true(figure(&c, "fds") > 3);

	answer = ask(&c, "context list", NULL);
	row = json_array_get(json_object_get(answer, "result"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "ctx_id")), "c1");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "RESERVED");
	json_decref(answer);
	answer = ask(&c, "context list", "nobody");
	assert_int_equal(json_array_size(json_object_get(answer, "result")), 0);
	json_decref(answer);

	answer = ask(&c, "context show", "call-1"); /* by Call-ID too */
	row = json_object_get(json_object_get(answer, "result"), "streams");
	assert_int_equal(json_array_size(row), 1);
	json_decref(answer);
	answer = ask(&c, "context show", "nothing");
	assert_string_equal(json_string_value(json_object_get(answer, "error")), "no such context");
	json_decref(answer);

	answer = ask(&c, "controller list", NULL);
	row = json_array_get(json_object_get(answer, "result"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "controller")), "e1");
	assert_true(json_is_true(json_object_get(row, "connected")));
	json_decref(answer);

	answer = ask(&c, "audit", NULL);
	row = json_object_get(answer, "result");
	assert_int_equal(json_integer_value(json_object_get(row, "context_streams")), 1);
	assert_int_equal(json_integer_value(json_object_get(row, "worker_streams")), 1);
	assert_int_equal(json_array_size(json_object_get(row, "orphans")), 0);
	json_decref(answer);

	answer = ask(&c, "log level", "debug");
	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	answer = ask(&c, "log level", "loud");
	assert_false(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	answer = ask(&c, "metrics", NULL);
	assert_non_null(
	    strstr(json_string_value(json_object_get(answer, "result")), "agw_contexts 1"));
	json_decref(answer);
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	assert_int_equal(await_end(&c), 0);
	(void)close(fd);
}

static void test_health_follows_drain(void **state)
{
	struct child c = start("0s");
	char text[4096];
	json_t *answer;

	(void)state;
	REQ("IQ-14");
	http(&c, "/readyz", text, sizeof(text));
	assert_non_null(strstr(text, " 200 "));
	answer = ask(&c, "drain", "100");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(answer, "result"), "state")),
	    "DRAINING");
	json_decref(answer);
	http(&c, "/readyz", text, sizeof(text));
	assert_non_null(strstr(text, " 503 "));
	assert_non_null(strstr(text, "draining"));
	http(&c, "/livez", text, sizeof(text));
	assert_non_null(strstr(text, " 200 "));
	json_decref(ask(&c, "undrain", NULL));
	http(&c, "/readyz", text, sizeof(text));
	assert_non_null(strstr(text, " 200 "));
	answer = ask(&c, "drain", "soon");
	assert_false(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	assert_int_equal(await_end(&c), 0);
}

static void test_what_is_ending_is_not_undrained(void **state)
{
	struct child c = start("300s");
	char text[4096];
	json_t *answer;
	int fd;

	(void)state;
	REQ("IQ-14");
	fd = hold_context(&c);
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	do
		http(&c, "/readyz", text, sizeof(text));
	while (strstr(text, " 503 ") == NULL);
	answer = ask(&c, "undrain", NULL);
	assert_false(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	http(&c, "/readyz", text, sizeof(text));
	assert_non_null(strstr(text, " 503 "));
	assert_int_equal(kill(c.pid, SIGTERM), 0); /* at once */
	assert_int_equal(await_end(&c), 0);
	(void)close(fd);
}

static void test_sigterm_without_contexts_ends_at_once(void **state)
{
	struct child c = start("300s");
	uint64_t begin = now_ms();

	(void)state;
	REQ("IQ-14");
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	assert_int_equal(await_end(&c), 0);
	assert_true(now_ms() - begin < LIMIT_MS);
}

static void test_sigterm_waits_for_contexts(void **state)
{
	struct child c = start("300s");
	int fd = hold_context(&c);
	IqEnvelope *release = iq_envelope_new(IQ_BODY(RELEASE), 3);
	uint64_t until = now_ms() + LIMIT_MS;
	json_t *answer;
	bool draining = false;

	(void)state;
	REQ("IQ-14");
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	while (!draining && now_ms() < until) {
		answer = ask(&c, "status", NULL);
		draining = strcmp(json_string_value(
				      json_object_get(json_object_get(answer, "result"), "state")),
				  "DRAINING") == 0;
		json_decref(answer);
	}
	assert_true(draining);
	assert_int_equal(figure(&c, "contexts"), 1);
	assert_int_equal(iq_str_set(&release->release->ctx_id, "c1"), GW_OK);
	say(fd, release);
	iq_envelope_free(release);
	assert_int_equal(await_end(&c), 0);
	(void)close(fd);
}

static void test_grace_is_the_most_it_waits(void **state)
{
	struct child c = start("200ms");
	int fd = hold_context(&c);

	(void)state;
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	assert_int_equal(await_end(&c), 0);
	(void)close(fd);
}

static void test_second_sigterm_ends_at_once(void **state)
{
	struct child c = start("300s");
	int fd = hold_context(&c);

	(void)state;
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	while (figure(&c, "drain_left_s") == 0)
		;
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	assert_int_equal(await_end(&c), 0);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_status_and_commands),
	    cmocka_unit_test(test_health_follows_drain),
	    cmocka_unit_test(test_what_is_ending_is_not_undrained),
	    cmocka_unit_test(test_sigterm_without_contexts_ends_at_once),
	    cmocka_unit_test(test_sigterm_waits_for_contexts),
	    cmocka_unit_test(test_grace_is_the_most_it_waits),
	    cmocka_unit_test(test_second_sigterm_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
