/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks tests/golden/sdp: each case is a call, byte for byte (session ids masked). A case of one
 * round has plain names, one of several has the rounds' numbers in front ("2-wic_offer.sdp"):
 *   offer or wic_offer + core_answer: the WIC calls;  offer or core_offer + wic_answer: the core.
 * GOLDEN_UPDATE=1 rewrites the expectations; whoever does that reads the diff. GOLDEN_CASE=name
 * runs that case alone, as far as its inputs go (tests/golden/capture.mjs makes new ones).
 * A case with a file "agw_answers_nack" is one at an AGW that answers NACKs itself.
 */
#include "fixture.h"
#include "tests/lib/req.h"

#include <dirent.h>
#include <sys/stat.h>

#define ROOT "tests/golden/sdp"

static char *slurp(const char *name, const char *file)
{
	char path[512];
	long n;
	char *text;
	FILE *f;

	snprintf(path, sizeof(path), ROOT "/%s/%s", name, file);
	f = fopen(path, "rb");
	if (f == NULL)
		return NULL;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)n + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)n, f), (size_t)n);
	fclose(f);
	return text;
}

/* Our session id is random: "o=- ID 1 IN …". */
static char *mask_session_id(const struct cscf_sdp_text *t)
{
	char *out = calloc(1, t->n + 8);
	const char *o = strstr(t->p, "\r\no=- "), *end;

	assert_non_null(out);
	assert_non_null(o);
	o += 6;
	end = strchr(o, ' ');
	assert_non_null(end);
	snprintf(out, t->n + 8, "%.*sID%s", (int)(o - t->p), t->p, end);
	return out;
}

static bool next_line(const char **at, const char **line, int *n)
{
	const char *nl;

	if (**at == '\0')
		return false;
	nl = strchr(*at, '\n');
	*line = *at;
	*n = nl != NULL ? (int)(nl - *at) : (int)strlen(*at);
	*at = nl != NULL ? nl + 1 : *at + *n;
	if (*n > 0 && (*line)[*n - 1] == '\r')
		(*n)--;
	return true;
}

static bool same_or_diff(const char *name, const char *file, const char *want, const char *got)
{
	const char *w, *g;
	int wn, gn, line = 0;
	bool same = true;

	while (*want != '\0' || *got != '\0') {
		bool has_w = next_line(&want, &w, &wn), has_g = next_line(&got, &g, &gn);

		line++;
		if (has_w && has_g && wn == gn && memcmp(w, g, (size_t)wn) == 0)
			continue;
		if (same)
			print_error("%s/%s:\n", name, file);
		same = false;
		if (has_w)
			print_error("  %3d - %.*s\n", line, wn, w);
		if (has_g)
			print_error("  %3d + %.*s\n", line, gn, g);
	}
	return same;
}

static bool expect(const char *name, const char *file, const struct cscf_sdp_text *t)
{
	char *got = mask_session_id(t), *want = slurp(name, file);
	bool same;

	if (getenv("GOLDEN_UPDATE") != NULL) {
		char path[512];
		FILE *f;

		snprintf(path, sizeof(path), ROOT "/%s/%s", name, file);
		f = fopen(path, "wb");
		assert_non_null(f);
		fputs(got, f);
		fclose(f);
		free(want);
		want = strdup(got);
	}
	same = want != NULL && same_or_diff(name, file, want, got);
	free(got);
	free(want);
	return same;
}

static char *part(const char *name, const char *prefix, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "%s%s.sdp", prefix, file);
	return slurp(name, path);
}

static bool expect_part(const char *name, const char *prefix, const char *file,
			const struct cscf_sdp_text *t)
{
	char path[64];

	snprintf(path, sizeof(path), "%s%s.sdp", prefix, file);
	return expect(name, path, t);
}

/* Addresses as the session layer gives and takes them back. */
static void take_back(struct cscf_sdp_session *s)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++)
		if (!cscf_sdp_stream(s, i)->live)
			cscf_sdp_clear_local(s, i);
}

