/* SPDX-License-Identifier: Apache-2.0 */
/* SIP text; see sip.h. */
#include "tests/wic/sip.h"

#include "common/rand.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define HASH_HEX (2 * EVP_MAX_MD_SIZE + 1)

static const struct {
	char compact;
	const char *name;
} compact_forms[] = {
    {'v', "Via"},     {'f', "From"},           {'t', "To"},           {'i', "Call-ID"},
    {'m', "Contact"}, {'l', "Content-Length"}, {'c', "Content-Type"}, {'k', "Supported"},
};

static struct gw_slice trim(struct gw_slice s)
{
	while (s.n > 0 && isspace((unsigned char)s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Cut one line off, without its end. False when there is none. */
static bool take_line(struct gw_slice *rest, struct gw_slice *line)
{
	const char *lf = memchr(rest->p, '\n', rest->n);
	size_t n;

	if (lf == NULL)
		return false;
	n = (size_t)(lf - rest->p);
	*line = (struct gw_slice){rest->p, n > 0 && lf[-1] == '\r' ? n - 1 : n};
	rest->p += n + 1;
	rest->n -= n + 1;
	return true;
}

/* Cut one word off, up to a space. */
static struct gw_slice take_word(struct gw_slice *s)
{
	const char *space = memchr(s->p, ' ', s->n);
	struct gw_slice w = {s->p, space != NULL ? (size_t)(space - s->p) : s->n};

	s->p += w.n;
	s->n -= w.n;
	*s = trim(*s);
	return w;
}

static bool parse_start_line(struct wic_sip *m, struct gw_slice line)
{
	struct gw_slice first = take_word(&line);
	struct gw_slice second = take_word(&line);

	if (!gw_slice_eq_str(first, "SIP/2.0")) {
		m->method = first;
		m->uri = second;
		return gw_slice_eq_str(line, "SIP/2.0") && first.n > 0;
	}
	if (second.n != 3 || !isdigit((unsigned char)second.p[0]))
		return false;
	m->status = (unsigned)strtoul(second.p, NULL, 10);
	m->reason = line;
	return m->status >= 100 && m->status <= 699;
}

static bool parse_header(struct wic_sip *m, struct gw_slice line)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct wic_sip_header *h = &m->header[m->n];
	size_t name;

	if (colon == NULL || m->n == WIC_HEADERS_MAX)
		return false;
	name = (size_t)(colon - line.p);
	h->name = trim((struct gw_slice){line.p, name});
	h->value = trim((struct gw_slice){colon + 1, line.n - name - 1});
	for (size_t i = 0; i < sizeof(compact_forms) / sizeof(compact_forms[0]); i++)
		if (h->name.n == 1 && tolower(h->name.p[0]) == compact_forms[i].compact)
			h->name = gw_slice_str(compact_forms[i].name);
	m->n++;
	return true;
}

static bool parse(struct wic_sip *m, size_t len)
{
	struct gw_slice rest = {m->text, len};
	struct gw_slice line, cseq;

	if (!take_line(&rest, &line) || !parse_start_line(m, line))
		return false;
	while (take_line(&rest, &line)) {
		if (line.n == 0) {
			m->body = rest;
			break;
		}
		if (!parse_header(m, line))
			return false;
	}
	cseq = wic_sip_get(m, "CSeq");
	if (m->status != 0) {
		(void)take_word(&cseq);
		m->method = cseq;
	}
	return m->method.n > 0;
}

enum gw_err wic_sip_parse(struct wic_sip **out, const char *text, size_t len)
{
	struct wic_sip *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return GW_ERR_NOMEM;
	m->text = gw_slice_dup((struct gw_slice){text, len});
	if (m->text == NULL) {
		free(m);
		return GW_ERR_NOMEM;
	}
	m->len = len;
	if (!parse(m, len)) {
		wic_sip_free(m);
		return GW_ERR_PARSE;
	}
	*out = m;
	return GW_OK;
}

void wic_sip_free(struct wic_sip *m)
{
	if (m == NULL)
		return;
	free(m->text);
	free(m);
}

bool wic_sip_nth(const struct wic_sip *m, const char *name, size_t i, struct gw_slice *value)
{
	for (size_t k = 0; k < m->n; k++) {
		if (gw_slice_ieq_str(m->header[k].name, name) && i-- == 0) {
			*value = m->header[k].value;
			return true;
		}
	}
	return false;
}

struct gw_slice wic_sip_get(const struct wic_sip *m, const char *name)
{
	struct gw_slice v = GW_SLICE_NONE;

	(void)wic_sip_nth(m, name, 0, &v);
	return v;
}

bool wic_sip_element(struct gw_slice *list, struct gw_slice *element)
{
	bool quoted = false;
	unsigned angle = 0;
	size_t i;

	*list = trim(*list);
	if (list->n == 0)
		return false;
	for (i = 0; i < list->n; i++) {
		char c = list->p[i];

		if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '<')
			angle = 1;
		else if (!quoted && c == '>')
			angle = 0;
		else if (!quoted && angle == 0 && c == ',')
			break;
	}
	*element = trim((struct gw_slice){list->p, i});
	i += i < list->n;
	list->p += i;
	list->n -= i;
	return true;
}

static struct gw_slice unquote(struct gw_slice s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (struct gw_slice){s.p + 1, s.n - 2};
	return s;
}

/* name=value among parts cut at `separator`, quotes respected. */
static struct gw_slice find_part(struct gw_slice s, char separator, const char *name)
{
	size_t start = 0, len = strlen(name);
	bool quoted = false;

	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] == '"')
			quoted = !quoted;
		if (i < s.n && (quoted || s.p[i] != separator))
			continue;
		struct gw_slice part = trim((struct gw_slice){s.p + start, i - start});

		start = i + 1;
		if (part.n > len && strncasecmp(part.p, name, len) == 0 && part.p[len] == '=')
			return unquote(trim((struct gw_slice){part.p + len + 1, part.n - len - 1}));
	}
	return GW_SLICE_NONE;
}

