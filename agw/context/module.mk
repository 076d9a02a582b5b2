# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/context/context.c agw/context/context_fsm.c agw/context/prepare.c agw/context/patch.c \
	agw/context/release.c agw/context/audit.c agw/context/events.c agw/context/gather.c
