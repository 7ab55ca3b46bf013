/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_PRODUCER_H
#define _MQBUS_PRODUCER_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/mqbus.h>

#include "base/account.h"
#include "core/ring.h"
#include "log/quota.h"
#include "log/reader.h"
#include "log/refusal.h"
#include "log/author.h"
#include "log/trace.h"

struct mqbus_ns;
struct mqbus_record;
struct mqbus_topic;
struct mqbus_caller;

/**
 * struct mqbus_producer - an endpoint bound to a topic for writing
 * @topic: the topic, with a reference
 * @author: the author of its records: its own, or that of its name, with a reference
 * @own: the author of a producer without name
 * @uid: uid that opened it
 * @tenant: the uid's tenant in the topic; NULL: there were too many
 * @refused: state of its last refusal
 * @lock: one call at a time; not held while waiting for space
 * @turn: counts calls: records without a key go to partitions in turn
 * @msgs: a page for the descriptions of a batch
 * @draft: buffer for records that are assembled before they are appended, or NULL
 * @draft_size: bytes of it
 * @draft_charge: charge of a @draft that outlives a call, to @uid
 * @charge: charge of all else, to @uid
 * @stored: partitions to which a call has appended, and whose readers are not woken yet
 */
struct mqbus_producer {
	/* constant after binding */
	struct mqbus_topic *topic;
	struct mqbus_author *author;
	struct mqbus_author own;
	kuid_t uid;
	struct mqbus_tenant *tenant;
	struct mqbus_refused *refused;

	struct mutex lock;	/* guards msgs, draft and stored */
	atomic_t turn;
	struct mqbus_msg *msgs;
	void *draft;
	u32 draft_size;
	struct mqbus_charge draft_charge;
	struct mqbus_charge charge;
	struct mqbus_stored stored;
};

struct mqbus_producer *mqbus_producer_open(struct mqbus_ns *ns, const struct mqbus_caller *caller,
					   struct mqbus_produce *args);
void mqbus_producer_close(struct mqbus_producer *producer);

int mqbus_producer_check(const struct mqbus_producer *producer, u64 seq, u32 count,
			 u32 *duplicates);
int mqbus_producer_reserve(const struct mqbus_producer *producer, u32 partition, u32 bytes);
int mqbus_producer_ask(const struct mqbus_producer *producer, u32 partition, u32 bytes);
int mqbus_producer_room(const struct mqbus_producer *producer, u32 partition, u32 bytes);

/* Time at which the rates let records of @bytes together go, as mqbus_quota_due() */
static inline u64 mqbus_producer_due(const struct mqbus_producer *producer, u32 records,
				     u32 bytes)
{
	return mqbus_quota_due(&producer->topic->quota, producer->tenant, records, bytes);
}

/* Spend the rates' tokens for records of @bytes together */
static inline void mqbus_producer_spend(const struct mqbus_producer *producer, u32 records,
					u32 bytes)
{
	mqbus_quota_spend(&producer->topic->quota, producer->tenant, records, bytes);
}

/* Index of the tenant whose space its records take; 0: none */
static inline u32 mqbus_producer_owner(const struct mqbus_producer *producer)
{
	return producer->tenant ? producer->tenant->index : 0;
}

/* Clear a refusal after a call has stored records; no lock is held */
static inline void mqbus_producer_stored(struct mqbus_producer *producer)
{
	if (unlikely(READ_ONCE(producer->refused->any)))
		mqbus_refusal_clear(producer);
}

/* Use up the producer's turn, if it had one, after records were stored under the ring's lock */
static inline void mqbus_producer_used(const struct mqbus_producer *producer,
				       struct mqbus_ring *ring)
{
	struct mqbus_line *line = &container_of(ring, struct mqbus_part, ring)->line;

	if (unlikely(line->nr_called))
		mqbus_line_used(line, ring, producer);
}

/**
 * mqbus_producer_sign() - add the record in the slot to the batch, as a producer's next
 * @producer: the producer; its author's lock is held, and mqbus_producer_check() returned 0
 * @ring: the ring, whose lock is held
 * @rec: the record in the slot; size, lengths, schema and parts are there
 * @bytes: its size
 *
 * Call mqbus_producer_used() once for all records stored under one hold of the lock.
 */
static __always_inline void mqbus_producer_sign(struct mqbus_producer *producer,
						struct mqbus_ring *ring,
						struct mqbus_record *rec, u32 bytes)
{
	struct mqbus_author *author = producer->author;

	lockdep_assert_held(&author->lock);

	rec->flags = 0;
	mqbus_ring_append(ring, rec, author->id, ++author->seq, author->epoch,
			  ring->used ? mqbus_producer_owner(producer) : 0, bytes);
	if (trace_publish_enabled())
		trace_publish(producer->topic, ring->page->partition, rec);
}

#endif /* _MQBUS_PRODUCER_H */
