# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/ws/listener.c cscf/ws/conn.c cscf/ws/conn_ask.c cscf/ws/handshake.c cscf/ws/session.c \
	cscf/ws/ping.c cscf/ws/stream.c cscf/ws/tls.c cscf/ws/upgrade.c cscf/ws/reject.c \
	cscf/ws/frame.c cscf/ws/utf8.c cscf/ws/bucket.c cscf/ws/tally.c cscf/ws/stats.c \
	cscf/ws/proxy_header.c cscf/ws/line.c
