// SPDX-License-Identifier: GPL-2.0
/*
 * Topics: their making, their names, their end.
 */
#include <linux/cpumask.h>
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/once.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "config.h"
#include "event.h"
#include "group.h"
#include "ns.h"
#include "queue.h"
#include "refusal.h"
#include "sender.h"
#include "topic.h"
#include "who.h"

/**
 * mqbus_topic_hash() - a number for a name
 * @name: the name
 *
 * Seeded, so that nobody can choose names that all meet in one bucket.
 *
 * Return: the number.
 */
u32 mqbus_topic_hash(const char *name)
{
	static u32 seed __read_mostly;

	get_random_once(&seed, sizeof(seed));
	return jhash(name, strlen(name), seed);
}

/* Who has a name, also while it is being deleted. */
static struct mqbus_topic *topic_named(struct mqbus_ns *ns, const char *name)
{
	struct mqbus_topic *topic;

	lockdep_assert_held(&ns->lock);
	hash_for_each_possible(ns->topics, topic, node, mqbus_topic_hash(name))
		if (!strcmp(topic->name, name))
			return topic;
	return NULL;
}

/**
 * mqbus_topic_lookup() - a topic by its name
 * @ns: in which namespace; its lock is held
 * @name: a checked name
 *
 * Return: the topic, which is there as long as the lock is held, or NULL.
 */
struct mqbus_topic *mqbus_topic_lookup(struct mqbus_ns *ns, const char *name)
{
	struct mqbus_topic *topic = topic_named(ns, name);

	return topic && !mqbus_topic_dead(topic) ? topic : NULL;
}

/**
 * mqbus_part_free() - undo mqbus_part_alloc()
 * @part: what that returned, or NULL
 */
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
 * @partition: number to tell readers
 * @evict: whether the oldest records go when there is no room
 *
 * Return: the ring, or -ENOMEM, or -EINTR when a fatal signal came.
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

static int topic_alloc_part(struct mqbus_topic *topic, u32 i)
{
	int node = topic->per_cpu && cpu_possible(i) ? cpu_to_node(i) : NUMA_NO_NODE;
	struct mqbus_part *part;

	part = mqbus_part_alloc(topic->ring_size, node, i, topic->full == MQBUS_FULL_EVICT);
	if (IS_ERR(part))
		return PTR_ERR(part);
	topic->parts[i] = part;
	return 0;
}

/* Nobody can reach the topic any more. */
static void topic_free(struct mqbus_topic *topic)
{
	u32 i;

	mqbus_sender_forget_all(topic);
	mqbus_waits_free(topic);
	mqbus_limit_free(&topic->limit);
	for (i = 0; i < topic->nr_parts; i++)
		mqbus_part_free(topic->parts[i]);
	mqbus_uncharge(&topic->charge);
	kvfree(topic);
}

static void topic_release(struct kref *ref)
{
	struct mqbus_topic *topic = container_of(ref, struct mqbus_topic, ref);

	/*
	 * The last endpoint is gone and the groups went when the topic was deleted, so
	 * no writer looks at the list under RCU, and no user has the rings mapped.
	 */
	topic_free(topic);
}

/**
 * mqbus_topic_put() - drop a reference; may sleep
 * @topic: a topic
 */
void mqbus_topic_put(struct mqbus_topic *topic)
{
	kref_put(&topic->ref, topic_release);
}

static struct mqbus_topic *topic_new(const struct mqbus_who *who,
				     const struct mqbus_topic_create *args)
{
	u32 parts = args->partitions ?: nr_cpu_ids;
	struct mqbus_topic *topic;
	int err;

	topic = kvzalloc(struct_size(topic, parts, parts), MQBUS_GFP);
	if (!topic)
		return ERR_PTR(-ENOMEM);
	kref_init(&topic->ref);
	mutex_init(&topic->lock);
	INIT_LIST_HEAD(&topic->groups);
	INIT_LIST_HEAD(&topic->names);
	INIT_LIST_HEAD(&topic->feeders);
	mqbus_limit_init(&topic->limit);
	init_waitqueue_head(&topic->writers);
	strscpy(topic->name, args->name, sizeof(topic->name));
	topic->per_cpu = !args->partitions;
	topic->nr_parts = parts;
	topic->ring_size = args->size;
	topic->max_record = args->max_record ?:
			    min_t(u64, MQBUS_RECORD_DEFAULT, args->size / 4);

	err = mqbus_waits_init(topic) ?: mqbus_config_new(topic, who, args);
	if (err) {
		mqbus_waits_free(topic);
		kvfree(topic);
		return ERR_PTR(err);
	}
	return topic;
}

