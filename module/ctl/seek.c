// SPDX-License-Identifier: GPL-2.0
/*
 * Position of a group in its topic: at creation, and after a seek.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "base/elements.h"
#include "ctl/ctl.h"
#include "group/group.h"
#include "log/topic.h"

/* Whether @whence is known, also for a new group, and @value fits it */
bool mqbus_whence_valid(u32 whence, u64 value)
{
	switch (whence) {
	case MQBUS_WHENCE_EARLIEST:
	case MQBUS_WHENCE_LATEST:
		return !value;
	case MQBUS_WHENCE_OFFSET:
	case MQBUS_WHENCE_TIME:
		return true;
	}
	return false;
}

/**
 * mqbus_group_place() - find a position in a partition
 * @group: the group; its topic's lock is held if @place
 * @partition: the partition
 * @seek: the position sought; set to the one found
 * @place: move the group's cursor there before the ring's lock is dropped, so that no writer
 *	passes it; the group's lock keeps members from moving it meanwhile
 * @end: set to the next offset
 *
 * Return: 0, or -EINTR after a fatal signal unless @place.
 */
int mqbus_group_place(struct mqbus_group *group, u32 partition,
		      struct mqbus_seek *seek, bool place, u64 *end)
{
	struct mqbus_ring *ring = &group->topic->parts[partition]->ring;
	struct mqbus_cursor *cursor = &group->slots[partition].cursor;
	bool found;

	if (!place)
		mqbus_topic_expire(group->topic, partition);
	do {
		/* Finish a move once begun: records may have been forgotten for it */
		if (!place && fatal_signal_pending(current))
			return -EINTR;
		/* A holder of the topic's lock that has searched before finds the place at once */
		if (!place || seek->begun)
			cond_resched();
		spin_lock(&group->lock);
		spin_lock(&ring->lock);
		found = mqbus_ring_seek_step(ring, seek);
		if (found && place) {
			mqbus_cursor_place(cursor, ring, &seek->at);
			if (group->ops->placed)
				group->ops->placed(group, partition);
		}
		*end = ring->page->next_offset;
		spin_unlock(&ring->lock);
		spin_unlock(&group->lock);
	} while (!found);
	return 0;
}

/* An offset shifted, and clamped to the range of offsets */
static u64 seek_shift(u64 offset, s64 shift)
{
	u64 to = offset + shift;

	if (shift < 0)
		return to > offset ? 0 : to;
	return to < offset ? U64_MAX : to;
}

static bool seek_dry(const struct mqbus_group_seek *args)
{
	return args->flags & MQBUS_GROUP_SEEK_F_DRY_RUN;
}

/* Find a place in a partition, or, after a dry run has set @hint to it, move there */
static int seek_one(struct mqbus_group *group, u32 partition, bool dry,
		    const struct mqbus_group_seek *args, struct mqbus_mark *hint,
		    struct mqbus_seek_result *res)
{
	struct mqbus_seek seek = { .whence = args->whence, .value = args->value };
	int err;

	res->partition = partition;
	/* The topic's lock keeps members out, or the group is shut, or this is a dry run */
	spin_lock(&group->lock);
	res->old_offset = group->slots[partition].cursor.done.offset;
	spin_unlock(&group->lock);
	if (args->whence == MQBUS_WHENCE_SHIFT) {
		seek.whence = MQBUS_WHENCE_OFFSET;
		seek.value = seek_shift(res->old_offset, args->value);
	}
	if (!dry && fatal_signal_pending(current))
		return -EINTR;
	if (!dry && group->ops->forget)
		group->ops->forget(group, partition);
	/* A shift may lead further back by now */
	if (!dry && (seek.whence == MQBUS_WHENCE_TIME || hint->offset <= seek.value)) {
		seek.at = *hint;
		seek.from = true;
	}
	err = mqbus_group_place(group, partition, &seek, !dry, &res->end_offset);
	*hint = seek.at;
	res->new_offset = seek.at.offset;
	return err;
}

/* Whether the group has members, or failed records that are not settled */
static bool seek_busy(struct mqbus_group *group, u32 first, u32 last)
{
	u32 i;

	if (mqbus_group_busy(group))
		return true;
	for (i = first; group->ops->waits && i <= last; i++)
		if (group->ops->waits(group, i))
			return true;
	return false;
}

