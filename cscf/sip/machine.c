/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libosip2's transaction machines; see machine.h. Each gets a skeleton of the message only (its
 * machines look at Via transport, method and status, nothing else), so nothing a peer wrote is
 * cloned here. Closed here, of libosip2 5.3:
 *  - timers from compile-time constants: lengths are set from the configuration after birth, and
 *    again where it falls back on its own T1 or T2 (pace_e, pace_g);
 *  - "WS" and "WSS" count as unreliable in it: the skeleton says TCP for whatever is reliable;
 *  - lists of all transactions: left at once (see machine.h);
 *  - its ACK (no Max-Forwards): never sent, the owner builds its own;
 *  - no Accepted state, no timer C: the owner's;
 *  - some 200 allocations and a parse or four per transaction: machines that ended, and their
 *    skeletons (skeleton.h), are used again. They hold nothing of a peer.
 */
#include "cscf/sip/machine.h"

#include "cscf/sip/osip_parse.h"
#include "cscf/sip/skeleton.h"

#include <osipparser2/osip_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_MACHINES 128 /* kept per kind, 16 kB each */

struct cscf_sip_machine {
	struct cscf_sip_machine *next; /* spare */
	enum cscf_sip_machine_kind kind;
	bool reliable;
	bool over;
	bool broke;
	const struct cscf_sip_machine_ops *ops;
	void *owner;
	int t2_ms;
	osip_transaction_t *tr;
};

static osip_t *osip; /* one per process, made at first use, never freed */

/* What ended and may serve again, per reliability; loop thread only. */
static struct {
	struct cscf_sip_machine *first;
	unsigned n;
} spare_machines[4][2];

/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is libosip2's */
static int on_send(osip_transaction_t *tr, osip_message_t *sip, char *host, int port, int sock)
{
	struct cscf_sip_machine *m = osip_transaction_get_your_instance(tr);
	enum cscf_sip_machine_send what = CSCF_SIP_SEND_RESPONSE;

	(void)host;
	(void)port;
	(void)sock;
	if (MSG_IS_REQUEST(sip))
		what = MSG_IS_ACK(sip) ? CSCF_SIP_SEND_ACK : CSCF_SIP_SEND_REQUEST;
	if (m->ops->send(m->owner, what) == 0)
		return 0;
	m->broke = true;
	return -1;
}

static void on_kill(int type, osip_transaction_t *tr)
{
	struct cscf_sip_machine *m = osip_transaction_get_your_instance(tr);

	(void)type;
	m->over = true;
}

static void on_timeout(int type, osip_transaction_t *tr, osip_message_t *sip)
{
	struct cscf_sip_machine *m = osip_transaction_get_your_instance(tr);

	(void)type;
	(void)sip;
	m->ops->timeout(m->owner);
}

static enum gw_err init_once(void)
{
	if (osip != NULL)
		return GW_OK;
	cscf_sip_osip_init();
	if (osip_init(&osip) != 0) {
		osip = NULL;
		return GW_ERR_NOMEM;
	}
	osip_set_cb_send_message(osip, on_send);
	for (int i = 0; i < OSIP_KILL_CALLBACK_COUNT; i++)
		osip_set_kill_transaction_callback(osip, i, on_kill);
	osip_set_message_callback(osip, OSIP_ICT_STATUS_TIMEOUT, on_timeout);
	osip_set_message_callback(osip, OSIP_NICT_STATUS_TIMEOUT, on_timeout);
	return GW_OK;
}

static enum cscf_sip_skeleton skeleton_of(const struct cscf_sip_machine *m)
{
	return m->kind == CSCF_SIP_ICT || m->kind == CSCF_SIP_IST ? CSCF_SIP_SKELETON_INVITE
								  : CSCF_SIP_SKELETON_OTHER;
}

/* --- life --- */

static void start(struct timeval *tv, int ms)
{
	osip_gettimeofday(tv, NULL);
	add_gettimeofday(tv, ms);
}

