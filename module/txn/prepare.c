// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Preparing a transaction
 *
 * This step runs the checks that may take long, and holds no lock for more than one of them:
 * whether leases and commits are good, whether records were stored before, whether there is
 * or can be made room for the others, in each partition for all of its records together. The
 * checks change nothing, except that a topic with shares drops settled records, in bounded
 * steps, until each author can have its share, and that records past retention are dropped.
 *
 * The results may be stale in the last step (issue.c). It repeats the short checks with all
 * locks held; the floors of the groups, which take a look at each group, stay as read here.
 * If anything has changed, all checks run again.
 */
#include <linux/ktime.h>
#include <linux/sched.h>

#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "log/producer.h"
#include "log/topic.h"
#include "txn/transact.h"

/* Old records checked for expiry in each partition before appends */
#define TRANSACT_EXPIRE	16

/* Note that records of a producer cannot be stored now. Return: why */
static int op_refuse(struct mqbus_op *op, struct mqbus_obstacle *wait,
		     const struct mqbus_refusal *refusal)
{
	wait->producer = op->producer;
	wait->refusal = *refusal;
	return refusal->why;
}

/* Whether the leases of an act can be settled, each once */
static int op_check_leases(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_op *op = &t->ops[a];
	struct mqbus_inflight *f = &op->member->group->queue->inflight;
	int err = 0;
	u32 i, n;

	for (n = 0; n < op->user.count; n++) {
		err = mqbus_inflight_name(f, &op->member->holder, op->settles[n].lease);
		if (err)
			break;
	}
	for (i = 0; i < n; i++)
		mqbus_inflight_unname(f, op->settles[i].lease);
	return err ? mqbus_transact_failed(t, a, n, err) : 0;
}

static int op_check_commits(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_op *op = &t->ops[a];
	int err;
	u32 i;

	for (i = 0; i < op->user.count; i++) {
		const struct mqbus_commit_mark *mark = &op->marks[i];

		err = mqbus_member_check_commit(op->member, mark->partition, mark->generation,
						&mark->at);
		if (err)
			return mqbus_transact_failed(t, a, i, err);
	}
	return 0;
}

/*
 * Whether the act of a member can settle; the group's lock is held. Return: 0 or a negative errno
 * as of &struct mqbus_transact.
 */
int mqbus_op_check_member(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_group *group = t->ops[a].member->group;

	lockdep_assert_held(&group->lock);

	if (group->dead)
		return mqbus_transact_failed(t, a, MQBUS_ANY, -EIDRM);
	return group->queue ? op_check_leases(t, a) : op_check_commits(t, a);
}

/*
 * Whether the act of a producer may store its records; the author's lock is held. @skip: set to how
 * many were stored before. Return: 0 or a negative errno as of &struct mqbus_transact.
 */
int mqbus_op_check_author(struct mqbus_transaction *t, u32 a, u32 *skip)
{
	struct mqbus_op *op = &t->ops[a];
	int err = mqbus_producer_check(op->producer, op->user.seq, op->user.count, skip);

	return err ? mqbus_transact_failed(t, a, MQBUS_ANY, err) : 0;
}

/* Sum up what the acts up to @a store in its topic */
static void op_amount(const struct mqbus_transaction *t, u32 a, struct mqbus_refusal *amount)
{
	const struct mqbus_topic *topic = t->ops[a].producer->topic;
	u32 b;

	for (b = 0; b <= a; b++) {
		const struct mqbus_op *op = &t->ops[b];

		if (!op->producer || op->producer->topic != topic)
			continue;
		amount->records += op->user.count - op->skip;
		amount->bytes += op->bytes;
	}
}

/*
 * Whether the rates admit the records of a producer's act; @wait is filled if not.
 *
 * The records count together with those of the acts before it, of whatever uid: a debt would be
 * everybody's. A single record must be admitted even if it is larger than a bucket.
 *
 * Return: 0, -EXFULL, or -EMSGSIZE: the rates never admit so much at a time.
 */
int mqbus_op_check_rate(struct mqbus_transaction *t, u32 a, struct mqbus_obstacle *wait)
{
	struct mqbus_op *op = &t->ops[a];
	struct mqbus_quota *quota = &op->producer->topic->quota;
	struct mqbus_refusal refusal = { .why = -EXFULL, .rate = true };

	if (!READ_ONCE(quota->rated) || op->skip == op->user.count)
		return 0;
	op_amount(t, a, &refusal);
	if (refusal.records > 1 &&
	    !mqbus_quota_holds(quota, op->producer->tenant, refusal.records, refusal.bytes))
		return mqbus_transact_failed(t, a, MQBUS_ANY, -EMSGSIZE);
	if (mqbus_producer_due(op->producer, refusal.records, refusal.bytes) <= ktime_get_ns())
		return 0;
	refusal.partition = t->places[op->pieces[op->skip].place].partition;
	return mqbus_transact_failed(t, a, MQBUS_ANY, op_refuse(op, wait, &refusal));
}

static int op_ask_member(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_group *group = t->ops[a].member->group;
	int err;

	spin_lock(&group->lock);
	err = mqbus_op_check_member(t, a);
	spin_unlock(&group->lock);
	return err;
}

