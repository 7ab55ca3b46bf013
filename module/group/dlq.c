// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Dead letters
 *
 * A dead letter is appended to the DLQ and settled in its own topic under one hold of the
 * group's lock, so no reader sees it in both topics or in neither. The lock of the DLQ's ring
 * nests inside. The record's own ring is not locked, since the group's floor holds the record.
 *
 * A dead letter that finds no room waits, in the retry ring if that has room, and does not
 * block dead letters for other partitions. Which topic is the DLQ: see dlq_link.c.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "base/caller.h"
#include "base/event.h"
#include "base/ns.h"
#include "core/murmur.h"
#include "core/record.h"
#include "group/group.h"
#include "group/queue.h"
#include "group/trace.h"
#include "log/reader.h"
#include "log/topic.h"

/* Old records checked for expiry before each append */
#define DLQ_EXPIRE	16

/* The DLQ may have room. The lock of its queue of writers is held */
static int dlq_room(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	struct mqbus_group_queue *q = container_of(wait, struct mqbus_group_queue, dlq_wait);

	WRITE_ONCE(q->dlq_room, true);
	mqbus_queue_kick(q);
	return 0;
}

/* Initialize without a DLQ */
void mqbus_dlq_init(struct mqbus_group_queue *q)
{
	init_waitqueue_func_entry(&q->dlq_wait, dlq_room);
	INIT_LIST_HEAD(&q->dlq_wait.entry);
	INIT_LIST_HEAD(&q->dlq_node);
}

/* Stop waiting for room in the DLQ; the group's lock is held */
void mqbus_dlq_unwait(struct mqbus_group_queue *q)
{
	if (list_empty(&q->dlq_wait.entry))
		return;
	remove_wait_queue(&q->dlq->writers, &q->dlq_wait);
	INIT_LIST_HEAD(&q->dlq_wait.entry);
}

/* Try all dead letters again: the DLQ may have room. The group's lock is held */
void mqbus_dlq_retry(struct mqbus_group_queue *q)
{
	q->blocked = false;
	q->dlq_nr_full = 0;
	bitmap_zero(q->dlq_full, MQBUS_PARTITIONS_MAX);
	mqbus_inflight_rebury(&q->inflight);
}

static bool header_ours(const void *name, u16 len)
{
	return len >= strlen(MQBUS_DLQ_PREFIX) &&
	       !memcmp(name, MQBUS_DLQ_PREFIX, strlen(MQBUS_DLQ_PREFIX));
}

/*
 * Copy a record's headers except DLQ headers; with @to NULL only count their bytes. The headers
 * were checked when the record was published. Return: bytes.
 */
static u32 headers_keep(void *to, const struct mqbus_record *rec)
{
	const void *from = (const void *)(rec + 1) + rec->value_len + rec->key_len +
			   rec->routing_key_len;
	const void *end = from + rec->headers_len;
	u32 bytes = 0, len;
	struct mqbus_header h;

	for (; from < end; from += len) {
		memcpy(&h, from, sizeof(h));
		len = sizeof(h) + h.name_len + h.value_len;
		if (header_ours(from + sizeof(h), h.name_len))
			continue;
		if (to)
			memcpy(to + bytes, from, len);
		bytes += len;
	}
	return bytes;
}

static u32 header_text(char *to, const char *name, const char *value)
{
	struct mqbus_header h = { .name_len = strlen(name), .value_len = strlen(value) };

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), name, h.name_len);
	memcpy(to + sizeof(h) + h.name_len, value, h.value_len);
	return sizeof(h) + h.name_len + h.value_len;
}

static u32 header_number(char *to, const char *name, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	return header_text(to, name, text);
}

static u32 dlq_attempts(const struct mqbus_entry *e)
{
	return e->failures + (e->reason == MQBUS_REASON_REJECTED);
}

