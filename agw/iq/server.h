/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's end of the control channel: controllers (eP-CSCFs) dial in, say Hello, and then
 * reserve, configure, release and audit contexts; events go back as notifications.
 *
 *   connection --Hello--> controller (id + epoch) --owns--> its contexts
 *
 * A controller outlives its connection by T_orphan: it may come back with the same epoch and find
 * its contexts, the replies to requests it has to repeat, and the notifications it missed. A newer
 * epoch means it lost its state: the contexts of the old one are released.
 *
 * May a peer end us? No: garbage closes its connection with a Goodbye, a counter and a log line;
 * queues, frames, controllers and connections are bounded.
 * Clauses: IQ-01 … IQ-21; TS 23.334 §6.
 * Thread: control thread.
 */
#ifndef AGW_IQ_SERVER_H
#define AGW_IQ_SERVER_H

#include "agw/context/context.h"
#include "agw/iq/convert.h"

struct event_base;
struct agw_iq_server;

struct agw_iq_cfg {
	struct gw_addr listen; /* port 0: any, see agw_iq_server_port */
	const char *tls_cert;  /* PEM files; all three or none */
	const char *tls_key;
	const char *tls_ca;
	bool tls_identity; /* a controller's id must be a name of its certificate */
	bool insecure;     /* plain TCP also beyond loopback */
	const char *token; /* shared secret of Hello where there is no TLS; "" = none */
	const char *agw_id;
	uint32_t heartbeat_ms;
	uint32_t hello_timeout_ms;
	uint32_t orphan_ms; /* T_orphan */
	uint32_t max_controllers;
	uint32_t max_connections;
	size_t max_output;               /* octets queued to one connection before it is given up */
	uint32_t max_contexts;           /* told in Capabilities */
	uint32_t cpu_limit_permille;     /* load that means "existing calls only"; 0 = never */
	struct agw_iq_defaults defaults; /* realms are borrowed */
	const char *access_realm; /* name of the realm told as REALM_ACCESS; others are core */
};

/**
 * Listen. `table` and `pool` are borrowed and outlive the server.
 * @return GW_OK; GW_ERR_DENIED plain TCP on an address that is not loopback without `insecure`
 *         (IQ-17); GW_ERR_CRYPTO certificate, key or CA unusable; GW_ERR_IO; GW_ERR_NOMEM
 */
enum gw_err agw_iq_server_new(struct agw_iq_server **out, struct event_base *base,
			      const struct agw_iq_cfg *cfg, struct agw_context_table *table,
			      struct agw_pool *pool) GW_MUST_CHECK;
/** Close all connections at once and free; tell the controllers before (agw_iq_drain). NULL is
 * legal. */
void agw_iq_server_free(struct agw_iq_server *s);
uint16_t agw_iq_server_port(const struct agw_iq_server *s);

enum agw_iq_state { AGW_IQ_IN_SERVICE, AGW_IQ_DRAINING, AGW_IQ_OUT_OF_SERVICE };
const char *agw_iq_state_name(enum agw_iq_state state);

/**
 * Take no new contexts from now on and tell the controllers (IQ-14). After deadline_s the state is
 * OUT_OF_SERVICE and what is left is released; 0 = no deadline.
 */
void agw_iq_drain(struct agw_iq_server *s, uint32_t deadline_s, const char *reason);
/** @return false: the process is ending (agw_iq_end), nothing was changed */
bool agw_iq_undrain(struct agw_iq_server *s);
/** Drain for good: the process ends when the last context has. */
void agw_iq_end(struct agw_iq_server *s, uint32_t deadline_s, const char *reason);
/** Serve nobody from now on: tell the controllers and release every context (IQ-14). */
void agw_iq_out_of_service(struct agw_iq_server *s, const char *reason);
enum agw_iq_state agw_iq_state(const struct agw_iq_server *s);
/** Seconds until a drain's deadline; 0 = none. */
uint32_t agw_iq_drain_left_s(const struct agw_iq_server *s);

/** A realm whose address is gone, or NULL while all are up. */
const char *agw_iq_realm_down(const struct agw_iq_server *s);

/* Figures for operators. */
struct agw_iq_figures {
	unsigned connections;
	unsigned controllers;
	unsigned notifications_waiting;
	unsigned cpu_permille;
	unsigned overload_level;
	uint64_t boot_id;
};
void agw_iq_figures(const struct agw_iq_server *s, struct agw_iq_figures *out);

struct agw_iq_controller_view {
	const char *id;
	uint64_t epoch;
	const char *software;
	const char *peer; /* address, "" while away */
	bool connected;
	uint32_t since_s;       /* connected or away */
	unsigned notifications; /* not acknowledged yet */
	uint64_t requests;
};
/** Controller number i (0 …). @return false at the end */
bool agw_iq_controller_view(const struct agw_iq_server *s, unsigned i,
			    struct agw_iq_controller_view *out);

#endif
