/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server does under load: rate limits, drain, overload, and what must pass all the same.
 */
#include "fixture.h"
#include "tests/lib/req.h"

static void test_rate_limit_is_503_then_close_and_spares_what_must_pass(void **state)
{
	struct fx *f = *state;

	REQ("WS-25");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	f->no_tokens = true;
	fx_wic_send(f, 7, FX_WIC("BYE", "2", "k2", ""));
	fx_wic_send(f, 7, FX_WIC("CANCEL", "1", "k1", ""));
	fx_wic_send(f, 7, FX_WIC("ACK", "1", "k3", ""));
	assert_int_equal(f->n_req, 2);
	assert_int_equal(f->n_cancel, 1);
	assert_int_equal(f->n_ack, 1);
	assert_int_equal(f->closed_code, 0);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "3", "k4", ""));
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 503 "));
	assert_non_null(strstr(fx_wic_last(f), "Retry-After: "));
	assert_int_equal(f->closed_code, 1008);
	assert_int_equal(f->n_req, 2);
	assert_false(cscf_sip_conn_alive(f->stack, 7, NULL));
}

static void test_drain_refuses_new_requests_and_lets_dialogs_go_on(void **state)
{
	struct fx *f = *state;

	REQ("WS-35", "REL-16");
	fx_wic_open(f, 7);
	f->cfg.overload_retry_s = f->cfg.overload_retry_max_s = 17;
	cscf_sip_stack_drain(f->stack, true);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "1", "k1", ""));
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 503 "));
	assert_non_null(strstr(fx_wic_last(f), "Retry-After: 17\r\n"));
	assert_int_equal(f->n_req, 0);
	fx_wic_send(f, 7,
		    "BYE sip:bob@ims.example.net SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKb\r\nMax-Forwards: 70\r\n"
		    "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>;tag=2\r\n"
		    "Call-ID: c\r\nCSeq: 2 BYE\r\n\r\n");
	assert_int_equal(f->n_req, 1);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "2", "k2", "Expires: 0\r\n"));
	assert_int_equal(f->n_req, 2);
	fx_wic_send(f, 7,
		    FX_WIC("REGISTER", "3", "k3", "Contact: <sip:a@d.invalid>;expires=0\r\n"));
	assert_int_equal(f->n_req, 3);
	fx_wic_send(f, 7,
		    FX_WIC("REGISTER", "4", "k4", "Contact: <sip:a@d.invalid>;expires=60\r\n"));
	assert_int_equal(f->n_req, 3);
}

static void send_numbered(struct fx *f, const char *method, int n, const char *to_tag)
{
	char text[600];

	snprintf(text, sizeof(text),
		 "%s sip:bob@ims.example.net SIP/2.0\r\n"
		 "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>%s\r\n"
		 "Call-ID: c\r\nCSeq: 1 %s\r\n\r\n",
		 method, n, to_tag, method);
	fx_wic_send(f, 7, text);
}

static bool fx_503(struct fx *f, size_t n_sent)
{
	return f->n_sent == n_sent && fx_starts(fx_wic_last(f), "SIP/2.0 503 ") &&
	       strstr(fx_wic_last(f), "Retry-After: 33\r\n") != NULL;
}

static void test_overload_sheds_in_order(void **state)
{
	struct fx *f = *state;
	long long shed = fx_count(CSCF_SIP_N_OVERLOAD);
	int n = 0;

	REQ("SEC-19", "SEC-26");
	cscf_sip_stack_free(f->stack);
	f->cfg.max_server_txns = 20; /* levels at 16, 18 and 19 of them */
	f->cfg.overload_high = 80;
	f->cfg.overload_low = 60;
	f->cfg.overload_retry_s = f->cfg.overload_retry_max_s = 33;
	f->cfg.t1_ms = f->cfg.t2_ms = 1000; /* nothing ends meanwhile */
	fx_start_stack(f);
	fx_wic_open(f, 7);
	while (n < 16)
		send_numbered(f, "MESSAGE", n++, "");
	assert_int_equal(f->n_req, 16);
	send_numbered(f, "REGISTER", n++, "");
	assert_true(fx_503(f, 1));
	send_numbered(f, "REGISTER", n++, ";tag=2"); /* no way round it */
	send_numbered(f, "SUBSCRIBE", n++, "");
	assert_true(fx_503(f, 3));
	send_numbered(f, "INVITE", n++, "");
	send_numbered(f, "MESSAGE", n++, "");
	assert_int_equal(f->n_req, 18);
	send_numbered(f, "INVITE", n++, "");
	send_numbered(f, "MESSAGE", n++, "");
	assert_true(fx_503(f, 5));
	cscf_sip_conn_set_authenticated(f->stack, 7, true);
	send_numbered(f, "REGISTER", n++, ""); /* a refresh */
	assert_int_equal(f->n_req, 19);
	send_numbered(f, "REGISTER", n++, "");
	assert_true(fx_503(f, 6));
	send_numbered(f, "BYE", n++, ";tag=2"); /* a dialog goes on */
	send_numbered(f, "SUBSCRIBE", n++, ";tag=2");
	assert_int_equal(f->n_req, 21);
	send_numbered(f, "INFO", n++, ";tag=2");
	assert_int_equal(f->n_req, 22);
	send_numbered(f, "INFO", n++, ";tag=2"); /* 20 + 20/8 + 1 */
	assert_int_equal(f->n_req, 23);
	send_numbered(f, "INFO", n++, ";tag=2");
	assert_int_equal(f->n_req, 23);
	assert_true(fx_503(f, 7));
	assert_int_equal(fx_count(CSCF_SIP_N_OVERLOAD), shed + 7);
}

