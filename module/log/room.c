// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Room
 *
 * All records for a topic - of a producer, of a transaction, dead letters of a group - need
 * room from here first, and are checked here for the limits of a ring of this topic. The
 * slowest group's floor limits which records may be dropped; a topic that evicts may
 * drop all. Asking (mqbus_topic_ask()) changes nothing, so it may be repeated at will.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "log/reader.h"
#include "log/topic.h"
#include "log/trace.h"

/* The slowest reader's floor, or the last one when there is no reader. */
static u64 topic_floor(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 floor;

	lockdep_assert_held(&ring->lock);
	floor = mqbus_readers_floor(topic, partition);
	return floor != MQBUS_CURSOR_NO_FLOOR ? floor : ring->floor;
}

/**
 * mqbus_topic_floor() - position below which writers of a partition may reuse bytes
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 *
 * The slowest group decides. Groups that are being made do not count yet; without a
 * group that counts the floor stays, so unread records are kept. In a topic that evicts
 * the floor only decides which evicted records count as lost.
 *
 * Return: the position for mqbus_ring_reserve().
 */
u64 mqbus_topic_floor(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;

	ring->floor = topic_floor(topic, partition);
	return ring->floor;
}

/* Trace dropped records; @head and @evicted are from before the drop. */
static void topic_gone(struct mqbus_topic *topic, u32 partition, u64 head, u64 evicted)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;

	if (ring->head.offset != head)
		trace_evict(topic, partition, head, ring->head.offset - head,
			    ring->evicted - evicted);
}

/* Bytes that a tenant may have in a ring; 0: no limit */
static u64 topic_most(const struct mqbus_topic *topic, const struct mqbus_ring *ring, u32 owner)
{
	return owner && ring->used ? mqbus_quota_most(&topic->quota, ring->size) : 0;
}

/**
 * mqbus_topic_share() - make room in the share of a tenant
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held, after mqbus_topic_begin()
 * @before: bytes of the tenant's records to be stored before, together with it
 * @bytes: the record's size
 * @owner: as in mqbus_topic_reserve()
 *
 * Only settled records are dropped for it, also in a topic that evicts.
 *
 * Return: 0, -EXFULL or -EAGAIN, as mqbus_topic_reserve(), or -EMSGSIZE: with those before it
 * there is never room.
 */
int mqbus_topic_share(struct mqbus_topic *topic, u32 partition, u32 before, u32 bytes, u32 owner)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 most = topic_most(topic, ring, owner), head = ring->head.offset;
	int err;

	if (!most)
		return 0;
	err = mqbus_ring_share(ring, owner, before, bytes, most, ring->floor);
	if (err == -EXFULL)
		err = mqbus_ring_share(ring, owner, before, bytes, most,
				       mqbus_topic_floor(topic, partition));
	topic_gone(topic, partition, head, ring->evicted);
	return err;
}

/*
 * Drop the oldest records for a new one, all that must go for it or none: if the lock were dropped
 * in between, others could take the room, or what the record needs besides. Return: as
 * mqbus_topic_reserve().
 */
static int topic_evict(struct mqbus_topic *topic, u32 partition, u32 bytes)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 floor = ring->floor, head = ring->head.offset, evicted = ring->evicted;
	bool room;

	/* Groups' floors are read only when the last known floor does not suffice */
	if (!mqbus_ring_settled(ring, bytes) || mqbus_ring_ask(ring, bytes, floor) == -ENOBUFS)
		floor = mqbus_topic_floor(topic, partition);
	room = mqbus_ring_reserve(ring, bytes, floor);
	topic_gone(topic, partition, head, evicted);
	return room ? 0 : mqbus_ring_ask(ring, bytes, floor);
}

/**
 * mqbus_topic_reserve() - make room for a record
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held, after mqbus_topic_begin()
 * @bytes: the record's size
 * @owner: index of the tenant whose share it takes; 0: none
 *
 * A topic that evicts drops records that groups need, so all checks that can refuse the
 * new one must precede this call.
 *
 * Return: 0, -ENOBUFS (full), -EXFULL (the share is used up), -EMSGSIZE (no ring of the
 * topic takes so much), or, with a share, -EAGAIN: the limit for one hold of the lock was
 * reached, drop it and call again.
 */
