/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller's Reserve or Configure that passed the protocol's checks, turned into parameters:
 * whatever it says, the result names realms and families that exist, numbers in range, and text
 * that ends; a refusal names a field and a code.
 */
#include "agw/iq/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct agw_realm_cfg realms[2];
static const struct agw_iq_defaults defaults = {
    .realms = realms, .n_realms = 2, .dscp_audio = 46, .dscp_video = 34};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void judge(const struct agw_ctx_patch *p, bool reserve)
{
	must(memchr(p->p.access.remote_ufrag, 0, sizeof(p->p.access.remote_ufrag)) != NULL);
	must(memchr(p->p.access.remote_pwd, 0, sizeof(p->p.access.remote_pwd)) != NULL);
	must(p->p.access.n_fps <= AGW_FP_MAX && p->n_remotes <= AGW_BRANCH_MAX);
	for (unsigned i = 0; i < p->p.access.n_fps; i++)
		must(p->p.access.fps[i].hash < AGW_HASH_COUNT &&
		     p->p.access.fps[i].len <= AGW_FP_OCTETS_MAX);
	for (unsigned i = 0; i < p->n_remotes; i++)
		must(p->remotes[i].drop || gw_addr_port(&p->remotes[i].rtp) != 0);
	if (!reserve)
		return;
	must(agw_realm_find(realms, 2, p->p.access.realm) != NULL);
	must(agw_realm_find(realms, 2, p->p.core.realm) != NULL);
	must(p->p.access.families == AGW_FAMILY_BIT(AGW_FAMILY_V4));
	must(p->p.core.family == AGW_FAMILY_V4);
	must(p->p.access.dscp >= -1 && p->p.access.dscp <= 63);
	must(p->p.core.dscp >= -1 && p->p.core.dscp <= 63);
}

static void convert(IqStreamRequest *const *streams, size_t n, bool reserve)
{
	struct iq_fault fault = {.code = IQ_V(ERROR_CODE__OK)};
	struct agw_ctx_patch *patches = NULL;

	if (agw_iq_patches_from(&patches, streams, n, &defaults, reserve, &fault) != GW_OK) {
		must(fault.code != IQ_V(ERROR_CODE__OK) && fault.field[0] != '\0');
		return;
	}
	for (size_t i = 0; i < n; i++)
		judge(&patches[i], reserve);
	free(patches);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct iq_fault fault;
	IqEnvelope *env = NULL;

	if (realms[0].name[0] == '\0') {
		snprintf(realms[0].name, sizeof(realms[0].name), "access");
		snprintf(realms[1].name, sizeof(realms[1].name), "core");
		for (unsigned i = 0; i < 2; i++)
			must(gw_addr_parse_ip(&realms[i].bind[AGW_FAMILY_V4], "192.0.2.1", 0) ==
			     GW_OK);
	}
	if (iq_unpack(&env, bytes, len) != GW_OK)
		return 0;
	if (iq_check(env, &fault) == GW_OK) {
		if (env->body_case == IQ_BODY(RESERVE))
			convert(env->reserve->streams, env->reserve->n_streams, true);
		else if (env->body_case == IQ_BODY(CONFIGURE))
			convert(env->configure->streams, env->configure->n_streams, false);
	}
	iq_envelope_free(env);
	return 0;
}
