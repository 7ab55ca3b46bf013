// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Queue groups
 *
 * core/inflight.h has the rules; this file adds memory, clock and wake-ups.
 *
 * The group's lock guards all of a queue. mqbus_queue_proceed() drops it: it moves dead
 * letters, arms the timer, and wakes writers of the topic when a floor has moved, readers of
 * the DLQ, and one waiting member. One is enough: it takes records and, if there are more,
 * wakes the next member as it unlocks. So no member wakes in vain, and none sleeps while
 * there is work.
 */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "base/event.h"
#include "base/ns.h"
#include "core/record.h"
#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "log/reader.h"
#include "log/topic.h"

/* Rounds of 64 KiB of dead letters per call; the work moves the rest */
#define QUEUE_ROUNDS		16

/* Read the clocks, and draw a random number if backoff has jitter */
void mqbus_queue_now(struct mqbus_group_queue *q, struct mqbus_now *now)
{
	now->mono = ktime_get_ns();
	now->real = ktime_get_real_ns();
	now->chance = READ_ONCE(q->jitters) ? get_random_u32() : 0;
}

/* As mqbus_inflight_ready(), for all partitions */
bool mqbus_queue_ready(struct mqbus_group_queue *q, const struct mqbus_holder *holder)
{
	u32 left = U32_MAX;
	bool ready;

	do {
		spin_lock(&q->group->lock);
		ready = mqbus_inflight_ready(&q->inflight, holder, &left);
		spin_unlock(&q->group->lock);
	} while (!ready && left);
	return ready;
}

/* Wake a member if there is a record for one */
void mqbus_queue_wake(struct mqbus_group_queue *q)
{
	const struct mqbus_holder anybody = {};

	/* ORD_SLEEP: full barrier; pairs with the one of prepare_to_wait() */
	if (wq_has_sleeper(&q->waiters) && mqbus_queue_ready(q, &anybody))
		wake_up_interruptible_poll(&q->waiters, EPOLLIN | EPOLLRDNORM);
}

/* Drop the lock; waiting records and dead letters are dealt with */
static void queue_let_go(struct mqbus_group_queue *q)
	__releases(&q->group->lock)
{
	struct mqbus_group *group = q->group;
	bool freed;

	if (!group->dead)
		mqbus_timer_arm(&q->timer, mqbus_inflight_due(&q->inflight));
	mqbus_inflight_flush(&q->inflight);
	freed = q->inflight.freed;
	q->inflight.freed = false;
	spin_unlock(&group->lock);
	if (freed)
		mqbus_topic_wake_writers(group->topic);
}

/* Whether records are to leave their partition: dead letters and waiting records */
static bool queue_moves(const struct mqbus_group_queue *q)
{
	return q->inflight.nr_dead || !mqbus_list_empty(&q->inflight.stay) ||
	       !list_empty(&q->dlq_wait.entry);
}

/* mqbus_queue_proceed() with records to move; noinline, as it needs most of the stack */
static noinline void queue_proceed_moving(struct mqbus_group_queue *q)
	__releases(&q->group->lock)
{
	struct mqbus_group *group = q->group;
	struct mqbus_stored stored;
	struct mqbus_topic *dlq;
	unsigned int rounds;
	bool more;

	for (rounds = 0;; rounds++) {
		lockdep_assert_held(&group->lock);
		stored.any = false;
		dlq = NULL;
		more = mqbus_dlq_bury(q, &stored);
		/* A deleted group no longer holds its records in place */
		more = (!group->dead && mqbus_inflight_stow(&q->inflight)) || more;
		if (stored.any) {
			dlq = q->dlq;
			kref_get(&dlq->ref);
		}
		queue_let_go(q);
		if (dlq) {
			mqbus_readers_wake(dlq, &stored);
			mqbus_topic_put(dlq);
		}
		mqbus_queue_wake(q);
		if (!more)
			return;
		/* New dead letters may come as fast as these are moved */
		if (rounds == QUEUE_ROUNDS) {
			mqbus_queue_kick(q);
			return;
		}
		cond_resched();
		spin_lock(&group->lock);
	}
}

