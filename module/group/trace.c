// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints of groups, also for the in-flight table.
 */
#include "core/trace.h"
#include "core/inflight.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

#define CREATE_TRACE_POINTS
#include "group/trace.h"

static const struct mqbus_group *inflight_group(const struct mqbus_inflight *f)
{
	return container_of(f, struct mqbus_group_queue, inflight)->group;
}

static void inflight_settle(const struct mqbus_inflight *f, u32 i, const char *what)
{
	trace_settle(inflight_group(f), mqbus_inflight_entry(f, i)->partition,
		     mqbus_inflight_record(f, i)->offset, what);
}

static void inflight_retry(const struct mqbus_inflight *f, u32 i, const char *reason, u64 wait)
{
	const struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	trace_retry(inflight_group(f), e->partition, mqbus_inflight_record(f, i)->offset,
		    e->failures, reason, wait);
}

static const struct mqbus_trace inflight_trace = {
	.settle = inflight_settle,
	.retry = inflight_retry,
};

static unsigned int inflight_events;

/* Connect the in-flight table for one more enabled event. Return: 0 */
int mqbus_trace_inflight(void)
{
	inflight_events++;
	WRITE_ONCE(mqbus_trace, &inflight_trace);
	return 0;
}

/* Undo mqbus_trace_inflight() */
void mqbus_trace_no_inflight(void)
{
	if (!--inflight_events)
		WRITE_ONCE(mqbus_trace, NULL);
}
