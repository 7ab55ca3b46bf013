/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints. They are off until somebody looks, and cost nothing then. Their names and
 * fields are kept as they are; new fields come last.
 *
 * Fields that many have: topic and group are names; partition and offset say where a
 * record was published, also when it lies in a retry ring.
 *
 *   publish      a record is stored; visible a moment later, with its batch.
 *                bytes: what it takes in the ring; producer, seq: as in the record
 *   block        a producer begins to wait. reason: full, rate, share; bytes: for which it
 *                has no room
 *   unblock      it goes on. waited: ns; error: 0, or why it gave up (a negative errno)
 *   deliver      records are handed out. count: how many from offset on; pid: of who
 *                opened the member; attempt: of a queue group, else 0
 *   settle       a record is settled by its member. what: ack, nack, release, reject; of a
 *                stream group commit: all below offset is
 *   retry        a record failed, and is to be handed out again. failures: so far;
 *                reason: nack, expired, died; wait: ns until then
 *   dead_letter  a record went to its topic of dead letters, dlq. attempts, reason: as in
 *                its headers
 *   evict        records went. offset: of the first; count: how many; unsettled: of these,
 *                those that some group had not settled, or for which there was no group
 *   rebalance    partitions of a stream group got new owners. generation: the last;
 *                moved: how many
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mqbus

#if !defined(_MQBUS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _MQBUS_TRACE_H

#include <linux/tracepoint.h>

#include "base/compat.h"

struct mqbus_group;
struct mqbus_range;
struct mqbus_record;
struct mqbus_topic;
struct mqbus_window;

TRACE_EVENT(publish,
	TP_PROTO(const struct mqbus_topic *topic, u32 partition, const struct mqbus_record *rec),
	TP_ARGS(topic, partition, rec),
	TP_STRUCT__entry(
		__string(topic, topic->name)
		__field(u32, partition)
		__field(u32, bytes)
		__field(u64, offset)
		__field(u64, producer)
		__field(u64, seq)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, topic->name);
		__entry->partition = partition;
		__entry->bytes = rec->size;
		__entry->offset = rec->offset;
		__entry->producer = rec->producer;
		__entry->seq = rec->seq;
	),
	TP_printk("topic=%s partition=%u offset=%llu bytes=%u producer=%llu seq=%llu",
		  __get_str(topic), __entry->partition, __entry->offset, __entry->bytes,
		  __entry->producer, __entry->seq)
);

TRACE_EVENT(block,
	TP_PROTO(const struct mqbus_topic *topic, u32 partition, const char *reason, u32 bytes),
	TP_ARGS(topic, partition, reason, bytes),
	TP_STRUCT__entry(
		__string(topic, topic->name)
		__string(reason, reason)
		__field(u32, partition)
		__field(u32, bytes)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, topic->name);
		mqbus_assign_str(reason, reason);
		__entry->partition = partition;
		__entry->bytes = bytes;
	),
	TP_printk("topic=%s partition=%u reason=%s bytes=%u", __get_str(topic),
		  __entry->partition, __get_str(reason), __entry->bytes)
);

TRACE_EVENT(unblock,
	TP_PROTO(const struct mqbus_topic *topic, u32 partition, const char *reason, u64 waited,
		 int error),
	TP_ARGS(topic, partition, reason, waited, error),
	TP_STRUCT__entry(
		__string(topic, topic->name)
		__string(reason, reason)
		__field(u32, partition)
		__field(int, error)
		__field(u64, waited)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, topic->name);
		mqbus_assign_str(reason, reason);
		__entry->partition = partition;
		__entry->error = error;
		__entry->waited = waited;
	),
	TP_printk("topic=%s partition=%u reason=%s waited=%llu error=%d", __get_str(topic),
		  __entry->partition, __get_str(reason), __entry->waited, __entry->error)
);

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

TRACE_EVENT(settle,
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
		  __get_str(group), __entry->partition, __entry->offset, __get_str(what))
);

TRACE_EVENT(retry,
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
		  __entry->failures, __get_str(reason), __entry->wait)
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

TRACE_EVENT(evict,
	TP_PROTO(const struct mqbus_topic *topic, u32 partition, u64 offset, u64 count,
		 u64 unsettled),
	TP_ARGS(topic, partition, offset, count, unsettled),
	TP_STRUCT__entry(
		__string(topic, topic->name)
		__field(u32, partition)
		__field(u64, offset)
		__field(u64, count)
		__field(u64, unsettled)
	),
	TP_fast_assign(
		mqbus_assign_str(topic, topic->name);
		__entry->partition = partition;
		__entry->offset = offset;
		__entry->count = count;
		__entry->unsettled = unsettled;
	),
	TP_printk("topic=%s partition=%u offset=%llu count=%llu unsettled=%llu",
		  __get_str(topic), __entry->partition, __entry->offset, __entry->count,
		  __entry->unsettled)
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

#endif /* _MQBUS_TRACE_H */

/* Found through -I, as Kbuild gives it: the module may be built anywhere */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH log
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
