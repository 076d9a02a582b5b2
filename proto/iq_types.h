/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short names for the types protoc-c generates from iq.proto: message Foo is IqFoo, enum value
 * FOO of enum Bar is IQ_V(BAR__FOO).
 */
#ifndef PROTO_IQ_TYPES_H
#define PROTO_IQ_TYPES_H

#include "iq.pb-c.h"

typedef Wicgate__Iq__V1__Envelope IqEnvelope;
typedef Wicgate__Iq__V1__Error IqError;
typedef Wicgate__Iq__V1__ErrorReply IqErrorReply;
typedef Wicgate__Iq__V1__Hello IqHello;
typedef Wicgate__Iq__V1__HelloAck IqHelloAck;
typedef Wicgate__Iq__V1__Capabilities IqCapabilities;
typedef Wicgate__Iq__V1__Realm IqRealm;
typedef Wicgate__Iq__V1__Heartbeat IqHeartbeat;
typedef Wicgate__Iq__V1__Load IqLoad;
typedef Wicgate__Iq__V1__AgwState IqAgwState;
typedef Wicgate__Iq__V1__Goodbye IqGoodbye;
typedef Wicgate__Iq__V1__DrainRequest IqDrainRequest;
typedef Wicgate__Iq__V1__DrainReply IqDrainReply;
typedef Wicgate__Iq__V1__Address IqAddress;
typedef Wicgate__Iq__V1__Candidate IqCandidate;
typedef Wicgate__Iq__V1__IceCredentials IqIceCredentials;
typedef Wicgate__Iq__V1__RemoteIce IqRemoteIce;
typedef Wicgate__Iq__V1__Fingerprint IqFingerprint;
typedef Wicgate__Iq__V1__RemoteDtls IqRemoteDtls;
typedef Wicgate__Iq__V1__PayloadType IqPayloadType;
typedef Wicgate__Iq__V1__HeaderExtension IqHeaderExtension;
typedef Wicgate__Iq__V1__Gate IqGate;
typedef Wicgate__Iq__V1__Policing IqPolicing;
typedef Wicgate__Iq__V1__CoreRemote IqCoreRemote;
typedef Wicgate__Iq__V1__AccessTermination IqAccessTermination;
typedef Wicgate__Iq__V1__CoreTermination IqCoreTermination;
typedef Wicgate__Iq__V1__StreamRequest IqStreamRequest;
typedef Wicgate__Iq__V1__StreamResult IqStreamResult;
typedef Wicgate__Iq__V1__AccessLocal IqAccessLocal;
typedef Wicgate__Iq__V1__CoreLocal IqCoreLocal;
typedef Wicgate__Iq__V1__ReserveRequest IqReserveRequest;
typedef Wicgate__Iq__V1__ReserveReply IqReserveReply;
typedef Wicgate__Iq__V1__ConfigureRequest IqConfigureRequest;
typedef Wicgate__Iq__V1__ConfigureReply IqConfigureReply;
typedef Wicgate__Iq__V1__ReleaseRequest IqReleaseRequest;
typedef Wicgate__Iq__V1__ReleaseReply IqReleaseReply;
typedef Wicgate__Iq__V1__ReleaseAllRequest IqReleaseAllRequest;
typedef Wicgate__Iq__V1__ReleaseAllReply IqReleaseAllReply;
typedef Wicgate__Iq__V1__AuditRequest IqAuditRequest;
typedef Wicgate__Iq__V1__AuditReply IqAuditReply;
typedef Wicgate__Iq__V1__ContextInfo IqContextInfo;
typedef Wicgate__Iq__V1__StreamInfo IqStreamInfo;
typedef Wicgate__Iq__V1__DirectionStats IqDirectionStats;
typedef Wicgate__Iq__V1__StreamStats IqStreamStats;
typedef Wicgate__Iq__V1__Notification IqNotification;
typedef Wicgate__Iq__V1__NotificationAck IqNotificationAck;

typedef Wicgate__Iq__V1__ErrorCode IqErrorCode;
typedef Wicgate__Iq__V1__Envelope__BodyCase IqBodyCase;
typedef Wicgate__Iq__V1__Notification__Event IqEvent;
typedef Wicgate__Iq__V1__Notification__Cause IqCause;

/* IQ_V(ERROR_CODE__DRAINING), IQ_V(MEDIA_KIND__AUDIO), IQ_V(NOTIFICATION__EVENT__ICE_FAILED) */
#define IQ_V(value) WICGATE__IQ__V1__##value
/* Case of Envelope's body: IQ_BODY(RESERVE), IQ_BODY(HELLO_ACK) */
#define IQ_BODY(name) WICGATE__IQ__V1__ENVELOPE__BODY_##name

#endif
