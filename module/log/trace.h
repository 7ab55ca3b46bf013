/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of topics. They cost nothing while they are off. Names and fields are
 * stable; new fields come last.
 *
 * Common fields: topic and group are names; partition and offset say where a
 * record was published, also when it lies in a retry ring.
 *
 *   publish      a record is stored; visible a moment later, with its batch.
 *                bytes: its size in the ring; producer, seq: as in the record
 *   block        a producer begins to wait. reason: full, rate, share; bytes: size of the
 *                refused records
 *   unblock      it continues. waited: ns; error: 0, or why it gave up (a negative errno)
 *   evict        records were dropped. offset: of the first; count: their number; unsettled:
 *                those that some group had not settled, or for which there was no group
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mqbus

#if !defined(_MQBUS_LOG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _MQBUS_LOG_TRACE_H

#include <linux/tracepoint.h>

#include "base/compat.h"

struct mqbus_record;
struct mqbus_topic;

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

#endif /* _MQBUS_LOG_TRACE_H */

/* Found through -I, as Kbuild gives it: the module may be built anywhere */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH log
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
