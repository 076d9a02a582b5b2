/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A and AAAA of a DNS name by c-ares, driven by the loop: every address of the name is an AGW
 * (a scaled compose service, a headless service). No caching of our own: who asks, asks on a
 * timer. Thread: the cscf loop.
 */
#include "cscf/iq/iq_int.h"

#include <ares.h>
#include <netdb.h>
#include <stdio.h>

#define GW_LOG_MOD    "iq"
#define MAX_SOCKETS   16
#define QUERY_TIMEOUT 2000 /* ms, per try */

struct watch {
	struct iq_dns *dns;
	ares_socket_t fd;
	struct event *ev; /* owned; NULL = free slot */
};

struct iq_dns {
	struct event_base *base;
	ares_channel channel;
	bool up;
	struct event *tick; /* owned: c-ares' own time-outs */
	struct watch watch[MAX_SOCKETS];
};

struct query {
	iq_dns_fn *fn;
	void *arg;
	uint16_t port;
};

static void arm_tick(struct iq_dns *dns)
{
	struct timeval max = {1, 0}, tv;

	event_add(dns->tick, ares_timeout(dns->channel, &max, &tv));
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct iq_dns *dns = arg;
	bool busy = false;

	(void)fd;
	(void)what;
	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (size_t i = 0; i < MAX_SOCKETS; i++)
		busy = busy || dns->watch[i].ev != NULL;
	if (busy)
		arm_tick(dns);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct iq_dns *dns = w->dns;

	ares_process_fd(dns->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
			(what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	arm_tick(dns);
}

/* c-ares tells which of its sockets it wants watched. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct iq_dns *dns = arg;
	struct watch *w = NULL;
	short what =
	    (short)(EV_PERSIST | (readable != 0 ? EV_READ : 0) | (writable != 0 ? EV_WRITE : 0));

	for (size_t i = 0; i < MAX_SOCKETS; i++)
		if (dns->watch[i].ev != NULL && dns->watch[i].fd == fd)
			w = &dns->watch[i];
	for (size_t i = 0; w == NULL && i < MAX_SOCKETS; i++)
		if (dns->watch[i].ev == NULL)
			w = &dns->watch[i];
	if (w == NULL)
		return; /* the query then ends by its time-out */
	if (w->ev != NULL)
		event_free(w->ev);
	w->ev = NULL;
	if (readable == 0 && writable == 0)
		return;
	w->dns = dns;
	w->fd = fd;
	w->ev = event_new(dns->base, fd, what, on_socket, w);
	if (w->ev != NULL)
		event_add(w->ev, NULL);
}

/* dns.servers, as the SIP side takes them (cscf/sip/dns.c, which refuses what is wrong there). */
static bool use_servers(struct iq_dns *dns, const struct gw_conf_list *servers)
{
	char csv[1024], text[GW_ADDR_STRLEN];
	struct gw_addr a;
	size_t n = 0;

	for (size_t i = 0; servers != NULL && i < servers->n; i++) {
		if (gw_addr_parse(&a, servers->item[i], 53) != GW_OK ||
		    n + GW_ADDR_STRLEN + 1 > sizeof(csv))
			return false;
		n += (size_t)snprintf(csv + n, sizeof(csv) - n, "%s%s", n > 0 ? "," : "",
				      gw_addr_str(&a, text, sizeof(text)));
	}
	return n == 0 || ares_set_servers_ports_csv(dns->channel, csv) == ARES_SUCCESS;
}

enum gw_err iq_dns_new(struct iq_dns **out, struct event_base *base,
		       const struct gw_conf_list *servers)
{
	struct iq_dns *dns = calloc(1, sizeof(*dns));
	struct ares_options opt = {.timeout = QUERY_TIMEOUT, .tries = 2};

	if (dns == NULL)
		return GW_ERR_NOMEM;
	dns->base = base;
	opt.sock_state_cb = on_socket_state;
	opt.sock_state_cb_data = dns;
	dns->tick = evtimer_new(base, on_tick, dns);
	if (dns->tick == NULL || ares_init_options(&dns->channel, &opt,
						   ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS |
						       ARES_OPT_TRIES) != ARES_SUCCESS) {
		iq_dns_free(dns);
		return GW_ERR_NOMEM;
	}
	dns->up = true;
	if (!use_servers(dns, servers)) {
		iq_dns_free(dns);
		return GW_ERR_INVAL;
	}
	*out = dns;
	return GW_OK;
}

void iq_dns_free(struct iq_dns *dns)
{
	if (dns == NULL)
		return;
	if (dns->up)
		ares_destroy(dns->channel); /* ends every query: fn is called with n = 0 */
	for (size_t i = 0; i < MAX_SOCKETS; i++)
		if (dns->watch[i].ev != NULL)
			event_free(dns->watch[i].ev);
	if (dns->tick != NULL)
		event_free(dns->tick);
	free(dns);
}

static void on_result(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct query *q = arg;
	struct gw_addr addrs[IQ_MAX_LINKS];
	size_t n = 0;

	(void)timeouts;
	if (status == ARES_SUCCESS && res != NULL)
		for (struct ares_addrinfo_node *a = res->nodes; a != NULL && n < IQ_MAX_LINKS;
		     a = a->ai_next)
			if (gw_addr_from_sa(&addrs[n], a->ai_addr, (socklen_t)a->ai_addrlen) ==
			    GW_OK) {
				gw_addr_set_port(&addrs[n], q->port);
				n++;
			}
	if (res != NULL)
		ares_freeaddrinfo(res);
	if (status != ARES_SUCCESS && status != ARES_EDESTRUCTION)
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.resolve_failed", "reason=\"%s\"",
			       ares_strerror(status));
	q->fn(q->arg, addrs, n);
	free(q);
}

void iq_dns_query(struct iq_dns *dns, const char *host, uint16_t port, iq_dns_fn *fn, void *arg)
{
	struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
	struct query *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		fn(arg, NULL, 0);
		return;
	}
	q->fn = fn;
	q->arg = arg;
	q->port = port;
	ares_getaddrinfo(dns->channel, host, NULL, &hints, on_result, q);
	arm_tick(dns);
}
