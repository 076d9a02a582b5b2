# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/iq/client.c cscf/iq/send.c cscf/iq/link.c cscf/iq/addresses.c cscf/iq/leaving.c cscf/iq/realms.c cscf/iq/tls.c \
	cscf/iq/dns.c cscf/iq/agw_pool.c cscf/iq/txn.c cscf/iq/notify.c cscf/iq/audit.c cscf/iq/procedures.c
