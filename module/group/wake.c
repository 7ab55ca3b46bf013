// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Waking readers
 *
 * Members of stream groups wait in a queue of their own, members of a queue group in one
 * that they share. So whoever waits exclusively is woken for his own records, whatever
 * other groups the topic has. What makes a reader go on, and who is woken by it, is listed
 * in doc/wakeups.rst, and tried line by line by selftests/kselftest/stream_wake_test.c and
 * queue_wake_test.c.
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
#include <linux/rcupdate.h>

#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "group/wake.h"
#include "log/topic.h"

/* Members that are looked up under one hold of the group's lock */
#define READERS_CHUNK	16

#define READABLE	(EPOLLIN | EPOLLRDNORM)
/* Also those are woken that ask for urgent things only, or for nothing */
#define GONE		(READABLE | EPOLLPRI | EPOLLHUP | EPOLLERR)

/* Wake the owner of a partition, if it is not @last. Return: who it is. */
static struct mqbus_member *owner_wake(const struct mqbus_assign *a, u32 partition,
				       const struct mqbus_member *last)
{
	/* ORD_READER: acquire; pairs with release in slot_show() */
	struct mqbus_member *member = smp_load_acquire(&a->readers[partition]);

	/* The full barrier was the caller's */
	if (member && member != last && waitqueue_active(&member->wait))
		wake_up_interruptible_poll(&member->wait, READABLE);
	return member;
}

/**
 * mqbus_wake_stream() - wake the owners of partitions to which something was appended
 * @reader: of a stream group
 * @stored: which partitions
 */
void mqbus_wake_stream(struct mqbus_reader *reader, const struct mqbus_stored *stored)
{
	const struct mqbus_assign *a = &container_of(reader, struct mqbus_group, reader)->assign;
	struct mqbus_member *last = NULL;
	u32 i;

	if (!stored->several) {
		owner_wake(a, stored->partition, NULL);
		return;
	}
	for (i = mqbus_stored_next(stored, a->nr_slots, 0); i < a->nr_slots;
	     i = mqbus_stored_next(stored, a->nr_slots, i + 1))
		last = owner_wake(a, i, last) ?: last;
}

/**
 * mqbus_wake_queue() - wake one member, which wakes the next if there is more than it takes
 * @reader: of a queue group
 * @stored: there is something
 */
void mqbus_wake_queue(struct mqbus_reader *reader, const struct mqbus_stored *stored)
{
	struct mqbus_group *group = container_of(reader, struct mqbus_group, reader);

	/* The full barrier was the caller's */
	if (waitqueue_active(&group->queue->waiters))
		wake_up_interruptible_poll(&group->queue->waiters, READABLE);
}

/* All that wait there, also those that wait exclusively: each has to be told. */
static void wake_gone(wait_queue_head_t *waiters)
{
	/* ORD_SLEEP: full barrier; pairs with the one of prepare_to_wait() */
	if (wq_has_sleeper(waiters))
		__wake_up(waiters, TASK_INTERRUPTIBLE, 0, poll_to_key(GONE));
}

/**
 * mqbus_wake_hangup() - wake a member for which it is over
 * @member: a member that is not freed meanwhile
 */
void mqbus_wake_hangup(struct mqbus_member *member)
{
	wake_gone(&member->wait);
}

/**
 * mqbus_wake_noted() - wake the members that a change was noted for
 * @group: a stream group; its lock was let go of after the change
 */
void mqbus_wake_noted(struct mqbus_group *group)
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
 * mqbus_wake_queue_end() - wake all members of a queue group that is dead
 * @group: the group; its lock was let go of since
 */
void mqbus_wake_queue_end(struct mqbus_group *group)
{
	wake_gone(&group->queue->waiters);
}
