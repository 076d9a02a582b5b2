/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as a whole: birth, copy, print, first line. Fields: msg_hdr.c; lists: msg_value.c;
 * bodies: msg_body.c; from text: msg_parse.c; made by us: msg_build.c.
 */
#include "common/fmt.h"
#include "cscf/sip/msg_int.h"
#include "cscf/sip/spare.h"
#include "cscf/sip/words.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MORE  512  /* octets of text taken at a time, when the first were not enough */
#define TEXT_USUAL 2048 /* taken for the first: most messages fit */

static struct cscf_sip_spare spare_msgs, spare_texts;

static struct cscf_sip_text *text_new(size_t n)
{
	size_t size = n <= TEXT_USUAL ? TEXT_USUAL : n;
	struct cscf_sip_text *t;

	if (size == TEXT_USUAL)
		t = cscf_sip_spare_take(&spare_texts, sizeof(*t) + TEXT_USUAL);
	else
		t = malloc(sizeof(*t) + size);
	if (t == NULL)
		return NULL;
	t->next = NULL;
	t->used = 0;
	t->size = size;
	return t;
}

static void text_free(struct cscf_sip_text *t)
{
	if (t != NULL && t->size == TEXT_USUAL)
		cscf_sip_spare_give(&spare_texts, t);
	else
		free(t);
}

enum gw_err cscf_sip_msg_new(struct cscf_sip_msg **out, size_t text_n)
{
	struct cscf_sip_msg *m = cscf_sip_spare_take(&spare_msgs, sizeof(*m));
	struct cscf_sip_text *t = text_new(text_n);

	*out = NULL;
	if (m == NULL || t == NULL) {
		cscf_sip_spare_give(&spare_msgs, m);
		text_free(t);
		return GW_ERR_NOMEM;
	}
	memset(m, 0, offsetof(struct cscf_sip_msg, first));
	m->own.via_of = m->own.from.of = m->own.to.of = NULL;
	m->memo = &m->own;
	m->text = t;
	m->hdr = m->first;
	m->cap_hdr = CSCF_SIP_FIRST_HDRS;
	*out = m;
	return GW_OK;
}

static struct cscf_sip_text *more_text(struct cscf_sip_msg *msg, size_t n)
{
	size_t size = n > TEXT_MORE ? n : TEXT_MORE;
	struct cscf_sip_text *t = malloc(sizeof(*t) + size);

	if (t == NULL)
		return NULL;
	t->used = 0;
	t->size = size;
	t->next = msg->text;
	msg->text = t;
	return t;
}

const char *cscf_sip_msg_keep(struct cscf_sip_msg *msg, struct gw_slice s)
{
	struct cscf_sip_text *t = msg->text;
	char *to;

	if (t->size - t->used <= s.n) {
		t = more_text(msg, s.n + 1);
		if (t == NULL)
			return NULL;
	}
	to = t->bytes + t->used;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
	t->used += s.n + 1;
	return to;
}

void cscf_sip_msg_free(struct cscf_sip_msg *msg)
{
	if (msg == NULL)
		return;
	while (msg->text != NULL) {
		struct cscf_sip_text *next = msg->text->next;

		text_free(msg->text);
		msg->text = next;
	}
	if (msg->hdr != msg->first)
		free(msg->hdr);
	free(msg->body);
	cscf_sip_spare_give(&spare_msgs, msg);
}

static bool dup_text(struct cscf_sip_msg *m, const char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = cscf_sip_msg_keep(m, gw_slice_str(from));
	return *to != NULL;
}

/* Octets of text in use, and some more for what a relay adds. */
static size_t text_needed(const struct cscf_sip_msg *msg)
{
	size_t n = TEXT_MORE;

	for (const struct cscf_sip_text *t = msg->text; t != NULL; t = t->next)
		n += t->used;
	return n;
}

enum gw_err cscf_sip_msg_clone(struct cscf_sip_msg **out, const struct cscf_sip_msg *msg)
{
	struct cscf_sip_msg *m;
	enum gw_err err = cscf_sip_msg_new(&m, text_needed(msg));

	*out = NULL;
	if (err != GW_OK)
		return err;
	err = GW_ERR_NOMEM;
	m->status = msg->status;
	if (!dup_text(m, &m->method_text, msg->method_text) || !dup_text(m, &m->uri, msg->uri) ||
	    !dup_text(m, &m->reason, msg->reason))
		goto out;
	for (size_t i = 0; i < msg->n_hdr; i++) {
		const struct cscf_sip_hdr *h = &msg->hdr[i];

		err = cscf_sip_hdr_put(m, i, h->key, (struct gw_slice){h->name, h->name_n},
				       (struct gw_slice){h->value, h->value_n});
		if (err != GW_OK)
			goto out;
	}
	err = GW_OK;
	if (msg->body_n > 0) {
		m->body = malloc(msg->body_n);
		if (m->body == NULL) {
			err = GW_ERR_NOMEM;
			goto out;
		}
		memcpy(m->body, msg->body, msg->body_n);
		m->body_n = msg->body_n;
	}
	*out = m;
	m = NULL;
out:
	cscf_sip_msg_free(m);
	return err;
}

enum gw_err cscf_sip_msg_clone_forward(struct cscf_sip_msg **out, const struct cscf_sip_msg *req)
{
	struct gw_slice value;
	uint32_t hops = 71;
	char text[16];
	enum gw_err err = cscf_sip_msg_clone(out, req);

	if (err != GW_OK)
		return err;
	if (cscf_sip_msg_hdr(req, "Max-Forwards", &value) && !cscf_sip_uint(value, 255, &hops))
		hops = 71;
	gw_fmt(text, sizeof(text), "%u", (unsigned)(hops > 0 ? hops - 1 : 0));
	err = cscf_sip_msg_hdr_set(*out, "Max-Forwards", text);
	if (err != GW_OK) {
		cscf_sip_msg_free(*out);
		*out = NULL;
	}
	return err;
}

