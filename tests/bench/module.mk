# SPDX-License-Identifier: Apache-2.0
PROGRAMS += wicgate-bench-load wicgate-bench-core wicgate-bench-tls
wicgate-bench-load_SRC := $(addprefix tests/bench/,load.c load_conn.c load_sip.c load_call.c load_calls.c load_check.c \
	sip_text.c sdp_text.c)
wicgate-bench-core_SRC := $(addprefix tests/bench/,core.c core_call.c sip_text.c sdp_text.c)
wicgate-bench-tls_SRC := tests/bench/tls_hold.c
wicgate-bench-tls_LIBS := cscf proto common
