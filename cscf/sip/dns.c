/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c-ares with libevent; see dns.h.
 */
#include "cscf/sip/dns.h"

#include "common/rand.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 200 /* how often c-ares looks at its own timeouts while a question is open */

struct watch {
	struct cscf_sip_dns *dns;
	int fd;
	struct event *event;
	struct watch *next;
};

struct cscf_sip_dns {
	struct event_base *base;
	ares_channel channel;
	struct watch *watches;
	struct event *tick;
	size_t open; /* questions */
};

struct question {
	struct cscf_sip_dns *dns;
	cscf_sip_dns_fn *fn;
	void *arg;
	struct cscf_sip_dns_record records[CSCF_SIP_DNS_MAX];
	size_t n;
};

/* --- loop --- */

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	ares_process_fd(w->dns->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
			what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static void watch_drop(struct cscf_sip_dns *d, struct watch *w)
{
	LL_DELETE(d->watches, w);
	event_free(w->event);
	free(w);
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct cscf_sip_dns *d = data;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
	struct watch *w;

	LL_SEARCH_SCALAR(d->watches, w, fd, fd);
	if (w != NULL)
		watch_drop(d, w);
	if (!readable && !writable)
		return;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return; /* the question times out */
	w->dns = d;
	w->fd = fd;
	w->event = event_new(d->base, fd, what, on_fd, w);
	if (w->event == NULL) {
		free(w);
		return;
	}
	LL_PREPEND(d->watches, w);
	event_add(w->event, NULL);
}

static void tick_start(struct cscf_sip_dns *d)
{
	struct timeval tv = {0, TICK_MS * 1000};

	evtimer_add(d->tick, &tv);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_sip_dns *d = arg;

	(void)fd;
	(void)what;
	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (d->open > 0)
		tick_start(d);
}

/* --- life --- */

static enum gw_err set_servers(struct cscf_sip_dns *d, const struct gw_conf_list *servers,
			       char *errbuf, size_t errlen)
{
	char csv[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < servers->n; i++) {
		struct gw_addr a;
		char text[GW_ADDR_STRLEN];

		if (gw_addr_parse(&a, servers->item[i], 53) != GW_OK ||
		    n + GW_ADDR_STRLEN + 1 > sizeof(csv)) {
			snprintf(errbuf, errlen, "dns.servers: %s", servers->item[i]);
			return GW_ERR_INVAL;
		}
		n += (size_t)snprintf(csv + n, sizeof(csv) - n, "%s%s", n > 0 ? "," : "",
				      gw_addr_str(&a, text, sizeof(text)));
	}
	if (n > 0 && ares_set_servers_ports_csv(d->channel, csv) != ARES_SUCCESS) {
		snprintf(errbuf, errlen, "dns.servers: refused");
		return GW_ERR_INVAL;
	}
	return GW_OK;
}

enum gw_err cscf_sip_dns_new(struct cscf_sip_dns **out, struct event_base *base,
			     const struct gw_conf_list *servers, int64_t timeout_ms, char *errbuf,
			     size_t errlen)
{
	struct cscf_sip_dns *d = calloc(1, sizeof(*d));
	struct ares_options options = {0};
	enum gw_err err = GW_ERR_NOMEM;

	*out = NULL;
	if (d == NULL)
		return err;
	d->base = base;
	options.sock_state_cb = on_socket_state;
	options.sock_state_cb_data = d;
	options.timeout = (int)timeout_ms;
	options.tries = 2;
	/* needs no clean-up: once per process */
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&d->channel, &options,
			      ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
		ARES_SUCCESS) {
		snprintf(errbuf, errlen, "the resolver does not start");
		free(d);
		return GW_ERR_IO;
	}
	d->tick = evtimer_new(base, on_tick, d);
	if (d->tick != NULL)
		err = set_servers(d, servers, errbuf, errlen);
	if (err != GW_OK) {
		cscf_sip_dns_free(d);
		return err;
	}
	*out = d;
	return GW_OK;
}

void cscf_sip_dns_free(struct cscf_sip_dns *d)
{
	if (d == NULL)
		return;
	ares_destroy(d->channel); /* ends all questions, which may find no memory for new ones */
	while (d->watches != NULL)
		watch_drop(d, d->watches);
	if (d->tick != NULL)
		event_free(d->tick);
	free(d);
}

/* --- questions --- */

static struct question *ask(struct cscf_sip_dns *d, cscf_sip_dns_fn *fn, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		fn(arg, NULL, 0);
		return NULL;
	}
	q->dns = d;
	q->fn = fn;
	q->arg = arg;
	d->open++;
	tick_start(d);
	return q;
}

static void finish(struct question *q)
{
	q->dns->open--;
	q->fn(q->arg, q->records, q->n);
	free(q);
}

/* --- how long an answer holds: c-ares' own structures leave the TTL out --- */

#define DNS_HEADER 12
#define DNS_MIN_RR 10 /* type, class, TTL, length */

static unsigned at16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* @return the octet after the name, or NULL */
static const unsigned char *skip_name(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p != 0) {
		if ((*p & 0xc0) == 0xc0)
			return end - p >= 2 ? p + 2 : NULL;
		if (end - p <= *p)
			return NULL;
		p += *p + 1;
	}
	return p < end ? p + 1 : NULL;
}

