/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one call is made of; shared by the files of cscf/session, never seen outside.
 *
 *   call   one INVITE and all that follows: two legs, one AGW context, one SDP session
 *   dialog one callee tag of it (several while forks are early), with a target per leg
 *   xact   one request on its way through: server transaction on one leg, client on the other
 *   job    one message waiting its turn: messages of a call are handled strictly in order,
 *          and the one at the head may wait for the AGW
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_SESSION_CALL_H
#define CSCF_SESSION_CALL_H

#include "common/fsm.h"
#include "common/handle.h"
#include "cscf/sdp/alg.h"
#include "cscf/sip/stack.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <uthash.h>

struct cscf_session;
struct cscf_story_call;
struct emergency;
struct event;

#define CALL_MAX_DIALOGS  12 /* forks of one INVITE */
#define CALL_MORE_FOR_BYE 8U
#define CALL_MAX_XACTS    200 /* requests of one call, those that linger for repeats included */
#define CALL_MAX_JOBS     64  /* messages waiting in one call */
#define CALL_MAX_ROUTES   16  /* Record-Route entries kept */
#define CALL_ID_MAX       255 /* octets of Call-ID kept for logs and Iq */

enum side {
	SIDE_WIC,  /* W2, the access leg */
	SIDE_CORE, /* Mw, the core leg */
	SIDE_COUNT
};

static inline enum side other_side(enum side side)
{
	return side == SIDE_WIC ? SIDE_CORE : SIDE_WIC;
}

/* Why a call ends; the rows are in release.c (4.12). */
enum cause {
	CAUSE_BYE,       /* one of the parties hung up */
	CAUSE_CANCELLED, /* the caller gave up */
	CAUSE_REJECTED,  /* the callee's final answer */
	CAUSE_SDP,       /* a description we cannot serve; status by verdict */
	CAUSE_NO_MEDIA,  /* no AGW or no ports */
	CAUSE_IQ_FAILED,
	CAUSE_AGW_LOST,
	CAUSE_WIC_GONE,
	CAUSE_WIC_SILENT,
	CAUSE_CORE_SILENT,
	CAUSE_CORE_GONE,
	CAUSE_MEDIA_LOST,
	CAUSE_FINGERPRINT,
	CAUSE_INACTIVITY,
	CAUSE_NO_ACK,
	CAUSE_DIALOG_GONE,
	CAUSE_DEREGISTERED,
	CAUSE_MAX_DURATION,
	CAUSE_SESSION_EXPIRED, /* no refresh (RFC 4028) */
	CAUSE_SHUTDOWN,
	CAUSE_INTERNAL,
	CAUSE_COUNT
};

enum call_state {
	CALL_S_IDLE,
	CALL_S_OFFERING,
	CALL_S_PROCEEDING,
	CALL_S_ANSWERED,
	CALL_S_CONFIRMED,
	CALL_S_RELEASING,
	CALL_S_ENDED,
	CALL_S_COUNT
};

enum call_event {
	CALL_E_START,    /* the INVITE is in the queue */
	CALL_E_SENT,     /* it went on to the callee's leg */
	CALL_E_ANSWERED, /* a 2xx went back to the caller's leg */
	CALL_E_ACKED,
	CALL_E_RELEASE, /* data: const struct release_order * */
	CALL_E_QUIET,   /* nothing is under way any more */
	CALL_E_TIMER,
	CALL_E_COUNT
};

struct release_order {
	enum cause cause;
	enum cscf_sdp_verdict verdict; /* CAUSE_SDP */
	bool outbound;                 /* CAUSE_WIC_GONE: 430 instead of 480 */
	bool unreachable;              /* the S-CSCF of the Service-Route: 504 asks to register */
	int status;                    /* CAUSE_REJECTED: for the record; 0 = by the table */
	enum side by;                  /* CAUSE_BYE: who sent it */
	bool relayed;                  /* CAUSE_BYE: it is on its way to the other */
};

