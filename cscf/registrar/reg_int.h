/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of cscf/registrar only.
 *
 *   registrar.c  the object, lookups, lists       check.c   may this REGISTER go on at all
 *   reg_fsm.c    one REGISTER under way           mw.c      what goes to the core
 *   answer.c     what the core's answer does    reg_txn.h one REGISTER, for those two
 *   assoc.c      connections and associations     grant.c   what the core's 200 gave
 *   binding.c    what an association has bound
 *   contact.c    bindings by contact
 *   assoc_fsm.c  live, lost, ended                integrity.c  table 4.2
 *   scheme.c     which credentials count          token.c, tna.c, cap.c  web tokens
 *   pool.c, release.c  identities of a pool       lost_dereg.c  after a lost flow
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_REG_INT_H
#define CSCF_REGISTRAR_REG_INT_H

#include "common/fsm.h"
#include "cscf/authz/authz.h"
#include "cscf/registrar/registrar.h"

#include <uthash.h>

#define REG_MAX_IMPUS         64   /* per binding: a hostile core or a broken HSS ends here */
#define REG_MAX_BINDINGS      16   /* per association */
#define REG_CALL_ID_SIZE      128  /* with the 0; longer ones are not remembered */
#define REG_EXPIRES_DEFAULT_S 3600 /* RFC 3261 s10.2.1.1: a malformed Expires is this */

struct event;
struct reg_assoc;
struct reg_binding;
struct reg_moved;

/* ---- integrity.c -------------------------------------------------------------------------- */

enum reg_scheme {
	REG_SCHEME_NONE,
	REG_SCHEME_AKA, /* algorithm=AKAv2-SHA-256 */
	REG_SCHEME_DIGEST,
	REG_SCHEME_BEARER, /* a web token that was good */
	REG_SCHEME_COUNT
};

/**
 * Table 4.2: the value of integrity-protected on Mw, NULL = parameter absent.
 * @param protected_value  reg.tls_protected_value
 */
const char *reg_integrity(enum reg_scheme scheme, bool tls, bool associated, bool has_response,
			  const char *protected_value);

/* ---- check.c: one REGISTER as facts ------------------------------------------------------- */

struct reg_request {
	char *to_aor; /* owned; canonical */
	char *to_uri; /* owned; as written */
	/* owned; username, or user@host of To without credentials; with a token "" until the
	 * verdict says whose it is */
	char *impi;
	const char *domain; /* home domain of the Request-URI, as configured */
	char *credentials;  /* owned: `Bearer …` until the verdict; NULL otherwise */
	const struct cscf_authz_grant *grant; /* held; NULL: no token */
	uint32_t cap_s;                       /* TOK-22: seconds the token has left; 0 = no cap */
	bool is_capped;                       /* the WIC asked for more */
	bool claimed;                         /* of a pool: reg_pool_unclaim is due */
	char *contact;  /* owned; URI of the first contact, "" for a query or `*` */
	char *instance; /* owned; +sip.instance without quotes, "" = none */
	uint32_t reg_id;
	uint32_t expires_s; /* asked for */
	enum reg_scheme scheme;
	bool has_response;              /* the credentials answer a challenge */
	bool resync;                    /* AKA: by asking for another one (auts) */
	bool query;                     /* no Contact (REG-12) */
	bool star;                      /* Contact: * */
	bool several;                   /* more than one Contact */
	bool dereg;                     /* expiry 0 */
	bool ob;                        /* reg-id + instance + Supported: outbound (REG-03) */
	char call_id[REG_CALL_ID_SIZE]; /* "" when too long */
	uint32_t cseq;
};

struct reg_refusal {
	int status;
	const char *reason;         /* static */
	const char *word;           /* for logs and metrics */
	const char *header, *value; /* one more field, NULL = none */
};

/**
 * Check what needs no state and read the facts.
 * @return true; false with *why set. *out is to be finished with reg_request_fini either way.
 */
