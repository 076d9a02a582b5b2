/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3263 against a name server of the test's own: cscf/sip/resolve.c, dns.c.
 */
#include "cscf/sip/resolve.h"
#include "tests/lib/req.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { T_A = 1, T_AAAA = 28, T_SRV = 33, T_NAPTR = 35 };

struct rr {
	const char *name;
	int type;
	unsigned order, weight, port; /* SRV; NAPTR order and preference */
	const char *text;             /* address, SRV target, NAPTR replacement */
	const char *service;
	unsigned ttl; /* 0 = a minute */
};

static const struct rr zone[] = {
    {"naptr.example", T_NAPTR, 20, 1, 0, "_sip._udp.naptr.example", "SIP+D2U", 0},
    {"naptr.example", T_NAPTR, 10, 1, 0, "_sip._tcp.naptr.example", "SIP+D2T", 0},
    {"naptr.example", T_NAPTR, 5, 1, 0, "_sips._tcp.naptr.example", "SIPS+D2T", 0},
    {"_sip._tcp.naptr.example", T_SRV, 20, 0, 5071, "two.example", NULL, 0},
    {"_sip._tcp.naptr.example", T_SRV, 10, 0, 5070, "one.example", NULL, 0},
    {"_sip._udp.naptr.example", T_SRV, 10, 0, 5072, "one.example", NULL, 0},
    {"one.example", T_A, 0, 0, 0, "192.0.2.1", NULL, 0},
    {"two.example", T_A, 0, 0, 0, "192.0.2.2", NULL, 0},
    {"two.example", T_A, 0, 0, 0, "192.0.2.3", NULL, 0},
    {"_sip._udp.srv.example", T_SRV, 1, 1, 5080, "one.example", NULL, 0},
    {"plain.example", T_A, 0, 0, 0, "192.0.2.9", NULL, 0},
    {"short.example", T_A, 0, 0, 0, "192.0.2.10", NULL, 1},
    {"short.example", T_A, 0, 0, 0, "192.0.2.11", NULL, 7200},
    {"_sip._udp.shortsrv.example", T_SRV, 1, 1, 5080, "one.example", NULL, 1},
};

struct dns {
	int fd;
	struct event *event;
	bool silent;
	unsigned asked;
};

struct fixture {
	struct event_base *base;
	struct dns dns;
	char *server;
	struct gw_conf_list servers, hosts;
	struct cscf_sip_resolver *r;
	struct cscf_sip_target got[CSCF_SIP_MAX_TARGETS];
	size_t n;
	int calls;
};

/* --- a name server --- */

static uint8_t *put16(uint8_t *p, unsigned v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_name(uint8_t *p, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		name += n + (name[n] == '.');
	}
	*p++ = 0;
	return p;
}

static uint8_t *put_string(uint8_t *p, const char *s)
{
	*p++ = (uint8_t)strlen(s);
	memcpy(p, s, strlen(s));
	return p + strlen(s);
}

static uint8_t *put_rr(uint8_t *p, const struct rr *r)
{
	uint8_t *length;

	p = put16(p, 0xc00c); /* the name of the question */
	p = put16(p, (unsigned)r->type);
	p = put16(p, 1);
	p = put16(p, 0);
	p = put16(p, r->ttl > 0 ? r->ttl : 60);
	length = p;
	p += 2;
	if (r->type == T_A) {
		unsigned a, b, c, d;

		sscanf(r->text, "%u.%u.%u.%u", &a, &b, &c, &d);
		*p++ = (uint8_t)a;
		*p++ = (uint8_t)b;
		*p++ = (uint8_t)c;
		*p++ = (uint8_t)d;
	} else {
		p = put16(p, r->order);
		p = put16(p, r->weight);
		if (r->type == T_SRV) {
			p = put16(p, r->port);
		} else {
			p = put_string(p, "s");
			p = put_string(p, r->service);
			p = put_string(p, "");
		}
		p = put_name(p, r->text);
	}
	put16(length, (unsigned)(p - length - 2));
	return p;
}

static void on_question(evutil_socket_t fd, short what, void *arg)
{
	struct dns *d = arg;
	uint8_t q[512], answer[2048];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
	char name[256] = "";
	const uint8_t *p = q + 12;
	uint8_t *a = answer;
	unsigned type, count = 0;

	(void)what;
	d->asked++;
	if (n < 17 || d->silent)
		return;
	for (; *p != 0; p += *p + 1) {
		strncat(name, (const char *)p + 1, *p);
		if (p[*p + 1] != 0)
			strcat(name, ".");
	}
	type = (unsigned)p[1] << 8 | p[2];
	p += 5;
	memcpy(answer, q, (size_t)(p - q));
	a += p - q;
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++) {
		if (strcasecmp(zone[i].name, name) == 0 && (unsigned)zone[i].type == type) {
			a = put_rr(a, &zone[i]);
			count++;
		}
	}
	put16(answer + 2, count > 0 ? 0x8580 : 0x8583); /* NXDOMAIN */
	put16(answer + 6, count);
	put16(answer + 8, 0);
	put16(answer + 10, 0);
	assert_true(sendto(fd, answer, (size_t)(a - answer), 0, (struct sockaddr *)&from, len) > 0);
}

