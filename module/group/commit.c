// SPDX-License-Identifier: GPL-2.0
/*
 * Commits of stream group members.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "base/elements.h"
#include "group/group.h"
#include "group/member.h"
#include "group/stream.h"
#include "group/trace.h"
#include "log/topic.h"

/* Under the group's lock. Return: as mqbus_slot_check(). */
static int commit_check(struct mqbus_member *member, u32 partition, u32 generation, u64 offset)
{
	struct mqbus_group *group = member->group;

	lockdep_assert_held(&group->lock);
	if (!member->seat)
		return -ENOLINK;
	return mqbus_slot_check(&group->slots[partition], member->seat, generation, offset);
}

/* One step of the search for the offset to commit. Return: whether the search is over */
static bool commit_seek(struct mqbus_member *member, u32 partition, struct mqbus_seek *seek)
{
	struct mqbus_cursor *cursor = &member->group->slots[partition].cursor;
	struct mqbus_ring *ring = &member->topic->parts[partition]->ring;
	bool found;

	if (seek->value == cursor->given.offset) {
		seek->at = cursor->given;
		return true;
	}
	/* Usually the offset is near the last commit */
	if (!seek->from && seek->value - cursor->done.offset < MQBUS_RING_STEP) {
		seek->at = cursor->done;
		seek->from = true;
	}
	spin_lock(&ring->lock);
	found = mqbus_ring_seek_step(ring, seek);
	spin_unlock(&ring->lock);
	/*
	 * The record was evicted: the head has passed the committed position, and perhaps the
	 * fetched one. With any position below the head the next fetch counts the lost records from
	 * the offset.
	 */
	if (found && seek->at.offset != seek->value) {
		seek->at.pos = cursor->done.pos;
		seek->at.offset = seek->value;
	}
	return found;
}

/* As mqbus_member_find(); if @commit, commit under the same hold of the lock */
static int commit_find(struct mqbus_member *member, u32 partition, u64 offset, u32 generation,
		       struct mqbus_mark *at, bool commit)
{
	struct mqbus_group *group = member->group;
	struct mqbus_seek seek = { .whence = MQBUS_WHENCE_OFFSET, .value = offset };
	bool found = false;
	int err = 0;

	if (partition >= member->topic->nr_parts)
		return -ECHRNG;
	partition = array_index_nospec(partition, member->topic->nr_parts);
	/* The kernel looks the position up, it takes none from the user */
	while (!found && !err) {
		spin_lock(&group->lock);
		err = commit_check(member, partition, generation, offset);
		if (!err)
			found = commit_seek(member, partition, &seek);
		if (found && commit)
			mqbus_member_commit_at(member, partition, &seek.at);
		spin_unlock(&group->lock);
		cond_resched();
		if (fatal_signal_pending(current) && !found && !err)
			err = -EINTR;
	}
	*at = seek.at;
	return err;
}

/*
 * Find the position of an offset to commit. @partition and @offset are unchecked; @generation 0
 * matches any. Return: 0, -ECHRNG, -ESTALE, -ENOLINK, -ERANGE, -EINTR.
 */
int mqbus_member_find(struct mqbus_member *member, u32 partition, u64 offset, u32 generation,
		      struct mqbus_mark *at)
{
	return commit_find(member, partition, offset, generation, at, false);
}

/*
 * Whether a position from mqbus_member_find() can be committed now. The group's lock is held, locks
 * of rings may be. Return: 0, -ESTALE, -ENOLINK, -ERANGE.
 */
int mqbus_member_check_commit(struct mqbus_member *member, u32 partition, u32 generation,
			      const struct mqbus_mark *at)
{
	return commit_check(member, partition, generation, at->offset);
}

/*
 * Commit up to a position that mqbus_member_check_commit() accepts. The group's lock is held, locks
 * of rings may be. Call mqbus_member_committed() after dropping it.
 */
void mqbus_member_commit_at(struct mqbus_member *member, u32 partition,
			    const struct mqbus_mark *at)
{
	struct mqbus_group *group = member->group;

	lockdep_assert_held(&group->lock);
	trace_settle(group, partition, at->offset, "commit");
	mqbus_slot_commit(&group->assign, &group->slots[partition], at);
}

