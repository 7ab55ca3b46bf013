// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of options of topics and groups.
 */
#include "base/ns.h"
#include "base/caller.h"
#include "ctl/config.h"
#include "ctl/ctl.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/refusal.h"
#include "log/topic.h"

/* Fields that decide whose dead letters a topic accepts: those that may write to it */
#define TOPIC_SET_RIGHTS	(MQBUS_TOPIC_SET_MODE | MQBUS_TOPIC_SET_UID | MQBUS_TOPIC_SET_GID)

/* Whether the caller may change the topic; sets its owner after the change */
static int topic_may(const struct mqbus_topic *topic, const struct mqbus_caller *caller,
		     const struct mqbus_topic_create *args, kuid_t *uid, kgid_t *gid)
{
	if (!mqbus_caller_owns(caller, *uid))
		return -EPERM;
	if (args->fields & MQBUS_TOPIC_SET_FULL && args->full != READ_ONCE(topic->full) &&
	    (args->full == MQBUS_FULL_EVICT || mqbus_topic_evicts(topic)))
		return -EOPNOTSUPP;
	if (args->fields & MQBUS_TOPIC_SET_SHARE && args->share && mqbus_topic_evicts(topic))
		return -EOPNOTSUPP;
	return mqbus_config_owner(caller, args->fields & MQBUS_TOPIC_SET_UID ? &args->uid : NULL,
				  args->fields & MQBUS_TOPIC_SET_GID ? &args->gid : NULL, uid, gid);
}

/*
 * The topic may have another owner, or be dead, since it was looked up: check again under its lock.
 * The namespace's lock is not taken, as no task waits for a topic's lock with it held.
 */
static int topic_set_locked(struct mqbus_ns *ns, struct mqbus_topic *topic,
			    const struct mqbus_caller *caller,
			    const struct mqbus_topic_create *args,
			    struct mqbus_quota_counts *counts)
{
	kuid_t uid = topic->uid;
	kgid_t gid = topic->gid;
	int err;

	lockdep_assert_held(&topic->lock);

	if (mqbus_topic_dead(topic))
		return -ENOENT;
	err = topic_may(topic, caller, args, &uid, &gid);
	if (err)
		return err;
	WRITE_ONCE(topic->uid, uid);
	WRITE_ONCE(topic->gid, gid);
	mqbus_quota_count(counts, topic);
	mqbus_config_apply(topic, args, args->fields);
	atomic_inc(&ns->seq);
	return 0;
}

/* Allocate what a share needs, before the topic's lock is taken */
static int topic_set_prepare(struct mqbus_ns *ns, struct mqbus_topic *topic,
			     const struct mqbus_caller *caller,
			     const struct mqbus_topic_create *args,
			     struct mqbus_quota_counts *counts)
{
	kuid_t uid = mqbus_topic_uid(topic);
	kgid_t gid = mqbus_topic_gid(topic);

	if (!(args->fields & MQBUS_TOPIC_SET_SHARE) || !args->share)
		return 0;
	return topic_may(topic, caller, args, &uid, &gid) ?:
	       mqbus_quota_prepare(counts, topic, ns, caller);
}

/* Change a topic as @args says. Return: 0 or a negative errno as of &struct mqbus_topic_create */
int mqbus_topic_set(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		    const struct mqbus_topic_create *args)
{
	struct mqbus_quota_counts counts = {};
	struct mqbus_topic *topic;
	int err;

	if (args->fields & ~__MQBUS_TOPIC_SET_ALL)
		return -EOPNOTSUPP;
	if (!args->fields)
		return -EINVAL;
	err = mqbus_name_check(args->name) ?: mqbus_config_check_fields(args, args->fields);
	if (err)
		return err;
	topic = mqbus_topic_find(ns, args->name);
	if (!topic)
		return -ENOENT;

	err = topic_set_prepare(ns, topic, caller, args, &counts) ?:
	      mutex_lock_killable(&topic->lock);
	if (!err) {
		err = topic_set_locked(ns, topic, caller, args, &counts);
		mutex_unlock(&topic->lock);
	}
	mqbus_quota_discard(&counts);
	/* The new permissions may forbid or allow dead letters */
	if (!err && args->fields & TOPIC_SET_RIGHTS)
		mqbus_dlq_leave(ns, topic);
	if (!err)
		mqbus_dlq_look(ns, topic->name);
	if (!err)
		mqbus_refusal_recheck(topic, NULL);
	mqbus_topic_put(topic);
	return err;
}

/*
 * Whether the caller may give a group the owner that it asks for; sets the owner after the change.
 * Return: 0, -EINVAL, -EPERM
 */
