/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of a StreamRequest lands where it belongs; results, counters and events come out. */
#include "agw/iq/convert.h"
#include "proto/iq_json.h"
#include "tests/lib/req.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FP32                                                                                       \
	"01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:"  \
	"AB:CD:EF"

static struct agw_realm_cfg realms[2];
static struct agw_iq_defaults defaults = {
    .realms = realms,
    .n_realms = 2,
    .inactivity_ms = 60000,
    .dscp_audio = 46,
    .dscp_video = 34,
};

static int setup(void **state)
{
	(void)state;
	snprintf(realms[0].name, sizeof(realms[0].name), "access");
	snprintf(realms[1].name, sizeof(realms[1].name), "core");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(gw_addr_parse_ip(&realms[i].bind[AGW_FAMILY_V4], "192.0.2.1", 0),
				 GW_OK);
		assert_int_equal(gw_addr_parse_ip(&realms[i].bind[AGW_FAMILY_V6], "2001:db8::1", 0),
				 GW_OK);
	}
	return 0;
}

static IqStreamRequest *stream(const char *text)
{
	char *json = strdup(text);
	ProtobufCMessage *msg = NULL;
	char why[256];
	json_t *j;

	assert_non_null(json);
	for (char *p = json; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	j = json_loads(json, 0, NULL);
	assert_non_null(j);
	if (iq_message_from_json(&msg, &wicgate__iq__v1__stream_request__descriptor, j, why,
				 sizeof(why)) != GW_OK)
		fail_msg("%s", why);
	json_decref(j);
	free(json);
	return (IqStreamRequest *)(void *)msg;
}

static enum gw_err convert(struct agw_ctx_patch *p, const char *text, bool reserve,
			   struct iq_fault *fault)
{
	IqStreamRequest *in = stream(text);
	enum gw_err err = agw_iq_patch_from(p, in, &defaults, reserve, fault);

	wicgate__iq__v1__stream_request__free_unpacked(in, NULL);
	return err;
}

/* A full agent is asked for, or left to the gateway; a lite one may always be asked for. */
static void test_ice_mode_and_candidates(void **state)
{
	static const struct {
		const char *mode;
		bool served, full, ok;
	} t[] = {{"ICE_MODE_UNSPECIFIED", false, false, true},
		 {"ICE_LITE", false, false, true},
		 {"ICE_FULL", false, false, false},
		 {"ICE_MODE_UNSPECIFIED", true, true, true},
		 {"ICE_LITE", true, false, true},
		 {"ICE_FULL", true, true, true}};
	struct agw_ctx_patch p;
	struct iq_fault fault;
	char text[1500];

	(void)state;
	REQ("ICE-28", "ICE-09", "IQ-04");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		enum gw_err err;

		defaults.ice_full = t[i].served;
		snprintf(
		    text, sizeof(text),
		    "{'stream_id':1,'kind':'AUDIO','core':{'realm':'core'},'access':{'realm':'"
		    "access',"
		    "'ice_mode':'%s','ice':{'lite':true,'credentials':{'ufrag':'abcd','pwd':"
		    "'abcdefghijklmnopqrstuv'},'candidates':["
		    "{'foundation':'1','component':1,'priority':7,'type':'HOST','address':{'ip':"
		    "'198.51.100.1','port':4000}},"
		    "{'foundation':'2','component':1,'priority':6,'type':'HOST','tcp':true,'"
		    "address':"
		    "{'ip':'198.51.100.1','port':9}},"
		    "{'foundation':'3','component':1,'priority':5,'type':'HOST','address':{'ip':"
		    "'some.local','port':4000}},"
		    "{'foundation':'4','component':2,'priority':4,'type':'RELAY','address':{'ip':"
		    "'2001:db8::9','port':4001}}]}}}",
		    t[i].mode);
		memset(&p, 0, sizeof(p));
		err = convert(&p, text, true, &fault);
		assert_int_equal(err == GW_OK, t[i].ok);
		if (!t[i].ok)
			continue;
		assert_int_equal(p.p.access.ice_full, t[i].full);
		assert_true(p.p.access.peer.lite);
		/* no TCP, and no name is ever looked up */
		assert_int_equal(p.p.access.peer.n_cands, 2);
		assert_int_equal(p.p.access.peer.cands[0].priority, 7);
		assert_int_equal(gw_addr_port(&p.p.access.peer.cands[0].addr), 4000);
		assert_int_equal(p.p.access.peer.cands[1].type, AGW_CAND_RELAY);
		assert_int_equal(p.p.access.peer.cands[1].component, 2);
		assert_true(gw_addr_is_v6(&p.p.access.peer.cands[1].addr));
	}
	defaults.ice_full = false;
}

