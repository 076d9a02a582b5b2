/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building messages and error replies (iq_codec.h). Everything is allocated as protobuf-c itself
 * would, so one call frees received and built messages alike.
 */
#include "proto/iq_codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_OFFSET 20 /* a reply's field number is its request's + 20 (iq.proto) */

void *iq_message_new(const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *m = malloc(desc->sizeof_message);

	if (m != NULL)
		protobuf_c_message_init(desc, m);
	return m;
}

IqEnvelope *iq_envelope_new(IqBodyCase body, uint64_t txn_id)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
	    &wicgate__iq__v1__envelope__descriptor, (unsigned)body);
	IqEnvelope *env;

	if (f == NULL || f->type != PROTOBUF_C_TYPE_MESSAGE)
		return NULL;
	env = iq_message_new(&wicgate__iq__v1__envelope__descriptor);
	if (env == NULL)
		return NULL;
	env->proto_version = IQ_VERSION;
	env->txn_id = txn_id;
	env->reserve = iq_message_new(f->descriptor); /* the oneof's one pointer */
	if (env->reserve == NULL) {
		iq_envelope_free(env);
		return NULL;
	}
	env->body_case = body;
	return env;
}

void iq_envelope_free(IqEnvelope *env)
{
	if (env != NULL)
		wicgate__iq__v1__envelope__free_unpacked(env, NULL);
}

enum gw_err iq_str_set(char **field, const char *value)
{
	char *copy = strdup(value != NULL ? value : "");

	if (copy == NULL)
		return GW_ERR_NOMEM;
	if (*field != NULL && *field != (const char *)protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return GW_OK;
}

enum gw_err iq_list_add(size_t *n, void *list, void *item)
{
	void **old;
	void **bigger;

	if (item == NULL)
		return GW_ERR_NOMEM;
	memcpy(&old, list, sizeof(old));
	bigger = realloc(old, (*n + 1) * sizeof(*bigger));
	if (bigger == NULL) {
		protobuf_c_message_free_unpacked(item, NULL);
		return GW_ERR_NOMEM;
	}
	bigger[*n] = item;
	memcpy(list, &bigger, sizeof(bigger));
	*n += 1;
	/* cppcheck-suppress memleak ; the list owns it now */
	return GW_OK;
}

/* ---- faults ---------------------------------------------------------------------------------- */

void iq_fault_set(struct iq_fault *f, IqErrorCode code, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (f == NULL)
		return;
	f->code = code;
	f->resource = NULL;
	snprintf(f->field, sizeof(f->field), "%s", field != NULL ? field : "");
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

IqErrorCode iq_code_from_err(enum gw_err err)
{
	switch (err) {
	case GW_OK:
		return IQ_V(ERROR_CODE__OK);
	case GW_ERR_INVAL:
	case GW_ERR_PARSE:
	case GW_ERR_TOO_BIG:
	case GW_ERR_PROTO:
	case GW_ERR_FINGERPRINT:
		return IQ_V(ERROR_CODE__INVALID_ARGUMENT);
	case GW_ERR_UNSUPPORTED:
		return IQ_V(ERROR_CODE__UNSUPPORTED_PARAMETER);
	case GW_ERR_NOT_FOUND:
	case GW_ERR_GONE:
		return IQ_V(ERROR_CODE__UNKNOWN_CONTEXT);
	case GW_ERR_EXISTS:
		return IQ_V(ERROR_CODE__ALREADY_EXISTS_DIFFERENT);
	case GW_ERR_LIMIT:
		return IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED);
	case GW_ERR_BUSY:
	case GW_ERR_NOMEM:
		return IQ_V(ERROR_CODE__OVERLOADED);
	case GW_ERR_DENIED:
	case GW_ERR_AUTH:
		return IQ_V(ERROR_CODE__NOT_OWNER);
	case GW_ERR_REPLAY:
		return IQ_V(ERROR_CODE__STALE_TXN);
	case GW_ERR_STATE:
	case GW_ERR_IO:
	case GW_ERR_AGAIN:
	case GW_ERR_TIMEOUT:
	case GW_ERR_REJECTED:
	case GW_ERR_CRYPTO:
	case GW_ERR_COUNT:
		break;
	}
	return IQ_V(ERROR_CODE__INTERNAL);
}

bool iq_code_retryable(IqErrorCode code)
{
	switch ((int)code) { /* from the wire: any number */
	case IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED):
	case IQ_V(ERROR_CODE__OVERLOADED):
	case IQ_V(ERROR_CODE__DRAINING):
	case IQ_V(ERROR_CODE__UNKNOWN_REALM):
	case IQ_V(ERROR_CODE__REALM_UNAVAILABLE):
	case IQ_V(ERROR_CODE__INTERNAL):
		return true;
	default:
		return false;
	}
}

IqError *iq_error_new(const struct iq_fault *fault)
{
	IqError *e = iq_message_new(&wicgate__iq__v1__error__descriptor);

	if (e == NULL)
		return NULL;
	e->code = fault->code;
	e->retryable = iq_code_retryable(fault->code);
	if (iq_str_set(&e->detail, fault->detail) != GW_OK ||
	    iq_str_set(&e->field, fault->field) != GW_OK ||
	    (fault->resource != NULL && iq_str_set(&e->resource, fault->resource) != GW_OK)) {
		wicgate__iq__v1__error__free_unpacked(e, NULL);
		return NULL;
	}
	return e;
}

IqEnvelope *iq_reply_new(const IqEnvelope *req, const struct iq_fault *fault)
{
	const ProtobufCMessageDescriptor *desc = &wicgate__iq__v1__envelope__descriptor;
	unsigned reply = (unsigned)req->body_case + REPLY_OFFSET;
	IqEnvelope *env;

	if (!iq_is_request(req) || protobuf_c_message_descriptor_get_field(desc, reply) == NULL)
		reply = IQ_BODY(ERROR_REPLY);
	env = iq_envelope_new((IqBodyCase)reply, req->txn_id);
	if (env == NULL || fault == NULL)
		return env;
	/* `error` is the first field of every reply, at the same place in each struct */
	env->error_reply->error = iq_error_new(fault);
	if (env->error_reply->error == NULL) {
		iq_envelope_free(env);
		return NULL;
	}
	return env;
}
