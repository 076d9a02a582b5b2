/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WIC that registered by a token and lost its connection is deregistered by the trusted node
 * after a while: REGISTER with expires=0 and auth-done, one per binding. In scenario 1 nobody
 * here could authenticate that, so the record runs out by itself (DEREG-40).
 *
 * A cut that takes thousands at once is no storm for the core: each has its turn, at half the rate
 * of reg.max_initial_rate, and what the core cannot take now is tried again, later each time.
 *
 *   lost ─ flow.lost_dereg ─> wait for the turn ─> REGISTER ─ 2xx, 404, 481 ─> gone
 *                                  ^──── 1 s, 2 s, … ────┘ └─ 400, 500 ─> elsewhere, runs out
 *                                    5xx, 408, 429, 480, nobody
 *
 * The WIC may have come back through another eP-CSCF, with the same contact or the same flow: then
 * the binding is no more ours to remove. Two things tell. The core's reg-event shows a REGISTER
 * that did not come by here (network.c): none is sent, the record runs out. And ours goes on where
 * the WIC's left off, with its Call-ID and the next CSeq: one that the WIC has sent elsewhere
 * meanwhile has that CSeq already, and the registrar refuses ours (RFC 3261 s10.3, step 7) with a
 * 500, some with a 400. That is final: once the page has been loaded again, with another Call-ID,
 * the same REGISTER would be taken and remove the live contact. A 500 with Retry-After, or to a
 * Call-ID of our own, is an ordinary failure.
 *
 * Spec: TS 33.203 U.1; DEREG-41.
 *
 * Thread: the cscf loop.
 */
#include "cscf/registrar/lost_dereg.h"

#include "common/log.h"
#include "common/rand.h"
#include "cscf/registrar/tna.h"
#include "cscf/sip/mask.h"

#include <event2/event.h>
#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD      "registrar"
#define DEFAULT_RATE    100 /* per second, where registrations have no limit */
#define FIRST_RETRY_MS  1000
#define LONGEST_WAIT_MS (300 * 1000)

struct reg_own {
	struct reg_own *prev, *next;
	struct cscf_registrar *r;
	gw_handle assoc, client;
	bool over;     /* answered; the transaction lingers */
	char *to_aor;  /* owned */
	uint32_t cseq; /* that went on where the WIC's left off; 0: with a Call-ID of our own */
};

static void own_free(struct reg_own *o)
{
	DL_DELETE(o->r->owns, o);
	free(o->to_aor);
	free(o);
}

void reg_own_drop_all(struct cscf_registrar *r)
{
	struct reg_own *o, *next;

	DL_FOREACH_SAFE (r->owns, o, next) {
		cscf_sip_client_detach(r->parts.stack, o->client);
		own_free(o);
	}
}

/* Gone at the core, or never there: then it is gone here, unless the WIC came back meanwhile. */
static void forget_binding(const struct reg_own *o, int status)
{
	struct reg_assoc *a = gw_handle_find(o->r->handles, o->assoc);
	struct reg_request q = {.to_aor = o->to_aor, .star = true, .dereg = true};

	if (a == NULL || reg_assoc_is_live(a))
		return;
	reg_metric_inc(REG_M_LOST_DEREG);
	GW_LOG(GW_LOG_INFO, "reg.lost_deregistered", "impi=\"%s\" to=\"%s\" status=%d",
	       cscf_sip_mask(a->impi->impi), cscf_sip_mask(o->to_aor), status);
	reg_assoc_unbind(a, &q);
}

static void arm_ms(struct reg_assoc *a, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	if (a->lost_timer != NULL)
		(void)evtimer_add(a->lost_timer, &tv);
}

/* Somewhat at random, so that those who failed together do not come together. */
static void try_later(struct reg_assoc *a, uint32_t at_least_s)
{
	int64_t ms = FIRST_RETRY_MS;

	if (a->lost_timer == NULL || evtimer_pending(a->lost_timer, NULL))
		return;
	for (unsigned i = 0; i < a->lost_tries && ms < LONGEST_WAIT_MS; i++)
		ms *= 2;
	if (ms < (int64_t)at_least_s * 1000)
		ms = (int64_t)at_least_s * 1000;
	if (ms > LONGEST_WAIT_MS)
		ms = LONGEST_WAIT_MS;
	a->lost_tries++;
	arm_ms(a, ms + (int64_t)(gw_rand_u64() % (uint64_t)(ms / 2)));
}

/* May the same request fare better in a while? */
static bool is_passing(int status, bool local)
{
	return local || status >= 500 || status == 408 || status == 429 || status == 480;
}

