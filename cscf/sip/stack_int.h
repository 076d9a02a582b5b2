/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the stack: its object and what its files call of each other.
 *
 *   stack.c      life, configuration, counts
 *   w2.c         WebSocket connections            mw.c, tcp.c, tcp_frame.c   core transports
 *   receive.c    a message came: checks, to whom  send.c   text to a flow, Via of ours
 *   server.c     server transactions              client.c, client_try.c     client transactions
 */
#ifndef CSCF_SIP_STACK_INT_H
#define CSCF_SIP_STACK_INT_H

#include "cscf/sip/counters.h"
#include "cscf/sip/health.h"
#include "cscf/sip/machine.h"
#include "cscf/sip/msg_int.h"
#include "cscf/sip/mw.h"
#include "cscf/sip/resolve.h"
#include "cscf/sip/stack.h"
#include "cscf/sip/table.h"

#include <event2/event.h>

#define CSCF_SIP_BRANCH_LEN 48

struct cscf_sip_w2_conn {
	uint64_t id;
	struct cscf_sip_flow flow;
	unsigned malformed; /* in a row */
	bool closing;
	bool registered; /* a registration lives on it */
	UT_hash_handle hh;
};

struct cscf_sip_server;
struct cscf_sip_client;
struct cscf_sip_client_list;

struct cscf_sip_stack {
	struct event_base *base;
	const struct cscf_sip_config *cfg;
	const struct cscf_sip_stack_cbs *cbs;
	void *cbs_arg;
	const struct cscf_sip_ws_ops *ws_ops; /* NULL: no W2 side */
	void *ws_arg;
	struct cscf_sip_limits limits;
	struct cscf_sip_machine_timers timers;
	struct cscf_sip_mw *mw;
	struct cscf_sip_resolver *resolver;
	struct cscf_sip_health *health;
	struct cscf_sip_w2_conn *w2_conns;
	struct cscf_sip_w2_conn *w2_last; /* of the last message, NULL = none */
	struct gw_handle_table *servers;
	struct gw_handle_table *clients;
	struct cscf_sip_server *servers_by_key;
	struct cscf_sip_client *clients_by_key;
	struct cscf_sip_client_list *clients_by_conn;
	struct cscf_sip_overload overload;
	struct event *overload_tick;
	bool draining;
	char *mw_hostport; /* "name:port" */
	char *w2_host;
};

/* Monotonic milliseconds. */
int64_t cscf_sip_now_ms(void);
/** (Re)arm an event, ms from now. */
void cscf_sip_arm(struct event *timer, int64_t ms);

/* --- receive.c --- */

/** One message from any transport. too_big: see mw.h. @return false: malformed and unanswered */
bool cscf_sip_receive(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow, const char *text,
		      size_t n, bool too_big);

/* --- send.c --- */

/** Text to a flow; for Mw TCP flow->conn may change to the connection used. */
enum gw_err cscf_sip_send_flow(struct cscf_sip_stack *s, struct cscf_sip_flow *flow,
			       const char *text, size_t n) GW_MUST_CHECK;
/** A response by the flow of its request and its top Via (RFC 3261 s18.2.2, RFC 3581 s4). */
enum gw_err cscf_sip_send_response(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
				   const struct cscf_sip_msg *req, const char *text,
				   size_t n) GW_MUST_CHECK;
/** Answer without a transaction (malformed, overload). Failures are counted only. */
void cscf_sip_send_stateless(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			     const struct cscf_sip_msg *req, int status, const char *reason,
			     const char *hdr_name, const char *hdr_value);
/** One debug line per message: dir "in" or "out". */
void cscf_sip_log_msg(const char *dir, const struct cscf_sip_flow *flow,
		      const struct cscf_sip_msg *msg);
/** Tell who listens (on_wire): a message came in, or goes out. */
void cscf_sip_tell(const struct cscf_sip_stack *s, bool in, const struct cscf_sip_flow *flow,
		   const struct cscf_sip_msg *msg);
/** Our answer to a request goes out once more. */
void cscf_sip_tell_again(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			 const struct cscf_sip_msg *req, int status);
/** The stack refuses a request. @param why  static */
void cscf_sip_tell_refused(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			   const struct cscf_sip_msg *req, int status, const char *why);
/** A fresh branch that carries the loop mark of the request (WS-30). */
void cscf_sip_make_branch(const struct cscf_sip_msg *req, enum cscf_sip_side to,
			  char buf[CSCF_SIP_BRANCH_LEN]);
/** Put our Via on top. */
enum gw_err cscf_sip_push_via(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			      const struct cscf_sip_flow *to, const char *branch) GW_MUST_CHECK;
/** Does a SIP URI name us: host and port of our Mw side, or host of our W2 side? */
bool cscf_sip_uri_is_ours(const struct cscf_sip_stack *s, struct gw_slice text);
/** Is the sent-by of a Via ours on that side? */
bool cscf_sip_via_is_ours(const struct cscf_sip_stack *s, const struct cscf_sip_via *via,
			  enum cscf_sip_side side);
/** Has the request been here before with the same target? (WS-30) */
bool cscf_sip_is_loop(const struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
		      enum cscf_sip_side from);

/* --- secagree.c --- */

/** RFC 3329 on W2. @return GW_OK: the tag is gone, go on; GW_ERR_DENIED: 420; GW_ERR_NOMEM */
enum gw_err cscf_sip_secagree(const struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			      const struct cscf_sip_flow *flow) GW_MUST_CHECK;
/** Does Security-Client name the mechanism tls? */
bool cscf_sip_secagree_offers_tls(const struct cscf_sip_msg *req);

/* --- server.c --- */

/** The matching key of a request (RFC 3261 s17.2.3) as if its method were `method`. Heap. */
char *cscf_sip_server_key(const struct cscf_sip_flow *flow, const struct cscf_sip_msg *req,
			  const char *method);
struct cscf_sip_server *cscf_sip_server_find(struct cscf_sip_stack *s, const char *key);
/** @param req consumed on GW_OK; key consumed always */
enum gw_err cscf_sip_server_new(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
				const struct cscf_sip_flow *flow, char *key,
				struct cscf_sip_server **out) GW_MUST_CHECK;
gw_handle cscf_sip_server_handle(const struct cscf_sip_server *t);
void cscf_sip_server_retransmitted(struct cscf_sip_server *t);
/** @return false: not the ACK of a non-2xx; it belongs to the layer above */
bool cscf_sip_server_acked(struct cscf_sip_server *t);
/** No final response sent yet? */
bool cscf_sip_server_is_pending(const struct cscf_sip_server *t);
void cscf_sip_servers_free(struct cscf_sip_stack *s);

/* --- client.c, client_try.c --- */

/** A response came. @param rsp consumed. @return false: nobody waits for it */
bool cscf_sip_client_response(struct cscf_sip_stack *s, struct cscf_sip_msg *rsp,
			      const struct cscf_sip_flow *flow);
/** A connection is gone; pending requests on it fail (`failed`: those that rang too). */
void cscf_sip_clients_conn_closed(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
				  bool failed);
void cscf_sip_clients_free(struct cscf_sip_stack *s);

/* --- w2.c --- */

void cscf_sip_w2_free(struct cscf_sip_stack *s);
struct cscf_sip_w2_conn *cscf_sip_w2_find(const struct cscf_sip_stack *s, uint64_t id);

#endif
