/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket client; see link.h. */
#include "tests/wic/link.h"

#include "common/rand.h"
#include "tests/wic/options.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define HTTP_MAX 8192
#define KEY_RAW  16
#define GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct wic_link {
	const struct wic_options *o;
	struct wic_link_cbs cbs;
	void *arg;
	struct bufferevent *bev;    /* owned; NULL when closed */
	wslay_event_context_ptr ws; /* owned; NULL before 101 */
	char key[32];
	char why[128];
	bool open;
};

static struct {
	SSL_CTX *tls;
	struct sockaddr_storage to;
	socklen_t to_len;
} server;

/* --- once ----------------------------------------------------------------------------------- */

static enum gw_err make_tls(const struct wic_options *o)
{
	server.tls = SSL_CTX_new(TLS_client_method());
	if (server.tls == NULL)
		return GW_ERR_NOMEM;
	if (o->ca == NULL)
		return GW_OK;
	SSL_CTX_set_verify(server.tls, SSL_VERIFY_PEER, NULL);
	return SSL_CTX_load_verify_file(server.tls, o->ca) == 1 ? GW_OK : GW_ERR_CRYPTO;
}

enum gw_err wic_link_setup(const struct wic_options *o)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *res = NULL;
	char host[256], port[8];
	size_t n = strlen(o->host);

	(void)snprintf(host, sizeof(host), "%s", o->host);
	if (host[0] == '[' && host[n - 1] == ']') {
		memmove(host, host + 1, n - 2);
		host[n - 2] = '\0';
	}
	(void)snprintf(port, sizeof(port), "%u", o->port);
	if (getaddrinfo(host, port, &hints, &res) != 0 || res == NULL)
		return GW_ERR_NOT_FOUND;
	memcpy(&server.to, res->ai_addr, res->ai_addrlen);
	server.to_len = res->ai_addrlen;
	freeaddrinfo(res);
	return o->tls ? make_tls(o) : GW_OK;
}

void wic_link_teardown(void)
{
	SSL_CTX_free(server.tls);
	server.tls = NULL;
}

/* --- frames --------------------------------------------------------------------------------- */

static void drop(struct wic_link *l)
{
	if (l->bev != NULL)
		bufferevent_free(l->bev);
	l->bev = NULL;
	l->open = false;
}

static void closed(struct wic_link *l, unsigned code, const char *why)
{
	if (l->bev == NULL)
		return;
	drop(l);
	l->cbs.on_closed(l->arg, code, why);
}

static ssize_t ws_recv(wslay_event_context_ptr ws, uint8_t *to, size_t len, int flags, void *user)
{
	struct wic_link *l = user;
	int n = l->bev != NULL ? evbuffer_remove(bufferevent_get_input(l->bev), to, len) : 0;

	(void)flags;
	if (n <= 0) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	return n;
}

static ssize_t ws_send(wslay_event_context_ptr ws, const uint8_t *bytes, size_t len, int flags,
		       void *user)
{
	struct wic_link *l = user;

	(void)flags;
	if (l->bev == NULL || bufferevent_write(l->bev, bytes, len) != 0) {
		wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	return (ssize_t)len;
}

static int ws_mask(wslay_event_context_ptr ws, uint8_t *to, size_t len, void *user)
{
	(void)ws;
	(void)user;
	gw_rand_bytes(to, len);
	return 0;
}

static void ws_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m,
		       void *user)
{
	struct wic_link *l = user;

	(void)ws;
	if (!wslay_is_ctrl_frame(m->opcode) && l->bev != NULL)
		l->cbs.on_message(l->arg, (const char *)m->msg, m->msg_length);
}

static const struct wslay_event_callbacks ws_callbacks = {
    .recv_callback = ws_recv,
    .send_callback = ws_send,
    .genmask_callback = ws_mask,
    .on_msg_recv_callback = ws_message,
};

/* --- HTTP ----------------------------------------------------------------------------------- */

static void send_handshake(struct wic_link *l)
{
	unsigned char raw[KEY_RAW];
	struct evbuffer *out = bufferevent_get_output(l->bev);

	gw_rand_bytes(raw, sizeof(raw));
	EVP_EncodeBlock((unsigned char *)l->key, raw, KEY_RAW);
	(void)evbuffer_add_printf(out,
				  "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\n"
				  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				  "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: sip\r\n",
				  l->o->path, l->o->host, l->o->port, l->key);
	if (l->o->origin != NULL)
		(void)evbuffer_add_printf(out, "Origin: %s\r\n", l->o->origin);
	(void)evbuffer_add_printf(out, "\r\n");
}

static bool accept_matches(const struct wic_link *l, const char *head)
{
	char text[128], line[128];
	unsigned char md[EVP_MAX_MD_SIZE], b64[64];
	unsigned n = 0;
	int len = snprintf(text, sizeof(text), "%s" GUID, l->key);

	if (EVP_Digest(text, (size_t)len, md, &n, EVP_sha1(), NULL) != 1)
		return false;
	EVP_EncodeBlock(b64, md, (int)n);
	(void)snprintf(line, sizeof(line), "Sec-WebSocket-Accept: %s\r\n", b64);
	return strcasestr(head, line) != NULL &&
	       strcasestr(head, "Sec-WebSocket-Protocol: sip\r\n") != NULL;
}

