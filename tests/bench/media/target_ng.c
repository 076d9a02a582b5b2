/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtpengine, told about a call as a SIP proxy in front of browsers tells it: an offer of the WIC
 * towards plain RTP, an answer of the core towards ICE and DTLS-SRTP. Where: its ng address.
 */
#include "common/rand.h"
#include "tests/bench/media/bench.h"
#include "tests/bench/media/bencode.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_MS 2000
#define SDP_MAX  4096

struct ng {
	int fd;
	unsigned cookie;
	char run[9]; /* rtpengine answers a cookie that it knows from its memory */
	char reply[65536];
};

static void *ng_open(const char *where, char *why, size_t n)
{
	struct ng *g = calloc(1, sizeof(*g));
	struct gw_addr a;

	if (g == NULL || gw_addr_parse(&a, where, 2223) != GW_OK) {
		snprintf(why, n, "not an address: %s", where);
		free(g);
		return NULL;
	}
	gw_rand_hex(g->run, 4);
	g->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (g->fd < 0 || connect(g->fd, &a.u.sa, a.len) != 0) {
		snprintf(why, n, "cannot reach %s", where);
		free(g);
		return NULL;
	}
	return g;
}

/* Ask, wait for the answer with our cookie. @return octets of the dictionary, 0 = none */
static size_t ask(struct ng *g, const struct ben *b, const char *cookie, const char **dict)
{
	struct pollfd p = {.fd = g->fd, .events = POLLIN};
	size_t own = strlen(cookie);

	if (b->full || send(g->fd, b->text, b->n, 0) != (ssize_t)b->n)
		return 0;
	while (poll(&p, 1, REPLY_MS) > 0) {
		ssize_t n = recv(g->fd, g->reply, sizeof(g->reply) - 1, 0);

		if (n <= (ssize_t)own + 1)
			continue;
		g->reply[n] = '\0';
		if (memcmp(g->reply, cookie, own) != 0)
			continue;
		*dict = g->reply + own + 1;
		return (size_t)n - own - 1;
	}
	return 0;
}

/* "command" with an SDP; the SDP that comes back. */
static bool sdp_round(struct ng *g, struct ben *b, const char *cookie, char *out, char *why,
		      size_t n)
{
	const char *dict = "", *sdp;
	size_t len = 0, dict_n = ask(g, b, cookie, &dict);

	sdp = ben_find(dict, dict_n, "sdp", &len);
	if (sdp == NULL || len >= SDP_MAX) {
		snprintf(why, n, "rtpengine: %.*s", (int)(dict_n < 200 ? dict_n : 200), dict);
		return false;
	}
	memcpy(out, sdp, len);
	out[len] = '\0';
	return true;
}

static void begin(struct ng *g, struct ben *b, char *cookie, size_t n, const char *command,
		  const struct bench_call *c)
{
	char id[32];

	snprintf(cookie, n, "%s-%u", g->run, g->cookie++);
	snprintf(id, sizeof(id), "bench-%u-%s", c->id, g->run);
	ben_begin(b, cookie);
	ben_string(b, "call-id", id);
	ben_string(b, "command", command);
	ben_string(b, "from-tag", "wic");
}

static void wic_sdp(char *out, size_t n, const struct bench *b, const struct bench_call *c)
{
	char fp[200] = "";
	size_t at = 0;
	unsigned port = bench_wire_port(b->wire, BENCH_WIC, c->id);
	char ip[GW_ADDR_STRLEN];

	bench_wire_wic_ip(c->id, ip, sizeof(ip));

	for (unsigned i = 0; i < b->fp.len; i++)
		at += (size_t)snprintf(fp + at, sizeof(fp) - at, "%s%02X", i > 0 ? ":" : "",
				       b->fp.octets[i]);
	snprintf(out, n,
		 "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
		 "m=audio %u UDP/TLS/RTP/SAVPF %u\r\na=rtpmap:%u PCMU/8000\r\na=mid:0\r\n"
		 "a=rtcp-mux\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=setup:active\r\n"
		 "a=fingerprint:sha-256 %s\r\n"
		 "a=candidate:1 1 udp 2130706431 %s %u typ host\r\na=end-of-candidates\r\n"
		 "a=sendrecv\r\n",
		 ip, ip, port, b->o.pt, b->o.pt, c->ufrag, c->pwd, fp, ip, port);
}

