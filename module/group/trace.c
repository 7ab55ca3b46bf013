// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints of groups, and what the window tells through them.
 */
#include "core/trace.h"
#include "core/inflight.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

#define CREATE_TRACE_POINTS
#include "group/trace.h"

static const struct mqbus_group *window_group(const struct mqbus_window *w)
{
	return container_of(w, struct mqbus_group_queue, window)->group;
}

static void window_settle(const struct mqbus_window *w, u32 i, const char *what)
{
	trace_settle(window_group(w), mqbus_window_entry(w, i)->partition,
		     mqbus_window_record(w, i)->offset, what);
}

static void window_retry(const struct mqbus_window *w, u32 i, const char *reason, u64 wait)
{
	const struct mqbus_entry *e = mqbus_window_entry(w, i);

	trace_retry(window_group(w), e->partition, mqbus_window_record(w, i)->offset,
		    e->failures, reason, wait);
}

static const struct mqbus_trace window_trace = {
	.settle = window_settle,
	.retry = window_retry,
};

static unsigned int window_events;

/**
 * mqbus_trace_window() - somebody looks at one more event of the window
 *
 * Return: 0.
 */
int mqbus_trace_window(void)
{
	window_events++;
	WRITE_ONCE(mqbus_trace, &window_trace);
	return 0;
}

/**
 * mqbus_trace_no_window() - undo mqbus_trace_window()
 */
void mqbus_trace_no_window(void)
{
	if (!--window_events)
		WRITE_ONCE(mqbus_trace, NULL);
}
