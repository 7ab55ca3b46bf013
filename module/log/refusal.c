// SPDX-License-Identifier: GPL-2.0
/*
 * Producers whose last call was refused: what for, and when those that are polled are
 * writable again. An endpoint that is polled is told once when that is so, also if
 * nobody calls poll() meanwhile (EPOLLET): by its ticket, or by the topic's timer.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "log/producer.h"
#include "log/refusal.h"
#include "log/topic.h"

/* Endpoints that are woken, or put back, under one hold of the lock */
#define LATE_STEP	MQBUS_POLLERS
/* Who neither tries nor polls for so many ns does not wait any more */
#define REFUSED_WAITS	NSEC_PER_SEC

/**
 * struct late_wake - who is to be woken when the lock was let go of
 * @pollers: these
 * @records: that they want to store together
 * @bytes: likewise
 */
struct late_wake {
	struct mqbus_pollers pollers;
	u64 records;
	u64 bytes;
};

static struct mqbus_refused *late_of(struct rb_node *node)
{
	return rb_entry(node, struct mqbus_refused, late);
}

static bool late_less(struct rb_node *a, const struct rb_node *b)
{
	return late_of(a)->due < rb_entry(b, struct mqbus_refused, late)->due;
}

static struct mqbus_refused *late_first(const struct mqbus_waits *waits)
{
	struct rb_node *node = rb_first_cached(&waits->late);

	return node ? late_of(node) : NULL;
}

static void late_out(struct mqbus_waits *waits, struct mqbus_refused *r)
{
	lockdep_assert_held(&waits->lock);

	if (RB_EMPTY_NODE(&r->late))
		return;
	rb_erase_cached(&r->late, &waits->late);
	RB_CLEAR_NODE(&r->late);
}

static void late_in(struct mqbus_waits *waits, struct mqbus_refused *r, u64 due)
{
	late_out(waits, r);
	r->due = due;
	rb_add_cached(&r->late, &waits->late, late_less);
}

/*
 * Those that a rate lets go. It lets as many go at a time as it would if each of them
 * stored its records: the others' time comes then. Return: when to look again.
 */
static u64 late_call(struct mqbus_waits *waits, struct late_wake *wake)
{
	u64 now = ktime_get_ns(), due;
	struct mqbus_refused *r;
	u32 steps;

	lockdep_assert_held(&waits->lock);

	for (steps = 0; steps < LATE_STEP && (r = late_first(waits)) && r->due <= now; steps++) {
		due = mqbus_quota_due_after(&r->producer->topic->quota, r->producer->tenant,
					    r->what.records, r->what.bytes, wake->records,
					    wake->bytes, now);
		if (due > now) {
			late_in(waits, r, due);
			continue;
		}
		late_out(waits, r);
		wake->pollers.refused[wake->pollers.nr++] = r;
		wake->records += r->what.records;
		wake->bytes += r->what.bytes;
	}
	r = late_first(waits);
	return r ? r->due : U64_MAX;
}

static void late_run(struct mqbus_topic *topic)
{
	struct mqbus_waits *waits = &topic->waits;
	struct late_wake wake = {};

	rcu_read_lock();
	spin_lock(&waits->lock);
	mqbus_timer_begun(&waits->timer);
	mqbus_timer_arm(&waits->timer, late_call(waits, &wake));
	spin_unlock(&waits->lock);
	mqbus_pollers_wake(&wake.pollers);
	rcu_read_unlock();
}

static void waits_run(struct work_struct *work)
{
	struct mqbus_waits *waits = container_of(to_delayed_work(work), struct mqbus_waits,
						 timer.work);
	struct mqbus_topic *topic = container_of(waits, struct mqbus_topic, waits);

	late_run(topic);
	mqbus_line_freed(topic, MQBUS_ANY);
}

/**
 * mqbus_waits_init() - begin without anybody who waits
 * @topic: the topic, zeroed but for the number of its partitions
 *
 * Return: 0 or -ENOMEM.
 */
