/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of a client, either way: INVITE to BYE, with its media.
 *
 *   caller: TRYING ──> EARLY ──> UP ──> ENDING ──> gone
 *   callee: RINGING ──────────> UP ──> ENDING ──> gone
 */
#ifndef TESTS_WIC_CALL_H
#define TESTS_WIC_CALL_H

#include "tests/wic/client.h"

/** Place a call. The call belongs to the client. */
enum gw_err wic_call_place(struct wic_client *c, const char *uri) GW_MUST_CHECK;
/** A request from the gateway: is it of a call, or a new one? @return true when dealt with */
bool wic_call_request(struct wic_client *c, const struct wic_sip *m);
/** A response without a transaction: a repeated 2xx is acknowledged again. */
void wic_call_stray_response(struct wic_client *c, const struct wic_sip *m);
/** BYE or CANCEL for every call. */
void wic_call_hang_up_all(struct wic_client *c);
/** The connection is gone: end every call without a word. */
void wic_call_drop_all(struct wic_client *c);

#endif
