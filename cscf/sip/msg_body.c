/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: whole, and one part of a multipart body (RFC 2046 s5.1, RFC 5621; CALL-40). A part is
 * replaced in place: boundaries, other parts and their headers stay octet for octet.
 */
#include "cscf/sip/msg_int.h"

#include <stdlib.h>

#define MAX_PARTS 32 /* bounds the work on a body of nothing but boundaries */

struct gw_slice cscf_sip_msg_body(const struct cscf_sip_msg *msg)
{
	return (struct gw_slice){msg->body, msg->body_n};
}

static struct gw_slice media_type(struct gw_slice value)
{
	size_t i = 0;

	while (i < value.n && value.p[i] != ';')
		i++;
	return cscf_sip_trim((struct gw_slice){value.p, i});
}

struct gw_slice cscf_sip_msg_content_type(const struct cscf_sip_msg *msg)
{
	struct gw_slice v;

	return cscf_sip_msg_hdr(msg, "Content-Type", &v) ? media_type(v) : GW_SLICE_NONE;
}

enum gw_err cscf_sip_msg_set_body(struct cscf_sip_msg *msg, const char *type, const void *body,
				  size_t n)
{
	static const char *const of_body[] = {"Content-Type", "Content-Disposition",
					      "Content-Encoding", "Content-Language"};
	char *copy = NULL;
	enum gw_err err = GW_OK;

	if (n > 0) {
		copy = malloc(n);
		if (copy == NULL)
			return GW_ERR_NOMEM;
		memcpy(copy, body, n);
		if (type != NULL)
			err = cscf_sip_msg_hdr_set(msg, "Content-Type", type);
	} else {
		for (size_t i = 0; i < sizeof(of_body) / sizeof(of_body[0]); i++)
			cscf_sip_msg_hdr_del(msg, of_body[i]);
	}
	if (err != GW_OK) {
		free(copy);
		return err;
	}
	free(msg->body);
	msg->body = copy;
	msg->body_n = n;
	return GW_OK;
}

/* --- multipart --- */

/* "--b1" does not stand in "--b12". */
static bool ends_delimiter(struct gw_slice s, size_t at)
{
	return at == s.n || strchr("\r\n\t -", s.p[at]) != NULL;
}

/* Start of "--boundary" at a line start at or after `from`; s.n when there is none. */
static size_t find_boundary(struct gw_slice s, struct gw_slice boundary, size_t from)
{
	for (size_t i = from; i + 2 + boundary.n <= s.n; i++) {
		const char *at = memchr(s.p + i, '-', s.n - i - 1 - boundary.n);

		if (at == NULL)
			break;
		i = (size_t)(at - s.p);
		if (i + 2 + boundary.n > s.n)
			break;
		if (s.p[i + 1] == '-' && (i == 0 || s.p[i - 1] == '\n') &&
		    memcmp(s.p + i + 2, boundary.p, boundary.n) == 0 &&
		    ends_delimiter(s, i + 2 + boundary.n))
			return i;
	}
	return s.n;
}

/* Read the headers of a part; what is left is its body. */
static bool read_part(struct gw_slice part, struct cscf_sip_part *out)
{
	struct gw_slice *last = NULL; /* the value a folded line goes on with */

	*out = (struct cscf_sip_part){.type = GW_SLICE_LIT("text/plain")};
	for (;;) {
		const char *nl = part.n > 0 ? memchr(part.p, '\n', part.n) : NULL;
		struct gw_slice line, name, value;
		const char *colon;

		bool folded;

		if (nl == NULL)
			return false;
		folded = part.p[0] == ' ' || part.p[0] == '\t';
		line = cscf_sip_trim((struct gw_slice){part.p, (size_t)(nl - part.p)});
		part.n -= (size_t)(nl + 1 - part.p);
		part.p = nl + 1;
		if (line.n == 0)
			break;
		if (folded && last != NULL)
			*last = cscf_sip_trim(
			    (struct gw_slice){last->p, (size_t)(line.p + line.n - last->p)});
		if (folded)
			continue;
		colon = memchr(line.p, ':', line.n);
		if (colon == NULL)
			return false;
		name = cscf_sip_trim((struct gw_slice){line.p, (size_t)(colon - line.p)});
		value = cscf_sip_trim(
		    (struct gw_slice){colon + 1, line.n - (size_t)(colon + 1 - line.p)});
		last = NULL;
		if (gw_slice_ieq_str(name, "Content-Type") || gw_slice_ieq_str(name, "c"))
			last = &out->type;
		else if (gw_slice_ieq_str(name, "Content-Disposition"))
			last = &out->disposition;
		if (last != NULL)
			*last = value;
	}
	out->body = part;
	return true;
}

