/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line of those whose handshake is under way, in the order they came. Open connections go
 * before them (listener.h); where these leave no pause, the listener takes some out of the line
 * from time to time, and they go with the open ones from then on.
 */
#include "cscf/ws/ws_int.h"

#include <event2/buffer.h>
#include <utlist.h>

void cscf_ws_line_join(struct cscf_ws_conn *c)
{
	DL_APPEND2(c->l->line, c, line_prev, line_next);
	c->in_line = true;
}

void cscf_ws_line_leave(struct cscf_ws_conn *c)
{
	if (!c->in_line)
		return;
	DL_DELETE2(c->l->line, c, line_prev, line_next);
	c->in_line = false;
}

void cscf_ws_line_advance(struct cscf_ws_listener *l, int most)
{
	while (most-- > 0 && l->line != NULL) {
		struct cscf_ws_conn *c = l->line;

		cscf_ws_line_leave(c);
		cscf_ws_stream_set_priority(&c->stream, CSCF_WS_PRIO_USUAL);
		/* whoever was about to be called waits anew, and has a look at once */
		cscf_ws_stream_want(&c->stream, true, evbuffer_get_length(c->out) > 0);
		cscf_ws_stream_again(&c->stream);
	}
}
