// SPDX-License-Identifier: GPL-2.0
/*
 * Deleting topics and groups.
 */
#include <linux/rculist.h>

#include "base/event.h"
#include "base/ns.h"
#include "base/caller.h"
#include "ctl/ctl.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/refusal.h"
#include "log/topic.h"

/**
 * mqbus_group_remove() - let nobody see a group any more
 * @group: the group; its topic's lock is held
 *
 * Return: the topic of its dead letters, or NULL; the caller puts it when it has let
 * go of the topic's lock, which is of the same kind.
 */
struct mqbus_topic *mqbus_group_remove(struct mqbus_group *group)
{
	struct mqbus_topic *topic = group->topic, *dlq;

	lockdep_assert_held(&topic->lock);

	/*
	 * Dead first, under the lock, and only then out of the list: while the lock's
	 * holders may read records, writers still see the floors that keep them.
	 */
	spin_lock(&group->lock);
	WRITE_ONCE(group->dead, true);
	dlq = group->ops->end(group);
	spin_unlock(&group->lock);
	list_del_rcu(&group->reader.node);
	/* Listings and writers look without the lock */
	WRITE_ONCE(topic->nr_readers, topic->nr_readers - 1);
	atomic_inc(&topic->charge.ns->seq);
	group->ops->hangup(group);
	mqbus_topic_wake_writers(topic);
	mqbus_group_put(group);
	return dlq;
}

/* As mqbus_group_remove(), of one that was known; its topic's lock is let go of. */
static void group_end_unlock(struct mqbus_group *group)
{
	struct mqbus_topic *topic = group->topic, *dlq;

	mqbus_group_report(group,
			   &(struct mqbus_event) { .kind = MQBUS_EVENT_KIND_GROUP_DELETED });
	kref_get(&group->ref);
	dlq = mqbus_group_remove(group);
	mutex_unlock(&topic->lock);
	/* What it had may be much */
	mqbus_group_put(group);
	if (dlq)
		mqbus_topic_put(dlq);
}

/**
 * mqbus_group_delete() - delete a group and what it holds back
 * @ns: in which namespace
 * @caller: on whose behalf
 * @args: which
 *
 * Return: 0 or a negative errno as of &struct mqbus_group_delete.
 */
int mqbus_group_delete(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const struct mqbus_group_delete *args)
{
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	int err;

	if (args->__reserved)
		return -EINVAL;
	err = mqbus_group_lock_owned(ns, caller, args->topic, args->group, &topic, &group);
	if (err)
		return err;
	/* Joining takes the topic's lock, so who is not in now will not be */
	if (!(args->flags & MQBUS_GROUP_DELETE_F_FORCE) && mqbus_group_busy(group)) {
		mqbus_group_unlock(topic);
		return -EBUSY;
	}
	group_end_unlock(group);
	mqbus_topic_put(topic);
	return 0;
}

/* The topic was deleted, so nobody makes a new group. */
static void groups_delete(struct mqbus_topic *topic)
{
	mutex_lock(&topic->lock);
	while (!list_empty(&topic->readers)) {
		group_end_unlock(list_first_entry(&topic->readers, struct mqbus_group,
						  reader.node));
		mutex_lock(&topic->lock);
	}
	mutex_unlock(&topic->lock);
}

/*
 * The end of a topic that is marked dead, and in the table until it is over. The namespace's
 * lock is held for the table alone: there may be many groups, and much that they have.
 */
static void topic_bury(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	mqbus_waits_end(topic);
	mqbus_dlq_leave(ns, topic);
	/* Nothing can be settled from now on, so the groups may go, which wakes readers */
	groups_delete(topic);
	mutex_lock(&ns->lock);
	mqbus_topic_remove(ns, topic);
	mqbus_topic_report(topic,
			   &(struct mqbus_event) { .kind = MQBUS_EVENT_KIND_TOPIC_DELETED });
	mutex_unlock(&ns->lock);
	/* That may free gigabytes */
	mqbus_topic_put(topic);
}

/**
 * mqbus_topic_delete() - take a topic's name away and wake all that use it
 * @ns: in which namespace
 * @caller: on whose behalf
 * @name: a checked name
 *
 * Return: 0, -ENOENT, -EPERM.
 */
int mqbus_topic_delete(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const char *name)
{
	struct mqbus_topic *topic;
	int err = 0;

	mutex_lock(&ns->lock);
	topic = mqbus_topic_lookup(ns, name);
	if (!topic)
		err = -ENOENT;
	else if (!mqbus_caller_owns(caller, mqbus_topic_uid(topic)))
		err = -EPERM;
	else
		WRITE_ONCE(topic->dead, true);
	mutex_unlock(&ns->lock);
	if (!err)
		topic_bury(ns, topic);
	return err;
}

/**
 * mqbus_topic_delete_all() - the end of a namespace
 * @ns: a namespace without endpoints
 */
void mqbus_topic_delete_all(struct mqbus_ns *ns)
{
	struct mqbus_topic *topic;
	unsigned int bucket;

	do {
		mutex_lock(&ns->lock);
		/* The first one, if there is any */
		hash_for_each(ns->topics, bucket, topic, node)
			break;
		if (topic)
			WRITE_ONCE(topic->dead, true);
		mutex_unlock(&ns->lock);
		if (topic)
			topic_bury(ns, topic);
	} while (topic);
}
