/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that leave an AGW which is there still (its drain ends, its interface is gone), and what
 * the record of a call says of the AGWs that it had.
 */
#include "cscf/session/repair_int.h"
#include "tests/unit/cscf/session/moving.h"

#include <sys/mman.h>
#include <unistd.h>

static bool leave(void)
{
	return w.iq_cbs.on_leaving(w.iq_arg, w.iq[0].call, "AGW drains");
}

/* One stream's statistics, marked by its packets. */
static void stats(struct cscf_iq_outcome *o, uint64_t packets)
{
	static IqDirectionStats d;
	static IqStreamStats s, *list[] = {&s};
	static char srtp[] = "test";

	wicgate__iq__v1__direction_stats__init(&d);
	wicgate__iq__v1__stream_stats__init(&s);
	d.rtp_packets = packets;
	s.stream_id = 1;
	s.uplink = s.downlink = &d;
	s.srtp_profile = srtp;
	*o = (struct cscf_iq_outcome){.err = GW_OK, .detail = "", .stats = list, .n_stats = 1};
}

/* The AGW answers the i-th request, a Release, with what it counted. */
static void answer_release(size_t i, uint64_t packets)
{
	struct w_iq q = w.iq[i];
	struct cscf_iq_outcome o;

	assert_int_equal(q.op, W_RELEASE);
	stats(&o, packets);
	w.iq[i].done = NULL;
	q.done(w.iq_arg, q.call, q.tag, &o);
}

static size_t last_release(void)
{
	size_t i = w.n_iq;

	while (i-- > 0)
		if (w.iq[i].op == W_RELEASE)
			return i;
	fail_msg("no Release");
	return 0;
}

/* Hang up; the last AGW counted that. @return the call's record */
static const char *record(uint64_t packets)
{
	static char text[65536];
	int fd = memfd_create("log", 0);
	const char *line;

	gw_log_set_fd(fd);
	w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 90, "", NULL);
	answer_release(last_release(), packets);
	(void)w_bye_on(false);
	w_assert_nothing_left();
	gw_log_set_fd(2);
	memset(text, 0, sizeof(text));
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	line = strstr(text, "event=call.record");
	assert_non_null(line);
	return line;
}

static void test_a_call_leaves_in_time(void **state)
{
	REQ("REL-12", "IQ-14", "REL-18");
	const char *line;
	size_t i;

	(void)state;
	w_mo_call();
	assert_true(leave());
	assert_int_equal(w.reserved, 2); /* at once: there is somewhere to go */
	assert_int_equal(w.released, 0); /* nothing is given up for what may be refused */
	assert_false(repair_is_adrift(mv_call()));
	mv_agw(MV_AGW2);
	assert_int_equal(w.released, 1);
	answer_release(last_release(), 111);
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	assert_true(leave()); /* asked again meanwhile: it is on its way */
	assert_int_equal(w.reserved, 2);
	mv_moved(mv_moving_core(i, "passive"));
	line = record(222);
	assert_non_null(strstr(line, " moves=1 stream=1 up_packets=111 "));
	assert_non_null(strstr(line, " stream=1 up_packets=222 "));
	assert_null(strstr(line, "media_incomplete"));
}

/* The drain has minutes left and the other AGWs are full: nothing happens to the call. */
static void test_nobody_takes_it(void **state)
{
	REQ("REL-12", "IQ-14");
	int64_t before = gw_metric_get(&session_metrics[SM_REPAIR_STAYED]);
	size_t clients;
	gw_handle ctx;

	(void)state;
	w_mo_call();
	clients = w.n_clients;
	ctx = mv_call()->media.ctx;
	assert_true(leave());
	assert_int_equal(w.reserved, 2);
	w_agw(GW_ERR_LIMIT);
	assert_false(repair_is_on(mv_call()));
	assert_int_equal(mv_call()->media.ctx, ctx);
	assert_int_equal(w.released, 1); /* what was refused */
	assert_int_equal(w.n_clients, clients);
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_STAYED]), before + 1);
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
	assert_false(leave()); /* nor is another one tried at once */
	assert_int_equal(w.reserved, 2);
	w.s->no_leave_ms = session_now_ms();
	assert_true(leave());
	assert_int_equal(w.reserved, 3);
	mv_agw(MV_AGW2);
	assert_int_equal(w.released, 2);
	mv_moved(mv_moving_core(w.n_clients - 1, "passive"));
	mv_hang_up();
}

/* Its AGW ends, or it hangs up, while it is reserved elsewhere. */
static void test_it_is_overtaken(void **state)
{
	REQ("REL-12", "IQ-14", "REL-17");

	w_mo_call();
	assert_true(leave());
	mv_lose();
	assert_true(repair_is_adrift(mv_call()));
	assert_int_equal(w.reserved, 2); /* it is on its way already */
	mv_agw(MV_AGW2);
	mv_moved(mv_moving_core(w.n_clients - 1, "passive"));
	mv_hang_up();
	mv_anew(state);
	w_mo_call(); /* lost, and then refused: as any other that is lost */
	assert_true(leave());
	mv_lose();
	w_agw(GW_ERR_LIMIT);
	assert_int_equal(mv_call()->repair.state, REPAIR_WAITS);
	mv_reserved_again(3);
	mv_agw(MV_AGW2);
	mv_moved(mv_moving_core(w.n_clients - 1, "passive"));
	mv_hang_up();
	mv_anew(state);
	w_mo_call();
	assert_true(leave());
	mv_hang_up(); /* nothing is left anywhere */
}

