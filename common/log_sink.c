/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing without waiting. O_NONBLOCK would be the descriptor's, so also that of whoever gave it
 * to us; so a socket is asked with MSG_DONTWAIT, and a pipe or terminal whether it has room: a pipe
 * that is writable takes PIPE_BUF octets at once (pipe(7)), from one writer at a time: the lock.
 *
 * What the descriptor does not take at once waits in a backlog, in order, and a thread that is
 * started when it is first needed writes it as the reader reads: a burst of lines is not lost
 * because a socket holds only some hundred of them. As long as nothing waits, a line is out when
 * the call returns, so a process that dies has said why.
 */
#include "common/log_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG_OCTETS (1U << 20)
#define LAST_WORDS_MS  200 /* at exit */
#define RETRY_MS       1000

enum kind { KIND_FILE, KIND_ASK, KIND_SOCKET };

static _Atomic int sink_fd = STDERR_FILENO;
static _Atomic int sink_kind = KIND_FILE;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what follows, and one writer */
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static char backlog[BACKLOG_OCTETS];
static size_t first; /* waiting: from here */
static size_t end;   /* to here */
static bool has_thread;

/* @return octets taken, 0: none now, -1: the reader is gone */
static ssize_t write_some(int fd, int kind, const char *p, size_t n)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	ssize_t written;

	if (kind == KIND_SOCKET) {
		written = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)
			return (room.revents & POLLERR) != 0 ? -1 : 0;
		written = write(fd, p, n);
	}
	if (written < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
	return written;
}

/* Whole lines, as many as a pipe takes at once: others may write to it, too. */
static size_t next_piece(void)
{
	size_t n = end - first;
	const char *last;

	if (n <= PIPE_BUF)
		return n;
	last = memrchr(backlog + first, '\n', PIPE_BUF);
	return last != NULL ? (size_t)(last - (backlog + first)) + 1 : PIPE_BUF;
}

/* With the lock. @return false: the descriptor takes no more now */
static bool write_backlog(int fd, int kind)
{
	while (first < end) {
		ssize_t written = write_some(fd, kind, backlog + first, next_piece());

		if (written == 0)
			return false;
		if (written < 0)
			first = end; /* nobody reads any more */
		else
			first += (size_t)written;
	}
	first = end = 0;
	return true;
}

static void *drain(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&lock);
	for (;;) {
		struct pollfd room = {.events = POLLOUT};

		while (first == end)
			(void)pthread_cond_wait(&more, &lock);
		room.fd = atomic_load(&sink_fd);
		(void)pthread_mutex_unlock(&lock);
		(void)poll(&room, 1, RETRY_MS);
		(void)pthread_mutex_lock(&lock);
		(void)write_backlog(atomic_load(&sink_fd), atomic_load(&sink_kind));
	}
	return NULL;
}

static void last_words(void)
{
	struct pollfd room = {.fd = atomic_load(&sink_fd), .events = POLLOUT};

	(void)pthread_mutex_lock(&lock);
	while (!write_backlog(room.fd, atomic_load(&sink_kind)))
		if (poll(&room, 1, LAST_WORDS_MS) != 1)
			break;
	(void)pthread_mutex_unlock(&lock);
}

/* Without signals: they are the event loop's. */
static bool start_thread(void)
{
	pthread_t id;
	sigset_t all, before;

	if (has_thread)
		return true;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	has_thread = pthread_create(&id, NULL, drain, NULL) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!has_thread)
		return false;
	(void)pthread_detach(id);
	(void)atexit(last_words);
	return true;
}

static bool keep(const char *p, size_t n)
{
	if (n > BACKLOG_OCTETS - (end - first) || !start_thread())
		return false;
	if (n > BACKLOG_OCTETS - end) {
		memmove(backlog, backlog + first, end - first);
		end -= first;
		first = 0;
	}
	memcpy(backlog + end, p, n);
	end += n;
	(void)pthread_cond_signal(&more);
	return true;
}

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
	(void)pthread_mutex_lock(&lock);
	(void)write_backlog(atomic_load(&sink_fd), atomic_load(&sink_kind));
	first = end = 0;
	atomic_store(&sink_fd, fd);
	atomic_store(&sink_kind, kind);
	(void)pthread_mutex_unlock(&lock);
}

bool gw_log_sink_write(const char *line, size_t n)
{
	int fd = atomic_load_explicit(&sink_fd, memory_order_relaxed);
	int kind = atomic_load_explicit(&sink_kind, memory_order_relaxed);
	char cut[PIPE_BUF];
	ssize_t written = 0;
	bool done;

	if (kind == KIND_FILE)
		return write(fd, line, n) >= 0;
	if (n > PIPE_BUF) {
		memcpy(cut, line, PIPE_BUF - 1);
		cut[PIPE_BUF - 1] = '\n';
		line = cut;
		n = PIPE_BUF;
	}
	(void)pthread_mutex_lock(&lock);
	if (first == end)
		written = write_some(fd, kind, line, n);
	done = written >= 0 && ((size_t)written == n || keep(line + written, n - (size_t)written));
	(void)pthread_mutex_unlock(&lock);
	return done;
}