bool reg_request_read(struct reg_request *out, struct cscf_registrar *r,
		      const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow,
		      struct reg_refusal *why);
/** Fit for a log line and a key, and of one of our domains. */
bool reg_impi_is_ours(const struct cscf_registrar *r, const char *impi);
void reg_request_fini(struct reg_request *q);
/** The same contact: URI equal, or instance and reg-id equal. */
bool reg_same_contact(const struct reg_request *q, const char *contact_uri);

/* ---- grant.c: what a 200 gave -------------------------------------------------------------- */

struct reg_impu {
	char *uri, *display; /* owned; as received */
	char *pai;           /* owned; the name-addr to assert */
	char *aor;           /* owned; canonical; "" when not a SIP or tel URI */
	bool in_document;    /* the core's reg-event named it with this contact */
};

struct reg_grant {
	uint32_t expires_s;     /* of our contact; 0 = not bound (any more) */
	bool outbound;          /* Require: outbound (REG-28) */
	struct reg_impu *impus; /* owned */
	size_t n_impus;
	char **service_route; /* owned */
	size_t n_service_route;
	char *term_ioi; /* owned; "" = none */
	char *cfa;      /* owned; P-Charging-Function-Addresses as received; "" = none */
};

/** The IMPU that a URI is, exactly or by a wildcard; the binding it came with in *where. */
const struct reg_impu *reg_impu_find(const struct reg_assoc *a, struct gw_slice uri,
				     const struct reg_binding **where);
bool reg_impu_is_wildcard(const struct reg_impu *u);

enum gw_err reg_grant_read(struct reg_grant *out, const struct cscf_sip_msg *rsp,
			   const struct reg_request *q) GW_MUST_CHECK;
void reg_grant_fini(struct reg_grant *g);
/** Do both give the same, but for the expiry? */
bool reg_grant_same(const struct reg_grant *a, const struct reg_grant *b);
/** One more identity at the end. @return GW_OK; GW_ERR_LIMIT; GW_ERR_NOMEM */
enum gw_err reg_grant_add_impu(struct reg_grant *g, struct gw_slice uri) GW_MUST_CHECK;
/** The core has named what is in both already. */
void reg_grant_inherit(struct reg_grant *g, const struct reg_grant *before);
void reg_grant_drop_impu(struct reg_grant *g, size_t i);

/* ---- assoc.c: connections, associations, bindings ------------------------------------------ */

struct reg_conn {
	uint64_t id;
	bool alive;
	bool challenged;           /* a 401 of the core was relayed; its answer is still to come */
	struct reg_assoc *assocs;  /* utlist DL; borrowed */
	struct event *close_timer; /* owned; NULL before first use */
	struct cscf_registrar *r;
	char call_id[REG_CALL_ID_SIZE]; /* of the last REGISTER, also a refused one (REG-14); ""
					 * when too long */
	uint32_t cseq;
	char peer[GW_ADDR_STRLEN];
	UT_hash_handle hh;
};

struct reg_binding {
	struct reg_assoc *assoc;
	char *to_aor, *to_uri, *contact; /* owned */
	struct reg_grant grant;          /* owned content */
	int64_t expires_at_ms;           /* monotonic, without the grace */
	struct event *expiry;            /* owned */
	bool pooled;                     /* counted in pool.c */
	bool evicted;                    /* it ends here, but not at the core */
	bool elsewhere;                  /* renewed through another eP-CSCF (network.c) */
	char call_id[REG_CALL_ID_SIZE];  /* of the REGISTER that bound it; "" = not known */
	uint32_t cseq;
	struct reg_binding *prev, *next;
	char *contact_key;                         /* owned: contact.c; NULL = not in its table */
	struct reg_binding *same_prev, *same_next; /* of that contact */
	UT_hash_handle hh;                         /* the first of them, in registrar->contacts */
};

struct reg_impi {
	char *impi;               /* owned */
	struct reg_assoc *assocs; /* utlist DL by impi_prev, impi_next */
	UT_hash_handle hh;
};

