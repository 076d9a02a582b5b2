/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lower the expiry that a REGISTER asks for, in the text as it was written: nothing but the
 * numbers changes (REG-19). A contact without one gets the Expires header field.
 * Spec: RFC 3261 s10.2.1.1; REG-15, TOK-22. Thread: the cscf loop.
 */
#include "cscf/registrar/tna.h"

#include <stdio.h>

/* Where in a contact its expires value stands; n = 0 when it has none. */
static struct gw_slice expires_of(struct gw_slice contact)
{
	struct cscf_sip_name_addr na;
	struct gw_slice p;

	if (cscf_sip_name_addr_parse(&na, contact) != GW_OK ||
	    !cscf_sip_param_get(na.params, "expires", &p))
		return GW_SLICE_NONE;
	return p;
}

/* What stands there in the place of text: the cap where it is over, and a number where it is none
 * that we can read. A core may read a longer one as the highest that there is, or as 3600. */
static bool is_over(struct gw_slice text, uint32_t seconds, uint32_t *instead)
{
	uint32_t s;
	bool is_number = cscf_sip_uint(text, UINT32_MAX, &s);

	*instead = is_number || seconds < REG_EXPIRES_DEFAULT_S ? seconds : REG_EXPIRES_DEFAULT_S;
	return !is_number || s > seconds;
}

/* The value of one Contact field with every number that is over replaced; NULL = no memory. */
static char *capped(struct gw_slice value, uint32_t seconds, bool *all_say)
{
	size_t cursor = 0, from = 0, at = 0, members = 0;
	struct gw_slice member;
	char *out;

	while (cscf_sip_list_next(value, &cursor, &member))
		members++;
	out = malloc(value.n + members * 12 + 1);
	if (out == NULL)
		return NULL;
	cursor = 0;
	while (cscf_sip_list_next(value, &cursor, &member)) {
		struct gw_slice p = expires_of(member);
		uint32_t instead;
		size_t head;

		*all_say = *all_say && p.n > 0;
		if (p.n == 0 || !is_over(p, seconds, &instead))
			continue;
		head = (size_t)(p.p - value.p) - from;
		memcpy(out + at, value.p + from, head);
		at += head;
		at += (size_t)snprintf(out + at, 12, "%u", instead);
		from = (size_t)(p.p - value.p) + p.n;
	}
	memcpy(out + at, value.p + from, value.n - from);
	out[at + value.n - from] = '\0';
	return out;
}

enum gw_err reg_cap_expires(struct cscf_sip_msg *m, uint32_t seconds)
{
	bool all_say = true;
	struct gw_slice value;
	size_t cursor = 0;
	char text[16];

	while (cscf_sip_msg_hdr_next(m, "Contact", &cursor, &value)) {
		char *changed = capped(value, seconds, &all_say);
		enum gw_err err;

		if (changed == NULL)
			return GW_ERR_NOMEM;
		err = gw_slice_eq_str(value, changed)
			  ? GW_OK
			  : cscf_sip_msg_hdr_set_at(m, cursor - 1, changed);
		free(changed);
		if (err != GW_OK)
			return err;
	}
	if (cscf_sip_msg_hdr(m, "Expires", &value)) {
		uint32_t instead;

		if (!is_over(cscf_sip_trim(value), seconds, &instead))
			return GW_OK;
		snprintf(text, sizeof(text), "%u", instead);
		return cscf_sip_msg_hdr_set(m, "Expires", text);
	}
	snprintf(text, sizeof(text), "%u", seconds);
	return all_say ? GW_OK : cscf_sip_msg_hdr_append(m, "Expires", text);
}
