// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: DLQ links
 *
 * A group names its DLQ and is linked to the topic of that name. Deleting the topic removes
 * the link, so the group holds nothing of it and becomes an *orphan*: its dead letters wait.
 * A group also becomes an orphan when the user who named the DLQ may no longer write there.
 * When a topic is made or changed, the namespace's work checks the orphans that name it, with
 * the permissions of the user who named it. It checks only orphans whose DLQ name has the
 * same hash, as each check searches for loops.
 *
 * Groups and their DLQs must not form a loop: a record would circulate for ever. Code that
 * makes a link holds the namespace's dlq_lock and first checks that there is no path back;
 * the DLQ that an orphan names counts as a path.
 *
 * A topic takes no larger records as dead letters than from producers: its readers rely on
 * that. So max_record alone bounds the records of a topic, and its dead letters fit wherever
 * its own records do. Only DLQ headers are added, once, however often a record died.
 */
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "base/ns.h"
#include "base/timer.h"
#include "core/record.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

/* Groups with one DLQ: making room in it wakes all that wait */
#define DLQ_FEEDERS	1024

static u32 link_list(const char *name)
{
	return mqbus_topic_hash(name) % MQBUS_DLQ_NAMES;
}

static struct mqbus_ns *queue_ns(const struct mqbus_group_queue *q)
{
	return q->group->charge.ns;
}

/* The DLQ that a group is linked to or could be linked to now, or NULL */
static struct mqbus_topic *link_next(struct mqbus_ns *ns, struct mqbus_group *group)
{
	const struct mqbus_group_queue *q = group->queue;
	struct mqbus_topic *next = NULL;

	lockdep_assert_held(&ns->lock);

	if (!q)
		return NULL;
	spin_lock(&group->lock);
	/* A deleted DLQ leads nowhere, and ns->lock may not keep it */
	if (q->dlq && !mqbus_topic_dead(q->dlq))
		next = q->dlq;
	else if (q->options.dlq[0] && !group->dead)
		next = mqbus_topic_lookup(ns, q->options.dlq);
	spin_unlock(&group->lock);
	return next;
}

/* Note the DLQs of a topic's groups for the search @mark, unless it has been there */
static void link_note(struct mqbus_ns *ns, struct mqbus_topic *topic, u64 mark)
{
	struct mqbus_group *group;

	/* Not under the topic's lock, whose holder may be preempted */
	rcu_read_lock();
	list_for_each_entry_rcu(group, &topic->readers, reader.node) {
		struct mqbus_topic *next = link_next(ns, group);

		if (!next || next->dlq_mark == mark)
			continue;
		next->dlq_mark = mark;
		list_add_tail(&next->dlq_todo, &ns->dlq_todo);
	}
	rcu_read_unlock();
}

/*
 * Whether dead letters get from one topic to another. The namespace's lock is held for the groups
 * of one topic at a time: a search may go through all topics. No link is made meanwhile, and a
 * topic that is deleted leaves the list, as it leads nowhere. An orphan whose topic is made
 * meanwhile is looked at before it is linked.
 */
static bool link_leads(struct mqbus_ns *ns, struct mqbus_topic *from,
		       const struct mqbus_topic *to)
{
	struct mqbus_topic *topic = from;
	bool found = false;
	u64 mark;

	lockdep_assert_held(&ns->dlq_lock);

	mutex_lock(&ns->lock);
	mark = ++ns->dlq_mark;
	from->dlq_mark = mark;
	while (topic) {
		found = found || topic == to;
		if (!found)
			link_note(ns, topic, mark);
		mutex_unlock(&ns->lock);
		cond_resched();
		mutex_lock(&ns->lock);
		topic = list_first_entry_or_null(&ns->dlq_todo, struct mqbus_topic, dlq_todo);
		if (topic)
			list_del_init(&topic->dlq_todo);
	}
	mutex_unlock(&ns->lock);
	return found;
}

/*
 * Whether @dlq may take the dead letters of @topic. The namespace's dlq_lock is held until the link
 * is made. Return: 0, -EMFILE, -ELOOP, -EMSGSIZE (a record of @topic might not fit).
 */
