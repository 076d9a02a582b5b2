# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/worker/pool.c agw/worker/slot.c agw/worker/shared.c agw/worker/tcp_port.c agw/worker/media.c agw/worker/report.c \
	agw/worker/mailbox.c agw/worker/identity.c agw/worker/metrics.c agw/worker/worker.c
