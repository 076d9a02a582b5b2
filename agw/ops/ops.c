/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's interfaces of the gateway (ops.h): table of commands, health, media metrics. */
#include "agw/ops/ops_int.h"
#include "common/http_ops.h"
#include "common/log.h"
#include "common/metric.h"

#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "ops"

/* ---- metrics: read at each scrape ---------------------------------------------------------------
 */

enum media_metric {
	MM_STREAMS,
	MM_HANDSHAKES,
	MM_PACKETS,
	MM_DROPS,
	MM_EVENTS_LOST,
	MM_PORTS_ACCESS,
	MM_PORTS_CORE,
	MM_CPU,
	MM_READY,
	MM_COUNT
};

static int64_t read_load(void *arg, enum media_metric which)
{
	const struct agw_ops *o = arg;
	struct agw_pool_load load;

	agw_pool_load(o->pool, &load);
	switch ((int)which) {
	case MM_STREAMS:
		return load.streams;
	case MM_HANDSHAKES:
		return load.handshakes;
	case MM_PACKETS:
		return (int64_t)load.rtp_packets;
	case MM_DROPS:
		return (int64_t)load.rtp_drops;
	default:
		return (int64_t)load.events_lost;
	}
}

static int64_t read_streams(void *arg)
{
	return read_load(arg, MM_STREAMS);
}

static int64_t read_handshakes(void *arg)
{
	return read_load(arg, MM_HANDSHAKES);
}

static int64_t read_packets(void *arg)
{
	return read_load(arg, MM_PACKETS);
}

static int64_t read_drops(void *arg)
{
	return read_load(arg, MM_DROPS);
}

static int64_t read_events_lost(void *arg)
{
	return read_load(arg, MM_EVENTS_LOST);
}

static int64_t read_ports(const struct agw_ops *o, size_t realm)
{
	struct agw_ports_load p = {0};

	if (realm < o->cfg.n_realms)
		(void)agw_pool_ports(o->pool, o->cfg.realms[realm].name, &p);
	return p.used;
}

static int64_t read_ports_access(void *arg)
{
	return read_ports(arg, 0);
}

static int64_t read_ports_core(void *arg)
{
	return read_ports(arg, 1);
}

static int64_t read_cpu(void *arg)
{
	const struct agw_ops *o = arg;
	struct agw_iq_figures f;

	agw_iq_figures(o->iq, &f);
	return f.cpu_permille;
}

static int64_t read_ready(void *arg)
{
	const struct agw_ops *o = arg;

	return agw_iq_state(o->iq) == AGW_IQ_IN_SERVICE ? 1 : 0;
}

/* clang-format off */
static struct gw_metric metrics[MM_COUNT] = {
	[MM_STREAMS] = {"agw_streams", NULL, GW_METRIC_GAUGE, "Media streams living", read_streams, NULL, 0},
	[MM_HANDSHAKES] = {"agw_dtls_handshakes", NULL, GW_METRIC_GAUGE, "DTLS handshakes running", read_handshakes, NULL, 0},
	[MM_PACKETS] = {"agw_rtp_packets_relayed_total", NULL, GW_METRIC_COUNTER, "RTP and RTCP packets relayed, both ways", read_packets, NULL, 0},
	[MM_DROPS] = {"agw_rtp_packets_dropped_total", NULL, GW_METRIC_COUNTER, "Packets not relayed, all reasons", read_drops, NULL, 0},
	[MM_EVENTS_LOST] = {"agw_media_events_lost_total", NULL, GW_METRIC_COUNTER, "Media events lost on a full ring", read_events_lost, NULL, 0},
	[MM_PORTS_ACCESS] = {"agw_ports_used", "realm=\"access\"", GW_METRIC_GAUGE, "UDP ports in use", read_ports_access, NULL, 0},
	[MM_PORTS_CORE] = {"agw_ports_used", "realm=\"core\"", GW_METRIC_GAUGE, "UDP ports in use", read_ports_core, NULL, 0},
	[MM_CPU] = {"agw_cpu_permille", NULL, GW_METRIC_GAUGE, "CPU share in use, smoothed", read_cpu, NULL, 0},
	[MM_READY] = {"agw_in_service", NULL, GW_METRIC_GAUGE, "1 while new contexts are taken", read_ready, NULL, 0},
};
/* clang-format on */

/* ---- commands ----------------------------------------------------------------------------------
 */

