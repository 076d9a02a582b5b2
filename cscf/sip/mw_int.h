/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the core transports: mw.c (listeners, UDP) and tcp.c (connections).
 */
#ifndef CSCF_SIP_MW_INT_H
#define CSCF_SIP_MW_INT_H

#include "cscf/sip/mw.h"
#include "cscf/sip/peers.h"
#include "cscf/sip/table.h"

#include <event2/event.h>
#include <event2/listener.h>

#define CSCF_SIP_MAX_LISTEN 8
#define CSCF_SIP_DATAGRAM   65536

struct cscf_sip_tcp_conn;

struct cscf_sip_udp {
	struct cscf_sip_mw *mw;
	int fd;
	struct event *event;
	struct gw_addr local;
};

struct cscf_sip_mw {
	struct event_base *base;
	const struct cscf_sip_config *cfg;
	const struct cscf_sip_mw_cbs *cbs;
	void *arg;
	struct cscf_sip_peers *peers; /* owned */
	struct cscf_sip_udp udp[CSCF_SIP_MAX_LISTEN];
	size_t n_udp;
	struct evconnlistener *tcp[CSCF_SIP_MAX_LISTEN];
	struct gw_addr tcp_local[CSCF_SIP_MAX_LISTEN];
	size_t n_tcp;
	bool use_udp, use_tcp;
	struct cscf_sip_tcp_conn *by_id;
	struct cscf_sip_tcp_conn *by_addr; /* those we opened */
	size_t n_conns;
	uint64_t next_id;
	char *datagram; /* CSCF_SIP_DATAGRAM octets */
};

/** Is the address one of mw.peers? (SEC-05) */
bool cscf_sip_mw_is_peer(const struct cscf_sip_mw *mw, const struct gw_addr *a);
/** Counts and logs a message or connection of a stranger. */
void cscf_sip_mw_refuse(const struct gw_addr *a, const char *transport);

/** A connection came in; the descriptor is taken over. */
void cscf_sip_tcp_accepted(struct cscf_sip_mw *mw, int fd, const struct gw_addr *remote,
			   const struct gw_addr *local);
void cscf_sip_tcp_free_all(struct cscf_sip_mw *mw);

#endif
