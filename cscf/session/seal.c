/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialogs that nothing is kept of (subscriptions, REFER outside a call): what a later request of
 * the WIC must not change stands in our own Record-Route entry towards it, sealed. ";d=ICID.MAC"
 * binds connection, Call-ID, icid and the route set behind us (without one: the remote target's
 * address), so that such a request leads nowhere but into its dialog, and is charged as one.
 * Thread: the cscf loop. Spec: ID-07, ID-08; RFC 3261 s16.7 (8), RFC 5658.
 */
#include "cscf/session/seal.h"

#include <stdio.h>

#define PARAM     "d"
#define TEXT_MAX  4096
#define MAX_ROUTE 16

static bool parse_uri(struct gw_slice value, struct cscf_sip_uri *uri)
{
	struct cscf_sip_name_addr addr;

	return cscf_sip_name_addr_parse(&addr, value) == GW_OK &&
	       cscf_sip_uri_parse(uri, addr.uri) == GW_OK;
}

static bool is_own(const struct cscf_session *s, const struct cscf_sip_uri *uri, uint64_t conn,
		   enum cscf_sip_direction *dir)
{
	uint64_t named;

	return cscf_sip_flow_token_verify(s->p.tokens, uri->user, &named, dir) == GW_OK &&
	       named == conn;
}

/* What is sealed, as text: netstrings, so that no field can say what belongs to the next. */
struct sealed {
	char text[TEXT_MAX];
	size_t n;
	bool whole; /* everything did fit */
};

static void put(struct sealed *t, struct gw_slice field)
{
	size_t room = sizeof(t->text) - t->n;
	int n = snprintf(t->text + t->n, room, "%zu:", field.n);

	if (n < 0 || (size_t)n >= room || field.n > room - (size_t)n) {
		t->whole = false;
		return;
	}
	t->n += (size_t)n;
	if (field.n > 0)
		memcpy(t->text + t->n, field.p, field.n);
	t->n += field.n;
}

static void put_number(struct sealed *t, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

	put(t, (struct gw_slice){text, (size_t)n});
}

static void put_hop(struct sealed *t, const struct cscf_sip_uri *uri)
{
	put(t, uri->user);
	put(t, uri->host);
	put_number(t, uri->port);
}

static void begin(struct sealed *t, const struct cscf_sip_msg *msg, uint64_t conn,
		  struct gw_slice icid)
{
	t->n = 0;
	t->whole = true;
	put(t, GW_SLICE_LIT("dialog"));
	put_number(t, conn);
	put(t, cscf_sip_msg_call_id(msg));
	put(t, icid);
}

/* The entries behind ours, in the order in which the WIC's Route has them. */
static void put_routes(struct sealed *t, const struct cscf_session *s,
		       const struct cscf_sip_msg *msg, const char *header, bool reversed,
		       uint64_t conn, struct gw_slice target)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct cscf_sip_uri uris[MAX_ROUTE];
	enum cscf_sip_direction dir;
	struct cscf_sip_uri uri;
	struct gw_slice value;
	size_t n = 0;

	while (cscf_sip_msg_value_next(msg, header, &cursor, &value)) {
		if (n == MAX_ROUTE || !parse_uri(value, &uri)) {
			t->whole = false;
			return;
		}
		if (!is_own(s, &uri, conn, &dir))
			uris[n++] = uri;
	}
	put_number(t, n);
	for (size_t i = 0; i < n; i++)
		put_hop(t, &uris[reversed ? n - 1 - i : i]);
	if (n > 0)
		return;
	/* nothing behind us: the next hop is the remote target itself */
	if (cscf_sip_uri_parse(&uri, target) == GW_OK)
		put_hop(t, &(struct cscf_sip_uri){.host = uri.host, .port = uri.port});
	else
		t->whole = false;
}

static struct gw_slice icid_of(struct gw_slice pcv, char *buf, size_t n)
{
	struct gw_slice raw;

	buf[0] = '\0';
	if (cscf_sip_param_get(pcv, "icid-value", &raw) && raw.n < n)
		(void)cscf_sip_unquote(raw, buf, n);
	/* fit for a URI parameter, and without the dot that ends it */
	for (const char *p = buf; *p != '\0'; p++)
		if (strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_",
			   *p) == NULL)
			buf[0] = '\0';
	return gw_slice_str(buf);
}

