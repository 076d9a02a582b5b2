/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile tokens. The first octet says what the rest is:
 *   T  a whole header value       P  a payload, signed here       H  a header, signed here
 *   K  a JWKS of a WAF            U  an IMPU asked of a grant with a range
 * Asserted: without our secret nothing is ever granted; with it, what is granted is fit for a
 * SIP header, names our issuer, and no other algorithm than HS256 got through.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000

static char none[] = "", iss[] = "https://waf", secret[] = "0123456789abcdef0123456789abcdef",
	    aud[] = "wicgate", scope[] = "ims.register", impi[] = "ims_impi", impus[] = "ims_impus",
	    wwsf[] = "client_id", pool[] = "ims_pool", realm[] = "ims.test", es[] = "ES256";
static char *algs[] = {es};
static struct cscf_authz_issuer issuer = {
    .issuer = iss,
    .jwks_url = none,
    .introspection_url = none,
    .client_id = none,
    .client_secret = none,
    .secret = secret,
    .audience = aud,
    .entity_name = none,
    .entity_value = CSCF_AUTHZ_ENTITY_SAME,
};
static char key_file[] = "/tmp/wicgate-fuzz-XXXXXX";
static struct cscf_authz_config cfg = {
    .issuers = {&issuer, 1},
    .algs = {algs, 1},
    .require_typ = true,
    .accept_access_token_param = true,
    .required_scope = scope,
    .claim_impi = impi,
    .claim_impus = impus,
    .claim_wwsf = wwsf,
    .claim_pool = pool,
    .challenge_authz_server = none,
    .jwe_key = key_file,
    .tls_ca = none,
    .clock_skew = 30000,
    .cache_ttl = 0,
    .jwks_ttl = 1000,
    .jwks_max_stale = 1000,
    .jwks_min_refetch = 1000,
    .http_timeout = 1000,
    .max_size = 65536,
    .cache_max = 10,
    .max_waiting = 10,
    .realm = realm,
};
static struct cscf_authz *authz;
static const struct cscf_authz_grant *range;
static bool called, granted;

static int64_t wall(void *arg)
{
	(void)arg;
	return NOW;
}

/* Any key: nobody has its private half but this process. */
static void write_key(void)
{
	static const char jwk[] =
	    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\","
	    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
	    "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"; /* RFC 7515 A.3.1 */
	int fd = mkstemp(key_file);

	if (fd < 0 || write(fd, jwk, sizeof(jwk) - 1) < 0)
		abort();
	(void)close(fd);
}

static void set_up(void)
{
	static const char *const one[] = {"sip:guest-!.*!@ims.test"};
	const struct cscf_authz_grant g = {.impi = "a@b",
					   .impus = one,
					   .n_impus = 1,
					   .issuer = iss,
					   .client_id = "",
					   .subject = "",
					   .scope = "",
					   .jti = "",
					   .waf = ""};
	struct cscf_authz_clock clock = {wall, wall, NULL};
	char why[256] = "";

	gw_log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	write_key();
	if (cscf_authz_new(&authz, event_base_new(), &cfg, &clock, why, sizeof(why)) != GW_OK)
		abort();
	(void)unlink(key_file);
	range = grant_new(&g);
	if (range == NULL)
		abort();
}

static void must_be_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s >= 0x7f || *s == '"' || *s == '\\')
			abort();
}

static void on_done(void *arg, const struct cscf_authz_result *res)
{
	const struct cscf_authz_grant *g = res->grant;

	(void)arg;
	called = true;
	granted = g != NULL;
	if (granted != (res->verdict == CSCF_AUTHZ_OK))
		abort();
	if (!granted)
		return;
	must_be_plain(g->impi);
	must_be_plain(g->client_id);
	must_be_plain(g->jti);
	must_be_plain(g->subject);
	must_be_plain(g->scope);
	if (g->n_impus == 0 || strchr(g->impi, '@') == NULL || strcmp(g->issuer, iss) != 0 ||
	    g->expires_at <= NOW - 30)
		abort();
	for (size_t i = 0; i < g->n_impus; i++) {
		must_be_plain(g->impus[i]);
		if (strpbrk(g->impus[i], "<> ,") != NULL)
			abort();
	}
}

static void verify(struct gw_slice credentials)
{
	struct cscf_authz_query q = {.credentials = credentials, .origin = "", .secure = true};

	called = granted = false;
	cscf_authz_verify(authz, &q, on_done, NULL, NULL);
	if (!called)
		abort(); /* there is nobody to wait for */
}

static size_t base64url(char *to, const void *from, size_t n)
{
	size_t len = (size_t)EVP_EncodeBlock((unsigned char *)to, from, (int)n);

	while (len > 0 && to[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++)
		to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
	return len;
}

static void verify_signed(struct gw_slice header, struct gw_slice payload)
{
	char *text = malloc(8 + 2 * (header.n + payload.n) + 128);
	char *at = text + sizeof("Bearer ") - 1;
	char *signing = at;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n_mac = 0;

	memcpy(text, "Bearer ", sizeof("Bearer ") - 1);
	at += base64url(at, header.p, header.n);
	*at++ = '.';
	at += base64url(at, payload.p, payload.n);
	if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)signing,
		 (size_t)(at - signing), mac, &n_mac) == NULL)
		abort();
	*at++ = '.';
	at += base64url(at, mac, n_mac);
	verify((struct gw_slice){text, (size_t)(at - text)});
	free(text);
}

static void run_header(struct gw_slice header)
{
	static const char good[] =
	    "{\"iss\":\"https://waf\",\"aud\":\"wicgate\",\"exp\":1800000600,\"client_id\":\"w\","
	    "\"scope\":\"ims.register\",\"ims_impi\":\"a@b\",\"ims_impus\":\"sip:a@b\"}";

	verify_signed(header, gw_slice_str(good));
	if (granted && memmem(header.p, header.n, "HS256", 5) == NULL &&
	    memmem(header.p, header.n, "\\u", 2) == NULL)
		abort();
}

static void run_jwks(struct gw_slice text)
{
	json_t *jwks = json_loadb(text.p, text.n, 0, NULL);
	struct key_set set;
	struct jwt j = {.kid = "k", .alg = "ES256"};
	const struct key *key = NULL;

	if (key_set_parse(&set, jwks)) {
		if (set.n > MAX_JWKS_KEYS)
			abort();
		if (key_set_pick(&set, &j, alg_find("ES256"), &key) == PICK_FOUND) {
			j.part[0] = GW_SLICE_LIT("eyJhbGciOiJFUzI1NiJ9");
			j.part[1] = GW_SLICE_LIT("e30");
			j.part[2] = GW_SLICE_LIT("YWJj");
			if (key->kind != KEY_EC || jwt_verify(authz->jose, &j, key->jwk))
				abort();
		}
		key_set_clear(&set);
	}
	json_decref(jwks);
}

static void run_impu(struct gw_slice uri)
{
	if (cscf_authz_grant_has_impu(range, uri) &&
	    (memmem(uri.p, uri.n, "guest-", 6) == NULL && memchr(uri.p, '%', uri.n) == NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct gw_slice rest = {(const char *)bytes + 1, len - 1};

	if (authz == NULL)
		set_up();
	if (len < 2 || len > 16384)
		return 0;
	switch (bytes[0]) {
	case 'P':
		verify_signed(GW_SLICE_LIT("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"), rest);
		break;
	case 'H':
		run_header(rest);
		break;
	case 'K':
		run_jwks(rest);
		break;
	case 'U':
		run_impu(rest);
		break;
	default:
		verify(rest);
		if (granted)
			abort();
	}
	return 0;
}
