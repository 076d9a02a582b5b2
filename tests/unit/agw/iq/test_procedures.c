/* SPDX-License-Identifier: Apache-2.0 */
/* Reserve, Configure, Release, Audit, Drain through a socket, with real media workers below. */
#include "tests/unit/agw/iq/iq_fixture.h"

static int setup(void **state)
{
	struct gate *g = calloc(1, sizeof(*g));

	gate_defaults(g);
	gate_open(g);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	gate_close(*state);
	free(*state);
	return 0;
}

static uint32_t ports_used(struct gate *g)
{
	struct agw_ports_load access;
	struct agw_ports_load core;

	assert_true(agw_pool_ports(g->pool, "access", &access));
	assert_true(agw_pool_ports(g->pool, "core", &core));
	return access.used + core.used;
}

static void test_reserve_configure_release(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *env;
	const IqStreamResult *r;

	REQ("IQ-02", "IQ-03", "RTP-03", "ICE-05");
	(void)client_reserve(c, "c1", 2);
	env = client_await(c, IQ_BODY(RESERVE_REPLY));
	assert_null(iq_msg_error(env));
	assert_true(env->reserve_reply->rev == 1);
	assert_int_equal(env->reserve_reply->n_streams, 2);
	r = env->reserve_reply->streams[0];
	assert_string_equal(r->access->candidates[0]->address->ip, own_ip());
	assert_in_range(r->access->candidates[0]->address->port, FIRST_PORT, FIRST_PORT + 99);
	assert_true(r->access->lite);
	assert_true(strlen(r->access->credentials->ufrag) >= 4);
	assert_true(strlen(r->access->credentials->pwd) >= 22);
	assert_string_equal(r->access->fingerprints[0]->hash, "sha-256");
	assert_int_equal(r->core->rtp->port % 2, 0);
	assert_int_equal(r->core->rtcp->port, r->core->rtp->port + 1);
	assert_string_not_equal(r->access->credentials->ufrag,
				env->reserve_reply->streams[1]->access->credentials->ufrag);
	iq_envelope_free(env);
	assert_int_equal(agw_context_streams(g->table), 2);

	client_tell(c, "{'configure':{'ctx_id':'c1','base_rev':1,'streams':[{'stream_id':1,"
		       "'kind':'AUDIO','gate':{'uplink':true,'downlink':true},'core':{'remotes':["
		       "{'rtp':{'ip':'127.0.0.1','port':27390},'active':true}]}}]}}");
	env = client_await(c, IQ_BODY(CONFIGURE_REPLY));
	assert_null(iq_msg_error(env));
	assert_true(env->configure_reply->rev == 2);
	iq_envelope_free(env);

	client_tell(c, "{'release':{'ctx_id':'c1','reason':'bye'}}");
	env = client_await(c, IQ_BODY(RELEASE_REPLY));
	assert_null(iq_msg_error(env));
	assert_false(env->release_reply->already_gone);
	assert_int_equal(env->release_reply->n_stats, 2);
	assert_non_null(env->release_reply->stats[0]->uplink);
	iq_envelope_free(env);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	assert_int_equal(ports_used(g), 0);

	client_tell(c, "{'release':{'ctx_id':'c1'}}");
	env = client_await(c, IQ_BODY(RELEASE_REPLY));
	assert_true(env->release_reply->already_gone);
	iq_envelope_free(env);
	client_close(c);
}

static void test_duplicate_request_is_answered_once_more_and_served_once(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *req = client_say(c, "{'release_all':{}}");
	IqEnvelope *first;
	IqEnvelope *second;
	json_t *a;
	json_t *b;

	REQ("IQ-08");
	iq_envelope_free(client_await(c, IQ_BODY(RELEASE_ALL_REPLY)));
	iq_envelope_free(req);
	req = client_say(c, "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':1,'kind':'AUDIO',"
			    "'access':{'realm':'access'},'core':{'realm':'core'}}]}}");
	client_send(c, req);
	first = client_await(c, IQ_BODY(RESERVE_REPLY));
	second = client_await(c, IQ_BODY(RESERVE_REPLY));
	a = iq_envelope_to_json(first, IQ_JSON_PLAIN);
	b = iq_envelope_to_json(second, IQ_JSON_PLAIN);
	assert_true(json_equal(a, b));
	json_decref(a);
	json_decref(b);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 1);
	assert_int_equal(g->server->controllers->requests, 2);
	iq_envelope_free(first);
	iq_envelope_free(second);
	iq_envelope_free(req);
	client_close(c);
}

