/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IMS core of a benchmark: answers REGISTER as fast as text can be copied, over UDP and TCP.
 * 401 without an answered challenge, else 200 with Contact, Path, Service-Route, P-Associated-URI
 * and what outbound asks for; calls as core_call.h says; any other request gets 200 (SUBSCRIBE:
 * 489). It checks no Digest.
 *
 *   wicgate-bench-core HOST:PORT [RING_MS]     one JSON line a second on stdout while something
 * comes:
 *                                    {"s":3,"register":812,"accepted":406,"other":0}
 *
 * Thread: one.
 */
#include "tests/bench/core_call.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATAGRAMS 64

static struct {
	unsigned long registers, accepted, other;
	unsigned s;
} count;
static char own[64]; /* host:port */

static void answer_register(struct bench_text *to, const char *msg, size_t n)
{
	static unsigned long nonce;
	const char *response = memmem(msg, n, "response=\"", 10);
	char text[256];
	bool ok = response != NULL && response[10] != '"';

	count.registers++;
	bench_puts(to, ok ? "SIP/2.0 200 OK\r\n" : "SIP/2.0 401 Unauthorized\r\n");
	bench_copy(to, msg, n, "Via", "");
	bench_copy(to, msg, n, "From", "");
	bench_copy(to, msg, n, "To", ";tag=c0re");
	bench_copy(to, msg, n, "Call-ID", "");
	bench_copy(to, msg, n, "CSeq", "");
	if (!ok) {
		snprintf(text, sizeof(text),
			 "WWW-Authenticate: Digest realm=\"ims.test\", nonce=\"%016lx%08x\", "
			 "algorithm=MD5, qop=\"auth\"\r\n",
			 ++nonce, (unsigned)rand());
		bench_puts(to, text);
	} else {
		const char *aor = memmem(msg, n, "<sip:", 5);

		count.accepted++;
		core_call_register(msg, n);
		bench_copy(to, msg, n, "Contact", "");
		bench_copy(to, msg, n, "Path", "");
		snprintf(text, sizeof(text), "Service-Route: <sip:orig@%s;lr>\r\n", own);
		bench_puts(to, text);
		/* the first name-addr of a REGISTER of the load is the IMPU in Path's, To's or
		 * From's */
		aor = memmem(msg, n, "\r\nTo: <", 7);
		if (aor != NULL) {
			const char *gt = memchr(aor, '>', (size_t)(msg + n - aor));

			bench_puts(to, "P-Associated-URI: ");
			if (gt != NULL)
				bench_put(to, aor + 6, (size_t)(gt + 1 - aor - 6));
			bench_puts(to, ", <tel:+15550101>\r\n");
		}
		if (memmem(msg, n, ";ob>", 4) != NULL)
			bench_puts(to, "Require: outbound\r\n");
	}
	bench_puts(to, "Content-Length: 0\r\n\r\n");
}

/* @return length of the answer; 0 = none */
static size_t answer(char *buf, const char *msg, size_t n)
{
	struct bench_text to = {buf, 0};

	if (memcmp(msg, "SIP/2.0", 7) == 0 || memcmp(msg, "ACK ", 4) == 0)
		return 0;
	if (memcmp(msg, "REGISTER", 8) == 0) {
		answer_register(&to, msg, n);
		return to.n;
	}
	count.other++;
	if (memcmp(msg, "BYE", 3) == 0)
		core_call_bye(msg, n);
	bench_puts(&to, memcmp(msg, "SUBSCRIBE", 9) == 0 ? "SIP/2.0 489 Bad Event\r\n"
							 : "SIP/2.0 200 OK\r\n");
	bench_copy(&to, msg, n, "Via", "");
	bench_copy(&to, msg, n, "From", "");
	bench_copy(&to, msg, n, "To", ";tag=c0re");
	bench_copy(&to, msg, n, "Call-ID", "");
	bench_copy(&to, msg, n, "CSeq", "");
	bench_puts(&to, "Content-Length: 0\r\n\r\n");
	return to.n;
}

