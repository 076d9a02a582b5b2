/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links by mutual TLS: whose certificate is taken, and that a dead AGW behind TLS is noticed as
 * soon as one behind plain TCP.
 */
#include "tests/unit/cscf/iq/pool_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/wicgate-iq-tls-XXXXXX";
static char ours[64], other[64], ours_key[64], other_key[64];

static void make_cert(char *cert, char *key, size_t n, const char *name)
{
	char command[512];

	(void)snprintf(cert, n, "%s/%s.pem", dir, name);
	(void)snprintf(key, n, "%s/%s.key", dir, name);
	(void)snprintf(command, sizeof(command),
		       "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		       "-days 1 -subj /CN=%s -addext subjectAltName=DNS:%s -keyout %s -out %s "
		       "2>/dev/null",
		       name, name, key, cert);
	assert_int_equal(system(command), 0);
}

static int group_setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	make_cert(ours, ours_key, sizeof(ours), "agw.example");
	make_cert(other, other_key, sizeof(other), "other.example");
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	(void)unlink(ours);
	(void)unlink(ours_key);
	(void)unlink(other);
	(void)unlink(other_key);
	return rmdir(dir);
}

static int tls_setup(void **state)
{
	struct fixture *f;
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	assert_int_equal(setup(state), 0);
	f = *state;
	assert_int_equal(SSL_CTX_use_certificate_file(tls, ours, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, ours_key, SSL_FILETYPE_PEM), 1);
	f->agw[0].tls = tls;
	f->cfg.tls_ca = f->cfg.tls_cert = ours;
	f->cfg.tls_key = ours_key;
	f->cfg.tls_name = "";
	return 0;
}

static int tls_teardown(void **state)
{
	SSL_CTX *tls = ((struct fixture *)*state)->agw[0].tls;
	int rc = teardown(state);

	SSL_CTX_free(tls);
	return rc;
}

static void test_the_right_name_and_ca_are_taken(void **state)
{
	REQ("IQ-17");
	struct fixture *f = *state;

	f->cfg.tls_name = "agw.example";
	start_up(f, 1);
	assert_true(cscf_iq_available(f->iq));
}

/* Dialled, refused and dialled again, without a Hello, which would have told our token. */
static void assert_never_up(struct fixture *f)
{
	start(f, 1);
	UNTIL(f, f->iq->links->backoff_ms > 2 * IQ_BACKOFF_MIN);
	assert_int_equal(f->agw[0].hellos, 0);
	assert_false(cscf_iq_available(f->iq));
}

static void test_another_name_is_refused(void **state)
{
	REQ("IQ-17");
	struct fixture *f = *state;

	f->cfg.tls_name = "agw2.example";
	assert_never_up(f);
}

static void test_another_ca_is_refused(void **state)
{
	REQ("IQ-17");
	struct fixture *f = *state;

	f->cfg.tls_ca = other;
	assert_never_up(f);
}

#define PENDING 24

/*
 * Over a network a refused connection is told some time after it was dialled; loopback tells it at
 * once, unless the listener's queue is full: then the SYN is repeated, and the listener is gone.
 */
static void test_a_refusal_that_comes_later_is_death_at_once(void **state)
{
	REQ("REL-12");
	struct fixture *f = *state;
	struct fake_agw *a = &f->agw[0];
	int fd[PENDING];

	f->cfg.agw_dead = 60000;
	f->cfg.heartbeat = 10000;
	start_up(f, 1);
	(void)reserved(f, 3);
	evconnlistener_disable(a->listener);
	for (size_t i = 0; i < PENDING; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fd[i], &f->iq->links->addr.u.sa, f->iq->links->addr.len);
	}
	fake_hang_up(a);
	UNTIL(f, f->iq->links->state == IQ_LINK_CONNECTING);
	assert_int_equal(f->lost, 0);
	for (size_t i = 0; i < PENDING; i++)
		(void)close(fd[i]);
	evconnlistener_free(a->listener);
	a->listener = NULL;
	UNTIL(f, f->lost == 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tls_setup, tls_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_the_right_name_and_ca_are_taken),
	    T(test_another_name_is_refused),
	    T(test_another_ca_is_refused),
	    T(test_a_refusal_that_comes_later_is_death_at_once),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
