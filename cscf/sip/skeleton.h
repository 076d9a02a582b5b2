/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for libosip2's machines: method or status, transport, and nothing of a peer. Used
 * ones are kept for the next transaction. Thread: the loop thread.
 */
#ifndef CSCF_SIP_SKELETON_H
#define CSCF_SIP_SKELETON_H

#include <stdbool.h>
#include <sys/time.h>
#include <time.h>

/* after the clock headers, which it needs and does not include */
#include <osip2/osip.h>

enum cscf_sip_skeleton {
	CSCF_SIP_SKELETON_INVITE,
	CSCF_SIP_SKELETON_OTHER, /* any other method: to the machines they are one */
	CSCF_SIP_SKELETON_ACK,
	CSCF_SIP_SKELETON_COUNT
};

/** @param status 0: a request of that method. @return NULL: out of memory */
osip_message_t *cscf_sip_skeleton_take(enum cscf_sip_skeleton which, bool reliable, int status);
/** Give one back that libosip2 does not know any more; *sip becomes NULL, and may be. */
void cscf_sip_skeleton_give(enum cscf_sip_skeleton which, bool reliable, osip_message_t **sip);

#endif