/* Part from after a boundary line up to the line break before the next boundary. */
static bool cut_part(struct gw_slice body, struct gw_slice boundary, size_t *at,
		     struct gw_slice *part)
{
	size_t start = *at + 2 + boundary.n;
	const char *nl;
	size_t end;

	if (body.n - start >= 2 && body.p[start] == '-' && body.p[start + 1] == '-')
		return false; /* the closing boundary */
	nl = start < body.n ? memchr(body.p + start, '\n', body.n - start) : NULL;
	if (nl == NULL)
		return false;
	start = (size_t)(nl + 1 - body.p);
	end = find_boundary(body, boundary, start);
	if (end == body.n)
		return false; /* never closed */
	*at = end;
	if (end > start && body.p[end - 1] == '\n')
		end--;
	if (end > start && body.p[end - 1] == '\r')
		end--;
	*part = (struct gw_slice){body.p + start, end - start};
	return true;
}

/* A media type, also with blanks at its slash (RFC 3261 s25.1: SLASH). */
static bool is_type(struct gw_slice value, const char *type)
{
	struct gw_slice t = media_type(value);
	size_t i = 0;

	for (; *type != '\0'; type++, i++) {
		while (i < t.n && t.p[i] <= ' ')
			i++;
		if (i == t.n || strncasecmp(t.p + i, type, 1) != 0)
			return false;
	}
	return i == t.n;
}

static bool is_wanted(const struct cscf_sip_part *part, const char *type)
{
	return is_type(part->type, type) &&
	       !(strcasecmp(type, "application/sdp") == 0 &&
		 gw_slice_ieq_str(media_type(part->disposition), "early-session"));
}

#define BOUNDARY_TEXT 80

static bool is_multipart(struct gw_slice content_type)
{
	return content_type.n >= 9 && strncasecmp(content_type.p, "multipart", 9) == 0;
}

/* The boundary of a multipart body, into text, and where the first part begins. */
static enum gw_err read_boundary(struct gw_slice body, struct gw_slice content_type,
				 char text[BOUNDARY_TEXT], struct gw_slice *boundary, size_t *at)
{
	struct gw_slice raw;

	if (!cscf_sip_param_get(content_type, "boundary", &raw) || raw.n == 0 || raw.n > 72)
		return GW_ERR_PARSE;
	*boundary = (struct gw_slice){text, cscf_sip_unquote(raw, text, BOUNDARY_TEXT)};
	if (boundary->n == 0)
		return GW_ERR_PARSE;
	*at = find_boundary(body, *boundary, 0);
	return *at == body.n ? GW_ERR_PARSE : GW_OK;
}

static enum gw_err find_in_multipart(struct gw_slice body, struct gw_slice content_type,
				     const char *type, struct cscf_sip_part *out)
{
	struct gw_slice boundary, part;
	char text[BOUNDARY_TEXT];
	size_t at;
	enum gw_err err = read_boundary(body, content_type, text, &boundary, &at);

	if (err != GW_OK)
		return err;
	for (int i = 0; i < MAX_PARTS && cut_part(body, boundary, &at, &part); i++)
		if (read_part(part, out) && is_wanted(out, type))
			return GW_OK;
	return GW_ERR_NOT_FOUND;
}

enum gw_err cscf_sip_msg_find_part(const struct cscf_sip_msg *msg, const char *type,
				   struct cscf_sip_part *out)
{
	struct gw_slice content_type;

