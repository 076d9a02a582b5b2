/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the table of keys to what each part takes, and what is left to the machine we run on.
 * Looking names up blocks: start-up only.
 */
#include "cscf/config.h"

#include "common/sockaddr.h"
#include "cscf/registrar/trust.h"
#include "cscf/sip/mask.h"
#include "proto/iq_types.h"

#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PEER_ADDRS 32

/* Our own address when the listener is bound to any: the first interface that is up. */
static bool own_address(char *buf, size_t n)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
		struct gw_addr a;

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0 ||
		    gw_addr_from_sa(&a, i->ifa_addr, sizeof(struct sockaddr_in)) != GW_OK)
			continue;
		gw_addr_ip_str(&a, buf, n);
		found = true;
	}
	freeifaddrs(list);
	return found;
}

static enum gw_err set_str(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return GW_ERR_NOMEM;
	free(*field);
	*field = copy;
	return GW_OK;
}

static enum gw_err finish_mw_name(struct cscf_config *cfg, char *why, size_t n)
{
	struct gw_addr a;
	char ip[GW_ADDR_STRLEN];

	if (cfg->sip.mw_name[0] != '\0')
		return GW_OK;
	if (cfg->sip.mw_listen.n == 0 ||
	    gw_addr_parse(&a, cfg->sip.mw_listen.item[0], 5060) != GW_OK) {
		snprintf(why, n, "mw.listen: no address");
		return GW_ERR_INVAL;
	}
	if (!gw_addr_is_any(&a))
		gw_addr_ip_str(&a, ip, sizeof(ip));
	else if (!own_address(ip, sizeof(ip)))
		snprintf(ip, sizeof(ip), "127.0.0.1");
	return set_str(&cfg->sip.mw_name, ip);
}

#define ID_HOST_MAX 57 /* of the 64 octets that an AGW takes; "-" and a port follow */

/* Names of hosts differ at the front (FQDN) or at the end (Pods): of a long one both stay. */
static void shorten(char *host)
{
	size_t n = strlen(host), half = ID_HOST_MAX / 2;

	if (n <= ID_HOST_MAX)
		return;
	host[half] = '-';
	memmove(host + half + 1, host + n - half, half + 1);
}

static enum gw_err finish_controller_id(struct cscf_config *cfg)
{
	char host[256] = "cscf", id[sizeof(host) + 8];
	struct gw_addr a;
	unsigned port = 0;

	if (cfg->iq_controller_id[0] != '\0')
		return GW_OK;
	if (gethostname(host, sizeof(host)) != 0)
		snprintf(host, sizeof(host), "cscf");
	host[sizeof(host) - 1] = '\0';
	shorten(host);
	for (char *p = host; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.')
			*p = '-';
	if (cfg->sip.mw_listen.n > 0 &&
	    gw_addr_parse(&a, cfg->sip.mw_listen.item[0], 5060) == GW_OK)
		port = gw_addr_port(&a);
	snprintf(id, sizeof(id), "%s-%u", host, port);
	return set_str(&cfg->iq_controller_id, id);
}

/* Is it "10.0.0.0/8", "::1", …? Then it stays as it is. */
static bool is_range(const char *text)
{
	char ip[GW_ADDR_STRLEN];
	struct gw_addr a;

	snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(text, "/"), text);
	return gw_addr_parse_ip(&a, ip, 0) == GW_OK;
}

static enum gw_err list_add(struct gw_conf_list *list, const char *text)
{
	char **item = realloc(list->item, (list->n + 1) * sizeof(*item));

	if (item == NULL)
		return GW_ERR_NOMEM;
	list->item = item;
	item[list->n] = strdup(text);
	if (item[list->n] == NULL)
		return GW_ERR_NOMEM;
	list->n++;
	return GW_OK;
}

/* Names among mw.peers have to be known; where they are now goes with them as "ADDRESS@NAME". */
static enum gw_err finish_peers(struct cscf_config *cfg, char *why, size_t n)
{
	struct gw_conf_list *peers = &cfg->sip.mw_peers;
	size_t given = peers->n;
	enum gw_err err = GW_OK;

