/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client transactions against a core on UDP: cscf/sip/client.c, client_try.c, machine.c.
 */
#include "fixture.h"
#include "tests/lib/req.h"

/* The request is on the wire with our Via; the text is the caller's. */
static char *start_invite(struct fx *f, gw_handle *h)
{
	char *sent;

	*h = fx_request(f, FX_REQ("INVITE", "1"));
	sent = fx_core_recv(f, 2000);
	assert_non_null(sent);
	assert_true(fx_starts(sent, "INVITE sip:bob@ims.example.net SIP/2.0\r\n"
				    "Via: SIP/2.0/UDP epcscf1.ims.example.net:"));
	return sent;
}

static void test_final_response_comes_up_without_our_via(void **state)
{
	struct fx *f = *state;
	char *sent;

	REQ("CALL-08", "WS-33");
	fx_request(f, FX_REQ("MESSAGE", "1"));
	sent = fx_core_recv(f, 2000);
	assert_non_null(strstr(sent, ";rport\r\n"));
	fx_core_answer(f, sent, "200 OK", "b1");
	fx_until(f, &f->n_rsp, 1);
	assert_true(fx_starts(f->rsp[0].text, "SIP/2.0 200 OK\r\n"));
	assert_null(strstr(f->rsp[0].text, "Via:"));
	assert_false(f->rsp[0].info.local);
	fx_until(f, &f->n_done, 1);
	assert_int_equal(f->n_rsp, 1);
	free(sent);
}

static void test_request_is_retransmitted_over_udp_then_times_out_as_408(void **state)
{
	struct fx *f = *state;
	int copies = 0;
	char *sent;

	REQ("CALL-47");
	fx_request(f, FX_REQ("MESSAGE", "1"));
	fx_until(f, &f->n_rsp, 1);
	while ((sent = fx_core_recv(f, 0)) != NULL) {
		copies++;
		free(sent);
	}
	assert_true(copies > 3);
	assert_true(fx_starts(f->rsp[0].text, "SIP/2.0 408 "));
	assert_true(f->rsp[0].info.local);
	assert_int_equal(f->rsp[0].info.cause, CSCF_SIP_CAUSE_TIMEOUT);
	assert_false(f->rsp[0].info.provisional);
	fx_until(f, &f->n_done, 1);
}

static void test_a_timeout_after_100_is_told_apart(void **state)
{
	struct fx *f = *state;
	char *sent;

	REQ("CALL-47", "REG-82");
	fx_request(f, FX_REQ("MESSAGE", "1"));
	sent = fx_core_recv(f, 2000);
	assert_non_null(sent);
	fx_core_answer(f, sent, "100 Trying", NULL);
	fx_until(f, &f->n_rsp, 1);
	assert_int_equal(f->rsp[0].info.cause, CSCF_SIP_CAUSE_TIMEOUT);
	assert_true(f->rsp[0].info.provisional);
	fx_until(f, &f->n_done, 1);
	free(sent);
}

static void test_invite_times_out_as_408_by_timer_b(void **state)
{
	struct fx *f = *state;
	gw_handle h;
	char *sent = start_invite(f, &h);

	REQ("CALL-47");
	fx_until(f, &f->n_rsp, 1);
	assert_true(fx_starts(f->rsp[0].text, "SIP/2.0 408 "));
	fx_until(f, &f->n_done, 1);
	assert_false(cscf_sip_client_alive(f->stack, h));
	free(sent);
}

static void test_2xx_comes_up_each_time_and_from_each_fork(void **state)
{
	struct fx *f = *state;
	gw_handle h;
	char *sent = start_invite(f, &h);
	long long start;

	REQ("CALL-24", "CALL-46");
	fx_core_answer(f, sent, "100 Trying", NULL);
	fx_core_answer(f, sent, "183 Session Progress", "t1");
	fx_core_answer(f, sent, "183 Session Progress", "t2");
	fx_core_answer(f, sent, "200 OK", "t1");
	fx_until(f, &f->n_rsp, 3);
	start = fx_now();
	fx_core_answer(f, sent, "200 OK", "t1");
	fx_core_answer(f, sent, "200 OK", "t2");
	fx_until(f, &f->n_rsp, 5);
	assert_non_null(strstr(f->rsp[0].text, "tag=t1"));
	assert_non_null(strstr(f->rsp[1].text, "tag=t2"));
	assert_non_null(strstr(f->rsp[3].text, "tag=t1"));
	assert_non_null(strstr(f->rsp[4].text, "tag=t2"));
	assert_int_equal(f->n_done, 0);
	fx_until(f, &f->n_done, 1); /* Accepted: 64*T1 = 640 ms */
	assert_true(fx_now() - start > 500);
	free(sent);
}

