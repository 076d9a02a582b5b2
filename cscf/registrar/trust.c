/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table 4.1 as code: one row per header field with what happens to it in each direction, then the
 * few rules that need to look inside a value. Unknown fields pass unchanged (RFC 3261 s16).
 * Spec: TS 24.229 4.4, RFC 3325, RFC 3329, RFC 7315; SEC-06, SEC-07, ID-11, ID-12, ID-15, ID-17,
 * CALL-44. Thread: any.
 */
#include "cscf/registrar/trust.h"

#include "common/log.h"
#include "cscf/sip/auth.h"
#include "cscf/sip/msg.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "registrar"

#define FROM_WIC   1U
#define TO_WIC     2U

static struct cscf_trust_options options = {.pai_to_wic = true};
static char network_provided[CSCF_TRUST_PANI_MAX]; /* the whole header value; "" = none */

/* Deleted whole. What is only relayed does not stand here. */
static const struct {
	const char *name;
	unsigned deleted;
} fields[] = {
    {"P-Asserted-Identity", FROM_WIC}, /* ours comes after; to the WIC: see Privacy */
    {"P-Preferred-Identity", FROM_WIC | TO_WIC},
    {"P-Asserted-Service", FROM_WIC | TO_WIC},
    {"P-Preferred-Service", TO_WIC},
    {"P-Charging-Vector", FROM_WIC | TO_WIC},
    {"P-Charging-Function-Addresses", FROM_WIC | TO_WIC},
    {"P-Visited-Network-ID", FROM_WIC | TO_WIC},
    {"Path", FROM_WIC},
    {"Service-Route", FROM_WIC},
    {"P-Associated-URI", FROM_WIC},
    {"P-Access-Network-Info", TO_WIC},
    {"Cellular-Network-Info", FROM_WIC | TO_WIC},
    {"P-Served-User", FROM_WIC | TO_WIC},
    {"P-Profile-Key", FROM_WIC | TO_WIC},
    {"P-User-Database", FROM_WIC | TO_WIC},
    {"P-Private-Network-Indication", FROM_WIC | TO_WIC},
    {"History-Info", FROM_WIC},
    {"P-Early-Media", TO_WIC},
    {"Feature-Caps", FROM_WIC},
    {"Restoration-Info", FROM_WIC | TO_WIC},
    {"Relayed-Charge", FROM_WIC | TO_WIC},
    {"Service-Interact-Info", FROM_WIC | TO_WIC},
    {"Response-Source", FROM_WIC | TO_WIC},
    {"Attestation-Info", FROM_WIC | TO_WIC},
    {"Origination-Id", FROM_WIC | TO_WIC},
    {"Additional-Identity", FROM_WIC | TO_WIC},
    {"Security-Client", FROM_WIC | TO_WIC},
    {"Security-Verify", FROM_WIC | TO_WIC},
    {"Security-Server", FROM_WIC | TO_WIC},
};

/* The same, unless a knob lets them pass. */
static const struct {
	const char *name;
	unsigned deleted;
	const bool *unless;
} by_knob[] = {
    {"P-Access-Network-Info", FROM_WIC, &options.pani_from_wic},
    {"Resource-Priority", FROM_WIC, &options.resource_priority},
    {"P-Early-Media", FROM_WIC, &options.early_media},
    {"Identity", FROM_WIC, &options.identity_from_wic}, /* ID-17: the home network signs */
    {"P-Asserted-Identity", TO_WIC, &options.pai_to_wic},
};

/* Digest parameters that only a trusted node may write, or only it may read (SEC-07). */
static const char *const core_params[] = {"integrity-protected", "authorization-entity", "ik", "ck",
					  NULL};
static const char *const key_params[] = {"ik", "ck", NULL};

/* One access-net-spec (RFC 7315 s5.4): a type, then parameters. */
static bool is_access_net_spec(struct gw_slice text)
{
	struct gw_slice member, name, value;
	size_t cursor = 0, n = 0;

	if (!cscf_sip_list_next(text, &cursor, &member) || member.n != text.n)
		return false;
	for (cursor = 0; cscf_sip_param_next(text, &cursor, &name, &value); n++)
		if (!cscf_sip_is_token(name) || !cscf_sip_is_plain_value(value) ||
		    (n == 0 && value.p != NULL))
			return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return n > 0;
}

