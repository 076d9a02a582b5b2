/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `status` command, also at /status: how the process is, and in flat numbers what it holds.
 * Whatever is 0 in an idle process stands at the top level, so that a test can ask for it.
 */
#include "cscf/ops/ops_int.h"

#include "common/options.h"
#include "common/process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put(json_t *o, const char *name, size_t v)
{
	(void)json_object_set_new(o, name, json_integer((json_int_t)v));
}

static json_t *entry_points(struct cscf_ops *o)
{
	json_t *list = json_array();
	struct cscf_probe_row row;

	for (size_t i = 0; cscf_probe_row(o->p.probe, i, &row); i++)
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:s, s:I}", "point", row.point,
						      "state", cscf_probe_state_name(row.state),
						      "since_s", (json_int_t)row.since_s));
	return list;
}

/* What is shed: see cscf/sip/overload.h. */
static json_t *overload(struct cscf_ops *o)
{
	const struct cscf_sip_overload *v = cscf_sip_stack_overload(o->p.stack);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "load_percent",
			 (json_int_t)cscf_sip_overload_load(v), "level", (json_int_t)v->level,
			 "loop_lag_ms", (json_int_t)v->lag_pct * (json_int_t)v->max_lag_ms / 100,
			 "transactions_percent", (json_int_t)v->fill_pct, "events_percent",
			 (json_int_t)v->queue_pct, "forced", (int)(v->forced_pct >= 0));
}

json_t *ops_status(struct cscf_ops *o)
{
	struct cscf_ws_counts ws = cscf_ws_listener_counts(o->p.listener);
	struct cscf_registrar_counts reg = cscf_registrar_counts(o->p.registrar);
	struct cscf_session_counts calls;
	struct cscf_sip_counts sip;
	const char *reason = "";
	json_t *out = json_object();
	bool ready = cscf_ops_ready(o, &reason);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);

	cscf_session_counts(o->p.session, &calls);
	cscf_sip_stack_counts(o->p.stack, &sip);
	(void)json_object_set_new(out, "process", json_string("cscf"));
	(void)json_object_set_new(out, "version", json_string(GW_VERSION));
	(void)json_object_set_new(out, "pid", json_integer(getpid()));
	(void)json_object_set_new(out, "ready", json_boolean(ready));
	(void)json_object_set_new(out, "reason", json_string(reason));
	(void)json_object_set_new(out, "draining", json_boolean(o->cbs.is_draining(o->arg)));
	put(out, "uptime_s", (size_t)(now.tv_sec - o->started));
	put(out, "connections", ws.open);
	put(out, "handshaking", ws.handshaking);
	put(out, "send_queue_octets", ws.queued);
	put(out, "registrations", reg.bindings);
	put(out, "associations", reg.associations);
	put(out, "flows_lost", reg.flows_lost);
	put(out, "registers_pending", reg.pending);
	put(out, "subscriptions", cscf_regevent_count(o->p.regevent));
	put(out, "calls", calls.calls);
	put(out, "calls_confirmed", calls.confirmed);
	put(out, "dialogs", calls.dialogs);
	put(out, "proxied", calls.proxied);
	put(out, "transactions", sip.server_pending + sip.client_pending);
	put(out, "transactions_lingering",
	    sip.server_txns + sip.client_txns - sip.server_pending - sip.client_pending);
	put(out, "contexts", cscf_iq_context_count(o->p.iq));
	put(out, "iq_requests", cscf_iq_txn_count(o->p.iq));
	put(out, "mw_tcp_connections", sip.tcp_conns);
	put(out, "dns_queries", sip.dns_queries);
	(void)json_object_set_new(out, "entry_points", entry_points(o));
	(void)json_object_set_new(out, "overload", overload(o));
	(void)json_object_set_new(out, "agws", cscf_iq_agw_list(o->p.iq));
	(void)json_object_set_new(out, "memory_octets", json_integer(gw_process_rss_octets()));
	(void)json_object_set_new(out, "fds", json_integer(gw_process_open_fds()));
	(void)json_object_set_new(out, "fds_limit", json_integer(gw_process_fd_limit()));
	return out;
}
