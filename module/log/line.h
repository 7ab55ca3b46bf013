/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_LINE_H
#define _MQBUS_LINE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "base/timer.h"

struct mqbus_producer;
struct mqbus_ring;
struct mqbus_topic;
struct task_struct;

/**
 * enum mqbus_ticket_state - state of a ticket
 * @MQBUS_TICKET_NONE: in no line
 * @MQBUS_TICKET_WAITS: it waits, and younger tickets wait behind it
 * @MQBUS_TICKET_CALLED: it is its turn
 * @MQBUS_TICKET_USED: a record was stored, and the same call may store more
 */
enum mqbus_ticket_state {
	MQBUS_TICKET_NONE,
	MQBUS_TICKET_WAITS,
	MQBUS_TICKET_CALLED,
	MQBUS_TICKET_USED,
};

/**
 * struct mqbus_ticket - a place in the line of a partition
 * @node: among those that wait
 * @called: among those that are called
 * @state: its state; also loaded without the lock, by its task
 * @look: its condition may have changed, so its task must recheck; likewise
 * @awaited: its task sleeps until it is called; else it only keeps room
 * @late: its turn passed unused
 * @topic: its topic
 * @partition: its partition
 * @owner: owner of the share it waits for; 0: it waits for room
 * @bytes: size of the records to be stored
 * @kept: bytes that are kept for it
 * @age: tickets with a smaller one are older
 * @called_at: begin of its turn
 * @until: end of its turn
 * @task: the task that sleeps; NULL: an endpoint is polled
 * @producer: the producer that stores the records
 *
 * Guarded by the lock of the partition's ring while it is in a line; otherwise private to
 * its owner.
 */
struct mqbus_ticket {
	struct rb_node node;
	struct list_head called;
	enum mqbus_ticket_state state;
	bool look;
	bool awaited;
	bool late;
	struct mqbus_topic *topic;
	u32 partition;
	u32 owner;
	u32 bytes;
	u32 kept;
	u64 age;
	u64 called_at;
	u64 until;
	struct task_struct *task;
	const struct mqbus_producer *producer;
};

/**
 * struct mqbus_calls - tickets of a line that are called, of one kind
 * @nr: number of called tickets
 * @wasted: turns that were wasted lately
 * @free_until: no room is kept until then, because too many turns were wasted
 */
struct mqbus_calls {
	u32 nr;
	u32 wasted;
	u64 free_until;
};

/**
 * struct mqbus_line - producers that wait for room in a partition, or for a share of it
 * @busy: it is not empty, so appending must check it
 * @nr_called: number of called tickets
 * @room: calls for room
 * @shares: calls for shares
 * @promised: bytes that are kept for called tickets together
 * @wanted: bytes that tickets waiting for room need together
 * @waiting: tickets by owner and age
 * @called: tickets in the order in which their turns end
 * @next_owner: owner whose share is looked at first in the next calls; 0: the first one
 *
 * Guarded by the lock of the partition's ring.
 */
struct mqbus_line {
	bool busy;
	u32 nr_called;
	struct mqbus_calls room;
	struct mqbus_calls shares;
	u64 promised;
	u64 wanted;
	struct rb_root_cached waiting;
	struct list_head called;
	u32 next_owner;
};

/**
 * struct mqbus_waits - waiting producers of a topic
 * @parts: bitmap of the partitions whose line is not empty
 * @busy: number of these partitions
 * @lock: rates: @late, and the timer
 * @late: polled endpoints that a rate holds back, by due time
 * @late_in: the same in the order in which they came
 * @nr_late: their number
 * @timer: for @late, and for turns that end
 * @blocked: tasks that sleep until a rate lets them go
 * @settled: tasks that sleep until a group has settled a record
 * @end: pollers that must learn of the topic's end
 */
struct mqbus_waits {
	unsigned long *parts;
	atomic_t busy;
	spinlock_t lock;	/* guards late, late_in, nr_late and timer */
	struct rb_root_cached late;
	struct list_head late_in;
	u32 nr_late;
	struct mqbus_timer timer;
	wait_queue_head_t blocked;
	wait_queue_head_t settled;
	wait_queue_head_t end;
};

void mqbus_line_init(struct mqbus_line *line);
int mqbus_line_admit(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner, u64 age,
		     const struct mqbus_producer *producer);
bool mqbus_line_spares(const struct mqbus_topic *topic, u32 partition, u32 bytes,
		       const struct mqbus_producer *producer);
void mqbus_line_used(struct mqbus_line *line, const struct mqbus_ring *ring,
		     const struct mqbus_producer *producer);
bool mqbus_line_ready(struct mqbus_ticket *ticket);
void mqbus_line_join(struct mqbus_ticket *ticket, const struct mqbus_producer *producer,
		     u32 owner, u32 bytes, u64 age);
bool mqbus_line_leave(struct mqbus_ticket *ticket);
void mqbus_line_freed(struct mqbus_topic *topic, u32 partition);
void mqbus_line_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer);

#endif /* _MQBUS_LINE_H */
