/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks tests/golden/sdp: each case is one whole round, byte for byte (session ids masked).
 *   offer.sdp + core_answer.sdp: the WIC calls;  offer.sdp + wic_answer.sdp: the core calls.
 * GOLDEN_UPDATE=1 rewrites the expectations; whoever does that reads the diff.
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

static bool run_case(const char *name)
{
	struct cscf_sdp_session *s = fx_session(NULL);
	char *offer = slurp(name, "offer.sdp"), *core = slurp(name, "core_answer.sdp");
	char *wic = slurp(name, "wic_answer.sdp");
	struct cscf_sdp_text t;
	bool ok = true;

	assert_non_null(offer);
	if (core != NULL) {
		assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
		ok = expect(name, "expect_core.sdp", &t);
		assert_int_equal(fx_core_answer(s, core, &t), CSCF_SDP_OK);
		ok = expect(name, "expect_wic.sdp", &t) && ok;
		assert_int_equal(fx_count(t.p, "\nm="), fx_count(offer, "\nm="));
	} else {
		assert_int_equal(fx_core_offer(s, offer, &t), CSCF_SDP_OK);
		ok = expect(name, "expect_wic.sdp", &t);
		if (wic != NULL) {
			assert_int_equal(fx_wic_answer(s, wic, &t), CSCF_SDP_OK);
			ok = expect(name, "expect_core.sdp", &t) && ok;
			assert_int_equal(fx_count(t.p, "\nm="), fx_count(offer, "\nm="));
		}
	}
	free(offer);
	free(core);
	free(wic);
	cscf_sdp_session_free(s);
	return ok;
}

static void test_golden_rounds_match_line_by_line(void **state)
{
	REQ("SDP-01", "SDP-02", "SDP-03", "SDP-05", "SDP-06", "SDP-07", "SDP-15", "SDP-16",
	    "SDP-17", "SDP-18", "SDP-19", "SDP-20", "SDP-21", "SDP-22", "SDP-30", "SDP-31",
	    "SDP-33", "SDP-40", "SDP-41", "SDP-44", "BUN-01", "BUN-02", "BUN-03", "BUN-04",
	    "BUN-09", "BUN-12", "DC-01", "DC-02", "DC-03", "ICE-02", "RTCP-26");
	DIR *d = opendir(ROOT);
	struct dirent *e;
	size_t n = 0, bad = 0;

	(void)state;
	if (d == NULL)
		fail_msg("run from the root of the tree: no " ROOT);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (!run_case(e->d_name))
			bad++;
	}
	closedir(d);
	print_message("%zu golden cases\n", n);
	assert_true(n >= 10);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_rounds_match_line_by_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
