/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSeq numbers on a leg (CALL-05). A party's numbers pass as they are until the gateway itself
 * says something in the dialog; from then on they are shifted, so that the peer sees them rise,
 * and shifted back in what it answers. A shift holds from a party's number on: an ACK or RAck of
 * an earlier request still means the number that request went out with.
 *
 *   party   1 2 . . 3 4        steps of that target: {from 3, offset 2}
 *   ours        3 4
 *   peer    1 2 3 4 5 6
 *
 * CANCEL needs nothing: the stack makes it from the INVITE that went out.
 * Thread: the cscf loop. Spec: RFC 3261 s12.2.1.1, s8.1.1.5; RFC 3262 s7.2.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

#define CSEQ_SMALL (1U << 30) /* RFC 3261 s8.1.1.5: below 2**31 */

static void push(struct target *t, uint32_t from, uint32_t offset)
{
	struct cseq_step *last = t->n_steps > 0 ? &t->steps[t->n_steps - 1] : NULL;

	if (last != NULL && last->from >= from) { /* nothing of the party went out since */
		*last = (struct cseq_step){from, offset};
		return;
	}
	if (t->n_steps == CSEQ_STEPS) { /* whoever is that late is taken for a little less so */
		memmove(t->steps, t->steps + 1, (CSEQ_STEPS - 1) * sizeof(t->steps[0]));
		t->n_steps--;
	}
	t->steps[t->n_steps++] = (struct cseq_step){from, offset};
}

uint32_t cseq_map(const struct target *t, uint32_t party)
{
	for (unsigned i = t->n_steps; i-- > 0;)
		if (party >= t->steps[i].from)
			return party + t->steps[i].offset;
	return party;
}

uint32_t cseq_next_own(const struct call *c, struct target *t)
{
	/* Nobody spoke to the caller yet: its own numbers are as good a start as any. */
	if (t->cseq == 0 && c->invite_cseq < CSEQ_SMALL)
		t->cseq = c->invite_cseq;
	t->cseq++;
	push(t, t->party + 1, t->cseq - t->party);
	return t->cseq;
}

static uint32_t next_of_party(struct target *t, uint32_t party)
{
	uint32_t mapped = cseq_map(t, party);

	if (t->party_spoke && party <= t->party)
		return mapped; /* out of order: the peer is to see that it is */
	if (mapped <= t->cseq && t->n_steps > 0) {
		push(t, party, t->cseq + 1 - party);
		mapped = t->cseq + 1;
	}
	t->party_spoke = true;
	t->party = party;
	if (mapped > t->cseq)
		t->cseq = mapped;
	return mapped;
}

/* RAck names the INVITE by its CSeq (RFC 3262 s7.2); that went out on the same leg. */
static enum gw_err shift_rack(const struct target *t, struct cscf_sip_msg *msg)
{
	uint32_t rseq, invite;
	char text[48];

	if (!rel100_rack(msg, &rseq, &invite))
		return GW_ERR_PARSE;
	if (cseq_map(t, invite) == invite)
		return GW_OK;
	snprintf(text, sizeof(text), "%u %u INVITE", rseq, cseq_map(t, invite));
	return cscf_sip_msg_hdr_set(msg, "RAck", text);
}

enum gw_err cseq_shift(struct target *t, struct cscf_sip_msg *msg)
{
	uint32_t party = cscf_sip_msg_cseq(msg);
	bool is_ack = cscf_sip_msg_method(msg) == CSCF_SIP_ACK;
	uint32_t mapped = is_ack ? cseq_map(t, party) : next_of_party(t, party);
	enum gw_err err = mapped != party ? cscf_sip_msg_set_cseq(msg, mapped) : GW_OK;

	if (err == GW_OK && cscf_sip_msg_method(msg) == CSCF_SIP_PRACK && t->n_steps > 0)
		err = shift_rack(t, msg);
	return err;
}

enum gw_err cseq_shift_back(const struct xact *x, struct cscf_sip_msg *rsp)
{
	return cscf_sip_msg_cseq(rsp) != x->cseq ? cscf_sip_msg_set_cseq(rsp, x->cseq) : GW_OK;
}
