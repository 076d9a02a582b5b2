/* SPDX-License-Identifier: Apache-2.0 */
/* One call of one WIC; see load_call.h. */
#include "tests/bench/load_call.h"

#include "tests/bench/sip_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIVE_UP_S 10

static char out[BENCH_MESSAGE_MAX];

static void send_text(struct load_call *k, const struct bench_text *t)
{
	load_conn_send(k->c, t->p, t->n);
}

static void wrong(struct load_call *k, const char *word)
{
	if (k->fault != NULL || strcmp(word, "-") == 0)
		return;
	snprintf(k->word, sizeof(k->word), "%s", word);
	k->fault = k->word;
}

static void arm(struct event *e, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(e, &tv);
}

static void begin(struct bench_text *t, struct load_call *k, const char *method, unsigned cseq)
{
	bench_printf(t,
		     "%s %s SIP/2.0\r\nVia: SIP/2.0/WSS w%08x.invalid;branch=z9hG4bK%s%08x%02x\r\n"
		     "%sMax-Forwards: 69\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n",
		     method, k->contact, k->c->id, method, k->serial, cseq, k->routes, k->near_end,
		     k->far_end, k->id, cseq, method);
}

static void contact(struct bench_text *t, const struct load_conn *c)
{
	bench_printf(t, "Contact: <sip:%s%u@w%08x.invalid;transport=ws;ob>\r\n", load_opt.prefix,
		     c->id, c->id);
}

static void put_sdp(struct bench_text *t, struct load_call *k, bool offer)
{
	char sdp[4096];

	bench_end(t, sdp,
		  bench_sdp_wic(sdp, sizeof(sdp), offer, k->serial, load_call_opt.own_ip,
				load_call_port()));
}

void load_call_place(struct load_call *k)
{
	struct bench_text t = {out, 0};

	snprintf(k->id, sizeof(k->id), "mo%08x-%s%u", k->serial, load_opt.prefix, k->c->id);
	snprintf(k->near_end, sizeof(k->near_end), "<sip:%s%u@%s>;tag=t%08x", load_opt.prefix,
		 k->c->id, load_opt.domain, k->serial);
	snprintf(k->far_end, sizeof(k->far_end), "<sip:far@%s>", load_opt.domain);
	snprintf(k->contact, sizeof(k->contact), "sip:far@%s", load_opt.domain);
	memcpy(k->routes, k->c->routes, sizeof(k->c->routes));
	k->cseq = 1;
	begin(&t, k, "INVITE", 1);
	contact(&t, k->c);
	bench_puts(&t, "Session-Expires: 90\r\n"
		       "Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n"
		       "Supported: timer,ice,replaces,outbound\r\nUser-Agent: JsSIP 3.10.1\r\n");
	put_sdp(&t, k, true);
	arm(&k->timer, GIVE_UP_S * 1000);
	k->invite_us = load_now_us();
	send_text(k, &t);
}

void load_call_hang_up(struct load_call *k)
{
	struct bench_text t = {out, 0};

	k->ending = true;
	begin(&t, k, "BYE", ++k->cseq);
	bench_puts(&t, "User-Agent: JsSIP 3.10.1\r\n");
	bench_end(&t, NULL, 0);
	arm(&k->timer, GIVE_UP_S * 1000);
	send_text(k, &t);
}

/* "X-Bench: MICROSECONDS ADDRESS WORD" of the core */
static int64_t what_core_saw(struct load_call *k, const char *text, size_t n)
{
	char value[128], word[32] = "x-bench";
	long long us = 0;

	bench_field(text, n, "X-Bench", value, sizeof(value));
	if (sscanf(value, "%lld %63s %31s", &us, k->media_ip, word) != 3 || strcmp(word, "-") != 0)
		wrong(k, word);
	else if (load_call_opt.media != NULL && strcmp(k->media_ip, load_call_opt.media) != 0)
		wrong(k, "core-not-ours");
	return us;
}

static void check_sdp(struct load_call *k, const char *text, size_t n)
{
	size_t len = 0;
	const char *sdp = bench_body(text, n, &len);

	wrong(k, bench_sdp_check_wic(sdp, len, &k->gate));
	if (k->fault == NULL && load_call_opt.media != NULL &&
	    strcmp(k->gate.ip, load_call_opt.media) != 0)
		wrong(k, "not-ours");
}

/* The set-up is over for both ends: hold, then hang up (or be hung up on). */
static void up(struct load_call *k)
{
	k->up = true;
	load_call_up(k);
	if (k->hold_ms >= 0 && !k->mt)
		arm(&k->timer, k->hold_ms);
	else if (k->hold_ms >= 0)
		arm(&k->timer, k->hold_ms + GIVE_UP_S * 1000);
	else
		event_del(&k->timer);
}

static void ack(struct load_call *k, const char *branch)
{
	struct bench_text t = {out, 0};

	if (branch == NULL) {
		begin(&t, k, "ACK", 1);
	} else {
		bench_printf(&t,
			     "ACK sip:far@%s SIP/2.0\r\nVia: SIP/2.0/WSS w%08x.invalid;branch="
			     "z9hG4bKINVITE%08x01\r\n%sMax-Forwards: 69\r\nFrom: %s\r\nTo: %s\r\n"
			     "Call-ID: %s\r\nCSeq: 1 ACK\r\n",
			     load_opt.domain, k->c->id, k->serial, k->c->routes, k->near_end,
			     k->far_end, k->id);
	}
	bench_end(&t, NULL, 0);
	send_text(k, &t);
}

