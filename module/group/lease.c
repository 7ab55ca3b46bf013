// SPDX-License-Identifier: GPL-2.0
/*
 * What members of queue groups do: lease records and settle them.
 */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "base/elements.h"
#include "base/sleep.h"
#include "group/group.h"
#include "group/lease.h"
#include "group/member.h"
#include "group/queue.h"
#include "group/trace.h"
#include "log/topic.h"

/* Leases or settlements that are dealt with under one hold of the lock */
#define LEASE_CHUNK	16

static struct mqbus_group_queue *member_queue(struct mqbus_member *member)
{
	return member->group->queue;
}

static bool lease_ready(void *arg)
{
	struct mqbus_member *member = arg;

	return mqbus_member_dead(member) ||
	       mqbus_queue_ready(member_queue(member), &member->holder);
}

/* Whether a member has all it may have. */
static bool lease_full(struct mqbus_member *member)
{
	struct mqbus_group *group = member->group;
	bool full;

	spin_lock(&group->lock);
	full = member->holder.nr >= member_queue(member)->inflight.conf.credit;
	spin_unlock(&group->lock);
	return full;
}

static bool lease_ready_or_full(void *arg)
{
	return lease_ready(arg) || lease_full(arg);
}

/*
 * Sleep until there may be something. At its credit limit a member must not wait exclusively:
 * it would swallow others' wake-ups. If another thread brings it there meanwhile it returns,
 * to wait the other way.
 */
static int lease_wait(struct mqbus_member *member, ktime_t deadline)
{
	struct mqbus_group_queue *q = member_queue(member);
	DEFINE_WAIT(wait);

	if (lease_full(member))
		return mqbus_sleep(&q->waiters, &wait, lease_ready, member, deadline);
	wait.flags = WQ_FLAG_EXCLUSIVE;
	return mqbus_sleep(&q->waiters, &wait, lease_ready_or_full, member, deadline);
}

static void lease_trace(struct mqbus_member *member, const struct mqbus_leased *leases, u32 n)
{
	for (; n; n--, leases++)
		trace_deliver(member->group, pid_nr(member->pid), leases->partition,
			      leases->offset, 1, leases->attempt);
}

static u32 lease_take(struct mqbus_member *member, struct mqbus_leased *out, u32 max,
		      u64 time, u32 *left)
{
	struct mqbus_group_queue *q = member_queue(member);
	u64 real = ktime_get_real_ns();
	u64 end = 0;
	u32 n = 0;

	spin_lock(&q->group->lock);
	time = time ?: q->inflight.conf.lease;
	if (time)
		end = ktime_get_ns() + time;
	if (member->group->dead)
		*left = 0;
	else
		n = mqbus_inflight_take(&q->inflight, &member->holder, out, max, end, real, left);
	if (trace_deliver_enabled())
		lease_trace(member, out, n);
	mqbus_queue_proceed(q);
	return n;
}

/* The user was not told of these. */
static void lease_untake(struct mqbus_member *member, const struct mqbus_leased *leases, u32 n)
{
	struct mqbus_group_queue *q = member_queue(member);

	spin_lock(&q->group->lock);
	while (n)
		mqbus_inflight_untake(&q->inflight, &member->holder, leases[--n].lease);
	mqbus_queue_proceed(q);
}

/*
 * As many as there are, at least one. Return: how many, or why none.
 *
 * Of those that wait one is woken, and wakes the next one as it lets go of the lock after it
 * has taken. Who is woken and does not come to take, for whatever reason, hands that on.
 */
static int lease_take_or_wait(struct mqbus_member *member, struct mqbus_leased *out, u32 max,
			      u64 time, ktime_t deadline)
{
	u32 left = U32_MAX, n;
	int err;

	for (;;) {
		if (mqbus_member_dead(member))
			return -EIDRM;
		n = lease_take(member, out, max, time, &left);
		if (n)
			return n;
		/* Many partitions are empty, or records held back for their key: look on */
		err = left ? 0 : lease_wait(member, deadline);
		left = left ?: U32_MAX;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err) {
			mqbus_queue_wake(member_queue(member));
			return err;
		}
		cond_resched();
	}
}

/* Hand out what there is. Return: how many, or why none. */
static int lease_some(struct mqbus_member *member, const struct mqbus_lease *args,
		      u32 max, ktime_t deadline)
{
	struct mqbus_leased leases[LEASE_CHUNK];
	u32 total = 0, want;
	int n;

	do {
		want = min_t(u32, max - total, LEASE_CHUNK);
		n = lease_take_or_wait(member, leases, want, args->time, total ? 0 : deadline);
		if (n < 0)
			return total ?: n;
		if (mqbus_elements_write(args->leases + (u64)total * args->lease_size,
					 args->lease_size, leases, sizeof(leases[0]), n)) {
			lease_untake(member, leases, n);
			return total ?: -EFAULT;
		}
		total += n;
	} while (n == want && total < max);
	return total;
}

