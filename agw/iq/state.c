/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway says of itself: service state, realms, load and overload level (IQ-14, IQ-16),
 * pushed to every controller when it changes; and whether a new context may come in.
 */
#include "agw/iq/server_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utlist.h>

#define GW_LOG_MOD          "iq"

#define CPU_CHANGE_PERMILLE 100 /* pushed without waiting for a heartbeat */
#define PREFER_OTHERS(x)    ((x)*8 / 10)

const char *agw_iq_state_name(enum agw_iq_state state)
{
	switch (state) {
	case AGW_IQ_IN_SERVICE:
		return "IN_SERVICE";
	case AGW_IQ_DRAINING:
		return "DRAINING";
	case AGW_IQ_OUT_OF_SERVICE:
		break;
	}
	return "OUT_OF_SERVICE";
}

enum agw_iq_state agw_iq_state(const struct agw_iq_server *s)
{
	return s->state;
}

uint32_t agw_iq_drain_left_s(const struct agw_iq_server *s)
{
	uint64_t now = agw_iq_now_ms();

	return s->state == AGW_IQ_DRAINING && s->deadline_ms > now
		   ? (uint32_t)((s->deadline_ms - now + 999) / 1000)
		   : 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void ports_sum(const struct agw_iq_server *s, uint32_t *total, uint32_t *used)
{
	*total = 0;
	*used = 0;
	for (size_t i = 0; i < s->cfg.defaults.n_realms; i++) {
		struct agw_ports_load p;

		if (!agw_pool_ports(s->pool, s->cfg.defaults.realms[i].name, &p))
			continue;
		*total += p.total;
		*used += p.used;
	}
}

IqLoad *agw_iq_load_new(const struct agw_iq_server *s)
{
	IqLoad *out = iq_message_new(&wicgate__iq__v1__load__descriptor);
	struct agw_pool_load load;

	if (out == NULL)
		return NULL;
	agw_pool_load(s->pool, &load);
	ports_sum(s, &out->ports_total, &out->ports_used);
	out->cpu_permille = s->cpu_permille;
	out->contexts = agw_context_count(s->table, NULL, 0);
	out->streams = load.streams;
	out->handshakes = load.handshakes;
	out->packets = load.rtp_packets;
	out->drops = load.rtp_drops;
	out->overload_level = s->overload;
	return out;
}

IqAgwState *agw_iq_state_new(const struct agw_iq_server *s)
{
	IqAgwState *out = iq_message_new(&wicgate__iq__v1__agw_state__descriptor);

	if (out == NULL)
		return NULL;
	out->state = s->state == AGW_IQ_IN_SERVICE ? IQ_V(AGW_STATE__STATE__IN_SERVICE)
		     : s->state == AGW_IQ_DRAINING ? IQ_V(AGW_STATE__STATE__DRAINING)
						   : IQ_V(AGW_STATE__STATE__OUT_OF_SERVICE);
	out->deadline_s = agw_iq_drain_left_s(s);
	out->load = agw_iq_load_new(s);
	if (out->load == NULL || iq_str_set(&out->reason, s->reason) != GW_OK) {
		wicgate__iq__v1__agw_state__free_unpacked(out, NULL);
		return NULL;
	}
	return out;
}

static IqRealm *realm_new(const struct agw_iq_server *s, size_t i)
{
	const struct agw_realm_cfg *cfg = &s->cfg.defaults.realms[i];
	IqRealm *out = iq_message_new(&wicgate__iq__v1__realm__descriptor);
	struct agw_ports_load ports;

	if (out == NULL)
		return NULL;
	out->available = i >= AGW_REALM_MAX || !s->realm_down[i];
	out->side = strcmp(cfg->name, s->cfg.access_realm) == 0 ? IQ_V(REALM_SIDE__REALM_ACCESS)
								: IQ_V(REALM_SIDE__REALM_CORE);
	if (agw_pool_ports(s->pool, cfg->name, &ports)) {
		out->ports_total = ports.total;
		out->ports_used = ports.used;
	}
	out->families = malloc(AGW_FAMILY_COUNT * sizeof(*out->families));
	if (out->families == NULL || iq_str_set(&out->name, cfg->name) != GW_OK ||
	    iq_str_set(&out->interface_id, cfg->name) != GW_OK) {
		wicgate__iq__v1__realm__free_unpacked(out, NULL);
		return NULL;
	}
	if (agw_realm_has(cfg, AGW_FAMILY_V4))
		out->families[out->n_families++] = IQ_V(ADDRESS_FAMILY__IPV4);
	if (agw_realm_has(cfg, AGW_FAMILY_V6))
		out->families[out->n_families++] = IQ_V(ADDRESS_FAMILY__IPV6);
	return out;
}

enum gw_err agw_iq_realms_fill(const struct agw_iq_server *s, size_t *n, void *list)
{
	for (size_t i = 0; i < s->cfg.defaults.n_realms; i++) {
		enum gw_err err = iq_list_add(n, list, realm_new(s, i));

		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

/* The state with the realms that changed since the last push. */
static IqAgwState *changed_state(const struct agw_iq_server *s)
{
	IqAgwState *out = agw_iq_state_new(s);

	for (size_t i = 0; out != NULL && i < s->cfg.defaults.n_realms && i < AGW_REALM_MAX; i++) {
		if (!s->realm_changed[i] ||
		    iq_list_add(&out->n_realms, (void *)&out->realms, realm_new(s, i)) == GW_OK)
			continue;
		wicgate__iq__v1__agw_state__free_unpacked(out, NULL);
		return NULL;
	}
	return out;
}

static void push(struct agw_iq_server *s)
{
	struct iq_conn *c;
	struct iq_conn *next;

	s->told_overload = s->overload;
	s->told_cpu = s->cpu_permille;
	DL_FOREACH_SAFE (s->conns, c, next) {
		IqEnvelope *env;

		if (c->controller == NULL)
			continue;
		env = iq_envelope_new(IQ_BODY(AGW_STATE), 0);
		if (env == NULL)
			return;
		wicgate__iq__v1__agw_state__free_unpacked(env->agw_state, NULL);
		env->agw_state = changed_state(s);
		if (env->agw_state == NULL) {
			env->body_case = IQ_BODY(_NOT_SET);
			iq_envelope_free(env);
			return;
		}
		(void)agw_iq_conn_send(c, env);
	}
	memset(s->realm_changed, 0, sizeof(s->realm_changed));
}

/* ---- drain ----------------------------------------------------------------------------------- */

static void set_state(struct agw_iq_server *s, enum agw_iq_state state, const char *reason)
{
	GW_LOG(GW_LOG_WARN, "agw.state", "from=%s to=%s reason=\"%s\" contexts=%u",
	       agw_iq_state_name(s->state), agw_iq_state_name(state), reason,
	       agw_context_count(s->table, NULL, 0));
	s->state = state;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	push(s);
}

void agw_iq_drain(struct agw_iq_server *s, uint32_t deadline_s, const char *reason)
{
	s->deadline_ms = deadline_s != 0 ? agw_iq_now_ms() + (uint64_t)deadline_s * 1000 : 0;
	set_state(s, AGW_IQ_DRAINING, reason);
}

void agw_iq_end(struct agw_iq_server *s, uint32_t deadline_s, const char *reason)
{
	s->ending = true;
	agw_iq_drain(s, deadline_s, reason);
}

bool agw_iq_undrain(struct agw_iq_server *s)
{
	if (s->ending)
		return false;
	s->deadline_ms = 0;
	if (s->state != AGW_IQ_IN_SERVICE)
		set_state(s, AGW_IQ_IN_SERVICE, "");
	return true;
}

void agw_iq_out_of_service(struct agw_iq_server *s, const char *reason)
{
	s->deadline_ms = 0;
	set_state(s, AGW_IQ_OUT_OF_SERVICE, reason);
	(void)agw_context_release_all(s->table, NULL, 0, AGW_WHY_DRAIN);
}

/* ---- load ------------------------------------------------------------------------------------ */

static uint64_t cpu_us(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) != 0)
		return 0;
	return (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

/* Share of the workers' CPUs in use, smoothed over about four ticks. */
static void measure_cpu(struct agw_iq_server *s, uint64_t now)
{
	struct agw_pool_load load;
	uint64_t used = cpu_us();
	uint64_t wall = now - s->cpu_at_ms;
	uint64_t permille;

	agw_pool_load(s->pool, &load);
	if (s->cpu_at_ms != 0 && wall > 0 && load.workers > 0) {
		permille = (used - s->cpu_us) / wall / load.workers;
		if (permille > 1000)
			permille = 1000;
		s->cpu_permille = (unsigned)((s->cpu_permille * 3 + permille) / 4);
	}
	s->cpu_us = used;
	s->cpu_at_ms = now;
}

static unsigned level_of(uint64_t used, uint64_t limit)
{
	if (limit == 0)
		return 0;
	return used >= limit ? 2 : used >= PREFER_OTHERS(limit) ? 1 : 0;
}

/* A call needs ports of each realm: the fuller one counts, and a port that rests serves nobody. */
static unsigned ports_level(const struct agw_iq_server *s)
{
	unsigned worst = 0;

	for (size_t i = 0; i < s->cfg.defaults.n_realms; i++) {
		struct agw_ports_load p;
		unsigned level;

		if (!agw_pool_ports(s->pool, s->cfg.defaults.realms[i].name, &p))
			continue;
		level = level_of((uint64_t)p.used + p.resting, p.total);
		worst = level > worst ? level : worst;
	}
	return worst;
}

static unsigned overload_level(const struct agw_iq_server *s)
{
	unsigned cpu = level_of(s->cpu_permille, s->cfg.cpu_limit_permille);
	unsigned ctx = level_of(agw_context_count(s->table, NULL, 0), s->cfg.max_contexts);
	unsigned ports = ports_level(s);

	if (s->cfg.cpu_limit_permille != 0 && s->cpu_permille >= 990)
		return 3;
	return cpu > ctx ? (cpu > ports ? cpu : ports) : (ctx > ports ? ctx : ports);
}

void agw_iq_state_tick(struct agw_iq_server *s, uint64_t now)
{
	unsigned change;

	measure_cpu(s, now);
	if (agw_iq_realms_check(s))
		push(s);
	s->overload = overload_level(s);
	change = s->cpu_permille > s->told_cpu ? s->cpu_permille - s->told_cpu
					       : s->told_cpu - s->cpu_permille;
	if (s->overload != s->told_overload) {
		GW_LOG(GW_LOG_WARN, "agw.overload", "from=%u to=%u cpu_permille=%u",
		       s->told_overload, s->overload, s->cpu_permille);
		push(s);
	} else if (change >= CPU_CHANGE_PERMILLE) {
		push(s);
	}
	if (s->state == AGW_IQ_DRAINING && s->deadline_ms != 0 && now >= s->deadline_ms)
		agw_iq_out_of_service(s, "drain deadline");
}

bool agw_iq_admit(const struct agw_iq_server *s, const IqReserveRequest *req,
		  struct iq_fault *fault)
{
	if (s->state != AGW_IQ_IN_SERVICE) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__DRAINING), NULL,
			     s->state == AGW_IQ_DRAINING ? "draining" : "out of service");
		return false;
	}
	if (s->overload >= 3 || (s->overload == 2 && !req->priority)) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__OVERLOADED), NULL, "overload level %u",
			     s->overload);
		return false;
	}
	return true;
}