static void test_a_full_agent_is_told_with_its_relay(void **state)
{
	struct agw_stream_local l = {.id = 1, .ice_full = true, .n_cands = 2};
	struct agw_stream_event ev = {
	    .stream_id = 1, .kind = AGW_EV_NEW_PRFLX, .value = 1845501695};
	IqNotification n;
	IqStreamResult *r;

	(void)state;
	REQ("ICE-28", "IQ-07");
	for (int i = 0; i < 2; i++) {
		l.cands[i].component = 1;
		l.cands[i].relay = i == 1;
		assert_int_equal(gw_addr_parse_ip(&l.cands[i].addr, "192.0.2.1", 30000), GW_OK);
	}
	l.core_rtp = l.access[AGW_FAMILY_V4] = l.cands[0].addr;
	r = agw_iq_result_new(&l);
	assert_non_null(r);
	assert_false(r->access->lite);
	assert_int_equal(r->access->candidates[0]->type, IQ_V(CANDIDATE__TYPE__HOST));
	assert_int_equal(r->access->candidates[1]->type, IQ_V(CANDIDATE__TYPE__RELAY));
	wicgate__iq__v1__stream_result__free_unpacked(r, NULL);
	wicgate__iq__v1__notification__init(&n);
	assert_int_equal(gw_addr_parse_ip(&ev.addr, "198.51.100.1", 5000), GW_OK);
	assert_int_equal(agw_iq_event_fill(&n, &ev), GW_OK);
	assert_int_equal(n.event, IQ_V(NOTIFICATION__EVENT__NEW_PRFLX));
	assert_string_equal(n.remote->ip, "198.51.100.1");
	assert_string_equal(n.detail, "priority 1845501695");
	wicgate__iq__v1__address__free_unpacked(n.remote, NULL);
	free(n.detail);
}

