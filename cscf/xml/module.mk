# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/xml/doc.c cscf/xml/ims3gpp.c cscf/xml/reginfo.c cscf/xml/media_control.c
