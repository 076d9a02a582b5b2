/* SPDX-License-Identifier: Apache-2.0 */
/*
 * application/reginfo+xml as a plain model: what the registrar of a user says about his
 * registrations. Elements of other namespaces (GRUU, wildcarded identities) are passed over.
 * What a document means for us is decided in cscf/regevent.
 * Thread: any. Spec: RFC 3680 s5; REG-64..69, DEREG-20..22.
 */
#ifndef CSCF_XML_REGINFO_H
#define CSCF_XML_REGINFO_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSCF_REGINFO_MIME              "application/reginfo+xml"
#define CSCF_REGINFO_MAX_OCTETS        ((size_t)65536)
#define CSCF_REGINFO_MAX_REGISTRATIONS 128
#define CSCF_REGINFO_MAX_CONTACTS      64 /* of one registration */

enum cscf_reginfo_state {
	CSCF_REGINFO_INIT, /* of a registration only */
	CSCF_REGINFO_ACTIVE,
	CSCF_REGINFO_TERMINATED
};

enum cscf_reginfo_event {
	CSCF_REGINFO_REGISTERED,
	CSCF_REGINFO_CREATED,
	CSCF_REGINFO_REFRESHED,
	CSCF_REGINFO_SHORTENED,
	CSCF_REGINFO_EXPIRED,
	CSCF_REGINFO_DEACTIVATED,
	CSCF_REGINFO_PROBATION,
	CSCF_REGINFO_UNREGISTERED,
	CSCF_REGINFO_REJECTED,
	CSCF_REGINFO_OTHER, /* absent or a word that RFC 3680 does not have */
	CSCF_REGINFO_EVENT_COUNT
};

struct cscf_reginfo_contact {
	char *uri;       /* owned; never NULL */
	char *instance;  /* owned; +sip.instance without quotes; "" = not told */
	uint32_t reg_id; /* 0 = not told */
	enum cscf_reginfo_state state;
	enum cscf_reginfo_event event;
	char *call_id; /* owned: of the REGISTER that bound it last; "" = not told */
	bool has_expires, has_retry_after, has_cseq;
	uint32_t expires_s, retry_after_s, cseq;
};

struct cscf_reginfo_registration {
	char *aor; /* owned; never NULL */
	enum cscf_reginfo_state state;
	struct cscf_reginfo_contact *contacts; /* owned */
	size_t n_contacts;
};

struct cscf_reginfo {
	uint32_t version;
	bool full;                                       /* state="full" */
	struct cscf_reginfo_registration *registrations; /* owned */
	size_t n_registrations;
};

/**
 * Read a document.
 * @param out  on GW_OK free with cscf_reginfo_fini
 * @return GW_OK; GW_ERR_PARSE not well-formed, or against the schema in what matters (root,
 *         version, state, aor, contact state or uri); GW_ERR_TOO_BIG octets or counts;
 *         GW_ERR_DENIED a DTD; GW_ERR_UNSUPPORTED its encoding; GW_ERR_NOMEM
 */
enum gw_err cscf_reginfo_parse(struct cscf_reginfo *out, struct gw_slice text) GW_MUST_CHECK;
void cscf_reginfo_fini(struct cscf_reginfo *info);

/** "active", "terminated", "init". */
const char *cscf_reginfo_state_name(enum cscf_reginfo_state state);
/** "shortened", …; "other". */
const char *cscf_reginfo_event_name(enum cscf_reginfo_event event);

#endif