enum gw_err cscf_trust_set(const struct cscf_trust_options *o, char *why, size_t n)
{
	static const char param[] = ";network-provided";
	struct gw_slice text = GW_SLICE_NONE;

	if (o->network_provided != NULL)
		text = cscf_sip_trim(gw_slice_str(o->network_provided));
	if (text.n > 0 &&
	    (text.n + sizeof(param) > sizeof(network_provided) || !is_access_net_spec(text))) {
		snprintf(why, n, "pani.network_provided: no access type with parameters");
		return GW_ERR_INVAL;
	}
	options = *o;
	options.network_provided = NULL; /* borrowed no longer than this call */
	snprintf(network_provided, sizeof(network_provided), "%.*s%s", GW_SLICE_FMT(text),
		 text.n == 0 || cscf_sip_param_get(text, "network-provided", NULL) ? "" : param);
	return GW_OK;
}

static void delete_fields(struct cscf_sip_msg *msg, unsigned direction)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if ((fields[i].deleted & direction) != 0)
			(void)cscf_sip_msg_hdr_del(msg, fields[i].name);
	for (size_t i = 0; i < sizeof(by_knob) / sizeof(by_knob[0]); i++)
		if ((by_knob[i].deleted & direction) != 0 && !*by_knob[i].unless)
			(void)cscf_sip_msg_hdr_del(msg, by_knob[i].name);
}

static enum gw_err set_without(struct cscf_sip_msg *msg, size_t i, struct gw_slice value,
			       const char *const *names)
{
	char *text = cscf_sip_auth_without(value, names);
	enum gw_err err;

	if (text == NULL)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_set_at(msg, i, text);
	free(text);
	return err;
}

/* One clean Digest, which says nothing twice, loses the core's parameters; all else goes: a token
 * is not the core's to see (TOK-16), and behind a scheme that we cannot read anything may stand
 * (SEC-07). */