	for (size_t i = 0; i < given && err == GW_OK; i++) {
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *res = NULL, *r;
		size_t got = 0;

		if (is_range(peers->item[i]))
			continue;
		if (getaddrinfo(peers->item[i], NULL, &hints, &res) != 0) {
			snprintf(why, n, "mw.peers: \"%s\" is no address and does not resolve",
				 peers->item[i]);
			return GW_ERR_NOT_FOUND;
		}
		for (r = res; r != NULL && got < MAX_PEER_ADDRS && err == GW_OK; r = r->ai_next) {
			char ip[GW_ADDR_STRLEN], found[GW_ADDR_STRLEN + 256];
			struct gw_addr a;

			if (gw_addr_from_sa(&a, r->ai_addr, r->ai_addrlen) != GW_OK)
				continue;
			snprintf(found, sizeof(found), "%s@%s", gw_addr_ip_str(&a, ip, sizeof(ip)),
				 peers->item[i]);
			err = list_add(peers, found);
			got++;
		}
		freeaddrinfo(res);
	}
	return err;
}

static void fill_ws(struct cscf_ws_config *ws, const struct cscf_config *cfg)
{
	*ws = (struct cscf_ws_config){
	    .listen = cfg->ws_listen,
	    .insecure_listen = cfg->ws_insecure_listen,
	    .path = cfg->ws_path,
	    .tls_cert = cfg->ws_tls_cert,
	    .tls_key = cfg->ws_tls_key,
	    .tls_min_version = cfg->ws_tls_min_version,
	    .allowed_origins = &cfg->ws_allowed_origins,
	    .proxy_protocol_from = &cfg->ws_proxy_protocol_from,
	    .require_origin = cfg->ws_require_origin,
	    .max_connections = cfg->ws_max_connections,
	    .max_per_source = cfg->ws_max_per_source,
	    .max_per_origin = cfg->ws_max_per_origin,
	    .handshake_timeout = cfg->ws_handshake_timeout,
	    .unauth_timeout = cfg->ws_unauth_timeout,
	    .ping_interval = cfg->ws_ping_interval,
	    .ping_max_missed = cfg->ws_ping_max_missed,
	    .max_message = cfg->ws_max_message,
	    .send_queue_max = cfg->ws_send_queue_max,
	    .rate = cfg->ws_rate,
	    .burst = cfg->ws_burst,
	};
}

static void fill_registrar(struct cscf_registrar_config *r, const struct cscf_config *cfg)
{
	*r = (struct cscf_registrar_config){
	    .mw_name = cfg->sip.mw_name,
	    .home_domains = &cfg->home_domains,
	    .entry_points = &cfg->home_entry_points,
	    .visited_network_id = cfg->home_visited_network_id,
	    .orig_ioi = cfg->charging_orig_ioi,
	    .ioi_prefix = cfg->charging_ioi_prefix,
	    .tls_protected_value = cfg->reg_tls_protected_value,
	    .contact_ws_only = cfg->reg_contact_policy == 0,
	    .multi_impi = cfg->assoc_multi_impi,
	    .max_failures = cfg->auth_max_failures,
	    .block_time = cfg->auth_block_time,
	    .max_initial_rate = cfg->reg_max_initial_rate,
	    .retry_after_s = cfg->sip.overload_retry_s,
	    .retry_after_max_s = cfg->sip.overload_retry_max_s,
	    .max_per_impi = cfg->assoc_max_per_impi,
	    .max_associations = cfg->limits_registrations,
	    .fail_close_delay = cfg->auth_fail_close_delay,
	    .dereg_close_delay = cfg->dereg_close_delay,
	    .replace_delay = cfg->assoc_replace_delay,
	    .expiry_grace = cfg->reg_expiry_grace,
	    .flow_grace = cfg->flow_grace,
	    .flow_timer_s = cfg->ws_flow_timer / 1000,
	    .auth_schemes = &cfg->auth_schemes,
	    .default_bearer = cfg->auth_default_scheme == 1,
	    .aka_allow_v1 = cfg->aka_allow_v1,
	    .digest_excluded_ranges = &cfg->digest_excluded_ranges,
	    .tna_entity_carriage = cfg->tna_entity_carriage,
	    .lifetime_policy = cfg->token_lifetime_policy,
	    .allow_expired_dereg = cfg->token_allow_expired_dereg,
	    .token_single_connection = cfg->token_single_connection,
	    .pool_exclusive = cfg->pool_exclusive,
	    .pool_release_url = cfg->pool_release_url,
	    .pool_release_token = cfg->pool_release_token,
	    .pool_release_ca = cfg->token.tls_ca,
	    .token_clock_skew = cfg->token.clock_skew,
	    .lost_dereg = cfg->flow_lost_dereg,
	    .lost_dereg_pool = cfg->flow_lost_dereg_pool,
	};
}

