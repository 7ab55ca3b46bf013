// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Turns
 *
 * A producer that waits for room in a partition, or in its share of it, has a *ticket* in
 * the partition's line. Tickets are served by age, so free room accumulates for the oldest
 * one, however much it needs, and younger tickets wait behind it even if they need less.
 * Each uid's share has a line of its own: a ticket does not wait behind one for another
 * uid's share.
 *
 * A ticket is *called* when there is room for it and for all that were called before.
 * Room is kept for it then; the rest is free for everybody. This avoids a convoy:
 * once there is room for all tickets, no producer waits for a turn.
 *
 * Room is kept for at most %LINE_KEEP. A producer that does not use its turn in time (the
 * memory that another call on its endpoint copies from never arrives) loses it and goes
 * behind the others. If turns are wasted repeatedly, no room is kept for any ticket for 2 to
 * 16 times as long, depending on the number of wasted turns, and tickets that have room do
 * not hold up others. So a user can take only a small part of the time from others in this
 * way, with any number of tickets: polled endpoints leave the line then when they are called.
 * Late use of a small part of the kept room is waste too, and so is a turn that is given up,
 * however soon.
 *
 * %LINE_CALLS tickets are called at a time. Tickets behind them do not wait for a call when
 * there is room for all: they leave the line without a turn, and later producers do not see
 * them. Tickets for shares, for which no room is kept, have as many calls of their own, and
 * their own waste: uids that do not use their share make others' turns shorter, not rarer.
 *
 * Only sleeping tasks and polled endpoints have tickets; other producers hold up nobody.
 * An endpoint that was refused keeps its age until it stores a record, so a retry counts
 * from the first try; but not if the endpoint was inactive meanwhile, see
 * mqbus_refused_age().
 *
 * A transaction has a ticket of the same age in each partition that refused it, so of
 * two transactions one is first everywhere and they do not deadlock. It sleeps until the
 * ticket of the last refusal is called; the others keep their room for %LINE_CLAIM.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched.h>

#include "log/quota.h"
#include "log/line.h"
#include "log/refusal.h"
#include "log/ticket.h"
#include "log/topic.h"

/* Tickets that are called at a time, for room and for shares each */
#define LINE_CALLS	16
/* Tickets looked at under one hold of the lock */
#define LINE_STEP	MQBUS_POLLERS
/* Such holds in a row */
#define LINE_ROUNDS	4

static struct mqbus_ring *ticket_ring(const struct mqbus_ticket *t)
{
	return &t->topic->parts[t->partition]->ring;
}

static struct mqbus_line *ticket_line(const struct mqbus_ticket *t)
{
	return &t->topic->parts[t->partition]->line;
}

/* Make an empty line; @line is zeroed. */
void mqbus_line_init(struct mqbus_line *line)
{
	INIT_LIST_HEAD(&line->called);
}

/* Wake pollers of endpoints; the RCU read lock has been held since they were noted. */
void mqbus_pollers_wake(const struct mqbus_pollers *wake)
{
	u32 i;

	for (i = 0; i < wake->nr; i++) {
		WRITE_ONCE(wake->refused[i]->seen, ktime_get_ns());
		wake_up_interruptible_poll(&wake->refused[i]->pollers, EPOLLOUT | EPOLLWRNORM);
	}
}

/* Update summaries after tickets were added or removed. */
static void line_changed(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_line *line = &topic->parts[partition]->line;
	struct mqbus_waits *waits = &topic->waits;

	WRITE_ONCE(line->busy, line->nr_called || !RB_EMPTY_ROOT(&line->waiting.rb_root));
	if (line->busy && !test_and_set_bit(partition, waits->parts))
		atomic_inc(&waits->busy);
	else if (!line->busy && test_and_clear_bit(partition, waits->parts))
		atomic_dec(&waits->busy);
}

static bool line_room(const struct mqbus_ring *ring, u64 floor, u64 bytes)
{
	u64 from = max(ring->head.pos, min(floor, ring->tail.pos));

	return ring->evict || ring->tail.pos + bytes <= from + ring->size;
}

