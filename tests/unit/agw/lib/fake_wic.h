/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WIC for tests, independent of the gateway's own code: ICE checks by libnice, DTLS by OpenSSL
 * on a socket, SRTP by libsrtp2 with keys exported here. Blocking with time limits; asserts with
 * cmocka.
 */
#ifndef TESTS_UNIT_AGW_LIB_FAKE_WIC_H
#define TESTS_UNIT_AGW_LIB_FAKE_WIC_H

#include "agw/dtls/dtls_int.h"
#include "agw/net/udp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <srtp2/srtp.h>
#include <string.h>
#include <stun/usages/ice.h>
#include <time.h>
#include <unistd.h>

#define WIC_LIMIT_MS 5000
#define WIC_UFRAG    "wicu"
#define WIC_PWD      "wicpasswordwicpassword"

struct wic {
	int fd;
	struct gw_addr gw; /* the gateway's access address */
	SSL_CTX *ctx;
	SSL *ssl;
	bool active;
	const char *profiles;
	struct agw_fingerprint fp;
	srtp_t send;
	srtp_t recv;
	StunAgent agent;
};

static inline uint64_t wic_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

static inline int wic_accept_any(X509_STORE_CTX *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	return 1;
}

/* A datagram within the limit, or -1. */
static inline ssize_t wic_recv_raw(int fd, void *buf, size_t n, int limit_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, limit_ms) != 1)
		return -1;
	return recv(fd, buf, n, 0);
}

