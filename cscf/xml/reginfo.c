/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of reginfo.h: one pass over the tree, every text copied, every count bounded.
 * Thread: any.
 */
#include "cscf/xml/reginfo.h"

#include "cscf/xml/xml_int.h"

#include <stdlib.h>
#include <string.h>

#define NS "urn:ietf:params:xml:ns:reginfo"

static const char *const state_names[] = {
    [CSCF_REGINFO_INIT] = "init",
    [CSCF_REGINFO_ACTIVE] = "active",
    [CSCF_REGINFO_TERMINATED] = "terminated",
};

static const char *const event_names[CSCF_REGINFO_EVENT_COUNT] = {
    [CSCF_REGINFO_REGISTERED] = "registered", [CSCF_REGINFO_CREATED] = "created",
    [CSCF_REGINFO_REFRESHED] = "refreshed",   [CSCF_REGINFO_SHORTENED] = "shortened",
    [CSCF_REGINFO_EXPIRED] = "expired",       [CSCF_REGINFO_DEACTIVATED] = "deactivated",
    [CSCF_REGINFO_PROBATION] = "probation",   [CSCF_REGINFO_UNREGISTERED] = "unregistered",
    [CSCF_REGINFO_REJECTED] = "rejected",     [CSCF_REGINFO_OTHER] = "other",
};

const char *cscf_reginfo_state_name(enum cscf_reginfo_state state)
{
	return state_names[state];
}

const char *cscf_reginfo_event_name(enum cscf_reginfo_event event)
{
	return event_names[event];
}

/* ---- attributes ----------------------------------------------------------------------------- */

static bool read_state(const xmlNode *e, enum cscf_reginfo_state lowest,
		       enum cscf_reginfo_state *out)
{
	char *text = xml_attr(e, "state");
	bool known = false;

	for (unsigned s = lowest; text != NULL && s <= CSCF_REGINFO_TERMINATED && !known; s++) {
		known = strcmp(text, state_names[s]) == 0;
		if (known)
			*out = (enum cscf_reginfo_state)s;
	}
	free(text);
	return known;
}

static enum cscf_reginfo_event read_event(const xmlNode *e)
{
	char *text = xml_attr(e, "event");
	unsigned at = CSCF_REGINFO_OTHER;

	for (unsigned i = 0; text != NULL && i < CSCF_REGINFO_OTHER; i++)
		if (strcmp(text, event_names[i]) == 0)
			at = i;
	free(text);
	return (enum cscf_reginfo_event)at;
}

/* ---- contacts ------------------------------------------------------------------------------- */

static size_t count(const xmlNode *parent, const char *name)
{
	const xmlNode *e = xml_element(parent->children, NS);
	size_t n = 0;

	for (; e != NULL; e = xml_element(e->next, NS))
		n += xml_is(e, name);
	return n;
}

static void contact_fini(struct cscf_reginfo_contact *c)
{
	free(c->uri);
	free(c->instance);
	free(c->call_id);
}

/* "<urn:uuid:…>" with or without the quotes of the header that it was copied from. */
static char *unquoted(char *text)
{
	size_t n = strlen(text);

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text[n - 1] = '\0';
		memmove(text, text + 1, n - 1);
	}
	return text;
}

/* <unknown-param name="+sip.instance">, <unknown-param name="reg-id"> (RFC 3680 s5.3.3). */
static void read_param(struct cscf_reginfo_contact *c, const xmlNode *e)
{
	char *name = xml_attr(e, "name"), *text = xml_text(e);

	if (name != NULL && text != NULL && strcmp(name, "+sip.instance") == 0 &&
	    c->instance == NULL) {
		c->instance = unquoted(text);
		text = NULL;
	} else if (name != NULL && text != NULL && strcmp(name, "reg-id") == 0) {
		unsigned long v = strtoul(text, NULL, 10);

		c->reg_id = v <= UINT32_MAX ? (uint32_t)v : 0;
	}
	free(name);
	free(text);
}

static enum gw_err read_contact(struct cscf_reginfo_contact *c, const xmlNode *e)
{
	const xmlNode *child = xml_element(e->children, NS);

