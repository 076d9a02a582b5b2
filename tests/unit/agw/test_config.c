/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's keys: defaults make a gateway, mistakes are named. */
#include "agw/config.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct loaded {
	struct agw_config cfg;
	struct agw_parts_cfg parts;
	char why[256];
	enum gw_err load;
	enum gw_err make;
};

static struct loaded *load(const char *const *set, size_t n)
{
	const struct gw_conf_source src = {.set = set, .n_set = n};
	struct loaded *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->load =
	    gw_conf_load(agw_config_keys, agw_config_n_keys, &l->cfg, &src, l->why, sizeof(l->why));
	if (l->load == GW_OK)
		l->make = agw_config_parts(&l->parts, &l->cfg, l->why, sizeof(l->why));
	return l;
}

static void unload(struct loaded *l)
{
	gw_conf_free(agw_config_keys, agw_config_n_keys, &l->cfg);
	free(l);
}

static void test_defaults_make_a_gateway(void **state)
{
	struct loaded *l = load(NULL, 0);

	(void)state;
	REQ("RTP-15", "SRTP-01", "DTLS-08");
	assert_int_equal(l->load, GW_OK);
	assert_int_equal(l->make, GW_OK);
	assert_int_equal(l->parts.realms[0].port_min, 30000);
	assert_int_equal(l->parts.realms[0].port_max, 39999);
	assert_int_equal(l->parts.realms[0].shared_ports, 0);
	assert_int_equal(l->parts.realms[1].shared_ports, 0);
	assert_false(l->parts.realms[0].ice_tcp);
	assert_int_equal(l->parts.realms[1].port_min, 20000);
	assert_int_equal(l->parts.realms[1].port_max, 29999);
	assert_int_equal(gw_addr_port(&l->parts.iq.listen), 7070);
	assert_true(gw_addr_is_loopback(&l->parts.iq.listen));
	assert_false(l->parts.iq.insecure);
	assert_int_equal(l->parts.iq.heartbeat_ms, 1000);
	assert_int_equal(l->parts.iq.orphan_ms, 60000);
	assert_int_equal(l->parts.contexts.reserve_ttl_ms, 300000);
	assert_int_equal(l->parts.contexts.heartbeat_ms, 600000);
	assert_int_equal(l->parts.pool.port_quarantine_ms, 30000);
	assert_int_equal(l->parts.pool.ice_timeout_ms, 20000);
	assert_int_equal(l->parts.pool.consent_timeout_ms, 30000);
	assert_false(l->parts.pool.consent_active);
	assert_int_equal(l->parts.pool.dtls_timer_initial_ms, 100);
	assert_int_equal(l->parts.pool.dtls_mtu, 1200);
	assert_int_equal(l->parts.pool.cert_lifetime_s, 30 * 24 * 3600);
	assert_int_equal(l->parts.pool.srtp_replay_window, 1024);
	assert_int_equal(l->parts.pool.srtp_profiles[0], AGW_SRTP_AEAD_AES_128_GCM);
	assert_int_equal(l->parts.pool.srtp_profiles[1], AGW_SRTP_AEAD_AES_256_GCM);
	assert_int_equal(l->parts.pool.srtp_profiles[2], AGW_SRTP_AES128_CM_SHA1_80);
	assert_int_equal(l->parts.pool.fp_hashes,
			 1U << AGW_HASH_SHA256 | 1U << AGW_HASH_SHA384 | 1U << AGW_HASH_SHA512);
	assert_int_equal(l->parts.iq.defaults.dscp_audio, 46);
	assert_int_equal(l->parts.iq.defaults.dscp_video, 34);
	assert_int_equal(l->parts.iq.defaults.inactivity_ms, 60000);
	assert_string_equal(l->cfg.ops_listen, "127.0.0.1:9181");
	unload(l);
}

