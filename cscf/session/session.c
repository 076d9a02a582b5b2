/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of the module: requests are screened, then go to their dialog, to a new call, or to
 * the proxy; events of the registrar move or end the calls of an association.
 * Thread: the cscf loop. Spec: CALL-01, 02, 21; ID-01; 2.9; REL-10, 11, 16; DEREG-09, 42, 43.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include <event2/event.h>

#define GW_LOG_MOD    "session"
#define MAX_PREFERRED 4 /* of which two may count (ID-05) */

#define M(i, n, t, h) [i] = {.name = n, .type = t, .help = h}
#define ENDED(c, word)                                                                             \
	[SM_CAUSE_FIRST + (c)] = {.name = "cscf_calls_ended_total",                                \
				  .labels = "cause=\"" word "\"",                                  \
				  .help = "Calls ended"}
#define X(refusal, word)                                                                           \
	[SM_REFUSED_FIRST + REFUSAL_##refusal] = {.name = "cscf_session_refused_total",            \
						  .labels = "why=\"" word "\"",                    \
						  .help = "Requests refused by the gateway"},
/* With the ringing: what a user waits. */
static const uint32_t setup_bounds_us[] = {50000,    100000,   250000,   500000,
					   1000000,  2500000,  5000000,  7500000,
					   10000000, 15000000, 30000000, 60000000};
struct gw_histogram session_setup_time = GW_HISTOGRAM(
    "cscf_call_setup_seconds", "From the INVITE to its 2xx, of calls answered", setup_bounds_us);

