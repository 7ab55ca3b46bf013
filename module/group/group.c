// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: named readers with a progress of their own, which outlives their
 * members.
 */
#include <linux/slab.h>

#include "base/caller.h"
#include "group/group.h"
#include "log/topic.h"

/**
 * mqbus_group_lookup() - a group by its name
 * @topic: of which topic; its lock is held
 * @name: a checked name
 *
 * Return: the group, which is there as long as the lock is held, or NULL.
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
	/* A writer may still be looking at our floors */
	kvfree_rcu(group, rcu);
}

/**
 * mqbus_group_put() - drop a reference
 * @group: a group
 */
void mqbus_group_put(struct mqbus_group *group)
{
	kref_put(&group->ref, group_release);
}

/**
 * mqbus_group_find() - a group by its name
 * @topic: of which topic
 * @name: a checked name
 *
 * Return: the group with a reference for the caller, or NULL.
 */
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

/**
 * mqbus_group_lock_owned() - find a group that somebody owns
 * @ns: in which namespace
 * @caller: who
 * @topic_name: of which topic
 * @group_name: which
 * @topic: filled with the topic, for mqbus_group_unlock(); its lock is held
 * @group: filled with the group
 *
 * Return: 0, -ENOENT, -EPERM, -EINTR, or as mqbus_name_check().
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

/**
 * mqbus_group_unlock() - undo mqbus_group_lock_owned()
 * @topic: the topic
 */
void mqbus_group_unlock(struct mqbus_topic *topic)
{
	mutex_unlock(&topic->lock);
	mqbus_topic_put(topic);
}

/**
 * mqbus_group_busy() - whether a group has members
 * @group: the group; its topic's lock is held, so that none joins
 *
 * Return: whether it has.
 */
bool mqbus_group_busy(struct mqbus_group *group)
{
	bool busy;

	spin_lock(&group->lock);
	busy = group->nr_members;
	spin_unlock(&group->lock);
	return busy;
}

/**
 * mqbus_group_shut() - keep a group still while it is moved
 * @group: the group; its topic's lock is held
 * @shut: nothing is handed out, and all that was is taken back; or go on
 */
void mqbus_group_shut(struct mqbus_group *group, bool shut)
{
	lockdep_assert_held(&group->topic->lock);

	group->ops->hold(group, &group->shut, shut);
	if (shut && group->ops->fence)
		group->ops->fence(group);
}

/**
 * mqbus_group_make_seat() - have a place for one more member in a table of pointers
 * @group: the group; its topic's lock is held, so that nobody else comes
 * @used: places that are taken
 * @seats: the table, guarded by the group's lock
 * @room: its length
 *
 * Return: 0 or -ENOMEM.
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

/**
 * mqbus_group_enter() - let a member in
 * @group: the group
 * @member: the member, of no group yet
 * @id: what it calls itself, terminated, or ""
 *
 * Return: 0, -ENOENT if the group was deleted meanwhile, -ENOMEM, -EMFILE.
 */
int mqbus_group_enter(struct mqbus_group *group, struct mqbus_member *member,
		      const char *id)
{
	int err;

	/* Whoever deletes or seeks holds this and relies on nobody coming in */
	mutex_lock(&group->topic->lock);
	err = group->ops->enter(group, member, id);
	mutex_unlock(&group->topic->lock);
	return err;
}
