/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request goes when its first target refuses, is dead, or is a WIC that left.
 */
#include "fixture.h"
#include "tests/lib/req.h"

/* The first target answers so: the second is asked, and its same answer comes up. */
static void refused_twice(struct fx *f, const struct cscf_sip_client_opt *opt, const char *answer)
{
	char addr[GW_ADDR_STRLEN];
	const char *uris[2];
	struct cscf_sip_dest dest = {.uris = uris, .n_uris = 2};
	size_t n_rsp = f->n_rsp, n_done = f->n_done;
	gw_handle h;
	char *first, *second, *via1, *via2;

	uris[0] = uris[1] = gw_addr_str(&f->core_addr, addr, sizeof(addr));
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("REGISTER", "1")), &dest, opt,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	first = fx_core_recv(f, 2000);
	fx_core_answer(f, first, answer, "b1");
	do {
		second = fx_core_recv(f, 2000);
		assert_non_null(second);
		via1 = fx_header(first, "Via");
		via2 = fx_header(second, "Via");
		if (strcmp(via1, via2) != 0)
			break;
		free(second); /* a retransmission of the first */
		free(via1);
		free(via2);
	} while (true);
	assert_int_equal(fx_vias(second), 1);
	assert_int_equal(f->n_rsp, n_rsp);
	fx_core_answer(f, second, answer, "b2");
	fx_until(f, &f->n_rsp, n_rsp + 1);
	assert_memory_equal(f->rsp[n_rsp].text + strlen("SIP/2.0 "), answer, 4);
	assert_false(f->rsp[n_rsp].info.local);
	fx_until(f, &f->n_done, n_done + 1);
	free(first);
	free(second);
	free(via1);
	free(via2);
}

static void test_503_goes_to_the_next_target_and_only_the_last_comes_up(void **state)
{
	static const struct cscf_sip_client_opt opt = {.exit_points = true};

	REQ("CALL-36", "REG-10");
	refused_twice(*state, NULL, "503 Service Unavailable");
	refused_twice(*state, &opt, "480 Not Here");
	refused_twice(*state, &opt, "302 Elsewhere");
}

static void test_dead_tcp_target_fails_over(void **state)
{
	struct fx *f = *state;
	char addr[GW_ADDR_STRLEN];
	char *live;
	const char *uris[2];
	struct cscf_sip_dest dest = {.uris = uris, .n_uris = 2};
	gw_handle h;
	char *sent;

	REQ("SEC-25");
	uris[0] = "sip:127.0.0.1:1;transport=tcp"; /* nobody listens there */
	assert_true(asprintf(&live, "sip:%s;transport=udp",
			     gw_addr_str(&f->core_addr, addr, sizeof(addr))) > 0);
	uris[1] = live;
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "1")), &dest, NULL,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	sent = fx_core_recv(f, 2000);
	assert_non_null(strstr(sent, "Via: SIP/2.0/UDP "));
	assert_int_equal(fx_vias(sent), 1);
	fx_core_answer(f, sent, "200 OK", "b1");
	fx_until(f, &f->n_rsp, 1);
	free(sent);
	free(live);
}

static void test_failed_target_has_the_last_place_for_a_while(void **state)
{
	struct fx *f = *state;
	char addr[GW_ADDR_STRLEN];
	char *live;
	const char *uris[2];
	struct cscf_sip_dest dest = {.uris = uris, .n_uris = 2};
	static const struct cscf_sip_client_opt opt = {.exit_points = true};
	long long failovers = gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_FAILOVER]);
	char *sent, *rsp;
	gw_handle h;

	REQ("SEC-21", "REG-10");
	uris[0] = "sip:127.0.0.1:1;transport=tcp"; /* nobody listens there */
	assert_true(asprintf(&live, "sip:%s;transport=udp",
			     gw_addr_str(&f->core_addr, addr, sizeof(addr))) > 0);
	uris[1] = live;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "1")), &dest,
						  NULL, &fx_client_cbs, f, &h),
				 GW_OK);
		sent = fx_core_recv(f, 2000);
		fx_core_answer(f, sent, "200 OK", "b1");
		fx_until(f, &f->n_rsp, i + 1);
		free(sent);
		/* the second time the dead one is not even tried */
		assert_int_equal(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_FAILOVER]),
				 failovers + 1);
	}
	/* now the live one says 503 with a Retry-After: both have failed, both are tried */
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "2")), &dest, NULL,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	sent = fx_core_recv(f, 2000);
	rsp = fx_response(sent, "503 Service Unavailable", "b1", "Retry-After: 1 (busy);x=y\r\n");
	fx_core_send(f, rsp);
	fx_until(f, &f->n_rsp, 3);
	assert_true(fx_starts(f->rsp[2].text, "SIP/2.0 503 "));
	free(rsp);
	free(sent);
	/* a REGISTER leaves it alone as long as it asked for */
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("REGISTER", "9")), &dest, &opt,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	fx_until(f, &f->n_rsp, 4);
	assert_true(f->rsp[3].info.local);
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "3")), &dest, NULL,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	do {
		sent = fx_core_recv(f, 2000);
		assert_non_null(sent);
		assert_null(strstr(sent, "CSeq: 9 "));
		if (strstr(sent, "CSeq: 3 ") != NULL)
			break;
		free(sent);
	} while (true);
	fx_core_answer(f, sent, "200 OK", "b1");
	fx_until(f, &f->n_rsp, 5);
	assert_true(fx_starts(f->rsp[4].text, "SIP/2.0 200 "));
	free(sent);
	free(live);
}

