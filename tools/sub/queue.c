// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "common/queue_option.h"
#include "sub.h"

#define BATCH_DEFAULT 64

/**
 * struct queue - a member of a queue group
 * @sub: what was asked for
 * @worker: the member
 * @leases: of the last batch
 * @acks: acks of records written and not settled yet
 * @nr_acks: their number
 * @size: room at @acks
 * @failed: number that could not be acked
 */
struct queue {
	struct sub *sub;
	struct mqbus_worker *worker;
	struct mqbus_leased *leases;
	struct mqbus_settle *acks;
	size_t nr_acks;
	size_t size;
	__u64 failed;
};

/* Join the group, making it first if it is not there. */
static int queue_join(struct queue *q)
{
	static const struct queue_options options;
	struct sub *sub = q->sub;
	const char *topic = sub->subject.topic;
	const char *group = sub->subject.group;
	int ret;

	ret = mqbus_worker_open(&q->worker, topic, group);
	if (!ret)
		sub_joined(sub);
	if (ret != -ENOENT || sub->no_create)
		return ret ? sub_report(sub, DO_WORK, ret) : STATUS_OK;
	ret = mqbus_queue_create(topic, group, sub->place.whence, sub->place.value,
				 parse_default_mode(), &options.queue);
	/* Another reader may have been quicker */
	if (ret && ret != -EEXIST)
		return sub_report(sub, DO_QUEUE_CREATE, ret);
	sub_tell_made(sub);
	ret = mqbus_worker_open(&q->worker, topic, group);
	return ret ? sub_report(sub, DO_WORK, ret) : STATUS_OK;
}

/* A record written but not acked comes again: say so, go on. */
static void queue_check_acks(struct queue *q, const struct mqbus_settle *acks, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!acks[i].error)
			continue;
		if (!q->failed++ && !q->sub->quiet) {
			q->sub->subject.where = "a record that was written is not acked";
			sub_report(q->sub, DO_SETTLE, -(int)acks[i].error);
			q->sub->subject.where = NULL;
		}
	}
}

/* Ack written records, without leasing more. */
static int queue_settle(struct queue *q)
{
	size_t done, n;
	int ret;

	for (done = 0; done < q->nr_acks; done += n) {
		n = q->nr_acks - done;
		if (n > MQBUS_LEASE_MAX)
			n = MQBUS_LEASE_MAX;
		ret = mqbus_worker_settle(q->worker, q->acks + done, n);
		queue_check_acks(q, q->acks + done, n);
		/* That none succeeded was reported; any other error is about all of them */
		if (ret < 0 && !q->acks[done].error)
			return sub_report(q->sub, DO_LEASE, ret);
	}
	q->nr_acks = 0;
	return STATUS_OK;
}

/* Write the output of the leases from @from up to @to, which may then be acked. */
static int queue_flush(struct queue *q, int from, int to)
{
	int ret;

	ret = sub_write(q->sub, "not acked");
	if (ret)
		return ret;
	if (q->nr_acks + to - from > q->size) {
		q->size = 2 * q->size + MQBUS_LEASE_MAX;
		q->acks = reallocarray(q->acks, q->size, sizeof(*q->acks));
		if (!q->acks)
			abort();
	}
	for (; from < to; from++)
		q->acks[q->nr_acks++] = (struct mqbus_settle){
			.lease = q->leases[from].lease,
			.what = MQBUS_ACK,
		};
	return STATUS_OK;
}

static int queue_print(struct queue *q, int n)
{
	struct format_source from = { .topic = q->sub->subject.topic };
	const struct mqbus_record *r;
	int written = 0;
	int i, ret;

	for (i = 0; i < n; i++) {
		r = mqbus_worker_record(q->worker, &q->leases[i]);
		if (!r)
			return sub_report(q->sub, DO_LEASE, -errno);
		from.partition = q->leases[i].partition;
		from.lease = &q->leases[i];
		sub_print(q->sub, &from, r);
		if (q->sub->out.len < SUB_OUTPUT_SIZE)
			continue;
		ret = queue_flush(q, written, i + 1);
		if (ret)
			return ret;
		written = i + 1;
	}
	q->sub->left -= n;
	return queue_flush(q, written, n);
}

/* Ack the last batch and lease the next: one call for both. */
static int queue_turn(struct queue *q, int *error)
{
	struct sub *sub = q->sub;
	size_t acks = sub->ack == SUB_ACK_AUTO ? q->nr_acks : 0;
	int ret;

	ret = mqbus_worker_turn(q->worker, 0, q->acks, acks, q->leases,
				sub->left < sub->batch ? sub->left : sub->batch, sub->lease,
				sub->exit ? 0 : sub->timeout, error);
	if (!acks)
		return ret;
	if (ret >= 0)
		queue_check_acks(q, q->acks, acks);
	/* The whole call fails only if the group is gone */
	q->nr_acks = 0;
	return ret;
}

static int queue_run(struct queue *q)
{
	int error, ret;

	while (q->sub->left) {
		if (cmd_signal())
			return STATUS_SIGNAL + cmd_signal();
		ret = queue_turn(q, &error);
		if (ret > 0)
			ret = queue_print(q, ret);
		else
			ret = sub_wait_failed(q->sub, DO_LEASE, error);
		if (ret > 0 || (!ret && error))
			return ret;
	}
	return STATUS_OK;
}

static int queue_work(struct queue *q)
{
	struct sub *sub = q->sub;
	int ret, settled = STATUS_OK;

	if (!sub->batch)
		sub->batch = BATCH_DEFAULT;
	if (sub->ack == SUB_ACK_MANUAL)
		return sub_manual(sub, q->worker);
	q->leases = calloc(sub->batch, sizeof(*q->leases));
	if (!q->leases)
		abort();
	ret = queue_run(q);
	if (!ret || sub->ack == SUB_ACK_AUTO)
		settled = queue_settle(q);
	if (q->failed > 1 && !sub->quiet)
		error_say(&sub->subject, "%llu records in all that were written are not acked",
			  q->failed);
	if (!ret)
		ret = settled;
	return ret || !q->failed ? ret : STATUS_FAILED;
}

int sub_queue(struct sub *sub)
{
	struct queue q = { .sub = sub };
	int ret;

	ret = queue_join(&q);
	if (ret)
		return ret;
	ret = queue_work(&q);
	/* Releases unsettled records */
	mqbus_worker_close(q.worker);
	free(q.leases);
	free(q.acks);
	return ret;
}
