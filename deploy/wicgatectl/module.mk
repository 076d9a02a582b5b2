# SPDX-License-Identifier: Apache-2.0
PROGRAMS += wicgatectl
wicgatectl_SRC := deploy/wicgatectl/main.c deploy/wicgatectl/ask.c deploy/wicgatectl/show.c \
	deploy/wicgatectl/iq_cmd.c deploy/wicgatectl/iq_session.c deploy/wicgatectl/iq_link.c
wicgatectl_LIBS := proto common
