/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registrations of WICs: relays REGISTER with SIP Digest to the core, keeps the TLS association
 * (connection + IMPI) and the registration record that the core's 200 made, and tells others who
 * is behind a connection and which connection is behind a Path token.
 * It never authenticates anybody itself (SEC-11) and never routes a request other than REGISTER.
 *
 *   association (connection + IMPI) 1 ── n binding (To-IMPU + contact: expiry, Service-Route, …)
 *
 * An association is named by a handle that survives a lost flow: it lives on as FLOW_LOST until
 * its bindings expire, and gets its new connection when the same instance registers again.
 *
 * Thread: the cscf loop. Spec: TS 24.371 §6, TS 24.229 5.2; REG-*, DEREG-*, ID-01..05, SEC-12.
 */
#ifndef CSCF_REGISTRAR_REGISTRAR_H
#define CSCF_REGISTRAR_REGISTRAR_H

#include "common/conf.h"
#include "common/err.h"
#include "common/handle.h"
#include "common/slice.h"
#include "cscf/authz/authz.h"
#include "cscf/sip/flow_token.h"
#include "cscf/sip/stack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct cscf_registrar;
struct event_base;

/* token.lifetime_policy (TOK-22) */
enum cscf_registrar_lifetime {
	CSCF_REGISTRAR_LIFETIME_CAP,
	CSCF_REGISTRAR_LIFETIME_INDEPENDENT,
	CSCF_REGISTRAR_LIFETIME_TERMINATE
};

/* Named as the knobs; times in ms. Texts and lists are borrowed: outlive the registrar. */
struct cscf_registrar_config {
	const char *mw_name;                     /* mw.name: icid-generated-at */
	const struct gw_conf_list *home_domains; /* home.domains; at least one */
	const struct gw_conf_list *entry_points; /* home.entry_points in order; empty = DNS */
	const char *visited_network_id;          /* "" = first home domain */
	const char *orig_ioi;                    /* charging.orig_ioi; "" = first home domain */
	const char *ioi_prefix;                  /* charging.ioi_prefix, "Type 1" */
	const char *tls_protected_value;         /* reg.tls_protected_value, "tls-yes" */
	bool contact_ws_only;                    /* reg.contact_policy=ws-only */
	bool multi_impi;                         /* assoc.multi_impi */
	int64_t max_failures;                    /* auth.max_failures; 0 = off */
	int64_t block_time;                      /* auth.block_time */
	int64_t max_initial_rate;                /* reg.max_initial_rate, per second; 0 = off */
	int64_t retry_after_s;                   /* overload.retry_after, seconds */
	int64_t retry_after_max_s;               /* overload.retry_after_max, seconds */
	int64_t max_per_impi;                    /* assoc.max_per_impi */
	int64_t max_associations;                /* bound of the whole table */
	int64_t fail_close_delay;                /* auth.fail_close_delay */
	int64_t dereg_close_delay;               /* dereg.close_delay */
	int64_t replace_delay;                   /* assoc.replace_delay */
	int64_t expiry_grace;                    /* reg.expiry_grace */
	int64_t flow_grace;                      /* flow.grace */
	int64_t flow_timer_s;                    /* ws.flow_timer, seconds; 0 = none */
	const struct gw_conf_list *auth_schemes; /* auth.schemes; NULL or empty = all */
	bool default_bearer;                     /* auth.default_scheme=bearer */
	bool aka_allow_v1;                       /* aka.allow_v1 */
	const struct gw_conf_list *digest_excluded_ranges; /* digest.excluded_ranges; may be NULL */
	const char *tna_entity_carriage; /* tna.entity_carriage; NULL = authz-param */
	int lifetime_policy;             /* enum cscf_registrar_lifetime */
	int64_t token_clock_skew;        /* token.clock_skew */
	bool allow_expired_dereg;        /* token.allow_expired_dereg */
	bool token_single_connection;    /* token.single_connection */
	bool pool_exclusive;             /* pool.exclusive */
	const char *pool_release_url;    /* pool.release_url; NULL or "" = off */
	const char *pool_release_token;  /* pool.release_token; "" = none */
	const char *pool_release_ca;     /* token.tls_ca; "" or NULL = the system's */
	int64_t lost_dereg;              /* flow.lost_dereg; 0 = off */
	int64_t lost_dereg_pool;         /* flow.lost_dereg_pool; 0 = off */
};

/* ---- who is behind a connection --------------------------------------------------------- */

