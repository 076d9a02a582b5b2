/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own entries in Route and Record-Route. Two entries per dialog, because the transports
 * differ (RFC 5658): one for the core, one for the WIC, each with an authenticated flow token.
 *
 *   towards the core: Record-Route: <sip:TOKEN(to WIC)@mw;lr>, <sip:TOKEN(to
 * core)@w2;transport=ws;lr> towards the WIC:  the same two, the W2 entry on top
 *
 * Thread: the cscf loop. Spec: CALL-07, 09, 13; ID-06, 07, 10, 16; RFC 7118 §5.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

#define GW_LOG_MOD "session"
#define URI_MAX    400

static bool parse_uri(struct gw_slice value, struct cscf_sip_uri *uri)
{
	struct cscf_sip_name_addr addr;

	return cscf_sip_name_addr_parse(&addr, value) == GW_OK &&
	       cscf_sip_uri_parse(uri, addr.uri) == GW_OK;
}

/* Is it an entry of ours, and of which connection (0 = none named)? */
static bool is_own(const struct cscf_session *s, const struct cscf_sip_uri *uri, enum side from,
		   uint64_t *conn)
{
	enum cscf_sip_direction dir;
	enum gw_err err = cscf_sip_flow_token_verify(s->p.tokens, uri->user, conn, &dir);

	if (err != GW_OK)
		*conn = 0;
	if (err == GW_OK || err == GW_ERR_GONE)
		return true;
	/* A WIC's preloaded entry names the WebSocket server as its page knows it. */
	return from == SIDE_WIC && uri->user.n == 0 && cscf_sip_uri_is_websocket(uri);
}

bool route_is_own_uri(const struct cscf_session *s, struct gw_slice text, enum side from)
{
	struct cscf_sip_uri uri;
	uint64_t conn;

	return cscf_sip_uri_parse(&uri, text) == GW_OK && is_own(s, &uri, from, &conn);
}

/*
 * Only the entries of one connection: between two WICs of ours those of the other follow, and
 * they are another hop.
 */
unsigned route_pop_own(struct cscf_session *s, struct cscf_sip_msg *msg, enum side from)
{
	struct gw_slice top;
	struct cscf_sip_uri uri;
	uint64_t conn, first = 0;
	unsigned n = 0;

	while (n < 4 && cscf_sip_msg_value_top(msg, "Route", &top) && parse_uri(top, &uri) &&
	       is_own(s, &uri, from, &conn)) {
		if (first != 0 && conn != 0 && conn != first)
			break;
		if (conn != 0)
			first = conn;
		if (cscf_sip_msg_value_pop(msg, "Route") != GW_OK)
			break;
		n++;
	}
	return n;
}

struct gw_slice route_own_token(const struct cscf_sip_msg *msg)
{
	struct gw_slice top;
	struct cscf_sip_uri uri;

	if (!cscf_sip_msg_value_top(msg, "Route", &top) || !parse_uri(top, &uri))
		return GW_SLICE_NONE;
	return uri.user;
}

bool route_token_foreign(const struct cscf_session *s, const struct cscf_sip_msg *msg,
			 uint64_t conn)
{
	struct cscf_sip_values_cursor cursor = {0};
	enum cscf_sip_direction dir;
	struct gw_slice value;
	struct cscf_sip_uri uri;
	uint64_t named;
	enum gw_err err;

	/* What follows the first entry that is not ours is the core's business. */
	while (cscf_sip_msg_value_next(msg, "Route", &cursor, &value) && parse_uri(value, &uri)) {
		err = cscf_sip_flow_token_verify(s->p.tokens, uri.user, &named, &dir);
		if (err == GW_ERR_AUTH || (err == GW_OK && named != conn &&
					   cscf_registrar_conn_now(s->p.registrar, named) != conn))
			return true;
		if (err != GW_OK && !cscf_sip_uri_is_websocket(&uri))
			break;
	}
	return false;
}

enum gw_err route_record(struct cscf_session *s, struct cscf_sip_msg *msg, uint64_t conn,
			 bool to_core)
{
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1];
	char mw[URI_MAX], w2[URI_MAX];
	enum gw_err err;

	cscf_sip_flow_token_make(s->p.tokens, conn, CSCF_SIP_DIR_TO_WIC, token);
	snprintf(mw, sizeof(mw), "<sip:%s@%s;lr%s>", token, cscf_sip_stack_mw_hostport(s->p.stack),
		 s->rr_tcp ? ";transport=tcp" : "");
	cscf_sip_flow_token_make(s->p.tokens, conn, CSCF_SIP_DIR_TO_CORE, token);
	snprintf(w2, sizeof(w2), "<sip:%s@%s;transport=ws;lr>", token,
		 cscf_sip_stack_w2_host(s->p.stack));
	err = cscf_sip_msg_hdr_prepend(msg, "Record-Route", to_core ? w2 : mw);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_prepend(msg, "Record-Route", to_core ? mw : w2);
	return err;
}

static bool same_routes(const struct cscf_sip_msg *msg, char *const *routes, size_t n)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	struct cscf_sip_uri want, have;
	size_t i = 0;

	while (cscf_sip_msg_value_next(msg, "Route", &cursor, &value)) {
		if (i >= n || !parse_uri(gw_slice_str(routes[i]), &want) ||
		    !parse_uri(value, &have) || !cscf_sip_uri_eq(&want, &have))
			return false;
		i++;
	}
	return i == n;
}

enum gw_err route_enforce(struct cscf_session *s, struct cscf_sip_msg *msg, char *const *routes,
			  size_t n)
{
	if (same_routes(msg, routes, n))
		return GW_OK;
	if (cscf_sip_msg_value_count(msg, "Route") > 0) {
		gw_metric_inc(&session_metrics[SM_ROUTE_REPLACED]);
		if (s->cfg->route_reject)
			return GW_ERR_DENIED;
	}
	return cscf_sip_msg_values_set(msg, "Route", routes, n);
}
