// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: named readers with a progress of their own, which outlives their
 * members.
 */
#include <linux/capability.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "event.h"
#include "group.h"
#include "member.h"
#include "ns.h"
#include "queue.h"
#include "readers.h"
#include "stream.h"
#include "topic.h"
#include "who.h"

static struct mqbus_group *group_lookup(struct mqbus_topic *topic, const char *name)
{
	struct mqbus_group *group;

	lockdep_assert_held(&topic->lock);
	list_for_each_entry(group, &topic->groups, node)
		if (!strcmp(group->name, name))
			return group;
	return NULL;
}

static void group_release(struct kref *ref)
{
	struct mqbus_group *group = container_of(ref, struct mqbus_group, ref);

	mqbus_lag_end(group);
	mqbus_queue_free(group);
	mqbus_stream_free(group);
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
	group = group_lookup(topic, name);
	if (group)
		kref_get(&group->ref);
	mutex_unlock(&topic->lock);
	return group;
}

static struct mqbus_group *group_new(struct mqbus_ns *ns, const struct mqbus_who *who,
				     struct mqbus_topic *topic,
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
	if (args->type == MQBUS_GROUP_QUEUE)
		bytes += mqbus_queue_bytes(&args->queue, topic);
	err = mqbus_charge(&group->charge, ns, who->cred->fsuid, bytes,
			   mqbus_who_capable(who, CAP_SYS_RESOURCE));
	if (err) {
		kvfree(group);
		return ERR_PTR(err);
	}
	kref_init(&group->ref);
	spin_lock_init(&group->lock);
	INIT_LIST_HEAD(&group->node);
	group->topic = topic;
	strscpy(group->name, args->group, sizeof(group->name));
	group->uid = who->cred->fsuid;
	group->gid = who->cred->fsgid;
	group->mode = args->mode;
	for (i = 0; i < topic->nr_parts; i++)
		mqbus_cursor_init(&group->slots[i].cursor);
	mqbus_stream_new(group, &args->stream);
	mqbus_lag_init(group);
	if (args->type != MQBUS_GROUP_QUEUE)
		return group;
	err = mqbus_queue_new(group, &args->queue);
	if (!err)
		return group;
	mqbus_group_put(group);
	return ERR_PTR(err);
}

/*
 * Return: the topic of its dead letters, or NULL; the caller puts it when it has let
 * go of the topic's lock, which is of the same kind.
 */
static struct mqbus_topic *group_remove(struct mqbus_group *group)
{
	struct mqbus_topic *topic = group->topic, *dlq = NULL;

	lockdep_assert_held(&topic->lock);

	/*
	 * Dead first, under the lock, and only then out of the list: while the lock's
	 * holders may read records, writers still see the floors that keep them.
	 */
	spin_lock(&group->lock);
	WRITE_ONCE(group->dead, true);
	if (group->queue)
		dlq = mqbus_queue_end(group->queue);
	else
		mqbus_stream_end(group);
	spin_unlock(&group->lock);
	list_del_rcu(&group->node);
	/* Listings and writers look without the lock */
	WRITE_ONCE(topic->nr_groups, topic->nr_groups - 1);
	atomic_inc(&topic->charge.ns->seq);
	mqbus_readers_end(group);
	mqbus_topic_wake_writers(topic);
	mqbus_group_put(group);
	return dlq;
}

/* As group_remove(), of one that was known; its topic's lock is let go of. */
static void group_end_unlock(struct mqbus_group *group)
{
	struct mqbus_topic *topic = group->topic, *dlq;

	mqbus_event_group(MQBUS_EVENT_KIND_GROUP_DELETED, group);
	kref_get(&group->ref);
	dlq = group_remove(group);
	mutex_unlock(&topic->lock);
	/* What it had may be much */
	mqbus_group_put(group);
	if (dlq)
		mqbus_topic_put(dlq);
}