struct gw_slice wic_sip_param(struct gw_slice value, const char *name)
{
	const char *angle = memchr(value.p != NULL ? value.p : "", '>', value.n);
	size_t skip = angle != NULL ? (size_t)(angle - value.p) + 1 : 0;

	return find_part((struct gw_slice){value.p + skip, value.n - skip}, ';', name);
}

struct gw_slice wic_sip_uri(struct gw_slice value)
{
	const char *open = memchr(value.p != NULL ? value.p : "", '<', value.n);
	const char *end;
	size_t n;

	if (open == NULL) {
		end = memchr(value.p != NULL ? value.p : "", ';', value.n);
		return trim(
		    (struct gw_slice){value.p, end != NULL ? (size_t)(end - value.p) : value.n});
	}
	n = value.n - (size_t)(open + 1 - value.p);
	end = memchr(open + 1, '>', n);
	return (struct gw_slice){open + 1, end != NULL ? (size_t)(end - open - 1) : n};
}

/* --- Digest --------------------------------------------------------------------------------- */

static void hash(char hex[HASH_HEX], const EVP_MD *md, const char *text)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	hex[0] = '\0';
	if (EVP_Digest(text, strlen(text), raw, &n, md, NULL) != 1)
		return;
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(hex + 2 * (size_t)i, 3, "%02x", raw[i]);
}

enum gw_err wic_sip_digest(char *to, size_t size, struct gw_slice challenge,
			   const struct wic_digest *d)
{
	struct gw_slice rest = {challenge.p + 7, challenge.n - 7};
	struct gw_slice realm, nonce, opaque, algorithm;
	char text[3 * WIC_VALUE_MAX], a1[HASH_HEX], a2[HASH_HEX], response[HASH_HEX], cnonce[17];
	const EVP_MD *md = EVP_md5();
	int n;

	if (challenge.n < 8 || strncasecmp(challenge.p, "Digest ", 7) != 0)
		return GW_ERR_UNSUPPORTED;
	realm = find_part(rest, ',', "realm");
	nonce = find_part(rest, ',', "nonce");
	opaque = find_part(rest, ',', "opaque");
	algorithm = find_part(rest, ',', "algorithm");
	if (gw_slice_ieq_str(algorithm, "SHA-256"))
		md = EVP_sha256();
	else if (algorithm.n > 0 && !gw_slice_ieq_str(algorithm, "MD5"))
		return GW_ERR_UNSUPPORTED;
	gw_rand_hex(cnonce, 8);
	(void)snprintf(text, sizeof(text), "%s:%.*s:%s", d->username, GW_SLICE_FMT(realm),
		       d->password);
	hash(a1, md, text);
	(void)snprintf(text, sizeof(text), "%s:%s", d->method, d->uri);
	hash(a2, md, text);
	(void)snprintf(text, sizeof(text), "%s:%.*s:%08x:%s:auth:%s", a1, GW_SLICE_FMT(nonce),
		       d->nc, cnonce, a2);
	hash(response, md, text);
	n = snprintf(to, size,
		     "Digest username=\"%s\",realm=\"%.*s\",nonce=\"%.*s\",uri=\"%s\","
		     "response=\"%s\",algorithm=%s,qop=auth,nc=%08x,cnonce=\"%s\"",
		     d->username, GW_SLICE_FMT(realm), GW_SLICE_FMT(nonce), d->uri, response,
		     md == EVP_md5() ? "MD5" : "SHA-256", d->nc, cnonce);
	if (opaque.n > 0 && n > 0 && (size_t)n < size)
		n += snprintf(to + n, size - (size_t)n, ",opaque=\"%.*s\"", GW_SLICE_FMT(opaque));
	return n > 0 && (size_t)n < size ? GW_OK : GW_ERR_TOO_BIG;
}