static void test_duplicate_on_a_new_connection_of_the_same_epoch(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *req = client_say(c, "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':1,"
					"'kind':'AUDIO','access':{'realm':'access'},"
					"'core':{'realm':'core'}}]}}");
	IqEnvelope *first = client_await(c, IQ_BODY(RESERVE_REPLY));
	IqEnvelope *again;
	IqEnvelope *ack = NULL;
	char ufrag[300];

	REQ("IQ-08");
	snprintf(ufrag, sizeof(ufrag), "%s",
		 first->reserve_reply->streams[0]->access->credentials->ufrag);
	iq_envelope_free(first);
	client_close(c);
	c = client_hello(g, "e1", 1, &ack);
	assert_int_equal(ack->hello_ack->contexts_this_epoch, 1);
	iq_envelope_free(ack);
	client_send(c, req);
	again = client_await(c, IQ_BODY(RESERVE_REPLY));
	assert_string_equal(again->reserve_reply->streams[0]->access->credentials->ufrag, ufrag);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 1);
	iq_envelope_free(again);
	iq_envelope_free(req);
	client_close(c);
}

static void test_same_context_with_other_content_is_refused(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);

	REQ("IQ-08");
	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_tell(c, "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':1,'kind':'VIDEO',"
		       "'access':{'realm':'access'},'core':{'realm':'core'}}]}}");
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)),
			 IQ_V(ERROR_CODE__ALREADY_EXISTS_DIFFERENT));
	client_close(c);
}

static void test_what_is_not_served_is_named(void **state)
{
	static const struct {
		const char *access;
		const char *core;
		const char *kind;
		IqErrorCode code;
		const char *field;
	} cases[] = {
	    {"'realm':'access','transport':'UDP_DTLS_SCTP'", "'realm':'core'", "AUDIO",
	     IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "streams[0].access.transport"},
	    {"'realm':'access'", "'realm':'core'", "APPLICATION",
	     IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "streams[0].kind"},
	    {"'realm':'access','rtcp':'RTCP_OFF'", "'realm':'core'", "AUDIO",
	     IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "streams[0].access.rtcp"},
	    {"'realm':'access','ice_mode':'ICE_FULL'", "'realm':'core'", "AUDIO",
	     IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "streams[0].access.ice_mode"},
	    {"'realm':'nowhere'", "'realm':'core'", "AUDIO", IQ_V(ERROR_CODE__UNKNOWN_REALM),
	     "streams[0].access.realm"},
	    {"'realm':'access'", "'realm':'nowhere'", "AUDIO", IQ_V(ERROR_CODE__UNKNOWN_REALM),
	     "streams[0].core.realm"},
	    {"'realm':'access'", "'realm':'core','family':'IPV6'", "AUDIO",
	     IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE), "streams[0].core.family"},
	    {"'realm':'access','families':['IPV6']", "'realm':'core'", "AUDIO",
	     IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE), "streams[0].access.families"},
	};
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);

	REQ("IQ-10", "IQ-11");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		IqEnvelope *env;

		iq_envelope_free(client_say(c,
					    "{'reserve':{'ctx_id':'c1','streams':[{'stream_id':1,"
					    "'kind':'%s','access':{%s},'core':{%s}}]}}",
					    cases[i].kind, cases[i].access, cases[i].core));
		env = client_await(c, IQ_BODY(RESERVE_REPLY));
		assert_non_null(iq_msg_error(env));
		assert_string_equal(iq_msg_error(env)->field, cases[i].field);
		assert_int_equal(iq_msg_error(env)->code, cases[i].code);
		iq_envelope_free(env);
	}
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	assert_int_equal(ports_used(g), 0);
	client_close(c);
}

static void test_critical_field_not_served_is_refused(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);

	REQ("IQ-10");
	client_tell(c, "{'critical_fields':['reserve.trace'],'reserve':{'ctx_id':'c1',"
		       "'streams':[{'stream_id':1,'kind':'AUDIO','access':{'realm':'access'},"
		       "'core':{'realm':'core'}}],'trace':true}}");
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)),
			 IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER));
	client_close(c);
}

static void test_ports_run_out_and_nothing_is_kept(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *env;
	unsigned n = 0;

	REQ("RTP-21", "IQ-09");
	for (;;) { /* 100 core ports make 50 streams; 16 a context */
		char id[16];

		snprintf(id, sizeof(id), "c%u", n);
		(void)client_reserve(c, id, 16);
		env = client_await(c, IQ_BODY(RESERVE_REPLY));
		if (iq_msg_error(env) != NULL)
			break;
		iq_envelope_free(env);
		n++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(iq_msg_error(env)->code, IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED));
	assert_string_equal(iq_msg_error(env)->resource, "ports");
	assert_true(iq_msg_error(env)->retryable);
	iq_envelope_free(env);
	assert_int_equal(agw_context_streams(g->table), 48);
	assert_int_equal(ports_used(g), 48 * 3);
	client_close(c);
}

