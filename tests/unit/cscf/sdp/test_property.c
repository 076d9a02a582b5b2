/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of the SDP engine over thousands of random calls: two random peers (peers.h) offer,
 * answer, refuse, repeat; after each text the questions of check.h are asked. A failure names the
 * seed: PROPERTY_SEED=n runs that call alone and prints it. PROPERTY_CALLS=n runs more.
 */
#include "check.h"
#include "cscf/sdp/sdp_int.h"
#include "fixture.h"
#include "peer_core.h"
#include "tests/lib/req.h"

#define CALLS 4000

struct call {
	struct rnd r;
	unsigned long seed;
	struct cscf_sdp_session *s;
	struct wic wic;
	struct core core;
	struct ck_leg wic_leg, core_leg;
	struct text offer, answer;
	unsigned rounds, refused, done, moves;
	bool talk;
};

static void stop(const struct call *c, const char *why, const char *text)
{
	fail_msg("seed %lu, round %u: %s\n%s", c->seed, c->rounds, why, text);
}

static void say(const struct call *c, const char *who, const char *text)
{
	if (c->talk)
		print_message("---- %s\n%s", who, text);
}

static const char *leaks(const char *text, bool wic)
{
	static const char *const core[] = {"198.51.100.", "2001:db8:51:", "203.0.113.", "0.0.0.0",
					   ".local"};
	static const char *const access[] = {"10.30.",       "2001:db8:30:", "10.20.",
					     "2001:db8:20:", "198.51.100.",  "0.0.0.0"};
	const char *const *list = wic ? access : core;

	for (size_t i = 0; i < (wic ? 6 : 5); i++)
		if (strstr(text, list[i]) != NULL)
			return list[i];
	return NULL;
}

static void check(struct call *c, const struct cscf_sdp_text *t, bool wic, bool offer, int lines)
{
	const char *bad = ck_text(c->s, t, wic, offer, lines, wic ? &c->wic_leg : &c->core_leg);

	say(c,
	    wic ? (offer ? "offer to the WIC" : "answer to the WIC")
		: (offer ? "offer to the core" : "answer to the core"),
	    t->p);
	if (bad == NULL)
		bad = ck_allow(t->p, wic);
	if (bad != NULL)
		stop(c, bad, t->p);
	/* no leg's line is taken for the other leg's, also when it is dead */
	if (strstr(t->p, "m=application 0 RTP/") != NULL || strstr(t->p, "m=image 0 RTP/") != NULL)
		stop(c, "a dead line of no RTP media says RTP", t->p);
	if (leaks(t->p, wic) != NULL)
		stop(c, leaks(t->p, wic), t->p);
}

static void check_peer(struct call *c, const struct text *t, bool wic, bool offer)
{
	const char *ours = wic ? c->wic_leg.text : c->core_leg.text;
	const char *bad = ck_peer(c->s, t->p, t->n, wic, offer ? NULL : ours);

	if (bad != NULL)
		stop(c, bad, t->p);
}

static struct sdp *parsed(struct call *c, const char *text, size_t n)
{
	struct sdp *d = NULL;

	if (sdp_parse(&d, text, n) != CSCF_SDP_OK)
		stop(c, "does not parse", text);
	return d;
}

static int lines_of(struct call *c, const struct text *t)
{
	struct sdp *d = parsed(c, t->p, t->n);
	int n = (int)d->n_media;

	sdp_free(d);
	return n;
}

/* As the session layer: what is live gets addresses, what ended loses them. */
static void give(struct call *c)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(c->s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->s, i);

		if (!st->live || (st->has_local && !st->is_new && !st->ice_restart))
			continue;
		if (once_in(&c->r, 25) && !st->has_local)
			cscf_sdp_stream_refuse(c->s, i, CSCF_SDP_NO_MEDIA);
		else
			fx_local(c->s, i);
	}
}

static void take_back(struct call *c)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(c->s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->s, i);

		if (!st->live && st->has_local)
			cscf_sdp_clear_local(c->s, i);
	}
}

static enum cscf_sdp_verdict read_offer(struct call *c, bool from_wic)
{
	return from_wic ? cscf_sdp_offer_from_wic(c->s, c->offer.p, c->offer.n)
			: cscf_sdp_offer_from_core(c->s, c->offer.p, c->offer.n);
}

static enum cscf_sdp_verdict write_offer(struct call *c, bool from_wic, struct cscf_sdp_text *t)
{
	return from_wic ? cscf_sdp_offer_to_core(c->s, t) : cscf_sdp_offer_to_wic(c->s, t);
}