/* Whether there is room for all tickets that wait for it, besides @bytes */
static bool line_all(const struct mqbus_line *line, const struct mqbus_ring *ring, u64 floor,
		     u64 bytes)
{
	return line_room(ring, floor, line->wanted + bytes);
}

/* Whether the share, or settled records to drop for it, would let a ticket progress */
static bool line_share(const struct mqbus_topic *topic, const struct mqbus_ring *ring, u64 floor,
		       const struct mqbus_ticket *t)
{
	u64 most = mqbus_quota_most(&topic->quota, ring->size);

	return !most || !ring->used || !ring->used[t->owner] ||
	       ring->used[t->owner] + t->bytes <= most ||
	       ring->head.pos < min(floor, ring->published);
}

static bool line_may(const struct mqbus_ticket *t, u64 floor)
{
	const struct mqbus_ring *ring = ticket_ring(t);

	return t->owner ? line_share(t->topic, ring, floor, t) :
			  line_room(ring, floor, ticket_line(t)->promised + t->bytes);
}

static void ticket_call(struct mqbus_line *line, struct mqbus_ticket *t, u64 now,
			struct mqbus_pollers *wake)
{
	struct mqbus_refused *refused = t->task ? NULL : mqbus_refused_of(t);

	mqbus_ticket_out(line, t);
	/* No task polls it any more */
	if (refused && !waitqueue_active(&refused->pollers))
		return;
	mqbus_ticket_turn(line, t, now);
	/* Its close takes this lock, so it stays until then */
	if (refused)
		wake->refused[wake->nr++] = refused;
	else
		wake_up_process(t->task);
}

/* Let it try without a turn; it returns with its age if it finds no room. */
static void ticket_go(struct mqbus_line *line, struct mqbus_ticket *t,
		      struct mqbus_pollers *wake)
{
	mqbus_ticket_out(line, t);
	if (t->task)
		wake_up_process(t->task);
	else
		wake->refused[wake->nr++] = mqbus_refused_of(t);
}

static bool line_called(const struct mqbus_line *line, u32 owner)
{
	const struct mqbus_ticket *t;

	list_for_each_entry(t, &line->called, called)
		if (t->owner == owner && t->state == MQBUS_TICKET_CALLED)
			return true;
	return false;
}

static void line_arm(struct mqbus_waits *waits, u64 due)
{
	spin_lock(&waits->lock);
	mqbus_timer_arm(&waits->timer, due);
	spin_unlock(&waits->lock);
}

/*
 * Call one ticket for each share: others would find the share used up. Owners take turns, or
 * those with low numbers would get all calls. Return: @steps, plus one for each call.
 */
static u32 line_call_shares(struct mqbus_topic *topic, u32 partition, u64 floor, u64 now,
			    u32 steps, struct mqbus_pollers *wake)
{
	struct mqbus_line *line = &topic->parts[partition]->line;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u32 begin = line->next_owner ?: 1, owner = begin;
	bool wrapped = begin == 1;

	while (steps < LINE_STEP && line->shares.nr < LINE_CALLS) {
		struct mqbus_ticket *t = mqbus_ticket_next(line, owner, 0);

		if (!wrapped && !t) {
			wrapped = true;
			owner = 1;
			continue;
		}
		if (!t || (wrapped && begin > 1 && t->owner >= begin))
			break;
		owner = t->owner;
		if (!line_called(line, owner) && line_share(topic, ring, floor, t)) {
			ticket_call(line, t, now, wake);
			steps++;
			line->next_owner = owner + 1;
			/* No task polls it: call the next ticket of the same share */
			if (!line_called(line, owner))
				continue;
		}
		owner++;
	}
	return steps;
}