static void test_no_target_is_a_local_503(void **state)
{
	static const char *const bad[] = {
	    "sip:127.0.0.1:1;transport=tcp",   "sip:x@df7jal23ls0d.invalid",
	    "sip:127.0.0.1:5060;transport=ws", "sips:127.0.0.1",
	    "sip:127.0.0.1;transport=sctp",    "sip:not a host"};
	struct fx *f = *state;

	REQ("WS-15");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cscf_sip_dest dest = {.uris = &bad[i], .n_uris = 1};
		struct cscf_sip_counts counts;
		gw_handle h;

		assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "1")), &dest,
						  NULL, &fx_client_cbs, f, &h),
				 GW_OK);
		assert_int_equal(f->n_rsp, i); /* never from within the call */
		cscf_sip_stack_counts(f->stack, &counts);
		assert_int_equal(counts.dns_queries, 0);
		fx_until(f, &f->n_done, i + 1);
		assert_int_equal(f->n_rsp, i + 1);
		assert_true(fx_starts(f->rsp[i].text, "SIP/2.0 503 "));
		assert_true(f->rsp[i].info.local);
	}
}

static void test_request_to_a_wic_uses_its_connection_only(void **state)
{
	struct fx *f = *state;
	struct cscf_sip_flow flow;
	struct cscf_sip_dest dest = {.flow = &flow};
	gw_handle h;
	char *rsp;

	REQ("WS-19", "WS-34", "WS-14");
	fx_wic_open(f, 7);
	fx_wic_open(f, 8);
	assert_true(cscf_sip_conn_alive(f->stack, 7, &flow));
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "1")), &dest, NULL,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(f->sent[0].conn, 7);
	assert_non_null(
	    strstr(f->sent[0].text, "Via: SIP/2.0/WSS epcscf1.ims.example.net;branch="));
	rsp = fx_response(f->sent[0].text, "200 OK", "b1", NULL);
	fx_wic_send(f, 8, rsp); /* forged: another connection */
	fx_run_ms(f, 20);
	assert_int_equal(f->n_rsp, 0);
	fx_wic_send(f, 7, rsp);
	fx_until(f, &f->n_rsp, 1);
	assert_int_equal(f->n_sent, 1); /* reliable: never sent twice */
	free(rsp);
}

static void test_lost_connection_is_a_local_503_and_gone_afterwards(void **state)
{
	struct fx *f = *state;
	struct cscf_sip_flow flow;
	struct cscf_sip_dest dest = {.flow = &flow};
	gw_handle h;
	char *rsp;

	REQ("WS-18", "CALL-01");
	fx_wic_open(f, 7);
	assert_true(cscf_sip_conn_alive(f->stack, 7, &flow));
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("INVITE", "1")), &dest, NULL,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	rsp = fx_response(f->sent[0].text, "180 Ringing", "b1", NULL);
	fx_wic_send(f, 7, rsp);
	free(rsp);
	fx_until(f, &f->n_rsp, 1);
	cscf_sip_w2_closed(f->stack, 7);
	assert_int_equal(f->n_flow_closed, 1);
	assert_int_equal(f->n_rsp, 1);
	fx_until(f, &f->n_done, 1);
	assert_true(fx_starts(f->rsp[1].text, "SIP/2.0 503 "));
	assert_int_equal(f->rsp[1].info.cause, CSCF_SIP_CAUSE_TRANSPORT);
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("MESSAGE", "2")), &dest, NULL,
					  &fx_client_cbs, f, &h),
			 GW_ERR_GONE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_503_goes_to_the_next_target_and_only_the_last_comes_up),
	    T(test_dead_tcp_target_fails_over),
	    T(test_failed_target_has_the_last_place_for_a_while),
	    T(test_no_target_is_a_local_503),
	    T(test_request_to_a_wic_uses_its_connection_only),
	    T(test_lost_connection_is_a_local_503_and_gone_afterwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}