/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the media plane for /metrics: packets dropped by reason (read from the workers at
 * each scrape) and events by kind, failed associations by cause (counted as they pass to the
 * control thread).
 */
#include "agw/ice/leave.h"
#include "agw/relay/stats.h"
#include "agw/worker/worker_int.h"
#include "common/metric.h"

static const struct agw_pool *shown; /* the pool the table speaks of; NULL = none */

/* What read_drops is asked for; the table points into it. */
static const enum agw_drop reasons[AGW_DROP_COUNT] = {
#define X(name, word) [AGW_DROP_##name] = AGW_DROP_##name,
    AGW_DROP_LIST(X)
#undef X
};

static int64_t read_drops(void *arg)
{
	const enum agw_drop *why = arg;
	int64_t sum = 0;

	for (unsigned i = 0; shown != NULL && i < shown->n_workers; i++)
		sum += (int64_t)agw_pool_drops(shown, i, *why);
	return sum;
}

static struct gw_metric drops[AGW_DROP_COUNT] = {
#define X(id, word)                                                                                \
	[AGW_DROP_##id] = {.name = "agw_media_drop_total",                                         \
			   .labels = "reason=\"" word "\"",                                        \
			   .type = GW_METRIC_COUNTER,                                              \
			   .help = "Datagrams of media ports not relayed or not answered",         \
			   .read = read_drops},
    AGW_DROP_LIST(X)
#undef X
};

static int64_t read_nacked(void *arg)
{
	int64_t sum = 0;

	(void)arg;
	for (unsigned i = 0; shown != NULL && i < shown->n_workers; i++)
		sum += (int64_t)agw_counter_read(&shown->workers[i].env.nacked);
	return sum;
}

static int64_t read_resent(void *arg)
{
	int64_t sum = 0;

	(void)arg;
	for (unsigned i = 0; shown != NULL && i < shown->n_workers; i++)
		sum += (int64_t)agw_counter_read(&shown->workers[i].env.resent);
	return sum;
}

static int64_t read_resend_octets(void *arg)
{
	(void)arg;
	return shown != NULL ? (int64_t)agw_counter_read(&shown->resend.used) : 0;
}

static int64_t read_resend_refused(void *arg)
{
	(void)arg;
	return shown != NULL ? (int64_t)agw_counter_read(&shown->resend.refused) : 0;
}

static const enum agw_side sides[] = {AGW_SIDE_ACCESS, AGW_SIDE_CORE};

static int64_t read_oversize(void *arg)
{
	const enum agw_side *side = arg;
	int64_t sum = 0;

	for (unsigned i = 0; shown != NULL && i < shown->n_workers; i++)
		sum += (int64_t)agw_counter_read(&shown->workers[i].env.oversize[*side]);
	return sum;
}

#define OVERSIZE(word)                                                                             \
	{                                                                                          \
		.name = "agw_rtp_oversize_total", .labels = "side=\"" word "\"",                   \
		.type = GW_METRIC_COUNTER,                                                         \
		.help = "RTP packets sent to that side in more than 1500 octets of IP",            \
		.read = read_oversize                                                              \
	}

static struct gw_metric oversize[] = {
    [AGW_SIDE_ACCESS] = OVERSIZE("access"),
    [AGW_SIDE_CORE] = OVERSIZE("core"),
};

static struct gw_metric resends[] = {
    {.name = "agw_media_nacked_total",
     .type = GW_METRIC_COUNTER,
     .help = "Packets WICs asked for again",
     .read = read_nacked},
    {.name = "agw_media_resent_total",
     .type = GW_METRIC_COUNTER,
     .help = "Packets sent to WICs again, by the gateway",
     .read = read_resent},
    {.name = "agw_media_resend_octets",
     .type = GW_METRIC_GAUGE,
     .help = "Memory for packets that may be asked for again",
     .read = read_resend_octets},
    {.name = "agw_media_resend_no_memory_total",
     .type = GW_METRIC_COUNTER,
     .help = "Tries of streams to have some when media.resend_memory was used up; half of it is "
	     "for those whose WIC has lost packets",
     .read = read_resend_refused},
};

/* What read_delayed is asked for; the table points into it. */
static const enum agw_delay waits[AGW_DELAY_COUNT] = {AGW_DELAY_RUNNING, AGW_DELAY_SOURCE};

static int64_t read_delayed(void *arg)
{
	const enum agw_delay *why = arg;
	int64_t sum = 0;

	for (unsigned i = 0; shown != NULL && i < shown->n_workers; i++)
		sum += (int64_t)agw_counter_read(&shown->workers[i].env.delayed[*why]);
	return sum;
}

#define DELAYED(word)                                                                              \
	{                                                                                          \
		.name = "agw_dtls_delayed_total", .labels = "for=\"" word "\"",                    \
		.type = GW_METRIC_COUNTER,                                                         \
		.help = "Handshakes that had to wait: for others to finish, or for their source",  \
		.read = read_delayed                                                               \
	}

static struct gw_metric delayed[AGW_DELAY_COUNT] = {
    [AGW_DELAY_RUNNING] = DELAYED("running"),
    [AGW_DELAY_SOURCE] = DELAYED("source"),
};

static int64_t read_returned(void *arg)
{
	struct agw_ice_leave_load load = {0};

	(void)arg;
	if (shown != NULL && shown->leave != NULL)
		agw_ice_leave_load(shown->leave, &load);
	return (int64_t)load.returned;
}

