/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this REGISTER go on at all, and what does it say? Everything here is decided from the
 * message and the configuration; what needs state (limits, other associations) is in
 * registrar.c. Nothing from the WIC is believed: the facts only select what we do.
 * Spec: REG-01, 11, 12, 13, 15, 17, SEC-08, SEC-09, SEC-15, SEC-22, DEREG-03; RFC 3261 s10.2.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/reg_int.h"

#include "cscf/registrar/scheme.h"
#include "cscf/sip/auth.h"

#define MAX_CONTACT_PARAMS 64

static const struct reg_refusal out_of_memory = {500, "Server Internal Error", "no-memory", NULL,
						 NULL};

static bool refuse(struct reg_refusal *why, int status, const char *reason, const char *word)
{
	*why = (struct reg_refusal){status, reason, word, NULL, NULL};
	return false;
}

static bool no_memory(struct reg_refusal *why)
{
	*why = out_of_memory;
	return false;
}

static char *dup(struct gw_slice s)
{
	return gw_slice_dup(s);
}

/* Request-URI and identities: our domains only, nobody registers for another (SEC-22, REG-11). */
static bool read_identity(struct reg_request *q, const struct cscf_registrar *r,
			  const struct cscf_sip_msg *msg, struct reg_refusal *why)
{
	struct gw_slice to = cscf_sip_msg_to_uri(msg), from = cscf_sip_msg_from_uri(msg);
	struct cscf_sip_uri uri;
	char *from_aor;
	bool same;

	if (cscf_sip_uri_parse(&uri, cscf_sip_msg_uri(msg)) == GW_OK &&
	    (uri.scheme == CSCF_SIP_SCHEME_SIP || uri.scheme == CSCF_SIP_SCHEME_SIPS))
		q->domain = reg_home(r, uri.host);
	if (q->domain == NULL)
		return refuse(why, 403, "Domain Not Served", "foreign-domain");
	if (cscf_sip_uri_parse(&uri, to) != GW_OK)
		return refuse(why, 400, "Bad To", "bad-to");
	if (uri.scheme != CSCF_SIP_SCHEME_TEL && !reg_is_home(r, uri.host))
		return refuse(why, 403, "Domain Not Served", "foreign-to");
	q->to_aor = cscf_sip_uri_aor(to);
	q->to_uri = dup(to);
	from_aor = cscf_sip_uri_aor(from);
	same = q->to_aor != NULL && from_aor != NULL && strcmp(q->to_aor, from_aor) == 0;
	free(from_aor);
	if (q->to_uri == NULL)
		return no_memory(why);
	if (!same)
		return refuse(why, 403, "Third-Party Registration", "third-party");
	return true;
}

/* user@host of the To-IMPU, for a REGISTER without credentials (TS 23.003 13.3 backwards). */
static char *impi_from_aor(const char *aor)
{
	const char *colon = strchr(aor, ':');

	return strdup(colon != NULL ? colon + 1 : aor);
}

/* Fit for a log line and a table key: printable, no blank, no quote. */
static bool is_plain(const char *text)
{
	const char *p = text;

	while ((unsigned char)*p > 0x20 && *p != 0x7f && *p != '"')
		p++;
	return *p == 0 && p != text;
}

static bool foreign_realm(const struct cscf_registrar *r, const char *username)
{
	const char *at = strrchr(username, '@');

	return at != NULL && !reg_is_home(r, gw_slice_str(at + 1));
}

bool reg_impi_is_ours(const struct cscf_registrar *r, const char *impi)
{
	return is_plain(impi) && !foreign_realm(r, impi);
}

static enum reg_offered digest_kind(const struct cscf_sip_auth *auth)
{
	char text[64];

	if (!cscf_sip_auth_param_str(auth, "algorithm", text, sizeof(text)))
		return REG_OFFERED_DIGEST;
	if (strcasecmp(text, "AKAv2-SHA-256") == 0)
		return REG_OFFERED_AKA_V2;
	return strncasecmp(text, "AKAv1-", 6) == 0 ? REG_OFFERED_AKA_V1 : REG_OFFERED_DIGEST;
}

static bool read_digest(struct reg_request *q, const struct cscf_registrar *r,
			const struct cscf_sip_auth *auth, struct reg_refusal *why)
{
	char text[256];
	struct gw_slice raw;

	if (!cscf_sip_auth_param_str(auth, "username", text, sizeof(text)) || !is_plain(text))
		return refuse(why, 400, "Bad Authorization", "no-username");
	if (foreign_realm(r, text))
		return refuse(why, 403, "Foreign Private Identity", "foreign-impi");
	q->impi = strdup(text);
	if (cscf_sip_auth_param_str(auth, "realm", text, sizeof(text)) && text[0] != '\0' &&
	    !reg_is_home(r, gw_slice_str(text)))
		return refuse(why, 403, "Foreign Realm", "foreign-realm");
	q->resync = digest_kind(auth) != REG_OFFERED_DIGEST &&
		    cscf_sip_auth_param(auth, "auts", &raw) && raw.n > 2;
	q->has_response = cscf_sip_auth_param(auth, "response", &raw) && raw.n > 0 &&
			  !gw_slice_eq_str(raw, "\"\"");
	return q->impi != NULL || no_memory(why);
}

