/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the benchmarks' core; see core_call.h. */
#include "tests/bench/core_call.h"

#include "tests/bench/sdp_text.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define LINKS_MAX 16
#define GIVE_UP_S 30

struct user {
	char name[48];
	char contact[300];
	char routes[600];
	UT_hash_handle hh;
};

/* A call that we answer, until the 200 is sent. */
struct ringing {
	struct bufferevent *b;
	struct event timer;
	int64_t since_us;
	char sdp_ip[64];
	const char *fault;
	size_t n;
	struct ringing *prev, *next;
	char msg[]; /* the INVITE */
};

/* A call that we placed. */
struct call {
	char id[80], user[48], branch[32];
	char contact[400], routes[1600], to[256];
	struct bufferevent *b;
	struct event timer;
	bool up, ending;
	int hold_ms, fd;
	struct sockaddr_in teller;
	int64_t sent_us;
	UT_hash_handle hh;
};

static struct core_options opt;
static struct user *users;
static struct call *calls;
static struct ringing *ringing;
static struct {
	struct bufferevent *b;
	char where[64];
} links[LINKS_MAX];
static unsigned long serial;

void core_call_start(const struct core_options *o)
{
	opt = *o;
}

static void send_text(struct bufferevent *b, const struct bench_text *t)
{
	if (b != NULL)
		bufferevent_write(b, t->p, t->n);
}

/* "sip:alice@ims.test" -> alice */
static void user_of(const char *uri, char *out, size_t size)
{
	const char *at = strchr(uri, ':');

	snprintf(out, size, "%.*s", (int)(at != NULL ? strcspn(at + 1, "@") : 0),
		 at != NULL ? at + 1 : "");
}

void core_call_register(const char *msg, size_t n)
{
	char uri[256], name[48];
	struct user *u;

	if (bench_uri(msg, n, "To", uri, sizeof(uri)) == 0)
		return;
	user_of(uri, name, sizeof(name));
	HASH_FIND_STR(users, name, u);
	if (u == NULL) {
		u = calloc(1, sizeof(*u));
		if (u == NULL)
			abort();
		memcpy(u->name, name, sizeof(name));
		HASH_ADD_STR(users, name, u);
	}
	bench_uri(msg, n, "Contact", u->contact, sizeof(u->contact));
	bench_routes(msg, n, "Path", false, u->routes, sizeof(u->routes));
}

/* --- calls that come --- */

static void on_rung(evutil_socket_t fd, short what, void *arg)
{
	static char buf[BENCH_MESSAGE_MAX];
	struct bench_text t = {buf, 0};
	struct ringing *r = arg;
	char sdp[1024];
	size_t n = bench_sdp_core(sdp, sizeof(sdp), false, opt.ip);

	(void)fd;
	(void)what;
	bench_response(&t, r->msg, r->n, "200 OK", "c0re");
	bench_printf(&t, "Contact: <sip:far@%s;transport=tcp>\r\n", opt.own);
	bench_puts(&t, "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS\r\nSupported: timer\r\n"
		       "P-Asserted-Identity: <sip:far@ims.test>\r\n");
	bench_printf(&t, "X-Bench: %lld %s %s\r\n", (long long)(bench_now_us() - r->since_us),
		     r->sdp_ip, r->fault);
	bench_end(&t, sdp, n);
	send_text(r->b, &t);
	DL_DELETE(ringing, r);
	free(r);
}

void core_call_invite(struct bufferevent *b, const char *msg, size_t n)
{
	static char buf[BENCH_MESSAGE_MAX];
	struct bench_text t = {buf, 0};
	struct timeval tv = {.tv_usec = (long)opt.ring_ms * 1000};
	struct ringing *r = calloc(1, sizeof(*r) + n);
	const char *sdp;
	size_t len = 0;

	if (r == NULL)
		abort();
	memcpy(r->msg, msg, n);
	r->n = n;
	r->b = b;
	r->since_us = bench_now_us();
	sdp = bench_body(msg, n, &len);
	r->fault = bench_sdp_check_core(sdp, len, r->sdp_ip, sizeof(r->sdp_ip));
	DL_APPEND(ringing, r);
	bench_response(&t, msg, n, "100 Trying", NULL);
	bench_end(&t, NULL, 0);
	bench_response(&t, msg, n, "180 Ringing", "c0re");
	bench_printf(&t, "Contact: <sip:far@%s;transport=tcp>\r\n", opt.own);
	bench_end(&t, NULL, 0);
	send_text(b, &t);
	evtimer_assign(&r->timer, opt.base, on_rung, r);
	evtimer_add(&r->timer, &tv);
}

