/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that all streams of a worker share on the access side: whose is this datagram?
 *
 *   STUN             by the local ufrag in its USERNAME; it proves itself to that stream's ICE
 *   anything else    by (port, remote address), which an authenticated check has entered
 *   neither known    dropped: one look into a table, no stream is touched; a check gets the 400 or
 *                    401 of ICE-11, a few a second
 *
 * Only a check with good MESSAGE-INTEGRITY enters an address, so a stranger makes no state. ICE
 * asks here before it answers such a check: an address is one stream's at a time, and stays with
 * it until nothing authentic (check, answer, SRTP) has come from there for AGW_SHARE_FRESH_MS.
 * So a subscriber who forges the address of another one takes nothing away and gets nobody's media
 * sent there. It is free at once when its stream is released, or says close_notify; so a page
 * loaded again on its old port waits the moment that the call before it is silent, at most.
 * Thread: nodes are made and freed on the control thread with their stream; the rest belongs to
 * the worker.
 */
#ifndef AGW_RELAY_SHARE_H
#define AGW_RELAY_SHARE_H

#include "agw/ice/ice.h"
#include "agw/relay/stream.h"

#define AGW_SHARE_SOURCES 8 /* addresses of one leg; as many as ICE remembers */
/* A WIC that lives is heard more often, on hold too: it asks for consent every 4 to 6 s (RFC 7675
 * s5.1), and reports by RTCP in about 5 s besides. */
#define AGW_SHARE_FRESH_MS 7000

struct agw_leg;

/* A leg's places in the tables. */
struct agw_share_source {
	struct agw_share_source *next; /* in its bucket */
	struct agw_leg *leg;           /* NULL = free */
	struct gw_addr from;
	unsigned sock;
	uint64_t until_ms; /* checks and answers keep it so long; media: see share.c */
};

struct agw_share_nodes {
	struct agw_share_source sources[AGW_SHARE_SOURCES];
	unsigned port;              /* of the worker's shared ports */
	int mark[AGW_FAMILY_COUNT]; /* DSCP each datagram must carry, -1 = the socket's is right */
};

/**
 * @param max_streams sizes the tables; more streams only make them slower
 * @return GW_OK; GW_ERR_NOMEM
 */
enum gw_err agw_share_new(struct agw_share **out, uint32_t max_streams) GW_MUST_CHECK;
void agw_share_free(struct agw_share *sh);

/** A socket of a shared port; fd borrowed. Before the worker starts. */
void agw_share_open(struct agw_share *sh, unsigned port, enum agw_family family, int fd);
/** To poll: i counts from 0; NULL behind the last. */
struct agw_sock *agw_share_sock(struct agw_share *sh, unsigned i);
/**
 * Streams send by this socket with that DSCP (-1 = none). The first one marks the socket.
 * @return what each datagram must be marked with, -1 = nothing
 */
int agw_share_mark(struct agw_share *sh, unsigned port, enum agw_family family, int dscp);

/**
 * A good check of the leg came from there, or an answer: enter the address, or keep it longer.
 * @param proven false: only told (ICE-19); it is kept until somebody proves to be there
 * @return false: it is that of another stream, which lives
 */
bool agw_share_claim(struct agw_share *sh, struct agw_leg *l, unsigned local,
		     const struct gw_addr *from, bool proven, uint64_t now_ms);
/** Whoever shows up with a good check may have the leg's addresses now; till then it keeps them. */
void agw_share_let_go(struct agw_leg *l);
/** Nothing is the leg's any more. Before agw_names_leave. */
void agw_share_leave(struct agw_share *sh, struct agw_leg *l);

struct agw_leg *agw_share_by_source(const struct agw_share *sh, unsigned sock,
				    const struct gw_addr *from);
/** The same in two steps, for batches: the first fetches what the second reads. */
uint32_t agw_share_hash(const struct agw_share *sh, unsigned sock, const struct gw_addr *from);
struct agw_leg *agw_share_by_hash(const struct agw_share *sh, uint32_t hash, unsigned sock,
				  const struct gw_addr *from);
/** A check for nobody: an error answer while there are few (ICE-11); silence for malformed
 * ones (ICE-31), and for those of a stream that was here (ICE-20). */
void agw_share_refuse(struct agw_share *sh, struct agw_ice_env *ice, const struct agw_sock *sock,
		      const struct agw_udp_pkt *pkt, uint64_t now_ms);
/**
 * Keep a check that names nobody until the mailbox has been read: it may be for a stream that is
 * still in there (ICE-10). @return false: no room, or nothing to hope for
 */
bool agw_share_keep(struct agw_share *sh, struct agw_sock *sock, const struct agw_udp_pkt *pkt);
bool agw_share_has_kept(const struct agw_share *sh);
/** The next kept one. @return NULL: no more; they are forgotten */
struct agw_sock *agw_share_next_kept(struct agw_share *sh, struct agw_udp_pkt *out);

#endif
