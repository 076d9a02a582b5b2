/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3263 s4: which questions to ask, in which order, and the targets they make. A query goes
 * NAPTR -> SRV -> addresses; each step is skipped where the URI has said it already. See
 * resolve.h. Answers are kept as long as their TTL says, within bounds, and no longer than a target
 * of theirs works.
 */
#include "cscf/sip/resolve.h"
#include "common/fmt.h"

#include "cscf/sip/counters.h"
#include "cscf/sip/dns.h"
#include "cscf/sip/stack_int.h"
#include "cscf/sip/uri.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_QUERIES 4096
#define MAX_KEPT    256
/* Ours, in seconds: a busy gateway does not ask per message whatever the TTL, an operator's change
 * is seen within the hour, and a name that had no record of some kind may have one soon. */
#define X_KEEP_MIN_S  1
#define X_KEEP_MAX_S  3600
#define X_KEEP_NONE_S 60

struct kept {
	char *key; /* owned */
	int64_t until;
	struct cscf_sip_target targets[CSCF_SIP_MAX_TARGETS];
	size_t n;
	UT_hash_handle hh;
};

struct cscf_sip_resolver {
	struct event_base *base;
	struct cscf_sip_resolver_config cfg;
	struct cscf_sip_dns *dns; /* made at the first name */
	struct gw_handle_table *queries;
	struct kept *kept;
	bool closing;
};

/* A name still to be turned into addresses, or an SRV name into such. */
struct step {
	char name[CSCF_SIP_DNS_NAME];
	enum cscf_sip_transport transport;
	uint16_t port; /* address steps */
};

struct query {
	struct cscf_sip_resolver *r;
	gw_handle handle;
	cscf_sip_resolved_fn *fn; /* NULL: cancelled */
	void *arg;
	char *key;
	char host[CSCF_SIP_DNS_NAME];
	enum cscf_sip_transport transport;
	bool pinned;
	struct step srv[4];
	size_t n_srv, next_srv;
	struct step addr[CSCF_SIP_MAX_TARGETS];
	size_t n_addr, next_addr;
	struct cscf_sip_target targets[CSCF_SIP_MAX_TARGETS];
	size_t n;
	uint32_t ttl_s; /* the least of the answers so far */
};

static enum cscf_sip_transport usual_transport(const struct cscf_sip_resolver *r)
{
	return r->cfg.udp ? CSCF_SIP_UDP : CSCF_SIP_TCP;
}

static bool in_use(const struct cscf_sip_resolver *r, enum cscf_sip_transport t)
{
	return t == CSCF_SIP_UDP ? r->cfg.udp : r->cfg.tcp;
}

/* --- kept answers --- */

static void kept_drop(struct cscf_sip_resolver *r, struct kept *k)
{
	HASH_DELETE(hh, r->kept, k);
	free(k->key);
	free(k);
}

static const struct kept *kept_find(struct cscf_sip_resolver *r, const char *key)
{
	struct kept *k = NULL;

	HASH_FIND(hh, r->kept, key, strlen(key), k);
	if (k != NULL && k->until <= cscf_sip_now_ms()) {
		kept_drop(r, k);
		k = NULL;
	}
	return k;
}

static void kept_add(struct query *q)
{
	struct cscf_sip_resolver *r = q->r;
	struct kept *k;

	if (q->n == 0 || kept_find(r, q->key) != NULL)
		return;
	if (HASH_COUNT(r->kept) >= MAX_KEPT)
		kept_drop(r, r->kept); /* the oldest: uthash keeps the order of adding */
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return;
	k->key = q->key;
	k->until =
	    cscf_sip_now_ms() + 1000 * (int64_t)(q->ttl_s < X_KEEP_MIN_S ? X_KEEP_MIN_S : q->ttl_s);
	memcpy(k->targets, q->targets, q->n * sizeof(q->targets[0]));
	k->n = q->n;
	HASH_ADD_KEYPTR(hh, r->kept, k->key, strlen(k->key), k);
	if (k->hh.tbl == NULL)
		free(k);
	else
		q->key = NULL; /* now the entry's */
}

/* --- steps --- */

static void next_step(struct query *q);

