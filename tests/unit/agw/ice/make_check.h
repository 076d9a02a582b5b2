/* SPDX-License-Identifier: Apache-2.0 */
/* A connectivity check as no honest peer would always write it, by libnice's STUN. */
#ifndef TESTS_UNIT_AGW_ICE_MAKE_CHECK_H
#define TESTS_UNIT_AGW_ICE_MAKE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <stun/stunagent.h>

enum { USE = 1, CONTROLLED = 2, NO_PRIORITY = 4, NO_AUTH = 8, UNKNOWN_ATTR = 16 };

/* A request for USERNAME "ufrag:remote", with the given peculiarities. @return octets */
static inline size_t make_check(StunAgent *agent, uint8_t *buf, size_t n, const char *ufrag,
				const char *remote, const char *pwd, unsigned how)
{
	StunMessage m;
	char user[600];
	int len = snprintf(user, sizeof(user), "%s:%s", ufrag, remote);
	size_t size;
	StunTransactionId id;

	assert_true(stun_agent_init_request(agent, &m, buf, n, STUN_BINDING));
	if ((how & USE) != 0)
		(void)stun_message_append_flag(&m, STUN_ATTRIBUTE_USE_CANDIDATE);
	if ((how & NO_PRIORITY) == 0)
		(void)stun_message_append32(&m, STUN_ATTRIBUTE_PRIORITY, 1845501695);
	(void)stun_message_append64(&m,
				    (how & CONTROLLED) != 0 ? STUN_ATTRIBUTE_ICE_CONTROLLED
							    : STUN_ATTRIBUTE_ICE_CONTROLLING,
				    42);
	if ((how & UNKNOWN_ATTR) != 0)
		(void)stun_message_append32(&m, (StunAttribute)0x7777, 1);
	if ((how & NO_AUTH) == 0)
		(void)stun_message_append_bytes(&m, STUN_ATTRIBUTE_USERNAME, user, (size_t)len);
	size =
	    stun_agent_finish_message(agent, &m, (how & NO_AUTH) == 0 ? (const uint8_t *)pwd : NULL,
				      (how & NO_AUTH) == 0 ? strlen(pwd) : 0);
	assert_true(size > 0);
	stun_message_id(&m, id);
	(void)stun_agent_forget_transaction(agent, id);
	return size;
}

#endif
