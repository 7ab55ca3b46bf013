// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Turns
 *
 * Who finds no room in a partition, or in his share of it, and waits, has a *ticket* in
 * the partition's line. Tickets are served by age, so room that becomes free gathers for
 * the oldest one however much it needs, and who comes later waits behind it, though less
 * would do for him. Shares are of one uid each: there is a line for each of them, and
 * nobody waits behind a ticket of another uid's share.
 *
 * A ticket is *called* when there is room for it and for all that were called before.
 * Room is kept for it then; what is left over anybody may have. So there is no convoy:
 * once enough is free for all that wait, nobody has to wait for a turn any more.
 *
 * Nothing is kept for longer than %LINE_KEEP: who does not come in time (the memory that
 * another call on his endpoint copies from never arrives) loses his turn and goes behind
 * the others. If that is not the exception, nothing is kept for anybody for a while, 2 to
 * 16 times as long, the more turns are wasted, and nobody waits behind one who has room. So
 * what somebody can take from others in this way is a small part of the time, with however
 * many tickets. Who has room kept for much and comes late for little wastes it as well.
 *
 * %LINE_CALLS are called at a time. Those behind them do not wait for that when there is
 * room for all: they are let go without a turn, and who comes then does not see them.
 * Tickets for shares, of which nothing is kept, have as many calls of their own, and their
 * own waste: uids that do not come for their share make others' turns shorter, not rarer.
 *
 * Tasks that sleep have tickets, and endpoints that are polled; who neither sleeps nor
 * polls is in nobody's way. An endpoint that was refused keeps its age until it stores
 * something, so a retry counts as from the first try; but not if it goes away meanwhile,
 * see mqbus_refused_age().
 *
 * A transaction has a ticket of one and the same age in each partition that refused it,
 * so of two transactions one is first everywhere and they do not wait for each other. It
 * sleeps until the one that refused it last is called; the others keep what they find, for
 * %LINE_CLAIM.
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

/* Tickets that are called at a time, of those for room and of those for shares */
#define LINE_CALLS	16
/* Tickets that are looked at under one hold of the lock */
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

/**
 * mqbus_line_init() - make an empty line
 * @line: to fill; zeroed
 */
void mqbus_line_init(struct mqbus_line *line)
{
	INIT_LIST_HEAD(&line->called);
}

/**
 * mqbus_pollers_wake() - wake those who poll endpoints
 * @wake: the endpoints; the RCU read lock has been held since they were noted
 */
void mqbus_pollers_wake(const struct mqbus_pollers *wake)
{
	u32 i;

	for (i = 0; i < wake->nr; i++) {
		WRITE_ONCE(wake->refused[i]->seen, ktime_get_ns());
		wake_up_interruptible_poll(&wake->refused[i]->pollers, EPOLLOUT | EPOLLWRNORM);
	}
}

/* After tickets came or went. */
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

/* Whether there is room for all who wait for it, besides @bytes. */
static bool line_all(const struct mqbus_line *line, const struct mqbus_ring *ring, u64 floor,
		     u64 bytes)
{
	return line_room(ring, floor, line->wanted + bytes);
}

/* Whether a try would come further with the share. */
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
	/* Its program went to do something else */
	if (refused && !waitqueue_active(&refused->pollers))
		return;
	mqbus_ticket_turn(line, t, now);
	/* It does not go before it had the lock */
	if (refused)
		wake->refused[wake->nr++] = refused;
	else
		wake_up_process(t->task);
}

/* Let it try without a turn of its own: it comes back with its age if it finds no room. */
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
 * Of each share one at a time: the others would find it used up. Owners take turns, or
 * those with low numbers would have all calls. Return: @steps, and one for each call.
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
			/* Its program went away: the next one of the same share */
			if (!line_called(line, owner))
				continue;
		}
		owner++;
	}
	return steps;
}

/* Call who may go now. Return: whether there may be more of them. */
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
	/* Turns that pass let others go, though nobody comes by */
	if (line->nr_called && !RB_EMPTY_ROOT(&line->waiting.rb_root)) {
		t = list_first_entry(&line->called, struct mqbus_ticket, called);
		line_arm(&topic->waits, t->until);
	}
	return steps == LINE_STEP;
}

/* Call who may go now. */
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
		/* Some who call hold a lock: what takes longer is the work's */
		if (more && ++rounds == LINE_ROUNDS) {
			line_arm(&topic->waits, ktime_get_ns());
			more = false;
		}
		spin_unlock(&ring->lock);
		mqbus_pollers_wake(&wake);
		rcu_read_unlock();
	} while (more);
}