/* --- fixture --- */

static char host0[] = "Fixed.example=192.0.2.50:5090;transport=tcp";
static char host1[] = "fixed.example=192.0.2.51";
static char host2[] = "v6.example=[2001:db8::1]:5061";
static char *hosts[] = {host0, host1, host2};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct gw_addr a;
	char text[GW_ADDR_STRLEN], err[200];
	struct cscf_sip_resolver_config cfg = {.hosts = &f->hosts,
					       .dns_servers = &f->servers,
					       .dns_timeout_ms = 100,
					       .udp = true,
					       .tcp = true};

	f->base = event_base_new();
	f->dns.fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(gw_addr_parse(&a, "127.0.0.1:0", 0), GW_OK);
	assert_int_equal(bind(f->dns.fd, &a.u.sa, a.len), 0);
	getsockname(f->dns.fd, (struct sockaddr *)&ss, &len);
	assert_int_equal(gw_addr_from_sa(&a, (struct sockaddr *)&ss, len), GW_OK);
	f->server = strdup(gw_addr_str(&a, text, sizeof(text)));
	f->servers = (struct gw_conf_list){&f->server, 1};
	f->hosts = (struct gw_conf_list){hosts, 3};
	f->dns.event = event_new(f->base, f->dns.fd, EV_READ | EV_PERSIST, on_question, &f->dns);
	event_add(f->dns.event, NULL);
	assert_int_equal(cscf_sip_resolver_new(&f->r, f->base, &cfg, err, sizeof(err)), GW_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cscf_sip_resolver_free(f->r);
	event_free(f->dns.event);
	close(f->dns.fd);
	event_base_free(f->base);
	free(f->server);
	free(f);
	return 0;
}

static void on_resolved(void *arg, const struct cscf_sip_target *targets, size_t n)
{
	struct fixture *f = arg;

	f->calls++;
	f->n = n;
	if (n > 0)
		memcpy(f->got, targets, n * sizeof(*targets));
}

static void await(struct fixture *f)
{
	time_t end = time(NULL) + 5;

	while (f->calls == 0) {
		struct timeval tv = {0, 5000};

		assert_true(time(NULL) < end);
		event_base_loopexit(f->base, &tv);
		event_base_loop(f->base, EVLOOP_ONCE);
	}
	assert_int_equal(f->calls, 1);
}

/* Resolve and compare with "UDP 192.0.2.1:5060, …". */
static void expect(struct fixture *f, const char *uri, const char *targets)
{
	char text[1000] = "";
	size_t n = 0;
	gw_handle q;

	f->calls = 0;
	assert_int_equal(cscf_sip_resolve(f->r, gw_slice_str(uri), on_resolved, f, &q), GW_OK);
	await(f);
	assert_int_equal(cscf_sip_resolver_pending(f->r), 0);
	for (size_t i = 0; i < f->n; i++) {
		char addr[GW_ADDR_STRLEN];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s %s", i > 0 ? ", " : "",
				      cscf_sip_transport_name(f->got[i].transport),
				      gw_addr_str(&f->got[i].addr, addr, sizeof(addr)));
	}
	assert_string_equal(text, targets);
}

static void test_numeric_and_configured_hosts_ask_nobody(void **state)
{
	struct fixture *f = *state;

	REQ("WS-15");
	expect(f, "sip:192.0.2.7", "UDP 192.0.2.7:5060");
	expect(f, "192.0.2.7:5070", "UDP 192.0.2.7:5070");
	expect(f, "sip:[2001:db8::7]:5070;transport=tcp;lr", "TCP [2001:db8::7]:5070");
	expect(f, "sip:orig@FIXED.example;lr", "TCP 192.0.2.50:5090, UDP 192.0.2.51:5060");
	expect(f, "sip:fixed.example;transport=udp", "UDP 192.0.2.50:5090, UDP 192.0.2.51:5060");
	expect(f, "sip:v6.example", "UDP [2001:db8::1]:5061");
	assert_int_equal(f->dns.asked, 0);
}

static void test_naptr_srv_and_addresses_in_their_order(void **state)
{
	struct fixture *f = *state;
	unsigned asked;

	expect(f, "sip:naptr.example",
	       "TCP 192.0.2.1:5070, TCP 192.0.2.2:5071, TCP 192.0.2.3:5071, UDP 192.0.2.1:5072");
	asked = f->dns.asked;
	expect(f, "sip:naptr.example", /* kept: nobody is asked */
	       "TCP 192.0.2.1:5070, TCP 192.0.2.2:5071, TCP 192.0.2.3:5071, UDP 192.0.2.1:5072");
	assert_int_equal(f->dns.asked, asked);
}

