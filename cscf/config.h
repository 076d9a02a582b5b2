/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of the eP-CSCF: one struct, filled once from the table in config.c (the knob
 * names of the requirement lists), constant after start. Times in ms.
 * Here too: turning it into what each part takes.
 * Thread: start-up only.
 */
#ifndef CSCF_CONFIG_H
#define CSCF_CONFIG_H

#include "common/conf.h"
#include "cscf/authz/authz.h"
#include "cscf/emergency/plan.h"
#include "cscf/iq/procedures.h"
#include "cscf/regevent/regevent.h"
#include "cscf/registrar/registrar.h"
#include "cscf/sdp/alg.h"
#include "cscf/session/session.h"
#include "cscf/sip/stack.h"
#include "cscf/ws/listener.h"

struct cscf_config {
	struct cscf_sip_config sip;     /* the table points into it */
	struct cscf_authz_config token; /* and into this */

	char *ws_listen, *ws_insecure_listen, *ws_path;
	char *ws_tls_cert, *ws_tls_key, *ws_tls_min_version;
	struct gw_conf_list ws_allowed_origins, ws_proxy_protocol_from;
	bool ws_require_origin;
	int64_t ws_max_connections, ws_max_per_source, ws_max_per_origin;
	int64_t ws_handshake_timeout, ws_unauth_timeout, ws_ping_interval, ws_ping_max_missed;
	int64_t ws_max_message, ws_send_queue_max, ws_rate, ws_burst;
	int64_t ws_flow_timer, ws_drain_time, ws_drain_rate;

	struct gw_conf_list home_domains, home_entry_points;
	char *home_visited_network_id;
	bool charging_send_cfa;
	char *charging_orig_ioi, *charging_ioi_prefix;
	char *reg_tls_protected_value;
	int reg_contact_policy;
	bool assoc_multi_impi;
	int64_t assoc_max_per_impi, assoc_replace_delay;
	int64_t home_options_interval, home_options_timeout;
	int64_t auth_max_failures, auth_block_time, reg_max_initial_rate;
	bool regevent_enable;
	int64_t regevent_expires, regevent_max_failures, regevent_backoff;
	int64_t auth_fail_close_delay, dereg_close_delay, reg_expiry_grace, flow_grace;
	char *flow_token_key;
	struct gw_conf_list auth_schemes, digest_excluded_ranges;
	int auth_default_scheme, token_lifetime_policy, token_on_requests, identity_from_check;
	int pani_from_wic;
	char *pani_network_provided;
	bool identity_pai_to_wic, identity_strip_identity_header;
	bool trust_resource_priority, trust_early_media;
	bool aka_allow_v1, token_allow_expired_dereg, token_single_connection, pool_exclusive;
	char *tna_entity_carriage, *pool_release_url, *pool_release_token;
	int64_t flow_lost_dereg, flow_lost_dereg_pool;

	struct gw_conf_list agw_list;
	int64_t agw_resolve_interval, agw_repair_rate, agw_repair_timeout, agw_move_before;
	int agw_failure_action;
	char *agw_tls_ca, *agw_tls_cert, *agw_tls_key, *agw_tls_name;
	char *iq_controller_id, *iq_token;
	int64_t iq_request_timeout, iq_heartbeat, iq_audit_interval, t_agwdead;

	char *access_realm, *core_realm;
	int access_rtcp_mux, core_rtcp_mux, core_audio_profile, core_video_profile;
	int core_family, core_source_filter, core_latch;
	int dtls_answer_role, dtls_fail_action;
	int media_early, media_early_uplink, sip_route_mismatch;
	int64_t sip_session_expires, sip_min_se, sip_short_min_se;
	int interwork_100rel, interwork_precondition;
	struct gw_conf_list codec_allow, codec_deny, media_types, extmap_allow;
	bool codec_early_488, sdp_3ge2ae_in_answer, dtls_tls_id_in_offers;
	bool sip_local_answer; /* sip.local_answer_ice_restart */
	int sdp_unknown_attributes;
	int64_t media_max_streams, media_max_kbps_audio, media_max_kbps_video;
	bool media_inactivity_oneway_release;
	int64_t media_inactivity, media_dscp_audio, media_dscp_video;
	int64_t media_dscp_core_audio, media_dscp_core_video;
	int rtp_ssrc_mode, media_policing, rtcp_avp_pli;
	bool media_policing_access_video;
	int64_t t_consent, flow_hold, overload_retry_after, overload_retry_after_max;
	char *emergency_country, *emergency_reason_text;
	struct gw_conf_list emergency_lists, emergency_country_map, emergency_ecscf;
	bool emergency_assume_own_country, emergency_send_contact_urn;
	int emergency_same_country_policy, emergency_action, emergency_unregistered;
	int64_t reject_no_media_wic, reject_no_media_core;
	int64_t limits_cps;
	int64_t limits_calls, limits_call_duration, limits_registrations, limits_fds;
	int64_t shutdown_grace;
	char *ops_listen, *ops_ctl_socket;
	bool ops_dump_memory, ops_lock_memory;
	struct cscf_story_config explain;
	int log_level;
	bool log_mask_identities;
};

extern const struct gw_conf_key cscf_config_keys[];
extern const size_t cscf_config_n_keys;

/* What the parts take; strings borrowed from the configuration. */
struct cscf_config_parts {
	struct cscf_ws_config ws;
	struct cscf_registrar_config registrar;
	struct cscf_regevent_config regevent;
	struct cscf_iq_config iq;
	struct cscf_session_config session;
	struct cscf_sdp_policy sdp;
	struct cscf_emergency_config emergency;
	struct cscf_story_config story;
};

/**
 * Fill in what is left to the machine (mw.name, iq.controller_id; names in mw.peers are looked
 * up, which may block: start-up only), check what no single key can, and derive the parts.
 * @param why  on failure one line naming the key
 * @return GW_OK; GW_ERR_INVAL; GW_ERR_NOT_FOUND a name does not resolve; GW_ERR_NOMEM
 */
enum gw_err cscf_config_finish(struct cscf_config *cfg, struct cscf_config_parts *parts,
			       bool resolve, char *why, size_t n) GW_MUST_CHECK;

/** emergency.* alone, for a reload: borrowed from cfg. */
void cscf_config_emergency(struct cscf_emergency_config *e, const struct cscf_config *cfg);

#endif
