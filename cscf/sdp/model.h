/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SDP as slices into its own copy of the text: session section, m-sections, attributes in
 * order. Internal to cscf/sdp. Nothing is interpreted here beyond the line grammar of RFC 8866;
 * what an attribute means is in access.c (WIC), core.c and codec.c.
 * Thread: the cscf loop.
 */
#ifndef CSCF_SDP_MODEL_H
#define CSCF_SDP_MODEL_H

#include "common/slice.h"
#include "cscf/sdp/alg.h"

/* Longer words are no media type and no transport of this world: CSCF_SDP_LIMIT. */
#define SDP_MEDIA_LEN 24
#define SDP_PROTO_LEN 40

struct sdp_attr {
	struct gw_slice name;
	struct gw_slice value; /* n = 0 for a property attribute */
};

struct sdp_sect {
	struct gw_slice media; /* "audio"; the session section has none */
	struct gw_slice proto;
	struct gw_slice fmts; /* "111 0 8": walk with sdp_token_next */
	struct gw_slice info; /* i= */
	uint16_t port;
	bool many_ports; /* "port/number" with number > 1 */
	/* c=: literal address without TTL; addr.n = 0 when absent or a host name */
	bool has_conn;
	bool conn_is_v6;
	struct gw_slice addr;
	int64_t b_as_kbps, b_tias_bps, b_rs_bps, b_rr_bps; /* -1 = absent */
	size_t first_attr, n_attrs;                        /* in struct sdp.attrs */
};

struct sdp {
	char *text; /* owned; everything points into it */
	struct gw_slice sess_id, sess_version;
	struct gw_slice origin; /* "id version" of o= with all that stands between them */
	struct sdp_sect session;
	size_t n_media;
	struct sdp_sect *media; /* owned */
	struct sdp_attr *attrs; /* owned */
};

/** Parse a copy of the text. @return CSCF_SDP_OK, _SYNTAX, _LIMIT, _VERSION or _NOMEM */
enum cscf_sdp_verdict sdp_parse(struct sdp **out, const char *text, size_t n) GW_MUST_CHECK;
void sdp_free(struct sdp *sdp);

/** Next blank-separated token of a slice; start with *cursor = 0. */
bool sdp_token_next(struct gw_slice s, size_t *cursor, struct gw_slice *token);
/** Decimal digits only, at most max. */
bool sdp_number(struct gw_slice s, uint64_t max, uint64_t *out);
/** Is it a literal IPv4 or IPv6 address? Copied to out[CSCF_SDP_ADDR_LEN] when it is. */
bool sdp_literal(struct gw_slice s, char *out, bool *is_v6);

/** First attribute of that name in the section. @return NULL when absent */
const struct sdp_attr *sdp_attr(const struct sdp *sdp, const struct sdp_sect *sect,
				const char *name);
/** The same, then at session level (SDP-14). */
const struct sdp_attr *sdp_attr_inherit(const struct sdp *sdp, const struct sdp_sect *sect,
					const char *name);
/** Direction of an m-section, inherited from the session, sendrecv when nobody says. */
enum cscf_sdp_dir sdp_direction(const struct sdp *sdp, const struct sdp_sect *sect);
const char *sdp_direction_name(enum cscf_sdp_dir dir);
/** The direction seen from the other end. */
enum cscf_sdp_dir sdp_direction_reverse(enum cscf_sdp_dir dir);
/** Does the session's a=group:BUNDLE name this mid? */
bool sdp_in_bundle(const struct sdp *sdp, struct gw_slice mid);
/** audio, video or text by the m= line; CSCF_SDP_OTHER for the rest. */
enum cscf_sdp_media sdp_media_kind(const struct sdp_sect *sect);

#endif