#define CSEQ_STEPS 8

/* From this number of the party on, its requests go out with a CSeq higher by that (cseq.c). */
struct cseq_step {
	uint32_t from, offset;
};

/* Where requests of ours go on one leg of one dialog (REL-03, CALL-10). */
struct target {
	char *uri;     /* owned: Contact of the peer */
	char **routes; /* owned */
	size_t n_routes;
	uint32_t cseq;    /* highest sent towards it, our own included */
	uint32_t party;   /* highest that the party behind us sent, its own numbering */
	bool party_spoke; /* there was one */
	struct cseq_step steps[CSEQ_STEPS];
	unsigned n_steps;
};

#define RSEQ_SEEN 16

/* A reliable provisional response that was relayed: what a RAck may name. */
struct rseq_seen {
	uint32_t rseq, cseq; /* cseq: of the INVITE, its sender's numbering */
	enum side to;        /* who gets it and sends the PRACK */
};

#define BRANCH_TEXT 64 /* an early dialog's name at the AGW, with terminator */

enum early { EARLY_UNSAID, EARLY_OPEN, EARLY_CLOSED }; /* by P-Early-Media (RFC 5009) */

struct dialog {
	struct dialog *prev, *next;
	/* media of an early dialog (media_fork.c) */
	struct cscf_sdp_session *sdp; /* owned; NULL: it has said nothing, or the call has it */
	char branch[BRANCH_TEXT];
	bool on_agw;      /* the AGW has a remote end by that name */
	bool branch_over; /* and is to forget it with the next Configure */
	enum early early;
	unsigned spoke;   /* order of the last early description */
	char *callee_tag; /* owned */
	char *to;         /* owned: the callee's To value, tag included */
	struct target target[SIDE_COUNT];
	bool confirmed;
	bool ended; /* our BYE went to the callee: a lost fork */
	/* reliable provisional responses (rel100.c) */
	uint32_t rseq;                    /* highest taken from the callee, acknowledged by us */
	char *early_sdp;                  /* owned: answer of the last one, as the WIC got it */
	struct rseq_seen seen[RSEQ_SEEN]; /* relayed ones, the newest last */
	unsigned n_seen;
};

struct call;

struct xact {
	struct xact *prev, *next;
	UT_hash_handle hh;     /* in session->servers, by server */
	struct call *call;     /* its owner */
	struct dialog *dialog; /* borrowed: lives as long as the call; NULL for the initial one */
	gw_handle server;      /* GW_HANDLE_NONE: a request of our own */
	gw_handle client;
	enum cscf_sip_method method;
	enum side from; /* leg the request came from; our own: the leg it does not go to */
	uint32_t cseq;
	bool initial;
	bool has_offer;    /* the request carried the offer of the open round */
	bool server_final; /* a final response was sent */
	bool here;         /* by us, in place of the other leg: the ACK ends here as well */
	bool awaits_ack;   /* a later INVITE: the ACK of its 2xx has not come yet */
	bool client_live;  /* callbacks may still come */
	bool client_final;
	bool cancelled;
	bool taken_back;     /* by us, since the call has to move: 491 instead of 487 */
	uint32_t timeout_ms; /* of the client transaction; 0 = 64*T1 */
	uint32_t session_s;  /* Session-Expires as it went out; 0 = none */
	bool is_own;         /* made by own.c */
	struct own *own;     /* while that wish lasts; borrowed */
	unsigned n_jobs;
	struct cscf_sip_msg *answer; /* owned: 2xx as relayed, for repeats */
	struct cscf_sip_msg *ack;    /* owned: ACK as relayed, for repeated 2xx */
};

enum job_kind { JOB_REQUEST, JOB_RESPONSE, JOB_ACK };

struct job {
	struct job *prev, *next;
	enum job_kind kind;
	struct xact *x;           /* NULL for an ACK of a transaction that has gone */
	struct cscf_sip_msg *msg; /* owned */
	enum side from;
	bool sdp_done;
};

