/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared access port with two streams behind it and three addresses in front, as the worker
 * reads it: real sockets on loopback, batches, tables of addresses and names. Whatever comes in
 * whatever order, no packet of a stream counts for the other one, and an address never belongs to a
 * stream that is gone. Input: steps of {what, length, octets}; what >> 4 picks the sender, what &
 * 15: 0 as it is               1, 2 a good check for the first, second stream (octet 0 & 1:
 * nominates) 3, 4 protected as SRTP of the first, second stream        5, 6 the check with octets
 * xored in 7 seconds pass           8, 9 the stream ends, another comes in its place 10 the mailbox
 * was read  else: what has come is read
 */
#include "agw/net/demux.h"
#include "agw/relay/names.h"
#include "agw/relay/share.h"
#include "agw/relay/stream_int.h"
#include "tests/fuzz/agw/relay_env.h"

#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define STREAMS 2
#define SENDERS 3

struct one {
	struct agw_stream *s;
	struct agw_srtp_sess *peer;
	struct agw_ice_creds creds;
	uint64_t protected;
};

static struct agw_relay_env env;
static struct agw_relay_cfg cfg = RELAY_CFG;
static struct agw_dtls_ctx *dtls;
static struct one ones[STREAMS];
static int senders[SENDERS];
static struct gw_addr sender_addr[SENDERS];
static int port_fd;
static struct gw_addr port_addr, core;
static StunAgent maker;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void open_at(int *fd, struct gw_addr *at)
{
	must(gw_addr_parse_ip(at, "127.0.0.1", 0) == GW_OK);
	must(agw_udp_open(fd, at) == GW_OK && agw_udp_local(*fd, at) == GW_OK);
}

