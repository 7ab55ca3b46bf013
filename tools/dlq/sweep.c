// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/queue_option.h"
#include "dlq.h"
#include "mqbus_admin.h"

#define BATCH 64

/**
 * struct sweep - one way through the letters
 * @d: what for
 * @ends: end of each partition when the sweep began
 * @nr: number of partitions
 * @strangers: batches in a row in which all letters came after that
 * @leases: of the current batch
 * @acks: settlements of this batch
 * @nr_acks: their number
 */
struct sweep {
	struct dlq *d;
	__u64 *ends;
	__u32 nr;
	__u32 strangers;
	struct mqbus_leased leases[BATCH];
	struct mqbus_settle acks[BATCH];
	__u32 nr_acks;
};

static int sweep_join(struct sweep *s)
{
	struct error_subject *subject = &s->d->subject;
	int ret;

	subject->action = DO_WORK;
	ret = mqbus_worker_open(&s->d->worker, subject->topic, subject->group);
	if (ret == -ENOENT) {
		/* Looking leaves no group that would hold the topic's records */
		ret = queue_option_letters(subject->topic, subject->group,
					   s->d->looks ? MQBUS_GROUP_F_EPHEMERAL : 0);
		if (ret)
			return ret;
		if (!s->d->looks)
			error_say(subject,
				  "created: the topic keeps records until this group has settled them (group delete)");
		ret = mqbus_worker_open(&s->d->worker, subject->topic, subject->group);
	}
	return ret ? error_report(subject, ret) : STATUS_OK;
}

/* Letters that arrive during the sweep are left to the next one, so this one ends. */
static int sweep_bound(struct sweep *s)
{
	struct mqbus_admin_partition *partitions;
	size_t i, n;
	int ret;

	ret = mqbus_admin_partition_list(s->d->subject.topic, &partitions, &n);
	if (ret)
		return error_report(&s->d->subject, ret);
	s->nr = mqbus_worker_geometry(s->d->worker)->partitions;
	s->ends = calloc(s->nr, sizeof(*s->ends));
	if (!s->ends)
		abort();
	for (i = 0; i < n; i++) {
		if (partitions[i].index < s->nr)
			s->ends[partitions[i].index] = partitions[i].next_offset;
	}
	free(partitions);
	return STATUS_OK;
}

/* Handle the acks of a call that returned @ret. */
static void sweep_check_acks(struct sweep *s, int ret)
{
	struct dlq *d = s->d;
	__u32 i;

	for (i = 0; i < s->nr_acks; i++) {
		/* The whole call failed, and is reported as such */
		if (ret < 0 && !s->acks[i].error)
			break;
		if (!s->acks[i].error) {
			d->settled++;
			continue;
		}
		d->subject.action = DO_SETTLE;
		d->status = error_report(&d->subject, -(int)s->acks[i].error);
	}
	s->nr_acks = 0;
}

/* The reason for leasing no more; only the end is no error. */
static void sweep_end(struct sweep *s, int err)
{
	struct dlq *d = s->d;

	if (err == -EAGAIN)
		return;
	d->subject.action = DO_LEASE;
	d->status = error_report(&d->subject, err);
}

/* Settle, without leasing more. */
static void sweep_settle(struct sweep *s)
{
	int ret;

	if (!s->nr_acks)
		return;
	ret = mqbus_worker_settle(s->d->worker, s->acks, s->nr_acks);
	if (ret < 0 && !s->acks[0].error)
		sweep_end(s, ret);
	sweep_check_acks(s, ret);
}

static enum dlq_verdict sweep_one(struct sweep *s, const struct mqbus_leased *lease)
{
	const struct mqbus_record *r = mqbus_worker_record(s->d->worker, lease);
	enum dlq_verdict verdict;
	struct dlq *d = s->d;
	struct dlq_letter l;

	if (!r) {
		d->status = error_report(&d->subject, -errno);
		return DLQ_STOP;
	}
	d->seen++;
	dlq_letter_read(&l, r, lease);
	if (!dlq_letter_matches(&l, d->match, d->nr_match))
		return DLQ_KEEP;
	d->matched++;
	verdict = d->take(d, &l);
	if (verdict == DLQ_ACK)
		s->acks[s->nr_acks++] = (struct mqbus_settle){
			.lease = lease->lease,
			.what = MQBUS_ACK,
		};
	d->settled += verdict == DLQ_SETTLED;
	return --d->left ? verdict : DLQ_STOP;
}

/* Returns whether to go on. */
static bool sweep_batch(struct sweep *s, int n)
{
	bool known = false;
	int i;

	for (i = 0; i < n; i++) {
		const struct mqbus_leased *lease = &s->leases[i];

		if (lease->offset >= s->ends[lease->partition])
			continue;
		known = true;
		if (cmd_signal()) {
			s->d->status = STATUS_SIGNAL + cmd_signal();
			return false;
		}
		if (sweep_one(s, lease) == DLQ_STOP)
			return false;
	}
	s->strangers = known ? 0 : s->strangers + 1;
	return s->strangers <= s->nr;
}

static void sweep_run(struct sweep *s)
{
	bool more = true;
	int n, error;

	while (more) {
		/* A lease that expires meanwhile would count as a failure */
		n = mqbus_worker_turn(s->d->worker, 0, s->acks, s->nr_acks, s->leases, BATCH,
				      MQBUS_DELAY_MAX, 0, &error);
		sweep_check_acks(s, n);
		if (n <= 0) {
			sweep_end(s, error);
			return;
		}
		more = sweep_batch(s, n);
	}
	sweep_settle(s);
}

/* If the group does not let us hold that many, later letters were not examined. */
static void sweep_tell_limit(const struct dlq *d)
{
	struct mqbus_admin_group *groups;
	__u64 held = d->seen - d->settled;
	__u32 limit;
	size_t n;

	if (mqbus_admin_group_list(d->subject.topic, d->subject.group, &groups, &n))
		return;
	if (n) {
		limit = groups->queue.max_inflight;
		if (groups->queue.credit && groups->queue.credit < limit)
			limit = groups->queue.credit;
		if (held >= limit)
			error_say(&d->subject,
				  "only %llu letters were examined, as the group lets %u be held (group set --max-inflight, --credit; --match)",
				  d->seen, limit);
	}
	free(groups);
}

int dlq_sweep(struct dlq *d)
{
	struct sweep *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		abort();
	s->d = d;
	ret = sweep_join(s);
	if (!ret)
		ret = sweep_bound(s);
	d->began = !ret;
	if (!ret && d->left)
		sweep_run(s);
	if (!ret && !d->status)
		sweep_tell_limit(d);
	/* Releases the held letters */
	mqbus_worker_close(s->d->worker);
	free(d->groups);
	d->groups = NULL;
	free(s->ends);
	free(s);
	return ret ? ret : d->status;
}