/*
 * Drop the group's lock after a change: move dead letters and waiting records, arm the timer, wake
 * writers and a member. May sleep, as it may free a DLQ that is deleted meanwhile. The lock of the
 * group's topic may be held: freeing a topic takes no lock but the account's.
 */
void mqbus_queue_proceed(struct mqbus_group_queue *q)
	__releases(&q->group->lock)
{
	if (unlikely(queue_moves(q))) {
		queue_proceed_moving(q);
		return;
	}
	queue_let_go(q);
	mqbus_queue_wake(q);
}

static void queue_run(struct work_struct *work)
{
	struct mqbus_group_queue *q = container_of(to_delayed_work(work),
						   struct mqbus_group_queue, timer.work);
	struct mqbus_now now;
	bool more = true;

	while (more) {
		mqbus_queue_now(q, &now);
		spin_lock(&q->group->lock);
		mqbus_timer_begun(&q->timer);
		/* dlq_room() kicks the work again if it runs after this */
		if (xchg(&q->dlq_room, false))
			mqbus_dlq_retry(q);
		more = !q->group->dead &&
		       mqbus_inflight_tick(&q->inflight, MQBUS_INFLIGHT_STEP, &now);
		mqbus_queue_proceed(q);
		cond_resched();
	}
}

static int queue_alloc(struct mqbus_group_queue *q, const struct mqbus_queue_options *o)
{
	struct mqbus_topic *topic = q->group->topic;
	u32 nr = mqbus_queue_entries(o, topic), buckets = rounddown_pow_of_two(nr);
	struct mqbus_inflight *f = &q->inflight;
	struct mqbus_entry *entries;

	f->sources = kvcalloc(topic->nr_parts + 1, sizeof(*f->sources), MQBUS_GFP);
	entries = kvcalloc(nr, sizeof(*entries), MQBUS_GFP);
	f->table.entries = entries;
	if (!f->sources || !entries)
		return -ENOMEM;
	if (o->flags & MQBUS_QUEUE_F_KEY_EXCLUSIVE) {
		q->keys.heads = kvcalloc(nr, sizeof(*q->keys.heads), MQBUS_GFP);
		q->keys.buckets = kvcalloc(buckets, sizeof(u32), MQBUS_GFP);
		if (!q->keys.heads || !q->keys.buckets)
			return -ENOMEM;
		q->keys.mask = buckets - 1;
		get_random_bytes(&q->keys.secret, sizeof(q->keys.secret));
		f->keys = &q->keys;
	}
	q->retry = mqbus_part_alloc(mqbus_queue_retry_size(o, topic), NUMA_NO_NODE, MQBUS_RETRY,
				    false);
	return PTR_ERR_OR_ZERO(q->retry);
}

static void queue_sources(struct mqbus_group_queue *q)
{
	struct mqbus_group *group = q->group;
	struct mqbus_inflight *f = &q->inflight;
	u32 i;

	f->nr_sources = group->topic->nr_parts;
	for (i = 0; i < f->nr_sources; i++) {
		f->sources[i].ring = &group->topic->parts[i]->ring;
		f->sources[i].cursor = &group->slots[i].cursor;
	}
	f->sources[i].ring = &q->retry->ring;
}

/*
 * Make a group that nobody sees yet a queue group; it is freed also after an error. Return: 0 or
 * -ENOMEM.
 */
