/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From keys to what the parts take (agw_config_parts): realms with their addresses, lists of
 * words to enums. A mistake names its key.
 */
#include "agw/config.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONSENT_ASK_MIN_MS 7000 /* one interval of RFC 7675 s5.1, and an answer */
#define BAD(...)           (snprintf(errbuf, errlen, __VA_ARGS__), GW_ERR_PARSE)

/* ---- addresses ------------------------------------------------------------------------------- */

/* This host's first IPv4 address that is not loopback; else 127.0.0.1. */
static enum gw_err own_address(struct gw_addr *out)
{
	struct ifaddrs *list = NULL;
	enum gw_err err = GW_ERR_NOT_FOUND;

	if (getifaddrs(&list) != 0)
		return gw_addr_parse_ip(out, "127.0.0.1", 0);
	for (const struct ifaddrs *i = list; i != NULL && err != GW_OK; i = i->ifa_next)
		if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
		    (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_LOOPBACK) == 0)
			err = gw_addr_from_sa(out, i->ifa_addr, sizeof(struct sockaddr_in));
	freeifaddrs(list);
	return err == GW_OK ? GW_OK : gw_addr_parse_ip(out, "127.0.0.1", 0);
}

static enum gw_err parse_ips(struct gw_addr out[AGW_FAMILY_COUNT], const struct gw_conf_list *list,
			     const char *realm, const char *key, char *errbuf, size_t errlen)
{
	for (size_t i = 0; i < list->n; i++) {
		struct gw_addr a;
		enum agw_family f;
		enum gw_err err = strcmp(list->item[i], "auto") == 0
				      ? own_address(&a)
				      : gw_addr_parse_ip(&a, list->item[i], 0);

		if (err != GW_OK)
			return BAD("%s.%s: \"%.60s\" is not a numeric address", realm, key,
				   list->item[i]);
		f = gw_addr_is_v6(&a) ? AGW_FAMILY_V6 : AGW_FAMILY_V4;
		if (out[f].len != 0)
			return BAD("%s.%s: one address per family", realm, key);
		out[f] = a;
	}
	return GW_OK;
}

/* A wildcard address cannot go into SDP: tell this host's own instead. */
static enum gw_err advertise_wildcard(struct agw_realm_cfg *r)
{
	if (!agw_realm_has(r, AGW_FAMILY_V4) || r->advertise[AGW_FAMILY_V4].len != 0 ||
	    !gw_addr_is_any(&r->bind[AGW_FAMILY_V4]))
		return GW_OK;
	return own_address(&r->advertise[AGW_FAMILY_V4]);
}

