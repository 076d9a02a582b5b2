/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full ICE agent (ice.mode: full; RFC 8445, TS 23.334 §6.2.17.2–4): libnice's NiceAgent does the
 * connectivity checks, answers those of the current generation, solves role conflicts and
 * nominates. The book is lite.c's: generations, validated sources, refusals, consent, ice.timeout.
 *
 *   Reserve            the agent is made and bound; controlling when ours is the offer; a TURN
 *                      server is asked, and answers on the worker
 *   peer's SDP         credentials and candidates: checks begin, early ones are caught up on
 *   nominated          selected; a controlling peer may move on without a restart (ICE-15)
 *   restart            the same sockets, new credentials; the old pair and its checks go on
 *
 * libnice's own consent-freshness is not used: it gives up after 10 s, not 30 (RFC 7675 s5.1), and
 * a 403 before a pair is selected would make it read a NULL pointer. consent.c does it.
 *
 * Thread: made and freed on the control thread; in between all of it is the worker's, libnice and
 * its GLib context as well.
 */
#include "agw/ice/full_int.h"
#include "agw/ice/leave.h"

#include <stdlib.h>
#include <string.h>

#define SOON_MS 1200 /* before the next slow tick */

static void full_set_peer(struct agw_ice *ice, const struct agw_ice_peer *peer)
{
	agw_full_peer(full_of(ice), peer);
}

static void full_set_remote(struct agw_ice *ice, const char *ufrag, const char *pwd)
{
	struct full *f = full_of(ice);

	agw_lite_provider.set_remote(ice, ufrag, pwd);
	(void)nice_agent_set_remote_credentials(f->agent, f->stream, ufrag, pwd);
	f->next_ms = 0;
}

static void full_restart(struct agw_ice *ice, const struct agw_ice_creds *local)
{
	struct full *f = full_of(ice);

	agw_lite_provider.restart(ice, local);
	f->n_prflx = 0;
	(void)nice_agent_restart_stream(f->agent, f->stream);
	(void)nice_agent_set_local_credentials(f->agent, f->stream, local->ufrag, local->pwd);
	f->next_ms = 0;
}

static unsigned full_local_ufrags(const struct agw_ice *ice, const char *out[AGW_ICE_UFRAGS])
{
	return agw_lite_provider.local_ufrags(ice, out);
}

static void full_expect(struct agw_ice *ice, uint64_t now_ms)
{
	full_of(ice)->now_ms = now_ms;
	agw_lite_provider.expect(ice, now_ms);
}

static void full_tick(struct agw_ice *ice, struct agw_ice_env *env, uint64_t now_ms)
{
	struct full *f = full_of(ice);

	f->now_ms = now_ms;
	if (now_ms >= f->next_ms)
		agw_full_turn(f, now_ms);
	if (f->lite.base.pair.local >= AGW_ICE_RELAYED && f->lite.base.may_send)
		f->lite.consent_ms = f->relay_lost ? 0 : now_ms;
	agw_lite_provider.tick(ice, env, now_ms);
}

static bool full_is_valid_source(const struct agw_ice *ice, unsigned local,
				 const struct gw_addr *from)
{
	return agw_lite_provider.is_valid_source(ice, local, from);
}

static bool full_is_pending(const struct agw_ice *ice)
{
	const struct full *f = full_of_const(ice);

	return agw_lite_provider.is_pending(ice) ||
	       (f->next_ms != NEVER && f->next_ms < f->now_ms + SOON_MS);
}

static int full_fd(const struct agw_ice *ice, unsigned local)
{
	return local < SOCKETS ? full_of_const(ice)->socks[local].fd : -1;
}

static bool full_send(struct agw_ice *ice, const uint8_t *data, size_t len)
{
	struct full *f = full_of(ice);
	/* the parameter has no const; the octets are only read */
	const char *p = (const char *)data;

	return nice_agent_send(f->agent, f->stream, COMPONENT, (guint)len, p) == (gint)len;
}

/* The socket goes with libnice's stream where that has no allocation yet, so it is copied before.
 */
static void full_stop(struct agw_ice *ice)
{
	struct full *f = full_of(ice);
	int fd = f->socks[gw_addr_is_v6(&f->turn)].fd;

	if (f->turn.len == 0 || f->agent == NULL || f->stopped)
		return;
	f->stopped = true;
	if (f->leave != NULL && fd >= 0 && (f->asking || f->has_relay))
		agw_ice_leave_add(f->leave, fd);
	nice_agent_remove_stream(f->agent,
				 f->stream); /* a Refresh with lifetime 0 leaves at once */
}

/* An agent that never got to work, or the second port of a WIC that muxes after all, was not
 * stopped before. */
static void full_free(struct agw_ice *ice)
{
	struct full *f = full_of(ice);

	if (f->agent != NULL) /* who listened is not told any more */
		(void)g_signal_handlers_disconnect_by_data(f->agent, f);
	full_stop(ice);
	agw_full_agent_free(f);
	explicit_bzero(f, sizeof(*f));
	free(f);
}

static const struct agw_ice_provider full_provider = {
    .free = full_free,
    .set_remote = full_set_remote,
    .restart = full_restart,
    .local_ufrags = full_local_ufrags,
    .expect = full_expect,
    .tick = full_tick,
    .is_valid_source = full_is_valid_source,
    .is_pending = full_is_pending,
    .fd = full_fd,
    .readable = agw_full_readable,
    .send = full_send,
    .stop = full_stop,
    .set_peer = full_set_peer,
};

enum gw_err agw_ice_full_new(struct agw_ice **out, const struct agw_ice_full_cfg *cfg,
			     const struct agw_ice_cbs *cbs, void *arg)
{
	struct agw_ice_cfg ice = cfg->ice;
	struct full *f = calloc(1, sizeof(*f));
	enum gw_err err;

	if (f == NULL)
		return GW_ERR_NOMEM;
	ice.consent_active = true;
	agw_lite_init(&f->lite, &ice, cbs, arg);
	f->lite.base.ops = &full_provider;
	f->lite.agent = true;
	f->lite.controlling = cfg->controlling;
	f->component = cfg->component;
	f->next_ms = NEVER;
	for (unsigned i = 0; i < SOCKETS; i++)
		f->socks[i] = (struct full_sock){.fd = -1, .at = cfg->bind[i]};
	err = agw_full_agent_new(f, cfg);
	explicit_bzero(&ice, sizeof(ice));
	if (err != GW_OK) {
		full_free(&f->lite.base);
		return err;
	}
	*out = &f->lite.base;
	return GW_OK;
}
