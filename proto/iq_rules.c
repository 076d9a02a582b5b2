/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each field of iq.proto may hold: one table, and the few rules between fields. A field
 * without a row takes text of IQ_MAX_TEXT octets, any number, or a list of DEFAULT_COUNT.
 * Clauses: IQ-10, IQ-17; RFC 8839 §5.4 (ICE), RFC 8122 §5 (fingerprint), RFC 8842 §4 (tls-id).
 */
#include "proto/iq_int.h"

#include <string.h>

#define DEFAULT_COUNT 64

#define D(name)       &wicgate__iq__v1__##name##__descriptor
#define MUST          true
#define MAY           false
#define ANY_MIN       INT64_MIN
#define ANY_MAX       INT64_MAX

/* clang-format off */
/* the rows of a message stand together */
static const struct iq_rule rules[] = {
	/* message             field               required charset     min      max           count */
	{D(error),             "detail",           MAY,  IQ_CS_TEXT,  0,       512,          0},

	{D(hello),             "controller_id",    MUST, IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(hello),             "epoch",            MUST, IQ_CS_TEXT,  ANY_MIN, ANY_MAX,      0},
	{D(hello),             "version_min",      MUST, IQ_CS_TEXT,  1,       1000000,      0},
	{D(hello),             "version_max",      MUST, IQ_CS_TEXT,  1,       1000000,      0},
	{D(hello_ack),         "agw_id",           MAY,  IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(hello_ack),         "realms",           MAY,  IQ_CS_TEXT,  0,       0,            32},
	{D(realm),             "name",             MUST, IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(realm),             "side",             MUST, IQ_CS_TEXT,  0,       0,            0},
	{D(realm),             "families",         MAY,  IQ_CS_TEXT,  0,       0,            2},
	{D(agw_state),         "state",            MUST, IQ_CS_TEXT,  0,       0,            0},
	{D(agw_state),         "realms",           MAY,  IQ_CS_TEXT,  0,       0,            32},
	{D(drain_request),     "deadline_s",       MAY,  IQ_CS_TEXT,  0,       86400,        0},

	{D(address),           "ip",               MUST, IQ_CS_IP,    2,       64,           0},
	{D(address),           "port",             MUST, IQ_CS_TEXT,  1,       65535,        0},
	{D(candidate),         "foundation",       MAY,  IQ_CS_ICE,   1,       32,           0},
	{D(candidate),         "component",        MUST, IQ_CS_TEXT,  1,       256,          0},
	{D(candidate),         "address",          MUST, IQ_CS_TEXT,  0,       0,            0},
	{D(ice_credentials),   "ufrag",            MUST, IQ_CS_ICE,   4,       256,          0},
	{D(ice_credentials),   "pwd",              MUST, IQ_CS_ICE,   22,      256,          0},
	{D(remote_ice),        "credentials",      MUST, IQ_CS_TEXT,  0,       0,            0},
	{D(remote_ice),        "candidates",       MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_CANDIDATES},
	{D(fingerprint),       "hash",             MUST, IQ_CS_ID,    1,       16,           0},
	{D(fingerprint),       "value",            MUST, IQ_CS_HEX,   47,      191,          0},
	{D(remote_dtls),       "fingerprints",     MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_FINGERPRINTS},
	{D(remote_dtls),       "tls_id",           MAY,  IQ_CS_TEXT,  20,      255,          0},
	{D(payload_type),      "pt",               MAY,  IQ_CS_TEXT,  0,       127,          0},
	{D(payload_type),      "encoding",         MAY,  IQ_CS_TEXT,  1,       IQ_MAX_ID,    0},
	{D(header_extension),  "id",               MUST, IQ_CS_TEXT,  1,       14,           0},
	{D(header_extension),  "peer_id",          MUST, IQ_CS_TEXT,  1,       14,           0},
	{D(header_extension),  "uri",              MAY,  IQ_CS_TEXT,  1,       IQ_MAX_TEXT,  0},
	{D(core_remote),       "branch",           MAY,  IQ_CS_TEXT,  1,       IQ_MAX_TEXT,  0},

	{D(access_termination), "realm",           MAY,  IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(access_termination), "families",        MAY,  IQ_CS_TEXT,  0,       0,            2},
	{D(access_termination), "srtp_profiles",   MAY,  IQ_CS_TEXT,  0,       0,            8},
	{D(access_termination), "dscp",            MAY,  IQ_CS_TEXT,  -1,      63,           0},
	{D(access_termination), "payload_types",   MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_PAYLOAD_TYPES},
	{D(access_termination), "feedback",        MAY,  IQ_CS_TEXT,  0,       0,            16},
	{D(access_termination), "header_extensions", MAY, IQ_CS_TEXT, 0,       0,            14},
	{D(core_termination),  "realm",            MAY,  IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(core_termination),  "remotes",          MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_REMOTES},
	{D(core_termination),  "dscp",             MAY,  IQ_CS_TEXT,  -1,      63,           0},
	{D(core_termination),  "payload_types",    MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_PAYLOAD_TYPES},
	{D(core_termination),  "feedback",         MAY,  IQ_CS_TEXT,  0,       0,            16},
	{D(core_termination),  "header_extensions", MAY, IQ_CS_TEXT,  0,       0,            14},
	{D(stream_request),    "stream_id",        MAY,  IQ_CS_TEXT,  0,       65535,        0},
	{D(stream_request),    "inactivity_ms",    MAY,  IQ_CS_TEXT,  0,       86400000,     0},
	{D(stream_request),    "label",            MAY,  IQ_CS_TEXT,  1,       IQ_MAX_ID,    0},

	{D(reserve_request),   "ctx_id",           MUST, IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(reserve_request),   "streams",          MUST, IQ_CS_TEXT,  0,       0,            IQ_MAX_STREAMS},
	{D(reserve_reply),     "streams",          MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_STREAMS},
	{D(configure_request), "ctx_id",           MUST, IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(configure_request), "streams",          MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_STREAMS},
	{D(configure_reply),   "streams",          MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_STREAMS},
	{D(release_request),   "ctx_id",           MUST, IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(release_request),   "stream_ids",       MAY,  IQ_CS_TEXT,  0,       65535,        IQ_MAX_STREAMS},
	{D(release_reply),     "stats",            MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_STREAMS},
	{D(audit_request),     "ctx_ids",          MAY,  IQ_CS_ID,    1,       IQ_MAX_ID,    IQ_MAX_AUDIT},
	{D(audit_request),     "cursor",           MAY,  IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(audit_request),     "limit",            MAY,  IQ_CS_TEXT,  0,       IQ_MAX_AUDIT, 0},
	{D(audit_reply),       "contexts",         MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_AUDIT},
	{D(context_info),      "ctx_id",           MUST, IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(context_info),      "streams",          MAY,  IQ_CS_TEXT,  0,       0,            IQ_MAX_STREAMS},

	{D(notification),      "event_seq",        MUST, IQ_CS_TEXT,  ANY_MIN, ANY_MAX,      0},
	{D(notification),      "ctx_id",           MAY,  IQ_CS_ID,    1,       IQ_MAX_ID,    0},
	{D(notification),      "event",            MUST, IQ_CS_TEXT,  0,       0,            0},
};
/* clang-format on */

