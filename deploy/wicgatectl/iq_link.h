/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking connection of the control protocol, for wicgatectl: TCP or mutual TLS, frames,
 * heartbeats. Thread: one.
 */
#ifndef WICGATECTL_IQ_LINK_H
#define WICGATECTL_IQ_LINK_H

#include "proto/iq_codec.h"

struct iq_link;

struct iq_link_cfg {
	const char *connect; /* HOST:PORT or [v6]:PORT */
	const char *cert;    /* PEM; with key and ca, or all NULL for plain TCP */
	const char *key;
	const char *ca;
	int timeout_ms;
};

/** @param why on failure: one line. @return GW_OK; GW_ERR_IO; GW_ERR_INVAL; GW_ERR_CRYPTO; … */
enum gw_err iq_link_open(struct iq_link **out, const struct iq_link_cfg *cfg, char *why,
			 size_t n) GW_MUST_CHECK;
void iq_link_close(struct iq_link *l);
/** Send; the message stays the caller's. */
enum gw_err iq_link_send(struct iq_link *l, const IqEnvelope *env) GW_MUST_CHECK;
/**
 * Next message of any kind; heartbeats are answered by our own and not returned.
 * @return GW_OK; GW_ERR_TIMEOUT; GW_ERR_GONE closed by the peer; GW_ERR_PROTO, GW_ERR_TOO_BIG,
 *         GW_ERR_PARSE garbage; GW_ERR_IO
 */
enum gw_err iq_link_recv(struct iq_link *l, IqEnvelope **out, int timeout_ms) GW_MUST_CHECK;
/** For poll(2); read with iq_link_recv(…, 0) until GW_ERR_TIMEOUT. */
int iq_link_fd(const struct iq_link *l);
/** Ask for a heartbeat every so many ms from iq_link_recv (HelloAck says how many). */
void iq_link_keep_alive(struct iq_link *l, uint32_t interval_ms);

#endif
