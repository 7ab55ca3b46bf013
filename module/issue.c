// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Issuing a transaction
 *
 * The last step: all or nothing. The locks are taken
 *
 *   groups, by address -> rings, by address -> senders, by address
 *
 * which nobody else does in another order, so there is no circle of tasks that wait for
 * each other, whatever topics are named. They are not more than %MQBUS_ACTS_MAX of groups
 * and senders together and %MQBUS_TRANSACT_PARTITIONS of rings. What may have changed
 * since it was asked is looked at again; then leases and commits are settled, records
 * that lie ready behind the tails get their offsets and numbers, and the tails move.
 *
 * Rings are claimed, so their tails are ours without a lock; it is taken because those
 * who read under it must see either none of the rings change or all of them:
 * ORD_TOGETHER says what they see without.
 *
 * The locks are held for as long as it takes to look at %MQBUS_TRANSACT_MAX elements twice
 * and to settle or sign each; and, of topics that evict, to drop and copy the 64 KiB that
 * prepare.c has left.
 */
#include <linux/ktime.h>

#include "group.h"
#include "member.h"
#include "ns.h"
#include "producer.h"
#include "queue.h"
#include "sender.h"
#include "topic.h"
#include "transact.h"

/* sparse cannot count locks that are taken in a loop, so it is told of none. */
static void lock_one(spinlock_t *lock, struct mutex *nest)
{
	spin_lock_nest_lock(lock, nest);
	__release(lock);
}

static void unlock_one(spinlock_t *lock)
{
	__acquire(lock);
	spin_unlock(lock);
}

static void issue_lock(struct mqbus_transaction *t)
{
	struct mutex *nest = &t->ns->transact_lock;
	u32 i;

	lockdep_assert_held(nest);

	for (i = 0; i < t->nr_groups; i++)
		lock_one(&t->groups[i]->lock, nest);
	for (i = 0; i < t->nr_places; i++)
		lock_one(&t->rings[i]->lock, nest);
	for (i = 0; i < t->nr_senders; i++)
		lock_one(&t->senders[i]->lock, nest);
}

static void issue_unlock(struct mqbus_transaction *t)
{
	u32 i;

	for (i = t->nr_senders; i--;)
		unlock_one(&t->senders[i]->lock);
	for (i = t->nr_places; i--;)
		unlock_one(&t->rings[i]->lock);
	for (i = t->nr_groups; i--;)
		unlock_one(&t->groups[i]->lock);
}

/* Look again for what stands in the way, with all locks held. */
static int issue_check(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	u32 a, skip;
	int err;

	for (a = 0; a < t->nr_acts; a++) {
		err = t->acts[a].member ? mqbus_act_check_member(t, a) : 0;
		if (err)
			return err;
	}
	for (a = 0; a < t->nr_acts; a++) {
		if (!t->acts[a].producer)
			continue;
		err = mqbus_act_check_author(t, a, &skip);
		/* Somebody else has stored some of them: others lie ready than should */
		if (!err && skip != t->acts[a].skip) {
			wait->again = true;
			err = -EAGAIN;
		}
		err = err ?: mqbus_act_check_rate(t, a, wait);
		if (err)
			return err;
	}
	return 0;
}

/* Nothing refuses any more: now records may go that somebody needs. */
static void issue_evict(struct mqbus_transaction *t)
{
	bool late = false;
	u32 i;

	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];

		if (!place->late)
			continue;
		late = true;
		mqbus_ring_begin(place->ring);
		/* It was asked for; and no more goes than 64 KiB of records */
		while (mqbus_topic_reserve(place->topic, place->partition, place->bytes, 0) ==
		       -EAGAIN)
			;
	}
	if (late)
		mqbus_transact_copy(t, true);
}

static void act_publish(struct mqbus_transaction *t, struct mqbus_transact_act *act)
{
	struct mqbus_transact_place *last = NULL;
	u32 i;

	for (i = act->skip; i < act->user.count; i++) {
		union mqbus_element *e = &act->elements[i];
		struct mqbus_transact_place *place = &t->places[e->piece.place];
		struct mqbus_ring *ring = place->ring;
		u64 offset = ring->tail.offset;

		if (place != last)
			mqbus_producer_used(act->producer, ring);
		last = place;
		place->stored = true;
		mqbus_producer_sign(act->producer, ring, mqbus_ring_slot(ring), e->piece.bytes);
		/* Its record is not needed any more, and the user wants to know */
		e->mark.partition = place->partition;
		e->mark.at.offset = offset;
	}
	if (act->bytes)
		mqbus_producer_spend(act->producer, act->user.count - act->skip, act->bytes);
}

static void act_settle(struct mqbus_transact_act *act, struct mqbus_now *now)
{
	struct mqbus_member *member = act->member;
	struct mqbus_group_queue *q = member->group->queue;
	u32 i;

	for (i = 0; i < act->user.count; i++) {
		const union mqbus_element *e = &act->elements[i];

		if (q)
			WARN_ON_ONCE(mqbus_window_settle(&q->window, &member->holder,
							 &e->settle, now));
		else
			mqbus_member_commit_at(member, e->mark.partition, &e->mark.at);
	}
	if (q)
		mqbus_window_flush(&q->window);
}

/* Do it, with all locks held, after a check. */
static void issue_apply(struct mqbus_transaction *t)
{
	struct mqbus_now now = { .mono = ktime_get_ns(), .real = ktime_get_real_ns() };
	u32 a, i;

	issue_evict(t);
	for (a = 0; a < t->nr_acts; a++) {
		if (t->acts[a].producer)
			act_publish(t, &t->acts[a]);
		else
			act_settle(&t->acts[a], &now);
	}
	/* All begins, then all tails, then all ends: that is what ORD_TOGETHER needs */
	for (i = 0; i < t->nr_places; i++)
		mqbus_ring_show_begin(t->rings[i]);
	for (i = 0; i < t->nr_places; i++)
		mqbus_ring_show_tail(t->rings[i]);
	for (i = 0; i < t->nr_places; i++)
		mqbus_ring_show_end(t->rings[i]);
}

/**
 * mqbus_transact_issue() - do it, or nothing
 * @t: a transaction for which mqbus_transact_prepare() was 0
 * @wait: filled if something has come in the way that can be waited for
 *
 * Return: as mqbus_transact_prepare().
 */
int mqbus_transact_issue(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	int err;

	issue_lock(t);
	err = issue_check(t, wait);
	if (!err)
		issue_apply(t);
	issue_unlock(t);
	return err;
}
