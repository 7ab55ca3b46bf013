// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Transactions
 *
 * Everything that accesses user memory comes first (op.c), without a lock: acts and elements
 * are copied in, records are built in a kernel buffer, and commits are looked up. Then a
 * transaction takes two steps. The first runs all checks, which may take long (prepare.c).
 * The second takes all locks for a short time, checks whether anything has changed, and
 * settles, copies and publishes everything (issue.c).
 *
 * Between the steps no lock is held, not even a mutex, so a task that is preempted or out of
 * its CPU quota stops no other task, and a non-blocking call never has to wait. State may
 * change in between; then all checks run again.
 *
 * An obstacle that may go away (a full ring, a rate, a share) is waited for without a lock;
 * then all checks run again. Until they pass, nothing changes but what prepare.c says. It
 * waits for one obstacle at a time, the first one found, and wakes early if the topic of
 * another act is deleted, or its producer fenced.
 *
 * Readers of several rings see all of a transaction or nothing: ORD_TOGETHER.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "base/elements.h"
#include "base/ns.h"
#include "base/sleep.h"
#include "group/group.h"
#include "group/member.h"
#include "log/producer.h"
#include "log/reader.h"
#include "log/topic.h"
#include "txn/transact.h"

/* Wake readers, writers and members, and move dead letters */
static void transact_wake(struct mqbus_transaction *t)
{
	struct mqbus_topic *topic = NULL;
	struct mqbus_stored stored;
	u32 a, i;

	stored.any = false;
	for (i = 0; i < t->nr_places; i++) {
		struct mqbus_transact_place *place = &t->places[i];

		if (!place->stored)
			continue;
		/* Places that an act adds are adjacent */
		if (place->topic != topic)
			mqbus_readers_wake(topic, &stored);
		topic = place->topic;
		mqbus_stored_add(&stored, topic, place->partition);
	}
	mqbus_readers_wake(topic, &stored);
	for (a = 0; a < t->nr_ops; a++) {
		struct mqbus_member *member = t->ops[a].member;

		if (!member) {
			mqbus_producer_stored(t->ops[a].producer);
			continue;
		}
		member->group->ops->settled(member);
	}
}

/* Return: 0 if done, or an error, with @wait if that can be waited for */
static int transact_try(struct mqbus_transaction *t, struct mqbus_obstacle *wait)
{
	int err;

	*wait = (struct mqbus_obstacle) {};
	err = mqbus_transact_prepare(t, wait) ?: mqbus_transact_issue(t, wait);
	if (!err) {
		mqbus_turn_end(&t->turn);
		transact_wake(t);
	}
	return err;
}

static struct mqbus_topic *op_topic(const struct mqbus_op *op)
{
	return op->producer ? op->producer->topic : op->member->topic;
}

/* Whether an act cannot succeed any more, so that its transaction must not wait */
static bool op_over(const struct mqbus_op *op)
{
	return mqbus_topic_dead(op_topic(op)) ||
	       (op->producer && mqbus_author_fenced(op->producer->author, op->producer));
}

/* Waiters of an act's topic are woken */
static int op_woken(struct wait_queue_entry *end, unsigned int mode, int flags, void *key)
{
	struct mqbus_transaction *t = end->private;

	if (!op_over(container_of(end, struct mqbus_op, end)))
		return 0;
	WRITE_ONCE(t->turn.look, true);
	return wake_up_process(t->task);
}

/* Wait for one act's room, a rate or a share, or until another act cannot succeed any more */
static int transact_sleep(struct mqbus_transaction *t, const struct mqbus_obstacle *wait,
			  ktime_t deadline)
{
	bool over = false;
	int err = 0;
	u32 a;

	WRITE_ONCE(t->turn.look, false);
	for (a = 0; a < t->nr_ops; a++) {
		struct mqbus_op *op = &t->ops[a];

		init_waitqueue_func_entry(&op->end, op_woken);
		op->end.private = t;
		add_wait_queue(&op_topic(op)->waits.blocked, &op->end);
		/* The queue's lock orders this after what a waker has stored */
		over |= op_over(op);
	}
	if (!over)
		err = mqbus_producer_wait(wait->producer, &wait->refusal, deadline, &t->turn);
	for (a = 0; a < t->nr_ops; a++)
		remove_wait_queue(&op_topic(&t->ops[a])->waits.blocked, &t->ops[a].end);
	return err;
}

/* Return: 0 to try again, or an error */
static int transact_wait(struct mqbus_transaction *t, const struct mqbus_obstacle *wait,
			 int err, ktime_t deadline)
{
	if (wait->again)
		return 0;
	return wait->producer ? transact_sleep(t, wait, deadline) : err;
}

/* Write where the records are; op_copy() has tried that the memory is writable */
static void op_report(const struct mqbus_transaction *t, const struct mqbus_op *op)
{
	u32 i;

	for (i = 0; i < op->user.count; i++) {
		struct mqbus_place place = { .partition = MQBUS_ANY, .offset = U64_MAX };

		if (i >= op->skip) {
			place.partition = t->places[op->pieces[i].place].partition;
			place.offset = op->pieces[i].offset;
		}
		if (mqbus_elements_write(op->user.places + (u64)i * op->user.place_size,
					 op->user.place_size, &place, sizeof(place), 1))
			return;
	}
}

static void transact_report(struct mqbus_transaction *t)
{
	u32 a;

	t->args->failed_act = 0;
	t->args->failed_element = 0;
	for (a = 0; a < t->nr_ops; a++) {
		t->args->duplicates += t->ops[a].skip;
		if (t->ops[a].user.places)
			op_report(t, &t->ops[a]);
	}
}

static int transact_run(struct mqbus_transaction *t, ktime_t deadline)
{
	struct mqbus_obstacle wait;
	int err;

	err = mqbus_ops_read(t);
	while (!err) {
		err = transact_try(t, &wait);
		if (!err) {
			transact_report(t);
			return 0;
		}
		err = transact_wait(t, &wait, err, deadline);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

/*
 * Run a transaction wholly or not at all. @bound: as of &struct mqbus_transaction; the failed
 * element is written to @args. Return: 0 or a negative errno as of &struct mqbus_transact.
 */
int mqbus_transact(struct mqbus_ns *ns,
		   bool (*bound)(struct file *file, struct mqbus_ns *ns,
				 struct mqbus_producer **producer,
				 struct mqbus_member **member),
		   struct mqbus_transact *args, bool nonblock)
{
	struct mqbus_transaction *t;
	int err;

	if (args->__reserved || args->__reserved2)
		return -EINVAL;
	args->failed_act = MQBUS_ANY;
	args->failed_element = MQBUS_ANY;
	args->duplicates = 0;
	if (!args->count || args->count > MQBUS_ACTS_MAX)
		return -ERANGE;
	err = mqbus_elements_check(args->act_size, sizeof(struct mqbus_act));
	if (err)
		return err;
	t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	t->ns = ns;
	t->bound = bound;
	t->args = args;
	t->task = current;
	t->turn.tickets = t->tickets;
	t->turn.max = MQBUS_TRANSACT_LINES;
	err = transact_run(t, mqbus_deadline(args->timeout, nonblock));
	mqbus_turn_end(&t->turn);
	mqbus_ops_put(t);
	kfree(t);
	return err;
}
