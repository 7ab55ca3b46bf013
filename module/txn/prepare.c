// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Preparing a transaction
 *
 * All that takes long is done here, with preemption on. The rings are claimed: each
 * under its own lock, which is let go of again. As long as a ring is claimed nobody else
 * appends to it, so its tail stays where it is, and room only ever grows. Whoever
 * publishes waits for the namespace's transact_lock, and appends while he has it
 * (publish.c); dead letters, which cannot wait, find no room, and are kicked when the
 * claim ends (dlq.c). All others go on: who reads, drops what is too old, moves a floor.
 *
 * Then everything that can refuse is asked, which changes nothing but that settled
 * records go; room is made in bounded steps; and the records are copied to where they
 * will be, behind the tail, which no reader looks at. If it comes to nothing they were
 * never there.
 *
 * Of topics that evict, records that somebody needs go only when nothing refuses any
 * more. For up to %TRANSACT_LATE of new records that is in the last step, under its
 * locks, see issue.c. For more, everything is asked once more, and then they go. That is the only
 * thing that is not undone if a lease ends, a name is taken over, or a rate is used up
 * by others, in the moment that remains.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "base/ns.h"
#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "log/producer.h"
#include "log/topic.h"
#include "txn/transact.h"

/* Old records that are looked at in each partition before some are appended */
#define TRANSACT_EXPIRE	16
/* Bytes that are copied under the locks of the last step, as many as of a batch */
#define TRANSACT_LATE	(64 * 1024)

static void place_claim(struct mqbus_transact_place *place)
{
	struct mqbus_ring *ring = place->ring;

	spin_lock(&ring->lock);
	WARN_ON_ONCE(ring->claimed);
	ring->claimed = true;
	mqbus_topic_begin(place->topic, place->partition, TRANSACT_EXPIRE);
	place->pos = ring->tail.pos;
	spin_unlock(&ring->lock);
	place->late = false;
	place->stored = false;
}

/**
 * mqbus_transact_unclaim() - let others append again
 * @t: a transaction after mqbus_transact_prepare(), whatever that said
 */
void mqbus_transact_unclaim(struct mqbus_transaction *t)
{
	bool missed;
	u32 i;

	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_ring *ring = t->places[i].ring;

		spin_lock(&ring->lock);
		missed = ring->missed;
		ring->claimed = false;
		ring->missed = false;
		spin_unlock(&ring->lock);
		if (missed)
			mqbus_topic_wake_letters(t->places[i].topic);
	}
}