/*
 * The CSeq that the WIC would use next, with the Call-ID of the binding; 0 = not known. One whose
 * answer we never saw counts as used: the core may have taken it.
 */
static uint32_t next_cseq(const struct reg_assoc *a, const struct reg_binding *b)
{
	const struct reg_conn *c = a->conn;
	uint32_t used = b->cseq;

	if (strcmp(c->call_id, b->call_id) == 0 && c->cseq > used)
		used = c->cseq;
	return b->call_id[0] != '\0' && used < INT32_MAX ? used + 1 : 0;
}

/* The registrar has had that CSeq, or a later one, and not through us. */
static bool is_out_of_order(const struct reg_own *o, const struct reg_assoc *a,
			    const struct reg_binding *b, const struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	struct gw_slice value;

	return o->cseq > 0 && o->cseq == next_cseq(a, b) &&
	       (status == 400 || (status == 500 && !cscf_sip_msg_hdr(rsp, "Retry-After", &value)));
}

static uint32_t retry_after_s(const struct cscf_sip_msg *rsp)
{
	struct gw_slice value;
	uint32_t s;

	if (!cscf_sip_msg_hdr(rsp, "Retry-After", &value))
		return 0;
	return cscf_sip_uint(cscf_sip_trim(value), UINT32_MAX, &s) ? s : 0;
}

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct reg_own *o = arg;
	int status = cscf_sip_msg_status(rsp);
	struct reg_binding *b;
	struct reg_assoc *a;

	(void)client;
	if (status < 200)
		return;
	o->over = true;
	if (!info->local && (status < 300 || status == 404 || status == 481)) {
		forget_binding(o, status);
		return;
	}
	if (status == 401 && !info->local)
		reg_metric_inc(REG_M_TNA_REFUSED);
	GW_LOG_LIMITED(GW_LOG_WARN, "reg.lost_dereg_failed", "to=\"%s\" status=%d",
		       cscf_sip_mask(o->to_aor), status);
	a = gw_handle_find(o->r->handles, o->assoc);
	if (a == NULL || reg_assoc_is_live(a))
		return;
	b = reg_binding_find(a, o->to_aor);
	if (b != NULL && !info->local && is_out_of_order(o, a, b, rsp))
		reg_binding_lost_to_another(b, "cseq");
	else if (is_passing(status, info->local))
		try_later(a, retry_after_s(rsp)); /* else it stays until it expires */
}

static void on_done(void *arg, gw_handle client)
{
	(void)client;
	own_free(arg);
}

static const struct cscf_sip_client_cbs client_cbs = {.on_response = on_response,
						      .on_done = on_done};

/* The domain of the identity, or of the IMPI for a tel URI. */
static const char *domain_of(const struct reg_assoc *a, const struct reg_binding *b)
{
	const char *at = strrchr(a->impi->impi, '@'), *home = NULL;
	struct cscf_sip_uri uri;

	if (cscf_sip_uri_parse(&uri, gw_slice_str(b->to_uri)) == GW_OK)
		home = reg_home(a->r, uri.host);
	if (home == NULL && at != NULL)
		home = reg_home(a->r, gw_slice_str(at + 1));
	return home != NULL ? home : a->r->cfg->home_domains->item[0];
}

static enum gw_err add_contact(struct cscf_sip_msg *m, const struct reg_assoc *a,
			       const struct reg_binding *b)
{
	bool flow = a->reg_id > 0 && reg_is_quotable(gw_slice_str(a->instance));
	enum gw_err err;
	char *text;
	int n;

	if (flow)
		n = asprintf(&text, "<%s>;reg-id=%u;+sip.instance=\"%s\";expires=0", b->contact,
			     a->reg_id, a->instance);
	else
		n = asprintf(&text, "<%s>;expires=0", b->contact);
	if (n < 0)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_append(m, "Contact", text);
	free(text);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(m, "Supported", flow ? "path, outbound" : "path");
	return err == GW_OK ? reg_mw_add_ours(m, a->r, a->conn->id, flow) : err;
}

