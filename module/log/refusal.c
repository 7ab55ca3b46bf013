// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals of producers' last calls, and readiness of polled endpoints. A polled endpoint is
 * woken once when it becomes writable, even without another poll() meanwhile (EPOLLET): by its
 * ticket, or by the topic's timer.
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
/* ns without a try or a poll after which an endpoint does not count as waiting */
#define REFUSED_WAITS	NSEC_PER_SEC

/**
 * struct late_wake - endpoints to be woken after the lock is dropped
 * @pollers: the endpoints
 * @records: number of records that they want to store together
 * @bytes: size of these records
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
	list_del(&r->late_in);
	waits->nr_late--;
}

static void late_in(struct mqbus_waits *waits, struct mqbus_refused *r, u64 due)
{
	late_out(waits, r);
	r->due = due;
	rb_add_cached(&r->late, &waits->late, late_less);
	list_add_tail(&r->late_in, &waits->late_in);
	waits->nr_late++;
}

/*
 * Collect endpoints that a rate lets go: as many as if each of them stored its records now.
 * The others stay until their new due time. Return: when to look again.
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

/* Begin without waiters; @topic is zeroed but for its partitions' number. Return: 0 or -ENOMEM. */
int mqbus_waits_init(struct mqbus_topic *topic)
{
	struct mqbus_waits *waits = &topic->waits;

	spin_lock_init(&topic->counts.lock);
	spin_lock_init(&waits->lock);
	INIT_LIST_HEAD(&waits->late_in);
	mqbus_timer_init(&waits->timer, waits_run);
	init_waitqueue_head(&waits->blocked);
	init_waitqueue_head(&waits->settled);
	init_waitqueue_head(&waits->end);
	waits->parts = bitmap_zalloc(topic->nr_parts, GFP_KERNEL_ACCOUNT);
	return waits->parts ? 0 : -ENOMEM;
}

/* Undo mqbus_waits_init(); the topic has no waiters any more. */
void mqbus_waits_free(struct mqbus_topic *topic)
{
	mqbus_timer_end(&topic->waits.timer);
	bitmap_free(topic->waits.parts);
}

/*
 * Make endpoints that a rate holds back recheck: it may have changed, or must not be awaited. Only
 * those that wait now, which are the oldest: pollers may come back as fast as they are woken, and
 * have seen the change.
 */
static void late_recheck(struct mqbus_waits *waits)
{
	struct mqbus_refused *r;
	struct mqbus_pollers wake;
	u32 left = U32_MAX;

	do {
		wake.nr = 0;
		rcu_read_lock();
		spin_lock(&waits->lock);
		left = min(left, waits->nr_late);
		while (wake.nr < LATE_STEP && left) {
			r = list_first_entry(&waits->late_in, struct mqbus_refused, late_in);
			late_out(waits, r);
			wake.refused[wake.nr++] = r;
			left--;
		}
		spin_unlock(&waits->lock);
		mqbus_pollers_wake(&wake);
		rcu_read_unlock();
		cond_resched();
	} while (left && !fatal_signal_pending(current));
}

/*
 * Make waiters recheck, as their condition may be over or may never come. @producer: the one
 * concerned, possibly freed; NULL: all. May sleep.
 */
void mqbus_refusal_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer)
{
	mqbus_line_recheck(topic, producer);
	wake_up_interruptible_all(&topic->waits.blocked);
	if (!producer)
		late_recheck(&topic->waits);
	/* Tickets called before may not need their room any more */
	mqbus_line_freed(topic, MQBUS_ANY);
}

/* The topic is dead: wake all waiters, and all pollers for any events. */
void mqbus_waits_end(struct mqbus_topic *topic)
{
	mqbus_refusal_recheck(topic, NULL);
	/* The queues' locks order the flag before a waiter's next check */
	wake_up_interruptible_all(&topic->waits.settled);
	wake_up_interruptible_all(&topic->waits.end);
	wake_up_interruptible_all(&topic->writers);
}

/*
 * A place behind all waiters of all topics, as a transaction has the same place in several;
 * never 0.
 */
u64 mqbus_refusal_age(void)
{
	static atomic64_t ages;

	return atomic64_inc_return(&ages);
}

/*
 * Age of an endpoint's refusal, or 0. An inactive endpoint does not wait: with its age it
 * would come back ahead of all that do. It counts as waiting while it is in a line, and for
 * REFUSED_WAITS after each try, poll or wakeup.
 */
u64 mqbus_refused_age(const struct mqbus_refused *r)
{
	u64 age = READ_ONCE(r->age);

	if (!age || READ_ONCE(r->ticket.state) != MQBUS_TICKET_NONE ||
	    ktime_get_ns() < READ_ONCE(r->seen) + REFUSED_WAITS)
		return age;
	return 0;
}

/* Note a try or a poll of an endpoint, and clear an age that does not count any more. */
static void refused_seen(struct mqbus_refused *r)
{
	lockdep_assert_held(&r->lock);

	if (r->age && !mqbus_refused_age(r))
		WRITE_ONCE(r->age, 0);
	WRITE_ONCE(r->seen, ktime_get_ns());
}