static void read_answer(struct wic_link *l)
{
	struct evbuffer *in = bufferevent_get_input(l->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[HTTP_MAX + 1];
	int n;

	if (end.pos < 0 || end.pos + 4 > HTTP_MAX)
		return;
	n = evbuffer_remove(in, head, (size_t)end.pos + 4);
	head[n > 0 ? n : 0] = '\0';
	if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || !accept_matches(l, head)) {
		(void)snprintf(l->why, sizeof(l->why), "%.*s", (int)strcspn(head, "\r"), head);
		closed(l, 0, l->why);
		return;
	}
	if (wslay_event_context_client_init(&l->ws, &ws_callbacks, l) != 0) {
		closed(l, 0, "no memory");
		return;
	}
	l->open = true;
	l->cbs.on_open(l->arg);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct wic_link *l = arg;

	(void)bev;
	if (l->ws == NULL)
		read_answer(l);
	if (l->ws == NULL || l->bev == NULL)
		return;
	if (wslay_event_recv(l->ws) != 0) {
		closed(l, 0, "broken frame from the gateway");
		return;
	}
	if (l->bev != NULL && wslay_event_want_write(l->ws))
		(void)wslay_event_send(l->ws);
	if (l->bev != NULL && wslay_event_get_close_received(l->ws) &&
	    evbuffer_get_length(bufferevent_get_output(l->bev)) == 0)
		closed(l, wslay_event_get_status_code_received(l->ws), "closed by the gateway");
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct wic_link *l = arg;
	int on = 1;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		(void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		send_handshake(l);
		return;
	}
	if (l->ws != NULL && wslay_event_get_close_received(l->ws))
		closed(l, wslay_event_get_status_code_received(l->ws), "closed by the gateway");
	else
		closed(l, 0, (what & BEV_EVENT_EOF) != 0 ? "end of stream" : "connection failed");
}

/* --- public --------------------------------------------------------------------------------- */

static struct bufferevent *new_bev(struct event_base *base, const struct wic_options *o)
{
	SSL *ssl;
	struct bufferevent *bev;

	if (!o->tls)
		return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	ssl = SSL_new(server.tls);
	if (ssl == NULL)
		return NULL;
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), o->host) != 1) {
		(void)SSL_set_tlsext_host_name(ssl, o->host);
		(void)SSL_set1_host(ssl, o->host);
	}
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		SSL_free(ssl);
	else
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

enum gw_err wic_link_new(struct wic_link **out, struct event_base *base,
			 const struct wic_options *o, const struct wic_link_cbs *cbs, void *arg)
{
	struct wic_link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return GW_ERR_NOMEM;
	l->o = o;
	l->cbs = *cbs;
	l->arg = arg;
	l->bev = new_bev(base, o);
	if (l->bev == NULL) {
		free(l);
		return GW_ERR_NOMEM;
	}
	bufferevent_setcb(l->bev, on_read, NULL, on_event, l);
	(void)bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(l->bev, (struct sockaddr *)&server.to, (int)server.to_len) !=
	    0) {
		wic_link_free(l);
		return GW_ERR_IO;
	}
	*out = l;
	return GW_OK;
}

void wic_link_free(struct wic_link *l)
{
	if (l == NULL)
		return;
	drop(l);
	wslay_event_context_free(l->ws);
	free(l);
}

void wic_link_send(struct wic_link *l, const char *text, size_t len)
{
	struct wslay_event_msg m = {WSLAY_TEXT_FRAME, (const uint8_t *)text, len};

	if (!l->open || l->bev == NULL)
		return;
	if (wslay_event_queue_msg(l->ws, &m) == 0)
		(void)wslay_event_send(l->ws);
}

void wic_link_close(struct wic_link *l)
{
	if (!l->open || l->bev == NULL)
		return;
	if (wslay_event_queue_close(l->ws, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0)
		(void)wslay_event_send(l->ws);
}

void wic_link_reset(struct wic_link *l)
{
	struct linger at_once = {.l_onoff = 1};

	if (l->bev == NULL)
		return;
	(void)setsockopt(bufferevent_getfd(l->bev), SOL_SOCKET, SO_LINGER, &at_once,
			 sizeof(at_once));
	drop(l);
}

void wic_link_silence(struct wic_link *l)
{
	if (l->bev != NULL)
		(void)bufferevent_disable(l->bev, EV_READ);
}

bool wic_link_local(const struct wic_link *l, struct gw_addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return l->bev != NULL &&
	       getsockname(bufferevent_getfd(l->bev), (struct sockaddr *)&ss, &len) == 0 &&
	       gw_addr_from_sa(out, (const struct sockaddr *)&ss, len) == GW_OK;
}
