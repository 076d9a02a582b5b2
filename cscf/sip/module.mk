# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/sip/auth.c cscf/sip/client.c cscf/sip/client_owner.c cscf/sip/client_try.c cscf/sip/counters.c \
	cscf/sip/dns.c cscf/sip/flow_token.c cscf/sip/health.c cscf/sip/machine.c cscf/sip/skeleton.c cscf/sip/mask.c \
	cscf/sip/overload.c cscf/sip/msg.c \
	cscf/sip/msg_body.c cscf/sip/msg_build.c cscf/sip/msg_hdr.c cscf/sip/msg_parse.c \
	cscf/sip/msg_value.c cscf/sip/mw.c cscf/sip/peers.c cscf/sip/osip_parse.c cscf/sip/receive.c \
	cscf/sip/resolve.c cscf/sip/secagree.c cscf/sip/send.c cscf/sip/server.c cscf/sip/stack.c \
	cscf/sip/stateless.c cscf/sip/table.c cscf/sip/tcp.c cscf/sip/tcp_frame.c cscf/sip/uri.c \
	cscf/sip/value.c cscf/sip/via.c cscf/sip/w2.c cscf/sip/words.c cscf/sip/ws_link.c
