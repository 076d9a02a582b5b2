/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions; see sdp.h. */
#include "tests/wic/sdp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
	char *to;
	size_t size, n;
};

static void add(struct writer *w, const char *fmt, ...) GW_PRINTF(2, 3);
static void add(struct writer *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->to + w->n, w->size - w->n, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < w->size - w->n)
		w->n += (size_t)n;
}

/* --- read ----------------------------------------------------------------------------------- */

static bool attribute(const char *line, const char *name, char *to, size_t size)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0)
		return false;
	(void)snprintf(to, size, "%s", line + n);
	return true;
}

static void take_candidate(struct wic_media_peer *p, const char *line)
{
	char foundation[64], transport[8], ip[64], type[16];
	unsigned component, port;
	unsigned long priority;
	struct gw_addr a;

	/* NOLINTNEXTLINE(cert-err34-c): out-of-range values only make a candidate that fails */
	if (sscanf(line, "a=candidate:%63s %u %7s %lu %63s %u typ %15s", foundation, &component,
		   transport, &priority, ip, &port, type) != 7)
		return;
	if (component != 1 || strcasecmp(transport, "udp") != 0 || port > UINT16_MAX ||
	    p->n_candidates == WIC_CANDIDATES_MAX ||
	    gw_addr_parse_ip(&a, ip, (uint16_t)port) != GW_OK)
		return;
	p->candidates[p->n_candidates++] = a;
}

static int choose_pt(const char *mline, int want)
{
	char copy[256];
	char *save = NULL;
	int n = 0;

	(void)snprintf(copy, sizeof(copy), "%s", mline);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		bool known = strcmp(w, "0") == 0 || strcmp(w, "8") == 0;

		/* kind, port and protocol come first */
		if (n++ >= 3 && known && (want < 0 || want == w[0] - '0'))
			return w[0] - '0';
	}
	return -1;
}

static void take_line(struct wic_sdp *s, const char *line, bool in_audio)
{
	struct wic_media_peer *p = &s->peer;

	if (strncmp(line, "m=", 2) == 0) {
		if (s->n_m == WIC_MLINES_MAX)
			return;
		(void)snprintf(s->m[s->n_m].line, sizeof(s->m[0].line), "%.255s", line + 2);
		if (s->audio < 0 && strncmp(line, "m=audio ", 8) == 0 && atoi(line + 8) != 0)
			s->audio = (int)s->n_m;
		s->n_m++;
		return;
	}
	if (s->n_m > 0)
		(void)attribute(line, "a=mid:", s->m[s->n_m - 1].mid, sizeof(s->m[0].mid));
	if (!in_audio)
		return;
	if (strcmp(line, "a=ice-lite") == 0)
		p->lite = true;
	if (strcmp(line, "a=rtcp-mux") == 0)
		s->has_mux = true;
	take_candidate(p, line);
	(void)(attribute(line, "a=ice-ufrag:", p->ufrag, sizeof(p->ufrag)) ||
	       attribute(line, "a=ice-pwd:", p->pwd, sizeof(p->pwd)) ||
	       attribute(line, "a=setup:", s->setup, sizeof(s->setup)) ||
	       attribute(line, "a=fingerprint:sha-256 ", p->fingerprint, sizeof(p->fingerprint)));
}

const char *wic_sdp_parse(struct wic_sdp *out, struct gw_slice text, int want_pt)
{
	char line[1024];

	memset(out, 0, sizeof(*out));
	out->audio = -1;
	while (text.n > 0) {
		const char *lf = memchr(text.p, '\n', text.n);
		size_t n = lf != NULL ? (size_t)(lf - text.p) : text.n;
		size_t cut = n > 0 && text.p[n - 1] == '\r' ? n - 1 : n;

		(void)snprintf(line, sizeof(line), "%.*s", (int)cut, text.p);
		/* session level, or the audio line */
		take_line(out, line, out->n_m == 0 || (int)out->n_m - 1 == out->audio);
		n += lf != NULL;
		text.p += n;
		text.n -= n;
	}
	if (out->audio < 0)
		return "no audio";
	if (out->peer.ufrag[0] == '\0' || out->peer.pwd[0] == '\0')
		return "no ICE credentials";
	if (out->peer.fingerprint[0] == '\0')
		return "no sha-256 fingerprint";
	if (!out->has_mux)
		return "no rtcp-mux";
	if (out->peer.n_candidates == 0)
		return "no usable candidate";
	out->peer.pt = choose_pt(out->m[out->audio].line, want_pt);
	return out->peer.pt >= 0 ? NULL : "no codec in common";
}

