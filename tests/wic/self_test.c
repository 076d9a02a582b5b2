/* SPDX-License-Identifier: Apache-2.0 */
/* Self-test of the media half; see self_test.h. Prints one line per case. */
#include "tests/wic/self_test.h"

#include "tests/wic/media.h"
#include "tests/wic/sound.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MS    1200
#define SETTLE_MS 3000
#define SLICE_MS  20

struct end {
	struct wic_options o;
	struct wic_media *m;
	struct wic_media_stats st;
	unsigned failed;
};

static void on_ice(void *arg, const struct gw_addr *peer)
{
	(void)arg;
	(void)peer;
}

static void on_dtls(void *arg, const char *profile)
{
	(void)arg;
	(void)profile;
}

static void on_first(void *arg)
{
	(void)arg;
}

static void on_failed(void *arg, const char *why)
{
	((struct end *)arg)->failed++;
	(void)why;
}

static const struct wic_media_cbs cbs = {on_ice, on_dtls, on_first, on_failed};

static void describe(const struct wic_media *m, struct wic_media_peer *p)
{
	memset(p, 0, sizeof(*p));
	(void)snprintf(p->ufrag, sizeof(p->ufrag), "%s", wic_media_ufrag(m));
	(void)snprintf(p->pwd, sizeof(p->pwd), "%s", wic_media_pwd(m));
	(void)snprintf(p->fingerprint, sizeof(p->fingerprint), "%s", wic_dtls_fingerprint());
	p->candidates[0] = *wic_media_addr(m);
	p->n_candidates = 1;
}

static void turn(struct event_base *base, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)event_base_loopexit(base, &tv);
	(void)event_base_dispatch(base);
}

static bool start_pair(struct event_base *base, struct end *a, struct end *b,
		       bool break_fingerprint)
{
	struct wic_media_peer of_a, of_b;
	struct gw_addr ip;

	if (gw_addr_parse_ip(&ip, "127.0.0.1", 0) != GW_OK ||
	    wic_media_new(&a->m, base, &a->o, &ip, &cbs, a) != GW_OK ||
	    wic_media_new(&b->m, base, &b->o, &ip, &cbs, b) != GW_OK)
		return false;
	describe(a->m, &of_a);
	describe(b->m, &of_b);
	of_a.dtls_client = true; /* what b is to be: the answerer is active */
	if (break_fingerprint)
		of_a.fingerprint[0] = of_a.fingerprint[0] == '0' ? '1' : '0';
	return wic_media_start(a->m, true, &of_b) == GW_OK &&
	       wic_media_start(b->m, false, &of_a) == GW_OK;
}

/* Until all that a sent is back, where there is an echo; bounded. */
static void settle(struct event_base *base, struct end *a)
{
	for (int ms = 0; ms < SETTLE_MS; ms += SLICE_MS) {
		turn(base, SLICE_MS);
		wic_media_stats(a->m, &a->st);
		if (ms >= 100 && (a->st.returned == 0 || a->st.lost == 0))
			return;
	}
}

static bool run_pair(struct end *a, struct end *b, bool break_fingerprint)
{
	struct event_base *base = event_base_new();
	bool ok = base != NULL && start_pair(base, a, b, break_fingerprint);

	if (ok) {
		turn(base, RUN_MS);
		wic_media_quiet(a->m);
		settle(base, a);
		wic_media_quiet(b->m);
		wic_media_stats(a->m, &a->st);
		wic_media_stats(b->m, &b->st);
	}
	wic_media_free(a->m);
	wic_media_free(b->m);
	if (base != NULL)
		event_base_free(base);
	return ok;
}

static int say(const char *what, bool ok, const struct end *a, const struct end *b)
{
	(void)printf("%s %s ice_ms=%.1f dtls_ms=%.1f sent=%llu returned=%llu lost=%llu corrupt=%llu"
		     " peer_received=%llu profile=%s tone_share=%.3f\n",
		     ok ? "ok" : "FAIL", what, a->st.ice_ms, a->st.dtls_ms,
		     (unsigned long long)a->st.sent, (unsigned long long)a->st.returned,
		     (unsigned long long)a->st.lost, (unsigned long long)a->st.corrupt,
		     (unsigned long long)b->st.received,
		     a->st.profile != NULL ? a->st.profile : "none", b->st.tone_share);
	return ok ? 0 : 1;
}

