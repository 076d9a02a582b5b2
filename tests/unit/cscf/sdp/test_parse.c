/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are good, bad with their exact verdict, and at each limit and one above it. */
#include "fixture.h"
#include "tests/lib/req.h"

#include "common/slice.h"

static enum cscf_sdp_verdict offer(const char *text)
{
	struct cscf_sdp_session *s = fx_session(NULL);
	enum cscf_sdp_verdict v = cscf_sdp_offer_from_wic(s, text, strlen(text));

	assert_int_equal(cscf_sdp_round_open(s), v == CSCF_SDP_OK);
	cscf_sdp_session_free(s);
	return v;
}

/* `text` with the first `from` replaced by `to`. */
static char *edited(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out;

	assert_non_null(at);
	out = calloc(1, strlen(text) + strlen(to) + 1);
	assert_non_null(out);
	memcpy(out, text, (size_t)(at - text));
	strcat(out, to);
	strcat(out, at + strlen(from));
	return out;
}

static void test_bad_texts_have_their_verdict(void **state)
{
	REQ("SDP-38", "SDP-04", "ICE-06", "ICE-27", "DTLS-08");
	static const struct {
		const char *from, *to;
		enum cscf_sdp_verdict want;
	} cases[] = {
	    {"v=0", "v=1", CSCF_SDP_VERSION},
	    {"v=0\r\n", "", CSCF_SDP_SYNTAX},
	    {"o=- 5645355810408982095 2 IN", "o=- 5645355810408982095 IN", CSCF_SDP_SYNTAX},
	    {"IN IP4 127.0.0.1", "ATM IP4 127.0.0.1", CSCF_SDP_VERSION},
	    {"IN IP4 198.51.100.23", "IN IP5 198.51.100.23", CSCF_SDP_VERSION},
	    {"IN IP4 198.51.100.23", "IN IP4 ::1", CSCF_SDP_SYNTAX},
	    {"t=0 0", "no line at all", CSCF_SDP_SYNTAX},
	    {"51472", "70000", CSCF_SDP_SYNTAX},
	    {"51472", "x", CSCF_SDP_SYNTAX},
	    {"m=audio", "m=", CSCF_SDP_SYNTAX},
	    {"UDP/TLS/RTP/SAVPF", "RTP/AVP", CSCF_SDP_PROTO},
	    {"UDP/TLS/RTP/SAVPF", "RTP/SAVP", CSCF_SDP_PROTO},
	    {"51472", "51472/2", CSCF_SDP_PROTO},
	    {"a=fingerprint:sha-256", "a=fingerprint:sha-384", CSCF_SDP_NO_DTLS},
	    {"a=fingerprint:sha-256", "a=fingerprint:md5", CSCF_SDP_NO_DTLS},
	    {"a=fingerprint:", "a=x:", CSCF_SDP_NO_DTLS},
	    {"BE:7D", "BE:7G", CSCF_SDP_NO_DTLS},
	    {"actpass", "holdconn", CSCF_SDP_NO_DTLS},
	    {"a=ice-ufrag:Rnov", "a=ice-ufrag:Rno", CSCF_SDP_NO_ICE},
	    {"a=ice-ufrag:Rnov", "a=ice-ufrag:Rn v", CSCF_SDP_NO_ICE},
	    {"a=ice-pwd:", "a=x-pwd:", CSCF_SDP_NO_ICE},
	    {"111 8 126", "126", CSCF_SDP_NO_FORMAT},
	    {"111 8 126", "111 126", CSCF_SDP_OK},
	    {"m=audio", "m=application", CSCF_SDP_NO_MEDIA},
	    {"51472", "0", CSCF_SDP_NO_MEDIA},
	    {"a=rtcp-mux\r\n", "", CSCF_SDP_OK},
	    {"a=rtcp-mux\r\n", "a=rtcp-mux\r\nq=unknown type\r\n", CSCF_SDP_OK},
	    {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", CSCF_SDP_OK},
	    {"UDP/TLS/RTP/SAVPF", "RTP/SAVPF", CSCF_SDP_OK},
	};

	(void)state;
	assert_int_equal(offer(FX_WIC_AUDIO), CSCF_SDP_OK);
	assert_int_equal(offer(""), CSCF_SDP_SYNTAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = edited(FX_WIC_AUDIO, cases[i].from, cases[i].to);
		enum cscf_sdp_verdict v = offer(text);

		if (v != cases[i].want)
			fail_msg("%s -> %s: %s, not %s", cases[i].from, cases[i].to,
				 cscf_sdp_verdict_name(v), cscf_sdp_verdict_name(cases[i].want));
		free(text);
	}
}

/* Every cut of a good text is taken or refused with a name; sanitizers watch the rest. */
static void test_every_prefix_is_harmless(void **state)
{
	REQ("SDP-38");
	size_t n = strlen(FX_WIC_AV), good = 0;

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		char *text = malloc(i + 1);
		struct cscf_sdp_session *s = fx_session(NULL);

		assert_non_null(text);
		memcpy(text, FX_WIC_AV, i);
		if (cscf_sdp_offer_from_wic(s, text, i) == CSCF_SDP_OK)
			good++;
		cscf_sdp_rollback(s);
		cscf_sdp_session_free(s);
		free(text);
	}
	assert_true(good > 0 && good < n);
}