static void take_response(struct load_call *k, const char *text, size_t n)
{
	int status = atoi(text + 8);
	char id[80], cseq[40];

	if (status < 200 || bench_field(text, n, "Call-ID", id, sizeof(id)) == 0 ||
	    strcmp(id, k->id) != 0 || bench_field(text, n, "CSeq", cseq, sizeof(cseq)) == 0)
		return;
	if (strstr(cseq, "BYE") != NULL) {
		load_call_over(k, status == 200 ? LOAD_CALL_OK : LOAD_CALL_REFUSED);
		return;
	}
	if (k->up || strstr(cseq, "INVITE") == NULL)
		return;
	bench_field(text, n, "To", k->far_end, sizeof(k->far_end));
	if (status >= 300) {
		wrong(k, cseq);
		snprintf(k->word, sizeof(k->word), "%d", status);
		ack(k, "INVITE");
		load_call_over(k, LOAD_CALL_REFUSED);
		return;
	}
	k->ring_us = what_core_saw(k, text, n);
	k->setup_us = load_now_us() - k->invite_us - k->ring_us;
	check_sdp(k, text, n);
	bench_uri(text, n, "Contact", k->contact, sizeof(k->contact));
	bench_routes(text, n, "Record-Route", true, k->routes, sizeof(k->routes));
	ack(k, NULL);
	if (k->fault == NULL)
		load_call_check(k);
	up(k);
}

/* --- called --- */

static void answer(struct load_call *k)
{
	struct bench_text t = {out, 0};

	k->ring_us = load_now_us() - k->rang_us;
	bench_puts(&t, "SIP/2.0 200 OK\r\n");
	bench_puts(&t, k->invite);
	contact(&t, k->c);
	bench_printf(&t, "X-Bench: %lld\r\n", (long long)k->ring_us);
	bench_puts(&t, "Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n"
		       "Supported: timer,ice,replaces,outbound\r\nUser-Agent: JsSIP 3.10.1\r\n");
	put_sdp(&t, k, false);
	send_text(k, &t);
	if (k->fault == NULL)
		load_call_check(k);
}

static void take_invite(struct load_call *k, const char *text, size_t n)
{
	struct bench_text t = {out, 0}, head = {out, 0};
	char tag[16], value[200];
	long long sent = 0;

	if (k->id[0] != '\0')
		return; /* a second one: not ours to ask for */
	k->rang_us = load_now_us();
	snprintf(tag, sizeof(tag), "t%08x", k->serial);
	bench_field(text, n, "Call-ID", k->id, sizeof(k->id));
	bench_field(text, n, "From", k->far_end, sizeof(k->far_end));
	bench_field(text, n, "To", value, sizeof(value));
	snprintf(k->near_end, sizeof(k->near_end), "%s;tag=%s", value, tag);
	bench_uri(text, n, "Contact", k->contact, sizeof(k->contact));
	bench_field(text, n, "X-Bench", value, sizeof(value));
	(void)sscanf(value, "%lld", &sent);
	k->invite_us = sent;
	check_sdp(k, text, n);
	/* what both answers begin with */
	bench_response(&head, text, n, "", tag);
	head.n -= sizeof("SIP/2.0 \r\n") - 1;
	if (head.n >= sizeof(k->invite))
		abort();
	memcpy(k->invite, out + sizeof("SIP/2.0 \r\n") - 1, head.n);
	k->invite[head.n] = '\0';
	bench_routes(text, n, "Record-Route", false, k->routes, sizeof(k->routes));
	bench_puts(&t, "SIP/2.0 180 Ringing\r\n");
	bench_puts(&t, k->invite);
	contact(&t, k->c);
	bench_end(&t, NULL, 0);
	arm(&k->timer, GIVE_UP_S * 1000);
	arm(&k->rung, load_call_opt.ring_ms);
	send_text(k, &t);
}

static void take_bye(struct load_call *k, const char *text, size_t n)
{
	struct bench_text t = {out, 0};

	bench_response(&t, text, n, "200 OK", NULL);
	bench_end(&t, NULL, 0);
	send_text(k, &t);
	if (!k->up)
		wrong(k, "early-bye");
	load_call_over(k, LOAD_CALL_OK);
}

static void on_rung(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer(arg);
}

void load_call_init(struct load_call *k)
{
	evtimer_assign(&k->rung, load_base, on_rung, k);
}

bool load_call_take(struct load_conn *c, const char *text, size_t n)
{
	struct load_call *k = c->call;

	if (k == NULL || n < 12 || text[0] < 'A')
		return false;
	if (memcmp(text, "SIP/2.0 ", 8) == 0) {
		take_response(k, text, n);
	} else if (memcmp(text, "INVITE ", 7) == 0 && k->mt) {
		take_invite(k, text, n);
	} else if (memcmp(text, "ACK ", 4) == 0 && k->mt && !k->up) {
		k->setup_us = what_core_saw(k, text, n);
		up(k);
	} else if (memcmp(text, "BYE ", 4) == 0) {
		take_bye(k, text, n);
	}
	return true;
}

void load_call_failed(struct load_call *k, int status)
{
	snprintf(k->word, sizeof(k->word), "%d", status);
	k->fault = k->word;
	load_call_over(k, status == 408 ? LOAD_CALL_LOST : LOAD_CALL_REFUSED);
}
