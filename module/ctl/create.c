// SPDX-License-Identifier: GPL-2.0
/*
 * Creation of topics and groups.
 */
#include <linux/capability.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "base/event.h"
#include "base/ns.h"
#include "base/caller.h"
#include "ctl/config.h"
#include "ctl/ctl.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

/* Give a new topic its options and its owner. Return: 0, -EINVAL, -EPERM. */
static int topic_configure(struct mqbus_topic *topic, const struct mqbus_caller *caller,
			   const struct mqbus_topic_create *args)
{
	int err;

	topic->uid = caller->cred->fsuid;
	topic->gid = caller->cred->fsgid;
	err = mqbus_config_owner(caller, &args->uid, &args->gid, &topic->uid, &topic->gid);
	if (err)
		return err;
	mqbus_config_apply(topic, args, __MQBUS_TOPIC_SET_ALL);
	return 0;
}

static int topic_publish(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	int err = mqbus_topic_insert(ns, topic);

	if (err)
		return err;
	mqbus_topic_report(topic, &(struct mqbus_event) { .kind = MQBUS_EVENT_KIND_TOPIC_MADE });
	mqbus_dlq_look(ns, topic->name);
	return 0;
}

/* Count the bytes of each owner, before others can see the topic */
static int topic_count(struct mqbus_topic *topic, struct mqbus_ns *ns,
		       const struct mqbus_caller *caller)
{
	struct mqbus_quota_counts counts = {};
	int err;

	err = mqbus_quota_prepare(&counts, topic, ns, caller);
	if (!err)
		mqbus_quota_count(&counts, topic);
	mqbus_quota_discard(&counts);
	return err;
}

/* Create a topic, or change one. Return: 0 or a negative errno as of &struct mqbus_topic_create. */
int mqbus_topic_create(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const struct mqbus_topic_create *args)
{
	struct mqbus_topic *topic;
	u64 bytes;
	bool taken;
	int err;

	if (args->flags & MQBUS_TOPIC_F_SET)
		return mqbus_topic_set(ns, caller, args);
	err = mqbus_config_check(args, &bytes);
	if (err)
		return err;

	/* Fail early; the insertion at the end checks again */
	mutex_lock(&ns->lock);
	taken = mqbus_topic_lookup(ns, args->name);
	mutex_unlock(&ns->lock);
	if (taken)
		return -EEXIST;

	topic = mqbus_topic_new(args);
	if (!topic)
		return -ENOMEM;
	err = topic_configure(topic, caller, args);
	/* The creator is charged, also for a topic that another user is to own */
	if (!err)
		err = mqbus_charge(&topic->charge, ns, caller, bytes);
	if (!err)
		err = mqbus_topic_alloc(topic);
	if (!err && args->share)
		err = topic_count(topic, ns, caller);
	if (!err) {
		mutex_lock(&ns->lock);
		err = topic_publish(ns, topic);
		mutex_unlock(&ns->lock);
	}
	if (err)
		mqbus_topic_put(topic);
	return err;
}

static struct mqbus_group *group_new(struct mqbus_ns *ns, const struct mqbus_caller *caller,
				     struct mqbus_topic *topic,
				     const struct mqbus_group_ops *ops,
				     const struct mqbus_group_create *args)
{
	struct mqbus_group *group;
	size_t size = size_add(struct_size(group, slots, topic->nr_parts),
			       array_size(topic->nr_parts, sizeof(*group->assign.readers)));
	u64 bytes = size;
	u32 i;
	int err;

	group = kvzalloc(size, MQBUS_GFP);
	if (!group)
		return ERR_PTR(-ENOMEM);
	if (ops->bytes)
		bytes += ops->bytes(args, topic);
	err = mqbus_charge(&group->charge, ns, caller, bytes);
	if (err) {
		kvfree(group);
		return ERR_PTR(err);
	}
	kref_init(&group->ref);
	spin_lock_init(&group->lock);
	INIT_LIST_HEAD(&group->reader.node);
	group->reader.slots = group->slots;
	group->reader.wake = ops->wake;
	group->ops = ops;
	group->topic = topic;
	strscpy(group->name, args->group, sizeof(group->name));
	group->uid = caller->cred->fsuid;
	group->gid = caller->cred->fsgid;
	group->mode = args->mode;
	group->observes = args->flags & MQBUS_GROUP_F_OBSERVER;
	for (i = 0; i < topic->nr_parts; i++) {
		mqbus_cursor_init(&group->slots[i].cursor);
		if (group->observes)
			mqbus_cursor_observe(&group->slots[i].cursor);
	}
	INIT_LIST_HEAD(&group->lag.node);
	mqbus_expiry_init(group, args);
	err = ops->init(group, args);
	if (!err)
		return group;
	mqbus_group_put(group);
	return ERR_PTR(err);
}

/* Whether a topic may get one more group, of that name; its lock is held */
static int group_fits(struct mqbus_topic *topic, const char *name, unsigned int max)
{
	if (mqbus_topic_dead(topic))
		return -ENOENT;
	if (mqbus_group_lookup(topic, name))
		return -EEXIST;
	return topic->nr_readers < max ? 0 : -EMFILE;
}

