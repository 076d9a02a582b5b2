/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins the stack to the WebSocket listener of cscf/ws: give cscf_sip_ws_cbs and the stack to
 * cscf_ws_listener_new, then tell the stack its listener.
 *
 *   cscf_sip_stack_new(&stack, base, cfg, cbs, arg, NULL, NULL, …);
 *   cscf_ws_listener_new(&listener, base, wscfg, &cscf_sip_ws_cbs, stack, …);
 *   cscf_sip_stack_attach_ws(stack, listener);
 *   …
 *   cscf_ws_listener_free(listener);      the stack sees its connections close
 *   cscf_sip_stack_free(stack);
 *
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_WS_LINK_H
#define CSCF_SIP_WS_LINK_H

#include "cscf/sip/stack.h"
#include "cscf/ws/listener.h"

/* Callbacks for the listener; their arg is the stack. */
extern const struct cscf_ws_cbs cscf_sip_ws_cbs;

/** The listener (borrowed) that W2 connections live on; NULL takes it away again. */
void cscf_sip_stack_attach_ws(struct cscf_sip_stack *s, struct cscf_ws_listener *listener);

#endif
