/* SPDX-License-Identifier: Apache-2.0 */
/* ICE agent on one host candidate; see ice.h. */
#include "tests/wic/ice.h"

#include "common/rand.h"
#include "tests/wic/report.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stun/stunagent.h>
#include <stun/usages/ice.h>

#define CHECK_MS        50 /* between checks until a pair works */
#define CONSENT_MS      5000
#define CONSENT_LOST_US INT64_C(30000000)    /* RFC 7675 s5.1 */
#define PRIORITY        UINT32_C(0x6e0001ff) /* peer-reflexive type preference, component 1 */
#define STUN_BUF        1024

struct wic_ice {
	struct event_base *base;
	struct wic_ice_cbs cbs;
	void *arg;
	StunAgent stun;
	char ufrag[WIC_UFRAG_LEN + 1], pwd[WIC_PWD_LEN + 1];
	char peer_ufrag[260], peer_pwd[260];
	char username[600]; /* of our checks: peer's ufrag, colon, ours */
	struct gw_addr peers[WIC_CANDIDATES_MAX];
	size_t n_peers, next;
	struct gw_addr selected; /* len 0 = none yet */
	uint64_t tie;
	bool controlling, started, muted;
	int64_t consent_us;  /* last answer from the selected peer */
	struct event *timer; /* owned */
};

static const uint16_t known[] = {STUN_ATTRIBUTE_USERNAME,
				 STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
				 STUN_ATTRIBUTE_ERROR_CODE,
				 STUN_ATTRIBUTE_PRIORITY,
				 STUN_ATTRIBUTE_USE_CANDIDATE,
				 STUN_ATTRIBUTE_ICE_CONTROLLED,
				 STUN_ATTRIBUTE_ICE_CONTROLLING,
				 STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
				 STUN_ATTRIBUTE_MAPPED_ADDRESS,
				 STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
				 STUN_ATTRIBUTE_SOFTWARE,
				 STUN_ATTRIBUTE_FINGERPRINT,
				 0};

static void arm(struct wic_ice *i, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)event_add(i->timer, &tv);
}

static void send_check(struct wic_ice *i, const struct gw_addr *to)
{
	uint8_t buf[STUN_BUF];
	StunMessage msg;
	size_t n = stun_usage_ice_conncheck_create(
	    &i->stun, &msg, buf, sizeof(buf), (const uint8_t *)i->username, strlen(i->username),
	    (const uint8_t *)i->peer_pwd, strlen(i->peer_pwd), i->controlling, i->controlling,
	    PRIORITY, i->tie, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);

	if (n == 0) { /* too many transactions without an answer: forget them all */
		stun_agent_init(&i->stun, known, STUN_COMPATIBILITY_RFC5389,
				STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				    STUN_AGENT_USAGE_USE_FINGERPRINT);
		return;
	}
	i->cbs.send(i->arg, to, buf, n);
}

static void select_peer(struct wic_ice *i, const struct gw_addr *peer)
{
	i->consent_us = wic_now_us();
	if (i->selected.len != 0)
		return;
	i->selected = *peer;
	arm(i, CONSENT_MS);
	i->cbs.on_selected(i->arg, peer);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wic_ice *i = arg;

	(void)fd;
	(void)what;
	if (i->muted)
		return;
	if (i->selected.len == 0) {
		if (i->n_peers > 0)
			send_check(i, &i->peers[i->next++ % i->n_peers]);
		arm(i, CHECK_MS);
		return;
	}
	if (wic_now_us() - i->consent_us > CONSENT_LOST_US) {
		i->cbs.on_lost(i->arg);
		return;
	}
	send_check(i, &i->selected);
	arm(i, CONSENT_MS * (80 + (int)(gw_rand_u64() % 41)) / 100);
}

