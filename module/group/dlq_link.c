// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Where dead letters go
 *
 * A group names the topic of its dead letters, and is linked to the topic that has that
 * name. When that topic is deleted the link goes with it, so that nothing of it is held,
 * and the group is an *orphan*: its dead letters wait. So it is when whoever named the topic
 * may not write there any more. When a topic is made or changed, the
 * work of the namespace looks again for the orphans that name it, under the rights of
 * whoever named it. It looks at no others, but for those whose name has the same hash: each
 * look is a search for circles.
 *
 * Groups and their topics of dead letters must not form a circle: a record would go
 * round for ever. All that makes a new link holds the namespace's dlq_lock, and looks
 * first whether the way back exists; what an orphan names counts as a way.
 *
 * A topic takes no larger records as dead letters than from producers: who reads there relies
 * on it. So the largest record of each is known from itself, and what comes to it fits
 * wherever its own records do. Only our headers come on top, once, however often it died.
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

/* Groups whose dead letters go to one topic: whoever makes room there wakes all that wait */
#define DLQ_FEEDERS	1024

static u32 link_list(const char *name)
{
	return mqbus_topic_hash(name) % MQBUS_DLQ_NAMES;
}

static struct mqbus_ns *queue_ns(const struct mqbus_group_queue *q)
{
	return q->group->charge.ns;
}

/* Where the dead letters of a group go, or would if it were looked for now, or NULL. */
static struct mqbus_topic *link_next(struct mqbus_ns *ns, struct mqbus_group *group)
{
	const struct mqbus_group_queue *q = group->queue;
	struct mqbus_topic *next = NULL;

	lockdep_assert_held(&ns->lock);

	if (!q)
		return NULL;
	spin_lock(&group->lock);
	/* One that was deleted leads nowhere, and is not ours to hold */
	if (q->dlq && !mqbus_topic_dead(q->dlq))
		next = q->dlq;
	else if (q->options.dlq[0] && !group->dead)
		next = mqbus_topic_lookup(ns, q->options.dlq);
	spin_unlock(&group->lock);
	return next;
}

/*
 * Whether dead letters come from one topic to another. Groups are looked at under RCU: nobody
 * waits here for a topic's lock, whose holder may be preempted.
 */
static bool link_leads(struct mqbus_ns *ns, struct mqbus_topic *from,
		       const struct mqbus_topic *to)
{
	struct mqbus_topic *todo = from;
	struct mqbus_group *group;
	u32 mark;

	lockdep_assert_held(&ns->dlq_lock);

	mutex_lock(&ns->lock);
	mark = ++ns->dlq_mark;
	from->dlq_mark = mark;
	from->dlq_todo = NULL;
	while (todo && todo != to) {
		struct mqbus_topic *topic = todo;

		todo = topic->dlq_todo;
		rcu_read_lock();
		list_for_each_entry_rcu(group, &topic->readers, reader.node) {
			struct mqbus_topic *next = link_next(ns, group);

			if (!next || next->dlq_mark == mark)
				continue;
			next->dlq_mark = mark;
			next->dlq_todo = todo;
			todo = next;
		}
		rcu_read_unlock();
		cond_resched();
	}
	mutex_unlock(&ns->lock);
	return todo;
}

/**
 * mqbus_dlq_check() - whether a topic may take another one's dead letters
 * @ns: the namespace of both; its dlq_lock is held until the link is made
 * @topic: where they come from
 * @dlq: where they are to go
 *
 * Return: 0, -EMFILE, -ELOOP, -EMSGSIZE (a record of @topic might not fit there).
 */
int mqbus_dlq_check(struct mqbus_ns *ns, struct mqbus_topic *topic, struct mqbus_topic *dlq)
{
	/* Each may wait for room, and is woken when there is some */
	if (READ_ONCE(dlq->nr_feeders) >= DLQ_FEEDERS)
		return -EMFILE;
	if (link_leads(ns, dlq, topic))
		return -ELOOP;
	if (topic->max_record > dlq->max_record ||
	    mqbus_record_most(topic->max_record) > dlq->ring_size / 2)
		return -EMSGSIZE;
	return 0;
}

/* Whether whoever named a topic may write there. His rights change under dlq_lock only. */
static bool link_allowed(const struct mqbus_group_queue *q, const struct mqbus_topic *dlq)
{
	return mqbus_right_may(&q->dlq_right, mqbus_topic_uid(dlq), mqbus_topic_gid(dlq),
			       READ_ONCE(dlq->mode), MQBUS_MAY_WRITE);
}

/**
 * mqbus_dlq_swap() - let dead letters go somewhere else
 * @q: the queue, with the topic's name among its options, and the rights of whoever named
 *	it; the group's lock is held
 * @dlq: the topic, with a reference that is the queue's from then on; NULL: it is not there
 *
 * Of a group that is dead nothing is looked for any more.
 *
 * Return: the one before, with its reference, or NULL.
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
	/* It dies before its feeders are taken from it, so none comes to them later */
	there = dlq && !mqbus_topic_dead(dlq);
	room = old && old->nr_feeders == DLQ_FEEDERS && !mqbus_topic_dead(old);
	if (old)
		WRITE_ONCE(old->nr_feeders, old->nr_feeders - 1);
	if (dlq)
		WRITE_ONCE(dlq->nr_feeders, dlq->nr_feeders + 1);
	q->dlq_name = link_list(q->options.dlq);
	if (there) {
		list_add_tail(&q->dlq_node, &dlq->feeders);
		q->dlq_uid = mqbus_topic_uid(dlq);
	} else if (q->options.dlq[0] && !q->group->dead) {
		list_add_tail(&q->dlq_node, dlq ? &ns->dlq_left : &ns->dlq_orphans[q->dlq_name]);
	}
	spin_unlock(&ns->dlq_links);
	if (dlq && !there)
		queue_work(mqbus_wq, &ns->dlq_work);
	/* Who takes a right away looks for links after that: one of the two sees the other */
	if (there && !link_allowed(q, dlq))
		mqbus_dlq_leave(ns, dlq);
	if (room)
		mqbus_dlq_look(ns, old->name);
	mqbus_dlq_retry(q);
	return old;
}

