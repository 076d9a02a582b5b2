/* SPDX-License-Identifier: Apache-2.0 */
/* The offers to both ends of a call that goes on at another eIMS-AGW (cscf/sdp/moved.c). */
#include "cscf/sdp/sdp_int.h"
#include "tests/lib/req.h"
#include "tests/unit/cscf/sdp/fixture.h"

#define NEW_ACCESS  "203.0.113.77"
#define NEW_CORE    "10.20.0.77"
#define NEW_ACCESS6 "2001:db8:10::77"
#define NEW_CORE6   "2001:db8:20::77"
#define WIC_AV_DEAD                                                                                \
	FX_WIC_AUDIO                                                                               \
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"                 \
	"a=mid:1\r\na=sctp-port:5000\r\n" FX_VIDEO("58120") FX_ICE FX_DTLS                         \
	    "a=mid:2\r\na=rtcp-mux\r\n" FX_VIDEO_CODECS
#define CORE_AV_DEAD                                                                               \
	FX_CORE_AUDIO "m=video 41004 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"                     \
		      "a=rtcp-fb:96 nack pli\r\n"

struct place {
	bool v6, full;
};

static void move(struct cscf_sdp_session *s, struct place p)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		struct cscf_sdp_access_local a = {.n_fps = 1, .ice_full = p.full};
		struct cscf_sdp_core_local c = {0};

		cscf_sdp_clear_local(s, i);
		if (!cscf_sdp_stream(s, i)->live)
			continue;
		snprintf(a.addr, sizeof(a.addr), "%s", p.v6 ? NEW_ACCESS6 : NEW_ACCESS);
		snprintf(c.addr, sizeof(c.addr), "%s", p.v6 ? NEW_CORE6 : NEW_CORE);
		a.port = (uint16_t)(41000 + 4 * i);
		a.rtcp_port = (uint16_t)(a.port + 1);
		c.port = (uint16_t)(31000 + 4 * i);
		snprintf(a.ufrag, sizeof(a.ufrag), "mov%zu", i);
		snprintf(a.pwd, sizeof(a.pwd), "5kX0uH8dQmB2wPz7sYt1Lr%02zu", i);
		snprintf(a.fps[0].hash, sizeof(a.fps[0].hash), "sha-256");
		a.fps[0].len = 32;
		memset(a.fps[0].value, 0xab, 32);
		assert_int_equal(cscf_sdp_move_local(s, i, &a, &c), GW_OK);
	}
}

/* ---- two texts held against each other --------------------------------------------------------
 */

static unsigned version_of(const char *text)
{
	unsigned long long id;
	unsigned v = 0;

	assert_int_equal(sscanf(strstr(text, "o=- ") + 4, "%llu %u", &id, &v), 2);
	return v;
}

/* The value of a line of section `m` (-1: the session's); false: it has none. */
static bool line_of(const char *text, int m, const char *begin, char *out, size_t n)
{
	int at = -1;

	for (const char *p = text; *p != '\0'; p = strchr(p, '\n') + 1) {
		if (strncmp(p, "m=", 2) == 0)
			at++;
		if (at == m && strncmp(p, begin, strlen(begin)) == 0) {
			snprintf(out, n, "%.*s", (int)strcspn(p, "\r"), p);
			return true;
		}
	}
	return false;
}

static void assert_line(const char *text, int m, const char *begin, const char *want)
{
	char got[256] = "(none)";

	(void)line_of(text, m, begin, got, sizeof(got));
	assert_string_equal(got, want);
}

static void assert_no_line(const char *text, int m, const char *begin)
{
	char got[256];

	assert_false(line_of(text, m, begin, got, sizeof(got)));
}

static void assert_same_lines(const char *before, const char *after)
{
	static const char *const keep[] = {"a=mid:",     "a=sendrecv", "a=sendonly", "a=recvonly",
					   "a=inactive", "b=AS:",      "a=extmap:",  "a=ptime:"};

	assert_int_equal(fx_count(after, "\r\nm="), fx_count(before, "\r\nm="));
	for (int m = 0; m < (int)fx_count(before, "\r\nm="); m++)
		for (size_t k = 0; k < sizeof(keep) / sizeof(keep[0]); k++) {
			char was[256] = "", is[256] = "";

			if (k > 0 && line_of(after, m, "m=", is, sizeof(is)) &&
			    strstr(is, " 0 ") != NULL)
				break; /* refused: only its mid counts */
			is[0] = '\0';
			(void)line_of(before, m, keep[k], was, sizeof(was));
			(void)line_of(after, m, keep[k], is, sizeof(is));
			assert_string_equal(is, was);
		}
	assert_int_equal(version_of(after), version_of(before) + 1);
}

