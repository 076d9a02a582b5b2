# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/relay/stream_params.c agw/relay/stats.c agw/relay/rtp.c agw/relay/rtcp.c \
	agw/relay/ssrc.c agw/relay/rewrite.c agw/relay/rewrite_rtcp.c agw/relay/police.c \
	agw/relay/quality.c agw/relay/report.c agw/relay/gate.c agw/relay/access.c \
	agw/relay/forward.c agw/relay/stream.c agw/relay/share.c agw/relay/input.c agw/relay/ahead.c \
	agw/relay/names.c agw/relay/tcp.c agw/relay/full.c agw/relay/resend.c agw/relay/pace.c
