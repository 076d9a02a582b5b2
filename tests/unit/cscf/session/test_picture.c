/* SPDX-License-Identifier: Apache-2.0 */
/* A picture by SIP, where the core's RTCP cannot ask for one (rtcp.avp_pli=info). */
#include "cscf/session/session_int.h"
#include "tests/unit/cscf/session/play.h"

#define TYPE "application/media_control+xml"
#define WISH                                                                                       \
	"<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder>"             \
	"</vc_primitive></media_control>"
#define VIDEO_LINE                                                                                 \
	"m=video 40002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=rtpmap:96 VP8/90000\r\n" \
	"a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"                                           \
	"a=ice-ufrag:wicV\r\na=ice-pwd:wicwicwicwicwicwicwicw\r\na=setup:actpass\r\na=mid:1\r\n"   \
	"a=fingerprint:sha-256 "                                                                   \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                         \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\na=rtcp-mux\r\na=sendrecv\r\n"
#define CORE_VIDEO "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"

static const char *plus(const char *sdp, const char *was, const char *version, const char *line)
{
	static char buf[2048];

	snprintf(buf, sizeof(buf), "%s%s", sdp, line);
	memcpy(strstr(buf, was), version, strlen(version));
	return buf;
}

/* A call to which the WIC adds video; the core is plain AVP. @return the video's stream id */
static uint32_t video_call(void)
{
	gw_handle h;

	w.policy.core_video_avpf = false;
	(void)w_mo_call();
	h = w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
		      plus(w_wic_sdp(false), "o=- 1 2", "o=- 1 3", VIDEO_LINE));
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	assert_false(w_has(w.clients[1].msg, "rtcp-fb"));
	w_response(1, 200, NULL, plus(W_CORE_SDP, "o=- 5 6", "o=- 5 7", CORE_VIDEO),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w_has(w_answer_msg(h), "a=rtcp-fb:96 nack pli"), w.cfg.avp_pli_info);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w.iq[w.n_iq - 1].n_ids, 2);
	return w.iq[w.n_iq - 1].ids[1];
}

static void asked(uint32_t stream)
{
	IqNotification n;

	wicgate__iq__v1__notification__init(&n);
	n.event = IQ_V(NOTIFICATION__EVENT__PICTURE_ASKED);
	n.stream_id = stream;
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n);
}

/* An INFO with that body by either side. @return its server transaction */
static gw_handle info(const struct cscf_sip_flow *from, const char *type, const char *body)
{
	bool wic = from == &w_wic;
	gw_handle h = 1000 + w.n_servers;
	char text[1024];

	snprintf(text, sizeof(text),
		 "INFO %s SIP/2.0\r\nVia: SIP/2.0/TCP x.invalid;branch=z9hG4bKp%zu\r\n"
		 "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: c1\r\nCSeq: %zu INFO\r\n"
		 "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		 wic ? "sip:b1@" W_CORE_IP : W_WIC_URI, w.n_servers, wic ? W_ALICE : W_BOB_TAG,
		 wic ? W_BOB_TAG : W_ALICE, w.n_servers + 10, type, strlen(body), body);
	w.servers[w.n_servers] = w_parse(text);
	cscf_session_on_request(w.s, h, w.servers[w.n_servers++], from);
	return h;
}

