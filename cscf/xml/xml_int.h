/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of cscf/xml only: reading a document from a peer, and walking it.
 * Thread: any, one document at a time per thread.
 */
#ifndef CSCF_XML_XML_INT_H
#define CSCF_XML_XML_INT_H

#include "common/err.h"
#include "common/slice.h"

#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#define XML_MAX_DEPTH    16   /* of elements; the documents read here need 5 */
#define XML_MAX_ELEMENTS 4096 /* a tree node costs 30 times what its text does */
#define XML_MAX_ATTRS    32   /* of one element, namespace declarations included */

/**
 * Parse a whole document. A DTD, another encoding than UTF-8, US-ASCII, ISO-8859-1 or UTF-16, or
 * a character reference that XML forbids is an error; nothing is ever fetched (REG-69).
 * @param out  free with xmlFreeDoc
 * @return GW_OK; GW_ERR_TOO_BIG octets, depth or counts; GW_ERR_DENIED a DTD;
 *         GW_ERR_UNSUPPORTED encoding; GW_ERR_PARSE not well-formed; GW_ERR_NOMEM
 */
enum gw_err xml_doc_parse(xmlDocPtr *out, struct gw_slice text, size_t max_octets) GW_MUST_CHECK;

/** The next element in that namespace (NULL = none), the given one included; NULL at the end. */
const xmlNode *xml_element(const xmlNode *from, const char *ns);
bool xml_is(const xmlNode *element, const char *name);
/**
 * Text of an element, character data of its own only, blanks at both ends off.
 * @return heap; NULL when out of memory
 */
char *xml_text(const xmlNode *element);
/** An attribute without namespace. @return heap, blanks off; NULL when absent or out of memory */
char *xml_attr(const xmlNode *element, const char *name);
/** Decimal digits only, at most max. @return false when absent, malformed or larger */
bool xml_attr_uint(const xmlNode *element, const char *name, uint32_t max, uint32_t *out);

#endif