/* Call tickets that may go now. Return: whether there may be more of them. */
static bool line_call(struct mqbus_topic *topic, u32 partition, struct mqbus_pollers *wake)
{
	struct mqbus_line *line = &topic->parts[partition]->line;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 now = ktime_get_ns(), floor;
	struct mqbus_ticket *t;
	u32 steps = 0;

	lockdep_assert_held(&ring->lock);

	mqbus_line_expire(line, now);
	floor = mqbus_topic_floor(topic, partition);
	while (steps < LINE_STEP && line->room.nr < LINE_CALLS) {
		t = mqbus_ticket_first(line, 0);
		if (!t || !line_room(ring, floor, line->promised + t->bytes))
			break;
		/* It may never come, and nothing is kept for it: those behind it do not wait */
		if (!t->task && now < line->room.free_until)
			ticket_go(line, t, wake);
		else
			ticket_call(line, t, now, wake);
		steps++;
	}
	while (steps < LINE_STEP && line->room.nr == LINE_CALLS &&
	       line_all(line, ring, floor, line->promised)) {
		t = mqbus_ticket_first(line, 0);
		if (!t)
			break;
		ticket_go(line, t, wake);
		steps++;
	}
	steps = line_call_shares(topic, partition, floor, now, steps, wake);
	line_changed(topic, partition);
	/* Expired turns let others go, even if no producer calls */
	if (line->nr_called && !RB_EMPTY_ROOT(&line->waiting.rb_root)) {
		t = list_first_entry(&line->called, struct mqbus_ticket, called);
		line_arm(&topic->waits, t->until);
	}
	return steps == LINE_STEP;
}

/* Call all tickets that may go now. */
static void line_look(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u32 rounds = 0;
	bool more;

	do {
		struct mqbus_pollers wake = {};

		rcu_read_lock();
		spin_lock(&ring->lock);
		more = line_call(topic, partition, &wake);
		/* Some callers hold a lock: the work does the rest */
		if (more && ++rounds == LINE_ROUNDS) {
			line_arm(&topic->waits, ktime_get_ns());
			more = false;
		}
		spin_unlock(&ring->lock);
		mqbus_pollers_wake(&wake);
		rcu_read_unlock();
	} while (more);
}

/* Whether a ticket in the line of @owner is older than @age; 0: younger than all. */
static bool line_before(const struct mqbus_line *line, u32 owner, u64 age,
			const struct mqbus_producer *producer)
{
	const struct mqbus_ticket *t = mqbus_ticket_first(line, owner);

	return t && t->task != current && (t->task || t->producer != producer) &&
	       (!age || t->age < age);
}

/*
 * Whether older tickets for room need not be waited for: there is room for them too, or
 * for the first one, and no room is kept because too many turns are wasted.
 */
static bool line_passes(const struct mqbus_line *line, const struct mqbus_ring *ring, u64 floor,
			u64 bytes)
{
	const struct mqbus_ticket *t = mqbus_ticket_first(line, 0);

	return !t || line_all(line, ring, floor, bytes) ||
	       (ktime_get_ns() < line->room.free_until &&
		line_room(ring, floor, line->promised + t->bytes));
}

static bool ticket_mine(const struct mqbus_ticket *t, const struct mqbus_producer *producer)
{
	return t->task ? t->task == current : t->producer == producer;
}

/**
 * mqbus_line_admit() - whether it is a producer's turn to append
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held and whose line is busy
 * @bytes: size of the records
 * @owner: whose share they take; 0: none
 * @age: age of the endpoint's refusal; 0: it was not refused
 * @producer: the producer; a called ticket is found by it, or by its task
 *
 * Return: 0, -ENOBUFS (there may be room, but it is others' turn), -EXFULL (likewise, for
 * the share).
 */
