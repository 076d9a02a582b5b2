/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Upgrade request. Header values are collected only for the few fields that decide; of each
 * field at most VALUE_MAX octets are kept, a longer one is refused. See upgrade.h.
 */
#include "cscf/ws/upgrade.h"

#include "common/slice.h"

#include <http_parser.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_  32 /* longer than any field name we look at */
#define VALUE_MAX  512
#define PATH_MAX_  256
#define KEY_LEN    24 /* base64 of 16 octets */
#define KEY_OCTETS 16
static const char accept_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 s1.3 */

static const char http_version[] = "HTTP/1.1";

enum field {
	FIELD_HOST,
	FIELD_UPGRADE,
	FIELD_CONNECTION,
	FIELD_KEY,
	FIELD_VERSION,
	FIELD_PROTOCOL,
	FIELD_ORIGIN,
	FIELD_COUNT
};

static const struct {
	const char *name;
	bool list; /* several lines of it mean one comma-separated list */
} fields[FIELD_COUNT] = {
    [FIELD_HOST] = {"Host", false},
    [FIELD_UPGRADE] = {"Upgrade", true},
    [FIELD_CONNECTION] = {"Connection", true},
    [FIELD_KEY] = {"Sec-WebSocket-Key", false},
    [FIELD_VERSION] = {"Sec-WebSocket-Version", false},
    [FIELD_PROTOCOL] = {"Sec-WebSocket-Protocol", true},
    [FIELD_ORIGIN] = {"Origin", false},
};

struct value {
	char text[VALUE_MAX];
	size_t n;
	unsigned lines;
};

struct cscf_ws_upgrade {
	const struct cscf_ws_upgrade_rules *rules; /* borrowed */
	http_parser parser;
	size_t octets;
	char version[sizeof(http_version)]; /* what follows the second blank of the first line */
	size_t version_n;
	unsigned blanks;
	bool line_begun, line_over;
	unsigned n_fields;
	char path[PATH_MAX_];
	size_t path_len;
	char name[NAME_MAX_];
	size_t name_len;
	bool in_value;
	int current; /* enum field, or -1 */
	struct value value[FIELD_COUNT];
	bool complete;
	enum cscf_ws_reject reject;
};

/* --- what http_parser tells us -------------------------------------------------------------- */

static int refuse(struct cscf_ws_upgrade *u, enum cscf_ws_reject why)
{
	if (u->reject == CSCF_WS_REJECT_NONE)
		u->reject = why;
	return -1;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
	struct cscf_ws_upgrade *u = p->data;

	if (len > sizeof(u->path) - u->path_len)
		return refuse(u, CSCF_WS_REJECT_PATH);
	memcpy(u->path + u->path_len, at, len);
	u->path_len += len;
	return 0;
}

static int on_field(http_parser *p, const char *at, size_t len)
{
	struct cscf_ws_upgrade *u = p->data;

	if (u->in_value || u->n_fields == 0) {
		u->in_value = false;
		u->name_len = 0;
		if (++u->n_fields > CSCF_WS_FIELDS_MAX)
			return refuse(u, CSCF_WS_REJECT_HEADER_SIZE);
	}
	/* a name too long for us is no name of ours: remember only that it is too long */
	if (len > sizeof(u->name) - u->name_len)
		u->name_len = sizeof(u->name);
	if (u->name_len < sizeof(u->name)) {
		memcpy(u->name + u->name_len, at, len);
		u->name_len += len;
	}
	return 0;
}

/* A new value begins: which field is it of? */
static int start_value(struct cscf_ws_upgrade *u)
{
	struct gw_slice name = {u->name, u->name_len};
	struct value *v;

	u->in_value = true;
	u->current = -1;
	for (int i = 0; i < FIELD_COUNT; i++)
		if (gw_slice_ieq_str(name, fields[i].name))
			u->current = i;
	if (u->current < 0)
		return 0;
	v = &u->value[u->current];
	if (v->lines++ == 0)
		return 0;
	if (!fields[u->current].list) {
		bool origin = u->current == FIELD_ORIGIN;

		return refuse(u, origin ? CSCF_WS_REJECT_ORIGIN : CSCF_WS_REJECT_MALFORMED);
	}
	if (v->n == sizeof(v->text))
		return refuse(u, CSCF_WS_REJECT_HEADER_SIZE);
	v->text[v->n++] = ',';
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
	struct cscf_ws_upgrade *u = p->data;
	struct value *v;

	if (!u->in_value && start_value(u) != 0)
		return -1;
	if (u->current < 0)
		return 0;
	v = &u->value[u->current];
	if (len > sizeof(v->text) - v->n)
		return refuse(u, CSCF_WS_REJECT_HEADER_SIZE);
	memcpy(v->text + v->n, at, len);
	v->n += len;
	return 0;
}

