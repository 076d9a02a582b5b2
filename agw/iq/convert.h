/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between Iq messages and the structs of agw/context and agw/worker. Values a message may carry
 * but this gateway does not serve end here as faults with the field's path (IQ-10).
 * Thread: any; no state.
 */
#ifndef AGW_IQ_CONVERT_H
#define AGW_IQ_CONVERT_H

#include "agw/context/context.h"
#include "proto/iq_codec.h"

/* What a message leaves to the gateway. */
struct agw_iq_defaults {
	const struct agw_realm_cfg *realms; /* borrowed */
	size_t n_realms;
	uint32_t inactivity_ms;
	int dscp_audio;
	int dscp_video;
	bool ice_full; /* else only ICE-lite is served */
};

/**
 * One StreamRequest as a patch.
 * @param reserve  a new stream: realms, families and kind too, all groups set
 * @return GW_OK; GW_ERR_UNSUPPORTED or GW_ERR_INVAL with *fault filled (path below the stream)
 */
enum gw_err agw_iq_patch_from(struct agw_ctx_patch *out, const IqStreamRequest *in,
			      const struct agw_iq_defaults *def, bool reserve,
			      struct iq_fault *fault) GW_MUST_CHECK;
/** All streams of a request; *out is malloc'd, caller frees. Paths begin "streams[i].". */
enum gw_err agw_iq_patches_from(struct agw_ctx_patch **out, IqStreamRequest *const *in, size_t n,
				const struct agw_iq_defaults *def, bool reserve,
				struct iq_fault *fault) GW_MUST_CHECK;

/** The ICE part of a patch; nothing when `in` is NULL. */
void agw_iq_ice_from(struct agw_ctx_patch *out, const IqRemoteIce *in);

/** A context's refusal as a fault of the protocol. */
void agw_iq_fault_from(struct iq_fault *out, const struct agw_ctx_fault *in);

/* Out: new messages on the heap, NULL when out of memory. */
IqStreamResult *agw_iq_result_new(const struct agw_stream_local *local);
IqStreamStats *agw_iq_stats_new(uint32_t id, const struct agw_stream_stats *st,
				const struct agw_stream_local *local,
				const struct gw_addr *core_remote);
IqContextInfo *agw_iq_context_new(const struct agw_context *ctx, bool detail);
IqAddress *agw_iq_address_new(const struct gw_addr *a);

/** Fill a notification's event, cause, side, addresses and detail. */
enum gw_err agw_iq_event_fill(IqNotification *out, const struct agw_stream_event *ev) GW_MUST_CHECK;

#endif
