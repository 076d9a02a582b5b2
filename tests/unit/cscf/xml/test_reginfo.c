/* SPDX-License-Identifier: Apache-2.0 */
/* reginfo documents: what good ones say, each way to be bad, and that hostile ones cost nothing. */
#include "cscf/xml/reginfo.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#define NS   "xmlns=\"urn:ietf:params:xml:ns:reginfo\""
#define OPEN "<reginfo " NS " version=\"1\" state=\"full\">"
#define CONTACT                                                                                    \
	"<contact id=\"c\" state=\"active\" event=\"registered\"><uri>sip:a@b</uri></contact>"
#define REG(in)  "<registration aor=\"sip:a@b\" id=\"r\" state=\"active\">" in "</registration>"
#define DOC(in)  OPEN in "</reginfo>"
#define MAX_TEXT (CSCF_REGINFO_MAX_OCTETS + 4096)

static enum gw_err parse(const char *text, struct cscf_reginfo *out)
{
	return cscf_reginfo_parse(out, gw_slice_str(text));
}

static void refuse(const char *text, enum gw_err err)
{
	struct cscf_reginfo info;
	enum gw_err got = parse(text, &info);

	if (got != err)
		fail_msg("%s instead of %s: %.200s", gw_err_name(got), gw_err_name(err), text);
	assert_null(info.registrations);
}

