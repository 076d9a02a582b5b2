/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our certificates over time. A fresh one is made half-way through the life of the one before
 * (DTLS-10); what was told to a peer before that stays usable, because an association must show
 * the certificate whose fingerprint its description carried, however long the answer took.
 * Thread: control thread.
 */
#include "agw/worker/worker_int.h"

#include "common/log.h"

#include <string.h>

#define GW_LOG_MOD "media"

enum gw_err agw_identity_new(struct agw_pool *p, struct agw_dtls_ctx **out)
{
	const struct agw_dtls_cfg cfg = {.timer_initial_ms = p->cfg.dtls_timer_initial_ms,
					 .mtu = p->cfg.dtls_mtu,
					 .cert_lifetime_s = p->cfg.cert_lifetime_s,
					 .fp_hashes = p->cfg.fp_hashes};

	return agw_dtls_ctx_new(out, &cfg);
}

void agw_identity_free(struct agw_pool *p)
{
	agw_dtls_ctx_free(p->dtls);
	for (size_t i = 0; i < AGW_CERTS_BEFORE; i++)
		agw_dtls_ctx_free(p->dtls_before[i]);
}

void agw_identity_renew(struct agw_pool *p)
{
	struct agw_dtls_ctx *fresh;

	if (agw_dtls_ctx_age_s(p->dtls) < p->cfg.cert_lifetime_s / 2)
		return;
	if (agw_identity_new(p, &fresh) != GW_OK) {
		GW_LOG_LIMITED(GW_LOG_ERROR, "dtls.renew-failed", "age_s=%llu",
			       (unsigned long long)agw_dtls_ctx_age_s(p->dtls));
		return;
	}
	/* sessions made from the oldest live on */
	agw_dtls_ctx_free(p->dtls_before[AGW_CERTS_BEFORE - 1]);
	memmove(p->dtls_before + 1, p->dtls_before,
		(AGW_CERTS_BEFORE - 1) * sizeof(p->dtls_before[0]));
	p->dtls_before[0] = p->dtls;
	p->dtls = fresh;
}

static bool is_it(const struct agw_dtls_ctx *ctx, const struct agw_fingerprint *fp)
{
	struct agw_fingerprint have;

	if (ctx == NULL)
		return false;
	agw_dtls_ctx_fingerprint(ctx, &have);
	return have.len == fp->len && memcmp(have.octets, fp->octets, fp->len) == 0;
}

struct agw_dtls_ctx *agw_identity_find(const struct agw_pool *p, const struct agw_fingerprint *fp)
{
	for (size_t i = 0; fp->len != 0 && i < AGW_CERTS_BEFORE; i++)
		if (is_it(p->dtls_before[i], fp))
			return p->dtls_before[i];
	return p->dtls;
}

void agw_media_next_cert(struct agw_media *m, struct agw_fingerprint *out)
{
	agw_identity_renew(m->pool);
	agw_dtls_ctx_fingerprint(m->pool->dtls, out);
}