static void test_full_reserve(void **state)
{
	struct agw_ctx_patch p;
	struct iq_fault fault;
	const struct agw_access_params *a = &p.p.access;
	const struct agw_core_params *c = &p.p.core;

	(void)state;
	REQ("IQ-04", "IQ-05", "IQ-06", "RTP-07", "RTP-08", "RTCP-02", "RTP-12", "RTP-15");
	assert_int_equal(
	    convert(
		&p,
		"{'stream_id':3,'kind':'VIDEO','label':'video-1','gate':{'uplink':true},"
		"'inactivity_ms':5000,'access':{'realm':'access','families':['IPV6','IPV4'],"
		"'ice':{'credentials':{'ufrag':'uuuu','pwd':'pppppppppppppppppppppp'}},"
		"'dtls':{'role':'DTLS_SERVER','fingerprints':[{'hash':'SHA-256','value':'" FP32
		"'}]},'srtp_profiles':['AES128_CM_SHA1_80','AEAD_AES_256_GCM'],'dscp':10,"
		"'payload_types':[{'pt':96},{'pt':127}],'feedback':['PLI','NACK'],"
		"'header_extensions':[{'id':13,'peer_id':4,'uri':'urn:x'}]},"
		"'core':{'realm':'core','family':'IPV6','transport':'RTP_AVPF','rtcp':'RTCP_MUX',"
		"'remotes':[{'branch':'b','rtp':{'ip':'2001:db8::9','port':4000},"
		"'rtcp':{'ip':'2001:db8::9','port':4001},'active':true}],"
		"'filter':'FILTER_ADDR_PORT','latch':'LATCH_ONCE','dscp':-1,"
		"'payload_types':[{'pt':0}],'feedback':['FIR','TMMBR'],"
		"'header_extensions':[{'id':4,'peer_id':13}]}}",
		true, &fault),
	    GW_OK);
	assert_int_equal(p.p.id, 3);
	assert_int_equal(p.p.media, AGW_MEDIA_VIDEO);
	assert_string_equal(p.label, "video-1");
	assert_true(p.p.gate_up && !p.p.gate_down);
	assert_string_equal(a->realm, "access");
	assert_int_equal(a->families,
			 AGW_FAMILY_BIT(AGW_FAMILY_V4) | AGW_FAMILY_BIT(AGW_FAMILY_V6));
	assert_string_equal(a->remote_ufrag, "uuuu");
	assert_string_equal(a->remote_pwd, "pppppppppppppppppppppp");
	assert_int_equal(a->dtls_role, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(a->n_fps, 1);
	assert_int_equal(a->fps[0].hash, AGW_HASH_SHA256);
	assert_int_equal(a->fps[0].len, 32);
	assert_int_equal(a->fps[0].octets[0], 0x01);
	assert_int_equal(a->fps[0].octets[31], 0xef);
	assert_int_equal(a->profiles[0], AGW_SRTP_AES128_CM_SHA1_80);
	assert_int_equal(a->profiles[1], AGW_SRTP_AEAD_AES_256_GCM);
	assert_int_equal(a->profiles[2], AGW_SRTP_NONE);
	assert_int_equal(a->dscp, 10);
	assert_true(agw_pt_set_has(&a->pts, 96) && agw_pt_set_has(&a->pts, 127));
	assert_false(agw_pt_set_has(&a->pts, 0));
	assert_int_equal(a->rtcp_allow, AGW_RTCP_PLI | AGW_RTCP_NACK);
	assert_int_equal(a->inactivity_ms, 5000);
	assert_string_equal(c->realm, "core");
	assert_int_equal(c->family, AGW_FAMILY_V6);
	assert_int_equal(c->rtcp, AGW_CORE_RTCP_MUX);
	assert_int_equal(c->filter, AGW_FILTER_ADDR_PORT);
	assert_int_equal(c->latch, AGW_LATCH_ONCE);
	assert_int_equal(c->dscp, -1);
	assert_true(agw_pt_set_has(&c->pts, 0));
	assert_int_equal(c->rtcp_allow, AGW_RTCP_FIR | AGW_RTCP_TMMBR);
	assert_int_equal(a->exts.to[4], 13); /* from the core to the WIC */
	assert_int_equal(c->exts.to[13], 4);
	assert_int_equal(a->exts.to[0] + c->exts.to[0], 2);
	assert_int_equal(p.n_remotes, 1);
	assert_string_equal(p.remotes[0].branch, "b");
	assert_int_equal(gw_addr_port(&p.remotes[0].rtcp), 4001);
	assert_true(p.remotes[0].active);
}

static void test_defaults_of_a_reserve(void **state)
{
	struct agw_ctx_patch p;
	struct iq_fault fault;

	(void)state;
	REQ("RTP-04", "RTP-15");
	assert_int_equal(
	    convert(&p,
		    "{'stream_id':1,'kind':'AUDIO','access':{'realm':'access'},"
		    "'core':{'realm':'core','transport':'RTP_AVP','feedback':['PLI']}}",
		    true, &fault),
	    GW_OK);
	assert_false(p.p.gate_up || p.p.gate_down);
	assert_int_equal(p.p.access.families,
			 AGW_FAMILY_BIT(AGW_FAMILY_V4) | AGW_FAMILY_BIT(AGW_FAMILY_V6));
	assert_int_equal(p.p.core.family, AGW_FAMILY_V4);
	assert_int_equal(p.p.access.dscp, 46);
	assert_int_equal(p.p.core.dscp, 46);
	assert_int_equal(p.p.core.inactivity_ms, 60000);
	assert_int_equal(p.p.access.dtls_role, AGW_DTLS_ROLE_UNDECIDED);
	assert_int_equal(p.p.core.rtcp_allow, 0); /* RTP/AVP: feedback never goes there (RTCP-20) */
	assert_int_equal(p.p.core.filter, AGW_FILTER_ADDR);
	assert_int_equal(p.p.core.latch, AGW_LATCH_OFF);
}

static void test_rules_of_a_stream(void **state)
{
	struct agw_ctx_patch p;
	struct iq_fault fault;

	(void)state;
	REQ("IQ-04", "RTP-09", "RTP-23");
	assert_int_equal(convert(&p,
				 "{'stream_id':1,'kind':'AUDIO','access':{'realm':'access'},"
				 "'core':{'realm':'core'},'ssrc_mode':'SSRC_REWRITE','policing':{"
				 "'bits_per_second':83200,'burst_octets':10400,"
				 "'downlink_bits_per_second':66560,'downlink_burst_octets':8320}}",
				 true, &fault),
			 GW_OK);
	assert_true(p.p.ssrc_rewrite);
	assert_int_equal(p.p.rate_up.bps, 83200);
	assert_int_equal(p.p.rate_up.burst_octets, 10400);
	assert_int_equal(p.p.rate_down.bps, 66560);
	assert_int_equal(p.p.rate_down.burst_octets, 8320);
}

static void test_configure_sets_only_what_it_says(void **state)
{
	static const struct {
		const char *json;
		unsigned set;
	} cases[] = {
	    {"{'stream_id':1}", 0},
	    {"{'stream_id':1,'gate':{}}", AGW_SET_GATE},
	    {"{'stream_id':1,'access':{}}", 0},
	    {"{'stream_id':1,'core':{}}", 0},
	    {"{'stream_id':1,'access':{'ice':{'credentials':{'ufrag':'uuuu','pwd':"
	     "'pppppppppppppppppppppp'}}}}",
	     AGW_SET_ICE},
	    {"{'stream_id':1,'access':{'dtls':{'role':'DTLS_CLIENT'}}}", AGW_SET_DTLS},
	    {"{'stream_id':1,'access':{'dscp':7}}", AGW_SET_ACCESS_DSCP},
	    {"{'stream_id':1,'policing':{}}", AGW_SET_RATES},
	    {"{'stream_id':1,'ssrc_mode':'SSRC_PASSTHROUGH'}", AGW_SET_SSRC_MODE},
	    {"{'stream_id':1,'core':{'rtcp':'RTCP_OFF'}}", AGW_SET_CORE_RTCP},
	    {"{'stream_id':1,'core':{'filter':'FILTER_ANY'}}", AGW_SET_FILTER},
	    {"{'stream_id':1,'core':{'latch':'LATCH_OFF'}}", AGW_SET_LATCH},
	    {"{'stream_id':1,'core':{'payload_types':[{'pt':8}]}}", AGW_SET_CORE_PTS},
	    {"{'stream_id':1,'core':{'transport':'RTP_AVP'}}", AGW_SET_CORE_FB},
	};

	(void)state;
	REQ("IQ-06");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct agw_ctx_patch p;
		struct iq_fault fault;

		assert_int_equal(convert(&p, cases[i].json, false, &fault), GW_OK);
		assert_int_equal(p.set & ~(unsigned)AGW_SET_INACTIVITY, cases[i].set);
	}
}

