/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves by a link: frames, and the link's own Hello and Heartbeat (5.3). Bounded: an AGW that
 * does not read is refused more, and its missing heartbeats end the link.
 * Thread: the cscf loop. Spec: IQ-14, IQ-18.
 */
#include "cscf/iq/iq_int.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#define GW_LOG_MOD "iq"

enum gw_err iq_link_send_frame(struct cscf_iq_link *link, const uint8_t *frame, size_t n)
{
	struct evbuffer *out;

	if (link->state != IQ_LINK_UP && link->state != IQ_LINK_HELLO)
		return GW_ERR_GONE;
	out = bufferevent_get_output(link->bev);
	if (evbuffer_get_length(out) > IQ_LINK_QUEUE_MAX ||
	    (link->out != NULL && gw_outbox_length(link->out) > IQ_LINK_QUEUE_MAX))
		return GW_ERR_LIMIT; /* the AGW does not read: the heartbeat will notice */
	if (link->out != NULL)
		return gw_outbox_write(link->out, frame, n);
	return evbuffer_add(out, frame, n) == 0 ? GW_OK : GW_ERR_NOMEM;
}

enum gw_err iq_link_send(struct cscf_iq_link *link, const IqEnvelope *env)
{
	uint8_t *frame;
	size_t n;
	enum gw_err err = iq_pack_frame(env, &frame, &n);

	if (err != GW_OK)
		return err;
	iq_trace(IQ_TX, link->addr_text, env, n);
	err = iq_link_send_frame(link, frame, n);
	free(frame);
	return err;
}

enum gw_err iq_link_send_hello(struct cscf_iq_link *link)
{
	const struct cscf_iq_config *cfg = &link->iq->cfg;
	IqEnvelope *env = iq_envelope_new(IQ_BODY(HELLO), 0);
	enum gw_err err;

	if (env == NULL)
		return GW_ERR_NOMEM;
	err = iq_str_set(&env->hello->controller_id, cfg->controller_id);
	if (err == GW_OK)
		err = iq_str_set(&env->hello->software, "wicgate-cscf");
	if (err == GW_OK)
		err = iq_str_set(&env->hello->token, cfg->token != NULL ? cfg->token : "");
	env->hello->epoch = link->iq->epoch;
	env->hello->version_min = IQ_VERSION;
	env->hello->version_max = IQ_VERSION;
	env->hello->resume = link->boot_id != 0;
	if (err == GW_OK)
		err = iq_link_send(link, env);
	iq_envelope_free(env);
	return err;
}

void iq_link_send_heartbeat(struct cscf_iq_link *link)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(HEARTBEAT), 0);

	if (env == NULL)
		return;
	env->heartbeat->sequence = ++link->heartbeat_seq;
	if (iq_link_send(link, env) != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.heartbeat_not_sent", "peer=%s", link->addr_text);
	iq_envelope_free(env);
}
