/* SPDX-License-Identifier: Apache-2.0 */
/* REGISTER as JsSIP words it, and what a load generator wants of the answer. */
#include "tests/bench/load.h"
#include "tests/bench/sip_text.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void md5_hex(char out[33], const char *text)
{
	static EVP_MD *md;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "MD5", NULL);
	if (md == NULL || EVP_Digest(text, strlen(text), sum, &n, md, NULL) != 1 || n != 16)
		abort();
	for (unsigned i = 0; i < n; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", sum[i]);
}

/* RFC 7616 with MD5 and qop=auth; password "load". */
static void digest(char *to, size_t size, const struct load_conn *c)
{
	char text[512], ha1[33], ha2[33], response[33];

	snprintf(text, sizeof(text), "%s%u@%s:%s:load", load_opt.prefix, c->id, load_opt.domain,
		 load_opt.domain);
	md5_hex(ha1, text);
	snprintf(text, sizeof(text), "REGISTER:sip:%s", load_opt.domain);
	md5_hex(ha2, text);
	snprintf(text, sizeof(text), "%s:%s:00000001:0a4f113b:auth:%s", ha1, c->nonce, ha2);
	md5_hex(response, text);
	snprintf(to, size,
		 "Authorization: Digest username=\"%s%u@%s\", realm=\"%s\", nonce=\"%s\", "
		 "uri=\"sip:%s\", response=\"%s\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, "
		 "nc=00000001\r\n",
		 load_opt.prefix, c->id, load_opt.domain, load_opt.domain, c->nonce,
		 load_opt.domain, response);
}

size_t load_register_text(char *to, size_t size, struct load_conn *c, bool credentials)
{
	char authorization[800] = "";
	int n;

	if (credentials)
		digest(authorization, sizeof(authorization), c);
	c->cseq++;
	n = snprintf(to, size,
		     "REGISTER sip:%s SIP/2.0\r\n"
		     "Via: SIP/2.0/WSS w%08x.invalid;branch=z9hG4bK%08x%08x\r\n"
		     "Max-Forwards: 69\r\n"
		     "To: <sip:%s%u@%s>\r\n"
		     "From: <sip:%s%u@%s>;tag=f%08x\r\n"
		     "Call-ID: c%08x%08x\r\n"
		     "CSeq: %u REGISTER\r\n%s"
		     "Contact: <sip:%s%u@w%08x.invalid;transport=ws>;+sip.ice;reg-id=1;"
		     "+sip.instance=\"<urn:uuid:8f2a4c1e-0000-4000-8000-%012x>\";expires=%u\r\n"
		     "Expires: %u\r\n"
		     "Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n"
		     "Supported: path,gruu,outbound\r\n"
		     "User-Agent: JsSIP 3.10.1\r\n"
		     "Content-Length: 0\r\n\r\n",
		     load_opt.domain, c->id, c->serial, c->cseq, load_opt.prefix, c->id,
		     load_opt.domain, load_opt.prefix, c->id, load_opt.domain, c->id, c->id,
		     c->serial, c->cseq, authorization, load_opt.prefix, c->id, c->id, c->id,
		     load_opt.expires, load_opt.expires);
	if (n < 0 || (size_t)n >= size)
		abort();
	return (size_t)n;
}

void load_response_read(struct load_conn *c, const char *text, size_t n)
{
	const char *at;

	c->status = n > 12 && memcmp(text, "SIP/2.0 ", 8) == 0 ? atoi(text + 8) : 0;
	c->retry_after = 0;
	at = memmem(text, n, "nonce=\"", 7);
	if (c->status == 401 && at != NULL)
		sscanf(at + 7, "%79[^\"]", c->nonce);
	if (c->status == 200)
		bench_routes(text, n, "Service-Route", false, c->routes, sizeof(c->routes));
	at = memmem(text, n, "\r\nRetry-After:", 14);
	if (at != NULL)
		c->retry_after = (unsigned)atoi(at + 14);
}
