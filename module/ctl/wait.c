// SPDX-License-Identifier: GPL-2.0
/*
 * Wait until a group has settled published records.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "base/elements.h"
#include "base/sleep.h"
#include "base/caller.h"
#include "ctl/ctl.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

/* Places copied in at a time */
#define SETTLED_CHUNK	32
/* Partitions checked per hold of the group's lock */
#define SETTLED_STEP	64

/**
 * struct awaited - the settlements to wait for
 * @topic: the topic, with a reference
 * @group: the group, with a reference
 * @ends: for each partition the offset below which all is to be settled; 0: nothing
 * @behind: a partition that was not settled so far at the last look; also loaded without the
 *	lock
 * @rest: no partition was behind, only the retry ring is left; likewise
 * @retry: the last look at that ring: a record it @found is not settled; under the group's
 *	lock
 * @wait: entry in the queue of waiters
 */
struct awaited {
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	u64 *ends;
	u32 behind;
	bool rest;
	struct mqbus_retry_walk retry;
	struct wait_queue_entry wait;
};

/* As stream_settled(), for some partitions */
static bool parts_settled(struct awaited *a, u32 begin, u32 end)
{
	const struct mqbus_slot *slots = a->group->slots;
	u32 i;

	spin_lock(&a->group->lock);
	for (i = begin; i < end && slots[i].cursor.done.offset >= a->ends[i]; i++)
		;
	if (i < end) {
		WRITE_ONCE(a->behind, i);
		a->retry.found = false;
	}
	spin_unlock(&a->group->lock);
	return i == end;
}

/* Whether all is settled, except for records to be retried */
static bool stream_settled(struct awaited *a)
{
	u32 nr = a->topic->nr_parts, i;

	if (!parts_settled(a, a->behind, a->behind + 1))
		return false;
	for (i = 0; i < nr; i += SETTLED_STEP) {
		if (!parts_settled(a, i, min(i + SETTLED_STEP, nr)))
			return false;
		cond_resched();
	}
	return true;
}

/*
 * Whether no record to wait for is in the retry ring, which is below no floor. The walk ends early
 * for a killed task.
 */
static bool retry_settled(struct awaited *a)
{
	struct mqbus_group *group = a->group;
	struct mqbus_retry_walk walk = {};
	bool more;

	do {
		spin_lock(&group->lock);
		more = mqbus_inflight_walk_retry(&group->queue->inflight, &walk, a->ends);
		a->retry = walk;
		spin_unlock(&group->lock);
		cond_resched();
		if (more && fatal_signal_pending(current))
			return false;
	} while (more);
	return !walk.found;
}

/* Whether all is settled, or never will be */
static bool awaited_over(void *arg)
{
	struct awaited *a = arg;

	if (READ_ONCE(a->group->dead))
		return true;
	WRITE_ONCE(a->rest, stream_settled(a));
	return a->rest && (!a->group->queue || retry_settled(a));
}

/*
 * Whether the partition or record found at the last look is settled. It was noted under the lock,
 * so a settlement after that look sees it.
 */
static bool awaited_moved(struct awaited *a)
{
	struct mqbus_group *group = a->group;
	u32 behind = READ_ONCE(a->behind);
	bool moved;

	if (READ_ONCE(group->dead))
		return true;
	if (!READ_ONCE(a->rest))
		return READ_ONCE(group->slots[behind].cursor.done.offset) >= a->ends[behind];
	spin_lock(&group->lock);
	moved = !a->retry.found || !mqbus_inflight_unsettled(&group->queue->inflight, &a->retry);
	spin_unlock(&group->lock);
	return moved;
}

/*
 * Called for a settlement in any group and partition of the topic. Wake the waiter only if the
 * partition that was behind, or the record found in the retry ring, is settled now: there may be
 * many waiters for each settlement. The queue's lock is held.
 */
static int awaited_wake(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	struct awaited *a = container_of(wait, struct awaited, wait);

	return awaited_moved(a) ? autoremove_wake_function(wait, mode, sync, key) : 0;
}

static int awaited_sleep(struct awaited *a, ktime_t deadline)
{
	init_wait(&a->wait);
	a->wait.func = awaited_wake;
	return mqbus_sleep(&a->topic->waits.settled, &a->wait, awaited_over, a, deadline);
}

