/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header fields of a message, in order; and the few headers whose content names dialog and
 * transaction. Every text put in is checked for CR, LF and NUL, so nothing taken from a token,
 * a configuration or a peer can start a header of its own (SEC-23).
 */
#include "common/fmt.h"
#include "cscf/sip/msg_int.h"
#include "cscf/sip/words.h"

#include <stdio.h>
#include <stdlib.h>

bool cscf_sip_text_safe(struct gw_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	return true;
}

bool cscf_sip_hdr_name_eq(struct gw_slice a, struct gw_slice b)
{
	if (a.n > 1 && b.n > 1) /* neither is compact */
		return gw_slice_ieq(a, b);
	return gw_slice_ieq(cscf_sip_hdr_long_name(a), cscf_sip_hdr_long_name(b));
}

/* Length and three letters without case: names that share them are told apart by comparing. */
uint32_t cscf_sip_hdr_key(struct gw_slice name)
{
	struct gw_slice full = cscf_sip_hdr_long_name(name);
	const unsigned char *p = (const unsigned char *)full.p;
	uint32_t h = (uint32_t)full.n;

	if (full.n > 0)
		h |= (p[0] | 0x20U) << 8 | (p[full.n / 2] | 0x20U) << 16 |
		     (uint32_t)(p[full.n - 1] | 0x20U) << 24;
	h *= 0x9e3779b1U;
	return h ^ h >> 16;
}

size_t cscf_sip_hdr_find(const struct cscf_sip_msg *msg, struct gw_slice name, size_t from)
{
	uint32_t key = cscf_sip_hdr_key(name);

	if ((msg->names >> (key & 63) & 1) == 0)
		return CSCF_SIP_NO_HDR;
	for (size_t i = from; i < msg->n_hdr; i++) {
		const struct cscf_sip_hdr *h = &msg->hdr[i];

		if (h->key == key &&
		    cscf_sip_hdr_name_eq((struct gw_slice){h->name, h->name_n}, name))
			return i;
	}
	return CSCF_SIP_NO_HDR;
}

static enum gw_err grow(struct cscf_sip_msg *msg)
{
	size_t cap = msg->cap_hdr * 2;
	struct cscf_sip_hdr *old = msg->hdr != msg->first ? msg->hdr : NULL;
	struct cscf_sip_hdr *bigger = reallocarray(old, cap, sizeof(*bigger));

	if (bigger == NULL)
		return GW_ERR_NOMEM;
	if (old == NULL)
		memcpy(bigger, msg->first, msg->n_hdr * sizeof(*bigger));
	msg->hdr = bigger;
	msg->cap_hdr = cap;
	return GW_OK;
}

enum gw_err cscf_sip_hdr_put(struct cscf_sip_msg *msg, size_t at, uint32_t key,
			     struct gw_slice name, struct gw_slice value)
{
	struct cscf_sip_hdr h = {.name_n = name.n, .value_n = value.n, .key = key};

	if (msg->n_hdr == msg->cap_hdr && grow(msg) != GW_OK)
		return GW_ERR_NOMEM;
	h.name = cscf_sip_msg_keep(msg, name);
	h.value = h.name != NULL ? cscf_sip_msg_keep(msg, value) : NULL;
	if (h.value == NULL)
		return GW_ERR_NOMEM;
	memmove(&msg->hdr[at + 1], &msg->hdr[at], (msg->n_hdr - at) * sizeof(h));
	msg->hdr[at] = h;
	msg->names |= UINT64_C(1) << (key & 63);
	msg->n_hdr++;
	return GW_OK;
}

enum gw_err cscf_sip_hdr_insert(struct cscf_sip_msg *msg, size_t at, struct gw_slice name,
				struct gw_slice value)
{
	if (at > msg->n_hdr || !cscf_sip_is_token(name) || !cscf_sip_text_safe(value))
		return GW_ERR_INVAL;
	return cscf_sip_hdr_put(msg, at, cscf_sip_hdr_key(name), name, value);
}

enum gw_err cscf_sip_hdr_replace(struct cscf_sip_msg *msg, size_t at, struct gw_slice value)
{
	struct cscf_sip_hdr *h = &msg->hdr[at];
	const char *copy;

	if (!cscf_sip_text_safe(value))
		return GW_ERR_INVAL;
	copy = cscf_sip_msg_keep(msg, value);
	if (copy == NULL)
		return GW_ERR_NOMEM;
	h->value = copy;
	h->value_n = value.n;
	return GW_OK;
}

/* --- public: fields --- */

size_t cscf_sip_msg_hdr_count(const struct cscf_sip_msg *msg)
{
	return msg->n_hdr;
}

