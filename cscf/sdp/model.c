/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a parsed SDP that both legs ask: attributes with inheritance, direction, BUNDLE
 * membership, media kind. Spec: RFC 8866, RFC 3264 s5.1, RFC 9143. Thread: the cscf loop.
 */
#include "cscf/sdp/model.h"

const struct sdp_attr *sdp_attr(const struct sdp *sdp, const struct sdp_sect *sect,
				const char *name)
{
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];

		if (gw_slice_eq_str(a->name, name))
			return a;
	}
	return NULL;
}

const struct sdp_attr *sdp_attr_inherit(const struct sdp *sdp, const struct sdp_sect *sect,
					const char *name)
{
	const struct sdp_attr *a = sdp_attr(sdp, sect, name);

	return a != NULL ? a : sdp_attr(sdp, &sdp->session, name);
}

static const struct {
	const char *word;
	enum cscf_sdp_dir dir;
} directions[] = {
    {"inactive", CSCF_SDP_INACTIVE},
    {"sendonly", CSCF_SDP_SENDONLY},
    {"recvonly", CSCF_SDP_RECVONLY},
    {"sendrecv", CSCF_SDP_SENDRECV},
};

static bool sect_direction(const struct sdp *sdp, const struct sdp_sect *sect,
			   enum cscf_sdp_dir *dir)
{
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];

		for (size_t k = 0; k < 4 && a->value.n == 0; k++) {
			if (gw_slice_eq_str(a->name, directions[k].word)) {
				*dir = directions[k].dir;
				return true;
			}
		}
	}
	return false;
}

enum cscf_sdp_dir sdp_direction(const struct sdp *sdp, const struct sdp_sect *sect)
{
	enum cscf_sdp_dir dir = CSCF_SDP_SENDRECV;

	if (!sect_direction(sdp, sect, &dir))
		(void)sect_direction(sdp, &sdp->session, &dir);
	return dir;
}

const char *sdp_direction_name(enum cscf_sdp_dir dir)
{
	return directions[(unsigned)dir & 3U].word;
}

enum cscf_sdp_dir sdp_direction_reverse(enum cscf_sdp_dir dir)
{
	switch (dir) {
	case CSCF_SDP_SENDONLY:
		return CSCF_SDP_RECVONLY;
	case CSCF_SDP_RECVONLY:
		return CSCF_SDP_SENDONLY;
	case CSCF_SDP_INACTIVE:
	case CSCF_SDP_SENDRECV:
		break;
	}
	return dir;
}

bool sdp_in_bundle(const struct sdp *sdp, struct gw_slice mid)
{
	for (size_t i = 0; i < sdp->session.n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sdp->session.first_attr + i];
		struct gw_slice token;
		size_t cursor = 0;

		if (!gw_slice_eq_str(a->name, "group") ||
		    !sdp_token_next(a->value, &cursor, &token) || !gw_slice_eq_str(token, "BUNDLE"))
			continue;
		while (sdp_token_next(a->value, &cursor, &token))
			if (gw_slice_eq(token, mid))
				return true;
	}
	return false;
}

enum cscf_sdp_media sdp_media_kind(const struct sdp_sect *sect)
{
	if (gw_slice_eq_str(sect->media, "audio"))
		return CSCF_SDP_AUDIO;
	if (gw_slice_eq_str(sect->media, "video"))
		return CSCF_SDP_VIDEO;
	if (gw_slice_eq_str(sect->media, "text"))
		return CSCF_SDP_TEXT;
	return CSCF_SDP_OTHER;
}