static void end(void)
{
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_a_wish_of_the_wic_is_an_info_to_the_core(void **state)
{
	uint32_t video;
	size_t n;

	REQ("RTCP-24", "SDP-42");
	(void)state;
	w.cfg.avp_pli_info = true;
	video = video_call();
	n = w.n_clients;
	asked(video);
	assert_int_equal(w.n_clients, n + 1);
	assert_int_equal(w_method(n), CSCF_SIP_INFO);
	assert_false(w.clients[n].to_wic);
	assert_true(w_has(w.clients[n].msg, "INFO sip:b1@" W_CORE_IP));
	assert_true(w_has(w.clients[n].msg, TYPE));
	assert_true(w_has(w.clients[n].msg, "<picture_fast_update>"));
	asked(video); /* the core has not answered the first one */
	assert_int_equal(w.n_clients, n + 1);
	w_response(n, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	w.clients[n].cbs->on_done(w.clients[n].arg, n + 1);
	w.clients[n].live = false;
	w_turn();
	asked(video);
	assert_int_equal(w.n_clients, n + 2);
	end();
}

/* The call is as it was. Who does not know it hears no more of it, who cannot now does later. */
static void test_a_core_that_refuses_is_let_alone(void **state)
{
	static const struct {
		int status;
		bool again;
	} t[] = {{405, false}, {415, false}, {469, false}, {501, false}, {480, true}, {503, true}};

	REQ("RTCP-24");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int64_t before = gw_metric_get(&session_metrics[SM_PICTURE_REFUSED]);
		uint32_t video;
		struct call *c;
		size_t n;

		w.cfg.avp_pli_info = true;
		video = video_call();
		n = w.n_clients;
		asked(video);
		assert_int_equal(w.n_clients, n + 1);
		w_response(n, t[i].status, NULL, NULL, CSCF_SIP_CAUSE_NONE);
		w.clients[n].cbs->on_done(w.clients[n].arg, n + 1);
		w.clients[n].live = false;
		w_turn();
		asked(video);
		assert_int_equal(w.n_clients, n + 1);
		assert_int_equal(gw_metric_get(&session_metrics[SM_PICTURE_REFUSED]), before + 1);
		c = call_find_id(w.s, gw_slice_str("c1"));
		assert_int_equal(c->picture_ms != UINT64_MAX, t[i].again);
		if (t[i].again) { /* as if that long had passed */
			c->picture_ms = session_now_ms();
			asked(video);
			assert_int_equal(w.n_clients, n + 2);
		}
		assert_int_equal(w.released, 0);
		end();
		assert_int_equal(w_teardown(state), 0);
		assert_int_equal(w_setup(state), 0);
	}
}

/* Whatever a core asks for, the WIC's encoder makes two whole pictures a second at most. */
static void test_a_core_that_asks_and_asks(void **state)
{
	struct call *c;
	size_t n;

	REQ("RTCP-24");
	(void)state;
	w.cfg.avp_pli_info = true;
	(void)video_call();
	n = w.n_iq;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(w_status(info(&w_core, TYPE, WISH)), 200);
	c = call_find_id(w.s, gw_slice_str("c1"));
	assert_true(session_now_ms() - c->wic_picture_ms < 500); /* else five were too slow */
	assert_int_equal(w.n_iq, n + 1);
	c->wic_picture_ms -= 500;
	assert_int_equal(w_status(info(&w_core, TYPE, WISH)), 200);
	assert_int_equal(w.n_iq, n + 2);
	end();
}

static void test_by_default_nobody_is_asked(void **state)
{
	uint32_t video = video_call();
	size_t n = w.n_clients;
	gw_handle h;

	REQ("RTCP-24", "SDP-42");
	(void)state;
	asked(video);
	assert_int_equal(w.n_clients, n);
	/* and the core's INFO is the parties' own */
	h = info(&w_core, TYPE, WISH);
	w_turn();
	assert_int_equal(w_status(h), 0);
	assert_int_equal(w.n_clients, n + 1);
	assert_true(w.clients[n].to_wic);
	w_response(n, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	w.clients[n].cbs->on_done(w.clients[n].arg, n + 1);
	w.clients[n].live = false;
	end();
}

static void test_an_info_of_the_core_is_an_order_to_the_agw(void **state)
{
	static const struct {
		const char *body;
		int status;
		bool order;
	} t[] = {{WISH, 200, true},
		 {"<media_control><general_error>x</general_error></media_control>", 200, false},
		 {"<media_control><vc_primitive>", 400, false},
		 {"<!DOCTYPE a><media_control/>", 400, false},
		 {"<?xml version=\"1.0\" encoding=\"EBCDIC-US\"?><media_control/>", 415, false}};
	uint32_t video;
	size_t clients;

	REQ("RTCP-24");
	(void)state;
	w.cfg.avp_pli_info = true;
	video = video_call();
	clients = w.n_clients;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n = w.n_iq;
		gw_handle h = info(&w_core, TYPE, t[i].body);

		assert_int_equal(w_status(h), t[i].status);
		assert_int_equal(w.n_iq, n + (t[i].order ? 1 : 0));
		if (!t[i].order)
			continue;
		assert_int_equal(w.iq[n].op, W_CONFIGURE);
		assert_int_equal(w.iq[n].n_ids, 1); /* not the audio */
		assert_int_equal(w.iq[n].ids[0], video);
		assert_int_equal(w.iq[n].pictures, 1);
	}
	assert_int_equal(w.n_clients, clients); /* nothing of it reached the WIC */
	end();
}

static void test_an_info_of_the_wic_passes(void **state)
{
	size_t n;
	gw_handle h;

	REQ("RTCP-24");
	(void)state;
	w.cfg.avp_pli_info = true;
	(void)video_call();
	n = w.n_clients;
	h = info(&w_wic, TYPE, WISH);
	w_turn();
	assert_int_equal(w.n_clients, n + 1);
	assert_false(w.clients[n].to_wic);
	w_response(n, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	w.clients[n].cbs->on_done(w.clients[n].arg, n + 1);
	w.clients[n].live = false;
	end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_wish_of_the_wic_is_an_info_to_the_core),
	    T(test_a_core_that_refuses_is_let_alone),
	    T(test_a_core_that_asks_and_asks),
	    T(test_by_default_nobody_is_asked),
	    T(test_an_info_of_the_core_is_an_order_to_the_agw),
	    T(test_an_info_of_the_wic_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