struct cscf_registrar_impu {
	const char *uri;     /* "sip:alice@ims.example.net" or "tel:+15550100", as received */
	const char *display; /* as received, quotes included; "" when none */
};

/* Borrowed: good until the caller returns to the loop. */
struct cscf_registrar_identity {
	gw_handle assoc;
	uint64_t conn;
	const char *impi; /* "" when the core registered without credentials */
	const struct cscf_registrar_impu *impus; /* all registered; [0] is the default IMPU */
	size_t n_impus;
	/* ID-03, ID-04: the P-Asserted-Identity values to insert, whole name-addrs; n_pai is 0
	 * only when every IMPU is barred. */
	const char *pai[2];
	size_t n_pai;
	char *const *service_route; /* whole values in order; of the binding of the chosen IMPU */
	size_t n_service_route;     /* 0: no originating service, answer 500 (REG-24) */
	const char *term_ioi;       /* "" when the core gave none */
	const char *cfa;            /* P-Charging-Function-Addresses of the 200; "" = none */
	const char *path_uri;       /* "sip:…;lr" of our Path, flow token removed (REG-82) */
	const struct cscf_authz_grant *grant; /* of its web token; NULL: scenario 1 */
	bool token_over; /* expired under token.lifetime_policy=terminate: 401 (TOK-22) */
};

/**
 * Who may send requests on this connection (CALL-01, ID-01..05).
 * @param preferred  values of P-Preferred-Identity as received; may be NULL when n is 0
 * @return false when the connection has no association: answer 403
 */
bool cscf_registrar_identify(struct cscf_registrar *r, uint64_t conn,
			     const struct gw_slice *preferred, size_t n,
			     struct cscf_registrar_identity *out) GW_MUST_CHECK;
/** The same by association, also when its flow is lost (conn is 0 then). */
bool cscf_registrar_identify_assoc(struct cscf_registrar *r, gw_handle assoc,
				   struct cscf_registrar_identity *out) GW_MUST_CHECK;
/** The stored Service-Route leads nowhere any more: forget it until the next 200 (REG-82, REG-83).
 */
void cscf_registrar_clear_route(struct cscf_registrar *r, gw_handle assoc);
/** Is this URI a registered IMPU of the association? (P-Called-Party-ID, ID-14) */
bool cscf_registrar_has_impu(struct cscf_registrar *r, gw_handle assoc, struct gw_slice uri);

/**
 * Would this REGISTER, once the core accepts it, put an association that has lost its flow on a new
 * connection, and does a call of it last (cbs.has_dialogs)? By what it says: nothing is proven.
 */
bool cscf_registrar_comes_back(const struct cscf_registrar *r, const struct cscf_sip_msg *msg);

/* ---- which connection is behind a terminating request ------------------------------------ */

enum cscf_registrar_reach {
	CSCF_REGISTRAR_LIVE,          /* send it on .conn */
	CSCF_REGISTRAR_LOST_OUTBOUND, /* 430 Flow Failed */
	CSCF_REGISTRAR_LOST,          /* 480 Temporarily Unavailable */
	CSCF_REGISTRAR_UNKNOWN,       /* 404: lets the core start restoration (REG-81) */
	CSCF_REGISTRAR_FORGED         /* 403 (SEC-24) */
};

struct cscf_registrar_target {
	gw_handle assoc; /* GW_HANDLE_NONE unless LIVE or LOST* */
	uint64_t conn;   /* 0 unless LIVE */
};

/** The SIP status for a reach: 430, 480, 404, 403; 0 for LIVE. */
int cscf_registrar_reach_status(enum cscf_registrar_reach reach);

/**
 * Find the flow of a request from the core (ID-13, DEREG-42, REG-81).
 * @param token        user part of our Route entry (the Path URI), n = 0 when there was none
 * @param request_uri  must be a contact bound to that flow; n = 0 leaves that check out
 */
enum cscf_registrar_reach cscf_registrar_reach(struct cscf_registrar *r, struct gw_slice token,
					       struct gw_slice request_uri,
					       struct cscf_registrar_target *out) GW_MUST_CHECK;

/**
 * The connection that a flow token of this one means within a dialog: itself, or where its
 * association has moved since (DEREG-43). @return 0: that association's flow is lost
 */
uint64_t cscf_registrar_conn_now(const struct cscf_registrar *r, uint64_t conn);

/* ---- what happens to an association ------------------------------------------------------- */