static int group_insert(struct mqbus_topic *topic, struct mqbus_group *group,
			const struct mqbus_group_create *args, unsigned int max)
{
	u32 i;
	int err = 0;

	lockdep_assert_held(&topic->lock);

	if (mqbus_topic_dead(topic))
		return -ENOENT;
	if (group_lookup(topic, group->name))
		return -EEXIST;
	if (topic->nr_groups >= max)
		return -EMFILE;

	/* First in the list, so that writers see each floor from its first store */
	list_add_tail_rcu(&group->node, &topic->groups);
	WRITE_ONCE(topic->nr_groups, topic->nr_groups + 1);
	atomic_inc(&topic->charge.ns->seq);
	for (i = 0; !err && i < topic->nr_parts; i++) {
		struct mqbus_seek seek = { .whence = args->whence, .value = args->value };
		u64 end;

		err = fatal_signal_pending(current) ? -EINTR :
		      mqbus_group_place(group, i, &seek, true, &end);
	}
	if (!err)
		mqbus_event_group(MQBUS_EVENT_KIND_GROUP_MADE, group);
	/* Until now nobody had a say and all was kept; this group may need less */
	mqbus_topic_wake_writers(topic);
	return err;
}

/*
 * Let others see the group. Its dead letters go to @dlq, or NULL; that reference is the
 * group's from here on.
 */
static int group_publish(struct mqbus_ns *ns, struct mqbus_group *group,
			 const struct mqbus_group_create *args, struct mqbus_topic *dlq)
{
	struct mqbus_topic *topic = group->topic, *unused = NULL;
	int err = 0;

	if (dlq) {
		kref_get(&dlq->ref);	/* as long as we look at it */
		mutex_lock(&ns->dlq_lock);
		/* Its topic may go now, and knows of the group */
		spin_lock(&group->lock);
		mqbus_dlq_swap(group->queue, dlq);
		spin_unlock(&group->lock);
		err = mqbus_dlq_check(ns, topic, dlq);
	}
	mutex_lock(&topic->lock);
	if (!err)
		err = group_insert(topic, group, args, READ_ONCE(ns->max_groups));
	if (err && !list_empty(&group->node)) {
		kref_get(&group->ref);	/* the caller drops its own */
		unused = group_remove(group);
	} else if (err && dlq) {
		spin_lock(&group->lock);
		group->dead = true;
		unused = mqbus_queue_end(group->queue);
		spin_unlock(&group->lock);
	}
	mutex_unlock(&topic->lock);
	if (!err && dlq)
		mqbus_dlq_linked(ns, topic, dlq);
	if (dlq) {
		mutex_unlock(&ns->dlq_lock);
		mqbus_topic_put(dlq);
	}
	if (unused)
		mqbus_topic_put(unused);
	return err;
}

/**
 * mqbus_group_create() - make a group
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: what the user asks for
 *
 * Return: 0 or a negative errno as of &struct mqbus_group_create.
 */
