/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets and the clock of a full agent.
 *
 * The kernel gives libnice's socket what begins like STUN, and nothing else (agw_steer_open).
 * libnice reads until there is no more, and cannot be given a datagram: so each is looked at first,
 * where it waits (MSG_PEEK). What is malformed, unauthenticated, of an older generation, or an
 * answer to a consent request of ours is taken away again and dealt with here, with the limits of
 * ICE-29 and ICE-31; what is good is booked, and left. Behind a good one the bad cannot be taken
 * out: those few libnice refuses itself.
 *
 * A turn of the GLib context costs a poll(2) of three descriptors. It is taken when the socket has
 * something good, and when a timer of libnice is due: 50 ms apart while checks are made, else 25 s.
 */
#include "agw/ice/full_int.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#define READ_MAX  32   /* datagrams looked at in one go */
#define PEEK_MAX  2048 /* octets of one: more than STUN may have */
#define TURNS_MAX 8

static void plan(struct full *f, uint64_t now_ms)
{
	GPollFD fds[8];
	gint priority = 0;
	gint wait = -1;

	f->next_ms = NEVER;
	if (!g_main_context_acquire(f->ctx))
		return;
	if (g_main_context_prepare(f->ctx, &priority))
		wait = 0;
	else
		(void)g_main_context_query(f->ctx, G_MAXINT, &wait, fds, 8);
	g_main_context_release(f->ctx);
	if (wait >= 0)
		f->next_ms = now_ms + (uint64_t)wait;
}

void agw_full_turn(struct full *f, uint64_t now_ms)
{
	f->now_ms = now_ms;
	for (int i = 0; i < TURNS_MAX && g_main_context_iteration(f->ctx, FALSE); i++)
		;
	agw_full_gathered(f);
	plan(f, now_ms);
}

/* As many octets as were looked at, or the kernel's mark of what was looked at moves. */
static void drop_first(int fd, uint8_t *buf)
{
	/* MSG_TRUNC: the peek offset went on by the whole length, and has to come back by it */
	(void)recv(fd, buf, PEEK_MAX, MSG_DONTWAIT | MSG_TRUNC);
}

/* A stranger's check makes libnice keep a candidate: not without end. */
static bool too_many(const struct full *f, unsigned local, const struct gw_addr *from)
{
	return f->n_prflx >= PRFLX_MAX &&
	       !agw_lite_provider.is_valid_source(&f->lite.base, local, from);
}

/* AGW_ICE_PASS: libnice is to have it. */
static enum agw_ice_verdict judge(struct full *f, struct agw_ice_env *env, unsigned local,
				  const struct gw_addr *from, uint8_t *data, size_t len)
{
	struct agw_ice *b = &f->lite.base;
	enum agw_ice_verdict v;

	if (f->turn.len != 0 && gw_addr_eq(from, &f->turn))
		return AGW_ICE_PASS; /* libnice knows what it asked for */
	if (!agw_stun_is_wellformed(data, len))
		return AGW_ICE_BAD;
	if (!agw_ice_is_answer(data, len) && too_many(f, local, from))
		return AGW_ICE_REFUSED;
	v = agw_lite_provider.input(b, env, local, from, data, len, f->now_ms);
	if (v == AGW_ICE_BAD && agw_ice_is_answer(data, len))
		return AGW_ICE_PASS; /* to a check of libnice's, or to none: it knows */
	return v;
}

struct heard {
	unsigned n;
	struct gw_addr from[READ_MAX];
	bool check[READ_MAX];
};

/* Look at what waits. @return false: that was all */
static bool look(struct full *f, struct agw_ice_env *env, unsigned local, struct heard *good)
{
	struct agw_ice *b = &f->lite.base;
	_Alignas(8) uint8_t buf[PEEK_MAX];
	struct gw_addr from = {.len = sizeof(from.u)};
	int fd = f->socks[local].fd;
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC, &from.u.sa,
			     &from.len);
	enum agw_ice_verdict v = AGW_ICE_BAD;

	if (n < 0)
		return errno == ECONNREFUSED; /* an answer to an earlier packet: told once */
	if ((size_t)n <= sizeof(buf))
		v = judge(f, env, local, &from, buf, (size_t)n);
	if (v == AGW_ICE_PASS) {
		good->from[good->n] = from;
		good->check[good->n++] = !agw_ice_is_answer(buf, (size_t)n) &&
					 (f->turn.len == 0 || !gw_addr_eq(&from, &f->turn));
		return true;
	}
	if (good->n == 0)
		drop_first(fd, buf);
	b->cbs.on_heard(b->arg, local, &from, v);
	return (size_t)n <= sizeof(buf);
}

void agw_full_readable(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
		       uint64_t now_ms)
{
	struct full *f = full_of(ice);
	struct heard good = {.n = 0};

	f->now_ms = now_ms;
	if (local >= SOCKETS || f->socks[local].fd < 0)
		return;
	for (int i = 0; i < READ_MAX && look(f, env, local, &good); i++)
		;
	if (good.n > 0)
		agw_full_turn(f, now_ms);
	/* after libnice: what follows may need the pair that it has just selected */
	for (unsigned i = 0; i < good.n; i++)
		if (good.check[i])
			ice->cbs.on_heard(ice->arg, local, &good.from[i], AGW_ICE_GOOD);
}