struct gw_metric session_metrics[SM_COUNT] = {
    M(SM_CALLS, "cscf_calls", GW_METRIC_GAUGE, "Calls, those being released included"),
    [SM_MO] = {.name = "cscf_calls_started_total",
	       .labels = "direction=\"from-wic\"",
	       .help = "Initial INVITEs taken"},
    [SM_MT] = {.name = "cscf_calls_started_total",
	       .labels = "direction=\"to-wic\"",
	       .help = "Initial INVITEs taken"},
    M(SM_ANSWERED, "cscf_calls_answered_total", GW_METRIC_COUNTER, "Calls answered"),
    M(SM_UNREGISTERED, "cscf_session_unregistered_total", GW_METRIC_COUNTER,
      "Requests of WICs that are not registered"),
    M(SM_UNREACHABLE, "cscf_session_unreachable_total", GW_METRIC_COUNTER,
      "Requests of the core to WICs that are not reachable"),
    M(SM_NOT_YOURS, "cscf_session_not_yours_total", GW_METRIC_COUNTER,
      "Requests for a dialog or flow of somebody else"),
    M(SM_NO_DIALOG, "cscf_session_no_dialog_total", GW_METRIC_COUNTER,
      "Requests for unknown dialogs"),
    M(SM_ROUTE_REPLACED, "cscf_session_route_mismatch_total", GW_METRIC_COUNTER,
      "Route sets of WICs that were not the stored ones"),
    M(SM_LIMIT, "cscf_session_limit_total", GW_METRIC_COUNTER, "Calls refused by limits.calls"),
    M(SM_LATE, "cscf_session_late_total", GW_METRIC_COUNTER,
      "Messages and events for what has ended"),
    M(SM_LOCAL_ANSWER, "cscf_session_local_answers_total", GW_METRIC_COUNTER,
      "ICE restarts of WICs answered without the core"),
    M(SM_FORK_DROPPED, "cscf_session_fork_dropped_total", GW_METRIC_COUNTER,
      "2xx that lost or came too late"),
    M(SM_PROXIED, "cscf_session_proxied_total", GW_METRIC_COUNTER,
      "Requests relayed outside of calls"),
    M(SM_TNA_REFUSED, "cscf_session_tna_refused_total", GW_METRIC_COUNTER,
      "Requests of WICs with web tokens that the core challenged"),
    M(SM_FROM_MISMATCH, "cscf_session_from_mismatch_total", GW_METRIC_COUNTER,
      "Initial requests whose From is nobody of the connection"),
    M(SM_RR_REPAIRED, "cscf_session_record_route_repaired_total", GW_METRIC_COUNTER,
      "Answers of WICs without our Record-Route"),
    M(SM_RESTORATION, "cscf_session_restoration_total", GW_METRIC_COUNTER,
      "Service-Routes forgotten because they lead nowhere"),
    [SM_OWN_DONE] = {.name = "cscf_session_own_requests_total",
		     .labels = "result=\"ok\"",
		     .help = "Requests of the gateway itself within dialogs"},
    [SM_OWN_FAILED] = {.name = "cscf_session_own_requests_total",
		       .labels = "result=\"failed\"",
		       .help = "Requests of the gateway itself within dialogs"},
    M(SM_REPAIR_PENDING, "cscf_call_moves_pending", GW_METRIC_GAUGE,
      "Calls without their AGW, on the way to another"),
    [SM_REPAIR_MOVED] = {.name = "cscf_call_moves_total",
			 .labels = "result=\"moved\"",
			 .help = "Calls whose AGW was lost"},
    [SM_REPAIR_FAILED] = {.name = "cscf_call_moves_total",
			  .labels = "result=\"failed\"",
			  .help = "Calls whose AGW was lost"},
    [SM_REPAIR_RELEASED] = {.name = "cscf_call_moves_total",
			    .labels = "result=\"released\"",
			    .help = "Calls whose AGW was lost"},
    [SM_REPAIR_STAYED] = {.name = "cscf_call_moves_total",
			  .labels = "result=\"stayed\"",
			  .help = "Calls whose AGW was lost"},
    M(SM_REPAIR_MS, "cscf_call_move_milliseconds_total", GW_METRIC_COUNTER,
      "Time from the loss of an AGW to the last answer, of all calls moved"),
    M(SM_REPAIR_LOOKS, "cscf_call_move_looks_total", GW_METRIC_COUNTER,
      "Times that a call waiting to be moved was looked at"),
    M(SM_PRACKED, "cscf_session_pracked_total", GW_METRIC_COUNTER,
      "Reliable provisional responses acknowledged for WICs"),
    M(SM_TRICKLE, "cscf_session_trickle_ignored_total", GW_METRIC_COUNTER,
      "INFOs with candidates that came late: answered 200 and not relayed"),
    M(SM_PICTURE_REFUSED, "cscf_session_picture_refused_total", GW_METRIC_COUNTER,
      "Pictures asked for by INFO that the core would not hear of"),
    [SM_PICTURE_TO_CORE] = {.name = "cscf_session_picture_requests_total",
			    .labels = "to=\"core\"",
			    .help = "Pictures asked for by INFO, from PLI or into PLI"},
    [SM_PICTURE_TO_WIC] = {.name = "cscf_session_picture_requests_total",
			   .labels = "to=\"wic\"",
			   .help = "Pictures asked for by INFO, from PLI or into PLI"},
    ENDED(CAUSE_BYE, "bye"),
    ENDED(CAUSE_CANCELLED, "cancelled"),
    ENDED(CAUSE_REJECTED, "rejected"),
    ENDED(CAUSE_SDP, "sdp"),
    ENDED(CAUSE_NO_MEDIA, "no-media"),
    ENDED(CAUSE_IQ_FAILED, "iq-failed"),
    ENDED(CAUSE_AGW_LOST, "agw-lost"),
    ENDED(CAUSE_WIC_GONE, "wic-gone"),
    ENDED(CAUSE_WIC_SILENT, "no-answer"),
    ENDED(CAUSE_CORE_SILENT, "core-silent"),
    ENDED(CAUSE_CORE_GONE, "core-gone"),
    ENDED(CAUSE_MEDIA_LOST, "media-lost"),
    ENDED(CAUSE_FINGERPRINT, "fingerprint"),
    ENDED(CAUSE_INACTIVITY, "media-timeout"),
    ENDED(CAUSE_NO_ACK, "no-ack"),
    ENDED(CAUSE_DIALOG_GONE, "dialog-gone"),
    ENDED(CAUSE_DEREGISTERED, "deregistered"),
    ENDED(CAUSE_MAX_DURATION, "max-duration"),
    ENDED(CAUSE_SESSION_EXPIRED, "session-expired"),
    ENDED(CAUSE_SHUTDOWN, "shutdown"),
    ENDED(CAUSE_INTERNAL, "internal"),
    SESSION_REFUSALS(X)};
#undef X

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_session *s = arg;

	(void)fd;
	(void)what;
	while (s->dead != NULL) {
		struct call *c = s->dead;

		s->dead = c->next_dead;
		call_free(c);
	}
}

enum gw_err cscf_session_new(struct cscf_session **out, const struct cscf_session_config *cfg,
			     const struct cscf_session_parts *parts)
{
	static const struct cscf_iq_cbs iq_cbs = {.on_event = media_on_event,
						  .on_context_lost = media_on_context_lost,
						  .on_differs = media_on_differs,
						  .on_leaving = repair_on_leaving,
						  .on_trace = story_feed_iq};
	struct cscf_session *s = calloc(1, sizeof(*s));
	struct gw_addr addr;
	enum gw_err err;

	if (s == NULL)
		return GW_ERR_NOMEM;
	s->cfg = cfg;
	s->p = *parts;
	s->rr_tcp = !cscf_sip_stack_mw_addr(parts->stack, CSCF_SIP_UDP, &addr);
	/* Room for calls that are being released next to those that are counted. */
	err = gw_handle_table_new(&s->calls, (uint32_t)cfg->limits_calls + 64U);
	s->reaper = evtimer_new(parts->base, on_reap, s);
	if (err == GW_OK && s->reaper == NULL)
		err = GW_ERR_NOMEM;
	if (err == GW_OK)
		err = repair_init(s);
	if (err != GW_OK) {
		gw_handle_table_free(s->calls);
		if (s->reaper != NULL)
			event_free(s->reaper);
		free(s);
		return err;
	}
	gw_metric_register(session_metrics, SM_COUNT);
	gw_histogram_register(&session_setup_time);
	cscf_iq_attach(parts->iq, &iq_cbs, s);
	session_refuse_tell(parts->story);
	*out = s;
	return GW_OK;
}

