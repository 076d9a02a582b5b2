/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AGW procedures of the faked world: what the session asks is recorded, answers are played in.
 * Included by fake_world.h alone, behind what it keeps.
 */
#ifndef TESTS_FAKE_AGW_H
#define TESTS_FAKE_AGW_H

static struct w_iq *w_iq_add(gw_handle call, uint32_t tag, cscf_iq_done_fn *done, int op)
{
	struct w_iq *q = &w.iq[w.n_iq++];

	*q = (struct w_iq){.call = call, .tag = tag, .done = done, .op = (unsigned)op};
	return q;
}

static void w_iq_ext(unsigned *out, IqHeaderExtension *const *list, size_t n)
{
	if (n == 0)
		return;
	out[0] = list[0]->id;
	out[1] = list[0]->peer_id;
}

static void w_iq_remotes(struct w_iq *q, const IqCoreTermination *core)
{
	for (size_t i = 0; i < core->n_remotes && i < 8; i++) {
		const IqCoreRemote *r = core->remotes[i];

		snprintf(q->branch[q->n_branches++], sizeof(q->branch[0]), "%s%.60s",
			 r->drop ? "-" : "", r->branch);
		if (r->active)
			snprintf(q->active, sizeof(q->active), "%.60s %s:%u", r->branch, r->rtp->ip,
				 r->rtp->port);
	}
}

static void w_iq_rules(struct w_iq *q, const IqStreamRequest *s)
{
	q->ssrc_mode = (int)s->ssrc_mode;
	q->dscp[0] = s->access->dscp;
	q->dscp[1] = s->core->dscp;
	q->bps_up = s->policing != NULL ? s->policing->bits_per_second : 1;
	q->bps_down = s->policing != NULL ? s->policing->downlink_bits_per_second : 1;
}

static void w_iq_streams(struct w_iq *q, IqStreamRequest **streams, size_t n)
{
	for (size_t i = 0; i < n && i < 8; i++) {
		const IqStreamRequest *s = streams[i];

		q->ids[q->n_ids++] = s->stream_id;
		q->pictures += s->ask_picture ? 1 : 0;
		q->gate_up = s->gate != NULL && s->gate->uplink;
		q->gate_down = s->gate != NULL && s->gate->downlink;
		if (s->access == NULL)
			continue;
		q->restart = s->access->ice != NULL && s->access->ice->restart;
		q->new_dtls = s->access->dtls != NULL && s->access->dtls->new_association;
		w_iq_ext(q->ext[0], s->access->header_extensions, s->access->n_header_extensions);
		w_iq_ext(q->ext[1], s->core->header_extensions, s->core->n_header_extensions);
		if (i == 0) {
			w_iq_remotes(q, s->core);
			w_iq_rules(q, s);
		}
	}
}

/* A context's handle is the call's. */
enum gw_err cscf_iq_reserve(struct cscf_iq *iq, gw_handle *ctx, gw_handle call, uint32_t tag,
			    const struct cscf_iq_ident *ident, IqStreamRequest **streams, size_t n,
			    cscf_iq_done_fn *done)
{
	(void)iq;
	assert_non_null(ident->call_id);
	if (w.no_agw)
		return GW_ERR_LIMIT;
	w_iq_streams(w_iq_add(call, tag, done, W_RESERVE), streams, n);
	w.reserved++;
	w.priority = ident->priority;
	*ctx = call;
	return GW_OK;
}

enum gw_err cscf_iq_reserve_more(struct cscf_iq *iq, gw_handle ctx, uint32_t tag,
				 IqStreamRequest **streams, size_t n, cscf_iq_done_fn *done)
{
	(void)iq;
	w_iq_streams(w_iq_add(ctx, tag, done, W_RESERVE), streams, n);
	return GW_OK;
}

enum gw_err cscf_iq_configure(struct cscf_iq *iq, gw_handle ctx, uint32_t tag,
			      Wicgate__Iq__V1__ConfigureRequest__Phase phase,
			      IqStreamRequest **streams, size_t n, cscf_iq_done_fn *done)
{
	struct w_iq *q = w_iq_add(ctx, tag, done, W_CONFIGURE);

	(void)iq;
	w_iq_streams(q, streams, n);
	q->phase = (int)phase;
	return GW_OK;
}

void cscf_iq_rollback(struct cscf_iq *iq, gw_handle ctx)
{
	(void)iq;
	(void)ctx;
	w.rollbacks++;
}

void cscf_iq_release_streams(struct cscf_iq *iq, gw_handle ctx, uint32_t *stream_ids, size_t n,
			     const char *reason)
{
	(void)iq;
	(void)ctx;
	(void)stream_ids;
	(void)reason;
	w.streams_released += (unsigned)n;
}

bool cscf_iq_takes_priority(const struct cscf_iq *iq)
{
	(void)iq;
	return !w.no_agw;
}

enum gw_err cscf_iq_look(struct cscf_iq *iq, gw_handle h, uint32_t tag, cscf_iq_done_fn *done)
{
	(void)iq;
	(void)h;
	(void)tag;
	(void)done;
	return GW_ERR_GONE;
}

bool cscf_iq_release(struct cscf_iq *iq, gw_handle ctx, uint32_t tag, const char *reason,
		     cscf_iq_done_fn *done)
{
	(void)iq;
	(void)reason;
	if (ctx == GW_HANDLE_NONE)
		return false;
	w.released++;
	if (w.ctx_gone)
		return w.ctx_gone = false;
	if (done != NULL)
		w_iq_add(ctx, tag, done, W_RELEASE);
	return done != NULL;
}

const char *cscf_iq_ctx_id(const struct cscf_iq *iq, gw_handle ctx)
{
	(void)iq;
	return ctx != GW_HANDLE_NONE ? "ctx" : "";
}

const char *cscf_iq_ctx_agw(const struct cscf_iq *iq, gw_handle ctx)
{
	(void)iq;
	return ctx != GW_HANDLE_NONE ? "agw" : "";
}

#endif
