/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One m-section of the WIC to typed parameters: ICE credentials and candidates, fingerprints,
 * setup, tls-id, rtcp-mux. Session-level values are inherited (SDP-14). Nothing is resolved:
 * mDNS and other names are passed over (ICE-09).
 * Spec: RFC 8839 s5, RFC 8122 s5, RFC 8842, RFC 5761, TS 24.371 §7.4. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

#include <ctype.h>

/* Strongest first (DTLS-08, DTLS-09); sha-1 by knob only, md5 never. */
static const struct {
	const char *name;
	size_t len;
	bool weak;
} hashes[] = {
    {"sha-512", 64, false}, {"sha-384", 48, false}, {"sha-256", 32, false},
    {"sha-224", 28, false}, {"sha-1", 20, true},
};
#define N_HASHES (sizeof(hashes) / sizeof(hashes[0]))

static bool is_ice_text(struct gw_slice s, size_t min)
{
	if (s.n < min || s.n >= CSCF_SDP_ICE_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '+' && s.p[i] != '/')
			return false;
	return true;
}

static enum cscf_sdp_verdict read_ice(struct cscf_sdp_access_remote *out, const struct sdp *sdp,
				      const struct sdp_sect *sect)
{
	const struct sdp_attr *ufrag = sdp_attr_inherit(sdp, sect, "ice-ufrag");
	const struct sdp_attr *pwd = sdp_attr_inherit(sdp, sect, "ice-pwd");

	if (ufrag == NULL || pwd == NULL || !is_ice_text(ufrag->value, 4) ||
	    !is_ice_text(pwd->value, 22))
		return CSCF_SDP_NO_ICE;
	if (!sdp_copy(out->ufrag, sizeof(out->ufrag), ufrag->value) ||
	    !sdp_copy(out->pwd, sizeof(out->pwd), pwd->value))
		return CSCF_SDP_NO_ICE;
	out->ice_lite = sdp_attr(sdp, &sdp->session, "ice-lite") != NULL;
	return CSCF_SDP_OK;
}

/* "1853887674 1 udp 1686052607 198.51.100.23 51472 typ srflx …" (RFC 8839 s5.1) */
static bool parse_candidate(struct cscf_sdp_cand *c, struct gw_slice value)
{
	struct gw_slice t[8];
	size_t cursor = 0, n = 0;
	uint64_t component, priority, port;
	bool v6;

	while (n < 8 && sdp_token_next(value, &cursor, &t[n]))
		n++;
	if (n != 8 || !gw_slice_ieq_str(t[2], "udp") || !gw_slice_eq_str(t[6], "typ") ||
	    !sdp_number(t[1], 2, &component) || component == 0 ||
	    !sdp_number(t[3], UINT32_MAX, &priority) || !sdp_number(t[5], 65535, &port) ||
	    port == 0 || !sdp_literal(t[4], c->addr, &v6) ||
	    !sdp_copy(c->foundation, sizeof(c->foundation), t[0]) ||
	    !sdp_copy(c->type, sizeof(c->type), t[7]))
		return false;
	c->component = (uint16_t)component;
	c->priority = (uint32_t)priority;
	c->port = (uint16_t)port;
	return true;
}

static void read_candidates(struct cscf_sdp_access_remote *out, const struct sdp *sdp,
			    const struct sdp_sect *sect)
{
	for (size_t i = 0; i < sect->n_attrs && out->n_cands < CSCF_SDP_MAX_CAND; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];
		struct cscf_sdp_cand c = {0};

		if (gw_slice_eq_str(a->name, "candidate") && parse_candidate(&c, a->value))
			out->cands[out->n_cands++] = c;
	}
}

/* c= and m=: what a lite peer sends from and gets at, checked by nobody (ICE-19). */
static bool default_candidate(struct cscf_sdp_cand *c, const struct sdp *sdp,
			      const struct sdp_sect *sect)
{
	const struct sdp_sect *from = sect->has_conn ? sect : &sdp->session;
	bool v6;

	*c = (struct cscf_sdp_cand){
	    .foundation = "c", .type = "host", .port = sect->port, .component = 1, .priority = 1};
	return sect->port != 0 && sdp_literal(from->addr, c->addr, &v6) &&
	       strcmp(c->addr, "0.0.0.0") != 0 && strcmp(c->addr, "::") != 0;
}

