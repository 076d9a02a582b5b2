/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mw.peers; see peers.h.
 */
#include "cscf/sip/peers.h"

#include "cscf/sip/counters.h"
#include "cscf/sip/dns.h"
#include "cscf/sip/stack.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

/* Ours, in seconds: a core that moved is heard within the minute, whatever the TTL. */
#define X_PEERS_MIN_S 1
#define X_PEERS_MAX_S 60

struct peer_name {
	struct cscf_sip_peers *p;
	const char *text; /* borrowed: of the configuration */
	struct gw_addr addr[CSCF_SIP_DNS_MAX];
	size_t n;
	struct event *timer; /* owned: the next look-up */
};

struct cscf_sip_peers {
	const struct cscf_sip_config *cfg; /* borrowed */
	struct cscf_sip_dns *dns;          /* owned; NULL without names */
	struct peer_name *names;           /* owned */
	size_t n_names;
	bool closing;
};

static bool is_name(const char *item)
{
	char ip[GW_ADDR_STRLEN];
	struct gw_addr a;

	if (strchr(item, '@') != NULL)
		return false;
	snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(item, "/"), item);
	return gw_addr_parse_ip(&a, ip, 0) != GW_OK;
}

static bool name_has(const struct peer_name *n, const struct gw_addr *a)
{
	for (size_t i = 0; i < n->n; i++)
		if (gw_addr_ip_eq(&n->addr[i], a))
			return true;
	return false;
}

bool cscf_sip_peers_has(const struct cscf_sip_peers *p, const struct gw_addr *a)
{
	for (size_t i = 0; i < p->cfg->mw_peers.n; i++)
		if (gw_addr_in_range(a, p->cfg->mw_peers.item[i]))
			return true;
	for (size_t i = 0; i < p->n_names; i++)
		if (name_has(&p->names[i], a))
			return true;
	return false;
}

static void look_again(struct peer_name *n, uint32_t after_s)
{
	struct timeval tv = {.tv_sec = after_s < X_PEERS_MIN_S   ? X_PEERS_MIN_S
				       : after_s > X_PEERS_MAX_S ? X_PEERS_MAX_S
								 : after_s};

	evtimer_add(n->timer, &tv);
}

static void on_addresses(void *arg, const struct cscf_sip_dns_record *records, size_t n)
{
	struct peer_name *name = arg;
	bool same = n == name->n;

	if (name->p->closing)
		return;
	if (n == 0) { /* a name server that is away must not shut the core out */
		cscf_sip_count(CSCF_SIP_N_DNS_FAILED);
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.peer_unresolved", "name=\"%s\" kept=%zu",
			       name->text, name->n);
		look_again(name, X_PEERS_MAX_S);
		return;
	}
	for (size_t i = 0; i < n && same; i++)
		same = name_has(name, &records[i].addr);
	for (size_t i = 0; i < n; i++)
		name->addr[i] = records[i].addr;
	name->n = n;
	if (!same)
		GW_LOG(GW_LOG_INFO, "sip.peer_moved", "name=\"%s\" addresses=%zu", name->text, n);
	look_again(name, records[0].ttl_s);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct peer_name *n = arg;

	(void)fd;
	(void)what;
	cscf_sip_count(CSCF_SIP_N_DNS_QUERIES);
	cscf_sip_dns_addr(n->p->dns, n->text, on_addresses, n);
}

/* "ADDRESS@NAME" of this name: where it was found at the start. */
static void take_first(struct peer_name *n)
{
	const struct gw_conf_list *l = &n->p->cfg->mw_peers;

	for (size_t i = 0; i < l->n && n->n < CSCF_SIP_DNS_MAX; i++) {
		const char *at = strchr(l->item[i], '@');
		char ip[GW_ADDR_STRLEN];

		if (at == NULL || strcmp(at + 1, n->text) != 0)
			continue;
		snprintf(ip, sizeof(ip), "%.*s", (int)(at - l->item[i]), l->item[i]);
		if (gw_addr_parse_ip(&n->addr[n->n], ip, 0) == GW_OK)
			n->n++;
	}
}

static enum gw_err start(struct cscf_sip_peers *p, struct event_base *base, char *errbuf,
			 size_t errlen)
{
	const struct gw_conf_list *l = &p->cfg->mw_peers;
	enum gw_err err;

	for (size_t i = 0; i < l->n; i++)
		p->n_names += is_name(l->item[i]);
	if (p->n_names == 0)
		return GW_OK;
	p->names = calloc(p->n_names, sizeof(*p->names));
	p->n_names = 0;
	if (p->names == NULL)
		return GW_ERR_NOMEM;
	err = cscf_sip_dns_new(&p->dns, base, &p->cfg->dns_servers, p->cfg->dns_timeout_ms, errbuf,
			       errlen);
	for (size_t i = 0; i < l->n && err == GW_OK; i++) {
		struct peer_name *n = &p->names[p->n_names];

		if (!is_name(l->item[i]))
			continue;
		n->p = p;
		n->text = l->item[i];
		take_first(n);
		n->timer = evtimer_new(base, on_timer, n);
		if (n->timer == NULL)
			return GW_ERR_NOMEM;
		p->n_names++;
		look_again(n, X_PEERS_MIN_S);
	}
	return err;
}

enum gw_err cscf_sip_peers_new(struct cscf_sip_peers **out, struct event_base *base,
			       const struct cscf_sip_config *cfg, char *errbuf, size_t errlen)
{
	struct cscf_sip_peers *p = calloc(1, sizeof(*p));
	enum gw_err err;

	*out = NULL;
	if (p == NULL)
		return GW_ERR_NOMEM;
	p->cfg = cfg;
	err = start(p, base, errbuf, errlen);
	if (err != GW_OK) {
		cscf_sip_peers_free(p);
		return err;
	}
	*out = p;
	return GW_OK;
}

void cscf_sip_peers_free(struct cscf_sip_peers *p)
{
	if (p == NULL)
		return;
	p->closing = true;
	cscf_sip_dns_free(p->dns);
	for (size_t i = 0; i < p->n_names; i++)
		event_free(p->names[i].timer);
	free(p->names);
	free(p);
}
