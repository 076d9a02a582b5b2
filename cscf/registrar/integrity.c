/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table 4.2: which integrity-protected value a REGISTER carries on Mw. Rows are tried top down;
 * the first that fits wins. `yes`, `no` and `ip-assoc-*` are never ours to say.
 * Spec: TS 24.371 §6.4.1 1) a)-c), TS 24.229 5.2.2.4; REG-07, REG-40, REG-41. Thread: any.
 */
#include "cscf/registrar/reg_int.h"

enum want { NO, YES, ANY };

static const struct {
	enum reg_scheme scheme;
	enum want tls, associated, response;
	const char *value; /* NULL = absent; "*" = reg.tls_protected_value */
} rows[] = {
    {REG_SCHEME_BEARER, ANY, ANY, ANY, "auth-done"},
    {REG_SCHEME_AKA, YES, ANY, ANY, "tls-connected"},
    {REG_SCHEME_DIGEST, ANY, NO, NO, NULL},
    {REG_SCHEME_DIGEST, ANY, NO, YES, "tls-pending"},
    {REG_SCHEME_DIGEST, ANY, YES, ANY, "*"},
    {REG_SCHEME_NONE, ANY, ANY, ANY, NULL},
};

static bool fits(enum want want, bool is)
{
	return want == ANY || (want == YES) == is;
}

const char *reg_integrity(enum reg_scheme scheme, bool tls, bool associated, bool has_response,
			  const char *protected_value)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].scheme != scheme || !fits(rows[i].tls, tls) ||
		    !fits(rows[i].associated, associated) || !fits(rows[i].response, has_response))
			continue;
		if (rows[i].value != NULL && rows[i].value[0] == '*')
			return protected_value;
		return rows[i].value;
	}
	return NULL;
}