/* Our entry towards the WIC, with the seal. */
static char *entry_with(struct gw_slice value, struct gw_slice icid, const char *mac)
{
	size_t end = value.n;
	char *out = NULL;

	while (end > 0 && value.p[end - 1] != '>')
		end--;
	if (end == 0 || asprintf(&out, "%.*s;" PARAM "=%.*s.%s>", (int)(end - 1), value.p,
				 GW_SLICE_FMT(icid), mac) < 0)
		return NULL;
	return out;
}

enum gw_err seal_dialog(struct cscf_session *s, struct cscf_sip_msg *msg, uint64_t conn,
			const char *pcv)
{
	char mac[CSCF_SIP_FLOW_SEAL_LEN + 1], icid_text[SEAL_ICID_MAX + 1], **values = NULL;
	struct cscf_sip_name_addr contact;
	struct gw_slice icid = icid_of(gw_slice_str(pcv), icid_text, sizeof(icid_text));
	bool is_answer = !cscf_sip_msg_is_request(msg);
	struct sealed t = {.n = 0};
	size_t n = 0;
	enum gw_err err;

	begin(&t, msg, conn, icid);
	put_routes(&t, s, msg, "Record-Route", is_answer, conn,
		   cscf_sip_msg_contact(msg, &contact) ? contact.uri : GW_SLICE_NONE);
	if (!t.whole) /* too much of it: later requests of this dialog are refused */
		return GW_OK;
	cscf_sip_flow_token_seal(s->p.tokens, (struct gw_slice){t.text, t.n}, mac);
	err = cscf_sip_msg_values_dup(msg, "Record-Route", false, &values, &n);
	for (size_t i = 0; err == GW_OK && i < n; i++) {
		enum cscf_sip_direction dir;
		struct cscf_sip_uri uri;
		char *text;

		if (!parse_uri(gw_slice_str(values[i]), &uri) || !is_own(s, &uri, conn, &dir) ||
		    dir != CSCF_SIP_DIR_TO_CORE || cscf_sip_uri_param(&uri, PARAM, NULL))
			continue;
		text = entry_with(gw_slice_str(values[i]), icid, mac);
		err = text != NULL ? GW_OK : GW_ERR_NOMEM;
		if (err == GW_OK) {
			free(values[i]);
			values[i] = text;
		}
	}
	if (err == GW_OK && n > 0)
		err = cscf_sip_msg_values_set(msg, "Record-Route", values, n);
	cscf_sip_texts_free(values, n);
	return err;
}

enum gw_err seal_check(const struct cscf_session *s, const struct cscf_sip_msg *req, uint64_t conn,
		       char icid[SEAL_ICID_MAX + 1])
{
	enum cscf_sip_direction dir;
	uint64_t made_on; /* the WIC's connection when the dialog began */
	struct gw_slice top, seal;
	struct cscf_sip_uri uri;
	struct sealed t = {.n = 0};
	size_t dot;

	icid[0] = '\0';
	if (!cscf_sip_msg_value_top(req, "Route", &top) || !parse_uri(top, &uri) ||
	    cscf_sip_flow_token_verify(s->p.tokens, uri.user, &made_on, &dir) != GW_OK ||
	    (made_on != conn && cscf_registrar_conn_now(s->p.registrar, made_on) != conn))
		return GW_ERR_NOT_FOUND;
	if (!cscf_sip_uri_param(&uri, PARAM, &seal))
		return GW_ERR_DENIED;
	for (dot = 0; dot < seal.n && seal.p[dot] != '.'; dot++)
		;
	if (dot > SEAL_ICID_MAX || dot == seal.n)
		return GW_ERR_DENIED;
	begin(&t, req, made_on, (struct gw_slice){seal.p, dot});
	put_routes(&t, s, req, "Route", false, made_on, cscf_sip_msg_uri(req));
	if (!t.whole ||
	    !cscf_sip_flow_token_sealed(s->p.tokens, (struct gw_slice){t.text, t.n},
					(struct gw_slice){seal.p + dot + 1, seal.n - dot - 1}))
		return GW_ERR_DENIED;
	memcpy(icid, seal.p, dot);
	icid[dot] = '\0';
	return GW_OK;
}
