/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GStreamer's webrtcbin as a WIC's media: descriptions go in and out on stdin and stdout (base64),
 * ICE, DTLS-SRTP and RTP are its own. It sends a 1 kHz tone (and a test picture), and tells what it
 * gets: the share of the tone that is looked for, frames decoded. No SIP: the test speaks that.
 *
 *   wicgate-webrtcbin [--bundle none|balanced|max-compat|max-bundle] [--codec opus|pcmu] [--video]
 *                     [--ip ADDRESS] [--hear HZ]
 *   stdin: "offer", "answer BASE64" (to our offer), "take BASE64" (an offer: prints our answer),
 * "quit" stdout: "event=description type=offer sdp=BASE64", "event=heard share=0.98 samples=8000",
 *           "event=frames count=15", "event=connection state=…", "event=problem what=…"
 *
 * Thread: main loop; handoffs run on GStreamer's threads and only print.
 */
#include <gst/gst.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of libgstwebrtc and libgstsdp, whose headers would bring half a gigabyte of packages. */
struct description {
	int type; /* GstWebRTCSDPType */
	void *sdp;
};
enum { TYPE_OFFER = 1, TYPE_ANSWER = 3 };
enum { GATHERING_COMPLETE = 2 };
GType gst_webrtc_session_description_get_type(void);
struct description *gst_webrtc_session_description_new(int type, void *sdp);
void gst_webrtc_session_description_free(struct description *d);
int gst_sdp_message_new_from_text(const char *text, void **msg);
char *gst_sdp_message_as_text(const void *msg);

#define RATE 8000

/* kinds of description, as create-… names them in its reply */
static char offer[] = "offer";
static char answer[] = "answer";

static struct {
	char *bundle, *codec, *ip;
	gboolean video;
	double hear;
} opt = {.bundle = NULL, .codec = NULL, .ip = NULL, .hear = 1000};