static void test_two_families_and_addresses_behind_nat(void **state)
{
	static const char *const set[] = {
	    "access.listen_ip=10.0.0.5,fd00::5",
	    "access.advertise_ip=203.0.113.5",
	    "core.listen_ip=0.0.0.0",
	    "core.advertise_ip=198.51.100.7",
	};
	struct loaded *l = load(set, 4);
	const struct agw_realm_cfg *r = l->parts.realms;
	struct gw_addr a;
	char text[GW_ADDR_STRLEN];

	(void)state;
	REQ("ICE-04");
	assert_int_equal(l->make, GW_OK);
	assert_true(agw_realm_has(&r[0], AGW_FAMILY_V4) && agw_realm_has(&r[0], AGW_FAMILY_V6));
	a = agw_realm_public_addr(&r[0], AGW_FAMILY_V4, 1);
	assert_string_equal(gw_addr_ip_str(&a, text, sizeof(text)), "203.0.113.5");
	a = agw_realm_public_addr(&r[0], AGW_FAMILY_V6, 1);
	assert_string_equal(gw_addr_ip_str(&a, text, sizeof(text)), "fd00::5");
	a = agw_realm_public_addr(&r[1], AGW_FAMILY_V4, 1);
	assert_string_equal(gw_addr_ip_str(&a, text, sizeof(text)), "198.51.100.7");
	unload(l);
}

static void test_wildcard_advertises_the_hosts_own_address(void **state)
{
	static const char *const set[] = {"core.listen_ip=0.0.0.0"};
	struct loaded *l = load(set, 1);
	struct gw_addr a;

	(void)state;
	assert_int_equal(l->make, GW_OK);
	a = agw_realm_public_addr(&l->parts.realms[1], AGW_FAMILY_V4, 1);
	assert_false(gw_addr_is_any(&a));
	unload(l);
}

static void test_mistakes_name_their_key(void **state)
{
	static const struct {
		const char *set;
		const char *key;
	} cases[] = {
	    {"nonsense=1", "nonsense"},
	    {"consent.mode=maybe", "consent.mode"},
	    {"access.ports=1-2", "access.ports"},
	    {"access.shared_ports=17", "access.shared_ports"},
	    {"access.ports=40000-39999", "access.ports"},
	    {"media.workers=65", "media.workers"},
	    {"iq.heartbeat=1ms", "iq.heartbeat"},
	    {"ice.mode=psychic", "ice.mode"},
	    {"ice.tcp=active", "ice.tcp"},
	    {"access.tcp_port=65536", "access.tcp_port"},
	    {"log.level=loud", "log.level"},
	    {"iq.insecure=perhaps", "iq.insecure"},
	    {"access.listen_ip=host.example", "access.listen_ip"},
	    {"core.listen_ip=10.0.0.1,10.0.0.2", "core.listen_ip"},
	    {"core.advertise_ip=x", "core.advertise_ip"},
	    {"access.listen_ip=::", "access"},
	    {"iq.listen=7070x", "iq.listen"},
	    {"media.ring_slots=100", "media.ring_slots"},
	    {"media.resend_packets=100", "media.resend_packets"},
	    {"dtls.fp_hashes=md5", "dtls.fp_hashes"},
	    {"srtp.profiles=NULL_CIPHER", "srtp.profiles"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loaded *l = load(&cases[i].set, 1);

		if (l->load == GW_OK && l->make == GW_OK)
			fail_msg("%s was accepted", cases[i].set);
		if (strstr(l->why, cases[i].key) == NULL)
			fail_msg("\"%s\" does not name %s", l->why, cases[i].key);
		unload(l);
	}
}

static void test_control_is_never_on_the_access_network(void **state)
{
	static const struct {
		const char *set[3];
		bool good;
	} cases[] = {
	    {{"access.listen_ip=10.1.0.1", "core.listen_ip=10.2.0.1", "iq.listen=10.1.0.1:7070"},
	     false},
	    {{"access.listen_ip=10.1.0.1", "core.listen_ip=10.2.0.1", "iq.listen=0.0.0.0:7070"},
	     false},
	    {{"access.listen_ip=10.1.0.1", "core.listen_ip=10.2.0.1", "iq.listen=10.2.0.1:7070"},
	     true},
	    {{"access.listen_ip=10.1.0.1", "core.listen_ip=10.2.0.1", "iq.listen=127.0.0.1:7070"},
	     true},
	    {{"access.listen_ip=fd00::1", "core.listen_ip=fd00::2", "iq.listen=[::]:7070"}, false},
	    {{"access.listen_ip=fd00::1", "core.listen_ip=10.2.0.1", "iq.listen=0.0.0.0:7070"},
	     true},
	    /* one network for everything: warned at start */
	    {{"access.listen_ip=10.1.0.1", "core.listen_ip=10.1.0.1", "iq.listen=0.0.0.0:7070"},
	     true},
	};

	(void)state;
	REQ("IQ-18");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loaded *l = load(cases[i].set, 3);

		assert_int_equal(l->load, GW_OK);
		if (cases[i].good != (l->make == GW_OK))
			fail_msg("case %zu: %s", i, l->why);
		if (!cases[i].good)
			assert_non_null(strstr(l->why, "iq.listen"));
		unload(l);
	}
}

