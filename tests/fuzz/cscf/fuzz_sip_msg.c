/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile SIP: the octets are parsed as a message under small limits and as a TCP stream. What
 * was accepted must survive printing: parsed again it is accepted and prints the same. Each
 * accessor is called once.
 */
#include "cscf/sip/auth.h"
#include "cscf/sip/msg.h"
#include "cscf/sip/msg_int.h"
#include "cscf/sip/tcp_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cscf_sip_limits small = {4096, 40, 512};
static const struct cscf_sip_limits wide = {1 << 17, 10000, 1 << 17};

static void look_at_values(const struct cscf_sip_msg *msg, const char *name)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct cscf_sip_name_addr na;
	struct cscf_sip_uri uri;
	struct gw_slice v;

	while (cscf_sip_msg_value_next(msg, name, &cursor, &v)) {
		if (cscf_sip_name_addr_parse(&na, v) == GW_OK && !na.star &&
		    cscf_sip_uri_parse(&uri, na.uri) == GW_OK) {
			char *aor = cscf_sip_uri_aor(na.uri);

			/* canonical once is canonical for ever */
			if (aor != NULL) {
				char *again = cscf_sip_uri_aor(gw_slice_str(aor));

				if (again == NULL || strcmp(aor, again) != 0)
					abort();
				free(again);
			}
			free(aor);
		}
	}
}

static void look_at_auth(const struct cscf_sip_msg *msg)
{
	static const char *const names[] = {"integrity-protected", "ik", NULL};
	struct cscf_sip_auth auth;
	struct gw_slice v;
	size_t cursor = 0;

	while (cscf_sip_msg_hdr_next(msg, "Authorization", &cursor, &v)) {
		char *without = cscf_sip_auth_without(v, names);

		if (without != NULL && cscf_sip_auth_parse(&auth, gw_slice_str(without)) == GW_OK &&
		    cscf_sip_auth_param(&auth, "integrity-protected", NULL))
			abort();
		free(without);
	}
}

static void edit(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_msg *copy, *rsp;

	if (cscf_sip_msg_clone(&copy, msg) != GW_OK)
		return;
	if (cscf_sip_via_set_source(copy, "192.0.2.1", 5060, 120) != GW_OK)
		abort();
	while (cscf_sip_msg_value_pop(copy, "Route") == GW_OK)
		;
	if (cscf_sip_msg_value_count(copy, "Route") != 0)
		abort();
	(void)!cscf_sip_msg_del_token(copy, "Supported", "path");
	if (cscf_sip_msg_has_token(copy, "Supported", "path"))
		abort();
	(void)!cscf_sip_msg_replace_part(copy, "application/sdp", "v=0", 3);
	if (cscf_sip_msg_is_request(copy) &&
	    cscf_sip_msg_new_response(&rsp, copy, 200, NULL) == GW_OK)
		cscf_sip_msg_free(rsp);
	cscf_sip_msg_free(copy);
}

/* As it came: what the core may answer is more than what a user may send. */
static void round_trip(const struct cscf_sip_msg *msg, bool strict)
{
	struct cscf_sip_msg *again;
	size_t n, m;
	char *text = cscf_sip_msg_print(msg, &n);
	char *second;

	if (text == NULL)
		return;
	if (cscf_sip_msg_parse(&again, text, n, &wide, strict, NULL) != GW_OK)
		abort();
	second = cscf_sip_msg_print(again, &m);
	if (second == NULL || m != n || memcmp(text, second, n) != 0)
		abort();
	free(second);
	free(text);
	cscf_sip_msg_free(again);
}

static void stream(const char *data, size_t size)
{
	struct cscf_sip_tcp_frame f;
	struct gw_slice out;

	cscf_sip_tcp_frame_init(&f, 1000);
	for (size_t i = 0; i < size; i += 7) {
		enum cscf_sip_tcp_piece piece;

		if (cscf_sip_tcp_frame_feed(&f, data + i, size - i < 7 ? size - i : 7) != GW_OK)
			break;
		do
			piece = cscf_sip_tcp_frame_next(&f, &out);
		while (piece == CSCF_SIP_TCP_MESSAGE || piece == CSCF_SIP_TCP_PING);
		if (piece != CSCF_SIP_TCP_MORE)
			break;
		if (f.n - f.start > 1000 + 7)
			abort();
	}
	cscf_sip_tcp_frame_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;
	enum gw_err err;

	stream(text, size);
	err = cscf_sip_msg_parse(&msg, text, size, &small, size % 2 == 0, &fault);
	if (err == GW_OK) {
		look_at_values(msg, "Contact");
		look_at_values(msg, "Route");
		look_at_values(msg, "From");
		look_at_auth(msg);
		edit(msg);
		round_trip(msg, size % 2 == 0);
	} else if (msg != NULL) {
		struct cscf_sip_msg *rsp;

		if (!fault.answerable || fault.status < 400)
			abort();
		if (cscf_sip_msg_new_response(&rsp, msg, fault.status, fault.reason) == GW_OK) {
			/* what was malformed in Via or From is echoed as it came */
			free(cscf_sip_msg_print(rsp, NULL));
			cscf_sip_msg_free(rsp);
		}
	}
	cscf_sip_msg_free(msg);
	return 0;
}
