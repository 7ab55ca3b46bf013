/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of groups, as those of topics in log/trace.h.
 *
 *   deliver      records are handed out. count: how many from offset on; pid: opener
 *                of the member; attempt: of a queue group, else 0
 *   settle       a record is settled by its member. what: ack, nack, release, reject; of a
 *                stream group commit: all below offset is
 *   retry        a record failed, and is to be handed out again. failures: so far;
 *                reason: nack, expired, died; wait: ns until then
 *   dead_letter  a record was moved to the DLQ, dlq. attempts, reason: as in its headers
 *   rebalance    partitions of a stream group got new owners. generation: the last;
 *                moved: how many
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mqbus

#if !defined(_MQBUS_GROUP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _MQBUS_GROUP_TRACE_H

#include <linux/tracepoint.h>

#include "base/compat.h"

struct mqbus_group;
struct mqbus_topic;

/* Connect and disconnect the in-flight table; called under the tracepoint mutex */
int mqbus_trace_inflight(void);
void mqbus_trace_no_inflight(void);

TRACE_EVENT(deliver,
	TP_PROTO(const struct mqbus_group *group, u32 pid, u32 partition, u64 offset, u64 count,
		 u32 attempt),
	TP_ARGS(group, pid, partition, offset, count, attempt),
	TP_STRUCT__entry(
		__string(topic, group->topic->name)
		__string(group, group->name)
		__field(u32, pid)
		__field(u32, partition)
		__field(u64, offset)
		__field(u64, count)
		__field(u32, attempt)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, group->topic->name);
		mqbus_assign_str(group, group->name);
		__entry->pid = pid;
		__entry->partition = partition;
		__entry->offset = offset;
		__entry->count = count;
		__entry->attempt = attempt;
	),
	TP_printk("topic=%s group=%s pid=%u partition=%u offset=%llu count=%llu attempt=%u",
		  __get_str(topic), __get_str(group), __entry->pid, __entry->partition,
		  __entry->offset, __entry->count, __entry->attempt)
);

TRACE_EVENT_FN(settle,
	TP_PROTO(const struct mqbus_group *group, u32 partition, u64 offset, const char *what),
	TP_ARGS(group, partition, offset, what),
	TP_STRUCT__entry(
		__string(topic, group->topic->name)
		__string(group, group->name)
		__string(what, what)
		__field(u32, partition)
		__field(u64, offset)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, group->topic->name);
		mqbus_assign_str(group, group->name);
		mqbus_assign_str(what, what);
		__entry->partition = partition;
		__entry->offset = offset;
	),
	TP_printk("topic=%s group=%s partition=%u offset=%llu what=%s", __get_str(topic),
		  __get_str(group), __entry->partition, __entry->offset, __get_str(what)),
	mqbus_trace_inflight, mqbus_trace_no_inflight
);

TRACE_EVENT_FN(retry,
	TP_PROTO(const struct mqbus_group *group, u32 partition, u64 offset, u32 failures,
		 const char *reason, u64 wait),
	TP_ARGS(group, partition, offset, failures, reason, wait),
	TP_STRUCT__entry(
		__string(topic, group->topic->name)
		__string(group, group->name)
		__string(reason, reason)
		__field(u32, partition)
		__field(u32, failures)
		__field(u64, offset)
		__field(u64, wait)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, group->topic->name);
		mqbus_assign_str(group, group->name);
		mqbus_assign_str(reason, reason);
		__entry->partition = partition;
		__entry->failures = failures;
		__entry->offset = offset;
		__entry->wait = wait;
	),
	TP_printk("topic=%s group=%s partition=%u offset=%llu failures=%u reason=%s wait=%llu",
		  __get_str(topic), __get_str(group), __entry->partition, __entry->offset,
		  __entry->failures, __get_str(reason), __entry->wait),
	mqbus_trace_inflight, mqbus_trace_no_inflight
);

TRACE_EVENT(dead_letter,
	TP_PROTO(const struct mqbus_group *group, const struct mqbus_topic *dlq, u32 partition,
		 u64 offset, u32 attempts, const char *reason),
	TP_ARGS(group, dlq, partition, offset, attempts, reason),
	TP_STRUCT__entry(
		__string(topic, group->topic->name)
		__string(group, group->name)
		__string(dlq, dlq->name)
		__string(reason, reason)
		__field(u32, partition)
		__field(u32, attempts)
		__field(u64, offset)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, group->topic->name);
		mqbus_assign_str(group, group->name);
		mqbus_assign_str(dlq, dlq->name);
		mqbus_assign_str(reason, reason);
		__entry->partition = partition;
		__entry->attempts = attempts;
		__entry->offset = offset;
	),
	TP_printk("topic=%s group=%s partition=%u offset=%llu dlq=%s attempts=%u reason=%s",
		  __get_str(topic), __get_str(group), __entry->partition, __entry->offset,
		  __get_str(dlq), __entry->attempts, __get_str(reason))
);

TRACE_EVENT(rebalance,
	TP_PROTO(const struct mqbus_group *group, u32 generation, u32 moved),
	TP_ARGS(group, generation, moved),
	TP_STRUCT__entry(
		__string(topic, group->topic->name)
		__string(group, group->name)
		__field(u32, generation)
		__field(u32, moved)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, group->topic->name);
		mqbus_assign_str(group, group->name);
		__entry->generation = generation;
		__entry->moved = moved;
	),
	TP_printk("topic=%s group=%s generation=%u moved=%u", __get_str(topic),
		  __get_str(group), __entry->generation, __entry->moved)
);

#endif /* _MQBUS_GROUP_TRACE_H */

/* Kbuild's -I finds it: the module may be built anywhere */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH group
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
