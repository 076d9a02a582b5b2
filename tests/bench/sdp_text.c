/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions as text; see sdp_text.h. Thread: one. */
#include "tests/bench/sdp_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINGERPRINT                                                                                \
	"6C:2B:D8:FD:75:54:B7:3D:B6:63:17:4B:30:23:DD:EF:20:4A:C5:BA:5A:EB:5F:01:E4:AD:FC:33:4E:"  \
	"E7:B7:56"

/* Chromium 156, audio only, with its candidates of a machine with two interfaces. */
static const char chromium_offer[] =
    "v=0\r\no=- 551831323040%07u 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "a=extmap-allow-mixed\r\na=msid-semantic: WMS 6aaee27c-dffa-4e13-a8fe-86d01b31ca88\r\n"
    "m=audio %u UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 %s\r\n"
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=candidate:1857606499 1 udp 2122194687 %s %u typ host generation 0 network-id 3 "
    "network-cost 50\r\n"
    "a=candidate:3229961455 1 udp 2122063615 192.0.2.2 48384 typ host generation 0 network-id 1\r\n"
    "a=candidate:276247035 1 tcp 1518214911 192.0.2.2 9 typ host tcptype active generation 0 "
    "network-id 1\r\n"
    "a=ice-ufrag:b%07x\r\na=ice-pwd:" BENCH_WIC_PWD "\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 " FINGERPRINT "\r\na=setup:actpass\r\na=mid:0\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv\r\n"
    "a=msid:6aaee27c-dffa-4e13-a8fe-86d01b31ca88 2133dfc1-e884-4953-a9ce-aeba741e0394\r\n"
    "a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
    "a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
    "a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 "
    "CN/8000\r\n"
    "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    "a=ssrc:3687453355 cname:g7/U3p718SrVzZeN\r\n"
    "a=ssrc:3687453355 msid:6aaee27c-dffa-4e13-a8fe-86d01b31ca88 "
    "2133dfc1-e884-4953-a9ce-aeba741e0394\r\n";

static const char chromium_answer[] =
    "v=0\r\no=- 551831323040%07u 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=extmap-allow-mixed\r\n"
    "a=msid-semantic: WMS 6aaee27c-dffa-4e13-a8fe-86d01b31ca88\r\n"
    "m=audio %u UDP/TLS/RTP/SAVPF 0 101\r\nc=IN IP4 %s\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=candidate:1857606499 1 udp 2122194687 %s %u typ host generation 0 network-id 3 "
    "network-cost 50\r\n"
    "a=candidate:3229961455 1 udp 2122063615 192.0.2.2 48384 typ host generation 0 network-id 1\r\n"
    "a=ice-ufrag:b%07x\r\na=ice-pwd:" BENCH_WIC_PWD "\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 " FINGERPRINT "\r\na=setup:active\r\na=mid:0\r\na=sendrecv\r\n"
    "a=msid:6aaee27c-dffa-4e13-a8fe-86d01b31ca88 2133dfc1-e884-4953-a9ce-aeba741e0394\r\n"
    "a=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=ssrc:3687453355 cname:g7/U3p718SrVzZeN\r\n";

size_t bench_sdp_wic(char *to, size_t size, bool offer, unsigned id, const char *ip, unsigned port)
{
	int n = offer ? snprintf(to, size, chromium_offer, id % 10000000, port, ip, ip, port,
				 id & 0xfffffff)
		      : snprintf(to, size, chromium_answer, id % 10000000, port, ip, ip, port,
				 id & 0xfffffff);

	if (n < 0 || (size_t)n >= size)
		abort();
	return (size_t)n;
}

size_t bench_sdp_core(char *to, size_t size, bool offer, const char *ip)
{
	int n = snprintf(to, size,
			 "v=0\r\no=ue 1000 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
			 "m=audio 49152 RTP/AVP %s\r\n%sa=rtpmap:0 PCMU/8000\r\n%s"
			 "a=ptime:20\r\na=sendrecv\r\n",
			 ip, ip, offer ? "0 8 101" : "0 126", offer ? "b=AS:80\r\n" : "",
			 offer ? "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
				 "a=fmtp:101 0-15\r\n"
			       : "a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\n");

	if (n < 0 || (size_t)n >= size)
		abort();
	return (size_t)n;
}

