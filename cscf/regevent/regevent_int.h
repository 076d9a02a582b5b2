/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of cscf/regevent only.
 *
 *   regevent.c  the object, the users        sub.c      one subscription: dialog, SUBSCRIBE
 *   notify.c    a NOTIFY: whose, is it good  sub_fsm.c  its life
 *   document.c  what a document changes      metrics.c  counters
 *
 * Thread: the cscf loop.
 */
#ifndef CSCF_REGEVENT_REGEVENT_INT_H
#define CSCF_REGEVENT_REGEVENT_INT_H

#include "common/fsm.h"
#include "cscf/regevent/regevent.h"
#include "cscf/xml/reginfo.h"

#include <uthash.h>

#define RE_MAX_ROUTES    16
#define RE_BACKOFF_MAX_S 1800
#define RE_LINGER_MS     32000 /* 64*T1: the core's last NOTIFY after the last registration */
#define RE_TIMER_N_MS    32000 /* 64*T1: the first NOTIFY after the 2xx (RFC 6665 s4.1.2.4) */
#define RE_LASTED_MS     60000 /* a dialog this old did not end at once */

enum sub_state {
	SUB_S_IDLE,
	SUB_S_SUBSCRIBING, /* SUBSCRIBE of a new dialog is out */
	SUB_S_ACTIVE,
	SUB_S_REFRESHING, /* SUBSCRIBE in the dialog is out */
	SUB_S_WAITING,    /* no dialog; the next attempt comes with the timer */
	SUB_S_GAVE_UP,    /* the core will not have it: registrations rely on their expiry */
	SUB_S_LINGERING,  /* the user has gone; last NOTIFYs are still answered */
	SUB_S_DONE,
	SUB_S_COUNT
};

enum sub_event {
	SUB_E_START,
	SUB_E_ACCEPTED, /* data: const struct sub_answer * */
	SUB_E_REFUSED,  /* data: const struct sub_answer * */
	SUB_E_TIMER,
	SUB_E_LIVES,      /* NOTIFY active or pending; data: const uint32_t *, seconds left */
	SUB_E_TERMINATED, /* NOTIFY terminated; data: const struct sub_end * */
	SUB_E_RESYNC,     /* our picture has a hole */
	SUB_E_USER_GONE,
	SUB_E_COUNT
};

struct sub_answer {
	int status;
	bool local;             /* nobody answered */
	uint32_t expires_s;     /* of a 2xx */
	uint32_t retry_after_s; /* 0 = not told */
	uint32_t min_expires_s; /* 423 */
};

enum sub_reason { /* RFC 6665 s4.1.3 */
		  SUB_R_NONE,
		  SUB_R_DEACTIVATED,
		  SUB_R_PROBATION,
		  SUB_R_REJECTED,
		  SUB_R_TIMEOUT,
		  SUB_R_GIVEUP,
		  SUB_R_NORESOURCE,
		  SUB_R_OTHER
};

struct sub_end {
	enum sub_reason reason;
	uint32_t retry_after_s; /* 0 = not told */
};

struct sub {
	struct gw_fsm fsm;
	struct cscf_regevent *re;
	char *impi, *impu;      /* owned; impu is Request-URI and To of a new dialog */
	uint32_t granted_s;     /* of the registration */
	uint32_t min_expires_s; /* that the core asked for; 0 = none */
	gw_handle client;       /* the SUBSCRIBE under way */

	/* the dialog */
	char call_id[160], from_tag[17];
	char *remote_tag; /* owned; NULL = not established */
	char *target;     /* owned; NULL = not established */
	char **routes;    /* owned; whole values */
	size_t n_routes;
	uint32_t cseq, remote_cseq;
	bool have_remote_cseq;
	uint32_t version; /* of the last document */
	bool have_version;
	int64_t began_at_ms, expires_at_ms;

	unsigned failures; /* answers that were none or a refusal, in a row */
	unsigned restarts; /* dialogs that ended young, in a row */
	unsigned resyncs;  /* since the last good document */
	bool is_users;     /* found by IMPI; not so once the user has gone */
	struct sub *next_dead;
	UT_hash_handle hh, hh_impi;
};

struct cscf_regevent {
	const struct cscf_regevent_config *cfg; /* borrowed */
	struct cscf_regevent_parts p;
	struct sub *by_call_id;   /* uthash hh: all; owned */
	struct sub *by_impi;      /* uthash hh_impi: those of registered users */
	struct sub *dead;         /* freed from the loop */
	struct event *reaper;     /* owned */
	char *from_uri, *contact; /* owned: "sip:epcscf1…", "<sip:epcscf1…:5060>" */
};

int64_t re_now_ms(void);

/* ---- sub.c -------------------------------------------------------------------------------------
 */

/** @return NULL when out of memory; otherwise IDLE and found by IMPI */
struct sub *sub_new(struct cscf_regevent *re, const struct cscf_registrar_user *user);
void sub_free(struct sub *s);
/** Deliver an event; a subscription that is done is freed with the next turn of the loop. */
void sub_tell(struct sub *s, enum sub_event event, void *data);
/** No longer the one of its user. */
void sub_forget_user(struct sub *s);
/** What comes for the dialog from now on is for nobody. */
void sub_forget_dialog(struct sub *s);
/** Forget the dialog and begin another: fresh Call-ID and tag. */
void sub_new_dialog(struct sub *s);
/** Send SUBSCRIBE: in the dialog when it is established. @return GW_OK; any error of the stack */
enum gw_err sub_send(struct sub *s) GW_MUST_CHECK;
/** The answer to the SUBSCRIBE under way is of no interest any more. */
void sub_drop_client(struct sub *s);
/** Take tag, target and routes of the first message of the dialog from the core. */
enum gw_err sub_learn(struct sub *s, const struct cscf_sip_msg *msg) GW_MUST_CHECK;
/** New remote target. */
void sub_retarget(struct sub *s, const struct cscf_sip_msg *msg);

/* ---- sub_fsm.c ---------------------------------------------------------------------------------
 */

extern const struct gw_fsm_desc sub_fsm_desc;

/* ---- document.c --------------------------------------------------------------------------------
 */

enum document_result { DOCUMENT_APPLIED, DOCUMENT_STALE, DOCUMENT_GAP };

/**
 * Do what a document says (REG-65, REG-66).
 * @param closing  the NOTIFY said Subscription-State: terminated (DEREG-23)
 */
enum document_result document_apply(struct sub *s, const struct cscf_reginfo *info, bool closing);

/* ---- metrics.c ---------------------------------------------------------------------------------
 */

enum re_metric {
	RE_M_SUBSCRIPTIONS, /* gauge */
	RE_M_ACCEPTED,
	RE_M_REFUSED,
	RE_M_NO_ANSWER,
	RE_M_NOT_SENT,
	RE_M_LIMIT,
	RE_M_GAVE_UP,
	RE_M_ALARM,
	RE_M_RESYNC,
	RE_M_N_APPLIED, /* NOTIFYs by what came of them */
	RE_M_N_STALE,
	RE_M_N_EMPTY,
	RE_M_N_LATE,
	RE_M_N_UNKNOWN,
	RE_M_N_FORGED,
	RE_M_N_ORDER,
	RE_M_N_BAD_EVENT,
	RE_M_N_BAD_STATE,
	RE_M_N_BAD_TYPE,
	RE_M_N_BAD_DOCUMENT,
	RE_M_COUNT
};
void re_metric_inc(enum re_metric m);
void re_metric_set(enum re_metric m, int64_t v);
void re_metrics_register(void);
void re_metrics_unregister(void);

#endif