/* Build the DLQ headers: origin and reason. Return: bytes at q->headers */
static u32 headers_make(struct mqbus_group_queue *q, const struct mqbus_entry *e,
			const struct mqbus_record *rec)
{
	char *to = q->headers;

	/* Two names, ten header names and eight numbers */
	BUILD_BUG_ON(2 * MQBUS_NAME_SIZE + 10 * (sizeof(struct mqbus_header) + 16) + 8 * 20 >
		     sizeof(q->headers));
	to += header_text(to, MQBUS_DLQ_PREFIX "topic", q->group->topic->name);
	to += header_number(to, MQBUS_DLQ_PREFIX "partition", e->partition);
	to += header_number(to, MQBUS_DLQ_PREFIX "offset", rec->offset);
	to += header_text(to, MQBUS_DLQ_PREFIX "group", q->group->name);
	to += header_number(to, MQBUS_DLQ_PREFIX "attempts", dlq_attempts(e));
	to += header_text(to, MQBUS_DLQ_PREFIX "reason", mqbus_reason_name(e->reason));
	to += header_number(to, MQBUS_DLQ_PREFIX "first", e->first);
	to += header_number(to, MQBUS_DLQ_PREFIX "last", e->time);
	to += header_number(to, MQBUS_DLQ_PREFIX "pid", e->pid);
	to += header_number(to, MQBUS_DLQ_PREFIX "uid", e->uid);
	return to - q->headers;
}

static u32 dlq_partition(const struct mqbus_topic *dlq, const struct mqbus_entry *e,
			 const struct mqbus_record *rec)
{
	struct mqbus_murmur hash;

	if (dlq->per_cpu)
		return raw_smp_processor_id();
	if (!rec->key_len)
		return e->partition % dlq->nr_parts;
	mqbus_murmur_init(&hash, rec->key_len);
	mqbus_murmur_update(&hash, (const void *)(rec + 1) + rec->value_len, rec->key_len);
	return mqbus_murmur_partition(&hash, dlq->nr_parts);
}

/* Append an entry's record to a partition. Return: bytes, or as mqbus_topic_reserve(). */
static int dlq_append(struct mqbus_group_queue *q, u32 i, u32 partition,
		      struct mqbus_stored *stored)
{
	const struct mqbus_record *rec = mqbus_inflight_record(&q->inflight, i);
	const struct mqbus_entry *e = mqbus_inflight_entry(&q->inflight, i);
	u32 parts = rec->value_len + rec->key_len + rec->routing_key_len;
	u32 made = headers_make(q, e, rec), kept = headers_keep(NULL, rec);
	u32 bytes = mqbus_record_bytes(parts + kept + made);
	struct mqbus_ring *ring = &q->dlq->parts[partition]->ring;
	struct mqbus_record *to;
	int err;

	spin_lock(&ring->lock);
	mqbus_topic_begin(q->dlq, partition, DLQ_EXPIRE);
	err = mqbus_topic_reserve(q->dlq, partition, bytes, 0);
	if (err) {
		spin_unlock(&ring->lock);
		return err;
	}
	to = mqbus_ring_slot(ring);
	*to = *rec;
	to->size = bytes;
	to->headers_len = kept + made;
	memcpy(to + 1, rec + 1, parts);
	headers_keep((void *)(to + 1) + parts, rec);
	memcpy((void *)(to + 1) + parts + kept, q->headers, made);
	mqbus_ring_append(ring, to, q->producer, ++q->seq, 0, 0, bytes);
	mqbus_ring_publish(ring);
	spin_unlock(&ring->lock);
	mqbus_stored_add(stored, q->dlq, partition);
	return bytes;
}

/* As dlq_append(), but a per-CPU topic has no order: any partition with room will do */
static int dlq_append_any(struct mqbus_group_queue *q, u32 i, u32 partition,
			  struct mqbus_stored *stored)
{
	u32 n = q->dlq->per_cpu ? q->dlq->nr_parts : 1;
	int ret;

	do {
		ret = dlq_append(q, i, partition, stored);
		if (++partition == q->dlq->nr_parts)
			partition = 0;
	} while (ret < 0 && --n);
	return ret;
}

/*
 * Without room, queue for a wake-up and try once more, as room may have come in between. Return: as
 * dlq_append().
 */
static int dlq_append_or_wait(struct mqbus_group_queue *q, u32 i, u32 partition,
			      struct mqbus_stored *stored)
{
	int ret = dlq_append_any(q, i, partition, stored);