static void test_line_endings_may_be_lf(void **state)
{
	REQ("SDP-38");
	char *text = strdup(FX_WIC_AV);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; text[i] != '\0'; i++)
		if (text[i] != '\r')
			text[n++] = text[i];
	text[n] = '\0';
	assert_int_equal(offer(text), CSCF_SDP_OK);
	free(text);
}

static char *repeat(const char *head, const char *unit, size_t times)
{
	size_t h = strlen(head), u = strlen(unit);
	char *out = malloc(h + u * times + 1);

	assert_non_null(out);
	memcpy(out, head, h);
	for (size_t i = 0; i < times; i++)
		memcpy(out + h + i * u, unit, u);
	out[h + u * times] = '\0';
	return out;
}

static void test_limits_hold_at_the_limit_and_fail_above(void **state)
{
	REQ("SDP-38");
	static const struct {
		const char *unit;
		size_t limit;
	} cases[] = {
	    {"m=audio 0 RTP/AVP 0\r\n", CSCF_SDP_MAX_MEDIA - 1},
	    {"a=sendrecv\r\n", CSCF_SDP_MAX_ATTR - 8},
	};
	char *line = repeat("i=", "x", CSCF_SDP_MAX_LINE - 2), *text;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		text = repeat(FX_WIC_AUDIO, cases[i].unit, cases[i].limit);
		assert_int_equal(offer(text), CSCF_SDP_OK);
		free(text);
		text = repeat(FX_WIC_AUDIO, cases[i].unit, cases[i].limit + 1);
		assert_int_equal(offer(text), CSCF_SDP_LIMIT);
		free(text);
	}
	text = repeat(FX_WIC_AUDIO, line, 1);
	assert_int_equal(offer(text), CSCF_SDP_OK);
	free(text);
	text = repeat(FX_WIC_AUDIO, line, 1);
	text = realloc(text, strlen(text) + 2);
	assert_non_null(text);
	strcat(text, "x");
	assert_int_equal(offer(text), CSCF_SDP_LIMIT);
	free(text);
	free(line);
	text = repeat(FX_WIC_AUDIO, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", 1000);
	assert_int_equal(offer(text), CSCF_SDP_OK); /* bounded by the text alone */
	free(text);
	text = repeat(FX_HEAD "m=audio 9 UDP/TLS/RTP/SAVPF", " 0", CSCF_SDP_MAX_FMT + 1);
	assert_int_equal(offer(text), CSCF_SDP_LIMIT);
	free(text);
	text = repeat(FX_WIC_AUDIO, "q=\r\n", CSCF_SDP_MAX_TEXT / 4);
	assert_int_equal(offer(text), CSCF_SDP_LIMIT);
	free(text);
}

static void test_verdicts_map_to_sip(void **state)
{
	const char *text;

	(void)state;
	assert_int_equal(cscf_sdp_verdict_status(CSCF_SDP_SYNTAX), 400);
	for (unsigned v = CSCF_SDP_LIMIT; v < CSCF_SDP_STATE; v++) {
		assert_int_equal(cscf_sdp_verdict_status((enum cscf_sdp_verdict)v), 488);
		assert_true(cscf_sdp_verdict_warning((enum cscf_sdp_verdict)v, &text) >= 300);
		assert_true(strlen(text) > 0);
	}
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_NO_FORMAT, &text), 305);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_NO_MEDIA, &text), 304);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_PROTO, &text), 302);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_ADDR_FAMILY, &text), 301);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_SYNTAX, &text), 0);
}

