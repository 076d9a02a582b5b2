/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One subscription: its dialog as a subscriber keeps it, and the SUBSCRIBE built from it. The
 * first goes where REGISTERs go (REG-60), those of the dialog along its route set.
 * Spec: RFC 6665 s4.1, RFC 3261 s12; REG-60, REG-61. Thread: the cscf loop.
 */
#include "cscf/regevent/regevent_int.h"

#include "common/rand.h"
#include "cscf/registrar/network.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_S    600 /* our subscription outlives the registration by that (REG-60) */
#define EXPIRES_MAX ((uint32_t)(30 * 24 * 3600))

/* ---- life -------------------------------------------------------------------------------------
 */

static void set_gauge(const struct cscf_regevent *re)
{
	re_metric_set(RE_M_SUBSCRIPTIONS, (int64_t)HASH_CNT(hh_impi, re->by_impi));
}

struct sub *sub_new(struct cscf_regevent *re, const struct cscf_registrar_user *user)
{
	struct sub *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->re = re;
	s->impi = strdup(user->impi);
	s->impu = strdup(user->impu);
	s->granted_s = user->expires_s;
	if (s->impi == NULL || s->impu == NULL ||
	    gw_fsm_init(&s->fsm, &sub_fsm_desc, SUB_S_IDLE, s, re->p.base) != GW_OK) {
		free(s->impi);
		free(s->impu);
		free(s);
		return NULL;
	}
	gw_rand_hex(s->call_id, 16); /* a name to be found by; replaced with each dialog */
	HASH_ADD_KEYPTR(hh, re->by_call_id, s->call_id, strlen(s->call_id), s);
	HASH_ADD_KEYPTR(hh_impi, re->by_impi, s->impi, strlen(s->impi), s);
	s->is_users = true;
	set_gauge(re);
	return s;
}

void sub_forget_user(struct sub *s)
{
	if (!s->is_users)
		return;
	HASH_DELETE(hh_impi, s->re->by_impi, s);
	s->is_users = false;
	set_gauge(s->re);
}

void sub_forget_dialog(struct sub *s)
{
	free(s->remote_tag);
	free(s->target);
	cscf_sip_texts_free(s->routes, s->n_routes);
	s->remote_tag = s->target = NULL;
	s->routes = NULL;
	s->n_routes = 0;
	s->have_remote_cseq = s->have_version = false;
	s->expires_at_ms = 0;
}

void sub_free(struct sub *s)
{
	sub_drop_client(s);
	sub_forget_user(s);
	HASH_DELETE(hh, s->re->by_call_id, s);
	gw_fsm_fini(&s->fsm);
	sub_forget_dialog(s);
	free(s->impi);
	free(s->impu);
	free(s);
}

void sub_tell(struct sub *s, enum sub_event event, void *data)
{
	enum gw_err err = gw_fsm_dispatch(&s->fsm, event, data);

	(void)err; /* what a state does not take is logged by the engine */
}

/* ---- the dialog -------------------------------------------------------------------------------
 */

void sub_new_dialog(struct sub *s)
{
	char random[33];

	HASH_DELETE(hh, s->re->by_call_id, s);
	sub_forget_dialog(s);
	gw_rand_hex(random, 16);
	snprintf(s->call_id, sizeof(s->call_id), "%s@%.120s", random,
		 strchr(s->re->from_uri, ':') + 1);
	gw_rand_hex(s->from_tag, 8);
	s->cseq = 0;
	s->began_at_ms = re_now_ms();
	HASH_ADD_KEYPTR(hh, s->re->by_call_id, s->call_id, strlen(s->call_id), s);
}

static char *sip_contact(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_name_addr contact;
	struct cscf_sip_uri uri;

	if (!cscf_sip_msg_contact(msg, &contact) || contact.star ||
	    cscf_sip_uri_parse(&uri, contact.uri) != GW_OK || uri.scheme != CSCF_SIP_SCHEME_SIP)
		return NULL;
	return gw_slice_dup(contact.uri);
}

enum gw_err sub_learn(struct sub *s, const struct cscf_sip_msg *msg)
{
	bool is_response = !cscf_sip_msg_is_request(msg);
	char *target = sip_contact(msg);
	char *tag =
	    gw_slice_dup(is_response ? cscf_sip_msg_to_tag(msg) : cscf_sip_msg_from_tag(msg));
	enum gw_err err = GW_ERR_PARSE;

	if (target == NULL || tag == NULL || tag[0] == '\0' ||
	    cscf_sip_msg_value_count(msg, "Record-Route") > RE_MAX_ROUTES)
		goto fail;
	err = cscf_sip_msg_values_dup(msg, "Record-Route", is_response, &s->routes, &s->n_routes);
	if (err != GW_OK)
		goto fail;
	s->remote_tag = tag;
	s->target = target;
	return GW_OK;
fail:
	free(target);
	free(tag);
	return err;
}

void sub_retarget(struct sub *s, const struct cscf_sip_msg *msg)
{
	char *target = sip_contact(msg);

	if (target == NULL)
		return;
	free(s->target);
	s->target = target;
}

/* ---- SUBSCRIBE --------------------------------------------------------------------------------
 */

