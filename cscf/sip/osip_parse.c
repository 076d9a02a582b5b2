/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libosip2 as judge of the structural headers. It is given these alone, printed from our list:
 * its parsers choke on Bearer credentials (SEC-09) and on some bodies, and its printer re-spells
 * what it parsed, so neither is used for what is relayed.
 */
#include "cscf/sip/osip_parse.h"

#include "cscf/sip/msg_int.h"

#include <osipparser2/osip_parser.h>
#include <stdarg.h>
#include <stdlib.h>

#define MIN_URI 8

static bool is_structural(struct gw_slice name)
{
	static const char *const names[] = {"Via",     "From",  "To",           "Call-ID", "CSeq",
					    "Contact", "Route", "Record-Route", NULL};

	for (size_t i = 0; names[i] != NULL; i++)
		if (cscf_sip_hdr_name_eq(name, gw_slice_str(names[i])))
			return true;
	return false;
}

/* libosip2 5.3 refuses short URIs: <tel:1>, sip:h. What our own parser took must not fail on it. */
static bool is_too_short_for_osip(const struct cscf_sip_hdr *h)
{
	struct cscf_sip_name_addr na;
	struct gw_slice member;
	size_t pos = 0;

	while (cscf_sip_list_next((struct gw_slice){h->value, h->value_n}, &pos, &member))
		if (cscf_sip_name_addr_parse(&na, member) == GW_OK && !na.star &&
		    na.uri.n < MIN_URI)
			return true;
	return false;
}

/* Without the display name of From and To: an unquoted "Jürgen" is no token, but harmless. */
static struct gw_slice without_display(const struct cscf_sip_hdr *h)
{
	struct gw_slice name = {h->name, h->name_n};
	struct gw_slice value = {h->value, h->value_n};
	struct cscf_sip_name_addr na;

	if ((!cscf_sip_hdr_name_eq(name, GW_SLICE_LIT("From")) &&
	     !cscf_sip_hdr_name_eq(name, GW_SLICE_LIT("To"))) ||
	    cscf_sip_name_addr_parse(&na, value) != GW_OK || !na.bracketed)
		return value;
	value.n -= (size_t)(na.uri.p - 1 - value.p);
	value.p = na.uri.p - 1;
	return value;
}

static void no_trace(const char *file, int line, osip_trace_level_t level, const char *format,
		     va_list ap)
{
	(void)file;
	(void)line;
	(void)level;
	(void)format;
	(void)ap;
}

void cscf_sip_osip_init(void)
{
	static bool done; /* loop thread only */

	if (done)
		return;
	done = true;
	parser_init();
	/* By default it prints what it refuses, headers and all, to standard output (SEC-10). With
	 * level 0 nothing is on, and no text is made for nobody. */
	osip_trace_initialize_func(TRACE_LEVEL0, no_trace);
}

static char *put(char *to, const char *p, size_t n)
{
	memcpy(to, p, n);
	return to + n;
}

/* First line and structural fields as text. */
static char *print_structure(const struct cscf_sip_msg *msg, size_t *n)
{
	size_t size = 64;
	char *text, *p;

	size += msg->status == 0 ? strlen(msg->method_text) + strlen(msg->uri) : 0;
	for (size_t i = 0; i < msg->n_hdr; i++)
		size += msg->hdr[i].name_n + msg->hdr[i].value_n + 4;
	text = malloc(size);
	if (text == NULL)
		return NULL;
	p = text;
	if (msg->status == 0) {
		p = put(p, msg->method_text, strlen(msg->method_text));
		p = put(p, " ", 1);
		if (strlen(msg->uri) < MIN_URI)
			p = put(p, "sip:x.invalid", 13);
		else
			p = put(p, msg->uri, strlen(msg->uri));
		p = put(p, " SIP/2.0\r\n", 10);
	} else {
		p = put(p, "SIP/2.0 200 OK\r\n", 16);
	}
	for (size_t i = 0; i < msg->n_hdr; i++) {
		const struct cscf_sip_hdr *h = &msg->hdr[i];
		struct gw_slice value;

		if (!is_structural((struct gw_slice){h->name, h->name_n}) ||
		    is_too_short_for_osip(h))
			continue;
		p = put(p, h->name, h->name_n);
		p = put(p, ": ", 2);
		value = without_display(h);
		p = put(p, value.p, value.n);
		p = put(p, "\r\n", 2);
	}
	p = put(p, "\r\n", 2);
	*p = '\0';
	*n = (size_t)(p - text);
	return text;
}

bool cscf_sip_osip_accepts(const struct cscf_sip_msg *msg)
{
	osip_message_t *sip = NULL;
	size_t n = 0;
	char *text;
	bool ok;

	cscf_sip_osip_init();
	text = print_structure(msg, &n);
	if (text == NULL || osip_message_init(&sip) != 0) {
		free(text);
		return false;
	}
	ok = osip_message_parse(sip, text, n) == 0;
	osip_message_free(sip);
	free(text);
	return ok;
}
