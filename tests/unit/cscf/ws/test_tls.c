/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on W2: versions, suites, no early data, no renegotiation, reload, SIP over wss. */
#include "cscf/ws/tls.h"

#include "tests/lib/req.h"
#include "tests/unit/cscf/ws/rig.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

static struct rig rig;
static struct client a, b;
static SSL_CTX *client_ctx;
static char dir[] = "/tmp/wicgate-ws-tls-XXXXXX";
static char cert_path[64], key_path[64];

/* --- certificates --------------------------------------------------------------------------- */

static void write_identity(const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	FILE *f;

	assert_non_null(key);
	assert_non_null(cert);
	X509_NAME *subject = X509_get_subject_name(cert);
	assert_int_equal(X509_set_version(cert, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -3600));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
						    (const unsigned char *)name, -1, -1, 0),
			 1);
	assert_int_equal(X509_set_issuer_name(cert, subject), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	f = fopen(cert_path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	(void)fclose(f);
	f = fopen(key_path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int group_setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	(void)unlink(cert_path);
	(void)unlink(key_path);
	(void)rmdir(dir);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	write_identity("first");
	rig_init(&rig);
	rig.cfg.listen = "127.0.0.1:0";
	rig.cfg.insecure_listen = "";
	rig.cfg.tls_cert = cert_path;
	rig.cfg.tls_key = key_path;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.fd = b.fd = -1;
	client_ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(client_ctx);
	SSL_CTX_set_mode(client_ctx,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	client_close(&a);
	client_close(&b);
	rig_stop(&rig);
	SSL_CTX_free(client_ctx);
	ERR_clear_error();
	return 0;
}

/* Handshake; false when TLS refused. */
static bool tls_connect(struct client *c, SSL_SESSION *resume)
{
	int64_t until = rig_now_ms() + RIG_PATIENCE_MS;

	client_connect_port(c, cscf_ws_listener_port(rig.l, true));
	assert_int_equal(evutil_make_socket_nonblocking(c->fd), 0);
	c->ssl = SSL_new(client_ctx);
	assert_non_null(c->ssl);
	assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
	if (resume != NULL)
		assert_int_equal(SSL_set_session(c->ssl, resume), 1);
	for (;;) {
		int r = SSL_connect(c->ssl);
		int why = SSL_get_error(c->ssl, r);

		if (r == 1)
			return true;
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return false;
		assert_true(rig_now_ms() < until);
		(void)event_base_loop(rig.base, EVLOOP_NONBLOCK);
	}
}

static void peer_name(const struct client *c, char *to, int size)
{
	X509 *cert = SSL_get1_peer_certificate(c->ssl);

	assert_non_null(cert);
	assert_true(
	    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, to, size) > 0);
	X509_free(cert);
}

static void test_messages_pass_in_both_versions(void **state)
{
	REQ("SEC-01", "WS-04");
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static uint8_t big[65536];

	(void)state;
	memset(big, 'x', sizeof(big));
	rig.echo = true;
	rig_start(&rig);
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX_set_min_proto_version(client_ctx, versions[i]);
		SSL_CTX_set_max_proto_version(client_ctx, versions[i]);
		assert_true(tls_connect(&a, NULL));
		client_open(&rig, &a);
		assert_true(cscf_ws_conn_is_tls(cscf_ws_conn_find(rig.l, rig.last_id)));
		client_frame(&rig, &a, 0x82, big, sizeof(big));
		RIG_AWAIT(&rig, &a, a.n == sizeof(big) + 10);
		assert_memory_equal(a.in + 10, big, sizeof(big));
		client_frame(&rig, &a, 0x88, "\x03\xe8", 2);
		RIG_AWAIT(&rig, &a, a.eof);
		assert_int_equal(SSL_get_shutdown(a.ssl) & SSL_RECEIVED_SHUTDOWN,
				 SSL_RECEIVED_SHUTDOWN); /* an end, not a cut */
		client_close(&a);
		RIG_AWAIT(&rig, NULL, rig.closed == i + 1);
		assert_int_equal(rig.cause, CSCF_WS_CAUSE_PEER_CLOSE);
	}
}

static void test_old_versions_and_weak_suites_are_refused(void **state)
{
	REQ("SEC-01");
	static const char *const weak[] = {"AES128-GCM-SHA256",
					   "ECDHE-ECDSA-AES128-SHA",
					   "ECDHE-ECDSA-AES256-SHA384",
					   "DHE-RSA-AES128-GCM-SHA256",
					   "NULL-SHA256",
					   "ADH-AES128-GCM-SHA256"};
	int64_t before;

	(void)state;
	rig_start(&rig);
	SSL_CTX_set_security_level(client_ctx, 0);
	SSL_CTX_set_min_proto_version(client_ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(client_ctx, TLS1_1_VERSION);
	before = gw_metric_get(&cscf_ws_rejects[CSCF_WS_REJECT_TLS]);
	assert_false(tls_connect(&a, NULL));
	client_close(&a);
	RIG_AWAIT(&rig, NULL, gw_metric_get(&cscf_ws_rejects[CSCF_WS_REJECT_TLS]) == before + 1);
	SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		assert_int_equal(SSL_CTX_set_cipher_list(client_ctx, weak[i]), 1);
		if (tls_connect(&a, NULL))
			fail_msg("%s was taken", weak[i]);
		client_close(&a);
	}
	assert_int_equal(SSL_CTX_set_cipher_list(client_ctx, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
	assert_true(tls_connect(&a, NULL));
}

static void test_min_version_13_refuses_12(void **state)
{
	REQ("SEC-01");
	(void)state;
	rig.cfg.tls_min_version = "1.3";
	rig_start(&rig);
	SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
	assert_false(tls_connect(&a, NULL));
	SSL_CTX_set_max_proto_version(client_ctx, 0);
	assert_true(tls_connect(&b, NULL));
}

static void test_renegotiation_is_refused(void **state)
{
	REQ("SEC-01");
	(void)state;
	rig_start(&rig);
	SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
	assert_true(tls_connect(&a, NULL));
	client_open(&rig, &a);
	assert_int_equal(SSL_renegotiate(a.ssl), 1);
	for (int i = 0; i < 20; i++) {
		(void)SSL_do_handshake(a.ssl);
		rig_turn(&rig, NULL);
	}
	assert_true(SSL_renegotiate_pending(a.ssl) || a.eof || SSL_get_shutdown(a.ssl) != 0 ||
		    ERR_peek_error() != 0);
	assert_int_equal(SSL_num_renegotiations(a.ssl), 1); /* asked once, never done */
	assert_false(SSL_is_init_finished(a.ssl));
}

static void test_a_resumed_session_gets_no_early_data_and_a_new_id(void **state)
{
	REQ("SEC-03", "SEC-04");
	SSL_SESSION *session;
	uint64_t first;
	size_t written = 0;

	(void)state;
	rig.echo = true;
	rig_start(&rig);
	assert_true(tls_connect(&a, NULL));
	client_open(&rig, &a);
	first = rig.last_id;
	client_frame(&rig, &a, 0x81, "x", 1); /* its echo brings the ticket along */
	RIG_AWAIT(&rig, &a, a.n == 3);
	session = SSL_get1_session(a.ssl);
	assert_non_null(session);
	assert_int_equal(SSL_SESSION_is_resumable(session), 1);
	assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
	SSL_set_shutdown(a.ssl, SSL_SENT_SHUTDOWN); /* keep the session usable */
	assert_true(tls_connect(&b, session));
	assert_int_equal(SSL_session_reused(b.ssl), 1);
	assert_int_not_equal(SSL_get_early_data_status(b.ssl), SSL_EARLY_DATA_ACCEPTED);
	assert_int_not_equal(SSL_write_early_data(b.ssl, "x", 1, &written), 1);
	client_open(&rig, &b);
	assert_int_not_equal(rig.last_id, first);
	SSL_SESSION_free(session);
}

static unsigned asked;

static int on_asked(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
	(void)ssl;
	(void)cert;
	(void)key;
	asked++;
	return 0;
}

static void test_no_client_certificate_is_asked_for(void **state)
{
	REQ("SEC-02");
	(void)state;
	SSL_CTX_set_client_cert_cb(client_ctx, on_asked);
	rig_start(&rig);
	assert_true(tls_connect(&a, NULL));
	client_open(&rig, &a);
	assert_int_equal(asked, 0);
}

static void test_reload_serves_the_new_certificate_and_drops_nobody(void **state)
{
	REQ("SEC-02");
	char name[64];
	char why[256] = "";
	FILE *f;

	(void)state;
	rig.echo = true;
	rig_start(&rig);
	assert_true(tls_connect(&a, NULL));
	client_open(&rig, &a);
	peer_name(&a, name, sizeof(name));
	assert_string_equal(name, "first");

	write_identity("second");
	assert_int_equal(cscf_ws_tls_reload(rig.l, why, sizeof(why)), GW_OK);
	assert_true(tls_connect(&b, NULL));
	client_open(&rig, &b);
	peer_name(&b, name, sizeof(name));
	assert_string_equal(name, "second");
	client_frame(&rig, &a, 0x81, "still", 5);
	RIG_AWAIT(&rig, &a, a.n == 7);
	assert_int_equal(rig.closed, 0);

	f = fopen(key_path, "w"); /* a broken key: the old identity stays in use */
	assert_non_null(f);
	(void)fputs("nonsense\n", f);
	(void)fclose(f);
	assert_int_equal(cscf_ws_tls_reload(rig.l, why, sizeof(why)), GW_ERR_CRYPTO);
	assert_non_null(strstr(why, key_path));
	client_close(&b);
	assert_true(tls_connect(&b, NULL));
	peer_name(&b, name, sizeof(name));
	assert_string_equal(name, "second");
}

static void test_bad_identity_stops_the_start_with_the_file_named(void **state)
{
	REQ("SEC-02");
	SSL_CTX *ctx = NULL;
	char why[256];

	(void)state;
	rig_start(&rig);
	assert_int_equal(
	    cscf_ws_tls_ctx_new(&ctx, "/nonexistent.pem", key_path, "1.2", why, sizeof(why)),
	    GW_ERR_CRYPTO);
	assert_non_null(strstr(why, "/nonexistent.pem"));
	assert_int_equal(cscf_ws_tls_ctx_new(&ctx, cert_path, key_path, "1.1", why, sizeof(why)),
			 GW_ERR_INVAL);
	assert_null(ctx);
}

static void test_plain_octets_on_the_wss_port_are_a_tls_refusal(void **state)
{
	REQ("WS-04", "SEC-26");
	int64_t before = gw_metric_get(&cscf_ws_rejects[CSCF_WS_REJECT_TLS]);

	(void)state;
	rig_start(&rig);
	client_connect_port(&a, cscf_ws_listener_port(rig.l, true));
	client_send_text(&rig, &a, RIG_HANDSHAKE);
	RIG_AWAIT(&rig, &a, a.eof);
	assert_int_equal(gw_metric_get(&cscf_ws_rejects[CSCF_WS_REJECT_TLS]), before + 1);
	assert_false(client_has(&a, "101"));
}

static void test_http11_is_the_only_alpn_word(void **state)
{
	const unsigned char *word = NULL;
	unsigned len = 0;

	(void)state;
	rig_start(&rig);
	assert_int_equal(
	    SSL_CTX_set_alpn_protos(client_ctx, (const unsigned char *)"\x02h2\x08http/1.1", 12),
	    0);
	assert_true(tls_connect(&a, NULL));
	SSL_get0_alpn_selected(a.ssl, &word, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(word, "http/1.1", 8);
	assert_int_equal(SSL_CTX_set_alpn_protos(client_ctx, (const unsigned char *)"\x02h2", 3),
			 0);
	assert_false(tls_connect(&b, NULL));
}

static void test_a_dual_stack_socket_names_ipv4_peers_as_such(void **state)
{
	REQ("WS-16", "WS-24");
	struct cscf_ws_conn *c;

	(void)state;
	rig.cfg.listen = "[::]:0";
	rig_start(&rig);
	assert_true(tls_connect(&a, NULL)); /* over 127.0.0.1 */
	client_open(&rig, &a);
	c = cscf_ws_conn_find(rig.l, rig.last_id);
	assert_int_equal(cscf_ws_conn_peer(c)->u.sa.sa_family, AF_INET);
	assert_true(gw_addr_is_loopback(cscf_ws_conn_peer(c)));
	assert_int_equal(cscf_ws_conn_local(c)->u.sa.sa_family, AF_INET);
	assert_int_equal(gw_addr_port(cscf_ws_conn_local(c)), cscf_ws_listener_port(rig.l, true));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_messages_pass_in_both_versions),
	    T(test_old_versions_and_weak_suites_are_refused),
	    T(test_min_version_13_refuses_12),
	    T(test_renegotiation_is_refused),
	    T(test_a_resumed_session_gets_no_early_data_and_a_new_id),
	    T(test_no_client_certificate_is_asked_for),
	    T(test_reload_serves_the_new_certificate_and_drops_nobody),
	    T(test_bad_identity_stops_the_start_with_the_file_named),
	    T(test_plain_octets_on_the_wss_port_are_a_tls_refusal),
	    T(test_http11_is_the_only_alpn_word),
	    T(test_a_dual_stack_socket_names_ipv4_peers_as_such),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