static void start(void)
{
	static const uint16_t known[] = {0};

	relay_env_start(&env, &cfg, &dtls);
	must(gw_addr_parse_ip(&core, "192.0.2.2", 6000) == GW_OK);
	open_at(&port_fd, &port_addr);
	for (unsigned i = 0; i < SENDERS; i++)
		open_at(&senders[i], &sender_addr[i]);
	stun_agent_init(&maker, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

static void begin(unsigned i)
{
	static const uint16_t profiles[AGW_SRTP_PROFILE_MAX] = {AGW_SRTP_AEAD_AES_128_GCM};
	struct agw_srtp_keys ours = {.profile = AGW_SRTP_AEAD_AES_128_GCM}, theirs = ours;
	struct agw_stream_params p;
	struct one *o = &ones[i];
	struct agw_stream_args a = {.params = &p,
				    .access_fds = {{port_fd, -1}, {-1, -1}},
				    .core_fds = {-1, -1},
				    .shared = true,
				    .dtls = dtls,
				    .profiles = profiles,
				    .cfg = &cfg};

	for (unsigned k = 0; k < AGW_SRTP_MASTER_MAX; k++) {
		ours.recv[k] = theirs.send[k] = (uint8_t)(k + 7 * i);
		ours.send[k] = theirs.recv[k] = (uint8_t)(k + 100 + 7 * i);
	}
	agw_ice_creds_new(&a.creds);
	o->creds = a.creds;
	o->protected = 0;
	agw_stream_params_init(&p, 1);
	p.gate_up = p.gate_down = true;
	p.core.branches[0].rtp = core;
	p.core.active = 0;
	p.clock_hz = 8000;
	must(agw_stream_new(&o->s, &a) == GW_OK);
	agw_stream_attach(o->s, &env);
	must(agw_srtp_sess_new(&o->s->legs[AGW_LEG_RTP].srtp, &ours, 128) == GW_OK &&
	     agw_srtp_sess_new(&o->peer, &theirs, 128) == GW_OK);
}

static void end(unsigned i)
{
	struct one *o = &ones[i];

	must(atomic_load(&o->s->counters.up.rtp_packets) <= o->protected);
	agw_stream_detach(o->s);
	for (unsigned k = 0; k < SENDERS; k++) {
		const struct agw_leg *l =
		    agw_share_by_source(env.share, AGW_FAMILY_V4, &sender_addr[k]);

		must(l != &o->s->legs[AGW_LEG_RTP]);
	}
	must(agw_names_find(env.names, (const uint8_t *)o->creds.ufrag, AGW_ICE_LOCAL_UFRAG) ==
	     NULL);
	agw_stream_free(o->s);
	agw_srtp_sess_free(o->peer);
	o->s = NULL;
}

static size_t check(unsigned i, uint8_t *buf, bool use)
{
	StunMessage m;
	StunTransactionId id;
	char user[AGW_ICE_UFRAG_MAX + 8];
	size_t k = strlen(ones[i].creds.ufrag), n;

	memcpy(user, ones[i].creds.ufrag, k);
	memcpy(user + k, ":remo", 5);
	n = stun_usage_ice_conncheck_create(
	    &maker, &m, buf, 600, (const uint8_t *)user, k + 5, (const uint8_t *)ones[i].creds.pwd,
	    strlen(ones[i].creds.pwd), use, true, 1, 1, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	stun_message_id(&m, id);
	(void)stun_agent_forget_transaction(&maker, id);
	return n;
}

static void read_all(void)
{
	while (agw_relay_readable(&env, agw_share_sock(env.share, 0)))
		;
	agw_relay_flush(&env);
}

static void send_from(unsigned k, const uint8_t *p, size_t n)
{
	(void)agw_udp_send(senders[k], &port_addr, p, n);
}

static void step(uint8_t what, uint8_t *buf, size_t n)
{
	unsigned from = (unsigned)(what >> 4) % SENDERS, op = what & 15U;
	unsigned i = (op + 1) % STREAMS; /* the odd ones are the first's; of 8, 9 the even one */
	uint8_t made[600];
	size_t len;

	switch (op) {
	case 0:
		send_from(from, buf, n);
		break;
	case 1:
	case 2:
		len = check(i, made, n > 0 && (buf[0] & 1) != 0);
		send_from(from, made, len);
		break;
	case 3:
	case 4:
		len = n;
		if (n < 12 || agw_srtp_protect(ones[i].peer, buf, &len) != GW_OK)
			return;
		ones[i].protected ++;
		send_from(from, buf, len);
		break;
	case 5:
	case 6:
		len = check(i, made, true);
		for (size_t k = 0; k < n && k < len; k++)
			made[len - 1 - k] ^= buf[k];
		send_from(from, made, len);
		break;
	case 7:
		read_all();
		env.now_ms += n > 0 ? buf[0] * 100U : 1000U;
		env.now_us = env.now_ms * 1000;
		for (unsigned k = 0; k < STREAMS; k++) {
			(void)agw_stream_tick(ones[k].s);
			agw_stream_sweep(ones[k].s);
		}
		break;
	case 8:
	case 9:
		read_all();
		end(i);
		begin(i);
		break;
	case 10:
		agw_relay_after_mail(&env);
		break;
	default:
		read_all();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_Alignas(8) static uint8_t buf[AGW_UDP_BUF];

	if (dtls == NULL)
		start();
	env.now_ms = 100000;
	env.now_us = env.now_ms * 1000;
	must(agw_share_new(&env.share, STREAMS) == GW_OK &&
	     agw_names_new(&env.names, STREAMS) == GW_OK);
	agw_share_open(env.share, 0, AGW_FAMILY_V4, port_fd);
	for (unsigned i = 0; i < STREAMS; i++)
		begin(i);
	for (unsigned steps = 0; n >= 2 && steps < 200; steps++) {
		size_t len = data[1] < n - 2 ? data[1] : n - 2;

		memcpy(buf + AGW_UDP_HEAD, data + 2, len);
		step(data[0], buf + AGW_UDP_HEAD, len);
		data += 2 + len;
		n -= 2 + len;
	}
	read_all();
	agw_relay_after_mail(&env);
	agw_relay_flush(&env);
	for (unsigned i = 0; i < STREAMS; i++)
		end(i);
	agw_share_free(env.share);
	agw_names_free(env.names);
	env.share = NULL;
	env.names = NULL;
	return 0;
}
