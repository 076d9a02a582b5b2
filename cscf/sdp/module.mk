# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/sdp/alg.c cscf/sdp/masked.c cscf/sdp/access.c cscf/sdp/allowed.c cscf/sdp/answer.c cscf/sdp/capneg.c cscf/sdp/codec.c cscf/sdp/core.c \
	cscf/sdp/dtls.c cscf/sdp/emit.c cscf/sdp/emit_core.c cscf/sdp/emit_wic.c cscf/sdp/extmap.c cscf/sdp/filter.c cscf/sdp/fork.c \
	cscf/sdp/model.c cscf/sdp/moved.c cscf/sdp/offer_core.c cscf/sdp/offer_wic.c cscf/sdp/parse.c cscf/sdp/reoffer.c cscf/sdp/state.c