/* Begin without refusal; @producer has its topic. Return: 0 or -ENOMEM. */
int mqbus_refusal_init(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);

	if (!r)
		return -ENOMEM;
	spin_lock_init(&r->lock);
	init_waitqueue_head(&r->pollers);
	mqbus_crowd_init(&r->crowd, &r->pollers);
	RB_CLEAR_NODE(&r->late);
	r->producer = producer;
	producer->refused = r;
	return 0;
}

/*
 * Remove a polled endpoint from the line or the tree where it waits. Return: whether it gave its
 * turn up.
 */
static bool refused_out(struct mqbus_refused *r)
{
	struct mqbus_waits *waits = &r->producer->topic->waits;
	bool wasted = mqbus_line_leave(&r->ticket);

	spin_lock(&waits->lock);
	late_out(waits, r);
	spin_unlock(&waits->lock);
	return wasted;
}

/* Undo mqbus_refusal_init(); nobody uses, polls or can fence the producer any more. */
void mqbus_refusal_end(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = producer->refused;

	if (!r)
		return;
	refused_out(r);
	mqbus_crowd_end(&r->crowd);
	producer->refused = NULL;
	/* Another task may be about to wake its pollers */
	kfree_rcu(r, rcu);
}

/*
 * A producer was fenced: wake its pollers, for any events; the RCU read lock keeps @r. Sleeping
 * tasks are woken by mqbus_refusal_recheck().
 */
void mqbus_refused_fenced(struct mqbus_refused *r)
{
	/* The queue's lock orders the new holder before a waiter's next check */
	wake_up_interruptible_all(&r->pollers);
}

/* Whether waiting for @why is pointless, as a try would have another result. */
bool mqbus_refusal_over(const struct mqbus_producer *producer, enum mqbus_why why)
{
	return mqbus_topic_dead(producer->topic) ||
	       mqbus_author_fenced(producer->author, producer) ||
	       !mqbus_topic_blocks(producer->topic, why);
}

/* Whether a rate lets it go. If not and it @waits, it is woken at the due time. */
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

/* The same for room and shares. */
static bool ticket_ready(struct mqbus_refused *r, bool waits)
{
	struct mqbus_ticket *t = &r->ticket;

	if (mqbus_line_ready(t))
		return true;
	if (!waits || READ_ONCE(t->state) != MQBUS_TICKET_NONE)
		return false;
	/* It missed its turn or was inactive while others went on: it is behind them now */
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
 * Pollers may not call poll() again before it is writable (EPOLLET), so set up their wakeup
 * now.
 */
static void refused_watch(struct mqbus_refused *r)
{
	bool ready;

	/* ORD_SLEEP: full barrier; pairs with the one of mqbus_crowd_poll() */
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
 * @refusal: the refused records
 * @why: the limit
 * @blocks: the call waits
 *
 * Return: for a call that waits, the age of the producer's refusal, which only one call
 * gets; 0: refused just now.
 */
u64 mqbus_refusal_set(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
		      enum mqbus_why why, bool blocks)
{
	struct mqbus_refused *r = producer->refused;
	struct mqbus_ticket *t = &r->ticket;
	u64 age = 0;

	spin_lock(&r->lock);
	refused_seen(r);
	/* With its age it would be first wherever it asks next; a rate may refuse it at any time */
	if (refused_out(r) && why != MQBUS_WHY_RATE)
		WRITE_ONCE(r->age, 0);
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
	/* A waiting call reports its own end */
	if (!blocks)
		refused_watch(r);
	return age;
}

/*
 * A call that has waited ends without storing its records. A new call continues at @age.
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

/*
 * Where a producer's next records without a key go: in turn, but where it is called room is kept
 * for them.
 */
u32 mqbus_producer_next(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = producer->refused;
	u32 next = MQBUS_ANY;

	if (unlikely(READ_ONCE(r->any))) {
		spin_lock(&r->lock);
		if (READ_ONCE(r->ticket.state) == MQBUS_TICKET_CALLED)
			next = r->ticket.partition;
		spin_unlock(&r->lock);
	}
	return next == MQBUS_ANY ? atomic_inc_return(&producer->turn) : next;
}

/* A producer has stored records. */
void mqbus_refusal_clear(struct mqbus_producer *producer)
{
	struct mqbus_refused *r = producer->refused;

	spin_lock(&r->lock);
	refused_out(r);
	WRITE_ONCE(r->any, false);
	WRITE_ONCE(r->age, 0);
	spin_unlock(&r->lock);
	/* ORD_SLEEP: full barrier; pairs with the one of mqbus_crowd_poll() */
	if (wq_has_sleeper(&r->pollers))
		wake_up_interruptible_poll(&r->pollers, EPOLLOUT | EPOLLWRNORM);
}

/**
 * mqbus_producer_poll() - readiness
 * @producer: the producer
 * @file: its file
 * @wait: poll table
 *
 * Return: EPOLLOUT when the records refused last would be stored now, or without a refusal;
 * EPOLLERR when the producer was fenced; EPOLLHUP when the topic is gone.
 */
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait)
{
	struct mqbus_refused *r = producer->refused;
	struct mqbus_topic *topic = producer->topic;
	bool ready = true;

	poll_wait(file, &topic->waits.end, wait);
	mqbus_crowd_poll(&r->crowd, file, wait);
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