static void query_end(struct query *q)
{
	struct cscf_sip_resolver *r = q->r;

	kept_add(q);
	gw_handle_del(r->queries, q->handle);
	if (q->n == 0)
		cscf_sip_count(CSCF_SIP_N_DNS_FAILED);
	if (q->fn != NULL)
		q->fn(q->arg, q->targets, q->n);
	free(q->key);
	free(q);
}

static void heed_ttl(struct query *q, const struct cscf_sip_dns_record *records, size_t n)
{
	uint32_t ttl = n > 0 ? records[0].ttl_s : X_KEEP_NONE_S;

	if (ttl < q->ttl_s)
		q->ttl_s = ttl;
}

static void add_target(struct query *q, const struct gw_addr *addr, uint16_t port,
		       enum cscf_sip_transport transport)
{
	struct cscf_sip_target *t = &q->targets[q->n];

	if (q->n == CSCF_SIP_MAX_TARGETS)
		return;
	*t = (struct cscf_sip_target){.transport = transport, .pinned = q->pinned, .addr = *addr};
	gw_addr_set_port(&t->addr, port);
	q->n++;
}

static void add_addr_step(struct query *q, const char *name, uint16_t port,
			  enum cscf_sip_transport transport)
{
	struct step *s = &q->addr[q->n_addr];

	if (q->n_addr == CSCF_SIP_MAX_TARGETS)
		return;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->port = port;
	s->transport = transport;
	q->n_addr++;
}

static void add_srv_step(struct query *q, const char *name, enum cscf_sip_transport transport)
{
	struct step *s = &q->srv[q->n_srv];

	if (q->n_srv == sizeof(q->srv) / sizeof(q->srv[0]) || !in_use(q->r, transport))
		return;
	if (snprintf(s->name, sizeof(s->name), "%s", name) >= (int)sizeof(s->name))
		return;
	s->transport = transport;
	q->n_srv++;
}

static void add_default_srv(struct query *q, enum cscf_sip_transport transport)
{
	char name[CSCF_SIP_DNS_NAME + 16];

	snprintf(name, sizeof(name), "_sip._%s.%s", transport == CSCF_SIP_UDP ? "udp" : "tcp",
		 q->host);
	add_srv_step(q, name, transport);
}

static void on_addr(void *arg, const struct cscf_sip_dns_record *records, size_t n)
{
	struct query *q = arg;
	const struct step *s = &q->addr[q->next_addr++];

	heed_ttl(q, records, n);
	for (size_t i = 0; i < n; i++)
		add_target(q, &records[i].addr, s->port, s->transport);
	next_step(q);
}

static void on_srv(void *arg, const struct cscf_sip_dns_record *records, size_t n)
{
	struct query *q = arg;
	const struct step *s = &q->srv[q->next_srv++];

	heed_ttl(q, records, n);
	for (size_t i = 0; i < n; i++)
		add_addr_step(q, records[i].name, records[i].port, s->transport);
	if (q->next_srv == q->n_srv && q->n_addr == 0) /* no SRV anywhere: the host itself */
		add_addr_step(q, q->host, 5060, q->transport);
	next_step(q);
}

static void on_naptr(void *arg, const struct cscf_sip_dns_record *records, size_t n)
{
	struct query *q = arg;

	heed_ttl(q, records, n);
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(records[i].service, "SIP+D2U") == 0)
			add_srv_step(q, records[i].name, CSCF_SIP_UDP);
		else if (strcasecmp(records[i].service, "SIP+D2T") == 0)
			add_srv_step(q, records[i].name, CSCF_SIP_TCP);
	}
	if (q->n_srv == 0) {
		add_default_srv(q, CSCF_SIP_UDP);
		add_default_srv(q, CSCF_SIP_TCP);
	}
	next_step(q);
}

static void next_step(struct query *q)
{
	bool enough = q->r->closing || q->fn == NULL || q->n == CSCF_SIP_MAX_TARGETS;

	if (!enough && q->next_srv < q->n_srv)
		cscf_sip_dns_srv(q->r->dns, q->srv[q->next_srv].name, on_srv, q);
	else if (!enough && q->next_addr < q->n_addr)
		cscf_sip_dns_addr(q->r->dns, q->addr[q->next_addr].name, on_addr, q);
	else
		query_end(q);
}

/* --- without DNS --- */

/* "name=address[:port][;transport=tcp]" of mw.hosts */
static bool host_entry(const char *item, struct gw_slice host, uint16_t port,
		       struct cscf_sip_target *t)
{
	const char *eq = strchr(item, '=');
	char text[128];
	char *semi;