static enum gw_err set_trust(const struct cscf_config *cfg, char *why, size_t n)
{
	return cscf_trust_set(
	    &(struct cscf_trust_options){
		.pani_from_wic = cfg->pani_from_wic == 1,
		.identity_from_wic = !cfg->identity_strip_identity_header,
		.resource_priority = cfg->trust_resource_priority,
		.early_media = cfg->trust_early_media,
		.pai_to_wic = cfg->identity_pai_to_wic,
		.network_provided = cfg->pani_network_provided,
	    },
	    why, n);
}

static void fill_regevent(struct cscf_regevent_config *r, const struct cscf_config *cfg)
{
	*r = (struct cscf_regevent_config){
	    .enable = cfg->regevent_enable,
	    .expires_s = cfg->regevent_expires / 1000,
	    .max_failures = cfg->regevent_max_failures,
	    .backoff_ms = cfg->regevent_backoff,
	    /* as many again that wait for the last NOTIFY of a user who has gone */
	    .max_subscriptions = 2 * cfg->limits_registrations,
	};
}

static void fill_iq(struct cscf_iq_config *iq, const struct cscf_config *cfg)
{
	*iq = (struct cscf_iq_config){
	    .agw_list = &cfg->agw_list,
	    .dns_servers = &cfg->sip.dns_servers,
	    .resolve_interval = cfg->agw_resolve_interval,
	    .request_timeout = cfg->iq_request_timeout,
	    .heartbeat = cfg->iq_heartbeat,
	    .agw_dead = cfg->t_agwdead,
	    .move_before = cfg->agw_failure_action == 0 ? cfg->agw_move_before : 0,
	    .access_realm = cfg->access_realm,
	    .core_realm = cfg->core_realm,
	    .audit_interval = cfg->iq_audit_interval,
	    .max_contexts = cfg->limits_calls + 64,
	    .controller_id = cfg->iq_controller_id,
	    .token = cfg->iq_token,
	    .tls_ca = cfg->agw_tls_ca,
	    .tls_cert = cfg->agw_tls_cert,
	    .tls_key = cfg->agw_tls_key,
	    .tls_name = cfg->agw_tls_name,
	};
}

static int64_t least_interval(const struct cscf_config *cfg)
{
	return cfg->sip_short_min_se > 0 ? cfg->sip_short_min_se : cfg->sip_min_se;
}

