// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Waking readers
 *
 * Members of stream groups wait in a queue of their own, members of a queue group in one
 * that they share. So whoever waits exclusively is woken for his own records, whatever
 * other groups the topic has. What makes a reader go on, and who is woken by it, is listed
 * in doc/wakeups.rst, and tried line by line by selftests/kselftest/wake_stream_test.c and
 * wake_queue_test.c.
 *
 * Of a stream group the owner of the partition is woken, and nobody else: publishers find
 * him in &mqbus_assign.readers, without a lock. There are three who race:
 *
 *   publisher                 who changes the owner       the new owner
 *
 *   store tail                store reader                enter his queue
 *   full barrier              full barrier                full barrier
 *   load reader, wake him     is his queue empty?         look at owner and tail
 *                             else wake him
 *
 * If the publisher loads the reader of before, then the change comes behind the tail, and
 * so does the wake-up that follows from it: the new owner is either woken by it, or enters
 * his queue behind it. Both ways he sees the tail. If the publisher loads the new reader,
 * then it is the race of two that ORD_SLEEP is about.
 */
#include <linux/poll.h>
#include <linux/rculist.h>

#include "group.h"
#include "member.h"
#include "queue.h"
#include "readers.h"
#include "topic.h"

/* Members that are looked up under one hold of the group's lock */
#define READERS_CHUNK	16

#define READABLE	(EPOLLIN | EPOLLRDNORM)
/* Also those are woken that ask for urgent things only, or for nothing */
#define GONE		(READABLE | EPOLLPRI | EPOLLHUP | EPOLLERR)

static void stored_map(struct mqbus_stored *stored, u32 partition)
{
	if (likely(partition < MQBUS_PARTITIONS_MAX))
		__set_bit(partition, stored->parts);
	else
		stored->beyond = true;
}

/**
 * mqbus_stored_add_more() - as mqbus_stored_add(), of another partition than the first
 * @stored: the note
 * @topic: to which topic
 * @partition: and partition
 */
void mqbus_stored_add_more(struct mqbus_stored *stored, const struct mqbus_topic *topic,
			   u32 partition)
{
	if (!stored->several) {
		stored->several = true;
		stored->beyond = false;
		bitmap_zero(stored->parts, min_t(u32, topic->nr_parts, MQBUS_PARTITIONS_MAX));
		stored_map(stored, stored->partition);
	}
	stored_map(stored, partition);
}

static u32 stored_next(const struct mqbus_stored *stored, u32 parts, u32 from)
{
	u32 size = min_t(u32, parts, MQBUS_PARTITIONS_MAX), next;

	if (stored->beyond)
		return from;
	next = find_next_bit(stored->parts, size, from);
	return next < size ? next : parts;
}

/* Wake the owner of a partition, if it is not @last. Return: who it is. */
static struct mqbus_member *owner_wake(struct mqbus_group *group, u32 partition,
				       const struct mqbus_member *last)
{
	/* ORD_READER: acquire; pairs with release in slot_show() */
	struct mqbus_member *member = smp_load_acquire(&group->assign.readers[partition]);

	/* The full barrier was the caller's */
	if (member && member != last && waitqueue_active(&member->wait))
		wake_up_interruptible_poll(&member->wait, READABLE);
	return member;
}

static void group_wake(struct mqbus_group *group, const struct mqbus_stored *stored)
{
	u32 parts = group->assign.nr_slots, i;
	struct mqbus_member *last = NULL;

	if (!stored->several) {
		owner_wake(group, stored->partition, NULL);
		return;
	}
	for (i = stored_next(stored, parts, 0); i < parts; i = stored_next(stored, parts, i + 1))
		last = owner_wake(group, i, last) ?: last;
}

/**
 * mqbus_readers_wake() - let those go on that have something to read now
 * @topic: the topic; no lock of a ring is held
 * @stored: what was appended; empty afterwards
 *
 * Of each stream group the owners of the partitions, and of each queue group one member: it
 * wakes the next one if there is more than it takes.
 */
void mqbus_readers_wake(struct mqbus_topic *topic, struct mqbus_stored *stored)
{
	struct mqbus_group *group;

	if (!stored->any)
		return;
	stored->any = false;
	/* ORD_SLEEP: full barrier; pairs with the one of prepare_to_wait() */
	smp_mb();
	/* It keeps groups, and members that close meanwhile */
	rcu_read_lock();
	list_for_each_entry_rcu(group, &topic->groups, node) {
		if (!group->queue)
			group_wake(group, stored);
		/* Behind the full barrier above */
		else if (waitqueue_active(&group->queue->waiters))
			wake_up_interruptible_poll(&group->queue->waiters, READABLE);
	}
	rcu_read_unlock();
}

/* All that wait there, also those that wait exclusively: each has to be told. */
static void wake_gone(wait_queue_head_t *waiters)
{
	/* ORD_SLEEP: full barrier; pairs with the one of prepare_to_wait() */
	if (wq_has_sleeper(waiters))
		__wake_up(waiters, TASK_INTERRUPTIBLE, 0, poll_to_key(GONE));
}

/**
 * mqbus_readers_hangup() - wake a member for which it is over
 * @member: a member that is not freed meanwhile
 */
void mqbus_readers_hangup(struct mqbus_member *member)
{
	wake_gone(&member->wait);
}

/**
 * mqbus_readers_wake_noted() - wake the members that a change was noted for
 * @group: a stream group; its lock was let go of after the change
 */
void mqbus_readers_wake_noted(struct mqbus_group *group)
{
	struct mqbus_member *members[READERS_CHUNK];
	u32 at = 0, n, i;
	bool dead;

	rcu_read_lock();
	do {
		spin_lock(&group->lock);
		n = mqbus_assign_woken(&group->assign, &at, members, READERS_CHUNK);
		dead = group->dead;
		spin_unlock(&group->lock);
		for (i = 0; i < n; i++) {
			wait_queue_head_t *waiters = &members[i]->wait;

			if (dead)
				wake_gone(waiters);
			/* ORD_READER: full barrier; pairs with the one of prepare_to_wait() */
			else if (wq_has_sleeper(waiters))
				wake_up_interruptible_poll(waiters, READABLE | EPOLLPRI);
		}
	} while (n == READERS_CHUNK);
	rcu_read_unlock();
}

/**
 * mqbus_readers_end() - wake all members of a group that is dead
 * @group: the group; its lock was let go of since
 */
void mqbus_readers_end(struct mqbus_group *group)
{
	if (group->queue)
		wake_gone(&group->queue->waiters);
	else
		mqbus_readers_wake_noted(group);
}