/* --- print --- */

static char *put(char *to, const void *p, size_t n)
{
	if (n > 0)
		memcpy(to, p, n);
	return to + n;
}

static size_t first_line_size(const struct cscf_sip_msg *msg)
{
	if (msg->status == 0)
		return strlen(msg->method_text) + strlen(msg->uri) + sizeof("  SIP/2.0\r\n");
	return sizeof("SIP/2.0 000 \r\n") + (msg->reason != NULL ? strlen(msg->reason) : 0);
}

static char *put_first_line(char *p, const struct cscf_sip_msg *msg)
{
	char code[8];

	if (msg->status == 0) {
		p = put(p, msg->method_text, strlen(msg->method_text));
		p = put(p, " ", 1);
		p = put(p, msg->uri, strlen(msg->uri));
		return put(p, " SIP/2.0\r\n", 10);
	}
	p = put(p, "SIP/2.0 ", 8);
	gw_fmt(code, sizeof(code), "%c%c%c ", '0' + msg->status / 100 % 10,
	       '0' + msg->status / 10 % 10, '0' + msg->status % 10);
	p = put(p, code, 4);
	if (msg->reason != NULL)
		p = put(p, msg->reason, strlen(msg->reason));
	return put(p, "\r\n", 2);
}

char *cscf_sip_msg_print(const struct cscf_sip_msg *msg, size_t *n)
{
	uint32_t length_key = cscf_sip_hdr_key(GW_SLICE_LIT("Content-Length"));
	size_t size = first_line_size(msg) + msg->body_n + 48;
	bool has_length = false;
	char length[32];
	char *text, *p;
	size_t length_n = gw_fmt(length, sizeof(length), "%zu\r\n", msg->body_n);

	for (size_t i = 0; i < msg->n_hdr; i++)
		size += msg->hdr[i].name_n + msg->hdr[i].value_n + 4 + 24;
	text = malloc(size + 1);
	if (text == NULL)
		return NULL;
	p = put_first_line(text, msg);
	for (size_t i = 0; i < msg->n_hdr; i++) {
		const struct cscf_sip_hdr *h = &msg->hdr[i];

		if (h->key == length_key &&
		    cscf_sip_hdr_name_eq((struct gw_slice){h->name, h->name_n},
					 GW_SLICE_LIT("Content-Length"))) {
			if (has_length)
				continue;
			has_length = true;
			p = put(p, h->name, h->name_n);
			p = put(p, ": ", 2);
			p = put(p, length, length_n);
			continue;
		}
		p = put(p, h->name, h->name_n);
		p = put(p, ": ", 2);
		p = put(p, h->value, h->value_n);
		p = put(p, "\r\n", 2);
	}
	if (!has_length) {
		p = put(p, "Content-Length: ", 16);
		p = put(p, length, length_n);
	}
	p = put(p, "\r\n", 2);
	p = put(p, msg->body, msg->body_n);
	*p = '\0';
	if (n != NULL)
		*n = (size_t)(p - text);
	return text;
}

/* --- first line --- */

bool cscf_sip_msg_is_request(const struct cscf_sip_msg *msg)
{
	return msg->status == 0;
}

struct gw_slice cscf_sip_msg_method_text(const struct cscf_sip_msg *msg)
{
	struct gw_slice cseq;
	size_t i = 0;

	if (msg->status == 0)
		return gw_slice_str(msg->method_text);
	if (!cscf_sip_msg_hdr(msg, "CSeq", &cseq))
		return GW_SLICE_NONE;
	while (i < cseq.n && cseq.p[i] >= '0' && cseq.p[i] <= '9')
		i++;
	return cscf_sip_trim((struct gw_slice){cseq.p + i, cseq.n - i});
}

enum cscf_sip_method cscf_sip_msg_method(const struct cscf_sip_msg *msg)
{
	return cscf_sip_method_parse(cscf_sip_msg_method_text(msg));
}

int cscf_sip_msg_status(const struct cscf_sip_msg *msg)
{
	return msg->status;
}

struct gw_slice cscf_sip_msg_reason(const struct cscf_sip_msg *msg)
{
	return gw_slice_str(msg->reason);
}

static enum gw_err set_text(struct cscf_sip_msg *msg, const char **to, const char *text)
{
	const char *copy;

	if (!cscf_sip_text_safe(gw_slice_str(text)))
		return GW_ERR_INVAL;
	copy = cscf_sip_msg_keep(msg, gw_slice_str(text));
	if (copy == NULL)
		return GW_ERR_NOMEM;
	*to = copy;
	return GW_OK;
}

enum gw_err cscf_sip_msg_set_status(struct cscf_sip_msg *msg, int status, const char *reason)
{
	enum gw_err err;

	if (msg->status == 0 || status < 100 || status > 699)
		return GW_ERR_INVAL;
	err = set_text(msg, &msg->reason, reason != NULL ? reason : cscf_sip_reason_phrase(status));
	if (err == GW_OK)
		msg->status = status;
	return err;
}

struct gw_slice cscf_sip_msg_uri(const struct cscf_sip_msg *msg)
{
	return gw_slice_str(msg->uri);
}

enum gw_err cscf_sip_msg_set_uri(struct cscf_sip_msg *msg, const char *uri)
{
	if (msg->status != 0 || uri[0] == '\0' || strpbrk(uri, " \t<>") != NULL)
		return GW_ERR_INVAL;
	return set_text(msg, &msg->uri, uri);
}
