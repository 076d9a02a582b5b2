# SPDX-License-Identifier: Apache-2.0
CSCF_SRC +=