/* --- write ---------------------------------------------------------------------------------- */

static void add_transport(struct writer *w, const struct wic_options *o, const struct wic_media *m,
			  const char *setup)
{
	char ip[GW_ADDR_STRLEN], fingerprint[WIC_FINGERPRINT_LEN];

	(void)snprintf(fingerprint, sizeof(fingerprint), "%s", wic_dtls_fingerprint());
	if (o->misbehave == WIC_WRONG_FINGERPRINT)
		fingerprint[0] = fingerprint[0] == '0' ? '1' : '0';
	add(w,
	    "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\na=setup:%s\r\n"
	    "a=rtcp-mux\r\na=candidate:1 1 udp 2130706431 %s %u typ host\r\n"
	    "a=end-of-candidates\r\na=ssrc:%u cname:wic\r\n",
	    wic_media_ufrag(m), wic_media_pwd(m), fingerprint, setup,
	    gw_addr_ip_str(wic_media_addr(m), ip, sizeof(ip)), gw_addr_port(wic_media_addr(m)),
	    wic_media_ssrc(m));
}

static void add_audio(struct writer *w, const struct wic_options *o, const struct wic_media *m,
		      int pt, const char *setup, const char *mid)
{
	const struct gw_addr *a = wic_media_addr(m);
	char ip[GW_ADDR_STRLEN];

	add(w, "m=audio %u UDP/TLS/RTP/SAVPF", gw_addr_port(a));
	if (pt != 8)
		add(w, " 0");
	if (pt != 0)
		add(w, " 8");
	add(w, "\r\nc=IN IP%c %s\r\na=sendrecv\r\na=ptime:%d\r\n", gw_addr_is_v6(a) ? '6' : '4',
	    gw_addr_ip_str(a, ip, sizeof(ip)), o->ptime_ms);
	if (mid[0] != '\0')
		add(w, "a=mid:%s\r\n", mid);
	if (pt != 8)
		add(w, "a=rtpmap:0 PCMU/8000\r\n");
	if (pt != 0)
		add(w, "a=rtpmap:8 PCMA/8000\r\n");
	add_transport(w, o, m, setup);
}

/* A refused line repeats kind, protocol and formats with port 0 (RFC 3264 s6). */
static void add_refused(struct writer *w, const char *line, const char *mid)
{
	size_t kind = strcspn(line, " ");
	const char *rest = line + kind + (line[kind] == ' ');

	rest += strcspn(rest, " ");
	add(w, "m=%.*s 0%s\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n", (int)kind, line, rest);
	if (mid[0] != '\0')
		add(w, "a=mid:%s\r\n", mid);
}

void wic_sdp_print(char *to, size_t size, const struct wic_options *o, const struct wic_media *m,
		   const struct wic_sdp *to_offer)
{
	struct writer w = {to, size, 0};
	const struct gw_addr *a = wic_media_addr(m);
	const char *setup = o->setup != NULL ? o->setup : to_offer != NULL ? "active" : "actpass";
	char ip[GW_ADDR_STRLEN];

	add(&w, "v=0\r\no=- %u %u IN IP%c %s\r\ns=-\r\nt=0 0\r\n", wic_media_ssrc(m),
	    wic_media_version(m), gw_addr_is_v6(a) ? '6' : '4', gw_addr_ip_str(a, ip, sizeof(ip)));
	if (to_offer == NULL) {
		add(&w, "a=group:BUNDLE 0\r\n"); /* as browsers do; the gateway answers without */
		add_audio(&w, o, m, o->pt, setup, "0");
		return;
	}
	for (size_t i = 0; i < to_offer->n_m; i++) {
		if ((int)i == to_offer->audio)
			add_audio(&w, o, m, to_offer->peer.pt, setup, to_offer->m[i].mid);
		else
			add_refused(&w, to_offer->m[i].line, to_offer->m[i].mid);
	}
}
