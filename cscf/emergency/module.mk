# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/emergency/country.c cscf/emergency/emergency.c cscf/emergency/limit.c \
	cscf/emergency/match.c cscf/emergency/plan.c