void cscf_session_free(struct cscf_session *s)
{
	uint32_t cursor = 0;
	struct call *c;

	if (s == NULL)
		return;
	cscf_iq_attach(s->p.iq, NULL, NULL);
	session_refuse_tell(NULL);
	s->dead = NULL;
	while ((c = gw_handle_next(s->calls, &cursor)) != NULL)
		call_free(c);
	proxy_free_all(s);
	late_free_all(s);
	token_free_all(s);
	gw_metric_unregister(session_metrics);
	gw_histogram_unregister(&session_setup_time);
	gw_handle_table_free(s->calls);
	event_free(s->reaper);
	repair_fini(s);
	free(s);
}

bool session_identify(struct cscf_session *s, const struct cscf_sip_msg *msg, uint64_t conn,
		      struct cscf_registrar_identity *out)
{
	struct gw_slice preferred[MAX_PREFERRED];
	struct cscf_sip_values_cursor cursor = {0};
	struct dialog *d = NULL;
	const struct call *c =
	    cscf_sip_msg_to_tag(msg).n > 0 ? call_find_dialog(s, msg, SIDE_WIC, &d) : NULL;
	size_t n = 0;

	if (c != NULL && c->conn == conn &&
	    cscf_registrar_identify_assoc(s->p.registrar, c->assoc, out))
		return true;
	while (n < MAX_PREFERRED &&
	       cscf_sip_msg_value_next(msg, "P-Preferred-Identity", &cursor, &preferred[n]))
		n++;
	return cscf_registrar_identify(s->p.registrar, conn, preferred, n, out);
}

/* OPTIONS to the gateway itself: the core's keep-alive. */
static bool is_for_us(const struct cscf_session *s, const struct cscf_sip_msg *msg)
{
	struct cscf_sip_uri uri;

	return cscf_sip_msg_method(msg) == CSCF_SIP_OPTIONS &&
	       cscf_sip_uri_parse(&uri, cscf_sip_msg_uri(msg)) == GW_OK && uri.user.n == 0 &&
	       (gw_slice_ieq_str(uri.host, s->cfg->mw_name) ||
		gw_slice_ieq_str(uri.host, cscf_sip_stack_w2_host(s->p.stack)));
}

void cscf_session_on_request(struct cscf_session *s, gw_handle server,
			     const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow)
{
	bool from_wic = flow->side == CSCF_SIP_W2;

	if (from_wic && s->p.emergency != NULL && emergency_take(s, server, msg, flow))
		return;
	if (!from_wic || !token_gate(s, server, msg, flow))
		session_take_request(s, server, msg, flow);
}

void session_take_request(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			  const struct cscf_sip_flow *flow)
{
	bool from_wic = flow->side == CSCF_SIP_W2;

	if (from_wic && from_check_refused(s, server, msg, flow))
		return;
	if (screen_refused(s, server, msg, from_wic ? SIDE_WIC : SIDE_CORE))
		return;
	if (cscf_sip_msg_method(msg) == CSCF_SIP_REGISTER) /* the registrar takes those of W2 */
		session_refuse(s, server, msg, 403, REFUSAL_NOT_FROM_CORE, NULL);
	else if (cscf_sip_msg_to_tag(msg).n > 0)
		in_dialog_request(s, server, msg, flow);
	else if (is_for_us(s, msg))
		cscf_sip_reply(s->p.stack, server, 200, NULL, (char *)NULL);
	else if (cscf_sip_msg_method(msg) == CSCF_SIP_INVITE && from_wic)
		call_start_from_wic(s, server, msg, flow, NULL);
	else if (cscf_sip_msg_method(msg) == CSCF_SIP_INVITE)
		call_start_from_core(s, server, msg);
	else if (from_wic)
		proxy_from_wic(s, server, msg, flow, NULL);
	else
		proxy_from_core(s, server, msg, false);
}