static void fill_session(struct cscf_session_config *s, const struct cscf_config *cfg)
{
	static const int filter_values[] = {IQ_V(SOURCE_FILTER__FILTER_ADDR),
					    IQ_V(SOURCE_FILTER__FILTER_ANY),
					    IQ_V(SOURCE_FILTER__FILTER_ADDR_PORT)};
	static const int family_values[] = {0, 4, 6};

	*s = (struct cscf_session_config){
	    .limits_calls = cfg->limits_calls,
	    .limits_cps = cfg->limits_cps,
	    .max_duration = cfg->limits_call_duration,
	    .t_consent = cfg->t_consent,
	    .flow_hold = cfg->flow_hold,
	    .ack_timeout = 64 * cfg->sip.t1_ms,
	    .reanchor = cfg->agw_failure_action == 0,
	    .repair_rate = cfg->agw_repair_rate,
	    .repair_timeout = cfg->agw_repair_timeout,
	    .inactivity = cfg->media_inactivity,
	    .retry_after_s = cfg->sip.overload_retry_s,
	    .retry_after_max_s = cfg->sip.overload_retry_max_s,
	    .no_media_wic = cfg->reject_no_media_wic,
	    .no_media_core = cfg->reject_no_media_core,
	    .dscp_audio = cfg->media_dscp_audio,
	    .dscp_video = cfg->media_dscp_video,
	    .dscp_core_audio = cfg->media_dscp_core_audio,
	    .dscp_core_video = cfg->media_dscp_core_video,
	    .ssrc_rewrite = cfg->rtp_ssrc_mode == 1,
	    .avp_pli_info = cfg->rtcp_avp_pli == 1,
	    .police = cfg->media_policing == 1,
	    .police_access_video = cfg->media_policing_access_video,
	    .inactivity_oneway_release = cfg->media_inactivity_oneway_release,
	    .route_reject = cfg->sip_route_mismatch == 1,
	    .session_expires_s = cfg->sip_session_expires / 1000,
	    .min_se_s = least_interval(cfg) / 1000,
	    .local_100rel = cfg->interwork_100rel == 1,
	    .local_precondition = cfg->interwork_precondition == 1,
	    .early_uplink = cfg->media_early_uplink == 1,
	    .local_answer = cfg->sip_local_answer,
	    .dtls_fail_keep = cfg->dtls_fail_action == 1,
	    .latch_once = cfg->core_latch == 1,
	    .source_filter = filter_values[cfg->core_source_filter],
	    .core_family = family_values[cfg->core_family],
	    .early = (enum cscf_session_early)cfg->media_early,
	    .orig_ioi = cfg->charging_orig_ioi[0] != '\0' ? cfg->charging_orig_ioi
							  : cfg->home_domains.item[0],
	    .ioi_prefix = cfg->charging_ioi_prefix,
	    .mw_name = cfg->sip.mw_name,
	    .token_on_requests = cfg->token_on_requests,
	    .from_check = cfg->identity_from_check,
	    .send_cfa = cfg->charging_send_cfa,
	    .access_realm = cfg->access_realm,
	    .core_realm = cfg->core_realm,
	};
}

static void fill_sdp(struct cscf_sdp_policy *p, const struct cscf_config *cfg)
{
	cscf_sdp_policy_default(p);
	p->access_rtcp_mux = (enum cscf_sdp_mux_knob)cfg->access_rtcp_mux;
	p->core_rtcp_mux_accept = cfg->core_rtcp_mux == 1;
	p->core_audio_avpf = cfg->core_audio_profile == 1;
	p->core_video_avpf = cfg->core_video_profile == 1;
	p->answer_passive = cfg->dtls_answer_role == 1;
	p->codec_allow = &cfg->codec_allow;
	p->codec_deny = &cfg->codec_deny;
	p->early_488 = cfg->codec_early_488;
	p->media_types = &cfg->media_types;
	p->max_streams = cfg->media_max_streams;
	p->max_audio_kbps = cfg->media_max_kbps_audio;
	p->max_video_kbps = cfg->media_max_kbps_video;
	p->extmap_allow = &cfg->extmap_allow;
	p->tls_id_in_offers = cfg->dtls_tls_id_in_offers;
	p->pass_unknown = cfg->sdp_unknown_attributes == 1;
	p->e2ae_in_answer = cfg->sdp_3ge2ae_in_answer;
}

void cscf_config_emergency(struct cscf_emergency_config *e, const struct cscf_config *cfg)
{
	*e = (struct cscf_emergency_config){
	    .country = cfg->emergency_country,
	    .lists = &cfg->emergency_lists,
	    .country_map = &cfg->emergency_country_map,
	    .home_domains = &cfg->home_domains,
	    .ecscf = &cfg->emergency_ecscf,
	    .assume_own_country = cfg->emergency_assume_own_country,
	    .proceed = cfg->emergency_same_country_policy == 1,
	    .action_register = cfg->emergency_action == 1,
	    .send_contact_urn = cfg->emergency_send_contact_urn,
	    .unregistered_403 = cfg->emergency_unregistered == 1,
	    .reason_text = cfg->emergency_reason_text,
	};
}