void cscf_sip_msg_hdr_at(const struct cscf_sip_msg *msg, size_t i, struct gw_slice *name,
			 struct gw_slice *value)
{
	GW_ASSERT(i < msg->n_hdr);
	if (name != NULL)
		*name = (struct gw_slice){msg->hdr[i].name, msg->hdr[i].name_n};
	if (value != NULL)
		*value = (struct gw_slice){msg->hdr[i].value, msg->hdr[i].value_n};
}

bool cscf_sip_msg_hdr_next(const struct cscf_sip_msg *msg, const char *name, size_t *cursor,
			   struct gw_slice *value)
{
	size_t i = cscf_sip_hdr_find(msg, gw_slice_str(name), *cursor);

	if (i == CSCF_SIP_NO_HDR)
		return false;
	*cursor = i + 1;
	if (value != NULL)
		*value = (struct gw_slice){msg->hdr[i].value, msg->hdr[i].value_n};
	return true;
}

size_t cscf_sip_msg_hdr_num(const struct cscf_sip_msg *msg, const char *name)
{
	size_t n = 0, cursor = 0;

	while (cscf_sip_msg_hdr_next(msg, name, &cursor, NULL))
		n++;
	return n;
}

bool cscf_sip_msg_hdr(const struct cscf_sip_msg *msg, const char *name, struct gw_slice *value)
{
	size_t cursor = 0;

	return cscf_sip_msg_hdr_next(msg, name, &cursor, value);
}

void cscf_sip_msg_hdr_del_at(struct cscf_sip_msg *msg, size_t i)
{
	GW_ASSERT(i < msg->n_hdr);
	msg->n_hdr--;
	memmove(&msg->hdr[i], &msg->hdr[i + 1], (msg->n_hdr - i) * sizeof(msg->hdr[0]));
}

size_t cscf_sip_msg_hdr_del(struct cscf_sip_msg *msg, const char *name)
{
	size_t n = 0, i = 0;

	while ((i = cscf_sip_hdr_find(msg, gw_slice_str(name), i)) != CSCF_SIP_NO_HDR) {
		cscf_sip_msg_hdr_del_at(msg, i);
		n++;
	}
	return n;
}

static size_t after_last(const struct cscf_sip_msg *msg, const char *name)
{
	size_t at = 0, i = 0;

	while ((i = cscf_sip_hdr_find(msg, gw_slice_str(name), i)) != CSCF_SIP_NO_HDR)
		at = ++i;
	return at;
}

/* Routing headers stand at the top, behind the Vias, where proxies look first. */
static size_t natural_place(const struct cscf_sip_msg *msg, const char *name)
{
	static const char *const routing[] = {"Route", "Record-Route", "Path", "Service-Route",
					      "Max-Forwards"};

	if (cscf_sip_hdr_name_eq(gw_slice_str(name), GW_SLICE_LIT("Via")))
		return 0;
	for (size_t i = 0; i < sizeof(routing) / sizeof(routing[0]); i++)
		if (strcasecmp(name, routing[i]) == 0)
			return after_last(msg, "Via");
	return msg->n_hdr;
}

enum gw_err cscf_sip_msg_hdr_prepend(struct cscf_sip_msg *msg, const char *name, const char *value)
{
	size_t at = cscf_sip_hdr_find(msg, gw_slice_str(name), 0);

	if (at == CSCF_SIP_NO_HDR)
		at = natural_place(msg, name);
	return cscf_sip_hdr_insert(msg, at, gw_slice_str(name), gw_slice_str(value));
}

enum gw_err cscf_sip_msg_hdr_append(struct cscf_sip_msg *msg, const char *name, const char *value)
{
	size_t at = after_last(msg, name);

	if (at == 0)
		at = natural_place(msg, name);
	return cscf_sip_hdr_insert(msg, at, gw_slice_str(name), gw_slice_str(value));
}

enum gw_err cscf_sip_msg_hdr_set_at(struct cscf_sip_msg *msg, size_t i, const char *value)
{
	GW_ASSERT(i < msg->n_hdr);
	return cscf_sip_hdr_replace(msg, i, gw_slice_str(value));
}

enum gw_err cscf_sip_msg_hdr_set(struct cscf_sip_msg *msg, const char *name, const char *value)
{
	size_t at = cscf_sip_hdr_find(msg, gw_slice_str(name), 0);
	size_t i;
	enum gw_err err;