int mqbus_queue_init(struct mqbus_group *group, const struct mqbus_group_create *args)
{
	const struct mqbus_queue_options *o = &args->queue;
	struct mqbus_topic *topic = group->topic;
	struct mqbus_group_queue *q;
	struct mqbus_inflight *f;
	int err;

	q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	if (!q)
		return -ENOMEM;
	group->queue = q;
	q->group = group;
	q->options = *o;
	q->producer = atomic64_inc_return(&group->charge.ns->producers);
	init_waitqueue_head(&q->waiters);
	mqbus_crowd_init(&q->crowd, &q->waiters);
	mqbus_timer_init(&q->timer, queue_run);
	mqbus_dlq_init(q);
	err = queue_alloc(q, o);
	if (err)
		return err;

	queue_sources(q);
	mqbus_queue_configure(q);
	f = &q->inflight;
	f->once = o->flags & MQBUS_QUEUE_F_AT_MOST_ONCE;
	f->max_retry = mqbus_queue_retry_size(o, topic) / MQBUS_RETRY_RECORD;
	f->max_held = f->keys ? q->inflight.conf.max_inflight : 0;
	f->margin = mqbus_record_most(topic->max_record);
	mqbus_inflight_init(f, f->table.entries, mqbus_queue_entries(o, topic));
	return 0;
}

/* Undo mqbus_queue_init(); the group has no members and is not in its topic's list */
void mqbus_queue_free(struct mqbus_group *group)
{
	struct mqbus_group_queue *q = group->queue;

	if (!q)
		return;
	mqbus_timer_end(&q->timer);
	mqbus_crowd_end(&q->crowd);
	mqbus_right_put(&q->dlq_right);
	if (!IS_ERR_OR_NULL(q->retry))
		mqbus_part_free(q->retry);
	kvfree(q->inflight.seats);
	kvfree(q->inflight.sources);
	kvfree(q->inflight.table.entries);
	kvfree(q->keys.heads);
	kvfree(q->keys.buckets);
	/* A writer may still check for waiters */
	kfree_rcu(q, rcu);
}

/*
 * Unlink a deleted group from its DLQ; the group's lock is held. Return: the DLQ, whose reference
 * passes to the caller, or NULL.
 */
struct mqbus_topic *mqbus_queue_end(struct mqbus_group *group)
{
	lockdep_assert_held(&group->lock);

	return mqbus_dlq_swap(group->queue, NULL);
}

/*
 * Change the options that @args selects; the topic's lock is held. @dlq is the new DLQ, if that
 * changes, for which @caller's permissions are kept; on success the old one, whose reference passes
 * to the caller. Return: 0 or a negative errno as of &struct mqbus_group_set.
 */
int mqbus_queue_set(struct mqbus_group *group, const struct mqbus_caller *caller,
		    const struct mqbus_group_set *args, struct mqbus_topic **dlq)
{
	struct mqbus_group_queue *q = group->queue;
	u32 fields = args->fields;
	struct mqbus_queue_options merged;
	struct mqbus_right right = {};
	int err;

	if (*dlq)
		mqbus_right_get(&right, caller);
	spin_lock(&q->group->lock);
	merged = q->options;
	mqbus_queue_merge(&merged, &args->queue, fields);
	err = mqbus_queue_options_check(&merged, group->topic);
	if (!err && mqbus_queue_entries(&merged, group->topic) > q->inflight.table.nr)
		err = -ERANGE;
	/* Waiting dead letters could not go anywhere */
	if (!err && fields & MQBUS_GROUP_SET_DLQ && !*dlq && q->inflight.nr_dead)
		err = -EBUSY;
	if (!err) {
		q->options = merged;
		if (fields & MQBUS_GROUP_SET_DLQ) {
			swap(q->dlq_right, right);
			*dlq = mqbus_dlq_swap(q, *dlq);
		}
		mqbus_queue_configure(q);
	}
	mqbus_queue_proceed(q);
	/* The old one, or the new one after an error */
	mqbus_right_put(&right);
	return err;
}

/* Set a flag that stops or resumes handing out records */
void mqbus_queue_hold(struct mqbus_group *group, bool *what, bool value)
{
	spin_lock(&group->lock);
	*what = value;
	mqbus_queue_configure(group->queue);
	mqbus_queue_proceed(group->queue);
}