int mqbus_waits_init(struct mqbus_topic *topic)
{
	struct mqbus_waits *waits = &topic->waits;

	spin_lock_init(&waits->lock);
	mqbus_timer_init(&waits->timer, waits_run);
	init_waitqueue_head(&waits->blocked);
	init_waitqueue_head(&waits->settled);
	init_waitqueue_head(&waits->end);
	waits->parts = bitmap_zalloc(topic->nr_parts, GFP_KERNEL_ACCOUNT);
	return waits->parts ? 0 : -ENOMEM;
}

/**
 * mqbus_waits_free() - undo mqbus_waits_init()
 * @topic: the topic; nobody waits any more
 */
void mqbus_waits_free(struct mqbus_topic *topic)
{
	mqbus_timer_end(&topic->waits.timer);
	bitmap_free(topic->waits.parts);
}

/* Who is held back by a rate looks again: it may have changed, or nobody is to wait for it. */
static void late_recheck(struct mqbus_waits *waits)
{
	struct mqbus_refused *r;
	struct mqbus_pollers wake;

	do {
		wake.nr = 0;
		rcu_read_lock();
		spin_lock(&waits->lock);
		while (wake.nr < LATE_STEP && (r = late_first(waits))) {
			late_out(waits, r);
			wake.refused[wake.nr++] = r;
		}
		spin_unlock(&waits->lock);
		mqbus_pollers_wake(&wake);
		rcu_read_unlock();
		cond_resched();
		/* Who polls again may come back as fast as he goes */
	} while (wake.nr == LATE_STEP && !fatal_signal_pending(current));
}

/**
 * mqbus_refusal_recheck() - what is waited for may be over, or may never come
 * @topic: the topic
 * @producer: whose waiting it concerns, which may be gone; NULL: everybody's
 *
 * Everybody concerned looks again. May sleep.
 */
void mqbus_refusal_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer)
{
	mqbus_line_recheck(topic, producer);
	wake_up_interruptible_all(&topic->waits.blocked);
	if (!producer)
		late_recheck(&topic->waits);
	/* What had been called before may not need its room any more */
	mqbus_line_freed(topic, MQBUS_ANY);
}

/**
 * mqbus_waits_end() - wake all who wait, and all who poll: the topic is dead
 * @topic: the topic
 *
 * Whatever events they poll for, also none.
 */
void mqbus_waits_end(struct mqbus_topic *topic)
{
	mqbus_refusal_recheck(topic, NULL);
	/* The queues' locks order the flag before a waiter's next look */
	wake_up_interruptible_all(&topic->waits.settled);
	wake_up_interruptible_all(&topic->waits.end);
	wake_up_interruptible_all(&topic->writers);
}

/**
 * mqbus_refusal_age() - a place behind all who wait
 *
 * Of all topics: a transaction's is the same in all of its.
 *
 * Return: the number; never 0.
 */
u64 mqbus_refusal_age(void)
{
	static atomic64_t ages;

	return atomic64_inc_return(&ages);
}

/**
 * mqbus_refused_age() - since when an endpoint has been refused, as far as that counts
 * @r: the endpoint
 *
 * Who goes away without a word has not waited: he would be older than all who have when he
 * comes back. He waits as long as he is in a line, and for %REFUSED_WAITS after each sign.
 *
 * Return: the age, or 0.
 */
u64 mqbus_refused_age(const struct mqbus_refused *r)
{
	u64 age = READ_ONCE(r->age);

	if (!age || READ_ONCE(r->ticket.state) != MQBUS_TICKET_NONE ||
	    ktime_get_ns() < READ_ONCE(r->seen) + REFUSED_WAITS)
		return age;
	return 0;
}

/* A sign of an endpoint: it tries, or polls. An age that does not count any more goes. */
static void refused_seen(struct mqbus_refused *r)
{
	lockdep_assert_held(&r->lock);

	if (r->age && !mqbus_refused_age(r))
		WRITE_ONCE(r->age, 0);
	WRITE_ONCE(r->seen, ktime_get_ns());
}