	if (at == CSCF_SIP_NO_HDR)
		return cscf_sip_msg_hdr_append(msg, name, value);
	err = cscf_sip_hdr_replace(msg, at, gw_slice_str(value));
	if (err != GW_OK)
		return err;
	i = at + 1;
	while ((i = cscf_sip_hdr_find(msg, gw_slice_str(name), i)) != CSCF_SIP_NO_HDR)
		cscf_sip_msg_hdr_del_at(msg, i);
	return GW_OK;
}

/* --- public: dialog and transaction --- */

struct gw_slice cscf_sip_msg_call_id(const struct cscf_sip_msg *msg)
{
	struct gw_slice v = GW_SLICE_NONE;

	cscf_sip_msg_hdr(msg, "Call-ID", &v);
	return v;
}

/* From or To as read; nothing in it when there is none or it cannot be read. */
static const struct cscf_sip_read_addr *
read_addr(const struct cscf_sip_msg *msg, struct gw_slice name, struct cscf_sip_read_addr *as)
{
	static const struct cscf_sip_read_addr none;
	size_t i = cscf_sip_hdr_find(msg, name, 0);
	const struct cscf_sip_hdr *h;

	if (i == CSCF_SIP_NO_HDR)
		return &none;
	h = &msg->hdr[i];
	if (as->of == h->value)
		return as;
	as->of = NULL;
	if (cscf_sip_name_addr_parse(&as->na, (struct gw_slice){h->value, h->value_n}) != GW_OK)
		return &none;
	as->tag = GW_SLICE_NONE;
	cscf_sip_param_get(as->na.params, "tag", &as->tag);
	as->of = h->value;
	return as;
}

static const struct cscf_sip_read_addr *from_of(const struct cscf_sip_msg *msg)
{
	return read_addr(msg, GW_SLICE_LIT("From"), &msg->memo->from);
}

static const struct cscf_sip_read_addr *to_of(const struct cscf_sip_msg *msg)
{
	return read_addr(msg, GW_SLICE_LIT("To"), &msg->memo->to);
}

struct gw_slice cscf_sip_msg_from_tag(const struct cscf_sip_msg *msg)
{
	return from_of(msg)->tag;
}

struct gw_slice cscf_sip_msg_to_tag(const struct cscf_sip_msg *msg)
{
	return to_of(msg)->tag;
}

struct gw_slice cscf_sip_msg_from_uri(const struct cscf_sip_msg *msg)
{
	return from_of(msg)->na.uri;
}

struct gw_slice cscf_sip_msg_to_uri(const struct cscf_sip_msg *msg)
{
	return to_of(msg)->na.uri;
}

uint32_t cscf_sip_msg_cseq(const struct cscf_sip_msg *msg)
{
	struct gw_slice v;
	uint32_t n = 0;
	size_t i = 0;

	if (!cscf_sip_msg_hdr(msg, "CSeq", &v))
		return 0;
	while (i < v.n && v.p[i] >= '0' && v.p[i] <= '9')
		i++;
	return cscf_sip_uint((struct gw_slice){v.p, i}, UINT32_MAX, &n) ? n : 0;
}

enum gw_err cscf_sip_msg_set_cseq(struct cscf_sip_msg *msg, uint32_t number)
{
	struct gw_slice method = cscf_sip_msg_method_text(msg);
	char *value;
	enum gw_err err;

	if (gw_asfmt(&value, "%u %.*s", (unsigned)number, GW_SLICE_FMT(method)) < 0)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_set(msg, "CSeq", value);
	free(value);
	return err;
}

enum gw_err cscf_sip_msg_add_to_tag(struct cscf_sip_msg *msg, const char *tag)
{
	struct gw_slice to;
	char *value;
	enum gw_err err;

	if (!cscf_sip_msg_hdr(msg, "To", &to))
		return GW_ERR_NOT_FOUND;
	if (cscf_sip_msg_to_tag(msg).n > 0)
		return GW_OK;
	if (gw_asfmt(&value, "%.*s;tag=%s", GW_SLICE_FMT(to), tag) < 0)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_set(msg, "To", value);
	free(value);
	return err;
}

uint32_t cscf_sip_field_key(struct gw_slice name)
{
	return cscf_sip_hdr_key(name);
}

bool cscf_sip_msg_field(const struct cscf_sip_msg *msg, size_t i, struct gw_slice *name,
			struct gw_slice *value, uint32_t *key)
{
	if (i >= msg->n_hdr)
		return false;
	*name = (struct gw_slice){msg->hdr[i].name, msg->hdr[i].name_n};
	*value = (struct gw_slice){msg->hdr[i].value, msg->hdr[i].value_n};
	*key = msg->hdr[i].key;
	return true;
}
