/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back from the workers: events, acknowledgements, streams. Each event is logged here,
 * once, with the identity of its context.
 *
 * A callback may free the context's handle (agw_media_free): n_cmds is held up meanwhile, so that
 * the handle outlives the callback.
 */
#include "agw/worker/worker_int.h"

#include <stdlib.h>
#include <utlist.h>

#define GW_LOG_MOD "media"
#include "common/log.h"

void agw_media_maybe_gone(struct agw_media *m)
{
	if (!m->freed || m->n_slots > 0 || m->n_cmds > 0)
		return;
	DL_DELETE(m->pool->medias, m);
	free(m);
}

static enum gw_log_level level_of(enum agw_event kind)
{
	switch (kind) {
	case AGW_EV_ICE_FAILED:
	case AGW_EV_DTLS_FAILED:
	case AGW_EV_CONSENT_LOST:
	case AGW_EV_CORE_LATCHED:
	case AGW_EV_KEY_LIMIT:
		return GW_LOG_WARN;
	case AGW_EV_ICE_CONNECTED:
	case AGW_EV_PAIR_CHANGED:
	case AGW_EV_DTLS_ESTABLISHED:
	case AGW_EV_DTLS_CLOSED:
	case AGW_EV_CONSENT_RESTORED:
	case AGW_EV_MEDIA_INACTIVE:
	case AGW_EV_MEDIA_ACTIVE:
		return GW_LOG_INFO;
	case AGW_EV_SSRC_CHANGED:
	case AGW_EV_NEW_PRFLX:
	case AGW_EV_PT_UNKNOWN:
	case AGW_EV_POLICED:
	case AGW_EV_PICTURE_ASKED:
	case AGW_EV_GATHERED:
	case AGW_EV_COUNT:
		break;
	}
	return GW_LOG_DEBUG;
}

static void log_event(const struct agw_slot *s, const struct agw_stream_event *ev)
{
	char remote[GW_ADDR_STRLEN] = "-";

	if (ev->addr.len != 0)
		(void)gw_addr_str(&ev->addr, remote, sizeof(remote));
	GW_LOG(level_of(ev->kind), agw_event_name(ev->kind),
	       "%s stream=%u worker=%u side=%s cause=%s value=%u remote=%s", s->media->log_id,
	       s->params.id, s->local.worker, ev->side == AGW_SIDE_ACCESS ? "access" : "core",
	       agw_cause_name(ev->cause), ev->value, remote);
}

void agw_media_on_event(struct agw_slot *s, const struct agw_stream_event *ev)
{
	struct agw_media *m = s->media;

	if (ev->kind == AGW_EV_ICE_CONNECTED || ev->kind == AGW_EV_PAIR_CHANGED)
		s->remote = ev->addr;
	else if (ev->kind == AGW_EV_DTLS_ESTABLISHED)
		s->srtp_profile = (uint16_t)ev->value;
	else if (ev->kind == AGW_EV_CORE_LATCHED)
		s->core_latched = ev->addr;
	else if (ev->kind == AGW_EV_GATHERED)
		agw_slot_gathered(s, ev->value, &ev->addr);
	if (s->going)
		return;
	agw_metrics_event(ev);
	log_event(s, ev);
	m->pool->cbs.on_event(m->pool->arg, m->owner, ev);
}

void agw_media_on_bad(const struct agw_slot *s, const struct agw_report *r)
{
	if (s == NULL) {
		GW_LOG_LIMITED(GW_LOG_WARN, "strangers", "side=access reason=%s packets=%u",
			       agw_drop_name(r->why), r->ev.value);
		return;
	}
	if (s->going)
		return;
	GW_LOG_LIMITED(GW_LOG_WARN, "bad-input", "%s stream=%u side=%s reason=%s packets=%u",
		       s->media->log_id, s->params.id,
		       r->ev.side == AGW_SIDE_ACCESS ? "access" : "core", agw_drop_name(r->why),
		       r->ev.value);
}

void agw_media_on_paced(const struct agw_report *r)
{
	char from[GW_ADDR_STRLEN];

	GW_LOG_LIMITED(GW_LOG_WARN, "dtls.paced", "handshakes=%u last_source=%s", r->ev.value,
		       gw_addr_ip_str(&r->ev.addr, from, sizeof(from)));
}

void agw_media_on_done(struct agw_cmd *c)
{
	struct agw_media *m = c->media;

	if (c->kind != AGW_CMD_DEL && !m->freed)
		m->pool->cbs.on_applied(m->pool->arg, m->owner, c->seq);
	m->n_cmds--;
	agw_cmd_free(c);
	agw_media_maybe_gone(m);
}

void agw_media_on_back(struct agw_slot *s)
{
	struct agw_media *m = s->media;
	struct agw_pool *p = m->pool;
	struct agw_stream_stats last;
	uint32_t id = s->params.id;

	agw_slot_stats(s, &last);
	DL_DELETE(m->slots, s);
	agw_slot_free(p, s, true);
	m->n_slots--;
	m->worker->n_streams--;
	p->n_streams--;
	m->n_cmds++;
	p->cbs.on_released(p->arg, m->owner, id, &last);
	m->n_cmds--;
	agw_media_maybe_gone(m);
}

void agw_media_destroy(struct agw_media *m)
{
	struct agw_slot *s;
	struct agw_slot *tmp;

	DL_FOREACH_SAFE (m->slots, s, tmp) {
		if (agw_stream_is_attached(s->stream))
			agw_stream_detach(s->stream);
		DL_DELETE(m->slots, s);
		agw_slot_free(m->pool, s, false);
	}
	DL_DELETE(m->pool->medias, m);
	free(m);
}
