/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only a full agent does: it asks and nominates, solves role conflicts, keeps the times of
 * ICE-28, meets lite peers, peers that tell no candidate, and its like.
 */
#include "tests/unit/agw/ice/rig.h"

#define RC 7

static struct rig *make(void **state, bool controlling, bool v6)
{
	*state = rig_new(FULL, controlling, v6);
	return *state;
}

static int setup_controlled(void **state)
{
	(void)make(state, false, false);
	return 0;
}

static int setup_controlling(void **state)
{
	(void)make(state, true, false);
	return 0;
}

static int teardown(void **state)
{
	if (*state != NULL)
		rig_free(*state);
	return 0;
}

static void test_controlling_it_checks_and_nominates_once(void **state)
{
	struct rig *r = *state;

	REQ("ICE-28", "ICE-15");
	r->peer[1].answers = false; /* one of two candidates works */
	rig_answered(r, true);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	assert_true(r->peer[0].saw_controlling);
	/* regular nomination: first a check, then the same with USE-CANDIDATE */
	assert_true(r->peer[0].requests >= 2);
	assert_int_equal(r->peer[0].used, 1);
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
	assert_true(agw_ice_is_valid_source(r->ice, 0, &r->peer[0].at));
	/* a controlled peer has no say in it */
	assert_int_equal(rig_check(r, 1, USE | CONTROLLED), 0);
	rig_run(r, QUIET);
	assert_true(rig_sends_to(r, 0));
	assert_int_equal(r->events[AGW_ICE_EV_PAIR_CHANGED], 0);
}

static void test_checks_are_paced_and_given_up_as_rfc_8445_says(void **state)
{
	struct rig *r = *state;
	uint64_t end;

	REQ("ICE-28");
	r->peer[0].answers = r->peer[1].answers = false;
	rig_answered(r, true);
	/* RTO 500 ms: 0, 0.5, 1.5, 3.5 s ... of seven the first four are waited for */
	end = real_ms() + 4200;
	while (r->peer[0].requests < 4 && real_ms() < end)
		rig_run(r, 20);
	assert_int_equal(r->peer[0].requests, 4);
	for (unsigned i = 1; i < 4; i++)
		assert_true(r->peer[0].at_ms[i] - r->peer[0].at_ms[i - 1] >= (450U << (i - 1)));
	/* Ta: the two candidates' first checks are 50 ms apart at least */
	assert_true(r->peer[1].requests > 0);
	end = r->peer[1].at_ms[0] > r->peer[0].at_ms[0] ? r->peer[1].at_ms[0] - r->peer[0].at_ms[0]
							: r->peer[0].at_ms[0] - r->peer[1].at_ms[0];
	assert_true(end >= 40);
}