static void test_asking_for_consent_needs_time_to_ask(void **state)
{
	static const char *const set[] = {"consent.mode=active", "consent.timeout=6s"};
	struct loaded *l = load(set, 1);

	REQ("ICE-22");
	(void)state;
	assert_int_equal(l->make, GW_OK);
	assert_true(l->parts.pool.consent_active);
	unload(l);
	l = load(set, 2);
	assert_int_not_equal(l->make, GW_OK);
	assert_non_null(strstr(l->why, "consent.timeout"));
	unload(l);
}

static void test_full_ice_excludes_what_it_cannot_do(void **state)
{
	static const struct {
		const char *set, *named;
	} bad[] = {
	    {"access.shared_ports=4", "access.shared_ports"},
	    {"ice.tcp=passive", "ice.tcp"},
	    {"access.listen_ip=0.0.0.0", "access.listen_ip"},
	    {"consent.timeout=6s", "consent.timeout"},
	    {"ice.turn.server=turn.example.net", "ice.turn.server"},
	};
	const char *good[] = {"ice.mode=full", "ice.turn.server=192.0.2.7", "ice.turn.username=u",
			      "ice.turn.password=p"};
	struct loaded *l = load(good, 4);

	(void)state;
	REQ("ICE-28");
	assert_int_equal(l->make, GW_OK);
	assert_true(l->parts.iq.defaults.ice_full);
	assert_int_equal(gw_addr_port(&l->parts.pool.ice_turn.server), 3478);
	assert_string_equal(l->parts.pool.ice_turn.password, "p");
	assert_int_equal(l->parts.contexts.gather_ms, 500);
	unload(l);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *set[] = {"ice.mode=full", bad[i].set};

		l = load(set, 2);
		assert_int_equal(l->load, GW_OK);
		assert_int_not_equal(l->make, GW_OK);
		assert_non_null(strstr(l->why, bad[i].named));
		unload(l);
	}
	l = load(&good[1], 1); /* a relay is for full agents */
	assert_int_not_equal(l->make, GW_OK);
	assert_non_null(strstr(l->why, "ice.turn.server"));
	unload(l);
	l = load(NULL, 0);
	assert_false(l->parts.iq.defaults.ice_full);
	unload(l);
}

static void test_example_configuration_is_good(void **state)
{
	const struct gw_conf_source src = {.file = "deploy/conf/wicgate-agw.yaml"};
	struct loaded *l = calloc(1, sizeof(*l));

	(void)state;
	assert_non_null(l);
	if (gw_conf_load(agw_config_keys, agw_config_n_keys, &l->cfg, &src, l->why,
			 sizeof(l->why)) != GW_OK)
		fail_msg("%s", l->why);
	assert_int_equal(agw_config_parts(&l->parts, &l->cfg, l->why, sizeof(l->why)), GW_OK);
	unload(l);
}

static void test_default_name_has_only_characters_of_an_id(void **state)
{
	static const char *const set[] = {"iq.listen=127.0.0.1:47999"};
	struct loaded *l = load(set, 1);

	(void)state;
	assert_int_equal(l->make, GW_OK);
	assert_non_null(strstr(l->parts.agw_id, "-47999"));
	assert_int_equal(
	    strspn(l->parts.agw_id,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"),
	    strlen(l->parts.agw_id));
	unload(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults_make_a_gateway),
	    cmocka_unit_test(test_two_families_and_addresses_behind_nat),
	    cmocka_unit_test(test_wildcard_advertises_the_hosts_own_address),
	    cmocka_unit_test(test_mistakes_name_their_key),
	    cmocka_unit_test(test_control_is_never_on_the_access_network),
	    cmocka_unit_test(test_asking_for_consent_needs_time_to_ask),
	    cmocka_unit_test(test_full_ice_excludes_what_it_cannot_do),
	    cmocka_unit_test(test_example_configuration_is_good),
	    cmocka_unit_test(test_default_name_has_only_characters_of_an_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