static void test_verbs_and_hold(void **state)
{
	struct agw_ctx_patch p;
	struct iq_fault fault;

	(void)state;
	REQ("ICE-17", "DTLS-20", "RTCP-11", "RTP-17");
	assert_int_equal(
	    convert(&p,
		    "{'stream_id':1,'inactivity_off':true,'access':{'ice':{'restart':true,"
		    "'credentials':{'ufrag':'uuuu','pwd':'pppppppppppppppppppppp'}},"
		    "'dtls':{'new_association':true}},'core':{'has_rs_rr':true}}",
		    false, &fault),
	    GW_OK);
	assert_true(p.ice_restart && p.new_dtls);
	assert_int_equal(p.p.core.inactivity_ms, 0);
	assert_int_equal(p.p.access.inactivity_ms, 0);
	assert_int_equal(p.p.core.rtcp, AGW_CORE_RTCP_OFF); /* b=RS:0 and b=RR:0 */
	assert_int_equal(
	    convert(&p, "{'stream_id':1,'core':{'has_rs_rr':true,'rs_bps':800}}", false, &fault),
	    GW_OK);
	assert_int_equal(p.set & AGW_SET_CORE_RTCP, 0);
}

static void test_fingerprints(void **state)
{
	struct agw_ctx_patch p;
	struct iq_fault fault;

	(void)state;
	REQ("DTLS-08", "DTLS-09");
	assert_int_equal(convert(&p,
				 "{'stream_id':1,'access':{'dtls':{'fingerprints':["
				 "{'hash':'md5','value':'AA:BB'},{'hash':'sha-256','value':'" FP32
				 "'}]}}}",
				 false, &fault),
			 GW_OK);
	assert_int_equal(p.p.access.n_fps, 1);
	assert_int_equal(convert(&p,
				 "{'stream_id':1,'access':{'dtls':{'fingerprints':["
				 "{'hash':'md5','value':'AA:BB'}]}}}",
				 false, &fault),
			 GW_ERR_UNSUPPORTED);
	assert_string_equal(fault.field, "access.dtls.fingerprints");
	assert_int_equal(convert(&p,
				 "{'stream_id':1,'access':{'dtls':{'fingerprints':["
				 "{'hash':'sha-384','value':'" FP32 "'}]}}}",
				 false, &fault),
			 GW_ERR_INVAL);
}

static void test_hash_tells_requests_apart(void **state)
{
	static const char text[] = "{'stream_id':1,'kind':'AUDIO','access':{'realm':'access'},"
				   "'core':{'realm':'core'}}";
	static const char more[] = "{'stream_id':1,'kind':'AUDIO','label':'x','access':{'realm':"
				   "'access'},'core':{'realm':'core'}}";
	struct agw_ctx_patch a;
	struct agw_ctx_patch b;
	struct iq_fault fault;

	(void)state;
	REQ("IQ-08");
	assert_int_equal(convert(&a, text, true, &fault), GW_OK);
	assert_int_equal(convert(&b, text, true, &fault), GW_OK);
	assert_true(a.request_hash == b.request_hash);
	assert_int_equal(convert(&b, more, true, &fault), GW_OK);
	assert_true(a.request_hash != b.request_hash);
}