static void test_revision_conflict_tells_the_current_one(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *env;

	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_tell(c, "{'configure':{'ctx_id':'c1','base_rev':7,'streams':[{'stream_id':1}]}}");
	env = client_await(c, IQ_BODY(CONFIGURE_REPLY));
	assert_int_equal(iq_msg_error(env)->code, IQ_V(ERROR_CODE__REV_CONFLICT));
	assert_true(env->configure_reply->rev == 1);
	iq_envelope_free(env);
	client_close(c);
}

static void test_ice_restart_gives_new_credentials_on_the_same_port(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *env;
	char ufrag[300];
	uint32_t port;

	REQ("ICE-17");
	(void)client_reserve(c, "c1", 1);
	env = client_await(c, IQ_BODY(RESERVE_REPLY));
	snprintf(ufrag, sizeof(ufrag), "%s",
		 env->reserve_reply->streams[0]->access->credentials->ufrag);
	port = env->reserve_reply->streams[0]->access->candidates[0]->address->port;
	iq_envelope_free(env);
	client_tell(c, "{'configure':{'ctx_id':'c1','streams':[{'stream_id':1,'access':{'ice':{"
		       "'restart':true,'credentials':{'ufrag':'abcd',"
		       "'pwd':'0123456789012345678901'}}}}]}}");
	env = client_await(c, IQ_BODY(CONFIGURE_REPLY));
	assert_null(iq_msg_error(env));
	assert_int_equal(env->configure_reply->n_streams, 1);
	assert_string_not_equal(env->configure_reply->streams[0]->access->credentials->ufrag,
				ufrag);
	assert_int_equal(env->configure_reply->streams[0]->access->candidates[0]->address->port,
			 port);
	iq_envelope_free(env);
	client_close(c);
}

static void test_two_controllers_do_not_meet(void **state)
{
	struct gate *g = *state;
	struct client *one = client_hello(g, "e1", 1, NULL);
	struct client *two = client_hello(g, "e2", 1, NULL);
	IqEnvelope *env;

	REQ("IQ-01");
	(void)client_reserve(one, "c1", 1);
	iq_envelope_free(client_await(one, IQ_BODY(RESERVE_REPLY)));
	client_tell(two, "{'configure':{'ctx_id':'c1','streams':[{'stream_id':1}]}}");
	assert_int_equal(client_code(two, IQ_BODY(CONFIGURE_REPLY)), IQ_V(ERROR_CODE__NOT_OWNER));
	client_tell(two, "{'release':{'ctx_id':'c1'}}");
	assert_int_equal(client_code(two, IQ_BODY(RELEASE_REPLY)), IQ_V(ERROR_CODE__NOT_OWNER));
	client_tell(two, "{'audit':{}}");
	env = client_await(two, IQ_BODY(AUDIT_REPLY));
	assert_int_equal(env->audit_reply->n_contexts, 0);
	iq_envelope_free(env);
	client_tell(two, "{'release_all':{}}");
	env = client_await(two, IQ_BODY(RELEASE_ALL_REPLY));
	assert_int_equal(env->release_all_reply->released, 0);
	iq_envelope_free(env);
	assert_int_equal(agw_context_count(g->table, "e1", 1), 1);
	client_close(one);
	client_close(two);
}

static void test_audit_pages_through_all_contexts(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	char cursor[32] = "";
	unsigned seen = 0;
	unsigned pages = 0;

	REQ("IQ-15");
	for (unsigned i = 0; i < 5; i++) {
		char id[16];

		snprintf(id, sizeof(id), "c%u", i);
		(void)client_reserve(c, id, 1);
		iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	}
	do {
		IqEnvelope *env;

		iq_envelope_free(
		    client_say(c, "{'audit':{'limit':2,'detail':true,'cursor':'%s'}}", cursor));
		env = client_await(c, IQ_BODY(AUDIT_REPLY));
		assert_null(iq_msg_error(env));
		for (size_t i = 0; i < env->audit_reply->n_contexts; i++) {
			const IqContextInfo *info = env->audit_reply->contexts[i];
			char want[16];

			snprintf(want, sizeof(want), "c%u", seen++);
			assert_string_equal(info->ctx_id, want);
			assert_int_equal(info->n_streams, 1);
			assert_string_equal(info->streams[0]->ice_state, "new");
		}
		snprintf(cursor, sizeof(cursor), "%s", env->audit_reply->next_cursor);
		iq_envelope_free(env);
		pages++;
	} while (cursor[0] != '\0');
	assert_int_equal(seen, 5);
	assert_int_equal(pages, 3);

	client_tell(c, "{'audit':{'ctx_ids':['c3','nobody']}}");
	{
		IqEnvelope *env = client_await(c, IQ_BODY(AUDIT_REPLY));

		assert_int_equal(env->audit_reply->n_contexts, 1);
		iq_envelope_free(env);
	}
	client_tell(c, "{'audit':{'cursor':'bogus'}}");
	assert_int_equal(client_code(c, IQ_BODY(AUDIT_REPLY)), IQ_V(ERROR_CODE__INVALID_ARGUMENT));
	client_close(c);
}

