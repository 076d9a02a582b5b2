/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SIP message. Headers are kept as an ordered list of name and raw value, so whatever is not
 * touched is relayed in its order and spelling, known or unknown. libosip2 checks the grammar of
 * what arrives (parse) and never rewrites it.
 *
 * Names are compared without case and compact forms are equal to long ones ("f" = "From").
 * Slices returned by accessors live until the message is next changed or freed.
 * A folded header line is unfolded to one line at parsing; nothing else is normalised.
 * Memory: setters return GW_ERR_NOMEM and leave the message as it was.
 * Thread: a message belongs to one thread at a time.
 */
#ifndef CSCF_SIP_MSG_H
#define CSCF_SIP_MSG_H

#include "common/err.h"
#include "common/slice.h"
#include "cscf/sip/uri.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cscf_sip_msg;

enum cscf_sip_method {
	CSCF_SIP_INVITE,
	CSCF_SIP_ACK,
	CSCF_SIP_BYE,
	CSCF_SIP_CANCEL,
	CSCF_SIP_REGISTER,
	CSCF_SIP_OPTIONS,
	CSCF_SIP_PRACK,
	CSCF_SIP_UPDATE,
	CSCF_SIP_INFO,
	CSCF_SIP_MESSAGE,
	CSCF_SIP_REFER,
	CSCF_SIP_SUBSCRIBE,
	CSCF_SIP_NOTIFY,
	CSCF_SIP_PUBLISH,
	CSCF_SIP_METHOD_OTHER,
	CSCF_SIP_METHOD_COUNT
};

enum cscf_sip_method cscf_sip_method_parse(struct gw_slice text);
/** "INVITE"; "other" for METHOD_OTHER (a word for metrics; the wire text is in the message). */
const char *cscf_sip_method_name(enum cscf_sip_method method);

struct cscf_sip_limits {
	size_t max_message; /* octets */
	size_t max_headers; /* header fields */
	size_t max_line;    /* octets of one logical line */
};

/* What parsing found wrong: enough to answer (WS-26, WS-27, WS-28). */
struct cscf_sip_fault {
	int status;         /* 400, 505, 513, …: the answer to give */
	const char *reason; /* static text naming the fault: "Missing Call-ID" */
	bool is_request;
	/* Via, From, To, Call-ID and CSeq were readable: answer it. Otherwise drop it. */
	bool answerable;
};

/**
 * Parse one complete message.
 *
 * @param strict_length  Content-Length, when present, must equal the rest (WebSocket, WS-10);
 *                       otherwise surplus octets are cut off (UDP) and a shortage is an error
 * @param out    on GW_OK the message. On GW_ERR_PARSE/TOO_BIG with fault->answerable the readable
 *               part of the request, good for cscf_sip_msg_new_response only; else NULL
 * @param fault  may be NULL; filled when the result is GW_ERR_PARSE or GW_ERR_TOO_BIG
 * @return GW_OK; GW_ERR_PARSE; GW_ERR_TOO_BIG (513); GW_ERR_NOMEM
 */
enum gw_err cscf_sip_msg_parse(struct cscf_sip_msg **out, const char *text, size_t n,
			       const struct cscf_sip_limits *limits, bool strict_length,
			       struct cscf_sip_fault *fault) GW_MUST_CHECK;