struct reg_assoc {
	struct gw_fsm fsm;
	gw_handle handle;
	struct cscf_registrar *r;
	struct reg_conn *conn; /* borrowed; stays while an association names it, also when lost */
	struct reg_impi *impi; /* borrowed */
	char *instance;        /* owned */
	uint32_t reg_id;
	bool outbound;
	enum reg_scheme scheme;               /* of the last REGISTER with credentials */
	const struct cscf_authz_grant *grant; /* held: of the token last registered with; NULL:
					       * scenario 1 */
	struct reg_binding *bindings;         /* utlist DL; owned */
	struct reg_moved *moved;              /* owned: earlier connections, moved.c */
	struct cscf_registrar_impu *impus;    /* owned; cache over the bindings' strings */
	size_t n_impus;
	struct event *lost_timer;                /* owned: lost_dereg.c */
	unsigned lost_tries;                     /* the same: failed so far */
	bool lost_turn;                          /* the same: the timer is for its turn */
	struct reg_assoc *prev, *next;           /* of the connection */
	struct reg_assoc *impi_prev, *impi_next; /* of the IMPI */
};

struct reg_conn *reg_conn_find(const struct cscf_registrar *r, uint64_t id);
/** Find or make. @return NULL when out of memory */
struct reg_conn *reg_conn_get(struct cscf_registrar *r, const struct cscf_sip_flow *flow);
/** Close it after a delay unless a REGISTER comes first; the shortest delay wins. */
void reg_conn_close_after(struct reg_conn *c, int64_t delay_ms);
void reg_conn_cancel_close(struct reg_conn *c);
/** Drop the record when it is dead and nobody names it. */
void reg_conn_release(struct reg_conn *c);

/** The association of an IMPI on a connection; NULL when none. */
struct reg_assoc *reg_assoc_on(const struct reg_conn *c, const char *impi);
/** The association that a REGISTER from another connection replaces (REG-42); NULL = none. */
struct reg_assoc *reg_assoc_replaced(const struct cscf_registrar *r, const struct reg_request *q,
				     uint64_t conn);
/** Live associations of an IMPI. */
size_t reg_assoc_count_live(const struct cscf_registrar *r, const char *impi);
/** @return GW_OK; GW_ERR_LIMIT; GW_ERR_NOMEM */
enum gw_err reg_assoc_new(struct reg_assoc **out, struct cscf_registrar *r, struct reg_conn *c,
			  const struct reg_request *q) GW_MUST_CHECK;
/** Room for one more of this IMPI: the oldest lost association goes when there are
 * assoc.max_per_impi of them, so that nobody fills the table by coming and going. */
void reg_assoc_evict_lost(struct cscf_registrar *r, const char *impi);
/** No originating service until the next 200 (REG-82, REG-83). */
void reg_assoc_clear_route(struct reg_assoc *a);
/** Put it on another connection; the old one is closed after assoc.replace_delay. */
void reg_assoc_move(struct reg_assoc *a, struct reg_conn *to);
/** Add or refresh the binding of the request's To and contact; takes the grant's content. */
enum gw_err reg_assoc_bind(struct reg_assoc *a, const struct reg_request *q,
			   struct reg_grant *g) GW_MUST_CHECK;
void reg_binding_free(struct reg_binding *b);
struct reg_binding *reg_binding_find(const struct reg_assoc *a, const char *to_aor);
/** It lives on through another eP-CSCF: no more ours to end at the core, or to call free.
 * @param by  what tells, for the log */