static void set_client_timers(struct cscf_sip_machine *m, const struct cscf_sip_machine_timers *t)
{
	int timeout = t->timeout_ms > 0 ? t->timeout_ms : 64 * t->t1_ms;

	if (m->kind == CSCF_SIP_ICT) {
		osip_ict_t *c = m->tr->ict_context;

		c->timer_a_length = m->reliable ? -1 : t->t1_ms;
		if (m->reliable)
			c->timer_a_start.tv_sec = -1;
		else
			start(&c->timer_a_start, c->timer_a_length);
		c->timer_b_length = timeout;
		start(&c->timer_b_start, timeout);
		c->timer_d_length = m->reliable ? 0 : 64 * t->t1_ms;
		return;
	}
	m->tr->nict_context->timer_e_length = m->reliable ? -1 : t->t1_ms;
	if (m->reliable)
		m->tr->nict_context->timer_e_start.tv_sec = -1;
	m->tr->nict_context->timer_f_length = timeout;
	start(&m->tr->nict_context->timer_f_start, timeout);
	m->tr->nict_context->timer_k_length = m->reliable ? 0 : t->t4_ms;
}

static void set_server_timers(struct cscf_sip_machine *m, const struct cscf_sip_machine_timers *t)
{
	if (m->kind == CSCF_SIP_IST) {
		m->tr->ist_context->timer_g_length = m->reliable ? -1 : t->t1_ms;
		m->tr->ist_context->timer_h_length = 64 * t->t1_ms;
		m->tr->ist_context->timer_i_length = m->reliable ? 0 : t->t4_ms;
		return;
	}
	m->tr->nist_context->timer_j_length = m->reliable ? 0 : 64 * t->t1_ms;
}

static enum gw_err machine_make(struct cscf_sip_machine **out, enum cscf_sip_machine_kind kind,
				bool reliable)
{
	static const osip_fsm_type_t types[] = {ICT, IST, NICT, NIST};
	struct cscf_sip_machine *m = calloc(1, sizeof(*m));
	osip_message_t *sip;
	int rc;

	if (m == NULL)
		return GW_ERR_NOMEM;
	m->kind = kind;
	m->reliable = reliable;
	sip = cscf_sip_skeleton_take(skeleton_of(m), m->reliable, 0);
	rc = sip != NULL ? osip_transaction_init(&m->tr, types[kind], osip, sip) : OSIP_NOMEM;
	cscf_sip_skeleton_give(skeleton_of(m), m->reliable, &sip);
	if (rc != 0) {
		free(m);
		return GW_ERR_NOMEM;
	}
	osip_remove_transaction(osip, m->tr); /* its list holds this one alone */
	osip_transaction_set_your_instance(m->tr, m);
	*out = m;
	return GW_OK;
}

static struct cscf_sip_machine *machine_reuse(enum cscf_sip_machine_kind kind, bool reliable)
{
	static const state_t initial[] = {ICT_PRE_CALLING, IST_PRE_PROCEEDING, NICT_PRE_TRYING,
					  NIST_PRE_TRYING};
	struct cscf_sip_machine *m = spare_machines[kind][reliable].first;

	if (m == NULL)
		return NULL;
	spare_machines[kind][reliable].first = m->next;
	spare_machines[kind][reliable].n--;
	m->next = NULL;
	m->over = m->broke = false;
	m->tr->state = initial[kind];
	return m;
}

enum gw_err cscf_sip_machine_new(struct cscf_sip_machine **out, enum cscf_sip_machine_kind kind,
				 bool reliable, const struct cscf_sip_machine_timers *timers,
				 const struct cscf_sip_machine_ops *ops, void *owner)
{
	struct cscf_sip_machine *m;

	*out = NULL;
	if (init_once() != GW_OK)
		return GW_ERR_NOMEM;
	m = machine_reuse(kind, reliable);
	if (m == NULL && machine_make(&m, kind, reliable) != GW_OK)
		return GW_ERR_NOMEM;
	m->ops = ops;
	m->owner = owner;
	m->t2_ms = timers->t2_ms;
	if (kind == CSCF_SIP_ICT || kind == CSCF_SIP_NICT)
		set_client_timers(m, timers);
	else
		set_server_timers(m, timers);
	*out = m;
	return GW_OK;
}

void cscf_sip_machine_free(struct cscf_sip_machine *m)
{
	if (m == NULL)
		return;
	cscf_sip_skeleton_give(skeleton_of(m), m->reliable, &m->tr->orig_request);
	cscf_sip_skeleton_give(skeleton_of(m), m->reliable, &m->tr->last_response);
	if (spare_machines[m->kind][m->reliable].n >= SPARE_MACHINES) {
		osip_transaction_free2(m->tr);
		free(m);
		return;
	}
	cscf_sip_skeleton_give(CSCF_SIP_SKELETON_ACK, m->reliable, &m->tr->ack);
	m->ops = NULL;
	m->owner = NULL;
	m->next = spare_machines[m->kind][m->reliable].first;
	spare_machines[m->kind][m->reliable].first = m;
	spare_machines[m->kind][m->reliable].n++;
}