/* Nothing of the old gateway. */
static void assert_left(const char *text)
{
	static const char *const old[] = {FX_ACCESS, FX_CORE " ",  FX_CORE "\r",   FX_CORE6 "\r",
					  "agw0",    "agw1",       "4kX0uH8d",     " 4000",
					  " 3000",   "a=tls-id:x", "00:07:0E:15:", "0.0.0.0"};

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if (strstr(text, old[i]) != NULL)
			fail_msg("has \"%s\":\n%s", old[i], text);
}

/* The texts that stand on both legs, copied. */
struct stood {
	char *wic, *core;
};

static struct stood stand(struct cscf_sdp_session *s)
{
	struct stood t;

	cscf_sdp_commit(s);
	t = (struct stood){strdup(s->wic.agreed_text), strdup(s->core.agreed_text)};
	assert_true(t.wic != NULL && t.core != NULL);
	return t;
}

/* The WIC's audio call, or one with video, as it stands at the old gateway. */
static struct stood mo_call(struct cscf_sdp_session *s, const char *wic, const char *core)
{
	struct cscf_sdp_text t;

	assert_int_equal(fx_wic_offer(s, wic, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, core, &t), CSCF_SDP_OK);
	return stand(s);
}

static void ask(struct cscf_sdp_session *s, bool to_core, const char *before,
		struct cscf_sdp_text *t)
{
	assert_int_equal(cscf_sdp_reoffer_moved(s, to_core, t), CSCF_SDP_OK);
	assert_left(t->p);
	assert_same_lines(before, t->p);
	assert_int_equal(strlen(t->p), t->n);
}

static void end(struct cscf_sdp_session *s, struct stood *t)
{
	free(t->wic);
	free(t->core);
	cscf_sdp_session_free(s);
}

/* ---- the tests --------------------------------------------------------------------------------
 */

/* Whole texts: whatever changes in them is seen here. */
static void test_both_offers_word_for_word(void **state)
{
	REQ("ICE-18", "DTLS-20", "SDP-07");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct stood was = mo_call(s, FX_WIC_AUDIO, FX_CORE_AUDIO);
	static const char wic[] = FX_WIC_ANSWER("a=setup:active\r\n");
	static const char to_wic[] =
	    "s=-\r\nt=0 0\r\na=ice-lite\r\n"
	    "m=audio 41000 UDP/TLS/RTP/SAVPF 8 126\r\nc=IN IP4 " NEW_ACCESS "\r\n"
	    "a=mid:0\r\na=rtcp-mux\r\na=rtcp-mux-only\r\na=3ge2ae:applied\r\n"
	    "a=ice-ufrag:mov0\r\na=ice-pwd:5kX0uH8dQmB2wPz7sYt1Lr00\r\n"
	    "a=candidate:1 1 udp 2130706431 " NEW_ACCESS " 41000 typ host\r\n"
	    "a=end-of-candidates\r\na=fingerprint:sha-256 AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:"
	    "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB\r\na=setup:actpass\r\n"
	    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:126 telephone-event/8000\r\na=fmtp:126 "
	    "0-15\r\na=sendrecv\r\n";
	static const char to_core[] =
	    "s=-\r\nc=IN IP4 " NEW_CORE "\r\nt=0 0\r\nm=audio 31000 RTP/AVP 8 126\r\nb=AS:88\r\n"
	    "a=rtpmap:8 PCMA/8000\r\n"
	    "a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 "
	    "0-15\r\na=rtcp:31001\r\na=sendrecv\r\n";
	struct cscf_sdp_text t;

	(void)state;
	move(s, (struct place){0});
	ask(s, false, was.wic, &t);
	assert_string_equal(strstr(t.p, "s=-"), to_wic);
	assert_true(cscf_sdp_round_is_ours(s));
	assert_int_equal(cscf_sdp_answer_from_wic(s, wic, strlen(wic)), CSCF_SDP_OK);
	cscf_sdp_commit(s);
	ask(s, true, was.core, &t);
	assert_string_equal(strstr(t.p, "s=-"), to_core);
	assert_int_equal(cscf_sdp_answer_from_core(s, FX_CORE_AUDIO, strlen(FX_CORE_AUDIO)),
			 CSCF_SDP_OK);
	cscf_sdp_commit(s);
	assert_true(cscf_sdp_stream(s, 0)->live);
	end(s, &was);
}

