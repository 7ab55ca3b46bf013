// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Transactions
 *
 * Everything that the user's memory is needed for comes first (act.c), without a lock:
 * acts and elements are copied in, records are put together in a buffer of the
 * kernel's, and commits are looked up. Then, in one step, all locks are taken, all is
 * checked, and if nothing stands in the way all of it is done. The locks are taken
 *
 *   groups, by address -> rings, by address -> senders, by address
 *
 * which nobody else does in another order, so there is no circle of tasks that wait
 * for each other, whatever topics are named. The namespace's transact_lock is held
 * meanwhile, so that only one task at a time has several locks of a kind.
 *
 * What stands in the way and may go away (a full ring, a rate, a share) is waited for
 * with no lock held; then all is checked anew. Until all is well nothing changes but
 * that settled records go where their space is needed.
 *
 * Readers of several rings see all of it or nothing: ORD_TOGETHER. The locks are held for as
 * long as it takes to copy %MQBUS_TRANSACT_BYTES; a task that is killed meanwhile goes
 * on until it has let go of them.
 */
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "elements.h"
#include "group.h"
#include "member.h"
#include "ns.h"
#include "producer.h"
#include "queue.h"
#include "refusal.h"
#include "sender.h"
#include "topic.h"
#include "transact.h"
#include "wait.h"

/* Old records that are looked at in each partition before some are appended */
#define TRANSACT_EXPIRE	16

/**
 * struct obstacle - what a transaction has to wait for
 * @producer: whose records they are; NULL: there is nothing to wait for
 * @refusal: why they cannot be stored
 */
struct obstacle {
	struct mqbus_producer *producer;
	struct mqbus_refusal refusal;
};

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

static void transact_lock(struct mqbus_transaction *t)
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

static void transact_unlock(struct mqbus_transaction *t)
{
	u32 i;

	for (i = t->nr_senders; i--;)
		unlock_one(&t->senders[i]->lock);
	for (i = t->nr_places; i--;)
		unlock_one(&t->rings[i]->lock);
	for (i = t->nr_groups; i--;)
		unlock_one(&t->groups[i]->lock);
}

/* Records of a producer cannot be stored now. Return: why. */
static int act_refuse(struct mqbus_transact_act *act, struct obstacle *wait,
		      const struct mqbus_refusal *refusal)
{
	wait->producer = act->producer;
	wait->refusal = *refusal;
	return refusal->why;
}

/* Whether an act's records can be appended; makes room for them. */
static int act_check_publish(struct mqbus_transaction *t, u32 a, u64 now,
			     struct obstacle *wait)
{
	struct mqbus_transact_act *act = &t->acts[a];
	struct mqbus_producer *producer = act->producer;
	struct mqbus_refusal refusal = {};
	u32 i;
	int err;

	err = mqbus_producer_check(producer, act->user.seq, act->user.count, &act->skip);
	if (err)
		return mqbus_transact_failed(t, a, MQBUS_ANY, err);
	act->bytes = 0;
	for (i = act->skip; i < act->user.count; i++) {
		const struct mqbus_piece *piece = &act->elements[i].piece;
		struct mqbus_transact_place *place = &t->places[piece->place];
		const struct mqbus_record *rec = t->records + piece->at;

		place->bytes += rec->size;
		act->bytes += rec->size;
		refusal.why = mqbus_producer_reserve(producer, place->partition, place->bytes);
		if (!refusal.why)
			continue;
		refusal.partition = place->partition;
		refusal.records = 1;
		refusal.bytes = place->bytes;
		return mqbus_transact_failed(t, a, i, act_refuse(act, wait, &refusal));
	}
	if (!act->bytes)
		return 0;
	refusal.due = mqbus_producer_due(producer, act->user.count - act->skip, act->bytes);
	if (refusal.due <= now)
		return 0;
	refusal.why = -EXFULL;
	refusal.records = act->user.count - act->skip;
	refusal.bytes = act->bytes;
	return mqbus_transact_failed(t, a, MQBUS_ANY, act_refuse(act, wait, &refusal));
}

/* Whether an act's leases can be settled, each once. */
static int act_check_leases(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_transact_act *act = &t->acts[a];
	struct mqbus_window *w = &act->member->group->queue->window;
	int err = 0;
	u32 i, n;

	for (n = 0; n < act->user.count; n++) {
		err = mqbus_window_name(w, &act->member->holder, act->elements[n].settle.lease);
		if (err)
			break;
	}
	for (i = 0; i < n; i++)
		mqbus_window_unname(w, act->elements[i].settle.lease);
	return err ? mqbus_transact_failed(t, a, n, err) : 0;
}

static int act_check_commits(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_transact_act *act = &t->acts[a];
	int err;
	u32 i;

	for (i = 0; i < act->user.count; i++) {
		const struct mqbus_commit_mark *mark = &act->elements[i].mark;

		err = mqbus_member_check_commit(act->member, mark->partition, mark->generation,
						&mark->at);
		if (err)
			return mqbus_transact_failed(t, a, i, err);
	}
	return 0;
}

static int act_check_member(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_group *group = t->acts[a].member->group;

	if (group->dead)
		return mqbus_transact_failed(t, a, MQBUS_ANY, -EIDRM);
	return group->queue ? act_check_leases(t, a) : act_check_commits(t, a);
}