static enum cscf_sdp_verdict read_answer(struct call *c, bool from_wic)
{
	return from_wic ? cscf_sdp_answer_from_core(c->s, c->answer.p, c->answer.n)
			: cscf_sdp_answer_from_wic(c->s, c->answer.p, c->answer.n);
}

static void make_answer(struct call *c, bool from_wic, const struct cscf_sdp_text *t)
{
	struct sdp *d = parsed(c, t->p, t->n);

	if (from_wic)
		core_answer(&c->answer, &c->core, d);
	else
		wic_answer(&c->answer, &c->wic, d);
	sdp_free(d);
	say(c, "answer", c->answer.p);
}

/* Read the answer and write it on; once more as a fork or a 200 after a 183 would. */
static bool finish(struct call *c, bool from_wic, const struct cscf_sdp_text *sent)
{
	struct cscf_sdp_text t;
	int lines = lines_of(c, &c->offer);
	enum cscf_sdp_verdict v;

	if (once_in(&c->r, 4) && from_wic) { /* another fork was here first */
		struct text keep = c->answer;
		struct core core = c->core;

		make_answer(c, from_wic, sent);
		if (read_answer(c, from_wic) == CSCF_SDP_OK) {
			assert_int_equal(cscf_sdp_answer_to_wic(c->s, &t), CSCF_SDP_OK);
			check(c, &t, true, false, lines);
			check_peer(c, &c->answer, false, false);
		}
		c->answer = keep;
		c->core = core;
	}
	v = read_answer(c, from_wic);

	if (v != CSCF_SDP_OK) {
		if (v != CSCF_SDP_NO_FORMAT)
			stop(c, cscf_sdp_verdict_name(v), c->answer.p);
		return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(from_wic ? cscf_sdp_answer_to_wic(c->s, &t)
					  : cscf_sdp_answer_to_core(c->s, &t),
				 CSCF_SDP_OK);
		if (i == 1 && !t.unchanged)
			stop(c, "the same answer again is another text", t.p);
		check(c, &t, from_wic, false, lines);
		check_peer(c, &c->answer, !from_wic, false);
		if (i == 0)
			assert_int_equal(read_answer(c, from_wic), CSCF_SDP_OK);
	}
	return true;
}

/* One round, to its end or to a refusal at a random place. @return true when committed */
static bool run_round(struct call *c, bool from_wic)
{
	struct ck_snapshot *before = ck_snapshot_new(c->s);
	unsigned fate = rnd(&c->r, 10); /* 0: refused at the start, 1: broken answer, 2: late */
	struct cscf_sdp_text t;
	const char *bad;
	bool done = false;

	c->rounds++;
	if (read_offer(c, from_wic) == CSCF_SDP_OK) {
		check_peer(c, &c->offer, from_wic, true);
		give(c);
		if (fate != 0 && write_offer(c, from_wic, &t) == CSCF_SDP_OK) {
			check(c, &t, !from_wic, true, -1);
			make_answer(c, from_wic, &t);
			if (fate == 1) { /* a line too many, then the good one */
				size_t n = c->answer.n;

				put(&c->answer, "m=audio 4000 RTP/AVP 0\r\n");
				assert_int_equal(read_answer(c, from_wic), CSCF_SDP_BAD_ANSWER);
				c->answer.p[c->answer.n = n] = '\0';
			}
			done = finish(c, from_wic, &t);
		}
	}
	if (done && fate != 2) {
		free(before->v);
		free(before);
		cscf_sdp_commit(c->s);
		take_back(c);
		c->done++;
		return true;
	}
	cscf_sdp_rollback(c->s);
	bad = ck_snapshot_end(before, c->s);
	if (bad != NULL)
		stop(c, bad, c->offer.p);
	c->refused++;
	return false;
}

/* The round just committed, word for word: nothing moves on either leg (SDP-10, SDP-11). */
static void repeat(struct call *c, bool from_wic)
{
	struct cscf_sdp_text t;

	if (read_offer(c, from_wic) != CSCF_SDP_OK)
		stop(c, "a repeated offer is refused", c->offer.p);
	if (!cscf_sdp_is_repeat(c->s))
		stop(c, "not seen as a repeat", c->offer.p);
	for (size_t i = 0; i < cscf_sdp_stream_count(c->s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->s, i);

		if (st->live && (!st->has_local || st->is_new || st->ice_restart || st->new_dtls))
			stop(c, "a repeat changes a stream", c->offer.p);
	}
	assert_int_equal(write_offer(c, from_wic, &t), CSCF_SDP_OK);
	check(c, &t, !from_wic, true, -1);
	cscf_sdp_rollback(c->s);
}

