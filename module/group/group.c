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
 * Make room for one more member in a table of pointers. The topic's lock is held, so no other
 * member enters. @used of @room places are taken; the group's lock guards @seats. Return: 0 or
 * -ENOMEM.
 */
int mqbus_group_make_seat(struct mqbus_group *group, u32 used, void ***seats, u32 *room)
{
	u32 nr = *room ? 2 * *room : 8;
	void **new, **old;

	lockdep_assert_held(&group->topic->lock);

	if (used < *room)
		return 0;
	new = kvcalloc(nr, sizeof(*new), MQBUS_GFP);
	if (!new)
		return -ENOMEM;
	spin_lock(&group->lock);
	old = *seats;
	if (old)
		memcpy(new, old, *room * sizeof(*new));
	*seats = new;
	*room = nr;
	spin_unlock(&group->lock);
	kvfree(old);
	return 0;
}

/*
 * Let a member of no group in; @id may be "". Return: 0, -ENOENT if the group was deleted
 * meanwhile, -ENOMEM, -EMFILE.
 */
int mqbus_group_enter(struct mqbus_group *group, struct mqbus_member *member,
		      const char *id)
{
	int err;

	/* Deleting and seeking hold this lock to keep members out */
	mutex_lock(&group->topic->lock);
	err = group->ops->enter(group, member, id);
	mutex_unlock(&group->topic->lock);
	return err;
}
