/* SPDX-License-Identifier: Apache-2.0 */
/* cscf/ws/proxy_header.c: versions 1 and 2, good and bad, read without one octet too many. */
#include "cscf/ws/proxy_header.h"

#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Read as the connection does: only what is asked for. Octets consumed go to *used. */
static enum gw_err read_header(const void *wire, size_t len, size_t *used, struct gw_addr *src)
{
	uint8_t bytes[CSCF_WS_PROXY_MAX];
	size_t n = 0;

	for (;;) {
		size_t need = 0;
		enum gw_err err = cscf_ws_proxy_header_parse(bytes, n, &need, src);

		*used = n;
		if (err != GW_ERR_AGAIN)
			return err;
		assert_true(need >= 1 && need <= sizeof(bytes) - n);
		if (n + need > len)
			return GW_ERR_AGAIN;
		memcpy(bytes + n, (const uint8_t *)wire + n, need);
		n += need;
	}
}

static void test_version_1_is_read_to_its_last_octet(void **state)
{
	REQ("SEC-28");
	static const char v4[] = "PROXY TCP4 203.0.113.7 192.0.2.1 50123 443\r\nGET";
	static const char v6[] = "PROXY TCP6 2001:db8::7 2001:db8::1 50123 443\r\n\x16";
	static const char unknown[] = "PROXY UNKNOWN\r\nGET";
	char text[GW_ADDR_STRLEN];
	struct gw_addr src;
	size_t used;

	(void)state;
	assert_int_equal(read_header(v4, sizeof(v4) - 1, &used, &src), GW_OK);
	assert_int_equal(used, sizeof(v4) - 1 - 3);
	assert_string_equal(gw_addr_str(&src, text, sizeof(text)), "203.0.113.7:50123");
	assert_int_equal(read_header(v6, sizeof(v6) - 1, &used, &src), GW_OK);
	assert_int_equal(used, sizeof(v6) - 1 - 1);
	assert_string_equal(gw_addr_str(&src, text, sizeof(text)), "[2001:db8::7]:50123");
	assert_int_equal(read_header(unknown, sizeof(unknown) - 1, &used, &src), GW_OK);
	assert_int_equal(used, sizeof(unknown) - 1 - 3);
	assert_int_equal(src.len, 0);
}

static void test_broken_version_1_is_refused(void **state)
{
	REQ("SEC-28");
	static const char *const bad[] = {
	    "GET /sip HTTP/1.1\r\n",
	    "PROXY TCP4 203.0.113.7 192.0.2.1 50123\r\n",
	    "PROXY TCP4 203.0.113.7 192.0.2.1 50123 443 x\r\n",
	    "PROXY TCP4 203.0.113.7 192.0.2.1 70000 443\r\n",
	    "PROXY TCP4 2001:db8::7 192.0.2.1 50123 443\r\n",
	    "PROXY TCP6 203.0.113.7 192.0.2.1 50123 443\r\n",
	    "PROXY TCP4 portal.example 192.0.2.1 50123 443\r\n",
	    "PROXY UNKNOWNX\r\n",
	    "PROXY TCP4 203.0.113.7 192.0.2.1 50123 443\n\n",
	};
	struct gw_addr src;
	char longest[108];
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(read_header(bad[i], strlen(bad[i]), &used, &src), GW_ERR_PROTO);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "PROXY UNKNOWN ", 14);
	assert_int_equal(read_header(longest, sizeof(longest), &used, &src), GW_ERR_PROTO);
	assert_int_equal(used, 107); /* the longest line of the specification, CR LF included */
}

static const uint8_t v2_head[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				    0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static size_t v2(uint8_t *to, uint8_t command, uint8_t family, size_t body)
{
	memcpy(to, v2_head, 12);
	to[12] = command;
	to[13] = family;
	to[14] = (uint8_t)(body >> 8);
	to[15] = (uint8_t)body;
	memset(to + 16, 0, body);
	return 16 + body;
}

static void test_version_2_is_read_with_its_tlvs(void **state)
{
	REQ("SEC-28");
	static uint8_t wire[CSCF_WS_PROXY_MAX + 64];
	char text[GW_ADDR_STRLEN];
	struct gw_addr src;
	size_t n = v2(wire, 0x21, 0x11, 12 + 7);
	size_t used;

	(void)state;
	memcpy(wire + 16, "\xcb\x00\x71\x07\xc0\x00\x02\x01\xc3\xcb\x01\xbb", 12);
	assert_int_equal(read_header(wire, n + 3, &used, &src), GW_OK);
	assert_int_equal(used, n);
	assert_string_equal(gw_addr_str(&src, text, sizeof(text)), "203.0.113.7:50123");
	assert_int_equal(read_header(wire, n - 1, &used, &src), GW_ERR_AGAIN);

	n = v2(wire, 0x21, 0x21, 36);
	memcpy(wire + 16, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
	memcpy(wire + 16 + 32, "\xc3\xcb", 2);
	assert_int_equal(read_header(wire, n, &used, &src), GW_OK);
	assert_string_equal(gw_addr_str(&src, text, sizeof(text)), "[2001:db8::7]:50123");

	assert_int_equal(read_header(wire, v2(wire, 0x20, 0x00, 0), &used, &src), GW_OK);
	assert_int_equal(src.len, 0);
}

static void test_broken_version_2_is_refused(void **state)
{
	REQ("SEC-28");
	static uint8_t wire[CSCF_WS_PROXY_MAX + 64];
	struct gw_addr src;
	size_t used;

	(void)state;
	assert_int_equal(read_header(wire, v2(wire, 0x11, 0x11, 12), &used, &src), GW_ERR_PROTO);
	assert_int_equal(read_header(wire, v2(wire, 0x22, 0x11, 12), &used, &src), GW_ERR_PROTO);
	assert_int_equal(read_header(wire, v2(wire, 0x21, 0x11, 11), &used, &src), GW_ERR_PROTO);
	assert_int_equal(read_header(wire, v2(wire, 0x21, 0x31, 216), &used, &src), GW_ERR_PROTO);
	assert_int_equal(read_header(wire, v2(wire, 0x20, 0x00, 512), &used, &src), GW_OK);
	assert_int_equal(read_header(wire, v2(wire, 0x20, 0x00, 513), &used, &src), GW_ERR_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_version_1_is_read_to_its_last_octet),
	    cmocka_unit_test(test_broken_version_1_is_refused),
	    cmocka_unit_test(test_version_2_is_read_with_its_tlvs),
	    cmocka_unit_test(test_broken_version_2_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
