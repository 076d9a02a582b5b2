/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WIC: a WebSocket, a registration with Digest, the transactions and calls on it.
 */
#ifndef TESTS_WIC_CLIENT_H
#define TESTS_WIC_CLIENT_H

#include "tests/wic/app.h"
#include "tests/wic/link.h"
#include "tests/wic/sip.h"

#define WIC_BRANCH_LEN 24

/* A request on its way out. Texts are borrowed for the call. */
struct wic_request {
	const char *method;
	const char *uri;
	const char *from, *to, *call_id;
	unsigned cseq;
	const char *routes; /* whole header lines, or NULL */
	const char *extra;  /* whole header lines, or NULL */
	const char *body;   /* SDP, or NULL */
	const char *branch; /* NULL = a fresh one */
};

/* A provisional or final answer; m NULL = none came in 32 s, or the connection is gone. */
typedef void wic_response_fn(void *arg, const struct wic_sip *m);

struct wic_txn {
	struct wic_txn *next;
	struct wic_client *c;
	char branch[WIC_BRANCH_LEN];
	char method[16];
	wic_response_fn *fn;
	void *arg;
	struct event *timer; /* owned */
};

struct wic_client {
	struct wic_app *app;
	int number;
	char user[128], username[160], password[128], aor[300], host[32], contact[400];
	char instance[48];
	struct wic_link *link;  /* owned */
	struct wic_txn *txns;   /* owned */
	struct wic_call *calls; /* owned */
	/* registration */
	char reg_call_id[40], reg_tag[24], challenge[WIC_VALUE_MAX];
	char service_route[1500]; /* Route lines for calls */
	unsigned reg_cseq, nc;
	bool registered, settled, leaving, gone;
	bool dropped; /* cut the connection on purpose */
	int auth_tries;
	int64_t started_us;
	struct event *refresh; /* owned */
};

enum gw_err wic_client_new(struct wic_client **out, struct wic_app *app, int number) GW_MUST_CHECK;
void wic_client_free(struct wic_client *c);

/** Hang up, deregister, close; wic_app_client_gone follows. */
void wic_client_leave(struct wic_client *c);
/** Cut the connection with a reset; `again`: and open a new one, as the same instance. */
void wic_client_cut(struct wic_client *c, bool again);

/** A call of ours ended: go on leaving when that is what we wait for. */
void wic_client_call_ended(struct wic_client *c);

/** Send a request. @param fn NULL = no answer expected (ACK). branch_out may be NULL. */
void wic_client_request(struct wic_client *c, const struct wic_request *r, wic_response_fn *fn,
			void *arg, char branch_out[WIC_BRANCH_LEN]);
/** Answer a request; tag is added to To when it has none; extra and body may be NULL. */
void wic_client_respond(struct wic_client *c, const struct wic_sip *req, unsigned status,
			const char *reason, const char *tag, const char *extra, const char *body);
/** Forget the transactions of that user argument (its owner dies). */
void wic_client_forget(struct wic_client *c, const void *arg);
/** Write the credentials header for a 401 or 407. @return false: cannot */
bool wic_client_authorize(struct wic_client *c, const struct wic_sip *answer, const char *method,
			  const char *uri, char *to, size_t size);

/* Between client.c and register.c. */
/** Send REGISTER, 0 = deregister; what follows from the answer is done here. */
void wic_client_register(struct wic_client *c, int expires);
/** The first registration has an outcome: tell the run, once. */
void wic_client_settle(struct wic_client *c, bool ok);

#endif