/* Find the records to store, and add them up by partition */
static int op_ask_author(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_op *op = &t->ops[a];
	struct mqbus_author *author = op->producer->author;
	u32 i;
	int err;

	spin_lock(&author->lock);
	err = mqbus_op_check_author(t, a, &op->skip);
	spin_unlock(&author->lock);
	op->bytes = 0;
	for (i = op->skip; !err && i < op->user.count; i++) {
		const struct mqbus_piece *piece = &op->pieces[i];

		t->places[piece->place].bytes += piece->bytes;
		op->bytes += piece->bytes;
	}
	return err;
}

/* Bytes that earlier acts of the same owner store in each place */
static void op_own(struct mqbus_transaction *t, u32 a, u32 *own)
{
	const struct mqbus_producer *producer = t->ops[a].producer;
	u32 owner = mqbus_producer_owner(producer), b, i;

	for (b = 0; b < a; b++) {
		const struct mqbus_op *op = &t->ops[b];

		if (!op->producer || op->producer->topic != producer->topic ||
		    mqbus_producer_owner(op->producer) != owner)
			continue;
		for (i = op->skip; i < op->user.count; i++)
			own[op->pieces[i].place] += op->pieces[i].bytes;
	}
}

/*
 * Whether an owner's share has room for a record behind its others; settled records are dropped for
 * it. Return: 0, -EXFULL, -EAGAIN, -EMSGSIZE.
 */
static int place_share(struct mqbus_transact_place *place, const struct mqbus_piece *piece,
		       u32 owner)
{
	struct mqbus_ring *ring = place->ring;
	int err;

	spin_lock(&ring->lock);
	mqbus_ring_begin(ring);
	err = mqbus_topic_share(place->topic, place->partition, piece->before, piece->bytes,
				owner);
	spin_unlock(&ring->lock);
	return err;
}

/* Whether there is or can be made room for the records of an act */
static int op_ask_room(struct mqbus_transaction *t, u32 a, struct mqbus_obstacle *wait)
{
	struct mqbus_op *op = &t->ops[a];
	u32 owner = mqbus_producer_owner(op->producer), own[MQBUS_TRANSACT_PARTITIONS] = {};
	bool shared = owner && READ_ONCE(op->producer->topic->quota.share);
	struct mqbus_refusal refusal = { .records = 1 };
	u32 i;

	if (shared)
		op_own(t, a, own);
	for (i = op->skip; i < op->user.count; i++) {
		struct mqbus_piece *piece = &op->pieces[i];
		struct mqbus_transact_place *place = &t->places[piece->place];

		place->asked += piece->bytes;
		place->producer = op->producer;
		piece->shared = shared;
		piece->before = own[piece->place];
		own[piece->place] += piece->bytes;
		refusal.bytes = place->bytes;
		if (place->full)
			refusal.why = mqbus_producer_room(op->producer, place->partition,
							  place->asked);
		if (!refusal.why && shared) {
			refusal.bytes = own[piece->place];
			refusal.why = place_share(place, piece, owner);
		}
		if (!refusal.why)
			continue;
		wait->again = refusal.why == -EAGAIN;
		refusal.partition = place->partition;
		return mqbus_transact_failed(t, a, i, op_refuse(op, wait, &refusal));
	}
	return 0;
}

/*
 * Whether a partition has no room for all its records. The last step makes room with the floor that
 * is found here.
 */
static bool place_full(struct mqbus_transact_place *place)
{
	struct mqbus_part *part = place->topic->parts[place->partition];
	struct mqbus_ring *ring = &part->ring;
	bool full;

	spin_lock(&ring->lock);
	mqbus_topic_begin(place->topic, place->partition, TRANSACT_EXPIRE);
	if (!mqbus_ring_fits(ring, place->bytes))
		mqbus_topic_floor(place->topic, place->partition);
	/* Other authors may be first in line: op_ask_room() asks for each author */
	full = mqbus_ring_ask(ring, place->bytes, ring->floor) || part->line.busy;
	spin_unlock(&ring->lock);
	return full;
}

/*
 * Run the checks that may take long; @wait, zeroed, is filled if there is an obstacle to wait for.
 * Errors that cannot be waited for come first, wherever they are. Return: 0 or a negative errno as
 * of &struct mqbus_transact, or as @wait says.
 */
int mqbus_transact_prepare(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	struct mqbus_transact_place *place;
	int err = 0;
	u32 a, i;

	for (i = 0; i < t->nr_places; i++) {
		t->places[i].bytes = 0;
		t->places[i].asked = 0;
	}
	for (a = 0; !err && a < t->nr_ops; a++)
		if (t->ops[a].member)
			err = op_ask_member(t, a);
	for (a = 0; !err && a < t->nr_ops; a++)
		if (t->ops[a].producer)
			err = op_ask_author(t, a);
	for (i = 0; !err && i < t->nr_places; i++) {
		place = &t->places[i];
		place->full = place->bytes && place_full(place);
		cond_resched();
	}
	for (a = 0; !err && a < t->nr_ops; a++)
		if (t->ops[a].producer)
			err = op_ask_room(t, a, wait) ?: mqbus_op_check_rate(t, a, wait);
	return err;
}
