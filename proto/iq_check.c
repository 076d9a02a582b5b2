/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of a received message (iq_codec.h): a walk over its descriptors with the table of
 * iq_rules.c at hand. The first thing wrong is reported with its path; nothing is changed.
 * Depth is bounded by the descriptors themselves: no message of iq.proto contains itself.
 */
#include "common/fmt.h"
#include "common/sockaddr.h"
#include "proto/iq_int.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16
#define PATH_LEN  128

/* Where we are. Written out only when something is wrong. */
struct walk {
	struct iq_fault *fault;
	size_t len; /* may pass DEPTH_MAX: what lies deeper goes unnamed */
	struct step {
		const char *name;
		size_t index;
		bool indexed;
	} path[DEPTH_MAX];
};

static void path_push(struct walk *w, const char *name, size_t index, bool indexed)
{
	if (w->len < DEPTH_MAX)
		w->path[w->len] = (struct step){name, index, indexed};
	w->len++;
}

static void path_pop(struct walk *w)
{
	w->len--;
}

static void path_print(const struct walk *w, char out[PATH_LEN])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < w->len && i < DEPTH_MAX && n < PATH_LEN; i++) {
		const struct step *s = &w->path[i];

		n += gw_fmt(out + n, PATH_LEN - n, "%s%s", i > 0 ? "." : "", s->name);
		if (s->indexed && n < PATH_LEN)
			n += gw_fmt(out + n, PATH_LEN - n, "[%llu]", (unsigned long long)s->index);
	}
}

static enum gw_err fail(struct walk *w, enum gw_err err, IqErrorCode code, const char *why)
{
	char path[PATH_LEN];

	path_print(w, path);
	iq_fault_set(w->fault, code, path, "%s", why);
	return err;
}

static enum gw_err invalid(struct walk *w, const char *why)
{
	return fail(w, GW_ERR_INVAL, IQ_V(ERROR_CODE__INVALID_ARGUMENT), why);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at p, or 0 when it is none (overlong and surrogates too). */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80) /* stops at the terminator too */
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_text(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p != 0) {
		size_t n = utf8_len(p);

		if (n == 0 || *p < 0x20 || *p == 0x7f)
			return false;
		p += n;
	}
	return true;
}

static bool made_of(const char *s, const char *more)
{
	for (; *s != '\0'; s++)
		if (!((*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= 'a' && *s <= 'z') || strchr(more, *s) != NULL))
			return false;
	return true;
}

/* "AB:CD:…": pairs of hex digits between colons */
static bool is_hex_pairs(const char *s)
{
	for (;; s += 3) {
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
			return false;
		if (s[2] == '\0')
			return true;
		if (s[2] != ':')
			return false;
	}
}

static bool charset_ok(enum iq_charset charset, const char *s)
{
	struct gw_addr addr;

	switch (charset) {
	case IQ_CS_TEXT:
		return is_text(s);
	case IQ_CS_ID:
		return made_of(s, "-._~");
	case IQ_CS_ICE:
		return made_of(s, "+/");
	case IQ_CS_HEX:
		return is_hex_pairs(s);
	case IQ_CS_IP:
		return gw_addr_parse_ip(&addr, s, 0) == GW_OK;
	}
	return false;
}

static enum gw_err check_string(struct walk *w, const struct iq_rule *rule, const char *s)
{
	int64_t n = (int64_t)strlen(s);

	if (n == 0)
		return rule->required ? invalid(w, "required and empty") : GW_OK;
	if (n > rule->max)
		return fail(w, GW_ERR_LIMIT, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "too long");
	if (n < rule->min)
		return invalid(w, "too short");
	if (!charset_ok(rule->charset, s))
		return invalid(w, "characters or form not allowed here");
	return GW_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static enum gw_err check_number(struct walk *w, const struct iq_rule *rule, int64_t v, bool zero)
{
	if (zero && rule->required)
		return invalid(w, "required and 0");
	if (zero && rule->min >= 0)
		return GW_OK; /* "not said" */
	if (v < rule->min || v > rule->max)
		return invalid(w, "out of range");
	return GW_OK;
}

static enum gw_err check_enum(struct walk *w, const struct iq_rule *rule,
			      const ProtobufCEnumDescriptor *desc, int v)
{
	if (protobuf_c_enum_descriptor_get_value(desc, v) == NULL)
		return fail(w, GW_ERR_UNSUPPORTED, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER),
			    "value not known here");
	if (v == 0 && rule->required)
		return invalid(w, "required and not said");
	return GW_OK;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static enum gw_err check_message(struct walk *w, const ProtobufCMessage *msg);

/* One value of a field; `at` points to it in the struct or the list. */
static enum gw_err check_value(struct walk *w, const struct iq_rule *rule,
			       const ProtobufCFieldDescriptor *f, const void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *const *s = at;

		return check_string(w, rule, *s != NULL ? *s : "");
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *const *m = at;

		if (*m == NULL)
			return rule->required ? invalid(w, "required and absent") : GW_OK;
		return check_message(w, *m);
	}
	case PROTOBUF_C_TYPE_ENUM:
		return check_enum(w, rule, f->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32: {
		int32_t v = *(const int32_t *)at;

		return check_number(w, rule, v, v == 0);
	}
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: {
		uint32_t v = *(const uint32_t *)at;

		return check_number(w, rule, v, v == 0);
	}
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: {
		uint64_t v = *(const uint64_t *)at;

		return check_number(w, rule, v > INT64_MAX ? INT64_MAX : (int64_t)v, v == 0);
	}
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BYTES:
		break;
	}
	return GW_OK;
}

