// SPDX-License-Identifier: GPL-2.0
/*
 * Calls whose records were refused: they sleep until it is their turn.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "base/event.h"
#include "base/sleep.h"
#include "log/producer.h"
#include "log/ticket.h"
#include "log/topic.h"
#include "log/trace.h"
#include "log/turn.h"

/* ns of waiting after which an event is reported */
#define TURN_TELL		NSEC_PER_SEC

/**
 * struct blocked - a call that waits
 * @producer: the producer
 * @refusal: the refused records
 * @why: the limit
 * @due: for a rate: when it lets them go
 * @ticket: for room or a share: the place in the line
 * @turn: the call's turn
 * @begin: begin of the wait
 */
struct blocked {
	struct mqbus_producer *producer;
	const struct mqbus_refusal *refusal;
	enum mqbus_why why;
	u64 due;
	struct mqbus_ticket *ticket;
	const struct mqbus_turn *turn;
	u64 begin;
};

static const char * const whys[] = {
	[MQBUS_WHY_FULL] = "full",
	[MQBUS_WHY_RATE] = "rate",
	[MQBUS_WHY_SHARE] = "share",
};

static void blocked_report(const struct blocked *b)
{
	char comm[TASK_COMM_LEN];

	mqbus_topic_report(b->producer->topic, &(struct mqbus_event) {
		.kind = MQBUS_EVENT_KIND_PRODUCER_BLOCKED,
		.comm = get_task_comm(comm, current), .pid = task_tgid_nr(current),
		.uid = b->producer->uid, .partition = b->refusal->partition,
		.reason = whys[b->why], .blocked_time = ktime_get_ns() - b->begin,
	});
}

/* Sleep until the ticket is called or must recheck, or until @end. */
static int ticket_sleep(const struct blocked *b, ktime_t end)
{
	const struct mqbus_ticket *ticket = b->ticket;
	int err = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (READ_ONCE(ticket->state) != MQBUS_TICKET_WAITS || READ_ONCE(ticket->look) ||
		    READ_ONCE(b->turn->look))
			break;
		err = signal_pending(current) ? -ERESTARTSYS :
		      mqbus_sleep_timed(end);
		if (err)
			break;
	}
	__set_current_state(TASK_RUNNING);
	return err;
}

/* Whether a rate's wait is over before its due time. */
static bool rate_over(void *arg)
{
	const struct blocked *b = arg;

	/* Other producers may only postpone the due time; a change of the rate may advance it */
	return READ_ONCE(b->turn->look) || mqbus_refusal_over(b->producer, b->why) ||
	       mqbus_producer_due(b->producer, b->refusal->records, b->refusal->bytes) < b->due;
}

static int rate_sleep(struct blocked *b, ktime_t end)
{
	ktime_t until = min_t(u64, b->due, end);
	DEFINE_WAIT(wait);
	int err;

	err = mqbus_sleep_until(&b->producer->topic->waits.blocked, &wait, rate_over, b, until);
	return err == -ETIMEDOUT && b->due <= end ? 0 : err;
}

static int blocked_until(struct blocked *b, ktime_t end)
{
	return b->ticket ? ticket_sleep(b, end) : rate_sleep(b, end);
}

/* Sleep, and report a long wait. */
static int blocked_sleep(struct blocked *b, ktime_t end)
{
	ktime_t tell = ktime_add_ns(b->begin, TURN_TELL);
	int err;

	err = blocked_until(b, min(end, tell));
	if (err != -ETIMEDOUT || end <= tell)
		return err;
	blocked_report(b);
	return blocked_until(b, end);
}

static void blocked_begin(const struct blocked *b, struct mqbus_topic_counts *counts)
{
	atomic64_inc(&counts->waits[b->why]);
	spin_lock(&counts->lock);
	counts->blocked++;
	counts->begun += b->begin;
	spin_unlock(&counts->lock);
}