/* RFC 3680 s5.4 in its form, with what TS 24.229 and RFC 5628 put into it. */
static const char golden[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\"\n"
    "    xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\" xmlns:ere=\"urn:3gpp:ns:extRegInfo:1.0\"\n"
    "    version=\"4294967295\" state=\"partial\">\n"
    "  <!-- a comment -->\n"
    "  <registration aor=\"sip:alice@ims.example.net\" id=\"a7\" state=\"active\">\n"
    "    <contact id=\"76\" state=\"active\" event=\"shortened\" expires=\"60\" q=\"0.8\"\n"
    "     callid=\"a84b&amp;x@h\" cseq=\"4294967295\">\n"
    "      <uri> sip:x1@df7jal23ls0d.invalid;transport=ws </uri>\n"
    "      <display-name xml:lang=\"en\">Alice &amp; Co</display-name>\n"
    "      <unknown-param name=\"+sip.instance\">\"&lt;urn:uuid:f81d&gt;\"</unknown-param>\n"
    "      <unknown-param name=\"reg-id\">1</unknown-param>\n"
    "      <gr:pub-gruu uri=\"sip:alice@ims.example.net;gr\"/>\n"
    "    </contact>\n"
    "    <contact id=\"77\" state=\"terminated\" event=\"probation\" retry-after=\"30\">\n"
    "      <uri>sip:phone@192.0.2.7?a=1&amp;b=2</uri>\n"
    "    </contact>\n"
    "    <ere:wildcardedIdentity>sip:alice!.*!@ims.example.net</ere:wildcardedIdentity>\n"
    "  </registration>\n"
    "  <registration aor=\"tel:+15550100\" id=\"a8\" state=\"terminated\"/>\n"
    "  <registration aor=\"sip:new@ims.example.net\" id=\"a9\" state=\"init\"/>\n"
    "  <ere:registration aor=\"sip:not-this@x\" state=\"active\"/>\n"
    "</reginfo>\n";

static void test_golden_document(void **state)
{
	struct cscf_reginfo info;
	const struct cscf_reginfo_contact *c;

	REQ("REG-66");
	(void)state;
	assert_int_equal(parse(golden, &info), GW_OK);
	assert_int_equal(info.version, UINT32_MAX);
	assert_false(info.full);
	assert_int_equal(info.n_registrations, 3);
	assert_string_equal(info.registrations[0].aor, "sip:alice@ims.example.net");
	assert_int_equal(info.registrations[0].state, CSCF_REGINFO_ACTIVE);
	assert_int_equal(info.registrations[0].n_contacts, 2);
	c = &info.registrations[0].contacts[0];
	assert_string_equal(c->uri, "sip:x1@df7jal23ls0d.invalid;transport=ws");
	assert_string_equal(c->instance, "<urn:uuid:f81d>");
	assert_int_equal(c->reg_id, 1);
	assert_int_equal(c->event, CSCF_REGINFO_SHORTENED);
	assert_true(c->has_expires);
	assert_int_equal(c->expires_s, 60);
	assert_false(c->has_retry_after);
	assert_string_equal(c->call_id, "a84b&x@h");
	assert_true(c->has_cseq);
	assert_int_equal(c->cseq, UINT32_MAX);
	c = &info.registrations[0].contacts[1];
	assert_string_equal(c->uri, "sip:phone@192.0.2.7?a=1&b=2");
	assert_int_equal(c->state, CSCF_REGINFO_TERMINATED);
	assert_int_equal(c->event, CSCF_REGINFO_PROBATION);
	assert_int_equal(c->retry_after_s, 30);
	assert_string_equal(c->instance, "");
	assert_string_equal(c->call_id, "");
	assert_false(c->has_cseq);
	assert_int_equal(info.registrations[1].state, CSCF_REGINFO_TERMINATED);
	assert_int_equal(info.registrations[1].n_contacts, 0);
	assert_int_equal(info.registrations[2].state, CSCF_REGINFO_INIT);
	cscf_reginfo_fini(&info);
}

static void test_prefixes_and_encodings(void **state)
{
	static const char utf16[] = "\xff\xfe<\0r\0/\0>\0";
	static const char utf32[] = "\xff\xfe\0\0<\0\0\0a\0\0\0/\0\0\0>\0\0\0";
	struct cscf_reginfo info;

	(void)state;
	assert_int_equal(
	    parse("<p:reginfo xmlns:p=\"urn:ietf:params:xml:ns:reginfo\" version='0' state='full'>"
		  "<p:registration aor='sip:\xc3\xa9@b' state='active'/><registration/>"
		  "</p:reginfo>",
		  &info),
	    GW_OK);
	assert_int_equal(info.n_registrations, 1);
	assert_string_equal(info.registrations[0].aor, "sip:\xc3\xa9@b");
	cscf_reginfo_fini(&info);
	/* Latin-1 becomes UTF-8 */
	assert_int_equal(parse("<?xml version='1.0' encoding='ISO-8859-1'?>" OPEN
			       "<registration aor='sip:\xe9@b' state='active'/></reginfo>",
			       &info),
			 GW_OK);
	assert_string_equal(info.registrations[0].aor, "sip:\xc3\xa9@b");
	cscf_reginfo_fini(&info);
	/* a byte order mark of UTF-8 */
	assert_int_equal(parse("\xef\xbb\xbf" DOC(""), &info), GW_OK);
	cscf_reginfo_fini(&info);
	refuse("<?xml version='1.0' encoding='UTF-7'?>" DOC(""), GW_ERR_UNSUPPORTED);
	refuse("<?xml version='1.0' encoding='EUC-JP'?>" DOC(""), GW_ERR_UNSUPPORTED);
	refuse("<?xml version='1.0' encoding='IBM037'?>" DOC(""), GW_ERR_UNSUPPORTED);
	refuse("<?xml version='1.0' encoding='UTF-8'?>" OPEN
	       "<registration aor='sip:\xe9@b' state='active'/></reginfo>",
	       GW_ERR_PARSE);
	/* UTF-16 is read, but this is no reginfo; UTF-32 is not read */
	assert_int_equal(cscf_reginfo_parse(&info, (struct gw_slice){utf16, sizeof(utf16) - 1}),
			 GW_ERR_PARSE);
	assert_int_equal(cscf_reginfo_parse(&info, (struct gw_slice){utf32, sizeof(utf32) - 1}),
			 GW_ERR_UNSUPPORTED);
	assert_int_equal(cscf_reginfo_parse(&info, (struct gw_slice){"<\0a\0/\0>\0", 8}),
			 GW_ERR_UNSUPPORTED);
}

static void test_each_way_to_be_bad(void **state)
{
	static const char *const bad[] = {
	    "",
	    "x",
	    "<",
	    "<reginfo",
	    OPEN,
	    DOC("") "x",
	    DOC("<registration"),
	    "\xef\xbb\xbf",
	    /* another root, another namespace */
	    "<reginfo version='1' state='full'/>",
	    "<reginfo xmlns='urn:other' version='1' state='full'/>",
	    "<registration " NS " aor='sip:a@b' state='active'/>",
	    /* version and state of the document */
	    "<reginfo " NS " state='full'/>",
	    "<reginfo " NS " version='' state='full'/>",
	    "<reginfo " NS " version='-1' state='full'/>",
	    "<reginfo " NS " version='1x' state='full'/>",
	    "<reginfo " NS " version='4294967296' state='full'/>",
	    "<reginfo " NS " version='99999999999999999999999' state='full'/>",
	    "<reginfo " NS " version='1'/>",
	    "<reginfo " NS " version='1' state='Full'/>",
	    /* registrations and contacts */
	    DOC("<registration state='active'/>"),
	    DOC("<registration aor='' state='active'/>"),
	    DOC("<registration aor='sip:a@b'/>"),
	    DOC("<registration aor='sip:a@b' state='perhaps'/>"),
	    DOC(REG("<contact state='active'/>")),
	    DOC(REG("<contact><uri>sip:a@b</uri></contact>")),
	    DOC(REG("<contact state='init'><uri>sip:a@b</uri></contact>")),
	    DOC(REG("<contact state='active'><uri> </uri></contact>")),
	    /* namespaces and entities that nobody declared */
	    DOC("<q:x/>"),
	    DOC("&nbsp;"),
	    DOC("&#0;"),
	    DOC("<a b='1' b='2'/>"),
	    DOC("<a>]]></a>"),
	};

	REQ("REG-64");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i], GW_ERR_PARSE);
}

