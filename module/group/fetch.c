// SPDX-License-Identifier: GPL-2.0
/*
 * Members of stream groups: fetch, read and poll.
 */
#include <linux/pid.h>
#include <linux/uaccess.h>

#include "base/elements.h"
#include "base/sleep.h"
#include "group/fetch.h"
#include "group/group.h"
#include "group/member.h"
#include "group/stream.h"
#include "group/trace.h"
#include "log/topic.h"

static struct mqbus_ring *member_ring(struct mqbus_member *member, u32 partition)
{
	return &member->topic->parts[partition]->ring;
}

static u32 slot_partition(const struct mqbus_member *member, const struct mqbus_slot *slot)
{
	return slot - member->group->slots;
}

/* Under the group's lock; otherwise as member_ready(). */
static bool member_ready_locked(struct mqbus_member *member, bool tell)
{
	struct mqbus_group *group = member->group;
	struct mqbus_slot *slot;
	bool holds;

	lockdep_assert_held(&group->lock);

	holds = mqbus_group_holds(group);
	if (mqbus_member_dead(member) || !member->seat ||
	    (member->seat->state == MQBUS_SEAT_FENCED && !group->shut))
		return true;
	list_for_each_entry(slot, &member->seat->owned, node)
		if ((tell || !mqbus_slot_revoked(slot)) &&
		    mqbus_slot_ready(slot, member_ring(member, slot_partition(member, slot)),
				     holds))
			return true;
	return false;
}

/* A waiting member, and whether a revoked partition wakes it too */
struct member_wait {
	struct mqbus_member *member;
	bool tell;
};

/* Whether there is something to fetch or an end to report */
static bool member_ready(void *arg)
{
	const struct member_wait *w = arg;
	bool ready;

	spin_lock(&w->member->group->lock);
	ready = member_ready_locked(w->member, w->tell);
	spin_unlock(&w->member->group->lock);
	return ready;
}

static int member_wait(struct mqbus_member *member, bool tell, ktime_t deadline)
{
	struct member_wait w = { .member = member, .tell = tell };
	DEFINE_WAIT(wait);

	return mqbus_sleep(&member->wait, &wait, member_ready, &w, deadline);
}

/* Start the next search behind this partition, so that none starves */
static void member_turn(struct mqbus_member *member, struct mqbus_slot *slot)
{
	list_move(&member->seat->owned, &slot->node);
}

/* Report records that were handed out, and lost ones before them */
static void member_report_lost(struct mqbus_member *member, u32 partition, u64 offset, u64 count,
			       u64 lost)
{
	if (count)
		trace_deliver(member->group, pid_nr(member->pid), partition, offset, count, 0);
	if (lost)
		mqbus_group_report(member->group, &(struct mqbus_event) {
			.kind = MQBUS_EVENT_KIND_LOST, .partition = partition, .count = lost,
		});
}

/* Fetch from up to @max partitions. Return: number of ranges */
static u32 member_take(struct mqbus_member *member, struct mqbus_range *ranges, u32 max)
{
	struct mqbus_group *group = member->group;
	bool holds = mqbus_group_holds(group);
	struct mqbus_slot *slot;
	u32 n = 0;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(slot, &member->seat->owned, node) {
		u32 p = slot_partition(member, slot);
		struct mqbus_range *r = &ranges[n];
		u64 lost = slot->cursor.lost;

		if (!mqbus_slot_take(slot, member_ring(member, p), holds, r))
			continue;
		r->partition = p;
		member_report_lost(member, p, r->begin_offset, r->end_offset - r->begin_offset,
				   slot->cursor.lost - lost);
		if (++n == max) {
			member_turn(member, slot);
			break;
		}
	}
	return n;
}