/* Return: ns that it has waited */
static u64 blocked_end(const struct blocked *b, struct mqbus_topic_counts *counts)
{
	u64 waited;

	spin_lock(&counts->lock);
	/* Under the lock: a listing must not have counted more of it */
	waited = ktime_get_ns() - b->begin;
	counts->blocked--;
	counts->begun -= b->begin;
	counts->blocked_time += waited;
	spin_unlock(&counts->lock);
	return waited;
}

/*
 * Number of the producers that wait now. @time: filled with ns that all have waited, those that
 * wait now up to now.
 */
u32 mqbus_turn_blocked(struct mqbus_topic *topic, u64 *time)
{
	struct mqbus_topic_counts *counts = &topic->counts;
	u32 blocked;

	spin_lock(&counts->lock);
	blocked = counts->blocked;
	*time = counts->blocked_time + blocked * ktime_get_ns() - counts->begun;
	spin_unlock(&counts->lock);
	return blocked;
}

/* blocked_sleep() with counters. */
static int blocked_wait(struct blocked *b, ktime_t end)
{
	struct mqbus_topic *topic = b->producer->topic;
	const char *why = whys[b->why];
	u64 waited;
	int err;

	b->begin = ktime_get_ns();
	blocked_begin(b, &topic->counts);
	trace_block(topic, b->refusal->partition, why, b->refusal->bytes);
	err = blocked_sleep(b, end);
	waited = blocked_end(b, &topic->counts);
	trace_unblock(topic, b->refusal->partition, why, waited, err);
	return err;
}

/* The ticket of a partition, or a new one, which may replace the last. */
static struct mqbus_ticket *turn_ticket(struct mqbus_turn *turn, struct mqbus_topic *topic,
					u32 partition)
{
	struct mqbus_ticket *t;
	u32 i;

	for (i = 0; i < turn->nr; i++) {
		t = &turn->tickets[i];
		if (t->topic == topic && t->partition == partition)
			return t;
	}
	/* Another task gave the only record another partition: it has no place in that line yet */
	if (turn->nr == turn->max && mqbus_line_leave(&turn->tickets[--turn->nr]) && !turn->nr)
		turn->age = mqbus_refusal_age();
	t = &turn->tickets[turn->nr++];
	*t = (struct mqbus_ticket) { .topic = topic, .partition = partition, .task = current };
	return t;
}

/* Join the line, at the call's age. */
static struct mqbus_ticket *turn_take(struct mqbus_turn *turn, const struct blocked *b)
{
	struct mqbus_producer *producer = b->producer;
	struct mqbus_ticket *t = turn_ticket(turn, producer->topic, b->refusal->partition);
	u32 i;

	/* It missed its turn while others went on: it is behind them now */
	if (READ_ONCE(t->late))
		turn->age = mqbus_refusal_age();
	for (i = 0; i < turn->nr; i++)
		if (t != &turn->tickets[i])
			mqbus_line_claim(&turn->tickets[i]);
	WRITE_ONCE(t->awaited, true);
	mqbus_line_join(t, producer,
			b->why == MQBUS_WHY_SHARE ? mqbus_producer_owner(producer) : 0,
			b->refusal->bytes, turn->age);
	return t;
}

static void turn_out(struct mqbus_turn *turn)
{
	while (turn->nr)
		mqbus_line_leave(&turn->tickets[--turn->nr]);
}

/* mqbus_turn_end() for a call that has waited. */
void mqbus_turn_leave(struct mqbus_turn *turn)
{
	turn_out(turn);
	turn->age = 0;
}

/* Whether a call that has waited before must give up. Return: 0 or why. */
static int turn_over(ktime_t deadline)
{
	if (signal_pending(current))
		return -ERESTARTSYS;
	return deadline != KTIME_MAX && ktime_get() >= deadline ? -ETIMEDOUT : 0;
}

