/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile SDP in every role: offers and answers of both legs, and re-offers on top of a running
 * call. The first octet chooses the role. Memory errors are the sanitizers' to find; here only
 * the promise that an answer never has another number of m-lines than its offer.
 */
#include "cscf/sdp/alg.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define ICE                                                                                        \
	"a=ice-ufrag:Rnov\r\na=ice-pwd:ss7liTdhadxNbTOBew98xSOJ\r\na=setup:actpass\r\n"            \
	"a=mid:0\r\na=rtcp-mux\r\n"                                                                \
	"a=fingerprint:sha-256 BE:7D:A4:DB:D4:C3:7F:4F:35:AB:AE:64:0E:8F:E3:9D:9B:0C:D5:3D:69:"    \
	"85:E7:D7:0D:9E:A4:58:F0:21:BB:DC\r\n"

static const char wic[] =
    HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 8 96\r\n" ICE "a=rtpmap:96 telephone-event/8000\r\n"
	 "m=video 9 UDP/TLS/RTP/SAVPF 97\r\n" ICE "a=rtpmap:97 VP8/90000\r\n";
static const char core[] = HEAD "m=audio 4000 RTP/AVP 8\r\n"
				"m=video 4002 RTP/AVPF 97\r\na=rtpmap:97 VP8/90000\r\n";

static size_t lines(const char *text, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i + 2 < n; i++)
		count += text[i] == '\n' && text[i + 1] == 'm' && text[i + 2] == '=';
	return count;
}

static void give_addresses(struct cscf_sdp_session *s)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		struct cscf_sdp_access_local a = {.addr = "203.0.113.10", .port = 40000};
		struct cscf_sdp_core_local c = {.addr = "10.20.0.5", .port = 30000};

		if (cscf_sdp_set_local(s, i, &a, &c) != GW_OK)
			abort();
	}
}

static void round_from_wic(struct cscf_sdp_session *s, const char *offer, size_t n,
			   const char *answer, size_t answer_n)
{
	struct cscf_sdp_text t;

	if (cscf_sdp_offer_from_wic(s, offer, n) != CSCF_SDP_OK)
		return;
	give_addresses(s);
	if (cscf_sdp_offer_to_core(s, &t) == CSCF_SDP_OK &&
	    cscf_sdp_answer_from_core(s, answer, answer_n) == CSCF_SDP_OK &&
	    cscf_sdp_answer_to_wic(s, &t) == CSCF_SDP_OK && offer[0] == 'v' &&
	    lines(t.p, t.n) != lines(offer, n))
		abort();
	cscf_sdp_commit(s);
	cscf_sdp_rollback(s);
}

static void round_from_core(struct cscf_sdp_session *s, const char *offer, size_t n,
			    const char *answer, size_t answer_n)
{
	struct cscf_sdp_text t;

	if (cscf_sdp_offer_from_core(s, offer, n) != CSCF_SDP_OK)
		return;
	give_addresses(s);
	if (cscf_sdp_offer_to_wic(s, &t) == CSCF_SDP_OK &&
	    cscf_sdp_answer_from_wic(s, answer, answer_n) == CSCF_SDP_OK &&
	    cscf_sdp_answer_to_core(s, &t) == CSCF_SDP_OK && lines(t.p, t.n) != lines(offer, n))
		abort();
	cscf_sdp_commit(s);
	cscf_sdp_rollback(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cscf_sdp_policy policy;
	struct cscf_sdp_session *s;
	const char *text = (const char *)data + 1;
	size_t n = size - 1;

	if (size < 2)
		return 0;
	cscf_sdp_policy_default(&policy);
	if (cscf_sdp_session_new(&s, &policy) != GW_OK)
		return 0;
	if ((data[0] & 4) != 0)
		round_from_wic(s, wic, sizeof(wic) - 1, core, sizeof(core) - 1);
	switch (data[0] & 3) {
	case 0:
		round_from_wic(s, text, n, core, sizeof(core) - 1);
		break;
	case 1:
		round_from_wic(s, wic, sizeof(wic) - 1, text, n);
		break;
	case 2:
		round_from_core(s, text, n, wic, sizeof(wic) - 1);
		break;
	default:
		round_from_core(s, core, sizeof(core) - 1, text, n);
		break;
	}
	cscf_sdp_session_free(s);
	return 0;
}
