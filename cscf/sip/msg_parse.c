/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to message. Limits come first, then lines and fields, then what RFC 3261 s8.2, s16.3 and
 * s18.3 demand of them; libosip2 has the last word on the structural headers. The first fault is
 * the one that is named; reading goes on after it, so that a 400 can carry Via, From, To,
 * Call-ID and CSeq of the request (WS-26..28). No I/O, no state.
 */
#include "cscf/sip/msg_int.h"
#include "cscf/sip/osip_parse.h"

#include <stdlib.h>

#define TEXT_MORE 384 /* for what is marked and added on the way; octets */

struct scan {
	const char *p;
	size_t n;
	size_t i; /* next octet */
	const struct cscf_sip_limits *limits;
	struct cscf_sip_fault *fault;
	struct cscf_sip_msg *msg;
	char *line; /* an unfolded or corrected line; limits->max_line + 1 octets, NULL before first
		       use */
};

static void set_fault(struct scan *s, int status, const char *reason)
{
	if (s->fault->status != 0)
		return;
	s->fault->status = status;
	s->fault->reason = reason;
}

/* No control character but the tab? Eight octets at a time, one by one where one may be. */
static bool is_printable(const char *p, size_t n)
{
	uint64_t eight;
	size_t i = 0;

	for (; n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, p + i, sizeof(eight));
		if (((eight - 0x2020202020202020) & ~eight & 0x8080808080808080) == 0)
			continue;
		for (size_t k = i; k < i + sizeof(eight); k++)
			if ((unsigned char)p[k] < ' ' && p[k] != '\t')
				return false;
	}
	for (; i < n; i++)
		if ((unsigned char)p[i] < ' ' && p[i] != '\t')
			return false;
	return true;
}

/*
 * The line as it stands in the text, when nothing is to be joined, replaced or cut off in it.
 * @return false: the slow way has to look at it
 */
static bool plain_line(struct scan *s, struct gw_slice *line)
{
	const char *at = s->p + s->i;
	const char *end = memchr(at, '\n', s->n - s->i);
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - at);
	if (n > 0 && at[n - 1] == '\r')
		n--;
	if (n > s->limits->max_line ||
	    (n > 0 && end + 1 < s->p + s->n && (end[1] == ' ' || end[1] == '\t')))
		return false;
	if (!is_printable(at, n))
		return false;
	*line = (struct gw_slice){at, n};
	s->i = (size_t)(end + 1 - s->p);
	return true;
}

/*
 * Folds joined by one blank, control characters made blanks. The line is cut off at max_line and
 * the fault named, but reading goes on. @return false when the text ended before the line.
 */
static bool odd_line(struct scan *s, bool first, struct gw_slice *line)
{
	size_t n = 0;
	bool ended = false;

	while (s->i < s->n) {
		char c = s->p[s->i++];

		if (c == '\r' && s->i < s->n && s->p[s->i] == '\n')
			c = s->p[s->i++];
		if (c == '\n') {
			bool fold = s->i < s->n && (s->p[s->i] == ' ' || s->p[s->i] == '\t');

			if (!fold || n == 0 || first) {
				ended = true;
				break;
			}
			while (s->i < s->n && (s->p[s->i] == ' ' || s->p[s->i] == '\t'))
				s->i++;
			c = ' ';
		} else if ((unsigned char)c < ' ' && c != '\t') {
			set_fault(s, 400, "Control character in header");
			c = ' ';
		}
		if (n < s->limits->max_line)
			s->line[n++] = c;
		else
			set_fault(s, 400, "Header line too long");
	}
	*line = (struct gw_slice){s->line, n};
	return ended;
}

/* Next logical line. @return GW_ERR_AGAIN: the text ended before the line did */
static enum gw_err next_line(struct scan *s, bool first, struct gw_slice *line)
{
	if (plain_line(s, line))
		return GW_OK;
	if (s->line == NULL)
		s->line = malloc(s->limits->max_line + 1);
	if (s->line == NULL)
		return GW_ERR_NOMEM;
	return odd_line(s, first, line) ? GW_OK : GW_ERR_AGAIN;
}

/* --- first line --- */

static bool is_version(struct gw_slice v)
{
	return v.n > 4 && strncasecmp(v.p, "SIP/", 4) == 0;
}

