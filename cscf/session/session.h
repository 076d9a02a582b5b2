/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and everything else that is not REGISTER: takes requests of both sides from the SIP
 * stack, knows whose they are (registrar), rewrites SDP (sdp), has media reserved (iq), and
 * relays. The eP-CSCF stays a proxy (Call-ID, tags, CSeq and unknown headers pass) and becomes a
 * user agent only to end a call itself.
 *
 *   on_request ─> screen ─> dialog? ─ yes ─> in_dialog.c ┐
 *                               └ no ─> INVITE: call.c   ├─> job queue of the call ─> legs
 *                                       else:   proxy.c ─┘
 *
 * Callers: cscf.c (which wires the stack's and the registrar's callbacks here) and ops.
 * Thread: the cscf loop. Spec: calls-and-media 2, 4.1, 4.10, 4.12; registration 10 (ID).
 */
#ifndef CSCF_SESSION_SESSION_H
#define CSCF_SESSION_SESSION_H

#include "common/err.h"
#include "common/handle.h"
#include "cscf/emergency/emergency.h"
#include "cscf/iq/procedures.h"
#include "cscf/registrar/registrar.h"
#include "cscf/sdp/alg.h"
#include "cscf/sip/flow_token.h"
#include "cscf/sip/stack.h"
#include "cscf/story/story.h"

#include <jansson.h>

struct cscf_session;
struct event_base;

enum cscf_session_early {
	CSCF_SESSION_EARLY_PEM, /* by P-Early-Media; open when the header is absent */
	CSCF_SESSION_EARLY_ALWAYS,
	CSCF_SESSION_EARLY_NEVER
};

/* Named as the knobs; times in ms. Borrowed texts outlive the session. */
struct cscf_session_config {
	int64_t limits_calls;      /* limits.calls */
	int64_t limits_cps;        /* limits.cps: new calls a second; 0 = no limit */
	int64_t max_duration;      /* limits.call_duration; 0 = off (REL-19) */
	int64_t t_consent;         /* consent.grace (T_consent) */
	int64_t flow_hold;         /* how long an in-dialog request waits for a lost flow */
	int64_t ack_timeout;       /* 64*T1 */
	int64_t inactivity;        /* media.inactivity; 0 = off */
	bool reanchor;             /* agw.failure_action=reanchor */
	int64_t repair_rate;       /* agw.repair_rate: calls a second */
	int64_t repair_timeout;    /* agw.repair_timeout */
	int64_t retry_after_s;     /* overload.retry_after */
	int64_t retry_after_max_s; /* Retry-After is random between the two */
	int64_t no_media_wic, no_media_core;      /* reject.no_media_*: status */
	int64_t dscp_audio, dscp_video;           /* media.dscp.*; -1 = off */
	int64_t dscp_core_audio, dscp_core_video; /* -2 = as those */
	bool ssrc_rewrite;                        /* rtp.ssrc_mode=rewrite */
	bool avp_pli_info;                        /* rtcp.avp_pli=info */
	bool police;                              /* media.policing=as */
	bool police_access_video;                 /* media.policing_access_video */
	bool inactivity_oneway_release;
	bool route_reject;   /* identity.route_mismatch=reject */
	bool early_uplink;   /* media.early_uplink=open */
	bool local_answer;   /* sip.local_answer_ice_restart */
	bool dtls_fail_keep; /* dtls.fail_action=keep */
	bool latch_once;     /* core.latch=once */
	int source_filter;   /* core.source_filter: IqCoreTermination filter */
	int core_family;     /* core.family: 0 auto, 4, 6 */
	enum cscf_session_early early;
	int64_t session_expires_s;             /* sip.session_expires; 0 = never of our own */
	int64_t min_se_s;                      /* sip.min_se */
	bool local_100rel;                     /* interwork.100rel=local */
	bool local_precondition;               /* interwork.precondition=local */
	const char *orig_ioi;                  /* charging.orig_ioi */
	const char *ioi_prefix;                /* charging.ioi_prefix */
	const char *mw_name;                   /* icid-generated-at */
	bool send_cfa;                         /* charging.send_cfa */
	int token_on_requests;                 /* enum cscf_session_token_policy */
	int from_check;                        /* enum cscf_session_from_policy */
	const char *access_realm, *core_realm; /* names of the AGWs' realms */
};

