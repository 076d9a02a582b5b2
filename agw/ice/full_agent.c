/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnice's agent of one component: bound to the address and port the stream has, told what the
 * peer's SDP says, heard when it nominates. Times are those of ICE-28: Ta 50 ms, RTO 500 ms, Rc 7.
 *
 * Candidates of the peer are what our checks are sent to: only unicast addresses, and loopback
 * only from loopback.
 */
#include "agw/ice/full_int.h"

#include <gio/gio.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GW_LOG_MOD "ice"
#include "common/log.h"

#define TA_MS  50
#define RTO_MS 500
#define RC     7

/* --- GLib's own words ------------------------------------------------------------------------ */

/* It would write them to stderr; what a peer can cause must not fill a log. */
static void on_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer arg)
{
	(void)arg;
	/* said of every agent with a relay: the answer to our last Refresh is not waited for */
	if (strstr(text, "alive TURN refreshes") != NULL)
		return;
	GW_LOG_LIMITED(
	    (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0 ? GW_LOG_ERROR : GW_LOG_WARN,
	    "ice.libnice", "domain=%s text=\"%.200s\"", domain != NULL ? domain : "", text);
}

static void take_log(void)
{
	static const char *const domains[] = {"libnice", "libnice-stun", "GLib", "GLib-GObject",
					      "GLib-GIO"};

	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		(void)g_log_set_handler(domains[i],
					G_LOG_LEVEL_MASK | G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION,
					on_log, NULL);
}

/* --- addresses -------------------------------------------------------------------------------- */

bool agw_full_addr_to_nice(NiceAddress *out, const struct gw_addr *a)
{
	nice_address_init(out);
	if (a->len == 0)
		return false;
	nice_address_set_from_sockaddr(out, &a->u.sa);
	return true;
}

static bool from_nice(struct gw_addr *out, const NiceAddress *a)
{
	struct sockaddr_storage ss;

	memset(&ss, 0, sizeof(ss));
	nice_address_copy_to_sockaddr(a, (struct sockaddr *)&ss);
	return gw_addr_from_sa(out, (struct sockaddr *)&ss,
			       ss.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							: sizeof(struct sockaddr_in)) == GW_OK;
}

static bool is_usable(const struct full *f, const struct gw_addr *a)
{
	const struct full_sock *s = &f->socks[gw_addr_is_v6(a)];

	return s->fd >= 0 && gw_addr_port(a) != 0 && agw_ice_is_unicast(a) &&
	       (!gw_addr_is_loopback(a) || gw_addr_is_loopback(&s->at));
}

/* --- what libnice tells ------------------------------------------------------------------------
 */

static void on_selected(NiceAgent *agent, guint stream, guint component, NiceCandidate *local,
			NiceCandidate *remote, gpointer arg)
{
	struct full *f = arg;
	struct agw_ice_pair pair = {.local = 0};

	(void)agent;
	(void)stream;
	(void)component;
	if (!from_nice(&pair.remote, &remote->addr))
		return;
	pair.local = gw_addr_is_v6(&pair.remote) ? 1 : 0;
	if (local->type == NICE_CANDIDATE_TYPE_RELAYED) {
		/* what comes back that way only libnice sees: consent is its business */
		pair.local += AGW_ICE_RELAYED;
		f->relay_lost = false;
		g_object_set(f->agent, "keepalive-conncheck", TRUE, NULL);
	}
	agw_lite_nominated(&f->lite, &pair, f->now_ms);
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer arg)
{
	struct full *f = arg;

	(void)agent;
	(void)stream;
	(void)component;
	if (state == NICE_COMPONENT_STATE_FAILED)
		f->relay_lost = true;
}

static void on_new_remote(NiceAgent *agent, NiceCandidate *cand, gpointer arg)
{
	struct full *f = arg;
	struct agw_ice *b = &f->lite.base;
	struct gw_addr at;

	(void)agent;
	if (cand->type != NICE_CANDIDATE_TYPE_PEER_REFLEXIVE || !from_nice(&at, &cand->addr))
		return;
	f->n_prflx++;
	b->cbs.on_prflx(b->arg, &at, cand->priority);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct full *f = arg;

	(void)agent;
	(void)stream;
	f->gathered = true;
}

/* Of a datagram that was no STUN: its source is known when it is that of the pair in use. */
static void on_recv(NiceAgent *agent, guint stream, guint component, guint len, gchar *data,
		    gpointer arg)
{
	struct full *f = arg;
	struct agw_ice *b = &f->lite.base;

	(void)agent;
	(void)stream;
	(void)component;
	if (b->has_pair)
		b->cbs.on_data(b->arg, b->pair.local, &b->pair.remote, (const uint8_t *)data, len);
}

/* --- the peer ----------------------------------------------------------------------------------
 */

static NiceCandidate *cand_new(const struct full *f, const struct agw_ice_cand *c)
{
	static const NiceCandidateType types[] = {
	    [AGW_CAND_HOST] = NICE_CANDIDATE_TYPE_HOST,
	    [AGW_CAND_SRFLX] = NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE,
	    [AGW_CAND_PRFLX] = NICE_CANDIDATE_TYPE_PEER_REFLEXIVE,
	    [AGW_CAND_RELAY] = NICE_CANDIDATE_TYPE_RELAYED};
	NiceCandidate *out = nice_candidate_new(types[c->type]);

	(void)agw_full_addr_to_nice(&out->addr, &c->addr);
	out->base_addr = out->addr;
	out->transport = NICE_CANDIDATE_TRANSPORT_UDP;
	out->priority = c->priority;
	out->stream_id = f->stream;
	out->component_id = COMPONENT;
	/* of the peer's foundations only this much matters: same kind, same address family */
	(void)snprintf(out->foundation, sizeof(out->foundation), "%u%u", c->type,
		       (unsigned)gw_addr_is_v6(&c->addr));
	return out;
}

void agw_full_peer(struct full *f, const struct agw_ice_peer *peer)
{
	GSList *list = NULL;

	for (unsigned i = 0; i < peer->n_cands && i < AGW_ICE_REMOTE_MAX; i++) {
		const struct agw_ice_cand *c = &peer->cands[i];

		if (c->component == f->component && c->type <= AGW_CAND_RELAY &&
		    is_usable(f, &c->addr))
			list = g_slist_append(list, cand_new(f, c));
	}
	if (list != NULL)
		(void)nice_agent_set_remote_candidates(f->agent, f->stream, COMPONENT, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	f->next_ms = 0;
}

/* --- making it ---------------------------------------------------------------------------------
 */

static void make_agent(struct full *f, bool controlling)
{
	f->agent = nice_agent_new_full(f->ctx, NICE_COMPATIBILITY_RFC5245,
				       NICE_AGENT_OPTION_REGULAR_NOMINATION);
	g_object_set(f->agent, "ice-tcp", FALSE, "stun-pacing-timer", TA_MS, "stun-initial-timeout",
		     RTO_MS, "stun-max-retransmissions", RC, "controlling-mode",
		     (gboolean)controlling, NULL);
	if (g_object_class_find_property(G_OBJECT_GET_CLASS(f->agent), "upnp") != NULL)
		g_object_set(f->agent, "upnp", FALSE, NULL);
	(void)g_signal_connect(f->agent, "new-selected-pair-full", G_CALLBACK(on_selected), f);
	(void)g_signal_connect(f->agent, "new-remote-candidate-full", G_CALLBACK(on_new_remote), f);
	(void)g_signal_connect(f->agent, "component-state-changed", G_CALLBACK(on_state), f);
	(void)g_signal_connect(f->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), f);
}

static bool add_addresses(struct full *f)
{
	guint port = 0;

	for (unsigned i = 0; i < SOCKETS; i++) {
		NiceAddress a;

		if (!agw_full_addr_to_nice(&a, &f->socks[i].at))
			continue;
		port = nice_address_get_port(&a);
		nice_address_set_port(&a, 0);
		if (!nice_agent_add_local_address(f->agent, &a))
			return false;
	}
	nice_agent_set_port_range(f->agent, f->stream, COMPONENT, port, port);
	return true;
}

/* Which of libnice's sockets is which. */
static bool find_sockets(struct full *f)
{
	GPtrArray *all = nice_agent_get_sockets(f->agent, f->stream, COMPONENT);
	bool ok = all != NULL;
	int zero = 0;

	for (guint i = 0; ok && i < all->len; i++) {
		GSocket *s = g_ptr_array_index(all, i);

		f->socks[g_socket_get_family(s) == G_SOCKET_FAMILY_IPV6].fd = g_socket_get_fd(s);
	}
	if (all != NULL)
		g_ptr_array_unref(all);
	for (unsigned i = 0; ok && i < SOCKETS; i++) {
		ok = (f->socks[i].at.len != 0) == (f->socks[i].fd >= 0);
		/* a look begins where the last one ended (full_io.c) */
		if (f->socks[i].fd >= 0)
			ok = ok && setsockopt(f->socks[i].fd, SOL_SOCKET, SO_PEEK_OFF, &zero,
					      sizeof(zero)) == 0;
	}
	return ok;
}

void agw_full_gathered(struct full *f)
{
	struct agw_ice *b = &f->lite.base;
	struct gw_addr relay[SOCKETS] = {{.len = 0}};
	GSList *all;

	if (!f->asking || !f->gathered)
		return;
	f->asking = false;
	all = nice_agent_get_local_candidates(f->agent, f->stream, COMPONENT);
	for (GSList *i = all; i != NULL; i = i->next) {
		const NiceCandidate *c = i->data;
		struct gw_addr at;

		if (c->type != NICE_CANDIDATE_TYPE_RELAYED || !from_nice(&at, &c->addr))
			continue;
		relay[gw_addr_is_v6(&at)] = at;
		f->has_relay = true;
	}
	g_slist_free_full(all, (GDestroyNotify)nice_candidate_free);
	for (unsigned i = 0; i < SOCKETS; i++)
		if (f->socks[i].fd >= 0)
			b->cbs.on_gathered(b->arg, i, &relay[i]);
}

static bool ask_for_relay(struct full *f, const struct agw_ice_turn *turn)
{
	char ip[GW_ADDR_STRLEN];

	f->turn = turn->server;
	f->leave = turn->leave;
	return nice_agent_set_relay_info(
	    f->agent, f->stream, COMPONENT, gw_addr_ip_str(&turn->server, ip, sizeof(ip)),
	    gw_addr_port(&turn->server), turn->username, turn->password, NICE_RELAY_TYPE_TURN_UDP);
}

enum gw_err agw_full_agent_new(struct full *f, const struct agw_ice_full_cfg *cfg)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct agw_ice_creds *creds = &cfg->ice.local;
	bool turn = cfg->turn != NULL && cfg->turn->server.len != 0;

	(void)pthread_once(&once, take_log);
	f->ctx = g_main_context_new();
	make_agent(f, cfg->controlling);
	f->stream = nice_agent_add_stream(f->agent, 1);
	if (f->stream == 0 || !add_addresses(f))
		return GW_ERR_NOMEM;
	if (!nice_agent_set_local_credentials(f->agent, f->stream, creds->ufrag, creds->pwd) ||
	    !nice_agent_attach_recv(f->agent, f->stream, COMPONENT, f->ctx, on_recv, f) ||
	    (turn && !ask_for_relay(f, cfg->turn)))
		return GW_ERR_INVAL;
	if (!nice_agent_gather_candidates(f->agent, f->stream))
		return GW_ERR_EXISTS;
	f->asking = turn;
	if (!find_sockets(f))
		return GW_ERR_IO;
	if (turn)
		f->next_ms = 0;
	return GW_OK;
}

void agw_full_agent_free(struct full *f)
{
	if (f->agent != NULL) {
		(void)g_signal_handlers_disconnect_by_data(f->agent, f);
		g_object_unref(f->agent);
	}
	if (f->ctx != NULL)
		g_main_context_unref(f->ctx);
	f->agent = NULL;
	f->ctx = NULL;
}
