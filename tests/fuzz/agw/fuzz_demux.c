/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One whole stream under arbitrary datagrams: STUN, DTLS, SRTP and SRTCP from the WIC, RTP and
 * RTCP from the core. Its access pair is nominated and its SRTP keyed, so that everything behind
 * is reached. Input: datagrams of {what, length 16 bit, octets}; what & 7:
 *   0 access as it is   1 access, protected as SRTP   2 access, protected as SRTCP
 *   3 core RTP          4 core RTCP                    5 a second passes
 */
#include "agw/net/demux.h"
#include "tests/fuzz/agw/relay_env.h"

#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct agw_relay_env env;
static const struct agw_relay_cfg cfg = RELAY_CFG;
static struct agw_dtls_ctx *dtls;
static struct agw_srtp_keys keys = {.profile = AGW_SRTP_AEAD_AES_128_GCM};
static struct agw_srtp_keys peer_keys = {.profile = AGW_SRTP_AEAD_AES_128_GCM};
static struct agw_ice_creds creds = {"ufragufr", "passwordpasswordpassword"};
static uint8_t check[600];
static size_t check_len;
static struct gw_addr wic;
static struct gw_addr core;

static void make_check(void)
{
	static const uint16_t known[] = {0};
	StunAgent peer;
	StunMessage m;

	stun_agent_init(&peer, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	check_len = stun_usage_ice_conncheck_create(
	    &peer, &m, check, sizeof(check), (const uint8_t *)"ufragufr:remo", 13,
	    (const uint8_t *)creds.pwd, strlen(creds.pwd), true, true, 1, 1, NULL,
	    STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

static void start(void)
{
	relay_env_start(&env, &cfg, &dtls);
	for (unsigned i = 0; i < AGW_SRTP_MASTER_MAX; i++) {
		keys.send[i] = peer_keys.recv[i] = (uint8_t)i;
		keys.recv[i] = peer_keys.send[i] = (uint8_t)(i + 100);
	}
	if (gw_addr_parse_ip(&wic, "192.0.2.1", 5000) != GW_OK ||
	    gw_addr_parse_ip(&core, "192.0.2.2", 6000) != GW_OK)
		abort();
	make_check();
}

static struct agw_stream *make_stream(void)
{
	static const uint16_t profiles[AGW_SRTP_PROFILE_MAX] = {AGW_SRTP_AEAD_AES_128_GCM};
	struct agw_stream_params p;
	struct agw_stream_args a = {.params = &p,
				    .access_fds = {-1, -1},
				    .core_fds = {-1, -1},
				    .creds = creds,
				    .dtls = dtls,
				    .profiles = profiles,
				    .cfg = &cfg};
	struct agw_stream *s = NULL;
	struct agw_udp_pkt pkt = {.data = check, .len = check_len, .from = &wic};

	agw_stream_params_init(&p, 1);
	p.gate_up = p.gate_down = true;
	p.core.branches[0].rtp = core;
	p.core.active = 0;
	agw_ext_map_add(&p.core.exts, 3, 5);
	p.core.rtcp_allow = AGW_RTCP_NACK | AGW_RTCP_FIR;
	p.access.rtcp_allow = AGW_RTCP_PLI | AGW_RTCP_RSIZE;
	p.clock_hz = 8000;
	if (agw_stream_new(&s, &a) != GW_OK)
		return NULL;
	agw_stream_attach(s, &env);
	agw_leg_stun(&s->legs[AGW_LEG_RTP], 0, &pkt);
	if (agw_srtp_sess_new(&s->legs[AGW_LEG_RTP].srtp, &keys, 128) != GW_OK)
		abort();
	return s;
}

static void access_side(struct agw_stream *s, struct agw_udp_pkt *pkt)
{
	switch (agw_demux(pkt->data, pkt->len)) {
	case AGW_PROTO_RTP:
		agw_forward_up_rtp(s, 0, pkt);
		break;
	case AGW_PROTO_RTCP:
		agw_forward_up_rtcp(&s->legs[AGW_LEG_RTP], 0, pkt);
		break;
	case AGW_PROTO_STUN:
		agw_leg_stun(&s->legs[AGW_LEG_RTP], 0, pkt);
		break;
	case AGW_PROTO_DTLS:
		agw_leg_dtls(&s->legs[AGW_LEG_RTP], 0, pkt);
		break;
	case AGW_PROTO_OTHER:
		break;
	}
}

static void one(struct agw_stream *s, struct agw_srtp_sess *peer, unsigned what, uint8_t *buf,
		size_t n)
{
	struct agw_udp_pkt pkt = {.data = buf, .len = n, .from = &wic};

	switch (what & 7) {
	case 1:
		if (n < 12 || agw_srtp_protect(peer, buf, &pkt.len) != GW_OK)
			return;
		access_side(s, &pkt);
		break;
	case 2:
		if (n < 8 || agw_srtp_protect_rtcp(peer, buf, &pkt.len) != GW_OK)
			return;
		access_side(s, &pkt);
		break;
	case 3:
	case 4:
		pkt.from = &core;
		if (agw_demux(buf, n) == AGW_PROTO_RTCP)
			agw_forward_down_rtcp(s, &pkt);
		else if (agw_demux(buf, n) == AGW_PROTO_RTP)
			agw_forward_down_rtp(s, &pkt);
		break;
	case 5:
		env.now_ms += 1000;
		env.now_us = env.now_ms * 1000;
		(void)agw_stream_tick(s);
		agw_stream_sweep(s);
		break;
	default:
		access_side(s, &pkt);
		break;
	}
	agw_udp_out_flush(env.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_Alignas(8) static uint8_t buf[AGW_UDP_BUF];
	struct agw_srtp_sess *peer;
	struct agw_stream *s;

	if (dtls == NULL)
		start();
	env.now_ms = 1000;
	env.now_us = 1000000;
	s = make_stream();
	if (s == NULL)
		return 0;
	if (agw_srtp_sess_new(&peer, &peer_keys, 128) != GW_OK)
		abort();
	while (n >= 3) {
		size_t len = ((size_t)(data[1] & 7) << 8) | data[2];

		if (len > n - 3)
			len = n - 3;
		memcpy(buf + AGW_UDP_HEAD, data + 3, len);
		one(s, peer, data[0], buf + AGW_UDP_HEAD, len);
		data += 3 + len;
		n -= 3 + len;
	}
	agw_srtp_sess_free(peer);
	agw_stream_detach(s);
	agw_stream_free(s);
	return 0;
}
