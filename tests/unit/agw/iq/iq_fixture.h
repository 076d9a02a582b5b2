/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control server with real contexts and real media workers on loopback, and clients that
 * share its event loop: everything is awaited, nothing sleeps.
 */
#ifndef TESTS_IQ_FIXTURE_H
#define TESTS_IQ_FIXTURE_H

#include "agw/iq/server_int.h"
#include "proto/iq_json.h"
#include "tests/lib/req.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS   10000 /* for anything awaited; reached only by a failing test */
#define INBOX      256
#define FIRST_PORT 27400 /* media ports of these tests */

struct gate {
	struct event_base *base;
	struct agw_parts {
		struct agw_realm_cfg realms[2];
		struct agw_pool_cfg pool;
		struct agw_context_cfg contexts;
		struct agw_iq_cfg iq;
	} cfg;
	struct agw_context_table *table;
	struct agw_pool *pool;
	struct agw_iq_server *server;
};

/* Of all clients: numbers rise over the connections of one epoch. */
static uint64_t last_txn = 100;

struct client {
	struct gate *gate;
	int fd;
	struct event *ev;
	struct iq_frame_reader *reader;
	IqEnvelope *inbox[INBOX]; /* owned; what came and was not taken */
	unsigned n;
	bool closed;
};

/* A loopback address of this process alone, so that runs side by side do not meet. */
static inline const char *own_ip(void)
{
	static char ip[32];
	unsigned pid = (unsigned)getpid();

	snprintf(ip, sizeof(ip), "127.77.%u.%u", (pid >> 7) & 0xff, (pid & 0x7f) + 1);
	return ip;
}

static inline void gate_defaults(struct gate *g)
{
	memset(g, 0, sizeof(*g));
	for (unsigned i = 0; i < 2; i++) {
		struct agw_realm_cfg *r = &g->cfg.realms[i];

		snprintf(r->name, sizeof(r->name), "%s", i == 0 ? "access" : "core");
		assert_int_equal(gw_addr_parse_ip(&r->bind[AGW_FAMILY_V4], own_ip(), 0), GW_OK);
		r->port_min = (uint16_t)(FIRST_PORT + i * 100);
		r->port_max = (uint16_t)(r->port_min + 99);
	}
	g->cfg.pool.realms = g->cfg.realms;
	g->cfg.pool.n_realms = 2;
	g->cfg.pool.n_workers = 1;
	g->cfg.pool.max_streams = 100;
	g->cfg.pool.port_quarantine_ms = 1;
	g->cfg.contexts = (struct agw_context_cfg){
	    .max_contexts = 20, .reserve_ttl_ms = 60000, .prepare_ttl_ms = 60000};
	g->cfg.iq = (struct agw_iq_cfg){
	    .agw_id = "test-agw",
	    .token = "",
	    .heartbeat_ms = 2000,
	    .hello_timeout_ms = 5000,
	    .orphan_ms = 60000,
	    .max_controllers = 4,
	    .max_connections = 8,
	    .max_output = 8U << 20,
	    .max_contexts = 20,
	    .access_realm = "access",
	    .defaults = {.realms = g->cfg.realms, .n_realms = 2},
	};
	assert_int_equal(gw_addr_parse(&g->cfg.iq.listen, "127.0.0.1:0", 0), GW_OK);
}

static inline void gate_open(struct gate *g)
{
	g->base = event_base_new();
	assert_non_null(g->base);
	assert_int_equal(agw_context_table_new(&g->table, g->base, &g->cfg.contexts), GW_OK);
	assert_int_equal(agw_pool_new(&g->pool, &g->cfg.pool, agw_context_pool_cbs(), g->table),
			 GW_OK);
	assert_int_equal(agw_context_table_attach(g->table, g->pool), GW_OK);
	assert_int_equal(agw_iq_server_new(&g->server, g->base, &g->cfg.iq, g->table, g->pool),
			 GW_OK);
}

static inline void gate_close(struct gate *g)
{
	agw_iq_server_free(g->server);
	assert_int_equal(agw_context_table_attach(g->table, NULL), GW_OK);
	agw_context_table_free(g->table);
	agw_pool_free(g->pool);
	event_base_free(g->base);
}

/* Turn the loop until *flag (of anything) is true or LIMIT_MS have passed. */
#define AWAIT(g, condition)                                                                        \
	do {                                                                                       \
		uint64_t until_ = agw_iq_now_ms() + LIMIT_MS;                                      \
		bool done_ = (condition);                                                          \
		while (!done_ && agw_iq_now_ms() < until_) {                                       \
			assert_true(event_base_loop((g)->base, EVLOOP_ONCE) >= 0);                 \
			done_ = (condition);                                                       \
		}                                                                                  \
		if (!done_)                                                                        \
			fail_msg("awaited in vain: %s", #condition);                               \
	} while (0)

/* ---- clients --------------------------------------------------------------------------------- */

static inline void client_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	uint8_t buf[65536];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	const uint8_t *p = NULL;
	size_t len = 0;

	(void)what;
	if (n <= 0) {
		c->closed = n == 0 || errno != EAGAIN;
		if (c->closed)
			(void)event_del(c->ev);
		return;
	}
	assert_int_equal(iq_frame_feed(c->reader, buf, (size_t)n), GW_OK);
	while (iq_frame_next(c->reader, &p, &len) == GW_OK) {
		IqEnvelope *env = NULL;
		struct iq_fault fault;

		assert_int_equal(iq_unpack(&env, p, len), GW_OK);
		assert_int_equal(iq_check(env, &fault), GW_OK); /* we keep our own rules */
		if (c->n < INBOX)
			c->inbox[c->n++] = env;
		else
			iq_envelope_free(env);
	}
}

