// SPDX-License-Identifier: GPL-2.0
/*
 * How members of stream groups settle what they fetched.
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

/* One step of a search for @seek's offset, which may be committed. Return: whether it is over. */
static bool commit_seek(struct mqbus_member *member, u32 partition, struct mqbus_seek *seek)
{
	struct mqbus_cursor *cursor = &member->group->slots[partition].cursor;
	struct mqbus_ring *ring = &member->topic->parts[partition]->ring;
	bool found;

	if (seek->value == cursor->given.offset) {
		seek->at = cursor->given;
		return true;
	}
	/* Mostly it is not far from where the last commit was */
	if (!seek->from && seek->value - cursor->done.offset < MQBUS_RING_STEP) {
		seek->at = cursor->done;
		seek->from = true;
	}
	spin_lock(&ring->lock);
	found = mqbus_ring_seek_step(ring, seek);
	spin_unlock(&ring->lock);
	/*
	 * Evicted: the head is further on than what was settled, and perhaps than what
	 * was handed out. Any position below the head makes the next look count what was
	 * missed from the offset.
	 */
	if (found && seek->at.offset != seek->value) {
		seek->at.pos = cursor->done.pos;
		seek->at.offset = seek->value;
	}
	return found;
}

/* As mqbus_member_find(); @commit: and settle, before the lock is let go. */
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
	/* A position is looked up here, never taken from the user */
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

/**
 * mqbus_member_find() - find the place of a commit
 * @member: a member of a stream group
 * @partition: from anywhere
 * @offset: from anywhere
 * @generation: of the range that it is about; 0: any
 * @at: filled with the place
 *
 * Return: 0, -ECHRNG, -ESTALE, -ENOLINK, -ERANGE, -EINTR.
 */
int mqbus_member_find(struct mqbus_member *member, u32 partition, u64 offset, u32 generation,
		      struct mqbus_mark *at)
{
	return commit_find(member, partition, offset, generation, at, false);
}

/**
 * mqbus_member_check_commit() - whether a place that was found may be committed now
 * @member: a member of a stream group, whose lock is held; rings' may be
 * @partition: checked
 * @generation: as mqbus_member_find() was given
 * @at: the place
 *
 * Return: 0, -ESTALE, -ENOLINK, -ERANGE.
 */
int mqbus_member_check_commit(struct mqbus_member *member, u32 partition, u32 generation,
			      const struct mqbus_mark *at)
{
	return commit_check(member, partition, generation, at->offset);
}

/**
 * mqbus_member_commit_at() - settle everything below a place
 * @member: a member of a stream group, whose lock is held; rings' may be
 * @partition: checked
 * @at: a place for which mqbus_member_check_commit() said yes
 *
 * To be followed by mqbus_member_committed() when the lock was let go of.
 */
void mqbus_member_commit_at(struct mqbus_member *member, u32 partition,
			    const struct mqbus_mark *at)
{
	struct mqbus_group *group = member->group;

	lockdep_assert_held(&group->lock);
	trace_settle(group, partition, at->offset, "commit");
	mqbus_slot_commit(&group->assign, &group->slots[partition], at);
}

/**
 * mqbus_member_committed_in() - wake whom a commit concerns
 * @member: the member that did it; no lock is held
 * @partition: of which partition; %MQBUS_ANY: it may be of several
 */
void mqbus_member_committed_in(struct mqbus_member *member, u32 partition)
{
	mqbus_topic_wake_writers_in(member->topic, partition);
	mqbus_stream_wake(member->group);
}

/**
 * mqbus_member_committed() - the same of all partitions
 * @member: the member that did it; no lock is held
 */
void mqbus_member_committed(struct mqbus_member *member)
{
	mqbus_member_committed_in(member, MQBUS_ANY);
}

/**
 * mqbus_member_commit_to() - settle a partition up to an offset
 * @member: a member of a stream group
 * @partition: from anywhere
 * @offset: from anywhere
 * @generation: of the range that it is about; 0: any
 *
 * To be followed by mqbus_member_committed().
 *
 * Return: as mqbus_member_find().
 */
int mqbus_member_commit_to(struct mqbus_member *member, u32 partition, u64 offset,
			   u32 generation)
{
	struct mqbus_mark at;

	return commit_find(member, partition, offset, generation, &at, true);
}

/**
 * mqbus_member_commit_given() - settle all that was handed out
 * @member: a member of a stream group, whose lock is held; it has a seat
 * @partition: filled with where that made room; %MQBUS_ANY: in several
 *
 * Return: whether it made any.
 */
bool mqbus_member_commit_given(struct mqbus_member *member, u32 *partition)
{
	struct mqbus_group *group = member->group;
	struct mqbus_slot *slot, *next;
	bool moved = false;

	lockdep_assert_held(&group->lock);

	/* That is wanted back goes to another seat's list */
	list_for_each_entry_safe(slot, next, &member->seat->owned, node) {
		if (slot->cursor.done.pos == slot->cursor.given.pos)
			continue;
		mqbus_member_commit_at(member, slot - group->slots, &slot->cursor.given);
		*partition = moved ? MQBUS_ANY : slot - group->slots;
		moved = true;
	}
	return moved;
}

/* All that was handed out, if @given; then let go of what is wanted back, if @release. */
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
		 * What is done is told, also if what becomes of the others cannot be; and
		 * before the user's memory is touched again, which may take for ever.
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

/**
 * mqbus_member_commit() - settle records
 * @member: a member of a stream group
 * @args: what the user asks for; the number of entries done is written back
 *
 * Return: 0 or a negative errno as of &struct mqbus_commit.
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
	/* Those that wait for a partition do not care which entries were right */
	if (given || release) {
		int all = commit_all(member, given, release);

		err = err ?: all;
		mqbus_member_committed(member);
	} else {
		mqbus_stream_wake(member->group);
	}
	return err;
}
