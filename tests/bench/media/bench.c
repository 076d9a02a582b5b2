/* SPDX-License-Identifier: Apache-2.0 */
/* What every run of the generator has: sockets, histograms, a certificate, calls. */
#include "tests/bench/media/bench.h"

#include <stdlib.h>
#include <string.h>

bool bench_prepare(struct bench *b)
{
	struct agw_dtls_cfg dtls = {.timer_initial_ms = 200,
				    .mtu = 1200,
				    .cert_lifetime_s = 86400,
				    .fp_hashes = 1U << AGW_HASH_SHA256};

	b->profiles[0] = strcmp(b->o.profile, "aes128-cm-sha1-80") == 0 ? AGW_SRTP_AES128_CM_SHA1_80
									: AGW_SRTP_AEAD_AES_128_GCM;
	b->calls = calloc(b->o.calls, sizeof(*b->calls));
	b->wire = bench_wire_new(b->o.local_ip, bench_on_wire, b);
	for (unsigned s = 0; s < BENCH_SIDES; s++)
		b->latency[s] = bench_hist_new();
	if (b->calls == NULL || b->wire == NULL || b->latency[0] == NULL || b->latency[1] == NULL ||
	    agw_srtp_init() != GW_OK || agw_dtls_ctx_new(&b->dtls, &dtls) != GW_OK)
		return false;
	agw_dtls_ctx_fingerprint(b->dtls, &b->fp);
	return true;
}

void bench_finish(struct bench *b)
{
	if (b == NULL)
		return;
	for (unsigned i = 0; b->calls != NULL && i < b->o.calls; i++)
		bench_call_fini(&b->calls[i]);
	agw_dtls_ctx_free(b->dtls);
	for (unsigned s = 0; s < BENCH_SIDES; s++)
		bench_hist_free(b->latency[s]);
	bench_wire_free(b->wire);
	free(b->calls);
	free(b);
}
