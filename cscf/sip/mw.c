/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of the core side and everything UDP; see mw.h.
 */
#include "cscf/sip/mw_int.h"

#include "cscf/sip/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define DATAGRAMS_PER_WAKEUP 64
#define PORT_TRIES           32

bool cscf_sip_mw_is_peer(const struct cscf_sip_mw *mw, const struct gw_addr *a)
{
	return cscf_sip_peers_has(mw->peers, a);
}

void cscf_sip_mw_refuse(const struct gw_addr *a, const char *transport)
{
	char addr[GW_ADDR_STRLEN];

	cscf_sip_count(CSCF_SIP_N_NOT_PEER);
	GW_LOG_LIMITED(GW_LOG_WARN, "sip.not_a_peer", "transport=%s remote=%s", transport,
		       gw_addr_str(a, addr, sizeof(addr)));
}

/* --- UDP --- */

static void on_datagram(struct cscf_sip_udp *u, const struct gw_addr *from, size_t n)
{
	struct cscf_sip_mw *mw = u->mw;
	struct cscf_sip_flow flow = {
	    .side = CSCF_SIP_MW, .transport = CSCF_SIP_UDP, .local = u->local, .remote = *from};

	if (!cscf_sip_mw_is_peer(mw, from)) {
		cscf_sip_mw_refuse(from, "UDP");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char c = mw->datagram[i];

		if (c != '\r' && c != '\n' && c != '\0') {
			mw->cbs->on_message(mw->arg, &flow, mw->datagram, n, false);
			return;
		}
	}
	/* nothing but blank lines: a keep-alive that holds a NAT open */
}

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_sip_udp *u = arg;

	(void)what;
	for (int i = 0; i < DATAGRAMS_PER_WAKEUP; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct gw_addr from;
		ssize_t n = recvfrom(fd, u->mw->datagram, CSCF_SIP_DATAGRAM, 0,
				     (struct sockaddr *)&ss, &len);

		if (n < 0)
			return;
		if (gw_addr_from_sa(&from, (struct sockaddr *)&ss, len) == GW_OK)
			on_datagram(u, &from, (size_t)n);
	}
}

enum gw_err cscf_sip_mw_send_udp(struct cscf_sip_mw *mw, const struct gw_addr *to, const char *text,
				 size_t n)
{
	if (!cscf_sip_mw_is_peer(mw, to)) {
		cscf_sip_mw_refuse(to, "UDP");
		return GW_ERR_DENIED;
	}
	for (size_t i = 0; i < mw->n_udp; i++) {
		if (mw->udp[i].local.u.sa.sa_family != to->u.sa.sa_family)
			continue;
		if (sendto(mw->udp[i].fd, text, n, 0, &to->u.sa, to->len) >= 0)
			return GW_OK;
		if (errno == EAGAIN || errno == ENOBUFS)
			return GW_OK; /* lost like a datagram: the timers repair it */
		return gw_err_from_errno(errno);
	}
	return GW_ERR_UNSUPPORTED;
}

static enum gw_err open_udp(struct cscf_sip_mw *mw, const struct gw_addr *a)
{
	struct cscf_sip_udp *u = &mw->udp[mw->n_udp];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int one = 1;
	int size = 1 << 20;
	int fd = socket(a->u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return gw_err_from_errno(errno);
	if (gw_addr_is_v6(a))
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, &a->u.sa, a->len) != 0 || getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    gw_addr_from_sa(&u->local, (struct sockaddr *)&ss, len) != GW_OK) {
		enum gw_err err = gw_err_from_errno(errno);

		close(fd);
		return err;
	}
	u->mw = mw;
	u->fd = fd;
	u->event = event_new(mw->base, fd, EV_READ | EV_PERSIST, on_udp, u);
	if (u->event == NULL || event_add(u->event, NULL) != 0) {
		if (u->event != NULL)
			event_free(u->event);
		close(fd);
		return GW_ERR_NOMEM;
	}
	mw->n_udp++;
	return GW_OK;
}

/* --- TCP listener --- */

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *arg)
{
	struct cscf_sip_mw *mw = arg;
	struct gw_addr remote, local = {.len = 0};
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	(void)l;
	if (gw_addr_from_sa(&remote, sa, (socklen_t)len) != GW_OK) {
		close(fd);
		return;
	}
	if (!cscf_sip_mw_is_peer(mw, &remote)) {
		cscf_sip_mw_refuse(&remote, "TCP");
		close(fd);
		return;
	}
	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0 ||
	    gw_addr_from_sa(&local, (struct sockaddr *)&ss, n) != GW_OK)
		local.len = 0;
	cscf_sip_tcp_accepted(mw, fd, &remote, &local);
}