/* A lite peer's default candidate stands first; that it is listed besides does no harm. */
static void put_default_first(struct cscf_sdp_access_remote *out, const struct sdp *sdp,
			      const struct sdp_sect *sect)
{
	struct cscf_sdp_cand c;

	if (!default_candidate(&c, sdp, sect))
		return;
	for (size_t i = 0; i < out->n_cands; i++)
		if (out->cands[i].component == 1 && out->cands[i].port == c.port &&
		    strcmp(out->cands[i].addr, c.addr) == 0)
			c = out->cands[i];
	if (out->n_cands < CSCF_SDP_MAX_CAND)
		out->n_cands++;
	memmove(&out->cands[1], &out->cands[0], (out->n_cands - 1) * sizeof(c));
	out->cands[0] = c;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "sha-256 AB:CD:…" of one given hash function. */
static bool parse_fingerprint(struct cscf_sdp_fp *fp, struct gw_slice value, size_t h)
{
	struct gw_slice name, hex;
	size_t cursor = 0;

	if (!sdp_token_next(value, &cursor, &name) || !sdp_token_next(value, &cursor, &hex) ||
	    !gw_slice_ieq_str(name, hashes[h].name) || hex.n != hashes[h].len * 3 - 1)
		return false;
	for (size_t i = 0; i < hashes[h].len; i++) {
		int hi = hex_digit(hex.p[i * 3]), lo = hex_digit(hex.p[i * 3 + 1]);

		if (hi < 0 || lo < 0 || (i + 1 < hashes[h].len && hex.p[i * 3 + 2] != ':'))
			return false;
		fp->value[i] = (uint8_t)(hi * 16 + lo);
	}
	fp->len = hashes[h].len;
	return sdp_copy(fp->hash, sizeof(fp->hash), gw_slice_str(hashes[h].name));
}

static bool has_fingerprint(const struct sdp *sdp, const struct sdp_sect *sect)
{
	return sdp_attr(sdp, sect, "fingerprint") != NULL;
}

/* The set of the strongest hash function that has a well-formed value (DTLS-09). */
static enum cscf_sdp_verdict read_fingerprints(struct cscf_sdp_access_remote *out,
					       const struct sdp *sdp, const struct sdp_sect *sect,
					       const struct cscf_sdp_policy *policy)
{
	const struct sdp_sect *from = has_fingerprint(sdp, sect) ? sect : &sdp->session;

	for (size_t h = 0; h < N_HASHES && out->n_fps == 0; h++) {
		if (hashes[h].weak && !policy->accept_sha1)
			continue;
		for (size_t i = 0; i < from->n_attrs && out->n_fps < CSCF_SDP_MAX_FP; i++) {
			const struct sdp_attr *a = &sdp->attrs[from->first_attr + i];
			struct cscf_sdp_fp fp = {{0}, {0}, 0};

			if (gw_slice_eq_str(a->name, "fingerprint") &&
			    parse_fingerprint(&fp, a->value, h))
				out->fps[out->n_fps++] = fp;
		}
	}
	return out->n_fps > 0 ? CSCF_SDP_OK : CSCF_SDP_NO_DTLS;
}

enum cscf_sdp_verdict sdp_setup_read(enum sdp_setup *out, const struct sdp *sdp,
				     const struct sdp_sect *sect)
{
	const struct sdp_attr *a = sdp_attr_inherit(sdp, sect, "setup");

	*out = SDP_SETUP_ABSENT;
	if (a == NULL)
		return CSCF_SDP_OK;
	if (gw_slice_ieq_str(a->value, "actpass"))
		*out = SDP_SETUP_ACTPASS;
	else if (gw_slice_ieq_str(a->value, "active"))
		*out = SDP_SETUP_ACTIVE;
	else if (gw_slice_ieq_str(a->value, "passive"))
		*out = SDP_SETUP_PASSIVE;
	else
		return CSCF_SDP_NO_DTLS; /* holdconn, or a word nobody knows */
	return CSCF_SDP_OK;
}

/* RFC 8842 s4: 20*255 of these; a malformed one is as if absent. */
static bool is_tls_id(struct gw_slice s)
{
	if (s.n < 20 || s.n > 255)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && strchr("+/-_", s.p[i]) == NULL)
			return false;
	return true;
}

enum cscf_sdp_verdict sdp_access_read(struct cscf_sdp_access_remote *out, const struct sdp *sdp,
				      const struct sdp_sect *sect,
				      const struct cscf_sdp_policy *policy)
{
	const struct sdp_attr *tls_id = sdp_attr_inherit(sdp, sect, "tls-id");
	int64_t b_as = sect->b_as_kbps >= 0 ? sect->b_as_kbps : sdp->session.b_as_kbps;
	enum cscf_sdp_verdict v;

	memset(out, 0, sizeof(*out));
	v = read_fingerprints(out, sdp, sect, policy);
	if (v == CSCF_SDP_OK)
		v = read_ice(out, sdp, sect);
	if (v != CSCF_SDP_OK)
		return v;
	read_candidates(out, sdp, sect);
	if (out->ice_lite)
		put_default_first(out, sdp, sect);
	if (tls_id != NULL && is_tls_id(tls_id->value))
		(void)sdp_copy(out->tls_id, sizeof(out->tls_id), tls_id->value);
	out->rtcp_mux =
	    sdp_attr(sdp, sect, "rtcp-mux") != NULL || sdp_attr(sdp, sect, "rtcp-mux-only") != NULL;
	out->dir = sdp_direction(sdp, sect);
	out->b_as_kbps = b_as > 0 ? (uint32_t)b_as : 0;
	out->known = true;
	return CSCF_SDP_OK;
}

static bool has_fp(const struct cscf_sdp_access_remote *r, const struct cscf_sdp_fp *fp)
{
	for (size_t i = 0; i < r->n_fps; i++)
		if (r->fps[i].len == fp->len && memcmp(r->fps[i].value, fp->value, fp->len) == 0)
			return true;
	return false;
}

bool sdp_same_dtls_peer(const struct cscf_sdp_access_remote *a,
			const struct cscf_sdp_access_remote *b)
{
	if (a->n_fps != b->n_fps || strcmp(a->tls_id, b->tls_id) != 0)
		return false;
	for (size_t i = 0; i < a->n_fps; i++)
		if (!has_fp(b, &a->fps[i]))
			return false;
	return true;
}

bool sdp_reflects(const struct cscf_sdp_access_remote *r, const struct cscf_sdp_access_local *l)
{
	for (size_t i = 0; i < l->n_fps; i++)
		if (has_fp(r, &l->fps[i]))
			return true;
	for (size_t i = 0; i < r->n_cands; i++)
		if (r->cands[i].port == l->port && strcmp(r->cands[i].addr, l->addr) == 0)
			return true;
	return false;
}
