/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys of the eP-CSCF and what the parts get from it. */
#include "cscf/config.h"
#include "cscf/registrar/trust.h"
#include "cscf/sip/msg.h"
#include "tests/lib/req.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static enum gw_err load(struct cscf_config *cfg, const char *const *set, size_t n, char *why,
			size_t len)
{
	static const char *const needed[] = {"emergency.country=DE", "emergency.lists=DE=112 110"};
	const char *all[16];
	struct gw_conf_source src = {.set = all, .n_set = n + 2};

	assert_true(n + 2 <= sizeof(all) / sizeof(all[0]));
	memcpy(all, needed, sizeof(needed));
	if (n > 0)
		memcpy(all + 2, set, n * sizeof(*set));

	*cfg = (struct cscf_config){0};
	return gw_conf_load(cscf_config_keys, cscf_config_n_keys, cfg, &src, why, len);
}

static void unload(struct cscf_config *cfg)
{
	gw_conf_free(cscf_config_keys, cscf_config_n_keys, cfg);
}

static void test_defaults_reach_the_parts(void **state)
{
	static const char *const set[] = {"home.domains=ims.test", "ws.listen="};
	struct cscf_config cfg;
	struct cscf_config_parts parts;
	char why[256] = "";

	(void)state;
	assert_int_equal(load(&cfg, set, 2, why, sizeof(why)), GW_OK);
	assert_int_equal(cscf_config_finish(&cfg, &parts, false, why, sizeof(why)), GW_OK);
	assert_int_equal(cfg.sip.max_message, 32768);
	assert_int_equal(cfg.sip.timer_c_ms, 180000);
	assert_int_equal(parts.iq.request_timeout, 2000);
	assert_int_equal(parts.iq.agw_dead, 10000);
	assert_int_equal(parts.session.no_media_wic, 503);
	assert_int_equal(parts.session.no_media_core, 500);
	assert_int_equal(parts.session.ack_timeout, 32000);
	assert_string_equal(parts.session.orig_ioi, "ims.test");
	assert_string_not_equal(parts.session.mw_name, "");
	assert_string_not_equal(parts.iq.controller_id, "");
	assert_int_equal(parts.registrar.flow_grace, 20000);
	assert_false(parts.sdp.core_audio_avpf);
	assert_true(parts.sdp.core_video_avpf);
	unload(&cfg);
}

static void test_no_two_long_host_names_make_the_same_controller(void **state)
{
	static const char *const names[] = {
	    "ip-10-0-0-12.eu-central-1.compute.internal",
	    "ip-10-0-0-13.eu-central-1.compute.internal",
	    "wicgate-cscf-with-a-release-name-that-is-very-long-7d9f8-abcde0",
	    "wicgate-cscf-with-a-release-name-that-is-very-long-7d9f8-fghij0",
	    "first-0123456789-0123456789-0123456789-0123456789-0123456789-ab",
	    "other-0123456789-0123456789-0123456789-0123456789-0123456789-ab"};
	static const char *const set[] = {"home.domains=ims.test", "ws.listen="};
	char id[sizeof(names) / sizeof(names[0])][65];

	REQ("IQ-21");
	(void)state;
	if (unshare(CLONE_NEWUTS) != 0)
		skip();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct cscf_config_parts parts;
		struct cscf_config cfg;
		char why[256] = "";

		assert_int_equal(sethostname(names[i], strlen(names[i])), 0);
		assert_int_equal(load(&cfg, set, 2, why, sizeof(why)), GW_OK);
		assert_int_equal(cscf_config_finish(&cfg, &parts, false, why, sizeof(why)), GW_OK);
		assert_true(strlen(parts.iq.controller_id) < sizeof(id[i])); /* what an AGW takes */
		snprintf(id[i], sizeof(id[i]), "%s", parts.iq.controller_id);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(id[i], id[k]);
		if (i == 0)
			assert_string_equal(id[0],
					    "ip-10-0-0-12.eu-central-1.compute.internal-5060");
		unload(&cfg);
	}
}

static void test_every_key_has_a_good_default_and_a_meaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < cscf_config_n_keys; i++) {
		assert_true(strlen(cscf_config_keys[i].help) > 3);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(cscf_config_keys[i].name, cscf_config_keys[k].name);
	}
}