/* Settle elements that were copied in. Return: how many of them could be. */
static u32 settle_chunk(struct mqbus_member *member, struct mqbus_settle *settles, u32 n,
			int *first)
{
	struct mqbus_group_queue *q = member_queue(member);
	struct mqbus_inflight *f = &q->inflight;
	struct mqbus_now now;
	u64 begin;
	u32 i, done = 0;
	int err;

	mqbus_queue_now(q, &now);
	spin_lock(&q->group->lock);
	begin = f->copied;
	for (i = 0; i < n; i++) {
		if (f->copied - begin >= MQBUS_INFLIGHT_HOLD) {
			mqbus_queue_proceed(q);
			cond_resched();
			spin_lock(&q->group->lock);
			begin = f->copied;
		}
		err = member->group->dead ? -EIDRM :
		      mqbus_inflight_settle(f, &member->holder, &settles[i], &now);
		settles[i].error = -err;
		*first = *first ?: err;
		done += !err;
	}
	mqbus_queue_proceed(q);
	return done;
}

static int settle_results(const struct mqbus_lease *args, u32 at,
			  const struct mqbus_settle *settles, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		struct mqbus_settle __user *user =
			u64_to_user_ptr(args->settles + (u64)(at + i) * args->settle_size);

		if (settles[i].error && put_user(settles[i].error, &user->error))
			return -EFAULT;
	}
	return 0;
}

/*
 * Settle what the user lists. Return: 0, or -EFAULT, -E2BIG, -EINTR if it was not read to
 * its end; *@first is why the first one failed that did.
 */
static int settle_listed(struct mqbus_member *member, struct mqbus_lease *args, int *first)
{
	struct mqbus_settle settles[LEASE_CHUNK];
	u32 at, n;
	int bad = 0, err;

	for (at = 0; at < args->nr_settles && !bad; at += n) {
		n = min_t(u32, args->nr_settles - at, LEASE_CHUNK);
		bad = mqbus_elements_read(settles, sizeof(settles[0]),
					  args->settles + (u64)at * args->settle_size,
					  args->settle_size, &n);
		if (n) {
			args->settled += settle_chunk(member, settles, n, first);
			err = settle_results(args, at, settles, n);
			bad = bad ?: err;
		}
		cond_resched();
		if (fatal_signal_pending(current))
			bad = bad ?: -EINTR;
	}
	return bad;
}

static void settle_held(struct mqbus_member *member, struct mqbus_lease *args)
{
	enum mqbus_settlement what = args->flags & MQBUS_LEASE_F_ACK ? MQBUS_ACK :
								       MQBUS_RELEASE;
	struct mqbus_group_queue *q = member_queue(member);
	struct mqbus_now now;
	u32 n;

	mqbus_queue_now(q, &now);
	do {
		n = 0;
		spin_lock(&q->group->lock);
		if (!member->group->dead)
			n = mqbus_inflight_settle_held(&q->inflight, &member->holder, what,
						       MQBUS_INFLIGHT_STEP, &now);
		mqbus_queue_proceed(q);
		args->settled += n;
		cond_resched();
	} while (n == MQBUS_INFLIGHT_STEP && !fatal_signal_pending(current));
}

static int lease_check(const struct mqbus_lease *args)
{
	int err = 0;

	if (args->__reserved || args->flags == (MQBUS_LEASE_F_ACK | MQBUS_LEASE_F_RELEASE))
		return -EINVAL;
	if (args->nr_settles > MQBUS_LEASE_MAX || args->nr_leases > MQBUS_LEASE_MAX ||
	    (!args->nr_settles && !args->flags && !args->nr_leases) ||
	    args->time > MQBUS_DELAY_MAX)
		return -ERANGE;
	if (args->nr_settles)
		err = mqbus_elements_check(args->settle_size, sizeof(struct mqbus_settle));
	if (!err && args->nr_leases)
		err = mqbus_elements_check(args->lease_size, sizeof(struct mqbus_leased));
	return err;
}

/**
 * mqbus_lease() - settle what is done, lease what comes next
 * @member: a member of a queue group
 * @args: what the user asks for; what was done is written back
 * @nonblock: do not wait
 *
 * No lock is held while waiting, nor while the user's memory is touched.
 *
 * Return: 0 or a negative errno as of &struct mqbus_lease.
 */
