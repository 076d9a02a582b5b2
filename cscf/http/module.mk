# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/http/http.c cscf/http/transfer.c cscf/http/url.c