int mqbus_dlq_check(struct mqbus_ns *ns, struct mqbus_topic *topic, struct mqbus_topic *dlq)
{
	/* Room in the DLQ wakes each feeder that waits for it */
	if (READ_ONCE(dlq->nr_feeders) >= DLQ_FEEDERS)
		return -EMFILE;
	if (link_leads(ns, dlq, topic))
		return -ELOOP;
	if (topic->max_record > dlq->max_record ||
	    mqbus_record_most(topic->max_record) > dlq->ring_size / 2)
		return -EMSGSIZE;
	return 0;
}

/*
 * Link a queue to another DLQ. The group's lock is held; the queue has the new options and
 * dlq_right. The reference to @dlq passes to the queue; NULL: no such topic. A dead group does not
 * become an orphan. Return: the old DLQ with its reference, or NULL.
 */
struct mqbus_topic *mqbus_dlq_swap(struct mqbus_group_queue *q, struct mqbus_topic *dlq)
{
	struct mqbus_ns *ns = queue_ns(q);
	struct mqbus_topic *old = q->dlq;
	bool there, room;

	lockdep_assert_held(&q->group->lock);

	mqbus_dlq_unwait(q);
	q->dlq = dlq;
	spin_lock(&ns->dlq_links);
	list_del_init(&q->dlq_node);
	/* A topic is dead before its feeders are removed, so none is added later */
	there = dlq && !mqbus_topic_dead(dlq);
	room = old && old->nr_feeders == DLQ_FEEDERS && !mqbus_topic_dead(old);
	if (old)
		WRITE_ONCE(old->nr_feeders, old->nr_feeders - 1);
	if (dlq)
		WRITE_ONCE(dlq->nr_feeders, dlq->nr_feeders + 1);
	q->dlq_name = link_list(q->options.dlq);
	/* Also of one that has just been deleted: another of its owner may replace it */
	if (dlq)
		q->dlq_uid = mqbus_topic_uid(dlq);
	if (there)
		list_add_tail(&q->dlq_node, &dlq->feeders);
	else if (q->options.dlq[0] && !q->group->dead)
		list_add_tail(&q->dlq_node, dlq ? &ns->dlq_left : &ns->dlq_orphans[q->dlq_name]);
	spin_unlock(&ns->dlq_links);
	if (dlq && !there)
		queue_work(mqbus_wq, &ns->dlq_work);
	/* Code that revokes a permission checks links afterwards: one of the two sees the other */
	if (there && !mqbus_dlq_allowed(q, dlq))
		mqbus_dlq_leave(ns, dlq);
	if (room)
		mqbus_dlq_look(ns, old->name);
	mqbus_dlq_retry(q);
	return old;
}

/*
 * Check links again after a topic was deleted or its owner or mode changed: only groups whose user
 * may still write to it stay linked.
 */
void mqbus_dlq_leave(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	spin_lock(&ns->dlq_links);
	list_splice_tail_init(&topic->feeders, &ns->dlq_left);
	spin_unlock(&ns->dlq_links);
	queue_work(mqbus_wq, &ns->dlq_work);
}

/*
 * Link orphans to a topic of that name, which may accept them now. Process context, under any
 * locks.
 */
void mqbus_dlq_look(struct mqbus_ns *ns, const char *name)
{
	u32 i = link_list(name);
	bool any;

	/* Take the lock: an orphan that is being moved is briefly in no list */
	spin_lock(&ns->dlq_links);
	any = !list_empty(&ns->dlq_orphans[i]);
	if (any)
		set_bit(i, ns->dlq_named);
	spin_unlock(&ns->dlq_links);
	if (any)
		queue_work(mqbus_wq, &ns->dlq_work);
}

/*
 * The next orphan of a list in this pass, or NULL. The caller gets references to its group and to
 * the group's topic, which must outlive the group's work.
 */
static struct mqbus_group_queue *orphan_next(struct mqbus_ns *ns, struct list_head *list)
{
	struct mqbus_group_queue *q;

	spin_lock(&ns->dlq_links);
	q = list_first_entry_or_null(list, struct mqbus_group_queue, dlq_node);
	if (q && q->dlq_pass == ns->dlq_pass)
		q = NULL;
	if (q) {
		q->dlq_pass = ns->dlq_pass;
		list_move_tail(&q->dlq_node, &ns->dlq_orphans[q->dlq_name]);
		/* The queue leaves the list before the last put of these */
		kref_get(&q->group->ref);
		kref_get(&q->group->topic->ref);
	}
	spin_unlock(&ns->dlq_links);
	return q;
}