static inline void wic_open(struct wic *w, const char *ip, bool active, const char *profiles)
{
	static const uint16_t known[] = {
	    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
	    STUN_ATTRIBUTE_ERROR_CODE,         STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
	    STUN_ATTRIBUTE_PRIORITY,           STUN_ATTRIBUTE_USE_CANDIDATE,
	    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0};
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	struct gw_addr bind_to;

	memset(w, 0, sizeof(*w));
	w->active = active;
	w->profiles = profiles;
	assert_int_equal(gw_addr_parse_ip(&bind_to, ip, 0), GW_OK);
	assert_int_equal(agw_udp_open(&w->fd, &bind_to), GW_OK);
	w->ctx = SSL_CTX_new(DTLS_method());
	assert_non_null(w->ctx);
	assert_int_equal(agw_dtls_cert_new(&cert, &key, 3600), GW_OK);
	assert_int_equal(SSL_CTX_use_certificate(w->ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(w->ctx, key), 1);
	assert_true(agw_dtls_cert_hash(cert, AGW_HASH_SHA256, &w->fp));
	X509_free(cert);
	EVP_PKEY_free(key);
	SSL_CTX_set_verify(w->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(w->ctx, wic_accept_any, NULL);
	stun_agent_init(&w->agent, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

static inline void wic_close(struct wic *w)
{
	if (w->send != NULL)
		(void)srtp_dealloc(w->send);
	if (w->recv != NULL)
		(void)srtp_dealloc(w->recv);
	SSL_free(w->ssl);
	SSL_CTX_free(w->ctx);
	(void)close(w->fd);
}

static inline void wic_aim(struct wic *w, const struct gw_addr *gw)
{
	w->gw = *gw;
	assert_int_equal(agw_udp_connect(w->fd, gw), GW_OK);
}

/* Write a check for ufrag "ours:theirs". @return octets */
static inline size_t wic_make_check(struct wic *w, uint8_t *buf, size_t n, const char *gw_ufrag,
				    const char *gw_pwd, bool use_candidate)
{
	char user[600];
	StunMessage msg;
	int len = snprintf(user, sizeof(user), "%s:%s", gw_ufrag, WIC_UFRAG);

	return stun_usage_ice_conncheck_create(&w->agent, &msg, buf, n, (uint8_t *)user,
					       (size_t)len, (const uint8_t *)gw_pwd, strlen(gw_pwd),
					       use_candidate, true, 1845501695, 42, NULL,
					       STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

/* Read until a STUN answer comes. @return 0 for success, the error code, or -1 for silence */
static inline int wic_await_answer(struct wic *w, int limit_ms)
{
	uint64_t until = wic_now_ms() + (uint64_t)limit_ms;
	uint8_t buf[1500];
	uint64_t now;

	while ((now = wic_now_ms()) < until) {
		ssize_t n = wic_recv_raw(w->fd, buf, sizeof(buf), (int)(until - now));
		StunMessage msg = {0};
		int code = -1;
		StunValidationStatus st;

		if (n <= 0 || buf[0] > 3)
			continue;
		st = stun_agent_validate(&w->agent, &msg, buf, (size_t)n, NULL, NULL);
		if (stun_message_get_class(&msg) == STUN_RESPONSE && st == STUN_VALIDATION_SUCCESS)
			return 0;
		if (stun_message_find_error(&msg, &code) == STUN_MESSAGE_RETURN_SUCCESS)
			return code;
	}
	return -1;
}

static inline int wic_check(struct wic *w, const char *gw_ufrag, const char *gw_pwd,
			    bool use_candidate)
{
	uint8_t buf[1500];
	size_t n = wic_make_check(w, buf, sizeof(buf), gw_ufrag, gw_pwd, use_candidate);

	assert_true(n > 0);
	assert_true(agw_udp_send(w->fd, NULL, buf, n));
	return wic_await_answer(w, WIC_LIMIT_MS);
}

static inline void wic_make_keys(struct wic *w)
{
	const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(w->ssl);
	uint8_t raw[2 * 46];
	uint8_t client[46];
	uint8_t server[46];
	size_t key;
	size_t salt;
	srtp_policy_t policy;

	assert_non_null(p);
	key = p->id == 8 ? 32 : 16;
	salt = p->id == 1 ? 14 : 12;
	assert_int_equal(SSL_export_keying_material(w->ssl, raw, 2 * (key + salt),
						    "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
			 1);
	memcpy(client, raw, key);
	memcpy(server, raw + key, key);
	memcpy(client + key, raw + 2 * key, salt);
	memcpy(server + key, raw + 2 * key + salt, salt);
	memset(&policy, 0, sizeof(policy));
	srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, (srtp_profile_t)p->id);
	srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, (srtp_profile_t)p->id);
	policy.ssrc.type = ssrc_any_outbound;
	policy.key = w->active ? client : server;
	assert_int_equal(srtp_create(&w->send, &policy), srtp_err_status_ok);
	policy.ssrc.type = ssrc_any_inbound;
	policy.key = w->active ? server : client;
	assert_int_equal(srtp_create(&w->recv, &policy), srtp_err_status_ok);
}

/* Make the SSL object on the aimed socket; the next step is wic_handshake. */
static inline void wic_ssl(struct wic *w)
{
	BIO *bio = BIO_new_dgram(w->fd, BIO_NOCLOSE);
	BIO_ADDR *peer = BIO_ADDR_new();

	assert_non_null(bio);
	assert_non_null(peer);
	if (gw_addr_is_v6(&w->gw))
		assert_int_equal(BIO_ADDR_rawmake(peer, AF_INET6, &w->gw.u.v6.sin6_addr,
						  sizeof(w->gw.u.v6.sin6_addr),
						  w->gw.u.v6.sin6_port),
				 1);
	else
		assert_int_equal(BIO_ADDR_rawmake(peer, AF_INET, &w->gw.u.v4.sin_addr,
						  sizeof(w->gw.u.v4.sin_addr), w->gw.u.v4.sin_port),
				 1);
	(void)BIO_ctrl_set_connected(bio, peer);
	BIO_ADDR_free(peer);
	w->ssl = SSL_new(w->ctx);
	assert_non_null(w->ssl);
	SSL_set_bio(w->ssl, bio, bio);
	assert_int_equal(SSL_set_tlsext_use_srtp(w->ssl, w->profiles), 0);
	if (w->active)
		SSL_set_connect_state(w->ssl);
	else
		SSL_set_accept_state(w->ssl);
}

/* One step. @return true when the handshake is done */
static inline bool wic_step(struct wic *w)
{
	int rc = SSL_do_handshake(w->ssl);

	if (rc == 1)
		return true;
	(void)DTLSv1_handle_timeout(w->ssl);
	ERR_clear_error();
	return false;
}

/* @return false when the handshake did not end in time */
static inline bool wic_handshake(struct wic *w, int limit_ms)
{
	uint64_t until = wic_now_ms() + (uint64_t)limit_ms;

	if (w->ssl == NULL)
		wic_ssl(w);
	while (!wic_step(w)) {
		struct pollfd p = {.fd = w->fd, .events = POLLIN};

		if (wic_now_ms() >= until)
			return false;
		(void)poll(&p, 1, 50);
	}
	wic_make_keys(w);
	return true;
}

/* Plain RTP into buf. @return octets */
static inline size_t wic_make_rtp(uint8_t *buf, uint8_t pt, uint16_t seq, uint32_t ssrc,
				  const void *payload, size_t n)
{
	uint8_t h[12] = {0x80, pt, (uint8_t)(seq >> 8), (uint8_t)seq};
	uint32_t ts = seq * 160U;

	for (int i = 0; i < 4; i++) {
		h[4 + i] = (uint8_t)(ts >> (24 - 8 * i));
		h[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	}
	memcpy(buf, h, 12);
	memcpy(buf + 12, payload, n);
	return 12 + n;
}

static inline void wic_send_rtp(struct wic *w, const uint8_t *rtp, size_t n)
{
	_Alignas(8) uint8_t buf[2200];
	int len = (int)n;

	memcpy(buf, rtp, n);
	assert_int_equal(srtp_protect(w->send, buf, &len), srtp_err_status_ok);
	assert_true(agw_udp_send(w->fd, NULL, buf, (size_t)len));
}

static inline void wic_send_rtcp(struct wic *w, const uint8_t *rtcp, size_t n)
{
	_Alignas(8) uint8_t buf[2200];
	int len = (int)n;

	memcpy(buf, rtcp, n);
	assert_int_equal(srtp_protect_rtcp(w->send, buf, &len), srtp_err_status_ok);
	assert_true(agw_udp_send(w->fd, NULL, buf, (size_t)len));
}

/* Next RTP or RTCP packet in clear, of at least 4-octet alignment. @return octets, or -1 */
static inline int wic_recv(struct wic *w, uint8_t *buf, size_t n, bool *rtcp, int limit_ms)
{
	uint64_t until = wic_now_ms() + (uint64_t)limit_ms;
	uint64_t now;

	while ((now = wic_now_ms()) < until) {
		int len = (int)wic_recv_raw(w->fd, buf, n, (int)(until - now));

		if (len < 12 || buf[0] < 128 || buf[0] > 191)
			continue;
		*rtcp = buf[1] >= 192 && buf[1] <= 223;
		if ((*rtcp ? srtp_unprotect_rtcp(w->recv, buf, &len)
			   : srtp_unprotect(w->recv, buf, &len)) == srtp_err_status_ok)
			return len;
	}
	return -1;
}

#endif