/* By its first word alone: what follows is for the token library to judge (SEC-09). */
static bool is_bearer(struct gw_slice value)
{
	size_t n = 0;

	while (n < value.n && value.p[n] != ' ' && value.p[n] != '\t')
		n++;
	return gw_slice_ieq_str((struct gw_slice){value.p, n}, "Bearer");
}

/* One of each scheme at most; which of them counts is policy (SEC-08). */
static bool read_credentials(struct reg_request *q, struct cscf_registrar *r,
			     const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow,
			     struct reg_refusal *why)
{
	struct gw_slice value, bearer = GW_SLICE_NONE;
	size_t cursor = 0, n_digest = 0, n_bearer = 0;
	struct cscf_sip_auth digest = {0};

	while (cscf_sip_msg_hdr_next(msg, "Authorization", &cursor, &value)) {
		struct cscf_sip_auth auth;

		if (is_bearer(value)) {
			bearer = value;
			n_bearer++;
			continue;
		}
		if (cscf_sip_auth_parse(&auth, value) != GW_OK)
			return refuse(why, 400, "Bad Authorization", "bad-credentials");
		if (auth.scheme == CSCF_SIP_AUTH_DIGEST) {
			if (!cscf_sip_auth_is_single(&auth))
				return refuse(why, 400, "Bad Authorization", "said-twice");
			digest = auth;
			n_digest++;
		}
	}
	if (n_digest > 1 || n_bearer > 1)
		return refuse(why, 400, "Several Credentials", "several-credentials");
	if (!reg_scheme_choose(r, flow, q, n_digest > 0 ? digest_kind(&digest) : REG_OFFERED_NONE,
			       n_bearer > 0, &q->scheme, why))
		return false;
	if (q->scheme == REG_SCHEME_BEARER) {
		q->credentials = dup(bearer);
		q->impi = strdup("");
		return (q->credentials != NULL && q->impi != NULL) || no_memory(why);
	}
	if (q->scheme != REG_SCHEME_NONE)
		return read_digest(q, r, &digest, why);
	q->impi = impi_from_aor(q->to_aor);
	return q->impi != NULL || no_memory(why);
}

struct contact {
	struct cscf_sip_name_addr na;
	struct cscf_sip_uri uri;
	char instance[128];
	uint32_t reg_id;
	uint32_t expires_s;
	bool has_expires;
};

/* Each parameter once: of two the core might take the other one, and with it a lifetime or a
 * transport that nobody here has looked at. Those of the header field plain to read besides. */
static bool are_single(struct gw_slice params, bool of_uri)
{
	struct gw_slice v, names[MAX_CONTACT_PARAMS];
	size_t cursor = 0, n = 0;

	while (n < MAX_CONTACT_PARAMS && cscf_sip_param_next(params, &cursor, &names[n], &v)) {
		if (!of_uri && (!cscf_sip_is_token(names[n]) || !cscf_sip_is_plain_value(v)))
			return false;
		for (size_t i = 0; i < n; i++)
			if (gw_slice_ieq(names[i], names[n]))
				return false;
		n++;
	}
	return n < MAX_CONTACT_PARAMS;
}

static bool read_contact(struct contact *c, struct gw_slice value)
{
	struct gw_slice p;

	memset(c, 0, sizeof(*c));
	if (cscf_sip_name_addr_parse(&c->na, value) != GW_OK)
		return false;
	if (c->na.star)
		return true;
	if (cscf_sip_uri_parse(&c->uri, c->na.uri) != GW_OK || !are_single(c->uri.params, true) ||
	    !are_single(c->na.params, false))
		return false;
	if (cscf_sip_param_get(c->na.params, "+sip.instance", &p))
		(void)cscf_sip_unquote(p, c->instance, sizeof(c->instance));
	if (cscf_sip_param_get(c->na.params, "reg-id", &p) &&
	    !cscf_sip_uint(p, INT32_MAX, &c->reg_id))
		c->reg_id = 0;
	if (cscf_sip_param_get(c->na.params, "expires", &p)) {
		c->has_expires = true;
		if (!cscf_sip_uint(p, UINT32_MAX, &c->expires_s))
			c->expires_s = REG_EXPIRES_DEFAULT_S; /* REG-15 */
	}
	return true;
}

static uint32_t expires_header(const struct cscf_sip_msg *msg)
{
	struct gw_slice value;
	uint32_t s;

	if (!cscf_sip_msg_hdr(msg, "Expires", &value) ||
	    !cscf_sip_uint(cscf_sip_trim(value), UINT32_MAX, &s))
		return REG_EXPIRES_DEFAULT_S;
	return s;
}

