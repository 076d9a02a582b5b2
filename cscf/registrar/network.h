/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's word about registrations that did not come as an answer to a REGISTER: what its
 * reg-event documents tell (ended, shortened, one more identity), as plain facts. Who subscribes
 * and reads the documents: cscf/regevent. Also what a request of our own needs to go where
 * REGISTERs go.
 * Thread: the cscf loop. Spec: TS 24.229 5.2.3, 5.2.5.2; REG-49, 66, 67, DEREG-20..23, 25.
 */
#ifndef CSCF_REGISTRAR_NETWORK_H
#define CSCF_REGISTRAR_NETWORK_H

#include "cscf/registrar/registrar.h"

enum cscf_registrar_fact_kind {
	CSCF_REGISTRAR_FACT_ACTIVE,
	CSCF_REGISTRAR_FACT_CREATED,   /* active, and not registered by itself (implicit set) */
	CSCF_REGISTRAR_FACT_SHORTENED, /* active until expires_s from now */
	CSCF_REGISTRAR_FACT_ENDED,
};

/* One contact of one IMPU, or (contact NULL) all contacts of it. Borrowed. */
struct cscf_registrar_fact {
	enum cscf_registrar_fact_kind kind;
	const char *aor;     /* URI of the IMPU */
	const char *contact; /* URI; NULL = whatever the contact */
	uint32_t expires_s;  /* SHORTENED; else how long the core has it, 0 = not told */
	/* Of a contact: its flow ("", 0 = not told), and the REGISTER that bound it last ("" = not
	 * told; cseq 0 = not told). NULL is "". */
	const char *instance, *call_id;
	uint32_t reg_id, cseq;
	bool reopen;     /* ENDED: the WIC may register again at once, keep its connection */
	const char *why; /* ENDED: word for the log */
};

struct cscf_registrar_changes {
	unsigned ended;     /* bindings */
	unsigned removed;   /* identities of bindings that live on */
	unsigned shortened; /* bindings */
	unsigned added;     /* identities */
};

/**
 * Apply what a document says to the associations of one IMPI. Contacts and identities of others
 * are passed over. An IMPU that ended takes its implicit set along unless the document shows
 * another IMPU of the set active with that contact.
 * @param full  the document has all there is: what an earlier one had with this contact and it has
 *              not, has ended. What no document ever had is left to its expiry: it may be younger
 *              than the document, or the core may write this contact in another way.
 */
struct cscf_registrar_changes cscf_registrar_apply(struct cscf_registrar *r, const char *impi,
						   const struct cscf_registrar_fact *facts,
						   size_t n, bool full);

/** End everything of a user (DEREG-23). @param reopen  leave the connections open */
void cscf_registrar_end_user(struct cscf_registrar *r, const char *impi, const char *why,
			     bool reopen);

/**
 * The open connection that one of our flow tokens names, whether somebody is registered on it or
 * not any more: a subscription's last NOTIFY comes after the end (DEREG-23, DEREG-25).
 */
bool cscf_registrar_open_conn(const struct cscf_registrar *r, struct gw_slice token,
			      uint64_t *conn);

/** A fresh P-Charging-Vector as in REGISTER: icid, orig-ioi of type 1, no term-ioi. */
enum gw_err cscf_registrar_charge(const struct cscf_registrar *r,
				  struct cscf_sip_msg *msg) GW_MUST_CHECK;
/**
 * Where REGISTERs go: the home entry points, else what the given URI resolves to (REG-09).
 * @param uri  must outlive *out
 */
void cscf_registrar_home_dest(const struct cscf_registrar *r, const char *const *uri,
			      struct cscf_sip_dest *out);

#endif
