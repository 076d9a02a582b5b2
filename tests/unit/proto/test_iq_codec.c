/* SPDX-License-Identifier: Apache-2.0 */
/* Packing, names, error replies, JSON both ways and the trace line of Iq messages. */
#include "common/log.h"
#include "proto/frame.h"
#include "proto/iq_codec.h"
#include "proto/iq_json.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_pack_and_unpack_give_the_same_message(void **state)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(RELEASE), UINT64_C(0xfedcba9876543210));
	IqEnvelope *back = NULL;
	uint8_t *frame = NULL;
	size_t n = 0;

	(void)state;
	REQ("IQ-17");
	assert_non_null(env);
	assert_int_equal(iq_str_set(&env->release->ctx_id, "c1"), GW_OK);
	assert_int_equal(iq_str_set(&env->release->reason, "bye"), GW_OK);
	assert_int_equal(iq_pack_frame(env, &frame, &n), GW_OK);
	assert_true(n > IQ_FRAME_HEADER);
	assert_int_equal(frame[3], n - IQ_FRAME_HEADER);
	assert_int_equal(iq_unpack(&back, frame + IQ_FRAME_HEADER, n - IQ_FRAME_HEADER), GW_OK);
	assert_true(back->txn_id == env->txn_id);
	assert_int_equal(back->proto_version, IQ_VERSION);
	assert_string_equal(iq_msg_name(back), "release");
	assert_string_equal(iq_msg_ctx(back), "c1");
	assert_string_equal(back->release->reason, "bye");
	free(frame);
	iq_envelope_free(env);
	iq_envelope_free(back);
}

static void test_garbage_is_not_a_message(void **state)
{
	static const uint8_t cut[] = {0x82, 0x01, 0x7f}; /* hello of 127 octets, none there */
	static const uint8_t wild[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	IqEnvelope *env = NULL;

	(void)state;
	REQ("IQ-17");
	assert_int_equal(iq_unpack(&env, cut, sizeof(cut)), GW_ERR_PARSE);
	assert_int_equal(iq_unpack(&env, wild, sizeof(wild)), GW_ERR_PARSE);
	assert_null(env);
}

/* A Reserve of that many empty streams: two octets each on the wire, a struct each in memory. */
static enum gw_err unpack_empty_streams(size_t streams)
{
	size_t body = streams * 2;
	uint8_t *msg = malloc(body + 16);
	IqEnvelope *env = NULL;
	enum gw_err err;
	size_t n = 0;

	assert_non_null(msg);
	msg[n++] = 0xf2; /* field 30, length delimited */
	msg[n++] = 0x01;
	msg[n++] = (uint8_t)(0x80 | (body & 0x7f));
	msg[n++] = (uint8_t)(0x80 | ((body >> 7) & 0x7f));
	msg[n++] = (uint8_t)(body >> 14);
	for (size_t i = 0; i < streams; i++) {
		msg[n++] = 0x32; /* streams = 6 */
		msg[n++] = 0;
	}
	assert_true(n <= IQ_FRAME_MAX);
	err = iq_unpack(&env, msg, n);
	if (err == GW_OK)
		assert_int_equal(env->reserve->n_streams, streams);
	iq_envelope_free(env);
	free(msg);
	return err;
}

static void test_a_frame_may_not_blow_up_the_heap(void **state)
{
	(void)state;
	REQ("IQ-17");
	assert_int_equal(unpack_empty_streams(1000), GW_OK);
	assert_int_equal(unpack_empty_streams(500000), GW_ERR_PARSE);
}

static void test_every_request_has_its_reply(void **state)
{
	static const struct {
		IqBodyCase req;
		IqBodyCase reply;
	} pairs[] = {
	    {IQ_BODY(RESERVE), IQ_BODY(RESERVE_REPLY)},
	    {IQ_BODY(CONFIGURE), IQ_BODY(CONFIGURE_REPLY)},
	    {IQ_BODY(RELEASE), IQ_BODY(RELEASE_REPLY)},
	    {IQ_BODY(AUDIT), IQ_BODY(AUDIT_REPLY)},
	    {IQ_BODY(DRAIN), IQ_BODY(DRAIN_REPLY)},
	    {IQ_BODY(RELEASE_ALL), IQ_BODY(RELEASE_ALL_REPLY)},
	};
	struct iq_fault fault;

	(void)state;
	iq_fault_set(&fault, IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED), "streams[0].core.realm",
		     "%d left", 0);
	fault.resource = "ports";
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		IqEnvelope *req = iq_envelope_new(pairs[i].req, 40 + i);
		IqEnvelope *ok;
		IqEnvelope *bad;
		const IqError *e;

		assert_non_null(req);
		assert_true(iq_is_request(req));
		ok = iq_reply_new(req, NULL);
		bad = iq_reply_new(req, &fault);
		assert_non_null(ok);
		assert_non_null(bad);
		assert_int_equal(ok->body_case, pairs[i].reply);
		assert_true(iq_is_reply(ok) && !iq_is_request(ok));
		assert_true(ok->txn_id == 40 + i && bad->txn_id == 40 + i);
		assert_null(iq_msg_error(ok));
		e = iq_msg_error(bad);
		assert_non_null(e);
		assert_int_equal(e->code, IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED));
		assert_string_equal(e->field, "streams[0].core.realm");
		assert_string_equal(e->detail, "0 left");
		assert_string_equal(e->resource, "ports");
		assert_true(e->retryable);
		iq_envelope_free(req);
		iq_envelope_free(ok);
		iq_envelope_free(bad);
	}
}