/* The knobs of the trust boundary, by what a message of a WIC (up) or the core loses. */
static void test_the_trust_boundary_obeys_its_knobs(void **state)
{
	static const struct {
		const char *set, *field;
		bool up, passes;
	} rows[] = {
	    {"pani.from_wic=drop", "P-Access-Network-Info: IEEE-802.11\r\n", true, false},
	    {"pani.from_wic=keep", "P-Access-Network-Info: IEEE-802.11\r\n", true, true},
	    {"identity.strip_identity_header=true", "Identity: x\r\n", true, false},
	    {"identity.strip_identity_header=false", "Identity: x\r\n", true, true},
	    {"trust.resource_priority=false", "Resource-Priority: wps.0\r\n", true, false},
	    {"trust.resource_priority=true", "Resource-Priority: wps.0\r\n", true, true},
	    {"trust.early_media=false", "P-Early-Media: sendrecv\r\n", true, false},
	    {"trust.early_media=true", "P-Early-Media: sendrecv\r\n", true, true},
	    {"identity.pai_to_wic=true", "P-Asserted-Identity: <sip:b@x>\r\n", false, true},
	    {"identity.pai_to_wic=false", "P-Asserted-Identity: <sip:b@x>\r\n", false, false},
	};
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_config_parts parts;
	struct cscf_config cfg;
	char why[256] = "";

	(void)state;
	REQ("ID-11", "ID-12", "ID-17", "SEC-06");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const set[] = {"home.domains=ims.test", "ws.listen=", rows[i].set,
					   "pani.network_provided=3GPP-NR-FDD"};
		static const char ours[] =
		    "P-Access-Network-Info: 3GPP-NR-FDD;network-provided\r\n";
		struct cscf_sip_msg *m = NULL;
		char text[1024], *out;

		assert_int_equal(load(&cfg, set, 4, why, sizeof(why)), GW_OK);
		assert_int_equal(cscf_config_finish(&cfg, &parts, false, why, sizeof(why)), GW_OK);
		unload(&cfg); /* nothing is borrowed */
		snprintf(text, sizeof(text),
			 "MESSAGE sip:b@x SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\n"
			 "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\n"
			 "CSeq: 1 MESSAGE\r\n%sContent-Length: 0\r\n\r\n",
			 rows[i].field);
		assert_int_equal(cscf_sip_msg_parse(&m, text, strlen(text), &limits, false, NULL),
				 GW_OK);
		assert_int_equal(
		    rows[i].up ? cscf_trust_strip_from_wic(m) : cscf_trust_strip_to_wic(m), GW_OK);
		out = cscf_sip_msg_print(m, NULL);
		cscf_sip_msg_free(m);
		assert_non_null(out);
		assert_int_equal(strstr(out, rows[i].field) != NULL, rows[i].passes);
		assert_int_equal(strstr(out, ours) != NULL, rows[i].up);
		free(out);
	}
	{
		static const char *const set[] = {"home.domains=ims.test",
						  "ws.listen=", "pani.network_provided=a, b"};

		assert_int_equal(load(&cfg, set, 3, why, sizeof(why)), GW_OK);
		assert_int_equal(cscf_config_finish(&cfg, &parts, false, why, sizeof(why)),
				 GW_ERR_INVAL);
		assert_int_equal(strncmp(why, "pani.network_provided: ", 23), 0);
		unload(&cfg);
	}
}