/**
 * mqbus_dlq_leave() - a topic was deleted, or its owner or mode were changed
 * @ns: its namespace
 * @topic: the topic
 *
 * No dead letters come to it any more, but from those who still may write there.
 */
void mqbus_dlq_leave(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	spin_lock(&ns->dlq_links);
	list_splice_tail_init(&topic->feeders, &ns->dlq_left);
	spin_unlock(&ns->dlq_links);
	queue_work(mqbus_wq, &ns->dlq_work);
}

/**
 * mqbus_dlq_look() - a topic may take dead letters that it did not
 * @ns: in which namespace
 * @name: its name
 *
 * From any context of a process, whatever locks are held.
 */
void mqbus_dlq_look(struct mqbus_ns *ns, const char *name)
{
	u32 i = link_list(name);
	bool any;

	/* Under the lock, as one that is being moved is in no list for a moment */
	spin_lock(&ns->dlq_links);
	any = !list_empty(&ns->dlq_orphans[i]);
	if (any)
		set_bit(i, ns->dlq_named);
	spin_unlock(&ns->dlq_links);
	if (any)
		queue_work(mqbus_wq, &ns->dlq_work);
}

/*
 * The next one of a list in this pass, or NULL; with references to its group and to that
 * one's topic, which must outlive the group's work.
 */
static struct mqbus_group_queue *orphan_next(struct mqbus_ns *ns, struct list_head *list)
{
	struct mqbus_group_queue *q;

	spin_lock(&ns->dlq_links);
	q = list_first_entry_or_null(list, struct mqbus_group_queue, dlq_node);
	if (q && q->dlq_pass == ns->dlq_pass && list != &ns->dlq_left)
		q = NULL;
	if (q) {
		q->dlq_pass = ns->dlq_pass;
		list_move_tail(&q->dlq_node, &ns->dlq_orphans[q->dlq_name]);
		/* It leaves the list before these are put for the last time */
		kref_get(&q->group->ref);
		kref_get(&q->group->topic->ref);
	}
	spin_unlock(&ns->dlq_links);
	return q;
}

/*
 * Whether somebody may make the topic anew: its owner before, who named it, or root of the
 * namespace. A stranger who is quick must not get what others could not deal with.
 */
static bool orphan_owner(const struct mqbus_ns *ns, const struct mqbus_group_queue *q,
			 kuid_t uid)
{
	const struct mqbus_right *right = &q->dlq_right;

	return uid_eq(uid, q->dlq_uid) || (right->groups && uid_eq(uid, right->uid)) ||
	       uid_eq(uid, make_kuid(ns->net->user_ns, 0));
}

/* Where the dead letters of a group go that may stay so, with a reference, or NULL. */
static struct mqbus_topic *orphan_kept(struct mqbus_group_queue *q)
{
	struct mqbus_topic *dlq;

	spin_lock(&q->group->lock);
	dlq = q->dlq;
	if (dlq && !mqbus_topic_dead(dlq) && link_allowed(q, dlq))
		kref_get(&dlq->ref);
	else
		dlq = NULL;
	spin_unlock(&q->group->lock);
	return dlq;
}

/* The topic that an orphan names, with a reference, if it may be linked to it; or NULL. */
static struct mqbus_topic *orphan_find(struct mqbus_ns *ns, struct mqbus_group_queue *q,
				       struct mqbus_topic *topic)
{
	/* Names and rights change under dlq_lock only */
	struct mqbus_topic *dlq = mqbus_topic_find(ns, q->options.dlq);

	if (!dlq)
		return NULL;
	if (orphan_owner(ns, q, mqbus_topic_uid(dlq)) && link_allowed(q, dlq) &&
	    !mqbus_dlq_check(ns, topic, dlq))
		return dlq;
	mqbus_topic_put(dlq);
	return NULL;
}

/* Return: what it was linked to, to be put without a lock. */
static struct mqbus_topic *orphan_link(struct mqbus_ns *ns, struct mqbus_group_queue *q,
				       struct mqbus_topic *topic)
{
	struct mqbus_topic *dlq, *old = NULL;
	bool linked;

	lockdep_assert_held(&ns->dlq_lock);

	/* It may have been given another one meanwhile, or its right back */
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
		/* Freeing the group ends its work, and only then the topic may go */
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

/**
 * mqbus_dlq_ns_init() - a namespace without links
 * @ns: the namespace
 */
void mqbus_dlq_ns_init(struct mqbus_ns *ns)
{
	u32 i;

	spin_lock_init(&ns->dlq_links);
	INIT_LIST_HEAD(&ns->dlq_left);
	for (i = 0; i < MQBUS_DLQ_NAMES; i++)
		INIT_LIST_HEAD(&ns->dlq_orphans[i]);
	INIT_WORK(&ns->dlq_work, orphans_run);
}

/**
 * mqbus_dlq_ns_exit() - undo mqbus_dlq_ns_init()
 * @ns: a namespace without topics
 */
void mqbus_dlq_ns_exit(struct mqbus_ns *ns)
{
	cancel_work_sync(&ns->dlq_work);
}