static void test_what_changes_nothing_is_passed_over(void **state)
{
	struct cscf_reginfo info;

	(void)state;
	assert_int_equal(
	    parse(
		DOC(REG("<contact state='active' event='renewed' expires='soon'><uri>sip:a@b</uri>"
			"<uri>sip:second@b</uri><unknown-param/></contact>") "<more/>"),
		&info),
	    GW_OK);
	assert_int_equal(info.registrations[0].contacts[0].event, CSCF_REGINFO_OTHER);
	assert_false(info.registrations[0].contacts[0].has_expires);
	assert_string_equal(info.registrations[0].contacts[0].uri, "sip:a@b");
	cscf_reginfo_fini(&info);
}

static void test_no_dtd_no_entity_no_file(void **state)
{
	static const char laughs[] =
	    "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\">"
	    "<!ENTITY lol2 \"&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">"
	    "<!ENTITY lol3 \"&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;\">"
	    "<!ENTITY lol4 \"&lol3;&lol3;&lol3;&lol3;&lol3;&lol3;&lol3;&lol3;&lol3;&lol3;\">"
	    "<!ENTITY lol5 \"&lol4;&lol4;&lol4;&lol4;&lol4;&lol4;&lol4;&lol4;&lol4;&lol4;\">"
	    "<!ENTITY lol6 \"&lol5;&lol5;&lol5;&lol5;&lol5;&lol5;&lol5;&lol5;&lol5;&lol5;\">"
	    "<!ENTITY lol7 \"&lol6;&lol6;&lol6;&lol6;&lol6;&lol6;&lol6;&lol6;&lol6;&lol6;\">"
	    "<!ENTITY lol8 \"&lol7;&lol7;&lol7;&lol7;&lol7;&lol7;&lol7;&lol7;&lol7;&lol7;\">"
	    "<!ENTITY lol9 \"&lol8;&lol8;&lol8;&lol8;&lol8;&lol8;&lol8;&lol8;&lol8;&lol8;\">]>"
	    "<reginfo " NS " version=\"1\" state=\"full\"><registration aor=\"sip:&lol9;@b\" "
	    "state=\"active\">&lol9;</registration></reginfo>";
	struct rusage before, after;

	REQ("REG-69");
	(void)state;
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	refuse(laughs, GW_ERR_DENIED);
	refuse("<!DOCTYPE reginfo SYSTEM \"file:///etc/passwd\">" DOC(""), GW_ERR_DENIED);
	refuse("<!DOCTYPE reginfo PUBLIC \"-//x\" \"http://127.0.0.1:9/x.dtd\">" DOC(""),
	       GW_ERR_DENIED);
	refuse("<!DOCTYPE reginfo [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" OPEN
	       "<registration aor=\"sip:&x;@b\" state=\"active\"/></reginfo>",
	       GW_ERR_DENIED);
	refuse("<!DOCTYPE a [<!ATTLIST reginfo version CDATA \"1\">]><reginfo " NS
	       " state=\"full\"/>",
	       GW_ERR_DENIED);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	/* 10^9 times "lol" would be 3 GB: not even 16 MiB were touched */
	assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
}