	if (eq == NULL || !gw_slice_ieq((struct gw_slice){item, (size_t)(eq - item)}, host) ||
	    snprintf(text, sizeof(text), "%s", eq + 1) >= (int)sizeof(text))
		return false;
	semi = strchr(text, ';');
	if (semi != NULL) {
		*semi++ = '\0';
		t->pinned = true;
		t->transport = strcasecmp(semi, "transport=tcp") == 0 ? CSCF_SIP_TCP : CSCF_SIP_UDP;
	}
	return gw_addr_parse(&t->addr, text, port != 0 ? port : 5060) == GW_OK;
}

static size_t from_hosts(const struct cscf_sip_resolver *r, const struct cscf_sip_uri *uri,
			 enum cscf_sip_transport transport, bool pinned,
			 struct cscf_sip_target *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->cfg.hosts->n && n < CSCF_SIP_MAX_TARGETS; i++) {
		out[n] = (struct cscf_sip_target){.transport = transport, .pinned = pinned};
		if (host_entry(r->cfg.hosts->item[i], uri->host, uri->port, &out[n])) {
			if (pinned) /* the URI knows better */
				out[n].transport = transport;
			n++;
		}
	}
	return n;
}

/* --- public --- */

static enum gw_err parse(struct gw_slice text, char **copy, struct cscf_sip_uri *uri)
{
	bool has_scheme = text.n > 4 && (strncasecmp(text.p, "sip:", 4) == 0 ||
					 strncasecmp(text.p, "sips:", 5) == 0);

	*copy = NULL;
	if (gw_asfmt(copy, "%s%.*s", has_scheme ? "" : "sip:", GW_SLICE_FMT(text)) < 0) {
		*copy = NULL;
		return GW_ERR_NOMEM;
	}
	if (cscf_sip_uri_parse(uri, gw_slice_str(*copy)) != GW_OK)
		return GW_ERR_PARSE;
	if (uri->scheme != CSCF_SIP_SCHEME_SIP || cscf_sip_uri_is_websocket(uri))
		return GW_ERR_UNSUPPORTED;
	return GW_OK;
}

static enum gw_err wanted_transport(const struct cscf_sip_resolver *r,
				    const struct cscf_sip_uri *uri, enum cscf_sip_transport *out,
				    bool *pinned)
{
	struct gw_slice value;

	*out = usual_transport(r);
	*pinned = cscf_sip_uri_param(uri, "transport", &value);
	if (!*pinned)
		return GW_OK;
	if (gw_slice_ieq_str(value, "udp"))
		*out = CSCF_SIP_UDP;
	else if (gw_slice_ieq_str(value, "tcp"))
		*out = CSCF_SIP_TCP;
	else
		return GW_ERR_UNSUPPORTED;
	return in_use(r, *out) ? GW_OK : GW_ERR_UNSUPPORTED;
}

