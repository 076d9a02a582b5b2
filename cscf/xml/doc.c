/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading XML from a peer with libxml2, so that a hostile document costs no more than its size:
 * the octets are bounded before the parser sees them, elements, attributes and depth while it
 * runs, and a document type declaration stops it before anything in it is looked at. Without a
 * DTD there are no entities but the five of XML itself, and nothing to fetch.
 * Spec: RFC 3680 s5, RFC 7303; REG-69, SEC-27. Thread: any.
 */
#include "cscf/xml/xml_int.h"

#include <libxml/parser.h>
#include <libxml/SAX2.h>
#include <stdlib.h>
#include <string.h>

/* What the parser found out on the way; hangs on the parser context. */
struct guard {
	unsigned depth, elements;
	enum gw_err err;
};

static void stop(xmlParserCtxtPtr ctxt, enum gw_err err)
{
	struct guard *g = ctxt->_private;

	if (g->err == GW_OK)
		g->err = err;
	xmlStopParser(ctxt);
}

static void on_dtd(void *arg, const xmlChar *name, const xmlChar *id, const xmlChar *sys)
{
	(void)name;
	(void)id;
	(void)sys;
	stop(arg, GW_ERR_DENIED);
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
		     int n_ns, const xmlChar **ns, int n_attrs, int n_default,
		     const xmlChar **attrs)
{
	xmlParserCtxtPtr ctxt = arg;
	struct guard *g = ctxt->_private;

	if (++g->depth > XML_MAX_DEPTH || ++g->elements > XML_MAX_ELEMENTS ||
	    n_ns + n_attrs > XML_MAX_ATTRS) {
		stop(ctxt, GW_ERR_TOO_BIG);
		return;
	}
	xmlSAX2StartElementNs(arg, name, prefix, uri, n_ns, ns, n_attrs, n_default, attrs);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxtPtr ctxt = arg;
	struct guard *g = ctxt->_private;

	g->depth--;
	xmlSAX2EndElementNs(arg, name, prefix, uri);
}

/* Comments and instructions say nothing to us: not kept. */
static void on_nothing(void *arg, const xmlChar *text)
{
	(void)arg;
	(void)text;
}

static void on_instruction(void *arg, const xmlChar *target, const xmlChar *text)
{
	(void)arg;
	(void)target;
	(void)text;
}

/* ---- encodings ------------------------------------------------------------------------------ */