/* --- calls that we place --- */

static struct bufferevent *link_to(const char *routes)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	char where[64], host[48];
	const char *at = strchr(routes, '@'), *gt = strchr(routes, '>');
	unsigned port = 5060;
	int i, on = 1;

	at = at != NULL && gt != NULL && at < gt ? at + 1 : strstr(routes, "<sip:") + 5;
	snprintf(where, sizeof(where), "%.*s", (int)strcspn(at, ";>"), at);
	for (i = 0; i < LINKS_MAX && links[i].b != NULL; i++)
		if (strcmp(links[i].where, where) == 0)
			return links[i].b;
	if (i == LINKS_MAX || sscanf(where, "%47[^:]:%u", host, &port) < 1 ||
	    inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return NULL;
	to.sin_port = htons((uint16_t)port);
	links[i].b = bufferevent_socket_new(opt.base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (links[i].b == NULL ||
	    bufferevent_socket_connect(links[i].b, (struct sockaddr *)&to, sizeof(to)) != 0)
		return NULL;
	(void)setsockopt(bufferevent_getfd(links[i].b), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	snprintf(links[i].where, sizeof(links[i].where), "%s", where);
	bufferevent_setcb(links[i].b, opt.on_stream, NULL, opt.on_end, NULL);
	bufferevent_enable(links[i].b, EV_READ | EV_WRITE);
	return links[i].b;
}

static void end_call(struct call *c)
{
	evtimer_del(&c->timer);
	HASH_DEL(calls, c);
	free(c);
}

static void fail(struct call *c, int status)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "FAIL %s %d", c->user, status);

	(void)sendto(c->fd, text, (size_t)n, 0, (struct sockaddr *)&c->teller, sizeof(c->teller));
	end_call(c);
}

/* Head of a request of the dialog. */
static void begin(struct bench_text *t, struct call *c, const char *method, unsigned cseq)
{
	bench_printf(t,
		     "%s %s SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s%s\r\n%s"
		     "Max-Forwards: 68\r\nFrom: <sip:far@ims.test>;tag=c0re\r\nTo: %s\r\n"
		     "Call-ID: %s\r\nCSeq: %u %s\r\n",
		     method, c->contact, opt.own, method, c->branch, c->routes, c->to, c->id, cseq,
		     method);
}

static void send_bye(struct call *c)
{
	static char buf[BENCH_MESSAGE_MAX];
	struct bench_text t = {buf, 0};

	c->ending = true;
	begin(&t, c, "BYE", 2);
	bench_end(&t, NULL, 0);
	send_text(c->b, &t);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timeval patience = {.tv_sec = GIVE_UP_S};
	struct call *c = arg;

	(void)fd;
	(void)what;
	if (c->up && !c->ending) {
		evtimer_add(&c->timer, &patience);
		send_bye(c);
	} else {
		fail(c, 408);
	}
}

void core_call_place(int fd, const char *text, const struct sockaddr_in *from)
{
	static char buf[BENCH_MESSAGE_MAX];
	struct timeval patience = {.tv_sec = GIVE_UP_S};
	struct bench_text t = {buf, 0};
	struct call *c = calloc(1, sizeof(*c));
	char sdp[1024];
	struct user *u;

	if (c == NULL || sscanf(text, "MT %47s %d", c->user, &c->hold_ms) != 2)
		abort();
	c->fd = fd;
	c->teller = *from;
	snprintf(c->id, sizeof(c->id), "mt%lx-%s", ++serial, c->user);
	snprintf(c->branch, sizeof(c->branch), "%016lx", serial);
	HASH_ADD_STR(calls, id, c);
	evtimer_assign(&c->timer, opt.base, on_timer, c);
	evtimer_add(&c->timer, &patience);
	HASH_FIND_STR(users, c->user, u);
	c->b = u != NULL && u->routes[0] != '\0' ? link_to(u->routes) : NULL;
	if (c->b == NULL) {
		fail(c, 404);
		return;
	}
	memcpy(c->contact, u->contact, sizeof(u->contact));
	memcpy(c->routes, u->routes, sizeof(u->routes));
	snprintf(c->to, sizeof(c->to), "<sip:%s@ims.test>", c->user);
	c->sent_us = bench_now_us();
	begin(&t, c, "INVITE", 1);
	bench_printf(&t,
		     "Contact: <sip:far@%s;transport=tcp>\r\nX-Bench: %lld\r\n"
		     "P-Called-Party-ID: <sip:%s@ims.test>\r\n"
		     "P-Asserted-Identity: <sip:far@ims.test>\r\n"
		     "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS\r\nSupported: timer\r\n"
		     "P-Charging-Vector: icid-value=core%lx;orig-ioi=ims.test\r\n",
		     opt.own, (long long)c->sent_us, c->user, serial);
	bench_end(&t, sdp, bench_sdp_core(sdp, sizeof(sdp), true, opt.ip));
	send_text(c->b, &t);
}

