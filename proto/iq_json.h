/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iq messages as JSON and back, for `wicgatectl iq …`, trace lines and tests. Generic over the
 * message descriptors, so a new field in iq.proto needs no work here.
 *
 * Names are those of iq.proto. Enums are their words (numbers are taken too), 64-bit identifiers
 * (fixed64: epoch, boot_id) are decimal strings, 64-bit counters numbers. Out: every scalar is
 * written, absent messages and the unset oneof are left out. In: an unknown name, a wrong type or
 * a number out of range is an error that names the path.
 * Thread: any.
 */
#ifndef PROTO_IQ_JSON_H
#define PROTO_IQ_JSON_H

#include "common/err.h"
#include "proto/iq_types.h"

#include <jansson.h>
#include <stddef.h>

enum iq_json_flags {
	IQ_JSON_PLAIN = 0,
	IQ_JSON_MASK_SECRETS = 1, /* ICE passwords and tokens become "***" */
};

/** @return a new reference; NULL when out of memory */
json_t *iq_message_to_json(const ProtobufCMessage *msg, unsigned flags);
json_t *iq_envelope_to_json(const IqEnvelope *env, unsigned flags);

/**
 * Build a message from a JSON object.
 * @param errbuf one line naming the path at fault
 * @return GW_OK (caller frees with protobuf_c_message_free_unpacked or iq_envelope_free);
 *         GW_ERR_NOT_FOUND unknown name; GW_ERR_PARSE wrong type, enum word, or two bodies;
 *         GW_ERR_LIMIT number out of range or nested too deep; GW_ERR_NOMEM
 */
enum gw_err iq_message_from_json(ProtobufCMessage **out, const ProtobufCMessageDescriptor *desc,
				 const json_t *json, char *errbuf, size_t errlen) GW_MUST_CHECK;
enum gw_err iq_envelope_from_json(IqEnvelope **out, const json_t *json, char *errbuf,
				  size_t errlen) GW_MUST_CHECK;

#endif