/* Let a member in; @id must be "". Return: as of &struct mqbus_group_ops */
int mqbus_queue_enter(struct mqbus_group *group, struct mqbus_member *member, const char *id)
{
	struct mqbus_group_queue *q = group->queue;
	struct mqbus_inflight *f = &q->inflight;
	int err;

	if (*id)
		return -EINVAL;
	err = mqbus_group_lock_seat(group, &f->nr_sitting, (void ***)&f->seats, &f->nr_seats);
	if (err)
		return err;
	spin_lock(&group->lock);
	err = group->dead ? -ENOENT : mqbus_inflight_sit(f, &member->holder);
	if (!err) {
		WRITE_ONCE(group->nr_members, group->nr_members + 1);
		group->assign.generation++;
		mqbus_member_report(member, MQBUS_EVENT_KIND_MEMBER_JOINED, NULL, 0);
	}
	spin_unlock(&group->lock);
	mutex_unlock(&group->topic->lock);
	return err;
}

/* Remove a member that leaves or died; on return its records are available to others */
void mqbus_queue_leave(struct mqbus_group *group, struct mqbus_member *member)
{
	struct mqbus_group_queue *q = group->queue;
	struct mqbus_now now;
	bool more;

	mqbus_queue_now(q, &now);
	spin_lock(&q->group->lock);
	group->assign.generation++;
	if (member->holder.nr)
		q->inflight.stats.deaths++;
	if (!group->dead)
		mqbus_member_report(member, member->holder.nr ? MQBUS_EVENT_KIND_MEMBER_DIED :
				    MQBUS_EVENT_KIND_MEMBER_LEFT, NULL, member->holder.nr);
	do {
		/* A deleted group no longer holds its records in place */
		more = !group->dead &&
		       mqbus_inflight_leave(&q->inflight, &member->holder, MQBUS_INFLIGHT_STEP,
					    &now);
		if (!more) {
			mqbus_inflight_stand(&q->inflight, &member->holder);
			/* Not earlier: a seek could take records that the member still has */
			WRITE_ONCE(group->nr_members, group->nr_members - 1);
		}
		mqbus_queue_proceed(q);
		if (more) {
			cond_resched();
			spin_lock(&q->group->lock);
		}
	} while (more);
}

/* Proceed after a transaction of a member settled records */
void mqbus_queue_settled(struct mqbus_member *member)
{
	spin_lock(&member->group->lock);
	mqbus_queue_proceed(member->group->queue);
}

/* The cursor of a partition was moved; the group's lock is held */
void mqbus_queue_placed(struct mqbus_group *group, u32 partition)
{
	mqbus_inflight_place(&group->queue->inflight, partition);
}

/* Whether records of a partition wait for another attempt, or as dead letters for room */
bool mqbus_queue_waits(struct mqbus_group *group, u32 partition)
{
	bool waits;

	spin_lock(&group->lock);
	waits = group->queue->inflight.sources[partition].aside;
	spin_unlock(&group->lock);
	return waits;
}

/*
 * Forget the records taken from a partition that are still in it. Until mqbus_queue_forget_retry()
 * is done, either the group has no members and the topic's lock keeps them out, or nothing is
 * handed out.
 */
void mqbus_queue_forget(struct mqbus_group *group, u32 partition)
{
	struct mqbus_group_queue *q = group->queue;
	bool more;

	do {
		spin_lock(&q->group->lock);
		more = mqbus_inflight_forget(&q->inflight, partition);
		mqbus_queue_proceed(q);
		cond_resched();
	} while (more);
}

/*
 * Forget records of partitions @first to @last in the retry ring, after mqbus_queue_forget() of
 * each
 */
void mqbus_queue_forget_retry(struct mqbus_group *group, u32 first, u32 last)
{
	struct mqbus_group_queue *q = group->queue;
	bool more;

	spin_lock(&q->group->lock);
	mqbus_inflight_forget_begin(&q->inflight);
	do {
		more = mqbus_inflight_forget_retry(&q->inflight, first, last);
		mqbus_queue_proceed(q);
		if (more) {
			cond_resched();
			spin_lock(&q->group->lock);
		}
	} while (more);
}