enum gw_err wic_ice_new(struct wic_ice **out, struct event_base *base,
			const struct wic_ice_cbs *cbs, void *arg)
{
	struct wic_ice *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return GW_ERR_NOMEM;
	i->base = base;
	i->cbs = *cbs;
	i->arg = arg;
	i->timer = event_new(base, -1, 0, on_timer, i);
	if (i->timer == NULL) {
		free(i);
		return GW_ERR_NOMEM;
	}
	gw_rand_token(i->ufrag, WIC_UFRAG_LEN);
	gw_rand_token(i->pwd, WIC_PWD_LEN);
	i->tie = gw_rand_u64();
	stun_agent_init(&i->stun, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	*out = i;
	return GW_OK;
}

void wic_ice_free(struct wic_ice *i)
{
	if (i == NULL)
		return;
	event_free(i->timer);
	free(i);
}

const char *wic_ice_ufrag(const struct wic_ice *i)
{
	return i->ufrag;
}

const char *wic_ice_pwd(const struct wic_ice *i)
{
	return i->pwd;
}

void wic_ice_start(struct wic_ice *i, bool controlling, const char *ufrag, const char *pwd,
		   const struct gw_addr *candidates, size_t n)
{
	i->controlling = controlling;
	i->started = true;
	(void)snprintf(i->peer_ufrag, sizeof(i->peer_ufrag), "%s", ufrag);
	(void)snprintf(i->peer_pwd, sizeof(i->peer_pwd), "%s", pwd);
	(void)snprintf(i->username, sizeof(i->username), "%s:%s", i->peer_ufrag, i->ufrag);
	i->n_peers = n < WIC_CANDIDATES_MAX ? n : WIC_CANDIDATES_MAX;
	memcpy(i->peers, candidates, i->n_peers * sizeof(*candidates));
	on_timer(-1, 0, i);
}

/* Our password for whoever names our ufrag first. */
static bool give_password(StunAgent *agent, StunMessage *msg, uint8_t *username,
			  uint16_t username_len, uint8_t **password, size_t *password_len,
			  void *user)
{
	struct wic_ice *i = user;

	(void)agent;
	(void)msg;
	if (username_len <= WIC_UFRAG_LEN || username[WIC_UFRAG_LEN] != ':' ||
	    memcmp(username, i->ufrag, WIC_UFRAG_LEN) != 0)
		return false;
	*password = (uint8_t *)i->pwd;
	*password_len = strlen(i->pwd);
	return true;
}

static void answer_check(struct wic_ice *i, StunMessage *req, const struct gw_addr *from)
{
	uint8_t buf[STUN_BUF];
	size_t n = sizeof(buf);
	StunMessage reply;
	struct sockaddr_storage src;
	bool control = i->controlling;
	StunUsageIceReturn r;

	memset(&src, 0, sizeof(src));
	memcpy(&src, &from->u, from->len);
	r = stun_usage_ice_conncheck_create_reply(&i->stun, req, &reply, buf, &n, &src, from->len,
						  &control, i->tie,
						  STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	if (n > 0)
		i->cbs.send(i->arg, from, buf, n);
	i->controlling = control;
	if (r == STUN_USAGE_ICE_RETURN_SUCCESS && i->started && !i->controlling &&
	    stun_usage_ice_conncheck_use_candidate(req))
		select_peer(i, from);
}

void wic_ice_feed(struct wic_ice *i, const struct gw_addr *from, const uint8_t *bytes, size_t len)
{
	StunMessage msg;
	StunValidationStatus st = stun_agent_validate(&i->stun, &msg, bytes, len, give_password, i);
	struct sockaddr_storage mapped;
	socklen_t mapped_len = sizeof(mapped);
	StunUsageIceReturn r;

	if (st != STUN_VALIDATION_SUCCESS)
		return;
	if (stun_message_get_class(&msg) == STUN_REQUEST) {
		answer_check(i, &msg, from);
		return;
	}
	r = stun_usage_ice_conncheck_process(&msg, &mapped, &mapped_len,
					     STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	if (r == STUN_USAGE_ICE_RETURN_ROLE_CONFLICT)
		i->controlling = !i->controlling;
	if (r != STUN_USAGE_ICE_RETURN_SUCCESS)
		return;
	if (i->selected.len != 0 && !gw_addr_eq(&i->selected, from))
		return;
	/* when controlled, the peer selects; its answers still are consent */
	if (i->controlling || i->selected.len != 0)
		select_peer(i, from);
}

void wic_ice_mute(struct wic_ice *i)
{
	i->muted = true;
}