static void send_ack(struct call *c, long long setup_us, const char *ip, const char *fault)
{
	static char buf[BENCH_MESSAGE_MAX];
	struct bench_text t = {buf, 0};

	begin(&t, c, "ACK", 1);
	bench_printf(&t, "X-Bench: %lld %s %s\r\n", setup_us, ip, fault);
	bench_end(&t, NULL, 0);
	send_text(c->b, &t);
}

/* RFC 3261 s17.1.1.3: with the branch of the INVITE. */
static void ack_refusal(struct call *c)
{
	static char buf[BENCH_MESSAGE_MAX];
	struct bench_text t = {buf, 0};

	bench_printf(&t,
		     "ACK %s SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bKINVITE%s\r\n%s"
		     "From: <sip:far@ims.test>;tag=c0re\r\nTo: %s\r\nCall-ID: %s\r\n"
		     "CSeq: 1 ACK\r\n",
		     c->contact, opt.own, c->branch, c->routes, c->to, c->id);
	bench_end(&t, NULL, 0);
	send_text(c->b, &t);
}

static void answered(struct call *c, const char *msg, size_t n)
{
	char text[200], ip[64];
	size_t len = 0;
	const char *sdp = bench_body(msg, n, &len), *fault;
	struct timeval hold = {.tv_sec = c->hold_ms / 1000, .tv_usec = c->hold_ms % 1000 * 1000L};
	long long rang = 0;

	bench_field(msg, n, "X-Bench", text, sizeof(text));
	(void)sscanf(text, "%lld", &rang);
	fault = bench_sdp_check_core(sdp, len, ip, sizeof(ip));
	bench_field(msg, n, "To", c->to, sizeof(c->to));
	bench_uri(msg, n, "Contact", c->contact, sizeof(c->contact));
	bench_routes(msg, n, "Record-Route", true, c->routes, sizeof(c->routes));
	send_ack(c, bench_now_us() - c->sent_us - rang, ip, fault);
	c->up = true;
	if (c->hold_ms >= 0)
		evtimer_add(&c->timer, &hold);
	else
		evtimer_del(&c->timer);
}

void core_call_response(const char *msg, size_t n)
{
	int status = n > 12 ? atoi(msg + 8) : 0;
	char id[80];
	struct call *c;

	if (status < 200 || bench_field(msg, n, "Call-ID", id, sizeof(id)) == 0)
		return;
	HASH_FIND_STR(calls, id, c);
	if (c == NULL)
		return;
	if (c->ending) {
		end_call(c);
	} else if (c->up) {
		return; /* the 200 again; its ACK is on the way */
	} else if (status < 300) {
		answered(c, msg, n);
	} else {
		bench_field(msg, n, "To", c->to, sizeof(c->to));
		ack_refusal(c);
		fail(c, status);
	}
}

void core_call_bye(const char *msg, size_t n)
{
	char id[80];
	struct call *c = NULL;

	if (bench_field(msg, n, "Call-ID", id, sizeof(id)) > 0)
		HASH_FIND_STR(calls, id, c);
	if (c != NULL)
		end_call(c);
}

void core_call_lost(struct bufferevent *b)
{
	struct ringing *r, *r_next;
	struct call *c, *c_next;

	DL_FOREACH_SAFE (ringing, r, r_next)
		if (r->b == b)
			r->b = NULL;
	HASH_ITER (hh, calls, c, c_next)
		if (c->b == b)
			fail(c, 503);
	for (int i = 0; i < LINKS_MAX; i++)
		if (links[i].b == b) {
			for (int j = i; j + 1 < LINKS_MAX; j++)
				links[j] = links[j + 1];
			memset(&links[LINKS_MAX - 1], 0, sizeof(links[0]));
		}
}
