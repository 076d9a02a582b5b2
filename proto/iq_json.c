/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iq messages to JSON and back over the descriptors (iq_json.h). Lists hold strings, messages,
 * enums and 32-bit numbers: what iq.proto uses. A type it does not use (bytes, float) is
 * GW_ERR_UNSUPPORTED rather than wrong.
 */
#include "proto/iq_json.h"

#include "proto/iq_codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16
#define MAX_LIST  4096

/* ---- out ------------------------------------------------------------------------------------- */

static bool is_secret(const ProtobufCMessageDescriptor *desc, const char *name)
{
	return (desc == &wicgate__iq__v1__ice_credentials__descriptor &&
		strcmp(name, "pwd") == 0) ||
	       (desc == &wicgate__iq__v1__hello__descriptor && strcmp(name, "token") == 0);
}

static json_t *string_out(const char *s)
{
	json_t *j = json_string(s != NULL ? s : "");

	return j != NULL ? j : json_string("(not UTF-8)");
}

static json_t *identifier_out(uint64_t v)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%" PRIu64, v);
	return json_string(buf);
}

static json_t *enum_out(const ProtobufCEnumDescriptor *desc, int v)
{
	const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value(desc, v);

	return e != NULL ? json_string(e->name) : json_integer(v);
}

static json_t *value_out(const ProtobufCFieldDescriptor *f, const void *at, unsigned flags)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return string_out(*(const char *const *)at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return iq_message_to_json(*(const ProtobufCMessage *const *)at, flags);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_out(f->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_integer(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
		return json_integer((json_int_t)(*(const uint64_t *)at & INT64_MAX));
	case PROTOBUF_C_TYPE_FIXED64:
		return identifier_out(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BYTES:
		break;
	}
	return json_null();
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE
		   ? sizeof(void *)
		   : sizeof(uint32_t);
}

static json_t *list_out(const ProtobufCFieldDescriptor *f, const char *base, unsigned flags)
{
	size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
	const char *list = *(const char *const *)(const void *)(base + f->offset);
	json_t *out = json_array();

	for (size_t i = 0; out != NULL && i < n; i++)
		json_array_append_new(out, value_out(f, list + i * element_size(f), flags));
	return out;
}

json_t *iq_message_to_json(const ProtobufCMessage *msg, unsigned flags)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	const char *base = (const char *)msg;
	json_t *out = json_object();

	for (unsigned i = 0; out != NULL && i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];
		const void *at = base + f->offset;
		json_t *v;

		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
		    *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			v = list_out(f, base, flags);
		} else if (f->type == PROTOBUF_C_TYPE_MESSAGE && *(void *const *)at == NULL) {
			continue;
		} else if ((flags & IQ_JSON_MASK_SECRETS) != 0 && is_secret(desc, f->name)) {
			v = json_string("***");
		} else {
			v = value_out(f, at, flags);
		}
		json_object_set_new(out, f->name, v);
	}
	return out;
}

json_t *iq_envelope_to_json(const IqEnvelope *env, unsigned flags)
{
	return iq_message_to_json(&env->base, flags);
}

/* ---- in -------------------------------------------------------------------------------------- */

struct input {
	char *errbuf;
	size_t errlen;
	char path[160];
	unsigned depth;
};

static enum gw_err complain(struct input *in, enum gw_err err, const char *why)
{
	snprintf(in->errbuf, in->errlen, "%s: %s", in->path[0] != '\0' ? in->path : "message", why);
	return err;
}

static size_t path_add(struct input *in, const char *name)
{
	size_t len = strlen(in->path);

	snprintf(in->path + len, sizeof(in->path) - len, "%s%s", len > 0 ? "." : "", name);
	return len;
}

static enum gw_err enum_in(struct input *in, const ProtobufCEnumDescriptor *desc, const json_t *j,
			   int *out)
{
	const ProtobufCEnumValue *v = NULL;

	if (json_is_string(j))
		v = protobuf_c_enum_descriptor_get_value_by_name(desc, json_string_value(j));
	else if (json_is_integer(j) && json_integer_value(j) >= 0 &&
		 json_integer_value(j) <= INT32_MAX)
		v = protobuf_c_enum_descriptor_get_value(desc, (int)json_integer_value(j));
	if (v == NULL)
		return complain(in, GW_ERR_PARSE, "not one of the words of this enum");
	*out = v->value;
	return GW_OK;
}

static enum gw_err u64_in(struct input *in, const json_t *j, uint64_t *out)
{
	char *end = NULL;
	const char *s;

	if (json_is_integer(j) && json_integer_value(j) >= 0) {
		*out = (uint64_t)json_integer_value(j);
		return GW_OK;
	}
	s = json_string_value(j);
	if (s == NULL || *s < '0' || *s > '9')
		return complain(in, GW_ERR_PARSE, "not a number from 0 on");
	*out = strtoull(s, &end, 0);
	return *end == '\0' ? GW_OK : complain(in, GW_ERR_PARSE, "not a number from 0 on");
}

static enum gw_err i64_in(struct input *in, const json_t *j, int64_t min, int64_t max, int64_t *out)
{
	if (!json_is_integer(j))
		return complain(in, GW_ERR_PARSE, "not a whole number");
	*out = json_integer_value(j);
	return *out >= min && *out <= max ? GW_OK
					  : complain(in, GW_ERR_LIMIT, "number out of range");
}

