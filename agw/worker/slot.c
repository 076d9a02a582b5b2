/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream as the control thread keeps it: ports, credentials, the stream object, and what the
 * gateway tells about itself. Built whole or not at all.
 */
#include "agw/worker/worker_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GW_LOG_MOD "media"
#include "common/log.h"

#define DTLS_1_2 0xfefd /* the only version we do (DTLS-12) */

static uint64_t now_ms(void)
{
	return agw_now_us() / 1000;
}

void agw_set_field(const char **field, const char *name)
{
	if (field != NULL)
		*field = name;
}

static struct agw_port_pool *ports_of(struct agw_pool *p, const char *realm)
{
	const struct agw_realm_cfg *r = agw_realm_find(p->realms, p->n_realms, realm);

	return r != NULL ? p->ports[r - p->realms] : NULL;
}

/* One of the worker's own for all streams; only the families asked for. */
static enum gw_err borrow_access(const struct agw_shared_port *from, struct agw_slot *s)
{
	unsigned wanted = s->params.access.families;

	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		if ((wanted & AGW_FAMILY_BIT(f)) != 0 && from->lease.fds[f] < 0)
			return GW_ERR_UNSUPPORTED;
	}
	s->shared = true;
	s->shared_port = (unsigned)(from - s->media->worker->shared);
	s->media->shared_taken |= 1U << s->shared_port;
	s->access_lease = from->lease;
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		if ((wanted & AGW_FAMILY_BIT(f)) == 0)
			s->access_lease.fds[f] = -1;
	}
	return GW_OK;
}

static void return_access(struct agw_port_pool *access, struct agw_slot *s)
{
	if (s->shared)
		s->media->shared_taken &= ~(1U << s->shared_port);
	else
		agw_port_pool_undo(access, &s->access_lease);
}

/* A port for RTP, and another for RTCP where that is not muxed (DTLS-26). */
static enum gw_err lease_access(struct agw_pool *p, struct agw_port_pool *access,
				struct agw_slot *s)
{
	unsigned families = s->params.access.families;
	size_t realm = 0;
	const struct agw_shared_port *shared;
	enum gw_err err;

	while (p->ports[realm] != access)
		realm++;
	shared = s->params.access.ice_full
		     ? NULL
		     : agw_shared_pick(s->media->worker, realm, s->media->shared_taken);
	err = shared != NULL ? borrow_access(shared, s)
			     : agw_port_pool_single(access, families, now_ms(), &s->access_lease);
	if (err != GW_OK || !s->params.access.rtcp_separate)
		return err;
	err = agw_port_pool_single(access, families, now_ms(), &s->rtcp_lease);
	s->rtcp_leased = err == GW_OK;
	if (err != GW_OK)
		return_access(access, s);
	return err;
}

static void undo_access(struct agw_port_pool *access, struct agw_slot *s)
{
	return_access(access, s);
	if (s->rtcp_leased)
		agw_port_pool_undo(access, &s->rtcp_lease);
}

/* All leases, or none. */
static enum gw_err lease_ports(struct agw_pool *p, struct agw_slot *s, const char **field)
{
	struct agw_port_pool *access = ports_of(p, s->params.access.realm);
	struct agw_port_pool *core = ports_of(p, s->params.core.realm);
	enum gw_err err;

	if (access == NULL || core == NULL) {
		agw_set_field(field, access == NULL ? "access.realm" : "core.realm");
		return GW_ERR_NOT_FOUND;
	}
	err = lease_access(p, access, s);
	if (err != GW_OK) {
		agw_set_field(field,
			      err == GW_ERR_UNSUPPORTED ? "access.families" : "access.ports");
		return err;
	}
	err = agw_port_pool_pair(core, s->params.core.family, now_ms(), &s->core_lease);
	if (err != GW_OK) {
		undo_access(access, s);
		agw_set_field(field, err == GW_ERR_UNSUPPORTED ? "core.family" : "core.ports");
	}
	return err;
}

static void give_ports(struct agw_pool *p, struct agw_slot *s, bool rest)
{
	struct agw_port_pool *access = ports_of(p, s->params.access.realm);
	struct agw_port_pool *core = ports_of(p, s->params.core.realm);

	if (rest) {
		if (s->shared)
			s->media->shared_taken &= ~(1U << s->shared_port);
		else
			agw_port_pool_release(access, &s->access_lease, now_ms());
		if (s->rtcp_leased)
			agw_port_pool_release(access, &s->rtcp_lease, now_ms());
		agw_port_pool_release(core, &s->core_lease, now_ms());
	} else {
		undo_access(access, s);
		agw_port_pool_undo(core, &s->core_lease);
	}
}

/* Only where RTCP is muxed: the second component would need a port of its own. */
static bool has_tcp(const struct agw_pool *p, const struct agw_slot *s)
{
	const struct agw_tcp_port *t = &s->media->worker->tcp;

	return t->on && !s->rtcp_leased && !s->params.access.ice_full &&
	       strcmp(p->realms[t->realm].name, s->params.access.realm) == 0;
}