static const struct iq_rule any_text = {NULL, NULL, MAY, IQ_CS_TEXT, 0, IQ_MAX_TEXT, DEFAULT_COUNT};
static const struct iq_rule any_number = {NULL,    NULL,    MAY,          IQ_CS_TEXT,
					  ANY_MIN, ANY_MAX, DEFAULT_COUNT};

const struct iq_rule *iq_rules_of(const ProtobufCMessageDescriptor *msg)
{
	const struct iq_rule *r = rules, *end = rules + sizeof(rules) / sizeof(rules[0]);

	while (r < end && r->msg != msg)
		r++;
	return r;
}

const struct iq_rule *iq_rule_find(const struct iq_rule *rows,
				   const ProtobufCMessageDescriptor *msg,
				   const ProtobufCFieldDescriptor *field)
{
	const struct iq_rule *end = rules + sizeof(rules) / sizeof(rules[0]);

	for (const struct iq_rule *r = rows; r < end && r->msg == msg; r++)
		if (strcmp(r->field, field->name) == 0)
			return r;
#ifdef GW_DEBUG
	for (const struct iq_rule *r = rules; r < end; r++)
		GW_ASSERT(r->msg != msg || strcmp(r->field, field->name) != 0);
#endif
	return field->type == PROTOBUF_C_TYPE_STRING ? &any_text : &any_number;
}

