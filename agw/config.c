/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the gateway's keys. Defaults are those of the calls-and-media spec, section 7, and
 * the ports of the architecture page, section 6.
 */
#include "agw/config.h"

#include "common/conf_keys.h"

static const char *const identity_words[] = {"any", "certificate", NULL};
static const char *const ice_tcp_modes[] = {"off", "passive", NULL};
static const char *const ice_modes[] = {"lite", "full", NULL};
static const char *const consent_modes[] = {"passive", "active", NULL};
static const char *const srtp_libs[] = {"openssl", "stock", NULL}; /* enum agw_srtp_lib */
static const char *const generate_modes[] = {"off", "auto", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", "trace", NULL};

#define F(field) offsetof(struct agw_config, field)

/* clang-format off */
const struct gw_conf_key agw_config_keys[] = {
	K_STR("iq.listen", iq_listen, "127.0.0.1:7070", "address of the control channel"),
	K_STR("iq.agw_id", iq_agw_id, "", "name of this gateway; empty = host name and port"),
	K_STR("iq.tls.cert", iq_tls_cert, "", "PEM certificate chain of this gateway"),
	K_STR("iq.tls.key", iq_tls_key, "", "PEM private key"),
	K_STR("iq.tls.ca", iq_tls_ca, "", "PEM certificates that sign the controllers'"),
	K_ENUM("iq.tls.identity", iq_tls_identity, "any", identity_words, "a controller's id: any that a certificate of the CA claims, or certificate: one of its names"),
	K_BOOL("iq.insecure", iq_insecure, "false", "allow plain TCP beyond loopback"),
	K_SECRET("iq.token", iq_token, "", "secret a controller must say in its Hello; empty = none"),
	K_TIME("iq.heartbeat", iq_heartbeat, "1s", 100, MINUTE, "between heartbeats; three missed = gone"),
	K_TIME("iq.hello_timeout", iq_hello_timeout, "5s", 100, MINUTE, "from connect to Hello"),
	K_TIME("iq.term_heartbeat", iq_term_heartbeat, "600s", 0, DAY, "between questions whether a context is known; 0 = off"),
	K_TIME("iq.reserve_ttl", iq_reserve_ttl, "300s", 1000, DAY, "a context never configured is released"),
	K_TIME("iq.prepare_ttl", iq_prepare_ttl, "60s", 100, HOUR, "a prepared change is forgotten"),
	K_INT("iq.max_controllers", iq_max_controllers, "64", 1, 10000, "controllers at once"),
	K_SIZE("iq.max_output", iq_max_output, "8m", 65536, 1 << 30, "octets queued to a controller that does not read"),
	K_TIME("T_orphan", t_orphan, "60s", 100, DAY, "contexts outlive their controller's connection"),

	K_LIST("access.listen_ip", access.listen_ip, "auto", "addresses towards WICs, one per family; auto = this host's"),
	K_LIST("access.advertise_ip", access.advertise_ip, "", "public addresses when behind 1:1 NAT, one per family"),
	K_PORTS("access.ports", access.ports, "30000-39999", "UDP ports towards WICs"),
	K_INT("access.shared_ports", access.shared_ports, "0", 0, 16, "UDP ports of each media worker that all its streams share; 0 = every stream has its own"),
	K_INT("access.tcp_port", access.tcp_port, "0", 0, 65535, "with ice.tcp passive: TCP port of the first media worker, the next has the one above; 0 = of access.ports"),
	K_LIST("core.listen_ip", core.listen_ip, "auto", "addresses towards the IMS core, one per family"),
	K_LIST("core.advertise_ip", core.advertise_ip, "", "addresses told to the core when they differ"),
	K_PORTS("core.ports", core.ports, "20000-29999", "UDP ports towards the core, RTP even, RTCP odd"),
	K_TIME("port.quarantine", port_quarantine, "30s", 0, HOUR, "rest of a port before reuse"),

	K_ENUM("ice.mode", ice_mode, "lite", ice_modes, "lite = answer checks; full = an agent per stream, that checks and nominates itself"),
	K_ENUM("ice.tcp", ice_tcp, "off", ice_tcp_modes, "passive: take WICs by TCP where their network lets no UDP through (RFC 6544)"),
	K_STR("ice.turn.server", ice_turn_server, "", "full: TURN server, numeric address and port, for a relay candidate"),
	K_STR("ice.turn.username", ice_turn_username, "", "full: what the TURN server knows us by"),
	K_SECRET("ice.turn.password", ice_turn_password, "", "full: and its secret"),
	K_TIME("ice.turn.timeout", ice_turn_timeout, "500ms", 20, 10000, "full: a Reserve waits as long for the TURN server, then it is answered without a relay candidate"),
	K_TIME("ice.timeout", ice_timeout, "20s", 1000, HOUR, "from the answer to a nominated pair"),
	K_BOOL("ice.first_valid_pair", ice_first_valid_pair, "false", "lite: send to the first valid pair before nomination"),
	K_ENUM("consent.mode", consent_mode, "passive", consent_modes, "passive = watch the WIC's checks, active = ask it every 5 s"),
	K_TIME("consent.timeout", consent_timeout, "30s", 1000, HOUR, "without a valid check, or answer (active): consent is lost"),

	K_TIME("dtls.timer_initial", dtls_timer_initial, "100ms", 20, 10000, "first retransmission"),
	K_TIME("dtls.timeout", dtls_timeout, "20s", 1000, HOUR, "from ICE connected to keys"),
	K_TIME("dtls.fp_wait", dtls_fp_wait, "32s", 1000, HOUR, "finished handshake waits for the fingerprint"),
	K_INT("dtls.mtu", dtls_mtu, "1200", 500, 1500, "octets of a handshake datagram"),
	K_TIME("dtls.cert_lifetime", dtls_cert_lifetime, "720h", HOUR, 30 * DAY, "of the self-signed certificate"),
	K_LIST("dtls.fp_hashes", dtls_fp_hashes, "sha-256,sha-384,sha-512", "fingerprint hash functions accepted"),
	K_LIST("srtp.profiles", srtp_profiles, "AEAD_AES_128_GCM,AEAD_AES_256_GCM,AES128_CM_SHA1_80", "in order of preference"),
	K_INT("srtp.replay_window", srtp_replay_window, "1024", 64, 32767, "packets"),
	K_INT("srtp.key_packets", srtp_key_packets, "0", 0, INT64_C(1) << 48, "then a new association is asked for; 0 = what RFC 3711 allows"),
	K_ENUM("srtp.primitives", srtp_primitives, "openssl", srtp_libs, "AES and HMAC by openssl, or libsrtp2's own (stock)"),

	K_TIME("media.inactivity", media_inactivity, "60s", 0, DAY, "without RTP and RTCP from a side; 0 = off"),
	K_TIME("media.keepalive", media_keepalive, "15s", 0, HOUR, "a sign of life to the core when the WIC sent nothing for so long; 0 = off"),
	K_INT("media.dscp.audio", media_dscp_audio, "46", -1, 63, "DSCP of audio; -1 = leave"),
	K_INT("media.dscp.video", media_dscp_video, "34", -1, 63, "DSCP of video; -1 = leave"),
	K_INT("media.workers", media_workers, "0", 0, 64, "media threads; 0 = one per CPU"),
	K_INT("media.max_batch_wait_us", media_max_batch_wait_us, "500", 0, 10000, "most a packet waits for others under load; 0 = off"),
	K_INT("media.max_streams", media_max_streams, "20000", 1, 1000000, "streams of all workers"),
	K_INT("media.ring_slots", media_ring_slots, "4096", 64, 65536, "messages between control and a worker; power of two"),
	K_INT("media.resend_packets", media_resend_packets, "256", 0, 4096, "of a stream, kept for a WIC that asks for lost ones; power of two; 0 = off"),
	K_SIZE("media.resend_memory", media_resend_memory, "256m", 0, INT64_C(1) << 40, "of all streams; beyond it others ask the core in vain"),
	K_BOOL("rtp.relay_padding", rtp_relay_padding, "false", "pass padding-only probes to the core"),
	K_ENUM("rtcp.generate", rtcp_generate, "auto", generate_modes, "reports of ours to a WIC whose core sends no RTCP: auto, off"),
	K_BOOL("rtcp.early", rtcp_early, "true", "RTCP passes while the media gates are closed"),

	K_INT("limits.contexts", limits_contexts, "5000", 1, 1000000, "contexts (calls) at once"),
	K_INT("limits.contexts_per_controller", limits_contexts_per_controller, "0", 0, 1000000, "share of one controller; 0 = no limit"),
	K_INT("limits.handshakes", limits_handshakes, "256", 1, 100000, "DTLS handshakes at once"),
	K_INT("limits.handshakes_per_source", limits_handshakes_per_source, "100", 0, 100000, "begun a second by one address (IPv6: /64), on each worker; more wait; 0 = no limit"),
	K_INT("limits.cpu_percent", limits_cpu_percent, "95", 0, 100, "CPU share beyond which only existing calls are served; 0 = off"),
	K_INT("limits.fds", limits_fds, "0", 0, 10000000, "file descriptors asked for at start; 0 = all that is allowed"),

	K_STR("ops.listen", ops_listen, "127.0.0.1:9181", "metrics and health; empty = off"),
	K_STR("ops.ctl_socket", ops_ctl_socket, "/run/wicgate/agw.sock", "operator's UNIX socket; empty = off"),
	K_BOOL("ops.dump_memory", ops_dump_memory, "false", "core dumps with memory in them: keys, passwords, tokens"),
	K_BOOL("ops.lock_memory", ops_lock_memory, "false", "never swapped out; needs an unlimited RLIMIT_MEMLOCK, else it starts without, and warns"),
	K_ENUM("log.level", log_level, "info", log_levels, "error, warn, info, debug, trace"),
	K_TIME("shutdown.grace", shutdown_grace, "120s", 0, DAY, "SIGTERM waits for calls to end"),
};
/* clang-format on */

const size_t agw_config_n_keys = sizeof(agw_config_keys) / sizeof(agw_config_keys[0]);
