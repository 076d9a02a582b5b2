/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgate-agw, told about a call over its control channel as an eP-CSCF tells it: Reserve, then
 * Configure with what both ends said. Where: its iq.listen address.
 */
#include "tests/bench/media/agw_talk.h"

#include "common/rand.h"
#include "deploy/wicgatectl/iq_link.h"
#include "proto/iq_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MS 5000

struct agw_target {
	struct iq_link *link;
	uint64_t txn;
};

/* Next message that is a reply; notifications are acknowledged on the way. */
static IqEnvelope *reply(struct agw_target *t)
{
	IqEnvelope *env = NULL;

	while (iq_link_recv(t->link, &env, REPLY_MS) == GW_OK) {
		if (iq_is_reply(env) || env->body_case == IQ_BODY(HELLO_ACK))
			return env;
		if (env->body_case == IQ_BODY(NOTIFICATION)) {
			IqEnvelope *ack = iq_envelope_new(IQ_BODY(NOTIFICATION_ACK), 0);

			ack->notification_ack->event_seq = env->notification->event_seq;
			(void)!iq_link_send(t->link, ack);
			iq_envelope_free(ack);
		}
		iq_envelope_free(env);
	}
	return NULL;
}

/* Send the JSON (taken) as one message. @return the reply, NULL with *why on any error */
static IqEnvelope *ask(struct agw_target *t, json_t *json, char *why, size_t n)
{
	IqEnvelope *env = NULL, *rsp = NULL;
	const IqError *err;
	char bad[200] = "";

	json_object_set_new(json, "proto_version", json_integer(IQ_VERSION));
	json_object_set_new(json, "txn_id", json_integer((json_int_t)++t->txn));
	if (iq_envelope_from_json(&env, json, bad, sizeof(bad)) == GW_OK &&
	    iq_link_send(t->link, env) == GW_OK)
		rsp = reply(t);
	json_decref(json);
	iq_envelope_free(env);
	err = rsp != NULL ? iq_msg_error(rsp) : NULL;
	if (rsp == NULL || (err != NULL && err->code != IQ_V(ERROR_CODE__OK))) {
		snprintf(why, n, "wicgate-agw: %s %s", bad,
			 err != NULL ? err->detail : "no answer");
		iq_envelope_free(rsp);
		return NULL;
	}
	return rsp;
}

json_t *bench_agw_hello(void)
{
	char epoch[24];

	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)gw_rand_u64());
	return json_pack("{s:{s:s,s:s,s:i,s:i}}", "hello", "controller_id", "bench", "epoch", epoch,
			 "version_min", 1, "version_max", 1);
}

static void *agw_open(const char *where, char *why, size_t n)
{
	struct agw_target *t = calloc(1, sizeof(*t));
	struct iq_link_cfg cfg = {.connect = where, .timeout_ms = REPLY_MS};
	IqEnvelope *ack;

	if (t == NULL || iq_link_open(&t->link, &cfg, why, n) != GW_OK) {
		free(t);
		return NULL;
	}
	ack = ask(t, bench_agw_hello(), why, n);
	if (ack == NULL) {
		iq_link_close(t->link);
		free(t);
		return NULL;
	}
	iq_envelope_free(ack);
	return t;
}

static const char *ctx_of(const struct bench_call *c, char *buf, size_t n)
{
	snprintf(buf, n, "%024x%08x", 0xbe0c, c->tag);
	return buf;
}

static json_t *access_of(const struct bench *b, const struct bench_call *c)
{
	char fp[200] = "";
	size_t at = 0;

	for (unsigned i = 0; i < b->fp.len; i++)
		at += (size_t)snprintf(fp + at, sizeof(fp) - at, "%s%02X", i > 0 ? ":" : "",
				       b->fp.octets[i]);
	return json_pack(
	    "{s:s,s:[s],s:s,s:s,s:s,s:{s:{s:s,s:s}},s:{s:s,s:[{s:s,s:s}]},s:[{s:i,s:s,s:i}]}",
	    "realm", "access", "families", "IPV4", "transport", "UDP_TLS_RTP_SAVPF", "rtcp",
	    "RTCP_MUX", "ice_mode", b->o.ice_full ? "ICE_FULL" : "ICE_LITE", "ice", "credentials",
	    "ufrag", c->ufrag, "pwd", c->pwd, "dtls", "role", "DTLS_SERVER", "fingerprints", "hash",
	    "sha-256", "value", fp, "payload_types", "pt", b->o.pt, "encoding", "PCMU",
	    "clock_rate", 8000);
}