static enum gw_err start_query(struct cscf_sip_resolver *r, const struct cscf_sip_uri *uri,
			       enum cscf_sip_transport transport, bool pinned,
			       cscf_sip_resolved_fn *fn, void *arg, gw_handle *handle)
{
	struct query *q;
	char ignored[80];
	enum gw_err err;

	if (uri->host.n >= CSCF_SIP_DNS_NAME - 16)
		return GW_ERR_PARSE;
	if (r->dns == NULL) {
		err = cscf_sip_dns_new(&r->dns, r->base, r->cfg.dns_servers, r->cfg.dns_timeout_ms,
				       ignored, sizeof(ignored));
		if (err != GW_OK)
			return err;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return GW_ERR_NOMEM;
	q->r = r;
	q->fn = fn;
	q->arg = arg;
	q->transport = transport;
	q->pinned = pinned;
	q->ttl_s = X_KEEP_MAX_S;
	memcpy(q->host, uri->host.p, uri->host.n);
	q->key = gw_slice_dup(uri->text);
	err = q->key != NULL ? gw_handle_add(r->queries, q, &q->handle) : GW_ERR_NOMEM;
	if (err != GW_OK) {
		free(q->key);
		free(q);
		return err;
	}
	*handle = q->handle;
	cscf_sip_count(CSCF_SIP_N_DNS_QUERIES);
	if (uri->port != 0) {
		add_addr_step(q, q->host, uri->port, transport);
		next_step(q);
	} else if (pinned) {
		add_default_srv(q, transport);
		next_step(q);
	} else {
		cscf_sip_dns_naptr(r->dns, q->host, on_naptr, q);
	}
	if (gw_handle_find(r->queries, *handle) == NULL)
		*handle = GW_HANDLE_NONE; /* answered already */
	return GW_OK;
}

enum gw_err cscf_sip_resolve(struct cscf_sip_resolver *r, struct gw_slice text,
			     cscf_sip_resolved_fn *fn, void *arg, gw_handle *query)
{
	struct cscf_sip_target targets[CSCF_SIP_MAX_TARGETS];
	enum cscf_sip_transport transport;
	struct cscf_sip_uri uri;
	const struct kept *kept;
	char *copy, *host = NULL;
	bool pinned;
	enum gw_err err;

	*query = GW_HANDLE_NONE;
	err = parse(text, &copy, &uri);
	if (err == GW_OK)
		err = wanted_transport(r, &uri, &transport, &pinned);
	if (err == GW_OK && (host = gw_slice_dup(uri.host)) == NULL)
		err = GW_ERR_NOMEM;
	if (err != GW_OK)
		goto out;
	targets[0] = (struct cscf_sip_target){.transport = transport, .pinned = pinned};
	if (gw_addr_parse_ip(&targets[0].addr, host, uri.port != 0 ? uri.port : 5060) == GW_OK) {
		fn(arg, targets, 1);
		goto out;
	}
	if (from_hosts(r, &uri, transport, pinned, targets) > 0) {
		fn(arg, targets, from_hosts(r, &uri, transport, pinned, targets));
		goto out;
	}
	kept = kept_find(r, copy);
	if (kept != NULL) {
		size_t n = kept->n;

		memcpy(targets, kept->targets, n * sizeof(targets[0]));
		fn(arg, targets, n);
		goto out;
	}
	err = start_query(r, &uri, transport, pinned, fn, arg, query);
out:
	free(host);
	free(copy);
	return err;
}

void cscf_sip_resolver_forget(struct cscf_sip_resolver *r, struct gw_slice text)
{
	struct cscf_sip_uri uri;
	struct kept *k = NULL;
	char *copy;

	if (r->kept == NULL)
		return;
	if (parse(text, &copy, &uri) == GW_OK)
		HASH_FIND(hh, r->kept, copy, strlen(copy), k);
	if (k != NULL)
		kept_drop(r, k);
	free(copy);
}

void cscf_sip_resolve_cancel(struct cscf_sip_resolver *r, gw_handle query)
{
	struct query *q = gw_handle_find(r->queries, query);

	if (q != NULL)
		q->fn = NULL; /* ends with its present question */
}

size_t cscf_sip_resolver_pending(const struct cscf_sip_resolver *r)
{
	return gw_handle_count(r->queries);
}

enum gw_err cscf_sip_resolver_new(struct cscf_sip_resolver **out, struct event_base *base,
				  const struct cscf_sip_resolver_config *cfg, char *errbuf,
				  size_t errlen)
{
	struct cscf_sip_resolver *r = calloc(1, sizeof(*r));
	enum gw_err err = GW_ERR_NOMEM;

	*out = NULL;
	if (r == NULL)
		return err;
	r->base = base;
	r->cfg = *cfg;
	err = gw_handle_table_new(&r->queries, MAX_QUERIES);
	if (err == GW_OK &&
	    cfg->dns_servers->n > 0) /* a wrong address shall not wait to be found */
		err = cscf_sip_dns_new(&r->dns, base, cfg->dns_servers, cfg->dns_timeout_ms, errbuf,
				       errlen);
	if (err != GW_OK) {
		cscf_sip_resolver_free(r);
		return err;
	}
	*out = r;
	return GW_OK;
}

void cscf_sip_resolver_free(struct cscf_sip_resolver *r)
{
	struct kept *k;

	if (r == NULL)
		return;
	r->closing = true;
	cscf_sip_dns_free(r->dns);
	k = r->kept;
	HASH_CLEAR(hh, r->kept); /* the elements stay linked */
	while (k != NULL) {
		struct kept *next = k->hh.next;

		free(k->key);
		free(k);
		k = next;
	}
	gw_handle_table_free(r->queries);
	free(r);
}
