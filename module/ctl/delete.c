// SPDX-License-Identifier: GPL-2.0
/*
 * Deletion of topics and groups.
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

/*
 * Delete a group, and with it the floor that it holds. Return: 0 or a negative errno as of &struct
 * mqbus_group_delete.
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
	/* Joining takes the topic's lock, so no member comes after this check */
	if (!(args->flags & MQBUS_GROUP_DELETE_F_FORCE) && mqbus_group_busy(group)) {
		mqbus_group_unlock(topic);
		return -EBUSY;
	}
	mqbus_group_end_unlock(group, MQBUS_EVENT_KIND_GROUP_DELETED);
	mqbus_topic_put(topic);
	return 0;
}

/* Delete all groups of a dead topic, to which none is added */
static void groups_delete(struct mqbus_topic *topic)
{
	mutex_lock(&topic->lock);
	while (!list_empty(&topic->readers)) {
		mqbus_group_end_unlock(list_first_entry(&topic->readers, struct mqbus_group,
							reader.node),
				       MQBUS_EVENT_KIND_GROUP_DELETED);
		mutex_lock(&topic->lock);
	}
	mutex_unlock(&topic->lock);
}

/*
 * End a topic that is marked dead; it stays in the table until that is done. The namespace's lock
 * is held for the table alone: there may be many groups, with much memory.
 */
static void topic_bury(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	mqbus_waits_end(topic);
	mqbus_dlq_leave(ns, topic);
	/* Nothing can be settled from now on, so the groups may go; that wakes readers */
	groups_delete(topic);
	mutex_lock(&ns->lock);
	mqbus_topic_remove(ns, topic);
	mqbus_topic_report(topic,
			   &(struct mqbus_event) { .kind = MQBUS_EVENT_KIND_TOPIC_DELETED });
	mutex_unlock(&ns->lock);
	/* This may free gigabytes */
	mqbus_topic_put(topic);
}

/*
 * Delete a topic, remove its name and wake all its users. @name is checked. Return: 0, -ENOENT,
 * -EPERM.
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

/* Delete all topics of a namespace without endpoints */
void mqbus_topic_delete_all(struct mqbus_ns *ns)
{
	struct mqbus_topic *topic;
	unsigned int bucket;

	do {
		mutex_lock(&ns->lock);
		/* Take the first topic, if there is any */
		hash_for_each(ns->topics, bucket, topic, node)
			break;
		if (topic)
			WRITE_ONCE(topic->dead, true);
		mutex_unlock(&ns->lock);
		if (topic)
			topic_bury(ns, topic);
	} while (topic);
}
