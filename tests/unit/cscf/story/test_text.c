/* SPDX-License-Identifier: Apache-2.0 */
/* A call from beginning to end, as text and as JSON, whole. cscf/story/text.c, json.c, rows.c. */
#include "cscf/sip/mask.h"
#include "proto/iq_codec.h"
#include "tests/unit/cscf/story/tell.h"

#define VIA   "Via: SIP/2.0/WSS a.invalid;branch=z9hG4bKw\r\n"
#define VIA_C "Via: SIP/2.0/UDP gw.example;branch=z9hG4bKc\r\n"
#define FROM  "From: \"Alice A.\" <sip:alice@ims.example>;tag=a1\r\n"
#define TO    "To: <sip:bob@ims.example>\r\n"
#define TO_T  "To: <sip:bob@ims.example>;tag=b1\r\n"
#define ID    "Call-ID: c1@ims.example\r\n"
#define SDP_W                                                                                      \
	"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"                                      \
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 8 126\r\nc=IN IP4 0.0.0.0\r\n"                            \
	"a=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\n"                       \
	"a=ice-ufrag:abcd\r\na=ice-pwd:verysecretpassword123456\r\na=sendrecv\r\n"                 \
	"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"
#define SDP_C                                                                                      \
	"v=0\r\no=bob 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"              \
	"m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n"

static void say_iq(struct cscf_story_call *c, const char *proc, uint32_t took)
{
	struct cscf_iq_trace t = {
	    .what = CSCF_IQ_TRACE_SENT, .proc = proc, .agw = "agw1", .code = "", .detail = ""};

	cscf_story_iq(c, &t);
	t_now += took;
	t.what = CSCF_IQ_TRACE_DONE;
	t.took_ms = took;
	cscf_story_iq(c, &t);
}

static void say_gates(struct cscf_story_call *c, bool up, bool down)
{
	IqGate gate;
	IqStreamRequest r;
	IqStreamRequest *list[] = {&r};

	wicgate__iq__v1__gate__init(&gate);
	wicgate__iq__v1__stream_request__init(&r);
	gate.uplink = up;
	gate.downlink = down;
	r.stream_id = 0;
	r.gate = &gate;
	cscf_story_gates(c, list, 1);
}

static void say_stats(struct cscf_story_call *c)
{
	static char pair[] = "198.51.100.7", profile[] = "AES_CM", version[] = "DTLS 1.2";
	IqAddress remote;
	IqDirectionStats up;
	IqDirectionStats down;
	IqStreamStats s;
	IqStreamStats *list[] = {&s};

	wicgate__iq__v1__address__init(&remote);
	wicgate__iq__v1__direction_stats__init(&up);
	wicgate__iq__v1__direction_stats__init(&down);
	wicgate__iq__v1__stream_stats__init(&s);
	remote.ip = pair;
	remote.port = 5000;
	up.rtp_packets = 100;
	up.rtp_octets = 16000;
	up.lost = 2;
	up.far_rtt_us = 21460;
	up.mos_x100 = 407;
	down.mos_x100 = 440;
	up.first_in_ms = 1901; /* 1900 ms ago */
	up.first_out_ms = 1901;
	s.uplink = &up;
	s.downlink = &down;
	s.ice_first_check_ms = 1981;
	s.ice_connected_ms = 1971;
	s.dtls_started_ms = 1971;
	s.dtls_established_ms = 1921;
	s.srtp_profile = profile;
	s.dtls_version = version;
	s.selected_remote = &remote;
	cscf_story_stats(c, list, 1, true);
}

static void say_event(struct cscf_story_call *c)
{
	IqNotification n;

	wicgate__iq__v1__notification__init(&n);
	n.event = IQ_V(NOTIFICATION__EVENT__DTLS_ESTABLISHED);
	cscf_story_event(c, &n);
}

