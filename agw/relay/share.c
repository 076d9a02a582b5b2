/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared ports: two tables with chains, whose nodes are the legs' own. See share.h.
 * The hash has a secret of the process, so that nobody can aim for one chain.
 */
#include "agw/relay/share.h"

#include "agw/relay/stream_int.h"
#include "common/rand.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 256U
#define UNMARKED    (-1)
#define GONE_MAX    4096U /* 20 s of 200 calls a second */
#define REFUSE_RATE 10 /* checks for nobody looked at per second: a flood costs a table look-up */

struct agw_share {
	struct agw_sock socks[AGW_SHARE_PORTS * AGW_FAMILY_COUNT]; /* fd -1 = none */
	int marks[AGW_SHARE_PORTS * AGW_FAMILY_COUNT];             /* DSCP of the socket */
	struct agw_sock *open[AGW_SHARE_PORTS * AGW_FAMILY_COUNT + 1];
	unsigned n_open;
	uint64_t secret[2];
	uint32_t mask;
	struct agw_share_source **sources; /* buckets, owned */
	struct agw_share_ufrag **ufrags;
	struct agw_ice *nobody;       /* owned: refuses checks that name none of us */
	const struct agw_sock *asked; /* by it answers go out; set while it is at work */
	uint64_t refused_window_ms;
	unsigned refused;
	/* Of streams that are gone: their WICs are met with silence (ICE-20). A ring. */
	char gone[GONE_MAX][AGW_ICE_LOCAL_UFRAG];
	unsigned n_gone;
};

static unsigned sock_of(unsigned port, unsigned family)
{
	return port * AGW_FAMILY_COUNT + family;
}

/* Answers of the agent that stands for nobody. */
static void send_refusal(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
			 size_t len)
{
	const struct agw_share *sh = arg;

	(void)local;
	(void)agw_udp_send(sh->asked->fd, to, data, len);
}

static void no_event(void *arg, enum agw_ice_event ev)
{
	(void)arg;
	(void)ev;
}

static enum gw_err make_nobody(struct agw_share *sh)
{
	static const struct agw_ice_cbs cbs = {send_refusal, no_event};
	struct agw_ice_cfg cfg = {.timeout_ms = 0};

	agw_ice_creds_new(&cfg.local);
	return agw_ice_lite_new(&sh->nobody, &cfg, &cbs, sh);
}

enum gw_err agw_share_new(struct agw_share **out, uint32_t max_streams)
{
	struct agw_share *sh = calloc(1, sizeof(*sh));
	uint32_t n = BUCKETS_MIN;

	if (sh == NULL)
		return GW_ERR_NOMEM;
	while (n < max_streams && n < UINT32_MAX / 2)
		n *= 2;
	sh->mask = n - 1;
	gw_rand_bytes(sh->secret, sizeof(sh->secret));
	for (unsigned i = 0; i < AGW_SHARE_PORTS * AGW_FAMILY_COUNT; i++) {
		sh->socks[i].fd = -1;
		sh->marks[i] = UNMARKED;
	}
	sh->sources = calloc(n, sizeof(struct agw_share_source *));
	sh->ufrags = calloc(n, sizeof(struct agw_share_ufrag *));
	if (sh->sources == NULL || sh->ufrags == NULL || make_nobody(sh) != GW_OK) {
		agw_share_free(sh);
		return GW_ERR_NOMEM;
	}
	*out = sh;
	return GW_OK;
}

void agw_share_free(struct agw_share *sh)
{
	if (sh == NULL)
		return;
	agw_ice_free(sh->nobody);
	free(sh->sources);
	free(sh->ufrags);
	free(sh);
}

void agw_share_open(struct agw_share *sh, unsigned port, enum agw_family family, int fd)
{
	unsigned i = sock_of(port, family);

	GW_ASSERT(port < AGW_SHARE_PORTS);
	sh->socks[i] = (struct agw_sock){.fd = fd,
					 .kind = family == AGW_FAMILY_V4 ? AGW_SOCK_ACCESS_V4
									 : AGW_SOCK_ACCESS_V6,
					 .shared = true,
					 .port = port};
	sh->open[sh->n_open++] = &sh->socks[i];
}