/* before, n times middle, after */
static char *repeated(const char *before, const char *middle, size_t n, const char *after)
{
	size_t len = strlen(middle), at = strlen(before);
	char *text = malloc(at + n * len + strlen(after) + 1);

	assert_non_null(text);
	memcpy(text, before, at);
	for (size_t i = 0; i < n; i++, at += len)
		memcpy(text + at, middle, len);
	strcpy(text + at, after);
	return text;
}

static void expect(char *text, enum gw_err err)
{
	struct cscf_reginfo info;

	assert_int_equal(parse(text, &info), err);
	cscf_reginfo_fini(&info);
	free(text);
}

static void test_limits_at_and_above(void **state)
{
	size_t head = strlen(OPEN), room = CSCF_REGINFO_MAX_OCTETS - strlen(DOC(""));
	char *deep;

	REQ("REG-69");
	(void)state;
	/* octets */
	expect(repeated(OPEN, " ", room, "</reginfo>"), GW_OK);
	expect(repeated(OPEN, " ", room + 1, "</reginfo>"), GW_ERR_TOO_BIG);
	/* registrations, contacts */
	expect(repeated(OPEN, "<registration aor='sip:a@b' state='init'/>",
			CSCF_REGINFO_MAX_REGISTRATIONS, "</reginfo>"),
	       GW_OK);
	expect(repeated(OPEN, "<registration aor='sip:a@b' state='init'/>",
			CSCF_REGINFO_MAX_REGISTRATIONS + 1, "</reginfo>"),
	       GW_ERR_TOO_BIG);
	expect(repeated(OPEN "<registration aor='sip:a@b' state='active'>", CONTACT,
			CSCF_REGINFO_MAX_CONTACTS, "</registration></reginfo>"),
	       GW_OK);
	expect(repeated(OPEN "<registration aor='sip:a@b' state='active'>", CONTACT,
			CSCF_REGINFO_MAX_CONTACTS + 1, "</registration></reginfo>"),
	       GW_ERR_TOO_BIG);
	/* elements: the root is one of 4096 */
	expect(repeated(OPEN, "<a/>", 4095, "</reginfo>"), GW_OK);
	expect(repeated(OPEN, "<a/>", 4096, "</reginfo>"), GW_ERR_TOO_BIG);
	/* depth: the root is one of 16; what is left open is no matter any more then */
	deep = repeated(OPEN, "<a>", 16, "");
	expect(deep, GW_ERR_TOO_BIG);
	deep = repeated("", "</a>", 15, "</reginfo>");
	expect(repeated(OPEN, "<a>", 15, deep), GW_OK);
	free(deep);
	expect(repeated("", "<a>", 20000, ""), GW_ERR_TOO_BIG);
	assert_true(head + room < MAX_TEXT);
}

static void test_attributes_are_bounded(void **state)
{
	char text[4096] = OPEN "<a";
	size_t at = strlen(text);

	REQ("REG-69");
	(void)state;
	for (unsigned i = 0; i < 32; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " a%u=''", i);
	snprintf(text + at, sizeof(text) - at, "/></reginfo>");
	expect(strdup(text), GW_OK);
	snprintf(text + at, sizeof(text) - at, " b=''/></reginfo>");
	expect(strdup(text), GW_ERR_TOO_BIG);
}

static void test_every_prefix_of_a_document_is_refused_cleanly(void **state)
{
	struct cscf_reginfo info;
	size_t end = strlen(golden) - 1; /* the last is a line feed */

	REQ("SEC-27");
	(void)state;
	for (size_t n = 0; n < end; n++) {
		char *copy = malloc(n + 1); /* exactly that long, for the sanitizer */

		assert_non_null(copy);
		memcpy(copy, golden, n);
		assert_int_not_equal(cscf_reginfo_parse(&info, (struct gw_slice){copy, n}), GW_OK);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_document),
	    cmocka_unit_test(test_prefixes_and_encodings),
	    cmocka_unit_test(test_each_way_to_be_bad),
	    cmocka_unit_test(test_what_changes_nothing_is_passed_over),
	    cmocka_unit_test(test_no_dtd_no_entity_no_file),
	    cmocka_unit_test(test_limits_at_and_above),
	    cmocka_unit_test(test_attributes_are_bounded),
	    cmocka_unit_test(test_every_prefix_of_a_document_is_refused_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
