/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile SDP over a whole call. The input is a list of steps on one session:
 *
 *   octet 0     bits: which knobs are on
 *   then steps  separated by "\n%%", the first character of each says what it is:
 *     w text    an offer of the WIC        c text    an offer of the core
 *     a text    an answer to the open offer (again: a fork, or the 200 after a 183)
 *     e         our own offer comes back as the answer, as a willing peer would
 *     k         commit    r  rollback      p  the last committed offer once more
 *     x         the first stream that needs resources gets none
 *
 * Beyond memory errors, after each text the properties of tests/unit/cscf/sdp/check.h; after a
 * refusal and after a rollback the state is, octet for octet, what it was.
 */
#include "tests/unit/cscf/sdp/check.h"

#define STEP "\n%%"

struct fuzz {
	struct cscf_sdp_session *s;
	struct cscf_sdp_policy policy;
	struct ck_leg wic_leg, core_leg;
	struct ck_snapshot *before; /* of the open round */
	struct gw_slice offer;      /* of the open round */
	struct gw_slice agreed;     /* of the last committed one */
	bool agreed_from_wic;
	char *ours; /* owned; our offer of the open round */
};

static void must(const char *bad)
{
	if (bad == NULL)
		return;
	fprintf(stderr, "property broken: %s\n", bad);
	abort();
}

static void check(struct fuzz *f, const struct cscf_sdp_text *t, bool wic, bool offer, int lines)
{
	must(ck_text(f->s, t, wic, offer, lines, wic ? &f->wic_leg : &f->core_leg));
	if (!f->policy.pass_unknown)
		must(ck_allow(t->p, wic));
}

static int lines_of(struct gw_slice text)
{
	struct sdp *d = NULL;
	int n;

	if (sdp_parse(&d, text.p, text.n) != CSCF_SDP_OK)
		abort();
	n = (int)d->n_media;
	sdp_free(d);
	return n;
}

static void give_addresses(struct fuzz *f)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(f->s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(f->s, i);
		struct cscf_sdp_access_local a = {
		    .addr = "203.0.113.10", .n_fps = 1, .serves_fb = CSCF_SDP_FB_NACK};
		struct cscf_sdp_core_local c = {.addr = "10.20.0.5"};

		if (!st->live || (st->has_local && !st->is_new))
			continue;
		a.port = (uint16_t)(40000 + 2 * i);
		c.port = (uint16_t)(30000 + 2 * i);
		snprintf(a.ufrag, sizeof(a.ufrag), "agw%zu", i);
		snprintf(a.pwd, sizeof(a.pwd), "4kX0uH8dQmB2wPz7sYt1Lr%02zu", i);
		snprintf(a.fps[0].hash, sizeof(a.fps[0].hash), "sha-256");
		a.fps[0].len = 32;
		memset(a.fps[0].value, 0xa5, 32);
		if (cscf_sdp_set_local(f->s, i, &a, &c) != GW_OK)
			abort();
	}
}

static void take_back(struct fuzz *f)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(f->s); i++)
		if (!cscf_sdp_stream(f->s, i)->live)
			cscf_sdp_clear_local(f->s, i);
}

static void rollback(struct fuzz *f)
{
	cscf_sdp_rollback(f->s);
	if (f->before != NULL)
		must(ck_snapshot_end(f->before, f->s));
	f->before = NULL;
	free(f->ours);
	f->ours = NULL;
}

static void commit(struct fuzz *f)
{
	bool from_wic = cscf_sdp_round_from_wic(f->s);

	if (!cscf_sdp_round_open(f->s) || !cscf_sdp_round_answered(f->s))
		return;
	cscf_sdp_commit(f->s);
	take_back(f);
	f->agreed = f->offer;
	f->agreed_from_wic = from_wic;
	free(f->before->v);
	free(f->before);
	f->before = NULL;
	free(f->ours);
	f->ours = NULL;
}

static void refuse_one(struct fuzz *f)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(f->s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(f->s, i);

		if (st->live && !st->has_local) {
			cscf_sdp_stream_refuse(f->s, i, CSCF_SDP_NO_MEDIA);
			return;
		}
	}
}

static void offer(struct fuzz *f, struct gw_slice text, bool from_wic, bool short_of)
{
	struct cscf_sdp_text t;
	enum cscf_sdp_verdict v;

	if (cscf_sdp_round_open(f->s))
		return;
	f->before = ck_snapshot_new(f->s);
	f->offer = text;
	v = from_wic ? cscf_sdp_offer_from_wic(f->s, text.p, text.n)
		     : cscf_sdp_offer_from_core(f->s, text.p, text.n);
	if (v != CSCF_SDP_OK) {
		rollback(f);
		return;
	}
	if (short_of)
		refuse_one(f);
	give_addresses(f);
	v = from_wic ? cscf_sdp_offer_to_core(f->s, &t) : cscf_sdp_offer_to_wic(f->s, &t);
	if (v != CSCF_SDP_OK) {
		rollback(f);
		return;
	}
	check(f, &t, !from_wic, true, -1);
	f->ours = strdup(t.p);
}

