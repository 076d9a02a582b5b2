/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys. Defaults are those of the requirement lists (registration 15, calls 7) and
 * the ports of the architecture page, section 6.
 */
#include "cscf/config.h"

#include "common/conf_keys.h"

#define F(field) offsetof(struct cscf_config, field)

static const char *const log_levels[] = {"error", "warn", "info", "debug", "trace", NULL};
static const char *const contact_policies[] = {"ws-only", "any", NULL};
static const char *const mux_words[] = {"require", "offer", "off", NULL};
static const char *const core_mux_words[] = {"off", "accept", NULL};
static const char *const profiles[] = {"AVP", "AVPF", NULL};
static const char *const families[] = {"auto", "ipv4", "ipv6", NULL};
static const char *const filters[] = {"addr", "any", "addr-port", NULL};
static const char *const latches[] = {"off", "once", NULL};
static const char *const roles[] = {"active", "passive", NULL};
static const char *const fail_actions[] = {"release", "keep", NULL};
static const char *const early_words[] = {"pem", "always", "never", NULL};
static const char *const uplink_words[] = {"closed", "open", NULL};
static const char *const unknown_words[] = {"drop", "pass", NULL};
static const char *const secagree_words[] = {"reject", "ignore", "tls", NULL};
static const char *const failure_actions[] = {"reanchor", "release", NULL};
static const char *const interwork_100rel[] = {"pass", "local", NULL};
static const char *const interwork_precondition[] = {"reject", "local", NULL};
static const char *const policing_words[] = {"off", "as", NULL};
static const char *const ssrc_words[] = {"passthrough", "rewrite", NULL};
static const char *const avp_pli_words[] = {"drop", "info", NULL};
static const char *const mismatch_words[] = {"replace", "reject", NULL};

static const char *const country_policies[] = {"reject", "proceed", NULL};
static const char *const emergency_actions[] = {"none", "emergency-registration", NULL};
static const char *const unregistered_words[] = {"380", "403", NULL};

static const char *const default_schemes[] = {"digest", "bearer", NULL};
static const char *const lifetime_words[] = {"cap", "independent", "terminate", NULL};
static const char *const on_request_words[] = {"ignore", "verify-if-present", "require", NULL};
static const char *const from_check_words[] = {"off", "log", "reject", NULL};
static const char *const pani_words[] = {"drop", "keep", NULL};

static const char *const entity_words[] = {"waf", "wwsf", "both", NULL};

