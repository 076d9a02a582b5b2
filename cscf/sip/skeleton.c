/* SPDX-License-Identifier: Apache-2.0 */
/* See skeleton.h. libosip2's parser makes them: by hand they would have to be right by hand. */
#include "cscf/sip/skeleton.h"

#include <osipparser2/osip_parser.h>
#include <stdio.h>

#define SPARE_MAX 256 /* kept per kind */

static struct {
	osip_message_t *msg[SPARE_MAX];
	unsigned n;
} spares[CSCF_SIP_SKELETON_COUNT][2][2]; /* [][reliable][is a response] */

static osip_message_t *make(enum cscf_sip_skeleton which, bool reliable, int status)
{
	static const char *const methods[] = {"INVITE", "OPTIONS", "ACK"};
	osip_message_t *sip = NULL;
	char text[256];
	char first[64];
	int n;

	if (status == 0)
		snprintf(first, sizeof(first), "%s sip:x SIP/2.0", methods[which]);
	else
		snprintf(first, sizeof(first), "SIP/2.0 %d x", status);
	n = snprintf(text, sizeof(text),
		     "%s\r\nVia: SIP/2.0/%s x;branch=z9hG4bKx\r\nFrom: <sip:a@x.invalid>;tag=x\r\n"
		     "To: <sip:b@x.invalid>;tag=y\r\nCall-ID: x\r\nCSeq: 1 %s\r\n\r\n",
		     first, reliable ? "TCP" : "UDP", methods[which]);
	if (osip_message_init(&sip) != 0)
		return NULL;
	if (osip_message_parse(sip, text, (size_t)n) != 0) {
		osip_message_free(sip);
		return NULL;
	}
	return sip;
}

osip_message_t *cscf_sip_skeleton_take(enum cscf_sip_skeleton which, bool reliable, int status)
{
	osip_message_t *sip;

	if (spares[which][reliable][status != 0].n == 0)
		return make(which, reliable, status);
	sip = spares[which][reliable][status != 0].msg[--spares[which][reliable][status != 0].n];
	if (status != 0)
		osip_message_set_status_code(sip, status);
	return sip;
}

void cscf_sip_skeleton_give(enum cscf_sip_skeleton which, bool reliable, osip_message_t **sip)
{
	bool response = *sip != NULL && MSG_IS_RESPONSE(*sip);

	if (*sip != NULL && spares[which][reliable][response].n < SPARE_MAX)
		spares[which][reliable][response].msg[spares[which][reliable][response].n++] = *sip;
	else
		osip_message_free(*sip);
	*sip = NULL;
}
