/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside agw/dtls: the context, the datagram BIO, fingerprints and keys.
 */
#ifndef AGW_DTLS_DTLS_INT_H
#define AGW_DTLS_DTLS_INT_H

#include "agw/dtls/dtls.h"

#include <openssl/ssl.h>

struct agw_dtls_ctx {
	SSL_CTX *ssl_ctx; /* owned; sessions hold references of their own */
	struct agw_dtls_cfg cfg;
	struct agw_fingerprint fp;
	uint64_t made_s; /* monotonic */
};

/* bio.c: what OpenSSL reads is one datagram; each write of it is one. */
struct agw_dtls_bio {
	const uint8_t *in; /* borrowed for the length of one agw_dtls_input */
	size_t in_len;
	void (*send)(void *arg, const uint8_t *data, size_t len);
	void *arg;
};
/** A BIO over `io`, which must outlive it. NULL when out of memory. */
BIO *agw_dtls_bio_new(struct agw_dtls_bio *io);

/* sess.c: callback of OpenSSL, finds its session in the SSL's app data. */
int agw_dtls_verify_peer(X509_STORE_CTX *store, void *unused);

/* cert.c */
enum gw_err agw_dtls_cert_new(X509 **cert, EVP_PKEY **key, uint32_t lifetime_s) GW_MUST_CHECK;
/** Hash of a certificate's DER. @return false for a hash we cannot do */
bool agw_dtls_cert_hash(const X509 *cert, enum agw_hash hash, struct agw_fingerprint *out);
/** RFC 8122 s5.1: the strongest accepted hash among `fps` decides; any of that set may match. */
bool agw_dtls_cert_matches(const X509 *cert, const struct agw_fingerprint *fps, unsigned n,
			   unsigned accepted);

/* keys.c */
/** Negotiated profile, AGW_SRTP_NONE when there is none. */
uint16_t agw_dtls_profile(SSL *ssl);
/** @return GW_OK; GW_ERR_CRYPTO */
enum gw_err agw_dtls_export(SSL *ssl, bool server, struct agw_srtp_keys *out) GW_MUST_CHECK;

#endif