/* ---- rules between fields -------------------------------------------------------------------- */

static const char *cross_hello(const ProtobufCMessage *msg, const char **why)
{
	const IqHello *h = (const IqHello *)msg;

	if (h->version_min <= h->version_max)
		return NULL;
	*why = "version_min is above version_max";
	return "version_min";
}

static bool ids_repeat(IqStreamRequest *const *streams, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (streams[i]->stream_id == streams[k]->stream_id)
				return true;
	return false;
}

static const char *cross_reserve(const ProtobufCMessage *msg, const char **why)
{
	const IqReserveRequest *r = (const IqReserveRequest *)msg;

	*why = "a new stream needs both terminations, each with its realm";
	for (size_t i = 0; i < r->n_streams; i++) {
		const IqStreamRequest *s = r->streams[i];

		if (s->access == NULL || s->access->realm[0] == '\0' || s->core == NULL ||
		    s->core->realm[0] == '\0')
			return "streams";
		if (s->kind == IQ_V(MEDIA_KIND__MEDIA_UNSPECIFIED)) {
			*why = "a new stream needs its kind";
			return "streams";
		}
	}
	*why = "stream_id appears twice";
	return ids_repeat(r->streams, r->n_streams) ? "streams" : NULL;
}

static const char *cross_configure(const ProtobufCMessage *msg, const char **why)
{
	const IqConfigureRequest *r = (const IqConfigureRequest *)msg;
	bool ends = r->phase == IQ_V(CONFIGURE_REQUEST__PHASE__ROLLBACK);
	bool may = r->phase == IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT); /* the answer */

	if (!may && ends != (r->n_streams == 0)) {
		*why = ends ? "ROLLBACK carries no streams" : "no streams to configure";
		return "streams";
	}
	*why = "stream_id appears twice";
	return ids_repeat(r->streams, r->n_streams) ? "streams" : NULL;
}

static const char *cross_core(const ProtobufCMessage *msg, const char **why)
{
	const IqCoreTermination *c = (const IqCoreTermination *)msg;
	size_t active = 0;

	for (size_t i = 0; i < c->n_remotes; i++) {
		const IqCoreRemote *r = c->remotes[i];

		active += r->active ? 1 : 0;
		*why = "a remote needs its rtp address";
		if (!r->drop && r->rtp == NULL)
			return "remotes";
		*why = "a branch appears twice";
		for (size_t k = 0; k < i; k++)
			if (strcmp(c->remotes[k]->branch, r->branch) == 0)
				return "remotes";
	}
	*why = "only one remote can be active";
	return active > 1 ? "remotes" : NULL;
}

static const struct {
	const ProtobufCMessageDescriptor *msg;
	const char *(*check)(const ProtobufCMessage *msg, const char **why);
} cross_rules[] = {
    {D(hello), cross_hello},
    {D(reserve_request), cross_reserve},
    {D(configure_request), cross_configure},
    {D(core_termination), cross_core},
};

const char *iq_rule_cross(const ProtobufCMessage *msg, const char **why)
{
	for (size_t i = 0; i < sizeof(cross_rules) / sizeof(cross_rules[0]); i++)
		if (cross_rules[i].msg == msg->descriptor)
			return cross_rules[i].check(msg, why);
	return NULL;
}
