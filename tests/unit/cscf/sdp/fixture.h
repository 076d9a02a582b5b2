/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SDP tests share: the addresses an eIMS-AGW would give (those of calls-and-media
 * section 3), small core and WIC descriptions, and whole rounds in one call.
 */
#ifndef TESTS_UNIT_CSCF_SDP_FIXTURE_H
#define TESTS_UNIT_CSCF_SDP_FIXTURE_H

#include "cscf/sdp/alg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FX_ACCESS "203.0.113.10"
#define FX_CORE   "10.20.0.5"
#define FX_CORE6  "2001:db8:20::5"

#define FX_FP                                                                                      \
	"BE:7D:A4:DB:D4:C3:7F:4F:35:AB:AE:64:0E:8F:E3:9D:9B:0C:D5:3D:69:85:E7:D7:0D:9E:A4:58:"     \
	"F0:21:BB:DC"
#define FX_FP2                                                                                     \
	"11:7D:A4:DB:D4:C3:7F:4F:35:AB:AE:64:0E:8F:E3:9D:9B:0C:D5:3D:69:85:E7:D7:0D:9E:A4:58:"     \
	"F0:21:BB:DC"
#define FX_HEAD "v=0\r\no=- 5645355810408982095 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define FX_ICE  "a=ice-ufrag:Rnov\r\na=ice-pwd:ss7liTdhadxNbTOBew98xSOJ\r\na=ice-options:trickle\r\n"
#define FX_DTLS "a=fingerprint:sha-256 " FX_FP "\r\na=setup:actpass\r\n"
#define FX_AUDIO(port)                                                                             \
	"m=audio " port " UDP/TLS/RTP/SAVPF 111 8 126\r\nc=IN IP4 198.51.100.23\r\n"               \
	"a=rtcp:9 IN IP4 0.0.0.0\r\n"
#define FX_AUDIO_CODECS                                                                            \
	"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"                   \
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:126 telephone-event/8000\r\n"
#define FX_VIDEO(port) "m=video " port " UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 198.51.100.23\r\n"
#define FX_VIDEO_CODECS                                                                            \
	"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n"             \
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
#define FX_WIC_AUDIO                                                                               \
	FX_HEAD FX_AUDIO("51472") FX_ICE FX_DTLS "a=mid:0\r\na=rtcp-mux\r\n" FX_AUDIO_CODECS
#define FX_WIC_AV                                                                                  \
	FX_WIC_AUDIO FX_VIDEO("58120") FX_ICE FX_DTLS "a=mid:1\r\na=rtcp-mux\r\n" FX_VIDEO_CODECS
#define FX_CORE_HEAD "v=0\r\no=mgw 77 1 IN IP4 10.30.0.9\r\ns=-\r\nc=IN IP4 10.30.0.9\r\nt=0 0\r\n"
#define FX_CORE_AUDIO                                                                              \
	FX_CORE_HEAD "m=audio 41000 RTP/AVP 8 126\r\na=rtpmap:8 PCMA/8000\r\n"                     \
		     "a=rtpmap:126 telephone-event/8000\r\n"

static uint8_t fx_serves; /* feedback the AGW serves itself */

static const struct cscf_sdp_policy *fx_policy(void)
{
	static struct cscf_sdp_policy policy;

	cscf_sdp_policy_default(&policy);
	return &policy;
}

static inline struct cscf_sdp_session *fx_session(const struct cscf_sdp_policy *policy)
{
	struct cscf_sdp_session *s = NULL;

	assert_int_equal(cscf_sdp_session_new(&s, policy != NULL ? policy : fx_policy()), GW_OK);
	return s;
}

static inline void fx_local(struct cscf_sdp_session *s, size_t i)
{
	const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);
	struct cscf_sdp_access_local a = {.addr = FX_ACCESS, .n_fps = 1, .serves_fb = fx_serves};
	struct cscf_sdp_core_local c = {.addr = FX_CORE};
	unsigned n = (unsigned)i;

	a.port = (uint16_t)(40000 + 2 * n);
	assert_non_null(st);
	if (strchr(st->core_remote.addr, ':') != NULL)
		snprintf(c.addr, sizeof(c.addr), FX_CORE6);
	snprintf(a.ufrag, sizeof(a.ufrag), st->ice_restart ? "agw%ur" : "agw%u", n);
	snprintf(a.pwd, sizeof(a.pwd), "4kX0uH8dQmB2wPz7sYt1Lr%02u", n);
	snprintf(a.fps[0].hash, sizeof(a.fps[0].hash), "sha-256");
	a.fps[0].len = 32;
	for (unsigned k = 0; k < 32; k++)
		a.fps[0].value[k] = (uint8_t)(k * 7);
	c.port = (uint16_t)(30000 + 2 * n);
	assert_int_equal(cscf_sdp_set_local(s, i, &a, &c), GW_OK);
}