/* Whether somebody waits in the line of @owner who came before @age; 0: now. */
static bool line_before(const struct mqbus_line *line, u32 owner, u64 age,
			const struct mqbus_producer *producer)
{
	const struct mqbus_ticket *t = mqbus_ticket_first(line, owner);

	return t && t->task != current && (t->task || t->producer != producer) &&
	       (!age || t->age < age);
}

/*
 * Whether those who came before for room are in nobody's way: there is enough for them too,
 * or the first could go, and so many turns are wasted that nothing is kept.
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
 * mqbus_line_admit() - whether it is one's turn to append
 * @topic: the topic
 * @partition: a partition, whose ring's lock is held and whose line is busy
 * @bytes: what is to be appended
 * @owner: whose share it takes; 0: nobody's
 * @age: since when the endpoint has been refused; 0: it has not
 * @producer: who appends; who was called is known by it, or by its task
 *
 * Return: 0, -ENOBUFS (there may be room, but it is others' turn), -EXFULL (likewise, of
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

	/* Who still waits is about to learn that nobody does any more */
	if (!mqbus_topic_blocks(topic, MQBUS_WHY_FULL))
		return 0;
	if (line->nr_called)
		mqbus_line_expire(line, ktime_get_ns());
	others = line->promised;
	list_for_each_entry(t, &line->called, called) {
		if (!ticket_mine(t, producer))
			continue;
		others -= t->kept;
		/* A call that waits has its age on its tickets alone */
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

/**
 * mqbus_line_used() - something was stored by one whose turn it may have been
 * @line: the line
 * @ring: its ring, whose lock is held, with what was stored
 * @producer: who stored it
 */
void mqbus_line_used(struct mqbus_line *line, const struct mqbus_ring *ring,
		     const struct mqbus_producer *producer)
{
	struct mqbus_ticket *t;

	list_for_each_entry(t, &line->called, called)
		if (ticket_mine(t, producer))
			mqbus_ticket_use(line, t, ring->tail.pos - ring->published);
}

/**
 * mqbus_line_ready() - whether it would be its turn now
 * @ticket: a ticket, which need not be in the line
 *
 * Return: whether it is, or nobody is before it and there is room.
 */
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
 * mqbus_line_join() - get into the line, or to another place in it
 * @ticket: a ticket of its partition; a task's is the task's that calls
 * @producer: who is to store
 * @owner: of a share: whose; 0: it waits for room
 * @bytes: what is to be stored
 * @age: who has a smaller one goes first
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
	smp_mb();	/* ORD_SLEEP: full barrier; pairs with those of who changes something */
	line_look(ticket->topic, ticket->partition);
}

/**
 * mqbus_line_leave() - get out of the line, if it is in one
 * @ticket: a ticket; nobody else uses it when this returns
 */
void mqbus_line_leave(struct mqbus_ticket *ticket)
{
	struct mqbus_line *line;
	bool others;

	if (!ticket->topic)
		return;
	line = ticket_line(ticket);
	spin_lock(&ticket_ring(ticket)->lock);
	others = ticket->state != MQBUS_TICKET_NONE;
	mqbus_ticket_give_up(line, ticket);
	mqbus_ticket_out(line, ticket);
	line_changed(ticket->topic, ticket->partition);
	others = others && line->busy;
	spin_unlock(&ticket_ring(ticket)->lock);
	/* Who was behind it may be first now, or have the room that was kept for it */
	if (others)
		line_look(ticket->topic, ticket->partition);
}

/**
 * mqbus_line_freed() - there may be room, or a turn has passed: call who may go
 * @topic: the topic
 * @partition: of which partition; %MQBUS_ANY: of all
 */
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

/* Let some look again, from @owner and @age on. Return: whether there are more. */
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

/**
 * mqbus_line_recheck() - as mqbus_refusal_recheck(), of those that are in lines
 * @topic: the topic
 * @producer: whose waiting it concerns; NULL: everybody's
 */
void mqbus_line_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer)
{
	unsigned long partition;

	smp_mb();	/* ORD_SLEEP: full barrier; pairs with the one of mqbus_line_join() */
	for_each_set_bit(partition, topic->waits.parts, topic->nr_parts)
		line_recheck(topic, partition, producer);
}
