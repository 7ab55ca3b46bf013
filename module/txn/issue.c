// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Issuing a transaction
 *
 * The last step: all or nothing. The locks are taken
 *
 *   groups, by address -> rings, by address -> authors, by address
 *
 * No other code takes them in another order, so tasks cannot wait for each other in a loop,
 * whatever topics are named. There are at most %MQBUS_ACTS_MAX locks of groups and authors
 * together and %MQBUS_TRANSACT_PARTITIONS of rings. All that may have changed since prepare.c
 * is checked again; no record is dropped, settled or stored while a check can still fail.
 * Then room is made, leases and commits are settled, records are copied in and get their
 * offsets and numbers, and the tails move.
 *
 * Readers that hold a ring's lock see either none of the rings change or all of them;
 * ORD_TOGETHER says what readers without it see.
 *
 * The locks are held while %MQBUS_TRANSACT_MAX elements are checked twice and settled or
 * signed, %MQBUS_TRANSACT_BYTES are copied, and as many bytes of old records are dropped.
 * Before that, waiting for locks that others hold is bounded: see ISSUE_WAIT.
 */
#include <linux/ktime.h>
#include <linux/string.h>

#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "log/producer.h"
#include "log/author.h"
#include "log/topic.h"
#include "txn/transact.h"

/* ns of waiting for locks while it holds others, after which a transaction waits for no more */
#define ISSUE_WAIT	(NSEC_PER_MSEC / 2)

/* sparse cannot count locks taken in a loop, so hide them from it */
static void lock_one(spinlock_t *lock, struct mqbus_transaction *t)
{
	spin_lock_nest_lock(lock, t);
	__release(lock);
}

static void unlock_one(spinlock_t *lock)
{
	__acquire(lock);
	spin_unlock(lock);
}

/* Number of locks of a transaction */
static u32 issue_locks(const struct mqbus_transaction *t)
{
	return t->nr_groups + t->nr_places + t->nr_authors;
}

/* The locks in their order */
static spinlock_t *issue_nth(const struct mqbus_transaction *t, u32 n)
{
	if (n < t->nr_groups)
		return &t->groups[n]->lock;
	n -= t->nr_groups;
	return n < t->nr_places ? &t->rings[n]->lock : &t->authors[n - t->nr_places]->lock;
}

/* Let go of the first @n locks */
static void issue_unlock(struct mqbus_transaction *t, u32 n)
{
	while (n--)
		unlock_one(issue_nth(t, n));
	lock_map_release(&t->dep_map);
}

/*
 * Take all locks, or none when others have kept it waiting for them for too long: whoever needs
 * those that it has would wait as long.
 */
static bool issue_lock(struct mqbus_transaction *t)
{
	u32 nr = issue_locks(t), n;
	static struct lock_class_key key;
	u64 waited = 0, begin;

	lockdep_init_map(&t->dep_map, "mqbus_transaction", &key, 0);
	lock_map_acquire(&t->dep_map);
	for (n = 0; n < nr; n++) {
		spinlock_t *lock = issue_nth(t, n);

		/* Nobody waits for a transaction that holds nothing */
		if (likely(!n || !spin_is_locked(lock))) {
			lock_one(lock, t);
			continue;
		}
		if (waited > ISSUE_WAIT) {
			issue_unlock(t, n);
			return false;
		}
		begin = ktime_get_ns();
		lock_one(lock, t);
		waited += ktime_get_ns() - begin;
	}
	return true;
}

/* State has changed since it was checked: check everything again */
static int issue_again(struct mqbus_obstacle *wait)
{
	wait->again = true;
	return -EAGAIN;
}

/* Whether there is still room for all records of a place, that is kept for nobody else */
static bool place_room(const struct mqbus_transact_place *place)
{
	return !place->bytes ||
	       (!mqbus_ring_ask(place->ring, place->bytes, place->ring->floor) &&
		mqbus_line_spares(place->topic, place->partition, place->bytes, place->producer));
}

/* Whether there is still room for all records, also in the shares of their authors */
static bool issue_room(const struct mqbus_transaction *t)
{
	u32 a, i;

	for (i = 0; i < t->nr_places; i++)
		if (!place_room(&t->places[i]))
			return false;
	for (a = 0; a < t->nr_ops; a++) {
		const struct mqbus_op *op = &t->ops[a];

		for (i = op->skip; op->producer && i < op->user.count; i++) {
			const struct mqbus_piece *piece = &op->pieces[i];
			const struct mqbus_transact_place *place = &t->places[piece->place];

			if (piece->shared &&
			    !mqbus_topic_ask_share(place->topic, place->partition, piece->before,
						   piece->bytes,
						   mqbus_producer_owner(op->producer)))
				return false;
		}
	}
	return true;
}

