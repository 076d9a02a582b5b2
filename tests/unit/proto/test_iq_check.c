/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of received Iq messages: one good Reserve, then the same with one thing wrong at a time;
 * the error must name that thing. Messages are written as JSON, which tests that way in too.
 */
#include "proto/iq_codec.h"
#include "proto/iq_json.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FP                                                                                         \
	"AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:"  \
	"77:88:99"

static const char good[] =
    "{'proto_version':1,'txn_id':7,'reserve':{'ctx_id':'c1','call_id':'a@b','icid':'i',"
    "'streams':[{'stream_id':1,'kind':'AUDIO','gate':{},"
    "'access':{'realm':'access','families':['IPV4'],'transport':'UDP_TLS_RTP_SAVPF',"
    "'rtcp':'RTCP_MUX','ice':{'credentials':{'ufrag':'abcd','pwd':'0123456789012345678901'}},"
    "'dtls':{'role':'DTLS_CLIENT','fingerprints':[{'hash':'sha-256','value':'" FP "'}]},"
    "'payload_types':[{'pt':111,'encoding':'opus','clock_rate':48000}],'dscp':-1},"
    "'core':{'realm':'core','family':'IPV4','transport':'RTP_AVP','rtcp':'RTCP_SEPARATE',"
    "'remotes':[{'branch':'b1','rtp':{'ip':'192.0.2.1','port':4000},'active':true}]}}]}}";

/* Text with ' for ", one JSON value deep inside replaced. */
static IqEnvelope *message(const char *text)
{
	char *json = strdup(text);
	char why[256];
	json_error_t at;
	IqEnvelope *env = NULL;
	json_t *j;

	assert_non_null(json);
	for (char *p = json; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	j = json_loads(json, 0, &at);
	if (j == NULL)
		fail_msg("%s in %s", at.text, json);
	if (iq_envelope_from_json(&env, j, why, sizeof(why)) != GW_OK)
		fail_msg("%s", why);
	json_decref(j);
	free(json);
	return env;
}

static char *replace(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out = NULL;

	if (at == NULL)
		fail_msg("the message has no %s", from);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	return out;
}

static void expect(const char *text, enum gw_err err, IqErrorCode code, const char *field)
{
	struct iq_fault fault = {.code = IQ_V(ERROR_CODE__OK)};
	IqEnvelope *env = message(text);

	assert_int_equal(iq_check(env, &fault), err);
	if (err != GW_OK) {
		assert_string_equal(fault.field, field);
		assert_string_equal(iq_code_name(fault.code), iq_code_name(code));
		assert_true(fault.detail[0] != '\0');
	}
	iq_envelope_free(env);
}

static void test_good_reserve_passes(void **state)
{
	(void)state;
	REQ("IQ-04", "IQ-10");
	expect(good, GW_OK, IQ_V(ERROR_CODE__OK), NULL);
}

static void test_each_wrong_field_is_named(void **state)
{
	static const struct {
		const char *from;
		const char *to;
		enum gw_err err;
		const char *field;
	} cases[] = {
	    {"'ctx_id':'c1'", "'ctx_id':''", GW_ERR_INVAL, "ctx_id"},
	    {"'ctx_id':'c1'", "'ctx_id':'c 1'", GW_ERR_INVAL, "ctx_id"},
	    {"'call_id':'a@b'", "'call_id':'a\\u000ab'", GW_ERR_INVAL, "call_id"},
	    {"'realm':'access'", "'realm':''", GW_ERR_INVAL, "streams"},
	    {"'kind':'AUDIO',", "", GW_ERR_INVAL, "streams"},
	    {"'stream_id':1", "'stream_id':65536", GW_ERR_INVAL, "streams[0].stream_id"},
	    {"'ufrag':'abcd'", "'ufrag':'abc'", GW_ERR_INVAL,
	     "streams[0].access.ice.credentials.ufrag"},
	    {"'ufrag':'abcd'", "'ufrag':'ab:d'", GW_ERR_INVAL,
	     "streams[0].access.ice.credentials.ufrag"},
	    {"'pwd':'0123456789012345678901'", "'pwd':'012345678901234567890'", GW_ERR_INVAL,
	     "streams[0].access.ice.credentials.pwd"},
	    {"'credentials':{'ufrag':'abcd','pwd':'0123456789012345678901'}", "", GW_ERR_INVAL,
	     "streams[0].access.ice.credentials"},
	    {"'hash':'sha-256'", "'hash':''", GW_ERR_INVAL,
	     "streams[0].access.dtls.fingerprints[0].hash"},
	    {"AA:BB:CC", "AA;BB:CC", GW_ERR_INVAL, "streams[0].access.dtls.fingerprints[0].value"},
	    {"AA:BB:CC", "GG:BB:CC", GW_ERR_INVAL, "streams[0].access.dtls.fingerprints[0].value"},
	    {"'pt':111", "'pt':128", GW_ERR_INVAL, "streams[0].access.payload_types[0].pt"},
	    {"'dscp':-1", "'dscp':64", GW_ERR_INVAL, "streams[0].access.dscp"},
	    {"'dscp':-1", "'dscp':-2", GW_ERR_INVAL, "streams[0].access.dscp"},
	    {"'ip':'192.0.2.1'", "'ip':'host.example'", GW_ERR_INVAL,
	     "streams[0].core.remotes[0].rtp.ip"},
	    {"'port':4000", "'port':0", GW_ERR_INVAL, "streams[0].core.remotes[0].rtp.port"},
	    {"'port':4000", "'port':65536", GW_ERR_INVAL, "streams[0].core.remotes[0].rtp.port"},
	    {"'rtp':{'ip':'192.0.2.1','port':4000},", "", GW_ERR_INVAL, "streams[0].core.remotes"},
	};

	(void)state;
	REQ("IQ-10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = replace(good, cases[i].from, cases[i].to);

		expect(text, cases[i].err, IQ_V(ERROR_CODE__INVALID_ARGUMENT), cases[i].field);
		free(text);
	}
}

static void test_lengths_at_the_limit_and_beyond(void **state)
{
	char at[IQ_MAX_ID + 1];
	char over[IQ_MAX_ID + 2];
	char with[128];
	char *text;

	(void)state;
	REQ("IQ-17");
	memset(at, 'x', sizeof(at));
	at[IQ_MAX_ID] = '\0';
	memset(over, 'x', sizeof(over));
	over[IQ_MAX_ID + 1] = '\0';
	snprintf(with, sizeof(with), "'ctx_id':'%s'", at);
	text = replace(good, "'ctx_id':'c1'", with);
	expect(text, GW_OK, IQ_V(ERROR_CODE__OK), NULL);
	free(text);
	snprintf(with, sizeof(with), "'ctx_id':'%s'", over);
	text = replace(good, "'ctx_id':'c1'", with);
	expect(text, GW_ERR_LIMIT, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "ctx_id");
	free(text);
}

/* A Release with n stream ids. */
static enum gw_err check_release(uint32_t n, struct iq_fault *fault)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(RELEASE), 1);
	enum gw_err err;

	assert_non_null(env);
	assert_int_equal(iq_str_set(&env->release->ctx_id, "c1"), GW_OK);
	env->release->stream_ids = calloc(n, sizeof(uint32_t));
	env->release->n_stream_ids = n;
	err = iq_check(env, fault);
	iq_envelope_free(env);
	return err;
}