static void check_request_uri(struct scan *s, struct gw_slice text)
{
	struct cscf_sip_uri uri;

	if (cscf_sip_uri_parse(&uri, text) != GW_OK)
		set_fault(s, 400, "Malformed Request-URI");
	else if (uri.scheme == CSCF_SIP_SCHEME_OTHER)
		set_fault(s, 416, "Unsupported URI Scheme");
	else if (uri.headers.n > 0)
		set_fault(s, 400, "Headers in Request-URI");
}

/* @return GW_ERR_PARSE: nothing like a first line of SIP */
static enum gw_err parse_status_line(struct scan *s, struct gw_slice line)
{
	uint32_t status;
	struct gw_slice rest = {line.p + 8, line.n - 8};

	if (rest.n < 3 || !cscf_sip_uint((struct gw_slice){rest.p, 3}, 699, &status) ||
	    status < 100 || (rest.n > 3 && rest.p[3] != ' '))
		return GW_ERR_PARSE;
	s->msg->status = (int)status;
	s->msg->reason = cscf_sip_msg_keep(
	    s->msg, rest.n > 4 ? (struct gw_slice){rest.p + 4, rest.n - 4} : GW_SLICE_NONE);
	return s->msg->reason != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err parse_first_line(struct scan *s)
{
	struct gw_slice line, method, uri, version;
	const char *sp1, *sp2;
	enum gw_err err;

	while (s->i < s->n && (s->p[s->i] == '\r' || s->p[s->i] == '\n'))
		s->i++;
	err = next_line(s, true, &line);
	if (err != GW_OK)
		return err == GW_ERR_AGAIN ? GW_ERR_PARSE : err;
	if (line.n > 8 && strncasecmp(line.p, "SIP/2.0 ", 8) == 0)
		return parse_status_line(s, line);
	sp1 = memchr(line.p, ' ', line.n);
	sp2 = memrchr(line.p, ' ', line.n);
	if (sp1 == NULL || sp1 == sp2)
		return GW_ERR_PARSE;
	method = (struct gw_slice){line.p, (size_t)(sp1 - line.p)};
	uri = (struct gw_slice){sp1 + 1, (size_t)(sp2 - sp1 - 1)};
	version = (struct gw_slice){sp2 + 1, line.n - (size_t)(sp2 + 1 - line.p)};
	if (!cscf_sip_is_token(method))
		return GW_ERR_PARSE;
	s->fault->is_request = true;
	s->msg->method_text = cscf_sip_msg_keep(s->msg, method);
	s->msg->uri = cscf_sip_msg_keep(s->msg, uri);
	if (s->msg->method_text == NULL || s->msg->uri == NULL)
		return GW_ERR_NOMEM;
	if (!is_version(version))
		set_fault(s, 400, "Malformed request line");
	else if (!gw_slice_ieq_str(version, "SIP/2.0"))
		set_fault(s, 505, "Version Not Supported");
	check_request_uri(s, uri);
	return GW_OK;
}

/* --- fields --- */

static enum gw_err parse_fields(struct scan *s)
{
	for (;;) {
		struct gw_slice line, name;
		const char *colon;
		enum gw_err err = next_line(s, false, &line);

		if (err == GW_ERR_NOMEM)
			return err;
		if (line.n == 0) {
			if (err != GW_OK)
				set_fault(s, 400, "No empty line after the headers");
			return GW_OK;
		}
		colon = memchr(line.p, ':', line.n);
		name = cscf_sip_trim(
		    (struct gw_slice){line.p, colon != NULL ? (size_t)(colon - line.p) : 0});
		if (!cscf_sip_is_token(name) || line.p[0] == ' ' || line.p[0] == '\t') {
			set_fault(s, 400, "Malformed header line");
			continue;
		}
		if (s->msg->n_hdr >= s->limits->max_headers) {
			set_fault(s, 400, "Too many header fields");
			continue;
		}
		/* a token it is, and a line has neither CR nor LF nor NUL in it */
		err = cscf_sip_hdr_put(s->msg, s->msg->n_hdr, cscf_sip_hdr_key(name), name,
				       cscf_sip_trim((struct gw_slice){
					   colon + 1, line.n - (size_t)(colon + 1 - line.p)}));
		if (err != GW_OK)
			return err;
	}
}

/* --- what must be there, and how often --- */

static void check_one(struct scan *s, const char *name, const char *missing, const char *twice)
{
	size_t n = cscf_sip_msg_hdr_num(s->msg, name);

	if (n == 0 && missing != NULL)
		set_fault(s, 400, missing);
	else if (n > 1)
		set_fault(s, 400, twice);
}

static void check_address(struct scan *s, const char *name, const char *fault)
{
	struct cscf_sip_name_addr na;
	struct cscf_sip_uri uri;
	struct gw_slice v;

	if (cscf_sip_msg_hdr(s->msg, name, &v) &&
	    (cscf_sip_name_addr_parse(&na, v) != GW_OK || na.star ||
	     cscf_sip_uri_parse(&uri, na.uri) != GW_OK))
		set_fault(s, 400, fault);
}

static void check_list(struct scan *s, const char *name, bool star_ok, const char *fault)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct cscf_sip_name_addr na;
	struct cscf_sip_uri uri;
	struct gw_slice v;

