// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: named readers whose progress outlives their members.
 */
#include <linux/slab.h>

#include "base/caller.h"
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

	mqbus_lag_end(group);
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
	else if (!mqbus_caller_owns(caller, (*group)->uid) &&
		 !uid_eq(caller->cred->fsuid, mqbus_topic_uid(*topic)))
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