static inline struct client *client_open(struct gate *g)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(agw_iq_server_port(g->server))};

	assert_non_null(c);
	c->gate = g;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(iq_frame_reader_new(&c->reader), GW_OK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	c->ev = event_new(g->base, c->fd, EV_READ | EV_PERSIST, client_on_read, c);
	assert_non_null(c->ev);
	assert_int_equal(event_add(c->ev, NULL), 0);
	return c;
}

static inline void client_close(struct client *c)
{
	event_free(c->ev);
	(void)close(c->fd);
	iq_frame_reader_free(c->reader);
	for (unsigned i = 0; i < c->n; i++)
		iq_envelope_free(c->inbox[i]);
	free(c);
}

static inline void client_write(struct client *c, const void *p, size_t n)
{
	assert_int_equal(send(c->fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static inline void client_send(struct client *c, const IqEnvelope *env)
{
	uint8_t *frame = NULL;
	size_t n = 0;

	assert_int_equal(iq_pack_frame(env, &frame, &n), GW_OK);
	client_write(c, frame, n);
	free(frame);
}

/* A message as JSON with ' for "; %-arguments filled in. txn 0 in a request = the next one. */
static inline IqEnvelope *client_say(struct client *c, const char *fmt, ...) GW_PRINTF(2, 3);
static inline IqEnvelope *client_say(struct client *c, const char *fmt, ...)
{
	IqEnvelope *env = NULL;
	char *text = NULL;
	char why[256];
	json_t *j;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	j = json_loads(text, 0, NULL);
	if (j == NULL)
		fail_msg("not JSON: %s", text);
	if (iq_envelope_from_json(&env, j, why, sizeof(why)) != GW_OK)
		fail_msg("%s", why);
	json_decref(j);
	free(text);
	if (env->proto_version == 0)
		env->proto_version = IQ_VERSION;
	if (env->txn_id == 0 && iq_is_request(env))
		env->txn_id = ++last_txn;
	client_send(c, env);
	return env;
}

static inline void client_tell(struct client *c, const char *json)
{
	iq_envelope_free(client_say(c, "%s", json));
}

/* First message of that kind out of the inbox, or NULL. The caller frees. */
static inline IqEnvelope *client_take(struct client *c, IqBodyCase body)
{
	for (unsigned i = 0; i < c->n; i++) {
		IqEnvelope *env = c->inbox[i];

		if (env->body_case != body)
			continue;
		c->n--;
		memmove(&c->inbox[i], &c->inbox[i + 1], (c->n - i) * sizeof(c->inbox[0]));
		return env;
	}
	return NULL;
}

static inline IqEnvelope *client_await(struct client *c, IqBodyCase body)
{
	IqEnvelope *env = NULL;

	AWAIT(c->gate, (env = client_take(c, body)) != NULL || c->closed);
	if (env == NULL)
		fail_msg("closed before message %d came", (int)body);
	return env;
}

/* Await a message of that kind and say its error code (OK when it has none). */
static inline IqErrorCode client_code(struct client *c, IqBodyCase body)
{
	IqEnvelope *env = client_await(c, body);
	const IqError *e = iq_msg_error(env);
	IqErrorCode code = e != NULL ? e->code : IQ_V(ERROR_CODE__OK);

	iq_envelope_free(env);
	return code;
}

/* Connect and say Hello as id/epoch; *ack (may be NULL) is the caller's. */
static inline struct client *client_hello(struct gate *g, const char *id, unsigned epoch,
					  IqEnvelope **ack)
{
	struct client *c = client_open(g);
	IqEnvelope *env;

	iq_envelope_free(client_say(c,
				    "{'hello':{'controller_id':'%s','epoch':%u,'version_min':1,"
				    "'version_max':1,'resume':true}}",
				    id, epoch));
	env = client_await(c, IQ_BODY(HELLO_ACK));
	assert_null(iq_msg_error(env));
	if (ack != NULL)
		*ack = env;
	else
		iq_envelope_free(env);
	return c;
}

/* Write a Reserve of n audio streams; its txn. */
static inline uint64_t client_reserve(struct client *c, const char *ctx_id, unsigned n)
{
	char streams[8192] = "";
	size_t len = 0;
	IqEnvelope *env;
	uint64_t txn;

	for (unsigned i = 1; i <= n; i++)
		len +=
		    (size_t)snprintf(streams + len, sizeof(streams) - len,
				     "%s{'stream_id':%u,'kind':'AUDIO','access':{'realm':'access',"
				     "'rtcp':'RTCP_MUX'},'core':{'realm':'core','transport':"
				     "'RTP_AVP','rtcp':'RTCP_SEPARATE'}}",
				     i > 1 ? "," : "", i);
	env = client_say(c, "{'reserve':{'ctx_id':'%s','call_id':'call-%s','streams':[%s]}}",
			 ctx_id, ctx_id, streams);
	txn = env->txn_id;
	iq_envelope_free(env);
	return txn;
}

/* Most programs: a gateway that a test opens when it has set it up. */
static inline int gate_setup(void **state)
{
	struct gate *g = calloc(1, sizeof(*g));

	gate_defaults(g);
	*state = g;
	return 0;
}

static inline int gate_teardown(void **state)
{
	gate_close(*state);
	free(*state);
	return 0;
}

#endif