/* Compiled once to see whether it can be; the module compiles its own. */
static enum gw_err check_emergency(const struct cscf_emergency_config *e, char *why, size_t n)
{
	struct cscf_emergency_plan *plan = NULL;
	enum gw_err err = cscf_emergency_plan_new(&plan, e, why, n);

	if (err == GW_OK)
		cscf_emergency_plan_free(plan);
	return err;
}

/* TOK-34: a page that came over plain HTTP is anybody's, and so is the token that it was given.
 * Loopback is what browsers themselves call secure. */
static bool is_plain_http(const char *origin)
{
	const char *host = origin + 7;
	size_t n;

	if (strncasecmp(origin, "http://", 7) != 0)
		return false;
	n = strcspn(host, ":/");
	return strncmp(host, "127.", 4) != 0 && strncmp(host, "[::1]", 5) != 0 &&
	       (n != 9 || strncasecmp(host, "localhost", 9) != 0);
}

static enum gw_err check_origins(const struct gw_conf_list *origins, char *why, size_t n)
{
	for (size_t i = 0; i < origins->n; i++) {
		if (!is_plain_http(origins->item[i]))
			continue;
		snprintf(why, n, "ws.allowed_origins: \"%.200s\": https only, but for loopback",
			 origins->item[i]);
		return GW_ERR_INVAL;
	}
	return GW_OK;
}

/* What we put into a call may not be below what we refuse of others. */
static enum gw_err check_session_timer(const struct cscf_config *cfg, char *why, size_t n)
{
	if (cfg->sip_session_expires == 0 || cfg->sip_session_expires >= least_interval(cfg))
		return GW_OK;
	snprintf(why, n, "sip.session_expires: below sip.min_se (%llds)",
		 (long long)least_interval(cfg) / 1000);
	return GW_ERR_INVAL;
}

enum gw_err cscf_config_finish(struct cscf_config *cfg, struct cscf_config_parts *parts,
			       bool resolve, char *why, size_t n)
{
	enum gw_err err;

	cfg->sip.w2_keep_s = cfg->ws_flow_timer / 1000;
	cfg->sip.overload_retry_s = cfg->overload_retry_after / 1000;
	cfg->sip.overload_retry_max_s = cfg->overload_retry_after_max / 1000;
	cscf_sip_mask_set(cfg->log_mask_identities);
	if (cfg->ws_listen[0] != '\0' &&
	    (cfg->ws_tls_cert[0] == '\0' || cfg->ws_tls_key[0] == '\0')) {
		snprintf(why, n, "ws.tls.cert, ws.tls.key: needed with ws.listen");
		return GW_ERR_INVAL;
	}
	if (cfg->agw_tls_ca[0] != '\0' &&
	    (cfg->agw_tls_cert[0] == '\0' || cfg->agw_tls_key[0] == '\0')) {
		snprintf(why, n, "agw.tls.cert, agw.tls.key: needed with agw.tls.ca");
		return GW_ERR_INVAL;
	}
	err = check_origins(&cfg->ws_allowed_origins, why, n);
	if (err == GW_OK)
		err = check_session_timer(cfg, why, n);
	if (err == GW_OK)
		err = finish_mw_name(cfg, why, n);
	if (err == GW_OK)
		err = finish_controller_id(cfg);
	if (err == GW_OK && resolve)
		err = finish_peers(cfg, why, n);
	if (err != GW_OK)
		return err;
	fill_ws(&parts->ws, cfg);
	fill_registrar(&parts->registrar, cfg);
	fill_regevent(&parts->regevent, cfg);
	fill_iq(&parts->iq, cfg);
	fill_session(&parts->session, cfg);
	fill_sdp(&parts->sdp, cfg);
	cfg->token.realm = cfg->home_domains.item[0];
	err = cscf_registrar_check_config(&parts->registrar, why, n);
	if (err == GW_OK)
		err = set_trust(cfg, why, n);
	if (err == GW_OK)
		err = cscf_authz_check_config(&cfg->token, why, n);
	if (err != GW_OK)
		return err;
	parts->story = cfg->explain;
	cscf_config_emergency(&parts->emergency, cfg);
	return check_emergency(&parts->emergency, why, n);
}