/* Both say they are controlling: one of two tie-breakers is the larger. */
static void test_a_role_conflict_is_solved_by_tie_breakers(void **state)
{
	struct rig *r = *state;
	uint8_t buf[1500];
	size_t n;

	REQ("ICE-28", "ICE-13");
	rig_answered(r, true);
	/* ours is larger than 42, but for one call in 2^58: the peer is told to switch */
	assert_int_equal(rig_check(r, 0, 0), 487);
	/* now the peer's is the largest: we do */
	{
		StunMessage m;
		char user[64];
		int len = snprintf(user, sizeof(user), "%s:%s", r->creds.ufrag, r->remote);
		StunTransactionId id;

		assert_true(stun_agent_init_request(&r->stun, &m, buf, sizeof(buf), STUN_BINDING));
		(void)stun_message_append_flag(&m, STUN_ATTRIBUTE_USE_CANDIDATE);
		(void)stun_message_append32(&m, STUN_ATTRIBUTE_PRIORITY, 1845501695);
		(void)stun_message_append64(&m, STUN_ATTRIBUTE_ICE_CONTROLLING, UINT64_MAX);
		(void)stun_message_append_bytes(&m, STUN_ATTRIBUTE_USERNAME, user, (size_t)len);
		n = stun_agent_finish_message(&r->stun, &m, (const uint8_t *)r->creds.pwd,
					      strlen(r->creds.pwd));
		stun_message_id(&m, id);
		(void)stun_agent_forget_transaction(&r->stun, id);
	}
	assert_int_equal(rig_give(r, 0, buf, n), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	rig_run(r, 50);
	assert_false(r->peer[0].saw_controlling);
	/* and our consent requests say so too */
	r->peer[0].saw_controlling = true;
	r->skew += 6000;
	RIG_UNTIL(r, !r->peer[0].saw_controlling);
}

static void test_a_lite_peer_is_checked_and_nominated_without_a_check_of_its_own(void **state)
{
	struct rig *r = *state;
	struct agw_ice_peer peer = {.lite = true,
				    .n_cands = 1,
				    .cands = {{.addr = r->peer[0].at,
					       .priority = 2130706431,
					       .component = 1,
					       .type = AGW_CAND_HOST}}};

	REQ("ICE-19", "ICE-28");
	agw_ice_set_peer(r->ice, &peer);
	agw_ice_set_remote(r->ice, r->remote, r->remote_pwd);
	agw_ice_expect(r->ice, rig_now(r));
	RIG_UNTIL(r, rig_sends_to(r, 0)); /* without a check of the peer's */
	assert_int_equal(r->peer[0].used, 1);
	assert_int_equal(r->heard[AGW_ICE_GOOD], 0);
}

static void test_a_peer_reflexive_candidate_is_reported_once(void **state)
{
	struct rig *r = *state;

	REQ("ICE-28", "IQ-07");
	rig_answered(r, false);
	assert_int_equal(rig_check(r, 0, 0), 0);
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	assert_int_equal(r->prflx, 1);
	assert_true(gw_addr_eq(&r->prflx_at, &r->peer[0].at));
}

/* Who has the password can come from a thousand ports; libnice keeps them all. */
static void test_sources_of_one_peer_are_bounded(void **state)
{
	struct rig *r = *state;
	uint8_t buf[1500];

	REQ("ICE-28", "ICE-29");
	rig_answered(r, false);
	for (int i = 0; i < 40; i++) {
		struct gw_addr at;
		int fd = rig_socket(&at, false);
		size_t n =
		    rig_request(r, buf, sizeof(buf), r->creds.ufrag, r->remote, r->creds.pwd, 0);

		assert_true(agw_udp_send(fd, &r->at, buf, n));
		rig_run(r, 15);
		(void)close(fd);
	}
	assert_int_equal(r->prflx, 16);
	assert_true(r->heard[AGW_ICE_REFUSED] >= 20);
}

static void test_candidates_no_check_may_go_to_are_passed_over(void **state)
{
	struct rig *r = *state;
	const char *bad[] = {"0.0.0.0", "224.0.0.251", "255.255.255.255", "::", "ff02::1"};
	struct agw_ice_peer peer = {.n_cands = 0};

	REQ("ICE-28", "ICE-09");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct agw_ice_cand *c = &peer.cands[peer.n_cands++];

		*c = (struct agw_ice_cand){.priority = 1000, .component = 1};
		assert_int_equal(gw_addr_parse_ip(&c->addr, bad[i], 9999), GW_OK);
	}
	agw_ice_set_peer(r->ice, &peer);
	agw_ice_set_remote(r->ice, r->remote, r->remote_pwd);
	rig_run(r, QUIET);
	/* it would be in trouble if it had any: and it still answers */
	assert_int_equal(rig_check(r, 0, USE | CONTROLLED), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
}

static void test_over_ipv6(void **state)
{
	struct rig *r;
	struct gw_addr a = rig_addr(true, 0);
	int fd;

	REQ("ICE-28");
	if (agw_udp_open(&fd, &a) != GW_OK)
		skip();
	(void)close(fd);
	r = make(state, true, true);
	rig_answered(r, true);
	RIG_UNTIL(r, rig_sends_to(r, 0) || rig_sends_to(r, 1));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
}

/* --- the by-pass --------------------------------------------------------------------------------
 */

static void test_the_kernel_gives_libnice_stun_and_nothing_else(void **state)
{
	struct rig *r = *state;
	uint8_t pkt[172];

	REQ("ICE-28");
	rig_answered(r, true);
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	memset(pkt, 0, sizeof(pkt));
	for (unsigned first = 4; first < 256; first++) {
		pkt[0] = (uint8_t)first;
		assert_true(agw_udp_send(r->peer[0].fd, &r->at, pkt, sizeof(pkt)));
		if (first % 16 == 0)
			rig_run(r, 5);
	}
	RIG_UNTIL(r, r->data == 252 * 1000); /* all of them by our own socket */
	assert_int_equal(r->heard[AGW_ICE_BAD], 0);
	for (unsigned first = 0; first < 4; first++) {
		pkt[0] = (uint8_t)first;
		assert_true(agw_udp_send(r->peer[0].fd, &r->at, pkt, sizeof(pkt)));
	}
	RIG_UNTIL(r, r->heard[AGW_ICE_BAD] == 4);
	assert_int_equal(r->data, 252 * 1000);
}

/* --- two of them --------------------------------------------------------------------------------
 */

static void pair_up(struct rig *a, struct rig *b)
{
	struct agw_ice_peer peer = {.n_cands = 1};

	peer.cands[0] = (struct agw_ice_cand){
	    .addr = b->at, .priority = agw_ice_host_priority(0, 1), .component = 1};
	agw_ice_set_peer(a->ice, &peer);
	agw_ice_set_remote(a->ice, b->creds.ufrag, b->creds.pwd);
	agw_ice_expect(a->ice, rig_now(a));
}

static bool is_on(const struct rig *a, const struct rig *b)
{
	const struct agw_ice_pair *p = agw_ice_selected(a->ice);

	return p != NULL && gw_addr_eq(&p->remote, &b->at);
}

static void run_two(struct rig *a, struct rig *b, bool (*done)(struct rig *, struct rig *))
{
	uint64_t end = real_ms() + SOON;
	int none;

	while (!done(a, b) && real_ms() < end) {
		rig_turn(a, 2, &none);
		rig_turn(b, 2, &none);
	}
	assert_true(done(a, b));
}

static bool both_on(struct rig *a, struct rig *b)
{
	return is_on(a, b) && is_on(b, a);
}

static bool again_connected(struct rig *a, struct rig *b)
{
	return a->events[AGW_ICE_EV_CONNECTED] == 2 && b->events[AGW_ICE_EV_CONNECTED] == 2;
}

/* Both took the same role, as after a glare: it ends with one of each. */
static void test_two_full_agents_find_each_other_and_restart(void **state)
{
	REQ("ICE-28", "ICE-17");
	for (int roles = 0; roles < 3; roles++) {
		struct rig *a = rig_new(FULL, roles != 0, false);
		struct rig *b = rig_new(FULL, roles == 1, false);

		pair_up(a, b);
		pair_up(b, a);
		run_two(a, b, both_on);
		assert_int_equal(a->events[AGW_ICE_EV_CONNECTED], 1);
		agw_ice_creds_new(&a->creds);
		agw_ice_creds_new(&b->creds);
		agw_ice_restart(a->ice, &a->creds);
		agw_ice_restart(b->ice, &b->creds);
		assert_true(both_on(a, b));
		pair_up(a, b);
		pair_up(b, a);
		run_two(a, b, again_connected);
		assert_true(both_on(a, b));
		rig_free(a);
		rig_free(b);
	}
	*state = NULL;
}

static void test_a_large_datagram_does_not_deafen(void **state)
{
	struct rig *r = *state;
	static uint8_t big[3000]; /* begins as STUN does: the kernel hands it to libnice's socket */

	REQ("ICE-31", "ICE-28");
	r->peer[1].answers = false;
	rig_answered(r, true);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	rig_run(r, 9000); /* till no timer of libnice is near: it would heal it */
	assert_int_equal(rig_check(r, 0, CONTROLLED), 0);
	assert_true(agw_udp_send(r->peer[1].fd, &r->at, big, sizeof(big)));
	rig_run(r, 50);
	assert_int_equal(rig_check(r, 0, CONTROLLED), 0);
}

#define T(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_controlling_it_checks_and_nominates_once, setup_controlling),
	    T(test_checks_are_paced_and_given_up_as_rfc_8445_says, setup_controlling),
	    T(test_a_role_conflict_is_solved_by_tie_breakers, setup_controlling),
	    T(test_a_lite_peer_is_checked_and_nominated_without_a_check_of_its_own,
	      setup_controlling),
	    T(test_a_peer_reflexive_candidate_is_reported_once, setup_controlled),
	    T(test_sources_of_one_peer_are_bounded, setup_controlled),
	    T(test_candidates_no_check_may_go_to_are_passed_over, setup_controlling),
	    T(test_over_ipv6, NULL),
	    T(test_the_kernel_gives_libnice_stun_and_nothing_else, setup_controlled),
	    T(test_a_large_datagram_does_not_deafen, setup_controlling),
	    T(test_two_full_agents_find_each_other_and_restart, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
