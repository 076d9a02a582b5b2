/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enum gw_err: every way a call of ours can fail, each with a name for logs and metrics.
 * What a failure means to a SIP peer or on the control channel is decided by the layer that
 * answers (cscf/sip, proto); this file knows neither.
 * Thread: any.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#define GW_MUST_CHECK        __attribute__((warn_unused_result))
#define GW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* name, word used in logs, metrics and JSON */
#define GW_ERR_LIST(X)                                                                             \
	X(OK, "ok")                                                                                \
	/* usage: the caller broke the contract */                                                 \
	X(ERR_INVAL, "invalid-argument")                                                           \
	X(ERR_STATE, "wrong-state")                                                                \
	X(ERR_EXISTS, "exists")                                                                    \
	X(ERR_NOT_FOUND, "not-found")                                                              \
	X(ERR_UNSUPPORTED, "unsupported")                                                          \
	/* resources */                                                                            \
	X(ERR_NOMEM, "no-memory")                                                                  \
	X(ERR_LIMIT, "limit-reached")                                                              \
	X(ERR_BUSY, "busy")                                                                        \
	X(ERR_IO, "io-error")                                                                      \
	/* the wire */                                                                             \
	X(ERR_PARSE, "parse-error")                                                                \
	X(ERR_TOO_BIG, "too-big")                                                                  \
	X(ERR_PROTO, "protocol-error")                                                             \
	X(ERR_AUTH, "auth-failed")                                                                 \
	X(ERR_REPLAY, "replay")                                                                    \
	X(ERR_AGAIN, "again") /* more octets or another turn needed; not a fault */                \
	/* policy */                                                                               \
	X(ERR_DENIED, "denied")                                                                    \
	X(ERR_FINGERPRINT, "fingerprint-mismatch")                                                 \
	/* the peer */                                                                             \
	X(ERR_TIMEOUT, "timeout")                                                                  \
	X(ERR_GONE, "gone")                                                                        \
	X(ERR_REJECTED, "rejected")                                                                \
	X(ERR_CRYPTO, "crypto-error")

enum gw_err {
#define X(name, word) GW_##name,
	GW_ERR_LIST(X)
#undef X
	    GW_ERR_COUNT
};

/** Word of an error, never NULL ("ok", "no-memory", …; "unknown" outside the enum). */
const char *gw_err_name(enum gw_err err);

/** Translate an errno value, at the place where the system call failed. */
enum gw_err gw_err_from_errno(int errnum);

/**
 * GW_ASSERT: for our own invariants; stays on in release. Nothing that arrives from a peer, a
 * file or a full disk may ever reach one.
 */
/* A large buffer that is written before it is read: not to be zeroed at each call. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define GW_UNINIT __attribute__((uninitialized))
#else
#define GW_UNINIT
#endif

#define GW_ASSERT(cond) ((cond) ? (void)0 : gw_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void gw_assert_failed(const char *cond, const char *file, int line);

#endif
