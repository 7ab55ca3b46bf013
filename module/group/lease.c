// SPDX-License-Identifier: GPL-2.0
/*
 * Members of queue groups: lease and settle records. Leases expire in core/settle.c.
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

/* Leases or settlements per hold of the lock */
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

/* Whether a member is at its credit limit */
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
 * Sleep until there may be a record. At its credit limit a member must not wait exclusively: it
 * would swallow others' wake-ups. If another thread reaches the limit meanwhile, return to wait
 * non-exclusively.
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

/* Take back leases that the user never saw */
static void lease_untake(struct mqbus_member *member, const struct mqbus_leased *leases, u32 n)
{
	struct mqbus_group_queue *q = member_queue(member);

	spin_lock(&q->group->lock);
	while (n)
		mqbus_inflight_untake(&q->inflight, &member->holder, leases[--n].lease);
	mqbus_queue_proceed(q);
}

/*
 * Lease up to @max records, at least one. Return: number of leases, or an error.
 *
 * One waiter is woken; it takes records and wakes the next one as it drops the lock. A woken member
 * that takes nothing, for whatever reason, passes the wake-up on.
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
		/* Many partitions are empty, or many records held back for their key: search on */
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

/* Lease up to @max records. Return: number of leases, or an error if there is none */
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

/* Settle elements copied in. Return: number settled; *@first is set to the first error */
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
 * Settle the user's list. Return: 0, or -EFAULT, -E2BIG, -EINTR if it was not read to its end;
 * *@first is the error of the first settlement that failed.
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

/*
 * Settle and lease records as @args says, and write the results to it. No lock is held while
 * waiting or accessing user memory. Return: 0 or a negative errno as of &struct mqbus_lease.
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
	/* Do not restart the call: it would settle records again */
	args->error = err == -ERESTARTSYS ? EINTR : -err;
	return 0;
}

/* Find a leased record. Return: whether the member still has the lease */
static bool lease_record(struct mqbus_member *member, u64 lease,
			 const struct mqbus_record **rec, u32 *len)
{
	const struct mqbus_inflight *f = &member_queue(member)->inflight;
	bool ours;
	u32 i;

	spin_lock(&member->group->lock);
	/* A deleted group no longer holds its records in place */
	ours = !member->group->dead && !mqbus_inflight_find(f, &member->holder, lease, &i);
	if (ours) {
		*rec = mqbus_inflight_record(f, i);
		*len = (*rec)->value_len;
	}
	spin_unlock(&member->group->lock);
	return ours;
}

/*
 * Copy a leased record's value. The lease keeps the record in place, but may expire during a fault
 * on user memory. Return: bytes, -EMSGSIZE, -EFAULT, -ESTALE.
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

/*
 * Ack the previous record and read the next one's value; the member's read_lock is held. Return:
 * bytes, or a negative errno as of mqbus_member_read().
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
	 * A record settled otherwise meanwhile is no error. But a reader that took too long must
	 * learn that the record comes again, unless the group is at-most-once.
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

/* poll() of a queue group's member. Return: as mqbus_member_poll() */
__poll_t mqbus_lease_poll(struct mqbus_member *member, struct file *file,
			  struct poll_table_struct *wait)
{
	mqbus_crowd_poll(&member_queue(member)->crowd, file, wait);
	if (mqbus_member_dead(member))
		return EPOLLHUP | EPOLLIN | EPOLLRDNORM;
	return lease_ready(member) ? EPOLLIN | EPOLLRDNORM : 0;
}