void cscf_sip_msg_free(struct cscf_sip_msg *msg);
enum gw_err cscf_sip_msg_clone(struct cscf_sip_msg **out,
			       const struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** Clone a request to relay it: Max-Forwards one less, 70 when absent (WS-29). */
enum gw_err cscf_sip_msg_clone_forward(struct cscf_sip_msg **out,
				       const struct cscf_sip_msg *req) GW_MUST_CHECK;

/**
 * A response to a request by RFC 3261 s8.2.6: Via list, From, To, Call-ID, CSeq copied in order,
 * Record-Route copied for 101..2xx of dialog-forming requests is NOT done (a proxy relays them;
 * a UA part adds its own). No To tag is added: cscf_sip_respond/reply do.
 */
enum gw_err cscf_sip_msg_new_response(struct cscf_sip_msg **out, const struct cscf_sip_msg *req,
				      int status, const char *reason) GW_MUST_CHECK;

/* For requests that we originate. Texts are borrowed and copied. */
struct cscf_sip_request_params {
	const char *method; /* "BYE" */
	const char *uri;    /* Request-URI */
	const char *from;   /* whole header value, with tag */
	const char *to;     /* whole header value, with tag in a dialog */
	const char *call_id;
	uint32_t cseq;
	const char *const *routes; /* whole Route values in order; may be NULL when n_routes is 0 */
	size_t n_routes;
};

/** Request line, From, To, Call-ID, CSeq, Max-Forwards 70, Routes. The stack adds Via. */
enum gw_err cscf_sip_msg_new_request(struct cscf_sip_msg **out,
				     const struct cscf_sip_request_params *p) GW_MUST_CHECK;

/**
 * The whole message as octets, Content-Length corrected or added (WS-10).
 * @param n  may be NULL; a terminator follows the n octets
 * @return heap; NULL when out of memory
 */
char *cscf_sip_msg_print(const struct cscf_sip_msg *msg, size_t *n);

/* --- first line --- */

bool cscf_sip_msg_is_request(const struct cscf_sip_msg *msg);
/** Of the request line; of a response the CSeq method. */
enum cscf_sip_method cscf_sip_msg_method(const struct cscf_sip_msg *msg);
struct gw_slice cscf_sip_msg_method_text(const struct cscf_sip_msg *msg);
int cscf_sip_msg_status(const struct cscf_sip_msg *msg); /* 0 for a request */
struct gw_slice cscf_sip_msg_reason(const struct cscf_sip_msg *msg);
enum gw_err cscf_sip_msg_set_status(struct cscf_sip_msg *msg, int status,
				    const char *reason) GW_MUST_CHECK;
struct gw_slice cscf_sip_msg_uri(const struct cscf_sip_msg *msg);
enum gw_err cscf_sip_msg_set_uri(struct cscf_sip_msg *msg, const char *uri) GW_MUST_CHECK;
/** The usual phrase of a status code, never NULL. */
const char *cscf_sip_reason_phrase(int status);

/* --- identity of dialog and transaction --- */

struct gw_slice cscf_sip_msg_call_id(const struct cscf_sip_msg *msg);
struct gw_slice cscf_sip_msg_from_tag(const struct cscf_sip_msg *msg); /* n = 0 when absent */
struct gw_slice cscf_sip_msg_to_tag(const struct cscf_sip_msg *msg);
struct gw_slice cscf_sip_msg_from_uri(const struct cscf_sip_msg *msg);
struct gw_slice cscf_sip_msg_to_uri(const struct cscf_sip_msg *msg);
uint32_t cscf_sip_msg_cseq(const struct cscf_sip_msg *msg);
enum gw_err cscf_sip_msg_set_cseq(struct cscf_sip_msg *msg, uint32_t number) GW_MUST_CHECK;
/** Append ";tag=…" to To unless it has one. */
enum gw_err cscf_sip_msg_add_to_tag(struct cscf_sip_msg *msg, const char *tag) GW_MUST_CHECK;

/* --- headers: fields in order --- */

size_t cscf_sip_msg_hdr_count(const struct cscf_sip_msg *msg);
/** Field i as received: name as spelled, value with blanks trimmed. i < count. */
void cscf_sip_msg_hdr_at(const struct cscf_sip_msg *msg, size_t i, struct gw_slice *name,
			 struct gw_slice *value);
/** Number of fields of that name. */
size_t cscf_sip_msg_hdr_num(const struct cscf_sip_msg *msg, const char *name);
/** First field of that name. @return false when absent; value may be NULL */
bool cscf_sip_msg_hdr(const struct cscf_sip_msg *msg, const char *name, struct gw_slice *value);
/** Walk the fields of a name (whole fields, not split). Start with *cursor = 0. */
bool cscf_sip_msg_hdr_next(const struct cscf_sip_msg *msg, const char *name, size_t *cursor,
			   struct gw_slice *value);
/** Remove every field of that name. @return how many */
size_t cscf_sip_msg_hdr_del(struct cscf_sip_msg *msg, const char *name);
/** Put a field before the first of that name, or where such a header belongs when there is none. */
enum gw_err cscf_sip_msg_hdr_prepend(struct cscf_sip_msg *msg, const char *name,
				     const char *value) GW_MUST_CHECK;
/** Put a field after the last of that name, or at the end. */
enum gw_err cscf_sip_msg_hdr_append(struct cscf_sip_msg *msg, const char *name,
				    const char *value) GW_MUST_CHECK;
/** Exactly one field of that name with this value, in the place of the first. */
enum gw_err cscf_sip_msg_hdr_set(struct cscf_sip_msg *msg, const char *name,
				 const char *value) GW_MUST_CHECK;
/** Replace the value of field i. */
enum gw_err cscf_sip_msg_hdr_set_at(struct cscf_sip_msg *msg, size_t i,
				    const char *value) GW_MUST_CHECK;
void cscf_sip_msg_hdr_del_at(struct cscf_sip_msg *msg, size_t i);

/* --- headers: values of list headers --- */

struct cscf_sip_values_cursor {
	size_t field;
	size_t pos;
};

/**
 * Walk the values of a list header over all its fields, commas split (Via, Route, Record-Route,
 * Path, Service-Route, Contact, P-Associated-URI, P-Asserted-Identity, Supported, …).
 * Start with a zeroed cursor. Do not change the message between the steps.
 */
bool cscf_sip_msg_value_next(const struct cscf_sip_msg *msg, const char *name,
			     struct cscf_sip_values_cursor *cursor, struct gw_slice *value);
size_t cscf_sip_msg_value_count(const struct cscf_sip_msg *msg, const char *name);
/** First value of a list header. */
bool cscf_sip_msg_value_top(const struct cscf_sip_msg *msg, const char *name,
			    struct gw_slice *value);
/** Cut the first value out; the rest of its field stays. @return GW_ERR_NOT_FOUND when none */
enum gw_err cscf_sip_msg_value_pop(struct cscf_sip_msg *msg, const char *name) GW_MUST_CHECK;
/** Is a token in one of the values (Supported, Require, Proxy-Require, Allow)? Without case. */
bool cscf_sip_msg_has_token(const struct cscf_sip_msg *msg, const char *name, const char *token);
/** Remove a token from a list header; an emptied field goes. @return GW_OK also when absent */
enum gw_err cscf_sip_msg_del_token(struct cscf_sip_msg *msg, const char *name,
				   const char *token) GW_MUST_CHECK;
/**
 * All values of a list header as heap texts in order (to store a route set).
 * @param out  array of *n texts; free with cscf_sip_texts_free
 * @param reverse  last value first (UAC route set from Record-Route)
 */
enum gw_err cscf_sip_msg_values_dup(const struct cscf_sip_msg *msg, const char *name, bool reverse,
				    char ***out, size_t *n) GW_MUST_CHECK;
void cscf_sip_texts_free(char **texts, size_t n);
/** Replace all fields of a list header by one field per text, in order (n = 0 removes). */
enum gw_err cscf_sip_msg_values_set(struct cscf_sip_msg *msg, const char *name, char *const *texts,
				    size_t n) GW_MUST_CHECK;

/** The i-th field in order, whatever it is. @return false: there are not so many */
bool cscf_sip_msg_field(const struct cscf_sip_msg *msg, size_t i, struct gw_slice *name,
			struct gw_slice *value, uint32_t *key);
/** The key of a field of that name: equal for equal names, whatever their case and form. */
uint32_t cscf_sip_field_key(struct gw_slice name);
/** First Contact, parsed. @return false when absent or malformed */
bool cscf_sip_msg_contact(const struct cscf_sip_msg *msg, struct cscf_sip_name_addr *out);
/** URI of the top Route, else the Request-URI: where the request goes next (RFC 3261 s12.2.1.1). */
struct gw_slice cscf_sip_msg_next_hop(const struct cscf_sip_msg *msg);

/* --- Via --- */

struct cscf_sip_via {
	struct gw_slice text;
	struct gw_slice transport; /* "WSS" */
	struct gw_slice host;      /* IPv6 without brackets */
	uint16_t port;             /* 0 = not written */
	struct gw_slice params;
	struct gw_slice branch; /* n = 0 when absent */
	bool other_version;     /* not SIP/2.0: good for an answer only */
};

/** @return GW_OK; GW_ERR_PARSE */
enum gw_err cscf_sip_via_parse(struct cscf_sip_via *out, struct gw_slice value) GW_MUST_CHECK;
/** The top Via. @return false when absent or malformed */
bool cscf_sip_msg_top_via(const struct cscf_sip_msg *msg, struct cscf_sip_via *out);

/* --- body --- */

struct gw_slice cscf_sip_msg_body(const struct cscf_sip_msg *msg); /* n = 0 when none */
/** Media type without parameters, as written; n = 0 when absent. */
struct gw_slice cscf_sip_msg_content_type(const struct cscf_sip_msg *msg);
/** @param type NULL keeps Content-Type; an empty body removes what tells of it */
enum gw_err cscf_sip_msg_set_body(struct cscf_sip_msg *msg, const char *type, const void *body,
				  size_t n) GW_MUST_CHECK;

/* Where the SDP is: the body itself or one part of a multipart body (CALL-40). */
struct cscf_sip_part {
	struct gw_slice type;        /* Content-Type value of the part */
	struct gw_slice disposition; /* Content-Disposition value, n = 0 when absent */
	struct gw_slice body;
};

/**
 * Find the first body part of a media type ("application/sdp"), one level deep. For SDP, a part
 * with Content-Disposition early-session is passed over.
 * @return GW_OK; GW_ERR_NOT_FOUND; GW_ERR_PARSE broken multipart
 */
enum gw_err cscf_sip_msg_find_part(const struct cscf_sip_msg *msg, const char *type,
				   struct cscf_sip_part *out) GW_MUST_CHECK;
/**
 * Take out every description that nobody will rewrite: early-session, a second one, one in a
 * multipart body within another, and with `all` the one that find_part finds as well. A body of
 * which nothing is left goes altogether.
 * @return GW_OK; GW_ERR_PARSE, GW_ERR_LIMIT: a multipart body that cannot be looked through
 */
enum gw_err cscf_sip_msg_drop_sdp(struct cscf_sip_msg *msg, bool all) GW_MUST_CHECK;
/** Put other octets in the place of the part that find_part found; all else stays. */
enum gw_err cscf_sip_msg_replace_part(struct cscf_sip_msg *msg, const char *type, const void *body,
				      size_t n) GW_MUST_CHECK;

#endif