struct agw_sock *agw_share_sock(struct agw_share *sh, unsigned i)
{
	return i < sh->n_open ? sh->open[i] : NULL;
}

int agw_share_mark(struct agw_share *sh, unsigned port, enum agw_family family, int dscp)
{
	unsigned i = sock_of(port, family);
	int want = dscp < 0 ? 0 : dscp;

	if (sh->marks[i] == UNMARKED) {
		agw_udp_set_dscp(sh->socks[i].fd, family == AGW_FAMILY_V6, want);
		sh->marks[i] = want;
	}
	return sh->marks[i] == want ? -1 : want;
}

/* --- hashes ------------------------------------------------------------------------------------
 */

/* Every bit of the result depends on every one of both. */
static uint64_t mix(uint64_t v, uint64_t secret)
{
	v = (v ^ secret) * UINT64_C(0xff51afd7ed558ccd);
	v = (v ^ v >> 32 ^ secret) * UINT64_C(0xc4ceb9fe1a85ec53);
	return v ^ v >> 32;
}

uint32_t agw_share_hash(const struct agw_share *sh, unsigned sock, const struct gw_addr *from)
{
	uint64_t h = sh->secret[0] ^ ((uint64_t)sock << 16 | from->u.v4.sin_port);
	uint32_t b;

	if (gw_addr_is_v6(from)) {
		uint64_t ip[2];

		memcpy(ip, &from->u.v6.sin6_addr, sizeof(ip));
		h = mix(h ^ ip[0], sh->secret[1]);
		h = mix(h ^ ip[1], sh->secret[1]);
	} else {
		h = mix(h ^ (uint64_t)from->u.v4.sin_addr.s_addr << 32, sh->secret[1]);
	}
	b = (uint32_t)h & sh->mask;
	__builtin_prefetch(&sh->sources[b]);
	return b;
}

static uint32_t ufrag_bucket(const struct agw_share *sh, const void *ufrag)
{
	uint64_t v;

	_Static_assert(AGW_ICE_LOCAL_UFRAG == sizeof(v), "a ufrag of ours fills a word");
	memcpy(&v, ufrag, sizeof(v));
	return (uint32_t)mix(v ^ sh->secret[0], sh->secret[1]) & sh->mask;
}

/* --- addresses ---------------------------------------------------------------------------------
 */

static struct agw_share_source *find(const struct agw_share *sh, uint32_t bucket, unsigned sock,
				     const struct gw_addr *from)
{
	struct agw_share_source *n = sh->sources[bucket];

	while (n != NULL && (n->sock != sock || !gw_addr_eq(&n->from, from)))
		n = n->next;
	return n;
}