static void test_drain_refuses_new_contexts_and_keeps_old_ones(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *env;

	REQ("IQ-14");
	(void)client_reserve(c, "old", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_tell(c, "{'drain':{'deadline_s':100,'reason':'upgrade'}}");
	env = client_await(c, IQ_BODY(AGW_STATE));
	assert_int_equal(env->agw_state->state, IQ_V(AGW_STATE__STATE__DRAINING));
	assert_string_equal(env->agw_state->reason, "upgrade");
	assert_in_range(env->agw_state->deadline_s, 99, 100);
	iq_envelope_free(env);
	iq_envelope_free(client_await(c, IQ_BODY(DRAIN_REPLY)));
	(void)client_reserve(c, "new", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__DRAINING));
	client_tell(c, "{'reserve':{'ctx_id':'old','streams':[{'stream_id':9,'kind':'VIDEO',"
		       "'access':{'realm':'access'},'core':{'realm':'core'}}]}}");
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	client_tell(c, "{'drain':{'undo':true}}");
	iq_envelope_free(client_await(c, IQ_BODY(DRAIN_REPLY)));
	(void)client_reserve(c, "new", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(c);
}

static void test_longest_drain_reason_is_told_whole(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	char reason[IQ_MAX_TEXT + 1] = "";
	IqEnvelope *env;

	REQ("IQ-14");
	for (size_t i = 0; i < IQ_MAX_TEXT; i += 2)
		memcpy(reason + i, "\xc3\xbc", 3); /* u with two dots */
	iq_envelope_free(client_say(c, "{'drain':{'reason':'%s'}}", reason));
	env = client_await(c, IQ_BODY(AGW_STATE));
	assert_string_equal(env->agw_state->reason, reason);
	iq_envelope_free(env);
	iq_envelope_free(client_await(c, IQ_BODY(DRAIN_REPLY)));
	(void)client_reserve(c, "new", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__DRAINING));
	client_close(c);
}

static void test_drain_deadline_releases_what_is_left(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);
	IqEnvelope *env;

	REQ("IQ-14");
	(void)client_reserve(c, "c1", 1);
	iq_envelope_free(client_await(c, IQ_BODY(RESERVE_REPLY)));
	client_tell(c, "{'drain':{'deadline_s':1}}");
	env = client_await(c, IQ_BODY(NOTIFICATION));
	assert_int_equal(env->notification->event, IQ_V(NOTIFICATION__EVENT__CONTEXT_EXPIRED));
	assert_string_equal(env->notification->detail, "drain");
	assert_string_equal(env->notification->call_id, "call-c1");
	iq_envelope_free(env);
	assert_int_equal(agw_iq_state(g->server), AGW_IQ_OUT_OF_SERVICE);
	assert_int_equal(agw_context_count(g->table, NULL, 0), 0);
	client_close(c);
}

static void test_overload_refuses_all_but_priority_calls(void **state)
{
	struct gate *g = *state;
	struct client *c = client_hello(g, "e1", 1, NULL);

	REQ("IQ-16");
	g->server->overload = 2;
	(void)client_reserve(c, "c1", 1);
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OVERLOADED));
	g->server->overload = 2;
	client_tell(c, "{'reserve':{'ctx_id':'c1','priority':true,'streams':[{'stream_id':1,"
		       "'kind':'AUDIO','access':{'realm':'access'},'core':{'realm':'core'}}]}}");
	assert_int_equal(client_code(c, IQ_BODY(RESERVE_REPLY)), IQ_V(ERROR_CODE__OK));
	client_close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_reserve_configure_release),
	    T(test_duplicate_request_is_answered_once_more_and_served_once),
	    T(test_duplicate_on_a_new_connection_of_the_same_epoch),
	    T(test_same_context_with_other_content_is_refused),
	    T(test_what_is_not_served_is_named),
	    T(test_critical_field_not_served_is_refused),
	    T(test_ports_run_out_and_nothing_is_kept),
	    T(test_revision_conflict_tells_the_current_one),
	    T(test_ice_restart_gives_new_credentials_on_the_same_port),
	    T(test_two_controllers_do_not_meet),
	    T(test_audit_pages_through_all_contexts),
	    T(test_drain_refuses_new_contexts_and_keeps_old_ones),
	    T(test_longest_drain_reason_is_told_whole),
	    T(test_drain_deadline_releases_what_is_left),
	    T(test_overload_refuses_all_but_priority_calls),
	};

	gw_log_set_level(GW_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
