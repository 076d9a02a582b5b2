/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS library's own share of a connection: accepts TLS with the context of W2 (same
 * function, same settings), reads what comes, and holds. Nothing on top but one event each.
 *
 *   wicgate-bench-tls HOST:PORT CERT KEY
 */
#include "cscf/ws/tls.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct held {
	SSL *ssl;
	struct event *ev;
};

static struct event_base *base;
static SSL_CTX *ctx;

static void drop(struct held *h)
{
	int fd = SSL_get_fd(h->ssl);

	event_free(h->ev);
	SSL_free(h->ssl);
	close(fd);
	free(h);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	static char bytes[16384];
	struct held *h = arg;
	int r;

	(void)fd;
	(void)what;
	ERR_clear_error();
	do
		r = SSL_read(h->ssl, bytes, sizeof(bytes));
	while (r > 0);
	if (SSL_get_error(h->ssl, r) != SSL_ERROR_WANT_READ)
		drop(h);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct held *h;
	int fd;

	(void)what;
	(void)arg;
	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		h = calloc(1, sizeof(*h));
		if (h == NULL || (h->ssl = SSL_new(ctx)) == NULL || SSL_set_fd(h->ssl, fd) != 1)
			abort();
		SSL_set_accept_state(h->ssl);
		h->ev = event_new(base, fd, EV_READ | EV_PERSIST, on_ready, h);
		if (h->ev == NULL || event_add(h->ev, NULL) != 0)
			abort();
	}
}

int main(int argc, char **argv)
{
	struct rlimit fds;
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	char host[64], why[256] = "";
	unsigned port;

	if (argc != 4 || sscanf(argv[1], "%63[^:]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &at.sin_addr) != 1)
		return 2;
	at.sin_port = htons((uint16_t)port);
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0) {
		fds.rlim_cur = fds.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &fds);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	if (base == NULL ||
	    cscf_ws_tls_ctx_new(&ctx, argv[2], argv[3], "1.2", why, sizeof(why)) != GW_OK) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1024) != 0) {
		perror(argv[1]);
		return 1;
	}
	event_add(event_new(base, fd, EV_READ | EV_PERSIST, on_accept, NULL), NULL);
	printf("{\"event\":\"ready\"}\n");
	fflush(stdout);
	event_base_dispatch(base);
	return 0;
}
