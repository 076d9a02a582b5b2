/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of proto/ only: what a field may hold (iq_rules.c, iq_check.c). */
#ifndef PROTO_IQ_INT_H
#define PROTO_IQ_INT_H

#include "proto/iq_codec.h"

enum iq_charset {
	IQ_CS_TEXT, /* UTF-8 without control characters */
	IQ_CS_ID,   /* letters, digits, "-._~" */
	IQ_CS_ICE,  /* ice-char of RFC 8839 §5.4: letters, digits, "+/" */
	IQ_CS_HEX,  /* upper- or lower-case hex pairs with colons (RFC 8122) */
	IQ_CS_IP,   /* a numeric address */
};

/* One field. Strings: min..max octets when not empty; numbers: min..max; lists: at most count. */
struct iq_rule {
	const ProtobufCMessageDescriptor *msg;
	const char *field;
	bool required; /* string not empty, message there, list not empty, number and enum not 0 */
	enum iq_charset charset;
	int64_t min;
	int64_t max;
	size_t count;
};

/** First row of a message: where iq_rule_find looks. */
const struct iq_rule *iq_rules_of(const ProtobufCMessageDescriptor *msg);
/** The rule of a field, or the default one of its type; never NULL. */
const struct iq_rule *iq_rule_find(const struct iq_rule *rows,
				   const ProtobufCMessageDescriptor *msg,
				   const ProtobufCFieldDescriptor *field);

/**
 * Rules between the fields of one message.
 * @return NULL when kept, else the name of the field at fault; *why says it in a few words
 */
const char *iq_rule_cross(const ProtobufCMessage *msg, const char **why);

#endif