static void test_an_emergency_call_has_its_agw_to_the_end(void **state)
{
	REQ("REL-12", "IQ-14");
	struct call *c;

	(void)state;
	w_mo_call();
	c = mv_call();
	c->emergency = calloc(1, 1); /* only whether there is one is looked at */
	assert_non_null(c->emergency);
	assert_true(leave());
	assert_int_equal(w.reserved, 1);
	free(c->emergency);
	c->emergency = NULL;
	assert_true(leave());
	assert_int_equal(w.reserved, 2);
	mv_hang_up();
}

static void test_who_cannot_leave_now_stays(void **state)
{
	REQ("REL-12", "IQ-14");

	w_mo_invite(); /* not answered */
	assert_true(leave());
	assert_int_equal(w.reserved, 1);
	assert_int_equal(w.released, 0);
	mv_anew(state);
	w_mo_call();
	w.s->repair_tokens = 0; /* the turns are others' */
	w.s->repair_at_ms = session_now_ms() + 1000;
	w.cfg.repair_rate = 0;
	assert_false(leave());
	w.cfg.repair_rate = 1000;
	w.s->repair_at_ms = 0;
	w.no_agw = true;
	assert_false(leave());
	w.no_agw = false;
	w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", W_CORE_SDP);
	w_agw(GW_OK);
	assert_true(leave()); /* an offer is under way */
	assert_int_equal(w.reserved, 1);
	lose_flow();
	assert_true(leave()); /* nobody to ask */
	assert_int_equal(w.reserved, 1);
	mv_anew(state);
	w.cfg.reanchor = false;
	w_mo_call();
	assert_true(leave());
	assert_false(call_is_ending(mv_call())); /* its time is not over yet */
	assert_int_equal(w.reserved, 1);
	mv_hang_up();
}

/* What a lost AGW had counted is missing, but for what was last known of it. */
static void test_the_record_says_what_is_missing(void **state)
{
	REQ("REL-12", "REL-18", "RTP-26");
	struct cscf_iq_outcome o;
	const char *line;

	w_mo_call();
	mv_moved(mv_moving_core(mv_moving(), "passive"));
	line = record(222);
	assert_non_null(
	    strstr(line, " moves=1 media_incomplete=agw-lost stream=1 up_packets=222 "));
	mv_anew(state);
	w_mo_call();
	stats(&o, 50);
	record_stats(mv_call(), &o);
	stats(&o, 60); /* looked at twice */
	record_stats(mv_call(), &o);
	mv_moved(mv_moving_core(mv_moving(), "passive"));
	line = record(222);
	assert_non_null(strstr(line, " media_incomplete=agw-lost stream=1 up_packets=60 "));
	assert_non_null(strstr(line, " stream=1 up_packets=222 "));
	assert_null(strstr(line, "up_packets=50 "));
	mv_anew(state);
	w_mo_call(); /* nothing happened */
	line = record(222);
	assert_non_null(strstr(line, " moves=0 stream=1 up_packets=222 "));
}

/* Its interface is gone: the AGW tells, and another one may have what it lacks. */
static void test_a_released_bearer_moves_the_call(void **state)
{
	REQ("REL-12", "IQ-11");
	IqNotification n;

	(void)state;
	w_mo_call();
	wicgate__iq__v1__notification__init(&n);
	n.stream_id = w.iq[0].ids[0];
	n.event = IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED);
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n);
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n); /* of each stream */
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	mv_moved(mv_moving_core(w.n_clients - 1, "passive"));
	mv_hang_up();
}

/* The new one's goes as well, while the WIC is being asked: on to a third. */
static void test_a_bearer_is_released_on_the_way(void **state)
{
	REQ("REL-12", "IQ-11");
	IqNotification n;
	size_t i;

	(void)state;
	w_mo_call();
	i = mv_moving();
	wicgate__iq__v1__notification__init(&n);
	n.stream_id = w.iq[0].ids[0];
	n.event = IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED);
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n);
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n);
	assert_true(repair_is_adrift(mv_call()));
	w_response(i, 200, NULL, mv_wic_answer("passive"), CSCF_SIP_CAUSE_NONE);
	mv_done(i);
	mv_reserved_again(3);
	mv_agw(MV_AGW3);
	mv_moved(mv_moving_core(w.n_clients - 1, "passive"));
	assert_int_equal(w.released, 2);
	mv_hang_up();
}

/* An audit that finds another revision while the call moves: what is offered is told with the
 * answers. */
static void test_an_audit_meanwhile(void **state)
{
	REQ("REL-12", "IQ-15");
	size_t i, asked;

	(void)state;
	w_mo_call();
	i = mv_moving();
	cscf_sdp_rollback(
	    mv_call()->media.sdp); /* as if no round were open: the move alone counts */
	asked = w.n_iq;
	w.iq_cbs.on_differs(w.iq_arg, w.iq[0].call);
	assert_int_equal(w.n_iq, asked);
	(void)i;
	cscf_session_release_all(w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, mv_setup, w_teardown)
	    T(test_a_call_leaves_in_time),
	    T(test_nobody_takes_it),
	    T(test_it_is_overtaken),
	    T(test_an_emergency_call_has_its_agw_to_the_end),
	    T(test_who_cannot_leave_now_stays),
	    T(test_the_record_says_what_is_missing),
	    T(test_a_released_bearer_moves_the_call),
	    T(test_a_bearer_is_released_on_the_way),
	    T(test_an_audit_meanwhile),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