	*out = (struct cscf_sip_part){.body = cscf_sip_msg_body(msg)};
	if (msg->body_n == 0 || !cscf_sip_msg_hdr(msg, "Content-Type", &content_type))
		return GW_ERR_NOT_FOUND;
	out->type = content_type;
	cscf_sip_msg_hdr(msg, "Content-Disposition", &out->disposition);
	if (is_wanted(out, type))
		return GW_OK;
	if (!is_multipart(content_type))
		return GW_ERR_NOT_FOUND;
	return find_in_multipart(out->body, content_type, type, out);
}

/* Is it one that a peer may take for a description, and we do not rewrite? */
static bool is_stray(const struct cscf_sip_part *part, bool *keep)
{
	static const char sdp[] = "application/sdp", sub[] = "sdp",
			  fragment[] = "application/trickle-ice-sdpfrag"; /* candidates alone */

	if (is_multipart(part->type)) { /* however its type is written */
		for (size_t i = 0; i + sizeof(sub) - 1 <= part->body.n; i++)
			if (strncasecmp(part->body.p + i, sub, sizeof(sub) - 1) == 0)
				return true;
		return false;
	}
	if (is_type(part->type, fragment))
		return true;
	if (!is_type(part->type, sdp))
		return false;
	if (!*keep || !is_wanted(part, sdp))
		return true;
	*keep = false;
	return false;
}

static enum gw_err drop_in_multipart(struct cscf_sip_msg *msg, struct gw_slice content_type,
				     bool keep)
{
	struct gw_slice boundary, raw, body = cscf_sip_msg_body(msg);
	struct cscf_sip_part part;
	char text[BOUNDARY_TEXT];
	size_t at, from, kept = 0;
	enum gw_err err = read_boundary(body, content_type, text, &boundary, &at);
	int n = 0;

	if (err != GW_OK)
		return err;
	for (from = at; n < MAX_PARTS && cut_part(body, boundary, &at, &raw); n++) {
		if (read_part(raw, &part) && !is_stray(&part, &keep)) {
			kept++;
			from = at;
			continue;
		}
		memmove(msg->body + from, msg->body + at, body.n - at);
		body.n -= at - from;
		at = from;
	}
	msg->body_n = body.n;
	if (n == MAX_PARTS)
		return GW_ERR_LIMIT;
	at += 2 + boundary.n;
	if (body.n - at < 2 || memcmp(body.p + at, "--", 2) != 0)
		return GW_ERR_PARSE; /* never closed */
	return kept > 0 ? GW_OK : cscf_sip_msg_set_body(msg, NULL, "", 0);
}

enum gw_err cscf_sip_msg_drop_sdp(struct cscf_sip_msg *msg, bool all)
{
	struct cscf_sip_part whole = {.body = cscf_sip_msg_body(msg)};
	bool keep = !all;

	if (msg->body_n == 0 || !cscf_sip_msg_hdr(msg, "Content-Type", &whole.type))
		return GW_OK;
	cscf_sip_msg_hdr(msg, "Content-Disposition", &whole.disposition);
	if (is_multipart(whole.type))
		return drop_in_multipart(msg, whole.type, keep);
	return is_stray(&whole, &keep) ? cscf_sip_msg_set_body(msg, NULL, "", 0) : GW_OK;
}

enum gw_err cscf_sip_msg_replace_part(struct cscf_sip_msg *msg, const char *type, const void *body,
				      size_t n)
{
	struct cscf_sip_part part;
	enum gw_err err = cscf_sip_msg_find_part(msg, type, &part);
	size_t before, after;
	char *whole;

	if (err != GW_OK)
		return err;
	before = (size_t)(part.body.p - msg->body);
	after = msg->body_n - before - part.body.n;
	whole = malloc(before + n + after + 1);
	if (whole == NULL)
		return GW_ERR_NOMEM;
	memcpy(whole, msg->body, before);
	if (n > 0)
		memcpy(whole + before, body, n);
	memcpy(whole + before + n, msg->body + before + part.body.n, after);
	free(msg->body);
	msg->body = whole;
	msg->body_n = before + n + after;
	return GW_OK;
}
