/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted and logged of emergency requests, the reload of the lists, calls that reached
 * nobody. */
#include "tests/unit/cscf/emergency/screen_fixture.h"

#include "common/metric.h"

#include <sys/mman.h>
#include <unistd.h>

static char *captured(int fd)
{
	char *text = calloc(1, 16384);

	assert_non_null(text);
	assert_true(pread(fd, text, 16383, 0) > 0);
	return text;
}

static bool counts(const char *line)
{
	char *text = gw_metric_text();
	bool found = text != NULL && strstr(text, line) != NULL;

	free(text);
	return found;
}

static void test_each_attempt_is_logged_and_counted(void **state)
{
	REQ("EMG-20", "EMG-07", "EMG-08");
	struct cscf_emergency *e;
	int fd = memfd_create("log", MFD_CLOEXEC);
	char *text;

	(void)state;
	gw_log_set_fd(fd);
	gw_log_set_level(GW_LOG_INFO);
	e = start();
	(void)ask(e, "INVITE", "tel:110", "", "");
	from_ip("198.51.100.7", CSCF_SIP_W2);
	(void)ask(e, "MESSAGE", "sip:911@ims.test", "", "");
	from_ip("203.0.113.9", CSCF_SIP_W2);
	(void)ask(e, "FOO", "urn:service:sos.fire", "", "");
	gw_log_set_fd(2);
	text = captured(fd);
	assert_non_null(strstr(text, "event=emergency.detected call_id=\"c1\""));
	assert_non_null(strstr(text, "conn=7 method=INVITE class=tel urn=urn:service:sos.police "
				     "country=DE decision=reject-own-country"));
	assert_non_null(strstr(text, "method=MESSAGE class=sip urn=urn:service:sos country=US "
				     "decision=reject-other-country"));
	assert_non_null(strstr(text, "method=FOO class=urn urn=urn:service:sos.fire "
				     "country=unknown decision=reject-unknown-country"));
	assert_null(strstr(text, "sip:alice@")); /* masked */
	free(text);
	close(fd);
	assert_true(counts("decision=\"reject-own-country\",class=\"tel\"}"));
	assert_true(counts("decision=\"reject-other-country\",class=\"sip\"} 1"));
	assert_true(counts("decision=\"proceed\",class=\"dialstring\"} 0"));
	cscf_emergency_free(e);
}

static unsigned times(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void test_a_flood_makes_few_lines_and_is_counted_whole(void **state)
{
	REQ("EMG-20");
	struct cscf_emergency *e = start();
	int fd = memfd_create("log", MFD_CLOEXEC);
	char *text;

	(void)state;
	w.registered = false;
	gw_log_set_fd(fd);
	gw_log_set_level(GW_LOG_INFO);
	for (int i = 0; i < 300; i++)
		(void)ask(e, "MESSAGE", "sip:112@ims.test", "", "");
	gw_log_set_fd(2);
	text = captured(fd);
	assert_in_range(times(text, "event=emergency.detected"), 20, 40);
	assert_true(times(text, "suppressed=") > 0);
	free(text);
	close(fd);
	assert_true(counts("decision=\"unregistered-380\",class=\"sip\"} 300"));
	cscf_emergency_free(e);
}

static void test_a_reload_takes_good_lists_and_keeps_the_old_for_bad_ones(void **state)
{
	REQ("EMG-18");
	struct cscf_emergency *e = start();
	char why[256] = "";

	(void)state;
	assert_int_equal(ask(e, "INVITE", "tel:115", "", ""), CSCF_EMERGENCY_PASS);
	t.lists[0] = "DE=112 115";
	cfg = config_of(&t);
	assert_int_equal(cscf_emergency_reload(e, &cfg, why, sizeof(why)), GW_OK);
	assert_int_equal(ask(e, "INVITE", "tel:115", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_int_equal(ask(e, "INVITE", "tel:110", "", ""), CSCF_EMERGENCY_PASS);
	t.lists[0] = "DE=";
	cfg = config_of(&t);
	assert_int_equal(cscf_emergency_reload(e, &cfg, why, sizeof(why)), GW_ERR_INVAL);
	assert_non_null(strstr(why, "the list of DE is empty"));
	assert_int_equal(ask(e, "INVITE", "tel:115", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_true(counts("cscf_emergency_reload_total{result=\"ok\"} 1"));
	assert_true(counts("cscf_emergency_reload_total{result=\"failed\"} 1"));
	cscf_emergency_free(e);
}

static void test_a_call_that_reached_nobody_ends_in_380(void **state)
{
	REQ("EMG-15");
	struct cscf_emergency *e = start();
	struct cscf_sip_msg *msg = request("INVITE", "tel:112", "", "");
	struct cscf_emergency_match match = {.how = CSCF_EMERGENCY_TEL, .urn = "urn:service:sos"};

	(void)state;
	forget();
	cscf_emergency_not_reached(e, 1, msg, &match);
	assert_int_equal(cscf_sip_msg_status(w.answer), 380);
	assert_true(has("P-Asserted-Identity", "<sip:epcscf1.ims.test:5060;lr>"));
	assert_true(counts("decision=\"not-reached\",class=\"tel\"} 1"));
	cscf_sip_msg_free(msg);
	cscf_emergency_free(e);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_flood_makes_few_lines_and_is_counted_whole),
	    T(test_each_attempt_is_logged_and_counted),
	    T(test_a_reload_takes_good_lists_and_keeps_the_old_for_bad_ones),
	    T(test_a_call_that_reached_nobody_ends_in_380),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
