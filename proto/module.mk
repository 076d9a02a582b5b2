# SPDX-License-Identifier: Apache-2.0
PROTO_SRC += proto/frame.c proto/iq_codec.c proto/iq_build.c proto/iq_check.c proto/iq_rules.c \
	proto/iq_json.c proto/iq_trace.c
