/* SPDX-License-Identifier: Apache-2.0 */
/* See iq_link.h. */
#include "deploy/wicgatectl/iq_link.h"

#include "proto/frame.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX 16384

struct iq_link {
	int fd;
	SSL_CTX *ctx; /* owned; NULL = plain */
	SSL *ssl;     /* owned */
	struct iq_frame_reader *reader;
	uint32_t beat_ms; /* 0 = no heartbeats */
	uint64_t next_beat_ms;
	uint64_t beats;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* "host:port" or "[v6]:port" into two terminated strings. */
static bool split(const char *text, char *host, size_t n, const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL || colon == text || colon[1] == '\0')
		return false;
	len = (size_t)(colon - text);
	if (text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= n)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	*port = colon + 1;
	return true;
}

static int dial(const struct addrinfo *list, int timeout_ms)
{
	const struct timeval tv = {.tv_sec = timeout_ms / 1000,
				   .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	int on = 1;

	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			continue;
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return fd;
		(void)close(fd);
	}
	return -1;
}

static enum gw_err connect_tcp(struct iq_link *l, const struct iq_link_cfg *cfg, char *why,
			       size_t n)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	const char *port = NULL;
	char host[256];
	int rc;

	if (!split(cfg->connect, host, sizeof(host), &port)) {
		snprintf(why, n, "\"%s\" is not HOST:PORT", cfg->connect);
		return GW_ERR_INVAL;
	}
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0) {
		snprintf(why, n, "%s: %s", host, gai_strerror(rc));
		return GW_ERR_IO;
	}
	l->fd = dial(list, cfg->timeout_ms);
	freeaddrinfo(list);
	if (l->fd < 0) {
		snprintf(why, n, "%s: %s", cfg->connect, strerrordesc_np(errno));
		return GW_ERR_IO;
	}
	return GW_OK;
}

static enum gw_err tls_failed(const char *what, char *why, size_t n)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	snprintf(why, n, "%s: %s", what, text);
	return GW_ERR_CRYPTO;
}

static enum gw_err start_tls(struct iq_link *l, const struct iq_link_cfg *cfg, char *why, size_t n)
{
	if (cfg->cert == NULL && cfg->key == NULL && cfg->ca == NULL)
		return GW_OK;
	if (cfg->cert == NULL || cfg->key == NULL || cfg->ca == NULL) {
		snprintf(why, n, "--tls-cert, --tls-key and --tls-ca come together");
		return GW_ERR_INVAL;
	}
	l->ctx = SSL_CTX_new(TLS_client_method());
	if (l->ctx == NULL || SSL_CTX_set_min_proto_version(l->ctx, TLS1_2_VERSION) != 1)
		return tls_failed("TLS", why, n);
	if (SSL_CTX_use_certificate_chain_file(l->ctx, cfg->cert) != 1)
		return tls_failed(cfg->cert, why, n);
	if (SSL_CTX_use_PrivateKey_file(l->ctx, cfg->key, SSL_FILETYPE_PEM) != 1)
		return tls_failed(cfg->key, why, n);
	if (SSL_CTX_load_verify_locations(l->ctx, cfg->ca, NULL) != 1)
		return tls_failed(cfg->ca, why, n);
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	l->ssl = SSL_new(l->ctx);
	if (l->ssl == NULL || SSL_set_fd(l->ssl, l->fd) != 1 || SSL_connect(l->ssl) != 1)
		return tls_failed("TLS handshake", why, n);
	return GW_OK;
}

enum gw_err iq_link_open(struct iq_link **out, const struct iq_link_cfg *cfg, char *why, size_t n)
{
	struct iq_link *l = calloc(1, sizeof(*l));
	enum gw_err err;

	snprintf(why, n, "out of memory");
	if (l == NULL)
		return GW_ERR_NOMEM;
	l->fd = -1;
	err = iq_frame_reader_new(&l->reader);
	if (err == GW_OK)
		err = connect_tcp(l, cfg, why, n);
	if (err == GW_OK)
		err = start_tls(l, cfg, why, n);
	if (err != GW_OK) {
		iq_link_close(l);
		return err;
	}
	*out = l;
	return GW_OK;
}