static void test_each_shortcut_of_the_uri(void **state)
{
	struct fixture *f = *state;

	expect(f, "sip:naptr.example;transport=udp", "UDP 192.0.2.1:5072");
	expect(f, "sip:srv.example", "UDP 192.0.2.1:5080");
	expect(f, "sip:plain.example", "UDP 192.0.2.9:5060");
	expect(f, "sip:plain.example;transport=tcp", "TCP 192.0.2.9:5060");
	expect(f, "sip:plain.example:5099", "UDP 192.0.2.9:5099");
	expect(f, "sip:nowhere.example", "");
}

static void test_silent_server_ends_without_a_target(void **state)
{
	struct fixture *f = *state;

	f->dns.silent = true;
	expect(f, "sip:plain.example:5060", "");
	assert_true(f->dns.asked >= 1);
}

static void test_cancelled_query_makes_no_call(void **state)
{
	struct fixture *f = *state;
	gw_handle q;

	assert_int_equal(
	    cscf_sip_resolve(f->r, GW_SLICE_LIT("sip:naptr.example"), on_resolved, f, &q), GW_OK);
	assert_true(q != GW_HANDLE_NONE);
	cscf_sip_resolve_cancel(f->r, q);
	while (cscf_sip_resolver_pending(f->r) > 0)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(f->calls, 0);
}

static void test_open_query_ends_with_the_resolver(void **state)
{
	struct fixture *f = *state;
	gw_handle q;

	f->dns.silent = true;
	assert_int_equal(
	    cscf_sip_resolve(f->r, GW_SLICE_LIT("sip:naptr.example"), on_resolved, f, &q), GW_OK);
	cscf_sip_resolver_free(f->r);
	f->r = NULL;
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->n, 0);
}

static void test_what_is_never_looked_up(void **state)
{
	static const struct {
		const char *uri;
		enum gw_err err;
	} cases[] = {
	    {"sip:x@df7jal23ls0d.invalid", GW_ERR_UNSUPPORTED},
	    {"sip:plain.example;transport=ws", GW_ERR_UNSUPPORTED},
	    {"sip:plain.example;transport=tls", GW_ERR_UNSUPPORTED},
	    {"sips:plain.example", GW_ERR_UNSUPPORTED},
	    {"sip:", GW_ERR_PARSE},
	    {"a b", GW_ERR_PARSE},
	};
	struct fixture *f = *state;
	gw_handle q;

	REQ("WS-15");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    cscf_sip_resolve(f->r, gw_slice_str(cases[i].uri), on_resolved, f, &q),
		    cases[i].err);
	assert_int_equal(f->calls, 0);
	assert_int_equal(f->dns.asked, 0);
}

/* Resolve until somebody is asked again. @return after how many ms */
static long asked_again_after(struct fixture *f, const char *uri)
{
	struct timespec t0, t1;
	unsigned before;
	gw_handle q;

	f->calls = 0;
	assert_int_equal(cscf_sip_resolve(f->r, gw_slice_str(uri), on_resolved, f, &q), GW_OK);
	await(f);
	before = f->dns.asked;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	do {
		f->calls = 0;
		assert_int_equal(cscf_sip_resolve(f->r, gw_slice_str(uri), on_resolved, f, &q),
				 GW_OK);
		await(f);
		clock_gettime(CLOCK_MONOTONIC, &t1);
	} while (f->dns.asked == before && t1.tv_sec < t0.tv_sec + 4);
	return (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
}

static void test_answers_are_kept_as_long_as_the_shortest_ttl_says(void **state)
{
	static const char *const uris[] = {"sip:short.example:5060",
					   "sip:shortsrv.example;transport=udp"};
	struct fixture *f = *state;
	unsigned before;

	REQ("REG-09");
	expect(f, "sip:plain.example:5060", "UDP 192.0.2.9:5060");
	for (size_t i = 0; i < 2; i++)
		assert_in_range(asked_again_after(f, uris[i]), 900, 2500);
	/* the one with a minute is still kept, until a target of it fails */
	before = f->dns.asked;
	expect(f, "sip:plain.example:5060", "UDP 192.0.2.9:5060");
	assert_int_equal(f->dns.asked, before);
	cscf_sip_resolver_forget(f->r, gw_slice_str("sip:plain.example:5060"));
	expect(f, "sip:plain.example:5060", "UDP 192.0.2.9:5060");
	assert_true(f->dns.asked > before);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_numeric_and_configured_hosts_ask_nobody),
	    T(test_naptr_srv_and_addresses_in_their_order),
	    T(test_each_shortcut_of_the_uri),
	    T(test_silent_server_ends_without_a_target),
	    T(test_cancelled_query_makes_no_call),
	    T(test_open_query_ends_with_the_resolver),
	    T(test_what_is_never_looked_up),
	    T(test_answers_are_kept_as_long_as_the_shortest_ttl_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
