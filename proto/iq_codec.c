/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Octets to messages and back (iq_codec.h), and the names of things in them. A received message
 * may not take more heap than IQ_MAX_DECODED_OCTETS: a frame of empty submessages would
 * otherwise be blown up a hundredfold.
 */
#include "proto/iq_codec.h"

#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>

/* ---- octets ---------------------------------------------------------------------------------- */

static void *budget_alloc(void *data, size_t n)
{
	size_t *left = data;

	if (n > *left)
		return NULL;
	*left -= n;
	return malloc(n);
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

enum gw_err iq_unpack(IqEnvelope **out, const uint8_t *p, size_t n)
{
	size_t left = IQ_MAX_DECODED_OCTETS;
	ProtobufCAllocator budget = {budget_alloc, budget_free, &left};
	IqEnvelope *env = wicgate__iq__v1__envelope__unpack(&budget, n, p);

	if (env == NULL)
		return GW_ERR_PARSE;
	*out = env;
	return GW_OK;
}

enum gw_err iq_pack_frame(const IqEnvelope *env, uint8_t **out, size_t *n)
{
	size_t len = wicgate__iq__v1__envelope__get_packed_size(env);
	uint8_t header[IQ_FRAME_HEADER];
	enum gw_err err = iq_frame_header(header, len);
	uint8_t *frame;

	if (err != GW_OK)
		return err;
	frame = malloc(IQ_FRAME_HEADER + len);
	if (frame == NULL)
		return GW_ERR_NOMEM;
	memcpy(frame, header, IQ_FRAME_HEADER);
	wicgate__iq__v1__envelope__pack(env, frame + IQ_FRAME_HEADER);
	*out = frame;
	*n = IQ_FRAME_HEADER + len;
	return GW_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *body_field(const IqEnvelope *env)
{
	if (env->body_case == IQ_BODY(_NOT_SET))
		return NULL;
	return protobuf_c_message_descriptor_get_field(&wicgate__iq__v1__envelope__descriptor,
						       (unsigned)env->body_case);
}

const char *iq_msg_name(const IqEnvelope *env)
{
	const ProtobufCFieldDescriptor *f = body_field(env);

	return f != NULL ? f->name : "none";
}

static const char *enum_name(const ProtobufCEnumDescriptor *desc, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(desc, value);

	return v != NULL ? v->name : "UNKNOWN";
}

const char *iq_code_name(IqErrorCode code)
{
	return enum_name(&wicgate__iq__v1__error_code__descriptor, (int)code);
}

const char *iq_event_name(IqEvent event)
{
	return enum_name(&wicgate__iq__v1__notification__event__descriptor, (int)event);
}

const char *iq_cause_name(IqCause cause)
{
	return enum_name(&wicgate__iq__v1__notification__cause__descriptor, (int)cause);
}

bool iq_is_request(const IqEnvelope *env)
{
	return (int)env->body_case >= 30 && (int)env->body_case <= 49;
}

bool iq_is_reply(const IqEnvelope *env)
{
	return (int)env->body_case >= 50 && (int)env->body_case <= 69;
}

/* ---- fields that several bodies share -------------------------------------------------------- */

static const void *body_member(const IqEnvelope *env, const char *name)
{
	const ProtobufCFieldDescriptor *body = body_field(env);
	const ProtobufCFieldDescriptor *f;
	const char *msg;

	if (body == NULL || env->reserve == NULL)
		return NULL;
	f = protobuf_c_message_descriptor_get_field_by_name(body->descriptor, name);
	if (f == NULL || f->label == PROTOBUF_C_LABEL_REPEATED)
		return NULL;
	msg = (const char *)env->reserve; /* all members of the oneof share the pointer */
	return msg + f->offset;
}

static const char *body_string(const IqEnvelope *env, const char *name)
{
	const char *const *s = body_member(env, name);

	return s != NULL && *s != NULL ? *s : "";
}

const char *iq_msg_ctx(const IqEnvelope *env)
{
	return body_string(env, "ctx_id");
}

const char *iq_msg_call_id(const IqEnvelope *env)
{
	return body_string(env, "call_id");
}

const IqError *iq_msg_error(const IqEnvelope *env)
{
	const IqError *const *e = body_member(env, "error");

	return e != NULL && *e != NULL && (*e)->code != IQ_V(ERROR_CODE__OK) ? *e : NULL;
}
