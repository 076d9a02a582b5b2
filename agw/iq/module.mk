# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/iq/server.c agw/iq/conn.c agw/iq/tls.c agw/iq/controller.c agw/iq/replies.c \
	agw/iq/notify.c agw/iq/dispatch.c agw/iq/handlers.c agw/iq/convert_in.c agw/iq/convert_ice.c \
	agw/iq/convert_out.c agw/iq/state.c agw/iq/realms.c agw/iq/later.c
