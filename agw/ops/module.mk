# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/ops/ops.c agw/ops/status.c agw/ops/contexts.c