static void test_candidates_are_kept_or_passed_over(void **state)
{
	REQ("ICE-07", "ICE-09", "SDP-14", "DTLS-09");
	const char *extra =
	    "a=candidate:1 1 udp 1 x.local 9 typ host\r\n"
	    "a=candidate:2 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n"
	    "a=candidate:garbage\r\n"
	    "a=candidate:3 1 UDP 77 192.0.2.1 5000 typ srflx raddr 0.0.0.0 rport 0\r\n"
	    "a=candidate:4 2 udp 78 2001:db8::1 5001 typ host\r\n"
	    "a=candidate:5 3 udp 78 192.0.2.1 5001 typ host\r\n"
	    "a=candidate:6 1 udp 78 192.0.2.1 0 typ host\r\n"
	    "a=fingerprint:sha-256 " FX_FP2 "\r\n"
	    "a=fingerprint:sha-1 00:11\r\na=fingerprint:sha-512 00:11\r\n";
	struct cscf_sdp_session *s = fx_session(NULL);
	char *text = repeat(FX_WIC_AUDIO, extra, 1);
	const struct cscf_sdp_stream *st;

	(void)state;
	assert_int_equal(cscf_sdp_offer_from_wic(s, text, strlen(text)), CSCF_SDP_OK);
	st = cscf_sdp_stream(s, 0);
	assert_int_equal(st->access_remote.n_cands, 2);
	assert_string_equal(st->access_remote.cands[0].addr, "192.0.2.1");
	assert_int_equal(st->access_remote.cands[0].port, 5000);
	assert_string_equal(st->access_remote.cands[0].type, "srflx");
	assert_int_equal(st->access_remote.cands[1].component, 2);
	assert_int_equal(st->access_remote.n_fps, 2);
	assert_int_equal(st->access_remote.fps[0].value[0], 0xBE);
	assert_int_equal(st->access_remote.fps[1].value[0], 0x11);
	assert_string_equal(st->access_remote.ufrag, "Rnov");
	free(text);
	cscf_sdp_session_free(s);
}

/* The fixture's WIC, lite: nothing of it is checked, so the default candidate counts. */
static void test_the_default_candidate_of_a_lite_wic_comes_first(void **state)
{
	REQ("ICE-19");
	static const struct {
		const char *extra;
		size_t n;
		const char *type;
	} cases[] = {
	    {"", 1, "host"},
	    {"a=candidate:1 1 udp 99 192.0.2.1 5000 typ host\r\n", 2, "host"},
	    {"a=candidate:1 1 udp 99 192.0.2.1 5000 typ host\r\n"
	     "a=candidate:2 1 udp 77 198.51.100.23 51472 typ srflx raddr 10.0.0.1 rport 9\r\n",
	     3, "srflx"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		char *more = repeat(FX_WIC_AUDIO, cases[i].extra, 1);
		char *text = fx_with(more, "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
		const struct cscf_sdp_access_remote *r;

		assert_int_equal(cscf_sdp_offer_from_wic(s, text, strlen(text)), CSCF_SDP_OK);
		r = &cscf_sdp_stream(s, 0)->access_remote;
		assert_true(r->ice_lite);
		assert_int_equal(r->n_cands, cases[i].n);
		assert_string_equal(r->cands[0].addr, "198.51.100.23");
		assert_int_equal(r->cands[0].port, 51472);
		assert_string_equal(r->cands[0].type, cases[i].type);
		free(text);
		free(more);
		cscf_sdp_session_free(s);
	}
}

static void test_masked_text_shows_no_ice_secret(void **state)
{
	REQ("SDP-43");
	char *m = cscf_sdp_masked(FX_WIC_AV, strlen(FX_WIC_AV));

	(void)state;
	assert_non_null(m);
	assert_int_equal(strlen(m), strlen(FX_WIC_AV));
	assert_null(strstr(m, "Rnov"));
	assert_null(strstr(m, "ss7liTdhadxNbTOBew98xSOJ"));
	assert_non_null(strstr(m, "a=ice-pwd:****"));
	assert_non_null(strstr(m, "a=mid:1"));
	free(m);
}

static void test_masked_text_shows_no_key_and_no_ufrag_of_a_candidate(void **state)
{
	static const char text[] = "v=0\r\nk=clear:XX\r\nA=Crypto:1 AES inline:XX\n"
				   "a=candidate:1 1 udp 1 h 9 typ host ufrag XX network-id 1\r\n"
				   "a=ice-pwd:XX";
	char *m = cscf_sdp_masked(text, strlen(text));

	(void)state;
	REQ("SDP-43");
	assert_non_null(m);
	assert_null(strstr(m, "XX"));
	assert_non_null(strstr(m, "typ host ufrag ** network-id 1\r\n"));
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad_texts_have_their_verdict),
	    cmocka_unit_test(test_every_prefix_is_harmless),
	    cmocka_unit_test(test_line_endings_may_be_lf),
	    cmocka_unit_test(test_limits_hold_at_the_limit_and_fail_above),
	    cmocka_unit_test(test_verdicts_map_to_sip),
	    cmocka_unit_test(test_candidates_are_kept_or_passed_over),
	    cmocka_unit_test(test_the_default_candidate_of_a_lite_wic_comes_first),
	    cmocka_unit_test(test_masked_text_shows_no_ice_secret),
	    cmocka_unit_test(test_masked_text_shows_no_key_and_no_ufrag_of_a_candidate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
