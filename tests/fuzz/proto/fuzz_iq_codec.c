/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile Iq message: decoded, checked, printed as JSON with and without secrets. One that
 * passes the checks must survive JSON there and back and packing unchanged.
 */
#include "proto/frame.h"
#include "proto/iq_codec.h"
#include "proto/iq_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void pack_again(const IqEnvelope *env)
{
	uint8_t *frame = NULL;
	IqEnvelope *back = NULL;
	size_t n = 0;

	if (iq_pack_frame(env, &frame, &n) != GW_OK)
		abort();
	if (iq_unpack(&back, frame + IQ_FRAME_HEADER, n - IQ_FRAME_HEADER) != GW_OK)
		abort();
	if (back->body_case != env->body_case || back->txn_id != env->txn_id)
		abort();
	iq_envelope_free(back);
	free(frame);
}

static void there_and_back(const IqEnvelope *env)
{
	json_t *first = iq_envelope_to_json(env, IQ_JSON_PLAIN);
	json_t *second;
	IqEnvelope *back = NULL;
	char why[128];

	if (first == NULL || iq_envelope_from_json(&back, first, why, sizeof(why)) != GW_OK)
		abort();
	second = iq_envelope_to_json(back, IQ_JSON_PLAIN);
	if (second == NULL || !json_equal(first, second))
		abort();
	json_decref(first);
	json_decref(second);
	pack_again(back); /* the copy: it has no unknown fields */
	iq_envelope_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct iq_fault fault = {.code = IQ_V(ERROR_CODE__OK)};
	IqEnvelope *env = NULL;
	IqEnvelope *reply;
	json_t *masked;

	if (iq_unpack(&env, bytes, len) != GW_OK)
		return 0;
	if (iq_check(env, &fault) == GW_OK) {
		there_and_back(env);
	} else {
		if (fault.code == IQ_V(ERROR_CODE__OK))
			abort();
		reply = iq_reply_new(env, &fault);
		if (reply == NULL || iq_msg_error(reply) == NULL)
			abort();
		iq_envelope_free(reply);
	}
	masked = iq_envelope_to_json(env, IQ_JSON_MASK_SECRETS);
	(void)iq_msg_ctx(env);
	(void)iq_msg_call_id(env);
	json_decref(masked);
	iq_envelope_free(env);
	return 0;
}
