/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the operator and what "ready" means: the listeners are up (else we would not run),
 * at least one AGW takes calls, and nobody asked us to drain. /livez is the loop answering.
 */
#include "cscf/ops/ops_int.h"

#include "common/log.h"
#include "common/metric.h"

#include <stdlib.h>

#define GW_LOG_MOD "ops"

/* Read at each scrape; arg is set when ops starts. */
enum ops_metric { OM_CONNECTIONS, OM_REGISTRATIONS, OM_DIALOGS, OM_READY, OM_COUNT };

static int64_t read_connections(void *arg)
{
	const struct cscf_ops *o = arg;

	return (int64_t)cscf_ws_listener_counts(o->p.listener).open;
}

static int64_t read_registrations(void *arg)
{
	const struct cscf_ops *o = arg;

	return (int64_t)cscf_registrar_counts(o->p.registrar).bindings;
}

static int64_t read_dialogs(void *arg)
{
	const struct cscf_ops *o = arg;
	struct cscf_session_counts counts;

	cscf_session_counts(o->p.session, &counts);
	return (int64_t)counts.dialogs;
}

static int64_t read_ready(void *arg)
{
	const char *reason;

	return cscf_ops_ready(arg, &reason) ? 1 : 0;
}

static struct gw_metric metrics[OM_COUNT] = {
    [OM_CONNECTIONS] = {.name = "cscf_connections",
			.type = GW_METRIC_GAUGE,
			.help = "Open WebSockets",
			.read = read_connections},
    [OM_REGISTRATIONS] = {.name = "cscf_registrations",
			  .type = GW_METRIC_GAUGE,
			  .help = "Bindings of WICs",
			  .read = read_registrations},
    [OM_DIALOGS] = {.name = "cscf_dialogs",
		    .type = GW_METRIC_GAUGE,
		    .help = "Dialogs of calls, early ones included",
		    .read = read_dialogs},
    [OM_READY] = {.name = "cscf_ready",
		  .type = GW_METRIC_GAUGE,
		  .help = "1 when new work is taken",
		  .read = read_ready},
};

bool cscf_ops_ready(struct cscf_ops *o, const char **reason)
{
	if (o->cbs.is_draining(o->arg))
		*reason = "draining";
	else if (!cscf_iq_available(o->p.iq))
		*reason = "no AGW in service";
	else if (!cscf_probe_any_up(o->p.probe))
		*reason = "no entry point of the core answers";
	else
		return true;
	return false;
}

static bool http_ready(void *arg, const char **reason)
{
	return cscf_ops_ready(arg, reason);
}

static json_t *http_status(void *arg)
{
	return ops_status(arg);
}

enum gw_err cscf_ops_new(struct cscf_ops **out, const struct cscf_ops_parts *parts,
			 const char *listen, const char *ctl_socket, const struct cscf_ops_cbs *cbs,
			 void *arg)
{
	static const struct gw_http_ops_cbs http_cbs = {.ready = http_ready, .status = http_status};
	struct cscf_ops *o = calloc(1, sizeof(*o));
	enum gw_err err = GW_OK;
	struct timespec born;

	if (o == NULL)
		return GW_ERR_NOMEM;
	o->p = *parts;
	o->cbs = *cbs;
	o->arg = arg;
	clock_gettime(CLOCK_MONOTONIC, &born);
	o->started = born.tv_sec;
	if (ctl_socket[0] != '\0')
		err = gw_ctl_server_new(&o->ctl, parts->base, ctl_socket, ops_commands,
					ops_n_commands, o);
	if (err != GW_OK)
		GW_LOG(GW_LOG_ERROR, "ops.ctl_failed", "path=%s err=%s", ctl_socket,
		       gw_err_name(err));
	if (err == GW_OK) {
		err = gw_http_ops_new(&o->http, parts->base, listen, &http_cbs, o);
		if (err != GW_OK)
			GW_LOG(GW_LOG_ERROR, "ops.http_failed", "listen=%s err=%s", listen,
			       gw_err_name(err));
	}
	for (size_t i = 0; i < OM_COUNT; i++)
		metrics[i].arg = o;
	gw_metric_register(metrics, OM_COUNT);
	if (err != GW_OK) {
		cscf_ops_free(o);
		return err;
	}
	*out = o;
	return GW_OK;
}

void cscf_ops_free(struct cscf_ops *o)
{
	if (o == NULL)
		return;
	gw_metric_unregister(metrics);
	gw_http_ops_free(o->http);
	gw_ctl_server_free(o->ctl);
	free(o);
}
