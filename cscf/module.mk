# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/cscf.c cscf/cscf_end.c cscf/drain.c cscf/config.c cscf/config_parts.c
