/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mw.peers with a name that moves: cscf/sip/peers.c, against a name server of the test's own.
 */
#include "cscf/sip/peers.h"

#include "cscf/sip/stack.h"
#include "tests/lib/req.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	struct event_base *base;
	struct event *event;
	int fd;
	uint8_t last; /* octet of the address that the name has now; 0 = no answer */
	unsigned asked;
} dns;

/* Any A question is answered with 127.0.0.<last> for a second, any other with nothing. */
static void on_question(evutil_socket_t fd, short what, void *arg)
{
	static const uint8_t rr[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0};
	uint8_t m[512];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, m, 256, 0, (struct sockaddr *)&from, &len);
	size_t end = 12;

	(void)what;
	(void)arg;
	dns.asked++;
	if (n < 17 || dns.last == 0)
		return;
	while (end < (size_t)n && m[end] != 0)
		end += m[end] + 1U;
	end += 5;
	m[2] = 0x85;
	m[3] = 0x80;
	memset(m + 6, 0, 6);
	if (m[end - 3] == 1) {
		m[7] = 1;
		memcpy(m + end, rr, sizeof(rr));
		end += sizeof(rr);
		m[end++] = dns.last;
	}
	assert_true(sendto(fd, m, end, 0, (struct sockaddr *)&from, len) > 0);
}

static char *serve(char *text)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct gw_addr a;

	dns.base = event_base_new();
	dns.fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(gw_addr_parse(&a, "127.0.0.1:0", 0), GW_OK);
	assert_int_equal(bind(dns.fd, &a.u.sa, a.len), 0);
	getsockname(dns.fd, (struct sockaddr *)&ss, &len);
	assert_int_equal(gw_addr_from_sa(&a, (struct sockaddr *)&ss, len), GW_OK);
	dns.event = event_new(dns.base, dns.fd, EV_READ | EV_PERSIST, on_question, NULL);
	event_add(dns.event, NULL);
	(void)gw_addr_str(&a, text, GW_ADDR_STRLEN);
	return text;
}

static bool has(const struct cscf_sip_peers *p, const char *ip)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, ip, 5060), GW_OK);
	return cscf_sip_peers_has(p, &a);
}

static void until(const struct cscf_sip_peers *p, const char *ip)
{
	time_t end = time(NULL) + 6;

	while (!has(p, ip)) {
		struct timeval tv = {0, 20000};

		assert_true(time(NULL) < end);
		event_base_loopexit(dns.base, &tv);
		event_base_dispatch(dns.base);
	}
}

static void test_a_name_is_followed_and_kept_while_dns_is_away(void **state)
{
	REQ("SEC-05");
	char server[GW_ADDR_STRLEN], errbuf[200] = "";
	char net[] = "10.0.0.0/8", name[] = "core.example", found[] = "127.0.0.7@core.example";
	char *items[] = {net, name, found}, *servers[] = {serve(server)};
	struct cscf_sip_config cfg;
	struct cscf_sip_peers *p;
	unsigned asked;

	(void)state;
	cscf_sip_config_defaults(&cfg);
	cfg.mw_peers = (struct gw_conf_list){items, 3};
	cfg.dns_servers = (struct gw_conf_list){servers, 1};
	cfg.dns_timeout_ms = 50;
	dns.last = 8;
	assert_int_equal(cscf_sip_peers_new(&p, dns.base, &cfg, errbuf, sizeof(errbuf)), GW_OK);
	assert_true(has(p, "127.0.0.7") && has(p, "10.1.2.3"));
	assert_false(has(p, "127.0.0.8") || has(p, "192.0.2.1"));
	until(p, "127.0.0.8"); /* it has moved */
	assert_false(has(p, "127.0.0.7"));
	dns.last = 9;
	until(p, "127.0.0.9"); /* and again, after its TTL */
	assert_false(has(p, "127.0.0.8"));
	assert_true(has(p, "10.1.2.3"));
	dns.last = 0; /* nobody answers: the last known stays */
	asked = dns.asked;
	for (time_t end = time(NULL) + 3; dns.asked < asked + 2 && time(NULL) < end;)
		event_base_loop(dns.base, EVLOOP_ONCE);
	assert_true(dns.asked > asked);
	assert_true(has(p, "127.0.0.9"));
	cscf_sip_peers_free(p);
	event_free(dns.event);
	close(dns.fd);
	event_base_free(dns.base);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_name_is_followed_and_kept_while_dns_is_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
