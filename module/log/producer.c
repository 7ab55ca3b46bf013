// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints that publish: binding, and permission to store records.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "base/ns.h"
#include "base/caller.h"
#include "log/producer.h"
#include "log/refusal.h"
#include "log/topic.h"

/* Choose the author. Return: 0 or a negative errno. */
static int producer_name(struct mqbus_producer *producer, struct mqbus_ns *ns,
			 const struct mqbus_caller *caller, struct mqbus_produce *args)
{
	struct mqbus_author *author = &producer->own;

	args->epoch = 0;
	args->last_seq = 0;
	if (args->name[0])
		author = mqbus_author_open(producer->topic, ns, caller, producer, args);
	else
		mqbus_author_init(author, ns, producer);
	if (IS_ERR(author))
		return PTR_ERR(author);
	producer->author = author;
	args->producer = author->id;
	return 0;
}

/* Steps that can fail, in an order that mqbus_producer_close() can undo from any point. */
static int producer_bind(struct mqbus_producer *producer, struct mqbus_ns *ns,
			 const struct mqbus_caller *caller, struct mqbus_produce *args)
{
	struct mqbus_tenant *tenant;
	int err;

	err = mqbus_charge(&producer->charge, ns, caller,
			   sizeof(*producer) + sizeof(*producer->refused) + PAGE_SIZE);
	if (err)
		return err;
	if (mqbus_refusal_init(producer))
		return -ENOMEM;
	producer->msgs = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!producer->msgs)
		return -ENOMEM;
	tenant = mqbus_quota_enter(producer->topic, caller->cred->fsuid);
	if (tenant == ERR_PTR(-ENOMEM))
		return -ENOMEM;
	/* Too many tenants matter only with a limit for each uid, and then to publishing */
	producer->tenant = IS_ERR(tenant) ? NULL : tenant;
	/* Last, as it fences the former holder */
	return producer_name(producer, ns, caller, args);
}

/**
 * mqbus_producer_open() - bind for publishing
 * @ns: namespace of the topic
 * @caller: credentials of the call
 * @args: topic and name; id, epoch and last sequence number are written back
 *
 * Return: the producer, for mqbus_producer_close(), or a negative errno as of
 * &struct mqbus_produce.
 */
struct mqbus_producer *mqbus_producer_open(struct mqbus_ns *ns, const struct mqbus_caller *caller,
					   struct mqbus_produce *args)
{
	struct mqbus_producer *producer;
	struct mqbus_topic *topic;
	int err;

	if (args->__reserved || args->__reserved2)
		return ERR_PTR(-EINVAL);
	err = mqbus_name_check_any(args->name);
	if (!err)
		err = mqbus_topic_open(ns, caller, args->topic, MQBUS_MAY_WRITE, &topic);
	if (err)
		return ERR_PTR(err);
	producer = kzalloc(sizeof(*producer), GFP_KERNEL_ACCOUNT);
	if (!producer) {
		mqbus_topic_put(topic);
		return ERR_PTR(-ENOMEM);
	}

	mutex_init(&producer->lock);
	producer->uid = caller->cred->fsuid;
	producer->topic = topic;
	atomic_inc(&topic->producers);
	/* Else those that publish once would all fill the same partition */
	atomic_set(&producer->turn, atomic_fetch_inc(&topic->turn));
	err = producer_bind(producer, ns, caller, args);
	if (err) {
		mqbus_producer_close(producer);
		return ERR_PTR(err);
	}
	return producer;
}

/* Undo mqbus_producer_open(); the producer has no other users any more. */
void mqbus_producer_close(struct mqbus_producer *producer)
{
	struct mqbus_topic *topic = producer->topic;

	if (producer->author && producer->author != &producer->own)
		mqbus_author_close(topic, producer->author, producer);
	mqbus_refusal_end(producer);
	if (producer->tenant)
		mqbus_quota_leave(topic, producer->tenant);
	free_page((unsigned long)producer->msgs);
	kvfree(producer->draft);
	mqbus_uncharge(&producer->draft_charge);
	mqbus_uncharge(&producer->charge);
	atomic_dec(&topic->producers);
	mqbus_topic_put(topic);
	kfree(producer);
}

/**
 * mqbus_producer_check() - whether a producer may store records now
 * @producer: the producer; its author's lock is held
 * @seq: sequence number of the first; 0: any
 * @count: number of records, at least 1
 * @duplicates: filled with the number of them, from the first on, that were stored before
 *
 * Return: 0, -EIDRM, -ENOLINK, -EUSERS, -EINVAL, -EPROTO.
 */
int mqbus_producer_check(const struct mqbus_producer *producer, u64 seq, u32 count,
			 u32 *duplicates)
{
	const struct mqbus_author *author = producer->author;

	lockdep_assert_held(&author->lock);

	*duplicates = 0;
	if (mqbus_topic_dead(producer->topic))
		return -EIDRM;
	if (mqbus_author_fenced(author, producer))
		return -ENOLINK;
	if (seq && !author->epoch)
		return -EINVAL;
	if (seq && (seq - 1 > author->seq || seq > U64_MAX - count))
		return -EPROTO;
	if (seq)
		*duplicates = min_t(u64, count, author->seq - (seq - 1));
	if (*duplicates < count && !producer->tenant &&
	    READ_ONCE(producer->topic->quota.by_user))
		return -EUSERS;
	return 0;
}

/* Whether other producers come first. Return: as mqbus_line_admit(). */
static int producer_turn(const struct mqbus_producer *producer, u32 partition, u32 bytes,
			 u32 owner)
{
	if (likely(!producer->topic->parts[partition]->line.busy))
		return 0;
	return mqbus_line_admit(producer->topic, partition, bytes, owner,
				mqbus_refused_age(producer->refused), producer);
}

/*
 * Make room for records of @bytes together; the ring's lock is held. Return: as
 * mqbus_topic_reserve(), also if there is room but it is others' turn.
 */
int mqbus_producer_reserve(const struct mqbus_producer *producer, u32 partition, u32 bytes)
{
	struct mqbus_topic *topic = producer->topic;
	u32 owner = mqbus_producer_owner(producer);

	return producer_turn(producer, partition, bytes, owner) ?:
	       mqbus_topic_reserve(topic, partition, bytes, owner);
}

/*
 * Whether room can be made for records of @bytes together; the ring's lock is held. Return:
 * as mqbus_topic_ask(), also if there is room but it is others' turn.
 */
int mqbus_producer_ask(const struct mqbus_producer *producer, u32 partition, u32 bytes)
{
	u32 owner = mqbus_producer_owner(producer);

	return producer_turn(producer, partition, bytes, owner) ?:
	       mqbus_topic_ask(producer->topic, partition, bytes, owner);
}

/* mqbus_producer_ask() without the share; takes the ring's lock, and changes nothing. */
int mqbus_producer_room(const struct mqbus_producer *producer, u32 partition, u32 bytes)
{
	struct mqbus_topic *topic = producer->topic;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	int err;

	spin_lock(&ring->lock);
	err = producer_turn(producer, partition, bytes, 0) ?:
	      mqbus_topic_ask(topic, partition, bytes, 0);
	spin_unlock(&ring->lock);
	return err;
}
