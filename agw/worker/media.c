/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one context: everything that can fail happens here, before the worker hears of
 * it; what comes back from the worker ends here too. See worker.h.
 */
#include "agw/worker/worker_int.h"

#include "common/rand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define STREAMS_AT_ONCE 64 /* per request */

static struct agw_slot *find(const struct agw_media *m, uint32_t id)
{
	struct agw_slot *s;

	DL_FOREACH (m->slots, s) {
		if (s->params.id == id && !s->going)
			return s;
	}
	return NULL;
}

enum gw_err agw_media_new(struct agw_media **out, struct agw_pool *pool, uint64_t owner,
			  const char *log_id)
{
	struct agw_media *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return GW_ERR_NOMEM;
	m->pool = pool;
	m->owner = owner;
	(void)snprintf(m->log_id, sizeof(m->log_id), "%s", log_id);
	gw_rand_token(m->cname, AGW_CNAME_LEN);
	DL_APPEND(pool->medias, m);
	*out = m;
	return GW_OK;
}

static struct agw_worker *least_loaded(struct agw_pool *p)
{
	struct agw_worker *best = &p->workers[0];

	for (unsigned i = 1; i < p->n_workers; i++) {
		if (p->workers[i].n_streams < best->n_streams)
			best = &p->workers[i];
	}
	return best;
}

static enum gw_err check_new(const struct agw_media *m, const struct agw_stream_params *params,
			     size_t n, const char **field)
{
	agw_set_field(field, "streams");
	if (m->freed || n == 0 || n > STREAMS_AT_ONCE)
		return GW_ERR_INVAL;
	if (n > m->pool->cfg.max_streams - m->pool->n_streams)
		return GW_ERR_LIMIT;
	for (size_t i = 0; i < n; i++) {
		const char *bad = agw_stream_params_bad(&params[i]);

		if (bad != NULL) {
			agw_set_field(field, bad);
			return GW_ERR_INVAL;
		}
		agw_set_field(field, "stream_id");
		if (find(m, params[i].id) != NULL)
			return GW_ERR_EXISTS;
		for (size_t k = 0; k < i; k++) {
			if (params[k].id == params[i].id)
				return GW_ERR_EXISTS;
		}
	}
	agw_set_field(field, NULL);
	return GW_OK;
}

enum gw_err agw_media_add(struct agw_media *m, const struct agw_stream_params *params, size_t n,
			  struct agw_stream_local *locals, uint32_t *seq, const char **field)
{
	enum gw_err err = check_new(m, params, n, field);
	struct agw_slot *slots[STREAMS_AT_ONCE];
	struct agw_cmd *c;
	size_t made = 0;

	if (err != GW_OK)
		return err;
	agw_identity_renew(m->pool);
	if (m->worker == NULL || m->n_slots == 0)
		m->worker = least_loaded(m->pool);
	c = agw_cmd_new(AGW_CMD_ADD, m, n);
	if (c == NULL)
		return GW_ERR_NOMEM;
	for (; made < n && err == GW_OK; made += err == GW_OK)
		err = agw_slot_new(&c->items[made].slot, m, &params[made], field);
	c->seq = m->seq + 1;
	for (size_t i = 0; i < made; i++)
		slots[i] = c->items[i].slot;
	if (err == GW_OK)
		err = agw_cmd_send(m->worker, c);
	if (err != GW_OK) {
		for (size_t i = 0; i < made; i++)
			agw_slot_free(m->pool, slots[i], false);
		agw_cmd_free(c);
		return err;
	}
	/* The command and the streams are the worker's; their place in our book is ours. */
	for (size_t i = 0; i < n; i++) {
		locals[i] = slots[i]->local;
		DL_APPEND(m->slots, slots[i]);
	}
	m->seq++;
	m->n_live += n;
	m->n_slots += n;
	m->worker->n_streams += n;
	m->pool->n_streams += (uint32_t)n;
	if (seq != NULL)
		*seq = m->seq;
	return GW_OK;
}

static const char *fixed_part_changed(const struct agw_stream_params *a,
				      const struct agw_stream_params *b)
{
	if (strcmp(a->access.realm, b->access.realm) != 0)
		return "access.realm";
	if (a->access.families != b->access.families)
		return "access.families";
	if (a->access.ice_full != b->access.ice_full)
		return "access.ice_mode";
	if (strcmp(a->core.realm, b->core.realm) != 0)
		return "core.realm";
	if (b->access.rtcp_separate && !a->access.rtcp_separate)
		return "access.rtcp"; /* there is no second port any more */
	if (a->ssrc_rewrite != b->ssrc_rewrite)
		return "ssrc_mode";
	return a->core.family != b->core.family ? "core.family" : NULL;
}

static enum gw_err make_patch(struct agw_media *m, const struct agw_stream_change *ch,
			      struct agw_cmd_item *item, const char **field)
{
	const uint16_t *profiles = ch->params.access.profiles;
	const char *bad = agw_stream_params_bad(&ch->params);
	struct agw_stream_patch *p;

