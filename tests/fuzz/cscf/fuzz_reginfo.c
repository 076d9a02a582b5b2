/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile XML from the core: the octets are read as a reginfo document and as a 3GPP IMS body.
 * What was accepted keeps its promises (counts bounded, texts there), and a body that was read
 * can be built again and reads the same.
 */
#include "cscf/xml/ims3gpp.h"
#include "cscf/xml/reginfo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void look_at_reginfo(struct gw_slice text)
{
	struct cscf_reginfo info;

	if (cscf_reginfo_parse(&info, text) != GW_OK) {
		check(info.registrations == NULL);
		return;
	}
	check(info.n_registrations <= CSCF_REGINFO_MAX_REGISTRATIONS);
	for (size_t i = 0; i < info.n_registrations; i++) {
		const struct cscf_reginfo_registration *r = &info.registrations[i];

		check(r->aor != NULL && r->aor[0] != '\0');
		check(cscf_reginfo_state_name(r->state) != NULL);
		check(r->n_contacts <= CSCF_REGINFO_MAX_CONTACTS);
		for (size_t k = 0; k < r->n_contacts; k++) {
			check(r->contacts[k].uri != NULL && r->contacts[k].uri[0] != '\0');
			check(r->contacts[k].instance != NULL);
			check(cscf_reginfo_event_name(r->contacts[k].event) != NULL);
		}
	}
	cscf_reginfo_fini(&info);
}

static void look_at_body(struct gw_slice text)
{
	struct cscf_ims3gpp body, again;
	char *out = NULL;
	size_t n = 0;

	if (cscf_ims3gpp_parse(&body, text) != GW_OK) {
		check(body.type == NULL && body.reason == NULL && body.action == NULL);
		return;
	}
	check(cscf_ims3gpp_build(&out, &n, body.type, body.reason, body.action) == GW_OK ||
	      strpbrk(body.type, "\r") != NULL || strpbrk(body.reason, "\r") != NULL ||
	      (body.action != NULL && strpbrk(body.action, "\r") != NULL));
	if (out != NULL && n <= CSCF_IMS3GPP_MAX_OCTETS) {
		check(cscf_ims3gpp_parse(&again, (struct gw_slice){out, n}) == GW_OK);
		check(strcmp(again.type, body.type) == 0 && strcmp(again.reason, body.reason) == 0);
		cscf_ims3gpp_fini(&again);
	}
	free(out);
	cscf_ims3gpp_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_slice text = {(const char *)data, size};

	look_at_reginfo(text);
	look_at_body(text);
	return 0;
}