int mqbus_line_admit(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner, u64 age,
		     const struct mqbus_producer *producer)
{
	struct mqbus_line *line = &topic->parts[partition]->line;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	bool room = false, share = false;
	const struct mqbus_ticket *t;
	u64 others, floor;

	lockdep_assert_held(&ring->lock);

	/* The topic does not block any more, and remaining waiters are about to be woken */
	if (!mqbus_topic_blocks(topic, MQBUS_WHY_FULL))
		return 0;
	if (line->nr_called)
		mqbus_line_expire(line, ktime_get_ns());
	others = line->promised;
	list_for_each_entry(t, &line->called, called) {
		if (!ticket_mine(t, producer))
			continue;
		others -= t->kept;
		/* Only the tickets of a waiting call have its age */
		if (!age || t->age < age)
			age = t->age;
		room |= !t->owner;
		share |= t->owner && t->owner == owner;
	}
	floor = mqbus_topic_floor(topic, partition);
	if (!room && line_before(line, 0, age, producer) &&
	    !line_passes(line, ring, floor, others + bytes))
		return -ENOBUFS;
	if (owner && !share && line_before(line, owner, age, producer))
		return -EXFULL;
	return !others || line_room(ring, floor, others + bytes) ? 0 : -ENOBUFS;
}

/*
 * Whether there is room, with the last known floor, besides what is kept for others' tickets; the
 * ring's lock is held. Older tickets that are not called do not count: they came too late.
 */
bool mqbus_line_spares(const struct mqbus_topic *topic, u32 partition, u32 bytes,
		       const struct mqbus_producer *producer)
{
	const struct mqbus_line *line = &topic->parts[partition]->line;
	const struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u64 others = line->promised;
	const struct mqbus_ticket *t;

	lockdep_assert_held(&ring->lock);

	if (likely(!others) || !mqbus_topic_blocks(topic, MQBUS_WHY_FULL))
		return true;
	list_for_each_entry(t, &line->called, called)
		if (ticket_mine(t, producer))
			others -= t->kept;
	return !others || line_room(ring, ring->floor, others + bytes);
}

/* A producer has stored records, and used its turn if it had one; the ring's lock is held. */
void mqbus_line_used(struct mqbus_line *line, const struct mqbus_ring *ring,
		     const struct mqbus_producer *producer)
{
	struct mqbus_ticket *t;

	list_for_each_entry(t, &line->called, called)
		if (ticket_mine(t, producer))
			mqbus_ticket_use(line, t, ring->tail.pos - ring->published);
}

/* Whether a ticket, in the line or not, is called, or would be first and has room. */
bool mqbus_line_ready(struct mqbus_ticket *ticket)
{
	struct mqbus_line *line = ticket_line(ticket);
	struct mqbus_ring *ring = ticket_ring(ticket);
	bool ready;
	u64 floor;

	spin_lock(&ring->lock);
	if (line->nr_called)
		mqbus_line_expire(line, ktime_get_ns());
	floor = mqbus_topic_floor(ticket->topic, ticket->partition);
	ready = !line_before(line, ticket->owner, ticket->age, ticket->producer) ||
		(!ticket->owner &&
		 line_passes(line, ring, floor, line->promised + ticket->bytes));
	ready = ticket->state == MQBUS_TICKET_CALLED || (ready && line_may(ticket, floor));
	line_changed(ticket->topic, ticket->partition);
	spin_unlock(&ring->lock);
	return ready;
}

/**
 * mqbus_line_join() - join the line, or move to another place in it
 * @ticket: a ticket of its partition; a task's ticket only by that task
 * @producer: the producer that stores the records
 * @owner: owner of the share it waits for; 0: it waits for room
 * @bytes: size of the records
 * @age: smaller ones go first
 *
 * It may be called at once.
 */
void mqbus_line_join(struct mqbus_ticket *ticket, const struct mqbus_producer *producer,
		     u32 owner, u32 bytes, u64 age)
{
	struct mqbus_line *line = ticket_line(ticket);
	struct mqbus_ring *ring = ticket_ring(ticket);

	spin_lock(&ring->lock);
	mqbus_ticket_give_up(line, ticket);
	mqbus_ticket_out(line, ticket);
	WRITE_ONCE(ticket->late, false);
	ticket->producer = producer;
	ticket->owner = owner;
	ticket->bytes = bytes;
	ticket->age = age;
	WRITE_ONCE(ticket->look, false);
	mqbus_ticket_in(line, ticket);
	line_changed(ticket->topic, ticket->partition);
	spin_unlock(&ring->lock);
	smp_mb();	/* ORD_SLEEP: full barrier; pairs with those of wakers */
	line_look(ticket->topic, ticket->partition);
}

