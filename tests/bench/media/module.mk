# SPDX-License-Identifier: Apache-2.0
PROGRAMS += wicgate-bench-media wicgate-bench-relay
wicgate-bench-media_SRC := $(addprefix tests/bench/media/,main.c bench.c wire.c call.c stun.c traffic.c gauge.c \
	target_agw.c target_ng.c target_relay.c bencode.c) deploy/wicgatectl/iq_link.c
wicgate-bench-media_LIBS := agw proto common
wicgate-bench-relay_SRC := tests/bench/media/relay.c
wicgate-bench-relay_LIBS := common

PROGRAMS += wicgate-bench-churn
wicgate-bench-churn_SRC := $(addprefix tests/bench/media/,churn_main.c churn.c flood.c agw_talk.c bench.c wire.c call.c \
	stun.c traffic.c gauge.c target_agw.c) deploy/wicgatectl/iq_link.c
wicgate-bench-churn_LIBS := agw proto common
