// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Transactions
 *
 * Everything that the user's memory is needed for comes first (op.c), without a lock:
 * acts and elements are copied in, records are put together in a buffer of the
 * kernel's, and commits are looked up. Then a transaction goes in two steps. It asks all
 * that can refuse, which may take long (prepare.c). Then it takes all locks for a short
 * time, looks whether anything has changed, and settles, copies and shows everything
 * (issue.c).
 *
 * Between the steps nothing is held: no lock that lets go of the processor, so who is
 * preempted or has used up his share of it stops nobody, and nobody who may not wait has to.
 * Others may be faster in between; then all is asked anew.
 *
 * What stands in the way and may go away (a full ring, a rate, a share) is waited for
 * with no lock held; then all is asked anew. Until all is well nothing changes but what
 * prepare.c says.
 *
 * Readers of several rings see all of it or nothing: ORD_TOGETHER.
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

/* What has to follow: wake whom it concerns, move dead letters on. */
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
		/* Those of an act stand together */
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

/* Return: 0 if all is done, or why not, with what to wait for if that can be. */
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

/* Return: 0 to try again, or why not. */
static int transact_wait(struct mqbus_transaction *t, const struct mqbus_obstacle *wait,
			 int err, ktime_t deadline)
{
	if (wait->again)
		return 0;
	return wait->producer ? mqbus_producer_wait(wait->producer, &wait->refusal, deadline,
						    &t->turn) :
				err;
}

/* Tell where the records are. It was tried before that the memory can be written. */
static void op_report(const struct mqbus_op *op)
{
	u32 i;

	for (i = 0; i < op->user.count; i++) {
		const struct mqbus_commit_mark *mark = &op->elements[i].mark;
		struct mqbus_place place = { .partition = MQBUS_ANY, .offset = U64_MAX };

		if (i >= op->skip) {
			place.partition = mark->partition;
			place.offset = mark->at.offset;
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
			op_report(&t->ops[a]);
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

/**
 * mqbus_transact() - do several things wholly or not at all
 * @ns: in which namespace
 * @bound: as of &struct mqbus_transaction
 * @args: what the user asks for; which element failed is written back
 * @nonblock: do not wait
 *
 * Return: 0 or a negative errno as of &struct mqbus_transact.
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
	t->turn.tickets = t->tickets;
	t->turn.max = MQBUS_TRANSACT_LINES;
	err = transact_run(t, mqbus_deadline(args->timeout, nonblock));
	mqbus_turn_end(&t->turn);
	mqbus_ops_put(t);
	kfree(t);
	return err;
}
