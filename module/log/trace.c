// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints, and what the window tells through them.
 */
#include "core/window.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"
#include "group/trace_window.h"

#define CREATE_TRACE_POINTS
#include "log/trace.h"

static const char * const settlements[] = {
	[MQBUS_ACK] = "ack",
	[MQBUS_NACK] = "nack",
	[MQBUS_RELEASE] = "release",
	[MQBUS_REJECT] = "reject",
};

static const struct mqbus_group *window_group(const struct mqbus_window *w)
{
	return container_of(w, struct mqbus_group_queue, window)->group;
}

/**
 * mqbus_window_tell_settle() - as mqbus_window_trace_settle(), when somebody looks
 * @w: the window
 * @i: an entry in use
 * @what: what becomes of it; one that ends a lease
 */
void mqbus_window_tell_settle(const struct mqbus_window *w, u32 i, enum mqbus_settlement what)
{
	trace_settle(window_group(w), mqbus_window_entry(w, i)->partition,
		     mqbus_window_record(w, i)->offset, settlements[what]);
}

/**
 * mqbus_window_tell_retry() - as mqbus_window_trace_retry(), when somebody looks
 * @w: the window
 * @i: an entry in use
 * @wait: ns until it is due
 */
void mqbus_window_tell_retry(const struct mqbus_window *w, u32 i, u64 wait)
{
	const struct mqbus_entry *e = mqbus_window_entry(w, i);

	trace_retry(window_group(w), e->partition, mqbus_window_record(w, i)->offset,
		    e->failures, mqbus_dlq_reason(e->reason), wait);
}
