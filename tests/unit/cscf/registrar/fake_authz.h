/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token library's functions that the registrar calls, defined by the test: it says what the
 * verdict is, now or later, and counts who holds a grant. Tokens are texts without meaning here.
 * Include in one file of a test program only.
 */
#ifndef TESTS_UNIT_CSCF_REGISTRAR_FAKE_AUTHZ_H
#define TESTS_UNIT_CSCF_REGISTRAR_FAKE_AUTHZ_H

#include "cscf/authz/authz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FA_GRANTS 8

/* Stands for the object: never looked into. */
static char fa_object;
#define FA_AUTHZ ((struct cscf_authz *)(void *)&fa_object)

static struct {
	struct cscf_authz_grant grants[FA_GRANTS];
	int held[FA_GRANTS]; /* references that others have */
	unsigned n_grants;
	struct cscf_authz_result result; /* the next verdict */
	bool later;                      /* it comes by fa_answer only */
	int64_t left;                    /* seconds that every token has */
	bool revoked;
	/* what was asked */
	char credentials[512], origin[64];
	bool secure, allow_expired;
	unsigned n_verified, n_cancelled;
	cscf_authz_done *done;
	void *arg;
} fa;

static inline void fa_reset(void)
{
	memset(&fa, 0, sizeof(fa));
	fa.left = 3600000;
}

/* A good token of this user is what comes next; more fields are the test's to set. */
static inline struct cscf_authz_grant *fa_grant(const char *impi, const char *impu)
{
	static const char *impus[FA_GRANTS];
	unsigned at = fa.n_grants++;
	struct cscf_authz_grant *g = &fa.grants[at];

	assert_true(at < FA_GRANTS);
	impus[at] = impu;
	*g = (struct cscf_authz_grant){
	    .impi = impi,
	    .impus = &impus[at],
	    .n_impus = 1,
	    .issuer = "https://waf.example.net",
	    .client_id = "wwsf-portal",
	    .subject = impi,
	    .scope = "ims.register",
	    .jti = "j",
	    .waf = "waf.example.net",
	    .token_hash = {(unsigned char)(at + 1)},
	};
	fa.result = (struct cscf_authz_result){.word = "ok", .phrase = "OK", .grant = g};
	return g;
}

static inline void fa_bad(enum cscf_authz_verdict verdict, const char *word, const char *phrase)
{
	fa.result = (struct cscf_authz_result){
	    .verdict = verdict,
	    .word = word,
	    .phrase = phrase,
	    .error = verdict == CSCF_AUTHZ_INVALID ? "invalid_token" : NULL,
	    .retry_after_s = 7,
	};
}

/* The check under way is over. */
static inline void fa_answer(void)
{
	cscf_authz_done *done = fa.done;

	assert_non_null(done);
	fa.done = NULL;
	done(fa.arg, &fa.result);
}

static inline void fa_assert_nothing_held(void)
{
	for (unsigned i = 0; i < fa.n_grants; i++)
		assert_int_equal(fa.held[i], 0);
}

void cscf_authz_verify(struct cscf_authz *a, const struct cscf_authz_query *query,
		       cscf_authz_done *done, void *arg, gw_handle *job)
{
	assert_ptr_equal(a, FA_AUTHZ);
	snprintf(fa.credentials, sizeof(fa.credentials), "%.*s", GW_SLICE_FMT(query->credentials));
	snprintf(fa.origin, sizeof(fa.origin), "%s", query->origin);
	fa.secure = query->secure;
	fa.allow_expired = query->allow_expired;
	fa.n_verified++;
	if (!fa.later) {
		done(arg, &fa.result);
		return;
	}
	fa.done = done;
	fa.arg = arg;
	*job = 1;
}

void cscf_authz_cancel(struct cscf_authz *a, gw_handle job)
{
	(void)a;
	if (job == GW_HANDLE_NONE)
		return;
	assert_int_equal(job, 1);
	fa.done = NULL;
	fa.n_cancelled++;
}

enum gw_err cscf_authz_challenge(const struct cscf_authz *a, const char *error, char *buf, size_t n)
{
	(void)a;
	snprintf(buf, n, "Bearer realm=\"ims.example.net\"%s%s%s", error != NULL ? ",error=\"" : "",
		 error != NULL ? error : "", error != NULL ? "\"" : "");
	return GW_OK;
}

const struct cscf_authz_grant *cscf_authz_grant_ref(const struct cscf_authz_grant *grant)
{
	fa.held[grant - fa.grants]++;
	return grant;
}

void cscf_authz_grant_unref(const struct cscf_authz_grant *grant)
{
	if (grant == NULL)
		return;
	assert_true(fa.held[grant - fa.grants] > 0);
	fa.held[grant - fa.grants]--;
}

bool cscf_authz_grant_has_impu(const struct cscf_authz_grant *grant, struct gw_slice uri)
{
	return gw_slice_eq_str(uri, grant->impus[0]);
}

bool cscf_authz_grant_same_token(const struct cscf_authz_grant *a, const struct cscf_authz_grant *b)
{
	return a->token_hash[0] == b->token_hash[0];
}

int64_t cscf_authz_grant_left(const struct cscf_authz *a, const struct cscf_authz_grant *grant)
{
	(void)a;
	(void)grant;
	return fa.left;
}

bool cscf_authz_grant_is_revoked(const struct cscf_authz *a, const struct cscf_authz_grant *grant)
{
	(void)a;
	(void)grant;
	return fa.revoked;
}

#endif