/* Take back ranges that the user never saw, and those another thread fetched behind them */
static void member_untake(struct mqbus_member *member,
			  const struct mqbus_range *ranges, u32 n)
{
	struct mqbus_group *group = member->group;
	u32 i;

	spin_lock(&group->lock);
	for (i = 0; member->seat && i < n; i++)
		mqbus_slot_untake(&group->assign, &group->slots[ranges[i].partition],
				  member->seat, &ranges[i]);
	/* Another thread of this member may have gone to sleep meanwhile */
	if (member->seat)
		mqbus_seat_wake(&group->assign, member->seat);
	mqbus_stream_unlock(group);
}

/*
 * Commit everything fetched if *@commit, then fetch. Return: number of ranges, or -ENOLINK.
 * *@commit is cleared once the commit is done.
 */
static int member_commit_and_take(struct mqbus_member *member, bool *commit,
				  struct mqbus_range *ranges, u32 max)
{
	struct mqbus_group *group = member->group;
	bool moved = false;
	u32 partition;
	int n;

	spin_lock(&group->lock);
	n = mqbus_stream_admit(group, member);
	/* The member was fenced and is readmitted: it lost what it was to commit */
	if (n > 0)
		n = *commit ? -ENOLINK : 0;
	if (!n && member->seat->state != MQBUS_SEAT_FENCED) {
		if (*commit)
			moved = mqbus_member_commit_given(member, &partition);
		*commit = false;
		n = member_take(member, ranges, max);
	}
	mqbus_stream_unlock(group);
	if (moved)
		mqbus_topic_wake_writers_in(member->topic, partition);
	return n;
}

/*
 * Hand out published records as @args says, and set @args->nr_ranges. No lock is held while waiting
 * or writing to the user, so other threads may commit on the same endpoint. Return: 0 or a negative
 * errno as of &struct mqbus_fetch.
 */
int mqbus_fetch(struct mqbus_member *member, struct mqbus_fetch *args, bool nonblock)
{
	struct mqbus_range ranges[MQBUS_FETCH_MAX];
	bool commit = args->flags & MQBUS_FETCH_F_COMMIT;
	ktime_t deadline;
	int err, n;

	if (args->__reserved)
		return -EINVAL;
	err = mqbus_elements_check(args->range_size,
				   offsetof(struct mqbus_range, generation));
	if (err)
		return err;
	if (!args->nr_ranges)
		return -ERANGE;
	deadline = mqbus_deadline(args->timeout, nonblock);

	for (;;) {
		if (mqbus_member_dead(member))
			return -EIDRM;
		n = member_commit_and_take(member, &commit, ranges,
					   min_t(u32, args->nr_ranges, MQBUS_FETCH_MAX));
		if (n < 0)
			return n;
		if (n)
			break;
		err = member_wait(member, true, deadline);
		if (err)
			return err;
	}

	if (mqbus_elements_write(args->ranges, args->range_size, ranges, sizeof(ranges[0]), n)) {
		member_untake(member, ranges, n);
		return -EFAULT;
	}
	args->nr_ranges = n;
	return 0;
}

/* The record that a read() takes, from @at to @end; its value has @len bytes */
struct taken {
	u32 partition;
	u32 generation;
	struct mqbus_mark at;
	struct mqbus_mark end;
	u32 len;
};

/* Take the next record of any partition. Return: 1, 0 if there is none, -ENOLINK */
static int member_take_one(struct mqbus_member *member, struct taken *t)
{
	struct mqbus_group *group = member->group;
	struct mqbus_slot *slot;
	int ret;

	spin_lock(&group->lock);
	ret = min(mqbus_stream_admit(group, member), 0);
	if (ret || mqbus_group_holds(group))
		goto unlock;
	list_for_each_entry(slot, &member->seat->owned, node) {
		u32 p = slot_partition(member, slot);
		u64 lost = slot->cursor.lost;

		if (mqbus_slot_revoked(slot) ||
		    !mqbus_cursor_step(&slot->cursor, member_ring(member, p), &t->at, &t->len))
			continue;
		t->partition = p;
		t->generation = slot->generation;
		t->end = slot->cursor.given;
		member_report_lost(member, p, t->at.offset, 1, slot->cursor.lost - lost);
		member_turn(member, slot);
		ret = 1;
		break;
	}
unlock:
	mqbus_stream_unlock(group);
	return ret;
}

