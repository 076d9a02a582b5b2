# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/net/realm.c agw/net/udp.c agw/net/port_pool.c agw/net/steer.c agw/net/framing.c \
	agw/net/tcp.c
