/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controllers: who they are (id), which life of theirs this is (epoch), what they own. Hello binds
 * a connection to one; rules in calls-and-media spec 5.3: same epoch resumes, a newer connection
 * of the same epoch wins, another epoch means the old state is lost and its contexts go.
 */
#include "agw/iq/server_int.h"

#include "common/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "iq"

/* ---- life ------------------------------------------------------------------------------------ */

static void count_controllers(struct agw_iq_server *s)
{
	gw_metric_set(&agw_iq_metrics[IQ_M_CONTROLLERS], HASH_COUNT(s->controllers));
}

void agw_iq_controller_free(struct agw_iq_controller *ctl)
{
	struct agw_iq_server *s = ctl->server;

	if (ctl->conn != NULL)
		ctl->conn->controller = NULL;
	HASH_DEL(s->controllers, ctl);
	count_controllers(s);
	gw_handle_del(s->handles, ctl->handle);
	agw_iq_replies_free(ctl);
	agw_iq_notify_free(ctl);
	if (ctl->orphan != NULL)
		event_free(ctl->orphan);
	free(ctl);
}

/* T_orphan after its connection went: nobody will ask for these contexts again. */
static void on_orphan(evutil_socket_t fd, short what, void *arg)
{
	struct agw_iq_controller *ctl = arg;
	uint32_t n = agw_context_release_all(ctl->server->table, ctl->id, 0, AGW_WHY_ORPHAN);

	(void)fd;
	(void)what;
	GW_LOG(GW_LOG_WARN, "iq.orphaned", "controller=%s epoch=%016" PRIx64 " contexts=%u",
	       ctl->id, ctl->epoch, n);
	agw_iq_controller_free(ctl);
}

void agw_iq_controller_away(struct agw_iq_controller *ctl)
{
	uint32_t ms = ctl->server->cfg.orphan_ms;
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	ctl->conn = NULL;
	ctl->since_ms = agw_iq_now_ms();
	(void)event_add(ctl->orphan, &tv);
	GW_LOG(GW_LOG_WARN, "iq.controller_away", "controller=%s contexts=%u orphan_ms=%u", ctl->id,
	       agw_context_count(ctl->server->table, ctl->id, 0), ms);
}

static enum gw_err controller_new(struct agw_iq_controller **out, struct agw_iq_server *s,
				  const IqHello *h)
{
	struct agw_iq_controller *ctl = calloc(1, sizeof(*ctl));

	if (ctl == NULL)
		return GW_ERR_NOMEM;
	ctl->server = s;
	snprintf(ctl->id, sizeof(ctl->id), "%s", h->controller_id);
	ctl->epoch = h->epoch;
	ctl->orphan = event_new(s->base, -1, 0, on_orphan, ctl);
	if (ctl->orphan == NULL || gw_handle_add(s->handles, ctl, &ctl->handle) != GW_OK) {
		if (ctl->orphan != NULL)
			event_free(ctl->orphan);
		free(ctl);
		return GW_ERR_NOMEM;
	}
	HASH_ADD(hh, s->controllers, id, (unsigned)strlen(ctl->id), ctl);
	count_controllers(s);
	*out = ctl;
	return GW_OK;
}

/* ---- Hello ----------------------------------------------------------------------------------- */

/* Takes the same time wherever the first difference is. */
static bool token_ok(const struct agw_iq_cfg *cfg, const char *token)
{
	size_t n = strlen(cfg->token);
	unsigned diff = 0;

	if (n == 0)
		return true;
	if (strlen(token) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)(unsigned char)(cfg->token[i] ^ token[i]);
	return diff == 0;
}

/* Is there room for one more? One that is away and owns nothing may be forgotten for it. */
static bool make_room(struct agw_iq_server *s)
{
	struct agw_iq_controller *ctl;
	struct agw_iq_controller *next;

	if (HASH_COUNT(s->controllers) < s->cfg.max_controllers)
		return true;
	HASH_ITER (hh, s->controllers, ctl, next) {
		if (ctl->conn != NULL || agw_context_count(s->table, ctl->id, 0) > 0)
			continue;
		agw_iq_controller_free(ctl);
		return true;
	}
	return false;
}