void agw_slot_core_local(const struct agw_pool *p, struct agw_slot *s)
{
	const struct agw_core_params *c = &s->params.core;
	const struct agw_realm_cfg *r = agw_realm_find(p->realms, p->n_realms, c->realm);

	s->local.core_rtp = agw_realm_public_addr(r, c->family, s->core_lease.ports[0]);
	if (c->rtcp == AGW_CORE_RTCP_SEPARATE)
		s->local.core_rtcp = agw_realm_public_addr(r, c->family, s->core_lease.ports[1]);
	else if (c->rtcp == AGW_CORE_RTCP_MUX)
		s->local.core_rtcp = s->local.core_rtp;
	else
		s->local.core_rtcp = (struct gw_addr){.len = 0};
}

static void add_candidates(struct agw_stream_local *l, const struct agw_realm_cfg *r,
			   const struct agw_port_lease *lease, uint8_t component)
{
	unsigned rank = 0;

	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		struct agw_candidate *c = &l->cands[l->n_cands];

		if (lease->fds[f] < 0)
			continue;
		(void)snprintf(c->foundation, sizeof(c->foundation), "%d", f + 1);
		c->component = component;
		c->priority = agw_ice_host_priority(rank++, component);
		c->addr = agw_realm_public_addr(r, (enum agw_family)f, lease->ports[f]);
		l->n_cands++;
	}
}

/* The worker's TCP port stands for all its streams: who comes there says whom he means. */
static void add_tcp_candidates(struct agw_stream_local *l, const struct agw_realm_cfg *r,
			       const struct agw_slot *s)
{
	const struct agw_tcp_port *t = &s->media->worker->tcp;
	unsigned rank = 0;

	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		struct agw_candidate *c = &l->cands[l->n_cands];

		if (t->fds[f] < 0 || s->access_lease.fds[f] < 0)
			continue;
		GW_ASSERT(l->n_cands < AGW_CAND_MAX);
		(void)snprintf(c->foundation, sizeof(c->foundation), "%d",
			       AGW_FAMILY_COUNT + f + 1);
		c->component = 1;
		c->tcp = true;
		c->priority = agw_ice_tcp_priority(rank++, 1);
		c->addr = agw_realm_public_addr(r, (enum agw_family)f, t->port);
		l->n_cands++;
	}
}

/* Behind all host candidates (RFC 8445 s5.1.2.2: type preference 0). */
void agw_slot_gathered(struct agw_slot *s, unsigned i, const struct gw_addr *relay)
{
	struct agw_stream_local *l = &s->local;
	struct agw_candidate *c = &l->cands[l->n_cands];

	GW_ASSERT(s->gathering > 0); /* one answer for each socket */
	s->gathering--;
	if (relay->len == 0 || l->n_cands == AGW_CAND_MAX)
		return;
	(void)snprintf(c->foundation, sizeof(c->foundation), "%u",
		       2 * AGW_FAMILY_COUNT + 1 + i % AGW_FAMILY_COUNT);
	c->component = (uint8_t)(i / AGW_FAMILY_COUNT + 1);
	c->priority = (65535U - i % AGW_FAMILY_COUNT) << 8 | (256U - c->component);
	c->addr = *relay;
	c->relay = true;
	l->n_cands++;
}

/* A full agent binds the ports itself: only their numbers are kept. What comes back are our
 * sockets beside the agent's. */
static void vacate(struct agw_port_lease *l, const struct agw_realm_cfg *r,
		   struct gw_addr out[AGW_FAMILY_COUNT])
{
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		if (l->fds[f] < 0)
			continue;
		out[f] = agw_realm_bind_addr(r, (enum agw_family)f, l->ports[f]);
		(void)close(l->fds[f]);
		l->fds[f] = -1;
	}
}

static void vacate_access(struct agw_slot *s, struct agw_stream_args *args)
{
	const struct agw_pool *p = s->media->pool;
	const struct agw_realm_cfg *r =
	    agw_realm_find(p->realms, p->n_realms, s->params.access.realm);

	vacate(&s->access_lease, r, args->access_addrs[AGW_LEG_RTP]);
	if (s->rtcp_leased)
		vacate(&s->rtcp_lease, r, args->access_addrs[AGW_LEG_RTCP]);
}

static void take_back(struct agw_slot *s)
{
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		s->access_lease.fds[f] =
		    agw_stream_sock(s->stream, AGW_SOCK_ACCESS_V4 + (unsigned)f)->fd;
		if (s->rtcp_leased)
			s->rtcp_lease.fds[f] =
			    agw_stream_sock(s->stream, AGW_SOCK_ACCESS_RTCP_V4 + (unsigned)f)->fd;
	}
}

