/* SPDX-License-Identifier: Apache-2.0 */
/* See churn.h. The life of one call, and who is due. */
#include "tests/bench/media/churn.h"

#include "common/rand.h"

#include <stdio.h>
#include <string.h>

#define REPLY_MS   10000
#define CONNECT_MS 15000
#define DRAIN_MS   5000 /* most a packet may be on its way */
#define SHOWN      20   /* failures told */

const char *const churn_fault_words[CHURN_FAULT_COUNT] = {
#define X(id, word) [CHURN_##id] = word,
    CHURN_FAULTS(X)
#undef X
};

static unsigned below(unsigned n)
{
	return (unsigned)(gw_rand_u64() % n);
}

static unsigned index_of(const struct churn *ch, const struct churn_call *k)
{
	return (unsigned)(k - ch->calls);
}

static struct bench_call *call_of(struct churn *ch, const struct churn_call *k)
{
	return &ch->b->calls[index_of(ch, k)];
}

static void enter(struct churn_call *k, enum churn_phase phase, int64_t now)
{
	k->phase = phase;
	k->since_ms = now;
}

static void fault(struct churn *ch, struct churn_call *k, enum churn_fault why, const char *more)
{
	if (ch->failed++ < SHOWN)
		fprintf(stderr, "call %u (place %u, %d ms old): %s %s\n", call_of(ch, k)->tag,
			index_of(ch, k), (int)(bench_now_ms() - k->began_ms),
			churn_fault_words[why], more);
	ch->faults[why]++;
}

static void vacate(struct churn *ch, struct churn_call *k)
{
	struct bench_call *c = call_of(ch, k);
	uint16_t port = c->relay[BENCH_CORE].len != 0 ? gw_addr_port(&c->relay[BENCH_CORE]) : 0;

	if (ch->b->by_port[port] == c)
		ch->b->by_port[port] = NULL;
	bench_call_fini(c);
	c->keyed = c->ice_done = false;
	enter(k, CHURN_FREE, bench_now_ms());
}

static void release(struct churn *ch, struct churn_call *k)
{
	enter(k, CHURN_RELEASE, bench_now_ms());
	(void)agw_talk_ask(ch->talk, bench_agw_release(call_of(ch, k)), index_of(ch, k));
}

static void fail(struct churn *ch, struct churn_call *k, enum churn_fault why, const char *more)
{
	fault(ch, k, why, more);
	if (k->phase == CHURN_RELEASE)
		vacate(ch, k);
	else
		release(ch, k);
}

/* Half of those that give up when reserved do not even wait for the reply. */
static bool gives_up(struct churn *ch, struct churn_call *k)
{
	if (k->give_up != k->phase)
		return false;
	ch->given_up++;
	release(ch, k);
	return true;
}

/* ---- replies ----------------------------------------------------------------------------------
 */

static void add_up(struct churn *ch, const struct bench_call *c)
{
	for (unsigned s = 0; s < BENCH_SIDES; s++) {
		const struct bench_seen *f = &c->flow[s];

		ch->sent += f->sent;
		ch->received += f->received;
		ch->lost += f->sent > f->received ? f->sent - f->received : 0;
		ch->corrupt += f->corrupt;
		ch->duplicate += f->duplicate;
		ch->reordered += f->reordered;
	}
}

/* One direction in words; where it lacks something, what the gateway took and dropped of it. */
static void say(char *text, size_t n, const struct bench_seen *f, const IqDirectionStats *s)
{
	int len = snprintf(text, n, "%llu of %llu", (unsigned long long)f->received,
			   (unsigned long long)f->sent);

	if (f->received == f->sent || s == NULL || len < 0 || (size_t)len >= n)
		return;
	(void)snprintf(text + len, n - (size_t)len,
		       " (last gap %u..%u of %u; gateway: %llu taken, %llu policed, %llu from "
		       "others, %llu not keyed, %llu not sent)",
		       f->gap_from, f->gap_to, f->next_seq, (unsigned long long)s->rtp_packets,
		       (unsigned long long)s->drops_policed, (unsigned long long)s->drops_source,
		       (unsigned long long)s->drops_not_keyed, (unsigned long long)s->send_errors);
}

/* A call that talked: was all of it right, and does the gateway say so too? */
static void judge(struct churn *ch, struct churn_call *k, const IqReleaseReply *r)
{
	const struct bench_call *c = call_of(ch, k);
	const struct bench_seen *up = &c->flow[BENCH_WIC], *down = &c->flow[BENCH_CORE];
	const IqStreamStats *s = r->n_stats == 1 ? r->stats[0] : NULL;
	char of_up[256], of_down[256], text[sizeof(of_up) + sizeof(of_down) + 16];

	add_up(ch, c);
	say(of_up, sizeof(of_up), up, s != NULL ? s->uplink : NULL);
	say(of_down, sizeof(of_down), down, s != NULL ? s->downlink : NULL);
	snprintf(text, sizeof(text), "up %s, down %s", of_up, of_down);
	if (up->corrupt + down->corrupt > 0)
		fault(ch, k, CHURN_CORRUPT, text);
	else if (up->duplicate + down->duplicate > 0)
		fault(ch, k, CHURN_DUPLICATE, text);
	else if (up->received != up->sent || down->received != down->sent)
		fault(ch, k, CHURN_LOST, text);
	else if (s == NULL || s->uplink == NULL || s->downlink == NULL ||
		 s->uplink->rtp_packets != up->sent || s->downlink->rtp_packets != down->sent)
		fault(ch, k, CHURN_MISCOUNTED, text);
	else
		ch->done++;
}