/* Everything a Hello can be refused for; no state of a controller has changed yet. */
static bool refused(const struct iq_conn *c, const IqEnvelope *env, struct iq_fault *fault)
{
	struct agw_iq_server *s = c->server;
	const IqHello *h;
	const struct agw_iq_controller *ctl = NULL;

	if (iq_check(env, fault) != GW_OK)
		return true;
	if (env->body_case != IQ_BODY(HELLO)) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "body",
			     "Hello must come first");
		return true;
	}
	h = env->hello;
	if (h->version_min > IQ_VERSION || h->version_max < IQ_VERSION) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__VERSION_MISMATCH), "version_max",
			     "only version %u is spoken here", IQ_VERSION);
		return true;
	}
	if (!token_ok(&s->cfg, h->token)) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__NOT_OWNER), "token", "wrong token");
		return true;
	}
	if (s->tls != NULL && s->cfg.tls_identity && !agw_iq_tls_names(c->bev, h->controller_id)) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__NOT_OWNER), "controller_id",
			     "not a name of its certificate");
		return true;
	}
	HASH_FIND(hh, s->controllers, h->controller_id, (unsigned)strlen(h->controller_id), ctl);
	if (ctl == NULL && !make_room(s)) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED), "controller_id",
			     "no more controllers");
		return true;
	}
	return false;
}

static void refuse(struct iq_conn *c, const IqEnvelope *env, const struct iq_fault *fault)
{
	gw_metric_inc(&agw_iq_metrics[IQ_M_REJECTED]);
	if (env->body_case == IQ_BODY(HELLO)) {
		IqEnvelope *ack = iq_envelope_new(IQ_BODY(HELLO_ACK), env->txn_id);

		if (ack != NULL) {
			ack->hello_ack->error = iq_error_new(fault);
			(void)agw_iq_conn_send(c, ack);
		}
	}
	agw_iq_conn_bye(c, fault);
}

static enum gw_err capabilities(IqHelloAck *ack, const struct agw_iq_cfg *cfg)
{
	IqCapabilities *cap = iq_message_new(&wicgate__iq__v1__capabilities__descriptor);

	ack->capabilities = cap;
	if (cap == NULL)
		return GW_ERR_NOMEM;
	cap->max_contexts = cfg->max_contexts;
	cap->max_streams_per_context = AGW_CTX_STREAMS_MAX;
	cap->srtp_profiles = malloc(3 * sizeof(*cap->srtp_profiles));
	cap->ice_modes = malloc(2 * sizeof(*cap->ice_modes));
	if (cap->srtp_profiles == NULL || cap->ice_modes == NULL)
		return GW_ERR_NOMEM;
	cap->srtp_profiles[cap->n_srtp_profiles++] = IQ_V(SRTP_PROFILE__AEAD_AES_128_GCM);
	cap->srtp_profiles[cap->n_srtp_profiles++] = IQ_V(SRTP_PROFILE__AEAD_AES_256_GCM);
	cap->srtp_profiles[cap->n_srtp_profiles++] = IQ_V(SRTP_PROFILE__AES128_CM_SHA1_80);
	cap->ice_modes[cap->n_ice_modes++] = IQ_V(ICE_MODE__ICE_LITE);
	if (cfg->defaults.ice_full)
		cap->ice_modes[cap->n_ice_modes++] = IQ_V(ICE_MODE__ICE_FULL);
	return GW_OK;
}

static IqEnvelope *ack_new(const struct agw_iq_server *s, const IqEnvelope *env)
{
	IqEnvelope *out = iq_envelope_new(IQ_BODY(HELLO_ACK), env->txn_id);
	uint32_t mine = agw_context_count(s->table, env->hello->controller_id, env->hello->epoch);
	uint32_t all = agw_context_count(s->table, env->hello->controller_id, 0);
	IqHelloAck *ack;

	if (out == NULL)
		return NULL;
	ack = out->hello_ack;
	ack->boot_id = s->boot_id;
	ack->version = IQ_VERSION;
	ack->contexts_this_epoch = mine;
	ack->contexts_other_epochs = all - mine;
	ack->heartbeat_interval_ms = s->cfg.heartbeat_ms;
	ack->state = agw_iq_state_new(s);
	if (ack->state == NULL || iq_str_set(&ack->agw_id, s->cfg.agw_id) != GW_OK ||
	    iq_str_set(&ack->software, "wicgate-agw " GW_VERSION) != GW_OK ||
	    capabilities(ack, &s->cfg) != GW_OK ||
	    agw_iq_realms_fill(s, &ack->n_realms, (void *)&ack->realms) != GW_OK) {
		iq_envelope_free(out);
		return NULL;
	}
	return out;
}