static enum gw_err make_realm(struct agw_realm_cfg *r, const char *name,
			      const struct agw_realm_conf *conf, char *errbuf, size_t errlen)
{
	enum gw_err err;

	snprintf(r->name, sizeof(r->name), "%s", name);
	r->port_min = (uint16_t)conf->ports.first;
	r->port_max = (uint16_t)conf->ports.last;
	r->shared_ports = (uint16_t)conf->shared_ports;
	r->tcp_port = (uint16_t)conf->tcp_port;
	err = parse_ips(r->bind, &conf->listen_ip, name, "listen_ip", errbuf, errlen);
	if (err == GW_OK)
		err = parse_ips(r->advertise, &conf->advertise_ip, name, "advertise_ip", errbuf,
				errlen);
	if (err != GW_OK)
		return err;
	if (advertise_wildcard(r) != GW_OK || agw_realm_check(r) != GW_OK)
		return BAD("%s: listen_ip, advertise_ip and ports do not make a realm", name);
	return GW_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

static enum gw_err make_hashes(unsigned *bits, const struct gw_conf_list *list, char *errbuf,
			       size_t errlen)
{
	static const struct {
		const char *name;
		enum agw_hash hash;
	} known[] = {{"sha-1", AGW_HASH_SHA1},
		     {"sha-224", AGW_HASH_SHA224},
		     {"sha-256", AGW_HASH_SHA256},
		     {"sha-384", AGW_HASH_SHA384},
		     {"sha-512", AGW_HASH_SHA512}};

	for (size_t i = 0; i < list->n; i++) {
		unsigned bit = 0;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (strcasecmp(list->item[i], known[k].name) == 0)
				bit = 1U << known[k].hash;
		if (bit == 0)
			return BAD("dtls.fp_hashes: \"%.40s\" is not one of sha-1, sha-224, "
				   "sha-256, sha-384, sha-512",
				   list->item[i]);
		*bits |= bit;
	}
	return GW_OK;
}

static enum gw_err make_profiles(uint16_t out[AGW_SRTP_PROFILE_MAX],
				 const struct gw_conf_list *list, char *errbuf, size_t errlen)
{
	static const uint16_t known[] = {AGW_SRTP_AEAD_AES_128_GCM, AGW_SRTP_AEAD_AES_256_GCM,
					 AGW_SRTP_AES128_CM_SHA1_80};

	if (list->n > AGW_SRTP_PROFILE_MAX)
		return BAD("srtp.profiles: too many");
	for (size_t i = 0; i < list->n; i++) {
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (strcasecmp(list->item[i], agw_srtp_profile_name(known[k])) == 0)
				out[i] = known[k];
		if (strcasecmp(list->item[i], "AES128_CM_SHA1_80") == 0)
			out[i] = AGW_SRTP_AES128_CM_SHA1_80;
		if (out[i] == AGW_SRTP_NONE)
			return BAD("srtp.profiles: \"%.40s\" is not served", list->item[i]);
	}
	return GW_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static enum gw_err make_pool(struct agw_pool_cfg *p, const struct agw_config *c, char *errbuf,
			     size_t errlen)
{
	enum gw_err err;

	p->n_workers = (unsigned)c->media_workers;
	p->max_streams = (uint32_t)c->media_max_streams;
	p->max_batch_wait_us = (uint32_t)c->media_max_batch_wait_us;
	p->ring_slots = (uint32_t)c->media_ring_slots;
	/* 0 means "the default" to the pool; to an operator it means none */
	p->port_quarantine_ms = c->port_quarantine > 0 ? (uint32_t)c->port_quarantine : 1;
	p->ice_timeout_ms = (uint32_t)c->ice_timeout;
	p->consent_timeout_ms = (uint32_t)c->consent_timeout;
	p->consent_active = c->consent_mode != 0;
	p->ice_first_valid_pair = c->ice_first_valid_pair;
	p->dtls_timer_initial_ms = (uint32_t)c->dtls_timer_initial;
	p->dtls_timeout_ms = (uint32_t)c->dtls_timeout;
	p->dtls_fp_wait_ms = (uint32_t)c->dtls_fp_wait;
	p->dtls_mtu = (uint16_t)c->dtls_mtu;
	p->dtls_max_handshakes = (uint32_t)c->limits_handshakes;
	p->dtls_source_rate = (uint32_t)c->limits_handshakes_per_source;
	p->cert_lifetime_s = (uint32_t)(c->dtls_cert_lifetime / 1000);
	p->srtp_replay_window = (uint32_t)c->srtp_replay_window;
	p->srtp_key_packets = (uint64_t)c->srtp_key_packets;
	p->srtp_lib = (enum agw_srtp_lib)c->srtp_primitives;
	p->relay_padding_only = c->rtp_relay_padding;
	p->rtcp_generate = c->rtcp_generate != 0;
	p->keepalive_ms = (uint32_t)c->media_keepalive;
	p->resend_packets = (uint32_t)c->media_resend_packets;
	p->resend_memory = (uint64_t)c->media_resend_memory;
	if (p->consent_active && c->consent_timeout < CONSENT_ASK_MIN_MS)
		return BAD("consent.timeout: with consent.mode active at least 7s");
	if ((p->ring_slots & (p->ring_slots - 1)) != 0)
		return BAD("media.ring_slots: must be a power of two");
	if ((p->resend_packets & (p->resend_packets - 1)) != 0)
		return BAD("media.resend_packets: must be a power of two");
	err = make_hashes(&p->fp_hashes, &c->dtls_fp_hashes, errbuf, errlen);
	if (err != GW_OK)
		return err;
	return make_profiles(p->srtp_profiles, &c->srtp_profiles, errbuf, errlen);
}

/* Full ICE: an agent per stream, at an address and port of its own. */
static enum gw_err make_full(struct agw_parts_cfg *out, const struct agw_config *c, char *errbuf,
			     size_t errlen)
{
	const struct agw_realm_cfg *access = &out->realms[0];
	struct agw_ice_turn *turn = &out->pool.ice_turn;

	if (c->ice_mode == 0) {
		if (c->ice_turn_server[0] != '\0')
			return BAD("ice.turn.server: only with ice.mode full");
		return GW_OK;
	}
	if (c->access.shared_ports > 0)
		return BAD("access.shared_ports: not with ice.mode full, where each stream has an "
			   "agent with a port of its own");
	if (c->ice_tcp != 0)
		return BAD("ice.tcp: not with ice.mode full");
	for (int f = 0; f < AGW_FAMILY_COUNT; f++)
		if (agw_realm_has(access, (enum agw_family)f) && gw_addr_is_any(&access->bind[f]))
			return BAD("access.listen_ip: ice.mode full needs an address, no wildcard");
	if (c->consent_timeout < CONSENT_ASK_MIN_MS)
		return BAD("consent.timeout: with ice.mode full at least 7s");
	out->iq.defaults.ice_full = true;
	if (c->ice_turn_server[0] == '\0')
		return GW_OK;
	if (gw_addr_parse(&turn->server, c->ice_turn_server, 3478) != GW_OK)
		return BAD("ice.turn.server: \"%.60s\" is not a numeric address with port",
			   c->ice_turn_server);
	turn->username = c->ice_turn_username;
	turn->password = c->ice_turn_password;
	return GW_OK;
}

/* "<host name>-<port>", in the characters an id may have. */
static void default_id(char *out, size_t n, uint16_t port)
{
	char host[48] = "agw";

	if (gethostname(host, sizeof(host)) != 0)
		snprintf(host, sizeof(host), "agw");
	host[sizeof(host) - 1] = '\0';
	for (char *p = host; *p != '\0'; p++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~",
			   *p) == NULL)
			*p = '-';
	snprintf(out, n, "%s-%u", host, port);
}

static enum gw_err make_iq(struct agw_parts_cfg *out, const struct agw_config *c, char *errbuf,
			   size_t errlen)
{
	struct agw_iq_cfg *iq = &out->iq;

	if (gw_addr_parse(&iq->listen, c->iq_listen, 7070) != GW_OK)
		return BAD("iq.listen: \"%.60s\" is not an address with port", c->iq_listen);
	if (strlen(c->iq_agw_id) > IQ_MAX_ID)
		return BAD("iq.agw_id: at most %u characters", IQ_MAX_ID);
	if (c->iq_agw_id[0] != '\0')
		snprintf(out->agw_id, sizeof(out->agw_id), "%s", c->iq_agw_id);
	else
		default_id(out->agw_id, sizeof(out->agw_id), gw_addr_port(&iq->listen));
	iq->agw_id = out->agw_id;
	iq->tls_cert = c->iq_tls_cert;
	iq->tls_key = c->iq_tls_key;
	iq->tls_ca = c->iq_tls_ca;
	iq->insecure = c->iq_insecure;
	iq->tls_identity = c->iq_tls_identity == 1;
	iq->token = c->iq_token;
	iq->heartbeat_ms = (uint32_t)c->iq_heartbeat;
	iq->hello_timeout_ms = (uint32_t)c->iq_hello_timeout;
	iq->orphan_ms = (uint32_t)c->t_orphan;
	iq->max_controllers = (uint32_t)c->iq_max_controllers;
	iq->max_connections = 2 * iq->max_controllers + 16;
	iq->max_output = (size_t)c->iq_max_output;
	iq->max_contexts = (uint32_t)c->limits_contexts;
	iq->cpu_limit_permille = (uint32_t)c->limits_cpu_percent * 10;
	iq->access_realm = AGW_REALM_ACCESS;
	iq->defaults = (struct agw_iq_defaults){
	    .realms = out->realms,
	    .n_realms = 2,
	    .inactivity_ms = (uint32_t)c->media_inactivity,
	    .dscp_audio = (int)c->media_dscp_audio,
	    .dscp_video = (int)c->media_dscp_video,
	};
	return GW_OK;
}

/*
 * IQ-18: the control channel is never on the access network. Where access and core are different
 * networks that can be checked, and a wildcard would be on both; a host with one network for
 * everything is told in the log only (agw.c).
 */
static enum gw_err check_iq_network(const struct agw_parts_cfg *p, char *errbuf, size_t errlen)
{
	char text[GW_ADDR_STRLEN];

	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++) {
		const struct gw_addr *access = &p->realms[0].bind[f];
		const struct gw_addr *core = &p->realms[1].bind[f];

		if (access->len == 0 || gw_addr_is_any(access) || gw_addr_is_loopback(access) ||
		    (core->len != 0 && gw_addr_ip_eq(access, core)))
			continue;
		if (gw_addr_ip_eq(&p->iq.listen, access) ||
		    (gw_addr_is_any(&p->iq.listen) &&
		     gw_addr_is_v6(&p->iq.listen) == (f == AGW_FAMILY_V6)))
			return BAD(
			    "iq.listen: %s is on the access network; name an address of another",
			    gw_addr_str(&p->iq.listen, text, sizeof(text)));
	}
	return GW_OK;
}

