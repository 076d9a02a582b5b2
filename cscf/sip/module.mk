# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/sip/auth.c cscf/sip/flow_token.c cscf/sip/msg.c cscf/sip/msg_body.c \
	cscf/sip/msg_build.c cscf/sip/msg_hdr.c cscf/sip/msg_parse.c cscf/sip/msg_value.c \
	cscf/sip/osip_parse.c cscf/sip/uri.c cscf/sip/value.c cscf/sip/via.c cscf/sip/words.c