	if (ret > 0 || ret == -EMSGSIZE || !list_empty(&q->dlq_wait.entry))
		return ret;
	add_wait_queue(&q->dlq->writers, &q->dlq_wait);
	smp_mb();	/* ORD_SLEEP: full barrier; pairs with the one of wq_has_sleeper() */
	return dlq_append_any(q, i, partition, stored);
}

/* Report a dead letter that was moved; its entry still exists */
static void dlq_report(struct mqbus_group_queue *q, u32 i)
{
	const struct mqbus_entry *e = mqbus_inflight_entry(&q->inflight, i);
	u64 offset = mqbus_inflight_record(&q->inflight, i)->offset;

	trace_dead_letter(q->group, q->dlq, e->partition, offset, dlq_attempts(e),
			  mqbus_reason_name(e->reason));
	mqbus_group_report(q->group, &(struct mqbus_event) {
		.kind = MQBUS_EVENT_KIND_DEAD_LETTER, .partition = e->partition, .offset = offset,
		.reason = mqbus_reason_name(e->reason),
	});
}

/* Try to move one dead letter. Return: bytes moved; 0: it waits */
static u32 dlq_bury_one(struct mqbus_group_queue *q, u32 i, struct mqbus_stored *stored)
{
	u32 partition = dlq_partition(q->dlq, mqbus_inflight_entry(&q->inflight, i),
				      mqbus_inflight_record(&q->inflight, i));
	u32 slot = q->dlq->per_cpu ? 0 : partition;
	int ret = -ENOBUFS;

	if (!test_bit(slot, q->dlq_full))
		ret = dlq_append_or_wait(q, i, partition, stored);
	if (ret > 0) {
		dlq_report(q, i);
		mqbus_inflight_buried(&q->inflight, i);
		return ret;
	}
	/* -EMSGSIZE does not mean that the partition is full */
	if (ret != -EMSGSIZE && !__test_and_set_bit(slot, q->dlq_full))
		q->blocked = ++q->dlq_nr_full == (q->dlq->per_cpu ? 1 : q->dlq->nr_parts);
	mqbus_inflight_unburied(&q->inflight, i);
	return 0;
}

/*
 * Whether the user who named the DLQ may write to it. dlq_right changes under dlq_lock and the
 * group's lock, so either keeps it.
 */
bool mqbus_dlq_allowed(const struct mqbus_group_queue *q, const struct mqbus_topic *dlq)
{
	return mqbus_right_may(&q->dlq_right, mqbus_topic_uid(dlq), mqbus_topic_gid(dlq),
			       READ_ONCE(dlq->mode), MQBUS_MAY_WRITE);
}

/*
 * Whether a queue's DLQ takes its dead letters now; the group's lock is held. A link may outlast
 * the right to it until the namespace's work gets there, but nothing is stored through it.
 */
bool mqbus_dlq_open(const struct mqbus_group_queue *q)
{
	lockdep_assert_held(&q->group->lock);

	return q->dlq && !mqbus_topic_dead(q->dlq) && mqbus_dlq_allowed(q, q->dlq);
}

/*
 * Move dead letters to the DLQ, a bounded number of bytes; the others leave their partition if the
 * retry ring has room. The group's lock is held. The caller wakes readers of @stored. Return:
 * whether more can be moved.
 */
bool mqbus_dlq_bury(struct mqbus_group_queue *q, struct mqbus_stored *stored)
{
	struct mqbus_inflight *f = &q->inflight;
	u32 held = 0, steps = MQBUS_INFLIGHT_STEP;

	lockdep_assert_held(&q->group->lock);

	/* A deleted group settles nothing, and no longer holds its records in place */
	if (q->group->dead)
		return false;
	if (!mqbus_dlq_open(q))
		q->blocked = true;
	while (f->letter != MQBUS_NONE && !q->blocked) {
		if (held >= MQBUS_INFLIGHT_HOLD || !steps--)
			return true;
		held += dlq_bury_one(q, f->letter, stored);
	}
	if (f->nr_dead)
		return mqbus_inflight_postpone(f);
	mqbus_dlq_unwait(q);
	return false;
}
