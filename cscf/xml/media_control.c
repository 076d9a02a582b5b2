/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one primitive of media_control.h that is ours. The schema has no namespace.
 * Thread: any.
 */
#include "cscf/xml/media_control.h"

#include "cscf/xml/xml_int.h"

const char *cscf_media_control_fast_update(void)
{
	return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"
	       "<media_control><vc_primitive><to_encoder>"
	       "<picture_fast_update></picture_fast_update>"
	       "</to_encoder></vc_primitive></media_control>\r\n";
}

/* Is there, under any of the elements on that path, the last of them? NULL ends it. */
static bool has_path(const xmlNode *parent, const char *ns, const char *const *path)
{
	if (*path == NULL)
		return true;
	for (const xmlNode *e = xml_element(parent->children, ns); e != NULL;
	     e = xml_element(e->next, ns))
		if (xml_is(e, *path) && has_path(e, ns, path + 1))
			return true;
	return false;
}

enum gw_err cscf_media_control_parse(bool *picture, struct gw_slice text)
{
	static const char *const path[] = {"vc_primitive", "to_encoder", "picture_fast_update",
					   NULL};
	xmlDocPtr doc = NULL;
	enum gw_err err = xml_doc_parse(&doc, text, CSCF_MEDIA_CONTROL_MAX_OCTETS);
	const xmlNode *root;

	*picture = false;
	if (err != GW_OK)
		return err;
	root = xmlDocGetRootElement(doc);
	if (xml_is(root, "media_control"))
		*picture =
		    has_path(root, root->ns != NULL ? (const char *)root->ns->href : NULL, path);
	else
		err = GW_ERR_PARSE;
	xmlFreeDoc(doc);
	return err;
}
