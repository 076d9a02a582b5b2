/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DTLS role, decided here and nowhere else: what the eIMS-AGW is told (pub.dtls) and what
 * a=setup says come from the same value, so they cannot disagree.
 *
 *   WIC's offer   we      | our offer: always actpass
 *   actpass       active* | WIC answers active        -> we serve
 *   active, none  passive | WIC answers passive       -> we start
 *   passive       active  | actpass, none (illegal)   -> taken as active
 *   * or passive by dtls.answer_role. A running association keeps its role (DTLS-19).
 *
 * Spec: RFC 4145, RFC 5763 s5, RFC 8842 s5; DTLS-02..04, 19..21. Thread: the cscf loop.
 */
#include "common/rand.h"
#include "cscf/sdp/sdp_int.h"

/* Credentials changed on a stream that exists: ICE restart (ICE-17), not new DTLS (DTLS-21). */
static void compare_with(struct cscf_sdp_stream *st, const struct cscf_sdp_stream *prev)
{
	const struct cscf_sdp_access_remote *now = &st->access_remote;
	const struct cscf_sdp_access_remote *was = &prev->access_remote;

	st->ice_restart = strcmp(now->ufrag, was->ufrag) != 0 || strcmp(now->pwd, was->pwd) != 0;
	st->new_dtls = !sdp_same_dtls_peer(now, was);
}

static bool runs(const struct cscf_sdp_stream *prev)
{
	return prev != NULL && prev->live && prev->access_remote.known &&
	       prev->dtls != CSCF_SDP_DTLS_UNDECIDED;
}

void sdp_dtls_decide_offer(struct cscf_sdp_stream *st, enum sdp_setup setup,
			   const struct cscf_sdp_stream *prev, const struct cscf_sdp_policy *policy)
{
	enum cscf_sdp_dtls_role free_choice =
	    policy->answer_passive ? CSCF_SDP_DTLS_SERVER : CSCF_SDP_DTLS_CLIENT;

	st->ice_restart = false;
	st->new_dtls = false;
	if (runs(prev)) {
		compare_with(st, prev);
		if (!st->new_dtls)
			free_choice = prev->dtls;
	}
	switch (setup) {
	case SDP_SETUP_ACTPASS:
		st->dtls = free_choice;
		break;
	case SDP_SETUP_PASSIVE:
		st->dtls = CSCF_SDP_DTLS_CLIENT;
		break;
	case SDP_SETUP_ACTIVE:
	case SDP_SETUP_ABSENT: /* RFC 4145 s4: active is the default of an offerer */
		st->dtls = CSCF_SDP_DTLS_SERVER;
		break;
	}
	if (runs(prev) && st->dtls != prev->dtls)
		st->new_dtls = true;
}

void sdp_dtls_decide_answer(struct cscf_sdp_stream *st, enum sdp_setup setup,
			    const struct cscf_sdp_stream *prev)
{
	st->ice_restart = false;
	st->new_dtls = false;
	st->dtls = setup == SDP_SETUP_PASSIVE ? CSCF_SDP_DTLS_CLIENT : CSCF_SDP_DTLS_SERVER;
	if (!runs(prev))
		return;
	compare_with(st, prev);
	if (st->dtls != prev->dtls)
		st->new_dtls = true;
}

void sdp_dtls_tls_id(struct sdp_stream *st)
{
	if (st->tls_id[0] == '\0' || st->pub.is_new || st->pub.new_dtls)
		gw_rand_hex(st->tls_id, (sizeof(st->tls_id) - 1) / 2);
}

const char *sdp_dtls_setup_word(const struct cscf_sdp_stream *st, bool we_offer)
{
	if (we_offer)
		return "actpass";
	return st->dtls == CSCF_SDP_DTLS_SERVER ? "passive" : "active";
}