static int on_headers_complete(http_parser *p)
{
	struct cscf_ws_upgrade *u = p->data;
	bool body = (p->content_length != 0 && p->content_length != ULLONG_MAX) ||
		    (p->flags & F_CHUNKED) != 0;

	if (body)
		return refuse(u, CSCF_WS_REJECT_MALFORMED);
	u->complete = true;
	return 2; /* no body, and what follows is not HTTP */
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

/* --- what the request must say -------------------------------------------------------------- */

static struct gw_slice get(const struct cscf_ws_upgrade *u, enum field f)
{
	return (struct gw_slice){u->value[f].text, u->value[f].n};
}

static struct gw_slice trim(struct gw_slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Is `word` an element of a comma-separated list? */
static bool has_element(struct gw_slice list, const char *word, bool ignore_case)
{
	while (list.n > 0) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma != NULL ? (size_t)(comma - list.p) : list.n;
		struct gw_slice e = trim((struct gw_slice){list.p, n});

		if (ignore_case ? gw_slice_ieq_str(e, word) : gw_slice_eq_str(e, word))
			return true;
		if (comma == NULL)
			return false;
		list.p += n + 1;
		list.n -= n + 1;
	}
	return false;
}

/* Sixteen octets in canonical base64 (RFC 6455 s4.2.1). */
static bool key_valid(struct gw_slice key)
{
	unsigned char raw[KEY_LEN];
	unsigned char back[KEY_LEN + 1];

	if (key.n != KEY_LEN || key.p[KEY_LEN - 1] != '=' || key.p[KEY_LEN - 2] != '=')
		return false;
	if (EVP_DecodeBlock(raw, (const unsigned char *)key.p, KEY_LEN) < 0)
		return false;
	EVP_EncodeBlock(back, raw, KEY_OCTETS);
	return memcmp(back, key.p, KEY_LEN) == 0;
}

static enum cscf_ws_reject check_origin(const struct cscf_ws_upgrade *u)
{
	const struct cscf_ws_upgrade_rules *r = u->rules;
	struct gw_slice origin = trim(get(u, FIELD_ORIGIN));

	if (u->value[FIELD_ORIGIN].lines == 0)
		return r->require_origin ? CSCF_WS_REJECT_ORIGIN_ABSENT : CSCF_WS_REJECT_NONE;
	if (origin.n >= CSCF_WS_ORIGIN_MAX || memchr(origin.p, '\0', origin.n) != NULL)
		return CSCF_WS_REJECT_ORIGIN;
	for (size_t i = 0; r->allowed_origins != NULL && i < r->allowed_origins->n; i++)
		if (gw_slice_eq_str(origin, r->allowed_origins->item[i]))
			return CSCF_WS_REJECT_NONE;
	return CSCF_WS_REJECT_ORIGIN;
}

static bool path_matches(const struct cscf_ws_upgrade *u)
{
	const char *query = memchr(u->path, '?', u->path_len);
	size_t n = query != NULL ? (size_t)(query - u->path) : u->path_len;

	return gw_slice_eq_str((struct gw_slice){u->path, n}, u->rules->path);
}

static enum cscf_ws_reject check(const struct cscf_ws_upgrade *u)
{
	const http_parser *p = &u->parser;

	if (p->method != HTTP_GET)
		return CSCF_WS_REJECT_METHOD;
	if (u->version_n != sizeof(http_version) - 1 ||
	    memcmp(u->version, http_version, u->version_n) != 0)
		return CSCF_WS_REJECT_HTTP_VERSION;
	if (!path_matches(u))
		return CSCF_WS_REJECT_PATH;
	if (get(u, FIELD_HOST).n == 0)
		return CSCF_WS_REJECT_MALFORMED;
	if (!has_element(get(u, FIELD_UPGRADE), "websocket", true) ||
	    !has_element(get(u, FIELD_CONNECTION), "upgrade", true))
		return CSCF_WS_REJECT_NO_UPGRADE;
	if (!gw_slice_eq_str(trim(get(u, FIELD_VERSION)), "13"))
		return CSCF_WS_REJECT_VERSION;
	if (!key_valid(trim(get(u, FIELD_KEY))))
		return CSCF_WS_REJECT_KEY;
	if (!has_element(get(u, FIELD_PROTOCOL), "sip", false))
		return CSCF_WS_REJECT_SUBPROTOCOL;
	return check_origin(u);
}

/* http_parser takes "HTPT/1.1" and further blanks for the real thing: the version is kept to be
 * compared octet for octet. Empty lines before the request are allowed (RFC 9112 s2.2). */
static void watch_version(struct cscf_ws_upgrade *u, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && !u->line_over; i++) {
		if (bytes[i] == '\r' || bytes[i] == '\n')
			u->line_over = u->line_begun;
		else if (u->blanks == 2 && u->version_n < sizeof(u->version))
			u->version[u->version_n++] = bytes[i];
		else if (bytes[i] == ' ')
			u->blanks++;
		u->line_begun = u->line_begun || (bytes[i] != '\r' && bytes[i] != '\n');
	}
}

