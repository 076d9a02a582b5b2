/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preconditions (RFC 3312) with interwork.precondition=local: towards a core that has them we
 * stand in for the WIC as a user whose own segment is always reserved. The SDP layer takes the
 * lines off what goes to the WIC; here its answer gets ours, mirrored from the core's offer, and
 * an UPDATE that says nothing but that the core's segment is ready as well is answered here: the
 * page has no part in it. The WIC is not kept from ringing while the core still reserves.
 * WICs offer none, so the core has none to answer (CALL-18).
 * Thread: the cscf loop. Spec: CALL-32; RFC 3312 s5, s8, s11; RFC 4032.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

#define GW_LOG_MOD "session"
#define SDP_TYPE   "application/sdp"

/* Status of one m-line as its writer sees it; directions as words, "" = not said. */
struct status {
	char curr_local[12], des_local[12], des_remote[12]; /* des_*: the strength */
	bool any;
};

/* ---- lines
 * ---------------------------------------------------------------------------------------- */

static bool next_line(struct gw_slice *rest, struct gw_slice *line)
{
	size_t n = 0;

	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != '\n')
		n++;
	*line = (struct gw_slice){rest->p, n > 0 && rest->p[n - 1] == '\r' ? n - 1 : n};
	n += n < rest->n ? 1 : 0;
	*rest = (struct gw_slice){rest->p + n, rest->n - n};
	return true;
}

static bool begins(struct gw_slice line, const char *prefix)
{
	return line.n >= strlen(prefix) && memcmp(line.p, prefix, strlen(prefix)) == 0;
}

static bool is_status(struct gw_slice line)
{
	return begins(line, "a=curr:") || begins(line, "a=des:") || begins(line, "a=conf:");
}

static struct gw_slice word(struct gw_slice *rest)
{
	struct gw_slice w = cscf_sip_trim(*rest);
	size_t n = 0;

	while (n < w.n && w.p[n] != ' ')
		n++;
	*rest = (struct gw_slice){w.p + n, w.n - n};
	return (struct gw_slice){w.p, n};
}

static void keep(char out[12], struct gw_slice w)
{
	if (w.n > 0 && w.n < 12)
		snprintf(out, 12, "%.*s", GW_SLICE_FMT(w));
}

static void read_status(struct status *st, struct gw_slice line)
{
	bool des = begins(line, "a=des:qos ");
	struct gw_slice rest, strength = GW_SLICE_NONE, where;

	if (!des && !begins(line, "a=curr:qos "))
		return;
	rest = (struct gw_slice){line.p + (des ? 10 : 11), line.n - (des ? 10 : 11)};
	if (des)
		strength = word(&rest);
	where = word(&rest);
	st->any = st->any || des;
	if (des && gw_slice_eq_str(where, "local"))
		keep(st->des_local, strength);
	else if (des && gw_slice_eq_str(where, "remote"))
		keep(st->des_remote, strength);
	else if (!des && gw_slice_eq_str(where, "local"))
		keep(st->curr_local, word(&rest));
}

/* Of the m-line with that index. */
static struct status status_of(const char *sdp, int index)
{
	struct gw_slice rest = gw_slice_str(sdp), line;
	struct status st = {.curr_local = ""};
	int at = -1;

	while (next_line(&rest, &line)) {
		if (begins(line, "m="))
			at++;
		else if (at == index)
			read_status(&st, line);
	}
	return st;
}

/* Everything but the version and the status lines. NULL when out of memory. */
static char *bare(struct gw_slice rest)
{
	char *out = malloc(rest.n + 2), *p = out; /* the last line may have no end of its own */
	struct gw_slice line;

	while (out != NULL && next_line(&rest, &line)) {
		if (begins(line, "o=") || is_status(line))
			continue;
		memcpy(p, line.p, line.n);
		p += line.n;
		*p++ = '\n';
	}
	if (out != NULL)
		*p = '\0';
	return out;
}

/* ---- our answer
 * ------------------------------------------------------------------------------------ */

static void put_status(FILE *f, const struct status *st)
{
	const char *theirs = st->curr_local[0] != '\0' ? st->curr_local : "none";
	const char *ours = st->des_remote[0] != '\0' ? st->des_remote : "mandatory";
	const char *other = st->des_local[0] != '\0' ? st->des_local : "mandatory";

	fprintf(f, "a=curr:qos local sendrecv\r\na=curr:qos remote %s\r\n", theirs);
	fprintf(f, "a=des:qos %s local sendrecv\r\na=des:qos %s remote sendrecv\r\n",
		strcmp(ours, "none") == 0 ? "mandatory" : ours, other);
	if (strcmp(other, "mandatory") == 0 && strcmp(theirs, "sendrecv") != 0)
		fputs("a=conf:qos remote sendrecv\r\n", f); /* tell us when you are ready */
}

