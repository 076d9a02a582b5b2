/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian's coturn on 127.0.0.1, for a test: user "wicgate", password "secret", relayed ports right
 * behind its own. It goes with the test, also where that fails.
 */
#ifndef TESTS_UNIT_AGW_LIB_TURN_SERVER_H
#define TESTS_UNIT_AGW_LIB_TURN_SERVER_H

#include "agw/net/udp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURN_SERVER "/usr/bin/turnserver"
#define TURN_TRIES  100 /* of 100 ms, until it is up */
#define TURN_RELAYS 50

static inline bool turn_is_here(void)
{
	return access(TURN_SERVER, X_OK) == 0;
}

static inline void turn_run(unsigned port)
{
	char listen[40], first[40], last[40];
	int null = open("/dev/null", O_WRONLY);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	(void)snprintf(listen, sizeof(listen), "--listening-port=%u", port);
	(void)snprintf(first, sizeof(first), "--min-port=%u", port + 1);
	(void)snprintf(last, sizeof(last), "--max-port=%u", port + TURN_RELAYS);
	(void)execl(TURN_SERVER, "turnserver", "-n", "--listening-ip=127.0.0.1",
		    "--relay-ip=127.0.0.1", listen, first, last, "--lt-cred-mech",
		    "--user=wicgate:secret", "--realm=test", "--allow-loopback-peers", "--no-cli",
		    "--no-tls", "--no-dtls", "--no-tcp", "--log-file=/dev/null",
		    "--pidfile=/dev/null", "--userdb=/nonexistent", (char *)NULL);
	_exit(127);
}

/* Can nothing else be there? coturn itself would share it with another one. */
static inline bool turn_port_is_free(uint16_t port)
{
	struct gw_addr a;
	int fd;

	assert_int_equal(gw_addr_parse_ip(&a, "127.0.0.1", port), GW_OK);
	if (agw_udp_open(&fd, &a) != GW_OK)
		return false;
	(void)close(fd);
	return true;
}

/* At that port, or 60, 120, … above. It answers a Binding request once it is up. */
static inline pid_t turn_start(uint16_t port, struct gw_addr *server)
{
	static const uint8_t ask[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4};
	struct gw_addr any;
	uint8_t buf[500];
	ssize_t n = -1;
	pid_t pid;
	int fd;

	for (int i = 0; i < 10 && !turn_port_is_free(port); i++)
		port = (uint16_t)(port + 60);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		turn_run(port);
	assert_int_equal(gw_addr_parse_ip(server, "127.0.0.1", port), GW_OK);
	assert_int_equal(gw_addr_parse_ip(&any, "127.0.0.1", 0), GW_OK);
	assert_int_equal(agw_udp_open(&fd, &any), GW_OK);
	for (int i = 0; i < TURN_TRIES && n < 20; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		(void)agw_udp_send(fd, server, ask, sizeof(ask));
		if (poll(&p, 1, 100) == 1)
			n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	}
	(void)close(fd);
	assert_true(n >= 20);
	return pid;
}

static inline void turn_stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#endif
