/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full agent with a TURN server (ice.turn): Debian's coturn on loopback, and a peer that hears
 * nothing but what comes through it. Skipped where there is no turnserver.
 */
#include "tests/unit/agw/ice/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define SERVER    "/usr/bin/turnserver"
#define TURN_PORT 41800
#define STARTS_MS 8000

static pid_t start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		(void)execl(SERVER, "turnserver", "-n", "--listening-ip=127.0.0.1",
			    "--relay-ip=127.0.0.1", "--listening-port=41800", "--min-port=41801",
			    "--max-port=41850", "--lt-cred-mech", "--user=wicgate:secret",
			    "--realm=test", "--allow-loopback-peers", "--no-cli", "--no-tls",
			    "--no-dtls", "--no-tcp", "--log-file=/dev/null", "--pidfile=/dev/null",
			    "--userdb=/tmp/none", (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* It answers a Binding request once it is up. */
static void await_server(const struct gw_addr *server)
{
	static const uint8_t ask[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4};
	uint64_t end = real_ms() + STARTS_MS;
	struct gw_addr at;
	int fd = rig_socket(&at, false);
	uint8_t buf[500];
	ssize_t n = -1;

	while (n < 20 && real_ms() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		(void)agw_udp_send(fd, server, ask, sizeof(ask));
		if (poll(&p, 1, 100) == 1)
			n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	}
	(void)close(fd);
	assert_true(n >= 20);
}

static void stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool is_relayed(const struct rig *r)
{
	const struct agw_ice_pair *p = agw_ice_selected(r->ice);

	return p != NULL && p->local == AGW_ICE_RELAYED && gw_addr_eq(&p->remote, &r->peer[0].at);
}

static void test_media_goes_through_the_relay_when_nothing_else_works(void **state)
{
	struct agw_ice_turn turn = {
	    .server = rig_addr(false, TURN_PORT), .username = "wicgate", .password = "secret"};
	uint8_t media[172] = {0x80};
	struct rig *r;
	uint64_t end;
	pid_t pid;

	(void)state;
	REQ("ICE-28");
	if (access(SERVER, X_OK) != 0)
		skip();
	pid = start();
	await_server(&turn.server);
	r = rig_new_turn(FULL, true, false, &turn);
	assert_true(r->relay.len != 0);
	assert_in_range(gw_addr_port(&r->relay), 41801, 41850);
	rig_answered(r, true);
	end = real_ms() + 15000;
	while (!is_relayed(r) && real_ms() < end)
		rig_run(r, 20);
	assert_true(is_relayed(r));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
	/* down, up */
	for (int i = 0; i < 20; i++) {
		assert_true(agw_ice_send(r->ice, media, sizeof(media)));
		assert_true(agw_udp_send(r->peer[0].fd, &r->relay, media, sizeof(media)));
		rig_run(r, 10);
	}
	RIG_UNTIL(r, r->peer[0].data == 20);
	RIG_UNTIL(r, r->data == 20);
	/* libnice asks for consent there; our own time limit does not run */
	r->skew += 60000;
	rig_run(r, 100);
	assert_int_equal(r->events[AGW_ICE_EV_CONSENT_LOST], 0);
	rig_free(r);
	stop(pid);
}

static void test_a_server_that_is_not_there_delays_and_spoils_nothing(void **state)
{
	const struct agw_ice_turn turn = {
	    .server = rig_addr(false, TURN_PORT + 60), .username = "wicgate", .password = "secret"};
	uint64_t began = real_ms();
	struct rig *r = rig_new_turn(FULL, false, false, &turn);

	(void)state;
	REQ("ICE-28");
	assert_true(real_ms() - began < AGW_ICE_TURN_WAIT_MS + 500);
	assert_int_equal(r->relay.len, 0);
	rig_answered(r, true);
	assert_int_equal(rig_check(r, 0, 0), 0);
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_media_goes_through_the_relay_when_nothing_else_works),
	    cmocka_unit_test(test_a_server_that_is_not_there_delays_and_spoils_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
