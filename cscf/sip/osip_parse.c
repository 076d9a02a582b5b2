/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libosip2 as judge of the structural headers. It is given these alone, value by value: its
 * parsers choke on Bearer credentials (SEC-09) and on some bodies, and its printer re-spells what
 * it parsed, so neither is used for what is relayed.
 */
#include "cscf/sip/osip_parse.h"

#include "cscf/sip/msg_int.h"

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#define MIN_URI 8

/* Without the display name of From and To: an unquoted "Jürgen" is no token, but harmless. */
static const char *without_display(const struct cscf_sip_hdr *h)
{
	struct cscf_sip_name_addr na;

	if (cscf_sip_name_addr_parse(&na, (struct gw_slice){h->value, h->value_n}) != GW_OK ||
	    !na.bracketed)
		return h->value;
	return na.uri.p - 1;
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

/* --- memory --- */

/*
 * While a message is judged, libosip2 allocates some hundred small pieces and frees them all: they
 * are cut from one buffer, which is empty again afterwards. What does not fit, and all that is
 * allocated at other times, comes from malloc. Sanitizers see every piece.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SCRATCH_SIZE 0U
#else
#define SCRATCH_SIZE 8192U
#endif
#define PIECE_HEAD 16U /* before each piece: its size; keeps it aligned */

static _Alignas(PIECE_HEAD) char scratch[SCRATCH_SIZE + PIECE_HEAD];
static size_t scratch_used;
static bool judging;

static bool is_scratch(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)scratch &&
	       (uintptr_t)p < (uintptr_t)scratch + sizeof(scratch);
}

static void *piece_malloc(size_t n)
{
	size_t whole = PIECE_HEAD + ((n + PIECE_HEAD - 1) & ~(size_t)(PIECE_HEAD - 1));
	char *p = scratch + scratch_used;

	if (!judging || n > SCRATCH_SIZE || whole > SCRATCH_SIZE - scratch_used)
		return malloc(n);
	scratch_used += whole;
	memcpy(p, &n, sizeof(n));
	return p + PIECE_HEAD;
}

static void piece_free(void *p)
{
	if (!is_scratch(p))
		free(p);
}

static void *piece_realloc(void *p, size_t n)
{
	size_t old;
	void *q;

	if (!is_scratch(p))
		return realloc(p, n);
	q = piece_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(&old, (char *)p - PIECE_HEAD, sizeof(old));
	memcpy(q, p, old < n ? old : n);
	return q;
}

void cscf_sip_osip_init(void)
{
	static bool done; /* loop thread only */

	if (done)
		return;
	done = true;
	osip_set_allocators(piece_malloc, piece_realloc, piece_free);
	parser_init();
	/* By default it prints what it refuses, headers and all, to standard output (SEC-10). With
	 * level 0 nothing is on, and no text is made for nobody. */
	osip_trace_initialize_func(TRACE_LEVEL0, no_trace);
}

/* --- one value, as a terminated text --- */

static bool via_ok(const char *text)
{
	osip_via_t *via = NULL;
	bool ok;

	if (osip_via_init(&via) != 0)
		return false;
	ok = osip_via_parse(via, text) == 0;
	osip_via_free(via);
	return ok;
}

/* From, To, Contact, Route and Record-Route are one thing to libosip2. */
static bool address_ok(const char *text)
{
	osip_contact_t *contact = NULL;
	bool ok;

	if (osip_contact_init(&contact) != 0)
		return false;
	ok = osip_contact_parse(contact, text) == 0;
	osip_contact_free(contact);
	return ok;
}

static bool call_id_ok(const char *text)
{
	osip_call_id_t *id = NULL;
	bool ok;

	if (osip_call_id_init(&id) != 0)
		return false;
	ok = osip_call_id_parse(id, text) == 0;
	osip_call_id_free(id);
	return ok;
}

static bool cseq_ok(const char *text)
{
	osip_cseq_t *cseq = NULL;
	bool ok;

	if (osip_cseq_init(&cseq) != 0)
		return false;
	ok = osip_cseq_parse(cseq, text) == 0;
	osip_cseq_free(cseq);
	return ok;
}

static bool uri_ok(const char *text)
{
	osip_uri_t *uri = NULL;
	bool ok;

	if (osip_uri_init(&uri) != 0)
		return false;
	ok = osip_uri_parse(uri, text) == 0;
	osip_uri_free(uri);
	return ok;
}

/* --- fields --- */

/* clang-format off */
static const struct {
	struct gw_slice name;
	bool (*ok)(const char *text);
	bool list, address, display;
} structural[] = {
	{{"Via", 3}, via_ok, .list = true},
	{{"From", 4}, address_ok, .address = true, .display = true},
	{{"To", 2}, address_ok, .address = true, .display = true},
	{{"Call-ID", 7}, call_id_ok, .list = false},
	{{"CSeq", 4}, cseq_ok, .list = false},
	{{"Contact", 7}, address_ok, .list = true, .address = true},
	{{"Route", 5}, address_ok, .list = true, .address = true},
	{{"Record-Route", 12}, address_ok, .list = true, .address = true},
};
/* clang-format on */
#define N_STRUCTURAL (sizeof(structural) / sizeof(structural[0]))

/* libosip2 5.3 refuses short URIs: <tel:1>, sip:h. What our own parser took must not fail on it. */
static bool is_too_short(struct gw_slice member)
{
	struct cscf_sip_name_addr na;

	return cscf_sip_name_addr_parse(&na, member) == GW_OK && !na.star && na.uri.n < MIN_URI;
}

static bool list_ok(const struct cscf_sip_hdr *h, size_t rule)
{
	struct gw_slice value = {h->value, h->value_n}, member;
	size_t pos = 0;

	while (cscf_sip_list_next(value, &pos, &member)) {
		char *copy = NULL;
		bool ok;

		if (structural[rule].address && is_too_short(member))
			continue;
		if (member.p + member.n == h->value + h->value_n) {
			ok = structural[rule].ok(member.p);
		} else {
			copy = gw_slice_dup(member);
			ok = copy != NULL && structural[rule].ok(copy);
		}
		free(copy);
		if (!ok)
			return false;
	}
	return true;
}

static bool field_ok(const struct cscf_sip_hdr *h, size_t rule)
{
	if (structural[rule].list)
		return list_ok(h, rule);
	if (structural[rule].address && is_too_short((struct gw_slice){h->value, h->value_n}))
		return true;
	return structural[rule].ok(structural[rule].display ? without_display(h) : h->value);
}

static bool accepts(const struct cscf_sip_msg *msg)
{
	if (msg->status == 0 && strlen(msg->uri) >= MIN_URI && !uri_ok(msg->uri))
		return false;
	for (size_t rule = 0; rule < N_STRUCTURAL; rule++) {
		size_t i = 0;

		while ((i = cscf_sip_hdr_find(msg, structural[rule].name, i)) != CSCF_SIP_NO_HDR)
			if (!field_ok(&msg->hdr[i++], rule))
				return false;
	}
	return true;
}

bool cscf_sip_osip_accepts(const struct cscf_sip_msg *msg)
{
	bool ok;

	cscf_sip_osip_init();
	scratch_used = 0;
	judging = true;
	ok = accepts(msg);
	judging = false;
	return ok;
}
