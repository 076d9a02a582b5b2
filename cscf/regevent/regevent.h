/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eP-CSCF's own subscriptions to the reg event package: one per IMPI from its first 200 on,
 * refreshed, made anew when it breaks, ended with the IMPI's last registration. What a NOTIFY
 * says is handed to the registrar as facts; nothing of it ever reaches a WIC. The WIC's own `reg`
 * subscription is none of this: it is proxied by the session layer (REG-68).
 *
 *   registrar ── on_user, on_user_gone ──> regevent ── SUBSCRIBE ──> core
 *       ^──── cscf_registrar_apply ────────────┴────── NOTIFY <─────── core
 *
 * Callers: cscf.c (wires the callbacks) and ops. Thread: the cscf loop.
 * Spec: TS 24.229 5.2.3, RFC 3680, RFC 6665; REG-49, 60..69, DEREG-20..24.
 */
#ifndef CSCF_REGEVENT_REGEVENT_H
#define CSCF_REGEVENT_REGEVENT_H

#include "common/err.h"
#include "common/handle.h"
#include "cscf/registrar/registrar.h"
#include "cscf/sip/stack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cscf_regevent;
struct event_base;

/* Named as the knobs. */
struct cscf_regevent_config {
	bool enable;
	int64_t expires_s;    /* regevent.expires; 0 = what was granted + 600 */
	int64_t max_failures; /* regevent.max_failures: in a row, then the alarm */
	int64_t backoff_ms;   /* regevent.backoff: after the first failure, then doubled */
	int64_t max_subscriptions;
};

struct cscf_regevent_parts {
	struct event_base *base;
	struct cscf_sip_stack *stack;
	struct cscf_registrar *registrar;
};

/** @param cfg, parts  borrowed: outlive the object. @return GW_OK; GW_ERR_NOMEM */
enum gw_err cscf_regevent_new(struct cscf_regevent **out, const struct cscf_regevent_config *cfg,
			      const struct cscf_regevent_parts *parts) GW_MUST_CHECK;
/** Forget every subscription without a word to the core; before registrar and stack. */
void cscf_regevent_free(struct cscf_regevent *re);

/**
 * A request of either side, before anybody else looks at it.
 * @return true: it was a NOTIFY for us, and has been answered
 */
bool cscf_regevent_on_request(struct cscf_regevent *re, gw_handle server,
			      const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow);

/* The registrar's callbacks of the same names. */
void cscf_regevent_on_user(struct cscf_regevent *re, const struct cscf_registrar_user *user);
void cscf_regevent_on_user_gone(struct cscf_regevent *re, const char *impi);

/* ---- for operators --------------------------------------------------------------------------- */

struct cscf_regevent_row {
	const char *state; /* "none", "subscribing", "active", "refreshing", "waiting", "gave-up" */
	int64_t expires_in_s; /* of the subscription; 0 without one */
	int64_t version;      /* of the last document; -1 = none yet */
	unsigned failures;    /* in a row */
};

/** The subscription of an IMPI. */
struct cscf_regevent_row cscf_regevent_show(const struct cscf_regevent *re, const char *impi);
/** Subscriptions of registered users. */
size_t cscf_regevent_count(const struct cscf_regevent *re);

#endif