static bool any_live(const struct cscf_sdp_session *s)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++)
		if (cscf_sdp_stream(s, i)->live)
			return true;
	return false;
}

/* ---- another eIMS-AGW (moved.c) ---------------------------------------------------------------
 */

/* What the old gateway gave: in no text of the new one. */
struct old {
	char word[CSCF_SDP_MAX_MEDIA * 2][5][80];
	size_t n;
};

static void note_old(struct old *o, const struct cscf_sdp_session *s)
{
	o->n = 0;
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);
		const struct cscf_sdp_access_local *a = &st->access_local;
		char(*w)[80] = o->word[o->n];

		if (!st->live)
			continue;
		snprintf(w[0], 80, " %u ", a->port);
		snprintf(w[1], 80, " %u ", st->core_local.port);
		snprintf(w[2], 80, "%.70s", a->pwd);
		snprintf(w[3], 80, "%02X:%02X:%02X:%02X:%02X", a->fps[0].value[0],
			 a->fps[0].value[1], a->fps[0].value[2], a->fps[0].value[3],
			 a->fps[0].value[4]);
		snprintf(w[4], 80, "a=rtcp:%u\r",
			 st->core_local.rtcp_port != 0 ? st->core_local.rtcp_port
						       : st->core_local.port + 1U);
		o->n++;
	}
}

static void give_new(struct call *c)
{
	bool v6 = once_in(&c->r, 3), full = once_in(&c->r, 2), rtcp = once_in(&c->r, 2);
	unsigned k = ++c->moves;

	for (size_t i = 0; i < cscf_sdp_stream_count(c->s); i++) {
		struct cscf_sdp_access_local a = {.n_fps = 1, .ice_full = full};
		struct cscf_sdp_core_local l = {0};

		cscf_sdp_clear_local(c->s, i);
		if (!cscf_sdp_stream(c->s, i)->live)
			continue;
		snprintf(a.addr, sizeof(a.addr), v6 ? "2001:db8:10::%u" : "203.0.113.%u", 70 + k);
		snprintf(l.addr, sizeof(l.addr), v6 ? "2001:db8:20::%u" : "10.20.0.%u", 70 + k);
		a.port = (uint16_t)(41000 + 100 * k + 4 * i);
		a.rtcp_port = (uint16_t)(a.port + 1);
		l.port = (uint16_t)(31000 + 100 * k + 4 * i);
		l.rtcp_port = (uint16_t)(rtcp ? l.port + 2 : 0);
		snprintf(a.ufrag, sizeof(a.ufrag), "m%uv%zu", k, i);
		snprintf(a.pwd, sizeof(a.pwd), "%u5kX0uH8dQmB2wPz7sYt1Lr%02zu", k, i);
		snprintf(a.fps[0].hash, sizeof(a.fps[0].hash), "sha-256");
		a.fps[0].len = 32;
		memset(a.fps[0].value, (int)(0xa0 + k), 32);
		assert_int_equal(cscf_sdp_move_local(c->s, i, &a, &l), GW_OK);
	}
}

/* One leg is asked, and takes it, perhaps without some of the streams. @return false: it will not
 */
static bool move_leg(struct call *c, const struct old *old, bool to_core)
{
	const struct ck_leg *leg = to_core ? &c->core_leg : &c->wic_leg;
	uint64_t version = leg->version;
	struct cscf_sdp_text t;

	assert_int_equal(cscf_sdp_reoffer_moved(c->s, to_core, &t), CSCF_SDP_OK);
	check(c, &t, !to_core, true, -1);
	if (leg->version != version + 1 || t.unchanged)
		stop(c, "the version of a moved offer", t.p);
	if (ck_has_line(t.p, "a=ice-lite") == (to_core || sdp_has_full_agent(&c->s->work)))
		stop(c, "ice-lite is not the new agent's", t.p);
	for (size_t i = 0; i < old->n; i++)
		for (size_t k = 0; k < 5; k++)
			if (strstr(t.p, old->word[i][k]) != NULL)
				stop(c, old->word[i][k], t.p);
	make_answer(c, to_core, &t);
	if (read_answer(c, to_core) != CSCF_SDP_OK) {
		cscf_sdp_rollback(c->s);
		return false;
	}
	check_peer(c, &c->answer, !to_core, false);
	cscf_sdp_commit(c->s);
	take_back(c);
	return true;
}

/* Both legs, the WIC first (session/repair.c). @return false: an end will not, the call is over */
static bool move(struct call *c)
{
	struct old old;

	note_old(&old, c->s);
	give_new(c);
	return move_leg(c, &old, false) && any_live(c->s) && move_leg(c, &old, true) &&
	       any_live(c->s);
}