static enum gw_err open_tcp(struct cscf_sip_mw *mw, struct gw_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct evconnlistener *l = evconnlistener_new_bind(
	    mw->base, on_accept, mw,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC |
		(gw_addr_is_v6(a) ? LEV_OPT_BIND_IPV6ONLY : 0u),
	    128, &a->u.sa, (int)a->len);

	if (l == NULL)
		return gw_err_from_errno(errno);
	if (getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&ss, &len) != 0 ||
	    gw_addr_from_sa(a, (struct sockaddr *)&ss, len) != GW_OK) {
		evconnlistener_free(l);
		return GW_ERR_IO;
	}
	mw->tcp[mw->n_tcp] = l;
	mw->tcp_local[mw->n_tcp] = *a; /* with the real port, which UDP then takes too */
	mw->n_tcp++;
	return GW_OK;
}

/* --- life --- */

static bool list_has(const struct gw_conf_list *l, const char *word)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcasecmp(l->item[i], word) == 0)
			return true;
	return l->n == 0;
}

/* Both transports on one address. With port 0 the kernel's choice for TCP may be taken for UDP. */
static enum gw_err open_both(struct cscf_sip_mw *mw, const struct gw_addr *wanted)
{
	bool any_port = gw_addr_port(wanted) == 0;
	enum gw_err err = GW_OK;

	for (int i = 0; i < PORT_TRIES; i++) {
		struct gw_addr a = *wanted;

		if (mw->use_tcp)
			err = open_tcp(mw, &a);
		if (err != GW_OK || !mw->use_udp)
			return err;
		err = open_udp(mw, &a);
		if (err == GW_OK || !any_port || !mw->use_tcp)
			return err;
		evconnlistener_free(mw->tcp[--mw->n_tcp]);
	}
	return err;
}

static enum gw_err listen_all(struct cscf_sip_mw *mw, char *errbuf, size_t errlen)
{
	const struct gw_conf_list *l = &mw->cfg->mw_listen;

	if (l->n > CSCF_SIP_MAX_LISTEN) {
		snprintf(errbuf, errlen, "mw.listen: more than %d addresses", CSCF_SIP_MAX_LISTEN);
		return GW_ERR_INVAL;
	}
	for (size_t i = 0; i < l->n; i++) {
		struct gw_addr a;
		enum gw_err err = gw_addr_parse(&a, l->item[i], 5060);

		if (err == GW_OK)
			err = open_both(mw, &a);
		if (err != GW_OK) {
			snprintf(errbuf, errlen, "mw.listen %s: %s", l->item[i], gw_err_name(err));
			return err;
		}
	}
	return GW_OK;
}

enum gw_err cscf_sip_mw_new(struct cscf_sip_mw **out, struct event_base *base,
			    const struct cscf_sip_config *cfg, const struct cscf_sip_mw_cbs *cbs,
			    void *arg, char *errbuf, size_t errlen)
{
	struct cscf_sip_mw *mw = calloc(1, sizeof(*mw));
	enum gw_err err = GW_ERR_NOMEM;

	*out = NULL;
	if (mw == NULL)
		return err;
	mw->base = base;
	mw->cfg = cfg;
	mw->cbs = cbs;
	mw->arg = arg;
	mw->use_udp = list_has(&cfg->mw_transport, "udp");
	mw->use_tcp = list_has(&cfg->mw_transport, "tcp");
	mw->datagram = malloc(CSCF_SIP_DATAGRAM);
	if (mw->datagram == NULL)
		goto fail;
	if (!mw->use_udp && !mw->use_tcp) {
		snprintf(errbuf, errlen, "mw.transport: neither tcp nor udp");
		err = GW_ERR_INVAL;
		goto fail;
	}
	err = cscf_sip_peers_new(&mw->peers, base, cfg, errbuf, errlen);
	if (err == GW_OK)
		err = listen_all(mw, errbuf, errlen);
	if (err != GW_OK)
		goto fail;
	*out = mw;
	return GW_OK;
fail:
	cscf_sip_mw_free(mw);
	return err;
}

void cscf_sip_mw_free(struct cscf_sip_mw *mw)
{
	if (mw == NULL)
		return;
	cscf_sip_tcp_free_all(mw);
	cscf_sip_peers_free(mw->peers);
	for (size_t i = 0; i < mw->n_tcp; i++)
		evconnlistener_free(mw->tcp[i]);
	for (size_t i = 0; i < mw->n_udp; i++) {
		event_free(mw->udp[i].event);
		close(mw->udp[i].fd);
	}
	free(mw->datagram);
	free(mw);
}

bool cscf_sip_mw_has(const struct cscf_sip_mw *mw, enum cscf_sip_transport transport)
{
	return transport == CSCF_SIP_UDP ? mw->use_udp : transport == CSCF_SIP_TCP && mw->use_tcp;
}

bool cscf_sip_mw_local(const struct cscf_sip_mw *mw, enum cscf_sip_transport transport,
		       struct gw_addr *out)
{
	if (transport == CSCF_SIP_UDP && mw->n_udp > 0)
		*out = mw->udp[0].local;
	else if (transport == CSCF_SIP_TCP && mw->n_tcp > 0)
		*out = mw->tcp_local[0];
	else
		return false;
	return true;
}