static const GOptionEntry entries[] = {
    {"bundle", 0, 0, G_OPTION_ARG_STRING, &opt.bundle, "bundle-policy", "POLICY"},
    {"codec", 0, 0, G_OPTION_ARG_STRING, &opt.codec, "opus or pcmu", "CODEC"},
    {"video", 0, 0, G_OPTION_ARG_NONE, &opt.video, "send VP8 too", NULL},
    {"ip", 0, 0, G_OPTION_ARG_STRING, &opt.ip, "local address", "ADDRESS"},
    {"hear", 0, 0, G_OPTION_ARG_DOUBLE, &opt.hear, "tone to look for", "HZ"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static struct {
	GMainLoop *loop;
	GstElement *pipeline, *webrtc;
	const char *pending; /* description to print once gathering is over */
	double s1, s2, energy;
	unsigned samples, frames;
	int failed;
} peer;

static void problem(const char *what)
{
	g_print("event=problem what=\"%s\"\n", what);
	peer.failed = 1;
	g_main_loop_quit(peer.loop);
}

/* ---- what arrives ------------------------------------------------------------------------------
 */

/* A second of 16-bit samples at a time: Goertzel's share of the tone. */
static void hear(GstElement *sink, GstBuffer *buf, GstPad *pad, gpointer arg)
{
	const double k = 2 * cos(2 * G_PI * opt.hear / RATE);
	GstMapInfo map;

	(void)sink, (void)pad, (void)arg;
	if (!gst_buffer_map(buf, &map, GST_MAP_READ))
		return;
	for (gsize i = 0; i + 2 <= map.size; i += 2) {
		gint16 x;
		double s0;

		memcpy(&x, map.data + i, 2);
		s0 = x + k * peer.s1 - peer.s2;
		peer.s2 = peer.s1;
		peer.s1 = s0;
		peer.energy += (double)x * x;
		if (++peer.samples < RATE)
			continue;
		s0 = peer.s1 * peer.s1 + peer.s2 * peer.s2 - k * peer.s1 * peer.s2;
		g_print("event=heard share=%.3f samples=%u\n",
			peer.energy > 0 ? s0 * 2 / (peer.energy * RATE) : 0, peer.samples);
		peer.s1 = peer.s2 = peer.energy = 0;
		peer.samples = 0;
	}
	gst_buffer_unmap(buf, &map);
}

static void see(GstElement *sink, GstBuffer *buf, GstPad *pad, gpointer arg)
{
	(void)sink, (void)buf, (void)pad, (void)arg;
	if (++peer.frames % 15 == 0)
		g_print("event=frames count=%u\n", peer.frames);
}

static void on_pad(GstElement *webrtc, GstPad *pad, gpointer arg)
{
	GstCaps *caps = gst_pad_get_current_caps(pad);
	const char *name =
	    gst_structure_get_string(gst_caps_get_structure(caps, 0), "encoding-name");
	gboolean video = strcmp(name, "VP8") == 0;
	const char *how =
	    video ? "rtpvp8depay ! vp8dec ! fakesink name=out signal-handoffs=true"
	    : strcmp(name, "PCMU") == 0
		? "rtppcmudepay ! mulawdec ! audio/x-raw,rate=8000,channels=1,format=S16LE ! "
		  "fakesink name=out signal-handoffs=true"
		: "rtpopusdepay ! opusdec ! audioconvert ! audioresample ! "
		  "audio/x-raw,rate=8000,channels=1,format=S16LE ! "
		  "fakesink name=out signal-handoffs=true";
	GstElement *bin;
	GstElement *out;
	GstPad *sink;

	(void)webrtc, (void)arg;
	if (GST_PAD_DIRECTION(pad) != GST_PAD_SRC)
		goto done;
	bin = gst_parse_bin_from_description(how, TRUE, NULL);
	out = gst_bin_get_by_name(GST_BIN(bin), "out");
	g_signal_connect(out, "handoff", video ? G_CALLBACK(see) : G_CALLBACK(hear), NULL);
	gst_object_unref(out);
	gst_bin_add(GST_BIN(peer.pipeline), bin);
	gst_element_sync_state_with_parent(bin);
	sink = gst_element_get_static_pad(bin, "sink");
	if (gst_pad_link(pad, sink) != GST_PAD_LINK_OK)
		problem("pad not linked");
	gst_object_unref(sink);
done:
	gst_caps_unref(caps);
}

/* ---- descriptions ------------------------------------------------------------------------------
 */

static void print_local(void)
{
	struct description *d = NULL;
	char *text;
	char *code;

	g_object_get(peer.webrtc, "local-description", &d, NULL);
	if (d == NULL) {
		problem("no local description");
		return;
	}
	text = gst_sdp_message_as_text(d->sdp);
	code = g_base64_encode((const guchar *)text, strlen(text));
	g_print("event=description type=%s sdp=%s\n", peer.pending, code);
	peer.pending = NULL;
	g_free(code);
	g_free(text);
	gst_webrtc_session_description_free(d);
}

static gboolean gathered(gpointer arg)
{
	int state = 0;

	(void)arg;
	if (peer.pending == NULL)
		return G_SOURCE_REMOVE;
	g_object_get(peer.webrtc, "ice-gathering-state", &state, NULL);
	if (state == GATHERING_COMPLETE)
		print_local();
	return G_SOURCE_REMOVE;
}

static void on_state(GObject *webrtc, GParamSpec *spec, gpointer arg)
{
	int state = 0;

	(void)arg;
	g_object_get(webrtc, spec->name, &state, NULL);
	g_print("event=%s state=%d\n",
		strcmp(spec->name, "connection-state") == 0 ? "connection" : "ice", state);
}

static void on_gathering(GObject *webrtc, GParamSpec *spec, gpointer arg)
{
	(void)webrtc, (void)spec, (void)arg;
	g_idle_add(gathered, NULL);
}

/* offer or answer made: it is ours from now on */
static void on_made(GstPromise *promise, gpointer type)
{
	const GstStructure *reply = gst_promise_get_reply(promise);
	struct description *d = NULL;

	if (reply != NULL)
		gst_structure_get(reply, (const char *)type,
				  gst_webrtc_session_description_get_type(), &d, NULL);
	gst_promise_unref(promise);
	if (d == NULL) {
		problem("no description made");
		return;
	}
	peer.pending = type;
	g_signal_emit_by_name(peer.webrtc, "set-local-description", d, NULL);
	gst_webrtc_session_description_free(d);
	g_idle_add(gathered, NULL);
}

static void make(char *type)
{
	GstPromise *p = gst_promise_new_with_change_func(on_made, type, NULL);

	g_signal_emit_by_name(peer.webrtc, type == offer ? "create-offer" : "create-answer", NULL,
			      p);
}

/* The reply to set-remote-description is empty, or says what is wrong. */
static void on_taken(GstPromise *promise, gpointer offered)
{
	const GstStructure *reply = gst_promise_get_reply(promise);
	GError *err = NULL;

	if (reply != NULL && gst_structure_get(reply, "error", G_TYPE_ERROR, &err, NULL)) {
		problem(err->message);
		g_error_free(err);
	} else if (offered != NULL) {
		make(answer);
	}
	gst_promise_unref(promise);
}

static void take(int type, const char *code)
{
	gsize n = 0;
	guchar *bytes = g_base64_decode(code, &n);
	char *text = g_strndup((char *)bytes, n);
	struct description *d;
	void *sdp = NULL;

	if (gst_sdp_message_new_from_text(text, &sdp) == 0) {
		d = gst_webrtc_session_description_new(type, sdp);
		g_signal_emit_by_name(peer.webrtc, "set-remote-description", d,
				      gst_promise_new_with_change_func(
					  on_taken, type == TYPE_OFFER ? offer : NULL, NULL));
		gst_webrtc_session_description_free(d);
	} else {
		problem("unreadable description");
	}
	g_free(text);
	g_free(bytes);
}

/* ---- what is asked for -------------------------------------------------------------------------
 */

static gboolean on_input(GIOChannel *in, GIOCondition why, gpointer arg)
{
	char *line = NULL;
	gsize end = 0;

	(void)why, (void)arg;
	if (g_io_channel_read_line(in, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
		g_main_loop_quit(peer.loop);
		return G_SOURCE_REMOVE;
	}
	line[end] = '\0';
	if (strcmp(line, "offer") == 0)
		make(offer);
	else if (strncmp(line, "answer ", 7) == 0)
		take(TYPE_ANSWER, line + 7);
	else if (strncmp(line, "take ", 5) == 0)
		take(TYPE_OFFER, line + 5);
	else
		g_main_loop_quit(peer.loop);
	g_free(line);
	return G_SOURCE_CONTINUE;
}

static gboolean on_bus(GstBus *bus, GstMessage *msg, gpointer arg)
{
	GError *err = NULL;

	(void)bus, (void)arg;
	if (GST_MESSAGE_TYPE(msg) == GST_MESSAGE_ERROR) {
		gst_message_parse_error(msg, &err, NULL);
		problem(err->message);
		g_error_free(err);
	}
	return G_SOURCE_CONTINUE;
}

static gboolean build(void)
{
	const char *audio =
	    g_strcmp0(opt.codec, "pcmu") == 0
		? "mulawenc ! rtppcmupay ! application/x-rtp,payload=0"
		: "opusenc ! rtpopuspay pt=111 ! application/x-rtp,encoding-name=OPUS,payload=111";
	char *text = g_strdup_printf(
	    "webrtcbin name=w bundle-policy=%s latency=50 "
	    "audiotestsrc is-live=true freq=1000 volume=0.3 ! audioconvert ! audioresample ! "
	    "%s ! queue ! %s ! w. %s",
	    opt.bundle != NULL ? opt.bundle : "none",
	    g_strcmp0(opt.codec, "pcmu") == 0 ? "audio/x-raw,rate=8000,channels=1"
					      : "audio/x-raw,rate=48000,channels=2",
	    audio,
	    opt.video ? "videotestsrc is-live=true ! "
			"video/x-raw,width=320,height=240,framerate=15/1 ! queue ! "
			"vp8enc deadline=1 keyframe-max-dist=15 target-bitrate=300000 ! "
			"rtpvp8pay pt=96 ! application/x-rtp,encoding-name=VP8,payload=96 ! w."
		      : "");
	GError *err = NULL;
	GObject *ice = NULL;
	gboolean done = FALSE;

	peer.pipeline = gst_parse_launch(text, &err);
	g_free(text);
	if (err != NULL) {
		g_printerr("wicgate-webrtcbin: %s\n", err->message);
		g_error_free(err);
		return FALSE;
	}
	peer.webrtc = gst_bin_get_by_name(GST_BIN(peer.pipeline), "w");
	g_object_get(peer.webrtc, "ice-agent", &ice, NULL);
	if (opt.ip != NULL)
		g_signal_emit_by_name(ice, "add-local-ip-address", opt.ip, &done);
	g_object_unref(ice);
	g_signal_connect(peer.webrtc, "pad-added", G_CALLBACK(on_pad), NULL);
	g_signal_connect(peer.webrtc, "notify::ice-gathering-state", G_CALLBACK(on_gathering),
			 NULL);
	g_signal_connect(peer.webrtc, "notify::connection-state", G_CALLBACK(on_state), NULL);
	g_signal_connect(peer.webrtc, "notify::ice-connection-state", G_CALLBACK(on_state), NULL);
	return opt.ip == NULL || done;
}

int main(int argc, char **argv)
{
	GOptionContext *context = g_option_context_new(NULL);
	GIOChannel *in = g_io_channel_unix_new(0);
	GstBus *bus;

	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_group(context, gst_init_get_option_group());
	if (!g_option_context_parse(context, &argc, &argv, NULL))
		return 2;
	g_option_context_free(context);
	setvbuf(stdout, NULL, _IOLBF, 0);
	peer.loop = g_main_loop_new(NULL, FALSE);
	if (!build())
		return 1;
	bus = gst_element_get_bus(peer.pipeline);
	gst_bus_add_watch(bus, on_bus, NULL);
	gst_object_unref(bus);
	gst_element_set_state(peer.pipeline, GST_STATE_PLAYING);
	g_io_add_watch(in, G_IO_IN | G_IO_HUP, on_input, NULL);
	g_print("event=ready\n");
	g_main_loop_run(peer.loop);
	gst_element_set_state(peer.pipeline, GST_STATE_NULL);
	gst_object_unref(peer.webrtc);
	gst_object_unref(peer.pipeline);
	g_io_channel_unref(in);
	g_main_loop_unref(peer.loop);
	return peer.failed;
}
