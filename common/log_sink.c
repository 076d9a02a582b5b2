/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing without waiting. O_NONBLOCK would be the descriptor's, so also that of whoever gave it
 * to us; so a socket is asked with MSG_DONTWAIT, and a pipe or terminal whether it has room: a pipe
 * that is writable takes PIPE_BUF octets at once (pipe(7)), from one writer at a time: the lock.
 */
#include "common/log_sink.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { KIND_FILE, KIND_ASK, KIND_SOCKET };

static _Atomic int sink_fd = STDERR_FILENO;
static _Atomic int sink_kind = KIND_FILE;
static pthread_mutex_t one_writer = PTHREAD_MUTEX_INITIALIZER;

void gw_log_sink_set(int fd)
{
	struct stat st;
	int kind = KIND_FILE;

	if (fstat(fd, &st) == 0) {
		if (S_ISSOCK(st.st_mode))
			kind = KIND_SOCKET;
		else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
			kind = KIND_ASK;
	}
	atomic_store(&sink_fd, fd);
	atomic_store(&sink_kind, kind);
}

static ssize_t ask_and_write(int fd, const char *line, size_t n)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	char cut[PIPE_BUF];
	ssize_t written = -1;

	if (n > PIPE_BUF) {
		memcpy(cut, line, PIPE_BUF - 1);
		cut[PIPE_BUF - 1] = '\n';
		line = cut;
		n = PIPE_BUF;
	}
	(void)pthread_mutex_lock(&one_writer);
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
		written = write(fd, line, n);
	(void)pthread_mutex_unlock(&one_writer);
	return written;
}

bool gw_log_sink_write(const char *line, size_t n)
{
	int fd = atomic_load_explicit(&sink_fd, memory_order_relaxed);
	ssize_t written = -1;

	switch ((enum kind)atomic_load_explicit(&sink_kind, memory_order_relaxed)) {
	case KIND_FILE:
		written = write(fd, line, n);
		break;
	case KIND_ASK:
		written = ask_and_write(fd, line, n);
		break;
	case KIND_SOCKET:
		written = send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
	return written >= 0;
}
