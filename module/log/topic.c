// SPDX-License-Identifier: GPL-2.0
/*
 * Topics: memory, names, wakeups.
 */
#include <linux/cpumask.h>
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/once.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "base/event.h"
#include "base/ns.h"
#include "base/caller.h"
#include "log/refusal.h"
#include "log/author.h"
#include "log/topic.h"

/* Hash of a name, seeded so that users cannot choose names that collide. */
u32 mqbus_topic_hash(const char *name)
{
	static u32 seed __read_mostly;

	get_random_once(&seed, sizeof(seed));
	return jhash(name, strlen(name), seed);
}

/* The topic of a name, even one that is being deleted. */
static struct mqbus_topic *topic_named(struct mqbus_ns *ns, const char *name)
{
	struct mqbus_topic *topic;

	lockdep_assert_held(&ns->lock);
	hash_for_each_possible(ns->topics, topic, node, mqbus_topic_hash(name))
		if (!strcmp(topic->name, name))
			return topic;
	return NULL;
}

/* Find a topic by a checked name, or NULL; it stays as long as the namespace's lock is held. */
struct mqbus_topic *mqbus_topic_lookup(struct mqbus_ns *ns, const char *name)
{
	struct mqbus_topic *topic = topic_named(ns, name);

	return topic && !mqbus_topic_dead(topic) ? topic : NULL;
}

/* Undo mqbus_part_alloc(); @part may be NULL. */
void mqbus_part_free(struct mqbus_part *part)
{
	if (!part)
		return;
	kfree(part->ring.used);
	mqbus_memory_free(&part->mem);
	kfree(part);
}

/**
 * mqbus_part_alloc() - make a ring with its memory
 * @size: bytes, a power of two of at least a page
 * @node: NUMA node to prefer
 * @partition: number for readers
 * @evict: whether the oldest records are dropped when there is no room
 *
 * Return: the ring, or -ENOMEM, or -EINTR after a fatal signal.
 */
struct mqbus_part *mqbus_part_alloc(u64 size, int node, u32 partition, bool evict)
{
	struct mqbus_part *part;
	int err;

	part = kzalloc_node(sizeof(*part), GFP_KERNEL_ACCOUNT, node);
	if (!part)
		return ERR_PTR(-ENOMEM);
	err = mqbus_memory_alloc(&part->mem, size, node);
	if (err) {
		kfree(part);
		return ERR_PTR(err);
	}
	mqbus_line_init(&part->line);
	mqbus_ring_init(&part->ring, part->mem.page, part->mem.data, size, partition, evict);
	return part;
}

static void topic_release(struct kref *ref)
{
	struct mqbus_topic *topic = container_of(ref, struct mqbus_topic, ref);
	u32 i;

	/*
	 * The last endpoint is gone and the groups went when the topic was deleted, so
	 * no writer looks at the list under RCU, and no user has the rings mapped.
	 */
	mqbus_author_forget_all(topic);
	mqbus_waits_free(topic);
	mqbus_quota_free(&topic->quota);
	for (i = 0; i < topic->nr_parts; i++)
		mqbus_part_free(topic->parts[i]);
	mqbus_uncharge(&topic->charge);
	kvfree(topic);
}

/* Drop a reference; may sleep. */
void mqbus_topic_put(struct mqbus_topic *topic)
{
	kref_put(&topic->ref, topic_release);
}

/*
 * Make a topic without its partitions; @args is checked. Return: the topic, in no table, with
 * a reference for mqbus_topic_put(), or NULL.
 */
struct mqbus_topic *mqbus_topic_new(const struct mqbus_topic_create *args)
{
	u32 parts = args->partitions ?: nr_cpu_ids;
	struct mqbus_topic *topic;

	topic = kvzalloc(struct_size(topic, parts, parts), MQBUS_GFP);
	if (!topic)
		return NULL;
	kref_init(&topic->ref);
	mutex_init(&topic->lock);
	/* No holder waits for memory, as others wait for the lock; lockdep reports one that does */
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&topic->lock);
	fs_reclaim_release(GFP_KERNEL);
	INIT_LIST_HEAD(&topic->readers);
	INIT_LIST_HEAD(&topic->namers);
	INIT_LIST_HEAD(&topic->feeders);
	INIT_LIST_HEAD(&topic->dlq_todo);
	mqbus_quota_init(&topic->quota);
	init_waitqueue_head(&topic->writers);
	strscpy(topic->name, args->name, sizeof(topic->name));
	topic->per_cpu = !args->partitions;
	topic->nr_parts = parts;
	topic->ring_size = args->size;
	topic->max_record = args->max_record ?:
			    min_t(u64, MQBUS_RECORD_DEFAULT, args->size / 4);
	if (!mqbus_waits_init(topic))
		return topic;
	kvfree(topic);
	return NULL;
}