void reg_binding_lost_to_another(struct reg_binding *b, const char *by);
/** Remove the bindings that a deregistration names; ends the association with the last. */
void reg_assoc_unbind(struct reg_assoc *a, const struct reg_request *q);
/** End and free it: event, connection's rights; close_ms < 0 leaves the connection open. */
void reg_assoc_end(struct reg_assoc *a, const char *why, int64_t close_ms);
/** Remove one binding; the association is left to the caller, also when it was the last. */
void reg_assoc_drop_binding(struct reg_assoc *a, struct reg_binding *b);
/** After identities of a binding changed. */
void reg_assoc_rebuild_impus(struct reg_assoc *a);
/** Let the binding expire that many seconds (and the grace) from now. */
enum gw_err reg_binding_arm(struct reg_binding *b, uint32_t expires_s) GW_MUST_CHECK;
struct reg_impi *reg_impi_find(const struct cscf_registrar *r, const char *text);
bool reg_assoc_is_live(const struct reg_assoc *a);
int64_t reg_now_ms(void);

/** token.c: is the association blocked, its token being over (lifetime_policy=terminate)? */
bool reg_token_is_over(const struct reg_assoc *a);

/* ---- assoc_fsm.c --------------------------------------------------------------------------- */

enum assoc_state { ASSOC_S_LIVE, ASSOC_S_LOST, ASSOC_S_STRANDED, ASSOC_S_ENDED, ASSOC_S_COUNT };
enum assoc_event {
	ASSOC_E_FLOW_LOST,
	ASSOC_E_MOVED, /* data: const uint64_t *, the old connection */
	ASSOC_E_GRACE_OVER,
	ASSOC_E_END,
	ASSOC_E_COUNT
};
extern const struct gw_fsm_desc reg_assoc_fsm;

/* ---- mw.c ------------------------------------------------------------------------------------ */

/** The REGISTER for the core, built from the WIC's. */
enum gw_err reg_mw_build(struct cscf_sip_msg **out, struct cscf_registrar *r,
			 const struct cscf_sip_msg *msg, const struct reg_request *q,
			 const struct cscf_sip_flow *flow, bool associated) GW_MUST_CHECK;
/** Where it goes: the entry points in order, or the Request-URI (REG-09). */
void reg_mw_dest(const struct cscf_registrar *r, const struct cscf_sip_msg *fwd,
		 struct cscf_sip_dest *out, const char **uri_slot, char *uri_buf, size_t n);
/** P-Charging-Vector of a request of the registrar's kind. */
enum gw_err reg_mw_charge(struct cscf_sip_msg *m, const struct cscf_registrar *r) GW_MUST_CHECK;
/** Path, Require, visited network and charging vector. */
enum gw_err reg_mw_add_ours(struct cscf_sip_msg *m, const struct cscf_registrar *r, uint64_t conn,
			    bool ob) GW_MUST_CHECK;
bool reg_is_home(const struct cscf_registrar *r, struct gw_slice host);
/** The home domain as configured; NULL when it is none. */
const char *reg_home(const struct cscf_registrar *r, struct gw_slice host);

/* ---- reg_fsm.c ------------------------------------------------------------------------------- */

struct reg_txn;
void reg_txn_start(struct cscf_registrar *r, gw_handle server, const struct cscf_sip_msg *msg,
		   const struct cscf_sip_flow *flow, struct reg_conn *c, struct reg_request *q);
/** Is a REGISTER for this To under way on this connection (REG-14)? */
bool reg_txn_pending(const struct cscf_registrar *r, uint64_t conn, const char *to_aor);
/** The same on any connection. */
bool reg_txn_pending_for(const struct cscf_registrar *r, const char *to_aor);
/** Is the core's answer to this very REGISTER still to come? */
bool reg_txn_is_coming(const struct cscf_registrar *r, uint64_t conn, const char *to_aor,
		       const char *call_id, uint32_t cseq);
/** REGISTERs under way whose token was good and that may make one more association of its IMPI,
 * on other connections `but` this one (REG-45). Not those by Digest: anybody can send them in
 * another's name; they are counted when the core has said 200. */
size_t reg_txn_coming(const struct cscf_registrar *r, const char *impi, uint64_t but);
size_t reg_txn_count(const struct cscf_registrar *r);
void reg_txn_drop_all(struct cscf_registrar *r);
/* registrar.c: what needs the IMPI: one user per connection, connections per user. */
bool reg_check_limits(struct cscf_registrar *r, const struct reg_conn *c,
		      const struct reg_request *q, struct reg_refusal *why);