static json_t *cmd_drain(void *arg, const json_t *args, const char **error)
{
	struct agw_ops *o = arg;
	const char *text = json_string_value(json_array_get(args, 0));
	char *end = NULL;
	unsigned long s = text != NULL ? strtoul(text, &end, 10) : 0;

	if (text != NULL && (*end != '\0' || s > 86400)) {
		*error = "usage: drain [SECONDS]: deadline 0 to 86400, 0 = none";
		return NULL;
	}
	agw_iq_drain(o->iq, (uint32_t)s, "operator");
	return agw_ops_status(o);
}

static json_t *cmd_undrain(void *arg, const json_t *args, const char **error)
{
	struct agw_ops *o = arg;

	(void)args;
	if (!agw_iq_undrain(o->iq)) {
		*error = "it is shutting down";
		return NULL;
	}
	return agw_ops_status(o);
}

static json_t *cmd_log_level(void *arg, const json_t *args, const char **error)
{
	const char *word = json_string_value(json_array_get(args, 0));
	enum gw_log_level level;

	(void)arg;
	if (word == NULL || !gw_log_level_parse(word, &level)) {
		*error = "usage: log level error|warn|info|debug|trace";
		return NULL;
	}
	gw_log_set_level(level);
	GW_LOG(GW_LOG_INFO, "ops.log_level", "level_now=%s", word);
	return json_pack("{s:s}", "level", word);
}

/* clang-format off */
static const struct gw_ctl_command commands[] = {
	{"status", "status: state, contexts, streams, ports, memory, descriptors", agw_ops_cmd_status},
	{"context list", "context list [CONTROLLER]: living contexts, oldest first", agw_ops_cmd_context_list},
	{"context show", "context show CTX_ID|CALL_ID: streams, addresses, counters", agw_ops_cmd_context_show},
	{"controller list", "controller list: eP-CSCFs connected or expected back", agw_ops_cmd_controller_list},
	{"audit", "audit: contexts nobody owns, streams held by workers", agw_ops_cmd_audit},
	{"drain", "drain [SECONDS]: take no new contexts; after SECONDS release the rest", cmd_drain},
	{"undrain", "undrain: take new contexts again", cmd_undrain},
	{"log level", "log level error|warn|info|debug|trace: change it now", cmd_log_level},
	{"metrics", "metrics: the exposition as text", gw_ctl_metrics},
};
/* clang-format on */

/* ---- health ------------------------------------------------------------------------------------
 */

static bool ready(void *arg, const char **reason)
{
	const struct agw_ops *o = arg;

	if (agw_iq_state(o->iq) != AGW_IQ_IN_SERVICE) {
		*reason = "draining";
		return false;
	}
	if (agw_iq_realm_down(o->iq) != NULL) {
		*reason = "a realm is down";
		return false;
	}
	return true;
}

static json_t *status(void *arg)
{
	return agw_ops_status(arg);
}

/* ---- the object --------------------------------------------------------------------------------
 */

enum gw_err agw_ops_new(struct agw_ops **out, struct event_base *base,
			const struct agw_ops_cfg *cfg, struct agw_context_table *table,
			struct agw_pool *pool, struct agw_iq_server *iq)
{
	static const struct gw_http_ops_cbs cbs = {.ready = ready, .status = status};
	struct agw_ops *o = calloc(1, sizeof(*o));
	enum gw_err err = GW_OK;

	if (o == NULL)
		return GW_ERR_NOMEM;
	o->cfg = *cfg;
	o->table = table;
	o->pool = pool;
	o->iq = iq;
	clock_gettime(CLOCK_MONOTONIC, &o->born);
	for (unsigned i = 0; i < MM_COUNT; i++)
		metrics[i].arg = o;
	gw_metric_register(metrics, MM_COUNT);
	if (cfg->ctl_socket[0] != '\0')
		err = gw_ctl_server_new(&o->ctl, base, cfg->ctl_socket, commands,
					sizeof(commands) / sizeof(commands[0]), o);
	if (err != GW_OK)
		GW_LOG(GW_LOG_ERROR, "ops.ctl_socket", "path=\"%s\" why=%s", cfg->ctl_socket,
		       gw_err_name(err));
	else
		err = gw_http_ops_new(&o->http, base, cfg->listen, &cbs, o);
	if (err != GW_OK) {
		agw_ops_free(o);
		return err;
	}
	*out = o;
	return GW_OK;
}

void agw_ops_free(struct agw_ops *o)
{
	if (o == NULL)
		return;
	gw_http_ops_free(o->http);
	gw_ctl_server_free(o->ctl);
	gw_metric_unregister(metrics);
	free(o);
}