static bool sdp_text(const char *sdp, const char *prefix, char *out, size_t n)
{
	const char *at = strstr(sdp, prefix);
	size_t len;

	if (at == NULL)
		return false;
	at += strlen(prefix);
	len = strcspn(at, "\r\n");
	if (len >= n)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

static bool relay_port(struct gw_addr *out, const struct bench *b, const char *sdp)
{
	char line[256];

	return sdp_text(sdp, "m=audio ", line, sizeof(line)) &&
	       gw_addr_parse_ip(out, b->o.local_ip, (uint16_t)strtoul(line, NULL, 10)) == GW_OK &&
	       gw_addr_port(out) != 0;
}

static bool peer_of(struct bench_call *c, const char *sdp)
{
	char fp[200];

	if (!sdp_text(sdp, "a=ice-ufrag:", c->peer_ufrag, sizeof(c->peer_ufrag)) ||
	    !sdp_text(sdp, "a=ice-pwd:", c->peer_pwd, sizeof(c->peer_pwd)) ||
	    !sdp_text(sdp, "a=fingerprint:sha-256 ", fp, sizeof(fp)))
		return false;
	c->peer_fp.hash = AGW_HASH_SHA256;
	c->peer_fp.len = 32;
	for (unsigned i = 0; i < 32; i++)
		c->peer_fp.octets[i] = (uint8_t)strtoul(fp + i * 3, NULL, 16);
	snprintf(c->username, sizeof(c->username), "%s:%s", c->peer_ufrag, c->ufrag);
	return true;
}

static bool ng_add(void *t, struct bench *b, struct bench_call *c, char *why, size_t n)
{
	static const char *const replace[] = {"origin", "session-connection", NULL};
	static const char *const demux[] = {"demux", NULL}, *const offer[] = {"offer", NULL};
	struct ng *g = t;
	struct ben ben;
	char cookie[32], sdp[SDP_MAX], out[SDP_MAX];

	wic_sdp(sdp, sizeof(sdp), b, c);
	begin(g, &ben, cookie, sizeof(cookie), "offer", c);
	ben_string(&ben, "ICE", "remove");
	ben_string(&ben, "DTLS", "off");
	ben_list(&ben, "replace", replace);
	ben_list(&ben, "rtcp-mux", demux);
	ben_string(&ben, "sdp", sdp);
	ben_string(&ben, "transport-protocol", "RTP/AVP");
	ben_end(&ben);
	if (!sdp_round(g, &ben, cookie, out, why, n) || !relay_port(&c->relay[BENCH_CORE], b, out))
		return false;
	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 2 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
		 "m=audio %u RTP/AVP %u\r\na=rtpmap:%u PCMU/8000\r\na=sendrecv\r\n",
		 b->o.local_ip, b->o.local_ip, bench_wire_port(b->wire, BENCH_CORE, c->id), b->o.pt,
		 b->o.pt);
	begin(g, &ben, cookie, sizeof(cookie), "answer", c);
	ben_string(&ben, "to-tag", "core");
	ben_string(&ben, "ICE", "force");
	ben_string(&ben, "DTLS", "passive");
	ben_list(&ben, "replace", replace);
	ben_list(&ben, "rtcp-mux", offer);
	ben_string(&ben, "sdp", sdp);
	ben_string(&ben, "transport-protocol", "UDP/TLS/RTP/SAVPF");
	ben_end(&ben);
	if (!sdp_round(g, &ben, cookie, out, why, n) || !relay_port(&c->relay[BENCH_WIC], b, out))
		return false;
	if (!peer_of(c, out)) {
		snprintf(why, n, "rtpengine's answer lacks ICE or DTLS:\n%s", out);
		return false;
	}
	return true;
}

static void ng_remove(void *t, struct bench_call *c)
{
	struct ng *g = t;
	struct ben ben;
	char cookie[32];
	const char *dict;

	begin(g, &ben, cookie, sizeof(cookie), "delete", c);
	ben_string(&ben, "to-tag", "core");
	ben_end(&ben);
	(void)ask(g, &ben, cookie, &dict);
}

static void ng_close(void *t)
{
	struct ng *g = t;

	close(g->fd);
	free(g);
}

const struct bench_target bench_target_ng = {"rtpengine", true,      ng_open,
					     ng_add,      ng_remove, ng_close};