void cscf_session_on_cancel(struct cscf_session *s, gw_handle server,
			    const struct cscf_sip_msg *cancel)
{
	struct xact *x = xact_find_server(s, server);
	struct gw_slice reason;
	char *text = NULL;
	struct call *c;

	if (token_cancelled(s, server) || x == NULL || x->server_final)
		return;
	c = x->call;
	if (cscf_sip_msg_hdr(cancel, "Reason", &reason))
		text = gw_slice_dup(reason);
	CALL_LOG(GW_LOG_INFO, "call.cancel", c, side_name(x->from), "reason=\"%.100s\"",
		 text != NULL ? text : "");
	/* With the caller's own Reason; a later cancel of the release finds it done. */
	if (x->client_live && !x->client_final &&
	    cscf_sip_cancel(s->p.stack, x->client, text) == GW_OK)
		x->cancelled = true;
	free(text);
	if (x->initial)
		call_release_cause(c, CAUSE_CANCELLED);
	else if (!x->cancelled)
		xact_reply(x, 487, NULL, NULL, NULL);
}

void cscf_session_on_server_done(struct cscf_session *s, gw_handle server, bool acked)
{
	struct xact *x = xact_find_server(s, server);

	(void)acked;
	token_server_done(s, server);
	if (x == NULL)
		return;
	x->server_final = true;
	if (x->awaits_ack && !x->call->released) { /* to its 2xx, for 64*T1 (CALL-24) */
		x->awaits_ack = false;
		cscf_story_timer(x->call->story, "64*T1: no ACK");
		call_release_cause(x->call, CAUSE_NO_ACK);
		return;
	}
	xact_check(x);
}

/* ---- the association behind the calls -----------------------------------------------------------
 */

bool session_flow_outbound(const struct cscf_session *s, uint64_t conn)
{
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1];
	struct cscf_registrar_target target;

	cscf_sip_flow_token_make(s->p.tokens, conn, CSCF_SIP_DIR_TO_WIC, token);
	return cscf_registrar_reach(s->p.registrar, gw_slice_str(token), GW_SLICE_NONE, &target) ==
	       CSCF_REGISTRAR_LOST_OUTBOUND;
}

void cscf_session_on_reg_event(struct cscf_session *s, enum cscf_registrar_event event,
			       gw_handle assoc, uint64_t old_conn, uint64_t conn)
{
	struct call *next;

	for (struct call *c = call_of_assoc(s, assoc); c != NULL; c = next) {
		next = c->assoc_next; /* calls are freed at the end of the loop turn, not here */
		switch (event) {
		case CSCF_REGISTRAR_EV_FLOW_LOST:
			flow_lost(c, old_conn);
			break;
		case CSCF_REGISTRAR_EV_REATTACHED:
			flow_back(c, conn);
			break;
		case CSCF_REGISTRAR_EV_GRACE_OVER:
			flow_given_up(c);
			if (!c->released)
				call_release_cause(c, CAUSE_WIC_GONE);
			break;
		case CSCF_REGISTRAR_EV_ENDED:
			flow_given_up(c);
			if (!c->released)
				call_release_cause(c, CAUSE_DEREGISTERED);
			break;
		}
	}
}

void cscf_session_release_all(struct cscf_session *s)
{
	uint32_t cursor = 0;
	struct call *c;

	while ((c = gw_handle_next(s->calls, &cursor)) != NULL)
		if (!c->released)
			call_release_cause(c, CAUSE_SHUTDOWN);
}

bool cscf_session_has_calls(const struct cscf_session *s, gw_handle assoc)
{
	for (const struct call *c = call_of_assoc(s, assoc); c != NULL; c = c->assoc_next)
		if (c->fsm.state != CALL_S_ENDED)
			return true;
	return false;
}

size_t cscf_session_conns(const struct cscf_session *s, uint64_t *out, size_t max)
{
	uint32_t cursor = 0;
	const struct call *c;
	size_t n = 0;

	while (n < max && (c = gw_handle_next(s->calls, &cursor)) != NULL)
		if (c->fsm.state != CALL_S_ENDED && c->conn != 0)
			out[n++] = c->conn;
	return n;
}

bool cscf_session_waits_for_wic(const struct cscf_session *s)
{
	uint32_t cursor = 0;
	const struct call *c;

	while ((c = gw_handle_next(s->calls, &cursor)) != NULL)
		if (c->fsm.state != CALL_S_ENDED && c->conn == 0)
			return true;
	return false;
}

void cscf_session_counts(const struct cscf_session *s, struct cscf_session_counts *out)
{
	uint32_t cursor = 0;
	const struct call *c;

	*out = (struct cscf_session_counts){.proxied = s->n_proxied};
	while ((c = gw_handle_next(s->calls, &cursor)) != NULL) {
		if (c->fsm.state == CALL_S_ENDED)
			continue;
		out->calls++;
		out->dialogs += c->n_dialogs;
		if (c->fsm.state == CALL_S_CONFIRMED)
			out->confirmed++;
	}
}