int mqbus_lease(struct mqbus_member *member, struct mqbus_lease *args, bool nonblock)
{
	bool settles = args->nr_settles || args->flags;
	u32 room = args->nr_leases;
	int err, first = 0, ret = 0;

	err = lease_check(args);
	if (err)
		return err;
	if (mqbus_member_dead(member))
		return -EIDRM;
	args->settled = 0;
	args->error = 0;
	args->nr_leases = 0;

	err = settle_listed(member, args, &first);
	if (err && !args->settled)
		return err;
	if (!err && args->flags)
		settle_held(member, args);
	if (!err && !room && !args->settled)
		return first;
	if (!err && room) {
		ret = lease_some(member, args, room, mqbus_deadline(args->timeout, nonblock));
		if (ret < 0 && !settles)
			return ret;
		args->nr_leases = max(ret, 0);
		err = min(ret, 0);
	}
	/* What was settled must not be settled again, so the call is not begun again */
	args->error = err == -ERESTARTSYS ? EINTR : -err;
	return 0;
}

/* Where a leased record is. Return: whether the lease is still ours. */
static bool lease_record(struct mqbus_member *member, u64 lease,
			 const struct mqbus_record **rec, u32 *len)
{
	const struct mqbus_inflight *f = &member_queue(member)->inflight;
	bool ours;
	u32 i;

	spin_lock(&member->group->lock);
	/* Of a deleted group nothing holds the records where they were */
	ours = !member->group->dead && !mqbus_inflight_find(f, &member->holder, lease, &i);
	if (ours) {
		*rec = mqbus_inflight_record(f, i);
		*len = (*rec)->value_len;
	}
	spin_unlock(&member->group->lock);
	return ours;
}

/*
 * Copy a leased record's value. It stays where it is as long as the lease lasts, but
 * that may run out while the user's memory does not come. Return: bytes, -EMSGSIZE,
 * -EFAULT, -ESTALE.
 */
static ssize_t lease_copy(struct mqbus_member *member, u64 lease, struct iov_iter *to)
{
	const struct mqbus_record *rec;
	struct iov_iter start = *to;
	u32 len;

	if (!lease_record(member, lease, &rec, &len))
		return -ESTALE;
	if (len > iov_iter_count(to))
		return -EMSGSIZE;
	if (_copy_to_iter(rec + 1, len, to) != len)
		return -EFAULT;
	if (lease_record(member, lease, &rec, &len))
		return len;
	*to = start;
	return -ESTALE;
}

/**
 * mqbus_lease_read() - take one record's value and ack the previous one
 * @member: a member of a queue group; its read_lock is held
 * @to: where to
 * @deadline: how long to wait
 *
 * Return: bytes, or a negative errno as of mqbus_member_read().
 */
ssize_t mqbus_lease_read(struct mqbus_member *member, struct iov_iter *to, ktime_t deadline)
{
	struct mqbus_settle ack = { .lease = member->read_lease, .what = MQBUS_ACK };
	struct mqbus_leased leased;
	ssize_t ret;
	int err = 0;

	lockdep_assert_held(&member->read_lock);

	if (ack.lease)
		settle_chunk(member, &ack, 1, &err);
	member->read_lease = 0;
	/*
	 * If it was settled otherwise meanwhile, then that is what happened to it. But who took
	 * too long must hear that it comes again, unless it was over as it was handed out.
	 */
	if ((err == -ETIMEDOUT || err == -ESTALE) && !member_queue(member)->inflight.once)
		return err;
	do {
		ret = lease_take_or_wait(member, &leased, 1, 0, deadline);
		if (ret < 0)
			return ret;
		ret = lease_copy(member, leased.lease, to);
		if (ret >= 0)
			member->read_lease = leased.lease;
		else if (ret != -ESTALE)
			lease_untake(member, &leased, 1);
		else if (signal_pending(current))
			ret = -EINTR;
	} while (ret == -ESTALE);
	return ret;
}

/**
 * mqbus_lease_poll() - readiness
 * @member: a member of a queue group
 * @file: its file
 * @wait: poll table
 *
 * Return: as mqbus_member_poll().
 */
__poll_t mqbus_lease_poll(struct mqbus_member *member, struct file *file,
			  struct poll_table_struct *wait)
{
	poll_wait(file, &member_queue(member)->waiters, wait);
	if (mqbus_member_dead(member))
		return EPOLLHUP | EPOLLIN | EPOLLRDNORM;
	return lease_ready(member) ? EPOLLIN | EPOLLRDNORM : 0;
}
