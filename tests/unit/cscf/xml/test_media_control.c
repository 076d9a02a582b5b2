/* SPDX-License-Identifier: Apache-2.0 */
/* The body that asks for a picture: ours is read back, others' are read, what is broken is refused.
 */
#include "cscf/xml/media_control.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN(what) "<media_control><vc_primitive>" what "</vc_primitive></media_control>"
#define WISH     "<to_encoder><picture_fast_update/></to_encoder>"

static void test_bodies_and_what_they_ask_for(void **state)
{
	static const struct {
		const char *text;
		enum gw_err err;
		bool picture;
	} t[] = {
	    {IN(WISH), GW_OK, true},
	    {"<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n" IN(
		 "\n <stream_id>1</stream_id> " WISH),
	     GW_OK, true},
	    {IN("<to_encoder><picture_fast_update>\n</picture_fast_update></to_encoder>"), GW_OK,
	     true},
	    {"<media_control><vc_primitive/><vc_primitive>" WISH "</vc_primitive></media_control>",
	     GW_OK, true},
	    {"<media_control><general_error>no</general_error></media_control>", GW_OK, false},
	    {IN("<to_encoder/>"), GW_OK, false},
	    {"<media_control><picture_fast_update/></media_control>", GW_OK, false},
	    {"<media_control/>", GW_OK, false},
	    {"<control>" WISH "</control>", GW_ERR_PARSE, false},
	    {"<media_control><vc_primitive></media_control>", GW_ERR_PARSE, false},
	    {"", GW_ERR_PARSE, false},
	    {"picture_fast_update", GW_ERR_PARSE, false},
	    {"<!DOCTYPE media_control><media_control/>", GW_ERR_DENIED, false},
	    {"<?xml version=\"1.0\" encoding=\"EBCDIC-US\"?>" IN(WISH), GW_ERR_UNSUPPORTED, false},
	};

	REQ("RTCP-24");
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		bool picture = true;

		assert_int_equal(cscf_media_control_parse(&picture, gw_slice_str(t[i].text)),
				 t[i].err);
		assert_int_equal(picture, t[i].picture);
	}
}

static void test_ours_asks_for_one(void **state)
{
	bool picture = false;

	REQ("RTCP-24");
	(void)state;
	assert_int_equal(
	    cscf_media_control_parse(&picture, gw_slice_str(cscf_media_control_fast_update())),
	    GW_OK);
	assert_true(picture);
}

static void test_the_size_is_bounded(void **state)
{
	static const char body[] = IN(WISH);
	const size_t most = CSCF_MEDIA_CONTROL_MAX_OCTETS;
	char *text = malloc(most + 1);
	bool picture;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', most + 1);
	memcpy(text, body, sizeof(body) - 1);
	assert_int_equal(cscf_media_control_parse(&picture, (struct gw_slice){text, most}), GW_OK);
	assert_true(picture);
	assert_int_equal(cscf_media_control_parse(&picture, (struct gw_slice){text, most + 1}),
			 GW_ERR_TOO_BIG);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bodies_and_what_they_ask_for),
	    cmocka_unit_test(test_ours_asks_for_one),
	    cmocka_unit_test(test_the_size_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