static void fill_local(const struct agw_pool *p, struct agw_slot *s,
		       const struct agw_ice_creds *creds)
{
	const struct agw_realm_cfg *r =
	    agw_realm_find(p->realms, p->n_realms, s->params.access.realm);
	struct agw_stream_local *l = &s->local;

	l->id = s->params.id;
	l->worker = s->media->worker->index;
	for (int f = 0; f < AGW_FAMILY_COUNT; f++)
		if (s->access_lease.fds[f] >= 0)
			l->access[f] =
			    agw_realm_public_addr(r, (enum agw_family)f, s->access_lease.ports[f]);
	add_candidates(l, r, &s->access_lease, 1);
	if (s->rtcp_leased)
		add_candidates(l, r, &s->rtcp_lease, 2);
	if (has_tcp(p, s))
		add_tcp_candidates(l, r, s);
	if (s->params.access.ice_full && p->relay.turn.server.len != 0)
		s->gathering = l->n_cands;
	l->ice_full = s->params.access.ice_full;
	l->answers_nack = p->relay.resend != NULL && s->params.media == AGW_MEDIA_VIDEO &&
			  agw_resend_has_room(p->relay.resend);
	memcpy(l->ufrag, creds->ufrag, sizeof(l->ufrag));
	memcpy(l->pwd, creds->pwd, sizeof(l->pwd));
	agw_dtls_ctx_fingerprint(p->dtls, &l->fp);
	agw_slot_core_local(p, s);
}

void agw_slot_free(struct agw_pool *p, struct agw_slot *s, bool rest)
{
	agw_stream_free(s->stream);
	agw_cmd_free(s->del);
	give_ports(p, s, rest);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

static enum gw_err try_new(struct agw_slot **out, struct agw_media *m,
			   const struct agw_stream_params *params, const char **field)
{
	struct agw_pool *p = m->pool;
	struct agw_slot *s = calloc(1, sizeof(*s));
	struct agw_stream_args args = {
	    .dtls = p->dtls, .profiles = p->cfg.srtp_profiles, .cfg = &p->relay, .user = s};
	enum gw_err err;

	if (s == NULL)
		return GW_ERR_NOMEM;
	s->media = m;
	s->params = *params;
	s->del = agw_cmd_new(AGW_CMD_DEL, m, 1);
	if (s->del == NULL) {
		free(s);
		return GW_ERR_NOMEM;
	}
	s->del->items[0].slot = s;
	err = lease_ports(p, s, field);
	if (err != GW_OK) {
		agw_cmd_free(s->del);
		free(s);
		return err;
	}
	agw_ice_creds_new(&args.creds);
	args.params = &s->params;
	memcpy(args.cname, m->cname, sizeof(args.cname));
	args.shared = s->shared;
	args.shared_port = s->shared_port;
	args.tcp = has_tcp(p, s);
	if (s->params.access.ice_full)
		vacate_access(s, &args);
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		args.access_fds[AGW_LEG_RTP][f] = s->access_lease.fds[f];
		args.access_fds[AGW_LEG_RTCP][f] = s->rtcp_leased ? s->rtcp_lease.fds[f] : -1;
	}
	memcpy(args.core_fds, s->core_lease.fds, sizeof(args.core_fds));
	err = agw_stream_new(&s->stream, &args);
	if (err == GW_OK && s->params.access.ice_full)
		take_back(s);
	if (err == GW_OK)
		fill_local(p, s, &args.creds);
	explicit_bzero(&args.creds, sizeof(args.creds));
	if (err != GW_OK) {
		agw_slot_free(p, s, false);
		return err;
	}
	*out = s;
	return GW_OK;
}

/* Between our giving up of a port and a full agent's taking of it, another process may take it:
 * then other ports are tried, once. */
enum gw_err agw_slot_new(struct agw_slot **out, struct agw_media *m,
			 const struct agw_stream_params *params, const char **field)
{
	enum gw_err err = try_new(out, m, params, field);

	if (err != GW_ERR_EXISTS || !params->access.ice_full)
		return err;
	GW_LOG_LIMITED(GW_LOG_WARN, "port.taken", "%s stream=%u", m->log_id, params->id);
	err = try_new(out, m, params, field);
	if (err != GW_ERR_EXISTS)
		return err;
	agw_set_field(field, "access.ports");
	return GW_ERR_LIMIT;
}

void agw_slot_stats(const struct agw_slot *s, struct agw_stream_stats *out)
{
	const struct agw_core_params *c = &s->params.core;

	memset(out, 0, sizeof(*out));
	agw_stream_read_stats(s->stream, out);
	out->srtp_profile = s->srtp_profile;
	out->dtls_version = s->srtp_profile != AGW_SRTP_NONE ? DTLS_1_2 : 0;
	out->remote = s->remote;
	if (s->core_latched.len != 0)
		out->core_remote = s->core_latched;
	else if (c->active >= 0)
		out->core_remote = c->branches[c->active].rtp;
}
