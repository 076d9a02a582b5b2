/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against servers on 127.0.0.1, plain and TLS, that behave badly. */
#include "cscf/http/http.h"

#include "tests/lib/req.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_BODY 4096

static struct {
	struct event_base *base;
	struct evhttp *server;
	unsigned port;
	SSL_CTX *tls;
	char ca[64];
	struct cscf_http *h;

	unsigned n_requests, n_target;
	char body[256], type[64], authorization[128], extra[64], agent[64];
	bool hang;

	unsigned n_done;
	enum gw_err err;
	int status;
	char reply[MAX_BODY + 1];
	size_t n_reply;
} x;

/* ---- the server ---------------------------------------------------------------------------- */

static void copy_header(const struct evhttp_request *req, const char *name, char *to, size_t n)
{
	const char *v = evhttp_find_header(
	    evhttp_request_get_input_headers((struct evhttp_request *)(uintptr_t)req), name);

	snprintf(to, n, "%s", v != NULL ? v : "");
}

static void on_any(struct evhttp_request *req, void *arg)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	struct evbuffer *out;
	const char *path = evhttp_request_get_uri(req);
	ev_ssize_t n = evbuffer_copyout(in, x.body, sizeof(x.body) - 1);

	(void)arg;
	x.n_requests++;
	x.body[n > 0 ? n : 0] = '\0';
	copy_header(req, "Content-Type", x.type, sizeof(x.type));
	copy_header(req, "Authorization", x.authorization, sizeof(x.authorization));
	copy_header(req, "X-Extra", x.extra, sizeof(x.extra));
	copy_header(req, "User-Agent", x.agent, sizeof(x.agent));
	if (x.hang)
		return;
	out = evbuffer_new();
	if (strncmp(path, "/size/", 6) == 0) {
		size_t size = strtoul(path + 6, NULL, 10);
		char *text = malloc(size);

		memset(text, 'x', size);
		evbuffer_add(out, text, size);
		free(text);
	} else if (strcmp(path, "/moved") == 0) {
		evhttp_add_header(evhttp_request_get_output_headers(req), "Location", "/target");
	} else if (strcmp(path, "/target") == 0) {
		x.n_target++;
	} else {
		evbuffer_add_printf(out, "hello");
	}
	evhttp_send_reply(req,
			  strcmp(path, "/moved") == 0  ? 302
			  : strcmp(path, "/sick") == 0 ? 503
						       : 200,
			  "x", out);
	evbuffer_free(out);
}

static struct bufferevent *tls_conn(struct event_base *base, void *arg)
{
	return bufferevent_openssl_socket_new(base, -1, SSL_new(arg), BUFFEREVENT_SSL_ACCEPTING,
					      BEV_OPT_CLOSE_ON_FREE);
}