enum cscf_registrar_event {
	/* The WebSocket is gone; calls live on, requests to the WIC cannot be sent. */
	CSCF_REGISTRAR_EV_FLOW_LOST,
	/* Same IMPI and instance registered again (200): dialogs move to .conn (DEREG-43). */
	CSCF_REGISTRAR_EV_REATTACHED,
	/* flow.grace is over without a new flow: release the calls of this association. */
	CSCF_REGISTRAR_EV_GRACE_OVER,
	/* Deregistered, expired or replaced: release its calls; the handle is stale afterwards. */
	CSCF_REGISTRAR_EV_ENDED
};

/* Whose contact a 2xx bound; borrowed. */
struct cscf_registrar_user {
	const char *impi;
	const char *impu;   /* default IMPU as a SIP URI (REG-61) */
	uint32_t expires_s; /* the longest that the core granted to this user */
};

struct cscf_registrar_cbs {
	/* old_conn: the connection before; conn: now, 0 = none. Called from the loop, never from
	 * inside a call of yours. May be NULL. */
	void (*on_event)(void *arg, enum cscf_registrar_event event, gw_handle assoc,
			 uint64_t old_conn, uint64_t conn);
	/* A 2xx bound a contact of this user, and has been relayed; for each 2xx. May be NULL. */
	void (*on_user)(void *arg, const struct cscf_registrar_user *user);
	/* Nothing is registered for this IMPI any more. May come from within
	 * cscf_registrar_apply and _end_user. May be NULL. */
	void (*on_user_gone)(void *arg, const char *impi);
	/* Does a call of this association last, also of one that has ended? NULL = none ever. */
	bool (*has_dialogs)(void *arg, gw_handle assoc);
};

/* ---- for operators --------------------------------------------------------------------------- */

struct cscf_registrar_counts {
	size_t associations; /* with a live flow */
	size_t flows_lost;
	size_t bindings;
	size_t pending; /* REGISTERs waiting for the core */
};

/* One row of `reg list`; borrowed until the next call. */
struct cscf_registrar_row {
	gw_handle assoc;
	uint64_t conn; /* 0 = flow lost */
	const char *impi;
	const char *to;      /* the IMPU that was registered */
	const char *contact; /* URI */
	const char *instance;
	uint32_t reg_id; /* 0 = none */
	bool outbound;
	const char *peer;     /* address and port of the WIC */
	const char *state;    /* "registered" or "flow-lost" */
	int64_t expires_in_s; /* may be negative within the grace */
	const struct cscf_registrar_impu *impus;
	size_t n_impus;
	char *const *service_route;
	size_t n_service_route;
	const char *scenario;     /* "1", "1b" (AKA), "2" or "3" (a pool's identity) */
	const char *issuer;       /* WAF of its token; "" = none */
	const char *wwsf;         /* client of its token */
	int64_t token_expires_in; /* seconds; 0 without a token */
};

struct cscf_registrar_counts cscf_registrar_counts(const struct cscf_registrar *r);
/** Walk the bindings: start with *cursor = 0. @return false at the end */
bool cscf_registrar_next(const struct cscf_registrar *r, uint64_t *cursor,
			 struct cscf_registrar_row *row);

/* ---- life, and what cscf.c passes on from the stack's callbacks ------------------------------ */

struct cscf_registrar_parts {
	struct event_base *base;
	struct cscf_sip_stack *stack;
	const struct cscf_sip_flow_token_ctx *tokens;
	struct cscf_authz *authz; /* NULL: no web tokens, whatever auth.schemes says */
};

/** What cscf_registrar_new would refuse. @param why  one line naming the key */
enum gw_err cscf_registrar_check_config(const struct cscf_registrar_config *cfg, char *why,
					size_t n) GW_MUST_CHECK;

/**
 * @param cfg, parts, cbs  borrowed: outlive the registrar
 * @return GW_OK; GW_ERR_INVAL no home domain; GW_ERR_NOMEM
 */
enum gw_err cscf_registrar_new(struct cscf_registrar **out, const struct cscf_registrar_config *cfg,
			       const struct cscf_registrar_parts *parts,
			       const struct cscf_registrar_cbs *cbs, void *arg) GW_MUST_CHECK;
/** Forget everything without a word to anybody; before the stack. NULL is legal. */
void cscf_registrar_free(struct cscf_registrar *r);

/** A REGISTER that arrived on W2, after the emergency screening. Always answered. */
void cscf_registrar_on_register(struct cscf_registrar *r, gw_handle server,
				const struct cscf_sip_msg *req, const struct cscf_sip_flow *flow);
/** A W2 connection is gone (the stack's on_flow_closed). */
void cscf_registrar_on_flow_closed(struct cscf_registrar *r, uint64_t conn);

#endif
