/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory BIO that keeps datagram boundaries, which BIO_s_mem does not: one read gives at most
 * the datagram at hand, one write is one datagram to the caller. Answers the MTU questions of
 * OpenSSL's DTLS code so that a record never exceeds what cfg.mtu leaves (DTLS-15).
 */
#include "agw/dtls/dtls_int.h"

#include <pthread.h>
#include <string.h>

#define IP_UDP_OVERHEAD 48 /* IPv6 and UDP: the larger one */

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int dgram_read(BIO *bio, char *buf, size_t size, size_t *got)
{
	struct agw_dtls_bio *io = BIO_get_data(bio);
	size_t n = io->in_len < size ? io->in_len : size;

	BIO_clear_retry_flags(bio);
	if (io->in == NULL || n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(buf, io->in, n);
	io->in = NULL; /* what did not fit is gone, as with a socket */
	io->in_len = 0;
	*got = n;
	return 1;
}

static int dgram_write(BIO *bio, const char *buf, size_t n, size_t *written)
{
	struct agw_dtls_bio *io = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	io->send(io->arg, (const uint8_t *)buf, n);
	*written = n;
	return 1;
}

static long dgram_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
		return IP_UDP_OVERHEAD;
	default:
		return 0;
	}
}

static int dgram_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram memory");

	if (m == NULL)
		return;
	if (BIO_meth_set_read_ex(m, dgram_read) && BIO_meth_set_write_ex(m, dgram_write) &&
	    BIO_meth_set_ctrl(m, dgram_ctrl) && BIO_meth_set_create(m, dgram_create))
		method = m;
	else
		BIO_meth_free(m);
}

BIO *agw_dtls_bio_new(struct agw_dtls_bio *io)
{
	BIO *bio;

	(void)pthread_once(&method_once, make_method);
	if (method == NULL)
		return NULL;
	bio = BIO_new(method);
	if (bio != NULL)
		BIO_set_data(bio, io);
	return bio;
}