/*
 * Whether an orphan may be linked to a new topic of this owner: the former owner, the user who
 * named the DLQ, or root of the namespace. A stranger who takes the name first must not receive
 * dead letters of others.
 */
static bool orphan_owner(const struct mqbus_ns *ns, const struct mqbus_group_queue *q,
			 kuid_t uid)
{
	const struct mqbus_right *right = &q->dlq_right;

	return uid_eq(uid, q->dlq_uid) || (right->groups && uid_eq(uid, right->uid)) ||
	       uid_eq(uid, make_kuid(ns->net->user_ns, 0));
}

/* The DLQ that a group may stay linked to, with a reference, or NULL */
static struct mqbus_topic *orphan_kept(struct mqbus_group_queue *q)
{
	struct mqbus_topic *dlq;

	spin_lock(&q->group->lock);
	dlq = mqbus_dlq_open(q) ? q->dlq : NULL;
	if (dlq)
		kref_get(&dlq->ref);
	spin_unlock(&q->group->lock);
	return dlq;
}

/* The topic that an orphan names, with a reference, if the link is allowed; or NULL */
static struct mqbus_topic *orphan_find(struct mqbus_ns *ns, struct mqbus_group_queue *q,
				       struct mqbus_topic *topic)
{
	/* DLQ names and permissions change under dlq_lock only */
	struct mqbus_topic *dlq = mqbus_topic_find(ns, q->options.dlq);

	if (!dlq)
		return NULL;
	if (orphan_owner(ns, q, mqbus_topic_uid(dlq)) && mqbus_dlq_allowed(q, dlq) &&
	    !mqbus_dlq_check(ns, topic, dlq))
		return dlq;
	mqbus_topic_put(dlq);
	return NULL;
}

/* Return: a topic for the caller to put without a lock, or NULL */
static struct mqbus_topic *orphan_link(struct mqbus_ns *ns, struct mqbus_group_queue *q,
				       struct mqbus_topic *topic)
{
	struct mqbus_topic *dlq, *old = NULL;
	bool linked;

	lockdep_assert_held(&ns->dlq_lock);

	/* The group may have a new DLQ or its permission back by now */
	dlq = orphan_kept(q) ?: orphan_find(ns, q, topic);
	spin_lock(&q->group->lock);
	if (q->group->dead)
		old = dlq;
	else if (dlq || q->dlq)
		old = mqbus_dlq_swap(q, dlq);
	linked = q->dlq;
	spin_unlock(&q->group->lock);
	if (linked)
		mqbus_queue_kick(q);
	return old;
}

static void orphans_look(struct mqbus_ns *ns, struct list_head *list)
{
	struct mqbus_topic *topic, *old;
	struct mqbus_group_queue *q;

	ns->dlq_pass++;
	while ((q = orphan_next(ns, list))) {
		topic = q->group->topic;
		mutex_lock(&ns->dlq_lock);
		old = orphan_link(ns, q, topic);
		mutex_unlock(&ns->dlq_lock);
		if (old)
			mqbus_topic_put(old);
		/* Freeing the group ends its work; the topic must outlive that */
		mqbus_group_put(q->group);
		mqbus_topic_put(topic);
		cond_resched();
	}
}

static void orphans_run(struct work_struct *work)
{
	struct mqbus_ns *ns = container_of(work, struct mqbus_ns, dlq_work);
	unsigned long i;

	orphans_look(ns, &ns->dlq_left);
	for_each_set_bit(i, ns->dlq_named, MQBUS_DLQ_NAMES)
		if (test_and_clear_bit(i, ns->dlq_named))
			orphans_look(ns, &ns->dlq_orphans[i]);
}

/* Initialize a namespace without links */
void mqbus_dlq_ns_init(struct mqbus_ns *ns)
{
	u32 i;

	INIT_LIST_HEAD(&ns->dlq_todo);
	spin_lock_init(&ns->dlq_links);
	INIT_LIST_HEAD(&ns->dlq_left);
	for (i = 0; i < MQBUS_DLQ_NAMES; i++)
		INIT_LIST_HEAD(&ns->dlq_orphans[i]);
	INIT_WORK(&ns->dlq_work, orphans_run);
}

/* Undo mqbus_dlq_ns_init(); the namespace has no topics */
void mqbus_dlq_ns_exit(struct mqbus_ns *ns)
{
	cancel_work_sync(&ns->dlq_work);
}