/* The rest of the first line that begins so. */
static const char *line_of(const char *sdp, size_t n, const char *prefix, size_t *len)
{
	size_t k = strlen(prefix);
	const char *end = sdp + n, *p = sdp;

	while (p != NULL && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t line = (size_t)((nl != NULL ? nl : end) - p);

		if (line > 0 && p[line - 1] == '\r')
			line--;
		if (line >= k && memcmp(p, prefix, k) == 0) {
			*len = line - k;
			return p + k;
		}
		p = nl != NULL ? nl + 1 : NULL;
	}
	return NULL;
}

static bool text_of(const char *sdp, size_t n, const char *prefix, char *out, size_t size)
{
	size_t len = 0;
	const char *p = line_of(sdp, n, prefix, &len);

	if (p == NULL || len == 0 || len >= size)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

static unsigned m_lines(const char *sdp, size_t n)
{
	unsigned count = 0;
	const char *p = sdp, *end = sdp + n;

	while (p < end && (p = memmem(p, (size_t)(end - p), "\nm=", 3)) != NULL) {
		count++;
		p += 3;
	}
	return count;
}

const char *bench_sdp_check_wic(const char *sdp, size_t n, struct bench_gate *gate)
{
	char line[256], transport[8], type[8];
	unsigned port = 0;

	if (sdp == NULL || n == 0)
		return "no-sdp";
	if (m_lines(sdp, n) != 1)
		return "m-lines";
	if (!text_of(sdp, n, "m=audio ", line, sizeof(line)) || sscanf(line, "%u", &port) != 1 ||
	    port == 0 || strstr(line, "UDP/TLS/RTP/SAVPF") == NULL)
		return "m-audio";
	if (!text_of(sdp, n, "a=ice-ufrag:", gate->ufrag, sizeof(gate->ufrag)))
		return "ufrag";
	if (!text_of(sdp, n, "a=ice-pwd:", gate->pwd, sizeof(gate->pwd)))
		return "pwd";
	if (!text_of(sdp, n, "a=fingerprint:sha-", line, sizeof(line)) || strlen(line) < 60)
		return "fingerprint";
	if (!text_of(sdp, n, "a=setup:", line, sizeof(line)))
		return "setup";
	if (!text_of(sdp, n, "a=rtcp-mux", line, sizeof(line)) &&
	    memmem(sdp, n, "a=rtcp-mux\r", 11) == NULL)
		return "rtcp-mux";
	if (!text_of(sdp, n, "a=candidate:", line, sizeof(line)) ||
	    sscanf(line, "%*s 1 %7s %*u %63s %u typ %7s", transport, gate->ip, &gate->port, type) !=
		4 ||
	    gate->port == 0)
		return "candidate";
	return "-";
}

const char *bench_sdp_check_core(const char *sdp, size_t n, char *ip, size_t size)
{
	char line[256];
	unsigned port = 0;

	snprintf(ip, size, "0.0.0.0");
	if (sdp == NULL || n == 0)
		return "core-no-sdp";
	if (m_lines(sdp, n) != 1)
		return "core-m-lines";
	if (!text_of(sdp, n, "m=audio ", line, sizeof(line)) || sscanf(line, "%u", &port) != 1 ||
	    port == 0 || strstr(line, " RTP/AVP ") == NULL)
		return "core-m-audio";
	if (!text_of(sdp, n, "c=IN IP4 ", ip, size))
		return "core-address";
	if (memmem(sdp, n, "a=ice-ufrag", 11) != NULL ||
	    memmem(sdp, n, "a=candidate", 11) != NULL ||
	    memmem(sdp, n, "a=fingerprint", 13) != NULL)
		return "core-ice";
	return "-";
}
