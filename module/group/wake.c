// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Waking readers
 *
 * Each member of a stream group waits in its own queue, members of a queue group share one.
 * So an exclusive waiter is woken for its own records, whatever other groups the topic has.
 * doc/wakeups.rst lists the events and whom they wake; selftests/kselftest/stream_wake_test.c
 * and queue_wake_test.c test it line by line.
 *
 * In a stream group only the owner of the partition is woken: publishers find it in
 * &mqbus_assign.readers, without a lock. Three tasks race:
 *
 *   publisher                 owner change                new owner
 *
 *   store tail                store reader                enter its queue
 *   full barrier              full barrier                full barrier
 *   load reader, wake it      is its queue empty?         look at owner and tail
 *                             else wake it
 *
 * If the publisher loads the old reader, the change follows the tail, and so does the
 * change's wake-up: the new owner is woken by it, or enters its queue after it. Either way it
 * sees the tail. If the publisher loads the new reader, only two race, as in ORD_SLEEP.
 */
#include <linux/poll.h>
#include <linux/rcupdate.h>

#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "group/wake.h"
#include "log/topic.h"

/* Members looked up per hold of the group's lock */
#define READERS_CHUNK	16

#define READABLE	(EPOLLIN | EPOLLRDNORM)
/* Wake also pollers that ask for urgent events only, or for none */
#define GONE		(READABLE | EPOLLPRI | EPOLLHUP | EPOLLERR)

/* Wake the owner of a partition unless it is @last. Return: the owner */
static struct mqbus_member *owner_wake(const struct mqbus_assign *a, u32 partition,
				       const struct mqbus_member *last)
{
	/* ORD_READER: acquire; pairs with release in slot_show() */
	struct mqbus_member *member = smp_load_acquire(&a->readers[partition]);

	/* The caller has issued the full barrier */
	if (member && member != last && waitqueue_active(&member->wait))
		wake_up_interruptible_poll(&member->wait, READABLE);
	return member;
}

/* Wake the owners of partitions with new records */
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

/* Wake one member, which wakes the next if there is more than it takes */
void mqbus_wake_queue(struct mqbus_reader *reader, const struct mqbus_stored *stored)
{
	struct mqbus_group *group = container_of(reader, struct mqbus_group, reader);

	/* The caller has issued the full barrier */
	if (waitqueue_active(&group->queue->waiters))
		wake_up_interruptible_poll(&group->queue->waiters, READABLE);
}

/* Wake all waiters, exclusive ones too: each has to return */
static void wake_gone(wait_queue_head_t *waiters)
{
	/* ORD_SLEEP: full barrier; pairs with the one of prepare_to_wait() */
	if (wq_has_sleeper(waiters))
		__wake_up(waiters, TASK_INTERRUPTIBLE, 0, poll_to_key(GONE));
}

/* Wake a member that is out; it is not freed meanwhile */
void mqbus_wake_hangup(struct mqbus_member *member)
{
	wake_gone(&member->wait);
}

/* Wake the members noted in a change; the group's lock was dropped after it */
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

/* Wake all members of a dead queue group, whose lock was dropped */
void mqbus_wake_queue_end(struct mqbus_group *group)
{
	wake_gone(&group->queue->waiters);
}