static uint32_t least_ttl(const unsigned char *buf, int len)
{
	const unsigned char *p = buf + DNS_HEADER, *end = buf + len;
	uint32_t least = UINT32_MAX;

	if (len < DNS_HEADER)
		return 0;
	for (unsigned n = at16(buf + 4); n > 0 && p != NULL; n--) {
		p = skip_name(p, end);
		p = p != NULL && end - p >= 4 ? p + 4 : NULL;
	}
	for (unsigned n = at16(buf + 6); n > 0; n--) {
		uint32_t ttl;

		p = p != NULL ? skip_name(p, end) : NULL;
		if (p == NULL || end - p < DNS_MIN_RR)
			return 0;
		ttl = (uint32_t)at16(p + 4) << 16 | at16(p + 6);
		if (ttl < least)
			least = ttl;
		if (end - p - DNS_MIN_RR < (ptrdiff_t)at16(p + 8))
			return 0;
		p += DNS_MIN_RR + at16(p + 8);
	}
	return least;
}

static void set_ttl(struct question *q, uint32_t ttl_s)
{
	for (size_t i = 0; i < q->n; i++)
		q->records[i].ttl_s = ttl_s;
}

static int by_order_and_weight(const void *a, const void *b)
{
	const struct cscf_sip_dns_record *x = a;
	const struct cscf_sip_dns_record *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->weight < y->weight ? -1 : x->weight > y->weight;
}

static void on_naptr(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct question *q = arg;
	struct ares_naptr_reply *list = NULL;

	(void)timeouts;
	if (status == ARES_SUCCESS && ares_parse_naptr_reply(buf, len, &list) == ARES_SUCCESS) {
		for (struct ares_naptr_reply *r = list; r != NULL && q->n < CSCF_SIP_DNS_MAX;
		     r = r->next) {
			struct cscf_sip_dns_record *to = &q->records[q->n];

			if (strcasecmp((char *)r->flags, "s") != 0 ||
			    strlen(r->replacement) >= sizeof(to->name) ||
			    strlen((char *)r->service) >= sizeof(to->service))
				continue;
			memcpy(to->name, r->replacement, strlen(r->replacement) + 1);
			memcpy(to->service, r->service, strlen((char *)r->service) + 1);
			to->order = r->order;
			to->weight = r->preference;
			q->n++;
		}
	}
	if (list != NULL)
		ares_free_data(list);
	qsort(q->records, q->n, sizeof(q->records[0]), by_order_and_weight);
	if (q->n > 0)
		set_ttl(q, least_ttl(buf, len));
	finish(q);
}

void cscf_sip_dns_naptr(struct cscf_sip_dns *d, const char *name, cscf_sip_dns_fn *fn, void *arg)
{
	struct question *q = ask(d, fn, arg);

	if (q != NULL)
		ares_query(d->channel, name, ns_c_in, ns_t_naptr, on_naptr, q);
}

/* RFC 2782: within one priority a random order in which weight is likelihood. */
static void order_srv(struct cscf_sip_dns_record *r, size_t n)
{
	qsort(r, n, sizeof(*r), by_order_and_weight);
	for (size_t i = 0; i < n; i++) {
		uint64_t sum = 0, pick;
		size_t end = i, k;

		while (end < n && r[end].order == r[i].order)
			sum += r[end++].weight;
		pick = sum > 0 ? gw_rand_u64() % (sum + 1) : 0;
		for (k = i; k + 1 < end && pick > r[k].weight; k++)
			pick -= r[k].weight;
		if (k != i) {
			struct cscf_sip_dns_record chosen = r[k];

			memmove(&r[i + 1], &r[i], (k - i) * sizeof(*r));
			r[i] = chosen;
		}
	}
}

static void on_srv(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct question *q = arg;
	struct ares_srv_reply *list = NULL;

	(void)timeouts;
	if (status == ARES_SUCCESS && ares_parse_srv_reply(buf, len, &list) == ARES_SUCCESS) {
		for (struct ares_srv_reply *r = list; r != NULL && q->n < CSCF_SIP_DNS_MAX;
		     r = r->next) {
			struct cscf_sip_dns_record *to = &q->records[q->n];

			/* "." says the service is not there */
			if (strlen(r->host) >= sizeof(to->name) || r->host[0] == '\0' ||
			    strcmp(r->host, ".") == 0 || r->port == 0)
				continue;
			memcpy(to->name, r->host, strlen(r->host) + 1);
			to->order = r->priority;
			to->weight = r->weight;
			to->port = r->port;
			q->n++;
		}
	}
	if (list != NULL)
		ares_free_data(list);
	order_srv(q->records, q->n);
	if (q->n > 0)
		set_ttl(q, least_ttl(buf, len));
	finish(q);
}

void cscf_sip_dns_srv(struct cscf_sip_dns *d, const char *name, cscf_sip_dns_fn *fn, void *arg)
{
	struct question *q = ask(d, fn, arg);

	if (q != NULL)
		ares_query(d->channel, name, ns_c_in, ns_t_srv, on_srv, q);
}

static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct question *q = arg;
	int ttl = INT32_MAX;

	(void)timeouts;
	if (status == ARES_SUCCESS && info != NULL)
		for (struct ares_addrinfo_node *a = info->nodes; a != NULL; a = a->ai_next)
			ttl = a->ai_ttl < ttl ? a->ai_ttl : ttl;
	if (status == ARES_SUCCESS && info != NULL)
		for (struct ares_addrinfo_node *a = info->nodes;
		     a != NULL && q->n < CSCF_SIP_DNS_MAX; a = a->ai_next)
			if (gw_addr_from_sa(&q->records[q->n].addr, a->ai_addr, a->ai_addrlen) ==
			    GW_OK)
				q->n++;
	if (info != NULL)
		ares_freeaddrinfo(info);
	set_ttl(q, ttl > 0 ? (uint32_t)ttl : 0);
	finish(q);
}

void cscf_sip_dns_addr(struct cscf_sip_dns *d, const char *name, cscf_sip_dns_fn *fn, void *arg)
{
	struct question *q = ask(d, fn, arg);
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};

	if (q != NULL)
		ares_getaddrinfo(d->channel, name, NULL, &hints, on_addrinfo, q);
}