static void test_a_request_nobody_knows_gets_an_error_reply(void **state)
{
	IqEnvelope unknown = WICGATE__IQ__V1__ENVELOPE__INIT;
	struct iq_fault fault;
	IqEnvelope *reply;

	(void)state;
	REQ("IQ-10");
	unknown.txn_id = 9;
	iq_fault_set(&fault, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "body", "unknown");
	reply = iq_reply_new(&unknown, &fault);
	assert_non_null(reply);
	assert_int_equal(reply->body_case, IQ_BODY(ERROR_REPLY));
	assert_true(reply->txn_id == 9);
	assert_string_equal(iq_msg_name(&unknown), "none");
	assert_string_equal(iq_msg_ctx(&unknown), "");
	iq_envelope_free(reply);
}

static void test_each_error_has_a_code(void **state)
{
	(void)state;
	assert_int_equal(iq_code_from_err(GW_OK), IQ_V(ERROR_CODE__OK));
	for (int e = GW_OK + 1; e < GW_ERR_COUNT; e++)
		assert_int_not_equal(iq_code_from_err((enum gw_err)e), IQ_V(ERROR_CODE__OK));
	assert_int_equal(iq_code_from_err(GW_ERR_DENIED), IQ_V(ERROR_CODE__NOT_OWNER));
	assert_int_equal(iq_code_from_err(GW_ERR_LIMIT), IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED));
	assert_true(iq_code_retryable(IQ_V(ERROR_CODE__DRAINING)));
	assert_false(iq_code_retryable(IQ_V(ERROR_CODE__INVALID_ARGUMENT)));
	assert_string_equal(iq_code_name((IqErrorCode)999), "UNKNOWN");
	assert_string_equal(iq_event_name(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST)), "CONSENT_LOST");
	assert_string_equal(iq_cause_name(IQ_V(NOTIFICATION__CAUSE__CAUSE_ALERT)), "CAUSE_ALERT");
}

static void test_json_there_and_back_for_every_body(void **state)
{
	const ProtobufCMessageDescriptor *d = &wicgate__iq__v1__envelope__descriptor;

	(void)state;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		IqEnvelope *env;
		IqEnvelope *back = NULL;
		json_t *first;
		json_t *second;
		char why[128];

		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
			continue;
		env = iq_envelope_new((IqBodyCase)f->id, 3);
		assert_non_null(env);
		assert_string_equal(iq_msg_name(env), f->name);
		first = iq_envelope_to_json(env, IQ_JSON_PLAIN);
		assert_non_null(json_object_get(first, f->name));
		assert_int_equal(iq_envelope_from_json(&back, first, why, sizeof(why)), GW_OK);
		second = iq_envelope_to_json(back, IQ_JSON_PLAIN);
		assert_true(json_equal(first, second));
		json_decref(first);
		json_decref(second);
		iq_envelope_free(env);
		iq_envelope_free(back);
	}
}

static void test_json_keeps_large_identifiers(void **state)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(HELLO), 1);
	IqEnvelope *back = NULL;
	char why[128];
	json_t *j;

	(void)state;
	assert_non_null(env);
	env->hello->epoch = UINT64_MAX;
	j = iq_envelope_to_json(env, IQ_JSON_PLAIN);
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(j, "hello"), "epoch")),
	    "18446744073709551615");
	assert_int_equal(iq_envelope_from_json(&back, j, why, sizeof(why)), GW_OK);
	assert_true(back->hello->epoch == UINT64_MAX);
	json_decref(j);
	iq_envelope_free(env);
	iq_envelope_free(back);
}