/* Records of a producer cannot be stored now. Return: why. */
static int act_refuse(struct mqbus_transact_act *act, struct mqbus_obstacle *wait,
		      const struct mqbus_refusal *refusal)
{
	wait->producer = act->producer;
	wait->refusal = *refusal;
	return refusal->why;
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

/**
 * mqbus_act_check_member() - whether what a member settles can be settled
 * @t: the transaction
 * @a: index of an act of a member, whose group's lock is held
 *
 * Return: 0 or a negative errno as of &struct mqbus_transact.
 */
int mqbus_act_check_member(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_group *group = t->acts[a].member->group;

	lockdep_assert_held(&group->lock);

	if (group->dead)
		return mqbus_transact_failed(t, a, MQBUS_ANY, -EIDRM);
	return group->queue ? act_check_leases(t, a) : act_check_commits(t, a);
}

/**
 * mqbus_act_check_author() - whether a producer may store its records
 * @t: the transaction
 * @a: index of an act of a producer, whose sender's lock is held
 * @skip: filled with how many of them were stored before
 *
 * Return: 0 or a negative errno as of &struct mqbus_transact.
 */
int mqbus_act_check_author(struct mqbus_transaction *t, u32 a, u32 *skip)
{
	struct mqbus_transact_act *act = &t->acts[a];
	int err = mqbus_producer_check(act->producer, act->user.seq, act->user.count, skip);

	return err ? mqbus_transact_failed(t, a, MQBUS_ANY, err) : 0;
}

/**
 * mqbus_act_check_rate() - whether the rates let a producer's records go
 * @t: the transaction
 * @a: index of an act of a producer
 * @wait: filled if they do not
 *
 * Return: 0 or -EXFULL.
 */
int mqbus_act_check_rate(struct mqbus_transaction *t, u32 a, struct mqbus_obstacle *wait)
{
	struct mqbus_transact_act *act = &t->acts[a];
	u32 records = act->user.count - act->skip;
	struct mqbus_refusal refusal = {
		.why = -EXFULL, .records = records, .bytes = act->bytes,
	};

	if (!records)
		return 0;
	if (mqbus_producer_due(act->producer, records, act->bytes) <= ktime_get_ns())
		return 0;
	refusal.partition = t->places[act->elements[act->skip].piece.place].partition;
	return mqbus_transact_failed(t, a, MQBUS_ANY, act_refuse(act, wait, &refusal));
}

static int act_ask_member(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_group *group = t->acts[a].member->group;
	int err;

	spin_lock(&group->lock);
	err = mqbus_act_check_member(t, a);
	spin_unlock(&group->lock);
	return err;
}

/* Which records are to be stored, and where. */
static int act_ask_author(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_transact_act *act = &t->acts[a];
	struct mqbus_sender *sender = act->producer->sender;
	u32 i;
	int err;

	spin_lock(&sender->lock);
	err = mqbus_act_check_author(t, a, &act->skip);
	spin_unlock(&sender->lock);
	act->bytes = 0;
	for (i = act->skip; !err && i < act->user.count; i++) {
		const struct mqbus_piece *piece = &act->elements[i].piece;

		t->places[piece->place].bytes += piece->bytes;
		act->bytes += piece->bytes;
	}
	return err;
}

/* What the acts before one store in each place, of the same owner. */
static void act_own(struct mqbus_transaction *t, u32 a, u32 *own)
{
	const struct mqbus_producer *producer = t->acts[a].producer;
	u32 owner = mqbus_producer_owner(producer), b, i;

	for (b = 0; b < a; b++) {
		const struct mqbus_transact_act *act = &t->acts[b];

		if (!act->producer || act->producer->topic != producer->topic ||
		    mqbus_producer_owner(act->producer) != owner)
			continue;
		for (i = act->skip; i < act->user.count; i++)
			own[act->elements[i].piece.place] += act->elements[i].piece.bytes;
	}
}

/* Whether an owner may have so much; settled records go for it. Return: 0, -EXFULL, -EAGAIN. */
static int place_share(struct mqbus_transact_place *place, u32 bytes, u32 owner)
{
	struct mqbus_ring *ring = place->ring;
	int err;

	spin_lock(&ring->lock);
	mqbus_ring_begin(ring);
	err = mqbus_topic_share(place->topic, place->partition, bytes, owner);
	spin_unlock(&ring->lock);
	return err;
}

/* Whether there is or can be made room for an act's records. */
static int act_ask_room(struct mqbus_transaction *t, u32 a, struct mqbus_obstacle *wait)
{
	struct mqbus_transact_act *act = &t->acts[a];
	u32 owner = mqbus_producer_owner(act->producer), own[MQBUS_TRANSACT_PARTITIONS] = {};
	bool shared = owner && READ_ONCE(act->producer->topic->limit.share);
	struct mqbus_refusal refusal = { .records = 1 };
	u32 i;

	if (shared)
		act_own(t, a, own);
	for (i = act->skip; i < act->user.count; i++) {
		const struct mqbus_piece *piece = &act->elements[i].piece;
		struct mqbus_transact_place *place = &t->places[piece->place];

		place->asked += piece->bytes;
		own[piece->place] += piece->bytes;
		refusal.bytes = place->bytes;
		if (place->full)
			refusal.why = mqbus_producer_room(act->producer, place->partition,
							  place->asked);
		if (!refusal.why && shared) {
			refusal.bytes = own[piece->place];
			refusal.why = place_share(place, refusal.bytes, owner);
		}
		if (!refusal.why)
			continue;
		wait->again = refusal.why == -EAGAIN;
		refusal.partition = place->partition;
		return mqbus_transact_failed(t, a, i, act_refuse(act, wait, &refusal));
	}
	return 0;
}

/* Ask all that can refuse; what cannot be waited for comes first, wherever it is. */
static int transact_ask(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	int err = 0;
	u32 a, i;

	for (i = 0; i < t->nr_places; i++) {
		t->places[i].bytes = 0;
		t->places[i].asked = 0;
	}
	for (a = 0; !err && a < t->nr_acts; a++)
		if (t->acts[a].member)
			err = act_ask_member(t, a);
	for (a = 0; !err && a < t->nr_acts; a++)
		if (t->acts[a].producer)
			err = act_ask_author(t, a);
	for (i = 0; !err && i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];
		struct mqbus_part *part = place->topic->parts[place->partition];

		place->full = place->bytes && mqbus_topic_room(place->topic, place->partition,
							       place->bytes, 0);
		/* It may be others' turn; each author is asked whether it is his */
		place->full |= place->bytes && READ_ONCE(part->line.busy);
	}
	for (a = 0; !err && a < t->nr_acts; a++)
		if (t->acts[a].producer)
			err = act_ask_room(t, a, wait) ?: mqbus_act_check_rate(t, a, wait);
	return err;
}