static void drop_source(struct agw_share *sh, struct agw_share_source *n)
{
	struct agw_share_source **at = &sh->sources[agw_share_hash(sh, n->sock, &n->from)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->leg = NULL;
}

static struct agw_share_source *take_source(struct agw_share *sh, struct agw_share_nodes *nodes)
{
	struct agw_share_source *oldest = &nodes->sources[0];

	for (unsigned i = 0; i < AGW_SHARE_SOURCES; i++) {
		struct agw_share_source *n = &nodes->sources[i];

		if (n->leg == NULL)
			return n;
		if (n->seen_ms < oldest->seen_ms)
			oldest = n;
	}
	drop_source(sh, oldest);
	return oldest;
}

void agw_share_learn(struct agw_share *sh, struct agw_leg *l, unsigned local,
		     const struct gw_addr *from, uint64_t now_ms)
{
	unsigned sock = sock_of(l->share->port, local);
	uint32_t bucket = agw_share_hash(sh, sock, from);
	struct agw_share_source *n = find(sh, bucket, sock, from);

	if (n != NULL && n->leg == l) {
		n->seen_ms = now_ms;
		return;
	}
	if (n != NULL) {
		if (now_ms - n->seen_ms < AGW_SHARE_FRESH_MS)
			return;
		drop_source(sh, n);
	}
	n = take_source(sh, l->share);
	*n = (struct agw_share_source){
	    .next = sh->sources[bucket], .leg = l, .from = *from, .sock = sock, .seen_ms = now_ms};
	sh->sources[bucket] = n;
}

struct agw_leg *agw_share_by_hash(const struct agw_share *sh, uint32_t hash, unsigned sock,
				  const struct gw_addr *from)
{
	const struct agw_share_source *n = find(sh, hash, sock, from);

	return n != NULL ? n->leg : NULL;
}

struct agw_leg *agw_share_by_source(const struct agw_share *sh, unsigned sock,
				    const struct gw_addr *from)
{
	return agw_share_by_hash(sh, agw_share_hash(sh, sock, from), sock, from);
}

/* --- ufrags ------------------------------------------------------------------------------------
 */

static void drop_ufrags(struct agw_share *sh, struct agw_share_nodes *nodes)
{
	for (unsigned i = 0; i < AGW_ICE_UFRAGS; i++) {
		struct agw_share_ufrag *n = &nodes->ufrags[i];
		struct agw_share_ufrag **at;

		if (n->leg == NULL)
			continue;
		at = &sh->ufrags[ufrag_bucket(sh, n->ufrag)];
		while (*at != n)
			at = &(*at)->next;
		*at = n->next;
		n->leg = NULL;
	}
}

void agw_share_enter(struct agw_share *sh, struct agw_leg *l)
{
	const char *ufrags[AGW_ICE_UFRAGS];
	unsigned k = agw_ice_local_ufrags(l->ice, ufrags);

	drop_ufrags(sh, l->share);
	for (unsigned i = 0; i < k; i++) {
		struct agw_share_ufrag *n = &l->share->ufrags[i];
		uint32_t bucket = ufrag_bucket(sh, ufrags[i]);

		memcpy(n->ufrag, ufrags[i], sizeof(n->ufrag));
		n->leg = l;
		n->next = sh->ufrags[bucket];
		sh->ufrags[bucket] = n;
	}
}

struct agw_leg *agw_share_by_ufrag(const struct agw_share *sh, unsigned port, const uint8_t *ufrag,
				   size_t len)
{
	const struct agw_share_ufrag *n;

	if (len != AGW_ICE_LOCAL_UFRAG)
		return NULL;
	n = sh->ufrags[ufrag_bucket(sh, ufrag)];
	while (n != NULL &&
	       (n->leg->share->port != port || memcmp(n->ufrag, ufrag, sizeof(n->ufrag)) != 0))
		n = n->next;
	return n != NULL ? n->leg : NULL;
}

static void remember_gone(struct agw_share *sh, const struct agw_share_nodes *nodes)
{
	for (unsigned i = 0; i < AGW_ICE_UFRAGS; i++)
		if (nodes->ufrags[i].leg != NULL)
			memcpy(sh->gone[sh->n_gone++ % GONE_MAX], nodes->ufrags[i].ufrag,
			       AGW_ICE_LOCAL_UFRAG);
}

static bool is_gone(const struct agw_share *sh, const struct agw_udp_pkt *pkt)
{
	size_t n;
	const uint8_t *ufrag = agw_ice_peek_ufrag(pkt->data, pkt->len, &n);

	if (ufrag == NULL || n != AGW_ICE_LOCAL_UFRAG)
		return false;
	for (unsigned i = 0; i < sh->n_gone && i < GONE_MAX; i++)
		if (memcmp(sh->gone[i], ufrag, n) == 0)
			return true;
	return false;
}

void agw_share_refuse(struct agw_share *sh, struct agw_ice_env *ice, const struct agw_sock *sock,
		      const struct agw_udp_pkt *pkt, uint64_t now_ms)
{
	if (now_ms - sh->refused_window_ms >= 1000) {
		sh->refused_window_ms = now_ms;
		sh->refused = 0;
	}
	if (sh->refused >= REFUSE_RATE)
		return;
	sh->refused++;
	if (is_gone(sh, pkt))
		return;
	sh->asked = sock;
	(void)agw_ice_input(sh->nobody, ice, (unsigned)sock->kind, pkt->from, pkt->data, pkt->len,
			    now_ms);
	sh->asked = NULL;
}

void agw_share_leave(struct agw_share *sh, struct agw_leg *l)
{
	remember_gone(sh, l->share);
	drop_ufrags(sh, l->share);
	for (unsigned i = 0; i < AGW_SHARE_SOURCES; i++)
		if (l->share->sources[i].leg != NULL)
			drop_source(sh, &l->share->sources[i]);
}
