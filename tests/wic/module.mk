# SPDX-License-Identifier: Apache-2.0
PROGRAMS += wicgate-wic
wicgate-wic_SRC := $(addprefix tests/wic/,main.c options.c report.c sound.c dtls.c ice.c media.c \
	tally.c self_test.c link.c sip.c sdp.c client.c register.c call.c \
	call_out.c call_in.c)
wicgate-wic_LIBS := common
