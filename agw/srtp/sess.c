/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream's pair of libsrtp2 sessions. See srtp.h.
 */
#include "agw/srtp/primitives_int.h"
#include "agw/srtp/srtp_int.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct agw_srtp_sess {
	srtp_t send;
	srtp_t recv;
	struct agw_srtp_cipher_at send_cipher, recv_cipher;
	uint16_t profile;
	uint16_t n_senders;
	uint32_t senders[AGW_SRTP_SSRC_MAX]; /* heard and verified; as on the wire */
};

static enum gw_err create(srtp_t *out, struct agw_srtp_cipher_at *cipher, uint16_t profile,
			  const uint8_t *master, bool inbound, uint32_t window)
{
	uint8_t copy[AGW_SRTP_MASTER_MAX]; /* libsrtp wants it writable */
	srtp_policy_t policy;
	enum gw_err err = GW_ERR_INVAL;

	memcpy(copy, master, sizeof(copy));
	agw_srtp_note_cipher = cipher;
	if (agw_srtp_policy(&policy, profile, copy, inbound, window))
		err = agw_srtp_error(srtp_create(out, &policy));
	agw_srtp_note_cipher = NULL;
	explicit_bzero(copy, sizeof(copy));
	return err;
}

enum gw_err agw_srtp_sess_new(struct agw_srtp_sess **out, const struct agw_srtp_keys *keys,
			      uint32_t window)
{
	struct agw_srtp_sess *s;
	enum gw_err err;

	if (window < 64 || window > 0x7fff)
		return GW_ERR_INVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return GW_ERR_NOMEM;
	s->profile = keys->profile;
	err = create(&s->send, &s->send_cipher, keys->profile, keys->send, false, window);
	if (err == GW_OK)
		err = create(&s->recv, &s->recv_cipher, keys->profile, keys->recv, true, window);
	if (err != GW_OK) {
		agw_srtp_sess_free(s);
		return err;
	}
	*out = s;
	return GW_OK;
}

void agw_srtp_sess_free(struct agw_srtp_sess *s)
{
	if (s == NULL)
		return;
	if (s->send != NULL)
		(void)srtp_dealloc(s->send);
	if (s->recv != NULL)
		(void)srtp_dealloc(s->recv);
	free(s);
}

typedef srtp_err_status_t transform_fn(srtp_t ctx, void *pkt, int *len);

static enum gw_err run(transform_fn *fn, srtp_t ctx, uint8_t *pkt, size_t *len)
{
	int n;
	enum gw_err err;

	if (*len > INT_MAX - AGW_SRTP_TRAILER_MAX)
		return GW_ERR_PROTO;
	n = (int)*len;
	err = agw_srtp_error(fn(ctx, pkt, &n));
	if (err == GW_OK)
		*len = (size_t)n;
	return err;
}

enum gw_err agw_srtp_protect(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len)
{
	return run(srtp_protect, s->send, pkt, len);
}

enum gw_err agw_srtp_protect_rtcp(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len)
{
	return run(srtp_protect_rtcp, s->send, pkt, len);
}

static bool is_known(const struct agw_srtp_sess *s, uint32_t ssrc)
{
	for (unsigned i = 0; i < s->n_senders; i++) {
		if (s->senders[i] == ssrc)
			return true;
	}
	return false;
}

/* @param at where the sender's SSRC stands in the packet */
static enum gw_err unprotect(struct agw_srtp_sess *s, transform_fn *fn, size_t at, uint8_t *pkt,
			     size_t *len)
{
	uint32_t ssrc;
	bool known;
	enum gw_err err;

	if (*len < at + sizeof(ssrc))
		return GW_ERR_PROTO;
	memcpy(&ssrc, pkt + at, sizeof(ssrc));
	known = is_known(s, ssrc);
	if (!known && s->n_senders == AGW_SRTP_SSRC_MAX)
		return GW_ERR_LIMIT;
	err = run(fn, s->recv, pkt, len);
	if (err == GW_OK && !known)
		s->senders[s->n_senders++] = ssrc;
	return err;
}

enum gw_err agw_srtp_unprotect(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len)
{
	return unprotect(s, srtp_unprotect, 8, pkt, len);
}

/* DTLS-SRTP encrypts SRTCP (RFC 5764 s4.1.2), but with GCM libsrtp2 takes what is only authentic,
 * too (E = 0, RFC 7714 s10). There the index is the last word; in counter mode it looks itself. */
static bool in_the_clear(const struct agw_srtp_sess *s, const uint8_t *pkt, size_t len)
{
	return s->profile != AGW_SRTP_AES128_CM_SHA1_80 && len >= 4 && (pkt[len - 4] & 0x80) == 0;
}

enum gw_err agw_srtp_unprotect_rtcp(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len)
{
	if (in_the_clear(s, pkt, *len))
		return GW_ERR_AUTH;
	return unprotect(s, srtp_unprotect_rtcp, 4, pkt, len);
}

/* OpenSSL allocates a cipher's context, then its provider's with the round keys and GCM's table:
 * neighbours in a heap that is not full of holes. */
#define CIPHER_LINES 17
#define LINE         64

void agw_srtp_fetch(const struct agw_srtp_sess *s, bool recv)
{
	const struct agw_srtp_cipher_at *at = recv ? &s->recv_cipher : &s->send_cipher;
	const char *evp = at->evp;

	__builtin_prefetch(recv ? s->recv : s->send);
	__builtin_prefetch(at->state);
	if (evp == NULL)
		return; /* libsrtp2's own */
	for (unsigned i = 0; i < CIPHER_LINES; i++)
		__builtin_prefetch(evp + (size_t)i * LINE);
}

void agw_srtp_forget_sender(struct agw_srtp_sess *s, uint32_t ssrc)
{
	(void)srtp_remove_stream(s->send, htonl(ssrc)); /* libsrtp keeps it in network order */
}

uint16_t agw_srtp_sess_profile(const struct agw_srtp_sess *s)
{
	return s->profile;
}