static void answer(struct fuzz *f, struct gw_slice text)
{
	bool from_wic = cscf_sdp_round_from_wic(f->s);
	struct cscf_sdp_text t;

	if (!cscf_sdp_round_open(f->s) || f->ours == NULL)
		return;
	if ((from_wic ? cscf_sdp_answer_from_core(f->s, text.p, text.n)
		      : cscf_sdp_answer_from_wic(f->s, text.p, text.n)) != CSCF_SDP_OK)
		return;
	if ((from_wic ? cscf_sdp_answer_to_wic(f->s, &t) : cscf_sdp_answer_to_core(f->s, &t)) !=
	    CSCF_SDP_OK)
		abort();
	check(f, &t, from_wic, false, lines_of(f->offer));
}

/* Our own offer, with a certificate and credentials of its own where those are needed. */
static void echo(struct fuzz *f)
{
	static const struct {
		const char *from, *to;
	} lines[] = {{"a=fingerprint:", "a=fingerprint:sha-256 11:11:11:11:11:11:11:11:11:11:11:11:"
					"11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:"
					"11\r\n"},
		     {"a=setup:", "a=setup:active\r\n"},
		     {"a=candidate:", ""},
		     {"o=", "o=- 7 7 IN IP4 192.0.2.1\r\n"}};
	size_t n = 0, size;
	char *out;

	if (f->ours == NULL)
		return;
	size = strlen(f->ours) + 256 * (CSCF_SDP_MAX_MEDIA + 1);
	out = malloc(size);
	if (out == NULL)
		return;
	for (const char *at = f->ours, *end; *at != '\0'; at = end) {
		const char *to = at;

		end = strchr(at, '\n') + 1;
		for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++)
			if (strncmp(at, lines[k].from, strlen(lines[k].from)) == 0)
				to = lines[k].to;
		n += (size_t)snprintf(out + n, size - n, "%.*s",
				      to == at ? (int)(end - at) : (int)strlen(to), to);
	}
	answer(f, (struct gw_slice){out, n});
	free(out);
}

/* What was agreed, word for word: nothing that lives may change. */
static void repeat(struct fuzz *f)
{
	bool any = false;

	if (f->agreed.p == NULL || cscf_sdp_round_open(f->s))
		return;
	for (size_t i = 0; i < cscf_sdp_stream_count(f->s); i++)
		any = any || cscf_sdp_stream(f->s, i)->live;
	if (!any)
		return;
	offer(f, f->agreed, f->agreed_from_wic, false);
	must(cscf_sdp_round_open(f->s) ? NULL : "a repeated offer is refused");
	for (size_t i = 0; i < cscf_sdp_stream_count(f->s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(f->s, i);

		must(st->live && (st->is_new || st->ice_restart || st->new_dtls)
			 ? "a repeat changes a stream"
			 : NULL);
	}
	rollback(f);
}

static void step(struct fuzz *f, struct gw_slice s)
{
	struct gw_slice text = {s.p + 1, s.n - 1};
	bool short_of = false;

	switch (s.p[0]) {
	case 'W':
	case 'C':
		short_of = true;
		/* fall through */
	case 'w':
	case 'c':
		offer(f, text, (s.p[0] | 0x20) == 'w', short_of);
		break;
	case 'a':
		answer(f, text);
		break;
	case 'e':
		echo(f);
		break;
	case 'k':
		commit(f);
		break;
	case 'r':
		rollback(f);
		break;
	case 'p':
		repeat(f);
		break;
	default:
		break;
	}
}

static void knobs(struct cscf_sdp_policy *p, unsigned bits, const struct gw_conf_list *exts)
{
	cscf_sdp_policy_default(p);
	p->core_rtcp_mux_accept = (bits & 1) != 0;
	p->core_audio_avpf = (bits & 2) != 0;
	p->answer_passive = (bits & 4) != 0;
	p->access_rtcp_mux = (bits & 8) != 0 ? CSCF_SDP_MUX_OFFER : CSCF_SDP_MUX_REQUIRE;
	p->extmap_allow = (bits & 16) != 0 ? exts : NULL;
	p->pass_unknown = (bits & 32) != 0;
	p->max_streams = (bits & 64) != 0 ? 2 : 0;
	p->tls_id_in_offers = (bits & 128) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char ext1[] = "urn:3gpp:video-orientation", ext2[] = "urn:ietf:params:rtp-hdrext:toffset";
	char *uris[] = {ext1, ext2};
	const struct gw_conf_list exts = {.item = uris, .n = 2};
	struct fuzz f = {0};
	const char *at = (const char *)data + 1, *end = (const char *)data + size;

	if (size < 3)
		return 0;
	knobs(&f.policy, data[0], &exts);
	if (cscf_sdp_session_new(&f.s, &f.policy) != GW_OK)
		return 0;
	for (unsigned n = 0; at < end && n < 24; n++) {
		const char *next = memmem(at, (size_t)(end - at), STEP, strlen(STEP));
		struct gw_slice s = {at, (size_t)((next != NULL ? next + 1 : end) - at)};

		if (s.n > 0)
			step(&f, s);
		at = next != NULL ? next + strlen(STEP) : end;
	}
	rollback(&f);
	cscf_sdp_session_free(f.s);
	ck_leg_free(&f.wic_leg);
	ck_leg_free(&f.core_leg);
	return 0;
}
