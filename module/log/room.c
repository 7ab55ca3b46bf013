// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Room
 *
 * Whoever appends to a topic - a producer, a transaction, a group with its dead letters -
 * makes room here first, and here it is checked whether the record may be stored at all
 * in a ring of this topic. What may go is up to the slowest group's floor; of a topic that
 * evicts, everything. Asking (mqbus_topic_ask()) changes nothing, so it may be
 * done as often as anybody likes.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "log/reader.h"
#include "log/topic.h"
#include "log/trace.h"

/* The slowest reader's floor, or what it was when there was one. */
static u64 topic_floor(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 floor;

	lockdep_assert_held(&ring->lock);
	floor = mqbus_readers_floor(topic, partition);
	return floor != MQBUS_CURSOR_NO_FLOOR ? floor : ring->floor;
}

/**
 * mqbus_topic_floor() - what writers of a partition may reuse
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 *
 * The slowest group decides. Groups that are being made have no say yet; while
 * no group has, the floor stays where it was, so what nobody has read is kept. Of a
 * topic that evicts it says only what is lost when it goes.
 *
 * Return: the position for mqbus_ring_reserve().
 */
u64 mqbus_topic_floor(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;

	ring->floor = topic_floor(topic, partition);
	return ring->floor;
}

/* Records went; @head and @evicted are of before. */
static void topic_gone(struct mqbus_topic *topic, u32 partition, u64 head, u64 evicted)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;

	if (ring->head.offset != head)
		trace_evict(topic, partition, head, ring->head.offset - head,
			    ring->evicted - evicted);
}

/* Bytes that a tenant may have in a ring; 0: it is not asked. */
static u64 topic_most(const struct mqbus_topic *topic, const struct mqbus_ring *ring, u32 owner)
{
	return owner && ring->used ? mqbus_quota_most(&topic->quota, ring->size) : 0;
}

/**
 * mqbus_topic_share() - make room in the share of a tenant
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held, after mqbus_topic_begin()
 * @before: what his records take that are to be stored before, together with it
 * @bytes: the record's size
 * @owner: as mqbus_topic_reserve()
 *
 * Settled records go for it, and no others, also of a topic that evicts.
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

/* The oldest records go, as far as they may. Return: as mqbus_topic_reserve(). */
static int topic_evict(struct mqbus_topic *topic, u32 partition, u32 bytes)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 floor = ring->floor, head = ring->head.offset, evicted = ring->evicted;
	bool room;

	/* Groups' floors are read only when what was last known is not enough */
	if (!mqbus_ring_settled(ring, bytes) || mqbus_ring_ask(ring, bytes, floor) == -ENOBUFS)
		floor = mqbus_topic_floor(topic, partition);
	room = mqbus_ring_reserve(ring, bytes, floor);
	topic_gone(topic, partition, head, evicted);
	return room ? 0 : mqbus_ring_ask(ring, bytes, floor) ?: -EAGAIN;
}

/**
 * mqbus_topic_reserve() - make room for a record
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held, after mqbus_topic_begin()
 * @bytes: the record's size
 * @owner: index of the tenant whose share it takes; 0: of nobody's
 *
 * Of a topic that evicts records go that somebody needs: nothing may be left that could
 * refuse the new one.
 *
 * Return: 0, -ENOBUFS (full), -EXFULL (the share is used up), -EMSGSIZE (no ring of the
 * topic takes so much), or -EAGAIN: enough was done under one hold of the lock, let go of
 * it and come again.
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

/**
 * mqbus_topic_make() - make room that was asked for
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 * @bytes: so much that mqbus_ring_ask() said 0, under this hold and with the ring's @floor
 *
 * No more goes than that takes, so a hold is as long as that.
 */
void mqbus_topic_make(struct mqbus_topic *topic, u32 partition, u32 bytes)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 head = ring->head.offset, evicted = ring->evicted;

	mqbus_ring_begin(ring);
	while (!mqbus_ring_reserve(ring, bytes, ring->floor))
		;
	topic_gone(topic, partition, head, evicted);
}

/* Whether a record would be taken if what begins below @floor may go. */
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
 * mqbus_topic_ask() - whether room could be made for a record
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 * @bytes: the record's size, or that of several together
 * @owner: as mqbus_topic_reserve()
 *
 * Changes nothing.
 *
 * Return: 0 (mqbus_topic_reserve() would say 0 or -EAGAIN), -ENOBUFS, -EXFULL, -EMSGSIZE,
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

/**
 * mqbus_topic_ask_share() - whether a tenant may have a record, as far as is known
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 * @before: as of mqbus_topic_share()
 * @bytes: the record's size
 * @owner: as mqbus_topic_reserve()
 *
 * Changes nothing, and looks at no group.
 *
 * Return: whether mqbus_topic_share() would have nothing to do.
 */
bool mqbus_topic_ask_share(const struct mqbus_topic *topic, u32 partition, u32 before, u32 bytes,
			   u32 owner)
{
	const struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 most = topic_most(topic, ring, owner);

	return !most || !mqbus_ring_ask_share(ring, owner, before, bytes, most, ring->floor);
}

/* Drop what the topic does not retain. Return: whether there may be more to drop. */
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

/**
 * mqbus_topic_begin() - begin to append
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held
 * @looks: old records to look at, whether they are too old
 *
 * Sets the time that the records will have: inside a partition it does not go back,
 * though the clock may.
 */
void mqbus_topic_begin(struct mqbus_topic *topic, u32 partition, unsigned int looks)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 now = ktime_get_real_ns();

	mqbus_ring_begin(ring);
	ring->last_time = max(ring->last_time, now);
	topic_expire(topic, partition, now, looks);
}

/**
 * mqbus_topic_expire() - drop what the topic does not retain
 * @topic: the topic
 * @partition: a partition
 *
 * Writers do this as they go; who looks at what is kept does it first. May sleep.
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