/* The connection this controller had, if any, gives way to the new one. */
static void displace(struct agw_iq_controller *ctl, uint64_t epoch)
{
	struct iq_fault fault;

	if (ctl->conn == NULL)
		return;
	if (ctl->epoch != epoch)
		GW_LOG(GW_LOG_WARN, "iq.duplicate_controller",
		       "controller=%s peer=\"%s\" hint=\"two processes with one id?\"", ctl->id,
		       ctl->conn->peer);
	iq_fault_set(&fault, IQ_V(ERROR_CODE__STALE_TXN), "controller_id",
		     "a newer connection took over");
	agw_iq_conn_bye(ctl->conn, &fault);
}

/* Another epoch: what the controller's last life left is released (REL-13). */
static void begin_epoch(struct agw_iq_controller *ctl, uint64_t epoch)
{
	const uint64_t old = ctl->epoch;
	uint32_t n;

	ctl->epoch = epoch; /* first: what its last life waits for is not this one's */
	n = agw_context_release_all(ctl->server->table, ctl->id, epoch, AGW_WHY_EPOCH);
	GW_LOG(GW_LOG_INFO, "iq.new_epoch",
	       "controller=%s old=%016" PRIx64 " new=%016" PRIx64 " released=%u", ctl->id, old,
	       epoch, n);
	agw_iq_replies_free(ctl);
	agw_iq_notify_free(ctl);
	ctl->stale_below = 0;
	agw_iq_unpark(ctl->server);
}

static void take_over(struct iq_conn *c, struct agw_iq_controller *ctl, const IqHello *h)
{
	uint64_t now = agw_iq_now_ms();

	(void)event_del(ctl->orphan);
	c->controller = ctl;
	c->next_heartbeat_ms = now + c->server->cfg.heartbeat_ms;
	ctl->conn = c;
	ctl->since_ms = now;
	snprintf(ctl->software, sizeof(ctl->software), "%.*s", (int)sizeof(ctl->software) - 1,
		 h->software);
}

void agw_iq_hello(struct iq_conn *c, const IqEnvelope *env)
{
	struct agw_iq_server *s = c->server;
	struct agw_iq_controller *ctl = NULL;
	struct iq_fault fault;
	IqEnvelope *ack;
	const char *id;

	if (refused(c, env, &fault)) {
		refuse(c, env, &fault);
		return;
	}
	id = env->hello->controller_id;
	ack = ack_new(s, env);
	/* The analyzer cannot follow how uthash unlinks. */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_FIND(hh, s->controllers, id, (unsigned)strlen(id), ctl);
	if (ack == NULL || (ctl == NULL && controller_new(&ctl, s, env->hello) != GW_OK)) {
		iq_envelope_free(ack);
		agw_iq_conn_drop(c, "no memory");
		return;
	}
	displace(ctl, env->hello->epoch);
	take_over(c, ctl, env->hello);
	GW_LOG(GW_LOG_INFO, "iq.hello",
	       "controller=%s epoch=%016" PRIx64
	       " peer=\"%s\" software=\"%s\" contexts=%u other=%u",
	       ctl->id, env->hello->epoch, c->peer, ctl->software,
	       ack->hello_ack->contexts_this_epoch, ack->hello_ack->contexts_other_epochs);
	if (!agw_iq_conn_send(c, ack))
		return;
	if (ctl->epoch != env->hello->epoch)
		begin_epoch(ctl, env->hello->epoch);
	agw_iq_notify_resend(ctl);
}