static void test_counts_at_the_limit_and_beyond(void **state)
{
	struct iq_fault fault;

	(void)state;
	REQ("IQ-17");
	assert_int_equal(check_release(IQ_MAX_STREAMS, &fault), GW_OK);
	assert_int_equal(check_release(IQ_MAX_STREAMS + 1, &fault), GW_ERR_LIMIT);
	assert_string_equal(fault.field, "stream_ids");
}

static void test_stream_ids_must_differ(void **state)
{
	IqEnvelope *env = message(good);
	IqEnvelope *twin = message(good);
	struct iq_fault fault;

	(void)state;
	assert_int_equal(iq_list_add(&env->reserve->n_streams, (void *)&env->reserve->streams,
				     twin->reserve->streams[0]),
			 GW_OK);
	twin->reserve->n_streams = 0;
	assert_int_equal(iq_check(env, &fault), GW_ERR_INVAL);
	assert_string_equal(fault.field, "streams");
	env->reserve->streams[1]->stream_id = 2;
	assert_int_equal(iq_check(env, &fault), GW_OK);
	iq_envelope_free(env);
	iq_envelope_free(twin);
}

static void test_unknown_enum_value_is_unsupported_and_named(void **state)
{
	IqEnvelope *env = message(good);
	struct iq_fault fault;

	(void)state;
	REQ("IQ-10");
	env->reserve->streams[0]->core->transport = (Wicgate__Iq__V1__CoreTransport)77;
	assert_int_equal(iq_check(env, &fault), GW_ERR_UNSUPPORTED);
	assert_string_equal(fault.field, "streams[0].core.transport");
	assert_int_equal(fault.code, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER));
	iq_envelope_free(env);
}

static void test_version_and_body_are_checked_first(void **state)
{
	IqEnvelope *env = message(good);
	IqEnvelope empty = WICGATE__IQ__V1__ENVELOPE__INIT;
	struct iq_fault fault;

	(void)state;
	env->proto_version = 2;
	assert_int_equal(iq_check(env, &fault), GW_ERR_PROTO);
	assert_int_equal(fault.code, IQ_V(ERROR_CODE__VERSION_MISMATCH));
	iq_envelope_free(env);
	empty.proto_version = IQ_VERSION;
	assert_int_equal(iq_check(&empty, &fault), GW_ERR_PROTO);
	assert_int_equal(fault.code, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER));
}

