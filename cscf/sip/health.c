/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small table of failed targets; see health.h. Its size is bounded by the number of addresses
 * that a resolver gave us, and by MAX_DOWN.
 */
#include "cscf/sip/health.h"

#include "cscf/sip/stack_int.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define MAX_DOWN          256
#define MAX_WATCHED       32
#define X_DOWN_MS         30000 /* ours: time in the last place after a failure */
#define MAX_RETRY_AFTER_S 300   /* a peer cannot take itself out for longer */
#define KEY_LEN           (GW_ADDR_STRLEN + 8)

struct down {
	char key[KEY_LEN]; /* "UDP 192.0.2.1:5060" */
	int64_t until;
	bool asked; /* by Retry-After */
	UT_hash_handle hh;
};

struct watched {
	enum cscf_sip_transport transport;
	struct gw_addr addr;
	int64_t heard_ms;
};

struct cscf_sip_health {
	struct watched watched[MAX_WATCHED];
	size_t n_watched;
	struct down *down;
};

static void make_key(char *key, enum cscf_sip_transport transport, const struct gw_addr *addr)
{
	char text[GW_ADDR_STRLEN];

	snprintf(key, KEY_LEN, "%s %s", cscf_sip_transport_name(transport),
		 gw_addr_str(addr, text, sizeof(text)));
}

static struct down *find(const struct cscf_sip_health *h, const char *key)
{
	struct down *d = NULL;

	HASH_FIND(hh, h->down, key, strlen(key), d);
	return d;
}

static void drop(struct cscf_sip_health *h, struct down *d)
{
	HASH_DELETE(hh, h->down, d);
	free(d);
}

struct cscf_sip_health *cscf_sip_health_new(void)
{
	return calloc(1, sizeof(struct cscf_sip_health));
}

void cscf_sip_health_free(struct cscf_sip_health *h)
{
	struct down *d;

	if (h == NULL)
		return;
	d = h->down;
	HASH_CLEAR(hh, h->down); /* the elements stay linked */
	while (d != NULL) {
		struct down *next = d->hh.next;

		free(d);
		d = next;
	}
	free(h);
}

void cscf_sip_health_failed(struct cscf_sip_health *h, const struct cscf_sip_flow *flow,
			    uint32_t retry_after_s)
{
	char key[KEY_LEN];
	struct down *d;
	int64_t ms = X_DOWN_MS;

	if (flow->side != CSCF_SIP_MW)
		return;
	if (retry_after_s > MAX_RETRY_AFTER_S)
		retry_after_s = MAX_RETRY_AFTER_S;
	if (retry_after_s > 0)
		ms = (int64_t)retry_after_s * 1000;
	make_key(key, flow->transport, &flow->remote);
	d = find(h, key);
	if (d == NULL) {
		if (HASH_COUNT(h->down) >= MAX_DOWN)
			drop(h, h->down); /* the oldest */
		d = calloc(1, sizeof(*d));
		if (d == NULL)
			return;
		memcpy(d->key, key, sizeof(key));
		HASH_ADD(hh, h->down, key[0], strlen(key), d);
		if (d->hh.tbl == NULL) {
			free(d);
			return;
		}
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.target_down", "target=\"%s\" for_ms=%lld", key,
			       (long long)ms);
	}
	d->until = cscf_sip_now_ms() + ms;
	d->asked = retry_after_s > 0;
}

static struct watched *find_watched(const struct cscf_sip_health *h,
				    const struct cscf_sip_flow *flow)
{
	for (size_t i = 0; i < h->n_watched; i++) {
		const struct watched *w = &h->watched[i];

		if (w->transport == flow->transport && gw_addr_eq(&w->addr, &flow->remote))
			return (struct watched *)(uintptr_t)w;
	}
	return NULL;
}

static void note_heard(struct cscf_sip_health *h, const struct cscf_sip_flow *flow)
{
	struct watched *w = find_watched(h, flow);

	if (w != NULL)
		w->heard_ms = cscf_sip_now_ms();
}

void cscf_sip_health_watch(struct cscf_sip_health *h, const struct cscf_sip_flow *flow)
{
	struct watched *w = find_watched(h, flow);

	if (w != NULL)
		return;
	if (h->n_watched == MAX_WATCHED) /* names that moved on: the oldest goes */
		memmove(h->watched, h->watched + 1, --h->n_watched * sizeof(h->watched[0]));
	h->watched[h->n_watched++] = (struct watched){
	    .transport = flow->transport, .addr = flow->remote, .heard_ms = cscf_sip_now_ms()};
}

int64_t cscf_sip_health_quiet_ms(const struct cscf_sip_health *h, const struct cscf_sip_flow *flow)
{
	const struct watched *w = find_watched(h, flow);

	return w != NULL ? cscf_sip_now_ms() - w->heard_ms : -1;
}

void cscf_sip_health_answered(struct cscf_sip_health *h, const struct cscf_sip_flow *flow)
{
	char key[KEY_LEN];
	struct down *d;

	if (flow->side != CSCF_SIP_MW)
		return;
	note_heard(h, flow);
	if (h->down == NULL)
		return; /* the usual case costs nothing */
	make_key(key, flow->transport, &flow->remote);
	d = find(h, key);
	if (d == NULL)
		return;
	GW_LOG(GW_LOG_INFO, "sip.target_up", "target=\"%s\"", key);
	drop(h, d);
}

static const struct down *look_up(struct cscf_sip_health *h, const struct cscf_sip_target *target)
{
	char key[KEY_LEN];
	struct down *d;

	if (h->down == NULL)
		return NULL;
	make_key(key, target->transport, &target->addr);
	d = find(h, key);
	if (d != NULL && d->until <= cscf_sip_now_ms()) {
		drop(h, d);
		d = NULL;
	}
	return d;
}

bool cscf_sip_health_is_down(struct cscf_sip_health *h, const struct cscf_sip_target *target)
{
	return look_up(h, target) != NULL;
}

bool cscf_sip_health_wants_rest(struct cscf_sip_health *h, const struct cscf_sip_target *target)
{
	const struct down *d = look_up(h, target);

	return d != NULL && d->asked;
}