/* Its task waits for another ticket now. */
void mqbus_line_claim(struct mqbus_ticket *ticket)
{
	struct mqbus_ring *ring = ticket_ring(ticket);

	spin_lock(&ring->lock);
	mqbus_ticket_claim(ticket_line(ticket), ticket);
	spin_unlock(&ring->lock);
}

/*
 * Leave the line, if the ticket is in one; it has no other users on return. Return: whether a turn
 * was given up.
 */
bool mqbus_line_leave(struct mqbus_ticket *ticket)
{
	struct mqbus_line *line;
	bool others, wasted;

	if (!ticket->topic)
		return false;
	line = ticket_line(ticket);
	spin_lock(&ticket_ring(ticket)->lock);
	others = ticket->state != MQBUS_TICKET_NONE;
	wasted = mqbus_ticket_give_up(line, ticket);
	mqbus_ticket_out(line, ticket);
	line_changed(ticket->topic, ticket->partition);
	others = others && line->busy;
	spin_unlock(&ticket_ring(ticket)->lock);
	/* Tickets behind it may be first now, or get the room that was kept for it */
	if (others)
		line_look(ticket->topic, ticket->partition);
	return wasted;
}

/* There may be room, or a turn has expired: call tickets of a partition, or MQBUS_ANY. */
void mqbus_line_freed(struct mqbus_topic *topic, u32 partition)
{
	unsigned long at;

	if (partition != MQBUS_ANY) {
		partition = array_index_nospec(partition, topic->nr_parts);
		if (test_bit(partition, topic->waits.parts))
			line_look(topic, partition);
		return;
	}
	for_each_set_bit(at, topic->waits.parts, topic->nr_parts) {
		line_look(topic, at);
		cond_resched();
	}
}

/* Make some waiters recheck, from @owner and @age on. Return: whether there are more. */
static bool line_recheck_some(struct mqbus_line *line, const struct mqbus_producer *producer,
			      u32 *owner, u64 *age, struct mqbus_pollers *wake)
{
	struct mqbus_ticket *t;
	u32 steps;

	for (steps = 0; steps < LINE_STEP; steps++) {
		t = mqbus_ticket_next(line, *owner, *age);
		if (!t)
			return false;
		*owner = t->owner;
		*age = t->age + 1;
		if (producer && t->producer != producer)
			continue;
		if (t->task) {
			WRITE_ONCE(t->look, true);
			wake_up_process(t->task);
		} else {
			mqbus_ticket_out(line, t);
			wake->refused[wake->nr++] = mqbus_refused_of(t);
		}
	}
	return true;
}

static void line_recheck(struct mqbus_topic *topic, u32 partition,
			 const struct mqbus_producer *producer)
{
	struct mqbus_part *part = topic->parts[partition];
	u32 owner = 0;
	u64 age = 0;
	bool more;

	do {
		struct mqbus_pollers wake = {};

		rcu_read_lock();
		spin_lock(&part->ring.lock);
		more = line_recheck_some(&part->line, producer, &owner, &age, &wake);
		line_changed(topic, partition);
		spin_unlock(&part->ring.lock);
		mqbus_pollers_wake(&wake);
		rcu_read_unlock();
		cond_resched();
	} while (more);
}

/* mqbus_refusal_recheck() for tickets in lines. */
void mqbus_line_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer)
{
	unsigned long partition;

	smp_mb();	/* ORD_SLEEP: full barrier; pairs with the one of mqbus_line_join() */
	for_each_set_bit(partition, topic->waits.parts, topic->nr_parts)
		line_recheck(topic, partition, producer);
}