enum gw_err agw_config_parts(struct agw_parts_cfg *out, const struct agw_config *c, char *errbuf,
			     size_t errlen)
{
	enum gw_err err;
	bool turn;

	memset(out, 0, sizeof(*out));
	err = make_realm(&out->realms[0], AGW_REALM_ACCESS, &c->access, errbuf, errlen);
	out->realms[0].ice_tcp = c->ice_tcp != 0;
	if (err == GW_OK)
		err = make_realm(&out->realms[1], AGW_REALM_CORE, &c->core, errbuf, errlen);
	if (err == GW_OK)
		err = make_pool(&out->pool, c, errbuf, errlen);
	if (err == GW_OK)
		err = make_iq(out, c, errbuf, errlen);
	if (err == GW_OK)
		err = make_full(out, c, errbuf, errlen);
	if (err == GW_OK)
		err = check_iq_network(out, errbuf, errlen);
	if (err != GW_OK)
		return err;
	out->pool.realms = out->realms;
	out->pool.n_realms = 2;
	turn = out->pool.ice_turn.server.len != 0;
	out->contexts = (struct agw_context_cfg){
	    .max_contexts = (uint32_t)c->limits_contexts,
	    .max_per_controller = (uint32_t)c->limits_contexts_per_controller,
	    .reserve_ttl_ms = (uint32_t)c->iq_reserve_ttl,
	    .prepare_ttl_ms = (uint32_t)c->iq_prepare_ttl,
	    .heartbeat_ms = (uint32_t)c->iq_term_heartbeat,
	    .gather_ms = turn ? (uint32_t)c->ice_turn_timeout : 0,
	    .rtcp_gates = c->rtcp_early,
	};
	return GW_OK;
}
