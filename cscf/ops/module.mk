# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/ops/ops.c cscf/ops/ctl.c cscf/ops/explain.c cscf/ops/status.c
