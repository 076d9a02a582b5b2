/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN on a media port. First octet even: the rest is the datagram as it is. Odd: the rest are
 * attributes (type 16 bit, length 8 bit, value), put into a request that is signed rightly, so
 * that the fuzzer gets behind MESSAGE-INTEGRITY and FINGERPRINT.
 */
#include "agw/ice/ice_int.h"

#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct agw_ice_env *env;
static StunAgent peer;
static size_t sent;

static void on_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		    size_t len)
{
	(void)arg;
	(void)local;
	(void)to;
	for (size_t i = 0; i < len; i++)
		sent += data[i];
}

static void on_event(void *arg, enum agw_ice_event ev)
{
	(void)arg;
	(void)ev;
}

static size_t build(uint8_t *buf, size_t cap, const uint8_t *data, size_t n, const char *pwd)
{
	StunMessage m;
	StunTransactionId id;
	size_t len;

	if (!stun_agent_init_request(&peer, &m, buf, cap, STUN_BINDING))
		return 0;
	while (n >= 3) {
		size_t have = data[2] < n - 3 ? data[2] : n - 3;
		int type = (data[0] << 8) | data[1];

		if (stun_message_append_bytes(&m, (StunAttribute)type, data + 3, have) !=
		    STUN_MESSAGE_RETURN_SUCCESS)
			break;
		data += 3 + have;
		n -= 3 + have;
	}
	len = stun_agent_finish_message(&peer, &m, (const uint8_t *)pwd, strlen(pwd));
	stun_message_id(&m, id);
	(void)stun_agent_forget_transaction(&peer, id);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint16_t known[] = {0};
	static const struct agw_ice_cbs cbs = {.send = on_send, .on_event = on_event};
	struct agw_ice_cfg cfg = {.local = {"ufragufr", "passwordpasswordpassword"},
				  .timeout_ms = 1000,
				  .consent_timeout_ms = 1000};
	struct agw_ice *ice;
	struct gw_addr from;
	uint8_t *pkt;
	size_t len;

	if (env == NULL) {
		if (agw_ice_env_new(&env) != GW_OK)
			return 0;
		stun_agent_init(&peer, known, STUN_COMPATIBILITY_RFC5389,
				STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				    STUN_AGENT_USAGE_USE_FINGERPRINT);
	}
	if (n < 1 || gw_addr_parse_ip(&from, "192.0.2.1", 5000) != GW_OK ||
	    agw_ice_lite_new(&ice, &cfg, &cbs, NULL) != GW_OK)
		return 0;
	agw_ice_set_remote(ice, "remo", "");
	pkt = malloc(4096);
	if (pkt != NULL) {
		len = n - 1 < 4096 ? n - 1 : 4096;
		if ((data[0] & 1) != 0)
			len = build(pkt, 4096, data + 1, n - 1, cfg.local.pwd);
		else
			memcpy(pkt, data + 1, len);
		pkt = realloc(pkt, len > 0 ? len : 1); /* exact: reading past it is found */
	}
	if (pkt != NULL) {
		size_t k = 0;
		const uint8_t *ufrag = agw_ice_peek_ufrag(pkt, len, &k);

		if (ufrag != NULL && (ufrag < pkt || k > len || ufrag + k > pkt + len))
			abort();
		(void)agw_ice_input(ice, env, 0, &from, pkt, len, 1);
	}
	agw_ice_tick(ice, env, 5000);
	free(pkt);
	agw_ice_free(ice);
	return 0;
}
