/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a message; for the files of cscf/sip only.
 */
#ifndef CSCF_SIP_MSG_INT_H
#define CSCF_SIP_MSG_INT_H

#include "cscf/sip/msg.h"
#include "cscf/sip/value.h"

/* One field; name and value stand in the message's text, each with a NUL behind it. */
struct cscf_sip_hdr {
	const char *name;
	const char *value;
	size_t name_n;
	size_t value_n;
	uint32_t key; /* of the name: cscf_sip_hdr_key */
};

/*
 * Text of a message: first lines and fields, put one behind the other and given back with the
 * message. What is replaced stays until then, so a slice is good as long as its message lives.
 */
struct cscf_sip_text {
	struct cscf_sip_text *next;
	size_t used, size;
	char bytes[];
};

/*
 * What the values asked for most were read as. `of` is the value it was read from: texts of a
 * message are never changed or given back, so the same pointer is the same value.
 */
struct cscf_sip_read_addr {
	const char *of;
	struct cscf_sip_name_addr na;
	struct gw_slice tag;
};

struct cscf_sip_memo {
	const char *via_of;
	struct cscf_sip_via via;
	struct cscf_sip_read_addr from, to;
};

#define CSCF_SIP_FIRST_HDRS 24

struct cscf_sip_msg {
	const char *method_text;  /* requests; NULL in responses */
	const char *uri;          /* requests */
	const char *reason;       /* responses */
	int status;               /* 0 = request */
	struct cscf_sip_hdr *hdr; /* `first`, or on the heap when there are more */
	size_t n_hdr;
	size_t cap_hdr;
	uint64_t names; /* a bit per key of a field that is or was there */
	char *body;     /* owned */
	size_t body_n;
	struct cscf_sip_text *text; /* newest first; owned */
	struct cscf_sip_memo *memo; /* &own: what is only looked at may remember, too */
	struct cscf_sip_hdr first[CSCF_SIP_FIRST_HDRS];
	struct cscf_sip_memo own;
};

#define CSCF_SIP_NO_HDR ((size_t)-1)

/** @param text_n  octets of text expected; more is taken when needed */
enum gw_err cscf_sip_msg_new(struct cscf_sip_msg **out, size_t text_n) GW_MUST_CHECK;
/** Copy into the message's text, with a NUL behind it. @return NULL: out of memory */
const char *cscf_sip_msg_keep(struct cscf_sip_msg *msg, struct gw_slice s);
/** A number for a header name: equal for equal names, whatever their case and form. */
uint32_t cscf_sip_hdr_key(struct gw_slice name);
/** Index of the first field of that name at or after `from`, or CSCF_SIP_NO_HDR. */
size_t cscf_sip_hdr_find(const struct cscf_sip_msg *msg, struct gw_slice name, size_t from);
/** Same header? Without case, compact forms expanded. */
bool cscf_sip_hdr_name_eq(struct gw_slice a, struct gw_slice b);
/** The same without looking at the texts, for what was checked before. */
enum gw_err cscf_sip_hdr_put(struct cscf_sip_msg *msg, size_t at, uint32_t key,
			     struct gw_slice name, struct gw_slice value) GW_MUST_CHECK;
/** Insert a field at an index; texts are copied. @return GW_ERR_INVAL: CR, LF, NUL or no token */
enum gw_err cscf_sip_hdr_insert(struct cscf_sip_msg *msg, size_t at, struct gw_slice name,
				struct gw_slice value) GW_MUST_CHECK;
enum gw_err cscf_sip_hdr_replace(struct cscf_sip_msg *msg, size_t at,
				 struct gw_slice value) GW_MUST_CHECK;
/** Free of CR, LF and NUL? What is put on the wire must be (SEC-23). */
bool cscf_sip_text_safe(struct gw_slice s);

/* --- requests the transaction layer makes (msg_build.c) --- */

/** ACK to a non-2xx, by RFC 3261 s17.1.1.3. */
enum gw_err cscf_sip_msg_new_ack(struct cscf_sip_msg **out, const struct cscf_sip_msg *invite,
				 const struct cscf_sip_msg *rsp) GW_MUST_CHECK;
/** CANCEL by RFC 3261 s9.1, with the top Via of the INVITE. */
enum gw_err cscf_sip_msg_new_cancel(struct cscf_sip_msg **out, const struct cscf_sip_msg *invite,
				    const char *reason) GW_MUST_CHECK;

/* --- Via of requests we receive (via.c) --- */

/**
 * Set received (always) and fill an empty rport (WS-16, WS-17); values of the sender are lost.
 * @param keep_s  value given to an empty keep (RFC 6223, WS-23); negative: left empty
 */
enum gw_err cscf_sip_via_set_source(struct cscf_sip_msg *msg, const char *ip, uint16_t port,
				    int64_t keep_s) GW_MUST_CHECK;

#endif