struct round {
	char *offer, *answer;
	bool wic_calls;
};

/* @return false when there is no such round */
static bool read_round(struct round *r, const char *name, const char *prefix)
{
	char *core = part(name, prefix, "core_answer"), *wic = part(name, prefix, "wic_answer");
	char *wic_offer = part(name, prefix, "wic_offer");

	*r = (struct round){.wic_calls = core != NULL || wic_offer != NULL};
	r->offer = wic_offer != NULL ? wic_offer : part(name, prefix, "core_offer");
	if (r->offer == NULL)
		r->offer = part(name, prefix, "offer");
	r->answer = r->wic_calls ? core : wic;
	free(r->wic_calls ? wic : core);
	return r->offer != NULL;
}

static bool run_round(struct cscf_sdp_session *s, const struct round *r, const char *name,
		      const char *prefix)
{
	struct cscf_sdp_text t;
	bool ok;

	assert_int_equal(r->wic_calls ? fx_wic_offer(s, r->offer, &t)
				      : fx_core_offer(s, r->offer, &t),
			 CSCF_SDP_OK);
	ok = expect_part(name, prefix, r->wic_calls ? "expect_core" : "expect_wic", &t);
	if (r->answer == NULL)
		return ok;
	assert_int_equal(r->wic_calls ? fx_core_answer(s, r->answer, &t)
				      : fx_wic_answer(s, r->answer, &t),
			 CSCF_SDP_OK);
	ok = expect_part(name, prefix, r->wic_calls ? "expect_wic" : "expect_core", &t) && ok;
	assert_int_equal(fx_count(t.p, "\nm="), fx_count(r->offer, "\nm="));
	cscf_sdp_commit(s);
	take_back(s);
	return ok;
}

static bool run_case(const char *name)
{
	struct cscf_sdp_session *s = fx_session(NULL);
	char *answers_nack = slurp(name, "agw_answers_nack");
	bool ok = true, last = false;
	unsigned n = 0;

	fx_serves = answers_nack != NULL ? CSCF_SDP_FB_NACK : 0;
	free(answers_nack);
	for (; !last; n++) {
		char prefix[16] = "";
		struct round r;

		if (n > 0)
			snprintf(prefix, sizeof(prefix), "%u-", n);
		if (read_round(&r, name, prefix))
			ok = run_round(s, &r, name, prefix) && ok;
		else
			last = n > 0;
		if (r.offer != NULL && (n == 0 || r.answer == NULL))
			last = true; /* a case of one round, or one being captured */
		free(r.offer);
		free(r.answer);
	}
	assert_true(n > 1 || last);
	cscf_sdp_session_free(s);
	return ok;
}

static void test_golden_rounds_match_line_by_line(void **state)
{
	REQ("SDP-01", "SDP-02", "SDP-03", "SDP-05", "SDP-06", "SDP-07", "SDP-15", "SDP-16",
	    "SDP-17", "SDP-18", "SDP-19", "SDP-20", "SDP-21", "SDP-22", "SDP-30", "SDP-31",
	    "SDP-33", "SDP-40", "SDP-41", "SDP-44", "BUN-01", "BUN-02", "BUN-03", "BUN-04",
	    "BUN-05", "BUN-09", "BUN-10", "BUN-11", "BUN-12", "SDP-10", "SDP-12", "SDP-13",
	    "SDP-32", "SDP-34", "DTLS-19", "DC-01", "DC-02", "DC-03", "ICE-02", "RTCP-26");
	const char *only = getenv("GOLDEN_CASE");
	DIR *d = opendir(ROOT);
	struct dirent *e;
	size_t n = 0, bad = 0;

	(void)state;
	if (d == NULL)
		fail_msg("run from the root of the tree: no " ROOT);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || (only != NULL && strcmp(only, e->d_name) != 0))
			continue;
		n++;
		if (!run_case(e->d_name))
			bad++;
	}
	closedir(d);
	print_message("%zu golden cases\n", n);
	assert_true(only != NULL ? n == 1 : n >= 30);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_rounds_match_line_by_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