	item->slot = find(m, ch->params.id);
	agw_set_field(field, item->slot == NULL ? "stream_id" : bad);
	if (item->slot == NULL)
		return GW_ERR_NOT_FOUND;
	if (bad != NULL)
		return GW_ERR_INVAL;
	bad = fixed_part_changed(&item->slot->params, &ch->params);
	agw_set_field(field, bad);
	if (bad != NULL)
		return GW_ERR_UNSUPPORTED;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return GW_ERR_NOMEM;
	item->patch = p;
	p->params = ch->params;
	p->ice_restart = ch->ice_restart;
	p->ask_picture = ch->ask_picture;
	if (ch->ice_restart)
		agw_ice_creds_new(&p->creds);
	if (!ch->new_dtls)
		return GW_OK;
	if (profiles[0] == AGW_SRTP_NONE)
		profiles = m->pool->cfg.srtp_profiles;
	for (int i = 0; i <= (p->params.access.rtcp_separate ? AGW_LEG_RTCP : AGW_LEG_RTP); i++) {
		enum gw_err err =
		    agw_stream_dtls_new(&p->dtls[i], item->slot->stream, (enum agw_leg_index)i,
					agw_identity_find(m->pool, &ch->cert), profiles);

		if (err != GW_OK)
			return err; /* the command is freed with what it has */
	}
	return GW_OK;
}

/* The worker has the change: so it is in our book too. */
static void book(struct agw_pool *p, struct agw_slot *s, const struct agw_stream_change *ch,
		 const struct agw_ice_creds *creds)
{
	bool core_moved = !agw_core_same_remotes(&s->params.core, &ch->params.core);

	s->params = ch->params;
	if (core_moved)
		s->core_latched = (struct gw_addr){.len = 0};
	agw_slot_core_local(p, s);
	if (ch->ice_restart) {
		memcpy(s->local.ufrag, creds->ufrag, sizeof(s->local.ufrag));
		memcpy(s->local.pwd, creds->pwd, sizeof(s->local.pwd));
		s->local.ice_generation++;
	}
	if (ch->new_dtls)
		agw_dtls_ctx_fingerprint(agw_identity_find(p, &ch->cert), &s->local.fp);
}

enum gw_err agw_media_apply(struct agw_media *m, const struct agw_stream_change *changes, size_t n,
			    struct agw_stream_local *locals, uint32_t *seq, const char **field)
{
	struct agw_ice_creds creds[STREAMS_AT_ONCE];
	struct agw_slot *slots[STREAMS_AT_ONCE];
	enum gw_err err = GW_OK;
	struct agw_cmd *c;

	agw_set_field(field, "streams");
	if (m->freed || n == 0 || n > STREAMS_AT_ONCE)
		return GW_ERR_INVAL;
	c = agw_cmd_new(AGW_CMD_APPLY, m, n);
	if (c == NULL)
		return GW_ERR_NOMEM;
	for (size_t i = 0; i < n && err == GW_OK; i++) {
		err = make_patch(m, &changes[i], &c->items[i], field);
		slots[i] = c->items[i].slot;
		if (err == GW_OK)
			creds[i] = c->items[i].patch->creds;
	}
	c->seq = m->seq + 1;
	if (err == GW_OK)
		err = agw_cmd_send(m->worker, c);
	if (err != GW_OK) {
		agw_cmd_free(c);
		explicit_bzero(creds, sizeof(creds));
		return err;
	}
	m->seq++;
	for (size_t i = 0; i < n; i++) {
		book(m->pool, slots[i], &changes[i], &creds[i]);
		if (locals != NULL)
			locals[i] = slots[i]->local;
	}
	explicit_bzero(creds, sizeof(creds));
	if (seq != NULL)
		*seq = m->seq;
	return GW_OK;
}

void agw_media_del(struct agw_media *m, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct agw_slot *s = find(m, ids[i]);

		if (s == NULL)
			continue;
		s->going = true;
		m->n_live--;
		agw_cmd_send_sure(m->worker, s->del);
		s->del = NULL; /* the worker's */
	}
}

void agw_media_free(struct agw_media *m)
{
	struct agw_slot *s;
	struct agw_slot *tmp;

	if (m == NULL)
		return;
	m->freed = true;
	DL_FOREACH_SAFE (m->slots, s, tmp) {
		if (s->going)
			continue;
		s->going = true;
		m->n_live--;
		agw_cmd_send_sure(m->worker, s->del);
		s->del = NULL;
	}
	agw_media_maybe_gone(m);
}

size_t agw_media_count(const struct agw_media *m)
{
	return m->n_live;
}

const struct agw_stream_params *agw_media_params(const struct agw_media *m, uint32_t id)
{
	const struct agw_slot *s = find(m, id);

	return s != NULL ? &s->params : NULL;
}

const struct agw_stream_local *agw_media_local(const struct agw_media *m, uint32_t id)
{
	const struct agw_slot *s = find(m, id);

	return s != NULL ? &s->local : NULL;
}

bool agw_media_is_gathering(const struct agw_media *m, uint32_t id)
{
	const struct agw_slot *s = find(m, id);

	return s != NULL && s->gathering > 0;
}

bool agw_media_stats(const struct agw_media *m, uint32_t id, struct agw_stream_stats *out)
{
	const struct agw_slot *s = find(m, id);

	if (s == NULL)
		return false;
	agw_slot_stats(s, out);
	return true;
}
