/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our identity, one self-signed P-256 certificate per process and renewal (DTLS-10; RFC 8827
 * s6.5), and the comparison of a peer's certificate with signalled fingerprints (RFC 8122).
 */
#include "agw/dtls/dtls_int.h"

#include "common/rand.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define BACKDATE_S (24 * 3600) /* clocks of peers differ */
#define CN_OCTETS  8

static const EVP_MD *md_of(enum agw_hash hash)
{
	switch (hash) {
	case AGW_HASH_SHA1:
		return EVP_sha1();
	case AGW_HASH_SHA224:
		return EVP_sha224();
	case AGW_HASH_SHA256:
		return EVP_sha256();
	case AGW_HASH_SHA384:
		return EVP_sha384();
	case AGW_HASH_SHA512:
		return EVP_sha512();
	case AGW_HASH_COUNT:
		break;
	}
	return NULL;
}

static bool fill(X509 *x, EVP_PKEY *key, uint32_t lifetime_s)
{
	char cn[2 * CN_OCTETS + 1];
	X509_NAME *name = X509_get_subject_name(x);

	gw_rand_hex(cn, CN_OCTETS);
	return X509_set_version(x, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), gw_rand_u64() >> 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -(long)BACKDATE_S) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(x), (long)lifetime_s) != NULL &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (unsigned char *)cn, -1, -1,
					  0) &&
	       X509_set_issuer_name(x, name) && X509_set_pubkey(x, key) &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

enum gw_err agw_dtls_cert_new(X509 **cert, EVP_PKEY **key, uint32_t lifetime_s)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	if (k == NULL || x == NULL || !fill(x, k, lifetime_s)) {
		EVP_PKEY_free(k);
		X509_free(x);
		return GW_ERR_CRYPTO;
	}
	*cert = x;
	*key = k;
	return GW_OK;
}

bool agw_dtls_cert_hash(const X509 *cert, enum agw_hash hash, struct agw_fingerprint *out)
{
	const EVP_MD *md = md_of(hash);
	unsigned n = 0;

	if (md == NULL || X509_digest(cert, md, out->octets, &n) != 1)
		return false;
	out->hash = hash;
	out->len = (uint8_t)n;
	return true;
}

bool agw_dtls_cert_matches(const X509 *cert, const struct agw_fingerprint *fps, unsigned n,
			   unsigned accepted)
{
	struct agw_fingerprint have;
	int best = -1;

	/* The enum is in order of strength. */
	for (unsigned i = 0; i < n; i++) {
		if ((accepted & (1U << fps[i].hash)) != 0 && (int)fps[i].hash > best)
			best = (int)fps[i].hash;
	}
	if (best < 0 || !agw_dtls_cert_hash(cert, (enum agw_hash)best, &have))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if ((int)fps[i].hash == best && fps[i].len == have.len &&
		    CRYPTO_memcmp(fps[i].octets, have.octets, have.len) == 0)
			return true;
	}
	return false;
}