	if (!read_state(e, CSCF_REGINFO_ACTIVE, &c->state))
		return GW_ERR_PARSE;
	c->event = read_event(e);
	c->has_expires = xml_attr_uint(e, "expires", UINT32_MAX, &c->expires_s);
	c->has_retry_after = xml_attr_uint(e, "retry-after", UINT32_MAX, &c->retry_after_s);
	c->has_cseq = xml_attr_uint(e, "cseq", UINT32_MAX, &c->cseq);
	c->call_id = xml_attr(e, "callid");
	for (; child != NULL; child = xml_element(child->next, NS)) {
		if (xml_is(child, "uri") && c->uri == NULL) {
			c->uri = xml_text(child);
			if (c->uri == NULL)
				return GW_ERR_NOMEM;
		} else if (xml_is(child, "unknown-param")) {
			read_param(c, child);
		}
	}
	if (c->instance == NULL)
		c->instance = strdup("");
	if (c->call_id == NULL)
		c->call_id = strdup("");
	if (c->instance == NULL || c->call_id == NULL)
		return GW_ERR_NOMEM;
	return c->uri != NULL && c->uri[0] != '\0' ? GW_OK : GW_ERR_PARSE;
}

static enum gw_err read_contacts(struct cscf_reginfo_registration *r, const xmlNode *parent)
{
	const xmlNode *e = xml_element(parent->children, NS);
	size_t n = count(parent, "contact");
	enum gw_err err = GW_OK;

	if (n > CSCF_REGINFO_MAX_CONTACTS)
		return GW_ERR_TOO_BIG;
	r->contacts = calloc(n + 1, sizeof(*r->contacts));
	if (r->contacts == NULL)
		return GW_ERR_NOMEM;
	for (; e != NULL && err == GW_OK; e = xml_element(e->next, NS))
		if (xml_is(e, "contact"))
			err = read_contact(&r->contacts[r->n_contacts++], e);
	return err;
}

/* ---- registrations -------------------------------------------------------------------------- */

static enum gw_err read_registration(struct cscf_reginfo_registration *r, const xmlNode *e)
{
	r->aor = xml_attr(e, "aor");
	if (r->aor == NULL || r->aor[0] == '\0' || !read_state(e, CSCF_REGINFO_INIT, &r->state))
		return GW_ERR_PARSE;
	return read_contacts(r, e);
}

static enum gw_err read_root(struct cscf_reginfo *out, const xmlNode *root)
{
	const xmlNode *e = xml_element(root, NS);
	enum gw_err err = GW_OK;
	char *state;
	size_t n;

	if (e == NULL || !xml_is(e, "reginfo") ||
	    !xml_attr_uint(e, "version", UINT32_MAX, &out->version))
		return GW_ERR_PARSE;
	state = xml_attr(e, "state");
	out->full = state != NULL && strcmp(state, "full") == 0;
	if (state == NULL || (!out->full && strcmp(state, "partial") != 0))
		err = GW_ERR_PARSE;
	free(state);
	n = count(e, "registration");
	if (err == GW_OK && n > CSCF_REGINFO_MAX_REGISTRATIONS)
		err = GW_ERR_TOO_BIG;
	if (err != GW_OK)
		return err;
	out->registrations = calloc(n + 1, sizeof(*out->registrations));
	if (out->registrations == NULL)
		return GW_ERR_NOMEM;
	for (e = xml_element(e->children, NS); e != NULL && err == GW_OK;
	     e = xml_element(e->next, NS))
		if (xml_is(e, "registration"))
			err = read_registration(&out->registrations[out->n_registrations++], e);
	return err;
}

enum gw_err cscf_reginfo_parse(struct cscf_reginfo *out, struct gw_slice text)
{
	xmlDocPtr doc = NULL;
	enum gw_err err = xml_doc_parse(&doc, text, CSCF_REGINFO_MAX_OCTETS);

	memset(out, 0, sizeof(*out));
	if (err == GW_OK)
		err = read_root(out, xmlDocGetRootElement(doc));
	xmlFreeDoc(doc);
	if (err != GW_OK)
		cscf_reginfo_fini(out);
	return err;
}

void cscf_reginfo_fini(struct cscf_reginfo *info)
{
	for (size_t i = 0; i < info->n_registrations; i++) {
		struct cscf_reginfo_registration *r = &info->registrations[i];

		for (size_t k = 0; k < r->n_contacts; k++)
			contact_fini(&r->contacts[k]);
		free(r->contacts);
		free(r->aor);
	}
	free(info->registrations);
	memset(info, 0, sizeof(*info));
}
