/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TOPIC_H
#define _MQBUS_TOPIC_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/mqbus.h>

#include "base/account.h"
#include "base/memory.h"
#include "core/ring.h"
#include "log/quota.h"
#include "log/line.h"

struct mqbus_event;
struct mqbus_ns;
struct mqbus_caller;

/**
 * struct mqbus_part - a partition
 * @ring: its log
 * @line: producers that wait for room in it
 * @mem: its pages
 */
struct mqbus_part {
	struct mqbus_ring ring;
	struct mqbus_line line;
	struct mqbus_memory mem;
};

/* Reasons for which producers wait, and one more */
#define MQBUS_WHYS	(MQBUS_WHY_SHARE + 1)

/**
 * struct mqbus_topic_counts - records that could not be stored at once
 * @rejected: refused because it was full
 * @over: refused because of a rate or a share
 * @waits: number of waits, by reason
 * @lock: guards what follows
 * @blocked: producers that wait now
 * @begun: sum of the times at which their waits began
 * @blocked_time: ns of all waits that are over
 */
struct mqbus_topic_counts {
	atomic64_t rejected;
	atomic64_t over;
	atomic64_t waits[MQBUS_WHYS];
	spinlock_t lock;	/* guards blocked, begun and blocked_time */
	u32 blocked;
	u64 begun;
	u64 blocked_time;
};

/**
 * struct mqbus_topic - a named log
 * @ref: the table, every endpoint, and dumps in progress
 * @node: in the namespace's table, under its lock
 * @number: among the namespace's topics and groups, in order of creation
 * @charge: charged to its creator
 * @name: terminated
 * @per_cpu: a partition for each CPU
 * @nr_parts: number of partitions
 * @max_record: limit of bytes of a record's parts together
 * @ring_size: bytes of each ring
 * @uid: owner
 * @gid: owner's group
 * @mode: permissions
 * @full: an &enum mqbus_full; whether it is EVICT does not change
 * @retention: ns, or 0
 * @retention_size: bytes of a partition, or 0
 * @dead: deleted; set once, read anywhere
 * @producers: endpoints bound as producers
 * @turn: of the next one: where its records without a key begin
 * @counts: of records that could not be stored at once
 * @lock: the list of readers; taken inside the namespace's lock, outside a group's
 * @readers: RCU list, changed under @lock
 * @nr_readers: its length; stored under @lock, listings load it without
 * @namers: uids that have names of producers, under @lock
 * @nr_names: number of all their names
 * @quota: rates and shares
 * @feeders: queue groups whose DLQ it is, under the namespace's dlq_links
 * @nr_feeders: their number, or that at the deletion; likewise
 * @dlq_mark: the last search for loops of DLQs that was here; this and
 *	the next are the namespace's, under its lock
 * @dlq_todo: in the namespace's list of what that search has not looked at yet
 * @writers: dead letters that wait for space
 * @waits: producers that wait, and waiters for groups
 * @parts: the partitions
 */
struct mqbus_topic {
	/* constant after creation */
	struct kref ref;
	struct hlist_node node;
	u64 number;
	struct mqbus_charge charge;
	char name[MQBUS_NAME_SIZE];
	bool per_cpu;
	u32 nr_parts;
	u32 max_record;
	u64 ring_size;

	/* marked, stored under the topic's lock, loaded without */
	kuid_t uid;
	kgid_t gid;
	u16 mode;
	u8 full;
	u64 retention;
	u64 retention_size;

	/* marked, without a lock */
	bool dead;
	atomic_t producers;
	atomic_t turn;
	struct mqbus_topic_counts counts;

	struct mutex lock;	/* guards changes of readers, and nr_readers */
	struct list_head readers;
	unsigned int nr_readers;
	struct list_head namers;
	unsigned int nr_names;
	struct mqbus_quota quota;

	struct list_head feeders;
	u32 nr_feeders;
	u64 dlq_mark;
	struct list_head dlq_todo;

	/* only read on the fast path, unless there are waiters */
	wait_queue_head_t writers ____cacheline_aligned_in_smp;
	struct mqbus_waits waits;

	struct mqbus_part *parts[];
};

struct mqbus_part *mqbus_part_alloc(u64 size, int node, u32 partition, bool evict);
void mqbus_part_free(struct mqbus_part *part);
struct mqbus_topic *mqbus_topic_new(const struct mqbus_topic_create *args);
int mqbus_topic_alloc(struct mqbus_topic *topic);
int mqbus_topic_insert(struct mqbus_ns *ns, struct mqbus_topic *topic);
void mqbus_topic_remove(struct mqbus_ns *ns, struct mqbus_topic *topic);
int mqbus_topic_open(struct mqbus_ns *ns, const struct mqbus_caller *caller, const char *name,
		     unsigned int want, struct mqbus_topic **topic);
u32 mqbus_topic_hash(const char *name);
struct mqbus_topic *mqbus_topic_lookup(struct mqbus_ns *ns, const char *name);
struct mqbus_topic *mqbus_topic_find(struct mqbus_ns *ns, const char *name);
void mqbus_topic_put(struct mqbus_topic *topic);
void mqbus_topic_report(const struct mqbus_topic *topic, struct mqbus_event *e);
void mqbus_topic_wake_writers(struct mqbus_topic *topic);
void mqbus_topic_wake_writers_in(struct mqbus_topic *topic, u32 partition);

/* room.c */
u64 mqbus_topic_floor(struct mqbus_topic *topic, u32 partition);
int mqbus_topic_share(struct mqbus_topic *topic, u32 partition, u32 before, u32 bytes, u32 owner);
int mqbus_topic_reserve(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner);
void mqbus_topic_make(struct mqbus_topic *topic, u32 partition, u32 bytes);
int mqbus_topic_ask(struct mqbus_topic *topic, u32 partition, u32 bytes, u32 owner);
bool mqbus_topic_ask_share(const struct mqbus_topic *topic, u32 partition, u32 before, u32 bytes,
			   u32 owner);
void mqbus_topic_begin(struct mqbus_topic *topic, u32 partition, unsigned int looks);
void mqbus_topic_expire(struct mqbus_topic *topic, u32 partition);

/* Whether a topic was deleted */
static inline bool mqbus_topic_dead(const struct mqbus_topic *topic)
{
	return READ_ONCE(topic->dead);
}

/* The owner; may change */
static inline kuid_t mqbus_topic_uid(const struct mqbus_topic *topic)
{
	return READ_ONCE(topic->uid);
}

/* The owner's group; may change */
static inline kgid_t mqbus_topic_gid(const struct mqbus_topic *topic)
{
	return READ_ONCE(topic->gid);
}

/* Whether a topic, with partitions, is MQBUS_FULL_EVICT, which does not change */
static inline bool mqbus_topic_evicts(const struct mqbus_topic *topic)
{
	return topic->parts[0]->ring.evict;
}

/* Whether a topic lets producers wait for @why */
static inline bool mqbus_topic_blocks(const struct mqbus_topic *topic, enum mqbus_why why)
{
	return why == MQBUS_WHY_FULL ? READ_ONCE(topic->full) == MQBUS_FULL_BLOCK :
				       READ_ONCE(topic->quota.over) == MQBUS_OVER_BLOCK;
}

#endif /* _MQBUS_TOPIC_H */