/* a sends a checkable stream, b echoes it: octet by octet and none lost. */
static int check_profile(const struct wic_options *o, const char *profile)
{
	struct end a = {.o = *o}, b = {.o = *o};
	bool ok;

	a.o.payload = WIC_PAYLOAD_CHECK;
	b.o.payload = WIC_PAYLOAD_ECHO;
	if (wic_dtls_setup(profile) != GW_OK)
		return say(profile, false, &a, &b);
	ok = run_pair(&a, &b, false) && a.st.ice && a.st.dtls && b.st.dtls && a.st.returned > 40 &&
	     a.st.lost == 0 && a.st.corrupt == 0 && b.st.corrupt == 0 && a.st.srtp_failed == 0 &&
	     b.st.srtp_failed == 0 && a.st.rtcp_out > 0 && b.st.rtcp_in > 0 &&
	     a.st.profile != NULL && strcmp(a.st.profile, profile) == 0;
	wic_dtls_teardown();
	return say(profile, ok, &a, &b);
}

static int check_tone(const struct wic_options *o, double hz, double expect, bool heard)
{
	struct end a = {.o = *o}, b = {.o = *o};
	char what[64];
	bool ok;

	a.o.payload = WIC_PAYLOAD_TONE;
	a.o.tone_hz = hz;
	b.o.payload = WIC_PAYLOAD_NONE;
	b.o.expect_hz = expect;
	(void)snprintf(what, sizeof(what), "tone:%.0f-heard-as:%.0f", hz, expect);
	if (wic_dtls_setup(o->dtls_profile) != GW_OK)
		return say(what, false, &a, &b);
	ok = run_pair(&a, &b, false) && b.st.received > 40 && b.st.tone == heard;
	wic_dtls_teardown();
	return say(what, ok, &a, &b);
}

static int check_wrong_fingerprint(const struct wic_options *o)
{
	struct end a = {.o = *o}, b = {.o = *o};
	bool ok;

	if (wic_dtls_setup(o->dtls_profile) != GW_OK)
		return say("wrong-fingerprint", false, &a, &b);
	ok = run_pair(&a, &b, true) && b.failed == 1 && b.st.received == 0 && b.st.sent == 0;
	wic_dtls_teardown();
	return say("wrong-fingerprint-is-refused", ok, &a, &b);
}

/* Each G.711 octet decodes to a level that encodes to the same octet (both zeros of PCMU alike). */
static int check_g711(void)
{
	unsigned wrong = 0;

	for (int pt = 0; pt <= 8; pt += 8)
		for (int v = 0; v < 256; v++) {
			uint8_t back = wic_g711_encode(pt, wic_g711_decode(pt, (uint8_t)v));

			wrong += back != v && !(pt == 0 && v == 0x7f && back == 0xff);
		}
	(void)printf("%s g711 wrong=%u\n", wrong == 0 ? "ok" : "FAIL", wrong);
	return wrong == 0 ? 0 : 1;
}

int wic_self_test(const struct wic_options *o)
{
	int failed = check_g711();

	failed += check_profile(o, "SRTP_AES128_CM_SHA1_80");
	failed += check_profile(o, "SRTP_AES128_CM_SHA1_32");
	failed += check_profile(o, "SRTP_AEAD_AES_128_GCM");
	failed += check_profile(o, "SRTP_AEAD_AES_256_GCM");
	failed += check_tone(o, 440, 440, true);
	failed += check_tone(o, 440, 1000, false);
	failed += check_wrong_fingerprint(o);
	(void)printf("self-test: %d passed, %d failed\n", 8 - failed, failed);
	return failed == 0 ? 0 : 1;
}