static enum gw_err message_in(struct input *in, const ProtobufCMessageDescriptor *desc,
			      const json_t *j, ProtobufCMessage **out);

static enum gw_err string_in(struct input *in, const json_t *j, char **out)
{
	if (!json_is_string(j))
		return complain(in, GW_ERR_PARSE, "not a string");
	return iq_str_set(out, json_string_value(j));
}

static enum gw_err value_in(struct input *in, const ProtobufCFieldDescriptor *f, const json_t *j,
			    void *at)
{
	int64_t v = 0;
	enum gw_err err;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return string_in(in, j, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_in(in, f->descriptor, j, at);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_in(in, f->descriptor, j, at);
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(j))
			return complain(in, GW_ERR_PARSE, "not true or false");
		*(protobuf_c_boolean *)at = json_is_true(j);
		return GW_OK;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		err = i64_in(in, j, INT32_MIN, INT32_MAX, &v);
		if (err == GW_OK)
			*(int32_t *)at = (int32_t)v;
		return err;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		err = i64_in(in, j, 0, UINT32_MAX, &v);
		if (err == GW_OK)
			*(uint32_t *)at = (uint32_t)v;
		return err;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return u64_in(in, j, at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BYTES:
		break;
	}
	return complain(in, GW_ERR_UNSUPPORTED, "a type not served here");
}

static enum gw_err list_in(struct input *in, const ProtobufCFieldDescriptor *f, const json_t *j,
			   char *base)
{
	size_t *n = (size_t *)(void *)(base + f->quantifier_offset);
	void **list = (void **)(void *)(base + f->offset);
	size_t size = element_size(f);
	size_t count = json_array_size(j);
	enum gw_err err = GW_OK;

	if (!json_is_array(j))
		return complain(in, GW_ERR_PARSE, "not a list");
	if (count > MAX_LIST)
		return complain(in, GW_ERR_LIMIT, "list too long");
	if (count == 0 || *list != NULL)
		return GW_OK;
	*list = calloc(count, size);
	if (*list == NULL)
		return GW_ERR_NOMEM;
	for (size_t i = 0; err == GW_OK && i < count; i++) {
		err = value_in(in, f, json_array_get(j, i), (char *)*list + i * size);
		if (err == GW_OK)
			*n = i + 1; /* only whole elements are counted, so free works */
	}
	return err;
}

static enum gw_err field_in(struct input *in, ProtobufCMessage *msg, const char *name,
			    const json_t *j)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, name);
	char *base = (char *)msg;

	if (f == NULL)
		return complain(in, GW_ERR_NOT_FOUND, "no such field");
	if (json_is_null(j))
		return GW_OK;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return list_in(in, f, j, base);
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		uint32_t *which = (uint32_t *)(void *)(base + f->quantifier_offset);
		enum gw_err err;

		if (*which != 0)
			return complain(in, GW_ERR_PARSE, "a second body");
		err = value_in(in, f, j, base + f->offset);
		if (err == GW_OK)
			*which = f->id;
		return err;
	}
	return value_in(in, f, j, base + f->offset);
}

static enum gw_err message_in(struct input *in, const ProtobufCMessageDescriptor *desc,
			      const json_t *j, ProtobufCMessage **out)
{
	ProtobufCMessage *msg;
	const char *name;
	json_t *value;
	enum gw_err err = GW_OK;

	if (!json_is_object(j))
		return complain(in, GW_ERR_PARSE, "not an object");
	if (in->depth >= MAX_DEPTH)
		return complain(in, GW_ERR_LIMIT, "nested too deep");
	msg = iq_message_new(desc);
	if (msg == NULL)
		return GW_ERR_NOMEM;
	in->depth++;
	/* jansson's iterator takes no const object; nothing is changed through it */
	for (void *it = json_object_iter((json_t *)(uintptr_t)j); it != NULL && err == GW_OK;
	     it = json_object_iter_next((json_t *)(uintptr_t)j, it)) {
		size_t len;

		name = json_object_iter_key(it);
		value = json_object_iter_value(it);
		len = path_add(in, name);
		err = field_in(in, msg, name, value);
		in->path[len] = '\0';
	}
	in->depth--;
	if (err != GW_OK) {
		protobuf_c_message_free_unpacked(msg, NULL);
		return err;
	}
	*out = msg;
	return GW_OK;
}

enum gw_err iq_message_from_json(ProtobufCMessage **out, const ProtobufCMessageDescriptor *desc,
				 const json_t *json, char *errbuf, size_t errlen)
{
	struct input in = {.errbuf = errbuf, .errlen = errlen};
	ProtobufCMessage *msg = NULL;
	enum gw_err err;

	snprintf(errbuf, errlen, "out of memory");
	err = message_in(&in, desc, json, &msg);
	if (err != GW_OK)
		return err;
	errbuf[0] = '\0';
	*out = msg;
	return GW_OK;
}

enum gw_err iq_envelope_from_json(IqEnvelope **out, const json_t *json, char *errbuf, size_t errlen)
{
	ProtobufCMessage *msg = NULL;
	enum gw_err err = iq_message_from_json(&msg, &wicgate__iq__v1__envelope__descriptor, json,
					       errbuf, errlen);

	if (err == GW_OK)
		*out = (IqEnvelope *)(void *)msg;
	return err;
}