/* How much an answer binds. */
enum media_weight {
	MEDIA_EARLY, /* before the call is answered: early gates */
	MEDIA_SHOWN, /* unreliable 18x to a re-INVITE: nothing holds yet */
	MEDIA_FINAL
};

/* What an offer/answer step came to. */
enum media_rc {
	MEDIA_READY,  /* call->media.text is to replace the body */
	MEDIA_WAIT,   /* job_resume will be called */
	MEDIA_REFUSED /* call->media.refusal says why */
};

/* Packed Iq parameters (media_same.c). */
struct told {
	uint8_t *p; /* owned */
	size_t n;
};
/* Asked of the AGW once in a round. */
enum media_verb { MEDIA_VERB_RESTART = 1, MEDIA_VERB_NEW_DTLS = 2 };

struct media {
	struct cscf_sdp_session *root; /* owned: the call's, or of what comes before any answer */
	struct cscf_sdp_session *sdp;  /* borrowed: in use, root or that of an early dialog */
	struct dialog *dialog;         /* borrowed: whose it is; incoming calls have one for all */
	bool settled;                  /* outgoing: root is the winner's */
	unsigned n_forks, n_spoke;
	gw_handle ctx; /* handle of the Iq context */
	uint32_t tag;  /* of the request awaited; late answers have another */
	enum {
		MEDIA_IDLE,
		MEDIA_RESERVING,
		MEDIA_PREPARING,
		MEDIA_CONFIGURING,
		MEDIA_GATING
	} doing;
	bool from_wic; /* of the step under way */
	bool answered; /* a final answer: gates by direction only */
	bool gates_final;
	bool prepared;                    /* the AGW has an offer in its pocket … */
	const struct dialog *prepared_by; /* … of that dialog's round */
	bool again;                       /* the round had an answer before this one */
	bool repeat;         /* the offer says nothing new: no need to ask the AGW (SDP-11) */
	bool resent;         /* after REV_CONFLICT, once per step */
	bool here;           /* the offer under way is answered by us (2.5 b) */
	unsigned verbs_done; /* enum media_verb: in this round */
	unsigned verbs;      /* … of the step under way */
	struct cscf_sdp_text text;
	struct release_order refusal;
	struct told told, telling; /* to the AGW: last, and with the Configure under way */
	/* per stream trouble, bit = stream_id % 64 */
	uint64_t lost, idle_access, idle_core;
};

/* Who keeps the session alive, and until when it lives (session_timer.c). */
struct session_timer {
	struct event *expiry;    /* owned: no refresh came */
	struct event *refresh;   /* owned: ours is due */
	uint32_t interval_s;     /* 0 = the session has no timer */
	unsigned raised;         /* 422s to our refresh since the last that went well */
	bool by_us;              /* neither party refreshes */
	bool update[SIDE_COUNT]; /* that side says that it takes UPDATE */
};

/* Its AGW is gone: on the way to another one (repair.c). */
enum repair_state {
	REPAIR_NONE,
	REPAIR_WAITS,     /* for its turn, an AGW, or the WIC */
	REPAIR_RESERVING, /* at another AGW */
	REPAIR_WIC,       /* the WIC is asked … */
	REPAIR_TELL,      /* … and told what the core, asked after it, refused */
	REPAIR_YIELD,     /* the core's end is moving, too: its offer will do */
	REPAIR_CORE       /* … and the core */
};