/*
 * Make a new topic's partitions, which are charged already. Return: 0, -ENOMEM, or -EINTR
 * after a fatal signal.
 */
int mqbus_topic_alloc(struct mqbus_topic *topic)
{
	struct mqbus_part *part;
	int node;
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		node = topic->per_cpu && cpu_possible(i) ? cpu_to_node(i) : NUMA_NO_NODE;
		part = mqbus_part_alloc(topic->ring_size, node, i,
					topic->full == MQBUS_FULL_EVICT);
		if (IS_ERR(part))
			return PTR_ERR(part);
		topic->parts[i] = part;
	}
	return 0;
}

/*
 * Add a topic to the table, which takes the caller's reference; the namespace's lock is held.
 * Return: 0, -EEXIST, -EMFILE.
 */
int mqbus_topic_insert(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	lockdep_assert_held(&ns->lock);

	if (topic_named(ns, topic->name))
		return -EEXIST;
	if (ns->nr_topics >= READ_ONCE(ns->max_topics))
		return -EMFILE;
	/* The calling endpoint pins the module, so this cannot fail */
	__module_get(THIS_MODULE);
	topic->number = atomic64_inc_return(&ns->made);
	hash_add(ns->topics, &topic->node, mqbus_topic_hash(topic->name));
	ns->nr_topics++;
	atomic_inc(&ns->seq);
	return 0;
}

/*
 * Remove a topic from the table: it is dead. The namespace's lock is held. The caller gets the
 * table's reference, to be put without locks, as that may free gigabytes.
 */
void mqbus_topic_remove(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	lockdep_assert_held(&ns->lock);

	hash_del(&topic->node);
	/* A search for loops has let the lock go */
	list_del_init(&topic->dlq_todo);
	ns->nr_topics--;
	atomic_inc(&ns->seq);
	module_put(THIS_MODULE);
}

/* Find a topic by a checked name. Return: the topic with a reference, or NULL. */
struct mqbus_topic *mqbus_topic_find(struct mqbus_ns *ns, const char *name)
{
	struct mqbus_topic *topic;

	mutex_lock(&ns->lock);
	topic = mqbus_topic_lookup(ns, name);
	if (topic)
		kref_get(&topic->ref);
	mutex_unlock(&ns->lock);
	return topic;
}

/**
 * mqbus_topic_open() - find a topic and check permissions
 * @ns: namespace of the topic
 * @caller: credentials of the call
 * @name: name from the user, not checked
 * @want: MQBUS_MAY_*
 * @topic: filled with the topic and a reference for the caller
 *
 * Return: 0, -ENOENT, -EACCES, or as mqbus_name_check().
 */
int mqbus_topic_open(struct mqbus_ns *ns, const struct mqbus_caller *caller, const char *name,
		     unsigned int want, struct mqbus_topic **topic)
{
	int err = mqbus_name_check(name);

	if (err)
		return err;
	*topic = mqbus_topic_find(ns, name);
	if (!*topic)
		return -ENOENT;
	if (mqbus_caller_may(caller, mqbus_topic_uid(*topic), mqbus_topic_gid(*topic),
			     READ_ONCE((*topic)->mode), want))
		return 0;
	mqbus_topic_put(*topic);
	return -EACCES;
}

/* Report an event in a topic; its place is filled in. */
void mqbus_topic_report(const struct mqbus_topic *topic, struct mqbus_event *e)
{
	e->ns = topic->charge.ns;
	e->topic = (struct mqbus_event_place) {
		.name = topic->name,
		.uid = mqbus_topic_uid(topic),
		.mode = READ_ONCE(topic->mode),
	};
	mqbus_event_report(e);
}

/* A group has moved on in a partition, or MQBUS_ANY: wake waiters. May sleep. */
void mqbus_topic_wake_writers_in(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_waits *waits = &topic->waits;

	smp_mb();	/* ORD_SLEEP: full barrier; pairs with those of waiters */
	/* The barrier serves three kinds of waiters: dead letters, */
	if (waitqueue_active(&topic->writers))
		wake_up_interruptible_poll(&topic->writers, EPOLLOUT | EPOLLWRNORM);
	/* waiters for groups, */
	if (waitqueue_active(&waits->settled))
		wake_up_interruptible(&waits->settled);
	/* and producers */
	if (atomic_read(&waits->busy))
		mqbus_line_freed(topic, partition);
}

/* The same for all partitions. */
void mqbus_topic_wake_writers(struct mqbus_topic *topic)
{
	mqbus_topic_wake_writers_in(topic, MQBUS_ANY);
}
