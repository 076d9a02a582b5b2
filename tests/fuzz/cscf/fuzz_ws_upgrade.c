/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile handshakes: fed whole and in pieces of seven with the same verdict (of two faults in one
 * request, which one is named may differ); only an Origin of the list gets through. The first octet
 * chooses between the Upgrade and the PROXY header.
 */
#include "cscf/ws/proxy_header.h"
#include "cscf/ws/upgrade.h"

#include <stdlib.h>
#include <string.h>

static char portal[] = "https://portal.example.net";
static char *items[] = {portal};
static const struct gw_conf_list allowed = {items, 1};
static const struct cscf_ws_upgrade_rules rules = {"/sip", &allowed, true};

static enum gw_err run(const char *text, size_t len, size_t step, enum cscf_ws_reject *reject,
		       size_t *total)
{
	struct cscf_ws_upgrade *u = NULL;
	enum gw_err err = GW_ERR_AGAIN;

	*total = 0;
	*reject = CSCF_WS_REJECT_NONE;
	if (cscf_ws_upgrade_new(&u, &rules) != GW_OK)
		abort();
	for (size_t i = 0; i < len && err == GW_ERR_AGAIN; i += step) {
		size_t n = len - i < step ? len - i : step;
		size_t used = 0;

		err = cscf_ws_upgrade_feed(u, text + i, n, &used, reject);
		if (used > n)
			abort();
		*total += used;
	}
	if (err == GW_OK) {
		char answer[CSCF_WS_ACCEPT_MAX];

		if (strcmp(cscf_ws_upgrade_origin(u), portal) != 0 ||
		    cscf_ws_upgrade_accept(u, answer, sizeof(answer)) == 0)
			abort();
	}
	cscf_ws_upgrade_free(u);
	return err;
}

static void run_proxy(const uint8_t *bytes, size_t len)
{
	uint8_t copy[CSCF_WS_PROXY_MAX];
	struct gw_addr src;
	size_t n = 0;

	for (;;) {
		size_t need = 0;

		if (cscf_ws_proxy_header_parse(copy, n, &need, &src) != GW_ERR_AGAIN)
			return;
		if (need == 0 || need > sizeof(copy) - n)
			abort();
		if (need > len - n)
			return;
		memcpy(copy + n, bytes + n, need);
		n += need;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	enum cscf_ws_reject whole, pieces;
	size_t used_whole, used_pieces;
	const char *text = (const char *)bytes + 1;
	enum gw_err err;

	if (len < 2)
		return 0;
	if (bytes[0] == 'P') {
		run_proxy(bytes + 1, len - 1);
		return 0;
	}
	err = run(text, len - 1, len - 1, &whole, &used_whole);
	if (run(text, len - 1, 7, &pieces, &used_pieces) != err)
		abort();
	if ((whole == CSCF_WS_REJECT_NONE) != (pieces == CSCF_WS_REJECT_NONE))
		abort();
	if (err == GW_OK && used_whole != used_pieces)
		abort();
	return 0;
}