/* A peer that had its offer refused goes back to what it was (RFC 3264 s8). */
static bool one_offer(struct call *c, bool from_wic)
{
	struct wic wic = c->wic;
	struct core core = c->core;
	unsigned version;

	if (from_wic)
		wic_offer(&c->offer, &c->wic);
	else
		core_offer(&c->offer, &c->core);
	say(c, from_wic ? "offer of the WIC" : "offer of the core", c->offer.p);
	if (run_round(c, from_wic)) {
		if (once_in(&c->r, 3) && any_live(c->s))
			repeat(c, from_wic);
		return !once_in(&c->r, 4) || !any_live(c->s) || move(c);
	}
	version = c->wic.version;
	c->wic = wic;
	c->wic.version = version;
	version = c->core.version;
	c->core = core;
	c->core.version = version;
	return true;
}

static void run_call(struct call *c, unsigned long seed, const struct cscf_sdp_policy *policy)
{
	unsigned n;
	bool first;

	*c = (struct call){.seed = seed,
			   .r = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1},
			   .talk = getenv("PROPERTY_SEED") != NULL};
	c->wic =
	    (struct wic){.r = &c->r, .may_unmux = policy->access_rtcp_mux == CSCF_SDP_MUX_OFFER};
	c->core = (struct core){.r = &c->r, .v6 = once_in(&c->r, 4)};
	fx_serves = once_in(&c->r, 2) ? CSCF_SDP_FB_NACK : 0;
	c->s = fx_session(policy);
	n = 1 + rnd(&c->r, 7);
	first = once_in(&c->r, 2);
	for (unsigned i = 0; i < n; i++)
		if (!one_offer(c, i == 0 ? first : once_in(&c->r, 2)))
			break;
	cscf_sdp_session_free(c->s);
	ck_leg_free(&c->wic_leg);
	ck_leg_free(&c->core_leg);
}

static void test_properties_hold_over_random_calls(void **state)
{
	REQ("SDP-01", "SDP-02", "SDP-10", "SDP-11", "SDP-12", "SDP-13", "SDP-25", "SDP-35",
	    "SDP-36", "BUN-02", "BUN-05", "BUN-11", "BUN-12", "DTLS-19", "DTLS-20", "ICE-18");
	static const char *const one = "PROPERTY_SEED", *const many = "PROPERTY_CALLS";
	unsigned long first = getenv(one) != NULL ? strtoul(getenv(one), NULL, 10) : 1;
	unsigned long n = getenv(one) != NULL    ? 1
			  : getenv(many) != NULL ? strtoul(getenv(many), NULL, 10)
						 : CALLS;
	unsigned long rounds = 0, done = 0, refused = 0, moves = 0;
	char ext1[] = "urn:ietf:params:x", ext2[] = "urn:3gpp:video-orientation";
	char ext3[] = "urn:ietf:params:rtp-hdrext:sdes:mid", *uris[] = {ext1, ext2, ext3};
	const struct gw_conf_list exts = {.item = uris, .n = 3};
	struct cscf_sdp_policy policy;
	struct call *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (unsigned long i = 0; i < n; i++) {
		cscf_sdp_policy_default(&policy);
		policy.core_rtcp_mux_accept = (first + i) % 3 == 0;
		policy.answer_passive = (first + i) % 5 == 0;
		policy.core_audio_avpf = (first + i) % 7 == 0;
		policy.pass_unknown = (first + i) % 4 == 0;
		policy.extmap_allow = (first + i) % 2 == 0 ? &exts : NULL;
		policy.tls_id_in_offers = (first + i) % 11 == 0;
		policy.max_streams = (first + i) % 6 == 0 ? 2 : 0;
		policy.early_488 = (first + i) % 9 == 0;
		policy.access_rtcp_mux =
		    (first + i) % 8 == 0 ? CSCF_SDP_MUX_OFFER : CSCF_SDP_MUX_REQUIRE;
		run_call(c, first + i, &policy);
		rounds += c->rounds;
		done += c->done;
		refused += c->refused;
		moves += c->moves;
	}
	print_message("calls %lu to %lu: %lu rounds, %lu committed, %lu refused or rolled back, "
		      "%lu moves\n",
		      first, first + n - 1, rounds, done, refused, moves);
	/* the generator still makes calls of both kinds */
	if (n >= CALLS) {
		assert_true(done > n);
		assert_true(refused > n / 10);
		assert_true(moves > n / 4);
	}
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_properties_hold_over_random_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