static bool fx_is_emergency(void *arg, const struct cscf_sip_msg *msg,
			    const struct cscf_sip_flow *flow)
{
	(void)arg;
	(void)flow;
	return gw_slice_eq_str(cscf_sip_msg_uri(msg), "tel:112");
}

static void test_the_upper_layers_emergencies_pass_overload_rate_and_drain(void **state)
{
	static const char text[] = "INVITE tel:112 SIP/2.0\r\n"
				   "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKtel\r\n"
				   "From: <sip:a@ims.example.net>;tag=1\r\nTo: <tel:112>\r\n"
				   "Call-ID: tel\r\nCSeq: 1 INVITE\r\n\r\n";
	struct cscf_sip_stack_cbs cbs = fx_cbs;
	struct fx *f = *state;
	char err[200];

	REQ("SEC-19", "EMG-17", "WS-25");
	cscf_sip_stack_free(f->stack);
	cbs.is_emergency = fx_is_emergency;
	assert_int_equal(
	    cscf_sip_stack_new(&f->stack, f->base, &f->cfg, &cbs, f, &fx_ws, f, err, sizeof(err)),
	    GW_OK);
	fx_wic_open(f, 7);
	cscf_sip_stack_overload_force(f->stack, 100);
	cscf_sip_stack_drain(f->stack, true);
	f->no_tokens = true;
	fx_wic_send(f, 7, text);
	assert_int_equal(f->n_req, 1);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(f->closed_code, 0);
	cscf_sip_stack_free(f->stack); /* its callbacks end with this function */
	f->stack = NULL;
}

static bool fx_admit(void *arg, const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow)
{
	static unsigned asked;

	(void)arg;
	(void)msg;
	(void)flow;
	return asked++ == 0;
}

/* The first is admitted, the others are not. */
static void test_a_flood_of_emergencies_holds_no_transactions(void **state)
{
	static const char text[] = "%s tel:112 SIP/2.0\r\n"
				   "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKtel%u\r\n"
				   "From: <sip:a@ims.example.net>;tag=1\r\nTo: <tel:112>\r\n"
				   "Call-ID: tel%u\r\nCSeq: 1 %s\r\n\r\n";
	struct cscf_sip_stack_cbs cbs = fx_cbs;
	struct cscf_sip_counts n;
	struct fx *f = *state;
	char err[200], msg[400];
	long long refused = fx_count(CSCF_SIP_N_RATE);

	REQ("EMG-16", "EMG-17", "SEC-19");
	cscf_sip_stack_free(f->stack);
	cbs.is_emergency = fx_is_emergency;
	cbs.admit_emergency = fx_admit;
	assert_int_equal(
	    cscf_sip_stack_new(&f->stack, f->base, &f->cfg, &cbs, f, &fx_ws, f, err, sizeof(err)),
	    GW_OK);
	fx_wic_open(f, 7);
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(msg, sizeof(msg), text, "INVITE", i, i, "INVITE");
		fx_wic_send(f, 7, msg);
		fx_wic_send(f, 7, msg); /* a repeat of the first is absorbed, not asked about */
	}
	assert_int_equal(f->n_req, 1);
	cscf_sip_stack_counts(f->stack, &n);
	assert_int_equal(n.server_txns, 1);
	assert_int_equal(fx_count(CSCF_SIP_N_RATE), refused + 10);
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 503 "));
	assert_non_null(strstr(fx_wic_last(f), "Retry-After: "));
	assert_int_equal(f->closed_code, 0);
	(void)snprintf(msg, sizeof(msg), text, "CANCEL", 0U, 0U, "CANCEL"); /* of the first */
	fx_wic_send(f, 7, msg);
	assert_int_equal(f->n_cancel, 1);
	f->no_tokens = true; /* what is not admitted counts as any message */
	(void)snprintf(msg, sizeof(msg), text, "MESSAGE", 9U, 9U, "MESSAGE");
	fx_wic_send(f, 7, msg);
	assert_int_equal(f->closed_code, 1008);
	cscf_sip_stack_free(f->stack); /* its callbacks end with this function */
	f->stack = NULL;
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_rate_limit_is_503_then_close_and_spares_what_must_pass),
	    T(test_drain_refuses_new_requests_and_lets_dialogs_go_on),
	    T(test_overload_sheds_in_order),
	    T(test_the_upper_layers_emergencies_pass_overload_rate_and_drain),
	    T(test_a_flood_of_emergencies_holds_no_transactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}