static void test_bad_json_names_the_path(void **state)
{
	static const struct {
		const char *json;
		enum gw_err err;
		const char *why;
	} cases[] = {
	    {"[]", GW_ERR_PARSE, "message: not an object"},
	    {"{\"nonsense\":1}", GW_ERR_NOT_FOUND, "nonsense: no such field"},
	    {"{\"reserve\":{\"ctx\":1}}", GW_ERR_NOT_FOUND, "reserve.ctx: no such field"},
	    {"{\"reserve\":{\"ctx_id\":1}}", GW_ERR_PARSE, "reserve.ctx_id: not a string"},
	    {"{\"reserve\":{\"streams\":{}}}", GW_ERR_PARSE, "reserve.streams: not a list"},
	    {"{\"reserve\":{\"streams\":[{\"kind\":\"SMELL\"}]}}", GW_ERR_PARSE,
	     "reserve.streams.kind: not one of the words of this enum"},
	    {"{\"reserve\":{\"streams\":[{\"stream_id\":-1}]}}", GW_ERR_LIMIT,
	     "reserve.streams.stream_id: number out of range"},
	    {"{\"reserve\":{\"streams\":[{\"stream_id\":4294967296}]}}", GW_ERR_LIMIT,
	     "reserve.streams.stream_id: number out of range"},
	    {"{\"txn_id\":\"x\"}", GW_ERR_PARSE, "txn_id: not a number from 0 on"},
	    {"{\"reserve\":{},\"audit\":{}}", GW_ERR_PARSE, "audit: a second body"},
	    {"{\"drain\":{\"undo\":1}}", GW_ERR_PARSE, "drain.undo: not true or false"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j = json_loads(cases[i].json, 0, NULL);
		IqEnvelope *env = NULL;
		char why[128];

		assert_non_null(j);
		assert_int_equal(iq_envelope_from_json(&env, j, why, sizeof(why)), cases[i].err);
		assert_string_equal(why, cases[i].why);
		assert_null(env);
		json_decref(j);
	}
}

/* What one trace line looks like, read back from a pipe. */
static void trace(const IqEnvelope *env, enum gw_log_level level, char *out, size_t n)
{
	int fds[2];
	ssize_t got;

	assert_int_equal(pipe(fds), 0);
	gw_log_set_fd(fds[1]);
	gw_log_set_level(level);
	iq_trace(IQ_RX, "peer:1", env, 77);
	gw_log_set_level(GW_LOG_INFO);
	gw_log_set_fd(2);
	(void)close(fds[1]);
	got = read(fds[0], out, n - 1);
	(void)close(fds[0]);
	assert_true(got >= 0);
	out[got] = '\0';
}

static void test_trace_masks_secrets(void **state)
{
	static const char secret[] = "thispasswordmustnotleak";
	IqEnvelope *env = iq_envelope_new(IQ_BODY(RESERVE), 12);
	IqStreamRequest *s;
	char text[4096];

	(void)state;
	assert_non_null(env);
	s = iq_message_new(&wicgate__iq__v1__stream_request__descriptor);
	assert_int_equal(iq_list_add(&env->reserve->n_streams, (void *)&env->reserve->streams, s),
			 GW_OK);
	s->access = iq_message_new(&wicgate__iq__v1__access_termination__descriptor);
	s->access->ice = iq_message_new(&wicgate__iq__v1__remote_ice__descriptor);
	s->access->ice->credentials = iq_message_new(&wicgate__iq__v1__ice_credentials__descriptor);
	assert_int_equal(iq_str_set(&s->access->ice->credentials->pwd, secret), GW_OK);
	assert_int_equal(iq_str_set(&env->reserve->ctx_id, "c9"), GW_OK);
	trace(env, GW_LOG_TRACE, text, sizeof(text));
	assert_non_null(strstr(text, "event=iq.rx"));
	assert_non_null(strstr(text, "msg=reserve"));
	assert_non_null(strstr(text, "txn=12"));
	assert_non_null(strstr(text, "ctx=\"c9\""));
	assert_non_null(strstr(text, "size=77"));
	assert_non_null(strstr(text, "***"));
	assert_null(strstr(text, secret));
	trace(env, GW_LOG_DEBUG, text, sizeof(text));
	assert_non_null(strstr(text, "event=iq.rx"));
	assert_null(strstr(text, "body="));
	iq_envelope_free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pack_and_unpack_give_the_same_message),
	    cmocka_unit_test(test_garbage_is_not_a_message),
	    cmocka_unit_test(test_a_frame_may_not_blow_up_the_heap),
	    cmocka_unit_test(test_every_request_has_its_reply),
	    cmocka_unit_test(test_a_request_nobody_knows_gets_an_error_reply),
	    cmocka_unit_test(test_each_error_has_a_code),
	    cmocka_unit_test(test_json_there_and_back_for_every_body),
	    cmocka_unit_test(test_json_keeps_large_identifiers),
	    cmocka_unit_test(test_bad_json_names_the_path),
	    cmocka_unit_test(test_trace_masks_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