/* "ice-connected" here is ICE_CONNECTED there, and no other. */
static void assert_same_word(const char *ours, const char *theirs)
{
	if (strcmp(ours, "ice-new-prflx") == 0) /* the one that is written in another way */
		ours += strlen("ice-");
	for (size_t i = 0; ours[i] != '\0' || theirs[i] != '\0'; i++)
		if ((ours[i] == '-' ? '_' : toupper((unsigned char)ours[i])) != theirs[i])
			fail_msg("%s is told as %s", ours, theirs);
}

static void test_every_event_and_cause_has_its_word(void **state)
{
	(void)state;
	REQ("IQ-07");
	for (int e = 0; e < AGW_EV_COUNT; e++) {
		struct agw_stream_event ev = {.kind = (enum agw_event)e, .stream_id = 1};

		if (e == AGW_EV_GATHERED)
			continue; /* stays here: a Reserve's reply says it */
		IqNotification *n = iq_message_new(&wicgate__iq__v1__notification__descriptor);

		assert_int_equal(agw_iq_event_fill(n, &ev), GW_OK);
		assert_int_not_equal(n->event, IQ_V(NOTIFICATION__EVENT__EVENT_UNSPECIFIED));
		assert_same_word(agw_event_name(ev.kind), iq_event_name(n->event));
		wicgate__iq__v1__notification__free_unpacked(n, NULL);
	}
	for (int c = AGW_CAUSE_NONE + 1; c < AGW_CAUSE_INTERNAL; c++) {
		struct agw_stream_event ev = {.kind = AGW_EV_DTLS_FAILED,
					      .cause = (enum agw_cause)c};
		IqNotification *n = iq_message_new(&wicgate__iq__v1__notification__descriptor);

		assert_int_equal(agw_iq_event_fill(n, &ev), GW_OK);
		assert_int_not_equal(n->cause, IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED));
		wicgate__iq__v1__notification__free_unpacked(n, NULL);
	}
}

static void test_counters_come_out_by_reason(void **state)
{
	struct agw_stream_stats st;
	IqStreamStats *out;
	uint64_t sum;

	(void)state;
	REQ("RTP-26");
	memset(&st, 0, sizeof(st));
	st.up.rtp_packets = 5;
	for (unsigned i = 0; i < AGW_DROP_COUNT; i++)
		st.up.drops[i] = i + 1;
	st.srtp_profile = AGW_SRTP_AEAD_AES_128_GCM;
	assert_int_equal(gw_addr_parse_ip(&st.remote, "192.0.2.7", 1234), GW_OK);
	out = agw_iq_stats_new(9, &st, NULL, NULL);
	assert_non_null(out);
	assert_int_equal(out->stream_id, 9);
	assert_true(out->uplink->rtp_packets == 5);
	assert_true(out->uplink->drops_gate == AGW_DROP_GATE + 1);
	assert_true(out->uplink->drops_srtp_auth == AGW_DROP_AUTH + 1);
	assert_int_equal(out->uplink->last_seen_ms, UINT32_MAX);
	sum = out->uplink->drops_gate + out->uplink->drops_source +
	      out->uplink->drops_payload_type + out->uplink->drops_malformed +
	      out->uplink->drops_srtp_auth + out->uplink->drops_srtp_replay +
	      out->uplink->drops_not_keyed + out->uplink->send_errors + out->uplink->drops_policed +
	      out->uplink->drops_other;
	assert_true(sum == AGW_DROP_COUNT * (AGW_DROP_COUNT + 1) / 2); /* none lost, none twice */
	assert_string_equal(out->srtp_profile, "AEAD_AES_128_GCM");
	assert_string_equal(out->selected_remote->ip, "192.0.2.7");
	wicgate__iq__v1__stream_stats__free_unpacked(out, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ice_mode_and_candidates),
	    cmocka_unit_test(test_a_full_agent_is_told_with_its_relay),
	    cmocka_unit_test(test_full_reserve),
	    cmocka_unit_test(test_defaults_of_a_reserve),
	    cmocka_unit_test(test_rules_of_a_stream),
	    cmocka_unit_test(test_configure_sets_only_what_it_says),
	    cmocka_unit_test(test_verbs_and_hold),
	    cmocka_unit_test(test_fingerprints),
	    cmocka_unit_test(test_hash_tells_requests_apart),
	    cmocka_unit_test(test_every_event_and_cause_has_its_word),
	    cmocka_unit_test(test_counters_come_out_by_reason),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