static void test_what_no_single_key_can_tell(void **state)
{
	REQ("IQ-17");
	static const struct {
		const char *set[3];
		const char *names;
	} rows[] = {
	    {{"home.domains=ims.test", "ws.listen=127.0.0.1:1", "ws.tls.cert="}, "ws.tls.cert"},
	    {{"home.domains=ims.test", "ws.listen=", "agw.tls.ca=/ca.pem"}, "agw.tls.cert"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cscf_config cfg;
		struct cscf_config_parts parts;
		char why[256] = "";

		assert_int_equal(load(&cfg, rows[i].set, 3, why, sizeof(why)), GW_OK);
		assert_int_equal(cscf_config_finish(&cfg, &parts, false, why, sizeof(why)),
				 GW_ERR_INVAL);
		assert_non_null(strstr(why, rows[i].names));
		unload(&cfg);
	}
}

/* Lite or full is each AGW's own setting: here it would be without effect. */
static void test_ice_mode_is_no_setting_of_ours(void **state)
{
	static const char *const set[] = {"home.domains=ims.test", "ws.listen=", "ice.mode=lite"};
	struct cscf_config cfg;
	char why[256] = "";

	(void)state;
	assert_int_not_equal(load(&cfg, set, 3, why, sizeof(why)), GW_OK);
	assert_non_null(strstr(why, "ice.mode"));
	unload(&cfg);
}

/* The page hands the token out: whoever can change the page on its way has it. */
static void test_only_pages_over_https_are_trusted(void **state)
{
	REQ("TOK-34");
	static const struct {
		const char *set;
		enum gw_err want;
	} rows[] = {
	    {"ws.allowed_origins=https://portal.test", GW_OK},
	    {"ws.allowed_origins=http://localhost:8080,http://127.0.0.1,http://[::1]:1", GW_OK},
	    {"ws.allowed_origins=http://portal.test", GW_ERR_INVAL},
	    {"ws.allowed_origins=https://portal.test,HTTP://localhost.evil.test", GW_ERR_INVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *set[] = {"home.domains=ims.test", "ws.listen=", rows[i].set};
		struct cscf_config cfg;
		struct cscf_config_parts parts;
		char why[256] = "";

		assert_int_equal(load(&cfg, set, 3, why, sizeof(why)), GW_OK);
		assert_int_equal(cscf_config_finish(&cfg, &parts, false, why, sizeof(why)),
				 rows[i].want);
		assert_int_equal(strstr(why, "ws.allowed_origins") != NULL, rows[i].want != GW_OK);
		unload(&cfg);
	}
}

static void test_a_home_domain_is_needed(void **state)
{
	struct cscf_config cfg;
	char why[256] = "";

	(void)state;
	assert_int_equal(load(&cfg, NULL, 0, why, sizeof(why)), GW_ERR_INVAL);
	assert_non_null(strstr(why, "home.domains"));
	unload(&cfg);
}

static void test_names_among_the_peers_are_looked_up(void **state)
{
	REQ("SEC-05");
	static const char *const set[] = {"home.domains=ims.test",
					  "ws.listen=", "mw.peers=10.0.0.0/8,localhost"};
	struct cscf_config cfg;
	struct cscf_config_parts parts;
	char why[256] = "";
	bool found = false;

	(void)state;
	assert_int_equal(load(&cfg, set, 3, why, sizeof(why)), GW_OK);
	assert_int_equal(cscf_config_finish(&cfg, &parts, true, why, sizeof(why)), GW_OK);
	for (size_t i = 0; i < cfg.sip.mw_peers.n; i++)
		found = found || strcmp(cfg.sip.mw_peers.item[i], "127.0.0.1@localhost") == 0 ||
			strcmp(cfg.sip.mw_peers.item[i], "::1@localhost") == 0;
	assert_true(found);
	unload(&cfg);
}

/* RFC 4028 s5: nobody may ask for less than 90 s, so nobody may be made to. */
static void test_a_session_interval_below_90_seconds_is_no_minimum(void **state)
{
	static const struct {
		const char *sip;
		bool good;
		const char *why;
	} cases[] = {
	    {"  min_se: 90s\n", true, ""},
	    {"  min_se: 89s\n", false, ":5: sip.min_se: "},
	    {"  t1: 500ms\n  min_se: 1s\n", false, ":6: sip.min_se: "},
	    {"  session_expires: 89s\n", false, "sip.session_expires: below sip.min_se (90s)"},
	    {"  session_expires: 0\n", true, ""},
	    {"  session_expires: 90s\n", true, ""},
	    {"  short_min_se: 1s\n  session_expires: 4s\n", true, ""},
	};

	(void)state;
	REQ("CALL-33");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[] = "/tmp/wicgate-conf-XXXXXX", why[256] = "";
		struct gw_conf_source src = {.file = path};
		struct cscf_config cfg = {0};
		struct cscf_config_parts parts;
		int fd = mkstemp(path);
		enum gw_err err;

		assert_true(fd >= 0);
		assert_true(dprintf(fd,
				    "home: {domains: [ims.test]}\nws: {listen: \"\"}\n"
				    "emergency: {country: DE, lists: [DE=112 110]}\nsip:\n%s",
				    cases[i].sip) > 0);
		(void)close(fd);
		err = gw_conf_load(cscf_config_keys, cscf_config_n_keys, &cfg, &src, why,
				   sizeof(why));
		if (err == GW_OK)
			err = cscf_config_finish(&cfg, &parts, false, why, sizeof(why));
		(void)unlink(path);
		assert_int_equal(err == GW_OK, cases[i].good);
		assert_non_null(strstr(why, cases[i].why));
		unload(&cfg);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults_reach_the_parts),
	    cmocka_unit_test(test_no_two_long_host_names_make_the_same_controller),
	    cmocka_unit_test(test_every_key_has_a_good_default_and_a_meaning),
	    cmocka_unit_test(test_the_trust_boundary_obeys_its_knobs),
	    cmocka_unit_test(test_what_no_single_key_can_tell),
	    cmocka_unit_test(test_ice_mode_is_no_setting_of_ours),
	    cmocka_unit_test(test_only_pages_over_https_are_trusted),
	    cmocka_unit_test(test_a_home_domain_is_needed),
	    cmocka_unit_test(test_names_among_the_peers_are_looked_up),
	    cmocka_unit_test(test_a_session_interval_below_90_seconds_is_no_minimum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