/* Whether records would have to go that somebody needs. */
static bool place_evicts(struct mqbus_transact_place *place)
{
	struct mqbus_ring *ring = place->ring;
	bool evicts;

	spin_lock(&ring->lock);
	mqbus_topic_floor(place->topic, place->partition);
	evicts = !mqbus_ring_fits(ring, place->bytes) && !mqbus_ring_settled(ring, place->bytes);
	spin_unlock(&ring->lock);
	return evicts;
}

static int place_reserve(struct mqbus_transact_place *place)
{
	struct mqbus_ring *ring = place->ring;
	int err;

	do {
		spin_lock(&ring->lock);
		mqbus_ring_begin(ring);
		err = mqbus_topic_reserve(place->topic, place->partition, place->bytes, 0);
		spin_unlock(&ring->lock);
		cond_resched();
	} while (err == -EAGAIN);
	return err;
}

/* Make room where that does no harm, or everywhere. Return: 0, or -EAGAIN: begin again. */
static int transact_reserve(struct mqbus_transaction *t, struct mqbus_obstacle *wait, bool all)
{
	u32 i;

	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];

		if (!place->bytes || (place->late && !all))
			continue;
		/* There was room: a group went back since */
		if (place_reserve(place)) {
			wait->again = true;
			return -EAGAIN;
		}
		place->late = false;
	}
	return 0;
}

/**
 * mqbus_transact_copy() - copy records to where they will be, behind the tails
 * @t: a transaction that has claimed its rings, where room was made
 * @late: those of places that are late, with all locks held; or the others
 */
void mqbus_transact_copy(struct mqbus_transaction *t, bool late)
{
	u32 a, i;

	for (a = 0; a < t->nr_acts; a++) {
		const struct mqbus_transact_act *act = &t->acts[a];

		for (i = act->skip; act->producer && i < act->user.count; i++) {
			const struct mqbus_piece *piece = &act->elements[i].piece;
			struct mqbus_transact_place *place = &t->places[piece->place];

			if (place->late != late)
				continue;
			memcpy(mqbus_ring_record(place->ring, place->pos),
			       t->records + piece->at, piece->bytes);
			place->pos += piece->bytes;
			if (!late)
				cond_resched();
		}
	}
}

/**
 * mqbus_transact_prepare() - do all that may take long
 * @t: the transaction; its namespace's transact_lock is held until
 *	mqbus_transact_unclaim(), which is to follow whatever this returns
 * @wait: zeroed; filled if there is something to wait for
 *
 * Return: 0 or a negative errno as of &struct mqbus_transact, or as @wait says.
 */
int mqbus_transact_prepare(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	u32 late = 0, i;
	int err;

	lockdep_assert_held(&t->ns->transact_lock);

	for (i = 0; i < t->nr_places; i++)
		place_claim(&t->places[i]);
	err = transact_ask(t, wait);
	if (err)
		return err;
	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];

		place->late = place->bytes && place_evicts(place);
		late += place->late ? place->bytes : 0;
	}
	err = transact_reserve(t, wait, false);
	if (!err && late > TRANSACT_LATE)
		err = transact_ask(t, wait) ?: transact_reserve(t, wait, true);
	if (!err)
		mqbus_transact_copy(t, false);
	return err;
}