static bool is_known_encoding(struct gw_slice name)
{
	static const char *const known[] = {"utf-8", "us-ascii", "iso-8859-1", "utf-16"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (gw_slice_ieq_str(name, known[i]))
			return true;
	return false;
}

/* The value of encoding= in <?xml … ?>; n = 0 when there is none. */
static struct gw_slice declared_encoding(struct gw_slice text)
{
	const char *end, *at, *quote;

	if (!gw_slice_starts(text, "<?xml"))
		return GW_SLICE_NONE;
	end = memmem(text.p, text.n, "?>", 2);
	if (end == NULL)
		return GW_SLICE_NONE;
	at = memmem(text.p, (size_t)(end - text.p), "encoding", 8);
	if (at == NULL)
		return GW_SLICE_NONE;
	at += 8;
	while (at < end && *at != '"' && *at != '\'')
		at++;
	if (at == end)
		return GW_SLICE_NONE;
	quote = memchr(at + 1, *at, (size_t)(end - at - 1));
	if (quote == NULL)
		return GW_SLICE_NONE;
	return (struct gw_slice){at + 1, (size_t)(quote - at - 1)};
}

/* Only encodings that libxml2 reads by itself: iconv and its tables stay out of reach. */
static bool encoding_is_allowed(struct gw_slice text)
{
	struct gw_slice name;

	if (text.n < 4)
		return false;
	if (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0)
		return text.p[2] != '\0' || text.p[3] != '\0'; /* else UTF-32 */
	if (memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = (struct gw_slice){text.p + 3, text.n - 3};
	if (memchr(text.p, '\0', text.n < 4 ? text.n : 4) != NULL)
		return false; /* two or four octets to a character without a mark */
	name = declared_encoding(text);
	return name.n == 0 || is_known_encoding(name);
}

/* ---- the parser ----------------------------------------------------------------------------- */

static enum gw_err verdict(const xmlParserCtxt *ctxt, const struct guard *g, bool have_doc)
{
	if (g->err != GW_OK)
		return g->err;
	if (ctxt->errNo == XML_ERR_NO_MEMORY)
		return GW_ERR_NOMEM;
	return have_doc && ctxt->wellFormed && ctxt->nsWellFormed ? GW_OK : GW_ERR_PARSE;
}

enum gw_err xml_doc_parse(xmlDocPtr *out, struct gw_slice text, size_t max_octets)
{
	struct guard g = {.err = GW_OK};
	xmlParserCtxtPtr ctxt;
	enum gw_err err;
	xmlDocPtr doc;

	if (text.n > max_octets || text.n > INT32_MAX)
		return GW_ERR_TOO_BIG;
	if (text.n == 0)
		return GW_ERR_PARSE;
	if (!encoding_is_allowed(text))
		return text.n < 4 ? GW_ERR_PARSE : GW_ERR_UNSUPPORTED;
	ctxt = xmlNewParserCtxt();
	if (ctxt == NULL)
		return GW_ERR_NOMEM;
	ctxt->_private = &g;
	ctxt->sax->internalSubset = on_dtd;
	ctxt->sax->startElementNs = on_start;
	ctxt->sax->endElementNs = on_end;
	ctxt->sax->comment = on_nothing;
	ctxt->sax->processingInstruction = on_instruction;
	doc = xmlCtxtReadMemory(ctxt, text.p, (int)text.n, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
				    XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
	err = verdict(ctxt, &g, doc != NULL);
	xmlFreeParserCtxt(ctxt);
	if (err != GW_OK) {
		xmlFreeDoc(doc);
		return err;
	}
	*out = doc;
	return GW_OK;
}

/* ---- walking -------------------------------------------------------------------------------- */

static bool in_namespace(const xmlNode *e, const char *ns)
{
	const char *own = e->ns != NULL ? (const char *)e->ns->href : NULL;

	return own == NULL || ns == NULL ? own == ns : strcmp(own, ns) == 0;
}

const xmlNode *xml_element(const xmlNode *from, const char *ns)
{
	while (from != NULL && (from->type != XML_ELEMENT_NODE || !in_namespace(from, ns)))
		from = from->next;
	return from;
}

bool xml_is(const xmlNode *element, const char *name)
{
	return strcmp((const char *)element->name, name) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char *trimmed(struct gw_slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = (struct gw_slice){s.p + 1, s.n - 1};
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return gw_slice_dup(s);
}

/* Texts of a node list one after another; without a DTD there is nothing but text in it. */
static char *joined(const xmlNode *first)
{
	size_t n = 0;
	char *all, *out;

	for (const xmlNode *t = first; t != NULL; t = t->next)
		if (t->type == XML_TEXT_NODE && t->content != NULL)
			n += strlen((const char *)t->content);
	all = malloc(n + 1);
	if (all == NULL)
		return NULL;
	n = 0;
	for (const xmlNode *t = first; t != NULL; t = t->next) {
		size_t len;

		if (t->type != XML_TEXT_NODE || t->content == NULL)
			continue;
		len = strlen((const char *)t->content);
		memcpy(all + n, t->content, len);
		n += len;
	}
	out = trimmed((struct gw_slice){all, n});
	free(all);
	return out;
}

char *xml_text(const xmlNode *element)
{
	return joined(element->children);
}

static const xmlAttr *attr_find(const xmlNode *element, const char *name)
{
	for (const xmlAttr *a = element->properties; a != NULL; a = a->next)
		if (a->ns == NULL && strcmp((const char *)a->name, name) == 0)
			return a;
	return NULL;
}

char *xml_attr(const xmlNode *element, const char *name)
{
	const xmlAttr *a = attr_find(element, name);

	return a != NULL ? joined(a->children) : NULL;
}

bool xml_attr_uint(const xmlNode *element, const char *name, uint32_t max, uint32_t *out)
{
	char *text = xml_attr(element, name);
	uint64_t v = 0;
	const char *p = text;

	if (text == NULL)
		return false;
	for (; *p >= '0' && *p <= '9' && v <= max; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (p == text || *p != '\0' || v > max) {
		free(text);
		return false;
	}
	free(text);
	*out = (uint32_t)v;
	return true;
}
