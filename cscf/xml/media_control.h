/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an INFO that asks an encoder for a picture, application/media_control+xml. The other
 * primitives it may carry (general errors) are passed over.
 *
 *   <media_control><vc_primitive><to_encoder><picture_fast_update/> …
 *
 * Thread: any. Spec: RFC 5168 s5, s6; RTCP-24.
 */
#ifndef CSCF_XML_MEDIA_CONTROL_H
#define CSCF_XML_MEDIA_CONTROL_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>

#define CSCF_MEDIA_CONTROL_MIME       "application/media_control+xml"
#define CSCF_MEDIA_CONTROL_MAX_OCTETS ((size_t)4096)

/** The body that asks for a picture of every video. Static. */
const char *cscf_media_control_fast_update(void);

/**
 * Read such a body.
 * @param picture  out: does it ask for a picture?
 * @return GW_OK; GW_ERR_PARSE not well-formed, or no media_control; GW_ERR_TOO_BIG; GW_ERR_DENIED a
 *         DTD; GW_ERR_UNSUPPORTED its encoding; GW_ERR_NOMEM
 */
enum gw_err cscf_media_control_parse(bool *picture, struct gw_slice text) GW_MUST_CHECK;

#endif