	while (cscf_sip_msg_value_next(s->msg, name, &cursor, &v)) {
		if (cscf_sip_name_addr_parse(&na, v) != GW_OK || (na.star && !star_ok) ||
		    (!na.star && cscf_sip_uri_parse(&uri, na.uri) != GW_OK)) {
			set_fault(s, 400, fault);
			return;
		}
	}
}

static void check_vias(struct scan *s)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct cscf_sip_via via;
	struct gw_slice v;
	size_t n = 0;

	while (cscf_sip_msg_value_next(s->msg, "Via", &cursor, &v)) {
		if (cscf_sip_via_parse(&via, v) != GW_OK || via.other_version)
			set_fault(s, 400, "Malformed Via");
		n++;
	}
	if (n == 0)
		set_fault(s, 400, "Missing Via");
}

static bool parse_cseq(const struct cscf_sip_msg *msg, uint32_t *number, struct gw_slice *method)
{
	struct gw_slice v;
	size_t i = 0;

	if (!cscf_sip_msg_hdr(msg, "CSeq", &v))
		return false;
	while (i < v.n && v.p[i] != ' ' && v.p[i] != '\t')
		i++;
	*method = cscf_sip_trim((struct gw_slice){v.p + i, v.n - i});
	return cscf_sip_uint((struct gw_slice){v.p, i}, INT32_MAX, number) &&
	       cscf_sip_is_token(*method);
}

static void check_cseq(struct scan *s)
{
	struct gw_slice method;
	uint32_t number;

	if (!cscf_sip_msg_hdr(s->msg, "CSeq", NULL))
		return;
	if (!parse_cseq(s->msg, &number, &method))
		set_fault(s, 400, "Malformed CSeq");
	else if (s->msg->status == 0 && !gw_slice_eq_str(method, s->msg->method_text))
		set_fault(s, 400, "CSeq method differs from request method");
}

static void check_numbers(struct scan *s)
{
	struct gw_slice v;
	uint32_t number;

	if (s->msg->status == 0 && cscf_sip_msg_hdr(s->msg, "Max-Forwards", &v) &&
	    !cscf_sip_uint(v, 255, &number))
		set_fault(s, 400, "Malformed Max-Forwards");
	v = cscf_sip_msg_call_id(s->msg);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == ' ' || v.p[i] == '\t')
			set_fault(s, 400, "Malformed Call-ID");
	if (v.n == 0 && cscf_sip_msg_hdr(s->msg, "Call-ID", NULL))
		set_fault(s, 400, "Malformed Call-ID");
}

static void check_fields(struct scan *s)
{
	check_vias(s);
	check_one(s, "From", "Missing From", "More than one From");
	check_one(s, "To", "Missing To", "More than one To");
	check_one(s, "Call-ID", "Missing Call-ID", "More than one Call-ID");
	check_one(s, "CSeq", "Missing CSeq", "More than one CSeq");
	check_one(s, "Max-Forwards", NULL, "More than one Max-Forwards");
	check_one(s, "Content-Length", NULL, "More than one Content-Length");
	check_one(s, "Content-Type", NULL, "More than one Content-Type");
	check_address(s, "From", "Malformed From");
	check_address(s, "To", "Malformed To");
	check_cseq(s);
	check_numbers(s);
	check_list(s, "Contact", true, "Malformed Contact");
	check_list(s, "Route", false, "Malformed Route");
	check_list(s, "Record-Route", false, "Malformed Record-Route");
	check_list(s, "Path", false, "Malformed Path");
}