static json_t *core_of(const struct bench *b, const struct bench_call *c)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:[{s:{s:s,s:i},s:b}],s:[{s:i,s:s,s:i}]}", "realm",
			 "core", "family", "IPV4", "transport", "RTP_AVP", "rtcp", "RTCP_SEPARATE",
			 "remotes", "rtp", "ip", b->o.local_ip, "port",
			 bench_wire_port(b->wire, BENCH_CORE, c->id), "active", 1, "payload_types",
			 "pt", b->o.pt, "encoding", "PCMU", "clock_rate", 8000);
}

static json_t *stream_of(const struct bench *b, const struct bench_call *c)
{
	return json_pack("{s:i,s:s,s:{s:b,s:b},s:o,s:o}", "stream_id", 0, "kind", "AUDIO", "gate",
			 "uplink", 1, "downlink", 1, "access", access_of(b, c), "core",
			 core_of(b, c));
}

/* "AB:CD:…" of sha-256. */
static void read_fingerprint(struct agw_fingerprint *out, const char *text)
{
	out->hash = AGW_HASH_SHA256;
	out->len = 32;
	for (unsigned i = 0; i < 32 && strlen(text) >= i * 3 + 2; i++)
		out->octets[i] = (uint8_t)strtoul(text + i * 3, NULL, 16);
}

bool bench_agw_take(struct bench_call *c, const IqStreamResult *r)
{
	const IqAccessLocal *a = r->access;

	if (a == NULL || a->n_candidates == 0 || a->credentials == NULL || a->n_fingerprints == 0 ||
	    r->core == NULL || r->core->rtp == NULL)
		return false;
	if (gw_addr_parse_ip(&c->relay[BENCH_WIC], a->candidates[0]->address->ip,
			     (uint16_t)a->candidates[0]->address->port) != GW_OK ||
	    gw_addr_parse_ip(&c->relay[BENCH_CORE], r->core->rtp->ip,
			     (uint16_t)r->core->rtp->port) != GW_OK)
		return false;
	snprintf(c->peer_ufrag, sizeof(c->peer_ufrag), "%s", a->credentials->ufrag);
	snprintf(c->peer_pwd, sizeof(c->peer_pwd), "%s", a->credentials->pwd);
	snprintf(c->username, sizeof(c->username), "%.200s:%s", c->peer_ufrag, c->ufrag);
	read_fingerprint(&c->peer_fp, a->fingerprints[0]->value);
	return true;
}

json_t *bench_agw_reserve(const struct bench *b, const struct bench_call *c)
{
	char ctx[64];

	return json_pack("{s:{s:s,s:s,s:[o]}}", "reserve", "ctx_id", ctx_of(c, ctx, sizeof(ctx)),
			 "call_id", "bench", "streams", stream_of(b, c));
}

json_t *bench_agw_configure(const struct bench *b, const struct bench_call *c)
{
	char ctx[64];

	return json_pack("{s:{s:s,s:[o]}}", "configure", "ctx_id", ctx_of(c, ctx, sizeof(ctx)),
			 "streams", stream_of(b, c));
}

json_t *bench_agw_release(const struct bench_call *c)
{
	char ctx[64];

	return json_pack("{s:{s:s}}", "release", "ctx_id", ctx_of(c, ctx, sizeof(ctx)));
}

static bool agw_add(void *arg, struct bench *b, struct bench_call *c, char *why, size_t n)
{
	struct agw_target *t = arg;
	IqEnvelope *rsp = ask(t, bench_agw_reserve(b, c), why, n);
	bool ok;

	if (rsp == NULL)
		return false;
	ok =
	    rsp->reserve_reply->n_streams == 1 && bench_agw_take(c, rsp->reserve_reply->streams[0]);
	iq_envelope_free(rsp);
	if (!ok) {
		snprintf(why, n, "wicgate-agw: the reply lacks something");
		return false;
	}
	rsp = ask(t, bench_agw_configure(b, c), why, n);
	iq_envelope_free(rsp);
	return rsp != NULL;
}

static void agw_remove(void *arg, struct bench_call *c)
{
	char why[200];

	iq_envelope_free(ask(arg, bench_agw_release(c), why, sizeof(why)));
}

static void agw_close(void *arg)
{
	struct agw_target *t = arg;

	iq_link_close(t->link);
	free(t);
}

const struct bench_target bench_target_agw = {"wicgate", true,       agw_open,
					      agw_add,   agw_remove, agw_close};