static struct mqbus_range taken_range(const struct taken *t)
{
	return (struct mqbus_range) {
		.partition = t->partition,
		.generation = t->generation,
		.begin = t->at.pos,
		.begin_offset = t->at.offset,
		.end = t->end.pos,
		.end_offset = t->end.offset,
	};
}

static void member_untake_one(struct mqbus_member *member, const struct taken *t)
{
	struct mqbus_range range = taken_range(t);

	member_untake(member, &range, 1);
}

/* The record was evicted while it was copied */
static void member_lose_one(struct mqbus_member *member, const struct taken *t)
{
	struct mqbus_group *group = member->group;
	struct mqbus_range range = taken_range(t);

	spin_lock(&group->lock);
	if (member->seat)
		mqbus_slot_lose(&group->slots[t->partition], member->seat, &range);
	mqbus_stream_unlock(group);
}

/* read() of a stream group's member, whose read_lock is held. Return: as mqbus_member_read() */
ssize_t mqbus_fetch_read(struct mqbus_member *member, struct iov_iter *to, ktime_t deadline)
{
	struct iov_iter start = *to;
	struct mqbus_ring *ring;
	struct taken t;
	int err;

	lockdep_assert_held(&member->read_lock);

	if (member->read_offset) {
		err = mqbus_member_commit_to(member, member->read_part, member->read_offset,
					     member->read_generation);
		member->read_offset = 0;
		mqbus_member_committed_in(member, member->read_part);
		/* Report a partition taken by force; other errors are the member's own doing */
		if (err == -ENOLINK)
			return err;
	}
	for (;;) {
		if (mqbus_member_dead(member))
			return -EIDRM;
		err = member_take_one(member, &t);
		if (err < 0)
			return err;
		if (!err) {
			err = member_wait(member, false, deadline);
			if (err)
				return err;
			continue;
		}
		if (t.len > iov_iter_count(to)) {
			member_untake_one(member, &t);
			return -EMSGSIZE;
		}
		ring = member_ring(member, t.partition);
		/*
		 * Not copy_to_iter(): see mqbus_msg_copy_part() for its cost. An evicting producer
		 * may overwrite the record meanwhile; the check below detects that and drops the
		 * copy.
		 */
		if (data_race(_copy_to_iter(mqbus_ring_record(ring, t.at.pos) + 1, t.len,
					    to)) != t.len) {
			member_untake_one(member, &t);
			return -EFAULT;
		}
		if (likely(!mqbus_ring_passed(ring, t.at.pos)))
			break;
		/* The user's buffer does not hold a record */
		member_lose_one(member, &t);
		*to = start;
		if (signal_pending(current))
			return -EINTR;
	}
	member->read_part = t.partition;
	member->read_generation = t.generation;
	member->read_offset = t.end.offset;
	return t.len;
}

/* Events of poll() besides EPOLLIN; the group's lock is held */
static __poll_t member_events(struct mqbus_member *member)
{
	struct mqbus_slot *slot;

	if (!member->seat)
		return EPOLLHUP | EPOLLPRI;
	if (member->seat->state == MQBUS_SEAT_FENCED)
		return EPOLLPRI;
	list_for_each_entry(slot, &member->seat->owned, node)
		if (mqbus_slot_revoked(slot) && !slot->told)
			return EPOLLPRI;
	return 0;
}

/* poll() of a stream group's member. Return: as mqbus_member_poll() */
__poll_t mqbus_fetch_poll(struct mqbus_member *member, struct file *file,
			  struct poll_table_struct *wait)
{
	__poll_t events;

	mqbus_crowd_poll(&member->crowd, file, wait);
	if (mqbus_member_dead(member))
		return EPOLLHUP | EPOLLIN | EPOLLRDNORM;
	spin_lock(&member->group->lock);
	events = member_events(member);
	if (member_ready_locked(member, true))
		events |= EPOLLIN | EPOLLRDNORM;
	spin_unlock(&member->group->lock);
	return events;
}
