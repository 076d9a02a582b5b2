/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of the SDP engine over thousands of random calls: two random peers (peers.h) offer,
 * answer, refuse, repeat; after each text the questions of check.h are asked. A failure names the
 * seed: PROPERTY_SEED=n runs that call alone and prints it. PROPERTY_CALLS=n runs more.
 */
#include "check.h"
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
	unsigned rounds, refused, done;
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

/* A peer that had its offer refused goes back to what it was (RFC 3264 s8). */
static void one_offer(struct call *c, bool from_wic)
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
		return;
	}
	version = c->wic.version;
	c->wic = wic;
	c->wic.version = version;
	version = c->core.version;
	c->core = core;
	c->core.version = version;
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
		one_offer(c, i == 0 ? first : once_in(&c->r, 2));
	cscf_sdp_session_free(c->s);
	ck_leg_free(&c->wic_leg);
	ck_leg_free(&c->core_leg);
}

static void test_properties_hold_over_random_calls(void **state)
{
	REQ("SDP-01", "SDP-02", "SDP-10", "SDP-11", "SDP-12", "SDP-13", "SDP-25", "SDP-35",
	    "SDP-36", "BUN-02", "BUN-05", "BUN-11", "BUN-12", "DTLS-19");
	static const char *const one = "PROPERTY_SEED", *const many = "PROPERTY_CALLS";
	unsigned long first = getenv(one) != NULL ? strtoul(getenv(one), NULL, 10) : 1;
	unsigned long n = getenv(one) != NULL    ? 1
			  : getenv(many) != NULL ? strtoul(getenv(many), NULL, 10)
						 : CALLS;
	unsigned long rounds = 0, done = 0, refused = 0;
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
	}
	print_message("%lu calls, %lu rounds: %lu committed, %lu refused or rolled back\n", n,
		      rounds, done, refused);
	/* the generator still makes calls of both kinds */
	if (n >= CALLS) {
		assert_true(done > n);
		assert_true(refused > n / 10);
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
