/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object, shared by cscf.c (wiring, start, stop) and cscf_end.c (signals, drain, end).
 * Thread: the cscf loop.
 */
#ifndef CSCF_CSCF_INT_H
#define CSCF_CSCF_INT_H

#include "cscf/cscf.h"
#include "cscf/emergency/emergency.h"
#include "cscf/ops/ops.h"
#include "cscf/regevent/regevent.h"
#include "cscf/registrar/probe.h"

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;

enum ending { RUNNING, CALLS_END, BYES_OUT, WEBSOCKETS_CLOSE };

struct cscf {
	struct cscf_config *cfg;             /* borrowed */
	const struct gw_conf_source *source; /* borrowed; NULL = nothing to read again */
	struct cscf_config_parts parts;
	struct cscf_sip_flow_token_ctx tokens;
	struct event_base *base; /* owned, like all below */
	struct cscf_iq *iq;
	struct cscf_sip_stack *stack;
	struct cscf_authz *authz;
	struct cscf_registrar *registrar;
	struct cscf_probe *probe;
	struct cscf_regevent *regevent;
	struct cscf_emergency *emergency;
	struct cscf_story *story; /* NULL = off */
	struct cscf_session *session;
	struct cscf_ws_listener *listener;
	struct cscf_ops *ops;
	struct event *signals[3];
	struct event *poll;
	struct event *drain_tick;
	bool draining;
	bool drain_open;      /* new WebSockets are taken: a call waits for its WIC */
	uint64_t drain_since; /* the first connection that came while that was so; 0 = none */
	bool drain_told;      /* at the last tick nobody idle was left */
	int64_t drain_credit; /* thousandths of a WebSocket */
	enum ending ending;
	int64_t deadline_ms;
};

/** Take SIGTERM, SIGINT (drain, then end) and SIGHUP (read again what may change). */
enum gw_err cscf_end_init(struct cscf *c) GW_MUST_CHECK;
void cscf_end_fini(struct cscf *c);

extern const struct cscf_ops_cbs cscf_end_ops_cbs; /* drain, asked for by the operator */

#endif
