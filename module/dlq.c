// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Dead letters
 *
 * A dead letter is appended to another topic and settled in its own under one hold of
 * the group's lock, so nobody sees it in both or in neither. The lock of the other
 * topic's ring is taken inside; the record's own ring is not locked, since the
 * group's floor holds the record.
 *
 * Groups and their topics of dead letters must not form a circle: a record would go
 * round for ever. All that makes a new connection holds the namespace's dlq_lock, and
 * looks first whether the way back exists.
 */
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "core/murmur.h"
#include "core/record.h"
#include "event.h"
#include "group.h"
#include "ns.h"
#include "queue.h"
#include "topic.h"
#include "trace.h"

/* Old records that are looked at before one is appended */
#define DLQ_EXPIRE	16

static const char * const reasons[] = {
	[MQBUS_REASON_NACK] = "nack",
	[MQBUS_REASON_EXPIRED] = "expired",
	[MQBUS_REASON_DIED] = "died",
	[MQBUS_REASON_REJECTED] = "rejected",
};

/**
 * mqbus_dlq_reason() - why a record failed, in a word
 * @reason: the reason
 *
 * Return: as in a dead letter's headers.
 */
const char *mqbus_dlq_reason(enum mqbus_reason reason)
{
	return reasons[reason];
}

/* Whether dead letters of @from may come to @to, directly or not. */
static bool dlq_reaches(struct mqbus_ns *ns, struct mqbus_topic *from, struct mqbus_topic *to)
{
	struct mqbus_topic *todo = from;
	u32 mark = ++ns->dlq_mark;
	struct mqbus_group *group;

	lockdep_assert_held(&ns->dlq_lock);
	lockdep_assert_held(&ns->lock);

	from->dlq_mark = mark;
	from->dlq_todo = NULL;
	while (todo) {
		struct mqbus_topic *topic = todo;

		if (topic == to)
			return true;
		todo = topic->dlq_todo;
		mutex_lock(&topic->lock);
		list_for_each_entry(group, &topic->groups, node) {
			struct mqbus_topic *next = group->queue ? group->queue->dlq : NULL;

			/* One that was deleted leads nowhere, and is not ours to hold */
			if (!next || mqbus_topic_dead(next) || next->dlq_mark == mark)
				continue;
			next->dlq_mark = mark;
			next->dlq_todo = todo;
			todo = next;
		}
		mutex_unlock(&topic->lock);
	}
	return false;
}

/**
 * mqbus_dlq_check() - whether a topic may take another one's dead letters
 * @ns: the namespace of both; its dlq_lock is held until the connection is made
 * @topic: where they come from
 * @dlq: where they are to go
 *
 * Return: 0, -ELOOP, -EMSGSIZE (a record of @topic might not fit).
 */
int mqbus_dlq_check(struct mqbus_ns *ns, struct mqbus_topic *topic, struct mqbus_topic *dlq)
{
	bool loop;

	if (mqbus_record_bytes(topic->max_record + MQBUS_DLQ_HEADERS) > dlq->ring_size / 2)
		return -EMSGSIZE;
	mutex_lock(&ns->lock);
	loop = dlq_reaches(ns, dlq, topic);
	mutex_unlock(&ns->lock);
	return loop ? -ELOOP : 0;
}

/* There may be room now. Called with the lock of the queue of writers held. */
static int dlq_room(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	mqbus_queue_kick(container_of(wait, struct mqbus_group_queue, dlq_wait));
	return 0;
}

/**
 * mqbus_dlq_init() - begin without a topic of dead letters
 * @q: the queue
 */
void mqbus_dlq_init(struct mqbus_group_queue *q)
{
	init_waitqueue_func_entry(&q->dlq_wait, dlq_room);
	INIT_LIST_HEAD(&q->dlq_wait.entry);
}

static void dlq_unwait(struct mqbus_group_queue *q)
{
	if (list_empty(&q->dlq_wait.entry))
		return;
	remove_wait_queue(&q->dlq->writers, &q->dlq_wait);
	INIT_LIST_HEAD(&q->dlq_wait.entry);
}

/**
 * mqbus_dlq_swap() - let dead letters go somewhere else
 * @q: the queue; the group's lock is held if others can see it
 * @dlq: where to, with a reference that is the queue's from then on; or NULL
 *
 * Return: the one before, with its reference, or NULL.
 */
struct mqbus_topic *mqbus_dlq_swap(struct mqbus_group_queue *q, struct mqbus_topic *dlq)
{
	struct mqbus_topic *old = q->dlq;

	dlq_unwait(q);
	q->blocked = false;
	q->dlq = dlq;
	return old;
}

static bool header_ours(const void *name, u16 len)
{
	return len >= strlen(MQBUS_DLQ_PREFIX) &&
	       !memcmp(name, MQBUS_DLQ_PREFIX, strlen(MQBUS_DLQ_PREFIX));
}