/* Only a WebSocket behind us may be a contact: anything else would point the core at a victim
 * (REG-13); a `sos` contact asks for an emergency registration, not served on W2 (REG-01). */
static bool check_contact(const struct contact *c, const struct cscf_registrar *r,
			  struct reg_refusal *why)
{
	if (c->uri.scheme != CSCF_SIP_SCHEME_SIP && c->uri.scheme != CSCF_SIP_SCHEME_SIPS)
		return refuse(why, 400, "Bad Contact", "bad-contact");
	if (cscf_sip_uri_param(&c->uri, "sos", NULL) ||
	    cscf_sip_param_get(c->na.params, "sos", NULL))
		return refuse(why, 403, "Emergency Registration Not Supported", "emergency");
	if (r->cfg->contact_ws_only && !cscf_sip_uri_is_websocket(&c->uri))
		return refuse(why, 403, "Contact Not Allowed", "foreign-contact");
	return true;
}

static uint32_t expires_of(const struct contact *c, const struct cscf_sip_msg *msg)
{
	return c->has_expires ? c->expires_s : expires_header(msg);
}

/* The contact that the REGISTER is about. */
static bool keep(struct reg_request *q, const struct cscf_sip_msg *msg, const struct contact *c)
{
	free(q->contact);
	free(q->instance);
	q->star = c->na.star;
	q->contact = c->na.star ? strdup("") : dup(c->na.uri);
	q->instance = strdup(c->instance);
	q->reg_id = c->reg_id;
	q->expires_s = expires_of(c, msg);
	q->dereg = q->expires_s == 0;
	q->ob = c->reg_id > 0 && c->instance[0] != '\0' &&
		cscf_sip_msg_has_token(msg, "Supported", "outbound");
	return q->contact != NULL && q->instance != NULL;
}

static bool read_contacts(struct reg_request *q, const struct cscf_registrar *r,
			  const struct cscf_sip_msg *msg, struct reg_refusal *why)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	struct contact c;
	size_t n = 0;

	if (cscf_sip_msg_hdr_num(msg, "Expires") > 1)
		return refuse(why, 400, "Several Expires", "several-expires");
	while (cscf_sip_msg_value_next(msg, "Contact", &cursor, &value)) {
		n++;
		q->several = n > 1;
		if (!read_contact(&c, value))
			return refuse(why, 400, "Bad Contact", "bad-contact");
		if (!c.na.star && !check_contact(&c, r, why))
			return false;
		if (n == 1 && !keep(q, msg, &c))
			return no_memory(why);
		if (n > 1 && (q->star || c.na.star))
			return refuse(why, 400, "Bad Contact", "star-and-others");
		/* several contacts: all of this instance, or none of them (REG-12) */
		if (n > 1 && (q->instance[0] == '\0' || strcmp(q->instance, c.instance) != 0))
			return refuse(why, 400, "Several Instances", "several-instances");
		/* an old contact goes in the same breath: the new one is what is registered */
		if (n > 1 && q->dereg && expires_of(&c, msg) > 0 && !keep(q, msg, &c))
			return no_memory(why);
	}
	if (n == 0) {
		q->query = true;
		q->contact = strdup("");
		q->instance = strdup("");
		return (q->contact != NULL && q->instance != NULL) || no_memory(why);
	}
	if (q->star && !q->dereg)
		return refuse(why, 400, "Bad Contact", "star-expires");
	return true;
}

bool reg_request_read(struct reg_request *out, struct cscf_registrar *r,
		      const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow,
		      struct reg_refusal *why)
{
	struct gw_slice id = cscf_sip_msg_call_id(msg);

	memset(out, 0, sizeof(*out));
	if (id.n < sizeof(out->call_id))
		memcpy(out->call_id, id.p, id.n);
	out->cseq = cscf_sip_msg_cseq(msg);
	if (cscf_sip_msg_has_token(msg, "Require", "sec-agree")) {
		*why = (struct reg_refusal){420, "Bad Extension", "sec-agree", "Unsupported",
					    "sec-agree"};
		return false;
	}
	return read_identity(out, r, msg, why) && read_credentials(out, r, msg, flow, why) &&
	       read_contacts(out, r, msg, why);
}

void reg_request_fini(struct reg_request *q)
{
	free(q->to_aor);
	free(q->to_uri);
	free(q->impi);
	free(q->contact);
	free(q->instance);
	if (q->credentials != NULL) /* a token: nothing of it stays in memory */
		explicit_bzero(q->credentials, strlen(q->credentials));
	free(q->credentials);
	cscf_authz_grant_unref(q->grant);
	memset(q, 0, sizeof(*q));
}

bool reg_same_contact(const struct reg_request *q, const char *contact_uri)
{
	return cscf_sip_uri_text_eq(gw_slice_str(q->contact), gw_slice_str(contact_uri));
}
