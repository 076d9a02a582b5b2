/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings by contact, for requests of the core that name nothing else (lookup.c): a table by the
 * canonical URI; bindings that share one are chained behind the first.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/contact.h"

static struct reg_binding *find(const struct cscf_registrar *r, const char *key)
{
	struct reg_binding *b = NULL;

	HASH_FIND(hh, r->contacts, key, strlen(key), b);
	return b;
}

static void put_first(struct cscf_registrar *r, struct reg_binding *b)
{
	HASH_ADD_KEYPTR(hh, r->contacts, b->contact_key, strlen(b->contact_key), b);
}

void reg_contact_add(struct reg_binding *b)
{
	struct cscf_registrar *r = b->assoc->r;
	struct reg_binding *first;

	reg_contact_forget(b);
	b->contact_key = cscf_sip_uri_aor(gw_slice_str(b->contact));
	if (b->contact_key == NULL)
		return;
	first = find(r, b->contact_key);
	if (first == NULL) {
		put_first(r, b);
		return;
	}
	b->same_prev = first;
	b->same_next = first->same_next;
	if (b->same_next != NULL)
		b->same_next->same_prev = b;
	first->same_next = b;
}

void reg_contact_forget(struct reg_binding *b)
{
	struct cscf_registrar *r = b->assoc->r;
	struct reg_binding *next = b->same_next;

	if (b->contact_key == NULL)
		return;
	if (next != NULL)
		next->same_prev = b->same_prev;
	if (b->same_prev != NULL) {
		b->same_prev->same_next = next;
	} else {
		HASH_DELETE(hh, r->contacts, b);
		if (next != NULL)
			put_first(r, next);
	}
	b->same_prev = b->same_next = NULL;
	free(b->contact_key);
	b->contact_key = NULL;
}

const struct reg_binding *reg_contact_find(const struct cscf_registrar *r, struct gw_slice uri)
{
	char *key = cscf_sip_uri_aor(uri);
	const struct reg_binding *b = key != NULL ? find(r, key) : NULL;

	free(key);
	return b;
}