/* Count records that are finally refused. Return: why. */
static int producer_refuse(struct mqbus_topic *topic, const struct mqbus_refusal *refusal)
{
	if (refusal->why == -ENOBUFS)
		atomic64_add(refusal->records, &topic->counts.rejected);
	else if (refusal->why == -EXFULL)
		atomic64_add(refusal->records, &topic->counts.over);
	return refusal->why;
}

/**
 * mqbus_producer_wait() - wait until refused records may be stored
 * @producer: the producer; no locks are held
 * @refusal: the refused records, and why
 * @deadline: end of the wait
 * @turn: the call's turn; on success end it with mqbus_turn_end()
 *
 * Return: 0 to try again, or a negative errno: @refusal->why if the topic does not
 * block, or waiting does not help.
 */
int mqbus_producer_wait(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			ktime_t deadline, struct mqbus_turn *turn)
{
	struct blocked b = { .producer = producer, .refusal = refusal, .turn = turn };
	bool again = turn->age;
	u64 age;
	int err;

	if (refusal->why != -ENOBUFS && refusal->why != -EXFULL)
		return refusal->why;
	b.why = MQBUS_WHY_FULL;
	if (refusal->why == -EXFULL) {
		b.due = mqbus_producer_due(producer, refusal->records, refusal->bytes);
		b.why = b.due > ktime_get_ns() ? MQBUS_WHY_RATE : MQBUS_WHY_SHARE;
		/* It was a rate that lets the records go now, not a share */
		if (b.why == MQBUS_WHY_SHARE &&
		    (refusal->rate || !mqbus_producer_owner(producer) ||
		     !READ_ONCE(producer->topic->quota.share)))
			return mqbus_sleep_error(turn_over(deadline ?: KTIME_MAX), deadline);
	}
	WRITE_ONCE(producer->refused->last, b.why);
	if (!mqbus_topic_blocks(producer->topic, b.why))
		return producer_refuse(producer->topic, refusal);
	age = mqbus_refusal_set(producer, refusal, b.why, deadline);
	if (!deadline)
		return -EAGAIN;
	turn->age = turn->age ?: age ?: mqbus_refusal_age();
	/* Turns may begin at once, and fail, repeatedly: the deadline and signals end that */
	err = again ? turn_over(deadline) : 0;
	if (err) {
		mqbus_refusal_keep(producer, turn->age);
		return mqbus_sleep_error(err, deadline);
	}
	/* A rate holds the records back, so no room is kept for them */
	if (b.why == MQBUS_WHY_RATE)
		turn_out(turn);
	else
		b.ticket = turn_take(turn, &b);
	err = 0;
	if (!mqbus_refusal_over(producer, b.why))
		err = blocked_wait(&b, deadline);
	if (err)
		mqbus_refusal_keep(producer, turn->age);
	return mqbus_sleep_error(err, deadline);
}

/* Whether there is room for the records refused last, but it is other producers' turn */
static bool turn_others(const struct mqbus_producer *producer)
{
	struct mqbus_refused *r = producer->refused;
	struct mqbus_refusal what;
	struct mqbus_ring *ring;
	bool room;

	spin_lock(&r->lock);
	what = r->what;
	spin_unlock(&r->lock);
	ring = &producer->topic->parts[what.partition]->ring;
	spin_lock(&ring->lock);
	room = !mqbus_topic_ask(producer->topic, what.partition, what.bytes, 0);
	spin_unlock(&ring->lock);
	return room && mqbus_producer_room(producer, what.partition, what.bytes) == -ENOBUFS;
}

/* What a producer's last refused call was, or is, refused for; %MQBUS_WHY_NONE: none was. */
enum mqbus_why mqbus_producer_why(const struct mqbus_producer *producer)
{
	enum mqbus_why why = READ_ONCE(producer->refused->last);

	return why == MQBUS_WHY_FULL && turn_others(producer) ? MQBUS_WHY_TURN : why;
}