/* Timer E doubles up to T2, and is T2 once there was a provisional response. */
static void pace_e(struct cscf_sip_machine *m, int before)
{
	osip_nict_t *c = m->tr->nict_context;

	if (m->over || m->reliable)
		return;
	c->timer_e_length = before * 2;
	if (c->timer_e_length > m->t2_ms || m->tr->state == NICT_PROCEEDING)
		c->timer_e_length = m->t2_ms;
	start(&c->timer_e_start, c->timer_e_length);
}

static void pace_g(struct cscf_sip_machine *m)
{
	osip_ist_t *c = m->tr->ist_context;

	if (m->over || c->timer_g_length <= m->t2_ms)
		return;
	c->timer_g_length = m->t2_ms;
	start(&c->timer_g_start, c->timer_g_length);
}

/* --- events --- */

static enum gw_err feed(struct cscf_sip_machine *m, type_t type, osip_message_t *sip)
{
	osip_event_t *evt = osip_malloc(sizeof(*evt));

	if (evt == NULL) {
		osip_message_free(sip);
		return GW_ERR_NOMEM;
	}
	*evt = (osip_event_t){.type = type, .transactionid = m->tr->transactionid, .sip = sip};
	osip_transaction_execute(m->tr, evt); /* takes evt and sip, which the analyzer cannot see */
	return GW_OK;                         /* NOLINT(clang-analyzer-unix.Malloc) */
}

static bool is_client(const struct cscf_sip_machine *m)
{
	return m->kind == CSCF_SIP_ICT || m->kind == CSCF_SIP_NICT;
}

enum gw_err cscf_sip_machine_request(struct cscf_sip_machine *m)
{
	static const type_t types[] = {
	    [CSCF_SIP_ICT] = SND_REQINVITE,
	    [CSCF_SIP_IST] = RCV_REQINVITE,
	    [CSCF_SIP_NICT] = SND_REQUEST,
	    [CSCF_SIP_NIST] = RCV_REQUEST,
	};
	osip_message_t *sip;

	if (m->over)
		return GW_ERR_STATE;
	sip = cscf_sip_skeleton_take(skeleton_of(m), m->reliable, 0);
	return sip != NULL ? feed(m, types[m->kind], sip) : GW_ERR_NOMEM;
}

/* The response that the next one replaces, before libosip2 frees it: to be used again. */
static void reclaim_provisional(struct cscf_sip_machine *m)
{
	static const state_t proceeding[] = {ICT_PROCEEDING, IST_PROCEEDING, NICT_PROCEEDING,
					     NIST_PROCEEDING};

	if (m->tr->state == proceeding[m->kind])
		cscf_sip_skeleton_give(skeleton_of(m), m->reliable, &m->tr->last_response);
}

enum gw_err cscf_sip_machine_response(struct cscf_sip_machine *m, int status)
{
	type_t type = is_client(m) ? RCV_STATUS_3456XX : SND_STATUS_3456XX;
	osip_message_t *sip;

	if (m->over)
		return GW_ERR_STATE;
	if (status < 200)
		type = is_client(m) ? RCV_STATUS_1XX : SND_STATUS_1XX;
	else if (status < 300)
		type = is_client(m) ? RCV_STATUS_2XX : SND_STATUS_2XX;
	reclaim_provisional(m);
	sip = cscf_sip_skeleton_take(skeleton_of(m), m->reliable, status);
	if (sip == NULL || feed(m, type, sip) != GW_OK)
		return GW_ERR_NOMEM;
	if (m->kind == CSCF_SIP_NICT && status < 200)
		pace_e(m, m->t2_ms);
	return GW_OK;
}

enum gw_err cscf_sip_machine_ack(struct cscf_sip_machine *m)
{
	osip_message_t *sip;

	if (m->over)
		return GW_ERR_STATE;
	sip = cscf_sip_skeleton_take(CSCF_SIP_SKELETON_ACK, m->reliable, 0);
	return sip != NULL ? feed(m, RCV_REQACK, sip) : GW_ERR_NOMEM;
}