/**
 * mqbus_refusal_init() - begin as one that was not refused
 * @producer: the producer, with its topic
 *
 * Return: 0 or -ENOMEM.
 */
int mqbus_refusal_init(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);

	if (!r)
		return -ENOMEM;
	spin_lock_init(&r->lock);
	init_waitqueue_head(&r->pollers);
	RB_CLEAR_NODE(&r->late);
	r->producer = producer;
	producer->refused = r;
	return 0;
}

/* Out of wherever who polls it waits. */
static void refused_out(struct mqbus_refused *r)
{
	struct mqbus_waits *waits = &r->producer->topic->waits;

	mqbus_line_leave(&r->ticket);
	spin_lock(&waits->lock);
	late_out(waits, r);
	spin_unlock(&waits->lock);
}

/**
 * mqbus_refusal_end() - undo mqbus_refusal_init()
 * @producer: the producer, which nobody uses or polls any more, and nobody can fence
 */
void mqbus_refusal_end(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = producer->refused;

	if (!r)
		return;
	refused_out(r);
	producer->refused = NULL;
	/* Somebody may be about to wake who polled it */
	kfree_rcu(r, rcu);
}

/**
 * mqbus_refused_fenced() - a producer stores nothing any more: wake who polls it
 * @r: the producer as one that was refused; the RCU read lock keeps it
 *
 * Whatever events they poll for, also none. Who sleeps is another matter, see
 * mqbus_refusal_recheck().
 */
void mqbus_refused_fenced(struct mqbus_refused *r)
{
	/* The queue's lock orders the new holder before a waiter's next look */
	wake_up_interruptible_all(&r->pollers);
}

/**
 * mqbus_refusal_over() - whether there is no use in waiting any more
 * @producer: the producer
 * @why: for what
 *
 * Return: whether a try would tell something else.
 */
bool mqbus_refusal_over(const struct mqbus_producer *producer, enum mqbus_why why)
{
	return mqbus_topic_dead(producer->topic) ||
	       mqbus_author_fenced(producer->author, producer) ||
	       !mqbus_topic_blocks(producer->topic, why);
}

/* Whether a rate would let it go. If not, and somebody @waits, he is told when it does. */
static bool late_ready(struct mqbus_refused *r, bool waits)
{
	u64 due = mqbus_producer_due(r->producer, r->what.records, r->what.bytes);
	struct mqbus_waits *w = &r->producer->topic->waits;

	if (due <= ktime_get_ns())
		return true;
	if (waits) {
		spin_lock(&w->lock);
		late_in(w, r, due);
		mqbus_timer_arm(&w->timer, due);
		spin_unlock(&w->lock);
	}
	return false;
}

/* The same of room and of shares. */
static bool ticket_ready(struct mqbus_refused *r, bool waits)
{
	struct mqbus_ticket *t = &r->ticket;

	if (mqbus_line_ready(t))
		return true;
	if (!waits || READ_ONCE(t->state) != MQBUS_TICKET_NONE)
		return false;
	/* Others went by while it did not use its turn, or was away: it is behind them now */
	if (READ_ONCE(t->late) || !r->age)
		WRITE_ONCE(r->age, mqbus_refusal_age());
	mqbus_line_join(t, r->producer, t->owner, t->bytes, r->age);
	return mqbus_line_ready(t);
}

static bool refused_ready(struct mqbus_refused *r, bool waits)
{
	lockdep_assert_held(&r->lock);

	if (!r->any || mqbus_refusal_over(r->producer, r->why))
		return true;
	return r->why == MQBUS_WHY_RATE ? late_ready(r, waits) : ticket_ready(r, waits);
}

/*
 * Nobody may call poll() again before it is writable, so who polls already is looked
 * after now.
 */
