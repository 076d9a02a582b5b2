# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/story/store.c cscf/story/lines.c cscf/story/entries.c cscf/story/sip.c cscf/story/secret.c \
	cscf/story/record.c cscf/story/media.c cscf/story/find.c cscf/story/mask_text.c cscf/story/sdp_brief.c \
	cscf/story/rows.c cscf/story/describe.c cscf/story/text.c cscf/story/json.c