/** Has the IMPI as many live associations as it may have? */
bool reg_impi_is_full(const struct cscf_registrar *r, const char *impi);
extern const struct reg_refusal reg_refusal_full;
void reg_refuse(struct cscf_registrar *r, gw_handle server, const struct reg_refusal *why,
		const struct cscf_sip_flow *flow);

/* ---- network.c ------------------------------------------------------------------------------- */

/** Tell that a 2xx bound a contact of this user. */
void reg_user_bound(const struct cscf_registrar *r, const char *impi, const char *to_aor);
/** Tell that the last association of this IMPI has gone. */
void reg_user_gone(const struct cscf_registrar *r, const char *impi);

/* ---- metrics.c --------------------------------------------------------------------------------
 */

enum reg_metric {
	REG_M_REFUSED,
	REG_M_CHALLENGED,
	REG_M_ACCEPTED,
	REG_M_AUTH_FAILED,
	REG_M_CORE_REFUSED,
	REG_M_CORE_GONE,
	REG_M_DEREGISTERED,
	REG_M_STILL_BOUND,
	REG_M_EXPIRED,
	REG_M_FLOW_LOST,
	REG_M_REPLACED,
	REG_M_TOKEN_GOOD, /* web tokens by what came of them */
	REG_M_TOKEN_MALFORMED,
	REG_M_TOKEN_INVALID,
	REG_M_TOKEN_DENIED,
	REG_M_TOKEN_UNAVAILABLE,
	REG_M_TOKEN_IDENTITY,
	REG_M_TOKEN_OTHER_USER,
	REG_M_TOKEN_IN_USE,
	REG_M_TOKEN_POOL,
	REG_M_TOKEN_TOO_SHORT,
	REG_M_TNA_REFUSED,
	REG_M_LOST_DEREG,
	REG_M_RELEASE_TOLD,
	REG_M_RELEASE_RETRY,
	REG_M_RELEASE_FAILED,
	REG_M_NETWORK_ENDED,
	REG_M_NETWORK_SHORTENED,
	REG_M_ELSEWHERE,
	REG_M_ASSOCS, /* gauge */
	REG_M_COUNT
};
void reg_metric_inc(enum reg_metric m);
void reg_metric_set(enum reg_metric m, int64_t v);
void reg_metrics_register(void);

struct reg_gate;

struct cscf_registrar {
	struct reg_gate *gate;                   /* owned; gate.h */
	const struct cscf_registrar_config *cfg; /* borrowed: outlives us */
	struct cscf_registrar_parts parts;
	const struct cscf_registrar_cbs *cbs;
	void *cbs_arg;
	struct gw_handle_table *handles; /* owned: names of struct reg_assoc */
	struct reg_conn *conns;          /* uthash by id; owned */
	struct reg_impi *impis;          /* uthash by text; owned */
	struct reg_binding *contacts;    /* uthash by contact; the associations' */
	struct reg_moved *moved;         /* uthash by connection; the associations' */
	struct reg_txn *txns;            /* under way; utlist DL; owned */
	struct reg_txn *over;            /* answered, the transaction lingers; the same */
	size_t n_txns;
	char pai[300];        /* an IMPU that a wildcard allowed, for the identity last asked for */
	char path_uri[300];   /* "sip:host:port;lr" */
	struct reg_own *owns; /* utlist DL; owned: our own REGISTERs (lost_dereg.c) */
	int64_t lost_next_us; /* when the next of them may go */
	struct reg_pool *pool;                    /* owned */
	unsigned *schemes;                        /* owned: per home domain (scheme.c) */
	char challenge[CSCF_AUTHZ_CHALLENGE_MAX]; /* header value of the refusal under way */
};

void reg_emit(struct cscf_registrar *r, enum cscf_registrar_event event, gw_handle assoc,
	      uint64_t old_conn, uint64_t conn);

#endif
