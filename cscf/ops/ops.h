/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's side of the eP-CSCF: commands on the UNIX socket, health and metrics on the HTTP
 * port. It only asks the parts and passes wishes (drain) up; it decides nothing about calls.
 * Thread: the cscf loop.
 */
#ifndef CSCF_OPS_OPS_H
#define CSCF_OPS_OPS_H

#include "common/err.h"
#include "cscf/authz/authz.h"
#include "cscf/regevent/regevent.h"
#include "cscf/registrar/probe.h"
#include "cscf/session/session.h"
#include "cscf/ws/listener.h"

struct cscf_ops;

/* Borrowed: all outlive ops. */
struct cscf_ops_parts {
	struct event_base *base;
	struct cscf_ws_listener *listener;
	struct cscf_sip_stack *stack;
	struct cscf_authz *authz;
	struct cscf_registrar *registrar;
	struct cscf_probe *probe;
	struct cscf_regevent *regevent;
	struct cscf_emergency *emergency;
	struct cscf_iq *iq;
	struct cscf_session *session;
	struct cscf_story *story; /* NULL = off */
};

struct cscf_ops_cbs {
	/** Take no new work (on), or take it again. @return false when the process is ending */
	bool (*drain)(void *arg, bool on);
	bool (*is_draining)(void *arg);
};

/**
 * @param listen      "127.0.0.1:9180"; "" = off
 * @param ctl_socket  path; "" = off
 * @return GW_OK; GW_ERR_IO; GW_ERR_INVAL; GW_ERR_NOMEM
 */
enum gw_err cscf_ops_new(struct cscf_ops **out, const struct cscf_ops_parts *parts,
			 const char *listen, const char *ctl_socket, const struct cscf_ops_cbs *cbs,
			 void *arg) GW_MUST_CHECK;
/** NULL is legal. */
void cscf_ops_free(struct cscf_ops *o);

/** Ready for new work? When not, `reason` says why. */
bool cscf_ops_ready(struct cscf_ops *o, const char **reason);

#endif