/* A line that one leg never saw stays out of its offers, one that was refused stays refused. */
static void test_dead_lines_keep_their_place(void **state)
{
	REQ("SDP-13", "ICE-18");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct stood was = mo_call(s, WIC_AV_DEAD, CORE_AV_DEAD);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_count(was.wic, "\r\nm="), 3);
	move(s, (struct place){0});
	ask(s, false, was.wic, &t);
	assert_line(t.p, 0, "m=", "m=audio 41000 UDP/TLS/RTP/SAVPF 8 126");
	assert_line(t.p, 1, "m=", "m=application 0 UDP/DTLS/SCTP webrtc-datachannel");
	assert_line(t.p, 2, "a=ice-ufrag:", "a=ice-ufrag:mov2");
	assert_line(t.p, 2, "c=", "c=IN IP4 " NEW_ACCESS);
	assert_non_null(strstr(t.p, "m=video 41008 UDP/TLS/RTP/SAVPF 96"));
	assert_int_equal(fx_count(t.p, "a=setup:actpass\r\n"), 2);
	cscf_sdp_rollback(s);
	ask(s, true, was.core, &t);
	assert_int_equal(fx_count(t.p, "a=ice"), 0);
	assert_int_equal(fx_count(t.p, "a=fingerprint"), 0);
	assert_non_null(strstr(t.p, "m=video 31008 RTP/AVPF 96\r\n"));
	end(s, &was);
}

static void test_a_line_in_the_middle_that_the_core_refused(void **state)
{
	REQ("SDP-13");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *core = fx_with(FX_CORE_AV, "m=video 41004", "m=video 0");
	struct stood was = mo_call(s, FX_WIC_AV, core);
	struct cscf_sdp_text t;

	(void)state;
	move(s, (struct place){0});
	ask(s, false, was.wic, &t);
	assert_non_null(strstr(t.p, "m=video 0 UDP/TLS/RTP/SAVPF"));
	assert_int_equal(fx_count(t.p, "a=candidate:"), 1);
	cscf_sdp_rollback(s);
	ask(s, true, was.core, &t);
	assert_non_null(strstr(t.p, "m=video 0 RTP/"));
	free(core);
	end(s, &was);
}

static void test_video_keeps_its_feedback_and_loses_what_was_not_agreed(void **state)
{
	REQ("SDP-10", "ICE-18");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct stood was = mo_call(s, FX_WIC_AV, FX_CORE_AV);
	struct cscf_sdp_text t;

	(void)state;
	assert_non_null(strstr(was.core, "PCMA"));
	assert_non_null(strstr(was.core, "opus")); /* was offered … */
	move(s, (struct place){0});
	ask(s, true, was.core, &t);
	assert_null(strstr(t.p, "opus")); /* … and not taken */
	assert_null(strstr(t.p, "a=fmtp:111"));
	assert_non_null(strstr(t.p, "a=rtpmap:126 telephone-event/8000\r\n"));
	assert_non_null(strstr(t.p, "a=rtcp-fb:96 nack pli\r\n"));
	cscf_sdp_rollback(s);
	ask(s, false, was.wic, &t);
	assert_int_equal(fx_count(t.p, "a=rtcp-fb:96 "), fx_count(was.wic, "a=rtcp-fb:96 "));
	assert_true(fx_count(t.p, "a=rtcp-fb:96 ") > 0);
	end(s, &was);
}

static const struct hold_row {
	const char *wic_says, *core_says;
	const char *to_wic, *to_core;
} holds[] = {{"sendonly", "recvonly", "a=recvonly", "a=sendonly"},
	     {"recvonly", "sendonly", "a=sendonly", "a=recvonly"},
	     {"inactive", "inactive", "a=inactive", "a=inactive"},
	     /* a hold in the first answer: the WIC's direction is that of its answer from now on */
	     {"sendrecv", "sendonly", "a=sendonly", "a=recvonly"}};

static void test_a_held_call_stays_held(void **state)
{
	REQ("SDP-28", "ICE-18");

	(void)state;
	for (size_t k = 0; k < sizeof(holds) / sizeof(holds[0]); k++) {
		const struct hold_row *r = &holds[k];
		struct cscf_sdp_session *s = fx_session(NULL);
		char wic[4096], core[1024], answer[2048];
		struct cscf_sdp_text t;
		struct stood was;

		snprintf(wic, sizeof(wic), "%sa=%s\r\n", FX_WIC_AUDIO, r->wic_says);
		snprintf(core, sizeof(core), "%sa=%s\r\n", FX_CORE_AUDIO, r->core_says);
		snprintf(answer, sizeof(answer), "%sa=%s\r\n", FX_WIC_ANSWER("a=setup:active\r\n"),
			 r->to_wic[2] == 's' ? "recvonly" : r->wic_says);
		was = mo_call(s, wic, core);
		move(s, (struct place){0});
		ask(s, false, was.wic, &t);
		assert_non_null(strstr(t.p, r->to_wic));
		assert_int_equal(cscf_sdp_answer_from_wic(s, answer, strlen(answer)), CSCF_SDP_OK);
		cscf_sdp_commit(s);
		if (k == 3)
			assert_int_equal(cscf_sdp_reoffer_moved(s, true, &t), CSCF_SDP_OK);
		else
			ask(s, true, was.core, &t);
		assert_left(t.p);
		assert_non_null(strstr(t.p, r->to_core));
		assert_int_equal(cscf_sdp_answer_from_core(s, core, strlen(core)), CSCF_SDP_OK);
		cscf_sdp_commit(s);
		assert_int_equal(cscf_sdp_stream(s, 0)->core_remote.dir, k == 2 ? CSCF_SDP_INACTIVE
									 : r->core_says[0] == 's'
									     ? CSCF_SDP_SENDONLY
									     : CSCF_SDP_RECVONLY);
		end(s, &was);
	}
}

