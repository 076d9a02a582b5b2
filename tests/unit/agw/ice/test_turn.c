/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full agent with a TURN server (ice.turn): Debian's coturn on loopback, and a peer that hears
 * nothing but what comes through it. Skipped where there is no turnserver.
 */
#include "tests/unit/agw/ice/rig.h"
#include "tests/unit/agw/lib/turn_server.h"

#define TURN_PORT  21200
#define NO_TURN    9   /* nobody is there */
#define NOTHING_MS 250 /* below libnice's first retransmission: nobody has waited */

static bool is_relayed(const struct rig *r)
{
	const struct agw_ice_pair *p = agw_ice_selected(r->ice);

	return p != NULL && p->local == AGW_ICE_RELAYED && gw_addr_eq(&p->remote, &r->peer[0].at);
}

static void test_media_goes_through_the_relay_when_nothing_else_works(void **state)
{
	struct agw_ice_turn turn = {
	    .server = rig_addr(false, TURN_PORT), .username = "wicgate", .password = "secret"};
	uint8_t media[172] = {0x80};
	struct rig *r;
	uint64_t end;
	pid_t pid;

	(void)state;
	REQ("ICE-28");
	if (!turn_is_here())
		skip();
	pid = turn_start(TURN_PORT, &turn.server);
	r = rig_new_turn(FULL, true, false, &turn);
	RIG_UNTIL(r, r->gathered == 1);
	assert_true(r->relay.len != 0);
	assert_in_range(gw_addr_port(&r->relay), gw_addr_port(&turn.server) + 1,
			gw_addr_port(&turn.server) + TURN_RELAYS);
	rig_answered(r, true);
	end = real_ms() + 15000;
	while (!is_relayed(r) && real_ms() < end)
		rig_run(r, 20);
	assert_true(is_relayed(r));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
	/* down, up */
	for (int i = 0; i < 20; i++) {
		assert_true(agw_ice_send(r->ice, media, sizeof(media)));
		assert_true(agw_udp_send(r->peer[0].fd, &r->relay, media, sizeof(media)));
		rig_run(r, 10);
	}
	RIG_UNTIL(r, r->peer[0].data == 20);
	RIG_UNTIL(r, r->data == 20);
	/* libnice asks for consent there; our own time limit does not run */
	r->skew += 60000;
	rig_run(r, 100);
	assert_int_equal(r->events[AGW_ICE_EV_CONSENT_LOST], 0);
	rig_free(r);
	turn_stop(pid);
}

static void test_a_server_that_is_not_there_delays_and_spoils_nothing(void **state)
{
	const struct agw_ice_turn turn = {
	    .server = rig_addr(false, NO_TURN), .username = "wicgate", .password = "secret"};
	uint64_t began = real_ms();
	struct rig *r = rig_new_turn(FULL, false, false, &turn);

	(void)state;
	REQ("ICE-28");
	assert_true(real_ms() - began < NOTHING_MS);
	assert_int_equal(r->gathered, 0);
	assert_int_equal(r->relay.len, 0);
	rig_answered(r, true);
	assert_int_equal(rig_check(r, 0, 0), 0);
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_media_goes_through_the_relay_when_nothing_else_works),
	    cmocka_unit_test(test_a_server_that_is_not_there_delays_and_spoils_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