void iq_link_close(struct iq_link *l)
{
	if (l == NULL)
		return;
	if (l->ssl != NULL) {
		(void)SSL_shutdown(l->ssl);
		SSL_free(l->ssl);
	}
	SSL_CTX_free(l->ctx);
	if (l->fd >= 0)
		(void)close(l->fd);
	iq_frame_reader_free(l->reader);
	free(l);
}

int iq_link_fd(const struct iq_link *l)
{
	return l->fd;
}

void iq_link_keep_alive(struct iq_link *l, uint32_t interval_ms)
{
	l->beat_ms = interval_ms;
	l->next_beat_ms = now_ms() + interval_ms;
}

/* ---- messages -------------------------------------------------------------------------------- */

static enum gw_err write_all(struct iq_link *l, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t done =
		    l->ssl != NULL ? SSL_write(l->ssl, p, (int)n) : send(l->fd, p, n, MSG_NOSIGNAL);

		if (done <= 0) {
			if (l->ssl == NULL && errno == EINTR)
				continue;
			return GW_ERR_GONE;
		}
		p += done;
		n -= (size_t)done;
	}
	return GW_OK;
}

enum gw_err iq_link_send(struct iq_link *l, const IqEnvelope *env)
{
	uint8_t *frame = NULL;
	size_t n = 0;
	enum gw_err err = iq_pack_frame(env, &frame, &n);

	if (err == GW_OK)
		err = write_all(l, frame, n);
	free(frame);
	return err;
}

static enum gw_err beat(struct iq_link *l)
{
	IqEnvelope *env;
	enum gw_err err;

	if (l->beat_ms == 0 || now_ms() < l->next_beat_ms)
		return GW_OK;
	l->next_beat_ms = now_ms() + l->beat_ms;
	env = iq_envelope_new(IQ_BODY(HEARTBEAT), 0);
	if (env == NULL)
		return GW_ERR_NOMEM;
	env->heartbeat->sequence = ++l->beats;
	err = iq_link_send(l, env);
	iq_envelope_free(env);
	return err;
}

/* Wait for octets until `until`, sending heartbeats meanwhile. */
static enum gw_err wait_readable(struct iq_link *l, uint64_t until)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	if (l->ssl != NULL && SSL_pending(l->ssl) > 0)
		return GW_OK;
	for (;;) {
		uint64_t now = now_ms();
		uint64_t wake = until;
		enum gw_err err = beat(l);
		int rc;

		if (err != GW_OK)
			return err;
		if (l->beat_ms != 0 && l->next_beat_ms < wake)
			wake = l->next_beat_ms;
		rc = poll(&p, 1, wake > now ? (int)(wake - now) : 0);
		if (rc > 0)
			return GW_OK;
		if (rc < 0 && errno != EINTR)
			return GW_ERR_IO;
		if (now_ms() >= until)
			return GW_ERR_TIMEOUT;
	}
}

static enum gw_err read_some(struct iq_link *l)
{
	uint8_t buf[READ_MAX];
	ssize_t n =
	    l->ssl != NULL ? SSL_read(l->ssl, buf, sizeof(buf)) : recv(l->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		return GW_ERR_GONE;
	return iq_frame_feed(l->reader, buf, (size_t)n);
}

enum gw_err iq_link_recv(struct iq_link *l, IqEnvelope **out, int timeout_ms)
{
	uint64_t until = now_ms() + (uint64_t)timeout_ms;

	for (;;) {
		const uint8_t *p = NULL;
		IqEnvelope *env = NULL;
		size_t n = 0;
		enum gw_err err = iq_frame_next(l->reader, &p, &n);

		if (err == GW_ERR_AGAIN) {
			err = wait_readable(l, until);
			if (err == GW_OK)
				err = read_some(l);
			if (err != GW_OK)
				return err;
			continue;
		}
		if (err == GW_OK)
			err = iq_unpack(&env, p, n);
		if (err != GW_OK)
			return err;
		if (env->body_case != IQ_BODY(HEARTBEAT)) {
			*out = env;
			return GW_OK;
		}
		iq_envelope_free(env);
	}
}