static int64_t read_kept(void *arg)
{
	struct agw_ice_leave_load load = {0};

	(void)arg;
	if (shown != NULL && shown->leave != NULL)
		agw_ice_leave_load(shown->leave, &load);
	return (int64_t)load.kept;
}

static struct gw_metric relays[] = {
    {.name = "agw_turn_allocations_total",
     .labels = "end=\"returned\"",
     .type = GW_METRIC_COUNTER,
     .help = "Allocations of streams that went: given back, or maybe the server's until they "
	     "end by themselves",
     .read = read_returned},
    {.name = "agw_turn_allocations_total",
     .labels = "end=\"kept\"",
     .type = GW_METRIC_COUNTER,
     .help = "Allocations of streams that went: given back, or maybe the server's until they "
	     "end by themselves",
     .read = read_kept},
};

#define EVENT(word)                                                                                \
	{                                                                                          \
		.name = "agw_media_event_total", .labels = "event=\"" word "\"",                   \
		.type = GW_METRIC_COUNTER, .help = "Events of streams: ICE, DTLS, consent, media"  \
	}

static struct gw_metric events[AGW_EV_COUNT] = {
    [AGW_EV_ICE_CONNECTED] = EVENT("ice-connected"),
    [AGW_EV_ICE_FAILED] = EVENT("ice-failed"),
    [AGW_EV_PAIR_CHANGED] = EVENT("ice-pair-changed"),
    [AGW_EV_DTLS_ESTABLISHED] = EVENT("dtls-established"),
    [AGW_EV_DTLS_FAILED] = EVENT("dtls-failed"),
    [AGW_EV_DTLS_CLOSED] = EVENT("dtls-closed"),
    [AGW_EV_CONSENT_LOST] = EVENT("consent-lost"),
    [AGW_EV_CONSENT_RESTORED] = EVENT("consent-restored"),
    [AGW_EV_MEDIA_INACTIVE] = EVENT("media-inactive"),
    [AGW_EV_MEDIA_ACTIVE] = EVENT("media-active"),
    [AGW_EV_CORE_LATCHED] = EVENT("core-latched"),
    [AGW_EV_SSRC_CHANGED] = EVENT("ssrc-changed"),
    [AGW_EV_PT_UNKNOWN] = EVENT("pt-unknown"),
    [AGW_EV_POLICED] = EVENT("policed"),
    [AGW_EV_NEW_PRFLX] = EVENT("ice-new-prflx"),
    [AGW_EV_KEY_LIMIT] = EVENT("srtp-key-limit"),
    [AGW_EV_PICTURE_ASKED] = EVENT("picture-asked"),
    [AGW_EV_GATHERED] = EVENT("ice-gathered"),
};

#define CAUSE(word)                                                                                \
	{                                                                                          \
		.name = "agw_dtls_failed_total", .labels = "cause=\"" word "\"",                   \
		.type = GW_METRIC_COUNTER,                                                         \
		.help = "DTLS associations that failed or were closed, by cause"                   \
	}

static struct gw_metric causes[AGW_CAUSE_COUNT] = {
    [AGW_CAUSE_NONE] = CAUSE("none"),
    [AGW_CAUSE_TIMEOUT] = CAUSE("timeout"),
    [AGW_CAUSE_FINGERPRINT] = CAUSE("fingerprint"),
    [AGW_CAUSE_FP_WAIT] = CAUSE("fingerprint-wait"),
    [AGW_CAUSE_NO_SRTP] = CAUSE("no-srtp"),
    [AGW_CAUSE_NO_CERT] = CAUSE("no-certificate"),
    [AGW_CAUSE_ALERT] = CAUSE("alert"),
    [AGW_CAUSE_CLOSE_NOTIFY] = CAUSE("close-notify"),
    [AGW_CAUSE_PROTOCOL] = CAUSE("protocol"),
    [AGW_CAUSE_INTERNAL] = CAUSE("internal"),
};

void agw_metrics_start(const struct agw_pool *p)
{
	if (shown != NULL)
		return;
	shown = p;
	for (int i = 0; i < AGW_DROP_COUNT; i++)
		drops[i].arg = (void *)(uintptr_t)&reasons[i]; /* read only; void * of the table */
	for (int i = 0; i < 2; i++)
		oversize[i].arg = (void *)(uintptr_t)&sides[i];
	gw_metric_register(drops, AGW_DROP_COUNT);
	for (int i = 0; i < AGW_DELAY_COUNT; i++)
		delayed[i].arg = (void *)(uintptr_t)&waits[i]; /* as above */
	gw_metric_register(delayed, AGW_DELAY_COUNT);
	gw_metric_register(oversize, 2);
	gw_metric_register(resends, sizeof(resends) / sizeof(resends[0]));
	gw_metric_register(relays, sizeof(relays) / sizeof(relays[0]));
	gw_metric_register(events, AGW_EV_COUNT);
	gw_metric_register(causes, AGW_CAUSE_COUNT);
}

void agw_metrics_stop(const struct agw_pool *p)
{
	if (shown != p)
		return;
	shown = NULL;
	gw_metric_unregister(drops);
	gw_metric_unregister(delayed);
	gw_metric_unregister(oversize);
	gw_metric_unregister(resends);
	gw_metric_unregister(relays);
	gw_metric_unregister(events);
	gw_metric_unregister(causes);
}

void agw_metrics_event(const struct agw_stream_event *ev)
{
	gw_metric_inc(&events[ev->kind]);
	if (ev->kind == AGW_EV_DTLS_FAILED || ev->kind == AGW_EV_DTLS_CLOSED)
		gw_metric_inc(&causes[ev->cause]);
}