static int awaited_wait(struct awaited *a, ktime_t deadline)
{
	struct mqbus_group *group = a->group;
	int err = 0;

	if (group->queue) {
		/* Make every settlement wake, not only those that move a floor */
		spin_lock(&group->lock);
		group->queue->inflight.watchers++;
		spin_unlock(&group->lock);
	}
	if (!awaited_over(a))
		err = awaited_sleep(a, deadline);
	if (group->queue) {
		spin_lock(&group->lock);
		group->queue->inflight.watchers--;
		spin_unlock(&group->lock);
	}
	return err ?: (READ_ONCE(group->dead) ? -EIDRM : 0);
}

static int awaited_place(struct awaited *a, const struct mqbus_place *place)
{
	struct mqbus_mark end;
	u32 partition;

	if (place->__reserved)
		return -EINVAL;
	if (place->partition == MQBUS_ANY)
		return 0;
	if (place->partition >= a->topic->nr_parts)
		return -ECHRNG;
	partition = array_index_nospec(place->partition, a->topic->nr_parts);
	mqbus_ring_end(&a->topic->parts[partition]->ring, &end);
	if (place->offset >= end.offset)
		return -ERANGE;
	a->ends[partition] = max(a->ends[partition], place->offset + 1);
	return 0;
}

static int awaited_places(struct awaited *a, const struct mqbus_wait *args)
{
	struct mqbus_place places[SETTLED_CHUNK];
	u32 at, n, i;
	int err = 0, bad;

	for (at = 0; !err && at < args->count; at += n) {
		n = min_t(u32, args->count - at, SETTLED_CHUNK);
		bad = mqbus_elements_read(places, sizeof(places[0]),
					  args->places + (u64)at * args->place_size,
					  args->place_size, &n);
		for (i = 0; !err && i < n; i++)
			err = awaited_place(a, &places[i]);
		err = err ?: bad;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

static void awaited_all(struct awaited *a)
{
	struct mqbus_mark end;
	u32 i;

	for (i = 0; i < a->topic->nr_parts; i++) {
		mqbus_ring_end(&a->topic->parts[i]->ring, &end);
		a->ends[i] = end.offset;
	}
}

static int awaited_open(struct awaited *a, struct mqbus_ns *ns, const struct mqbus_caller *caller,
			const struct mqbus_wait *args)
{
	int err;

	err = mqbus_name_check(args->group) ?: mqbus_name_check(args->topic);
	if (err)
		return err;
	/* A producer may wait for settlements without permission to read */
	err = mqbus_topic_open(ns, caller, args->topic, MQBUS_MAY_WRITE, &a->topic);
	if (err == -EACCES)
		err = mqbus_topic_open(ns, caller, args->topic, MQBUS_MAY_READ, &a->topic);
	if (err) {
		a->topic = NULL;
		return err;
	}
	a->group = mqbus_group_find(a->topic, args->group);
	if (!a->group)
		return -ENOENT;
	if (!mqbus_group_may(a->group, caller, MQBUS_MAY_READ))
		return -EACCES;
	a->ends = kvcalloc(a->topic->nr_parts, sizeof(*a->ends), GFP_KERNEL_ACCOUNT);
	return a->ends ? 0 : -ENOMEM;
}

/*
 * Wait until a group has settled the records that @args names. Return: 0 or a negative errno as of
 * &struct mqbus_wait.
 */
int mqbus_group_wait(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		     const struct mqbus_wait *args, bool nonblock)
{
	struct awaited a = {};
	int err;

	if (args->__reserved || (!args->count && (args->places || args->place_size)))
		return -EINVAL;
	if (args->count > MQBUS_BATCH_MAX)
		return -ERANGE;
	err = args->count ? mqbus_elements_check(args->place_size, sizeof(struct mqbus_place)) :
			    0;
	if (err)
		return err;
	err = awaited_open(&a, ns, caller, args);
	if (!err && args->count)
		err = awaited_places(&a, args);
	else if (!err)
		awaited_all(&a);
	if (!err)
		err = awaited_wait(&a, mqbus_deadline(args->timeout, nonblock));
	/* A restarted call would also wait for records published meanwhile */
	if (err == -ERESTARTSYS && !args->count)
		err = -EINTR;
	kvfree(a.ends);
	if (a.group)
		mqbus_group_put(a.group);
	if (a.topic)
		mqbus_topic_put(a.topic);
	return err;
}