struct repair {
	struct call *prev, *next; /* in a line of session->repairs … */
	bool in_line;             /* … if that is true */
	uint64_t in_line_ms;      /* since then */
	struct event *timer;      /* owned: WAITS or YIELD, not in line: to be looked at again */
	enum repair_state state;
	uint32_t tag;
	gw_handle next_ctx; /* being reserved, while the AGW that the call leaves still serves it */
	bool core_knows;    /* it has offered, and was answered with the new addresses */
	bool adrift;        /* there is no context: the AGW is asked nothing */
	uint64_t lost_ms;   /* when the context was lost */
	uint64_t patient_ms; /* an AGW must take it by then; 0 = none has refused it */
	uint64_t offer_ms;   /* since then a party's own offer is in the way; 0 = none is */
	uint64_t again_ms;   /* not before */
	unsigned n_live;     /* streams, as the end asked last took them */
	unsigned tries;      /* contexts that it had */
	unsigned refused;    /* by AGWs since the last of them */
	bool glare;          /* the core said 491 too often: it waits for something itself */
};

struct call {
	struct cscf_session *s; /* borrowed: outlives us */
	struct gw_fsm fsm;
	gw_handle self;
	UT_hash_handle hh; /* in session->by_call_id; calls of one Call-ID are chained */
	struct call *same_id;
	bool from_wic;                        /* the WIC is the caller */
	gw_handle assoc;                      /* by call_set_assoc */
	UT_hash_handle by_assoc;              /* in session->by_assoc, of the first call of each */
	struct call *assoc_prev, *assoc_next; /* calls of that association */
	uint64_t conn;                        /* W2 connection; 0 while the flow is lost */
	char *call_id;                        /* owned */
	char *caller_tag;
	char *from;        /* From value of the INVITE */
	char *request_uri; /* of the INVITE */
	char *called;      /* MT: P-Called-Party-ID */
	char *impu;        /* for logs */
	char *icid;
	char *pcv;                   /* P-Charging-Vector to send to the core */
	struct emergency *emergency; /* owned: it goes to an E-CSCF; NULL = an ordinary call */
	char **record_route;         /* MT: list of the INVITE we sent (CALL-11) */
	size_t n_record_route;
	struct target caller; /* template of each dialog's caller target */
	struct dialog *dialogs;
	unsigned n_dialogs;
	uint32_t invite_cseq;
	char *winner; /* callee tag of the first 2xx */
	struct xact *xacts;
	unsigned n_xacts;
	struct xact *invite; /* the initial one while it lives */
	struct job *jobs;
	struct job *current; /* owned: the one being worked on, or waiting */
	unsigned n_jobs;
	bool waiting; /* the job at the head waits for the AGW or the flow */
	bool running; /* the queue is being worked on */
	bool acked, released, stats_pending;
	bool bye_owed;               /* the WIC was away when the call ended, and may come back */
	struct event *timer_hold;    /* owned: a request waits for the flow */
	struct event *timer_consent; /* owned */
	struct event *timer_max;     /* owned: maximum duration */
	struct session_timer session;
	struct own *own; /* owned: requests of the gateway itself (own.h) */
	bool own_busy;   /* they are being looked through */
	struct repair repair;
	uint64_t picture_ms;     /* the core refused to be asked for one: not before; 0 = ask */
	uint64_t wic_picture_ms; /* when the core asked the WIC for one last */
	char *core_offer;        /* owned: its last, while it has preconditions that we answer */
	bool local_100rel;       /* we acknowledge 1xx of the core for the WIC (CALL-27) */
	struct media media;
	uint64_t refreshed_ms; /* when both parties agreed to the session interval last */
	uint32_t interval_s;   /* 0 = none */
	/* record (REL-18) */
	enum cause cause;
	int status;
	uint64_t started_ms, answered_ms, ended_ms;
	time_t started_at;
	char ident[768];        /* identity keys of every log line */
	char stats[1536];       /* media statistics, of each context that it had */
	size_t stats_kept;      /* octets of them that are of earlier ones */
	unsigned moves;         /* to another AGW */
	const char *incomplete; /* why some are missing; a literal, NULL = none is */
	struct call *next_dead;
	struct cscf_story_call *story; /* borrowed, until call_free; NULL = none is kept */
};

#endif
