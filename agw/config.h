/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's configuration: one table of keys (config.c) fills one struct, constant after
 * start. `wicgate-agw --help-config` prints the table. Key names are the knob names of the
 * calls-and-media spec, section 7.
 * Thread: filled at start, read from the control thread.
 */
#ifndef AGW_CONFIG_H
#define AGW_CONFIG_H

#include "agw/context/context.h"
#include "agw/iq/server.h"
#include "common/conf.h"

struct agw_realm_conf {
	struct gw_conf_list listen_ip;
	struct gw_conf_list advertise_ip;
	struct gw_conf_range ports;
	int64_t shared_ports;
	int64_t tcp_port;
};

struct agw_config {
	char *iq_listen;
	char *iq_agw_id;
	char *iq_tls_cert;
	char *iq_tls_key;
	char *iq_tls_ca;
	char *iq_token;
	bool iq_insecure;
	int iq_tls_identity;
	int64_t iq_heartbeat;
	int64_t iq_hello_timeout;
	int64_t iq_term_heartbeat;
	int64_t iq_reserve_ttl;
	int64_t iq_prepare_ttl;
	int64_t iq_max_controllers;
	int64_t iq_max_output;
	int64_t t_orphan;

	struct agw_realm_conf access;
	struct agw_realm_conf core;
	int64_t port_quarantine;

	int ice_mode; /* 0 = lite, 1 = full */
	int ice_tcp;
	char *ice_turn_server, *ice_turn_username, *ice_turn_password;
	int64_t ice_turn_timeout;
	int64_t ice_timeout;
	bool ice_first_valid_pair;
	int consent_mode;
	int64_t consent_timeout;

	int64_t dtls_timer_initial;
	int64_t dtls_timeout;
	int64_t dtls_fp_wait;
	int64_t dtls_mtu;
	int64_t dtls_cert_lifetime;
	struct gw_conf_list dtls_fp_hashes;
	struct gw_conf_list srtp_profiles;
	int64_t srtp_replay_window, srtp_key_packets;
	int srtp_primitives; /* enum agw_srtp_lib */

	int64_t media_inactivity;
	int64_t media_keepalive;
	int64_t media_dscp_audio;
	int64_t media_dscp_video;
	int64_t media_workers;
	int64_t media_max_batch_wait_us;
	int64_t media_max_streams;
	int64_t media_ring_slots;
	int64_t media_resend_packets, media_resend_memory;
	bool rtp_relay_padding;
	int rtcp_generate; /* 0 = off, 1 = auto */
	bool rtcp_early;

	int64_t limits_contexts;
	int64_t limits_contexts_per_controller;
	int64_t limits_handshakes, limits_handshakes_per_source;
	int64_t limits_cpu_percent;
	int64_t limits_fds;

	char *ops_listen;
	char *ops_ctl_socket;
	bool ops_dump_memory, ops_lock_memory;
	int log_level;
	int64_t shutdown_grace;
};

extern const struct gw_conf_key agw_config_keys[];
extern const size_t agw_config_n_keys;

#define AGW_REALM_ACCESS "access"
#define AGW_REALM_CORE   "core"

/* What the parts take, made from the keys. Realms belong to this struct. */
struct agw_parts_cfg {
	struct agw_realm_cfg realms[2];
	struct agw_pool_cfg pool;
	struct agw_context_cfg contexts;
	struct agw_iq_cfg iq;
	char agw_id[IQ_MAX_ID + 1];
};

/**
 * Turn keys into what the parts take; addresses are parsed, "auto" is looked up.
 * @param errbuf  on failure: one line naming the key
 * @return GW_OK; GW_ERR_PARSE; GW_ERR_INVAL; GW_ERR_NOT_FOUND no address for "auto"
 */
enum gw_err agw_config_parts(struct agw_parts_cfg *out, const struct agw_config *cfg, char *errbuf,
			     size_t errlen) GW_MUST_CHECK;

#endif
