/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AGWs we know: `agw.list` names addresses and DNS names; each address is one link. Names
 * are asked again every agw.resolve_interval: new addresses are dialled, addresses that went
 * away take no new calls and are closed with their last context. A new context goes to the
 * less loaded of two random AGWs in service (IQ-22).
 * Thread: the cscf loop.
 */
#include "cscf/iq/iq_int.h"

#include "common/rand.h"

#include <stdio.h>

#define GW_LOG_MOD "iq"
#define CPU_HIGH   700U /* permille from which CPU outweighs the count of contexts */

struct iq_source {
	struct cscf_iq *iq;
	char host[256];
	uint16_t port;
	bool is_name;
	bool asking;
};

static struct cscf_iq_link *find_addr(struct cscf_iq *iq, const struct gw_addr *addr)
{
	struct cscf_iq_link *link;

	DL_FOREACH (iq->links, link)
		if (gw_addr_eq(&link->addr, addr))
			return link;
	return NULL;
}

/* Keys, and iq.token, in the clear: allowed, for networks that are closed, but not in silence. */
static void tell_insecure(struct cscf_iq *iq, const struct cscf_iq_link *link)
{
	if (iq->tls != NULL || iq->insecure_told || gw_addr_is_loopback(&link->addr))
		return;
	iq->insecure_told = true;
	GW_LOG(GW_LOG_WARN, "iq.insecure", "peer=%s hint=\"%s\"", link->addr_text,
	       "AGWs beyond loopback without agw.tls: the control channel is plain TCP");
}

static enum gw_err add_link(struct cscf_iq *iq, struct iq_source *src, const struct gw_addr *addr)
{
	struct cscf_iq_link *link = find_addr(iq, addr);
	enum gw_err err;

	if (link != NULL) {
		link->wanted = true;
		return GW_OK;
	}
	if (iq->n_links >= IQ_MAX_LINKS)
		return GW_ERR_LIMIT;
	err = iq_link_new(&link, iq, src, addr);
	if (err != GW_OK)
		return err;
	DL_APPEND(iq->links, link);
	iq->n_links++;
	GW_LOG(GW_LOG_INFO, "iq.agw_added", "peer=%s host=%s", link->addr_text, src->host);
	tell_insecure(iq, link);
	iq_link_start(link);
	return GW_OK;
}

void iq_pool_reap(struct cscf_iq *iq)
{
	struct cscf_iq_link *link, *tmp;

	DL_FOREACH_SAFE (iq->links, link, tmp) {
		if (link->wanted || link->n_ctx > 0 || link->txns != NULL)
			continue; /* a Release may still be under way: its reply has statistics */
		GW_LOG(GW_LOG_INFO, "iq.agw_removed", "peer=%s agw=%s", link->addr_text,
		       link->agw_id);
		iq_txn_end_link(link, "AGW removed");
		DL_DELETE(iq->links, link);
		iq->n_links--;
		iq_link_free(link);
	}
}

/* A name has other addresses now; an empty answer changes nothing. */
static void on_resolved(void *arg, const struct gw_addr *addrs, size_t n)
{
	struct iq_source *src = arg;
	struct cscf_iq *iq = src->iq;
	struct cscf_iq_link *link;

	src->asking = false;
	if (n == 0)
		return;
	DL_FOREACH (iq->links, link)
		if (link->source == src)
			link->wanted = false;
	for (size_t i = 0; i < n; i++)
		if (add_link(iq, src, &addrs[i]) != GW_OK)
			GW_LOG_LIMITED(GW_LOG_WARN, "iq.agw_not_added", "host=%s", src->host);
}

static void on_resolve_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_iq *iq = arg;

	(void)fd;
	(void)what;
	iq_pool_reap(iq);
	for (size_t i = 0; i < iq->n_sources; i++) {
		struct iq_source *src = &iq->sources[i];

		if (!src->is_name || src->asking)
			continue;
		src->asking = true;
		iq_dns_query(iq->dns, src->host, src->port, on_resolved, src);
	}
}

/* "10.0.0.7:7070", "[::1]", "agw.example:7070", "agw" */
static enum gw_err parse_source(struct iq_source *src, const char *text)
{
	struct gw_addr addr;
	const char *colon;
	size_t host_len;
	long port = IQ_DEFAULT_PORT;

	if (gw_addr_parse(&addr, text, IQ_DEFAULT_PORT) == GW_OK) {
		snprintf(src->host, sizeof(src->host), "%s", text);
		return add_link(src->iq, src, &addr);
	}
	colon = strrchr(text, ':');
	host_len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	if (colon != NULL) {
		char *end;

		port = strtol(colon + 1, &end, 10);
		if (end == colon + 1 || *end != '\0' || port < 1 || port > 65535)
			return GW_ERR_INVAL;
	}
	if (host_len == 0 || host_len >= sizeof(src->host) ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") <
		host_len)
		return GW_ERR_INVAL;
	memcpy(src->host, text, host_len);
	src->port = (uint16_t)port;
	src->is_name = true;
	return GW_OK;
}

enum gw_err iq_pool_open(struct cscf_iq *iq, char *errbuf, size_t errlen)
{
	const struct gw_conf_list *list = iq->cfg.agw_list;
	struct timeval tv = {(time_t)(iq->cfg.resolve_interval / 1000),
			     (suseconds_t)(iq->cfg.resolve_interval % 1000 * 1000)};
	bool names = false;
	enum gw_err err;

