/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared ports: a table of addresses with chains, whose nodes are the legs' own. See share.h.
 * Memory is fixed at the start: a stream has AGW_SHARE_SOURCES nodes, strangers have none.
 */
#include "agw/relay/share.h"

#include "agw/relay/names.h"
#include "agw/relay/stream_int.h"
#include "common/rand.h"

#include <stdlib.h>
#include <string.h>

#define UNMARKED    (-1)
#define GONE_MAX    4096U /* 20 s of 200 calls a second */
#define REFUSE_RATE 10   /* checks for nobody looked at per second: a flood costs a table look-up */
#define KEPT_MAX    16   /* of one turn; over that they wait for their repetition */
#define KEPT_OCTETS 1280 /* the longest STUN message taken */

struct kept { /* a check that came before its stream */
	struct agw_sock *sock;
	struct gw_addr from;
	size_t len;
	_Alignas(8) uint8_t data[KEPT_OCTETS];
};

struct agw_share {
	struct agw_sock socks[AGW_SHARE_PORTS * AGW_FAMILY_COUNT]; /* fd -1 = none */
	int marks[AGW_SHARE_PORTS * AGW_FAMILY_COUNT];             /* DSCP of the socket */
	struct agw_sock *open[AGW_SHARE_PORTS * AGW_FAMILY_COUNT + 1];
	unsigned n_open;
	uint64_t secret[2];
	uint32_t mask;
	struct agw_share_source **sources; /* buckets, owned */
	struct agw_ice *nobody;            /* owned: refuses checks that name none of us */
	const struct agw_sock *asked;      /* by it answers go out; set while it is at work */
	uint64_t refused_window_ms;
	unsigned refused;
	/* Of streams that are gone: their WICs are met with silence (ICE-20). A ring. */
	char gone[GONE_MAX][AGW_ICE_LOCAL_UFRAG];
	unsigned n_gone;
	unsigned n_kept, next_kept;
	struct kept kept[KEPT_MAX];
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
	static const struct agw_ice_cbs cbs = {.send = send_refusal, .on_event = no_event};
	struct agw_ice_cfg cfg = {.timeout_ms = 0};

	agw_ice_creds_new(&cfg.local);
	return agw_ice_lite_new(&sh->nobody, &cfg, &cbs, sh);
}

enum gw_err agw_share_new(struct agw_share **out, uint32_t max_streams)
{
	struct agw_share *sh = calloc(1, sizeof(*sh));
	uint32_t n = agw_hash_buckets(max_streams);

