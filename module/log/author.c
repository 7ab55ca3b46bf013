// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Authors of records
 *
 * Each producer is the holder of an author, which numbers its records: one of its own,
 * or that of a name. Records are stored under the author's lock, inside the ring's, and
 * only by the holder. Opening a name makes another endpoint the holder under the same
 * lock; the former holder stores no more records, even if it was waiting for space or
 * for a page that never comes.
 *
 * A topic remembers a bounded number of names, and a uid may have no more than are left free
 * for others. One more name replaces the uid's own that was closed longest ago; at the topic's
 * limit the uid with the most names loses one. So no user can make a topic forget the names of
 * a uid that has fewer. A name with a holder is never forgotten; other endpoints that still
 * have it open were fenced before.
 */
#include <linux/err.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "base/ns.h"
#include "base/caller.h"
#include "log/refusal.h"
#include "log/author.h"
#include "log/producer.h"
#include "log/topic.h"

/* Make an author, zeroed, that @holder stores records under. */
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
	kfree(name->namer);
	kfree(name);
}

static void name_forget(struct mqbus_topic *topic, struct mqbus_named *name)
{
	struct mqbus_namer *namer = name->namer;

	list_del(&name->node);
	topic->nr_names--;
	name->namer = NULL;
	if (!--namer->nr) {
		list_del(&namer->node);
		kfree(namer);
	}
	kref_put(&name->ref, name_release);
}

/* Forget the names of a topic that has no users any more. */
void mqbus_author_forget_all(struct mqbus_topic *topic)
{
	struct mqbus_namer *namer;
	u32 nr;

	while (!list_empty(&topic->namers)) {
		namer = list_first_entry(&topic->namers, struct mqbus_namer, node);
		/* The last of its names takes it along */
		for (nr = namer->nr; nr; nr--)
			name_forget(topic, list_first_entry(&namer->names, struct mqbus_named,
							    node));
	}
}

static struct mqbus_named *name_find(struct mqbus_topic *topic, const char *text)
{
	struct mqbus_namer *namer;
	struct mqbus_named *name;

	list_for_each_entry(namer, &topic->namers, node)
		list_for_each_entry(name, &namer->names, node)
			if (!strcmp(name->name, text))
				return name;
	return NULL;
}

static struct mqbus_namer *namer_find(struct mqbus_topic *topic, kuid_t uid)
{
	struct mqbus_namer *namer;

	list_for_each_entry(namer, &topic->namers, node)
		if (uid_eq(namer->uid, uid))
			return namer;
	return NULL;
}

/* Its name that was closed longest ago, or NULL. */
static struct mqbus_named *name_oldest(struct mqbus_namer *namer)
{
	struct mqbus_named *name;

	list_for_each_entry(name, &namer->names, node)
		if (!name->author.holder)
			return name;
	return NULL;
}

/* The name that a new one of @own replaces at the topic's limit, or NULL. */
static struct mqbus_named *name_of_most(struct mqbus_topic *topic, struct mqbus_namer *own)
{
	struct mqbus_named *name, *found = name_oldest(own);
	struct mqbus_namer *namer;
	u32 most = own->nr;

	list_for_each_entry(namer, &topic->namers, node) {
		if (namer->nr <= most)
			continue;
		name = name_oldest(namer);
		if (name) {
			found = name;
			most = namer->nr;
		}
	}
	return found;
}

/* Make a charged name, in no topic yet. */
static struct mqbus_named *name_new(struct mqbus_ns *ns, const struct mqbus_caller *caller,
				    const char *text)
{
	struct mqbus_named *name = kzalloc(sizeof(*name), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!name)
		return ERR_PTR(-ENOMEM);
	kref_init(&name->ref);
	name->namer = kzalloc(sizeof(*name->namer), GFP_KERNEL_ACCOUNT);
	if (name->namer)
		err = mqbus_charge(&name->charge, ns, caller,
				   sizeof(*name) + sizeof(*name->namer));
	if (err) {
		kref_put(&name->ref, name_release);
		return ERR_PTR(err);
	}
	INIT_LIST_HEAD(&name->namer->names);
	name->namer->uid = caller->cred->fsuid;
	mqbus_author_init(&name->author, ns, NULL);
	strscpy(name->name, text, sizeof(name->name));
	return name;
}

