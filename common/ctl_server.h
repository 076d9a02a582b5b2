/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's socket: a UNIX stream socket that takes one JSON object per line,
 *
 *   {"cmd":"reg list","args":["sip:alice@…"]}
 *
 * and answers with one line, {"ok":true,"result":…} or {"ok":false,"error":"…"}. Commands are a
 * table. The socket file has mode 0600: who may open it may do everything.
 * Thread: the loop thread of `base`.
 */
#ifndef COMMON_CTL_SERVER_H
#define COMMON_CTL_SERVER_H

#include "common/err.h"

#include <jansson.h>
#include <stdint.h>

struct event_base;
struct gw_ctl_server;

/**
 * Answer one command.
 * @param args   JSON array of strings (possibly empty); borrowed
 * @param error  on failure may be set to a static sentence
 * @return a new reference, or NULL for failure
 */
typedef json_t *gw_ctl_fn(void *arg, const json_t *args, const char **error);

struct gw_ctl_command {
	const char *name; /* "reg list" */
	const char *help; /* "reg list [IMPU]: registrations" */
	gw_ctl_fn *fn;
};

/**
 * Listen on a socket path (an old socket file there is removed). "help" is answered from the
 * table itself.
 * @param commands  borrowed: static
 * @return GW_OK; GW_ERR_IO; GW_ERR_NOMEM; GW_ERR_INVAL path too long
 */
enum gw_err gw_ctl_server_new(struct gw_ctl_server **out, struct event_base *base, const char *path,
			      const struct gw_ctl_command *commands, size_t n_commands,
			      void *arg) GW_MUST_CHECK;
/** Close the socket and every client; the file is removed. NULL is legal. */
void gw_ctl_server_free(struct gw_ctl_server *s);

/**
 * From within a command: its answer comes later, by gw_ctl_answer; the command returns NULL. Its
 * client is asked nothing else until then.
 * @return the ticket to answer with
 */
uint64_t gw_ctl_later(struct gw_ctl_server *s);
/**
 * Answer a command that said later. A client that has gone meanwhile is no error.
 * @param result  a reference, taken; NULL = failed, `error` says why
 */
void gw_ctl_answer(struct gw_ctl_server *s, uint64_t ticket, json_t *result, const char *error);

/** The command `metrics` of every process: the exposition as text. */
json_t *gw_ctl_metrics(void *arg, const json_t *args, const char **error);

#endif