	if (sh == NULL)
		return GW_ERR_NOMEM;
	sh->mask = n - 1;
	gw_rand_bytes(sh->secret, sizeof(sh->secret));
	for (unsigned i = 0; i < AGW_SHARE_PORTS * AGW_FAMILY_COUNT; i++) {
		sh->socks[i].fd = -1;
		sh->marks[i] = UNMARKED;
	}
	sh->sources = calloc(n, sizeof(struct agw_share_source *));
	if (sh->sources == NULL || make_nobody(sh) != GW_OK) {
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

uint32_t agw_share_hash(const struct agw_share *sh, unsigned sock, const struct gw_addr *from)
{
	uint64_t h = sh->secret[0] ^ ((uint64_t)sock << 16 | from->u.v4.sin_port);
	uint32_t b;

	if (gw_addr_is_v6(from)) {
		uint64_t ip[2];

		memcpy(ip, &from->u.v6.sin6_addr, sizeof(ip));
		h = agw_hash_mix(h ^ ip[0], sh->secret[1]);
		h = agw_hash_mix(h ^ ip[1], sh->secret[1]);
	} else {
		h = agw_hash_mix(h ^ (uint64_t)from->u.v4.sin_addr.s_addr << 32, sh->secret[1]);
	}
	b = (uint32_t)h & sh->mask;
	__builtin_prefetch(&sh->sources[b]);
	return b;
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

/* Does the leg's media go there? Then what comes from there is heard, too. */
static bool is_selected(const struct agw_share_source *n)
{
	const struct agw_ice_pair *p = agw_ice_selected(n->leg->ice);

	return p != NULL && p->local != AGW_LOCAL_TCP &&
	       sock_of(n->leg->share->port, p->local) == n->sock &&
	       gw_addr_eq(&p->remote, &n->from);
}

/*
 * Until when nobody else may have it. SRTP counts, without a table to write to for each packet: a
 * stream knows when it last heard some that was authentic, and it comes from the selected pair.
 */
static uint64_t kept_until(const struct agw_share_source *n)
{
	const struct agw_stream *s = n->leg->stream;
	uint64_t media;

	if (n->leg->srtp == NULL || !is_selected(n) || agw_ice_media_pair(n->leg->ice) == NULL)
		return n->until_ms;
	media = atomic_load_explicit(&s->counters.up.last_seen_ms, memory_order_relaxed) +
		AGW_SHARE_FRESH_MS;
	return media > n->until_ms ? media : n->until_ms;
}

/* A free one, or the one not heard for the longest time, but never where media goes. */
static struct agw_share_source *take_source(struct agw_share *sh, struct agw_share_nodes *nodes)
{
	struct agw_share_source *oldest = NULL;

	for (unsigned i = 0; i < AGW_SHARE_SOURCES; i++) {
		struct agw_share_source *n = &nodes->sources[i];

		if (n->leg == NULL)
			return n;
		if (!is_selected(n) && (oldest == NULL || n->until_ms < oldest->until_ms))
			oldest = n;
	}
	GW_ASSERT(oldest != NULL);
	drop_source(sh, oldest);
	return oldest;
}

bool agw_share_claim(struct agw_share *sh, struct agw_leg *l, unsigned local,
		     const struct gw_addr *from, bool proven, uint64_t now_ms)
{
	unsigned sock = sock_of(l->share->port, local);
	uint32_t bucket = agw_share_hash(sh, sock, from);
	struct agw_share_source *n = find(sh, bucket, sock, from);
	uint64_t until = proven ? now_ms + AGW_SHARE_FRESH_MS : 0;

	if (n != NULL && n->leg == l) {
		n->until_ms = proven ? until : n->until_ms;
		return true;
	}
	if (n != NULL) {
		if (now_ms < kept_until(n))
			return false;
		drop_source(sh, n);
	}
	n = take_source(sh, l->share);
	*n = (struct agw_share_source){
	    .next = sh->sources[bucket], .leg = l, .from = *from, .sock = sock, .until_ms = until};
	sh->sources[bucket] = n;
	return true;
}

void agw_share_let_go(struct agw_leg *l)
{
	for (unsigned i = 0; i < AGW_SHARE_SOURCES; i++)
		l->share->sources[i].until_ms = 0;
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

/* --- checks for nobody -------------------------------------------------------------------------
 */

static void remember_gone(struct agw_share *sh, const struct agw_leg *l)
{
	for (unsigned i = 0; i < AGW_ICE_UFRAGS; i++)
		if (l->names[i].leg != NULL)
			memcpy(sh->gone[sh->n_gone++ % GONE_MAX], l->names[i].ufrag,
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

bool agw_share_keep(struct agw_share *sh, struct agw_sock *sock, const struct agw_udp_pkt *pkt)
{
	struct kept *k = &sh->kept[sh->n_kept];
	size_t n;

	if (sh->n_kept == KEPT_MAX || pkt->len > KEPT_OCTETS ||
	    agw_ice_peek_ufrag(pkt->data, pkt->len, &n) == NULL || n != AGW_ICE_LOCAL_UFRAG)
		return false;
	k->sock = sock;
	k->from = *pkt->from;
	k->len = pkt->len;
	memcpy(k->data, pkt->data, pkt->len);
	sh->n_kept++;
	return true;
}

bool agw_share_has_kept(const struct agw_share *sh)
{
	return sh->n_kept > 0;
}

struct agw_sock *agw_share_next_kept(struct agw_share *sh, struct agw_udp_pkt *out)
{
	struct kept *k = &sh->kept[sh->next_kept];

	if (sh->next_kept == sh->n_kept) {
		sh->next_kept = sh->n_kept = 0;
		return NULL;
	}
	sh->next_kept++;
	*out = (struct agw_udp_pkt){.data = k->data, .len = k->len, .from = &k->from};
	return k->sock;
}

void agw_share_leave(struct agw_share *sh, struct agw_leg *l)
{
	remember_gone(sh, l);
	for (unsigned i = 0; i < AGW_SHARE_SOURCES; i++)
		if (l->share->sources[i].leg != NULL)
			drop_source(sh, &l->share->sources[i]);
}
