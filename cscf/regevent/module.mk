# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/regevent/document.c cscf/regevent/metrics.c cscf/regevent/notify.c \
	cscf/regevent/regevent.c cscf/regevent/sub.c cscf/regevent/sub_fsm.c