/* --- state --- */

bool cscf_sip_machine_is_over(const struct cscf_sip_machine *m)
{
	return m->over;
}

bool cscf_sip_machine_broke(const struct cscf_sip_machine *m)
{
	return m->broke;
}

bool cscf_sip_machine_is_pending(const struct cscf_sip_machine *m)
{
	state_t s = m->tr->state;

	return !m->over && (s == ICT_PRE_CALLING || s == ICT_CALLING || s == ICT_PROCEEDING ||
			    s == NICT_PRE_TRYING || s == NICT_TRYING || s == NICT_PROCEEDING ||
			    s == IST_PRE_PROCEEDING || s == IST_PROCEEDING ||
			    s == NIST_PRE_TRYING || s == NIST_TRYING || s == NIST_PROCEEDING);
}

/* --- timers --- */

struct running {
	type_t type;
	const struct timeval *at;
};

/* The timers that count in the present state; tv_sec -1 = not started. */
static size_t running_timers(const struct cscf_sip_machine *m, struct running out[2])
{
	const osip_transaction_t *tr = m->tr;
	size_t n = 0;

	if (m->over)
		return 0;
	switch (m->kind) {
	case CSCF_SIP_ICT:
		if (tr->state == ICT_CALLING) {
			out[n++] = (struct running){TIMEOUT_B, &tr->ict_context->timer_b_start};
			out[n++] = (struct running){TIMEOUT_A, &tr->ict_context->timer_a_start};
		} else if (tr->state == ICT_COMPLETED) {
			out[n++] = (struct running){TIMEOUT_D, &tr->ict_context->timer_d_start};
		}
		break;
	case CSCF_SIP_NICT:
		if (tr->state == NICT_TRYING || tr->state == NICT_PROCEEDING) {
			out[n++] = (struct running){TIMEOUT_F, &tr->nict_context->timer_f_start};
			out[n++] = (struct running){TIMEOUT_E, &tr->nict_context->timer_e_start};
		} else if (tr->state == NICT_COMPLETED) {
			out[n++] = (struct running){TIMEOUT_K, &tr->nict_context->timer_k_start};
		}
		break;
	case CSCF_SIP_IST:
		if (tr->state == IST_COMPLETED) {
			out[n++] = (struct running){TIMEOUT_H, &tr->ist_context->timer_h_start};
			out[n++] = (struct running){TIMEOUT_G, &tr->ist_context->timer_g_start};
		} else if (tr->state == IST_CONFIRMED) {
			out[n++] = (struct running){TIMEOUT_I, &tr->ist_context->timer_i_start};
		}
		break;
	case CSCF_SIP_NIST:
		if (tr->state == NIST_COMPLETED)
			out[n++] = (struct running){TIMEOUT_J, &tr->nist_context->timer_j_start};
		break;
	}
	return n;
}

static int ms_until(const struct timeval *at)
{
	struct timeval now;
	long long us;

	osip_gettimeofday(&now, NULL);
	us = ((long long)at->tv_sec - now.tv_sec) * 1000000 + (at->tv_usec - now.tv_usec);
	if (us <= 0)
		return 0;
	return (int)((us + 999) / 1000);
}

int cscf_sip_machine_due(const struct cscf_sip_machine *m)
{
	struct running timers[2];
	size_t n = running_timers(m, timers);
	int due = -1;

	for (size_t i = 0; i < n; i++) {
		int ms;

		if (timers[i].at->tv_sec == -1)
			continue;
		ms = ms_until(timers[i].at);
		if (due < 0 || ms < due)
			due = ms;
	}
	return due;
}

void cscf_sip_machine_fire(struct cscf_sip_machine *m)
{
	struct running timers[2];
	size_t n = running_timers(m, timers);
	int before;

	for (size_t i = 0; i < n; i++) { /* the ending timer comes first */
		if (timers[i].at->tv_sec == -1 || ms_until(timers[i].at) > 0)
			continue;
		before = m->kind == CSCF_SIP_NICT ? m->tr->nict_context->timer_e_length : 0;
		if (feed(m, timers[i].type, NULL) != GW_OK)
			return; /* out of memory: the timer is still due and comes again */
		if (timers[i].type == TIMEOUT_E)
			pace_e(m, before);
		else if (timers[i].type == TIMEOUT_G)
			pace_g(m);
		break; /* states may have moved on */
	}
}
