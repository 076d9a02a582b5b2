/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subscriber as an object: whom to watch, as the registrar tells, and answers for operators.
 * Spec: REG-60, REG-61. Thread: the cscf loop.
 */
#include "cscf/regevent/regevent_int.h"

#include "common/log.h"
#include "cscf/sip/mask.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GW_LOG_MOD "regevent"

int64_t re_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_regevent *re = arg;

	(void)fd;
	(void)what;
	while (re->dead != NULL) {
		struct sub *s = re->dead;

		re->dead = s->next_dead;
		sub_free(s);
	}
}

/* "sip:epcscf1…" without the port, "<sip:epcscf1…:5060>" with it. */
static bool name_ourselves(struct cscf_regevent *re)
{
	const char *hostport = cscf_sip_stack_mw_hostport(re->p.stack);
	const char *bracket = strrchr(hostport, ']'), *colon = strrchr(hostport, ':');
	struct gw_addr addr;
	bool udp = cscf_sip_stack_mw_addr(re->p.stack, CSCF_SIP_UDP, &addr);
	int n = (int)strlen(hostport);

	if (colon != NULL && (bracket == NULL || colon > bracket))
		n = (int)(colon - hostport);
	if (asprintf(&re->from_uri, "sip:%.*s", n, hostport) < 0)
		re->from_uri = NULL;
	if (asprintf(&re->contact, "<sip:%s%s>", hostport, udp ? "" : ";transport=tcp") < 0)
		re->contact = NULL;
	return re->from_uri != NULL && re->contact != NULL;
}

enum gw_err cscf_regevent_new(struct cscf_regevent **out, const struct cscf_regevent_config *cfg,
			      const struct cscf_regevent_parts *parts)
{
	struct cscf_regevent *re = calloc(1, sizeof(*re));

	if (re == NULL)
		return GW_ERR_NOMEM;
	re->cfg = cfg;
	re->p = *parts;
	re_metrics_register();
	re->reaper = evtimer_new(parts->base, on_reap, re);
	if (re->reaper == NULL || !name_ourselves(re)) {
		cscf_regevent_free(re);
		return GW_ERR_NOMEM;
	}
	*out = re;
	return GW_OK;
}

void cscf_regevent_free(struct cscf_regevent *re)
{
	struct sub *s, *next;

	if (re == NULL)
		return;
	HASH_ITER (hh, re->by_call_id, s, next)
		sub_free(s);
	if (re->reaper != NULL)
		event_free(re->reaper);
	re_metrics_unregister();
	free(re->from_uri);
	free(re->contact);
	free(re);
}

static struct sub *find_user(const struct cscf_regevent *re, const char *impi)
{
	struct sub *s = NULL;

	HASH_FIND(hh_impi, re->by_impi, impi, strlen(impi), s);
	return s;
}

void cscf_regevent_on_user(struct cscf_regevent *re, const struct cscf_registrar_user *user)
{
	struct sub *s;

	if (!re->cfg->enable)
		return;
	s = find_user(re, user->impi);
	if (s != NULL) { /* once per IMPI (REG-61); the next refresh asks for as long as it needs */
		s->granted_s = user->expires_s;
		return;
	}
	s = (int64_t)HASH_COUNT(re->by_call_id) < re->cfg->max_subscriptions ? sub_new(re, user)
									     : NULL;
	if (s != NULL) {
		sub_tell(s, SUB_E_START, NULL);
		return;
	}
	re_metric_inc(RE_M_LIMIT);
	GW_LOG_LIMITED(GW_LOG_WARN, "regevent.limit", "impi=\"%s\" subscriptions=%u",
		       cscf_sip_mask(user->impi), (unsigned)HASH_COUNT(re->by_call_id));
}

void cscf_regevent_on_user_gone(struct cscf_regevent *re, const char *impi)
{
	struct sub *s = find_user(re, impi);

	if (s != NULL)
		sub_tell(s, SUB_E_USER_GONE, NULL);
}

/* ---- for operators --------------------------------------------------------------------------- */

struct cscf_regevent_row cscf_regevent_show(const struct cscf_regevent *re, const char *impi)
{
	static const char *const words[SUB_S_COUNT] = {
	    [SUB_S_IDLE] = "none",           [SUB_S_SUBSCRIBING] = "subscribing",
	    [SUB_S_ACTIVE] = "active",       [SUB_S_REFRESHING] = "refreshing",
	    [SUB_S_WAITING] = "waiting",     [SUB_S_GAVE_UP] = "gave-up",
	    [SUB_S_LINGERING] = "lingering", [SUB_S_DONE] = "none",
	};
	const struct sub *s = find_user(re, impi);
	struct cscf_regevent_row row = {.state = "none", .version = -1};

	if (s == NULL)
		return row;
	row.state = words[s->fsm.state];
	row.failures = s->failures;
	if (s->expires_at_ms > 0)
		row.expires_in_s = (s->expires_at_ms - re_now_ms()) / 1000;
	if (s->have_version)
		row.version = s->version;
	return row;
}

size_t cscf_regevent_count(const struct cscf_regevent *re)
{
	return HASH_CNT(hh_impi, re->by_impi);
}