/* Wake writers and members after a commit to @partition, MQBUS_ANY for several; no lock is held */
void mqbus_member_committed_in(struct mqbus_member *member, u32 partition)
{
	mqbus_topic_wake_writers_in(member->topic, partition);
	mqbus_stream_wake(member->group);
}

/* As mqbus_member_committed_in(), for all partitions */
void mqbus_member_committed(struct mqbus_member *member)
{
	mqbus_member_committed_in(member, MQBUS_ANY);
}

/*
 * Commit up to an offset; call mqbus_member_committed() afterwards. Arguments and return: as of
 * mqbus_member_find().
 */
int mqbus_member_commit_to(struct mqbus_member *member, u32 partition, u64 offset,
			   u32 generation)
{
	struct mqbus_mark at;

	return commit_find(member, partition, offset, generation, &at, true);
}

/*
 * Commit everything fetched. The group's lock is held, the member has a seat. Return: whether
 * anything was committed; then @partition is set, to MQBUS_ANY for several.
 */
bool mqbus_member_commit_given(struct mqbus_member *member, u32 *partition)
{
	struct mqbus_group *group = member->group;
	struct mqbus_slot *slot, *next;
	bool moved = false;

	lockdep_assert_held(&group->lock);

	/* A commit may move a revoked partition to another seat's list */
	list_for_each_entry_safe(slot, next, &member->seat->owned, node) {
		if (slot->cursor.done.pos == slot->cursor.given.pos)
			continue;
		mqbus_member_commit_at(member, slot - group->slots, &slot->cursor.given);
		*partition = moved ? MQBUS_ANY : slot - group->slots;
		moved = true;
	}
	return moved;
}

/* Commit everything fetched if @given, then release revoked partitions if @release */
static int commit_all(struct mqbus_member *member, bool given, bool release)
{
	struct mqbus_group *group = member->group;
	struct mqbus_slot *slot, *next;
	u32 partition;
	int err = 0;

	spin_lock(&group->lock);
	if (!member->seat || member->seat->state == MQBUS_SEAT_FENCED)
		err = -ENOLINK;
	if (!err && given)
		mqbus_member_commit_given(member, &partition);
	if (!err && release)
		list_for_each_entry_safe(slot, next, &member->seat->owned, node)
			mqbus_slot_release(&group->assign, slot);
	spin_unlock(&group->lock);
	return err;
}

static int commit_entries(struct mqbus_member *member, struct mqbus_commit *args)
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
		if (!err && entry.__reserved)
			err = -EINVAL;
		if (!err)
			err = mqbus_member_commit_to(member, entry.partition, entry.offset,
						     entry.generation);
		/*
		 * Count and wake before put_user(), which may fail or never return: the commit has
		 * taken effect.
		 */
		if (!err)
			mqbus_member_committed_in(member, entry.partition);
		done += !err;
		args->committed = done;
		first = first ?: err;
		if (put_user((u32)-err, &user->error))
			return done ? 0 : -EFAULT;
		if (err == -EINTR)
			return done ? 0 : err;
	}
	return done ? 0 : first;
}

/*
 * Settle records as @args says and set @args->committed. Return: 0 or a negative errno as of
 * &struct mqbus_commit.
 */
int mqbus_member_commit(struct mqbus_member *member, struct mqbus_commit *args)
{
	bool given = args->flags & MQBUS_COMMIT_F_FETCHED;
	bool release = args->flags & MQBUS_COMMIT_F_RELEASE;
	bool entries = args->nr_entries || !args->flags;
	int err = 0;

	args->committed = 0;
	if (given && args->nr_entries)
		return -EINVAL;
	if (entries) {
		err = mqbus_elements_check(args->entry_size,
					   offsetof(struct mqbus_commit_entry, generation));
		if (err)
			return err;
		if (!args->nr_entries || args->nr_entries > MQBUS_PARTITIONS_MAX)
			return -ERANGE;
	}
	if (mqbus_member_dead(member))
		return -EIDRM;
	if (entries)
		err = commit_entries(member, args);
	/* Release even if an entry was bad: other members wait for the partitions */
	if (given || release) {
		int all = commit_all(member, given, release);

		err = err ?: all;
		mqbus_member_committed(member);
	} else {
		mqbus_stream_wake(member->group);
	}
	return err;
}
