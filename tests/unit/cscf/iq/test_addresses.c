/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AGW that is reached by two addresses, an AGW that comes back elsewhere, and two controllers
 * that share one id.
 */
#include "tests/unit/cscf/iq/pool_fixture.h"

static struct cscf_iq_link *link_of(const struct fixture *f, const struct fake_agw *a)
{
	struct cscf_iq_link *link;

	DL_FOREACH (f->iq->links, link)
		if (gw_addr_port(&link->addr) == a->port)
			return link;
	return NULL;
}

/* Two addresses, one process: which of them is in use is a matter of who was first. */
static void start_one_agw_twice(struct fixture *f, struct fake_agw **used, struct fake_agw **spare)
{
	f->agw[1].id = f->agw[0].id;
	f->cfg.agw_dead = 60000;
	start(f, 2);
	UNTIL(f, f->agw[0].audits + f->agw[1].audits > 0);
	*used = link_of(f, &f->agw[0])->state == IQ_LINK_UP ? &f->agw[0] : &f->agw[1];
	*spare = *used == &f->agw[0] ? &f->agw[1] : &f->agw[0];
	UNTIL(f, link_of(f, *spare)->duplicate && link_of(f, *spare)->state == IQ_LINK_BACKOFF);
}

static void turn(struct fixture *f, unsigned ms)
{
	struct timeval tv = {0, (suseconds_t)ms * 1000};

	event_base_loopexit(f->base, &tv);
	event_base_dispatch(f->base);
}

static void test_the_other_address_takes_over_what_is_there(void **state)
{
	REQ("IQ-15", "IQ-20", "REL-12");
	struct fixture *f = *state;
	struct fake_agw *used, *spare;
	gw_handle ctx;
	char id[64];

	start_one_agw_twice(f, &used, &spare);
	ctx = reserved(f, 3);
	(void)snprintf(id, sizeof(id), "%s", used->last_ctx);
	fake_notify(used, 5, id, IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED));
	UNTIL(f, f->events == 1);
	used->stub = true;
	spare->audit_ctx = id; /* the same process: it has the context */
	UNTIL(f, link_of(f, used)->state != IQ_LINK_UP);
	iq_link_start(link_of(f, spare)); /* its turn; the back-off is not what is tested */
	UNTIL(f, spare->audits > 0 && cscf_iq_txn_count(f->iq) == 0);
	assert_int_equal(spare->releases, 0);
	assert_int_equal(f->lost, 0);
	assert_int_equal(link_of(f, used)->n_ctx, 0);
	assert_false(event_pending(link_of(f, used)->dead_timer, EV_TIMEOUT, NULL));
	/* an event that was told before is the same event by this address */
	fake_notify(spare, 5, id, IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED));
	fake_notify(spare, 6, id, IQ_V(NOTIFICATION__EVENT__TERMINATION_HEARTBEAT));
	UNTIL(f, spare->last_ack == 6);
	assert_int_equal(f->events, 2);
	assert_int_equal(spare->releases, 0);
	release(f, ctx);
	assert_string_equal(spare->last_release, id);
}

static void test_a_request_under_way_is_sent_by_the_other_address(void **state)
{
	REQ("IQ-08");
	struct fixture *f = *state;
	struct fake_agw *used, *spare;
	gw_handle ctx;
	uint64_t txn;

	start_one_agw_twice(f, &used, &spare);
	ctx = reserved(f, 3);
	spare->audit_ctx = used->last_ctx;
	link_of(f, used)->iq->cfg.request_timeout = 30000;
	used->drop_requests = 1000;
	assert_int_equal(cscf_iq_configure(f->iq, ctx, 2, 0, NULL, 0, on_done), GW_OK);
	UNTIL(f, used->configures == 1);
	txn = used->txn_seen[used->n_txn - 1];
	used->stub = true;
	UNTIL(f, link_of(f, used)->state != IQ_LINK_UP);
	iq_link_start(link_of(f, spare));
	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_OK);
	assert_int_equal(spare->configures, 1);
	assert_int_equal(spare->txn_seen[0], txn);
	f->done = 0;
	release(f, ctx);
}

/* Else two addresses of one AGW would push one another out for ever. */
static void test_the_spare_address_is_not_dialled_while_the_other_serves(void **state)
{
	REQ("IQ-15");
	struct fixture *f = *state;
	struct fake_agw *used, *spare;
	unsigned hellos;

	start_one_agw_twice(f, &used, &spare);
	hellos = spare->hellos;
	used->stub = true;
	UNTIL(f, link_of(f, used)->state != IQ_LINK_UP);
	iq_link_start(link_of(f, spare));
	UNTIL(f, link_of(f, spare)->state == IQ_LINK_UP);
	assert_int_equal(spare->hellos, hellos + 1);
	used->stub = false;
	hellos = used->hellos;
	iq_link_fail(link_of(f, used), "test");
	iq_link_start(link_of(f, used)); /* known as the process that is connected already */
	assert_true(link_of(f, used)->duplicate);
	assert_null(link_of(f, used)->bev);
	turn(f, 20);
	assert_int_equal(used->hellos, hellos);
}

