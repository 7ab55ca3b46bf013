// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Who is the author
 *
 * Each producer is the holder of an author, which gives its records their numbers: one
 * of its own, or the one that a name stands for. Records are stored under the author's
 * lock, inside the ring's, and by nobody but the holder. Opening a name makes another
 * endpoint the holder under the same lock; whatever the former one was doing - waiting
 * for space, or for a page that never comes - it stores nothing any more.
 *
 * A topic remembers a bounded number of names. For a new one the name goes that was
 * closed longest ago; who still has it open was fenced before.
 */
#include <linux/err.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "base/ns.h"
#include "base/caller.h"
#include "log/refusal.h"
#include "log/author.h"
#include "log/topic.h"

/**
 * mqbus_author_init() - make an author
 * @author: to fill; zeroed
 * @ns: in which namespace
 * @holder: who may store under it
 */
void mqbus_author_init(struct mqbus_author *author, struct mqbus_ns *ns, const void *holder)
{
	spin_lock_init(&author->lock);
	author->id = atomic64_inc_return(&ns->producers);
	author->holder = holder;
}

static void name_release(struct kref *ref)
{
	struct mqbus_named *name = container_of(ref, struct mqbus_named, ref);

	mqbus_uncharge(&name->charge);
	kfree(name);
}

static void name_forget(struct mqbus_topic *topic, struct mqbus_named *name)
{
	list_del(&name->node);
	topic->nr_names--;
	kref_put(&name->ref, name_release);
}

/**
 * mqbus_author_forget_all() - the end of a topic
 * @topic: a topic that nobody can reach any more
 */
void mqbus_author_forget_all(struct mqbus_topic *topic)
{
	struct mqbus_named *name, *next;

	list_for_each_entry_safe(name, next, &topic->names, node)
		name_forget(topic, name);
}

static struct mqbus_named *name_find(struct mqbus_topic *topic, const char *text)
{
	struct mqbus_named *name;

	list_for_each_entry(name, &topic->names, node)
		if (!strcmp(name->name, text))
			return name;
	return NULL;
}

/* The one that was closed longest ago, or NULL. */
static struct mqbus_named *name_oldest(struct mqbus_topic *topic)
{
	struct mqbus_named *name;

	list_for_each_entry(name, &topic->names, node)
		if (!name->author.holder)
			return name;
	return NULL;
}

static struct mqbus_named *name_new(struct mqbus_topic *topic, struct mqbus_ns *ns,
				    const struct mqbus_caller *caller, const char *text)
{
	struct mqbus_named *name, *old = NULL;
	int err;

	lockdep_assert_held(&topic->lock);

	if (topic->nr_names >= MQBUS_PRODUCERS_MAX) {
		old = name_oldest(topic);
		if (!old)
			return ERR_PTR(-EMFILE);
	}
	name = kzalloc(sizeof(*name), GFP_KERNEL_ACCOUNT);
	if (!name)
		return ERR_PTR(-ENOMEM);
	err = mqbus_charge(&name->charge, ns, caller->cred->fsuid, sizeof(*name),
			   mqbus_caller_capable(caller, CAP_SYS_RESOURCE));
	if (err) {
		kfree(name);
		return ERR_PTR(err);
	}
	if (old)
		name_forget(topic, old);
	mqbus_author_init(&name->author, ns, NULL);
	kref_init(&name->ref);
	name->uid = caller->cred->fsuid;
	strscpy(name->name, text, sizeof(name->name));
	list_add_tail(&name->node, &topic->names);
	topic->nr_names++;
	return name;
}

/**
 * mqbus_author_open() - make an endpoint the holder of a name
 * @topic: the topic
 * @ns: its namespace
 * @caller: on whose behalf
 * @holder: the endpoint
 * @args: the name, checked; epoch and last sequence number are written back
 *
 * Who held it stores nothing any more on return, and is woken to learn so.
 *
 * Return: the author, for mqbus_author_close(), or -EPERM, -EMFILE, -ENOMEM, -EDQUOT,
 * -ENOSPC.
 */
struct mqbus_author *mqbus_author_open(struct mqbus_topic *topic, struct mqbus_ns *ns,
				       const struct mqbus_caller *caller, const void *holder,
				       struct mqbus_produce *args)
{
	struct mqbus_author *author;
	struct mqbus_named *name;
	const void *old;

	mutex_lock(&topic->lock);
	name = name_find(topic, args->name);
	if (!name)
		name = name_new(topic, ns, caller, args->name);
	else if (!mqbus_caller_owns(caller, name->uid))
		name = ERR_PTR(-EPERM);
	if (IS_ERR(name)) {
		mutex_unlock(&topic->lock);
		return ERR_CAST(name);
	}

	kref_get(&name->ref);
	author = &name->author;
	spin_lock(&author->lock);
	old = author->holder;
	WRITE_ONCE(author->holder, holder);
	/* 0 is of those without a name, also after a very long time */
	author->epoch = author->epoch + 1 ?: 1;
	args->epoch = author->epoch;
	args->last_seq = author->seq;
	spin_unlock(&author->lock);
	if (old)
		mqbus_refusal_fenced(old);
	mutex_unlock(&topic->lock);
	return author;
}

/**
 * mqbus_author_close() - an endpoint that has or had a name goes
 * @topic: the topic
 * @author: what mqbus_author_open() gave
 * @holder: the endpoint
 */
void mqbus_author_close(struct mqbus_topic *topic, struct mqbus_author *author,
			const void *holder)
{
	struct mqbus_named *name = container_of(author, struct mqbus_named, author);

	mutex_lock(&topic->lock);
	/* Its own close cannot be overtaken: holders change under this lock */
	if (!mqbus_author_fenced(author, holder)) {
		spin_lock(&author->lock);
		WRITE_ONCE(author->holder, NULL);
		spin_unlock(&author->lock);
		list_move_tail(&name->node, &topic->names);
	}
	mutex_unlock(&topic->lock);
	kref_put(&name->ref, name_release);
}