/* Octets of one element in a list of that field. */
static size_t element_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BYTES:
		break;
	}
	return 0; /* not used as lists in iq.proto */
}

static enum gw_err check_list(struct walk *w, const struct iq_rule *rule,
			      const ProtobufCFieldDescriptor *f, const char *base)
{
	size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
	const char *list = *(const char *const *)(const void *)(base + f->offset);
	size_t size = element_size(f);
	enum gw_err err = GW_OK;

	path_push(w, f->name, 0, false);
	if (n > rule->count)
		err = fail(w, GW_ERR_LIMIT, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "too many");
	else if (n == 0 && rule->required)
		err = invalid(w, "required and empty");
	path_pop(w);
	for (size_t i = 0; err == GW_OK && size > 0 && i < n; i++) {
		path_push(w, f->name, i, true);
		err = check_value(w, rule, f, list + i * size);
		path_pop(w);
	}
	return err;
}

static enum gw_err check_message(struct walk *w, const ProtobufCMessage *msg)
{
	const char *base = (const char *)msg;
	const char *why = "";
	const char *bad = NULL;
	const struct iq_rule *rows = iq_rules_of(msg->descriptor);

	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		const struct iq_rule *rule = iq_rule_find(rows, msg->descriptor, f);
		enum gw_err err;

		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
		    *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			err = check_list(w, rule, f, base);
		} else {
			path_push(w, f->name, 0, false);
			err = check_value(w, rule, f, base + f->offset);
			path_pop(w);
		}
		if (err != GW_OK)
			return err;
	}
	bad = iq_rule_cross(msg, &why);
	if (bad == NULL)
		return GW_OK;
	path_push(w, bad, 0, false);
	return invalid(w, why);
}

/* ---- critical fields ------------------------------------------------------------------------- */

/* Does "reserve.streams.access.ice" name a field of this build? */
static bool path_known(const char *path)
{
	const ProtobufCMessageDescriptor *desc = &wicgate__iq__v1__envelope__descriptor;

	for (;;) {
		size_t n = strcspn(path, ".");
		const ProtobufCFieldDescriptor *f;
		char name[64];

		if (n == 0 || n >= sizeof(name) || desc == NULL)
			return false;
		memcpy(name, path, n);
		name[n] = '\0';
		f = protobuf_c_message_descriptor_get_field_by_name(desc, name);
		if (f == NULL)
			return false;
		if (path[n] == '\0')
			return true;
		desc = f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
		path += n + 1;
	}
}

static enum gw_err check_critical(const IqEnvelope *env, struct iq_fault *fault)
{
	for (size_t i = 0; i < env->n_critical_fields; i++) {
		if (path_known(env->critical_fields[i]))
			continue;
		iq_fault_set(fault, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER),
			     env->critical_fields[i], "critical field not known here");
		return GW_ERR_UNSUPPORTED;
	}
	return GW_OK;
}

enum gw_err iq_check_unserved(const IqEnvelope *env, const char *const *unserved,
			      struct iq_fault *fault)
{
	for (size_t i = 0; i < env->n_critical_fields; i++) {
		const char *path = env->critical_fields[i];

		for (const char *const *u = unserved; *u != NULL; u++) {
			size_t n = strlen(*u);

			if (strncmp(path, *u, n) != 0 || (path[n] != '\0' && path[n] != '.'))
				continue;
			iq_fault_set(fault, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), path,
				     "critical field not served by this node");
			return GW_ERR_UNSUPPORTED;
		}
	}
	return GW_OK;
}

enum gw_err iq_check(const IqEnvelope *env, struct iq_fault *fault)
{
	struct walk w = {.fault = fault};

	if (env->proto_version != IQ_VERSION) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__VERSION_MISMATCH), "proto_version",
			     "version %u is not spoken here", env->proto_version);
		return GW_ERR_PROTO;
	}
	if (env->body_case == IQ_BODY(_NOT_SET)) {
		iq_fault_set(fault, IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER), "body",
			     "no message known here");
		return GW_ERR_PROTO;
	}
	for (size_t i = 0; i < env->n_critical_fields; i++)
		if (i >= IQ_MAX_CRITICAL || strlen(env->critical_fields[i]) >= PATH_LEN)
			return fail(&w, GW_ERR_LIMIT, IQ_V(ERROR_CODE__INVALID_ARGUMENT),
				    "critical_fields: too many or too long");
	if (check_critical(env, fault) != GW_OK)
		return GW_ERR_UNSUPPORTED;
	/* all members of the oneof share the pointer; paths begin inside the body */
	return check_message(&w, &env->reserve->base);
}