static void refused_watch(struct mqbus_refused *r)
{
	bool ready;

	/* ORD_SLEEP: full barrier; pairs with the one of mqbus_producer_poll() */
	if (!wq_has_sleeper(&r->pollers))
		return;
	spin_lock(&r->lock);
	ready = refused_ready(r, true);
	spin_unlock(&r->lock);
	if (ready)
		wake_up_interruptible_poll(&r->pollers, EPOLLOUT | EPOLLWRNORM);
}

/**
 * mqbus_refusal_set() - a producer's call was refused
 * @producer: the producer
 * @refusal: what was refused
 * @why: what for
 * @blocks: the call waits
 *
 * Return: if the call waits: since when the producer has been refused, of which one
 * call only is told; 0: since now.
 */
u64 mqbus_refusal_set(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
		      enum mqbus_why why, bool blocks)
{
	struct mqbus_refused *r = producer->refused;
	struct mqbus_ticket *t = &r->ticket;
	u64 age = 0;

	spin_lock(&r->lock);
	refused_seen(r);
	refused_out(r);
	r->what = *refusal;
	r->why = why;
	if (blocks) {
		age = r->age;
		WRITE_ONCE(r->age, 0);
	} else if (!r->age) {
		WRITE_ONCE(r->age, mqbus_refusal_age());
	}
	t->topic = producer->topic;
	t->partition = refusal->partition;
	t->owner = why == MQBUS_WHY_SHARE ? mqbus_producer_owner(producer) : 0;
	t->bytes = refusal->bytes;
	t->age = r->age ?: mqbus_refusal_age();
	t->producer = producer;
	t->awaited = true;
	WRITE_ONCE(r->any, true);
	spin_unlock(&r->lock);
	/* A call that waits says itself when it is over */
	if (!blocks)
		refused_watch(r);
	return age;
}

/**
 * mqbus_refusal_keep() - a call that has waited ends, and what it wanted was not stored
 * @producer: the producer
 * @age: since when
 *
 * If it is begun again it goes on from there.
 */
void mqbus_refusal_keep(struct mqbus_producer *producer, u64 age)
{
	struct mqbus_refused *r = producer->refused;

	spin_lock(&r->lock);
	refused_seen(r);
	if (r->any && (!r->age || age < r->age))
		WRITE_ONCE(r->age, age);
	spin_unlock(&r->lock);
	refused_watch(r);
}

/**
 * mqbus_refusal_clear() - a producer has stored something
 * @producer: the producer
 */
void mqbus_refusal_clear(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = producer->refused;

	spin_lock(&r->lock);
	refused_out(r);
	WRITE_ONCE(r->any, false);
	WRITE_ONCE(r->age, 0);
	spin_unlock(&r->lock);
	/* ORD_SLEEP: full barrier; pairs with the one of mqbus_producer_poll() */
	if (wq_has_sleeper(&r->pollers))
		wake_up_interruptible_poll(&r->pollers, EPOLLOUT | EPOLLWRNORM);
}

/**
 * mqbus_producer_poll() - readiness
 * @producer: the producer
 * @file: its file
 * @wait: poll table
 *
 * Return: EPOLLOUT when what was refused last would be stored now, or there was
 * nothing; EPOLLERR when the producer was fenced; EPOLLHUP when the topic is gone.
 */
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait)
{
	struct mqbus_refused *r = producer->refused;
	struct mqbus_topic *topic = producer->topic;
	bool ready = true;

	poll_wait(file, &r->pollers, wait);
	poll_wait(file, &topic->waits.end, wait);
	smp_mb();	/* ORD_SLEEP: full barrier; pairs with those of wq_has_sleeper() */
	if (mqbus_topic_dead(topic))
		return EPOLLHUP | EPOLLOUT | EPOLLWRNORM;
	if (mqbus_author_fenced(producer->author, producer))
		return EPOLLERR | EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(r->any)) {
		spin_lock(&r->lock);
		refused_seen(r);
		ready = refused_ready(r, wq_has_sleeper(&r->pollers));
		spin_unlock(&r->lock);
	}
	return ready ? EPOLLOUT | EPOLLWRNORM : 0;
}
