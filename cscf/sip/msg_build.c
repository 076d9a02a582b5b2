/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that start here: responses (RFC 3261 s8.2.6), requests of our own (s12.2.1.1), and the
 * ACK and CANCEL of the transaction layer (s17.1.1.3, s9.1).
 */
#include "common/fmt.h"
#include "cscf/sip/msg_int.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_EXPECTED 1024 /* octets */

static enum gw_err copy_fields(struct cscf_sip_msg *to, const struct cscf_sip_msg *from,
			       const char *name)
{
	size_t cursor = 0;
	struct gw_slice value;
	enum gw_err err = GW_OK;

	while (err == GW_OK && cscf_sip_msg_hdr_next(from, name, &cursor, &value))
		err = cscf_sip_hdr_insert(to, to->n_hdr, gw_slice_str(name), value);
	return err;
}

enum gw_err cscf_sip_msg_new_response(struct cscf_sip_msg **out, const struct cscf_sip_msg *req,
				      int status, const char *reason)
{
	static const char *const copied[] = {"Via", "From", "To", "Call-ID", "CSeq"};
	struct cscf_sip_msg *m;
	enum gw_err err;

	*out = NULL;
	if (req->status != 0 || status < 100 || status > 699)
		return GW_ERR_INVAL;
	err = cscf_sip_msg_new(&m, TEXT_EXPECTED);
	if (err != GW_OK)
		return err;
	m->status = status;
	err = cscf_sip_msg_set_status(m, status, reason);
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]) && err == GW_OK; i++)
		err = copy_fields(m, req, copied[i]);
	if (err != GW_OK) {
		cscf_sip_msg_free(m);
		return err;
	}
	*out = m;
	return GW_OK;
}

static enum gw_err start_request(struct cscf_sip_msg **out, const char *method, const char *uri)
{
	struct cscf_sip_msg *m;
	enum gw_err err = GW_ERR_INVAL;

	*out = NULL;
	if (!cscf_sip_is_token(gw_slice_str(method)))
		return err;
	err = cscf_sip_msg_new(&m, TEXT_EXPECTED);
	if (err != GW_OK)
		return err;
	m->method_text = cscf_sip_msg_keep(m, gw_slice_str(method));
	err = m->method_text != NULL ? cscf_sip_msg_set_uri(m, uri) : GW_ERR_NOMEM;
	if (err != GW_OK) {
		cscf_sip_msg_free(m);
		return err;
	}
	*out = m;
	return GW_OK;
}

static enum gw_err add(struct cscf_sip_msg *m, const char *name, const char *value)
{
	return cscf_sip_hdr_insert(m, m->n_hdr, gw_slice_str(name), gw_slice_str(value));
}

static enum gw_err add_cseq(struct cscf_sip_msg *m, uint32_t number)
{
	char *text;
	enum gw_err err;

	if (gw_asfmt(&text, "%u %s", (unsigned)number, m->method_text) < 0)
		return GW_ERR_NOMEM;
	err = add(m, "CSeq", text);
	free(text);
	return err;
}

enum gw_err cscf_sip_msg_new_request(struct cscf_sip_msg **out,
				     const struct cscf_sip_request_params *p)
{
	struct cscf_sip_msg *m;
	enum gw_err err = start_request(&m, p->method, p->uri);

	*out = NULL;
	if (err != GW_OK)
		return err;
	err = add(m, "Max-Forwards", "70");
	for (size_t i = 0; i < p->n_routes && err == GW_OK; i++)
		err = add(m, "Route", p->routes[i]);
	if (err == GW_OK)
		err = add(m, "From", p->from);
	if (err == GW_OK)
		err = add(m, "To", p->to);
	if (err == GW_OK)
		err = add(m, "Call-ID", p->call_id);
	if (err == GW_OK)
		err = add_cseq(m, p->cseq);
	if (err != GW_OK) {
		cscf_sip_msg_free(m);
		return err;
	}
	*out = m;
	return GW_OK;
}

/* ACK and CANCEL: same Request-URI, top Via, From, Call-ID, CSeq number, Routes as the INVITE. */
static enum gw_err new_companion(struct cscf_sip_msg **out, const struct cscf_sip_msg *invite,
				 const struct cscf_sip_msg *to_from, const char *method)
{
	struct gw_slice via;
	struct cscf_sip_msg *m;
	enum gw_err err = start_request(&m, method, invite->uri);

	*out = NULL;
	if (err != GW_OK)
		return err;
	if (cscf_sip_msg_value_top(invite, "Via", &via))
		err = cscf_sip_hdr_insert(m, 0, GW_SLICE_LIT("Via"), via);
	if (err == GW_OK)
		err = add(m, "Max-Forwards", "70");
	if (err == GW_OK)
		err = copy_fields(m, invite, "Route");
	if (err == GW_OK)
		err = copy_fields(m, invite, "From");
	if (err == GW_OK)
		err = copy_fields(m, to_from, "To");
	if (err == GW_OK)
		err = copy_fields(m, invite, "Call-ID");
	if (err == GW_OK)
		err = add_cseq(m, cscf_sip_msg_cseq(invite));
	if (err != GW_OK) {
		cscf_sip_msg_free(m);
		return err;
	}
	*out = m;
	return GW_OK;
}

enum gw_err cscf_sip_msg_new_ack(struct cscf_sip_msg **out, const struct cscf_sip_msg *invite,
				 const struct cscf_sip_msg *rsp)
{
	return new_companion(out, invite, rsp, "ACK");
}

enum gw_err cscf_sip_msg_new_cancel(struct cscf_sip_msg **out, const struct cscf_sip_msg *invite,
				    const char *reason)
{
	enum gw_err err = new_companion(out, invite, invite, "CANCEL");

	if (err != GW_OK || reason == NULL)
		return err;
	err = add(*out, "Reason", reason);
	if (err != GW_OK) {
		cscf_sip_msg_free(*out);
		*out = NULL;
	}
	return err;
}
