/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SRTP and SRTCP (RFC 3711, RFC 7714) of one stream on libsrtp2: one libsrtp session per
 * direction, any SSRC. Packets are changed in place; nothing is allocated but on the first
 * packet of an SSRC.
 *
 * No index is ever used twice in sending: libsrtp refuses a repeated or old sequence number
 * (GW_ERR_REPLAY); giving such a sender a new SSRC is relay's business (SRTP-09).
 *
 * Thread: agw_srtp_init once before the workers start; a session by its one owner.
 */
#ifndef AGW_SRTP_SRTP_H
#define AGW_SRTP_SRTP_H

#include "agw/srtp/profile.h"
#include "common/err.h"

#include <stdbool.h>

/* Senders one association may have, RTP and RTCP together: each costs a context in libsrtp. They
 * are not forgotten, since that would forget which packets were seen. */
#define AGW_SRTP_SSRC_MAX    32

#define AGW_SRTP_TRAILER_MAX 160 /* room behind a packet to protect */

struct agw_srtp_sess;

/* Whose AES and HMAC-SHA1 libsrtp2 works with (srtp.primitives). */
enum agw_srtp_lib {
	AGW_SRTP_LIB_OPENSSL, /* the default: a cost per packet that does not grow with sessions */
	AGW_SRTP_LIB_STOCK    /* what libsrtp2 was built with */
};

/**
 * Start libsrtp2 (its self-tests run) with the primitives it is to use; which are in use is
 * logged. One of OpenSSL's that fails its self-test is logged and counted
 * (agw_srtp_primitive_refused_total), and libsrtp2's own serves on. Repeated calls count; the
 * first one chooses.
 *
 * Thread: control, before the workers start.
 * @return GW_OK; GW_ERR_CRYPTO
 */
enum gw_err agw_srtp_init_with(enum agw_srtp_lib lib) GW_MUST_CHECK;
/** The same with the default, AGW_SRTP_LIB_OPENSSL. */
enum gw_err agw_srtp_init(void) GW_MUST_CHECK;
/** Undo one agw_srtp_init or agw_srtp_init_with; no session is alive at the last one. */
void agw_srtp_shutdown(void);

/**
 * @param keys   of a finished DTLS handshake; not kept
 * @param window replay window for received packets, 64..32767
 * @return GW_OK; GW_ERR_INVAL unknown profile; GW_ERR_NOMEM; GW_ERR_CRYPTO
 */
enum gw_err agw_srtp_sess_new(struct agw_srtp_sess **out, const struct agw_srtp_keys *keys,
			      uint32_t window) GW_MUST_CHECK;
/** Wipes the keys. */
void agw_srtp_sess_free(struct agw_srtp_sess *s);

/**
 * Protect one RTP or RTCP packet in place.
 *
 * @param pkt 4-octet aligned, AGW_SRTP_TRAILER_MAX octets of room behind
 * @param len in: octets of the packet; out: octets to send
 * @return GW_OK; GW_ERR_REPLAY the index was used; GW_ERR_LIMIT key used up (SRTP-10);
 *         GW_ERR_NOMEM; GW_ERR_PROTO. On error pkt is undefined.
 */
enum gw_err agw_srtp_protect(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len) GW_MUST_CHECK;
enum gw_err agw_srtp_protect_rtcp(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len) GW_MUST_CHECK;

/**
 * Remove protection from one packet in place.
 * @return GW_OK; GW_ERR_AUTH tag mismatch, or SRTCP not encrypted (SRTP-05); GW_ERR_REPLAY seen
 *         or too old; GW_ERR_LIMIT more senders than AGW_SRTP_SSRC_MAX; GW_ERR_PROTO. On error *len
 * is unchanged and pkt undefined: drop it.
 */
enum gw_err agw_srtp_unprotect(struct agw_srtp_sess *s, uint8_t *pkt, size_t *len) GW_MUST_CHECK;
enum gw_err agw_srtp_unprotect_rtcp(struct agw_srtp_sess *s, uint8_t *pkt,
				    size_t *len) GW_MUST_CHECK;

/** Forget what was sent under an SSRC; it must never be sent under again with these keys. */
void agw_srtp_forget_sender(struct agw_srtp_sess *s, uint32_t ssrc);

/** Ask the memory for the cipher that a packet to come will need. Changes nothing. */
void agw_srtp_fetch(const struct agw_srtp_sess *s, bool recv);

uint16_t agw_srtp_sess_profile(const struct agw_srtp_sess *s);

#endif
