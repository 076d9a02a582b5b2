/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot path: one datagram in, checked, changed and queued out, or dropped and counted.
 * Thread: the stream's worker.
 */
#ifndef AGW_RELAY_FORWARD_H
#define AGW_RELAY_FORWARD_H

#include "agw/relay/stream_int.h"

/** SRTP from the WIC to the core. `pkt->data` is changed in place and queued on env->out. */
void agw_forward_up_rtp(struct agw_stream *s, unsigned local, struct agw_udp_pkt *pkt);
void agw_forward_up_rtcp(struct agw_leg *l, unsigned local, struct agw_udp_pkt *pkt);
/** RTP from the core to the WIC. */
void agw_forward_down_rtp(struct agw_stream *s, struct agw_udp_pkt *pkt);
void agw_forward_down_rtcp(struct agw_stream *s, struct agw_udp_pkt *pkt);

#endif
