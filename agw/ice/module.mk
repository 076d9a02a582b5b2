# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/ice/ice.c agw/ice/consent.c agw/ice/lite.c agw/ice/lite_book.c agw/ice/two_lite.c agw/ice/replay.c agw/ice/full.c agw/ice/full_io.c agw/ice/full_agent.c agw/ice/stun_check.c agw/ice/leave.c