/*
 * A dry run, without a lock, which sets @hints; or a seek under the topic's lock. Fills @res and
 * the number of partitions concerned.
 */
static int group_seek_all(struct mqbus_group *group, bool dry, struct mqbus_group_seek *args,
			  struct mqbus_mark *hints, struct mqbus_seek_result *res, u32 room)
{
	struct mqbus_topic *topic = group->topic;
	bool force = args->flags & MQBUS_GROUP_SEEK_F_FORCE && !dry;
	u32 first = 0, last = topic->nr_parts - 1, moved = 0, i;
	int err = 0;

	if (args->partition != MQBUS_ANY) {
		if (args->partition >= topic->nr_parts)
			return -ECHRNG;
		first = array_index_nospec(args->partition, topic->nr_parts);
		last = first;
	}
	if (!dry && !force && seek_busy(group, first, last))
		return -EBUSY;
	if (force)
		mqbus_group_shut(group, true);
	for (i = first; !err && i <= last; i++) {
		struct mqbus_seek_result spare = {};

		err = seek_one(group, i, dry, args, &hints[i],
			       i - first < room ? &res[i - first] : &spare);
		moved += !err;
	}
	/* For the partitions that were moved, perhaps not all that were asked for */
	if (!dry && moved && group->ops->forget_retry)
		group->ops->forget_retry(group, first, first + moved - 1);
	if (force)
		mqbus_group_shut(group, false);
	args->nr_results = last - first + 1;
	mqbus_topic_wake_writers(topic);
	return err;
}

/* Look for the new places without a lock, as that may take long, and then move the group there */
static int group_seek(struct mqbus_group *group, struct mqbus_group_seek *args,
		      struct mqbus_seek_result *res, u32 room)
{
	struct mqbus_topic *topic = group->topic;
	struct mqbus_mark *hints;
	int err;

	hints = kvcalloc(topic->nr_parts, sizeof(*hints), GFP_KERNEL_ACCOUNT);
	if (!hints)
		return -ENOMEM;
	err = group_seek_all(group, true, args, hints, res, room);
	if (!err && !seek_dry(args)) {
		/* Keeps members out */
		mutex_lock(&topic->lock);
		err = group->dead ? -ENOENT :
		      group_seek_all(group, false, args, hints, res, room);
		mutex_unlock(&topic->lock);
	}
	kvfree(hints);
	return err;
}

/*
 * Move a group as @args says; the number of partitions is written to it. A bad address of the
 * results is found before anything moves. No lock is held during accesses to user memory, which may
 * take for ever. Return: 0 or a negative errno as of &struct mqbus_group_seek.
 */
int mqbus_group_seek(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		     struct mqbus_group_seek *args)
{
	void __user *results = u64_to_user_ptr(args->results);
	struct mqbus_seek_result *res;
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	u32 room;
	int err;

	if (args->__reserved || (args->whence != MQBUS_WHENCE_SHIFT &&
				 !mqbus_whence_valid(args->whence, args->value)))
		return -EINVAL;
	err = args->nr_results ? mqbus_elements_check(args->result_size, sizeof(*res)) : 0;
	if (err)
		return err;

	room = min_t(u32, args->nr_results, max_t(u32, MQBUS_PARTITIONS_MAX, nr_cpu_ids));
	res = kvcalloc(room ?: 1, sizeof(*res), GFP_KERNEL_ACCOUNT);
	if (!res)
		return -ENOMEM;
	err = -EFAULT;
	if (room && clear_user(results, (size_t)room * args->result_size))
		goto free;

	err = mqbus_group_lock_owned(ns, caller, args->topic, args->group, &topic, &group);
	if (err)
		goto free;
	kref_get(&group->ref);
	mutex_unlock(&topic->lock);
	err = group_seek(group, args, res, room);
	mqbus_group_put(group);
	mqbus_topic_put(topic);
	if (!err)
		err = mqbus_elements_write(args->results, args->result_size, res, sizeof(*res),
					   min(room, args->nr_results));
free:
	kvfree(res);
	return err;
}