/* Blanks after a value are not part of it (RFC 9110 s5.5): what others read ends before them. */
static void cut_origin(struct cscf_ws_upgrade *u)
{
	struct value *v = &u->value[FIELD_ORIGIN];

	while (v->n > 0 && (v->text[v->n - 1] == ' ' || v->text[v->n - 1] == '\t'))
		v->text[--v->n] = '\0';
}

/* --- public --------------------------------------------------------------------------------- */

enum gw_err cscf_ws_upgrade_new(struct cscf_ws_upgrade **out,
				const struct cscf_ws_upgrade_rules *rules)
{
	struct cscf_ws_upgrade *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return GW_ERR_NOMEM;
	u->rules = rules;
	u->current = -1;
	http_parser_init(&u->parser, HTTP_REQUEST);
	u->parser.data = u;
	*out = u;
	return GW_OK;
}

void cscf_ws_upgrade_free(struct cscf_ws_upgrade *u)
{
	free(u);
}

enum gw_err cscf_ws_upgrade_feed(struct cscf_ws_upgrade *u, const char *bytes, size_t len,
				 size_t *used, enum cscf_ws_reject *reject)
{
	size_t room = CSCF_WS_HEADER_MAX - u->octets;
	size_t n = len < room ? len : room;

	watch_version(u, bytes, n);
	*used = http_parser_execute(&u->parser, &settings, bytes, n);
	u->octets += *used;
	*reject = u->reject;
	if (u->complete) {
		cut_origin(u);
		*reject = check(u);
		/* http_parser stands on the last octet of an upgraded request, or after it */
		return *reject == CSCF_WS_REJECT_NONE ? GW_OK : GW_ERR_REJECTED;
	}
	if (*reject == CSCF_WS_REJECT_NONE && HTTP_PARSER_ERRNO(&u->parser) != HPE_OK)
		*reject = CSCF_WS_REJECT_MALFORMED;
	if (*reject == CSCF_WS_REJECT_NONE && u->octets == CSCF_WS_HEADER_MAX)
		*reject = CSCF_WS_REJECT_HEADER_SIZE;
	return *reject == CSCF_WS_REJECT_NONE ? GW_ERR_AGAIN : GW_ERR_REJECTED;
}

const char *cscf_ws_upgrade_origin(const struct cscf_ws_upgrade *u)
{
	const struct value *v = &u->value[FIELD_ORIGIN];

	/* the buffer is zeroed at birth and VALUE_MAX is larger, so text cut here ends in NUL */
	return v->n < CSCF_WS_ORIGIN_MAX ? v->text : "";
}

size_t cscf_ws_upgrade_accept(const struct cscf_ws_upgrade *u, char *buf, size_t size)
{
	struct gw_slice key = trim(get(u, FIELD_KEY));
	char text[KEY_LEN + sizeof(accept_guid)];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char b64[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
	unsigned n = 0;
	int len;

	GW_ASSERT(key.n == KEY_LEN);
	memcpy(text, key.p, KEY_LEN);
	memcpy(text + KEY_LEN, accept_guid, sizeof(accept_guid));
	if (EVP_Digest(text, KEY_LEN + sizeof(accept_guid) - 1, digest, &n, EVP_sha1(), NULL) != 1)
		return 0;
	EVP_EncodeBlock(b64, digest, (int)n);
	len = snprintf(buf, size,
		       "HTTP/1.1 101 Switching Protocols\r\n"
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
		       b64);
	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}