/* Look for what stands in the way, with all locks held. */
static int transact_check(struct mqbus_transaction *t, struct obstacle *wait)
{
	u64 now = ktime_get_ns();
	u32 a, i;
	int err;

	for (i = 0; i < t->nr_places; i++) {
		mqbus_topic_begin(t->places[i].topic, t->places[i].partition, TRANSACT_EXPIRE);
		t->places[i].bytes = 0;
		t->places[i].stored = false;
	}
	/* What cannot be waited for comes first, wherever it is */
	for (a = 0; a < t->nr_acts; a++) {
		err = t->acts[a].member ? act_check_member(t, a) : 0;
		if (err)
			return err;
	}
	for (a = 0; a < t->nr_acts; a++) {
		err = t->acts[a].producer ? act_check_publish(t, a, now, wait) : 0;
		if (err)
			return err;
	}
	return 0;
}

static void act_publish(struct mqbus_transaction *t, struct mqbus_transact_act *act)
{
	u32 i;

	for (i = act->skip; i < act->user.count; i++) {
		struct mqbus_piece *piece = &act->elements[i].piece;
		struct mqbus_transact_place *place = &t->places[piece->place];
		struct mqbus_ring *ring = &place->topic->parts[place->partition]->ring;
		u64 offset = ring->tail.offset;

		mqbus_producer_stage(act->producer, ring, t->records + piece->at);
		place->stored = true;
		/* Its record is not needed any more, and the user wants to know */
		act->elements[i].mark.partition = place->partition;
		act->elements[i].mark.at.offset = offset;
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
static void transact_apply(struct mqbus_transaction *t)
{
	struct mqbus_now now = { .mono = ktime_get_ns(), .real = ktime_get_real_ns() };
	u32 a, i;

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

/* What has to follow: wake whom it concerns, move dead letters on. */
static void transact_wake(struct mqbus_transaction *t)
{
	struct mqbus_topic *last = NULL;
	u32 a, i;

	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];

		/* Those of an act stand together */
		if (!place->stored || place->topic == last)
			continue;
		mqbus_topic_wake_readers(place->topic);
		last = place->topic;
	}
	for (a = 0; a < t->nr_acts; a++) {
		struct mqbus_member *member = t->acts[a].member;

		if (!member)
			continue;
		if (member->group->queue) {
			mqbus_queue_lock(member->group->queue);
			mqbus_queue_unlock(member->group->queue);
		} else {
			mqbus_member_committed(member);
		}
	}
}

/* Return: 0 if all is done, or why not, with what to wait for if that can be. */
static int transact_try(struct mqbus_transaction *t, struct obstacle *wait)
{
	int err;

	err = mutex_lock_killable(&t->ns->transact_lock);
	if (err)
		return err;
	*wait = (struct obstacle) {};
	transact_lock(t);
	err = transact_check(t, wait);
	if (!err)
		transact_apply(t);
	transact_unlock(t);
	mutex_unlock(&t->ns->transact_lock);
	if (!err)
		transact_wake(t);
	return err;
}

/* Return: 0 to try again, or why not. */
static int transact_wait(const struct obstacle *wait, int err, ktime_t deadline)
{
	if (!wait->producer)
		return err;
	/* So many settled records went that the locks had to be let go of */
	if (err == -EAGAIN)
		return 0;
	return mqbus_producer_wait(wait->producer, &wait->refusal, deadline);
}

/* Tell where the records are. It was tried before that the memory can be written. */
static void act_tell(const struct mqbus_transact_act *act)
{
	u32 i;

	for (i = 0; i < act->user.count; i++) {
		const struct mqbus_commit_mark *mark = &act->elements[i].mark;
		struct mqbus_place place = { .partition = MQBUS_ANY, .offset = U64_MAX };

		if (i >= act->skip) {
			place.partition = mark->partition;
			place.offset = mark->at.offset;
		}
		if (mqbus_elements_write(act->user.places + (u64)i * act->user.place_size,
					 act->user.place_size, &place, sizeof(place), 1))
			return;
	}
}

static void transact_tell(struct mqbus_transaction *t)
{
	u32 a;

	t->args->failed_act = 0;
	t->args->failed_element = 0;
	for (a = 0; a < t->nr_acts; a++) {
		t->args->duplicates += t->acts[a].skip;
		if (t->acts[a].user.places)
			act_tell(&t->acts[a]);
	}
}

static int transact_run(struct mqbus_transaction *t, ktime_t deadline)
{
	struct obstacle wait;
	int err;

	err = mqbus_acts_read(t);
	while (!err) {
		err = transact_try(t, &wait);
		if (!err) {
			transact_tell(t);
			return 0;
		}
		err = transact_wait(&wait, err, deadline);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

/**
 * mqbus_transact() - do several things wholly or not at all
 * @ns: in which namespace
 * @args: what the user asks for; which element failed is written back
 * @nonblock: do not wait
 *
 * Return: 0 or a negative errno as of &struct mqbus_transact.
 */
int mqbus_transact(struct mqbus_ns *ns, struct mqbus_transact *args, bool nonblock)
{
	struct mqbus_transaction *t;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	if (args->__reserved || args->__reserved2)
		return -EINVAL;
	args->failed_act = MQBUS_ANY;
	args->failed_element = MQBUS_ANY;
	args->duplicates = 0;
	if (!args->count || args->count > MQBUS_ACTS_MAX)
		return -ERANGE;
	err = mqbus_elements_check(args->act_size, sizeof(struct mqbus_act));
	if (err)
		return err;
	t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	t->ns = ns;
	t->args = args;
	err = transact_run(t, mqbus_deadline(args->timeout, nonblock));
	mqbus_acts_put(t);
	kfree(t);
	return err;
}
