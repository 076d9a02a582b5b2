/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP header extensions the operator lets pass from end to end (media.extmap_allow). Each leg
 * keeps the ids its own peer gave; the eIMS-AGW is told which id of one leg is which of the other
 * and takes off all the rest. Not negotiated is not passed: SDES items (mid, rid: no BUNDLE,
 * BUN-14) and encrypted extensions (SRTP-13) never are. Spec: RFC 8285 s5..7; SDP-17, RTP-12.
 * Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

/* "4 URI", "4/sendonly URI attributes" */
struct extmap {
	unsigned id;
	struct gw_slice dir; /* with its slash; may be empty */
	struct gw_slice uri;
	struct gw_slice rest; /* URI and what follows it */
};

static bool parse(struct extmap *e, const struct sdp_attr *a)
{
	struct gw_slice id;
	size_t cursor = 0;
	const char *slash;
	uint64_t n;

	if (!gw_slice_eq_str(a->name, "extmap") || !sdp_token_next(a->value, &cursor, &id) ||
	    !sdp_token_next(a->value, &cursor, &e->uri))
		return false;
	e->rest = (struct gw_slice){e->uri.p, (size_t)(a->value.p + a->value.n - e->uri.p)};
	e->dir = GW_SLICE_NONE;
	slash = memchr(id.p, '/', id.n);
	if (slash != NULL) {
		e->dir = (struct gw_slice){slash, (size_t)(id.p + id.n - slash)};
		id.n -= e->dir.n;
	}
	/* ids from 4096 on want an answer that chooses; two-byte ids are nobody's need here */
	if (!sdp_number(id, CSCF_SDP_EXT_ID_MAX, &n) || n == 0)
		return false;
	e->id = (unsigned)n;
	return true;
}

static bool allowed(struct gw_slice uri, const struct cscf_sdp_policy *policy)
{
	const struct gw_conf_list *list = policy->extmap_allow;

	if (gw_slice_starts(uri, "urn:ietf:params:rtp-hdrext:sdes:") ||
	    gw_slice_starts(uri, "urn:ietf:params:rtp-hdrext:encrypt"))
		return false;
	for (size_t i = 0; list != NULL && i < list->n; i++)
		if (gw_slice_eq_str(uri, list->item[i]))
			return true;
	return false;
}

static struct cscf_sdp_ext *find(struct cscf_sdp_stream *pub, struct gw_slice uri)
{
	for (size_t i = 0; i < pub->n_exts; i++)
		if (gw_slice_eq_str(uri, pub->exts[i].uri))
			return &pub->exts[i];
	return NULL;
}

static uint8_t *id_of(struct cscf_sdp_ext *e, bool wic)
{
	return wic ? &e->wic_id : &e->core_id;
}

static bool taken(struct cscf_sdp_stream *pub, const struct cscf_sdp_ext *but, unsigned id,
		  bool wic)
{
	for (size_t i = 0; i < pub->n_exts; i++)
		if (&pub->exts[i] != but && pub->exts[i].on && *id_of(&pub->exts[i], wic) == id)
			return true;
	return false;
}

static unsigned free_id(struct cscf_sdp_stream *pub, bool wic)
{
	for (unsigned id = 1; id <= CSCF_SDP_EXT_ID_MAX; id++)
		if (!taken(pub, NULL, id, wic))
			return id;
	return 0;
}

static void take(struct cscf_sdp_stream *pub, const struct extmap *m, bool wic)
{
	struct cscf_sdp_ext *e = find(pub, m->uri);
	unsigned other;

	if ((e != NULL && e->on) || taken(pub, e, m->id, wic))
		return; /* said twice: the first counts */
	if (e == NULL) {
		if (pub->n_exts == CSCF_SDP_MAX_EXT ||
		    !sdp_copy(pub->exts[pub->n_exts].uri, sizeof(pub->exts[0].uri), m->uri))
			return;
		e = &pub->exts[pub->n_exts++];
		*id_of(e, !wic) = 0;
	}
	*id_of(e, wic) = (uint8_t)m->id;
	other = *id_of(e, !wic) != 0 ? *id_of(e, !wic) : m->id;
	if (taken(pub, e, other, !wic))
		other = free_id(pub, !wic);
	*id_of(e, !wic) = (uint8_t)other;
	e->on = other != 0;
}

void sdp_ext_offer(struct cscf_sdp_stream *pub, const struct sdp *sdp, const struct sdp_sect *sect,
		   bool wic, const struct cscf_sdp_policy *policy)
{
	struct extmap m;

	for (size_t i = 0; i < pub->n_exts; i++)
		pub->exts[i].on = false;
	for (size_t i = 0; i < sect->n_attrs; i++)
		if (parse(&m, &sdp->attrs[sect->first_attr + i]) && allowed(m.uri, policy))
			take(pub, &m, wic);
}

void sdp_ext_answer(struct cscf_sdp_stream *pub, const struct sdp *sdp, const struct sdp_sect *sect,
		    bool wic)
{
	struct cscf_sdp_ext *e;
	struct extmap m;

	for (size_t i = 0; i < pub->n_exts; i++)
		pub->exts[i].on = false;
	for (size_t i = 0; i < sect->n_attrs; i++) {
		if (!parse(&m, &sdp->attrs[sect->first_attr + i]))
			continue;
		e = find(pub, m.uri);
		if (e != NULL && e->offered && *id_of(e, wic) == m.id)
			e->on = true;
	}
}

void sdp_ext_put(struct sdp_out *o, struct cscf_sdp_stream *pub, const struct sdp *sdp,
		 const struct sdp_sect *sect, bool to_wic)
{
	bool done[CSCF_SDP_MAX_EXT] = {false};
	struct cscf_sdp_ext *e;
	struct extmap m;

	for (size_t i = 0; i < sect->n_attrs && pub->n_exts > 0; i++) {
		if (!parse(&m, &sdp->attrs[sect->first_attr + i]))
			continue;
		e = find(pub, m.uri);
		if (e == NULL || !e->on || *id_of(e, !to_wic) != m.id || done[e - pub->exts])
			continue;
		done[e - pub->exts] = true;
		sdp_out_put(o, "a=extmap:%u%.*s %.*s\r\n", *id_of(e, to_wic), GW_SLICE_FMT(m.dir),
			    GW_SLICE_FMT(m.rest));
	}
}