static void on_released(struct churn *ch, struct churn_call *k, const IqEnvelope *rsp)
{
	if (k->talked)
		judge(ch, k, rsp->release_reply);
	vacate(ch, k);
}

void churn_on_reply(void *arg, unsigned what, const IqEnvelope *rsp)
{
	struct churn *ch = arg;
	struct churn_call *k = &ch->calls[what];
	struct bench_call *c = call_of(ch, k);
	const IqError *err = iq_msg_error(rsp);
	bool ok = err == NULL || err->code == IQ_V(ERROR_CODE__OK);

	if (k->phase == CHURN_RELEASE && rsp->body_case != IQ_BODY(RELEASE_REPLY))
		return; /* of what was asked before it was given up */
	if (!ok) {
		fail(ch, k, CHURN_REFUSED, err->detail);
		return;
	}
	if (rsp->body_case == IQ_BODY(RELEASE_REPLY)) {
		on_released(ch, k, rsp);
	} else if (rsp->body_case == IQ_BODY(RESERVE_REPLY)) {
		if (rsp->reserve_reply->n_streams != 1 ||
		    !bench_agw_take(c, rsp->reserve_reply->streams[0])) {
			fail(ch, k, CHURN_REFUSED, "the reply lacks something");
			return;
		}
		ch->b->by_port[gw_addr_port(&c->relay[BENCH_CORE])] = c;
		if (gives_up(ch, k))
			return;
		enter(k, CHURN_CONFIGURE, bench_now_ms());
		(void)agw_talk_ask(ch->talk, bench_agw_configure(ch->b, c), what);
	} else if (!gives_up(ch, k)) {
		enter(k, CHURN_CONNECT, bench_now_ms());
	}
}

/* ---- time -------------------------------------------------------------------------------------
 */

bool churn_start(struct churn *ch, bool stays)
{
	unsigned n = ch->b->o.calls, i = 0;
	int64_t now = bench_now_ms();
	struct churn_call *k;
	struct bench_call *c;

	while (i < n && ch->calls[(ch->free_at + i) % n].phase != CHURN_FREE)
		i++;
	if (i == n)
		return false;
	i = (ch->free_at + i) % n;
	ch->free_at = (i + 1) % n;
	k = &ch->calls[i];
	c = &ch->b->calls[i];
	if (!bench_call_init(c, ch->b, i))
		return false;
	c->tag = ++ch->next_tag;
	c->quiet = true;
	*k = (struct churn_call){.stays = stays, .began_ms = now};
	if (!stays && below(100) < ch->o.give_up_percent)
		k->give_up = (enum churn_phase)(CHURN_RESERVE + below(3));
	if (!stays)
		ch->started++;
	enter(k, CHURN_RESERVE, now);
	if (!agw_talk_ask(ch->talk, bench_agw_reserve(ch->b, c), i))
		return false;
	if (below(2) == 0)
		(void)gives_up(ch, k);
	return true;
}

static void connect_step(struct churn *ch, struct churn_call *k, struct bench_call *c, int64_t now)
{
	bench_call_step(c, now);
	if (now - k->since_ms >= (int64_t)below(20) &&
	    gives_up(ch, k)) /* at a moment of no meaning */
		return;
	if (c->failed || now - k->since_ms > CONNECT_MS) {
		fail(ch, k, c->ice_done ? CHURN_NO_DTLS : CHURN_NO_ICE, "");
		return;
	}
	if (!c->keyed)
		return;
	if (!k->stays)
		bench_hist_add(ch->setup, (now - k->began_ms) * CHURN_SETUP_NS);
	c->quiet = false;
	k->talked = true;
	k->until_ms = now + ch->o.hold_ms / 2 + below(ch->o.hold_ms + 1);
	enter(k, CHURN_TALK, now);
}

static bool has_all(const struct bench_call *c)
{
	return c->flow[BENCH_WIC].received >= c->flow[BENCH_WIC].sent &&
	       c->flow[BENCH_CORE].received >= c->flow[BENCH_CORE].sent;
}

static void step(struct churn *ch, struct churn_call *k, int64_t now)
{
	struct bench_call *c = call_of(ch, k);
	int64_t age = now - k->since_ms;

	switch (k->phase) {
	case CHURN_RESERVE:
	case CHURN_CONFIGURE:
	case CHURN_RELEASE:
		if (age > REPLY_MS)
			fail(ch, k, CHURN_NO_ANSWER, "");
		break;
	case CHURN_CONNECT:
		connect_step(ch, k, c, now);
		break;
	case CHURN_TALK:
		if (k->stays ? !ch->ending : now < k->until_ms)
			break;
		c->quiet = true;
		enter(k, CHURN_DRAIN, now);
		break;
	case CHURN_DRAIN:
		if (has_all(c) || age > DRAIN_MS)
			release(ch, k);
		break;
	case CHURN_FREE:
	case CHURN_PHASES:
		break;
	}
}

bool churn_step(struct churn *ch, unsigned due)
{
	int64_t now = bench_now_ms();

	if (!agw_talk_poll(ch->talk))
		return false;
	for (unsigned i = 0; i < ch->b->o.calls; i++)
		step(ch, &ch->calls[i], now);
	while (due-- > 0)
		if (!churn_start(ch, false))
			ch->late_starts++;
	bench_wire_flush(ch->b->wire);
	return true;
}

unsigned churn_living(const struct churn *ch, enum churn_phase phase)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ch->b->o.calls; i++)
		n += phase == CHURN_PHASES ? ch->calls[i].phase != CHURN_FREE
					   : ch->calls[i].phase == phase;
	return n;
}