/* Check again, with all locks held */
static int issue_check(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	u32 a, skip;
	int err;

	for (a = 0; a < t->nr_ops; a++) {
		err = t->ops[a].member ? mqbus_op_check_member(t, a) : 0;
		if (err)
			return err;
	}
	for (a = 0; a < t->nr_ops; a++) {
		if (!t->ops[a].producer)
			continue;
		err = mqbus_op_check_author(t, a, &skip);
		/* Some of them have been stored since */
		if (!err && skip != t->ops[a].skip)
			err = issue_again(wait);
		err = err ?: mqbus_op_check_rate(t, a, wait);
		if (err)
			return err;
	}
	return issue_room(t) ? 0 : issue_again(wait);
}

/* No check can fail any more: make room, by eviction in topics that evict */
static void issue_make(struct mqbus_transaction *t, const struct mqbus_now *now)
{
	u32 i;

	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];

		if (!place->bytes)
			continue;
		place->ring->last_time = max(place->ring->last_time, now->real);
		mqbus_topic_make(place->topic, place->partition, place->bytes);
	}
}

/* Use up the turns of an act whose records are all in their rings: how much it stores counts */
static void op_used(struct mqbus_transaction *t, const struct mqbus_op *op)
{
	const struct mqbus_transact_place *place, *last = NULL;
	u32 i;

	for (i = op->skip; i < op->user.count; i++) {
		place = &t->places[op->pieces[i].place];
		if (place != last)
			mqbus_producer_used(op->producer, place->ring);
		last = place;
	}
}

static void op_publish(struct mqbus_transaction *t, struct mqbus_op *op)
{
	u32 i;

	for (i = op->skip; i < op->user.count; i++) {
		struct mqbus_piece *piece = &op->pieces[i];
		struct mqbus_transact_place *place = &t->places[piece->place];
		struct mqbus_ring *ring = place->ring;

		memcpy(mqbus_ring_slot(ring), t->records + piece->at, piece->bytes);
		place->stored = true;
		piece->offset = ring->tail.offset;
		mqbus_producer_sign(op->producer, ring, mqbus_ring_slot(ring), piece->bytes);
	}
	op_used(t, op);
	if (op->bytes)
		mqbus_producer_spend(op->producer, op->user.count - op->skip, op->bytes);
}

static void op_settle(struct mqbus_op *op, struct mqbus_now *now)
{
	struct mqbus_member *member = op->member;
	struct mqbus_group_queue *q = member->group->queue;
	u32 i;

	for (i = 0; i < op->user.count; i++) {
		if (q)
			WARN_ON_ONCE(mqbus_inflight_settle(&q->inflight, &member->holder,
							   &op->settles[i], now));
		else
			mqbus_member_commit_at(member, op->marks[i].partition, &op->marks[i].at);
	}
	if (q)
		mqbus_inflight_flush(&q->inflight);
}

/* Apply the transaction after a check; all locks are held */
static void issue_apply(struct mqbus_transaction *t)
{
	struct mqbus_now now = { .mono = ktime_get_ns(), .real = ktime_get_real_ns() };
	u32 a, i;

	issue_make(t, &now);
	for (a = 0; a < t->nr_ops; a++) {
		if (t->ops[a].producer)
			op_publish(t, &t->ops[a]);
		else
			op_settle(&t->ops[a], &now);
	}
	/* All begins, then all tails, then all ends, as ORD_TOGETHER requires */
	for (i = 0; i < t->nr_places; i++)
		mqbus_ring_show_begin(t->rings[i]);
	for (i = 0; i < t->nr_places; i++)
		mqbus_ring_show_tail(t->rings[i]);
	for (i = 0; i < t->nr_places; i++)
		mqbus_ring_show_end(t->rings[i]);
}

/*
 * Issue a transaction that mqbus_transact_prepare() accepts, wholly or not at all. Return: as
 * mqbus_transact_prepare(); @wait is filled if there is an obstacle to wait for.
 */
int mqbus_transact_issue(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	int err;

	if (!issue_lock(t))
		return issue_again(wait);
	err = issue_check(t, wait);
	if (!err)
		issue_apply(t);
	issue_unlock(t, issue_locks(t));
	return err;
}