static void test_non_2xx_is_acked_by_the_stack_again_and_again(void **state)
{
	struct fx *f = *state;
	gw_handle h;
	char *sent = start_invite(f, &h);
	char *ack, *via, *ack_via;

	REQ("CALL-24");
	fx_core_answer(f, sent, "486 Busy Here", "b1");
	fx_until(f, &f->n_rsp, 1);
	ack = fx_core_recv(f, 2000);
	assert_true(fx_starts(ack, "ACK sip:bob@ims.example.net SIP/2.0\r\n"));
	assert_non_null(strstr(ack, "CSeq: 1 ACK\r\n"));
	assert_non_null(strstr(ack, "To: <sip:bob@ims.example.net>;tag=b1\r\n"));
	assert_non_null(strstr(ack, "Max-Forwards: 70\r\n"));
	via = fx_header(sent, "Via");
	ack_via = fx_header(ack, "Via");
	assert_string_equal(via, ack_via);
	free(ack);
	fx_core_answer(f, sent, "486 Busy Here", "b1");
	ack = fx_core_recv(f, 2000);
	assert_true(fx_starts(ack, "ACK "));
	assert_int_equal(f->n_rsp, 1);
	fx_until(f, &f->n_done, 1);
	free(ack);
	free(via);
	free(ack_via);
	free(sent);
}

static void test_cancel_waits_for_a_provisional(void **state)
{
	struct fx *f = *state;
	gw_handle h;
	char *sent = start_invite(f, &h);
	char *got, *via, *cancel_via;

	REQ("CALL-25");
	assert_int_equal(cscf_sip_cancel(f->stack, h, "SIP;cause=200"), GW_OK);
	assert_int_equal(cscf_sip_cancel(f->stack, h, NULL), GW_OK);
	got = fx_core_recv(f, 50);
	while (got != NULL) { /* only retransmissions until there is a 1xx */
		assert_true(fx_starts(got, "INVITE "));
		free(got);
		got = fx_core_recv(f, 5);
	}
	fx_core_answer(f, sent, "100 Trying", NULL);
	do {
		free(got);
		got = fx_core_recv(f, 2000);
		assert_non_null(got);
	} while (fx_starts(got, "INVITE "));
	assert_true(fx_starts(got, "CANCEL sip:bob@ims.example.net SIP/2.0\r\n"));
	assert_non_null(strstr(got, "Reason: SIP;cause=200\r\n"));
	assert_non_null(strstr(got, "CSeq: 1 CANCEL\r\n"));
	via = fx_header(sent, "Via");
	cancel_via = fx_header(got, "Via");
	assert_string_equal(via, cancel_via);
	fx_core_answer(f, got, "200 OK", "b1");
	fx_core_answer(f, sent, "487 Request Terminated", "b1");
	fx_until(f, &f->n_rsp, 1);
	assert_true(fx_starts(f->rsp[0].text, "SIP/2.0 487 "));
	assert_false(f->rsp[0].info.local);
	fx_until(f, &f->n_done, 1);
	free(via);
	free(cancel_via);
	free(got);
	free(sent);
}

static void test_cancel_after_a_provisional_goes_at_once_and_2xx_may_win(void **state)
{
	struct fx *f = *state;
	gw_handle h;
	char *sent = start_invite(f, &h);
	char *got;

	REQ("CALL-25");
	fx_core_answer(f, sent, "180 Ringing", "b1");
	fx_until(f, &f->n_rsp, 1);
	assert_int_equal(cscf_sip_cancel(f->stack, h, NULL), GW_OK);
	got = fx_core_recv(f, 2000);
	assert_true(fx_starts(got, "CANCEL "));
	fx_core_answer(f, got, "200 OK", "b1");
	fx_core_answer(f, sent, "200 OK", "b1");
	fx_until(f, &f->n_rsp, 2);
	assert_true(fx_starts(f->rsp[1].text, "SIP/2.0 200 "));
	assert_int_equal(cscf_sip_cancel(f->stack, h, NULL), GW_ERR_STATE);
	free(got);
	free(sent);
}

