/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message needs before it goes to the core: nothing that a WIC may not say, the identity
 * and charging vector that we vouch for, the Service-Route of the registration, our Record-Route.
 * Thread: the cscf loop. Spec: registration 4.1, ID-03, 04, 06, 08, 10, 14, 15; CALL-07, 20.
 */
#include "cscf/session/session_int.h"

#include "common/rand.h"
#include "cscf/registrar/trust.h"

#include <stdio.h>

#define GW_LOG_MOD "session"

char *leg_pcv(const struct cscf_session *s, const char *icid)
{
	char value[33], text[640];

	if (icid == NULL || icid[0] == '\0') {
		gw_rand_hex(value, 16);
		icid = value;
	}
	snprintf(text, sizeof(text), "icid-value=\"%s\";icid-generated-at=%s;orig-ioi=\"%s%s\"",
		 icid, s->cfg->mw_name, s->cfg->ioi_prefix, s->cfg->orig_ioi);
	return strdup(text);
}

char *leg_new_pcv(const struct cscf_session *s, char **icid)
{
	char value[33];

	gw_rand_hex(value, 16);
	*icid = strdup(value);
	return leg_pcv(s, value);
}

enum gw_err leg_add_pcv(const struct call *c, struct cscf_sip_msg *msg)
{
	return c->pcv != NULL ? cscf_sip_msg_hdr_set(msg, "P-Charging-Vector", c->pcv) : GW_OK;
}

enum gw_err leg_add_cfa(const struct cscf_session *s, struct cscf_sip_msg *msg,
			const struct cscf_registrar_identity *id)
{
	if (!s->cfg->send_cfa || id->cfa == NULL || id->cfa[0] == '\0')
		return GW_OK;
	return cscf_sip_msg_hdr_set(msg, "P-Charging-Function-Addresses", id->cfa);
}

enum gw_err leg_mw_invite(struct call *c, struct cscf_sip_msg *msg,
			  const struct cscf_registrar_identity *id)
{
	enum gw_err err = cscf_trust_strip_from_wic(msg);

	/* A WIC is no proxy: a route set of its making would lead its dialog past the core. */
	(void)cscf_sip_msg_hdr_del(msg, "Record-Route");
	if (err == GW_OK)
		err = leg_prepare_request(msg, SIDE_CORE);
	for (size_t i = 0; err == GW_OK && i < id->n_pai; i++)
		err = cscf_sip_msg_hdr_append(msg, "P-Asserted-Identity", id->pai[i]);
	if (err == GW_OK)
		err = leg_add_pcv(c, msg);
	if (err == GW_OK)
		err = leg_add_cfa(c->s, msg, id);
	route_pop_own(c->s, msg, SIDE_WIC);
	if (err == GW_OK && c->emergency != NULL)
		err = emergency_address(c->emergency, msg);
	else if (err == GW_OK && id->n_service_route == 0)
		err = GW_ERR_STATE; /* REG-24: no originating service */
	else if (err == GW_OK)
		err = route_enforce(c->s, msg, id->service_route, id->n_service_route);
	return err == GW_OK ? route_record(c->s, msg, c->conn, true) : err;
}

/* Is each of these an IMPU of the association? Then they select who answers (ID-03). */
static bool are_own(const struct cscf_session *s, gw_handle assoc, char *const *claims, size_t n)
{
	struct cscf_sip_name_addr na;

	for (size_t i = 0; i < n; i++)
		if (cscf_sip_name_addr_parse(&na, gw_slice_str(claims[i])) != GW_OK ||
		    !cscf_registrar_has_impu(s->p.registrar, assoc, na.uri))
			return false;
	return n > 0;
}

enum gw_err leg_strip_answer(struct cscf_session *s, uint64_t conn, gw_handle assoc,
			     const char *called, struct cscf_sip_msg *rsp)
{
	struct cscf_registrar_identity id;
	struct gw_slice chosen[2] = {gw_slice_str(called), GW_SLICE_NONE};
	size_t n_chosen = chosen[0].n > 0 ? 1 : 0, n = 0;
	char **claims = NULL;
	enum gw_err err = cscf_sip_msg_values_dup(rsp, "P-Preferred-Identity", false, &claims, &n);

	if (err == GW_OK)
		err = cscf_trust_strip_from_wic(rsp);
	if (n <= 2 && are_own(s, assoc, claims, n))
		for (n_chosen = 0; n_chosen < n; n_chosen++)
			chosen[n_chosen] = gw_slice_str(claims[n_chosen]);
	if (err == GW_OK && conn != 0 &&
	    cscf_registrar_identify(s->p.registrar, conn, chosen, n_chosen, &id))
		for (size_t i = 0; err == GW_OK && i < id.n_pai; i++)
			err = cscf_sip_msg_hdr_append(rsp, "P-Asserted-Identity", id.pai[i]);
	cscf_sip_texts_free(claims, n);
	return err;
}

/* The list must come back as we sent it (CALL-11); a WIC that lost it is repaired. */
static enum gw_err repair_record_route(struct call *c, struct cscf_sip_msg *rsp)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	size_t i = 0;

	while (cscf_sip_msg_value_next(rsp, "Record-Route", &cursor, &value) &&
	       i < c->n_record_route && gw_slice_eq_str(value, c->record_route[i]))
		i++;
	if (i == c->n_record_route &&
	    cscf_sip_msg_value_count(rsp, "Record-Route") == c->n_record_route)
		return GW_OK;
	gw_metric_inc(&session_metrics[SM_RR_REPAIRED]);
	return cscf_sip_msg_values_set(rsp, "Record-Route", c->record_route, c->n_record_route);
}

enum gw_err leg_mw_response(struct call *c, struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	enum gw_err err = c->from_wic ? cscf_trust_strip_from_wic(rsp)
				      : leg_strip_answer(c->s, c->conn, c->assoc, c->called, rsp);

	if (err == GW_OK)
		err = leg_filter_features(rsp, SIDE_CORE);
	if (err == GW_OK)
		err = leg_add_pcv(c, rsp);
	if (err == GW_OK && !c->from_wic && status > 100 && status < 300 &&
	    cscf_sip_msg_method(rsp) == CSCF_SIP_INVITE)
		err = repair_record_route(c, rsp);
	return err;
}