/* The WIC calls, is answered, and hangs up after two seconds. */
static void play(void)
{
	struct cscf_sip_msg *invite;
	struct cscf_story_call *c;
	struct cscf_sip_flow w2 = {.side = CSCF_SIP_W2, .conn = 7};

#define INVITE                                                                                     \
	"INVITE sip:bob@ims.example SIP/2.0\r\n" VIA FROM TO ID                                    \
	"CSeq: 1 INVITE\r\nProxy-Authorization: Digest username=\"alice\", response=\"00ff\"\r\n"  \
	"Content-Type: application/sdp\r\n\r\n" SDP_W
	t_wire(CSCF_SIP_W2, true, INVITE);
	invite = t_msg(INVITE);
	c = cscf_story_begin(t_story, invite, true, 42);
	assert_non_null(c);
	cscf_story_identify(c, "sip:alice@ims.example", "icid-1");
	cscf_story_flow(c, 7);
	cscf_story_state(c, "OFFERING");
	say_iq(c, "reserve", 3);
	t_wire(CSCF_SIP_MW, false,
	       "INVITE sip:bob@ims.example SIP/2.0\r\n" VIA_C FROM TO ID "CSeq: 1 INVITE\r\n\r\n");
	t_now += 100;
	t_wire(CSCF_SIP_MW, false,
	       "INVITE sip:bob@ims.example SIP/2.0\r\n" VIA_C FROM TO ID "CSeq: 1 INVITE\r\n\r\n");
	t_wire(CSCF_SIP_MW, true,
	       "SIP/2.0 200 OK\r\n" VIA_C FROM TO_T ID
	       "CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n" SDP_C);
	say_gates(c, false, true);
	say_iq(c, "configure", 2);
	say_gates(c, false, true); /* as they were: not told again */
	t_wire(CSCF_SIP_W2, false, "SIP/2.0 200 OK\r\n" VIA FROM TO_T ID "CSeq: 1 INVITE\r\n\r\n");
	cscf_story_wire(t_story,
			&(struct cscf_sip_wire){.flow = &w2, .msg = invite, .again_status = 200});
	cscf_story_state(c, "CONFIRMED");
	t_now += 75;
	say_event(c);
	cscf_story_timer(c, "T_consent: no ICE restart came");
	t_now += 1920;
	t_wire(CSCF_SIP_W2, true,
	       "BYE sip:bob@192.0.2.9 SIP/2.0\r\n" VIA FROM TO_T ID
	       "CSeq: 2 BYE\r\nReason: SIP;cause=200;text=\"done\"\r\n\r\n");
	cscf_story_stream(
	    c,
	    &(struct cscf_story_stream){
		.id = 0, .kind = "audio", .dtls = "client", .live = true, .codecs = "PCMA/8000"});
	cscf_story_release(c, &(struct cscf_story_release){.cause = "bye", .by = CSCF_STORY_WIC});
	say_stats(c);
	cscf_story_end(c, 200);
	cscf_sip_msg_free(invite);
}

/* The file beside this one; what differs is printed whole, for a look and a copy. */
static void compare(const char *text)
{
	static char expected[16384];
	FILE *f = fopen("tests/unit/cscf/story/answered.txt", "r");
	size_t n;

	assert_non_null(f);
	n = fread(expected, 1, sizeof(expected) - 1, f);
	expected[n] = '\0';
	(void)fclose(f);
	if (strcmp(text, expected) != 0)
		fprintf(stderr, "%s", text);
	assert_true(strcmp(text, expected) == 0);
}

static void test_an_answered_call_as_text(void **state)
{
	struct cscf_story_view view = {0};
	char *text;

	REQ("RTP-26");
	(void)state;
	t_open(10, 1 << 20, 100);
	play();
	text = cscf_story_text(t_find("42"), &view);
	assert_non_null(text);
	compare(text);
	free(text);
	t_close();
}

static void test_the_same_as_json_whole_and_masked(void **state)
{
	struct cscf_story_view view = {.full = true, .mask = true};
	json_t *o, *events, *first;
	char *dump;

	(void)state;
	t_open(10, 1 << 20, 100);
	play();
	o = cscf_story_json(t_find("c1@"), &view);
	events = json_object_get(o, "events");
	first = json_array_get(events, 0);
	assert_string_equal(json_string_value(json_object_get(o, "cause")), "bye");
	assert_string_equal(json_string_value(json_object_get(o, "ended_by")), "the WIC");
	assert_int_equal(json_integer_value(json_object_get(o, "answered_ms")), 105);
	assert_string_equal(json_string_value(json_object_get(first, "method")), "INVITE");
	assert_string_equal(json_string_value(json_object_get(first, "side")), "w2");
	dump = json_dumps(o, JSON_COMPACT);
	/* secrets and persons are nowhere */
	assert_non_null(strstr(dump, "\"rtt_ms\":21.46"));
	assert_non_null(strstr(dump, "\"mos\":4.4"));
	assert_null(strstr(dump, "verysecret"));
	assert_null(strstr(dump, "00ff"));
	assert_null(strstr(dump, "alice"));
	assert_null(strstr(dump, "Alice"));
	assert_null(strstr(dump, "sip:bob"));
	assert_null(strstr(dump, "o=bob"));
	assert_non_null(strstr(dump, "a=ice-ufrag:abcd"));
	assert_non_null(strstr(dump, "a=ice-pwd:(removed)"));
	assert_non_null(strstr(dump, cscf_sip_mask_always(gw_slice_str("sip:alice@ims.example"))));
	free(dump);
	json_decref(o);
	t_close();
}

static void test_found_by_user_pseudonym_and_beginning(void **state)
{
	struct cscf_story_ask failed = {.failed = true};
	struct cscf_story_call *c = NULL;

	(void)state;
	t_open(10, 1 << 20, 100);
	play();
	assert_non_null(t_find("c1@ims.example"));
	assert_non_null(t_find("c1"));
	assert_null(t_find("c2"));
	assert_non_null(t_find("sip:alice@ims.example"));
	assert_non_null(t_find(cscf_sip_mask_always(gw_slice_str("sip:alice@ims.example"))));
	assert_null(t_find("sip:bob@ims.example")); /* it is alice's call */
	assert_int_equal(cscf_story_find(t_story, &failed, &c), CSCF_STORY_NONE);
	t_close();
}