/* Add a name to a topic. Return: 0 or -EMFILE. */
static int name_add(struct mqbus_topic *topic, struct mqbus_named *name,
		    const struct mqbus_caller *caller)
{
	u32 left = MQBUS_PRODUCERS_MAX - topic->nr_names;
	struct mqbus_namer *namer;
	struct mqbus_named *old;

	lockdep_assert_held(&topic->lock);

	namer = namer_find(topic, name->namer->uid) ?: name->namer;
	if (!left || (namer->nr >= left && !mqbus_caller_capable(caller, CAP_SYS_RESOURCE))) {
		old = left ? name_oldest(namer) : name_of_most(topic, namer);
		if (!old)
			return -EMFILE;
		/* The name to remove may be the last one of the same uid */
		namer->nr++;
		name_forget(topic, old);
		namer->nr--;
	}
	if (namer == name->namer) {
		list_add_tail(&namer->node, &topic->namers);
	} else {
		kfree(name->namer);
		name->namer = namer;
	}
	list_add_tail(&name->node, &namer->names);
	namer->nr++;
	topic->nr_names++;
	return 0;
}

/* Drop a reference; @name may be NULL. */
static void name_put(struct mqbus_named *name)
{
	if (name)
		kref_put(&name->ref, name_release);
}

/* Make an endpoint the holder. Return: the former holder, or NULL. */
static const struct mqbus_producer *author_take(struct mqbus_author *author, const void *holder,
						struct mqbus_produce *args)
{
	const void *old;

	spin_lock(&author->lock);
	old = author->holder;
	WRITE_ONCE(author->holder, holder);
	/* 0 means no name, also after a wrap */
	author->epoch = author->epoch + 1 ?: 1;
	args->epoch = author->epoch;
	args->last_seq = author->seq;
	spin_unlock(&author->lock);
	return old;
}

/**
 * mqbus_author_open() - make an endpoint the holder of a name
 * @topic: the topic
 * @ns: its namespace
 * @caller: credentials of the call
 * @holder: the endpoint
 * @args: the name, checked; epoch and last sequence number are written back
 *
 * On return the former holder stores no more records, and is woken to learn so.
 *
 * Return: the author, for mqbus_author_close(), or -EPERM, -EMFILE, -ENOMEM, -EDQUOT,
 * -ENOSPC.
 */
struct mqbus_author *mqbus_author_open(struct mqbus_topic *topic, struct mqbus_ns *ns,
				       const struct mqbus_caller *caller, const void *holder,
				       struct mqbus_produce *args)
{
	struct mqbus_named *name, *fresh = NULL;
	const struct mqbus_producer *old;
	struct mqbus_refused *refused;
	int err = 0;

	/* Allocate outside the lock: it may take long, and others need the lock */
	for (;;) {
		mutex_lock(&topic->lock);
		name = name_find(topic, args->name);
		if (name || fresh)
			break;
		mutex_unlock(&topic->lock);
		fresh = name_new(ns, caller, args->name);
		if (IS_ERR(fresh))
			return ERR_CAST(fresh);
	}
	if (name) {
		err = mqbus_caller_owns(caller, name->namer->uid) ? 0 : -EPERM;
	} else {
		err = name_add(topic, fresh, caller);
		if (!err)
			swap(name, fresh);
	}
	if (err) {
		mutex_unlock(&topic->lock);
		name_put(fresh);
		return ERR_PTR(err);
	}

	kref_get(&name->ref);
	/* RCU keeps the former holder's state, as the holder may be closed after the unlock */
	rcu_read_lock();
	old = author_take(&name->author, holder, args);
	refused = old ? old->refused : NULL;
	mutex_unlock(&topic->lock);
	if (refused)
		mqbus_refused_fenced(refused);
	rcu_read_unlock();
	/* Only its address identifies waiters: there may be as many as open files */
	if (old)
		mqbus_refusal_recheck(topic, old);
	name_put(fresh);
	return &name->author;
}

/* An endpoint that has or had the author's name is closed. */
void mqbus_author_close(struct mqbus_topic *topic, struct mqbus_author *author,
			const void *holder)
{
	struct mqbus_named *name = container_of(author, struct mqbus_named, author);

	mutex_lock(&topic->lock);
	/* Holders change under this lock, so a close of the holder cannot be overtaken */
	if (!mqbus_author_fenced(author, holder)) {
		spin_lock(&author->lock);
		WRITE_ONCE(author->holder, NULL);
		spin_unlock(&author->lock);
		list_move_tail(&name->node, &name->namer->names);
	}
	mutex_unlock(&topic->lock);
	kref_put(&name->ref, name_release);
}