/* As the session layer does it: resources for every live stream that has none,
 * new credentials for one whose ICE starts anew. */
static inline void fx_locals(struct cscf_sdp_session *s)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);

		if (st->live && (!st->has_local || st->ice_restart))
			fx_local(s, i);
	}
}

static inline size_t fx_count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static inline enum cscf_sdp_verdict fx_wic_offer(struct cscf_sdp_session *s, const char *text,
						 struct cscf_sdp_text *to_core)
{
	enum cscf_sdp_verdict v = cscf_sdp_offer_from_wic(s, text, strlen(text));

	if (v != CSCF_SDP_OK)
		return v;
	fx_locals(s);
	return cscf_sdp_offer_to_core(s, to_core);
}

static inline enum cscf_sdp_verdict fx_core_answer(struct cscf_sdp_session *s, const char *text,
						   struct cscf_sdp_text *to_wic)
{
	enum cscf_sdp_verdict v = cscf_sdp_answer_from_core(s, text, strlen(text));

	return v != CSCF_SDP_OK ? v : cscf_sdp_answer_to_wic(s, to_wic);
}

static inline enum cscf_sdp_verdict fx_core_offer(struct cscf_sdp_session *s, const char *text,
						  struct cscf_sdp_text *to_wic)
{
	enum cscf_sdp_verdict v = cscf_sdp_offer_from_core(s, text, strlen(text));

	if (v != CSCF_SDP_OK)
		return v;
	fx_locals(s);
	return cscf_sdp_offer_to_wic(s, to_wic);
}

static inline enum cscf_sdp_verdict fx_wic_answer(struct cscf_sdp_session *s, const char *text,
						  struct cscf_sdp_text *to_core)
{
	enum cscf_sdp_verdict v = cscf_sdp_answer_from_wic(s, text, strlen(text));

	return v != CSCF_SDP_OK ? v : cscf_sdp_answer_to_core(s, to_core);
}

#define FX_VIDEO_MID1(port, extra)                                                                 \
	FX_VIDEO(port) FX_ICE FX_DTLS "a=mid:1\r\na=rtcp-mux\r\n" extra FX_VIDEO_CODECS
#define FX_GROUP      "a=group:BUNDLE 0 1\r\n"
#define FX_AUDIO_BODY FX_AUDIO("51472") FX_ICE FX_DTLS "a=mid:0\r\na=rtcp-mux\r\n" FX_AUDIO_CODECS
#define FX_CORE_AV                                                                                 \
	FX_CORE_AUDIO "m=video 41004 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"                     \
		      "a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n"
#define FX_WIC_ANSWER(setup)                                                                       \
	FX_HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 8 126\r\nc=IN IP4 0.0.0.0\r\n" FX_ICE                 \
		"a=fingerprint:sha-256 " FX_FP "\r\n" setup                                        \
		"a=mid:0\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\n"                                \
		"a=rtpmap:126 telephone-event/8000\r\n"

/* `text` with every `from` replaced by `to`. */
static inline char *fx_with(const char *text, const char *from, const char *to)
{
	size_t n = fx_count(text, from);
	char *out = calloc(1, strlen(text) + n * strlen(to) + 1);

	assert_non_null(out);
	assert_true(n > 0);
	for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
		strncat(out, text, (size_t)(at - text));
		strcat(out, to);
	}
	return strcat(out, text);
}

/* The property that binds text and parameters together, for the text of one leg. */
static inline void fx_assert_agrees(struct cscf_sdp_session *s, const struct cscf_sdp_text *t,
				    bool wic)
{
	size_t live = 0;
	char want[128];

	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);

		if (!st->live)
			continue;
		live++;
		snprintf(want, sizeof(want), "m=%s %u %s %u",
			 st->media == CSCF_SDP_AUDIO ? "audio" : "video",
			 wic ? st->access_local.port : st->core_local.port,
			 wic             ? "UDP/TLS/RTP/SAVPF"
			 : st->core_avpf ? "RTP/AVPF"
					 : "RTP/AVP",
			 st->fmts[0].pt);
		assert_non_null(strstr(t->p, want));
		if (wic && st->dtls == CSCF_SDP_DTLS_CLIENT)
			assert_non_null(strstr(t->p, "a=setup:active"));
		if (wic && st->dtls == CSCF_SDP_DTLS_SERVER)
			assert_non_null(strstr(t->p, "a=setup:passive"));
	}
	assert_int_equal(
	    fx_count(t->p, "\r\nm=") - fx_count(t->p, " 0 UDP") - fx_count(t->p, " 0 RTP"), live);
	assert_null(strstr(t->p, wic ? FX_CORE : FX_ACCESS));
	assert_null(strstr(t->p, wic ? "10.30.0.9" : "198.51.100.23"));
	assert_null(strstr(t->p, "0.0.0.0"));
	assert_null(strstr(t->p, "BUNDLE"));
	assert_null(strstr(t->p, "bundle-only"));
}

#endif