static void test_critical_fields(void **state)
{
	static const char *const unserved[] = {"reserve.streams.policing", NULL};
	static const struct {
		const char *path;
		enum gw_err check;
		enum gw_err served;
	} cases[] = {
	    {"reserve.streams.access.ice", GW_OK, GW_OK},
	    {"reserve.streams.access.ice.tcp", GW_ERR_UNSUPPORTED, GW_OK},
	    {"reserve.streams.access.ice.credentials.ufrag", GW_OK, GW_OK},
	    {"reserve.ctx_id.x", GW_ERR_UNSUPPORTED, GW_OK},
	    {"", GW_ERR_UNSUPPORTED, GW_OK},
	    {"reserve..streams", GW_ERR_UNSUPPORTED, GW_OK},
	    {"reserve.streams.policing", GW_OK, GW_ERR_UNSUPPORTED},
	    {"reserve.streams.policing.burst_octets", GW_OK, GW_ERR_UNSUPPORTED},
	};

	(void)state;
	REQ("IQ-10");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		IqEnvelope *env = message(good);
		struct iq_fault fault = {.code = IQ_V(ERROR_CODE__OK)};

		env->critical_fields = calloc(1, sizeof(char *));
		assert_non_null(env->critical_fields);
		env->critical_fields[0] = strdup(cases[i].path);
		env->n_critical_fields = 1;
		assert_int_equal(iq_check(env, &fault), cases[i].check);
		assert_int_equal(iq_check_unserved(env, unserved, &fault), cases[i].served);
		if (cases[i].check != GW_OK || cases[i].served != GW_OK) {
			assert_string_equal(fault.field, cases[i].path);
			assert_int_equal(fault.code, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER));
		}
		iq_envelope_free(env);
	}
}

static void test_too_many_critical_fields(void **state)
{
	IqEnvelope *env = message(good);
	struct iq_fault fault;

	(void)state;
	env->critical_fields = calloc(IQ_MAX_CRITICAL + 1, sizeof(char *));
	assert_non_null(env->critical_fields);
	env->n_critical_fields = IQ_MAX_CRITICAL + 1;
	for (size_t i = 0; i < env->n_critical_fields; i++)
		env->critical_fields[i] = strdup("reserve");
	assert_int_equal(iq_check(env, &fault), GW_ERR_LIMIT);
	iq_envelope_free(env);
}

static void test_configure_phases_and_streams(void **state)
{
	(void)state;
	expect("{'proto_version':1,'txn_id':1,'configure':{'ctx_id':'c','phase':'COMMIT'}}", GW_OK,
	       IQ_V(ERROR_CODE__OK), NULL);
	expect("{'proto_version':1,'txn_id':1,'configure':{'ctx_id':'c'}}", GW_ERR_INVAL,
	       IQ_V(ERROR_CODE__INVALID_ARGUMENT), "streams");
	expect("{'proto_version':1,'txn_id':1,'configure':{'ctx_id':'c','phase':'ROLLBACK',"
	       "'streams':[{'stream_id':1}]}}",
	       GW_ERR_INVAL, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "streams");
}

static void test_only_one_remote_is_active(void **state)
{
	(void)state;
	REQ("RTP-06");
	expect("{'proto_version':1,'txn_id':1,'configure':{'ctx_id':'c','streams':[{'stream_id':1,"
	       "'core':{'remotes':[{'branch':'a','rtp':{'ip':'::1','port':4},'active':true},"
	       "{'branch':'b','rtp':{'ip':'::1','port':6},'active':true}]}}]}}",
	       GW_ERR_INVAL, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "streams[0].core.remotes");
}

static void test_hello_versions(void **state)
{
	(void)state;
	expect("{'proto_version':1,'hello':{'controller_id':'e1','epoch':'9','version_min':1,"
	       "'version_max':1}}",
	       GW_OK, IQ_V(ERROR_CODE__OK), NULL);
	expect("{'proto_version':1,'hello':{'controller_id':'e1','epoch':'9','version_min':3,"
	       "'version_max':1}}",
	       GW_ERR_INVAL, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "version_min");
	expect("{'proto_version':1,'hello':{'controller_id':'e1','version_min':1,"
	       "'version_max':1}}",
	       GW_ERR_INVAL, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "epoch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_reserve_passes),
	    cmocka_unit_test(test_each_wrong_field_is_named),
	    cmocka_unit_test(test_lengths_at_the_limit_and_beyond),
	    cmocka_unit_test(test_counts_at_the_limit_and_beyond),
	    cmocka_unit_test(test_stream_ids_must_differ),
	    cmocka_unit_test(test_unknown_enum_value_is_unsupported_and_named),
	    cmocka_unit_test(test_version_and_body_are_checked_first),
	    cmocka_unit_test(test_critical_fields),
	    cmocka_unit_test(test_too_many_critical_fields),
	    cmocka_unit_test(test_configure_phases_and_streams),
	    cmocka_unit_test(test_only_one_remote_is_active),
	    cmocka_unit_test(test_hello_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