	iq->sources = calloc(list->n > 0 ? list->n : 1, sizeof(*iq->sources));
	if (iq->sources == NULL)
		return GW_ERR_NOMEM;
	for (size_t i = 0; i < list->n; i++) {
		struct iq_source *src = &iq->sources[i];

		src->iq = iq;
		err = parse_source(src, list->item[i]);
		if (err != GW_OK) {
			snprintf(errbuf, errlen, "agw.list: \"%s\": %s", list->item[i],
				 gw_err_name(err));
			return err;
		}
		names = names || src->is_name;
		iq->n_sources++;
	}
	if (names) {
		err = iq_dns_new(&iq->dns, iq->base, iq->cfg.dns_servers);
		if (err != GW_OK)
			return err;
	}
	iq->resolve_timer = event_new(iq->base, -1, EV_PERSIST, on_resolve_timer, iq);
	if (iq->resolve_timer == NULL)
		return GW_ERR_NOMEM;
	event_add(iq->resolve_timer, &tv);
	on_resolve_timer(-1, 0, iq);
	return GW_OK;
}

void iq_pool_close(struct cscf_iq *iq)
{
	struct cscf_iq_link *link, *tmp;

	if (iq->resolve_timer != NULL)
		event_free(iq->resolve_timer);
	iq_dns_free(iq->dns);
	DL_FOREACH_SAFE (iq->links, link, tmp) {
		DL_DELETE(iq->links, link);
		iq_link_free(link);
	}
	free(iq->sources);
}

/*
 * Lower is better: how full in millionths, and much more where the CPU is busy. What it told is
 * brought up to date by what we have added and ended since: else one that has just reported the
 * calls that ended would get all new ones until the others report too.
 */
static uint64_t load_of(const struct cscf_iq_link *link)
{
	uint64_t max = link->max_contexts > 0 ? link->max_contexts : 10000;
	uint64_t now = link->contexts + (uint64_t)link->n_ctx;
	uint64_t load = (now > link->n_ctx_told ? now - link->n_ctx_told : 0) * 1000000U / max;

	if (link->cpu_permille >= CPU_HIGH)
		load += (uint64_t)link->cpu_permille * 1000U;
	if (link->overload_level > 0)
		load += 10000000U;
	return load;
}

static bool is_one_of(const struct cscf_iq_link *link, struct cscf_iq_link *const *set, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (set[i] == link)
			return true;
	return false;
}

static size_t those_that_fit(struct cscf_iq *iq, struct cscf_iq_link **fit,
			     bool (*fits)(const struct cscf_iq_link *),
			     struct cscf_iq_link *const *not_these, size_t n)
{
	struct cscf_iq_link *link;
	size_t n_fit = 0;

	DL_FOREACH (iq->links, link)
		if (fits(link) && !is_one_of(link, not_these, n) && n_fit < IQ_MAX_LINKS)
			fit[n_fit++] = link;
	return n_fit;
}

struct cscf_iq_link *iq_pool_choose(struct cscf_iq *iq, struct cscf_iq_link *const *not_these,
				    size_t n, bool priority)
{
	struct cscf_iq_link *fit[IQ_MAX_LINKS];
	size_t n_fit = those_that_fit(iq, fit, iq_link_in_service, not_these, n), a, b;

	if (n_fit == 0 && priority)
		n_fit = those_that_fit(iq, fit, iq_link_takes_priority, not_these, n);
	if (n_fit == 0)
		return NULL;
	if (n_fit == 1)
		return fit[0];
	a = (size_t)(gw_rand_u64() % n_fit);
	b = (size_t)(gw_rand_u64() % (n_fit - 1));
	if (b >= a)
		b++;
	return load_of(fit[a]) <= load_of(fit[b]) ? fit[a] : fit[b];
}

bool cscf_iq_available(const struct cscf_iq *iq)
{
	const struct cscf_iq_link *link;

	DL_FOREACH (iq->links, link)
		if (iq_link_in_service(link))
			return true;
	return false;
}

bool cscf_iq_takes_priority(const struct cscf_iq *iq)
{
	const struct cscf_iq_link *link;

	DL_FOREACH (iq->links, link)
		if (iq_link_takes_priority(link))
			return true;
	return false;
}

static json_t *link_json(const struct cscf_iq_link *link)
{
	char boot[17];

	snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)link->boot_id);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:b}",
			 "agw", link->agw_id, "addr", link->addr_text, "host", link->source->host,
			 "link", link->duplicate ? "duplicate" : iq_link_state_name(link->state),
			 "boot", boot, "in_service", (int)iq_link_in_service(link), "suspect",
			 (int)link->suspect, "state", link->agw_state, "contexts_here",
			 (json_int_t)link->n_ctx, "contexts", (json_int_t)link->contexts,
			 "max_contexts", (json_int_t)link->max_contexts, "cpu_permille",
			 (json_int_t)link->cpu_permille, "overload_level",
			 (json_int_t)link->overload_level, "realm_down",
			 (int)(link->realm_down[0] || link->realm_down[1]));
}

json_t *cscf_iq_agw_list(const struct cscf_iq *iq)
{
	const struct cscf_iq_link *link;
	json_t *list = json_array();

	DL_FOREACH (iq->links, link)
		json_array_append_new(list, link_json(link));
	return list;
}
