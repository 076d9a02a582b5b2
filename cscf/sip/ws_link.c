/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack over cscf/ws; see ws_link.h.
 */
#include "cscf/sip/ws_link.h"

#include "cscf/sip/stack_int.h"

static enum gw_err ws_send(void *arg, uint64_t conn, const char *data, size_t n)
{
	struct cscf_ws_conn *c = cscf_ws_conn_find(arg, conn);

	if (c == NULL)
		return GW_ERR_GONE;
	return cscf_ws_conn_send(c, data, n, !cscf_ws_utf8_valid(data, n));
}

static void ws_close(void *arg, uint64_t conn, uint16_t code, const char *reason)
{
	struct cscf_ws_conn *c = cscf_ws_conn_find(arg, conn);

	if (c != NULL)
		cscf_ws_conn_close(c, code, reason);
}

static bool ws_take_token(void *arg, uint64_t conn)
{
	struct cscf_ws_conn *c = cscf_ws_conn_find(arg, conn);

	return c == NULL || cscf_ws_conn_take_token(c);
}

static void ws_set_authenticated(void *arg, uint64_t conn, bool yes)
{
	struct cscf_ws_conn *c = cscf_ws_conn_find(arg, conn);

	if (c == NULL)
		return;
	if (yes)
		cscf_ws_conn_mark_authenticated(c);
	else
		cscf_ws_conn_mark_unauthenticated(c);
}

static const char *ws_origin(void *arg, uint64_t conn)
{
	struct cscf_ws_conn *c = cscf_ws_conn_find(arg, conn);

	return c != NULL ? cscf_ws_conn_origin(c) : "";
}

static const struct cscf_sip_ws_ops ops = {
    .send = ws_send,
    .close = ws_close,
    .take_token = ws_take_token,
    .set_authenticated = ws_set_authenticated,
    .origin = ws_origin,
};

void cscf_sip_stack_attach_ws(struct cscf_sip_stack *s, struct cscf_ws_listener *listener)
{
	s->ws_ops = listener != NULL ? &ops : NULL;
	s->ws_arg = listener;
}

/* --- what the listener tells --- */

static void on_open(void *arg, struct cscf_ws_conn *c)
{
	enum gw_err err = cscf_sip_w2_opened(arg, cscf_ws_conn_id(c), cscf_ws_conn_is_tls(c),
					     cscf_ws_conn_local(c), cscf_ws_conn_peer(c));

	if (err != GW_OK)
		cscf_ws_conn_close(c, CSCF_WS_TRY_LATER, gw_err_name(err));
}

static void on_message(void *arg, struct cscf_ws_conn *c, const uint8_t *bytes, size_t len,
		       bool binary)
{
	(void)binary; /* both frame types carry SIP (WS-06) */
	cscf_sip_w2_message(arg, cscf_ws_conn_id(c), (const char *)bytes, len);
}

static void on_close(void *arg, struct cscf_ws_conn *c, enum cscf_ws_cause cause, uint16_t code)
{
	(void)cause;
	(void)code;
	cscf_sip_w2_closed(arg, cscf_ws_conn_id(c));
}

const struct cscf_ws_cbs cscf_sip_ws_cbs = {
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};