/* A self-signed certificate for `san`, also written where the client may find it as its CA. */
static void make_tls(const char *san)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_EXTENSION *is_ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");
	FILE *f;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
				   0);
	X509_set_issuer_name(cert, name);
	X509_add_ext(cert, ext, -1);
	X509_add_ext(cert, is_ca, -1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	x.tls = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(x.tls, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(x.tls, key), 1);
	(void)strcpy(x.ca, "/tmp/wicgate-ca-XXXXXX");
	f = fdopen(mkstemp(x.ca), "w");
	assert_int_equal(PEM_write_X509(f, cert), 1);
	(void)fclose(f);
	X509_EXTENSION_free(ext);
	X509_EXTENSION_free(is_ca);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void listen_on(void)
{
	struct evhttp_bound_socket *sock;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	x.server = evhttp_new(x.base);
	evhttp_set_gencb(x.server, on_any, NULL);
	if (x.tls != NULL)
		evhttp_set_bevcb(x.server, tls_conn, x.tls);
	sock = evhttp_bind_socket_with_handle(x.server, "127.0.0.1", 0);
	assert_non_null(sock);
	assert_int_equal(
	    getsockname(evhttp_bound_socket_get_fd(sock), (struct sockaddr *)&sin, &len), 0);
	x.port = ntohs(sin.sin_port);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void start(const char *san, const char *ca)
{
	struct cscf_http_config cfg = {.max_body = MAX_BODY, .max_active = 3};

	if (san != NULL)
		make_tls(san);
	listen_on();
	cfg.ca_file = ca != NULL ? ca : x.ca;
	assert_int_equal(cscf_http_new(&x.h, x.base, &cfg), GW_OK);
}

static int set_up(void **state)
{
	(void)state;
	memset(&x, 0, sizeof(x));
	(void)signal(SIGPIPE, SIG_IGN);
	x.base = event_base_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cscf_http_free(x.h);
	if (x.server != NULL)
		evhttp_free(x.server);
	event_base_free(x.base);
	SSL_CTX_free(x.tls);
	if (x.ca[0] != '\0')
		(void)unlink(x.ca);
	return 0;
}

static void on_done(void *arg, const struct cscf_http_reply *reply)
{
	(void)arg;
	x.n_done++;
	x.err = reply->err;
	x.status = reply->status;
	x.n_reply = reply->body.n;
	assert_true(reply->body.n <= MAX_BODY);
	if (reply->body.n > 0)
		memcpy(x.reply, reply->body.p, reply->body.n);
	x.reply[reply->body.n] = '\0';
	assert_non_null(reply->why);
}

static void too_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static void until(const unsigned *counter, unsigned want)
{
	struct timeval tv = {20, 0};
	bool late = false;
	struct event *guard = evtimer_new(x.base, too_late, &late);

	evtimer_add(guard, &tv);
	while (*counter < want && !late)
		event_base_loop(x.base, EVLOOP_ONCE);
	event_free(guard);
	assert_int_equal(*counter, want);
}

static enum gw_err begin(const char *scheme, const char *path, int64_t timeout_ms, gw_handle *out)
{
	char url[128];
	struct cscf_http_request req = {.url = url, .timeout_ms = timeout_ms};

	snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, x.port, path);
	return cscf_http_start(x.h, &req, on_done, NULL, out);
}

static void get(const char *scheme, const char *path)
{
	unsigned before = x.n_done;

	assert_int_equal(begin(scheme, path, 5000, NULL), GW_OK);
	until(&x.n_done, before + 1);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_get_brings_status_and_body(void **state)
{
	(void)state;
	start(NULL, NULL);
	get("http", "/a");
	assert_int_equal(x.err, GW_OK);
	assert_int_equal(x.status, 200);
	assert_string_equal(x.reply, "hello");
	assert_string_equal(x.agent, "wicgate-cscf");
	get("http", "/sick");
	assert_int_equal(x.err, GW_OK);
	assert_int_equal(x.status, 503);
	assert_int_equal(cscf_http_active(x.h), 0);
}

static void test_post_carries_form_credentials_and_headers(void **state)
{
	static const char *const lines[] = {"X-Extra: 7", NULL};
	static const char *const evil[] = {"X-Extra: 7\r\nX-More: 8", NULL};
	char url[64];
	struct cscf_http_request req = {.url = url,
					.user = "us",
					.password = "a%3Ab",
					.content_type = "application/x-www-form-urlencoded",
					.body = GW_SLICE_LIT("token=t"),
					.headers = lines,
					.timeout_ms = 5000};

	REQ("TOK-26");
	(void)state;
	start(NULL, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/p", x.port);
	assert_int_equal(cscf_http_start(x.h, &req, on_done, NULL, NULL), GW_OK);
	until(&x.n_done, 1);
	assert_string_equal(x.body, "token=t");
	assert_string_equal(x.type, "application/x-www-form-urlencoded");
	assert_string_equal(x.authorization, "Basic dXM6YSUzQWI=");
	assert_string_equal(x.extra, "7");
	req.headers = evil;
	assert_int_equal(cscf_http_start(x.h, &req, on_done, NULL, NULL), GW_ERR_INVAL);
	assert_int_equal(cscf_http_active(x.h), 0);
}

static void test_body_is_bounded_at_the_limit(void **state)
{
	REQ("TOK-28");
	(void)state;
	start(NULL, NULL);
	get("http", "/size/4096");
	assert_int_equal(x.err, GW_OK);
	assert_int_equal(x.n_reply, 4096);
	get("http", "/size/4097");
	assert_int_equal(x.err, GW_ERR_TOO_BIG);
	assert_int_equal(x.n_reply, 0);
	get("http", "/size/10000000");
	assert_int_equal(x.err, GW_ERR_TOO_BIG);
}

static void test_redirects_are_not_followed(void **state)
{
	REQ("TOK-28", "SEC-22");
	(void)state;
	start(NULL, NULL);
	get("http", "/moved");
	assert_int_equal(x.err, GW_OK);
	assert_int_equal(x.status, 302);
	assert_int_equal(x.n_target, 0);
}

static void test_no_answer_ends_at_the_timeout_and_holds_up_nobody(void **state)
{
	gw_handle slow;

	REQ("TOK-28");
	(void)state;
	start(NULL, NULL);
	x.hang = true;
	assert_int_equal(begin("http", "/slow", 500, &slow), GW_OK);
	until(&x.n_requests, 1);
	x.hang = false;
	get("http", "/a");
	assert_int_equal(x.err, GW_OK);
	until(&x.n_done, 2);
	assert_int_equal(x.err, GW_ERR_TIMEOUT);
}

static void test_nobody_there_is_an_io_error(void **state)
{
	(void)state;
	start(NULL, NULL);
	evhttp_free(x.server);
	x.server = NULL;
	get("http", "/a");
	assert_int_equal(x.err, GW_ERR_IO);
}

static void test_tls_is_verified(void **state)
{
	REQ("TOK-28");
	(void)state;
	start("IP:127.0.0.1", NULL);
	get("https", "/a");
	assert_int_equal(x.err, GW_OK);
	assert_string_equal(x.reply, "hello");
}

static void test_certificate_of_an_unknown_ca_is_refused(void **state)
{
	REQ("TOK-28");
	(void)state;
	start("IP:127.0.0.1", "/etc/ssl/certs/ca-certificates.crt");
	get("https", "/a");
	assert_int_equal(x.err, GW_ERR_CRYPTO);
	assert_int_equal(x.n_requests, 0);
}

static void test_certificate_for_another_name_is_refused(void **state)
{
	REQ("TOK-28");
	(void)state;
	start("DNS:waf.example,IP:127.0.0.2", NULL);
	get("https", "/a");
	assert_int_equal(x.err, GW_ERR_CRYPTO);
	assert_int_equal(x.n_requests, 0);
}

static void test_requests_at_once_are_bounded_and_cancelled_ones_silent(void **state)
{
	gw_handle r[3];

	(void)state;
	start(NULL, NULL);
	x.hang = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(begin("http", "/a", 5000, &r[i]), GW_OK);
	assert_int_equal(begin("http", "/a", 5000, NULL), GW_ERR_BUSY);
	until(&x.n_requests, 3);
	for (int i = 0; i < 3; i++)
		cscf_http_cancel(x.h, r[i]);
	cscf_http_cancel(x.h, r[0]);
	assert_int_equal(cscf_http_active(x.h), 0);
	x.hang = false;
	get("http", "/a");
	assert_int_equal(x.n_done, 1);
}

static void test_freed_with_requests_under_way(void **state)
{
	(void)state;
	start(NULL, NULL);
	x.hang = true;
	assert_int_equal(begin("http", "/a", 5000, NULL), GW_OK);
	assert_int_equal(begin("http", "/b", 5000, NULL), GW_OK);
	until(&x.n_requests, 2);
	cscf_http_free(x.h);
	x.h = NULL;
	assert_int_equal(x.n_done, 0);
}

static void on_done_again(void *arg, const struct cscf_http_reply *reply)
{
	gw_handle *other = arg;

	on_done(NULL, reply);
	cscf_http_cancel(x.h, *other);
	assert_int_equal(begin("http", "/a", 5000, NULL), GW_OK);
}

static void test_callback_may_start_and_cancel(void **state)
{
	char url[64];
	struct cscf_http_request req = {.url = url, .timeout_ms = 5000};
	gw_handle slow;

	(void)state;
	start(NULL, NULL);
	x.hang = true;
	assert_int_equal(begin("http", "/slow", 5000, &slow), GW_OK);
	until(&x.n_requests, 1);
	x.hang = false;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/a", x.port);
	assert_int_equal(cscf_http_start(x.h, &req, on_done_again, &slow, NULL), GW_OK);
	until(&x.n_done, 2);
	assert_int_equal(x.err, GW_OK);
	assert_int_equal(cscf_http_active(x.h), 0);
}

static void test_the_environment_sets_no_proxy(void **state)
{
	REQ("SEC-22");
	(void)state;
	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	start(NULL, NULL);
	get("http", "/a");
	assert_int_equal(x.err, GW_OK);
	(void)unsetenv("http_proxy");
	(void)unsetenv("ALL_PROXY");
}

static void test_urls_are_judged(void **state)
{
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
	    {"https://waf.example/jwks?x=1", true},
	    {"https://[2001:db8::1]:8443/", true},
	    {"http://127.0.0.1:1/a", true},
	    {"http://127.9.9.9/", true},
	    {"http://[::1]/", true},
	    {"http://localhost:7/", true},
	    {"http://[::2]/", false},
	    {"http://waf.example/", false},
	    {"http://128.0.0.1/", false},
	    {"http://localhost.evil/", false},
	    {"http://2130706433/", true}, /* 127.0.0.1, as libcurl reads it too */
	    {"gopher://127.0.0.1/", false},
	    {"waf.example", false},
	    {"", false},
	    {"https://a b/", false},
	    {"https://u@h/", false},
	    {"https://h/#f", false},
	};

	REQ("SEC-22");
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why;

		if (cscf_http_check_url(cases[i].url, &why) != cases[i].good)
			fail_msg("%s: %s", cases[i].url, why != NULL ? why : "accepted");
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(test_get_brings_status_and_body),
	    T(test_post_carries_form_credentials_and_headers),
	    T(test_body_is_bounded_at_the_limit),
	    T(test_redirects_are_not_followed),
	    T(test_no_answer_ends_at_the_timeout_and_holds_up_nobody),
	    T(test_nobody_there_is_an_io_error),
	    T(test_tls_is_verified),
	    T(test_certificate_of_an_unknown_ca_is_refused),
	    T(test_certificate_for_another_name_is_refused),
	    T(test_requests_at_once_are_bounded_and_cancelled_ones_silent),
	    T(test_freed_with_requests_under_way),
	    T(test_callback_may_start_and_cancel),
	    T(test_the_environment_sets_no_proxy),
	    T(test_urls_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