enum cscf_session_token_policy { /* token.on_requests */
				 CSCF_SESSION_TOKEN_IGNORE,
				 CSCF_SESSION_TOKEN_IF_PRESENT,
				 CSCF_SESSION_TOKEN_REQUIRE
};

enum cscf_session_from_policy { /* identity.from_check */
				CSCF_SESSION_FROM_OFF,
				CSCF_SESSION_FROM_LOG,
				CSCF_SESSION_FROM_REJECT
};

struct cscf_session_parts {
	struct event_base *base;
	struct cscf_sip_stack *stack;
	struct cscf_registrar *registrar;
	struct cscf_iq *iq;
	const struct cscf_sip_flow_token_ctx *tokens;
	const struct cscf_sdp_policy *sdp_policy;
	struct cscf_authz *authz;         /* NULL: tokens in requests are not looked at */
	struct cscf_emergency *emergency; /* the first look at what WICs send; NULL = none */
	struct cscf_story *story;         /* NULL: nothing is kept for call explain */
};

/** @param cfg, parts  borrowed: outlive the session. @return GW_OK; GW_ERR_NOMEM */
enum gw_err cscf_session_new(struct cscf_session **out, const struct cscf_session_config *cfg,
			     const struct cscf_session_parts *parts) GW_MUST_CHECK;
/** Forget every call without a word to anybody; contexts are released on the AGWs. */
void cscf_session_free(struct cscf_session *s);

/* ---- callbacks of the stack and the registrar, passed on by cscf.c ------------------------- */

void cscf_session_on_request(struct cscf_session *s, gw_handle server,
			     const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow);
void cscf_session_on_ack(struct cscf_session *s, const struct cscf_sip_msg *msg,
			 const struct cscf_sip_flow *flow);
void cscf_session_on_cancel(struct cscf_session *s, gw_handle server,
			    const struct cscf_sip_msg *cancel);
void cscf_session_on_server_done(struct cscf_session *s, gw_handle server, bool acked);
void cscf_session_on_reg_event(struct cscf_session *s, enum cscf_registrar_event event,
			       gw_handle assoc, uint64_t old_conn, uint64_t conn);

/* ---- operators ------------------------------------------------------------------------------- */

struct cscf_session_counts {
	size_t calls;     /* not yet ended, being released included */
	size_t confirmed; /* answered and acknowledged */
	size_t dialogs;   /* early and confirmed */
	size_t proxied;   /* requests outside of calls under way */
};
/** Does a call of this association last, also of one that has ended? (DEREG-31) */
bool cscf_session_has_calls(const struct cscf_session *s, gw_handle assoc);
/** The connections that have a call, some maybe twice. @return how many, at most max */
size_t cscf_session_conns(const struct cscf_session *s, uint64_t *out, size_t max);
/** Does an answered call wait for its WIC, whose connection is gone (flow.grace)? */
bool cscf_session_waits_for_wic(const struct cscf_session *s);
void cscf_session_counts(const struct cscf_session *s, struct cscf_session_counts *out);
/** `call list`; new reference. */
json_t *cscf_session_list(const struct cscf_session *s);
/** `call show ID`, ID = the id of the list or a Call-ID; NULL when there is none. */
json_t *cscf_session_show(const struct cscf_session *s, const char *id);
typedef void cscf_session_looked_fn(void *arg, uint64_t ticket);
/**
 * Bring the story of a live call up to date: its streams, and what its AGW has counted.
 * @return true: done follows, within the time of an Iq request; false: there is nothing to wait for
 */
bool cscf_session_look(struct cscf_session *s, gw_handle call, cscf_session_looked_fn *done,
		       void *arg, uint64_t ticket);
/** End every call (BYE or CANCEL both ways): the drain time is over, or the operator says so. */
void cscf_session_release_all(struct cscf_session *s);

#endif
