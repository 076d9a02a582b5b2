/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an association that moved has been: dialogs that it made before carry flow tokens of the
 * connection of that time, and go on over the one it has now (DEREG-43). The last MOVED_MAX
 * connections of an association are known; a token of an older one leads nowhere.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/moved.h"

#define MOVED_MAX 8

struct reg_moved {
	uint64_t conn; /* never used again for another */
	gw_handle assoc;
	struct reg_moved *next; /* of the association, newest first */
	UT_hash_handle hh;      /* in registrar->moved */
};

static void drop(struct cscf_registrar *r, struct reg_moved *m)
{
	GW_ASSERT(r->moved != NULL); /* m is in it */
	HASH_DELETE(hh, r->moved, m);
	free(m);
}

void reg_moved_add(struct reg_assoc *a, uint64_t from)
{
	struct cscf_registrar *r = a->r;
	struct reg_moved *m = NULL, **tail;
	unsigned n = 0;

	HASH_FIND(hh, r->moved, &from, sizeof(from), m);
	if (m != NULL) /* of another IMPI that was there too: the first keeps the name */
		return;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return; /* its dialogs end as if it had not come back */
	m->conn = from;
	m->assoc = a->handle;
	HASH_ADD(hh, r->moved, conn, sizeof(m->conn), m);
	if (m->hh.tbl == NULL) {
		free(m);
		return;
	}
	m->next = a->moved;
	a->moved = m;
	for (tail = &a->moved; *tail != NULL; tail = &(*tail)->next) {
		if (++n <= MOVED_MAX)
			continue;
		m = *tail;
		*tail = NULL;
		drop(r, m);
		return;
	}
}

void reg_moved_forget(struct reg_assoc *a)
{
	while (a->moved != NULL) {
		struct reg_moved *m = a->moved;

		a->moved = m->next;
		drop(a->r, m);
	}
}

const struct reg_assoc *reg_moved_find(const struct cscf_registrar *r, uint64_t conn)
{
	struct reg_moved *m = NULL;

	HASH_FIND(hh, r->moved, &conn, sizeof(conn), m);
	return m != NULL ? gw_handle_find(r->handles, m->assoc) : NULL;
}

uint64_t cscf_registrar_conn_now(const struct cscf_registrar *r, uint64_t conn)
{
	const struct reg_assoc *a = reg_moved_find(r, conn);

	if (a == NULL)
		return conn;
	return reg_assoc_is_live(a) ? a->conn->id : 0;
}