static int topic_insert(struct mqbus_ns *ns, struct mqbus_topic *topic)
{
	lockdep_assert_held(&ns->lock);

	if (topic_named(ns, topic->name))
		return -EEXIST;
	if (ns->nr_topics >= READ_ONCE(ns->max_topics))
		return -EMFILE;
	/* The endpoint that calls pins the module, so this cannot fail */
	__module_get(THIS_MODULE);
	hash_add(ns->topics, &topic->node, mqbus_topic_hash(topic->name));
	ns->nr_topics++;
	atomic_inc(&ns->seq);
	mqbus_event_topic(MQBUS_EVENT_KIND_TOPIC_MADE, topic);
	mqbus_dlq_look(ns, topic->name);
	return 0;
}

/**
 * mqbus_topic_create() - make a topic, or change one
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: what the user asks for
 *
 * Return: 0 or a negative errno as of &struct mqbus_topic_create.
 */
int mqbus_topic_create(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const struct mqbus_topic_create *args)
{
	struct mqbus_topic *topic;
	u64 bytes;
	bool taken;
	u32 i;
	int err;

	if (args->flags & ~__MQBUS_TOPIC_F_ALL)
		return -EOPNOTSUPP;
	if (args->flags & MQBUS_TOPIC_F_SET)
		return mqbus_config_set(ns, who, args);
	err = mqbus_config_check(args, &bytes);
	if (err)
		return err;

	/* Only to spare the work; what counts is asked again at the end */
	mutex_lock(&ns->lock);
	taken = topic_named(ns, args->name);
	mutex_unlock(&ns->lock);
	if (taken)
		return -EEXIST;

	topic = topic_new(who, args);
	if (IS_ERR(topic))
		return PTR_ERR(topic);

	/* Whoever makes it pays, also if it is to belong to somebody else */
	err = mqbus_charge(&topic->charge, ns, who->cred->fsuid, bytes,
			   mqbus_who_capable(who, CAP_SYS_RESOURCE));
	for (i = 0; !err && i < topic->nr_parts; i++)
		err = topic_alloc_part(topic, i);
	if (!err && args->share)
		err = mqbus_limit_count(topic, ns, who);
	if (!err) {
		mutex_lock(&ns->lock);
		err = topic_insert(ns, topic);
		mutex_unlock(&ns->lock);
	}
	if (err)
		topic_free(topic);
	return err;
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
	mqbus_group_delete_all(topic);
	mutex_lock(&ns->lock);
	hash_del(&topic->node);
	ns->nr_topics--;
	atomic_inc(&ns->seq);
	mqbus_event_topic(MQBUS_EVENT_KIND_TOPIC_DELETED, topic);
	mutex_unlock(&ns->lock);
	module_put(THIS_MODULE);
	/* That may free gigabytes */
	mqbus_topic_put(topic);
}

/**
 * mqbus_topic_delete() - take a topic's name away and wake all that use it
 * @ns: in which namespace
 * @who: on whose behalf
 * @name: a checked name
 *
 * Return: 0, -ENOENT, -EPERM.
 */
int mqbus_topic_delete(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const char *name)
{
	struct mqbus_topic *topic;
	int err = 0;

	mutex_lock(&ns->lock);
	topic = mqbus_topic_lookup(ns, name);
	if (!topic)
		err = -ENOENT;
	else if (!mqbus_who_owns(who, topic->uid))
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

/**
 * mqbus_topic_find() - a topic by its name
 * @ns: in which namespace
 * @name: a checked name
 *
 * Return: the topic with a reference for the caller, or NULL.
 */
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
 * mqbus_topic_open() - a topic that somebody may use
 * @ns: in which namespace
 * @who: on whose behalf
 * @name: as it came from the user
 * @want: MQBUS_MAY_*
 * @topic: filled with the topic and a reference for the caller
 *
 * Return: 0, -ENOENT, -EACCES, or as mqbus_name_check().
 */
int mqbus_topic_open(struct mqbus_ns *ns, const struct mqbus_who *who, const char *name,
		     unsigned int want, struct mqbus_topic **topic)
{
	int err = mqbus_name_check(name);

	if (err)
		return err;
	*topic = mqbus_topic_find(ns, name);
	if (!*topic)
		return -ENOENT;
	if (mqbus_who_may(who, mqbus_topic_uid(*topic), mqbus_topic_gid(*topic),
			  READ_ONCE((*topic)->mode), want))
		return 0;
	mqbus_topic_put(*topic);
	return -EACCES;
}

/**
 * mqbus_topic_wake_writers() - a group has moved on; may sleep
 * @topic: the topic
 */
void mqbus_topic_wake_writers(struct mqbus_topic *topic)
{
	struct mqbus_waits *waits = &topic->waits;

	smp_mb();	/* ORD_SLEEP: full barrier; pairs with those of who waits */
	/* That barrier is for all three: dead letters, */
	if (waitqueue_active(&topic->writers))
		wake_up_interruptible_poll(&topic->writers, EPOLLOUT | EPOLLWRNORM);
	/* who waits for the group, */
	if (waitqueue_active(&waits->settled))
		wake_up_interruptible(&waits->settled);
	/* and producers */
	if (atomic_read(&waits->busy))
		mqbus_line_freed(topic);
}
