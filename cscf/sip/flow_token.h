/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow tokens: the text in the user part of our Path and Record-Route URIs that leads a request
 * back to one WebSocket connection (RFC 5626 s5.2). Layout before base64url:
 *
 *   boot id (8) | connection id (8) | direction (1) | HMAC-SHA256 truncated (16)
 *
 * A token of another boot is recognised even with a key of another boot; it then never verifies
 * and is reported as such (REG-81). MACs are compared in constant time (SEC-24).
 * Thread: any (a context is read-only after init).
 */
#ifndef CSCF_SIP_FLOW_TOKEN_H
#define CSCF_SIP_FLOW_TOKEN_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define CSCF_SIP_FLOW_TOKEN_LEN 44 /* characters, without terminator */
#define CSCF_SIP_FLOW_TOKEN_KEY 32

/* Which way a request that carries the token travels. */
enum cscf_sip_direction {
	CSCF_SIP_DIR_TO_WIC = 't',  /* Path; Record-Route facing the core */
	CSCF_SIP_DIR_TO_CORE = 'o', /* Record-Route facing the WIC */
};

struct cscf_sip_flow_token_ctx {
	uint8_t key[CSCF_SIP_FLOW_TOKEN_KEY];
	uint64_t boot;
};

/**
 * @param secret  `flow.token_key`: any text, or NULL/"" for a random key; hashed to the key
 * The boot id is drawn at random.
 */
enum gw_err cscf_sip_flow_token_init(struct cscf_sip_flow_token_ctx *ctx,
				     const char *secret) GW_MUST_CHECK;

/** Write the token and a terminator to buf[CSCF_SIP_FLOW_TOKEN_LEN + 1]. */
void cscf_sip_flow_token_make(const struct cscf_sip_flow_token_ctx *ctx, uint64_t conn,
			      enum cscf_sip_direction dir, char *buf);

/**
 * @param conn, dir  set on GW_OK
 * @return GW_OK; GW_ERR_PARSE no token of ours by its form; GW_ERR_AUTH made for this boot but
 *         forged; GW_ERR_GONE carries another boot id (valid or not, REG-81). Whether the
 *         connection still lives is the caller's question (cscf_sip_conn_alive).
 */
enum gw_err cscf_sip_flow_token_verify(const struct cscf_sip_flow_token_ctx *ctx,
				       struct gw_slice token, uint64_t *conn,
				       enum cscf_sip_direction *dir) GW_MUST_CHECK;

/** Seal a text (longer than a token's 17 octets): CSCF_SIP_FLOW_SEAL_LEN hex digits and a
 * terminator. */
#define CSCF_SIP_FLOW_SEAL_LEN 32
void cscf_sip_flow_token_seal(const struct cscf_sip_flow_token_ctx *ctx, struct gw_slice text,
			      char *buf);
/** Is it the seal of this text? In constant time. */
bool cscf_sip_flow_token_sealed(const struct cscf_sip_flow_token_ctx *ctx, struct gw_slice text,
				struct gw_slice seal);

#endif