static void test_cancel_without_final_answer_is_a_local_487(void **state)
{
	struct fx *f = *state;
	gw_handle h;
	char *sent = start_invite(f, &h);

	REQ("CALL-25");
	fx_core_answer(f, sent, "180 Ringing", "b1");
	fx_until(f, &f->n_rsp, 1);
	assert_int_equal(cscf_sip_cancel(f->stack, h, NULL), GW_OK);
	fx_until(f, &f->n_rsp, 2);
	assert_true(fx_starts(f->rsp[1].text, "SIP/2.0 487 "));
	assert_int_equal(f->rsp[1].info.cause, CSCF_SIP_CAUSE_CANCELLED);
	fx_until(f, &f->n_done, 1);
	free(sent);
}

static void test_timer_c_answers_408_and_cancels(void **state)
{
	struct fx *f = *state;
	struct cscf_sip_client_opt opt = {.timer_c_ms = 80};
	char addr[GW_ADDR_STRLEN];
	const char *uris[1];
	struct cscf_sip_dest dest = {.uris = uris, .n_uris = 1};
	gw_handle h;
	char *sent, *got;

	REQ("CALL-48");
	uris[0] = gw_addr_str(&f->core_addr, addr, sizeof(addr)); /* host:port without scheme */
	assert_int_equal(cscf_sip_request(f->stack, fx_own(FX_REQ("INVITE", "1")), &dest, &opt,
					  &fx_client_cbs, f, &h),
			 GW_OK);
	sent = fx_core_recv(f, 2000);
	fx_core_answer(f, sent, "180 Ringing", "b1");
	fx_until(f, &f->n_rsp, 2);
	assert_true(fx_starts(f->rsp[1].text, "SIP/2.0 408 "));
	assert_int_equal(f->rsp[1].info.cause, CSCF_SIP_CAUSE_TIMER_C);
	do {
		got = fx_core_recv(f, 2000);
		assert_non_null(got);
		if (fx_starts(got, "CANCEL "))
			break;
		free(got);
	} while (true);
	fx_core_answer(f, got, "200 OK", "b1");
	fx_core_answer(f, sent, "487 Request Terminated", "b1");
	fx_until(f, &f->n_done, 1);
	assert_int_equal(f->n_rsp, 2); /* the late 487 is absorbed */
	free(got);
	free(sent);
}

static void test_detached_client_makes_no_callback(void **state)
{
	struct fx *f = *state;
	gw_handle h = fx_request(f, FX_REQ("MESSAGE", "1"));
	char *sent = fx_core_recv(f, 2000);

	cscf_sip_client_detach(f->stack, h);
	fx_core_answer(f, sent, "200 OK", "b1");
	while (cscf_sip_client_alive(f->stack, h))
		fx_run_ms(f, 5);
	assert_int_equal(f->n_rsp, 0);
	assert_int_equal(f->n_done, 0);
	free(sent);
}

static void test_answer_with_a_foreign_via_or_branch_is_dropped(void **state)
{
	struct fx *f = *state;
	gw_handle h = fx_request(f, FX_REQ("MESSAGE", "1"));
	char *sent = fx_core_recv(f, 2000);
	char *rsp = fx_response(sent, "200 OK", "b1", NULL);
	char *branch = strstr(rsp, "branch=z9hG4bK") + 14;
	long long before = gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_STRAY_RESPONSE]);
	char *other;

	REQ("WS-34");
	branch[0] = branch[0] == '0' ? '1' : '0';
	fx_core_send(f, rsp);
	free(rsp);
	rsp =
	    fx_response(sent, "200 OK", "b1", "Via: SIP/2.0/UDP other.example;branch=z9hG4bKx\r\n");
	other = rsp;
	fx_core_send(f, other);
	fx_run_ms(f, 30);
	assert_int_equal(f->n_rsp, 0);
	assert_int_equal(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_STRAY_RESPONSE]), before + 2);
	assert_true(cscf_sip_client_alive(f->stack, h));
	free(rsp);
	free(sent);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_final_response_comes_up_without_our_via),
	    T(test_request_is_retransmitted_over_udp_then_times_out_as_408),
	    T(test_a_timeout_after_100_is_told_apart),
	    T(test_invite_times_out_as_408_by_timer_b),
	    T(test_2xx_comes_up_each_time_and_from_each_fork),
	    T(test_non_2xx_is_acked_by_the_stack_again_and_again),
	    T(test_cancel_waits_for_a_provisional),
	    T(test_cancel_after_a_provisional_goes_at_once_and_2xx_may_win),
	    T(test_cancel_without_final_answer_is_a_local_487),
	    T(test_timer_c_answers_408_and_cancels),
	    T(test_detached_client_makes_no_callback),
	    T(test_answer_with_a_foreign_via_or_branch_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}