/* Descriptions that no parser of ours took: read as far as they go. */
static void test_odd_descriptions_are_summed_up_too(void **state)
{
	static const struct {
		const char *sdp, *says;
	} cases[] = {
	    {"m=audio 4000 RTP/AVP 8\r\nc=IN IP4\r\n", "SDP audio sendrecv -:4000 RTP/AVP PCMA"},
	    {"m=audio 4000/2 RTP/AVP 8\r\nc=IN IP6 ::1\r\n",
	     "SDP audio sendrecv ::1:4000 RTP/AVP PCMA"},
	    {"c=IN IP\r\nm=audio\r\n", "SDP audio rejected"},
	    {"m=\r\n", "SDP rejected"},
	    {"m=audio x y z\r\n", "SDP audio rejected"},
	    {"m=audio 1 RTP/AVP x\r\n", "SDP audio sendrecv -:1 RTP/AVP"},
	};
	struct cscf_story_view view = {0};
	char text[600];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out;

		t_open(10, 1 << 20, 100);
		snprintf(text, sizeof(text),
			 "INVITE sip:bob@ims.example SIP/2.0\r\n" VIA FROM TO ID
			 "CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n%s",
			 cases[i].sdp);
		t_wire(CSCF_SIP_W2, true, text);
		out = cscf_story_text(t_find("c1"), &view);
		assert_non_null(out);
		if (strstr(out, cases[i].says) == NULL)
			fail_msg("%s is not in: %s", cases[i].says, out);
		free(out);
		t_close();
	}
}

static void say_bad_event(struct cscf_story_call *c, IqEvent event, IqCause cause)
{
	static char ip[] = "192.0.2.1";
	IqAddress remote;
	IqNotification n;

	wicgate__iq__v1__address__init(&remote);
	wicgate__iq__v1__notification__init(&n);
	remote.ip = ip;
	remote.port = 9;
	n.remote = &remote;
	n.event = event;
	n.cause = cause;
	cscf_story_event(c, &n);
}

static bool has_line_that_ends_in_a_blank(const char *text)
{
	return strstr(text, " \n") != NULL;
}

/* In one line what the AGW said, and nothing of a line that decides is cut. */
static void test_the_outcome_says_why_media_was_lost(void **state)
{
	static const struct {
		const char *cause;
		IqEvent event;
		IqCause why;
		const char *says;
	} cases[] = {
	    {"media-lost", IQ_V(NOTIFICATION__EVENT__ICE_FAILED),
	     IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT),
	     "never answered: 500, media-lost (ICE FAILED, TIMEOUT) by the gateway"},
	    {"fingerprint", IQ_V(NOTIFICATION__EVENT__DTLS_FAILED),
	     IQ_V(NOTIFICATION__CAUSE__CAUSE_FINGERPRINT),
	     "fingerprint (DTLS FAILED, FINGERPRINT) by"},
	    {"media-lost", IQ_V(NOTIFICATION__EVENT__CONSENT_LOST),
	     IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED), "media-lost (CONSENT LOST) by"},
	    {"media-lost", IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED),
	     IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED), "500, media-lost by"},
	    {"bye", IQ_V(NOTIFICATION__EVENT__ICE_FAILED),
	     IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED), "500, bye by"},
	};
	static const char reason[] = "SIP;cause=503;text=\"a reason for more lines, to-its-end\"";
	struct cscf_story_view view = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sip_msg *msg = t_msg(INVITE);
		struct cscf_story_call *c;
		char *out;

		t_open(10, 1 << 20, 100);
		t_wire(CSCF_SIP_W2, true, INVITE);
		c = cscf_story_begin(t_story, msg, true, 42);
		say_bad_event(c, cases[i].event, cases[i].why);
		cscf_story_release(c, &(struct cscf_story_release){.cause = cases[i].cause,
								   .reason = reason,
								   .by = CSCF_STORY_GATEWAY});
		/* what comes after the end is not why */
		say_bad_event(c, IQ_V(NOTIFICATION__EVENT__DTLS_CLOSED),
			      IQ_V(NOTIFICATION__CAUSE__CAUSE_PEER_CLOSED));
		cscf_story_end(c, 500);
		out = cscf_story_text(t_find("42"), &view);
		if (strstr(out, cases[i].says) == NULL || strstr(out, "to-its-end\"") == NULL ||
		    strstr(out, "telephone-event") == NULL || has_line_that_ends_in_a_blank(out))
			fail_msg("%s, no cut or blank end: %s", cases[i].says, out);
		for (const char *line = out; *line != '\0'; line += strcspn(line, "\n") + 1)
			assert_in_range(strcspn(line, "\n"), 0, 120);
		free(out);
		cscf_sip_msg_free(msg);
		t_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_answered_call_as_text),
	    cmocka_unit_test(test_the_same_as_json_whole_and_masked),
	    cmocka_unit_test(test_odd_descriptions_are_summed_up_too),
	    cmocka_unit_test(test_the_outcome_says_why_media_was_lost),
	    cmocka_unit_test(test_found_by_user_pseudonym_and_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