/* --- UDP --- */

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
	static char in[BENCH_MESSAGE_MAX], out[BENCH_MESSAGE_MAX];

	(void)what;
	(void)arg;
	for (int i = 0; i < DATAGRAMS; i++) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n =
		    recvfrom(fd, in, sizeof(in), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		size_t k;

		if (n < 0)
			return;
		if (n > 3 && n < BENCH_MESSAGE_MAX && memcmp(in, "MT ", 3) == 0) {
			in[n] = '\0';
			core_call_place(fd, in, &from);
			continue;
		}
		k = n > 10 ? answer(out, in, (size_t)n) : 0;
		if (k > 0)
			(void)sendto(fd, out, k, 0, (struct sockaddr *)&from, len);
	}
}

/* --- TCP --- */

static size_t body_length(const char *head, size_t n)
{
	const char *line = memmem(head, n, "\r\nContent-Length:", 17);

	return line != NULL ? (size_t)atol(line + 17) : 0;
}

/* @return length of the answer to send; 0 = none */
static size_t on_message(struct bufferevent *b, char *out, const char *msg, size_t n)
{
	if (memcmp(msg, "INVITE ", 7) == 0)
		core_call_invite(b, msg, n);
	else if (memcmp(msg, "SIP/2.0", 7) == 0)
		core_call_response(msg, n);
	else
		return answer(out, msg, n);
	return 0;
}

static void on_stream(struct bufferevent *b, void *arg)
{
	static char out[BENCH_MESSAGE_MAX];
	struct evbuffer *in = bufferevent_get_input(b);
	size_t n, used = 0;
	const char *p = (const char *)evbuffer_pullup(in, -1);

	(void)arg;
	n = evbuffer_get_length(in);
	while (used < n) {
		const char *end;
		size_t len, k;

		if (p[used] == '\r' || p[used] == '\n') {
			used++;
			continue;
		}
		end = memmem(p + used, n - used, "\r\n\r\n", 4);
		if (end == NULL)
			break;
		len = (size_t)(end + 4 - (p + used));
		len += body_length(p + used, len);
		if (used + len > n)
			break;
		k = len > 10 ? on_message(b, out, p + used, len) : 0;
		if (k > 0)
			bufferevent_write(b, out, k);
		used += len;
	}
	evbuffer_drain(in, used);
}

static void on_stream_end(struct bufferevent *b, short what, void *arg)
{
	(void)arg;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
		core_call_lost(b);
		bufferevent_free(b);
	}
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *arg)
{
	struct bufferevent *b =
	    bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
	int on = 1;

	(void)sa;
	(void)len;
	(void)arg;
	if (b == NULL)
		abort();
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	bufferevent_setcb(b, on_stream, NULL, on_stream_end, NULL);
	bufferevent_enable(b, EV_READ | EV_WRITE);
}

/* --- life --- */

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	static unsigned long registers, accepted, other;

	(void)fd;
	(void)what;
	(void)arg;
	count.s++;
	if (registers != count.registers || other != count.other) {
		printf("{\"s\":%u,\"register\":%lu,\"accepted\":%lu,\"other\":%lu}\n", count.s,
		       count.registers - registers, count.accepted - accepted, count.other - other);
		fflush(stdout);
	}
	registers = count.registers;
	accepted = count.accepted;
	other = count.other;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct timeval second = {.tv_sec = 1};
	struct event_base *base = event_base_new();
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 4 << 20;
	struct core_options calls = {
	    .base = base, .own = own, .on_stream = on_stream, .on_end = on_stream_end};
	char host[64];
	unsigned port;

	if (argc < 2 || argc > 3 || sscanf(argv[1], "%63[^:]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &at.sin_addr) != 1 || base == NULL || udp < 0) {
		fprintf(stderr, "usage: wicgate-bench-core HOST:PORT [RING_MS]\n");
		return 2;
	}
	snprintf(own, sizeof(own), "%s", argv[1]);
	snprintf(calls.ip, sizeof(calls.ip), "%s", host);
	calls.ring_ms = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	core_call_start(&calls);
	at.sin_port = htons((uint16_t)port);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(udp, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    evconnlistener_new_bind(base, on_accept, NULL,
				    LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, 512,
				    (struct sockaddr *)&at, sizeof(at)) == NULL) {
		perror(argv[1]);
		return 1;
	}
	event_add(event_new(base, udp, EV_READ | EV_PERSIST, on_udp, NULL), NULL);
	event_add(event_new(base, -1, EV_PERSIST, on_second, NULL), &second);
	printf("{\"event\":\"ready\"}\n");
	fflush(stdout);
	event_base_dispatch(base);
	return 0;
}