static enum gw_err clean_credentials(struct cscf_sip_msg *msg, const char *header)
{
	for (size_t i = cscf_sip_msg_hdr_count(msg); i-- > 0;) {
		struct gw_slice name, value;
		struct cscf_sip_auth auth;
		enum gw_err err;

		cscf_sip_msg_hdr_at(msg, i, &name, &value);
		if (!gw_slice_ieq_str(name, header))
			continue;
		if (cscf_sip_auth_parse(&auth, value) != GW_OK || !cscf_sip_auth_is_single(&auth)) {
			cscf_sip_msg_hdr_del_at(msg, i);
			continue;
		}
		err = set_without(msg, i, value, core_params);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

/* A challenge that cannot be read may hide keys (several in one field, which SIP has not): it
 * goes, and what others there are stay. */
static enum gw_err clean_challenges(struct cscf_sip_msg *msg, const char *header)
{
	for (size_t i = cscf_sip_msg_hdr_count(msg); i-- > 0;) {
		struct gw_slice name, value;
		struct cscf_sip_auth auth;
		enum gw_err err;

		cscf_sip_msg_hdr_at(msg, i, &name, &value);
		if (!gw_slice_ieq_str(name, header))
			continue;
		if (cscf_sip_auth_parse(&auth, value) != GW_OK) {
			cscf_sip_msg_hdr_del_at(msg, i);
			GW_LOG_LIMITED(GW_LOG_WARN, "trust.bad_challenge", "header=%s", header);
			continue;
		}
		err = set_without(msg, i, value, key_params);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

/* A location that claims to come from the network did not come from a WIC (ID-12). */
static void drop_network_provided(struct cscf_sip_msg *msg)
{
	for (size_t i = cscf_sip_msg_hdr_count(msg); i-- > 0;) {
		struct gw_slice name, value, member, param;
		size_t cursor = 0;
		bool forged = false;

		cscf_sip_msg_hdr_at(msg, i, &name, &value);
		if (!gw_slice_ieq_str(name, "P-Access-Network-Info"))
			continue;
		while (cscf_sip_list_next(value, &cursor, &member))
			forged = forged || cscf_sip_param_get(member, "network-provided", &param);
		if (forged)
			cscf_sip_msg_hdr_del_at(msg, i);
	}
}

/* What we know of the WIC's access ourselves, by configuration (ID-12, CALL-44). */
static enum gw_err say_network(struct cscf_sip_msg *msg)
{
	enum cscf_sip_method method = cscf_sip_msg_method(msg);

	if (network_provided[0] == '\0' || method == CSCF_SIP_ACK || method == CSCF_SIP_CANCEL)
		return GW_OK;
	return cscf_sip_msg_hdr_append(msg, "P-Access-Network-Info", network_provided);
}

/* Cut ";cpc=…", ";oli=…", ";iotl=…" out of a value, whatever URI in it carries them. */
static char *without_uri_params(struct gw_slice value)
{
	static const char *const names[] = {"cpc", "oli", "iotl"};
	char *out = gw_slice_dup(value);
	size_t n = 0;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < value.n;) {
		size_t skip = 0;

		for (size_t k = 0; k < 3 && value.p[i] == ';'; k++) {
			size_t len = strlen(names[k]), end = i + 1 + len;

			if (value.n - i - 1 < len ||
			    strncasecmp(value.p + i + 1, names[k], len) != 0)
				continue;
			if (end < value.n && strchr("=;>?, ", value.p[end]) == NULL)
				continue;
			while (end < value.n && strchr(";>?, ", value.p[end]) == NULL)
				end++;
			skip = end - i;
		}
		if (skip == 0)
			out[n++] = value.p[i++];
		i += skip;
	}
	out[n] = '\0';
	return out;
}

static enum gw_err clean_uris(struct cscf_sip_msg *msg)
{
	static const char *const headers[] = {"From", "P-Asserted-Identity", "Route"};

	for (size_t k = 0; k < 3; k++) {
		struct gw_slice value;
		size_t cursor = 0;

		/* by name, so that compact forms ("f:") are met as well */
		while (cscf_sip_msg_hdr_next(msg, headers[k], &cursor, &value)) {
			char *text = without_uri_params(value);
			enum gw_err err = GW_OK;

			if (text == NULL)
				return GW_ERR_NOMEM;
			if (strlen(text) != value.n)
				err = cscf_sip_msg_hdr_set_at(msg, cursor - 1, text);
			free(text);
			if (err != GW_OK)
				return err;
		}
	}
	return GW_OK;
}

enum gw_err cscf_trust_strip_from_wic(struct cscf_sip_msg *msg)
{
	enum gw_err err;

	delete_fields(msg, FROM_WIC);
	drop_network_provided(msg);
	if (cscf_sip_msg_has_token(msg, "Priority", "psap-callback"))
		(void)cscf_sip_msg_hdr_del(msg, "Priority");
	if (!cscf_sip_msg_is_request(msg))
		(void)cscf_sip_msg_hdr_del(msg, "Reason");
	err = clean_credentials(msg, "Authorization");
	if (err == GW_OK)
		err = clean_credentials(msg, "Proxy-Authorization");
	if (err == GW_OK)
		err = clean_uris(msg);
	if (err == GW_OK)
		err = cscf_sip_msg_del_token(msg, "Supported", "sec-agree");
	return err == GW_OK ? say_network(msg) : err;
}

enum gw_err cscf_trust_strip_to_wic(struct cscf_sip_msg *msg)
{
	bool register_ok =
	    !cscf_sip_msg_is_request(msg) && cscf_sip_msg_method(msg) == CSCF_SIP_REGISTER;
	enum gw_err err;

	delete_fields(msg, TO_WIC);
	if (!register_ok) {
		(void)cscf_sip_msg_hdr_del(msg, "Service-Route");
		(void)cscf_sip_msg_hdr_del(msg, "P-Associated-URI");
	}
	if (cscf_sip_msg_has_token(msg, "Privacy", "id"))
		(void)cscf_sip_msg_hdr_del(msg, "P-Asserted-Identity");
	err = clean_challenges(msg, "WWW-Authenticate");
	if (err == GW_OK)
		err = clean_challenges(msg, "Proxy-Authenticate");
	if (err == GW_OK)
		err = clean_uris(msg);
	if (err == GW_OK)
		err = cscf_sip_msg_del_token(msg, "Supported", "sec-agree");
	return err;
}