static int group_may_give(const struct mqbus_group *group, const struct mqbus_caller *caller,
			  const struct mqbus_group_set *args, kuid_t *uid, kgid_t *gid)
{
	*uid = mqbus_group_uid(group);
	*gid = mqbus_group_gid(group);
	return mqbus_config_owner(caller, args->fields & MQBUS_GROUP_SET_UID ? &args->uid : NULL,
				  args->fields & MQBUS_GROUP_SET_GID ? &args->gid : NULL, uid, gid);
}

/* Apply options that groups of both types have, after all checks */
static void group_apply(struct mqbus_group *group, const struct mqbus_group_set *args, kuid_t uid,
			kgid_t gid)
{
	WRITE_ONCE(group->uid, uid);
	WRITE_ONCE(group->gid, gid);
	if (args->fields & MQBUS_GROUP_SET_MODE)
		WRITE_ONCE(group->mode, args->mode);
	if (args->fields & MQBUS_GROUP_SET_PAUSED)
		group->ops->hold(group, &group->paused, args->paused);
	if (args->fields & MQBUS_GROUP_SET_LAG_THRESHOLD)
		mqbus_lag_set(group, args->lag_threshold);
	if (args->fields & MQBUS_GROUP_SET_EXPIRE)
		mqbus_expiry_set(group, args->expire);
	mqbus_expiry_look(group);
}

/*
 * Change a group under its topic's lock. *@dlq is replaced by the topic to put; the caller has
 * another reference to the new DLQ.
 */
static int group_set_locked(struct mqbus_ns *ns, const struct mqbus_caller *caller,
			    const struct mqbus_group_set *args, struct mqbus_topic **dlq)
{
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	struct mqbus_topic *linked = *dlq;
	kuid_t uid;
	kgid_t gid;
	int err;

	err = mqbus_group_lock_owned(ns, caller, args->topic, args->group, &topic, &group);
	if (err)
		return err;
	if (args->fields & ~group->ops->fields)
		err = -EBADFD;
	kref_get(&group->ref);
	mutex_unlock(&topic->lock);
	/* Drop the topic's lock for the search for loops, which goes from topic to topic */
	if (!err && linked)
		err = mqbus_dlq_check(ns, topic, linked);
	mutex_lock(&topic->lock);
	if (!err && group->dead)
		err = -ENOENT;
	/* It may have another owner since it was looked up */
	if (!err && !mqbus_group_owned(group, caller))
		err = -EPERM;
	err = err ?: group_may_give(group, caller, args, &uid, &gid) ?:
	      group->ops->set(group, caller, args, dlq);
	if (!err)
		group_apply(group, args, uid, gid);
	mutex_unlock(&topic->lock);
	/* The last reference waits for the group's works, which take that lock */
	mqbus_group_put(group);
	mqbus_topic_put(topic);
	return err;
}

/*
 * Change options of a group as @args says. Return: 0 or a negative errno as of &struct
 * mqbus_group_set.
 */
int mqbus_group_set(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		    const struct mqbus_group_set *args)
{
	bool connect = args->fields & MQBUS_GROUP_SET_DLQ;
	struct mqbus_topic *dlq = NULL, *new;
	int err = 0;

	if (args->fields & ~__MQBUS_GROUP_SET_ALL)
		return -EOPNOTSUPP;
	if (!args->fields || args->__reserved || args->stream.__reserved ||
	    args->queue.__reserved || args->__reserved2 ||
	    (args->fields & MQBUS_GROUP_SET_PAUSED && args->paused > 1) ||
	    (args->fields & MQBUS_GROUP_SET_MODE && args->mode & ~0666))
		return -EINVAL;
	if (args->fields & MQBUS_GROUP_SET_EXPIRE && args->expire > MQBUS_DELAY_MAX)
		return -ERANGE;
	if (connect)
		err = mqbus_name_check_any(args->queue.dlq);
	if (!err && connect && args->queue.dlq[0])
		err = mqbus_topic_open(ns, caller, args->queue.dlq, MQBUS_MAY_WRITE, &dlq);
	if (err)
		return err;
	new = dlq;
	if (new)
		kref_get(&new->ref);
	if (connect)
		err = mutex_lock_killable(&ns->dlq_lock);
	if (!err) {
		err = group_set_locked(ns, caller, args, &dlq);
		if (connect)
			mutex_unlock(&ns->dlq_lock);
	}
	/* The unused one: the old DLQ, or the new one after an error */
	if (dlq)
		mqbus_topic_put(dlq);
	if (new)
		mqbus_topic_put(new);
	return err;
}
