# SPDX-License-Identifier: Apache-2.0
COMMON_SRC += common/err.c common/fmt.c common/handle.c common/log.c common/log_sink.c common/metric.c common/histogram.c common/conf.c \
	common/conf_value.c common/ring.c common/sockaddr.c common/fsm.c common/ctl_server.c \
	common/ctl_client.c common/http_ops.c common/rand.c common/options.c common/outbox.c common/process.c common/plain.c
