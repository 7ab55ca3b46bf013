/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_REFUSAL_H
#define _MQBUS_REFUSAL_H

#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "base/crowd.h"
#include "log/line.h"
#include "log/topic.h"

struct mqbus_producer;

/**
 * struct mqbus_refusal - why records were not stored
 * @why: -ENOBUFS (no room), -EXFULL (a rate, or the share), or another errno
 * @partition: the partition for them
 * @records: number of records
 * @bytes: size of all together
 * @rate: a rate refuses, and @bytes may be for several partitions
 */
struct mqbus_refusal {
	int why;
	bool rate;
	u32 partition;
	u32 records;
	u32 bytes;
};

/**
 * struct mqbus_refused - state of a producer's refusal
 * @producer: the producer
 * @lock: guards @any, @why, @what and @age
 * @any: whether its last call was refused; also loaded without the lock
 * @why: the limit that refused it
 * @what: the records that were refused
 * @age: place of its refusal among all waiters; 0: none; also loaded without the lock
 * @last: what its last refused call was refused for, even if it did not wait; marked, without
 *	the lock
 * @seen: when it last tried, polled, or was woken; likewise
 * @ticket: of a polled endpoint, for room or for a share
 * @late: of a polled endpoint, for a rate: its node in the topic's tree
 * @late_in: the same in the order in which they came there
 * @due: when that rate may let it go
 * @pollers: tasks that poll
 * @crowd: more of them
 * @rcu: it is freed after pollers that were noted have been woken
 *
 * @ticket, but for its partition and its topic, is guarded by the ring's lock, and @late,
 * @late_in and @due by the topic's &struct mqbus_waits; both locks are taken inside @lock.
 */
struct mqbus_refused {
	const struct mqbus_producer *producer;
	spinlock_t lock;	/* guards any, why, what, age */
	bool any;
	enum mqbus_why why;
	struct mqbus_refusal what;
	u64 age;
	enum mqbus_why last;
	u64 seen;
	struct mqbus_ticket ticket;
	struct rb_node late;
	struct list_head late_in;
	u64 due;
	wait_queue_head_t pollers;
	struct mqbus_crowd crowd;
	struct rcu_head rcu;
};

/* Endpoints that are woken after one hold of a lock */
#define MQBUS_POLLERS	16

/**
 * struct mqbus_pollers - endpoints whose pollers are woken after a lock was dropped
 * @refused: polled endpoints; they stay as long as the RCU read lock is held
 * @nr: number of @refused
 */
struct mqbus_pollers {
	struct mqbus_refused *refused[MQBUS_POLLERS];
	u32 nr;
};

/* The polled endpoint of a ticket */
static inline struct mqbus_refused *mqbus_refused_of(struct mqbus_ticket *ticket)
{
	return container_of(ticket, struct mqbus_refused, ticket);
}

/* line.c */
void mqbus_pollers_wake(const struct mqbus_pollers *wake);

int mqbus_waits_init(struct mqbus_topic *topic);
void mqbus_waits_free(struct mqbus_topic *topic);
void mqbus_waits_end(struct mqbus_topic *topic);
u64 mqbus_refusal_age(void);
u64 mqbus_refused_age(const struct mqbus_refused *r);
int mqbus_refusal_init(struct mqbus_producer *producer);
void mqbus_refusal_end(struct mqbus_producer *producer);
void mqbus_refused_fenced(struct mqbus_refused *r);
void mqbus_refusal_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer);
bool mqbus_refusal_over(const struct mqbus_producer *producer, enum mqbus_why why);
u64 mqbus_refusal_set(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
		      enum mqbus_why why, bool blocks);
void mqbus_refusal_keep(struct mqbus_producer *producer, u64 age);
u32 mqbus_producer_next(struct mqbus_producer *producer);
void mqbus_refusal_clear(struct mqbus_producer *producer);
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait);

#endif /* _MQBUS_REFUSAL_H */