/* clang-format off */
const struct gw_conf_key cscf_config_keys[] = {
	K_STR("ws.listen", ws_listen, "0.0.0.0:8443", "wss towards WICs; empty = none"),
	K_STR("ws.insecure_listen", ws_insecure_listen, "", "plain ws for tests, loopback only"),
	K_STR("ws.path", ws_path, "/sip", "HTTP path of the WebSocket"),
	K_STR("ws.tls.cert", ws_tls_cert, "", "PEM certificate chain; read again on SIGHUP"),
	K_STR("ws.tls.key", ws_tls_key, "", "PEM private key; read again on SIGHUP"),
	K_STR("ws.tls.min_version", ws_tls_min_version, "1.2", "1.2 or 1.3"),
	K_LIST("ws.allowed_origins", ws_allowed_origins, "", "exact origins of trusted web pages; empty = refuse all"),
	K_BOOL("ws.require_origin", ws_require_origin, "true", "refuse handshakes without Origin"),
	K_LIST("ws.proxy_protocol_from", ws_proxy_protocol_from, "", "balancers whose PROXY header is believed"),
	K_INT("ws.max_connections", ws_max_connections, "20000", 1, 1000000, "WebSockets at once, handshakes included"),
	K_INT("ws.max_per_source", ws_max_per_source, "50", 0, 1000000, "per address; 0 = off"),
	K_INT("ws.max_per_origin", ws_max_per_origin, "0", 0, 1000000, "per Origin; 0 = off"),
	K_TIME("ws.handshake_timeout", ws_handshake_timeout, "10s", 100, HOUR, "from accept to 101"),
	K_TIME("ws.unauth_timeout", ws_unauth_timeout, "60s", 0, HOUR, "from 101 to a successful REGISTER; 0 = off"),
	K_TIME("ws.ping_interval", ws_ping_interval, "30s", 0, HOUR, "idle time before a Ping; 0 = off"),
	K_INT("ws.ping_max_missed", ws_ping_max_missed, "2", 1, 100, "missing Pongs until the connection is lost"),
	K_SIZE("ws.max_message", ws_max_message, "65536", 1024, 16 * MIB, "largest WebSocket message"),
	K_SIZE("ws.send_queue_max", ws_send_queue_max, "1MiB", 16384, 1024 * MIB, "octets queued per connection"),
	K_INT("ws.rate", ws_rate, "20", 0, 100000, "messages per second and connection; 0 = off"),
	K_INT("ws.burst", ws_burst, "100", 1, 1000000, "messages at once"),
	K_TIME("ws.flow_timer", ws_flow_timer, "120s", 0, HOUR, "Flow-Timer in the REGISTER 200; 0 = none"),
	K_TIME("ws.drain_time", ws_drain_time, "30s", 0, HOUR, "WebSockets have this long to close at the end"),
	K_INT("ws.drain_rate", ws_drain_rate, "200", 0, 1000000, "WICs without a call told to reconnect per second of a drain; 0 = all at its end"),

	K_LIST("mw.listen", sip.mw_listen, "0.0.0.0:5060", "addresses towards the IMS core"),
	K_LIST("mw.transport", sip.mw_transport, "tcp,udp", "transports listened on"),
	K_LIST("mw.peers", sip.mw_peers, "", "addresses, ranges or host names allowed to send; empty = nobody"),
	K_STR("mw.name", sip.mw_name, "", "our host in Via, Path, Record-Route; empty = our address"),
	K_INT("mw.port", sip.mw_port, "0", 0, 65535, "port advertised there; 0 = that of mw.listen"),
	K_LIST("mw.hosts", sip.mw_hosts, "", "name=address[:port][;transport=tcp], looked at before DNS"),
	K_STR("ws.name", sip.w2_name, "", "our host in Via and Record-Route towards WICs; empty = mw.name"),
	K_INT("mw.max_tcp_connections", sip.max_tcp_conns, "1000", 1, 100000, "TCP connections with the core"),
	K_TIME("mw.tcp_idle", sip.tcp_idle_ms, "300s", SECOND, DAY, "idle connections that we opened are closed"),
	K_TIME("mw.tcp_connect_timeout", sip.tcp_connect_ms, "4s", 100, MINUTE, "then the next target"),
	K_SIZE("mw.tcp_queue_max", sip.tcp_queue_max, "1MiB", 65536, 1024 * MIB, "octets queued per connection"),
	K_SIZE("mw.udp_max", sip.udp_max, "1300", 500, 65000, "larger requests go by TCP"),
	K_LIST("dns.servers", sip.dns_servers, "", "address[:port]; empty = the system's"),
	K_TIME("dns.timeout", sip.dns_timeout_ms, "2s", 100, MINUTE, "per query"),
	K_SIZE("sip.max_message", sip.max_message, "32768", 2048, MIB, "larger: 513"),
	K_INT("sip.max_headers", sip.max_headers, "200", 20, 10000, "more: 400"),
	K_SIZE("sip.max_line", sip.max_line, "8192", 256, 65536, "longer: 400"),
	K_INT("sip.max_malformed", sip.max_malformed, "10", 1, 100000, "in a row, then the WebSocket is closed"),
	K_TIME("sip.timer_c", sip.timer_c_ms, "180s", SECOND, 10 * MINUTE, "ringing at most"),
	K_TIME("sip.session_expires", sip_session_expires, "1800s", 0, 7 * DAY, "session interval put where neither side asked for one; 0 = none"),
	K_TIME("sip.min_se", sip_min_se, "90s", 90 * SECOND, HOUR, "smaller session intervals are refused with 422"),
	K_TIME("sip.short_min_se", sip_short_min_se, "0", 0, MINUTE, "for tests alone: in place of sip.min_se, below the 90s of RFC 4028; 0 = no"),
	K_ENUM("interwork.100rel", interwork_100rel, "pass", interwork_100rel, "reliable 1xx: the parties' (pass), or acknowledged for WICs without 100rel (local)"),
	K_ENUM("interwork.precondition", interwork_precondition, "reject", interwork_precondition, "preconditions demanded by the core: 420 (reject), or met by us (local)"),
	K_TIME("sip.t1", sip.t1_ms, "500ms", 10, 10 * SECOND, "RFC 3261 T1"),
	K_TIME("sip.t2", sip.t2_ms, "4s", 10, MINUTE, "RFC 3261 T2"),
	K_TIME("sip.t4", sip.t4_ms, "5s", 10, MINUTE, "RFC 3261 T4"),
	K_BOOL("sip.local_answer_ice_restart", sip_local_answer, "true", "ICE restarts that tell the core nothing new are answered here"),
	K_INT("sip.max_server_transactions", sip.max_server_txns, "20000", 10, 10000000, "more: 503"),
	K_INT("sip.max_client_transactions", sip.max_client_txns, "20000", 10, 10000000, "more: 503"),
	K_ENUM("identity.route_mismatch", sip_route_mismatch, "replace", mismatch_words, "a WIC's Route differs: replace, or reject (400)"),

	K_ENUM("secagree.mode", sip.secagree, "reject", secagree_words, "a WIC that requires sec-agree: 420, go on without, or go on and say tls"),

	K_NEED("home.domains", home_domains, "home domains served"),
	K_LIST("home.entry_points", home_entry_points, "", "SIP URIs or host:port for REGISTER, in order; empty = DNS"),
	K_TIME("home.options_interval", home_options_interval, "30s", 0, HOUR, "an entry point that is quiet so long is asked by OPTIONS; 0 = off"),
	K_TIME("home.options_timeout", home_options_timeout, "5s", 100, 20 * SECOND, "and is down without an answer in this time"),
	K_STR("home.visited_network_id", home_visited_network_id, "", "P-Visited-Network-ID; empty = first home domain"),
	K_STR("charging.orig_ioi", charging_orig_ioi, "", "orig-ioi; empty = first home domain"),
	K_STR("charging.ioi_prefix", charging_ioi_prefix, "Type 1", "put before it"),
	K_BOOL("charging.send_cfa", charging_send_cfa, "false", "P-Charging-Function-Addresses of the registration in requests: only to an S-CSCF of our network"),
	K_STR("reg.tls_protected_value", reg_tls_protected_value, "tls-yes", "integrity-protected of a known association"),
	K_ENUM("reg.contact_policy", reg_contact_policy, "ws-only", contact_policies, "contacts a WIC may register"),
	K_TIME("reg.expiry_grace", reg_expiry_grace, "32s", 0, HOUR, "after the granted expiry"),
	K_INT("reg.max_initial_rate", reg_max_initial_rate, "200", 0, 1000000, "new registrations per second passed to the core; 0 = off"),
	K_INT("auth.max_failures", auth_max_failures, "5", 0, 10000, "wrong passwords in 60 s of one user from one address; 0 = off"),
	K_TIME("auth.block_time", auth_block_time, "60s", SECOND, DAY, "then 403 without asking the core"),
	K_LIST("auth.schemes", auth_schemes, "digest,aka,bearer", "credentials allowed; \"domain=aka+bearer\" says it for one home domain alone"),
	K_ENUM("auth.default_scheme", auth_default_scheme, "digest", default_schemes, "a REGISTER without credentials: digest relays it, bearer answers 401"),
	K_BOOL("aka.allow_v1", aka_allow_v1, "false", "AKAv1 besides AKAv2"),
	K_LIST("digest.excluded_ranges", digest_excluded_ranges, "", "address ranges (3GPP access) that may not register by Digest"),
	K_STR("tna.entity_carriage", tna_entity_carriage, "authz-param", "third-party WAF named in: authz-param, none, or header:<name>"),
	K_ENUM("token.lifetime_policy", token_lifetime_policy, "cap", lifetime_words, "a registration and its token's expiry: cap, independent, terminate"),
	K_ENUM("token.on_requests", token_on_requests, "verify-if-present", on_request_words, "tokens in requests other than REGISTER: ignore, verify-if-present, require"),
	K_BOOL("token.allow_expired_dereg", token_allow_expired_dereg, "true", "an expired token may still deregister where it registered"),
	K_BOOL("token.single_connection", token_single_connection, "false", "one live connection per token"),
	K_MAPS("token.issuers", token.issuers, &cscf_authz_issuer_map, "WAFs whose tokens are accepted; empty = none"),
	K_LIST("token.algs", token.algs, "ES256,RS256,PS256,EdDSA", "signature algorithms accepted (ES*, RS*, PS* of 256, 384, 512; EdDSA)"),
	K_BOOL("token.require_typ", token.require_typ, "true", "typ at+jwt only, so that no ID token passes"),
	K_STR("token.required_scope", token.required_scope, "ims.register", "words that must be in scope; empty = none"),
	K_STR("token.claim_impi", token.claim_impi, "ims_impi", "claim with the IMPI"),
	K_STR("token.claim_impus", token.claim_impus, "ims_impus", "claim with the IMPUs: array or text"),
	K_STR("token.claim_wwsf", token.claim_wwsf, "client_id", "claim with the WWSF; azp is looked at as well"),
	K_STR("token.claim_pool", token.claim_pool, "ims_pool", "claim that is true when the identity is lent out of a pool"),
	K_TIME("token.clock_skew", token.clock_skew, "30s", 0, HOUR, "tolerance of exp, nbf, iat"),
	K_SIZE("token.max_size", token.max_size, "8192", 256, 65536, "longer tokens: 400"),
	K_TIME("token.cache_ttl", token.cache_ttl, "60s", 0, HOUR, "a verified token is not checked again for so long; 0 = always"),
	K_TIME("token.negative_ttl", token.negative_ttl, "5s", 0, 5 * MINUTE, "what introspection refused is not asked again"),
	K_INT("token.cache_max", token.cache_max, "20000", 1, 10000000, "verified tokens kept"),
	K_INT("token.max_waiting", token.max_waiting, "1000", 1, 100000, "requests that wait for a WAF; more: 503"),
	K_TIME("token.jwks_ttl", token.jwks_ttl, "3600s", SECOND, DAY, "keys are fetched again"),
	K_TIME("token.jwks_max_stale", token.jwks_max_stale, "86400s", SECOND, 30 * DAY, "old keys serve so long when that fails"),
	K_TIME("token.jwks_min_refetch", token.jwks_min_refetch, "30s", 100, HOUR, "between fetches for unknown keys, per issuer"),
	K_TIME("token.http_timeout", token.http_timeout, "3s", 100, MINUTE, "JWKS and introspection"),
	K_STR("token.tls_ca", token.tls_ca, "", "PEM certificates that sign the WAFs'; empty = the system's"),
	K_BOOL("token.accept_access_token_param", token.accept_access_token_param, "true", "Bearer access_token=\"…\" besides Bearer …"),
	K_STR("token.challenge_authz_server", token.challenge_authz_server, "", "authz_server in 401; empty = first issuer"),
	K_LIST("token.barred_entities", token.barred_entities, "", "WAF names, issuers and WWSF ids refused with 403"),
	K_STR("token.jwe_key", token.jwe_key, "", "file with private keys (JWK, JWK set, PEM) for encrypted tokens; empty = refuse those"),
	K_ENUM("tna.entity_value", token.entity_value, "waf", entity_words, "authorization entity of third-party WAFs"),
	K_BOOL("pool.exclusive", pool_exclusive, "true", "an identity of a pool is refused while somebody else's token holds it"),
	K_STR("pool.release_url", pool_release_url, "", "told by POST when an identity of a pool is free again; empty = off"),
	K_SECRET("pool.release_token", pool_release_token, "", "Bearer credential of ours there"),
	K_TIME("flow.lost_dereg", flow_lost_dereg, "0", 0, DAY, "a token WIC whose connection is lost is deregistered; 0 = off"),
	K_TIME("flow.lost_dereg_pool", flow_lost_dereg_pool, "120s", 0, DAY, "the same for identities of a pool"),
	K_ENUM("identity.from_check", identity_from_check, "off", from_check_words, "From that is neither registered nor anonymous: off, log, reject (403)"),
	K_BOOL("identity.pai_to_wic", identity_pai_to_wic, "true", "P-Asserted-Identity of the other side is relayed to WICs unless Privacy: id"),
	K_BOOL("identity.strip_identity_header", identity_strip_identity_header, "true", "Identity (RFC 8224) of a WIC is deleted"),
	K_ENUM("pani.from_wic", pani_from_wic, "drop", pani_words, "P-Access-Network-Info of a WIC: drop, or keep what does not say network-provided"),
	K_STR("pani.network_provided", pani_network_provided, "", "our own P-Access-Network-Info in what WICs send, network-provided is added; empty = none"),
	K_BOOL("trust.resource_priority", trust_resource_priority, "false", "Resource-Priority of a WIC passes"),
	K_BOOL("trust.early_media", trust_early_media, "false", "P-Early-Media of a WIC passes"),
	K_TIME("auth.fail_close_delay", auth_fail_close_delay, "2s", 0, MINUTE, "a refused WIC's connection is closed"),
	K_INT("assoc.max_per_impi", assoc_max_per_impi, "5", 1, 1000, "associations at once"),
	K_BOOL("assoc.multi_impi", assoc_multi_impi, "false", "several IMPIs on one connection"),
	K_TIME("assoc.replace_delay", assoc_replace_delay, "5s", 0, MINUTE, "closing a replaced connection"),
	K_BOOL("regevent.enable", regevent_enable, "true", "subscribe to what the core says of registrations"),
	K_TIME("regevent.expires", regevent_expires, "0", 0, 30 * DAY, "of that subscription; 0, or not above the registration = granted + 600s"),
	K_INT("regevent.max_failures", regevent_max_failures, "5", 1, 1000, "subscriptions refused in a row, then the alarm"),
	K_TIME("regevent.backoff", regevent_backoff, "10s", 100, HOUR, "after the first failure, then doubled up to 30min"),
	K_TIME("dereg.close_delay", dereg_close_delay, "5s", 0, MINUTE, "closing after the last deregistration"),
	K_TIME("flow.grace", flow_grace, "20s", 0, HOUR, "T_wsloss: dialogs outlive a lost WebSocket"),
	K_TIME("flow.hold", flow_hold, "5s", 0, MINUTE, "an in-dialog request waits for a lost WebSocket"),
	K_SECRET("flow.token_key", flow_token_key, "", "key of flow tokens; empty = random"),

	K_LIST("agw.list", agw_list, "127.0.0.1:7070", "eIMS-AGWs: address:port, or a name whose every address is one"),
	K_TIME("agw.resolve_interval", agw_resolve_interval, "5s", 100, HOUR, "names are looked up again"),
	K_ENUM("agw.failure_action", agw_failure_action, "reanchor", failure_actions, "an AGW is lost: its calls move to another (reanchor), or end (release)"),
	K_INT("agw.repair_rate", agw_repair_rate, "200", 1, 100000, "calls moved a second at most"),
	K_TIME("agw.repair_timeout", agw_repair_timeout, "10s", 100, HOUR, "no AGW to move to for that long: the call ends"),
	K_TIME("agw.move_before", agw_move_before, "10s", 0, HOUR, "calls leave an AGW that long before its drain is over; 0 = then"),
	K_STR("agw.tls.ca", agw_tls_ca, "", "PEM certificates that sign the AGWs'; empty = plain TCP"),
	K_STR("agw.tls.cert", agw_tls_cert, "", "our PEM certificate chain"),
	K_STR("agw.tls.key", agw_tls_key, "", "our PEM private key"),
	K_STR("agw.tls.name", agw_tls_name, "", "name the AGWs' certificates must carry; empty = any of that CA"),
	K_STR("iq.controller_id", iq_controller_id, "", "our name towards AGWs; empty = host name and Mw port"),
	K_SECRET("iq.token", iq_token, "", "secret said in Hello where TLS is not used"),
	K_TIME("iq.request_timeout", iq_request_timeout, "2s", 100, MINUTE, "then one resend"),
	K_TIME("iq.heartbeat", iq_heartbeat, "1s", 100, MINUTE, "three missed = link lost"),
	K_TIME("iq.audit_interval", iq_audit_interval, "300s", 0, DAY, "compare contexts; 0 = only after a reconnect"),
	K_TIME("T_agwdead", t_agwdead, "10s", 100, HOUR, "an AGW that is only silent is given up"),

	K_STR("access.realm", access_realm, "access", "the AGWs' realm towards WICs"),
	K_STR("core.realm", core_realm, "core", "the AGWs' realm towards the core"),
	K_ENUM("access.rtcp_mux", access_rtcp_mux, "require", mux_words, "rtcp-mux in our offers to WICs"),
	K_ENUM("core.rtcp_mux", core_rtcp_mux, "off", core_mux_words, "accept rtcp-mux when the core offers it"),
	K_ENUM("core.rtp_profile.audio", core_audio_profile, "AVP", profiles, "in our offers to the core"),
	K_ENUM("core.rtp_profile.video", core_video_profile, "AVPF", profiles, "in our offers to the core"),
	K_ENUM("core.family", core_family, "auto", families, "address family towards the core"),
	K_ENUM("core.source_filter", core_source_filter, "addr", filters, "who may send RTP on the core side"),
	K_ENUM("core.latch", core_latch, "off", latches, "follow the first source of RTP"),
	K_ENUM("dtls.answer_role", dtls_answer_role, "active", roles, "for actpass offers"),
	K_BOOL("dtls.tls_id_in_offers", dtls_tls_id_in_offers, "false", "a=tls-id in our offers to WICs that did not use it; answered always"),
	K_ENUM("dtls.fail_action", dtls_fail_action, "release", fail_actions, "DTLS timed out"),
	K_ENUM("media.early", media_early, "pem", early_words, "early media towards the caller"),
	K_ENUM("media.early_uplink", media_early_uplink, "closed", uplink_words, "early media towards the callee"),
	K_LIST("codec.allow", codec_allow, "", "codecs that may pass, by name; empty = all"),
	K_LIST("codec.deny", codec_deny, "rtx,red,ulpfec,flexfec", "codecs that may not; without red, audio red passes; rtx, ulpfec, flexfec never do"),
	K_BOOL("codec.early_488", codec_early_488, "false", "refuse the core's offer when no browser has any of its codecs"),
	K_LIST("media.types", media_types, "audio,video,text", "kinds of media lines taken"),
	K_LIST("media.extmap_allow", extmap_allow, "", "URIs of RTP header extensions kept end to end; empty = all taken off"),
	K_INT("media.max_streams", media_max_streams, "8", 0, 64, "media lines in use per call; 0 = no limit"),
	K_INT("media.max_kbps.audio", media_max_kbps_audio, "0", 0, 1000000, "a line with a larger b=AS is refused; 0 = no limit"),
	K_INT("media.max_kbps.video", media_max_kbps_video, "0", 0, 1000000, "a line with a larger b=AS is refused; 0 = no limit"),
	K_ENUM("sdp.unknown_attributes", sdp_unknown_attributes, "drop", unknown_words, "attributes that neither leg owns: drop, or pass"),
	K_BOOL("sdp.3ge2ae_in_answer", sdp_3ge2ae_in_answer, "false", "say a=3ge2ae:applied in answers to WICs, too"),
	K_TIME("media.inactivity", media_inactivity, "60s", 0, DAY, "no media from both sides ends the call; 0 = off"),
	K_BOOL("media.inactivity_oneway_release", media_inactivity_oneway_release, "false", "from one side is enough"),
	K_INT("media.dscp.audio", media_dscp_audio, "46", -1, 63, "-1 = leave"),
	K_INT("media.dscp.video", media_dscp_video, "34", -1, 63, "-1 = leave"),
	K_INT("media.dscp.core_audio", media_dscp_core_audio, "-2", -2, 63, "towards the core; -2 = as media.dscp.audio"),
	K_INT("media.dscp.core_video", media_dscp_core_video, "-2", -2, 63, "towards the core; -2 = as media.dscp.video"),
	K_ENUM("media.policing", media_policing, "off", policing_words, "drop what exceeds b=AS of either side by a third"),
	K_BOOL("media.policing_access_video", media_policing_access_video, "false", "video of WICs, too, whose bursts are their rate control's"),
	K_ENUM("rtp.ssrc_mode", rtp_ssrc_mode, "passthrough", ssrc_words, "SSRCs towards WICs: the core's (passthrough), or one per stream (rewrite)"),
	K_ENUM("rtcp.avp_pli", rtcp_avp_pli, "drop", avp_pli_words, "a WIC's wish for a picture, where the core's RTCP has none: not offered, or by SIP INFO both ways (RFC 5168)"),
	K_TIME("T_consent", t_consent, "15s", 0, HOUR, "after lost consent, for an ICE restart"),

	K_NEED_STR("emergency.country", emergency_country, "our own country, two letters"),
	K_NEED("emergency.lists", emergency_lists, "COUNTRY=NUMBER NUMBER/sos.SERVICE urn:service:… per country; read again on SIGHUP"),
	K_LIST("emergency.country_map", emergency_country_map, "", "RANGE=COUNTRY of WICs' addresses; others are unknown: all lists, always 380"),
	K_BOOL("emergency.assume_own_country", emergency_assume_own_country, "false", "every WIC is in our own country"),
	K_ENUM("emergency.same_country_policy", emergency_same_country_policy, "reject", country_policies, "in our own country: 380, or on to an E-CSCF"),
	K_LIST("emergency.ecscf", emergency_ecscf, "", "SIP URIs of E-CSCFs in order, for proceed"),
	K_STR("emergency.reason_text", emergency_reason_text, "Emergency calls are not available in this web client. Use your phone's dialler.", "<reason> of the 380, shown to the user"),
	K_ENUM("emergency.action", emergency_action, "none", emergency_actions, "<action> of the 380"),
	K_BOOL("emergency.send_contact_urn", emergency_send_contact_urn, "false", "Contact with the service URN in the 380"),
	K_ENUM("emergency.unregistered", emergency_unregistered, "380", unregistered_words, "answer to a WIC that is not registered"),

	K_INT("reject.no_media_wic", reject_no_media_wic, "503", 400, 699, "no AGW: answer to a WIC"),
	K_INT("reject.no_media_core", reject_no_media_core, "500", 400, 699, "no AGW: answer to the core"),
	K_INT("overload.high", sip.overload_high, "85", 1, 100, "load in percent from which new work is shed"),
	K_INT("overload.low", sip.overload_low, "70", 0, 100, "load below which it is taken again"),
	K_TIME("overload.max_lag", sip.overload_max_lag_ms, "500ms", 10, MINUTE, "an event loop as late as this is 100 % load"),
	K_TIME("overload.retry_after", overload_retry_after, "10s", SECOND, HOUR, "Retry-After of 503 and 500 is random: from this"),
	K_TIME("overload.retry_after_max", overload_retry_after_max, "60s", SECOND, HOUR, "to this"),
	K_INT("limits.calls", limits_calls, "5000", 1, 1000000, "calls at once; more: 503"),
	K_INT("limits.cps", limits_cps, "0", 0, 1000000, "new calls a second, emergencies apart; more: 503, 500 to the core; 0 = no limit"),
	K_TIME("limits.call_duration", limits_call_duration, "0", 0, 30 * DAY, "longest call; 0 = off"),
	K_INT("limits.registrations", limits_registrations, "40000", 1, 10000000, "associations at once"),
	K_INT("limits.fds", limits_fds, "0", 0, 10000000, "file descriptors asked for at start; 0 = all that is allowed"),
	K_TIME("shutdown.grace", shutdown_grace, "120s", 0, DAY, "SIGTERM waits for calls to end"),

	K_STR("ops.listen", ops_listen, "127.0.0.1:9180", "metrics and health; empty = off"),
	K_STR("ops.ctl_socket", ops_ctl_socket, "/run/wicgate/cscf.sock", "operator's UNIX socket; empty = off"),
	K_BOOL("ops.dump_memory", ops_dump_memory, "false", "core dumps with memory in them: keys, passwords, tokens"),
	K_BOOL("ops.lock_memory", ops_lock_memory, "false", "never swapped out; needs an unlimited RLIMIT_MEMLOCK, else it starts without, and warns"),
	K_INT("explain.ended_calls", explain.ended_calls, "1000", 0, 1000000, "ended calls that call explain still knows, and a quarter as many refused ones"),
	K_SIZE("explain.memory", explain.memory, "64MiB", 65536, 1024 * MIB, "for all stories; then the oldest ended ones go"),
	K_INT("explain.messages_per_call", explain.messages_per_call, "400", 0, 10000, "messages and events kept of one call; 0 = call explain is off"),
	K_ENUM("log.level", log_level, "info", log_levels, "error, warn, info, debug, trace"),
	K_BOOL("log.mask_identities", log_mask_identities, "true", "pseudonyms instead of users in log lines"),
};
/* clang-format on */

const size_t cscf_config_n_keys = sizeof(cscf_config_keys) / sizeof(cscf_config_keys[0]);
