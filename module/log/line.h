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
 * enum mqbus_ticket_state - where a ticket is
 * @MQBUS_TICKET_NONE: in no line
 * @MQBUS_TICKET_WAITS: it waits, and who came later waits behind it
 * @MQBUS_TICKET_CALLED: it is its turn
 * @MQBUS_TICKET_USED: something was stored, and more may be in the same call
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
 * @called: among those whose turn it is
 * @state: where it is; also loaded without the lock, by its task
 * @look: what it waits for may be over; likewise
 * @awaited: its task sleeps until it is called; else it only keeps room
 * @late: its turn passed unused
 * @topic: in which topic
 * @partition: in which partition
 * @owner: of a share: whose; 0: it waits for room
 * @bytes: what is to be stored
 * @kept: bytes that are kept for it
 * @age: who has a smaller one came earlier
 * @called_at: when its turn began
 * @until: when its turn passes
 * @task: who sleeps; NULL: who polls
 * @producer: who is to store
 *
 * Guarded by the lock of the partition's ring while it is in a line, and else its
 * owner's alone.
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
 * @nr: how many
 * @wasted: turns that were wasted lately
 * @free_until: until then nothing is kept for them, because those were too many
 */
struct mqbus_calls {
	u32 nr;
	u32 wasted;
	u64 free_until;
};

/**
 * struct mqbus_line - writers that wait for room in a partition, or for a share of it
 * @busy: it is not empty; who appends has to look
 * @nr_called: how many are called
 * @room: calls for room
 * @shares: calls for shares
 * @promised: bytes that are kept for those that are called together
 * @wanted: bytes that those want who wait for room
 * @waiting: tickets by owner and age
 * @called: tickets in the order in which their turns pass
 * @next_owner: whose share is looked at first when some are called; 0: the first one's
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
 * struct mqbus_waits - what producers of a topic wait for
 * @parts: bitmap of the partitions whose line is not empty
 * @busy: how many these are
 * @lock: rates: @late, and the timer
 * @late: who polls and is held back by a rate, by when it lets go
 * @timer: for @late, and for turns that pass
 * @blocked: who sleeps until a rate lets go
 * @settled: who sleeps until a group has settled something
 * @end: who polls, and is to know when the topic goes
 */
struct mqbus_waits {
	unsigned long *parts;
	atomic_t busy;
	spinlock_t lock;	/* guards late and timer */
	struct rb_root_cached late;
	struct mqbus_timer timer;
	wait_queue_head_t blocked;
	wait_queue_head_t settled;
	wait_queue_head_t end;
};

void mqbus_line_init(struct mqbus_line *line);
int mqbus_line_admit(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner, u64 age,
		     const struct mqbus_producer *producer);
void mqbus_line_used(struct mqbus_line *line, const struct mqbus_ring *ring,
		     const struct mqbus_producer *producer);
bool mqbus_line_ready(struct mqbus_ticket *ticket);
void mqbus_line_join(struct mqbus_ticket *ticket, const struct mqbus_producer *producer,
		     u32 owner, u32 bytes, u64 age);
void mqbus_line_leave(struct mqbus_ticket *ticket);
void mqbus_line_freed(struct mqbus_topic *topic, u32 partition);
void mqbus_line_recheck(struct mqbus_topic *topic, const struct mqbus_producer *producer);

#endif /* _MQBUS_LINE_H */