static uint32_t expires_wanted(const struct sub *s)
{
	int64_t fixed = s->re->cfg->expires_s;
	uint32_t granted = s->granted_s < EXPIRES_MAX ? s->granted_s : EXPIRES_MAX;
	uint32_t v = granted + MARGIN_S;

	if (fixed > granted) /* it must exceed the registration, whatever the knob says */
		v = fixed < EXPIRES_MAX ? (uint32_t)fixed : EXPIRES_MAX;
	return v > s->min_expires_s ? v : s->min_expires_s;
}

static enum gw_err add_fields(const struct sub *s, struct cscf_sip_msg *m)
{
	char expires[16], pai[300];
	enum gw_err err;

	snprintf(expires, sizeof(expires), "%u", (unsigned)expires_wanted(s));
	snprintf(pai, sizeof(pai), "<%s>", s->re->from_uri);
	err = cscf_sip_msg_hdr_append(m, "Contact", s->re->contact);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(m, "Event", "reg");
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(m, "Accept", CSCF_REGINFO_MIME);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(m, "Expires", expires);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(m, "P-Asserted-Identity", pai);
	return err == GW_OK ? cscf_registrar_charge(s->re->p.registrar, m) : err;
}

static enum gw_err build(struct sub *s, struct cscf_sip_msg **out)
{
	struct cscf_sip_request_params p = {.method = "SUBSCRIBE", .cseq = s->cseq + 1};
	struct cscf_sip_msg *m = NULL;
	char *from = NULL, *to = NULL;
	enum gw_err err = GW_ERR_NOMEM;

	if (asprintf(&from, "<%s>;tag=%s", s->re->from_uri, s->from_tag) < 0)
		from = NULL;
	if (asprintf(&to, "<%s>%s%s", s->impu, s->target != NULL ? ";tag=" : "",
		     s->target != NULL ? s->remote_tag : "") < 0)
		to = NULL;
	if (from == NULL || to == NULL)
		goto out;
	p.uri = s->target != NULL ? s->target : s->impu;
	p.from = from;
	p.to = to;
	p.call_id = s->call_id;
	p.routes = (const char *const *)s->routes;
	p.n_routes = s->n_routes;
	err = cscf_sip_msg_new_request(&m, &p);
	if (err == GW_OK)
		err = add_fields(s, m);
	if (err == GW_OK)
		*out = m;
	else
		cscf_sip_msg_free(m);
out:
	free(from);
	free(to);
	return err;
}

static uint32_t seconds_of(const struct cscf_sip_msg *msg, const char *name)
{
	struct gw_slice v;
	uint32_t s;
	size_t n = 0;

	if (!cscf_sip_msg_hdr(msg, name, &v))
		return 0;
	v = cscf_sip_trim(v);
	while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9') /* "120 (maintenance);duration=…" */
		n++;
	v.n = n;
	if (!cscf_sip_uint(v, UINT32_MAX, &s))
		return 0;
	return s < EXPIRES_MAX ? s : EXPIRES_MAX;
}

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct sub *s = arg;
	struct sub_answer a = {.status = cscf_sip_msg_status(rsp), .local = info->local};

	if (client != s->client || a.status < 200)
		return;
	a.retry_after_s = seconds_of(rsp, "Retry-After");
	a.min_expires_s = seconds_of(rsp, "Min-Expires");
	a.expires_s =
	    cscf_sip_msg_hdr(rsp, "Expires", NULL) ? seconds_of(rsp, "Expires") : expires_wanted(s);
	s->client = GW_HANDLE_NONE;
	if (a.status < 300 && s->target == NULL && sub_learn(s, rsp) != GW_OK)
		a.status = 500; /* a 2xx that makes no dialog */
	sub_tell(s, a.status < 300 ? SUB_E_ACCEPTED : SUB_E_REFUSED, &a);
}

static const struct cscf_sip_client_cbs client_cbs = {.on_response = on_response};

enum gw_err sub_send(struct sub *s)
{
	bool in_dialog = s->target != NULL;
	const char *uri = s->impu;
	struct cscf_sip_msg *m = NULL;
	struct cscf_sip_dest dest;
	char *next = NULL;
	enum gw_err err = build(s, &m);

	if (err != GW_OK)
		return err;
	s->cseq++;
	if (in_dialog) {
		next = gw_slice_dup(cscf_sip_msg_next_hop(m));
		if (next == NULL) {
			cscf_sip_msg_free(m);
			return GW_ERR_NOMEM;
		}
		dest = (struct cscf_sip_dest){.uris = (const char *const *)&next, .n_uris = 1};
	} else {
		cscf_registrar_home_dest(s->re->p.registrar, &uri, &dest);
	}
	err = cscf_sip_request(s->re->p.stack, m, &dest, NULL, &client_cbs, s, &s->client);
	if (err != GW_OK)
		s->client = GW_HANDLE_NONE;
	free(next);
	return err;
}

void sub_drop_client(struct sub *s)
{
	if (s->client != GW_HANDLE_NONE)
		cscf_sip_client_detach(s->re->p.stack, s->client);
	s->client = GW_HANDLE_NONE;
}