static void group_insert(struct mqbus_topic *topic, struct mqbus_group *group)
{
	lockdep_assert_held(&topic->lock);

	group->number = atomic64_inc_return(&topic->charge.ns->made);
	/* Link first, so that writers see each floor from its first store */
	list_add_tail_rcu(&group->reader.node, &topic->readers);
	WRITE_ONCE(topic->nr_readers, topic->nr_readers + 1);
	atomic_inc(&topic->charge.ns->seq);
}

/*
 * Look for where a new group begins, while nobody sees it: a search may take long. A cursor notes
 * its place. Return: 0 or -EINTR
 */
static int group_seek(struct mqbus_group *group, const struct mqbus_group_create *args)
{
	int err = 0;
	u32 i;

	for (i = 0; !err && i < group->topic->nr_parts; i++) {
		struct mqbus_seek seek = { .whence = args->whence, .value = args->value };
		u64 end;

		err = mqbus_group_place(group, i, &seek, false, &end);
		group->slots[i].cursor.done = seek.at;
	}
	return err;
}

/* Place a visible group: the search goes on where group_seek() has come to */
static void group_begin(struct mqbus_topic *topic, struct mqbus_group *group,
			const struct mqbus_group_create *args)
{
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		struct mqbus_seek seek = {
			.whence = args->whence, .value = args->value,
			.at = group->slots[i].cursor.done, .from = true,
		};
		u64 end;

		mqbus_group_place(group, i, &seek, true, &end);
	}
	mqbus_group_report(group, &(struct mqbus_event) { .kind = MQBUS_EVENT_KIND_GROUP_MADE });
	mqbus_expiry_look(group);
	/* A topic without groups keeps everything; the new group may need less */
	mqbus_topic_wake_writers(topic);
}

/*
 * Make the group visible. Its dead letters go to @dlq, or NULL; the reference to @dlq passes to the
 * group.
 */
static int group_publish(struct mqbus_ns *ns, struct mqbus_group *group,
			 const struct mqbus_group_create *args, struct mqbus_topic *dlq)
{
	struct mqbus_topic *topic = group->topic, *unused = dlq;
	int err = group_seek(group, args);

	if (!err && dlq)
		err = mutex_lock_killable(&ns->dlq_lock);
	if (err)
		goto put;
	if (dlq)
		err = mqbus_dlq_check(ns, topic, dlq);
	mutex_lock(&topic->lock);
	err = err ?: group_fits(topic, group->name, READ_ONCE(ns->max_groups));
	if (!err && dlq) {
		/* The DLQ may be deleted from now on, and knows of the group */
		spin_lock(&group->lock);
		unused = mqbus_dlq_swap(group->queue, dlq);
		spin_unlock(&group->lock);
	}
	if (!err)
		group_insert(topic, group);
	/* A search for loops finds the link from here on */
	if (dlq)
		mutex_unlock(&ns->dlq_lock);
	if (!err)
		group_begin(topic, group, args);
	mutex_unlock(&topic->lock);
put:
	if (unused)
		mqbus_topic_put(unused);
	return err;
}

/*
 * Whether a caller that may read a topic may create such a group: one that holds records needs
 * another right, as it may stop all producers.
 */
static int group_may(const struct mqbus_topic *topic, const struct mqbus_caller *caller,
		     const struct mqbus_group_create *args)
{
	kuid_t uid = mqbus_topic_uid(topic);

	if (args->flags & MQBUS_GROUP_F_OBSERVER || mqbus_topic_evicts(topic) ||
	    mqbus_caller_owns(caller, uid) ||
	    mqbus_caller_may(caller, uid, mqbus_topic_gid(topic), READ_ONCE(topic->mode),
			     MQBUS_MAY_HOLD))
		return 0;
	return -EACCES;
}

/* Create a group. Return: 0 or a negative errno as of &struct mqbus_group_create */
int mqbus_group_create(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const struct mqbus_group_create *args)
{
	struct mqbus_topic *topic, *dlq = NULL;
	struct mqbus_group *group;
	u32 type;
	int err;

	if (args->type > MQBUS_GROUP_QUEUE)
		return -EOPNOTSUPP;
	if (args->mode & ~0666 || !mqbus_whence_valid(args->whence, args->value) ||
	    (args->expire && args->flags & MQBUS_GROUP_F_EPHEMERAL))
		return -EINVAL;
	if (args->expire > MQBUS_DELAY_MAX)
		return -ERANGE;
	err = mqbus_name_check(args->group) ?:
	      mqbus_topic_open(ns, caller, args->topic, MQBUS_MAY_READ, &topic);
	if (err)
		return err;
	type = array_index_nospec(args->type, ARRAY_SIZE(mqbus_group_types));
	err = mqbus_group_types[type]->check(args, topic) ?: group_may(topic, caller, args);
	if (!err && args->queue.dlq[0])
		err = mqbus_topic_open(ns, caller, args->queue.dlq, MQBUS_MAY_WRITE, &dlq);
	if (err)
		goto put_topic;
	group = group_new(ns, caller, topic, mqbus_group_types[type], args);
	if (!IS_ERR(group)) {
		if (dlq)
			mqbus_right_get(&group->queue->dlq_right, caller);
		err = group_publish(ns, group, args, dlq);
		if (err)
			mqbus_group_put(group);
	} else {
		err = PTR_ERR(group);
		if (dlq)
			mqbus_topic_put(dlq);
	}
put_topic:
	mqbus_topic_put(topic);
	return err;
}