int mqbus_topic_reserve(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	int err = owner ? mqbus_topic_share(topic, partition, 0, bytes, owner) : 0;

	if (err)
		return err;
	if (mqbus_ring_fits(ring, bytes))
		return 0;
	return topic_evict(topic, partition, bytes);
}

/*
 * Make room that there can be: mqbus_ring_ask() for @bytes with the ring's @floor was 0 under this
 * hold of the ring's lock.
 */
void mqbus_topic_make(struct mqbus_topic *topic, u32 partition, u32 bytes)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 head = ring->head.offset, evicted = ring->evicted;

	mqbus_ring_reserve(ring, bytes, ring->floor);
	topic_gone(topic, partition, head, evicted);
}

/* Whether a record would be taken if records that begin below @floor are dropped. */
static int topic_ask(const struct mqbus_topic *topic, const struct mqbus_ring *ring, u32 bytes,
		     u32 owner, u64 floor)
{
	u64 most = topic_most(topic, ring, owner);
	int err = mqbus_ring_ask(ring, bytes, floor);

	if (!err && most)
		err = mqbus_ring_ask_share(ring, owner, 0, bytes, most, floor);
	return err;
}

/**
 * mqbus_topic_ask() - whether room can be made for a record
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 * @bytes: the record's size, or that of several together
 * @owner: as in mqbus_topic_reserve()
 *
 * Changes nothing.
 *
 * Return: 0 (mqbus_topic_reserve() would return 0), -ENOBUFS, -EXFULL, -EMSGSIZE,
 * or -EAGAIN: the share is used up, but there are settled records; only
 * mqbus_topic_reserve() finds out whether they are enough.
 */
int mqbus_topic_ask(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	int err = topic_ask(topic, ring, bytes, owner, ring->floor);

	if (err == -ENOBUFS || err == -EXFULL)
		err = topic_ask(topic, ring, bytes, owner, topic_floor(topic, partition));
	return err;
}

/*
 * Whether mqbus_topic_share() would have nothing to do, with the last known floor; the ring's
 * lock is held. Changes nothing, and reads no group's floor.
 */
bool mqbus_topic_ask_share(const struct mqbus_topic *topic, u32 partition, u32 before, u32 bytes,
			   u32 owner)
{
	const struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 most = topic_most(topic, ring, owner);

	return !most || !mqbus_ring_ask_share(ring, owner, before, bytes, most, ring->floor);
}

/* Drop records above the limits of retention. Return: whether there may be more. */
static bool topic_expire(struct mqbus_topic *topic, u32 partition, u64 now, unsigned int looks)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 retention = READ_ONCE(topic->retention), keep = READ_ONCE(topic->retention_size);
	u64 before = retention && now > retention ? now - retention : 0;
	u64 head = ring->head.offset, evicted = ring->evicted;
	bool more;

	if ((!retention && !keep) || !mqbus_ring_expired(ring, before, keep ?: U64_MAX))
		return false;
	more = mqbus_ring_expire(ring, mqbus_topic_floor(topic, partition), before,
				 keep ?: U64_MAX, looks);
	topic_gone(topic, partition, head, evicted);
	return more;
}

/*
 * Begin to append; the ring's lock is held. Looks at up to @looks old records for expiry. Sets
 * the new records' time, which does not go back inside a partition, though the clock may.
 */
void mqbus_topic_begin(struct mqbus_topic *topic, u32 partition, unsigned int looks)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 now = ktime_get_real_ns();

	mqbus_ring_begin(ring);
	ring->last_time = max(ring->last_time, now);
	topic_expire(topic, partition, now, looks);
}

/*
 * Drop records of a partition above the limits of retention. Writers do it while they append;
 * callers that look at the records kept do it first. May sleep.
 */
void mqbus_topic_expire(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 now = ktime_get_real_ns();
	bool more;

	if (!READ_ONCE(topic->retention) && !READ_ONCE(topic->retention_size))
		return;
	do {
		spin_lock(&ring->lock);
		more = topic_expire(topic, partition, now, MQBUS_RING_STEP);
		spin_unlock(&ring->lock);
		cond_resched();
	} while (more && !fatal_signal_pending(current));
}
