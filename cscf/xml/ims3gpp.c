/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build and read application/3gpp-ims+xml (ims3gpp.h). The schema of TS 24.229 7.6 has no target
 * namespace; a body that declares one for the root is read all the same, elements of any other
 * namespace are extensions.
 * Thread: any.
 */
#include "cscf/xml/ims3gpp.h"

#include "cscf/xml/xml_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- building ------------------------------------------------------------------------------- */

static bool can_be_text(const char *s)
{
	if (s == NULL || !xmlCheckUTF8((const unsigned char *)s))
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 && *s != '\t' && *s != '\n')
			return false;
	return true;
}

static bool add(xmlNodePtr to, const char *name, const char *text)
{
	return xmlNewTextChild(to, NULL, (const xmlChar *)name, (const xmlChar *)text) != NULL;
}

static bool fill(xmlDocPtr doc, const char *type, const char *reason, const char *action)
{
	xmlNodePtr root = xmlNewDocNode(doc, NULL, (const xmlChar *)"ims-3gpp", NULL), alt;

	if (root == NULL)
		return false;
	xmlDocSetRootElement(doc, root);
	if (xmlNewProp(root, (const xmlChar *)"version", (const xmlChar *)"1") == NULL)
		return false;
	alt = xmlNewChild(root, NULL, (const xmlChar *)"alternative-service", NULL);
	return alt != NULL && add(alt, "type", type) && add(alt, "reason", reason) &&
	       (action == NULL || add(alt, "action", action));
}

enum gw_err cscf_ims3gpp_build(char **out, size_t *n, const char *type, const char *reason,
			       const char *action)
{
	enum gw_err err = GW_ERR_NOMEM;
	xmlChar *text = NULL;
	xmlDocPtr doc;
	int len = 0;

	if (!can_be_text(type) || type[0] == '\0' || !can_be_text(reason) ||
	    (action != NULL && !can_be_text(action)))
		return GW_ERR_INVAL;
	doc = xmlNewDoc((const xmlChar *)"1.0");
	if (doc == NULL)
		return err;
	if (fill(doc, type, reason, action))
		xmlDocDumpFormatMemoryEnc(doc, &text, &len, "UTF-8", 1);
	if (text != NULL && len > 0) {
		*out = gw_slice_dup((struct gw_slice){(const char *)text, (size_t)len});
		*n = (size_t)len;
		err = *out != NULL ? GW_OK : GW_ERR_NOMEM;
	}
	xmlFree(text);
	xmlFreeDoc(doc);
	return err;
}

/* ---- reading -------------------------------------------------------------------------------- */

static enum gw_err take(char **slot, const xmlNode *element)
{
	if (*slot != NULL) /* the schema has each once: the first counts */
		return GW_OK;
	*slot = xml_text(element);
	return *slot != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err read_alternative(struct cscf_ims3gpp *out, const xmlNode *alt, const char *ns)
{
	const xmlNode *e = xml_element(alt->children, ns);
	enum gw_err err = GW_OK;

	for (; e != NULL && err == GW_OK; e = xml_element(e->next, ns)) {
		if (xml_is(e, "type"))
			err = take(&out->type, e);
		else if (xml_is(e, "reason"))
			err = take(&out->reason, e);
		else if (xml_is(e, "action"))
			err = take(&out->action, e);
	}
	if (err == GW_OK && (out->type == NULL || out->type[0] == '\0' || out->reason == NULL))
		err = GW_ERR_PARSE;
	return err;
}

static enum gw_err read_root(struct cscf_ims3gpp *out, const xmlNode *root)
{
	const char *ns = root->ns != NULL ? (const char *)root->ns->href : NULL;
	const xmlNode *e;

	if (!xml_is(root, "ims-3gpp"))
		return GW_ERR_PARSE;
	for (e = xml_element(root->children, ns); e != NULL; e = xml_element(e->next, ns))
		if (xml_is(e, "alternative-service"))
			return read_alternative(out, e, ns);
	return GW_ERR_NOT_FOUND;
}

enum gw_err cscf_ims3gpp_parse(struct cscf_ims3gpp *out, struct gw_slice text)
{
	xmlDocPtr doc = NULL;
	enum gw_err err = xml_doc_parse(&doc, text, CSCF_IMS3GPP_MAX_OCTETS);

	*out = (struct cscf_ims3gpp){NULL, NULL, NULL};
	if (err == GW_OK)
		err = read_root(out, xmlDocGetRootElement(doc));
	xmlFreeDoc(doc);
	if (err != GW_OK)
		cscf_ims3gpp_fini(out);
	return err;
}

void cscf_ims3gpp_fini(struct cscf_ims3gpp *body)
{
	free(body->type);
	free(body->reason);
	free(body->action);
	*body = (struct cscf_ims3gpp){NULL, NULL, NULL};
}

bool cscf_ims3gpp_is_restoration(struct gw_slice text)
{
	struct cscf_ims3gpp body;
	bool yes;

	if (cscf_ims3gpp_parse(&body, text) != GW_OK)
		return false;
	yes = strcmp(body.type, CSCF_IMS3GPP_RESTORATION) == 0 && body.action != NULL &&
	      strcmp(body.action, CSCF_IMS3GPP_INITIAL_REG) == 0;
	cscf_ims3gpp_fini(&body);
	return yes;
}
