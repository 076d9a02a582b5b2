/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List headers seen as one ordered list of values over all their fields: Via, Route, Record-Route,
 * Path, Service-Route, Contact, Supported, … A field is only re-written when a value inside it is
 * cut out; its other values keep their spelling.
 */
#include "cscf/sip/msg_int.h"

#include <stdlib.h>

bool cscf_sip_msg_value_next(const struct cscf_sip_msg *msg, const char *name,
			     struct cscf_sip_values_cursor *cursor, struct gw_slice *value)
{
	for (;;) {
		size_t i = cscf_sip_hdr_find(msg, gw_slice_str(name), cursor->field);
		struct gw_slice field;

		if (i == CSCF_SIP_NO_HDR)
			return false;
		if (i != cursor->field) {
			cursor->field = i;
			cursor->pos = 0;
		}
		field = (struct gw_slice){msg->hdr[i].value, msg->hdr[i].value_n};
		if (cscf_sip_list_next(field, &cursor->pos, value))
			return true;
		cursor->field++;
		cursor->pos = 0;
	}
}

size_t cscf_sip_msg_value_count(const struct cscf_sip_msg *msg, const char *name)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	size_t n = 0;

	while (cscf_sip_msg_value_next(msg, name, &cursor, &value))
		n++;
	return n;
}

bool cscf_sip_msg_value_top(const struct cscf_sip_msg *msg, const char *name,
			    struct gw_slice *value)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice v;

	if (!cscf_sip_msg_value_next(msg, name, &cursor, &v))
		return false;
	if (value != NULL)
		*value = v;
	return true;
}

enum gw_err cscf_sip_msg_value_pop(struct cscf_sip_msg *msg, const char *name)
{
	for (;;) {
		size_t i = cscf_sip_hdr_find(msg, gw_slice_str(name), 0);
		struct gw_slice field, value, rest;
		size_t pos = 0;
		bool found;
		char *copy;
		enum gw_err err;

		if (i == CSCF_SIP_NO_HDR)
			return GW_ERR_NOT_FOUND;
		field = (struct gw_slice){msg->hdr[i].value, msg->hdr[i].value_n};
		found = cscf_sip_list_next(field, &pos, &value);
		rest = cscf_sip_trim((struct gw_slice){field.p + pos, field.n - pos});
		if (rest.n == 0) { /* the only value, or an empty field */
			cscf_sip_msg_hdr_del_at(msg, i);
			if (found)
				return GW_OK;
			continue;
		}
		copy = gw_slice_dup(rest);
		if (copy == NULL)
			return GW_ERR_NOMEM;
		err = cscf_sip_msg_hdr_set_at(msg, i, copy);
		free(copy);
		return err;
	}
}

bool cscf_sip_msg_has_token(const struct cscf_sip_msg *msg, const char *name, const char *token)
{
	struct gw_slice field;
	size_t cursor = 0;

	while (cscf_sip_msg_hdr_next(msg, name, &cursor, &field))
		if (cscf_sip_list_has(field, token))
			return true;
	return false;
}

/* One field without a token; NULL when out of memory, "" when nothing is left. */
static char *field_without(struct gw_slice field, const char *token)
{
	char *out = malloc(2 * field.n + 3); /* each comma may become a comma and a blank */
	struct gw_slice member;
	size_t pos = 0, n = 0;

	if (out == NULL)
		return NULL;
	while (cscf_sip_list_next(field, &pos, &member)) {
		/* seen as cscf_sip_list_has sees it: a parameter behind it is no way round */
		if (cscf_sip_list_has(member, token))
			continue;
		if (n > 0) {
			out[n++] = ',';
			out[n++] = ' ';
		}
		memcpy(out + n, member.p, member.n);
		n += member.n;
	}
	out[n] = '\0';
	return out;
}

enum gw_err cscf_sip_msg_del_token(struct cscf_sip_msg *msg, const char *name, const char *token)
{
	size_t i = 0;

	while ((i = cscf_sip_hdr_find(msg, gw_slice_str(name), i)) != CSCF_SIP_NO_HDR) {
		struct gw_slice field = {msg->hdr[i].value, msg->hdr[i].value_n};
		char *left;
		enum gw_err err;

		if (!cscf_sip_list_has(field, token)) {
			i++;
			continue;
		}
		left = field_without(field, token);
		if (left == NULL)
			return GW_ERR_NOMEM;
		if (left[0] == '\0') {
			cscf_sip_msg_hdr_del_at(msg, i);
			free(left);
			continue;
		}
		err = cscf_sip_msg_hdr_set_at(msg, i, left);
		free(left);
		if (err != GW_OK)
			return err;
		i++;
	}
	return GW_OK;
}

void cscf_sip_texts_free(char **texts, size_t n)
{
	for (size_t i = 0; texts != NULL && i < n; i++)
		free(texts[i]);
	free(texts);
}

enum gw_err cscf_sip_msg_values_dup(const struct cscf_sip_msg *msg, const char *name, bool reverse,
				    char ***out, size_t *n)
{
	size_t count = cscf_sip_msg_value_count(msg, name);
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	char **texts;

	*out = NULL;
	*n = 0;
	if (count == 0)
		return GW_OK;
	texts = calloc(count, sizeof(*texts));
	if (texts == NULL)
		return GW_ERR_NOMEM;
	for (size_t i = 0; i < count && cscf_sip_msg_value_next(msg, name, &cursor, &value); i++) {
		char *copy = gw_slice_dup(value);

		if (copy == NULL) {
			cscf_sip_texts_free(texts, count);
			return GW_ERR_NOMEM;
		}
		texts[reverse ? count - 1 - i : i] = copy;
	}
	*out = texts;
	*n = count;
	return GW_OK;
}

enum gw_err cscf_sip_msg_values_set(struct cscf_sip_msg *msg, const char *name, char *const *texts,
				    size_t n)
{
	size_t at = cscf_sip_hdr_find(msg, gw_slice_str(name), 0);
	enum gw_err err = GW_OK;

	if (n == 0) {
		cscf_sip_msg_hdr_del(msg, name);
		return GW_OK;
	}
	if (at == CSCF_SIP_NO_HDR) {
		err = cscf_sip_msg_hdr_append(msg, name, texts[0]);
		at = cscf_sip_hdr_find(msg, gw_slice_str(name), 0);
	} else {
		err = cscf_sip_msg_hdr_set(msg, name, texts[0]);
	}
	for (size_t i = 1; i < n && err == GW_OK; i++)
		err = cscf_sip_hdr_insert(msg, at + i, gw_slice_str(name), gw_slice_str(texts[i]));
	return err;
}

bool cscf_sip_msg_contact(const struct cscf_sip_msg *msg, struct cscf_sip_name_addr *out)
{
	struct gw_slice value;

	return cscf_sip_msg_value_top(msg, "Contact", &value) &&
	       cscf_sip_name_addr_parse(out, value) == GW_OK;
}

struct gw_slice cscf_sip_msg_next_hop(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_name_addr route;
	struct gw_slice value;

	if (cscf_sip_msg_value_top(msg, "Route", &value) &&
	    cscf_sip_name_addr_parse(&route, value) == GW_OK && !route.star)
		return route.uri;
	return cscf_sip_msg_uri(msg);
}