static void test_an_agw_back_elsewhere_has_lost_its_contexts(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;

	f->agw[1].id = f->agw[0].id;
	f->agw[1].boot = 78;
	f->agw[1].stub = true; /* not there yet */
	f->cfg.agw_dead = 60000;
	start(f, 2);
	UNTIL(f, f->agw[0].audits > 0);
	(void)reserved(f, 3);
	f->agw[0].stub = true;
	UNTIL(f, link_of(f, &f->agw[0])->state != IQ_LINK_UP);
	assert_int_equal(f->lost, 0);
	f->agw[1].stub = false;
	iq_link_fail(link_of(f, &f->agw[1]), "test");
	iq_link_start(link_of(f, &f->agw[1]));
	UNTIL(f, f->lost == 1);
	assert_int_equal(f->call, 3);
	assert_int_equal(link_of(f, &f->agw[1])->state, IQ_LINK_UP);
}

/* Two AGWs that were given one id by mistake: the loss of a link is no proof of anything. */
static void test_a_namesake_that_was_there_before_proves_nothing(void **state)
{
	REQ("REL-12", "IQ-21");
	struct fixture *f = *state;
	struct cscf_iq_link *first, *second;

	f->agw[1].id = f->agw[0].id;
	f->agw[1].boot = 78;
	f->agw[1].load_contexts = 500;
	f->cfg.agw_dead = 60000;
	start_up(f, 2);
	first = link_of(f, &f->agw[0]);
	second = link_of(f, &f->agw[1]);
	(void)reserved(f, 3);
	assert_int_equal(first->n_ctx, 1);
	f->agw[0].stub = true;
	UNTIL(f, first->state != IQ_LINK_UP);
	f->agw[1].audits = 0;
	fake_hang_up(&f->agw[1]);
	UNTIL(f, f->agw[1].audits > 0);
	assert_int_equal(second->state, IQ_LINK_UP);
	assert_int_equal(f->lost, 0);
}

static void say_taken_over(struct fake_agw *a)
{
	IqEnvelope *bye = iq_envelope_new(IQ_BODY(GOODBYE), 0);
	struct iq_fault fault;

	iq_fault_set(&fault, IQ_V(ERROR_CODE__STALE_TXN), "controller_id",
		     "a newer connection took over");
	bye->goodbye->error = iq_error_new(&fault);
	fake_send(a, bye);
}

/* Its Hello ended our calls there, and ours would end its own: not several times a second. */
static void test_another_process_with_our_id_is_let_be(void **state)
{
	REQ("IQ-18", "REL-12");
	struct fixture *f = *state;
	struct cscf_iq_link *link;
	int64_t before = gw_metric_get(&cscf_iq_metrics[IQ_M_DISPLACED]);
	struct timeval due, now;

	f->cfg.agw_dead = 60000;
	start_up(f, 1);
	link = f->iq->links;
	(void)reserved(f, 3);
	say_taken_over(&f->agw[0]);
	UNTIL(f, f->lost == 1);
	assert_int_equal(gw_metric_get(&cscf_iq_metrics[IQ_M_DISPLACED]), before + 1);
	assert_int_equal(link->state, IQ_LINK_BACKOFF);
	assert_true(event_pending(link->timer, EV_TIMEOUT, &due));
	evutil_gettimeofday(&now, NULL);
	assert_in_range(due.tv_sec - now.tv_sec, 10, 40);
	iq_link_start(link); /* when it comes back all the same, it serves */
	UNTIL(f, link->state == IQ_LINK_UP);
	assert_false(link->displaced);
}

static void test_a_newer_connection_of_our_own_is_no_stranger(void **state)
{
	REQ("IQ-15");
	struct fixture *f = *state;
	struct fake_agw *used, *spare;
	int64_t before = gw_metric_get(&cscf_iq_metrics[IQ_M_DISPLACED]);

	start_one_agw_twice(f, &used, &spare);
	(void)reserved(f, 3);
	assert_true(link_of(f, spare)->duplicate); /* its Hello pushed the other out */
	say_taken_over(used);
	UNTIL(f, link_of(f, used)->state != IQ_LINK_UP);
	assert_int_equal(gw_metric_get(&cscf_iq_metrics[IQ_M_DISPLACED]), before);
	assert_int_equal(f->lost, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_the_other_address_takes_over_what_is_there),
	    T(test_a_request_under_way_is_sent_by_the_other_address),
	    T(test_the_spare_address_is_not_dialled_while_the_other_serves),
	    T(test_an_agw_back_elsewhere_has_lost_its_contexts),
	    T(test_a_namesake_that_was_there_before_proves_nothing),
	    T(test_another_process_with_our_id_is_let_be),
	    T(test_a_newer_connection_of_our_own_is_no_stranger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
