// SPDX-License-Identifier: GPL-2.0
/*
 * Members: fetching, committing, reading, and what is left when they go.
 */
#include <linux/pid.h>
#include <linux/uaccess.h>

#include "elements.h"
#include "group.h"
#include "lease.h"
#include "member.h"
#include "ns.h"
#include "topic.h"
#include "wait.h"
#include "who.h"

/**
 * mqbus_member_join() - become a member
 * @member: to fill; zeroed
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: which group
 *
 * Return: 0 or a negative errno as of &struct mqbus_join.
 */
int mqbus_member_join(struct mqbus_member *member, struct mqbus_ns *ns,
		      const struct mqbus_who *who, const struct mqbus_join *args)
{
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	if (args->__reserved)
		return -EINVAL;
	err = mqbus_name_check(args->group) ?:
	      mqbus_topic_open(ns, who, args->topic, MQBUS_MAY_READ, &topic);
	if (err)
		return err;
	err = -ENOENT;
	group = mqbus_group_find(topic, args->group);
	if (!group)
		goto put_topic;
	err = -EACCES;
	if (!mqbus_who_may(who, group->uid, group->gid, group->mode, MQBUS_MAY_WRITE))
		goto put_group;

	mutex_init(&member->read_lock);
	member->topic = topic;
	member->group = group;
	member->pid = get_pid(task_tgid(current));
	get_task_comm(member->comm, current);
	member->holder.pid = task_tgid_vnr(current);
	member->holder.uid = from_kuid_munged(ns->net->user_ns, who->cred->fsuid);
	err = mqbus_group_enter(group, member);
	if (!err)
		return 0;

	put_pid(member->pid);
put_group:
	mqbus_group_put(group);
put_topic:
	mqbus_topic_put(topic);
	return err;
}

/**
 * mqbus_member_close() - leave
 * @member: what mqbus_member_join() filled; nobody else uses it any more
 */
void mqbus_member_close(struct mqbus_member *member)
{
	mqbus_group_leave(member->group, member);
	mqbus_group_put(member->group);
	mqbus_topic_put(member->topic);
	put_pid(member->pid);
}

/**
 * mqbus_member_dead() - whether a member's group or topic was deleted
 * @member: the member
 *
 * Return: true from then on.
 */
bool mqbus_member_dead(const struct mqbus_member *member)
{
	return READ_ONCE(member->group->dead) || mqbus_topic_dead(member->topic);
}

static struct mqbus_ring *member_ring(struct mqbus_member *member, u32 partition)
{
	return &member->topic->parts[partition]->ring;
}

/* Whether there is something to fetch, or an end to be told of. */
static bool member_ready(struct mqbus_member *member)
{
	struct mqbus_group *group = member->group;
	bool ready = mqbus_member_dead(member);
	u32 i;

	spin_lock(&group->lock);
	for (i = 0; !ready && i < member->topic->nr_parts; i++) {
		struct mqbus_slot *slot = &group->slots[i];

		ready = slot->owner == member &&
			READ_ONCE(member_ring(member, i)->page->tail) !=
			slot->cursor.given.pos;
	}
	spin_unlock(&group->lock);
	return ready;
}

static int member_wait(struct mqbus_member *member, ktime_t deadline)
{
	return mqbus_wait(member->topic->readers, member_ready(member), deadline);
}

/* Commit what was handed out. Return: whether that made any room. */
static bool member_commit_given(struct mqbus_member *member)
{
	struct mqbus_group *group = member->group;
	bool moved = false;
	u32 i;

	lockdep_assert_held(&group->lock);

	for (i = 0; i < member->topic->nr_parts; i++) {
		struct mqbus_slot *slot = &group->slots[i];

		if (slot->owner != member ||
		    slot->cursor.done.pos == slot->cursor.given.pos)
			continue;
		mqbus_cursor_commit(&slot->cursor, &slot->cursor.given);
		moved = true;
	}
	return moved;
}

/* Take what there is, of up to @max partitions. Return: how many ranges. */
static u32 member_take(struct mqbus_member *member, struct mqbus_range *ranges, u32 max)
{
	struct mqbus_group *group = member->group;
	u32 parts = member->topic->nr_parts;
	u32 n = 0, i, p = member->next;

	lockdep_assert_held(&group->lock);

	for (i = 0; n < max && i < parts; i++) {
		struct mqbus_slot *slot = &group->slots[p];

		if (slot->owner == member &&
		    mqbus_cursor_take(&slot->cursor, member_ring(member, p), &ranges[n])) {
			ranges[n].partition = p;
			ranges[n].flags = 0;
			ranges[n].generation = group->generation;
			ranges[n].__reserved = 0;
			n++;
		}
		if (++p == parts)
			p = 0;
	}
	member->next = p;
	return n;
}

/* The user never saw these ranges: take them back, if they are still the last. */
static void member_untake(struct mqbus_member *member,
			  const struct mqbus_range *ranges, u32 n)
{
	struct mqbus_group *group = member->group;
	u32 i;

	spin_lock(&group->lock);
	for (i = 0; i < n; i++) {
		struct mqbus_slot *slot = &group->slots[ranges[i].partition];

		if (slot->owner == member)
			mqbus_cursor_untake(&slot->cursor, &ranges[i]);
	}
	spin_unlock(&group->lock);
	/* Another thread of this member may have gone to sleep meanwhile */
	mqbus_topic_wake_readers(member->topic);
}

