/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing of the Iq channel: 4 octets length (network order), then that many octets of one
 * protobuf Envelope. No I/O: whoever owns the socket feeds what it read and drains what is whole.
 * A frame of length 0 or above IQ_FRAME_MAX is a broken peer: the connection must be closed.
 * Thread: the owner's.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define IQ_FRAME_MAX    (1024U * 1024U) /* octets of payload */
#define IQ_FRAME_HEADER 4U

struct iq_frame_reader;

/** @return GW_OK; GW_ERR_NOMEM */
enum gw_err iq_frame_reader_new(struct iq_frame_reader **out) GW_MUST_CHECK;
void iq_frame_reader_free(struct iq_frame_reader *r);

/**
 * Give it octets as they came, any number. Memory held is at most one frame plus one feed.
 * @return GW_OK; GW_ERR_TOO_BIG or GW_ERR_PROTO (bad length: nothing more is accepted);
 *         GW_ERR_NOMEM
 */
enum gw_err iq_frame_feed(struct iq_frame_reader *r, const void *data, size_t n) GW_MUST_CHECK;

/**
 * Take the next whole frame. *payload stays valid until the next call on r.
 * @return GW_OK; GW_ERR_AGAIN none whole yet; the error of a broken stream again and again
 */
enum gw_err iq_frame_next(struct iq_frame_reader *r, const uint8_t **payload,
			  size_t *n) GW_MUST_CHECK;

/** Write the header for a payload of n octets. @return GW_ERR_TOO_BIG; GW_ERR_INVAL for n = 0 */
enum gw_err iq_frame_header(uint8_t header[IQ_FRAME_HEADER], size_t n) GW_MUST_CHECK;

#endif