/*
 * Copy a record's headers but for those that are replaced; to NULL: only count.
 * They were checked when the record was published. Return: bytes.
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

/* Where the letter comes from and why it is dead. Return: bytes at q->headers. */
static u32 headers_make(struct mqbus_group_queue *q, const struct mqbus_entry *e,
			const struct mqbus_record *rec)
{
	char *to = q->headers;

	/* Two names, ten names of headers and eight numbers */
	BUILD_BUG_ON(2 * MQBUS_NAME_SIZE + 10 * (sizeof(struct mqbus_header) + 16) + 8 * 20 >
		     sizeof(q->headers));
	to += header_text(to, MQBUS_DLQ_PREFIX "topic", q->group->topic->name);
	to += header_number(to, MQBUS_DLQ_PREFIX "partition", e->partition);
	to += header_number(to, MQBUS_DLQ_PREFIX "offset", rec->offset);
	to += header_text(to, MQBUS_DLQ_PREFIX "group", q->group->name);
	to += header_number(to, MQBUS_DLQ_PREFIX "attempts", dlq_attempts(e));
	to += header_text(to, MQBUS_DLQ_PREFIX "reason", reasons[e->reason]);
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

/* With the ring's lock, which is let go of in between as often as one letter may need. */
static bool dlq_reserve(struct mqbus_topic *dlq, u32 partition, u32 bytes)
{
	struct mqbus_ring *ring = &dlq->parts[partition]->ring;
	unsigned int tries = 1 + bytes / sizeof(struct mqbus_record) / MQBUS_RING_DROPS;
	int err;

	lockdep_assert_held(&ring->lock);

	for (;;) {
		/* A transaction has it for a moment, and kicks us when it is over */
		if (ring->claimed) {
			ring->missed = true;
			return false;
		}
		mqbus_topic_begin(dlq, partition, DLQ_EXPIRE);
		err = mqbus_topic_reserve(dlq, partition, bytes, 0);
		if (err != -EAGAIN || !tries--)
			return !err;
		spin_unlock(&ring->lock);
		spin_lock(&ring->lock);
	}
}

/* Append an entry's record to the topic. Return: bytes, or 0 if there is no room. */
static u32 dlq_append(struct mqbus_group_queue *q, u32 i)
{
	const struct mqbus_record *rec = mqbus_window_record(&q->window, i);
	const struct mqbus_entry *e = mqbus_window_entry(&q->window, i);
	u32 parts = rec->value_len + rec->key_len + rec->routing_key_len;
	u32 made = headers_make(q, e, rec), kept = headers_keep(NULL, rec);
	u32 bytes = mqbus_record_bytes(parts + kept + made);
	struct mqbus_topic *dlq = q->dlq;
	u32 partition = dlq_partition(dlq, e, rec);
	struct mqbus_ring *ring = &dlq->parts[partition]->ring;
	struct mqbus_record *to;

	if (mqbus_topic_dead(dlq))
		return 0;
	spin_lock(&ring->lock);
	if (!dlq_reserve(dlq, partition, bytes)) {
		spin_unlock(&ring->lock);
		return 0;
	}
	to = mqbus_ring_slot(ring);
	*to = *rec;
	to->size = bytes;
	to->offset = ring->tail.offset;
	to->time = ring->last_time;
	to->producer = q->producer;
	to->seq = ++q->seq;
	to->epoch = 0;
	to->__owner = 0;
	to->headers_len = kept + made;
	memcpy(to + 1, rec + 1, parts);
	headers_keep((void *)(to + 1) + parts, rec);
	memcpy((void *)(to + 1) + parts + kept, q->headers, made);
	mqbus_ring_stage(ring, bytes);
	mqbus_ring_publish(ring);
	spin_unlock(&ring->lock);
	return bytes;
}

/*
 * No room: be told when there may be some, and try once more, because it may have
 * come meanwhile. Return: bytes, or 0.
 */
static u32 dlq_append_or_wait(struct mqbus_group_queue *q, u32 i)
{
	u32 bytes = dlq_append(q, i);

	if (bytes || !list_empty(&q->dlq_wait.entry))
		return bytes;
	add_wait_queue(&q->dlq->writers, &q->dlq_wait);
	smp_mb();	/* ORD_SLEEP: full barrier; pairs with the one of wq_has_sleeper() */
	return dlq_append(q, i);
}

/* A dead letter was moved; its entry is still there. */
static void dlq_tell(struct mqbus_group_queue *q, u32 i)
{
	const struct mqbus_entry *e = mqbus_window_entry(&q->window, i);
	u64 offset = mqbus_window_record(&q->window, i)->offset;

	trace_dead_letter(q->group, q->dlq, e->partition, offset, dlq_attempts(e),
			  reasons[e->reason]);
	mqbus_event_tell(&(struct mqbus_event) {
		.kind = MQBUS_EVENT_KIND_DEAD_LETTER, .topic = q->group->topic,
		.group = q->group, .partition = e->partition, .offset = offset,
		.reason = reasons[e->reason],
	});
}

/**
 * mqbus_dlq_bury() - move dead letters to their topic
 * @q: the queue; the group's lock is held
 * @stored: set if any was moved: readers of the topic are to be woken
 *
 * Return: whether there are more that could be moved; a bounded number of bytes was.
 */
bool mqbus_dlq_bury(struct mqbus_group_queue *q, bool *stored)
{
	struct mqbus_window *w = &q->window;
	u32 held = 0, i, bytes;

	lockdep_assert_held(&q->group->lock);

	while (!mqbus_list_empty(&w->dead) && !q->blocked) {
		if (held >= MQBUS_WINDOW_HOLD)
			return true;
		/* Deleted with its topic: nothing is settled any more */
		if (!q->dlq)
			return false;
		i = w->dead.first;
		bytes = dlq_append_or_wait(q, i);
		q->blocked = !bytes;
		if (bytes) {
			dlq_tell(q, i);
			mqbus_window_buried(w, i);
			*stored = true;
			held += bytes;
		}
	}
	/* What has to wait leaves the partition, if the retry ring has room */
	if (q->blocked)
		return mqbus_window_postpone(w);
	dlq_unwait(q);
	return false;
}