/**
 * mqbus_member_fetch() - hand out what was published
 * @member: the member
 * @args: what the user asks for; the number of ranges is written back
 * @nonblock: do not wait
 *
 * No lock is held while waiting or while writing to the user, so other threads
 * may commit on the same endpoint.
 *
 * Return: 0 or a negative errno as of &struct mqbus_fetch.
 */
int mqbus_member_fetch(struct mqbus_member *member, struct mqbus_fetch *args,
		       bool nonblock)
{
	struct mqbus_range ranges[MQBUS_FETCH_MAX];
	struct mqbus_group *group = member->group;
	bool commit = args->flags & MQBUS_FETCH_F_COMMIT;
	ktime_t deadline;
	u32 n;
	int err;

	if (args->flags & ~__MQBUS_FETCH_F_ALL)
		return -EOPNOTSUPP;
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
		bool moved = false;

		if (mqbus_member_dead(member))
			return -EIDRM;
		spin_lock(&group->lock);
		if (commit)
			moved = member_commit_given(member);
		n = member_take(member, ranges, min_t(u32, args->nr_ranges, MQBUS_FETCH_MAX));
		spin_unlock(&group->lock);
		if (moved)
			mqbus_topic_wake_writers(member->topic);
		if (n)
			break;
		commit = false;
		err = member_wait(member, deadline);
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

/* Settle a partition up to an offset. Return: 0, -ECHRNG, -ESTALE, -ERANGE, -EINTR. */
static int member_commit_to(struct mqbus_member *member, u32 partition, u64 offset)
{
	struct mqbus_group *group = member->group;
	struct mqbus_seek seek = { .whence = MQBUS_WHENCE_OFFSET, .value = offset };
	struct mqbus_cursor *cursor;
	struct mqbus_slot *slot;
	struct mqbus_ring *ring;
	bool found = false;
	int err = 0;

	if (partition >= member->topic->nr_parts)
		return -ECHRNG;
	slot = &group->slots[partition];
	cursor = &slot->cursor;
	ring = member_ring(member, partition);

	/* A position is looked up here, never taken from the user */
	while (!found && !err) {
		spin_lock(&group->lock);
		if (slot->owner != member) {
			err = -ESTALE;
		} else if (offset < cursor->done.offset || offset > cursor->given.offset) {
			err = -ERANGE;
		} else if (offset == cursor->given.offset) {
			seek.at = cursor->given;
			found = true;
		} else {
			/* Mostly it is not far from where the last commit was */
			if (!seek.from && offset - cursor->done.offset < MQBUS_RING_STEP) {
				seek.at = cursor->done;
				seek.from = true;
			}
			spin_lock(&ring->lock);
			found = mqbus_ring_seek_step(ring, &seek);
			spin_unlock(&ring->lock);
		}
		/*
		 * Evicted: the head is further on than what was settled, and
		 * perhaps than what was handed out. Any position below the head
		 * makes the next look count what was missed from the offset.
		 */
		if (found && seek.at.offset != offset) {
			seek.at.pos = cursor->done.pos;
			seek.at.offset = offset;
		}
		if (found)
			mqbus_cursor_commit(cursor, &seek.at);
		spin_unlock(&group->lock);
		cond_resched();
		if (fatal_signal_pending(current) && !found && !err)
			err = -EINTR;
	}
	return err;
}

static int member_commit_entries(struct mqbus_member *member, struct mqbus_commit *args)
{
	u32 i, done = 0;
	int first = 0;

	for (i = 0; i < args->nr_entries; i++) {
		struct mqbus_commit_entry __user *user =
			u64_to_user_ptr(args->entries + (u64)i * args->entry_size);
		struct mqbus_commit_entry entry;
		u32 one = 1;
		int err;

		err = mqbus_elements_read(&entry, sizeof(entry), (uintptr_t)user,
					  args->entry_size, &one);
		if (err == -EFAULT)
			return done ? 0 : -EFAULT;
		if (!err)
			err = member_commit_to(member, entry.partition, entry.offset);
		if (put_user((u32)-err, &user->error) && !err)
			err = -EFAULT;
		if (err == -EINTR)
			return done ? 0 : err;
		first = first ?: err;
		done += !err;
		args->committed = done;
	}
	return done ? 0 : first;
}

/**
 * mqbus_member_commit() - settle records
 * @member: the member
 * @args: what the user asks for; the number of entries done is written back
 *
 * Return: 0 or a negative errno as of &struct mqbus_commit.
 */
int mqbus_member_commit(struct mqbus_member *member, struct mqbus_commit *args)
{
	struct mqbus_group *group = member->group;
	int err = 0;

	if (args->flags & ~__MQBUS_COMMIT_F_ALL)
		return -EOPNOTSUPP;
	args->committed = 0;
	if (args->flags & MQBUS_COMMIT_F_FETCHED) {
		if (args->nr_entries)
			return -EINVAL;
		if (mqbus_member_dead(member))
			return -EIDRM;
		spin_lock(&group->lock);
		member_commit_given(member);
		spin_unlock(&group->lock);
	} else {
		err = mqbus_elements_check(args->entry_size,
					   offsetof(struct mqbus_commit_entry, generation));
		if (err)
			return err;
		if (!args->nr_entries || args->nr_entries > MQBUS_PARTITIONS_MAX)
			return -ERANGE;
		if (mqbus_member_dead(member))
			return -EIDRM;
		err = member_commit_entries(member, args);
	}
	mqbus_topic_wake_writers(member->topic);
	return err;
}

/**
 * struct taken - the record that a read() takes
 * @partition: where it is
 * @at: where it begins
 * @end: where it ends
 * @len: bytes of its value
 */
struct taken {
	u32 partition;
	struct mqbus_mark at;
	struct mqbus_mark end;
	u32 len;
};

/* The next record of any partition, handed out. Return: whether there is one. */
static bool member_take_one(struct mqbus_member *member, struct taken *t)
{
	struct mqbus_group *group = member->group;
	u32 parts = member->topic->nr_parts;
	bool got = false;
	u32 i;

	spin_lock(&group->lock);
	for (i = 0; i < parts; i++) {
		u32 p = (member->next + i) % parts;
		struct mqbus_slot *slot = &group->slots[p];

		if (slot->owner != member ||
		    !mqbus_cursor_step(&slot->cursor, member_ring(member, p), &t->at, &t->len))
			continue;
		t->partition = p;
		t->end = slot->cursor.given;
		member->next = (p + 1) % parts;
		got = true;
		break;
	}
	spin_unlock(&group->lock);
	return got;
}

static void member_untake_one(struct mqbus_member *member, const struct taken *t)
{
	struct mqbus_range range = {
		.partition = t->partition,
		.begin = t->at.pos,
		.begin_offset = t->at.offset,
		.end = t->end.pos,
	};

	member_untake(member, &range, 1);
}

static ssize_t member_read_locked(struct mqbus_member *member, struct iov_iter *to,
				  ktime_t deadline)
{
	struct iov_iter start = *to;
	struct mqbus_ring *ring;
	struct taken t;
	int err;

	lockdep_assert_held(&member->read_lock);

	if (member->read_offset) {
		/* It may have moved to another member meanwhile: then it is not ours */
		member_commit_to(member, member->read_part, member->read_offset);
		member->read_offset = 0;
		mqbus_topic_wake_writers(member->topic);
	}
	for (;;) {
		if (mqbus_member_dead(member))
			return -EIDRM;
		if (!member_take_one(member, &t)) {
			err = member_wait(member, deadline);
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
		 * Not copy_to_iter(): see copy_part() of producers for what that would
		 * cost. A producer that evicts may write there meanwhile: that is noticed
		 * below, and what was read then counts for nothing.
		 */
		if (data_race(_copy_to_iter(mqbus_ring_record(ring, t.at.pos) + 1, t.len,
					    to)) != t.len) {
			member_untake_one(member, &t);
			return -EFAULT;
		}
		if (likely(!mqbus_ring_passed(ring, t.at.pos)))
			break;
		/* Evicted while it was copied: what the user has is not a record */
		member_untake_one(member, &t);
		*to = start;
		if (signal_pending(current))
			return -EINTR;
	}
	member->read_part = t.partition;
	member->read_offset = t.end.offset;
	return t.len;
}

/**
 * mqbus_member_read() - take one record's value and settle the previous one
 * @member: the member
 * @to: where to
 * @nonblock: do not wait
 *
 * Return: bytes, or a negative errno: EMSGSIZE (the record stays), EFAULT (too),
 * EAGAIN, EIDRM, or of a signal.
 */
ssize_t mqbus_member_read(struct mqbus_member *member, struct iov_iter *to,
			  bool nonblock)
{
	ktime_t deadline = mqbus_deadline(MQBUS_WAIT_FOREVER, nonblock);
	ssize_t ret;

	if (mutex_lock_interruptible(&member->read_lock))
		return -ERESTARTSYS;
	ret = member->group->queue ? mqbus_lease_read(member, to, deadline) :
				     member_read_locked(member, to, deadline);
	mutex_unlock(&member->read_lock);
	return ret;
}

/**
 * mqbus_member_poll() - readiness
 * @member: the member
 * @file: its file
 * @wait: poll table
 *
 * Return: EPOLLIN when there is something to fetch, EPOLLHUP when the topic or
 * the group is gone.
 */
__poll_t mqbus_member_poll(struct mqbus_member *member, struct file *file,
			   struct poll_table_struct *wait)
{
	if (member->group->queue)
		return mqbus_lease_poll(member, file, wait);
	poll_wait(file, &member->topic->readers, wait);
	if (mqbus_member_dead(member))
		return EPOLLHUP | EPOLLIN | EPOLLRDNORM;
	return member_ready(member) ? EPOLLIN | EPOLLRDNORM : 0;
}