int mqbus_group_create(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const struct mqbus_group_create *args)
{
	struct mqbus_topic *topic, *dlq = NULL;
	struct mqbus_group *group;
	int err;

	if (args->flags || args->type > MQBUS_GROUP_QUEUE)
		return -EOPNOTSUPP;
	if (args->mode & ~0666 || !mqbus_whence_valid(args->whence, args->value) ||
	    (args->type == MQBUS_GROUP_STREAM ?
	     !!memchr_inv(&args->queue, 0, sizeof(args->queue)) :
	     !!memchr_inv(&args->stream, 0, sizeof(args->stream))))
		return -EINVAL;
	err = mqbus_stream_check(&args->stream) ?: mqbus_name_check(args->group) ?:
	      mqbus_topic_open(ns, who, args->topic, MQBUS_MAY_READ, &topic);
	if (err)
		return err;
	if (args->type == MQBUS_GROUP_QUEUE)
		err = mqbus_queue_check(&args->queue, topic);
	if (!err && args->queue.dlq[0])
		err = mqbus_topic_open(ns, who, args->queue.dlq, MQBUS_MAY_WRITE, &dlq);
	if (err)
		goto put_topic;
	group = group_new(ns, who, topic, args);
	if (!IS_ERR(group)) {
		if (dlq)
			mqbus_right_get(&group->queue->dlq_right, who);
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

/**
 * mqbus_group_lock_owned() - find a group that somebody owns
 * @ns: in which namespace
 * @who: who
 * @topic_name: of which topic
 * @group_name: which
 * @topic: filled with the topic, for mqbus_group_unlock(); its lock is held
 * @group: filled with the group
 *
 * Return: 0, -ENOENT, -EPERM, -EINTR, or as mqbus_name_check().
 */
int mqbus_group_lock_owned(struct mqbus_ns *ns, const struct mqbus_who *who,
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
	*group = group_lookup(*topic, group_name);
	if (!*group)
		err = -ENOENT;
	else if (!mqbus_who_owns(who, (*group)->uid) &&
		 !uid_eq(who->cred->fsuid, mqbus_topic_uid(*topic)))
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
 * mqbus_group_delete() - delete a group and what it holds back
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: which
 *
 * Return: 0 or a negative errno as of &struct mqbus_group_delete.
 */
int mqbus_group_delete(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const struct mqbus_group_delete *args)
{
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	int err;

	if (args->flags & ~__MQBUS_GROUP_DELETE_F_ALL)
		return -EOPNOTSUPP;
	if (args->__reserved)
		return -EINVAL;
	err = mqbus_group_lock_owned(ns, who, args->topic, args->group, &topic, &group);
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

#define GROUP_SET_STREAM	(MQBUS_GROUP_SET_REBALANCE_TIMEOUT | MQBUS_GROUP_SET_GRACE)
#define GROUP_SET_QUEUE		(__MQBUS_GROUP_SET_ALL & ~GROUP_SET_STREAM & \
				 ~(MQBUS_GROUP_SET_PAUSED | MQBUS_GROUP_SET_LAG_LIMIT))

/* Let members see that the group hands out nothing, or something again. */
static void group_hold(struct mqbus_group *group, bool *what, bool value)
{
	if (group->queue) {
		mqbus_queue_lock(group->queue);
		*what = value;
		mqbus_queue_configure(group->queue);
		mqbus_queue_unlock(group->queue);
	} else {
		spin_lock(&group->lock);
		*what = value;
		if (!mqbus_group_holds(group))
			mqbus_stream_resume(group);
		mqbus_stream_unlock(group);
	}
}

/* Options of a queue group, and under whose rights its dead letters go where they go. */
static int group_set_queue(struct mqbus_group *group, const struct mqbus_who *who,
			   const struct mqbus_group_set *args, struct mqbus_topic **dlq)
{
	struct mqbus_group_queue *q = group->queue;
	int err = mqbus_queue_set(q, &args->queue, args->fields, dlq);

	if (err || !(args->fields & MQBUS_GROUP_SET_DLQ))
		return err;
	mqbus_right_put(&q->dlq_right);
	if (args->queue.dlq[0])
		mqbus_right_get(&q->dlq_right, who);
	return 0;
}

/*
 * As the name says, with @dlq, which is replaced by what is to be put; the caller has a
 * reference of its own besides.
 */
static int group_set_locked(struct mqbus_ns *ns, const struct mqbus_who *who,
			    const struct mqbus_group_set *args, struct mqbus_topic **dlq)
{
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	struct mqbus_topic *linked = *dlq;
	int err;

	err = mqbus_group_lock_owned(ns, who, args->topic, args->group, &topic, &group);
	if (err)
		return err;
	if (args->fields & (group->queue ? GROUP_SET_STREAM : GROUP_SET_QUEUE))
		err = -EBADFD;
	kref_get(&group->ref);
	mutex_unlock(&topic->lock);
	/* A circle is looked for topic by topic, so this one's lock cannot be held */
	if (!err && linked)
		err = mqbus_dlq_check(ns, topic, linked);
	mutex_lock(&topic->lock);
	if (!err && group->dead)
		err = -ENOENT;
	if (!err && group->queue)
		err = group_set_queue(group, who, args, dlq);
	else if (!err)
		err = mqbus_stream_set(group, &args->stream, args->fields);
	if (!err && args->fields & MQBUS_GROUP_SET_PAUSED)
		group_hold(group, &group->paused, args->paused);
	if (!err && args->fields & MQBUS_GROUP_SET_LAG_LIMIT)
		mqbus_lag_set(group, args->lag_limit);
	mqbus_group_put(group);
	mutex_unlock(&topic->lock);
	if (!err && linked)
		mqbus_dlq_linked(ns, topic, linked);
	mqbus_topic_put(topic);
	return err;
}

/**
 * mqbus_group_set() - change options of a group
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: which, and how
 *
 * Return: 0 or a negative errno as of &struct mqbus_group_set.
 */
int mqbus_group_set(struct mqbus_ns *ns, const struct mqbus_who *who,
		    const struct mqbus_group_set *args)
{
	bool connect = args->fields & MQBUS_GROUP_SET_DLQ;
	struct mqbus_topic *dlq = NULL, *new;
	int err = 0;

	if (args->flags || args->fields & ~__MQBUS_GROUP_SET_ALL)
		return -EOPNOTSUPP;
	if (!args->fields || args->__reserved || args->stream.__reserved ||
	    args->queue.__reserved ||
	    (args->fields & MQBUS_GROUP_SET_PAUSED && args->paused > 1))
		return -EINVAL;
	if (connect && args->queue.dlq[0])
		err = mqbus_topic_open(ns, who, args->queue.dlq, MQBUS_MAY_WRITE, &dlq);
	if (err)
		return err;
	new = dlq;
	if (new)
		kref_get(&new->ref);
	if (connect)
		mutex_lock(&ns->dlq_lock);
	err = group_set_locked(ns, who, args, &dlq);
	if (connect)
		mutex_unlock(&ns->dlq_lock);
	/* The one that is not used: the old one, or, after an error, the new one */
	if (dlq)
		mqbus_topic_put(dlq);
	if (new)
		mqbus_topic_put(new);
	return err;
}

/**
 * mqbus_group_delete_all() - the end of a topic
 * @topic: a topic that was deleted, so that nobody makes a new one
 */
void mqbus_group_delete_all(struct mqbus_topic *topic)
{
	mutex_lock(&topic->lock);
	while (!list_empty(&topic->groups)) {
		group_end_unlock(list_first_entry(&topic->groups, struct mqbus_group, node));
		mutex_lock(&topic->lock);
	}
	mutex_unlock(&topic->lock);
}

/**
 * mqbus_group_shut() - keep a group still while it is moved
 * @group: the group; its topic's lock is held
 * @shut: nothing is handed out, and all that was is taken back; or go on
 */
void mqbus_group_shut(struct mqbus_group *group, bool shut)
{
	lockdep_assert_held(&group->topic->lock);

	group_hold(group, &group->shut, shut);
	if (shut && !group->queue)
		mqbus_stream_fence(group);
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
	if (group->queue)
		err = mqbus_queue_enter(group->queue, member);
	else
		err = mqbus_stream_enter(group, member, id);
	mutex_unlock(&group->topic->lock);
	return err;
}

/**
 * mqbus_group_leave() - a member goes, of its own will or by death
 * @group: the group
 * @member: its member
 *
 * When this returns the next member may fetch what the old one did not commit.
 */
void mqbus_group_leave(struct mqbus_group *group, struct mqbus_member *member)
{
	if (group->queue)
		mqbus_queue_leave(group->queue, member);
	else
		mqbus_stream_leave(group, member);
}