/* @param cseq  with the Call-ID of the binding; 0: neither */
static enum gw_err build(struct cscf_sip_msg **out, const struct reg_assoc *a,
			 const struct reg_binding *b, uint32_t cseq)
{
	const char *domain = domain_of(a, b);
	struct reg_request q = {.impi = a->impi->impi, .domain = domain, .grant = a->grant};
	char tag[17], call_id[33], uri[300], *from = NULL, *to = NULL;
	struct cscf_sip_request_params p = {
	    .method = "REGISTER", .uri = uri, .call_id = call_id, .cseq = 1};
	enum gw_err err = GW_ERR_NOMEM;

	gw_rand_hex(tag, 8);
	gw_rand_hex(call_id, 16);
	if (cseq > 0) {
		p.call_id = b->call_id;
		p.cseq = cseq;
	}
	snprintf(uri, sizeof(uri), "sip:%s", domain);
	if (asprintf(&from, "<%s>;tag=%s", b->to_uri, tag) >= 0 &&
	    asprintf(&to, "<%s>", b->to_uri) >= 0) {
		p.from = from;
		p.to = to;
		err = cscf_sip_msg_new_request(out, &p);
	}
	free(from);
	free(to);
	if (err != GW_OK)
		return err;
	err = reg_tna_put(*out, a->r, &q);
	if (err == GW_OK)
		err = add_contact(*out, a, b);
	if (err != GW_OK)
		cscf_sip_msg_free(*out);
	return err;
}

static enum gw_err deregister(struct reg_assoc *a, const struct reg_binding *b)
{
	struct reg_own *o = calloc(1, sizeof(*o));
	struct cscf_sip_msg *m = NULL;
	struct cscf_sip_dest dest;
	const char *slot;
	char uri[1024];
	enum gw_err err;

	if (o == NULL)
		return GW_ERR_NOMEM;
	o->r = a->r;
	o->assoc = a->handle;
	o->cseq = next_cseq(a, b);
	o->to_aor = strdup(b->to_aor);
	err = o->to_aor != NULL ? build(&m, a, b, o->cseq) : GW_ERR_NOMEM;
	if (err == GW_OK) {
		reg_mw_dest(a->r, m, &dest, &slot, uri, sizeof(uri));
		err =
		    cscf_sip_request(a->r->parts.stack, m, &dest, NULL, &client_cbs, o, &o->client);
	}
	if (err == GW_OK) {
		DL_APPEND(a->r->owns, o);
		return GW_OK;
	}
	free(o->to_aor);
	free(o);
	return err;
}

static bool is_under_way(const struct reg_assoc *a, const struct reg_binding *b)
{
	const struct reg_own *o;

	DL_FOREACH (a->r->owns, o)
		if (o->assoc == a->handle && !o->over && strcmp(o->to_aor, b->to_aor) == 0)
			return true;
	return false;
}

/* @return milliseconds until the turn of this association */
static int64_t take_turn(const struct reg_assoc *a)
{
	int64_t now_us = reg_now_ms() * 1000, rate = a->r->cfg->max_initial_rate / 2, at_us;
	const struct reg_binding *b;
	int64_t n = 0;

	DL_COUNT(a->bindings, b, n);
	if (rate <= 0)
		rate = a->r->cfg->max_initial_rate > 0 ? 1 : DEFAULT_RATE;
	at_us = a->r->lost_next_us > now_us ? a->r->lost_next_us : now_us;
	a->r->lost_next_us = at_us + n * 1000000 / rate;
	return (at_us - now_us + 999) / 1000;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct reg_assoc *a = arg;
	const struct reg_binding *b;
	int64_t wait_ms;

	(void)fd;
	(void)what;
	if (reg_assoc_is_live(a) || a->grant == NULL)
		return;
	if (!a->lost_turn) {
		wait_ms = take_turn(a);
		a->lost_turn = true;
		if (wait_ms > 0) {
			arm_ms(a, wait_ms);
			return;
		}
	}
	/* Somebody is registering: perhaps this WIC, and the core would take its new flow for ours.
	 */
	DL_FOREACH (a->bindings, b)
		if (reg_txn_pending_for(a->r, b->to_aor)) {
			arm_ms(a, 1000);
			return;
		}
	a->lost_turn = false;
	DL_FOREACH (a->bindings, b) {
		enum gw_err err = b->elsewhere || is_under_way(a, b) ? GW_OK : deregister(a, b);

		if (err == GW_OK)
			continue;
		GW_LOG_LIMITED(GW_LOG_WARN, "reg.lost_dereg_failed", "to=\"%s\" err=%s",
			       cscf_sip_mask(b->to_aor), gw_err_name(err));
		try_later(a, 0);
	}
}

void reg_lost_arm(struct reg_assoc *a)
{
	int64_t ms = 0;

	if (a->grant != NULL)
		ms = a->grant->pool ? a->r->cfg->lost_dereg_pool : a->r->cfg->lost_dereg;
	if (ms <= 0)
		return;
	if (a->lost_timer == NULL)
		a->lost_timer = evtimer_new(a->r->parts.base, on_timer, a);
	arm_ms(a, ms);
}

void reg_lost_disarm(struct reg_assoc *a)
{
	if (a->lost_timer != NULL)
		event_free(a->lost_timer);
	a->lost_timer = NULL;
	a->lost_tries = 0;
	a->lost_turn = false;
}
