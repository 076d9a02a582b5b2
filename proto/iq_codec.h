/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iq messages between octets and structs: pack, unpack, the checks a receiver makes before it
 * looks at a message (required fields, limits, known enum values, critical fields), building of
 * messages and of error replies, names for logs and the one trace line per message.
 * JSON in and out is in iq_json.h. No I/O, no state.
 *
 *   octets --frame.h--> payload --iq_unpack--> IqEnvelope --iq_check--> handler
 *                                     |             |
 *                                     |             +-- fault: answer with iq_reply_new(…, fault)
 *                                     +-- not protobuf: Goodbye and close
 *
 * All messages live on the heap as protobuf-c would have allocated them and are freed by
 * iq_envelope_free, also those built by hand (strings by iq_str_set).
 * Thread: any; a message belongs to one thread.
 */
#ifndef PROTO_IQ_CODEC_H
#define PROTO_IQ_CODEC_H

#include "common/err.h"
#include "proto/iq_types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IQ_VERSION 1U /* the only one spoken */

/* Limits of what is accepted from a peer (IQ-17); the table in iq_rules.c uses them. */
#define IQ_MAX_STREAMS        16U                   /* per context */
#define IQ_MAX_CANDIDATES     32U                   /* per m-line */
#define IQ_MAX_FINGERPRINTS   8U                    /* per m-line */
#define IQ_MAX_PAYLOAD_TYPES  64U                   /* per termination */
#define IQ_MAX_REMOTES        16U                   /* early dialogs per stream */
#define IQ_MAX_CRITICAL       32U                   /* critical_fields */
#define IQ_MAX_AUDIT          500U                  /* contexts per audit page */
#define IQ_MAX_ID             64U                   /* octets: ctx_id, realm, label, interface id */
#define IQ_MAX_TEXT           256U                  /* octets: call_id, icid, reason, detail */
#define IQ_MAX_DECODED_OCTETS (16U * 1024U * 1024U) /* heap one received message may take */

/* Timers of the channel that both sides must agree on. */
#define IQ_HELLO_TIMEOUT_MS 5000U  /* from accept to Hello */
#define IQ_HEARTBEAT_MS     1000U  /* default of HelloAck.heartbeat_interval_ms */
#define IQ_HEARTBEAT_MISSED 3U     /* intervals without anything: the peer is dead */
#define IQ_REPLY_KEEP_MS    60000U /* replies repeated to duplicates, then STALE_TXN */

/* What is wrong with a request, as a value; becomes an Error message in the reply. */
struct iq_fault {
	IqErrorCode code;
	char field[128];      /* path, "streams[1].core.realm"; "" = no one field */
	char detail[160];     /* one sentence */
	const char *resource; /* static; RESOURCE_EXHAUSTED only, else NULL */
};

/** Fill in a fault; `field` may be NULL. */
void iq_fault_set(struct iq_fault *f, IqErrorCode code, const char *field, const char *fmt, ...)
    GW_PRINTF(4, 5);
/** The error code that says `err` to the peer. */
IqErrorCode iq_code_from_err(enum gw_err err);
/** Is it worth trying another AGW? */
bool iq_code_retryable(IqErrorCode code);

/* ---- names for logs, never NULL ---- */
const char *iq_msg_name(const IqEnvelope *env); /* "reserve", "hello_ack", "none" */
const char *iq_code_name(IqErrorCode code);     /* "DRAINING", "UNKNOWN" */
const char *iq_event_name(IqEvent event);       /* "ICE_CONNECTED" */
const char *iq_cause_name(IqCause cause);       /* "CAUSE_TIMEOUT" */
/** Context and call named by the message, or "" ("-" never: for "ctx=%s"). */
const char *iq_msg_ctx(const IqEnvelope *env);
const char *iq_msg_call_id(const IqEnvelope *env);
/** The Error inside a reply, HelloAck or Goodbye; NULL when there is none (= OK). */
const IqError *iq_msg_error(const IqEnvelope *env);
bool iq_is_request(const IqEnvelope *env);
bool iq_is_reply(const IqEnvelope *env);

/* ---- octets ---- */
/**
 * Pack a message as one whole frame (header included).
 * @param out  on GW_OK malloc'd octets, caller frees with free()
 * @return GW_OK; GW_ERR_TOO_BIG beyond IQ_FRAME_MAX; GW_ERR_INVAL empty; GW_ERR_NOMEM
 */
enum gw_err iq_pack_frame(const IqEnvelope *env, uint8_t **out, size_t *n) GW_MUST_CHECK;

/**
 * Decode the payload of one frame; nothing in it has been checked yet.
 * @return GW_OK; GW_ERR_PARSE not a message (or one that would take more than
 *         IQ_MAX_DECODED_OCTETS): the peer is broken, close
 */
enum gw_err iq_unpack(IqEnvelope **out, const uint8_t *p, size_t n) GW_MUST_CHECK;

/**
 * Check version, body, critical fields, required fields, lengths, counts, ranges and enum values
 * of a received message (IQ-10).
 * @param fault  on failure says what to answer
 * @return GW_OK; GW_ERR_PROTO wrong version or no body known here; GW_ERR_UNSUPPORTED unknown
 *         critical field or enum value; GW_ERR_INVAL; GW_ERR_LIMIT
 */
enum gw_err iq_check(const IqEnvelope *env, struct iq_fault *fault) GW_MUST_CHECK;

/**
 * Refuse critical fields that this build knows but does not serve.
 * @param unserved  paths ("reserve.streams.policing"), NULL-terminated; a critical field equal
 *                  to one of them or below it is refused
 */
enum gw_err iq_check_unserved(const IqEnvelope *env, const char *const *unserved,
			      struct iq_fault *fault) GW_MUST_CHECK;

/* ---- building ---- */
/** An envelope with an empty body of that case, version set; NULL when out of memory. */
IqEnvelope *iq_envelope_new(IqBodyCase body, uint64_t txn_id);
/** Free a received or built message. NULL is legal. */
void iq_envelope_free(IqEnvelope *env);
/**
 * The reply to a request: body of its case + 20 (ErrorReply where the request is unknown), same
 * txn_id, with `fault` as its error when not NULL. NULL when out of memory.
 */
IqEnvelope *iq_reply_new(const IqEnvelope *req, const struct iq_fault *fault);
IqError *iq_error_new(const struct iq_fault *fault);
/** Set a string field of a built message; keeps the old value when out of memory. */
enum gw_err iq_str_set(char **field, const char *value) GW_MUST_CHECK;
/** Heap message of a descriptor, initialised; e.g. for repeated fields. NULL: out of memory */
void *iq_message_new(const ProtobufCMessageDescriptor *desc);
/** Append to a repeated message field ("&msg->n_streams, (void ***)&msg->streams"). Takes `item`
 *  over also on failure (then it is freed); NULL item is GW_ERR_NOMEM. */
enum gw_err iq_list_add(size_t *n, void *list, void *item) GW_MUST_CHECK;

/* ---- trace ---- */
enum iq_dir { IQ_RX, IQ_TX };
/**
 * The one log line of a message: event=iq.rx or iq.tx with msg, txn, ctx, call_id, size, error;
 * at trace level the message follows as JSON with secrets masked.
 * @param peer  who it goes to or comes from ("peer=…")
 */
void iq_trace(enum iq_dir dir, const char *peer, const IqEnvelope *env, size_t size);

#endif
