/* SPDX-License-Identifier: Apache-2.0 */
/* The `status` command: how the gateway is and what it holds, in numbers. */
#include "agw/ops/ops_int.h"
#include "common/options.h"
#include "common/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put(json_t *o, const char *name, json_int_t v)
{
	(void)json_object_set_new(o, name, json_integer(v));
}

static void put_str(json_t *o, const char *name, const char *v)
{
	(void)json_object_set_new(o, name, json_string(v));
}

static json_t *realm(const struct agw_ops *o, const struct agw_realm_cfg *r,
		     struct agw_ports_load *sum)
{
	struct agw_ports_load p = {0};
	json_t *out = json_object();
	json_t *ips = json_array();
	char ip[GW_ADDR_STRLEN];

	(void)agw_pool_ports(o->pool, r->name, &p);
	sum->total += p.total;
	sum->used += p.used;
	sum->resting += p.resting;
	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++)
		if (r->bind[f].len != 0)
			(void)json_array_append_new(
			    ips, json_string(gw_addr_ip_str(&r->bind[f], ip, sizeof(ip))));
	put_str(out, "name", r->name);
	(void)json_object_set_new(out, "ips", ips);
	put(out, "port_first", r->port_min);
	put(out, "port_last", r->port_max);
	put(out, "ports_total", p.total);
	put(out, "ports_used", p.used);
	put(out, "ports_quarantined", p.resting);
	return out;
}

static void put_realms(json_t *out, const struct agw_ops *o)
{
	struct agw_ports_load sum = {0};
	json_t *list = json_array();

	for (size_t i = 0; i < o->cfg.n_realms; i++)
		(void)json_array_append_new(list, realm(o, &o->cfg.realms[i], &sum));
	put(out, "ports_in_use", sum.used);
	put(out, "ports_resting", sum.resting);
	put(out, "ports_total", sum.total);
	(void)json_object_set_new(out, "realms", list);
}

static void put_iq(json_t *out, const struct agw_ops *o)
{
	struct agw_iq_figures f;
	char boot[24];

	agw_iq_figures(o->iq, &f);
	snprintf(boot, sizeof(boot), "%016" PRIx64, f.boot_id);
	put_str(out, "boot_id", boot);
	put_str(out, "state", agw_iq_state_name(agw_iq_state(o->iq)));
	put_str(out, "realm_down",
		agw_iq_realm_down(o->iq) != NULL ? agw_iq_realm_down(o->iq) : "");
	put(out, "drain_left_s", agw_iq_drain_left_s(o->iq));
	put(out, "connections", f.connections);
	put(out, "controllers", f.controllers);
	put(out, "notifications_waiting", f.notifications_waiting);
	put(out, "cpu_permille", f.cpu_permille);
	put(out, "overload_level", f.overload_level);
}

static void put_media(json_t *out, const struct agw_ops *o)
{
	struct agw_pool_load load;

	agw_pool_load(o->pool, &load);
	put(out, "contexts", agw_context_count(o->table, NULL, 0));
	put(out, "contexts_releasing", agw_context_releasing(o->table));
	put(out, "streams", load.streams);
	put(out, "streams_max", load.max_streams);
	put(out, "workers", load.workers);
	put(out, "handshakes", load.handshakes);
	put(out, "rtp_packets", (json_int_t)load.rtp_packets);
	put(out, "rtp_drops", (json_int_t)load.rtp_drops);
	put(out, "events_lost", (json_int_t)load.events_lost);
}

json_t *agw_ops_status(const struct agw_ops *o)
{
	json_t *out = json_object();
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	put_str(out, "process", "wicgate-agw");
	put_str(out, "version", GW_VERSION);
	put_str(out, "id", o->cfg.agw_id);
	put(out, "pid", getpid());
	put(out, "uptime_s", now.tv_sec - o->born.tv_sec);
	put_iq(out, o);
	put_media(out, o);
	put_realms(out, o);
	put(out, "memory_octets", gw_process_rss_octets());
	put(out, "fds", gw_process_open_fds());
	put(out, "fds_limit", gw_process_fd_limit());
	return out;
}

json_t *agw_ops_cmd_status(void *arg, const json_t *args, const char **error)
{
	(void)args;
	(void)error;
	return agw_ops_status(arg);
}