/* --- body --- */

static enum gw_err take_body(struct scan *s, bool strict_length)
{
	size_t rest = s->n - s->i;
	struct gw_slice v;
	uint32_t length = 0;

	if (cscf_sip_msg_hdr(s->msg, "Content-Length", &v)) {
		if (!cscf_sip_uint(v, INT32_MAX, &length)) {
			set_fault(s, 400, "Malformed Content-Length");
		} else if (length > rest || (strict_length && length != rest)) {
			set_fault(s, 400, "Content-Length differs from body");
		} else {
			rest = length;
		}
	}
	if (rest == 0 || s->fault->status != 0)
		return GW_OK;
	if (!cscf_sip_msg_hdr(s->msg, "Content-Type", NULL))
		set_fault(s, 400, "Missing Content-Type");
	s->msg->body = malloc(rest);
	if (s->msg->body == NULL)
		return GW_ERR_NOMEM;
	memcpy(s->msg->body, s->p + s->i, rest);
	s->msg->body_n = rest;
	return GW_OK;
}

/* Digits, too many perhaps, and a method: enough to echo it in a 400. */
static bool has_cseq(const struct cscf_sip_msg *msg)
{
	struct gw_slice v;
	size_t i = 0;

	if (!cscf_sip_msg_hdr(msg, "CSeq", &v))
		return false;
	while (i < v.n && v.p[i] >= '0' && v.p[i] <= '9')
		i++;
	return i > 0 && i < v.n && (v.p[i] == ' ' || v.p[i] == '\t') &&
	       cscf_sip_is_token(cscf_sip_trim((struct gw_slice){v.p + i, v.n - i}));
}

/* Can a response be built from what was read? Never to an ACK. */
static bool is_answerable(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_via via;

	return msg->status == 0 && msg->method_text != NULL &&
	       strcmp(msg->method_text, "ACK") != 0 && cscf_sip_msg_top_via(msg, &via) &&
	       cscf_sip_msg_hdr(msg, "From", NULL) && cscf_sip_msg_hdr(msg, "To", NULL) &&
	       cscf_sip_msg_call_id(msg).n > 0 && has_cseq(msg);
}

/* libosip2 is asked for what users send. The core's answers echo what it has seen, and what they
 * bring of their own was checked above. */
static bool osip_accepts(const struct scan *s, bool from_user)
{
	return (s->msg->status != 0 && !from_user) || cscf_sip_osip_accepts(s->msg);
}

static enum gw_err scan_all(struct scan *s, bool strict_length)
{
	enum gw_err err = parse_first_line(s);

	if (err == GW_OK)
		err = parse_fields(s);
	if (err != GW_OK)
		return err;
	check_fields(s);
	err = take_body(s, strict_length);
	if (err == GW_OK && s->fault->status == 0 && !osip_accepts(s, strict_length))
		set_fault(s, 400, "Malformed header value");
	return err;
}

enum gw_err cscf_sip_msg_parse(struct cscf_sip_msg **out, const char *text, size_t n,
			       const struct cscf_sip_limits *limits, bool strict_length,
			       struct cscf_sip_fault *fault)
{
	struct cscf_sip_fault own = {0};
	struct scan s = {.p = text, .n = n, .limits = limits, .fault = fault ? fault : &own};
	enum gw_err err;

	*out = NULL;
	*s.fault = own;
	if (n > limits->max_message) {
		set_fault(&s, 513, "Message Too Large");
		s.n = limits->max_message; /* enough to answer from */
	}
	/* name, value and two NULs never need more than "name: value" with its end of line */
	err = cscf_sip_msg_new(&s.msg, s.n + TEXT_MORE);
	if (err == GW_OK)
		err = scan_all(&s, strict_length);
	free(s.line);
	if (err == GW_ERR_PARSE)
		set_fault(&s, 400, "Malformed start line");
	if (err == GW_OK && s.fault->status != 0)
		err = s.fault->status == 513 ? GW_ERR_TOO_BIG : GW_ERR_PARSE;
	if (err == GW_OK) {
		*out = s.msg;
		return GW_OK;
	}
	if ((err == GW_ERR_PARSE || err == GW_ERR_TOO_BIG) && is_answerable(s.msg)) {
		s.fault->answerable = true;
		*out = s.msg;
		return err;
	}
	cscf_sip_msg_free(s.msg);
	return err;
}