static void test_ipv6_in_place_of_ipv4_and_a_full_agent(void **state)
{
	REQ("ICE-18", "SDP-06");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct stood was = mo_call(s, FX_WIC_AV, FX_CORE_AV);
	struct cscf_sdp_text t;

	(void)state;
	move(s, (struct place){.v6 = true, .full = true});
	ask(s, false, was.wic, &t);
	assert_null(strstr(t.p, "a=ice-lite"));
	assert_line(t.p, 0, "c=", "c=IN IP6 " NEW_ACCESS6);
	assert_line(t.p, 1, "c=", "c=IN IP6 " NEW_ACCESS6);
	assert_non_null(strstr(t.p, " IN IP6 "));
	cscf_sdp_rollback(s);
	ask(s, true, was.core, &t);
	assert_line(t.p, -1, "c=", "c=IN IP6 " NEW_CORE6);
	assert_no_line(t.p, 0, "c=");
	cscf_sdp_rollback(s);
	/* and a lite one says so again, once, before the first line */
	move(s, (struct place){0});
	assert_int_equal(cscf_sdp_reoffer_moved(s, false, &t), CSCF_SDP_OK);
	assert_line(t.p, -1, "a=ice-lite", "a=ice-lite");
	assert_int_equal(fx_count(t.p, "a=ice-lite"), 1);
	end(s, &was);
}

/* access.rtcp_mux=offer, and a WIC that will not: two components, there as here. */
static void test_rtcp_on_a_port_of_its_own(void **state)
{
	REQ("ICE-18", "RTCP-02");
	struct cscf_sdp_policy policy = *fx_policy();
	char *wic = fx_with(FX_WIC_AUDIO, "a=rtcp-mux\r\n", "");
	struct cscf_sdp_session *s;
	struct cscf_sdp_text t;
	struct stood was;

	(void)state;
	policy.access_rtcp_mux = CSCF_SDP_MUX_OFFER;
	s = fx_session(&policy);
	was = mo_call(s, wic, FX_CORE_AUDIO);
	move(s, (struct place){0});
	ask(s, false, was.wic, &t);
	assert_line(t.p, 0, "a=rtcp:", "a=rtcp:41001");
	assert_no_line(t.p, 0, "a=rtcp-mux");
	assert_non_null(
	    strstr(t.p, "a=candidate:1 2 udp 2130706430 " NEW_ACCESS " 41001 typ host"));
	free(wic);
	end(s, &was);
}

static void test_when_it_cannot_be(void **state)
{
	REQ("SDP-35");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_access_local a = {0};
	struct cscf_sdp_core_local c = {0};
	struct cscf_sdp_text t;
	struct stood was;

	(void)state;
	assert_int_equal(cscf_sdp_reoffer_moved(s, false, &t), CSCF_SDP_STATE); /* no call */
	assert_int_equal(cscf_sdp_move_local(s, 0, &a, &c), GW_ERR_NOT_FOUND);
	was = mo_call(s, FX_WIC_AUDIO, FX_CORE_AUDIO);
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_reoffer_moved(s, false, &t),
			 CSCF_SDP_STATE); /* a round is open */
	assert_int_equal(cscf_sdp_move_local(s, 0, &a, &c), GW_ERR_STATE);
	cscf_sdp_rollback(s);
	move(s, (struct place){0});
	ask(s, false, was.wic, &t);
	cscf_sdp_rollback(s); /* refused: the next one counts from what was said last */
	assert_int_equal(cscf_sdp_reoffer_moved(s, false, &t), CSCF_SDP_OK);
	assert_true(version_of(t.p) > version_of(was.wic));
	end(s, &was);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_offers_word_for_word),
	    cmocka_unit_test(test_dead_lines_keep_their_place),
	    cmocka_unit_test(test_a_line_in_the_middle_that_the_core_refused),
	    cmocka_unit_test(test_video_keeps_its_feedback_and_loses_what_was_not_agreed),
	    cmocka_unit_test(test_a_held_call_stays_held),
	    cmocka_unit_test(test_ipv6_in_place_of_ipv4_and_a_full_agent),
	    cmocka_unit_test(test_rtcp_on_a_port_of_its_own),
	    cmocka_unit_test(test_when_it_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
