# SPDX-License-Identifier: Apache-2.0
PROGRAMS += wicgate-bench-load wicgate-bench-core wicgate-bench-tls
wicgate-bench-load_SRC := $(addprefix tests/bench/,load.c load_conn.c load_sip.c)
wicgate-bench-core_SRC := tests/bench/core.c
wicgate-bench-tls_SRC := tests/bench/tls_hold.c
wicgate-bench-tls_LIBS := cscf proto common