/* `answer` with the status of each live line at its end. NULL when out of memory. */
static char *with_status(const struct call *c, struct gw_slice answer)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct status st = {.curr_local = ""};
	struct gw_slice line;
	int index = -1;

	if (f == NULL)
		return NULL;
	while (next_line(&answer, &line)) {
		if (begins(line, "m=")) {
			struct gw_slice rest = line;

			if (st.any)
				put_status(f, &st);
			st = status_of(c->core_offer, ++index);
			(void)word(&rest);
			if (gw_slice_eq_str(word(&rest), "0"))
				st.any = false;
		}
		fprintf(f, "%.*s\r\n", GW_SLICE_FMT(line));
	}
	if (st.any)
		put_status(f, &st);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void precondition_note(struct call *c, enum side from, struct gw_slice sdp)
{
	if (from != SIDE_CORE || !c->s->cfg->local_precondition)
		return;
	free(c->core_offer);
	c->core_offer = gw_slice_dup(sdp); /* NULL: then none are answered */
	if (c->core_offer != NULL && strstr(c->core_offer, "a=des:qos") == NULL) {
		free(c->core_offer);
		c->core_offer = NULL;
	}
}

enum gw_err precondition_answer(const struct call *c, struct cscf_sip_msg *rsp)
{
	struct cscf_sip_part part;
	enum gw_err err;
	char *text;

	if (c->core_offer == NULL || cscf_sip_msg_status(rsp) >= 300 ||
	    cscf_sip_msg_find_part(rsp, SDP_TYPE, &part) != GW_OK)
		return GW_OK;
	text = with_status(c, part.body);
	err = text != NULL ? cscf_sip_msg_replace_part(rsp, SDP_TYPE, text, strlen(text))
			   : GW_ERR_NOMEM;
	free(text);
	if (err == GW_OK && !cscf_sip_msg_has_token(rsp, "Supported", "precondition"))
		err = cscf_sip_msg_hdr_append(rsp, "Supported", "precondition");
	return err;
}

/* ---- an UPDATE about nothing else
 * -------------------------------------------------------------------- */

static bool says_nothing_else(const struct call *c, struct gw_slice sdp)
{
	char *was = bare(gw_slice_str(c->core_offer)), *is = bare(sdp);
	bool same = was != NULL && is != NULL && strcmp(was, is) == 0;

	free(was);
	free(is);
	return same;
}

static enum gw_err answer(struct call *c, const struct dialog *d, gw_handle server,
			  const struct cscf_sip_msg *update, const char *said)
{
	struct cscf_sip_msg *rsp = NULL;
	char *contact = NULL;
	enum gw_err err = cscf_sip_msg_new_response(&rsp, update, 200, NULL);

	if (err == GW_OK && (d->target[SIDE_WIC].uri == NULL ||
			     asprintf(&contact, "<%s>", d->target[SIDE_WIC].uri) < 0))
		err = GW_ERR_STATE;
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(rsp, "Contact", contact);
	free(contact);
	if (err == GW_OK)
		err = leg_add_pcv(c, rsp);
	if (err == GW_OK)
		err = cscf_sip_msg_set_body(rsp, SDP_TYPE, said, strlen(said));
	if (err == GW_OK)
		err = precondition_answer(c, rsp);
	if (err != GW_OK) {
		cscf_sip_msg_free(rsp);
		return err;
	}
	return cscf_sip_respond(c->s->p.stack, server, rsp);
}

bool precondition_answered(struct call *c, struct dialog *d, gw_handle server,
			   const struct cscf_sip_msg *msg, enum side from)
{
	const char *said = cscf_sdp_said_to_core(c->media.sdp);
	struct cscf_sip_part part;
	enum gw_err err;

	if (from != SIDE_CORE || c->core_offer == NULL || said == NULL || c->waiting ||
	    c->jobs != NULL || cscf_sip_msg_method(msg) != CSCF_SIP_UPDATE ||
	    (c->answered_ms != 0 && cscf_sip_msg_hdr(msg, "Session-Expires", NULL)) ||
	    cscf_sip_msg_find_part(msg, SDP_TYPE, &part) != GW_OK ||
	    !says_nothing_else(c, part.body))
		return false;
	precondition_note(c, from, part.body);
	target_refresh(&d->target[SIDE_CORE], msg);
	err = answer(c, d, server, msg, said);
	CALL_LOG(GW_LOG_INFO, "call.precondition", c, "mw", "answered=here err=%s",
		 gw_err_name(err));
	if (err != GW_OK)
		cscf_sip_reply(c->s->p.stack, server, 500, NULL, (char *)NULL);
	return true;
}
