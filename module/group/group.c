// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: named readers whose progress outlives their members.
 */
#include <linux/rculist.h>
#include <linux/slab.h>

#include "base/caller.h"
#include "base/ns.h"
#include "group/group.h"
#include "log/topic.h"

/*
 * Find a group by a checked name; the topic's lock is held. Return: the group, valid under that
 * lock, or NULL.
 */
struct mqbus_group *mqbus_group_lookup(struct mqbus_topic *topic, const char *name)
{
	struct mqbus_group *group;

	lockdep_assert_held(&topic->lock);
	list_for_each_entry(group, &topic->readers, reader.node)
		if (!strcmp(group->name, name))
			return group;
	return NULL;
}

static void group_release(struct kref *ref)
{
	struct mqbus_group *group = container_of(ref, struct mqbus_group, ref);

	/* The caller may be that timer */
	mqbus_timer_end(&group->expiry.timer);
	group->ops->free(group);
	mqbus_uncharge(&group->charge);
	/* A writer may still read the group's floors */
	kvfree_rcu(group, rcu);
}

/* Drop a reference */
void mqbus_group_put(struct mqbus_group *group)
{
	kref_put(&group->ref, group_release);
}

/* Find a group by a checked name. Return: the group with a reference, or NULL */
struct mqbus_group *mqbus_group_find(struct mqbus_topic *topic, const char *name)
{
	struct mqbus_group *group;

	mutex_lock(&topic->lock);
	group = mqbus_group_lookup(topic, name);
	if (group)
		kref_get(&group->ref);
	mutex_unlock(&topic->lock);
	return group;
}

/* Whether a caller may change and delete a group: its owner, the topic's, or CAP_DAC_OVERRIDE */
bool mqbus_group_owned(const struct mqbus_group *group, const struct mqbus_caller *caller)
{
	return mqbus_caller_owns(caller, mqbus_group_uid(group)) ||
	       uid_eq(caller->cred->fsuid, mqbus_topic_uid(group->topic));
}

/*
 * Find a group that @caller owns, or whose topic @caller owns, and lock its topic; undone by
 * mqbus_group_unlock(). Return: 0, -ENOENT, -EPERM, -EINTR, or as mqbus_name_check().
 */
int mqbus_group_lock_owned(struct mqbus_ns *ns, const struct mqbus_caller *caller,
			   const char *topic_name, const char *group_name,
			   struct mqbus_topic **topic, struct mqbus_group **group)
{
	int err;

	err = mqbus_name_check(topic_name) ?: mqbus_name_check(group_name);
	if (err)
		return err;
	*topic = mqbus_topic_find(ns, topic_name);
	if (!*topic)
		return -ENOENT;
	err = mutex_lock_killable(&(*topic)->lock);
	if (err)
		goto put;
	*group = mqbus_group_lookup(*topic, group_name);
	if (!*group)
		err = -ENOENT;
	else if (!mqbus_group_owned(*group, caller))
		err = -EPERM;
	if (!err)
		return 0;
	mutex_unlock(&(*topic)->lock);
put:
	mqbus_topic_put(*topic);
	return err;
}

/* Undo mqbus_group_lock_owned() */
void mqbus_group_unlock(struct mqbus_topic *topic)
{
	mutex_unlock(&topic->lock);
	mqbus_topic_put(topic);
}

/* Whether a group has members; its topic's lock is held, so that none joins */
bool mqbus_group_busy(struct mqbus_group *group)
{
	bool busy;

	spin_lock(&group->lock);
	busy = group->nr_members;
	spin_unlock(&group->lock);
	return busy;
}

/*
 * Remove a group from its topic, whose lock is held. Return: its DLQ, or NULL; the caller puts it
 * after dropping the topic's lock, which is of the same class as the DLQ's.
 */
static struct mqbus_topic *group_remove(struct mqbus_group *group)
{
	struct mqbus_topic *topic = group->topic, *dlq;

	lockdep_assert_held(&topic->lock);

	/*
	 * Mark the group dead under its lock before it leaves the list: as long as holders of the
	 * lock may read records, writers must see the floors that keep them.
	 */
	spin_lock(&group->lock);
	WRITE_ONCE(group->dead, true);
	dlq = group->ops->end(group);
	spin_unlock(&group->lock);
	list_del_rcu(&group->reader.node);
	/* Listings and writers read it without the lock */
	WRITE_ONCE(topic->nr_readers, topic->nr_readers - 1);
	atomic_inc(&topic->charge.ns->seq);
	mqbus_lag_end(&group->lag, &topic->charge.ns->lags);
	group->ops->hangup(group);
	mqbus_topic_wake_writers(topic);
	mqbus_group_put(group);
	return dlq;
}

/* Report the end of a group that was visible as @kind, and remove it; drops its topic's lock */
void mqbus_group_end_unlock(struct mqbus_group *group, enum mqbus_event_kind kind)
{
	struct mqbus_topic *topic = group->topic, *dlq;

	mqbus_group_report(group, &(struct mqbus_event) { .kind = kind });
	kref_get(&group->ref);
	dlq = group_remove(group);
	mutex_unlock(&topic->lock);
	/* Freeing the group may take long */
	mqbus_group_put(group);
	if (dlq)
		mqbus_topic_put(dlq);
}

/*
 * While a group is moved, hand out nothing and take back what was handed out; with @shut false, go
 * on. The topic's lock is held.
 */
void mqbus_group_shut(struct mqbus_group *group, bool shut)
{
	lockdep_assert_held(&group->topic->lock);

	group->ops->hold(group, &group->shut, shut);
	if (shut && group->ops->fence)
		group->ops->fence(group);
}

/*
 * Lock a group's topic, so that no other member enters, with room for one more in a table of
 * pointers, unless there is the maximum. @used of @room places are taken, and no more while the
 * lock is held; the group's lock guards @seats. Return: 0 or -ENOMEM, without the lock.
 */
int mqbus_group_lock_seat(struct mqbus_group *group, const u32 *used, void ***seats, u32 *room)
{
	struct mutex *lock = &group->topic->lock;
	void **fresh = NULL;
	u32 nr = 0;

	/* Allocate outside the lock: it may take long. Each new try has more room to fill */
	for (;;) {
		mutex_lock(lock);
		if (READ_ONCE(*used) < *room || *room >= MQBUS_MEMBERS_MAX)
			break;
		if (nr > *room) {
			spin_lock(&group->lock);
			if (*room)
				memcpy(fresh, *seats, *room * sizeof(*fresh));
			swap(*seats, fresh);
			*room = nr;
			spin_unlock(&group->lock);
			break;
		}
		nr = *room ? 2 * *room : 8;
		mutex_unlock(lock);
		kvfree(fresh);
		fresh = kvcalloc(nr, sizeof(*fresh), MQBUS_GFP);
		if (!fresh)
			return -ENOMEM;
	}
	kvfree(fresh);
	return 0;
}
